//! The machine model in numbers: what one operation of an honest kernel may lose. Every constant of `MODEL.md` that is
//! not a format's own stands here, with its source.

use super::ball::{Ball, times};
use crate::format::{Format, exponent_of, power_of_two_f64};
use crate::judge::{Machine, Summation};

/// Errors of elementary functions in ulp: the OpenCL C specification, "Relative error as ULPs", full profile, single
/// precision; the widest promise that graphics and machine-learning hardware makes.
pub(super) mod ulps {
    /// e^x.
    pub const EXP: f64 = 3.0;
    /// e^x − 1.
    pub const EXPM1: f64 = 3.0;
    /// ln x.
    pub const LN: f64 = 3.0;
    /// ln(1 + x).
    pub const LN_1P: f64 = 2.0;
    /// x^p.
    pub const POW: f64 = 16.0;
    /// √x.
    pub const SQRT: f64 = 3.0;
    /// a / b.
    pub const DIVIDE: f64 = 2.5;
    /// tanh x.
    pub const TANH: f64 = 5.0;
}

/// Rule 6: the relative error of one exponential in units of u: 3 ulp are at most 6u.
pub(super) const EXP_IN_U: f64 = 2.0 * ulps::EXP;
/// Rule 4: the relative error of an exponential's argument in units of u.
pub(super) const ARGUMENT_IN_U: f64 = 2.0;
/// Rule 6: the quotient e/s of a softmax, in units of u: 2.5 ulp.
pub(super) const DIVIDE_IN_U: f64 = 2.0 * ulps::DIVIDE;
/// Rule 3: terms in one block of a blocked sum.
const BLOCK: usize = 1024;
/// Below this product an f64's rounding error can itself underflow, and a zero residual proves nothing.
const RESIDUAL_FLOOR: f64 = 1e-280;

/// The rules' numbers for one machine; or, for the level `backward`, operations that do not round.
#[derive(Copy, Clone, Debug)]
pub(super) struct Model {
    /// The format in which the kernel computes.
    pub compute: Format,
    /// Its unit roundoff; 0 where operations do not round.
    pub u: f64,
    /// θ: what an underflow may lose; 0 where operations do not round.
    pub theta: f64,
    /// The relative radius of float inputs.
    input_error: f64,
    rounds: bool,
    flushes: bool,
    summation: Summation,
}

impl Model {
    /// The machine: exact inputs, operations that round.
    pub fn rounding(machine: &Machine) -> Model {
        let compute = machine.compute;
        Model {
            compute,
            u: compute.unit_roundoff(),
            theta: if machine.flush_to_zero { compute.min_normal() } else { compute.min_subnormal() },
            input_error: 0.0,
            rounds: true,
            flushes: machine.flush_to_zero,
            summation: machine.summation,
        }
    }

    /// Inputs with radius u·|x|, operations that do not round: what a backward stable kernel answers to.
    pub fn perturbed_inputs(machine: &Machine) -> Model {
        let rounding = Model::rounding(machine);
        Model { u: 0.0, theta: 0.0, input_error: rounding.u, rounds: false, flushes: false, ..rounding }
    }

    /// Whether operations round.
    pub fn rounds(&self) -> bool {
        self.rounds
    }

    /// Whether subnormal numbers may be taken for 0.
    pub fn flushes(&self) -> bool {
        self.flushes
    }

    /// Whether a finite number is one of the machine's: held by the compute format, and not flushed.
    pub fn holds(&self, x: f64) -> bool {
        let held = match self.compute {
            Format::F64 => true,
            Format::F32 => f64::from(x as f32) == x,
            format => format.holds(x),
        };
        held && x.is_finite() && !(self.flushes && x != 0.0 && x.abs() < self.compute.min_normal())
    }

    /// A constant or a parameter (rule 1).
    pub fn constant(&self, c: f64) -> Ball {
        if self.holds(c) { Ball::exact(c) } else { Ball::new(c, self.u * c.abs() + self.theta) }
    }

    /// ln 2π, rounded whatever the format holds.
    pub fn ln_two_pi(&self) -> Ball {
        /// To 53 bits.
        const LN_TWO_PI: f64 = 1.837_877_066_409_345_5;
        Ball::new(LN_TWO_PI, self.u * LN_TWO_PI)
    }

    /// An element of a float input. Infinite ones are exact.
    pub fn input(&self, x: f64) -> Ball {
        if self.flushes && x != 0.0 && x.abs() < self.compute.min_normal() {
            return Ball::new(x, x.abs());
        }
        let input = self.constant(x);
        Ball::new(input.m, input.r + self.input_error * x.abs())
    }

    /// ulp(x) in the compute format, whose exponents go on beyond its range; infinite for infinity.
    pub fn ulp(&self, x: f64) -> f64 {
        if !self.rounds {
            return 0.0;
        }
        if !x.is_finite() {
            return f64::INFINITY;
        }
        let e = exponent_of(x).max(self.compute.min_exponent());
        power_of_two_f64(e - self.compute.precision() as i32 + 1)
    }

    /// γ_h = hu/(1 − hu). Where that is no longer small (16-bit sums of hundreds of terms) e^(hu) − 1, which bounds
    /// the same product (1 + u)^h − 1 and stays finite.
    pub fn gamma(&self, h: usize) -> f64 {
        let hu = h as f64 * self.u;
        if hu < 0.25 { hu / (1.0 - hu) } else { core_math::expm1(hu) }
    }

    /// h: how many additions stand one after the other in a sum of n terms (rule 3).
    pub fn height(&self, n: usize) -> usize {
        let log2 = |n: usize| n.max(1).next_power_of_two().trailing_zeros() as usize;
        match self.summation {
            Summation::Blocked => log2(n.min(BLOCK)) + n.div_ceil(BLOCK).max(1) - 1,
            Summation::Pairwise => log2(n),
            Summation::Sequential => n.max(1) - 1,
        }
    }

    /// The result of a basic operation: m with what came from the operands and one rounding, if there is one.
    pub fn basic(&self, m: f64, rho: f64, exact: bool) -> Ball {
        if exact && rho == 0.0 {
            return Ball::exact(m);
        }
        let flushed =
            if self.flushes && m.abs() - rho < self.compute.min_normal() { self.theta } else { 0.0 };
        // Each by itself: next to f64's largest number their sum has no f64.
        Ball::new(m, rho + (self.u * m.abs() + times(self.u, rho)) + flushed)
    }

    /// θ where a product or quotient may be below the normal numbers (rule 2).
    pub fn underflow(&self, m: f64, rho: f64) -> f64 {
        if m.abs() - rho < 2.0 * self.compute.min_normal() { self.theta } else { 0.0 }
    }

    /// The result of a k-ulp operation (rule 2).
    pub fn k_ulp(&self, m: f64, rho: f64, k: f64) -> Ball {
        let top = m.abs() + rho;
        // Above f64's largest number its next binade begins.
        let beyond = m.is_finite() && rho.is_finite() && top.is_infinite();
        let ulp = if beyond { 2.0 * self.ulp(f64::MAX) } else { self.ulp(top) };
        Ball::new(m, rho + k * ulp + self.theta + self.radius_rounding(m))
    }

    /// What an f64 radius of an f64 below the normal numbers may itself have lost: one more of the least number. Such a
    /// radius may be multiplied by something large later.
    pub fn radius_rounding(&self, m: f64) -> f64 {
        let small = self.compute == Format::F64 && self.rounds && m.abs() < 2.0 * self.compute.min_normal();
        if small { self.compute.min_subnormal() } else { 0.0 }
    }

    /// Whether a·b = p exactly and the machine has it.
    pub fn product_is_exact(&self, a: f64, b: f64, p: f64) -> bool {
        // Two numbers of a narrower format have an exact product in f64.
        self.holds(p)
            && (self.compute != Format::F64
                || a == 0.0
                || b == 0.0
                || p.abs() > RESIDUAL_FLOOR && a.mul_add(b, -p) == 0.0)
    }
}

/// The rounding error of s = a + b (Knuth's TwoSum), exact for finite a, b and s.
pub(super) fn two_sum_error(a: f64, b: f64, s: f64) -> f64 {
    let t = s - a;
    (a - (s - t)) + (b - t)
}
