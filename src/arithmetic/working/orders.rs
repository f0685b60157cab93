//! Products and sums in any order. A graph has one order of its factors, reverse accumulation's; a kernel multiplies by the
//! upstream first or last, by a weight before or after the derivative, divides a sum or its terms. All of them are honest,
//! so what one order may lose is allowed to all: roundings that are exact in another order, and partial products below
//! the normal numbers, which lose θ before the large factors come. The same for a sum of three or more, however it is
//! bracketed; but differences of inputs come first in every good form, so sums of inputs keep the definition's order.

use super::ball::{Ball, growth, times};
use super::eval::sum_terms;
use super::model::{DIVIDE_IN_U, Model};
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
}

/// Of each element its factors; nothing where no product made the node.
pub(super) type Products = Option<Rc<[Product]>>;

impl Product {
    const ONE: Product =
        Product { below: 1.0, above: 1.0, factors: 0, multiplied: 0, divided: 0, bits: 0, relative: 0.0 };

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
        }
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
        }
    }

    fn inverse(self) -> Product {
        Product {
            below: 1.0 / self.above,
            above: 1.0 / self.below,
            multiplied: self.divided,
            divided: self.multiplied,
            ..self
        }
    }

    /// Whether some order has a partial product of this size or more. Two factors have one order.
    pub fn reaches(&self, size: f64) -> bool {
        self.factors > 2 && self.above >= size
    }

    /// The ball that holds what every order of the factors gives, if the graph's order gives `y`.
    fn in_any_order(&self, model: &Model, y: Ball) -> Ball {
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

/// The factors of a node's elements, and its balls widened by the other orders.
pub(super) fn products(
    model: &Model,
    node: &Node,
    args: &[&[Ball]],
    shapes: &[&[usize]],
    before: &[&Products],
    value: &mut [Ball],
) -> Products {
    let known = |at: usize, i: usize| {
        before[at].as_ref().map_or_else(|| Product::leaf(args[at][i]), |products| products[i])
    };
    match &node.op {
        Op::Mul | Op::Div => {
            let divides = node.op == Op::Div;
            let product = |i: usize| {
                let second = known(1, i);
                known(0, i).times(if divides { second.inverse() } else { second })
            };
            let products: Rc<[Product]> = (0..value.len()).map(product).collect();
            value
                .iter_mut()
                .zip(products.iter())
                .for_each(|(y, product)| *y = product.in_any_order(model, *y));
            Some(products)
        }
        Op::Neg | Op::Reshape | Op::StopGradient => before[0].clone(),
        Op::Broadcast => {
            let before = before[0].as_ref()?;
            Some(broadcast(before, shapes[0], &node.shape).into())
        }
        Op::Gather(indices) => {
            let before = before[0].as_ref()?;
            Some(indices.iter().map(|&i| before[i]).collect())
        }
        Op::Select(mask) if before.iter().any(|before| before.is_some()) => {
            Some(mask.iter().enumerate().map(|(i, &keep)| known(usize::from(!keep), i)).collect())
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
        if count < 2 || d.m == 0.0 || !y.m.is_finite() || !magnitude.is_finite() {
            continue;
        }
        let size = magnitude / d.m.abs();
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
