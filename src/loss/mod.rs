//! The catalogue: a file per family, a struct per loss with its parameters, its [`Spec`] and its definition.
//!
//! A definition is written once, reads like the paper, and is traced for one case into a graph. A new loss is one
//! struct in its family's file, one line in [`LOSSES`] and one witness.

mod params;
mod spec;

pub use params::{ParamError, ParamValue, Params};
pub use spec::{
    Alias, Convention, Default, Domain, Family, InputSpec, ParamKind, ParamSpec, Range, Spec, Unreduced,
};

mod binary;
mod classification;
mod cosine;
mod density;
mod divergence;
mod hinge;
mod metric;
mod reduction;
mod regression;

pub use binary::focal_of;
pub use reduction::Reduction;

use crate::format::Format;
use crate::graph::Expr;
use crate::tensor::{Dtype, Tensor};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

/// The catalogue, in the order in which it is printed.
pub static LOSSES: &[&dyn LossEntry] = &[
    &Entry::<regression::Mse>::NEW,
    &Entry::<regression::Mae>::NEW,
    &Entry::<regression::Huber>::NEW,
    &Entry::<regression::SmoothL1>::NEW,
    &Entry::<regression::LogCosh>::NEW,
    &Entry::<density::GaussianNll>::NEW,
    &Entry::<classification::CrossEntropy>::NEW,
    &Entry::<classification::CrossEntropySoft>::NEW,
    &Entry::<classification::NllLoss>::NEW,
    &Entry::<classification::BceWithLogits>::NEW,
    &Entry::<hinge::Hinge>::NEW,
    &Entry::<binary::Bce>::NEW,
    &Entry::<binary::FocalSigmoid>::NEW,
    &Entry::<divergence::KlDiv>::NEW,
    &Entry::<metric::TripletMargin>::NEW,
    &Entry::<cosine::CosineEmbedding>::NEW,
];

/// The loss of that id.
pub fn find(id: &str) -> Option<&'static dyn LossEntry> {
    LOSSES.iter().copied().find(|entry| entry.spec().id == id)
}

/// A loss: what it says of itself, and its formula as code.
pub trait Definition: Sized + Send + Sync + 'static {
    /// Inputs, parameters, conventions, sources.
    const SPEC: Spec;

    /// The loss with these parameters, which are complete.
    fn from_params(params: &Params) -> Self;

    /// Demands on the inputs beyond those of the [`Spec`], which hold already.
    fn check(&self, _inputs: &BTreeMap<String, Tensor>) -> Result<(), DomainError> {
        Ok(())
    }

    /// The formula: traces the reduced loss.
    fn define(&self, inputs: &Inputs<'_>) -> Expr;
}

/// What a definition computes from: the traced floats of a case, and its integers, which are known.
pub struct Inputs<'a> {
    exprs: HashMap<&'static str, Expr>,
    tensors: &'a BTreeMap<String, Tensor>,
    /// Whether the values of a float input have been looked at.
    by_values: Cell<bool>,
}

/// A traced loss.
pub struct Traced {
    /// The loss.
    pub loss: Expr,
    /// Whether its graph depends on the values of float inputs, and not only on their shapes.
    pub by_values: bool,
}

impl Inputs<'_> {
    /// A float input that must be there.
    pub fn expr(&self, name: &str) -> Expr {
        self.exprs.get(name).cloned().unwrap_or_else(|| panic!("no float input {name} in the Spec"))
    }

    /// A float input that may be absent.
    pub fn optional(&self, name: &str) -> Option<Expr> {
        self.exprs.get(name).cloned()
    }

    /// The values of a float input; empty where it is absent.
    pub fn floats(&self, name: &str) -> &[f64] {
        let Some(tensor) = self.tensors.get(name) else { return &[] };
        self.by_values.set(true);
        tensor.floats()
    }

    /// An integer input.
    pub fn integers(&self, name: &str) -> &[i64] {
        self.tensors.get(name).map_or(&[], Tensor::integers)
    }
}

/// A [`Definition`] without its type, as the registry holds it.
pub trait LossEntry: Send + Sync {
    /// Its description.
    fn spec(&self) -> &'static Spec;

    /// Whether the inputs are in its domain: names, dtypes, shapes, values. The parameters are complete.
    fn check(
        &self,
        format: Format,
        params: &Params,
        inputs: &BTreeMap<String, Tensor>,
    ) -> Result<(), DomainError>;

    /// The shape of the loss: a scalar when reduced. The inputs need not be checked yet.
    fn loss_shape(&self, params: &Params, inputs: &BTreeMap<String, Tensor>) -> Vec<usize> {
        let spec = self.spec();
        if params.text("reduction") != "none" {
            return Vec::new();
        }
        match inputs.get(spec.inputs[0].name).map(|tensor| &tensor.shape[..]) {
            Some(shape) if !shape.is_empty() => crate::case::unreduced_shape(spec.unreduced, shape),
            _ => Vec::new(),
        }
    }

    /// Traces the loss of a checked case. `expr` gives the node of each float input that is there.
    fn trace(
        &self,
        params: &Params,
        inputs: &BTreeMap<String, Tensor>,
        expr: &mut dyn FnMut(&'static str, &Tensor) -> Expr,
    ) -> Traced;
}

struct Entry<D>(std::marker::PhantomData<fn() -> D>);

impl<D: Definition> Entry<D> {
    const NEW: Entry<D> = Entry(std::marker::PhantomData);
    const SPEC: &'static Spec = &D::SPEC;
}

impl<D: Definition> LossEntry for Entry<D> {
    fn spec(&self) -> &'static Spec {
        Self::SPEC
    }

    fn check(
        &self,
        format: Format,
        params: &Params,
        inputs: &BTreeMap<String, Tensor>,
    ) -> Result<(), DomainError> {
        check_inputs(Self::SPEC, format, params, inputs)?;
        D::from_params(params).check(inputs)
    }

    fn trace(
        &self,
        params: &Params,
        inputs: &BTreeMap<String, Tensor>,
        expr: &mut dyn FnMut(&'static str, &Tensor) -> Expr,
    ) -> Traced {
        let floats = Self::SPEC.inputs.iter().filter_map(|input| {
            let tensor = inputs.get(input.name)?;
            matches!(tensor.dtype, Dtype::Float(_)).then(|| (input.name, expr(input.name, tensor)))
        });
        let inputs = Inputs { exprs: floats.collect(), tensors: inputs, by_values: Cell::new(false) };
        let loss = D::from_params(params).define(&inputs);
        Traced { loss, by_values: inputs.by_values.get() }
    }
}

/// Why inputs are refused. Each names the input, the place and the value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DomainError {
    /// A needed input is not there.
    #[error("input `{0}` is missing")]
    Missing(&'static str),
    /// An input that the loss does not have.
    #[error("no input `{name}`; it has {known}")]
    Unknown { name: String, known: String },
    /// The wrong dtype.
    #[error("input `{input}` is {found}, not {expected}")]
    Dtype { input: &'static str, expected: String, found: &'static str },
    /// The wrong number of axes or an extent that contradicts another input's.
    #[error("input `{input}` has shape {found:?}, not {expected}")]
    Shape { input: &'static str, expected: String, found: Vec<usize> },
    /// A value outside the domain.
    #[error("input `{input}` is {value} at {index:?}, not {expected}")]
    Value { input: &'static str, index: Vec<usize>, value: String, expected: String },
    /// Any other demand of the loss.
    #[error("{0}")]
    Other(String),
}

fn check_inputs(
    spec: &'static Spec,
    format: Format,
    params: &Params,
    inputs: &BTreeMap<String, Tensor>,
) -> Result<(), DomainError> {
    for name in inputs.keys() {
        if spec.input(name).is_none() {
            let known: Vec<String> = spec.inputs.iter().map(|input| format!("`{}`", input.name)).collect();
            return Err(DomainError::Unknown { name: name.clone(), known: known.join(", ") });
        }
    }
    let mut extents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for input in spec.inputs {
        let Some(tensor) = inputs.get(input.name) else {
            if input.optional {
                continue;
            }
            return Err(DomainError::Missing(input.name));
        };
        let expected = match input.domain {
            Domain::Class => Dtype::I64,
            Domain::Mask => Dtype::Bool,
            _ => Dtype::Float(format),
        };
        if tensor.dtype != expected {
            return Err(DomainError::Dtype {
                input: input.name,
                expected: expected.name().to_owned(),
                found: tensor.dtype.name(),
            });
        }
        check_shape(spec, input, &tensor.shape, &mut extents)?;
        check_values(input, tensor, params, extents.get("C").map(|c| c[0]))?;
    }
    Ok(())
}

/// Binds the input's symbolic extents to its shape, or compares them where they are bound already.
fn check_shape(
    spec: &Spec,
    input: &'static InputSpec,
    shape: &[usize],
    extents: &mut BTreeMap<&'static str, Vec<usize>>,
) -> Result<(), DomainError> {
    let refused = |extents: &BTreeMap<&str, Vec<usize>>| {
        let symbols = input.shape.iter().map(|&symbol| match extents.get(symbol) {
            Some(bound) => bound.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            None => symbol.to_owned(),
        });
        let expected = format!("[{}]", symbols.collect::<Vec<_>>().join(", "));
        DomainError::Shape { input: input.name, expected, found: shape.to_vec() }
    };
    if input.shape == ["N…"] {
        return match extents.get("N…") {
            Some(bound) if bound != shape => Err(refused(extents)),
            _ => {
                // An input of last-axis extent "C" beside "N…" is held against its last axis.
                if spec.inputs.iter().any(|other| other.shape == ["C"])
                    && let Some(&last) = shape.last()
                {
                    extents.insert("C", vec![last]);
                }
                extents.insert("N…", shape.to_vec());
                Ok(())
            }
        };
    }
    if input.shape.len() != shape.len() {
        return Err(refused(extents));
    }
    for (&symbol, &extent) in input.shape.iter().zip(shape) {
        if symbol != "N" && extent == 0 && extents.get("N…").is_none_or(|n| n.last() != Some(&0)) {
            return Err(DomainError::Other(format!(
                "input `{}`: extent {symbol} must be at least 1",
                input.name
            )));
        }
        if extents.get(symbol).is_some_and(|bound| bound[0] != extent) {
            return Err(refused(extents));
        }
        extents.insert(symbol, vec![extent]);
    }
    Ok(())
}

fn check_values(
    input: &'static InputSpec,
    tensor: &Tensor,
    params: &Params,
    classes: Option<usize>,
) -> Result<(), DomainError> {
    let refused = |element: usize, value: String, expected: String| DomainError::Value {
        input: input.name,
        index: tensor.index(element),
        value,
        expected,
    };
    if input.domain == Domain::Class {
        let (classes, ignore) = (classes.unwrap_or(0) as i64, params.integer("ignore_index"));
        let outside = |&t: &i64| !(0..classes).contains(&t) && Some(t) != ignore;
        if let Some(element) = tensor.integers().iter().position(outside) {
            let ignored = ignore.map_or(String::new(), |index| format!(" or the ignore index {index}"));
            let expected = format!("a class in [0, {classes}){ignored}");
            return Err(refused(element, tensor.integers()[element].to_string(), expected));
        }
        return Ok(());
    }
    let domain = input.domain.given(params);
    match tensor.floats().iter().position(|&x| !domain.holds(x)) {
        Some(element) => {
            let value = tensor.floats()[element].to_string();
            Err(refused(element, value, domain.describe().to_owned()))
        }
        None => Ok(()),
    }
}
