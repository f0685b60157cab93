//! Single numbers of a format by the danger they bring: ordinary, at the edges, at every scale, saturating, offset.
//!
//! Only +, × and powers of two: the platform's exp, ln and pow differ between machines.

use super::Regime;
use super::random::Random;
use crate::format::{Format, power_of_two_f64};
use crate::loss::Domain;

/// Draws numbers of one format.
pub(super) struct Numbers {
    pub format: Format,
    pub random: Random,
}

/// Magnitudes at which sigmoid and softmax saturate: from p = 0.9 (2.2), 0.99 (4.6) and 0.999 (6.9) on; where ln(1 + e^−z)
/// loses digits; where 1 + e^−z is 1 in f32 and in f64; where e^z leaves f32 (89) and its subnormals (104).
pub(super) const SWEEPS: [(f64, f64); 7] =
    [(15.0, 20.0), (8.0, 12.0), (36.0, 40.0), (85.0, 105.0), (2.2, 4.6), (4.6, 6.9), (6.9, 8.0)];

/// Offsets that logits or predictions share, to cancel.
const OFFSETS: [f64; 6] = [1e6, 1e4, 256.0, 1e8, 1e3, 0.0];

/// Where e^−z is least normal and least subnormal, as whole numbers around them.
pub(super) fn underflow_sweep(format: Format) -> (f64, f64) {
    match format {
        Format::F64 => (706.0, 746.0),
        Format::F32 => (86.0, 105.0),
        Format::Bf16 => (86.0, 94.0),
        Format::F16 => (9.0, 18.0),
    }
}

impl Numbers {
    /// x rounded to the format, at most its largest number.
    pub fn finite(&self, x: f64) -> f64 {
        let max = self.format.max_value();
        self.format.round(x).clamp(-max, max)
    }

    /// A number of about a normal distribution: four uniforms, whose sum has the variance 1/3, times √3.
    pub fn normal(&mut self, scale: f64) -> f64 {
        const ROOT_3: f64 = 1.732_050_807_568_877_2;
        let sum: f64 = (0..4).map(|_| self.random.unit()).sum();
        self.finite((sum - 2.0) * ROOT_3 * scale)
    }

    /// A uniform number of [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = self.random.unit();
        self.finite(low + (high - low) * unit)
    }

    /// ±m·2^e, 1 ≤ m < 2, e uniform in [low, high] (cut to the format's exponents): log-uniform.
    pub fn scaled(&mut self, low: i32, high: i32) -> f64 {
        let (least, most) = (self.format.min_exponent(), self.format.max_exponent());
        let low = low.clamp(least, most);
        let exponent = self.random.within(low, high.clamp(low, most));
        let mantissa = (1.0 + self.random.unit()) * self.random.sign();
        // Rounded before it is scaled, so that the scaling is exact.
        self.finite(self.format.round(mantissa) * power_of_two_f64(exponent))
    }

    /// Any normal magnitude of the format.
    pub fn any_scale(&mut self) -> f64 {
        self.scaled(self.format.min_exponent(), self.format.max_exponent())
    }

    /// A subnormal number, or the least normal one.
    pub fn subnormal(&mut self) -> f64 {
        let units = 1usize << (self.format.precision() - 1);
        let places = if self.random.chance(1, 2) { units } else { 4 };
        (1 + self.random.below(places)) as f64 * self.format.min_subnormal() * self.random.sign()
    }

    /// The format's own ends and 1e±20.
    pub fn end(&mut self) -> f64 {
        let format = self.format;
        let x = self.random.pick(&[
            format.max_value(),
            format.max_value() / 2.0,
            1e20,
            1e-20,
            format.min_normal(),
            format.min_subnormal(),
        ]);
        let sign = self.random.sign();
        self.finite(x * sign)
    }

    /// Zeros, ones, halves, and their neighbours.
    pub fn edge(&mut self) -> f64 {
        let format = self.format;
        let one_below = 1.0 - format.unit_roundoff();
        let one_above = 1.0 + 2.0 * format.unit_roundoff();
        self.random.pick(&[0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, one_below, -one_below, one_above, 3.0])
    }

    /// A magnitude of one of the [`SWEEPS`].
    pub fn saturating(&mut self, sweep: usize) -> f64 {
        let (low, high) = SWEEPS[sweep % SWEEPS.len()];
        self.between(low, high)
    }

    /// The k-th common offset that the format holds without swallowing itself: of either sign, in turn.
    pub fn offset(&self, k: usize) -> f64 {
        let held: Vec<f64> = OFFSETS.into_iter().filter(|&x| x < self.format.max_value() / 2.0).collect();
        let sign = if (k / held.len()).is_multiple_of(2) { 1.0 } else { -1.0 };
        self.format.round(held[k % held.len()] * sign)
    }

    /// offset + gap, the gap a few ulps of the sum or an ordinary number, in turn.
    pub fn offset_by_gap(&mut self, offset: f64, k: usize) -> f64 {
        let gap = match k % 3 {
            0 => self.random.pick(&[0.0, 0.5, 1.0, 2.0, -1.0, 3.0]),
            1 => self.format.ulp(offset) * f64::from(self.random.within(-3, 3)),
            _ => self.normal(2.0),
        };
        self.finite(offset + gap)
    }

    /// A number of the domain, as the regime wants it, with no regard to other inputs; class and mask are not numbers
    /// and have their own ([`super::draft::Draft`]). `zero` says whether a weight may be 0.
    pub fn of_domain(&mut self, domain: Domain, regime: Regime, zero: bool) -> f64 {
        match domain {
            Domain::SignValue => self.random.sign(),
            Domain::Unit => self.of_unit(regime),
            Domain::Positive => self.weight(regime, false),
            Domain::NonNegative | Domain::NonNegativeOrLog => self.weight(regime, zero),
            _ => self.of_line(regime),
        }
    }

    fn of_line(&mut self, regime: Regime) -> f64 {
        match regime {
            Regime::Edge | Regime::Degenerate => self.edge(),
            Regime::Extreme if self.random.chance(1, 2) => self.end(),
            Regime::Extreme => self.any_scale(),
            Regime::Saturated => {
                let sweep = self.random.below(SWEEPS.len());
                self.saturating(sweep) * self.random.sign()
            }
            Regime::Subnormal => self.subnormal(),
            Regime::Overflowing => {
                let most = self.format.max_exponent();
                self.scaled(most - 8, most - 2)
            }
            _ => self.normal(2.0),
        }
    }

    /// A number of [0, 1].
    fn of_unit(&mut self, regime: Regime) -> f64 {
        let u = self.format.unit_roundoff();
        let hard = self.random.chance(1, 2);
        match regime {
            Regime::Edge | Regime::Degenerate => {
                self.random.pick(&[0.0, 1.0, 0.5, self.format.min_subnormal(), 1.0 - u, 2.0 * u])
            }
            Regime::Saturated | Regime::Masked if !hard => {
                let x = self.random.pick(&[0.9, 0.99, 0.999, 0.1, 0.01, 0.001, 1.0 - u]);
                self.finite(x)
            }
            Regime::Subnormal if !hard => self.subnormal().abs(),
            Regime::Cancelling if !hard => self.random.pick(&[1.0 - u, 1.0 - 2.0 * u, 0.5, u]),
            _ if hard => self.random.pick(&[0.0, 1.0]),
            // The rounding may go up to 1, which is still inside.
            _ => self.between(0.0, 1.0),
        }
    }

    /// A weight: at least 0, above 0 unless `zero`.
    fn weight(&mut self, regime: Regime, zero: bool) -> f64 {
        let often_zero = matches!(regime, Regime::Masked | Regime::Edge | Regime::Degenerate);
        if zero && often_zero && self.random.chance(1, 3) {
            return 0.0;
        }
        match regime {
            Regime::Edge => self.random.pick(&[1.0, 0.5, 2.0, 4.0]),
            Regime::Subnormal if self.random.chance(1, 2) => {
                let least = self.format.min_exponent();
                self.scaled(least, least + 6).abs()
            }
            Regime::Extreme => self.scaled(-12, 12).abs(),
            _ => self.between(0.0625, 2.0),
        }
    }
}
