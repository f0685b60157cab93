//! Known bugs of ignored rows, on the negative log-likelihood.

use super::super::BUILTIN_FORMATS;
use super::plain::{answer, factors, floats, reduce, with_gradient};
use super::{About, rounded, trigger};
use crate::judge::Fault;
use crate::loss::Default;
use crate::tensor::Tensor;

/// An ignore index that is taken and not used.
pub(super) const RD_09: About = About {
    entry: "RD-09",
    description: "Liger: ignore_index was accepted and never used, and the mean divided by all rows (here on nll_loss)",
    link: "linkedin/Liger-Kernel PR#974",
    faults: &[Fault::Inaccurate, Fault::MissingNan],
    names: ["RD-09", "RD-09-twin"],
    loss: "nll_loss",
    formats: BUILTIN_FORMATS,
    gradients: &["log_probs"],
    optional_inputs: &[],
    pinned: &[],
    run: |case, wrong| {
        let (log_probs, classes) = (floats(case, "log_probs"), case.input("log_probs").shape[1]);
        let ignore = case.params.integer("ignore_index");
        let targets = case.input("target").integers();
        // Where every row counts, an ignored one counts with its first class.
        let class = |&t: &i64| (Some(t) != ignore).then_some(t as usize).or(wrong.then_some(0));
        let of_row: Vec<Option<usize>> = targets.iter().map(class).collect();
        let terms = of_row.iter().enumerate().map(|(n, t)| t.map_or(0.0, |t| -log_probs[n * classes + t]));
        let terms: Vec<f32> = terms.collect();
        let kept = of_row.iter().flatten().count() as f32;
        let factors = factors(case, of_row.len(), kept);
        let mut gradient = vec![0.0; log_probs.len()];
        for (n, t) in of_row.iter().enumerate() {
            if let Some(t) = t {
                gradient[n * classes + t] = -factors[n];
            }
        }
        Ok(with_gradient(case, answer(case, &reduce(case, &terms, kept)), "log_probs", &gradient))
    },
    trigger: |format| {
        trigger(
            "nll_loss",
            format,
            &[("reduction", Default::Text("mean"))],
            &["log_probs"],
            vec![
                ("log_probs", rounded(format, &[2, 2], &[-1.0, -2.0, -4.0, -0.5])),
                ("target", Tensor::i64(&[2], vec![1, -100])),
            ],
        )
    },
};
