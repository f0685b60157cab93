//! A loss as a graph of array operations: [`Expr`] traces a formula into a [`Graph`], a flat list of operations on whole
//! arrays of known shape, each pointing at earlier ones. [`gradient`] makes another graph of it by reverse
//! accumulation, which can be differentiated again.

mod binary;
mod cosine;
mod divergence;
mod expr;
mod focal;
mod op;
mod operators;
mod reverse;

pub use binary::{LogClamp, PYTORCH_FLOOR};
pub use expr::{Expr, Tracer};
pub use focal::{Focal, SoftTarget};
pub use op::{Degree, Op, Power};
pub use reverse::gradient;

use std::hash::{Hash, Hasher};

/// A number that can be hashed: equal bits are equal numbers; −0 is taken as +0.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Real(u64);

impl Real {
    /// Wraps a number.
    pub fn new(x: f64) -> Real {
        Real((x + 0.0).to_bits())
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// A node's place in its graph.
pub type NodeId = usize;

/// An operation with its arguments and the shape of its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// To which earlier nodes.
    pub args: Vec<NodeId>,
    /// The shape of the result.
    pub shape: Vec<usize>,
}

impl Node {
    /// How many elements the result has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the result has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A flat list of operations in which every argument stands before its use and no node stands twice.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    /// A fingerprint of each node, by which its like is found.
    prints: Vec<u64>,
}

/// Equal nodes have equal prints. Masks and indices are not looked at, which are long: nodes that differ in nothing else are
/// compared.
fn print(node: &Node) -> u64 {
    let mix = |print: u64, x: u64| (print.rotate_left(5) ^ x).wrapping_mul(0x517c_c1b7_2722_0a95);
    let kind = match &node.op {
        Op::Input(slot) => *slot as u64,
        Op::Constant(x) => x.get().to_bits(),
        _ => 0,
    };
    let mut hasher = Fold(0);
    std::mem::discriminant(&node.op).hash(&mut hasher);
    let args = node.args.iter().fold(mix(hasher.0, kind), |print, &arg| mix(print, arg as u64 + 1));
    node.shape.iter().fold(mix(args, node.shape.len() as u64), |print, &extent| mix(print, extent as u64))
}

/// What is written, folded; enough for a discriminant.
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0.rotate_left(8) ^ u64::from(byte));
    }
}

impl Graph {
    /// The nodes, arguments first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn push(&mut self, node: Node) -> NodeId {
        let print = print(&node);
        let mut alike = self.prints.iter().enumerate().filter(|&(_, &other)| other == print);
        if let Some((id, _)) = alike.find(|&(id, _)| self.nodes[id] == node) {
            return id;
        }
        self.nodes.push(node);
        self.prints.push(print);
        self.nodes.len() - 1
    }
}
