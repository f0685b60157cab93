//! The promise: a kernel that rounds every operation of a case's graph at random within what the machine model lets that
//! operation lose, or as badly as it lets, stays within the budget; in every regime, in every format, for every machine. Of
//! `overflowing` all elements count but those of rule 11: which depend on an element of a node that leaves the compute
//! format's range while they themselves do not, so that the machine has an infinity where the mathematics has a number.

mod interpreter;
mod machine;
#[macro_use]
#[path = "../support/promise.rs"]
mod promise;
mod rows;
mod terms;

use lossproof::arithmetic::working::tolerances;
use lossproof::case::Case;
use lossproof::case::program::Program;
use lossproof::case::regime::Regime;
use lossproof::format::{Canonical, Format};
use lossproof::judge::{Machine, Summation};
use lossproof::oracle;
use lossproof::truth::{OutputTruth, Tolerance, Truth};
use machine::{BITS, Erring, Manner, Value};
use promise::{Findings, Plan, loses_its_guard};
use rug::Float;

/// Of each machine and manner one kernel. `long` is small, since every operation is MPFR's.
const PLAN: Plan = Plan { seeds: &[101, 102, 103], cases: 4, long: 48 };
/// Larger cases are left out.
const MOST_ELEMENTS: usize = 512;

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

fn check(at: usize, case: &Case, regime: Regime, found: &mut Findings) {
    if case.elements() > MOST_ELEMENTS {
        return;
    }
    let program = Program::of(case).expect("a case of the catalogue");
    let truths = oracle::prove(case).expect("a case of the catalogue");
    for machine in machines(case.format) {
        if loses_its_guard(case, &machine) {
            continue;
        }
        let tolerances = tolerances(&program, case, &machine, &truths);
        for (seed, manner) in Manner::ALL.into_iter().enumerate() {
            let mut erring = Erring::new(machine, manner, (at * 31 + seed) as u64);
            let outputs = interpreter::run(&program, case, &mut erring);
            for ((truth, tolerance), got) in truths.iter().zip(&tolerances).zip(&outputs) {
                if let Some(wrong) = misses(truth, tolerance, got, &erring, case) {
                    let (loss, format) = (&case.loss, case.format);
                    let kind = format!("{loss} {format} {} in {}", truth.name, regime.name());
                    found.add(kind, &format!("{wrong}, {manner:?} on {machine:?}"), case);
                }
            }
        }
    }
}

fn hold(loss: &str) {
    promise::hold(loss, &PLAN, check);
}

for_each_loss! { hold:
    mse mae huber smooth_l1 log_cosh gaussian_nll cross_entropy cross_entropy_soft nll_loss bce bce_with_logits
    focal_sigmoid hinge kl_div triplet_margin cosine_embedding
}
