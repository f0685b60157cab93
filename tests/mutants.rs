//! The promise: every known-bad kernel fails the check, and the right form beside it passes, in every format it has.

use lossproof::check::{Options, Silent, run};
use lossproof::format::Format;
use lossproof::kernel::{Kernel, mutants};
use lossproof::report::Report;
use lossproof::subject::InProcess;

/// The default check, but for a longer `long`: some of the bugs need more than one tile.
fn check(kernel: &dyn Kernel) -> Report {
    let options = Options { long: Some(4096), ..Options::default() };
    run(&mut InProcess::new(kernel), &options, &Silent).expect("a mutant takes a loss of the catalogue")
}

fn fails(report: &Report, format: Format) -> bool {
    report.cells.iter().any(|cell| cell.format == format && cell.held == Some(false))
}

#[test]
fn every_mutant_fails_and_every_twin_passes() {
    let mut wrong = Vec::new();
    for mutant in mutants() {
        let bad = check(&mutant.wrong);
        let good = check(&mutant.twin);
        for &format in mutant.formats() {
            if !fails(&bad, format) {
                wrong.push(format!("{} in {format} passes", mutant.wrong.name()));
            }
            if fails(&good, format) {
                wrong.push(format!("{} in {format} fails", mutant.twin.name()));
            }
        }
        // The check of the twin as a whole: nothing that could not have failed, either.
        if !good.holds() {
            wrong.push(format!("{} does not hold:\n{good}", mutant.twin.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
