//! Where the nodes of a graph are used, so that a run need not keep what is not asked for any more.

use super::orders::addends;
use super::product::Product;
use crate::case::program::Program;
use crate::graph::{NodeId, Op};

/// Where the nodes of a graph are used.
pub(super) struct Uses {
    /// The last node that uses a node, beyond all for an output; nothing where no output needs it.
    last: Vec<Option<NodeId>>,
    /// The nodes whose last use is this one.
    pub done_after: Vec<Vec<NodeId>>,
    /// Whether a node's factors are asked for.
    pub factors: Vec<bool>,
    /// The leaves of sums that are bracketed.
    pub addends: Vec<Option<Vec<(NodeId, bool)>>>,
}

impl Uses {
    /// Of a program's nodes.
    pub fn of(program: &Program) -> Uses {
        let nodes = program.graph.nodes();
        let mut uses = Uses {
            last: vec![None; nodes.len()],
            done_after: vec![Vec::new(); nodes.len()],
            factors: vec![false; nodes.len()],
            addends: vec![None; nodes.len()],
        };
        program.outputs.iter().for_each(|&(_, id)| uses.last[id] = Some(nodes.len()));
        for (id, node) in nodes.iter().enumerate().rev() {
            let Some(last) = uses.last[id] else { continue };
            if let Some(done) = uses.done_after.get_mut(last) {
                done.push(id);
            }
            uses.addends[id] = addends(nodes, id);
            let leaves = uses.addends[id].iter().flatten().map(|(leaf, _)| leaf);
            // A quotient looks at the terms of what it divides.
            let terms = if node.op == Op::Div { &nodes[node.args[0]].args[..] } else { &[] };
            for &arg in node.args.iter().chain(terms).chain(leaves) {
                uses.last[arg].get_or_insert(id);
            }
            let asks = uses.factors[id] && Product::passes_on(&node.op);
            if asks || matches!(node.op, Op::Mul | Op::Div) {
                node.args.iter().for_each(|&arg| uses.factors[arg] = true);
            }
        }
        uses
    }

    /// Whether an output needs a node.
    pub fn is_needed(&self, id: NodeId) -> bool {
        self.last[id].is_some()
    }
}
