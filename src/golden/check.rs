//! A subject judged from golden files alone: the same judge and the same report as against the oracle, which is not needed.

use super::read::{GoldenError, Read, read_set};
use super::restrict::{budgets_hold, restricted, with_gradients};
use super::{Answered, folder, relative_path};
use crate::case::Case;
use crate::case::regime::Regime;
use crate::check::{CheckError, NoTruth, Options, Progress, Silent, Source, Truths, run_with};
use crate::format::Format;
use crate::judge::{Fares, Machine};
use crate::kernel::{Kernel, Support};
use crate::loss;
use crate::report::Report;
use crate::subject::{InProcess, Subject, machine, protocol::request};
use crate::truth::Verified;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Why a check from golden files gave no report.
#[derive(Debug, thiserror::Error)]
pub enum GoldenCheckError {
    /// The files cannot be used.
    #[error(transparent)]
    Files(#[from] GoldenError),
    /// The files have nothing that the subject takes.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// Grades a kernel by the golden files that come with lossproof, and prints the table to standard error, where a test's
/// output is not held back: the one line of a kernel crate's test.
///
/// Panics: with the report where the contract does not hold; where the kernel takes nothing of what the files have.
///
/// ```no_run
/// # struct Mine;
/// # impl lossproof::kernel::Kernel for Mine {
/// #     fn run(&self, _: &lossproof::case::Case) -> Result<lossproof::case::Tensors, lossproof::kernel::KernelError> {
/// #         unimplemented!()
/// #     }
/// # }
/// lossproof::golden::check(&Mine);
/// ```
#[track_caller]
pub fn check(kernel: &dyn Kernel) -> Report {
    match run(&mut InProcess::new(kernel), &folder(), &Options::default(), &Silent) {
        Ok(report) => {
            // Nobody to print to is no failure of the kernel.
            let _ = write!(std::io::stderr(), "\n{}\n{report}", report.subject.name);
            report.assert_holds();
            report
        }
        Err(error) => panic!("{error}"),
    }
}

/// Checks a subject against the golden files of a folder. Of the options the losses, formats, regimes, the demanded level
/// and the shard count; the cases are the files' own.
///
/// Errors: the files cannot be used; they have nothing of what the options ask for and the subject takes.
pub fn run(
    subject: &mut dyn Subject,
    folder: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report, GoldenCheckError> {
    // Only files that the subject and the options take are read.
    let mut wanted = Vec::new();
    for support in subject.supports() {
        let asked = options.losses.is_empty() || options.losses.contains(&support.loss);
        let Some(entry) = loss::find(&support.loss).filter(|_| asked) else { continue };
        let formats = support.formats.iter();
        let formats = formats.filter(|format| options.formats.is_empty() || options.formats.contains(format));
        wanted.extend(formats.map(|&format| relative_path(entry.spec(), format)));
    }
    let files = read_set(folder, &|path| wanted.iter().any(|wanted| wanted == path))?;
    run_files(subject, files, options, progress)
}

/// The same with files that are read already.
pub fn run_files(
    subject: &mut dyn Subject,
    files: Vec<Read>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report, GoldenCheckError> {
    let golden = Golden::new(files);
    Ok(run_with(subject, &options_of(&golden, options), progress, &golden)?)
}

/// The options with the seed that the files' cases were drawn with.
pub(super) fn options_of(golden: &Golden, options: &Options) -> Options {
    Options { seed: golden.seed.unwrap_or(options.seed), ..options.clone() }
}

/// Files as a source of cases and truth.
pub(super) struct Golden {
    files: HashMap<(String, Format), Read>,
    /// Of the cases; none without a file.
    seed: Option<u64>,
}

impl Golden {
    pub(super) fn new(files: Vec<Read>) -> Golden {
        let seed = files.first().map(|read| read.file.source.seed);
        let files = files.into_iter().map(|read| ((read.file.loss.clone(), read.file.format), read));
        Golden { files: files.collect(), seed }
    }

    fn tests(&self, loss: &str, format: Format) -> &[Answered] {
        self.files.get(&(loss.to_owned(), format)).map_or(&[], |read| &read.tests)
    }

    /// The tests of a loss and format as the subject can be asked them; of one regime, or of all.
    fn asked<'a>(
        &'a self,
        support: &'a Support,
        format: Format,
        regime: Option<Regime>,
    ) -> impl Iterator<Item = Asked<'a>> {
        let machine = machine(support, format);
        let tests = self.tests(&support.loss, format).iter();
        tests.filter(move |test| regime.is_none_or(|regime| regime == test.regime)).filter_map(move |test| {
            let (case, verified) = restricted(&test.case, &test.verified, support)?;
            budgets_hold(&machine, &case, longest_sum(test)).ok()?;
            Some(Asked { test, case, verified })
        })
    }
}

/// A test as a subject is asked it.
struct Asked<'a> {
    test: &'a Answered,
    case: Case,
    verified: Verified,
}

/// The longest sum behind any output, under any convention.
fn longest_sum(test: &Answered) -> usize {
    let others = test.conventions.iter().map(|other| &other.verified);
    let tolerances = others.chain([&test.verified]).flat_map(|verified| &verified.tolerances);
    tolerances.map(|tolerance| tolerance.longest_sum).max().unwrap_or(0)
}

impl Source for Golden {
    fn cases(&self, support: &Support, format: Format, regime: Regime) -> Vec<Case> {
        self.asked(support, format, Some(regime)).map(|asked| asked.case).collect()
    }

    fn truths(&self, support: &Support, format: Format) -> Box<dyn Truths + '_> {
        let mut stored = HashMap::new();
        let mut conventions = HashMap::new();
        for Asked { test, case, verified } in self.asked(support, format, None) {
            // The facts of the outputs that are asked for, in their order.
            let fares = verified.outputs.iter().map(|truth| {
                let place = test.verified.outputs.iter().position(|other| other.name == truth.name)?;
                test.ignoring.get(place).copied().flatten().map(Fares::from)
            });
            let fares = fares.collect();
            // What the subject pins does not matter here: it is asked what it takes, and may answer otherwise.
            for other in &test.conventions {
                let gradients = case.gradients.clone();
                let verified = with_gradients(&other.verified, &gradients);
                conventions.insert(request(&Case { gradients, ..other.case.clone() }), verified);
            }
            stored.insert(request(&case), (verified, fares));
        }
        Box::new(Stored { asked: stored, conventions })
    }

    fn left_out(&self, support: &Support, format: Format) -> Option<(usize, String)> {
        let machine = machine(support, format);
        let taken = self.tests(&support.loss, format).iter().filter_map(|test| {
            let (case, _) = restricted(&test.case, &test.verified, support)?;
            budgets_hold(&machine, &case, longest_sum(test)).err()
        });
        let reasons: Vec<String> = taken.collect();
        let first = reasons.first().cloned()?;
        Some((reasons.len(), format!("{first}; `lossproof check` without --golden asks them")))
    }

    fn has(&self, loss: &str, format: Format) -> bool {
        !self.tests(loss, format).is_empty()
    }
}

/// Stored truths by the case's text: of what is asked, and of the same under other conventions.
struct Stored {
    asked: HashMap<String, (Verified, Vec<Option<Fares>>)>,
    conventions: HashMap<String, Verified>,
}

impl Truths for Stored {
    fn verify(&self, case: &Case, _machine: &Machine) -> Result<Verified, NoTruth> {
        let request = request(case);
        let asked = self.asked.get(&request).map(|(verified, _)| verified);
        asked.or_else(|| self.conventions.get(&request)).cloned().ok_or(NoTruth::Unknown)
    }

    fn ignoring_upstream(&self, case: &Case, _verified: &Verified, _machine: &Machine) -> Vec<Option<Fares>> {
        self.asked.get(&request(case)).map(|(_, fares)| fares.clone()).unwrap_or_default()
    }

    fn knows_any_case(&self) -> bool {
        false
    }
}
