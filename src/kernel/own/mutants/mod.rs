//! Known-bad kernels: each re-creates a bug that somebody shipped (an entry of the list of known bugs), beside its twin, the
//! right form. Both are one code, with a switch where the bug is.
//!
//! The right forms are the textbook's, in plain f32: what a framework does today, not what [`super::Builtin`] does.

mod bce;
mod binary;
mod cosine;
mod cross_entropy;
mod distribution;
mod divergence;
mod focal;
mod gaussian;
mod hinge;
mod log_cosh;
mod nll_loss;
mod plain;
mod regression;
mod smooth_l1;
mod triplet;

use super::{Kernel, KernelError, Support};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::{Default, Params};

/// What is known of a shipped bug, and the kernel that has it.
pub struct About {
    /// Its entry in the list of known bugs.
    pub entry: &'static str,
    /// Which library, and what it did.
    pub description: &'static str,
    /// The public thread.
    pub link: &'static str,
    /// The faults that its trigger shows, the first of them always.
    pub faults: &'static [Fault],
    /// The name of the wrong kernel and of its twin.
    names: [&'static str; 2],
    loss: &'static str,
    formats: &'static [Format],
    gradients: &'static [&'static str],
    optional_inputs: &'static [&'static str],
    pinned: &'static [(&'static str, Default)],
    /// The kernel, wrong if told so.
    run: fn(&Case, wrong: bool) -> Result<Tensors, KernelError>,
    trigger: fn(Format) -> Case,
}

/// The wrong kernel of a known bug, or the right one.
pub struct Variant {
    about: &'static About,
    wrong: bool,
}

/// A known bug as a pair of kernels.
pub struct Mutant {
    /// What is known of it.
    pub about: &'static About,
    /// The kernel with the bug.
    pub wrong: Variant,
    /// The same kernel without it.
    pub twin: Variant,
}

impl Mutant {
    const fn new(about: &'static About) -> Mutant {
        Mutant { about, wrong: Variant { about, wrong: true }, twin: Variant { about, wrong: false } }
    }

    /// A case on which the bug shows. The case asks for what the kernels give.
    pub fn trigger(&self, format: Format) -> Case {
        (self.about.trigger)(format)
    }

    /// The formats in which it exists.
    pub fn formats(&self) -> &'static [Format] {
        self.about.formats
    }
}

impl Kernel for Variant {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        self.takes(case)?;
        (self.about.run)(case, self.wrong)
    }

    fn name(&self) -> &str {
        self.about.names[usize::from(!self.wrong)]
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn supports(&self) -> Vec<Support> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let mut params = Params::default();
        for (name, value) in self.about.pinned {
            params.set(name, value.to_value());
        }
        vec![Support {
            formats: self.about.formats.to_vec(),
            gradients: owned(self.about.gradients),
            optional_inputs: owned(self.about.optional_inputs),
            params,
            ..Support::everything(self.about.loss)
        }]
    }
}

impl Variant {
    /// Refuses what [`Kernel::supports`] does not name.
    fn takes(&self, case: &Case) -> Result<(), KernelError> {
        let about = self.about;
        let refuse = |what: String| Err(KernelError::Unsupported(format!("{} has no {what}", self.name())));
        if case.loss != about.loss {
            return refuse(case.loss.clone());
        }
        if !about.formats.contains(&case.format) {
            return refuse(case.format.to_string());
        }
        if let Some(name) = case.gradients.iter().find(|name| !about.gradients.contains(&name.as_str())) {
            return refuse(format!("gradient by {name}"));
        }
        let spec = case.entry().map_err(|error| KernelError::Unsupported(error.to_string()))?.spec();
        let mut optional = spec.inputs.iter().filter(|input| input.optional);
        let unknown = |name: &str| case.inputs.contains_key(name) && !about.optional_inputs.contains(&name);
        if let Some(input) = optional.find(|input| unknown(input.name)) {
            return refuse(input.name.to_owned());
        }
        match about.pinned.iter().find(|(name, value)| *case.params.get(name) != value.to_value()) {
            Some((name, value)) => refuse(format!("{name} other than {}", value.to_value())),
            None => Ok(()),
        }
    }
}

static MUTANTS: &[Mutant] = &[
    Mutant::new(&cross_entropy::CE_01),
    Mutant::new(&cross_entropy::CE_10),
    Mutant::new(&cross_entropy::CE_17),
    Mutant::new(&cross_entropy::CE_20),
    Mutant::new(&cross_entropy::CE_25),
    Mutant::new(&cross_entropy::CE_26),
    Mutant::new(&cross_entropy::RD_02),
    Mutant::new(&cross_entropy::RD_04),
    Mutant::new(&cross_entropy::RD_12),
    Mutant::new(&regression::RD_07),
    Mutant::new(&gaussian::RD_14),
    Mutant::new(&gaussian::PYTORCH_190058),
    Mutant::new(&regression::RD_15),
    Mutant::new(&smooth_l1::RG_02),
    Mutant::new(&smooth_l1::RG_03),
    Mutant::new(&log_cosh::KERAS_8524),
    Mutant::new(&log_cosh::TORCHMETRICS_3490),
    Mutant::new(&bce::BC_02),
    Mutant::new(&bce::BC_04),
    Mutant::new(&bce::BC_11),
    Mutant::new(&bce::BC_17),
    Mutant::new(&bce::RG_11),
    Mutant::new(&binary::BC_08),
    Mutant::new(&binary::BC_20),
    Mutant::new(&binary::BC_22),
    Mutant::new(&focal::BC_23),
    Mutant::new(&focal::BC_25),
    Mutant::new(&focal::BC_27),
    Mutant::new(&triplet::DS_05),
    Mutant::new(&triplet::DS_06),
    Mutant::new(&triplet::DS_09),
    Mutant::new(&cosine::DS_14),
    Mutant::new(&hinge::DEEPCHEM_5017),
    Mutant::new(&nll_loss::RD_09),
    Mutant::new(&distribution::KL_05),
    Mutant::new(&distribution::KL_15),
    Mutant::new(&divergence::KL_02),
    Mutant::new(&divergence::KL_03),
    Mutant::new(&divergence::KL_10),
    Mutant::new(&divergence::RD_10),
];

/// The known bugs that exist as kernels.
pub fn mutants() -> &'static [Mutant] {
    MUTANTS
}

/// A trigger: a checked case from these inputs, which asks for these gradients only.
fn trigger(
    loss: &str,
    format: Format,
    params: &[(&str, Default)],
    gradients: &[&str],
    inputs: Vec<(&str, crate::tensor::Tensor)>,
) -> Case {
    let mut given = Params::default();
    for (name, value) in params {
        given.set(name, value.to_value());
    }
    let inputs = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    let mut case = Case::new(loss, format, given, inputs).expect("a trigger is a valid case");
    case.gradients.retain(|name| gradients.contains(&name.as_str()));
    case
}

/// A tensor of the numbers of the format that are nearest to these.
fn rounded(format: Format, shape: &[usize], values: &[f64]) -> crate::tensor::Tensor {
    crate::tensor::Tensor::float(format, shape, values.iter().map(|&x| format.round(x)).collect())
}

#[cfg(test)]
mod tests;
