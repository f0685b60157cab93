//! Softmax cross-entropy against integer classes.

use super::reduce::{Reducer, Reducing};
use super::softmax::Softmax;
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
        let Some(softmax) = Softmax::of(row, Some(target), exps) else {
            reducer.push(at, Wide::NAN, loss);
            if let Some(out) = gradient {
                out.fill(if constant { S::ZERO } else { narrow(Wide::NAN) });
            }
            return;
        };
        if self.label_smoothing == 0.0 {
            let weight = self.weight(target);
            reducer.push(at, weight * softmax.surprise(row[target]), loss);
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
        let part = |class: usize| q.at(self, class);
        reducer.push(at, softmax.soft_loss(row, part) / q.divisor, loss);
        if let Some(out) = gradient.filter(|_| !constant) {
            softmax.soft_gradient(row, exps, part, factor / q.divisor, out);
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
