//! lossproof: a verified numerics test oracle for loss functions.
//!
//! It computes the losses of machine learning and their gradients in arbitrary precision, proves the digits, and grades
//! other people's f64, f32, f16 and bf16 kernels against them.
//!
//! ```
//! # #[cfg(feature = "oracle")] {
//! use lossproof::case::{Case, Tensors};
//! use lossproof::format::Format;
//! use lossproof::loss::Params;
//! use lossproof::tensor::Tensor;
//!
//! let inputs = Tensors::from([
//!     ("logits".to_owned(), Tensor::float(Format::F32, &[1, 2], vec![20.0, 0.0])),
//!     ("target".to_owned(), Tensor::i64(&[1], vec![0])),
//! ]);
//! let case = Case::new("cross_entropy", Format::F32, Params::default(), inputs).unwrap();
//! let truth = lossproof::oracle::prove(&case).unwrap();
//! // ln(1 + e^-20), correctly rounded; most f32 kernels say 0.
//! assert_eq!(truth[0].elements[0].value(Format::F32), f64::from(2.0611537e-9f32));
//! # }
//! ```
//!
//! # Where each idea lives
//!
//! A *case* goes in: one loss, its parameters, its input tensors ([`case`]). A loss is defined once, as it stands in the
//! paper ([`loss`]), which traces a *graph* of array operations; the gradient is another graph, made from it
//! ([`graph`]). The *oracle* runs the graph over balls at rising precision until each element's rounding is
//! proved ([`oracle`], [`arithmetic`]); a second derivation in another library has to agree ([`witness`]). The same
//! graph at the kernel's own precision gives what an honest kernel may lose ([`arithmetic::working`]). A *subject* answers
//! the case ([`kernel`], [`subject`]), the *judge* compares ([`judge`]), the *check* puts it all together ([`mod@check`]) and
//! the *report* says it ([`report`]).
//!
//! Without the default feature `oracle` the crate has no C dependency; it then holds the formats, cases, the judge and the
//! protocol, and checks kernels against *golden files*, which hold the truth of chosen cases ([`golden`]).

#[cfg(feature = "oracle")]
pub mod arithmetic;
pub mod case;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod format;
pub mod golden;
pub mod graph;
pub mod judge;
pub mod kernel;
pub mod loss;
#[cfg(feature = "oracle")]
pub mod oracle;
pub mod report;
pub mod subject;
pub mod tensor;
mod threads;
pub mod truth;
#[cfg(feature = "oracle")]
pub mod witness;

#[cfg(feature = "oracle")]
pub use check::check;

/// The README's Rust is compiled and run with the doc tests.
#[cfg(all(doctest, feature = "oracle"))]
#[doc = include_str!("../README.md")]
struct Readme;
