//! Rows of scores against a distribution over the classes: what matters is how the scores of one row lie to each other, where
//! the mass lies, and what the classes without mass hold.

use super::Regime;
use super::draft::Draft;
use super::numbers::{Numbers, underflow_sweep};
use super::rows::{self, Excluded, are_logarithms, exclude, lower};
use crate::format::power_of_two_f64;
use crate::loss::{Domain, Spec};

/// The scores and the distributions.
#[derive(Copy, Clone)]
pub(super) struct Roles {
    scores: &'static str,
    target: &'static str,
    /// Whether −∞ is a legal score.
    excludable: bool,
    /// Whether the scores are log-probabilities.
    logarithms: bool,
}

/// The roles, where the first two inputs are rows of the same classes: any scores, and masses of at least 0.
pub(super) fn roles(spec: &Spec) -> Option<Roles> {
    let [scores, target, ..] = spec.inputs else { return None };
    let excludable = match scores.domain {
        Domain::FiniteOrMinusInfinity => true,
        Domain::Finite => false,
        _ => return None,
    };
    let rows = [scores, target].iter().all(|input| input.shape == ["N", "C"] && !input.optional);
    let fits = rows && matches!(target.domain, Domain::NonNegative | Domain::NonNegativeOrLog);
    let logarithms = are_logarithms(scores);
    fits.then_some(Roles { scores: scores.name, target: target.name, excludable, logarithms })
}

/// Fills both.
pub(super) fn fill(draft: &mut Draft<'_>, roles: Roles) {
    let k = draft.scenario;
    let log_target = draft.params.flag("log_target");
    let none = if log_target { f64::NEG_INFINITY } else { 0.0 };
    let plan = rows::plan(draft, roles.excludable);
    // Two arrays of this size, where the plan is for one: fewer rows.
    let dense = draft.regime == Regime::Saturated && k == 0;
    let count = if dense { plan.rows } else { plan.rows.min(3) };
    let classes = plan.classes;
    draft.bind("N", vec![count]);
    draft.bind("C", vec![classes]);
    let shared = draft.numbers.normal(2.0);
    let (mut scores, mut target) = (Vec::with_capacity(count * classes), Vec::with_capacity(count * classes));
    let mut identical: Option<(Vec<f64>, Vec<f64>)> = None;
    for r in 0..count {
        let class = draft.numbers.random.below(classes);
        let mut row = rows::row(&mut draft.numbers, draft.regime, k, r, classes, class, shared);
        if roles.logarithms {
            lower(draft.regime, &mut row);
        }
        let numbers = &mut draft.numbers;
        let mut masses = match (log_target, roles.logarithms && draft.regime == Regime::Cancelling) {
            (true, _) => log_masses(numbers, draft.regime, k, &row, class),
            (false, true) => matching(numbers, k, &mut row),
            (false, false) => masses(numbers, draft.regime, k, r, classes, class),
        };
        // A whole row of −∞ in the last row alone: the rows before it have values to compare.
        let excluded = match plan.excluded {
            Excluded::Row if r + 1 < count => Excluded::One,
            excluded => excluded,
        };
        exclude(&mut draft.numbers, excluded, class, &mut row);
        match excluded {
            // Mass on an excluded class: the loss is +∞.
            Excluded::Target | Excluded::Row => {
                masses[class] = masses[class].max(if log_target { -1.5 } else { 0.25 })
            }
            _ => {
                let gone = row.iter().zip(&mut masses).filter(|(x, _)| **x == f64::NEG_INFINITY);
                gone.for_each(|(_, mass)| *mass = none);
            }
        }
        // Nothing has any mass.
        if plan.ignore_all {
            masses.fill(none);
        }
        if draft.regime == Regime::Degenerate && k % 6 == 5 {
            (row, masses) = identical.get_or_insert((row, masses)).clone();
        }
        scores.extend(row);
        target.extend(masses);
    }
    // The derivative by the mass of an excluded class is infinite, whatever the mass; by a mass of 0 that of a divergence.
    let infinite_slope = roles.logarithms && !log_target && target.contains(&0.0);
    draft.nonzero = infinite_slope || scores.contains(&f64::NEG_INFINITY);
    draft.put(roles.scores, &[count, classes], scores);
    draft.put(roles.target, &[count, classes], target);
}

/// A row's masses.
fn masses(
    numbers: &mut Numbers,
    regime: Regime,
    k: usize,
    r: usize,
    classes: usize,
    class: usize,
) -> Vec<f64> {
    let one_hot = |c: usize| f64::from(u8::from(c == class));
    match regime {
        Regime::Edge => {
            let u = numbers.format.unit_roundoff();
            let least = numbers.format.min_subnormal();
            let edges = [0.0, -0.0, 1.0, 0.5, 2.0, 1.0 - u, 1.0 + 2.0 * u, least];
            (0..classes).map(|_| numbers.random.pick(&edges)).collect()
        }
        Regime::Extreme => match k % 3 {
            0 => (0..classes).map(|_| numbers.any_scale().abs()).collect(),
            1 => (0..classes).map(|_| numbers.end().abs()).collect(),
            _ => (0..classes).map(one_hot).collect(),
        },
        // The wrong class has mass in every third row of `rows::row`; a little everywhere shows the tails.
        Regime::Saturated if k.is_multiple_of(2) => (0..classes).map(one_hot).collect(),
        Regime::Subnormal => match k % 3 {
            0 => (0..classes).map(|_| numbers.subnormal().abs()).collect(),
            1 => (0..classes).map(one_hot).collect(),
            _ => dominated(numbers, classes, class),
        },
        Regime::Tied => match k % 3 {
            // Exactly 1/K where K is a power of two.
            0 => vec![numbers.finite(1.0 / classes as f64); classes],
            1 => (0..classes).map(one_hot).collect(),
            _ => (0..classes).map(|c| if c % 2 == 0 { 0.5 } else { 0.25 }).collect(),
        },
        Regime::Degenerate => (0..classes).map(|_| numbers.edge().abs()).collect(),
        Regime::Overflowing => vec![0.25; classes],
        _ => ordinary(numbers, k + r, classes, class),
    }
}

/// Masses as training has them, in turn: one class; a distribution; a smoothed class; masses that do not sum to 1; one
/// class that has nearly all; a distribution over some classes.
fn ordinary(numbers: &mut Numbers, kind: usize, classes: usize, class: usize) -> Vec<f64> {
    match kind % 6 {
        0 => (0..classes).map(|c| f64::from(u8::from(c == class))).collect(),
        2 => {
            let share = 0.1 / classes as f64;
            let at = |c: usize| if c == class { 0.9 + share } else { share };
            (0..classes).map(|c| numbers.finite(at(c))).collect()
        }
        3 => (0..classes).map(|_| numbers.normal(1.0).abs()).collect(),
        4 => dominated(numbers, classes, class),
        kind => {
            let some = kind == 5;
            let draw = |c: usize| match some && c != class && numbers.random.chance(1, 2) {
                true => 0.0,
                false => numbers.random.unit() + power_of_two_f64(-20),
            };
            let parts: Vec<f64> = (0..classes).map(draw).collect();
            let total: f64 = parts.iter().sum();
            parts.iter().map(|part| numbers.finite(part / total)).collect()
        }
    }
}

/// One class has nearly everything, the others next to nothing.
fn dominated(numbers: &mut Numbers, classes: usize, class: usize) -> Vec<f64> {
    let least = numbers.format.min_exponent();
    let at = |c: usize| match c == class {
        true => 1.0 - numbers.format.unit_roundoff(),
        false => numbers.scaled(least, least / 4).abs(),
    };
    (0..classes).map(at).collect()
}

/// Masses whose logarithms are the scores, to within a few units of their last places: 2^−j·(1 + i·2u) and −j·ln 2 + i·2u,
/// rounded.
fn matching(numbers: &mut Numbers, k: usize, row: &mut [f64]) -> Vec<f64> {
    let u = numbers.format.unit_roundoff();
    let mut masses = Vec::with_capacity(row.len());
    for (c, x) in row.iter_mut().enumerate() {
        let (j, i) = (numbers.random.within(0, 8), f64::from(numbers.random.within(0, 3)));
        masses.push(power_of_two_f64(-j) * (1.0 + i * 2.0 * u));
        let logarithm = numbers.finite(i * 2.0 * u - f64::from(j) * std::f64::consts::LN_2);
        // ln t − x, or with every third class ln t − x + 1 instead.
        let shift = if (c + k) % 3 == 2 { 1.0 } else { 0.0 };
        let away = f64::from(numbers.random.within(-2, 2)) * numbers.format.ulp(logarithm);
        *x = numbers.finite(logarithm + shift + away);
    }
    masses
}

/// The logarithms of a row's masses. Down to −2^12, whose exponential a proof can still tell from 0.
fn log_masses(numbers: &mut Numbers, regime: Regime, k: usize, row: &[f64], class: usize) -> Vec<f64> {
    let classes = 0..row.len();
    let one_hot = |c: usize| if c == class { 0.0 } else { f64::NEG_INFINITY };
    match regime {
        Regime::Edge => {
            let edges = [0.0, -0.0, -1.0, 1.0, -0.5, 2.0, f64::NEG_INFINITY];
            classes.map(|_| numbers.random.pick(&edges)).collect()
        }
        Regime::Extreme => match k % 3 {
            0 => classes.map(|_| numbers.scaled(-66, 11)).collect(),
            1 => classes.map(one_hot).collect(),
            _ => classes.map(|_| numbers.scaled(-4, 11).abs()).map(|x| -x).collect(),
        },
        // The mass next to the prediction, or next to where the derivative is 0.
        Regime::Cancelling => {
            let beside = |numbers: &mut Numbers, c: usize| {
                // A prediction far out has no mass that a proof could tell from 0 or a range that holds it.
                let x = if row[c].abs() < 64.0 { row[c] } else { -numbers.between(0.0, 8.0) };
                let shift = if (c + k) % 3 == 2 { -1.0 } else { 0.0 };
                let away = f64::from(numbers.random.within(-2, 2)) * numbers.format.ulp(x);
                numbers.finite(x + shift + away)
            };
            classes.map(|c| beside(numbers, c)).collect()
        }
        Regime::Subnormal => {
            let (low, high) = underflow_sweep(numbers.format);
            classes.map(|_| -numbers.between(low, high)).collect()
        }
        Regime::Saturated => classes.map(|c| if c == class { 0.0 } else { -numbers.saturating(k) }).collect(),
        Regime::Tied => vec![numbers.random.pick(&[0.0, -1.0, -0.5]); row.len()],
        Regime::Degenerate => classes.map(|_| -numbers.edge().abs()).collect(),
        Regime::Overflowing => vec![numbers.finite(-2.0); row.len()],
        _ => {
            let some = k % 2 == 1;
            let draw = |c: usize| match some && c != class && numbers.random.chance(1, 3) {
                true => f64::NEG_INFINITY,
                false => -numbers.normal(3.0).abs(),
            };
            classes.map(draw).collect()
        }
    }
}
