//! The gradient that arrives from above: mostly ones, and whatever a kernel that forgets it would not survive.

use super::Regime;
use super::numbers::Numbers;
use crate::format::power_of_two_f64;
use crate::tensor::Tensor;

/// An upstream of the loss's shape. `nonzero` forbids zeros: an infinite term must not meet one.
pub(super) fn draw(numbers: &mut Numbers, shape: &[usize], regime: Regime, nonzero: bool) -> Tensor {
    let count: usize = shape.iter().product();
    let rows = shape.first().copied().unwrap_or(1).max(1);
    let format = numbers.format;
    let kind = if regime == Regime::Overflowing { 0 } else { numbers.random.below(10) };
    let values: Vec<f64> = match kind {
        0..4 => vec![1.0; count],
        4 => vec![numbers.finite(0.1); count],
        5 => vec![numbers.random.pick(&[-1.0, -2.5, 3.0]); count],
        6 if regime == Regime::Subnormal => {
            // The gradients themselves become subnormal.
            let exponent = format.min_exponent() + numbers.random.within(-2, 3);
            vec![power_of_two_f64(exponent); count]
        }
        6 => vec![power_of_two_f64(-numbers.random.within(1, 12)); count],
        _ => {
            let mut values: Vec<f64> = (0..count)
                .map(|_| {
                    let x = numbers.normal(1.0);
                    if x == 0.0 || (count == 1 && x == 1.0) { 0.75 } else { x }
                })
                .collect();
            // A zero in the first row alone, never everywhere.
            if kind == 9 && !nonzero && rows > 1 {
                values[..count / rows].fill(0.0);
            }
            values
        }
    };
    Tensor::float(format, shape, values)
}
