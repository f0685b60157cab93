//! The kinds of truth: sets, infinities, overflow, undefined, subnormals and what rounds to 0.

use crate::helpers::{Draft, answer, prove};
use lossproof::case::Case;
use lossproof::format::{Canonical, Format};
use lossproof::loss::ParamValue;
use lossproof::truth::Truth;

const LOSS: usize = 0;
const GRADIENT: usize = 1;

fn cross_entropy(format: Format, logits: &[f64], target: i64) -> Case {
    Draft::new(format)
        .floats("logits", &[1, logits.len()], logits)
        .classes("target", &[target])
        .case("cross_entropy")
}

fn bce(format: Format, logit: f64, target: f64) -> Case {
    Draft::new(format)
        .floats("logits", &[1], &[logit])
        .floats("target", &[1], &[target])
        .case("bce_with_logits")
}

fn mse(format: Format, prediction: f64, target: f64) -> Case {
    Draft::new(format).floats("prediction", &[1], &[prediction]).floats("target", &[1], &[target]).case("mse")
}

#[test]
fn the_three_examples_of_the_design() {
    let near = |x: f64, y: f64| (x / y - 1.0).abs() < 1e-6;
    let (kind, value) = answer(&cross_entropy(Format::F32, &[20.0, 0.0], 0), LOSS, 0);
    assert!(kind == "proved" && near(value, 2.0611537e-9), "{value}");
    let (_, value) = answer(&cross_entropy(Format::F32, &[1000001.0, 999999.0], 0), LOSS, 0);
    assert!(near(value, 0.126928), "{value}");
    let (_, value) = answer(&cross_entropy(Format::F32, &[1000.0, 0.0], 1), LOSS, 0);
    assert_eq!(value, 1000.0);
}

#[test]
fn excluded_classes_are_exact() {
    let inf = f64::NEG_INFINITY;
    let case = cross_entropy(Format::F32, &[1.0, inf, 1.0], 0);
    assert_eq!(prove(&case)[GRADIENT].elements[1], Truth::Proved(Canonical::ZERO));
    assert_eq!(answer(&case, GRADIENT, 0), ("proved", -0.5));
    // The target itself excluded: an infinite loss with a finite gradient.
    let case = cross_entropy(Format::F32, &[1.0, inf, 2.0], 1);
    assert_eq!(answer(&case, LOSS, 0), ("infinite", f64::INFINITY));
    assert_eq!(answer(&case, GRADIENT, 1), ("proved", -1.0));
    // Every class excluded: no mathematics.
    let case = cross_entropy(Format::F32, &[inf, inf], 0);
    assert_eq!(answer(&case, LOSS, 0).0, "undefined");
    assert_eq!(answer(&case, GRADIENT, 0).0, "undefined");
    // One class left: certain.
    let case = cross_entropy(Format::F32, &[inf, 3.0], 1);
    assert_eq!(prove(&case)[LOSS].elements[0], Truth::Proved(Canonical::ZERO));
    assert_eq!(prove(&case)[GRADIENT].elements, [Truth::Proved(Canonical::ZERO); 2]);
}

#[test]
fn smoothed_targets_with_excluded_classes() {
    let case = Draft::new(Format::F32)
        .param("label_smoothing", 0.5)
        .floats("logits", &[1, 3], &[0.0, f64::NEG_INFINITY, 1.0])
        .classes("target", &[0])
        .case("cross_entropy");
    assert_eq!(answer(&case, LOSS, 0), ("infinite", f64::INFINITY));
    // −ε/3 exactly, which no format holds: its f32 neighbour.
    assert_eq!(answer(&case, GRADIENT, 1), ("proved", f64::from(-0.5f32 / 3.0)));
}

#[test]
fn saturated_numbers_are_beside_their_limits() {
    // 1e30 + e^(−1e30): the loss is not exactly 1e30, nor is its gradient exactly 1.
    for format in [Format::F64, Format::F32, Format::Bf16] {
        let z = format.round(1e30);
        let outputs = prove(&bce(format, z, 0.0));
        let inexact = |truth: &Truth| matches!(truth, Truth::Proved(Canonical { exact: false, .. }));
        assert!(outputs[LOSS].elements.iter().all(inexact));
        assert_eq!(outputs[LOSS].elements[0].value(format), z);
        assert!(outputs[GRADIENT].elements.iter().all(inexact));
        assert_eq!(outputs[GRADIENT].elements[0].value(format), 1.0);
        // At the other end it is above 0 by less than any subnormal.
        let outputs = prove(&bce(format, -z, 0.0));
        assert!(matches!(
            outputs[LOSS].elements[0],
            Truth::Proved(Canonical { mantissa: 1, exact: false, .. })
        ));
        assert_eq!(outputs[LOSS].elements[0].value(format), 0.0);
    }
}

#[test]
fn overflow_is_a_finite_truth() {
    for format in Format::ALL {
        let max = format.max_value();
        let (kind, value) = answer(&mse(format, max, 0.0), LOSS, 0);
        assert_eq!((kind, value), ("overflow", f64::INFINITY), "{format}");
        assert_eq!(answer(&mse(format, max, -max), GRADIENT, 0), ("overflow", f64::INFINITY), "{format}");
        // Just below the threshold: the largest number.
        let mae = |x: f64| {
            let draft = Draft::new(format).param("reduction", "sum").floats("prediction", &[2], &[max, x]);
            draft.floats("target", &[2], &[0.0, 0.0]).case("mae")
        };
        let half_ulp = format.ulp(max) / 2.0;
        assert_eq!(answer(&mae(half_ulp), LOSS, 0), ("overflow", f64::INFINITY), "{format}");
        assert_eq!(answer(&mae(format.next_down(half_ulp)), LOSS, 0), ("proved", max), "{format}");
    }
}

#[test]
fn subnormals_are_rounded_once() {
    for format in Format::ALL {
        let least = format.min_subnormal();
        // (3η)/2, a tie of subnormals: to even, 2η. As a mean of two residuals.
        let mean = |a: f64, b: f64| {
            let draft =
                Draft::new(format).floats("prediction", &[2], &[a, b]).floats("target", &[2], &[0.0, 0.0]);
            answer(&draft.case("mae"), LOSS, 0)
        };
        assert_eq!(mean(least, 2.0 * least), ("proved", 2.0 * least), "{format}");
        // η/2 is a tie with 0.
        assert_eq!(mean(least, 0.0), ("proved", 0.0), "{format}");
        // η² is nothing that the format can show, and is above 0.
        let truth = prove(&mse(format, least, 0.0))[LOSS].elements[0];
        assert!(
            matches!(truth, Truth::Proved(Canonical { mantissa: 1, exact: false, .. })),
            "{format} {truth:?}"
        );
    }
}

#[test]
fn the_kinks_of_triplets_are_sets() {
    let triplet = |p: f64, a: [f64; 2], b: [f64; 2], c: [f64; 2], margin: f64| {
        Draft::new(Format::F32)
            .param("p", p)
            .param("margin", margin)
            .floats("anchor", &[1, 2], &a)
            .floats("positive", &[1, 2], &b)
            .floats("negative", &[1, 2], &c)
            .case("triplet_margin")
    };
    // Coinciding points: the unit ball's coordinates, minus a unit vector (0.6, 0.8).
    let case = triplet(2.0, [0.0, 0.0], [0.0, 0.0], [3.0, 4.0], 10.0);
    let gradient = &prove(&case)[GRADIENT].elements;
    assert!(gradient.iter().all(|truth| truth.kind() == "set"), "{gradient:?}");
    // The margin exactly met, by irrational distances: 1 + √2·… cannot be, √8 = 2·√2 can.
    let case = triplet(2.0, [0.0, 0.0], [2.0, 2.0], [2.0, -2.0], 0.0);
    assert_eq!(prove(&case)[LOSS].elements[0], Truth::Proved(Canonical::ZERO));
    // Both unit vectors have this first coordinate: their difference is 0, whatever the kink.
    assert_eq!(prove(&case)[GRADIENT].elements[0], Truth::Proved(Canonical::ZERO));
    assert_eq!(prove(&case)[GRADIENT].elements[1].kind(), "set");
    // By 3-4-5 triangles with a margin: 5 + 5 − 10.
    let case = triplet(2.0, [0.0, 0.0], [3.0, 4.0], [8.0, 6.0], 5.0);
    assert_eq!(prove(&case)[LOSS].elements[0], Truth::Proved(Canonical::ZERO));
    assert_eq!(prove(&case)[GRADIENT].elements[0].kind(), "set");
    // Beyond the margin: flat.
    let case = triplet(2.0, [0.0, 0.0], [1.0, 0.0], [6.0, 8.0], 5.0);
    assert_eq!(prove(&case)[GRADIENT].elements, [Truth::Proved(Canonical::ZERO); 2]);
}

/// ln 2 + ln ½ is 0 and ln 4 + 2·ln ½ too: what is left of the loss is exact, a midpoint of the format for instance.
#[test]
fn logarithms_that_cancel_leave_what_is_exact() {
    let sum = |variance: &[f64], residual: &[f64], full: bool| {
        let zeros = vec![0.0; variance.len()];
        let draft = Draft::new(Format::F32).param("reduction", "sum").param("full", full);
        let draft =
            draft.floats("mean", &[variance.len()], residual).floats("target", &[variance.len()], &zeros);
        prove(&draft.floats("variance", &[variance.len()], variance).case("gaussian_nll"))[LOSS].elements[0]
    };
    let exact = |x: f64| Truth::Proved(Canonical::from_f64(x, Format::F32));
    assert_eq!(sum(&[2.0, 0.5], &[1.0, 1.0], false), exact(1.25));
    assert_eq!(sum(&[4.0, 0.5, 0.5], &[0.0, 0.0, 1.0], false), exact(1.0));
    assert_eq!(sum(&[1.0], &[3.0], false), exact(4.5));
    assert_eq!(sum(&[3.0, 1.0], &[0.0, 0.0], false).kind(), "proved");
    // ln 2π cancels with nothing.
    let constant = sum(&[2.0, 0.5], &[0.0, 0.0], true);
    assert!(matches!(constant, Truth::Proved(Canonical { exact: false, .. })), "{constant:?}");
    // r² = v: 1/9 − (9/9)/9.
    let draft = Draft::new(Format::F32).floats("mean", &[1], &[3.0]).floats("target", &[1], &[0.0]);
    let case = draft.floats("variance", &[1], &[9.0]).case("gaussian_nll");
    assert_eq!(prove(&case)[3].elements[0], Truth::Proved(Canonical::ZERO));
}

/// |tanh| stays below 1, however large its argument: its correct rounding to odd says so.
#[test]
fn tanh_is_strictly_inside_1() {
    for format in Format::ALL {
        for (x, size) in [(format.max_value(), 1.0), (-format.max_value(), -1.0), (60.0, 1.0)] {
            let draft = Draft::new(format).floats("prediction", &[1], &[x]).floats("target", &[1], &[0.0]);
            let truth = prove(&draft.case("log_cosh"))[GRADIENT].elements[0];
            assert!(
                matches!(truth, Truth::Proved(Canonical { exact: false, .. })),
                "{format} {x}: {truth:?}"
            );
            assert_eq!(truth.value(format), size);
        }
    }
}

#[test]
fn means_over_nothing_follow_the_convention() {
    for (convention, kind) in [("nan", "undefined"), ("zero", "proved")] {
        let draft = Draft::new(Format::F32).param("empty_mean", convention);
        let case = draft.floats("prediction", &[0], &[]).floats("target", &[0], &[]).case("mse");
        assert_eq!(answer(&case, LOSS, 0).0, kind);
        let draft = Draft::new(Format::F32).param("empty_mean", convention);
        let case =
            draft.floats("logits", &[1, 2], &[0.0, 1.0]).classes("target", &[-100]).case("cross_entropy");
        assert_eq!(answer(&case, LOSS, 0).0, kind);
        // An ignored row gets exactly 0, or what the undefined divisor leaves.
        assert_eq!(answer(&case, GRADIENT, 0).0, "proved");
    }
}

#[test]
fn nan_makes_nan_of_what_depends_on_it() {
    let draft = Draft::new(Format::F32).param("reduction", "none");
    let case =
        draft.floats("prediction", &[2], &[f64::NAN, 1.0]).floats("target", &[2], &[0.0, 0.0]).case("mse");
    for output in prove(&case) {
        assert_eq!(output.elements[0], Truth::Undefined, "{}", output.name);
        assert_eq!(output.elements[1].kind(), "proved", "{}", output.name);
    }
}

#[test]
fn a_certain_class_has_forty_digits_too() {
    // softmax − 1 = −e^(−131008)/(1 + …), about −2e-56896: far below 1 at the last precision, and no difference of 1.
    let case = cross_entropy(Format::F16, &[65504.0, -65504.0, -65504.0], 0);
    let outputs = lossproof::oracle::prove_with_bounds(&case).unwrap();
    for (output, bounds) in &outputs {
        for bounds in bounds {
            let (low, high) = bounds.as_ref().expect("a number");
            let shared = low.bytes().zip(high.bytes()).take_while(|(a, b)| a == b).count();
            assert!(low == high || shared >= 40, "{}: [{low}, {high}]", output.name);
        }
    }
    assert!(outputs[GRADIENT].1[0].as_ref().is_some_and(|(low, _)| low.starts_with("-1.7764165656")));
}

/// Saturated focal terms add up to an exact number and to tails of both signs, which no precision shows: just below where the
/// tail of a wrong logit is the longest, just above where a right one's is.
#[test]
fn saturated_focal_terms_of_both_kinds_are_proved() {
    let sum = |gamma: f64, logits: &[f64], target: &[f64]| {
        let case = Draft::new(Format::F64)
            .floats("logits", &[logits.len()], logits)
            .floats("target", &[target.len()], target)
            .param("gamma", gamma)
            .param("reduction", "sum")
            .case("focal_sigmoid");
        match prove(&case)[LOSS].elements[0] {
            // The rounded sum, and whether the true one is below, at it or above.
            Truth::Proved(y) => (y.round(Format::F64), -y.error_of(y.round(Format::F64)).signum()),
            ref other => panic!("{other:?}"),
        }
    };
    // 25000000.5 − c·e^−1.00000002e8 + c·e^−3e8.
    let exact = 0.25 * 100_000_002.0;
    assert_eq!(sum(2.0, &[-100_000_002.0, -99_999_999.5], &[1.0, 0.0]), (exact, -1.0));
    // Beyond MPFR's own exponents: e^−1e300 against e^−3e299 and e^−2.7e300.
    assert_eq!(sum(2.0, &[-1e300, -1e299], &[1.0, 0.0]), (0.25e300, 1.0));
    assert_eq!(sum(2.0, &[-1e300, -9e299], &[1.0, 0.0]), (0.25e300, -1.0));
    // Without a focal weight both are above.
    assert_eq!(sum(0.0, &[-1e300, -9e299], &[1.0, 0.0]), (0.25e300, 1.0));
}

/// A sum of two numbers so far apart that their quotient is not written out: 50000 − c·e^−50000 + 2^−65481·5000.1, which is above
/// 50000 though the longest tail is below.
#[test]
fn a_focal_term_below_all_precisions_is_not_lost() {
    let case = Draft::new(Format::F64)
        .floats("logits", &[2], &[-50_000.0, -5000.1])
        .floats("target", &[2], &[1.0, 0.5])
        .param("alpha", ParamValue::Null)
        .param("gamma", 65_480.0)
        .param("soft_target", "log_weight")
        .param("reduction", "sum")
        .case("focal_sigmoid");
    match prove(&case)[LOSS].elements[0] {
        Truth::Proved(y) => assert!(y.error_of(50_000.0) < 0.0, "{y:?}"),
        Truth::Undecided { .. } => {}
        ref other => panic!("{other:?}"),
    }
}
