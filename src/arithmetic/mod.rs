//! Interpreters of graphs.

pub mod working;
