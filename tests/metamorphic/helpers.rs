//! Cases from the regimes, cases derived from them, and the comparison of their truths.

use lossproof::case::proptest::cases;
use lossproof::case::regime::Regime;
use lossproof::case::{Case, Tensors};
use lossproof::format::{Canonical, Format};
use lossproof::loss::{self, LossEntry, ParamValue};
use lossproof::tensor::{Dtype, Tensor, Values};
use lossproof::truth::{OutputTruth, Truth};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::Cell;

/// The regimes that have small cases.
const REGIMES: [Regime; 10] = [
    Regime::Typical,
    Regime::Edge,
    Regime::Extreme,
    Regime::Saturated,
    Regime::Cancelling,
    Regime::Subnormal,
    Regime::Masked,
    Regime::Tied,
    Regime::Degenerate,
    Regime::Overflowing,
];
/// Cases of each loss, format and regime.
const CASES: u32 = 4;
/// Larger cases are left to other tests: proofs cost by the element.
const MOST_ELEMENTS: usize = 48;

/// How many elements a property compared, nothing where the case is none of its own; or what does not hold.
pub type Outcome = Result<usize, String>;

/// Holds the property over cases of these losses, of every format and regime; a failing case is shrunk. A property that
/// compared next to nothing fails.
pub fn holds(losses: &[&str], property: impl Fn(&Case) -> Outcome) {
    for id in losses {
        let entry = loss::find(id).unwrap_or_else(|| panic!("no loss {id}"));
        let compared = Cell::new(0);
        for format in Format::ALL {
            for regime in REGIMES {
                compared.set(compared.get() + hold_in(entry, format, regime, &property));
            }
        }
        assert!(compared.get() >= 40, "{id}: only {} elements were compared", compared.get());
    }
}

fn hold_in(
    entry: &'static dyn LossEntry,
    format: Format,
    regime: Regime,
    property: &impl Fn(&Case) -> Outcome,
) -> usize {
    let config = Config { failure_persistence: None, max_shrink_iters: 400, ..Config::with_cases(CASES) };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let compared = Cell::new(0);
    let held = runner.run(&cases(entry, format, regime), |case| {
        if case.elements() > MOST_ELEMENTS {
            return Ok(());
        }
        let found = property(&case).map_err(|what| {
            TestCaseError::fail(format!("{what}\n{}", serde_json::to_string(&case).expect("a case is JSON")))
        })?;
        compared.set(compared.get() + found);
        Ok(())
    });
    if let Err(error) = held {
        panic!("{} {format} {}: {error}", entry.spec().id, regime.name());
    }
    compared.get()
}

/// The ids of the losses of which the Spec says so.
pub fn losses(which: impl Fn(&dyn LossEntry) -> bool) -> Vec<&'static str> {
    loss::LOSSES.iter().filter(|entry| which(**entry)).map(|entry| entry.spec().id).collect()
}

/// The truths of a case.
pub fn prove(case: &Case) -> Vec<OutputTruth> {
    lossproof::oracle::prove(case).expect("the loss is known")
}

/// The truths of one output.
pub fn output<'a>(truths: &'a [OutputTruth], name: &str) -> Option<&'a OutputTruth> {
    truths.iter().find(|truth| truth.name == name)
}

// ---------------------------------------------------------------------------------------------- derived cases

/// The case of another loss, or with other inputs and parameters; nothing where it is not valid. The upstream stays where
/// it fits, and the gradients that the loss has.
pub fn derived(case: &Case, loss: &str, inputs: Tensors, params: &[(&str, ParamValue)]) -> Option<Case> {
    let spec = loss::find(loss)?.spec();
    let mut derived = Case { loss: loss.to_owned(), inputs, ..case.clone() };
    derived.params.0.retain(|name, _| spec.param(name).is_some());
    for (name, value) in params {
        derived.params.set(name, value.clone());
    }
    derived.gradients = spec.differentiable().map(str::to_owned).collect();
    derived.gradients.retain(|name| derived.inputs.contains_key(name));
    derived.checked().ok()
}

/// The same case with other parameters.
pub fn with(case: &Case, params: &[(&str, ParamValue)]) -> Option<Case> {
    derived(case, &case.loss, case.inputs.clone(), params)
}

/// The inputs with some changed float by float; nothing where the format does not hold a result, or where a finite number
/// stays none.
pub fn mapped(case: &Case, names: &[&str], change: impl Fn(f64) -> f64) -> Option<Tensors> {
    let mut inputs = case.inputs.clone();
    for name in names {
        let tensor = inputs.get_mut(*name)?;
        let values: Vec<f64> = tensor.floats().iter().map(|&x| change(x)).collect();
        let held =
            |(x, y): (&f64, &f64)| case.format.holds(*y) && !y.is_nan() && x.is_finite() == y.is_finite();
        if !tensor.floats().iter().zip(&values).all(held) {
            return None;
        }
        *tensor = Tensor::float(case.format, &tensor.shape.clone(), values);
    }
    Some(inputs)
}

/// x + c, where that is exact, and −∞ for −∞; NaN elsewhere.
pub fn exact_sum(x: f64, c: f64, format: Format) -> f64 {
    if x == f64::NEG_INFINITY {
        return x;
    }
    let sum = x + c;
    // TwoSum: the rounding error of an f64 addition is itself an f64.
    let c_part = sum - x;
    let error = (x - (sum - c_part)) + (c - c_part);
    if error == 0.0 && sum.is_finite() && format.holds(sum) { sum } else { f64::NAN }
}

/// Whether all numbers of these inputs are finite.
pub fn is_finite(case: &Case, names: &[&str]) -> bool {
    names.iter().all(|name| case.inputs.get(*name).is_none_or(|t| t.floats().iter().all(|x| x.is_finite())))
}

/// The tensor with the order along one axis as the list says: places may be left out.
pub fn along(tensor: &Tensor, axis: usize, order: &[usize]) -> Tensor {
    let inner: usize = tensor.shape[axis + 1..].iter().product();
    let outer: usize = tensor.shape[..axis].iter().product();
    let extent = tensor.shape[axis];
    let places = (0..outer).flat_map(|block| {
        order.iter().flat_map(move |&at| {
            let start = (block * extent + at) * inner;
            start..start + inner
        })
    });
    let mut shape = tensor.shape.clone();
    shape[axis] = order.len();
    let values = match &tensor.values {
        Values::Float(values) => Values::Float(places.map(|at| values[at]).collect()),
        Values::I64(values) => Values::I64(places.map(|at| values[at]).collect()),
        Values::Bool(values) => Values::Bool(places.map(|at| values[at]).collect()),
    };
    Tensor { dtype: tensor.dtype, shape, values }
}

/// The same of an output's truth.
pub fn truth_along(truth: &OutputTruth, axis: usize, order: &[usize]) -> OutputTruth {
    let places: Vec<f64> = (0..truth.elements.len()).map(|at| at as f64).collect();
    let moved = along(&Tensor::float(Format::F64, &truth.shape, places), axis, order);
    let elements = moved.floats().iter().map(|&at| truth.elements[at as usize]).collect();
    OutputTruth { name: truth.name.clone(), shape: moved.shape, elements }
}

// ---------------------------------------------------------------------------------------------- comparisons

/// The same truth, bit for bit.
pub fn same(found: &OutputTruth, expected: &OutputTruth) -> Outcome {
    same_elements(&found.name, &found.elements, &expected.elements)
}

/// The same of lists of elements.
pub fn same_elements(name: &str, found: &[Truth], expected: &[Truth]) -> Outcome {
    if found.len() != expected.len() {
        return Err(format!("{name}: {} elements, not {}", found.len(), expected.len()));
    }
    match found.iter().zip(expected).position(|(found, expected)| found != expected) {
        Some(at) => Err(format!("{name}[{at}] is {:?}, not {:?}", found[at], expected[at])),
        None => Ok(found.len()),
    }
}

/// Every output of one case is that of the other.
pub fn same_outputs(found: &[OutputTruth], expected: &[OutputTruth]) -> Outcome {
    let mut compared = 0;
    for truth in expected {
        let other = output(found, &truth.name).ok_or_else(|| format!("no output {}", truth.name))?;
        compared += same(other, truth)?;
    }
    Ok(compared)
}

/// The truth of −y.
pub fn negated(truth: &Truth) -> Truth {
    let minus = |y: &Canonical| Canonical { mantissa: -y.mantissa, ..*y };
    match truth {
        Truth::Proved(y) => Truth::Proved(minus(y)),
        Truth::Set(low, high) => Truth::Set(minus(high), minus(low)),
        Truth::Overflow(y) => Truth::Overflow(minus(y)),
        Truth::Infinite { negative } => Truth::Infinite { negative: !negative },
        other => *other,
    }
}

/// The truth of y·2^power; nothing where one of the two is subnormal, whose canonical form has fewer bits.
pub fn scaled(truth: &Truth, power: i32, format: Format) -> Option<Truth> {
    let number = |y: &Canonical| {
        if y.mantissa == 0 {
            return y.exact.then_some(*y);
        }
        let moved = Canonical { exponent: y.exponent.checked_add(power)?, ..*y };
        let binade = |y: &Canonical| y.exponent + 63 - y.mantissa.unsigned_abs().leading_zeros() as i32;
        let normal = |y: &Canonical| binade(y) >= format.min_exponent() && binade(y) < 1 << 20;
        (normal(y) && normal(&moved)).then_some(moved)
    };
    let finite = |y: Canonical| match y.round(format).is_infinite() {
        true => Truth::Overflow(y),
        false => Truth::Proved(y),
    };
    match truth {
        Truth::Proved(y) | Truth::Overflow(y) => number(y).map(finite),
        Truth::Set(low, high) => Some(Truth::Set(number(low)?, number(high)?)),
        other => Some(*other),
    }
}

/// Every element is the other times 2^power, where both are normal numbers.
pub fn same_scaled(name: &str, found: &[Truth], expected: &[Truth], power: i32, format: Format) -> Outcome {
    let mut compared = 0;
    for (at, (found, unscaled)) in found.iter().zip(expected).enumerate() {
        let Some(expected) = scaled(unscaled, power, format) else { continue };
        // What is subnormal here was normal before.
        if scaled(found, -power, format).is_none() {
            continue;
        }
        if *found != expected {
            return Err(format!("{name}[{at}] is {found:?}, not 2^{power} times {unscaled:?}"));
        }
        compared += 1;
    }
    Ok(compared)
}

/// Whether a tensor is of the case's floats.
pub fn is_float(tensor: &Tensor) -> bool {
    matches!(tensor.dtype, Dtype::Float(_))
}
