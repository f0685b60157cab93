//! Rows under log-sum-exp and softmax (rule 6): everything that the composite operations share, in one pass a row.
//!
//! With m = max xᵢ, dᵢ = xᵢ − m, eᵢ = exp(dᵢ), s = Σeᵢ over the terms above −∞. The terms beside the largest are kept
//! apart (the tail), so that ln s = log1p(tail) has no cancellation.

use super::ball::{Ball, growth, times};
use super::model::{ARGUMENT_IN_U, DIVIDE_IN_U, EXP_IN_U, Model, two_sum_error, ulps};
use super::sum::Accumulator;

/// A row, looked at once. Buffers are used again for the next row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// dᵢ.
    shifted: Vec<f64>,
    /// eᵢ.
    exps: Vec<f64>,
    /// Where the largest term stands.
    at: usize,
    /// How many terms are above −∞.
    live: usize,
    /// Σ eᵢ over all but the largest.
    tail: f64,
    /// s and ln s.
    s: f64,
    ln_s: f64,
    /// ε: the relative error of s.
    epsilon: f64,
    /// Σ eᵢ·(e^rᵢ − 1), and the part of it beside the largest term.
    moved: f64,
    moved_tail: f64,
    /// max rᵢ.
    widest: f64,
    undefined: bool,
}

impl Row {
    /// Looks at a row of at least one term.
    pub fn look(&mut self, model: &Model, row: &[Ball]) {
        let above = |x: &&Ball| x.m > f64::NEG_INFINITY;
        self.live = row.iter().filter(above).count();
        self.undefined = row.iter().any(|x| x.m.is_nan()) || self.live == 0;
        self.at = 0;
        for (i, x) in row.iter().enumerate() {
            if x.m > row[self.at].m {
                self.at = i;
            }
        }
        let largest = row[self.at];
        self.shifted.clear();
        self.exps.clear();
        (self.tail, self.moved, self.moved_tail, self.widest) = (0.0, 0.0, 0.0, 0.0);
        let mut lost = 0.0;
        for (i, &x) in row.iter().enumerate() {
            let (d, e) = if i == self.at {
                (0.0, 1.0)
            } else if x.m == f64::NEG_INFINITY {
                (x.m, 0.0)
            } else {
                let d = x.m - largest.m;
                (d, core_math::exp(d))
            };
            self.shifted.push(d);
            self.exps.push(e);
            if e == 0.0 && d == f64::NEG_INFINITY {
                continue;
            }
            self.widest = self.widest.max(x.r);
            let grown = times(e, growth(x.r));
            self.moved += grown;
            if i != self.at {
                self.tail += e;
                self.moved_tail += grown;
                if e > 0.0 {
                    let argument = ARGUMENT_IN_U * model.u * d.abs();
                    let argument = self.difference(model, x, largest, d) + argument;
                    lost += e * (growth(argument) + EXP_IN_U * model.u);
                }
            }
        }
        self.s = 1.0 + self.tail;
        self.ln_s = core_math::log1p(self.tail);
        self.epsilon =
            if self.live > 1 { lost / self.s + model.gamma(model.height(row.len()).max(1)) } else { 0.0 };
    }

    /// δ = u·|d| where the difference d = x − y is inexact.
    fn difference(&self, model: &Model, x: Ball, y: Ball, d: f64) -> f64 {
        let exact = x.is_exact() && y.is_exact() && two_sum_error(x.m, -y.m, d) == 0.0 && model.holds(d);
        if exact { 0.0 } else { model.u * d.abs() }
    }

    /// What ln s loses of its own, by the ulp of the ln s that the machine has.
    fn of_logarithm(&self, model: &Model) -> f64 {
        ulps::LN * model.ulp(self.ln_s + self.epsilon)
    }

    /// R_in = lse(x + r) − lse(x) = ln(1 + Σ pᵢ·(e^rᵢ − 1)), at most max rᵢ.
    fn r_in(&self) -> f64 {
        core_math::log1p(self.moved / self.s).min(self.widest)
    }

    /// ln Σ exp(xᵢ) as m + ln s; −∞ where all terms are.
    pub fn log_sum_exp(&self, model: &Model, row: &[Ball]) -> Ball {
        if self.undefined {
            return Ball::exact(if self.live == 0 { f64::NEG_INFINITY } else { f64::NAN });
        }
        if self.live == 1 {
            return row[self.at];
        }
        let m = row[self.at].m + self.ln_s;
        let r = self.r_in() + self.epsilon + self.of_logarithm(model);
        Ball::new(m, r + (model.u * m.abs() + model.u * r))
    }

    /// exp(dᵢ)/s or exp(dᵢ − ln s); −∞ makes an exact 0; undefined where all terms are −∞.
    pub fn softmax(&self, model: &Model, row: &[Ball], i: usize) -> Ball {
        if self.undefined {
            return Ball::exact(f64::NAN);
        }
        let (x, d) = (row[i], self.shifted[i]);
        if x.m == f64::NEG_INFINITY {
            return Ball::ZERO;
        }
        if self.live == 1 {
            return Ball::ONE;
        }
        if d == f64::NEG_INFINITY {
            // The difference of two finite logits is beyond f64: p is 0 by underflow, and known no better than that.
            return Ball::new(0.0, small_ulps(model) + model.radius_rounding(0.0) + model.theta);
        }
        let delta = if i == self.at { 0.0 } else { self.difference(model, x, row[self.at], d) };
        // exp(d)/s: the argument, the exponential, the quotient. exp(d − ln s): that difference is rounded, and ln s
        // with it. Either is honest.
        let u = model.u;
        let quotient = (ARGUMENT_IN_U * d.abs() + DIVIDE_IN_U) * u;
        let difference = (ARGUMENT_IN_U + 1.0) * (d.abs() + self.ln_s) * u + self.of_logarithm(model);
        let rounding = delta + quotient.max(difference) + EXP_IN_U * u + self.epsilon;
        let relative = x.r + self.r_in() + rounding;
        let p = self.exps[i] / self.s;
        let r = match growth(relative) {
            _ if p == 0.0 => core_math::exp(d - self.ln_s + relative),
            grown => p * grown,
        };
        // Below the normal numbers the ulps of the exponential and of the quotient are no longer relative.
        let small = p - r < 2.0 * model.compute.min_normal();
        let ulps = if small { small_ulps(model) } else { 0.0 };
        let ulps = ulps + model.radius_rounding(p);
        // Neither the probability nor what a kernel makes of it leaves [0, 1] by more than that.
        Ball::new(p, r.min(1.0) + ulps + model.theta)
    }

    /// ln s − (x_t − m) = lse(x − x_t); +∞ where x_t alone is −∞.
    pub fn cross_entropy(&self, model: &Model, row: &[Ball], t: usize) -> Ball {
        let Some(r_in) = self.without(row, t, |t| {
            // ln(1 + Σ_{i≠t} pᵢ·(e^(rᵢ + r_t) − 1)), summed without the term itself: it moves with x_t.
            let others = row.iter().zip(&self.exps).enumerate().filter(|&(i, _)| i != t);
            let moved: f64 = others.map(|(_, (x, &e))| times(e, growth(x.r + row[t].r))).sum();
            core_math::log1p(moved / self.s)
        }) else {
            return self.special(t);
        };
        self.shifted_loss(model, row, t, r_in)
    }

    /// ln s − (xᵢ − m) of every class in turn, in constant time each.
    pub fn surprise(&self, model: &Model, row: &[Ball], i: usize) -> Ball {
        let Some(r_in) = self.without(row, i, |i| {
            if self.widest == 0.0 {
                return 0.0;
            }
            let own = growth(row[i].r);
            let (rest, moved) = if i == self.at {
                (self.tail, self.moved_tail)
            } else {
                (self.s - self.exps[i], (self.moved - times(self.exps[i], own)).max(0.0))
            };
            core_math::log1p((times(rest, own) + moved + times(moved, own)) / self.s)
        }) else {
            return self.special(i);
        };
        self.shifted_loss(model, row, i, r_in)
    }

    /// The R_in of a class's loss, capped; nothing where the class needs no computing.
    fn without(&self, row: &[Ball], i: usize, r_in: impl FnOnce(usize) -> f64) -> Option<f64> {
        let special = self.undefined || self.shifted[i] == f64::NEG_INFINITY || self.live == 1;
        (!special).then(|| r_in(i).min(self.widest + row[i].r))
    }

    fn special(&self, i: usize) -> Ball {
        Ball::exact(match () {
            _ if self.undefined => f64::NAN,
            _ if self.shifted[i] == f64::NEG_INFINITY => f64::INFINITY,
            _ => 0.0,
        })
    }

    fn shifted_loss(&self, model: &Model, row: &[Ball], i: usize, r_in: f64) -> Ball {
        let d = self.shifted[i];
        let delta = if i == self.at { 0.0 } else { self.difference(model, row[i], row[self.at], d) };
        let m = self.ln_s - d;
        let r = r_in + self.epsilon + self.of_logarithm(model) + delta;
        Ball::new(m, r + (model.u * m + model.u * r))
    }

    /// softmax(x)ᵢ − onehot(t)ᵢ.
    pub fn cross_entropy_gradient(&self, model: &Model, row: &[Ball], i: usize, t: usize) -> Ball {
        let p = self.softmax(model, row, i);
        if i != t || self.undefined {
            return p;
        }
        // 1 − p from the other terms: it may be far below an ulp of 1.
        let rest = if i == self.at { self.tail } else { self.s - self.exps[i] };
        let m = -rest / self.s;
        Ball::new(m, if p.is_exact() { 0.0 } else { p.r + model.u * (m.abs() + p.r) })
    }

    /// Σ q_c·(ln s − (x_c − m)), terms with q_c = 0 left out.
    pub fn soft_cross_entropy(&self, model: &Model, row: &[Ball], q: &[Ball]) -> Ball {
        let mut sum = Accumulator::EMPTY;
        for (i, &q) in q.iter().enumerate() {
            if !q.is_zero() {
                sum.push(model.mul(q, self.surprise(model, row, i)));
            }
        }
        sum.finish(model, row.len())
    }
}

/// What an exponential and a quotient lose below the normal numbers, where their ulps are no longer relative.
fn small_ulps(model: &Model) -> f64 {
    (ulps::EXP + ulps::DIVIDE) * model.ulp(0.0) + model.theta
}
