//! Real numbers as intervals, from the decimal bounds that the oracle proves: sums and products that hold the result, and
//! the one question that they can answer for certain, whether two of them differ.

use crate::helpers::Outcome;
use lossproof::case::Case;
use lossproof::oracle::{Bounds, prove_with_bounds};
use rug::Float;
use rug::float::Round;

/// Bits of the ends: more than the 45 digits of a bound have.
const BITS: u32 = 256;

/// A closed interval that holds a real number; its ends may be infinite.
#[derive(Clone, Debug)]
pub struct Real {
    low: Float,
    high: Float,
}

impl Real {
    pub fn of(x: f64) -> Real {
        Real { low: Float::with_val(BITS, x), high: Float::with_val(BITS, x) }
    }

    fn parse(bounds: &Bounds) -> Option<Real> {
        let (low, high) = bounds.as_ref()?;
        let read = |text: &str, round| {
            Float::parse(text).ok().map(|parsed| Float::with_val_round(BITS, parsed, round).0)
        };
        Some(Real { low: read(low, Round::Down)?, high: read(high, Round::Up)? })
    }

    pub fn plus(&self, other: &Real) -> Real {
        Real {
            low: Float::with_val_round(BITS, &self.low + &other.low, Round::Down).0,
            high: Float::with_val_round(BITS, &self.high + &other.high, Round::Up).0,
        }
    }

    pub fn negated(&self) -> Real {
        Real { low: Float::with_val(BITS, -&self.high), high: Float::with_val(BITS, -&self.low) }
    }

    pub fn minus(&self, other: &Real) -> Real {
        self.plus(&other.negated())
    }

    pub fn times(&self, other: &Real) -> Real {
        let ends = [
            (&self.low, &other.low),
            (&self.low, &other.high),
            (&self.high, &other.low),
            (&self.high, &other.high),
        ];
        let product = |round| ends.map(|(x, y)| Float::with_val_round(BITS, x * y, round).0);
        let low = product(Round::Down).into_iter().reduce(|x, y| x.min(&y)).expect("four products");
        let high = product(Round::Up).into_iter().reduce(|x, y| x.max(&y)).expect("four products");
        Real { low, high }
    }

    /// Whether the number may be 0.
    pub fn may_be_zero(&self) -> bool {
        !(self.low > 0 || self.high < 0)
    }

    /// Whether the number may be at least 0.
    pub fn may_be_nonnegative(&self) -> bool {
        // NaN, from infinities, says nothing.
        let negative = self.high < 0;
        !negative
    }

    /// Whether both may be one number.
    pub fn meets(&self, other: &Real) -> bool {
        self.minus(other).may_be_zero()
    }

    /// What holds the true ends of a set, of which these are outward-rounded to 45 digits.
    pub fn ends(&self) -> [Real; 2] {
        let near = |x: &Float| {
            let slack = Float::with_val(BITS, x.abs_ref()) >> 140;
            Real {
                low: Float::with_val_round(BITS, x - &slack, Round::Down).0,
                high: Float::with_val_round(BITS, x + &slack, Round::Up).0,
            }
        };
        [near(&self.low), near(&self.high)]
    }

    pub fn sum<'a>(terms: impl IntoIterator<Item = &'a Real>) -> Real {
        terms.into_iter().fold(Real::of(0.0), |sum, term| sum.plus(term))
    }
}

/// A proved output: an interval for each element, nothing where it is undefined, and whether the element is a set.
pub struct Proved {
    pub name: String,
    pub elements: Vec<Option<Real>>,
    pub is_set: Vec<bool>,
}

impl Proved {
    /// Its elements, where every one is a finite number and no set.
    pub fn numbers(&self) -> Option<Vec<Real>> {
        if self.is_set.iter().any(|&is_set| is_set) {
            return None;
        }
        let finite =
            |real: &Option<Real>| real.clone().filter(|real| real.low.is_finite() && real.high.is_finite());
        self.elements.iter().map(finite).collect()
    }
}

/// The proved outputs of a case.
pub fn prove(case: &Case) -> Vec<Proved> {
    let outputs = prove_with_bounds(case).expect("the loss is known");
    let outputs = outputs.into_iter().map(|(truth, bounds)| Proved {
        name: truth.name,
        is_set: truth.elements.iter().map(|element| element.kind() == "set").collect(),
        elements: bounds.iter().map(Real::parse).collect(),
    });
    outputs.collect()
}

/// The numbers of one output, where they are finite and no sets.
pub fn numbers(outputs: &[Proved], name: &str) -> Option<Vec<Real>> {
    outputs.iter().find(|output| output.name == name)?.numbers()
}

/// Pairs that may be equal; the first that are not otherwise.
pub fn meet(name: &str, found: &[Real], expected: &[Real]) -> Outcome {
    match found.iter().zip(expected).position(|(x, y)| !x.meets(y)) {
        Some(at) => Err(format!("{name}[{at}] is {:?}, not {:?}", found[at], expected[at])),
        None => Ok(found.len()),
    }
}
