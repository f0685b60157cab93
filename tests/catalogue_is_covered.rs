//! Promise: no loss of the catalogue is there by name alone. Each has a witness that answers, cases that are aimed at it beyond
//! those that its Spec draws, a built-in kernel with a claim for every output, and in every format a check that kernels
//! which compute nothing do not pass.

use lossproof::case::Case;
use lossproof::case::regime::{Regime, Taken, generate};
use lossproof::format::Format;
use lossproof::judge::{Level, Machine, Trivial, judge};
use lossproof::kernel::{Builtin, Kernel, claims};
use lossproof::loss::{LOSSES, LossEntry};
use lossproof::oracle;
use lossproof::truth::{Truth, Verified};
use lossproof::witness::{Skip, witness};

const CASES: usize = 12;
/// How many aimed cases a loss has at least, over all regimes of one format.
const AIMED: usize = 2;

fn cases(entry: &dyn LossEntry, format: Format, regime: Regime, seed: u64) -> Vec<Case> {
    generate(entry, format, regime, &Taken::all(entry), seed, CASES, 64)
}

/// The outputs of a loss: `loss` and its gradients.
fn outputs(entry: &dyn LossEntry) -> Vec<String> {
    let gradients = entry.spec().differentiable().map(lossproof::case::gradient_name);
    std::iter::once("loss".to_owned()).chain(gradients).collect()
}

/// Fails with everything that is missing, loss by loss.
fn all_have(what: &str, missing: impl Fn(&dyn LossEntry) -> Vec<String>) {
    let list: Vec<String> = LOSSES
        .iter()
        .flat_map(|&entry| missing(entry).into_iter().map(|text| format!("{}: {text}", entry.spec().id)))
        .collect();
    assert!(list.is_empty(), "{what}:\n{}", list.join("\n"));
}

#[test]
fn every_loss_has_a_witness_that_answers() {
    all_have("no witness", |entry| {
        let (mut answered, mut missing) = (0, Vec::new());
        for case in Regime::ALL.into_iter().flat_map(|regime| cases(entry, Format::F32, regime, 1)) {
            match witness(&case) {
                Ok(_) => answered += 1,
                Err(Skip::NoWitness(loss)) => return vec![format!("none for {loss}")],
                Err(_) => {}
            }
        }
        if answered < CASES {
            missing.push(format!("it answers {answered} cases only"));
        }
        missing
    });
}

#[test]
fn every_loss_has_cases_aimed_at_it() {
    all_have("too few cases of its own", |entry| {
        let mut missing = Vec::new();
        for format in Format::ALL {
            // A case that is aimed stands first and does not depend on the seed.
            let aimed = |regime| {
                let (one, other) = (cases(entry, format, regime, 1), cases(entry, format, regime, 2));
                let same = one.iter().zip(&other).take_while(|(one, other)| one == other);
                same.filter(|(case, _)| case.elements() > 0).count()
            };
            let count: usize = Regime::ALL.into_iter().map(aimed).sum();
            if count < AIMED {
                missing.push(format!("{count} in {format}"));
            }
        }
        missing
    });
}

#[test]
fn every_loss_has_a_built_in_kernel_with_claims() {
    all_have("no kernel or claim", |entry| {
        let id = entry.spec().id;
        let Some(support) = Builtin.supports().into_iter().find(|support| support.loss == id) else {
            return vec!["no kernel".to_owned()];
        };
        let mut missing = Vec::new();
        for &format in &support.formats {
            let answered = |case: &Case| match Builtin.run(case) {
                Ok(outputs) => case.outputs().iter().all(|(name, _)| outputs.contains_key(name)),
                Err(_) => false,
            };
            if !cases(entry, format, Regime::Typical, 1).iter().all(answered) {
                missing.push(format!("no kernel in {format}"));
            }
            for output in outputs(entry) {
                let is_about = |claim: &&lossproof::kernel::Claim| {
                    claim.loss == id && claim.output == output && claim.formats.contains(&format)
                };
                match claims().find(is_about) {
                    Some(claim) if claim.level <= Level::Stable => {}
                    Some(claim) => {
                        missing.push(format!("{output} in {format} claims {:?} only", claim.level))
                    }
                    None => missing.push(format!("no claim for {output} in {format}")),
                }
            }
        }
        if support.formats.is_empty() {
            missing.push("a kernel of no format".to_owned());
        }
        missing
    });
}

/// What the kernel that computes nothing answers must be found wrong in some case, for every output for which it has an
/// answer.
fn is_convicted(
    trivial: Trivial,
    cases: &[(Case, Verified, Verified)],
    machine: &Machine,
    output: &str,
) -> bool {
    cases.iter().any(|(case, verified, ones)| {
        let answer = trivial.outputs(case, verified, Some(ones));
        let verdicts = judge(case, verified, &answer, machine, Level::Stable);
        let answered = verdicts.iter().filter(|verdict| answer.contains_key(&verdict.name));
        answered.into_iter().any(|verdict| verdict.name == output && !verdict.faults.is_empty())
    })
}

#[test]
fn every_loss_is_checked_in_every_format() {
    const REGIMES: [Regime; 4] = [Regime::Typical, Regime::Edge, Regime::Tied, Regime::Extreme];
    const MOST_ELEMENTS: usize = 40;
    all_have("the check could not have failed", |entry| {
        let mut missing = Vec::new();
        for format in Format::ALL {
            let machine = Machine::of(format);
            let drawn = REGIMES.into_iter().flat_map(|regime| cases(entry, format, regime, 1));
            let proved: Vec<(Case, Verified, Verified)> = drawn
                .filter(|case| case.elements() <= MOST_ELEMENTS)
                .map(|case| {
                    let verified = oracle::verify(&case, &machine).expect("the loss is known");
                    let upstream = lossproof::tensor::Tensor::full(format, &case.upstream.shape, 1.0);
                    let of_ones = Case { upstream, ..case.clone() };
                    let ones = oracle::verify(&of_ones, &machine).expect("the loss is known");
                    (case, verified, ones)
                })
                .collect();
            for output in outputs(entry) {
                let truths = proved.iter().flat_map(|(_, verified, _)| &verified.outputs);
                let elements = truths.filter(|truth| truth.name == output).flat_map(|truth| &truth.elements);
                if !elements.into_iter().any(|truth| matches!(truth, Truth::Proved(y) if y.mantissa != 0)) {
                    missing.push(format!("{output} in {format} has no proved number but 0"));
                }
                for trivial in Trivial::ALL {
                    let has_an_answer = trivial != Trivial::IgnoresUpstream || output != "loss";
                    if has_an_answer && !is_convicted(trivial, &proved, &machine, &output) {
                        let what = trivial.describe();
                        missing.push(format!("{output} in {format}: a kernel that {what} passes"));
                    }
                }
            }
        }
        missing
    });
}
