//! Promise: a NaN input makes NaN of every output element that depends on it and of no other; and rows that are ignored
//! add exactly 0 to loss and gradient, whatever they hold. Over all losses of the catalogue, from their Specs alone.
//!
//! What depends on an input is found by changing it: an element whose truth another number changes owes NaN to a NaN.

use lossproof::case::Case;
use lossproof::case::regime::{Regime, Taken, generate};
use lossproof::format::{Canonical, Format};
use lossproof::judge::{Fault, Level, Machine, judge};
use lossproof::kernel::{Builtin, Kernel};
use lossproof::loss::{Domain, LOSSES, Unreduced};
use lossproof::oracle;
use lossproof::tensor::Tensor;
use lossproof::truth::{OutputTruth, Truth};
use lossproof::witness::{agrees, witness};

const REGIMES: [Regime; 4] = [Regime::Typical, Regime::Edge, Regime::Masked, Regime::Tied];
/// Cases of a loss, format and regime of which the small ones are taken.
const CASES: usize = 16;
const MOST_ELEMENTS: usize = 24;

fn small_cases(format: Format) -> impl Iterator<Item = Case> {
    LOSSES.iter().flat_map(move |&entry| {
        REGIMES.into_iter().flat_map(move |regime| {
            let cases = generate(entry, format, regime, &Taken::all(entry), 5, CASES, 0);
            cases.into_iter().filter(|case| case.elements() <= MOST_ELEMENTS && case.elements() > 0)
        })
    })
}

fn prove(case: &Case) -> Vec<OutputTruth> {
    oracle::prove(case).expect("the loss is known")
}

/// The case with another number in one place.
fn with(case: &Case, input: &str, element: usize, x: f64) -> Option<Case> {
    let tensor = case.input(input);
    let mut values = tensor.floats().to_vec();
    values[element] = x;
    let tensor = Tensor::float(case.format, &tensor.shape, values);
    let mut changed = case.clone();
    changed.inputs.insert(input.to_owned(), tensor);
    changed.checked().ok()
}

/// Numbers to put in the place of x, ordinary ones of every domain.
const OTHERS: [f64; 5] = [0.25, 0.75, -2.0, 3.0, 8.0];

/// Whether the truth of an element depends on what stands in one place of one input.
fn dependent(case: &Case, truths: &[OutputTruth], input: &str, element: usize) -> Vec<Vec<bool>> {
    let mut dependent: Vec<Vec<bool>> =
        truths.iter().map(|truth| vec![false; truth.elements.len()]).collect();
    let x = case.input(input).floats()[element];
    for other in OTHERS.into_iter().chain([-x]) {
        let Some(changed) = with(case, input, element, other) else { continue };
        for ((truth, changed), dependent) in truths.iter().zip(prove(&changed)).zip(&mut dependent) {
            for (at, dependent) in dependent.iter_mut().enumerate() {
                *dependent |= truth.elements[at] != changed.elements[at];
            }
        }
    }
    dependent
}

/// The row of an unreduced loss or of an input that an element belongs to.
fn row_of(case: &Case, shape: &[usize], element: usize) -> usize {
    match case.entry().expect("a loss of the catalogue").spec().unreduced {
        Unreduced::Elementwise => element,
        Unreduced::Rows => element / shape[1..].iter().product::<usize>().max(1),
    }
}

/// Whether the input has rows: those that are one number for all rows are weights of classes.
fn has_rows(case: &Case, input: &str) -> bool {
    let spec = case.entry().expect("a loss of the catalogue").spec();
    spec.input(input).is_some_and(|input| input.shape[0] == "N" || input.shape[0] == "N…")
}

#[test]
fn a_nan_makes_nan_of_what_depends_on_it() {
    let (mut owed, mut spared) = (0, 0);
    let mut seen: Vec<(String, String)> = Vec::new();
    for case in [Format::F64, Format::Bf16].into_iter().flat_map(small_cases) {
        let truths = prove(&case);
        let spec = case.entry().expect("a loss of the catalogue").spec();
        let floats = spec.inputs.iter().filter(|input| !matches!(input.domain, Domain::Class | Domain::Mask));
        for input in floats.map(|input| input.name) {
            let Some(count) = case.inputs.get(input).map(Tensor::len).filter(|&count| count > 0) else {
                continue;
            };
            for element in [0, count - 1] {
                let dependent = dependent(&case, &truths, input, element);
                let nan = with(&case, input, element, f64::NAN).expect("a NaN is in every domain of floats");
                let written = || serde_json::to_string(&nan).expect("a case is JSON");
                for ((truth, found), dependent) in truths.iter().zip(prove(&nan)).zip(dependent) {
                    let in_rows = truth.name != "loss" || case.params.text("reduction") == "none";
                    for (at, found) in found.elements.iter().enumerate() {
                        if dependent[at] {
                            let place = format!("{}[{at}] by {input}[{element}]", truth.name);
                            assert_eq!(*found, Truth::Undefined, "{place}: {}", written());
                            owed += 1;
                            seen.push((case.loss.clone(), input.to_owned()));
                        }
                        // Another row of an unreduced loss has nothing to do with it.
                        let unreduced = case.params.text("reduction") == "none";
                        let own = row_of(&case, &case.input(input).shape, element);
                        if unreduced
                            && in_rows
                            && has_rows(&case, input)
                            && row_of(&case, &truth.shape, at) != own
                        {
                            assert_eq!(*found, truth.elements[at], "{}[{at}]: {}", truth.name, written());
                            spared += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(owed > 5_000 && spared > 2_000, "{owed} elements owe a NaN, {spared} none");
    for entry in LOSSES {
        let spec = entry.spec();
        for input in spec.inputs.iter().filter(|input| !matches!(input.domain, Domain::Class | Domain::Mask))
        {
            let pair = (spec.id.to_owned(), input.name.to_owned());
            assert!(seen.contains(&pair), "nothing depends on {} of {}", input.name, spec.id);
        }
    }
}

#[test]
fn the_witness_and_the_built_in_kernel_propagate_nan_too() {
    let (mut claimed, mut judged) = (0, 0);
    for case in small_cases(Format::F32) {
        let entry = case.entry().expect("a loss of the catalogue");
        for input in entry.spec().inputs.iter().map(|input| input.name) {
            let Some(tensor) = case.inputs.get(input) else { continue };
            if tensor.floats().is_empty() {
                continue;
            }
            let nan = with(&case, input, 0, f64::NAN).expect("a NaN is in every domain of floats");
            let machine = Machine::of(case.format);
            let verified = oracle::verify(&nan, &machine).expect("the loss is known");
            let written = || serde_json::to_string(&nan).expect("a case is JSON");
            if let Ok(witness) = witness(&nan) {
                for (truth, claims) in verified.outputs.iter().zip(&witness.outputs) {
                    for (truth, claim) in truth.elements.iter().zip(&claims.elements) {
                        if *truth == Truth::Undefined {
                            assert!(agrees("nan", "nan", claim), "{claim:?}: {}", written());
                            claimed += 1;
                        }
                    }
                }
            }
            let outputs = Builtin.run(&nan).expect("it takes every case");
            for verdict in judge(&nan, &verified, &outputs, &machine, Level::Stable) {
                // More NaN than owed is no leak in the NaN's own row: 0 times a NaN sum, say.
                let worst = verdict.worst.as_ref();
                let own = worst.is_none_or(|worst| worst.index.first().is_none_or(|&row| row == 0));
                let excused = own && verdict.faults.keys().all(|&fault| fault == Fault::SpuriousNan);
                assert!(verdict.faults.is_empty() || excused, "{} {worst:?}: {}", verdict.name, written());
                judged += usize::from(verdict.faults.is_empty());
            }
        }
    }
    assert!(claimed > 1_000 && judged > 500, "{claimed} claims, {judged} verdicts");
}

#[test]
fn ignored_rows_add_exactly_nothing_whatever_they_hold() {
    let nothing = Truth::Proved(Canonical::ZERO);
    let mut ignoring: Vec<&str> = Vec::new();
    for format in Format::ALL {
        for case in small_cases(format) {
            let Some(index) = case.params.integer("ignore_index") else { continue };
            let spec = case.entry().expect("a loss of the catalogue").spec();
            let rows = spec.inputs[0].name;
            let targets = case.input("target").integers();
            let width = case.input(rows).shape[1];
            let ignored: Vec<usize> = (0..targets.len()).filter(|&row| targets[row] == index).collect();
            let truths = prove(&case);
            for what in [f64::NAN, format.max_value(), f64::NEG_INFINITY, 0.0] {
                let mut filled = case.clone();
                let mut values = case.input(rows).floats().to_vec();
                for &row in &ignored {
                    values[row * width..(row + 1) * width].fill(what);
                }
                let tensor = Tensor::float(format, &case.input(rows).shape, values);
                filled.inputs.insert(rows.to_owned(), tensor);
                assert_eq!(
                    prove(&filled),
                    truths,
                    "{what} in {}",
                    serde_json::to_string(&case).expect("JSON")
                );
            }
            for truth in &truths {
                let per_row = match truth.name.as_str() {
                    "loss" if case.params.text("reduction") != "none" => continue,
                    "loss" => 1,
                    _ => width,
                };
                for &row in &ignored {
                    let own = &truth.elements[row * per_row..(row + 1) * per_row];
                    assert!(own.iter().all(|&y| y == nothing), "{} of row {row}: {own:?}", truth.name);
                    ignoring.push(spec.id);
                }
            }
        }
    }
    for entry in LOSSES.iter().filter(|entry| entry.spec().param("ignore_index").is_some()) {
        let id = entry.spec().id;
        assert!(ignoring.iter().filter(|&&other| other == id).count() > 50, "{id} ignored too few rows");
    }
}
