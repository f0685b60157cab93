//! Each mutant is wrong on its trigger, its twin is not, and the twins agree with the built-in kernels elsewhere.

use super::super::testing::{Random, floats};
use super::super::{Builtin, Kernel};
use super::*;
use crate::loss::Domain;
use crate::tensor::Tensor;

/// The largest difference of two answers, in ulps of the format at the second's largest value, 1 at least: plain kernels
/// lose the tail of a sum that is about 1. Infinite where shapes, NaN or infinities differ.
fn distance(case: &Case, got: &Tensors, want: &Tensors) -> f64 {
    let mut worst: f64 = 0.0;
    for (name, want) in want {
        let got = &got[name];
        if got.shape != want.shape || got.dtype != want.dtype {
            return f64::INFINITY;
        }
        let largest = want.floats().iter().filter(|x| x.is_finite()).fold(1.0f64, |m, x| m.max(x.abs()));
        for (&x, &y) in got.floats().iter().zip(want.floats()) {
            let same = x == y || x.is_nan() && y.is_nan();
            let error = (x - y).abs() / case.format.ulp(largest);
            worst = worst.max(if same {
                0.0
            } else if error.is_nan() {
                f64::INFINITY
            } else {
                error
            });
        }
    }
    worst
}

#[test]
fn each_mutant_is_wrong_on_its_trigger_and_its_twin_is_not() {
    for mutant in mutants() {
        for &format in mutant.formats() {
            let case = mutant.trigger(format);
            let about = mutant.about;
            let want = Builtin.run(&case).unwrap();
            let twin = mutant.twin.run(&case).unwrap();
            let error = distance(&case, &twin, &want);
            assert!(error <= 8.0, "{} twin {format}: {error} ulp, {twin:?}", about.entry);
            let first = mutant.wrong.run(&case);
            let wrong = mutant.wrong.run(&case);
            let is_wrong = match &wrong {
                Ok(wrong) => {
                    distance(&case, wrong, &want) > 16.0 || wrong["loss"].shape != want["loss"].shape
                }
                Err(KernelError::Failed(_)) => about.faults[0] == Fault::Crash,
                Err(KernelError::Unsupported(_)) => false,
            };
            assert!(is_wrong, "{} {format}: {wrong:?} is right", about.entry);
            if about.faults[0] == Fault::Nondeterministic {
                assert_ne!(first, wrong, "{}", about.entry);
            }
        }
    }
}

/// The first fault that each entry names is what its trigger shows.
#[test]
fn triggers_show_the_fault_that_they_name() {
    for mutant in mutants() {
        for &format in mutant.formats() {
            let case = mutant.trigger(format);
            if mutant.about.faults[0] == Fault::Nondeterministic {
                // It counts its calls: those of the other test must be its first.
                continue;
            }
            let want = Builtin.run(&case).unwrap();
            let Ok(got) = mutant.wrong.run(&case) else { continue };
            let pairs = || want.iter().flat_map(|(name, t)| got[name].floats().iter().zip(t.floats()));
            let any = |f: &dyn Fn(f64, f64) -> bool| pairs().any(|(&x, &y)| f(x, y));
            let shown = match mutant.about.faults[0] {
                Fault::SpuriousNan => any(&|x, y| x.is_nan() && !y.is_nan()),
                Fault::SpuriousInfinity => any(&|x, y| x.is_infinite() && y.is_finite()),
                Fault::SpuriousZero => any(&|x, y| x == 0.0 && y != 0.0),
                Fault::ShapeMismatch => want["loss"].shape != got["loss"].shape,
                Fault::Inaccurate => any(&|x, y| x.is_finite() && y.is_finite() && x != y),
                Fault::Crash => true,
                other => panic!("{}: no test of {other:?}", mutant.about.entry),
            };
            assert!(shown, "{} {format}: {got:?}", mutant.about.entry);
        }
    }
}

/// A random case that the kernel takes.
fn random_case(support: &Support, format: Format, random: &mut Random) -> Case {
    let (n, width) = (1 + random.below(6), 1 + random.below(5));
    let scale = [1.0, 20.0, 150.0][random.below(3)];
    let mut draw = |shape: &[usize], low: f32, high: f32| {
        let values: Vec<f64> =
            (0..shape.iter().product()).map(|_| f64::from(random.uniform(low, high))).collect();
        floats(format, shape, &values)
    };
    let shape = [n, width];
    let mut inputs = Tensors::new();
    let spec = crate::loss::find(&support.loss).unwrap().spec();
    for input in spec.inputs {
        if input.optional && !support.optional_inputs.iter().any(|name| name == input.name) {
            continue;
        }
        let tensor = match (support.loss.as_str(), input.name) {
            (_, "pos_weight") => draw(&[width], 0.0, 3.0),
            (_, "class_weight") => draw(&[width], 0.0, 2.0),
            ("cross_entropy_soft" | "kl_div", "target") => draw(&shape, 0.0, 1.0),
            ("cross_entropy" | "nll_loss", "target") => {
                let classes = draw(&[n], 0.0, width as f32 * 1.3);
                // A draw beyond the last class is an ignored row.
                let class = |&x: &f64| if x < width as f64 { x as i64 } else { -100 };
                Tensor::i64(&[n], classes.floats().iter().map(class).collect())
            }
            (_, name) if name.starts_with("log_") => draw(&shape, -scale, 0.0),
            (_, "variance") => draw(&shape, 0.1, 3.0),
            _ if spec.param("soft_target").is_some() && input.domain == Domain::Unit => {
                let hard: Vec<f64> = draw(&shape, 0.0, 1.0).floats().iter().map(|y| y.round()).collect();
                floats(format, &shape, &hard)
            }
            _ if input.domain == Domain::Unit => draw(&shape, 0.0, 1.0),
            _ if input.domain == Domain::NonNegative => draw(&shape, 0.0, 3.0),
            _ if input.domain == Domain::SignValue => {
                let shape = if input.shape == ["N"] { &shape[..1] } else { &shape[..] };
                let draws = draw(shape, -1.0, 1.0);
                let signs = draws.floats().iter().map(|&x| if x < 0.0 { -1.0 } else { 1.0 });
                floats(format, shape, &signs.collect::<Vec<f64>>())
            }
            _ => draw(&shape, -scale, scale),
        };
        inputs.insert(input.name.to_owned(), tensor);
    }
    let mut params = support.params.clone();
    if params.text("reduction").is_empty() {
        params.set("reduction", ["none", "mean", "sum"][random.below(3)]);
    }
    if spec.param("label_smoothing").is_some() && params.number("label_smoothing").is_none() {
        params.set("label_smoothing", [0.0, 0.1, 1.0][random.below(3)]);
    }
    let mut case = Case::new(&support.loss, format, params, inputs).unwrap();
    let upstream: Vec<f64> = (0..case.upstream.len()).map(|_| f64::from(random.uniform(-3.0, 3.0))).collect();
    case.upstream = floats(format, &case.upstream.shape, &upstream);
    case.gradients.retain(|name| support.gradients.contains(name));
    case
}

#[test]
fn twins_agree_with_the_built_in_kernels() {
    let mut random = Random::new(7);
    for mutant in mutants() {
        let support = mutant.twin.supports().remove(0);
        for &format in mutant.formats() {
            for _ in 0..50 {
                let case = random_case(&support, format, &mut random);
                let (got, want) = (mutant.twin.run(&case).unwrap(), Builtin.run(&case).unwrap());
                let error = distance(&case, &got, &want);
                assert!(error <= 16.0, "{} {format}: {error} ulp\n{case:?}", mutant.about.entry);
            }
        }
    }
}

#[test]
fn refuses_what_it_does_not_name() {
    let twin = &mutants()[0].twin;
    let format = Format::F32;
    let with = |params: &[(&str, Default)], format| {
        super::trigger(
            "cross_entropy",
            format,
            params,
            &[],
            vec![("logits", rounded(format, &[1, 2], &[1.0, 2.0])), ("target", Tensor::i64(&[1], vec![0]))],
        )
    };
    let refused = |case: &Case| matches!(twin.run(case), Err(KernelError::Unsupported(_)));
    assert!(!refused(&with(&[], format)));
    assert!(refused(&with(&[("label_smoothing", Default::Number(0.5))], format)));
    assert!(refused(&with(&[], Format::F64)));
    let mut case = with(&[], format);
    case.gradients.push("logits".into());
    assert!(refused(&case));
    let mut case = with(&[], format);
    case.inputs.insert("class_weight".into(), rounded(format, &[2], &[1.0, 1.0]));
    assert!(refused(&case));
    assert!(refused(&mutants()[9].trigger(format)));
}
