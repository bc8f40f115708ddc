//! What this machine can do at most, measured on the spot.

use super::pool::{parallel_for, threads};
use crate::tensor::Float;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::Instant;

/// Vectors of the triad: 3 of 512 KiB a thread, so that they lie in the caches.
const TRIAD: usize = 128 * 1024;
/// Sweeps over the vectors in a measurement.
const SWEEPS: usize = 20;
/// Measurements of which the best counts: a peak is what is possible.
const ROUNDS: usize = 7;

/// The peaks of the machine for the threads that the kernels use.
#[derive(Debug, Clone, Copy)]
pub struct Peak {
    /// Number of threads.
    pub threads: usize,
    /// Fused multiply-adds in registers, in GFLOP/s of float32.
    pub gflops: f64,
    /// Bytes read and written by `a = b + s * c` in the caches, in GB/s.
    pub gbytes: f64,
}

impl Peak {
    /// Measures; it takes about a tenth of a second.
    ///
    /// ```
    /// let peak = n2d2_core::device::cpu::Peak::measure();
    /// assert!(peak.threads > 0 && peak.gflops > 0.1 && peak.gbytes > 0.1);
    /// ```
    pub fn measure() -> Self {
        let threads = threads();
        let loops = 200_000;
        let flops = threads as f64 * fma_loop(loops);
        let computed = best(|| parallel_for(threads, usize::MAX, &|_| _ = black_box(fma_loop(loops))));
        let triad = Triad::new(threads * 3 * TRIAD * size_of::<f32>());
        let streamed = best(|| triad.sweep(SWEEPS));
        let bytes = SWEEPS * triad.bytes();
        Peak { threads, gflops: flops / computed / 1e9, gbytes: bytes as f64 / streamed / 1e9 }
    }

    /// The higher of two measurements with the same threads: a peak is what is possible.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Peak { threads: self.threads, gflops: self.gflops.max(other.gflops), gbytes: self.gbytes.max(other.gbytes) }
    }
}

/// Vectors for `a = b + s * c`, a part of each for every thread: what streams through memory at its speed.
///
/// ```
/// let triad = n2d2_core::device::cpu::Triad::new(1 << 16);
/// triad.sweep(2);
/// assert!(triad.bytes() <= 1 << 16 && triad.bytes() > 1 << 15);
/// ```
pub struct Triad {
    parts: Vec<Mutex<[Vec<f32>; 3]>>,
}

impl Triad {
    /// Vectors of about so many bytes altogether, and of a cache line for every thread at least.
    pub fn new(bytes: usize) -> Self {
        let threads = threads();
        let len = (bytes / (3 * size_of::<f32>() * threads)).max(16);
        Triad { parts: (0..threads).map(|_| Mutex::new([vec![0.0; len], vec![1.0; len], vec![2.0; len]])).collect() }
    }

    /// Bytes that a sweep reads and writes.
    pub fn bytes(&self) -> usize {
        let of = |part: &Mutex<[Vec<f32>; 3]>| part.lock().map_or(0, |held| held.iter().map(Vec::len).sum::<usize>());
        self.parts.iter().map(of).sum::<usize>() * size_of::<f32>()
    }

    /// Goes through all vectors some times, every thread through its own.
    pub fn sweep(&self, times: usize) {
        parallel_for(self.parts.len(), usize::MAX, &|i| {
            let Ok(mut held) = self.parts[i].lock() else { return };
            let [a, b, c] = &mut *held;
            for s in 0..times {
                triad(a, b, c, s as f32);
                black_box(&mut *a);
            }
        });
    }
}

crate::vectorise::vectorised! {
    fn triad_of<T: Float>(a: &mut [T], b: &[T], c: &[T], s: T) {
        for (a, (b, c)) in a.iter_mut().zip(b.iter().zip(c)) {
            *a = *b + s * *c;
        }
    }
}

fn triad(a: &mut [f32], b: &[f32], c: &[f32], s: f32) {
    triad_of(a, b, c, s);
}

/// Seconds of the fastest of several calls.
fn best(f: impl Fn()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(time).fold(f64::MAX, f64::min)
}

/// Runs fused multiply-adds in registers and returns the number of floating-point operations.
fn fma_loop(loops: usize) -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512F.
            return unsafe { fma_avx512(loops) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has AVX2 and FMA.
            return unsafe { fma_avx2(loops) };
        }
    }
    let mut acc = [[0.0f32; 8]; 12];
    let (a, b) = (black_box(0.999f32), black_box(0.001f32));
    for _ in 0..loops {
        for v in acc.iter_mut().flatten() {
            *v = *v * a + b;
        }
    }
    black_box(acc);
    (loops * 12 * 8 * 2) as f64
}

#[cfg(target_arch = "x86_64")]
macro_rules! fma {
    ($name:ident, $feature:literal, $set:ident, $fma:ident, $lanes:literal) => {
        #[target_feature(enable = $feature)]
        fn $name(loops: usize) -> f64 {
            use std::arch::x86_64::{$fma, $set};
            let (a, b) = ($set(black_box(0.999)), $set(black_box(0.001)));
            let mut acc = [$set(0.0); 12];
            for _ in 0..loops {
                for v in &mut acc {
                    *v = $fma(*v, a, b);
                }
            }
            black_box(acc);
            (loops * 12 * $lanes * 2) as f64
        }
    };
}
#[cfg(target_arch = "x86_64")]
fma!(fma_avx512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, 16);
#[cfg(target_arch = "x86_64")]
fma!(fma_avx2, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, 8);
