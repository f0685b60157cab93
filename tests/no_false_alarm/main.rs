//! The promise: no false alarm. Kernels that are written well, as plain loops that know nothing of the graph, hold what is
//! demanded in every regime but `overflowing`, in every format, with the machine that they really compute on: those of 300 bits
//! are `correct` everywhere, those of f64 and of f32 `stable` or better, in each of the forms that people write.

mod density;
mod elementwise;
mod form;
mod metric;
mod number;
#[macro_use]
#[path = "../support/promise.rs"]
mod promise;
mod regression;
mod rows;
mod tailed;

use form::{Form, Mean, Order, PLAIN, Softmax, Way};
use lossproof::arithmetic::working::tolerances;
use lossproof::case::program::Program;
use lossproof::case::regime::Regime;
use lossproof::case::{Case, Tensors};
use lossproof::format::Format;
use lossproof::judge::{Level, Machine, OutputVerdict, Summation, judge};
use lossproof::oracle;
use lossproof::truth::Verified;
use number::{Brain, Double, Flushing, Half, In, Number, Single, Wide};
use promise::{Findings, Plan, loses_its_guard};
use tailed::Tailed;

/// `long` is more than one block of a blocked sum.
const PLAN: Plan = Plan { seeds: &[103, 104], cases: 6, long: 1200 };

type Run = fn(&Case, Form) -> Tensors;

/// The kernel of a loss that computes in N.
fn kernel<N: Number>(loss: &str) -> Option<Run> {
    Some(match loss {
        "mse" => regression::mse::<N>,
        "mae" => regression::mae::<N>,
        "cross_entropy" => rows::cross_entropy::<N>,
        "bce_with_logits" => elementwise::bce_with_logits::<N>,
        "triplet_margin" => metric::triplet_margin::<N>,
        "cosine_embedding" => metric::cosine_embedding::<N>,
        "huber" => regression::huber::<N>,
        "smooth_l1" => regression::smooth_l1::<N>,
        "log_cosh" => regression::log_cosh::<N>,
        "hinge" => density::hinge::<N>,
        "gaussian_nll" => density::gaussian_nll::<N>,
        "kl_div" => density::kl_div::<N>,
        "bce" => elementwise::bce::<N>,
        "focal_sigmoid" => elementwise::focal_sigmoid::<N>,
        "cross_entropy_soft" => rows::cross_entropy_soft::<N>,
        "nll_loss" => rows::nll_loss::<N>,
        _ => return None,
    })
}

/// The kernel of a loss at 300 bits: another formula where the usual one loses a tail even then. Of f64 vectors with
/// coordinates from 10⁻³⁰⁸ to 10³⁰⁸ even the largest coordinate, and the sign of a difference, take more; so does on which
/// side of a tie a sum of f64 residuals lies, which 10⁻³⁰⁸ in one of them may decide beside 10³⁰⁸.
fn exact_kernel(loss: &str, format: Format) -> Option<Run> {
    match (loss, format) {
        ("cross_entropy_soft", _) => Some(rows::cross_entropy_soft_exactly::<Wide<300>>),
        ("cross_entropy", _) => Some(rows::cross_entropy_exactly::<Wide<300>>),
        ("bce_with_logits", _) => Some(elementwise::bce_with_logits_exactly::<Wide<300>>),
        ("focal_sigmoid", _) => kernel::<Tailed>(loss),
        ("triplet_margin" | "cosine_embedding" | "huber" | "log_cosh", Format::F64) => {
            kernel::<Wide<2400>>(loss)
        }
        _ => kernel::<Wide<300>>(loss),
    }
}

/// Divides last: a quotient that is exact, or a tie, is one then.
const EXACT: Form = Form { order: Order::DivisorLast, ..PLAIN };

/// Every form that some loss has.
const FORMS: [Form; 11] = [
    PLAIN,
    Form { name: "sequential", sum: Summation::Sequential, ..PLAIN },
    Form { name: "pairwise", sum: Summation::Pairwise, ..PLAIN },
    Form { name: "upstream last", order: Order::UpstreamLast, ..PLAIN },
    Form { name: "reciprocal", order: Order::Reciprocal, ..PLAIN },
    Form { name: "divided early", mean: Mean::Early, ..PLAIN },
    Form { name: "log-probability", softmax: Softmax::LogProbability, ..PLAIN },
    Form { name: "exp2", softmax: Softmax::BaseTwo, ..PLAIN },
    Form { name: "online", softmax: Softmax::Online, ..PLAIN },
    Form { name: "other way", way: Way::Other, ..PLAIN },
    Form {
        name: "other way, upstream last, divided early",
        way: Way::Other,
        order: Order::UpstreamLast,
        mean: Mean::Early,
        softmax: Softmax::LogProbability,
        ..PLAIN
    },
];

/// A kernel with what is true of it.
struct Honest {
    name: String,
    run: Run,
    form: Form,
    machine: Machine,
    level: Level,
}

fn honest(loss: &str, format: Format) -> Vec<Honest> {
    let mut kernels = Vec::new();
    let mut add = |name: &str, run: Option<Run>, form: Form, compute: Format, flush: bool, level: Level| {
        let machine = Machine { compute, flush_to_zero: flush, summation: form.sum };
        let run = run.expect("a loss that has kernels");
        kernels.push(Honest { name: format!("{name} {}", form.name), run, form, machine, level });
    };
    add("300 bits", exact_kernel(loss, format), EXACT, format.compute(), false, Level::Correct);
    let double = kernel::<In<Double>>(loss);
    for form in FORMS {
        match format {
            Format::F64 => add("f64", double, form, Format::F64, false, Level::Stable),
            _ => add("f32", kernel::<In<Single>>(loss), form, Format::F32, false, Level::Stable),
        }
    }
    for form in [PLAIN, FORMS[9]] {
        if format != Format::F64 {
            add("f64", double, form, Format::F64, false, Level::Stable);
        }
        match format {
            Format::F64 => {}
            Format::F32 => {
                add("flushing f32", kernel::<In<Flushing>>(loss), form, Format::F32, true, Level::Stable)
            }
            Format::F16 => add("f16", kernel::<In<Half>>(loss), form, Format::F16, false, Level::Stable),
            Format::Bf16 => add("bf16", kernel::<In<Brain>>(loss), form, Format::Bf16, false, Level::Stable),
        }
    }
    kernels
}

fn check(_: usize, case: &Case, regime: Regime, found: &mut Findings) {
    let program = Program::of(case).expect("a case of the catalogue");
    let outputs = oracle::prove(case).expect("a case of the catalogue");
    let mut machines: Vec<(Machine, Verified)> = Vec::new();
    for kernel in honest(&case.loss, case.format) {
        let known = machines.iter().position(|(machine, _)| *machine == kernel.machine);
        let at = known.unwrap_or_else(|| {
            let tolerances = tolerances(&program, case, &kernel.machine, &outputs);
            let verified = Verified { outputs: outputs.clone(), tolerances };
            machines.push((kernel.machine, verified));
            machines.len() - 1
        });
        if loses_its_guard(case, &kernel.machine) {
            continue;
        }
        let answer = (kernel.run)(case, kernel.form);
        for verdict in judge(case, &machines[at].1, &answer, &kernel.machine, kernel.level) {
            if let Some(what) = alarm(&verdict, &kernel, regime) {
                let (loss, format, regime) = (&case.loss, case.format, regime.name());
                let kind = format!("{loss} {format} {}: {} in {regime}", kernel.name, verdict.name);
                found.add(kind, &what, case);
            }
        }
    }
}

/// What is wrong with a verdict on an honest kernel. In the regime `overflowing` only 300 bits owe anything.
fn alarm(verdict: &OutputVerdict, kernel: &Honest, regime: Regime) -> Option<String> {
    let exact = kernel.level == Level::Correct;
    if regime == Regime::Overflowing && !exact {
        return None;
    }
    let apart = verdict.on_the_way.as_deref().filter(|_| exact);
    for part in [Some(verdict), apart].into_iter().flatten() {
        let misses = part.level().is_some_and(|level| level > kernel.level);
        // What is flushed to 0 has no logarithm and no reciprocal: such budgets are infinite, and make no verdict.
        let unbounded = if kernel.machine.flush_to_zero { 0 } else { part.unbounded };
        if misses || part.undecided + unbounded > 0 || !part.faults.is_empty() && !exact {
            let (undecided, unbounded) = (part.undecided, part.unbounded);
            return Some(format!("{:?}, undecided {undecided}, unbounded {unbounded}", part.worst));
        }
    }
    None
}

fn hold(loss: &str) {
    promise::hold(loss, &PLAN, check);
}

for_each_loss! { hold:
    mse mae huber smooth_l1 log_cosh gaussian_nll cross_entropy cross_entropy_soft nll_loss bce bce_with_logits
    focal_sigmoid hinge kl_div triplet_margin cosine_embedding
}
