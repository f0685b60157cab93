//! Small scalar losses against rival3, the real arithmetic behind Herbie: another library's intervals, refinement and
//! rounding.

use crate::helpers::{Draft, Source, prove, written};
use lossproof::case::Case;
use lossproof::format::Format;
use lossproof::truth::Truth;
use rival::{Discretization, Expr, Ival, MachineBuilder};
use rug::Float;

/// The numbers of a format, as rival wants to know them.
#[derive(Clone)]
struct Numbers(Format);

impl Numbers {
    /// Rounded once, also for f32.
    fn round(&self, x: &Float) -> f64 {
        if self.0 == Format::F32 { f64::from(x.to_f32()) } else { x.to_f64() }
    }
}

impl Discretization for Numbers {
    fn target(&self) -> u32 {
        self.0.precision()
    }

    fn convert(&self, _: usize, x: &Float) -> Float {
        Float::with_val(53, self.round(x))
    }

    fn distance(&self, _: usize, low: &Float, high: &Float) -> usize {
        let place = |x: &Float| self.0.ordered(self.round(x) + 0.0);
        match (place(low), place(high)) {
            (Some(low), Some(high)) => high.abs_diff(low) as usize,
            _ => usize::MAX,
        }
    }
}

/// A formula's value correctly rounded, where rival gets there.
fn real(formula: &Expr, format: Format) -> Option<f64> {
    let numbers = Numbers(format);
    let mut machine = MachineBuilder::new(numbers.clone()).build(vec![formula.clone()], Vec::new());
    let answer: Vec<Ival> = machine.apply(&[], None, 12).ok()?;
    Some(numbers.round(answer[0].lo()))
}

fn number(x: f64) -> Expr {
    Expr::Literal(Float::with_val(53, x))
}

fn add(a: Expr, b: Expr) -> Expr {
    Expr::Add(Box::new(a), Box::new(b))
}

fn sub(a: Expr, b: Expr) -> Expr {
    Expr::Sub(Box::new(a), Box::new(b))
}

fn mul(a: Expr, b: Expr) -> Expr {
    Expr::Mul(Box::new(a), Box::new(b))
}

fn div(a: Expr, b: Expr) -> Expr {
    Expr::Div(Box::new(a), Box::new(b))
}

fn exp(a: Expr) -> Expr {
    Expr::Exp(Box::new(a))
}

/// How many answers were compared; at least most must be.
#[derive(Default)]
struct Tally {
    compared: u32,
    open: u32,
}

impl Tally {
    fn compare(&mut self, case: &Case, output: usize, element: usize, formula: Expr) {
        let truth = prove(case)[output].elements[element];
        let Truth::Proved(_) = truth else { panic!("{truth:?} of {}", written(case)) };
        match real(&formula, case.format) {
            None => self.open += 1,
            Some(real) => {
                let value = truth.value(case.format);
                assert_eq!(value, real, "output {output} element {element} of {}", written(case));
                self.compared += 1;
            }
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.compared > 5 * self.open, "{} compared, {} open", self.compared, self.open);
        }
    }
}

fn logit(source: &mut Source, format: Format) -> f64 {
    let spread = source.pick(&[1.0, 1.0, 8.0, 80.0, 1e-6]);
    format.round((source.unit() * 2.0 - 1.0) * spread)
}

#[test]
fn cross_entropies_of_two_and_three_logits() {
    let (source, mut tally) = (&mut Source(1), Tally::default());
    for _ in 0..150 {
        let format = source.pick(&[Format::F64, Format::F32]);
        let classes = 2 + source.below(2);
        let logits: Vec<f64> = (0..classes).map(|_| logit(source, format)).collect();
        let target = source.below(classes);
        let case = Draft::new(format)
            .floats("logits", &[1, classes], &logits)
            .classes("target", &[target as i64])
            .case("cross_entropy");
        // Σ exp(x_i − x_c), which is exp(loss) for the target and 1/softmax for any class.
        let shifted = |c: usize| {
            logits.iter().map(|&x| exp(sub(number(x), number(logits[c])))).reduce(add).expect("a row")
        };
        tally.compare(&case, 0, 0, Expr::Log(Box::new(shifted(target))));
        for c in 0..classes {
            let softmax = div(number(1.0), shifted(c));
            let gradient = if c == target { sub(softmax, number(1.0)) } else { softmax };
            tally.compare(&case, 1, c, gradient);
        }
    }
}

#[test]
fn binary_cross_entropies() {
    let (source, mut tally) = (&mut Source(2), Tally::default());
    for _ in 0..200 {
        let format = source.pick(&[Format::F64, Format::F32]);
        let (z, y) = (logit(source, format), format.round(source.unit()));
        let w = format.round(source.unit() * 4.0);
        let case = Draft::new(format)
            .floats("logits", &[1], &[z])
            .floats("target", &[1], &[y])
            .floats("pos_weight", &[1], &[w])
            .case("bce_with_logits");
        let softplus = |z: f64| Expr::Log(Box::new(add(number(1.0), exp(number(z)))));
        let sigmoid = |z: f64| div(number(1.0), add(number(1.0), exp(number(-z))));
        let (positive, negative) = (mul(number(y), number(w)), sub(number(1.0), number(y)));
        let loss = add(mul(positive.clone(), softplus(-z)), mul(negative.clone(), softplus(z)));
        tally.compare(&case, 0, 0, loss);
        tally.compare(&case, 1, 0, sub(mul(negative, sigmoid(z)), mul(positive, sigmoid(-z))));
        tally.compare(&case, 2, 0, sub(mul(number(w), softplus(-z)), softplus(z)));
    }
}

#[test]
fn triplets_of_the_euclidean_plane() {
    let (source, mut tally) = (&mut Source(3), Tally::default());
    for _ in 0..150 {
        let format = source.pick(&[Format::F64, Format::F32]);
        let mut point = || [logit(source, format), logit(source, format)];
        let (a, p, n) = (point(), point(), point());
        let case = Draft::new(format)
            .param("margin", 200.0)
            .floats("anchor", &[1, 2], &a)
            .floats("positive", &[1, 2], &p)
            .floats("negative", &[1, 2], &n)
            .case("triplet_margin");
        let difference = |x: &[f64; 2], y: &[f64; 2], k: usize| sub(number(x[k]), number(y[k]));
        let distance = |x: &[f64; 2], y: &[f64; 2]| {
            let square = |k| mul(difference(x, y, k), difference(x, y, k));
            Expr::Sqrt(Box::new(add(square(0), square(1))))
        };
        // The margin is never met.
        let loss = sub(add(number(200.0), distance(&a, &p)), distance(&a, &n));
        tally.compare(&case, 0, 0, loss);
        for k in 0..2 {
            let toward = |y: &[f64; 2]| div(difference(&a, y, k), distance(&a, y));
            tally.compare(&case, 1, k, sub(toward(&p), toward(&n)));
        }
    }
}
