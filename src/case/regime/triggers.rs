//! The inputs that showed bugs which shipped (KNOWN_BUGS.md), the first cases of their regimes.

use super::{Regime, Taken, draft};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::loss::{LossEntry, ParamValue, Params};
use crate::tensor::Tensor;

/// One entry's trigger for one loss.
pub(super) struct Trigger {
    /// The entry in KNOWN_BUGS.md.
    pub id: &'static str,
    pub loss: &'static str,
    pub regime: Regime,
    make: fn(Sketch) -> Sketch,
}

const fn trigger(
    id: &'static str,
    loss: &'static str,
    regime: Regime,
    make: fn(Sketch) -> Sketch,
) -> Trigger {
    Trigger { id, loss, regime, make }
}

const CE: &str = "cross_entropy";
const SOFT: &str = "cross_entropy_soft";
const NLL: &str = "nll_loss";
const KL: &str = "kl_div";
const MINUS_INFINITY: f64 = f64::NEG_INFINITY;
const BCE: &str = "bce_with_logits";
const PROBABILITY: &str = "bce";
const FOCAL: &str = "focal_sigmoid";
const COSINE: &str = "cosine_embedding";
const TRIPLET: &str = "triplet_margin";
const HUBER: &str = "huber";
const SMOOTH_L1: &str = "smooth_l1";
const LOG_COSH: &str = "log_cosh";
const HINGE: &str = "hinge";
const GAUSSIAN: &str = "gaussian_nll";

/// The table. The numbers are the entries' own where they give any; the rest is scaled to the least size that shows the
/// defect.
pub(super) const TRIGGERS: &[Trigger] = &[
    trigger("CE-01", CE, Regime::Cancelling, |s| s.rows(&[&[1e8, 1e8]], &[0])),
    trigger("CE-05", CE, Regime::Cancelling, |s| {
        s.param("reduction", "none").rows(&[&[1000001.0, 999999.0], &[-1000001.0, -1000002.0]], &[0, 1])
    }),
    // Of 16 bits f16 ends at 65504, and in bf16 neighbours at 1000 are 4 apart.
    trigger("CE-05", CE, Regime::Cancelling, |s| s.rows(&[&[1004.0, 1000.0, 1000.0]], &[0])),
    trigger("CE-06", CE, Regime::Saturated, |s| {
        s.param("reduction", "none").rows(&[&[0.0, -40.0], &[20.0, 0.0]], &[0, 0])
    }),
    trigger("CE-17", CE, Regime::Saturated, |s| s.rows(&[&[-40.1, 94.7, 3.0, 0.5]], &[2])),
    trigger("CE-17", CE, Regime::Saturated, |s| s.rows(&[&[1000.0, 0.0]], &[1])),
    trigger("CE-10", CE, Regime::Masked, |s| s.one_finite(1200, 600)),
    trigger("CE-10", CE, Regime::Long, |s| {
        if s.long < 100_000 { s.refused() } else { s.one_finite(100_000, 50_000) }
    }),
    trigger("CE-20", CE, Regime::Typical, |s| s.uniform(257, 0.25)),
    trigger("CE-20", CE, Regime::Typical, |s| s.uniform(1000, -1.5)),
    trigger("CE-26", CE, Regime::Tied, |s| s.uniform(512, 0.0)),
    trigger("RD-02", CE, Regime::Masked, |s| {
        s.param("label_smoothing", 0.2).param("reduction", "mean").ignoring(-100)
    }),
    trigger("RD-02", CE, Regime::Masked, |s| {
        s.param("label_smoothing", 0.2).param("reduction", "sum").ignoring(-100)
    }),
    trigger("RD-09", CE, Regime::Masked, |s| s.param("reduction", "mean").ignoring(-100)),
    trigger("RD-12", CE, Regime::Masked, |s| s.param("reduction", "sum").ignoring(-100)),
    trigger("RD-04", CE, Regime::Masked, |s| {
        let row: &[f64] = &[0.5, -0.5, 0.25];
        s.param("ignore_index", -1)
            .param("reduction", "none")
            .rows(&[row; 12], &[0, 1, 2, 0, 1, 2, 0, 1, 2, -1, 1, 2])
    }),
    trigger("RD-09", CE, Regime::Degenerate, |s| {
        s.param("ignore_index", -100)
            .param("reduction", "mean")
            .rows(&[&[1.0, 2.0], &[0.5, 0.0]], &[-100, -100])
    }),
    trigger("RD-07", CE, Regime::Typical, |s| {
        s.rows(&[&[1.0, 2.0, -0.5], &[0.0, 0.25, 3.0]], &[1, 0]).upstream(2.5)
    }),
    // A class that is masked out, beside the target.
    trigger("CE-13", CE, Regime::Masked, |s| {
        s.param("label_smoothing", 0.0)
            .rows(&[&[1.0, MINUS_INFINITY, 2.0], &[0.5, 3.0, MINUS_INFINITY]], &[0, 1])
    }),
    // Nothing of a row is left, which therefore is ignored.
    trigger("CE-14", CE, Regime::Masked, |s| {
        let out: &[f64] = &[MINUS_INFINITY; 3];
        s.param("label_smoothing", 0.0)
            .param("ignore_index", -100)
            .rows(&[&[1.0, 0.25, -2.0], out], &[1, -100])
    }),
    // As many rows as classes, each with a maximum of its own: what is broadcast along the wrong axis fits.
    trigger("CE-21", CE, Regime::Typical, |s| {
        s.param("reduction", "none")
            .rows(&[&[1.0, 2.0, 0.5], &[-3.0, -1.0, -4.0], &[6.0, 0.0, 3.0]], &[0, 1, 2])
    }),
    trigger("RD-05", CE, Regime::Typical, |s| {
        let s = s.param("label_smoothing", 0.25).param("reduction", "none").floats(
            "class_weight",
            &[3],
            &[0.25, 1.0, 4.0],
        );
        s.rows(&[&[1.0, 2.0, 0.5], &[0.0, -1.0, 0.25]], &[0, 2])
    }),
    trigger("CE-01", SOFT, Regime::Cancelling, |s| s.soft(&[&[1e8, 1e8]], &[&[1.0, 0.0]])),
    trigger("CE-05", SOFT, Regime::Cancelling, |s| {
        s.param("reduction", "none")
            .soft(&[&[1000001.0, 999999.0], &[-1000001.0, -1000002.0]], &[&[0.75, 0.25], &[0.25, 0.75]])
    }),
    trigger("CE-05", SOFT, Regime::Cancelling, |s| {
        s.soft(&[&[1004.0, 1000.0, 1000.0]], &[&[0.5, 0.25, 0.25]])
    }),
    trigger("CE-17", SOFT, Regime::Saturated, |s| {
        s.soft(&[&[-40.1, 94.7, 3.0, 0.5]], &[&[0.25, 0.25, 0.5, 0.0]])
    }),
    trigger("CE-20", SOFT, Regime::Typical, |s| {
        let mut target = [0.0; 257];
        (target[0], target[256]) = (0.75, 0.25);
        s.soft(&[&[0.25; 257]], &[&target])
    }),
    trigger("KL-15", SOFT, Regime::Masked, |s| {
        let row: &[f64] = &[MINUS_INFINITY, 0.0, MINUS_INFINITY, MINUS_INFINITY];
        s.param("reduction", "none").soft(&[row, row], &[&[1.0, 0.0, 0.0, 0.0], &[0.0, 1.0, 0.0, 0.0]])
    }),
    trigger("KL-05", SOFT, Regime::Edge, |s| {
        s.soft(&[&[1.0, 2.0, -0.5], &[0.0, 0.25, 3.0]], &[&[0.0, 1.0, 0.0], &[0.5, 0.0, 0.5]])
    }),
    trigger("RD-07", SOFT, Regime::Typical, |s| {
        s.soft(&[&[1.0, 2.0, -0.5], &[0.0, 0.25, 3.0]], &[&[0.25, 0.5, 0.25], &[1.0, 0.0, 0.0]]).upstream(2.5)
    }),
    trigger("RD-04", NLL, Regime::Masked, |s| {
        let row: &[f64] = &[-0.5, -1.5, -2.25];
        s.param("ignore_index", -1)
            .param("reduction", "none")
            .log_probs(&[row; 12], &[0, 1, 2, 0, 1, 2, 0, 1, 2, -1, 1, 2])
    }),
    trigger("RD-09", NLL, Regime::Masked, |s| {
        s.param("ignore_index", -100)
            .param("reduction", "mean")
            .log_probs(&[&[-1.0, -0.5], &[-3.0, MINUS_INFINITY], &[-0.25, -2.0]], &[0, -100, 1])
    }),
    trigger("RD-09", NLL, Regime::Degenerate, |s| {
        s.param("ignore_index", -100)
            .param("reduction", "mean")
            .log_probs(&[&[-1.0, -2.0], &[-0.5, 0.0]], &[-100, -100])
    }),
    trigger("RD-12", NLL, Regime::Masked, |s| {
        s.param("ignore_index", -100)
            .param("reduction", "sum")
            .log_probs(&[&[-1.0, -0.5], &[-3.0, -2.0]], &[1, -100])
    }),
    // Rows that sum to anything but 1: who takes the softmax once more gives another loss.
    trigger("CE-23", NLL, Regime::Typical, |s| {
        s.param("reduction", "none").log_probs(&[&[-0.5, -0.25, -3.0], &[-2.0, -4.0, -1.0]], &[2, 0])
    }),
    trigger("RD-07", NLL, Regime::Typical, |s| {
        s.log_probs(&[&[-1.0, -2.0, -0.5], &[-3.0, -0.25, -4.0]], &[1, 0]).upstream(2.5)
    }),
    trigger("KL-02", KL, Regime::Edge, |s| s.masses(&[&[-0.5, -1.0]], &[&[1.0, 0.0]])),
    trigger("KL-03", KL, Regime::Masked, |s| {
        let s = s.param("reduction", "batchmean");
        s.masses(
            &[&[-0.5, -1.0, -2.0], &[-1.0, -1.5, MINUS_INFINITY]],
            &[&[0.75, 0.0, 0.25], &[0.5, 0.5, 0.0]],
        )
    }),
    trigger("KL-05", KL, Regime::Edge, |s| {
        s.param("reduction", "sum").masses(&[&[-0.25, -0.75], &[-3.0, -0.5]], &[&[0.0, 1.0], &[0.5, 0.5]])
    }),
    // 1e-8 is 0 in f16; what an epsilon must not touch is the least number.
    trigger("KL-10", KL, Regime::Masked, |s| {
        let least = s.format.min_subnormal();
        s.param("reduction", "none").masses(&[&[-0.5, -1.0, -2.0]], &[&[1.0, 0.0, least]])
    }),
    trigger("KL-15", KL, Regime::Masked, |s| {
        let x: &[f64] = &[MINUS_INFINITY, 0.0, MINUS_INFINITY, MINUS_INFINITY];
        s.param("reduction", "none").masses(&[x], &[&[1.0, 0.0, 0.0, 0.0]])
    }),
    trigger("RD-10", KL, Regime::Typical, |s| {
        s.param("reduction", "batchmean").masses(&[&[-1.0; 300], &[-2.0; 300]], &[&[0.25; 300], &[0.5; 300]])
    }),
    trigger("RD-07", KL, Regime::Typical, |s| {
        s.masses(&[&[-1.0, -2.0, -0.5], &[-3.0, -0.25, -4.0]], &[&[0.25, 0.5, 0.25], &[0.5, 0.25, 0.25]])
            .upstream(2.5)
    }),
    trigger("RD-07", "mse", Regime::Typical, |s| s.pair(&[1.0, -2.0, 0.5], &[0.0, 1.0, 3.0]).upstream(2.5)),
    trigger("RD-07", "mae", Regime::Typical, |s| s.pair(&[1.0, -2.0, 0.5], &[0.0, 1.0, 3.0]).upstream(2.5)),
    trigger("RD-07", BCE, Regime::Typical, |s| s.binary(&[1.0, -2.0, 0.5], &[0.0, 1.0, 0.5]).upstream(2.5)),
    trigger("RD-07", TRIPLET, Regime::Typical, |s| {
        s.triplet(&[1.0, 2.0], &[0.5, 2.5], &[1.5, 1.0]).upstream(2.5)
    }),
    trigger("RD-07", SMOOTH_L1, Regime::Typical, |s| {
        s.pair(&[1.0, -2.0, 0.5], &[0.0, 1.0, 3.0]).upstream(2.5)
    }),
    // A jump at beta, which beta = 1 hides.
    trigger("RG-02", SMOOTH_L1, Regime::Edge, |s| {
        s.param("beta", 0.5).param("reduction", "none").pair(&[0.25, 0.5, 0.75, -3.0], &[0.0; 4])
    }),
    trigger("RG-03", SMOOTH_L1, Regime::Typical, |s| {
        s.param("beta", 1.0).param("reduction", "none").pair(&[-5.0, 5.0, -0.5], &[0.0; 3])
    }),
    trigger("RD-07", HUBER, Regime::Typical, |s| s.pair(&[1.0, -2.0, 0.5], &[0.0, 1.0, 3.0]).upstream(2.5)),
    // The same two mistakes, in the loss that smooth_l1 divides by its threshold.
    trigger("RG-02", HUBER, Regime::Edge, |s| {
        s.param("delta", 0.5).param("reduction", "none").pair(&[0.25, 0.5, 0.75, -3.0], &[0.0; 4])
    }),
    trigger("RG-03", HUBER, Regime::Typical, |s| {
        s.param("delta", 1.0).param("reduction", "none").pair(&[-5.0, 5.0, -0.5], &[0.0; 3])
    }),
    trigger("RD-07", LOG_COSH, Regime::Typical, |s| {
        s.pair(&[1.0, -2.0, 0.5], &[0.0, 1.0, 3.0]).upstream(2.5)
    }),
    trigger("RD-07", HINGE, Regime::Typical, |s| {
        s.floats("score", &[3], &[0.5, -2.0, 3.0]).floats("target", &[3], &[1.0, 1.0, -1.0]).upstream(2.5)
    }),
    trigger("RD-14", GAUSSIAN, Regime::Typical, |s| {
        s.param("reduction", "none")
            .param("full", false)
            .param("variance_floor", ParamValue::Null)
            .floats("mean", &[2, 3], &[1.0, 3.0, 0.0, 2.0, 2.0, 1.0])
            .floats("target", &[2, 3], &[0.5, 1.0, 4.0, 1.0, 1.0, 3.0])
            .floats("variance", &[2, 3], &[1.0, 2.0, 0.5, 1.0, 4.0, 1.0])
    }),
    // 300 terms of 256 are 76800, beyond f16; a bf16 sum sticks at 65536, where its ulp is 512.
    trigger("RD-15", "mse", Regime::Extreme, |s| s.param("reduction", "mean").constant(300, 16.0)),
    trigger("RD-15", "mae", Regime::Extreme, |s| s.param("reduction", "mean").constant(300, 256.0)),
    trigger("RD-15", LOG_COSH, Regime::Extreme, |s| s.param("reduction", "mean").constant(300, 256.0)),
    trigger("RD-15", HINGE, Regime::Extreme, |s| {
        s.param("reduction", "mean").floats("score", &[300], &[-255.0; 300]).floats(
            "target",
            &[300],
            &[1.0; 300],
        )
    }),
    trigger("RD-15", GAUSSIAN, Regime::Extreme, |s| {
        let s = s.param("reduction", "mean").floats("mean", &[300], &[32.0; 300]);
        s.floats("target", &[300], &[0.0; 300]).floats("variance", &[300], &[1.0; 300])
    }),
    trigger("RD-15", "mse", Regime::Long, |s| s.ones()),
    trigger("RD-15", "mae", Regime::Long, |s| s.ones()),
    trigger("BC-02", BCE, Regime::Saturated, |s| {
        s.param("reduction", "none").binary(&[-100.0, -50.0], &[0.0, 0.0])
    }),
    trigger("BC-04", BCE, Regime::Saturated, |s| {
        s.floats("pos_weight", &[2], &[1.0, 1.0]).binary(&[0.0, -120.0], &[0.0, 1.0])
    }),
    // f32 leaves its range at 89, f64 at 710.
    trigger("BC-11", BCE, Regime::Saturated, |s| {
        s.param("reduction", "none").binary(&[100.0, 18.0, 100.0, 800.0], &[0.0, 0.0, 1.0, 0.0])
    }),
    trigger("BC-13", BCE, Regime::Saturated, |s| {
        s.param("reduction", "none").binary(&[-125.0, -800.0], &[0.0, 0.0])
    }),
    trigger("BC-16", BCE, Regime::Saturated, |s| {
        s.param("reduction", "none").binary(&[-18.25, -18.5625], &[0.0, 0.0])
    }),
    trigger("BC-17", BCE, Regime::Saturated, |s| {
        s.param("reduction", "none").binary(&[89.0, -89.0, 1000.0, -1000.0], &[0.0, 1.0, 1.0, 0.0])
    }),
    trigger("BC-31", BCE, Regime::Saturated, |s| {
        s.param("reduction", "none").binary(&[-1000.0, -110.0], &[1.0, 1.0])
    }),
    trigger("RD-07", PROBABILITY, Regime::Typical, |s| {
        s.probabilities(&[0.25, 0.75, 0.5], &[0.0, 1.0, 0.25]).upstream(2.5)
    }),
    // 1e-59 and 1 − 1e-59 are 0 and 1 but for f64's 1e-59.
    trigger("BC-08", PROBABILITY, Regime::Edge, |s| {
        s.param("reduction", "none").probabilities(&[0.0, 1e-59, 1.0, 1.0], &[0.0, 0.0, 1.0, 1.0])
    }),
    trigger("BC-20", PROBABILITY, Regime::Saturated, |s| {
        s.param("reduction", "none").probabilities(&[1.0, 0.0], &[1.0, 0.0])
    }),
    // Within 1e-7 of the ends, where an epsilon of f32 clips what f64 holds.
    trigger("RG-22", PROBABILITY, Regime::Saturated, |s| {
        s.param("reduction", "none").probabilities(&[1e-8, 1.0 - 1e-9, 3e-8], &[1.0, 0.0, 0.5])
    }),
    trigger("BC-22", PROBABILITY, Regime::Saturated, |s| {
        s.param("reduction", "none").probabilities(&[1.0, 0.9999], &[1.0, 1.0])
    }),
    trigger("RD-07", FOCAL, Regime::Typical, |s| s.binary(&[1.0, -2.0, 0.5], &[0.0, 1.0, 1.0]).upstream(2.5)),
    trigger("BC-23", FOCAL, Regime::Saturated, |s| s.param("reduction", "none").binary(&[100.0], &[1.0])),
    trigger("BC-25", FOCAL, Regime::Saturated, |s| {
        s.param("gamma", 0.0).param("reduction", "none").binary(&[1000.0], &[1.0])
    }),
    trigger("BC-25", FOCAL, Regime::Saturated, |s| {
        s.param("gamma", 0.5).param("reduction", "none").binary(&[100.0, 40.0], &[1.0, 1.0])
    }),
    trigger("BC-27", FOCAL, Regime::Saturated, |s| {
        s.param("gamma", 0.0).param("reduction", "none").binary(&[-2.0, 0.3, 19.0], &[0.0, 1.0, 1.0])
    }),
    trigger("BC-29", FOCAL, Regime::Saturated, |s| {
        s.param("gamma", 0.5).param("reduction", "none").binary(&[-20.0, 20.0, -800.0], &[1.0, 0.0, 0.0])
    }),
    trigger("RD-07", COSINE, Regime::Typical, |s| {
        s.directions(&[1.0, -2.0, 0.5], &[0.25, 1.0, 1.0], &[1.0]).upstream(2.5)
    }),
    trigger("DS-14", COSINE, Regime::Degenerate, |s| {
        s.param("epsilon", 1e-12).directions(&[0.0, 0.0], &[1.0, 0.5], &[1.0])
    }),
    trigger("DS-01", COSINE, Regime::Degenerate, |s| {
        s.param("epsilon", 1e-12).directions(&[0.0, 0.0], &[0.0, 0.0], &[-1.0])
    }),
    trigger("DS-01", TRIPLET, Regime::Degenerate, |s| {
        s.param("margin", 1.0).triplet(&[0.0, 0.0], &[0.0, 0.0], &[0.25, 0.5])
    }),
    trigger("DS-03", TRIPLET, Regime::Degenerate, |s| {
        let s = s.floats("anchor", &[2, 2], &[1.0, 2.0, 0.5, 0.25]).floats(
            "positive",
            &[2, 2],
            &[1.0, 2.0, 1.0, -0.5],
        );
        s.floats("negative", &[2, 2], &[1.5, 2.0, 0.25, 0.25])
    }),
    trigger("DS-06", TRIPLET, Regime::Degenerate, |s| {
        s.param("margin", 1.0).triplet(&[1.0, 2.0], &[1.0, 2.0], &[1.5, 1.75])
    }),
    trigger("DS-14", TRIPLET, Regime::Degenerate, |s| {
        s.param("margin", 1.0).triplet(&[0.0, 0.0], &[0.0, 0.0], &[0.0, 0.0])
    }),
    // No hinge is active: there is nothing over whose number a mean could be taken.
    trigger("RD-19", TRIPLET, Regime::Degenerate, |s| {
        s.param("margin", 0.5).param("reduction", "mean").triplet(&[0.0, 1.0], &[0.25, 1.0], &[3.0, -2.0])
    }),
    trigger("DS-05", TRIPLET, Regime::Typical, |s| s.param("p", 1.0).three_far()),
    trigger("DS-05", TRIPLET, Regime::Typical, |s| s.param("p", "inf").three_far()),
    trigger("DS-05", TRIPLET, Regime::Typical, |s| s.param("p", 3.0).three_far()),
    trigger("DS-09", TRIPLET, Regime::Edge, |s| s.param("p", 1.0).along_axes()),
    trigger("DS-09", TRIPLET, Regime::Edge, |s| s.param("p", 3.0).along_axes()),
    // Away from the kink, with differences of both signs.
    trigger("DS-09", TRIPLET, Regime::Edge, |s| {
        s.param("p", 3.0).param("margin", 1.0).triplet(&[0.0, 0.0], &[-2.0, 1.0], &[1.0, -1.5])
    }),
];

/// The triggers of a loss in a regime that the format holds and the subject takes, as cases.
pub(super) fn cases(
    entry: &dyn LossEntry,
    format: Format,
    regime: Regime,
    taken: &Taken,
    long: usize,
) -> Vec<Case> {
    let fitting = TRIGGERS.iter().filter(|t| t.loss == entry.spec().id && t.regime == regime);
    fitting.filter_map(|trigger| (trigger.make)(Sketch::new(format, long)).case(entry, taken)).collect()
}

/// The same of every regime, with the entry and the regime of each.
pub(super) fn flagged(
    entry: &dyn LossEntry,
    format: Format,
    taken: &Taken,
    long: usize,
) -> Vec<(&'static str, Regime, Case)> {
    let own = TRIGGERS.iter().filter(|trigger| trigger.loss == entry.spec().id);
    let cases = own.filter_map(|trigger| {
        let case = (trigger.make)(Sketch::new(format, long)).case(entry, taken)?;
        Some((trigger.id, trigger.regime, case))
    });
    cases.collect()
}

/// What a trigger fixes. Parameters that it leaves open are the defaults, or what is pinned.
pub(super) struct Sketch {
    format: Format,
    long: usize,
    params: Params,
    inputs: Tensors,
    upstream: f64,
    refused: bool,
}

impl Sketch {
    fn new(format: Format, long: usize) -> Sketch {
        Sketch {
            format,
            long,
            params: Params::default(),
            inputs: Tensors::new(),
            upstream: 1.0,
            refused: false,
        }
    }

    fn param(mut self, name: &str, value: impl Into<ParamValue>) -> Sketch {
        self.params.set(name, value);
        self
    }

    fn upstream(mut self, upstream: f64) -> Sketch {
        self.upstream = upstream;
        self
    }

    /// There is no such case here.
    fn refused(mut self) -> Sketch {
        self.refused = true;
        self
    }

    /// A float input, rounded; where a finite number becomes infinite the format cannot hold the trigger.
    fn floats(mut self, name: &str, shape: &[usize], values: &[f64]) -> Sketch {
        let rounded: Vec<f64> = values.iter().map(|&x| self.format.round(x)).collect();
        self.refused |= rounded.iter().zip(values).any(|(r, x)| r.is_infinite() && x.is_finite());
        self.inputs.insert(name.to_owned(), Tensor::float(self.format, shape, rounded));
        self
    }

    fn rows(self, rows: &[&[f64]], targets: &[i64]) -> Sketch {
        self.scores("logits", rows, targets)
    }

    fn log_probs(self, rows: &[&[f64]], targets: &[i64]) -> Sketch {
        self.scores("log_probs", rows, targets)
    }

    /// Rows of logits against distributions.
    fn soft(self, rows: &[&[f64]], target: &[&[f64]]) -> Sketch {
        let shape = [rows.len(), rows[0].len()];
        self.floats("logits", &shape, &rows.concat()).floats("target", &shape, &target.concat())
    }

    /// Rows of log-probabilities against masses.
    fn masses(self, rows: &[&[f64]], target: &[&[f64]]) -> Sketch {
        let shape = [rows.len(), rows[0].len()];
        let sketch = self.param("log_target", false).floats("log_prediction", &shape, &rows.concat());
        sketch.floats("target", &shape, &target.concat())
    }

    /// Rows of scores against a class each.
    fn scores(self, name: &str, rows: &[&[f64]], targets: &[i64]) -> Sketch {
        let shape = [rows.len(), rows[0].len()];
        let mut sketch = self.floats(name, &shape, &rows.concat());
        sketch.inputs.insert("target".to_owned(), Tensor::i64(&[rows.len()], targets.to_vec()));
        sketch
    }

    /// One row of equal logits.
    fn uniform(self, classes: usize, logit: f64) -> Sketch {
        self.rows(&[&vec![logit; classes]], &[classes as i64 / 3])
    }

    /// One row of −∞ but for the target's 10.
    fn one_finite(self, classes: usize, target: usize) -> Sketch {
        let mut row = vec![f64::NEG_INFINITY; classes];
        row[target] = 10.0;
        // With smoothing the loss would be infinite, and the trigger another one.
        self.param("label_smoothing", 0.0).rows(&[&row], &[target as i64])
    }

    /// Four rows, two of them ignored, which alone have large logits.
    fn ignoring(self, index: i64) -> Sketch {
        let rows: [&[f64]; 4] =
            [&[1.0, 2.0, 0.5], &[30.0, -10.0, 4.0], &[0.0, -1.0, 0.25], &[-20.0, 5.0, 8.0]];
        self.param("ignore_index", index).rows(&rows, &[1, index, 2, index])
    }

    fn pair(self, prediction: &[f64], target: &[f64]) -> Sketch {
        let shape = [prediction.len()];
        self.floats("prediction", &shape, prediction).floats("target", &shape, target)
    }

    fn constant(self, count: usize, residual: f64) -> Sketch {
        self.pair(&vec![residual; count], &vec![0.0; count])
    }

    /// RD-15 itself: ones(100000), or as many as are asked for.
    fn ones(self) -> Sketch {
        let count = self.long.min(100_000);
        self.param("reduction", "mean").constant(count, 1.0)
    }

    fn binary(self, logits: &[f64], target: &[f64]) -> Sketch {
        let shape = [logits.len()];
        self.floats("logits", &shape, logits).floats("target", &shape, target)
    }

    fn probabilities(self, probability: &[f64], target: &[f64]) -> Sketch {
        let shape = [probability.len()];
        self.floats("probability", &shape, probability).floats("target", &shape, target)
    }

    /// A pair of rows, or as many as there are signs.
    fn directions(self, x1: &[f64], x2: &[f64], signs: &[f64]) -> Sketch {
        let shape = [signs.len(), x1.len() / signs.len()];
        let sketch = self.floats("x1", &shape, x1).floats("x2", &shape, x2);
        sketch.floats("target", &[signs.len()], signs)
    }

    fn triplet(self, anchor: &[f64], positive: &[f64], negative: &[f64]) -> Sketch {
        let shape = [1, anchor.len()];
        let sketch = self.floats("anchor", &shape, anchor).floats("positive", &shape, positive);
        sketch.floats("negative", &shape, negative)
    }

    /// An active hinge with differences of several sizes and signs.
    fn three_far(self) -> Sketch {
        self.triplet(&[0.0, 1.0, -1.0], &[3.0, -0.5, -1.25], &[0.5, 2.0, -0.5])
    }

    /// DS-09 itself: 1 + 2 − 3 is exactly the kink.
    fn along_axes(self) -> Sketch {
        self.param("margin", 1.0).triplet(&[0.0, 0.0], &[2.0, 0.0], &[0.0, 3.0])
    }

    /// The case, unless a pin contradicts it, an optional input is not taken or the format cannot hold it.
    fn case(self, entry: &dyn LossEntry, taken: &Taken) -> Option<Case> {
        let spec = entry.spec();
        let absent = |name: &String| {
            spec.input(name).is_none_or(|input| input.optional && !taken.optional_inputs.contains(name))
        };
        if self.refused || self.inputs.keys().any(absent) {
            return None;
        }
        // Completed apart, so that 2 and 2.0 are the same.
        let (wanted, pinned) = (self.params.complete(spec).ok()?, taken.pinned.complete(spec).ok()?);
        let contradicted =
            |name: &String| taken.pinned.0.contains_key(name) && wanted.get(name) != pinned.get(name);
        if self.params.0.keys().any(contradicted) {
            return None;
        }
        let mut params = pinned;
        for name in self.params.0.keys() {
            params.set(name, wanted.get(name).clone());
        }
        let shape = entry.loss_shape(&params, &self.inputs);
        let upstream = Tensor::full(self.format, &shape, self.upstream);
        draft::case(spec, self.format, taken, params, self.inputs, upstream).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss;

    /// The entries of KNOWN_BUGS.md that concern the built losses.
    const ENTRIES: &[&str] = &[
        "CE-01", "CE-05", "CE-06", "CE-10", "CE-17", "CE-20", "CE-26", "RD-02", "RD-04", "RD-07", "RD-09",
        "RD-12", "RD-14", "RD-15", "RD-10", "KL-02", "KL-03", "KL-05", "KL-10", "KL-15", "BC-02", "BC-04",
        "BC-08", "BC-20", "BC-22", "BC-23", "BC-25", "BC-27", "BC-29", "BC-11", "BC-13", "BC-16", "BC-17",
        "BC-31", "DS-01", "DS-03", "DS-05", "DS-06", "DS-09", "DS-14", "RG-02", "RG-03", "CE-13", "CE-14",
        "CE-21", "CE-23", "RD-05", "RD-19", "RG-22",
    ];

    fn made(trigger: &Trigger, format: Format, taken: &Taken) -> Option<Case> {
        (trigger.make)(Sketch::new(format, 1 << 17)).case(loss::find(trigger.loss).unwrap(), taken)
    }

    #[test]
    fn every_entry_has_a_trigger_that_fits_every_format_but_where_f16_ends() {
        for id in ENTRIES {
            assert!(TRIGGERS.iter().any(|trigger| trigger.id == *id), "{id} has no trigger");
        }
        for trigger in TRIGGERS {
            assert!(ENTRIES.contains(&trigger.id), "{} is not listed", trigger.id);
            let taken = Taken::all(loss::find(trigger.loss).unwrap());
            for format in Format::ALL {
                let beyond = format == Format::F16
                    && trigger.regime == Regime::Cancelling
                    && (trigger.make)(Sketch::new(Format::F64, 0)).inputs["logits"].floats()[0] > 65504.0;
                assert_eq!(made(trigger, format, &taken).is_none(), beyond, "{} in {format}", trigger.id);
            }
        }
    }

    #[test]
    fn pins_and_inputs_that_are_not_taken_leave_triggers_out() {
        let find = |id| TRIGGERS.iter().find(|trigger| trigger.id == id).unwrap();
        let mut taken = Taken::all(loss::find(CE).unwrap());
        taken.pinned.set("label_smoothing", 0i64);
        assert!(made(find("RD-02"), Format::F32, &taken).is_none());
        assert!(made(find("CE-10"), Format::F32, &taken).is_some(), "0 and 0.0 are the same");
        assert!(made(find("BC-04"), Format::F32, &Taken::default()).is_none());
        assert!(made(find("BC-02"), Format::F32, &Taken::default()).is_some());
    }
}
