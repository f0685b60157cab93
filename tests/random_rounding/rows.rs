//! The composite operations on rows, step by step, in one of the forms that kernels have.

use crate::machine::{BITS, Erring, LN, Value};
use lossproof::graph::{Node, Op, Power};
use rug::Float;

/// A row under the softmax: dᵢ, eᵢ, s and ln s.
struct Row {
    shifted: Vec<Value>,
    exps: Vec<Value>,
    s: Value,
    ln_s: Value,
    /// Whether more than one term is above −∞.
    several: bool,
}

fn is_minus_infinity(x: &Value) -> bool {
    x.x.is_infinite() && x.x < 0
}

fn look(m: &mut Erring, row: &[Value]) -> Row {
    let live = row.iter().filter(|x| !is_minus_infinity(x)).count();
    let at = (0..row.len()).reduce(|a, b| if row[a].x >= row[b].x { a } else { b }).expect("a term");
    let mut shifted = Vec::new();
    for (i, x) in row.iter().enumerate() {
        shifted.push(match i == at {
            true => Value::exact(0.0),
            false => m.sub(x, &row[at]),
        });
    }
    let exps: Vec<Value> = shifted.iter().map(|d| m.exp(d)).collect();
    // A sum of positive terms, the largest of them 1.
    let total = Float::with_val(BITS, Float::sum(exps.iter().map(|e| &e.x)));
    let (s, ln_s) = if live > 1 {
        let gamma = m.gamma(row.len().max(2));
        let s = Value { x: m.grown(total, gamma), exact: false };
        let ln_s = m.ulps(Float::with_val(BITS, s.x.ln_ref()), LN);
        (s, ln_s)
    } else {
        (Value::exact(1.0), Value::exact(0.0))
    };
    Row { shifted, exps, s, ln_s, several: live > 1 }
}

impl Row {
    fn softmax(&self, m: &mut Erring, quotient: bool, i: usize) -> Value {
        if is_minus_infinity(&self.shifted[i]) {
            return Value::exact(0.0);
        }
        if !self.several {
            return Value::exact(1.0);
        }
        if quotient {
            return m.div(&self.exps[i], &self.s);
        }
        let difference = m.sub(&self.shifted[i], &self.ln_s);
        m.exp(&difference)
    }

    fn surprise(&self, m: &mut Erring, i: usize) -> Value {
        if is_minus_infinity(&self.shifted[i]) {
            return Value::exact(f64::INFINITY);
        }
        if self.several { m.sub(&self.ln_s, &self.shifted[i]) } else { Value::exact(0.0) }
    }
}

/// The p-norm, scaled by the largest coordinate or as it stands.
fn norm(m: &mut Erring, row: &[Value], power: Power, epsilon: f64) -> Value {
    let largest = row.iter().map(Value::abs).reduce(|a, b| m.max(&a, &b)).expect("a coordinate");
    let Power::Finite(p) = power else { return largest };
    if largest.is_exactly(0.0) && epsilon == 0.0 {
        return largest;
    }
    let scales = p > 1.0 && epsilon == 0.0 && m.either() && !largest.x.is_zero();
    let mut terms = Vec::new();
    for x in row {
        // The largest coordinate divided by itself is 1.
        let x = match x.abs() {
            x if !scales => x,
            x if x.x == largest.x => Value::exact(1.0),
            x => m.div(&x, &largest),
        };
        terms.push(m.pow(&x, p));
    }
    if epsilon > 0.0 {
        terms.push(m.taken(epsilon));
    }
    let sum = m.sum(&terms);
    let root = match p {
        1.0 => sum,
        2.0 => m.sqrt(&sum),
        _ => m.pow(&sum, 1.0 / p),
    };
    if scales { m.mul(&largest, &root) } else { root }
}

/// A row in units of a power of two, with its norm and the exponent.
struct Unit {
    row: Vec<Value>,
    norm: Value,
    exponent: i32,
}

fn unit(m: &mut Erring, row: &[Value], epsilon: f64) -> Unit {
    let root = Float::with_val(BITS, epsilon).sqrt();
    let largest = row.iter().fold(root, |largest, x| largest.max(&x.abs().x));
    let exponent = largest.get_exp().map_or(0, |e| e - 1);
    let row: Vec<Value> = row.iter().map(|x| m.unit_scaled(x, -exponent)).collect();
    let epsilon = (Float::with_val(BITS, epsilon) >> (2 * exponent)).to_f64();
    Unit { norm: norm(m, &row, Power::Finite(2.0), epsilon), row, exponent }
}

/// The cosine: of the rows, or of the rows normalised first; in units, so that neither overflows nor underflows.
fn cosine(m: &mut Erring, x: &Unit, y: &Unit) -> Value {
    let normalises = m.either();
    let mut terms = Vec::new();
    for (a, b) in x.row.iter().zip(&y.row) {
        let (a, b) = match normalises {
            true => (m.div(a, &x.norm), m.div(b, &y.norm)),
            false => (a.clone(), b.clone()),
        };
        terms.push(m.mul(&a, &b));
    }
    let dot = m.sum(&terms);
    if normalises {
        return dot;
    }
    let norms = m.mul(&x.norm, &y.norm);
    m.div(&dot, &norms)
}

/// (ŷ − c·x̂)/‖x‖, or y/(‖x‖‖y‖) − c·x/‖x‖².
fn cosine_slope(m: &mut Erring, i: usize, x: &Unit, y: &Unit, cosine: &Value) -> Value {
    let slope = if m.either() {
        let (unit_x, unit_y) = (m.div(&x.row[i], &x.norm), m.div(&y.row[i], &y.norm));
        let moved = m.mul(cosine, &unit_x);
        let difference = m.sub(&unit_y, &moved);
        m.div(&difference, &x.norm)
    } else {
        let (norms, square) = (m.mul(&x.norm, &y.norm), m.mul(&x.norm, &x.norm));
        let moved = m.mul(cosine, &x.row[i]);
        let (across, along) = (m.div(&y.row[i], &norms), m.div(&moved, &square));
        m.sub(&across, &along)
    };
    m.scaled_back(&slope, -x.exponent)
}

/// x/‖x‖ and its kin; 0 at the zero vector, which is in the set there.
fn norm_gradient(m: &mut Erring, row: &[Value], power: Power, epsilon: f64) -> Vec<Value> {
    let zero = Value::exact(0.0);
    let sign = |x: &Value| if x.x < 0 { Value::exact(-1.0) } else { Value::exact(1.0) };
    match power {
        Power::Infinity => {
            let first = (0..row.len()).reduce(|a, b| if row[a].abs().x >= row[b].abs().x { a } else { b });
            let share = |(i, x): (usize, &Value)| {
                if Some(i) == first && !x.x.is_zero() { sign(x) } else { zero.clone() }
            };
            row.iter().enumerate().map(share).collect()
        }
        Power::Finite(1.0) => {
            row.iter().map(|x| if x.x.is_zero() { zero.clone() } else { sign(x) }).collect()
        }
        Power::Finite(p) => {
            let norm = norm(m, row, power, epsilon);
            let mut result = Vec::new();
            for x in row {
                if norm.x <= 0 || x.x.is_zero() {
                    result.push(zero.clone());
                    continue;
                }
                let ratio = m.div(&x.abs(), &norm);
                let magnitude = m.pow(&ratio, p - 1.0);
                // Kernels leave [−1, 1] by no more than their rounding; a norm that is lost altogether is guarded.
                let lost = magnitude.x > 1.5;
                let magnitude =
                    if lost { Value { x: Float::with_val(BITS, 1), exact: false } } else { magnitude };
                result.push(m.mul(&sign(x), &magnitude));
            }
            result
        }
    }
}

pub fn evaluate(m: &mut Erring, node: &Node, args: &[&[Value]], shapes: &[&[usize]]) -> Vec<Value> {
    let width = shapes[0].last().copied().unwrap_or(1);
    let mut result = Vec::new();
    if width == 0 {
        return vec![Value::exact(0.0); node.len()];
    }
    for (n, line) in args[0].chunks_exact(width).enumerate() {
        let second = || &args[1][n * width..(n + 1) * width];
        match &node.op {
            Op::Norm { p, epsilon } => result.push(norm(m, line, p.power(), epsilon.get())),
            Op::NormGradient { p, epsilon } => {
                result.extend(norm_gradient(m, line, p.power(), epsilon.get()));
            }
            Op::Normalize => {
                let norm = norm(m, line, Power::Finite(2.0), 0.0);
                result.extend(line.iter().map(|x| m.div(x, &norm)));
            }
            Op::Cosine { epsilon } | Op::CosineGradient { epsilon } => {
                let (x, y) = (unit(m, line, epsilon.get()), unit(m, second(), epsilon.get()));
                let cosine = cosine(m, &x, &y);
                match node.op {
                    Op::Cosine { .. } => result.push(cosine),
                    _ => result.extend((0..width).map(|i| cosine_slope(m, i, &x, &y, &cosine))),
                }
            }
            op => {
                let row = look(m, line);
                let quotient = m.either();
                match op {
                    Op::LogSumExp => {
                        let largest = line.iter().cloned().reduce(|a, b| m.max(&a, &b)).expect("a term");
                        result.push(m.add(&largest, &row.ln_s));
                    }
                    Op::Softmax => result.extend((0..width).map(|i| row.softmax(m, quotient, i))),
                    Op::LogSoftmax => result.extend((0..width).map(|i| row.surprise(m, i).neg())),
                    Op::CrossEntropy(classes) => result.push(row.surprise(m, classes[n])),
                    Op::CrossEntropyGradient(classes) => {
                        for i in 0..width {
                            let p = row.softmax(m, quotient, i);
                            result.push(if i == classes[n] { m.sub(&p, &Value::exact(1.0)) } else { p });
                        }
                    }
                    Op::SoftCrossEntropy => {
                        let mut terms = Vec::new();
                        for (i, q) in second().iter().enumerate().filter(|(_, q)| !q.is_exactly(0.0)) {
                            let surprise = row.surprise(m, i);
                            terms.push(m.mul(q, &surprise));
                        }
                        result.push(m.sum(&terms));
                    }
                    Op::SoftCrossEntropyGradient => {
                        let total = m.sum(second());
                        for (i, q) in second().iter().enumerate() {
                            let p = row.softmax(m, quotient, i);
                            let scaled = m.mul(&p, &total);
                            result.push(m.sub(&scaled, q));
                        }
                    }
                    op => unreachable!("{} is not known here", op.name()),
                }
            }
        }
    }
    result
}
