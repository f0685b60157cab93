//! Tracing: an [`Expr`] is an array of a graph in the making, and what is done with it another.

use super::{Graph, Node, NodeId, Op, Power, Real};
use std::cell::RefCell;
use std::rc::Rc;

/// An array in a graph that is being traced. Cloning copies the reference; operators trace.
#[derive(Clone)]
pub struct Expr {
    pub(super) graph: Rc<RefCell<Graph>>,
    pub(super) id: NodeId,
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "%{}: {}{:?}", self.id, self.op().name(), self.shape())
    }
}

/// Where tracing starts: makes inputs, and gives the finished graph.
#[derive(Default)]
pub struct Tracer {
    graph: Rc<RefCell<Graph>>,
}

impl Tracer {
    /// An empty graph.
    pub fn new() -> Tracer {
        Tracer::default()
    }

    /// The input in the given slot.
    pub fn input(&self, slot: usize, shape: &[usize]) -> Expr {
        let node = Node { op: Op::Input(slot), args: Vec::new(), shape: shape.to_vec() };
        let id = self.graph.borrow_mut().push(node);
        Expr { graph: self.graph.clone(), id }
    }

    /// A copy of the graph as traced so far.
    pub fn graph(&self) -> Graph {
        self.graph.borrow().clone()
    }

    /// The graph, when all is traced: expressions of it are of no use any more.
    pub fn finish(self) -> Graph {
        self.graph.take()
    }
}

impl Expr {
    /// The node in its graph.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The shape.
    pub fn shape(&self) -> Vec<usize> {
        self.graph.borrow().nodes[self.id].shape.clone()
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.graph.borrow().nodes[self.id].shape.len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.graph.borrow().nodes[self.id].len()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn op(&self) -> Op {
        self.graph.borrow().nodes[self.id].op.clone()
    }

    pub(super) fn at(&self, id: NodeId) -> Expr {
        Expr { graph: self.graph.clone(), id }
    }

    fn push(&self, op: Op, args: Vec<NodeId>, shape: Vec<usize>) -> Expr {
        self.at(self.graph.borrow_mut().push(Node { op, args, shape }))
    }

    /// An operation on this array whose result has its shape.
    pub(crate) fn like(&self, op: Op) -> Expr {
        self.push(op, vec![self.id], self.shape())
    }

    /// An operation on this and other arrays of its shape, with its shape.
    pub(crate) fn elementwise(&self, op: Op, others: &[&Expr]) -> Expr {
        let shape = self.shape();
        let ids = others.iter().map(|other| {
            assert_eq!(other.shape(), shape, "{} needs equal shapes", op.name());
            other.id
        });
        let args = std::iter::once(self.id).chain(ids).collect();
        self.push(op, args, shape)
    }

    /// An elementwise operation on two arrays; a scalar is repeated.
    pub(super) fn binary(&self, op: Op, other: &Expr) -> Expr {
        let (a, b) = (self.shape(), other.shape());
        match (a.is_empty(), b.is_empty()) {
            (true, false) => self.broadcast(&b).elementwise(op, &[other]),
            (false, true) => self.elementwise(op, &[&other.broadcast(&a)]),
            _ => self.elementwise(op, &[other]),
        }
    }

    /// The scalar with this exact value.
    pub fn constant(&self, value: f64) -> Expr {
        self.push(Op::Constant(Real::new(value)), Vec::new(), Vec::new())
    }

    /// The scalar ln 2π.
    pub fn ln_two_pi(&self) -> Expr {
        self.push(Op::LnTwoPi, Vec::new(), Vec::new())
    }

    /// An array with this exact value everywhere.
    pub fn constant_full(&self, shape: &[usize], value: f64) -> Expr {
        self.constant(value).broadcast(shape)
    }

    /// x².
    pub fn square(&self) -> Expr {
        self * self
    }

    /// |x|.
    pub fn abs(&self) -> Expr {
        self.like(Op::Abs)
    }

    /// The sign; at 0 the set [−1, 1].
    pub fn sign(&self) -> Expr {
        self.like(Op::Sign)
    }

    /// max(x, other).
    pub fn maximum(&self, other: &Expr) -> Expr {
        self.binary(Op::Maximum, other)
    }

    /// min(x, other).
    pub fn minimum(&self, other: &Expr) -> Expr {
        self.binary(Op::Minimum, other)
    }

    /// max(x, 0).
    pub fn relu(&self) -> Expr {
        self.maximum(&self.constant(0.0))
    }

    pub(crate) fn tie_share(&self, other: &Expr) -> Expr {
        self.elementwise(Op::TieShare, &[other])
    }

    /// min(max(x, low), high).
    pub fn clamp(&self, low: f64, high: f64) -> Expr {
        self.like(Op::Clamp { low: Real::new(low), high: Real::new(high) })
    }

    /// √x.
    pub fn sqrt(&self) -> Expr {
        self.like(Op::Sqrt)
    }

    /// e^x.
    pub fn exp(&self) -> Expr {
        self.like(Op::Exp)
    }

    /// e^x − 1.
    pub fn expm1(&self) -> Expr {
        self.like(Op::Expm1)
    }

    /// ln x.
    pub fn ln(&self) -> Expr {
        self.like(Op::Ln)
    }

    /// ln(1 + x).
    pub fn ln_1p(&self) -> Expr {
        self.like(Op::Ln1p)
    }

    /// x^p.
    pub fn pow(&self, p: f64) -> Expr {
        self.like(Op::Pow(Real::new(p)))
    }

    /// tanh x.
    pub fn tanh(&self) -> Expr {
        self.like(Op::Tanh)
    }

    /// ln(1 + e^x).
    pub fn softplus(&self) -> Expr {
        self.like(Op::Softplus)
    }

    /// 1/(1 + e^−x).
    pub fn sigmoid(&self) -> Expr {
        self.like(Op::Sigmoid)
    }

    /// ln σ(x).
    pub fn log_sigmoid(&self) -> Expr {
        self.like(Op::LogSigmoid)
    }

    /// ln cosh x.
    pub fn log_cosh(&self) -> Expr {
        self.like(Op::LogCosh)
    }

    /// e^x − 1 − x.
    pub fn expm1_minus(&self) -> Expr {
        self.like(Op::Expm1Minus)
    }

    /// Huber's function: ½x² for |x| ≤ delta, delta·(|x| − ½·delta) beyond.
    pub fn huber(&self, delta: f64) -> Expr {
        assert!(delta > 0.0, "the quadratic part has an extent");
        self.like(Op::Huber(Real::new(delta)))
    }

    /// Huber's function divided by its beta: x²/(2·beta) for |x| ≤ beta, |x| − ½·beta beyond.
    pub fn smooth_l1(&self, beta: f64) -> Expr {
        assert!(beta > 0.0, "the quadratic part has an extent");
        self.like(Op::SmoothL1(Real::new(beta)))
    }

    /// x·ln y, with 0·ln 0 = 0.
    pub fn xlogy(&self, y: &Expr) -> Expr {
        self.elementwise(Op::Xlogy, &[y])
    }

    /// Binary cross-entropy of these logits against targets in [0, 1].
    pub fn bce_with_logits(&self, target: &Expr) -> Expr {
        self.elementwise(Op::BceWithLogits, &[target])
    }

    /// The same with a factor for the positive part.
    pub fn bce_with_logits_weighted(&self, target: &Expr, pos_weight: &Expr) -> Expr {
        self.elementwise(Op::BceWithLogitsWeighted, &[target, pos_weight])
    }

    pub(crate) fn sigmoid_minus(&self, target: &Expr) -> Expr {
        self.elementwise(Op::SigmoidMinus, &[target])
    }

    /// This array where the mask is true, the other elsewhere.
    pub fn select(&self, mask: &[bool], other: &Expr) -> Expr {
        assert_eq!(mask.len(), self.len(), "a mask has an entry for each element");
        if mask.iter().all(|&keep| keep) {
            return self.clone();
        }
        self.elementwise(Op::Select(mask.into()), &[other])
    }

    /// This array where the mask is true, exactly 0 elsewhere.
    pub fn keep(&self, mask: &[bool]) -> Expr {
        self.select(mask, &self.constant_full(&self.shape(), 0.0))
    }

    /// Repeats along new leading axes and along axes of extent 1.
    pub fn broadcast(&self, shape: &[usize]) -> Expr {
        let own = self.shape();
        if own == shape {
            return self.clone();
        }
        let tail = &shape[shape.len() - own.len()..];
        let fits = own.iter().zip(tail).all(|(&from, &to)| from == to || from == 1);
        assert!(fits, "cannot broadcast {own:?} to {shape:?}");
        self.push(Op::Broadcast, vec![self.id], shape.to_vec())
    }

    /// The same elements in another shape.
    pub fn reshape(&self, shape: &[usize]) -> Expr {
        if self.shape() == shape {
            return self.clone();
        }
        assert_eq!(self.len(), shape.iter().product::<usize>(), "a reshape keeps the number of elements");
        self.push(Op::Reshape, vec![self.id], shape.to_vec())
    }

    /// Inserts an axis of extent 1.
    pub fn unsqueeze(&self, axis: usize) -> Expr {
        let mut shape = self.shape();
        shape.insert(axis, 1);
        self.reshape(&shape)
    }

    /// `length` entries of an axis, from `start` on.
    pub fn slice(&self, axis: usize, start: usize, length: usize) -> Expr {
        let mut shape = self.shape();
        assert!(start + length <= shape[axis], "a slice lies inside its axis");
        shape[axis] = length;
        self.push(Op::Slice { axis, start }, vec![self.id], shape)
    }

    /// The arrays one after the other along an axis; empty ones are left out.
    pub fn concatenate(parts: &[Expr], axis: usize) -> Expr {
        let parts: Vec<&Expr> = parts.iter().filter(|part| !part.is_empty()).collect();
        let [first, rest @ ..] = &parts[..] else { panic!("nothing to concatenate") };
        if rest.is_empty() {
            return (*first).clone();
        }
        let mut shape = first.shape();
        shape[axis] = parts.iter().map(|part| part.shape()[axis]).sum();
        first.push(Op::Concatenate { axis }, parts.iter().map(|part| part.id).collect(), shape)
    }

    /// The elements at these flat indices, as one axis.
    pub fn gather(&self, indices: &[usize]) -> Expr {
        self.gather_to(&indices.into(), &[indices.len()])
    }

    pub(crate) fn gather_to(&self, indices: &std::sync::Arc<[usize]>, shape: &[usize]) -> Expr {
        assert!(indices.iter().all(|&i| i < self.len()), "indices lie inside the array");
        self.push(Op::Gather(indices.clone()), vec![self.id], shape.to_vec())
    }

    /// An array of the shape in which element `indices[i]` gathers the sum of these elements i.
    pub(crate) fn scatter_add(&self, indices: &std::sync::Arc<[usize]>, shape: &[usize]) -> Expr {
        self.push(Op::ScatterAdd(indices.clone()), vec![self.id], shape.to_vec())
    }

    /// The same value, which the gradient does not pass.
    pub fn stop_gradient(&self) -> Expr {
        self.like(Op::StopGradient)
    }

    /// The same value, whose gradient passes straight through to `other` in its place.
    pub fn with_gradient_of(&self, other: &Expr) -> Expr {
        self.elementwise(Op::GradientTo, &[other])
    }

    fn reduced(&self, axis: usize) -> Vec<usize> {
        let mut shape = self.shape();
        shape.remove(axis);
        shape
    }

    /// Σ along an axis.
    pub fn sum(&self, axis: usize) -> Expr {
        self.push(Op::Sum { axis }, vec![self.id], self.reduced(axis))
    }

    /// Σ over all elements, as one sum.
    pub fn sum_all(&self) -> Expr {
        self.reshape(&[self.len()]).sum(0)
    }

    /// Sums what was repeated, so that the result has the shape.
    pub(super) fn sum_to(&self, shape: &[usize]) -> Expr {
        if shape.iter().product::<usize>() == 1 && self.len() != 1 {
            return self.sum_all().reshape(shape);
        }
        let mut result = self.clone();
        while result.rank() > shape.len() {
            result = result.sum(0);
        }
        for (axis, &extent) in shape.iter().enumerate() {
            if extent == 1 && result.shape()[axis] != 1 {
                result = result.sum(axis).unsqueeze(axis);
            }
        }
        result
    }

    /// max along an axis of at least one entry.
    pub fn max(&self, axis: usize) -> Expr {
        assert!(self.shape()[axis] > 0, "a maximum needs an entry");
        self.push(Op::MaxAxis { axis }, vec![self.id], self.reduced(axis))
    }

    /// Σ x·y along the last axis.
    pub fn dot(&self, other: &Expr) -> Expr {
        assert_eq!(self.shape(), other.shape(), "dot needs equal shapes");
        let axis = self.rank() - 1;
        self.push(Op::Dot { axis }, vec![self.id, other.id], self.reduced(axis))
    }

    pub(super) fn on_rows(&self, op: Op, others: &[&Expr]) -> Expr {
        let args = std::iter::once(self.id).chain(others.iter().map(|other| other.id)).collect();
        self.push(op, args, self.reduced(self.rank() - 1))
    }

    /// ln Σ exp along the last axis.
    pub fn log_sum_exp(&self) -> Expr {
        self.on_rows(Op::LogSumExp, &[])
    }

    /// exp(xᵢ)/Σ exp along the last axis.
    pub fn softmax(&self) -> Expr {
        self.like(Op::Softmax)
    }

    /// xᵢ − ln Σ exp along the last axis.
    pub fn log_softmax(&self) -> Expr {
        self.like(Op::LogSoftmax)
    }

    /// ln Σ exp(x) − x_t along the last axis, t the row's class.
    pub fn cross_entropy(&self, classes: &[usize]) -> Expr {
        let rows = self.reduced(self.rank() - 1).iter().product::<usize>();
        assert_eq!(classes.len(), rows, "one class a row");
        self.on_rows(Op::CrossEntropy(classes.into()), &[])
    }

    /// Σ q_c·(ln Σ exp(x) − x_c) along the last axis.
    pub fn soft_cross_entropy(&self, q: &Expr) -> Expr {
        assert_eq!(self.shape(), q.shape(), "soft_cross_entropy needs equal shapes");
        self.on_rows(Op::SoftCrossEntropy, &[q])
    }

    /// (Σ|xᵢ|^p + epsilon)^(1/p) along the last axis, or max|xᵢ|.
    pub fn norm(&self, p: Power, epsilon: f64) -> Expr {
        self.on_rows(Op::Norm { p: p.into(), epsilon: Real::new(epsilon) }, &[])
    }

    /// x/‖x‖₂ along the last axis.
    pub fn normalize(&self) -> Expr {
        self.like(Op::Normalize)
    }
}
