//! The harness: cases of every regime are proved, asked of the subject, and judged; what is found is gathered into a
//! [`Report`]. One way, and the same for any number of threads.

mod cells;
mod explain;
mod failure;
#[cfg(feature = "oracle")]
mod live;
#[cfg(feature = "oracle")]
mod replay;
mod truths;
mod unit;

#[cfg(feature = "oracle")]
pub use live::{check, run};
#[cfg(feature = "oracle")]
pub use replay::{Replayed, replay};
pub(crate) use truths::{NoTruth, Truths};

use crate::case::regime::Regime;
use crate::case::{Case, CaseError};
use crate::format::Format;
use crate::judge::Level;
use crate::kernel::Support;
use crate::loss;
use crate::report::{Contract, Report, SubjectName, Summary, combine};
use crate::subject::Subject;
use crate::truth::Tier;
use std::collections::BTreeMap;
use std::time::Instant;

/// Cases per loss, format and regime where nothing else is said: so many that the built-in kernels are checked within 20
/// seconds on two cores.
pub const DEFAULT_CASES: usize = 36;

/// The number of classes of the largest vocabularies: the length of the regime `long` where it is asked for by name.
pub const LONGEST: usize = 128 << 10;

/// The length of the cases of `long` where nothing else is said: two tiles of 1024, as kernels have them, so that one of
/// them can be masked as a whole.
pub const DEFAULT_LONG: usize = 2 << 10;

/// How many of a loss's first f32 cases of `long` have [`LONGEST`], if it has rows of classes: one each of the two masks that
/// the regime begins with.
pub const DEFAULT_LONGEST_CASES: usize = 2;

/// The cases of `long` where nothing else is said: fewer, since each has thousands of elements.
pub const DEFAULT_LONG_CASES: usize = 12;

/// The length of the first f32 case of a loss without classes: many blocks of a sum.
pub const DEFAULT_LONGER: usize = 16 << 10;

/// One of the parts into which a run is split.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

/// What a run checks and demands.
#[derive(Clone, Debug)]
pub struct Options {
    /// The losses; all if empty.
    pub losses: Vec<String>,
    /// The formats; all if empty.
    pub formats: Vec<Format>,
    /// The regimes; all if empty.
    pub regimes: Vec<Regime>,
    /// Cases per loss, format and regime; `None` for [`DEFAULT_CASES`], and [`DEFAULT_LONG_CASES`] of `long`.
    pub cases: Option<usize>,
    /// The seed of the cases.
    pub seed: u64,
    /// The part of the run to do.
    pub shard: Option<Shard>,
    /// The level that is demanded.
    pub require: Level,
    /// The number of classes or elements in the regime `long`; `None` for [`DEFAULT_LONG`], and more in the first f32 cases.
    pub long: Option<usize>,
    /// Which arithmetic proves.
    pub tier: Tier,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            losses: Vec::new(),
            formats: Vec::new(),
            regimes: Vec::new(),
            cases: None,
            seed: 0,
            shard: None,
            require: Level::Stable,
            long: None,
            tier: Tier::default(),
        }
    }
}

impl Options {
    /// How many cases a regime has.
    pub fn cases_of(&self, regime: Regime) -> usize {
        let default = if regime == Regime::Long { DEFAULT_LONG_CASES } else { DEFAULT_CASES };
        self.cases.unwrap_or(default)
    }

    /// Whether the run leaves something out on purpose: then a check that could not fail is no error.
    pub fn is_filtered(&self) -> bool {
        !(self.losses.is_empty()
            && self.formats.is_empty()
            && self.regimes.is_empty()
            && self.shard.is_none())
    }

    fn takes<T: PartialEq>(list: &[T], value: &T) -> bool {
        list.is_empty() || list.contains(value)
    }
}

/// Who is told how far a run is.
pub trait Progress: Sync {
    /// The run begins, with so many cases at most.
    fn begin(&self, _cases: usize) {}
    /// A loss and format begins.
    fn unit(&self, _loss: &str, _format: Format) {}
    /// So many more cases are done.
    fn advance(&self, _cases: usize) {}
    /// The run has ended.
    fn end(&self) {}
}

/// Nobody.
pub struct Silent;

impl Progress for Silent {}

/// Why a run gave no report.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The subject takes none of what was asked for.
    #[error("nothing to check: {0}")]
    Nothing(String),
    /// A generated case is refused, which is a bug of lossproof.
    #[error("a case of {loss} in {format} is refused, which is a bug of lossproof: {error}")]
    Refused {
        /// The loss.
        loss: String,
        /// The format.
        format: &'static str,
        /// Why.
        error: Box<CaseError>,
    },
}

/// What a run asks in one loss and format, and where its truth comes from.
pub(crate) trait Source: Sync {
    /// The cases of a regime that a subject with this support is asked.
    fn cases(&self, support: &Support, format: Format, regime: Regime) -> Vec<Case>;

    /// The truth of these cases.
    fn truths(&self, support: &Support, format: Format) -> Box<dyn Truths + '_>;

    /// Cases that the source has and the subject cannot be asked, with the reason for the first.
    fn left_out(&self, _support: &Support, _format: Format) -> Option<(usize, String)> {
        None
    }

    /// Whether it has anything of a loss and format.
    fn has(&self, _loss: &str, _format: Format) -> bool {
        true
    }
}

/// Checks a subject with what a source has.
pub(crate) fn run_with(
    subject: &mut dyn Subject,
    options: &Options,
    progress: &dyn Progress,
    source: &dyn Source,
) -> Result<Report, CheckError> {
    let start = Instant::now();
    let mut units = plan(subject, options)?;
    units.retain(|(support, format)| source.has(&support.loss, *format));
    let regimes: Vec<Regime> =
        Regime::ALL.into_iter().filter(|regime| Options::takes(&options.regimes, regime)).collect();
    progress.begin(units.len() * regimes.iter().map(|&regime| options.cases_of(regime)).sum::<usize>());
    let mut report = Report {
        lossproof: env!("CARGO_PKG_VERSION").to_owned(),
        subject: SubjectName { name: subject.name().to_owned(), version: subject.version().to_owned() },
        seed: options.seed,
        contract: Contract { level: options.require, declared: declared(&units) },
        summary: Summary::default(),
        cells: Vec::new(),
        failures: Vec::new(),
        could_not_fail: Vec::new(),
        unsupported: Vec::new(),
    };
    for (support, format) in &units {
        progress.unit(&support.loss, *format);
        unit::run(subject, support, *format, &regimes, options, source, progress, &mut report)?;
    }
    progress.end();
    report.cells = combine(report.cells);
    if options.is_filtered() {
        report.could_not_fail.clear();
    }
    report.conclude();
    // Rounded to a millisecond: nobody reads more.
    report.summary.seconds = start.elapsed().as_millis() as f64 / 1e3;
    if report.cells.is_empty() && report.unsupported.is_empty() && options.shard.is_none() {
        return Err(CheckError::Nothing("the regimes asked for have no case of it".to_owned()));
    }
    Ok(report)
}

/// The losses and formats to check, in catalogue order.
fn plan(subject: &dyn Subject, options: &Options) -> Result<Vec<(Support, Format)>, CheckError> {
    let mut units = Vec::new();
    for entry in loss::LOSSES {
        let id = entry.spec().id;
        let wanted = Options::takes(&options.losses, &id.to_owned());
        for format in Format::ALL {
            let takes = |support: &&Support| support.loss == id && support.formats.contains(&format);
            // A loss may stand several times in a subject's list, with different parameters pinned.
            let supports = subject.supports().iter().filter(takes);
            if wanted && Options::takes(&options.formats, &format) {
                units.extend(supports.map(|support| (support.clone(), format)));
            }
        }
    }
    if units.is_empty() {
        let list = |names: Vec<String>| if names.is_empty() { "all".to_owned() } else { names.join(", ") };
        let formats = options.formats.iter().map(|format| format.name().to_owned()).collect();
        let mut known: Vec<&str> = subject.supports().iter().map(|support| support.loss.as_str()).collect();
        known.dedup();
        return Err(CheckError::Nothing(format!(
            "asked for losses {} in formats {}; {} takes {}",
            list(options.losses.clone()),
            list(formats),
            subject.name(),
            if known.is_empty() { "no loss of the catalogue".to_owned() } else { known.join(", ") },
        )));
    }
    Ok(units)
}

fn declared(units: &[(Support, Format)]) -> BTreeMap<String, loss::Params> {
    let pinned = units.iter().filter(|(support, _)| !support.params.0.is_empty());
    pinned.map(|(support, _)| (support.loss.clone(), support.params.clone())).collect()
}
