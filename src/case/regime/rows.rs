//! Rows of scores against one class each: what matters is how one row's scores lie to each other, which rows are ignored,
//! and where the −∞ stand.

use super::Regime;
use super::draft::{Draft, Weights};
use super::numbers::{Numbers, SWEEPS, underflow_sweep};
use crate::loss::{Domain, InputSpec, Spec};
use crate::tensor::Tensor;

/// The scores and the classes.
#[derive(Copy, Clone)]
pub(super) struct Roles {
    scores: &'static str,
    target: &'static str,
    /// Whether −∞ is a legal score.
    excludable: bool,
    /// Whether the scores are log-probabilities.
    logarithms: bool,
}

/// The roles, where the first input is rows of scores and another one a class for each row.
pub(super) fn roles(spec: &Spec) -> Option<Roles> {
    let scores = spec.inputs.first().filter(|input| input.shape == ["N", "C"])?;
    let excludable = match scores.domain {
        Domain::FiniteOrMinusInfinity => true,
        Domain::Finite => false,
        _ => return None,
    };
    let target = spec.inputs.iter().find(|input| input.domain == Domain::Class && input.shape == ["N"])?;
    let logarithms = are_logarithms(scores);
    Some(Roles { scores: scores.name, target: target.name, excludable, logarithms })
}

/// Whether an input's name says that it holds log-probabilities.
pub(super) fn are_logarithms(input: &InputSpec) -> bool {
    input.name.starts_with("log_")
}

/// Log-probabilities are at most 0 in the regimes that are about something else, and at the ends of the range, where terms
/// of both signs would make ∞ − ∞ of every sum; elsewhere they are any numbers.
pub(super) fn lower(regime: Regime, row: &mut [f64]) {
    use Regime::{Extreme, Long, Masked, Saturated, Tied, Typical};
    if matches!(regime, Typical | Extreme | Saturated | Masked | Tied | Long) {
        row.iter_mut().for_each(|x| *x = -x.abs());
    }
}

/// Where −∞ stands in the rows that count.
#[derive(Copy, Clone, PartialEq)]
pub(super) enum Excluded {
    Nothing,
    /// One class that is not the target.
    One,
    /// All but the target.
    AllButTarget,
    /// The target: the loss is +∞.
    Target,
    /// Everything: no value.
    Row,
    /// More than the first half of the classes.
    LeadingRun,
}

/// What a scenario makes of rows and ignoring.
pub(super) struct Plan {
    pub rows: usize,
    pub classes: usize,
    pub excluded: Excluded,
    ignore_some: bool,
    /// No row counts.
    pub ignore_all: bool,
    /// Ignored rows hold −∞ and the largest numbers.
    huge_if_ignored: bool,
}

/// The plan of the draft's scenario; `excludable` says whether −∞ is a legal score.
pub(super) fn plan(draft: &mut Draft<'_>, excludable: bool) -> Plan {
    let (k, length) = (draft.scenario, draft.length);
    let rows = draft.rows(length);
    let mut plan = Plan {
        rows,
        classes: length,
        excluded: Excluded::Nothing,
        ignore_some: draft.numbers.random.chance(1, 3),
        ignore_all: false,
        huge_if_ignored: false,
    };
    match draft.regime {
        Regime::Edge if k % 4 == 2 => plan.classes = 1 + k / 4 % 2,
        // A dense sweep of the gaps between 15 and 20.
        Regime::Saturated if k == 0 => (plan.rows, plan.classes, plan.ignore_some) = (DENSE, 2, false),
        Regime::Masked => masked(draft, excludable, k, &mut plan),
        Regime::Degenerate => match k % 6 {
            0 => plan.rows = 0,
            1 => (plan.rows, plan.classes) = (1, 1),
            2 => plan.ignore_all = true,
            3 => plan.rows = 1,
            4 if draft.want_weights() => draft.weights = Weights::Zero,
            _ => {}
        },
        Regime::Long => {
            (plan.rows, plan.ignore_some) = (1, false);
            if excludable && matches!(k % 5, 0 | 1) {
                plan.excluded = Excluded::LeadingRun;
            }
        }
        Regime::Overflowing => {
            (plan.rows, plan.classes, plan.ignore_some) = (4, length.max(2), false);
            if k % 3 == 1 {
                draft.prefer("reduction", "mean");
            }
            if k % 3 == 2 && draft.want_weights() {
                draft.weights = Weights::Large;
                draft.prefer("reduction", "mean");
            }
        }
        _ => {}
    }
    plan
}

fn masked(draft: &mut Draft<'_>, excludable: bool, k: usize, plan: &mut Plan) {
    plan.rows = plan.rows.max(3);
    plan.classes = plan.classes.max(2);
    plan.ignore_some = !k.is_multiple_of(3);
    plan.huge_if_ignored = k % 4 == 1;
    if !excludable {
        return;
    }
    plan.excluded = match k % 8 {
        1 => Excluded::One,
        2 => Excluded::AllButTarget,
        3 => Excluded::LeadingRun,
        5 => Excluded::Target,
        6 => Excluded::One,
        7 => Excluded::Row,
        _ => Excluded::Nothing,
    };
    if plan.excluded == Excluded::Row {
        draft.prefer("reduction", "none");
    }
}

/// How many rows the dense sweep has.
const DENSE: usize = 40;

/// Fills both.
pub(super) fn fill(draft: &mut Draft<'_>, roles: Roles) {
    let k = draft.scenario;
    let mut plan = plan(draft, roles.excludable);
    if draft.params.text("smoothing_form") == "over_k_minus_1" {
        plan.classes = plan.classes.max(2);
    }
    // Equal scores against a wholly smoothed target: the gradient is 1/K − 1/K, which no precision tells from 0.
    if draft.regime == Regime::Tied && draft.params.number("label_smoothing") == Some(1.0) {
        draft.prefer("label_smoothing", 0.5);
    }
    // Smoothing gives every class a share: a −∞ anywhere then makes the loss infinite, which one case in eight may be.
    if plan.excluded != Excluded::Nothing {
        if k % 16 != 6 {
            draft.prefer("label_smoothing", 0.0);
        }
        let smoothing = draft.params.number("label_smoothing").unwrap_or(0.0);
        // The target's own share may then be 0, and 0 · ∞ is no question to ask.
        if smoothing == 1.0 {
            plan.excluded = Excluded::Nothing;
        }
        draft.nonzero = smoothing > 0.0 || matches!(plan.excluded, Excluded::Target | Excluded::Row);
    }
    if plan.ignore_all || (plan.ignore_some && draft.numbers.random.chance(1, 2)) {
        // An index of null ignores nothing.
        if draft.params.integer("ignore_index").is_none() {
            draft.prefer("ignore_index", -100);
        }
    }
    let (rows, classes) = (plan.rows, plan.classes);
    draft.bind("N", vec![rows]);
    draft.bind("C", vec![classes]);
    let ignore = draft.params.integer("ignore_index");
    let shared = draft.numbers.normal(2.0);
    let (mut scores, mut targets) = (Vec::with_capacity(rows * classes), Vec::with_capacity(rows));
    let mut identical: Option<Vec<f64>> = None;
    for r in 0..rows {
        let some = plan.ignore_some && r + 1 < rows && (r == 0 || draft.numbers.random.chance(1, 3));
        let ignored = ignore.filter(|_| plan.ignore_all || some);
        let class = draft.numbers.random.below(classes);
        // The ignore index may be a class: a row that counts has another one, where there is another one.
        let class = if ignore == Some(class as i64) { (class + 1) % classes } else { class };
        let mut row = row(&mut draft.numbers, draft.regime, k, r, classes, class, shared);
        if roles.logarithms {
            lower(draft.regime, &mut row);
        }
        if draft.regime == Regime::Degenerate && k % 6 == 5 {
            row = identical.get_or_insert(row).clone();
        }
        if ignored.is_some() && plan.huge_if_ignored {
            let max = draft.format().max_value();
            let huge = if roles.excludable { [max, -max, f64::NEG_INFINITY] } else { [max, -max, max] };
            row.iter_mut().for_each(|x| *x = draft.numbers.random.pick(&huge));
        } else if ignored.is_none() {
            // A whole row of −∞ in the last row alone: the rows before it have values to compare.
            let excluded = match plan.excluded {
                Excluded::Row if r + 1 < rows => Excluded::One,
                excluded => excluded,
            };
            exclude(&mut draft.numbers, excluded, class, &mut row);
        }
        scores.extend(row);
        targets.push(ignored.unwrap_or(class as i64));
    }
    draft.put(roles.scores, &[rows, classes], scores);
    draft.inputs.insert(roles.target.to_owned(), Tensor::i64(&[rows], targets));
}

/// Puts −∞ into a row. A row keeps a finite score, and its target's, unless the target or all is to be excluded.
pub(super) fn exclude(numbers: &mut Numbers, excluded: Excluded, class: usize, row: &mut [f64]) {
    let classes = row.len();
    match excluded {
        Excluded::Nothing => {}
        Excluded::One => {
            let other = (class + 1 + numbers.random.below((classes - 1).max(1))) % classes;
            if other != class {
                row[other] = f64::NEG_INFINITY;
            }
        }
        Excluded::AllButTarget => {
            let all = row.iter_mut().enumerate();
            all.filter(|(c, _)| *c != class).for_each(|(_, x)| *x = f64::NEG_INFINITY);
        }
        Excluded::Target => row[class] = f64::NEG_INFINITY,
        Excluded::Row => row.fill(f64::NEG_INFINITY),
        Excluded::LeadingRun => {
            let run = (classes / 2 + classes / 8).min(classes - 1);
            let all = row[..run].iter_mut().enumerate();
            all.filter(|(c, _)| *c != class).for_each(|(_, x)| *x = f64::NEG_INFINITY);
        }
    }
}

/// A row's scores before any is excluded.
pub(super) fn row(
    numbers: &mut Numbers,
    regime: Regime,
    k: usize,
    r: usize,
    classes: usize,
    class: usize,
    shared: f64,
) -> Vec<f64> {
    let format = numbers.format;
    // The class with the greatest score: the target in two rows of three.
    let top = if r % 3 == 2 { numbers.random.below(classes) } else { class };
    let gap_below = |numbers: &mut Numbers, (low, high): (f64, f64)| {
        let ground = numbers.normal(1.0);
        let below = |c: usize| if c == top { ground } else { ground - numbers.between(low, high) };
        (0..classes).map(below).map(|x| format.round(x)).collect::<Vec<f64>>()
    };
    let dense = regime == Regime::Saturated && k == 0;
    match regime {
        Regime::Saturated if dense => {
            let gap = numbers.finite(15.0 + 5.0 * r as f64 / (DENSE - 1) as f64);
            (0..classes).map(|c| if c == top { gap } else { 0.0 }).collect()
        }
        Regime::Saturated => gap_below(numbers, SWEEPS[k % SWEEPS.len()]),
        Regime::Subnormal if k % 3 == 1 => gap_below(numbers, underflow_sweep(format)),
        // Two groups of equal scores; duplicates of the maximum; one class above many equal ones.
        Regime::Tied | Regime::Long if !(regime == Regime::Long && matches!(k % 5, 0 | 4)) => {
            let high = match k % 5 {
                0 | 1 => 0.0,
                2 => numbers.finite(10.0),
                3 => 1.0,
                _ => numbers.finite(20.0),
            };
            let ground = if k.is_multiple_of(2) { numbers.finite(0.1) } else { shared };
            let raised = |c: usize| match k % 5 {
                3 => c.is_multiple_of(2),
                4 => c == top || c == classes - 1 - top,
                _ => c == top,
            };
            (0..classes).map(|c| if raised(c) { numbers.finite(ground + high) } else { ground }).collect()
        }
        _ => (0..classes).map(|c| score(numbers, regime, k, (r, c), c == top)).collect(),
    }
}

/// One score of a row whose scores are independent of each other.
fn score(numbers: &mut Numbers, regime: Regime, k: usize, (r, c): (usize, usize), top: bool) -> f64 {
    let max = numbers.format.max_value();
    match regime {
        Regime::Edge => match k % 4 {
            1 => f64::from(u8::from(top)),
            3 => f64::from(numbers.random.within(-3, 3)),
            _ => numbers.edge(),
        },
        Regime::Extreme => match k % 4 {
            0 => numbers.any_scale(),
            1 => numbers.end(),
            2 => numbers.scaled(-66, 66),
            _ if top => max,
            _ => numbers.normal(2.0),
        },
        Regime::Cancelling => {
            let offset = numbers.offset(k);
            numbers.offset_by_gap(offset, r + k / 3)
        }
        Regime::Subnormal if k.is_multiple_of(3) => numbers.subnormal(),
        Regime::Degenerate => numbers.edge(),
        // The shift by the maximum overflows; the sum of the rows before the mean; the weights before their mean.
        Regime::Overflowing => match k % 3 {
            0 if top => max,
            0 => -max,
            1 if c == 0 => numbers.finite(0.6 * max),
            _ => numbers.normal(2.0),
        },
        Regime::Typical => {
            let scale = numbers.random.pick(&[1.0, 2.0, 5.0]);
            numbers.normal(scale)
        }
        _ => numbers.normal(3.0),
    }
}
