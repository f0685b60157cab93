//! What the kernels' tests share: random numbers and cases.

use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::loss::Params;
use crate::tensor::Tensor;

/// xorshift64*: enough for tests.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.bits() >> 33) as usize % n
    }

    pub(super) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.bits() >> 40) as f32 / (1 << 24) as f32;
        low + unit * (high - low)
    }

    /// Either sign, from 2^−60 to 2^60.
    pub(super) fn wide_range(&mut self) -> f32 {
        let sign = if self.bits() >> 63 == 0 { 1.0 } else { -1.0 };
        sign * self.uniform(1.0, 2.0) * 2f32.powi(self.below(121) as i32 - 60)
    }
}

/// A float tensor with the values rounded to the format.
pub(super) fn floats(format: Format, shape: &[usize], values: &[f64]) -> Tensor {
    Tensor::float(format, shape, values.iter().map(|&x| format.round(x)).collect())
}

/// A case with upstream ones and all gradients.
pub(super) fn case(loss: &str, format: Format, params: Params, inputs: &[(&str, Tensor)]) -> Case {
    let inputs: Tensors = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    Case::new(loss, format, params, inputs).unwrap()
}
