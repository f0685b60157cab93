//! Classification: losses of logits, probabilities or log-probabilities against classes. A file for each loss.

mod bce_with_logits;
mod cross_entropy;

pub use bce_with_logits::BceWithLogits;
pub use cross_entropy::CrossEntropy;
