//! Promise: every operation of the graph is what its name says, also those that no loss uses yet: its value against plain
//! f64 code, its gradient and its gradient's gradient against central differences at 300 bits.

use lossproof::arithmetic::value::Value;
use lossproof::graph::{Expr, Focal, LogClamp, Power, Real, SoftTarget, Tracer, gradient};
use probe::{Array, check_gradients, numbers, values};

#[path = "support/probe.rs"]
mod probe;

/// How far plain f64 code may be off.
const PLAIN_ERROR: f64 = 1e-12;

/// A different upstream for each element.
fn upstream(shape: Vec<usize>) -> Array {
    let count = shape.iter().product::<usize>();
    (shape, (0..count).map(|i| [1.0, -0.5, 2.0, 0.25, -3.0][i % 5]).collect())
}

/// Checks an operation of arrays, smooth at these inputs: value, gradient, gradient of the gradient.
fn check(
    name: &str,
    inputs: &[Array],
    trace: impl Fn(&[Expr]) -> Expr,
    plain: impl Fn(&[&[f64]]) -> Vec<f64>,
) {
    let tracer = Tracer::new();
    let args: Vec<Expr> =
        inputs.iter().enumerate().map(|(slot, (shape, _))| tracer.input(slot, shape)).collect();
    let out = trace(&args);
    let arrays: Vec<&[f64]> = inputs.iter().map(|(_, values)| &values[..]).collect();
    let expected = plain(&arrays);
    let value = &numbers(&tracer.graph(), std::slice::from_ref(&out), inputs)[0];
    assert_eq!(value.len(), expected.len(), "{name}");
    for (i, (value, &plain)) in value.iter().zip(&expected).enumerate() {
        let error = (value.to_f64() - plain).abs();
        assert!(error <= PLAIN_ERROR * plain.abs().max(1.0), "{name}[{i}] is {value:.20}, not {plain}");
    }
    // ⟨upstream, out⟩ and its gradient; then ⟨v, gradient⟩ and its gradient.
    let mut inputs = inputs.to_vec();
    let mut pair = |out: &Expr| {
        inputs.push(upstream(out.shape()));
        let with = tracer.input(inputs.len() - 1, &out.shape());
        ((out * &with).sum_all(), with)
    };
    let (first, with) = pair(&out);
    let gradients = gradient(&out, &with, &args);
    let products: Vec<Expr> = gradients.iter().map(|gradient| pair(gradient).0).collect();
    let second = products.into_iter().reduce(|a, b| a + b).expect("an input");
    let rows = gradient(&second, &second.constant(1.0), &args);
    check_gradients(name, &tracer.graph(), &first, &gradients, &inputs);
    check_gradients(&format!("{name} twice"), &tracer.graph(), &second, &rows, &inputs);
}

fn elementwise(name: &str, x: &[f64], trace: impl Fn(&Expr) -> Expr, plain: impl Fn(f64) -> f64) {
    let input = (vec![x.len()], x.to_vec());
    check(name, &[input], |args| trace(&args[0]), |arrays| arrays[0].iter().map(|&x| plain(x)).collect());
}

const ANY: [f64; 6] = [-3.5, -1.0, -0.125, 0.25, 1.5, 6.0];
const POSITIVE: [f64; 4] = [0.0625, 0.75, 1.5, 10.0];

#[test]
fn functions_of_one_number() {
    elementwise("abs", &ANY, Expr::abs, f64::abs);
    elementwise("sign", &ANY, Expr::sign, f64::signum);
    elementwise("relu", &ANY, Expr::relu, |x| x.max(0.0));
    elementwise("clamp", &ANY, |x| x.clamp(-0.5, 1.0), |x| x.clamp(-0.5, 1.0));
    elementwise("sqrt", &POSITIVE, Expr::sqrt, f64::sqrt);
    elementwise("exp", &ANY, Expr::exp, f64::exp);
    elementwise("expm1", &ANY, Expr::expm1, f64::exp_m1);
    elementwise("ln", &POSITIVE, Expr::ln, f64::ln);
    elementwise("ln_1p", &POSITIVE, Expr::ln_1p, f64::ln_1p);
    elementwise("tanh", &ANY, Expr::tanh, f64::tanh);
    elementwise("softplus", &ANY, Expr::softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p());
    elementwise("sigmoid", &ANY, Expr::sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
    elementwise("log_sigmoid", &ANY, Expr::log_sigmoid, |x| -((-x).exp().ln_1p()));
    elementwise("log_cosh", &ANY, Expr::log_cosh, |x| x.cosh().ln());
    let huber = |x: f64| if x.abs() < 2.0 { x * x / 2.0 } else { 2.0 * (x.abs() - 1.0) };
    elementwise("huber", &ANY, |x| x.huber(2.0), huber);
    elementwise("smooth_l1", &ANY, |x| x.smooth_l1(2.0), |x| huber(x) / 2.0);
    elementwise("expm1_minus", &ANY, Expr::expm1_minus, |x| x.exp_m1() - x);
    elementwise("neg", &ANY, |x| -x, |x| -x);
    elementwise("square", &ANY, Expr::square, |x| x * x);
    for p in [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0] {
        elementwise(&format!("pow {p}"), &ANY, |x| x.pow(p), |x| x.powf(p));
    }
    for p in [-0.5, 0.5, 1.5, 2.7] {
        elementwise(&format!("pow {p}"), &POSITIVE, |x| x.pow(p), |x| x.powf(p));
    }
}

fn pairs(
    name: &str,
    x: &[f64],
    y: &[f64],
    trace: impl Fn(&Expr, &Expr) -> Expr,
    plain: impl Fn(f64, f64) -> f64,
) {
    let inputs = [(vec![x.len()], x.to_vec()), (vec![y.len()], y.to_vec())];
    let plain = |arrays: &[&[f64]]| arrays[0].iter().zip(arrays[1]).map(|(&x, &y)| plain(x, y)).collect();
    check(name, &inputs, |args| trace(&args[0], &args[1]), plain);
}

#[test]
fn functions_of_two_numbers() {
    let (x, y) = ([-3.5, -1.0, 0.25, 1.5], [0.5, -2.0, 3.0, 1.25]);
    pairs("add", &x, &y, |x, y| x + y, |x, y| x + y);
    pairs("sub", &x, &y, |x, y| x - y, |x, y| x - y);
    pairs("mul", &x, &y, |x, y| x * y, |x, y| x * y);
    pairs("div", &x, &y, |x, y| x / y, |x, y| x / y);
    pairs("maximum", &x, &y, Expr::maximum, f64::max);
    pairs("minimum", &x, &y, Expr::minimum, f64::min);
    pairs("xlogy", &x, &POSITIVE, Expr::xlogy, |x, y| x * y.ln());
    pairs("kl_div", &POSITIVE, &x, Expr::kl_div, |t, x| t * (t.ln() - x));
    pairs("kl_div_log", &x, &y, Expr::kl_div_log, |t, x| t.exp() * (t - x));
    let softplus = |x: f64| x.exp().ln_1p();
    let bce = move |z: f64, t: f64| (1.0 - t) * softplus(z) + t * softplus(-z);
    pairs("bce_with_logits", &x, &[0.25, 0.0, 1.0, 0.5], Expr::bce_with_logits, bce);
    let entropy = |p: f64, t: f64| -(t * p.ln() + (1.0 - t) * (-p).ln_1p());
    let (p, t) = ([0.25, 0.5, 0.875, 0.125], [0.25, 0.0, 1.0, 0.5]);
    pairs("bce", &p, &t, |p, t| p.bce(t, LogClamp::None), entropy);
    let focal = Focal { alpha: Some(Real::new(0.25)), gamma: Real::new(2.0), soft: SoftTarget::InterpolateP };
    let plain = move |z: f64, t: f64| {
        let (p, q) = (1.0 / (1.0 + (-z).exp()), 1.0 / (1.0 + z.exp()));
        (0.25 * t + 0.75 * (1.0 - t)) * (t * q + (1.0 - t) * p).powi(2) * bce(z, t)
    };
    pairs("focal", &x, &[0.25, 0.5, 0.75, 0.125], |z, t| z.focal(t, focal), plain);
    pairs("a constant on either side", &x, &y, |x, y| (2.0 - x) / (y * 3.0), |x, y| (2.0 - x) / (y * 3.0));
}

/// with_gradient_of has the value of one array and the derivative of the other; ln 2π has none.
#[test]
fn gradients_pass_straight_through() {
    let tracer = Tracer::new();
    let [x, y, u] = [0, 1, 2].map(|slot| tracer.input(slot, &[2]));
    let out = (x.square().with_gradient_of(&y) + x.ln_two_pi()).square();
    let gradients = gradient(&out, &u, &[x.clone(), y.clone()]);
    let inputs = [[3.0, -2.0], [5.0, 7.0], [1.0, 0.5]].map(|values| (vec![2], values.to_vec()));
    let all = [out, gradients[0].clone(), gradients[1].clone()];
    let [value, by_x, by_y] = &numbers(&tracer.graph(), &all, &inputs)[..] else { panic!("three arrays") };
    for (i, (x, u)) in [(3.0, 1.0), (-2.0, 0.5)].into_iter().enumerate() {
        let whole = x * x + (2.0 * std::f64::consts::PI).ln();
        assert!((value[i].to_f64() - whole * whole).abs() <= PLAIN_ERROR * whole * whole);
        assert_eq!(by_x[i], 0);
        assert!((by_y[i].to_f64() - u * 2.0 * whole).abs() <= PLAIN_ERROR * whole);
    }
}

/// x·ln y at x = 0, where ln y may be −∞, and the weighted binary cross-entropy in its three arguments.
#[test]
fn functions_with_a_rule_of_their_own() {
    let tracer = Tracer::new();
    let (x, y) = (tracer.input(0, &[2]), tracer.input(1, &[2]));
    let out = x.xlogy(&y);
    let zeros = [(vec![2], vec![0.0, 0.0]), (vec![2], vec![0.0, 5.0])];
    assert!(numbers(&tracer.graph(), &[out], &zeros)[0].iter().all(|x| x.is_zero()));

    // The cross-entropy of probabilities 0 and 1: 0·ln 0 = 0, y/p at 0/0 and beyond.
    let (p, t) = (tracer.input(0, &[4]), tracer.input(1, &[4]));
    let out = p.bce(&t, LogClamp::None);
    let upstream = out.constant_full(&[4], 1.0);
    let [by_p, by_t] = &gradient(&out, &upstream, &[p, t])[..] else { panic!("two gradients") };
    let poles = [(vec![4], vec![0.0, 1.0, 0.0, 1.0]), (vec![4], vec![0.0, 1.0, 0.5, 0.5])];
    let shown = values(&tracer.graph(), &[out, by_p.clone(), by_t.clone()], &poles);
    let infinite = |value: &Value| format!("{value:?}").replace("Point(", "").replace(')', "");
    assert!(shown[0][..2].iter().all(|x| probe::number(x).is_zero()));
    assert_eq!([probe::number(&shown[1][0]), probe::number(&shown[1][1])], [1.0, -1.0]);
    assert_eq!([2, 3].map(|i| infinite(&shown[0][i])), ["Infinite(false"; 2]);
    assert_eq!([2, 3].map(|i| infinite(&shown[1][i])), ["Infinite(true", "Infinite(false"]);
    assert_eq!([0, 1].map(|i| infinite(&shown[2][i])), ["Infinite(false", "Infinite(true"]);

    let inputs =
        [(vec![3], vec![-1.5, 0.25, 2.0]), (vec![3], vec![0.25, 0.75, 0.5]), (vec![3], vec![2.0, 0.5, 1.0])];
    let softplus = |x: f64| x.exp().ln_1p();
    let trace = |args: &[Expr]| args[0].bce_with_logits_weighted(&args[1], &args[2]);
    check("weighted bce", &inputs, trace, |a| {
        let term = |i: usize| (1.0 - a[1][i]) * softplus(a[0][i]) + a[1][i] * a[2][i] * softplus(-a[0][i]);
        (0..3).map(term).collect()
    });
}

/// 24 different numbers of few bits in the shape [2, 3, 4].
fn cube() -> Array {
    (vec![2, 3, 4], (0..24).map(|i| f64::from(i * 7 % 24) / 8.0 - 1.25).collect())
}

fn at(i: usize, j: usize, k: usize) -> usize {
    (i * 3 + j) * 4 + k
}

#[test]
fn views_move_the_right_elements() {
    for axis in 0..3 {
        let length = [1, 2, 2][axis];
        check(
            "slice",
            &[cube()],
            |args| args[0].slice(axis, 1, length).square(),
            |arrays| {
                let first = |of: usize| usize::from(of == axis);
                let extent = |of: usize, whole: usize| if of == axis { length } else { whole };
                let mut out = Vec::new();
                for i in first(0)..first(0) + extent(0, 2) {
                    for j in first(1)..first(1) + extent(1, 3) {
                        for k in first(2)..first(2) + extent(2, 4) {
                            out.push(arrays[0][at(i, j, k)].powi(2));
                        }
                    }
                }
                out
            },
        );
        // A slice of the square put before the whole: the shapes differ along the axis alone.
        let trace =
            |args: &[Expr]| Expr::concatenate(&[args[0].square().slice(axis, 0, 1), args[0].clone()], axis);
        check("concatenate", &[cube()], trace, |arrays| {
            let mut extents = [2usize, 3, 4];
            extents[axis] += 1;
            let mut out = Vec::new();
            for i in 0..extents[0] {
                for j in 0..extents[1] {
                    for k in 0..extents[2] {
                        let mut index = [i, j, k];
                        let from_square = index[axis] == 0;
                        index[axis] = index[axis].saturating_sub(1);
                        let x = arrays[0][at(index[0], index[1], index[2])];
                        out.push(if from_square { x * x } else { x });
                    }
                }
            }
            out
        });
    }
    let indices = [5, 0, 5, 23, 11];
    check(
        "gather",
        &[cube()],
        |args| args[0].gather(&indices).square(),
        |arrays| indices.iter().map(|&i| arrays[0][i].powi(2)).collect(),
    );
    let column = (vec![3, 1], vec![0.5, -1.5, 2.0]);
    check(
        "broadcast",
        &[column],
        |args| args[0].broadcast(&[2, 3, 4]).square(),
        |arrays| (0..24).map(|i| arrays[0][i / 4 % 3].powi(2)).collect(),
    );
    let scattered = (vec![2, 1, 4], (0..8).map(f64::from).collect());
    check(
        "broadcast in the middle",
        &[scattered],
        |args| args[0].broadcast(&[2, 3, 4]).exp(),
        |arrays| (0..24).map(|i| arrays[0][i / 12 * 4 + i % 4].exp()).collect(),
    );
    let mask: Vec<bool> = (0..24).map(|i| i % 3 == 0).collect();
    check(
        "select",
        &[cube(), cube()],
        |args| args[0].square().select(&mask, &args[1].exp()),
        |arrays| (0..24).map(|i| if mask[i] { arrays[0][i].powi(2) } else { arrays[1][i].exp() }).collect(),
    );
    check(
        "reshape",
        &[cube()],
        |args| args[0].reshape(&[4, 6]).slice(1, 2, 1).square(),
        |arrays| (0..4).map(|row| arrays[0][row * 6 + 2].powi(2)).collect(),
    );
}

#[test]
fn reductions_take_the_right_elements() {
    for axis in 0..3 {
        let extents = [2, 3, 4];
        let reduced = |x: &[f64], start: f64, f: &dyn Fn(f64, f64) -> f64| {
            let rest: Vec<usize> = (0..3).filter(|&of| of != axis).collect();
            let mut out = Vec::new();
            for a in 0..extents[rest[0]] {
                for b in 0..extents[rest[1]] {
                    let mut index = [0; 3];
                    (index[rest[0]], index[rest[1]]) = (a, b);
                    let along = (0..extents[axis]).map(|k| {
                        index[axis] = k;
                        x[at(index[0], index[1], index[2])]
                    });
                    out.push(along.fold(start, f));
                }
            }
            out
        };
        check(
            &format!("sum {axis}"),
            &[cube()],
            |args| args[0].square().sum(axis),
            |arrays| reduced(arrays[0], 0.0, &|sum, x| sum + x * x),
        );
        check(
            &format!("max {axis}"),
            &[cube()],
            |args| args[0].max(axis).square(),
            |arrays| reduced(arrays[0], f64::NEG_INFINITY, &f64::max).into_iter().map(|x| x * x).collect(),
        );
    }
    check(
        "dot",
        &[cube(), cube()],
        |args| args[0].dot(&args[1].exp()),
        |arrays| {
            arrays[0]
                .chunks(4)
                .zip(arrays[1].chunks(4))
                .map(|(x, y)| x.iter().zip(y).map(|(x, y)| x * y.exp()).sum())
                .collect()
        },
    );
    check(
        "sum_all",
        &[cube()],
        |args| args[0].exp().sum_all(),
        |arrays| vec![arrays[0].iter().map(|x| x.exp()).sum()],
    );
}

#[test]
fn rows_are_what_they_say() {
    let rows = |plain: fn(&[f64]) -> Vec<f64>| {
        move |arrays: &[&[f64]]| arrays[0].chunks(4).flat_map(plain).collect()
    };
    let softmax = |row: &[f64]| -> Vec<f64> {
        let total: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x.exp() / total).collect()
    };
    check(
        "log_sum_exp",
        &[cube()],
        |args| args[0].log_sum_exp(),
        rows(|row| vec![row.iter().map(|x| x.exp()).sum::<f64>().ln()]),
    );
    check("softmax", &[cube()], |args| args[0].softmax(), rows(softmax));
    check(
        "log_softmax",
        &[cube()],
        |args| args[0].log_softmax(),
        rows(|row| {
            let total: f64 = row.iter().map(|x| x.exp()).sum();
            row.iter().map(|x| x - total.ln()).collect()
        }),
    );
    check(
        "normalize",
        &[cube()],
        |args| args[0].normalize(),
        rows(|row| {
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter().map(|x| x / norm).collect()
        }),
    );
    let classes = [0, 3, 1, 1, 2, 0];
    check(
        "cross_entropy",
        &[cube()],
        |args| args[0].cross_entropy(&classes),
        |arrays| {
            let row =
                |(row, &class): (&[f64], &usize)| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[class];
            arrays[0].chunks(4).zip(&classes).map(row).collect()
        },
    );
    check(
        "soft_cross_entropy",
        &[cube(), cube()],
        |args| args[0].soft_cross_entropy(&args[1].square()),
        |arrays| {
            let row = |(row, q): (&[f64], &[f64])| {
                let total = row.iter().map(|x| x.exp()).sum::<f64>().ln();
                row.iter().zip(q).map(|(x, q)| q * q * (total - x)).sum()
            };
            arrays[0].chunks(4).zip(arrays[1].chunks(4)).map(row).collect()
        },
    );
    for epsilon in [0.0, 0.25] {
        let trace = |args: &[Expr]| args[0].cosine(&args[1], epsilon);
        let other = (vec![2, 3, 4], (0..24).map(|i| f64::from(i * 5 % 24) / 16.0 - 0.5).collect());
        check(&format!("cosine {epsilon}"), &[cube(), other], trace, |arrays| {
            let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            let rows = arrays[0].chunks(4).zip(arrays[1].chunks(4));
            rows.map(|(x, y)| dot(x, y) / ((dot(x, x) + epsilon) * (dot(y, y) + epsilon)).sqrt()).collect()
        });
    }
    for (p, epsilon) in [(1.0, 0.0), (1.5, 0.0), (2.0, 0.0), (2.0, 0.25), (3.0, 0.5), (2.7, 0.0)] {
        // Odd numerators: no coordinate is 0, where degrees below 2 have no second derivative.
        let trace = |args: &[Expr]| (&args[0] + 0.0625).norm(Power::Finite(p), epsilon);
        check(&format!("norm {p} {epsilon}"), &[cube()], trace, |arrays| {
            let sum = |row: &[f64]| row.iter().map(|x| (x + 0.0625).abs().powf(p)).sum::<f64>();
            arrays[0].chunks(4).map(|row| (sum(row) + epsilon).powf(1.0 / p)).collect()
        });
    }
    check(
        "norm inf",
        &[cube()],
        |args| args[0].norm(Power::Infinity, 0.0),
        rows(|row| vec![row.iter().fold(0.0, |most: f64, x| most.max(x.abs()))]),
    );
}

#[test]
fn a_stopped_gradient_is_a_constant() {
    let tracer = Tracer::new();
    let x = tracer.input(0, &[3]);
    let out = (&x * x.stop_gradient()).sum_all();
    let gradients = gradient(&out, &out.constant(1.0), std::slice::from_ref(&x));
    let inputs = [(vec![3], vec![2.0, -3.0, 0.5])];
    assert_eq!(numbers(&tracer.graph(), &gradients, &inputs)[0], [2.0, -3.0, 0.5]);
}

/// At kinks the gradient is the whole interval.
#[test]
fn kinks_are_sets() {
    let ends = |trace: &dyn Fn(&Expr) -> Expr, inputs: &[f64], element: usize| {
        let tracer = Tracer::new();
        let x = tracer.input(0, &[inputs.len()]);
        let out = trace(&x).sum_all();
        let gradients = gradient(&out, &out.constant(1.0), std::slice::from_ref(&x));
        match &values(&tracer.graph(), &gradients, &[(vec![inputs.len()], inputs.to_vec())])[0][element] {
            set @ Value::Set(_) => {
                let (low, high) = set.ends(53);
                [low, high].map(|ball| ball.ends(53).expect("a finite end").0.to_f64())
            }
            point => panic!("{point:?} is no set"),
        }
    };
    assert_eq!(ends(&Expr::abs, &[0.0], 0), [-1.0, 1.0]);
    assert_eq!(ends(&Expr::relu, &[0.0], 0), [0.0, 1.0]);
    assert_eq!(ends(&|x| x.clamp(-1.0, 2.0), &[2.0], 0), [0.0, 1.0]);
    assert_eq!(ends(&|x| x.clamp(-1.0, 2.0), &[-1.0], 0), [0.0, 1.0]);
    assert_eq!(ends(&|x| x.max(0), &[3.0, 1.0, 3.0], 2), [0.0, 1.0]);
    assert_eq!(ends(&|x| -x.norm(Power::Finite(2.0), 0.0), &[0.0, 0.0], 1), [-1.0, 1.0]);
    assert_eq!(ends(&|x| x.norm(Power::Infinity, 0.0), &[3.0, -3.0], 1), [-1.0, 0.0]);
    assert_eq!(ends(&|x| x.norm(Power::Finite(1.0), 0.0), &[3.0, 0.0], 1), [-1.0, 1.0]);
}

/// Rows with infinite entries.
#[test]
fn infinite_logits() {
    let tracer = Tracer::new();
    let x = tracer.input(0, &[3]);
    let (sum, share) = (x.log_sum_exp(), x.softmax());
    let inf = f64::NEG_INFINITY;
    let run =
        |row: [f64; 3]| values(&tracer.graph(), &[sum.clone(), share.clone()], &[(vec![3], row.to_vec())]);
    let excluded = run([inf, 0.0, 0.0]);
    assert_eq!(probe::number(&excluded[1][0]), 0);
    assert_eq!(probe::number(&excluded[1][1]), 0.5);
    let nothing = run([inf; 3]);
    assert!(format!("{:?}", nothing[0][0]).contains("Infinite(true)"), "ln 0 is −∞");
    assert!(format!("{:?}", nothing[1][0]).contains("Undefined"), "0/0 is undefined");
}

/// What a row shares is kept; a norm of another degree, or with another ε, is another norm.
#[test]
fn two_norms_of_one_array_are_two() {
    let (x, y) = ((vec![1, 2], vec![3.0, -4.0]), (vec![1, 2], vec![4.0, 3.0]));
    let tracer = Tracer::new();
    let (a, b) = (tracer.input(0, &x.0), tracer.input(1, &y.0));
    let norm = |p: f64, epsilon: f64| a.norm(Power::Finite(p), epsilon);
    let outputs = [
        norm(2.0, 0.0),
        norm(1.0, 0.0),
        a.norm(Power::Infinity, 0.0),
        norm(2.0, 11.0),
        a.normalize(),
        a.cosine(&b, 0.0),
        a.cosine(&b, 11.0),
    ];
    let found = numbers(&tracer.graph(), &outputs, &[x, y]);
    let found: Vec<Vec<f64>> = found.iter().map(|row| row.iter().map(|y| y.to_f64()).collect()).collect();
    assert_eq!(found[..5], [vec![5.0], vec![7.0], vec![4.0], vec![6.0], vec![0.6, -0.8]]);
    assert_eq!(found[5..], [vec![0.0], vec![0.0]]);
    // ∂/∂a: b/(‖a‖‖b‖), with ε = 11 beside 25 in both.
    let ones = outputs[5].constant_full(&outputs[5].shape(), 1.0);
    let slopes = [5, 6].map(|at| gradient(&outputs[at], &ones, std::slice::from_ref(&a)).remove(0));
    let inputs = [(vec![1, 2], vec![3.0, -4.0]), (vec![1, 2], vec![4.0, 3.0])];
    let found = numbers(&tracer.graph(), &slopes, &inputs);
    let found: Vec<f64> = found.iter().flatten().map(|y| y.to_f64()).collect();
    assert_eq!(found, [4.0 / 25.0, 3.0 / 25.0, 4.0 / 36.0, 3.0 / 36.0]);
}
