//! A spread beside a residual (a variance): what matters is how the squared residual compares with it, and a floor under it.

use super::Regime;
use super::draft::Draft;
use crate::loss::{Domain, Spec};

/// Residuals r and variances v with ln v + r²/v = 0: both terms cancel. r = √(s·e^−s) and v = e^−s for s = ½, 1, 2.
const BALANCED: [(f64, f64); 3] = [
    (0.550695314903183, 0.606530659712633),
    (0.606530659712633, 0.367879441171442),
    (0.520260095022889, 0.135335283236613),
];

/// The input of that role: numbers of at least 0, of any shape, that must be there.
pub(super) fn role(spec: &Spec) -> Option<&'static str> {
    let is_spread = |domain: Domain| matches!(domain, Domain::NonNegative | Domain::Positive);
    spec.inputs
        .iter()
        .find(|input| input.shape == ["N…"] && is_spread(input.domain) && !input.optional)
        .map(|input| input.name)
}

/// A spread for a pair of numbers, which it may change so that a danger occurs.
pub(super) fn beside(draft: &mut Draft<'_>, k: usize, i: usize, pair: &mut (f64, f64)) -> f64 {
    let floor = draft.params.number("variance_floor");
    let numbers = &mut draft.numbers;
    let format = numbers.format;
    let floor = floor.map(|floor| numbers.finite(floor));
    let square = numbers.finite((pair.0 - pair.1) * (pair.0 - pair.1));
    let spread = match draft.regime {
        Regime::Edge | Regime::Degenerate => match floor {
            // The floor met exactly, its neighbours, and nothing.
            Some(floor) if i.is_multiple_of(2) => numbers.random.pick(&[
                floor,
                format.next_up(floor),
                format.next_down(floor),
                0.0,
                numbers.finite(floor / 2.0),
            ]),
            _ if i % 4 == 1 && square > 0.0 => square,
            _ => numbers.random.pick(&[1.0, 0.5, 2.0, 4.0, format.next_up(1.0), format.next_down(1.0)]),
        },
        Regime::Extreme => match k % 4 {
            0 => numbers.any_scale(),
            1 => numbers.end(),
            // Squares near the ends of the range, and of the size of the spread.
            2 => square,
            _ => numbers.scaled(format.min_exponent(), format.min_exponent() + 12),
        },
        // Certain of what is right or wrong, and certain of nothing.
        Regime::Saturated => match i % 3 {
            0 => numbers.scaled(-20, -6),
            1 => numbers.scaled(4, 14),
            _ => numbers.scaled(-10, 0),
        },
        Regime::Cancelling if i.is_multiple_of(2) => {
            let (residual, spread) = BALANCED[(k + i / 2) % BALANCED.len()];
            *pair = (numbers.finite(residual), 0.0);
            let steps = numbers.random.within(-2, 2);
            numbers.finite(spread * (1.0 + f64::from(steps) * format.unit_roundoff()))
        }
        // r² = v but for some ulps: 1/v and r²/v² cancel.
        Regime::Cancelling => {
            let steps = numbers.random.within(-2, 2);
            numbers.finite(square * (1.0 + f64::from(steps) * format.unit_roundoff()))
        }
        Regime::Subnormal => match i % 3 {
            0 => numbers.subnormal(),
            1 => numbers.scaled(format.min_exponent(), format.min_exponent() + 6),
            _ => numbers.between(0.0625, 4.0),
        },
        // The square overflows and its quotient does not.
        Regime::Overflowing => {
            let most = format.max_exponent();
            numbers.scaled(most / 2, most - 2)
        }
        Regime::Masked if floor.is_some() && numbers.random.chance(1, 3) => 0.0,
        Regime::Tied if k.is_multiple_of(2) => 1.0,
        _ => numbers.between(0.0625, 4.0),
    };
    // Without a floor there is no spread of 0.
    match spread.abs() {
        0.0 if floor.is_none_or(|floor| floor == 0.0) => format.min_subnormal(),
        spread => spread,
    }
}
