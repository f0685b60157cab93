//! A case's graph: the loss and its gradients, traced once, ready for any interpreter.

use super::{Case, CaseError, LOSS, gradient_name};
use crate::graph::{Expr, Graph, NodeId, Tracer, gradient};
use crate::loss::{Params, Traced};
use crate::tensor::{Dtype, Tensor, Values};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// The slot name of the upstream among the inputs.
pub const UPSTREAM: &str = "upstream";

/// How many programs a thread keeps.
const KEPT: usize = 8;

thread_local! {
    /// The programs that were traced last, the latest first.
    static LATEST: RefCell<VecDeque<(Key, Rc<Program>)>> = const { RefCell::new(VecDeque::new()) };
}

/// Everything that a graph depends on which does not depend on the values of floats.
#[derive(PartialEq)]
struct Key {
    loss: String,
    params: Params,
    /// Each input's name, its shape, and its values where they are not floats.
    inputs: Vec<(String, Vec<usize>, Option<Values>)>,
    upstream: Vec<usize>,
    gradients: Vec<String>,
}

impl Key {
    fn of(case: &Case) -> Key {
        let inputs = case.inputs.iter().map(|(name, tensor)| {
            let values = (!matches!(tensor.dtype, Dtype::Float(_))).then(|| tensor.values.clone());
            (name.clone(), tensor.shape.clone(), values)
        });
        Key {
            loss: case.loss.clone(),
            params: case.params.clone(),
            inputs: inputs.collect(),
            upstream: case.upstream.shape.clone(),
            gradients: case.gradients.clone(),
        }
    }

    /// Whether it is the case's; without a copy.
    fn fits(&self, case: &Case) -> bool {
        let same = |((name, shape, values), (other, tensor)): (&(String, Vec<usize>, Option<Values>), _)| {
            let (other, tensor): (&String, &Tensor) = (other, tensor);
            let alike = match values {
                Some(values) => *values == tensor.values,
                None => matches!(tensor.dtype, Dtype::Float(_)),
            };
            name == other && *shape == tensor.shape && alike
        };
        self.loss == case.loss
            && self.inputs.len() == case.inputs.len()
            && self.upstream == case.upstream.shape
            && self.inputs.iter().zip(&case.inputs).all(same)
            && self.gradients == case.gradients
            && self.params == case.params
    }
}

/// The graph of a case.
#[derive(Clone, Debug)]
pub struct Program {
    /// The graph of the loss and all gradients.
    pub graph: Graph,
    /// The name of the input in each slot; the last is [`UPSTREAM`].
    pub inputs: Vec<String>,
    /// Each output's name and node, the loss first.
    pub outputs: Vec<(String, NodeId)>,
}

impl Program {
    /// The program of a checked case; that of an earlier case, where it is the same: all but the values of floats agree, and
    /// the definition has not looked at those.
    pub fn shared(case: &Case) -> Result<Rc<Program>, CaseError> {
        let known = LATEST.with_borrow_mut(|latest| {
            let at = latest.iter().position(|(key, _)| key.fits(case))?;
            let found = latest.remove(at)?;
            latest.push_front(found);
            Some(latest[0].1.clone())
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let (program, by_values) = Program::traced(case)?;
        let program = Rc::new(program);
        if !by_values {
            LATEST.with_borrow_mut(|latest| {
                latest.truncate(KEPT - 1);
                latest.push_front((Key::of(case), program.clone()));
            });
        }
        Ok(program)
    }

    /// Traces a checked case.
    pub fn of(case: &Case) -> Result<Program, CaseError> {
        Ok(Program::traced(case)?.0)
    }

    /// The program, and whether its graph depends on the values of floats.
    fn traced(case: &Case) -> Result<(Program, bool), CaseError> {
        let tracer = Tracer::new();
        let mut exprs: BTreeMap<&str, Expr> = BTreeMap::new();
        let mut inputs = Vec::new();
        let Traced { loss, by_values } =
            case.entry()?.trace(&case.params, &case.inputs, &mut |name, tensor| {
                let expr = tracer.input(inputs.len(), &tensor.shape);
                inputs.push(name.to_owned());
                exprs.insert(name, expr.clone());
                expr
            });
        let upstream = tracer.input(inputs.len(), &loss.shape());
        inputs.push(UPSTREAM.to_owned());
        let wrt: Vec<Expr> = case.gradients.iter().map(|name| exprs[name.as_str()].clone()).collect();
        let gradients = gradient(&loss, &upstream, &wrt);
        let mut outputs = vec![(LOSS.to_owned(), loss.id())];
        let named = case.gradients.iter().zip(&gradients);
        outputs.extend(named.map(|(name, expr)| (gradient_name(name), expr.id())));
        Ok((Program { graph: tracer.finish(), inputs, outputs }, by_values))
    }

    /// The values of the input in a slot.
    pub fn values<'a>(&self, case: &'a Case, slot: usize) -> &'a [f64] {
        match self.inputs[slot].as_str() {
            UPSTREAM => case.upstream.floats(),
            name => case.input(name).floats(),
        }
    }
}
