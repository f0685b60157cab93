//! What the regimes promise: the same bytes, valid cases, small sizes, and that each danger occurs.

use super::*;
use crate::loss::{self, Domain, LOSSES, ParamValue};
use std::collections::BTreeSet;

/// Cases per regime of a default check, of the order that this module is sized for.
const COUNT: usize = 20;

const SHORT: [Regime; 10] = [
    Regime::Typical,
    Regime::Edge,
    Regime::Extreme,
    Regime::Saturated,
    Regime::Cancelling,
    Regime::Subnormal,
    Regime::Masked,
    Regime::Tied,
    Regime::Degenerate,
    Regime::Overflowing,
];

fn of(id: &str, format: Format, regime: Regime, seed: u64) -> Vec<Case> {
    let entry = loss::find(id).unwrap();
    generate(entry, format, regime, &Taken::all(entry), seed, COUNT, 0)
}

fn all(id: &str, format: Format) -> Vec<Case> {
    SHORT.into_iter().flat_map(|regime| of(id, format, regime, 1)).collect()
}

fn bytes(cases: &[Case]) -> String {
    serde_json::to_string(cases).unwrap()
}

fn ids() -> impl Iterator<Item = &'static str> {
    LOSSES.iter().map(|entry| entry.spec().id)
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    for id in ids() {
        let first = of(id, Format::F32, Regime::Typical, 1);
        assert_eq!(bytes(&first), bytes(&of(id, Format::F32, Regime::Typical, 1)));
        assert_ne!(bytes(&first), bytes(&of(id, Format::F32, Regime::Typical, 2)));
    }
}

#[test]
fn a_case_depends_on_its_index_alone() {
    for entry in LOSSES {
        let taken = Taken::all(*entry);
        for regime in [Regime::Masked, Regime::Saturated] {
            let all = generate(*entry, Format::F16, regime, &taken, 3, 12, 0);
            let few = generate(*entry, Format::F16, regime, &taken, 3, 5, 0);
            assert_eq!(bytes(&all[..5]), bytes(&few));
            for (index, case) in all.iter().enumerate() {
                let one = generate_one(*entry, Format::F16, regime, &taken, 3, index, 0).unwrap();
                assert_eq!(bytes(std::slice::from_ref(case)), bytes(&[one]));
            }
        }
    }
}

/// The hash of each loss's short f32 cases with seed 1; to be written anew when a generator changes.
const BYTES: &[(&str, &str)] = &[
    ("mse", "c57b966118e7aab8"),
    ("mae", "1cd97f5fd7078d2f"),
    ("huber", "765428573ba20c9b"),
    ("smooth_l1", "a17e7d6baef7bba9"),
    ("log_cosh", "ef826ca7b7537b4c"),
    ("gaussian_nll", "018b2f18367675b1"),
    ("cross_entropy", "767eecc144c1754f"),
    ("cross_entropy_soft", "fcbb2a276cc34a61"),
    ("nll_loss", "5a298a89171ba64d"),
    ("bce_with_logits", "7c399a216e5b45d4"),
    ("hinge", "5dbeea49f9963ad6"),
    ("bce", "fe1647d9f011767f"),
    ("focal_sigmoid", "889430a4758856c5"),
    ("kl_div", "e38ba656a6f789db"),
    ("triplet_margin", "f131dd19991006b0"),
    ("cosine_embedding", "784077524d99a03a"),
];

#[test]
fn the_bytes_are_the_same_on_every_platform() {
    let mut found = Vec::new();
    for id in ids() {
        let mut hash = 0u64;
        for case in all(id, Format::F32) {
            for byte in bytes(&[case]).bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        found.push((id, format!("{hash:016x}")));
    }
    let known: Vec<(&str, String)> = BYTES.iter().map(|&(id, hash)| (id, hash.to_owned())).collect();
    assert_eq!(found, known);
}

#[test]
fn every_regime_of_every_loss_and_format_gives_valid_small_cases() {
    for id in ids() {
        for format in Format::ALL {
            let mut elements = 0;
            for regime in SHORT {
                for seed in [1, 99] {
                    let cases = of(id, format, regime, seed);
                    assert_eq!(cases.len(), COUNT, "{id} {format} {}", regime.name());
                    elements += cases.iter().map(Case::elements).sum::<usize>();
                    for case in cases {
                        let checked = case.clone().checked();
                        assert_eq!(checked.as_ref(), Ok(&case));
                        assert!(!case.inputs.values().flat_map(|t| t.floats()).any(|x| x.is_nan()));
                    }
                }
            }
            // Two seeds: at 10 µs an element this is what a check can afford.
            println!("{id} {format} {}", elements / 2);
            assert!(elements / 2 < 16_000, "{id} {format}: {} elements", elements / 2);
        }
    }
}

#[test]
fn many_more_cases_are_valid_under_any_pins() {
    for entry in LOSSES {
        for format in [Format::F64, Format::F16] {
            for (round, param) in entry.spec().params.iter().enumerate() {
                for value in params::interesting(param) {
                    let mut taken = Taken::all(*entry);
                    taken.pinned.set(param.name, value.clone());
                    taken.gradients.truncate(1);
                    taken.optional_inputs.truncate(round % 2);
                    for regime in SHORT {
                        for case in generate(*entry, format, regime, &taken, 5, 30, 0) {
                            assert!(taken.takes(&case));
                            assert_eq!(*case.params.get(param.name), value);
                            assert!(case.gradients.len() <= 1);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_a_subject_does_not_take_is_not_asked() {
    for entry in LOSSES {
        for regime in SHORT {
            for case in generate(*entry, Format::Bf16, regime, &Taken::default(), 7, COUNT, 0) {
                assert!(case.gradients.is_empty());
                assert!(case.inputs.keys().all(|name| !entry.spec().input(name).unwrap().optional));
                assert!(!Taken { gradients: vec![], ..Taken::all(*entry) }.takes(&Case {
                    gradients: entry.spec().differentiable().map(str::to_owned).collect(),
                    ..case
                }));
            }
        }
    }
}

#[test]
fn optional_inputs_come_and_go_and_every_choice_of_every_parameter_occurs() {
    for entry in LOSSES {
        let spec = entry.spec();
        let cases = all(spec.id, Format::F32);
        for input in spec.inputs.iter().filter(|input| input.optional) {
            let present = cases.iter().filter(|case| case.inputs.contains_key(input.name)).count();
            assert!(present > 20 && present < cases.len() - 20, "{} {}: {present}", spec.id, input.name);
        }
        for param in spec.params {
            for value in params::interesting(param) {
                let found = cases.iter().any(|case| *case.params.get(param.name) == value);
                assert!(found, "{}: {} is never {value}", spec.id, param.name);
            }
        }
    }
}

#[test]
fn pairs_of_dangers_occur() {
    let cases = all("cross_entropy", Format::F32);
    let ignoring = |case: &&Case| {
        let ignore = case.params.integer("ignore_index");
        let targets = case.input("target").integers();
        let ignored = targets.iter().filter(|&&t| Some(t) == ignore).count();
        ignored > 0 && ignored < targets.len()
    };
    let smoothed = |case: &&Case| case.params.number("label_smoothing") != Some(0.0);
    let weighted = |case: &&Case| case.inputs.contains_key("class_weight");
    assert!(cases.iter().filter(ignoring).filter(smoothed).count() >= 5);
    assert!(cases.iter().filter(ignoring).filter(weighted).count() >= 5);
    assert!(cases.iter().filter(ignoring).filter(smoothed).filter(weighted).count() >= 2);
    let cases = all("bce_with_logits", Format::F32);
    let soft = |case: &&Case| case.input("target").floats().iter().any(|&y| y > 0.0 && y < 1.0);
    let positive = |case: &&Case| case.inputs.contains_key("pos_weight");
    assert!(cases.iter().filter(soft).filter(positive).count() >= 10);
}

#[test]
fn saturation_is_swept_densely_in_every_format() {
    for format in Format::ALL {
        let logits = of("bce_with_logits", format, Regime::Saturated, 1);
        let binary: Vec<f64> =
            logits.iter().flat_map(|case| case.input("logits").floats()).map(|z| z.abs()).collect();
        let mut gaps = Vec::new();
        for case in of("cross_entropy", format, Regime::Saturated, 1) {
            let logits = case.input("logits");
            for (row, &t) in logits.floats().chunks(logits.shape[1]).zip(case.input("target").integers()) {
                let Some(&at_target) = row.get(t as usize) else { continue };
                let others = row.iter().enumerate().filter(|(c, _)| *c as i64 != t);
                gaps.extend(others.map(|(_, x)| (at_target - x).abs()));
            }
        }
        for values in [binary, gaps] {
            for (low, high) in numbers::SWEEPS {
                let hits = values.iter().filter(|&&z| (low..=high).contains(&z)).count();
                assert!(hits >= if low == 15.0 { 20 } else { 2 }, "{format}: {hits} in {low}..{high}");
            }
        }
    }
}

#[test]
fn offsets_of_both_signs_cancel() {
    for (id, input) in [("cross_entropy", "logits"), ("mse", "prediction"), ("triplet_margin", "anchor")] {
        let cases = of(id, Format::F32, Regime::Cancelling, 1);
        let near = |x: f64, offset: f64| (x - offset).abs() < 1e-3 * offset.abs() + 16.0;
        for offset in [256.0, 1e3, 1e4, 1e6, 1e8, -1e4, -1e6, -256.0] {
            let found = cases.iter().any(|case| case.input(input).floats().iter().any(|&x| near(x, offset)));
            assert!(found, "{id}: no offset {offset}");
        }
    }
}

/// How many of a row's logits are −∞, for rows that count.
fn excluded(case: &Case) -> Vec<(usize, usize, bool)> {
    let (logits, ignore) = (case.input("logits"), case.params.integer("ignore_index"));
    let rows = logits.floats().chunks(logits.shape[1]).zip(case.input("target").integers());
    let counted = rows.filter(|(_, t)| Some(**t) != ignore);
    counted
        .map(|(row, &t)| {
            let excluded = row.iter().filter(|&&x| x == f64::NEG_INFINITY).count();
            (excluded, row.len(), row[t as usize] == f64::NEG_INFINITY)
        })
        .collect()
}

#[test]
fn masks_of_every_kind_occur_and_meet_no_zero() {
    let entry = loss::find("cross_entropy").unwrap();
    for format in Format::ALL {
        let cases = generate(entry, format, Regime::Masked, &Taken::all(entry), 1, 60, 0);
        let rows: Vec<_> = cases.iter().flat_map(excluded).collect();
        assert!(rows.iter().any(|&(out, of, _)| out == 1 && of > 2));
        assert!(rows.iter().any(|&(out, of, at)| out + 1 == of && of > 2 && !at));
        assert!(rows.iter().any(|&(out, of, at)| out < of && at), "−∞ at the target");
        assert!(rows.iter().any(|&(out, of, _)| out == of));
        for case in &cases {
            let smoothed = case.params.number("label_smoothing") != Some(0.0);
            let infinite = excluded(case).iter().any(|&(out, _, at)| at || (smoothed && out > 0));
            let zero = |tensor: &crate::tensor::Tensor| tensor.floats().contains(&0.0);
            if infinite {
                assert!(!case.optional("class_weight").is_some_and(zero));
                assert!(!zero(&case.upstream));
            }
        }
        assert!(
            cases.iter().any(|case| case.upstream.floats().contains(&0.0)),
            "a zero upstream occurs elsewhere"
        );
    }
}

#[test]
fn degenerate_cases_occur() {
    for id in ids() {
        let cases = of(id, Format::F32, Regime::Degenerate, 1);
        let first = |case: &Case| case.input(case.entry().unwrap().spec().inputs[0].name).len();
        assert!(cases.iter().any(|case| first(case) == 0), "{id}: nothing");
        assert!(cases.iter().any(|case| first(case) == 1), "{id}: one");
        for input in loss::find(id).unwrap().spec().inputs.iter().filter(|input| input.optional) {
            let zeros = |case: &Case| {
                case.optional(input.name)
                    .is_some_and(|t| !t.is_empty() && t.floats().iter().all(|&x| x == 0.0))
            };
            assert!(cases.iter().any(zeros), "{id}: {} all zero", input.name);
        }
    }
    let same = |case: &Case| case.input("anchor").floats() == case.input("positive").floats();
    assert!(of("triplet_margin", Format::F16, Regime::Degenerate, 1).iter().filter(|c| same(c)).count() >= 4);
    let ignored = |case: &Case| {
        let ignore = case.params.integer("ignore_index");
        let targets = case.input("target").integers();
        !targets.is_empty() && targets.iter().all(|&t| Some(t) == ignore)
    };
    assert!(of("cross_entropy", Format::F16, Regime::Degenerate, 1).iter().any(ignored));
}

#[test]
fn extreme_cases_reach_the_ends_of_each_format() {
    for (id, input) in [("mse", "prediction"), ("cross_entropy", "logits"), ("triplet_margin", "negative")] {
        for format in Format::ALL {
            let cases = of(id, format, Regime::Extreme, 1);
            let values: Vec<f64> =
                cases.iter().flat_map(|case| case.input(input).floats()).map(|x| x.abs()).collect();
            for end in
                [format.max_value(), format.max_value() / 2.0, format.min_normal(), format.min_subnormal()]
            {
                assert!(values.contains(&end), "{id} {format}: no {end:e}");
            }
        }
    }
    for format in Format::ALL {
        let cases = of("mae", format, Regime::Subnormal, 1);
        let subnormal = |x: &f64| *x != 0.0 && x.abs() < format.min_normal();
        assert!(cases.iter().any(|case| case.input("prediction").floats().iter().any(subnormal)));
    }
}

#[test]
fn the_margin_and_other_kinks_are_met_exactly() {
    let met = |case: &Case| {
        let row = |name: &str| case.input(name).floats().iter().map(|x| x.abs()).sum::<f64>();
        case.params.number("margin").unwrap() + row("positive") == row("negative")
            && case.input("anchor").floats().iter().all(|&x| x == 0.0)
    };
    let drawn = |id: &str| of(id, Format::F32, Regime::Edge, 1);
    assert!(drawn("triplet_margin").iter().skip(3).any(met));
    let zero = |case: &Case| {
        let (x, y) = (case.input("prediction").floats(), case.input("target").floats());
        x.iter().zip(y).any(|(x, y)| x == y)
    };
    assert!(drawn("mae").iter().any(zero));
}

/// Equal distances, by another order of the features: provably equal ones only.
#[test]
fn equal_distances_are_of_norms_that_can_be_compared() {
    let mut several = 0;
    for case in of("triplet_margin", Format::F32, Regime::Tied, 1) {
        let compared = match case.params.number("p") {
            Some(p) => p == 1.0 || (p == 2.0 && case.params.number("margin") == Some(0.0)),
            None => true,
        };
        let features = case.input("positive").shape[1];
        for row in case.input("positive").floats().chunks(features) {
            let differing = row.iter().filter(|&&x| x != 0.0).count();
            assert!(compared || differing <= 1);
            several += usize::from(differing > 1);
        }
    }
    assert!(several > 5);
}

#[test]
fn upstreams_are_mostly_ones_and_otherwise_everything() {
    let cases: Vec<Case> = ids().flat_map(|id| all(id, Format::F32)).collect();
    let upstreams: Vec<&[f64]> =
        cases.iter().map(|case| case.upstream.floats()).filter(|u| !u.is_empty()).collect();
    let share = |holds: &dyn Fn(&[f64]) -> bool| {
        upstreams.iter().filter(|u| holds(u)).count() as f64 / upstreams.len() as f64
    };
    let ones = share(&|u| u.iter().all(|&x| x == 1.0));
    assert!((0.3..0.7).contains(&ones), "{ones}");
    assert!(share(&|u| u.iter().any(|&x| x < 0.0)) > 0.1);
    assert!(share(&|u| u[0] == 0.0 && u.iter().any(|&x| x != 0.0)) > 0.002);
    assert!(share(&|u| u.iter().any(|&x| x != u[0])) > 0.02);
    assert!(share(&|u| u[0] == f64::from(0.1f32)) > 0.02);
    assert!(share(&|u| u[0] < 1.0 && u[0].log2().fract() == 0.0) > 0.02);
    assert!(cases.iter().all(|case| case.upstream.shape != [0; 0] || case.upstream.floats() != [0.0]));
}

#[test]
fn lengths_around_blocks_occur_and_long_is_as_long_as_asked() {
    for entry in LOSSES {
        let spec = entry.spec();
        let longest = |case: &Case| case.input(spec.inputs[0].name).shape.last().copied().unwrap_or(1);
        let lengths: BTreeSet<usize> = all(spec.id, Format::F32)
            .iter()
            .map(|case| {
                longest(case).max(if spec.inputs[0].shape == ["N…"] {
                    case.input(spec.inputs[0].name).len()
                } else {
                    0
                })
            })
            .collect();
        for length in [1, 2, 7, 63, 64, 65, 257, 2049] {
            assert!(lengths.contains(&length), "{}: no length {length} in {lengths:?}", spec.id);
        }
        let taken = Taken::all(*entry);
        assert!(generate(*entry, Format::F32, Regime::Long, &taken, 1, 3, 0).is_empty());
        let long = generate(*entry, Format::F32, Regime::Long, &taken, 1, 1, 1 << 14);
        let size = long[0].input(spec.inputs[0].name).len();
        assert_eq!(size, 1 << 14, "{}", spec.id);
    }
}

#[test]
fn long_cases_have_a_leading_run_of_minus_infinity_beyond_64_ki() {
    let entry = loss::find("cross_entropy").unwrap();
    for case in [
        &generate(entry, Format::F32, Regime::Long, &Taken::all(entry), 1, 3, 1 << 17)[1],
        &generate(entry, Format::F32, Regime::Long, &Taken::all(entry), 1, 1, 1 << 14)[0],
    ] {
        let row = case.input("logits").floats();
        let target = case.input("target").integers()[0] as usize;
        let excluded = |&(c, x): &(usize, &f64)| *x == f64::NEG_INFINITY || c == target;
        let run = row.iter().enumerate().take_while(excluded).count();
        assert!(run > row.len() / 2, "{run} of {}", row.len());
        assert!(row[run..].iter().all(|x| x.is_finite()));
    }
}

#[test]
fn regimes_have_aims_and_worst_has_no_cases_yet() {
    let aims: BTreeSet<&str> = Regime::ALL.into_iter().map(Regime::aim).collect();
    assert_eq!(aims.len(), Regime::ALL.len());
    let entry = loss::find("mse").unwrap();
    assert!(generate(entry, Format::F32, Regime::Worst, &Taken::all(entry), 1, 5, 1 << 14).is_empty());
}

/// A loss that no kind of generator knows gets cases from its domains alone.
#[test]
fn every_domain_can_be_filled() {
    let random = Random::keyed(&["domain"], &[]);
    for format in Format::ALL {
        let mut numbers = numbers::Numbers { format, random: random.clone() };
        for regime in Regime::ALL {
            for domain in [
                Domain::Finite,
                Domain::FiniteOrMinusInfinity,
                Domain::Unit,
                Domain::NonNegative,
                Domain::NonNegativeOrLog,
                Domain::SignValue,
                Domain::Positive,
            ] {
                for zero in [false, true] {
                    for _ in 0..50 {
                        let x = numbers.of_domain(domain, regime, zero);
                        assert!(domain.holds(x) && format.holds(x), "{format} {domain:?} {x}");
                        assert!(zero || domain != Domain::NonNegative || x > 0.0);
                    }
                }
            }
        }
    }
}

#[test]
fn parameters_take_what_their_kinds_allow() {
    for entry in LOSSES {
        for param in entry.spec().params {
            let values = params::interesting(param);
            assert!(values.len() >= 2, "{}: {} never varies", entry.spec().id, param.name);
            for value in values {
                let params = loss::Params::default().with(param.name, value.clone());
                let complete = params.complete(entry.spec()).unwrap();
                assert_eq!(*complete.get(param.name), value, "in the form that is written");
            }
        }
    }
    let spec = loss::find("cross_entropy").unwrap().spec();
    let pinned =
        Taken { pinned: loss::Params::default().with("ignore_index", ParamValue::Null), ..Taken::default() };
    let drawn = params::draw(spec, &pinned, &Random::keyed(&[], &[]));
    assert_eq!(*drawn.get("ignore_index"), ParamValue::Null);
}
