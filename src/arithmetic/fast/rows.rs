//! What rows of fast balls have in common: sums, exponentials, norms, maxima; computed once a row.

use super::array::{Array, Columns};
use super::ball::{Accumulate, Ball, Divide, Midpoint, U};
use super::elementary::{exp, ln_1p, pow, root};
use crate::arithmetic::dependence::marked;
use crate::graph::Power;
use std::ops::Range;

/// So many elements are worked on at a time, whose columns stay in the nearest cache.
pub(super) const BLOCK: usize = 512;

/// Fewer terms are added one after the other, which keeps the side of a sum that a term moves off a number.
pub(super) const FEW: usize = 4;

/// Σ of balls.
pub(super) fn sum<M: Midpoint>(count: usize, terms: impl Iterator<Item = Ball<M>>) -> Ball<M> {
    if count <= FEW {
        return terms.reduce(Ball::add).unwrap_or(Ball::ZERO);
    }
    let mut total = M::Total::default();
    terms.for_each(|term| total.push(term));
    total.ball()
}

/// What of an array's exponentials is asked for.
pub(super) struct Asked {
    /// Which rows; all where there is nothing.
    pub rows: Option<Vec<bool>>,
    /// Which elements' own exponentials; all where there is nothing.
    pub elements: Option<Vec<bool>>,
    /// Whether the rows' sums may be quick ones.
    pub quick: bool,
}

impl Asked {
    fn is_asked(marks: &Option<Vec<bool>>, at: usize) -> bool {
        marks.as_ref().is_none_or(|marks| marks[at])
    }
}

/// The exponentials of rows, shifted by their maxima, as one array, and what belongs to each row.
pub(super) struct Exponentials<M: Midpoint> {
    /// exp(xᵢ − x_max); exactly 1 at the maximum, exactly 0 where xᵢ = −∞.
    pub terms: Array<'static, M>,
    /// Of each row; `None` where a row has no finite maximum or something in it is not known, or it is not needed.
    pub rows: Vec<Option<RowExponentials<M>>>,
}

/// The sum of a row's exponentials without the maximum's own 1, so that ln Σ = x_max + ln(1 + tail) and 1 − softmax_max =
/// tail/(1 + tail) lose nothing.
#[derive(Copy, Clone)]
pub(super) struct RowExponentials<M: Midpoint> {
    /// Where the maximum is, in the row.
    pub top: usize,
    /// Its number.
    pub most: Ball<M>,
    /// Σ_{i≠top} eᵢ.
    pub tail: Ball<M>,
    /// 1 + tail.
    pub total: Ball<M>,
    /// The same as a divisor.
    pub divisor: M::Divisor,
    /// ln(1 + tail).
    pub ln_total: Ball<M>,
}

impl<M: Midpoint> Exponentials<M> {
    /// Of the rows of `n` elements of an array.
    pub fn of(x: &Array<'_, M>, n: usize, asked: &Asked) -> Exponentials<M> {
        if asked.quick
            && let (Array::Exact(x), Some(elements)) = (x, &asked.elements)
            && let Some(quick) = Exponentials::quick(x, n, asked, elements)
        {
            return quick;
        }
        let length = x.len();
        let mut terms = Columns::unset(length);
        let of_row = |row: usize| {
            let span = row * n..(row + 1) * n;
            let most_of = |top: usize| x.get(span.start + top);
            let top = if Asked::is_asked(&asked.rows, row) { greatest(x, span.clone()) } else { None };
            let Some(top) = top else {
                span.for_each(|i| terms.set(i, Ball::UNKNOWN));
                return None;
            };
            let most = most_of(top);
            let top_at = span.start + top;
            let mut tail = M::Total::default();
            for start in span.clone().step_by(BLOCK) {
                let block = start..(start + BLOCK).min(span.end);
                // The functions first, then the sum: nothing waits for another.
                let filled = match (x, terms.slices(block.clone())) {
                    (Array::Exact(x), Some((mid, rad))) => {
                        M::exponentials(&x[block.clone()], most.high(), mid, rad)
                    }
                    _ => false,
                };
                if !filled {
                    block.clone().for_each(|i| terms.set(i, shifted(x.get(i), most)));
                }
                if block.contains(&top_at) {
                    terms.set(top_at, Ball::ONE);
                    tail = terms.sum(tail, block.start..top_at);
                    tail = terms.sum(tail, top_at + 1..block.end);
                } else {
                    tail = terms.sum(tail, block);
                }
            }
            Some(RowExponentials::of(top, most, tail.ball()))
        };
        let rows = (0..length.checked_div(n).unwrap_or(0)).map(of_row).collect();
        Exponentials { terms: Array::Columns(terms), rows }
    }

    /// With quick sums, and of the exponentials only the marked ones; `None` where a sum is not quick.
    fn quick(x: &[f64], n: usize, asked: &Asked, elements: &[bool]) -> Option<Exponentials<M>> {
        let mut terms = Vec::new();
        let mut of_row = |row: usize| {
            let span = row * n..(row + 1) * n;
            let top =
                if Asked::is_asked(&asked.rows, row) { greatest_number(&x[span.clone()]) } else { None };
            let Some(top) = top else { return Some(None) };
            let (start, top_at, most) = (span.start, span.start + top, x[span.start + top]);
            let tail = M::quick_sum([&x[start..top_at], &x[top_at + 1..span.end]], most)?;
            let marked = marked(&elements[span]).map(|at| start + at);
            terms.extend(marked.map(|i| (i, shifted(Ball::exact(x[i]), Ball::exact(most)))));
            Some(Some(RowExponentials::of(top, Ball::exact(most), tail)))
        };
        let rows: Option<Vec<_>> = (0..x.len().checked_div(n).unwrap_or(0)).map(&mut of_row).collect();
        Some(Exponentials { rows: rows?, terms: Array::Sparse(terms, x.len()) })
    }
}

/// exp(x − x_max), exactly 0 for x = −∞.
#[inline(always)]
fn shifted<M: Midpoint>(x: Ball<M>, most: Ball<M>) -> Ball<M> {
    if x.is_minus_infinity() { Ball::ZERO } else { exp(x.sub(most)) }
}

/// The place of the greatest midpoint of a row; `None` where an entry is not known, or all are −∞.
fn greatest<M: Midpoint>(x: &Array<'_, M>, span: Range<usize>) -> Option<usize> {
    if let Array::Exact(values) = x {
        return greatest_number(&values[span]);
    }
    let mut top = None;
    let mut most = f64::NEG_INFINITY;
    for (at, i) in span.enumerate() {
        let entry = x.get(i);
        if entry.high() > most && entry.is_known() {
            (top, most) = (Some(at), entry.high());
        } else if !(entry.is_known() || entry.is_minus_infinity()) {
            return None;
        }
    }
    top
}

/// The place of the first greatest number; `None` where one is NaN or +∞, or all are −∞.
fn greatest_number(x: &[f64]) -> Option<usize> {
    let larger = |a: f64, b: f64| if b > a { b } else { a };
    let (mut lanes, mut fine) = ([f64::NEG_INFINITY; 8], [true; 8]);
    for chunk in x.chunks(lanes.len()) {
        for ((most, fine), &x) in lanes.iter_mut().zip(&mut fine).zip(chunk) {
            *most = larger(*most, x);
            *fine &= x < f64::INFINITY;
        }
    }
    let most = lanes.into_iter().fold(f64::NEG_INFINITY, larger);
    if most == f64::NEG_INFINITY || fine != [true; 8] {
        return None;
    }
    x.iter().position(|&x| x == most)
}

impl<M: Midpoint> RowExponentials<M> {
    fn of(top: usize, most: Ball<M>, tail: Ball<M>) -> RowExponentials<M> {
        let total = Ball::ONE.add(tail);
        RowExponentials { top, most, tail, total, divisor: M::Divisor::new(total), ln_total: ln_1p(tail) }
    }

    /// ln Σ exp(x) − x_t = (x_max − x_t) + ln(1 + tail).
    #[inline(always)]
    pub fn surprise(&self, t: usize, x_t: Ball<M>) -> Ball<M> {
        if t == self.top { self.ln_total } else { self.most.sub(x_t).add(self.ln_total) }
    }

    /// softmax_t − 1: −tail/Σ at the maximum, else a difference that cancels at most one bit.
    pub fn softmax_minus_one(&self, t: usize, term: Ball<M>) -> Ball<M> {
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
    pub fn soft_gradient(&self, q: Ball<M>, q_total: Ball<M>, c: usize, term: Ball<M>) -> Ball<M> {
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
pub(super) struct RowNorm<M> {
    pub norm: Ball<M>,
    /// For p = ∞ where the largest coordinate is, if there is but one.
    largest: Option<usize>,
}

impl<M: Midpoint> RowNorm<M> {
    /// Of which nothing is known.
    pub const UNKNOWN: RowNorm<M> = RowNorm { norm: Ball::UNKNOWN, largest: None };

    /// Of a row.
    pub fn of(row: impl ExactSizeIterator<Item = Ball<M>> + Clone, p: Power, epsilon: f64) -> RowNorm<M> {
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
    pub fn gradient(&self, i: usize, x: Ball<M>, p: Power, epsilon: f64) -> Ball<M> {
        let (Some(size), Some(sign)) = (self.norm.sign(), x.sign()) else { return Ball::UNKNOWN };
        if epsilon == 0.0 && size != 1 {
            return Ball::UNKNOWN;
        }
        let signed = |y: Ball<M>| if sign < 0 { y.neg() } else { y };
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
pub(super) fn maximum<M: Midpoint>(row: impl Iterator<Item = Ball<M>> + Clone) -> (Ball<M>, Option<usize>) {
    let best = row.clone().enumerate().fold(None, |best: Option<(usize, Ball<M>)>, (at, x)| match best {
        Some((_, most)) if x.high() > most.high() => Some((at, x)),
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
