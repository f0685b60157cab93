//! Known bugs of softmax cross-entropy: the log-sum-exp, ignored rows, smoothing, accumulators.

use super::super::{BUILTIN_FORMATS, KernelError};
use super::plain::{answer, floats, maximum, pairwise_sum, reduce, round};
use super::{About, rounded, trigger};
use crate::case::{Case, Tensors};
use crate::format::Format;
use crate::judge::Fault;
use crate::loss::Default;
use crate::tensor::Tensor;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, Mutex};

/// No smoothing.
const HARD: &[(&str, Default)] = &[("label_smoothing", Default::Number(0.0))];

/// The loss of each row of (logits, class), the ignored ones as told.
fn rows(case: &Case, loss: impl Fn(&[f32], usize) -> f32, ignored: impl Fn(&[f32]) -> f32) -> Tensors {
    let (logits, classes) = (floats(case, "logits"), case.input("logits").shape[1]);
    let ignore = case.params.integer("ignore_index");
    let targets = case.input("target").integers();
    let terms = targets
        .iter()
        .zip(logits.chunks_exact(classes))
        .map(|(&t, row)| if Some(t) == ignore { ignored(row) } else { loss(row, t as usize) });
    let terms: Vec<f32> = terms.collect();
    let kept = targets.iter().filter(|&&t| Some(t) != ignore).count();
    answer(case, &reduce(case, &terms, kept as f32))
}

fn kept_rows(case: &Case, loss: impl Fn(&[f32], usize) -> f32) -> Tensors {
    rows(case, loss, |_| 0.0)
}

/// exp(x − max), and max.
fn shifted(row: &[f32]) -> (Vec<f32>, f32) {
    let m = maximum(row);
    (row.iter().map(|x| libm::expf(x - m)).collect(), m)
}

/// The right form: ln Σ exp(x − max) − (x_t − max).
fn stable_loss(row: &[f32], target: usize) -> f32 {
    let (exps, m) = shifted(row);
    libm::logf(pairwise_sum(&exps)) - (row[target] - m)
}

fn batch(format: Format, params: &[(&str, Default)], classes: usize, x: &[f64], target: &[i64]) -> Case {
    trigger(
        "cross_entropy",
        format,
        params,
        &[],
        vec![
            ("logits", rounded(format, &[target.len(), classes], x)),
            ("target", Tensor::i64(&[target.len()], target.to_vec())),
        ],
    )
}

/// The maximum added back before the logit is subtracted.
pub(super) const CE_01: About = About {
    entry: "CE-01",
    description: "PyTorch: lse(x) - x_t with the maximum added back; a large common offset rounds the sum away",
    link: "pytorch/pytorch#11752",
    faults: &[Fault::SpuriousZero, Fault::Inaccurate],
    names: ["CE-01", "CE-01-twin"],
    loss: "cross_entropy",
    formats: &[Format::F32, Format::Bf16],
    gradients: &[],
    optional_inputs: &[],
    pinned: HARD,
    run: |case, wrong| {
        let loss = |row: &[f32], target: usize| {
            let (exps, m) = shifted(row);
            let ln_sum = libm::logf(pairwise_sum(&exps));
            if wrong { (m + ln_sum) - row[target] } else { ln_sum - (row[target] - m) }
        };
        Ok(kept_rows(case, loss))
    },
    trigger: |format| batch(format, HARD, 2, &[1e8, 1e8], &[0]),
};

/// A running maximum of −∞.
pub(super) const CE_10: About = About {
    entry: "CE-10",
    description: "flash-attention: online softmax over tiles; a first tile of -inf makes -inf - -inf",
    link: "Dao-AILab/flash-attention#1930",
    faults: &[Fault::SpuriousNan],
    names: ["CE-10", "CE-10-twin"],
    loss: "cross_entropy",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: HARD,
    run: |case, wrong| {
        const TILE: usize = 1024;
        let loss = |row: &[f32], target: usize| {
            let (mut m, mut s) = (f32::NEG_INFINITY, 0.0);
            for tile in row.chunks(TILE) {
                let larger = m.max(maximum(tile));
                if larger == f32::NEG_INFINITY && !wrong && !tile.iter().any(|x| x.is_nan()) {
                    continue;
                }
                let exps: Vec<f32> = tile.iter().map(|x| libm::expf(x - larger)).collect();
                s = s * libm::expf(m - larger) + pairwise_sum(&exps);
                m = larger;
            }
            libm::logf(s) - (row[target] - m)
        };
        Ok(kept_rows(case, loss))
    },
    trigger: |format| {
        let mut x = vec![f64::NEG_INFINITY; 100_000];
        x[50_000] = 10.0;
        batch(format, HARD, x.len(), &x, &[50_000])
    },
};

/// The logarithm of a quotient of exponentials.
pub(super) const CE_17: About = About {
    entry: "CE-17",
    description: "PyTorch: log_softmax as ln(exp(x)/sum exp(x)): exp overflows for moderate logits",
    link: "pytorch/pytorch#795",
    faults: &[Fault::SpuriousNan, Fault::SpuriousInfinity],
    names: ["CE-17", "CE-17-twin"],
    loss: "cross_entropy",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: HARD,
    run: |case, wrong| {
        let loss = |row: &[f32], target: usize| {
            if !wrong {
                return stable_loss(row, target);
            }
            let exps: Vec<f32> = row.iter().map(|&x| libm::expf(x)).collect();
            -libm::logf(exps[target] / pairwise_sum(&exps))
        };
        Ok(kept_rows(case, loss))
    },
    trigger: |format| batch(format, HARD, 2, &[94.7, -40.1], &[0]),
};

/// Lanes beyond the last class that hold 0.
pub(super) const CE_20: About = About {
    entry: "CE-20",
    description: "verl: the lanes of the last tile beyond the vocabulary were logits of 0, not -inf",
    link: "verl-project/verl#2899",
    faults: &[Fault::Inaccurate],
    names: ["CE-20", "CE-20-twin"],
    loss: "cross_entropy",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: HARD,
    run: |case, wrong| {
        const TILE: usize = 256;
        let loss = |row: &[f32], target: usize| {
            let m = maximum(row);
            let mut lanes = row.to_vec();
            lanes.resize(row.len().next_multiple_of(TILE), if wrong { 0.0 } else { f32::NEG_INFINITY });
            let exps: Vec<f32> = lanes.iter().map(|x| libm::expf(x - m)).collect();
            libm::logf(pairwise_sum(&exps)) - (row[target] - m)
        };
        Ok(kept_rows(case, loss))
    },
    trigger: |format| batch(format, HARD, 3, &[2.0, 1.0, -1.0], &[0]),
};

/// The cases that [`CE_25`] has seen, by hash.
static SEEN: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);

fn seen_before(case: &Case) -> bool {
    let mut hasher = DefaultHasher::new();
    case.format.hash(&mut hasher);
    for (name, tensor) in &case.inputs {
        (name, &tensor.shape, tensor.to_bytes()).hash(&mut hasher);
    }
    format!("{:?}", case.params).hash(&mut hasher);
    let mut seen = SEEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    !seen.insert(hasher.finish())
}

/// Another answer to the same question.
pub(super) const CE_25: About = About {
    entry: "CE-25",
    description: "PyTorch: an index overflow left -0.0 in the batch's tail, on later calls only",
    link: "pytorch/pytorch#111484",
    faults: &[Fault::Nondeterministic, Fault::SpuriousZero],
    names: ["CE-25", "CE-25-twin"],
    loss: "cross_entropy",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("label_smoothing", Default::Number(0.0)), ("reduction", Default::Text("none"))],
    run: |case, wrong| {
        let mut outputs = kept_rows(case, stable_loss);
        if wrong
            && seen_before(case)
            && let Some(Tensor { values: crate::tensor::Values::Float(loss), .. }) = outputs.get_mut("loss")
            && let Some(last) = loss.last_mut()
        {
            *last = -0.0;
        }
        Ok(outputs)
    },
    trigger: |format| {
        let none = [("reduction", Default::Text("none"))];
        batch(format, &none, 3, &[1.0, 1.0, 1.0, 1.0, 2.0, 3.0], &[0, 1])
    },
};

/// The sum kept in the format of the logits.
pub(super) const CE_26: About = About {
    entry: "CE-26",
    description: "ExecuTorch: softmax summed in bf16 or half, where a sum of ones sticks at 256 or 2048",
    link: "pytorch/executorch PR#20089",
    faults: &[Fault::Inaccurate],
    names: ["CE-26", "CE-26-twin"],
    loss: "cross_entropy",
    formats: &[Format::F16, Format::Bf16],
    gradients: &[],
    optional_inputs: &[],
    pinned: HARD,
    run: |case, wrong| {
        let loss = |row: &[f32], target: usize| {
            let (exps, m) = shifted(row);
            let sum = if wrong {
                exps.iter().fold(0.0, |sum, e| round(case.format, sum + e))
            } else {
                pairwise_sum(&exps)
            };
            libm::logf(sum) - (row[target] - m)
        };
        Ok(kept_rows(case, loss))
    },
    trigger: |format| batch(format, HARD, 4096, &[1.0; 4096], &[0]),
};

/// (1 − ε)·(loss of the class) + ε·(mean over all classes), where a part of weight 0 is left out.
fn smoothed(row: &[f32], target: Option<usize>, epsilon: f32) -> f32 {
    let (exps, m) = shifted(row);
    let ln_sum = libm::logf(pairwise_sum(&exps));
    // share·(ln Σ exp(x − m) + (m − x)); of logits at both ends of the range only half the difference is in it.
    let part = |share: f32, x: f32| share * ln_sum + 2.0 * share * (0.5 * m - 0.5 * x);
    let at_target = target.filter(|_| epsilon < 1.0).map_or(0.0, |t| part(1.0 - epsilon, row[t]));
    if epsilon == 0.0 {
        return at_target;
    }
    let share = epsilon / row.len() as f32;
    let everywhere: Vec<f32> = row.iter().map(|&x| part(share, x)).collect();
    at_target + pairwise_sum(&everywhere)
}

/// Smoothing that goes over ignored rows too.
pub(super) const RD_02: About = About {
    entry: "RD-02",
    description: "PyTorch: the uniform part of the smoothed loss took in the ignored rows",
    link: "pytorch/pytorch#73205",
    faults: &[Fault::Inaccurate],
    names: ["RD-02", "RD-02-twin"],
    loss: "cross_entropy",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("smoothing_form", Default::Text("over_k"))],
    run: |case, wrong| {
        let epsilon = case.params.number("label_smoothing").unwrap_or(0.0) as f32;
        let ignored = |row: &[f32]| if wrong && epsilon > 0.0 { smoothed(row, None, epsilon) } else { 0.0 };
        Ok(rows(case, |row, target| smoothed(row, Some(target), epsilon), ignored))
    },
    trigger: |format| {
        let smoothing = [("label_smoothing", Default::Number(0.25))];
        batch(format, &smoothing, 2, &[1.0, 2.0, 4.0, 0.0], &[1, -100])
    },
};

/// Ignored rows that nobody writes.
pub(super) const RD_04: About = About {
    entry: "RD-04",
    description: "PyTorch: nll_loss(reduction=none) did not write the ignored rows; what lay there was NaN at times",
    link: "pytorch/pytorch#20406",
    faults: &[Fault::SpuriousNan],
    names: ["RD-04", "RD-04-twin"],
    loss: "cross_entropy",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: &[("label_smoothing", Default::Number(0.0)), ("reduction", Default::Text("none"))],
    run: |case, wrong| Ok(rows(case, stable_loss, |_| if wrong { f32::NAN } else { 0.0 })),
    trigger: |format| {
        let none = [("reduction", Default::Text("none"))];
        batch(format, &none, 2, &[1.0, 2.0, 4.0, 0.0], &[1, -100])
    },
};

/// A default that means no masking.
pub(super) const RD_12: About = About {
    entry: "RD-12",
    description: "FlagGems: rows were ignored only where ignore_index was not its default -100; the class -100 is then read",
    link: "flagos-ai/FlagGems PR#73",
    faults: &[Fault::Crash],
    names: ["RD-12", "RD-12-twin"],
    loss: "cross_entropy",
    formats: BUILTIN_FORMATS,
    gradients: &[],
    optional_inputs: &[],
    pinned: HARD,
    run: run_rd_12,
    trigger: |format| batch(format, HARD, 2, &[1.0, 2.0, 4.0, 0.0], &[1, -100]),
};

fn run_rd_12(case: &Case, wrong: bool) -> Result<Tensors, KernelError> {
    let masks = !wrong || case.params.integer("ignore_index") != Some(-100);
    let outside = case.input("target").integers().iter().find(|&&t| t == -100);
    match outside {
        Some(class) if !masks => Err(KernelError::Failed(format!("class {class} is out of bounds"))),
        _ => Ok(kept_rows(case, stable_loss)),
    }
}
