//! The oracle: case → truth.

use crate::case::{Case, CaseError};
use crate::judge::Machine;
use crate::truth::{OutputTruth, Verified};

// STAND-IN (front): mse in f64, everything else undecided.

/// The truth of each output of a checked case, the loss first.
pub fn prove(case: &Case) -> Result<Vec<OutputTruth>, CaseError> {
    let undecided = |(name, shape): (String, Vec<usize>)| {
        let elements = vec![crate::truth::Truth::Undecided { bits: 0 }; shape.iter().product()];
        OutputTruth { name, shape, elements }
    };
    let Ok(outputs) = crate::kernel::stand_in::mse(case) else {
        return Ok(case.outputs().into_iter().map(undecided).collect());
    };
    let truth = |y: f64| match y {
        y if y.is_nan() => crate::truth::Truth::Undefined,
        y if y.is_infinite() => crate::truth::Truth::Infinite { negative: y < 0.0 },
        y => crate::truth::Truth::Proved(crate::format::Canonical::from_f64(y, case.format)),
    };
    let output = |(name, shape, values): (String, Vec<usize>, Vec<f64>)| OutputTruth {
        name,
        shape,
        elements: values.into_iter().map(truth).collect(),
    };
    Ok(outputs.into_iter().map(output).collect())
}

/// The truth with the tolerance that belongs to it under a machine model.
pub fn verify(case: &Case, machine: &Machine) -> Result<Verified, CaseError> {
    let outputs = prove(case)?;
    let tolerances = outputs.iter().map(|output| {
        let budget = output.elements.iter().map(|y| {
            let y = y.value(crate::format::Format::F64);
            if y.is_finite() { 8.0 * machine.compute.unit_roundoff() * y.abs() } else { 0.0 }
        });
        let budget: Vec<f64> = budget.collect();
        crate::truth::Tolerance { backward: budget.clone(), budget, longest_sum: 1 }
    });
    Ok(Verified { tolerances: tolerances.collect(), outputs, overflows_on_the_way: false })
}

/// Outward-rounded decimal bounds of an element, at least 40 significant digits each.
pub type Bounds = Option<(String, String)>;

/// The truth and decimal bounds of every element of each output; `None` where the kind is undefined.
pub fn prove_with_bounds(case: &Case) -> Result<Vec<(OutputTruth, Vec<Bounds>)>, CaseError> {
    let with_bounds = |output: OutputTruth| {
        let bounds = output.elements.iter().map(|y| {
            let text = format!("{:?}", y.value(crate::format::Format::F64));
            (y.kind() != "undefined").then(|| (text.clone(), text))
        });
        let bounds = bounds.collect();
        (output, bounds)
    };
    Ok(prove(case)?.into_iter().map(with_bounds).collect())
}
