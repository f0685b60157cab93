//! Tensors to candle and back, to the bit: each of the four formats is a dtype of candle's.

use candle_core::{DType, Device, Result, Tensor, Var};
use half::{bf16, f16};
use lossproof::case::Case;
use lossproof::format::Format;
use lossproof::tensor::{Dtype, Tensor as Exact};
use std::collections::BTreeMap;

/// A case's float inputs, all of them variables; the classes, which are none, as candle's u32.
pub fn variables(case: &Case) -> Result<BTreeMap<&str, Tensor>> {
    let tensor = |tensor: &Exact| match tensor.dtype {
        Dtype::Float(_) => Ok(Var::from_tensor(&to_candle(tensor)?)?.into_inner()),
        _ => to_candle(tensor),
    };
    case.inputs.iter().map(|(name, exact)| Ok((name.as_str(), tensor(exact)?))).collect()
}

/// The same numbers in the same format. The conversions from f64 do not round, since the format holds each number.
pub fn to_candle(tensor: &Exact) -> Result<Tensor> {
    let shape = tensor.shape.as_slice();
    let floats = tensor.floats().iter();
    match tensor.dtype {
        Dtype::Float(Format::F64) => Tensor::from_vec(tensor.floats().to_vec(), shape, &Device::Cpu),
        Dtype::Float(Format::F32) => {
            Tensor::from_vec(floats.map(|&x| x as f32).collect::<Vec<_>>(), shape, &Device::Cpu)
        }
        Dtype::Float(Format::F16) => {
            Tensor::from_vec(floats.map(|&x| f16::from_f64(x)).collect::<Vec<_>>(), shape, &Device::Cpu)
        }
        Dtype::Float(Format::Bf16) => {
            Tensor::from_vec(floats.map(|&x| bf16::from_f64(x)).collect::<Vec<_>>(), shape, &Device::Cpu)
        }
        Dtype::I64 => {
            let classes = tensor.integers().iter().map(|&x| u32::try_from(x));
            let classes =
                classes.collect::<std::result::Result<Vec<_>, _>>().map_err(candle_core::Error::wrap)?;
            Tensor::from_vec(classes, shape, &Device::Cpu)
        }
        Dtype::Bool => candle_core::bail!("candle has no truth values"),
    }
}

/// A float tensor of candle's, which must have the case's format.
pub fn from_candle(tensor: &Tensor, format: Format) -> Result<Exact> {
    let flat = tensor.flatten_all()?;
    let values = match (tensor.dtype(), format) {
        (DType::F64, Format::F64) => flat.to_vec1::<f64>()?,
        (DType::F32, Format::F32) => flat.to_vec1::<f32>()?.into_iter().map(f64::from).collect(),
        (DType::F16, Format::F16) => flat.to_vec1::<f16>()?.into_iter().map(f64::from).collect(),
        (DType::BF16, Format::Bf16) => flat.to_vec1::<bf16>()?.into_iter().map(f64::from).collect(),
        (other, _) => candle_core::bail!("candle answers in {}", other.as_str()),
    };
    Ok(Exact::float(format, tensor.dims(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_comes_back_to_the_bit() {
        for format in Format::ALL {
            let least = format.min_subnormal();
            let values =
                vec![0.0, -0.0, least, -3.0 * least, 1.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
            let tensor = Exact::float(format, &[2, 4], values);
            let back = from_candle(&to_candle(&tensor).unwrap(), format).unwrap();
            assert!(back.same_bits(&tensor), "{back:?}");
        }
        let scalar = Exact::full(Format::F16, &[], 2.0);
        assert!(from_candle(&to_candle(&scalar).unwrap(), Format::F16).unwrap().same_bits(&scalar));
        assert!(from_candle(&to_candle(&scalar).unwrap(), Format::F32).is_err());
        assert!(to_candle(&Exact::i64(&[1], vec![-1])).is_err());
    }
}
