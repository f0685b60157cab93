//! Probabilities against targets in [0, 1], element by element: what matters is how near each is to 0 and 1, where the
//! logarithms and their derivatives have poles, to the target, and to ½.

use super::Regime;
use super::draft::{Draft, Weights};
use super::numbers::Numbers;
use super::residual;
use crate::format::power_of_two_f64;
use crate::loss::{Domain, Spec};

/// The probability and the target: the first two inputs, of any one shape.
pub(super) type Roles = [&'static str; 2];

/// The roles, where both are of [0, 1].
pub(super) fn roles(spec: &Spec) -> Option<Roles> {
    match spec.inputs {
        [probability, target, ..]
            if [probability, target]
                .iter()
                .all(|input| input.shape == ["N…"] && input.domain == Domain::Unit && !input.optional) =>
        {
            Some([probability.name, target.name])
        }
        _ => None,
    }
}

/// Fills both. A pole of the loss or of a gradient, at probability 0 or 1, meets no weight and no upstream of 0.
pub(super) fn fill(draft: &mut Draft<'_>, [probability, target]: Roles) {
    let k = draft.scenario;
    let shape = residual::shape(draft, k);
    let count = shape.iter().product();
    draft.bind("N…", shape.clone());
    if draft.regime == Regime::Overflowing {
        draft.want_weights();
        draft.weights = Weights::Small;
    }
    let clip = draft.params.number("probability_clip").unwrap_or(0.0);
    let regime = draft.regime;
    // A mask is zero weights: it needs finite terms.
    let open = regime == Regime::Masked && k % 3 < 2 || draft.weights == Weights::Zero;
    let numbers = &mut draft.numbers;
    let shared = numbers.between(0.125, 0.875);
    let pairs = (0..count).map(|i| pair(numbers, regime, k, i, shared, clip));
    let inside = |p: f64| if open && (p == 0.0 || p == 1.0) { 0.5 } else { p };
    let pairs: Vec<(f64, f64)> = pairs.map(|(p, y)| (inside(p), y)).collect();
    draft.nonzero |= pairs.iter().any(|&(p, _)| p == 0.0 || p == 1.0);
    let (probabilities, targets) = pairs.into_iter().unzip();
    draft.put(probability, &shape, probabilities);
    draft.put(target, &shape, targets);
}

/// A probability and a target.
fn pair(numbers: &mut Numbers, regime: Regime, k: usize, i: usize, shared: f64, clip: f64) -> (f64, f64) {
    let format = numbers.format;
    let u = format.unit_roundoff();
    let domain = |numbers: &mut Numbers| numbers.of_domain(Domain::Unit, regime, true);
    let p = match regime {
        Regime::Edge => match k % 3 {
            0 => numbers.random.pick(&[0.0, 1.0, format.min_subnormal(), 1.0 - u, format.min_normal()]),
            // The bounds of the clip and their neighbours; without one, near 0 and 1.
            1 => {
                let low = format.round(if clip > 0.0 { clip } else { 2.0 * u });
                let low = numbers.random.pick(&[low, format.next_up(low), format.next_down(low), 0.0]);
                if numbers.random.chance(1, 2) { low.max(0.0) } else { numbers.finite(1.0 - low.max(0.0)) }
            }
            _ => numbers.random.pick(&[0.5, 0.5 + u, 0.5 - u / 2.0, 0.25, 0.75]),
        },
        // Every scale, downwards from 1 and to its neighbours.
        Regime::Extreme => match k % 2 {
            0 => numbers.scaled(format.min_exponent(), -1).abs(),
            _ => {
                let gap = numbers.scaled(1 - format.precision() as i32, -1).abs();
                numbers.finite(1.0 - gap)
            }
        },
        Regime::Saturated => confident(numbers, k, i),
        // Neighbours of the target, and of ½, where the gradients cancel.
        Regime::Cancelling => {
            let near = if k.is_multiple_of(2) { shared } else { 0.5 };
            let step = f64::from(numbers.random.within(-3, 3));
            numbers.finite(near + step * format.ulp(near))
        }
        Regime::Subnormal if k.is_multiple_of(2) => numbers.subnormal().abs(),
        Regime::Subnormal => numbers.scaled(format.min_exponent(), format.min_exponent() + 4).abs(),
        Regime::Tied => numbers.random.pick(&[shared, numbers.finite(0.1), 0.5]),
        Regime::Degenerate => domain(numbers),
        Regime::Long => match k % 4 {
            1 => numbers.finite(0.1),
            2 if i == 7 => format.min_normal(),
            2 => numbers.finite(0.999),
            3 => confident(numbers, i, i),
            _ => open_unit(numbers),
        },
        // 1/p overflows.
        Regime::Overflowing => {
            let least = format.min_exponent().max(-format.max_exponent() - 1);
            numbers.subnormal().abs().min(power_of_two_f64(least))
        }
        Regime::Typical | Regime::Masked | Regime::Worst => open_unit(numbers),
    };
    let likely = if p < 0.5 { 0.0 } else { 1.0 };
    let y = match regime {
        // Right, right, wrong, and a soft target.
        Regime::Saturated => match i % 4 {
            2 => 1.0 - likely,
            3 => domain(numbers),
            _ => likely,
        },
        Regime::Cancelling if k.is_multiple_of(2) => shared,
        Regime::Subnormal if numbers.random.chance(1, 2) => likely,
        Regime::Tied => numbers.random.pick(&[p, 1.0, 0.5]),
        Regime::Overflowing => 1.0,
        _ => domain(numbers),
    };
    (p, y)
}

/// Of (0, 1).
fn open_unit(numbers: &mut Numbers) -> f64 {
    let least = numbers.format.unit_roundoff();
    numbers.between(least, 1.0).min(1.0 - least)
}

/// 0.9 and nearer to 1 or 0, down to the format's last step.
fn confident(numbers: &mut Numbers, k: usize, i: usize) -> f64 {
    let u = numbers.format.unit_roundoff();
    let gap = match k % 4 {
        0 => numbers.random.pick(&[0.1, 0.01, 0.001, 1e-4]),
        1 => numbers.between(0.001, 0.1),
        2 => u * numbers.random.pick(&[1.0, 2.0, 3.0, 16.0]),
        _ => numbers.scaled(-30, -7).abs(),
    };
    if i.is_multiple_of(2) { numbers.finite(1.0 - gap) } else { numbers.finite(gap) }
}
