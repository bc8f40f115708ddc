//! The Mersenne Twister MT19937 with the distributions that N2D2 draws from it.
//!
//! With `U` the next 32-bit number: closed uniform `a + U / (2^32 - 1) * (b - a)`, right-open uniform
//! `a + U / 2^32 * (b - a)`, normal by Box-Muller in double precision.
//!
//! Source: M. Matsumoto, T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998); G. E. P. Box, M. E. Muller (1958).

const N: usize = 624;
const M: usize = 397;
const TWO_32: f64 = 4_294_967_296.0;

/// The generator: 624 words of state and the stored half of a Box-Muller pair.
///
/// ```
/// let mut random = n2d2_core::random::Mt19937::new(1);
/// assert_eq!(random.next_u32(), 1_791_095_845);
/// ```
#[derive(Debug, Clone)]
pub struct Mt19937 {
    state: [u32; N],
    index: usize,
    half: Option<f64>,
}

impl Mt19937 {
    /// A generator started from `seed`.
    pub fn new(seed: u32) -> Self {
        let mut generator = Mt19937 { state: [0; N], index: N, half: None };
        generator.seed(seed);
        generator
    }

    /// Starts again from `seed` and drops the stored half of a Box-Muller pair.
    pub fn seed(&mut self, seed: u32) {
        self.state[0] = seed;
        for i in 1..N {
            let last = self.state[i - 1];
            self.state[i] = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        self.index = N;
        self.half = None;
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.index = 0;
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.index == N {
            self.twist();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in `[a, b]`.
    pub fn uniform_closed(&mut self, a: f64, b: f64) -> f64 {
        a + f64::from(self.next_u32()) / (TWO_32 - 1.0) * (b - a)
    }

    /// Uniform in `[a, b[`.
    pub fn uniform_right_open(&mut self, a: f64, b: f64) -> f64 {
        a + f64::from(self.next_u32()) / TWO_32 * (b - a)
    }

    /// Normal. Every second call returns the stored half of a pair; a deviation of 0 draws nothing.
    pub fn normal(&mut self, mean: f64, std_dev: f64) -> f64 {
        if std_dev == 0.0 {
            return mean;
        }
        let unit = self.half.take().unwrap_or_else(|| {
            let u1 = (f64::from(self.next_u32()) + 1.0) / TWO_32;
            let u2 = (f64::from(self.next_u32()) + 1.0) / TWO_32;
            let (r, theta) = ((-2.0 * u1.ln()).sqrt(), std::f64::consts::TAU * u2);
            self.half = Some(r * theta.sin());
            r * theta.cos()
        });
        mean + std_dev * unit
    }

    /// An integer in `0..n`, for `n` of at most 2^32; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (f64::from(self.next_u32()) / TWO_32 * n as f64) as usize
    }

    /// Shuffles by exchanging each element with itself or an earlier one (Fisher-Yates).
    pub fn shuffle<E>(&mut self, items: &mut [E]) {
        for i in 1..items.len() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_draws_of_seed_1() {
        let mut g = Mt19937::new(1);
        let draws: Vec<u32> = (0..5).map(|_| g.next_u32()).collect();
        assert_eq!(draws, [1_791_095_845, 4_282_876_139, 3_093_770_124, 4_005_303_368, 491_263]);
    }

    #[test]
    fn the_10000th_draw_of_the_standard_seed() {
        let mut g = Mt19937::new(5489);
        let last = (0..10_000).map(|_| g.next_u32()).last();
        // Required of std::mt19937 by the C++ standard.
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn normal_draws_of_seed_1() {
        let mut g = Mt19937::new(1);
        let golden = [1.32238, -0.023_393_2, 0.738_361, -0.333_062, 2.952_92, 3.071_19, 1.546_73, -0.009_324_75];
        for expected in golden {
            let v = g.normal(0.0, 1.0);
            assert!((v - expected).abs() <= 5e-6 * f64::abs(expected), "{v} instead of {expected}");
        }
    }

    #[test]
    fn seeding_drops_the_stored_half_and_no_deviation_draws_nothing() {
        let mut g = Mt19937::new(1);
        let first = g.normal(0.0, 1.0);
        g.seed(1);
        assert_eq!(g.normal(3.0, 0.0), 3.0);
        assert_eq!(g.normal(0.0, 1.0), first);
    }

    #[test]
    fn uniform_and_integer_draws_of_seed_1() {
        let mut g = Mt19937::new(1);
        assert_eq!(g.uniform_right_open(0.0, 1.0), 1_791_095_845.0 / TWO_32);
        assert_eq!(g.uniform_closed(-1.0, 1.0), -1.0 + 4_282_876_139.0 / (TWO_32 - 1.0) * 2.0);
        // 3093770124 / 2^32 = 0.7203...
        assert_eq!(g.below(10), 7);
        assert_eq!(g.below(0), 0);
    }

    #[test]
    fn shuffle_follows_the_draws() {
        // j = int(0.417 * 2) = 0, int(0.997 * 3) = 2, int(0.720 * 4) = 2, int(0.932 * 5) = 4.
        let mut v = [0, 1, 2, 3, 4];
        Mt19937::new(1).shuffle(&mut v);
        assert_eq!(v, [1, 0, 3, 2, 4]);
    }
}
