//! Shrinking: from a case that fails to the smallest and simplest one that still does.
//!
//! A step is one simplification. [`shrink`] walks through them greedily in phases, from the coarsest to the finest;
//! the property-testing harnesses take them one by one from [`candidates`].

mod axis;
mod number;

use super::{Case, Tensors};
use crate::format::Format;
use crate::loss::{Params, Spec};
use crate::tensor::{Tensor, Values};
use axis::Axis;

/// One simplification of a case.
#[derive(Clone, Debug)]
enum Step {
    /// Drops the places [from, to) of an axis from every tensor that has it.
    Drop { axis: Axis, from: usize, to: usize },
    /// Drops a leading axis of extent 1 from inputs of any shape.
    Squeeze,
    /// Sets a parameter to its default.
    Default(&'static str),
    /// Leaves out an optional input.
    Omit(String),
    /// Asks for one gradient less.
    Forget(usize),
    /// Makes the upstream one number everywhere.
    Upstream(f64),
    /// Makes an input one number everywhere.
    Fill(String, f64),
    /// Sets one float.
    Float(String, usize, f64),
    /// Sets one class.
    Class(String, usize, i64),
}

/// The kinds of steps that are listed, coarsest first.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Phase {
    /// Fewer elements.
    Size,
    /// Parameters, optional inputs, gradients, the upstream.
    Shape,
    /// Whole inputs of one number, classes.
    Whole,
}

/// The numbers that are worth a try in the place of one.
type Simpler = fn(Format, f64) -> Vec<f64>;

/// The smallest case that a greedy search finds, of which `still_fails` says true; the given one where there is none.
///
/// First come fewer elements (of every input that shares an extent, and of the upstream), then parameters at their
/// defaults, fewer optional inputs and gradients, an upstream of ones, then values: 0, 1, −1, integers, short decimals, and
/// a bisection among the numbers of the format for what is left.
///
/// `still_fails` is called at most `limit` times, with valid cases only; it must say false of a case that its subject
/// does not take ([`super::regime::Taken::takes`]). It is not called with the given case, which is trusted to fail.
/// Deterministic where `still_fails` is.
pub fn shrink(case: Case, still_fails: &mut dyn FnMut(&Case) -> bool, limit: usize) -> Case {
    let mut search = Search { best: case, still_fails, left: limit };
    search.exhaust(Phase::Size);
    search.exhaust(Phase::Shape);
    // Without weights and with plain parameters more elements may go.
    search.exhaust(Phase::Size);
    search.exhaust(Phase::Whole);
    search.each_float(number::simpler);
    search.bisect();
    search.each_float(number::shorter);
    search.exhaust(Phase::Size);
    search.best
}

/// The valid cases that are one step simpler, coarsest first. Chains of them end: each step makes the case smaller, its
/// shape simpler, or a number nearer to 0 or shorter.
pub fn candidates(case: &Case) -> impl Iterator<Item = Case> + use<> {
    let case = case.clone();
    let listed = [Phase::Size, Phase::Shape, Phase::Whole].map(|phase| steps(&case, phase));
    let floats = element_steps(&case, number::simpler).chain(element_steps(&case, number::nearer));
    listed.into_iter().flatten().chain(floats).filter_map(move |step| apply(&case, &step))
}

struct Search<'a> {
    best: Case,
    still_fails: &'a mut dyn FnMut(&Case) -> bool,
    left: usize,
}

impl Search<'_> {
    /// Takes the candidate if it is valid and fails.
    fn attempt(&mut self, candidate: Option<Case>) -> bool {
        let Some(candidate) = candidate else { return false };
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let fails = (self.still_fails)(&candidate);
        if fails {
            self.best = candidate;
        }
        fails
    }

    /// Takes every step of a phase that it can, until a whole round takes none.
    fn exhaust(&mut self, phase: Phase) {
        loop {
            let (mut place, mut progress) = (0, false);
            let mut list = steps(&self.best, phase);
            while let Some(step) = list.get(place)
                && self.left > 0
            {
                if self.attempt(apply(&self.best, step)) {
                    progress = true;
                    // The list changes with the case. What has failed before this place is tried again in the next round.
                    list = steps(&self.best, phase);
                } else {
                    place += 1;
                }
            }
            if !progress || self.left == 0 {
                return;
            }
        }
    }

    /// Simplifies one float after the other, until a whole round changes none.
    fn each_float(&mut self, simpler: Simpler) {
        let mut progress = true;
        while progress && self.left > 0 {
            progress = false;
            for (name, element) in self.floats() {
                let mut taken = true;
                while taken && self.left > 0 {
                    let x = self.best.input(&name).floats()[element];
                    let numbers = simpler(self.best.format, x).into_iter();
                    let mut steps = numbers.map(|y| Step::Float(name.clone(), element, y));
                    taken = steps.any(|step| self.attempt(apply(&self.best, &step)));
                    progress |= taken;
                }
            }
        }
    }

    /// Every float's input and place.
    fn floats(&self) -> Vec<(String, usize)> {
        let all = self.best.inputs.iter();
        all.flat_map(|(name, tensor)| (0..tensor.floats().len()).map(|i| (name.clone(), i))).collect()
    }

    /// Moves each float to the number nearest to 0 that still fails, as far as bisection finds it.
    fn bisect(&mut self) {
        let format = self.best.format;
        for (name, element) in self.floats() {
            let x = self.best.input(&name).floats()[element];
            // Short numbers are simpler than whatever lies nearer to 0.
            if !x.is_finite() || number::digits(format, x) <= number::SHORT {
                continue;
            }
            let (mut passes, mut fails) = (0, number::place(format, x));
            while fails - passes > 1 && self.left > 0 {
                let middle = passes + (fails - passes) / 2;
                let step = Step::Float(name.clone(), element, number::at_place(format, middle, x));
                if self.attempt(apply(&self.best, &step)) { fails = middle } else { passes = middle }
            }
        }
    }
}

/// The steps of a phase, the most promising first.
fn steps(case: &Case, phase: Phase) -> Vec<Step> {
    let Ok(entry) = case.entry() else { return Vec::new() };
    let spec = entry.spec();
    match phase {
        Phase::Size => size_steps(case, spec),
        Phase::Shape => shape_steps(case, spec),
        Phase::Whole => {
            let floats = case.inputs.iter().filter(|(_, tensor)| !tensor.floats().is_empty());
            let fills = floats.flat_map(|(name, tensor)| {
                let differs = |c: &f64| tensor.floats().iter().any(|x| x != c);
                [0.0, 1.0].into_iter().filter(differs).map(|c| Step::Fill(name.clone(), c))
            });
            // Filling with ones what another step made 0 would never end.
            fills.filter(|step| simplifies(case, step)).chain(class_steps(case)).collect()
        }
    }
}

/// Whether no element becomes less simple.
fn simplifies(case: &Case, step: &Step) -> bool {
    let Step::Fill(name, x) = step else { return true };
    let cost = number::cost(case.format, *x);
    case.input(name).floats().iter().all(|&old| number::cost(case.format, old) >= cost)
}

fn size_steps(case: &Case, spec: &Spec) -> Vec<Step> {
    let mut axes = axis::axes(case, spec);
    axes.sort_by_key(|axis| std::cmp::Reverse(axis.extent));
    let mut steps = Vec::new();
    for axis in axes {
        let mut chunk = axis.extent;
        while chunk > 0 {
            let mut from = 0;
            while from < axis.extent {
                let to = (from + chunk).min(axis.extent);
                steps.push(Step::Drop { axis: axis.clone(), from, to });
                from = to;
            }
            chunk /= 2;
        }
    }
    steps.push(Step::Squeeze);
    steps
}

fn shape_steps(case: &Case, spec: &'static Spec) -> Vec<Step> {
    let mut steps = Vec::new();
    for param in spec.params {
        if *case.params.get(param.name) != param.default_value() {
            steps.push(Step::Default(param.name));
        }
    }
    let optional = |name: &&String| spec.input(name).is_some_and(|input| input.optional);
    steps.extend(case.inputs.keys().filter(optional).map(|name| Step::Omit(name.clone())));
    steps.extend((0..case.gradients.len()).map(Step::Forget));
    let upstream = case.upstream.floats();
    if upstream.iter().any(|&x| x != 1.0) {
        steps.push(Step::Upstream(1.0));
        let cost = |x: f64| number::cost(case.format, x);
        let uniform = upstream.iter().all(|x| *x == upstream[0]);
        // 2 and −1 tell apart what ones do not.
        let simpler = |x: &f64| !uniform || cost(*x) < cost(upstream[0]);
        steps.extend([2.0, -1.0].into_iter().filter(simpler).map(Step::Upstream));
    }
    steps
}

/// The steps that change one float, made as they are taken: naming a number's digits is slow.
fn element_steps(case: &Case, simpler: Simpler) -> impl Iterator<Item = Step> + use<> {
    let (format, inputs) = (case.format, case.inputs.clone());
    inputs.into_iter().flat_map(move |(name, tensor)| {
        let floats = tensor.floats().to_vec().into_iter().enumerate();
        floats.flat_map(move |(i, x)| {
            let name = name.clone();
            simpler(format, x).into_iter().map(move |y| Step::Float(name.clone(), i, y))
        })
    })
}

fn class_steps(case: &Case) -> Vec<Step> {
    let each = case.inputs.iter().flat_map(|(name, tensor)| {
        let classes = tensor.integers().iter().enumerate().filter(|(_, t)| **t != 0);
        classes.map(|(i, _)| Step::Class(name.clone(), i, 0))
    });
    each.collect()
}

/// The case after a step, if it is valid and differs.
fn apply(case: &Case, step: &Step) -> Option<Case> {
    let mut next = case.clone();
    match step {
        Step::Drop { axis, from, to } => axis.drop_from(&mut next, *from, *to)?,
        Step::Squeeze => axis::squeeze(&mut next)?,
        Step::Default(name) => {
            let default = case.entry().ok()?.spec().param(name)?.default_value();
            next.params.set(name, default);
            reshape_upstream(&mut next)?;
        }
        Step::Omit(name) => {
            next.inputs.remove(name)?;
            next.gradients.retain(|gradient| gradient != name);
        }
        Step::Forget(index) => {
            next.gradients.remove(*index);
        }
        Step::Upstream(x) => next.upstream = Tensor::full(case.format, &case.upstream.shape, *x),
        Step::Fill(name, x) => {
            let shape = case.input(name).shape.clone();
            next.inputs.insert(name.clone(), Tensor::full(case.format, &shape, *x));
        }
        Step::Float(name, element, x) => match &mut next.inputs.get_mut(name)?.values {
            Values::Float(values) => values[*element] = *x,
            _ => return None,
        },
        Step::Class(name, element, class) => match &mut next.inputs.get_mut(name)?.values {
            Values::I64(values) => values[*element] = *class,
            _ => return None,
        },
    }
    let next = next.checked().ok()?;
    (!same(case, &next)).then_some(next)
}

/// Gives the upstream the loss's new shape: its first number everywhere.
fn reshape_upstream(case: &mut Case) -> Option<()> {
    let params: &Params = &case.params;
    let inputs: &Tensors = &case.inputs;
    let shape = case.entry().ok()?.loss_shape(params, inputs);
    if shape != case.upstream.shape {
        let first = case.upstream.floats().first().copied().unwrap_or(1.0);
        case.upstream = Tensor::full(case.format, &shape, first);
    }
    Some(())
}

fn same(a: &Case, b: &Case) -> bool {
    let tensors = |case: &Case| case.inputs.len();
    a.params == b.params
        && a.gradients == b.gradients
        && tensors(a) == tensors(b)
        && a.upstream.same_bits(&b.upstream)
        && a.inputs
            .iter()
            .all(|(name, tensor)| b.inputs.get(name).is_some_and(|other| other.same_bits(tensor)))
}

#[cfg(test)]
mod tests;
