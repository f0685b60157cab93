//! Promise: the canonical truth that a ball fixes is that of every number in it: rounded to odd once, from the exact
//! number; and what is said to round to 0 does.
//!
//! Balls lie where rounding is hard: on and beside the numbers of a format, the ties between them, the edges of the
//! subnormals, of zero and of the overflow. Points are compared as exact rationals.

use exact::{power, rounded_to_odd};
use lossproof::arithmetic::ball::{Ball, Side};
use lossproof::arithmetic::radius::Radius;
use lossproof::format::Format;
use proptest::prelude::*;
use rug::float::Round;
use rug::{Float, Rational};

#[path = "support/exact.rs"]
mod exact;

/// y rounded to the nearest number of the format, ties to even, by comparison with all that could be it.
fn rounded_to_nearest(y: &Rational, format: Format) -> f64 {
    let size = y.clone().abs();
    let max = Rational::from_f64(format.max_value()).unwrap();
    // Half an ulp beyond the greatest number.
    let threshold = &max + power(format.max_exponent() - format.precision() as i32);
    let magnitude = if size >= threshold {
        f64::INFINITY
    } else {
        // The greatest number not above, by bisection over the ordered integers.
        let (mut low, mut high) = (0, format.ordered(f64::INFINITY).unwrap());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let below = Rational::from_f64(format.from_ordered(middle)).unwrap() <= size;
            if below { low = middle } else { high = middle }
        }
        let (down, up) = (format.from_ordered(low), format.from_ordered(low + 1));
        if up.is_infinite() {
            down
        } else {
            let rest = &size - Rational::from_f64(down).unwrap();
            let gap = Rational::from_f64(up).unwrap() - &size;
            match rest.cmp(&gap) {
                std::cmp::Ordering::Less => down,
                std::cmp::Ordering::Greater => up,
                std::cmp::Ordering::Equal => {
                    if low % 2 == 0 {
                        down
                    } else {
                        up
                    }
                }
            }
        }
    };
    if *y < 0 { -magnitude } else { magnitude }
}

#[derive(Clone)]
struct Specimen {
    format: Format,
    point: Rational,
    ball: Ball,
}

impl std::fmt::Debug for Specimen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}, point {}", self.format, self.ball, Float::with_val(100, &self.point))
    }
}

/// A number of the format by its place, plus `steps` quanta of the canonical form's ulps/16, with a radius.
#[allow(clippy::too_many_arguments)]
fn specimen(
    format: u8,
    region: u8,
    place: u64,
    steps: i8,
    drop: u16,
    side: u8,
    share: f64,
    negative: bool,
) -> Specimen {
    let format = Format::ALL[usize::from(format) % 4];
    let top = format.ordered(f64::INFINITY).unwrap() as u64;
    let normal = format.ordered(format.min_normal()).unwrap() as u64;
    let place = match region % 6 {
        0 => place % 4,
        1 => normal.saturating_sub(2) + place % 5,
        2 => top - 1 - place % 3,
        _ => place % top,
    };
    let x = format.from_ordered(place as i64);
    // Eighths of an ulp: 4 is a tie; and finer ones, around the canonical form's own quanta.
    let ulp = Rational::from_f64(format.ulp(x)).unwrap_or_else(|| power(-1074));
    let unit = if region & 64 == 0 { ulp >> 3u32 } else { ulp >> 9u32 };
    let mid = Rational::from_f64(x).unwrap() + unit * Rational::from(steps);
    // Now and then with a bit far below.
    let mid = if drop.is_multiple_of(5) {
        mid + power(format.min_exponent() - 100 - i32::from(drop % 64))
    } else {
        mid
    };
    let mid = if negative { -mid } else { mid };
    let scale = if mid == 0 { power(format.min_exponent()) } else { mid.clone().abs() };
    let exponent = scale.numer().significant_bits() as i64 - scale.denom().significant_bits() as i64;
    let rad_ball = match drop % 8 {
        0 => Radius::ZERO,
        // From wider than an ulp to far below every quantum.
        _ => Radius::power_of_two(exponent - i64::from(drop % 300)),
    };
    let rad = rad_ball.to_float().to_rational().unwrap();
    let side = match side % 3 {
        _ if rad == 0 => Side::Any,
        0 => Side::Any,
        1 => Side::Above,
        _ => Side::Below,
    };
    let share = Rational::from_f64(share).unwrap();
    let share = match side {
        Side::Any => share,
        // Strictly beside the midpoint, by as little as it takes.
        _ if share == 0 => power(-2000),
        _ => share.abs(),
    };
    let share = if side == Side::Below { -share } else { share };
    let point = &mid + Rational::from(&rad * &share);
    let mid_float = Float::with_val_round(2400, &mid, Round::Nearest);
    assert_eq!(mid_float.1, std::cmp::Ordering::Equal);
    let ball = Ball::sided(mid_float.0, rad_ball, side);
    Specimen { format, point, ball }
}

fn specimens() -> impl Strategy<Value = Specimen> {
    let share = prop_oneof![Just(-1.0), Just(1.0), Just(0.0), -1.0..1.0f64, Just(1.0 / 1024.0)];
    let fields = (any::<u8>(), any::<u8>(), any::<u64>(), -20..20i8, any::<u16>(), any::<u8>());
    (fields, share, any::<bool>()).prop_map(
        |((format, region, place, steps, drop, side), share, negative)| {
            specimen(format, region, place, steps, drop, side, share, negative)
        },
    )
}

fn check(s: &Specimen) -> Result<bool, String> {
    let truth = rounded_to_odd(&s.point, s.format);
    let nearest = rounded_to_nearest(&s.point, s.format);
    if truth.round(s.format) != nearest {
        return Err(format!("{s:?}: {truth:?} rounds to {}, not {nearest}", truth.round(s.format)));
    }
    if s.ball.rounds_to_zero(s.format) && nearest != 0.0 {
        return Err(format!("{s:?} is said to round to 0, and rounds to {nearest}"));
    }
    match s.ball.canonical(s.format) {
        None => Ok(false),
        Some(claim) if claim == truth => Ok(true),
        Some(claim) => Err(format!("{s:?}: claims {claim:?}, is {truth:?}")),
    }
}

fn cases() -> u32 {
    let operations: u32 =
        std::env::var("LOSSPROOF_SOUNDNESS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    operations / 8
}

#[test]
fn what_a_ball_fixes_is_the_truth_of_its_points() {
    let fixed = std::cell::Cell::new(0);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) };
    proptest::test_runner::TestRunner::new(config)
        .run(&specimens(), |s| {
            let decided = check(&s).map_err(TestCaseError::fail)?;
            fixed.set(fixed.get() + u32::from(decided));
            Ok(())
        })
        .unwrap_or_else(|flaw| panic!("{flaw}"));
    assert!(fixed.get() > cases() / 3, "only {} of {} balls fix an answer", fixed.get(), cases());
}

#[test]
fn the_same_with_quickcheck() {
    fn property(fields: (u8, u8, u64, i8, u16, u8), share: i16, negative: bool) -> Result<bool, String> {
        let (format, region, place, steps, drop, side) = fields;
        let share = f64::from(share) / 32768.0;
        check(&specimen(format, region, place, steps % 20, drop, side, share, negative)).map(|_| true)
    }
    let tests = u64::from(cases());
    quickcheck::QuickCheck::new()
        .tests(tests)
        .max_tests(tests)
        .quickcheck(property as fn((u8, u8, u64, i8, u16, u8), i16, bool) -> Result<bool, String>);
}

/// One side of a number that a format holds: fixed, at any radius below half a quantum.
#[test]
fn a_side_is_enough_beside_a_number() {
    for format in Format::ALL {
        for (x, tiny) in
            [(1.0, -5000), (format.max_value(), -5000), (0.0, -1_000_000), (format.min_normal(), -9000)]
        {
            for (side, sign) in [(Side::Above, 1), (Side::Below, -1)] {
                let ball = Ball::sided(Float::with_val(53, x), Radius::power_of_two(tiny), side);
                let beside = Rational::from_f64(x).unwrap() + Rational::from(sign) * power(-4000);
                let claim = ball.canonical(format).expect("the side fixes it");
                assert_eq!(claim, rounded_to_odd(&beside, format), "{format} {x} {side:?}");
            }
        }
    }
}
