//! Two derivations, two libraries: over every loss, format and regime the proved truth agrees with the witness.

use lossproof::case::regime::{Regime, Taken, generate};
use lossproof::format::Format;
use lossproof::loss::LOSSES;
use lossproof::oracle::prove_with_bounds;
use lossproof::truth::Truth;
use lossproof::witness::{agrees, witness};
use std::collections::BTreeMap;

/// Cases for each loss, format and regime; `long` is left to the soundness target.
const CASES: usize = 24;

#[test]
fn truth_and_witness_agree_in_every_regime() {
    let mut compared = 0usize;
    let mut skipped: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for &entry in LOSSES {
        let taken = Taken::all(entry);
        for format in Format::ALL {
            for regime in Regime::ALL.into_iter().filter(|&regime| regime != Regime::Long) {
                for case in generate(entry, format, regime, &taken, 1, CASES, 1024) {
                    let claims = match witness(&case) {
                        Ok(witness) => witness,
                        Err(skip) => {
                            *skipped.entry((entry.spec().id.to_owned(), skip.name())).or_default() += 1;
                            continue;
                        }
                    };
                    let truths = prove_with_bounds(&case).expect("generated cases are valid");
                    for ((truth, bounds), claimed) in truths.iter().zip(&claims.outputs) {
                        assert_eq!(truth.name, claimed.name);
                        for (element, ((truth_of, bounds), claim)) in
                            truth.elements.iter().zip(bounds).zip(&claimed.elements).enumerate()
                        {
                            let (low, high) = match bounds {
                                Some((low, high)) => (low.as_str(), high.as_str()),
                                None => ("nan", "nan"),
                            };
                            compared += 1;
                            let undecided = matches!(truth_of, Truth::Undecided { .. });
                            if (undecided || !agrees(low, high, claim)) && failures.len() < 20 {
                                let request = serde_json::to_string(&case).expect("a case is JSON");
                                let name = &truth.name;
                                failures.push(format!(
                                    "{regime:?} {name}[{element}]: {truth_of:?} in [{low}, {high}], witness \
                                     {claim:?}\n  {}",
                                    &request[..request.len().min(1500)]
                                ));
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{compared} elements compared, cases skipped: {skipped:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared > 100_000, "only {compared} elements compared");
}
