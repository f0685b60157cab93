//! Rows of scores against one class each: the inputs and parameters that every such loss has, which rows count, with which
//! weight, and what their mean divides by.

use crate::graph::Expr;
use crate::loss::reduction::Divisor;
use crate::loss::{Default, Domain, InputSpec, Inputs, ParamKind, ParamSpec};

/// The input `target`: a class for each row.
pub(super) const CLASS_TARGET: InputSpec = InputSpec {
    name: "target",
    shape: &["N"],
    domain: Domain::Class,
    differentiable: false,
    optional: false,
    doc: "the class of each row",
};

/// The input `class_weight`.
pub(super) const CLASS_WEIGHT: InputSpec = InputSpec {
    name: "class_weight",
    shape: &["C"],
    domain: Domain::NonNegative,
    differentiable: false,
    optional: true,
    doc: "a factor for each class",
};

/// The parameter `ignore_index`.
pub(super) const IGNORE_INDEX: ParamSpec = ParamSpec {
    name: "ignore_index",
    kind: ParamKind::Integer { null: true },
    default: Default::Integer(-100),
    conventions: &[],
    doc: "rows of this target add nothing to loss, gradient and divisor; null: there is none",
};

/// The classes of a case, with their weights.
pub(super) struct Rows {
    /// Whether each row counts.
    pub kept: Vec<bool>,
    /// Its class; 0 where it does not count.
    pub class: Vec<usize>,
    /// class_weight at that class, or 1.
    pub weight: Expr,
    /// Whether no row that counts has a weight above 0.
    weightless: bool,
}

impl Rows {
    /// Of the inputs `target` and `class_weight`; `scores` is any array of the graph.
    pub fn of(inputs: &Inputs<'_>, scores: &Expr, ignore_index: Option<i64>) -> Rows {
        let targets = inputs.integers("target");
        let kept: Vec<bool> = targets.iter().map(|&t| Some(t) != ignore_index).collect();
        let class: Vec<usize> =
            targets.iter().zip(&kept).map(|(&t, &k)| if k { t as usize } else { 0 }).collect();
        let weight = match inputs.optional("class_weight") {
            // A row that does not count weighs 0: the weight of the class where it is looked up may be NaN.
            Some(weight) => weight.gather(&class).keep(&kept),
            None => scores.constant_full(&[targets.len()], 1.0),
        };
        let values = inputs.floats("class_weight");
        let weightless = class.iter().zip(&kept).all(|(&t, &k)| !k || values.get(t) == Some(&0.0));
        Rows { kept, class, weight, weightless }
    }

    /// Σ class_weight[target] over the rows that count: their number, without weights.
    pub fn divisor(&self) -> Divisor {
        Divisor::known(self.weight.keep(&self.kept).sum_all(), self.weightless)
    }
}
