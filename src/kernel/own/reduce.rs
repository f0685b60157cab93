//! From terms to the loss, and from the upstream to each term's factor: `reduction`, `empty_mean` and the divisor of the mean,
//! shared by all built-in kernels.

use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use crate::loss::{Params, Reduction};

/// The parameters of a reduction.
#[derive(Copy, Clone, Debug)]
pub struct Reducing {
    /// What becomes of the terms.
    pub reduction: Reduction,
    /// Whether the mean over nothing is 0 with gradient 0, instead of NaN.
    pub empty_mean_zero: bool,
}

impl Reducing {
    /// From complete parameters.
    pub fn from_params(params: &Params) -> Reducing {
        Reducing {
            reduction: Reduction::from_params(params),
            empty_mean_zero: params.text("empty_mean") == "zero",
        }
    }

    /// With what the mean divides by.
    pub(super) fn by(self, divisor: Wide) -> Reducer {
        Reducer { how: self, divisor, sum: Wide::ZERO }
    }
}

/// A reduction under way.
pub(super) struct Reducer {
    how: Reducing,
    divisor: Wide,
    sum: Wide,
}

impl Reducer {
    /// Takes the next term, of that element or row.
    pub(super) fn push<S: Storage>(&mut self, at: usize, term: Wide, loss: &mut [S]) {
        match self.how.reduction {
            Reduction::None => loss[at] = narrow(term),
            Reduction::Mean | Reduction::Sum => self.sum += term,
        }
    }

    /// Writes the reduced loss.
    pub(super) fn finish<S: Storage>(self, loss: &mut [S]) {
        match self.how.reduction {
            Reduction::None => {}
            Reduction::Sum => loss[0] = narrow(self.sum),
            Reduction::Mean if !self.divisor.is_zero() => loss[0] = narrow(self.sum / self.divisor),
            Reduction::Mean if self.how.empty_mean_zero => loss[0] = S::ZERO,
            Reduction::Mean => loss[0] = narrow(Wide::NAN),
        }
    }

    /// Whether the loss is the constant 0 of an empty mean.
    pub(super) fn is_constant(&self) -> bool {
        self.how.reduction == Reduction::Mean && self.divisor.is_zero() && self.how.empty_mean_zero
    }

    /// The derivative of ⟨upstream, loss⟩ by the term of that element or row, of a loss that is not constant.
    pub(super) fn factor<S: Storage>(&self, upstream: &[S], at: usize) -> Wide {
        match self.how.reduction {
            Reduction::None => widen(upstream[at]),
            Reduction::Sum => widen(upstream[0]),
            Reduction::Mean if !self.divisor.is_zero() => widen(upstream[0]) / self.divisor,
            Reduction::Mean => Wide::NAN,
        }
    }
}
