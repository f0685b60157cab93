//! From files alone: the verdicts are those of the oracle, a wrong kernel fails, a right one holds.

use super::set;
use lossproof::check::{Options, Silent};
use lossproof::format::Format;
use lossproof::golden::{self, Live, Read};
use lossproof::judge::{Fault, Level};
use lossproof::kernel::{Kernel, KernelError, Support, builtin, mutants};
use lossproof::loss::Params;
use lossproof::report::Report;
use lossproof::subject::InProcess;
use lossproof::tensor::Tensor;
use lossproof::{case::Case, case::Tensors};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Larger tests are held against the oracle with the built-in kernel alone: they take as long as all others.
const LARGE: usize = 8192;

static WHOLE: LazyLock<Vec<Read>> =
    LazyLock::new(|| golden::read_set(&set::any(), &|_| true).expect("the set can be read"));

static FILES: LazyLock<Vec<Read>> = LazyLock::new(|| files(&|elements| elements <= LARGE));

/// Every file of the set, with the tests of the wanted sizes.
fn files(wanted: &dyn Fn(usize) -> bool) -> Vec<Read> {
    let mut files = WHOLE.clone();
    files.iter_mut().for_each(|read| read.tests.retain(|test| wanted(test.case.elements())));
    files
}

/// The same files judged by the oracle.
static LIVE: LazyLock<Live> = LazyLock::new(|| Live::new(FILES.clone()));

fn losses() -> BTreeSet<String> {
    FILES.iter().map(|read| read.file.loss.clone()).collect()
}

fn check(kernel: &dyn Kernel) -> Option<Report> {
    let files = files_of(kernel, &WHOLE);
    golden::run_files(&mut InProcess::new(kernel), files, &Options::default(), &Silent).ok()
}

/// The files of what a kernel takes.
fn files_of(kernel: &dyn Kernel, files: &[Read]) -> Vec<Read> {
    let supports = kernel.supports();
    let wanted = |read: &&Read| {
        let takes =
            |support: &Support| support.loss == read.file.loss && support.formats.contains(&read.file.format);
        supports.iter().any(takes)
    };
    files.iter().filter(wanted).cloned().collect()
}

fn has(loss: &str) -> bool {
    FILES.iter().any(|read| read.file.loss == loss)
}

/// A kernel that gives what the oracle proves, in every format, and does what makes it wrong.
struct Proving {
    loss: String,
    wrong: Wrong,
}

enum Wrong {
    /// It follows these choices; what it declares is another one, or nothing.
    Follows { choice: Params, declared: Params },
    /// It is off by so many parts of what is allowed: the budget, or where the flag is set the bound of `backward`.
    Off { by: f64, backward: bool },
}

impl Kernel for Proving {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        let mut asked = case.clone();
        if let Wrong::Follows { choice, .. } = &self.wrong {
            choice.0.iter().for_each(|(name, value)| asked.params.set(name, value.clone()));
        }
        // The choice may be none for this case, such as a mean where nothing is reduced.
        let asked = asked.checked().unwrap_or_else(|_| case.clone());
        let known = LIVE.truth(&asked).map_err(|error| KernelError::Failed(error.to_string()))?;
        let outputs = known.outputs.iter().zip(&known.tolerances).map(|(truth, tolerance)| {
            let values = truth.elements.iter().enumerate().map(|(at, element)| {
                let value = element.value(case.format);
                match self.wrong {
                    Wrong::Off { by, backward } => {
                        let bound = if backward { &tolerance.backward } else { &tolerance.budget };
                        case.format.round(value + by * bound[at])
                    }
                    Wrong::Follows { .. } => value,
                }
            });
            (truth.name.clone(), Tensor::float(case.format, &truth.shape, values.collect()))
        });
        Ok(outputs.collect())
    }

    fn supports(&self) -> Vec<Support> {
        let mut support = Support { formats: Format::ALL.to_vec(), ..Support::everything(&self.loss) };
        if let Wrong::Follows { declared, .. } = &self.wrong {
            support.params = declared.clone();
        }
        vec![support]
    }
}

/// What a report says, without the time that it took.
fn said(report: Result<Report, golden::GoldenCheckError>) -> String {
    match report {
        Ok(mut report) => {
            report.summary.seconds = 0.0;
            serde_json::to_string(&report).expect("it is JSON")
        }
        Err(error) => error.to_string(),
    }
}

/// Holds the report from files against the oracle's; whether it fails, and whether it tells of another convention.
fn same(kernel: &dyn Kernel, require: Level) -> (bool, bool) {
    same_in(kernel, files_of(kernel, &FILES), &LIVE, require)
}

fn same_in(kernel: &dyn Kernel, files: Vec<Read>, live: &Live, require: Level) -> (bool, bool) {
    let options = Options { require, ..Options::default() };
    let from_files = said(golden::run_files(&mut InProcess::new(kernel), files, &options, &Silent));
    let from_oracle = said(live.run(&mut InProcess::new(kernel), &options, &Silent));
    if from_files != from_oracle {
        let at = from_files.bytes().zip(from_oracle.bytes()).position(|(a, b)| a != b).unwrap_or(0);
        let part = |text: &str| {
            String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(600)..])
                .chars()
                .take(1200)
                .collect::<String>()
        };
        panic!(
            "{}\nfrom files:  …{}\nfrom oracle: …{}",
            kernel.name(),
            part(&from_files),
            part(&from_oracle)
        );
    }
    (from_files.contains("\"held\":false"), from_files.contains("other_convention"))
}

#[test]
fn every_level_and_every_fault_are_those_that_the_oracle_gives() {
    same(builtin()[0], Level::Stable);
    let large = files(&|elements| elements > LARGE);
    same_in(builtin()[0], large.clone(), &Live::new(large), Level::Stable);
    for mutant in mutants().iter().filter(|mutant| mutant.wrong.supports().iter().all(|s| has(&s.loss))) {
        // Whose fault it is to answer now this, now that.
        if mutant.about.faults.contains(&Fault::Nondeterministic) {
            continue;
        }
        same(&mutant.wrong, Level::Stable);
    }
    for loss in losses() {
        for (by, backward, require) in
            [(1.0, false, Level::Stable), (-1.0, true, Level::Backward), (0.25, false, Level::Accurate)]
        {
            same(&Proving { loss: loss.clone(), wrong: Wrong::Off { by, backward } }, require);
        }
    }
}

#[test]
fn a_convention_that_is_not_declared_is_told_from_an_error() {
    let mut told = BTreeSet::new();
    let mut choices: BTreeSet<(String, String)> = BTreeSet::new();
    for read in FILES.iter() {
        let others = read.tests.iter().flat_map(|test| &test.conventions);
        choices.extend(others.map(|other| {
            (read.file.loss.clone(), serde_json::to_string(&other.params).expect("it is JSON"))
        }));
    }
    for (loss, text) in &choices {
        let choice: Params = serde_json::from_str(text).unwrap();
        let spec = lossproof::loss::find(loss).unwrap().spec();
        let default = Params::default().complete(spec).unwrap();
        let mut defaults = Params::default();
        choice.0.keys().for_each(|name| defaults.set(name, default.get(name).clone()));
        for declared in [defaults, Params::default()] {
            let wrong = Wrong::Follows { choice: choice.clone(), declared };
            // Some choices are within the budgets of the others: an epsilon of 1e-6, say.
            let (fails, tells) = same(&Proving { loss: loss.clone(), wrong }, Level::Stable);
            assert!(tells || !fails, "{loss}: {text} is followed, and called an error");
            if tells {
                told.insert((loss.clone(), text.clone()));
            }
        }
    }
    // It is in every set.
    let by_weight = (super::set::LOSS.to_owned(), "{\"mean_over\":\"weight\"}".to_owned());
    assert!(told.contains(&by_weight), "{told:?}");
}

#[test]
fn the_built_in_kernels_hold() {
    let report = check(builtin()[0]).unwrap();
    assert!(report.holds() && report.summary.held > 50, "{report}");
    assert_eq!(report.summary.undecided, 0);
}

#[test]
fn every_mutant_of_a_loss_in_the_set_fails_and_every_twin_holds() {
    let mut wrong = Vec::new();
    for mutant in mutants().iter() {
        if !mutant.wrong.supports().iter().all(|support| has(&support.loss)) {
            continue;
        }
        let (bad, good) = (check(&mutant.wrong), check(&mutant.twin));
        for &format in mutant.formats() {
            let fails = |report: &Option<Report>| {
                report
                    .iter()
                    .flat_map(|report| &report.cells)
                    .any(|c| c.format == format && c.held == Some(false))
            };
            if !fails(&bad) {
                wrong.push(format!("{} in {format} holds", mutant.wrong.name()));
            }
            if fails(&good) {
                wrong.push(format!("{} in {format} fails", mutant.twin.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first loss of the set with every answer negated.
struct Negated;

impl Kernel for Negated {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        let mut outputs = builtin()[0].run(case)?;
        for tensor in outputs.values_mut() {
            let negated = tensor.floats().iter().map(|x| -x).collect();
            *tensor = lossproof::tensor::Tensor::float(case.format, &tensor.shape.clone(), negated);
        }
        Ok(outputs)
    }

    fn supports(&self) -> Vec<Support> {
        let formats = vec![Format::F32, Format::F16];
        vec![Support { formats, ..Support::everything(&FILES[0].file.loss) }]
    }
}

#[test]
fn a_wrong_kernel_fails_with_its_smallest_test() {
    let report = check(&Negated).unwrap();
    assert!(!report.holds());
    let failure = &report.failures[0];
    assert!(failure.what.starts_with("wrong_sign"), "{}", failure.what);
    assert!(failure.smallest.request.is_some());
}

/// A kernel whose machine is not the one of the budgets.
struct Sequential;

impl Kernel for Sequential {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        builtin()[0].run(case)
    }

    fn supports(&self) -> Vec<Support> {
        let summation = lossproof::judge::Summation::Sequential;
        vec![Support { formats: vec![Format::F32], summation, ..Support::everything(&FILES[0].file.loss) }]
    }
}

#[test]
fn another_machine_than_that_of_the_budgets_is_said_and_not_judged() {
    let report = check(&Sequential).unwrap();
    assert_eq!(report.unsupported.len(), 1);
    let unsupported = &report.unsupported[0];
    assert!(unsupported.cases > 0 && unsupported.reason.contains("sequential"), "{unsupported:?}");
    assert!(report.summary.cases > 0 && report.summary.failed == 0, "{report}");
}
