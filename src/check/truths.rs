//! Where the truth of a case comes from: the oracle, or a golden file. The rest of the harness sees no difference.

use crate::case::{Case, CaseError};
use crate::judge::{Fares, Machine};
use crate::truth::Verified;

/// Why there is no truth.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum NoTruth {
    /// The case is refused. Stored cases are not.
    #[cfg_attr(not(feature = "oracle"), allow(dead_code))]
    #[error(transparent)]
    Refused(CaseError),
    /// Nothing is stored of it.
    #[error("nothing is stored of the case")]
    Unknown,
}

/// A source of truth.
pub(crate) trait Truths: Sync {
    /// The truth of a case, with the tolerance of that machine.
    fn verify(&self, case: &Case, machine: &Machine) -> Result<Verified, NoTruth>;

    /// How a kernel that ignores the upstream fares, for each output; for cases with gradients and another upstream than
    /// ones.
    fn ignoring_upstream(&self, case: &Case, verified: &Verified, machine: &Machine) -> Vec<Option<Fares>>;

    /// Whether it has the truth of any case, so that a failing one can be made smaller.
    fn knows_any_case(&self) -> bool {
        true
    }
}
