//! A case's graph: the loss and its gradients, traced once, ready for any interpreter.

use super::{Case, CaseError, LOSS, gradient_name};
use crate::graph::{Expr, Graph, NodeId, Tracer, gradient};
use std::collections::BTreeMap;

/// The slot name of the upstream among the inputs.
pub const UPSTREAM: &str = "upstream";

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
    /// Traces a checked case.
    pub fn of(case: &Case) -> Result<Program, CaseError> {
        let tracer = Tracer::new();
        let mut exprs: BTreeMap<&str, Expr> = BTreeMap::new();
        let mut inputs = Vec::new();
        let loss = case.entry()?.trace(&case.params, &case.inputs, &mut |name, tensor| {
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
        Ok(Program { graph: tracer.graph(), inputs, outputs })
    }

    /// The values of the input in a slot.
    pub fn values<'a>(&self, case: &'a Case, slot: usize) -> &'a [f64] {
        match self.inputs[slot].as_str() {
            UPSTREAM => case.upstream.floats(),
            name => case.input(name).floats(),
        }
    }
}
