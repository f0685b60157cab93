//! Norms of rows, computed scaled, and their derivatives (rule 6).

use super::ball::{Ball, times};
use super::model::{DIVIDE_IN_U, Model, ulps};
use super::sum::Accumulator;
use super::ties::Ties;
use crate::graph::Power;

/// A row's norm: the ball of (Σ|xᵢ|^p + ε)^(1/p), and what its derivative needs.
#[derive(Copy, Clone, Debug)]
pub(super) struct Norm {
    /// The norm.
    pub value: Ball,
    ties: Ties,
    power: Power,
    epsilon: f64,
    /// Whether the power sum is beyond the machine's range.
    overflows: bool,
}

impl Norm {
    /// Looks at a row.
    pub fn of(model: &Model, row: &[Ball], power: Power, epsilon: f64) -> Norm {
        let largest = row.iter().fold(Ball::ZERO, |largest, x| largest.max(x.abs()));
        let value = match power {
            Power::Infinity => largest,
            Power::Finite(p) => finite_norm(model, row, p, epsilon, largest.m),
        };
        let overflows = model.rounds() && power_sum(row, power) >= model.compute.overflow_threshold();
        Norm { value, ties: Ties::of(row.iter().map(|x| x.abs())), power, epsilon, overflows }
    }

    /// ∂norm/∂xᵢ, by the true branch at the midpoint; exactly at a kink the set's end of largest magnitude.
    pub fn gradient(&self, model: &Model, x: Ball) -> Ball {
        match self.power {
            Power::Infinity => {
                // At the zero vector the set of each coordinate is [−1, 1].
                let sign = if self.value.is_zero() { Ball::ONE } else { x.sign() };
                model.mul(sign, self.ties.share(x.abs()))
            }
            Power::Finite(1.0) => x.sign(),
            Power::Finite(p) => {
                if self.value.is_zero() {
                    return if self.epsilon == 0.0 { Ball::ONE } else { Ball::ZERO };
                }
                if self.value.m.is_infinite() {
                    // Beyond f64 itself: 0 of a quotient by infinity, and at most 1 in truth.
                    return Ball::new(0.0, 1.0);
                }
                let ratio = unit(model, x, self.value);
                let magnitude = if p == 2.0 { ratio.abs() } else { model.pow(ratio.abs(), p - 1.0) };
                let signed = if x.m < 0.0 { magnitude.neg() } else { magnitude };
                let unit = within_unit(Ball::new(signed.m.clamp(-1.0, 1.0), signed.r));
                // A norm that overflows where it is computed as it stands leaves 0 of its derivative.
                if self.overflows { Ball::new(unit.m, unit.r.max(unit.m.abs())) } else { unit }
            }
        }
    }
}

/// xᵢ/‖x‖₂, free of scale; undefined at 0.
pub(super) fn normalized(model: &Model, x: Ball, norm: Ball) -> Ball {
    if norm.is_zero() { Ball::exact(f64::NAN) } else { within_unit(unit(model, x, norm)) }
}

/// x divided by a norm; a norm whose ball holds 0 leaves the direction open.
fn unit(model: &Model, x: Ball, norm: Ball) -> Ball {
    if norm.m == 0.0 { Ball::new(1.0, f64::INFINITY) } else { model.div(x, norm) }
}

/// Neither a coordinate of a unit vector nor what a kernel makes of it leaves [−1, 1] by more than that.
fn within_unit(x: Ball) -> Ball {
    Ball::new(x.m, x.r.min(1.0 + x.m.abs()))
}

fn finite_norm(model: &Model, row: &[Ball], p: f64, epsilon: f64, largest: f64) -> Ball {
    if p == 1.0 {
        let mut sum = Accumulator::EMPTY;
        row.iter().for_each(|x| sum.push(x.abs()));
        sum.push(model.constant(epsilon));
        return sum.finish(model, row.len() + usize::from(epsilon > 0.0));
    }
    let live = row.iter().filter(|x| !x.is_zero()).count();
    let radii = row.iter().fold(0.0f64, |widest, x| widest.max(x.r));
    // ‖r‖_p: a norm moves by no more than the norm of what its argument moves by.
    let rho = if radii == 0.0 { 0.0 } else { scaled_root(row.iter().map(|x| x.r), radii, p, 0.0) };
    if largest == 0.0 && epsilon == 0.0 {
        return Ball::new(0.0, rho);
    }
    if live == 1 && epsilon == 0.0 && p == 2.0 && radii == 0.0 {
        let square = model.mul(Ball::exact(largest), Ball::exact(largest));
        if square.is_exact() {
            // The root of a square that the machine has.
            return Ball::exact(largest);
        }
    }
    let scale = if largest == 0.0 { 1.0 } else { largest };
    let m = scaled_root(row.iter().map(|x| x.m.abs()), scale, p, epsilon);
    // Relative: the powers and their sum, which the root divides by p; then the root's own error. Scaled by the largest
    // coordinate, each quotient and the last product round besides.
    let (power, root) = if p == 2.0 { (model.u, ulps::SQRT) } else { (2.0 * ulps::POW * model.u, ulps::POW) };
    let added = usize::from(epsilon > 0.0);
    let sum = model.gamma(model.height(row.len() + added).min((live + added).max(1) - 1));
    let relative = (power + sum + model.u * f64::from(u8::from(added == 1))) / p;
    // Degrees that the machine does not hold: x^p has the relative error u·p·|ln x|, S^(1/p) u·|ln S|/p = u·|ln m|.
    let logarithm = |x: f64| if x == 0.0 { 0.0 } else { core_math::log(x).abs() };
    let steepest = || row.iter().map(|x| logarithm(x.m)).fold(0.0, f64::max);
    let degree = if model.holds(p) { 0.0 } else { steepest() };
    let power_of_two = p.to_bits() << 12 == 0;
    let inverse = if power_of_two { 0.0 } else { logarithm(m) };
    let scaling = if live + added > 1 { (DIVIDE_IN_U + 1.0) * model.u } else { 0.0 };
    let relative = relative + model.u * (degree + inverse) + scaling;
    let rho = rho + lost(model, row, p, epsilon, m);
    // The ulps of a scaled root are those of a number between 1 and the number of coordinates.
    let wobble = (2.0 * root * model.u * m - root * model.ulp(m)).max(0.0);
    model.k_ulp(m, rho + relative * (m + rho) + wobble, root)
}

/// What the norm m loses where it is computed as it stands, without scaling: θ for each power that is below the normal
/// numbers, and the ulps of those that are no squares, which are no longer relative there; and what the machine's ε lacks.
fn lost(model: &Model, row: &[Ball], p: f64, epsilon: f64, m: f64) -> f64 {
    let small = |x: &&Ball| !x.is_zero() && power(x.m.abs(), p) < 2.0 * model.compute.min_normal();
    let each = model.theta + if p == 2.0 { 0.0 } else { ulps::POW * model.ulp(0.0) };
    let lost = row.iter().filter(small).count() as f64 * each + model.constant(epsilon).r;
    if lost == 0.0 {
        return 0.0;
    }
    // |(S ± b)^(1/p) − S^(1/p)| is at most b^(1/p); and for b ≤ S/2 at most 2b·S^(1/p)/(p·S), by the slope at S/2.
    let sum = power(m, p);
    let by_slope = if lost <= 0.5 * sum { 2.0 * lost / sum * m / p } else { f64::INFINITY };
    root(lost, p).min(by_slope)
}

fn power(x: f64, p: f64) -> f64 {
    match p {
        1.0 => x,
        2.0 => x * x,
        _ if x == 0.0 => 0.0,
        _ => core_math::pow(x, p),
    }
}

/// scale·(Σ(xᵢ/scale)^p + ε/scale^p)^(1/p) for xᵢ ≥ 0.
fn scaled_root(row: impl Iterator<Item = f64>, scale: f64, p: f64, epsilon: f64) -> f64 {
    let power = |t: f64| power(t, p);
    if !scale.is_finite() {
        return scale;
    }
    let sum: f64 = row.map(|x| power(x / scale)).sum();
    let shift = epsilon / power(scale);
    if !shift.is_finite() {
        // The scale is far below ε's own root.
        return root(epsilon, p);
    }
    times(scale, root(sum + shift, p))
}

fn root(x: f64, p: f64) -> f64 {
    match p {
        1.0 => x,
        2.0 => x.sqrt(),
        _ => core_math::pow(x, 1.0 / p),
    }
}

/// Σ|xᵢ|^p as a kernel without scaling has it on the way; 0 for the largest coordinate.
pub(super) fn power_sum(row: &[Ball], power: Power) -> f64 {
    match power {
        Power::Infinity => 0.0,
        Power::Finite(1.0) => row.iter().map(|x| x.m.abs()).sum(),
        Power::Finite(2.0) => row.iter().map(|x| x.m * x.m).sum(),
        Power::Finite(p) => row.iter().map(|x| core_math::pow(x.m.abs(), p)).sum(),
    }
}
