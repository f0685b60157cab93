//! Sums of balls: one rounding of MPFR's exact sum.
//!
//! *Sound*: the radii add; a side is kept where every term that matters is exact or on it. *Total*.

use super::{Ball, Finite, Radius, Side, joined};
use crate::arithmetic::number::Number;
use rug::Float;
use rug::float::Round;
use std::cmp::Ordering;

impl Ball {
    /// Σ of balls, rounded once: exact where MPFR says that the sum of exact terms is.
    pub fn sum<'a>(terms: impl Iterator<Item = &'a Ball> + Clone, prec: u32) -> Ball {
        let mut radius = Radius::ZERO;
        let mut all_finite = true;
        let mut side = (Radius::ZERO, Side::Any);
        for term in terms.clone() {
            match term {
                Finite { rad, side: own, .. } => {
                    radius = radius + *rad;
                    side = (radius, joined(side, (*rad, *own)));
                }
                _ => all_finite = false,
            }
        }
        if !all_finite {
            return terms.fold(Ball::zero(), |sum, term| sum.add(term, prec));
        }
        let mids = terms.clone().filter_map(|term| match term {
            Finite { mid, .. } => Some(&**mid),
            _ => None,
        });
        let sum = Number::rounded(prec, Float::sum(mids), Round::Nearest);
        if sum.1 != Ordering::Equal
            && let Some(ball) = Ball::sum_moved_off(terms, &sum.0, prec)
        {
            return ball;
        }
        Ball::rounded_on(sum, radius, side.1)
    }

    /// The sum as a one-sided ball, where the exact and one-sided terms add up exactly to the rounded sum, and the
    /// others vanish beside it, all of them on one side.
    fn sum_moved_off<'a>(
        terms: impl Iterator<Item = &'a Ball> + Clone,
        sum: &Float,
        prec: u32,
    ) -> Option<Ball> {
        let is_main = |term: &&Ball| term.is_exact() || term.is_one_sided();
        let vanishing = |term: &Ball| match (term.magnitude(), sum.get_exp()) {
            (size, Some(e)) => size.bound_exponent() < i64::from(e) - i64::from(prec),
            _ => false,
        };
        let mut side = (Radius::ZERO, Side::Any);
        for term in terms.clone() {
            let Finite { rad, side: own, .. } = term else { return None };
            let (size, own) = if !is_main(&term) {
                if !vanishing(term) {
                    return None;
                }
                (term.magnitude(), Side::of(term.place()))
            } else {
                (*rad, *own)
            };
            side = (side.0 + size, joined(side, (size, own)));
        }
        let mids = terms.filter(is_main).filter_map(|term| match term {
            Finite { mid, .. } => Some(&**mid),
            _ => None,
        });
        let (main, ternary) = Number::rounded(prec, Float::sum(mids), Round::Nearest);
        (ternary == Ordering::Equal && side.1 != Side::Any).then(|| Ball::sided(main, side.0, side.1))
    }
}
