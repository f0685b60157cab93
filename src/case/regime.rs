//! Regimes: named ways of making cases, each with the danger it aims at.

use serde::{Deserialize, Serialize};

/// A named way of making cases.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// What a training step sees.
    Typical,
    /// Exact zeros, ones, kinks, bounds of the domain.
    Edge,
    /// Scales from the format's least to its greatest.
    Extreme,
    /// Confident predictions: sigmoid and softmax at their ends.
    Saturated,
    /// Small differences of large numbers.
    Cancelling,
    /// Inputs or answers below the normal numbers.
    Subnormal,
    /// Ignored rows, −∞ logits, zero weights.
    Masked,
    /// Exactly equal entries.
    Tied,
    /// Empty, single, all ignored, coinciding points.
    Degenerate,
    /// Up to 128 Ki classes or elements.
    Long,
    /// An intermediate step leaves the format's range though the answer does not; nothing is demanded.
    Overflowing,
    /// Found by search.
    Worst,
}

impl Regime {
    /// All regimes.
    pub const ALL: [Regime; 12] = [
        Regime::Typical,
        Regime::Edge,
        Regime::Extreme,
        Regime::Saturated,
        Regime::Cancelling,
        Regime::Subnormal,
        Regime::Masked,
        Regime::Tied,
        Regime::Degenerate,
        Regime::Long,
        Regime::Overflowing,
        Regime::Worst,
    ];

    /// The name used in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Regime::Typical => "typical",
            Regime::Edge => "edge",
            Regime::Extreme => "extreme",
            Regime::Saturated => "saturated",
            Regime::Cancelling => "cancelling",
            Regime::Subnormal => "subnormal",
            Regime::Masked => "masked",
            Regime::Tied => "tied",
            Regime::Degenerate => "degenerate",
            Regime::Long => "long",
            Regime::Overflowing => "overflowing",
            Regime::Worst => "worst",
        }
    }

    /// The regime of that name.
    pub fn parse(name: &str) -> Option<Regime> {
        Regime::ALL.into_iter().find(|regime| regime.name() == name)
    }
}

/// What a subject takes, as far as cases depend on it.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The optional inputs that it takes.
    pub optional_inputs: Vec<String>,
    /// Parameters that it cannot vary, with their values.
    pub pinned: crate::loss::Params,
    /// The inputs by which it differentiates.
    pub gradients: Vec<String>,
}

// STAND-IN (front): the regimes branch replaces this.

impl Taken {
    /// Whether a subject that takes this can be asked the case.
    pub fn takes(&self, _case: &crate::case::Case) -> bool {
        true
    }
}

/// Cases of a regime.
pub fn generate(
    loss: &dyn crate::loss::LossEntry,
    format: crate::format::Format,
    regime: Regime,
    taken: &Taken,
    seed: u64,
    count: usize,
    _long: usize,
) -> Vec<crate::case::Case> {
    use crate::tensor::Tensor;
    let spec = loss.spec();
    if spec.inputs[0].name != "prediction" {
        return Vec::new();
    }
    let case = |i: usize| {
        let n = (i + regime as usize) % 5 + 1;
        let value = |k: usize| ((seed as usize + i * 7 + k * 3 + regime as usize) % 17) as f64 * 0.5 - 4.25;
        let tensor = |from: usize| Tensor::float(format, &[n], (0..n).map(|k| value(from + k)).collect());
        let mut inputs = crate::case::Tensors::new();
        inputs.insert("prediction".into(), tensor(0));
        inputs.insert("target".into(), tensor(5));
        if taken.optional_inputs.iter().any(|name| name == "weight") && i % 2 == 1 {
            inputs.insert("weight".into(), Tensor::full(format, &[n], 2.0));
        }
        let mut params = taken.pinned.clone();
        if i % 3 == 1 && !params.0.contains_key("reduction") {
            params.set("reduction", "none");
        }
        let mut case = crate::case::Case::new(spec.id, format, params, inputs).ok()?;
        case.gradients.retain(|name| taken.gradients.contains(name));
        Some(case)
    };
    (0..count).filter_map(case).collect()
}
