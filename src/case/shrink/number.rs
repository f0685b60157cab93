//! How simple a number of a format is, and which simpler ones are worth a try.

use crate::format::Format;

/// A number of at most this many significant decimal digits is simple enough.
pub(super) const SHORT: usize = 2;

/// How many significant decimal digits it takes to name x among the numbers of the format; 0 for 0, infinities and NaN.
pub(super) fn digits(format: Format, x: f64) -> usize {
    if x == 0.0 || !x.is_finite() {
        return 0;
    }
    // 17 digits name every f64.
    (1..17).find(|&digits| format.round(decimal(x, digits)) == x).unwrap_or(17)
}

/// x to so many significant decimal digits, correctly rounded both ways.
fn decimal(x: f64, digits: usize) -> f64 {
    format!("{x:.*e}", digits - 1).parse().unwrap_or(x)
}

/// Simplest first: 0, 1, −1, then by digits, whole numbers before others, small before large, positive before negative.
pub(super) fn cost(format: Format, x: f64) -> (usize, bool, i64, bool) {
    let rank = match x {
        0.0 => usize::from(x.is_sign_negative()),
        1.0 => 2,
        -1.0 => 3,
        _ if x.is_infinite() => 40,
        _ => 4 + digits(format, x),
    };
    (rank, x.fract() != 0.0, place(format, x), x < 0.0)
}

/// How many numbers of the format lie between 0 and x.
pub(super) fn place(format: Format, x: f64) -> i64 {
    format.ordered(x.abs()).unwrap_or(i64::MAX)
}

/// The number at that place, with the sign of x.
pub(super) fn at_place(format: Format, place: i64, x: f64) -> f64 {
    let magnitude = format.from_ordered(place);
    if x < 0.0 { -magnitude } else { magnitude }
}

/// Simpler numbers: constants, whole numbers, decimals that are shorter; each of a lower [`cost`].
pub(super) fn simpler(format: Format, x: f64) -> Vec<f64> {
    let mut simpler = vec![0.0, 1.0, -1.0];
    if x.is_finite() {
        simpler.extend([x.trunc(), (x / 2.0).trunc(), -x]);
        simpler.extend((1..=3).map(|digits| decimal(x, digits)));
    }
    kept(format, simpler, x)
}

/// Rounded to the format, each of a lower cost than x, none twice.
fn kept(format: Format, candidates: Vec<f64>, x: f64) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::new();
    for y in candidates.into_iter().map(|y| format.round(y)) {
        let known = kept.iter().any(|other| other.to_bits() == y.to_bits());
        if y.is_finite() && !known && cost(format, y) < cost(format, x) {
            kept.push(y);
        }
    }
    kept
}

/// Numbers nearer to 0: half the places, three quarters, seven eighths, …, the next one. Not for short numbers, which
/// [`simpler`] has made: nearer ones are longer.
pub(super) fn nearer(format: Format, x: f64) -> Vec<f64> {
    if !x.is_finite() || digits(format, x) <= SHORT {
        return Vec::new();
    }
    let all = place(format, x);
    let cuts = (1..64).map(|k| all >> k).take_while(|&cut| cut > 0);
    let nearer = cuts.map(|cut| at_place(format, all - cut, x));
    // Never towards a number that takes more digits: chains of steps end.
    nearer.filter(|&y| cost(format, y) < cost(format, x)).collect()
}

/// Numbers of fewer digits beside x, away from 0 too.
pub(super) fn shorter(format: Format, x: f64) -> Vec<f64> {
    if !x.is_finite() {
        return Vec::new();
    }
    let own = digits(format, x);
    let mut shorter = Vec::new();
    for digits in 1..own {
        let near = decimal(x, digits);
        let unit = last_unit(near, digits);
        shorter.extend([near, decimal(near + unit, digits), decimal(near - unit, digits)]);
    }
    let all = kept(format, shorter, x);
    all.into_iter().filter(|&y| digits(format, y) < own).collect()
}

/// A unit in the last of so many decimal digits of x.
fn last_unit(x: f64, digits: usize) -> f64 {
    let text = format!("{x:e}");
    let exponent: i32 = text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    format!("1e{}", exponent + 1 - digits as i32).parse().unwrap_or(0.0)
}
