//! What no precision decides: an element whose parts show that it is 0, or a number that can be written exactly, or is just
//! beside one. Its ball straddles that number for ever; its parts ([`Parts`]) tell.

use super::Evaluation;
use crate::arithmetic::ball::{Ball, Place, Side};
use crate::arithmetic::binary;
use crate::arithmetic::dependence::row_element;
use crate::arithmetic::focal::focal_parts;
use crate::arithmetic::huber::huber;
use crate::arithmetic::monomial::{Parts, RowParts};
use crate::arithmetic::number::Number;
use crate::arithmetic::radius::Radius;
use crate::arithmetic::value::{Kink, Value};
use crate::graph::{NodeId, Op};
use Value::Point;
use rug::float::Round;
use std::cmp::Ordering;
use std::sync::PoisonError;

/// Beyond so many terms a sum's exact parts are not looked for.
const MOST_TERMS: usize = 4096;

/// A precision that holds products of a few f64 exactly.
const EXACT: u32 = 512;

/// How the choices at kinks are made: what a corner of a set is.
type Choices<'c> = &'c [(Kink, bool)];

impl Evaluation<'_> {
    /// The difference's place, by exact parts where the balls do not tell.
    pub(super) fn difference(&self, id: NodeId, element: usize, a: &Ball, b: &Ball) -> Place {
        match a.compare(b, self.effort.prec) {
            Some(Ordering::Less) => Place::Negative,
            Some(Ordering::Equal) => Place::Zero,
            Some(Ordering::Greater) => Place::Positive,
            None => match self.sign_by_parts(id, element, true) {
                Some(Side::Any) => Place::Zero,
                Some(Side::Above) => Place::Positive,
                Some(Side::Below) => Place::Negative,
                None => Place::Straddles,
            },
        }
    }

    /// A sum or difference that is 0 by its parts, or just beside it, though its ball straddles 0.
    pub(super) fn settled_zero(&self, value: Value, id: NodeId, element: usize, difference: bool) -> Value {
        match &value {
            Point(ball @ Ball::Finite { .. }) if ball.place() == Place::Straddles => {
                match self.sign_by_parts(id, element, difference) {
                    Some(Side::Any) => Point(Ball::zero()),
                    Some(side) => Point(Ball::sided(Number::new(2, 0), ball.magnitude(), side)),
                    None => value,
                }
            }
            _ => value,
        }
    }

    /// On which side of 0 the two arguments' sum or difference is by its parts; `Any` where it is 0.
    fn sign_by_parts(&self, id: NodeId, element: usize, difference: bool) -> Option<Side> {
        let args = &self.program.graph.nodes()[id].args;
        if args.iter().any(|&arg| matches!(self.get(arg, element), Value::Set(_))) {
            return None;
        }
        let (a, b) = (self.parts(args[0], element, &[])?, self.parts(args[1], element, &[])?);
        a.add(if difference { b.neg() } else { b })?.sign()
    }

    /// An output's element again, where its parts show that it, or a corner of it, is a number that can be written
    /// exactly, or is just beside one: its ball then straddles that number at every precision.
    pub fn exactly(&self, output: usize, element: usize) -> Option<Value> {
        let id = self.program.outputs[output].1;
        let exact = |ball: &Ball, choices: Choices<'_>| -> Option<Ball> {
            let (exact, side) = self.parts(id, element, choices)?.to_exact()?;
            // The number is in the ball and on that side: no farther away than the ball's own end.
            let (low, high) = ball.ends(self.effort.prec)?;
            // Beside a number outside of its ball says nothing more.
            if !(*low <= exact && exact <= *high) {
                return None;
            }
            let far = match side {
                Side::Any => return Some(Ball::exact(exact)),
                Side::Above => Number::rounded(32, &*high - &exact, Round::Up).0,
                Side::Below => Number::rounded(32, &exact - &*low, Round::Up).0,
            };
            (*far > 0).then(|| Ball::sided(exact, Radius::above(&far), side))
        };
        match self.get(id, element) {
            Point(ball) => exact(ball, &[]).map(Point),
            Value::Set(corners) => {
                let mut any = false;
                let balls = corners.balls().iter().enumerate().map(|(corner, ball)| {
                    let kinks = corners.kinks().iter().enumerate();
                    let choices: Vec<(Kink, bool)> =
                        kinks.map(|(k, &kink)| (kink, corner >> k & 1 == 1)).collect();
                    let exact = exact(ball, &choices);
                    any |= exact.is_some();
                    exact.unwrap_or_else(|| ball.clone())
                });
                let balls = balls.collect();
                any.then(|| Value::of_corners(corners.kinks().to_vec(), balls))
            }
        }
    }

    /// The element, at that corner if it is a set, as a sum of exact parts, if it is one.
    fn parts(&self, id: NodeId, element: usize, choices: Choices<'_>) -> Option<Parts> {
        let (id, element) = self.dependence().source(id, element);
        let chosen = |kink: Kink| choices.iter().find(|(known, _)| *known == kink).map(|&(_, choice)| choice);
        let ball = match self.get(id, element) {
            Point(ball) => ball,
            Value::Set(corners) => corners.at(chosen)?,
        };
        if ball.is_exact() {
            return Parts::of(ball);
        }
        // What a one-sided ball is beside says less than its parts.
        self.inexact_parts(id, element, choices).or_else(|| Parts::of(ball))
    }

    fn inexact_parts(&self, id: NodeId, element: usize, choices: Choices<'_>) -> Option<Parts> {
        let node = &self.program.graph.nodes()[id];
        let is_set = |k: usize| matches!(self.arg(id, k, element), Value::Set(_));
        let part = |k: usize| self.parts(node.args[k], element, choices);
        match &node.op {
            Op::Sum { .. } => {
                let (_, n, stride) = self.dependence().rows_of(id)?;
                let term = |k| self.parts(node.args[0], row_element(element, k, n, stride), choices);
                let zero = Parts::rational(rug::Rational::new());
                (n <= MOST_TERMS).then(|| (0..n).try_fold(zero, |sum, k| sum.add(term(k)?)))?
            }
            Op::ScatterAdd(indices) => {
                let zero = Parts::rational(rug::Rational::new());
                let mut sources = indices.iter().enumerate().filter(|&(_, &to)| to == element);
                let term = |at| self.parts(node.args[0], at, choices);
                (indices.len() <= MOST_TERMS)
                    .then(|| sources.try_fold(zero, |sum, (at, _)| sum.add(term(at)?)))?
            }
            Op::Neg => Some(part(0)?.neg()),
            Op::Add => part(0)?.add(part(1)?),
            Op::Sub => part(0)?.add(part(1)?.neg()),
            Op::Mul => part(0)?.mul(part(1)?),
            Op::Div => part(0)?.div(part(1)?),
            Op::Minimum | Op::Maximum if !is_set(0) && !is_set(1) => {
                // One of the two arguments: the one whose ball this is.
                let (a, b) = (self.ball(id, 0, element), self.ball(id, 1, element));
                let first = match self.difference(id, element, &a, &b) {
                    Place::Zero => true,
                    Place::Negative => node.op == Op::Minimum,
                    Place::Positive => node.op == Op::Maximum,
                    Place::Straddles => return None,
                };
                part(usize::from(!first))
            }
            Op::Clamp { low, high } if !is_set(0) => {
                // Inside the bounds it is its argument; elsewhere it is exact.
                let x = self.ball(id, 0, element);
                let order = |bound: f64| x.compare(&Ball::from_f64(bound), self.effort.prec);
                let inside =
                    order(low.get()) == Some(Ordering::Greater) && order(high.get()) == Some(Ordering::Less);
                if inside { part(0) } else { None }
            }
            Op::SmoothL1(beta) if !is_set(0) => {
                // Twice the bits hold the square of an exact argument.
                let scaled = huber(&self.ball(id, 0, element), beta.get(), 2 * self.effort.prec);
                if scaled.is_exact() {
                    Parts::of(&scaled)?.div(Parts::of(&Ball::from_f64(beta.get()))?)
                } else {
                    None
                }
            }
            Op::Norm { p, epsilon } | Op::NormGradient { p, epsilon } => {
                let key = self.norm_key(id, element)?;
                let mut known = self.norm_parts.lock().unwrap_or_else(PoisonError::into_inner);
                let (known, sizes) = &mut *known;
                let parts = known.entry(key).or_insert_with(|| {
                    let mut hulls = Vec::new();
                    let parts = RowParts::of(&self.row(id, 0, key.1, &mut hulls), p.power(), epsilon.get());
                    parts.map(|parts| parts.shared(sizes))
                });
                match node.op {
                    Op::NormGradient { .. } => parts.as_ref()?.slope(&self.ball(id, 0, element)),
                    _ => parts.as_ref().map(RowParts::norm),
                }
            }
            Op::Softmax | Op::CrossEntropyGradient(_) | Op::SoftCrossEntropyGradient => {
                self.tied_softmax(id, element)
            }
            Op::Cosine { epsilon } | Op::CosineGradient { epsilon } => {
                let key = ([node.args[0], node.args[1]], self.dependence().row_number(id, element), *epsilon);
                let cosine = self.shared.cosines.get(&key)?;
                match node.op {
                    Op::Cosine { .. } => cosine.value_parts(),
                    _ => cosine.gradient_parts(&self.ball(id, 0, element), &self.ball(id, 1, element)),
                }
            }
            Op::Ln if !is_set(0) => Parts::ln(&self.ball(id, 0, element)),
            Op::KlDiv if !is_set(0) && !is_set(1) => {
                Parts::kl_div(&self.ball(id, 0, element), &self.ball(id, 1, element))
            }
            Op::KlDivLog if !is_set(0) && !is_set(1) => {
                Parts::kl_div_log(&self.ball(id, 0, element), &self.ball(id, 1, element))
            }
            Op::BceGradient(clamp) if !is_set(0) && !is_set(1) => {
                let (p, y) = (self.ball(id, 0, element), self.ball(id, 1, element));
                binary::bce_gradient_parts(&p, &y, *clamp, self.effort.prec)
            }
            Op::Focal(form) if !is_set(0) && !is_set(1) => {
                let (z, y) = (self.ball(id, 0, element), self.ball(id, 1, element));
                focal_parts(&z, &y, *form, self.effort.prec.max(EXACT))
            }
            Op::Softplus if !is_set(0) => Parts::softplus(&self.ball(id, 0, element)),
            Op::LogSigmoid if !is_set(0) => Some(Parts::softplus(&self.ball(id, 0, element).neg())?.neg()),
            _ => None,
        }
    }

    /// An element of a softmax or a cross-entropy's gradient whose exponentials are all exact: 1 at ties, 0 where a
    /// class is excluded.
    fn tied_softmax(&self, id: NodeId, element: usize) -> Option<Parts> {
        let node = &self.program.graph.nodes()[id];
        let row = self.dependence().row_number(id, element);
        let shared = self.shared.exponentials.get(&(node.args[0], row))?.as_ref()?;
        let own = element % shared.terms.len();
        let softmax = Parts::of(&shared.terms[own])?.div(Parts::of(&shared.total)?)?;
        match &node.op {
            Op::CrossEntropyGradient(classes) if classes[row] == own => {
                softmax.add(Parts::of(&Ball::one())?.neg())
            }
            Op::SoftCrossEntropyGradient => {
                let q_total = Parts::of(self.shared.totals.get(&(node.args[1], row))?)?;
                let q = self.parts(node.args[1], element, &[])?;
                softmax.mul(q_total)?.add(q.neg())
            }
            _ => Some(softmax),
        }
    }
}
