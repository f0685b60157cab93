//! Classification: losses of logits, probabilities or log-probabilities against classes. A file for each loss.

mod bce_with_logits;
mod cross_entropy;
mod cross_entropy_soft;
mod nll_loss;
mod rows;

pub use bce_with_logits::BceWithLogits;
pub use cross_entropy::CrossEntropy;
pub use cross_entropy_soft::CrossEntropySoft;
pub use nll_loss::NllLoss;
