//! Known bugs of the Kullback–Leibler divergence: zeros of the target, an epsilon, tiles.

use super::super::BUILTIN_FORMATS;
use super::plain::{answer, factors, floats, pairwise_sum, reduce, round, with_gradient};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;

/// Targets, not their logarithms.
const MASSES: &[(&str, Default)] = &[("log_target", Default::Flag(false))];

/// What a mean divides by.
fn divisor(case: &Case) -> f32 {
    let target = case.input("target");
    let count = if case.params.text("reduction") == "mean" { target.len() } else { target.shape[0] };
    count as f32
}

/// The divergence of terms and slopes by the target of each (t, x).
fn elementwise(case: &Case, term: impl Fn(f32, f32) -> f32, slope: impl Fn(f32, f32) -> f32) -> Tensors {
    let (x, t) = (floats(case, "log_prediction"), floats(case, "target"));
    let pairs = || t.iter().zip(&x).map(|(&t, &x)| (t, x));
    let terms: Vec<f32> = pairs().map(|(t, x)| term(t, x)).collect();
    let factors = factors(case, t.len(), divisor(case));
    let gradient: Vec<f32> = pairs().zip(factors).map(|((t, x), factor)| factor * slope(t, x)).collect();
    with_gradient(case, answer(case, &reduce(case, &terms, divisor(case))), "target", &gradient)
}

/// t·(ln t − x), 0 for t = 0.
fn guarded(t: f32, x: f32) -> f32 {
    if t == 0.0 { 0.0 } else { t * (libm::logf(t) - x) }
}

fn right_slope(t: f32, x: f32) -> f32 {
    libm::logf(t) - x + 1.0
}

fn row(format: Format, gradients: &[&str], x: &[f64], t: &[f64]) -> Case {
    let shape = [1, x.len()];
    let inputs = vec![("log_prediction", rounded(format, &shape, x)), ("target", rounded(format, &shape, t))];
    trigger("kl_div", format, MASSES, gradients, inputs)
}

/// The derivative of xlogy(t, t) at 0, factor by factor.
pub(super) const KL_02: About = About {
    entry: "KL-02",
    description: "PyTorch: kl_div by a target of 0 was the derivative of xlogy(t, t), ln t + t/t: NaN, not -inf",
    link: "pytorch/pytorch#89558",
    faults: &[Fault::SpuriousNan],
    names: ["KL-02", "KL-02-twin"],
    loss: "kl_div",
    formats: BUILTIN_FORMATS,
    gradients: &["target"],
    optional_inputs: &[],
    pinned: MASSES,
    run: |case, wrong| {
        // The product rule's t·(1/t), 0·∞ at a target of 0.
        let wrong_slope = |t: f32, x: f32| (libm::logf(t) + t * t.recip()) - x;
        let slope = |t: f32, x: f32| if wrong { wrong_slope(t, x) } else { right_slope(t, x) };
        Ok(elementwise(case, guarded, slope))
    },
    trigger: |format| row(format, &["target"], &[-0.5, -1.0], &[1.0, 0.0]),
};

/// 0·ln 0 as it stands.
pub(super) const KL_03: About = About {
    entry: "KL-03",
    description: "PyTorch on MPS: KLDivLoss was t·(ln t - x) as it stands, NaN where the target is 0",
    link: "pytorch/pytorch#98269",
    faults: &[Fault::SpuriousNan],
    names: ["KL-03", "KL-03-twin"],
    loss: "kl_div",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: MASSES,
    run: |case, wrong| {
        let term = |t: f32, x: f32| if wrong { t * (libm::logf(t) - x) } else { guarded(t, x) };
        Ok(elementwise(case, term, right_slope))
    },
    trigger: |format| row(format, &[], &[-0.5, -1.0], &[1.0, 0.0]),
};

/// An epsilon that f16 does not have.
pub(super) const KL_10: About = About {
    entry: "KL-10",
    description: "burn: KLDivLoss clamped the target at 1e-8 inside the logarithm, which is 0 in f16",
    link: "tracel-ai/burn PR#4721",
    faults: &[Fault::SpuriousNan],
    names: ["KL-10", "KL-10-twin"],
    loss: "kl_div",
    formats: &[Format::F16],
    gradients: &[],
    optional_inputs: &[],
    pinned: MASSES,
    run: |case, wrong| {
        // The format's least number touches nothing but 0.
        let epsilon = if wrong { round(case.format, 1e-8) } else { case.format.min_subnormal() as f32 };
        let term = |t: f32, x: f32| match x {
            f32::NEG_INFINITY if t == 0.0 => 0.0,
            _ => t * (libm::logf(t.max(epsilon)) - x),
        };
        Ok(elementwise(case, term, right_slope))
    },
    trigger: |format| row(format, &[], &[-0.5, -1.0], &[1.0, 0.0]),
};

/// Tiles of a row that overwrite each other's sum.
pub(super) const RD_10: About = About {
    entry: "RD-10",
    description: "Liger: a row's sum was stored once a tile of the vocabulary, and the last tile was what remained",
    link: "linkedin/Liger-Kernel PR#262",
    faults: &[Fault::Inaccurate],
    names: ["RD-10", "RD-10-twin"],
    loss: "kl_div",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("log_target", Default::Flag(false)), ("reduction", Default::Text("batchmean"))],
    run: |case, wrong| {
        const TILE: usize = 64;
        let (x, t) = (floats(case, "log_prediction"), floats(case, "target"));
        let classes = case.input("target").shape[1];
        let sum_of_row = |(x, t): (&[f32], &[f32])| {
            let terms: Vec<f32> = t.iter().zip(x).map(|(&t, &x)| guarded(t, x)).collect();
            let tiles: Vec<f32> = terms.chunks(TILE).map(pairwise_sum).collect();
            if wrong { tiles.last().copied().unwrap_or(0.0) } else { pairwise_sum(&tiles) }
        };
        let rows: Vec<f32> = x.chunks_exact(classes).zip(t.chunks_exact(classes)).map(sum_of_row).collect();
        Ok(answer(case, &reduce(case, &rows, divisor(case))))
    },
    trigger: |format| row(format, &[], &[-1.0; 80], &[0.25; 80]),
};
