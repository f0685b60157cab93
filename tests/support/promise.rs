//! What promises over the whole catalogue share: cases of a loss in every format and regime, side by side; what is found,
//! counted by kind with its first case; and a test for each loss, so that one that is forgotten fails.

use lossproof::case::Case;
use lossproof::case::regime::{Regime, Taken, generate};
use lossproof::format::Format;
use lossproof::judge::Machine;
use lossproof::loss;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The most kinds of findings that are printed.
const SHOWN: usize = 40;

/// Which cases are made of each loss, format and regime.
pub struct Plan {
    pub seeds: &'static [u64],
    /// How many of each seed.
    pub cases: usize,
    /// Classes or elements of `long`.
    pub long: usize,
}

/// What was found of one kind: how often, and the first.
#[derive(Default)]
pub struct Findings(BTreeMap<String, (usize, String)>);

impl Findings {
    pub fn add(&mut self, kind: String, what: &str, case: &Case) {
        let first = || format!("{what}\n    {}", serde_json::to_string(case).expect("a case is JSON"));
        self.0.entry(kind).or_insert_with(|| (0, first())).0 += 1;
    }
}

/// Checks every case of a loss, each with its number among those of its format and regime. Nothing may be found.
pub fn hold(loss: &str, plan: &Plan, check: impl Fn(usize, &Case, Regime, &mut Findings) + Sync) {
    let entry = loss::find(loss).expect("a loss of the catalogue");
    let all = Format::ALL.into_iter().flat_map(|format| Regime::ALL.map(|regime| (format, regime)));
    let all: Vec<(Format, Regime)> = all.collect();
    let find = |&(format, regime): &(Format, Regime)| {
        let of_seed =
            |&seed: &u64| generate(entry, format, regime, &Taken::all(entry), seed, plan.cases, plan.long);
        let mut found = Findings::default();
        for (at, case) in plan.seeds.iter().flat_map(of_seed).enumerate() {
            check(at, &case, regime, &mut found);
        }
        found.0
    };
    let found: Vec<_> = all.par_iter().map(find).collect();
    let found: BTreeMap<_, _> = found.into_iter().flatten().collect();
    let lines = found.iter().map(|(kind, (count, first))| format!("{kind}: {count} times, first {first}"));
    let lines: Vec<String> = lines.take(SHOWN).collect();
    assert!(found.is_empty(), "{} kinds, among them\n{}", found.len(), lines.join("\n"));
}

/// PyTorch's least p(1 − p).
const PYTORCH_FLOOR: f64 = 1e-12;

/// Whether a machine loses what guards a case: it does not tell the clip of a probability from 0 or 1, or takes what is added
/// to a squared norm, or the floor of a divisor, for 0. Its kernel has the logarithm of 0, or 0/0, which are known bugs
/// (BC-22, DS-14) and nothing that the model bounds.
pub fn loses_its_guard(case: &Case, machine: &Machine) -> bool {
    let given = |name: &str| case.params.number(name).filter(|&x| x != 0.0);
    let is_nothing = |x: f64| x < machine.compute.min_normal();
    let pytorch = given("log_clamp").is_some() && case.params.text("log_clamp_gradient") == "pytorch";
    given("probability_clip").is_some_and(|clip| machine.compute.round(1.0 - clip) == 1.0)
        || given("epsilon").is_some_and(is_nothing)
        || pytorch && is_nothing(PYTORCH_FLOOR)
}

/// One test for each loss, which is all of the catalogue.
macro_rules! for_each_loss {
    ($hold:ident: $($loss:ident)*) => {
        $(
            #[test]
            fn $loss() {
                $hold(stringify!($loss));
            }
        )*

        #[test]
        fn no_loss_is_forgotten() {
            for entry in lossproof::loss::LOSSES {
                assert!([$(stringify!($loss)),*].contains(&entry.spec().id), "{}", entry.spec().id);
            }
        }
    };
}
