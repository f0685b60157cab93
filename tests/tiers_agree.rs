//! Promise: the fast tier changes nothing but the time. Its balls hold MPFR's, node by node, over every loss, regime and format;
//! the truths are the same with it and without it; and it proves most of them.
//!
//! `LOSSPROOF_SOUNDNESS=10000000` sets the number of elements; `make soundness` does.

use lossproof::arithmetic::ball::{Ball, Side};
use lossproof::arithmetic::evaluate::Evaluation;
use lossproof::arithmetic::fast::{self, ball::Ball as FastBall, grid::Grid};
use lossproof::arithmetic::value::{Effort, Value};
use lossproof::case::program::Program;
use lossproof::case::regime::{Regime, Taken, generate_one};
use lossproof::case::{Case, LOSS};
use lossproof::check::{Options, Silent, run};
use lossproof::format::Format;
use lossproof::kernel;
use lossproof::loss::LOSSES;
use lossproof::oracle::{Tier, prove_by};
use lossproof::subject::InProcess;
use lossproof::tensor::{Dtype, Tensor};
use rug::Float;
use rug::float::Round;
use std::collections::BTreeMap;

/// Bits of the enclosures that the fast tier's must hold: far beyond its own.
const REFERENCE: u32 = 256;
/// Bits at which ends are compared.
const COMPARED: u32 = 2000;
/// Classes or elements of the regime `long`.
const LONG: usize = 1100;
/// Nodes that only hand elements on.
const VIEWS: [&str; 7] =
    ["input", "select", "broadcast", "reshape", "gather", "concatenate", "stop_gradient"];
/// Cases of a loss, format and regime in one round.
const CASES: usize = 6;
const SEED: u64 = 11;

fn elements() -> usize {
    std::env::var("LOSSPROOF_SOUNDNESS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

/// The case's program with every node that its outputs need as an output.
fn every_node(case: &Case) -> Program {
    let mut program = Program::of(case).expect("the loss is known");
    let nodes = program.graph.nodes();
    let mut needed = vec![false; nodes.len()];
    program.outputs.iter().for_each(|&(_, id)| needed[id] = true);
    for id in (0..nodes.len()).rev().filter(|&id| nodes[id].op.name() != "input") {
        if needed[id] {
            nodes[id].args.iter().for_each(|&arg| needed[arg] = true);
        }
    }
    program.outputs = (0..nodes.len()).filter(|&id| needed[id]).map(|id| (nodes[id].op.name(), id)).collect();
    program
}

/// What is wrong with a fast ball beside MPFR's value; whether they were compared.
fn flaw(fast: FastBall, value: &Value) -> Result<bool, String> {
    let Some((m, r)) = fast.enclosure() else { return Ok(false) };
    let (mid, rad, side) = match value {
        Value::Point(Ball::Finite { mid, rad, side }) => (mid, rad.to_float(), *side),
        Value::Point(Ball::Unknown) => return Ok(false),
        other => return Err(format!("{fast:?} for {other:?}")),
    };
    let rounded = |round| move |x: Float| Float::with_val_round(COMPARED, x, round).0;
    let exact = |x: f64| Float::with_val(53, x);
    let distance = Float::with_val_round(COMPARED, mid - &exact(m), Round::Zero).0.abs();
    let reach = rounded(Round::Up)(Float::with_val_round(COMPARED, &exact(r) + &rad, Round::Up).0);
    if distance > reach {
        return Err(format!("{fast:?} is {distance:.9e} from {value:?}"));
    }
    // Strictly on its side: MPFR's ball must not lie wholly on the other one.
    let most = Float::with_val_round(COMPARED, mid + &rad, Round::Up).0;
    let least = Float::with_val_round(COMPARED, mid - &rad, Round::Down).0;
    let beside = match fast.side() {
        Side::Any => true,
        Side::Above => most > m || (most == m && side == Side::Above),
        Side::Below => least < m || (least == m && side == Side::Below),
    };
    if !beside {
        return Err(format!("{fast:?} is on the wrong side of {value:?}"));
    }
    Ok(true)
}

/// The cases of a round, each with its number: the triggers come in the first rounds.
fn round(round: usize) -> impl Iterator<Item = (&'static str, Regime, usize, Case)> {
    let each = LOSSES.iter().flat_map(|&entry| Format::ALL.map(|format| (entry, format)));
    let each = each.flat_map(|(entry, format)| Regime::ALL.map(|regime| (entry, format, regime)));
    each.flat_map(move |(entry, format, regime)| {
        let numbers = round * CASES..(round + 1) * CASES;
        numbers.filter_map(move |number| {
            let case = generate_one(entry, format, regime, &Taken::all(entry), SEED, number, LONG)?;
            Some((entry.spec().id, regime, number, case))
        })
    })
}

/// A NaN instead of one number of every fifth case.
fn poisoned(mut case: Case, number: usize) -> Case {
    let names: Vec<String> = case
        .inputs
        .iter()
        .filter(|(_, t)| matches!(t.dtype, Dtype::Float(_)))
        .map(|(n, _)| n.clone())
        .collect();
    if number % 5 == 4 && !names.is_empty() {
        let name = &names[number / 5 % names.len()];
        let tensor = &case.inputs[name];
        let mut values = tensor.floats().to_vec();
        if !values.is_empty() {
            let at = number % values.len();
            values[at] = f64::NAN;
            let tensor = Tensor::float(case.format, &tensor.shape.clone(), values);
            case.inputs.insert(name.clone(), tensor);
        }
    }
    case
}

#[test]
fn its_balls_hold_those_of_mpfr_at_every_node() {
    let (mut compared, mut known, mut all) = (0usize, 0usize, 0usize);
    let mut by_operation: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, number, case) in (0..).flat_map(round) {
        if compared >= elements() && number >= CASES {
            break;
        }
        let case = poisoned(case, number);
        let program = every_node(&case);
        let nodes = program.graph.nodes();
        let wanted: Vec<Vec<usize>> =
            program.outputs.iter().map(|&(_, id)| (0..nodes[id].len()).collect()).collect();
        let fast = fast::Evaluation::run(&program, &case).expect("this machine is sound");
        let mpfr = Evaluation::run(&program, &case, Effort { prec: REFERENCE, last: false }, &wanted);
        for (output, (name, _)) in program.outputs.iter().enumerate() {
            // Inputs and views hold no proof.
            if VIEWS.contains(&name.as_str()) || name.parse::<f64>().is_ok() {
                continue;
            }
            for &element in &wanted[output] {
                let ball = fast.output(output, element);
                all += 1;
                known += usize::from(ball.is_known());
                let done = flaw(ball, mpfr.output(output, element)).unwrap_or_else(|flaw| {
                    let written = serde_json::to_string(&case).expect("a case is JSON");
                    panic!("{name}[{element}]: {flaw}\n{written}")
                });
                compared += usize::from(done);
                *by_operation.entry(name.clone()).or_default() += usize::from(done);
            }
        }
    }
    println!("{compared} elements compared, {known} of {all} known: {by_operation:?}");
    assert!(known > all / 2, "{known} of {all} elements known");
}

/// What the fast tier alone proves of a case: (elements, proved).
fn share(case: &Case) -> (usize, usize) {
    let program = Program::of(case).expect("the loss is known");
    let grid = Grid::of(case.format).expect("a format below f64");
    let fast = fast::Evaluation::run(&program, case).expect("this machine is sound");
    let lengths = program.outputs.iter().map(|&(_, id)| program.graph.nodes()[id].len());
    let mut shares = (0, 0);
    for (output, length) in lengths.enumerate() {
        let proved = (0..length).filter(|&element| grid.truth(fast.output(output, element)).is_some());
        shares = (shares.0 + length, shares.1 + proved.count());
    }
    shares
}

#[test]
fn the_truths_are_those_of_mpfr_and_most_are_proved_fast() {
    let mut shares: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for (loss, regime, number, case) in (0..elements().div_ceil(100_000)).flat_map(round) {
        if case.format != Format::F64 {
            let (all, proved) = share(&case);
            let sum = shares.entry((loss, regime.name())).or_default();
            *sum = (sum.0 + all, sum.1 + proved);
        }
        let case = poisoned(case, number);
        let truths = |tier| prove_by(&case, tier).expect("the loss is known");
        let (fast, mpfr) = (truths(Tier::Fast), truths(Tier::Mpfr));
        assert_eq!(fast[0].name, LOSS);
        for (fast, mpfr) in fast.iter().zip(&mpfr) {
            if let Some(at) = fast.elements.iter().zip(&mpfr.elements).position(|(a, b)| a != b) {
                let (name, a, b) = (&fast.name, fast.elements[at], mpfr.elements[at]);
                let written = serde_json::to_string(&case).expect("a case is JSON");
                panic!("{name}[{at}] is {a:?} by the fast tier, {b:?} by MPFR\n{written}");
            }
        }
    }
    for ((loss, regime), (all, proved)) in &shares {
        let percent = 100.0 * *proved as f64 / (*all).max(1) as f64;
        println!("{loss} {regime}: {percent:.1} % of {all}");
        // Sets at kinks are left to MPFR.
        let smooth = ["cross_entropy", "bce_with_logits", "mse"].contains(loss);
        if smooth && ["typical", "saturated", "cancelling", "masked", "long"].contains(regime) {
            assert!(percent > 90.0, "{loss} {regime}: {percent:.1} % of {all}");
        }
    }
}

/// `--tier mpfr` changes no byte of a report: a kernel that fails, with its worst case and its shrunk one, and one that holds.
#[test]
fn reports_keep_every_byte() {
    for kernel in [kernel::builtin()[0], kernel::find("CE-01").expect("a mutant")] {
        let name = kernel.name();
        let report = |tier| {
            let options = Options { cases: 7, long: Some(300), seed: 3, tier, ..Options::default() };
            let mut report = run(&mut InProcess::new(kernel), &options, &Silent).expect("a report");
            report.summary.seconds = 0.0;
            serde_json::to_string(&report).expect("a report is JSON")
        };
        let (fast, mpfr) = (report(Tier::Fast), report(Tier::Mpfr));
        if fast != mpfr {
            let at = fast.bytes().zip(mpfr.bytes()).position(|(a, b)| a != b).unwrap_or_default();
            let around = |text: &str| text[at.saturating_sub(300)..(at + 100).min(text.len())].to_owned();
            panic!("{name}: {}\n{}", around(&fast), around(&mpfr));
        }
    }
}
