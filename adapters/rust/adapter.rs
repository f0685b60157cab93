use lossproof::case::{Case, LOSS, Tensors, gradient_name};
use lossproof::kernel::{Kernel, KernelError, Support};
use lossproof::tensor::Tensor;
use lossproof::{format::Format, judge::Summation, subject::adapter};

pub struct Mae;

impl Kernel for Mae {
    fn run(&self, case: &Case) -> Result<Tensors, KernelError> {
        let (x, y) = (case.input("prediction"), case.input("target"));
        let residuals: Vec<f64> = x.floats().iter().zip(y.floats()).map(|(x, y)| x - y).collect();
        let (n, upstream) = (residuals.len() as f64, case.upstream.floats()[0]);
        let loss = residuals.iter().map(|r| r.abs()).sum::<f64>() / n;
        let gradient = residuals.iter().map(|r| upstream / n * r.signum()).collect();
        let loss = (LOSS.to_owned(), Tensor::float(Format::F64, &[], vec![loss]));
        Ok([loss, (gradient_name("prediction"), Tensor::float(Format::F64, &x.shape, gradient))].into())
    }
    fn supports(&self) -> Vec<Support> {
        let (formats, gradients) = (vec![Format::F64], vec!["prediction".to_owned()]);
        let (summation, optional_inputs, mut mae) =
            (Summation::Sequential, vec![], Support::everything("mae"));
        mae.params =
            mae.params.with("reduction", "mean").with("mean_over", "count").with("empty_mean", "nan");
        vec![Support { formats, gradients, optional_inputs, summation, ..mae }]
    }
}
fn main() -> std::io::Result<()> {
    adapter::serve(&Mae)
}
