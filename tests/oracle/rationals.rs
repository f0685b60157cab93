//! mse, mae, huber, smooth_l1, hinge and triplet (p = 1 and p = ∞) against closed forms in exact rationals, kinks as intervals, every bit of the
//! canonical truth compared.

use crate::exact::rounded_to_odd;
use crate::helpers::{Draft, Sort, Source, prove, written};
use lossproof::case::Case;
use lossproof::format::{Canonical, Format};
use lossproof::truth::Truth;
use rug::Rational;

/// The accepted values: from the first to the second.
type Interval = (Rational, Rational);

fn point(x: Rational) -> Interval {
    (x.clone(), x)
}

fn neg(a: &Interval) -> Interval {
    (Rational::from(-&a.1), Rational::from(-&a.0))
}

fn mul(a: &Interval, b: &Interval) -> Interval {
    let corners = [&a.0 * &b.0, &a.0 * &b.1, &a.1 * &b.0, &a.1 * &b.1].map(Rational::from);
    (corners.iter().min().unwrap().clone(), corners.iter().max().unwrap().clone())
}

fn rational(x: f64) -> Rational {
    Rational::from_f64(x).expect("a finite number")
}

/// `high` where x > 0, `low` where x < 0, all between at 0.
fn kink(x: &Rational, low: i32, high: i32) -> Interval {
    match x.cmp0() {
        std::cmp::Ordering::Greater => point(high.into()),
        std::cmp::Ordering::Less => point(low.into()),
        std::cmp::Ordering::Equal => (low.into(), high.into()),
    }
}

fn expected((low, high): &Interval, format: Format) -> Truth {
    let (low, high) = (rounded_to_odd(low, format), rounded_to_odd(high, format));
    match low == high {
        true if low.round(format).is_infinite() => Truth::Overflow(low),
        true => Truth::Proved(low),
        false => Truth::Set(low, high),
    }
}

fn compare(case: &Case, answers: &[Vec<Interval>]) {
    let outputs = prove(case);
    assert_eq!(outputs.len(), answers.len());
    for (output, answers) in outputs.iter().zip(answers) {
        let expected: Vec<Truth> = answers.iter().map(|answer| expected(answer, case.format)).collect();
        assert_eq!(output.elements, expected, "{} of {}", output.name, written(case));
    }
}

/// The reduction: unreduced terms to the loss, and the factor that each term's gradient gets.
fn reduced(case: &Case, terms: Vec<Rational>, divisor: Rational) -> (Vec<Interval>, Vec<Rational>) {
    let upstream: Vec<Rational> = case.upstream.floats().iter().map(|&u| rational(u)).collect();
    let sum: Rational = terms.iter().sum();
    let count = terms.len();
    match case.params.text("reduction") {
        "none" => (terms.into_iter().map(point).collect(), upstream),
        "sum" => (vec![point(sum)], vec![upstream[0].clone(); count]),
        _ => {
            let factor = Rational::from(&upstream[0] / &divisor);
            (vec![point(sum / divisor)], vec![factor; count])
        }
    }
}

fn pointwise(seed: u64, loss: &str) {
    let source = &mut Source(seed);
    let (format, sort) = (source.pick(&Format::ALL), source.pick(&[Sort::Typical, Sort::Tied, Sort::Mixed]));
    let n = 1 + source.below(4);
    let (x, y) = (source.floats(format, sort, n), source.floats(format, sort, n));
    let weight: Option<Vec<f64>> = source
        .chance(2)
        .then(|| source.floats(format, Sort::Tied, n).iter().map(|w| w.abs() + 0.5).collect());
    let over = source.pick(&["count", "weight"]);
    let threshold = source.pick(&[0.5, 1.0, 2.0, 0.1, 1e-3, 3.0]);
    let mut draft = Draft::new(format)
        .param("reduction", source.pick(&["none", "sum", "mean"]))
        .param("mean_over", over)
        .upstream(&source.floats(format, Sort::Tied, n))
        .floats("prediction", &[n], &x)
        .floats("target", &[n], &y);
    if let Some(weight) = &weight {
        draft = draft.floats("weight", &[n], weight);
    }
    draft = match loss {
        "huber" => draft.param("delta", threshold),
        "smooth_l1" => draft.param("beta", threshold),
        _ => draft,
    };
    let case = draft.case(loss);
    let weights: Vec<Rational> = (0..n).map(|i| rational(weight.as_ref().map_or(1.0, |w| w[i]))).collect();
    let residuals: Vec<Rational> = x.iter().zip(&y).map(|(&x, &y)| rational(x) - rational(y)).collect();
    let divisor = if over == "weight" { weights.iter().sum() } else { Rational::from(n) };
    let bound = rational(threshold);
    let huber = |r: &Rational| match r.clone().abs() {
        size if size <= bound => size.square() / 2,
        size => (size - bound.clone() / 2) * &bound,
    };
    let size = |r: &Rational| match loss {
        "mse" => r.clone().square(),
        "mae" => r.clone().abs(),
        "huber" => huber(r),
        _ => huber(r) / &bound,
    };
    let terms = residuals.iter().zip(&weights).map(|(r, w)| size(r) * w).collect();
    let (value, factors) = reduced(&case, terms, divisor);
    let cut = |r: &Rational| r.clone().max(-bound.clone()).min(bound.clone());
    let slope = |r: &Rational| match loss {
        "mse" => point(Rational::from(2 * r)),
        "mae" => kink(r, -1, 1),
        "huber" => point(cut(r)),
        _ => point(cut(r) / &bound),
    };
    let gradient: Vec<Interval> = (0..n)
        .map(|i| mul(&point(Rational::from(&factors[i] * &weights[i])), &slope(&residuals[i])))
        .collect();
    let opposite = gradient.iter().map(neg).collect();
    compare(&case, &[value, gradient, opposite]);
}

#[test]
fn mse_is_exact() {
    (0..400).for_each(|seed| pointwise(seed, "mse"));
}

#[test]
fn mae_is_exact_and_a_set_at_its_kink() {
    (0..400).for_each(|seed| pointwise(seed, "mae"));
}

/// smooth_l1 divides by its threshold, which is mostly no power of two.
#[test]
fn huber_and_smooth_l1_are_exact() {
    (0..400).for_each(|seed| pointwise(seed, "huber"));
    (0..400).for_each(|seed| pointwise(seed, "smooth_l1"));
}

fn hinge(seed: u64) {
    let source = &mut Source(seed);
    let (format, sort) = (source.pick(&Format::ALL), source.pick(&[Sort::Typical, Sort::Tied, Sort::Mixed]));
    let n = 1 + source.below(4);
    let score = source.floats(format, sort, n);
    let target: Vec<f64> = (0..n).map(|_| source.pick(&[-1.0, 1.0])).collect();
    let case = Draft::new(format)
        .param("reduction", source.pick(&["none", "sum", "mean"]))
        .upstream(&source.floats(format, Sort::Tied, n))
        .floats("score", &[n], &score)
        .floats("target", &[n], &target)
        .case("hinge");
    let gaps: Vec<Rational> =
        score.iter().zip(&target).map(|(&x, &y)| 1 - rational(x) * rational(y)).collect();
    let terms = gaps.iter().map(|gap| gap.clone().max(Rational::new())).collect();
    let (value, factors) = reduced(&case, terms, Rational::from(n));
    let gradient =
        (0..n).map(|i| mul(&point(factors[i].clone() * -rational(target[i])), &kink(&gaps[i], 0, 1)));
    compare(&case, &[value, gradient.collect()]);
}

#[test]
fn hinge_is_exact_and_a_set_at_its_margin() {
    (0..400).for_each(hinge);
}

/// A distance with p = 1 or ∞, and its derivative by each coordinate of the difference.
fn distance(difference: &[Rational], infinite: bool) -> (Rational, Vec<Interval>) {
    let sizes: Vec<Rational> = difference.iter().map(|x| x.clone().abs()).collect();
    let norm = if infinite { sizes.iter().max().unwrap().clone() } else { sizes.iter().sum() };
    let leaders = sizes.iter().filter(|&size| *size == norm).count();
    let slopes = difference.iter().zip(&sizes).map(|(x, size)| {
        let sign = kink(x, -1, 1);
        match () {
            _ if !infinite || norm == 0 => sign,
            _ if *size < norm => point(Rational::new()),
            _ if leaders > 1 => mul(&(Rational::new(), Rational::from(1)), &sign),
            _ => sign,
        }
    });
    let slopes = slopes.collect();
    (norm, slopes)
}

fn triplet(seed: u64) {
    let source = &mut Source(seed);
    let format = source.pick(&Format::ALL);
    let sort = source.pick(&[Sort::Typical, Sort::Tied, Sort::Tied, Sort::Mixed]);
    let (n, d) = (1 + source.below(3), 1 + source.below(3));
    let inputs: Vec<Vec<f64>> = (0..3).map(|_| source.floats(format, sort, n * d)).collect();
    let (infinite, swap) = (source.chance(2), source.chance(2));
    let (margin, epsilon) = (source.pick(&[0.0, 1.0, 0.5]), source.pick(&[0.0, 0.25]));
    let draft = Draft::new(format)
        .param("reduction", source.pick(&["none", "sum", "mean"]))
        .param("margin", margin)
        .param("epsilon", epsilon)
        .param("swap", swap);
    let draft = if infinite { draft.param("p", "inf") } else { draft.param("p", 1.0) };
    let case = draft
        .upstream(&source.floats(format, Sort::Tied, n))
        .floats("anchor", &[n, d], &inputs[0])
        .floats("positive", &[n, d], &inputs[1])
        .floats("negative", &[n, d], &inputs[2])
        .case("triplet_margin");

    let pair = |row: usize, a: usize, b: usize| {
        let coordinates = row * d..(row + 1) * d;
        let difference: Vec<Rational> = coordinates
            .map(|at| rational(inputs[a][at]) - rational(inputs[b][at]) + rational(epsilon))
            .collect();
        distance(&difference, infinite)
    };
    let rows: Vec<_> = (0..n).map(|row| (pair(row, 0, 1), pair(row, 0, 2), pair(row, 1, 2))).collect();
    let gaps: Vec<Rational> = rows
        .iter()
        .map(|((near, _), (far, _), (swapped, _))| {
            let far = if swap { far.min(swapped) } else { far };
            rational(margin) + near - far
        })
        .collect();
    let terms = gaps.iter().map(|gap| gap.clone().max(Rational::new())).collect();
    let (value, factors) = reduced(&case, terms, Rational::from(n));
    let mut gradients = vec![Vec::new(); 3];
    for (row, ((_, near), (far, far_slopes), (swapped, swapped_slopes))) in rows.iter().enumerate() {
        let upon = kink(&gaps[row], 0, 1);
        // ∂min(far, swapped): the share of the swapped one.
        let of_swapped = match swap {
            true => kink(&Rational::from(far - swapped), 0, 1),
            false => point(Rational::new()),
        };
        for i in 0..d {
            // Affine in each choice, so that the extremes are where each is at one of its ends.
            let choices = [&upon, &of_swapped, &near[i], &far_slopes[i], &swapped_slopes[i]];
            let corner = |bits: usize| {
                let end = |k: usize| if bits >> k & 1 == 0 { &choices[k].0 } else { &choices[k].1 };
                let factor = Rational::from(&factors[row] * end(0));
                let near = Rational::from(&factor * end(2));
                let rest = Rational::from(1 - end(1));
                let far = -Rational::from(&factor * end(3)) * rest;
                let swapped = -Rational::from(&factor * end(4)) * end(1);
                [Rational::from(&near + &far), Rational::from(&swapped - &near), -far - swapped]
            };
            let corners: Vec<[Rational; 3]> = (0..1 << choices.len()).map(corner).collect();
            for (input, gradient) in gradients.iter_mut().enumerate() {
                let values = || corners.iter().map(|corner| &corner[input]);
                gradient.push((values().min().unwrap().clone(), values().max().unwrap().clone()));
            }
        }
    }
    let mut answers = vec![value];
    answers.extend(gradients);
    compare(&case, &answers);
}

#[test]
fn triplets_of_degree_1_and_infinity_are_exact_with_all_their_kinks() {
    (0..600).for_each(triplet);
}

/// Exactly between two numbers of the format, and a little beside: rounded once, ties to even.
#[test]
fn a_truth_between_two_numbers_rounds_to_even() {
    for format in Format::ALL {
        let ulp = format.ulp(1.0);
        // (x + x + ulp)/2 is a midpoint: mae over two residuals 1 + k·ulp and 1 + (k+1)·ulp.
        for k in 0..4u32 {
            let (a, b) = (1.0 + f64::from(k) * ulp, 1.0 + f64::from(k + 1) * ulp);
            let case =
                Draft::new(format).floats("prediction", &[2], &[a, b]).floats("target", &[2], &[0.0, 0.0]);
            let outputs = prove(&case.case("mae"));
            let truth = outputs[0].elements[0];
            let even = if k % 2 == 0 { a } else { b };
            assert_eq!(truth.value(format), even, "{format} {k}");
            assert!(matches!(truth, Truth::Proved(Canonical { exact: true, .. })));
        }
    }
}
