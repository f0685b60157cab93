//! The built-in kernels against formulas in f64, written here once more, and in the special cases.

use super::*;
use crate::case::Tensors;
use crate::kernel::testing::{Random, case, floats};
use crate::loss::Params;

const INFINITY: f64 = f64::INFINITY;

fn answer(case: &Case) -> Tensors {
    Builtin.run(case).unwrap()
}

fn values(outputs: &Tensors, name: &str) -> Vec<f64> {
    outputs[name].floats().to_vec()
}

/// The answer is one of the two numbers of the format around what f64 says, whose own error is `slack`·|scale|.
fn faithful(format: Format, got: f64, want: f64, scale: f64, what: &str) {
    let bound = format.ulp(want) + 1e-13 * scale.abs();
    assert!((got - want).abs() <= bound, "{what} {format}: {got:e} is not {want:e}");
}

fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

fn sigmoid(z: f64) -> f64 {
    if z < 0.0 { z.exp() / (1.0 + z.exp()) } else { 1.0 / (1.0 + (-z).exp()) }
}

fn draw(random: &mut Random, format: Format, shape: &[usize], low: f32, high: f32) -> Tensor {
    let values: Vec<f64> =
        (0..shape.iter().product()).map(|_| f64::from(random.uniform(low, high))).collect();
    floats(format, shape, &values)
}

/// The factor of each term that the reduction and the upstream make, and the loss of the terms.
fn reduced(case: &Case, terms: &[f64], divisor: f64) -> (Vec<f64>, Vec<f64>) {
    let upstream = case.upstream.floats();
    let sum = terms.iter().sum::<f64>();
    match case.params.text("reduction") {
        "none" => (upstream.to_vec(), terms.to_vec()),
        "sum" => (vec![upstream[0]; terms.len()], vec![sum]),
        _ => (vec![upstream[0] / divisor; terms.len()], vec![sum / divisor]),
    }
}

fn with_upstream(mut case: Case, random: &mut Random) -> Case {
    case.upstream = draw(random, case.format, &case.upstream.shape, -3.0, 3.0);
    case
}

fn agree(case: &Case, got: &Tensors, name: &str, want: &[f64]) {
    assert_eq!(got[name].len(), want.len());
    for (&x, &y) in got[name].floats().iter().zip(want) {
        faithful(case.format, x, y, y, &format!("{} {name}", case.loss));
    }
}

const REDUCTIONS: [&str; 3] = ["none", "mean", "sum"];

#[test]
fn regression_is_faithful() {
    let mut random = Random::new(11);
    for round in 0..300 {
        let format = BUILTIN_FORMATS[round % 3];
        let shape = [1 + random.below(4), 1 + random.below(5)];
        let loss = ["mse", "mae"][round % 2];
        let over = ["count", "weight"][random.below(2)];
        let params = Params::default().with("reduction", REDUCTIONS[random.below(3)]).with("mean_over", over);
        let x = draw(&mut random, format, &shape, -9.0, 9.0);
        let y = draw(&mut random, format, &shape, -9.0, 9.0);
        let w = draw(&mut random, format, &shape, 0.0, 2.0);
        let inputs = [("prediction", x.clone()), ("target", y.clone()), ("weight", w.clone())];
        let case = with_upstream(case(loss, format, params, &inputs), &mut random);
        let n = x.len();
        let residual: Vec<f64> = (0..n).map(|i| x.floats()[i] - y.floats()[i]).collect();
        let term = |r: f64| if loss == "mse" { r * r } else { r.abs() };
        let sign = |r: f64| if r == 0.0 { 0.0 } else { r.signum() };
        let slope = |r: f64| if loss == "mse" { 2.0 * r } else { sign(r) };
        let terms: Vec<f64> = residual.iter().zip(w.floats()).map(|(&r, w)| w * term(r)).collect();
        let divisor = if over == "weight" { w.floats().iter().sum() } else { n as f64 };
        let (factors, want) = reduced(&case, &terms, divisor);
        let gradient: Vec<f64> = (0..n).map(|i| factors[i] * w.floats()[i] * slope(residual[i])).collect();
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        agree(&case, &got, "grad.prediction", &gradient);
        agree(&case, &got, "grad.target", &gradient.iter().map(|g| -g).collect::<Vec<_>>());
    }
}

#[test]
fn cross_entropy_agrees_with_f64() {
    let mut random = Random::new(12);
    for round in 0..400 {
        let format = BUILTIN_FORMATS[round % 3];
        let (n, c) = (1 + random.below(4), 2 + random.below(6));
        let epsilon = [0.0, 0.1, 1.0][random.below(3)];
        let form = ["over_k", "over_k_minus_1"][random.below(2)];
        let params = Params::default()
            .with("reduction", REDUCTIONS[random.below(3)])
            .with("label_smoothing", epsilon)
            .with("smoothing_form", form);
        let scale = [1.0, 30.0, 300.0][random.below(3)];
        let x = draw(&mut random, format, &[n, c], -scale, scale);
        let w = draw(&mut random, format, &[c], 0.5, 2.0);
        let target: Vec<i64> = (0..n).map(|_| random.below(c + 1) as i64).collect();
        let target: Vec<i64> = target.into_iter().map(|t| if t == c as i64 { -100 } else { t }).collect();
        if target.iter().all(|&t| t == -100) {
            continue;
        }
        let inputs = [
            ("logits", x.clone()),
            ("target", Tensor::i64(&[n], target.clone())),
            ("class_weight", w.clone()),
        ];
        let case = with_upstream(case("cross_entropy", format, params, &inputs), &mut random);
        let w = w.floats();
        let mut terms = vec![0.0; n];
        let (mut divisor, mut slopes) = (0.0, vec![(0.0, 0.0); n * c]);
        for (i, row) in x.floats().chunks(c).enumerate() {
            if target[i] < 0 {
                continue;
            }
            let t = target[i] as usize;
            divisor += w[t];
            let m = row.iter().copied().fold(-INFINITY, f64::max);
            // The maximum's own term is left out of the sum and added by ln_1p.
            let tail = row.iter().map(|x| (x - m).exp()).sum::<f64>() - 1.0;
            let peak = row.iter().position(|&x| x == m).unwrap();
            let tail = if tail > 0.1 {
                tail
            } else {
                (0..c).filter(|&k| k != peak).map(|k| (row[k] - m).exp()).sum()
            };
            let q = |k: usize| {
                let (hit, others) = if form == "over_k" {
                    (1.0 - epsilon + epsilon / c as f64, epsilon / c as f64)
                } else {
                    (1.0 - epsilon, epsilon / (c - 1) as f64)
                };
                w[k] * if k == t { hit } else { others }
            };
            let total: f64 = (0..c).map(q).sum();
            for k in 0..c {
                terms[i] += q(k) * (tail.ln_1p() + (m - row[k]));
                let e = (row[k] - m).exp();
                let others: f64 = (0..c).filter(|&j| j != k).map(|j| (row[j] - m).exp()).sum();
                let p = e / (1.0 + tail);
                let slope =
                    if epsilon == 0.0 && k == t { -w[k] * others / (1.0 + tail) } else { p * total - q(k) };
                // The last part is what cancels.
                slopes[i * c + k] = (slope, if epsilon == 0.0 { 0.0 } else { q(k) });
            }
        }
        let (factors, want) = reduced(&case, &terms, divisor);
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        for (at, &(slope, cancelled)) in slopes.iter().enumerate() {
            let factor = factors[at / c];
            let x = got["grad.logits"].floats()[at];
            // 1e-13·100·|q| is about 2^−37 of what cancels.
            let scale = factor * (slope.abs() + 100.0 * cancelled);
            faithful(format, x, factor * slope, scale, &format!("grad.logits {case:?}"));
        }
    }
}

#[test]
fn bce_agrees_with_f64() {
    let mut random = Random::new(13);
    for round in 0..400 {
        let format = BUILTIN_FORMATS[round % 3];
        let (n, c) = (1 + random.below(4), 1 + random.below(4));
        let params = Params::default().with("reduction", REDUCTIONS[random.below(3)]);
        let scale = [1.0, 20.0, 200.0][random.below(3)];
        let z = draw(&mut random, format, &[n, c], -scale, scale);
        let hard = random.below(2) == 0;
        let mut y = draw(&mut random, format, &[n, c], 0.0, 1.0);
        if hard {
            y = floats(format, &[n, c], &y.floats().iter().map(|y| y.round()).collect::<Vec<_>>());
        }
        let weight = draw(&mut random, format, &[n, c], 0.0, 2.0);
        let pos_weight = draw(&mut random, format, &[c], 0.0, 3.0);
        let mut inputs = vec![("logits", z.clone()), ("target", y.clone()), ("weight", weight.clone())];
        let weighted = random.below(2) == 0;
        if weighted {
            inputs.push(("pos_weight", pos_weight.clone()));
        }
        let case = with_upstream(case("bce_with_logits", format, params, &inputs), &mut random);
        let (z, y, weight) = (z.floats(), y.floats(), weight.floats());
        let w = |i: usize| if weighted { pos_weight.floats()[i % c] } else { 1.0 };
        let term = |i: usize| weight[i] * (y[i] * w(i) * softplus(-z[i]) + (1.0 - y[i]) * softplus(z[i]));
        let terms: Vec<f64> = (0..n * c).map(term).collect();
        let (factors, want) = reduced(&case, &terms, (n * c) as f64);
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        for i in 0..n * c {
            let factor = factors[i] * weight[i];
            let (up, down) = ((1.0 - y[i]) * sigmoid(z[i]), y[i] * w(i) * sigmoid(-z[i]));
            let by_logits = factor * (up - down);
            // For hard targets nothing cancels.
            let scale = if hard { 0.0 } else { 100.0 * factor * (up + down) };
            faithful(format, got["grad.logits"].floats()[i], by_logits, scale, "grad.logits");
            let l = softplus(-z[i].abs());
            let slope = if weighted { w(i) * softplus(-z[i]) - softplus(z[i]) } else { -z[i] };
            let scale = if weighted { 100.0 * factor * (z[i].abs() + l) * (1.0 + w(i)) } else { 0.0 };
            faithful(format, got["grad.target"].floats()[i], factor * slope, scale, "grad.target");
        }
    }
}

fn norm(x: &[f64], p: Option<f64>, root: f64) -> f64 {
    match p {
        None => x.iter().fold(0.0, |m, x| x.abs().max(m)),
        Some(p) => (x.iter().map(|x| x.abs().powf(p)).sum::<f64>() + root).powf(1.0 / p),
    }
}

#[test]
fn triplet_agrees_with_f64() {
    let mut random = Random::new(14);
    for round in 0..600 {
        let format = BUILTIN_FORMATS[round % 3];
        let (n, d) = (1 + random.below(3), 1 + random.below(4));
        let p = [Some(1.0), Some(2.0), Some(3.0), Some(1.5), None][random.below(5)];
        let (epsilon, root) = ([0.0, 1e-6, 0.5][random.below(3)], random.below(2) == 0);
        let (swap, margin) = (random.below(2) == 0, [0.0, 0.3, 1.0, 2.5][random.below(4)]);
        let mut params = Params::default()
            .with("reduction", REDUCTIONS[random.below(3)])
            .with("epsilon", epsilon)
            .with("epsilon_placement", if root { "root" } else { "difference" })
            .with("swap", swap)
            .with("margin", margin);
        match p {
            Some(p) => params.set("p", p),
            None => params.set("p", "inf"),
        }
        let [a, b, c] = [(); 3].map(|()| draw(&mut random, format, &[n, d], -2.0, 2.0));
        let inputs = [("anchor", a.clone()), ("positive", b.clone()), ("negative", c.clone())];
        let case = with_upstream(case("triplet_margin", format, params, &inputs), &mut random);
        let (shift, root) = if root { (0.0, epsilon) } else { (epsilon, 0.0) };
        let difference = |x: &Tensor, y: &Tensor, row: usize| -> Vec<f64> {
            (row * d..(row + 1) * d).map(|i| x.floats()[i] - y.floats()[i] + shift).collect()
        };
        let gradient = |x: &[f64], k: usize| match p {
            _ if norm(x, p, root) == 0.0 || x[k] == 0.0 => 0.0,
            None if x[k].abs() == norm(x, p, root) => {
                x[k].signum() / x.iter().filter(|y| y.abs() == x[k].abs()).count() as f64
            }
            None => 0.0,
            Some(p) => x[k].signum() * (x[k].abs() / norm(x, Some(p), root)).powf(p - 1.0),
        };
        let (mut terms, mut slopes) = (vec![0.0; n], [(); 3].map(|()| vec![0.0; n * d]));
        for row in 0..n {
            let near = difference(&a, &b, row);
            let (far, swapped) = (difference(&a, &c, row), difference(&b, &c, row));
            let swaps = swap && norm(&swapped, p, root) < norm(&far, p, root);
            let beyond = if swaps { swapped } else { far };
            let gap = norm(&near, p, root) - norm(&beyond, p, root) + margin;
            if gap <= 0.0 {
                continue;
            }
            terms[row] = gap;
            for k in 0..d {
                let (u, v) = (gradient(&near, k), gradient(&beyond, k));
                slopes[0][row * d + k] = if swaps { u } else { u - v };
                slopes[1][row * d + k] = if swaps { -u - v } else { -u };
                slopes[2][row * d + k] = v;
            }
        }
        let (factors, want) = reduced(&case, &terms, n as f64);
        let got = answer(&case);
        // What cancels is at most 10 (distances) and 2 (unit vectors); 2^−37 of it.
        for (&x, &y) in got["loss"].floats().iter().zip(&want) {
            faithful(format, x, y, 1000.0, "triplet loss");
        }
        for (name, slopes) in ["grad.anchor", "grad.positive", "grad.negative"].iter().zip(&slopes) {
            for (i, &slope) in slopes.iter().enumerate() {
                let factor = factors[i / d];
                faithful(format, got[*name].floats()[i], factor * slope, 200.0 * factor, name);
            }
        }
    }
}

fn rows(params: Params, classes: usize, x: &[f64], target: &[i64]) -> Case {
    let n = target.len();
    let inputs =
        [("logits", floats(Format::F32, &[n, classes], x)), ("target", Tensor::i64(&[n], target.to_vec()))];
    case("cross_entropy", Format::F32, params, &inputs)
}

#[test]
fn the_tail_of_a_dominant_class_is_kept() {
    let got = answer(&rows(Params::default(), 2, &[20.0, 0.0], &[0]));
    let truth = 2.061153620314381e-9;
    faithful(Format::F32, values(&got, "loss")[0], truth, 0.0, "loss");
    // σ(−20) = 2.0611536181902037e-9.
    faithful(Format::F32, values(&got, "grad.logits")[0], -2.0611536181902037e-9, 0.0, "gradient");
    let got = answer(&rows(Params::default(), 2, &[1000.0, 0.0], &[1]));
    assert_eq!(values(&got, "loss"), [1000.0]);
    let got = answer(&rows(Params::default(), 2, &[1000001.0, 999999.0], &[0]));
    faithful(Format::F32, values(&got, "loss")[0], 0.12692801104297263, 0.0, "offset");
}

#[test]
fn minus_infinity_is_a_legal_logit() {
    let none = Params::default().with("reduction", "none");
    let got =
        answer(&rows(none.clone(), 2, &[0.0, -INFINITY, 0.0, -INFINITY, -INFINITY, -INFINITY], &[0, 1, 0]));
    let loss = values(&got, "loss");
    assert_eq!(loss[..2], [0.0, INFINITY]);
    assert!(loss[2].is_nan());
    let gradient = values(&got, "grad.logits");
    assert_eq!(gradient[..4], [0.0, 0.0, 1.0, -1.0]);
    assert!(gradient[4..].iter().all(|g| g.is_nan()));
    // Smoothing gives every class a part, so −∞ anywhere makes the loss infinite, and the gradient stays finite.
    let got = answer(&rows(none.with("label_smoothing", 0.5), 2, &[0.0, -INFINITY], &[0]));
    assert_eq!(values(&got, "loss"), [INFINITY]);
    assert_eq!(values(&got, "grad.logits"), [0.25, -0.25]);
    // A leading run of −∞ longer than 64 Ki.
    let mut x = vec![-INFINITY; 70_000];
    x.extend([1.0, 1.0]);
    let got = answer(&rows(Params::default(), x.len(), &x, &[70_001]));
    faithful(Format::F32, values(&got, "loss")[0], std::f64::consts::LN_2, 0.0, "leading run");
    assert_eq!(values(&got, "grad.logits")[69_999..], [0.0, 0.5, -0.5]);
}

#[test]
fn ignored_rows_are_exactly_nothing() {
    let x = [1.0, 2.0, f64::NAN, -INFINITY];
    let got = answer(&rows(Params::default(), 2, &x, &[1, -100]));
    let alone = answer(&rows(Params::default(), 2, &x[..2], &[1]));
    assert_eq!(values(&got, "loss"), values(&alone, "loss"));
    assert_eq!(values(&got, "grad.logits")[2..], [0.0, 0.0]);
    // No row left: NaN, or 0 where that is the convention; gradient 0 in either.
    let got = answer(&rows(Params::default(), 2, &x, &[-100, -100]));
    assert!(values(&got, "loss")[0].is_nan());
    assert_eq!(values(&got, "grad.logits"), [0.0; 4]);
    let zero = Params::default().with("empty_mean", "zero");
    let got = answer(&rows(zero, 2, &x, &[-100, -100]));
    assert_eq!((values(&got, "loss"), values(&got, "grad.logits")), (vec![0.0], vec![0.0; 4]));
    // −100 without an ignore index is refused, another index is obeyed.
    let got = answer(&rows(Params::default().with("ignore_index", 0i64), 2, &x, &[1, 0]));
    assert_eq!(values(&got, "loss"), values(&alone, "loss"));
    let null = crate::loss::ParamValue::Null;
    let got = answer(&rows(Params::default().with("ignore_index", null), 2, &x[..2], &[1]));
    assert_eq!(values(&got, "loss"), values(&alone, "loss"));
}

#[test]
fn weights_that_sum_to_zero_are_an_empty_mean() {
    for (empty, nan) in [("nan", true), ("zero", false)] {
        let params = Params::default().with("empty_mean", empty);
        let zero = floats(Format::F32, &[2], &[0.0, 1.0]);
        let inputs = [
            ("logits", floats(Format::F32, &[1, 2], &[1.0, 2.0])),
            ("target", Tensor::i64(&[1], vec![0])),
            ("class_weight", zero),
        ];
        let got = answer(&case("cross_entropy", Format::F32, params.clone(), &inputs));
        let ok = |x: &f64| if nan { x.is_nan() } else { *x == 0.0 };
        assert!(values(&got, "loss").iter().chain(&values(&got, "grad.logits")).all(ok), "{empty}: {got:?}");
        let one = |x: f64| floats(Format::F32, &[1], &[x]);
        let inputs = [("prediction", one(1.0)), ("target", one(3.0)), ("weight", one(0.0))];
        let params = params.with("mean_over", "weight");
        let got = answer(&case("mse", Format::F32, params, &inputs));
        assert!(values(&got, "loss").iter().chain(&values(&got, "grad.target")).all(ok), "{empty}: {got:?}");
    }
}

#[test]
fn no_rows_no_gradient() {
    for (empty, nan) in [("nan", true), ("zero", false)] {
        let none = floats(Format::F16, &[0, 3], &[]);
        let inputs = [("anchor", none.clone()), ("positive", none.clone()), ("negative", none)];
        let params = Params::default().with("empty_mean", empty);
        let got = answer(&case("triplet_margin", Format::F16, params, &inputs));
        assert_eq!(values(&got, "loss")[0].is_nan(), nan);
        assert!(got["grad.anchor"].is_empty());
    }
}

#[test]
fn kinks_give_zero() {
    let f32s = |x: &[f64]| floats(Format::F32, &[1, x.len()], x);
    let got = answer(&case(
        "mae",
        Format::F32,
        Params::default(),
        &[("prediction", f32s(&[1.0, 2.0])), ("target", f32s(&[1.0, 1.0]))],
    ));
    assert_eq!(values(&got, "grad.prediction"), [0.0, 0.5]);
    let triplet = |params: Params, a: &[f64], p: &[f64], n: &[f64]| {
        let inputs = [("anchor", f32s(a)), ("positive", f32s(p)), ("negative", f32s(n))];
        answer(&case("triplet_margin", Format::F32, params, &inputs))
    };
    // Anchor and positive coincide: their distance has gradient 0.
    let got = triplet(Params::default(), &[1.0, 2.0], &[1.0, 2.0], &[1.5, 2.0]);
    assert_eq!(values(&got, "grad.positive"), [0.0, 0.0]);
    assert_eq!(values(&got, "grad.anchor"), [1.0, 0.0]);
    assert_eq!(values(&got, "loss"), [0.5]);
    // 5 + 1 = 6 exactly: the hinge's own kink.
    let got = triplet(Params::default(), &[0.0, 0.0], &[3.0, 4.0], &[6.0, 0.0]);
    assert_eq!((values(&got, "loss")[0], values(&got, "grad.anchor")), (0.0, vec![0.0, 0.0]));
    // One ulp nearer, and it is on.
    let got = triplet(Params::default(), &[0.0, 0.0], &[3.0, 4.0], &[6.0 - 2f64.powi(-21), 0.0]);
    assert_eq!(values(&got, "loss"), [2f64.powi(-21)]);
    assert_ne!(values(&got, "grad.negative"), [0.0, 0.0]);
    // Tied largest coordinates share.
    let got = triplet(Params::default().with("p", "inf"), &[0.0, 0.0], &[3.0, -3.0], &[1.0, 0.0]);
    assert_eq!(values(&got, "grad.positive"), [0.5, -0.5]);
}

#[test]
fn nothing_overflows_or_vanishes_on_the_way() {
    let f32s = |x: &[f64]| floats(Format::F32, &[1, x.len()], x);
    // Norms of squares beyond the range, above and below.
    for scale in [1e30, 1e-30, 1e-44] {
        let inputs = [
            ("anchor", f32s(&[3.0 * scale, 0.0])),
            ("positive", f32s(&[0.0, 4.0 * scale])),
            ("negative", f32s(&[3.0 * scale, 0.0])),
        ];
        let params = Params::default().with("margin", 0.0);
        let case = case("triplet_margin", Format::F32, params, &inputs);
        let (a, b) = (case.input("anchor").floats()[0], case.input("positive").floats()[1]);
        let got = answer(&case);
        faithful(Format::F32, values(&got, "loss")[0], a.hypot(b), 0.0, "norm");
        faithful(Format::F32, values(&got, "grad.positive")[1], b / a.hypot(b), 0.0, "unit vector");
    }
    // A sum of squares beyond the range, brought back by the weight.
    let inputs =
        [("prediction", f32s(&[1e25])), ("target", f32s(&[0.0])), ("weight", f32s(&[2f64.powi(-80)]))];
    let case_ = case("mse", Format::F32, Params::default(), &inputs);
    let x = case_.input("prediction").floats()[0];
    let got = answer(&case_);
    faithful(Format::F32, values(&got, "loss")[0], x * x * 2f64.powi(-80), 0.0, "weighted square");
    // e^−110 is below f32; times the upstream it is not.
    let mut case_ = rows(Params::default(), 2, &[0.0, -110.0], &[0]);
    case_.upstream = floats(Format::F32, &[], &[1e30]);
    let upstream = case_.upstream.floats()[0];
    let got = answer(&case_);
    faithful(Format::F32, values(&got, "grad.logits")[1], upstream * (-110f64).exp(), 0.0, "gradient");
    // f16: 4096 squares of 64 are beyond f16, their mean is not.
    let eights = floats(Format::F16, &[4096], &[8.0; 4096]);
    let zeros = floats(Format::F16, &[4096], &[0.0; 4096]);
    let got =
        answer(&case("mse", Format::F16, Params::default(), &[("prediction", eights), ("target", zeros)]));
    assert_eq!(values(&got, "loss"), [64.0]);
}

#[test]
fn nan_reaches_what_depends_on_it_and_no_more() {
    let none = Params::default().with("reduction", "none");
    let got = answer(&rows(none, 2, &[1.0, f64::NAN, 0.0, 1.0], &[0, 0]));
    let (loss, gradient) = (values(&got, "loss"), values(&got, "grad.logits"));
    assert!(loss[0].is_nan() && !loss[1].is_nan());
    assert!(gradient[..2].iter().all(|g| g.is_nan()) && !gradient[2..].iter().any(|g| g.is_nan()));
    let got = answer(&rows(Params::default(), 2, &[1.0, f64::NAN, 0.0, 1.0], &[0, 0]));
    assert!(values(&got, "loss")[0].is_nan());
    assert!(!values(&got, "grad.logits")[2..].iter().any(|g| g.is_nan()));
    let f32s = |x: &[f64]| floats(Format::F32, &[1, x.len()], x);
    for at in 0..3 {
        for swap in [false, true] {
            let mut points = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]];
            points[at][1] = f64::NAN;
            let [a, p, n] = points.map(|x| f32s(&x));
            let params = Params::default().with("swap", swap);
            let inputs = [("anchor", a), ("positive", p), ("negative", n)];
            let got = answer(&case("triplet_margin", Format::F32, params, &inputs));
            for name in ["loss", "grad.anchor", "grad.positive", "grad.negative"] {
                assert!(values(&got, name).iter().all(|x| x.is_nan()), "{name}: {got:?}");
            }
        }
    }
}

#[test]
fn only_what_is_asked_for_and_only_what_it_has() {
    let f = |format| {
        let one = floats(format, &[2], &[1.0, 2.0]);
        case("mse", format, Params::default(), &[("prediction", one.clone()), ("target", one)])
    };
    let mut some = f(Format::Bf16);
    some.gradients = vec!["target".into()];
    let names: Vec<String> = answer(&some).into_keys().collect();
    assert_eq!(names, ["grad.target", "loss"]);
    assert!(matches!(Builtin.run(&f(Format::F64)), Err(KernelError::Unsupported(_))));
}
