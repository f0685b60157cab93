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
        "kl_div" => Some(Box::new(move || {
            let (x, t) = (case.input("log_prediction").floats(), case.input("target").floats());
            drop(black_box(kl_div(black_box(x), t, case.input("target").shape[0] as f64)));
        })),
        "gaussian_nll" => Some(Box::new(move || {
            let floats = |name: &str| case.input(name).floats();
            drop(black_box(gaussian_nll(black_box(floats("mean")), floats("target"), floats("variance"))));
        })),
        "cosine_embedding" => Some(Box::new(move || {
            let floats = |name: &str| case.input(name).floats();
            drop(black_box(cosine_embedding(black_box(floats("x1")), floats("x2"), floats("target"))));
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

/// Σ t·(ln t − x)/rows, and its gradients by x and t.
fn kl_div(x: &[f64], t: &[f64], rows: f64) -> (f32, Vec<f32>, Vec<f32>) {
    let (mut sum, mut spread, mut size) = (0.0, 0.0, 0.0);
    let mut by_target = Vec::with_capacity(x.len());
    let by_prediction = x.iter().zip(t).map(|(&x, &t)| {
        let ln = core_math::log(t);
        let gap = ln - x;
        let rad = U * (ln.abs() + gap.abs());
        let term = t * gap;
        sum += term;
        size += term.abs();
        spread += t * rad + U * term.abs();
        let slope = (gap + 1.0) / rows;
        by_target.push(proved(slope, (rad + 2.0 * U * (gap.abs() + 1.0)) / rows * (1.0 + 8.0 * U)));
        proved(-t / rows, U * t / rows * (1.0 + 8.0 * U))
    });
    let by_prediction = by_prediction.collect();
    let n = x.len() as f64;
    (proved(sum / rows, (spread + n * U * size) / rows * (1.0 + 4.0 * n * U)), by_prediction, by_target)
}

/// The mean of ½(ln v + (m − t)²/v), and its gradients by m, t and v.
fn gaussian_nll(mean: &[f64], target: &[f64], variance: &[f64]) -> (f32, [Vec<f32>; 3]) {
    let n = mean.len() as f64;
    let (mut sum, mut spread, mut size) = (0.0, 0.0, 0.0);
    let mut gradients = [const { Vec::new() }; 3];
    gradients.iter_mut().for_each(|gradient| gradient.reserve(mean.len()));
    for ((&m, &t), &v) in mean.iter().zip(target).zip(variance) {
        let r = m - t;
        let q = r / v;
        let ln = core_math::log(v);
        let term = 0.5 * (ln + r * q);
        sum += term;
        size += term.abs();
        spread += 4.0 * U * (ln.abs() + (r * q).abs());
        let by_mean = q / n;
        let rad = 4.0 * U * by_mean.abs();
        gradients[0].push(proved(by_mean, rad));
        gradients[1].push(proved(-by_mean, rad));
        let (one, two) = (1.0 / v, q * q);
        gradients[2].push(proved(0.5 * (one - two) / n, 6.0 * U * (one + two) / n));
    }
    (proved(sum / n, (spread + n * U * size) / n * (1.0 + 4.0 * n * U)), gradients)
}

/// The mean of 1 − cos or max(cos, 0), and its gradients by both rows.
fn cosine_embedding(x: &[f64], y: &[f64], target: &[f64]) -> (f32, Vec<f32>, Vec<f32>) {
    let (rows, width) = (target.len() as f64, x.len() / target.len());
    let (mut sum, mut spread) = (0.0, 0.0);
    let (mut by_x, mut by_y) = (Vec::with_capacity(x.len()), Vec::with_capacity(x.len()));
    for ((x, y), &target) in x.chunks(width).zip(y.chunks(width)).zip(target) {
        let (mut dot, mut xx, mut yy, mut size) = (0.0, 0.0, 0.0, 0.0);
        for (&x, &y) in x.iter().zip(y) {
            dot += x * y;
            size += (x * y).abs();
            xx += x * x;
            yy += y * y;
        }
        let root = (xx * yy).sqrt();
        let cosine = dot / root;
        let relative = 4.0 * U * width as f64;
        let rad = relative * (size / root);
        sum += if target == 1.0 { 1.0 - cosine } else { cosine.max(0.0) };
        spread += rad + U;
        let sign = if target == 1.0 { -1.0 } else { f64::from(u8::from(cosine > 0.0)) } / rows;
        let side = |own: &[f64], other: &[f64], square: f64, out: &mut Vec<f32>| {
            for (&a, &b) in own.iter().zip(other) {
                let g = sign * (b * square - dot * a) / (square * root);
                let bound = (b.abs() * square + (dot.abs() + size) * a.abs()) / (square * root) / rows;
                out.push(proved(g, 2.0 * relative * bound));
            }
        };
        side(x, y, xx, &mut by_x);
        side(y, x, yy, &mut by_y);
    }
    (proved(sum / rows, spread / rows * 2.0), by_x, by_y)
}
