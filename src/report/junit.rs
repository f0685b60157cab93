//! The report for CI systems: a suite for each loss and format, a test case for each cell.

use super::terminal::{exact, fault_name, level_name};
use super::{Cell, Report};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

/// As JUnit XML.
pub fn to_junit(report: &Report) -> Result<String, String> {
    let mut junit = quick_junit::Report::new(format!("lossproof {}", report.subject.name));
    let mut suites: Vec<TestSuite> = Vec::new();
    for cell in &report.cells {
        let name = format!("{}.{}", cell.loss, cell.format.name());
        if suites.last().is_none_or(|suite| suite.name.as_str() != name) {
            suites.push(TestSuite::new(name.clone()));
        }
        let mut case = TestCase::new(format!("{} {}", cell.output, cell.regime.name()), status(cell));
        case.set_classname(format!("lossproof.{name}"));
        case.set_assertions(cell.elements);
        if let Some(suite) = suites.last_mut() {
            suite.add_test_case(case);
        }
    }
    junit.add_test_suites(suites);
    junit.to_string().map_err(|error| error.to_string())
}

fn status(cell: &Cell) -> TestCaseStatus {
    match cell.held {
        Some(true) => TestCaseStatus::success(),
        Some(false) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let faults = cell.faults.iter().map(|(&fault, count)| format!("{} {count}", fault_name(fault)));
            let faults = faults.collect::<Vec<_>>().join(", ");
            let (level, demanded) = (level_name(cell.level), level_name(cell.demanded));
            status.set_message(format!("{level}, demanded is {demanded}: {faults}"));
            status.set_type(cell.faults.keys().next().map_or("level".to_owned(), |&fault| fault_name(fault)));
            if let Some(worst) = &cell.worst {
                let number = |x: Option<f64>| x.map_or("nothing".to_owned(), exact);
                let (got, want, budget) = (number(worst.got), number(worst.want), number(worst.budget));
                let request =
                    worst.request.as_ref().map(crate::subject::protocol::request).unwrap_or_default();
                status.set_description(format!(
                    "element {:?}: got {got}, want {want}, budget {budget}\n{request}",
                    worst.element.as_deref().unwrap_or_default()
                ));
            }
            status
        }
        None => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(match cell {
                Cell { demanded: None, .. } => "nothing is demanded",
                Cell { vacuous: true, .. } => "vacuous: a trivial kernel would hold it too",
                _ => "undecided",
            });
            status
        }
    }
}
