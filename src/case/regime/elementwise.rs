//! Scores against targets in [0, 1] or of ±1, element by element: what matters is how confident each score is.

use super::Regime;
use super::draft::{Draft, Weights};
use super::numbers::{Numbers, SWEEPS, underflow_sweep};
use super::residual;
use crate::loss::{Domain, Spec};

/// The score and the target with its domain: the first two inputs, of any one shape.
#[derive(Copy, Clone)]
pub(super) struct Roles {
    score: &'static str,
    target: &'static str,
    domain: Domain,
}

/// The roles, where the first input is any finite number and the second a probability or a sign.
pub(super) fn roles(spec: &Spec) -> Option<Roles> {
    match spec.inputs {
        [score, target, ..]
            if [score, target].iter().all(|input| input.shape == ["N…"] && !input.optional)
                && matches!(score.domain, Domain::Finite | Domain::FiniteOrMinusInfinity)
                && matches!(target.domain, Domain::Unit | Domain::SignValue) =>
        {
            Some(Roles { score: score.name, target: target.name, domain: target.domain })
        }
        _ => None,
    }
}

/// How many elements a dense sweep of |z| from 15 to 20 has.
const DENSE: usize = 40;

/// Fills both.
pub(super) fn fill(draft: &mut Draft<'_>, roles: Roles) {
    let k = draft.scenario;
    let dense = draft.regime == Regime::Saturated && k == 0;
    let shape = if dense { vec![DENSE] } else { residual::shape(draft, k) };
    let count = shape.iter().product();
    draft.bind("N…", shape.clone());
    if draft.regime == Regime::Overflowing {
        draft.want_weights();
        draft.weights = Weights::Small;
    }
    let shared = draft.numbers.normal(2.0);
    let scores: Vec<f64> = (0..count)
        .map(|i| {
            if dense {
                // 15 to 20 in equal steps, the signs in turn.
                let z = 15.0 + 5.0 * i as f64 / (DENSE - 1) as f64;
                return draft.numbers.finite(if i.is_multiple_of(2) { z } else { -z });
            }
            score(&mut draft.numbers, draft.regime, k, i, shared)
        })
        .collect();
    let mut targets: Vec<f64> = (0..count).map(|i| target(draft, roles.domain, k, i, scores[i])).collect();
    // Without a meaning of targets between 0 and 1 there are none.
    if draft.spec.param("soft_target").is_some() && draft.params.text("soft_target").is_empty() {
        targets.iter_mut().for_each(|y| *y = if *y < 0.5 { 0.0 } else { 1.0 });
    }
    draft.put(roles.score, &shape, scores);
    draft.put(roles.target, &shape, targets);
}

fn score(numbers: &mut Numbers, regime: Regime, k: usize, i: usize, shared: f64) -> f64 {
    let format = numbers.format;
    match regime {
        Regime::Edge => numbers.edge(),
        Regime::Extreme => match k % 3 {
            0 => numbers.any_scale(),
            1 => numbers.end(),
            _ => numbers.scaled(-60, 60),
        },
        Regime::Saturated => {
            // A sign for each element: confident and right, confident and wrong.
            numbers.saturating(k % SWEEPS.len()) * numbers.random.sign()
        }
        Regime::Cancelling => {
            let offset = numbers.offset(k);
            numbers.offset_by_gap(offset, i)
        }
        Regime::Subnormal => match k % 3 {
            0 => numbers.subnormal(),
            1 => {
                let (low, high) = underflow_sweep(format);
                numbers.between(low, high) * numbers.random.sign()
            }
            _ => numbers.normal(2.0),
        },
        Regime::Tied => match k % 4 {
            0 => 0.0,
            1 => shared,
            2 => numbers.finite(0.1),
            _ => shared * numbers.random.sign(),
        },
        Regime::Degenerate => numbers.edge(),
        Regime::Long => match k % 4 {
            1 => numbers.finite(0.1),
            2 if i == 7 => 1000.0,
            2 => -numbers.saturating(0),
            3 => numbers.saturating(i) * numbers.random.sign(),
            _ => numbers.normal(2.0),
        },
        Regime::Overflowing => {
            let most = format.max_exponent();
            numbers.scaled(most - 2, most)
        }
        Regime::Typical | Regime::Masked | Regime::Worst => numbers.normal(3.0),
    }
}

fn target(draft: &mut Draft<'_>, domain: Domain, k: usize, i: usize, score: f64) -> f64 {
    let regime = draft.regime;
    let numbers = &mut draft.numbers;
    let confident = if score < 0.0 { 0.0 } else { 1.0 };
    let unit = match regime {
        // Right, right, wrong: a right answer's loss is all tail.
        Regime::Saturated if k < SWEEPS.len() => {
            if i % 3 == 2 {
                1.0 - confident
            } else {
                confident
            }
        }
        // The wrong class makes the loss as large as the score; the right one may have it all cancel.
        Regime::Cancelling if numbers.random.chance(1, 2) => confident,
        Regime::Subnormal if k % 3 == 1 => confident,
        Regime::Tied => {
            if k.is_multiple_of(2) {
                0.5
            } else {
                1.0
            }
        }
        _ => numbers.of_domain(Domain::Unit, regime, true),
    };
    match domain {
        Domain::SignValue => {
            if unit < 0.5 {
                -1.0
            } else {
                1.0
            }
        }
        _ => unit,
    }
}
