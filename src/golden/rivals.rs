//! Wrong kernels that a golden test shall convict: the trivial ones, distortions of the truth, kernels that ignore a parameter
//! or an input or follow another convention, and the bugs that shipped. None of them is made for a loss: a new loss has
//! them all by its Spec, and its mutants by the registry.

use super::{Note, bugs, restricted};
use crate::case::Case;
use crate::format::Format;
use crate::judge::{Fares, Level, Machine, Trivial, alternatives, fares, judge};
use crate::kernel::{Kernel, mutants};
use crate::oracle;
use crate::report::is_structural;
use crate::subject::{Answer, InProcess, Subject};
use crate::tensor::Tensor;
use crate::truth::{OutputTruth, Tolerance, Truth, Verified};
use std::collections::BTreeSet;

/// A wrong kernel that was convicted, and by which output.
pub type Conviction = (String, String);

/// A kernel that gives the truth with a flaw, in one element.
struct Distortion {
    name: &'static str,
    aim: &'static str,
    flaw: fn(&Flawed) -> f64,
}

/// An element that a distortion gets.
struct Flawed<'a> {
    format: Format,
    truth: &'a Truth,
    /// The right value.
    value: f64,
    /// Whether it is the output's last.
    last: bool,
}

impl Flawed<'_> {
    /// The value with so many bits fewer.
    fn without_bits(&self, bits: u32) -> f64 {
        if !self.value.is_finite() {
            return self.value;
        }
        // The value has p − 1 bits behind its leading one, at the upper end of the f64's 52.
        let cut = 53 - self.format.precision() + bits;
        self.format.round(f64::from_bits(self.value.to_bits() >> cut << cut))
    }
}

const DISTORTIONS: &[Distortion] = &[
    Distortion {
        name: "wrong_sign",
        aim: "a kernel that turns the sign around",
        flaw: |element| -element.value,
    },
    Distortion {
        name: "twice",
        aim: "a kernel that is off by a factor of 2",
        flaw: |element| element.format.round(2.0 * element.value),
    },
    Distortion {
        name: "forgets_the_last",
        aim: "a kernel that leaves the last element at 0, as a tail loop does that is not there",
        flaw: |element| if element.last { 0.0 } else { element.value },
    },
    Distortion {
        name: "half_the_bits",
        aim: "a kernel that loses half of its bits",
        flaw: |element| element.without_bits(element.format.precision() / 2),
    },
    Distortion {
        name: "a_quarter_of_the_bits",
        aim: "a kernel that loses a quarter of its bits",
        flaw: |element| element.without_bits(element.format.precision() / 4),
    },
    Distortion {
        name: "flushes_subnormals",
        aim: "a kernel that takes subnormal answers for 0",
        flaw: |element| if element.value.abs() < element.format.min_normal() { 0.0 } else { element.value },
    },
    Distortion {
        name: "underflows_early",
        aim: "a kernel whose squares or exponentials underflow on the way",
        flaw: |element| {
            let least = crate::format::power_of_two(element.format.min_exponent() / 2);
            if element.value.abs() < least { 0.0 } else { element.value }
        },
    },
    Distortion {
        name: "overflows_early",
        aim: "a kernel whose squares or exponentials overflow on the way",
        flaw: |element| {
            let most = crate::format::power_of_two(element.format.max_exponent() / 2);
            if element.value.abs() > most { f64::INFINITY.copysign(element.value) } else { element.value }
        },
    },
    Distortion {
        name: "stops_at_the_largest",
        aim: "a kernel that gives the largest number for infinity",
        flaw: |element| match element.value.is_infinite() {
            true => element.format.max_value().copysign(element.value),
            false => element.value,
        },
    },
    Distortion {
        name: "zero_for_nan",
        aim: "a kernel that gives 0 where there is no value",
        flaw: |element| if element.value.is_nan() { 0.0 } else { element.value },
    },
    Distortion {
        name: "nan_for_infinity",
        aim: "a kernel that gives NaN for infinity",
        flaw: |element| if element.value.is_infinite() { f64::NAN } else { element.value },
    },
    Distortion {
        name: "leaves_the_set",
        aim: "a kernel that gives a gradient outside the subdifferential at a kink",
        flaw: |element| match element.truth {
            Truth::Set(_, high) => element.format.round(2.0 * high.to_f64().abs() + 1.0),
            _ => element.value,
        },
    },
];

/// Wrong kernels that nearly every test convicts: a flag for them would say nothing.
const EVERYDAY: &[&str] =
    &["wrong_sign", "twice", "forgets_the_last", "half_the_bits", "a_quarter_of_the_bits"];

/// Whether nearly every test convicts a wrong kernel.
pub fn is_everyday(name: &str) -> bool {
    EVERYDAY.contains(&name)
        || Trivial::ALL.into_iter().any(|t| t != Trivial::IgnoresUpstream && trivial_name(t) == name)
}

/// What an altered case would have given.
const IGNORES: &str = "ignores_";
const FOLLOWS: &str = "follows_";

/// Whether a wrong kernel of that name is one that follows another convention.
pub fn is_convention(name: &str) -> bool {
    name.starts_with(FOLLOWS)
}

/// What a wrong kernel of that name does, for the notes of a file.
pub fn note(name: &str) -> Option<Note> {
    let aim = |aim: String| Some(Note { aim, links: Vec::new() });
    if let Some(note) = bugs::note(name) {
        return Some(note);
    }
    if let Some(distortion) = DISTORTIONS.iter().find(|distortion| distortion.name == name) {
        return aim(distortion.aim.to_owned());
    }
    if let Some(trivial) = Trivial::ALL.into_iter().find(|&trivial| trivial_name(trivial) == name) {
        return aim(format!("a kernel that {}", trivial.describe()));
    }
    if let Some(what) = name.strip_prefix(IGNORES) {
        return aim(format!("a kernel that ignores `{what}`"));
    }
    let (param, value) = name.strip_prefix(FOLLOWS)?.split_once('=')?;
    aim(format!("a kernel that follows another convention, {param} {value}, without declaring it"))
}

fn trivial_name(trivial: Trivial) -> &'static str {
    match trivial {
        Trivial::Zeros => "zeros",
        Trivial::Ones => "ones",
        Trivial::FirstTruth => "first_truth_everywhere",
        Trivial::IgnoresUpstream => "ignores_upstream",
    }
}

/// What convicting says of a case.
#[derive(Clone, Debug, Default)]
pub struct Convicted {
    /// Who is convicted, and by which output.
    pub convictions: BTreeSet<Conviction>,
    /// How a kernel that ignores the upstream fares, for each output.
    pub ignoring: Vec<Option<Fares>>,
}

/// Lets every wrong kernel answer a case, under the default machine and the default demand.
pub fn convict(case: &Case, verified: &Verified) -> Convicted {
    let machine = Machine::of(case.format);
    let mut convicted = Convicted::default();
    let ones = with_ones(case);
    for trivial in Trivial::ALL {
        let answers = (0..verified.outputs.len()).map(|at| trivial.answer(case, verified, ones.as_ref(), at));
        let answers: Vec<Option<Vec<f64>>> = answers.collect();
        let fared = convicted.answers(trivial_name(trivial), case, verified, &answers, &machine);
        if trivial == Trivial::IgnoresUpstream {
            convicted.ignoring = fared;
        }
    }
    for distortion in DISTORTIONS {
        let answers: Vec<_> =
            verified.outputs.iter().map(|truth| Some(distort(distortion, truth, case.format))).collect();
        convicted.answers(distortion.name, case, verified, &answers, &machine);
    }
    for (name, altered) in ignoring(case) {
        convicted.other_truth(&name, case, verified, &altered, &machine);
    }
    for (declaration, altered) in alternatives(case) {
        // Two choices at once are convicted by the tests of each.
        let [(param, value)] = &declaration.params[..] else { continue };
        convicted.other_truth(&format!("{FOLLOWS}{param}={value}"), case, verified, &altered, &machine);
    }
    for mutant in mutants() {
        convicted.kernel(mutant.about.entry, &mutant.wrong, case, verified, &machine);
    }
    convicted
}

impl Convicted {
    fn answers(
        &mut self,
        name: &str,
        case: &Case,
        verified: &Verified,
        answers: &[Option<Vec<f64>>],
        machine: &Machine,
    ) -> Vec<Option<Fares>> {
        let mut all = Vec::new();
        for (place, answer) in answers.iter().enumerate() {
            let fared = answer.as_ref().and_then(|answer| fares(case, verified, place, answer, machine));
            if fared.is_some_and(|fared| fared.level > Some(Level::Stable)) {
                self.convictions.insert((name.to_owned(), verified.outputs[place].name.clone()));
            }
            all.push(fared);
        }
        all
    }

    /// A kernel that gives the truth of an altered case.
    fn other_truth(
        &mut self,
        name: &str,
        case: &Case,
        verified: &Verified,
        altered: &Case,
        machine: &Machine,
    ) {
        let Ok(truths) = oracle::prove(altered) else { return };
        let answer = |truth: &OutputTruth| {
            let same = truths.iter().find(|other| other.name == truth.name && other.shape == truth.shape)?;
            Some(same.elements.iter().map(|element| element.value(case.format)).collect())
        };
        let answers: Vec<Option<Vec<f64>>> = verified.outputs.iter().map(answer).collect();
        self.answers(name, case, verified, &answers, machine);
    }

    /// A kernel of the registry.
    fn kernel(
        &mut self,
        name: &str,
        kernel: &dyn Kernel,
        case: &Case,
        verified: &Verified,
        machine: &Machine,
    ) {
        for support in kernel.supports() {
            let Some((case, verified)) = restricted(case, verified, &support) else { continue };
            // One that fails with an error or a panic is found by any case.
            let answer = InProcess::new(kernel).answer(std::slice::from_ref(&case)).pop();
            let Some(Answer::Outputs(outputs)) = answer else { continue };
            for verdict in judge(&case, &verified, &outputs, machine, Level::Stable) {
                let structural = verdict.faults.keys().any(|&fault| is_structural(fault));
                if verdict.level() > Some(Level::Stable) || structural {
                    self.convictions.insert((name.to_owned(), verdict.name));
                }
            }
        }
    }
}

/// How a kernel that ignores the upstream fares, for each output.
pub fn ignoring_upstream(case: &Case, verified: &Verified) -> Vec<Option<super::Ignoring>> {
    let machine = Machine::of(case.format);
    let ones = with_ones(case);
    let fares_at = |place| {
        let answer = Trivial::IgnoresUpstream.answer(case, verified, ones.as_ref(), place)?;
        fares(case, verified, place, &answer, &machine).map(super::Ignoring::from)
    };
    (0..verified.outputs.len()).map(fares_at).collect()
}

/// The truth for an upstream of ones, where the case has another one and a gradient.
fn with_ones(case: &Case) -> Option<Verified> {
    if case.gradients.is_empty() || case.upstream.floats().iter().all(|&x| x == 1.0) {
        return None;
    }
    let upstream = Tensor::full(case.format, &case.upstream.shape, 1.0);
    let outputs = oracle::prove(&Case { upstream, ..case.clone() }).ok()?;
    Some(Verified { outputs, tolerances: Vec::<Tolerance>::new() })
}

fn distort(distortion: &Distortion, truth: &OutputTruth, format: Format) -> Vec<f64> {
    let count = truth.elements.len();
    let flawed = truth.elements.iter().enumerate().map(|(at, element)| {
        let value = element.value(format);
        (distortion.flaw)(&Flawed { format, truth: element, value, last: at + 1 == count })
    });
    flawed.collect()
}

/// The case with each parameter in turn at its default, and with each optional input in turn left out.
fn ignoring(case: &Case) -> Vec<(String, Case)> {
    let Ok(entry) = case.entry() else { return Vec::new() };
    let mut altered = Vec::new();
    for param in entry.spec().params {
        if *case.params.get(param.name) != param.default_value() {
            let mut other = case.clone();
            other.params.set(param.name, param.default_value());
            altered.push((format!("{IGNORES}{}", param.name), other));
        }
    }
    for input in entry.spec().inputs.iter().filter(|input| input.optional) {
        let mut other = case.clone();
        if other.inputs.remove(input.name).is_some() {
            other.gradients.retain(|name| name != input.name);
            altered.push((format!("{IGNORES}{}", input.name), other));
        }
    }
    // Without it the case may be none: a reduction changes the shape of the upstream.
    altered.into_iter().filter_map(|(name, case)| Some((name, case.checked().ok()?))).collect()
}
