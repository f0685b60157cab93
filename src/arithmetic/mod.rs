//! Interpreters of graphs: balls over MPFR, which prove; and working precision, which says what a kernel may lose.
//!
//! They know nothing of losses.

pub mod ball;
mod binary;
#[cfg(test)]
mod binary_soundness;
mod cosine;
mod dependence;
pub mod divergence;
pub mod elementary;
pub mod evaluate;
pub mod fast;
mod focal;
pub mod huber;
mod monomial;
pub mod number;
pub mod radius;
mod rows;
#[cfg(test)]
mod rows_soundness;
#[cfg(test)]
#[allow(dead_code)] // Shared with tests/ball_soundness.rs; each uses its part.
mod specimen;
mod tails;
pub mod value;
pub mod working;

// Significands are read limb by limb, which takes 64-bit limbs.
const _: () = assert!(rug::float::prec_max() > 0 && size_of::<gmp_mpfr_sys::gmp::limb_t>() == 8);
