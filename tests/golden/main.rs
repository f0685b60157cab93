//! The promise: golden files hold proved answers, every change of them is found, and a kernel is judged from them as it is by
//! the oracle.

mod changes;
mod commands;
mod committed;
mod kernels;
#[path = "../program/mod.rs"]
mod program;
mod set;
