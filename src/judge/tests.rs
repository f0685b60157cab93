//! Hand-made truths against hand-made answers: every level, every fault that the judge gives, every kind of truth.

use super::*;
use crate::format::{Canonical, Magnitude};
use crate::loss::Params;
use crate::truth::Truth;

/// An elementwise case without reduction: `mae` of n elements. Its loss is `nonnegative`.
fn case(format: Format, n: usize) -> Case {
    let tensor = || Tensor::full(format, &[n], 1.0);
    let inputs = [("prediction", tensor()), ("target", tensor())];
    let inputs = inputs.map(|(name, tensor)| (name.to_owned(), tensor)).into_iter().collect();
    Case::new("mae", format, Params::default().with("reduction", "none"), inputs).unwrap()
}

fn proved(y: f64, format: Format) -> Truth {
    Truth::Proved(Canonical::from_f64(y, format))
}

fn set(low: f64, high: f64, format: Format) -> Truth {
    Truth::Set(Canonical::from_f64(low, format), Canonical::from_f64(high, format))
}

/// The truth of one output, with the same tolerance for each element.
fn verified(name: &str, elements: Vec<Truth>, budget: f64, backward: f64) -> Verified {
    let n = elements.len();
    Verified {
        outputs: vec![OutputTruth { name: name.to_owned(), shape: vec![n], elements }],
        tolerances: vec![Tolerance {
            budget: vec![budget; n],
            backward: vec![backward; n],
            longest_sum: 1,
            overflows_on_the_way: vec![false; n],
        }],
    }
}

/// One element of the gradient by the prediction, or of the loss.
struct Question {
    output: &'static str,
    format: Format,
    truth: Truth,
    budget: f64,
    backward: f64,
    flushes: bool,
    demanded: Level,
}

impl Question {
    fn gradient(format: Format, truth: Truth) -> Question {
        Question {
            output: "grad.prediction",
            format,
            truth,
            budget: 0.0,
            backward: 0.0,
            flushes: false,
            demanded: Level::Stable,
        }
    }

    fn of(format: Format, y: f64) -> Question {
        Question::gradient(format, proved(y, format))
    }

    fn loss(self) -> Question {
        Question { output: LOSS, ..self }
    }

    fn within(self, budget: f64, backward: f64) -> Question {
        Question { budget, backward, ..self }
    }

    fn verdict(&self, got: f64) -> OutputVerdict {
        let case = case(self.format, 1);
        let verified = verified(self.output, vec![self.truth], self.budget, self.backward);
        let outputs = [(self.output.to_owned(), Tensor::float(self.format, &[1], vec![got]))];
        let machine = Machine { flush_to_zero: self.flushes, ..Machine::of(self.format) };
        judge(&case, &verified, &outputs.into_iter().collect(), &machine, self.demanded).remove(0)
    }

    fn judge(&self, got: f64) -> (Level, Option<Fault>) {
        let verdict = self.verdict(got);
        let worst = verdict.worst.unwrap();
        assert_eq!(verdict.faults.keys().copied().next(), worst.fault);
        (worst.level, worst.fault)
    }
}

fn f32_of(x: f32) -> f64 {
    f64::from(x)
}

#[test]
fn the_levels_follow_each_other() {
    use Level::*;
    let y = 1.0 + 0.3 * 2f64.powi(-23);
    let ulp = 2f64.powi(-23);
    let question = Question::of(Format::F32, y).within(10.0 * ulp, 20.0 * ulp);
    assert_eq!(question.judge(1.0), (Correct, None));
    assert_eq!(question.judge(1.0 + ulp), (Faithful, None));
    assert_eq!(question.judge(1.0 - 0.5 * ulp), (Accurate, None));
    assert_eq!(question.judge(1.0 + 4.0 * ulp), (Accurate, None));
    assert_eq!(question.judge(1.0 + 5.0 * ulp), (Stable, None));
    assert_eq!(question.judge(1.0 + 11.0 * ulp), (Backward, Some(Fault::Inaccurate)));
    assert_eq!(question.judge(1.0 + 21.0 * ulp), (Sane, Some(Fault::Inaccurate)));
    assert_eq!(question.judge(-1.0), (Broken, Some(Fault::WrongSign)));
    // The measures.
    let verdict = question.verdict(1.0 + 5.0 * ulp);
    assert!((verdict.max_ulp - 4.7).abs() < 0.01, "{}", verdict.max_ulp);
    assert!((verdict.max_budget_ratio - 0.47).abs() < 0.001);
    assert_eq!(verdict.level(), Some(Stable));
    assert_eq!(verdict.worst.unwrap().want, 1.0);
    // A float has no second neighbour.
    assert_eq!(Question::of(Format::F32, 1.0).judge(1.0 + ulp), (Accurate, None));
}

#[test]
fn the_demand_makes_the_fault() {
    let question = Question { demanded: Level::Correct, ..Question::of(Format::F32, 1.3) };
    let rounded = f32_of(1.3);
    assert_eq!(question.judge(rounded), (Level::Correct, None));
    assert_eq!(question.judge(Format::F32.next_up(rounded)).1, Some(Fault::Inaccurate));
    let lenient = Question { demanded: Level::Sane, ..Question::of(Format::F32, 1.3) };
    assert_eq!(lenient.judge(2.0), (Level::Sane, None));
    assert_eq!(lenient.judge(-2.0), (Level::Broken, Some(Fault::WrongSign)));
    let anything = Question { demanded: Level::Broken, ..Question::of(Format::F32, 1.3) };
    assert_eq!(anything.judge(-2.0), (Level::Broken, Some(Fault::WrongSign)));
}

#[test]
fn accurate_grows_with_the_sum_and_with_the_output_format() {
    let (case, ulp) = (case(Format::F32, 1), 2f64.powi(-23));
    let judged = |n: usize, got: f64| {
        let mut verified = verified(LOSS, vec![proved(1.0, Format::F32)], 0.0, 0.0);
        verified.tolerances[0].longest_sum = n;
        let outputs = [(LOSS.to_owned(), Tensor::float(Format::F32, &[1], vec![got]))];
        let outputs = outputs.into_iter().collect();
        judge(&case, &verified, &outputs, &Machine::of(Format::F32), Level::Stable)[0].level().unwrap()
    };
    assert_eq!(judged(1, 1.0 + 4.0 * ulp), Level::Accurate);
    assert_eq!(judged(1, 1.0 + 5.0 * ulp), Level::Sane);
    assert_eq!(judged(1000, 1.0 + 14.0 * ulp), Level::Accurate);
    assert_eq!(judged(1000, 1.0 + 15.0 * ulp), Level::Sane);
    // In f16 the f32 part is small beside half an ulp of the output.
    let half = Question::of(Format::F16, 1.0 + 0.4999 * 2f64.powi(-10));
    assert_eq!(half.judge(1.0 + 2f64.powi(-10)), (Level::Faithful, None));
    assert_eq!(half.judge(1.0 - 0.5 * 2f64.powi(-10)), (Level::Sane, Some(Fault::Inaccurate)));
}

#[test]
fn nan_and_infinity_are_owed_where_the_truth_has_them() {
    let question = |truth| Question::gradient(Format::F32, truth).within(1.0, 1.0);
    let infinite = f64::INFINITY;
    let broken = |fault| (Level::Broken, Some(fault));
    let undefined = question(Truth::Undefined);
    assert_eq!(undefined.judge(f64::NAN), (Level::Correct, None));
    assert_eq!(undefined.judge(0.0), broken(Fault::MissingNan));
    assert_eq!(undefined.judge(infinite), broken(Fault::MissingNan));
    let below = question(Truth::Infinite { negative: true });
    assert_eq!(below.judge(-infinite), (Level::Correct, None));
    assert_eq!(below.judge(infinite), broken(Fault::WrongSign));
    assert_eq!(below.judge(-3e38f32 as f64), broken(Fault::MissingInfinity));
    assert_eq!(below.judge(f64::NAN), broken(Fault::SpuriousNan));
    let finite = question(proved(1000.0, Format::F32));
    assert_eq!(finite.judge(infinite), broken(Fault::SpuriousInfinity));
    assert_eq!(finite.judge(-infinite), broken(Fault::SpuriousInfinity));
    assert_eq!(finite.judge(f64::NAN), broken(Fault::SpuriousNan));
    assert_eq!(finite.verdict(f64::NAN).max_ulp, infinite);
    // The kernel's NaN at a kink is no element of the set.
    assert_eq!(question(set(-1.0, 1.0, Format::F32)).judge(f64::NAN), broken(Fault::SpuriousNan));
}

#[test]
fn overflow_is_judged_by_the_truth_give_or_take_the_budget() {
    // Ω = 65520, the largest number 65504.
    let f16 = |y: f64, budget| {
        let truth = Canonical::from_f64(y, Format::F16);
        let truth = if y.abs() >= 65520.0 { Truth::Overflow(truth) } else { Truth::Proved(truth) };
        Question::gradient(Format::F16, truth).within(budget, budget)
    };
    let infinite = f64::INFINITY;
    for sign in [1.0, -1.0] {
        let check = |y: f64, budget: f64, got: f64, expected: (Level, Option<Fault>)| {
            assert_eq!(f16(sign * y, budget).judge(sign * got), expected, "{y} ± {budget}: {got}");
        };
        check(70000.0, 1.0, infinite, (Level::Correct, None));
        check(70000.0, 1.0, 65504.0, (Level::Broken, Some(Fault::MissingInfinity)));
        check(70000.0, 1.0, -infinite, (Level::Broken, Some(Fault::WrongSign)));
        // Near the threshold either is right, if the budget reaches over it.
        check(65530.0, 30.0, 65504.0, (Level::Faithful, None));
        check(65530.0, 9.0, 65504.0, (Level::Broken, Some(Fault::MissingInfinity)));
        check(65521.0, 100.0, 65440.0, (Level::Stable, None));
        check(65521.0, 50.0, 65440.0, (Level::Broken, Some(Fault::MissingInfinity)));
        check(65480.0, 50.0, infinite, (Level::Stable, None));
        check(65480.0, 30.0, infinite, (Level::Broken, Some(Fault::SpuriousInfinity)));
        check(65480.0, 50.0, -infinite, (Level::Broken, Some(Fault::SpuriousInfinity)));
        // Infinity is the next float.
        check(65510.0, 0.0, infinite, (Level::Faithful, None));
        check(65504.0, 0.0, infinite, (Level::Broken, Some(Fault::SpuriousInfinity)));
    }
    // f64, whose threshold is no f64: y = max + 3/4 ulp, and max + 1/4 ulp.
    let max = f64::MAX;
    let y = Magnitude { negative: false, significand: (1 << 55) - 1, exponent: 1024 - 55, sticky: false };
    let question = |truth| Question::gradient(Format::F64, truth).within(1e300, 1e300);
    let above = question(Truth::Overflow(y.round_to_odd(Format::F64)));
    assert_eq!(above.judge(infinite), (Level::Correct, None));
    assert_eq!(above.judge(max), (Level::Faithful, None));
    let tight = Question::gradient(Format::F64, above.truth).within(1e290, 1e290);
    assert_eq!(tight.judge(max), (Level::Broken, Some(Fault::MissingInfinity)));
    let y = Magnitude { significand: (1 << 55) - 3, ..y };
    let below = question(Truth::Proved(y.round_to_odd(Format::F64)));
    assert_eq!(below.judge(max).0, Level::Correct);
    assert_eq!(below.judge(infinite).0, Level::Faithful);
    let inside = question(proved(max / 2.0, Format::F64));
    assert_eq!(inside.judge(infinite), (Level::Broken, Some(Fault::SpuriousInfinity)));
}

#[test]
fn zero_is_spurious_only_for_a_normal_truth_beyond_the_budget() {
    let normal = 4.0 * Format::F32.min_normal();
    let question = |y| Question::of(Format::F32, y);
    assert_eq!(question(normal).judge(0.0), (Level::Sane, Some(Fault::SpuriousZero)));
    assert_eq!(question(normal).within(normal, 0.0).judge(0.0), (Level::Stable, None));
    let strict = Question { demanded: Level::Correct, ..question(normal).within(normal, 0.0) };
    assert_eq!(strict.judge(0.0), (Level::Stable, Some(Fault::Inaccurate)));
    let subnormal = Format::F32.min_normal() / 4.0;
    assert_eq!(question(subnormal).judge(0.0), (Level::Sane, Some(Fault::Inaccurate)));
    let flushing = Question { flushes: true, ..question(subnormal) };
    assert_eq!(flushing.judge(0.0), (Level::Stable, None));
    assert_eq!(flushing.judge(subnormal), (Level::Correct, None));
    let flushing = Question { flushes: true, ..question(normal) };
    assert_eq!(flushing.judge(0.0), (Level::Sane, Some(Fault::SpuriousZero)));
    // Both zeros are zero.
    assert_eq!(question(0.0).judge(-0.0), (Level::Correct, None));
    // A truth below the least number: both floats around it.
    let tiny = Magnitude { negative: true, significand: 1, exponent: -3000, sticky: false };
    let tiny = Question::gradient(Format::F64, Truth::Proved(tiny.round_to_odd(Format::F64)));
    assert_eq!(tiny.judge(0.0).0, Level::Correct);
    assert_eq!(tiny.judge(-5e-324).0, Level::Faithful);
    assert_eq!(tiny.judge(5e-324).0, Level::Accurate);
}

#[test]
fn a_wrong_sign_within_the_budget_is_no_fault() {
    let y = 1e-6;
    let got = f32_of(-1e-7);
    let question = |budget, backward| Question::of(Format::F32, y).within(budget, backward);
    assert_eq!(question(1e-5, 1e-5).judge(got), (Level::Stable, None));
    assert_eq!(question(1e-7, 1e-5).judge(got), (Level::Backward, Some(Fault::WrongSign)));
    assert_eq!(question(1e-7, 1e-7).judge(got), (Level::Broken, Some(Fault::WrongSign)));
    // A loss that is never negative: also where the truth is 0, and no backward error excuses it.
    let loss = |y, budget, backward| Question::of(Format::F32, y).loss().within(budget, backward);
    assert_eq!(loss(0.0, 1e-5, 1e-5).judge(got), (Level::Stable, None));
    assert_eq!(loss(0.0, 1e-9, 1e-9).judge(got), (Level::Broken, Some(Fault::WrongSign)));
    assert_eq!(loss(y, 1e-9, 1e-5).judge(got), (Level::Broken, Some(Fault::WrongSign)));
    // The gradient may be negative.
    assert_eq!(question(1e-9, 1e-9).judge(f32_of(2e-6)).0, Level::Sane);
    assert_eq!(Question::of(Format::F32, 0.0).judge(got).0, Level::Sane);
}

#[test]
fn at_a_kink_every_element_of_the_set_is_right() {
    // The gradient of a mean of three absolute values at 0: [−1/3, 1/3], whose ends are no floats.
    let third = Magnitude { negative: false, significand: u128::MAX / 3, exponent: -128, sticky: true };
    let high = third.round_to_odd(Format::F32);
    let low = Magnitude { negative: true, ..third }.round_to_odd(Format::F32);
    assert!(!high.exact);
    let question = |budget| Question::gradient(Format::F32, Truth::Set(low, high)).within(budget, budget);
    let rounded = f32_of(1.0 / 3.0);
    assert!(rounded > 1.0 / 3.0);
    for got in [0.0, -0.0, 0.2f32 as f64, -0.3f32 as f64, rounded, -rounded, Format::F32.next_down(rounded)] {
        assert_eq!(question(0.0).judge(got), (Level::Correct, None), "{got}");
        assert!(question(0.0).verdict(got).max_ulp < 1.0);
    }
    let beside = Format::F32.next_up(rounded);
    assert_eq!(question(0.0).judge(beside), (Level::Accurate, None));
    assert_eq!(question(0.1).judge(f32_of(0.4)), (Level::Stable, None));
    assert_eq!(question(0.01).judge(f32_of(0.4)), (Level::Sane, Some(Fault::OutsideSubdifferential)));
    assert_eq!(question(0.01).judge(f64::INFINITY), (Level::Broken, Some(Fault::SpuriousInfinity)));
    let positive = Question::gradient(Format::F32, set(1.0, 2.0, Format::F32)).within(0.01, 0.01);
    assert_eq!(positive.judge(1.5), (Level::Correct, None));
    assert_eq!(positive.judge(-1.0), (Level::Broken, Some(Fault::OutsideSubdifferential)));
    assert_eq!(positive.judge(0.5), (Level::Sane, Some(Fault::OutsideSubdifferential)));
    assert_eq!(positive.verdict(1.5).worst.unwrap().want, 1.0);
}

#[test]
fn undecided_and_unbounded_neither_pass_nor_fail() {
    let undecided = Question::gradient(Format::F32, Truth::Undecided { bits: 16384 });
    let verdict = undecided.verdict(1.0);
    assert_eq!((verdict.undecided, verdict.level(), verdict.worst), (1, None, None));
    assert!(verdict.faults.is_empty() && verdict.max_ulp == 0.0);
    let unbounded = Question::of(Format::F32, 1.0).within(f64::INFINITY, f64::INFINITY);
    let verdict = unbounded.verdict(1.5);
    assert_eq!((verdict.unbounded, verdict.level()), (1, None));
    assert_eq!(unbounded.judge(1.0), (Level::Correct, None));
    assert_eq!(unbounded.judge(f64::INFINITY), (Level::Broken, Some(Fault::SpuriousInfinity)));
    // A golden file without tolerances is no licence either.
    let mut verified = verified(LOSS, vec![proved(1.0, Format::F32)], 1.0, 1.0);
    verified.tolerances.clear();
    let outputs = [(LOSS.to_owned(), Tensor::full(Format::F32, &[1], 1.5))].into_iter().collect();
    let machine = Machine::of(Format::F32);
    let verdict = judge(&case(Format::F32, 1), &verified, &outputs, &machine, Level::Stable);
    assert_eq!(verdict[0].unbounded, 1);
}

#[test]
fn what_may_have_been_flushed_to_0_is_not_wrong_for_having_no_logarithm() {
    let infinite = f64::INFINITY;
    let open = |y: f64| Question { flushes: true, ..Question::of(Format::F32, y).within(infinite, infinite) };
    let overflow = Truth::Overflow(Canonical::from_f64(1e39, Format::F32));
    let overflow =
        Question { flushes: true, ..Question::gradient(Format::F32, overflow).within(infinite, infinite) };
    for got in [f64::NAN, infinite, -infinite, 7.0] {
        let verdict = open(-87.5).verdict(got);
        assert_eq!((verdict.unbounded, verdict.level(), verdict.faults.len()), (1, None, 0), "{got}");
    }
    assert_eq!(overflow.verdict(f64::NAN).unbounded, 1);
    // A bound convicts as ever, and so does an answer that owes NaN or infinity.
    let bounded = Question { flushes: true, ..Question::of(Format::F32, -87.5).within(1.0, 1.0) };
    assert_eq!(bounded.judge(f64::NAN), (Level::Broken, Some(Fault::SpuriousNan)));
    let undefined = Question { truth: Truth::Undefined, ..open(1.0) };
    assert_eq!(undefined.judge(1.0), (Level::Broken, Some(Fault::MissingNan)));
    let keeps = Question { flushes: false, ..open(-87.5) };
    assert_eq!(keeps.judge(f64::NAN), (Level::Broken, Some(Fault::SpuriousNan)));
}

#[test]
fn an_output_of_another_shape_or_dtype_is_broken_everywhere() {
    let case = case(Format::F32, 2);
    let truth = || vec![proved(1.0, Format::F32); 2];
    let verified = verified(LOSS, truth(), 1.0, 1.0);
    let machine = Machine::of(Format::F32);
    let right = Tensor::full(Format::F32, &[2], 1.0);
    let wrong = [
        None,
        Some(Tensor::full(Format::F32, &[1, 2], 1.0)),
        Some(Tensor::full(Format::F64, &[2], 1.0)),
        Some(Tensor::i64(&[2], vec![1, 1])),
    ];
    for tensor in wrong {
        let outputs = tensor.into_iter().map(|tensor| (LOSS.to_owned(), tensor)).collect();
        let verdict = judge(&case, &verified, &outputs, &machine, Level::Stable).remove(0);
        assert_eq!(verdict.faults, BTreeMap::from([(Fault::ShapeMismatch, 2)]));
        assert_eq!(verdict.level(), Some(Level::Broken));
    }
    let outputs = [(LOSS.to_owned(), right)].into_iter().collect();
    assert_eq!(judge(&case, &verified, &outputs, &machine, Level::Stable)[0].level(), Some(Level::Correct));
}

#[test]
fn the_worst_element_stands_for_the_output() {
    let case = case(Format::F32, 4);
    let verified = verified(LOSS, vec![proved(1.0, Format::F32); 4], 0.1, 0.2);
    let got = Tensor::float(Format::F32, &[4], vec![1.0, 1.0625, f32_of(1.5), f32_of(1.25)]);
    let outputs = [(LOSS.to_owned(), got)].into_iter().collect();
    let verdict = judge(&case, &verified, &outputs, &Machine::of(Format::F32), Level::Stable).remove(0);
    let worst = verdict.worst.unwrap();
    assert_eq!((worst.index, worst.got, worst.budget), (vec![2], 1.5, 0.1));
    let levels = [(Level::Correct, 1), (Level::Stable, 1), (Level::Sane, 2)];
    assert_eq!(verdict.levels, BTreeMap::from(levels));
    assert_eq!(verdict.faults, BTreeMap::from([(Fault::Inaccurate, 2)]));
}

#[test]
fn each_trivial_kernel_is_seen_where_it_would_hold_and_not_where_it_fails() {
    let machine = Machine::of(Format::F32);
    let mut case = case(Format::F32, 2);
    case.upstream = Tensor::full(Format::F32, &[2], 1.5);
    let truth = |values: [f64; 2], budget: f64| {
        let elements = values.iter().map(|&y| proved(y, Format::F32)).collect();
        verified("grad.prediction", elements, budget, budget)
    };
    let observed = |verified: &Verified, ones: Option<&Verified>| {
        let mut vacuity = Vacuity::default();
        vacuity.observe(&case, verified, ones, 0, &machine, Level::Stable);
        vacuity
    };
    let held = |values, budget| observed(&truth(values, budget), None).held_by();
    // Budgets that reach from the truth to the trivial value.
    assert_eq!(held([0.5, 0.25], 0.5), Some(Trivial::Zeros));
    assert_eq!(held([3.0, 2.0], 2.0), Some(Trivial::Ones));
    assert_eq!(held([5.0, 5.5], 1.0), Some(Trivial::FirstTruth));
    assert_eq!(held([5.0, 5.5], 0.1), None);
    // One element that convicts is enough; so is one case of the cell.
    assert_eq!(held([0.5, 9.0], 0.5), None);
    let mut cell = observed(&truth([0.5, 0.25], 0.5), None);
    cell.merge(&observed(&truth([9.0, 8.0], 0.5), None));
    assert_eq!(cell.held_by(), None);
    let mut cell = Vacuity::default();
    cell.merge(&observed(&truth([0.5, 0.25], 0.5), None));
    assert_eq!(cell.held_by(), Some(Trivial::Zeros));
    // Where the trivial value is right, or the truth a set or subnormal, nothing counts.
    assert_eq!(held([0.0, 0.0], 0.5), None);
    assert_eq!(held([1e-40, -1e-41], 1e-39), None);
    let kink = verified("grad.prediction", vec![set(-1.0, 1.0, Format::F32); 2], 0.0, 0.0);
    assert_eq!(observed(&kink, None).held_by(), None);
    // The upstream of 1.5 is invisible to a budget of half the gradient.
    let ones = truth([10.0, 20.0], 0.0);
    let ignores = |budget| observed(&truth([15.0, 30.0], budget), Some(&ones)).held_by();
    assert_eq!(ignores(11.0), Some(Trivial::IgnoresUpstream));
    assert_eq!(ignores(0.1), None);
    // On the loss, and where the upstream is all ones, there is nothing to ignore.
    let loss = verified(LOSS, vec![proved(15.0, Format::F32); 2], 11.0, 11.0);
    assert_eq!(Trivial::IgnoresUpstream.answer(&case, &loss, Some(&loss), 0), None);
    let answers = Trivial::Ones.outputs(&case, &loss, None);
    assert_eq!(answers[LOSS], Tensor::full(Format::F32, &[2], 1.0));
    let first = Trivial::FirstTruth.outputs(&case, &truth([2.0, 7.0], 0.0), None);
    assert_eq!(first["grad.prediction"].floats(), [2.0, 2.0]);
    let case = self::case(Format::F32, 2);
    assert_eq!(Trivial::IgnoresUpstream.answer(&case, &ones, Some(&ones), 0), None);
}

#[test]
fn the_other_known_conventions_come_one_by_one_and_in_pairs() {
    let row = || Tensor::float(Format::F32, &[1, 2], vec![1.0, 2.0]);
    let inputs = ["anchor", "positive", "negative"].map(|name| (name.to_owned(), row()));
    let inputs: Tensors = inputs.into_iter().collect();
    let case = Case::new("triplet_margin", Format::F32, Params::default(), inputs).unwrap();
    let found = alternatives(&case);
    let texts: Vec<String> = found.iter().map(|(declaration, _)| declaration.to_string()).collect();
    assert_eq!(texts.len(), 6, "{texts:?}");
    assert!(texts[..3].contains(&r#""empty_mean": "zero""#.to_owned()), "{texts:?}");
    assert!(texts[..3].contains(&r#""epsilon": 1e-6"#.to_owned()), "{texts:?}");
    let pair = r#""epsilon": 1e-6, "epsilon_placement": "root""#;
    let (_, other) = &found[texts.iter().position(|text| text == pair).unwrap()];
    assert_eq!(other.params.number("epsilon"), Some(1e-6));
    assert_eq!(other.params.text("epsilon_placement"), "root");
    assert_eq!((&other.inputs, &other.upstream), (&case.inputs, &case.upstream));
    // What is declared is no alternative, what is not, is: the default too.
    let mut declared = case;
    declared.params.set("empty_mean", "zero");
    let texts: Vec<String> = alternatives(&declared).iter().map(|(d, _)| d.to_string()).collect();
    assert!(texts.contains(&r#""empty_mean": "nan""#.to_owned()), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains(r#""empty_mean": "zero""#)), "{texts:?}");
    declared.loss = "none".into();
    assert!(alternatives(&declared).is_empty());
}

#[test]
fn what_came_of_an_overflow_on_the_way_is_judged_apart_and_nothing_else_is() {
    let truths = || vec![proved(3.0, Format::F32); 4];
    let case = case(Format::F32, 4);
    let judged = |name: &str, got: Vec<f64>| {
        let mut verified = verified(name, truths(), 1e-6, 1e-6);
        verified.tolerances[0].overflows_on_the_way = vec![true, true, true, false];
        let outputs = [(name.to_owned(), Tensor::float(Format::F32, &[4], got))].into();
        judge(&case, &verified, &outputs, &Machine::of(Format::F32), Level::Stable).remove(0)
    };
    let count = |verdict: &OutputVerdict| verdict.levels.values().sum::<usize>();
    let gradient = judged("grad.prediction", vec![f64::NAN, f64::INFINITY, 0.0, 3.0]);
    let apart = gradient.on_the_way.as_deref().unwrap();
    assert_eq!((count(&gradient), count(apart)), (1, 3));
    assert_eq!(gradient.level(), Some(Level::Correct));
    assert_eq!(apart.level(), Some(Level::Broken));
    // A finite number that no overflow makes is judged as ever; so is the element that does not overflow.
    let wrong = judged("grad.prediction", vec![3.0, 3.0, 2.0, 0.0]);
    assert_eq!((count(&wrong), count(wrong.on_the_way.as_deref().unwrap())), (2, 2));
    assert_eq!(wrong.faults, [(Fault::SpuriousZero, 1), (Fault::Inaccurate, 1)].into());
    // The loss is no quotient.
    let loss = judged(LOSS, vec![0.0, f64::NAN, f64::INFINITY, 3.0]);
    assert_eq!(loss.faults, [(Fault::SpuriousZero, 1)].into());
    // Without anything on the way there is nothing apart.
    let verified = verified(LOSS, truths(), 1e-6, 1e-6);
    let outputs = [(LOSS.to_owned(), Tensor::float(Format::F32, &[4], vec![3.0; 4]))].into();
    let plain = judge(&case, &verified, &outputs, &Machine::of(Format::F32), Level::Stable).remove(0);
    assert_eq!(plain.on_the_way, None);
}
