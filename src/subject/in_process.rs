//! Kernels of this process as a subject: in parallel, and a panic is a crash of the case, not of the run.

use super::{Answer, Subject};
use crate::case::Case;
use crate::judge::Fault;
use crate::kernel::{Kernel, KernelError, Support};
use crate::threads;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// A kernel under its own name.
pub struct InProcess<'a> {
    kernel: &'a dyn Kernel,
    supports: Vec<Support>,
}

impl<'a> InProcess<'a> {
    /// The kernel as a subject.
    pub fn new(kernel: &'a dyn Kernel) -> InProcess<'a> {
        InProcess { kernel, supports: kernel.supports() }
    }
}

impl Subject for InProcess<'_> {
    fn name(&self) -> &str {
        self.kernel.name()
    }

    fn version(&self) -> &str {
        self.kernel.version()
    }

    fn supports(&self) -> &[Support] {
        &self.supports
    }

    fn answer(&mut self, cases: &[Case]) -> Vec<Answer> {
        let kernel = self.kernel;
        threads::map(cases.iter().collect(), |case| run(kernel, case))
    }
}

/// The kernel's answer; a panic is a crash.
pub(super) fn run(kernel: &dyn Kernel, case: &Case) -> Answer {
    let crash = |reason| Answer::Failed { fault: Fault::Crash, reason };
    // A kernel is asked again after a panic, as a program would do that catches it; its state is its own matter.
    match quietly(|| catch_unwind(AssertUnwindSafe(|| kernel.run(case)))) {
        Ok(Ok(outputs)) => Answer::Outputs(outputs),
        Ok(Err(KernelError::Unsupported(why))) => Answer::Unsupported(why),
        Ok(Err(KernelError::Failed(why))) => crash(why),
        Err(panic) => crash(format!("panicked: {}", panic_text(&*panic))),
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` without the panic hook's message: a kernel's panic is a finding, reported with its case.
pub(super) fn quietly<T>(f: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = f();
    QUIET.set(before);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Tensors;
    use crate::format::Format;
    use crate::loss::Params;
    use crate::tensor::Tensor;

    struct Odd;

    impl Kernel for Odd {
        fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
            match case.input("prediction").floats()[0] {
                0.0 => panic!("no zeros"),
                1.0 => Err(KernelError::Failed("one".into())),
                2.0 => Err(KernelError::Unsupported("two".into())),
                x => Ok([("loss".to_owned(), Tensor::full(Format::F32, &[], x))].into()),
            }
        }

        fn supports(&self) -> Vec<Support> {
            vec![Support { formats: vec![Format::F32], ..Support::everything("mse") }]
        }
    }

    #[test]
    fn a_panic_is_a_crash_of_its_case_alone() {
        let case = |x| {
            let tensor = Tensor::full(Format::F32, &[1], x);
            let inputs = [("prediction".to_owned(), tensor.clone()), ("target".to_owned(), tensor)];
            Case::new("mse", Format::F32, Params::default(), inputs.into()).unwrap()
        };
        let cases: Vec<Case> = (0..4).map(|x| case(f64::from(x))).collect();
        let answers = InProcess::new(&Odd).answer(&cases);
        let failed = |reason: &str| Answer::Failed { fault: Fault::Crash, reason: reason.to_owned() };
        assert_eq!(answers[0], failed("panicked: no zeros"));
        assert_eq!(answers[1], failed("one"));
        assert_eq!(answers[2], Answer::Unsupported("two".into()));
        assert!(matches!(&answers[3], Answer::Outputs(outputs) if outputs["loss"].floats() == [3.0]));
    }
}
