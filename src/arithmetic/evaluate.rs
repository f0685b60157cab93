//! The graph over balls: evaluates at one precision those elements that are asked for, and what they depend on.
//!
//! View operations are followed, not computed. What a row shares (exponentials, norms) is computed once a row. A node's elements
//! do not depend on each other, so that threads may share them out without a change of any.

mod decide;
mod shared;

use super::ball::{Ball, Place};
use super::binary::{self, softplus_gap, weighted_sum};
use super::dependence::{Dependence, row_element};
use super::divergence;
use super::elementary as f;
use super::focal;
use super::huber::{huber, smooth_l1};
use super::monomial::{KnownSizes, RowParts};
use super::rows::WORTH_THREADS;
use super::value::{Effort, Kink, Value, at_kink, extremum};
use crate::case::{Case, program::Program};
use crate::graph::{NodeId, Op};
use Value::Point;
use rayon::prelude::*;
use shared::{NormKey, Shared};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Mutex;

/// The values of one node: all, or those that are needed.
enum Store {
    Absent,
    Dense(Vec<Option<Value>>),
    Sparse(HashMap<usize, Value>),
}

/// An evaluation of a program at one precision.
pub struct Evaluation<'a> {
    program: &'a Program,
    case: &'a Case,
    effort: Effort,
    stores: Vec<Store>,
    shared: Shared,
    norm_parts: Mutex<(HashMap<NormKey, Option<RowParts>>, KnownSizes)>,
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
            shared: Shared::default(),
            norm_parts: Mutex::default(),
            evaluations: 0,
        };
        for (id, marks) in Dependence(program).needs(wanted).into_iter().enumerate() {
            let Some(marks) = marks else { continue };
            let elements: Vec<usize> = marks.elements().collect();
            evaluation.share_rows(id, &elements);
            let length = evaluation.terms(id);
            evaluation.evaluations += (elements.len() * (1 + length)) as u64;
            let value = |&element: &usize| evaluation.element(id, element);
            let values: Vec<Value> = if elements.len() > 1 && elements.len() * (1 + length) >= WORTH_THREADS {
                elements.par_iter().map(value).collect()
            } else {
                elements.iter().map(value).collect()
            };
            let values = elements.into_iter().zip(values);
            if marks.count * 8 > marks.needed.len() {
                let mut store = vec![None; marks.needed.len()];
                values.for_each(|(element, value)| store[element] = Some(value));
                evaluation.stores[id] = Store::Dense(store);
            } else {
                evaluation.stores[id] = Store::Sparse(values.collect());
            }
        }
        evaluation
    }

    /// The value of an output's element that was wanted.
    pub fn output(&self, output: usize, element: usize) -> &Value {
        self.get(self.program.outputs[output].1, element)
    }

    fn dependence(&self) -> Dependence<'a> {
        Dependence(self.program)
    }

    /// How many terms an element of a sum has.
    fn terms(&self, id: NodeId) -> usize {
        match self.program.graph.nodes()[id].op {
            Op::Sum { .. } | Op::Dot { .. } => self.dependence().rows_of(id).map_or(0, |(_, n, _)| n),
            _ => 0,
        }
    }

    fn get(&self, id: NodeId, element: usize) -> &Value {
        let (id, element) = self.dependence().source(id, element);
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
        let (_, n, stride) = self.dependence().rows_of(id).unwrap_or((0, 0, 1));
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

    fn element(&self, id: NodeId, element: usize) -> Value {
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
            Op::Mul
                if self.dependence().source(node.args[0], element)
                    == self.dependence().source(node.args[1], element) =>
            {
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
                let (_, n, stride) = self.dependence().rows_of(id).unwrap_or((0, 0, 1));
                let terms = (0..n).map(|k| self.arg(id, 0, row_element(element, k, n, stride)));
                Value::sum(terms, prec, here)
            }
            Op::Dot { .. } => {
                let (_, n, stride) = self.dependence().rows_of(id).unwrap_or((0, 0, 1));
                let at = |k| row_element(element, k, n, stride);
                let terms = (0..n).map(|k| self.arg(id, 0, at(k)).mul(self.arg(id, 1, at(k)), prec, here));
                let terms: Vec<Value> = terms.collect();
                Value::sum(terms.iter(), prec, here)
            }
            Op::MaxAxis { .. } | Op::MaxShare { .. } => {
                let row = self.dependence().row_number(id, element);
                let maximum = &self.shared.maxima[&(node.args[0], row)];
                if matches!(node.op, Op::MaxAxis { .. }) {
                    return Point(maximum.most.clone());
                }
                let (_, n, stride) = self.dependence().rows_of(id).unwrap_or((0, 0, 1));
                maximum.share(element / stride % n, here, effort)
            }
            Op::LogSumExp
            | Op::Softmax
            | Op::LogSoftmax
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGradient(_)
            | Op::SoftCrossEntropy
            | Op::SoftCrossEntropyGradient => Point(self.exponential_row(id, element)),
            Op::Norm { .. } => Point(self.norm(id, element).norm.clone()),
            Op::NormGradient { p, epsilon } => {
                let (_, n, _) = self.dependence().rows_of(id).unwrap_or((0, 1, 1));
                let (own, x) = (element % n, self.ball(id, 0, element));
                self.norm(id, element).gradient(own, &x, (p.power(), epsilon.get()), here, effort)
            }
            Op::Normalize => Point(self.ball(id, 0, element).div(&self.norm(id, element).norm, prec)),
            Op::Cosine { epsilon } => Point(self.cosine(id, element, *epsilon).value(prec)),
            Op::CosineGradient { epsilon } => {
                let (x, y) = (self.ball(id, 0, element), self.ball(id, 1, element));
                Point(self.cosine(id, element, *epsilon).gradient(&x, &y, prec))
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

    /// An element of an operation on rows of exponentials.
    fn exponential_row(&self, id: NodeId, element: usize) -> Ball {
        let prec = self.effort.prec;
        let node = &self.program.graph.nodes()[id];
        let row = self.dependence().row_number(id, element);
        let (_, n, _) = self.dependence().rows_of(id).unwrap_or((0, 1, 1));
        let own = element % n;
        let mut hulls = Vec::new();
        let Some(shared) = &self.shared.exponentials[&(node.args[0], row)] else {
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
                shared.soft_gradient(&q, &self.shared.totals[&(node.args[1], row)], own, prec)
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
