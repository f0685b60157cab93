//! The promise: where the literature and the frameworks have two stable forms of a loss, plain f32 kernels of both hold.
//! Cosine: x·y/(‖x‖‖y‖), or both vectors normalised first. Focal weight: exp(γ·ln σ), or σ^γ. Binary cross-entropy's gradient:
//! (1−y)/(1−p) − y/p, or (p−y)/(p(1−p)). And where a gradient comes from reverse accumulation, upstream first, whose partial
//! products underflow: through rows as they stand as long as their squares have their digits, in units of a power of two where not.

use lossproof::case::{Case, LOSS, Tensors, gradient_name, regime::Regime};
use lossproof::check::{Options, Silent, run};
use lossproof::format::Format;
use lossproof::kernel::{Kernel, KernelError, Support};
use lossproof::loss::{ParamValue, Params};
use lossproof::subject::InProcess;
use lossproof::tensor::Tensor;

/// The first or the second form of each loss.
struct Honest {
    second: bool,
}

/// The derivative of a cosine by reverse accumulation, upstream first.
struct Accumulated;

fn floats_of(tensor: &Tensor) -> Vec<f32> {
    tensor.floats().iter().map(|&x| x as f32).collect()
}

fn floats(case: &Case, name: &str) -> Vec<f32> {
    floats_of(case.input(name))
}

fn sum(x: &[f32]) -> f32 {
    match x {
        [] => 0.0,
        [x] => *x,
        _ => {
            let (left, right) = x.split_at(x.len() / 2);
            sum(left) + sum(right)
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    let e = libm::expf(-x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + libm::log1pf(libm::expf(-x.abs()))
}

/// The outputs of terms and of each one's slopes by the named inputs, `width` elements a term.
fn outputs(case: &Case, terms: &[f32], slopes: &[(&str, Vec<f32>)], width: usize) -> Tensors {
    let (n, zero) = (terms.len() as f32, case.params.text("empty_mean") == "zero");
    let upstream = floats_of(&case.upstream);
    let empty = if zero { 0.0 } else { f32::NAN };
    let loss = match case.params.text("reduction") {
        "none" => terms.to_vec(),
        "sum" => vec![sum(terms)],
        _ if terms.is_empty() => vec![empty],
        _ => vec![sum(terms) / n],
    };
    let factor = |at: usize| match case.params.text("reduction") {
        "none" => upstream[at],
        "sum" => upstream[0],
        _ => upstream[0] / n,
    };
    let tensor = |shape: &[usize], x: Vec<f32>| {
        Tensor::float(Format::F32, shape, x.into_iter().map(f64::from).collect())
    };
    let mut outputs = Tensors::from([(LOSS.to_owned(), tensor(&case.upstream.shape, loss))]);
    for (name, slopes) in slopes.iter().filter(|(name, _)| case.gradients.iter().any(|g| g == name)) {
        let gradient = slopes.iter().enumerate().map(|(i, slope)| factor(i / width) * slope).collect();
        outputs.insert(gradient_name(name), tensor(&case.input(name).shape, gradient));
    }
    outputs
}

impl Honest {
    fn bce(&self, case: &Case) -> Tensors {
        let (p, y) = (floats(case, "probability"), floats(case, "target"));
        let part = |a: f32, b: f32| if a == 0.0 { 0.0 } else { a * b };
        let term = |(&p, &y): (&f32, &f32)| -(part(y, libm::logf(p)) + part(1.0 - y, libm::log1pf(-p)));
        let slope = |(&p, &y): (&f32, &f32)| {
            let quotient = |a: f32, b: f32| if a == 0.0 { 0.0 } else { a / b };
            if self.second && p > 0.0 && p < 1.0 {
                (p - y) / (p * (1.0 - p))
            } else {
                quotient(1.0 - y, 1.0 - p) - quotient(y, p)
            }
        };
        let pairs = || p.iter().zip(&y);
        let terms: Vec<f32> = pairs().map(term).collect();
        let by_target = p.iter().map(|&p| libm::log1pf(-p) - libm::logf(p)).collect();
        outputs(case, &terms, &[("probability", pairs().map(slope).collect()), ("target", by_target)], 1)
    }

    fn focal(&self, case: &Case) -> Tensors {
        let (z, y) = (floats(case, "logits"), floats(case, "target"));
        let gamma = case.params.number("gamma").unwrap_or(2.0) as f32;
        let alpha = case.params.number("alpha").map(|alpha| alpha as f32);
        let weight = |t: f32| match self.second {
            true => libm::powf(sigmoid(t), gamma),
            false => libm::expf(gamma * -softplus(-t)),
        };
        let (mut terms, mut slopes) = (Vec::new(), Vec::new());
        for (&z, &y) in z.iter().zip(&y) {
            // The logit that the target is against.
            let (t, sign) = if y == 1.0 { (-z, -1.0) } else { (z, 1.0) };
            let factor = alpha.map_or(1.0, |alpha| if y == 1.0 { alpha } else { 1.0 - alpha });
            terms.push(factor * (weight(t) * softplus(t)));
            let moved = gamma * (sigmoid(-t) * softplus(t));
            // Second: as autograd has it of a fused cross-entropy, σ(z) − y.
            let direct = if self.second { sign * (sigmoid(z) - y) } else { sigmoid(t) };
            slopes.push(sign * factor * (weight(t) * (direct + moved)));
        }
        outputs(case, &terms, &[("logits", slopes)], 1)
    }

    fn cosine(&self, case: &Case) -> Tensors {
        let width = case.input("x1").shape[1];
        let (x, y, target) = (floats(case, "x1"), floats(case, "x2"), floats(case, "target"));
        let margin = case.params.number("margin").unwrap_or(0.0) as f32;
        let (mut terms, mut by_x, mut by_y) = (Vec::new(), Vec::new(), Vec::new());
        for ((x, y), target) in x.chunks(width).zip(y.chunks(width)).zip(target) {
            let (n, m) = (products(x, x).sqrt(), products(y, y).sqrt());
            let unit = |x: &[f32], n: f32| x.iter().map(|x| x / n).collect::<Vec<f32>>();
            let (u, v) = (unit(x, n), unit(y, m));
            let cosine = if self.second { products(&u, &v) } else { products(x, y) / (n * m) };
            let gap = if target == 1.0 { 1.0 - cosine } else { cosine - margin };
            let active = target == 1.0 || gap > 0.0 || gap.is_nan();
            terms.push(if active { gap } else { 0.0 });
            let slope = match active {
                _ if gap.is_nan() => f32::NAN,
                true if target == 1.0 => -1.0,
                true => 1.0,
                false => 0.0,
            };
            for i in 0..width {
                let [a, b] = match self.second {
                    true => [(v[i] - cosine * u[i]) / n, (u[i] - cosine * v[i]) / m],
                    false => {
                        let product = n * m;
                        [y[i] / product - cosine * x[i] / (n * n), x[i] / product - cosine * y[i] / (m * m)]
                    }
                };
                by_x.push(slope * a);
                by_y.push(slope * b);
            }
        }
        outputs(case, &terms, &[("x1", by_x), ("x2", by_y)], width)
    }
}

fn products(a: &[f32], b: &[f32]) -> f32 {
    sum(&a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f32>>())
}

/// A row in which squares have their digits, times a power of two: 1 where it has them as it stands, and 1/square does not underflow.
fn in_range(x: &[f32]) -> (Vec<f32>, i32) {
    let square = products(x, x);
    let least = x.iter().filter(|x| **x != 0.0).fold(f32::INFINITY, |least, x| least.min(x.abs()));
    let e = match x.iter().fold(0.0f32, |largest, x| largest.max(x.abs())) {
        _ if least > 1e-15 && square < 1e37 => 0,
        0.0 => 0,
        largest => libm::ilogb(f64::from(largest)),
    };
    (x.iter().map(|&x| libm::scalbnf(x, -e)).collect(), e)
}

impl Accumulated {
    fn cosine(case: &Case) -> Tensors {
        let width = case.input("x1").shape[1];
        let (x, y, target) = (floats(case, "x1"), floats(case, "x2"), floats(case, "target"));
        let margin = case.params.number("margin").unwrap_or(0.0) as f32;
        let upstream = floats_of(&case.upstream);
        let rows = target.len() as f32;
        let (mut terms, mut by_x, mut by_y) = (Vec::new(), Vec::new(), Vec::new());
        for (at, ((x, y), target)) in x.chunks(width).zip(y.chunks(width)).zip(target).enumerate() {
            let ((x, by_power), (y, by_other)) = (in_range(x), in_range(y));
            let (n, m) = (products(&x, &x).sqrt(), products(&y, &y).sqrt());
            let unit = |x: &[f32], n: f32| x.iter().map(|x| x / n).collect::<Vec<f32>>();
            let (u, v) = (unit(&x, n), unit(&y, m));
            let cosine = products(&u, &v);
            let gap = if target == 1.0 { 1.0 - cosine } else { cosine - margin };
            let active = target == 1.0 || gap > 0.0 || gap.is_nan();
            terms.push(if active { gap } else { 0.0 });
            let g = upstream[if upstream.len() == 1 { 0 } else { at }];
            let g = if case.params.text("reduction") == "mean" { g / rows } else { g };
            let g = if !active { 0.0 } else { if target == 1.0 { -g } else { g } };
            let slope = |x: &[f32], n: f32, other: &[f32], e: i32| {
                let moved: Vec<f32> = other.iter().map(|y| (g * y) * (1.0 / (n * n))).collect();
                let by_square = products(&moved, x) * (0.5 / n);
                let by = |(x, y): (&f32, &f32)| (g * y) / n - by_square * (2.0 * x);
                x.iter().zip(other).map(by).map(|by| libm::scalbnf(by, -e)).collect::<Vec<f32>>()
            };
            by_x.extend(slope(&x, n, &v, by_power));
            by_y.extend(slope(&y, m, &u, by_other));
        }
        let mut outputs = outputs(case, &terms, &[], width);
        for (name, gradient) in [("x1", by_x), ("x2", by_y)] {
            if case.gradients.iter().any(|wanted| wanted == name) {
                let gradient = gradient.into_iter().map(f64::from).collect();
                let tensor = Tensor::float(Format::F32, &case.input(name).shape, gradient);
                outputs.insert(gradient_name(name), tensor);
            }
        }
        outputs
    }
}

impl Kernel for Accumulated {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        Ok(Accumulated::cosine(case))
    }

    fn supports(&self) -> Vec<Support> {
        vec![Support {
            formats: vec![Format::F32],
            params: Params::default().with("epsilon", 0.0),
            ..Support::everything("cosine_embedding")
        }]
    }
}

impl Kernel for Honest {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        Ok(match case.loss.as_str() {
            "bce" => self.bce(case),
            "focal_sigmoid" => self.focal(case),
            _ => self.cosine(case),
        })
    }

    fn supports(&self) -> Vec<Support> {
        let null = |name: &str| Params::default().with(name, ParamValue::Null);
        let pins = [
            ("bce", null("log_clamp").with("probability_clip", ParamValue::Null)),
            ("focal_sigmoid", null("soft_target")),
            ("cosine_embedding", Params::default().with("epsilon", 0.0)),
        ];
        let support = |(loss, params): (&str, Params)| Support {
            formats: vec![Format::F32],
            optional_inputs: Vec::new(),
            params,
            ..Support::everything(loss)
        };
        pins.into_iter().map(support).collect()
    }
}

/// Where squares neither overflow nor underflow: the norms here are not scaled.
const ORDINARY: [Regime; 8] = [
    Regime::Typical,
    Regime::Edge,
    Regime::Saturated,
    Regime::Cancelling,
    Regime::Masked,
    Regime::Tied,
    Regime::Degenerate,
    Regime::Long,
];

#[test]
fn both_forms_hold() {
    for second in [false, true] {
        let kernel = Honest { second };
        let everywhere = ["bce", "focal_sigmoid"].map(str::to_owned).to_vec();
        let cosine = vec!["cosine_embedding".to_owned()];
        for (losses, regimes) in [(everywhere, Vec::new()), (cosine, ORDINARY.to_vec())] {
            let options = Options { losses, regimes, ..Options::default() };
            let report = run(&mut InProcess::new(&kernel), &options, &Silent).expect("known losses");
            assert!(report.holds(), "second form {second}:\n{report}");
        }
    }
}

#[test]
fn what_partial_products_of_a_gradient_lose_is_allowed() {
    for seed in 0..4 {
        let options = Options { seed, ..Options::default() };
        let report = run(&mut InProcess::new(&Accumulated), &options, &Silent).expect("a known loss");
        assert!(report.holds(), "{report}");
    }
}
