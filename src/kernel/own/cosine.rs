//! The cosine embedding loss.

use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// The loss is the difference of a cosine and 1 or the margin, the gradients are differences of directions: good to 2^−40 of
/// these, which is `stable` by far, and less than `accurate` where vectors are nearly parallel.
pub const CLAIMS: &[Claim] = &[
    Claim::always("cosine_embedding", "loss", BUILTIN_FORMATS, Level::Stable),
    Claim::always("cosine_embedding", "grad.x1", BUILTIN_FORMATS, Level::Stable),
    Claim::always("cosine_embedding", "grad.x2", BUILTIN_FORMATS, Level::Stable),
];

/// 1 − c of pairs of target 1, max(c − margin, 0) of the others, reduced.
pub struct CosineEmbedding<'a, S> {
    /// Embeddings, row by row.
    pub x1: &'a [S],
    /// The other ones of the pairs.
    pub x2: &'a [S],
    /// 1 or −1, one a row.
    pub target: &'a [S],
    /// The length of a row.
    pub dimensions: usize,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// The cosine up to which a pair of target −1 costs nothing.
    pub margin: f64,
    /// Added to each squared norm.
    pub epsilon: f64,
    /// How terms become the loss.
    pub reducing: Reducing,
}

impl<S: Storage> CosineEmbedding<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(&self, loss: &mut [S], by_x1: Option<&mut [S]>, by_x2: Option<&mut [S]>) {
        self.run_with(Wide::parameter(self.epsilon), loss, by_x1, by_x2);
    }

    /// The same with what is added to the squared norms, which a mutant rounds.
    pub(super) fn run_with(
        &self,
        epsilon: Wide,
        loss: &mut [S],
        mut by_x1: Option<&mut [S]>,
        mut by_x2: Option<&mut [S]>,
    ) {
        let mut reducer = self.reducing.by(Wide::count(self.target.len()));
        let margin = Wide::parameter(self.margin);
        let rows = self.x1.chunks_exact(self.dimensions).zip(self.x2.chunks_exact(self.dimensions));
        for (at, ((x, y), &target)) in rows.zip(self.target).enumerate() {
            let (mut dot, mut first, mut second) = (Wide::ZERO, epsilon, epsilon);
            for (&x, &y) in x.iter().zip(y) {
                let (x, y) = (widen(x), widen(y));
                dot += x * y;
                first += x * x;
                second += y * y;
            }
            let root = (first * second).sqrt();
            let cosine = dot / root;
            let together = target.value() == 1.0;
            let gap = if together { Wide::ONE - cosine } else { cosine - margin };
            let gap = if target.value().is_nan() { Wide::NAN } else { gap };
            reducer.push(at, if together || !gap.is_negative() { gap } else { Wide::ZERO }, loss);
            // The derivative by the cosine.
            let slope = match () {
                _ if gap.is_nan() => Wide::NAN,
                _ if together => -Wide::ONE,
                _ if gap.is_positive() => Wide::ONE,
                _ => Wide::ZERO,
            };
            let factor = reducer.factor(self.upstream, at) * slope;
            let start = at * self.dimensions;
            for (d, (&x, &y)) in x.iter().zip(y).enumerate() {
                let (x, y) = (widen(x), widen(y));
                if let Some(out) = by_x1.as_deref_mut() {
                    out[start + d] = narrow(factor * ((y * first - dot * x) / (first * root)));
                }
                if let Some(out) = by_x2.as_deref_mut() {
                    out[start + d] = narrow(factor * ((x * second - dot * y) / (second * root)));
                }
            }
        }
        reducer.finish(loss);
    }
}
