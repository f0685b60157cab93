//! Numbers with a tail: 300 bits, and 300 more however far below. On which side of a tie z·σ(z)^γ lies is decided by e^−z,
//! which beside z = 1000 is 1400 bits down, and beside 10³⁰ further than any count of bits goes.

use crate::number::{Number, Wide, least, to_odd};
use lossproof::format::Format;
use rug::Float;
use rug::float::{Constant, Round};
use rug::ops::Pow;
use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Sub};

const BITS: u32 = 300;

/// head + tail, the tail at most half an ulp of the head.
#[derive(Clone, Debug, PartialEq)]
pub struct Tailed {
    head: Float,
    tail: Float,
}

fn sum(terms: &[Float]) -> Float {
    Float::with_val(BITS, Float::sum(terms.iter()))
}

impl Tailed {
    /// A head that is infinite or undefined has no tail.
    fn of_parts(head: Float, tail: Float) -> Tailed {
        let whole = Float::with_val(BITS, &head + &tail);
        let tail = match whole.is_finite() && tail.is_finite() {
            // Dekker's fast sum: both differences are exact.
            true => tail - Float::with_val(BITS, &whole - &head),
            false => Float::new(BITS),
        };
        Tailed { head: if whole.is_nan() && !head.is_nan() { head } else { whole }, tail }
    }

    /// A number of more bits.
    fn of_wide(x: &Float) -> Tailed {
        let head = Float::with_val(BITS, x);
        let tail = if head.is_finite() { Float::with_val(BITS, x - &head) } else { Float::new(BITS) };
        Tailed { head, tail }
    }

    /// f(head) and f′(head)·tail.
    fn map(&self, f: impl Fn(Float) -> Float, slope: impl Fn(&Float) -> Float) -> Tailed {
        let y = Tailed::of_wide(&f(Float::with_val(2 * BITS, &self.head)));
        if self.tail.is_zero() || !y.head.is_finite() {
            return y;
        }
        let moved = Float::with_val(BITS, slope(&self.head) * &self.tail);
        Tailed::of_parts(y.head, sum(&[y.tail, moved]))
    }
}

impl PartialOrd for Tailed {
    fn partial_cmp(&self, other: &Tailed) -> Option<Ordering> {
        let heads = self.head.partial_cmp(&other.head)?;
        if heads == Ordering::Equal { self.tail.partial_cmp(&other.tail) } else { Some(heads) }
    }
}

impl Add for Tailed {
    type Output = Tailed;
    fn add(self, other: Tailed) -> Tailed {
        let (a, b) = (&self.head, &other.head);
        let head = Float::with_val(BITS, a + b);
        if !head.is_finite() {
            return Tailed { head, tail: Float::new(BITS) };
        }
        // Knuth's exact sum.
        let from_b = Float::with_val(BITS, &head - a);
        let from_a = Float::with_val(BITS, &head - &from_b);
        let lost = Float::with_val(BITS, a - &from_a) + Float::with_val(BITS, b - &from_b);
        Tailed::of_parts(head, sum(&[lost, self.tail, other.tail]))
    }
}

impl Sub for Tailed {
    type Output = Tailed;
    fn sub(self, other: Tailed) -> Tailed {
        self + -other
    }
}

impl Mul for Tailed {
    type Output = Tailed;
    fn mul(self, other: Tailed) -> Tailed {
        let exact = Float::with_val(2 * BITS, &self.head * &other.head);
        let product = Tailed::of_wide(&exact);
        if !product.head.is_finite() {
            return product;
        }
        let moved = [(&self.head, &other.tail), (&self.tail, &other.head), (&self.tail, &other.tail)];
        let [first, second, third] = moved.map(|(a, b)| Float::with_val(BITS, a * b));
        Tailed::of_parts(product.head, sum(&[product.tail, first, second, third]))
    }
}

impl Div for Tailed {
    type Output = Tailed;
    fn div(self, other: Tailed) -> Tailed {
        let head = Float::with_val(BITS, &self.head / &other.head);
        if !head.is_finite() || !other.head.is_finite() {
            return Tailed { head, tail: Float::new(BITS) };
        }
        let product = Float::with_val(2 * BITS, &head * &other.head);
        let rest = Float::with_val(BITS, &self.head - &product);
        let moved = -Float::with_val(BITS, &head * &other.tail);
        let tail = sum(&[rest, self.tail, moved]) / &other.head;
        Tailed::of_parts(head, tail)
    }
}

impl Neg for Tailed {
    type Output = Tailed;
    fn neg(self) -> Tailed {
        Tailed { head: -self.head, tail: -self.tail }
    }
}

impl Number for Tailed {
    fn shifted(&self, e: i32) -> Tailed {
        Tailed { head: self.head.clone() << e, tail: self.tail.clone() << e }
    }

    fn exponent(&self) -> i32 {
        self.head.get_exp().map_or(0, |e| e - 1)
    }

    fn of(x: f64) -> Tailed {
        Tailed { head: Float::with_val(BITS, x), tail: Float::new(BITS) }
    }

    fn store(&self, format: Format) -> f64 {
        let whole = Float::with_val_round(BITS, &self.head + &self.tail, Round::Zero);
        Wide::<BITS>::of_float(to_odd(whole)).store(format)
    }

    /// Where even MPFR's exponents end, something is left that is not 0.
    fn exp(&self) -> Tailed {
        let y = self.map(Float::exp, |x| Float::with_val(BITS, x.exp_ref()));
        match self.head.is_finite() && y.head.is_zero() {
            true => Tailed { head: least(BITS), tail: y.tail },
            false => y,
        }
    }

    fn exp2(&self) -> Tailed {
        self.map(Float::exp2, |x| Float::with_val(BITS, x.exp2_ref()) * Float::with_val(BITS, Constant::Log2))
    }

    fn expm1(&self) -> Tailed {
        self.map(Float::exp_m1, |x| Float::with_val(BITS, x.exp_ref()))
    }

    fn ln(&self) -> Tailed {
        self.map(Float::ln, |x| Float::with_val(BITS, x.recip_ref()))
    }

    fn ln_1p(&self) -> Tailed {
        self.map(Float::ln_1p, |x| Float::with_val(BITS, x + 1u32).recip())
    }

    fn sqrt(&self) -> Tailed {
        self.map(Float::sqrt, |x| Float::with_val(BITS, x.sqrt_ref()).recip() / 2u32)
    }

    fn pow(&self, p: &Tailed) -> Tailed {
        let p = &p.head;
        let slope = |x: &Float| Float::with_val(BITS, x.pow(Float::with_val(BITS, p - 1u32))) * p;
        self.map(|x| x.pow(p), slope)
    }

    fn ln_2() -> Tailed {
        Tailed::of_wide(&Float::with_val(2 * BITS, Constant::Log2))
    }

    fn ln_2_pi() -> Tailed {
        Tailed::of_wide(&Float::with_val(2 * BITS, Float::with_val(2 * BITS, Constant::Pi) * 2u32).ln())
    }
}
