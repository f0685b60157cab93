//! Tensors as they travel between all parts: a dtype, a shape and values in row-major order.
//!
//! Floats are held as f64, which every format's numbers are exactly. The JSON form is the adapter protocol's.

use crate::format::Format;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Above this many elements a tensor is written as base64 instead of JSON numbers.
pub const BASE64_ABOVE: usize = 1024;

/// What a tensor holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Numbers of a floating-point format.
    Float(Format),
    /// 64-bit integers: classes, lengths.
    I64,
    /// Truth values: masks.
    Bool,
}

impl Dtype {
    /// The protocol's name: `f64`, `f32`, `f16`, `bf16`, `i64` or `bool`.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Float(format) => format.name(),
            Dtype::I64 => "i64",
            Dtype::Bool => "bool",
        }
    }

    /// The dtype of that name.
    pub fn parse(name: &str) -> Option<Dtype> {
        match name {
            "i64" => Some(Dtype::I64),
            "bool" => Some(Dtype::Bool),
            _ => Format::parse(name).map(Dtype::Float),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Dtype::Float(format) => format.bytes(),
            Dtype::I64 => 8,
            Dtype::Bool => 1,
        }
    }
}

/// The values of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Floats, widened to f64.
    Float(Vec<f64>),
    /// Integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// A tensor: dtype, shape, values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// What it holds.
    pub dtype: Dtype,
    /// Its extents; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the shape says.
    pub values: Values,
}

/// Why something is not a tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TensorError {
    /// The count of values is not what the shape says.
    #[error("shape {shape:?} takes {expected} values, {found} given")]
    Count { shape: Vec<usize>, expected: usize, found: usize },
    /// A shape whose number of elements no machine can hold.
    #[error("shape {0:?} is too large")]
    TooLarge(Vec<usize>),
    /// A value that the dtype does not hold.
    #[error("value {value} at {index} is not {dtype}")]
    Value { index: usize, value: String, dtype: &'static str },
    /// Any other flaw.
    #[error("{0}")]
    Other(String),
}

impl Tensor {
    /// A float tensor; the values must be numbers of the format.
    pub fn float(format: Format, shape: &[usize], values: Vec<f64>) -> Tensor {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        debug_assert!(values.iter().all(|&x| format.holds(x)), "not all {format}: {values:?}");
        Tensor { dtype: Dtype::Float(format), shape: shape.to_vec(), values: Values::Float(values) }
    }

    /// An integer tensor.
    pub fn i64(shape: &[usize], values: Vec<i64>) -> Tensor {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Tensor { dtype: Dtype::I64, shape: shape.to_vec(), values: Values::I64(values) }
    }

    /// A boolean tensor.
    pub fn bool(shape: &[usize], values: Vec<bool>) -> Tensor {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Tensor { dtype: Dtype::Bool, shape: shape.to_vec(), values: Values::Bool(values) }
    }

    /// A float tensor of one value everywhere.
    pub fn full(format: Format, shape: &[usize], value: f64) -> Tensor {
        Tensor::float(format, shape, vec![value; shape.iter().product()])
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Float(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::Bool(v) => v.len(),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its floats; empty for other dtypes.
    pub fn floats(&self) -> &[f64] {
        match &self.values {
            Values::Float(values) => values,
            _ => &[],
        }
    }

    /// Its integers; empty for other dtypes.
    pub fn integers(&self) -> &[i64] {
        match &self.values {
            Values::I64(values) => values,
            _ => &[],
        }
    }

    /// Its truth values; empty for other dtypes.
    pub fn booleans(&self) -> &[bool] {
        match &self.values {
            Values::Bool(values) => values,
            _ => &[],
        }
    }

    /// The multi-index of an element.
    pub fn index(&self, element: usize) -> Vec<usize> {
        unravel(&self.shape, element)
    }

    /// Whether both hold the same bits: as equality, but NaN equals NaN and −0 differs from +0.
    pub fn same_bits(&self, other: &Tensor) -> bool {
        self.dtype == other.dtype
            && self.shape == other.shape
            && match (&self.values, &other.values) {
                (Values::Float(a), Values::Float(b)) => {
                    a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan())
                }
                (a, b) => a == b,
            }
    }

    /// The little-endian bytes of the values.
    pub fn to_bytes(&self) -> Vec<u8> {
        let width = self.dtype.bytes();
        let mut bytes = Vec::with_capacity(width * self.len());
        match (&self.values, self.dtype) {
            (Values::Float(values), Dtype::Float(format)) => {
                for &x in values {
                    bytes.extend_from_slice(&format.to_bits(x).to_le_bytes()[..width]);
                }
            }
            (Values::I64(values), _) => values.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes())),
            (Values::Bool(values), _) => bytes.extend(values.iter().map(|&x| u8::from(x))),
            (Values::Float(_), _) => unreachable!("a float tensor has a float dtype"),
        }
        bytes
    }

    fn from_bytes(dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> Result<Tensor, TensorError> {
        let width = dtype.bytes();
        if !bytes.len().is_multiple_of(width) {
            return Err(TensorError::Other(format!(
                "{} bytes are no whole number of {}",
                bytes.len(),
                dtype.name()
            )));
        }
        let word = |chunk: &[u8]| {
            let mut word = [0; 8];
            word[..width].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        };
        let words = bytes.chunks_exact(width).map(word);
        let values = match dtype {
            Dtype::Float(format) => Values::Float(words.map(|bits| format.from_bits(bits)).collect()),
            Dtype::I64 => Values::I64(words.map(|bits| bits as i64).collect()),
            Dtype::Bool => {
                if let Some(index) = bytes.iter().position(|&b| b > 1) {
                    return Err(TensorError::Value { index, value: bytes[index].to_string(), dtype: "bool" });
                }
                Values::Bool(bytes.iter().map(|&b| b == 1).collect())
            }
        };
        Tensor { dtype, shape, values }.checked()
    }

    fn checked(self) -> Result<Tensor, TensorError> {
        let expected = element_count(&self.shape)?;
        if expected != self.len() {
            return Err(TensorError::Count { shape: self.shape.clone(), expected, found: self.len() });
        }
        Ok(self)
    }
}

/// The number of elements of a shape, checked against overflow.
pub fn element_count(shape: &[usize]) -> Result<usize, TensorError> {
    shape
        .iter()
        .try_fold(1usize, |count, &n| count.checked_mul(n))
        .filter(|&count| count < 1 << 40)
        .ok_or_else(|| TensorError::TooLarge(shape.to_vec()))
}

/// The multi-index of a row-major element.
pub fn unravel(shape: &[usize], mut element: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &extent) in index.iter_mut().zip(shape).rev() {
        *place = element % extent.max(1);
        element /= extent.max(1);
    }
    index
}

/// A float as the protocol writes it: a number, or "inf", "-inf", "nan".
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct JsonFloat(pub f64);

impl Serialize for JsonFloat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.serialize_str(non_finite_name(self.0))
        }
    }
}

/// "inf", "-inf" or "nan".
pub fn non_finite_name(x: f64) -> &'static str {
    match x {
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => "nan",
    }
}

/// The number that a JSON value of the protocol stands for.
pub fn parse_json_float(value: &serde_json::Value) -> Option<f64> {
    match value {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => match text.as_str() {
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            "nan" => Some(f64::NAN),
            _ => None,
        },
        _ => None,
    }
}

struct ValueList<'a>(&'a Values);

impl Serialize for ValueList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Values::I64(values) => values.serialize(serializer),
            Values::Bool(values) => values.serialize(serializer),
            Values::Float(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for &x in values {
                    list.serialize_element(&JsonFloat(x))?;
                }
                list.end()
            }
        }
    }
}

impl Serialize for Tensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("dtype", self.dtype.name())?;
        map.serialize_entry("shape", &self.shape)?;
        if self.len() > BASE64_ABOVE {
            map.serialize_entry("base64", &BASE64.encode(self.to_bytes()))?;
        } else {
            map.serialize_entry("values", &ValueList(&self.values))?;
        }
        map.end()
    }
}

#[derive(Deserialize)]
struct RawTensor {
    dtype: String,
    shape: Vec<usize>,
    values: Option<Vec<serde_json::Value>>,
    base64: Option<String>,
}

impl TryFrom<RawTensor> for Tensor {
    type Error = TensorError;

    fn try_from(raw: RawTensor) -> Result<Tensor, TensorError> {
        let dtype = Dtype::parse(&raw.dtype)
            .ok_or_else(|| TensorError::Other(format!("unknown dtype {:?}", raw.dtype)))?;
        element_count(&raw.shape)?;
        match (raw.values, raw.base64) {
            (Some(values), None) => from_values(dtype, raw.shape, &values),
            (None, Some(text)) => {
                let bytes = BASE64
                    .decode(text.as_bytes())
                    .map_err(|error| TensorError::Other(format!("base64: {error}")))?;
                Tensor::from_bytes(dtype, raw.shape, &bytes)
            }
            (Some(_), Some(_)) => Err(TensorError::Other("both values and base64 given".into())),
            (None, None) => Err(TensorError::Other("neither values nor base64 given".into())),
        }
    }
}

fn from_values(dtype: Dtype, shape: Vec<usize>, list: &[serde_json::Value]) -> Result<Tensor, TensorError> {
    fn all<T>(
        list: &[serde_json::Value],
        dtype: Dtype,
        read: impl Fn(&serde_json::Value) -> Option<T>,
    ) -> Result<Vec<T>, TensorError> {
        let wrong = |index: usize, value: &serde_json::Value| TensorError::Value {
            index,
            value: value.to_string(),
            dtype: dtype.name(),
        };
        list.iter().enumerate().map(|(index, value)| read(value).ok_or_else(|| wrong(index, value))).collect()
    }
    let values = match dtype {
        Dtype::Float(format) => {
            Values::Float(all(list, dtype, |v| parse_json_float(v).filter(|&x| format.holds(x)))?)
        }
        Dtype::I64 => Values::I64(all(list, dtype, serde_json::Value::as_i64)?),
        Dtype::Bool => Values::Bool(all(list, dtype, serde_json::Value::as_bool)?),
    };
    Tensor { dtype, shape, values }.checked()
}

impl<'de> Deserialize<'de> for Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tensor, D::Error> {
        RawTensor::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}
