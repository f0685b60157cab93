//! Between golden tests and what the judge takes: cases, truths and tolerances.

use super::list::List;
use super::number::{Float, is_flipped, number_of, truth_of};
use super::{Convention, File, Group, Ignoring, Kind, Output, StoredTensor, Test};
use crate::case::regime::Regime;
use crate::case::{Case, gradient_name};
use crate::judge::{Declaration, alternatives};
use crate::loss::Params;
use crate::tensor::{element_count, unravel};
use crate::truth::{OutputTruth, Tolerance, Truth, Verified};

/// A case with its proved answer, as the harness takes it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its number in the file; 0 before it has one.
    pub id: usize,
    /// The regime that made it.
    pub regime: Regime,
    /// What it is there to see.
    pub flags: Vec<String>,
    /// The case; all its gradients are asked for.
    pub case: Case,
    /// What is right, and how far off a kernel may be.
    pub verified: Verified,
    /// How a kernel that ignores the upstream would fare, for each output.
    pub ignoring: Vec<Option<Ignoring>>,
    /// The case under other known choices, where they make a difference, in the order in which they explain a failure.
    pub conventions: Vec<Alternative>,
}

/// A case under another convention, with its proved answer.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// The parameters that are chosen otherwise.
    pub params: Params,
    /// The case with them.
    pub case: Case,
    /// What is right then.
    pub verified: Verified,
}

impl Answered {
    /// As it stands in a file. None where an element is undecided: golden files hold proved answers alone.
    pub fn to_test(&self) -> Option<Test> {
        let outputs = self.verified.outputs.iter().enumerate().map(|(place, truth)| {
            let tolerance = self.verified.tolerances.get(place)?;
            let ignoring = self.ignoring.get(place).copied().flatten();
            Some((truth.name.clone(), output(&self.case, truth, tolerance, ignoring)?))
        });
        let conventions = self.conventions.iter().map(|other| {
            let of = |verified: &Verified, place: usize| {
                (verified.outputs.get(place).cloned(), verified.tolerances.get(place).cloned())
            };
            let differing = other
                .verified
                .outputs
                .iter()
                .enumerate()
                .filter(|&(place, _)| of(&other.verified, place) != of(&self.verified, place));
            let outputs = differing.map(|(place, truth)| {
                let tolerance = other.verified.tolerances.get(place)?;
                Some((truth.name.clone(), output(&other.case, truth, tolerance, None)?))
            });
            Some(Convention { params: other.params.clone(), outputs: outputs.collect::<Option<_>>()? })
        });
        let inputs = self.case.inputs.iter();
        Some(Test {
            id: self.id,
            regime: self.regime,
            flags: self.flags.clone(),
            inputs: inputs.map(|(name, tensor)| (name.clone(), StoredTensor(tensor.clone()))).collect(),
            upstream: StoredTensor(self.case.upstream.clone()),
            outputs: outputs.collect::<Option<_>>()?,
            conventions: conventions.collect::<Option<_>>()?,
        })
    }
}

fn output(
    case: &Case,
    truth: &OutputTruth,
    tolerance: &Tolerance,
    ignoring_upstream: Option<Ignoring>,
) -> Option<Output> {
    let elements = &truth.elements;
    let kinds: Vec<Kind> = elements.iter().map(kind).collect::<Option<_>>()?;
    let canonical: Option<Vec<_>> = elements.iter().map(|truth| number_of(truth, case.format)).collect();
    let floats = |list: &[f64]| List(list.iter().map(|&x| Float(x)).collect());
    let flipped = elements.iter().enumerate().filter(|(_, truth)| is_flipped(truth));
    let on_the_way = &tolerance.overflows_on_the_way;
    Some(Output {
        shape: truth.shape.clone(),
        values: List(elements.iter().map(|truth| Float(truth.value(case.format))).collect()),
        canonical: List(canonical?),
        kinds: kinds.iter().any(|&kind| kind != Kind::Proved).then_some(List(kinds)),
        exactness_flipped: flipped.map(|(place, _)| place).collect(),
        budget: floats(&tolerance.budget),
        backward: floats(&tolerance.backward),
        longest_sum: tolerance.longest_sum,
        overflows_on_the_way: on_the_way.iter().any(|&on| on).then(|| List(on_the_way.clone())),
        ignoring_upstream,
    })
}

fn kind(truth: &Truth) -> Option<Kind> {
    match truth {
        Truth::Proved(_) => Some(Kind::Proved),
        Truth::Set(..) => Some(Kind::Set),
        Truth::Overflow(_) => Some(Kind::Overflow),
        Truth::Infinite { .. } => Some(Kind::Infinite),
        Truth::Undefined => Some(Kind::Undefined),
        Truth::Undecided { .. } => None,
    }
}

/// Why a test is none; names the output and the element.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TestError {
    /// Its case is refused.
    #[error("{0}")]
    Case(#[from] crate::case::CaseError),
    /// An output that the case has not got, or one that it has and the test has not.
    #[error("{0}")]
    Outputs(String),
    /// A list that does not fit the output's shape.
    #[error("{output}: {list} has {found} elements, the output {expected}")]
    Length { output: String, list: &'static str, found: usize, expected: usize },
    /// An element that contradicts itself.
    #[error("{output} at {index:?}: {problem}")]
    Element { output: String, index: Vec<usize>, problem: String },
    /// Another convention that is none, or one of whose outputs is wrong.
    #[error("convention {params}: {problem}")]
    Convention { params: String, problem: String },
}

/// A test of a file, read and held against itself: names, shapes, kinds, values against canonical numbers.
pub fn answered(file: &File, group: &Group, test: &Test) -> Result<Answered, TestError> {
    let case = case(file, &group.params, test)?;
    let (mut outputs, mut tolerances, mut ignoring) = (Vec::new(), Vec::new(), Vec::new());
    for (name, shape) in case.outputs() {
        let stored = test.outputs.get(&name);
        let stored = stored.ok_or_else(|| TestError::Outputs(format!("there is no output `{name}`")))?;
        if stored.shape != shape {
            let (found, name) = (&stored.shape, &name);
            return Err(TestError::Outputs(format!("{name} has shape {found:?}, the case gives {shape:?}")));
        }
        outputs.push(truth(&case, &name, stored)?);
        tolerances.push(tolerance(&name, stored)?);
        ignoring.push(stored.ignoring_upstream);
    }
    if let Some(name) = test.outputs.keys().find(|name| outputs.iter().all(|truth| truth.name != **name)) {
        return Err(TestError::Outputs(format!("the case has no output `{name}`")));
    }
    let verified = Verified { outputs, tolerances };
    let conventions = conventions(&case, &verified, &test.conventions)?;
    let (id, regime, flags) = (test.id, test.regime, test.flags.clone());
    Ok(Answered { id, regime, flags, case, verified, ignoring, conventions })
}

/// The other conventions of a test: each one of the case's alternatives, in their order, each with another truth.
fn conventions(
    case: &Case,
    verified: &Verified,
    stored: &[Convention],
) -> Result<Vec<Alternative>, TestError> {
    if stored.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = alternatives(case).into_iter();
    let convention = |convention: &Convention| {
        let wrong = |problem: String| {
            let params = serde_json::to_string(&convention.params).unwrap_or_default();
            TestError::Convention { params, problem }
        };
        let found = known.find(|(declaration, _)| params_of(declaration) == convention.params);
        let (_, case) =
            found.ok_or_else(|| wrong("the case has no such choice, or not in this place".to_owned()))?;
        let mut other = verified.clone();
        for (name, output) in &convention.outputs {
            let place = verified.outputs.iter().position(|truth| truth.name == *name);
            let place = place.ok_or_else(|| wrong(format!("the case has no output `{name}`")))?;
            if output.shape != verified.outputs[place].shape || output.ignoring_upstream.is_some() {
                return Err(wrong(format!("{name} has another shape, or `ignoring_upstream`")));
            }
            other.outputs[place] = truth(&case, name, output).map_err(|error| wrong(error.to_string()))?;
            other.tolerances[place] = tolerance(name, output).map_err(|error| wrong(error.to_string()))?;
        }
        match convention.outputs.is_empty() {
            true => Err(wrong("it changes nothing".to_owned())),
            false => Ok(Alternative { params: convention.params.clone(), case, verified: other }),
        }
    };
    stored.iter().map(convention).collect()
}

/// The parameters of a declaration.
pub(super) fn params_of(declaration: &Declaration) -> Params {
    declaration
        .params
        .iter()
        .fold(Params::default(), |params, (name, value)| params.with(name, value.clone()))
}

fn case(file: &File, params: &Params, test: &Test) -> Result<Case, TestError> {
    let inputs: crate::case::Tensors =
        test.inputs.iter().map(|(name, tensor)| (name.clone(), tensor.0.clone())).collect();
    let entry = crate::loss::find(&file.loss);
    let entry = entry.ok_or_else(|| crate::case::CaseError::UnknownLoss(file.loss.clone()))?;
    let gradients =
        entry.spec().differentiable().filter(|name| test.outputs.contains_key(&gradient_name(name)));
    let case = Case {
        loss: file.loss.clone(),
        format: file.format,
        params: params.clone(),
        gradients: gradients.map(str::to_owned).collect(),
        inputs,
        upstream: test.upstream.0.clone(),
    };
    let case = case.checked()?;
    // A gradient that is left out is a test that sees less.
    let missing = entry
        .spec()
        .differentiable()
        .find(|name| case.inputs.contains_key(*name) && !test.outputs.contains_key(&gradient_name(name)));
    match missing {
        Some(name) => Err(TestError::Outputs(format!("there is no output `{}`", gradient_name(name)))),
        None => Ok(case),
    }
}

fn length<T>(output: &str, list: &'static str, elements: &[T], expected: usize) -> Result<(), TestError> {
    let found = elements.len();
    let wrong = || TestError::Length { output: output.to_owned(), list, found, expected };
    (found == expected).then_some(()).ok_or_else(wrong)
}

fn truth(case: &Case, name: &str, stored: &Output) -> Result<OutputTruth, TestError> {
    let count = element_count(&stored.shape).unwrap_or(usize::MAX);
    length(name, "values", &stored.values.0, count)?;
    length(name, "canonical", &stored.canonical.0, count)?;
    if let Some(kinds) = &stored.kinds {
        length(name, "kinds", &kinds.0, count)?;
    }
    let element = |at: usize| {
        let index = || unravel(&stored.shape, at);
        let wrong = |problem| TestError::Element { output: name.to_owned(), index: index(), problem };
        let kind = stored.kinds.as_ref().map_or(Kind::Proved, |kinds| kinds.0[at]);
        let (number, value) = (&stored.canonical.0[at], stored.values.0[at]);
        let flipped = stored.exactness_flipped.binary_search(&at).is_ok();
        let truth = truth_of(number, kind, flipped, case.format)
            .ok_or_else(|| wrong(format!("{number} is no {} of {}", kind.name(), case.format)))?;
        let expected = Float(truth.value(case.format));
        match expected.0 == value.0 || expected == value {
            true => Ok(truth),
            false => Err(wrong(format!("the value is {value}, and {number} rounds to {expected}"))),
        }
    };
    if let Some(&at) = stored.exactness_flipped.iter().find(|&&at| at >= count) {
        return Err(TestError::Outputs(format!("{name}: exactness_flipped names element {at} of {count}")));
    }
    let elements = (0..count).map(element).collect::<Result<_, _>>()?;
    Ok(OutputTruth { name: name.to_owned(), shape: stored.shape.clone(), elements })
}

fn tolerance(name: &str, stored: &Output) -> Result<Tolerance, TestError> {
    let count = stored.values.0.len();
    length(name, "budget", &stored.budget.0, count)?;
    length(name, "backward", &stored.backward.0, count)?;
    let on_the_way = match &stored.overflows_on_the_way {
        Some(list) => {
            length(name, "overflows_on_the_way", &list.0, count)?;
            list.0.clone()
        }
        None => vec![false; count],
    };
    for (list, numbers) in [("budget", &stored.budget.0), ("backward", &stored.backward.0)] {
        if let Some(at) = numbers.iter().position(|bound| bound.0 < 0.0) {
            let (output, index) = (name.to_owned(), unravel(&stored.shape, at));
            return Err(TestError::Element { output, index, problem: format!("{list} is negative") });
        }
    }
    let floats = |list: &List<Float>| list.0.iter().map(|x| x.0).collect();
    Ok(Tolerance {
        budget: floats(&stored.budget),
        backward: floats(&stored.backward),
        longest_sum: stored.longest_sum,
        overflows_on_the_way: on_the_way,
    })
}
