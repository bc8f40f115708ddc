//! Random numbers: the Mersenne Twister of the fillers, counter-based streams for everything that runs in parallel.
//!
//! Parameters are drawn one after the other from one process-wide [`Mt19937`], so that a script gives the values that
//! N2D2 prints. Dropout, shuffles and augmentation use a [`Stream`], whose numbers depend on a key and a counter only.

mod mt19937;
mod philox;

pub use mt19937::Mt19937;
pub use philox::{Stream, philox4x32};

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// The seed of the process-wide generator before anybody sets one.
pub const DEFAULT_SEED: u32 = 1;

static GLOBAL: LazyLock<Mutex<Mt19937>> = LazyLock::new(|| Mutex::new(Mt19937::new(DEFAULT_SEED)));

/// The process-wide generator, locked.
pub fn global() -> MutexGuard<'static, Mt19937> {
    GLOBAL.lock().unwrap_or_else(PoisonError::into_inner)
}

static SEED: AtomicU32 = AtomicU32::new(DEFAULT_SEED);

/// Sets the seed of the process: the generator starts again, and the keys of random streams change.
pub fn set_seed(seed: u32) {
    let mut generator = global();
    generator.seed(seed);
    SEED.store(seed, Ordering::Relaxed);
}

/// The seed of the process, part of the keys of random streams.
pub fn seed() -> u32 {
    SEED.load(Ordering::Relaxed)
}

/// Mixes seed, cell, step ... into the key of a [`Stream`]. The order of the parts counts.
///
/// Source: the finaliser of `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
pub fn key(parts: &[u64]) -> u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    parts.iter().fold(GOLDEN, |hash, part| {
        let mut z = (hash ^ part).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// `len` values in `[-0.5, 0.5)` that depend on `key` alone, for tests.
#[cfg(test)]
pub(crate) fn test_values(len: usize, key: u64) -> Vec<f64> {
    let stream = Stream::new(key);
    (0..len).map(|i| f64::from(stream.uniform(i as u64)) - 0.5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_depend_on_every_part_and_on_the_order() {
        let keys: HashSet<u64> = [&[0u64, 0][..], &[0, 1], &[1, 0], &[1], &[], &[0], &[0, 0, 0]].iter().map(|p| key(p)).collect();
        assert_eq!(keys.len(), 7);
        // The first output of SplitMix64 with state 0 is this constant; `key` runs it on GOLDEN ^ part.
        assert_eq!(key(&[0x9E37_79B9_7F4A_7C15]), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn the_process_starts_with_seed_1_and_can_be_seeded() {
        assert_eq!(seed(), DEFAULT_SEED);
        set_seed(5489);
        assert_eq!((seed(), global().next_u32()), (5489, 3_499_211_612));
        set_seed(DEFAULT_SEED);
    }
}
