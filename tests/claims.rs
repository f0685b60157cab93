//! The promise: what the built-in kernels claim of an output holds of every element of every case of every regime.

use lossproof::case::Case;
use lossproof::case::regime::{Regime, Taken, generate};
use lossproof::judge::{Level, Machine, judge};
use lossproof::kernel::{Builtin, Claim, Kernel, claims};
use lossproof::{loss, oracle};

const CASES: usize = 8;
const LONG: usize = 1536;

fn is_about(claim: &Claim, case: &Case, output: &str) -> bool {
    claim.loss == case.loss
        && claim.output == output
        && claim.formats.contains(&case.format)
        && claim.given.iter().all(|(name, value)| *case.params.get(name) == value.to_value())
        && claim.without.iter().all(|name| case.optional(name).is_none())
}

#[test]
fn every_claim_holds() {
    let mut wrong = Vec::new();
    let mut used = vec![0; claims().count()];
    for support in Builtin.supports() {
        let entry = loss::find(&support.loss).expect("a loss of the catalogue");
        for &format in &support.formats {
            let machine = Machine::of(format);
            for regime in Regime::ALL {
                for case in generate(entry, format, regime, &Taken::all(entry), 1, CASES, LONG) {
                    let outputs = Builtin.run(&case).expect("it takes every case");
                    let verified = oracle::verify(&case, &machine).expect("a case of the catalogue");
                    for verdict in judge(&case, &verified, &outputs, &machine, Level::Correct) {
                        let level = verdict.level();
                        for (claim, used) in claims().zip(&mut used) {
                            if !is_about(claim, &case, &verdict.name) {
                                continue;
                            }
                            *used += usize::from(level.is_some());
                            if level.is_some_and(|level| level > claim.level) || verdict.undecided > 0 {
                                let (id, name) = (support.loss.as_str(), &verdict.name);
                                let worst = &verdict.worst;
                                wrong.push(format!("{id} {format} {name} {}: {worst:?}", regime.name()));
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(used.iter().all(|&used| used > 0), "a claim that no case is about: {used:?}");
}
