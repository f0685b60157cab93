//! Balls of the focal loss and its gradient.
//!
//! *Sound*: compositions of sound operations, and where a saturated logit makes the loss differ from its limit by less than
//! any precision shows, the side of the limit by the inequalities of [`Turned::limit`]. *Total*.

use super::ball::{Ball, Place, Side};
use super::binary::weighted_sum;
use super::elementary::{exp, expm1, log_sigmoid, pow, sigmoid, softplus};
use crate::graph::{Focal, SoftTarget};

/// From this |z| on e^−|z| is less than 2^−11800.
const SATURATED: f64 = 8192.0;

/// 1/ln 2, rounded down: e^−s is below 2^−prec from s = prec/this on. Before, digits tell more than a side.
const LOG2_E: f64 = 1.44;

/// Up to this γ the inequalities of [`Turned::limit`] hold.
const MOST_GAMMA: f64 = 1e6;

/// The exact limits of the loss and of the size of the gradient that a saturated logit has, over α_t where that is a factor: the
/// loss is strictly on one side of its limit, the size on the other, each no farther off than that of `within`.
struct Limit {
    loss: Ball,
    slope: Ball,
    within: [Ball; 2],
    /// The loss's side.
    side: Side,
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

    /// What a saturated logit against its target is told by, where that is not enough digits.
    ///
    /// With e = e^−s ≤ 2^−11800, γ ≤ 10⁶, and m = 2y − 1; each of w is at most 2^−11800 too, and e ≤ w. The inequalities used:
    /// σ(−s) ≥ e/2 and ≤ e; ln(1 + w) ≥ w/2; (1 − r)^γ ≤ 1 − γr/2 and ≥ 1 − (γ+1)r, as γr ≤ 1; products of such
    /// small parts are left out where a factor of two is kept for them.
    ///
    /// - Two terms, a = α·y > 0 and b = (1−α)(1−y), b·e^−γs < a, γs ≥ 8(γ + 1). Loss: σ(s)^γ ≤ 1 − γe/4, softplus(s) ≤ s + e, and
    ///   the other term is at most b·e^−γs·e < a·e, so it is below a·s as γs/4 ≥ 2; by at most (a·s·γ + a + b)·e.
    ///   Gradient's size: a·σ(s)^γ·(σ(s) + γσ(−s)·softplus(s)) ≥ a·(1 − (γ+1)e + γse/4), less b·e^−γs·(1+γ)·e: above a; by at most
    ///   (a·(s+2) + b)(γ+1)·e.
    /// - 1 − e^−L, w = e^−ys, e^−L ≥ w/2, γys ≥ 8(γ + 8). Over α_t, the loss is at most (1 − γw/4)(ys + e): below ys, by at most
    ///   (2(γ+1)ys + 1)w. The size of the gradient is at least y·(1 − (γ+1)w)(1 − e/y)(1 + γL·w/2), above y, as
    ///   e/(yw) ≤ 4 (y > ½: 2/y; else 2e^(−s/2)/y with y ≥ 8192/s); by at most 2γ(ys + 1)w.
    /// - σ(ms) for y > ½, w = e^−ms, γmys ≥ 8(γ + 2). Loss: σ(ms)^γ ≤ 1 − γw/4: below ys, by at most (γys + 1)w. Gradient's
    ///   size: at least (1 − γw)(y − e + γm·(w/2)·ys), above y; by at most γ(ys + 1)w.
    /// - y − mσ(−s) for y > ½, w = e, γms ≥ 8(γ + 2). With r = mσ(−s)/y, of [me/2y, me/y], the loss over α_t·y^γ is at most
    ///   (1 − γr/2)(ys + e): below ys, by at most 2(γ+1)se + e. The gradient's size is at least
    ///   (1 − (γ+1)r)(y − e + γmse/4), above y; by at most 2γ(s + 2)e.
    /// - y + kσ(−s) for y < ½, k = 1 − 2y, γ > 0, e ≤ y·e^−100: the other way round. With r = kσ(−s)/y ≤ ke/y, of the loss both
    ///   factors are above y^γ and ys; by at most e + 2γr(ys + e), as (1 + r)^γ ≤ 1 + 2γr. The gradient's two parts are of
    ///   opposite signs: its size is at most (1 + 2γr)(y − e/2 − γkse/8), below y as s ≥ 16; by at most
    ///   (γ+1)(s + 1/y + 1)e.
    fn limit(&self) -> Option<Limit> {
        let (prec, gamma) = (self.prec, self.focal.gamma());
        let number = Ball::from_f64;
        let above = |x: &Ball, bound: f64| x.sub(&number(bound), prec).place() == Place::Positive;
        // Two terms have each its own factor; one weight has α_t in front, of which one part may be 0.
        let factor = if self.two_terms { &self.parts[0] } else { &self.against };
        let exact = [&self.s, &self.against, factor].iter().all(|x| x.is_exact() && !x.is_zero());
        let saturated = SATURATED.max((f64::from(prec) - 64.0) / LOG2_E);
        if !exact || !above(&self.s, saturated) || gamma > MOST_GAMMA {
            return None;
        }
        let decay = |x: &Ball| exp(&x.neg(), prec);
        let (moved, product) = (self.gamma().mul(&self.s, prec), self.against.mul(&self.s, prec));
        let more = self.gamma().add(&Ball::one(), prec);
        if self.two_terms {
            let [a, b] = &self.parts;
            let other = b.mul(&decay(&moved), prec);
            let smaller = a.sub(&other, prec).place() == Place::Positive;
            let (limit, e) = (a.mul(&self.s, prec), decay(&self.s));
            let loss = limit.mul(&more, prec).add(a, prec).add(b, prec).mul(&e, prec);
            let slope = a.mul(&self.s.add(&number(2.0), prec), prec).add(b, prec).mul(&more, prec);
            let holds = smaller && above(&moved, 8.0 * (gamma + 1.0));
            return holds.then(|| Limit {
                loss: limit,
                slope: a.clone(),
                within: [loss, slope.mul(&e, prec)],
                side: Side::Below,
            });
        }
        let gap = self.against.sub(&self.with, prec);
        let tilted = gap.mul(&self.s, prec);
        let reach = |x: &Ball| x.mul(&more, prec).mul(&number(2.0), prec);
        let two_more = |x: &Ball| x.add(&number(2.0), prec);
        let mut side = Side::Below;
        let (holds, w, weight) = match self.focal.soft {
            SoftTarget::ExpBce => {
                let strong = above(&self.gamma().mul(&product, prec), 8.0 * (gamma + 8.0));
                (strong && above(&product, SATURATED), decay(&product), Ball::one())
            }
            SoftTarget::LogWeight => {
                let strength = self.gamma().mul(&tilted.mul(&self.against, prec), prec);
                let strong = above(&strength, 8.0 * (gamma + 2.0));
                (strong && above(&tilted, SATURATED), decay(&tilted), Ball::one())
            }
            SoftTarget::InterpolateP if gap.place() == Place::Negative => {
                side = Side::Above;
                let small = self.against.sub(&decay(&self.s.sub(&number(100.0), prec)), prec);
                let holds = gamma > 0.0 && small.place() == Place::Positive;
                (holds, decay(&self.s), pow(&self.against, gamma, prec))
            }
            SoftTarget::InterpolateP => {
                let strong = above(&self.gamma().mul(&tilted, prec), 8.0 * (gamma + 2.0));
                (strong, decay(&self.s), pow(&self.against, gamma, prec))
            }
            SoftTarget::Linear => return None,
        };
        // 4(γ+1)(s + 2 + 1/y)w is more than any of the distances above.
        let inverse = Ball::one().div(&self.against, prec);
        let within = reach(&two_more(&self.s.add(&inverse, prec))).mul(&w, prec).mul(&weight, prec);
        let within = within.mul(&number(2.0), prec);
        holds.then(|| Limit {
            loss: weight.mul(&product, prec),
            slope: weight.mul(&self.against, prec),
            within: [within.clone(), within],
            side,
        })
    }

    /// The number strictly on a side of an exact limit, no farther off than `within`.
    fn beside(limit: &Ball, within: &Ball, side: Side) -> Option<Ball> {
        let Ball::Finite { mid, .. } = limit else { return None };
        let distance = within.magnitude();
        let told = limit.is_exact() && !distance.is_zero() && !distance.is_infinite();
        told.then(|| Ball::sided(mid.clone(), distance, side))
    }

    /// α_t, or nothing where the two terms have their own.
    fn scaled(&self, x: Ball) -> Ball {
        if self.two_terms { x } else { self.alpha_t().mul(&x, self.prec) }
    }

    fn loss(&self) -> Ball {
        let beside = self.limit().and_then(|limit| Turned::beside(&limit.loss, &limit.within[0], limit.side));
        beside.map_or_else(|| self.plain_loss(), |loss| self.scaled(loss))
    }

    /// The gradient by the turned logit −s, minus its size: on the side of minus its limit on which the loss is of its own.
    fn gradient(&self) -> Ball {
        let beside =
            self.limit().and_then(|limit| Turned::beside(&limit.slope.neg(), &limit.within[1], limit.side));
        beside.map_or_else(|| self.plain_gradient(), |slope| self.scaled(slope))
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

fn evaluated(z: &Ball, y: &Ball, focal: Focal, prec: u32, f: impl Fn(&Turned) -> Ball) -> Ball {
    if [z, y].iter().any(|x| matches!(x, Ball::Undefined)) {
        return Ball::Undefined;
    }
    Turned::of(z, y, focal, prec).map_or(Ball::Unknown, |turned| f(&turned))
}
