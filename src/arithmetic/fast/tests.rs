//! Each operation on points at the ends of its operands' balls: there the bounds are attained, so that a radius that is too
//! small by a percent shows.

use super::ball::{Accumulate, Ball, Divide, Midpoint, power};
use super::double::Double;
use super::elementary as f;
use super::grid::Grid;
use super::rows;
use crate::arithmetic::ball::Side;
use crate::format::{Canonical, Format, Magnitude};
use crate::truth::Truth;
use rug::float::Round;
use rug::ops::Pow;
use rug::{Float, Rational};

/// Bits of the exact results.
const EXACT: u32 = 1200;

/// A kind of midpoint that is tried.
trait Tried: Midpoint {
    fn exactly(self) -> Rational;
    /// The number, with anything in the places behind it.
    fn near(x: f64, source: &mut Source) -> Self;
    /// The radius of a narrow ball about 1.
    const NARROW: i32;
}

impl Tried for f64 {
    const NARROW: i32 = -52;

    fn exactly(self) -> Rational {
        Rational::from_f64(self).expect("finite")
    }

    fn near(x: f64, _: &mut Source) -> f64 {
        x
    }
}

impl Tried for Double {
    const NARROW: i32 = -104;

    fn exactly(self) -> Rational {
        let (high, low) = self.parts();
        high.exactly() + low.exactly()
    }

    fn near(x: f64, source: &mut Source) -> Double {
        let below = match source.below(4) {
            0 => 0.0,
            1 => x * power(-53),
            _ => source.number(0) * x * power(-54 - source.below(4) as i32),
        };
        Double::of_sum(x, below)
    }
}

/// splitmix64.
struct Source(u64);

impl Source {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// A number of a few or many bits, its exponent within the spread.
    fn number(&mut self, spread: u64) -> f64 {
        let kept = [2, 10, 26, 53][self.below(4) as usize];
        let significand = (self.bits() >> 11 | 1 << 52) >> (53 - kept);
        let e = self.below(2 * spread + 1) as i32 - spread as i32;
        let x = significand as f64 * power(1 - kept) * power(e);
        if self.below(2) == 0 { x } else { -x }
    }

    /// A ball, and one of its ends: exact, narrow or wide, one-sided now and then.
    fn ball<M: Tried>(&mut self, spread: u64) -> (Ball<M>, Rational) {
        let number = self.number(spread);
        let mid = if self.below(20) == 0 { M::ZERO } else { M::near(number, self) };
        let size = if mid == M::ZERO { 1.0 } else { mid.high().abs() };
        let rad = match self.below(4) {
            0 => return (Ball::of_parts(mid, 0.0, Side::Any), mid.exactly()),
            1 => size * power(M::NARROW),
            2 => size * power(-30) * (1.0 + self.below(1000) as f64 / 1000.0),
            _ => size * power(-4) * (1.0 + self.below(1000) as f64 / 1000.0),
        };
        // Not 0 where it underflows.
        let rad = f64::max(rad, f64::from_bits(1));
        let (side, sign) = match self.below(6) {
            0 => (Side::Above, 1),
            1 => (Side::Below, -1),
            2 | 3 => (Side::Any, 1),
            _ => (Side::Any, -1),
        };
        (Ball::sided(mid, rad, side), mid.exactly() + Rational::from(sign) * rad.exactly())
    }
}

/// Whether the ball holds the number, strictly on its side; not known holds everything.
fn holds<M: Tried>(ball: Ball<M>, y: &Rational) -> bool {
    let Some((mid, rad)) = ball.enclosure() else { return true };
    let off = y.clone() - mid.exactly();
    let beside = match ball.side() {
        Side::Any => true,
        Side::Above => off > 0,
        Side::Below => off < 0,
    };
    beside && off.abs() <= rad.exactly()
}

fn operations() -> u64 {
    std::env::var("LOSSPROOF_SOUNDNESS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

#[test]
fn basic_operations_hold_the_ends_of_their_operands() {
    basic_operations::<f64>();
    basic_operations::<Double>();
}

fn basic_operations<M: Tried>() {
    let source = &mut Source(1);
    let mut known = 0;
    for round in 0..operations() {
        let spread = [3, 60, 300, 1000][source.below(4) as usize];
        let ((a, x), (b, y)) = (source.ball::<M>(spread), source.ball::<M>(spread));
        let results = [
            ("add", a.add(b), Rational::from(&x + &y)),
            ("sub", a.sub(b), Rational::from(&x - &y)),
            ("mul", a.mul(b), Rational::from(&x * &y)),
            ("div", a.div(b), if y == 0 { Rational::new() } else { Rational::from(&x / &y) }),
            (
                "divide",
                M::Divisor::new(b).divide(a),
                if y == 0 { Rational::new() } else { Rational::from(&x / &y) },
            ),
            ("abs", a.abs(), x.clone().abs()),
            ("neg", a.neg(), Rational::from(-&x)),
        ];
        for (name, ball, exact) in results {
            if name.starts_with("div") && y == 0 {
                assert!(!ball.is_known(), "{round}: {a:?} / {b:?} is {ball:?}");
                continue;
            }
            known += u64::from(ball.is_known());
            assert!(holds(ball, &exact), "{round}: {name} of {a:?}, {b:?} is {ball:?}, not {exact}");
            if let Some(sign) = ball.sign() {
                assert_eq!(sign, exact.cmp0() as i8, "{round}: the sign of {name} of {a:?}, {b:?}");
            }
        }
    }
    assert!(known > 4 * operations(), "{known}");
}

#[test]
fn results_that_are_exact_are_known_to_be() {
    results_that_are_exact::<f64>();
    results_that_are_exact::<Double>();
}

fn results_that_are_exact<M: Tried>() {
    let third = Ball::<M>::ONE.div(Ball::exact(3.0));
    assert!(!third.is_exact() && third.enclosure().is_some());
    for (ball, exact) in [
        (Ball::exact(1e300).add(third), false),
        (Ball::exact(3.0).add(Ball::exact(-3.0)), true),
        (Ball::exact(3.0).mul(Ball::exact(5.0)), true),
        (third.mul(Ball::exact(0.1)), false),
        (Ball::exact(15.0).div(Ball::exact(5.0)), true),
        (f::sqrt(Ball::exact(2.25)), true),
        (f::sqrt(Ball::exact(2.0)), false),
        (f::exp(Ball::ZERO), true),
        (f::exp(Ball::ONE), false),
        (third.mul(Ball::ZERO), true),
        (f::pow(Ball::exact(-3.0), 3.0), true),
    ] {
        assert_eq!(ball.is_exact(), exact, "{ball:?}");
    }
}

#[test]
fn what_is_not_a_number_is_not_known() {
    not_known::<f64>();
    not_known::<Double>();
}

fn not_known<M: Tried>() {
    let infinite = Ball::<M>::exact(f64::NEG_INFINITY);
    let nan = Ball::exact(f64::NAN);
    let huge = Ball::<M>::exact(f64::MAX);
    for x in [infinite, nan, Ball::UNKNOWN] {
        for result in [
            x.add(Ball::ONE),
            Ball::ONE.sub(x),
            x.mul(Ball::ONE),
            Ball::ZERO.mul(x),
            x.mul(x),
            Ball::ONE.div(x),
            x.div(Ball::ONE),
            x.neg(),
            x.abs(),
            f::ln(x),
            f::ln_1p(x),
            f::sqrt(x),
            f::tanh(x),
            f::log_cosh(x),
            f::pow(x, 2.0),
            f::pow(x, 0.0),
        ] {
            assert!(!result.is_known(), "{x:?} gives {result:?}");
        }
    }
    assert!(f::exp(infinite).is_zero());
    for result in [huge.add(huge), huge.mul(huge), huge.div(Ball::exact(0.5)), f::exp(Ball::exact(1e3))] {
        assert!(!result.is_known(), "{result:?}");
    }
    assert!(!Ball::<M>::ONE.div(Ball::ZERO).is_known());
    assert!(!f::ln(Ball::<M>::ZERO).is_known());
}

type Function<M> = (&'static str, fn(Ball<M>) -> Ball<M>, fn(Float) -> Float);

fn functions<M: Midpoint>() -> [Function<M>; 13] {
    [
        ("exp", f::exp, Float::exp),
        ("expm1", f::expm1, Float::exp_m1),
        ("ln", f::ln, Float::ln),
        ("ln_1p", f::ln_1p, Float::ln_1p),
        ("sqrt", f::sqrt, Float::sqrt),
        ("tanh", f::tanh, Float::tanh),
        ("sigmoid", |x| f::sigmoid(x, f::decay(x)), |x| 1 / (1 + (-x).exp())),
        ("softplus", |x| f::softplus(x, f::decay(x)), |x| x.exp().ln_1p()),
        ("log_cosh", f::log_cosh, |x| x.cosh().ln()),
        ("expm1_minus", f::expm1_minus, |x| x.clone().exp_m1() - x),
        ("pow 1.5", |x| f::pow(x, 1.5), |x| x.pow(1.5)),
        ("root 3", |x| f::root(x, 3.0), |x| x.root(3)),
        ("xlogy 3", |x| f::xlogy(Ball::exact(3.0), x), |x| x.ln() * 3),
    ]
}

#[test]
fn functions_hold_the_ends_of_their_operand() {
    of_operand::<f64>();
    of_operand::<Double>();
}

fn of_operand<M: Tried>() {
    let source = &mut Source(2);
    let functions = functions::<M>();
    let mut known = [0u64; 13];
    for round in 0..operations() {
        let spread = [2, 4, 9, 60][source.below(4) as usize];
        let (x, at) = source.ball::<M>(spread);
        let which = source.below(functions.len() as u64) as usize;
        let (name, of_ball, of_point) = functions[which];
        let ball = of_ball(x);
        let Some((mid, rad)) = ball.enclosure() else { continue };
        let y = of_point(Float::with_val_round(EXACT, &at, Round::Nearest).0);
        if y.is_nan() {
            panic!("{round}: {name} of {x:?} is {ball:?}, undefined at {at}");
        }
        known[which] += 1;
        // The reference is good to about 1000 bits.
        let slack = Float::with_val(EXACT, &y >> 900u32).abs() + (Float::with_val(EXACT, 1) >> 1100u32);
        let off = Float::with_val(EXACT, &y - Float::with_val(EXACT, mid.exactly()));
        let beside = match ball.side() {
            Side::Any => true,
            Side::Above => off >= Float::with_val(EXACT, -&slack),
            Side::Below => off <= slack,
        };
        assert!(
            beside && off.clone().abs() <= Float::with_val(EXACT, &slack + rad),
            "{round}: {name} of {x:?} at {at} is {ball:?}, not {y:.30}"
        );
    }
    for (count, (name, ..)) in known.iter().zip(functions) {
        assert!(*count > operations() / 100, "{name} is known {count} times");
    }
}

#[test]
fn sums_hold_the_ends_of_their_terms() {
    sums::<f64>();
    sums::<Double>();
}

fn sums<M: Tried>() {
    let source = &mut Source(3);
    for round in 0..operations() / 20 {
        let (count, spread) = (1 + source.below(40), [2, 30, 300][source.below(3) as usize]);
        let terms: Vec<(Ball<M>, Rational)> = (0..count).map(|_| source.ball(spread)).collect();
        let exact: Rational = terms.iter().map(|(_, point)| point).sum();
        let ball = rows::sum(terms.len(), terms.iter().map(|(ball, _)| *ball));
        assert!(holds(ball, &exact), "{round}: {ball:?} is not {exact} of {terms:?}");
        // The sum of whole columns.
        let parts: Vec<(M, f64, Side)> = terms.iter().map(|(ball, _)| ball.parts()).collect();
        if parts.iter().all(|&(.., side)| side == Side::Any) {
            let (mid, rad): (Vec<M>, Vec<f64>) = parts.iter().map(|&(mid, rad, _)| (mid, rad)).unzip();
            let mut total = M::Total::default();
            total.push_all(&mid, &rad);
            assert!(holds(total.ball(), &exact), "{round}: {:?} is not {exact} of {terms:?}", total.ball());
        }
    }
}

/// Beside every kind of number of a grid: what a ball fixes is what each of its ends rounds to.
#[test]
fn a_grid_answers_only_where_all_of_the_ball_agrees() {
    let grids = [Format::F32, Format::F16, Format::Bf16];
    // The common way and the general one.
    grid_answers::<f64>(&grids, |grid, ball| {
        [grid.truth(ball), grid.canonical(ball).map(Truth::Proved)].into_iter().flatten().collect()
    });
    grid_answers::<Double>(&Format::ALL, |grid, ball| grid.truth_of_double(ball).into_iter().collect());
}

fn grid_answers<M: Tried>(formats: &[Format], truths: impl Fn(&Grid, Ball<M>) -> Vec<Truth>) {
    let source = &mut Source(4);
    let mut fixed = 0;
    for round in 0..operations() {
        let format = formats[source.below(formats.len() as u64) as usize];
        let grid = Grid::of_doubles(format);
        let bits = (format.precision() + 8) as i32;
        let least = format.min_exponent().max(-900);
        let e = [0, format.max_exponent().min(900), least, (least - 20).max(-900)][source.below(4) as usize]
            + source.below(5) as i32
            - 2;
        let near = source.number(0).abs();
        // A number of the grid, one beside it, or any.
        let near = match source.below(3) {
            0 => near,
            1 => (near * power(bits.min(52) - 1)).floor() * power(1 - bits.min(52)),
            _ => 1.0,
        };
        let mid = M::near(near * power(e) * [1.0, -1.0][source.below(2) as usize], source);
        let size = mid.high().abs();
        let binade = ((size.to_bits() >> 52) as i32 - 1023).max(format.min_exponent()).max(-960);
        let step = power(binade - bits + 1);
        let rad = match source.below(3) {
            0 => size * power(-(source.below(30) as i32) + 2 - bits),
            _ => {
                // About the distance to the next number of the grid.
                let exact: Rational = mid.exactly().abs() / step.exactly();
                let below = exact.clone() - exact.floor();
                let distance = if below == 0 { 1.0 } else { below.to_f64().min(1.0 - below.to_f64()) };
                step * distance * (0.99 + source.below(2000) as f64 / 1e5)
            }
        };
        let side = [Side::Any, Side::Any, Side::Above, Side::Below][source.below(4) as usize];
        let ball = if rad == 0.0 { Ball::of_parts(mid, 0.0, Side::Any) } else { Ball::sided(mid, rad, side) };
        for truth in truths(&grid, ball) {
            let (Truth::Proved(claim) | Truth::Overflow(claim)) = truth else { continue };
            fixed += 1;
            let exact = |x: Rational| Float::with_val(EXACT, x);
            let just = exact(size.exactly()) >> 1000u32;
            let (mid, rad) = (exact(mid.exactly()), exact(rad.exactly()));
            let (mut low, mut high) = (mid.clone() - &rad, mid.clone() + &rad);
            match ball.side() {
                Side::Any => {}
                Side::Above => low = mid + &just,
                Side::Below => high = mid - &just,
            }
            for end in [low, high] {
                let (significand, exponent) = end.to_integer_exp().expect("finite");
                let shift = significand.significant_bits().saturating_sub(120);
                let size = significand.clone().abs();
                let magnitude = Magnitude {
                    negative: end.is_sign_negative(),
                    significand: (size.clone() >> shift).to_u128().expect("120 bits"),
                    exponent: i64::from(exponent) + i64::from(shift),
                    sticky: !size.is_divisible_2pow(shift),
                };
                let truth: Canonical = magnitude.round_to_odd(format);
                assert_eq!(claim, truth, "{round}: {format} {ball:?}");
            }
        }
    }
    assert!(fixed > operations() / 5, "{fixed}");
}

#[test]
fn beyond_the_format_is_overflow() {
    let grid = Grid::of(Format::F16).expect("a format below f64");
    let truth = |x: f64| grid.truth(Ball::around(x, x * power(-40)));
    assert!(matches!(truth(65519.9), Some(Truth::Proved(_))));
    assert!(matches!(truth(65520.1), Some(Truth::Overflow(_))));
    assert!(matches!(truth(1e300), Some(Truth::Overflow(_))));
}

/// Quick sums of exponentials: of few and of many terms, some of them 1 or 0, of differences that f64 does not hold.
#[test]
fn quick_sums_hold_their_sums() {
    let source = &mut Source(8);
    let mut most = 0.0f64;
    for round in 0..2000 {
        let n = [1, 2, 5, 300][round % 4];
        let greatest = source.number(9);
        let row: Vec<f64> = (0..n)
            .map(|_| match source.below(12) {
                0 => greatest,
                1 => f64::NEG_INFINITY,
                // With bits below those of the greatest, and of its size.
                k => greatest - source.number(k / 2).abs().min(590.0) * [1.0, power(-20)][(k % 2) as usize],
            })
            .collect();
        let (left, right) = row.split_at(n / 2);
        let ball = Double::quick_sum([left, right], greatest).expect("within the range");
        let term = |x: &f64| (Float::with_val(EXACT, *x) - greatest).exp();
        let sum = Float::with_val(EXACT, Float::sum(row.iter().map(term).collect::<Vec<_>>().iter()));
        let (mid, rad) = ball.enclosure().expect("known");
        let off = Float::with_val(EXACT, &sum - &mid.exactly()).abs();
        assert!(off <= rad, "{off:.3e} > {rad:.3e}: {row:?}");
        assert!(rad <= power(-57) * sum.to_f64(), "{rad:.3e} of {:.3e}", sum.to_f64());
        if rad != 0.0 {
            most = most.max((off / rad).to_f64());
        }
    }
    assert!(most > 0.25, "{most}");
    let few = [-1.0, f64::NEG_INFINITY, 3.0, 3.0];
    assert_eq!(Double::quick_sum([&few[1..], &[]], 3.0), Some(Ball::exact(2.0)));
    for (beyond, most) in [(-700.0, 3.0), (f64::NAN, 3.0), (-1e308, 1e308)] {
        assert_eq!(Double::quick_sum([&[beyond], &[]], most), None);
    }
}
