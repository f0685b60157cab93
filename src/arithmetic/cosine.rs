//! Balls of the cosine of two rows and its gradient, as one root of an exact product.
//!
//! *Sound*: compositions of sound operations. *Tight*: for exact rows everything under the root and the gradient's numerator
//! is exact as soon as the precision holds their sums of products, so that parallel rows have exactly the cosine ±1 and the
//! gradient 0, and a cosine that can be written comes out exactly. *Total*.

use super::ball::{Ball, Place};
use super::elementary::{sqrt, sqrt_of_nonnegative};
use super::monomial::Parts;
use rug::Rational;

/// What two rows share: d = x·y, ‖x‖² + ε, ‖y‖² + ε, and the root of their product.
pub struct Cosine {
    dot: Ball,
    squares: [Ball; 2],
    root: Ball,
}

impl Cosine {
    /// Of two rows.
    pub fn of(x: &[&Ball], y: &[&Ball], epsilon: f64, prec: u32) -> Cosine {
        let products: Vec<Ball> = x.iter().zip(y).map(|(x, y)| x.mul(y, prec)).collect();
        let squares = [x, y].map(|row| {
            let mut squares: Vec<Ball> = row.iter().map(|x| x.square(prec)).collect();
            if epsilon != 0.0 {
                squares.push(Ball::from_f64(epsilon));
            }
            Ball::sum(squares.iter(), prec)
        });
        let root = sqrt_of_nonnegative(&squares[0].mul(&squares[1], prec), prec);
        Cosine { dot: Ball::sum(products.iter(), prec), squares, root }
    }

    /// d/√(N₁N₂) as ±√(d²/(N₁N₂)), where the sign of d is known: exact where that root is.
    pub fn value(&self, prec: u32) -> Ball {
        let product = self.squares[0].mul(&self.squares[1], prec);
        let size = || sqrt(&self.dot.square(prec).div(&product, prec), prec);
        match (product.place(), self.dot.place()) {
            (Place::Positive, Place::Positive) => size(),
            (Place::Positive, Place::Negative) => size().neg(),
            _ => self.dot.div(&self.root, prec),
        }
    }

    /// ∂/∂xᵢ = (yᵢ·N₁ − d·xᵢ)/(N₁·√(N₁N₂)): the numerator is exact for exact rows, 0 for parallel ones.
    pub fn gradient(&self, x: &Ball, y: &Ball, prec: u32) -> Ball {
        let numerator = y.mul(&self.squares[0], prec).sub(&self.dot.mul(x, prec), prec);
        numerator.div(&self.squares[0].mul(&self.root, prec), prec)
    }

    /// The cosine as the root of a rational, for exact rows.
    pub fn value_parts(&self) -> Option<Parts> {
        let rational = Cosine::rational;
        let [dot, first, second] = [&self.dot, &self.squares[0], &self.squares[1]].map(rational);
        let (dot, product) = (dot?, first? * second?);
        if product == 0 {
            return None;
        }
        Some(Parts::root(dot < 0, dot.clone() * dot / product))
    }

    /// A coordinate of the gradient as the root of a rational, for exact rows.
    pub fn gradient_parts(&self, x: &Ball, y: &Ball) -> Option<Parts> {
        let rational = Cosine::rational;
        let (first, second) = (rational(&self.squares[0])?, rational(&self.squares[1])?);
        let numerator = rational(y)? * &first - rational(&self.dot)? * rational(x)?;
        // (N₁·√(N₁N₂))² = N₁³·N₂.
        let divisor = Rational::from(&first * &first) * &first * second;
        if divisor == 0 {
            return None;
        }
        Some(Parts::root(numerator < 0, numerator.clone() * numerator / divisor))
    }

    /// An exact number of not too many bits.
    fn rational(x: &Ball) -> Option<Rational> {
        /// Beyond these exponents rationals are not worth building.
        const MOST_BITS: u32 = 1 << 13;
        match x {
            Ball::Finite { mid, .. }
                if x.is_exact() && mid.get_exp().is_none_or(|e| e.unsigned_abs() < MOST_BITS) =>
            {
                mid.to_rational()
            }
            _ => None,
        }
    }
}
