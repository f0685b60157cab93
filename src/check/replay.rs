//! One case asked again, and everything about its answer shown: what the command after `again:` does.

use super::explain::{convention, fails, what};
use super::live::Oracle;
use crate::case::{Case, CaseError};
use crate::judge::{Level, Machine, OutputVerdict, judge};
use crate::kernel::Support;
use crate::oracle;
use crate::report::terminal::fault_name;
use crate::subject::{Answer, Subject, machine};
use crate::truth::{Tier, Tolerance, Verified};

/// What a subject says to one case, and what is right.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The answer.
    pub answer: Answer,
    /// What is right.
    pub verified: Verified,
    /// The verdict on each output; none without outputs.
    pub verdicts: Vec<OutputVerdict>,
    /// What is demanded; nothing where every element overflows on the way.
    pub demanded: Option<Level>,
    /// What is wrong, a line for each output that fails.
    pub wrong: Vec<String>,
}

/// Asks one case and judges the answer.
///
/// Errors: the case is refused.
pub fn replay(
    subject: &mut dyn Subject,
    case: &Case,
    require: Level,
    tier: Tier,
) -> Result<Replayed, CaseError> {
    let takes = |support: &&Support| support.loss == case.loss && support.formats.contains(&case.format);
    let machine = match subject.supports().iter().find(takes) {
        Some(support) => machine(support, case.format),
        None => Machine::of(case.format),
    };
    let verified = oracle::verify_by(case, &machine, tier)?;
    let elsewhere = |tolerance: &Tolerance| tolerance.overflows_on_the_way.contains(&false);
    let demanded = verified.tolerances.iter().any(elsewhere).then_some(require);
    let level = demanded.unwrap_or(Level::Broken);
    let answer = subject.answer(std::slice::from_ref(case)).pop();
    let answer = answer.unwrap_or_else(|| Answer::Unsupported("no answer".to_owned()));
    let (verdicts, wrong) = match &answer {
        Answer::Unsupported(_) => (Vec::new(), Vec::new()),
        Answer::Failed { fault, reason } => (Vec::new(), vec![format!("{}: {reason}", fault_name(*fault))]),
        Answer::Outputs(outputs) => {
            let verdicts = judge(case, &verified, outputs, &machine, level);
            let failing: Vec<&OutputVerdict> =
                verdicts.iter().filter(|verdict| fails(verdict, demanded)).collect();
            let declaration = match failing.is_empty() {
                true => None,
                false => convention(&Oracle(tier), case, outputs, &machine, level, None),
            };
            let line = |verdict: &&OutputVerdict| {
                format!("{}: {}", verdict.name, what(verdict, declaration.as_ref(), level))
            };
            let wrong = failing.iter().map(line).collect();
            (verdicts, wrong)
        }
    };
    Ok(Replayed { answer, verified, verdicts, demanded, wrong })
}
