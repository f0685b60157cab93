//! The smallest failing case of a loss and format: kept while cases go by, shrunk at the end by asking the subject again.

use super::explain::{as_convention, convention, fails, what};
use super::unit::{Unit, demanded};
use crate::case::Case;
use crate::case::regime::Regime;
use crate::case::shrink::shrink;
use crate::judge::{Element, Fault, judge};
use crate::report::terminal::fault_name;
use crate::report::{Failure, Worst};
use crate::subject::{Answer, NOT_ASKED};

/// How many smaller cases are tried where a failure is cheap, and where it may cost a restart.
const SHRINKS: usize = 300;
const DEAR_SHRINKS: usize = 24;

/// A failing case: the smallest so far stands for the loss and format.
pub(super) struct Failing {
    pub(super) case: Case,
    pub(super) regime: Regime,
    pub(super) output: String,
    pub(super) fault: Fault,
    pub(super) what: String,
    pub(super) element: Option<Element>,
}

impl Unit<'_> {
    /// Keeps the smaller of two failing cases; of equal ones the first.
    pub(super) fn note_failing(&mut self, failing: Failing) {
        if self.failing.as_ref().is_none_or(|known| failing.case.elements() < known.case.elements()) {
            self.failing = Some(failing);
        }
    }

    /// The smallest failing case as a finding of the report, after shrinking.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        let mut failing = self.failing.take()?;
        let limit = match failing.fault {
            // Each further question costs the whole timeout; a difference that comes and goes cannot be followed.
            Fault::Timeout | Fault::Nondeterministic => 0,
            _ if !self.truths.knows_any_case() => 0,
            Fault::Crash | Fault::ProtocolError if self.subject.failures_are_dear() => DEAR_SHRINKS,
            _ => SHRINKS,
        };
        let (output, fault, regime) = (failing.output.clone(), failing.fault, failing.regime);
        let mut latest: Option<Failing> = None;
        let smallest = shrink(
            failing.case.clone(),
            &mut |case| match self.ask(case, &output, fault, regime) {
                Some(found) => {
                    latest = Some(found);
                    true
                }
                None => false,
            },
            limit,
        );
        if smallest != failing.case {
            let known = latest.filter(|found| found.case == smallest);
            if let Some(found) = known.or_else(|| self.ask(&smallest, &output, fault, regime)) {
                failing = found;
            }
        }
        let element = failing.element;
        let smallest = Worst {
            element: element.as_ref().map(|element| element.index.clone()),
            got: element.as_ref().map(|element| element.got),
            want: element.as_ref().map(|element| element.want),
            budget: element.as_ref().map(|element| element.budget),
            request: Some(failing.case),
        };
        let (what, loss, format) = (failing.what, self.support.loss.clone(), self.format);
        Some(Failure { loss, format, output, regime, fault, what, smallest, replay: None })
    }

    /// Whether a smaller case fails in the same way.
    fn ask(&mut self, case: &Case, output: &str, fault: Fault, regime: Regime) -> Option<Failing> {
        if !self.taken.takes(case) {
            return None;
        }
        let answer = self.subject.answer(std::slice::from_ref(case)).pop()?;
        let found = |what, element| {
            let (case, output) = (case.clone(), output.to_owned());
            Some(Failing { case, regime, output, fault, what, element })
        };
        match answer {
            Answer::Unsupported(_) => None,
            Answer::Failed { fault: other, reason } => {
                if other != fault || reason.starts_with(NOT_ASKED) {
                    return None;
                }
                found(format!("{}: {reason}", fault_name(fault)), None)
            }
            Answer::Outputs(outputs) => {
                let verified = self.truths.verify(case, &self.machine).ok()?;
                let demanded = demanded(regime, self.require)?;
                let mut verdicts = judge(case, &verified, &outputs, &self.machine, demanded);
                let mut declaration = None;
                if fault == Fault::OtherConvention {
                    let known = Some(&self.declarations[..]);
                    declaration =
                        Some(convention(self.truths, case, &outputs, &self.machine, demanded, known)?);
                    as_convention(&mut verdicts, demanded);
                }
                let verdict = verdicts.iter().find(|verdict| verdict.name == output)?;
                if !fails(verdict, Some(demanded)) || !verdict.faults.contains_key(&fault) {
                    return None;
                }
                found(what(verdict, declaration.as_ref(), demanded), verdict.worst.clone())
            }
        }
    }
}
