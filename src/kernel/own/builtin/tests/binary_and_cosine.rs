//! Binary cross-entropy of probabilities, focal loss and cosine embedding against formulas in f64 and in the special cases.

use super::*;

fn hard(y: &Tensor, format: Format) -> Tensor {
    floats(format, &y.shape, &y.floats().iter().map(|y| y.round()).collect::<Vec<_>>())
}

#[test]
fn probabilities_agree_with_f64() {
    let mut random = Random::new(21);
    for round in 0..300 {
        let format = BUILTIN_FORMATS[round % 3];
        let params = Params::default().with("reduction", REDUCTIONS[random.below(3)]);
        let n = 1 + random.below(6);
        let p = draw(&mut random, format, &[n], 0.01, 0.99);
        let y = draw(&mut random, format, &[n], 0.0, 1.0);
        let weight = draw(&mut random, format, &[n], 0.0, 2.0);
        let inputs = [("probability", p.clone()), ("target", y.clone()), ("weight", weight.clone())];
        let case = with_upstream(case("bce", format, params, &inputs), &mut random);
        let (p, y, weight) = (p.floats(), y.floats(), weight.floats());
        let term = |i: usize| -weight[i] * (y[i] * p[i].ln() + (1.0 - y[i]) * (-p[i]).ln_1p());
        let (factors, want) = reduced(&case, &(0..n).map(term).collect::<Vec<_>>(), n as f64);
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        for i in 0..n {
            let factor = factors[i] * weight[i];
            let slope = factor * ((p[i] - y[i]) / (p[i] * (1.0 - p[i])));
            faithful(format, values(&got, "grad.probability")[i], slope, slope, "by p");
            let gap = factor * ((1.0 - p[i]) / p[i]).ln();
            faithful(format, values(&got, "grad.target")[i], gap, factor * (-p[i]).ln_1p(), "by y");
        }
    }
}

#[test]
fn probabilities_of_0_and_1() {
    let one = |p: f64, y: f64, params: Params| {
        let inputs =
            [("probability", floats(Format::F32, &[1], &[p])), ("target", floats(Format::F32, &[1], &[y]))];
        let got = answer(&case("bce", Format::F32, params, &inputs));
        ["loss", "grad.probability", "grad.target"].map(|name| values(&got, name)[0])
    };
    let pure = Params::default();
    assert_eq!(one(0.0, 0.0, pure.clone()), [0.0, 1.0, INFINITY]);
    assert_eq!(one(1.0, 1.0, pure.clone()), [0.0, -1.0, -INFINITY]);
    assert_eq!(one(0.0, 0.5, pure.clone()), [INFINITY, -INFINITY, INFINITY]);
    assert_eq!(one(1.0, 0.5, pure.clone()), [INFINITY, INFINITY, -INFINITY]);
    assert_eq!(one(0.5, 0.5, pure.clone())[1..], [0.0, 0.0]);
    let cut = pure.clone().with("log_clamp", -100.0);
    assert_eq!(one(0.0, 1.0, cut.clone()), [100.0, 0.0, 100.0]);
    let pytorch = cut.with("log_clamp_gradient", "pytorch");
    assert_eq!(one(0.0, 1.0, pytorch), [100.0, f64::from(-1e12f32), INFINITY]);
    let keras = pure.with("probability_clip", 1e-7);
    assert_eq!(one(1.0, 0.0, keras.clone())[..2], [f64::from(16.118_095_f32), 0.0]);
    assert!(one(f64::NAN, 0.0, keras).iter().all(|x| x.is_nan()));
}

#[test]
fn focal_agrees_with_f64() {
    let mut random = Random::new(22);
    for round in 0..400 {
        let format = BUILTIN_FORMATS[round % 3];
        let meaning = ["", "interpolate_p", "exp_bce", "log_weight", "linear"][random.below(5)];
        let gamma = [0.0, 0.5, 2.0, 5.0][random.below(4)];
        let mut params =
            Params::default().with("reduction", REDUCTIONS[random.below(3)]).with("gamma", gamma);
        if !meaning.is_empty() {
            params.set("soft_target", meaning);
        }
        let n = 1 + random.below(5);
        let z = draw(&mut random, format, &[n], -9.0, 9.0);
        let y = draw(&mut random, format, &[n], 0.0, 1.0);
        let y = if meaning.is_empty() { hard(&y, format) } else { y };
        let inputs = [("logits", z.clone()), ("target", y.clone())];
        let case = with_upstream(case("focal_sigmoid", format, params, &inputs), &mut random);
        let loss = |z: f64, y: f64| {
            let (p, q) = (sigmoid(z), sigmoid(-z));
            let (positive, negative) = (softplus(-z), softplus(z));
            let entropy = y * positive + (1.0 - y) * negative;
            let alpha = 0.25 * y + 0.75 * (1.0 - y);
            let weight = match meaning {
                "exp_bce" => -(-entropy).exp_m1(),
                "log_weight" => sigmoid(-z * (2.0 * y - 1.0)),
                "interpolate_p" => y * q + (1.0 - y) * p,
                _ => {
                    let on = 0.25 * y * q.powf(gamma) * positive;
                    return on + 0.75 * (1.0 - y) * p.powf(gamma) * negative;
                }
            };
            alpha * weight.powf(gamma) * entropy
        };
        let (z, y) = (z.floats(), y.floats());
        let (factors, want) = reduced(&case, &(0..n).map(|i| loss(z[i], y[i])).collect::<Vec<_>>(), n as f64);
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        for i in 0..n {
            // A central difference is good to 1e-9 of the loss there.
            let step = 1e-5;
            let slope = factors[i] * (loss(z[i] + step, y[i]) - loss(z[i] - step, y[i])) / (2.0 * step);
            let bound = format.ulp(slope) + 1e-8 * factors[i].abs() * loss(z[i], y[i]).max(1e-3);
            let found = values(&got, "grad.logits")[i];
            assert!((found - slope).abs() <= bound, "{format} {meaning} {gamma}: {found:e} is not {slope:e}");
        }
    }
}

/// σ(−20)²·softplus(−20), which 1 − p_t by subtraction says is 0; and γ below 1 without NaN.
#[test]
fn a_saturated_focal_weight_is_kept() {
    let one = |z: f64, gamma: f64| {
        let inputs =
            [("logits", floats(Format::F32, &[1], &[z])), ("target", floats(Format::F32, &[1], &[1.0]))];
        let params = Params::default().with("gamma", gamma).with("alpha", 1.0);
        let got = answer(&case("focal_sigmoid", Format::F32, params, &inputs));
        [values(&got, "loss")[0], values(&got, "grad.logits")[0]]
    };
    let [loss, slope] = one(20.0, 2.0);
    let e = (-20f64).exp();
    faithful(Format::F32, loss, (e / (1.0 + e)).powi(2) * e.ln_1p(), 0.0, "loss");
    faithful(
        Format::F32,
        slope,
        -(e / (1.0 + e)).powi(2) * (e / (1.0 + e) + 2.0 * e.ln_1p() / (1.0 + e)),
        0.0,
        "slope",
    );
    for z in [40.0, 100.0, 1000.0, -1000.0] {
        for gamma in [0.0, 0.5] {
            assert!(one(z, gamma).iter().all(|x| x.is_finite()), "{z} {gamma}");
        }
    }
}

#[test]
fn cosines_agree_with_f64() {
    let mut random = Random::new(23);
    for round in 0..300 {
        let format = BUILTIN_FORMATS[round % 3];
        let (n, d) = (1 + random.below(4), 1 + random.below(5));
        let (epsilon, margin) = ([0.0, 0.25][random.below(2)], [0.0, 0.5, -1.0][random.below(3)]);
        let params = Params::default()
            .with("reduction", REDUCTIONS[random.below(3)])
            .with("epsilon", epsilon)
            .with("margin", margin);
        let x = draw(&mut random, format, &[n, d], -3.0, 3.0);
        let y = draw(&mut random, format, &[n, d], -3.0, 3.0);
        let signs: Vec<f64> = (0..n).map(|_| [1.0, -1.0][random.below(2)]).collect();
        let inputs = [("x1", x.clone()), ("x2", y.clone()), ("target", floats(format, &[n], &signs))];
        let case = with_upstream(case("cosine_embedding", format, params, &inputs), &mut random);
        let row = |t: &Tensor, r: usize| t.floats()[r * d..(r + 1) * d].to_vec();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut terms = Vec::new();
        let mut slopes = Vec::new();
        for (r, &target) in signs.iter().enumerate() {
            let (x, y) = (row(&x, r), row(&y, r));
            let (first, second) = (dot(&x, &x) + epsilon, dot(&y, &y) + epsilon);
            let cosine = dot(&x, &y) / (first * second).sqrt();
            let gap = if target == 1.0 { 1.0 - cosine } else { (cosine - margin).max(0.0) };
            let sign = if target == 1.0 { -1.0 } else { f64::from(u8::from(cosine > margin)) };
            terms.push(gap);
            let root = (first * second).sqrt();
            slopes.extend((0..d).map(|i| sign * (y[i] / root - cosine * x[i] / first)));
        }
        let (factors, want) = reduced(&case, &terms, n as f64);
        let got = answer(&case);
        for (&x, &y) in values(&got, "loss").iter().zip(&want) {
            faithful(format, x, y, 10.0, "loss");
        }
        for (i, &x) in values(&got, "grad.x1").iter().enumerate() {
            faithful(format, x, factors[i / d] * slopes[i], 1e3 * factors[i / d], "gradient");
        }
    }
}

#[test]
fn cosines_of_zero_vectors() {
    let one = |epsilon: f64, target: f64| {
        let inputs = [
            ("x1", floats(Format::F32, &[1, 2], &[0.0, 0.0])),
            ("x2", floats(Format::F32, &[1, 2], &[3.0, 4.0])),
            ("target", floats(Format::F32, &[1], &[target])),
        ];
        let params = Params::default().with("epsilon", epsilon);
        let got = answer(&case("cosine_embedding", Format::F32, params, &inputs));
        (values(&got, "loss")[0], values(&got, "grad.x1"))
    };
    let (loss, gradient) = one(0.0, 1.0);
    assert!(loss.is_nan() && gradient.iter().all(|x| x.is_nan()));
    // As PyTorch: 1, and −10⁶ times the direction of the other one.
    let (loss, gradient) = one(1e-12, 1.0);
    assert_eq!(loss, 1.0);
    for (got, want) in gradient.iter().zip([-6e5, -8e5]) {
        faithful(Format::F32, *got, want, 0.0, "direction");
    }
    assert!(one(1e-12, f64::NAN).0.is_nan());
}
