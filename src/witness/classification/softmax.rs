//! The closed form of a row under a softmax, which the softmax losses share.

use crate::witness::amount::Amount;
use crate::witness::real::Real;

/// What the logits of one row say: LSE(x) − x_c of each class and its softmax. A logit −∞ has softmax 0 and the gap +∞. A row
/// of nothing else, or with a NaN, has no value.
///
/// With x_m the largest logit and u the sum of exp(x_j − x_m) over the others, LSE(x) − x_c is
/// ln(1 + u) + (x_m − x_c), both terms at least 0.
pub(super) struct Gaps {
    /// LSE(x) − x_c.
    pub gaps: Vec<Amount>,
    /// `None` where the row has no value.
    softmax: Option<Softmax>,
}

struct Softmax {
    peak: usize,
    /// u.
    others: Real,
    /// 1 + u.
    normaliser: Real,
    shares: Vec<Real>,
}

impl Gaps {
    /// Of a row of logits.
    pub fn of(logits: &[f64]) -> Gaps {
        let peak = (0..logits.len()).fold(0, |peak, c| if logits[c] > logits[peak] { c } else { peak });
        if logits.iter().any(|x| x.is_nan()) || logits[peak] == f64::NEG_INFINITY {
            return Gaps { gaps: vec![Amount::Undefined; logits.len()], softmax: None };
        }
        let below_peak = |&x: &f64| x.is_finite().then(|| Real::sum_of(&[x, -logits[peak]]));
        let below: Vec<Option<Real>> = logits.iter().map(below_peak).collect();
        let powers: Vec<Real> = below.iter().map(|d| d.map_or(Real::ZERO, Real::exp)).collect();
        let others = sum_without(&powers, peak);
        let normaliser = Real::ONE + others;
        let tail = others.ln_1p();
        let gap = |d: &Option<Real>| match d {
            Some(d) => Amount::Number(tail - *d),
            None => Amount::Infinite { negative: false },
        };
        let shares = powers.iter().map(|&power| power / normaliser).collect();
        Gaps {
            gaps: below.iter().map(gap).collect(),
            softmax: Some(Softmax { peak, others, normaliser, shares }),
        }
    }
}

/// The loss of one row and its gradient by the logits.
pub(super) struct Row {
    pub loss: Amount,
    pub gradient: Vec<Amount>,
}

impl Row {
    /// Σ_c part_c·(LSE(x) − x_c) from each class's part w_c q_c, `None` where it is left out; the gradient is
    /// softmax·Σ part − part. With a part, a logit −∞ makes the loss +∞, or undefined where the part is 0 all the same.
    ///
    /// softmax·Σ − part is written so that nothing cancels that need not:
    /// softmax_c · Σ_{j≠c} part_j − part_c · Σ_{j≠c} softmax_j.
    pub fn of(gaps: &Gaps, parts: &[Option<Amount>]) -> Row {
        let numbers = parts.iter().map(|part| match part {
            None => Some(Real::ZERO),
            Some(Amount::Number(x)) => Some(*x),
            Some(_) => None,
        });
        let numbers = numbers.collect::<Option<Vec<Real>>>();
        let (Some(numbers), Some(softmax)) = (numbers, &gaps.softmax) else {
            return Row { loss: Amount::Undefined, gradient: vec![Amount::Undefined; parts.len()] };
        };
        let terms = gaps.gaps.iter().zip(parts).filter_map(|(&gap, part)| part.map(|part| part * gap));
        let loss = Amount::sum(terms);
        let total = Real::sum(&numbers);
        let Softmax { peak, others, normaliser, shares } = softmax;
        let slope = |c: usize| {
            let mut slope = Real::ZERO;
            if !shares[c].is_exact_zero() {
                slope = slope + shares[c] * sum_of_others(&numbers, c, total);
            }
            if !numbers[c].is_exact_zero() {
                let elsewhere =
                    if c == *peak { *others / *normaliser } else { sum_of_others(shares, c, Real::ONE) };
                slope = slope - numbers[c] * elsewhere;
            }
            Amount::Number(slope)
        };
        Row { loss, gradient: (0..parts.len()).map(slope).collect() }
    }
}

/// Σ_{j≠c} of terms that are at least 0.
fn sum_without(terms: &[Real], c: usize) -> Real {
    Real::sum(&terms[..c]) + Real::sum(&terms[c + 1..])
}

/// The same with the whole sum known: by subtraction where that loses at most a bit, which is so for all terms but one.
fn sum_of_others(terms: &[Real], c: usize, total: Real) -> Real {
    if (terms[c] + terms[c]).value() <= total.value() { total - terms[c] } else { sum_without(terms, c) }
}
