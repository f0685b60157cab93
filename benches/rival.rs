//! The same cross-entropy by rival3, the real arithmetic behind Herbie: the loss and each element of the gradient as an
//! expression of the logits, compiled once and evaluated together.

use lossproof::case::Case;
use lossproof::format::Format;
use rival::{Discretization, Expr, MachineBuilder};
use rug::Float;
use std::hint::black_box;

/// Rows that rival3 takes in reasonable time.
const LARGEST: usize = 64;

#[derive(Clone)]
struct Singles;

impl Discretization for Singles {
    fn target(&self) -> u32 {
        24
    }

    fn convert(&self, _: usize, x: &Float) -> Float {
        Float::with_val(53, x.to_f32())
    }

    fn distance(&self, _: usize, low: &Float, high: &Float) -> usize {
        let place = |x: &Float| Format::F32.ordered(f64::from(x.to_f32()) + 0.0);
        match (place(low), place(high)) {
            (Some(low), Some(high)) => high.abs_diff(low) as usize,
            _ => usize::MAX,
        }
    }
}

/// The work of a case, if it is a cross-entropy that is not too long.
pub fn of(case: &Case) -> Option<Box<dyn FnMut() + '_>> {
    let logits = (case.loss == "cross_entropy").then(|| case.input("logits").floats())?;
    if logits.len() > LARGEST {
        return None;
    }
    let target = case.input("target").integers()[0] as usize;
    let names: Vec<String> = (0..logits.len()).map(|i| format!("x{i}")).collect();
    let x = |i: usize| Expr::Var(names[i].clone());
    // A balanced sum, as rival3 walks down it.
    fn sum(terms: &[Expr]) -> Expr {
        match terms {
            [one] => one.clone(),
            _ => {
                let (a, b) = terms.split_at(terms.len() / 2);
                Expr::Add(Box::new(sum(a)), Box::new(sum(b)))
            }
        }
    }
    let exponentials: Vec<Expr> = (0..logits.len()).map(|i| Expr::Exp(Box::new(x(i)))).collect();
    let total = sum(&exponentials);
    let mut outputs = vec![Expr::Sub(Box::new(Expr::Log(Box::new(total.clone()))), Box::new(x(target)))];
    outputs.extend(exponentials.iter().enumerate().map(|(i, e)| {
        let share = Expr::Div(Box::new(e.clone()), Box::new(total.clone()));
        let one = || Box::new(Expr::Literal(Float::with_val(2, 1)));
        if i == target { Expr::Sub(Box::new(share), one()) } else { share }
    }));
    let mut machine = MachineBuilder::new(Singles).build(outputs, names);
    let arguments: Vec<rival::Ival> = logits
        .iter()
        .map(|&x| rival::Ival::from_lo_hi(Float::with_val(53, x), Float::with_val(53, x)))
        .collect();
    Some(Box::new(move || drop(black_box(machine.apply(black_box(&arguments), None, 12)))))
}
