//! The promise: the same seed gives the same report on any number of threads, and shards merge to the whole.

mod program;

use program::{Run, lossproof_in, scratch};
use serde_json::{Value, json};
use std::path::Path;

/// Runs a check of a kernel that is wrong and writes its report; without what depends on the clock.
fn check(folder: &Path, name: &str, more: &[&str]) -> (Run, Value) {
    let target = format!("json={name}");
    let mut arguments =
        vec!["check", "--kernel", "CE-01", "--regime", "typical,extreme,masked", "--cases", "9"];
    arguments.extend(["--report", &target]);
    arguments.extend(more);
    let run = lossproof_in(folder, &arguments);
    assert!(matches!(run.status, Some(0 | 1)), "{run:?}");
    let report = read(folder, name);
    (run, report)
}

fn read(folder: &Path, name: &str) -> Value {
    let text = std::fs::read(folder.join(name)).expect("the report is written");
    let mut report: Value = serde_json::from_slice(&text).expect("a report is JSON");
    assert!(report["summary"]["seconds"].take().is_number());
    report
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = scratch();
    let (_, one) = check(folder.path(), "1", &["--jobs", "1"]);
    let (_, three) = check(folder.path(), "3", &["--jobs", "3"]);
    assert_eq!(one.to_string(), three.to_string());
    let (_, other) = check(folder.path(), "other", &["--seed", "1"]);
    assert_ne!(one["cells"], other["cells"]);
}

#[test]
fn shards_merge_to_the_whole() {
    let folder = scratch();
    let (run, whole) = check(folder.path(), "whole", &[]);
    for shard in ["1", "2", "3"] {
        check(folder.path(), shard, &["--shard", &format!("{shard}/3")]);
    }
    let merged = lossproof_in(folder.path(), &["report", "merge", "3", "1", "2", "--report", "json=merged"]);
    assert_eq!(merged.status, run.status, "{merged:?}");
    let merged = read(folder.path(), "merged");
    let counts = |report: &Value| {
        let cell = |cell: &Value| {
            let names = ["loss", "format", "output", "regime", "cases", "elements", "level", "demanded"];
            let more = ["levels", "faults", "undecided", "max_ulp", "max_budget_ratio"];
            names.iter().chain(&more).map(|&name| cell[name].clone()).collect::<Vec<_>>()
        };
        report["cells"].as_array().expect("cells").iter().map(cell).collect::<Vec<_>>()
    };
    assert_eq!(counts(&merged), counts(&whole));
    assert_eq!(merged["summary"]["cases"], whole["summary"]["cases"]);
}

#[test]
fn reports_of_different_runs_are_not_merged() {
    let folder = scratch();
    check(folder.path(), "a", &["--shard", "1/2"]);
    check(folder.path(), "b", &["--shard", "2/2", "--seed", "5"]);
    let run = lossproof_in(folder.path(), &["report", "merge", "a", "b"]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.stderr.contains("the seed is 0 in the first and 5 in report 2"), "{run:?}");
}

#[test]
fn the_report_has_the_documented_fields() {
    let folder = scratch();
    let (run, report) = check(folder.path(), "report", &["--report", "junit=junit.xml"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    let has = |value: &Value, names: &[&str]| {
        for name in names {
            assert!(value.get(name).is_some(), "no {name} in {value}");
        }
    };
    has(&report, &["lossproof", "subject", "seed", "contract", "summary", "cells"]);
    has(&report["summary"], &["cells", "held", "failed", "vacuous", "undecided", "cases", "seconds"]);
    let cells = report["cells"].as_array().expect("cells");
    for cell in cells {
        has(cell, &["loss", "format", "output", "regime", "cases", "elements", "level", "demanded", "held"]);
        has(cell, &["vacuous", "undecided", "levels", "max_ulp", "max_budget_ratio", "faults", "worst"]);
    }
    let failed = cells.iter().find(|cell| cell["held"] == json!(false)).expect("a cell that fails");
    has(&failed["worst"], &["request", "element", "got", "want", "budget"]);
    has(&failed["worst"]["request"], &["loss", "format", "params", "inputs", "upstream", "gradients"]);
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).expect("JUnit is written");
    assert!(junit.contains("<failure") && junit.matches("<testcase").count() == cells.len(), "{junit}");
}
