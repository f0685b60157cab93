//! Promise: the oracle's truths obey the mathematics of their losses: permutations, shifts and scales, sums of gradients,
//! signs and convexity, limits and identities between losses, rows that count for nothing, linearity in the upstream.
//!
//! Each property takes a case of a regime, makes the case that it is related to, and compares the two proofs: by the
//! canonical truth where the relation is exact in the reals and in the inputs, else by enclosures, which have to meet.

mod helpers;
mod invariance;
mod limits;
mod linearity;
mod masks;
mod reals;
mod signs;
mod sums;
