//! The promise: a kernel behind the adapter protocol gets the report that it gets in this process.

mod program;

use program::{Run, lossproof_in, lossproof_with_input, scratch};
use serde_json::Value;
use std::path::Path;

/// Checks a built-in kernel and returns the report, without what depends on the clock.
fn check(folder: &Path, subject: [&str; 2]) -> (Run, Value) {
    let mut arguments = subject.to_vec();
    arguments.insert(0, "check");
    // `long` is above the 1024 elements from which tensors travel as base64.
    arguments.extend([
        "--regime",
        "typical,edge,cancelling,masked,degenerate,long",
        "--cases",
        "3",
        "--long",
        "1100",
    ]);
    arguments.extend(["--report", "json=report"]);
    let run = lossproof_in(folder, &arguments);
    let text =
        std::fs::read(folder.join("report")).unwrap_or_else(|_| panic!("the report is written: {run:?}"));
    let mut report: Value = serde_json::from_slice(&text).expect("a report is JSON");
    assert!(report["summary"]["seconds"].take().is_number());
    // The command that shows a failure again names the subject; all else of it has to be the same.
    for failure in report["failures"].as_array_mut().expect("failures") {
        let command = failure["replay"].take();
        assert!(command.as_str().is_some_and(|command| command.contains(subject[0])), "{command}");
    }
    (run, report)
}

#[test]
fn a_kernel_behind_the_protocol_gets_the_same_report() {
    let folder = scratch();
    let program = env!("CARGO_BIN_EXE_lossproof");
    // A right kernel, and a wrong one: faults and worst cases too have to be the same.
    for (kernel, status) in [("builtin", 0), ("CE-01", 1)] {
        let (run, in_process) = check(folder.path(), ["--kernel", kernel]);
        assert_eq!(run.status, Some(status), "{run:?}");
        let (run, adapter) =
            check(folder.path(), ["--adapter", &format!("'{program}' serve --kernel {kernel}")]);
        assert_eq!(run.status, Some(status), "{run:?}");
        assert_eq!(
            adapter.as_object().map(|report| report.len()),
            in_process.as_object().map(|report| report.len())
        );
        for (name, part) in in_process.as_object().expect("a report is an object") {
            assert_eq!(adapter[name], *part, "{kernel}: {name}");
        }
    }
}

#[test]
fn a_served_kernel_outlives_bad_requests_and_ends_with_its_input() {
    let request = r#"{"id":2,"loss":"mse","format":"f64","inputs":{"prediction":{"dtype":"f64","shape":[0],"values":[]},
        "target":{"dtype":"f64","shape":[0],"values":[]}}}"#;
    let input = format!("{{\"lossproof\":1}}\nnonsense\n{}", request.replace('\n', ""));
    let run = lossproof_with_input(&["serve", "--kernel", "builtin"], input.into_bytes());
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let answers: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("an answer is JSON")).collect();
    assert_eq!((&answers[0]["name"], answers.len()), (&"builtin".into(), 3), "{answers:?}");
    assert!(answers[1]["error"].is_string() && answers[1]["id"].is_null());
    assert_eq!(answers[2], serde_json::json!({"id": 2, "unsupported": "no mse in f64"}));
    let unknown = lossproof_with_input(&["serve", "--kernel", "CE-0"], Vec::new());
    assert_eq!(unknown.status, Some(2), "{unknown:?}");
}

/// The example of adapters/README.md, a whole program.
#[allow(dead_code)] // Its `main`.
#[path = "../adapters/rust/adapter.rs"]
mod example;

#[test]
fn the_example_is_what_the_readme_shows_and_holds() {
    let readme = include_str!("../adapters/README.md");
    let program = include_str!("../adapters/rust/adapter.rs");
    assert!(readme.contains(&format!("```rust\n{program}```\n")));
    lossproof::check(&example::Mae).assert_holds();
    let requests = r#"{"lossproof":1}
{"id":1,"loss":"mae","format":"f64","inputs":{"prediction":{"dtype":"f64","shape":[2],"values":[1.0,-2.0]},"target":{"dtype":"f64","shape":[2],"values":[0.0,0.0]}}}"#;
    let mut answers = Vec::new();
    lossproof::subject::adapter::serve_on(&example::Mae, requests.as_bytes(), &mut answers)
        .expect("it is served");
    let answers = String::from_utf8(answers).expect("an answer is UTF-8");
    assert!(answers.starts_with(r#"{"lossproof":1,"name":"Mae","#), "{answers}");
    assert!(answers.contains(r#"{"id":1,"outputs":{"#) && answers.contains(r#""values":[1.5]"#), "{answers}");
}
