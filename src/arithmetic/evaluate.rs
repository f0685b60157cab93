//! The graph over balls: evaluates at one precision those elements that are asked for, and what they depend on.
//!
//! View operations are followed, not computed. What a row shares (exponentials, norms) is computed once a row.

mod decide;

use super::ball::{Ball, Place};
use super::binary::{self, softplus_gap, weighted_sum};
use super::cosine::Cosine;
use super::divergence;
use super::elementary as f;
use super::focal;
use super::huber::{huber, smooth_l1};
use super::monomial::RowParts;
use super::rows::{Exponentials, Maximum, RowNorm};
use super::value::{Effort, Kink, Value, at_kink, extremum};
use crate::case::{Case, program::Program};
use crate::graph::{Degree, NodeId, Op, Real};
use Value::Point;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;

/// The values of one node: all, or those that are needed.
enum Store {
    Absent,
    Dense(Vec<Option<Value>>),
    Sparse(HashMap<usize, Value>),
}

/// Which elements of a node are needed.
#[derive(Clone)]
enum Need {
    None,
    Some(Vec<bool>, usize),
}

/// A norm of a row of a node: its degree, and what is added under the root.
type NormKey = (NodeId, usize, Degree, Real);
/// A cosine of a row of two nodes, and what is added to the squared norms.
type CosineKey = ([NodeId; 2], usize, Real);

/// An evaluation of a program at one precision.
pub struct Evaluation<'a> {
    program: &'a Program,
    case: &'a Case,
    effort: Effort,
    stores: Vec<Store>,
    exponentials: HashMap<(NodeId, usize), Option<Exponentials>>,
    norms: HashMap<NormKey, RowNorm>,
    cosines: HashMap<CosineKey, Cosine>,
    maxima: HashMap<(NodeId, usize), Maximum>,
    totals: HashMap<(NodeId, usize), Ball>,
    norm_parts: RefCell<HashMap<NormKey, Option<RowParts>>>,
    /// How many elements of nodes have been evaluated; a reduction of n elements counts n.
    pub evaluations: u64,
}

impl<'a> Evaluation<'a> {
    /// Evaluates the wanted elements of each output: `wanted[k]` are elements of output k, sorted.
    pub fn run(
        program: &'a Program,
        case: &'a Case,
        effort: Effort,
        wanted: &[Vec<usize>],
    ) -> Evaluation<'a> {
        let nodes = program.graph.nodes();
        let mut evaluation = Evaluation {
            program,
            case,
            effort,
            stores: nodes.iter().map(|_| Store::Absent).collect(),
            exponentials: HashMap::new(),
            norms: HashMap::new(),
            cosines: HashMap::new(),
            maxima: HashMap::new(),
            totals: HashMap::new(),
            norm_parts: RefCell::new(HashMap::new()),
            evaluations: 0,
        };
        let needs = evaluation.needs(wanted);
        for (id, need) in needs.into_iter().enumerate() {
            let Need::Some(marks, count) = need else { continue };
            let elements =
                marks.iter().enumerate().filter(|&(_, &needed)| needed).map(|(element, _)| element);
            if count * 8 > marks.len() {
                let mut values = vec![None; marks.len()];
                elements.for_each(|element| values[element] = Some(evaluation.element(id, element)));
                evaluation.stores[id] = Store::Dense(values);
            } else {
                let values = elements.map(|element| (element, evaluation.element(id, element))).collect();
                evaluation.stores[id] = Store::Sparse(values);
            }
        }
        evaluation
    }

    /// The value of an output's element that was wanted.
    pub fn output(&self, output: usize, element: usize) -> &Value {
        self.get(self.program.outputs[output].1, element)
    }

    /// Marks what the wanted elements depend on, from the last node to the first.
    fn needs(&self, wanted: &[Vec<usize>]) -> Vec<Need> {
        let nodes = self.program.graph.nodes();
        let mut needs = vec![Need::None; nodes.len()];
        let mark = |needs: &mut Vec<Need>, (id, element): (NodeId, usize)| {
            if matches!(needs[id], Need::None) {
                needs[id] = Need::Some(vec![false; nodes[id].len()], 0);
            }
            if let Need::Some(marks, count) = &mut needs[id] {
                *count += usize::from(!marks[element]);
                marks[element] = true;
            }
        };
        for ((_, id), elements) in self.program.outputs.iter().zip(wanted) {
            elements.iter().for_each(|&element| mark(&mut needs, self.source(*id, element)));
        }
        for id in (0..nodes.len()).rev() {
            let Need::Some(marks, _) = std::mem::replace(&mut needs[id], Need::None) else { continue };
            let mut marked_rows = vec![false; self.rows_of(id).map_or(0, |(rows, ..)| rows)];
            for element in marks.iter().enumerate().filter(|&(_, &needed)| needed).map(|(element, _)| element)
            {
                match self.rows_of(id) {
                    None => match &nodes[id].op {
                        Op::ScatterAdd(indices) => {
                            let sources = indices.iter().enumerate().filter(|&(_, &to)| to == element);
                            sources.for_each(|(at, _)| mark(&mut needs, self.source(nodes[id].args[0], at)));
                        }
                        _ => {
                            let sources = nodes[id].args.iter().map(|&arg| self.source(arg, element));
                            sources.for_each(|source| mark(&mut needs, source));
                        }
                    },
                    Some((_, n, stride)) => {
                        let row = self.row_number(id, element);
                        if !std::mem::replace(&mut marked_rows[row], true) {
                            for &arg in &nodes[id].args {
                                for k in 0..n {
                                    mark(&mut needs, self.source(arg, row_element(row, k, n, stride)));
                                }
                            }
                        }
                    }
                }
            }
            let count = marks.iter().filter(|&&needed| needed).count();
            needs[id] = Need::Some(marks, count);
        }
        needs
    }

    /// For operations on rows of their arguments: (number of rows, their length, the stride of the axis).
    fn rows_of(&self, id: NodeId) -> Option<(usize, usize, usize)> {
        let node = &self.program.graph.nodes()[id];
        let shape = &self.program.graph.nodes()[*node.args.first()?].shape;
        let axis = match &node.op {
            Op::Sum { axis } | Op::MaxAxis { axis } | Op::MaxShare { axis } | Op::Dot { axis } => *axis,
            Op::LogSumExp
            | Op::Softmax
            | Op::LogSoftmax
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGradient(_)
            | Op::SoftCrossEntropy
            | Op::SoftCrossEntropyGradient
            | Op::Norm { .. }
            | Op::NormGradient { .. }
            | Op::Normalize
            | Op::Cosine { .. }
            | Op::CosineGradient { .. } => shape.len() - 1,
            _ => return None,
        };
        let stride: usize = shape[axis + 1..].iter().product();
        let outer: usize = shape[..axis].iter().product();
        Some((outer * stride, shape[axis], stride))
    }

    /// The row of the argument to which an element of the result belongs.
    fn row_number(&self, id: NodeId, element: usize) -> usize {
        let nodes = self.program.graph.nodes();
        let node = &nodes[id];
        let (_, n, stride) = self.rows_of(id).unwrap_or((0, 1, 1));
        if node.shape.len() == nodes[node.args[0]].shape.len() {
            element / (n * stride) * stride + element % stride
        } else {
            element
        }
    }

    /// Follows views to the computed element that stands behind an element.
    fn source(&self, mut id: NodeId, mut element: usize) -> (NodeId, usize) {
        let nodes = self.program.graph.nodes();
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

    fn get(&self, id: NodeId, element: usize) -> &Value {
        let (id, element) = self.source(id, element);
        let value = match &self.stores[id] {
            Store::Dense(values) => values[element].as_ref(),
            Store::Sparse(values) => values.get(&element),
            Store::Absent => None,
        };
        value.expect("needs() has marked every element that an evaluation reads")
    }

    fn arg(&self, id: NodeId, k: usize, element: usize) -> &Value {
        self.get(self.program.graph.nodes()[id].args[k], element)
    }

    fn ball(&self, id: NodeId, k: usize, element: usize) -> Ball {
        self.arg(id, k, element).ball(self.effort.prec)
    }

    /// The row of an argument; sets as hulls, which `hulls` keeps.
    fn row<'s>(&'s self, id: NodeId, k: usize, row: usize, hulls: &'s mut Vec<Ball>) -> Vec<&'s Ball> {
        let (_, n, stride) = self.rows_of(id).unwrap_or((0, 0, 1));
        let values: Vec<&Value> = (0..n).map(|at| self.arg(id, k, row_element(row, at, n, stride))).collect();
        if values.iter().any(|value| matches!(value, Value::Set(_))) {
            *hulls = values.iter().map(|value| value.ball(self.effort.prec)).collect();
            return hulls.iter().collect();
        }
        let point = |value: &&'s Value| match value {
            Point(ball) => ball,
            Value::Set(_) => unreachable!("sets are hulls here"),
        };
        values.iter().map(point).collect()
    }

    fn element(&mut self, id: NodeId, element: usize) -> Value {
        self.evaluations += 1;
        let effort = self.effort;
        let prec = effort.prec;
        // The name of a choice made here.
        let here: Kink = (0, id, element);
        let node = &self.program.graph.nodes()[id];
        let unary = |g: &dyn Fn(&Ball) -> Ball| match self.arg(id, 0, element) {
            Point(x) => Point(g(x)),
            set => Point(g(&set.ball(prec))),
        };
        match &node.op {
            Op::Input(slot) => Point(Ball::from_f64(self.program.values(self.case, *slot)[element])),
            Op::Constant(x) => Point(Ball::from_f64(x.get())),
            Op::LnTwoPi => Point(f::ln_two_pi(prec)),
            Op::Add => {
                let sum = self.arg(id, 0, element).add(self.arg(id, 1, element), prec, here);
                self.settled_zero(sum, id, element, false)
            }
            Op::Sub => {
                let difference = match (self.arg(id, 0, element), self.arg(id, 1, element)) {
                    (Point(a), Point(b)) => Point(a.sub(b, prec)),
                    (a, b) => a.add(&b.neg(), prec, here),
                };
                self.settled_zero(difference, id, element, true)
            }
            Op::Mul if self.source(node.args[0], element) == self.source(node.args[1], element) => {
                unary(&|x| x.square(prec))
            }
            Op::Mul => self.arg(id, 0, element).mul(self.arg(id, 1, element), prec, here),
            Op::Div => self.arg(id, 0, element).div(self.arg(id, 1, element), prec),
            Op::Neg => self.arg(id, 0, element).neg(),
            Op::Abs => unary(&|x| x.abs(prec)),
            Op::Sign => {
                let (low, high) = (Ball::one().neg(), Ball::one());
                match self.ball(id, 0, element) {
                    x @ (Ball::Undefined | Ball::Unknown) => Point(x),
                    x => at_kink(x.place(), here, low, high, effort),
                }
            }
            Op::Maximum | Op::Minimum => {
                let wanted = if node.op == Op::Maximum { Ordering::Greater } else { Ordering::Less };
                let (a, b) = (self.ball(id, 0, element), self.ball(id, 1, element));
                match self.difference(id, element, &a, &b) {
                    Place::Zero => Point(a),
                    Place::Positive => Point(if wanted == Ordering::Greater { a } else { b }),
                    Place::Negative => Point(if wanted == Ordering::Greater { b } else { a }),
                    Place::Straddles => Point(extremum(&a, &b, wanted, prec)),
                }
            }
            Op::TieShare => {
                let (a, b) = (self.ball(id, 0, element), self.ball(id, 1, element));
                match (&a, &b) {
                    (Ball::Undefined, _) | (_, Ball::Undefined) => Point(Ball::Undefined),
                    (Ball::Unknown, _) | (_, Ball::Unknown) => Point(Ball::Unknown),
                    _ => {
                        // The share of b is 1 minus that of a: one choice, whichever of them is asked.
                        let (first, second) = (node.args[0], node.args[1]);
                        let name = (first.min(second) + 1, first.max(second) + 1, element);
                        let (zero, one) = (Ball::zero(), Ball::one());
                        let place = self.difference(id, element, &a, &b);
                        if first <= second {
                            at_kink(place, name, zero, one, effort)
                        } else {
                            at_kink(place.opposite(), name, one, zero, effort)
                        }
                    }
                }
            }
            Op::Clamp { low, high } => unary(&|x| {
                let raised = extremum(x, &Ball::from_f64(low.get()), Ordering::Greater, prec);
                extremum(&raised, &Ball::from_f64(high.get()), Ordering::Less, prec)
            }),
            Op::ClampShare { low, high } => {
                let x = self.ball(id, 0, element);
                let above = x.sub(&Ball::from_f64(low.get()), prec).place();
                let below = Ball::from_f64(high.get()).sub(&x, prec).place();
                let (zero, one) = (Ball::zero(), Ball::one());
                match (above, below) {
                    _ if matches!(x, Ball::Undefined | Ball::Unknown) => Point(x),
                    (Place::Negative, _) | (_, Place::Negative) => Point(zero),
                    (Place::Positive, Place::Positive) => Point(one),
                    (Place::Straddles, _) | (_, Place::Straddles) => {
                        Value::unseparated(here, zero, one, effort)
                    }
                    _ => Value::kink(here, zero, one),
                }
            }
            Op::Sqrt => unary(&|x| f::sqrt(x, prec)),
            Op::Exp => unary(&|x| f::exp(x, prec)),
            Op::Expm1 => unary(&|x| f::expm1(x, prec)),
            Op::Ln => unary(&|x| f::ln(x, prec)),
            Op::Ln1p => unary(&|x| f::ln_1p(x, prec)),
            Op::Pow(p) => unary(&|x| f::pow(x, p.get(), prec)),
            Op::Tanh => unary(&|x| f::tanh(x, prec)),
            Op::Softplus => unary(&|x| f::softplus(x, prec)),
            Op::Sigmoid => unary(&|x| f::sigmoid(x, prec)),
            Op::LogSigmoid => unary(&|x| f::log_sigmoid(x, prec)),
            Op::LogCosh => unary(&|x| f::log_cosh(x, prec)),
            Op::Expm1Minus => unary(&|x| f::expm1_minus(x, prec)),
            Op::Huber(delta) => unary(&|x| huber(x, delta.get(), prec)),
            Op::SmoothL1(beta) => unary(&|x| smooth_l1(x, beta.get(), prec)),
            Op::Xlogy => Point(f::xlogy(&self.ball(id, 0, element), &self.ball(id, 1, element), prec)),
            Op::KlDiv | Op::KlDivSlope | Op::KlDivLog | Op::KlDivLogSlope => {
                let (t, x) = (self.ball(id, 0, element), self.ball(id, 1, element));
                Point(match node.op {
                    Op::KlDiv => divergence::kl_div(&t, &x, prec),
                    Op::KlDivSlope => divergence::kl_div_slope(&t, &x, prec),
                    Op::KlDivLog => divergence::kl_div_log(&t, &x, prec),
                    _ => divergence::kl_div_log_slope(&t, &x, prec),
                })
            }
            Op::BceWithLogits | Op::BceWithLogitsWeighted | Op::SigmoidMinus | Op::SigmoidMinusWeighted => {
                let (z, y) = (self.ball(id, 0, element), self.ball(id, 1, element));
                let positive = match node.op {
                    Op::BceWithLogits | Op::SigmoidMinus => y.clone(),
                    _ => y.mul(&self.ball(id, 2, element), prec),
                };
                let negative = Ball::one().sub(&y, prec);
                Point(match node.op {
                    // All terms are at least 0, so nothing cancels.
                    Op::BceWithLogits | Op::BceWithLogitsWeighted => weighted_sum(
                        (&negative, || f::softplus(&z, prec)),
                        (&positive, || f::softplus(&z.neg(), prec)),
                        prec,
                    ),
                    _ => weighted_sum(
                        (&negative, || f::sigmoid(&z, prec)),
                        (&positive.neg(), || f::sigmoid(&z.neg(), prec)),
                        prec,
                    ),
                })
            }
            Op::SoftplusGap => {
                let (z, w) = (self.ball(id, 0, element), self.ball(id, 1, element));
                Point(softplus_gap(&z, &w, prec))
            }
            Op::Bce(clamp) | Op::BceGradient(clamp) => {
                let (p, y) = (self.ball(id, 0, element), self.ball(id, 1, element));
                let value = if matches!(node.op, Op::Bce(_)) { binary::bce } else { binary::bce_gradient };
                Point(value(&p, &y, *clamp, prec))
            }
            Op::Focal(form) | Op::FocalGradient(form) => {
                let (z, y) = (self.ball(id, 0, element), self.ball(id, 1, element));
                let value =
                    if matches!(node.op, Op::Focal(_)) { focal::focal } else { focal::focal_gradient };
                Point(value(&z, &y, *form, prec))
            }
            Op::BceTargetGradient(clamp) => unary(&|p| binary::bce_target_gradient(p, *clamp, prec)),
            Op::ScatterAdd(indices) => {
                let sources = indices.iter().enumerate().filter(|&(_, &to)| to == element);
                let terms: Vec<&Value> = sources.map(|(at, _)| self.arg(id, 0, at)).collect();
                Value::sum(terms.iter().copied(), prec, here)
            }
            Op::Sum { .. } => {
                let (_, n, stride) = self.rows_of(id).unwrap_or((0, 0, 1));
                let terms = (0..n).map(|k| self.arg(id, 0, row_element(element, k, n, stride)));
                let sum = Value::sum(terms, prec, here);
                self.evaluations += n as u64;
                sum
            }
            Op::Dot { .. } => {
                let (_, n, stride) = self.rows_of(id).unwrap_or((0, 0, 1));
                let at = |k| row_element(element, k, n, stride);
                let terms = (0..n).map(|k| self.arg(id, 0, at(k)).mul(self.arg(id, 1, at(k)), prec, here));
                let terms: Vec<Value> = terms.collect();
                self.evaluations += n as u64;
                Value::sum(terms.iter(), prec, here)
            }
            Op::MaxAxis { .. } | Op::MaxShare { .. } => {
                let row = self.row_number(id, element);
                let key = (node.args[0], row);
                if !self.maxima.contains_key(&key) {
                    let mut hulls = Vec::new();
                    let maximum = Maximum::of(&self.row(id, 0, row, &mut hulls), prec);
                    self.maxima.insert(key, maximum);
                }
                let maximum = &self.maxima[&key];
                if matches!(node.op, Op::MaxAxis { .. }) {
                    return Point(maximum.most.clone());
                }
                let (_, n, stride) = self.rows_of(id).unwrap_or((0, 0, 1));
                maximum.share(element / stride % n, here, effort)
            }
            Op::LogSumExp
            | Op::Softmax
            | Op::LogSoftmax
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGradient(_)
            | Op::SoftCrossEntropy
            | Op::SoftCrossEntropyGradient => Point(self.exponential_row(id, element)),
            Op::Norm { p, epsilon } => {
                let key = self.fill_norm(id, element, *p, *epsilon);
                Point(self.norms[&key].norm.clone())
            }
            Op::NormGradient { p, epsilon } => {
                let row = self.row_number(id, element);
                let key = self.fill_norm(id, row, *p, *epsilon);
                let (_, n, _) = self.rows_of(id).unwrap_or((0, 1, 1));
                let (own, x) = (element % n, self.ball(id, 0, element));
                self.norms[&key].gradient(own, &x, (p.power(), epsilon.get()), here, effort)
            }
            Op::Normalize => {
                let row = self.row_number(id, element);
                let two = Degree::from(crate::graph::Power::Finite(2.0));
                let key = self.fill_norm(id, row, two, Real::new(0.0));
                Point(self.ball(id, 0, element).div(&self.norms[&key].norm, prec))
            }
            Op::Cosine { epsilon } => {
                let key = self.fill_cosine(id, element, *epsilon);
                Point(self.cosines[&key].value(prec))
            }
            Op::CosineGradient { epsilon } => {
                let key = self.fill_cosine(id, self.row_number(id, element), *epsilon);
                let (x, y) = (self.ball(id, 0, element), self.ball(id, 1, element));
                Point(self.cosines[&key].gradient(&x, &y, prec))
            }
            Op::Select(_)
            | Op::Broadcast
            | Op::Reshape
            | Op::Slice { .. }
            | Op::Concatenate { .. }
            | Op::Gather(_)
            | Op::StopGradient
            | Op::GradientTo => unreachable!("views are followed"),
        }
    }

    /// A row's norm; its key.
    fn fill_norm(&mut self, id: NodeId, row: usize, p: Degree, epsilon: Real) -> NormKey {
        let key = (self.program.graph.nodes()[id].args[0], row, p, epsilon);
        if !self.norms.contains_key(&key) {
            let mut hulls = Vec::new();
            let values = self.row(id, 0, row, &mut hulls);
            let norm = RowNorm::of(&values, p.power(), epsilon.get(), self.effort.prec);
            self.evaluations += values.len() as u64;
            self.norms.insert(key, norm);
        }
        key
    }

    /// What a row of two arguments shares; its key.
    fn fill_cosine(&mut self, id: NodeId, row: usize, epsilon: Real) -> CosineKey {
        let args = &self.program.graph.nodes()[id].args;
        let key = ([args[0], args[1]], row, epsilon);
        if !self.cosines.contains_key(&key) {
            let (mut x_hulls, mut y_hulls) = (Vec::new(), Vec::new());
            let (x, y) = (self.row(id, 0, row, &mut x_hulls), self.row(id, 1, row, &mut y_hulls));
            let (count, cosine) = (2 * x.len(), Cosine::of(&x, &y, epsilon.get(), self.effort.prec));
            self.evaluations += count as u64;
            self.cosines.insert(key, cosine);
        }
        key
    }

    /// An element of an operation on rows of exponentials.
    fn exponential_row(&mut self, id: NodeId, element: usize) -> Ball {
        let prec = self.effort.prec;
        let node = &self.program.graph.nodes()[id];
        let row = self.row_number(id, element);
        let key = (node.args[0], row);
        if !self.exponentials.contains_key(&key) {
            let mut hulls = Vec::new();
            let values = self.row(id, 0, row, &mut hulls);
            let (count, filled) = (values.len(), Exponentials::of(&values, prec));
            self.evaluations += count as u64;
            self.exponentials.insert(key, filled);
        }
        let (_, n, _) = self.rows_of(id).unwrap_or((0, 1, 1));
        let own = element % n;
        let total_key = (node.args.get(1).copied().unwrap_or(0), row);
        if node.op == Op::SoftCrossEntropyGradient && !self.totals.contains_key(&total_key) {
            let mut hulls = Vec::new();
            let total = Ball::sum(self.row(id, 1, row, &mut hulls).iter().copied(), prec);
            self.totals.insert(total_key, total);
        }
        let mut hulls = Vec::new();
        let Some(shared) = &self.exponentials[&key] else {
            // No finite maximum: undefined where an entry is, or where all are −∞ (their ln Σ exp is −∞); else not known yet.
            let values = self.row(id, 0, row, &mut hulls);
            let open = values.iter().any(|x| matches!(x, Ball::Unknown | Ball::Huge(_)));
            let undefined = values.iter().any(|x| matches!(x, Ball::Undefined));
            return match (open, &node.op) {
                (true, _) => Ball::Unknown,
                (false, Op::LogSumExp) if !undefined => {
                    Ball::Infinite(values.iter().all(|x| matches!(x, Ball::Infinite(true))))
                }
                _ => Ball::Undefined,
            };
        };
        match &node.op {
            Op::Softmax => shared.softmax(own, prec),
            Op::CrossEntropyGradient(classes) if classes[row] == own => shared.softmax_minus_one(own, prec),
            Op::CrossEntropyGradient(_) => shared.softmax(own, prec),
            Op::SoftCrossEntropyGradient => {
                let q = self.ball(id, 1, element);
                shared.soft_gradient(&q, &self.totals[&total_key], own, prec)
            }
            op => {
                let entry = |at: usize| self.ball(id, 0, row * n + at);
                let x_max = entry(shared.top);
                match op {
                    Op::LogSoftmax => shared.surprise(own, &x_max, &entry(own), prec).neg(),
                    Op::CrossEntropy(classes) => {
                        shared.surprise(classes[row], &x_max, &entry(classes[row]), prec)
                    }
                    Op::SoftCrossEntropy => {
                        let mut q_hulls = Vec::new();
                        let values = self.row(id, 0, row, &mut hulls);
                        let q = self.row(id, 1, row, &mut q_hulls);
                        shared.soft_cross_entropy(&values, &q, prec)
                    }
                    _ => x_max.add(&shared.ln_total, prec),
                }
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
