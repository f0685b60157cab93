//! Products and sums in any order. A graph has one order of its factors, reverse accumulation's; a kernel multiplies by the
//! upstream first or last, by a weight before or after the derivative, divides a sum or its terms. All of them are honest,
//! so what one order may lose is allowed to all: roundings that are exact in another order, and partial products below
//! the normal numbers, which lose θ before the large factors come. The same for a sum of three or more, however it is
//! bracketed; but differences of inputs come first in every good form, so sums of inputs keep the definition's order.

use super::ball::{Ball, growth, times};
use super::cosine::Cosine;
use super::eval::sum_terms;
use super::model::{DIVIDE_IN_U, Model};
use super::norm::Norm;
use super::range::{LEFT, MET};
use super::sum::Accumulator;
use super::views::broadcast;
use crate::graph::{Node, NodeId, Op};
use std::rc::Rc;

/// What is known of the factors of one element: a product of leaves, which are elements that no product made.
#[derive(Copy, Clone, Debug)]
pub(super) struct Product {
    /// The factors below 1 multiplied: the smallest partial product of any order.
    below: f64,
    /// The factors above 1 multiplied: the largest.
    above: f64,
    /// How many factors are not ±1.
    factors: u32,
    /// How many of those are multiplied, and how many divided by, that are no powers of two: those round.
    multiplied: u32,
    divided: u32,
    /// The bits that the product of the multiplied ones needs at most.
    bits: u32,
    /// Σ r/|m| of the leaves.
    relative: f64,
    /// The product with, in a leaf's place that is a sum, the sum of its terms' magnitudes; 0 where no leaf is one. A kernel may
    /// multiply the terms before it adds them up, as reverse accumulation does that goes through the sum.
    scattered: f64,
    /// How many factors make that sum, and how many of them are multiplied.
    own: (u32, u32),
    /// Of a term of that sum that is multiplied by a number and divided by it again, as the derivative of t·ln t is: the product
    /// between, and the term with all other factors.
    detour: Option<(f64, f64)>,
    /// Whether a partial product that leaves the range meets a 0 or its opposite.
    meets: bool,
    /// Whether a factor is exactly 0, which makes 0 of whatever the others have lost.
    zero: bool,
    /// What is lost inside of leaves that are themselves made of factors.
    inside: Inside,
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
    fn get(&self, i: usize) -> Product {
        self.products[i / self.each]
    }

    /// Of the elements repeated to another shape.
    fn broadcast(&self, from: &[usize], to: &[usize]) -> Factors {
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
    const ONE: Product = Product {
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

    fn leaf(x: Ball) -> Product {
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
    fn with_sum(self, magnitudes: f64) -> Product {
        // A factor even where it is 1: its terms are not.
        let factors = self.factors.max(1);
        let scattered = if magnitudes.is_finite() { magnitudes } else { 0.0 };
        Product { factors, scattered, own: (factors, self.multiplied), zero: false, ..self }
    }

    /// A leaf that is itself made of factors.
    fn made(x: Ball, inside: Inside) -> Product {
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

    fn times(self, other: Product) -> Product {
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
    fn inverse(self) -> Product {
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
    fn left(&self, size: f64) -> u8 {
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
    fn in_any_order(&self, model: &Model, y: Ball) -> Ball {
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
fn significant_bits(a: f64) -> u32 {
    if a == 0.0 || !a.is_finite() {
        return 1;
    }
    let significand =
        if a < f64::MIN_POSITIVE { a.to_bits() } else { a.to_bits() & ((1 << 52) - 1) | 1 << 52 };
    64 - significand.leading_zeros() - significand.trailing_zeros()
}

/// Widens the balls of a product or quotient by the other orders of its factors, which may be known; and tells of each element what
/// has left the range in one of them: nothing where nothing has.
pub(super) fn in_any_order(
    model: &Model,
    node: &Node,
    args: &[&[Ball]],
    before: &[&Products],
    products: &Products,
    value: &mut [Ball],
) -> Vec<u8> {
    let threshold = model.compute.overflow_threshold();
    let mut left = Vec::new();
    if matches!(node.op, Op::Mul | Op::Div) {
        let length = value.len();
        for (i, y) in value.iter_mut().enumerate() {
            let product =
                products.as_ref().map_or_else(|| product(node, args, before, i), |known| known.get(i));
            *y = product.in_any_order(model, *y);
            let marks = product.left(threshold);
            if marks != 0 {
                left.resize(length, 0);
                left[i] = marks;
            }
        }
    }
    left
}

/// The factors of an element of an argument.
fn known(args: &[&[Ball]], before: &[&Products], at: usize, i: usize) -> Product {
    before[at].as_ref().map_or_else(|| Product::leaf(args[at][i]), |factors| factors.get(i))
}

/// The factors of an element of a product or quotient.
fn product(node: &Node, args: &[&[Ball]], before: &[&Products], i: usize) -> Product {
    let second = known(args, before, 1, i);
    known(args, before, 0, i).times(if node.op == Op::Div { second.inverse() } else { second })
}

/// The factors of a node's elements.
pub(super) fn products(
    model: &Model,
    node: &Node,
    args: &[&[Ball]],
    shapes: &[&[usize]],
    before: &[&Products],
    value: &[Ball],
) -> Products {
    match &node.op {
        Op::Mul | Op::Div => Some((0..value.len()).map(|i| product(node, args, before, i)).collect()),
        // e^t·(t − x + 1) is a product too: with the upstream first, g·e^t underflows before the rest comes.
        Op::KlDivLogSlope => {
            let factors = args[0].iter().zip(args[1]).map(|(&t, &x)| {
                let (e, slope, larger) = model.kl_div_log_slope_factors(t, x);
                let sum = Product { above: larger.max(1.0), ..Product::leaf(slope) };
                Product::leaf(e).times(sum).with_sum(times(e.m, (slope.m - 1.0).abs() + 1.0))
            });
            Some(factors.collect())
        }
        // ln t − x, and the 1 that the derivative of ln t makes of t: (g·t)/t.
        Op::KlDivSlope => {
            let sum = |(&y, t): (&Ball, &Ball)| {
                let t = t.m.abs();
                let detour = (t > 0.0 && t.is_finite()).then_some((t, 1.0));
                Product { detour, ..Product::leaf(y).with_sum((y.m - 1.0).abs() + 1.0) }
            };
            Some(value.iter().zip(args[0]).map(sum).collect())
        }
        // The weight's derivative is γ·L times numbers of [0, 1], which may be 0.
        Op::FocalGradient(form) => {
            let gradient = |(&y, z): (&Ball, &Ball)| {
                let leaf = Product::leaf(y);
                let above = (form.gamma() * z.m.abs()).max(z.m.abs()).max(1.0);
                if above.is_finite() { Product { above, factors: 2, meets: true, ..leaf } } else { leaf }
            };
            Some(value.iter().zip(args[0]).map(gradient).collect())
        }
        // σ(x)·Σq − q: with the upstream first, a weight times the upstream comes before they cancel.
        Op::SoftCrossEntropyGradient => {
            let width = shapes[0].last().copied().unwrap_or(1).max(1);
            let rows = args[1].chunks(width).zip(value.chunks(width));
            let product = |total: f64, y: Ball| {
                let leaf = Product::leaf(y);
                Product { above: total.max(1.0), factors: 2, meets: true, ..leaf }
            };
            let products = rows.flat_map(|(q, y)| {
                let total = q.iter().map(|q| q.m.abs()).sum();
                y.iter().map(move |&y| product(total, y))
            });
            Some(products.collect())
        }
        Op::NormGradient { p, epsilon } => {
            let width = shapes[0].last().copied().unwrap_or(1).max(1);
            let rows = args[0].chunks(width).zip(value.chunks(width));
            let products = rows.flat_map(|(row, value)| {
                let norm = Norm::of(model, row, p.power(), epsilon.get());
                row.iter().zip(value).map(move |(&x, &y)| Product::made(y, norm.inside(model, x)))
            });
            Some(products.collect())
        }
        Op::CosineGradient { epsilon } => {
            let width = shapes[0].last().copied().unwrap_or(1).max(1);
            let rows = args[0].chunks(width).zip(args[1].chunks(width)).zip(value.chunks(width));
            let products = rows.flat_map(|((x, y), value)| {
                let insides = Cosine::of(model, x, y, epsilon.get()).insides(model);
                value.iter().zip(insides).map(|(&y, inside)| Product::made(y, inside)).collect::<Vec<_>>()
            });
            Some(products.collect())
        }
        Op::Neg | Op::Reshape | Op::StopGradient => before[0].clone(),
        Op::Broadcast => {
            let before = before[0].as_ref()?;
            Some(before.broadcast(shapes[0], &node.shape))
        }
        Op::Gather(indices) => {
            let before = before[0].as_ref()?;
            Some(indices.iter().map(|&i| before.get(i)).collect())
        }
        Op::Select(mask) if before.iter().any(|before| before.is_some()) => {
            let chosen = mask.iter().enumerate().map(|(i, &keep)| known(args, before, usize::from(!keep), i));
            Some(chosen.collect())
        }
        _ => None,
    }
}

/// Widens the quotient of a sum by what its terms lose if each of them is divided.
pub(super) fn divided_early(
    model: &Model,
    sum: &Node,
    terms: &[&[Ball]],
    shapes: &[&[usize]],
    divisor: &[Ball],
    value: &mut [Ball],
) {
    let Some((count, magnitudes)) = sum_terms(sum, terms, shapes) else { return };
    let rounding = model.gamma(model.height(count)) + DIVIDE_IN_U * model.u;
    for ((y, magnitude), d) in value.iter_mut().zip(magnitudes).zip(divisor) {
        if count < 2 || d.m == 0.0 || !y.m.is_finite() || !magnitude.largest().is_finite() {
            continue;
        }
        let size = magnitude.over(d.m.abs());
        let exact = d.is_exact() && significant_bits(d.m.abs()) == 1;
        let rounded = if exact { 0.0 } else { rounding * size };
        // Some term is below the normal numbers only if their mean is.
        let small = size < count as f64 * 2.0 * model.compute.min_normal();
        let lost = if small && d.m.abs() > 1.0 { count as f64 * model.theta } else { 0.0 };
        let spread = if rounded + lost > 0.0 { times(size, d.r / d.m.abs()) } else { 0.0 };
        *y = Ball::new(y.m, y.r.max(rounded + lost + spread));
    }
}

/// The leaves of a sum that is bracketed in the graph, each with whether it is subtracted; nothing for two, and nothing
/// where an input stands among them.
pub(super) fn addends(nodes: &[Node], id: NodeId) -> Option<Vec<(NodeId, bool)>> {
    fn collect(nodes: &[Node], id: NodeId, negative: bool, leaves: &mut Vec<(NodeId, bool)>) {
        let node = &nodes[id];
        match node.op {
            Op::Add | Op::Sub => {
                collect(nodes, node.args[0], negative, leaves);
                collect(nodes, node.args[1], negative != (node.op == Op::Sub), leaves);
            }
            Op::Neg => collect(nodes, node.args[0], !negative, leaves),
            _ => leaves.push((id, negative)),
        }
    }
    if !matches!(nodes[id].op, Op::Add | Op::Sub) {
        return None;
    }
    let mut leaves = Vec::new();
    collect(nodes, id, false, &mut leaves);
    let is_input = |&(leaf, _): &(NodeId, bool)| {
        let mut node = &nodes[leaf];
        while node.op.is_view() {
            node = &nodes[node.args[0]];
        }
        matches!(node.op, Op::Input(_))
    };
    (leaves.len() > 2 && !leaves.iter().any(is_input)).then_some(leaves)
}

/// Widens a bracketed sum by what the other brackets lose.
pub(super) fn bracketed(model: &Model, leaves: &[(&[Ball], bool)], value: &mut [Ball]) {
    for (i, y) in value.iter_mut().enumerate() {
        let mut sum = Accumulator::EMPTY;
        for &(leaf, negative) in leaves {
            sum.push(if negative { leaf[i].neg() } else { leaf[i] });
        }
        let any = sum.finish(model, leaves.len());
        if y.m.is_finite() && any.m.is_finite() {
            // Each of the brackets rounds once or more.
            *y = Ball::new(y.m, y.r.max(any.r));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::judge::Machine;

    fn model() -> Model {
        Model::rounding(&Machine::of(Format::F32))
    }

    /// All orders of a list.
    fn orders(list: &[f64]) -> Vec<Vec<f64>> {
        if list.len() < 2 {
            return vec![list.to_vec()];
        }
        let firsts = (0..list.len()).flat_map(|at| {
            let mut rest = list.to_vec();
            let first = rest.remove(at);
            orders(&rest).into_iter().map(move |order| [vec![first], order].concat())
        });
        firsts.collect()
    }

    /// The ball of a product in the order of the list, widened by the others.
    fn product(factors: &[f64]) -> Ball {
        let model = model();
        let mut y = Ball::ONE;
        let mut all = Product::ONE;
        for &factor in factors {
            y = model.mul(y, Ball::exact(factor));
            all = all.times(Product::leaf(Ball::exact(factor)));
            y = all.in_any_order(&model, y);
        }
        y
    }

    #[test]
    fn every_order_of_a_product_stays_within_its_ball() {
        let mut state = 1u64;
        let mut random = |scale: i32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let x = (state >> 40) as f64 / (1u64 << 24) as f64 + 0.5;
            f64::from((x * 2f64.powi((state >> 20) as i32 % (scale + 1))) as f32)
        };
        let (mut wide, mut lost) = (0, 0);
        for round in 0..400 {
            let scale = [2, 40, 120][round % 3];
            let factors = [random(scale), 1.0 / random(scale), random(2), 3.0];
            let factors = factors.map(|x| f64::from(x as f32)).to_vec();
            let ball = product(&factors);
            for order in orders(&factors) {
                let got = f64::from(order.iter().fold(1.0f32, |product, &x| product * x as f32));
                if !got.is_finite() {
                    // The range's matter.
                    continue;
                }
                assert!((got - ball.m).abs() <= ball.r * (1.0 + 1e-12), "{order:?}: {got:e} {ball:?}");
                lost += usize::from((got - ball.m).abs() > 1e-6 * ball.m.abs());
            }
            wide += usize::from(ball.r > 1e-6 * ball.m.abs());
        }
        // Most are as good as their roundings; some order of the others does underflow.
        assert!(wide < 200 && lost > 0, "{wide} {lost}");
    }

    #[test]
    fn what_is_exact_in_every_order_stays_exact() {
        assert_eq!(product(&[3.0, 5.0, 7.0]).r, 0.0);
        assert_eq!(product(&[0.5, 0.25, f64::from(0.1f32)]).r, 0.0);
        assert_eq!(product(&[3.0, 0.0, 7.0]), Ball::ZERO);
        // Exact as it stands here, because 2^-100 comes last; before that it takes the others below the range.
        assert!(product(&[2f64.powi(100), 3.0, 2f64.powi(-100), 2f64.powi(-60)]).r > 0.0);
    }

    #[test]
    fn a_sum_is_bracketed_in_every_way_unless_inputs_stand_in_it() {
        // (near − far) + margin is exact; (near + margin) − far is not.
        let model = model();
        let leaves = [1e6, 1e6, f64::from(0.1f32)].map(|x| [Ball::exact(x)]);
        let mut value = [Ball::exact(f64::from(0.1f32))];
        bracketed(&model, &[(&leaves[0], false), (&leaves[1], true), (&leaves[2], false)], &mut value);
        assert!(value[0].r >= 0.03 && value[0].r < 1.0, "{value:?}");
        let node = |op: Op, args: Vec<NodeId>| Node { op, args, shape: vec![1] };
        let with = |leaf: Op| {
            let nodes = [
                node(leaf, vec![]),
                node(Op::Constant(crate::graph::Real::new(1.0)), vec![]),
                node(Op::Sub, vec![0, 1]),
                node(Op::Add, vec![2, 1]),
            ];
            addends(&nodes, 3)
        };
        assert_eq!(with(Op::Input(0)), None);
        let constant = Op::Constant(crate::graph::Real::new(2.0));
        assert_eq!(with(constant), Some(vec![(0, false), (1, true), (1, false)]));
    }

    #[test]
    fn a_mean_may_divide_its_terms() {
        let terms: Vec<Ball> = [1.0, 2.0, 3.0].map(Ball::exact).to_vec();
        let sum = Node { op: Op::Sum { axis: 0 }, args: vec![0], shape: vec![] };
        let mut value = [Ball::exact(2.0)];
        divided_early(&model(), &sum, &[&terms], &[&[3]], &[Ball::exact(3.0)], &mut value);
        let early = f64::from(1.0f32 / 3.0 + 2.0f32 / 3.0 + 3.0f32 / 3.0);
        assert!((early - 2.0).abs() <= value[0].r && value[0].r < 1e-5, "{value:?}");
        // By a power of two nothing is lost.
        let mut value = [Ball::exact(1.5)];
        divided_early(&model(), &sum, &[&terms], &[&[3]], &[Ball::exact(4.0)], &mut value);
        assert_eq!(value[0], Ball::exact(1.5));
    }
}
