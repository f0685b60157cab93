//! What a loss does not see: the order of rows, classes and features, a shift, a sign; and what a power of two scales.

use crate::helpers::*;
use lossproof::case::Case;
use lossproof::loss::{InputSpec, ParamValue, Spec, Unreduced};
use lossproof::tensor::Tensor;
use lossproof::truth::{OutputTruth, Truth};

/// The losses of a residual, and its two inputs.
pub const RESIDUALS: [(&str, [&str; 2]); 6] = [
    ("mse", ["prediction", "target"]),
    ("mae", ["prediction", "target"]),
    ("huber", ["prediction", "target"]),
    ("smooth_l1", ["prediction", "target"]),
    ("log_cosh", ["prediction", "target"]),
    ("gaussian_nll", ["mean", "target"]),
];

/// The axis of a tensor that a symbol of its shape names. Of inputs of any shape N is the first axis and, where there are
/// weights for it, C the last.
fn axis(spec: &Spec, input: &InputSpec, tensor: &Tensor, symbol: &str) -> Option<usize> {
    if input.shape == ["N…"] {
        let has_classes = spec.inputs.iter().any(|other| other.shape == ["C"]);
        return match (tensor.shape.len(), symbol) {
            (0, _) => None,
            (_, "N") => Some(0),
            (rank, "C") if has_classes => Some(rank - 1),
            _ => None,
        };
    }
    input.shape.iter().position(|&other| other == symbol)
}

/// Reordering an axis everywhere reorders the truth and changes nothing in it.
fn reordered(case: &Case, symbol: &str) -> Outcome {
    let spec = case.entry().expect("a loss of the catalogue").spec();
    let axis_of = |name: &str| axis(spec, spec.input(name)?, case.inputs.get(name)?, symbol);
    let first = spec.inputs[0].name;
    // Rows of one axis are also the classes that pos_weight weights.
    if symbol == "N" && case.inputs.contains_key("pos_weight") && case.input(first).shape.len() == 1 {
        return Ok(0);
    }
    let Some(extent) = axis_of(first).map(|axis| case.input(first).shape[axis]) else { return Ok(0) };
    if extent < 2 {
        return Ok(0);
    }
    let order: Vec<usize> = (0..extent).map(|i| (extent + 1 - i) % extent).collect();
    let place_of = |class: i64| order.iter().position(|&at| at as i64 == class).map_or(class, |at| at as i64);
    let mut inputs = case.inputs.clone();
    for (name, tensor) in &mut inputs {
        if let Some(axis) = axis_of(name) {
            *tensor = along(tensor, axis, &order);
        }
        if symbol == "C" && !is_float(tensor) {
            *tensor = Tensor::i64(&tensor.shape, tensor.integers().iter().map(|&t| place_of(t)).collect());
        }
    }
    let mut moved = Case { inputs, ..case.clone() };
    if let (Some(index), "C") = (case.params.integer("ignore_index"), symbol) {
        moved.params.set("ignore_index", place_of(index));
    }
    let loss_axis = match (case.params.text("reduction"), spec.unreduced, symbol) {
        ("none", Unreduced::Elementwise, _) => axis_of(first),
        ("none", Unreduced::Rows, "N") => Some(0),
        _ => None,
    };
    if let Some(axis) = loss_axis {
        moved.upstream = along(&case.upstream, axis, &order);
    }
    let moved = moved.checked().map_err(|error| error.to_string())?;
    let expected: Vec<OutputTruth> = prove(case)
        .into_iter()
        .map(|truth| match truth.name.strip_prefix("grad.").map_or(loss_axis, axis_of) {
            Some(axis) => truth_along(&truth, axis, &order),
            None => truth,
        })
        .collect();
    same_outputs(&prove(&moved), &expected)
}

#[test]
fn the_order_of_rows_does_not_matter() {
    holds(&losses(|_| true), |case| reordered(case, "N"));
}

#[test]
fn the_order_of_classes_does_not_matter() {
    let has_classes = |entry: &dyn lossproof::loss::LossEntry| {
        entry.spec().inputs.iter().any(|input| input.shape.contains(&"C"))
    };
    holds(&losses(has_classes), |case| reordered(case, "C"));
}

#[test]
fn the_order_of_features_does_not_matter() {
    holds(&["triplet_margin", "cosine_embedding"], |case| reordered(case, "D"));
}

/// Adding one number to all of these inputs, exactly, changes nothing.
fn shifted(case: &Case, names: &[&str]) -> Outcome {
    let numbers = names.iter().flat_map(|name| case.input(name).floats()).copied();
    let shifts = numbers.filter(|x| x.is_finite()).take(6).map(|x| -x).chain([1.0, -2.0, 256.0]);
    let moved = shifts.filter(|&c| c != 0.0).find_map(|c| {
        let inputs = mapped(case, names, |x| exact_sum(x, c, case.format))?;
        derived(case, &case.loss, inputs, &[])
    });
    match moved {
        Some(moved) => same_outputs(&prove(&moved), &prove(case)),
        None => Ok(0),
    }
}

#[test]
fn a_shift_of_all_logits_changes_nothing() {
    holds(&["cross_entropy", "cross_entropy_soft"], |case| shifted(case, &["logits"]));
}

#[test]
fn a_shift_of_both_sides_changes_nothing() {
    for (loss, names) in RESIDUALS {
        holds(&[loss], |case| shifted(case, &names));
    }
    holds(&["triplet_margin"], |case| shifted(case, &["anchor", "positive", "negative"]));
}

#[test]
fn the_sides_of_a_symmetric_loss_may_be_exchanged() {
    let pairs = RESIDUALS.into_iter().chain([("cosine_embedding", ["x1", "x2"])]);
    for (loss, [x, y]) in pairs {
        holds(&[loss], |case| {
            let mut inputs = case.inputs.clone();
            inputs.insert(x.to_owned(), case.input(y).clone());
            inputs.insert(y.to_owned(), case.input(x).clone());
            let exchanged = derived(case, loss, inputs, &[]).ok_or("not valid")?;
            let (found, expected) = (prove(&exchanged), prove(case));
            let other = |name: &str| match name {
                name if name == format!("grad.{x}") => format!("grad.{y}"),
                name if name == format!("grad.{y}") => format!("grad.{x}"),
                name => name.to_owned(),
            };
            let mut compared = 0;
            for truth in &expected {
                let found = output(&found, &other(&truth.name)).ok_or("no such output")?;
                compared += same(found, truth)?;
            }
            Ok(compared)
        });
    }
}

/// The loss is that of the case, and its gradients by these inputs are those of the case with the other sign.
fn opposite(case: &Case, mirrored: Option<Case>, names: &[&str]) -> Outcome {
    let Some(mirrored) = mirrored else { return Ok(0) };
    let (found, mut expected) = (prove(&mirrored), prove(case));
    for truth in &mut expected {
        if names.iter().any(|name| truth.name == format!("grad.{name}")) {
            truth.elements = truth.elements.iter().map(negated).collect();
        }
    }
    same_outputs(&found, &expected)
}

#[test]
fn a_mirrored_residual_has_the_opposite_gradient() {
    let vectors: [(&str, &[&str]); 3] = [
        ("triplet_margin", &["anchor", "positive", "negative"]),
        ("cosine_embedding", &["x1", "x2"]),
        ("hinge", &["score", "target"]),
    ];
    let residuals = RESIDUALS.iter().map(|(loss, names)| (*loss, &names[..]));
    for (loss, names) in residuals.chain(vectors) {
        holds(&[loss], |case| {
            // An ε that is added to each difference has a sign of its own.
            if case.params.text("epsilon_placement") == "difference"
                && case.params.number("epsilon") > Some(0.0)
            {
                return Ok(0);
            }
            let inputs = mapped(case, names, |x| -x).ok_or("−x is always held")?;
            opposite(case, derived(case, loss, inputs, &[]), names)
        });
    }
}

#[test]
fn the_two_classes_may_be_exchanged() {
    for (loss, score) in [("bce_with_logits", "logits"), ("focal_sigmoid", "logits"), ("bce", "probability")]
    {
        holds(&[loss], |case| {
            if case.inputs.contains_key("pos_weight") {
                return Ok(0);
            }
            let complement = |x: f64| exact_sum(1.0, -x, case.format);
            let Some(mut inputs) = mapped(case, &["target"], complement) else { return Ok(0) };
            let scores = match loss {
                "bce" => mapped(case, &[score], complement),
                _ => mapped(case, &[score], |z| -z),
            };
            let Some(scores) = scores else { return Ok(0) };
            inputs.insert(score.to_owned(), scores[score].clone());
            let mut params = Vec::new();
            if let Some(alpha) = case.params.number("alpha") {
                let other = exact_sum(1.0, -alpha, lossproof::format::Format::F64);
                if other.is_nan() {
                    return Ok(0);
                }
                params.push(("alpha", ParamValue::from(other)));
            }
            opposite(case, derived(case, loss, inputs, &params), &[score, "target"])
        });
    }
}

/// A power of two for the inputs and parameters, and the powers that the loss and the gradients have from it.
struct Scaling {
    loss: &'static str,
    inputs: &'static [&'static str],
    params: &'static [&'static str],
    power_of_loss: i32,
    power_of_gradient: fn(&str) -> i32,
}

/// Inputs are scaled by 2^POWER.
const POWER: i32 = 3;

const SCALINGS: [Scaling; 6] = [
    Scaling {
        loss: "mse",
        inputs: &["prediction", "target"],
        params: &[],
        power_of_loss: 2,
        power_of_gradient: |_| 1,
    },
    Scaling {
        loss: "mae",
        inputs: &["prediction", "target"],
        params: &[],
        power_of_loss: 1,
        power_of_gradient: |_| 0,
    },
    Scaling {
        loss: "huber",
        inputs: &["prediction", "target"],
        params: &["delta"],
        power_of_loss: 2,
        power_of_gradient: |_| 1,
    },
    Scaling {
        loss: "smooth_l1",
        inputs: &["prediction", "target"],
        params: &["beta"],
        power_of_loss: 1,
        power_of_gradient: |_| 0,
    },
    Scaling {
        loss: "triplet_margin",
        inputs: &["anchor", "positive", "negative"],
        params: &["margin", "epsilon"],
        power_of_loss: 1,
        power_of_gradient: |_| 0,
    },
    Scaling {
        loss: "cosine_embedding",
        inputs: &["x1"],
        params: &[],
        power_of_loss: 0,
        power_of_gradient: |name| if name == "grad.x1" { -1 } else { 0 },
    },
];

#[test]
fn a_power_of_two_scales_exactly() {
    for scaling in SCALINGS {
        holds(&[scaling.loss], |case| {
            let epsilon = case.params.number("epsilon") > Some(0.0);
            if epsilon
                && (scaling.loss == "cosine_embedding" || case.params.text("epsilon_placement") == "root")
            {
                return Ok(0);
            }
            let factor = 2f64.powi(POWER);
            let Some(inputs) = mapped(case, scaling.inputs, |x| x * factor) else { return Ok(0) };
            let params: Vec<_> = scaling
                .params
                .iter()
                .filter_map(|name| Some((*name, ParamValue::from(case.params.number(name)? * factor))))
                .collect();
            let moved = derived(case, scaling.loss, inputs, &params).ok_or("not valid")?;
            let (found, expected) = (prove(&moved), prove(case));
            let mut compared = 0;
            for (found, expected) in found.iter().zip(&expected) {
                let power = match found.name.as_str() {
                    "loss" => scaling.power_of_loss,
                    name => (scaling.power_of_gradient)(name),
                };
                let (name, format) = (&found.name, case.format);
                let (found, expected): (&[Truth], &[Truth]) = (&found.elements, &expected.elements);
                compared += same_scaled(name, found, expected, POWER * power, format)?;
            }
            Ok(compared)
        });
    }
}
