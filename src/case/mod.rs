//! Cases: one loss with its parameters, one set of input tensors, one upstream; and what a kernel answers.
//!
//! A case is what the adapter protocol calls a request, and is written the same way.

pub mod program;
pub mod regime;
pub mod shrink;

#[cfg(feature = "proptest")]
pub mod proptest;
#[cfg(feature = "quickcheck")]
pub mod quickcheck;

use crate::format::Format;
use crate::loss::{self, DomainError, LossEntry, ParamError, Params, Unreduced};
use crate::tensor::{Dtype, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Named tensors.
pub type Tensors = BTreeMap<String, Tensor>;

/// The output that holds the loss itself; a gradient is `grad.` and the input's name.
pub const LOSS: &str = "loss";

/// The output name of the gradient by an input.
pub fn gradient_name(input: &str) -> String {
    format!("grad.{input}")
}

/// One question to a kernel: everything that the answer depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The loss's id.
    pub loss: String,
    /// The format of its float tensors.
    pub format: Format,
    /// Parameters; complete in a checked case.
    #[serde(default)]
    pub params: Params,
    /// The inputs by name; optional ones may be missing.
    pub inputs: Tensors,
    /// The gradient that arrives from above, of the loss's shape.
    pub upstream: Tensor,
    /// The inputs by which to differentiate.
    pub gradients: Vec<String>,
}

/// Why a case is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CaseError {
    /// No loss has this id.
    #[error("unknown loss `{0}`; `lossproof list` prints the catalogue")]
    UnknownLoss(String),
    /// A parameter is wrong.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// An input is missing, misshapen or outside its domain.
    #[error("{loss}: {error}")]
    Domain { loss: &'static str, error: DomainError },
    /// The upstream does not fit.
    #[error("{loss}: upstream {problem}")]
    Upstream { loss: &'static str, problem: String },
    /// A gradient is asked for that the loss does not have.
    #[error("{loss}: no gradient by `{input}`; it is differentiated by {known}")]
    Gradient { loss: &'static str, input: String, known: String },
}

impl Case {
    /// A checked case with upstream ones and all its gradients.
    ///
    /// Errors: as [`Case::checked`].
    pub fn new(loss: &str, format: Format, params: Params, inputs: Tensors) -> Result<Case, CaseError> {
        let entry = loss::find(loss).ok_or_else(|| CaseError::UnknownLoss(loss.to_owned()))?;
        let params = params.complete(entry.spec())?;
        let upstream = Tensor::full(format, &entry.loss_shape(&params, &inputs), 1.0);
        let gradients = entry.spec().differentiable().filter(|&name| inputs.contains_key(name));
        let gradients = gradients.map(str::to_owned).collect();
        Case { loss: loss.to_owned(), format, params, inputs, upstream, gradients }.checked()
    }

    /// The case with complete parameters, if everything about it is valid; an error that names the thing, the place
    /// and the value otherwise.
    pub fn checked(mut self) -> Result<Case, CaseError> {
        let entry = self.entry()?;
        let spec = entry.spec();
        self.params = self.params.complete(spec)?;
        let domain = |error| CaseError::Domain { loss: spec.id, error };
        entry.check(self.format, &self.params, &self.inputs).map_err(domain)?;
        let expected = entry.loss_shape(&self.params, &self.inputs);
        let upstream = |problem: String| CaseError::Upstream { loss: spec.id, problem };
        if self.upstream.dtype != Dtype::Float(self.format) {
            let (expected, found) = (self.format.name(), self.upstream.dtype.name());
            return Err(upstream(format!("is {found}, the case is {expected}")));
        }
        if self.upstream.shape != expected {
            return Err(upstream(format!("has shape {:?}, the loss {expected:?}", self.upstream.shape)));
        }
        if let Some(index) = self.upstream.floats().iter().position(|x| !x.is_finite()) {
            let value = self.upstream.floats()[index];
            return Err(upstream(format!(
                "is {value} at {:?}, finite is demanded",
                self.upstream.index(index)
            )));
        }
        for input in &self.gradients {
            if !spec.differentiable().any(|name| name == input) || !self.inputs.contains_key(input) {
                let known: Vec<String> = spec.differentiable().map(|name| format!("`{name}`")).collect();
                let known = known.join(", ");
                return Err(CaseError::Gradient { loss: spec.id, input: input.clone(), known });
            }
        }
        Ok(self)
    }

    /// The case's loss in the registry.
    pub fn entry(&self) -> Result<&'static dyn LossEntry, CaseError> {
        loss::find(&self.loss).ok_or_else(|| CaseError::UnknownLoss(self.loss.clone()))
    }

    /// An input that must be there.
    ///
    /// Panics: where a checked case cannot get: on an input that its loss does not demand.
    pub fn input(&self, name: &str) -> &Tensor {
        self.inputs.get(name).unwrap_or_else(|| panic!("{} has no input {name}", self.loss))
    }

    /// An optional input.
    pub fn optional(&self, name: &str) -> Option<&Tensor> {
        self.inputs.get(name)
    }

    /// The names and shapes of the outputs that the case asks for, the loss first.
    pub fn outputs(&self) -> Vec<(String, Vec<usize>)> {
        let mut outputs = vec![(LOSS.to_owned(), self.upstream.shape.clone())];
        let gradients = self.gradients.iter();
        outputs.extend(gradients.map(|name| (gradient_name(name), self.input(name).shape.clone())));
        outputs
    }

    /// How many float and integer elements its inputs have.
    pub fn elements(&self) -> usize {
        self.inputs.values().map(Tensor::len).sum()
    }
}

/// The shape of the unreduced loss.
pub(crate) fn unreduced_shape(unreduced: Unreduced, first: &[usize]) -> Vec<usize> {
    match unreduced {
        Unreduced::Elementwise => first.to_vec(),
        Unreduced::Rows => first[..1].to_vec(),
    }
}
