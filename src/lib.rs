//! lossproof: a verified numerics test oracle for loss functions.

#[cfg(feature = "oracle")]
pub mod arithmetic;
pub mod case;
#[cfg(feature = "oracle")]
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod format;
pub mod graph;
pub mod judge;
pub mod kernel;
pub mod loss;
#[cfg(feature = "oracle")]
pub mod oracle;
pub mod report;
pub mod subject;
pub mod tensor;
pub mod truth;
#[cfg(feature = "oracle")]
pub mod witness;

#[cfg(feature = "oracle")]
pub use check::check;
