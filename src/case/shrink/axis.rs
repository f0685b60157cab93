//! Symbolic axes: which places of which tensors an extent "N", "C", "D", "N…" binds together, and dropping a part of it
//! from all of them.

use crate::case::Case;
use crate::loss::{Domain, Spec, Unreduced};
use crate::tensor::{Tensor, Values};

/// An axis that several tensors share.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub extent: usize,
    /// Each input's name and which of its axes it is.
    inputs: Vec<(String, usize)>,
    /// Which axis of the upstream it is, if any.
    upstream: Option<usize>,
    /// Inputs of classes that count along this axis.
    classes: Vec<String>,
}

/// The axes of a case.
pub(super) fn axes(case: &Case, spec: &Spec) -> Vec<Axis> {
    let mut axes: Vec<(String, Axis)> = Vec::new();
    let any_shape = spec.inputs.iter().find(|input| input.shape == ["N…"]);
    let rank = any_shape.map_or(0, |input| case.input(input.name).shape.len());
    for input in spec.inputs {
        let Some(tensor) = case.inputs.get(input.name) else { continue };
        for (place, &extent) in tensor.shape.iter().enumerate() {
            let key = match input.shape {
                ["N…"] => format!("N…{place}"),
                // The last axis of inputs of any shape.
                ["C"] if any_shape.is_some() => format!("N…{}", rank.saturating_sub(1)),
                shape => shape[place].to_owned(),
            };
            let found = axes.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                let axis = Axis { extent, inputs: Vec::new(), upstream: None, classes: Vec::new() };
                axes.push((key.clone(), axis));
                axes.len() - 1
            });
            let axis = &mut axes[found].1;
            axis.inputs.push((input.name.to_owned(), place));
            let first = input.name == spec.inputs[0].name;
            let follows = spec.unreduced == Unreduced::Elementwise || place == 0;
            if first && follows && place < case.upstream.shape.len() {
                axis.upstream = Some(place);
            }
        }
    }
    for input in spec.inputs.iter().filter(|input| input.domain == Domain::Class) {
        if case.inputs.contains_key(input.name)
            && let Some((_, axis)) = axes.iter_mut().find(|(key, _)| key == "C")
        {
            axis.classes.push(input.name.to_owned());
        }
    }
    axes.into_iter().map(|(_, axis)| axis).collect()
}

impl Axis {
    /// Drops the places [from, to). Classes beyond them move down; nothing where a class itself would go.
    pub fn drop_from(&self, case: &mut Case, from: usize, to: usize) -> Option<()> {
        let ignore = case.params.integer("ignore_index");
        for name in &self.classes {
            let Values::I64(classes) = &mut case.inputs.get_mut(name)?.values else { return None };
            for class in classes.iter_mut().filter(|class| Some(**class) != ignore) {
                if (from as i64..to as i64).contains(class) {
                    return None;
                }
                if *class >= to as i64 {
                    *class -= (to - from) as i64;
                }
            }
        }
        for (name, place) in &self.inputs {
            drop_places(case.inputs.get_mut(name)?, *place, from, to);
        }
        if let Some(place) = self.upstream {
            drop_places(&mut case.upstream, place, from, to);
        }
        Some(())
    }
}

/// Drops [from, to) of one axis of a tensor.
fn drop_places(tensor: &mut Tensor, place: usize, from: usize, to: usize) {
    let extent = tensor.shape[place];
    let inner: usize = tensor.shape[place + 1..].iter().product();
    let kept = |element: usize| !(from..to).contains(&(element / inner.max(1) % extent.max(1)));
    fn keep<T: Copy>(values: &mut Vec<T>, kept: impl Fn(usize) -> bool) {
        let all = values.iter().enumerate();
        *values = all.filter(|(element, _)| kept(*element)).map(|(_, &x)| x).collect();
    }
    match &mut tensor.values {
        Values::Float(values) => keep(values, kept),
        Values::I64(values) => keep(values, kept),
        Values::Bool(values) => keep(values, kept),
    }
    tensor.shape[place] = extent - (to - from);
}

/// Drops the leading axis of inputs of any shape, where it has the extent 1 and another axis follows.
pub(super) fn squeeze(case: &mut Case) -> Option<()> {
    let spec = case.entry().ok()?.spec();
    let first = spec.inputs.iter().find(|input| input.shape == ["N…"])?;
    let shape = &case.input(first.name).shape;
    if shape.len() < 2 || shape[0] != 1 {
        return None;
    }
    let unreduced = !case.upstream.shape.is_empty();
    for input in spec.inputs.iter().filter(|input| input.shape == ["N…"]) {
        if let Some(tensor) = case.inputs.get_mut(input.name) {
            tensor.shape.remove(0);
        }
    }
    if unreduced {
        case.upstream.shape.remove(0);
    }
    Some(())
}
