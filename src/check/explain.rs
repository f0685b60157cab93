//! What is wrong with a failing answer: a known choice that was not declared, or an error.

use super::Truths;
use crate::case::{Case, Tensors};
use crate::judge::{Declaration, Fault, Level, Machine, OutputVerdict, alternatives, judge};
use crate::report::is_structural;
use crate::report::terminal::{exact, fault_name, level_name, short};

/// Whether an output misses what is demanded.
pub(super) fn fails(verdict: &OutputVerdict, demanded: Option<Level>) -> bool {
    demanded.is_some_and(|demanded| {
        verdict.level().is_some_and(|level| level > demanded)
            || verdict.faults.keys().any(|&fault| is_structural(fault))
    })
}

/// The declaration under which a failing answer holds, if there is one; only those in `among`, if given.
pub(super) fn convention(
    truths: &dyn Truths,
    case: &Case,
    outputs: &Tensors,
    machine: &Machine,
    demanded: Level,
    among: Option<&[Declaration]>,
) -> Option<Declaration> {
    alternatives(case).into_iter().find_map(|(declaration, other)| {
        if among.is_some_and(|among| !among.contains(&declaration)) {
            return None;
        }
        let verified = truths.verify(&other, machine).ok()?;
        let verdicts = judge(&other, &verified, outputs, machine, demanded);
        let holds = |verdict: &OutputVerdict| {
            let apart = verdict.on_the_way.as_deref();
            let fails = |verdict: &OutputVerdict| fails(verdict, Some(demanded));
            verdict.undecided == 0 && !fails(verdict) && !apart.is_some_and(fails)
        };
        verdicts.iter().all(holds).then_some(declaration)
    })
}

/// Replaces the errors of failing outputs by the one fault that explains them all.
pub(super) fn as_convention(verdicts: &mut [OutputVerdict], demanded: Level) {
    for verdict in verdicts.iter_mut().filter(|verdict| fails(verdict, Some(demanded))) {
        let count = verdict.faults.values().sum::<usize>().max(1);
        verdict.faults = [(Fault::OtherConvention, count)].into();
    }
}

/// The fault that stands for a failing output: the most frequent, the gravest of equals.
pub(super) fn main_fault(verdict: &OutputVerdict) -> Fault {
    let most = verdict.faults.iter().max_by_key(|&(&fault, &count)| (is_structural(fault), count));
    most.map_or(Fault::Inaccurate, |(&fault, _)| fault)
}

/// What is wrong with an output, in a line.
pub(super) fn what(verdict: &OutputVerdict, declaration: Option<&Declaration>, demanded: Level) -> String {
    if let Some(declaration) = declaration {
        return format!(
            "other_convention: it follows another known choice without declaring it; with {{{declaration}}} in the \
             `params` that it pins it would hold"
        );
    }
    let fault = fault_name(main_fault(verdict));
    let Some(worst) = &verdict.worst else { return fault };
    let (got, want) = (exact(worst.got), exact(worst.want));
    let mut text = format!("{fault}: got {got} at {:?}, want {want}", worst.index);
    if worst.got.is_finite() && worst.want.is_finite() {
        text.push_str(&format!(", {} ulp off; the budget is {}", short(worst.ulp), short(worst.budget)));
    }
    if main_fault(verdict) == Fault::Inaccurate {
        text.push_str(&format!(
            " ({}, demanded is {})",
            level_name(Some(worst.level)),
            level_name(Some(demanded))
        ));
    }
    text
}
