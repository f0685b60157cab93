//! Sums of terms c·e^−t that no precision shows beside an exact number: their sign, and how large they are at most.
//!
//! *Sound*: a sum's sign comes from balls, after the factor e^−t of one term has been taken out, which is above 0
//! however far it lies below MPFR's range. Not complete: terms that cancel have no known sign.

use super::ball::{Ball, Place};
use super::elementary::exp;
use super::radius::Radius;

/// The precision of coefficients and exponents: it holds the product of two f64 exactly, so that equal exponents are known
/// to be equal.
pub const PRECISION: u32 = 256;

/// Σ cᵢ·e^−tᵢ.
#[derive(Clone, Debug, Default)]
pub struct Tails(Vec<(Ball, Ball)>);

impl Tails {
    /// c·e^−t + …, of pairs (c, t).
    pub fn of(terms: impl IntoIterator<Item = (Ball, Ball)>) -> Tails {
        Tails(terms.into_iter().filter(|(c, _)| !c.is_zero()).collect())
    }

    /// Whether there is no term.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of both.
    pub fn and(mut self, mut other: Tails) -> Tails {
        self.0.append(&mut other.0);
        self
    }

    /// x times the sum.
    pub fn times(self, x: &Ball) -> Tails {
        Tails::of(self.0.into_iter().map(|(c, t)| (c.mul(x, PRECISION), t)))
    }

    /// The sign of the sum: that of Σ cᵢ·e^(t − tᵢ), t any one of the tᵢ; the least, with which the powers are small.
    pub fn place(&self) -> Place {
        let less = |a: &Ball, b: &Ball| b.sub(a, PRECISION).place() == Place::Positive;
        let Some((_, first)) = self.0.first() else { return Place::Zero };
        let least = self.0.iter().fold(first, |least, (_, t)| if less(t, least) { t } else { least });
        let scaled: Vec<Ball> =
            self.0.iter().map(|(c, t)| c.mul(&exp(&least.sub(t, PRECISION), PRECISION), PRECISION)).collect();
        Ball::sum(scaled.iter(), PRECISION).place()
    }

    /// The sum itself.
    #[cfg(test)]
    pub fn sum(&self, prec: u32) -> Ball {
        let terms: Vec<Ball> = self.0.iter().map(|(c, t)| c.mul(&exp(&t.neg(), prec), prec)).collect();
        Ball::sum(terms.iter(), prec)
    }

    /// An upper bound of the sum's size.
    pub fn magnitude(&self) -> Radius {
        let size = |(c, t): &(Ball, Ball)| c.magnitude() * exp(&t.neg(), PRECISION).magnitude();
        self.0.iter().map(size).fold(Radius::ZERO, |sum, size| sum + size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tails(terms: &[(f64, f64)]) -> Tails {
        Tails::of(terms.iter().map(|&(c, t)| (Ball::from_f64(c), Ball::from_f64(t))))
    }

    /// The slowest decay decides, also where each term underflows; equal exponents add up exactly.
    #[test]
    fn signs() {
        for (terms, place) in [
            (&[][..], Place::Zero),
            (&[(-1.0, 1e300), (1e30, 2e300)], Place::Negative),
            (&[(1e30, 2e300), (-1.0, 1e300)], Place::Negative),
            (&[(-1e-300, 3.0), (1.0, 900.0)], Place::Negative),
            (&[(-1e-300, 3.0), (1.0, 600.0)], Place::Positive),
            (&[(2.0, 1e9), (-1.0, 1e9), (-0.5, 1e9)], Place::Positive),
            (&[(1.0, 1e300), (-1.0, 1e300), (1.0, 1e301)], Place::Positive),
            (&[(1.0, 1e9), (-1.0, 1e9)], Place::Zero),
        ] {
            assert_eq!(tails(terms).place(), place, "{terms:?}");
        }
        assert_eq!(tails(&[(3.0, 1e9)]).times(&Ball::from_f64(-2.0)).place(), Place::Negative);
    }

    /// c·e^−t is at most its bound, and is not 0 where it underflows.
    #[test]
    fn sizes() {
        assert!(tails(&[(1.0, 1e300)]).magnitude() > Radius::ZERO);
        let bound = tails(&[(-3.0, 10.0), (2.0, 11.0)]).magnitude().to_float().to_f64();
        let exact = 3.0 * (-10.0_f64).exp() + 2.0 * (-11.0_f64).exp();
        assert!(bound >= exact && bound <= 1.001 * exact, "{bound}");
    }
}
