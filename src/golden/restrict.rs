//! A case as a subject can be asked it: without the gradients that it has not got, on a machine for which the file's budgets
//! are right.

use crate::case::regime::Taken;
use crate::case::{Case, LOSS, gradient_name};
use crate::judge::{Machine, Summation};
use crate::kernel::Support;
use crate::truth::Verified;

/// The case and its truth with the gradients alone that the subject takes. None where the subject does not take the case:
/// another parameter is pinned, an optional input is not taken.
pub fn restricted(case: &Case, verified: &Verified, support: &Support) -> Option<(Case, Verified)> {
    if support.loss != case.loss || !support.formats.contains(&case.format) {
        return None;
    }
    let taken = Taken::of(support);
    let mut case = case.clone();
    case.gradients.retain(|name| support.gradients.contains(name));
    if !taken.takes(&case) {
        return None;
    }
    let verified = with_gradients(verified, &case.gradients);
    Some((case, verified))
}

/// The truth of the loss and of these gradients alone.
pub fn with_gradients(verified: &Verified, gradients: &[String]) -> Verified {
    let wanted = |name: &str| name == LOSS || gradients.iter().any(|input| gradient_name(input) == name);
    let both = verified.outputs.iter().zip(&verified.tolerances).filter(|(truth, _)| wanted(&truth.name));
    let (outputs, tolerances) = both.map(|(truth, tolerance)| (truth.clone(), tolerance.clone())).unzip();
    Verified { outputs, tolerances }
}

/// Whether budgets under the default machine model are right for a subject's machine, too, where no sum behind an output is
/// longer than this. Otherwise, why not.
///
/// For another compute format or with flushing they are not. For another summation they are as far as its h (MODEL.md, rule
/// 3) is that of blocks: ⌈log₂ n⌉ for n ≤ 1024, which is that of `pairwise`, and n − 1 for n ≤ 3.
pub fn budgets_hold(machine: &Machine, case: &Case, longest_sum: usize) -> Result<(), String> {
    let model = Machine::of(case.format);
    if machine.compute != model.compute {
        return Err(format!(
            "its compute format is {}, the budgets are for {}",
            machine.compute, model.compute
        ));
    }
    if machine.flush_to_zero != model.flush_to_zero {
        return Err("it may flush subnormals, the budgets are for kernels that do not".to_owned());
    }
    let (name, longest) = match machine.summation {
        Summation::Blocked => return Ok(()),
        Summation::Pairwise => ("pairwise", 1024),
        Summation::Sequential => ("sequential", 3),
    };
    if longest_sum <= longest {
        return Ok(());
    }
    Err(format!("its summation is {name}, the budgets of sums longer than {longest} are for blocks of 1024"))
}
