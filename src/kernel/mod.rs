//! Kernels: code under test that runs in this process; with the feature `kernels` our own fast ones, and known-bad ones with
//! their right twins.
//!
//! One required method makes any function gradable. Here is somebody's mean squared error in f32, and what it answers:
//!
//! ```
//! use lossproof::case::{Case, Tensors, gradient_name};
//! use lossproof::format::Format;
//! use lossproof::kernel::{Kernel, KernelError, Support};
//! use lossproof::loss::Params;
//! use lossproof::tensor::Tensor;
//!
//! /// The function to be graded: loss and gradient of the mean of squares.
//! fn my_mse(prediction: &[f32], target: &[f32], upstream: f32) -> (f32, Vec<f32>) {
//!     let n = prediction.len() as f32;
//!     let residual: Vec<f32> = prediction.iter().zip(target).map(|(x, y)| x - y).collect();
//!     let loss = residual.iter().map(|r| r * r).sum::<f32>() / n;
//!     (loss, residual.iter().map(|r| upstream / n * 2.0 * r).collect())
//! }
//!
//! struct MyMse;
//!
//! impl Kernel for MyMse {
//!     fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
//!         let floats = |t: &Tensor| t.floats().iter().map(|&x| x as f32).collect::<Vec<f32>>();
//!         let prediction = case.input("prediction");
//!         let upstream = case.upstream.floats()[0] as f32;
//!         let (loss, gradient) = my_mse(&floats(prediction), &floats(case.input("target")), upstream);
//!         let gradient = gradient.into_iter().map(f64::from).collect();
//!         Ok(Tensors::from([
//!             ("loss".to_string(), Tensor::float(Format::F32, &[], vec![f64::from(loss)])),
//!             (gradient_name("prediction"), Tensor::float(Format::F32, &prediction.shape, gradient)),
//!         ]))
//!     }
//!
//!     // What it has not got: weights, other reductions, other formats, the gradient by the target.
//!     fn supports(&self) -> Vec<Support> {
//!         let mut support = Support::everything("mse");
//!         support.formats = vec![Format::F32];
//!         support.gradients = vec!["prediction".into()];
//!         support.optional_inputs = vec![];
//!         support.params = Params::default().with("reduction", "mean").with("empty_mean", "nan");
//!         vec![support]
//!     }
//! }
//!
//! // A case from hand-made tensors; upstream is 1 and all gradients are asked for unless one says otherwise.
//! let tensor = |values: &[f64]| Tensor::float(Format::F32, &[values.len()], values.to_vec());
//! let inputs = Tensors::from([
//!     ("prediction".to_string(), tensor(&[1.0, 2.0])),
//!     ("target".to_string(), tensor(&[0.5, 4.0])),
//! ]);
//! let case = Case::new("mse", Format::F32, Params::default(), inputs)?;
//! let outputs = MyMse.run(&case)?;
//! assert_eq!(outputs["loss"].floats(), [2.125]);
//! assert_eq!(outputs["grad.prediction"].floats(), [0.5, -2.0]);
//! assert_eq!(MyMse.name(), "MyMse");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "kernels")]
mod own;

#[cfg(feature = "kernels")]
pub use own::*;

use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Summation;
use crate::loss::{self, Params};
use serde::{Deserialize, Serialize};

/// Why a kernel gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// The kernel has not got this loss, format, parameter or input: reported, no fault.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The kernel failed: a fault.
    #[error("{0}")]
    Failed(String),
}

/// Code that computes losses and gradients. One required method is all it takes to be graded.
pub trait Kernel: Sync {
    /// Answers a case: the outputs `loss` and `grad.<input>` for each input in `case.gradients`, each a tensor of the
    /// case's format. Values are given and taken as f64, which holds every format's numbers exactly. The case is checked.
    ///
    /// Errors: [`KernelError::Unsupported`] for what the kernel has not got; [`KernelError::Failed`] where it failed.
    fn run(&self, case: &Case) -> Result<Tensors, KernelError>;

    /// What it is called in reports; the type's name unless it says otherwise.
    fn name(&self) -> &str {
        let path = std::any::type_name::<Self>();
        let path = path.split('<').next().unwrap_or(path);
        path.rsplit("::").next().unwrap_or(path)
    }

    /// Its version; empty unless it says otherwise.
    fn version(&self) -> &str {
        ""
    }

    /// What it takes, so that no other cases are made; everything unless it says otherwise.
    fn supports(&self) -> Vec<Support> {
        loss::LOSSES.iter().map(|entry| Support::everything(entry.spec().id)).collect()
    }
}

/// What a kernel takes of one loss, and on what machine it computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// The loss's id.
    pub loss: String,
    /// The formats.
    pub formats: Vec<Format>,
    /// The inputs by which it differentiates.
    #[serde(default)]
    pub gradients: Vec<String>,
    /// The optional inputs that it takes.
    #[serde(default)]
    pub optional_inputs: Vec<String>,
    /// Parameters that it cannot vary, with their values; it takes every value of the others.
    #[serde(default)]
    pub params: Params,
    /// The format in which it computes, where it is not [`Format::compute`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<Format>,
    /// Whether it may take subnormals for 0.
    #[serde(default)]
    pub flush_to_zero: bool,
    /// How it sums.
    #[serde(default)]
    pub summation: Summation,
}

impl Support {
    /// The whole of a loss: all formats, gradients, optional inputs and parameter values. Of an id that is not in the
    /// catalogue only the formats.
    pub fn everything(id: &str) -> Support {
        let spec = loss::find(id).map(|entry| entry.spec());
        let optional = spec.into_iter().flat_map(|spec| spec.inputs).filter(|input| input.optional);
        Support {
            loss: id.to_owned(),
            formats: Format::ALL.to_vec(),
            gradients: spec.into_iter().flat_map(|spec| spec.differentiable()).map(str::to_owned).collect(),
            optional_inputs: optional.map(|input| input.name.to_owned()).collect(),
            params: Params::default(),
            compute: None,
            flush_to_zero: false,
            summation: Summation::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Mine;

    impl Kernel for Mine {
        fn run(&self, _case: &Case) -> Result<Tensors, KernelError> {
            Err(KernelError::Unsupported("everything".into()))
        }
    }

    #[test]
    fn one_method_is_enough() {
        let kernel: &dyn Kernel = &Mine;
        assert_eq!((kernel.name(), kernel.version()), ("Mine", ""));
        let supports = kernel.supports();
        assert_eq!(supports.len(), loss::LOSSES.len());
        let triplet = supports.iter().find(|support| support.loss == "triplet_margin").unwrap();
        assert_eq!(triplet.gradients, ["anchor", "positive", "negative"]);
        assert_eq!(triplet.formats, Format::ALL);
        let mse = supports.iter().find(|support| support.loss == "mse").unwrap();
        assert_eq!(mse.optional_inputs, ["weight"]);
    }
}
