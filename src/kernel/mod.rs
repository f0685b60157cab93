//! Kernels: code under test that runs in this process.

use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Summation;
use crate::loss::Params;

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

/// What a subject takes of one loss, as an adapter's hello says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Support {
    /// The loss's id.
    pub loss: String,
    /// The formats in which it takes it.
    pub formats: Vec<Format>,
    /// The inputs by which it differentiates.
    pub gradients: Vec<String>,
    /// The optional inputs that it takes.
    pub optional_inputs: Vec<String>,
    /// Parameters that it cannot vary, its conventions among them.
    pub params: Params,
    /// The format in which it computes, where it is not the default.
    pub compute: Option<Format>,
    /// Whether it takes subnormals for 0.
    pub flush_to_zero: bool,
    /// How it sums.
    pub summation: Summation,
}

/// Code that computes losses and gradients. One required method is all it takes to be graded.
pub trait Kernel: Sync {
    /// Answers a case: the outputs `loss` and `grad.<input>` for each input in `case.gradients`, each a tensor of the
    /// case's format. Values are given and taken as f64, which holds every format's numbers exactly.
    ///
    /// Errors: [`KernelError::Unsupported`] for what the kernel has not got; [`KernelError::Failed`] where it failed.
    fn run(&self, case: &Case) -> Result<Tensors, KernelError>;

    /// The name in reports.
    fn name(&self) -> &str {
        "kernel"
    }

    /// The version in reports.
    fn version(&self) -> &str {
        ""
    }

    /// What it takes.
    fn supports(&self) -> Vec<Support> {
        Vec::new()
    }
}

// STAND-IN (front): the kernels branch replaces everything below.

/// The built-in kernels.
pub fn builtin() -> Vec<&'static dyn Kernel> {
    vec![&stand_in::Plain]
}

/// The kernel, mutant or twin of that name.
pub fn find(name: &str) -> Option<&'static dyn Kernel> {
    all().into_iter().find(|kernel| kernel.name() == name)
}

/// Every kernel that has a name.
pub fn all() -> Vec<&'static dyn Kernel> {
    vec![&stand_in::Plain, &stand_in::Wrong]
}

pub(crate) mod stand_in;
