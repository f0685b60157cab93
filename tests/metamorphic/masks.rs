//! Rows that count for nothing might as well not be there; and what weights scale.

use crate::helpers::*;
use lossproof::case::Case;
use lossproof::format::Canonical;
use lossproof::loss::ParamValue;
use lossproof::tensor::Tensor;
use lossproof::truth::Truth;

const NOTHING: Truth = Truth::Proved(Canonical::ZERO);

#[test]
fn an_ignored_row_is_a_deleted_row() {
    for (loss, rows) in [("cross_entropy", "logits"), ("nll_loss", "log_probs")] {
        holds(&[loss], |case| {
            let Some(ignored) = case.params.integer("ignore_index") else { return Ok(0) };
            let targets = case.input("target").integers();
            let kept: Vec<usize> = (0..targets.len()).filter(|&row| targets[row] != ignored).collect();
            if kept.len() == targets.len() {
                return Ok(0);
            }
            let mut fewer = case.clone();
            for name in [rows, "target"] {
                let tensor = along(case.input(name), 0, &kept);
                fewer.inputs.insert(name.to_owned(), tensor);
            }
            let unreduced = case.params.text("reduction") == "none";
            if unreduced {
                fewer.upstream = along(&case.upstream, 0, &kept);
            }
            let (found, all) = (prove(&fewer.checked().map_err(|error| error.to_string())?), prove(case));
            let mut compared = 0;
            for (place, truth) in all.iter().enumerate() {
                let has_rows = place > 0 || unreduced;
                let rest = if has_rows { truth_along(truth, 0, &kept) } else { truth.clone() };
                compared += same(&found[place], &rest)?;
                let ignored: Vec<usize> = (0..targets.len()).filter(|row| !kept.contains(row)).collect();
                if has_rows && truth_along(truth, 0, &ignored).elements.iter().any(|&y| y != NOTHING) {
                    return Err(format!("{} of an ignored row is not 0", truth.name));
                }
            }
            Ok(compared)
        });
    }
}

/// The case as a plain list: inputs of any shape with one axis; nothing where an input has another shape.
fn as_list(case: &Case) -> Option<Case> {
    let spec = case.entry().ok()?.spec();
    if case.inputs.keys().any(|name| spec.input(name).is_none_or(|input| input.shape != ["N…"])) {
        return None;
    }
    let mut list = case.clone();
    for tensor in list.inputs.values_mut().chain([&mut list.upstream]) {
        if !tensor.shape.is_empty() || tensor.len() != 1 {
            tensor.shape = vec![tensor.len()];
        }
    }
    list.checked().ok()
}

#[test]
fn an_element_of_weight_0_is_deleted_from_a_sum() {
    holds(&losses(|entry| entry.spec().input("weight").is_some()), |case| {
        let Some(case) = with(case, &[("reduction", "sum".into())]).as_ref().and_then(as_list) else {
            return Ok(0);
        };
        let count = case.inputs.values().next().map_or(0, Tensor::len);
        if count < 2 || case.inputs.values().any(|tensor| tensor.shape.is_empty()) {
            return Ok(0);
        }
        // Half of the elements lose their weight; the others have the case's, or 1.
        let given = case.inputs.get("weight").map_or(vec![1.0; count], |weight| weight.floats().to_vec());
        let weight = given.iter().enumerate().map(|(i, &w)| if i % 2 == 0 { 0.0 } else { w }).collect();
        let mut weighted = case.clone();
        weighted.inputs.insert("weight".to_owned(), Tensor::float(case.format, &[count], weight));
        let kept: Vec<usize> = (1..count).step_by(2).collect();
        let deleted: Vec<usize> = (0..count).step_by(2).collect();
        let mut fewer = weighted.clone();
        for tensor in fewer.inputs.values_mut() {
            *tensor = along(tensor, 0, &kept);
        }
        let (all, found) = (prove(&weighted), prove(&fewer));
        // 0·∞ has no value.
        if all.iter().any(|truth| truth.elements.contains(&Truth::Undefined)) {
            return Ok(0);
        }
        let mut compared = same(&all[0], &found[0])?;
        for (truth, found) in all[1..].iter().zip(&found[1..]) {
            compared += same(&truth_along(truth, 0, &kept), found)?;
            if truth_along(truth, 0, &deleted).elements.iter().any(|&y| y != NOTHING) {
                return Err(format!("{} of an element of weight 0 is not 0", truth.name));
            }
        }
        Ok(compared)
    });
}

/// The same weights times a power of two.
const POWER: i32 = 2;

#[test]
fn a_common_factor_of_class_weights_leaves_a_mean_and_scales_a_sum() {
    for (loss, is_weighted_mean) in
        [("cross_entropy", true), ("nll_loss", true), ("cross_entropy_soft", false)]
    {
        holds(&[loss], |case| {
            if !case.inputs.contains_key("class_weight") {
                return Ok(0);
            }
            let Some(inputs) = mapped(case, &["class_weight"], |w| w * 2f64.powi(POWER)) else {
                return Ok(0);
            };
            let heavier = derived(case, loss, inputs, &[]).ok_or("not valid")?;
            let (found, expected) = (prove(&heavier), prove(case));
            if is_weighted_mean && case.params.text("reduction") == "mean" {
                return same_outputs(&found, &expected);
            }
            let mut compared = 0;
            for (found, expected) in found.iter().zip(&expected) {
                let (found, expected, name) = (&found.elements, &expected.elements, &expected.name);
                compared += same_scaled(name, found, expected, POWER, case.format)?;
            }
            Ok(compared)
        });
    }
}

#[test]
fn a_common_factor_of_weights_leaves_a_mean_over_them() {
    holds(&losses(|entry| entry.spec().param("mean_over").is_some()), |case| {
        if !case.inputs.contains_key("weight") {
            return Ok(0);
        }
        let Some(inputs) = mapped(case, &["weight"], |w| w * 2f64.powi(POWER)) else { return Ok(0) };
        let over: [(&str, ParamValue); 2] = [("mean_over", "weight".into()), ("reduction", "mean".into())];
        let Some(case) = with(case, &over) else { return Ok(0) };
        let heavier = derived(&case, &case.loss, inputs, &[]).ok_or("not valid")?;
        same_outputs(&prove(&heavier), &prove(&case))
    });
}
