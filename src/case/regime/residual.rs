//! Predictions against targets, element by element: what matters is their difference.

use super::draft::{Draft, Weights};
use super::numbers::{SWEEPS, underflow_sweep};
use super::{Regime, spread};
use crate::format::power_of_two_f64;
use crate::loss::{Domain, Spec};

/// The prediction and the target: the first two inputs, where both are any finite numbers of any one shape.
pub(super) fn roles(spec: &Spec) -> Option<[&'static str; 2]> {
    match spec.inputs {
        [prediction, target, ..]
            if [prediction, target]
                .iter()
                .all(|input| input.shape == ["N…"] && input.domain == Domain::Finite && !input.optional) =>
        {
            Some([prediction.name, target.name])
        }
        _ => None,
    }
}

/// Fills both.
pub(super) fn fill(draft: &mut Draft<'_>, [prediction, target]: [&'static str; 2]) {
    let k = draft.scenario;
    let shape = shape(draft, k);
    let count = shape.iter().product();
    draft.bind("N…", shape.clone());
    if draft.regime == Regime::Overflowing {
        draft.want_weights();
        draft.weights = if k.is_multiple_of(2) { Weights::Small } else { Weights::Large };
    }
    let shared = draft.numbers.normal(2.0);
    let mut pairs: Vec<(f64, f64)> = (0..count).map(|i| pair(draft, k, i, shared)).collect();
    if let Some(name) = spread::role(draft.spec) {
        let spreads =
            pairs.iter_mut().enumerate().map(|(i, pair)| spread::beside(draft, k, i, pair)).collect();
        draft.put(name, &shape, spreads);
    }
    let (predictions, targets) = pairs.into_iter().unzip();
    draft.put(prediction, &shape, predictions);
    draft.put(target, &shape, targets);
}

/// The shape of inputs of any shape; the degenerate ones are empty, single, or have weights that are all zero.
pub(super) fn shape(draft: &mut Draft<'_>, k: usize) -> Vec<usize> {
    let axis_input = draft.spec.inputs.iter().any(|input| input.shape == ["C"]);
    match (draft.regime, k % 6) {
        (Regime::Degenerate, 0) => vec![0],
        (Regime::Degenerate, 1) => vec![0, 3],
        (Regime::Degenerate, 2) if axis_input => vec![1],
        (Regime::Degenerate, 2) => Vec::new(),
        (Regime::Degenerate, 3) => {
            draft.want_weights();
            draft.weights = Weights::Zero;
            draft.prefer("mean_over", "weight");
            vec![draft.length]
        }
        (Regime::Masked, _) => {
            draft.want_weights();
            draft.any_shape(draft.length)
        }
        _ => draft.any_shape(draft.length),
    }
}

/// The kink or the branch point of the loss: |d| = delta.
fn threshold(draft: &Draft<'_>) -> f64 {
    let threshold = ["delta", "beta"].iter().find_map(|&name| draft.params.number(name));
    draft.numbers.finite(threshold.unwrap_or(1.0))
}

/// A prediction and a target.
fn pair(draft: &mut Draft<'_>, k: usize, i: usize, shared: f64) -> (f64, f64) {
    let threshold = threshold(draft);
    let format = draft.format();
    let numbers = &mut draft.numbers;
    let residual = |numbers: &mut super::numbers::Numbers, residual: f64| {
        // Around a target on the residual's own grid the difference is the residual again.
        let target = numbers.random.pick(&[0.0, 0.0, 1.0, -2.0]);
        let prediction = numbers.finite(target + residual);
        if numbers.random.chance(1, 2) { (prediction, target) } else { (target, prediction) }
    };
    match draft.regime {
        Regime::Edge => match k % 4 {
            0 => (numbers.edge(), numbers.edge()),
            // |d| = delta met exactly, and its neighbours.
            1 => {
                let d =
                    numbers.random.pick(&[threshold, format.next_up(threshold), format.next_down(threshold)]);
                let d = d * numbers.random.sign();
                if i.is_multiple_of(2) { (d, 0.0) } else { (0.0, d) }
            }
            2 => {
                let x = numbers.normal(1.0);
                let target = numbers.random.pick(&[x, format.next_up(x), format.next_down(x)]);
                (x, target)
            }
            _ => {
                let d = f64::from(numbers.random.within(-3, 3));
                residual(numbers, d)
            }
        },
        Regime::Extreme => match k % 4 {
            0 => (numbers.any_scale(), numbers.any_scale()),
            1 => (numbers.end(), numbers.end()),
            // Squares near the ends of the range, from inside.
            2 => {
                let half = format.max_exponent() / 2;
                (numbers.scaled(half - 4, half - 1), numbers.scaled(-half, -half + 4))
            }
            _ => (numbers.end(), numbers.normal(1.0)),
        },
        // Far out, where exponentials end; and nearly right, where what is left of the loss is a small square.
        Regime::Saturated if i % 3 == 2 => {
            // From 1e-3 down to where the square leaves an f32's digits, or f16's normal numbers.
            (numbers.scaled((format.min_exponent() / 2).clamp(-40, -14), -10), 0.0)
        }
        Regime::Saturated => {
            let d = if k % 8 == 7 {
                let (low, high) = underflow_sweep(format);
                numbers.between(low, high)
            } else {
                numbers.saturating(k % SWEEPS.len())
            };
            let d = d * numbers.random.sign();
            residual(numbers, d)
        }
        Regime::Cancelling => {
            let offset = numbers.offset(k);
            (numbers.offset_by_gap(offset, k / 2), numbers.offset_by_gap(offset, i))
        }
        Regime::Subnormal => match k % 3 {
            0 => (numbers.subnormal(), numbers.subnormal()),
            // Squares that fall below the normal numbers.
            1 => {
                let half = format.min_exponent() / 2;
                let d = numbers.scaled(half - format.precision() as i32 / 2, half + 1);
                if i.is_multiple_of(2) { (d, 0.0) } else { (0.0, d) }
            }
            // Neighbours among the least normal numbers: the difference is subnormal.
            _ => {
                let x = numbers.scaled(format.min_exponent(), format.min_exponent() + 2);
                (x, format.next_up(x))
            }
        },
        Regime::Tied => match k % 3 {
            0 => (numbers.finite(0.1), 0.0),
            1 => (shared, numbers.finite(shared + 1.0)),
            _ => {
                let d = numbers.random.sign();
                residual(numbers, d)
            }
        },
        Regime::Degenerate if k % 6 == 4 => (shared, shared),
        Regime::Degenerate if k % 6 == 5 => (0.0, -0.0),
        Regime::Long => match k % 4 {
            0 => (numbers.normal(1.0), numbers.normal(1.0)),
            1 => (numbers.finite(0.1), 0.0),
            // One dominant term among many.
            2 if i == 7 => (1000.0, 0.0),
            2 => (numbers.normal(0.001), 0.0),
            _ => {
                let offset = numbers.offset(k);
                (numbers.offset_by_gap(offset, 2), offset)
            }
        },
        // The square, or the sum before the mean or the weight, overflows.
        Regime::Overflowing => match k % 2 {
            0 => {
                let half = format.max_exponent() / 2;
                (numbers.scaled(half + 1, half + 3), numbers.normal(1.0))
            }
            _ => (numbers.between(8.0, 16.0) * power_of_two_f64(2), numbers.normal(1.0)),
        },
        Regime::Typical | Regime::Masked | Regime::Degenerate | Regime::Worst => {
            (numbers.normal(1.0), numbers.normal(1.0))
        }
    }
}
