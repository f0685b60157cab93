//! Regimes: named ways of making cases, each with the danger it aims at.
//!
//! Cases are made from a loss's Spec: its inputs' domains and shapes say which kind of loss it is, a file for each kind; the
//! names of its parameters say which values are worth a case. No generator knows a loss by its id, but for the table of
//! bugs that shipped. A case depends on (loss, format, regime, what the subject takes, seed, its index) and on nothing else.

mod directions;
mod distributions;
mod draft;
mod elementwise;
mod numbers;
mod params;
mod probability;
mod random;
mod residual;
mod rows;
mod spread;
mod triggers;
mod upstream;
mod vectors;

#[cfg(test)]
mod tests;

use super::Case;
use crate::format::Format;
use crate::kernel::Support;
use crate::loss::{LossEntry, Spec};
use draft::Draft;
use random::Random;
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

    /// The danger that it aims at, in one line.
    pub fn aim(self) -> &'static str {
        match self {
            Regime::Typical => {
                "ordinary magnitudes: wrong formulas, forgotten upstreams, tails of tiles and lanes"
            }
            Regime::Edge => "exact zeros, ones, kinks and branch points, and their neighbours",
            Regime::Extreme => "every scale of the format, to its ends: overflow and underflow of the answer",
            Regime::Saturated => {
                "confident predictions, right and wrong: tails lost in ln(1 + tiny), exp out of range"
            }
            Regime::Cancelling => "a large offset shared by all: differences taken too late",
            Regime::Subnormal => {
                "inputs and answers below the normal numbers: flushing, double rounding, division by 0"
            }
            Regime::Masked => "ignored rows, -inf logits, zero weights: 0 times inf, wrong divisors, leaks",
            Regime::Tied => {
                "exactly equal entries: kinks of max and norm, sums of one constant that stick or drift"
            }
            Regime::Degenerate => "nothing, one, all ignored, coinciding points: division by 0",
            Regime::Long => "very long sums: drift, sticking 16-bit sums, tiles that hold only -inf",
            Regime::Overflowing => {
                "a step on the way leaves the range though the answer does not; nothing is demanded"
            }
            Regime::Worst => "the worst inputs that a search found",
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

impl Taken {
    /// A subject that takes everything that the loss has.
    pub fn all(entry: &dyn LossEntry) -> Taken {
        let optional = entry.spec().inputs.iter().filter(|input| input.optional);
        Taken {
            optional_inputs: optional.map(|input| input.name.to_owned()).collect(),
            pinned: crate::loss::Params::default(),
            gradients: entry.spec().differentiable().map(str::to_owned).collect(),
        }
    }

    /// What a subject with this support takes.
    pub fn of(support: &Support) -> Taken {
        Taken {
            optional_inputs: support.optional_inputs.clone(),
            pinned: support.params.clone(),
            gradients: support.gradients.clone(),
        }
    }

    /// Whether a subject that takes this can be asked the case.
    pub fn takes(&self, case: &Case) -> bool {
        let Ok(entry) = case.entry() else { return false };
        let spec = entry.spec();
        let optional = |name: &String| spec.input(name).is_some_and(|input| input.optional);
        let (Ok(pinned), Ok(params)) = (self.pinned.complete(spec), case.params.complete(spec)) else {
            return false;
        };
        case.inputs.keys().all(|name| !optional(name) || self.optional_inputs.contains(name))
            && case.gradients.iter().all(|name| self.gradients.contains(name))
            && self.pinned.0.keys().all(|name| pinned.get(name) == params.get(name))
    }
}

/// What kind of loss it is, by the roles of its inputs.
enum Kind {
    /// Predictions against targets.
    Residual([&'static str; 2]),
    /// Rows of scores against classes.
    Rows(rows::Roles),
    /// Rows of scores against distributions over the classes.
    Distributions(distributions::Roles),
    /// Scores against probabilities or signs.
    Elementwise(elementwise::Roles),
    /// Probabilities against probabilities.
    Probability(probability::Roles),
    /// Pairs of embeddings with a sign.
    Directions(directions::Roles),
    /// Embeddings.
    Vectors(Vec<&'static str>),
    /// None of these: each input by its domain alone.
    Other,
}

impl Kind {
    fn of(spec: &Spec) -> Kind {
        if let Some(roles) = residual::roles(spec) {
            Kind::Residual(roles)
        } else if let Some(roles) = rows::roles(spec) {
            Kind::Rows(roles)
        } else if let Some(roles) = distributions::roles(spec) {
            Kind::Distributions(roles)
        } else if let Some(roles) = elementwise::roles(spec) {
            Kind::Elementwise(roles)
        } else if let Some(roles) = probability::roles(spec) {
            Kind::Probability(roles)
        } else if let Some(roles) = directions::roles(spec) {
            Kind::Directions(roles)
        } else if let Some(roles) = vectors::roles(spec) {
            Kind::Vectors(roles)
        } else {
            Kind::Other
        }
    }
}

/// The first `count` cases of a regime. The bugs that shipped come first.
///
/// `long` is the length of the long axis in [`Regime::Long`] (128 Ki shows every danger; a default check asks for less);
/// at 0 that regime has no cases. [`Regime::Worst`] has none yet.
///
/// Deterministic: the same arguments give the same bytes, and a smaller `count` gives the first of the same cases.
///
/// Every case is valid. One that is not is a bug of a generator: it panics where debug assertions are on, and is
/// left out elsewhere.
pub fn generate(
    loss: &dyn LossEntry,
    format: Format,
    regime: Regime,
    taken: &Taken,
    seed: u64,
    count: usize,
    long: usize,
) -> Vec<Case> {
    if regime == Regime::Worst || (regime == Regime::Long && long == 0) {
        return Vec::new();
    }
    let mut cases = triggers::cases(loss, format, regime, taken, long);
    let triggers = cases.len();
    cases.truncate(count);
    let drawn = |index| drawn(loss, format, regime, taken, seed, index, triggers, long);
    cases.extend((triggers..count).filter_map(drawn));
    cases
}

/// Every trigger of a bug that shipped which the format holds and the subject takes: its entry in the list of known bugs,
/// its regime, its case. `long` as in [`generate`].
pub fn trigger_cases(
    loss: &dyn LossEntry,
    format: Format,
    taken: &Taken,
    long: usize,
) -> Vec<(&'static str, Regime, Case)> {
    triggers::flagged(loss, format, taken, long)
}

/// The entries of the list of known bugs that have triggers.
pub fn trigger_entries() -> impl Iterator<Item = &'static str> {
    triggers::TRIGGERS.iter().map(|trigger| trigger.id)
}

/// The case at one index: as [`generate`] has it there. Nothing in regimes that have no cases.
pub fn generate_one(
    loss: &dyn LossEntry,
    format: Format,
    regime: Regime,
    taken: &Taken,
    seed: u64,
    index: usize,
    long: usize,
) -> Option<Case> {
    if regime == Regime::Worst || (regime == Regime::Long && long == 0) {
        return None;
    }
    let mut triggers = triggers::cases(loss, format, regime, taken, long);
    if index < triggers.len() {
        return Some(triggers.swap_remove(index));
    }
    drawn(loss, format, regime, taken, seed, index, triggers.len(), long)
}

/// The case at an index, of which the first `triggers` are not drawn.
#[allow(clippy::too_many_arguments)]
fn drawn(
    loss: &dyn LossEntry,
    format: Format,
    regime: Regime,
    taken: &Taken,
    seed: u64,
    index: usize,
    triggers: usize,
    long: usize,
) -> Option<Case> {
    let labels = [loss.spec().id, format.name(), regime.name()];
    let random = Random::keyed(&labels, &[seed, index as u64]);
    let mut draft = Draft::new(loss, format, regime, taken, random, index - triggers, long);
    match Kind::of(loss.spec()) {
        Kind::Residual(roles) => residual::fill(&mut draft, roles),
        Kind::Rows(roles) => rows::fill(&mut draft, roles),
        Kind::Distributions(roles) => distributions::fill(&mut draft, roles),
        Kind::Elementwise(roles) => elementwise::fill(&mut draft, roles),
        Kind::Probability(roles) => probability::fill(&mut draft, roles),
        Kind::Directions(roles) => directions::fill(&mut draft, roles),
        Kind::Vectors(names) => vectors::fill(&mut draft, &names),
        Kind::Other => {}
    }
    match draft.finish() {
        Ok(case) => Some(case),
        Err(error) => {
            debug_assert!(
                false,
                "{} {format} {} seed {seed} case {index}: {error}",
                labels[0],
                regime.name()
            );
            None
        }
    }
}
