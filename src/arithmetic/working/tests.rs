//! The model against honest kernels (no false alarm), against wrong ones (each seen), and on hard cases (finite).

use super::ball::Ball;
use super::model::Model;
use super::sum::Accumulator;
use super::*;
use crate::case::Tensors;
use crate::judge::Summation;
use crate::loss::Params;
use crate::tensor::Tensor;

fn machine() -> Machine {
    Machine::of(Format::F32)
}

fn model() -> Model {
    Model::rounding(&machine())
}

fn tensors(list: Vec<(&str, Tensor)>) -> Tensors {
    list.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}

fn run(case: &Case, machine: &Machine) -> Vec<Tolerance> {
    crate::oracle::verify(case, machine).unwrap().tolerances
}

/// Whether any element of any output overflows on the way.
fn overflows(tolerances: &[Tolerance]) -> bool {
    tolerances.iter().any(|tolerance| tolerance.overflows_on_the_way.contains(&true))
}

fn cross_entropy(format: Format, logits: &[f64], target: i64) -> Case {
    let inputs = tensors(vec![
        ("logits", Tensor::float(format, &[1, logits.len()], logits.to_vec())),
        ("target", Tensor::i64(&[1], vec![target])),
    ]);
    Case::new("cross_entropy", format, Params::default(), inputs).unwrap()
}

fn regression(loss: &str, format: Format, params: Params, prediction: &[f64], target: &[f64]) -> Case {
    let tensor = |values: &[f64]| Tensor::float(format, &[values.len()], values.to_vec());
    let inputs = tensors(vec![("prediction", tensor(prediction)), ("target", tensor(target))]);
    Case::new(loss, format, params, inputs).unwrap()
}

/// Knuth's linear congruential generator, MMIX constants.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
    }

    fn f32(&mut self, scale: f64) -> f64 {
        f64::from((self.next() * scale) as f32)
    }
}

#[test]
fn an_exact_result_has_radius_0_and_an_inexact_one_has_not() {
    let m = model();
    let x = Ball::exact;
    assert_eq!(m.add(x(1.5), x(2.25)), x(3.75));
    assert_eq!(m.mul(x(3.0), x(5.0)), x(15.0));
    assert_eq!(m.div(x(6.0), x(3.0)), x(2.0));
    assert_eq!(m.sqrt(x(9.0)), x(3.0));
    assert_eq!(m.exp(x(0.0)), x(1.0));
    // 1 + 2^-30 is an f64 and no f32.
    assert!(m.add(x(1.0), x(2f64.powi(-30))).r > 0.0);
    assert!(m.div(x(1.0), x(3.0)).r > 0.0);
    assert!(m.sqrt(x(2.0)).r > 0.0);
    assert!(m.constant(0.1).r > 0.0 && m.constant(0.5).r == 0.0);
    // Exactly 0 and ±1 leave everything as it is, also infinity.
    let wide = Ball::new(0.3, 0.1);
    assert_eq!(m.mul(x(0.0), Ball::exact(f64::INFINITY)), x(0.0));
    assert_eq!(m.mul(wide, x(-1.0)), wide.neg());
    // In f64 exactness is proved by the residual, also where the product is tiny.
    let wide = Model::rounding(&Machine::of(Format::F64));
    assert_eq!(wide.mul(x(3.0), x(0.1)).r, 2f64.powi(-53) * (3.0 * 0.1));
    assert!(wide.mul(x(1e-200), x(1e-120)).r > 0.0);
}

#[test]
fn sums_are_exact_only_where_every_order_is() {
    let m = model();
    let sum = |terms: &[f64]| {
        let mut sum = Accumulator::EMPTY;
        terms.iter().for_each(|&x| sum.push(Ball::exact(x)));
        sum.finish(&m, terms.len())
    };
    assert_eq!(sum(&[1.0; 1000]), Ball::exact(1000.0));
    assert_eq!(sum(&[0.1f32 as f64, 0.0, 0.0]), Ball::exact(0.1f32 as f64));
    // The sum of the magnitudes is held and a partial sum is not; every partial sum has few bits and the range ends.
    assert!(sum(&[16777216.0, 1.0, 1.0]).r >= 1.0);
    assert!(sum(&[2f64.powi(127), 2f64.powi(127), -(2f64.powi(127))]).r > 0.0);
    // The total is held, a partial sum is not.
    let cancelling = sum(&[1e8, 1.0, -1e8]);
    assert_eq!(cancelling.m, 1.0);
    assert!(cancelling.r >= 8.0, "{cancelling:?}");
    assert_eq!(m.height(1), 0);
    assert_eq!(m.height(2), 1);
    assert_eq!(m.height(1024), 10);
    assert_eq!(m.height(1025), 11);
    assert_eq!(m.height(4096), 13);
    let sequential = Model::rounding(&Machine { summation: Summation::Sequential, ..machine() });
    assert_eq!(sequential.height(4096), 4095);
    let pairwise = Model::rounding(&Machine { summation: Summation::Pairwise, ..machine() });
    assert_eq!(pairwise.height(4096), 12);
}

#[test]
fn monotone_functions_propagate_by_the_ends_of_the_ball() {
    let m = Model::perturbed_inputs(&machine());
    let check = |name: &str, f: &dyn Fn(Ball) -> Ball, xs: &[f64], r: f64| {
        for &x in xs {
            let ball = f(Ball::new(x, r));
            let ends = [x - r, x + r].map(|x| f(Ball::exact(x)).m);
            let moved = ends.iter().map(|y| (y - ball.m).abs()).fold(0.0, f64::max);
            // x ± r is rounded itself, and so are the two values that are subtracted.
            let slack = 1e-15 * (ball.m.abs() + x.abs() * (1.0 + moved / r)) + 1e-9 * moved;
            assert!(ball.r >= moved - slack, "{name}({x} ± {r}): {ball:?} misses {moved}");
            assert!(ball.r <= 1.5 * moved + slack, "{name}({x} ± {r}): {ball:?} is wide for {moved}");
        }
    };
    let all = [-30.0, -2.0, -0.4, 0.3, 1.0, 5.0, 40.0];
    for r in [1e-6, 0.01, 0.25] {
        check("exp", &|x| m.exp(x), &all, r);
        check("expm1", &|x| m.expm1(x), &all, r);
        check("tanh", &|x| m.tanh(x), &[-2.0, -0.4, 0.3, 1.0], r);
        check("sigmoid", &|x| m.sigmoid(x), &all, r);
        check("softplus", &|x| m.softplus(x), &all, r);
        check("log_sigmoid", &|x| m.log_sigmoid(x), &all, r);
        check("ln", &|x| m.ln(x), &[0.3, 1.0, 5.0, 40.0], r);
        check("ln_1p", &|x| m.ln_1p(x), &[-0.4, 0.3, 5.0], r);
        check("sqrt", &|x| m.sqrt(x), &[0.3, 1.0, 5.0], r);
        check("pow 1/2", &|x| m.pow(x, 0.5), &[0.3, 1.0, 5.0], r);
        check("pow 3", &|x| m.pow(x, 3.0), &[-2.0, 0.3, 5.0], r);
        check("pow -2", &|x| m.pow(x, -2.0), &[-2.0, 0.3, 5.0], r);
        check("expm1_minus", &|x| m.expm1_minus(x), &all, r);
        check("log_cosh", &|x| m.log_cosh(x), &[-2.0, 1.0, 5.0], r);
        check("bce", &|z| m.bce_with_logits(z, Ball::exact(0.25)), &[-2.0, 1.0, 5.0], r);
    }
}

#[test]
fn kinks_take_the_hull_only_where_the_ball_reaches_them() {
    assert_eq!(Ball::new(0.5, 0.4).sign(), Ball::exact(1.0));
    assert_eq!(Ball::new(0.5, 0.5).sign(), Ball::new(1.0, 2.0));
    assert_eq!(Ball::new(-0.1, 0.5).sign(), Ball::new(-1.0, 2.0));
    assert_eq!(Ball::exact(0.0).sign(), Ball::exact(1.0));
    assert_eq!(Ball::exact(1.0).tie_share(Ball::exact(1.0)), Ball::exact(1.0));
    assert_eq!(Ball::exact(1.0).tie_share(Ball::new(1.1, 0.2)), Ball::new(0.0, 1.0));
    assert_eq!(Ball::exact(1.0).tie_share(Ball::new(1.1, 0.01)), Ball::exact(0.0));
    let m = model();
    assert_eq!(m.clamp_share(Ball::exact(1.0), -1.0, 1.0), Ball::exact(1.0));
    assert_eq!(m.clamp_share(Ball::new(1.1, 0.2), -1.0, 1.0), Ball::new(0.0, 1.0));
    assert_eq!(m.clamp(Ball::new(1.1, 0.2), -1.0, 1.0).m, 1.0);
    let ties = |row: &[Ball]| {
        let ties = ties::Ties::of(row.iter().copied());
        row.iter().map(|&x| ties.share(x)).collect::<Vec<_>>()
    };
    let (one, two) = (Ball::exact(1.0), Ball::exact(2.0));
    assert_eq!(ties(&[one, two, one]), [Ball::ZERO, Ball::ONE, Ball::ZERO]);
    assert_eq!(ties(&[two, two, one]), [Ball::ONE, Ball::ONE, Ball::ZERO]);
    let near = Ball::new(1.9, 0.2);
    assert_eq!(ties(&[near, two, one]), [Ball::new(0.0, 1.0), Ball::new(1.0, 1.0), Ball::ZERO]);
    // A single maximum is one, whatever its radius.
    assert_eq!(ties(&[one, Ball::new(2.0, 0.5)]), [Ball::ZERO, Ball::ONE]);
}

#[test]
fn the_examples_of_the_levels_get_the_tolerances_that_tell_them_apart() {
    let loss = |logits: &[f64], target| {
        let tolerances = run(&cross_entropy(Format::F32, logits, target), &machine());
        assert!(!overflows(&tolerances));
        (tolerances[0].budget[0], tolerances[0].backward[0], tolerances[0].longest_sum)
    };
    // 0 for 2.06e-9: the ln s form may lose the tail of one ulp of 1, not more.
    let (budget, _, longest) = loss(&[20.0, 0.0], 0);
    assert!((2.0611537e-9..5e-7).contains(&budget), "{budget:e}");
    assert_eq!(longest, 2);
    // 0.125 for 0.126928: beyond the budget, within backward.
    let (budget, backward, _) = loss(&[1000001.0, 999999.0], 0);
    let error = 0.126_928_011_042_972_5 - 0.125;
    assert!(budget < error && error <= backward, "{budget:e} {backward:e}");
    assert!(backward < 0.1, "{backward:e}");
}

/// An honest f32 kernel of one row: shift, sum, difference in the published order.
fn softmax_in_f32(logits: &[f64], t: usize) -> (f32, Vec<f32>) {
    let x: Vec<f32> = logits.iter().map(|&x| x as f32).collect();
    let m = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f32> = x.iter().map(|&x| core_math::expf(x - m)).collect();
    let s: f32 = e.iter().sum();
    let mut gradient: Vec<f32> = e.iter().map(|e| e / s).collect();
    gradient[t] -= 1.0;
    (core_math::logf(s) - (x[t] - m), gradient)
}

#[test]
fn an_honest_softmax_kernel_stays_within_its_budget_and_a_naive_one_does_not() {
    let mut random = Random(7);
    let mut naive_caught = 0;
    for round in 0..400 {
        let scale = [1.0, 10.0, 80.0, 1000.0][round % 4];
        let offset = [0.0, 1e4, -1e6][round % 3];
        let logits: Vec<f64> = (0..12).map(|_| f64::from((random.next() * scale + offset) as f32)).collect();
        let t = round % 12;
        let case = cross_entropy(Format::F32, &logits, t as i64);
        let tolerances = run(&case, &machine());
        let m = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let s: f64 = logits.iter().map(|x| core_math::exp(x - m)).sum();
        let (loss, gradient) = softmax_in_f32(&logits, t);
        let truth = core_math::log(s) - (logits[t] - m);
        let error = (f64::from(loss) - truth).abs();
        assert!(error <= tolerances[0].budget[0], "{logits:?}: {error:e} > {:e}", tolerances[0].budget[0]);
        for i in 0..12 {
            let p = core_math::exp(logits[i] - m) / s;
            let truth = p - f64::from(u8::from(i == t));
            let error = (f64::from(gradient[i]) - truth).abs();
            assert!(error <= tolerances[1].budget[i], "{logits:?}[{i}]: {error:e}");
            assert!(
                tolerances[1].budget[i] <= 5e-4 * p + 3e-7 * truth.abs() + 1e-40,
                "{p:e} {:e}",
                tolerances[1].budget[i]
            );
        }
        // lse(x) − x_t with the maximum added back.
        let naive = (core_math::logf(s as f32) + m as f32) - logits[t] as f32;
        naive_caught += usize::from((f64::from(naive) - truth).abs() > tolerances[0].budget[0]);
    }
    assert!(naive_caught > 50, "{naive_caught}");
}

#[test]
fn honest_elementwise_kernels_stay_within_their_budgets() {
    let mut random = Random(3);
    for _ in 0..300 {
        let (z, y) = (random.f32(60.0), random.f32(1.0).abs());
        let tensor = |x: f64| Tensor::float(Format::F32, &[1], vec![x]);
        let inputs = tensors(vec![("logits", tensor(z)), ("target", tensor(y))]);
        let case = Case::new("bce_with_logits", Format::F32, Params::default(), inputs).unwrap();
        let tolerances = run(&case, &machine());
        let (a, b) = (z as f32, y as f32);
        let loss = (a.max(0.0) - a * b) + core_math::log1pf(core_math::expf(-a.abs()));
        let truth = (z.max(0.0) - z * y) + core_math::log1p(core_math::exp(-z.abs()));
        let error = (f64::from(loss) - truth).abs();
        assert!(error <= tolerances[0].budget[0], "{z} {y}: {error:e} {:?}", tolerances[0]);
        assert!(tolerances[0].budget[0] < 1e-6 * z.abs().max(1.0));
        let sigmoid = if a >= 0.0 {
            1.0 / (1.0 + core_math::expf(-a))
        } else {
            core_math::expf(a) / (1.0 + core_math::expf(a))
        };
        let truth = 1.0 / (1.0 + core_math::exp(-z)) - y;
        let error = (f64::from(sigmoid - b) - truth).abs();
        assert!(error <= tolerances[1].budget[0], "{z} {y}: {error:e}");
    }
}

#[test]
fn the_gradient_budget_allows_a_multiplication_by_the_upstream_at_the_end() {
    // upstream/3 is exact in the graph for an upstream of 3; a kernel may divide 2r by 3 first and multiply last.
    let values = [1.1f32, 2.3, 0.7].map(f64::from);
    let mut case = regression("mse", Format::F32, Params::default(), &values, &[0.0; 3]);
    case.upstream = Tensor::full(Format::F32, &[], 3.0);
    let gradient = &run(&case, &machine())[1];
    for (x, budget) in values.iter().zip(&gradient.budget) {
        let late = (2.0 * *x as f32 / 3.0) * 3.0;
        assert!((f64::from(late) - 2.0 * x).abs() <= *budget);
        assert!(*budget > Format::F32.unit_roundoff() * 2.0 * x && *budget < 20.0 * 2e-7 * x);
    }
}

#[test]
fn f16_outputs_get_half_an_ulp_of_their_own_and_no_more_than_f32_arithmetic_needs() {
    let case = regression("mae", Format::F16, Params::default(), &[1.5, 2.0], &[0.25, 7.0]);
    let tolerance = &run(&case, &Machine::of(Format::F16))[0];
    // |1.25| + |-5| is exact, so is half of it.
    assert_eq!(tolerance.budget[0], 0.5 * Format::F16.ulp(3.125));
    let wide = run(&case, &Machine { compute: Format::F16, ..Machine::of(Format::F16) });
    assert_eq!(wide[0].budget[0], 0.0);
}

#[test]
fn flushing_widens_by_the_least_normal_number() {
    let tiny = Format::F32.min_subnormal() * 3.0;
    let case = regression("mae", Format::F32, Params::default(), &[tiny], &[0.0]);
    let (keeping, flushing) = (machine(), Machine { flush_to_zero: true, ..machine() });
    assert!(run(&case, &keeping)[0].budget[0] < tiny);
    assert!(run(&case, &flushing)[0].budget[0] >= tiny);
    // The sign of an input that may be flushed is open.
    assert!(run(&case, &flushing)[1].budget[0] >= 1.0);
    assert!(run(&case, &keeping)[1].budget[0] < 1e-6);
}

#[test]
fn every_finite_truth_has_a_finite_budget() {
    let mut cases = Vec::new();
    for format in Format::ALL {
        let (eta, least, most) = (format.min_subnormal(), format.min_normal(), format.max_value());
        for x in [0.0, eta, least, 1.0, most.sqrt() / 64.0] {
            let x = format.round(x);
            for reduction in ["none", "mean", "sum"] {
                let params = || Params::default().with("reduction", reduction);
                cases.push(regression("mae", format, params(), &[x, -x], &[0.0, x]));
                cases.push(regression("mse", format, params(), &[x, -x], &[0.0, x]));
            }
            for logits in [vec![x], vec![x, -x, f64::NEG_INFINITY], vec![f64::NEG_INFINITY, 0.0]] {
                let mut case = cross_entropy(format, &logits, 0);
                cases.push(case.clone());
                case.params.set("label_smoothing", 0.1);
                if logits.iter().all(|x| x.is_finite()) {
                    cases.push(case.checked().unwrap());
                }
            }
            let scalar = |x: f64| Tensor::float(format, &[1], vec![x]);
            let inputs = vec![("logits", scalar(x)), ("target", scalar(1.0)), ("pos_weight", scalar(x))];
            cases.push(Case::new("bce_with_logits", format, Params::default(), tensors(inputs)).unwrap());
            for p in [1.0, 1.5, 2.0, 3.0] {
                for epsilon in [0.0, 1e-6] {
                    let row = |a: f64| Tensor::float(format, &[1, 2], vec![a, 0.0]);
                    let inputs = vec![("anchor", row(x)), ("positive", row(0.0)), ("negative", row(x))];
                    let params = Params::default().with("p", p).with("epsilon", epsilon).with("swap", true);
                    let params = params.with("epsilon_placement", "root");
                    cases.push(Case::new("triplet_margin", format, params, tensors(inputs)).unwrap());
                }
            }
        }
    }
    assert!(cases.len() > 300);
    for case in &cases {
        let tolerances = run(case, &Machine::of(case.format));
        let program = Program::of(case).unwrap();
        let model = Model::rounding(&Machine::of(case.format));
        let uses = Rc::new(Uses::of(&program));
        let values = Run::of(&program, &uses, case, &model, Upstream::Own, Known::Outputs);
        for (tolerance, (name, node)) in tolerances.iter().zip(&program.outputs) {
            for (i, y) in values.balls(*node).iter().enumerate() {
                assert!(!y.m.is_nan(), "{name}[{i}] of {case:?}");
                let bounds = [tolerance.budget[i], tolerance.backward[i]];
                assert!(
                    tolerance.overflows_on_the_way[i] || bounds.iter().all(|b| b.is_finite()),
                    "{name}[{i}] {bounds:?} of {case:?}"
                );
            }
        }
    }
}

#[test]
fn minus_infinity_logits_cost_nothing() {
    let with = run(&cross_entropy(Format::F32, &[1.0, 0.5, f64::NEG_INFINITY], 0), &machine());
    assert_eq!(with[1].budget[2], Format::F32.min_subnormal());
    let at_target = run(&cross_entropy(Format::F32, &[1.0, f64::NEG_INFINITY], 1), &machine());
    assert_eq!(at_target[0].budget[0], 0.0);
    assert!(at_target[1].budget.iter().all(|b| *b < 1e-6));
    let single = run(&cross_entropy(Format::F32, &[3.0], 0), &machine());
    assert_eq!(single[0].budget[0], 0.0);
}

#[test]
fn a_row_of_128_ki_classes_is_quick() {
    let n = 128 * 1024;
    let mut random = Random(1);
    let logits: Vec<f64> = (0..n).map(|_| random.f32(20.0)).collect();
    let case = cross_entropy(Format::F32, &logits, 5);
    let program = Program::of(&case).unwrap();
    let undecided = |(name, shape): (String, Vec<usize>)| OutputTruth {
        elements: vec![Truth::Undecided { bits: 0 }; shape.iter().product()],
        name,
        shape,
    };
    let truths: Vec<OutputTruth> = case.outputs().into_iter().map(undecided).collect();
    let start = std::time::Instant::now();
    let tolerances = tolerances(&program, &case, &machine(), &truths);
    assert_eq!(tolerances[0].longest_sum, n);
    // Milliseconds a node; the limit leaves room for a loaded machine without optimisation.
    assert!(start.elapsed().as_secs_f64() < 3.0, "{:?}", start.elapsed());
}

#[test]
fn the_three_examples_of_the_levels_are_judged_as_the_design_says() {
    use crate::format::Canonical;
    use crate::judge::{Fault, Level, judge};
    use crate::truth::{OutputTruth, Truth, Verified};
    let judged = |logits: &[f64], target, truth: f64, got: f64| {
        let case = cross_entropy(Format::F32, logits, target);
        let elements = vec![Truth::Proved(Canonical::from_f64(truth, Format::F32))];
        let verified = Verified {
            outputs: vec![OutputTruth { name: LOSS.to_owned(), shape: vec![], elements }],
            tolerances: run(&case, &machine()),
        };
        let outputs = tensors(vec![(LOSS, Tensor::float(Format::F32, &[], vec![got]))]);
        let worst = judge(&case, &verified, &outputs, &machine(), Level::Stable).remove(0).worst.unwrap();
        (worst.level, worst.fault)
    };
    // Truths from mpmath at 300 bits.
    let tail = 2.061_153_620_314_381e-9;
    assert_eq!(judged(&[20.0, 0.0], 0, tail, 0.0), (Level::Stable, None));
    assert_eq!(judged(&[20.0, 0.0], 0, tail, f64::from(2.0611537e-9f32)), (Level::Correct, None));
    let shifted = 0.126_928_011_042_972_5;
    let expected = (Level::Backward, Some(Fault::Inaccurate));
    assert_eq!(judged(&[1000001.0, 999999.0], 0, shifted, 0.125), expected);
    let expected = (Level::Broken, Some(Fault::SpuriousInfinity));
    assert_eq!(judged(&[1000.0, 0.0], 1, 1000.0, f64::INFINITY), expected);
}

#[test]
fn honest_triplet_kernels_stay_within_their_budgets() {
    let mut random = Random(11);
    for round in 0..300 {
        let (scale, offset) = ([1.0, 1e-3, 50.0][round % 3], [0.0, 100.0][round % 2]);
        let mut row =
            || -> Vec<f64> { (0..9).map(|_| f64::from((random.next() * scale + offset) as f32)).collect() };
        let (a, p, n) = (row(), row(), row());
        let tensor = |x: &[f64]| Tensor::float(Format::F32, &[1, 9], x.to_vec());
        let inputs =
            tensors(vec![("anchor", tensor(&a)), ("positive", tensor(&p)), ("negative", tensor(&n))]);
        let params = Params::default().with("margin", 0.7);
        let case = Case::new("triplet_margin", Format::F32, params, inputs).unwrap();
        let tolerances = run(&case, &machine());
        assert!(!overflows(&tolerances));
        let distance =
            |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
        let distance_f32 = |x: &[f64], y: &[f64]| {
            let square = |(x, y): (&f64, &f64)| (*x as f32 - *y as f32) * (*x as f32 - *y as f32);
            x.iter().zip(y).map(square).sum::<f32>().sqrt()
        };
        let (near, far) = (distance(&a, &p), distance(&a, &n));
        let (near_f32, far_f32) = (distance_f32(&a, &p), distance_f32(&a, &n));
        let truth = (near - far + 0.7).max(0.0);
        let error = (f64::from((near_f32 - far_f32 + 0.7f32).max(0.0)) - truth).abs();
        assert!(error <= tolerances[0].budget[0], "{error:e} {:e}", tolerances[0].budget[0]);
        assert!(tolerances[0].budget[0] <= 40.0 * 6e-8 * (near + far + 0.7));
        for i in (0..9).filter(|_| truth > 0.0) {
            let gradient = (a[i] - p[i]) / near - (a[i] - n[i]) / far;
            let unit = |x: f64, y: f64, d: f32| (x as f32 - y as f32) / d;
            let kernel = unit(a[i], p[i], near_f32) - unit(a[i], n[i], far_f32);
            let error = (f64::from(kernel) - gradient).abs();
            assert!(error <= tolerances[1].budget[i], "{error:e} {:e}", tolerances[1].budget[i]);
            assert!(tolerances[1].budget[i] <= 5e-6, "{:e}", tolerances[1].budget[i]);
        }
    }
}

#[test]
fn an_honest_smoothed_cross_entropy_stays_within_its_budget() {
    let mut random = Random(13);
    let (classes, epsilon) = (10, 0.1);
    for round in 0..300 {
        let scale = [1.0, 20.0, 500.0][round % 3];
        let logits: Vec<f64> = (0..classes).map(|_| random.f32(scale)).collect();
        let t = round % classes;
        let mut case = cross_entropy(Format::F32, &logits, t as i64);
        case.params.set("label_smoothing", epsilon);
        let tolerances = run(&case, &machine());
        let m = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let s: f64 = logits.iter().map(|x| core_math::exp(x - m)).sum();
        let s_f32: f32 = logits.iter().map(|x| core_math::expf((x - m) as f32)).sum();
        let (mut truth, mut loss) = (0.0, 0.0f32);
        for (i, x) in logits.iter().enumerate() {
            let q = if i == t { 1.0 - epsilon + epsilon / 10.0 } else { epsilon / 10.0 };
            let q_f32 = if i == t { 1.0 - 0.1f32 + 0.1f32 / 10.0 } else { 0.1f32 / 10.0 };
            truth += q * (core_math::log(s) - (x - m));
            loss += q_f32 * (core_math::logf(s_f32) - (*x as f32 - m as f32));
            let gradient = core_math::exp(x - m) / s - q;
            let kernel = core_math::expf(*x as f32 - m as f32) / s_f32 - q_f32;
            let error = (f64::from(kernel) - gradient).abs();
            assert!(error <= tolerances[1].budget[i], "{error:e} {:e}", tolerances[1].budget[i]);
            assert!(tolerances[1].budget[i] <= 5e-4 * (gradient + q) + 1e-6);
        }
        let error = (f64::from(loss) - truth).abs();
        assert!(error <= tolerances[0].budget[0], "{error:e} {:e}", tolerances[0].budget[0]);
        assert!(tolerances[0].budget[0] <= 4e-6 * truth);
    }
}
