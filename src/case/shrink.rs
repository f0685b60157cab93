//! STAND-IN (front): the regimes branch replaces this.

use super::Case;

/// A smaller case that still fails.
pub fn shrink(case: Case, still_fails: &mut dyn FnMut(&Case) -> bool, limit: usize) -> Case {
    let mut best = case;
    if limit > 0 && best.gradients.len() > 1 {
        for i in 0..best.gradients.len() {
            let mut smaller = best.clone();
            smaller.gradients = vec![best.gradients[i].clone()];
            if still_fails(&smaller) {
                best = smaller;
                break;
            }
        }
    }
    best
}
