//! triplet_margin.
//!
//! Kinks. A coordinate of a difference is 0 if and only if its exact sum of floats is ([`Real::sum_of`]); where the floats
//! lie too far apart for that sum, and for sums of powers and roots, 0 is what vanishes to 36 digits of its terms. The
//! set is then not claimed to be tight, except where the hinge is 0 in all 40 digits.

use super::amount::Amount;
use super::real::Real;
use super::reduction::reduce;
use super::{Derivation, Skip};
use crate::case::Case;
use std::cmp::Ordering;

/// [m + d(a, p) − d(a, n)]₊ by row, with `swap` [m + d(a, p) − min(d(a, n), d(p, n))]₊.
pub(super) fn triplet_margin(case: &Case) -> Result<Derivation, Skip> {
    let norm = Norm::of(case)?;
    let dimension = case.input("anchor").shape[1];
    let points = ["anchor", "positive", "negative"].map(|name| case.input(name).floats());
    let margin = Real::of(case.params.number("margin").unwrap_or(0.0));
    let swap = case.params.flag("swap");
    let rows: Vec<Row> = points[0]
        .chunks_exact(dimension)
        .zip(points[1].chunks_exact(dimension))
        .zip(points[2].chunks_exact(dimension))
        .map(|((anchor, positive), negative)| Row::of(&norm, margin, swap, anchor, positive, negative))
        .collect();
    let terms: Vec<_> = rows.iter().map(|row| Some(row.loss)).collect();
    let reduced = reduce(case, &terms, Amount::Number(Real::count(rows.len())));
    let gradient = |point: usize| -> Vec<Amount> {
        let by_row = |(index, row): (usize, &Row)| -> Vec<Amount> {
            row.slopes[point].iter().map(|&slope| reduced.gradient(index, slope)).collect()
        };
        rows.iter().enumerate().flat_map(by_row).collect()
    };
    let gradients = vec![("anchor", gradient(0)), ("positive", gradient(1)), ("negative", gradient(2))];
    Ok(Derivation { loss: reduced.loss, gradients })
}

/// The loss of one row and its derivatives by anchor, positive and negative.
struct Row {
    loss: Amount,
    slopes: [Vec<Amount>; 3],
}

impl Row {
    fn of(norm: &Norm, margin: Real, swap: bool, anchor: &[f64], positive: &[f64], negative: &[f64]) -> Row {
        let every = |amount: Amount| [(); 3].map(|()| vec![amount; anchor.len()]);
        if [anchor, positive, negative].concat().iter().any(|x| x.is_nan()) {
            return Row { loss: Amount::Undefined, slopes: every(Amount::Undefined) };
        }
        let to_positive = norm.distance(anchor, positive);
        let to_negative = norm.distance(anchor, negative);
        let between = norm.distance(positive, negative);
        let (one, none) = (Amount::Number(Real::ONE), Amount::ZERO);
        // The shares of d(a, n) and d(p, n) in their minimum. At a tie each is anything from 0 to 1; that they add up to
        // 1 is left out, so the set is not tight.
        let order = if swap { to_negative.length.order(between.length) } else { Some(Ordering::Less) };
        let (nearer, share, swapped) = match order {
            Some(Ordering::Less) => (to_negative.length, one, none),
            Some(Ordering::Greater) => (between.length, none, one),
            Some(Ordering::Equal) => (to_negative.length, Amount::share(false), Amount::share(false)),
            None => (Real::LOST, one, none),
        };
        let hinge = margin + to_positive.length - nearer;
        let (loss, active) = if hinge.is_lost() {
            (Real::LOST, Amount::Number(Real::LOST))
        } else if hinge.is_above_zero() {
            (hinge, one)
        } else if hinge.vanishes() {
            (hinge.positive_part(), Amount::share(hinge.value().is_zero()))
        } else {
            (Real::ZERO, none)
        };
        let combine =
            |slope: &dyn Fn(usize) -> Amount| (0..anchor.len()).map(|i| active * slope(i)).collect();
        let slopes = [
            combine(&|i| to_positive.slopes[i] + -(share * to_negative.slopes[i])),
            combine(&|i| -to_positive.slopes[i] + -(swapped * between.slopes[i])),
            combine(&|i| share * to_negative.slopes[i] + swapped * between.slopes[i]),
        ];
        Row { loss: Amount::Number(loss), slopes }
    }
}

/// ‖u‖_p, u the coordinates' differences.
struct Norm {
    degree: Degree,
    /// Added to each coordinate of u.
    shift: f64,
    /// Added to Σ|u|ᵖ under the root.
    floor: f64,
}

enum Degree {
    One,
    Two,
    Infinite,
    Other { degree: Real, less_one: Real },
}

/// A distance and its derivatives by the coordinates of u, which are those by the first point; by the second, negated.
struct Distance {
    length: Real,
    slopes: Vec<Amount>,
}

impl Norm {
    fn of(case: &Case) -> Result<Norm, Skip> {
        let degree = match case.params.number("p") {
            Some(1.0) => Degree::One,
            Some(2.0) => Degree::Two,
            Some(p) => Degree::Other { degree: Real::of(p), less_one: Real::sum_of(&[p, -1.0]) },
            None => Degree::Infinite,
        };
        let epsilon = case.params.number("epsilon").unwrap_or(0.0);
        let in_root = case.params.text("epsilon_placement") == "root";
        let (shift, floor) = if in_root { (0.0, epsilon) } else { (epsilon, 0.0) };
        if matches!(degree, Degree::Infinite) && floor != 0.0 {
            let parameters = "p = inf and an epsilon under the root";
            return Err(Skip::NoClosedForm { loss: "triplet_margin", parameters });
        }
        Ok(Norm { degree, shift, floor })
    }

    fn distance(&self, from: &[f64], to: &[f64]) -> Distance {
        let u: Vec<Real> = from.iter().zip(to).map(|(&x, &y)| Real::sum_of(&[x, -y, self.shift])).collect();
        let floor = Real::of(self.floor);
        // At u = 0 the derivatives of a norm fill the unit ball of its dual norm, which reaches −1 and 1 on each axis;
        // not so with something under the root, where only p = 1 keeps its kinks.
        if self.floor == 0.0 && u.iter().all(|&x| x.vanishes()) {
            let tight = u.iter().all(|&x| x.is_exact_zero());
            let length = u.iter().fold(Real::ZERO, |most, &x| most.max(x.abs()));
            return Distance { length, slopes: vec![Amount::unit_interval_of_signs(tight); u.len()] };
        }
        match &self.degree {
            Degree::One => manhattan(&u, floor),
            Degree::Two => euclidean(&u, floor),
            Degree::Infinite => largest(&u),
            Degree::Other { degree, less_one } => of_degree(&u, floor, *degree, *less_one),
        }
    }
}

/// Σ|uᵢ|, sign uᵢ; [−1, 1] at 0.
fn manhattan(u: &[Real], floor: Real) -> Distance {
    let lengths: Vec<Real> = u.iter().map(|&x| x.abs()).collect();
    let slope = |&x: &Real| {
        if x.vanishes() {
            Amount::unit_interval_of_signs(x.is_exact_zero())
        } else {
            Amount::Number(x.sign())
        }
    };
    Distance { length: Real::sum(&lengths) + floor, slopes: u.iter().map(slope).collect() }
}

/// √(Σuᵢ²), uᵢ/‖u‖.
fn euclidean(u: &[Real], floor: Real) -> Distance {
    let squares: Vec<Real> = u.iter().map(|&x| x * x).collect();
    let length = (Real::sum(&squares) + floor).sqrt();
    Distance { length, slopes: u.iter().map(|&x| Amount::Number(x / length)).collect() }
}

/// max|uᵢ|, sign uᵢ there and 0 elsewhere; where several are largest, [0, 1]·sign uᵢ at each.
fn largest(u: &[Real]) -> Distance {
    let length = u.iter().fold(Real::ZERO, |most, &x| most.max(x.abs()));
    let is_largest: Vec<bool> = u.iter().map(|x| x.abs().order(length) != Some(Ordering::Less)).collect();
    let alone = is_largest.iter().filter(|&&largest| largest).count() == 1;
    let exactly = u.iter().zip(&is_largest).all(|(x, largest)| !largest || x.abs().value() == length.value());
    let slope = |(x, &largest): (&Real, &bool)| match (largest, alone) {
        (false, _) => Amount::ZERO,
        (true, true) => Amount::Number(x.sign()),
        (true, false) => Amount::share(exactly) * Amount::Number(x.sign()),
    };
    Distance { length, slopes: u.iter().zip(&is_largest).map(slope).collect() }
}

/// (Σ|uᵢ|ᵖ)^(1/p), sign uᵢ·(|uᵢ|/‖u‖)^(p−1), scaled by the largest |uᵢ|. What is added under the root is the p-th power
/// of one more coordinate. A coordinate that vanishes without being 0 exactly is lost: for p < 2 the power would magnify
/// its rounding.
fn of_degree(u: &[Real], floor: Real, degree: Real, less_one: Real) -> Distance {
    let coordinate = |x: Real| if x.vanishes() && !x.is_exact_zero() { Real::LOST } else { x.abs() };
    let mut lengths: Vec<Real> = u.iter().map(|&x| coordinate(x)).collect();
    lengths.push(floor.power(Real::ONE / degree));
    let most = lengths.iter().fold(Real::ZERO, |most, &x| most.max(x));
    let powers: Vec<Real> = lengths.iter().map(|&x| (x / most).power(degree)).collect();
    let length = most * Real::sum(&powers).power(Real::ONE / degree);
    let slope = |(&x, &size): (&Real, &Real)| Amount::Number(x.sign() * (size / length).power(less_one));
    Distance { length, slopes: u.iter().zip(&lengths).map(slope).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::loss::Params;

    const POINTS: [&str; 3] = ["anchor", "positive", "negative"];

    fn triplet(rows: usize, points: [&[f64]; 3], params: Params) -> Case {
        let shape = [rows, points[0].len() / rows.max(1)];
        let inputs = POINTS.iter().zip(points).map(|(&name, values)| (name, floats(&shape, values)));
        case("triplet_margin", params, inputs)
    }

    #[test]
    fn triangles_of_3_4_5() {
        // d(a, p) = 5, d(a, n) = 2, d(p, n) = √(9 + 4) = √13.
        let points: [&[f64]; 3] = [&[0.0, 0.0], &[3.0, 4.0], &[0.0, 2.0]];
        let p = |p: f64| params().with("p", p);
        let case = triplet(1, points, p(2.0).with("margin", 0.25));
        assert_values(&case, "loss", &["3.25"]);
        assert_values(&case, "grad.anchor", &["-0.6", "0.2"]);
        assert_values(&case, "grad.positive", &["0.6", "0.8"]);
        assert_values(&case, "grad.negative", &["0", "-1"]);
        // p = 1: 7 and 2; p = ∞: 4 and 2.
        let case = triplet(1, points, p(1.0).with("margin", 0.25));
        assert_values(&case, "loss", &["5.25"]);
        assert_claims(&case, "grad.anchor", &["[-2, 0] tight", "0"]);
        assert_claims(&case, "grad.negative", &["[-1, 1] tight", "-1"]);
        let case = triplet(1, points, params().with("p", "inf"));
        assert_values(&case, "loss", &["3"]);
        assert_values(&case, "grad.anchor", &["0", "0"]);
        assert_values(&case, "grad.positive", &["0", "1"]);
    }

    #[test]
    fn another_degree_and_epsilons() {
        let points: [&[f64]; 3] = [&[1.0, 0.0], &[0.0, 2.0], &[1.0, 0.0]];
        let cube_root_of_9 = "2.08008382305190411453005682435788538633780534";
        let three = params().with("p", 3.0).with("margin", 0.0);
        let case = triplet(1, points, three.clone());
        assert_values(&case, "loss", &[cube_root_of_9]);
        // d(a, n) = 0 has the slopes [−1, 1].
        assert_claims(&case, "grad.negative", &["[-1, 1] tight", "[-1, 1] tight"]);
        let rooted = |epsilon: f64| three.clone().with("epsilon", epsilon).with("epsilon_placement", "root");
        // |u|³ + 1/8 under the root: with d(a, n) = ½ smooth, d(a, p) = (1 + 8 + 1/8)^(1/3).
        let case = triplet(1, points, rooted(0.125));
        assert_values(&case, "loss", &["1.58966959819061594602818817445438388400699721"]);
        assert_values(&case, "grad.negative", &["0", "0"]);
        let case = triplet(1, points, rooted(0.0));
        assert_values(
            &case,
            "grad.positive",
            &[
                "-0.231120424783544901614450758261987265148645038",
                "0.924481699134179606457803033047949060594580151",
            ],
        );
        // (a − p + 1) = (2, −1), (a − n + 1) = (1, 1): √5 − √2.
        let case = triplet(1, points, params().with("margin", 0.0).with("epsilon", 1.0));
        assert_values(&case, "loss", &["0.82185441512669464760748494452157815687094648"]);
        // p = 1 under the root: 3 + 1 − (0 + 1).
        let case = triplet(1, points, rooted(1.0).with("p", 1.0));
        assert_values(&case, "loss", &["3"]);
        assert_claims(&case, "grad.negative", &["[-1, 1] tight", "[-1, 1] tight"]);
    }

    #[test]
    fn the_hinge_at_0_is_a_set() {
        // 5 + 1 − 6.
        let points: [&[f64]; 3] = [&[0.0, 0.0], &[3.0, 4.0], &[0.0, 6.0]];
        let case = triplet(1, points, params());
        assert_values(&case, "loss", &["0"]);
        assert_claims(&case, "grad.anchor", &["[-0.6, 0] tight", "[0, 0.2] tight"]);
        assert_claims(&case, "grad.positive", &["[0, 0.6] tight", "[0, 0.8] tight"]);
        // Below it everything is exactly 0.
        let case = triplet(1, points, params().with("margin", 0.5));
        assert_claims(&case, "loss", &["0"]);
        assert_claims(&case, "grad.negative", &["0", "0"]);
    }

    #[test]
    fn ties_of_the_largest_coordinate() {
        let points: [&[f64]; 3] = [&[0.0, 0.0, 0.0], &[-2.0, 2.0, 1.0], &[0.0, 1.0, 0.0]];
        let case = triplet(1, points, params().with("p", "inf"));
        assert_values(&case, "loss", &["2"]);
        assert_claims(&case, "grad.positive", &["[-1, 0] tight", "[0, 1] tight", "0"]);
        assert_claims(&case, "grad.anchor", &["[0, 1] tight", "[0, 1] tight", "0"]);
        let coinciding: [&[f64]; 3] = [&[1.0, 1.0], &[1.0, 1.0], &[1.0, 1.5]];
        let case = triplet(1, coinciding, params().with("p", "inf"));
        assert_claims(&case, "grad.positive", &["[-1, 1] tight", "[-1, 1] tight"]);
    }

    #[test]
    fn swap_takes_the_nearer_negative() {
        // d(a, p) = 5, d(a, n) = 13, d(p, n) = 8.
        let points: [&[f64]; 3] = [&[0.0], &[5.0], &[13.0]];
        let swap = params().with("swap", true).with("margin", 4.0);
        let case = triplet(1, points, swap.clone());
        assert_values(&case, "loss", &["1"]);
        assert_values(&case, "grad.anchor", &["-1"]);
        assert_values(&case, "grad.positive", &["2"]);
        assert_values(&case, "grad.negative", &["-1"]);
        assert_values(&triplet(1, points, swap.clone().with("swap", false)), "loss", &["0"]);
        // A tie: d(a, n) = d(p, n) = 2, d(a, p) = 4.
        let case = triplet(1, [&[0.0], &[4.0], &[2.0]], swap);
        assert_values(&case, "loss", &["6"]);
        assert_claims(&case, "grad.anchor", &["[-1, 0]"]);
        assert_claims(&case, "grad.positive", &["[0, 1]"]);
        assert_claims(&case, "grad.negative", &["[-1, 1]"]);
    }

    #[test]
    fn equal_roots_of_different_sums_meet_at_36_digits() {
        // d(a, p) = d(a, n) = √(0.1² + 0.2² + 0.7²) in two orders, margin 0: the hinge is 0, whatever the rounding.
        let points: [&[f64]; 3] = [&[0.0, 0.0, 0.0], &[0.1, 0.2, 0.7], &[0.7, 0.1, 0.2]];
        let case = triplet(1, points, params().with("margin", 0.0));
        let [claim, ..] = &claims_of(&case, "grad.positive")[..] else { panic!("no claims") };
        assert!(matches!(claim, super::super::Claim::Interval { .. }), "{claim:?}");
    }

    #[test]
    fn a_nan_takes_its_row_only() {
        let points: [&[f64]; 3] = [&[0.0, f64::NAN], &[1.0, 1.0], &[0.0, 0.0]];
        let case = triplet(2, points, params().with("reduction", "none"));
        assert_claims(&case, "loss", &["2", "undefined"]);
        assert_claims(&case, "grad.positive", &["1", "undefined"]);
        let case = triplet(2, points, params());
        assert_claims(&case, "loss", &["undefined"]);
        assert_claims(&case, "grad.negative", &["[-0.5, 0.5] tight", "undefined"]);
    }

    #[test]
    fn empty_batches() {
        let none: [&[f64]; 3] = [&[], &[], &[]];
        let empty = |params: Params| {
            case("triplet_margin", params, POINTS.iter().map(|&name| (name, floats(&[0, 2], none[0]))))
        };
        assert_claims(&empty(params()), "loss", &["undefined"]);
        assert_claims(&empty(params().with("empty_mean", "zero")), "loss", &["0"]);
        assert_claims(&empty(params().with("reduction", "sum")), "loss", &["0"]);
        assert_claims(&empty(params()), "grad.anchor", &[]);
    }

    #[test]
    fn an_infinite_degree_with_something_under_the_root_has_no_formula() {
        let rooted = params().with("p", "inf").with("epsilon", 0.5).with("epsilon_placement", "root");
        let case = triplet(1, [&[0.0], &[1.0], &[3.0]], rooted);
        assert_eq!(skip_of(&case), "no_closed_form");
    }

    #[test]
    fn gradients_are_the_differences_of_the_loss() {
        let mut random = Random::new(3);
        let mut compared = 0;
        for reduction in ["none", "mean", "sum"] {
            for degree in [1.0, 1.5, 2.0, 3.0, 7.25, f64::INFINITY] {
                for (epsilon, placement) in [(0.0, "root"), (0.03125, "root"), (0.03125, "difference")] {
                    if degree.is_infinite() && epsilon != 0.0 && placement == "root" {
                        continue;
                    }
                    for swap in [false, true] {
                        let params =
                            params().with("reduction", reduction).with("swap", swap).with("margin", 4.0);
                        let params = params.with("epsilon", epsilon).with("epsilon_placement", placement);
                        let params = if degree.is_infinite() {
                            params.with("p", "inf")
                        } else {
                            params.with("p", degree)
                        };
                        let points = [(); 3].map(|()| random.values(2 * 3, -2.0, 2.0));
                        let points = [&points[0][..], &points[1][..], &points[2][..]];
                        let case = with_random_upstream(triplet(2, points, params), &mut random);
                        compared += assert_differences(&case);
                    }
                }
            }
        }
        assert_eq!(compared, 3 * (5 * 3 + 2) * 2 * 18);
    }
}
