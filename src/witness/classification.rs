//! The witnesses of the classification losses, a file for each loss.

mod bce_with_logits;
mod cross_entropy;
mod cross_entropy_soft;
mod nll_loss;
mod softmax;

pub(super) use bce_with_logits::bce_with_logits;
pub(super) use cross_entropy::cross_entropy;
pub(super) use cross_entropy_soft::cross_entropy_soft;
pub(super) use nll_loss::nll_loss;
