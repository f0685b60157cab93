//! Exact values that no precision decides: √a/n − √b/m with equal terms is 0 and (1/3)·6 is 2, and their balls straddle these
//! numbers for ever.
//!
//! A monomial is ±(R)^(1/k) · ∏ atoms, R an exact positive rational; the atoms are positive numbers without an
//! exact form, known by their arguments. Two monomials with the same parts are the same number. [`Parts`] are a sum of monomials,
//! and may say that the number lies strictly beside that sum, as one-sided balls do. *Sound*: terms are only put together
//! where their ratio is exactly rational. Not complete: `None` means "not known".

#[cfg(test)]
mod tests;

use super::ball::{Ball, Place, Side, joined};
use super::elementary::small_fraction;
use super::radius::Radius;
use super::tails::{self, Tails};
use crate::graph::Power;
use rug::{Float, Integer, Rational, ops::Pow};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// ±radicand^(1/degree) · ∏ atom^power, which is not 0.
#[derive(Clone, Debug)]
struct Monomial {
    negative: bool,
    radicand: Rational,
    degree: u32,
    atoms: Vec<(Atom, f64)>,
}

/// The exact parts of a row's norm, computed once a row.
pub struct RowParts {
    norm: Monomial,
    p: f64,
    /// The derivative's size where it is the same for all coordinates that are not 0.
    slope: Option<Monomial>,
}

impl RowParts {
    /// Of a row that is not 0, all of whose coordinates are exact.
    pub fn of(row: &[&Ball], p: Power, epsilon: f64) -> Option<RowParts> {
        let Power::Finite(p) = p else { return None };
        if epsilon == 0.0
            && let Some((norm, slope)) = RowParts::of_equals(row, p)
        {
            return Some(RowParts { norm, p, slope: Some(slope) });
        }
        Some(RowParts { norm: Monomial::norm_of(row, p, epsilon)?, p, slope: None })
    }

    /// The norm and the size of its derivative for a row whose m coordinates that are not 0 all have the size s, to a degree
    /// p = a/2^k: (m·s^p)^(1/p) = (s^a·m^(2^k))^(1/a), and (s/norm)^(p−1) = m^(−(p−1)/p) = (m^(a−2^k))^(−1/a).
    fn of_equals(row: &[&Ball], p: f64) -> Option<(Monomial, Monomial)> {
        let (a, k) = small_fraction(p)?;
        let mut nonzero = row.iter().filter(|x| !x.is_zero());
        let size = Monomial::exact(nonzero.next()?)?.radicand;
        let mut count = Integer::from(1);
        for x in nonzero {
            count += 1;
            if Monomial::exact(x)?.radicand != size {
                return None;
            }
        }
        let bits = size.numer().significant_bits() + size.denom().significant_bits();
        if bits * a > MOST_BITS {
            return None;
        }
        let root = |radicand: Rational| Monomial { radicand, degree: a, ..Monomial::one() };
        let norm = root(size.pow(a) * count.clone().pow(1u32 << k));
        let slope = root(Rational::from((Integer::from(1), count.pow(a - (1u32 << k)))));
        Some((norm, slope))
    }

    /// Makes it hold the same memory as rows of the same sizes that were known before.
    pub fn shared(mut self, known: &mut KnownSizes) -> RowParts {
        for (atom, _) in &mut self.norm.atoms {
            if let Atom::Norm { sizes, .. } = atom {
                let first = known.0.entry(sizes.hash).or_insert_with(|| Arc::clone(sizes));
                if first == sizes {
                    *sizes = Arc::clone(first);
                }
            }
        }
        self
    }

    /// The norm.
    pub fn norm(&self) -> Parts {
        Parts::from(self.norm.clone())
    }

    /// The derivative by a coordinate that is exact and not 0.
    pub fn slope(&self, x: &Ball) -> Option<Parts> {
        let own = Monomial::exact(x)?;
        let (negative, size) = (own.negative, Monomial { negative: false, ..own });
        let slope = match &self.slope {
            Some(slope) => slope.clone(),
            None if self.p.fract() == 0.0 && self.p <= MOST_DEGREE => {
                size.div(self.norm.clone())?.power(self.p as u32 - 1)?
            }
            None => {
                let mut slope = Monomial::atom(self.p - 1.0, f64::NEG_INFINITY, &[x])?;
                let powers =
                    self.norm.atoms.iter().map(|(atom, power)| (atom.clone(), power * (1.0 - self.p)));
                slope.atoms.extend(powers);
                slope
            }
        };
        Some(Parts::from(Monomial { negative, ..slope }))
    }
}

/// A positive number that has no exact form, known by its exact arguments.
#[derive(Clone, Debug, PartialEq)]
enum Atom {
    /// The norm of these sizes to a degree.
    Norm { p: f64, epsilon: f64, sizes: Arc<Sizes> },
    /// ln(1 + e^−size).
    Tail(Float),
    /// ln n of a whole number n ≥ 2.
    Ln(Integer),
    /// e^x.
    Exp(Float),
}

/// The sizes of a row, sorted, and a hash of them. Every element of a gradient asks whether its row's sizes are those of another
/// row: without the hash, and without one memory for equal ones, long rows would be gone through each time.
#[derive(Debug)]
struct Sizes {
    sorted: Vec<Float>,
    hash: u64,
}

impl Sizes {
    fn of(mut sizes: Vec<Float>) -> Sizes {
        sizes.sort_by(|a, b| a.total_cmp(b));
        let mut hasher = DefaultHasher::new();
        // Equal numbers have equal f64s, whatever their precisions are.
        sizes.iter().for_each(|size| size.to_f64().to_bits().hash(&mut hasher));
        Sizes { sorted: sizes, hash: hasher.finish() }
    }
}

impl PartialEq for Sizes {
    fn eq(&self, other: &Sizes) -> bool {
        std::ptr::eq(self, other) || self.hash == other.hash && self.sorted == other.sorted
    }
}

/// The sizes of rows, by their hashes; of several with one hash the first.
#[derive(Default)]
pub struct KnownSizes(HashMap<u64, Arc<Sizes>>);

/// Beyond this many bits a rational is not worth building.
const MOST_BITS: u32 = 1 << 16;

/// Norms of whole degrees up to this one are roots of rationals.
const MOST_DEGREE: f64 = 8.0;

/// A number as a sum of monomials, of which no two have a known rational ratio, and of tails; or on one side of that sum.
#[derive(Clone, Debug)]
pub struct Parts {
    terms: Vec<Monomial>,
    tails: Tails,
    side: Side,
}

impl Parts {
    /// What an exact or one-sided ball says.
    pub fn of(x: &Ball) -> Option<Parts> {
        let Ball::Finite { mid, side, .. } = x else { return None };
        if !(x.is_exact() || x.is_one_sided()) || mid.get_exp().is_some_and(|e| e.unsigned_abs() > MOST_BITS)
        {
            return None;
        }
        Some(Parts { side: *side, ..Parts::rational(mid.to_rational()?) })
    }

    /// An exact rational.
    pub fn rational(x: Rational) -> Parts {
        Parts { terms: Monomial::rational(x).into_iter().collect(), tails: Tails::default(), side: Side::Any }
    }

    /// ±√radicand, of a rational that is at least 0.
    pub fn root(negative: bool, radicand: Rational) -> Parts {
        if radicand == 0 {
            return Parts::rational(radicand);
        }
        Parts::from(Monomial { negative, radicand, degree: 2, atoms: Vec::new() })
    }

    /// An exact number and tails.
    pub fn beside_exact(x: &Ball, tails: Tails) -> Option<Parts> {
        Some(Parts { tails, ..Parts::exactly(x)? })
    }

    /// −x.
    pub fn neg(self) -> Parts {
        let terms = self.terms.into_iter().map(Monomial::neg).collect();
        Parts { terms, tails: self.tails.times(&Ball::one().neg()), side: self.side.flipped() }
    }

    /// a + b, unless they lie on different sides of their sums.
    pub fn add(mut self, other: Parts) -> Option<Parts> {
        let some = |side| if side == Side::Any { Radius::ZERO } else { Radius::ONE };
        let side = joined((some(self.side), self.side), (some(other.side), other.side));
        if side == Side::Any && self.side != other.side {
            return None;
        }
        for term in other.terms {
            let mut known = None;
            for (at, own) in self.terms.iter().enumerate() {
                // A ratio that is too large to write may be rational: then nothing is known.
                if let Some(ratio) = term.clone().div(own.clone())?.to_rational() {
                    known = Some((at, ratio + 1u32));
                    break;
                }
            }
            match known {
                None => self.terms.push(term),
                Some((at, factor)) => {
                    let own = self.terms.swap_remove(at);
                    if let Some(factor) = Monomial::rational(factor) {
                        self.terms.push(own.mul(factor)?);
                    }
                }
            }
        }
        Some(Parts { terms: self.terms, tails: self.tails.and(other.tails), side })
    }

    /// a · b, where one is a single exact monomial.
    pub fn mul(self, other: Parts) -> Option<Parts> {
        let single = |x: &Parts| x.side == Side::Any && x.tails.is_empty() && x.terms.len() <= 1;
        let (factor, rest) = match (single(&self), single(&other)) {
            (true, _) => (self, other),
            (_, true) => (other, self),
            _ => return None,
        };
        let Some(factor) = factor.terms.into_iter().next() else {
            return Some(Parts::rational(Rational::new()));
        };
        let side = if factor.negative { rest.side.flipped() } else { rest.side };
        let tails = match rest.tails.is_empty() {
            true => rest.tails,
            false => rest.tails.times(&ball(&factor.to_rational()?)),
        };
        let terms = rest.terms.into_iter().map(|term| term.mul(factor.clone()));
        Some(Parts { terms: terms.collect::<Option<_>>()?, tails, side })
    }

    /// a / b, where b is a single monomial, exact; or positive and above it, and a has a single term.
    pub fn div(self, other: Parts) -> Option<Parts> {
        let [divisor] = &other.terms[..] else { return None };
        let exact = other.tails.is_empty() && (other.side == Side::Any || self.tails.is_empty());
        if !exact {
            return None;
        }
        let moved = match (other.side, &self.terms[..]) {
            (Side::Any, _) => Side::Any,
            // The greater the divisor, the nearer to 0.
            (Side::Above, [own]) if !divisor.negative => {
                if own.negative {
                    Side::Above
                } else {
                    Side::Below
                }
            }
            _ => return None,
        };
        let quotient = self.mul(Parts::from(divisor.clone().reciprocal()))?;
        match (quotient.side, moved) {
            (_, Side::Any) => Some(quotient),
            (Side::Any, side) => Some(Parts { side, ..quotient }),
            (own, side) => (own == side).then_some(quotient),
        }
    }

    /// ln(1 + e^z) = max(z, 0) + ln(1 + e^−|z|) of an exact z.
    pub fn softplus(z: &Ball) -> Option<Parts> {
        let Ball::Finite { mid, .. } = z else { return None };
        let atom = Monomial { atoms: vec![(Atom::Tail(Float::clone(mid).abs()), 1.0)], ..Monomial::one() };
        if mid.is_sign_negative() {
            return z.is_exact().then(|| Parts::from(atom));
        }
        Parts::of(z).filter(|z| z.side == Side::Any)?.add(Parts::from(atom))
    }

    /// ln x of an exact x above 0, as k·ln 2 + ln n for x = n·2^k with an odd n: the logarithms of 2 and of ½, and whatever
    /// else makes a product of 1, cancel. ln 1 = 0 has no term.
    pub fn ln(x: &Ball) -> Option<Parts> {
        let Ball::Finite { mid, .. } = x else { return None };
        if !x.is_exact() || mid.is_zero() || mid.is_sign_negative() {
            return None;
        }
        let (mantissa, exponent) = mid.to_integer_exp()?;
        let zeros = mantissa.find_one(0)?;
        let odd = mantissa >> zeros;
        let logarithm = |n: Integer| Monomial { atoms: vec![(Atom::Ln(n), 1.0)], ..Monomial::one() };
        let power = exponent.checked_add(i32::try_from(zeros).ok()?)?;
        let twos = match Monomial::rational(Rational::from(power)) {
            Some(k) => Parts::from(k.mul(logarithm(Integer::from(2)))?),
            None => Parts::rational(Rational::new()),
        };
        if odd == 1 { Some(twos) } else { twos.add(Parts::from(logarithm(odd))) }
    }

    /// t·(ln t − x) of exact numbers, t = 2^e: t·e·ln 2 − t·x. For a t that is no power of two it is irrational, and so is a
    /// sum with it: every odd prime's logarithm then has a factor above 0. Powers of two may cancel: 2·ln 2 + 4·¼·ln ¼ = 0.
    pub fn kl_div(t: &Ball, x: &Ball) -> Option<Parts> {
        let Ball::Finite { mid, .. } = t else { return None };
        let e = mid.get_exp().filter(|_| t.is_exact())? - 1;
        if **mid != Float::with_val(2, 1) << e {
            return None;
        }
        let ln_2 =
            Parts::from(Monomial { atoms: vec![(Atom::Ln(Integer::from(2)), 1.0)], ..Monomial::one() });
        let logarithm = ln_2.mul(Parts::rational(Rational::from(e)))?;
        logarithm.add(Parts::exactly(x)?.neg())?.mul(Parts::exactly(t)?)
    }

    /// e^t·(t − x) of exact numbers. Equal t may cancel; powers of e to different rational numbers never do.
    pub fn kl_div_log(t: &Ball, x: &Ball) -> Option<Parts> {
        let gap = Parts::exactly(t)?.add(Parts::exactly(x)?.neg())?;
        let Ball::Finite { mid, .. } = t else { return None };
        let atoms = if mid.is_zero() { Vec::new() } else { vec![(Atom::Exp(Float::clone(mid)), 1.0)] };
        gap.mul(Parts::from(Monomial { atoms, ..Monomial::one() }))
    }

    /// An exact ball.
    fn exactly(x: &Ball) -> Option<Parts> {
        Parts::of(x).filter(|parts| parts.side == Side::Any)
    }

    /// The side of the other terms' sum on which the number is, where these terms and the tails are all of one sign: every
    /// monomial's sign is known.
    fn beside<'a>(&self, others: impl Iterator<Item = &'a Monomial>) -> Option<Side> {
        let tails = match self.tails.place() {
            Place::Zero => None,
            Place::Straddles => return None,
            place => Some(place == Place::Negative),
        };
        others.map(|term| term.negative).chain(tails).try_fold(self.side, |side, negative| {
            let own = if negative { Side::Below } else { Side::Above };
            (side == Side::Any || side == own).then_some(own)
        })
    }

    /// The side of 0 on which the number is, `Any` for 0 itself, where its terms tell.
    pub fn sign(&self) -> Option<Side> {
        self.beside(self.terms.iter())
    }

    /// The number itself, or one that it is strictly beside, where that is a dyadic rational: all of its digits.
    pub fn to_exact(&self) -> Option<(Float, Side)> {
        let rational: Rational = self.terms.iter().filter_map(Monomial::to_rational).sum();
        let side = self.beside(self.terms.iter().filter(|term| term.to_rational().is_none()))?;
        if !rational.denom().is_power_of_two() {
            return None;
        }
        let bits = rational.numer().significant_bits().max(2);
        let exponent = rational.denom().significant_bits() - 1;
        Some((Float::with_val(bits, rational.numer()) >> exponent, side))
    }
}

/// A rational as a ball of the tails' precision.
fn ball(x: &Rational) -> Ball {
    let exact = |n: &Integer| Ball::exact(Float::with_val(n.significant_bits().max(2), n));
    exact(x.numer()).div(&exact(x.denom()), tails::PRECISION)
}

impl From<Monomial> for Parts {
    fn from(term: Monomial) -> Parts {
        Parts { terms: vec![term], tails: Tails::default(), side: Side::Any }
    }
}

impl Monomial {
    /// A rational; `None` for 0.
    fn rational(x: Rational) -> Option<Monomial> {
        let negative = x < 0;
        (x != 0).then(|| Monomial { negative, radicand: x.abs(), degree: 1, atoms: Vec::new() })
    }

    /// An exact number; `None` for 0.
    fn exact(x: &Ball) -> Option<Monomial> {
        let parts = Parts::of(x).filter(|parts| parts.side == Side::Any)?;
        parts.terms.into_iter().next()
    }

    fn one() -> Monomial {
        Monomial { negative: false, radicand: Rational::from(1), degree: 1, atoms: Vec::new() }
    }

    /// −x.
    fn neg(mut self) -> Monomial {
        self.negative = !self.negative;
        self
    }

    /// a · b.
    fn mul(self, other: Monomial) -> Option<Monomial> {
        // The common degree is the product: small degrees only come together here.
        let degree = match self.degree == other.degree {
            true => self.degree,
            false => self.degree.checked_mul(other.degree)?,
        };
        let lift = |m: &Monomial| -> Option<Rational> {
            let power = degree / m.degree;
            let bits = m.radicand.numer().significant_bits() + m.radicand.denom().significant_bits();
            (bits.checked_mul(power)? < MOST_BITS).then(|| m.radicand.clone().pow(power))
        };
        let mut atoms = self.atoms.clone();
        for (atom, power) in &other.atoms {
            match atoms.iter_mut().find(|(known, _)| known == atom) {
                Some((_, sum)) => *sum += power,
                None => atoms.push((atom.clone(), *power)),
            }
        }
        atoms.retain(|(_, power)| *power != 0.0);
        let radicand = lift(&self)? * lift(&other)?;
        Some(Monomial { negative: self.negative != other.negative, radicand, degree, atoms })
    }

    /// The number, where it is known to be rational.
    fn to_rational(&self) -> Option<Rational> {
        if !self.atoms.is_empty() {
            return None;
        }
        let root = |x: &Integer| {
            let (root, rest) = x.clone().root_rem(Integer::new(), self.degree);
            (rest == 0).then_some(root)
        };
        let size = Rational::from((root(self.radicand.numer())?, root(self.radicand.denom())?));
        Some(if self.negative { -size } else { size })
    }

    /// 1/x.
    fn reciprocal(mut self) -> Monomial {
        self.radicand = self.radicand.recip();
        self.atoms.iter_mut().for_each(|(_, power)| *power = -*power);
        self
    }

    /// a / b.
    fn div(self, other: Monomial) -> Option<Monomial> {
        self.mul(other.reciprocal())
    }

    /// x^n of a number that is not negative.
    fn power(self, n: u32) -> Option<Monomial> {
        (0..n).try_fold(Monomial::one(), |product, _| product.mul(self.clone()))
    }

    fn norm_of(row: &[&Ball], p: f64, epsilon: f64) -> Option<Monomial> {
        if p.fract() != 0.0 || p > MOST_DEGREE {
            return Monomial::atom(p, epsilon, row);
        }
        let start = Rational::from_f64(epsilon)?;
        let radicand = row.iter().filter(|x| !x.is_zero()).try_fold(start, |sum, x| {
            let size = Monomial::exact(x)?.radicand;
            let bits = (size.numer().significant_bits() + size.denom().significant_bits()) * p as u32;
            (bits < MOST_BITS).then(|| sum + size.pow(p as u32))
        })?;
        Some(Monomial { degree: p as u32, ..Monomial::rational(radicand)? })
    }

    /// The norm of exact coordinates, not all of them 0 unless ε is above.
    fn atom(p: f64, epsilon: f64, row: &[&Ball]) -> Option<Monomial> {
        let mut sizes = Vec::new();
        for x in row {
            match x {
                Ball::Finite { mid, .. } if x.is_exact() && !mid.is_zero() => {
                    sizes.push(Float::clone(mid).abs())
                }
                x if x.is_zero() => {}
                _ => return None,
            }
        }
        let some = !sizes.is_empty() || epsilon > 0.0;
        some.then(|| {
            let sizes = Arc::new(Sizes::of(sizes));
            Monomial { atoms: vec![(Atom::Norm { p, epsilon, sizes }, 1.0)], ..Monomial::one() }
        })
    }
}
