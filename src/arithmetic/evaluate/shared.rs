//! What the elements of a row have in common: exponentials and their sum, norms, maxima; computed once a row, before the elements
//! that need it, long rows and many rows on several threads.

use super::Evaluation;
use crate::arithmetic::ball::Ball;
use crate::arithmetic::cosine::Cosine;
use crate::arithmetic::rows::{Exponentials, Maximum, RowNorm, WORTH_THREADS};
use crate::graph::{Degree, NodeId, Op, Power, Real};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::Hash;

/// A norm of a row of a node: its degree, and what is added under the root.
pub(super) type NormKey = (NodeId, usize, Degree, Real);
/// A cosine of a row of two nodes, and what is added to the squared norms.
pub(super) type CosineKey = ([NodeId; 2], usize, Real);

/// What is known of rows, by the node whose rows they are.
#[derive(Default)]
pub(super) struct Shared {
    pub exponentials: HashMap<(NodeId, usize), Option<Exponentials>>,
    pub norms: HashMap<NormKey, RowNorm>,
    pub cosines: HashMap<CosineKey, Cosine>,
    pub maxima: HashMap<(NodeId, usize), Maximum>,
    /// Σ of the targets of a soft cross-entropy.
    pub totals: HashMap<(NodeId, usize), Ball>,
}

/// The key and the value of each row that is not known yet, of n elements each.
fn missing<K: Copy + Eq + Hash + Send + Sync, V: Send>(
    known: &HashMap<K, V>,
    keys: impl Iterator<Item = K>,
    n: usize,
    of: impl Fn(K) -> V + Sync,
) -> Vec<(K, V)> {
    let open: Vec<K> = keys.filter(|key| !known.contains_key(key)).collect();
    if open.len() > 1 && open.len() * n >= WORTH_THREADS {
        open.into_par_iter().map(|key| (key, of(key))).collect()
    } else {
        open.into_iter().map(|key| (key, of(key))).collect()
    }
}

impl Evaluation<'_> {
    /// The degree of an operation's norm, and what is added under the root.
    fn degree(op: &Op) -> Option<(Degree, Real)> {
        match op {
            Op::Norm { p, epsilon } | Op::NormGradient { p, epsilon } => Some((*p, *epsilon)),
            Op::Normalize => Some((Degree::from(Power::Finite(2.0)), Real::new(0.0))),
            _ => None,
        }
    }

    /// The key of an element's norm.
    pub(super) fn norm_key(&self, id: NodeId, element: usize) -> Option<NormKey> {
        let node = &self.program.graph.nodes()[id];
        let (p, epsilon) = Self::degree(&node.op)?;
        Some((node.args[0], self.dependence().row_number(id, element), p, epsilon))
    }

    /// The norm that an element needs.
    pub(super) fn norm(&self, id: NodeId, element: usize) -> &RowNorm {
        let norm = self.norm_key(id, element).and_then(|key| self.shared.norms.get(&key));
        norm.expect("share_rows() goes before")
    }

    /// What an element needs of its rows' cosine.
    pub(super) fn cosine(&self, id: NodeId, element: usize, epsilon: Real) -> &Cosine {
        let args = &self.program.graph.nodes()[id].args;
        let key = ([args[0], args[1]], self.dependence().row_number(id, element), epsilon);
        self.shared.cosines.get(&key).expect("share_rows() goes before")
    }

    /// Computes what the rows of a node's elements share, where that is not known yet.
    pub(super) fn share_rows(&mut self, id: NodeId, elements: &[usize]) {
        let (dependence, prec) = (self.dependence(), self.effort.prec);
        let Some((_, n, _)) = dependence.rows_of(id) else { return };
        let node = &self.program.graph.nodes()[id];
        let arg = |k: usize| node.args[k];
        if matches!(node.op, Op::Sum { .. } | Op::Dot { .. }) {
            return;
        }
        let mut rows: Vec<usize> =
            elements.iter().map(|&element| dependence.row_number(id, element)).collect();
        rows.sort_unstable();
        rows.dedup();
        let keys = |arg: NodeId| rows.iter().map(move |&row| (arg, row));
        let shared = &self.shared;
        match &node.op {
            Op::MaxAxis { .. } | Op::MaxShare { .. } => {
                let of = |(_, row)| Maximum::of(&self.row(id, 0, row, &mut Vec::new()), prec);
                let found = missing(&shared.maxima, keys(arg(0)), n, of);
                self.shared.maxima.extend(found);
            }
            op if op.is_of_exponentials() => {
                let of = |(_, row)| Exponentials::of(&self.row(id, 0, row, &mut Vec::new()), prec);
                let found = missing(&shared.exponentials, keys(arg(0)), n, of);
                let total = |(_, row)| Ball::sum(self.row(id, 1, row, &mut Vec::new()).iter().copied(), prec);
                let totals = match op {
                    Op::SoftCrossEntropyGradient => missing(&shared.totals, keys(arg(1)), n, total),
                    _ => Vec::new(),
                };
                self.evaluations += (found.len() * n) as u64;
                self.shared.exponentials.extend(found);
                self.shared.totals.extend(totals);
            }
            Op::Cosine { epsilon } | Op::CosineGradient { epsilon } => {
                let of = |(_, row, epsilon): CosineKey| {
                    let (mut x_hulls, mut y_hulls) = (Vec::new(), Vec::new());
                    let (x, y) = (self.row(id, 0, row, &mut x_hulls), self.row(id, 1, row, &mut y_hulls));
                    Cosine::of(&x, &y, epsilon.get(), prec)
                };
                let keys = rows.iter().map(|&row| ([arg(0), arg(1)], row, *epsilon));
                let found = missing(&shared.cosines, keys, n, of);
                self.evaluations += (2 * found.len() * n) as u64;
                self.shared.cosines.extend(found);
            }
            op => {
                let Some((p, epsilon)) = Self::degree(op) else { return };
                let of = |(_, row, p, epsilon): NormKey| {
                    RowNorm::of(&self.row(id, 0, row, &mut Vec::new()), p.power(), epsilon.get(), prec)
                };
                let keys = rows.iter().map(|&row| (arg(0), row, p, epsilon));
                let found = missing(&shared.norms, keys, n, of);
                self.evaluations += (found.len() * n) as u64;
                self.shared.norms.extend(found);
            }
        }
    }
}
