//! One loss in one format: its cases asked, proved and judged, batch by batch; a sample asked again; the smallest
//! failing case made smaller.

use super::cells::Cells;
use super::explain::{self, as_convention, convention, fails, main_fault, what};
use super::{CheckError, Options, Progress};
use crate::case::regime::{Regime, Taken, generate};
use crate::case::shrink::shrink;
use crate::case::{Case, CaseError, Tensors};
use crate::format::Format;
use crate::judge::convention::Declaration;
use crate::judge::{Fault, Level, Machine, OutputVerdict, judge};
use crate::kernel::Support;
use crate::report::terminal::fault_name;
use crate::report::{Failure, Report, Unsupported, Worst};
use crate::subject::{Answer, NOT_ASKED, Subject, machine};
use crate::truth::Verified;
use crate::{loss, oracle};
use rayon::prelude::*;

/// The most input elements that are asked and proved at a time: bounds the memory.
const BATCH_ELEMENTS: usize = 1 << 20;

/// The most cases that are asked and proved at a time.
const BATCH_CASES: usize = 256;

/// Every so many cases one is asked again.
const ASKED_AGAIN_EVERY: usize = 7;

/// The most cases of a loss and format that are asked again, and the most elements of one.
const MOST_ASKED_AGAIN: usize = 24;
const LARGEST_ASKED_AGAIN: usize = 1 << 16;

/// So many failing cases are held against every other convention; the rest only against those that fitted one of them.
const EXPLAINED_IN_FULL: usize = 16;

/// How many smaller cases are tried where a failure is cheap, and where it may cost a restart.
const SHRINKS: usize = 300;
const DEAR_SHRINKS: usize = 24;

/// A failing case: the smallest so far stands for the loss and format.
struct Failing {
    case: Case,
    regime: Regime,
    output: String,
    fault: Fault,
    what: String,
    element: Option<crate::judge::Element>,
}

/// A sampled answer: asked again later, it must be the same.
struct Sampled {
    case: Case,
    regime: Regime,
    demanded: Option<Level>,
    answer: Tensors,
}

struct Unit<'a> {
    subject: &'a mut dyn Subject,
    support: &'a Support,
    format: Format,
    machine: Machine,
    require: Level,
    cells: Cells,
    failing: Option<Failing>,
    explained: usize,
    declarations: Vec<Declaration>,
    sample: Vec<Sampled>,
    asked: usize,
    unsupported: Option<Unsupported>,
}

pub(super) fn run(
    subject: &mut dyn Subject,
    support: &Support,
    format: Format,
    regimes: &[Regime],
    options: &Options,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<(), CheckError> {
    let Some(entry) = loss::find(&support.loss) else { return Ok(()) };
    let taken = Taken {
        optional_inputs: support.optional_inputs.clone(),
        pinned: support.params.clone(),
        gradients: support.gradients.clone(),
    };
    let mut unit = Unit {
        subject,
        support,
        format,
        machine: machine(support, format),
        require: options.require,
        cells: Cells::new(&support.loss, format),
        failing: None,
        explained: 0,
        declarations: Vec::new(),
        sample: Vec::new(),
        asked: 0,
        unsupported: None,
    };
    let mut index = 0;
    for &regime in regimes {
        let cases = generate(entry, format, regime, &taken, options.seed, options.cases, options.long);
        let mut batch = Vec::new();
        let mut elements = 0;
        for case in cases {
            index += 1;
            if options.shard.is_some_and(|shard| index % shard.of != shard.number % shard.of) {
                continue;
            }
            if !batch.is_empty()
                && (elements + case.elements() > BATCH_ELEMENTS || batch.len() >= BATCH_CASES)
            {
                unit.batch(std::mem::take(&mut batch), regime, progress)?;
                elements = 0;
            }
            elements += case.elements();
            batch.push((index, case));
        }
        unit.batch(batch, regime, progress)?;
    }
    unit.ask_again();
    let failure = unit.failure();
    report.summary.cases += unit.asked;
    report.failures.extend(failure);
    report.unsupported.extend(unit.unsupported);
    let (cells, could_not_fail) = unit.cells.finish();
    report.cells.extend(cells);
    report.could_not_fail.extend(could_not_fail);
    Ok(())
}

impl Unit<'_> {
    fn refused(&self, error: CaseError) -> CheckError {
        CheckError::Refused { loss: self.support.loss.clone(), format: self.format.name(), error }
    }

    /// Asks and proves a batch side by side, then judges it in order.
    fn batch(
        &mut self,
        batch: Vec<(usize, Case)>,
        regime: Regime,
        progress: &dyn Progress,
    ) -> Result<(), CheckError> {
        let (indices, cases): (Vec<usize>, Vec<Case>) = batch.into_iter().unzip();
        if cases.is_empty() {
            return Ok(());
        }
        let (subject, machine) = (&mut *self.subject, self.machine);
        let (answers, verified) = std::thread::scope(|scope| {
            let answers = scope.spawn(|| subject.answer(&cases));
            let verified: Vec<_> = cases.par_iter().map(|case| oracle::verify(case, &machine)).collect();
            (answers.join(), verified)
        });
        let answers = match answers {
            Ok(answers) => answers,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let verified: Result<Vec<Verified>, CaseError> = verified.into_iter().collect();
        let verified = verified.map_err(|error| self.refused(error))?;
        let require = self.require;
        let demanded: Vec<Option<Level>> =
            verified.iter().map(|verified| demanded(regime, verified, require)).collect();
        let judged: Vec<Option<Vec<OutputVerdict>>> = (&cases, &verified, &answers, &demanded)
            .into_par_iter()
            .map(|(case, verified, answer, demanded)| match answer {
                Answer::Outputs(outputs) => {
                    Some(judge(case, verified, outputs, &machine, demanded.unwrap_or(Level::Broken)))
                }
                _ => None,
            })
            .collect();
        progress.advance(cases.len());
        let found =
            cases.into_iter().zip(indices).zip(answers).zip(verified).zip(judged.into_iter().zip(demanded));
        for ((((case, index), answer), verified), (verdicts, demanded)) in found {
            let regime = if verified.overflows_on_the_way { Regime::Overflowing } else { regime };
            self.gather(case, index, regime, demanded, answer, &verified, verdicts);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn gather(
        &mut self,
        case: Case,
        index: usize,
        regime: Regime,
        demanded: Option<Level>,
        answer: Answer,
        verified: &Verified,
        verdicts: Option<Vec<OutputVerdict>>,
    ) {
        match answer {
            Answer::Unsupported(reason) => {
                let none = || Unsupported { loss: case.loss.clone(), format: self.format, cases: 0, reason };
                self.unsupported.get_or_insert_with(none).cases += 1;
                return;
            }
            Answer::Failed { fault, reason } => {
                for (output, _) in case.outputs() {
                    self.cells.add_fault(&case, &output, regime, demanded, fault);
                }
                if demanded.is_some() && !reason.starts_with(NOT_ASKED) {
                    let what = format!("{}: {reason}", fault_name(fault));
                    let output = crate::case::LOSS.to_owned();
                    self.note_failing(Failing {
                        case: case.clone(),
                        regime,
                        output,
                        fault,
                        what,
                        element: None,
                    });
                }
            }
            Answer::Outputs(outputs) => {
                let mut verdicts = verdicts.unwrap_or_default();
                let declaration = self.explain(&case, &outputs, demanded, &verdicts);
                let level = demanded.unwrap_or(Level::Broken);
                if declaration.is_some() {
                    as_convention(&mut verdicts, level);
                }
                if let Some(verdict) = verdicts.iter().find(|verdict| fails(verdict, demanded)) {
                    self.note_failing(Failing {
                        case: case.clone(),
                        regime,
                        output: verdict.name.clone(),
                        fault: main_fault(verdict),
                        what: what(verdict, declaration.as_ref(), level),
                        element: verdict.worst.clone(),
                    });
                }
                for verdict in &verdicts {
                    self.cells.add(&case, regime, demanded, verdict);
                }
                let small = case.elements() <= LARGEST_ASKED_AGAIN;
                if index % ASKED_AGAIN_EVERY == 1 && small && self.sample.len() < MOST_ASKED_AGAIN {
                    self.sample.push(Sampled { case: case.clone(), regime, demanded, answer: outputs });
                }
            }
        }
        self.asked += 1;
        self.cells.add_trivial(&case, verified, regime, &self.machine, self.require);
    }

    /// The convention that explains a failing answer.
    fn explain(
        &mut self,
        case: &Case,
        outputs: &Tensors,
        demanded: Option<Level>,
        verdicts: &[OutputVerdict],
    ) -> Option<Declaration> {
        let level = demanded?;
        if !verdicts.iter().any(|verdict| fails(verdict, demanded)) {
            return None;
        }
        let among = (self.explained >= EXPLAINED_IN_FULL).then_some(&self.declarations[..]);
        self.explained += 1;
        let declaration = convention(case, outputs, &self.machine, level, among)?;
        if !self.declarations.contains(&declaration) {
            self.declarations.push(declaration.clone());
        }
        Some(declaration)
    }

    /// Keeps the smaller of two failing cases; of equal ones the first.
    fn note_failing(&mut self, failing: Failing) {
        if self.failing.as_ref().is_none_or(|known| failing.case.elements() < known.case.elements()) {
            self.failing = Some(failing);
        }
    }

    /// Asks the sample again, in another order, and compares the bits.
    fn ask_again(&mut self) {
        let mut sample = std::mem::take(&mut self.sample);
        sample.reverse();
        let cases: Vec<Case> = sample.iter().map(|sampled| sampled.case.clone()).collect();
        let answers = self.subject.answer(&cases);
        for (Sampled { case, regime, demanded, answer }, again) in sample.into_iter().zip(answers) {
            if matches!(&again, Answer::Failed { reason, .. } if reason.starts_with(NOT_ASKED)) {
                continue;
            }
            for (output, _) in case.outputs() {
                let before = answer.get(&output);
                let after = match &again {
                    Answer::Outputs(outputs) => outputs.get(&output),
                    _ => None,
                };
                let same = match (before, after) {
                    (Some(before), Some(after)) => before.same_bits(after),
                    (None, None) => matches!(again, Answer::Outputs(_)),
                    _ => false,
                };
                if same {
                    continue;
                }
                self.cells.add_late_fault(&case, &output, regime, Fault::Nondeterministic);
                if demanded.is_some() {
                    let what = "nondeterministic: the same case, asked again, got another answer".to_owned();
                    let (fault, case) = (Fault::Nondeterministic, case.clone());
                    self.note_failing(Failing { case, regime, output, fault, what, element: None });
                }
            }
        }
    }

    /// The smallest failing case as a finding of the report, after shrinking.
    fn failure(&mut self) -> Option<Failure> {
        let mut failing = self.failing.take()?;
        let limit = match failing.fault {
            // Each further question costs the whole timeout; a difference that comes and goes cannot be followed.
            Fault::Timeout | Fault::Nondeterministic => 0,
            Fault::Crash | Fault::ProtocolError if self.subject.failures_are_dear() => DEAR_SHRINKS,
            _ => SHRINKS,
        };
        let (output, fault, regime) = (failing.output.clone(), failing.fault, failing.regime);
        let mut latest: Option<Failing> = None;
        let first = failing.case.clone();
        let smallest = shrink(
            &first,
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
                let verified = oracle::verify(case, &self.machine).ok()?;
                let demanded = demanded(regime, &verified, self.require)?;
                let mut verdicts = judge(case, &verified, &outputs, &self.machine, demanded);
                let mut declaration = None;
                if fault == Fault::OtherConvention {
                    let known = Some(&self.declarations[..]);
                    declaration = Some(explain::convention(case, &outputs, &self.machine, demanded, known)?);
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

/// What is demanded of a case: nothing where it overflows on the way.
fn demanded(regime: Regime, verified: &Verified, require: Level) -> Option<Level> {
    (regime != Regime::Overflowing && !verified.overflows_on_the_way).then_some(require)
}
