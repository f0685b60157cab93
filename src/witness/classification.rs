//! The witnesses of the classification losses, a file for each loss.

mod bce_with_logits;
mod cross_entropy;

pub(super) use bce_with_logits::bce_with_logits;
pub(super) use cross_entropy::cross_entropy;
