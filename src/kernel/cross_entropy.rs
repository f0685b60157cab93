//! Softmax cross-entropy against integer classes.

use super::elementary::{exp, ln_1p};
use super::reduce::{Reducer, Reducing};
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;
use crate::loss::Default;

/// The loss is a sum of terms that are not negative. So is each gradient without smoothing; with it the gradient is a
/// difference, softmax·Σq − q, and where that nearly cancels it is good to 2^−40 of its terms: `stable` by far.
pub const CLAIMS: &[Claim] = &[
    Claim::always("cross_entropy", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("cross_entropy", "grad.logits", BUILTIN_FORMATS, Level::Stable),
    Claim {
        given: &[("label_smoothing", Default::Number(0.0))],
        ..Claim::always("cross_entropy", "grad.logits", BUILTIN_FORMATS, Level::Faithful)
    },
];

/// Σ_c q_c·(ln Σ_k exp(x_k) − x_c) of each row x, reduced; q the target's distribution times class_weight.
pub struct CrossEntropy<'a, S> {
    /// The rows, one after the other.
    pub logits: &'a [S],
    /// The class of each row.
    pub target: &'a [i64],
    /// How many classes a row has.
    pub classes: usize,
    /// A factor for each class.
    pub class_weight: Option<&'a [S]>,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// Rows of this target add nothing.
    pub ignore_index: Option<i64>,
    /// The part of the target that is spread over the classes.
    pub label_smoothing: f64,
    /// Whether it is spread over the other classes only.
    pub over_k_minus_1: bool,
    /// How terms become the loss.
    pub reducing: Reducing,
}

/// What a row's loss and gradient are made of: with m = max x at class `peak`, eᵢ = exp(xᵢ − m).
struct Softmax {
    maximum: Wide,
    peak: usize,
    /// Σ_{i≠peak} eᵢ.
    tail: Wide,
    /// Σ eᵢ.
    sum: Wide,
    /// ln Σ eᵢ, as ln(1 + Σ_{i≠peak} eᵢ): the tail of a dominant class is kept.
    ln_sum: Wide,
    /// Σ_{i≠t} eᵢ, added up as such: 1 − softmax_t would cancel.
    others: Wide,
}

impl Softmax {
    /// Fills `exps` with eᵢ. None where the row has a NaN or nothing but −∞, and so no softmax.
    fn of<S: Storage>(row: &[S], target: usize, exps: &mut [Wide]) -> Option<Softmax> {
        let mut peak = 0;
        for (class, x) in row.iter().enumerate() {
            if x.value().is_nan() {
                return None;
            }
            if x.value() > row[peak].value() {
                peak = class;
            }
        }
        if row[peak].value() == f32::NEG_INFINITY {
            return None;
        }
        let maximum = widen(row[peak]);
        let mut rest = Wide::ZERO;
        for (class, (x, e)) in row.iter().zip(exps.iter_mut()).enumerate() {
            *e = exp(widen(*x) - maximum);
            if class != peak && class != target {
                rest += *e;
            }
        }
        let (tail, others) =
            if peak == target { (rest, rest) } else { (rest + exps[target], rest + Wide::ONE) };
        let sum = Wide::ONE + tail;
        Some(Softmax { maximum, peak, tail, sum, ln_sum: ln_1p(tail), others })
    }
}

impl<S: Storage> CrossEntropy<'_, S> {
    fn kept(&self, target: i64) -> bool {
        Some(target) != self.ignore_index
    }

    fn weight(&self, class: usize) -> Wide {
        self.class_weight.map_or(Wide::ONE, |weight| widen(weight[class]))
    }

    /// Writes the loss and the gradient if it is wanted.
    pub fn run(&self, loss: &mut [S], mut gradient: Option<&mut [S]>) {
        let kept = self.target.iter().filter(|&&t| self.kept(t));
        let divisor = kept.fold(Wide::ZERO, |sum, &t| sum + self.weight(t as usize));
        let mut reducer = self.reducing.by(divisor);
        let mut exps = vec![Wide::ZERO; self.classes];
        for (at, (row, &target)) in self.logits.chunks_exact(self.classes).zip(self.target).enumerate() {
            let out = gradient.as_deref_mut().map(|all| &mut all[at * self.classes..][..self.classes]);
            if self.kept(target) {
                self.row(at, row, target as usize, &mut exps, &mut reducer, loss, out);
            } else {
                reducer.push(at, Wide::ZERO, loss);
                if let Some(out) = out {
                    out.fill(S::ZERO);
                }
            }
        }
        reducer.finish(loss);
    }

    #[allow(clippy::too_many_arguments)]
    fn row(
        &self,
        at: usize,
        row: &[S],
        target: usize,
        exps: &mut [Wide],
        reducer: &mut Reducer,
        loss: &mut [S],
        gradient: Option<&mut [S]>,
    ) {
        let constant = reducer.is_constant();
        let factor = reducer.factor(self.upstream, at);
        let Some(softmax) = Softmax::of(row, target, exps) else {
            reducer.push(at, Wide::NAN, loss);
            if let Some(out) = gradient {
                out.fill(if constant { S::ZERO } else { narrow(Wide::NAN) });
            }
            return;
        };
        // ln Σ exp(x) − x_c: both parts are at least 0.
        let surprise = |class: usize| softmax.ln_sum + (softmax.maximum - widen(row[class]));
        if self.label_smoothing == 0.0 {
            let weight = self.weight(target);
            reducer.push(at, weight * surprise(target), loss);
            if let Some(out) = gradient.filter(|_| !constant) {
                let scale = factor * weight / softmax.sum;
                for (out, &e) in out.iter_mut().zip(exps.iter()) {
                    *out = narrow(scale * e);
                }
                out[target] = narrow(-(scale * softmax.others));
            }
            return;
        }
        let q = Smoothed::of(self, target);
        let mut term = Wide::ZERO;
        let mut q_tail = Wide::ZERO;
        for class in 0..self.classes {
            let part = q.at(self, class);
            if class != softmax.peak {
                q_tail += part;
            }
            if !part.is_zero() {
                term += part * surprise(class);
            }
        }
        reducer.push(at, term / q.divisor, loss);
        if let Some(out) = gradient.filter(|_| !constant) {
            let q_sum = q_tail + q.at(self, softmax.peak);
            let scale = factor / (q.divisor * softmax.sum);
            for (class, (out, &e)) in out.iter_mut().zip(exps.iter()).enumerate() {
                *out = narrow(scale * (e * q_sum - q.at(self, class) * softmax.sum));
            }
            if softmax.tail.is_below(Wide::ONE) {
                // (1 − tail/s)·Σq − q_peak with Σq − q_peak added up as such: a softmax near 1 takes nothing away.
                out[softmax.peak] = narrow(scale * (q_tail * softmax.sum - softmax.tail * q_sum));
            }
        }
    }
}

/// A row's target distribution times `divisor`, K or K − 1, which makes it exact.
struct Smoothed {
    target: usize,
    at_target: Wide,
    elsewhere: Wide,
    divisor: Wide,
}

impl Smoothed {
    fn of<S: Storage>(problem: &CrossEntropy<'_, S>, target: usize) -> Smoothed {
        let epsilon = Wide::parameter(problem.label_smoothing);
        let divisor = Wide::count(problem.classes - usize::from(problem.over_k_minus_1));
        let share = if problem.over_k_minus_1 { Wide::ZERO } else { epsilon };
        let at_target = divisor * (Wide::ONE - epsilon) + share;
        Smoothed { target, at_target, elsewhere: epsilon, divisor }
    }

    fn at<S: Storage>(&self, problem: &CrossEntropy<'_, S>, class: usize) -> Wide {
        let part = if class == self.target { self.at_target } else { self.elsewhere };
        problem.weight(class) * part
    }
}
