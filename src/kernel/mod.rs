//! Kernels: code under test that runs in this process.

use crate::case::{Case, Tensors};

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
    /// case's format. Values are given and taken as f64, which holds every format's numbers exactly.
    ///
    /// Errors: [`KernelError::Unsupported`] for what the kernel has not got; [`KernelError::Failed`] where it failed.
    fn run(&self, case: &Case) -> Result<Tensors, KernelError>;
}
