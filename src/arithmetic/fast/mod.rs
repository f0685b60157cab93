//! The fast tier: the graph over arrays of balls whose midpoints are f64, one loop a node, and, for f64 outputs and for what
//! these leave open, over balls whose midpoints are double-double, of which only what the open elements depend on is computed.
//! It proves most elements at the cost of one exponential each; what it does not know goes to MPFR.
//!
//! *Sound*: see [`ball`]. Whatever it has no rule for, an operation it does not know, a set at a kink, an infinity, is not
//! known, and neither is what depends on it.

mod array;
pub mod ball;
mod divergence;
pub mod double;
mod double_elementary;
mod elementary;
mod exponential;
pub mod grid;
mod machine;
mod operations;
mod pairs;
mod pool;
mod rows;
mod shares;
pub mod single;
#[cfg(test)]
mod tests;

use super::dependence::{Dependence, Needs, marked};
use crate::case::{Case, program::Program};
use crate::graph::{Degree, NodeId, Real};
use crate::truth::Truth;
use array::{Array, Block};
use ball::{Ball, Midpoint};
use double::Double;
use elementary as f;
use grid::Grid;
use rows::{Asked, Exponentials, RowNorm};
use std::collections::HashMap;
use std::rc::Rc;

type Shared<'a, M> = Rc<Array<'a, M>>;

/// The norms of an array's rows.
type Norms<M> = Rc<[RowNorm<M>]>;

/// What two arrays' rows share; nothing where it is not needed.
type Cosines<M> = Rc<[Option<pairs::Cosine<M>>]>;

/// Sums of so many exponentials are tried quickly first.
const LONG_SUM: usize = 256;

/// Stands where nothing is known yet.
pub const OPEN: Truth = Truth::Undecided { bits: 0 };

/// An evaluation of a program's outputs over fast balls.
pub struct Evaluation<'a, M: Midpoint = f64> {
    program: &'a Program,
    case: &'a Case,
    /// What is computed; everything where there is nothing here.
    needs: Option<Needs>,
    /// Whether rows' sums of exponentials may be quick ones, of fewer bits.
    quick: bool,
    stores: Vec<Option<Shared<'a, M>>>,
    /// How many nodes and outputs still read a node; nothing is kept longer.
    readers: Vec<usize>,
    exponentials: HashMap<NodeId, Rc<Exponentials<M>>>,
    norms: HashMap<(NodeId, Degree, Real), Norms<M>>,
    decays: HashMap<NodeId, Shared<'a, M>>,
    cosines: HashMap<([NodeId; 2], Real), Cosines<M>>,
    /// How many elements of nodes have been evaluated; a reduction of n elements counts n.
    pub evaluations: u64,
}

impl<'a> Evaluation<'a> {
    /// Evaluates all outputs; `None` on a machine whose arithmetic is not what the proofs assume.
    pub fn run(program: &'a Program, case: &'a Case) -> Option<Evaluation<'a>> {
        machine::is_sound().then(|| Evaluation::of(program, case, None, false))
    }

    /// What the balls of an output fix, and the places of what they leave open, which stands as [`OPEN`].
    pub fn truths(&self, output: usize, grid: &Grid) -> (Vec<Truth>, Vec<usize>) {
        let id = self.program.outputs[output].1;
        let (mut truths, mut open) = (Vec::with_capacity(self.program.graph.nodes()[id].len()), Vec::new());
        let values = self.stores[id].as_ref().expect("outputs are kept");
        values.for_each_block(|block| match block {
            Block::Plain(mid, rad) => {
                let balls = mid.iter().zip(rad).map(|(&mid, &rad)| Ball::around(mid, rad));
                grid.settle(balls, &mut truths, &mut open);
            }
            Block::One(ball) => grid.settle(std::iter::once(ball), &mut truths, &mut open),
        });
        debug_assert_eq!(truths.len(), self.program.graph.nodes()[id].len());
        (truths, open)
    }
}

impl<'a> Evaluation<'a, Double> {
    /// Evaluates the wanted elements of each output, `wanted[k]` of output k, in double-doubles, with quick sums of exponentials
    /// or with full ones; `None` on a machine whose arithmetic is not what the proofs assume.
    pub fn run_doubles(
        program: &'a Program,
        case: &'a Case,
        wanted: &[Vec<usize>],
        quick: bool,
    ) -> Option<Evaluation<'a, Double>> {
        let needs = || Some(Dependence(program).needs(wanted));
        machine::is_sound().then(|| Evaluation::of(program, case, needs(), quick))
    }

    /// Whether quick sums of exponentials would save much.
    pub fn has_long_sums(program: &Program) -> bool {
        let nodes = program.graph.nodes();
        let is_long = |arg: &NodeId| nodes[*arg].shape.last().is_some_and(|&n| n >= LONG_SUM);
        nodes.iter().any(|node| node.op.is_of_exponentials() && node.args.first().is_some_and(is_long))
    }

    /// What the ball of an output's element fixes.
    pub fn truth(&self, output: usize, element: usize, grid: &Grid) -> Option<Truth> {
        grid.truth_of_double(self.output(output, element))
    }
}

impl<'a, M: Midpoint> Evaluation<'a, M> {
    fn of(program: &'a Program, case: &'a Case, needs: Option<Needs>, quick: bool) -> Evaluation<'a, M> {
        let nodes = program.graph.nodes();
        let mut evaluation = Evaluation {
            program,
            case,
            needs,
            quick,
            stores: vec![None; nodes.len()],
            readers: vec![0; nodes.len()],
            exponentials: HashMap::new(),
            norms: HashMap::new(),
            decays: HashMap::new(),
            cosines: HashMap::new(),
            evaluations: 0,
        };
        program.outputs.iter().for_each(|&(_, id)| evaluation.readers[id] += 1);
        for (id, node) in nodes.iter().enumerate().rev() {
            if evaluation.readers[id] > 0 {
                node.args.iter().for_each(|&arg| evaluation.readers[arg] += 1);
            }
        }
        for (id, node) in nodes.iter().enumerate() {
            if evaluation.readers[id] == 0 {
                continue;
            }
            let needed = evaluation.count(id);
            let value = match needed {
                0 if !node.is_empty() && !node.op.is_view() => Rc::new(Array::unknown(node.len())),
                _ => evaluation.node(id, node),
            };
            if !node.op.is_view() {
                evaluation.evaluations += needed as u64;
            }
            debug_assert_eq!(value.len(), node.len());
            evaluation.stores[id] = Some(value);
            for &arg in &node.args {
                evaluation.readers[arg] -= 1;
                if evaluation.readers[arg] == 0 {
                    evaluation.forget(arg);
                }
            }
        }
        evaluation
    }

    /// The ball of an output's element.
    pub fn output(&self, output: usize, element: usize) -> Ball<M> {
        let id = self.program.outputs[output].1;
        self.stores[id].as_ref().map_or(Ball::UNKNOWN, |values| values.get(element))
    }

    fn forget(&mut self, id: NodeId) {
        self.stores[id] = None;
        self.exponentials.remove(&id);
        self.norms.retain(|&(arg, ..), _| arg != id);
        self.decays.remove(&id);
        self.cosines.retain(|(args, _), _| !args.contains(&id));
    }

    fn get(&self, id: NodeId) -> Shared<'a, M> {
        self.stores[id].clone().expect("arguments stand before their use, and are kept until it")
    }

    /// How many elements of a node are needed.
    fn count(&self, id: NodeId) -> usize {
        match &self.needs {
            Some(needs) => needs[id].as_ref().map_or(0, |marks| marks.count),
            None => self.program.graph.nodes()[id].len(),
        }
    }

    /// Which elements of a node are needed; all where there is nothing.
    fn marks(&self, id: NodeId) -> Option<&[bool]> {
        let needs = self.needs.as_ref()?;
        Some(needs[id].as_ref().map_or(&[], |marks| &marks.needed))
    }

    /// The needed elements of a node, each by f; of the others nothing is known.
    #[inline(always)]
    fn each(&self, id: NodeId, f: impl Fn(usize) -> Ball<M>) -> Array<'a, M> {
        let length = self.program.graph.nodes()[id].len();
        match self.marks(id) {
            None => Array::from_fn(length, f),
            // A few of many: what is not known takes no place.
            Some(needed) if self.count(id) < length / 16 => {
                Array::Sparse(marked(needed).map(|i| (i, f(i))).collect(), length)
            }
            Some(needed) => Array::from_fn(length, |i| if needed[i] { f(i) } else { Ball::UNKNOWN }),
        }
    }

    /// f of the needed elements of an argument.
    #[inline(always)]
    fn map(&self, id: NodeId, x: &Array<'a, M>, f: impl Fn(Ball<M>) -> Ball<M>) -> Shared<'a, M> {
        Rc::new(if self.needs.is_none() { x.map(f) } else { self.each(id, |i| f(x.get(i))) })
    }

    /// f of the needed elements of two arguments.
    #[inline(always)]
    fn zip(
        &self,
        id: NodeId,
        x: &Array<'a, M>,
        y: &Array<'a, M>,
        f: impl Fn(Ball<M>, Ball<M>) -> Ball<M>,
    ) -> Shared<'a, M> {
        Rc::new(if self.needs.is_none() { x.zip(y, f) } else { self.each(id, |i| f(x.get(i), y.get(i))) })
    }

    /// The nodes that read an argument, if not everything is needed.
    fn readers_of(&self, arg: NodeId) -> Option<impl Iterator<Item = (NodeId, &[bool])> + '_> {
        self.needs.as_ref()?;
        let nodes = self.program.graph.nodes().iter().enumerate();
        let readers = nodes.filter(move |(_, node)| node.args.contains(&arg)).map(|(id, _)| id);
        Some(readers.filter_map(|id| self.marks(id).map(|needed| (id, needed))))
    }

    /// Which rows of an argument anything needs; all where there is nothing.
    fn needed_rows(&self, arg: NodeId, count: usize) -> Option<Vec<bool>> {
        let mut rows = vec![false; count];
        let dependence = Dependence(self.program);
        for (id, needed) in self.readers_of(arg)?.filter(|&(id, _)| dependence.rows_of(id).is_some()) {
            marked(needed).for_each(|element| rows[dependence.row_number(id, element)] = true);
        }
        Some(rows)
    }

    /// Which elements of an argument anything needs that is computed element by element; all where there is nothing.
    fn needed_elements(&self, arg: NodeId, count: usize) -> Option<Vec<bool>> {
        let mut elements = vec![false; count];
        for (_, needed) in self.readers_of(arg)?.filter(|(_, needed)| needed.len() == count) {
            elements.iter_mut().zip(needed).for_each(|(element, needed)| *element |= needed);
        }
        Some(elements)
    }

    /// The extent of an argument's axis and its stride.
    fn axis(&self, arg: NodeId, axis: usize) -> (usize, usize) {
        let shape = &self.program.graph.nodes()[arg].shape;
        (shape[axis], shape[axis + 1..].iter().product())
    }

    /// The extent of an argument's last axis.
    fn row_length(&self, arg: NodeId) -> usize {
        self.program.graph.nodes()[arg].shape.last().copied().unwrap_or(1)
    }

    /// e^−|z| of an array, computed once.
    fn decays_of(&mut self, arg: NodeId) -> Shared<'a, M> {
        if let Some(known) = self.decays.get(&arg) {
            return known.clone();
        }
        let z = self.get(arg);
        let decays = Rc::new(match self.needed_elements(arg, z.len()) {
            None => z.map(f::decay),
            Some(needed) => {
                let decay = |i| if needed[i] { f::decay(z.get(i)) } else { Ball::UNKNOWN };
                Array::from_fn(z.len(), decay)
            }
        });
        self.decays.insert(arg, decays.clone());
        decays
    }

    /// The norms of an array's rows, computed once.
    fn norms_of(&mut self, arg: NodeId, p: Degree, epsilon: Real) -> Norms<M> {
        if let Some(known) = self.norms.get(&(arg, p, epsilon)) {
            return known.clone();
        }
        let (x, n) = (self.get(arg), self.row_length(arg));
        self.evaluations += x.len() as u64;
        let count = x.len().checked_div(n).unwrap_or(0);
        let needed = self.needed_rows(arg, count);
        let of_row = |row: usize| match &needed {
            Some(needed) if !needed[row] => RowNorm::UNKNOWN,
            _ => RowNorm::of((row * n..(row + 1) * n).map(|i| x.get(i)), p.power(), epsilon.get()),
        };
        let norms: Norms<M> = (0..count).map(of_row).collect();
        self.norms.insert((arg, p, epsilon), norms.clone());
        norms
    }

    /// What the rows of two arrays share, computed once for both orders; and which place the first array has in it.
    fn cosines_of(&mut self, args: [NodeId; 2], epsilon: Real) -> (Cosines<M>, usize) {
        let first = args[0].min(args[1]);
        let (pair, of) = ([first, args[0].max(args[1])], usize::from(args[0] != first));
        if let Some(known) = self.cosines.get(&(pair, epsilon)) {
            return (known.clone(), of);
        }
        let (x, y, n) = (self.get(pair[0]), self.get(pair[1]), self.row_length(args[0]));
        self.evaluations += 2 * x.len() as u64;
        let count = x.len().checked_div(n).unwrap_or(0);
        let needed = self.needed_rows(pair[0], count);
        let of_row = |row: usize| {
            let (x, y) = (|k| x.get(row * n + k), |k| y.get(row * n + k));
            let is_needed = needed.as_ref().is_none_or(|needed| needed[row]);
            is_needed.then(|| pairs::Cosine::of(n, x, y, epsilon.get()))
        };
        let cosines: Cosines<M> = (0..count).map(of_row).collect();
        self.cosines.insert((pair, epsilon), cosines.clone());
        (cosines, of)
    }

    /// The exponentials of an array's rows, computed once.
    fn exponentials_of(&mut self, arg: NodeId) -> Rc<Exponentials<M>> {
        if let Some(known) = self.exponentials.get(&arg) {
            return known.clone();
        }
        let (x, n) = (self.get(arg), self.row_length(arg));
        self.evaluations += x.len() as u64;
        let asked = Asked {
            rows: self.needed_rows(arg, x.len().checked_div(n).unwrap_or(0)),
            elements: self.needed_elements(arg, x.len()),
            quick: self.quick,
        };
        let filled = Rc::new(Exponentials::of(&x, n, &asked));
        self.exponentials.insert(arg, filled.clone());
        filled
    }
}
