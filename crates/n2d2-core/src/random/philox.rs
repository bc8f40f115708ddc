//! Philox4x32-10: random numbers as a function of a key and a counter.
//!
//! Whoever knows key and counter gets the same number, so a mask does not depend on which thread draws which element.
//!
//! Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;
/// Counters that [`Stream::fill_u32`] takes side by side: enough that the compiler keeps the loop and vectorises it.
const LANES: usize = 64;

/// Four random words of a 128-bit counter under a 64-bit key.
#[inline]
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [(p1 >> 32) as u32 ^ counter[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ counter[3] ^ key[1], p0 as u32];
    }
    counter
}

/// A stream of random numbers that can be read at any place.
///
/// ```
/// use n2d2_core::random::{Stream, key};
/// let stream = Stream::new(key(&[1, 42]));
/// let u = stream.uniform(1_000_000);
/// assert!((0.0..1.0).contains(&u) && u == stream.uniform(1_000_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
}

impl Stream {
    /// The stream of a key made by [`super::key`].
    pub fn new(key: u64) -> Self {
        Stream { key: [key as u32, (key >> 32) as u32] }
    }

    /// Four words at a place.
    #[inline]
    pub fn u32x4(&self, counter: u64) -> [u32; 4] {
        philox4x32([counter as u32, (counter >> 32) as u32, 0, 0], self.key)
    }

    /// The words from place `from`, a multiple of four, on: those that [`Stream::u32`] gives one by one.
    ///
    /// # Panics
    /// If `from` is not a multiple of four.
    pub fn fill_u32(&self, from: u64, words: &mut [u32]) {
        assert!(from.is_multiple_of(4));
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2(stream: Stream, from: u64, words: &mut [u32]) {
                stream.fill_lanes(from, words);
            }
            if crate::device::cpu::uses_avx2() {
                // SAFETY: the processor has AVX2.
                return unsafe { avx2(*self, from, words) };
            }
        }
        self.fill_lanes(from, words);
    }

    #[inline(always)]
    fn fill_lanes(self, from: u64, words: &mut [u32]) {
        for (i, words) in words.chunks_mut(4 * LANES).enumerate() {
            let first = from / 4 + (i * LANES) as u64;
            let mut counters = [[0u32; LANES]; 4];
            for l in 0..LANES {
                let counter = first + l as u64;
                counters[0][l] = counter as u32;
                counters[1][l] = (counter >> 32) as u32;
            }
            let mut key = self.key;
            for round in 0..ROUNDS {
                if round > 0 {
                    key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
                }
                let [c0, c1, c2, c3] = counters;
                for l in 0..LANES {
                    let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0[l]);
                    let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2[l]);
                    counters[0][l] = (p1 >> 32) as u32 ^ c1[l] ^ key[0];
                    counters[1][l] = p1 as u32;
                    counters[2][l] = (p0 >> 32) as u32 ^ c3[l] ^ key[1];
                    counters[3][l] = p0 as u32;
                }
            }
            for (w, word) in words.iter_mut().enumerate() {
                *word = counters[w % 4][w / 4];
            }
        }
    }

    /// The word at a place: word `counter % 4` of the block `counter / 4`.
    #[inline]
    pub fn u32(&self, counter: u64) -> u32 {
        self.u32x4(counter / 4)[(counter % 4) as usize]
    }

    /// Uniform in `[0, 1[` in steps of 2^-24, made of the word at a place.
    #[inline]
    pub fn uniform(&self, counter: u64) -> f32 {
        unit(self.u32(counter))
    }

    /// Normal, by Box-Muller, made of two words of the block at a place.
    pub fn normal(&self, counter: u64) -> f64 {
        let [a, b, ..] = self.u32x4(counter);
        let (u1, u2) = ((f64::from(a) + 1.0) / 4_294_967_296.0, f64::from(b) / 4_294_967_296.0);
        (-2.0 * u1.ln()).sqrt() * (std::f64::consts::TAU * u2).cos()
    }
}

/// The upper 24 bits of a word as a number in `[0, 1[`.
#[inline]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_the_random123_library() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox4x32(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn uniform_reads_the_words_in_order() {
        let s = Stream::new(7);
        let block = s.u32x4(3);
        for i in 0..4 {
            assert_eq!(s.uniform(12 + i), unit(block[i as usize]));
        }
        assert_eq!(unit(u32::MAX), 1.0 - 1.0 / 16_777_216.0);
    }

    #[test]
    fn many_words_are_the_same_as_one_by_one() {
        let s = Stream::new(0x0123_4567_89ab_cdef);
        let from = (1u64 << 34) - 16;
        let mut words = [0; 75];
        s.fill_u32(from, &mut words);
        assert!(words.iter().enumerate().all(|(i, w)| *w == s.u32(from + i as u64)));
    }

    #[test]
    fn moments_of_the_distributions() {
        let (s, n) = (Stream::new(99), 40_000u64);
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| f64::from(s.uniform(i))) - 0.5).abs() < 0.01);
        assert!(mean(&|i| s.normal(i)).abs() < 0.02);
        assert!((mean(&|i| s.normal(i).powi(2)) - 1.0).abs() < 0.03);
    }
}
