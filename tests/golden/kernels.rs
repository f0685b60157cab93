//! From files alone: the verdicts are those of the oracle, a wrong kernel fails, a right one holds.

use super::set;
use lossproof::check::{Options, Silent};
use lossproof::format::Format;
use lossproof::golden::{self, Read, restricted};
use lossproof::judge::{Level, Machine, Trivial, judge};
use lossproof::kernel::{Kernel, KernelError, Support, builtin, mutants};
use lossproof::report::Report;
use lossproof::subject::InProcess;
use lossproof::{case::Case, case::Tensors, oracle};
use std::sync::LazyLock;

static FILES: LazyLock<Vec<Read>> =
    LazyLock::new(|| golden::read_set(&set::any(), &|_| true).expect("the set can be read"));

fn check(kernel: &dyn Kernel) -> Option<Report> {
    golden::run(&mut InProcess::new(kernel), &set::any(), &Options::default(), &Silent).ok()
}

fn has(loss: &str) -> bool {
    FILES.iter().any(|read| read.file.loss == loss)
}

#[test]
fn every_verdict_is_the_one_that_the_oracle_gives() {
    let mut compared = 0;
    for read in FILES.iter() {
        for test in &read.tests {
            let machine = Machine::of(test.case.format);
            let live = oracle::verify(&test.case, &machine).unwrap();
            let mut answers: Vec<(Case, Tensors)> = Vec::new();
            for trivial in Trivial::ALL {
                answers.push((test.case.clone(), trivial.outputs(&test.case, &live, None)));
            }
            for kernel in builtin() {
                for support in kernel.supports() {
                    let Some((case, _)) = restricted(&test.case, &live, &support) else { continue };
                    if let Ok(outputs) = kernel.run(&case) {
                        answers.push((case, outputs));
                    }
                }
            }
            for (case, outputs) in answers {
                let support =
                    Support { gradients: case.gradients.clone(), ..Support::everything(&case.loss) };
                let (_, stored) = restricted(&test.case, &test.verified, &support).unwrap();
                let (_, live) = restricted(&test.case, &live, &support).unwrap();
                for demanded in [Level::Correct, Level::Stable, Level::Backward] {
                    let from_file = judge(&case, &stored, &outputs, &machine, demanded);
                    let from_oracle = judge(&case, &live, &outputs, &machine, demanded);
                    assert_eq!(
                        format!("{from_file:?}"),
                        format!("{from_oracle:?}"),
                        "{} {}",
                        read.path,
                        test.id
                    );
                    compared += from_file.len();
                }
            }
        }
    }
    assert!(compared > 1000, "only {compared} verdicts compared");
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
