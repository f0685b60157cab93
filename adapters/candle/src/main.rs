//! candle-nn's losses behind lossproof's adapter protocol, as its users call them: the loss of tensors on the CPU, times the
//! upstream, and `backward`.

mod losses;
mod tensors;

use lossproof::case::{Case, LOSS, Tensors, gradient_name};
use lossproof::kernel::{Kernel, KernelError, Support};
use lossproof::subject::adapter;

/// The release that Cargo.toml pins; a test holds it against the lock file.
const VERSION: &str = "0.11.1";

struct Candle;

impl Kernel for Candle {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        differentiate(case).map_err(|error| KernelError::Failed(error.to_string()))?
    }

    fn name(&self) -> &str {
        "candle-nn"
    }

    fn version(&self) -> &str {
        VERSION
    }

    fn supports(&self) -> Vec<Support> {
        losses::supports()
    }
}

fn differentiate(case: &Case) -> candle_core::Result<Result<Tensors, KernelError>> {
    let variables = tensors::variables(case)?;
    let loss = match losses::loss(case, &variables)? {
        Ok(loss) => loss,
        Err(why) => return Ok(Err(KernelError::Unsupported(why))),
    };
    let mut outputs = Tensors::from([(LOSS.to_owned(), tensors::from_candle(&loss, case.format)?)]);
    // `backward` starts from ones.
    let gradients = (loss * tensors::to_candle(&case.upstream)?)?.backward()?;
    for name in &case.gradients {
        let variable = &variables[name.as_str()];
        // Operations on empty tensors are not recorded.
        let gradient = match gradients.get(variable) {
            Some(gradient) => gradient.clone(),
            None if variable.elem_count() == 0 => variable.zeros_like()?,
            None => candle_core::bail!("candle has no gradient by {name}"),
        };
        outputs.insert(gradient_name(name), tensors::from_candle(&gradient, case.format)?);
    }
    Ok(Ok(outputs))
}

fn main() -> std::io::Result<()> {
    adapter::serve(&Candle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_lock_file_s() {
        let lock = include_str!("../Cargo.lock");
        assert!(lock.contains(&format!("name = \"candle-nn\"\nversion = \"{VERSION}\"")));
    }
}
