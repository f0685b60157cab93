//! The report of a run: what JSON, JUnit and the terminal show, and what the shards of a run are merged from.

#[cfg(feature = "cli")]
pub mod junit;
mod merge;
mod number;
pub mod terminal;

pub(crate) use merge::combine;
pub use merge::{MergeError, merge};

use crate::case::Case;
use crate::case::regime::Regime;
use crate::format::Format;
use crate::judge::{Fault, Level};
use crate::loss::{self, Params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run's report. Its JSON form is documented: fields are added, never renamed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The version of lossproof.
    pub lossproof: String,
    /// Who was checked.
    pub subject: SubjectName,
    /// The seed of the cases.
    pub seed: u64,
    /// What was demanded.
    pub contract: Contract,
    /// Counts.
    pub summary: Summary,
    /// What was found, by loss, format, output and regime, in catalogue order.
    pub cells: Vec<Cell>,
    /// The smallest failing case of each loss and format that does not hold.
    #[serde(default)]
    pub failures: Vec<Failure>,
    /// Outputs that a trivial kernel would hold over all regimes of a full run: the check could not have failed.
    #[serde(default)]
    pub could_not_fail: Vec<String>,
    /// Cases that the subject has not got, by loss and format, with its first reason.
    #[serde(default)]
    pub unsupported: Vec<Unsupported>,
}

/// Who was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectName {
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// What was demanded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// The level of every loss, except in the regime `overflowing`, where nothing is demanded.
    pub level: Level,
    /// What the subject declared for itself: parameters that it pins, by loss.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, Params>,
}

/// Counts over a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Cells.
    pub cells: usize,
    /// Cells that hold.
    pub held: usize,
    /// Cells that do not.
    pub failed: usize,
    /// Cells that a trivial kernel would hold.
    pub vacuous: usize,
    /// Elements without a proved truth.
    pub undecided: usize,
    /// Cases that were asked.
    pub cases: usize,
    /// How long it took.
    pub seconds: f64,
}

/// What was found in one loss, format, output and regime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The loss's id.
    pub loss: String,
    /// The format.
    pub format: Format,
    /// `loss` or `grad.<input>`.
    pub output: String,
    /// The regime.
    pub regime: Regime,
    /// How many cases.
    pub cases: usize,
    /// How many elements were judged or undecided.
    pub elements: usize,
    /// The worst level; null where no element has one.
    pub level: Option<Level>,
    /// What was demanded; null for nothing.
    pub demanded: Option<Level>,
    /// Whether it holds; null where nothing is demanded, and where a pass would mean nothing.
    pub held: Option<bool>,
    /// Whether a trivial kernel would hold it.
    pub vacuous: bool,
    /// Elements without a proved truth.
    pub undecided: usize,
    /// Elements whose budget is infinite: a bug of the definition, never a pass.
    #[serde(default)]
    pub unbounded: usize,
    /// How many elements reached which level.
    pub levels: BTreeMap<Level, usize>,
    /// The largest error in ulp of the truth.
    #[serde(with = "number")]
    pub max_ulp: f64,
    /// The largest error as a part of its budget.
    #[serde(with = "number")]
    pub max_budget_ratio: f64,
    /// How many elements, or cases where there are no elements to count, have which fault.
    pub faults: BTreeMap<Fault, usize>,
    /// The worst element.
    pub worst: Option<Worst>,
}

/// The element that stands for a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worst {
    /// Its case, as a protocol request; null for a large case of a cell that holds.
    pub request: Option<Case>,
    /// Its multi-index; null where there was no output.
    pub element: Option<Vec<usize>>,
    /// What the subject gave.
    #[serde(with = "number::optional")]
    pub got: Option<f64>,
    /// What is right.
    #[serde(with = "number::optional")]
    pub want: Option<f64>,
    /// How far off it may be.
    #[serde(with = "number::optional")]
    pub budget: Option<f64>,
}

/// Why a loss and format does not hold, in the smallest case that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The loss's id.
    pub loss: String,
    /// The format.
    pub format: Format,
    /// The output that fails.
    pub output: String,
    /// The regime of the case from which it was shrunk.
    pub regime: Regime,
    /// The fault.
    pub fault: Fault,
    /// What is wrong, in a line.
    pub what: String,
    /// The case, its element and values.
    pub smallest: Worst,
    /// The command that shows it again, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// Cases that a subject has not got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsupported {
    /// The loss's id.
    pub loss: String,
    /// The format.
    pub format: Format,
    /// How many cases.
    pub cases: usize,
    /// The reason given for the first.
    pub reason: String,
}

impl Cell {
    /// Fills in what follows from the counts: `level` and `held`.
    pub fn conclude(&mut self) {
        let no_answer = |fault: &Fault| {
            matches!(fault, Fault::ShapeMismatch | Fault::Crash | Fault::Timeout | Fault::ProtocolError)
        };
        self.level = self.levels.keys().next_back().copied();
        if self.faults.keys().any(no_answer) {
            self.level = Some(Level::Broken);
        }
        self.held = self.demanded.and_then(|demanded| {
            let structural = self.faults.keys().any(|&fault| is_structural(fault));
            match self.level {
                _ if structural => Some(false),
                Some(level) if level > demanded => Some(false),
                _ if self.vacuous || self.unbounded > 0 => None,
                None if self.undecided > 0 => None,
                _ => Some(true),
            }
        });
    }

    /// Where it stands in a report: catalogue order, formats widest first, the loss before its gradients, regimes.
    fn place(&self) -> (usize, String, Format, usize, String, Regime) {
        let position = loss::LOSSES.iter().position(|entry| entry.spec().id == self.loss);
        let input = self.output.strip_prefix("grad.").and_then(|input| {
            let spec = loss::find(&self.loss)?.spec();
            spec.inputs.iter().position(|known| known.name == input)
        });
        let output = if self.output == crate::case::LOSS { 0 } else { input.map_or(usize::MAX, |at| at + 1) };
        let position = position.unwrap_or(usize::MAX);
        (position, self.loss.clone(), self.format, output, self.output.clone(), self.regime)
    }
}

/// Whether a fault fails whatever the level is.
pub fn is_structural(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::ShapeMismatch
            | Fault::Crash
            | Fault::Timeout
            | Fault::ProtocolError
            | Fault::Nondeterministic
            | Fault::OtherConvention
    )
}

impl Report {
    /// Puts the cells in order and counts them.
    pub fn conclude(&mut self) {
        self.cells.sort_by_cached_key(Cell::place);
        let count =
            |condition: &dyn Fn(&Cell) -> bool| self.cells.iter().filter(|cell| condition(cell)).count();
        self.summary.cells = self.cells.len();
        self.summary.held = count(&|cell| cell.held == Some(true));
        self.summary.failed = count(&|cell| cell.held == Some(false));
        self.summary.vacuous = count(&|cell| cell.vacuous);
        self.summary.undecided = self.cells.iter().map(|cell| cell.undecided).sum();
    }

    /// Whether the contract holds: no cell fails, and the check could have failed.
    pub fn holds(&self) -> bool {
        self.summary.failed == 0 && self.could_not_fail.is_empty()
    }

    /// For tests: goes on where the contract holds.
    ///
    /// Panics: with the printed report where it does not.
    #[track_caller]
    pub fn assert_holds(&self) {
        assert!(self.holds(), "the contract does not hold\n\n{self}");
    }

    /// As JSON, with a line feed at the end.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&terminal::render(self, &terminal::Plain))
    }
}
