//! STAND-IN (front): conventions, until the judge branch is merged.

use super::Case;
use crate::loss::ParamValue;

/// A declaration that a subject could make.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The parameters with the values that would have to be declared.
    pub params: Vec<(&'static str, ParamValue)>,
}

impl std::fmt::Display for Declaration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.params.iter().try_for_each(|(name, value)| write!(f, "\"{name}\": {value}"))
    }
}

/// The case under each other known choice.
pub fn alternatives(case: &Case) -> Vec<(Declaration, Case)> {
    let Ok(entry) = case.entry() else { return Vec::new() };
    let mut all = Vec::new();
    for param in entry.spec().params {
        for convention in param.conventions {
            let value = convention.value.to_value();
            if *case.params.get(param.name) != value {
                let mut other = case.clone();
                other.params.set(param.name, value.clone());
                all.push((Declaration { params: vec![(param.name, value)] }, other));
            }
        }
    }
    all
}
