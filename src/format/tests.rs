//! Formats against what the hardware and the crate `half` do, and their edges: ties, subnormals, overflow, neighbours.

use super::*;

const NARROW: [Format; 2] = [Format::F16, Format::Bf16];

#[test]
fn every_16_bit_number_survives_a_round_trip() {
    for format in NARROW {
        for bits in 0..=u64::from(u16::MAX) {
            let x = format.from_bits(bits);
            if x.is_nan() {
                assert!(format.from_bits(format.to_bits(x)).is_nan());
                continue;
            }
            assert_eq!(format.to_bits(x), bits, "{format} {bits:#06x} is {x:e}");
            assert_eq!(format.from_ordered(format.ordered(x).unwrap()).to_bits(), x.to_bits());
        }
    }
}

#[test]
fn from_bits_agrees_with_the_half_crate() {
    for bits in 0..=u16::MAX {
        let (f16, bf16) = (half::f16::from_bits(bits), half::bf16::from_bits(bits));
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(same(Format::F16.from_bits(u64::from(bits)), f16.to_f64()));
        assert!(same(Format::Bf16.from_bits(u64::from(bits)), bf16.to_f64()));
    }
}

#[test]
fn ordered_integers_increase_strictly_and_do_not_collide() {
    for format in Format::ALL {
        let mut values = vec![f64::NEG_INFINITY, -format.max_value(), -1.0];
        values.extend([-format.min_normal(), -format.min_subnormal(), -0.0]);
        let places: Vec<i64> = values.iter().map(|&x| format.ordered(x).unwrap()).collect();
        assert!(places.windows(2).all(|w| w[0] < w[1]), "{format} {places:?}");
        let mirrored: Vec<i64> = values.iter().rev().map(|&x| format.ordered(-x).unwrap()).collect();
        assert!(places.last() < mirrored.first());
        assert!(mirrored.windows(2).all(|w| w[0] < w[1]));
    }
}

#[test]
fn halfway_cases_go_to_even_in_every_format() {
    for format in Format::ALL {
        for x in [1.0, 1.5, format.min_subnormal(), format.min_normal(), 3.0 * format.min_subnormal()] {
            let x = format.round(x);
            let up = format.next_up(x);
            // The midpoint, as a magnitude with one bit more.
            let (a, b) = (Magnitude::from_f64(x), Magnitude::from_f64(up));
            let low = a.exponent.min(b.exponent);
            let sum = (a.significand << (a.exponent - low)) + (b.significand << (b.exponent - low));
            let middle = Magnitude { negative: false, significand: sum, exponent: low - 1, sticky: false };
            let even = if format.to_bits(x) & 1 == 0 { x } else { up };
            assert_eq!(middle.round_nearest(format), even, "{format} {x:e}");
            let long = Magnitude { significand: sum << 64, exponent: low - 65, sticky: true, ..middle };
            assert_eq!(long.round_nearest(format), up, "{format} {x:e}");
        }
    }
}

#[test]
fn rounding_at_the_edges() {
    for format in Format::ALL {
        let half_quantum = Magnitude {
            negative: true,
            significand: 1,
            exponent: i64::from(format.least_exponent()) - 1,
            sticky: false,
        };
        assert_eq!(half_quantum.round_nearest(format).to_bits(), (-0.0f64).to_bits());
        let top = i64::from(format.max_exponent()) + 1;
        let p = format.precision();
        // Ω = (2^(p+1) − 1)·2^(emax − p) rounds up, one part less does not.
        let omega = Magnitude {
            negative: false,
            significand: ((1u128 << (p + 1)) - 1) << 60,
            exponent: top - 61 - i64::from(p),
            sticky: false,
        };
        assert_eq!(omega.round_nearest(format), f64::INFINITY);
        let below = Magnitude { significand: omega.significand - 1, ..omega };
        assert_eq!(below.round_nearest(format), format.max_value());
    }
    assert_eq!(Format::F16.round(65519.99), 65504.0);
    assert_eq!(Format::F16.round(65520.0), f64::INFINITY);
    assert_eq!(Format::F32.round(0.1), f64::from(0.1f32));
    assert_eq!(Format::F16.overflow_threshold(), 65520.0);
}

#[test]
fn f32_rounding_is_the_hardware_conversion() {
    let mut state = 1u64;
    for _ in 0..200_000 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Exponents around the whole f32 range, subnormals and overflow included.
        let exponent = 1023 - 160 + (state >> 40) % 300;
        let x = f64::from_bits(state >> 12 | exponent << 52 | state << 63);
        let by_bits = Magnitude::from_f64(x).round_nearest(Format::F32);
        assert_eq!(Format::F32.round(x).to_bits(), by_bits.to_bits(), "{x:e}");
        assert_eq!(Format::F16.round(x), half::f16::from_f64(x).to_f64(), "{x:e}");
        for format in Format::ALL {
            let y = Magnitude::from_f64(x).round_to_odd(format);
            let by_bits = y.magnitude().map_or(0.0, |y| y.round_nearest(format));
            assert_eq!(y.round(format).to_bits(), by_bits.to_bits(), "{x:e} in {format}");
            assert_eq!(by_bits, format.round(x), "{x:e} in {format}");
        }
    }
}

#[test]
fn ulp_at_binade_edges_and_subnormals() {
    assert_eq!(Format::F32.ulp(1.0), 2f64.powi(-23));
    assert_eq!(Format::F32.ulp(Format::F32.next_down(1.0)), 2f64.powi(-24));
    assert_eq!(Format::F16.ulp(0.0), 2f64.powi(-24));
    assert_eq!(Format::F64.ulp(0.0), 5e-324);
    assert_eq!(Format::F64.ulp(f64::MIN_POSITIVE / 4.0), 5e-324);
    assert_eq!(Format::Bf16.ulp(-3.0), 2f64.powi(-6));
}

#[test]
fn canonical_truth_rounds_as_the_number_itself() {
    // 1 + 2^-24 + tiny: above the tie between 1 and its f32 neighbour.
    let above =
        Magnitude { negative: false, significand: (1 << 127) | 1 << 103 | 1, exponent: -127, sticky: true };
    let canonical = above.round_to_odd(Format::F32);
    assert!(!canonical.exact && canonical.mantissa & 1 == 1);
    assert_eq!(canonical.round(Format::F32), Format::F32.next_up(1.0));
    let tie = Magnitude { significand: (1 << 127) | 1 << 103, sticky: false, ..above };
    let canonical = tie.round_to_odd(Format::F32);
    assert!(canonical.exact);
    assert_eq!(canonical.round(Format::F32), 1.0);
    // Far below the subnormals: odd, not zero.
    let tiny = Magnitude { negative: true, significand: 1, exponent: -5000, sticky: false };
    let canonical = tiny.round_to_odd(Format::F64);
    assert_eq!((canonical.mantissa, canonical.exact), (-1, false));
    assert_eq!(canonical.round(Format::F64), 0.0);
}

#[test]
fn errors_are_measured_beyond_f64() {
    let y = Magnitude { negative: false, significand: (1 << 60) | 1, exponent: -60, sticky: false };
    let canonical = y.round_to_odd(Format::F64);
    assert_eq!(canonical.error_of(1.0), -power_of_two(-60));
    assert_eq!(canonical.ulp_exponent(Format::F64), -52);
    assert_eq!(Canonical::ZERO.error_of(2.5), 2.5);
    assert_eq!(Canonical::from_f64(3.0, Format::F32).error_of(f64::INFINITY), f64::INFINITY);
}
