//! The soundness of the balls of binary cross-entropy, focal loss and cosine: the formulas as they stand, with far more bits,
//! at points inside the arguments' balls. Unit tests, as these items are private.

use super::ball::{Ball, Side};
use super::cosine::Cosine;
use super::radius::Radius;
use super::{binary, focal};
use crate::graph::{Focal, LogClamp, PYTORCH_FLOOR, Real, SoftTarget};
use rug::Float;
use rug::ops::Pow;

/// Bits of the reference: enough for e^−20000 beside 1.
const REFERENCE: u32 = 60_000;
/// How far the reference itself may be off, relative.
const SLACK: i32 = -59_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A multiple of 2^−20 in (0, 1).
    fn unit(&mut self) -> f64 {
        (1 + self.bits() % ((1 << 20) - 1)) as f64 / f64::from(1 << 20)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.bits() % choices.len() as u64) as usize]
    }
}

fn wide(x: f64) -> Float {
    Float::with_val(REFERENCE, x)
}

/// A ball around x that may be a point, and a point of it.
fn around(x: f64, random: &mut Random) -> (Ball, Float) {
    match random.pick(&[None, None, Some(-10), Some(-40), Some(-100)]) {
        None => (Ball::from_f64(x), wide(x)),
        Some(e) => {
            let part = wide(random.unit() * 2.0 - 1.0);
            let point = wide(x) + (part << e) * wide(x.abs());
            let rad = Radius::above(&wide(x)) * Radius::power_of_two(e.into());
            (Ball::around(Float::with_val(53, x), rad), point)
        }
    }
}

/// Whether the ball has the number, which is known to nearly [`REFERENCE`] bits. Balls that say nothing have it.
fn assert_holds(ball: &Ball, truth: &Float, what: &str) -> bool {
    let Ball::Finite { mid, rad, side } = ball else {
        assert!(matches!(ball, Ball::Unknown), "{what}: {ball:?} and {truth:.20}");
        return false;
    };
    let slack = Float::with_val(64, truth.abs_ref()) << SLACK;
    let distance = Float::with_val(REFERENCE, truth - &**mid);
    let allowed = Float::with_val(REFERENCE, rad.to_float() + &slack);
    assert!(Float::with_val(REFERENCE, distance.abs_ref()) <= allowed, "{what}: {ball:?} misses {truth:.40}");
    match side {
        Side::Any => {}
        Side::Above => assert!(distance > 0, "{what}: {ball:?}, the truth is {distance:.10e} off"),
        Side::Below => assert!(distance < 0, "{what}: {ball:?}, the truth is {distance:.10e} off"),
    }
    true
}

const PRECISIONS: [u32; 4] = [24, 53, 96, 300];

#[test]
fn binary_cross_entropy() {
    let mut random = Random(1);
    let mut known = 0;
    for round in 0..1500 {
        let near = random.pick(&[1.0, 0.0625, 1e-6, 1e-12]);
        let p = random.unit() * near;
        let p = if random.bits() & 1 == 0 { p } else { 1.0 - p };
        let any = random.unit();
        let y = random.pick(&[0.0, 1.0, 0.5, any, p]);
        let ((p_ball, p), (y_ball, y)) = (around(p, &mut random), around(y, &mut random));
        if p >= 1 || y > 1 {
            continue;
        }
        let low = random.pick(&[-1.0, -3.0, -20.0]);
        let clamp =
            [LogClamp::None, LogClamp::Cut(Real::new(low)), LogClamp::PyTorch(Real::new(low))][round % 3];
        let prec = random.pick(&PRECISIONS);
        // Fewer bits will do here: nothing is beside 1 by less than 1e-12.
        let narrow = |x: &Float| Float::with_val(4000, x);
        let (p, y) = (narrow(&p), narrow(&y));
        let (q, no) = (Float::with_val(4000, 1u32 - &p), Float::with_val(4000, 1u32 - &y));
        let logs = [Float::with_val(4000, p.ln_ref()), Float::with_val(4000, q.ln_ref())];
        let cut = logs.clone().map(|log| log < clamp.low());
        let clamped =
            [0, 1].map(|i| if cut[i] { Float::with_val(4000, clamp.low()) } else { logs[i].clone() });
        let value = -(Float::with_val(4000, &y * &clamped[0]) + Float::with_val(4000, &no * &clamped[1]));
        let kept = |i: usize| !(cut[i] && matches!(clamp, LogClamp::Cut(_)));
        let gradient = if let LogClamp::PyTorch(_) = clamp {
            let product = Float::with_val(4000, &p * &q).max(&Float::with_val(4000, PYTORCH_FLOOR));
            Float::with_val(4000, &p - &y) / product
        } else {
            let on = if kept(0) { Float::with_val(4000, &y / &p) } else { Float::new(4000) };
            let off = if kept(1) { Float::with_val(4000, &no / &q) } else { Float::new(4000) };
            off - on
        };
        let by_y = match clamp {
            LogClamp::Cut(_) => Float::with_val(4000, &clamped[1] - &clamped[0]),
            _ => Float::with_val(4000, &logs[1] - &logs[0]),
        };
        let what = format!("{clamp:?} p {p:.20} y {y:.20} at {prec}");
        let holds = |ball: Ball, truth: &Float, of: &str| {
            // Zero is exact, or the reference's own cancellation.
            let tiny = Float::with_val(64, 1u32) << -3900;
            if truth.clone().abs() < tiny {
                return usize::from(assert_holds(&ball, &Float::new(4000), &format!("{of} {what}")));
            }
            usize::from(assert_holds_with(&ball, truth, -3800, &format!("{of} {what}")))
        };
        known += holds(binary::bce(&p_ball, &y_ball, clamp, prec), &value, "loss");
        known += holds(binary::bce_gradient(&p_ball, &y_ball, clamp, prec), &gradient, "by p");
        known += holds(binary::bce_target_gradient(&p_ball, clamp, prec), &by_y, "by y");
    }
    assert!(known > 3500, "{known} of the balls say something");
}

/// As [`assert_holds`], of a reference of fewer bits.
fn assert_holds_with(ball: &Ball, truth: &Float, slack: i32, what: &str) -> bool {
    let Ball::Finite { mid, rad, .. } = ball else { return !matches!(ball, Ball::Unknown) };
    let allowed = Float::with_val(4000, rad.to_float() + (Float::with_val(64, truth.abs_ref()) << slack));
    let distance = Float::with_val(4000, truth - &**mid).abs();
    assert!(distance <= allowed, "{what}: {ball:?} misses {truth:.40}");
    true
}

/// The formulas as they stand, by e^−z and logarithms of `bits` bits: the loss and its central difference are not needed, as
/// the derivative is written out too.
fn focal_of(z: &Float, y: &Float, form: Focal, bits: u32) -> [Float; 2] {
    let new = |x: f64| Float::with_val(bits, x);
    let one = new(1.0);
    let sigmoid = |t: &Float| {
        let e = Float::with_val(bits, -t).exp();
        Float::with_val(bits, 1u32 / (e + 1u32))
    };
    let softplus = |t: &Float| Float::with_val(bits, t.exp_ref()).ln_1p();
    let power = |x: &Float| Float::with_val(bits, x.pow(&new(form.gamma())));
    let (p, q) = (sigmoid(z), sigmoid(&Float::with_val(bits, -z)));
    let no = Float::with_val(bits, &one - y);
    let gamma = new(form.gamma());
    let (on, off) = match form.alpha {
        Some(alpha) => (new(alpha.get()) * y, (one.clone() - alpha.get()) * &no),
        None => (Float::with_val(bits, y), no.clone()),
    };
    let (s, t) = (softplus(&Float::with_val(bits, -z)), softplus(z));
    if form.is_two_terms(y.to_f64()) && (form.soft == SoftTarget::Linear || *y == 0 || *y == 1) {
        let value = on.clone() * power(&q) * &s + off.clone() * power(&p) * &t;
        let fall = power(&q) * (q.clone() + gamma.clone() * &p * &s);
        let rise = power(&p) * (p.clone() + gamma * &q * &t);
        return [value, off * rise - on * fall];
    }
    let alpha_t = if form.alpha.is_some() { on + off } else { one.clone() };
    let entropy = Float::with_val(bits, y * &s) + Float::with_val(bits, &no * &t);
    let entropy_slope = Float::with_val(bits, &p - y);
    let gap = Float::with_val(bits, &no - y);
    let (weight, change) = match form.soft {
        SoftTarget::ExpBce => {
            let e = Float::with_val(bits, -&entropy).exp();
            let rest = Float::with_val(bits, 1u32 - &e);
            (power(&rest), gamma * e * &entropy_slope / rest)
        }
        SoftTarget::LogWeight => {
            let t = Float::with_val(bits, &gap * z);
            let far = sigmoid(&Float::with_val(bits, -&t));
            (power(&sigmoid(&t)), gamma * gap * far)
        }
        _ => {
            let miss = Float::with_val(bits, y * &q) + Float::with_val(bits, &no * &p);
            (power(&miss), gamma * gap * p * q / miss)
        }
    };
    let value = alpha_t.clone() * &weight * &entropy;
    [value, alpha_t * weight * (entropy_slope + change * entropy)]
}

const MEANINGS: [SoftTarget; 4] =
    [SoftTarget::Linear, SoftTarget::InterpolateP, SoftTarget::ExpBce, SoftTarget::LogWeight];

fn form(random: &mut Random, soft: SoftTarget) -> Focal {
    let alpha = random.pick(&[None, Some(0.0), Some(0.25), Some(1.0), Some(0.875)]);
    let gamma = Real::new(random.pick(&[0.0, 0.5, 1.0, 2.0, 3.5]));
    Focal { alpha: alpha.map(Real::new), gamma, soft }
}

#[test]
fn focal_loss() {
    const BITS: u32 = 3000;
    let mut random = Random(2);
    let mut known = 0;
    for round in 0..1500 {
        let form = form(&mut random, MEANINGS[round % 4]);
        let scale = random.pick(&[1.0, 20.0, 200.0]);
        let z = (random.unit() - 0.5) * scale;
        let any = random.unit();
        let y = random.pick(&[0.0, 1.0, 0.5, any]);
        let (z_ball, z) = around(z, &mut random);
        let (z, y_ball) = (Float::with_val(BITS, &z), Ball::from_f64(y));
        let prec = random.pick(&PRECISIONS);
        let [value, gradient] = focal_of(&z, &Float::with_val(BITS, y), form, BITS);
        let what = format!("{form:?} z {z:.20} y {y} at {prec}");
        for (ball, truth, of) in [
            (focal::focal(&z_ball, &y_ball, form, prec), &value, "loss"),
            (focal::focal_gradient(&z_ball, &y_ball, form, prec), &gradient, "gradient"),
        ] {
            known += usize::from(assert_holds_with(&ball, truth, -2000, &format!("{of} {what}")));
        }
    }
    assert!(known > 2500, "{known} of the balls say something");
}

/// Saturated logits against their target, where the side of the limit is all that can be said.
#[test]
fn sides_of_saturated_focal_losses() {
    let mut random = Random(3);
    let mut sided = 0;
    for round in 0..96 {
        let form = form(&mut random, MEANINGS[round % 4]);
        let s = random.pick(&[8193.0, 9000.0, 12000.0, 16384.5, 18000.0]);
        let y = random.pick(&[1.0, 0.5, 0.75, 0.25, 1e-9, 1.0 - f64::EPSILON / 2.0, 0.0]);
        let (z, y) = if random.bits() & 1 == 0 { (-s, y) } else { (s, 1.0 - y) };
        let truth = focal_of(&wide(z), &wide(y), form, REFERENCE);
        let (z_ball, y_ball) = (Ball::from_f64(z), Ball::from_f64(y));
        for (ball, truth) in [
            (focal::focal(&z_ball, &y_ball, form, 96), &truth[0]),
            (focal::focal_gradient(&z_ball, &y_ball, form, 96), &truth[1]),
        ] {
            if !truth.is_zero() {
                assert_holds(&ball, truth, &format!("{form:?} z {z} y {y}"));
            }
            sided += usize::from(ball.is_one_sided());
        }
    }
    assert!(sided > 60, "{sided} have a side");
}

#[test]
fn cosines() {
    const BITS: u32 = 3000;
    let mut random = Random(4);
    for round in 0..600 {
        let n = 1 + round % 4;
        let epsilon = random.pick(&[0.0, 1e-12, 0.25]);
        let mut row = |scale: f64| -> Vec<(Ball, Float)> {
            let mut entry = || {
                let x = (random.unit() - 0.5) * scale;
                around(x, &mut random)
            };
            (0..n).map(|_| entry()).collect()
        };
        let (x, mut y) = (row(2.0), row(1e3));
        if round % 3 == 0 {
            // Exactly parallel.
            y = x.iter().map(|(ball, point)| (ball.neg(), Float::with_val(REFERENCE, -point))).collect();
        }
        let balls = |row: &[(Ball, Float)]| row.iter().map(|(ball, _)| ball.clone()).collect::<Vec<_>>();
        let points = |row: &[(Ball, Float)]| -> Vec<Float> {
            row.iter().map(|(_, point)| Float::with_val(BITS, point)).collect()
        };
        let (x_balls, y_balls, x, y) = (balls(&x), balls(&y), points(&x), points(&y));
        let dot = |a: &[Float], b: &[Float]| {
            a.iter().zip(b).fold(Float::new(BITS), |sum, (a, b)| sum + Float::with_val(BITS, a * b))
        };
        let (d, first, second) = (dot(&x, &y), dot(&x, &x) + epsilon, dot(&y, &y) + epsilon);
        let root = Float::with_val(BITS, &first * &second).sqrt();
        let prec = random.pick(&PRECISIONS);
        let (x_row, y_row) = (x_balls.to_vec(), y_balls.to_vec());
        let cosine =
            Cosine::of(&x_row.iter().collect::<Vec<_>>(), &y_row.iter().collect::<Vec<_>>(), epsilon, prec);
        let what = format!("{x_balls:?} {y_balls:?} {epsilon} at {prec}");
        assert_holds_with(&cosine.value(prec), &Float::with_val(BITS, &d / &root), -2000, &what);
        for i in 0..n {
            let numerator = Float::with_val(BITS, &y[i] * &first) - Float::with_val(BITS, &d * &x[i]);
            let slope = numerator / Float::with_val(BITS, &first * &root);
            let ball = cosine.gradient(&x_balls[i], &y_balls[i], prec);
            let tiny = Float::with_val(64, 1u32) << -2500;
            let slope = if slope.clone().abs() < tiny { Float::new(BITS) } else { slope };
            assert_holds_with(&ball, &slope, -2000, &what);
        }
    }
}

/// Parallel, orthogonal, and a cosine of ½: exactly, and the parallel ones' gradient is 0.
#[test]
fn cosines_that_can_be_written_are_exact() {
    let row = |values: [f64; 3]| values.map(Ball::from_f64);
    let cosine = |x: [f64; 3], y: [f64; 3]| {
        let (x, y) = (row(x), row(y));
        let shared = Cosine::of(&x.each_ref(), &y.each_ref(), 0.0, 300);
        let slopes = [0, 1, 2].map(|i| shared.gradient(&x[i], &y[i], 300));
        (shared.value(300), slopes)
    };
    let is = |ball: &Ball, x: f64| matches!(ball, Ball::Finite { mid, .. } if ball.is_exact() && **mid == x);
    let x = [0.1, -3.7, 1e-5];
    let (parallel, slopes) = cosine(x, x.map(|x| 2.0 * x));
    assert!(is(&parallel, 1.0) && slopes.iter().all(Ball::is_zero), "{parallel:?} {slopes:?}");
    let (antiparallel, slopes) = cosine(x, x.map(|x| -0.5 * x));
    assert!(is(&antiparallel, -1.0) && slopes.iter().all(Ball::is_zero), "{antiparallel:?} {slopes:?}");
    assert!(is(&cosine([1.0, 1.0, 0.0], [1.0, 0.0, 1.0]).0, 0.5));
    assert!(is(&cosine([3.0, 1.0, 0.0], [-1.0, 3.0, 0.0]).0, 0.0));
    assert!(matches!(cosine([0.0; 3], x).0, Ball::Undefined));
}
