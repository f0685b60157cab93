//! Huber's function over balls, as huber and smooth_l1 scale it: quadratic near 0, linear beyond, and once differentiable
//! where the two meet, so that a ball over that point needs no hull of two branches.

use super::ball::{Ball, reciprocal_above};
use super::elementary::widened;
use super::radius::Radius;
use Ball::{Finite, Huge, Infinite, Undefined, Unknown};
use rug::Float;

/// Bits beyond the result's for what is rounded on the way.
const GUARD: u32 = 8;

/// ½x² for |x| ≤ δ, δ·(|x| − ½δ) beyond; ∞ at ±∞. δ is above 0.
///
/// |huber′| = min(|x|, δ), so the function moves within the ball by at most r·min(|m| + r, δ).
pub fn huber(x: &Ball, delta: f64, prec: u32) -> Ball {
    over(x, |mid, rad| {
        let y = match pieces(mid, delta, prec + GUARD) {
            Piece::Quadratic(square) => half().mul(&square, prec),
            Piece::Linear(rest) => Ball::from_f64(delta).mul(&rest, prec),
        };
        widened(y, rad, |_| rad * x.magnitude().min(above(delta)))
    })
}

/// x²/(2β) for |x| ≤ β, |x| − ½β beyond; ∞ at ±∞. β is above 0.
///
/// |smooth_l1′| = min(|x|/β, 1), so the function moves within the ball by at most r·min((|m| + r)/β, 1).
pub fn smooth_l1(x: &Ball, beta: f64, prec: u32) -> Ball {
    over(x, |mid, rad| {
        let y = match pieces(mid, beta, prec + GUARD) {
            Piece::Quadratic(square) => half().mul(&square, prec + GUARD).div(&Ball::from_f64(beta), prec),
            Piece::Linear(rest) => rest,
        };
        let slope = || x.magnitude() * reciprocal_above(&Float::with_val(53, beta));
        widened(y, rad, |_| rad * slope().min(Radius::ONE))
    })
}

/// What a point gives, before it is scaled.
enum Piece {
    /// x².
    Quadratic(Ball),
    /// |x| − ½δ.
    Linear(Ball),
}

fn pieces(x: &Float, delta: f64, prec: u32) -> Piece {
    let size = x.clone().abs();
    if size <= delta {
        return Piece::Quadratic(Ball::exact(size).square(prec));
    }
    // ½δ is exact: MPFR's exponents go far below an f64's.
    Piece::Linear(Ball::exact(size).sub(&half().mul(&Ball::from_f64(delta), 53), prec))
}

fn over(x: &Ball, finite: impl Fn(&Float, Radius) -> Ball) -> Ball {
    match x {
        Finite { mid, rad, .. } => finite(mid, *rad),
        Infinite(_) => Infinite(false),
        Undefined => Undefined,
        Huge(_) | Unknown => Unknown,
    }
}

fn half() -> Ball {
    Ball::from_f64(0.5)
}

fn above(x: f64) -> Radius {
    Radius::above(&Float::with_val(53, x))
}
