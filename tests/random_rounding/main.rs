//! The promise: a kernel that rounds every operation of a case's graph at random within what the machine model lets that
//! operation lose, or as badly as it lets, stays within the budget; in every regime, in every format, for every machine. Of
//! `overflowing` all elements count but those of rule 11: which depend on an element of a node that leaves the compute
//! format's range while they themselves do not, so that the machine has an infinity where the mathematics has a number.

mod interpreter;
mod machine;
mod rows;
mod terms;

use lossproof::arithmetic::working::tolerances;
use lossproof::case::Case;
use lossproof::case::program::Program;
use lossproof::case::regime::{Regime, Taken, generate};
use lossproof::format::{Canonical, Format};
use lossproof::judge::{Machine, Summation};
use lossproof::truth::{OutputTruth, Tolerance, Truth};
use lossproof::{loss, oracle};
use machine::{BITS, Erring, Manner, Value};
use rayon::prelude::*;
use rug::Float;
use std::collections::BTreeMap;

/// Cases of each loss, format and regime; of each machine and manner one kernel.
const CASES: usize = 4;
const SEED: u64 = 7;
/// Classes or elements of `long`: small, since every operation is MPFR's.
const LONG: usize = 48;

/// Budgets are sums of rounded numbers, and some rules leave terms of second order out: so many units of roundoff of the
/// budget, which is something in 16 bits.
const SLACK: f64 = 4.0;

fn machines(format: Format) -> Vec<Machine> {
    let plain = Machine::of(format);
    let mut machines = vec![
        plain,
        Machine { summation: Summation::Sequential, ..plain },
        Machine { flush_to_zero: true, summation: Summation::Pairwise, ..plain },
    ];
    if format != plain.compute {
        machines.push(Machine { compute: format, ..plain });
        machines.push(Machine { compute: Format::F64, ..plain });
    }
    machines
}

fn number(y: &Canonical) -> Float {
    Float::with_val(BITS, y.mantissa) << y.exponent
}

/// How far the canonical form may lie from y.
fn doubt(y: &Canonical) -> Float {
    if y.exact { Float::new(BITS) } else { Float::with_val(BITS, 1) << y.exponent }
}

/// What is wrong with one element, if anything.
fn beyond(truth: &Truth, budget: f64, slack: f64, got: &Float) -> Option<String> {
    let (low, high) = match truth {
        Truth::Proved(y) => (y, y),
        Truth::Set(low, high) => (low, high),
        // What rounds to infinity is judged by its infinity; what is infinite or undefined has no error.
        _ => return None,
    };
    if budget.is_infinite() {
        return Some(format!("no budget for {truth:?}"));
    }
    let allowed = Float::with_val(BITS, budget) * (1.0 + slack);
    let below = number(low) - doubt(low) - &allowed;
    let above = number(high) + doubt(high) + &allowed;
    (!(below <= *got && *got <= above)).then(|| {
        let error = Float::with_val(BITS, got - number(low));
        format!("{:.4} of {truth:?}: error {:.3e}, budget {budget:e}", got, error.to_f64())
    })
}

fn misses(
    truth: &OutputTruth,
    tolerance: &Tolerance,
    got: &[Value],
    machine: &Erring,
    case: &Case,
) -> Option<String> {
    truth.elements.iter().zip(got).enumerate().find_map(|(i, (y, got))| {
        if tolerance.overflows_on_the_way[i] {
            // Rule 11: a machine has an infinity on the way to this element.
            return None;
        }
        let got = machine.stored(got, case.format);
        if got.is_infinite() && case.format != machine.compute() {
            // Beyond the output format: the judge's matter, not the rounding's.
            return None;
        }
        let budget = tolerance.budget[i];
        if budget.is_infinite() && machine.flushes() {
            // ln of a number that is flushed to 0 has no bound; what comes of it is counted as unbounded.
            return None;
        }
        let wrong = beyond(y, budget, (SLACK * machine.u).max(1e-6), &got)?;
        Some(format!("{}[{i}] {wrong}", truth.name))
    })
}

/// Whether a machine does not tell the clip of a probability from 0 or 1: its logarithm has no bound.
fn clips_nothing(case: &Case, machine: &Machine) -> bool {
    let clip = case.params.number("probability_clip").filter(|&clip| clip > 0.0);
    clip.is_some_and(|clip| machine.compute.round(1.0 - clip) == 1.0)
}

fn check(loss_id: &str, format: Format, regime: Regime) -> BTreeMap<String, (usize, String)> {
    let entry = loss::find(loss_id).expect("a loss of the catalogue");
    let mut found = BTreeMap::new();
    for (at, case) in
        generate(entry, format, regime, &Taken::all(entry), SEED, CASES, LONG).iter().enumerate()
    {
        if case.elements() > 512 {
            continue;
        }
        let program = Program::of(case).expect("a case of the catalogue");
        let truths = oracle::prove(case).expect("a case of the catalogue");
        for machine in machines(format) {
            if clips_nothing(case, &machine) {
                continue;
            }
            let tolerances = tolerances(&program, case, &machine, &truths);
            for (seed, manner) in Manner::ALL.into_iter().enumerate() {
                let mut erring = Erring::new(machine, manner, (at * 31 + seed) as u64);
                let outputs = interpreter::run(&program, case, &mut erring);
                for ((truth, tolerance), got) in truths.iter().zip(&tolerances).zip(&outputs) {
                    if let Some(wrong) = misses(truth, tolerance, got, &erring, case) {
                        let name = truth.name.as_str();
                        let kind = format!("{loss_id} {format} {name} in {}", regime.name());
                        let first = || {
                            let request = serde_json::to_string(case).expect("a case is JSON");
                            format!("{wrong}, {manner:?} on {machine:?}\n    {request}")
                        };
                        found.entry(kind).or_insert_with(|| (0, first())).0 += 1;
                    }
                }
            }
        }
    }
    found
}

fn hold(loss: &str) {
    let all = Format::ALL.into_iter().flat_map(|format| Regime::ALL.map(|regime| (format, regime)));
    let all: Vec<(Format, Regime)> = all.collect();
    let found: Vec<_> = all.par_iter().map(|&(format, regime)| check(loss, format, regime)).collect();
    let found: BTreeMap<_, _> = found.into_iter().flatten().collect();
    let lines = found.iter().map(|(kind, (count, first))| format!("{kind}: {count} times, first {first}"));
    let lines: Vec<String> = lines.take(30).collect();
    assert!(found.is_empty(), "{} kinds, among them\n{}", found.len(), lines.join("\n"));
}

#[test]
fn mse() {
    hold("mse");
}

#[test]
fn mae() {
    hold("mae");
}

#[test]
fn cross_entropy() {
    hold("cross_entropy");
}

#[test]
fn bce_with_logits() {
    hold("bce_with_logits");
}

#[test]
fn triplet_margin() {
    hold("triplet_margin");
}

#[test]
fn nll_loss() {
    hold("nll_loss");
}

#[test]
fn bce() {
    hold("bce");
}

#[test]
fn focal_sigmoid() {
    hold("focal_sigmoid");
}

#[test]
fn hinge() {
    hold("hinge");
}

#[test]
fn kl_div() {
    hold("kl_div");
}

#[test]
fn cosine_embedding() {
    hold("cosine_embedding");
}

#[test]
fn cross_entropy_soft() {
    hold("cross_entropy_soft");
}

#[test]
fn gaussian_nll() {
    hold("gaussian_nll");
}

#[test]
fn huber() {
    hold("huber");
}

#[test]
fn log_cosh() {
    hold("log_cosh");
}

#[test]
fn smooth_l1() {
    hold("smooth_l1");
}
