//! Promise: the fast tier changes nothing but the time. Its balls hold MPFR's, node by node, over every loss, regime and format;
//! the truths are the same with it and without it; and it proves most of them.
//!
//! `LOSSPROOF_SOUNDNESS=10000000` sets the number of elements; `make soundness` does.

use lossproof::arithmetic::ball::{Ball, Side};
use lossproof::arithmetic::evaluate::Evaluation;
use lossproof::arithmetic::fast::ball::{Ball as FastBall, Midpoint};
use lossproof::arithmetic::fast::{self, double::Double};
use lossproof::arithmetic::value::{Effort, Value};
use lossproof::case::program::Program;
use lossproof::case::regime::{Regime, Taken, generate_one};
use lossproof::case::{Case, LOSS};
use lossproof::check::{Options, Silent, run};
use lossproof::format::Format;
use lossproof::kernel;
use lossproof::loss::{LOSSES, Params};
use lossproof::oracle::{Tier, prove_by, prove_program};
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

/// The midpoints of both kinds of fast balls.
trait Comparable: Midpoint {
    fn exactly(self) -> Float;
}

impl Comparable for f64 {
    fn exactly(self) -> Float {
        Float::with_val(COMPARED, self)
    }
}

impl Comparable for Double {
    fn exactly(self) -> Float {
        let (high, low) = self.parts();
        Float::with_val(COMPARED, high) + low
    }
}

/// What is wrong with a fast ball beside MPFR's value; whether they were compared.
fn flaw<M: Comparable>(fast: FastBall<M>, value: &Value) -> Result<bool, String> {
    let Some((m, r)) = fast.enclosure() else { return Ok(false) };
    let m = m.exactly();
    let (mid, rad, side) = match value {
        Value::Point(Ball::Finite { mid, rad, side }) => (&**mid, rad.to_float(), *side),
        Value::Point(Ball::Unknown) => return Ok(false),
        other => return Err(format!("{fast:?} for {other:?}")),
    };
    let rounded = |round| move |x: Float| Float::with_val_round(COMPARED, x, round).0;
    let exact = |x: f64| Float::with_val(53, x);
    let distance = Float::with_val_round(COMPARED, mid - &m, Round::Zero).0.abs();
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
        let run_doubles = |quick| {
            fast::Evaluation::run_doubles(&program, &case, &wanted, quick).expect("this machine is sound")
        };
        let of_exponentials = nodes.iter().any(|node| node.op.is_of_exponentials());
        let doubles = [Some(run_doubles(false)), of_exponentials.then(|| run_doubles(true))];
        let mpfr = Evaluation::run(&program, &case, Effort { prec: REFERENCE, last: false }, &wanted);
        for (output, (name, _)) in program.outputs.iter().enumerate() {
            // Inputs and views hold no proof.
            if VIEWS.contains(&name.as_str()) || name.parse::<f64>().is_ok() {
                continue;
            }
            for &element in &wanted[output] {
                let value = mpfr.output(output, element);
                let ball = fast.output(output, element);
                let mut flaws = vec![(ball.is_known(), flaw(ball, value))];
                for doubles in doubles.iter().flatten() {
                    let ball = doubles.output(output, element);
                    flaws.push((ball.is_known(), flaw(ball, value)));
                }
                for (is_known, done) in flaws {
                    let done = done.unwrap_or_else(|flaw| {
                        let written = serde_json::to_string(&case).expect("a case is JSON");
                        panic!("{name}[{element}]: {flaw}\n{written}")
                    });
                    all += 1;
                    known += usize::from(is_known);
                    compared += usize::from(done);
                    *by_operation.entry(name.clone()).or_default() += usize::from(done);
                }
            }
        }
    }
    println!("{compared} elements compared, {known} of {all} known: {by_operation:?}");
    assert!(known > all / 2, "{known} of {all} elements known");
}

#[test]
fn the_truths_are_those_of_mpfr_and_most_are_proved_fast() {
    let mut shares: BTreeMap<(&str, &str, &str), [usize; 3]> = BTreeMap::new();
    for (loss, regime, number, case) in (0..elements().div_ceil(100_000)).flat_map(round) {
        let (_, cost) = prove_program(&Program::of(&case).expect("the loss is known"), &case);
        let formats = if case.format == Format::F64 { "f64" } else { "f32, f16, bf16" };
        let sum = shares.entry((loss, formats, regime.name())).or_default();
        *sum = [sum[0] + cost.elements, sum[1] + cost.by_doubles, sum[2] + cost.by_mpfr];
        let case = poisoned(case, number);
        let truths = |tier| prove_by(&case, tier).expect("the loss is known");
        let (fast, mpfr) = (truths(Tier::Fast), truths(Tier::Mpfr));
        assert_eq!(fast[0].name, LOSS);
        for (fast, mpfr) in fast.iter().zip(&mpfr) {
            assert_eq!(fast.elements.len(), mpfr.elements.len());
            if let Some(at) = fast.elements.iter().zip(&mpfr.elements).position(|(a, b)| a != b) {
                let (name, a, b) = (&fast.name, fast.elements[at], mpfr.elements[at]);
                let written = serde_json::to_string(&case).expect("a case is JSON");
                panic!("{name}[{at}] is {a:?} by the fast tier, {b:?} by MPFR\n{written}");
            }
        }
    }
    for ((loss, format, regime), [all, by_doubles, by_mpfr]) in &shares {
        let percent = |part: usize| 100.0 * part as f64 / (*all).max(1) as f64;
        let (doubles, mpfr) = (percent(*by_doubles), percent(*by_mpfr));
        println!("{loss} {format} {regime}: {doubles:.1} % to double-doubles, {mpfr:.1} % to MPFR, of {all}");
        // Sets at kinks are left to MPFR; so are an f64 that cancels, which needs twice its bits, and one that underflows.
        let smooth = ["cross_entropy", "bce_with_logits", "mse"].contains(loss);
        let regimes = match *format {
            "f64" => &["typical", "masked", "long"][..],
            _ => &["typical", "saturated", "cancelling", "masked", "long"],
        };
        if smooth && regimes.contains(regime) {
            assert!(mpfr < 10.0, "{loss} {format} {regime}: {mpfr:.1} % of {all}");
            assert!(*format == "f64" || doubles < 10.0, "{loss} {format} {regime}: {doubles:.1} % of {all}");
        }
    }
}

/// A focal loss far below every format is above 0 to either tier: no precision of MPFR's shows that, its parts do.
#[test]
fn what_vanishes_keeps_its_sign() {
    let one = |x: f64| Tensor::float(Format::Bf16, &[1], vec![x]);
    let inputs = [("logits".to_owned(), one(-484442112.0)), ("target".to_owned(), one(0.0))];
    let params = Params::default().with("alpha", 0.1).with("gamma", 1.0).with("reduction", "none");
    let case = Case::new("focal_sigmoid", Format::Bf16, params, inputs.into()).expect("a valid case");
    let truths = |tier| prove_by(&case, tier).expect("the loss is known");
    assert_eq!(truths(Tier::Fast), truths(Tier::Mpfr));
}

/// `--tier mpfr` changes no byte of a report: a kernel that fails, with its worst case and its shrunk one, and one that holds.
#[test]
fn reports_keep_every_byte() {
    for kernel in [kernel::builtin()[0], kernel::find("CE-01").expect("a mutant")] {
        let name = kernel.name();
        let report = |tier| {
            let options = Options { cases: Some(7), long: Some(300), seed: 3, tier, ..Options::default() };
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
