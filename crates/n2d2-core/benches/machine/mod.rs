//! What this machine can do at most, measured on the spot, and how the benches measure and print.
//!
//! A bench takes this file as `mod machine;` and prints its figures as shares of [`Machine::gflops`] or
//! [`Machine::gbytes`] of the same number of threads.

// Each bench uses a part of it.
#![allow(dead_code)]

use n2d2_core::device::cpu::{parallel_for, set_threads, threads};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Measurements of which the median counts.
pub const ROUNDS: usize = 7;
/// Vectors of the triad: 3 of 512 KiB a thread, so that they lie in the caches.
const TRIAD: usize = 128 * 1024;

/// The peaks of the machine for a number of threads.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Threads that the kernels use.
    pub threads: usize,
    /// Fused multiply-adds in registers, in GFLOP/s of float32.
    pub gflops: f64,
    /// Bytes read and written by `a = b + s * c`, in GB/s.
    pub gbytes: f64,
}

/// Peaks for one thread and, where there are more, for all; leaves the pool at the last.
pub fn each_thread_count() -> impl Iterator<Item = Machine> {
    set_threads(0);
    let mut counts = vec![1, threads()];
    counts.dedup();
    counts.into_iter().map(|threads| {
        set_threads(threads);
        let machine = Machine::measure();
        println!("\n{threads} thread(s): peak {:.1} GFLOP/s, triad {:.1} GB/s", machine.gflops, machine.gbytes);
        machine
    })
}

impl Machine {
    /// Measures with the threads that the pool has now; the best of several, for a peak is what is possible.
    pub fn measure() -> Self {
        let threads = threads();
        let loops = 200_000;
        let flops = threads as f64 * fma_loop(loops);
        let best =
            (0..ROUNDS).map(|_| time(|| parallel_for(threads, usize::MAX, &|_| _ = black_box(fma_loop(loops))))).fold(f64::MAX, f64::min);
        let mut vectors: Vec<[Vec<f32>; 3]> = (0..threads).map(|_| [vec![0.0; TRIAD], vec![1.0; TRIAD], vec![2.0; TRIAD]]).collect();
        let shared: Vec<std::sync::Mutex<&mut [Vec<f32>; 3]>> = vectors.iter_mut().map(std::sync::Mutex::new).collect();
        let triad = || {
            parallel_for(threads, usize::MAX, &|i| {
                let mut guard = shared[i].lock().unwrap();
                let [a, b, c] = &mut **guard;
                for s in 0..20 {
                    a.iter_mut().zip(b.iter().zip(c.iter())).for_each(|(a, (b, c))| *a = *b + s as f32 * *c);
                    black_box(&mut *a);
                }
            });
        };
        let streamed = (0..ROUNDS).map(|_| time(triad)).fold(f64::MAX, f64::min);
        let bytes = (threads * 20 * 3 * TRIAD * size_of::<f32>()) as f64;
        Machine { threads, gflops: flops / best / 1e9, gbytes: bytes / streamed / 1e9 }
    }
}

/// Seconds of one call.
pub fn time(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// The median of [`ROUNDS`] measurements of a call in seconds, each of as many calls as take a few milliseconds.
pub fn median_time(mut f: impl FnMut()) -> f64 {
    f();
    let once = time(&mut f);
    let calls = (Duration::from_millis(5).as_secs_f64() / once.max(1e-9)).ceil().clamp(1.0, 10_000.0) as usize;
    median((0..ROUNDS).map(|_| time(|| (0..calls).for_each(|_| f())) / calls as f64).collect())
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A rate and its share of the peak, for a column of a table.
pub fn share(rate: f64, peak: f64) -> String {
    format!("{rate:7.1} {:4.0} %", 100.0 * rate / peak)
}

/// The words of the command line that choose rows: all must occur in a row's name. Options of cargo are passed over.
pub fn chosen(name: &str) -> bool {
    std::env::args().skip(1).filter(|a| !a.starts_with('-')).all(|word| name.contains(&word))
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
        for row in &mut acc {
            for v in row {
                *v = *v * a + b;
            }
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
