//! Our own kernels for every loss, what each claims of its outputs, and known-bad ones with their right twins.

mod bce;
mod builtin;
mod cosine;
mod cross_entropy;
mod cross_entropy_soft;
mod elementary;
mod focal;
mod gaussian;
mod hinge;
mod kl_div;
mod mutants;
mod nll_loss;
mod probability;
mod reduce;
mod regression;
mod softmax;
mod storage;
#[cfg(test)]
mod testing;
mod triplet;
mod wide;

pub use bce::BceWithLogits;
pub use builtin::Builtin;
pub use cosine::CosineEmbedding;
pub use cross_entropy::CrossEntropy;
pub use cross_entropy_soft::CrossEntropySoft;
pub use focal::FocalSigmoid;
pub use gaussian::{GaussianGradients, GaussianNll};
pub use hinge::Hinge;
pub use kl_div::KlDiv;
pub use mutants::{About, Mutant, Variant, mutants};
pub use nll_loss::NllLoss;
pub use probability::{Bce, Clamping};
pub use reduce::Reducing;
pub use regression::{Regression, Residual};
pub use storage::Storage;
pub use triplet::{NormParams, TripletGradients, TripletMargin};

use super::{Kernel, KernelError, Support};
use crate::format::Format;
use crate::judge::Level;
use crate::loss;
use std::sync::LazyLock;

/// What a built-in kernel claims of one output; it stands beside the kernel's source, and the suite tests exactly that.
#[derive(Copy, Clone, Debug)]
pub struct Claim {
    /// The loss's id.
    pub loss: &'static str,
    /// `loss` or `grad.<input>`.
    pub output: &'static str,
    /// In which formats.
    pub formats: &'static [Format],
    /// With which parameter values; the others may be any.
    pub given: &'static [(&'static str, loss::Default)],
    /// Without which optional inputs; the others may be there or not.
    pub without: &'static [&'static str],
    /// The level that every element of every case holds, those of the regime `overflowing` included.
    pub level: Level,
}

impl Claim {
    const fn always(
        loss: &'static str,
        output: &'static str,
        formats: &'static [Format],
        level: Level,
    ) -> Claim {
        Claim { loss, output, formats, given: &[], without: &[], level }
    }
}

/// The formats in which the built-in kernels store.
const BUILTIN_FORMATS: &[Format] = &[Format::F32, Format::F16, Format::Bf16];

/// The claims of the kernel [`Builtin`].
pub fn claims() -> impl Iterator<Item = &'static Claim> {
    let all = [
        regression::CLAIMS,
        cross_entropy::CLAIMS,
        cross_entropy_soft::CLAIMS,
        nll_loss::CLAIMS,
        bce::CLAIMS,
        probability::CLAIMS,
        focal::CLAIMS,
        kl_div::CLAIMS,
        triplet::CLAIMS,
        cosine::CLAIMS,
        hinge::CLAIMS,
        gaussian::CLAIMS,
    ];
    all.into_iter().flatten()
}

/// All kernels that come with the program: `builtin` first, then each mutant (`CE-01`) with its twin (`CE-01-twin`).
pub fn builtin() -> &'static [&'static dyn Kernel] {
    static KERNELS: LazyLock<Vec<&'static dyn Kernel>> = LazyLock::new(|| {
        let pairs = mutants().iter().flat_map(|m| [&m.wrong as &dyn Kernel, &m.twin as &dyn Kernel]);
        std::iter::once(&Builtin as &dyn Kernel).chain(pairs).collect()
    });
    &KERNELS
}

/// The kernel of that name among [`builtin`].
pub fn find(name: &str) -> Option<&'static dyn Kernel> {
    builtin().iter().copied().find(|kernel| kernel.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for kernel in builtin() {
            let same = builtin().iter().filter(|other| other.name() == kernel.name()).count();
            assert_eq!(same, 1, "{}", kernel.name());
            assert_eq!(find(kernel.name()).unwrap().supports(), kernel.supports());
        }
        assert_eq!(builtin()[0].name(), "builtin");
        assert!(find("no such kernel").is_none());
    }

    #[test]
    fn every_output_has_a_claim() {
        for entry in loss::LOSSES {
            let spec = entry.spec();
            let gradients = spec.differentiable().map(crate::case::gradient_name);
            for output in std::iter::once("loss".to_owned()).chain(gradients) {
                let found = claims().any(|claim| {
                    claim.loss == spec.id
                        && claim.output == output
                        && claim.given.is_empty()
                        && claim.without.is_empty()
                });
                assert!(found, "no claim for {} {output}", spec.id);
            }
        }
        for claim in claims() {
            let spec = loss::find(claim.loss).unwrap().spec();
            assert!(claim.given.iter().all(|(name, _)| spec.param(name).is_some()));
            assert!(claim.without.iter().all(|name| spec.input(name).unwrap().optional));
        }
    }
}
