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
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Support {
    /// The loss's id.
    pub loss: String,
    /// The formats in which it takes it.
    pub formats: Vec<Format>,
    /// The inputs by which it differentiates.
    pub gradients: Vec<String>,
    /// The optional inputs that it takes.
    #[serde(default)]
    pub optional_inputs: Vec<String>,
    /// Parameters that it cannot vary, its conventions among them.
    #[serde(default)]
    pub params: Params,
    /// The format in which it computes, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<Format>,
    /// Whether it takes subnormals for 0.
    #[serde(default)]
    pub flush_to_zero: bool,
    /// How it sums.
    #[serde(default)]
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

// STAND-IN (front): the kernels branch replaces this file.

impl Support {
    /// The whole of a loss.
    pub fn everything(id: &str) -> Support {
        let spec = crate::loss::find(id).map(|entry| entry.spec());
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

/// All kernels that come with the program, the good one first.
pub fn builtin() -> &'static [&'static dyn Kernel] {
    &[&stand_in::Plain, &stand_in::Wrong]
}

/// The kernel of that name.
pub fn find(name: &str) -> Option<&'static dyn Kernel> {
    builtin().iter().copied().find(|kernel| kernel.name() == name)
}

pub(crate) mod stand_in;
