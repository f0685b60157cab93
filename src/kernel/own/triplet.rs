//! The triplet margin loss.

use super::elementary::pow;
use super::reduce::Reducing;
use super::storage::{Storage, narrow, widen};
use super::wide::Wide;
use super::{BUILTIN_FORMATS, Claim};
use crate::judge::Level;

/// Loss and gradients are differences of distances and of unit vectors: good to 2^−40 of these, which is `stable` by far,
/// and can be less than `accurate` where they nearly cancel.
pub const CLAIMS: &[Claim] = &[
    Claim::always("triplet_margin", "loss", BUILTIN_FORMATS, Level::Stable),
    Claim::always("triplet_margin", "grad.anchor", BUILTIN_FORMATS, Level::Stable),
    Claim::always("triplet_margin", "grad.positive", BUILTIN_FORMATS, Level::Stable),
    Claim::always("triplet_margin", "grad.negative", BUILTIN_FORMATS, Level::Stable),
];

/// A norm's degree and what is added against division by 0.
#[derive(Copy, Clone, Debug)]
pub struct NormParams {
    /// p; `None` for infinity.
    pub p: Option<f64>,
    /// epsilon.
    pub epsilon: f64,
    /// Whether it stands under the root and not in each difference.
    pub epsilon_in_root: bool,
}

/// How a distance is computed: its norm of a vector, and the gradient of that. The mutants put other ones here.
#[derive(Copy, Clone)]
pub(super) struct Norm {
    pub(super) value: fn(&[Wide], &NormParams) -> Wide,
    pub(super) gradient: fn(&[Wide], Wide, &NormParams, &mut [Wide]),
}

impl Norm {
    pub(super) const RIGHT: Norm = Norm { value: norm, gradient: norm_gradient };
}

/// max(margin + d(anchor, positive) − d(anchor, negative), 0) of each row, reduced.
pub struct TripletMargin<'a, S> {
    /// The embeddings to be placed, row by row.
    pub anchor: &'a [S],
    /// Embeddings of the same class.
    pub positive: &'a [S],
    /// Embeddings of another class.
    pub negative: &'a [S],
    /// The number of rows.
    pub rows: usize,
    /// The length of a row.
    pub dimensions: usize,
    /// The gradient from above.
    pub upstream: &'a [S],
    /// How much nearer the positive has to be.
    pub margin: f64,
    /// The distance.
    pub norm: NormParams,
    /// Whether d(positive, negative) counts where it is below d(anchor, negative).
    pub swap: bool,
    /// How terms become the loss.
    pub reducing: Reducing,
}

/// The gradients that are wanted of a [`TripletMargin`].
pub struct TripletGradients<'a, S> {
    /// By the anchor.
    pub anchor: Option<&'a mut [S]>,
    /// By the positive.
    pub positive: Option<&'a mut [S]>,
    /// By the negative.
    pub negative: Option<&'a mut [S]>,
}

/// a − b (+ epsilon), its norm and the norm's gradient.
struct Distance {
    difference: Vec<Wide>,
    value: Wide,
    gradient: Vec<Wide>,
}

impl Distance {
    fn new(dimensions: usize) -> Distance {
        let zeros = vec![Wide::ZERO; dimensions];
        Distance { difference: zeros.clone(), value: Wide::ZERO, gradient: zeros }
    }

    fn measure<S: Storage>(&mut self, a: &[S], b: &[S], params: &NormParams, norm: &Norm) {
        let shift = if params.epsilon_in_root { Wide::ZERO } else { Wide::parameter(params.epsilon) };
        for ((d, &a), &b) in self.difference.iter_mut().zip(a).zip(b) {
            *d = widen(a) - widen(b) + shift;
        }
        self.value = (norm.value)(&self.difference, params);
    }

    fn differentiate(&mut self, params: &NormParams, norm: &Norm) {
        (norm.gradient)(&self.difference, self.value, params, &mut self.gradient);
    }
}

impl<S: Storage> TripletMargin<'_, S> {
    /// Writes the loss and the gradients that are wanted.
    pub fn run(&self, loss: &mut [S], out: TripletGradients<'_, S>) {
        self.run_with(&Norm::RIGHT, loss, out);
    }

    pub(super) fn run_with(&self, norm: &Norm, loss: &mut [S], mut out: TripletGradients<'_, S>) {
        let mut reducer = self.reducing.by(Wide::count(self.rows));
        let margin = Wide::parameter(self.margin);
        let [mut near, mut far, mut swapped] = [(); 3].map(|()| Distance::new(self.dimensions));
        for at in 0..self.rows {
            let range = at * self.dimensions..(at + 1) * self.dimensions;
            let (anchor, positive) = (&self.anchor[range.clone()], &self.positive[range.clone()]);
            let negative = &self.negative[range.clone()];
            near.measure(anchor, positive, &self.norm, norm);
            far.measure(anchor, negative, &self.norm, norm);
            if self.swap {
                swapped.measure(positive, negative, &self.norm, norm);
            }
            let swaps = self.swap && swapped.value.is_below(far.value);
            let beyond = if swaps { &mut swapped } else { &mut far };
            let gap = near.value - beyond.value + margin;
            let active = gap.is_positive();
            reducer.push(at, if active || gap.is_nan() { gap } else { Wide::ZERO }, loss);
            let factor = reducer.factor(self.upstream, at);
            if active {
                near.differentiate(&self.norm, norm);
                beyond.differentiate(&self.norm, norm);
            }
            // Off, every coordinate's slope is 0; a gap that is NaN makes NaN of all.
            let off = if gap.is_nan() { Wide::NAN } else { Wide::ZERO };
            for (d, place) in range.enumerate() {
                let (near, far) = if active { (near.gradient[d], beyond.gradient[d]) } else { (off, off) };
                let by_anchor = if swaps { near } else { near - far };
                let by_positive = if swaps { -near - far } else { -near };
                for (out, slope) in
                    [(&mut out.anchor, by_anchor), (&mut out.positive, by_positive), (&mut out.negative, far)]
                {
                    if let Some(out) = out {
                        out[place] = narrow(factor * slope);
                    }
                }
            }
        }
        reducer.finish(loss);
    }
}

fn largest(x: &[Wide]) -> Wide {
    x.iter().fold(
        Wide::ZERO,
        |largest, &x| if largest.is_below(x.abs()) || x.is_nan() { x.abs() } else { largest },
    )
}

fn has_nan(x: &[Wide]) -> bool {
    x.iter().any(|x| x.is_nan())
}

/// (Σ|xᵢ|^p + ε)^(1/p), or max|xᵢ|, for differences of two norms; ε only where it stands in the root. NaN where a
/// coordinate is.
fn norm(x: &[Wide], params: &NormParams) -> Wide {
    if has_nan(x) {
        return Wide::NAN;
    }
    let epsilon = if params.epsilon_in_root { Wide::parameter(params.epsilon) } else { Wide::ZERO };
    let total = |f: &dyn Fn(Wide) -> Wide| x.iter().fold(epsilon, |sum, &x| sum + f(x));
    match params.p {
        None => largest(x),
        // At p = 1 the ε of both distances cancels in their difference; left out, it takes no digits with it.
        Some(1.0) => x.iter().fold(Wide::ZERO, |sum, &x| sum + x.abs()),
        Some(2.0) => total(&|x| x * x).sqrt(),
        Some(p) => {
            // In units of the largest coordinate where there is no ε, so that p·ln|x| stays small.
            let unit = if epsilon.is_zero() { largest(x) } else { Wide::ONE };
            if unit.is_zero() {
                return Wide::ZERO;
            }
            let p = Wide::parameter(p);
            unit * pow(total(&|x| pow(x.abs() / unit, p)), Wide::ONE / p)
        }
    }
}

/// sign(xᵢ)·(|xᵢ|/‖x‖)^(p−1), an element of the subdifferential where there are several: 0 at the zero vector and (p = 1)
/// at a zero coordinate, equal shares of tied largest coordinates (p = ∞).
fn norm_gradient(x: &[Wide], norm: Wide, params: &NormParams, out: &mut [Wide]) {
    if norm.is_zero() {
        return out.fill(Wide::ZERO);
    }
    let is_largest = |x: &Wide| (x.abs() - norm).is_zero();
    match params.p {
        None => {
            let ties = Wide::count(x.iter().filter(|x| is_largest(x)).count());
            for (out, x) in out.iter_mut().zip(x) {
                *out = if is_largest(x) { x.sign() / ties } else { Wide::ZERO };
            }
        }
        Some(p) => {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = match p {
                    1.0 => x.sign(),
                    2.0 => x / norm,
                    _ => x.sign() * pow(x.abs() / norm, Wide::parameter(p) - Wide::ONE),
                };
            }
        }
    }
}
