//! What is measured: a row of softmax cross-entropy of five lengths, and losses that are measured element by element; and
//! the table of the figures.

use crate::Figures;
use lossproof::case::{Case, Tensors};
use lossproof::format::Format;
use lossproof::loss::Params;
use lossproof::tensor::Tensor;
use std::fmt::Write;

/// One piece of work: the loss with its gradients.
pub struct Workload {
    pub name: String,
    pub case: Case,
    /// Classes or elements: what a figure is divided by.
    pub units: usize,
}

/// So many elements of the losses that are measured element by element.
const ELEMENTS: usize = 1000;

/// Pseudo-random numbers of [−1, 1) in f32, the same in every run: splitmix64.
fn numbers(seed: u64, count: usize, spread: f64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e3779b97f4a7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    };
    let mut number = || (next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    (0..count).map(|_| f64::from((number() * spread) as f32)).collect()
}

fn cross_entropy(classes: usize) -> Workload {
    row("cross_entropy", numbers(1, classes, 8.0))
}

fn row(name: &str, logits: Vec<f64>) -> Workload {
    let classes = logits.len();
    let logits = Tensor::float(Format::F32, &[1, classes], logits);
    let target = Tensor::i64(&[1], vec![classes as i64 / 3]);
    let inputs = Tensors::from([("logits".to_owned(), logits), ("target".to_owned(), target)]);
    let case = Case::new("cross_entropy", Format::F32, Params::default(), inputs).expect("a valid case");
    Workload { name: format!("{name} n = {classes}"), case, units: classes }
}

/// A common offset of which an f32 keeps 13 bits beside the gaps.
fn cancelling_row() -> Workload {
    let logits = numbers(1, ELEMENTS, 8.0).into_iter().map(|x| f64::from((x + 1e3) as f32)).collect();
    row("cross_entropy, cancelling", logits)
}

/// The target 40 above the others: a loss of 1e-14.
fn saturated_row() -> Workload {
    let mut logits = numbers(1, ELEMENTS, 8.0);
    logits[ELEMENTS / 3] = 48.0;
    row("cross_entropy, saturated", logits)
}

fn saturated_bce() -> Workload {
    Workload { name: "bce_with_logits, saturated".to_owned(), ..bce_with_logits(60.0) }
}

fn bce_with_logits(spread: f64) -> Workload {
    let logits = Tensor::float(Format::F32, &[ELEMENTS], numbers(2, ELEMENTS, spread));
    let target = numbers(3, ELEMENTS, 1.0).into_iter().map(f64::abs).collect();
    let target = Tensor::float(Format::F32, &[ELEMENTS], target);
    let inputs = Tensors::from([("logits".to_owned(), logits), ("target".to_owned(), target)]);
    let case = Case::new("bce_with_logits", Format::F32, Params::default(), inputs).expect("a valid case");
    Workload { name: "bce_with_logits".to_owned(), case, units: ELEMENTS }
}

/// A loss of several float inputs of one shape, all in f32.
fn elementwise(id: &str, shape: &[usize], inputs: &[(&str, Vec<f64>)]) -> Workload {
    let tensors = inputs.iter().map(|(name, values)| {
        let shape = if values.len() == shape[0] { &shape[..1] } else { shape };
        ((*name).to_owned(), Tensor::float(Format::F32, shape, values.clone()))
    });
    let case = Case::new(id, Format::F32, Params::default(), tensors.collect()).expect("a valid case");
    Workload { name: id.to_owned(), case, units: ELEMENTS }
}

/// Numbers of (0, spread].
fn positive(seed: u64, spread: f64) -> Vec<f64> {
    numbers(seed, ELEMENTS, spread).into_iter().map(|x| x.abs().max(f64::from(f32::MIN_POSITIVE))).collect()
}

fn kl_div() -> Workload {
    let prediction = positive(4, 8.0).into_iter().map(|x| -x).collect();
    elementwise(
        "kl_div",
        &[10, ELEMENTS / 10],
        &[("log_prediction", prediction), ("target", positive(5, 1.0))],
    )
}

fn gaussian_nll() -> Workload {
    let (mean, target) = (numbers(6, ELEMENTS, 3.0), numbers(7, ELEMENTS, 3.0));
    let inputs = [("mean", mean), ("target", target), ("variance", positive(8, 2.0))];
    elementwise("gaussian_nll", &[ELEMENTS], &inputs)
}

fn cosine_embedding() -> Workload {
    let target = (0..10).map(|row| if row % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let inputs = [("x1", numbers(9, ELEMENTS, 2.0)), ("x2", numbers(10, ELEMENTS, 2.0)), ("target", target)];
    elementwise("cosine_embedding", &[10, ELEMENTS / 10], &inputs)
}

/// Everything that is measured.
pub fn all() -> Vec<Workload> {
    let mut workloads: Vec<Workload> = [10, 64, 1000, 128 << 10, 1_000_000].map(cross_entropy).into();
    workloads.extend([cancelling_row(), saturated_row()]);
    workloads.extend([bce_with_logits(8.0), saturated_bce(), kl_div(), gaussian_nll(), cosine_embedding()]);
    workloads
}

/// `RESULTS.md`.
pub fn table(workloads: &[Workload], figures: &Figures, versions: &str) -> String {
    const WHO: [&str; 6] = ["floor", "fast, traced before", "mpfr", "rival3", "python-flint", "mpmath"];
    let mut text = String::from(
        "# What a proof costs\n\nMade by `make bench`; do not edit. The loss and its gradients, f32, one thread, medians of 7, \
         each measured in turn in one run, in processor time. The first column is nanoseconds a class or element; the others say how \
         many times as long they take (below 1: faster).\n\n\
         - floor: a straight line over f64 balls with CORE-MATH, by hand (`benches/floor.rs`)\n\
         - traced before: without looking for the graph among those that were traced before\n\
         - mpfr: `--tier mpfr`\n\
         - rival3: each output as one real expression\n\
         - python-flint: Arb at 128 bits, its exp, sum, log and quotients on the same numbers\n\
         - mpmath: the same at 128 bits, with gmpy2\n\
         - cancelling, saturated: a common offset of 1e3; a target of 40 above the others, logits up to 60\n\
         - bytes: by how much the process grows at most, a class\n\n",
    );
    let _ = writeln!(text, "| workload | ns | {} | bytes |", WHO.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(WHO.len() + 3));
    for workload in workloads {
        let figure = |who: &str| figures.get(&(workload.name.clone(), who.to_owned())).copied();
        let Some(own) = figure("fast") else { continue };
        let ratio = |who: &str| figure(who).map_or("".to_owned(), |other| format!("{:.2}", other / own));
        let ratios: Vec<String> = WHO.iter().map(|who| ratio(who)).collect();
        let bytes = figure("bytes").map_or(String::new(), |bytes| format!("{bytes:.0}"));
        let _ = writeln!(text, "| {} | {own:.1} | {} | {bytes} |", workload.name, ratios.join(" | "));
    }
    text.push_str(
        "\nWhat limits it. A row of 1000 classes: the exponentials take about 4 parts of 10, the truths' rounding to odd and their 32 bytes \
         each 3, the sum 1, maximum, quotients and the graph the rest. A row of a million: balls of f64 leave some three of its elements \
         open, for which the row is looked at again and summed to 58 bits, half of the time; a row of 128 Ki needs that in two cases of \
         five, this one does not. From 2^20 classes on, an answer of 32 MiB, page faults come to some 25 ns a class, as the C library \
         gives so much memory back to the system each time. Short rows: the walk over some 30 nodes, 2 to 3 microseconds a case. Elementwise losses: one pass over \
         balls for each node where the straight line has one for all, and products and quotients that know when they are exact.\n",
    );
    let rustc = std::process::Command::new("rustc").arg("--version").output();
    let rustc =
        rustc.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let _ = writeln!(text, "\nlossproof {}, {rustc}, {versions}.", env!("CARGO_PKG_VERSION"));
    text
}
