//! The fast tier: the graph over arrays of balls with f64 midpoints and f64 radii, one loop a node. It proves most elements
//! of f32, f16 and bf16 outputs at the cost of one exponential each; what it does not know goes to MPFR.
//!
//! *Sound*: see [`ball`]. Whatever it has no rule for, an operation it does not know, a set at a kink, an infinity, is not
//! known, and neither is what depends on it.

mod array;
pub mod ball;
mod divergence;
mod elementary;
pub mod grid;
mod machine;
mod pairs;
mod rows;
#[cfg(test)]
mod tests;

use super::evaluate::{broadcast_source, row_element};
use crate::case::{Case, program::Program};
use crate::graph::{Degree, Node, NodeId, Op, Power, Real};
use crate::truth::Truth;
use array::{Array, Columns};
use ball::Ball;
use elementary as f;
use grid::Grid;
use rows::{Exponentials, RowNorm, maximum, sum};
use std::collections::HashMap;
use std::rc::Rc;

type Shared<'a> = Rc<Array<'a>>;

/// An evaluation of a program's outputs over fast balls.
pub struct Evaluation<'a> {
    program: &'a Program,
    case: &'a Case,
    stores: Vec<Option<Shared<'a>>>,
    /// How many nodes and outputs still read a node; nothing is kept longer.
    readers: Vec<usize>,
    exponentials: HashMap<NodeId, Rc<Exponentials>>,
    norms: HashMap<(NodeId, Degree, Real), Rc<[RowNorm]>>,
    decays: HashMap<NodeId, Shared<'a>>,
    /// How many elements of nodes have been evaluated; a reduction of n elements counts n.
    pub evaluations: u64,
}

impl<'a> Evaluation<'a> {
    /// Evaluates all outputs; `None` on a machine whose arithmetic is not what the proofs assume.
    pub fn run(program: &'a Program, case: &'a Case) -> Option<Evaluation<'a>> {
        if !machine::is_sound() {
            return None;
        }
        let nodes = program.graph.nodes();
        let mut evaluation = Evaluation {
            program,
            case,
            stores: vec![None; nodes.len()],
            readers: vec![0; nodes.len()],
            exponentials: HashMap::new(),
            norms: HashMap::new(),
            decays: HashMap::new(),
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
            let value = evaluation.node(id, node);
            debug_assert_eq!(value.len(), node.len());
            evaluation.stores[id] = Some(value);
            for &arg in &node.args {
                evaluation.readers[arg] -= 1;
                if evaluation.readers[arg] == 0 {
                    evaluation.forget(arg);
                }
            }
        }
        Some(evaluation)
    }

    /// The ball of an output's element.
    pub fn output(&self, output: usize, element: usize) -> Ball {
        let id = self.program.outputs[output].1;
        self.stores[id].as_ref().map_or(Ball::UNKNOWN, |values| values.get(element))
    }

    /// What the balls of an output fix, element by element.
    pub fn truths(&self, output: usize, grid: &Grid) -> Vec<Option<Truth>> {
        let id = self.program.outputs[output].1;
        let mut truths = vec![None; self.program.graph.nodes()[id].len()];
        let mut slots = truths.iter_mut();
        if let Some(values) = &self.stores[id] {
            values.for_each(|ball| slots.next().into_iter().for_each(|slot| grid.settle(ball, slot)));
        }
        truths
    }

    fn forget(&mut self, id: NodeId) {
        self.stores[id] = None;
        self.exponentials.remove(&id);
        self.norms.retain(|&(arg, ..), _| arg != id);
        self.decays.remove(&id);
    }

    fn get(&self, id: NodeId) -> Shared<'a> {
        self.stores[id].clone().expect("arguments stand before their use, and are kept until it")
    }

    fn node(&mut self, id: NodeId, node: &Node) -> Shared<'a> {
        let length = node.len();
        if !node.op.is_view() {
            self.evaluations += length as u64;
        }
        let arg = |k: usize| self.get(node.args[k]);
        let unary = |g: fn(Ball) -> Ball| Rc::new(arg(0).map(g));
        let binary = |g: fn(Ball, Ball) -> Ball| Rc::new(arg(0).zip(&arg(1), g));
        let exact = |x: f64| Ball::exact(x);
        match &node.op {
            Op::Input(slot) => Rc::new(Array::Exact(self.program.values(self.case, *slot))),
            Op::Constant(x) => Rc::new(Array::Repeated(exact(x.get()), length)),
            Op::LnTwoPi => Rc::new(Array::Repeated(f::ln_two_pi(), length)),

            // Views.
            Op::Reshape | Op::StopGradient | Op::GradientTo => arg(0),
            Op::Broadcast => {
                let from = &self.program.graph.nodes()[node.args[0]].shape;
                broadcast(&arg(0), from, &node.shape)
            }
            Op::Select(mask) => {
                let (a, b) = (arg(0), arg(1));
                Rc::new(Array::from_fn(length, |i| if mask[i] { a.get(i) } else { b.get(i) }))
            }
            Op::Gather(indices) => {
                let a = arg(0);
                Rc::new(Array::from_fn(length, |i| a.get(indices[i])))
            }
            Op::Slice { axis, start } => {
                let a = arg(0);
                let inner: usize = node.shape[axis + 1..].iter().product();
                let from = self.program.graph.nodes()[node.args[0]].shape[*axis] * inner;
                let to = (node.shape[*axis] * inner).max(1);
                Rc::new(Array::from_fn(length, |i| a.get(i / to * from + start * inner + i % to)))
            }
            Op::Concatenate { axis } => {
                let inner: usize = node.shape[axis + 1..].iter().product();
                let part = |arg: NodeId| self.program.graph.nodes()[arg].shape[*axis] * inner;
                let parts: Vec<(Shared<'a>, usize)> =
                    node.args.iter().map(|&arg| (self.get(arg), part(arg))).collect();
                let whole = (node.shape[*axis] * inner).max(1);
                Rc::new(Array::from_fn(length, |i| {
                    let (outer, mut within) = (i / whole, i % whole);
                    for (values, part) in &parts {
                        if within < *part {
                            return values.get(outer * part + within);
                        }
                        within -= part;
                    }
                    Ball::UNKNOWN
                }))
            }

            // Elementwise.
            Op::Add => binary(Ball::add),
            Op::Sub => binary(Ball::sub),
            Op::Mul => {
                let (a, b) = (arg(0), arg(1));
                // 1·x is x, whatever x is.
                match (a.repeated(), b.repeated()) {
                    (Some(Ball::ONE), _) => b,
                    (_, Some(Ball::ONE)) => a,
                    _ => Rc::new(a.zip(&b, Ball::mul)),
                }
            }
            Op::Div => binary(Ball::div),
            Op::Neg => unary(Ball::neg),
            Op::Abs => unary(Ball::abs),
            Op::Sign => unary(|x| match x.sign() {
                Some(1) => Ball::ONE,
                Some(-1) => Ball::ONE.neg(),
                // The set [−1, 1], or not decided.
                _ => Ball::UNKNOWN,
            }),
            Op::Maximum => binary(|a, b| by_order(a, b, [b, a, a])),
            Op::Minimum => binary(|a, b| by_order(a, b, [a, a, b])),
            // A tie is the set [0, 1].
            Op::TieShare => binary(|a, b| by_order(a, b, [Ball::ZERO, Ball::UNKNOWN, Ball::ONE])),
            Op::Clamp { low, high } => {
                let (low, high) = (exact(low.get()), exact(high.get()));
                Rc::new(arg(0).map(|x| {
                    let raised = by_order(x, low, [low, x, x]);
                    by_order(raised, high, [raised, raised, high])
                }))
            }
            Op::ClampShare { low, high } => {
                let (low, high) = (exact(low.get()), exact(high.get()));
                Rc::new(arg(0).map(|x| match (x.compare(low), x.compare(high)) {
                    (Some(-1), _) | (_, Some(1)) => Ball::ZERO,
                    (Some(1), Some(-1)) => Ball::ONE,
                    _ => Ball::UNKNOWN,
                }))
            }
            Op::Sqrt => unary(f::sqrt),
            Op::Exp => unary(f::exp),
            Op::Expm1 => unary(f::expm1),
            Op::Ln => unary(f::ln),
            Op::Ln1p => unary(f::ln_1p),
            Op::Pow(p) => Rc::new(arg(0).map(|x| f::pow(x, p.get()))),
            Op::Tanh => unary(f::tanh),
            Op::LogCosh => unary(f::log_cosh),
            Op::Expm1Minus => unary(f::expm1_minus),
            Op::Huber(delta) => Rc::new(arg(0).map(|x| f::huber(x, delta.get()))),
            Op::SmoothL1(beta) => Rc::new(arg(0).map(|x| f::smooth_l1(x, beta.get()))),
            Op::Xlogy => binary(f::xlogy),
            Op::KlDiv => binary(divergence::kl_div),
            Op::KlDivSlope => binary(divergence::kl_div_slope),
            Op::KlDivLog => binary(divergence::kl_div_log),
            Op::KlDivLogSlope => binary(divergence::kl_div_log_slope),
            Op::Softplus | Op::Sigmoid | Op::LogSigmoid => {
                let z = arg(0);
                let decays = self.decays_of(node.args[0]);
                let pick: fn(Ball, Ball) -> Ball = match node.op {
                    Op::Softplus => f::softplus,
                    Op::Sigmoid => f::sigmoid,
                    // −softplus(−z): −z has the decay of z.
                    _ => |z, decay| f::softplus(z.neg(), decay).neg(),
                };
                Rc::new(z.zip(&decays, pick))
            }
            Op::BceWithLogits | Op::BceWithLogitsWeighted | Op::SigmoidMinus | Op::SigmoidMinusWeighted => {
                let (z, y) = (arg(0), arg(1));
                let weight = (node.args.len() > 2).then(|| arg(2));
                let is_loss = matches!(node.op, Op::BceWithLogits | Op::BceWithLogitsWeighted);
                let decays = self.decays_of(node.args[0]);
                Rc::new(Array::from_fn(length, |i| {
                    let (z, y, decay) = (z.get(i), y.get(i), decays.get(i));
                    let positive = weight.as_ref().map_or(y, |weight| y.mul(weight.get(i)));
                    let negative = Ball::ONE.sub(y);
                    if is_loss {
                        let tail = f::ln_1p(decay);
                        let (lower, upper) =
                            if z.mid() > 0.0 { (tail, z.add(tail)) } else { (z.neg().add(tail), tail) };
                        return weighted_sum((negative, upper), (positive, lower));
                    }
                    weighted_sum(
                        (negative, f::sigmoid(z, decay)),
                        (positive.neg(), f::sigmoid(z.neg(), decay)),
                    )
                }))
            }
            Op::SoftplusGap => {
                let (z, w) = (arg(0), arg(1));
                let decays = self.decays_of(node.args[0]);
                Rc::new(Array::from_fn(length, |i| softplus_gap(z.get(i), w.get(i), decays.get(i))))
            }

            // Reductions.
            Op::ScatterAdd(indices) => {
                let a = arg(0);
                self.evaluations += a.len() as u64;
                let mut totals = vec![rows::Total::default(); length];
                indices.iter().enumerate().for_each(|(i, &to)| totals[to].push(a.get(i)));
                Rc::new(Array::from_fn(length, |i| totals[i].ball()))
            }
            Op::Sum { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let a = arg(0);
                self.evaluations += a.len() as u64;
                let term = |row, k| a.get(row_element(row, k, n, stride));
                Rc::new(Array::from_fn(length, |row| sum(n, (0..n).map(|k| term(row, k)))))
            }
            Op::Dot { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let (a, b) = (arg(0), arg(1));
                self.evaluations += a.len() as u64;
                let term = |at| a.get(at).mul(b.get(at));
                let row_sum = |row| sum(n, (0..n).map(|k| term(row_element(row, k, n, stride))));
                Rc::new(Array::from_fn(length, row_sum))
            }
            Op::MaxAxis { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let a = arg(0);
                let row_maximum = |row| maximum((0..n).map(|k| a.get(row_element(row, k, n, stride)))).0;
                Rc::new(Array::from_fn(length, row_maximum))
            }
            Op::MaxShare { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let a = arg(0);
                let count = length.checked_div(n).unwrap_or(0);
                let tops: Vec<Option<usize>> = (0..count)
                    .map(|row| maximum((0..n).map(|k| a.get(row_element(row, k, n, stride)))).1)
                    .collect();
                Rc::new(Array::from_fn(length, |i| match tops[i / (n * stride) * stride + i % stride] {
                    Some(top) if top == i / stride % n => Ball::ONE,
                    Some(_) => Ball::ZERO,
                    None => Ball::UNKNOWN,
                }))
            }
            Op::LogSumExp
            | Op::Softmax
            | Op::LogSoftmax
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGradient(_)
            | Op::SoftCrossEntropy
            | Op::SoftCrossEntropyGradient => Rc::new(self.exponential_rows(node)),
            Op::Norm { p, epsilon } => {
                let norms = self.norms_of(node.args[0], *p, *epsilon);
                Rc::new(Array::from_fn(length, |row| norms[row].norm))
            }
            Op::NormGradient { p, epsilon } => {
                let x = arg(0);
                let norms = self.norms_of(node.args[0], *p, *epsilon);
                let (n, p, epsilon) = (self.row_length(node.args[0]), p.power(), epsilon.get());
                Rc::new(Array::from_fn(length, |i| norms[i / n].gradient(i % n, x.get(i), p, epsilon)))
            }
            Op::Normalize => {
                let x = arg(0);
                let norms = self.norms_of(node.args[0], Degree::from(Power::Finite(2.0)), Real::new(0.0));
                let n = self.row_length(node.args[0]);
                Rc::new(Array::from_fn(length, |i| x.get(i).div(norms[i / n].norm)))
            }
            Op::Bce(clamp) => Rc::new(arg(0).zip(&arg(1), |p, y| pairs::bce(p, y, *clamp))),
            Op::BceGradient(clamp) => Rc::new(arg(0).zip(&arg(1), |p, y| pairs::bce_gradient(p, y, *clamp))),
            Op::BceTargetGradient(clamp) => Rc::new(arg(0).map(|p| pairs::bce_target_gradient(p, *clamp))),
            Op::Focal(form) | Op::FocalGradient(form) => {
                let (z, y, derivative) = (arg(0), arg(1), matches!(node.op, Op::FocalGradient(_)));
                let decays = self.decays_of(node.args[0]);
                let element = |i| pairs::focal(z.get(i), y.get(i), decays.get(i), *form, derivative);
                Rc::new(Array::from_fn(length, element))
            }
            Op::Cosine { epsilon } | Op::CosineGradient { epsilon } => {
                let (x, y, n) = (arg(0), arg(1), self.row_length(node.args[0]));
                let rows: Vec<pairs::Cosine> = (0..x.len() / n.max(1))
                    .map(|row| {
                        let (x, y) = (|k| x.get(row * n + k), |k| y.get(row * n + k));
                        pairs::Cosine::of(n, x, y, epsilon.get())
                    })
                    .collect();
                self.evaluations += 2 * x.len() as u64;
                Rc::new(match node.op {
                    Op::Cosine { .. } => Array::from_fn(length, |row| rows[row].value()),
                    _ => Array::from_fn(length, |i| rows[i / n].gradient(x.get(i), y.get(i))),
                })
            }
            // An operation without a rule here: MPFR's.
            #[allow(unreachable_patterns)]
            _ => {
                let _ = id;
                Rc::new(Array::unknown(length))
            }
        }
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
    fn decays_of(&mut self, arg: NodeId) -> Shared<'a> {
        let z = self.get(arg);
        self.decays.entry(arg).or_insert_with(|| Rc::new(z.map(f::decay))).clone()
    }

    /// The norms of an array's rows, computed once.
    fn norms_of(&mut self, arg: NodeId, p: Degree, epsilon: Real) -> Rc<[RowNorm]> {
        if let Some(known) = self.norms.get(&(arg, p, epsilon)) {
            return known.clone();
        }
        let (x, n) = (self.get(arg), self.row_length(arg));
        self.evaluations += x.len() as u64;
        let count = x.len().checked_div(n).unwrap_or(0);
        let of_row =
            |row: usize| RowNorm::of((row * n..(row + 1) * n).map(|i| x.get(i)), p.power(), epsilon.get());
        let norms: Rc<[RowNorm]> = (0..count).map(of_row).collect();
        self.norms.insert((arg, p, epsilon), norms.clone());
        norms
    }

    /// The exponentials of an array's rows, computed once.
    fn exponentials_of(&mut self, arg: NodeId) -> Rc<Exponentials> {
        if let Some(known) = self.exponentials.get(&arg) {
            return known.clone();
        }
        let x = self.get(arg);
        self.evaluations += x.len() as u64;
        let filled = Rc::new(Exponentials::of(&x, self.row_length(arg)));
        self.exponentials.insert(arg, filled.clone());
        filled
    }

    /// An operation on rows of exponentials.
    fn exponential_rows(&mut self, node: &Node) -> Array<'a> {
        let (x, n) = (self.get(node.args[0]), self.row_length(node.args[0]));
        let shared = self.exponentials_of(node.args[0]);
        let second = node.args.get(1).map(|&arg| self.get(arg));
        let rows = &shared.rows;
        let reduced = |f: &dyn Fn(usize, &rows::RowExponentials) -> Ball| {
            Array::from_fn(rows.len(), |row| {
                rows[row].as_ref().map_or(Ball::UNKNOWN, |shared| f(row, shared))
            })
        };
        match (&node.op, &second) {
            (Op::LogSumExp, _) => reduced(&|_, row| row.most.add(row.ln_total)),
            (Op::CrossEntropy(classes), _) => {
                reduced(&|at, row| row.surprise(classes[at], x.get(at * n + classes[at])))
            }
            (Op::SoftCrossEntropy, Some(q)) => reduced(&|at, row| {
                let terms = (0..n).map(|c| {
                    let q = q.get(at * n + c);
                    // A term with q = 0 is left out.
                    if q.is_zero() { Ball::ZERO } else { q.mul(row.surprise(c, x.get(at * n + c))) }
                });
                sum(n, terms)
            }),
            (Op::Softmax, _) => by_row(&shared, n, |row, _, _, term| row.divisor.divide(term)),
            (Op::LogSoftmax, _) => {
                by_row(&shared, n, |row, at, c, _| row.surprise(c, x.get(at * n + c)).neg())
            }
            (Op::CrossEntropyGradient(classes), _) => by_row(&shared, n, |row, at, c, term| {
                if classes[at] == c { row.softmax_minus_one(c, term) } else { row.divisor.divide(term) }
            }),
            (Op::SoftCrossEntropyGradient, Some(q)) => {
                let totals: Vec<Ball> =
                    (0..rows.len()).map(|at| sum(n, (0..n).map(|c| q.get(at * n + c)))).collect();
                by_row(&shared, n, |row, at, c, term| {
                    row.soft_gradient(q.get(at * n + c), totals[at], c, term)
                })
            }
            _ => Array::unknown(node.len()),
        }
    }
}

/// f(row, its number, the place in the row, the exponential) of each element of rows of exponentials.
#[inline(always)]
fn by_row<'a>(
    shared: &Exponentials,
    n: usize,
    f: impl Fn(&rows::RowExponentials, usize, usize, Ball) -> Ball,
) -> Array<'a> {
    let (mut at, mut c) = (0, 0);
    let mut row = shared.rows.first().copied().flatten();
    Array::Columns(Columns::from_iter(shared.terms.iter().map(|term| {
        if c == n {
            (at, c) = (at + 1, 0);
            row = shared.rows[at];
        }
        let ball = row.as_ref().map_or(Ball::UNKNOWN, |row| f(row, at, c, term));
        c += 1;
        ball
    })))
}

/// The first, second or third as a is below, equal to, above b; not known where that is not decided.
#[inline(always)]
fn by_order(a: Ball, b: Ball, [below, equal, above]: [Ball; 3]) -> Ball {
    match a.compare(b) {
        Some(-1) => below,
        Some(0) => equal,
        Some(1) => above,
        _ => Ball::UNKNOWN,
    }
}

/// a·x + b·y, where a term whose factor is exactly 0 is left out, if the other factor is a number.
fn weighted_sum((a, x): (Ball, Ball), (b, y): (Ball, Ball)) -> Ball {
    match (a.is_zero(), b.is_zero()) {
        (true, _) => b.mul(y),
        (_, true) => a.mul(x),
        _ => a.mul(x).add(b.mul(y)),
    }
}

/// w·softplus(−z) − softplus(z) = (w − 1)·softplus(−|z|) − z, or − w·z below 0.
fn softplus_gap(z: Ball, w: Ball, decay: Ball) -> Ball {
    let tail = f::ln_1p(decay);
    let main = if z.mid() < 0.0 { w.mul(z) } else { z };
    let rest = w.sub(Ball::ONE);
    if rest.is_zero() { main.neg() } else { rest.mul(tail).sub(main) }
}

/// The elements of an array repeated to another shape.
fn broadcast<'a>(values: &Shared<'a>, from: &[usize], to: &[usize]) -> Shared<'a> {
    let length = to.iter().product();
    if values.len() == 1 {
        return Rc::new(Array::Repeated(values.get(0), length));
    }
    if let Some(ball) = values.repeated() {
        return Rc::new(Array::Repeated(ball, length));
    }
    // Each element many times in a row: new axes at the end.
    let ones = from.iter().rev().take_while(|&&extent| extent == 1).count();
    let kept = from.len() - ones;
    if from.len() == to.len() && from[..kept] == to[..kept] {
        let each: usize = to[kept..].iter().product();
        let (mut at, mut left) = (0, each);
        return Rc::new(Array::from_fn(length, |_| {
            if left == 0 {
                (at, left) = (at + 1, each);
            }
            left -= 1;
            values.get(at)
        }));
    }
    Rc::new(Array::from_fn(length, |i| values.get(broadcast_source(from, to, i))))
}
