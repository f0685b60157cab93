//! What a proof costs, beside what others take for the same numbers: the fast tier and MPFR here, a straight line over f64 balls
//! (the floor), rival3, and by `others.py` python-flint's Arb and mpmath. Ratios of medians, measured in turn in one run, one
//! thread. `make bench` writes `benches/RESULTS.md`.

mod floor;
mod rival;
mod workload;

use lossproof::case::Case;
use lossproof::case::program::Program;
use lossproof::oracle::{Tier, prove_by, prove_program_by};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};
use workload::Workload;

/// Every figure is the median of so many samples.
const SAMPLES: usize = 7;
/// A sample repeats its work until it has taken so long.
const SAMPLE: Duration = Duration::from_millis(60);

/// Nanoseconds a unit of work, by (workload, who).
type Figures = BTreeMap<(String, String), f64>;

/// Nanoseconds that this thread has been on a processor, where Linux says so; what else runs on the machine is not counted.
fn processor_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Nanoseconds of one run: a sample of at least [`SAMPLE`], or one run.
fn sample(work: &mut dyn FnMut()) -> f64 {
    let (start, start_time) = (Instant::now(), processor_time());
    let mut runs = 0u32;
    while runs == 0 || start.elapsed() < SAMPLE {
        work();
        runs += 1;
    }
    let spent = match (start_time, processor_time()) {
        (Some(start), Some(end)) => end - start,
        _ => start.elapsed().as_nanos() as f64,
    };
    spent / f64::from(runs)
}

/// Something to be measured.
struct Work<'a> {
    workload: &'a Workload,
    who: &'static str,
    run: Box<dyn FnMut() + 'a>,
}

/// The medians of all works, a sample of each in turn, so that what slows the machine for a while slows all.
fn medians(works: &mut [Work]) -> Vec<f64> {
    let mut samples = vec![Vec::new(); works.len()];
    for _ in 0..SAMPLES {
        for (work, samples) in works.iter_mut().zip(&mut samples) {
            samples.push(sample(&mut work.run));
        }
    }
    let median = |mut samples: Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    samples.into_iter().map(median).collect()
}

/// A line of this process's status in bytes, where Linux says so.
fn status(key: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: f64 = line.trim_start_matches(':').split_whitespace().next()?.parse().ok()?;
    Some(1024.0 * kilobytes)
}

/// By how many bytes the process grows at most while the case is proved; its answer counts, the case does not.
fn peak(case: &Case) -> Option<f64> {
    // Sets the peak to what is used now.
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = status("VmRSS")?;
    drop(black_box(prove_by(black_box(case), Tier::Fast)));
    Some(status("VmHWM")? - before)
}

/// What is measured of a workload.
fn works<'a>(workload: &'a Workload, program: &'a Program) -> Vec<Work<'a>> {
    let case: &Case = &workload.case;
    let mut works = Vec::new();
    let mut add = |who, run: Box<dyn FnMut() + 'a>| works.push(Work { workload, who, run });
    add("fast", Box::new(|| drop(black_box(prove_by(black_box(case), Tier::Fast)))));
    let traced = || drop(black_box(prove_program_by(program, black_box(case), Tier::Fast)));
    add("fast, traced before", Box::new(traced));
    if let Some(floor) = floor::of(case) {
        add("floor", floor);
    }
    if workload.units <= 1000 {
        add("mpfr", Box::new(|| drop(black_box(prove_by(black_box(case), Tier::Mpfr)))));
    }
    if let Some(rival) = rival::of(case) {
        add("rival3", rival);
    }
    works
}

fn measure(workloads: &[Workload], figures: &mut Figures) {
    for workload in workloads.iter().filter(|workload| workload.units >= 128 << 10) {
        let Some(bytes) = peak(&workload.case) else { continue };
        let each = bytes / workload.units as f64;
        println!("{} peak memory: {each:.0} bytes", workload.name);
        figures.insert((workload.name.clone(), "bytes".to_owned()), each);
    }
    let program = |workload: &Workload| Program::of(&workload.case).expect("the loss is known");
    let programs: Vec<Program> = workloads.iter().map(program).collect();
    let all = workloads.iter().zip(&programs);
    let mut works: Vec<Work> = all.flat_map(|(workload, program)| works(workload, program)).collect();
    let medians = medians(&mut works);
    for (Work { workload, who, .. }, nanoseconds) in works.iter().zip(medians) {
        let each = nanoseconds / workload.units as f64;
        println!("{} {who}: {each:.1} ns", workload.name);
        figures.insert((workload.name.clone(), (*who).to_owned()), each);
    }
}

/// The figures of `others.py`, which gets the same numbers as protocol requests; none without its Python.
fn others(workloads: &[Workload], figures: &mut Figures) -> Result<String, String> {
    let python = std::env::var("LOSSPROOF_BENCH_PYTHON").map_err(|_| "run by `make bench`".to_owned())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("workloads.json");
    let cases: Vec<serde_json::Value> = workloads
        .iter()
        .filter(|workload| workload.units <= 1000)
        .map(|workload| serde_json::json!({"name": workload.name, "units": workload.units, "case": workload.case}))
        .collect();
    std::fs::write(&file, serde_json::Value::from(cases).to_string()).map_err(|error| error.to_string())?;
    let output = Command::new(python)
        .args([std::ffi::OsStr::new("benches/others.py"), file.as_os_str()])
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    for figure in answer["figures"].as_array().into_iter().flatten() {
        let text = |key: &str| figure[key].as_str().unwrap_or_default().to_owned();
        let each = figure["nanoseconds"].as_f64().unwrap_or(f64::NAN);
        println!("{} {}: {each:.1} ns", text("workload"), text("who"));
        figures.insert((text("workload"), text("who")), each);
    }
    Ok(answer["versions"].as_str().unwrap_or_default().to_owned())
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        // `cargo test --benches` only wants to see it built.
        return;
    }
    let mut workloads = workload::all();
    // `--only NAME`: those whose names begin so, for a profile.
    if let Some(name) = std::env::args().skip_while(|argument| argument != "--only").nth(1) {
        workloads.retain(|workload| workload.name.starts_with(&name));
    }
    let mut figures = Figures::new();
    // A pool of one thread, whose time is what is measured.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    pool.install(|| measure(&workloads, &mut figures));
    let versions = others(&workloads, &mut figures);
    let versions = versions.unwrap_or_else(|why| format!("no figures of Python's libraries: {why}"));
    let text = workload::table(&workloads, &figures, &versions);
    if std::env::args().any(|argument| argument == "--write") {
        std::fs::write("benches/RESULTS.md", text).expect("benches/RESULTS.md can be written");
    } else {
        print!("{text}");
    }
}
