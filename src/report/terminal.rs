//! The report as text: one table with a row for each loss and format, what is wrong below it with the smallest case and
//! the command that shows it again, and what to do next.

use super::{Cell, Failure, Report};
use crate::format::Format;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a piece of text is, for those who see colours.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It holds.
    Good,
    /// It does not.
    Bad,
    /// It says less than it seems to.
    Doubtful,
    /// Headings.
    Heading,
    /// A command to copy.
    Command,
}

/// How tones look. Nothing depends on seeing them.
pub trait Palette {
    /// The text in its tone.
    fn paint(&self, tone: Tone, text: &str) -> String;
}

/// No colours.
pub struct Plain;

impl Palette for Plain {
    fn paint(&self, _: Tone, text: &str) -> String {
        text.to_owned()
    }
}

/// A table whose columns are as wide as their widest text; the tone belongs to the cell.
pub struct Table {
    rows: Vec<Vec<(String, Option<Tone>)>>,
    right: Vec<usize>,
}

impl Table {
    /// A table with a heading; the columns in `right` are aligned to the right.
    pub fn new(heading: &[&str], right: &[usize]) -> Table {
        let heading = heading.iter().map(|text| ((*text).to_owned(), Some(Tone::Heading))).collect();
        Table { rows: vec![heading], right: right.to_vec() }
    }

    /// Adds a row without tones.
    pub fn row(&mut self, row: Vec<String>) {
        self.rows.push(row.into_iter().map(|text| (text, None)).collect());
    }

    /// Adds a row.
    pub fn toned_row(&mut self, row: Vec<(String, Option<Tone>)>) {
        self.rows.push(row);
    }

    /// The lines.
    pub fn render(&self, palette: &dyn Palette) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut lines = String::new();
        for row in &self.rows {
            for (column, (text, tone)) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - text.chars().count());
                let painted = tone.map_or(text.clone(), |tone| palette.paint(tone, text));
                let last = column + 1 == row.len();
                let _ = match (self.right.contains(&column), last) {
                    (true, _) => write!(lines, "{padding}{painted}"),
                    (false, true) => write!(lines, "{painted}"),
                    (false, false) => write!(lines, "{painted}{padding}"),
                };
                lines.push_str(if last { "\n" } else { "  " });
            }
        }
        lines
    }
}

/// A number in a few characters.
pub fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        a if a.is_infinite() || a.is_nan() => crate::tensor::non_finite_name(x).to_owned(),
        a if (0.01..100.0).contains(&a) => format!("{x:.2}"),
        a if (100.0..1e5).contains(&a) => format!("{x:.0}"),
        _ => format!("{x:.1e}"),
    }
}

/// A number as the protocol writes it: shortest, round-trip.
pub fn exact(x: f64) -> String {
    if x.is_finite() { format!("{x:?}") } else { crate::tensor::non_finite_name(x).to_owned() }
}

/// The whole report.
pub fn render(report: &Report, palette: &dyn Palette) -> String {
    let mut text = String::new();
    let name = format!("{} {}", report.subject.name, report.subject.version);
    let _ = writeln!(
        text,
        "{}: {} cases, seed {}, demanded: {}\n",
        name.trim(),
        report.summary.cases,
        report.seed,
        level_name(Some(report.contract.level))
    );
    let mut rows: BTreeMap<usize, Vec<&Cell>> = BTreeMap::new();
    let mut order: Vec<(&str, Format)> = Vec::new();
    for cell in &report.cells {
        let key = (cell.loss.as_str(), cell.format);
        let at = order.iter().position(|&known| known == key).unwrap_or_else(|| {
            order.push(key);
            order.len() - 1
        });
        rows.entry(at).or_default().push(cell);
    }
    let mut table = Table::new(&["loss", "format", "level", "worst ulp", "worst in", "verdict"], &[3]);
    for cells in rows.values() {
        table.toned_row(row(cells));
    }
    text.push_str(&table.render(palette));
    for failure in &report.failures {
        text.push('\n');
        text.push_str(&failure_text(failure, palette));
    }
    text.push_str(&remarks(report, palette));
    text.push_str(&ending(report, palette));
    text
}

fn row(cells: &[&Cell]) -> Vec<(String, Option<Tone>)> {
    let demanded = || cells.iter().filter(|cell| cell.demanded.is_some());
    let badness = |cell: &&&Cell| (cell.held == Some(false), cell.level, cell.max_ulp);
    let worst = demanded().max_by(|a, b| {
        // Of equals the first.
        badness(a)
            .partial_cmp(&badness(b))
            .unwrap_or(std::cmp::Ordering::Equal)
            .then(std::cmp::Ordering::Greater)
    });
    let any = |held: Option<bool>| demanded().any(|cell| cell.held == held);
    let (verdict, tone) = match worst {
        None => ("nothing demanded".to_owned(), None),
        Some(_) if any(Some(false)) => {
            let failed = demanded().filter(|cell| cell.held == Some(false)).count();
            (format!("fails in {failed} of {} cells", demanded().count()), Some(Tone::Bad))
        }
        Some(_) if any(Some(true)) => {
            let vacuous = demanded().filter(|cell| cell.vacuous).count();
            let note = if vacuous > 0 { format!(" ({vacuous} vacuous)") } else { String::new() };
            (format!("holds{note}"), Some(Tone::Good))
        }
        Some(_) if demanded().all(|cell| cell.vacuous) => ("vacuous".to_owned(), Some(Tone::Doubtful)),
        Some(_) => ("undecided".to_owned(), Some(Tone::Doubtful)),
    };
    let shown = worst.or(cells.first());
    let max_ulp = demanded().map(|cell| cell.max_ulp).fold(0.0, f64::max);
    vec![
        (cells[0].loss.clone(), None),
        (cells[0].format.name().to_owned(), None),
        (level_name(shown.and_then(|cell| cell.level)).to_owned(), None),
        (short(max_ulp), None),
        (shown.map_or("", |cell| cell.regime.name()).to_owned(), None),
        (verdict, tone),
    ]
}

/// The name of a level, a dash for none.
pub fn level_name(level: Option<crate::judge::Level>) -> &'static str {
    use crate::judge::Level;
    match level {
        None => "-",
        Some(Level::Correct) => "correct",
        Some(Level::Faithful) => "faithful",
        Some(Level::Accurate) => "accurate",
        Some(Level::Stable) => "stable",
        Some(Level::Backward) => "backward",
        Some(Level::Sane) => "sane",
        Some(Level::Broken) => "broken",
    }
}

/// The name of a fault, as reports write it.
pub fn fault_name(fault: crate::judge::Fault) -> String {
    match serde_json::to_value(fault) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{fault:?}"),
    }
}

fn failure_text(failure: &Failure, palette: &dyn Palette) -> String {
    let head = format!("{} {} {}", failure.loss, failure.format.name(), failure.output);
    let head = palette.paint(Tone::Bad, &head);
    let mut text = format!("{head}: {}\n", failure.what);
    if let Some(case) = &failure.smallest.request {
        for line in describe_case(case) {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some(replay) = &failure.replay {
        let _ = writeln!(text, "  again: {}", palette.paint(Tone::Command, replay));
    }
    text
}

/// A case in lines: its parameters that are not the default, and its inputs, shortened.
pub fn describe_case(case: &crate::case::Case) -> Vec<String> {
    let spec = case.entry().map(|entry| entry.spec()).ok();
    let is_default = |name: &str, value: &crate::loss::ParamValue| {
        spec.and_then(|spec| spec.param(name)).is_some_and(|param| param.default_value() == *value)
    };
    let params = case.params.0.iter().filter(|(name, value)| !is_default(name, value));
    let params: Vec<String> = params.map(|(name, value)| format!("{name}={value}")).collect();
    let mut lines = if params.is_empty() { Vec::new() } else { vec![params.join(", ")] };
    let upstream = std::iter::once(("upstream", &case.upstream))
        .filter(|(_, tensor)| tensor.floats().iter().any(|&x| x != 1.0));
    for (name, tensor) in case.inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).chain(upstream) {
        lines.push(format!("{name} {:?} = {}", tensor.shape, values(tensor)));
    }
    lines
}

fn values(tensor: &crate::tensor::Tensor) -> String {
    use crate::tensor::Values;
    const MOST: usize = 8;
    let shown: Vec<String> = match &tensor.values {
        Values::Float(values) => values.iter().take(MOST).map(|&x| exact(x)).collect(),
        Values::I64(values) => values.iter().take(MOST).map(i64::to_string).collect(),
        Values::Bool(values) => values.iter().take(MOST).map(bool::to_string).collect(),
    };
    let more = if tensor.len() > MOST { ", …" } else { "" };
    format!("[{}{more}]", shown.join(", "))
}

/// What takes away from the passes: vacuous cells, undecided elements, unsupported cases.
fn remarks(report: &Report, palette: &dyn Palette) -> String {
    let mut text = String::new();
    let mut remark = |line: String| {
        if text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{line}");
    };
    let mut vacuous: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in report.cells.iter().filter(|cell| cell.vacuous && cell.demanded.is_some()) {
        let output = format!("{} {} {}", cell.loss, cell.format.name(), cell.output);
        match vacuous.last_mut().filter(|(known, _)| *known == output) {
            Some((_, regimes)) => regimes.push(cell.regime.name()),
            None => vacuous.push((output, vec![cell.regime.name()])),
        }
    }
    for (output, regimes) in vacuous {
        let word = palette.paint(Tone::Doubtful, "vacuous");
        remark(format!("{word}: {output} in {}: a trivial kernel would hold it too", regimes.join(", ")));
    }
    if report.summary.undecided > 0 {
        let word = palette.paint(Tone::Doubtful, "undecided");
        let count = report.summary.undecided;
        remark(format!("{word}: {count} elements reached the precision cap; they neither pass nor fail"));
    }
    for cell in report.cells.iter().filter(|cell| cell.unbounded > 0) {
        let word = palette.paint(Tone::Doubtful, "no budget");
        let (format, regime, count) = (cell.format.name(), cell.regime.name(), cell.unbounded);
        let output = format!("{} {format} {} in {regime}", cell.loss, cell.output);
        let whose = "a bug of the loss's definition, unless the subject flushes subnormals to 0";
        remark(format!("{word}: {count} elements of {output}; {whose}"));
    }
    for entry in &report.unsupported {
        let (loss, format) = (&entry.loss, entry.format.name());
        remark(format!("unsupported: {} cases of {loss} {format}: {}", entry.cases, entry.reason));
    }
    for output in &report.could_not_fail {
        let word = palette.paint(Tone::Bad, "could not fail");
        remark(format!("{word}: {output}"));
    }
    text
}

fn ending(report: &Report, palette: &dyn Palette) -> String {
    let summary = &report.summary;
    let mut text = format!("\n{} cells: {} held, {} failed", summary.cells, summary.held, summary.failed);
    if summary.vacuous > 0 {
        let _ = write!(text, ", {} vacuous", summary.vacuous);
    }
    let _ = writeln!(text, "; {:.1} s", summary.seconds);
    let (verdict, tone) = match report.holds() {
        true => ("The contract holds.", Tone::Good),
        false => ("The contract does not hold.", Tone::Bad),
    };
    let _ = writeln!(text, "{}", palette.paint(tone, verdict));
    let next = match report.failures.first() {
        Some(failure) if failure.replay.is_some() => {
            format!(
                "Next: run the command after `again:`; `lossproof show {}` has the stable form",
                failure.loss
            )
        }
        Some(failure) => {
            format!("Next: `lossproof show {}` has the stable form and its dangers", failure.loss)
        }
        None if !report.holds() => {
            "Next: ask for more cases, or for regimes that can tell kernels apart".to_owned()
        }
        None => {
            "Next: keep it so in CI, with `--report junit=FILE`; `--require accurate` demands more".to_owned()
        }
    };
    let _ = writeln!(text, "{next}");
    text
}
