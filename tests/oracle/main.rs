//! Promise: the oracle's truths are the mathematics: against exact rationals, against another library's real arithmetic,
//! at kinks and at the ends of the formats; nothing sensible is left undecided; and a hard element costs little.

mod cost;
#[path = "../support/exact.rs"]
mod exact;

mod helpers;
mod kinds;
mod rationals;
mod rival;
mod sweep;
