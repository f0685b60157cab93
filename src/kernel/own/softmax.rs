//! A row under a softmax, with everything that the cross-entropies need of it kept free of cancellation.

use super::elementary::{exp, ln_1p};
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;

/// What a row's loss and gradient are made of: with m = max x at class `peak`, eᵢ = exp(xᵢ − m).
pub(super) struct Softmax {
    maximum: Wide,
    peak: usize,
    /// Σ_{i≠peak} eᵢ.
    tail: Wide,
    /// Σ eᵢ.
    pub(super) sum: Wide,
    /// ln Σ eᵢ, as ln(1 + Σ_{i≠peak} eᵢ): the tail of a dominant class is kept.
    ln_sum: Wide,
    /// Σ_{i≠t} eᵢ of one class t, added up as such: 1 − softmax_t would cancel. The tail where no class is singled out.
    pub(super) others: Wide,
}

impl Softmax {
    /// Fills `exps` with eᵢ; `apart` is the class t of `others`. None where the row has a NaN or nothing but −∞, and so no
    /// softmax.
    pub(super) fn of<S: Storage>(row: &[S], apart: Option<usize>, exps: &mut [Wide]) -> Option<Softmax> {
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
        let apart = apart.unwrap_or(peak);
        let mut rest = Wide::ZERO;
        for (class, (x, e)) in row.iter().zip(exps.iter_mut()).enumerate() {
            *e = exp(widen(*x) - maximum);
            if class != peak && class != apart {
                rest += *e;
            }
        }
        let (tail, others) =
            if peak == apart { (rest, rest) } else { (rest + exps[apart], rest + Wide::ONE) };
        let sum = Wide::ONE + tail;
        Some(Softmax { maximum, peak, tail, sum, ln_sum: ln_1p(tail), others })
    }

    /// ln Σ exp(x) − x_c of a class's logit: both parts are at least 0.
    pub(super) fn surprise<S: Storage>(&self, x: S) -> Wide {
        self.ln_sum + (self.maximum - widen(x))
    }

    /// Σ_c q_c·(ln Σ exp(x) − x_c), parts with q_c = 0 left out.
    pub(super) fn soft_loss<S: Storage>(&self, row: &[S], q: impl Fn(usize) -> Wide) -> Wide {
        let mut sum = Wide::ZERO;
        for (class, &x) in row.iter().enumerate() {
            let part = q(class);
            if !part.is_zero() {
                sum += part * self.surprise(x);
            }
        }
        sum
    }

    /// Writes factor·(softmax·Σq − q). The softmax of −∞ is 0 whatever Σq is, which may be NaN.
    pub(super) fn soft_gradient<S: Storage>(
        &self,
        row: &[S],
        exps: &[Wide],
        q: impl Fn(usize) -> Wide,
        factor: Wide,
        out: &mut [S],
    ) {
        let mut q_tail = Wide::ZERO;
        for class in (0..exps.len()).filter(|&class| class != self.peak) {
            q_tail += q(class);
        }
        let q_sum = q_tail + q(self.peak);
        let scale = factor / self.sum;
        for (class, (out, (x, &e))) in out.iter_mut().zip(row.iter().zip(exps)).enumerate() {
            let spread = if x.value() == f32::NEG_INFINITY { Wide::ZERO } else { e * q_sum };
            *out = narrow(scale * (spread - q(class) * self.sum));
        }
        if self.tail.is_below(Wide::ONE) {
            // (1 − tail/s)·Σq − q_peak with Σq − q_peak added up as such: a softmax near 1 takes nothing away.
            out[self.peak] = narrow(scale * (q_tail * self.sum - self.tail * q_sum));
        }
    }
}
