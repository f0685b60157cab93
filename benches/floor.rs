//! The floor: what a person would write by hand for one loss, balls of f64 and CORE-MATH in a straight line, the f32 answer
//! where both ends of a ball round alike. No graph, no exactness, no kinks, no infinities, no rounding to odd.

use lossproof::case::Case;
use std::hint::black_box;

const U: f64 = f64::EPSILON / 2.0;

/// The f32 that both ends round to; NaN where they differ.
fn proved(mid: f64, rad: f64) -> f32 {
    let (low, high) = ((mid - rad) as f32, (mid + rad) as f32);
    if low == high { low } else { f32::NAN }
}

/// The work of a case by hand, where there is one.
pub fn of(case: &Case) -> Option<Box<dyn FnMut() + '_>> {
    match case.loss.as_str() {
        "cross_entropy" => Some(Box::new(move || {
            let target = case.input("target").integers()[0] as usize;
            drop(black_box(cross_entropy(black_box(case.input("logits").floats()), target)));
        })),
        "bce_with_logits" => Some(Box::new(move || {
            let (z, y) = (case.input("logits").floats(), case.input("target").floats());
            drop(black_box(bce_with_logits(black_box(z), y)));
        })),
        _ => None,
    }
}

/// log Σ exp(x) − x_t and softmax(x) − onehot(t) of one row.
fn cross_entropy(x: &[f64], target: usize) -> (f32, Vec<f32>) {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut error, mut spread) = (0.0, 0.0, 0.0);
    let terms: Vec<(f64, f64)> = x
        .iter()
        .map(|&x| {
            let d = x - most;
            let e = core_math::exp(d);
            // |d − exact| ≤ u|d|.
            let r = e * U * (1.0 + d.abs());
            let s = sum + e;
            let c = s - sum;
            error += (sum - (s - c)) + (e - c);
            sum = s;
            spread += r;
            (e, r)
        })
        .collect();
    let n = x.len() as f64;
    let total = sum + error;
    let spread = (spread + U * total * (1.0 + n * U)) * (1.0 + 4.0 * n * U);
    let ln = core_math::log(total);
    let loss = ln + (most - x[target]);
    let loss_rad = 2.0 * (spread / total + 3.0 * U * (ln.abs() + loss.abs() + (most - x[target])));
    let relative = spread / total * (1.0 + 8.0 * U);
    let gradient = terms.iter().enumerate().map(|(at, &(e, r))| {
        let p = e / total;
        let rad = (r / total + p * (relative + 2.0 * U)) * (1.0 + 16.0 * U);
        if at == target { proved(p - 1.0, rad + U) } else { proved(p, rad) }
    });
    (proved(loss, loss_rad), gradient.collect())
}

/// The mean of (1 − y)·softplus(z) + y·softplus(−z), and its gradients by z and y.
fn bce_with_logits(z: &[f64], y: &[f64]) -> (f32, Vec<f32>, Vec<f32>) {
    let n = z.len() as f64;
    let (mut sum, mut spread) = (0.0, 0.0);
    let mut by_target = Vec::with_capacity(z.len());
    let by_logits = z
        .iter()
        .zip(y)
        .map(|(&z, &y)| {
            let e = core_math::exp(-z.abs());
            let tail = core_math::log1p(e);
            let main = if z > 0.0 { (1.0 - y) * z } else { -y * z };
            let term = main + tail;
            sum += term;
            spread += 8.0 * U * (main + tail);
            let s = if z > 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
            let g = s - y;
            by_target.push(proved(-z / n, U * z.abs() / n * (1.0 + 8.0 * U)));
            proved(g / n, (6.0 * U * s + 2.0 * U * g.abs()) / n)
        })
        .collect();
    let loss = proved(sum / n, (spread + n * U * sum) / n * (1.0 + 4.0 * n * U));
    (loss, by_logits, by_target)
}
