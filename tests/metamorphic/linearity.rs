//! The gradient is linear in the upstream; and the loss does not depend on it.

use crate::helpers::*;
use crate::reals;
use lossproof::case::Case;
use lossproof::tensor::Tensor;
use lossproof::truth::Truth;

/// The case with another upstream; nothing where the format does not hold it.
fn with_upstream(case: &Case, change: impl Fn(usize, f64) -> f64) -> Option<Case> {
    let values: Vec<f64> = case.upstream.floats().iter().enumerate().map(|(i, &u)| change(i, u)).collect();
    let held = values.iter().all(|&u| u.is_finite() && case.format.holds(u));
    let upstream = Tensor::float(case.format, &case.upstream.shape, values);
    held.then(|| Case { upstream, ..case.clone() })
}

#[test]
fn a_power_of_two_times_the_upstream_scales_the_gradient_exactly() {
    const POWER: i32 = 2;
    holds(&losses(|_| true), |case| {
        let Some(scaled) = with_upstream(case, |_, u| -u * 2f64.powi(POWER)) else { return Ok(0) };
        let (found, expected) = (prove(&scaled), prove(case));
        let mut compared = same(&found[0], &expected[0])?;
        for (found, expected) in found[1..].iter().zip(&expected[1..]) {
            let expected: Vec<Truth> = expected.elements.iter().map(negated).collect();
            compared += same_scaled(&found.name, &found.elements, &expected, POWER, case.format)?;
        }
        Ok(compared)
    });
}

#[test]
fn the_gradient_of_a_sum_of_upstreams_is_the_sum_of_gradients() {
    holds(&losses(|_| true), |case| {
        let other = |i: usize| [1.0, -2.0, 0.5, 4.0][i % 4];
        let Some(second) = with_upstream(case, |i, _| other(i)) else { return Ok(0) };
        let Some(both) = with_upstream(case, |i, u| exact_sum(u, other(i), case.format)) else {
            return Ok(0);
        };
        let [first, second, both] = [case, &second, &both].map(reals::prove);
        let mut compared = 0;
        for (place, found) in both.iter().enumerate().skip(1) {
            let all = [&first[place], &second[place], found].map(reals::Proved::numbers);
            let [Some(first), Some(second), Some(found)] = all else { continue };
            let sum: Vec<_> = first.iter().zip(&second).map(|(x, y)| x.plus(y)).collect();
            compared += reals::meet(&both[place].name, &found, &sum)?;
        }
        Ok(compared)
    });
}

#[test]
fn no_upstream_no_gradient() {
    holds(&losses(|_| true), |case| {
        let Some(zero) = with_upstream(case, |_, _| 0.0) else { return Ok(0) };
        let (found, given) = (prove(&zero), prove(case));
        let mut compared = 0;
        for (found, given) in found[1..].iter().zip(&given[1..]) {
            for (at, (found, given)) in found.elements.iter().zip(&given.elements).enumerate() {
                if matches!(given, Truth::Infinite { .. } | Truth::Undefined) {
                    continue;
                }
                let nothing = Truth::Proved(lossproof::format::Canonical::ZERO);
                if *found != nothing {
                    return Err(format!("gradient {at} is {found:?}"));
                }
                compared += 1;
            }
        }
        Ok(compared)
    });
}
