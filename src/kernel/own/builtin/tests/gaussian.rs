//! The hinge loss and the Gaussian negative log-likelihood against f64, and at their kinks and floors.

use super::*;

#[test]
fn hinge_agrees_with_f64() {
    let mut random = Random::new(16);
    for round in 0..200 {
        let format = BUILTIN_FORMATS[round % 3];
        let shape = [1 + random.below(4), 1 + random.below(5)];
        let params = Params::default().with("reduction", REDUCTIONS[random.below(3)]);
        let score = draw(&mut random, format, &shape, -3.0, 3.0);
        let signs = draw(&mut random, format, &shape, -1.0, 1.0);
        let signs: Vec<f64> = signs.floats().iter().map(|&x| if x < 0.0 { -1.0 } else { 1.0 }).collect();
        let inputs = [("score", score.clone()), ("target", floats(format, &shape, &signs))];
        let case = with_upstream(case("hinge", format, params, &inputs), &mut random);
        let gaps: Vec<f64> = score.floats().iter().zip(&signs).map(|(x, y)| 1.0 - y * x).collect();
        let terms: Vec<f64> = gaps.iter().map(|gap| gap.max(0.0)).collect();
        let (factors, want) = reduced(&case, &terms, gaps.len() as f64);
        let slope = |i: usize| if gaps[i] > 0.0 { -signs[i] } else { 0.0 };
        let gradient: Vec<f64> = (0..gaps.len()).map(|i| factors[i] * slope(i)).collect();
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        agree(&case, &got, "grad.score", &gradient);
    }
}

#[test]
fn the_margin_met_exactly_costs_nothing() {
    let f32s = |x: &[f64]| floats(Format::F32, &[x.len()], x);
    let below = f64::from(1f32.next_down());
    let inputs = [("score", f32s(&[1.0, -1.0, below, f64::NAN])), ("target", f32s(&[1.0, -1.0, 1.0, 1.0]))];
    let got = answer(&case("hinge", Format::F32, Params::default().with("reduction", "none"), &inputs));
    let (loss, gradient) = (values(&got, "loss"), values(&got, "grad.score"));
    assert_eq!((&loss[..3], &gradient[..3]), (&[0.0, 0.0, 1.0 - below][..], &[0.0, 0.0, -1.0][..]));
    assert!(loss[3].is_nan() && gradient[3].is_nan());
}

fn gaussian(format: Format, params: Params, values: [&[f64]; 3]) -> Case {
    let [mean, target, variance] = values.map(|values| floats(format, &[values.len()], values));
    case("gaussian_nll", format, params, &[("mean", mean), ("target", target), ("variance", variance)])
}

#[test]
fn gaussian_nll_agrees_with_f64() {
    let mut random = Random::new(17);
    for round in 0..300 {
        let format = BUILTIN_FORMATS[round % 3];
        let n = 1 + random.below(6);
        let (full, floor) = (random.below(2) == 0, [None, Some(0.5)][random.below(2)]);
        let cut = random.below(2) == 0;
        let mut params = Params::default()
            .with("reduction", REDUCTIONS[random.below(3)])
            .with("full", full)
            .with("floor_gradient", if cut { "cut" } else { "straight_through" });
        if let Some(floor) = floor {
            params.set("variance_floor", floor);
        }
        let [mean, target] = [(); 2].map(|()| draw(&mut random, format, &[n], -4.0, 4.0));
        let given = draw(&mut random, format, &[n], 0.1, 3.0);
        let case = gaussian(format, params, [mean.floats(), target.floats(), given.floats()]);
        let case = with_upstream(case, &mut random);
        let residual: Vec<f64> = mean.floats().iter().zip(target.floats()).map(|(x, y)| x - y).collect();
        let variance: Vec<f64> = given.floats().iter().map(|v| v.max(floor.unwrap_or(0.0))).collect();
        let constant = if full { (2.0 * std::f64::consts::PI).ln() } else { 0.0 };
        let ratio = |i: usize| residual[i] * residual[i] / variance[i];
        let terms: Vec<f64> = (0..n).map(|i| 0.5 * (variance[i].ln() + ratio(i) + constant)).collect();
        let (factors, want) = reduced(&case, &terms, n as f64);
        let got = answer(&case);
        // What cancels is at most the largest term, and 1e-13·100 about 2^−37 of it.
        let largest = (0..n).map(|i| variance[i].ln().abs() + ratio(i) + constant).fold(1.0, f64::max);
        for (&x, &y) in got["loss"].floats().iter().zip(&want) {
            faithful(format, x, y, 100.0 * n as f64 * largest, &format!("loss {case:?}"));
        }
        for i in 0..n {
            let slope = residual[i] / variance[i];
            faithful(format, got["grad.mean"].floats()[i], factors[i] * slope, factors[i] * slope, "mean");
            faithful(
                format,
                got["grad.target"].floats()[i],
                -factors[i] * slope,
                factors[i] * slope,
                "target",
            );
            let below = floor.is_some_and(|floor| given.floats()[i] < floor);
            let share = if below && cut { 0.0 } else { 1.0 };
            let by_variance = factors[i] * share * 0.5 * (1.0 - ratio(i)) / variance[i];
            let scale = 100.0 * factors[i] * (1.0 + ratio(i)) / variance[i];
            faithful(format, got["grad.variance"].floats()[i], by_variance, scale, "variance");
        }
    }
}

#[test]
fn the_floor_of_a_variance() {
    let floored = Params::default().with("reduction", "none").with("variance_floor", 0.25);
    let values_of = |params: Params| {
        let case = gaussian(Format::F32, params, [&[1.0; 4], &[0.0; 4], &[0.0, 0.125, 0.25, 1.0]]);
        let got = answer(&case);
        (values(&got, "grad.mean"), values(&got, "grad.variance"))
    };
    let by_mean = vec![4.0, 4.0, 4.0, 1.0];
    assert_eq!(values_of(floored.clone()), (by_mean.clone(), vec![-6.0, -6.0, -6.0, 0.0]));
    let cut = floored.with("floor_gradient", "cut");
    // At the floor itself the gradient passes.
    assert_eq!(values_of(cut), (by_mean, vec![0.0, 0.0, -6.0, 0.0]));
}

/// Squares beyond the range, above and below, whose quotient by the variance is not.
#[test]
fn nothing_of_the_quotient_leaves_the_range() {
    for (r, v) in [(1e25, 1e30), (1e-25, 1e-38), (1e-3, 1e-39)] {
        let case = gaussian(Format::F32, Params::default(), [&[r], &[0.0], &[v]]);
        let (r, v) = (case.input("mean").floats()[0], case.input("variance").floats()[0]);
        let got = answer(&case);
        let ratio = r / v * r;
        faithful(Format::F32, values(&got, "loss")[0], 0.5 * (v.ln() + ratio), v.ln().abs() + ratio, "loss");
        faithful(Format::F32, values(&got, "grad.mean")[0], r / v, r / v, "mean");
    }
}
