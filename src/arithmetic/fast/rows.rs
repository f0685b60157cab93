//! What rows of fast balls have in common: sums, exponentials, norms, maxima; computed once a row.

use super::array::{Array, Columns};
use super::ball::{Ball, Divisor, U, two_sum};
use super::elementary::{exp, ln_1p, pow, root};
use crate::arithmetic::ball::Side;
use crate::graph::Power;

/// A sum that is being made: s + c, s the rounded sum and c the sum of what the roundings of s lost.
///
/// With tᵢ the terms' midpoints, Σtᵢ = s + Σeᵢ exactly, the eᵢ by TwoSum. c is their sum up to n·u·Σ|eᵢ|·(1 + 2^−10) (recursive
/// summation; Higham, *Accuracy and Stability*, §4.2, n·u < 2^−11), and the last s + c is error-free again. So the sum of exact
/// numbers whose every partial sum is exact is exact.
#[derive(Copy, Clone, Default)]
pub(super) struct Total {
    s: f64,
    c: f64,
    lost: f64,
    rad: f64,
    count: usize,
    sides: u8,
}

impl Total {
    #[inline(always)]
    pub fn push(&mut self, term: Ball) {
        let (mid, rad, side) = term.parts();
        let (s, e) = two_sum(self.s, mid);
        self.s = s;
        self.c += e;
        self.lost += e.abs();
        self.rad += rad;
        self.count += 1;
        if rad != 0.0 {
            self.sides |= 1 << side as u8;
        }
    }

    /// The sum: |true − m| ≤ Σr + |e| + n·u·Σ|eᵢ|, where the sums of the radii and of the |eᵢ| have n roundings each.
    pub fn ball(self) -> Ball {
        let (mid, e) = two_sum(self.s, self.c);
        let n = self.count as f64;
        let rad = (self.rad + e.abs() + n * U * self.lost) * (1.0 + (8.0 * n + 16.0) * U);
        if rad == 0.0 {
            return Ball::exact(mid);
        }
        if self.lost == 0.0 {
            // The midpoints add exactly, so what all terms are above (or below), the sum is above.
            for side in [Side::Above, Side::Below] {
                if self.sides == 1 << side as u8 {
                    return Ball::sided(mid, rad, side);
                }
            }
        }
        Ball::around(mid, rad)
    }
}

/// Fewer terms are added one after the other, which keeps the side of a sum that a term moves off a number.
const FEW: usize = 4;

/// Σ of balls.
pub(super) fn sum(count: usize, terms: impl Iterator<Item = Ball>) -> Ball {
    if count <= FEW {
        return terms.reduce(Ball::add).unwrap_or(Ball::ZERO);
    }
    let mut total = Total::default();
    terms.for_each(|term| total.push(term));
    total.ball()
}

/// The exponentials of rows, shifted by their maxima, as one array, and what belongs to each row.
pub(super) struct Exponentials {
    /// exp(xᵢ − x_max); exactly 1 at the maximum, exactly 0 where xᵢ = −∞.
    pub terms: Columns,
    /// Of each row; `None` where a row has no finite maximum or something in it is not known.
    pub rows: Vec<Option<RowExponentials>>,
}

/// The sum of a row's exponentials without the maximum's own 1, so that ln Σ = x_max + ln(1 + tail) and 1 − softmax_max =
/// tail/(1 + tail) lose nothing.
#[derive(Copy, Clone)]
pub(super) struct RowExponentials {
    /// Where the maximum is, in the row.
    pub top: usize,
    /// Its number.
    pub most: Ball,
    /// Σ_{i≠top} eᵢ.
    pub tail: Ball,
    /// 1 + tail.
    pub total: Ball,
    /// The same as a divisor.
    pub divisor: Divisor,
    /// ln(1 + tail).
    pub ln_total: Ball,
}

impl Exponentials {
    /// Of the rows of `n` elements of an array.
    pub fn of(x: &Array<'_>, n: usize) -> Exponentials {
        match x {
            Array::Exact(values) => Exponentials::of_balls(values.len(), |i| Ball::exact(values[i]), n),
            x => Exponentials::of_balls(x.len(), |i| x.get(i), n),
        }
    }

    #[inline(always)]
    fn of_balls(length: usize, x: impl Fn(usize) -> Ball, n: usize) -> Exponentials {
        let count = length.checked_div(n).unwrap_or(0);
        let mut terms = Columns::zeros(length);
        let row = |row: usize| {
            let (start, end) = (row * n, (row + 1) * n);
            let Some(top) = greatest(&x, start, n) else {
                (start..end).for_each(|i| terms.set(i, Ball::UNKNOWN));
                return None;
            };
            let most = x(start + top);
            // The functions first, then the sum: nothing waits for another.
            (start..end).for_each(|i| terms.set(i, shifted(x(i), most)));
            terms.set(start + top, Ball::ONE);
            let tail = terms.sum(Total::default(), start..start + top);
            let tail = terms.sum(tail, start + top + 1..end).ball();
            Some(RowExponentials::of(top, most, tail))
        };
        let rows = (0..count).map(row).collect();
        Exponentials { terms, rows }
    }
}

/// exp(x − x_max), exactly 0 for x = −∞.
#[inline(always)]
fn shifted(x: Ball, most: Ball) -> Ball {
    if x.is_minus_infinity() { Ball::ZERO } else { exp(x.sub(most)) }
}

/// The place of the greatest midpoint of a row; `None` where an entry is not known, or all are −∞.
#[inline(always)]
fn greatest(x: &impl Fn(usize) -> Ball, start: usize, n: usize) -> Option<usize> {
    let mut top = None;
    let mut most = f64::NEG_INFINITY;
    for at in 0..n {
        let entry = x(start + at);
        if entry.mid() > most && entry.is_known() {
            (top, most) = (Some(at), entry.mid());
        } else if !(entry.is_known() || entry.is_minus_infinity()) {
            return None;
        }
    }
    top
}

impl RowExponentials {
    fn of(top: usize, most: Ball, tail: Ball) -> RowExponentials {
        let total = Ball::ONE.add(tail);
        RowExponentials { top, most, tail, total, divisor: Divisor::new(total), ln_total: ln_1p(tail) }
    }

    /// ln Σ exp(x) − x_t = (x_max − x_t) + ln(1 + tail); not known for x_t = −∞.
    #[inline(always)]
    pub fn surprise(&self, t: usize, x_t: Ball) -> Ball {
        if t == self.top { self.ln_total } else { self.most.sub(x_t).add(self.ln_total) }
    }

    /// softmax_t − 1: −tail/Σ at the maximum, else a difference that cancels at most one bit.
    pub fn softmax_minus_one(&self, t: usize, term: Ball) -> Ball {
        let share = self.tail.div(self.total);
        // Beside tied maxima the difference keeps the side, which the quotient of two sums loses.
        if t == self.top && (share.is_one_sided() || !self.total.is_one_sided()) {
            share.neg()
        } else {
            self.divisor.divide(term).sub(Ball::ONE)
        }
    }

    /// softmax_c·Q − q_c with Q = Σq, by (e_c·(Q − q_c) − q_c·Σ_{i≠c} eᵢ)/Σe; where e_c vanishes beside the sum, or the tail
    /// beside the maximum, as it stands, which keeps the side.
    pub fn soft_gradient(&self, q: Ball, q_total: Ball, c: usize, term: Ball) -> Ball {
        if term.is_zero() {
            return q.neg();
        }
        if term.magnitude() < U || self.total.is_one_sided() {
            return self.divisor.divide(term).mul(q_total).sub(q);
        }
        let others = if c == self.top { self.tail } else { self.total.sub(term) };
        self.divisor.divide(term.mul(q_total.sub(q)).sub(q.mul(others)))
    }
}

/// The norm of a row.
#[derive(Copy, Clone)]
pub(super) struct RowNorm {
    pub norm: Ball,
    /// For p = ∞ where the largest coordinate is, if there is but one.
    largest: Option<usize>,
}

impl RowNorm {
    /// Of a row.
    pub fn of(row: impl ExactSizeIterator<Item = Ball> + Clone, p: Power, epsilon: f64) -> RowNorm {
        let Power::Finite(p) = p else {
            let (norm, largest) = maximum(row.map(Ball::abs));
            return RowNorm { norm, largest };
        };
        let sizes = row.map(Ball::abs);
        let mut nonzero = sizes.clone().filter(|size| !size.is_zero());
        if let (Some(only), None, true) = (nonzero.next(), nonzero.next(), epsilon == 0.0) {
            // One coordinate is its own norm.
            return RowNorm { norm: only, largest: None };
        }
        let count = sizes.len() + 1;
        let powers = sizes.map(|size| pow(size, p)).chain((epsilon != 0.0).then_some(Ball::exact(epsilon)));
        RowNorm { norm: root(sum(count, powers), p), largest: None }
    }

    /// ∂norm/∂xᵢ = sgn(xᵢ)·(|xᵢ|/norm)^(p−1); not known where it is a set.
    pub fn gradient(&self, i: usize, x: Ball, p: Power, epsilon: f64) -> Ball {
        let (Some(size), Some(sign)) = (self.norm.sign(), x.sign()) else { return Ball::UNKNOWN };
        if epsilon == 0.0 && size != 1 {
            return Ball::UNKNOWN;
        }
        let signed = |y: Ball| if sign < 0 { y.neg() } else { y };
        match p {
            Power::Finite(p) if p == 1.0 || sign == 0 => match (sign, p == 1.0) {
                (0, true) => Ball::UNKNOWN,
                (0, false) => Ball::ZERO,
                _ => signed(Ball::ONE),
            },
            Power::Finite(2.0) => x.div(self.norm),
            Power::Finite(p) => signed(pow(x.abs().div(self.norm), p - 1.0)),
            Power::Infinity => match self.largest {
                Some(largest) if largest == i => signed(Ball::ONE),
                Some(_) => Ball::ZERO,
                None => Ball::UNKNOWN,
            },
        }
    }
}

/// The greatest of a row, and where it is if it is known to be strictly above all others. Not known where it is not decided.
pub(super) fn maximum(row: impl Iterator<Item = Ball> + Clone) -> (Ball, Option<usize>) {
    let best = row.clone().enumerate().fold(None, |best: Option<(usize, Ball)>, (at, x)| match best {
        Some((_, most)) if x.mid() > most.mid() => Some((at, x)),
        None => Some((at, x)),
        best => best,
    });
    let Some((top, most)) = best else { return (Ball::UNKNOWN, None) };
    let (mut strictly, mut known) = (true, most.is_known());
    for (at, x) in row.enumerate().filter(|&(at, _)| at != top) {
        let _ = at;
        match most.compare(x) {
            Some(1) => {}
            Some(0) => strictly = false,
            _ => known = false,
        }
    }
    if known { (most, strictly.then_some(top)) } else { (Ball::UNKNOWN, None) }
}
