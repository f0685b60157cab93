//! Softmax cross-entropy against distributions over the classes.

use super::reduce::Reducing;
use super::softmax::Softmax;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The loss is a sum of parts that are not negative, and so is each element of the gradient by the target. By the logits it
/// is a difference, softmax·Σq − q, and where that nearly cancels it is good to 2^−40 of its terms: `stable` by far.
pub const CLAIMS: &[Claim] = &[
    Claim::always("cross_entropy_soft", "loss", BUILTIN_FORMATS, Level::Faithful),
    Claim::always("cross_entropy_soft", "grad.logits", BUILTIN_FORMATS, Level::Stable),
    Claim::always("cross_entropy_soft", "grad.target", BUILTIN_FORMATS, Level::Faithful),
];

/// Σ_c w_c·q_c·(ln Σ_k exp(x_k) − x_c) of each row x of logits and q of the target, reduced; w the class_weight.
pub struct CrossEntropySoft<'a, S> {
    /// The rows, one after the other.
    pub logits: &'a [S],
    /// The distribution of each row.
    pub target: &'a [S],
    /// How many classes a row has.
    pub classes: usize,
    /// A factor for each class.
    pub class_weight: Option<&'a [S]>,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> CrossEntropySoft<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(
        &self,
        loss: &mut [S],
        mut logits_gradient: Option<&mut [S]>,
        mut target_gradient: Option<&mut [S]>,
    ) {
        let classes = self.classes;
        let mut reducer = self.reducing.by(Wide::count(self.logits.len() / classes));
        let constant = reducer.is_constant();
        let weight = |class: usize| self.class_weight.map_or(Wide::ONE, |weight| widen(weight[class]));
        let mut exps = vec![Wide::ZERO; classes];
        let rows = self.logits.chunks_exact(classes).zip(self.target.chunks_exact(classes));
        for (at, (row, target)) in rows.enumerate() {
            let q = |class: usize| weight(class) * widen(target[class]);
            let factor = reducer.factor(self.upstream, at);
            let own = at * classes..(at + 1) * classes;
            let by_logits = logits_gradient.as_deref_mut().map(|all| &mut all[own.clone()]);
            let by_target = target_gradient.as_deref_mut().map(|all| &mut all[own]);
            let softmax = Softmax::of(row, None, &mut exps);
            reducer.push(at, softmax.as_ref().map_or(Wide::NAN, |softmax| softmax.soft_loss(row, q)), loss);
            if constant {
                continue;
            }
            let Some(softmax) = softmax else {
                by_logits.into_iter().chain(by_target).for_each(|out| out.fill(narrow(Wide::NAN)));
                continue;
            };
            if let Some(out) = by_logits {
                softmax.soft_gradient(row, &exps, q, factor, out);
            }
            if let Some(out) = by_target {
                for (class, (out, &x)) in out.iter_mut().zip(row).enumerate() {
                    *out = narrow(factor * (weight(class) * softmax.surprise(x)));
                }
            }
        }
        reducer.finish(loss);
    }
}
