//! A case's gradient graph on a machine that errs: every node, element by element, composite operations step by step.

use crate::machine::{BITS, Erring, Value};
use crate::{rows, terms};
use lossproof::case::Case;
use lossproof::case::program::Program;
use lossproof::graph::{Node, NodeId, Op};
use rug::Float;
use std::cmp::Ordering;

/// The values of the outputs.
pub fn run(program: &Program, case: &Case, machine: &mut Erring) -> Vec<Vec<Value>> {
    let nodes = program.graph.nodes();
    let mut values: Vec<Vec<Value>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let args: Vec<&[Value]> = node.args.iter().map(|&arg| &values[arg][..]).collect();
        let shapes: Vec<&[usize]> = node.args.iter().map(|&arg| &nodes[arg].shape[..]).collect();
        let value = match node.op {
            Op::Input(slot) => program.values(case, slot).iter().map(|&x| machine.taken(x)).collect(),
            _ => evaluate(machine, node, &args, &shapes),
        };
        values.push(value);
    }
    let output = |&(_, id): &(String, NodeId)| values[id].clone();
    program.outputs.iter().map(output).collect()
}

fn sign(machine: &mut Erring, x: &Value) -> Value {
    if x.x.is_zero() {
        return Value::exact([-1.0, 0.0, 1.0][(machine.integer() % 3) as usize]);
    }
    Value::exact(if x.x < 0 { -1.0 } else { 1.0 })
}

/// 1/(1 + e^−x), by the side of 0 on which x is.
pub fn sigmoid(m: &mut Erring, x: &Value) -> Value {
    let e = m.exp(&x.abs().neg());
    let numerator = if x.x < 0 { e.clone() } else { Value::exact(1.0) };
    let denominator = m.add(&Value::exact(1.0), &e);
    m.div(&numerator, &denominator)
}

/// max(x, 0) + log1p(e^−|x|).
pub fn softplus(m: &mut Erring, x: &Value) -> Value {
    let e = m.exp(&x.abs().neg());
    let tail = m.ln_1p(&e);
    let top = m.max(x, &Value::exact(0.0));
    m.add(&top, &tail)
}

/// (max(z, 0) − z·y) + log1p(e^−|z|).
pub fn bce_with_logits(m: &mut Erring, z: &Value, y: &Value) -> Value {
    let e = m.exp(&z.abs().neg());
    let (top, product, tail) = (m.max(z, &Value::exact(0.0)), m.mul(z, y), m.ln_1p(&e));
    let linear = m.sub(&top, &product);
    m.add(&linear, &tail)
}

/// ln cosh x / ½x², from ln cosh x = ½·log1p(sinh² x).
fn series(x: &Float) -> Float {
    if x.is_zero() {
        return Float::with_val(BITS, 1);
    }
    let square = Float::with_val(BITS, x.sinh_ref()).square();
    square.ln_1p() / Float::with_val(BITS, x.square_ref())
}

fn log_cosh(m: &mut Erring, x: &Value) -> Value {
    let a = x.abs();
    if a.is_exactly(0.0) {
        return a;
    }
    if a.x < 0.05 {
        // ½x²·(1 − x²/6 + …): the bracket has one rounding, its last difference.
        let square = m.mul(&a, &a);
        let half = m.halved(&square);
        let bracket = series(&a.x);
        let bracket = Value { x: m.relatively(bracket, m.u), exact: false };
        return m.mul(&half, &bracket);
    }
    let twice = m.mul(&Value::exact(-2.0), &a);
    let e = m.exp(&twice);
    let tail = m.ln_1p(&e);
    let sum = m.add(&a, &tail);
    let ln_2 = m.taken(std::f64::consts::LN_2);
    m.sub(&sum, &Value { exact: false, ..ln_2 })
}

fn evaluate(m: &mut Erring, node: &Node, args: &[&[Value]], shapes: &[&[usize]]) -> Vec<Value> {
    let count = node.len();
    let x = args.first().copied().unwrap_or(&[]);
    let one = Value::exact(1.0);
    let mut each = |f: &mut dyn FnMut(&mut Erring, usize) -> Value| (0..count).map(|i| f(m, i)).collect();
    match &node.op {
        Op::Constant(c) => vec![m.taken(c.get()); count],
        Op::Add => each(&mut |m, i| m.add(&x[i], &args[1][i])),
        Op::Sub => each(&mut |m, i| m.sub(&x[i], &args[1][i])),
        Op::Mul => each(&mut |m, i| m.mul(&x[i], &args[1][i])),
        Op::Div => each(&mut |m, i| m.div(&x[i], &args[1][i])),
        Op::Neg => each(&mut |_, i| x[i].neg()),
        Op::Abs => each(&mut |_, i| x[i].abs()),
        Op::Sign => each(&mut |m, i| sign(m, &x[i])),
        Op::Maximum => each(&mut |m, i| m.max(&x[i], &args[1][i])),
        Op::Minimum => each(&mut |m, i| m.max(&x[i].neg(), &args[1][i].neg()).neg()),
        Op::TieShare => each(&mut |_, i| {
            // At a tie each takes half: the shares of both belong together.
            Value::exact(match x[i].x.partial_cmp(&args[1][i].x) {
                Some(Ordering::Greater) => 1.0,
                Some(Ordering::Equal) => 0.5,
                _ => 0.0,
            })
        }),
        Op::Clamp { low, high } => each(&mut |m, i| {
            let (low, high) = (m.taken(low.get()), m.taken(high.get()));
            let above = m.max(&x[i], &low);
            m.max(&above.neg(), &high.neg()).neg()
        }),
        Op::ClampShare { low, high } => each(&mut |m, i| {
            let (low, high) = (m.taken(low.get()), m.taken(high.get()));
            let inside = x[i].x > low.x && x[i].x < high.x;
            let at_bound = (x[i].x == low.x || x[i].x == high.x) && m.either();
            Value::exact(f64::from(u8::from(inside || at_bound)))
        }),
        Op::Sqrt => each(&mut |m, i| m.sqrt(&x[i])),
        Op::Exp => each(&mut |m, i| m.exp(&x[i])),
        Op::Expm1 => each(&mut |m, i| m.expm1(&x[i])),
        Op::Ln => each(&mut |m, i| m.ln(&x[i])),
        Op::Ln1p => each(&mut |m, i| m.ln_1p(&x[i])),
        Op::Pow(p) => each(&mut |m, i| m.pow(&x[i], p.get())),
        Op::Tanh => each(&mut |m, i| m.tanh(&x[i])),
        Op::Softplus => each(&mut |m, i| softplus(m, &x[i])),
        Op::Sigmoid => each(&mut |m, i| sigmoid(m, &x[i])),
        Op::LogSigmoid => each(&mut |m, i| softplus(m, &x[i].neg()).neg()),
        Op::LogCosh => each(&mut |m, i| log_cosh(m, &x[i])),
        Op::Expm1Minus => each(&mut |m, i| {
            let expm1 = m.expm1(&x[i]);
            m.sub(&expm1, &x[i])
        }),
        Op::Xlogy => each(&mut |m, i| {
            if x[i].is_exactly(0.0) {
                return x[i].clone();
            }
            let ln = m.ln(&args[1][i]);
            m.mul(&x[i], &ln)
        }),
        Op::BceWithLogits => each(&mut |m, i| bce_with_logits(m, &x[i], &args[1][i])),
        Op::Bce(clamp) => each(&mut |m, i| terms::bce(m, &x[i], &args[1][i], *clamp)),
        Op::BceGradient(clamp) => each(&mut |m, i| terms::bce_gradient(m, &x[i], &args[1][i], *clamp)),
        Op::BceTargetGradient(clamp) => each(&mut |m, i| terms::bce_target_gradient(m, &x[i], *clamp)),
        Op::LnTwoPi => {
            // Irrational: no machine holds it.
            let x = m.taken(std::f64::consts::TAU.ln());
            vec![Value { exact: false, ..x }; count]
        }
        Op::Huber(delta) => each(&mut |m, i| terms::huber(m, &x[i], delta.get())),
        Op::SmoothL1(beta) => each(&mut |m, i| terms::smooth_l1(m, &x[i], beta.get())),
        Op::KlDiv => each(&mut |m, i| terms::kl_div(m, &x[i], &args[1][i])),
        Op::KlDivSlope => each(&mut |m, i| terms::kl_div_slope(m, &x[i], &args[1][i])),
        Op::KlDivLog => each(&mut |m, i| terms::kl_div_log(m, &x[i], &args[1][i], false)),
        Op::KlDivLogSlope => each(&mut |m, i| terms::kl_div_log(m, &x[i], &args[1][i], true)),
        Op::Focal(focal) => each(&mut |m, i| terms::focal(m, &x[i], &args[1][i], *focal)),
        Op::FocalGradient(focal) => each(&mut |m, i| terms::focal_gradient(m, &x[i], &args[1][i], *focal)),
        Op::SigmoidMinus => each(&mut |m, i| {
            let p = sigmoid(m, &x[i]);
            m.sub(&p, &args[1][i])
        }),
        Op::BceWithLogitsWeighted => each(&mut |m, i| {
            let (z, y, w) = (&x[i], &args[1][i], &args[2][i]);
            let (hit, miss) = (softplus(m, &z.neg()), softplus(m, z));
            let (weight, other) = (m.mul(y, w), m.sub(&one, y));
            let (hit, miss) = (m.mul(&weight, &hit), m.mul(&other, &miss));
            m.add(&hit, &miss)
        }),
        Op::SigmoidMinusWeighted => each(&mut |m, i| {
            let (z, y, w) = (&x[i], &args[1][i], &args[2][i]);
            let (other, weight) = (m.sub(&one, y), m.mul(y, w));
            let (miss, hit) = (sigmoid(m, z), sigmoid(m, &z.neg()));
            let (miss, hit) = (m.mul(&other, &miss), m.mul(&weight, &hit));
            m.sub(&miss, &hit)
        }),
        Op::SoftplusGap => each(&mut |m, i| {
            let (hit, miss) = (softplus(m, &x[i].neg()), softplus(m, &x[i]));
            let hit = m.mul(&args[1][i], &hit);
            m.sub(&hit, &miss)
        }),
        Op::Input(_) | Op::Reshape | Op::StopGradient | Op::GradientTo => x.to_vec(),
        Op::Select(mask) => each(&mut |_, i| args[usize::from(!mask[i])][i].clone()),
        Op::Broadcast => {
            let places = places(&node.shape, shapes[0]);
            places.into_iter().map(|place| x[place].clone()).collect()
        }
        Op::Gather(indices) => indices.iter().map(|&i| x[i].clone()).collect(),
        Op::Slice { axis, start } => {
            let lines = lines(shapes[0], *axis);
            let kept = *start..*start + node.shape[*axis];
            let picked: Vec<Vec<usize>> = lines.iter().map(|line| line[kept.clone()].to_vec()).collect();
            scatter(&node.shape, *axis, &picked, |i| x[i].clone())
        }
        Op::Concatenate { .. } => unreachable!("no loss concatenates"),
        Op::ScatterAdd(indices) => each(&mut |m, i| {
            let terms = indices.iter().zip(x).filter(|&(&to, _)| to == i);
            m.sum(&terms.map(|(_, x)| x.clone()).collect::<Vec<_>>())
        }),
        Op::Sum { axis } => {
            let lines = lines(shapes[0], *axis);
            lines.iter().map(|line| m.sum(&line.iter().map(|&i| x[i].clone()).collect::<Vec<_>>())).collect()
        }
        Op::Dot { axis } => {
            let lines = lines(shapes[0], *axis);
            let mut dot = |line: &Vec<usize>| {
                let terms: Vec<Value> = line.iter().map(|&i| m.mul(&x[i], &args[1][i])).collect();
                m.sum(&terms)
            };
            lines.iter().map(&mut dot).collect()
        }
        Op::MaxAxis { axis } => {
            let largest = |line: &Vec<usize>| {
                line.iter().map(|&i| x[i].clone()).reduce(|a, b| m.max(&a, &b)).expect("a term")
            };
            lines(shapes[0], *axis).iter().map(largest).collect()
        }
        Op::MaxShare { axis } => {
            let mut shares = vec![Value::exact(0.0); count];
            for line in lines(shapes[0], *axis) {
                let first = line.iter().copied().reduce(|a, b| if x[a].x >= x[b].x { a } else { b });
                shares[first.expect("a term")] = Value::exact(1.0);
            }
            shares
        }
        _ => rows::evaluate(m, node, args, shapes),
    }
}

/// The flat indices of each line along an axis, in the order of the result of a reduction.
pub fn lines(shape: &[usize], axis: usize) -> Vec<Vec<usize>> {
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let outer: usize = shape[..axis].iter().product();
    let line = |o: usize, i: usize| (0..n).map(|k| (o * n + k) * inner + i).collect();
    (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))).map(|(o, i)| line(o, i)).collect()
}

/// Puts lines back along an axis.
fn scatter<T: Clone>(
    shape: &[usize],
    axis: usize,
    picked: &[Vec<usize>],
    get: impl Fn(usize) -> T,
) -> Vec<T> {
    let mut result: Vec<Option<T>> = vec![None; shape.iter().product()];
    for (line, from) in lines(shape, axis).iter().zip(picked) {
        for (&to, &from) in line.iter().zip(from) {
            result[to] = Some(get(from));
        }
    }
    result.into_iter().map(|x| x.expect("every place is in a line")).collect()
}

/// For each element of a broadcast result the element of the argument that it repeats.
fn places(to: &[usize], from: &[usize]) -> Vec<usize> {
    let lead = to.len() - from.len();
    let place = |flat: usize| {
        let (mut rest, mut place, mut stride) = (flat, 0, 1);
        for axis in (0..to.len()).rev() {
            let index = rest % to[axis];
            rest /= to[axis];
            if axis >= lead {
                if from[axis - lead] != 1 {
                    place += index * stride;
                }
                stride *= from[axis - lead];
            }
        }
        place
    };
    (0..to.iter().product()).map(place).collect()
}
