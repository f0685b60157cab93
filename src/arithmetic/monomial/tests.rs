//! Which rows share the memory of their sizes.

use super::*;

fn parts(row: &[Float]) -> RowParts {
    let balls: Vec<Ball> = row.iter().map(|x| Ball::exact(x.clone())).collect();
    let row: Vec<&Ball> = balls.iter().collect();
    RowParts::of(&row, Power::Finite(2.5), 0.0).expect("a row of exact numbers that are not equal")
}

fn sizes(parts: &RowParts) -> &Arc<Sizes> {
    match &parts.norm.atoms[..] {
        [(Atom::Norm { sizes, .. }, _)] => sizes,
        atoms => panic!("{atoms:?}"),
    }
}

#[test]
fn rows_of_the_same_sizes_share_their_memory_and_no_others() {
    let number = |x: f64| Float::with_val(80, x);
    let near = |x: f64| number(x) + Float::with_val(80, Float::u_exp(1, -70));
    let mut known = KnownSizes::default();
    let first = parts(&[number(3.0), number(-1.0), number(0.0)]).shared(&mut known);
    let same = parts(&[number(1.0), number(3.0)]).shared(&mut known);
    assert!(Arc::ptr_eq(sizes(&first), sizes(&same)));
    let other = parts(&[number(1.0), number(2.0)]).shared(&mut known);
    assert!(!Arc::ptr_eq(sizes(&first), sizes(&other)) && sizes(&first) != sizes(&other));
    // Of the same hash, as the hash looks at their f64s.
    let beside = parts(&[near(1.0), number(3.0)]).shared(&mut known);
    assert_eq!(sizes(&first).hash, sizes(&beside).hash);
    assert!(!Arc::ptr_eq(sizes(&first), sizes(&beside)) && sizes(&first) != sizes(&beside));
    let quotient = first.norm.clone().div(same.norm).expect("norms that are not 0");
    assert!(quotient.atoms.is_empty(), "{quotient:?}");
}
