//! The operators of expressions: + − × ÷ between expressions, by reference or by value, and numbers on either side; and −x.

use super::{Expr, Op};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// An operator for expressions and references, with numbers on either side.
macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl $trait<&Expr> for &Expr {
            type Output = Expr;
            fn $method(self, other: &Expr) -> Expr {
                self.binary(Op::$trait, other)
            }
        }
        impl $trait<Expr> for &Expr {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                self.$method(&other)
            }
        }
        impl $trait<&Expr> for Expr {
            type Output = Expr;
            fn $method(self, other: &Expr) -> Expr {
                (&self).$method(other)
            }
        }
        impl $trait<Expr> for Expr {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                (&self).$method(&other)
            }
        }
        impl $trait<f64> for &Expr {
            type Output = Expr;
            fn $method(self, other: f64) -> Expr {
                self.$method(self.constant(other))
            }
        }
        impl $trait<f64> for Expr {
            type Output = Expr;
            fn $method(self, other: f64) -> Expr {
                (&self).$method(other)
            }
        }
        impl $trait<&Expr> for f64 {
            type Output = Expr;
            fn $method(self, other: &Expr) -> Expr {
                other.constant(self).$method(other)
            }
        }
        impl $trait<Expr> for f64 {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                self.$method(&other)
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl Neg for &Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        self.like(Op::Neg)
    }
}

impl Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        -&self
    }
}
