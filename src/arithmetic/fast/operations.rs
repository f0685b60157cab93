//! What each operation of the graph is over arrays of fast balls.

use super::array::{Array, Columns};
use super::ball::{Accumulate, Ball, Midpoint};
use super::elementary as f;
use super::rows::{Exponentials, RowExponentials, maximum, sum};
use super::shares::Shares;
use super::{Evaluation, Shared, divergence, pairs};
use crate::arithmetic::dependence::{broadcast_source, row_element};
use crate::graph::{Degree, Node, NodeId, Op, Power, Real};
use std::rc::Rc;

impl<'a, M: Midpoint> Evaluation<'a, M> {
    /// The needed elements of a node; whatever is not known here is not known.
    pub(super) fn node(&mut self, id: NodeId, node: &Node) -> Shared<'a, M> {
        let length = node.len();
        let arg = |k: usize| self.get(node.args[k]);
        let unary = |g: fn(Ball<M>) -> Ball<M>| self.map(id, &arg(0), g);
        let binary = |g: fn(Ball<M>, Ball<M>) -> Ball<M>| self.zip(id, &arg(0), &arg(1), g);
        let exact = |x: f64| Ball::exact(x);
        match &node.op {
            Op::Input(slot) => Rc::new(Array::Exact(self.program.values(self.case, *slot))),
            Op::Constant(x) => Rc::new(Array::Repeated(exact(x.get()), length)),
            Op::LnTwoPi => Rc::new(Array::Repeated(f::ln_two_pi(), length)),

            // Views.
            Op::Reshape | Op::StopGradient | Op::GradientTo => arg(0),
            Op::Broadcast => {
                let from = &self.program.graph.nodes()[node.args[0]].shape;
                broadcast(&arg(0), from, &node.shape)
            }
            Op::Select(mask) => {
                let (a, b) = (arg(0), arg(1));
                Rc::new(Array::from_fn(length, |i| if mask[i] { a.get(i) } else { b.get(i) }))
            }
            Op::Gather(indices) => {
                let a = arg(0);
                Rc::new(Array::from_fn(length, |i| a.get(indices[i])))
            }
            Op::Slice { axis, start } => {
                let a = arg(0);
                let inner: usize = node.shape[axis + 1..].iter().product();
                let from = self.program.graph.nodes()[node.args[0]].shape[*axis] * inner;
                let to = (node.shape[*axis] * inner).max(1);
                Rc::new(Array::from_fn(length, |i| a.get(i / to * from + start * inner + i % to)))
            }
            Op::Concatenate { axis } => {
                let inner: usize = node.shape[axis + 1..].iter().product();
                let part = |arg: NodeId| self.program.graph.nodes()[arg].shape[*axis] * inner;
                let parts: Vec<(Shared<'a, M>, usize)> =
                    node.args.iter().map(|&arg| (self.get(arg), part(arg))).collect();
                let whole = (node.shape[*axis] * inner).max(1);
                Rc::new(Array::from_fn(length, |i| {
                    let (outer, mut within) = (i / whole, i % whole);
                    for (values, part) in &parts {
                        if within < *part {
                            return values.get(outer * part + within);
                        }
                        within -= part;
                    }
                    Ball::UNKNOWN
                }))
            }

            // Elementwise.
            Op::Add | Op::Sub => {
                let (a, b) = (arg(0), arg(1));
                let operation: fn(Ball<M>, Ball<M>) -> Ball<M> =
                    if node.op == Op::Add { Ball::add } else { Ball::sub };
                match (a.over(), b.over()) {
                    (Some((a, d)), Some((b, e))) if d == e => {
                        Array::divided(self.zip(id, a, b, operation), d)
                    }
                    _ if node.op == Op::Add => self.zip(id, &a, &b, Ball::add),
                    _ => self.zip(id, &a, &b, Ball::sub),
                }
            }
            Op::Mul => {
                let (a, b) = (arg(0), arg(1));
                match (a.over(), b.over()) {
                    (Some((a, divisor)), None) => Array::divided(self.product(id, a, &b), divisor),
                    (None, Some((b, divisor))) => Array::divided(self.product(id, &a, b), divisor),
                    _ => self.product(id, &a, &b),
                }
            }
            Op::Div => {
                let (a, b) = (arg(0), arg(1));
                match b.repeated() {
                    Some(divisor) if divisor.is_exact() && !divisor.is_zero() && a.over().is_none() => {
                        Array::divided(a, divisor)
                    }
                    _ => self.zip(id, &a, &b, Ball::div),
                }
            }
            Op::Neg => match arg(0).over() {
                Some((a, divisor)) => Array::divided(self.map(id, a, Ball::neg), divisor),
                None => unary(Ball::neg),
            },
            Op::Abs => unary(Ball::abs),
            Op::Sign => unary(|x| match x.sign() {
                Some(1) => Ball::ONE,
                Some(-1) => Ball::ONE.neg(),
                // The set [−1, 1], or not decided.
                _ => Ball::UNKNOWN,
            }),
            Op::Maximum => binary(|a, b| by_order(a, b, [b, a, a])),
            Op::Minimum => binary(|a, b| by_order(a, b, [a, a, b])),
            // A tie is the set [0, 1].
            Op::TieShare => binary(|a, b| by_order(a, b, [Ball::ZERO, Ball::UNKNOWN, Ball::ONE])),
            Op::Clamp { low, high } => {
                let (low, high) = (exact(low.get()), exact(high.get()));
                self.map(id, &arg(0), |x| {
                    let raised = by_order(x, low, [low, x, x]);
                    by_order(raised, high, [raised, raised, high])
                })
            }
            Op::ClampShare { low, high } => {
                let (low, high) = (exact(low.get()), exact(high.get()));
                self.map(id, &arg(0), |x| match (x.compare(low), x.compare(high)) {
                    (Some(-1), _) | (_, Some(1)) => Ball::ZERO,
                    (Some(1), Some(-1)) => Ball::ONE,
                    _ => Ball::UNKNOWN,
                })
            }
            Op::Sqrt => unary(f::sqrt),
            Op::Exp => unary(f::exp),
            Op::Expm1 => unary(f::expm1),
            Op::Ln => unary(f::ln),
            Op::Ln1p => unary(f::ln_1p),
            Op::Pow(p) => self.map(id, &arg(0), |x| f::pow(x, p.get())),
            Op::Tanh => unary(f::tanh),
            Op::LogCosh => unary(f::log_cosh),
            Op::Expm1Minus => unary(f::expm1_minus),
            Op::Huber(delta) => self.map(id, &arg(0), |x| f::huber(x, delta.get())),
            Op::SmoothL1(beta) => self.map(id, &arg(0), |x| f::smooth_l1(x, beta.get())),
            Op::Xlogy => binary(f::xlogy),
            Op::KlDiv => binary(divergence::kl_div),
            Op::KlDivSlope => binary(divergence::kl_div_slope),
            Op::KlDivLog => binary(divergence::kl_div_log),
            Op::KlDivLogSlope => binary(divergence::kl_div_log_slope),
            Op::Softplus | Op::Sigmoid | Op::LogSigmoid => {
                let z = arg(0);
                let decays = self.decays_of(node.args[0]);
                let pick: fn(Ball<M>, Ball<M>) -> Ball<M> = match node.op {
                    Op::Softplus => f::softplus,
                    Op::Sigmoid => f::sigmoid,
                    // −softplus(−z): −z has the decay of z.
                    _ => |z, decay| f::softplus(z.neg(), decay).neg(),
                };
                self.zip(id, &z, &decays, pick)
            }
            Op::BceWithLogits | Op::BceWithLogitsWeighted | Op::SigmoidMinus | Op::SigmoidMinusWeighted => {
                let (z, y) = (arg(0), arg(1));
                let weight = (node.args.len() > 2).then(|| arg(2));
                let is_loss = matches!(node.op, Op::BceWithLogits | Op::BceWithLogitsWeighted);
                let decays = self.decays_of(node.args[0]);
                Rc::new(self.each(id, |i| {
                    let (z, y, decay) = (z.get(i), y.get(i), decays.get(i));
                    let positive = weight.as_ref().map_or(y, |weight| y.mul(weight.get(i)));
                    let negative = Ball::ONE.sub(y);
                    if is_loss {
                        let tail = f::ln_1p(decay);
                        let (lower, upper) =
                            if z.high() > 0.0 { (tail, z.add(tail)) } else { (z.neg().add(tail), tail) };
                        return weighted_sum((negative, upper), (positive, lower));
                    }
                    // (1−y)·σ(z) − y·σ(−z), both over 1 + e^−|z|.
                    let (upper, lower) =
                        if z.high() >= 0.0 { (Ball::ONE, decay) } else { (decay, Ball::ONE) };
                    weighted_sum((negative, upper), (positive.neg(), lower)).div(Ball::ONE.add(decay))
                }))
            }
            Op::SoftplusGap => {
                let (z, w) = (arg(0), arg(1));
                let decays = self.decays_of(node.args[0]);
                Rc::new(self.each(id, |i| softplus_gap(z.get(i), w.get(i), decays.get(i))))
            }

            // Reductions.
            Op::ScatterAdd(indices) => {
                let a = arg(0);

                let mut totals = vec![M::Total::default(); length];
                let needed = self.marks(id);
                for (i, &to) in indices.iter().enumerate() {
                    if needed.is_none_or(|needed| needed[to]) {
                        totals[to].push(a.get(i));
                    }
                }
                Rc::new(self.each(id, |i| totals[i].ball()))
            }
            Op::Sum { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let a = arg(0);
                let over = a.over();
                let a = over.map_or(&a, |(a, _)| a);
                let term = |row, k| a.get(row_element(row, k, n, stride));
                let sums = Rc::new(self.each(id, |row| match stride {
                    1 => a.sum(row * n..(row + 1) * n),
                    _ => sum(n, (0..n).map(|k| term(row, k))),
                }));
                over.map_or(sums.clone(), |(_, divisor)| Array::divided(sums, divisor))
            }
            Op::Dot { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let (a, b) = (arg(0), arg(1));

                let term = |at| a.get(at).mul(b.get(at));
                let row_sum = |row| sum(n, (0..n).map(|k| term(row_element(row, k, n, stride))));
                Rc::new(self.each(id, row_sum))
            }
            Op::MaxAxis { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let a = arg(0);
                let row_maximum = |row| maximum((0..n).map(|k| a.get(row_element(row, k, n, stride)))).0;
                Rc::new(self.each(id, row_maximum))
            }
            Op::MaxShare { axis } => {
                let (n, stride) = self.axis(node.args[0], *axis);
                let a = arg(0);
                let count = length.checked_div(n).unwrap_or(0);
                let tops: Vec<Option<usize>> = (0..count)
                    .map(|row| maximum((0..n).map(|k| a.get(row_element(row, k, n, stride)))).1)
                    .collect();
                Rc::new(self.each(id, |i| match tops[i / (n * stride) * stride + i % stride] {
                    Some(top) if top == i / stride % n => Ball::ONE,
                    Some(_) => Ball::ZERO,
                    None => Ball::UNKNOWN,
                }))
            }
            Op::LogSumExp
            | Op::Softmax
            | Op::LogSoftmax
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGradient(_)
            | Op::SoftCrossEntropy
            | Op::SoftCrossEntropyGradient => Rc::new(self.exponential_rows(id, node)),
            Op::Norm { p, epsilon } => {
                let norms = self.norms_of(node.args[0], *p, *epsilon);
                Rc::new(self.each(id, |row| norms[row].norm))
            }
            Op::NormGradient { p, epsilon } => {
                let x = arg(0);
                let norms = self.norms_of(node.args[0], *p, *epsilon);
                let (n, p, epsilon) = (self.row_length(node.args[0]), p.power(), epsilon.get());
                Rc::new(self.each(id, |i| norms[i / n].gradient(i % n, x.get(i), p, epsilon)))
            }
            Op::Normalize => {
                let x = arg(0);
                let norms = self.norms_of(node.args[0], Degree::from(Power::Finite(2.0)), Real::new(0.0));
                let n = self.row_length(node.args[0]);
                Rc::new(self.each(id, |i| x.get(i).div(norms[i / n].norm)))
            }
            Op::Bce(clamp) => self.zip(id, &arg(0), &arg(1), |p, y| pairs::bce(p, y, *clamp)),
            Op::BceGradient(clamp) => {
                self.zip(id, &arg(0), &arg(1), |p, y| pairs::bce_gradient(p, y, *clamp))
            }
            Op::BceTargetGradient(clamp) => self.map(id, &arg(0), |p| pairs::bce_target_gradient(p, *clamp)),
            Op::Focal(form) | Op::FocalGradient(form) => {
                let (z, y, derivative) = (arg(0), arg(1), matches!(node.op, Op::FocalGradient(_)));
                let decays = self.decays_of(node.args[0]);
                let element = |i| pairs::focal(z.get(i), y.get(i), decays.get(i), *form, derivative);
                Rc::new(self.each(id, element))
            }
            Op::Cosine { epsilon } => {
                let (rows, _) = self.cosines_of([node.args[0], node.args[1]], *epsilon);
                Rc::new(self.each(id, |row| rows[row].as_ref().map_or(Ball::UNKNOWN, pairs::Cosine::value)))
            }
            Op::CosineGradient { epsilon } => {
                let (x, y, n) = (arg(0), arg(1), self.row_length(node.args[0]));
                let (rows, of) = self.cosines_of([node.args[0], node.args[1]], *epsilon);
                let element = |i: usize| match &rows[i / n] {
                    Some(row) => row.gradient(of, x.get(i), y.get(i)),
                    None => Ball::UNKNOWN,
                };
                Rc::new(self.each(id, element))
            }
        }
    }

    /// a · b; 1·x is x, whatever x is.
    fn product(&self, id: NodeId, a: &Shared<'a, M>, b: &Shared<'a, M>) -> Shared<'a, M> {
        let is_one = |x: &Array<'a, M>| x.repeated() == Some(Ball::ONE);
        match (is_one(a), is_one(b)) {
            (true, _) => b.clone(),
            (_, true) => a.clone(),
            _ => self.zip(id, a, b, Ball::mul),
        }
    }

    /// An operation on rows of exponentials.
    fn exponential_rows(&mut self, id: NodeId, node: &Node) -> Array<'a, M> {
        let (x, n) = (self.get(node.args[0]), self.row_length(node.args[0]));
        let shared = self.exponentials_of(node.args[0]);
        let second = node.args.get(1).map(|&arg| self.get(arg));
        let rows = &shared.rows;
        let of_row = |at: usize, f: &dyn Fn(&RowExponentials<M>) -> Ball<M>| {
            rows[at].as_ref().map_or(Ball::UNKNOWN, f)
        };
        // Of the place i in row `at`.
        let of_element = |i: usize, f: &dyn Fn(&RowExponentials<M>, usize) -> Ball<M>| {
            rows[i / n].as_ref().map_or(Ball::UNKNOWN, |row| f(row, i % n))
        };
        match (&node.op, &second) {
            (Op::LogSumExp, _) => self.each(id, |at| of_row(at, &|row| row.most.add(row.ln_total))),
            (Op::CrossEntropy(classes), _) => {
                self.each(id, |at| of_row(at, &|row| row.surprise(classes[at], x.get(at * n + classes[at]))))
            }
            (Op::SoftCrossEntropy, Some(q)) => self.each(id, |at| {
                of_row(at, &|row| {
                    let terms = (0..n).map(|c| {
                        let q = q.get(at * n + c);
                        // A term with q = 0 is left out.
                        if q.is_zero() { Ball::ZERO } else { q.mul(row.surprise(c, x.get(at * n + c))) }
                    });
                    sum(n, terms)
                })
            }),
            (Op::Softmax, _) => match self.exact_shares(&shared, None) {
                Some(shares) => shares,
                None => self.softmax(id, &shared, n, Vec::new()),
            },
            (Op::LogSoftmax, _) => {
                self.each(id, |i| of_element(i, &|row, c| row.surprise(c, x.get(i)).neg()))
            }
            (Op::CrossEntropyGradient(classes), _) => {
                if let Some(shares) = self.exact_shares(&shared, classes.first().copied()) {
                    return shares;
                }
                let at_target = |(at, &class): (usize, &usize)| {
                    let slope = |row: &RowExponentials<M>| {
                        row.softmax_minus_one(class, shared.terms.get(at * n + class))
                    };
                    (class, of_row(at, &slope))
                };
                self.softmax(id, &shared, n, classes.iter().enumerate().map(at_target).collect())
            }
            (Op::SoftCrossEntropyGradient, Some(q)) => {
                let total = |at: usize| sum(n, (0..n).map(|c| q.get(at * n + c)));
                let totals: Vec<Option<Ball<M>>> =
                    rows.iter().enumerate().map(|(at, row)| row.as_ref().map(|_| total(at))).collect();
                self.each(id, |i| {
                    let Some(total) = totals[i / n] else { return Ball::UNKNOWN };
                    of_element(i, &|row, c| row.soft_gradient(q.get(i), total, c, shared.terms.get(i)))
                })
            }
            _ => Array::unknown(node.len()),
        }
    }

    /// The exponentials of a single row, minus their sum at the target, over that sum, where all of them are exact: what ties make
    /// of a weight that their number divides is exact too.
    fn exact_shares(&self, shared: &Exponentials<M>, target: Option<usize>) -> Option<Array<'a, M>> {
        let [Some(row)] = &shared.rows[..] else { return None };
        if !row.total.is_exact() {
            return None;
        }
        let mut terms = Columns::from_iter((0..shared.terms.len()).map(|i| shared.terms.get(i)));
        if let Some(target) = target {
            terms.set(target, shared.terms.get(target).sub(row.total));
        }
        Some(Array::Over(Rc::new(Array::Columns(terms)), row.total))
    }

    /// Exponentials divided by their rows' sums, but for the given place of each row; divided when they are read, where one node or output reads them.
    fn softmax(
        &self,
        id: NodeId,
        shared: &Rc<Exponentials<M>>,
        n: usize,
        given: Vec<(usize, Ball<M>)>,
    ) -> Array<'a, M> {
        let shares = Shares::of(shared.clone(), n, given);
        match self.needs {
            Some(_) => self.each(id, |i| shares.get(i)),
            None if self.readers[id] > 1 => Array::Columns(Array::Shares(shares).to_columns()),
            None => Array::Shares(shares),
        }
    }
}

/// The first, second or third as a is below, equal to, above b; not known where that is not decided.
#[inline(always)]
fn by_order<M: Midpoint>(a: Ball<M>, b: Ball<M>, [below, equal, above]: [Ball<M>; 3]) -> Ball<M> {
    match a.compare(b) {
        Some(-1) => below,
        Some(0) => equal,
        Some(1) => above,
        _ => Ball::UNKNOWN,
    }
}

/// a·x + b·y, where a term whose factor is exactly 0 is left out, if the other factor is a number.
pub(super) fn weighted_sum<M: Midpoint>((a, x): (Ball<M>, Ball<M>), (b, y): (Ball<M>, Ball<M>)) -> Ball<M> {
    match (a.is_zero(), b.is_zero()) {
        (true, _) => b.mul(y),
        (_, true) => a.mul(x),
        _ => a.mul(x).add(b.mul(y)),
    }
}

/// w·softplus(−z) − softplus(z) = (w − 1)·softplus(−|z|) − z, or − w·z below 0.
fn softplus_gap<M: Midpoint>(z: Ball<M>, w: Ball<M>, decay: Ball<M>) -> Ball<M> {
    let tail = f::ln_1p(decay);
    let main = if z.high() < 0.0 { w.mul(z) } else { z };
    let rest = w.sub(Ball::ONE);
    if rest.is_zero() { main.neg() } else { rest.mul(tail).sub(main) }
}

/// The elements of an array repeated to another shape.
fn broadcast<'a, M: Midpoint>(values: &Shared<'a, M>, from: &[usize], to: &[usize]) -> Shared<'a, M> {
    let length = to.iter().product();
    if let Some((values, divisor)) = values.over() {
        return Array::divided(broadcast(values, from, to), divisor);
    }
    if values.len() == 1 {
        return Rc::new(Array::Repeated(values.get(0), length));
    }
    if let Some(ball) = values.repeated() {
        return Rc::new(Array::Repeated(ball, length));
    }
    // Each element many times in a row: new axes at the end.
    let ones = from.iter().rev().take_while(|&&extent| extent == 1).count();
    let kept = from.len() - ones;
    if from.len() == to.len() && from[..kept] == to[..kept] {
        let each: usize = to[kept..].iter().product();
        let (mut at, mut left) = (0, each);
        return Rc::new(Array::from_fn(length, |_| {
            if left == 0 {
                (at, left) = (at + 1, each);
            }
            left -= 1;
            values.get(at)
        }));
    }
    Rc::new(Array::from_fn(length, |i| values.get(broadcast_source(from, to, i))))
}
