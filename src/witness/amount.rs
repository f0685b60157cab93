//! What an element can be while it is derived: a number, the set of a kink, an infinity, or without value; and how
//! these add and multiply.

use super::real::Real;
use std::ops::{Add, Div, Mul, Neg};

/// A value of the extended calculus.
#[derive(Copy, Clone, Debug)]
pub enum Amount {
    /// There is no value, or a NaN went in.
    Undefined,
    /// +∞ or −∞.
    Infinite { negative: bool },
    /// A number.
    Number(Real),
    /// A kink: [low, high]; `tight` as in [`super::Claim::Interval`].
    Set { low: Real, high: Real, tight: bool },
}

impl Amount {
    /// Exactly 0.
    pub const ZERO: Amount = Amount::Number(Real::ZERO);

    /// A float: NaN is undefined.
    pub fn of(x: f64) -> Amount {
        if x.is_nan() {
            Amount::Undefined
        } else if x.is_infinite() {
            Amount::Infinite { negative: x < 0.0 }
        } else {
            Amount::Number(Real::of(x))
        }
    }

    /// The derivative of |x| at 0: [−1, 1].
    pub fn unit_interval_of_signs(tight: bool) -> Amount {
        Amount::Set { low: -Real::ONE, high: Real::ONE, tight }
    }

    /// A share between none and all: [0, 1].
    pub fn share(tight: bool) -> Amount {
        Amount::Set { low: Real::ZERO, high: Real::ONE, tight }
    }

    /// Whether it is 0 without any rounding.
    pub fn is_exact_zero(self) -> bool {
        matches!(self, Amount::Number(x) if x.is_exact_zero())
    }

    /// The sum; the numbers among the terms pairwise.
    pub fn sum(terms: impl Iterator<Item = Amount>) -> Amount {
        let mut numbers = Vec::new();
        let mut others = Amount::ZERO;
        for term in terms {
            match term {
                Amount::Number(x) => numbers.push(x),
                _ => others = others + term,
            }
        }
        Amount::Number(Real::sum(&numbers)) + others
    }

    /// Its ends as a set, with whether it is a proper one and whether it is tight.
    fn ends(self) -> Option<(Real, Real, bool, bool)> {
        match self {
            Amount::Undefined | Amount::Infinite { .. } => None,
            Amount::Number(x) => Some((x, x, false, true)),
            Amount::Set { low, high, tight } => Some((low, high, true, tight)),
        }
    }
}

impl Neg for Amount {
    type Output = Amount;

    fn neg(self) -> Amount {
        match self {
            Amount::Undefined => Amount::Undefined,
            Amount::Infinite { negative } => Amount::Infinite { negative: !negative },
            Amount::Number(x) => Amount::Number(-x),
            Amount::Set { low, high, tight } => Amount::Set { low: -high, high: -low, tight },
        }
    }
}

impl Add for Amount {
    type Output = Amount;

    /// ∞ − ∞ is undefined. The sum of two sets is not tight: they may move together.
    fn add(self, other: Amount) -> Amount {
        match (self, other) {
            (Amount::Undefined, _) | (_, Amount::Undefined) => Amount::Undefined,
            (Amount::Number(a), Amount::Number(b)) => Amount::Number(a + b),
            (Amount::Infinite { negative: a }, Amount::Infinite { negative: b }) if a != b => {
                Amount::Undefined
            }
            (Amount::Infinite { negative }, _) | (_, Amount::Infinite { negative }) => {
                Amount::Infinite { negative }
            }
            _ => {
                let (ends, others) = (self.ends(), other.ends());
                let ((a, b, first, tight), (c, d, second, too)) = ends.zip(others).expect("both are finite");
                Amount::Set { low: a + c, high: b + d, tight: tight && too && !(first && second) }
            }
        }
    }
}

impl Mul for Amount {
    type Output = Amount;

    /// 0 · ∞ is undefined. The product of two sets is not tight: they may move together.
    fn mul(self, other: Amount) -> Amount {
        match (self, other) {
            (Amount::Undefined, _) | (_, Amount::Undefined) => Amount::Undefined,
            (Amount::Number(a), Amount::Number(b)) => Amount::Number(a * b),
            (Amount::Infinite { negative: a }, Amount::Infinite { negative: b }) => {
                Amount::Infinite { negative: a != b }
            }
            (Amount::Infinite { negative }, Amount::Number(x))
            | (Amount::Number(x), Amount::Infinite { negative }) => {
                if x.is_above_zero() || (-x).is_above_zero() {
                    Amount::Infinite { negative: negative != (-x).is_above_zero() }
                } else if x.is_lost() {
                    Amount::Number(x)
                } else {
                    Amount::Undefined
                }
            }
            (Amount::Infinite { .. }, _) | (_, Amount::Infinite { .. }) => Amount::Undefined,
            _ if self.is_exact_zero() || other.is_exact_zero() => Amount::ZERO,
            _ => {
                let (ends, others) = (self.ends(), other.ends());
                let ((a, b, first, tight), (c, d, second, too)) = ends.zip(others).expect("both are finite");
                let corners = [a * d, b * c, b * d];
                let low = corners.iter().fold(a * c, |least, &corner| least.min(corner));
                let high = corners.iter().fold(a * c, |most, &corner| most.max(corner));
                Amount::Set { low, high, tight: tight && too && !(first && second) }
            }
        }
    }
}

impl Div<Real> for Amount {
    type Output = Amount;

    /// By a number that is not 0.
    fn div(self, divisor: Real) -> Amount {
        match self {
            Amount::Number(x) => Amount::Number(x / divisor),
            Amount::Set { low, high, tight } => {
                let (a, b) = (low / divisor, high / divisor);
                Amount::Set { low: a.min(b), high: a.max(b), tight }
            }
            _ => self * Amount::Number(divisor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(x: f64) -> Amount {
        Amount::Number(Real::of(x))
    }

    fn shown(amount: Amount) -> String {
        let plain = |x: Real| x.value().to_f64();
        match amount {
            Amount::Undefined => "undefined".to_owned(),
            Amount::Infinite { negative } => if negative { "-inf" } else { "inf" }.to_owned(),
            Amount::Number(x) => plain(x).to_string(),
            Amount::Set { low, high, tight } => {
                format!("[{}, {}]{}", plain(low), plain(high), if tight { "" } else { "~" })
            }
        }
    }

    #[test]
    fn sums() {
        let infinity = Amount::Infinite { negative: false };
        let signs = Amount::unit_interval_of_signs(true);
        assert_eq!(shown(number(1.5) + number(2.0)), "3.5");
        assert_eq!(shown(infinity + number(2.0)), "inf");
        assert_eq!(shown(infinity + -infinity), "undefined");
        assert_eq!(shown(number(2.0) + Amount::Undefined), "undefined");
        assert_eq!(shown(number(2.0) + signs), "[1, 3]");
        assert_eq!(shown(signs + Amount::share(true)), "[-1, 2]~");
        assert_eq!(shown(Amount::sum([number(1.0), infinity, number(-4.0)].into_iter())), "inf");
        assert_eq!(shown(Amount::sum([number(1.0), number(-4.0)].into_iter())), "-3");
        assert!(Amount::sum(std::iter::empty()).is_exact_zero());
    }

    #[test]
    fn products() {
        let infinity = Amount::Infinite { negative: false };
        let share = Amount::share(true);
        assert_eq!(shown(number(-1.5) * number(2.0)), "-3");
        assert_eq!(shown(infinity * number(-2.0)), "-inf");
        assert_eq!(shown(infinity * number(2.0)), "inf");
        assert_eq!(shown(infinity * Amount::ZERO), "undefined");
        assert_eq!(shown(number(-2.0) * share), "[-2, 0]");
        assert_eq!(shown(-share * Amount::unit_interval_of_signs(true)), "[-1, 1]~");
        assert!((Amount::ZERO * share).is_exact_zero());
        assert_eq!(shown(Amount::ZERO * Amount::Undefined), "undefined");
        assert_eq!(shown(share / Real::of(-4.0)), "[-0.25, 0]");
        assert_eq!(shown(infinity / Real::of(-4.0)), "-inf");
    }
}
