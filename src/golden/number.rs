//! Numbers in golden files: floats as the protocol writes them, and the canonical truth without a bit lost.

use crate::format::{Canonical, EXTRA_BITS, Format};
use crate::tensor::{JsonFloat, non_finite_name, parse_json_float};
use crate::truth::Truth;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

/// The exponent of a truth that is beyond every format, as the oracle writes it.
const HUGE_EXPONENT: i32 = 1 << 29;

/// A float: a JSON number, the exact f64 in its shortest round-trip form, or "inf", "-inf", "nan".
#[derive(Copy, Clone, Debug)]
pub struct Float(pub f64);

/// As bits, but that every NaN is one: golden files are compared digit by digit.
impl PartialEq for Float {
    fn eq(&self, other: &Float) -> bool {
        self.0.to_bits() == other.0.to_bits() || self.0.is_nan() && other.0.is_nan()
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JsonFloat(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Float, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let float = parse_json_float(&value).map(Float);
        float.ok_or_else(|| D::Error::custom(format!("{value} is no number, \"inf\", \"-inf\" or \"nan\"")))
    }
}

/// The canonical truth of one element: y rounded to odd at p + 8 bits of the format.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// One float: y in f32, f16 and bf16; the infinity of an infinite truth; NaN where there is no value.
    Float(Float),
    /// y of an f64 truth: head + tail, the head being the correctly rounded value.
    Pair(Float, Float),
    /// y as "m*2^e" where no f64, or no pair of them, holds it: beyond the f64 range, or below its subnormals.
    Scaled(String),
    /// A kink: both ends of the closed interval of accepted values.
    Interval(Box<Number>, Box<Number>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ends {
    low: Number,
    high: Number,
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Number::Float(x) => x.serialize(serializer),
            Number::Pair(head, tail) => [head, tail].serialize(serializer),
            Number::Scaled(text) => serializer.serialize_str(text),
            Number::Interval(low, high) => {
                Ends { low: (**low).clone(), high: (**high).clone() }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        let value = Value::deserialize(deserializer)?;
        read(&value).ok_or_else(|| D::Error::custom(format!("{value} is no canonical number")))
    }
}

fn read(value: &Value) -> Option<Number> {
    if let Some(x) = parse_json_float(value) {
        return Some(Number::Float(Float(x)));
    }
    match value {
        Value::Array(pair) => match &pair[..] {
            [head, tail] => {
                let finite = |value| parse_json_float(value).filter(|x| x.is_finite()).map(Float);
                Some(Number::Pair(finite(head)?, finite(tail)?))
            }
            _ => None,
        },
        Value::String(text) => parse_scaled(text).map(|_| Number::Scaled(text.clone())),
        Value::Object(ends) if ends.len() == 2 => {
            // An interval has no intervals inside, which bounds the depth, too.
            let end = |name| read(ends.get(name)?).filter(|end| !matches!(end, Number::Interval(..)));
            Some(Number::Interval(Box::new(end("low")?), Box::new(end("high")?)))
        }
        _ => None,
    }
}

/// The mantissa and exponent of "m*2^e".
fn parse_scaled(text: &str) -> Option<(i64, i32)> {
    let (mantissa, exponent) = text.split_once("*2^")?;
    Some((mantissa.parse().ok()?, exponent.parse().ok()?))
}

/// The number of a truth; none where nothing is proved.
pub fn number_of(truth: &Truth, format: Format) -> Option<Number> {
    let float = |x| Some(Number::Float(Float(x)));
    match truth {
        Truth::Proved(y) | Truth::Overflow(y) => Some(written(y, format)),
        Truth::Set(low, high) => {
            Some(Number::Interval(Box::new(written(low, format)), Box::new(written(high, format))))
        }
        Truth::Infinite { negative } => float(if *negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        Truth::Undefined => float(f64::NAN),
        Truth::Undecided { .. } => None,
    }
}

/// The shortest form that gives the same mantissa and exponent back.
fn written(y: &Canonical, format: Format) -> Number {
    let head = y.to_f64();
    let form = match format {
        Format::F64 => Number::Pair(Float(head), Float(tail(y, head))),
        _ => Number::Float(Float(head)),
    };
    let same = |back: Canonical| back.mantissa == y.mantissa && back.exponent == y.exponent;
    match canonical(&form, format) {
        Some(back) if same(back) => form,
        _ => Number::Scaled(format!("{}*2^{}", y.mantissa, y.exponent)),
    }
}

/// y − head, which has the few bits that the head has not; NaN where there is no head.
fn tail(y: &Canonical, head: f64) -> f64 {
    if !head.is_finite() {
        return f64::NAN;
    }
    let (mantissa, exponent) = parts(head);
    if mantissa == 0 {
        return 0.0;
    }
    // The head is y rounded: its last bit is at least y's, and no more than 2 · EXTRA_BITS above it.
    let shift = exponent - y.exponent;
    if !(0..=2 * EXTRA_BITS as i32).contains(&shift) {
        return f64::NAN;
    }
    let rest = i128::from(y.mantissa) - (i128::from(mantissa) << shift);
    Canonical { mantissa: rest as i64, exponent: y.exponent, exact: true }.to_f64()
}

/// x as mantissa·2^exponent, the mantissa a 53-bit integer.
fn parts(x: f64) -> (i64, i32) {
    let bits = x.to_bits();
    let (fraction, biased) = ((bits & ((1 << 52) - 1)) as i64, (bits >> 52 & 0x7ff) as i32);
    let magnitude = if biased == 0 { fraction } else { fraction | 1 << 52 };
    (if x < 0.0 { -magnitude } else { magnitude }, biased.max(1) - 1075)
}

/// The canonical number that a form stands for, exact if its last bit is 0; none where it stands for no such number:
/// not finite, of more bits than the format's canonical numbers have, an interval.
fn canonical(number: &Number, format: Format) -> Option<Canonical> {
    let (mantissa, exponent) = match number {
        Number::Float(Float(x)) if x.is_finite() => {
            let (mantissa, exponent) = parts(*x);
            (i128::from(mantissa), exponent)
        }
        Number::Pair(Float(head), Float(tail)) if head.is_finite() && tail.is_finite() => {
            let ((m, e), (n, f)) = (parts(*head), parts(*tail));
            match (m, n) {
                (_, 0) => (i128::from(m), e),
                (0, _) => (i128::from(n), f),
                // Head and tail of one number overlap by far less.
                _ if (e - f).abs() > 70 => return None,
                _ => {
                    let least = e.min(f);
                    ((i128::from(m) << (e - least)) + (i128::from(n) << (f - least)), least)
                }
            }
        }
        Number::Scaled(text) => {
            let (mantissa, exponent) = parse_scaled(text)?;
            let y = Canonical { mantissa, exponent, exact: mantissa % 2 == 0 };
            // "Huge" keeps its mantissa of one bit; the others are written in full already.
            let huge = mantissa.unsigned_abs() == 1 && exponent == HUGE_EXPONENT;
            let full = exponent.unsigned_abs() < HUGE_EXPONENT.unsigned_abs()
                && normal(mantissa.into(), exponent, format).is_some_and(|normal| normal == y);
            return (huge || full).then_some(y);
        }
        _ => return None,
    };
    if mantissa == 0 {
        return Some(Canonical::ZERO);
    }
    normal(mantissa, exponent, format)
}

/// mantissa·2^exponent with the mantissa in units of 2^−8 ulp; none where that loses bits.
fn normal(mantissa: i128, exponent: i32, format: Format) -> Option<Canonical> {
    let binade = exponent + 127 - mantissa.unsigned_abs().leading_zeros() as i32;
    let bits = (format.precision() + EXTRA_BITS) as i32;
    let quantum = binade.max(format.min_exponent()) - bits + 1;
    let shift = exponent - quantum;
    let mantissa = match shift {
        0.. => mantissa.checked_shl(shift as u32).filter(|shifted| shifted >> shift == mantissa)?,
        _ if -shift > 126 || mantissa & ((1 << -shift) - 1) != 0 => return None,
        _ => mantissa >> -shift,
    };
    let mantissa = i64::try_from(mantissa).ok()?;
    Some(Canonical { mantissa, exponent: quantum, exact: mantissa % 2 == 0 })
}

/// The truth that a number stands for, by its kind. `flipped` says that y's flag `exact` is not what the last bit says; a
/// set's ends have none.
///
/// None where number and kind do not fit.
pub fn truth_of(number: &Number, kind: super::Kind, flipped: bool, format: Format) -> Option<Truth> {
    use super::Kind;
    let flip = |y: Canonical| Canonical { exact: y.exact != flipped, ..y };
    match (kind, number) {
        (Kind::Proved, _) => {
            canonical(number, format).map(flip).filter(|y| y.round(format).is_finite()).map(Truth::Proved)
        }
        (Kind::Overflow, _) => {
            canonical(number, format).map(flip).filter(|y| y.round(format).is_infinite()).map(Truth::Overflow)
        }
        (Kind::Set, Number::Interval(low, high)) => {
            let (low, high) = (canonical(low, format)?, canonical(high, format)?);
            (place(&low) <= place(&high)).then_some(Truth::Set(low, high))
        }
        (Kind::Infinite, Number::Float(Float(x))) if x.is_infinite() => {
            Some(Truth::Infinite { negative: *x < 0.0 })
        }
        (Kind::Undefined, Number::Float(Float(x))) if x.is_nan() => Some(Truth::Undefined),
        _ => None,
    }
}

/// In the order of the numbers: both have their mantissa in full, so that of two the one of the larger exponent is
/// farther from 0.
fn place(y: &Canonical) -> (i64, i32, i64) {
    match y.mantissa.signum() {
        0 => (0, 0, 0),
        sign => (sign, if sign > 0 { y.exponent } else { -y.exponent }, y.mantissa),
    }
}

/// Whether the flag `exact` of a truth is not what its last bit says.
pub fn is_flipped(truth: &Truth) -> bool {
    match truth {
        Truth::Proved(y) | Truth::Overflow(y) => y.exact != (y.mantissa % 2 == 0),
        _ => false,
    }
}

/// As in error messages: the JSON text.
impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

impl std::fmt::Display for Float {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_finite() { write!(f, "{:?}", self.0) } else { f.write_str(non_finite_name(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn round_trip(y: Canonical, format: Format) -> Number {
        let truth = match y.round(format).is_infinite() {
            true => Truth::Overflow(y),
            false => Truth::Proved(y),
        };
        let number = number_of(&truth, format).unwrap();
        let text = serde_json::to_string(&number).unwrap();
        let read: Number = serde_json::from_str(&text).unwrap();
        assert_eq!(read, number, "{text}");
        let kind = if matches!(truth, Truth::Proved(_)) { Kind::Proved } else { Kind::Overflow };
        assert_eq!(truth_of(&read, kind, is_flipped(&truth), format), Some(truth), "{text}");
        number
    }

    #[test]
    fn canonical_numbers_come_back_to_the_bit() {
        for format in Format::ALL {
            let bits = format.precision() + EXTRA_BITS;
            let (least, most) = (1i64 << (bits - 1), (1i64 << bits) - 1);
            let mut state = 1u64;
            for _ in 0..2000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let mantissa = least + (state >> 3) as i64 % (most - least + 1);
                let range = (format.max_exponent() - format.min_exponent()) as u64;
                let exponent = format.min_exponent() + ((state >> 20) % range) as i32 - bits as i32 + 1;
                for mantissa in [mantissa, -mantissa, least, most] {
                    round_trip(Canonical { mantissa, exponent, exact: mantissa % 2 == 0 }, format);
                }
                // An odd number may be y itself.
                round_trip(Canonical { mantissa: most, exponent, exact: true }, format);
            }
            // Below the normal numbers the quantum stays.
            let quantum = format.min_exponent() - bits as i32 + 1;
            for mantissa in [1i64, -3, 255, 256, 257, 4097, -65537] {
                if mantissa.abs() > most {
                    continue;
                }
                round_trip(Canonical { mantissa, exponent: quantum, exact: false }, format);
            }
            round_trip(Canonical::ZERO, format);
            round_trip(Canonical { mantissa: 0, exponent: 0, exact: false }, format);
            round_trip(Canonical { mantissa: -1, exponent: 1 << 29, exact: false }, format);
            let over = format.max_exponent() - bits as i32 + 1;
            round_trip(Canonical { mantissa: most, exponent: over, exact: false }, format);
            round_trip(Canonical { mantissa: most, exponent: over + 900, exact: false }, format);
        }
    }

    #[test]
    fn the_usual_forms_are_the_documented_ones() {
        let y = Canonical { mantissa: (1 << 31) + 1, exponent: -31, exact: false };
        assert_eq!(round_trip(y, Format::F32), Number::Float(Float(1.0 + 2f64.powi(-31))));
        let y = Canonical { mantissa: (1 << 60) + 1, exponent: -60, exact: false };
        assert_eq!(round_trip(y, Format::F64), Number::Pair(Float(1.0), Float(2f64.powi(-60))));
        let y = Canonical { mantissa: 3, exponent: -1082, exact: false };
        assert_eq!(round_trip(y, Format::F64), Number::Scaled("3*2^-1082".into()));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let read = |text: &str| serde_json::from_str::<Number>(text);
        for text in ["null", "[1.0]", "[1.0,\"inf\"]", "\"1*2^\"", "\"x\"", "{\"low\":1.0}", "true"] {
            assert!(read(text).is_err(), "{text}");
        }
        let nested = "{\"low\":{\"low\":0,\"high\":1},\"high\":1.0}";
        assert!(read(nested).is_err());
        // More bits than a canonical f16 has, and a kind that does not fit.
        let number = read("1.0000000001").unwrap();
        assert_eq!(truth_of(&number, Kind::Proved, false, Format::F16), None);
        assert_eq!(truth_of(&read("1.0").unwrap(), Kind::Overflow, false, Format::F16), None);
        assert_eq!(truth_of(&read("1.0").unwrap(), Kind::Set, false, Format::F16), None);
        assert_eq!(truth_of(&read("\"inf\"").unwrap(), Kind::Undefined, false, Format::F32), None);
        for scaled in
            ["1*2^2147483647", "3*2^-2147483648", "9223372036854775807*2^0", "1*2^0", "2*2^536870912"]
        {
            let number = Number::Scaled(scaled.into());
            assert_eq!(truth_of(&number, Kind::Proved, false, Format::F32), None, "{scaled}");
            assert_eq!(truth_of(&number, Kind::Overflow, false, Format::F32), None, "{scaled}");
        }
    }

    #[test]
    fn an_interval_is_in_order_however_near_its_ends_are() {
        let end = |text: &str| Box::new(serde_json::from_str::<Number>(text).unwrap());
        let ends = [
            "[-2.0,0.0]",
            "[-1.0,-3.469446951953614e-18]",
            "[-1.0,0.0]",
            "\"-3*2^-1082\"",
            "[0.0,0.0]",
            "[1.0,3.469446951953614e-18]",
            "[1.0,6.938893903907228e-18]",
            "[4.0,0.0]",
        ];
        for (at, low) in ends.iter().enumerate() {
            for (other, high) in ends.iter().enumerate() {
                let set = truth_of(&Number::Interval(end(low), end(high)), Kind::Set, false, Format::F64);
                assert_eq!(set.is_some(), at <= other, "{low} {high}");
            }
        }
    }
}
