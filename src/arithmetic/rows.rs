//! Functions of rows: what log-sum-exp, softmax and the norms of one row have in common, computed once a row.

use super::ball::{Ball, Place};
use super::elementary::{exp, ln_1p, pow, root_of_nonnegative};
use super::value::{Effort, Kink, Value, at_kink, extremum};
use crate::graph::Power;
use rayon::prelude::*;
use std::cmp::Ordering;

/// So many functions are worth the handing out to threads.
pub(super) const WORTH_THREADS: usize = 512;

/// The exponentials of a row, shifted by its maximum: eᵢ = exp(xᵢ − x_max), and their sum without the maximum's own 1.
///
/// With the tail kept apart, ln Σ = x_max + ln(1 + tail) and 1 − softmax_max = tail/(1 + tail) lose nothing.
pub struct Exponentials {
    /// Where the maximum is.
    pub top: usize,
    /// exp(xᵢ − x_max); exactly 1 at `top`, exactly 0 where xᵢ = −∞.
    pub terms: Vec<Ball>,
    /// Σ_{i≠top} eᵢ.
    pub tail: Ball,
    /// 1 + tail.
    pub total: Ball,
    /// ln(1 + tail).
    pub ln_total: Ball,
}

impl Exponentials {
    /// Of a row; `None` where the row has no finite maximum: all −∞, or an undefined or unknown entry.
    pub fn of(row: &[&Ball], prec: u32) -> Option<Exponentials> {
        // Any entry serves as the shift; the greatest midpoint keeps the exponentials below about 1.
        let mut top: Option<usize> = None;
        for (at, x) in row.iter().enumerate() {
            match x {
                Ball::Infinite(true) => {}
                Ball::Finite { mid, .. } => {
                    let greater = top.is_none_or(|best| match row[best] {
                        Ball::Finite { mid: best, .. } => **mid > **best,
                        _ => true,
                    });
                    if greater {
                        top = Some(at);
                    }
                }
                _ => return None,
            }
        }
        let top = top?;
        let term = |(at, x): (usize, &&Ball)| match at == top {
            true => Ball::one(),
            false => exp(&x.sub(row[top], prec), prec),
        };
        let terms: Vec<Ball> = if row.len() >= WORTH_THREADS {
            row.par_iter().enumerate().map(term).collect()
        } else {
            row.iter().enumerate().map(term).collect()
        };
        let others = terms.iter().enumerate().filter(|&(at, _)| at != top).map(|(_, term)| term);
        let tail = Ball::sum(others, prec);
        let total = Ball::one().add(&tail, prec);
        let ln_total = ln_1p(&tail, prec);
        Some(Exponentials { top, terms, tail, total, ln_total })
    }

    /// ln Σ exp(x) − x_t = (x_max − x_t) + ln(1 + tail) of the entry t; +∞ for x_t = −∞.
    pub fn surprise(&self, t: usize, x_max: &Ball, x_t: &Ball, prec: u32) -> Ball {
        if t == self.top {
            return self.ln_total.clone();
        }
        x_max.sub(x_t, prec).add(&self.ln_total, prec)
    }

    /// softmax_t − 1: −tail/Σ at the maximum, else a difference that cancels at most one bit.
    pub fn softmax_minus_one(&self, t: usize, prec: u32) -> Ball {
        let share = self.tail.div(&self.total, prec);
        // Beside tied maxima the difference keeps the side, which the quotient of two sums loses. Where the tail is known by
        // itself and only 1 + tail is not, the quotient is as good as the tail, and the difference cancels all of it.
        if t == self.top && (share.is_one_sided() || !self.tail.is_one_sided()) {
            share.neg()
        } else {
            self.softmax(t, prec).sub(&Ball::one(), prec)
        }
    }

    /// softmax_i.
    pub fn softmax(&self, i: usize, prec: u32) -> Ball {
        self.terms[i].div(&self.total, prec)
    }

    /// Σ_c q_c·(ln Σ exp(x) − x_c), the terms with q_c = 0 left out.
    pub fn soft_cross_entropy(&self, row: &[&Ball], q: &[&Ball], prec: u32) -> Ball {
        let terms: Vec<Ball> = (0..row.len())
            .filter(|&c| !q[c].is_zero())
            .map(|c| q[c].mul(&self.surprise(c, row[self.top], row[c], prec), prec))
            .collect();
        Ball::sum(terms.iter(), prec)
    }

    /// softmax_c·Q − q_c with Q = Σq, by (e_c·(Q − q_c) − q_c·Σ_{i≠c} eᵢ)/Σe: where q_c is all of Q nothing cancels,
    /// and ties come out exact. Where e_c vanishes beside the sum, or the tail beside the maximum, by the formula as it
    /// stands, which keeps the side on which the number is.
    pub fn soft_gradient(&self, q_c: &Ball, q_total: &Ball, c: usize, prec: u32) -> Ball {
        if self.terms[c].is_zero() {
            return q_c.neg();
        }
        let vanishes = self.terms[c].magnitude().bound_exponent() < -i64::from(prec);
        let rest = q_total.sub(q_c, prec);
        // A target of the maximum alone: −Q·tail/Σe, as good as the tail however small it is beside 1.
        let certain = c == self.top && rest.is_zero() && !self.tail.is_one_sided();
        if !certain && (vanishes || self.total.is_one_sided()) {
            return self.softmax(c, prec).mul(q_total, prec).sub(q_c, prec);
        }
        let others = if c == self.top { self.tail.clone() } else { self.total.sub(&self.terms[c], prec) };
        let gain = self.terms[c].mul(&rest, prec);
        let loss = q_c.mul(&others, prec);
        gain.sub(&loss, prec).div(&self.total, prec)
    }
}

/// The greatest of a row, and who may be it.
pub struct Maximum {
    /// The maximum.
    pub most: Ball,
    /// The entries that may be the greatest, in order.
    leaders: Vec<(usize, Ball)>,
}

impl Maximum {
    /// Of a row of at least one entry.
    pub fn of(row: &[&Ball], prec: u32) -> Maximum {
        let first = row[0].clone();
        let most = row.iter().skip(1).fold(first, |most, x| extremum(&most, x, Ordering::Greater, prec));
        let may_lead = |x: &Ball| x.compare(&most, prec).is_none_or(Ordering::is_eq);
        let leaders = row.iter().enumerate().filter(|(_, x)| may_lead(x));
        let leaders = leaders.map(|(at, x)| (at, (*x).clone())).collect();
        Maximum { most, leaders }
    }

    /// ∂max/∂x of entry i: 1 for the single greatest, 0 below it, [0, 1] at ties.
    pub fn share(&self, i: usize, here: Kink, effort: Effort) -> Value {
        if matches!(self.most, Ball::Undefined) {
            return Value::Point(Ball::Undefined);
        }
        let Ok(own) = self.leaders.binary_search_by_key(&i, |(at, _)| *at) else {
            return Value::Point(Ball::zero());
        };
        let (mut tied, mut open) = (false, false);
        for (_, other) in self.leaders.iter().filter(|(at, _)| *at != i) {
            match self.leaders[own].1.compare(other, effort.prec) {
                Some(Ordering::Less) => return Value::Point(Ball::zero()),
                Some(Ordering::Equal) => tied = true,
                Some(Ordering::Greater) => {}
                None => open = true,
            }
        }
        match (open, tied) {
            (true, _) => Value::unseparated(here, Ball::zero(), Ball::one(), effort),
            (_, true) => Value::kink(here, Ball::zero(), Ball::one()),
            _ => Value::Point(Ball::one()),
        }
    }
}

/// The norm of a row, with the sum under its root.
pub struct RowNorm {
    /// For p = ∞ the largest coordinate.
    largest: Option<Maximum>,
    /// The norm.
    pub norm: Ball,
}

impl RowNorm {
    /// Of a row.
    pub fn of(row: &[&Ball], p: Power, epsilon: f64, prec: u32) -> RowNorm {
        let sizes: Vec<Ball> = row.iter().map(|x| x.abs(prec)).collect();
        let Power::Finite(p) = p else {
            if sizes.is_empty() {
                return RowNorm { largest: None, norm: Ball::zero() };
            }
            let largest = Maximum::of(&sizes.iter().collect::<Vec<_>>(), prec);
            return RowNorm { norm: largest.most.clone(), largest: Some(largest) };
        };
        let nonzero: Vec<&Ball> = sizes.iter().filter(|x| !x.is_zero()).collect();
        let mut powers: Vec<Ball> = nonzero.iter().map(|x| pow(x, p, prec)).collect();
        if epsilon != 0.0 {
            powers.push(Ball::from_f64(epsilon));
        }
        let power_sum = Ball::sum(powers.iter(), prec);
        let norm = match nonzero[..] {
            // One coordinate is its own norm, whatever the root could tell.
            [only] if epsilon == 0.0 => only.clone(),
            _ => root_of_nonnegative(&power_sum, p, prec),
        };
        RowNorm { largest: None, norm }
    }

    /// ∂norm/∂xᵢ: sgn(xᵢ)·(|xᵢ|/norm)^(p−1); for p = ∞ sgn(xᵢ) at the largest coordinate.
    ///
    /// Sets: at the zero vector (ε = 0) [−1, 1]; for p = 1 at each zero coordinate [−1, 1]; for p = ∞ at ties of the
    /// largest coordinate [0, 1]·sgn.
    ///
    /// `here` names the choice, the entry's own where the vector is zero.
    pub fn gradient(
        &self,
        i: usize,
        x: &Ball,
        (p, epsilon): (Power, f64),
        here: Kink,
        effort: Effort,
    ) -> Value {
        let prec = effort.prec;
        let unit = || (Ball::one().neg(), Ball::one());
        if matches!(self.norm, Ball::Undefined) {
            return Value::Point(Ball::Undefined);
        }
        if epsilon == 0.0 {
            match self.norm.place() {
                Place::Zero => return Value::kink(here, unit().0, unit().1),
                Place::Straddles => return Value::unseparated(here, unit().0, unit().1, effort),
                _ => {}
            }
        }
        let sign = || at_kink(x.place(), here, unit().0, unit().1, effort);
        match p {
            Power::Finite(1.0) => sign(),
            Power::Finite(p) => {
                let ratio = x.abs(prec).div(&self.norm, prec);
                let size = pow(&ratio, p - 1.0, prec);
                match x.place() {
                    Place::Positive => Value::Point(size),
                    Place::Negative => Value::Point(size.neg()),
                    Place::Zero => Value::Point(Ball::zero()),
                    Place::Straddles => Value::Point(size.hull(&size.neg(), prec)),
                }
            }
            Power::Infinity => match &self.largest {
                Some(largest) => largest.share(i, here, effort).mul(&sign(), prec, here),
                None => Value::Point(Ball::zero()),
            },
        }
    }
}
