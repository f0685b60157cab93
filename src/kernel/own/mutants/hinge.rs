//! A known bug of the hinge loss: the formula of targets −1 and 1 with targets 0 and 1.

use super::super::{BUILTIN_FORMATS, KernelError};
use super::plain::{answer, factors, floats, reduce, with_gradient};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::judge::Fault;

/// Loss and gradient, from targets that have been converted; the derivative is 0 at the kink.
fn kernel(case: &Case, convert: impl Fn(f32) -> f32) -> Result<Tensors, KernelError> {
    let (scores, targets) = (floats(case, "score"), floats(case, "target"));
    let (n, count) = (scores.len(), scores.len() as f32);
    let term = |(&score, &target): (&f32, &f32)| {
        let target = convert(target);
        let gap = 1.0 - target * score;
        if gap > 0.0 { (gap, -target) } else { (0.0, 0.0) }
    };
    let (terms, slopes): (Vec<f32>, Vec<f32>) = scores.iter().zip(&targets).map(term).unzip();
    let gradient: Vec<f32> = slopes.iter().zip(factors(case, n, count)).map(|(slope, g)| g * slope).collect();
    Ok(with_gradient(case, answer(case, &reduce(case, &terms, count)), "score", &gradient))
}

/// A target of 0 leaves nothing of the score.
pub(super) const DEEPCHEM_5017: About = About {
    entry: "deepchem-5017",
    description: "DeepChem HingeLoss, and ml-glossary before it: labels said to be 0 and 1 in the formula of -1 and 1, so that a \
                  negative one costs 1 whatever its score, with gradient 0",
    link: "deepchem/deepchem#5017; bfortuner/ml-glossary PR#113",
    faults: &[Fault::Inaccurate, Fault::SpuriousZero],
    names: ["deepchem-5017", "deepchem-5017-twin"],
    loss: "hinge",
    formats: BUILTIN_FORMATS,
    gradients: &["score"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| kernel(case, |target| if wrong { (target + 1.0) / 2.0 } else { target }),
    trigger: |format| {
        let inputs = [("score", [3.0, 5.0, -0.5]), ("target", [1.0, -1.0, -1.0])];
        let inputs = inputs.map(|(name, values)| (name, rounded(format, &[3], &values)));
        trigger("hinge", format, &[], &["score"], inputs.into())
    },
};
