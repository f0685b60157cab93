//! Lists of golden files: written out, as runs where values repeat, as bytes where they are long.

use super::Kind;
use super::number::{Float, Number};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most elements of a list, against a file that asks for all memory.
const LONGEST: usize = 1 << 26;

/// From this many elements on runs are tried.
const LEAST_FOR_RUNS: usize = 4;

/// Runs are written where at least so many elements share one on average: they are then the shorter text.
const ELEMENTS_PER_RUN: usize = 3;

/// Above this many elements a list of floats is written as bytes, as the protocol does with tensors.
const BASE64_ABOVE: usize = crate::tensor::BASE64_ABOVE;

/// A list: `[…]`, `{"runs":[[count,value],…]}`, or the little-endian f64 of its elements as `{"base64":"…"}`, of head and
/// tail of each as `{"base64_pairs":"…"}`.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T>(pub Vec<T>);

/// What lists are made of.
pub trait Item: Clone + PartialEq + Serialize + DeserializeOwned {
    /// As f64s: one or two. None where it has no such form.
    fn to_floats(&self) -> Option<Vec<f64>> {
        None
    }

    /// Back from one or two f64s; none where they make no element.
    fn from_floats(_floats: &[f64]) -> Option<Self> {
        None
    }
}

impl Item for Kind {}

impl Item for bool {}

impl Item for Float {
    fn to_floats(&self) -> Option<Vec<f64>> {
        Some(vec![self.0])
    }

    fn from_floats(floats: &[f64]) -> Option<Float> {
        (floats.len() == 1).then(|| Float(floats[0]))
    }
}

impl Item for Number {
    fn to_floats(&self) -> Option<Vec<f64>> {
        match self {
            Number::Float(x) => Some(vec![x.0]),
            Number::Pair(head, tail) => Some(vec![head.0, tail.0]),
            _ => None,
        }
    }

    fn from_floats(floats: &[f64]) -> Option<Number> {
        match *floats {
            [x] => Some(Number::Float(Float(x))),
            [head, tail] if head.is_finite() && tail.is_finite() => {
                Some(Number::Pair(Float(head), Float(tail)))
            }
            _ => None,
        }
    }
}

/// The runs of equal elements.
pub fn runs<T: Clone + PartialEq>(elements: &[T]) -> Vec<(usize, T)> {
    let mut runs: Vec<(usize, T)> = Vec::new();
    for element in elements {
        match runs.last_mut() {
            Some((count, value)) if value == element => *count += 1,
            _ => runs.push((1, element.clone())),
        }
    }
    runs
}

/// The runs, where they are the way to write the elements.
pub fn preferred_runs<T: Clone + PartialEq>(elements: &[T]) -> Option<Vec<(usize, T)>> {
    if elements.len() < LEAST_FOR_RUNS {
        return None;
    }
    let runs = runs(elements);
    (elements.len() >= ELEMENTS_PER_RUN * runs.len()).then_some(runs)
}

/// The elements of runs; in words why there are none.
pub fn expand<T: Clone>(runs: Vec<(usize, T)>) -> Result<Vec<T>, String> {
    let total = runs.iter().try_fold(0usize, |sum, (count, _)| sum.checked_add(*count));
    if total.is_none_or(|total| total > LONGEST) {
        return Err(format!("the runs have more than {LONGEST} elements"));
    }
    if runs.iter().any(|(count, _)| *count == 0) {
        return Err("a run of no elements".to_owned());
    }
    Ok(runs.into_iter().flat_map(|(count, value)| std::iter::repeat_n(value, count)).collect())
}

/// The bytes of the elements and how many floats each has; none where they differ in that.
fn bytes<T: Item>(elements: &[T]) -> Option<(usize, Vec<u8>)> {
    let width = elements.first()?.to_floats()?.len();
    let mut bytes = Vec::with_capacity(8 * width * elements.len());
    for element in elements {
        let floats = element.to_floats().filter(|floats| floats.len() == width)?;
        floats.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
    }
    Some((width, bytes))
}

fn from_bytes<T: Item>(text: &str, width: usize) -> Result<Vec<T>, String> {
    let bytes = BASE64.decode(text).map_err(|error| format!("base64: {error}"))?;
    if !bytes.len().is_multiple_of(8 * width) {
        return Err(format!("{} bytes are no whole number of elements", bytes.len()));
    }
    let floats = bytes.chunks_exact(8).map(|chunk| {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        f64::from_le_bytes(word)
    });
    let floats: Vec<f64> = floats.collect();
    let element = |floats| T::from_floats(floats).ok_or_else(|| format!("{floats:?} is no element"));
    floats.chunks_exact(width).map(element).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<(usize, T)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64_pairs: Option<String>,
}

impl<T: Item> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let none = Packed::<T> { runs: None, base64: None, base64_pairs: None };
        if let Some(runs) = preferred_runs(&self.0) {
            return Packed { runs: Some(runs), ..none }.serialize(serializer);
        }
        let bytes = if self.0.len() > BASE64_ABOVE { bytes(&self.0) } else { None };
        match bytes.map(|(width, bytes)| (width, BASE64.encode(bytes))) {
            Some((1, text)) => Packed { base64: Some(text), ..none }.serialize(serializer),
            Some((_, text)) => Packed { base64_pairs: Some(text), ..none }.serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Plain(Vec<serde_json::Value>),
    Packed(serde_json::Map<String, serde_json::Value>),
}

impl<'de, T: Item> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<T>, D::Error> {
        let elements = match Raw::deserialize(deserializer)? {
            Raw::Plain(values) => values
                .into_iter()
                .map(serde_json::from_value)
                .collect::<Result<Vec<T>, _>>()
                .map_err(|error| error.to_string()),
            Raw::Packed(map) => unpack(map),
        };
        elements.map(List).map_err(D::Error::custom)
    }
}

fn unpack<T: Item>(map: serde_json::Map<String, serde_json::Value>) -> Result<Vec<T>, String> {
    let packed: Packed<T> =
        serde_json::from_value(serde_json::Value::Object(map)).map_err(|error| error.to_string())?;
    match packed {
        Packed { runs: Some(runs), base64: None, base64_pairs: None } => expand(runs),
        Packed { runs: None, base64: Some(text), base64_pairs: None } => from_bytes(&text, 1),
        Packed { runs: None, base64: None, base64_pairs: Some(text) } => from_bytes(&text, 2),
        _ => Err("a list is written in one of the forms runs, base64 and base64_pairs".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Item + std::fmt::Debug>(list: Vec<T>) -> String {
        let list = List(list);
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<List<T>>(&text).unwrap(), list, "{text}");
        text
    }

    #[test]
    fn every_form_comes_back() {
        let float = Float;
        assert_eq!(round_trip(vec![float(1.0), float(-0.0), float(f64::NAN)]), "[1.0,-0.0,\"nan\"]");
        assert_eq!(round_trip(vec![float(0.5); 4]), "{\"runs\":[[4,0.5]]}");
        // −0 is not 0.
        assert_eq!(round_trip(vec![float(0.0), float(0.0), float(-0.0)]), "[0.0,0.0,-0.0]");
        assert_eq!(round_trip(Vec::<Float>::new()), "[]");
        let long: Vec<Float> = (0..2000).map(|i| float(f64::from(i))).collect();
        assert!(round_trip(long).starts_with("{\"base64\":"));
        let pairs = (0..2000).map(|i| Number::Pair(float(f64::from(i)), float(0.0))).collect::<Vec<_>>();
        assert!(round_trip(pairs.clone()).starts_with("{\"base64_pairs\":"));
        let mut mixed = pairs;
        mixed[7] = Number::Scaled("3*2^-1082".into());
        assert!(round_trip(mixed).starts_with('['));
    }

    #[test]
    fn outside_input_is_refused_and_not_believed() {
        let read = |text: &str| serde_json::from_str::<List<Float>>(text).map_err(|error| error.to_string());
        assert!(read("{\"runs\":[[99999999999,1.0]]}").unwrap_err().contains("more than"));
        assert!(read("{\"runs\":[[18446744073709551615,1.0],[2,1.0]]}").unwrap_err().contains("more than"));
        assert!(read("{\"runs\":[[0,1.0]]}").unwrap_err().contains("no elements"));
        assert!(read("{\"base64\":\"AAAA\"}").unwrap_err().contains("no whole number"));
        assert!(read("{\"base64\":\"AAAA\",\"runs\":[]}").unwrap_err().contains("one of the forms"));
        assert!(read("{\"runs\":[],\"more\":1}").unwrap_err().contains("unknown field"));
        assert!(read("[1.0,null]").is_err());
    }
}
