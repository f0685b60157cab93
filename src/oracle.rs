//! The oracle: case → truth.

use crate::case::{Case, CaseError};
use crate::judge::Machine;
use crate::truth::{OutputTruth, Verified};

/// The truth of each output of a checked case, the loss first.
pub fn prove(_case: &Case) -> Result<Vec<OutputTruth>, CaseError> {
    todo!()
}

/// The truth with the tolerance that belongs to it under a machine model.
pub fn verify(_case: &Case, _machine: &Machine) -> Result<Verified, CaseError> {
    todo!()
}

/// Outward-rounded decimal bounds of an element, at least 40 significant digits each.
pub type Bounds = Option<(String, String)>;

/// The truth and decimal bounds of every element of each output; `None` where the kind is undefined.
pub fn prove_with_bounds(_case: &Case) -> Result<Vec<(OutputTruth, Vec<Bounds>)>, CaseError> {
    todo!()
}
