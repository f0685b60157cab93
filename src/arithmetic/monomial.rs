//! Exact values that no precision decides: √a/n − √b/m with equal terms is 0 and (1/3)·6 is 2, and their balls straddle these
//! numbers for ever.
//!
//! A monomial is ±(R)^(1/k) · ∏ atoms, R an exact rational, or a number just beside that, as one-sided balls are; the atoms are norms of a degree that has no exact root, known by
//! their coordinates. Two monomials with the same parts are the same number. *Sound*: equality is only claimed where the
//! parts are equal exactly. Not complete: `None` means "not known".

use super::ball::{Ball, Side};
use super::elementary::small_fraction;
use crate::graph::Power;
use rug::{Float, Integer, Rational, ops::Pow};

/// ±radicand^(1/degree) · ∏ atom^power.
#[derive(Clone, Debug, PartialEq)]
pub struct Monomial {
    negative: bool,
    radicand: Rational,
    degree: u32,
    atoms: Vec<(Atom, f64)>,
    drift: Drift,
}

/// Whether the magnitude is that of the parts, or differs from it by an unknown small amount.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Drift {
    None,
    Up,
    Down,
}

impl Drift {
    fn flipped(self) -> Drift {
        match self {
            Drift::None => Drift::None,
            Drift::Up => Drift::Down,
            Drift::Down => Drift::Up,
        }
    }

    /// Of a product of magnitudes, or of a sum of numbers of one sign.
    fn joined(self, other: Drift) -> Option<Drift> {
        match (self, other) {
            (Drift::None, drift) | (drift, Drift::None) => Some(drift),
            (a, b) => (a == b).then_some(a),
        }
    }
}

/// The norm of these sorted sizes to a degree, which has no exact form.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    p: f64,
    epsilon: f64,
    sizes: Vec<Float>,
}

/// Beyond this many bits a rational is not worth building.
const MOST_BITS: u32 = 1 << 16;

impl Monomial {
    /// An exact number.
    pub fn exact(x: &Ball) -> Option<Monomial> {
        Monomial::near(x).filter(|monomial| monomial.drift == Drift::None)
    }

    /// An exact number, or one just beside a number that is not 0.
    pub fn near(x: &Ball) -> Option<Monomial> {
        let Ball::Finite { mid, side, .. } = x else { return None };
        if mid.get_exp().is_some_and(|e| e.unsigned_abs() > MOST_BITS) {
            return None;
        }
        let drift = match side {
            _ if x.is_exact() => Drift::None,
            Side::Any => return None,
            _ if mid.is_zero() => return None,
            Side::Above => Drift::Up,
            Side::Below => Drift::Down,
        };
        let radicand = mid.to_rational()?;
        let negative = radicand < 0;
        let drift = if negative { drift.flipped() } else { drift };
        Some(Monomial { negative, radicand: radicand.abs(), degree: 1, atoms: Vec::new(), drift })
    }

    fn one() -> Monomial {
        let (radicand, atoms) = (Rational::from(1), Vec::new());
        Monomial { negative: false, radicand, degree: 1, atoms, drift: Drift::None }
    }

    /// −x.
    pub fn neg(mut self) -> Monomial {
        self.negative = !self.negative;
        self
    }

    /// a · b.
    pub fn mul(self, other: Monomial) -> Option<Monomial> {
        // The common degree is the product: small degrees only come together here.
        let degree = if self.degree == other.degree { self.degree } else { self.degree * other.degree };
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
        let drift = self.drift.joined(other.drift)?;
        Some(Monomial { negative: self.negative != other.negative, radicand, degree, atoms, drift })
    }

    /// a + b of rationals, or of a number with itself.
    pub fn add(self, other: Monomial) -> Option<Monomial> {
        for (zero, term) in [(&self, &other), (&other, &self)] {
            if zero.radicand == 0 && zero.drift == Drift::None {
                return Some(term.clone());
            }
        }
        if self.has_parts_of(&other) {
            let drift = self.drift.joined(other.drift)?;
            let sum = self.mul(Monomial { radicand: Rational::from(2), ..Monomial::one() });
            return sum.map(|sum| Monomial { drift, ..sum });
        }
        if self.equals(&other.clone().neg()) {
            return Some(Monomial { radicand: Rational::new(), ..Monomial::one() });
        }
        if self.degree != 1 || other.degree != 1 || !self.atoms.is_empty() || !other.atoms.is_empty() {
            return None;
        }
        // Here drifts are taken upward on the number line, not in magnitude.
        let upward = |drift: Drift, negative: bool| if negative { drift.flipped() } else { drift };
        let drift = upward(self.drift, self.negative).joined(upward(other.drift, other.negative))?;
        let signed = |m: Monomial| if m.negative { -m.radicand } else { m.radicand };
        let sum = signed(self) + signed(other);
        let bits = sum.numer().significant_bits() + sum.denom().significant_bits();
        let negative = sum < 0;
        let drift = upward(drift, negative);
        (bits < MOST_BITS).then(|| Monomial { negative, radicand: sum.abs(), drift, ..Monomial::one() })
    }

    /// The number itself, where it is a dyadic rational: all of its digits, and on which side of it the number is.
    pub fn to_exact(&self) -> Option<(Float, Side)> {
        if !self.atoms.is_empty() {
            return None;
        }
        let root = |x: &Integer| {
            let (root, rest) = x.clone().root_rem(Integer::new(), self.degree);
            (rest == 0).then_some(root)
        };
        let (numerator, denominator) = (root(self.radicand.numer())?, root(self.radicand.denom())?);
        if !denominator.is_power_of_two() {
            return None;
        }
        let numerator = if self.negative { -numerator } else { numerator };
        let bits = numerator.significant_bits().max(2);
        let exponent = denominator.significant_bits() - 1;
        let side = match (self.drift, self.negative) {
            (Drift::None, _) => Side::Any,
            (Drift::Up, false) | (Drift::Down, true) => Side::Above,
            (Drift::Down, false) | (Drift::Up, true) => Side::Below,
        };
        Some((Float::with_val(bits, numerator) >> exponent, side))
    }

    /// a / b for a b that is not 0.
    pub fn div(self, mut other: Monomial) -> Option<Monomial> {
        if other.radicand == 0 {
            return None;
        }
        other.radicand = other.radicand.recip();
        other.drift = other.drift.flipped();
        other.atoms.iter_mut().for_each(|(_, power)| *power = -*power);
        self.mul(other)
    }

    /// x^n of a number that is not negative.
    fn power(self, n: u32) -> Option<Monomial> {
        (0..n).try_fold(Monomial::one(), |product, _| product.mul(self.clone()))
    }

    /// The norm of a row, and with `i` its derivative by xᵢ, where all coordinates are exact.
    pub fn norm(row: &[&Ball], p: Power, epsilon: f64, i: Option<usize>) -> Option<Monomial> {
        let Power::Finite(p) = p else { return None };
        let sizes: Vec<Monomial> = row.iter().map(|x| Monomial::exact(x)).collect::<Option<_>>()?;
        if epsilon == 0.0
            && let Some(equal) = Monomial::norm_of_equals(&sizes, p, i)
        {
            return Some(equal);
        }
        let norm = Monomial::norm_of(&sizes, row, p, epsilon)?;
        let Some(i) = i else { return Some(norm) };
        let size = Monomial { negative: false, ..sizes[i].clone() };
        if size.radicand == 0 || norm.radicand == 0 {
            return None;
        }
        let mut slope = if p.fract() == 0.0 && p <= 8.0 {
            size.div(norm)?.power(p as u32 - 1)?
        } else {
            let mut slope = Monomial::atom(p - 1.0, f64::NEG_INFINITY, row[i..=i].iter().copied(), 1.0)?;
            for (atom, power) in norm.atoms {
                slope.atoms.push((atom, power * (1.0 - p)));
            }
            slope
        };
        slope.negative = sizes[i].negative;
        Some(slope)
    }

    /// The norm, or its derivative by xᵢ, of a row whose m coordinates that are not 0 all have the size s, to a degree
    /// p = a/2^k: (m·s^p)^(1/p) = (s^a·m^(2^k))^(1/a), and (s/norm)^(p−1) = m^(−(p−1)/p) = (m^(a−2^k))^(−1/a).
    fn norm_of_equals(sizes: &[Monomial], p: f64, i: Option<usize>) -> Option<Monomial> {
        let (a, k) = small_fraction(p)?;
        let mut nonzero = sizes.iter().filter(|x| x.radicand != 0);
        let size = &nonzero.next()?.radicand;
        if nonzero.any(|x| x.radicand != *size) {
            return None;
        }
        let count = Integer::from(sizes.iter().filter(|x| x.radicand != 0).count());
        if (size.numer().significant_bits() + size.denom().significant_bits()) * a > MOST_BITS {
            return None;
        }
        let (radicand, negative) = match i {
            None => (size.clone().pow(a) * count.pow(1u32 << k), false),
            Some(i) if sizes[i].radicand == 0 => return None,
            Some(i) => (Rational::from((Integer::from(1), count.pow(a - (1u32 << k)))), sizes[i].negative),
        };
        Some(Monomial { negative, radicand, degree: a, ..Monomial::one() })
    }

    fn norm_of(sizes: &[Monomial], row: &[&Ball], p: f64, epsilon: f64) -> Option<Monomial> {
        if p.fract() != 0.0 || p > 8.0 {
            return Monomial::atom(p, epsilon, row.iter().copied(), 1.0);
        }
        let start = Rational::from_f64(epsilon)?;
        let radicand = sizes.iter().try_fold(start, |sum, x| {
            let bits =
                (x.radicand.numer().significant_bits() + x.radicand.denom().significant_bits()) * p as u32;
            (bits < MOST_BITS).then(|| sum + x.radicand.clone().pow(p as u32))
        })?;
        Some(Monomial { radicand, degree: p as u32, ..Monomial::one() })
    }

    fn atom<'a>(p: f64, epsilon: f64, row: impl Iterator<Item = &'a Ball>, power: f64) -> Option<Monomial> {
        let mut sizes = Vec::new();
        for x in row {
            match x {
                Ball::Finite { mid, .. } if x.is_exact() && !mid.is_zero() => sizes.push(mid.clone().abs()),
                x if x.is_zero() => {}
                _ => return None,
            }
        }
        sizes.sort_by(|a, b| a.total_cmp(b));
        Some(Monomial { atoms: vec![(Atom { p, epsilon, sizes }, power)], ..Monomial::one() })
    }

    /// Whether both are known to be the same number.
    pub fn equals(&self, other: &Monomial) -> bool {
        self.drift == Drift::None && other.drift == Drift::None && self.has_parts_of(other)
    }

    /// Whether both are the same number but for their drifts.
    fn has_parts_of(&self, other: &Monomial) -> bool {
        if self.radicand == 0 || other.radicand == 0 {
            return self.radicand == other.radicand;
        }
        if self.negative != other.negative {
            return false;
        }
        // a^(1/k) = b^(1/l) if a^l = b^k.
        let same_root = if self.degree == other.degree {
            self.radicand == other.radicand
        } else {
            self.radicand.clone().pow(other.degree) == other.radicand.clone().pow(self.degree)
        };
        let holds = |a: &[(Atom, f64)], b: &[(Atom, f64)]| a.iter().all(|atom| b.contains(atom));
        same_root && holds(&self.atoms, &other.atoms) && holds(&other.atoms, &self.atoms)
    }
}
