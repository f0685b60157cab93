//! Specimens for the soundness tests: balls of every sort, each with a point inside, and the check that a result's ball
//! holds the true result of the points. Shared by the unit tests here and by `tests/ball_soundness.rs`.
//!
//! A [`Recipe`] is a few small integers, so that proptest and quickcheck shrink a failure to a readable one.

use super::ball::{Ball, Side};
use super::radius::Radius;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use quickcheck::{Arbitrary, Gen, QuickCheck, TestResult, Testable};
use rug::float::{Round, exp_max, exp_min};
use rug::{Float, Rational};
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of points and of the reference: far beyond every ball's.
pub const REFERENCE: u32 = 2000;

/// How many operations to check: `LOSSPROOF_SOUNDNESS`, 10⁵ unless it says otherwise.
pub fn operations() -> u32 {
    std::env::var("LOSSPROOF_SOUNDNESS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

/// What makes a ball and a point inside it.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    scale: u8,
    exponent: i32,
    bits: u16,
    digits: u64,
    spread: u8,
    drop: u16,
    width: u32,
    side: u8,
    at: u8,
    fraction: u32,
}

type Fields = ((u8, i32, u16, u64, u8), (u16, u32, u8, u8, u32));

impl Recipe {
    fn of((a, b): Fields) -> Recipe {
        let ((scale, exponent, bits, digits, spread), (drop, width, side, at, fraction)) = (a, b);
        Recipe { scale, exponent, bits, digits, spread, drop, width, side, at, fraction }
    }

    /// For proptest.
    pub fn strategy() -> impl Strategy<Value = Recipe> {
        proptest::arbitrary::any::<Fields>().prop_map(Recipe::of)
    }
}

impl Arbitrary for Recipe {
    fn arbitrary(g: &mut Gen) -> Recipe {
        Recipe::of(Fields::arbitrary(g))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Recipe>> {
        let first = (self.scale, self.exponent, self.bits, self.digits, self.spread);
        let fields = (first, (self.drop, self.width, self.side, self.at, self.fraction));
        Box::new(fields.shrink().map(Recipe::of))
    }
}

/// A point inside a ball.
#[derive(Clone, Debug)]
pub enum Point {
    /// This number.
    Number(Float),
    /// −∞ where true.
    Infinite(bool),
}

/// The mantissa in [½, 1), of one of four patterns: random, one bit, all ones, the first and the last bit.
fn mantissa(bits: u32, digits: u64) -> Float {
    let bits = bits.max(1);
    let half = Float::with_val(bits, 0.5);
    let last = Float::with_val(bits, 1) >> bits;
    match digits % 5 {
        0 => half,
        1 => Float::with_val(bits, 1 - last),
        2 if bits > 1 => half + last,
        _ => {
            let (mut state, mut sum, mut place) = (digits, half, 1);
            while place < bits {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                sum += Float::with_val(33, state >> 32) >> (place + 32);
                place += 32;
            }
            if sum < 1 { sum } else { Float::with_val(bits, 0.75) }
        }
    }
}

fn remainder(x: i32, bound: i32) -> i32 {
    x.rem_euclid(2 * bound + 1) - bound
}

impl Recipe {
    fn mid(&self) -> Float {
        let bits = 1 + u32::from(self.bits) % 400;
        let e = match self.scale % 21 {
            0 => return Float::with_val(bits, 0),
            // Where functions are exact.
            20 => return Float::with_val(64, [1, -1, 2, 4, 9][self.digits as usize % 5]),
            1..=6 => remainder(self.exponent, 5),
            7..=10 => remainder(self.exponent, 60),
            11..=13 => remainder(self.exponent, 400),
            14 | 15 => remainder(self.exponent, 1400),
            16 => exp_min() + remainder(self.exponent, 9).abs(),
            17 => exp_max() - remainder(self.exponent, 40).abs(),
            18 => remainder(self.exponent, 1 << 20),
            // Where e^x leaves MPFR's range: 2^30·ln 2.
            _ => 30,
        };
        // The mantissa is below 1 and its exponent 0, so that e is MPFR's exponent.
        let mid = Float::with_val(bits, mantissa(bits, self.digits) << (e.clamp(exp_min(), exp_max())));
        if self.digits & 32 != 0 { -mid } else { mid }
    }

    fn radius(&self, mid: &Float) -> Radius {
        let e = i64::from(mid.get_exp().unwrap_or(0));
        let drop = i64::from(self.drop);
        let mantissa = if self.width.is_multiple_of(3) { 1 << 31 } else { self.width | 1 << 31 };
        let scaled = |e: i64| Radius::above(&Float::with_val(32, mantissa)) * Radius::power_of_two(e - 32);
        match self.spread % 10 {
            0..=2 => Radius::ZERO,
            3 | 4 => scaled(e - drop % 500),
            5 => scaled(e - drop % 6 + 2),
            6 => Radius::above(mid) * Radius::power_of_two(drop % 3 - 1),
            7 => scaled(-(drop % 500)),
            8 => Radius::power_of_two(e - drop % 1100),
            _ => scaled(i64::from(exp_min()) + drop % 40),
        }
    }

    /// The ball with a point inside; `None` where the point that was meant cannot be written.
    pub fn specimen(&self) -> Option<(Ball, Point)> {
        match self.fraction % 97 {
            0 => return Some((Ball::Infinite(self.at & 1 == 0), Point::Infinite(self.at & 1 == 0))),
            1 => {
                let beyond = Float::with_val(REFERENCE, 0.75) << exp_max();
                let negative = self.at & 1 == 0;
                return Some((Ball::Huge(negative), Point::Number(if negative { -beyond } else { beyond })));
            }
            _ => {}
        }
        let (ball, point) = self.finite()?;
        Some((ball, Point::Number(point)))
    }

    /// As `finite`, of about 1.
    pub fn mantissa(&self) -> Option<(Ball, Float)> {
        let near = |x: &Float| x.get_exp().is_some_and(|e| e.abs() < 8);
        let recipe = Recipe { scale: 1, spread: self.spread % 3 * 3, ..self.clone() };
        recipe
            .finite()
            .filter(|(ball, point)| near(point) && matches!(ball, Ball::Finite { mid, .. } if near(mid)))
    }

    /// As `finite`, of a size whose powers and exponentials stay inside MPFR's range.
    pub fn logit(&self) -> Option<(Ball, Float)> {
        self.finite()
            .filter(|(ball, _)| (-8000..64).contains(&ball.magnitude().bound_exponent()) || ball.is_zero())
    }

    /// A finite ball with a point inside.
    pub fn finite(&self) -> Option<(Ball, Float)> {
        let mid = self.mid();
        let rad = self.radius(&mid);
        let side = match self.side % 4 {
            _ if rad.is_zero() => Side::Any,
            2 => Side::Above,
            3 => Side::Below,
            _ => Side::Any,
        };
        let share = match self.at % 8 {
            0 => Float::with_val(64, 1),
            1 => Float::with_val(64, -1),
            2 => Float::with_val(64, 0),
            3 => Float::with_val(64, 1) >> (self.fraction % 700),
            4 => -Float::with_val(64, 1) >> (self.fraction % 700),
            5 => 1 - (Float::with_val(64, 1) >> (self.fraction % 60)),
            _ => Float::with_val(64, self.fraction) / f64::from(u32::MAX) * 2u32 - 1u32,
        };
        let share = match side {
            Side::Any => share,
            Side::Above => share.abs(),
            Side::Below => -share.abs(),
        };
        let offset = Float::with_val(96, rad.to_float() * share);
        let mut point = Float::with_val(REFERENCE, &mid + &offset);
        match side {
            Side::Above if point == mid => point.next_up(),
            Side::Below if point == mid => point.next_down(),
            _ => {}
        }
        let ball = Ball::sided(mid, rad, side);
        holds_point(&ball, &point).then_some((ball, point))
    }
}

/// Whether the point is certainly inside the ball.
fn holds_point(ball: &Ball, point: &Float) -> bool {
    let Ball::Finite { mid, rad, side } = ball else { return false };
    let mid: &Float = mid;
    let distance = Float::with_val_round(4 * REFERENCE, point - mid, Round::AwayZero).0.abs();
    let beside = match side {
        Side::Any => true,
        Side::Above => point > mid,
        Side::Below => point < mid,
    };
    // `to_float` is above a radius that leaves MPFR's exponents: such a ball proves nothing.
    let rad_float = rad.to_float();
    point.is_finite() && beside && distance <= rad_float && Radius::above(&rad_float) == *rad
}

/// What the true result is known to be.
#[derive(Clone)]
pub enum Truth {
    /// Exactly this.
    Exact(Rational),
    /// Within these ends, and equal to one of them only where they are equal.
    Within(Float, Float),
    /// Within these ends, which more than one rounding has moved apart.
    Around(Float, Float),
    /// ∞, or −∞ where true.
    Infinite(bool),
    /// No value.
    Undefined,
}

impl std::fmt::Debug for Truth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Truth::Exact(x) => write!(f, "exactly {}", Short(&Float::with_val(REFERENCE, x))),
            Truth::Within(low, high) | Truth::Around(low, high) => {
                write!(f, "[{}, {}]", Short(low), Short(high))
            }
            Truth::Infinite(negative) => write!(f, "infinite, negative {negative}"),
            Truth::Undefined => f.write_str("undefined"),
        }
    }
}

/// A number in few digits, with its neighbour of one digit and the distance from it.
pub struct Short<'a>(pub &'a Float);

impl std::fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let near = Float::with_val(24, self.0);
        let rest = Float::with_val(24, self.0 - &near);
        write!(f, "{near} + {rest:.3}")
    }
}

impl Truth {
    /// What MPFR says of a function of a finite number: `f` rounds as it is told.
    pub fn of(f: impl Fn(Round) -> Float) -> Truth {
        Truth::within(f(Round::Down), f(Round::Up))
    }

    /// As `of`, from one evaluation rounded to nearest with its ternary value.
    pub fn nearest((y, ternary): (Float, Ordering)) -> Truth {
        let (mut low, mut high) = (y.clone(), y);
        match ternary {
            Ordering::Less => high.next_up(),
            Ordering::Greater => low.next_down(),
            Ordering::Equal => {}
        }
        Truth::within(low, high)
    }

    fn within(low: Float, high: Float) -> Truth {
        if low.is_nan() || high.is_nan() {
            return Truth::Undefined;
        }
        match (low.is_infinite() && low.is_sign_positive(), high.is_infinite() && high.is_sign_negative()) {
            (true, _) => Truth::Infinite(false),
            (_, true) => Truth::Infinite(true),
            _ => Truth::Within(low, high),
        }
    }

    /// Why the ball does not hold the truth; `None` where it does, or cannot be told not to.
    pub fn outside(&self, ball: &Ball) -> Option<String> {
        let wrong = |what: &str| Some(format!("{what}: {ball:?}, truth {self:?}"));
        match (ball, self) {
            (Ball::Unknown, _) | (Ball::Undefined, Truth::Undefined) => None,
            (Ball::Undefined, _) => wrong("claims that there is no value"),
            (_, Truth::Undefined) => wrong("claims a value"),
            (Ball::Infinite(a), Truth::Infinite(b)) if a == b => None,
            (Ball::Infinite(_), _) => wrong("claims an infinity"),
            (_, Truth::Infinite(_)) => wrong("claims a finite number"),
            (Ball::Huge(negative), Truth::Within(low, high) | Truth::Around(low, high)) => {
                let edge = Float::with_val(2, 1) << (exp_max() - 1);
                let small = if *negative { *low >= -edge } else { *high <= edge };
                small.then(|| wrong("claims a huge number")).flatten()
            }
            (Ball::Huge(_), Truth::Exact(_)) => wrong("claims a huge number"),
            (Ball::Finite { mid, rad, side }, Truth::Exact(truth)) => {
                let (Some(mid), Some(rad)) = (rational(mid), rational(&rad.to_float())) else {
                    // Beyond what rationals can hold.
                    let ends = |round| Float::with_val_round(2 * REFERENCE, truth, round).0;
                    return Truth::of(ends).outside(ball);
                };
                let strayed = Rational::from(truth - &mid);
                match side {
                    _ if *strayed.as_abs() > rad => wrong("too narrow"),
                    Side::Above if strayed <= 0 => wrong("not above"),
                    Side::Below if strayed >= 0 => wrong("not below"),
                    _ => None,
                }
            }
            (Ball::Finite { mid, rad, side }, Truth::Within(low, high) | Truth::Around(low, high)) => {
                let mid: &Float = mid;
                // Each distance from below: only certain violations count.
                let wide = 2 * REFERENCE + mid.prec();
                let above = Float::with_val_round(wide, low - mid, Round::Down).0;
                let below = Float::with_val_round(wide, mid - high, Round::Down).0;
                let rad_float = rad.to_float();
                if above > rad_float || below > rad_float {
                    return wrong("too narrow");
                }
                match side {
                    Side::Any if rad.is_zero() && low != high && matches!(self, Truth::Within(..)) => {
                        wrong("claims to be exact")
                    }
                    Side::Above if high <= mid => wrong("not above"),
                    Side::Below if low >= mid => wrong("not below"),
                    _ => None,
                }
            }
        }
    }
}

/// The exact rational, where its exponent is moderate.
pub fn rational(x: &Float) -> Option<Rational> {
    x.get_exp().is_none_or(|e| e.abs() < 4 * REFERENCE as i32).then(|| x.to_rational()).flatten()
}

/// What one check found: nothing to check, a result that holds the truth (or that leaves everything open), a flaw.
pub enum Outcome {
    /// The recipes make nothing to check.
    Skipped,
    /// The result holds the truth; not decided where it says nothing.
    Sound {
        /// Whether it says something.
        decided: bool,
    },
    /// The result excludes the truth.
    Unsound(String),
}

/// Operands in words.
pub struct Operands<'a>(pub &'a [(&'a Ball, &'a Float)]);

impl std::fmt::Display for Operands<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(ball, point)| write!(f, "\n  {ball:?}, point {}", Short(point)))
    }
}

/// Judges one result.
pub fn judge(name: &str, prec: u32, result: &Ball, truth: &Truth, operands: &[(&Ball, &Float)]) -> Outcome {
    match truth.outside(result) {
        Some(flaw) => Outcome::Unsound(format!("{name} at {prec} bits of {}:\n  {flaw}", Operands(operands))),
        None => Outcome::Sound { decided: !matches!(result, Ball::Unknown) },
    }
}

/// The first flaw of several outcomes; else whether all say something.
pub fn all(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    let mut decided = true;
    for outcome in outcomes {
        match outcome {
            Outcome::Unsound(_) => return outcome,
            Outcome::Sound { decided: own } => decided &= own,
            Outcome::Skipped => {}
        }
    }
    Outcome::Sound { decided }
}

/// A check: of N recipes, a choice of the operation, and a precision.
pub type Check<const N: usize> = fn(&[Recipe; N], u8, u32) -> Outcome;

/// Runs a check on its share of the operations, half of them under each harness, and sees to it that most results say
/// something.
pub fn run<const N: usize>(share: u32, check: Check<N>) {
    let tally = Arc::new(Tally::default());
    let cases = (operations() / share / 2).max(1);
    let config = Config { failure_persistence: None, max_shrink_iters: 4096, ..Config::with_cases(cases) };
    let strategy =
        (proptest::array::uniform::<_, N>(Recipe::strategy()), proptest::arbitrary::any::<u8>(), 8..=400u32);
    TestRunner::new(config)
        .run(&strategy, |(recipes, which, prec)| {
            tally.count(check(&recipes, which, prec)).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|flaw| panic!("{flaw}"));
    let tests = u64::from(cases);
    QuickCheck::new().tests(tests).max_tests(tests).quickcheck(Checked { check, tally: tally.clone() });
    let (decided, open) = (tally.decided.load(Relaxed), tally.open.load(Relaxed));
    assert!(decided > 2 * open, "only {decided} results say something, {open} say nothing");
}

#[derive(Default)]
struct Tally {
    decided: AtomicU64,
    open: AtomicU64,
}

impl Tally {
    fn count(&self, outcome: Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Skipped => {}
            Outcome::Sound { decided: true } => drop(self.decided.fetch_add(1, Relaxed)),
            Outcome::Sound { decided: false } => drop(self.open.fetch_add(1, Relaxed)),
            Outcome::Unsound(flaw) => return Err(flaw),
        }
        Ok(())
    }
}

struct Checked<const N: usize> {
    check: Check<N>,
    tally: Arc<Tally>,
}

impl<const N: usize> Testable for Checked<N> {
    fn result(&self, g: &mut Gen) -> TestResult {
        let mut recipes: [Recipe; N] = std::array::from_fn(|_| Arbitrary::arbitrary(g));
        let (which, prec) = (u8::arbitrary(g), 8 + u32::arbitrary(g) % 393);
        let mut result = self.tally.count((self.check)(&recipes, which, prec));
        // Greedy shrinking, recipe by recipe.
        let mut at = 0;
        while result.is_err() && at < N {
            let smaller = recipes[at].shrink().take(256).find_map(|recipe| {
                let mut tried = recipes.clone();
                tried[at] = recipe;
                self.tally.count((self.check)(&tried, which, prec)).err().map(|flaw| (tried, flaw))
            });
            match smaller {
                Some((tried, flaw)) => (recipes, result) = (tried, Err(flaw)),
                None => at += 1,
            }
        }
        match result {
            Ok(()) => TestResult::passed(),
            Err(flaw) => TestResult::error(flaw),
        }
    }
}
