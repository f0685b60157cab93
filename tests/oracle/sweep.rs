//! Nothing sensible is undecided: random cases over every parameter, and the sorts of numbers at which proofs get stuck.
//! And the truth does not depend on the precision at which the proof starts.

use crate::helpers::{Draft, SORTS, Sort, Source, prove, written};
use lossproof::case::Case;
use lossproof::format::Format;
use lossproof::truth::Truth;

fn common(source: &mut Source, format: Format, rows: usize) -> Draft {
    let reduction = source.pick(&["none", "mean", "sum"]);
    let empty = source.pick(&["nan", "zero"]);
    let upstream = match source.below(4) {
        0 => vec![1.0],
        1 => vec![source.pick(&[0.0, 3.0, -9.0, 0.1f32 as f64, 1.5])]
            .into_iter()
            .map(|u| format.round(u))
            .collect(),
        _ => source.floats(format, Sort::Tied, rows.max(1)),
    };
    Draft::new(format).param("reduction", reduction).param("empty_mean", empty).upstream(&upstream)
}

fn regression(source: &mut Source, loss: &str, format: Format, sort: Sort) -> Case {
    let n = source.below(5);
    let draft = common(source, format, n).param("mean_over", source.pick(&["count", "weight"]));
    let draft = match loss {
        "huber" => draft.param("delta", source.pick(&[1.0, 0.5, 0.1, 3.0, 1e-20])),
        "smooth_l1" => draft.param("beta", source.pick(&[1.0, 0.0, 0.1, 3.0, 1e20])),
        _ => draft,
    };
    let (prediction, mut target) = (source.floats(format, sort, n), source.floats(format, sort, n));
    if source.chance(3) && n > 0 {
        target[0] = prediction[0];
    }
    let draft = draft.floats("prediction", &[n], &prediction).floats("target", &[n], &target);
    if source.chance(2) {
        let weight: Vec<f64> = source.floats(format, sort, n).iter().map(|w| w.abs()).collect();
        return draft.floats("weight", &[n], &weight).case(loss);
    }
    draft.case(loss)
}

fn cross_entropy(source: &mut Source, format: Format, sort: Sort) -> Case {
    let (n, c) = (source.below(4), 1 + source.below(4));
    let mut logits = source.floats(format, sort, n * c);
    if source.chance(3) {
        logits.iter_mut().for_each(|x| {
            if source.chance(3) {
                *x = f64::NEG_INFINITY
            }
        });
    }
    let target: Vec<i64> =
        (0..n).map(|_| if source.chance(6) { -100 } else { source.below(c) as i64 }).collect();
    let smoothing = source.pick(&[0.0, 0.0, 0.1, 0.5, 0.75, 1.0]);
    let forms = if c > 1 { &["over_k", "over_k_minus_1"][..] } else { &["over_k"] };
    let draft = common(source, format, n)
        .param("label_smoothing", smoothing)
        .param("smoothing_form", source.pick(forms))
        .floats("logits", &[n, c], &logits)
        .classes("target", &target);
    if source.chance(2) {
        let weight: Vec<f64> = (0..c)
            .map(|_| source.float(format, Sort::Tied).abs())
            .map(|w| if w == 0.0 { 3.0 } else { w })
            .collect();
        return draft.floats("class_weight", &[c], &weight).case("cross_entropy");
    }
    draft.case("cross_entropy")
}

fn bce_with_logits(source: &mut Source, format: Format, sort: Sort) -> Case {
    let (n, c) = (source.below(4), 1 + source.below(3));
    let logits = source.floats(format, sort, n * c);
    let target: Vec<f64> = (0..n * c)
        .map(|_| format.round(source.pick(&[0.0, 1.0, 0.5, 0.25, 0.9, 1e-30, 1.0 - 1e-3])))
        .collect();
    let mut draft =
        common(source, format, n * c).floats("logits", &[n, c], &logits).floats("target", &[n, c], &target);
    if source.chance(2) {
        let weight: Vec<f64> = source.floats(format, Sort::Tied, n * c).iter().map(|w| w.abs()).collect();
        draft = draft.floats("weight", &[n, c], &weight);
    }
    if source.chance(2) {
        let weight: Vec<f64> = source.floats(format, Sort::Tied, c).iter().map(|w| w.abs()).collect();
        draft = draft.floats("pos_weight", &[c], &weight);
    }
    draft.case("bce_with_logits")
}

fn triplet_margin(source: &mut Source, format: Format, sort: Sort) -> Case {
    let (n, d) = (source.below(4), 1 + source.below(3));
    let anchor = source.floats(format, sort, n * d);
    let (mut positive, mut negative) =
        (source.floats(format, sort, n * d), source.floats(format, sort, n * d));
    if source.chance(4) {
        positive.clone_from(&anchor);
    }
    if source.chance(4) {
        // The same distances in another order.
        negative.clone_from(&positive);
        negative.iter_mut().zip(&anchor).for_each(|(x, a)| *x = format.round(2.0 * a - *x));
    }
    if negative.iter().any(|x| !x.is_finite()) {
        negative.clone_from(&anchor);
    }
    let draft = common(source, format, n)
        .param("margin", source.pick(&[0.0, 1.0, 0.5, 0.3]))
        .param("epsilon", source.pick(&[0.0, 0.0, 1e-6]))
        .param("swap", source.chance(2));
    let degree = source.below(5);
    // Under a root that p = ∞ does not have there is nothing to add to.
    let places = if degree == 0 { &["difference"][..] } else { &["difference", "root"] };
    let draft = draft.param("epsilon_placement", source.pick(places));
    let draft = match degree {
        0 => draft.param("p", "inf"),
        at => draft.param("p", [1.0, 1.5, 2.0, 3.0][at - 1]),
    };
    draft
        .floats("anchor", &[n, d], &anchor)
        .floats("positive", &[n, d], &positive)
        .floats("negative", &[n, d], &negative)
        .case("triplet_margin")
}

fn hinge(source: &mut Source, format: Format, sort: Sort) -> Case {
    let n = source.below(5);
    let target: Vec<f64> = (0..n).map(|_| source.pick(&[-1.0, 1.0])).collect();
    let score = source.floats(format, sort, n);
    common(source, format, n).floats("score", &[n], &score).floats("target", &[n], &target).case("hinge")
}

/// Variances are often powers of two, whose logarithms cancel in a sum.
fn gaussian_nll(source: &mut Source, format: Format, sort: Sort) -> Case {
    let n = source.below(5);
    let (mean, target) = (source.floats(format, sort, n), source.floats(format, sort, n));
    let floor = source.pick(&[None, Some(0.125), Some(1e-6), Some(1.0)]);
    let spread = if source.chance(2) { sort } else { Sort::Tied };
    let mut variance: Vec<f64> = source.floats(format, spread, n).iter().map(|v| v.abs()).collect();
    if source.chance(2) {
        variance.iter_mut().for_each(|v| *v = source.pick(&[0.25, 0.5, 1.0, 2.0, 4.0]));
    }
    if floor.is_none() {
        variance.iter_mut().for_each(|v| *v = if *v == 0.0 { 3.0 } else { *v });
    }
    let draft = common(source, format, n)
        .param("full", source.chance(3))
        .param("floor_gradient", source.pick(&["straight_through", "cut"]));
    let draft = match floor {
        Some(floor) => draft.param("variance_floor", floor),
        None => draft,
    };
    draft
        .floats("mean", &[n], &mean)
        .floats("target", &[n], &target)
        .floats("variance", &[n], &variance)
        .case("gaussian_nll")
}

/// The case of that number.
fn numbered(seed: u64) -> Case {
    let mut source = Source(seed.wrapping_mul(0x2545f4914f6cdd1d));
    let source = &mut source;
    let (format, sort) = (source.pick(&Format::ALL), source.pick(&SORTS));
    match source.below(12) {
        0 => regression(source, "mse", format, sort),
        1 => regression(source, "mae", format, sort),
        6 => regression(source, "huber", format, sort),
        7 => regression(source, "smooth_l1", format, sort),
        8 => regression(source, "log_cosh", format, sort),
        9 => hinge(source, format, sort),
        10 | 11 => gaussian_nll(source, format, sort),
        2 | 3 => cross_entropy(source, format, sort),
        4 => bce_with_logits(source, format, sort),
        _ => triplet_margin(source, format, sort),
    }
}

/// `LOSSPROOF_SOUNDNESS` raises the number of cases with the number of operations.
fn cases() -> u64 {
    std::env::var("LOSSPROOF_SOUNDNESS").ok().and_then(|n| n.parse::<u64>().ok()).unwrap_or(100_000) / 100
}

#[test]
fn nothing_sensible_is_undecided() {
    let mut flaws = Vec::new();
    let mut kinds = std::collections::BTreeMap::new();
    for seed in 0..cases() {
        let case = numbered(seed);
        for output in prove(&case) {
            for (element, truth) in output.elements.iter().enumerate() {
                *kinds.entry(truth.kind()).or_insert(0) += 1;
                if matches!(truth, Truth::Undecided { .. }) {
                    flaws.push(format!("seed {seed}: {}[{element}] of {}", output.name, written(&case)));
                }
            }
        }
    }
    assert!(flaws.is_empty(), "{} undecided:\n{}", flaws.len(), flaws.join("\n"));
    // The sweep meets every kind.
    for kind in ["proved", "set", "overflow", "infinite", "undefined"] {
        assert!(kinds.contains_key(kind), "no {kind} among {kinds:?}");
    }
}

#[test]
fn the_truth_does_not_depend_on_the_first_precision() {
    for seed in 0..cases() {
        let case = numbered(seed);
        // The printed bounds start at twice the bits.
        let higher = lossproof::oracle::prove_with_bounds(&case).expect("the loss is known");
        for (output, (other, _)) in prove(&case).iter().zip(&higher) {
            assert_eq!(output, other, "seed {seed}: {}", written(&case));
        }
    }
}
