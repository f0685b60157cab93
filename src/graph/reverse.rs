//! Reverse accumulation: from an expression to its gradient, which is an expression of the same graph and can be differentiated
//! again.

use super::{Expr, op};

/// Reverse accumulation: ∂⟨upstream, root⟩/∂w for each w, as expressions of the same graph.
///
/// At kinks the result is a set, as the operations say. Shapes: upstream has the root's, each answer has w's.
pub fn gradient(root: &Expr, upstream: &Expr, wrt: &[Expr]) -> Vec<Expr> {
    assert_eq!(root.shape(), upstream.shape(), "the upstream has the root's shape");
    let count = root.id + 1;
    // Active nodes depend on what is differentiated by; only they get adjoints.
    let mut active = vec![false; count];
    for w in wrt.iter().filter(|w| w.id < count) {
        active[w.id] = true;
    }
    for id in 0..count {
        let graph = root.graph.borrow();
        active[id] |= graph.nodes[id].args.iter().any(|&arg| active[arg]);
    }
    let mut adjoints: Vec<Option<Expr>> = vec![None; count];
    adjoints[root.id] = Some(upstream.clone());
    for id in (0..count).rev() {
        let Some(g) = adjoints[id].clone().filter(|_| active[id]) else { continue };
        let out = root.at(id);
        let node = root.graph.borrow().nodes[id].clone();
        let args: Vec<Expr> = node.args.iter().map(|&arg| root.at(arg)).collect();
        let wanted: Vec<bool> = node.args.iter().map(|&arg| active[arg]).collect();
        let contributions = op::derivative(&node.op, &args, &out, &g, &wanted);
        for ((&arg, contribution), wanted) in node.args.iter().zip(contributions).zip(wanted) {
            if let Some(contribution) = contribution.filter(|_| wanted) {
                adjoints[arg] = Some(match adjoints[arg].take() {
                    Some(sum) => sum + contribution,
                    None => contribution,
                });
            }
        }
    }
    let zeros = |w: &Expr| w.constant(0.0).broadcast(&w.shape());
    wrt.iter().map(|w| adjoints.get(w.id).cloned().flatten().unwrap_or_else(|| zeros(w))).collect()
}
