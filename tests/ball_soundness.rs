//! Promise: every ball holds the true result. Each operation is checked on points inside its operands' balls, against
//! exact rationals or 2000-bit MPFR, at random precisions, with proptest and with quickcheck.
//!
//! `LOSSPROOF_SOUNDNESS=10000000` sets the number of operations; `make soundness` does.

use lossproof::arithmetic::ball::{self, Ball, Place};
use lossproof::arithmetic::value::{Kink, Value, extremum};
use lossproof::arithmetic::{elementary as f, huber, radius};
use rug::float::{Constant, Round};
use rug::ops::Pow;
use rug::{Float, Rational};
use specimen::Outcome::{self, Skipped, Sound, Unsound};
use specimen::{Operands, Point, REFERENCE, Recipe, Short, Truth, all, judge, rational, run};
use std::cmp::Ordering;

#[allow(dead_code)] // Shared with the unit tests; each uses its part.
#[path = "../src/arithmetic/specimen.rs"]
mod specimen;

/// A point as a number of MPFR, infinities included.
fn number(point: &Point) -> Float {
    match point {
        Point::Number(x) => x.clone(),
        Point::Infinite(negative) => ball::infinity(*negative),
    }
}

fn nearest<T>(expression: T) -> Truth
where
    Float: rug::ops::AssignRound<T, Round = Round, Ordering = Ordering>,
{
    Truth::nearest(Float::with_val_round(REFERENCE, expression, Round::Nearest))
}

/// Rounded in a direction at the precision of the reference.
fn rounded<T>(round: Round, expression: T) -> Float
where
    Float: rug::ops::AssignRound<T, Round = Round, Ordering = Ordering>,
{
    Float::with_val_round(REFERENCE, expression, round).0
}

fn opposite(round: Round) -> Round {
    if round == Round::Up { Round::Down } else { Round::Up }
}

/// e^−|x|.
fn decay(x: &Float, round: Round) -> Float {
    rounded(round, (-x.clone().abs()).exp_ref())
}

fn sigmoid(x: &Float) -> Truth {
    Truth::of(|round| {
        if x.is_sign_negative() {
            // e/(1 + e) grows with e.
            let e = decay(x, round);
            rounded(round, &e / &rounded(opposite(round), 1 + &decay(x, opposite(round))))
        } else {
            rounded(round, 1 / &rounded(opposite(round), 1 + &decay(x, opposite(round))))
        }
    })
}

fn softplus_at(x: &Float, round: Round) -> Float {
    let tail = rounded(round, decay(x, round).ln_1p_ref());
    if *x > 0 { rounded(round, x + &tail) } else { tail }
}

fn log_cosh(x: &Float) -> Truth {
    if x.is_zero() {
        return Truth::Within(Float::new(2), Float::new(2));
    }
    Truth::of(|round| {
        let size = x.clone().abs();
        if size < 1 {
            // Inexact in the least binade alone, and then rounded as it should be.
            let half = rounded(round, &size / 2u32);
            let sinh = rounded(round, half.sinh_ref());
            let square = rounded(round, sinh.square_ref());
            return rounded(round, rounded(round, &square * 2u32).ln_1p_ref());
        }
        let tail = rounded(round, decay(&rounded(opposite(round), &size * 2u32), round).ln_1p_ref());
        let ln_2 = rounded(opposite(round), Constant::Log2);
        rounded(round, &rounded(round, &size + &tail) - &ln_2)
    })
}

fn expm1_minus(x: &Float) -> Truth {
    let e = x.get_exp().unwrap_or(0);
    match x {
        _ if x.is_infinite() => Truth::Infinite(false),
        _ if e < -2000 => {
            // x²/2 to within a factor 1 ± |x|.
            let square =
                |factor: f64| Truth::of(|round| rounded(round, &rounded(round, x.square_ref()) * factor));
            match (square(0.499), square(0.501)) {
                (Truth::Within(low, _), Truth::Within(_, high)) if low < high => Truth::Within(low, high),
                _ => Truth::Within(Float::new(2), Float::new(2)),
            }
        }
        _ => {
            let wide = REFERENCE + 2 * e.min(0).unsigned_abs();
            Truth::of(|round| {
                let expm1 = Float::with_val_round(wide, x.exp_m1_ref(), round).0;
                Float::with_val_round(wide, &expm1 - x, round).0
            })
        }
    }
}

/// Huber's function to δ, divided by δ if `divided`: all steps but the last grow with |x|, and so they do rounded.
fn scaled_huber(x: &Float, delta: f64, divided: bool) -> Truth {
    if x.is_infinite() {
        return Truth::Infinite(false);
    }
    let size = x.clone().abs();
    Truth::of(|round| {
        let (scale, divisor) = if divided { (1.0, delta) } else { (delta, 1.0) };
        if size <= delta {
            let square = rounded(round, size.square_ref());
            return rounded(round, &rounded(round, &square * 0.5f64) / divisor);
        }
        rounded(round, &rounded(round, &size - 0.5 * delta) * scale)
    })
}

fn pow(x: &Float, p: f64) -> Truth {
    match x {
        _ if *x < 0 && p.fract() != 0.0 => Truth::Undefined,
        // The convention: no sign of zero.
        _ if x.is_zero() && p < 0.0 => Truth::Infinite(false),
        _ => nearest(x.pow(&Float::with_val(53, p))),
    }
}

const DEGREES: [f64; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 0.5, 1.5, -1.0, -2.0, -0.5, 7.0, 2.7, 0.1, -3.3, 1e3, -0.7];
const ROOTS: [f64; 8] = [1.0, 2.0, 3.0, 1.5, 4.0, 2.7, 17.0, 1000.3];

type Unary = (&'static str, fn(&Ball, u32) -> Ball, fn(&Float) -> Truth);

const UNARY: [Unary; 19] = [
    ("exp", f::exp, |x| nearest(x.exp_ref())),
    ("expm1", f::expm1, |x| nearest(x.exp_m1_ref())),
    ("ln", f::ln, |x| nearest(x.ln_ref())),
    ("ln_1p", f::ln_1p, |x| nearest(x.ln_1p_ref())),
    ("sqrt", f::sqrt, |x| nearest(x.sqrt_ref())),
    ("tanh", f::tanh, |x| nearest(x.tanh_ref())),
    ("sigmoid", f::sigmoid, sigmoid),
    ("softplus", f::softplus, |x| Truth::of(|round| softplus_at(x, round))),
    ("log_sigmoid", f::log_sigmoid, |x| {
        let mirrored = Float::with_val(x.prec(), -x);
        Truth::of(|round| -softplus_at(&mirrored, opposite(round)))
    }),
    ("log_cosh", f::log_cosh, log_cosh),
    ("expm1_minus", f::expm1_minus, expm1_minus),
    ("huber 1.5", |x, prec| huber::huber(x, 1.5, prec), |x| scaled_huber(x, 1.5, false)),
    ("huber 1e-30", |x, prec| huber::huber(x, 1e-30, prec), |x| scaled_huber(x, 1e-30, false)),
    ("smooth_l1 0.75", |x, prec| huber::smooth_l1(x, 0.75, prec), |x| scaled_huber(x, 0.75, true)),
    ("smooth_l1 1e30", |x, prec| huber::smooth_l1(x, 1e30, prec), |x| scaled_huber(x, 1e30, true)),
    ("square", Ball::square, |x| nearest(x.square_ref())),
    ("abs", Ball::abs, |x| nearest(x.abs_ref())),
    ("neg", |x, _| x.neg(), |x| nearest(-x)),
    (
        "hull with 1",
        |x, prec| x.hull(&Ball::one(), prec),
        |x| {
            if x.is_infinite() { Truth::Undefined } else { nearest(x) }
        },
    ),
];

fn unary([recipe]: &[Recipe; 1], which: u8, prec: u32) -> Outcome {
    let Some((x, point)) = recipe.specimen() else { return Skipped };
    let point = number(&point);
    let (name, of_ball, of_point) = UNARY[usize::from(which) % UNARY.len()];
    judge(name, prec, &of_ball(&x, prec), &of_point(&point), &[(&x, &point)])
}

#[test]
fn functions_of_one_ball_hold_their_values() {
    run(3, unary);
}

fn powers([recipe]: &[Recipe; 1], which: u8, prec: u32) -> Outcome {
    let Some((x, point)) = recipe.specimen() else { return Skipped };
    let point = number(&point);
    let which = usize::from(which);
    if which < 160 {
        let p = DEGREES[which % DEGREES.len()];
        return judge(&format!("pow {p}"), prec, &f::pow(&x, p, prec), &pow(&point, p), &[(&x, &point)]);
    }
    // Numbers that are known not to be negative.
    let point = point.abs();
    let x = if x.place() == Place::Negative { x.neg() } else { x };
    if !may_hold(&x, &point) {
        return Skipped;
    }
    let p = ROOTS[which % ROOTS.len()];
    let truth = match (which % ROOTS.len(), point.is_infinite()) {
        (_, true) => Truth::Infinite(false),
        (0, _) => nearest(&point),
        (1, _) => nearest(point.sqrt_ref()),
        (2, _) => nearest(point.root_ref(3)),
        (3, _) => {
            // x^(2/3) as the cube root of an exact square.
            let square = Float::with_val_round(2 * REFERENCE, point.square_ref(), Round::Nearest);
            if square.1 != Ordering::Equal {
                return Skipped;
            }
            nearest(square.0.root_ref(3))
        }
        (4, _) => nearest(point.root_ref(4)),
        (6, _) => nearest(point.root_ref(17)),
        _ => {
            // x^q, q around 1/p: monotone in q on each side of 1.
            let p = Float::with_val(53, p);
            let (q, r) = (rounded(Round::Down, p.recip_ref()), rounded(Round::Up, p.recip_ref()));
            Truth::of(|round| {
                let (a, b) = (rounded(round, (&point).pow(&q)), rounded(round, (&point).pow(&r)));
                if round == Round::Down { a.min(&b) } else { a.max(&b) }
            })
        }
    };
    judge(&format!("root {p}"), prec, &f::root_of_nonnegative(&x, p, prec), &truth, &[(&x, &point)])
}

/// Whether the ball may hold the point still, after it was mirrored.
fn may_hold(x: &Ball, point: &Float) -> bool {
    let truth = Truth::Within(point.clone(), point.clone());
    match x {
        Ball::Infinite(negative) => !negative && point.is_infinite(),
        Ball::Finite { .. } => point.is_finite() && truth.outside(x).is_none(),
        _ => false,
    }
}

#[test]
fn powers_and_roots_hold_their_values() {
    run(8, powers);
}

/// ln 2π lies in its ball at every precision, and the ball is never a point.
#[test]
fn ln_two_pi_is_in_its_ball() {
    let truth = Truth::of(|round| {
        let pi = rounded(round, Constant::Pi);
        rounded(round, rounded(round, &pi * 2u32).ln_ref())
    });
    for prec in 2..600 {
        let ball = f::ln_two_pi(prec);
        assert!(!ball.is_exact() && truth.outside(&ball).is_none(), "{prec}: {ball:?}");
    }
}

type Binary = (&'static str, fn(&Ball, &Ball, u32) -> Ball);

const BINARY: [Binary; 8] = [
    ("add", Ball::add),
    ("sub", Ball::sub),
    ("mul", Ball::mul),
    ("div", Ball::div),
    ("maximum", |a, b, prec| extremum(a, b, Ordering::Greater, prec)),
    ("minimum", |a, b, prec| extremum(a, b, Ordering::Less, prec)),
    ("hull", |a, b, prec| a.hull(b, prec)),
    ("xlogy", f::xlogy),
];

/// The truth of a binary operation: an exact rational where exponents are moderate.
fn binary_truth(which: usize, x: &Float, y: &Float) -> Truth {
    let exact = rational(x).zip(rational(y));
    match (which, exact) {
        (3, _) if y.is_zero() => Truth::Undefined,
        (0, Some((a, b))) => Truth::Exact(a + b),
        (1, Some((a, b))) => Truth::Exact(a - b),
        (2, Some((a, b))) => Truth::Exact(a * b),
        (3, Some((a, b))) => Truth::Exact(a / b),
        (0, _) => nearest(x + y),
        (1, _) => nearest(x - y),
        (2, _) => nearest(x * y),
        (3, _) => nearest(x / y),
        (4, _) => nearest(if x > y { x } else { y }),
        (5, _) => nearest(if x < y { x } else { y }),
        (6, _) if x.is_infinite() => Truth::Undefined,
        (6, _) => nearest(x),
        _ if x.is_zero() && *y >= 0 => Truth::Within(Float::new(2), Float::new(2)),
        _ => {
            let (low, high) = (rounded(Round::Down, y.ln_ref()), rounded(Round::Up, y.ln_ref()));
            Truth::of(|round| {
                let (a, b) = (rounded(round, x * &low), rounded(round, x * &high));
                if a.is_nan() || b.is_nan() {
                    return a + b;
                }
                if round == Round::Down { a.min(&b) } else { a.max(&b) }
            })
        }
    }
}

fn binary([first, second]: &[Recipe; 2], which: u8, prec: u32) -> Outcome {
    let (Some((a, x)), Some((b, y))) = (first.specimen(), second.specimen()) else { return Skipped };
    let (x, y) = (number(&x), number(&y));
    let which = usize::from(which) % BINARY.len();
    let (name, of_balls) = BINARY[which];
    let result = of_balls(&a, &b, prec);
    let sound = judge(name, prec, &result, &binary_truth(which, &x, &y), &[(&a, &x), (&b, &y)]);
    match a.compare(&b, prec) {
        Some(order) if x.partial_cmp(&y) != Some(order) => {
            Unsound(format!("compare at {prec} bits says {order:?}: {}", Operands(&[(&a, &x), (&b, &y)])))
        }
        _ => sound,
    }
}

#[test]
fn functions_of_two_balls_hold_their_values() {
    run(3, binary);
}

/// Balls of very different sizes, whose sums one term dominates.
fn sums(recipes: &[Recipe; 6], which: u8, prec: u32) -> Outcome {
    let count = 1 + usize::from(which) % 6;
    let specimens: Option<Vec<(Ball, Float)>> = recipes[..count].iter().map(Recipe::finite).collect();
    let Some(specimens) = specimens else { return Skipped };
    let truth = |points: &[Float]| match points.iter().map(rational).collect::<Option<Vec<Rational>>>() {
        Some(exact) => Truth::Exact(exact.iter().sum()),
        None => nearest(Float::sum(points.iter())),
    };
    let points: Vec<Float> = specimens.iter().map(|(_, point)| point.clone()).collect();
    let operands: Vec<(&Ball, &Float)> = specimens.iter().map(|(ball, point)| (ball, point)).collect();
    let result = Ball::sum(specimens.iter().map(|(ball, _)| ball), prec);
    let sum = judge("sum", prec, &result, &truth(&points), &operands);

    // The same in pairs as a dot product.
    let product = |k: usize| {
        let ((a, x), (b, y)) = (&specimens[k], &specimens[(k + 1) % count]);
        let exact = Float::with_val_round(2 * REFERENCE, x * y, Round::Nearest);
        (exact.1 == Ordering::Equal).then(|| (Value::Point(a.clone()), Value::Point(b.clone()), exact.0))
    };
    let Some(products) = (0..count).map(product).collect::<Option<Vec<_>>>() else { return sum };
    let here = (0, 0, 0);
    let terms: Vec<Value> = products.iter().map(|(a, b, _)| a.mul(b, prec, here)).collect();
    let points: Vec<Float> = products.into_iter().map(|(.., point)| point).collect();
    let dot = Value::sum(terms.iter(), prec, here).ball(prec);
    all([sum, judge("dot", prec, &dot, &truth(&points), &operands)])
}

#[test]
fn sums_and_dot_products_hold_their_values() {
    run(6, sums);
}

/// A set by one choice, with a point inside the ball of each of its two values; a point has the same twice.
struct SetSpecimen {
    value: Value,
    points: [Rational; 2],
    choice: Option<Kink>,
}

fn set(choice: Kink, first: &Recipe, second: &Recipe) -> Option<SetSpecimen> {
    let ((a, x), (b, y)) = (first.finite()?, second.finite()?);
    let points = [rational(&x)?, rational(&y)?];
    Some(SetSpecimen { value: Value::kink(choice, a, b), points, choice: Some(choice) })
}

fn sets(recipes: &[Recipe; 4], which: u8, prec: u32) -> Outcome {
    const HERE: Kink = (0, 7, 0);
    let Some(a) = set((0, 0, 0), &recipes[0], &recipes[1]) else { return Skipped };
    // A point, a set by another choice, or by the same one.
    let other = match which >> 5 {
        0..3 => recipes[2].finite().and_then(|(ball, x)| {
            let points = [rational(&x)?, rational(&x)?];
            Some(SetSpecimen { value: Value::Point(ball), points, choice: None })
        }),
        3..6 => set((0, 1, 0), &recipes[2], &recipes[3]),
        _ => set((0, 0, 0), &recipes[2], &recipes[3]),
    };
    let Some(b) = other else { return Skipped };
    let shared = a.choice == b.choice;
    let corners = |f: fn(&Rational, &Rational) -> Rational| -> Vec<Rational> {
        let pairs = (0..4).map(|corner| (corner & 1, corner >> 1)).filter(|(i, j)| !shared || i == j);
        pairs.map(|(i, j)| f(&a.points[i], &b.points[j])).collect()
    };
    let crosses = b.points[0].cmp0() != b.points[1].cmp0() || b.points[0] == 0;
    let (x, y) = (&a.value, &b.value);
    let (name, result, corners) = match which % 5 {
        0 => ("neg", x.neg(), a.points.iter().map(|x| Rational::from(-x)).collect()),
        1 => ("add", x.add(y, prec, HERE), corners(|x, y| Rational::from(x + y))),
        2 => ("sum", Value::sum([x, y].into_iter(), prec, HERE), corners(|x, y| Rational::from(x + y))),
        3 => ("mul", x.mul(y, prec, HERE), corners(|x, y| Rational::from(x * y))),
        _ if crosses => return Skipped,
        _ => ("div", x.div(y, prec), corners(|x, y| Rational::from(x / y))),
    };
    let zero = Float::new(2);
    let ((a, b), (c, d)) = (x.ends(prec), y.ends(prec));
    let operands = [(&a, &zero), (&b, &zero), (&c, &zero), (&d, &zero)];
    let judged = |what: &str, ball: &Ball, truth: Option<&Rational>| {
        let truth = truth.cloned().map_or(Truth::Undefined, Truth::Exact);
        judge(&format!("set {name}, {what}"), prec, ball, &truth, &operands)
    };
    let (low, high) = result.ends(prec);
    let hull = result.ball(prec);
    let inside = corners.iter().map(|corner| judged("a corner", &hull, Some(corner)));
    let inside = all(inside);
    if shared && name == "mul" {
        // The interval holds more.
        return inside;
    }
    all([inside, judged("low", &low, corners.iter().min()), judged("high", &high, corners.iter().max())])
}

#[test]
fn sets_hold_their_ends() {
    run(8, sets);
}

/// What a ball says of itself: its place, its bounds, its side.
fn claims([recipe]: &[Recipe; 1], _: u8, prec: u32) -> Outcome {
    let Some((x, point)) = recipe.finite() else { return Skipped };
    let sign = point.cmp0();
    let place = match x.place() {
        Place::Negative => sign == Some(Ordering::Less),
        Place::Zero => sign == Some(Ordering::Equal),
        Place::Positive => sign == Some(Ordering::Greater),
        Place::Straddles => true,
    };
    let bounded = x.magnitude().to_float() >= *point.as_abs();
    let between = x.ends(prec).is_some_and(|(low, high)| *low <= point && point <= *high);
    let above = radius::Radius::above(&point).to_float() >= *point.as_abs();
    let reciprocal = {
        let size = point.clone().abs();
        // 1/x ≤ bound if bound·x ≥ 1.
        let product = rounded(Round::Up, &ball::reciprocal_above(&size).to_float() * &size);
        size.is_zero() || product >= 1
    };
    if place && bounded && between && above && reciprocal {
        return Sound { decided: true };
    }
    let held = format!("place {place}, magnitude {bounded}, ends {between}, above {above}, 1/x {reciprocal}");
    Unsound(format!("{held}: {x:?}, point {}", Short(&point)))
}

#[test]
fn places_and_bounds_are_true() {
    run(8, claims);
}

/// Where |midpoint| and radius are in one binade, too, and at a power of two.
#[test]
fn a_ball_has_its_sign_exactly_where_its_midpoint_is_farther_from_0_than_its_radius() {
    for (mid, rad) in [(1.5, 1.25), (1.25, 1.5), (1.5, 1.5), (2.0, 1.75), (1.75, 2.0), (1.0, 1.0), (4.0, 1.0)]
    {
        for (negative, sign) in [(false, Place::Positive), (true, Place::Negative)] {
            let mid: f64 = if negative { -mid } else { mid };
            let ball =
                Ball::around(Float::with_val(53, mid), radius::Radius::above(&Float::with_val(53, rad)));
            let place = if mid.abs() > rad { sign } else { Place::Straddles };
            assert_eq!(ball.place(), place, "{mid} ± {rad}");
        }
    }
}

/// Results at and below MPFR's least numbers: the operands are scaled up for the reference, the result's ball too.
fn underflow([first, second]: &[Recipe; 2], which: u8, prec: u32) -> Outcome {
    const SCALE: u32 = 200;
    let (Some((a, x)), Some((b, y))) = (first.mantissa(), second.mantissa()) else { return Skipped };
    let low = rug::float::exp_min() + 12;
    let shift = i32::from(which / 8);
    let tiny = |ball: &Ball| match ball {
        Ball::Finite { mid, rad, side } => {
            let scaled = *rad * radius::Radius::power_of_two(i64::from(low));
            Ball::sided(Float::clone(mid) << low, scaled, *side)
        }
        other => other.clone(),
    };
    // x in [2^(emin+4), 2^(emin+20)]; x·2^SCALE for the reference.
    let small = |y: &Float| y.clone() >> shift;
    let reference = x.clone() << (low + SCALE as i32);
    let (name, result, truth) = match which % 6 {
        0 => ("mul", tiny(&a).mul(&scaled_down(&b, shift), prec), nearest(&reference * &small(&y))),
        1 if y.is_zero() || b.place() == Place::Straddles => return Skipped,
        1 => {
            let large = y.clone() << shift;
            ("div", tiny(&a).div(&scaled_down(&b, -shift), prec), nearest(&reference / &large))
        }
        2 | 3 => {
            // About (emin − 10)·ln 2, to either side of where e^x underflows.
            let ln_2 = Float::with_val(REFERENCE, Constant::Log2);
            let edge = Float::with_val(60, &ln_2 * (rug::float::exp_min() - 8));
            let shifted = Ball::exact(edge.clone()).add(&a, 400);
            let point = Float::with_val(REFERENCE, &edge + &x);
            let raised = Float::with_val(REFERENCE, &point + &Float::with_val(REFERENCE, &ln_2 * SCALE));
            ("exp", f::exp(&shifted, prec), nearest(raised.exp_ref()))
        }
        4 => ("expm1", f::expm1(&tiny(&a), prec), nearest(&reference)),
        _ => ("tanh", f::tanh(&tiny(&a), prec), nearest(&reference)),
    };
    // e^x − 1 and tanh x are x to within x² there, which is nothing beside 2^emin.
    let near = which % 6 >= 2;
    let Ball::Finite { mid, rad, side } = &result else { return judge(name, prec, &result, &truth, &[]) };
    let scaled_rad = *rad * radius::Radius::power_of_two(i64::from(SCALE));
    let lifted = Ball::sided(Float::with_val(mid.prec(), &**mid << SCALE), scaled_rad, *side);
    match (near, truth) {
        (true, Truth::Within(low, high)) => {
            judge(name, prec, &lifted, &Truth::Around(low, high), &[(&a, &x), (&b, &y)])
        }
        (_, truth) => judge(name, prec, &lifted, &truth, &[(&a, &x), (&b, &y)]),
    }
}

fn scaled_down(ball: &Ball, shift: i32) -> Ball {
    match ball {
        Ball::Finite { mid, rad, side } => {
            let rad = *rad * radius::Radius::power_of_two(i64::from(-shift));
            Ball::sided(Float::clone(mid) >> shift, rad, *side)
        }
        other => other.clone(),
    }
}

#[test]
fn results_that_underflow_hold_their_values() {
    run(12, underflow);
}
