//! Working precision: the graph over balls at the kernel's own precision, under the machine model. It gives the
//! tolerance of each output element.

use crate::case::{Case, program::Program};
use crate::judge::Machine;
use crate::truth::Tolerance;

/// The tolerances of each output, and whether a node leaves the compute format's range while the outputs do not.
pub fn tolerances(_program: &Program, _case: &Case, _machine: &Machine) -> (Vec<Tolerance>, bool) {
    todo!()
}
