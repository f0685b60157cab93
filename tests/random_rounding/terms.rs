//! Terms of losses of two classes that are one operation, step by step, in one of the forms that kernels have.

use crate::interpreter::{bce_with_logits, sigmoid, softplus};
use crate::machine::{Erring, Value};
use lossproof::graph::{Focal, LogClamp, PYTORCH_FLOOR, SoftTarget};

fn one() -> Value {
    Value::exact(1.0)
}

/// ln p and log1p(−p).
fn logs(m: &mut Erring, p: &Value) -> [Value; 2] {
    [m.ln(p), m.ln_1p(&p.neg())]
}

fn clamped(m: &mut Erring, logs: [Value; 2], clamp: LogClamp) -> [Value; 2] {
    if clamp == LogClamp::None {
        return logs;
    }
    let low = m.taken(clamp.low());
    logs.map(|log| m.max(&log, &low))
}

pub fn bce(m: &mut Erring, p: &Value, y: &Value, clamp: LogClamp) -> Value {
    let logs = logs(m, p);
    let [on, off] = clamped(m, logs, clamp);
    let other = m.sub(&one(), y);
    let (on, off) = (m.mul(y, &on.neg()), m.mul(&other, &off.neg()));
    m.add(&on, &off)
}

/// (1−y)/(1−p) − y/p, or (p − y)/(p(1−p)).
pub fn bce_gradient(m: &mut Erring, p: &Value, y: &Value, clamp: LogClamp) -> Value {
    let (q, other) = (m.sub(&one(), p), m.sub(&one(), y));
    let fused = |m: &mut Erring, floor: Option<f64>| {
        let product = m.mul(p, &q);
        let product = match floor {
            Some(floor) => {
                let floor = m.taken(floor);
                m.max(&product, &floor)
            }
            None => product,
        };
        let difference = m.sub(p, y);
        m.div(&difference, &product)
    };
    if let LogClamp::PyTorch(_) = clamp {
        return fused(m, Some(PYTORCH_FLOOR));
    }
    let cut = logs(m, p).map(|log| log.x < clamp.cut());
    let inside = p.x >= 2.0 * m.compute().min_normal() && p.x < 1;
    if cut == [false; 2] && inside && m.either() {
        return fused(m, None);
    }
    let mut term = |cut: bool, a: &Value, b: &Value| {
        if cut || a.is_exactly(0.0) { Value::exact(0.0) } else { m.div(a, b) }
    };
    let (on, off) = (term(cut[0], y, p), term(cut[1], &other, &q));
    m.sub(&off, &on)
}

pub fn bce_target_gradient(m: &mut Erring, p: &Value, clamp: LogClamp) -> Value {
    let logs = logs(m, p);
    let clamp = if let LogClamp::Cut(_) = clamp { clamp } else { LogClamp::None };
    let [on, off] = clamped(m, logs, clamp);
    m.sub(&off, &on)
}

/// σ(t)^γ: a power, or an exponential of the logarithm.
fn weight(m: &mut Erring, t: &Value, gamma: f64) -> Value {
    if gamma == 0.0 {
        return one();
    }
    if m.either() {
        let p = sigmoid(m, t);
        return m.pow(&p, gamma);
    }
    let log = softplus(m, &t.neg()).neg();
    let gamma = m.taken(gamma);
    let scaled = m.mul(&gamma, &log);
    m.exp(&scaled)
}

/// α·y and (1−α)·(1−y), or y and 1−y.
fn parts(m: &mut Erring, y: &Value, focal: Focal) -> [Value; 2] {
    let other = m.sub(&one(), y);
    let Some(alpha) = focal.alpha else { return [y.clone(), other] };
    let alpha = m.taken(alpha.get());
    let rest = m.sub(&one(), &alpha);
    [m.mul(&alpha, y), m.mul(&rest, &other)]
}

fn alpha_t(m: &mut Erring, y: &Value, focal: Focal) -> Value {
    if focal.alpha.is_none() {
        return one();
    }
    let [on, off] = parts(m, y, focal);
    m.add(&on, &off)
}

/// The weight of a soft target, and the derivative of its logarithm divided by γ.
fn soft_weight(m: &mut Erring, z: &Value, y: &Value, entropy: &Value, focal: Focal) -> (Value, Value) {
    let (gamma, other) = (focal.gamma(), m.sub(&one(), y));
    match focal.soft {
        SoftTarget::InterpolateP => {
            let (on, off) = (sigmoid(m, z), sigmoid(m, &z.neg()));
            let (hit, miss) = (m.mul(y, &off), m.mul(&other, &on));
            let q = m.add(&hit, &miss);
            let (side, both) = (m.sub(&other, y), m.mul(&on, &off));
            let moved = m.mul(&side, &both);
            (m.pow(&q, gamma), m.div(&moved, &q))
        }
        SoftTarget::ExpBce => {
            let p = sigmoid(m, z);
            let gap = m.sub(&p, y);
            let grown = m.expm1(entropy);
            let left = m.expm1(&entropy.neg()).neg();
            (m.pow(&left, gamma), m.div(&gap, &grown))
        }
        SoftTarget::Linear | SoftTarget::LogWeight => {
            let side = m.sub(&other, y);
            let t = m.mul(&side, z);
            let p = sigmoid(m, &t.neg());
            (weight(m, &t, gamma), m.mul(&side, &p))
        }
    }
}

fn is_two_terms(y: &Value, focal: Focal) -> bool {
    focal.is_two_terms(y.x.to_f64())
}

pub fn focal(m: &mut Erring, z: &Value, y: &Value, focal: Focal) -> Value {
    if is_two_terms(y, focal) {
        let mut term = |t: &Value| {
            let (w, loss) = (weight(m, t, focal.gamma()), softplus(m, t));
            m.mul(&w, &loss)
        };
        let (hit, miss) = (term(&z.neg()), term(z));
        let [on, off] = parts(m, y, focal);
        let (hit, miss) = (m.mul(&on, &hit), m.mul(&off, &miss));
        return m.add(&hit, &miss);
    }
    let entropy = bce_with_logits(m, z, y);
    let (w, _) = soft_weight(m, z, y, &entropy, focal);
    let product = m.mul(&w, &entropy);
    let alpha_t = alpha_t(m, y, focal);
    m.mul(&alpha_t, &product)
}

pub fn focal_gradient(m: &mut Erring, z: &Value, y: &Value, focal: Focal) -> Value {
    let gamma = m.taken(focal.gamma());
    if is_two_terms(y, focal) {
        let mut slope = |t: &Value| {
            let (w, p, q, loss) =
                (weight(m, t, focal.gamma()), sigmoid(m, t), sigmoid(m, &t.neg()), softplus(m, t));
            let moved = m.mul(&q, &loss);
            let moved = m.mul(&gamma, &moved);
            let sum = m.add(&p, &moved);
            m.mul(&w, &sum)
        };
        let (hit, miss) = (slope(&z.neg()), slope(z));
        let [on, off] = parts(m, y, focal);
        let (hit, miss) = (m.mul(&on, &hit), m.mul(&off, &miss));
        return m.sub(&miss, &hit);
    }
    let entropy = bce_with_logits(m, z, y);
    let (w, moved) = soft_weight(m, z, y, &entropy, focal);
    let p = sigmoid(m, z);
    let gap = m.sub(&p, y);
    let moved = m.mul(&gamma, &moved);
    let moved = m.mul(&moved, &entropy);
    let slope = m.add(&gap, &moved);
    let product = m.mul(&w, &slope);
    let alpha_t = alpha_t(m, y, focal);
    m.mul(&alpha_t, &product)
}

/// ½x² for |x| ≤ δ; beyond δ·(|x| − ½δ), or ½q² + δ·(|x| − q) with q = min(|x|, δ).
pub fn huber(m: &mut Erring, x: &Value, delta: f64) -> Value {
    let (a, delta) = (x.abs(), m.taken(delta));
    if a.x <= delta.x {
        let scaled = m.halved(&a);
        return m.mul(&scaled, &a);
    }
    let half_delta = m.halved(&delta);
    if m.either() {
        let beyond = m.sub(&a, &half_delta);
        return m.mul(&delta, &beyond);
    }
    let (square, beyond) = (m.mul(&half_delta, &delta), m.sub(&a, &delta));
    let linear = m.mul(&delta, &beyond);
    m.add(&square, &linear)
}

/// ½x²/β for |x| ≤ β, |x| − ½β beyond.
pub fn smooth_l1(m: &mut Erring, x: &Value, beta: f64) -> Value {
    let (a, beta) = (x.abs(), m.taken(beta));
    if a.x <= beta.x {
        let scaled = m.halved(&a);
        let square = m.mul(&scaled, &a);
        return m.div(&square, &beta);
    }
    let half_beta = m.halved(&beta);
    m.sub(&a, &half_beta)
}

fn is_minus_infinity(x: &Value) -> bool {
    x.x.is_infinite() && x.x < 0
}

/// t·(ln t − x), or t·ln t − t·x.
pub fn kl_div(m: &mut Erring, t: &Value, x: &Value) -> Value {
    if t.is_exactly(0.0) {
        return t.clone();
    }
    let ln_t = m.ln(t);
    if m.either() && !is_minus_infinity(x) {
        let (own, cross) = (m.mul(t, &ln_t), m.mul(t, x));
        return m.sub(&own, &cross);
    }
    let gap = m.sub(&ln_t, x);
    m.mul(t, &gap)
}

/// ln t − x + 1.
pub fn kl_div_slope(m: &mut Erring, t: &Value, x: &Value) -> Value {
    let ln_t = m.ln(t);
    if m.either() {
        let first = m.add(&ln_t, &one());
        return m.sub(&first, x);
    }
    let gap = m.sub(&ln_t, x);
    m.add(&gap, &one())
}

/// e^t·(t − x), and with 1 added its derivative e^t·(t − x + 1).
pub fn kl_div_log(m: &mut Erring, t: &Value, x: &Value, slope: bool) -> Value {
    if is_minus_infinity(t) {
        return Value::exact(0.0);
    }
    let (e, gap) = (m.exp(t), m.sub(t, x));
    if !slope {
        return m.mul(&e, &gap);
    }
    if m.either() {
        let product = m.mul(&e, &gap);
        return m.add(&product, &e);
    }
    let more = m.add(&gap, &one());
    m.mul(&e, &more)
}
