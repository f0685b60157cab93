//! Reading the oracle's decimals. `BigFloat::parse` alone will not do: from the 41st digit on it drops what follows, the
//! exponent with it (1.7.2 reads a 42-digit 1.23…e-5 as 1.23…), and it reads what is below its range as 0.

use num_bigfloat::{BigFloat, MAX, MIN_POSITIVE, ZERO};

/// The digits that a BigFloat holds.
const DIGITS: usize = 40;
/// The largest and the least decimal exponent of a number that is read as itself.
const EXPONENTS: std::ops::RangeInclusive<i64> = -128..=160;

/// What a decimal text says.
pub enum Decimal {
    /// The number, cut to 40 digits; outside num-bigfloat's range its greatest or least of that sign.
    Number(BigFloat),
    /// `inf` or `-inf`.
    Infinite { negative: bool },
    /// `nan`.
    NotANumber,
}

impl Decimal {
    /// Reads `[sign]digits[.digits][e[sign]digits]`, `inf` or `nan`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        match unsigned {
            "inf" => return Some(Decimal::Infinite { negative }),
            "nan" => return Some(Decimal::NotANumber),
            _ => {}
        }
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Decimal::Number(ZERO));
        }
        // The exponent of the first significant digit.
        let leading_zeros = (digits.len() - significant.len()) as i64;
        let exponent = exponent.checked_add(whole.len() as i64 - 1 - leading_zeros)?;
        let magnitude = if EXPONENTS.contains(&exponent) {
            let (first, rest) = significant[..significant.len().min(DIGITS)].split_at(1);
            BigFloat::parse(&format!("{first}.{rest}e{exponent}"))?
        } else if exponent > 0 {
            MAX
        } else {
            MIN_POSITIVE
        };
        Some(Decimal::Number(if negative { -magnitude } else { magnitude }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> String {
        match Decimal::parse(text) {
            Some(Decimal::Number(x)) => x.to_string(),
            Some(Decimal::Infinite { negative }) => format!("infinite {negative}"),
            Some(Decimal::NotANumber) => "nan".to_owned(),
            None => "refused".to_owned(),
        }
    }

    #[test]
    fn long_decimals_keep_their_exponent() {
        let digits = "1.234567890123456789012345678901234567890";
        let expected = format!("{digits}e-5");
        assert_eq!(number(&format!("{digits}12e-5")), expected);
        assert_eq!(number("0.00001234567890123456789012345678901234567890999"), expected);
        assert_eq!(number("12345678901234567890123456789012345678901234567e-51"), expected);
        assert_eq!(number("0.70833e-5"), format!("7.0833{}e-6", "0".repeat(35)));
        assert_eq!(number("-2"), format!("-2.{}", "0".repeat(39)));
        assert_eq!(number("+.5E1"), format!("5.{}", "0".repeat(39)));
    }

    #[test]
    fn zero_is_told_from_what_is_too_small() {
        assert_eq!(number("-0.000e-7"), "0.0");
        assert_eq!(number("3e-400"), MIN_POSITIVE.to_string());
        assert_eq!(number("-3e400"), (-MAX).to_string());
    }

    #[test]
    fn names_and_refusals() {
        assert_eq!(number("inf"), "infinite false");
        assert_eq!(number("-inf"), "infinite true");
        assert_eq!(number("nan"), "nan");
        for wrong in ["", "-", ".", "e5", "1e", "1.2.3", "0x1", "infinity", "1 ", "१"] {
            assert_eq!(number(wrong), "refused", "{wrong}");
        }
    }
}
