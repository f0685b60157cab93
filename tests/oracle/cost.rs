//! What proofs cost: a hard element costs itself, not its array; and a long row fits in memory.

use crate::helpers::{Draft, Source, prove};
use lossproof::case::Case;
use lossproof::case::program::Program;
use lossproof::format::Format;
use lossproof::oracle::{Cost, FIRST_PRECISION, Tier, prove_program_by};

/// 128 Ki, the longest that regimes make.
const LONG: usize = 128 << 10;
/// What one hard element may add.
const SHARE: f64 = 1.1;
/// 1 GiB in KiB.
const MOST_MEMORY: u64 = 1 << 20;

fn cost(case: &Case, tier: Tier) -> Cost {
    let program = Program::of(case).expect("the loss is known");
    prove_program_by(&program, case, tier).1
}

fn compare(easy: &Case, hard: &Case) {
    for tier in [Tier::Mpfr, Tier::Fast] {
        let (easy, hard) = (cost(easy, tier), cost(hard, tier));
        // Hard it must be, or nothing is measured.
        assert!(tier == Tier::Fast || easy.bits == FIRST_PRECISION, "{easy:?}");
        assert!(hard.bits > easy.bits.max(FIRST_PRECISION), "{easy:?} and {hard:?}");
        let share = hard.evaluations as f64 / easy.evaluations as f64;
        assert!(share <= SHARE, "{tier:?}, {easy:?} and {hard:?}: {share}");
    }
}

#[test]
fn one_hard_element_of_a_long_array_costs_little() {
    let mut source = Source(5);
    let mut logits: Vec<f64> = (0..LONG).map(|_| source.unit() * 8.0 - 4.0).collect();
    let target = vec![0.5; LONG];
    let case = |logits: &[f64]| {
        let draft = Draft::new(Format::F64).param("reduction", "none");
        draft.floats("logits", &[LONG], logits).floats("target", &[LONG], &target).case("bce_with_logits")
    };
    let easy = case(&logits);
    // σ(z) − ½ is about z/4: its digits begin a thousand bits below those of its terms.
    logits[LONG / 3] = 1e-300;
    compare(&easy, &case(&logits));
}

#[test]
fn one_hard_row_of_many_costs_little() {
    let (rows, classes) = (512, 64);
    let mut source = Source(6);
    let mut logits: Vec<f64> = (0..rows * classes).map(|_| source.unit() * 8.0 - 4.0).collect();
    let target: Vec<i64> = (0..rows).map(|row| (row % classes) as i64).collect();
    let case = |logits: &[f64]| {
        let draft = Draft::new(Format::F64).param("reduction", "none");
        draft.floats("logits", &[rows, classes], logits).classes("target", &target).case("cross_entropy")
    };
    let easy = case(&logits);
    // All but tied: the softmax is 1/64 and 10⁻⁶⁰ more.
    let row = &mut logits[100 * classes..101 * classes];
    row.fill(0.0);
    row[7] = 1e-60;
    compare(&easy, &case(&logits));
}

/// The greatest resident set of this process so far, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak is reported");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

const CHILD: &str = "LOSSPROOF_LONG_ROW";

/// In a process of its own, so that no other test counts.
#[test]
#[cfg(target_os = "linux")]
fn a_long_row_with_its_gradient_fits_in_a_gibibyte() {
    if std::env::var_os(CHILD).is_some() {
        let mut source = Source(7);
        let logits: Vec<f64> = (0..LONG).map(|_| f64::from((source.unit() * 20.0 - 10.0) as f32)).collect();
        let draft = Draft::new(Format::F32).floats("logits", &[1, LONG], &logits);
        let outputs = prove(&draft.classes("target", &[17]).case("cross_entropy"));
        assert_eq!(outputs[1].elements.len(), LONG);
        let peak = peak_memory();
        println!("peak {peak} KiB");
        assert!(peak < MOST_MEMORY, "{peak} KiB");
        return;
    }
    let program = std::env::current_exe().expect("this test's own program");
    let name = "cost::a_long_row_with_its_gradient_fits_in_a_gibibyte";
    let child =
        std::process::Command::new(program).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output();
    let child = child.expect("the program starts");
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && text.contains("peak"),
        "{text}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}
