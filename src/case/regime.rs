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
