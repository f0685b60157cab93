//! cosine_embedding.
//!
//! Vectors are taken in units of their largest coordinate, so that squares of small ones are held.

use super::amount::Amount;
use super::real::Real;
use super::reduction::reduce;
use super::{Derivation, Skip};
use crate::case::Case;

/// Coordinates below this, or below this part of the largest one, make a skip: num-bigfloat loses digits of their squares, and
/// its division panics where the quotient is near the end of its range.
const LEAST: f64 = 1e-60;

/// From this unit on ε, which is at most 1, is nothing beside the square of a vector that is at least 1: 10⁻⁵⁰.
const LARGE: f64 = 1e25;

/// By row 1 − c for target 1, [c − m]₊ for −1.
///
/// With the units s and t, u = x/s, v = y/t, A = u·u + ε/s², B = v·v + ε/t²: c = u·v/√(AB) and
/// ∂c/∂x = (v·A − (u·v)·u)/(s·A·√(AB)).
pub(super) fn cosine_embedding(case: &Case) -> Result<Derivation, Skip> {
    for name in ["x1", "x2"] {
        let values = case.input(name).floats();
        let largest = values.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let tiny = |x: &f64| *x != 0.0 && x.abs() < LEAST * largest.max(1.0);
        if let Some(element) = values.iter().position(tiny) {
            return Err(Skip::TooSmall { output: name.to_owned(), element });
        }
    }
    let dimension = case.input("x1").shape[1];
    let pairs = case
        .input("x1")
        .floats()
        .chunks_exact(dimension)
        .zip(case.input("x2").floats().chunks_exact(dimension));
    let margin = Real::of(case.params.number("margin").unwrap_or(0.0));
    let epsilon = Real::of(case.params.number("epsilon").unwrap_or(0.0));
    let targets = case.input("target").floats();
    let rows: Vec<Row> =
        pairs.zip(targets).map(|((x, y), &target)| Row::of(x, y, target, margin, epsilon)).collect();
    let terms: Vec<_> = rows.iter().map(|row| Some(row.loss)).collect();
    let reduced = reduce(case, &terms, Amount::Number(Real::count(rows.len())));
    let gradient = |which: usize| -> Vec<Amount> {
        let by_row = |(index, row): (usize, &Row)| -> Vec<Amount> {
            row.slopes[which].iter().map(|&slope| reduced.gradient(index, slope)).collect()
        };
        rows.iter().enumerate().flat_map(by_row).collect()
    };
    let gradients = vec![("x1", gradient(0)), ("x2", gradient(1))];
    Ok(Derivation { loss: reduced.loss, gradients })
}

/// A vector in units of its largest coordinate.
struct Scaled {
    unit: Real,
    parts: Vec<Real>,
    /// ‖u‖² + ε/s².
    square: Real,
}

impl Scaled {
    fn of(x: &[f64], epsilon: Real) -> Scaled {
        let largest = x.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let unit = if largest == 0.0 { Real::ONE } else { Real::of(largest) };
        let parts: Vec<Real> = x.iter().map(|&x| Real::of(x) / unit).collect();
        let squares: Vec<Real> = parts.iter().map(|&x| x * x).collect();
        let floor = if largest > LARGE { Real::ZERO } else { epsilon / unit / unit };
        Scaled { unit, square: Real::sum(&squares) + floor, parts }
    }
}

/// The loss of one row and its derivatives by both vectors.
struct Row {
    loss: Amount,
    slopes: [Vec<Amount>; 2],
}

impl Row {
    fn of(x: &[f64], y: &[f64], target: f64, margin: Real, epsilon: Real) -> Row {
        let undefined =
            || Row { loss: Amount::Undefined, slopes: [(); 2].map(|()| vec![Amount::Undefined; x.len()]) };
        if target.is_nan() || x.iter().chain(y).any(|x| x.is_nan()) {
            return undefined();
        }
        let (u, v) = (Scaled::of(x, epsilon), Scaled::of(y, epsilon));
        if u.square.is_exact_zero() || v.square.is_exact_zero() {
            return undefined();
        }
        let products: Vec<Real> = u.parts.iter().zip(&v.parts).map(|(&u, &v)| u * v).collect();
        let dot = Real::sum(&products);
        let root = (u.square * v.square).sqrt();
        let cosine = dot / root;
        // The derivative of the loss by the cosine.
        let (loss, slope) = if target == 1.0 {
            (Real::ONE - cosine, Amount::Number(-Real::ONE))
        } else {
            let hinge = cosine - margin;
            if hinge.is_lost() {
                (Real::LOST, Amount::Number(Real::LOST))
            } else if hinge.is_above_zero() {
                (hinge, Amount::Number(Real::ONE))
            } else if hinge.vanishes() {
                (hinge.positive_part(), Amount::share(false))
            } else {
                (Real::ZERO, Amount::ZERO)
            }
        };
        let by = |own: &Scaled, other: &Scaled| -> Vec<Amount> {
            let coordinate = |(&u, &v): (&Real, &Real)| {
                slope * Amount::Number((v * own.square - dot * u) / (own.square * root) / own.unit)
            };
            own.parts.iter().zip(&other.parts).map(coordinate).collect()
        };
        Row { loss: Amount::Number(loss), slopes: [by(&u, &v), by(&v, &u)] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::loss::Params;

    fn pairs(x1: &[f64], x2: &[f64], target: &[f64], params: Params) -> Case {
        let shape = [target.len(), x1.len() / target.len()];
        let inputs = [
            ("x1", floats(&shape, x1)),
            ("x2", floats(&shape, x2)),
            ("target", floats(&[target.len()], target)),
        ];
        case("cosine_embedding", params.with("reduction", "none"), inputs)
    }

    #[test]
    fn angles_by_hand() {
        // The cosine is 24/25, and the perpendicular part 7/25 long.
        let case = pairs(&[3.0, 4.0, 3.0, 4.0], &[4.0, 3.0, 4.0, 3.0], &[1.0, -1.0], params());
        assert_values(&case, "loss", &["0.04", "0.96"]);
        // ∂c/∂x = (4 − 3·24/25, 3 − 4·24/25)/25 = (28, −21)/625.
        assert_values(&case, "grad.x1", &["-0.0448", "0.0336", "0.0448", "-0.0336"]);
        assert_values(&case, "grad.x2", &["0.0336", "-0.0448", "-0.0336", "0.0448"]);
    }

    #[test]
    fn the_hinge_at_the_margin_is_a_set() {
        let case = pairs(&[1.0, 1.0, 0.0], &[1.0, 0.0, 1.0], &[-1.0], params().with("margin", 0.5));
        assert_claims(&case, "loss", &["0"]);
        // ∂c/∂x = (1 − ½, −½, 1)/2.
        assert_claims(&case, "grad.x1", &["[0, 0.25]", "[-0.25, 0]", "[0, 0.5]"]);
    }

    #[test]
    fn zero_vectors() {
        let (x, y) = ([0.0, 0.0, 3.0, 4.0], [1.0, 0.5, 3.0, 4.0]);
        let case = pairs(&x, &y, &[1.0, 1.0], params());
        assert_claims(&case, "grad.x1", &["undefined", "undefined", "0", "0"]);
        let floored = pairs(&x, &y, &[1.0, 1.0], params().with("epsilon", 0.25));
        // 0 over a half times √(1.25 + 0.25), and ∂c/∂x = y/(½·√1.5).
        let claims = claims_of(&floored, "loss");
        assert_eq!(claim_value(&claims[0]).to_f64(), 1.0);
        let slope = claim_value(&claims_of(&floored, "grad.x1")[0]).to_f64();
        assert!((slope + 2.0 / 1.5f64.sqrt()).abs() < 1e-15, "{slope}");
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(32);
        for round in 0..12 {
            let (x, y) = (random.values(6, -2.0, 2.0), random.values(6, -2.0, 2.0));
            let params = params().with("epsilon", [0.0, 0.25][round % 2]).with("margin", -1.0);
            let case = pairs(&x, &y, &[1.0, -1.0], params);
            assert_eq!(assert_differences(&with_random_upstream(case, &mut random)), 12);
        }
    }

    #[test]
    fn a_nan_takes_its_row_only() {
        let case = pairs(&[f64::NAN, 4.0, 3.0, 4.0], &[4.0, 3.0, 3.0, 4.0], &[1.0, 1.0], params());
        assert_claims(&case, "grad.x1", &["undefined", "undefined", "0", "0"]);
        let case = pairs(&[3.0, 4.0], &[4.0, 3.0], &[f64::NAN], params());
        assert_claims(&case, "loss", &["undefined"]);
    }
}
