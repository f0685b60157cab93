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

/// The bits of the fast tier's midpoints.
const FAST_PRECISION: u32 = 53;

/// What proving cost.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Evaluations of single elements of nodes; a reduction counts its terms.
    pub evaluations: u64,
    /// The highest precision that was needed.
    pub bits: u32,
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
    let program = Program::of(case)?;
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
    let program = Program::of(case)?;
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
    let fast = if tier == Tier::Fast { fast_answers(program, case) } else { None };
    let (answers, cost) = fast.unwrap_or_else(|| (unanswered(program), Cost::default()));
    let (outputs, cost) = settle(program, case, FIRST_PRECISION, answers, cost, |value, effort| {
        settled(value, case.format, effort)
    });
    let truths = outputs.into_iter().map(|(name, shape, elements)| OutputTruth { name, shape, elements });
    (truths.collect(), cost)
}

/// The truths that balls of f64 fix; `None` where they cannot be had, for the format or the machine.
fn fast_answers(program: &Program, case: &Case) -> Option<(Answers<Truth>, Cost)> {
    let grid = Grid::of(case.format)?;
    let evaluation = fast::Evaluation::run(program, case)?;
    let answers = (0..program.outputs.len()).map(|output| evaluation.truths(output, &grid)).collect();
    Some((answers, Cost { evaluations: evaluation.evaluations, bits: FAST_PRECISION }))
}

/// Outward-rounded decimal bounds of an element, at least 40 significant digits each; `None` where there is no value.
pub type Bounds = Option<(String, String)>;

/// The truth and decimal bounds of every element of each output.
///
/// Errors: where the case's loss is unknown.
pub fn prove_with_bounds(case: &Case) -> Result<Vec<(OutputTruth, Vec<Bounds>)>, CaseError> {
    let program = Program::of(case)?;
    // The first precision never shows so many digits.
    let (answers, cost) = (unanswered(&program), Cost::default());
    let (outputs, _) = settle(&program, case, 2 * FIRST_PRECISION, answers, cost, |value, effort| {
        let truth = settled(value, case.format, effort)?;
        (effort.last || narrow(value)).then(|| (truth, bounds(value, &truth)))
    });
    let split = outputs.into_iter().map(|(name, shape, elements)| {
        let (elements, bounds) = elements.into_iter().unzip();
        (OutputTruth { name, shape, elements }, bounds)
    });
    Ok(split.collect())
}

type Settled<T> = Vec<(String, Vec<usize>, Vec<T>)>;

/// What is known of each output's elements.
type Answers<T> = Vec<Vec<Option<T>>>;

fn unanswered<T>(program: &Program) -> Answers<T> {
    let nodes = program.graph.nodes();
    let lengths = program.outputs.iter().map(|&(_, id)| nodes[id].len());
    lengths.map(|n| (0..n).map(|_| None).collect()).collect()
}

/// Raises the precision until `settle` has answered for every element that is open; at the last precision it must.
fn settle<T>(
    program: &Program,
    case: &Case,
    first: u32,
    mut answers: Answers<T>,
    mut cost: Cost,
    settle: impl Fn(&Value, Effort) -> Option<T>,
) -> (Settled<T>, Cost) {
    let nodes = program.graph.nodes();
    let mut prec = first;
    loop {
        let open = |answers: &Vec<Option<T>>| {
            answers.iter().enumerate().filter(|(_, answer)| answer.is_none()).map(|(at, _)| at).collect()
        };
        let wanted: Vec<Vec<usize>> = answers.iter().map(open).collect();
        if wanted.iter().all(Vec::is_empty) {
            break;
        }
        let effort = Effort { prec, last: prec >= LAST_PRECISION };
        let evaluation = Evaluation::run(program, case, effort, &wanted);
        cost = Cost { evaluations: cost.evaluations + evaluation.evaluations, bits: prec };
        for (output, elements) in wanted.iter().enumerate() {
            for &element in elements {
                let answer = settle(evaluation.output(output, element), Effort { last: false, ..effort });
                let exactly = || settle(&evaluation.exactly(output, element)?, effort);
                let at_last = || settle(evaluation.output(output, element), effort);
                answers[output][element] =
                    answer.or_else(exactly).or_else(|| effort.last.then(at_last).flatten());
            }
        }
        if effort.last {
            break;
        }
        prec = (prec * 2).min(LAST_PRECISION);
    }
    let outputs = program.outputs.iter().zip(answers).map(|((name, id), answers)| {
        let answers =
            answers.into_iter().map(|answer| answer.expect("the last precision settles everything"));
        (name.clone(), nodes[*id].shape.clone(), answers.collect())
    });
    (outputs.collect(), cost)
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
