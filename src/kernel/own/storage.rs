//! The formats in which kernels keep their numbers: f32, f16 and bf16. Computing is done elsewhere, in f32.

use super::wide::Wide;
use crate::format::Format;
use half::{bf16, f16};

/// A number as it lies in memory.
pub trait Storage: Copy + Send + Sync + 'static {
    /// Its format.
    const FORMAT: Format;
    /// 0.
    const ZERO: Self;
    /// The number with this value, which the format must hold.
    fn from_value(x: f32) -> Self;
    /// Its value.
    fn value(self) -> f32;
}

impl Storage for f32 {
    const FORMAT: Format = Format::F32;
    const ZERO: f32 = 0.0;
    fn from_value(x: f32) -> f32 {
        x
    }
    fn value(self) -> f32 {
        self
    }
}

impl Storage for f16 {
    const FORMAT: Format = Format::F16;
    const ZERO: f16 = f16::ZERO;
    fn from_value(x: f32) -> f16 {
        f16::from_f32(x)
    }
    fn value(self) -> f32 {
        self.to_f32()
    }
}

impl Storage for bf16 {
    const FORMAT: Format = Format::Bf16;
    const ZERO: bf16 = bf16::ZERO;
    fn from_value(x: f32) -> bf16 {
        bf16::from_f32(x)
    }
    fn value(self) -> f32 {
        self.to_f32()
    }
}

/// The stored number, ready to compute with.
pub(super) fn widen<S: Storage>(x: S) -> Wide {
    Wide::new(x.value())
}

/// The nearest stored number.
pub(super) fn narrow<S: Storage>(x: Wide) -> S {
    S::from_value(x.round(S::FORMAT))
}
