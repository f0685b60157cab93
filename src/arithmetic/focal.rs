//! Balls of the focal loss and its gradient.
//!
//! *Sound*: compositions of sound operations, and where a saturated logit makes the loss differ from its limit by less than
//! any precision shows, the side of the limit by the inequalities of [`below_limit`]. *Total*.

use super::ball::{Ball, Place, Side};
use super::binary::weighted_sum;
use super::elementary::{exp, expm1, log_sigmoid, pow, sigmoid, softplus};
use crate::graph::{Focal, SoftTarget};

/// From this |z| on e^−|z| is less than 2^−11800, which is near the last precision.
const SATURATED: f64 = 8192.0;

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
        match self.focal.soft {
            // Two terms instead.
            SoftTarget::Linear => (Ball::Unknown, Ball::Unknown),
            SoftTarget::InterpolateP => {
                let q = self.against.mul(&near, prec).add(&self.with.mul(&far, prec), prec);
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

    /// Whether a saturated logit against its target is told from the limit by a side; then a bound of e^−s, or of e^−ys.
    ///
    /// Two terms, with e = e^−s ≤ 2^−11800, a = α·y > 0, b = (1−α)(1−y) and γ·s ≥ 8(γ + 1). Of the loss,
    /// σ(s)^γ = e^(−γ·ln(1+e)) ≤ 1 − γe/4 (ln(1+e) ≥ e/2 and e^−x ≤ 1 − x/2 on [0, 1]; γe < 1) and
    /// softplus(s) ≤ s + e, so a·σ(s)^γ·softplus(s) ≤ a·s − a·e·(γs/4 − 1) ≤ a·s − a·e·γs/8; the other term is at most
    /// b·e^−γs·e. With b·e^−γs < a their sum is below a·s, by at most (a·s·γ + a + b)·e. Of the gradient's size, σ(s)^(γ+1) ≥
    /// 1 − (γ+1)e and γ·σ(s)^γ·σ(−s)·softplus(s) ≥ γ·e·s/4, together at least 1 + e·γs/8; the other term is at
    /// most b·e^−γs·(1+γ)·e < a·e·γs/8. So it is above a, by at most (a·(γ+1)(s+2) + b·(1+γ))·e.
    ///
    /// 1 − e^−L in place of σ, with w = e^−L, e^−ys/2 ≤ w ≤ e^−ys ≤ 2^−11800 and γ·ys ≥ 8(γ + 8): of the loss over α_t,
    /// (1−w)^γ ≤ 1 − γw/2, times ys + e with e ≤ e^−ys, is below ys, by at most (2(γ+1)·ys + 1)·e^−ys. Of the gradient's size,
    /// (1−w)^γ·(y − σ(−s))·(1 + γL/(e^L − 1)) ≥ y·(1 − (γ+1)w)(1 − e/y)(1 + γLw), above y as γLw > 2((γ+1)w + e/y),
    /// for e/(yw) ≤ 4 (y > ½: 2/y; else 2e^−s/2/y with y ≥ 8192/s). By at most y·2γ(ys + 1)·e^−ys.
    fn below_limit(&self) -> Option<Ball> {
        let (prec, gamma) = (self.prec, self.focal.gamma());
        let above = |x: &Ball, bound: f64| x.sub(&Ball::from_f64(bound), prec).place() == Place::Positive;
        let exact = [&self.s, &self.against, &self.parts[0]].iter().all(|x| x.is_exact() && !x.is_zero());
        if !exact || !above(&self.s, SATURATED) || gamma > 1e300 {
            return None;
        }
        let decay = |x: &Ball| exp(&x.neg(), prec);
        let moved = self.gamma().mul(&self.s, prec);
        if self.two_terms {
            let other = self.parts[1].mul(&decay(&moved), prec);
            let rest = self.parts[0].sub(&other, prec).place() == Place::Positive;
            return (above(&moved, 8.0 * (gamma + 1.0)) && rest).then(|| decay(&self.s));
        }
        let product = self.against.mul(&self.s, prec);
        let reached = above(&product, SATURATED)
            && above(&self.gamma().mul(&product, prec), 8.0 * (gamma + 8.0))
            && self.focal.soft == SoftTarget::ExpBce;
        reached.then(|| decay(&product))
    }

    /// The number strictly on a side of an exact limit, no farther off than `within`.
    fn beside(limit: &Ball, within: &Ball, side: Side) -> Ball {
        match limit {
            Ball::Finite { mid, .. } if limit.is_exact() && !within.magnitude().is_zero() => {
                Ball::sided(mid.clone(), within.magnitude(), side)
            }
            _ => Ball::Unknown,
        }
    }

    fn loss(&self) -> Ball {
        let prec = self.prec;
        let (g1, product) = (self.gamma().add(&Ball::one(), prec), self.against.mul(&self.s, prec));
        if let Some(decay) = self.below_limit() {
            if self.two_terms {
                let [a, b] = &self.parts;
                let limit = a.mul(&self.s, prec);
                let within = limit.mul(&g1, prec).add(a, prec).add(b, prec).mul(&decay, prec);
                return within_or(Turned::beside(&limit, &within, Side::Below), || self.plain_loss());
            }
            let two = Ball::from_f64(2.0).mul(&g1, prec);
            let within = two.mul(&product, prec).add(&Ball::one(), prec).mul(&decay, prec);
            let beside = Turned::beside(&product, &within, Side::Below);
            return within_or(self.alpha_t().mul(&beside, prec), || self.plain_loss());
        }
        self.plain_loss()
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

    /// The gradient by the turned logit −s.
    fn gradient(&self) -> Ball {
        let prec = self.prec;
        if let Some(decay) = self.below_limit() {
            let one = Ball::one();
            let g1 = self.gamma().add(&one, prec);
            if self.two_terms {
                let [a, b] = &self.parts;
                let reach = self.s.add(&Ball::from_f64(2.0), prec);
                let within = a.mul(&reach, prec).add(b, prec).mul(&g1, prec).mul(&decay, prec);
                return within_or(Turned::beside(&a.neg(), &within, Side::Below), || self.plain_gradient());
            }
            let product = self.against.mul(&self.s, prec).add(&one, prec);
            let within = product.mul(&g1, prec).mul(&decay, prec).mul(&Ball::from_f64(2.0), prec);
            let beside = Turned::beside(&self.against.neg(), &within, Side::Below);
            return within_or(self.alpha_t().mul(&beside, prec), || self.plain_gradient());
        }
        self.plain_gradient()
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

/// The first ball, unless it says nothing.
fn within_or(ball: Ball, other: impl FnOnce() -> Ball) -> Ball {
    if matches!(ball, Ball::Unknown) { other() } else { ball }
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

fn evaluated(z: &Ball, y: &Ball, focal: Focal, prec: u32, f: impl Fn(&Turned) -> Ball) -> Ball {
    if [z, y].iter().any(|x| matches!(x, Ball::Undefined)) {
        return Ball::Undefined;
    }
    Turned::of(z, y, focal, prec).map_or(Ball::Unknown, |turned| f(&turned))
}
