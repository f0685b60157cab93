//! Cases as a proptest strategy: the same regimes, and shrinking by the steps of [`super::shrink`].

use super::Case;
use super::regime::{Regime, Taken, generate_one};
use super::shrink::candidates;
use crate::format::Format;
use crate::loss::LossEntry;
use ::proptest::prelude::RngExt;
use ::proptest::strategy::{NewTree, Strategy, ValueTree};
use ::proptest::test_runner::TestRunner;

/// How many cases of a regime a strategy draws from for each seed: all its scenarios, and all triggers.
const INDICES: usize = 48;
/// The length of the long axis in [`Regime::Long`].
const LONG: usize = 1 << 14;

/// A strategy of cases of one loss, format and regime, with everything that the loss takes.
///
/// ```
/// # #[cfg(feature = "proptest")] {
/// use lossproof::case::{proptest::cases, regime::Regime};
/// use lossproof::format::Format;
/// use proptest::prelude::*;
///
/// let mse = lossproof::loss::find("mse").unwrap();
/// proptest!(ProptestConfig::with_cases(20), |(case in cases(mse, Format::F32, Regime::Typical))| {
///     prop_assert!(case.input("prediction").shape == case.input("target").shape);
/// });
/// # }
/// ```
pub fn cases(loss: &'static dyn LossEntry, format: Format, regime: Regime) -> Cases {
    cases_taken(loss, format, regime, Taken::all(loss))
}

/// The same for a subject that takes less.
pub fn cases_taken(loss: &'static dyn LossEntry, format: Format, regime: Regime, taken: Taken) -> Cases {
    Cases { loss, format, regime, taken }
}

/// See [`cases`].
pub struct Cases {
    loss: &'static dyn LossEntry,
    format: Format,
    regime: Regime,
    taken: Taken,
}

impl std::fmt::Debug for Cases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cases({}, {}, {})", self.loss.spec().id, self.format, self.regime.name())
    }
}

impl Strategy for Cases {
    type Tree = CaseTree;
    type Value = Case;

    /// Rejected in regimes that have no cases.
    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let (seed, index) = (runner.rng().random(), runner.rng().random_range(0..INDICES));
        generate_one(self.loss, self.format, self.regime, &self.taken, seed, index, LONG)
            .map(|case| CaseTree::new(case, self.taken.clone()))
            .ok_or_else(|| format!("the regime {} has no cases", self.regime.name()).into())
    }
}

/// A case and the simpler ones around it.
pub struct CaseTree {
    /// The simplest case that is known to fail.
    failing: Case,
    current: Case,
    simpler: Box<dyn Iterator<Item = Case>>,
    taken: Taken,
}

impl CaseTree {
    fn new(case: Case, taken: Taken) -> CaseTree {
        let mut tree =
            CaseTree { failing: case.clone(), current: case, simpler: Box::new(std::iter::empty()), taken };
        tree.descend();
        tree
    }

    fn descend(&mut self) {
        let taken = self.taken.clone();
        self.simpler = Box::new(candidates(&self.failing).filter(move |case| taken.takes(case)));
    }

    fn advance(&mut self) -> bool {
        match self.simpler.next() {
            Some(case) => self.current = case,
            None => {
                self.current = self.failing.clone();
                return false;
            }
        }
        true
    }
}

impl ValueTree for CaseTree {
    type Value = Case;

    fn current(&self) -> Case {
        self.current.clone()
    }

    /// The current case fails: on to the first simpler one.
    fn simplify(&mut self) -> bool {
        if self.current != self.failing {
            self.failing = self.current.clone();
            self.descend();
        }
        self.advance()
    }

    /// The current case passes: on to the next one that is simpler than the last that failed.
    fn complicate(&mut self) -> bool {
        self.advance()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss;
    use ::proptest::test_runner::{Config, TestError};

    fn runner() -> TestRunner {
        let config = Config { failure_persistence: None, ..Config::with_cases(60) };
        TestRunner::new_with_rng(
            config,
            ::proptest::test_runner::TestRng::deterministic_rng(Default::default()),
        )
    }

    #[test]
    fn a_failing_case_is_shrunk_to_the_smallest() {
        let bce = loss::find("bce_with_logits").unwrap();
        let strategy = cases(bce, Format::F32, Regime::Saturated);
        let failed = runner().run(&strategy, |case| {
            let beyond = case.input("logits").floats().iter().any(|&z| z > 17.0);
            ::proptest::prop_assert!(!beyond);
            Ok(())
        });
        let Err(TestError::Fail(_, case)) = failed else { panic!("{failed:?}") };
        assert_eq!(case.input("logits").len(), 1);
        assert!(case.input("logits").floats()[0] > 17.0);
        assert!(case.gradients.is_empty() && !case.inputs.contains_key("weight"));
    }

    #[test]
    fn a_regime_without_cases_rejects() {
        let strategy = cases(loss::find("mse").unwrap(), Format::F32, Regime::Worst);
        assert!(strategy.new_tree(&mut runner()).is_err());
    }
}
