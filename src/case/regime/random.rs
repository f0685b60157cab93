//! The generators' own random numbers: SplitMix64 over a counter, keyed by a hash of labels. A stream depends on its
//! key alone, never on what was drawn elsewhere, so shards and threads draw the same.

/// The odd constant of SplitMix64, 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Random {
    key: u64,
    counter: u64,
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a, then mixed; each label ends with its length, so that two labels never run into each other.
fn absorb(key: u64, label: &[u8]) -> u64 {
    let bytes = label.iter().copied().chain((label.len() as u64).to_le_bytes());
    mix(bytes.fold(key ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

impl Random {
    /// The stream of these labels and numbers.
    pub fn keyed(labels: &[&str], numbers: &[u64]) -> Random {
        let key = labels.iter().fold(0, |key, label| absorb(key, label.as_bytes()));
        let key = numbers.iter().fold(key, |key, number| absorb(key, &number.to_le_bytes()));
        Random { key, counter: 0 }
    }

    /// A stream of its own for one purpose, the same however much was drawn from this one.
    pub fn fork(&self, label: &str) -> Random {
        Random { key: absorb(self.key, label.as_bytes()), counter: 0 }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.key.wrapping_add(self.counter.wrapping_mul(GOLDEN)))
    }

    /// A whole number below n; 0 for n = 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// A whole number in [low, high].
    pub fn within(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low).unsigned_abs() as usize + 1) as i32
    }

    /// A multiple of 2^−53 in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * f64::EPSILON / 2.0
    }

    /// True `part` times out of `whole`.
    pub fn chance(&mut self, part: usize, whole: usize) -> bool {
        self.below(whole) < part
    }

    /// One of the choices, which are not empty.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// 1 or −1.
    pub fn sign(&mut self) -> f64 {
        if self.chance(1, 2) { 1.0 } else { -1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_its_key_alone() {
        let draw = |mut random: Random| (0..4).map(|_| random.bits()).collect::<Vec<_>>();
        let base = Random::keyed(&["mse", "f32"], &[7, 1]);
        let mut used = base.clone();
        used.bits();
        assert_eq!(draw(base.fork("x")), draw(used.fork("x")));
        for other in [
            Random::keyed(&["ms", "ef32"], &[7, 1]),
            Random::keyed(&["mse", "f32"], &[7, 2]),
            Random::keyed(&["mse", "f32"], &[1, 7]),
            base.fork("x"),
        ] {
            assert_ne!(draw(base.clone()), draw(other));
        }
    }

    #[test]
    fn draws_stay_in_their_range_and_fill_it() {
        let mut random = Random::keyed(&["range"], &[]);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.below(5)] = true;
            assert!((-3..=4).contains(&random.within(-3, 4)));
            assert!((0.0..1.0).contains(&random.unit()));
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(random.below(0), 0);
    }
}
