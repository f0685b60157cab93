//! Products and sums in any order. A graph has one order of its factors, reverse accumulation's; a kernel multiplies by the
//! upstream first or last, by a weight before or after the derivative, divides a sum or its terms. All of them are honest,
//! so what one order may lose is allowed to all: roundings that are exact in another order, and partial products below
//! the normal numbers, which lose θ before the large factors come. The same for a sum of three or more, however it is
//! bracketed; but differences of inputs come first in every good form, so sums of inputs keep the definition's order.

use super::ball::{Ball, times};
use super::cosine::Cosine;
use super::eval::sum_terms;
use super::model::{DIVIDE_IN_U, Model};
use super::norm::Norm;
use super::product::{Product, Products, significant_bits};
use super::sum::Accumulator;
use crate::graph::{Node, NodeId, Op};

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
