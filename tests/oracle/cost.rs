//! What proofs cost: a hard element costs itself, not its array; and a long row fits in memory.

use crate::helpers::{Draft, Source};
use lossproof::case::Case;
use lossproof::case::program::Program;
use lossproof::format::Format;
use lossproof::judge::Machine;
use lossproof::oracle::{Cost, FIRST_PRECISION, Tier, prove_program_by, verify};

/// 128 Ki, the longest that regimes make.
const LONG: usize = 128 << 10;
/// What one hard element may add.
const SHARE: f64 = 1.1;
/// Bytes a class, the answers' own among them: 32 of the truth, 17 of the tolerance.
const MOST_MEMORY: u64 = 200;

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

/// Long rows are worked on in parts: the tiers agree wherever in a part the maximum and the target are, with −∞, ties, and logits
/// so far below the maximum that their exponentials are known by their sign alone.
#[test]
fn rows_of_many_parts_have_the_same_truth_wherever_their_ends_are() {
    const CLASSES: usize = 1100;
    let places = [0, 1, 511, 512, 513, 1023, 1024, CLASSES - 1];
    let mut source = Source(8);
    for (round, &top) in places.iter().enumerate() {
        for reduction in ["mean", "none"] {
            let mut row = |most: f64| {
                let near = |_| f64::from((most - 0.5 - source.unit() * 20.0) as f32);
                let mut row: Vec<f64> = (0..CLASSES).map(near).collect();
                row[top] = most;
                row[(top + 700) % CLASSES] = [f64::NEG_INFINITY, most][round % 2];
                // In one part only.
                row[600..600 + round].fill(most - 3000.0);
                row
            };
            let logits: Vec<f64> = [row(20.5), row(2000.0), vec![3.0; CLASSES], row(-40.0)].concat();
            let target = [places[(round + 3) % places.len()], top, round, CLASSES - 1 - top];
            let draft = Draft::new(Format::F32).param("reduction", reduction);
            let draft = draft.floats("logits", &[target.len(), CLASSES], &logits);
            let case = draft.classes("target", &target.map(|class| class as i64)).case("cross_entropy");
            let truths = |tier| lossproof::oracle::prove_by(&case, tier).expect("the loss is known");
            assert_eq!(truths(Tier::Fast), truths(Tier::Mpfr), "{reduction}, top {top}");
            let by_mpfr = cost(&case, Tier::Fast).by_mpfr;
            assert!(by_mpfr < logits.len() / 20, "{by_mpfr} by MPFR, {reduction}, top {top}");
        }
    }
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
fn a_long_row_with_its_gradient_and_budget_takes_200_bytes_a_class_at_most() {
    if std::env::var_os(CHILD).is_some() {
        let mut source = Source(7);
        let logits: Vec<f64> = (0..LONG).map(|_| f64::from((source.unit() * 20.0 - 10.0) as f32)).collect();
        let draft = Draft::new(Format::F32).floats("logits", &[1, LONG], &logits);
        let case = draft.classes("target", &[17]).case("cross_entropy");
        let before = peak_memory();
        let verified = verify(&case, &Machine::of(case.format)).expect("the loss is known");
        assert_eq!((verified.outputs[1].elements.len(), verified.tolerances[1].budget.len()), (LONG, LONG));
        let peak = 1024 * (peak_memory() - before) / LONG as u64;
        println!("peak {peak} bytes a class");
        assert!((8..=MOST_MEMORY).contains(&peak), "{peak} bytes a class");
        return;
    }
    let program = std::env::current_exe().expect("this test's own program");
    let name = "cost::a_long_row_with_its_gradient_and_budget_takes_200_bytes_a_class_at_most";
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
