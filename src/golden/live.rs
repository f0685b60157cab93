//! The tests of golden files judged by the oracle, instead of by what the files say is right: what a replay has to agree with.

use super::Read;
use super::check::{Golden, GoldenCheckError, options_of};
use super::restrict::with_gradients;
use crate::case::regime::Regime;
use crate::case::{Case, CaseError};
use crate::check::{NoTruth, Options, Progress, Source, Truths, run_with};
use crate::format::Format;
use crate::judge::{Fares, Machine, Trivial, fares};
use crate::kernel::Support;
use crate::oracle;
use crate::report::Report;
use crate::subject::{Subject, protocol::request};
use crate::tensor::Tensor;
use crate::truth::Verified;
use std::collections::HashMap;
use std::sync::Mutex;

/// Golden files whose tests are proved when they are asked for, each once for however many subjects.
///
/// A subject that is checked with [`Live::run`] and with [`super::run_files`] gets the same report but for the seconds.
pub struct Live {
    golden: Golden,
    proved: Mutex<HashMap<String, Result<Verified, CaseError>>>,
}

impl Live {
    /// The tests of these files.
    pub fn new(files: Vec<Read>) -> Live {
        Live { golden: Golden::new(files), proved: Mutex::default() }
    }

    /// Checks a subject.
    ///
    /// Errors: the files have nothing of what the options ask for and the subject takes.
    pub fn run(
        &self,
        subject: &mut dyn Subject,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Report, GoldenCheckError> {
        Ok(run_with(subject, &options_of(&self.golden, options), progress, self)?)
    }

    /// The truth of a case, whether or not it is in the files, and its tolerance under the default machine.
    ///
    /// Errors: the case is refused.
    pub fn truth(&self, case: &Case) -> Result<Verified, CaseError> {
        self.verify(case, &Machine::of(case.format))
    }

    /// Proved once, for all outputs.
    fn verify(&self, case: &Case, machine: &Machine) -> Result<Verified, CaseError> {
        let mut whole = case.clone();
        if let Ok(entry) = case.entry() {
            let known = entry.spec().differentiable().filter(|name| case.inputs.contains_key(*name));
            whole.gradients = known.map(str::to_owned).collect();
        }
        let key = format!("{machine:?} {}", request(&whole));
        let memory = || self.proved.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = memory().get(&key).cloned();
        let verified = known.unwrap_or_else(|| {
            let verified = oracle::verify(&whole, machine);
            memory().insert(key, verified.clone());
            verified
        })?;
        Ok(with_gradients(&verified, &case.gradients))
    }
}

impl Source for Live {
    fn cases(&self, support: &Support, format: Format, regime: Regime) -> Vec<Case> {
        self.golden.cases(support, format, regime)
    }

    fn truths(&self, _support: &Support, _format: Format) -> Box<dyn Truths + '_> {
        Box::new(Proving(self))
    }

    fn left_out(&self, support: &Support, format: Format) -> Option<(usize, String)> {
        self.golden.left_out(support, format)
    }

    fn has(&self, loss: &str, format: Format) -> bool {
        self.golden.has(loss, format)
    }
}

/// The oracle, which is asked each case once, for all its outputs.
struct Proving<'a>(&'a Live);

impl Truths for Proving<'_> {
    fn verify(&self, case: &Case, machine: &Machine) -> Result<Verified, NoTruth> {
        self.0.verify(case, machine).map_err(NoTruth::Refused)
    }

    fn ignoring_upstream(&self, case: &Case, verified: &Verified, machine: &Machine) -> Vec<Option<Fares>> {
        let upstream = Tensor::full(case.format, &case.upstream.shape, 1.0);
        let ones = self.verify(&Case { upstream, ..case.clone() }, machine).ok();
        let fares_at = |place| {
            let answer = Trivial::IgnoresUpstream.answer(case, verified, ones.as_ref(), place)?;
            fares(case, verified, place, &answer, machine)
        };
        (0..verified.outputs.len()).map(fares_at).collect()
    }

    // It would know any, but files do not, and the two are to say the same.
    fn knows_any_case(&self) -> bool {
        false
    }
}
