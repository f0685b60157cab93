//! A ball, and the model's rule for each elementwise operation on balls.
//!
//! A ball of radius 0 is a number that the machine has, exactly. Radii are estimates of a bound, not rounded up: they
//! are tolerances. Propagation uses a function's values at the ball's ends, in a form without cancellation, so that it
//! also works where the radius is far below an f64 ulp of the value.

use super::model::{ARGUMENT_IN_U, Model, two_sum_error, ulps};

/// A radius that is none, of a number that is not exact: f64's least.
const NEARLY: f64 = f64::from_bits(1);

/// A midpoint and a radius. An infinite or undefined midpoint has radius 0: the truth says what it is.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Ball {
    /// The midpoint.
    pub m: f64,
    /// The radius, never NaN.
    pub r: f64,
}

impl Ball {
    /// 0.
    pub const ZERO: Ball = Ball::exact(0.0);
    /// 1.
    pub const ONE: Ball = Ball::exact(1.0);

    /// A number that the machine has.
    pub const fn exact(m: f64) -> Ball {
        Ball { m, r: 0.0 }
    }

    /// A ball; a radius without a value counts as unbounded.
    pub fn new(m: f64, r: f64) -> Ball {
        match (m.is_finite(), r.is_nan()) {
            (false, _) => Ball::exact(m),
            (true, true) => Ball { m, r: f64::INFINITY },
            (true, false) => Ball { m, r },
        }
    }

    /// Whether it is one known number.
    pub fn is_exact(self) -> bool {
        self.r == 0.0
    }

    /// Whether it is exactly 0.
    pub fn is_zero(self) -> bool {
        self.m == 0.0 && self.r == 0.0
    }

    /// |m| + r; f64's largest number for what is beyond it by no more than a radius.
    pub fn magnitude(self) -> f64 {
        let sum = self.m.abs() + self.r;
        if self.m.is_finite() && self.r.is_finite() { sum.min(f64::MAX) } else { sum }
    }

    /// The midpoint, for a rule that moves the result by the radius itself. Inexact where the ball is: a kernel has another
    /// number there, and its roundings are not exact because those of the midpoint happen to be.
    pub fn midpoint(self) -> Ball {
        Ball::new(self.m, if self.is_exact() { 0.0 } else { NEARLY })
    }

    /// −x, exactly.
    pub fn neg(self) -> Ball {
        Ball { m: -self.m, r: self.r }
    }

    /// |x|, exactly.
    pub fn abs(self) -> Ball {
        Ball { m: self.m.abs(), r: self.r }
    }

    /// max(a, b), exactly.
    pub fn max(self, other: Ball) -> Ball {
        if self.m.is_nan() || other.m.is_nan() {
            return Ball::exact(f64::NAN);
        }
        let (above, below) = if self.m >= other.m { (self, other) } else { (other, self) };
        // The upper end is max(a + ra, b + rb); the lower end is never further away.
        let gap = if above.m == below.m { 0.0 } else { above.m - below.m };
        Ball::new(above.m, above.r.max(below.r - gap))
    }

    /// min(a, b), exactly.
    pub fn min(self, other: Ball) -> Ball {
        self.neg().max(other.neg()).neg()
    }

    /// The derivative of |x|: ±1, by the sign of m. Exactly at the kink one end of the set, +1; a ball over the kink
    /// reaches the other branch.
    pub fn sign(self) -> Ball {
        let m = if self.m < 0.0 { -1.0 } else { 1.0 };
        Ball::new(if self.m.is_nan() { self.m } else { m }, if self.reaches(0.0) { 2.0 } else { 0.0 })
    }

    /// The derivative of max(a, b) by a: 1 or 0. Exactly at the tie one end of the set, 1.
    pub fn tie_share(self, other: Ball) -> Ball {
        if self.m.is_nan() || other.m.is_nan() {
            return Ball::exact(f64::NAN);
        }
        let r = self.r + other.r;
        let tied = r > 0.0 && (self.m - other.m).abs() <= r;
        Ball::new(if self.m >= other.m { 1.0 } else { 0.0 }, if tied { 1.0 } else { 0.0 })
    }

    /// Whether a kink lies in the ball's reach; one that the midpoint hits exactly with radius 0 does not.
    fn reaches(self, kink: f64) -> bool {
        self.r > 0.0 && (self.m - kink).abs() <= self.r
    }
}

/// x·r where r = 0 or x = 0 makes 0 whatever the other is.
pub(super) fn times(x: f64, r: f64) -> f64 {
    if x == 0.0 || r == 0.0 { 0.0 } else { x * r }
}

/// e^r − 1, quickly where r is tiny.
pub(super) fn growth(r: f64) -> f64 {
    // Beyond 1e-9 the cubic term of the series is above an ulp.
    if r < 1e-9 { r * (1.0 + 0.5 * r) } else { core_math::expm1(r) }
}

/// σ(x) to nearly full precision.
fn logistic(x: f64) -> f64 {
    let e = core_math::exp(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// How far σ moves within the ball: σ(x)·σ(−x)·(e^r − 1)/(1 + σ·(e^r − 1)) with the smaller σ, the far end's value.
fn logistic_spread(x: Ball) -> f64 {
    if x.is_exact() {
        return 0.0;
    }
    let (small, large) = (logistic(-x.m.abs()), logistic(x.m.abs()));
    let grown = growth(x.r);
    if grown.is_finite() { small * large * grown / (1.0 + small * grown) } else { logistic(x.r - x.m.abs()) }
}

/// e^x − 1 − x without cancellation.
fn expm1_minus(x: f64) -> f64 {
    if x.abs() > 0.5 {
        return core_math::expm1(x) - x;
    }
    // Σ x^k/k! from k = 2 on; at |x| = 1/2 twenty terms leave less than 2^-80 of the first.
    let mut sum = 0.0;
    for k in (2..=21).rev() {
        sum = (1.0 + sum) * (x / f64::from(k));
    }
    sum * x
}

impl Model {
    /// a + b.
    pub fn add(&self, a: Ball, b: Ball) -> Ball {
        if a.is_zero() {
            return b;
        }
        if b.is_zero() {
            return a;
        }
        let m = a.m + b.m;
        let exact = a.is_exact() && b.is_exact() && two_sum_error(a.m, b.m, m) == 0.0 && self.holds(m);
        self.basic(m, a.r + b.r, exact)
    }

    /// a − b.
    pub fn sub(&self, a: Ball, b: Ball) -> Ball {
        self.add(a, b.neg())
    }

    /// a · b; an exact 0 makes an exact 0 of everything, an exact ±1 changes no more than the sign.
    pub fn mul(&self, a: Ball, b: Ball) -> Ball {
        if a.is_zero() || b.is_zero() {
            return Ball::ZERO;
        }
        for (one, other) in [(a, b), (b, a)] {
            if one.is_exact() && one.m.abs() == 1.0 {
                return if one.m > 0.0 { other } else { other.neg() };
            }
        }
        let m = a.m * b.m;
        let rho = times(a.m.abs(), b.r) + times(b.m.abs(), a.r) + times(a.r, b.r);
        let exact = a.is_exact() && b.is_exact() && self.product_is_exact(a.m, b.m, m);
        let rounded = self.basic(m, rho, exact);
        if exact {
            rounded
        } else {
            Ball::new(m, rounded.r + self.underflow(m, rho) + self.radius_rounding(m))
        }
    }

    /// a · b of the graph: what a flushed 0 makes unbounded may be infinite or NaN, and 0 times that is no 0.
    pub fn product(&self, a: Ball, b: Ball) -> Ball {
        let y = self.mul(a, b);
        let open = self.flushes() && (a.r.is_infinite() || b.r.is_infinite());
        if open { Ball::new(y.m, f64::INFINITY) } else { y }
    }

    /// x/2 or ½·x: a shift, which rounds only below the normal numbers.
    pub fn halved(&self, x: Ball) -> Ball {
        let half = Ball::new(0.5 * x.m, 0.5 * x.r);
        if x.is_exact() && 2.0 * half.m == x.m && self.holds(half.m) {
            return half;
        }
        Ball::new(half.m, half.r + self.underflow(half.m, half.r))
    }

    /// a / b.
    pub fn div(&self, a: Ball, b: Ball) -> Ball {
        if b.is_exact() && b.m.abs() == 1.0 {
            return if b.m > 0.0 { a } else { a.neg() };
        }
        if b.m == 0.0 {
            return Ball::exact(f64::NAN);
        }
        if a.is_zero() {
            // 0/0 where the divisor may have been flushed.
            let open = self.flushes() && b.m.abs() <= b.r;
            return Ball::new(0.0, if open { f64::INFINITY } else { 0.0 });
        }
        let m = a.m / b.m;
        if a.is_exact() && b.is_exact() && self.product_is_exact(m, b.m, a.m) && self.holds(m) {
            return Ball::exact(m);
        }
        let room = b.m.abs() - b.r;
        let rho = match (a.r, b.r) {
            (0.0, 0.0) => 0.0,
            // Each by itself: the radius of a divisor that is next to nothing must not underflow.
            _ if room > 0.0 => times(m.abs(), b.r / room) + a.r / room,
            _ => f64::INFINITY,
        };
        self.k_ulp(m, rho, ulps::DIVIDE)
    }

    /// min(max(x, low), high).
    pub fn clamp(&self, x: Ball, low: f64, high: f64) -> Ball {
        x.max(self.constant(low)).min(self.constant(high))
    }

    /// The derivative of the clamp: 1 inside, 0 outside; exactly at a bound one end of the set, 1.
    pub fn clamp_share(&self, x: Ball, low: f64, high: f64) -> Ball {
        let inside = if x.m.is_nan() { x.m } else { f64::from(u8::from(low <= x.m && x.m <= high)) };
        let reaches = |bound: f64| Ball::new(x.m, x.r + self.constant(bound).r).reaches(bound);
        Ball::new(inside, if reaches(low) || reaches(high) { 1.0 } else { 0.0 })
    }

    /// √x.
    pub fn sqrt(&self, x: Ball) -> Ball {
        if x.m < 0.0 && x.m + x.r >= 0.0 {
            // The true argument is not negative, or the definition is undefined here.
            return self.k_ulp(0.0, (x.m + x.r).sqrt(), ulps::SQRT);
        }
        let m = x.m.sqrt();
        if x.is_exact() && (m == 0.0 || self.holds(m) && self.product_is_exact(m, m, x.m)) {
            return Ball::exact(m);
        }
        // The lower end is further away, unless it is cut at 0.
        let low = (x.m - x.r).max(0.0).sqrt();
        let high = (x.m + x.r).sqrt();
        let rho = if x.is_exact() { 0.0 } else { (x.r.min(x.m) / (m + low)).max(x.r / (m + high)) };
        self.k_ulp(m, if x.m == 0.0 { x.r.sqrt() } else { rho }, ulps::SQRT)
    }

    /// e^x: its ulps, and 2u·|x| from its argument (rule 4): exp2(x·log₂ e) rounds the constant and the product.
    pub fn exp(&self, x: Ball) -> Ball {
        if x.m == f64::NEG_INFINITY || x.is_zero() {
            return Ball::exact(if x.m == 0.0 { 1.0 } else { 0.0 });
        }
        let m = core_math::exp(x.m);
        let r = x.r + self.argument_error(x);
        let rho = if m == 0.0 { core_math::exp(x.m + r) } else { times(m, growth(r)) };
        self.k_ulp(m, rho, ulps::EXP)
    }

    /// e^x − 1.
    pub fn expm1(&self, x: Ball) -> Ball {
        if x.is_zero() {
            return x;
        }
        let (m, e) = (core_math::expm1(x.m), core_math::exp(x.m));
        let rho = times(e, growth(x.r + self.argument_error(x)));
        self.k_ulp(m, rho, ulps::EXPM1)
    }

    /// What an exponential's argument loses (rule 4). In 16 bits that is no small number.
    fn argument_error(&self, x: Ball) -> f64 {
        ARGUMENT_IN_U * self.u * x.magnitude()
    }

    /// ln x; −∞ at 0.
    pub fn ln(&self, x: Ball) -> Ball {
        if x == Ball::ONE {
            return Ball::ZERO;
        }
        self.k_ulp(core_math::log(x.m), ln_spread(x.m, x.r), ulps::LN)
    }

    /// ln(1 + x); −∞ at −1.
    pub fn ln_1p(&self, x: Ball) -> Ball {
        if x.is_zero() {
            return x;
        }
        self.k_ulp(core_math::log1p(x.m), ln_spread(1.0 + x.m, x.r), ulps::LN_1P)
    }

    /// x^p.
    pub fn pow(&self, x: Ball, p: f64) -> Ball {
        if p == 1.0 {
            return x;
        }
        if p == 0.0 || x == Ball::ONE {
            return Ball::ONE;
        }
        let m = if x.m == 0.0 && p < 0.0 { f64::INFINITY } else { core_math::pow(x.m, p) };
        if x.is_exact() && (x.m == 0.0 || p == 2.0 && self.product_is_exact(x.m, x.m, m)) {
            return Ball::exact(m);
        }
        let a = x.m.abs();
        let rho = if x.r == 0.0 {
            0.0
        } else if p < 0.0 {
            // The end next to 0 is the far one.
            if x.r < a {
                times(m.abs(), core_math::expm1(p * core_math::log1p(-x.r / a)))
            } else {
                f64::INFINITY
            }
        } else if a == 0.0 {
            core_math::pow(x.r, p)
        } else {
            let up = times(m.abs(), core_math::expm1(p * core_math::log1p(x.r / a)));
            let down = if x.r < a {
                -times(m.abs(), core_math::expm1(p * core_math::log1p(-x.r / a)))
            } else {
                m.abs() + core_math::pow(x.r - a, p)
            };
            up.max(down)
        };
        // A degree that the machine rounds moves x^p by the factor x^(p·u).
        let degree = self.constant(p).r;
        let moved = if degree == 0.0 { 0.0 } else { times(m.abs(), degree * core_math::log(a).abs()) };
        self.k_ulp(m, rho + moved, ulps::POW)
    }

    /// tanh x = 2σ(2x) − 1, as far as the spread goes.
    pub fn tanh(&self, x: Ball) -> Ball {
        if x.is_zero() {
            return x;
        }
        let rho = 2.0 * logistic_spread(Ball::new(2.0 * x.m, 2.0 * x.r));
        self.k_ulp(core_math::tanh(x.m), rho, ulps::TANH)
    }

    /// ln(1 + e^x) as max(x, 0) + log1p(e^−|x|); it moves by ln(1 + σ(x)·(e^r − 1)), at most r.
    pub fn softplus(&self, x: Ball) -> Ball {
        let at = x.midpoint();
        let tail = self.ln_1p(self.exp(at.abs().neg()));
        let rounded = self.add(at.max(Ball::ZERO), tail);
        let spread = core_math::log1p(times(logistic(x.m), growth(x.r))).min(x.r);
        self.with_spread(rounded, spread)
    }

    /// ln σ(x) = −softplus(−x).
    pub fn log_sigmoid(&self, x: Ball) -> Ball {
        self.softplus(x.neg()).neg()
    }

    /// 1/(1 + e^−x), and e^x/(1 + e^x) below 0.
    pub fn sigmoid(&self, x: Ball) -> Ball {
        let e = self.exp(x.midpoint().abs().neg());
        let numerator = if x.m < 0.0 { e } else { Ball::ONE };
        let rounded = self.div(numerator, self.add(Ball::ONE, e));
        self.with_spread(rounded, logistic_spread(x))
    }

    /// σ(z) − y.
    pub fn sigmoid_minus(&self, z: Ball, y: Ball) -> Ball {
        self.sub(self.sigmoid(z), y)
    }

    /// (1−y)·σ(z) − y·w·σ(−z).
    pub fn sigmoid_minus_weighted(&self, z: Ball, y: Ball, w: Ball) -> Ball {
        let negative = self.mul(self.sub(Ball::ONE, y), self.sigmoid(z));
        self.sub(negative, self.mul(self.mul(y, w), self.sigmoid(z.neg())))
    }

    /// (max(z, 0) − z·y) + log1p(e^−|z|).
    pub fn bce_with_logits(&self, z: Ball, y: Ball) -> Ball {
        let (z_at, y_at) = (z.midpoint(), y.midpoint());
        let linear = self.sub(z_at.max(Ball::ZERO), self.mul(z_at, y_at));
        let tail = self.ln_1p(self.exp(z_at.abs().neg()));
        // By z the slope is σ(z) − y and changes by at most 1/4 a unit; by y it is −z.
        let slope = (logistic(z.m) - y.m).abs();
        let steepest = y.m.abs().max((1.0 - y.m).abs());
        let by_z = (slope * z.r + times(z.r, z.r) / 8.0).min(times(steepest, z.r));
        self.with_spread(self.add(linear, tail), by_z + times(z.magnitude(), y.r))
    }

    /// y·w·softplus(−z) + (1−y)·softplus(z).
    pub fn bce_with_logits_weighted(&self, z: Ball, y: Ball, w: Ball) -> Ball {
        let positive = self.mul(self.mul(y, w), self.softplus(z.neg()));
        self.add(positive, self.mul(self.sub(Ball::ONE, y), self.softplus(z)))
    }

    /// ln cosh x: the series below 0.05, |x| + log1p(e^(−2|x|)) − ln 2 above.
    pub fn log_cosh(&self, x: Ball) -> Ball {
        /// Below, kernels sum the series ½x²·(1 − x²/6 + …): a handful of basic operations without cancellation.
        const SERIES_BELOW: f64 = 0.05;
        const SERIES_OPERATIONS: usize = 4;
        /// Where they underflow: θ of the square is halved, its half and the last product lose one each.
        const SERIES_UNDERFLOWS: f64 = 2.5;
        if x.is_zero() {
            return x;
        }
        let a = x.m.abs();
        let rounded = if a < SERIES_BELOW {
            let sinh = core_math::sinh(a);
            let m = 0.5 * core_math::log1p(sinh * sinh);
            let lost = SERIES_UNDERFLOWS * self.underflow(m, x.r) + self.radius_rounding(m);
            Ball::new(m, self.gamma(SERIES_OPERATIONS) * m + lost)
        } else {
            let at = x.midpoint().abs();
            let twice = self.mul(Ball::exact(-2.0), at);
            // Beyond f64's range it still is an exponent.
            let twice = if twice.m.is_infinite() { Ball::new(-f64::MAX, at.r) } else { twice };
            let tail = self.ln_1p(self.exp(twice));
            // An irrational number, whatever the compute format holds.
            let ln_2 = std::f64::consts::LN_2;
            self.sub(self.add(at, tail), Ball::new(ln_2, self.u * ln_2))
        };
        // The slope is tanh x, of absolute value at most 1, and changes by at most 1 a unit.
        let spread = (core_math::tanh(a) * x.r + 0.5 * times(x.r, x.r)).min(x.r);
        self.with_spread(rounded, spread)
    }

    /// e^x − 1 − x as expm1(x) − x.
    pub fn expm1_minus(&self, x: Ball) -> Ball {
        if x.is_zero() {
            return x;
        }
        let at = x.midpoint();
        let rounding = self.sub(self.expm1(at), at).r;
        // f(x + h) − f(x) = (e^x − 1)(e^h − 1) + f(h).
        let moved = |h: f64| (core_math::expm1(x.m) * core_math::expm1(h) + expm1_minus(h)).abs();
        let spread = if x.is_exact() { 0.0 } else { moved(x.r).max(moved(-x.r)) };
        Ball::new(expm1_minus(x.m), rounding + spread)
    }

    /// x·ln y, 0 where x is exactly 0.
    pub fn xlogy(&self, x: Ball, y: Ball) -> Ball {
        if x.is_zero() { x } else { self.mul(x, self.ln(y)) }
    }

    /// A result rounded at the midpoint, moved by what its arguments' radii do; its relative rounding error goes along.
    pub fn with_spread(&self, rounded: Ball, spread: f64) -> Ball {
        if spread == 0.0 {
            return rounded;
        }
        let rounding = rounded.r.max(self.u * rounded.m.abs());
        let relative = if rounded.m == 0.0 { 0.0 } else { (rounding / rounded.m.abs()).min(1.0) };
        Ball::new(rounded.m, spread + rounding + times(spread, relative))
    }
}

/// How far ln moves over x ± r: to the lower end.
fn ln_spread(x: f64, r: f64) -> f64 {
    match r {
        0.0 => 0.0,
        r if r < x => -core_math::log1p(-r / x),
        _ => f64::INFINITY,
    }
}
