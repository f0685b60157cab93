//! Cases as quickcheck takes them: any loss, format and regime, with shrinking by the steps of [`super::shrink`].

use super::Case;
use super::regime::{Regime, Taken, generate_one};
use super::shrink::candidates;
use crate::format::Format;
use crate::loss::LOSSES;
use ::quickcheck::{Arbitrary, Gen};

/// How many cases of a regime are drawn from for each seed: all its scenarios, and all triggers.
const INDICES: usize = 48;
/// The length of the long axis in [`Regime::Long`]: quickcheck's own cases are small, too.
const LONG: usize = 1 << 11;

/// An arbitrary case: any loss of the catalogue in any format and any regime that has cases.
///
/// ```
/// # #[cfg(feature = "quickcheck")] {
/// use lossproof::case::quickcheck::AnyCase;
///
/// fn is_valid(AnyCase(case): AnyCase) -> bool {
///     case.checked().is_ok()
/// }
/// quickcheck::quickcheck(is_valid as fn(AnyCase) -> bool);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AnyCase(pub Case);

impl Arbitrary for AnyCase {
    fn arbitrary(g: &mut Gen) -> AnyCase {
        loop {
            let Some(&entry) = g.choose(LOSSES) else { unreachable!("the catalogue is not empty") };
            let format = *g.choose(&Format::ALL).unwrap_or(&Format::F32);
            let regime = *g.choose(&Regime::ALL).unwrap_or(&Regime::Typical);
            let (seed, index) = (u64::arbitrary(g), usize::arbitrary(g) % INDICES);
            let case = generate_one(entry, format, regime, &Taken::all(entry), seed, index, LONG);
            if let Some(case) = case {
                return AnyCase(case);
            }
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = AnyCase>> {
        Box::new(candidates(&self.0).map(AnyCase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::quickcheck::QuickCheck;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    #[test]
    fn cases_are_valid_and_of_every_kind() {
        let mut g = Gen::new(10);
        let mut kinds = BTreeSet::new();
        for _ in 0..300 {
            let AnyCase(case) = AnyCase::arbitrary(&mut g);
            assert_eq!(case.clone().checked().as_ref(), Ok(&case));
            kinds.insert((case.loss, case.format));
        }
        assert!(kinds.len() > LOSSES.len() * 2, "{kinds:?}");
    }

    #[test]
    fn a_failing_case_is_shrunk() {
        thread_local!(static SMALLEST: RefCell<Option<Case>> = const { RefCell::new(None) });
        fn fails(AnyCase(case): AnyCase) -> bool {
            let fails = case.inputs.get("prediction").is_some_and(|x| !x.is_empty());
            if fails {
                SMALLEST.set(Some(case));
            }
            !fails
        }
        let failed = QuickCheck::new().tests(500).quicktest(fails as fn(AnyCase) -> bool);
        assert!(failed.is_err());
        let smallest = SMALLEST.take().unwrap();
        assert_eq!(smallest.input("prediction").floats(), [0.0]);
        assert!(smallest.gradients.is_empty());
    }
}
