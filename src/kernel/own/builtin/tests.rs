//! The built-in kernels against formulas in f64, written here once more, and in the special cases.

use super::*;
use crate::case::Tensors;
use crate::kernel::own::testing::{Random, case, floats};
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
        let loss = ["mse", "mae", "huber", "smooth_l1", "log_cosh"][random.below(5)];
        let over = ["count", "weight"][random.below(2)];
        let mut params =
            Params::default().with("reduction", REDUCTIONS[random.below(3)]).with("mean_over", over);
        let threshold = [0.1, 1.0, 3.3, 20.0][random.below(4)];
        match loss {
            "huber" => params.set("delta", threshold),
            "smooth_l1" => params.set("beta", threshold),
            _ => {}
        }
        let x = draw(&mut random, format, &shape, -9.0, 9.0);
        let y = draw(&mut random, format, &shape, -9.0, 9.0);
        let w = draw(&mut random, format, &shape, 0.0, 2.0);
        let inputs = [("prediction", x.clone()), ("target", y.clone()), ("weight", w.clone())];
        let case = with_upstream(case(loss, format, params, &inputs), &mut random);
        let n = x.len();
        let residual: Vec<f64> = (0..n).map(|i| x.floats()[i] - y.floats()[i]).collect();
        let huber = |r: f64| {
            if r.abs() < threshold { r * r / 2.0 } else { threshold * (r.abs() - threshold / 2.0) }
        };
        let term = |r: f64| match loss {
            "mse" => r * r,
            "mae" => r.abs(),
            "huber" => huber(r),
            "log_cosh" => r.abs() + (-2.0 * r.abs()).exp().ln_1p() - std::f64::consts::LN_2,
            _ => huber(r) / threshold,
        };
        let slope = |r: f64| match loss {
            "mse" => 2.0 * r,
            "mae" => {
                if r == 0.0 {
                    0.0
                } else {
                    r.signum()
                }
            }
            "huber" => r.clamp(-threshold, threshold),
            "log_cosh" => r.tanh(),
            _ => r.clamp(-threshold, threshold) / threshold,
        };
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
        // Under the root of an infinite degree nothing has a meaning.
        let (epsilon, root) = ([0.0, 1e-6, 0.5][random.below(3)], random.below(2) == 0 && p.is_some());
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

mod binary_and_cosine;
mod distributions;
mod gaussian;
mod special_cases;
