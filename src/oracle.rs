//! The oracle: case → truth. The graph runs over balls of f64, the fast tier; for the elements that these do not fix over balls
//! of MPFR at 96 bits, then at twice as many, and so on, until every one is proved.

use crate::arithmetic::ball::{Ball, Place};
use crate::arithmetic::evaluate::Evaluation;
use crate::arithmetic::fast::{self, grid::Grid};
use crate::arithmetic::value::{Effort, Value};
use crate::arithmetic::working;
use crate::case::{Case, CaseError, program::Program};
use crate::format::{Canonical, Format};
use crate::judge::Machine;
pub use crate::truth::Tier;
use crate::truth::{OutputTruth, Truth, Verified};
use rug::Float;
use rug::float::Round;

/// The first precision in bits.
pub const FIRST_PRECISION: u32 = 96;
/// The last precision: what is open then is undecided.
pub const LAST_PRECISION: u32 = 1 << 14;
/// Significant decimal digits of printed bounds.
pub const DECIMAL_DIGITS: usize = 45;
/// Relative width, in bits, that balls must have before bounds of so many digits are printed.
const DECIMAL_BITS: i64 = 160;

/// The bits of the fast tier's midpoints, f64 and double-double.
const FAST_PRECISION: u32 = 53;
const DOUBLES_PRECISION: u32 = 106;

/// What proving cost.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Evaluations of single elements of nodes; a reduction counts its terms.
    pub evaluations: u64,
    /// The highest precision that was needed.
    pub bits: u32,
    /// How many elements the outputs have.
    pub elements: usize,
    /// How many of them went to balls of double-doubles.
    pub by_doubles: usize,
    /// How many of them went to MPFR.
    pub by_mpfr: usize,
}

/// The truth of each output of a checked case, the loss first.
///
/// Errors: where the case's loss is unknown.
pub fn prove(case: &Case) -> Result<Vec<OutputTruth>, CaseError> {
    prove_by(case, Tier::default())
}

/// The same truth by a tier of choice.
///
/// Errors: where the case's loss is unknown.
pub fn prove_by(case: &Case, tier: Tier) -> Result<Vec<OutputTruth>, CaseError> {
    let program = Program::shared(case)?;
    Ok(prove_program_by(&program, case, tier).0)
}

/// The truth with the tolerance that belongs to it under a machine model.
///
/// Errors: where the case's loss is unknown.
pub fn verify(case: &Case, machine: &Machine) -> Result<Verified, CaseError> {
    verify_by(case, machine, Tier::default())
}

/// The same by a tier of choice.
///
/// Errors: where the case's loss is unknown.
pub fn verify_by(case: &Case, machine: &Machine, tier: Tier) -> Result<Verified, CaseError> {
    let program = Program::shared(case)?;
    let (outputs, _) = prove_program_by(&program, case, tier);
    let tolerances = working::tolerances(&program, case, machine, &outputs);
    Ok(Verified { outputs, tolerances })
}

/// The truth of a traced case, with what it cost.
pub fn prove_program(program: &Program, case: &Case) -> (Vec<OutputTruth>, Cost) {
    prove_program_by(program, case, Tier::default())
}

/// The truth of a traced case by a tier of choice, with what it cost.
pub fn prove_program_by(program: &Program, case: &Case, tier: Tier) -> (Vec<OutputTruth>, Cost) {
    let mut proof = match tier {
        Tier::Fast => fast_proof(program, case),
        Tier::Mpfr => Proof::nothing(program),
    };
    if !proof.is_complete() {
        let open = proof.open.clone();
        proof.cost.by_mpfr = open.iter().map(Vec::len).sum();
        let settle = |value: &Value, effort| settled(value, case.format, effort);
        let mut keep = |output: usize, element: usize, truth| proof.truths[output][element] = truth;
        // What double-doubles leave open 96 bits would leave open too, unless it is no number at all.
        let first = if proof.cost.bits < FIRST_PRECISION { FIRST_PRECISION } else { 2 * FIRST_PRECISION };
        raise(program, case, first, open, &mut proof.cost, settle, &mut keep);
    }
    let nodes = program.graph.nodes();
    let truths = program.outputs.iter().zip(proof.truths).map(|((name, id), elements)| OutputTruth {
        name: name.clone(),
        shape: nodes[*id].shape.clone(),
        elements,
    });
    (truths.collect(), proof.cost)
}

/// What has been proved of a program's outputs so far.
struct Proof {
    truths: Vec<Vec<Truth>>,
    /// The elements of each output that are open, in order.
    open: Vec<Vec<usize>>,
    cost: Cost,
}

impl Proof {
    fn nothing(program: &Program) -> Proof {
        let nodes = program.graph.nodes();
        let lengths = || program.outputs.iter().map(|&(_, id)| nodes[id].len());
        let cost = Cost { elements: lengths().sum(), ..Cost::default() };
        let (truths, open) = lengths().map(|n| (vec![fast::OPEN; n], (0..n).collect())).unzip();
        Proof { truths, open, cost }
    }

    /// What balls of f64 prove.
    fn by_singles(program: &Program, case: &Case, grid: &Grid) -> Option<Proof> {
        let evaluation = fast::Evaluation::run(program, case)?;
        let found = (0..program.outputs.len()).map(|output| evaluation.truths(output, grid));
        let (truths, open): (Vec<Vec<Truth>>, Vec<Vec<usize>>) = found.unzip();
        let elements = truths.iter().map(Vec::len).sum();
        let cost =
            Cost { evaluations: evaluation.evaluations, bits: FAST_PRECISION, elements, ..Cost::default() };
        Some(Proof { truths, open, cost })
    }

    fn is_complete(&self) -> bool {
        self.open.iter().all(Vec::is_empty)
    }

    /// Proves of the open elements what balls of double-doubles fix.
    fn raise_by_doubles(&mut self, program: &Program, case: &Case, quick: bool) {
        let run = fast::Evaluation::run_doubles(program, case, &self.open, quick);
        let Some(evaluation) = run else { return };
        self.cost.by_doubles = self.cost.by_doubles.max(self.open.iter().map(Vec::len).sum());
        let grid = Grid::of_doubles(case.format);
        for (output, (truths, open)) in self.truths.iter_mut().zip(&mut self.open).enumerate() {
            open.retain(|&element| match evaluation.truth(output, element, &grid) {
                Some(truth) => {
                    truths[element] = truth;
                    false
                }
                None => true,
            });
        }
        self.cost.evaluations += evaluation.evaluations;
        self.cost.bits = DOUBLES_PRECISION;
    }
}

/// What balls of f64 prove, and of what they leave open balls of double-doubles; nothing on a machine that they cannot be had
/// on. Balls of f64 have no room for the bits that the truth of an f64 needs.
fn fast_proof(program: &Program, case: &Case) -> Proof {
    let singles = Grid::of(case.format).and_then(|grid| Proof::by_singles(program, case, &grid));
    let mut proof = singles.unwrap_or_else(|| Proof::nothing(program));
    if proof.is_complete() {
        return proof;
    }
    // For an f64 the quick sums have no bits to spare.
    if case.format != Format::F64 && fast::Evaluation::has_long_sums(program) {
        proof.raise_by_doubles(program, case, true);
    }
    if !proof.is_complete() {
        proof.raise_by_doubles(program, case, false);
    }
    proof
}

/// Outward-rounded decimal bounds of an element, at least 40 significant digits each; `None` where there is no value.
pub type Bounds = Option<(String, String)>;

/// The truth and decimal bounds of every element of each output.
///
/// Errors: where the case's loss is unknown.
pub fn prove_with_bounds(case: &Case) -> Result<Vec<(OutputTruth, Vec<Bounds>)>, CaseError> {
    let program = Program::shared(case)?;
    let nodes = program.graph.nodes();
    let lengths = || program.outputs.iter().map(|&(_, id)| nodes[id].len());
    let mut answers: Vec<Vec<(Truth, Bounds)>> = lengths().map(|n| vec![(fast::OPEN, None); n]).collect();
    let settle = |value: &Value, effort: Effort| {
        let truth = settled(value, case.format, effort)?;
        (effort.last || narrow(value)).then(|| (truth, bounds(value, &truth)))
    };
    let mut keep = |output: usize, element: usize, answer| answers[output][element] = answer;
    let open = lengths().map(|n| (0..n).collect()).collect();
    // The first precision never shows so many digits.
    raise(&program, case, 2 * FIRST_PRECISION, open, &mut Cost::default(), settle, &mut keep);
    let split = program.outputs.iter().zip(answers).map(|((name, id), answers)| {
        let (elements, bounds) = answers.into_iter().unzip();
        (OutputTruth { name: name.clone(), shape: nodes[*id].shape.clone(), elements }, bounds)
    });
    Ok(split.collect())
}

/// Raises the precision until `settle` has answered for every open element; at the last precision it must.
fn raise<T>(
    program: &Program,
    case: &Case,
    first: u32,
    mut open: Vec<Vec<usize>>,
    cost: &mut Cost,
    settle: impl Fn(&Value, Effort) -> Option<T>,
    keep: &mut dyn FnMut(usize, usize, T),
) {
    let mut prec = first;
    while !open.iter().all(Vec::is_empty) {
        let effort = Effort { prec, last: prec >= LAST_PRECISION };
        let evaluation = Evaluation::run(program, case, effort, &open);
        cost.evaluations += evaluation.evaluations;
        cost.bits = prec;
        for (output, open) in open.iter_mut().enumerate() {
            open.retain(|&element| {
                let answer = settle(evaluation.output(output, element), Effort { last: false, ..effort });
                let exactly = || settle(&evaluation.exactly(output, element)?, effort);
                let at_last = || settle(evaluation.output(output, element), effort);
                match answer.or_else(exactly).or_else(|| effort.last.then(at_last).flatten()) {
                    Some(answer) => keep(output, element, answer),
                    None => return true,
                }
                false
            });
        }
        if effort.last {
            assert!(open.iter().all(Vec::is_empty), "the last precision settles everything");
        }
        prec = (prec * 2).min(LAST_PRECISION);
    }
}

/// The truth that a value fixes; at the last precision always one.
fn settled(value: &Value, format: Format, effort: Effort) -> Option<Truth> {
    let undecided = effort.last.then_some(Truth::Undecided { bits: effort.prec });
    let finite = |y: Canonical| match y.round(format).is_infinite() {
        true => Truth::Overflow(y),
        false => Truth::Proved(y),
    };
    match value {
        Value::Point(ball) => match ball {
            Ball::Undefined => Some(Truth::Undefined),
            Ball::Infinite(negative) => Some(Truth::Infinite { negative: *negative }),
            _ => number(ball, format, effort.last).map(finite).or(undecided),
        },
        Value::Set(_) => {
            let (low, high) = value.ends(effort.prec);
            match (number(&low, format, effort.last), number(&high, format, effort.last)) {
                // Corners that are one number by different ways.
                (Some(low), Some(high)) if low == high => Some(finite(low)),
                (Some(low), Some(high)) => Some(Truth::Set(low, high)),
                _ if matches!(low, Ball::Undefined) || matches!(high, Ball::Undefined) => {
                    Some(Truth::Undefined)
                }
                _ => undecided,
            }
        }
    }
}

/// The canonical number that a ball fixes. At the last precision a ball inside (−η/2, η/2) is a zero that is not exact.
fn number(ball: &Ball, format: Format, last: bool) -> Option<Canonical> {
    if let Ball::Huge(negative) = ball {
        // Beyond every format; the exponent only says "huge", the same from every precision.
        let mantissa = if *negative { -1 } else { 1 };
        return Some(Canonical { mantissa, exponent: 1 << 29, exact: false });
    }
    let zero = || Canonical { mantissa: 0, exponent: 0, exact: false };
    ball.canonical(format).or_else(|| (last && ball.rounds_to_zero(format)).then(zero))
}

/// Whether a value is known to so many digits that its decimal bounds show at least 40.
fn narrow(value: &Value) -> bool {
    let narrow = |ball: &Ball| match ball {
        Ball::Finite { mid, rad, .. } => {
            rad.is_zero()
                || mid.get_exp().is_none()
                || rad.bound_exponent() < i64::from(mid.get_exp().unwrap_or(0)) - DECIMAL_BITS
        }
        _ => true,
    };
    let (low, high) = value.ends(DECIMAL_BITS as u32);
    narrow(&low) && narrow(&high)
}

fn bounds(value: &Value, truth: &Truth) -> Bounds {
    let infinite = |negative: bool| if negative { "-inf" } else { "inf" }.to_owned();
    match truth {
        Truth::Undefined => None,
        Truth::Infinite { negative } => Some((infinite(*negative), infinite(*negative))),
        _ => {
            let (low, high) = value.ends(LAST_PRECISION);
            let low = match low.ends(DECIMAL_BITS as u32) {
                Some((low, _)) => decimal(&low, Round::Down),
                None => {
                    if low.place() == Place::Positive {
                        "0".to_owned()
                    } else {
                        infinite(true)
                    }
                }
            };
            let high = match high.ends(DECIMAL_BITS as u32) {
                Some((_, high)) => decimal(&high, Round::Up),
                None => {
                    if high.place() == Place::Negative {
                        "0".to_owned()
                    } else {
                        infinite(false)
                    }
                }
            };
            Some((low, high))
        }
    }
}

/// Decimal text rounded in that direction; the number itself where so many digits hold it.
fn decimal(x: &Float, round: Round) -> String {
    if x.is_zero() {
        return "0".to_owned();
    }
    x.to_string_radix_round(10, Some(DECIMAL_DIGITS), round)
}
