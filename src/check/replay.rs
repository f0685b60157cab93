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
    /// What is demanded; nothing where every element overflows on the way, unless one has an answer that no overflow makes.
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
    let answer = subject.answer(std::slice::from_ref(case)).pop();
    let answer = answer.unwrap_or_else(|| Answer::Unsupported("no answer".to_owned()));
    let (verdicts, wrong) = match &answer {
        Answer::Unsupported(_) => (Vec::new(), Vec::new()),
        Answer::Failed { fault, reason } => (Vec::new(), vec![format!("{}: {reason}", fault_name(*fault))]),
        Answer::Outputs(outputs) => {
            let verdicts = judge(case, &verified, outputs, &machine, require);
            let failing: Vec<&OutputVerdict> =
                verdicts.iter().filter(|verdict| fails(verdict, Some(require))).collect();
            let declaration = match failing.is_empty() {
                true => None,
                false => convention(&Oracle(tier), case, outputs, &machine, require, None),
            };
            let line = |verdict: &&OutputVerdict| {
                format!("{}: {}", verdict.name, what(verdict, declaration.as_ref(), require))
            };
            let wrong: Vec<String> = failing.iter().map(line).collect();
            (verdicts, wrong)
        }
    };
    let demanded = (!wrong.is_empty() || verified.tolerances.iter().any(elsewhere)).then_some(require);
    Ok(Replayed { answer, verified, verdicts, demanded, wrong })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{LOSS, Tensors};
    use crate::format::Format;
    use crate::kernel::{Kernel, KernelError};
    use crate::loss::Params;
    use crate::subject::InProcess;
    use crate::tensor::Tensor;

    /// Says the same to everything.
    struct Constant(f64);

    impl Kernel for Constant {
        fn run(&self, _: &Case) -> Result<Tensors, KernelError> {
            Ok(Tensors::from([(LOSS.to_owned(), Tensor::float(Format::F32, &[], vec![self.0]))]))
        }
    }

    /// The sum of the absolute residuals leaves the range, their mean does not.
    #[test]
    fn an_answer_that_no_overflow_makes_fails_though_every_element_overflows_on_the_way() {
        let tensor = |x: f64| Tensor::float(Format::F32, &[4], vec![f64::from(x as f32); 4]);
        let inputs = Tensors::from([("prediction".into(), tensor(1.5e38)), ("target".into(), tensor(0.0))]);
        let case = Case::new("mae", Format::F32, Params::default(), inputs).unwrap();
        let case = Case { gradients: Vec::new(), ..case };
        let answered = |x: f64| {
            replay(&mut InProcess::new(&Constant(x)), &case, Level::Stable, Tier::default()).unwrap()
        };
        let overflown = answered(f64::INFINITY);
        assert!(overflown.demanded.is_none() && overflown.wrong.is_empty());
        let wrong = answered(1.0);
        assert!(wrong.demanded == Some(Level::Stable) && wrong.wrong.len() == 1, "{:?}", wrong.wrong);
    }
}
