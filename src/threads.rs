//! Work on many items, in order: shared out to threads with the feature `oracle`, whose proofs are worth it, else one after the
//! other, which spares a build without it the thread pool.

/// f of each item.
#[cfg(feature = "oracle")]
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    use rayon::prelude::*;
    items.into_par_iter().map(f).collect()
}

/// f of each item.
#[cfg(not(feature = "oracle"))]
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    items.into_iter().map(f).collect()
}
