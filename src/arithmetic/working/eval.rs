//! The interpreter: every node of a graph as an array of balls, one loop a node.

use super::ball::Ball;
use super::cosine::Cosine;
use super::model::Model;
use super::norm::{Norm, normalized};
use super::orders::{bracketed, divided_early, in_any_order, products};
use super::product::Products;
use super::range::{LEFT, Left, MET, left, open_choices};
use super::softmax::Row;
use super::sum::{Accumulator, Sides};
use super::ties::Ties;
use super::uses::Uses;
use super::views::{around, broadcast, concatenate, slice};
use crate::case::{
    Case,
    program::{Program, UPSTREAM},
};
use crate::graph::{Node, NodeId, Op};
use std::rc::Rc;

/// Which upstream a run takes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Upstream {
    /// The case's.
    Own,
    /// Ones.
    Ones,
}

/// The balls of a node.
type Values = Rc<Vec<Ball>>;

/// The values of the nodes that the outputs need, each as long as something needs it, or all for another run.
pub(super) struct Run {
    values: Vec<Values>,
    left: Vec<Left>,
    products: Vec<Products>,
    uses: Rc<Uses>,
}

impl Run {
    /// Evaluates a case's graph for its outputs, or to be `known` to another run, which takes the nodes from it that do not depend
    /// on the upstream: a run of the same case and model.
    pub fn of(
        program: &Program,
        uses: &Rc<Uses>,
        case: &Case,
        model: &Model,
        upstream: Upstream,
        known: Known<'_>,
    ) -> Run {
        let nodes = program.graph.nodes();
        let nothing = Values::default();
        let mut run = Run {
            values: Vec::with_capacity(nodes.len()),
            left: vec![None; nodes.len()],
            products: vec![None; nodes.len()],
            uses: uses.clone(),
        };
        let mut after_upstream = vec![false; nodes.len()];
        for (id, node) in nodes.iter().enumerate() {
            after_upstream[id] = match node.op {
                Op::Input(slot) => program.inputs[slot] == UPSTREAM,
                _ => node.args.iter().any(|&arg| after_upstream[arg]),
            };
            let value = match (known, &node.op) {
                _ if !uses.is_needed(id) => nothing.clone(),
                (Known::From(known), _) if !after_upstream[id] => {
                    run.left[id] = known.left[id].clone();
                    run.products[id] = known.products[id].clone();
                    known.values[id].clone()
                }
                (_, &Op::Input(slot)) => {
                    let values = program.values(case, slot);
                    Rc::new(if !after_upstream[id] {
                        values.iter().map(|&x| model.input(x)).collect()
                    } else if upstream == Upstream::Own {
                        values.iter().map(|&g| model.constant(g)).collect()
                    } else {
                        vec![Ball::ONE; values.len()]
                    })
                }
                (_, Op::Reshape | Op::StopGradient | Op::GradientTo) => {
                    run.left[id] = run.left[node.args[0]].clone();
                    run.products[id] = run.products[node.args[0]].clone();
                    run.values[node.args[0]].clone()
                }
                _ => {
                    let args: Vec<&[Ball]> = node.args.iter().map(|&arg| &run.values[arg][..]).collect();
                    let shapes: Vec<&[usize]> = node.args.iter().map(|&arg| &nodes[arg].shape[..]).collect();
                    let mut value = evaluate(model, node, &args, &shapes);
                    if model.rounds() {
                        let (products, reached) =
                            run.in_any_order(nodes, id, model, &args, &shapes, &mut value);
                        let before: Vec<&Left> = node.args.iter().map(|&arg| &run.left[arg]).collect();
                        open_choices(node, &before, &mut value);
                        run.left[id] = left(model, node, &args, &shapes, &value, &reached, &before);
                        run.products[id] = products;
                    }
                    Rc::new(value)
                }
            };
            run.values.push(value);
            if !matches!(known, Known::ByAnother) {
                for &done in &uses.done_after[id] {
                    (run.values[done], run.left[done], run.products[done]) = (nothing.clone(), None, None);
                }
            }
        }
        run
    }

    /// Widens a node by what other orders of its factors and terms lose; returns its factors, where something asks for them, and
    /// what has left the range between them.
    fn in_any_order(
        &self,
        nodes: &[Node],
        id: NodeId,
        model: &Model,
        args: &[&[Ball]],
        shapes: &[&[usize]],
        value: &mut [Ball],
    ) -> (Products, Vec<u8>) {
        let node = &nodes[id];
        let before: Vec<&Products> = node.args.iter().map(|&arg| &self.products[arg]).collect();
        let asked = self.uses.factors[id];
        let products = if asked { products(model, node, args, shapes, &before, value) } else { None };
        let left = in_any_order(model, node, args, &before, &products, value);
        if node.op == Op::Div {
            let sum = &nodes[node.args[0]];
            let terms: Vec<&[Ball]> = sum.args.iter().map(|&arg| &self.values[arg][..]).collect();
            let shapes: Vec<&[usize]> = sum.args.iter().map(|&arg| &nodes[arg].shape[..]).collect();
            divided_early(model, sum, &terms, &shapes, args[1], value);
        }
        if let Some(leaves) = &self.uses.addends[id] {
            let leaves: Vec<_> =
                leaves.iter().map(|&(leaf, negative)| (&self.values[leaf][..], negative)).collect();
            bracketed(model, &leaves, value);
        }
        (products, left)
    }

    /// A node's balls.
    pub fn balls(&self, id: NodeId) -> &[Ball] {
        &self.values[id]
    }

    /// Whether an element of a node, or one behind it, has left the compute format's range (rule 11).
    pub fn has_left(&self, id: NodeId, element: usize) -> bool {
        self.left[id].as_ref().is_some_and(|left| left[element] & LEFT != 0)
    }

    /// Whether infinities of opposite signs meet on the way to an element of a node.
    pub fn has_met(&self, id: NodeId, element: usize) -> bool {
        self.left[id].as_ref().is_some_and(|left| left[element] & MET != 0)
    }
}

/// What a run has to do with another.
#[derive(Copy, Clone)]
pub(super) enum Known<'r> {
    /// Nothing: its outputs alone are asked for.
    Outputs,
    /// Another run takes nodes from it, so that it keeps all.
    ByAnother,
    /// It takes the nodes from that one that do not depend on the upstream.
    From(&'r Run),
}

/// Of a node that is a sum: how many terms each element has, and Σ|xᵢ| of each.
pub(super) fn sum_terms(node: &Node, args: &[&[Ball]], shapes: &[&[usize]]) -> Option<(usize, Vec<Sides>)> {
    let term = |i: usize| args.iter().map(|arg| arg[i].m).product::<f64>();
    match node.op {
        Op::Sum { axis } | Op::Dot { axis } => {
            Some((shapes[0][axis], along(shapes[0], axis, |line| Sides::of(line.map(term)))))
        }
        _ => None,
    }
}

/// How many elements each of `count` sums of a scatter-add has.
pub(super) fn group_sizes(indices: &[usize], count: usize) -> Vec<usize> {
    let mut sizes = vec![0; count];
    indices.iter().for_each(|&i| sizes[i] += 1);
    sizes
}

fn map1(x: &[Ball], f: impl Fn(Ball) -> Ball) -> Vec<Ball> {
    x.iter().map(|&x| f(x)).collect()
}

fn map2(args: &[&[Ball]], f: impl Fn(Ball, Ball) -> Ball) -> Vec<Ball> {
    args[0].iter().zip(args[1]).map(|(&a, &b)| f(a, b)).collect()
}

fn map3(args: &[&[Ball]], f: impl Fn(Ball, Ball, Ball) -> Ball) -> Vec<Ball> {
    args[0].iter().zip(args[1]).zip(args[2]).map(|((&a, &b), &c)| f(a, b, c)).collect()
}

fn evaluate(model: &Model, node: &Node, args: &[&[Ball]], shapes: &[&[usize]]) -> Vec<Ball> {
    let x = args.first().copied().unwrap_or(&[]);
    match &node.op {
        Op::Input(_) | Op::Reshape | Op::StopGradient | Op::GradientTo => x.to_vec(),
        Op::LnTwoPi => vec![model.ln_two_pi(); node.len()],
        Op::Constant(c) => vec![model.constant(c.get()); node.len()],

        Op::Add => map2(args, |a, b| model.add(a, b)),
        Op::Sub => map2(args, |a, b| model.sub(a, b)),
        Op::Mul => map2(args, |a, b| model.product(a, b)),
        Op::Div => map2(args, |a, b| model.div(a, b)),
        Op::Neg => map1(x, Ball::neg),
        Op::Abs => map1(x, Ball::abs),
        Op::Sign => map1(x, Ball::sign),
        Op::Maximum => map2(args, Ball::max),
        Op::Minimum => map2(args, Ball::min),
        Op::TieShare => map2(args, Ball::tie_share),
        Op::Clamp { low, high } => map1(x, |x| model.clamp(x, low.get(), high.get())),
        Op::ClampShare { low, high } => map1(x, |x| model.clamp_share(x, low.get(), high.get())),
        Op::Sqrt => map1(x, |x| model.sqrt(x)),
        Op::Exp => map1(x, |x| model.exp(x)),
        Op::Expm1 => map1(x, |x| model.expm1(x)),
        Op::Ln => map1(x, |x| model.ln(x)),
        Op::Ln1p => map1(x, |x| model.ln_1p(x)),
        Op::Pow(p) => map1(x, |x| model.pow(x, p.get())),
        Op::Tanh => map1(x, |x| model.tanh(x)),
        Op::Softplus => map1(x, |x| model.softplus(x)),
        Op::Sigmoid => map1(x, |x| model.sigmoid(x)),
        Op::LogSigmoid => map1(x, |x| model.log_sigmoid(x)),
        Op::LogCosh => map1(x, |x| model.log_cosh(x)),
        Op::Expm1Minus => map1(x, |x| model.expm1_minus(x)),
        Op::Huber(delta) => map1(x, |x| model.huber(x, delta.get())),
        Op::SmoothL1(beta) => map1(x, |x| model.smooth_l1(x, beta.get())),
        Op::Xlogy => map2(args, |x, y| model.xlogy(x, y)),
        Op::KlDiv => map2(args, |t, x| model.kl_div(t, x)),
        Op::KlDivSlope => map2(args, |t, x| model.kl_div_slope(t, x)),
        Op::KlDivLog => map2(args, |t, x| model.kl_div_log(t, x)),
        Op::KlDivLogSlope => map2(args, |t, x| model.kl_div_log_slope(t, x)),
        Op::BceWithLogits => map2(args, |z, y| model.bce_with_logits(z, y)),
        Op::SigmoidMinus => map2(args, |z, y| model.sigmoid_minus(z, y)),
        Op::BceWithLogitsWeighted => map3(args, |z, y, w| model.bce_with_logits_weighted(z, y, w)),
        Op::SigmoidMinusWeighted => map3(args, |z, y, w| model.sigmoid_minus_weighted(z, y, w)),
        Op::SoftplusGap => {
            map2(args, |z, w| model.sub(model.mul(w, model.softplus(z.neg())), model.softplus(z)))
        }
        Op::Bce(clamp) => map2(args, |p, y| model.bce(p, y, *clamp)),
        Op::BceGradient(clamp) => map2(args, |p, y| model.bce_gradient(p, y, *clamp)),
        Op::Focal(form) => map2(args, |z, y| model.focal(z, y, *form)),
        Op::FocalGradient(form) => map2(args, |z, y| model.focal_gradient(z, y, *form)),
        Op::BceTargetGradient(clamp) => map1(x, |p| model.bce_target_gradient(p, *clamp)),

        Op::Select(mask) => {
            let chosen = mask.iter().zip(x.iter().zip(args[1]));
            chosen.map(|(&keep, (&a, &b))| if keep { a } else { b }).collect()
        }
        Op::Broadcast => broadcast(x, shapes[0], &node.shape),
        Op::Slice { axis, start } => slice(x, shapes[0], *axis, *start, node.shape[*axis]),
        Op::Concatenate { axis } => {
            let parts: Vec<_> = args.iter().copied().zip(shapes.iter().copied()).collect();
            concatenate(&parts, *axis)
        }
        Op::Gather(indices) => indices.iter().map(|&i| x[i]).collect(),

        Op::ScatterAdd(indices) => {
            let mut sums = vec![Accumulator::EMPTY; node.len()];
            indices.iter().zip(x).for_each(|(&i, &x)| sums[i].push(x));
            let sizes = group_sizes(indices, node.len());
            sums.iter().zip(sizes).map(|(sum, n)| sum.finish(model, n)).collect()
        }
        Op::Sum { axis } => sums(model, shapes[0], *axis, |i| x[i]),
        Op::Dot { axis } => sums(model, shapes[0], *axis, |i| model.mul(x[i], args[1][i])),
        Op::MaxAxis { axis } => {
            let lowest = Ball::exact(f64::NEG_INFINITY);
            along(shapes[0], *axis, |line| line.fold(lowest, |max, i| max.max(x[i])))
        }
        Op::MaxShare { axis } => {
            let (_, n, inner) = around(shapes[0], *axis);
            let ties = along(shapes[0], *axis, |line| Ties::of(line.map(|i| x[i])));
            let place = |i: usize| i / (n * inner) * inner + i % inner;
            (0..x.len()).map(|i| ties[place(i)].share(x[i])).collect()
        }
        _ => on_rows(model, node, args, shapes),
    }
}

/// The composite operations along the last axis.
fn on_rows(model: &Model, node: &Node, args: &[&[Ball]], shapes: &[&[usize]]) -> Vec<Ball> {
    let x = args[0];
    let width = shapes[0].last().copied().unwrap_or(1);
    let mut result = Vec::with_capacity(node.len());
    if width == 0 {
        // A norm or a sum over nothing.
        result.resize(node.len(), Ball::ZERO);
        return result;
    }
    let mut row = Row::default();
    for (n, line) in x.chunks_exact(width).enumerate() {
        let second = || &args[1][n * width..(n + 1) * width];
        if uses_exponentials(&node.op) {
            row.look(model, line);
        }
        match &node.op {
            Op::LogSumExp => result.push(row.log_sum_exp(model, line)),
            Op::Softmax => result.extend((0..width).map(|i| row.softmax(model, line, i))),
            Op::LogSoftmax => result.extend((0..width).map(|i| row.surprise(model, line, i).neg())),
            Op::CrossEntropy(classes) => result.push(row.cross_entropy(model, line, classes[n])),
            Op::CrossEntropyGradient(classes) => {
                result.extend((0..width).map(|i| row.cross_entropy_gradient(model, line, i, classes[n])));
            }
            Op::SoftCrossEntropy => result.push(row.soft_cross_entropy(model, line, second())),
            Op::SoftCrossEntropyGradient => {
                let mut total = Accumulator::EMPTY;
                second().iter().for_each(|&q| total.push(q));
                let total = total.finish(model, width);
                let scaled = |i: usize| model.mul(row.softmax(model, line, i), total);
                result.extend(second().iter().enumerate().map(|(i, &q)| model.sub(scaled(i), q)));
            }
            Op::Norm { p, epsilon } => result.push(Norm::of(model, line, p.power(), epsilon.get()).value),
            Op::NormGradient { p, epsilon } => {
                let norm = Norm::of(model, line, p.power(), epsilon.get());
                result.extend(line.iter().map(|&x| norm.gradient(model, x)));
            }
            Op::Normalize => {
                let norm = Norm::of(model, line, crate::graph::Power::Finite(2.0), 0.0).value;
                result.extend(line.iter().map(|&x| normalized(model, x, norm)));
            }
            Op::Cosine { epsilon } => result.push(Cosine::of(model, line, second(), epsilon.get()).value),
            Op::CosineGradient { epsilon } => {
                let cosine = Cosine::of(model, line, second(), epsilon.get());
                result.extend((0..width).map(|i| cosine.gradient(model, i)));
            }
            op => unreachable!("{} is no operation on rows", op.name()),
        }
    }
    result
}

/// Whether the operation needs its rows' exponentials.
fn uses_exponentials(op: &Op) -> bool {
    !matches!(
        op,
        Op::Norm { .. }
            | Op::NormGradient { .. }
            | Op::Normalize
            | Op::Cosine { .. }
            | Op::CosineGradient { .. }
    )
}

/// One value for each line along an axis, from the flat indices of its elements.
pub(super) fn along<T>(
    shape: &[usize],
    axis: usize,
    mut f: impl FnMut(std::iter::StepBy<std::ops::Range<usize>>) -> T,
) -> Vec<T> {
    let (outer, n, inner) = around(shape, axis);
    let mut result = Vec::with_capacity(outer * inner);
    for o in 0..outer {
        for i in 0..inner {
            let start = o * n * inner + i;
            result.push(f((start..start + n * inner).step_by(inner)));
        }
    }
    result
}

fn sums(model: &Model, shape: &[usize], axis: usize, term: impl Fn(usize) -> Ball) -> Vec<Ball> {
    along(shape, axis, |line| {
        let mut sum = Accumulator::EMPTY;
        line.for_each(|i| sum.push(term(i)));
        sum.finish(model, shape[axis])
    })
}
