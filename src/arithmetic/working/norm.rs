//! Norms of rows, computed scaled, and their derivatives (rule 6).

use super::ball::{Ball, times};
use super::model::{DIVIDE_IN_U, Model, ulps};
use super::product::Inside;
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

    /// What underflows inside of ∂norm/∂xᵢ may make of it where it is computed as it stands, by reverse accumulation through
    /// S^(1/p), with an upstream g first: (g·(S^(1/p−1)/p))·(p·|xᵢ|^(p−1)), S = ‖x‖^p. Each power loses θ and its ulps, each
    /// product θ, and the other factor comes after: p·|xᵢ|^(p−1) what the first lost, ‖x‖^(1−p) what the second; at last θ.
    pub fn inside(&self, model: &Model, x: Ball) -> Inside {
        let (Power::Finite(p), norm) = (self.power, self.value.m) else { return Inside::NOTHING };
        if p == 1.0 || x.is_zero() || norm == 0.0 || !norm.is_finite() || self.overflows {
            return Inside::NOTHING;
        }
        let (own, all) = (power(x.m.abs(), p - 1.0), 1.0 / power(norm, p - 1.0));
        // A root has no powers, and its argument no more than itself times two.
        let (each, least) = match p {
            2.0 => (0.0, all / p),
            _ => (2.0 * model.theta + ulps::POW * model.ulp(0.0), own.min(all / p)),
        };
        // Neither the derivative nor what a kernel makes of it leaves [−1, 1] by more than roundings.
        let without_upstream = (times(all, each) + times(own, each)).min(2.0);
        Inside {
            least,
            lost: times(own, 2.0 * p * model.theta) + model.theta,
            own: without_upstream,
            size: times(own, all).min(1.0),
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
    // Below the normal f64 numbers the power has lost digits, and with them a quotient by it; ε's own root has them.
    let whole = power(scale);
    let shift = if whole < f64::MIN_POSITIVE { power(root(epsilon, p) / scale) } else { epsilon / whole };
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

#[cfg(test)]
mod tests {
    use crate::case::{Case, LOSS, Tensors, gradient_name};
    use crate::format::Format;
    use crate::graph::Power;
    use crate::judge::{Level, Machine, judge};
    use crate::loss::Params;
    use crate::tensor::Tensor;

    /// Rounds to a format on a machine that flushes, or does not.
    fn rounding(format: Format, flush: bool) -> impl Fn(f64) -> f64 + Copy {
        move |x| {
            let x = format.round(x);
            if flush && x.abs() < format.min_normal() { 0.0 } else { x }
        }
    }

    /// The norm and its derivative as they stand, by reverse accumulation, ε under the root.
    fn norm(r: impl Fn(f64) -> f64 + Copy, x: &[f64], p: f64, g: f64) -> (f64, Vec<f64>) {
        let pow = |x: f64, p: f64| r(core_math::pow(x, p));
        let epsilon = r(1e-6);
        let sum = x.iter().fold(0.0, |sum, x| r(sum + pow(x.abs(), p)));
        let sum = r(sum + epsilon);
        let along = r(g * r(r(1.0 / p) * pow(sum, r(r(1.0 / p) - 1.0))));
        let by = |x: &f64| r(along * r(p * pow(x.abs(), p - 1.0))) * x.signum();
        (pow(sum, r(1.0 / p)), x.iter().map(by).collect())
    }

    /// What is wrong with a plain kernel's answer for one triplet; and the largest budget of a derivative.
    fn alarms(
        format: Format,
        flush: bool,
        [p, margin, g]: [f64; 3],
        rows: [&[f64]; 3],
    ) -> (Vec<String>, f64) {
        let r = rounding(format, flush);
        let rows = rows.map(|row| row.iter().map(|&x| format.round(x)).collect::<Vec<f64>>());
        let tensor = |row: &[f64]| Tensor::float(format, &[1, row.len()], row.to_vec());
        let names = ["anchor", "positive", "negative"];
        let inputs: Tensors =
            names.iter().map(|name| (*name).to_owned()).zip(rows.iter().map(|row| tensor(row))).collect();
        let params = Params::default().with("p", p).with("margin", margin).with("epsilon", 1e-6);
        let params = params.with("epsilon_placement", "root").with("reduction", "sum");
        let mut case = Case::new("triplet_margin", format, params, inputs).unwrap();
        case.upstream = Tensor::full(format, &[], format.round(g));
        let g = format.round(g);
        let apart = |other: &[f64]| rows[0].iter().zip(other).map(|(a, b)| r(a - b)).collect::<Vec<f64>>();
        let (near, by_near) = norm(r, &apart(&rows[1]), p, g);
        let (far, by_far) = norm(r, &apart(&rows[2]), p, g);
        let gap = r(r(near - far) + r(margin));
        let share = if gap > 0.0 {
            1.0
        } else if gap == 0.0 {
            0.5
        } else {
            0.0
        };
        let gradients = [
            by_near.iter().zip(&by_far).map(|(near, far)| r(near - far) * share).collect::<Vec<f64>>(),
            by_near.iter().map(|near| -near * share).collect(),
            by_far.iter().map(|far| far * share).collect(),
        ];
        let mut answer = Tensors::from([(LOSS.to_owned(), Tensor::full(format, &[], gap.max(0.0)))]);
        for (name, gradient) in names.into_iter().zip(&gradients) {
            answer.insert(gradient_name(name), tensor(gradient));
        }
        let machine = Machine { compute: format, flush_to_zero: flush, ..Machine::of(format) };
        let verified = crate::oracle::verify(&case, &machine).unwrap();
        let verdicts = judge(&case, &verified, &answer, &machine, Level::Stable);
        let wrong =
            verdicts.iter().filter(|verdict| verdict.level().is_some_and(|level| level > Level::Stable));
        let budgets = verified.tolerances[1..].iter().flat_map(|tolerance| tolerance.budget.clone());
        (
            wrong.map(|verdict| format!("{}: {:?}", verdict.name, verdict.worst)).collect(),
            budgets.fold(0.0, f64::max),
        )
    }

    #[test]
    fn a_norm_of_little_beside_its_epsilon_is_the_root_of_that() {
        let model = super::Model::rounding(&Machine::of(Format::F64));
        for x in [1e-150, 1.373e-155, 3e-158, 1e-161, 1e-200, 5e-324] {
            let norm = super::Norm::of(&model, &[super::Ball::exact(x)], Power::Finite(2.0), 1e-6).value;
            assert!((norm.m - 1e-3).abs() <= 3e-19 && norm.r < 1e-17, "{x:e}: {norm:?}");
            let alone = super::Norm::of(&model, &[super::Ball::exact(x); 2], Power::Finite(2.0), 0.0).value;
            let truth = x * 2f64.sqrt();
            assert!((alone.m - truth).abs() <= 1e-15 * truth + 5e-324, "{x:e}: {alone:?}");
        }
        let (alarms, _) = alarms(Format::F64, false, [2.0, 0.0, 1.0], [&[0.0], &[1.373e-155], &[0.0]]);
        assert!(alarms.is_empty(), "{alarms:?}");
    }

    #[test]
    fn a_power_of_a_coordinate_may_underflow_before_the_norm_divides() {
        let mut wrong = Vec::new();
        for (format, flush, size) in [
            (Format::F32, false, 1e-20),
            (Format::F32, true, 1e-20),
            (Format::F32, false, 3e-23),
            (Format::Bf16, true, 1e-20),
            (Format::F16, false, 0.02),
            (Format::F16, false, 0.003),
            (Format::F16, false, 0.0625),
            (Format::F64, false, 3e-162),
        ] {
            for p in [3.0, 4.0] {
                let near: Vec<f64> = (1..6).map(|i| size * f64::from(i)).collect();
                let (alarms, budget) = alarms(
                    format,
                    flush,
                    [p, 1.0, 0.7],
                    [&[0.0; 5], &near, &[-0.3 * size, size, 0.0, size, 0.0]],
                );
                wrong.extend(
                    alarms.into_iter().map(|alarm| format!("{format} {flush} {size:e} {p}: {alarm}")),
                );
                // θ/‖d‖^(p−1), and no more than some of it; f16 has a root of ε that is next to nothing.
                let lost = format.min_normal() * 1e-2f64.powf(1.0 - p).max(1.0);
                assert!(format == Format::F16 || budget <= 20.0 * lost, "{format} {p}: {budget:e} {lost:e}");
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // Ordinary distances lose nothing.
        let (_, budget) = alarms(Format::F32, true, [3.0, 1.0, 1.0], [&[0.0; 2], &[0.5, 0.25], &[1.0, 2.0]]);
        assert!(budget < 1e-4, "{budget:e}");
    }
}
