//! A little harness over traced graphs: values at 300 bits, gradients by central differences.

use lossproof::arithmetic::ball::Ball;
use lossproof::arithmetic::evaluate::Evaluation;
use lossproof::arithmetic::value::{Effort, Value};
use lossproof::case::{Case, program::Program};
use lossproof::format::Format;
use lossproof::graph::{Expr, Graph};
use lossproof::loss::Params;
use lossproof::tensor::Tensor;
use rug::Float;

/// Bits of evaluations.
pub const BITS: u32 = 300;
/// The step of differences, exact beside inputs of a few bits; their error is of the order of its square.
pub const STEP: f64 = 1.0 / (1u64 << 40) as f64;
/// How far a central difference may be from the derivative, relative to 1 or to the derivative.
pub const DIFFERENCE_ERROR: f64 = 1e-18;

/// An array: its shape and its elements.
pub type Array = (Vec<usize>, Vec<f64>);

/// The values of these nodes of a graph whose inputs stand in the slots 0, 1, …
pub fn values(graph: &Graph, outputs: &[Expr], inputs: &[Array]) -> Vec<Vec<Value>> {
    let names: Vec<String> = (0..inputs.len()).map(|slot| format!("input{slot}")).collect();
    let tensors = inputs.iter().map(|(shape, values)| Tensor::float(Format::F64, shape, values.clone()));
    let case = Case {
        loss: "probe".into(),
        format: Format::F64,
        params: Params::default(),
        inputs: names.iter().cloned().zip(tensors).collect(),
        upstream: Tensor::full(Format::F64, &[], 1.0),
        gradients: Vec::new(),
    };
    let ids = outputs.iter().map(|output| ("output".to_owned(), output.id())).collect();
    let program = Program { graph: graph.clone(), inputs: names, outputs: ids };
    let wanted: Vec<Vec<usize>> = outputs.iter().map(|output| (0..output.len()).collect()).collect();
    let evaluation = Evaluation::run(&program, &case, Effort { prec: BITS, last: false }, &wanted);
    let all = |(at, output): (usize, &Expr)| {
        (0..output.len()).map(|element| evaluation.output(at, element).clone()).collect()
    };
    outputs.iter().enumerate().map(all).collect()
}

/// The number that a value is, known to at least 200 bits.
pub fn number(value: &Value) -> Float {
    match value {
        Value::Point(Ball::Finite { mid, rad, .. }) => {
            let size = mid.get_exp().map_or(0, i64::from);
            assert!(rad.is_zero() || rad.bound_exponent() < size.max(0) - 200, "{value:?} is wide");
            Float::with_val(BITS, &**mid)
        }
        other => panic!("{other:?} is not a number"),
    }
}

/// All numbers of the outputs.
pub fn numbers(graph: &Graph, outputs: &[Expr], inputs: &[Array]) -> Vec<Vec<Float>> {
    let values = values(graph, outputs, inputs);
    values.iter().map(|output| output.iter().map(number).collect()).collect()
}

/// Whether the gradients of `root`, a scalar, agree with its central differences.
pub fn check_gradients(name: &str, graph: &Graph, root: &Expr, gradients: &[Expr], inputs: &[Array]) {
    let derivatives = numbers(graph, gradients, inputs);
    for (slot, derivatives) in derivatives.iter().enumerate() {
        for (element, derivative) in derivatives.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = inputs.to_vec();
                let x = &mut moved[slot].1[element];
                let exact = *x;
                *x += step;
                assert_eq!(*x - exact, step, "the step is exact");
                numbers(graph, std::slice::from_ref(root), &moved)[0][0].clone()
            };
            let difference = (at(STEP) - at(-STEP)) / STEP / 2u32;
            let error = Float::with_val(BITS, &difference - derivative).abs();
            let allowed =
                Float::with_val(BITS, derivative.abs_ref()).max(&Float::with_val(2, 1)) * DIFFERENCE_ERROR;
            assert!(
                error <= allowed,
                "{name}: ∂/∂input{slot}[{element}] is {derivative:.20}, not {difference:.20}"
            );
        }
    }
}
