//! Balls of the focal loss and its gradient.
//!
//! *Sound*: compositions of sound operations, and where a saturated logit makes the loss differ from its limit by less than
//! any precision shows, the side of the limit by its expansion ([`Turned::expansions`]). *Total*.

use super::ball::{Ball, Place, Side};
use super::binary::weighted_sum;
use super::elementary::{exp, expm1, log_sigmoid, pow, sigmoid, softplus};
use super::monomial::Parts;
use super::number::Number;
use super::radius::Radius;
use super::tails::{self, Tails};
use crate::graph::{Focal, SoftTarget};

/// A saturated loss or gradient is told by its side once its digits are below 2^−2048 of its limit, or below what the precision
/// shows.
const INVISIBLE: u32 = 2048;

/// Up to this s the error of an expansion, at least 32·e^−s, is not below 2^−20.
const LEAST: f64 = 17.0;

/// A number as an exact limit and what a saturated logit adds to it.
struct Expansion {
    limit: Ball,
    rest: Tails,
}

/// A logit and its target, turned so that the logit is −s: (z, y, α) and (−z, 1−y, 1−α) have the same loss, and gradients
/// of opposite signs.
struct Turned {
    focal: Focal,
    /// s ≥ 0.
    s: Ball,
    /// The class that the logit is against, and the other one: y and 1 − y.
    against: Ball,
    with: Ball,
    /// α·y and (1−α)·(1−y).
    parts: [Ball; 2],
    two_terms: bool,
    negative: bool,
    prec: u32,
}

impl Turned {
    /// Of a decided sign of z; `None` where z straddles 0, or is no number.
    fn of(z: &Ball, y: &Ball, focal: Focal, prec: u32) -> Option<Turned> {
        let positive = match z.place() {
            Place::Positive => true,
            Place::Negative | Place::Zero => false,
            Place::Straddles => return None,
        };
        let no = Ball::one().sub(y, prec);
        let alpha = focal.alpha.map(|alpha| Ball::from_f64(alpha.get()));
        let on = alpha.as_ref().map_or(y.clone(), |alpha| alpha.mul(y, prec));
        let off = alpha.map_or(no.clone(), |alpha| Ball::one().sub(&alpha, prec).mul(&no, prec));
        let two_terms = focal.soft == SoftTarget::Linear || y.is_zero() || no.is_zero();
        let s = z.abs(prec);
        Some(match positive {
            true => Turned {
                focal,
                s,
                against: no,
                with: y.clone(),
                parts: [off, on],
                two_terms,
                negative: true,
                prec,
            },
            false => Turned {
                focal,
                s,
                against: y.clone(),
                with: no,
                parts: [on, off],
                two_terms,
                negative: false,
                prec,
            },
        })
    }

    fn gamma(&self) -> Ball {
        Ball::from_f64(self.focal.gamma())
    }

    fn alpha_t(&self) -> Ball {
        match self.focal.alpha {
            Some(_) => self.parts[0].add(&self.parts[1], self.prec),
            None => Ball::one(),
        }
    }

    /// L = y·s + ln(1 + e^−s) > 0.
    fn entropy(&self) -> Ball {
        self.against.mul(&self.s, self.prec).add(&softplus(&self.s.neg(), self.prec), self.prec)
    }

    /// σ(−s) − y.
    fn entropy_slope(&self) -> Ball {
        sigmoid(&self.s.neg(), self.prec).sub(&self.against, self.prec)
    }

    /// σ(t)^γ·softplus(t) and its derivative by t over σ(t)^γ: σ(t) + γ·σ(−t)·softplus(t).
    fn term(&self, t: &Ball) -> (Ball, Ball) {
        let prec = self.prec;
        let (weight, surprise) = (sigmoid_power(t, self.focal.gamma(), prec), softplus(t, prec));
        let rest = self.gamma().mul(&sigmoid(&t.neg(), prec), prec).mul(&surprise, prec);
        let slope = weight.mul(&sigmoid(t, prec).add(&rest, prec), prec);
        (weight.mul(&surprise, prec), slope)
    }

    /// The focal weight W, and d with W′ = W·d by the logit −s.
    fn weight(&self, entropy: &Ball) -> (Ball, Ball) {
        let (prec, gamma) = (self.prec, self.focal.gamma());
        let (far, near) = (sigmoid(&self.s.neg(), prec), sigmoid(&self.s, prec));
        let gap = self.with.sub(&self.against, prec);
        if gamma == 0.0 {
            // No weight: what its derivative multiplies may be out of range.
            return (Ball::one(), Ball::zero());
        }
        match self.focal.soft {
            // Two terms instead.
            SoftTarget::Linear => (Ball::Unknown, Ball::Unknown),
            SoftTarget::InterpolateP => {
                // y·σ(s) + (1−y)·σ(−s), exactly ½ for y = ½, and of known side of y.
                let q = self.against.add(&gap.mul(&far, prec), prec);
                let slope = gap.mul(&near.mul(&far, prec), prec);
                (pow(&q, gamma, prec), self.gamma().mul(&slope.div(&q, prec), prec))
            }
            SoftTarget::ExpBce => {
                let weight = pow(&expm1(&entropy.neg(), prec).neg(), gamma, prec);
                let slope = self.entropy_slope().div(&expm1(entropy, prec), prec);
                (weight, self.gamma().mul(&slope, prec))
            }
            SoftTarget::LogWeight => {
                // −z·(2y − 1) = s·(y − (1 − y)).
                let t = gap.neg().mul(&self.s, prec);
                let slope = self.gamma().mul(&gap.mul(&sigmoid(&t.neg(), prec), prec), prec);
                (sigmoid_power(&t, gamma, prec), slope)
            }
        }
    }

    /// The loss and the gradient's size (the derivative by s) of a saturated logit, as their limits and sums of c·e^−t.
    ///
    /// With w = e^−s: ln(1 + w) = w·u and σ(−s) = w·u, u a number near 1, not always the same one. Then
    /// softplus(s) = s + wu, σ(s)^γ = 1 + E with E = −γw·u, σ(−s)^γ = e^−γs·u.
    ///
    /// - Two terms, a = α·y and b = (1−α)(1−y). Loss: a·(1 + E)(s + wu) + b·e^−γs·wu. Its derivative:
    ///   a·(1 + E)(1 − wu + γwu(s + wu)) − b·e^−γs·(wu + γwu).
    /// - One weight W = W₀ + E, L = ys + wu, W′ = D. Loss: W₀ys + EL + W₀wu. Its derivative: W₀y + E(y − wu) − W₀wu + DL. With
    ///   m = 2y − 1:
    ///   - 1 − e^−L to γ, v = e^−ys: W₀ = 1, E = −γvu, D = γW(y − σ(−s))/(e^L − 1) = γvu·(y − wu).
    ///   - σ(ms)^γ, v = e^−ms, for m > 0: W₀ = 1, E = −γvu, D = γW·mσ(−ms) = γm·vu; for m = 0: W₀ = 2^−γ, E = D = 0.
    ///   - y − mσ(−s) to γ: W₀ = y^γ, E = −W₀γ(m/y)wu, D = γW·mσ(−s)σ(s)/(y − mσ(−s)) = W₀γ(m/y)wu.
    ///
    /// How near to 1 each u is: with x the size of what is small (w; v; w·|m|/y ≤ w/y) and x ≤ ½, the ratios ln(1±x)/±x,
    /// 1/(1±x) and e^−x are within 2x of 1, (e^t − 1)/t within |t| of it, |t| ≤ 2γx ≤ 1, and (1 ± x)^γ within 4γx. Each is within
    /// 4(γ+1)x, so every product of at most four of them within 32(γ+1)x, if that is below 2^−20.
    fn expansions(&self) -> Option<[Expansion; 2]> {
        let (wide, gamma) = (tails::PRECISION, self.gamma());
        if self.s.sub(&Ball::from_f64(LEAST), wide).place() != Place::Positive {
            return None;
        }
        let decay = |t: &Ball| exp(&t.neg(), 64).magnitude();
        let (y, with, s) = (&self.against, &self.with, &self.s);
        let product = y.mul(s, wide);
        let gap = y.sub(with, wide);
        let tilted = gap.mul(s, wide);
        let small = match self.focal.soft {
            _ if self.two_terms => decay(s),
            SoftTarget::ExpBce => decay(&product),
            SoftTarget::LogWeight if gap.is_zero() => decay(s),
            SoftTarget::LogWeight if gap.place() == Place::Positive => decay(&tilted),
            SoftTarget::InterpolateP => decay(s) * Ball::one().div(y, 64).magnitude(),
            _ => return None,
        };
        let one = Ball::one();
        let error = small * gamma.add(&one, 64).magnitude() * Radius::power_of_two(5);
        if error >= Radius::power_of_two(-20) {
            return None;
        }
        let tiny = Ball::around(Number::new(2, 0), error);
        let about = |x: &Ball| x.add(&tiny, wide);
        let (u, mul) = (about(&one), |x: &Ball, y: &Ball| x.mul(y, wide));
        if self.two_terms {
            let [a, b] = &self.parts;
            let (later, moved) = (mul(s, &gamma.add(&one, wide)), mul(&gamma, &u));
            // u − γu·(s + wu), and −γu + u·(γ(s + wu) − 1).
            let fall = u.sub(&mul(&moved, &about(s)), wide);
            let rise = mul(&u, &mul(&gamma, &about(s)).sub(&one, wide)).sub(&moved, wide);
            let other = mul(b, &u.add(&moved, wide)).neg();
            return Some([
                Expansion {
                    limit: a.mul(s, self.prec),
                    rest: Tails::of([(mul(a, &fall), s.clone()), (mul(b, &u), later.clone())]),
                },
                Expansion { limit: a.clone(), rest: Tails::of([(mul(a, &rise), s.clone()), (other, later)]) },
            ]);
        }
        // W₀, −E and D over their decay, which is e^−t.
        let (start, fall, change, t) = match self.focal.soft {
            SoftTarget::ExpBce => {
                let fall = mul(&gamma, &u);
                (one, fall.clone(), mul(&fall, &about(y)), product.clone())
            }
            SoftTarget::LogWeight if gap.is_zero() => (
                pow(&Ball::from_f64(0.5), self.focal.gamma(), self.prec),
                Ball::zero(),
                Ball::zero(),
                s.clone(),
            ),
            SoftTarget::LogWeight => {
                let fall = mul(&gamma, &u);
                (one, fall.clone(), mul(&fall, &gap), tilted)
            }
            _ => {
                let start = pow(y, self.focal.gamma(), self.prec.max(wide));
                let fall = mul(&mul(&start, &gamma), &mul(&gap.div(y, wide), &u));
                (start, fall.clone(), fall, s.clone())
            }
        };
        let (entropy, more) = (about(&product), mul(&start, &u));
        let slope = mul(&change, &entropy).sub(&mul(&fall, &about(y)), wide);
        Some([
            Expansion {
                limit: start.mul(&self.against.mul(s, self.prec), self.prec),
                rest: Tails::of([(mul(&fall, &entropy).neg(), t.clone()), (more.clone(), s.clone())]),
            },
            Expansion {
                limit: start.mul(y, self.prec),
                rest: Tails::of([(slope, t), (more.neg(), s.clone())]),
            },
        ])
    }

    /// What the expansion says where its tails are too small to show: the side of the limit.
    fn beside(&self, Expansion { limit, rest }: Expansion) -> Option<Ball> {
        let Ball::Finite { mid, .. } = &limit else { return None };
        let (exponent, shown) = (i64::from(mid.get_exp()?), self.prec.saturating_sub(64).max(INVISIBLE));
        let distance = rest.magnitude();
        let side = match rest.place() {
            Place::Positive => Side::Above,
            Place::Negative => Side::Below,
            Place::Zero | Place::Straddles => return None,
        };
        let invisible = distance.bound_exponent() < exponent - i64::from(shown);
        (limit.is_exact() && invisible).then(|| Ball::sided(mid.clone(), distance, side))
    }

    /// α_t, or nothing where the two terms have their own.
    fn scaled(&self, x: Ball) -> Ball {
        if self.two_terms { x } else { self.alpha_t().mul(&x, self.prec) }
    }

    fn loss(&self) -> Ball {
        let beside = self.expansions().and_then(|[loss, _]| self.beside(loss));
        beside.map_or_else(|| self.plain_loss(), |loss| self.scaled(loss))
    }

    /// The derivative by the turned logit −s.
    fn gradient(&self) -> Ball {
        let beside = self.expansions().and_then(|[_, size]| self.beside(size));
        beside.map_or_else(|| self.plain_gradient(), |size| self.scaled(size.neg()))
    }

    /// The loss of a saturated logit as an exact number and tails.
    fn loss_parts(&self) -> Option<Parts> {
        let [Expansion { limit, rest }, _] = self.expansions()?;
        let factor = if self.two_terms { Ball::one() } else { self.alpha_t() };
        Parts::beside_exact(&factor.mul(&limit, self.prec), rest.times(&factor))
    }

    fn plain_loss(&self) -> Ball {
        let prec = self.prec;
        if self.two_terms {
            let [on, off] = &self.parts;
            return weighted_sum((on, || self.term(&self.s).0), (off, || self.term(&self.s.neg()).0), prec);
        }
        let entropy = self.entropy();
        self.alpha_t().mul(&self.weight(&entropy).0, prec).mul(&entropy, prec)
    }

    fn plain_gradient(&self) -> Ball {
        let prec = self.prec;
        if self.two_terms {
            let [on, off] = &self.parts;
            if self.s.is_zero() {
                // Both terms are the same number, which may cancel.
                return off.sub(on, prec).mul(&self.term(&self.s).1, prec);
            }
            let slope = |t: &Ball| self.term(t).1;
            return weighted_sum((&on.neg(), || slope(&self.s)), (off, || slope(&self.s.neg())), prec);
        }
        let entropy = self.entropy();
        let (weight, moved) = self.weight(&entropy);
        let slope = self.entropy_slope().add(&moved.mul(&entropy, prec), prec);
        self.alpha_t().mul(&weight, prec).mul(&slope, prec)
    }
}

/// σ(t)^γ as e^(γ·ln σ(t)), which keeps a σ near 0 and near 1; at t = 0 the power of ½, which may be exact.
fn sigmoid_power(t: &Ball, gamma: f64, prec: u32) -> Ball {
    match (gamma == 0.0, t.is_zero()) {
        (true, _) => Ball::one(),
        (_, true) => pow(&Ball::from_f64(0.5), gamma, prec),
        _ => exp(&Ball::from_f64(gamma).mul(&log_sigmoid(t, prec + 8), prec + 8), prec),
    }
}

/// The focal loss of (z, y).
pub fn focal(z: &Ball, y: &Ball, focal: Focal, prec: u32) -> Ball {
    evaluated(z, y, focal, prec, Turned::loss)
}

/// ∂focal/∂z of (z, y).
pub fn focal_gradient(z: &Ball, y: &Ball, focal: Focal, prec: u32) -> Ball {
    let gradient = |turned: &Turned| match turned.negative {
        true => turned.gradient().neg(),
        false => turned.gradient(),
    };
    evaluated(z, y, focal, prec, gradient)
}

/// The focal loss of (z, y) as an exact number and what a saturated logit adds to it.
pub fn focal_parts(z: &Ball, y: &Ball, focal: Focal, prec: u32) -> Option<Parts> {
    Turned::of(z, y, focal, prec)?.loss_parts()
}

fn evaluated(z: &Ball, y: &Ball, focal: Focal, prec: u32, f: impl Fn(&Turned) -> Ball) -> Ball {
    if [z, y].iter().any(|x| matches!(x, Ball::Undefined)) {
        return Ball::Undefined;
    }
    Turned::of(z, y, focal, prec).map_or(Ball::Unknown, |turned| f(&turned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Real;

    /// The expansions are the plain forms, and what they add to the limit is known to five digits at least.
    #[test]
    fn expansions_are_the_plain_forms() {
        const PREC: u32 = 12_000;
        let mut some = 0;
        for soft in [SoftTarget::Linear, SoftTarget::InterpolateP, SoftTarget::ExpBce, SoftTarget::LogWeight]
        {
            for y in [0.0, 1.0, 0.5, 0.25, 0.75, 1e-9, 0.999] {
                for gamma in [0.0, 0.5, 1.0, 2.0, 3.0] {
                    for (z, alpha) in
                        [(-20.0, None), (40.5, Some(0.25)), (-700.0, Some(1.0)), (1500.0, Some(0.0))]
                    {
                        let focal = Focal { alpha: alpha.map(Real::new), gamma: Real::new(gamma), soft };
                        let turned = Turned::of(&Ball::from_f64(z), &Ball::from_f64(y), focal, PREC).unwrap();
                        let Some([loss, size]) = turned.expansions() else { continue };
                        let [loss, size] =
                            [loss, size].map(|x| (turned.scaled(x.limit), turned.scaled(x.rest.sum(PREC))));
                        let plain = [turned.plain_loss(), turned.plain_gradient().neg()];
                        for ((limit, rest), plain) in [loss, size].into_iter().zip(plain) {
                            let what = format!("{focal:?} z {z} y {y}");
                            let gap = plain.sub(&limit, PREC);
                            let place = gap.sub(&rest, PREC).place();
                            let same = matches!(place, Place::Straddles | Place::Zero);
                            assert!(same, "{what}: {gap:?} {rest:?}");
                            let Ball::Finite { mid, rad, .. } = &rest else { panic!("{what}: {rest:?}") };
                            let known = rad.to_float() * 1e5 < rug::Float::clone(mid).abs();
                            some += usize::from(known && !mid.is_zero());
                        }
                    }
                }
            }
        }
        assert!(some > 400, "{some} are known well");
    }
}
