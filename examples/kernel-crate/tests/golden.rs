//! Grades the kernels by lossproof's golden files. `cargo test -- --nocapture` is not needed: the table goes to standard error.

use lossproof::case::{Case, LOSS, Tensors, gradient_name};
use lossproof::format::Format;
use lossproof::kernel::{Kernel, KernelError, Support};
use lossproof::tensor::Tensor;

/// A function of one element as a kernel of the unreduced loss.
struct Elementwise(&'static str, fn(f32, f32) -> (f32, f32));

impl Kernel for Elementwise {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        let (logits, target) = (case.input("logits"), case.input("target"));
        let each = logits.floats().iter().zip(target.floats()).zip(case.upstream.floats());
        let (loss, gradient) = each
            .map(|((&z, &y), &upstream)| {
                let (loss, slope) = self.1(z as f32, y as f32);
                (f64::from(loss), f64::from(slope * upstream as f32))
            })
            .unzip();
        let tensor = |values| Tensor::float(Format::F32, &logits.shape, values);
        Ok(Tensors::from([(LOSS.to_owned(), tensor(loss)), (gradient_name("logits"), tensor(gradient))]))
    }

    fn name(&self) -> &str {
        self.0
    }

    // What the kernel has not got: other formats, weights, reductions, the gradient by the target.
    fn supports(&self) -> Vec<Support> {
        let mut support = Support::everything("bce_with_logits");
        support.formats = vec![Format::F32];
        support.gradients = vec!["logits".to_owned()];
        support.optional_inputs.clear();
        support.params.set("reduction", "none");
        support.params.set("empty_mean", "nan");
        vec![support]
    }
}

#[test]
fn bce_with_logits_is_stable() {
    lossproof::golden::check(&Elementwise("bce_with_logits", kernel_crate::bce_with_logits));
}

/// What a failure looks like: a user's crate would not expect it.
#[test]
#[should_panic(expected = "the contract does not hold")]
fn bce_from_sigmoid_is_not() {
    lossproof::golden::check(&Elementwise("bce_from_sigmoid", kernel_crate::bce_from_sigmoid));
}
