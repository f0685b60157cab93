//! One loss in one format: its cases asked, proved and judged, batch by batch, and a sample asked again.

use super::cells::Cells;
use super::explain::{as_convention, convention, fails, main_fault, what};
use super::failure::Failing;
use super::{CheckError, NoTruth, Options, Progress, Source, Truths};
use crate::case::regime::{Regime, Taken};
use crate::case::{Case, LOSS, Tensors};
use crate::format::Format;
use crate::judge::{Declaration, Fares, Fault, Level, Machine, OutputVerdict, judge};
use crate::kernel::Support;
use crate::report::terminal::fault_name;
use crate::report::{Report, Unsupported};
use crate::subject::{Answer, NOT_ASKED, Subject, machine};
use crate::threads;
use crate::truth::Verified;

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

/// So many cases of a batch are always proved with upstream ones too, side by side; more only as long as a kernel that
/// ignores the upstream still holds.
const ALWAYS_WITH_ONES: usize = 3;

/// A sampled answer: asked again later, it must be the same.
pub(super) struct Sampled {
    case: Case,
    regime: Regime,
    demanded: Option<Level>,
    answer: Tensors,
}

pub(super) struct Unit<'a> {
    pub(super) subject: &'a mut dyn Subject,
    pub(super) support: &'a Support,
    pub(super) taken: &'a Taken,
    pub(super) truths: &'a dyn Truths,
    pub(super) format: Format,
    pub(super) machine: Machine,
    pub(super) require: Level,
    pub(super) cells: Cells,
    pub(super) failing: Option<Failing>,
    pub(super) explained: usize,
    pub(super) declarations: Vec<Declaration>,
    pub(super) sample: Vec<Sampled>,
    pub(super) asked: usize,
    pub(super) unsupported: Option<Unsupported>,
}

#[allow(clippy::too_many_arguments)]
pub(super) fn run(
    subject: &mut dyn Subject,
    support: &Support,
    format: Format,
    regimes: &[Regime],
    options: &Options,
    source: &dyn Source,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<(), CheckError> {
    let taken = Taken::of(support);
    let truths = source.truths(support, format);
    let mut unit = Unit {
        subject,
        support,
        taken: &taken,
        truths: &*truths,
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
        let mut batch = Vec::new();
        let mut elements = 0;
        for case in source.cases(support, format, regime) {
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
            batch.push(case);
        }
        if !batch.is_empty() {
            unit.batch(batch, regime, progress)?;
        }
    }
    unit.ask_again();
    let failure = unit.failure();
    report.summary.cases += unit.asked;
    report.failures.extend(failure);
    report.unsupported.extend(unit.unsupported);
    report.unsupported.extend(source.left_out(support, format).map(|(cases, reason)| Unsupported {
        loss: support.loss.clone(),
        format,
        cases,
        reason,
    }));
    let (cells, could_not_fail) = unit.cells.finish();
    report.cells.extend(cells);
    report.could_not_fail.extend(could_not_fail);
    Ok(())
}

/// A case with everything that is known of it.
struct Found {
    case: Case,
    regime: Regime,
    demanded: Option<Level>,
    answer: Answer,
    verified: Verified,
    /// How a kernel that ignores the upstream fares, where it was asked.
    ignoring: Option<Vec<Option<Fares>>>,
    /// Of each output; empty without outputs.
    verdicts: Vec<OutputVerdict>,
}

impl Unit<'_> {
    /// Asks and proves a batch side by side, then judges it in order.
    fn batch(&mut self, cases: Vec<Case>, regime: Regime, progress: &dyn Progress) -> Result<(), CheckError> {
        let (subject, machine, require) = (&mut *self.subject, self.machine, self.require);
        let truths = self.truths;
        let (answers, verified) = std::thread::scope(|scope| {
            let answers = scope.spawn(|| subject.answer(&cases));
            let verified = threads::map(cases.iter().collect(), |case| truths.verify(case, &machine));
            (answers.join(), verified)
        });
        let answers = answers.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let verified: Result<Vec<Verified>, NoTruth> = verified.into_iter().collect();
        let verified = verified.map_err(|none| match none {
            NoTruth::Refused(error) => CheckError::Refused {
                loss: self.support.loss.clone(),
                format: self.format.name(),
                error: Box::new(error),
            },
            NoTruth::Unknown => CheckError::Nothing(none.to_string()),
        })?;
        let with_ones = cases.iter().enumerate().filter(|(_, case)| other_upstream(case));
        let with_ones: Vec<usize> = with_ones.map(|(at, _)| at).take(ALWAYS_WITH_ONES).collect();
        let each = cases.into_iter().zip(answers).zip(verified).enumerate().collect();
        let found: Vec<Found> = threads::map(each, |(at, ((case, answer), verified))| {
            let demanded = demanded(regime, require);
            let verdicts = match &answer {
                Answer::Outputs(outputs) => {
                    judge(&case, &verified, outputs, &machine, demanded.unwrap_or(Level::Broken))
                }
                _ => Vec::new(),
            };
            let ignoring =
                with_ones.contains(&at).then(|| truths.ignoring_upstream(&case, &verified, &machine));
            Found { case, regime, demanded, answer, verified, ignoring, verdicts }
        });
        progress.advance(found.len());
        for found in found {
            self.gather(found);
        }
        Ok(())
    }

    fn gather(&mut self, found: Found) {
        let Found { case, regime, demanded, answer, verified, mut ignoring, mut verdicts } = found;
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
                    let (case, output) = (case.clone(), LOSS.to_owned());
                    self.note_failing(Failing { case, regime, output, fault, what, element: None });
                }
            }
            Answer::Outputs(outputs) => {
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
                if self.asked.is_multiple_of(ASKED_AGAIN_EVERY)
                    && small
                    && self.sample.len() < MOST_ASKED_AGAIN
                {
                    self.sample.push(Sampled { case: case.clone(), regime, demanded, answer: outputs });
                }
            }
        }
        self.asked += 1;
        let Some(demanded) = demanded else { return };
        if ignoring.is_none() && self.cells.may_ignore_upstream(regime) && other_upstream(&case) {
            ignoring = Some(self.truths.ignoring_upstream(&case, &verified, &self.machine));
        }
        let ignoring = ignoring.unwrap_or_default();
        self.cells.add_trivial(&case, &verified, &ignoring, regime, &self.machine, demanded);
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
        let declaration = convention(self.truths, case, outputs, &self.machine, level, among)?;
        if !self.declarations.contains(&declaration) {
            self.declarations.push(declaration.clone());
        }
        Some(declaration)
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
}

/// What is demanded in a regime.
pub(super) fn demanded(regime: Regime, require: Level) -> Option<Level> {
    (regime != Regime::Overflowing).then_some(require)
}

/// Whether a case has gradients, and an upstream that is not all ones.
fn other_upstream(case: &Case) -> bool {
    !case.gradients.is_empty() && case.upstream.floats().iter().any(|&x| x != 1.0)
}
