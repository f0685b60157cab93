//! Dominant classes, −∞, ignored rows, empty means, kinks, the ends of the range, NaN.

use super::*;

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

/// Where the smoothing is next to nothing, 1 − softmax and the target's missing part are what the gradient is made of.
#[test]
fn a_little_smoothing_is_not_lost() {
    let mut random = Random::new(15);
    for _ in 0..50 {
        let epsilon = f64::from(random.uniform(1e-10, 1e-9));
        let weight = draw(&mut random, Format::F32, &[3], 0.5, 2.0);
        let inputs = [
            ("logits", floats(Format::F32, &[1, 3], &[40.0, 0.0, 0.5])),
            ("target", Tensor::i64(&[1], vec![0])),
            ("class_weight", weight.clone()),
        ];
        let params = Params::default().with("label_smoothing", epsilon).with("reduction", "sum");
        let got = answer(&case("cross_entropy", Format::F32, params, &inputs));
        let w = weight.floats();
        let missing = epsilon / 3.0 * (w[1] + w[2]);
        let others = (-40f64).exp() + (-39.5f64).exp();
        faithful(Format::F32, values(&got, "grad.logits")[0], missing - w[0] * others, 0.0, "peak");
    }
}

/// The softmax of an excluded class is 0 whatever the other targets are: its gradient does not depend on them.
#[test]
fn an_excluded_class_knows_nothing_of_a_target_that_is_nan() {
    let inputs = [
        ("logits", floats(Format::F32, &[1, 3], &[0.0, 1.0, -INFINITY])),
        ("target", floats(Format::F32, &[1, 3], &[f64::NAN, 0.5, 0.0])),
    ];
    let case = case("cross_entropy_soft", Format::F32, Params::default(), &inputs);
    let got = answer(&case);
    let gradient = values(&got, "grad.logits");
    assert!(gradient[0].is_nan() && gradient[1].is_nan() && gradient[2] == 0.0, "{gradient:?}");
    let truth = crate::oracle::prove(&case).unwrap();
    let truth: Vec<f64> = truth[1].elements.iter().map(|y| y.value(Format::F32)).collect();
    assert!(truth[0].is_nan() && truth[1].is_nan() && truth[2] == 0.0, "{truth:?}");
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
