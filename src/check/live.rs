//! The check against the oracle: cases are made as the regimes say, and proved on the spot.

use super::{
    CheckError, DEFAULT_LONG, DEFAULT_LONGER, DEFAULT_LONGEST_CASES, LONGEST, NoTruth, Options, Progress,
    Silent, Source, Truths, run_with,
};
use crate::case::Case;
use crate::case::regime::{Regime, Taken, generate};
use crate::format::Format;
use crate::judge::{Fares, Machine, Trivial, fares};
use crate::kernel::{Kernel, Support};
use crate::loss::Spec;
use crate::report::Report;
use crate::subject::{InProcess, Subject};
use crate::tensor::Tensor;
use crate::truth::{Tier, Verified};
use crate::{loss, oracle};

/// Grades a kernel over the catalogue: what a kernel crate calls from its tests.
///
/// Panics: where the kernel supports no loss at all, or a generated case is refused.
///
/// ```no_run
/// # struct Mine;
/// # impl lossproof::kernel::Kernel for Mine {
/// #     fn run(&self, _: &lossproof::case::Case) -> Result<lossproof::case::Tensors, lossproof::kernel::KernelError> {
/// #         unimplemented!()
/// #     }
/// # }
/// lossproof::check(&Mine).assert_holds();
/// ```
#[track_caller]
pub fn check(kernel: &dyn Kernel) -> Report {
    match run(&mut InProcess::new(kernel), &Options::default(), &Silent) {
        Ok(report) => report,
        Err(error) => panic!("{error}"),
    }
}

/// Checks a subject.
///
/// Errors: the subject takes nothing of what the options ask for; a generated case is refused.
pub fn run(
    subject: &mut dyn Subject,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Report, CheckError> {
    run_with(subject, options, progress, &Live { options })
}

/// Cases that are made, and proved.
struct Live<'a> {
    options: &'a Options,
}

impl Source for Live<'_> {
    fn cases(&self, support: &Support, format: Format, regime: Regime) -> Vec<Case> {
        let Some(entry) = loss::find(&support.loss) else { return Vec::new() };
        let Options { seed, long, .. } = *self.options;
        let taken = Taken::of(support);
        let made = |count, long| generate(entry, format, regime, &taken, seed, count, long);
        let mut made_all = made(self.options.cases_of(regime), long.unwrap_or(DEFAULT_LONG));
        if regime == Regime::Long && long.is_none() && format == Format::F32 {
            let (count, longer) = match has_classes(entry.spec()) {
                true => (DEFAULT_LONGEST_CASES, LONGEST),
                false => (1, DEFAULT_LONGER),
            };
            let count = count.min(made_all.len());
            made_all.splice(..count, made(count, longer));
        }
        made_all
    }

    fn truths(&self, _support: &Support, _format: Format) -> Box<dyn Truths + '_> {
        Box::new(Oracle(self.options.tier))
    }
}

/// Whether an input is rows of classes.
fn has_classes(spec: &Spec) -> bool {
    spec.inputs.iter().any(|input| input.shape == ["N", "C"])
}

/// The oracle as a source of truth, by a tier of choice.
pub(super) struct Oracle(pub(super) Tier);

impl Truths for Oracle {
    fn verify(&self, case: &Case, machine: &Machine) -> Result<Verified, NoTruth> {
        oracle::verify_by(case, machine, self.0).map_err(NoTruth::Refused)
    }

    fn ignoring_upstream(&self, case: &Case, verified: &Verified, machine: &Machine) -> Vec<Option<Fares>> {
        let ones = prove_with_ones(case, self.0);
        let fares_at = |place| {
            let answer = Trivial::IgnoresUpstream.answer(case, verified, ones.as_ref(), place)?;
            fares(case, verified, place, &answer, machine)
        };
        (0..verified.outputs.len()).map(fares_at).collect()
    }
}

/// The truth of a case for an upstream of ones.
fn prove_with_ones(case: &Case, tier: Tier) -> Option<Verified> {
    let upstream = Tensor::full(case.format, &case.upstream.shape, 1.0);
    let outputs = oracle::prove_by(&Case { upstream, ..case.clone() }, tier).ok()?;
    Some(Verified { outputs, tolerances: Vec::new() })
}
