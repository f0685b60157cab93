//! The losses that candle-nn has, what of them it cannot vary, and the machine that its CPU backend is.
//!
//! candle_nn::loss (0.11.1) has five functions: mse, huber, nll, cross_entropy and binary_cross_entropy_with_logit. All of
//! them return a mean; none has weights, ignored classes or label smoothing. What is not there is not declared.

use candle_core::{Result, Tensor};
use candle_nn::loss;
use lossproof::case::Case;
use lossproof::format::Format;
use lossproof::judge::Summation;
use lossproof::kernel::Support;
use lossproof::loss::ParamValue;
use std::collections::BTreeMap;

/// The loss of a case; in words why candle has it not.
pub fn loss(case: &Case, inputs: &BTreeMap<&str, Tensor>) -> Result<std::result::Result<Tensor, String>> {
    let input = |name: &str| &inputs[name];
    Ok(Ok(match case.loss.as_str() {
        "mse" => loss::mse(input("prediction"), input("target"))?,
        "huber" => {
            let delta = case.params.number("delta").unwrap_or(1.0);
            loss::huber(input("prediction"), input("target"), delta)?
        }
        "nll_loss" => loss::nll(input("log_probs"), input("target"))?,
        // It reduces by a maximum, which candle refuses over nothing.
        "cross_entropy" if input("logits").elem_count() == 0 => {
            return Ok(Err("candle's cross_entropy refuses an empty batch".to_owned()));
        }
        "cross_entropy" => loss::cross_entropy(input("logits"), input("target"))?,
        "bce_with_logits" => loss::binary_cross_entropy_with_logit(input("logits"), input("target"))?,
        other => return Ok(Err(format!("candle-nn has no {other}"))),
    }))
}

/// The losses, the inputs by which candle differentiates, and what is pinned besides `reduction` and `empty_mean`.
const LOSSES: [(&str, &[&str], &[(&str, Pinned)]); 5] = [
    ("mse", &["prediction", "target"], &[("mean_over", Pinned::Text("count"))]),
    ("huber", &["prediction", "target"], &[("mean_over", Pinned::Text("count"))]),
    ("nll_loss", &["log_probs"], &[("ignore_index", Pinned::Null)]),
    (
        "cross_entropy",
        &["logits"],
        &[
            ("ignore_index", Pinned::Null),
            ("label_smoothing", Pinned::Number(0.0)),
            ("smoothing_form", Pinned::Text("over_k")),
        ],
    ),
    ("bce_with_logits", &["logits", "target"], &[]),
];

#[derive(Clone, Copy)]
enum Pinned {
    Null,
    Number(f64),
    Text(&'static str),
}

impl From<Pinned> for ParamValue {
    fn from(pinned: Pinned) -> ParamValue {
        match pinned {
            Pinned::Null => ParamValue::Null,
            Pinned::Number(value) => ParamValue::Number(value),
            Pinned::Text(value) => value.into(),
        }
    }
}

/// What candle takes. Each operation writes a tensor in the dtype of its operands, so 16-bit numbers are rounded to 16 bits
/// after every operation, and the format is the compute format. Nothing is flushed. Sums run from the first element to the
/// last (`vec_reduce_sum`, in 16 bits too); in f32 with AVX2 over 32 partial sums, which loses no more than that.
pub fn supports() -> Vec<Support> {
    let support = |(id, gradients, pinned): &(&str, &[&str], &[(&str, Pinned)]), format: Format| {
        let mut support = Support::everything(id);
        support.formats = vec![format];
        support.gradients = gradients.iter().map(|&name| name.to_owned()).collect();
        support.optional_inputs.clear();
        support.params.set("reduction", "mean");
        // It divides by the number of elements, 0 of 0.
        support.params.set("empty_mean", "nan");
        for &(name, value) in *pinned {
            support.params.set(name, value);
        }
        support.compute = Some(format);
        support.summation = Summation::Sequential;
        support
    };
    LOSSES.iter().flat_map(|loss| Format::ALL.map(|format| support(loss, format))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lossproof::subject::protocol::Hello;

    #[test]
    fn what_is_declared_is_in_the_catalogue() {
        let (name, version) = ("candle-nn".to_owned(), String::new());
        let hello = Hello { name, version, supports: supports(), unknown_losses: Vec::new() };
        let hello = Hello::parse(hello.to_line().as_bytes()).unwrap();
        assert_eq!(hello.unknown_losses, [""; 0]);
        assert_eq!(hello.supports, supports());
    }
}
