//! How the benches measure and print.
//!
//! A bench takes this file as `mod machine;` and prints its figures as shares of the [`Peak`] that was measured on the spot
//! with the same number of threads.

// Each bench uses a part of it.
#![allow(dead_code)]

use n2d2_core::device::cpu::{Peak, set_threads, threads};
use std::time::{Duration, Instant};

/// Measurements of which the median counts.
pub const ROUNDS: usize = 7;
/// Peaks for one thread and, where there are more, for all; leaves the pool at the last.
pub fn each_thread_count() -> impl Iterator<Item = Peak> {
    set_threads(0);
    let mut counts = vec![1, threads()];
    counts.dedup();
    counts.into_iter().map(|threads| {
        set_threads(threads);
        let peak = Peak::measure();
        println!("\n{threads} thread(s): peak {:.1} GFLOP/s, triad {:.1} GB/s", peak.gflops, peak.gbytes);
        peak
    })
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
