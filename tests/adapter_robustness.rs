//! The promise: whatever an adapter does after its hello, the run goes on, and exactly the right cases get the fault.
//!
//! Each adapter here is a small Python program (standard library only) that computes mean squared error in double
//! precision. One line of it misbehaves.

mod program;

use program::{Run, lossproof_in, scratch};
use serde_json::Value;

/// A well-behaved adapter with two places to misbehave: START, before it reads anything, and MISBEHAVE, before each
/// answer, which sees `request` and `answer`.
const ADAPTER: &str = r#"
import base64, json, math, os, struct, sys, time
START
here = os.path.dirname(os.path.abspath(__file__))
def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
def floats(tensor):
    if "base64" in tensor:
        data = base64.b64decode(tensor["base64"])
        return list(struct.unpack("<%dd" % (len(data) // 8), data))
    return [float(x) for x in tensor["values"]]
def solve(request):
    x, t = floats(request["inputs"]["prediction"]), floats(request["inputs"]["target"])
    u = floats(request["upstream"])
    n = len(x)
    try:
        loss = math.fsum((a - b) * (a - b) for a, b in zip(x, t)) / n
    except ZeroDivisionError:
        loss = math.nan
    out = {"loss": [loss]}
    for name, sign in (("prediction", 1), ("target", -1)):
        if name in request["gradients"]:
            out["grad." + name] = [sign * 2.0 * (a - b) / n * u[0] for a, b in zip(x, t)]
    def number(x):
        return "nan" if math.isnan(x) else "inf" if x == math.inf else "-inf" if x == -math.inf else x
    def tensor(name, values):
        shape = [] if name == "loss" else request["inputs"]["prediction"]["shape"]
        return {"dtype": "f64", "shape": shape, "values": [number(v) for v in values]}
    return {"id": request["id"], "outputs": {k: tensor(k, v) for k, v in out.items()}}
sys.stdin.readline()
say({"lossproof": 1, "name": "test", "version": "1", "supports": [{"loss": "mse", "formats": ["f64"],
     "gradients": ["prediction", "target"], "params": {"reduction": "mean", "mean_over": "count", "empty_mean": "nan"}}]})
for line in sys.stdin:
    request = json.loads(line)
    answer = solve(request)
    MISBEHAVE
    say(answer)
"#;

/// Runs a check against the adapter; the report besides.
fn check(start: &str, misbehave: &str, more: &[&str]) -> (Run, Option<Value>) {
    let folder = scratch();
    let adapter = folder.path().join("adapter.py");
    let text = ADAPTER.replace("START", start).replace("MISBEHAVE", &misbehave.replace('\n', "\n    "));
    std::fs::write(&adapter, text).expect("the scratch folder takes files");
    let report = folder.path().join("report.json");
    let adapter = format!("python3 {}", adapter.display());
    let report_argument = format!("json={}", report.display());
    let mut arguments = vec!["check", "--adapter", &adapter, "--regime", "typical", "--cases", "30"];
    arguments.extend(["--report", &report_argument]);
    arguments.extend(more);
    let run = lossproof_in(folder.path(), &arguments);
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    let report =
        std::fs::read(&report).ok().map(|text| serde_json::from_slice(&text).expect("a report is JSON"));
    (run, report)
}

/// How many cases have each fault in the output `loss`.
fn faults(report: &Option<Value>) -> Value {
    let report = report.as_ref().expect("a report is written");
    let cells = report["cells"].as_array().expect("cells");
    let loss = cells.iter().find(|cell| cell["output"] == "loss").expect("a cell of the loss");
    assert!(loss["cases"].as_u64() >= Some(25), "all cases are in the report: {loss}");
    loss["faults"].clone()
}

/// An input whose lines come in the reverse of their order, as far as they are there already.
const REVERSED: &str = r#"
import queue, threading
lines = queue.Queue()
def read():
    for line in sys.__stdin__:
        lines.put(line)
    lines.put(None)
class Reversed:
    def readline(self):
        return lines.get()
    def __iter__(self):
        while True:
            batch = [lines.get()]
            time.sleep(0.05)
            while not lines.empty():
                batch.append(lines.get())
            yield from (line for line in reversed(batch) if line is not None)
            if None in batch:
                return
threading.Thread(target=read, daemon=True).start()
sys.stdin = Reversed()
"#;

/// Adapters that are odd but right: START, MISBEHAVE. The run holds.
const HARMLESS: &[(&str, &str, &str)] = &[
    ("in order", "", "pass"),
    ("slow start", "time.sleep(2)", "pass"),
    ("much on standard error", "sys.stderr.write('x' * 1000000)", "sys.stderr.write('y' * 100000 + '\\n')"),
    ("out of order", REVERSED, "pass"),
    ("unknown fields", "", "answer['new'] = {'a': [1]}"),
    (
        "unsupported",
        "",
        "answer = answer if request['id'] > 2 else {'id': request['id'], 'unsupported': 'not today'}",
    ),
];

#[test]
fn an_odd_adapter_that_is_right_holds() {
    for (name, start, misbehave) in HARMLESS {
        let (run, report) = check(start, misbehave, &[]);
        assert_eq!(run.status, Some(0), "{name}: {run:?}");
        assert_eq!(faults(&report), serde_json::json!({}), "{name}");
    }
}

/// Adapters that fail on one case, always the same: MISBEHAVE and the fault.
const FAILING: &[(&str, &str, &str)] = &[
    ("crash", "os._exit(3)", "crash"),
    ("crash by signal", "os.kill(os.getpid(), 9)", "crash"),
    ("error answer", "answer = {'id': request['id'], 'error': 'boom'}", "crash"),
    ("hang", "time.sleep(1000)", "timeout"),
    ("garbage", "print('Traceback (most recent call last):', flush=True)", "protocol_error"),
    ("not UTF-8", "sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush()", "protocol_error"),
    ("partial line", "sys.stdout.write('{\"id\":'); sys.stdout.flush(); os._exit(0)", "protocol_error"),
    ("wrong id", "answer['id'] = 999999", "protocol_error"),
    ("id as text", "answer['id'] = str(answer['id'])", "protocol_error"),
    ("duplicate id", "say(answer)", "protocol_error"),
    ("no outputs", "answer = {'id': request['id']}", "protocol_error"),
    (
        "too few values",
        "answer['outputs']['loss'] = {'dtype': 'f64', 'shape': [2], 'values': [0.0]}",
        "protocol_error",
    ),
    (
        "wrong shape",
        "answer['outputs']['loss'] = {'dtype': 'f64', 'shape': [2], 'values': [0.0, 0.0]}",
        "shape_mismatch",
    ),
    (
        "wrong dtype",
        "answer['outputs']['loss'] = {'dtype': 'f32', 'shape': [], 'values': [0.0]}",
        "shape_mismatch",
    ),
    ("missing output", "del answer['outputs']['loss']", "shape_mismatch"),
];

#[test]
fn a_failing_case_gets_the_fault_and_the_others_none() {
    for (name, misbehave, fault) in FAILING {
        // The same case every time, whatever its id: recognised by its inputs, which the first start writes down.
        let marked = format!(
            "path = os.path.join(here, 'bad')\n\
             key = json.dumps([request['inputs'], request['upstream']])\n\
             if request['id'] == 5 and not os.path.exists(path): open(path, 'w').write(key)\n\
             if os.path.exists(path) and open(path).read() == key:\n    {misbehave}"
        );
        let (run, report) = check("", &marked, &["--timeout", "2"]);
        assert_eq!(run.status, Some(1), "{name}: {run:?}");
        let faults = faults(&report);
        assert_eq!(faults, serde_json::json!({ *fault: 1 }), "{name}: {run:?}");
        assert!(run.stdout.contains(fault), "{name}: {run:?}");
        assert!(run.stdout.contains("--replay"), "{name}: {run:?}");
    }
}

#[test]
fn an_adapter_that_dies_once_costs_nothing() {
    let once = "path = os.path.join(here, 'dead')\n\
                if request['id'] == 7 and not os.path.exists(path):\n    open(path, 'w').close()\n    os._exit(1)";
    let (run, report) = check("", once, &[]);
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(faults(&report), serde_json::json!({}));
}

#[test]
fn an_adapter_that_always_dies_or_hangs_ends_in_bounded_time() {
    for (misbehave, fault) in [("os._exit(1)", "crash"), ("time.sleep(1000)", "timeout")] {
        let start = std::time::Instant::now();
        let (run, report) = check("", misbehave, &["--timeout", "0.5"]);
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(faults(&report)[fault].as_u64() >= Some(25), "{run:?}");
        assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    }
}

#[test]
fn other_bits_for_the_same_case_are_nondeterministic() {
    let drifting = "loss = answer['outputs']['loss']['values']\n\
                    if loss != ['nan']: loss[0] *= 1 + request['id'] * 2.0**-50";
    let (run, report) = check("", drifting, &["--require", "sane"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(faults(&report)["nondeterministic"].as_u64() >= Some(1), "{run:?}");
}

#[test]
fn answers_before_the_questions_are_garbage() {
    // It answers requests 1 to 3 before it has read them.
    let early = "for i in (1, 2, 3): sys.stdout.write('{\"id\": %d, \"outputs\": {}}\\n' % i)";
    let (run, _) = check(early, "pass", &[]);
    // Before the hello that is a set-up error.
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.stderr.contains("no valid hello"), "{run:?}");
    let (run, report) = check("", "if request['id'] == 4: say({'id': 40, 'outputs': {}})", &[]);
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(faults(&report), serde_json::json!({}), "the cases are asked again and are right: {run:?}");
}

#[test]
fn standard_error_is_quoted_where_the_adapter_cannot_be_set_up() {
    let (run, _) = check("sys.exit('no GPU in this machine')", "pass", &[]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.stderr.contains("no GPU in this machine"), "{run:?}");
}

#[test]
fn the_replay_command_shows_the_failure_again() {
    let folder = scratch();
    let adapter = folder.path().join("adapter.py");
    let text =
        ADAPTER.replace("START", "").replace("MISBEHAVE", "answer['outputs']['loss']['values'] = [-1.0]");
    std::fs::write(&adapter, text).expect("the scratch folder takes files");
    let adapter = format!("python3 {}", adapter.display());
    let run =
        lossproof_in(folder.path(), &["check", "--adapter", &adapter, "--regime", "typical", "--cases", "5"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    let again = run.stdout.lines().find_map(|line| line.trim().strip_prefix("again: lossproof "));
    let words = shell_words::split(again.expect("a command to replay")).expect("it can be split");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let replayed = lossproof_in(folder.path(), &words);
    assert_eq!(replayed.status, Some(1), "{replayed:?}");
    assert!(replayed.stdout.contains("-1.0"), "{replayed:?}");
}
