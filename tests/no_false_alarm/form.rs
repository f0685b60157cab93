//! How an honest kernel is written: in what order it adds, multiplies and divides, and which of the stable formulas it
//! takes; and what all kernels share: reading a case, reducing, answering.

use crate::number::Number;
use lossproof::case::{Case, LOSS, Tensors, gradient_name};
use lossproof::judge::Summation;
use lossproof::tensor::Tensor;

/// Where the upstream and the mean's divisor come into a gradient.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// (upstream / divisor) · … : as reverse accumulation does.
    UpstreamFirst,
    /// (… / divisor) · upstream.
    UpstreamLast,
    /// … · (upstream · (1 / divisor)).
    Reciprocal,
    /// … · upstream / divisor.
    DivisorLast,
}

/// When a mean divides.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Mean {
    /// Σ x / n.
    Late,
    /// Σ (x / n).
    Early,
}

/// The softmax.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Softmax {
    /// exp(d) / s.
    Quotient,
    /// exp(d − ln s).
    LogProbability,
    /// exp2(d · log₂ e) / s.
    BaseTwo,
    /// exp(d) / s, with s from tiles that are rescaled when the maximum grows.
    Online,
}

/// The logistic function, or the norm, or whatever else a loss has two good ways for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The one that textbooks print first.
    Usual,
    /// Another stable one.
    Other,
}

/// A way to write a kernel.
#[derive(Copy, Clone, Debug)]
pub struct Form {
    pub name: &'static str,
    pub sum: Summation,
    pub order: Order,
    pub mean: Mean,
    pub softmax: Softmax,
    pub way: Way,
}

/// The form that the others differ from.
pub const PLAIN: Form = Form {
    name: "plain",
    sum: Summation::Blocked,
    order: Order::UpstreamFirst,
    mean: Mean::Late,
    softmax: Softmax::Quotient,
    way: Way::Usual,
};

/// Terms in one block of a blocked sum.
const BLOCK: usize = 1024;

impl Form {
    /// Σ xᵢ in the form's order.
    pub fn sum<N: Number>(&self, terms: &[N]) -> N {
        let sequential = |terms: &[N]| terms.iter().cloned().reduce(|a, b| a + b).unwrap_or(N::zero());
        match self.sum {
            Summation::Sequential => sequential(terms),
            Summation::Pairwise => pairwise(terms),
            Summation::Blocked => sequential(&terms.chunks(BLOCK).map(pairwise).collect::<Vec<_>>()),
        }
    }
}

fn pairwise<N: Number>(terms: &[N]) -> N {
    match terms {
        [] => N::zero(),
        [x] => x.clone(),
        _ => {
            // The left half is a power of two: the tree is as low as it can be.
            let (left, right) = terms.split_at(terms.len().next_power_of_two() / 2);
            pairwise(left) + pairwise(right)
        }
    }
}

/// A float input as the kernel's numbers.
pub fn input<N: Number>(case: &Case, name: &str) -> Vec<N> {
    case.input(name).floats().iter().map(|&x| N::of(x)).collect()
}

/// An optional input.
pub fn optional<N: Number>(case: &Case, name: &str) -> Option<Vec<N>> {
    case.optional(name).map(|tensor| tensor.floats().iter().map(|&x| N::of(x)).collect())
}

/// A parameter, as the kernel has it.
pub fn number<N: Number>(case: &Case, name: &str) -> N {
    N::of(case.params.number(name).expect("a number"))
}

/// The reduction of a case: the loss from its terms, and the factor that every gradient gets.
pub struct Reduction<N> {
    form: Form,
    upstream: Vec<N>,
    /// What a mean divides by.
    divisor: Option<N>,
    /// Whether the mean over nothing is 0.
    nothing: bool,
}

impl<N: Number> Reduction<N> {
    /// The case's reduction; `divisor` is what a mean divides by.
    pub fn of(case: &Case, form: Form, divisor: impl FnOnce() -> N) -> Reduction<N> {
        let upstream = case.upstream.floats().iter().map(|&x| N::of(x)).collect();
        let divisor = ["mean", "batchmean"].contains(&case.params.text("reduction")).then(divisor);
        let nothing = divisor.as_ref().is_some_and(N::is_zero) && case.params.text("empty_mean") == "zero";
        Reduction { form, upstream, divisor, nothing }
    }

    /// The loss.
    pub fn loss(&self, case: &Case, terms: &[N]) -> Vec<N> {
        if self.nothing {
            return vec![N::zero()];
        }
        match (&self.divisor, self.form.mean) {
            (Some(n), Mean::Early) if !n.is_zero() => {
                let terms: Vec<N> = terms.iter().map(|x| x.clone() / n.clone()).collect();
                vec![self.form.sum(&terms)]
            }
            (Some(n), _) => vec![self.form.sum(terms) / n.clone()],
            (None, _) if case.params.text("reduction") == "sum" => vec![self.form.sum(terms)],
            (None, _) => terms.to_vec(),
        }
    }

    /// The same divided by `over`, in one division.
    pub fn quotient(&self, term: usize, factors: &[N], over: N) -> N {
        if self.nothing {
            return N::zero();
        }
        let g = self.upstream[if self.upstream.len() == 1 { 0 } else { term }].clone();
        let product = factors.iter().fold(g, |product, x| product * x.clone());
        match &self.divisor {
            Some(n) => product / (n.clone() * over),
            None => product / over,
        }
    }

    /// The product of a term's factors with what comes from above.
    pub fn scaled(&self, term: usize, factors: &[N]) -> N {
        if self.nothing {
            return N::zero();
        }
        let g = self.upstream[if self.upstream.len() == 1 { 0 } else { term }].clone();
        let product = |first: N| factors.iter().fold(first, |product, x| product * x.clone());
        let local = || {
            let (first, rest) = factors.split_first().expect("a factor");
            rest.iter().fold(first.clone(), |product, x| product * x.clone())
        };
        match (self.form.order, &self.divisor) {
            (Order::UpstreamFirst, Some(n)) => product(g / n.clone()),
            (Order::UpstreamFirst, None) => product(g),
            (Order::UpstreamLast, Some(n)) => local() / n.clone() * g,
            (Order::DivisorLast, Some(n)) => local() * g / n.clone(),
            (Order::Reciprocal, Some(n)) => local() * (g * (N::one() / n.clone())),
            (_, None) => local() * g,
        }
    }
}

/// The answer: the loss, and of the gradients those that the case asks for.
pub fn answer<N: Number>(case: &Case, loss: &[N], gradients: Vec<(&str, Vec<N>)>) -> Tensors {
    let store = |values: &[N], shape: &[usize]| {
        Tensor::float(case.format, shape, values.iter().map(|x| x.store(case.format)).collect())
    };
    let mut outputs = Tensors::from([(LOSS.to_owned(), store(loss, &case.upstream.shape))]);
    for (name, values) in gradients {
        if case.gradients.iter().any(|gradient| gradient == name) {
            outputs.insert(gradient_name(name), store(&values, &case.input(name).shape));
        }
    }
    outputs
}
