//! What an honest kernel computes in: f64, f32, f16 and bf16 arithmetic as machines have it, f32 arithmetic that flushes
//! subnormals, and 300 bits. Elementary functions are those of the crate libm, within an ulp or so; nothing here knows
//! the oracle.

use lossproof::format::Format;
use rug::Float;
use rug::float::{Constant, Round};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number that plain loops compute with.
pub trait Number:
    Clone
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The number nearest to x.
    fn of(x: f64) -> Self;
    /// Rounded once to a format.
    fn store(&self, format: Format) -> f64;
    fn exp(&self) -> Self;
    fn exp2(&self) -> Self;
    fn expm1(&self) -> Self;
    fn ln(&self) -> Self;
    fn ln_1p(&self) -> Self;
    fn sqrt(&self) -> Self;
    fn pow(&self, p: &Self) -> Self;

    /// x·2^e, by a shift.
    fn shifted(&self, e: i32) -> Self;
    /// The exponent of its leading bit, of a number that is not 0.
    fn exponent(&self) -> i32;

    /// ln 2.
    fn ln_2() -> Self;
    /// ln 2π.
    fn ln_2_pi() -> Self;

    fn zero() -> Self {
        Self::of(0.0)
    }

    fn one() -> Self {
        Self::of(1.0)
    }

    fn is_zero(&self) -> bool {
        *self == Self::zero()
    }

    fn abs(&self) -> Self {
        if *self < Self::zero() { -self.clone() } else { self.clone() }
    }

    /// The larger; NaN of NaN.
    fn max(&self, other: &Self) -> Self {
        if self >= other || self.is_nan() { self.clone() } else { other.clone() }
    }

    fn is_nan(&self) -> bool {
        self.partial_cmp(self).is_none()
    }

    /// ±1, and 0 at 0.
    fn sign(&self) -> Self {
        match self.partial_cmp(&Self::zero()) {
            Some(Ordering::Less) => -Self::one(),
            Some(Ordering::Equal) => Self::zero(),
            Some(Ordering::Greater) => Self::one(),
            None => self.clone(),
        }
    }
}

/// How a machine rounds, and its elementary functions.
pub trait Arithmetic: 'static {
    fn round(x: f64) -> f64;

    /// f32 functions, or f64 functions whose results are rounded.
    const SINGLE: bool = false;
}

/// f64.
pub struct Double;
/// f32.
pub struct Single;
/// f32 on a machine that takes subnormals for 0 and makes none.
pub struct Flushing;
/// f16.
pub struct Half;
/// bf16.
pub struct Brain;

impl Arithmetic for Double {
    fn round(x: f64) -> f64 {
        x
    }
}

impl Arithmetic for Single {
    fn round(x: f64) -> f64 {
        f64::from(x as f32)
    }

    const SINGLE: bool = true;
}

impl Arithmetic for Flushing {
    fn round(x: f64) -> f64 {
        let x = x as f32;
        f64::from(if x.is_subnormal() { 0.0 } else { x })
    }

    const SINGLE: bool = true;
}

impl Arithmetic for Half {
    fn round(x: f64) -> f64 {
        Format::F16.round(x)
    }
}

impl Arithmetic for Brain {
    fn round(x: f64) -> f64 {
        Format::Bf16.round(x)
    }
}

/// A number of a machine. Basic operations are rounded from f64: 53 bits are at least twice 24 and two more, so that
/// is the same as rounding once.
pub struct In<A>(f64, PhantomData<A>);

impl<A: Arithmetic> In<A> {
    fn rounded(x: f64) -> In<A> {
        In(A::round(x), PhantomData)
    }

    fn function(&self, single: fn(f32) -> f32, double: fn(f64) -> f64) -> In<A> {
        In::rounded(if A::SINGLE { f64::from(single(self.0 as f32)) } else { double(self.0) })
    }
}

impl<A> Clone for In<A> {
    fn clone(&self) -> In<A> {
        In(self.0, PhantomData)
    }
}

impl<A> PartialEq for In<A> {
    fn eq(&self, other: &In<A>) -> bool {
        self.0 == other.0
    }
}

impl<A> PartialOrd for In<A> {
    fn partial_cmp(&self, other: &In<A>) -> Option<Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl<A: Arithmetic> Add for In<A> {
    type Output = In<A>;
    fn add(self, other: In<A>) -> In<A> {
        In::rounded(self.0 + other.0)
    }
}

impl<A: Arithmetic> Sub for In<A> {
    type Output = In<A>;
    fn sub(self, other: In<A>) -> In<A> {
        In::rounded(self.0 - other.0)
    }
}

impl<A: Arithmetic> Mul for In<A> {
    type Output = In<A>;
    fn mul(self, other: In<A>) -> In<A> {
        In::rounded(self.0 * other.0)
    }
}

impl<A: Arithmetic> Div for In<A> {
    type Output = In<A>;
    fn div(self, other: In<A>) -> In<A> {
        In::rounded(self.0 / other.0)
    }
}

impl<A: Arithmetic> Neg for In<A> {
    type Output = In<A>;
    fn neg(self) -> In<A> {
        In(-self.0, PhantomData)
    }
}

impl<A: Arithmetic> Number for In<A> {
    fn shifted(&self, e: i32) -> In<A> {
        In::rounded(libm::scalbn(self.0, e))
    }

    fn exponent(&self) -> i32 {
        libm::ilogb(self.0)
    }

    fn ln_2() -> In<A> {
        In::rounded(std::f64::consts::LN_2)
    }

    fn ln_2_pi() -> In<A> {
        In::rounded(libm::log(std::f64::consts::TAU))
    }

    fn of(x: f64) -> In<A> {
        In::rounded(x)
    }

    fn store(&self, format: Format) -> f64 {
        format.round(self.0)
    }

    fn exp(&self) -> In<A> {
        self.function(libm::expf, libm::exp)
    }

    fn exp2(&self) -> In<A> {
        self.function(libm::exp2f, libm::exp2)
    }

    fn expm1(&self) -> In<A> {
        self.function(libm::expm1f, libm::expm1)
    }

    fn ln(&self) -> In<A> {
        self.function(libm::logf, libm::log)
    }

    fn ln_1p(&self) -> In<A> {
        self.function(libm::log1pf, libm::log1p)
    }

    fn sqrt(&self) -> In<A> {
        self.function(libm::sqrtf, libm::sqrt)
    }

    fn pow(&self, p: &In<A>) -> In<A> {
        let x = match A::SINGLE {
            true => f64::from(libm::powf(self.0 as f32, p.0 as f32)),
            false => libm::pow(self.0, p.0),
        };
        In::rounded(x)
    }
}

/// What stands for an exponential beyond MPFR's exponents, with room for what it is multiplied by.
pub fn least(bits: u32) -> Float {
    Float::with_val(bits, 1) >> (1u32 << 29)
}

/// A difference that has lost all but so many bits of its operands is what their rounding left over: 0.
const LEFT_OVER: i64 = 20;

/// So many bits, with an exponent that never ends. Operations round to odd, so that a number just beside a tie of a
/// narrow format stays on its side of it.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub struct Wide<const BITS: u32>(Float);

/// What is rounded towards 0, with the last bit set where something was cut off.
pub fn to_odd((mut x, direction): (Float, Ordering)) -> Float {
    let is_even = |x: &Float| {
        let integer = x.to_integer_exp();
        integer
            .is_none_or(|(significand, _)| significand.significant_bits() < x.prec() || significand.is_even())
    };
    if direction != Ordering::Equal && x.is_normal() && is_even(&x) {
        if x.is_sign_negative() { x.next_down() } else { x.next_up() }
    }
    x
}

impl<const BITS: u32> Wide<BITS> {
    pub fn of_float(x: Float) -> Wide<BITS> {
        Wide(x)
    }

    /// A function of it, from what MPFR rounds towards 0.
    fn map(&self, f: impl FnOnce(&mut Float, Round) -> Ordering) -> Wide<BITS> {
        let mut x = self.0.clone();
        let direction = f(&mut x, Round::Zero);
        Wide(to_odd((x, direction)))
    }

    fn without_left_over(sum: Float, a: &Float, b: &Float) -> Wide<BITS> {
        let exponent = |x: &Float| x.get_exp().map_or(i64::MIN, i64::from);
        let largest = exponent(a).max(exponent(b));
        let left_over =
            sum.is_finite() && largest.saturating_sub(exponent(&sum)) > i64::from(BITS) - LEFT_OVER;
        Wide(if left_over { Float::new(BITS) } else { sum })
    }
}

impl<const BITS: u32> Add for Wide<BITS> {
    type Output = Wide<BITS>;
    fn add(self, other: Wide<BITS>) -> Wide<BITS> {
        let sum = to_odd(Float::with_val_round(BITS, &self.0 + &other.0, Round::Zero));
        Wide::without_left_over(sum, &self.0, &other.0)
    }
}

impl<const BITS: u32> Sub for Wide<BITS> {
    type Output = Wide<BITS>;
    fn sub(self, other: Wide<BITS>) -> Wide<BITS> {
        self + -other
    }
}

impl<const BITS: u32> Mul for Wide<BITS> {
    type Output = Wide<BITS>;
    fn mul(self, other: Wide<BITS>) -> Wide<BITS> {
        Wide(to_odd(Float::with_val_round(BITS, &self.0 * &other.0, Round::Zero)))
    }
}

impl<const BITS: u32> Div for Wide<BITS> {
    type Output = Wide<BITS>;
    fn div(self, other: Wide<BITS>) -> Wide<BITS> {
        Wide(to_odd(Float::with_val_round(BITS, &self.0 / &other.0, Round::Zero)))
    }
}

impl<const BITS: u32> Neg for Wide<BITS> {
    type Output = Wide<BITS>;
    fn neg(self) -> Wide<BITS> {
        Wide(-self.0)
    }
}

impl<const BITS: u32> Number for Wide<BITS> {
    fn shifted(&self, e: i32) -> Wide<BITS> {
        Wide(self.0.clone() << e)
    }

    fn exponent(&self) -> i32 {
        self.0.get_exp().map_or(0, |e| e - 1)
    }

    fn ln_2() -> Wide<BITS> {
        Wide(Float::with_val(BITS, Constant::Log2))
    }

    fn ln_2_pi() -> Wide<BITS> {
        Wide(Float::with_val(BITS, Float::with_val(BITS, Constant::Pi) * 2u32).ln())
    }

    fn of(x: f64) -> Wide<BITS> {
        Wide(Float::with_val(BITS, x))
    }

    /// An f64 as MPFR rounds it; narrower formats from 53 bits rounded to odd, which keeps what decides a tie.
    fn store(&self, format: Format) -> f64 {
        if format == Format::F64 || !self.0.is_finite() {
            return self.0.to_f64();
        }
        format.round(to_odd(Float::with_val_round(53, &self.0, Round::Zero)).to_f64())
    }

    /// Where even MPFR's exponents end, something is left that is not 0.
    fn exp(&self) -> Wide<BITS> {
        let y = self.map(Float::exp_round);
        if self.0.is_finite() && y.is_zero() { Wide(least(BITS)) } else { y }
    }

    fn exp2(&self) -> Wide<BITS> {
        self.map(Float::exp2_round)
    }

    fn expm1(&self) -> Wide<BITS> {
        self.map(Float::exp_m1_round)
    }

    fn ln(&self) -> Wide<BITS> {
        self.map(Float::ln_round)
    }

    fn ln_1p(&self) -> Wide<BITS> {
        self.map(Float::ln_1p_round)
    }

    fn sqrt(&self) -> Wide<BITS> {
        self.map(Float::sqrt_round)
    }

    fn pow(&self, p: &Wide<BITS>) -> Wide<BITS> {
        self.map(|x, round| rug::ops::PowAssignRound::pow_assign_round(x, &p.0, round))
    }
}
