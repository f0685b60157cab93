//! The factors of an element that products and quotients make, and what the other orders of them may lose or leave the range in.

use super::ball::{Ball, growth, times};
use super::model::{DIVIDE_IN_U, Model};
use super::range::{LEFT, MET};
use super::views::broadcast;
use crate::graph::Op;
use std::rc::Rc;

/// What is known of the factors of one element: a product of leaves, which are elements that no product made.
#[derive(Copy, Clone, Debug)]
pub(super) struct Product {
    /// The factors below 1 multiplied: the smallest partial product of any order.
    pub below: f64,
    /// The factors above 1 multiplied: the largest.
    pub above: f64,
    /// How many factors are not ±1.
    pub factors: u32,
    /// How many of those are multiplied, and how many divided by, that are no powers of two: those round.
    pub multiplied: u32,
    pub divided: u32,
    /// The bits that the product of the multiplied ones needs at most.
    pub bits: u32,
    /// Σ r/|m| of the leaves.
    pub relative: f64,
    /// The product with, in a leaf's place that is a sum, the sum of its terms' magnitudes; 0 where no leaf is one. A kernel may
    /// multiply the terms before it adds them up, as reverse accumulation does that goes through the sum.
    pub scattered: f64,
    /// How many factors make that sum, and how many of them are multiplied.
    pub own: (u32, u32),
    /// Of a term of that sum that is multiplied by a number and divided by it again, as the derivative of t·ln t is: the product
    /// between, and the term with all other factors.
    pub detour: Option<(f64, f64)>,
    /// Whether a partial product that leaves the range meets a 0 or its opposite.
    pub meets: bool,
    /// Whether a factor is exactly 0, which makes 0 of whatever the others have lost.
    pub zero: bool,
    /// What is lost inside of leaves that are themselves made of factors.
    pub inside: Inside,
}

/// A leaf that kernels compute from factors, a factor that comes from above among them: the derivative of a norm or a cosine.
#[derive(Copy, Clone, Debug)]
pub(super) struct Inside {
    /// Its smallest partial product that is not exactly 0.
    pub least: f64,
    /// What underflows make of it at most where the factor from above has come before.
    pub lost: f64,
    /// What those make of it that know no other factor, and are multiplied by it.
    pub own: f64,
    /// The sizes of its terms added up.
    pub size: f64,
}

impl Inside {
    /// Of what no underflow can hit.
    pub const NOTHING: Inside = Inside { least: 1.0, lost: 0.0, own: 0.0, size: 0.0 };
    /// Rounded to nearest, a product that is not 0 stays between 0 and twice what it is, and so it does where it is flushed: six
    /// products one after the other are off by no more than so many times their size, however small it is.
    const MOST: f64 = 63.0;

    /// The error that all this makes.
    fn error(&self, model: &Model) -> f64 {
        if self.least >= 2.0 * model.compute.min_normal() {
            return 0.0;
        }
        let size = self.size + self.own;
        // A size below f64's own range says nothing.
        self.own + if size > 0.0 { self.lost.min(Inside::MOST * size) } else { self.lost }
    }
}

/// Of each element its factors; nothing where no product made the node, or nothing asks for them ([`Product::passes_on`]).
pub(super) type Products = Option<Factors>;

/// The factors of each element; a product that stands for many elements in a row is kept once.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    products: Rc<[Product]>,
    /// How many elements in a row each stands for.
    each: usize,
}

impl Factors {
    /// Those of an element.
    pub fn get(&self, i: usize) -> Product {
        self.products[i / self.each]
    }

    /// Of the elements repeated to another shape.
    pub fn broadcast(&self, from: &[usize], to: &[usize]) -> Factors {
        if to.contains(&0) {
            return Factors::from_iter([]);
        }
        let kept = from.len() - from.iter().rev().take_while(|&&extent| extent == 1).count();
        let times = to[kept.min(to.len())..].iter().product::<usize>();
        // One element, or axes of extent 1 at the end: the same elements, longer in a row each.
        if from.len() == to.len() && from[..kept] == to[..kept] || kept == 0 {
            return Factors { products: self.products.clone(), each: self.each * times.max(1) };
        }
        let each: Vec<Product> = (0..from.iter().product()).map(|i| self.get(i)).collect();
        broadcast(&each, from, to).into_iter().collect()
    }
}

impl FromIterator<Product> for Factors {
    fn from_iter<I: IntoIterator<Item = Product>>(products: I) -> Factors {
        Factors { products: products.into_iter().collect(), each: 1 }
    }
}

impl Product {
    /// No factor but 1.
    pub const ONE: Product = Product {
        below: 1.0,
        above: 1.0,
        factors: 0,
        multiplied: 0,
        divided: 0,
        bits: 0,
        relative: 0.0,
        scattered: 0.0,
        own: (0, 0),
        detour: None,
        meets: false,
        zero: false,
        inside: Inside::NOTHING,
    };

    /// Of an element that no product made.
    pub fn leaf(x: Ball) -> Product {
        let a = x.m.abs();
        if x.is_exact() && a == 1.0 {
            return Product::ONE;
        }
        let bits = if x.is_exact() { significant_bits(a) } else { u32::MAX / 4 };
        let rounds = bits > 1;
        Product {
            below: a.min(1.0),
            above: a.max(1.0),
            factors: 1,
            multiplied: u32::from(rounds),
            divided: 0,
            bits: if rounds { bits } else { 0 },
            relative: if x.is_exact() { 0.0 } else { x.r / a },
            zero: x.is_zero(),
            inside: Inside { least: a.min(1.0), ..Inside::NOTHING },
            ..Product::ONE
        }
    }

    /// The product whose one factor is a sum of terms, which with the other factors have these magnitudes.
    pub fn with_sum(self, magnitudes: f64) -> Product {
        // A factor even where it is 1: its terms are not.
        let factors = self.factors.max(1);
        let scattered = if magnitudes.is_finite() { magnitudes } else { 0.0 };
        Product { factors, scattered, own: (factors, self.multiplied), zero: false, ..self }
    }

    /// A leaf that is itself made of factors.
    pub fn made(x: Ball, inside: Inside) -> Product {
        Product { inside, zero: false, ..Product::leaf(x) }
    }

    /// The product of the factors' magnitudes.
    fn magnitude(self) -> f64 {
        self.below * self.above
    }

    /// By how much what another product has lost may grow.
    fn growth(self) -> f64 {
        if self.zero { 0.0 } else { self.above }
    }

    /// The factors of both.
    pub fn times(self, other: Product) -> Product {
        Product {
            below: self.below * other.below,
            above: self.above * other.above,
            factors: self.factors + other.factors,
            multiplied: self.multiplied + other.multiplied,
            divided: self.divided + other.divided,
            bits: self.bits.saturating_add(other.bits),
            relative: self.relative + other.relative,
            scattered: match (self.scattered > 0.0, other.scattered > 0.0) {
                (false, false) => 0.0,
                (true, false) => times(self.scattered, other.magnitude()),
                (false, true) => times(self.magnitude(), other.scattered),
                (true, true) => times(self.scattered, other.scattered),
            },
            own: (self.own.0 + other.own.0, self.own.1 + other.own.1),
            detour: match (self.detour, other.detour) {
                (Some((between, term)), _) => {
                    Some((times(between, other.magnitude()), times(term, other.magnitude())))
                }
                (None, Some((between, term))) => {
                    Some((times(self.magnitude(), between), times(self.magnitude(), term)))
                }
                (None, None) => None,
            },
            meets: self.meets || other.meets,
            zero: self.zero || other.zero,
            inside: Inside {
                least: self.inside.least * other.inside.least,
                lost: times(other.growth(), self.inside.lost) + times(self.growth(), other.inside.lost),
                own: times(other.magnitude(), self.inside.own) + times(self.magnitude(), other.inside.own),
                size: times(other.magnitude(), self.inside.size) + times(self.magnitude(), other.inside.size),
            },
        }
    }

    /// Of a divisor, which never is one that is made of factors.
    pub fn inverse(self) -> Product {
        Product {
            below: 1.0 / self.above,
            above: 1.0 / self.below,
            multiplied: self.divided,
            divided: self.multiplied,
            // A divisor's terms are added up before it divides.
            scattered: 0.0,
            own: (0, 0),
            detour: None,
            inside: Inside { least: 1.0 / self.above, ..Inside::NOTHING },
            ..self
        }
    }

    /// What has left the range in some order: a partial product of this size or more, where two factors have one order; and
    /// whether it meets a 0 or its opposite, so that kernels have NaN.
    pub fn left(&self, size: f64) -> u8 {
        let reaches =
            self.factors > 2 && self.above >= size || self.detour.is_some_and(|(between, _)| between >= size);
        match (reaches, self.meets) {
            (true, true) => LEFT | MET,
            (true, false) => LEFT,
            (false, _) => 0,
        }
    }

    /// Whether an operation passes the factors of its arguments on: besides products and quotients these alone may read them.
    pub fn passes_on(op: &Op) -> bool {
        matches!(
            op,
            Op::Neg
                | Op::Reshape
                | Op::StopGradient
                | Op::GradientTo
                | Op::Broadcast
                | Op::Gather(_)
                | Op::Select(_)
        )
    }

    /// The ball that holds what every order of the factors gives, if the graph's order gives `y`.
    pub fn in_any_order(&self, model: &Model, y: Ball) -> Ball {
        let y = self.in_order(model, y);
        // Not in the graph's order: it has no factors inside of a leaf.
        let lost = self.inside.error(model) + self.scattered_error(model);
        if lost > 0.0 && y.m.is_finite() { Ball::new(y.m, y.r + lost) } else { y }
    }

    /// What is lost where the factors meet each term of the sum.
    fn scattered_error(&self, model: &Model) -> f64 {
        if self.scattered == 0.0 || self.zero || self.factors == self.own.0 {
            return 0.0;
        }
        // Each term is rounded by each factor's operation, by one more that makes it, as t·(1/t) does of the 1, and by the sum; below the
        // normal numbers each of the three loses θ. What rounded the terms before is in the leaf's own radius.
        let (multiplied, divided) = (f64::from(self.multiplied - self.own.1), f64::from(self.divided));
        let operations = multiplied + DIVIDE_IN_U * divided;
        let rounded =
            if operations > 0.0 { times((operations + 2.0) * model.u, self.scattered) } else { 0.0 };
        let least = 2.0 * model.compute.min_normal();
        let lost = if self.scattered < least { 3.0 * model.theta } else { 0.0 };
        // The product between loses θ, but never more than itself, which is the term's share of it.
        let on_the_way = match self.detour {
            Some((between, term)) if between < least => term * (model.theta / between).min(1.0),
            _ => 0.0,
        };
        rounded + lost + on_the_way
    }

    /// The same of leaves that are what they are, in any order.
    fn in_order(&self, model: &Model, y: Ball) -> Ball {
        if self.factors < 3 || y.is_zero() || !y.m.is_finite() {
            return y;
        }
        let exact = self.relative == 0.0 && self.divided == 0 && self.bits <= model.compute.precision();
        let operations = f64::from(self.multiplied.max(1) - 1) + DIVIDE_IN_U * f64::from(self.divided);
        let rounding = if exact { 0.0 } else { operations * model.u };
        // The leaves' radii: relative while they are small; the graph's order has them as they are.
        let spread = if self.relative < 0.125 {
            times(y.m.abs(), growth(self.relative + rounding))
        } else {
            y.r + rounding * y.magnitude()
        };
        // A partial product below the normal numbers loses θ, and the factors above 1 may all come after it.
        let small = self.below < 2.0 * model.compute.min_normal();
        let lost = if small { f64::from(self.factors - 1) * times(model.theta, self.above) } else { 0.0 };
        Ball::new(y.m, y.r.max(spread + lost))
    }
}

/// How many bits a number needs: 1 for powers of two.
pub(super) fn significant_bits(a: f64) -> u32 {
    if a == 0.0 || !a.is_finite() {
        return 1;
    }
    let significand =
        if a < f64::MIN_POSITIVE { a.to_bits() } else { a.to_bits() & ((1 << 52) - 1) | 1 << 52 };
    64 - significand.leading_zeros() - significand.trailing_zeros()
}
