//! One report from the reports of a run's shards.

use super::{Cell, Report, Unsupported};
use crate::case::regime::Regime;
use crate::format::Format;
use std::collections::BTreeMap;

/// Why reports do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("no report is given")]
    None,
    /// They are of different runs.
    #[error("the reports are not of one run: {what} is {first} in the first and {other} in report {number}")]
    Different {
        /// What differs.
        what: &'static str,
        /// In the first report.
        first: String,
        /// In the other.
        other: String,
        /// Which other, from 1.
        number: usize,
    },
}

/// One report from the shards', whatever their order: counts are added, the worst is kept, and what follows from the
/// counts is concluded again. A cell is vacuous where it is so in every shard.
///
/// Errors: they differ in version, subject, seed or contract.
pub fn merge(reports: Vec<Report>) -> Result<Report, MergeError> {
    let mut reports = reports.into_iter();
    let mut merged = reports.next().ok_or(MergeError::None)?;
    let mut cells = std::mem::take(&mut merged.cells);
    for (at, report) in reports.enumerate() {
        let same = |what, first: String, other: String| {
            let different =
                MergeError::Different { what, first: first.clone(), other: other.clone(), number: at + 2 };
            if first == other { Ok(()) } else { Err(different) }
        };
        let subject = |report: &Report| format!("{} {}", report.subject.name, report.subject.version);
        same("the version of lossproof", merged.lossproof.clone(), report.lossproof.clone())?;
        same("the subject", subject(&merged), subject(&report))?;
        same("the seed", merged.seed.to_string(), report.seed.to_string())?;
        same("the contract", format!("{:?}", merged.contract), format!("{:?}", report.contract))?;
        cells.extend(report.cells);
        merged.failures.extend(report.failures);
        merged.unsupported.extend(report.unsupported);
        merged.could_not_fail.extend(report.could_not_fail);
        merged.summary.cases += report.summary.cases;
        merged.summary.seconds += report.summary.seconds;
    }
    merged.cells = combine(cells);
    // The smallest failing case of each loss and format; of equal ones the first by its text, whatever the order.
    merged.failures.sort_by_cached_key(|failure| {
        let request = failure.smallest.request.as_ref();
        let size = request.map_or(usize::MAX, |case| case.elements());
        let text = request.map(crate::subject::protocol::request);
        (failure.loss.clone(), failure.format, size, text)
    });
    merged.failures.dedup_by(|later, first| (&later.loss, later.format) == (&first.loss, first.format));
    merged.could_not_fail.sort();
    merged.could_not_fail.dedup();
    merged.unsupported = unsupported(merged.unsupported);
    merged.conclude();
    Ok(merged)
}

/// One cell for each loss, format, output and regime: a subject may name a loss twice, with other parameters pinned.
pub(crate) fn combine(all: Vec<Cell>) -> Vec<Cell> {
    let mut cells = BTreeMap::new();
    all.into_iter().for_each(|cell| add_cell(&mut cells, cell));
    cells.values_mut().for_each(Cell::conclude);
    cells.into_values().collect()
}

fn add_cell(cells: &mut BTreeMap<(String, Format, String, Regime), Cell>, cell: Cell) {
    use std::collections::btree_map::Entry;
    match cells.entry((cell.loss.clone(), cell.format, cell.output.clone(), cell.regime)) {
        Entry::Vacant(place) => {
            place.insert(cell);
        }
        Entry::Occupied(mut sum) => {
            let sum = sum.get_mut();
            let badness = |cell: &Cell| (cell.level, cell.max_budget_ratio, cell.max_ulp);
            if badness(&cell).partial_cmp(&badness(sum)) == Some(std::cmp::Ordering::Greater) {
                sum.worst = cell.worst;
            }
            sum.cases += cell.cases;
            sum.elements += cell.elements;
            sum.undecided += cell.undecided;
            sum.unbounded += cell.unbounded;
            sum.vacuous &= cell.vacuous;
            sum.level = sum.level.max(cell.level);
            sum.max_ulp = sum.max_ulp.max(cell.max_ulp);
            sum.max_budget_ratio = sum.max_budget_ratio.max(cell.max_budget_ratio);
            for (level, count) in cell.levels {
                *sum.levels.entry(level).or_default() += count;
            }
            for (fault, count) in cell.faults {
                *sum.faults.entry(fault).or_default() += count;
            }
        }
    }
}

fn unsupported(all: Vec<Unsupported>) -> Vec<Unsupported> {
    let mut sums: BTreeMap<(String, Format), Unsupported> = BTreeMap::new();
    for entry in all {
        match sums.get_mut(&(entry.loss.clone(), entry.format)) {
            Some(sum) => sum.cases += entry.cases,
            None => {
                sums.insert((entry.loss.clone(), entry.format), entry);
            }
        }
    }
    sums.into_values().collect()
}
