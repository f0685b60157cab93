//! Conventions: the other known choices that could explain a failing answer.

use super::Case;
use crate::loss::{ParamSpec, ParamValue, Params};

/// Choices that a subject follows without having declared them.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The parameters with the values that would have to be declared.
    pub params: Vec<(&'static str, ParamValue)>,
}

/// As the protocol's hello writes it inside `params`: `"epsilon": 1e-6, "epsilon_placement": "root"`.
impl std::fmt::Display for Declaration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (name, value)) in self.params.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            let value = serde_json::to_string(value).map_err(|_| std::fmt::Error)?;
            write!(f, "{comma}\"{name}\": {value}")?;
        }
        Ok(())
    }
}

/// The same case under other known choices: of one convention parameter at a time first, then of two, because some only
/// matter together (an epsilon and where it is added).
///
/// Whether an answer that fails under the declared choices holds under one of these is for the caller to find out: it
/// has to prove the alternative's truth. A choice that the case already has is left out, and so is one that makes it
/// invalid; a case of an unknown loss has none.
pub fn alternatives(case: &Case) -> Vec<(Declaration, Case)> {
    let Ok(entry) = case.entry() else { return Vec::new() };
    let spec = entry.spec();
    let Ok(declared) = case.params.complete(spec) else { return Vec::new() };
    let conventions: Vec<&'static ParamSpec> =
        spec.params.iter().filter(|param| !param.conventions.is_empty()).collect();
    let choices = |param: &'static ParamSpec| {
        let values = param.conventions.iter().map(|choice| choice.value.to_value());
        let mut other: Vec<ParamValue> = Vec::new();
        for value in values {
            let params = Params::default().with(param.name, value);
            // Completed, because 1 and 1.0 are one value.
            let Ok(complete) = params.complete(spec) else { continue };
            let value = complete.get(param.name);
            if value != declared.get(param.name) && !other.contains(value) {
                other.push(value.clone());
            }
        }
        other.into_iter().map(move |value| (param.name, value)).collect::<Vec<_>>()
    };
    let singles: Vec<Vec<(&'static str, ParamValue)>> =
        conventions.iter().map(|param| choices(param)).collect();
    let mut changes: Vec<Vec<(&'static str, ParamValue)>> = Vec::new();
    changes.extend(singles.iter().flatten().map(|choice| vec![choice.clone()]));
    for (place, first) in singles.iter().enumerate() {
        for second in &singles[place + 1..] {
            let pairs = first.iter().flat_map(|a| second.iter().map(move |b| vec![a.clone(), b.clone()]));
            changes.extend(pairs);
        }
    }
    let alternative = |params: Vec<(&'static str, ParamValue)>| {
        let mut other = case.clone();
        for (name, value) in &params {
            other.params.set(name, value.clone());
        }
        Some((Declaration { params }, other.checked().ok()?))
    };
    changes.into_iter().filter_map(alternative).collect()
}
