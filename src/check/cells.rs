//! Gathering: verdicts of cases into the cells of a loss and format.

use crate::case::Case;
use crate::case::regime::Regime;
use crate::format::Format;
use crate::judge::{Fares, Fault, Level, Machine, OutputVerdict, Trivial, Vacuity};
use crate::report::{Cell, Worst};
use crate::truth::Verified;
use std::collections::BTreeMap;

/// A case with more elements is kept in the report only where its cell fails.
const LARGE_CASE: usize = 4096;

/// The cells of one loss and format.
pub(super) struct Cells {
    loss: String,
    format: Format,
    cells: BTreeMap<(String, Regime), Gathered>,
}

struct Gathered {
    cell: Cell,
    vacuity: Vacuity,
    worst: Badness,
}

/// How bad a case's output is: faults without an element first, then level, then error.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Badness(bool, Option<Level>, f64, f64);

impl Cells {
    pub(super) fn new(loss: &str, format: Format) -> Cells {
        Cells { loss: loss.to_owned(), format, cells: BTreeMap::new() }
    }

    fn at(&mut self, output: &str, regime: Regime, demanded: Option<Level>) -> &mut Gathered {
        self.cells.entry((output.to_owned(), regime)).or_insert_with(|| Gathered {
            cell: Cell {
                loss: self.loss.clone(),
                format: self.format,
                output: output.to_owned(),
                regime,
                cases: 0,
                elements: 0,
                level: None,
                demanded,
                held: None,
                vacuous: false,
                undecided: 0,
                unbounded: 0,
                levels: BTreeMap::new(),
                max_ulp: 0.0,
                max_budget_ratio: 0.0,
                faults: BTreeMap::new(),
                worst: None,
            },
            vacuity: Vacuity::default(),
            worst: Badness(false, None, -1.0, -1.0),
        })
    }

    /// Adds the verdict on an output of a case. Elements that overflow on the way go into the regime `overflowing`,
    /// whatever regime made the case, and the case with them.
    pub(super) fn add(
        &mut self,
        case: &Case,
        regime: Regime,
        demanded: Option<Level>,
        verdict: &OutputVerdict,
    ) {
        let Some(apart) = &verdict.on_the_way else {
            return self.add_part(case, regime, demanded, verdict, 1);
        };
        let empty = verdict.levels.is_empty() && verdict.undecided + verdict.unbounded == 0;
        if !empty {
            self.add_part(case, regime, demanded, verdict, 1);
        }
        let counted = !empty && regime == Regime::Overflowing;
        self.add_part(case, Regime::Overflowing, None, apart, usize::from(!counted));
    }

    fn add_part(
        &mut self,
        case: &Case,
        regime: Regime,
        demanded: Option<Level>,
        verdict: &OutputVerdict,
        cases: usize,
    ) {
        let gathered = self.at(&verdict.name, regime, demanded);
        let cell = &mut gathered.cell;
        cell.cases += cases;
        cell.elements += verdict.undecided + verdict.unbounded + verdict.levels.values().sum::<usize>();
        cell.undecided += verdict.undecided;
        cell.unbounded += verdict.unbounded;
        cell.max_ulp = cell.max_ulp.max(verdict.max_ulp);
        cell.max_budget_ratio = cell.max_budget_ratio.max(verdict.max_budget_ratio);
        for (&level, count) in &verdict.levels {
            *cell.levels.entry(level).or_default() += count;
        }
        for (&fault, count) in &verdict.faults {
            *cell.faults.entry(fault).or_default() += count;
        }
        let structural = verdict.faults.keys().any(|&fault| crate::report::is_structural(fault));
        let badness = Badness(structural, verdict.level(), verdict.max_budget_ratio, verdict.max_ulp);
        if badness.partial_cmp(&gathered.worst) == Some(std::cmp::Ordering::Greater) {
            gathered.worst = badness;
            let element = verdict.worst.as_ref();
            cell.worst = Some(Worst {
                request: Some(case.clone()),
                element: element.map(|element| element.index.clone()),
                got: element.map(|element| element.got),
                want: element.map(|element| element.want),
                budget: element.map(|element| element.budget),
            });
        }
    }

    /// Adds a fault of a whole case to one of its outputs.
    pub(super) fn add_fault(
        &mut self,
        case: &Case,
        output: &str,
        regime: Regime,
        demanded: Option<Level>,
        fault: Fault,
    ) {
        let verdict = OutputVerdict {
            name: output.to_owned(),
            faults: [(fault, 1)].into(),
            ..OutputVerdict::default()
        };
        self.add(case, regime, demanded, &verdict);
    }

    /// The same for a case whose verdict was added already.
    pub(super) fn add_late_fault(&mut self, case: &Case, output: &str, regime: Regime, fault: Fault) {
        if let Some(gathered) = self.cells.get_mut(&(output.to_owned(), regime)) {
            *gathered.cell.faults.entry(fault).or_default() += 1;
            if !gathered.worst.0 {
                gathered.worst.0 = true;
                let nothing = Worst { request: None, element: None, got: None, want: None, budget: None };
                gathered.cell.worst = Some(Worst { request: Some(case.clone()), ..nothing });
            }
        }
    }

    /// Judges the trivial kernels on a case of which `demanded` is demanded. `ignoring` says, for each output, how the one
    /// that ignores the upstream fares.
    pub(super) fn add_trivial(
        &mut self,
        case: &Case,
        verified: &Verified,
        ignoring: &[Option<Fares>],
        regime: Regime,
        machine: &Machine,
        demanded: Level,
    ) {
        for (at, output) in verified.outputs.iter().enumerate() {
            if let Some(gathered) = self.cells.get_mut(&(output.name.clone(), regime)) {
                gathered.vacuity.observe(case, verified, None, at, machine, demanded);
                if let Some(fares) = ignoring.get(at).copied().flatten() {
                    gathered.vacuity.observe_known(Trivial::IgnoresUpstream, fares, demanded);
                }
            }
        }
    }

    /// Whether a kernel that ignores the upstream still holds a cell of the regime.
    pub(super) fn may_ignore_upstream(&self, regime: Regime) -> bool {
        let of_regime = self.cells.iter().filter(|((_, known), _)| *known == regime);
        of_regime.into_iter().any(|(_, cell)| cell.vacuity.held_by() == Some(Trivial::IgnoresUpstream))
    }

    /// The finished cells, and the outputs that a trivial kernel holds over all regimes in which something is demanded,
    /// each with the kernel's name.
    pub(super) fn finish(self) -> (Vec<Cell>, Vec<String>) {
        let mut everywhere: BTreeMap<String, Vacuity> = BTreeMap::new();
        let mut cells = Vec::new();
        for ((output, _), Gathered { mut cell, vacuity, .. }) in self.cells {
            cell.vacuous = vacuity.held_by().is_some();
            everywhere.entry(output).or_default().merge(&vacuity);
            cell.conclude();
            if cell.held != Some(false)
                && let Some(worst) = &mut cell.worst
                && worst.request.as_ref().is_some_and(|case| case.elements() > LARGE_CASE)
            {
                worst.request = None;
            }
            cells.push(cell);
        }
        let (loss, format) = (self.loss, self.format.name());
        let could_not_fail = everywhere.into_iter().filter_map(|(output, vacuity)| {
            let trivial = vacuity.held_by()?.describe();
            Some(format!("{loss} {format} {output}: a kernel that {trivial} would hold it in every regime"))
        });
        (cells, could_not_fail.collect())
    }
}
