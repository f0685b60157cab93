//! Losses of distances between embeddings, as plain loops.

use crate::form::{Form, Reduction, Way, answer, input};
use crate::number::Number;
use lossproof::case::{Case, Tensors};

/// The p-norm of the parameters: p, and what is added under its root.
struct Norm<N> {
    form: Form,
    /// None for the largest coordinate.
    p: Option<f64>,
    epsilon: Option<N>,
}

impl<N: Number> Norm<N> {
    fn of(&self, x: &[N]) -> N {
        let largest = x.iter().map(N::abs).reduce(|a, b| a.max(&b)).expect("a coordinate");
        let Some(p) = self.p else { return largest };
        // Scaled by the largest coordinate, or as it stands; so always with ε under the root.
        let scale = match self.form.way {
            Way::Other if p > 1.0 && largest > N::zero() && self.epsilon.is_none() => largest,
            _ => N::one(),
        };
        let power = |x: &N| match p {
            1.0 => x.clone(),
            2.0 => x.clone() * x.clone(),
            _ => x.pow(&N::of(p)),
        };
        let mut terms: Vec<N> = x.iter().map(|x| power(&(x.abs() / scale.clone()))).collect();
        if let Some(epsilon) = &self.epsilon {
            terms.push(epsilon.clone());
        }
        let sum = self.form.sum(&terms);
        let root = match p {
            1.0 => sum,
            2.0 => sum.sqrt(),
            _ => sum.pow(&(N::one() / N::of(p))),
        };
        scale * root
    }

    /// ∂norm/∂xᵢ; 0 at the zero vector.
    fn gradient(&self, x: &[N], norm: &N) -> Vec<N> {
        let largest = x.iter().map(N::abs).reduce(|a, b| a.max(&b)).expect("a coordinate");
        let first = x.iter().position(|x| x.abs() == largest);
        let derivative = |(i, x): (usize, &N)| match self.p {
            _ if norm.is_zero() => N::zero(),
            None => {
                if Some(i) == first {
                    x.sign()
                } else {
                    N::zero()
                }
            }
            Some(1.0) => x.sign(),
            Some(2.0) => x.clone() / norm.clone(),
            Some(p) => x.sign() * (x.abs() / norm.clone()).pow(&N::of(p - 1.0)),
        };
        x.iter().enumerate().map(derivative).collect()
    }
}

pub fn triplet_margin<N: Number>(case: &Case, form: Form) -> Tensors {
    let dimensions = case.input("anchor").shape[1];
    let [anchor, positive, negative] = ["anchor", "positive", "negative"].map(|name| input::<N>(case, name));
    let epsilon = case.params.number("epsilon").filter(|&epsilon| epsilon > 0.0).map(N::of);
    let in_root = case.params.text("epsilon_placement") == "root";
    let norm = Norm { form, p: case.params.number("p"), epsilon: epsilon.clone().filter(|_| in_root) };
    let apart = epsilon.filter(|_| !in_root);
    let difference = |a: &[N], b: &[N]| -> Vec<N> {
        let pairs = a.iter().zip(b).map(|(a, b)| a.clone() - b.clone());
        pairs.map(|d| apart.as_ref().map_or(d.clone(), |epsilon| d + epsilon.clone())).collect()
    };
    let margin = N::of(case.params.number("margin").expect("a number"));
    let rows = case.input("anchor").shape[0];
    let reduction = Reduction::of(case, form, || N::of(rows as f64));
    let mut terms = Vec::new();
    let mut by = [(); 3].map(|_| Vec::new());
    for n in 0..rows {
        let row = n * dimensions..(n + 1) * dimensions;
        let [a, p, m] = [&anchor, &positive, &negative].map(|x| &x[row.clone()]);
        let (near, mut far) = (difference(a, p), difference(a, m));
        let (d_near, mut d_far) = (norm.of(&near), norm.of(&far));
        let mut swapped = false;
        if case.params.flag("swap") {
            let other = difference(p, m);
            let d_other = norm.of(&other);
            if d_other < d_far {
                (far, d_far, swapped) = (other, d_other, true);
            }
        }
        let gap = match form.way {
            Way::Usual => (d_near.clone() - d_far.clone()) + margin.clone(),
            // As it is printed.
            Way::Other => (margin.clone() + d_near.clone()) - d_far.clone(),
        };
        let counts = gap > N::zero();
        terms.push(if gap < N::zero() { N::zero() } else { gap });
        let (by_near, by_far) = (norm.gradient(&near, &d_near), norm.gradient(&far, &d_far));
        for (near, far) in by_near.into_iter().zip(by_far) {
            let scaled = |x: N| if counts { reduction.scaled(n, &[x]) } else { N::zero() };
            let (by_a, by_p, by_n) = match swapped {
                false => (near.clone() - far.clone(), -near, far),
                true => (near.clone(), -near - far.clone(), far),
            };
            [by_a, by_p, by_n].into_iter().zip(&mut by).for_each(|(x, by)| by.push(scaled(x)));
        }
    }
    let [by_anchor, by_positive, by_negative] = by;
    let gradients = vec![("anchor", by_anchor), ("positive", by_positive), ("negative", by_negative)];
    answer(case, &reduction.loss(case, &terms), gradients)
}

/// What a row is divided by, so that neither its square nor a product of norms leaves the range.
enum Scale<N> {
    /// The power of two of the largest coordinate.
    Power(i32),
    /// The largest coordinate.
    Largest(N),
}

impl<N: Number> Scale<N> {
    /// Of a row, or of the root of what is added to its square where that is larger.
    fn of(form: Form, row: &[N], root: &N) -> Scale<N> {
        let largest = row.iter().fold(root.clone(), |largest, x| largest.max(&x.abs()));
        match form.way {
            _ if largest.is_zero() || largest.is_nan() => Scale::Power(0),
            Way::Usual => Scale::Power(largest.exponent()),
            Way::Other => Scale::Largest(largest),
        }
    }

    fn over(&self, x: &N) -> N {
        match self {
            Scale::Power(e) => x.shifted(-e),
            Scale::Largest(largest) => x.clone() / largest.clone(),
        }
    }
}

pub fn cosine_embedding<N: Number>(case: &Case, form: Form) -> Tensors {
    let [rows, dimensions] = case.input("x1").shape[..] else { unreachable!("rows of coordinates") };
    let [x, y] = ["x1", "x2"].map(|name| input::<N>(case, name));
    let target = case.input("target").floats();
    let epsilon = case.params.number("epsilon").filter(|&epsilon| epsilon > 0.0).map(N::of);
    let root = epsilon.as_ref().map_or(N::zero(), N::sqrt);
    let margin = N::of(case.params.number("margin").expect("a number"));
    let reduction = Reduction::of(case, form, || N::of(rows as f64));
    let (mut terms, mut by_x, mut by_y) = (Vec::new(), Vec::new(), Vec::new());
    for (n, &target) in target.iter().enumerate() {
        let row = n * dimensions..(n + 1) * dimensions;
        let rows = [&x[row.clone()], &y[row]];
        let scales = rows.map(|row| Scale::of(form, row, &root));
        let [x, y] = [0, 1].map(|i| rows[i].iter().map(|x| scales[i].over(x)).collect::<Vec<N>>());
        let length = |row: &[N], scale: &Scale<N>| {
            let epsilon = epsilon.as_ref().map(|epsilon| scale.over(&scale.over(epsilon)));
            Norm { form, p: Some(2.0), epsilon }.of(row)
        };
        let (length_x, length_y) = (length(&x, &scales[0]), length(&y, &scales[1]));
        let over = |x: &[N], length: &N| x.iter().map(|x| x.clone() / length.clone()).collect::<Vec<N>>();
        let (unit_x, unit_y) = (over(&x, &length_x), over(&y, &length_y));
        let dot = |x: &[N], y: &[N]| {
            form.sum(&x.iter().zip(y).map(|(x, y)| x.clone() * y.clone()).collect::<Vec<_>>())
        };
        let cosine = match form.way {
            Way::Usual => dot(&x, &y) / (length_x.clone() * length_y.clone()),
            // Both normalised first.
            Way::Other => dot(&unit_x, &unit_y),
        };
        let together = target == 1.0;
        let gap = if together { N::one() - cosine.clone() } else { cosine.clone() - margin.clone() };
        let misses = gap <= N::zero();
        let counts = together || !misses;
        let gradient = |own: &[N], other: &[N], length: &N, scale: &Scale<N>| -> Vec<N> {
            let slope = own.iter().zip(other).map(|(own, other)| {
                let slope = scale.over(&((other.clone() - cosine.clone() * own.clone()) / length.clone()));
                let slope = if together { -slope } else { slope };
                if counts { reduction.scaled(n, &[slope]) } else { N::zero() }
            });
            slope.collect()
        };
        by_x.extend(gradient(&unit_x, &unit_y, &length_x, &scales[0]));
        by_y.extend(gradient(&unit_y, &unit_x, &length_y, &scales[1]));
        terms.push(if !together && gap < N::zero() { N::zero() } else { gap });
    }
    answer(case, &reduction.loss(case, &terms), vec![("x1", by_x), ("x2", by_y)])
}
