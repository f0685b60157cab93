//! What depends on what in a program: which elements of each node stand behind the elements that are wanted.
//!
//! View operations are followed, not computed.

use crate::case::program::Program;
use crate::graph::{NodeId, Op};
use std::ops::Range;

/// The elements of a node that are needed, and their number.
#[derive(Clone)]
pub(super) struct Marks {
    pub needed: Vec<bool>,
    pub count: usize,
}

impl Marks {
    /// Of so many elements none.
    fn nothing(length: usize) -> Marks {
        Marks { needed: vec![false; length], count: 0 }
    }

    /// These too.
    fn add(&mut self, elements: Range<usize>) {
        let needed = &mut self.needed[elements];
        self.count += needed.iter().filter(|&&needed| !needed).count();
        needed.fill(true);
    }

    /// The needed elements in order.
    pub fn elements(&self) -> impl Iterator<Item = usize> + '_ {
        marked(&self.needed)
    }
}

/// The marked places in order; where few of many are marked, at a fraction of the cost of asking each.
pub(super) fn marked(marks: &[bool]) -> impl Iterator<Item = usize> + '_ {
    const PART: usize = 64;
    let parts = marks.chunks(PART).enumerate().filter(|(_, part)| part.contains(&true));
    parts.flat_map(|(at, part)| (0..part.len()).filter(|&k| part[k]).map(move |k| at * PART + k))
}

/// Of each node what is needed; `None` where nothing is, and for views.
pub(super) type Needs = Vec<Option<Marks>>;

/// A program whose elements are traced to what they depend on.
#[derive(Copy, Clone)]
pub(super) struct Dependence<'a>(pub &'a Program);

impl Dependence<'_> {
    /// Marks what the wanted elements depend on, from the last node to the first.
    pub fn needs(self, wanted: &[Vec<usize>]) -> Needs {
        let nodes = self.0.graph.nodes();
        let mut needs: Needs = vec![None; nodes.len()];
        let mark = |needs: &mut Needs, (id, element): (NodeId, usize)| {
            needs[id].get_or_insert_with(|| Marks::nothing(nodes[id].len())).add(element..element + 1);
        };
        for ((_, id), elements) in self.0.outputs.iter().zip(wanted) {
            elements.iter().for_each(|&element| mark(&mut needs, self.source(*id, element)));
        }
        for id in (0..nodes.len()).rev() {
            if nodes[id].args.is_empty() {
                continue;
            }
            let Some(marks) = needs[id].take() else { continue };
            let rows = self.rows_of(id);
            let mut marked_rows = vec![false; rows.map_or(0, |(rows, ..)| rows)];
            if let Op::ScatterAdd(indices) = &nodes[id].op {
                let sources = indices.iter().enumerate().filter(|&(_, &to)| marks.needed[to]);
                sources.for_each(|(at, _)| mark(&mut needs, self.source(nodes[id].args[0], at)));
                needs[id] = Some(marks);
                continue;
            }
            for element in marks.elements() {
                match rows {
                    None => {
                        let sources = nodes[id].args.iter().map(|&arg| self.source(arg, element));
                        sources.for_each(|source| mark(&mut needs, source));
                    }
                    Some((_, n, stride)) => {
                        let row = self.row_number(id, element);
                        if !std::mem::replace(&mut marked_rows[row], true) {
                            for &arg in &nodes[id].args {
                                let whole = self.beneath_reshapes(arg);
                                if stride == 1 && !nodes[whole].op.is_view() {
                                    let none = || Marks::nothing(nodes[whole].len());
                                    needs[whole].get_or_insert_with(none).add(row * n..(row + 1) * n);
                                    continue;
                                }
                                for k in 0..n {
                                    mark(&mut needs, self.source(arg, row_element(row, k, n, stride)));
                                }
                            }
                        }
                    }
                }
            }
            needs[id] = Some(marks);
        }
        needs
    }

    /// For operations on rows of their arguments: (number of rows, their length, the stride of the axis).
    pub fn rows_of(self, id: NodeId) -> Option<(usize, usize, usize)> {
        let node = &self.0.graph.nodes()[id];
        let shape = &self.0.graph.nodes()[*node.args.first()?].shape;
        let axis = match &node.op {
            Op::Sum { axis } | Op::MaxAxis { axis } | Op::MaxShare { axis } | Op::Dot { axis } => *axis,
            op if op.is_on_rows() => shape.len() - 1,
            _ => return None,
        };
        let stride: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        Some((outer * stride, shape[axis], stride))
    }

    /// The row of the argument to which an element of the result belongs.
    pub fn row_number(self, id: NodeId, element: usize) -> usize {
        let nodes = self.0.graph.nodes();
        let node = &nodes[id];
        let (_, n, stride) = self.rows_of(id).unwrap_or((0, 1, 1));
        if node.shape.len() == nodes[node.args[0]].shape.len() {
            element / (n * stride) * stride + element % stride
        } else {
            element
        }
    }

    /// Follows the views that keep every element in its place.
    fn beneath_reshapes(self, mut id: NodeId) -> NodeId {
        let nodes = self.0.graph.nodes();
        while matches!(nodes[id].op, Op::Reshape | Op::StopGradient | Op::GradientTo) {
            id = nodes[id].args[0];
        }
        id
    }

    /// Follows views to the computed element that stands behind an element.
    pub fn source(self, mut id: NodeId, mut element: usize) -> (NodeId, usize) {
        let nodes = self.0.graph.nodes();
        loop {
            let node = &nodes[id];
            match &node.op {
                Op::Select(mask) => id = node.args[usize::from(!mask[element])],
                Op::Reshape | Op::StopGradient | Op::GradientTo => id = node.args[0],
                Op::Gather(indices) => (id, element) = (node.args[0], indices[element]),
                Op::Broadcast => {
                    id = node.args[0];
                    element = broadcast_source(&nodes[id].shape, &node.shape, element);
                }
                Op::Slice { axis, start } => {
                    id = node.args[0];
                    let inner: usize = node.shape[axis + 1..].iter().product();
                    let (from, to) = (nodes[id].shape[*axis], node.shape[*axis]);
                    let (outer, within) = (element / (to * inner), element % (to * inner));
                    element = outer * from * inner + start * inner + within;
                }
                Op::Concatenate { axis } => {
                    let inner: usize = node.shape[axis + 1..].iter().product();
                    let whole = node.shape[*axis] * inner;
                    let (outer, mut within) = (element / whole, element % whole);
                    for &arg in &node.args {
                        let part = nodes[arg].shape[*axis] * inner;
                        if within < part {
                            (id, element) = (arg, outer * part + within);
                            break;
                        }
                        within -= part;
                    }
                }
                _ => return (id, element),
            }
        }
    }
}

/// Element k of a row of n elements, `stride` apart.
pub(super) fn row_element(row: usize, k: usize, n: usize, stride: usize) -> usize {
    row / stride * n * stride + k * stride + row % stride
}

/// The element of an array of shape `from` that is repeated at an element of shape `to`.
pub(super) fn broadcast_source(from: &[usize], to: &[usize], mut element: usize) -> usize {
    let (mut source, mut stride) = (0, 1);
    for (k, &extent) in to.iter().enumerate().rev() {
        let index = element % extent;
        element /= extent;
        let Some(at) = (k + from.len()).checked_sub(to.len()) else { break };
        if from[at] != 1 {
            source += index * stride;
        }
        stride *= from[at];
    }
    source
}
