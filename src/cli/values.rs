//! Tensors and parameters as they are typed: `logits=2,-1`, `--shape logits=1,2`, `reduction=mean`.

use super::{Stop, stop};
use crate::case::Tensors;
use crate::format::Format;
use crate::loss::{Domain, InputSpec, ParamValue, Params, Spec};
use crate::tensor::{Dtype, Tensor, Values, element_count};
use std::collections::BTreeMap;

/// Splits `name=rest`.
fn assignment<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str), Stop> {
    text.split_once('=').ok_or_else(|| stop(format!("--{flag} takes NAME=…, not `{text}`")))
}

/// The parameters of `--param` arguments: JSON where they are JSON, names otherwise.
pub(super) fn params(arguments: &[String]) -> Result<Params, Stop> {
    let mut params = Params::default();
    for argument in arguments {
        let (name, text) = assignment("param", argument)?;
        let value = serde_json::from_str::<ParamValue>(text).unwrap_or_else(|_| text.into());
        params.set(name, value);
    }
    Ok(params)
}

/// The inputs of `--input` and `--shape` arguments; and a remark for each number that the format had to round.
pub(super) fn inputs(
    spec: &Spec,
    format: Format,
    arguments: &[String],
    shapes: &[String],
) -> Result<(Tensors, Vec<String>), Stop> {
    let mut known_shapes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for argument in shapes {
        let (name, text) = assignment("shape", argument)?;
        known_shapes.insert(
            name,
            shape(text)
                .ok_or_else(|| stop(format!("--shape takes NAME=EXTENT,EXTENT,…, not `{argument}`")))?,
        );
    }
    let (mut inputs, mut remarks) = (Tensors::new(), Vec::new());
    for argument in arguments {
        let (name, text) = assignment("input", argument)?;
        let input = spec.input(name).ok_or_else(|| {
            let known = spec.inputs.iter().map(|input| input.name);
            let list = known.clone().collect::<Vec<_>>().join(", ");
            super::names::unknown("input", name, known, &format!("{} has {list}", spec.id))
        })?;
        let given = known_shapes.remove(name);
        inputs.insert(name.to_owned(), tensor(input, format, text, given, &mut remarks)?);
    }
    match known_shapes.keys().next() {
        Some(name) => Err(stop(format!("--shape {name}: there is no --input {name}"))),
        None => Ok((inputs, remarks)),
    }
}

fn shape(text: &str) -> Option<Vec<usize>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|extent| extent.trim().parse().ok()).collect()
}

/// A tensor of the input's kind. Rows may be separated by semicolons; otherwise two axes mean one row.
fn tensor(
    input: &InputSpec,
    format: Format,
    text: &str,
    given: Option<Vec<usize>>,
    remarks: &mut Vec<String>,
) -> Result<Tensor, Stop> {
    let name = input.name;
    let rows: Vec<Vec<&str>> = match text.is_empty() {
        true => Vec::new(),
        false => text.split(';').map(|row| row.split(',').map(str::trim).collect()).collect(),
    };
    let columns = rows.first().map_or(0, Vec::len);
    if let Some(row) = rows.iter().position(|row| row.len() != columns) {
        let found = rows[row].len();
        return Err(stop(format!("input `{name}` is ragged: row {row} has {found} values, row 0 {columns}")));
    }
    let list: Vec<&str> = rows.iter().flatten().copied().collect();
    let shape = match given {
        Some(shape) => shape,
        None if input.shape.is_empty() => Vec::new(),
        None if input.shape.len() == 1 && rows.len() <= 1 => vec![list.len()],
        None if input.shape.len() <= 2 => vec![rows.len(), columns],
        None => {
            let axes = input.shape.len();
            return Err(stop(format!("input `{name}` has {axes} axes: give its --shape {name}=…")));
        }
    };
    let expected = element_count(&shape).map_err(stop)?;
    if expected != list.len() {
        let found = list.len();
        return Err(stop(format!("input `{name}`: shape {shape:?} takes {expected} values, {found} given")));
    }
    let wrong = |at: usize, kind: &str| stop(format!("input `{name}`: `{}` at {at} is not {kind}", list[at]));
    let values = match input.domain {
        Domain::Class => {
            let parse = |(at, text): (usize, &&str)| text.parse().map_err(|_| wrong(at, "a whole number"));
            Values::I64(list.iter().enumerate().map(parse).collect::<Result<_, _>>()?)
        }
        Domain::Mask => {
            let parse = |(at, text): (usize, &&str)| match *text {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(wrong(at, "true or false")),
            };
            Values::Bool(list.iter().enumerate().map(parse).collect::<Result<_, _>>()?)
        }
        _ => {
            let parse = |(at, text): (usize, &&str)| number(format, name, at, text, remarks);
            Values::Float(list.iter().enumerate().map(parse).collect::<Result<_, _>>()?)
        }
    };
    let dtype = match values {
        Values::Float(_) => Dtype::Float(format),
        Values::I64(_) => Dtype::I64,
        Values::Bool(_) => Dtype::Bool,
    };
    Ok(Tensor { dtype, shape, values })
}

/// The upstream of `--upstream`.
pub(super) fn upstream(
    format: Format,
    shape: &[usize],
    text: &str,
    remarks: &mut Vec<String>,
) -> Result<Tensor, Stop> {
    let list = text.split(',').map(str::trim).enumerate();
    let values: Vec<f64> =
        list.map(|(at, text)| number(format, "upstream", at, text, remarks)).collect::<Result<_, _>>()?;
    let (expected, found) = (shape.iter().product::<usize>(), values.len());
    if expected != found {
        return Err(stop(format!(
            "upstream: the loss has shape {shape:?}: {expected} values, {found} given"
        )));
    }
    Ok(Tensor { dtype: Dtype::Float(format), shape: shape.to_vec(), values: Values::Float(values) })
}

/// The number of the format that is meant by a decimal text; a remark where it is another one.
fn number(format: Format, name: &str, at: usize, text: &str, remarks: &mut Vec<String>) -> Result<f64, Stop> {
    let wrong = |kind: &str| stop(format!("input `{name}`: `{text}` at {at} is {kind}"));
    let x: f64 = text.parse().map_err(|_| wrong("not a number"))?;
    // A decimal text is rounded to f64 first: for f32 its own parser rounds once; for the 16-bit formats a text would
    // have to lie within 2^-53 of a tie to be rounded to the wrong side, and the remark shows what is used.
    let rounded = match format {
        Format::F32 => f64::from(text.parse::<f32>().map_err(|_| wrong("not a number"))?),
        _ => format.round(x),
    };
    if rounded.is_infinite() && x.is_finite() {
        return Err(wrong(&format!("beyond {}", format.name())));
    }
    if rounded != x && !x.is_nan() {
        remarks.push(format!("{name}: {text} is {rounded:?} in {}", format.name()));
    }
    Ok(rounded)
}
