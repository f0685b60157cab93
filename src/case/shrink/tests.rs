use super::*;
use crate::case::regime::{Regime, Taken, generate};
use crate::loss::{self, LOSSES};

/// A case of the loss with at least so many elements and weights.
fn large(id: &str, format: Format, regime: Regime) -> Case {
    let entry = loss::find(id).unwrap();
    let cases = generate(entry, format, regime, &Taken::all(entry), 11, 40, 0);
    let most = |case: &Case| (case.inputs.len(), case.elements().min(300));
    cases.into_iter().max_by_key(most).unwrap()
}

#[test]
fn what_always_fails_shrinks_to_nothing() {
    for entry in LOSSES {
        let spec = entry.spec();
        let smallest = shrink(large(spec.id, Format::F32, Regime::Typical), &mut |_| true, 10_000);
        assert_eq!(smallest.input(spec.inputs[0].name).len(), 0, "{}", spec.id);
        assert_eq!(smallest.params, Params::default().complete(spec).unwrap());
        assert!(smallest.inputs.keys().all(|name| !spec.input(name).unwrap().optional));
        assert!(smallest.gradients.is_empty());
        assert_eq!(smallest.upstream.floats(), [1.0]);
        assert!(smallest.checked().is_ok());
    }
}

#[test]
fn what_never_fails_again_is_given_back() {
    let case = large("mse", Format::F16, Regime::Cancelling);
    assert_eq!(shrink(case.clone(), &mut |_| false, 10_000), case);
}

#[test]
fn one_element_beyond_a_bound_is_found_and_named_shortly() {
    for format in Format::ALL {
        let beyond = |case: &Case| case.input("logits").floats().iter().any(|&z| z > 16.6355);
        let case = large("bce_with_logits", format, Regime::Saturated);
        let logits: Vec<f64> = case.input("logits").floats().iter().map(|z| z.abs() + 17.3).collect();
        let mut case = case;
        let shape = case.input("logits").shape.clone();
        let rounded = logits.iter().map(|&z| format.round(z)).collect();
        case.inputs.insert("logits".to_owned(), Tensor::float(format, &shape, rounded));
        let smallest = shrink(case, &mut |case| beyond(case), 10_000);
        assert_eq!(smallest.input("logits").len(), 1, "{format}");
        assert_eq!(smallest.input("target").floats(), [0.0], "{format}");
        let z = smallest.input("logits").floats()[0];
        assert!(z > 16.6355 && z < 20.5 && number::digits(format, z) <= 2, "{format}: {z}");
    }
}

#[test]
fn bisection_finds_the_bound_where_no_short_number_fails() {
    let (low, high) = (16.6355, 16.6365);
    let inside = |case: &Case| case.input("prediction").floats().iter().any(|&x| x > low && x < high);
    let entry = loss::find("mae").unwrap();
    let mut case = generate(entry, Format::F32, Regime::Typical, &Taken::all(entry), 1, 9, 0).pop().unwrap();
    let tensor = case.inputs.get_mut("prediction").unwrap();
    let Values::Float(values) = &mut tensor.values else { panic!("a float input") };
    values[0] = Format::F32.round(16.636_123_456);
    let smallest = shrink(case, &mut |case| inside(case), 10_000);
    let found = smallest.input("prediction").floats();
    assert_eq!(found, [Format::F32.round(16.636)]);
    assert_eq!(smallest.input("target").floats(), [0.0]);
}

#[test]
fn parameters_inputs_and_gradients_that_matter_stay() {
    let entry = loss::find("cross_entropy").unwrap();
    let smoothed_ignoring = |case: &Case| {
        // Not one of the classes, of which one is enough then.
        let ignore = case.params.integer("ignore_index").filter(|&ignored| ignored < 0);
        case.params.number("label_smoothing") != Some(0.0)
            && ignore.is_some()
            && case.inputs.contains_key("class_weight")
            && case.gradients.len() == 1
            && case.input("target").integers().iter().any(|&t| Some(t) == ignore)
            && case.input("target").integers().iter().any(|&t| Some(t) != ignore)
    };
    let cases = generate(entry, Format::F32, Regime::Masked, &Taken::all(entry), 2, 600, 0);
    let case = cases.into_iter().rfind(smoothed_ignoring).unwrap();
    let smallest = shrink(case, &mut |case| smoothed_ignoring(case), 10_000);
    assert_eq!(smallest.input("logits").shape, [2, 1]);
    assert!(smallest.input("logits").floats().iter().all(|&x| x == 0.0));
    assert!(smoothed_ignoring(&smallest));
    assert_eq!(smallest.params.text("reduction"), "mean");
}

/// Dropping classes moves the targets along with their logits.
#[test]
fn the_target_stays_on_its_logit() {
    let on_its_own = |case: &Case| {
        let (logits, target) = (case.input("logits"), case.input("target").integers());
        let mut rows = logits.floats().chunks(logits.shape[1]).zip(target);
        rows.any(|(row, &t)| row.len() > 1 && row.get(t as usize) == Some(&7.5))
    };
    let mut logits: Vec<f64> = (0..50).map(|i| f64::from(i) / 4.0).collect();
    logits[37] = 7.5;
    logits[30] = 0.0;
    let inputs = Tensors::from([
        ("logits".to_owned(), Tensor::float(Format::F64, &[2, 25], logits)),
        ("target".to_owned(), Tensor::i64(&[2], vec![3, 12])),
    ]);
    let case = Case::new("cross_entropy", Format::F64, Params::default(), inputs).unwrap();
    let smallest = shrink(case, &mut |case| on_its_own(case), 10_000);
    assert_eq!(smallest.input("logits").shape, [1, 2]);
    let target = smallest.input("target").integers()[0] as usize;
    assert_eq!(smallest.input("logits").floats()[target], 7.5);
    assert_eq!(smallest.input("logits").floats()[1 - target], 0.0);
}

#[test]
fn the_upstream_and_the_weights_follow_their_elements() {
    let marked = |case: &Case| {
        let (x, w, u) = (case.input("prediction").floats(), case.optional("weight"), case.upstream.floats());
        let Some(w) = w.map(Tensor::floats) else { return false };
        u.len() == x.len() && (0..x.len()).any(|i| x[i] == 3.0 && w[i] == 5.0 && u[i] == 6.0)
    };
    let line = |marked: f64| {
        let values = (0..24).map(|i| if i == 17 { marked } else { 0.25 }).collect();
        Tensor::float(Format::F16, &[4, 6], values)
    };
    let inputs = ["prediction", "target", "weight"].into_iter().zip([3.0, 4.0, 5.0]);
    let inputs = inputs.map(|(name, x)| (name.to_owned(), line(x))).collect();
    let mut case =
        Case::new("mse", Format::F16, Params::default().with("reduction", "none"), inputs).unwrap();
    case.upstream = line(6.0);
    let smallest = shrink(case.checked().unwrap(), &mut |case| marked(case), 10_000);
    assert_eq!(smallest.input("prediction").shape, [1]);
    assert_eq!(smallest.input("target").floats(), [0.0]);
    assert!(marked(&smallest));
}

#[test]
fn the_limit_holds_and_every_case_asked_is_valid() {
    for entry in LOSSES {
        for regime in [Regime::Masked, Regime::Extreme, Regime::Degenerate] {
            let mut calls = 0;
            let case = large(entry.spec().id, Format::Bf16, regime);
            let mut picky = |case: &Case| {
                calls += 1;
                assert_eq!(case.clone().checked().as_ref(), Ok(case));
                calls % 3 == 0
            };
            shrink(case, &mut picky, 200);
            assert!(calls <= 200);
        }
    }
}

#[test]
fn chains_of_candidates_end() {
    for entry in LOSSES {
        let mut case = large(entry.spec().id, Format::F32, Regime::Typical);
        let mut steps = 0;
        // The last candidate is the smallest step there is.
        while let Some(next) =
            candidates(&case).find(|next| !next.input(entry.spec().inputs[0].name).is_empty())
        {
            case = next;
            steps += 1;
            assert!(steps < 5_000, "{}: {case:?}", entry.spec().id);
        }
        assert_eq!(case.input(entry.spec().inputs[0].name).len(), 1);
    }
}

#[test]
fn costs_order_numbers_as_people_do() {
    let format = Format::F32;
    let simple = [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 20.0, 0.5, 17.0, 0.25, 123.0, f64::from(0.123f32)];
    let mut last = None;
    for x in simple {
        let cost = number::cost(format, x);
        assert!(last < Some(cost), "{x}");
        last = Some(cost);
    }
    assert_eq!(number::digits(Format::F32, f64::from(0.1f32)), 1);
    assert_eq!(number::digits(Format::F64, f64::from(0.1f32)), 17);
    assert_eq!(number::digits(Format::Bf16, Format::Bf16.round(1000001.0)), 1);
}
