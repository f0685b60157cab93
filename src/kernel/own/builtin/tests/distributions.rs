//! The losses against distributions and of given log-probabilities, against formulas in f64.

use super::*;

/// ln Σ exp(x) − x_c, the maximum's own term left out of the sum and added by ln_1p.
fn surprises(row: &[f64]) -> Vec<f64> {
    let peak = (0..row.len()).fold(0, |peak, c| if row[c] > row[peak] { c } else { peak });
    let others = (0..row.len()).filter(|&c| c != peak).map(|c| (row[c] - row[peak]).exp());
    let tail = others.sum::<f64>().ln_1p();
    row.iter().map(|x| tail + (row[peak] - x)).collect()
}

#[test]
fn cross_entropy_soft_agrees_with_f64() {
    let mut random = Random::new(21);
    for round in 0..400 {
        let format = BUILTIN_FORMATS[round % 3];
        let (n, c) = (1 + random.below(4), 2 + random.below(6));
        let scale = [1.0, 30.0, 300.0][random.below(3)];
        let x = draw(&mut random, format, &[n, c], -scale, scale);
        let q = draw(&mut random, format, &[n, c], 0.0, 1.0);
        let w = draw(&mut random, format, &[c], 0.5, 2.0);
        let params = Params::default().with("reduction", REDUCTIONS[random.below(3)]);
        let inputs = [("logits", x.clone()), ("target", q.clone()), ("class_weight", w.clone())];
        let case = with_upstream(case("cross_entropy_soft", format, params, &inputs), &mut random);
        let (w, q) = (w.floats(), q.floats());
        let surprises: Vec<f64> = x.floats().chunks(c).flat_map(surprises).collect();
        let part = |at: usize| w[at % c] * q[at];
        let row = |r: usize| r * c..(r + 1) * c;
        let terms: Vec<f64> = (0..n).map(|r| row(r).map(|at| part(at) * surprises[at]).sum()).collect();
        let (factors, want) = reduced(&case, &terms, n as f64);
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        let by_target: Vec<f64> = (0..n * c).map(|at| factors[at / c] * w[at % c] * surprises[at]).collect();
        agree(&case, &got, "grad.target", &by_target);
        for at in 0..n * c {
            let total: f64 = row(at / c).map(part).sum();
            let slope = (-surprises[at]).exp() * total - part(at);
            let (factor, x) = (factors[at / c], got["grad.logits"].floats()[at]);
            // 1e-13·100·Σq is about 2^−37 of what cancels.
            faithful(format, x, factor * slope, 100.0 * factor * total, "grad.logits");
        }
    }
}

#[test]
fn nll_loss_agrees_with_f64() {
    let mut random = Random::new(22);
    for round in 0..300 {
        let format = BUILTIN_FORMATS[round % 3];
        let (n, c) = (1 + random.below(5), 1 + random.below(6));
        let l = draw(&mut random, format, &[n, c], -9.0, 0.0);
        let w = draw(&mut random, format, &[c], 0.5, 2.0);
        let target: Vec<i64> = (0..n).map(|_| random.below(c + 1) as i64).collect();
        let target: Vec<i64> = target.into_iter().map(|t| if t == c as i64 { -100 } else { t }).collect();
        if target.iter().all(|&t| t == -100) {
            continue;
        }
        let params = Params::default().with("reduction", REDUCTIONS[random.below(3)]);
        let inputs = [
            ("log_probs", l.clone()),
            ("target", Tensor::i64(&[n], target.clone())),
            ("class_weight", w.clone()),
        ];
        let case = with_upstream(case("nll_loss", format, params, &inputs), &mut random);
        let weight = |r: usize| usize::try_from(target[r]).map_or(0.0, |t| w.floats()[t]);
        let at = |r: usize| r * c + usize::try_from(target[r]).unwrap_or(0);
        let terms: Vec<f64> = (0..n).map(|r| -weight(r) * l.floats()[at(r)]).collect();
        let (factors, want) = reduced(&case, &terms, (0..n).map(weight).sum());
        let mut gradient = vec![0.0; n * c];
        (0..n).for_each(|r| gradient[at(r)] = -factors[r] * weight(r));
        let got = answer(&case);
        agree(&case, &got, "loss", &want);
        agree(&case, &got, "grad.log_probs", &gradient);
    }
}

#[test]
fn kl_div_agrees_with_f64() {
    let mut random = Random::new(23);
    for round in 0..500 {
        let format = BUILTIN_FORMATS[round % 3];
        let (shape, log_target) = ([1 + random.below(4), 1 + random.below(5)], random.below(2) == 0);
        let x = draw(&mut random, format, &shape, -9.0, 0.0);
        let t = if log_target {
            draw(&mut random, format, &shape, -9.0, 1.0)
        } else {
            draw(&mut random, format, &shape, 0.001, 2.0)
        };
        let reduction = ["none", "batchmean", "mean", "sum"][random.below(4)];
        let params = Params::default().with("reduction", reduction).with("log_target", log_target);
        let inputs = [("log_prediction", x.clone()), ("target", t.clone())];
        let case = with_upstream(case("kl_div", format, params, &inputs), &mut random);
        let count = x.len();
        let mass = |at: usize| if log_target { t.floats()[at].exp() } else { t.floats()[at] };
        let log = |at: usize| if log_target { t.floats()[at] } else { t.floats()[at].ln() };
        let gap = |at: usize| log(at) - x.floats()[at];
        let terms: Vec<f64> = (0..count).map(|at| mass(at) * gap(at)).collect();
        let (factors, want) =
            reduced(&case, &terms, if reduction == "mean" { count } else { shape[0] } as f64);
        let got = answer(&case);
        // 2^−40 of the terms, of which the largest is about 20: 1e-13·500.
        for (&got, &want) in got["loss"].floats().iter().zip(&want) {
            faithful(format, got, want, 500.0 * count as f64, "loss");
        }
        let by_prediction: Vec<f64> = (0..count).map(|at| -factors[at] * mass(at)).collect();
        agree(&case, &got, "grad.log_prediction", &by_prediction);
        for (at, (&factor, &got)) in factors.iter().zip(got["grad.target"].floats()).enumerate() {
            let slope = if log_target { mass(at) * (gap(at) + 1.0) } else { gap(at) + 1.0 };
            faithful(format, got, factor * slope, 500.0 * factor, "slope");
        }
    }
}

#[test]
fn classes_without_mass() {
    let f32s = |x: &[f64]| floats(Format::F32, &[1, x.len()], x);
    let none = || Params::default().with("reduction", "none");
    let soft = |x: &[f64], q: &[f64]| {
        answer(&case("cross_entropy_soft", Format::F32, none(), &[("logits", f32s(x)), ("target", f32s(q))]))
    };
    let got = soft(&[0.0, -INFINITY], &[1.0, 0.0]);
    assert_eq!((values(&got, "loss"), values(&got, "grad.target")), (vec![0.0], vec![0.0, INFINITY]));
    let got = soft(&[-INFINITY, -INFINITY], &[0.0, 0.0]);
    assert!(["loss", "grad.logits", "grad.target"].iter().all(|name| got[*name].floats()[0].is_nan()));
    let kl = |log_target: bool, x: &[f64], t: &[f64]| {
        let inputs = [("log_prediction", f32s(x)), ("target", f32s(t))];
        answer(&case("kl_div", Format::F32, none().with("log_target", log_target), &inputs))
    };
    let got = kl(false, &[-1.0, -INFINITY, -INFINITY], &[0.0, 0.0, 0.5]);
    assert_eq!(values(&got, "loss"), [0.0, 0.0, INFINITY]);
    let slopes = values(&got, "grad.target");
    assert!(slopes[0] == -INFINITY && slopes[1].is_nan() && slopes[2] == INFINITY);
    let got = kl(true, &[-1.0, -INFINITY, -INFINITY], &[-INFINITY, -INFINITY, -1.0]);
    assert_eq!(values(&got, "loss"), [0.0, 0.0, INFINITY]);
    assert_eq!(values(&got, "grad.target"), [0.0, 0.0, INFINITY]);
    // e^t far below every range, and t − x + 1 = 0 exactly.
    let got = kl(true, &[-INFINITY, -1.0, -4.0], &[-3e38, -3e38, -5.0]);
    assert_eq!((values(&got, "loss")[0], values(&got, "loss")[1]), (INFINITY, 0.0));
    assert_eq!(values(&got, "grad.target")[2], 0.0);
}
