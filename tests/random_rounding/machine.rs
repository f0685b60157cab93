//! A machine that errs at random: each operation within what MODEL.md lets it lose, and no more. The rules and their
//! constants are written down again here, from the model's text, so that the two can disagree.

use lossproof::format::Format;
use lossproof::judge::{Machine, Summation};
use rug::Float;
use rug::float::Round;
use rug::ops::Pow;
use std::cmp::Ordering;

/// Bits of the numbers in between: far more than any machine's.
pub const BITS: u32 = 240;

/// Ulps of elementary functions: OpenCL, full profile.
pub const EXP: f64 = 3.0;
pub const EXPM1: f64 = 3.0;
pub const LN: f64 = 3.0;
pub const LN_1P: f64 = 2.0;
pub const POW: f64 = 16.0;
pub const SQRT: f64 = 3.0;
pub const DIVIDE: f64 = 2.5;
pub const TANH: f64 = 5.0;

/// How a machine errs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Anything between the two ends.
    Anywhere,
    /// One of the two ends.
    AtTheEnds,
    /// Always too much.
    Up,
    /// Always too little.
    Down,
    /// Not at all.
    Not,
}

impl Manner {
    pub const ALL: [Manner; 5] = [Manner::Anywhere, Manner::AtTheEnds, Manner::Up, Manner::Down, Manner::Not];
}

/// A number of the machine, and whether it is what the mathematics says, exactly.
#[derive(Clone, Debug)]
pub struct Value {
    pub x: Float,
    pub exact: bool,
}

impl Value {
    pub fn exact(x: f64) -> Value {
        Value { x: Float::with_val(BITS, x), exact: true }
    }

    fn off(x: Float) -> Value {
        Value { x, exact: false }
    }

    pub fn is_exactly(&self, x: f64) -> bool {
        self.exact && self.x == x
    }

    pub fn neg(&self) -> Value {
        Value { x: Float::with_val(BITS, -&self.x), exact: self.exact }
    }

    pub fn abs(&self) -> Value {
        Value { x: Float::with_val(BITS, self.x.abs_ref()), exact: self.exact }
    }
}

/// The machine with its stream of errors.
pub struct Erring {
    machine: Machine,
    manner: Manner,
    state: u64,
    pub u: f64,
    theta: f64,
}

impl Erring {
    pub fn new(machine: Machine, manner: Manner, seed: u64) -> Erring {
        let compute = machine.compute;
        let theta = if machine.flush_to_zero { compute.min_normal() } else { compute.min_subnormal() };
        Erring { machine, manner, state: seed, u: compute.unit_roundoff(), theta }
    }

    /// A random integer: SplitMix64.
    pub fn integer(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Heads or tails: which of two good forms is taken.
    pub fn either(&mut self) -> bool {
        self.integer() & 1 == 0
    }

    /// A part of what an operation may lose, in [−1, 1].
    pub fn part(&mut self) -> f64 {
        let bits = self.integer();
        match self.manner {
            Manner::Anywhere => (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0,
            Manner::AtTheEnds => {
                if bits & 1 == 0 {
                    1.0
                } else {
                    -1.0
                }
            }
            Manner::Up => 1.0,
            Manner::Down => -1.0,
            Manner::Not => 0.0,
        }
    }

    fn holds(&self, x: &Float) -> bool {
        let near = x.to_f64();
        let flushed =
            self.machine.flush_to_zero && near != 0.0 && near.abs() < self.machine.compute.min_normal();
        *x == near && self.machine.compute.holds(near) && !flushed
    }

    fn ulp(&self, x: &Float) -> Float {
        let least = self.machine.compute.min_exponent();
        let e = x.get_exp().map_or(least, |e| (e - 1).max(least));
        Float::with_val(BITS, 1) << (e - self.machine.compute.precision() as i32 + 1)
    }

    /// x·(1 + part·relative).
    pub fn relatively(&mut self, x: Float, relative: f64) -> Float {
        let factor = Float::with_val(BITS, relative * self.part()) + 1u32;
        x * factor
    }

    /// x·(1 + γ)^part: what h roundings of one sign may do, since (1 − u)^h is at least 1 − hu = 1/(1 + γ).
    pub fn grown(&mut self, x: Float, gamma: f64) -> Float {
        let part = self.part();
        let factor = Float::with_val(BITS, gamma * part.abs()) + 1u32;
        if part < 0.0 { x / factor } else { x * factor }
    }

    fn nudged(&mut self, x: Float) -> Float {
        let by = self.theta * self.part();
        x + by
    }

    fn is_small(&self, x: &Float) -> bool {
        Float::with_val(BITS, x.abs_ref()) < self.machine.compute.min_normal()
    }

    /// A constant, a parameter or an input that the machine takes in.
    pub fn taken(&mut self, x: f64) -> Value {
        let wide = Float::with_val(BITS, x);
        if !x.is_finite() || self.holds(&wide) {
            return Value { x: wide, exact: true };
        }
        if self.machine.flush_to_zero && self.is_small(&wide) {
            let flushes = self.either() && self.manner != Manner::Not;
            return Value::off(if flushes { Float::new(BITS) } else { wide });
        }
        let rounded = self.relatively(wide, self.u);
        Value::off(self.nudged(rounded))
    }

    /// The result of a basic operation.
    fn basic(&mut self, (x, direction): (Float, Ordering), exact: bool, underflows: bool) -> Value {
        if !x.is_finite() || exact && direction == Ordering::Equal && self.holds(&x) {
            return Value { exact, x };
        }
        let small = self.is_small(&x);
        let mut rounded = self.relatively(x, self.u);
        if underflows && small {
            rounded = self.nudged(rounded);
        }
        if self.machine.flush_to_zero && small && self.manner != Manner::Not && self.either() {
            rounded = Float::new(BITS);
        }
        Value::off(rounded)
    }

    /// The result of a k-ulp operation.
    pub fn ulps(&mut self, x: Float, k: f64) -> Value {
        if !x.is_finite() {
            return Value::off(x);
        }
        let by = self.ulp(&x) * (k * self.part());
        Value::off(self.nudged(x + by))
    }

    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        match () {
            // Nothing is rounded where nothing is added.
            _ if a.x.is_zero() => Value { x: b.x.clone(), exact: a.exact && b.exact },
            _ if b.x.is_zero() => Value { x: a.x.clone(), exact: a.exact && b.exact },
            _ => {
                let sum = Float::with_val_round(BITS, &a.x + &b.x, Round::Nearest);
                self.basic(sum, a.exact && b.exact, false)
            }
        }
    }

    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.add(a, &b.neg())
    }

    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        if a.is_exactly(0.0) || b.is_exactly(0.0) {
            return Value::exact(0.0);
        }
        for (one, other) in [(a, b), (b, a)] {
            if one.is_exactly(1.0) {
                return other.clone();
            }
            if one.is_exactly(-1.0) {
                return other.neg();
            }
        }
        let product = Float::with_val_round(BITS, &a.x * &b.x, Round::Nearest);
        self.basic(product, a.exact && b.exact, true)
    }

    pub fn div(&mut self, a: &Value, b: &Value) -> Value {
        if b.is_exactly(1.0) {
            return a.clone();
        }
        if a.is_exactly(0.0) && !b.x.is_zero() {
            return Value::exact(0.0);
        }
        let (quotient, direction) = Float::with_val_round(BITS, &a.x / &b.x, Round::Nearest);
        if a.exact && b.exact && direction == Ordering::Equal && self.holds(&quotient) {
            return Value { x: quotient, exact: true };
        }
        self.ulps(quotient, DIVIDE)
    }

    /// a·2^e into numbers whose range does not matter.
    pub fn unit_scaled(&self, a: &Value, e: i32) -> Value {
        Value { x: a.x.clone() << e, exact: a.exact }
    }

    /// a·2^e at last, where it may underflow.
    pub fn scaled_back(&mut self, a: &Value, e: i32) -> Value {
        let shifted = a.x.clone() << e;
        let x = if self.is_small(&shifted) && !a.is_exactly(0.0) { self.nudged(shifted) } else { shifted };
        Value { x, exact: a.exact }
    }

    /// ½·a: a shift, which rounds only below the normal numbers.
    pub fn halved(&mut self, a: &Value) -> Value {
        let half = Float::with_val(BITS, &a.x / 2u32);
        if a.exact && self.holds(&half) {
            return Value { x: half, exact: true };
        }
        let small = self.is_small(&half);
        Value::off(if small { self.nudged(half) } else { half })
    }

    pub fn max(&self, a: &Value, b: &Value) -> Value {
        if a.x >= b.x || a.x.is_nan() { a.clone() } else { b.clone() }
    }

    pub fn sqrt(&mut self, a: &Value) -> Value {
        if a.x < 0 && !a.exact {
            return Value::off(Float::new(BITS));
        }
        let (root, direction) = Float::with_val_round(BITS, a.x.sqrt_ref(), Round::Nearest);
        if a.exact && direction == Ordering::Equal && self.holds(&root) {
            return Value { x: root, exact: true };
        }
        self.ulps(root, SQRT)
    }

    /// An exponential's argument: rounded, and multiplied by a rounded log₂ e.
    fn argument(&mut self, a: &Value) -> Float {
        self.relatively(a.x.clone(), 2.0 * self.u)
    }

    pub fn exp(&mut self, a: &Value) -> Value {
        if a.is_exactly(0.0) {
            return Value::exact(1.0);
        }
        if a.x.is_infinite() {
            return Value { x: Float::with_val(BITS, a.x.exp_ref()), exact: a.exact };
        }
        let x = self.argument(a).exp();
        self.ulps(x, EXP)
    }

    pub fn expm1(&mut self, a: &Value) -> Value {
        if a.is_exactly(0.0) {
            return a.clone();
        }
        let x = self.argument(a).exp_m1();
        self.ulps(x, EXPM1)
    }

    pub fn ln(&mut self, a: &Value) -> Value {
        if a.is_exactly(1.0) {
            return Value::exact(0.0);
        }
        self.ulps(Float::with_val(BITS, a.x.ln_ref()), LN)
    }

    pub fn ln_1p(&mut self, a: &Value) -> Value {
        if a.is_exactly(0.0) {
            return a.clone();
        }
        self.ulps(Float::with_val(BITS, a.x.ln_1p_ref()), LN_1P)
    }

    pub fn tanh(&mut self, a: &Value) -> Value {
        if a.is_exactly(0.0) {
            return a.clone();
        }
        self.ulps(Float::with_val(BITS, a.x.tanh_ref()), TANH)
    }

    /// x^p; the degree is taken into the machine first.
    pub fn pow(&mut self, a: &Value, p: f64) -> Value {
        if p == 1.0 {
            return a.clone();
        }
        if p == 0.0 || a.is_exactly(1.0) {
            return Value::exact(1.0);
        }
        if p == 2.0 {
            return self.mul(a, a);
        }
        let degree = self.taken(p).x;
        if a.x < 0 {
            // What is left of a power that underflowed.
            return Value::off(Float::new(BITS));
        }
        self.ulps(Float::with_val(BITS, (&a.x).pow(&degree)), POW)
    }

    /// How many additions stand one after the other in a sum.
    fn height(&self, n: usize) -> usize {
        let log2 = |n: usize| n.max(1).next_power_of_two().trailing_zeros() as usize;
        match self.machine.summation {
            Summation::Blocked => log2(n.min(1024)) + n.div_ceil(1024).max(1) - 1,
            Summation::Pairwise => log2(n),
            Summation::Sequential => n.max(1) - 1,
        }
    }

    /// The relative error of a sum of n terms of one sign.
    pub fn gamma(&self, n: usize) -> f64 {
        let hu = self.height(n) as f64 * self.u;
        if hu < 0.25 { hu / (1.0 - hu) } else { hu.exp_m1() }
    }

    /// Σ xᵢ: one operation.
    pub fn sum(&mut self, terms: &[Value]) -> Value {
        let live: Vec<&Value> = terms.iter().filter(|x| !x.is_exactly(0.0)).collect();
        match live[..] {
            [] => return Value::exact(0.0),
            [x] => return x.clone(),
            [a, b] => return self.add(a, b),
            _ => {}
        }
        let sum = Float::with_val(BITS, Float::sum(live.iter().map(|x| &x.x)));
        let magnitudes: Vec<Float> = live.iter().map(|x| Float::with_val(BITS, x.x.abs_ref())).collect();
        let magnitude = Float::with_val(BITS, Float::sum(magnitudes.iter()));
        if !sum.is_finite() {
            return Value::off(sum);
        }
        if live.iter().all(|x| x.exact) && self.every_order_is_exact(&live, &magnitude) {
            return Value { x: sum, exact: true };
        }
        // The height of the tree that the terms which are not 0 need.
        let hu = self.height(terms.len()).min(live.len() - 1) as f64 * self.u;
        let gamma = if hu < 0.25 { hu / (1.0 - hu) } else { hu.exp_m1() };
        let by = magnitude * (gamma * self.part());
        Value::off(sum + by)
    }

    /// Whether every partial sum in every order is a multiple of one power of two, and has few enough bits.
    fn every_order_is_exact(&self, terms: &[&Value], magnitude: &Float) -> bool {
        let last_bit = |x: &Float| {
            x.to_integer_exp().map_or(i64::MAX, |(significand, exponent)| {
                i64::from(exponent) + i64::from(significand.find_one(0).unwrap_or(0))
            })
        };
        let quantum = terms.iter().map(|x| last_bit(&x.x)).min().unwrap_or(i64::MAX);
        let top = magnitude.get_exp().map_or(i64::MIN, |e| i64::from(e) - 1);
        let inside = *magnitude <= self.machine.compute.max_value();
        inside && top.saturating_sub(quantum) < i64::from(self.machine.compute.precision())
    }

    /// Whether it takes subnormals for 0.
    pub fn flushes(&self) -> bool {
        self.machine.flush_to_zero
    }

    /// The format in which it computes.
    pub fn compute(&self) -> Format {
        self.machine.compute
    }

    /// The number that is stored.
    pub fn stored(&self, x: &Value, format: Format) -> Float {
        if format == self.machine.compute || !x.x.is_finite() {
            return x.x.clone();
        }
        Float::with_val(BITS, format.round(x.x.to_f64()))
    }
}
