//! Working precision: the graph over balls at the kernel's own precision, under the machine model (`MODEL.md`). It gives
//! the tolerance of each output element.
//!
//! Three runs of one interpreter: the case's own upstream; upstream ones, because kernels multiply by the upstream last
//! (rule 8); and perturbed inputs under operations that do not round, for the level `backward`.

mod ball;
mod binary;
mod cosine;
mod divergence;
mod eval;
mod focal;
mod huber;
mod model;
mod norm;
mod orders;
mod product;
mod range;
mod softmax;
mod sum;
#[cfg(test)]
mod tests;
mod ties;
mod uses;
mod views;

use crate::case::{Case, LOSS, program::Program};
use crate::format::Format;
use crate::graph::{NodeId, Op};
use crate::judge::Machine;
use crate::truth::{OutputTruth, Tolerance, Truth};
use ball::{Ball, times};
use eval::{Known, Run, Upstream};
use model::Model;
use std::rc::Rc;
use uses::Uses;

/// How many roundings of a radius below the normal f64 numbers are made good.
const RADIUS_ROUNDINGS: f64 = 2.0;

/// The tolerance of each output, whose truths are given in the same order.
///
/// A budget is an absolute error. It is infinite where the model has no bound, or where the graph in f64 has no value
/// although its operations leave the range; 0 where the value is an exact infinity. An element overflows on the way
/// where an element of a node that it depends on leaves the compute format's range while its own truth does not, or
/// where two such meet with opposite signs (rule 11).
///
/// Total. Deterministic on every platform: midpoints come from f64 arithmetic and CORE-MATH.
pub fn tolerances(
    program: &Program,
    case: &Case,
    machine: &Machine,
    truths: &[OutputTruth],
) -> Vec<Tolerance> {
    let model = Model::rounding(machine);
    let all_ones = case.upstream.floats().iter().all(|&g| g == 1.0);
    let has_ones = !all_ones && program.outputs.len() > 1;
    let known = if has_ones { Known::ByAnother } else { Known::Outputs };
    let uses = Rc::new(Uses::of(program));
    let own = Run::of(program, &uses, case, &model, Upstream::Own, known);
    let ones = has_ones.then(|| Run::of(program, &uses, case, &model, Upstream::Ones, Known::From(&own)));
    let mut tolerances = Vec::with_capacity(program.outputs.len());
    for ((name, node), truth) in program.outputs.iter().zip(truths) {
        let behind = ancestors(program, *node);
        let balls = own.balls(*node);
        // Kernels that multiply by the upstream last compute what the run with upstream 1 does (rule 8).
        let runs = || std::iter::once(&own).chain(&ones);
        let left = |i| runs().any(|run| run.has_left(*node, i));
        let met = |i| runs().any(|run| run.has_met(*node, i));
        let budget = balls.iter().enumerate().map(|(i, &y)| unbounded(y, left(i)).unwrap_or(y.r));
        let mut budget: Vec<f64> = budget.collect();
        let inside = truth.elements.iter().map(|y| is_inside(y, machine.compute)).enumerate();
        // An answer of infinity is right where the truth is beyond the range; ∞ − ∞ is not, and no better.
        let overflows_on_the_way = inside.map(|(i, inside)| if inside { left(i) } else { met(i) }).collect();
        if name != LOSS {
            let shape = &program.graph.nodes()[*node].shape;
            scaled_by_upstream(
                &mut budget,
                ones.as_ref().map_or(balls, |ones| ones.balls(*node)),
                case,
                shape,
            );
            for (budget, y) in budget.iter_mut().zip(balls) {
                *budget += times(model.u, finite(y.m.abs())) + model.theta;
            }
        }
        if machine.compute == Format::F64 {
            // Radii are f64 themselves: below the normal numbers they are rounded to a multiple of θ, several times.
            let small = |budget: &&mut f64| **budget > 0.0 && **budget < machine.compute.min_normal();
            budget.iter_mut().filter(small).for_each(|budget| *budget += RADIUS_ROUNDINGS * model.theta);
        }
        for (budget, y) in budget.iter_mut().zip(balls) {
            *budget += conversion(case.format, machine, finite(y.m.abs()) + *budget);
        }
        let longest_sum = longest_sum(program, &behind);
        tolerances.push(Tolerance { budget, backward: Vec::new(), longest_sum, overflows_on_the_way });
    }
    drop((own, ones));
    let perturbed = Model::perturbed_inputs(machine);
    let perturbed = Run::of(program, &uses, case, &perturbed, Upstream::Own, Known::Outputs);
    for (tolerance, (_, node)) in tolerances.iter_mut().zip(&program.outputs) {
        let bound = |y: &Ball| {
            let error = 2.0 * (times(model.u, finite(y.m.abs())) + y.r);
            error + conversion(case.format, machine, finite(y.m.abs()) + error)
        };
        tolerance.backward = perturbed.balls(*node).iter().map(bound).collect();
    }
    tolerances
}

/// Whether a truth is in a format's range: finite, and not what rounds to infinity in it.
fn is_inside(truth: &Truth, format: Format) -> bool {
    match truth {
        Truth::Proved(y) | Truth::Overflow(y) => y.round(format).is_finite(),
        Truth::Set(low, high) => low.round(format).is_finite() && high.round(format).is_finite(),
        Truth::Infinite { .. } | Truth::Undefined | Truth::Undecided { .. } => false,
    }
}

/// The budget where there is no finite midpoint: none where the value is an exact infinity, unbounded otherwise.
fn unbounded(y: Ball, left: bool) -> Option<f64> {
    if y.m.is_finite() {
        None
    } else if y.m.is_infinite() && !left {
        Some(0.0)
    } else {
        Some(f64::INFINITY)
    }
}

fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}

/// Rule 8: at least |upstream|·B(upstream 1), where the upstream lies along the gradient's leading axes.
fn scaled_by_upstream(budget: &mut [f64], ones: &[Ball], case: &Case, shape: &[usize]) {
    let upstream = &case.upstream;
    if upstream.is_empty() || !shape.starts_with(&upstream.shape) {
        return;
    }
    let block = budget.len() / upstream.len();
    for (i, (budget, one)) in budget.iter_mut().zip(ones).enumerate() {
        *budget = budget.max(times(upstream.floats()[i / block].abs(), one.r));
    }
}

/// Rule 9: half an ulp of the output format where it is not the one that the kernel computes in.
fn conversion(format: Format, machine: &Machine, magnitude: f64) -> f64 {
    if format == machine.compute || !magnitude.is_finite() {
        return 0.0;
    }
    // An f64's half ulp may be below the subnormals; no other format's is.
    0.5 * format.ulp(magnitude)
}

/// The nodes behind an output, itself among them.
fn ancestors(program: &Program, output: NodeId) -> Vec<NodeId> {
    let nodes = program.graph.nodes();
    let mut behind = vec![false; output + 1];
    behind[output] = true;
    for id in (0..=output).rev().filter(|&id| id < nodes.len()) {
        if behind[id] {
            nodes[id].args.iter().for_each(|&arg| behind[arg] = true);
        }
    }
    (0..=output).filter(|&id| behind[id]).collect()
}

/// The longest sum among these nodes; at least 1.
fn longest_sum(program: &Program, behind: &[NodeId]) -> usize {
    let nodes = program.graph.nodes();
    let terms = |&id: &NodeId| {
        let node = &nodes[id];
        let argument = node.args.first().map(|&arg| &nodes[arg].shape[..]);
        let row = argument.and_then(|shape| shape.last().copied());
        match &node.op {
            Op::Sum { axis } | Op::Dot { axis } => argument.map(|shape| shape[*axis]),
            Op::ScatterAdd(indices) => eval::group_sizes(indices, node.len()).into_iter().max(),
            op if op.is_on_rows() => row,
            _ => None,
        }
    };
    behind.iter().filter_map(terms).max().unwrap_or(1).max(1)
}
