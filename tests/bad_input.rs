//! The promise: bad input gets one clear message and the right status, never a panic. One table holds every kind.

mod program;

use program::{Run, lossproof, lossproof_with_input, scratch};

const HOLDS: i32 = 0;
const WRONG: i32 = 2;

/// Arguments, the exit status, and what the message on standard error says.
const COMMANDS: &[(&[&str], i32, &str)] = &[
    // The command itself.
    (&[], WRONG, "Usage"),
    (&["chek"], WRONG, "check"),
    (&["check", "--cases", "0"], WRONG, "0"),
    (&["check", "--seed", "-1"], WRONG, "-1"),
    (&["check", "--jobs", "0"], WRONG, "0"),
    (&["check", "--timeout", "0"], WRONG, "--timeout takes seconds above 0"),
    (&["check", "--timeout", "nan"], WRONG, "--timeout takes seconds above 0"),
    (&["check", "--tier", "magic"], WRONG, "magic"),
    (&["check", "--require", "stabel"], WRONG, "did you mean `stable`?"),
    (&["check", "--shard", "0/4"], WRONG, "--shard takes I/N"),
    (&["check", "--shard", "5/4"], WRONG, "--shard takes I/N"),
    (&["check", "--shard", "1"], WRONG, "--shard takes I/N"),
    (&["check", "--report", "json"], WRONG, "--report takes KIND=FILE"),
    (&["check", "--report", "csv=x"], WRONG, "not `csv`"),
    (&["check", "--report", "json=no/such/folder/x"], WRONG, "no folder no/such/folder"),
    // Names.
    (&["check", "--loss", "cross_entrpy"], WRONG, "did you mean `cross_entropy`?"),
    (&["check", "--loss", "mse,banana"], WRONG, "unknown loss `banana`"),
    (&["check", "--format", "f23"], WRONG, "unknown format `f23`; did you mean `f32`?"),
    (&["check", "--regime", "typcal"], WRONG, "did you mean `typical`?"),
    (&["check", "--kernel", "no_such_kernel_anywhere"], WRONG, "unknown kernel"),
    (&["show", "msee"], WRONG, "did you mean `mse`?"),
    (&["eval", "banana"], WRONG, "unknown loss `banana`"),
    // Adapters that cannot be set up.
    (&["check", "--adapter", ""], WRONG, "the adapter's command is empty"),
    (&["check", "--adapter", "no-such-program-at-all"], WRONG, "does not start"),
    (&["check", "--adapter", "unclosed 'quote"], WRONG, "cannot be split into words"),
    (&["check", "--adapter", "false"], WRONG, "it ended with status 1"),
    (&["check", "--adapter", "true"], WRONG, "no valid hello"),
    (&["check", "--adapter", "echo hello"], WRONG, "its first line is `hello`"),
    (&["check", "--adapter", "printf '{\"lossproof\":1'"], WRONG, "ended inside of the first line"),
    (&["check", "--adapter", "echo '{\"lossproof\":2,\"supports\":[]}'"], WRONG, "protocol version 2"),
    (&["check", "--adapter", "echo '{\"lossproof\":1,\"supports\":[]}'"], WRONG, "nothing to check"),
    // The calculator.
    (&["eval"], WRONG, "required"),
    (&["eval", "mse"], WRONG, "input `prediction` is missing"),
    (&["eval", "mse", "--input", "prediction"], WRONG, "--input takes NAME=…"),
    (&["eval", "mse", "--input", "predicton=1"], WRONG, "did you mean `prediction`?"),
    (&["eval", "mse", "--input", "prediction=1,x"], WRONG, "`x` at 1 is not a number"),
    (&["eval", "mse", "--input", "prediction=1,2;3"], WRONG, "ragged: row 1 has 1 values, row 0 2"),
    (
        &["eval", "mse", "--input", "prediction=1,2", "--input", "target=1"],
        WRONG,
        "input `target` has shape [1]",
    ),
    (
        &["eval", "mse", "--input", "prediction=1,2", "--shape", "prediction=3"],
        WRONG,
        "takes 3 values, 2 given",
    ),
    (&["eval", "mse", "--input", "prediction=1", "--shape", "prediction=-1"], WRONG, "--shape takes"),
    (
        &["eval", "mse", "--input", "prediction=", "--shape", "prediction=4294967296,4294967296"],
        WRONG,
        "is too large",
    ),
    (&["eval", "mse", "--input", "prediction=1", "--shape", "target=1"], WRONG, "there is no --input target"),
    (
        &["eval", "mse", "--input", "prediction=inf", "--input", "target=1"],
        WRONG,
        "`prediction` is inf at [0]",
    ),
    (&["eval", "mse", "--format", "f16", "--input", "prediction=70000"], WRONG, "beyond f16"),
    (
        &["eval", "mse", "--input", "prediction=1", "--input", "target=1", "--param", "reduction=max"],
        WRONG,
        "`reduction` is one of",
    ),
    (
        &["eval", "mse", "--input", "prediction=1", "--input", "target=1", "--param", "delta=1"],
        WRONG,
        "no parameter `delta`",
    ),
    (
        &["eval", "mse", "--input", "prediction=1", "--input", "target=1", "--gradient", "weight"],
        WRONG,
        "no gradient by `weight`",
    ),
    (
        &["eval", "mse", "--input", "prediction=1", "--input", "target=1", "--upstream", "1,2"],
        WRONG,
        "1 values, 2 given",
    ),
    (
        &["eval", "mse", "--input", "prediction=1", "--input", "target=1", "--upstream", "inf"],
        WRONG,
        "finite is demanded",
    ),
    (
        &["eval", "cross_entropy", "--input", "logits=1,2", "--input", "target=2"],
        WRONG,
        "`target` is 2 at [0], not a class in [0, 2)",
    ),
    (
        &["eval", "cross_entropy", "--input", "logits=1,2", "--input", "target=nan"],
        WRONG,
        "not a whole number",
    ),
    (&["eval", "cross_entropy", "--input", "logits=inf,2", "--input", "target=0"], WRONG, "`logits` is inf"),
    (
        &["eval", "bce_with_logits", "--input", "logits=0", "--input", "target=1.5"],
        WRONG,
        "`target` is 1.5 at [0]",
    ),
    (
        &["eval", "mse", "--input", "prediction=1", "--input", "target=1", "--input", "weight=-1"],
        WRONG,
        "`weight` is -1 at [0]",
    ),
    // Each loss's own domain.
    (
        &["eval", "bce", "--input", "probability=1.5", "--input", "target=1"],
        WRONG,
        "`probability` is 1.5 at [0], not in [0, 1]",
    ),
    (
        &["eval", "bce", "--input", "probability=0.5", "--input", "target=1", "--param", "log_clamp=1"],
        WRONG,
        "`log_clamp` is a number in",
    ),
    (
        &[
            "eval",
            "bce",
            "--input",
            "probability=0.5",
            "--input",
            "target=1",
            "--param",
            "probability_clip=0.7",
        ],
        WRONG,
        "`probability_clip` is a number in",
    ),
    (
        &["eval", "focal_sigmoid", "--input", "logits=1", "--input", "target=0.5"],
        WRONG,
        "`target` is 0.5 at [0], not 0 or 1",
    ),
    (
        &["eval", "focal_sigmoid", "--input", "logits=1", "--input", "target=1", "--param", "gamma=-1"],
        WRONG,
        "`gamma` is a number of at least 0",
    ),
    (
        &[
            "eval",
            "focal_sigmoid",
            "--input",
            "logits=1",
            "--input",
            "target=1",
            "--param",
            "soft_target=linaer",
        ],
        WRONG,
        "`soft_target` is one of",
    ),
    (
        &["eval", "cosine_embedding", "--input", "x1=1,2", "--input", "x2=1,2", "--input", "target=0"],
        WRONG,
        "`target` is 0 at [0], not -1 or 1",
    ),
    (
        &["eval", "cosine_embedding", "--input", "x1=1,2", "--input", "x2=1,2,3", "--input", "target=1"],
        WRONG,
        "`x2` has shape [1, 3]",
    ),
    (
        &[
            "eval",
            "cosine_embedding",
            "--input",
            "x1=1,2",
            "--input",
            "x2=1,2",
            "--input",
            "target=1",
            "--param",
            "margin=2",
        ],
        WRONG,
        "`margin` is a number in [-1, 1]",
    ),
    (
        &["eval", "nll_loss", "--input", "log_probs=-1,-2", "--input", "target=2"],
        WRONG,
        "`target` is 2 at [0], not a class in [0, 2)",
    ),
    (
        &["eval", "nll_loss", "--input", "log_probs=-1,inf", "--input", "target=0"],
        WRONG,
        "`log_probs` is inf at [0, 1]",
    ),
    (
        &["eval", "cross_entropy_soft", "--input", "logits=1,2", "--input", "target=-1,2"],
        WRONG,
        "`target` is -1 at [0, 0]",
    ),
    (
        &["eval", "kl_div", "--input", "log_prediction=-1,-2", "--input", "target=-0.5,1"],
        WRONG,
        "`target` is -0.5 at [0, 0]",
    ),
    (
        &["eval", "gaussian_nll", "--input", "mean=0", "--input", "target=1", "--input", "variance=0"],
        WRONG,
        "`variance` is 0 at [0]",
    ),
    (
        &[
            "eval",
            "gaussian_nll",
            "--input",
            "mean=0",
            "--input",
            "target=1",
            "--input",
            "variance=-1",
            "--param",
            "variance_floor=1e-6",
        ],
        WRONG,
        "`variance` is -1 at [0]",
    ),
    (
        &["eval", "hinge", "--input", "score=0", "--input", "target=0.5"],
        WRONG,
        "`target` is 0.5 at [0], not -1 or 1",
    ),
    (
        &["eval", "huber", "--input", "prediction=1", "--input", "target=1", "--param", "delta=0"],
        WRONG,
        "`delta` is a number above 0",
    ),
    (
        &["eval", "smooth_l1", "--input", "prediction=1", "--input", "target=1", "--param", "beta=-1"],
        WRONG,
        "`beta` is a number of at least 0",
    ),
    (
        &["eval", "log_cosh", "--input", "prediction=1", "--input", "target=1,2"],
        WRONG,
        "`target` has shape [2]",
    ),
    (&["eval", "--file", "no-such-file"], WRONG, "no-such-file"),
    (&["eval", "mse", "--file", "x"], WRONG, "cannot be used with"),
    // Reports.
    (&["report", "merge"], WRONG, "required"),
    (&["report", "merge", "no-such-file"], WRONG, "no-such-file"),
    (&["report", "merge", "Cargo.toml"], WRONG, "Cargo.toml is no report"),
    (&["check", "--replay", "{"], WRONG, "--replay"),
    (&["check", "--replay", "no-such-file"], WRONG, "no-such-file"),
    (&["check", "--golden", "no-such-folder"], WRONG, "no-such-folder holds no golden files"),
    (&["check", "--golden", "golden", "--cases", "3"], WRONG, "cannot be used with"),
    (&["golden", "verify", "no-such-folder"], WRONG, "no-such-folder holds no golden files"),
    (&["golden", "generate", "--loss", "huberr"], WRONG, "unknown loss `huberr`"),
    (&["golden", "generate", "Cargo.toml", "--loss", "mse"], WRONG, "Cargo.toml"),
];

#[test]
fn a_bad_command_gets_one_message_and_status_2() {
    for (arguments, status, message) in COMMANDS {
        let run = lossproof(arguments);
        assert_eq!(run.status, Some(*status), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(message), "{arguments:?} should say {message:?}: {run:?}");
        assert!(!run.stderr.contains("panicked"), "{arguments:?}: {run:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
}

const GOOD: &str = r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[1],"values":[3.0]},"target":{"dtype":"f32","shape":[1],"values":[1.0]}}"#;

/// A request line without its id and outer braces, and what the answer says.
const REQUESTS: &[(&str, &str)] = &[
    (r#""loss":"msee","format":"f32","inputs":{}"#, "unknown loss `msee`"),
    (r#""loss":"mse","inputs":{}"#, "missing field `format`"),
    (r#""loss":"mse","format":"f8","inputs":{}"#, "unknown format `f8`"),
    (r#""loss":"mse","format":"f32""#, "missing field `inputs`"),
    (r#""loss":"mse","format":"f32","inputs":[]"#, "cannot be read"),
    (r#""loss":"mse","format":"f32","inputs":{}"#, "input `prediction` is missing"),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[2],"values":[1.0]}}"#,
        "takes 2 values, 1 given",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[1],"values":[[1.0]]}}"#,
        "cannot be read",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f8","shape":[1],"values":[1.0]}}"#,
        "unknown dtype",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[1],"values":[0.1]}}"#,
        "0.1 at 0 is not f32",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[-1],"values":[]}}"#,
        "cannot be read",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[4294967296,4294967296],"values":[]}}"#,
        "too large",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[1],"base64":"!"}}"#,
        "base64",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[1],"base64":"AAA="}}"#,
        "no whole number of f32",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f32","shape":[1]}}"#,
        "neither values nor base64",
    ),
    (
        r#""loss":"mse","format":"f32","inputs":{"prediction":{"dtype":"f64","shape":[1],"values":[1.0]}}"#,
        "is f64, not f32",
    ),
    (
        r#""loss":"cross_entropy","format":"f32","inputs":{"logits":{"dtype":"f32","shape":[1,2],"values":[1.0,2.0]},"target":{"dtype":"i64","shape":[1],"values":["nan"]}}"#,
        "is not i64",
    ),
    (
        r#""loss":"cross_entropy","format":"f32","inputs":{"logits":{"dtype":"f32","shape":[1,2],"values":[1.0,2.0]},"target":{"dtype":"i64","shape":[1],"values":[1.5]}}"#,
        "1.5 at 0 is not i64",
    ),
    (
        r#""loss":"cross_entropy","format":"f32","inputs":{"logits":{"dtype":"f32","shape":[1,2],"values":[1.0,2.0]},"target":{"dtype":"i64","shape":[1],"values":[-1]}}"#,
        "-1 at [0], not a class",
    ),
    (
        r#""loss":"cross_entropy","format":"f32","inputs":{"logits":{"dtype":"f32","shape":[1099511627775,0],"values":[]},"target":{"dtype":"i64","shape":[0],"values":[]}},"params":{"reduction":"none"}"#,
        "extent C must be at least 1",
    ),
    (
        r#""loss":"bce_with_logits","format":"f32","inputs":{"logits":{"dtype":"f32","shape":[1],"values":[1.0]},"target":{"dtype":"f32","shape":[1],"values":[1.5]}}"#,
        "`target` is 1.5 at [0]",
    ),
];

#[test]
fn the_server_answers_a_bad_request_and_goes_on() {
    let mut input = String::from("{\"lossproof\":1}\n");
    for (id, (request, _)) in REQUESTS.iter().enumerate() {
        input.push_str(&format!("{{\"id\":{id},{request}}}\n"));
    }
    // What has no id that can be read is answered with null.
    input.push_str("garbage\n{\"id\":1\n[]\n\n{\"id\":null}\n{\"lossproof\":7}\n\u{1}\n");
    input.push_str(&format!("{{\"id\":\"last\",{GOOD}}}"));
    let run = lossproof_with_input(&["serve"], input.into_bytes());
    assert_eq!((run.status, run.stderr.as_str()), (Some(HOLDS), ""), "{run:?}");
    let answers: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("an answer is JSON")).collect();
    let of = |id: &serde_json::Value| answers.iter().filter(|answer| answer["id"] == *id).collect::<Vec<_>>();
    for (id, (request, message)) in REQUESTS.iter().enumerate() {
        let answer = of(&id.into());
        assert_eq!(answer.len(), 1, "{request}: {answer:?}");
        let error = answer[0]["error"].as_str().unwrap_or_else(|| panic!("{request}: {answer:?}"));
        assert!(error.contains(message), "{request} should say {message:?}: {error}");
    }
    let without_id = answers.iter().filter(|answer| answer["id"].is_null() && !answer["error"].is_null());
    assert_eq!(without_id.count(), 7, "{}", run.stdout);
    assert_eq!(of(&"last".into())[0]["outputs"]["loss"]["values"], serde_json::json!([4.0]));
    assert_eq!(answers[0]["lossproof"], 1);
}

#[test]
fn a_line_over_the_limit_is_skipped() {
    const LIMIT: usize = 64 << 20;
    let mut input = vec![b' '; LIMIT + 1];
    input.extend_from_slice(format!("\n{{\"id\":2,{GOOD}}}\n").as_bytes());
    let run = lossproof_with_input(&["serve"], input);
    assert_eq!(run.status, Some(HOLDS), "{}", run.stderr);
    assert!(run.stdout.contains("longer than 64 MiB"), "{}", run.stdout);
    assert!(run.stdout.contains("\"id\":2,\"outputs\""), "{}", run.stdout);
}

#[test]
fn requests_in_files_are_checked_too() {
    let folder = scratch();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the scratch folder takes files");
        path.to_str().expect("a readable path").to_owned()
    };
    let good = file("good", &format!("{{{GOOD}}}"));
    let truncated = file("truncated", &format!("{{{}", &GOOD[..60]));
    let holds = lossproof(&["eval", "--file", &good]);
    assert_eq!(holds.status, Some(HOLDS), "{holds:?}");
    assert!(holds.stdout.contains("0x40800000"), "{holds:?}");
    let wrong = lossproof(&["eval", "--file", &truncated]);
    assert_eq!(wrong.status, Some(WRONG), "{wrong:?}");
    assert!(wrong.stderr.contains("cannot be read"), "{wrong:?}");
    assert_eq!(lossproof(&["check", "--replay", &truncated]).status, Some(WRONG));
    let from_input = lossproof_with_input(&["eval", "--file", "-"], format!("{{{GOOD}}}").into_bytes());
    assert_eq!(from_input.stdout, holds.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    // The shell's `head` closes the pipe after one line.
    let program = env!("CARGO_BIN_EXE_lossproof");
    for command in ["list", "show cross_entropy", "check --loss mse --cases 2 --regime typical"] {
        let pipe = format!("{program} {command} | head -n 1");
        let output = std::process::Command::new("sh").args(["-c", &pipe]).output().expect("sh runs");
        let run = Run::of(output);
        assert!(!run.stderr.contains("panicked") && run.stdout.lines().count() == 1, "{command}: {run:?}");
    }
}
