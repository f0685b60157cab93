//! Powers and roots of balls of any degree.

use super::{Rounded, above, expm1_above, is_small, over_least, sqrt_of_nonnegative};
use crate::arithmetic::ball::{Ball, Place, Side};
use crate::arithmetic::number::Number;
use crate::arithmetic::radius::Radius;
use Ball::{Finite, Infinite, Undefined, Unknown};
use rug::Float;
use rug::float::Round;
use rug::ops::Pow;
use std::cmp::Ordering;

/// x^p for a known finite p: x^0 = 1; 0^p = 0 for p > 0, ∞ for p < 0; undefined for x < 0 unless p is an integer.
pub fn pow(x: &Ball, p: f64, prec: u32) -> Ball {
    let even = p % 2.0 == 0.0;
    match (x, x.place()) {
        (Undefined, _) => Undefined,
        (Unknown, _) => Unknown,
        _ if p == 0.0 => Ball::one(),
        _ if p == 1.0 => x.clone(),
        _ if p == 2.0 => x.square(prec),
        (_, Place::Zero) => {
            if p > 0.0 {
                Ball::zero()
            } else {
                Infinite(false)
            }
        }
        (_, Place::Negative) if p.fract() != 0.0 => Undefined,
        (_, Place::Negative) => {
            let y = pow(&x.neg(), p, prec);
            if even { y } else { y.neg() }
        }
        (Infinite(_), _) => {
            if p > 0.0 {
                Infinite(false)
            } else {
                Ball::zero()
            }
        }
        (Finite { mid, rad, .. }, Place::Positive) if !mid.is_zero() => {
            let degree = Number::new(53, p);
            if rad.is_zero() {
                let y = Number::rounded(prec, (&**mid).pow(&*degree), Round::Nearest);
                return Ball::rounded(y, Radius::ZERO);
            }
            let Some((low, high)) = x.ends(prec) else { return Unknown };
            let side = x.side();
            if side != Side::Any {
                // Strictly monotone: beside an exact power of the midpoint, up to the power of the other end.
                let (near, ternary) = Number::rounded(prec, (&**mid).pow(&*degree), Round::Nearest);
                let end = if side == Side::Above { &high } else { &low };
                let side = if p > 0.0 { side } else { side.flipped() };
                let outward = if side == Side::Above { Round::Up } else { Round::Down };
                let far = Number::rounded(prec, (&**end).pow(&*degree), outward).0;
                let mut distance = Number::new(prec, &*far - &*near);
                distance.abs_mut();
                if ternary == Ordering::Equal && near.is_finite() && !near.is_zero() && *distance > 0 {
                    return Ball::sided(near, Radius::above(&distance) + Radius::half_ulp(&distance), side);
                }
            }
            // |(m±r)^p − m^p| ≤ m^p·(e^δ − 1) with δ = |p|·r/(m − r), as |ln(1 + τ)| ≤ |τ|/(1 − |τ|).
            let delta = Radius::above(&degree) * over_least(mid, *rad);
            if is_small(delta) {
                let (y, ternary) = Number::rounded(prec, (&**mid).pow(&*degree), Round::Nearest);
                if y.is_normal() {
                    let propagated = above(&y) * expm1_above(delta);
                    return Ball::rounded((y, ternary), propagated);
                }
            }
            let (low, high) = if p > 0.0 { (low, high) } else { (high, low) };
            let low = Number::rounded(prec, (&*low).pow(&*degree), Round::Down).0;
            let high = Number::rounded(prec, (&*high).pow(&*degree), Round::Up).0;
            Ball::from_ends(&low, &high, prec)
        }
        (Finite { .. }, _) if p > 0.0 => {
            // Around 0: between 0, or −|x|^p for odd p, and |x|^p; undefined possible for other p.
            if p.fract() != 0.0 {
                return Unknown;
            }
            let bound = x.magnitude().to_number();
            let high = Number::rounded(prec, (&*bound).pow(&*Number::new(53, p)), Round::Up).0;
            let low = if even { Number::new(2, 0) } else { Number::new(prec, -&*high) };
            Ball::from_ends(&low, &high, prec)
        }
        _ => Unknown,
    }
}

/// x^(1/p) of a number known not to be negative, p ≥ 1.
///
/// For p = a/2^k with small a and k it is the a-th root of x^(2^k), so that exact roots come out exact.
pub fn root_of_nonnegative(x: &Ball, p: f64, prec: u32) -> Ball {
    if p == 1.0 {
        return x.clone();
    }
    if p == 2.0 {
        return sqrt_of_nonnegative(x, prec);
    }
    match x {
        Finite { .. } => {}
        Infinite(_) => return Infinite(false),
        Undefined => return Undefined,
        _ => return Unknown,
    }
    if x.is_zero() {
        return Ball::zero();
    }
    let Some((low, high)) = x.ends(prec) else { return Unknown };
    let low = if low.is_sign_negative() { Number::new(2, 0) } else { low };
    if let Some((a, k)) = small_fraction(p) {
        if x.is_exact() {
            let mut power = x.clone();
            for _ in 0..k {
                power = power.square(prec.max(64) * 4);
            }
            if let (true, Finite { mid, .. }) = (power.is_exact(), &power) {
                return Ball::rounded(Number::rounded(prec, mid.root_ref(a), Round::Nearest), Radius::ZERO);
            }
        }
        if let Some(y) = by_midpoint(x, p, |mid| {
            // k squares of 1 + ε each, to the power 1/a: (1 + ε)^(2^k/a), 2^k/a = 1/p, ε ≤ 2^−(prec + 32).
            let mut power = Number::new(mid.prec(), mid);
            for _ in 0..k {
                power = Number::rounded(prec + 32, power.square_ref(), Round::Nearest).0;
            }
            let inexact = if k == 0 { Radius::ZERO } else { Radius::power_of_two(-i64::from(prec) - 31) };
            (Number::rounded(prec, power.root_ref(a), Round::Nearest), inexact)
        }) {
            return y;
        }
        let root = |x: &Float, round: Round| {
            let mut power = Number::new(x.prec(), x);
            for _ in 0..k {
                power = Number::rounded(prec + 32, power.square_ref(), round).0;
            }
            Number::rounded(prec, power.root_ref(a), round).0
        };
        return Ball::from_ends(&root(&low, Round::Down), &root(&high, Round::Up), prec);
    }
    if let Some(y) = by_midpoint(x, p, |mid| {
        // q = (1 + ε)/p, so x^q = x^(1/p)·e^(ε·ln x/p), and |ln x| ≤ |e| + 1 for x in [2^(e−1), 2^e].
        let q = Number::rounded(prec + 64, 1 / &*Number::new(prec + 64, p), Round::Nearest).0;
        let logarithm = Radius::above(&Number::new(64, mid.get_exp().unwrap_or(0).unsigned_abs() + 1));
        let inexact =
            if *mid == 1 { Radius::ZERO } else { logarithm * Radius::power_of_two(-i64::from(prec) - 63) };
        (Number::rounded(prec, mid.pow(&*q), Round::Nearest), inexact)
    }) {
        return y;
    }
    // x^q with q around 1/p: monotone in x, and in q on each side of 1, so the four corners bound it.
    let p = Number::new(53, p);
    let q = |round| Number::rounded(prec + 32, p.recip_ref(), round).0;
    let corner = |x: &Float, q: &Float, round| Number::rounded(prec, x.pow(q), round).0;
    let (q_low, q_high) = (q(Round::Down), q(Round::Up));
    let mut bottom = corner(&low, &q_low, Round::Down);
    bottom.min_mut(&corner(&low, &q_high, Round::Down));
    let mut top = corner(&high, &q_low, Round::Up);
    top.max_mut(&corner(&high, &q_high, Round::Up));
    Ball::from_ends(&bottom, &top, prec)
}

/// x^(1/p) of a narrow positive ball by `root`, which gives the midpoint's root rounded to nearest, of a number that is
/// inexact by a factor (1 + δ)^(1/p), |ln(1 + δ)| ≤ the bound; `None` where the ball is wide.
///
/// |(m±r)^(1/p) − m^(1/p)| ≤ m^(1/p)·(e^δ − 1) with δ = r/(m − r)/p, as |ln(1 + τ)| ≤ |τ|/(1 − |τ|); the factor adds to δ.
fn by_midpoint(x: &Ball, p: f64, root: impl Fn(&Float) -> (Rounded, Radius)) -> Option<Ball> {
    let Finite { mid, rad, .. } = x else { return None };
    if x.place() != Place::Positive || mid.is_zero() {
        return None;
    }
    let per = Radius::above(&Number::rounded(53, 1 / &*Number::new(53, p), Round::Nearest).0)
        * Radius::above(&Number::new(64, 1.0 + f64::EPSILON));
    let spread = over_least(mid, *rad);
    if !is_small(spread * per) {
        return None;
    }
    let (y, inexact) = root(mid);
    let delta = (spread + inexact) * per;
    if !(y.0.is_normal() && is_small(delta)) {
        return None;
    }
    let propagated = if delta.is_zero() { Radius::ZERO } else { above(&y.0) * expm1_above(delta) };
    Some(Ball::rounded(y, propagated))
}

/// p = a/2^k with a ≤ 64 and k ≤ 4.
pub fn small_fraction(p: f64) -> Option<(u32, u32)> {
    (0..=4u32).find_map(|k| {
        let a = p * f64::from(1u32 << k);
        (a.fract() == 0.0 && (1.0..=64.0).contains(&a)).then_some((a as u32, k))
    })
}
