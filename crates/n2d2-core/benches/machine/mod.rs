//! How the benches measure, print and write.
//!
//! A bench takes this file as `mod machine;` and gives its figures as shares of the [`Peak`] that was measured on the spot
//! with the same number of threads. What is compared takes turns with the peak, round by round: see [`turns`].
//!
//! If the environment variable `N2D2_BENCH_JSON` names a file (with its whole path: cargo runs a bench in the folder of its
//! package), every figure is also appended to it as a line of JSON:
//! `{"bench": .., "name": .., "pass": .., "threads": .., "us": .., "rate": .., "share": .., "lowest": .., "highest": ..,
//! "floor": .., "peak": .., "of_size": .., "of_bound": ..}`. `rate` is in 10^9 operations or bytes a second; `share`, that of the peak, is the median of
//! the rounds, between the `lowest` and the `highest`; `floor` is the share that is wanted, or null; `peak` is the lowest of
//! the rounds; `of_size` is the share of a triad over as many bytes, or null;
//! `of_bound`, of a pass that both bytes and operations may bound, is the share of the time that the slower of the two takes at its
//! peak, or null. A difference of times that noise has swallowed is no figure.

// Each bench uses a part of it.
#![allow(dead_code)]

use n2d2_core::Config;
use n2d2_core::device::cpu::{Peak, Triad, set_threads, threads};
use n2d2_core::graph::Unit;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Measurements of which the median counts.
pub const ROUNDS: usize = 7;
/// A measurement is of as many calls as take so long.
const MEASUREMENT: Duration = Duration::from_millis(5);

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

/// Calls that make a measurement; the first two only warm up.
fn calls_of(mut f: impl FnMut()) -> usize {
    f();
    let once = time(&mut f);
    (MEASUREMENT.as_secs_f64() / once.max(1e-9)).ceil().clamp(1.0, 10_000.0) as usize
}

/// The median of [`ROUNDS`] measurements of a call in seconds, each of as many calls as take a few milliseconds.
pub fn median_time(mut f: impl FnMut()) -> f64 {
    let calls = calls_of(&mut f);
    median((0..ROUNDS).map(|_| time(|| (0..calls).for_each(|_| f())) / calls as f64).collect())
}

/// What takes turns.
pub type Turn<'a> = &'a mut dyn FnMut();

/// Seconds of calls that took turns, and the peaks of the same rounds.
pub struct Turns {
    /// `[call][round]`
    pub seconds: Vec<[f64; ROUNDS]>,
    peaks: [Peak; ROUNDS],
}

/// Measures calls that take turns with each other and with the peak, so that all meet the same disturbances.
pub fn turns(calls: &mut [Turn<'_>]) -> Turns {
    let counts: Vec<usize> = calls.iter_mut().map(calls_of).collect();
    let mut seconds = vec![[0.0; ROUNDS]; calls.len()];
    let mut before = Peak::measure();
    let peaks = std::array::from_fn(|round| {
        for ((call, count), seconds) in calls.iter_mut().zip(&counts).zip(&mut seconds) {
            seconds[round] = time(|| (0..*count).for_each(|_| call())) / *count as f64;
        }
        let after = Peak::measure();
        std::mem::replace(&mut before, after).or(&after)
    });
    Turns { seconds, peaks }
}

/// What a row counts.
#[derive(Clone, Copy)]
pub enum Work {
    /// Floating-point operations.
    Flops(f64),
    /// Bytes that must move.
    Bytes(f64),
}

/// A figure of a table.
pub struct Figure {
    pub us: f64,
    pub rate: f64,
    pub share: f64,
    pub lowest: f64,
    pub highest: f64,
    pub peak: f64,
    /// Share of the rate of a triad over as many bytes.
    pub of_size: Option<f64>,
    /// Share of the larger bound of a pass that also computes, and whether arithmetic is that bound.
    pub of_bound: Option<(f64, bool)>,
}

impl Turns {
    /// The figure for seconds made of those of each round; `None` if they are not above zero in most.
    pub fn figure(&self, work: Work, seconds_of: impl Fn(usize) -> f64) -> Option<Figure> {
        let of = |round: usize| {
            let peak = &self.peaks[round];
            let (amount, peak) = match work {
                Work::Flops(flops) => (flops, peak.gflops),
                Work::Bytes(bytes) => (bytes, peak.gbytes),
            };
            let rate = amount / seconds_of(round) / 1e9;
            (rate, rate / peak, peak)
        };
        let rounds: Vec<_> = (0..ROUNDS).map(of).collect();
        let shares = || rounds.iter().map(|r| r.1);
        let us = 1e6 * median((0..ROUNDS).map(seconds_of).collect());
        (us > 0.0).then(|| Figure {
            us,
            rate: median(rounds.iter().map(|r| r.0).collect()),
            share: median(shares().collect()),
            lowest: shares().fold(f64::MAX, f64::min),
            highest: shares().fold(0.0, f64::max),
            peak: rounds.iter().map(|r| r.2).fold(f64::MAX, f64::min),
            of_size: None,
            of_bound: None,
        })
    }

    /// The figure for a pass that moves bytes, beside sweeps of a triad. If it also makes so many floating-point operations, its time
    /// cannot be less than either takes at its peak.
    pub fn beside(
        &self,
        bytes: f64,
        flops: Option<f64>,
        ours: impl Fn(usize) -> f64,
        triad: &Triad,
        theirs: impl Fn(usize) -> f64,
    ) -> Option<Figure> {
        let found = self.figure(Work::Bytes(bytes), &ours)?;
        let moving = |r: usize| bytes / (triad.bytes() as f64 / theirs(r));
        let shares = |seconds: &dyn Fn(usize) -> f64| median((0..ROUNDS).map(|r| seconds(r) / ours(r)).collect());
        let of_size = shares(&moving);
        let of_bound = flops.map(|flops| {
            let computing = |r: usize| flops / (self.peaks[r].gflops * 1e9);
            (shares(&|r| moving(r).max(computing(r))), shares(&computing) > of_size)
        });
        Some(Figure { of_size: Some(of_size), of_bound, ..found })
    }
}

/// A rate, its share of the peak and, if there are such, of a triad over as many bytes and of the larger of two bounds, for a column of
/// a table.
pub fn share(found: Option<&Figure>) -> String {
    let of_size = |f: &Figure| f.of_size.map_or(String::new(), |share| format!(" {:4.0} %", 100.0 * share));
    let bound = |arithmetic| if arithmetic { "arithmetic" } else { "memory" };
    let of_bound = |f: &Figure| f.of_bound.map_or(String::new(), |(share, by)| format!(" {:4.0} % of {:10}", 100.0 * share, bound(by)));
    found.map_or_else(|| format!("{:>14}", "-"), |f| format!("{:7.1} {:4.0} %{}{}", f.rate, 100.0 * f.share, of_size(f), of_bound(f)))
}

/// Appends a figure, if there is one, to the file of the variable, if that names one.
///
/// # Panics
/// If the file cannot be written.
pub fn record(bench: &str, name: &str, pass: &str, found: Option<&Figure>, floor: Option<f64>) {
    let (Some(found), Some(path)) = (found, std::env::var_os("N2D2_BENCH_JSON")) else { return };
    let Figure { us, rate, share, lowest, highest, peak, of_size, of_bound } = found;
    let [floor, of_size, of_bound] =
        [floor, *of_size, of_bound.map(|(share, _)| share)].map(|v| v.map_or("null".to_string(), |v| format!("{v:.4}")));
    let (threads, name) = (threads(), name.trim());
    let what = format!(r#""bench": "{bench}", "name": "{name}", "pass": "{pass}", "threads": {threads}"#);
    let shares = format!(
        r#""share": {share:.4}, "lowest": {lowest:.4}, "highest": {highest:.4}, "floor": {floor}, "peak": {peak:.3}, "of_size": {of_size}, "of_bound": {of_bound}"#
    );
    let line = format!(r#"{{{what}, "us": {us:.3}, "rate": {rate:.3}, {shares}}}"#);
    let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("N2D2_BENCH_JSON names a file that can be written");
    writeln!(file, "{line}").expect("N2D2_BENCH_JSON names a file that can be written");
}

/// A cell that passes on what it gets. Behind the cell that is measured, it makes of the caller's gradient, which one thread
/// copies, one that all threads have written image by image, as the next cell of a network does; the time of going back
/// through it alone is then taken away.
pub fn passing_on() -> Arc<Unit<f32>> {
    Unit::new("behind", "Activation", &Config::default()).unwrap()
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The words of the command line that choose rows: all must occur in a row's name. Options of cargo are passed over.
pub fn chosen(name: &str) -> bool {
    std::env::args().skip(1).filter(|a| !a.starts_with('-')).all(|word| name.contains(&word))
}
