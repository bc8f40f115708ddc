//! Which thread runs which item of a job.
//!
//! The items of each part of a job are cut into as many runs as there are threads, one behind the other: the *homes*. A
//! thread runs its own items from the front and then takes what is left of others from their back. So what lies at the same
//! place of a tensor meets the same thread in every pass, and is still in its cache: the values that forward wrote when
//! backward reads them, a gradient when the solver adds it. Fetching a line that another core has written costs ten times as
//! much. The results do not depend on who ran what.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
use std::ops::Range;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// The items that thread `t` of `threads` begins with, of `items`.
pub(super) fn home(items: usize, t: usize, threads: usize) -> Range<usize> {
    items * t / threads..items * (t + 1) / threads
}

/// What is left of a home: the first item that is left (upper half) and the end (lower half). Alone in its cache lines.
#[repr(align(128))]
struct Left(AtomicU64);

impl Left {
    /// Takes an item from the front or the back.
    fn take(&self, front: bool) -> Option<usize> {
        let mut left = self.0.load(Ordering::Relaxed);
        loop {
            let (first, end) = (left >> 32, left & 0xffff_ffff);
            if first >= end {
                return None;
            }
            let (item, rest) = if front { (first, left + (1 << 32)) } else { (end - 1, left - 1) };
            match self.0.compare_exchange_weak(left, rest, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(item as usize),
                Err(now) => left = now,
            }
        }
    }
}

/// Hands out the items of a job: item `k` of home `t`. What the items read and write is ordered by the gate of the job.
pub(super) struct Homes(Vec<Left>);

impl Homes {
    /// Empty homes of so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Homes((0..threads).map(|_| Left(AtomicU64::new(0))).collect())
    }

    /// The number of threads.
    pub(super) fn threads(&self) -> usize {
        self.0.len()
    }

    /// Fills the home of thread `t` with `items` items, while no job is open.
    pub(super) fn fill(&self, t: usize, items: usize) {
        let items = u32::try_from(items).expect("a job has less than 2^32 items");
        self.0[t].0.store(u64::from(items), Ordering::Relaxed);
    }

    /// Leaves nothing to anybody.
    pub(super) fn clear(&self) {
        self.0.iter().for_each(|left| left.0.store(0, Ordering::Relaxed));
    }

    /// Runs items as thread `me` until none is left: its own first.
    pub(super) fn work(&self, me: usize, mut run: impl FnMut(usize, usize)) {
        while let Some(item) = self.0[me].take(true) {
            run(me, item);
        }
        for other in (me + 1..self.0.len()).chain(0..me) {
            while let Some(item) = self.0[other].take(false) {
                run(other, item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(not(loom))]
    #[test]
    fn homes_cover_all_items_in_order() {
        for (items, threads) in [(0, 1), (1, 2), (7, 2), (8, 3), (3, 8), (1000, 7)] {
            let all: Vec<usize> = (0..threads).flat_map(|t| super::home(items, t, threads)).collect();
            assert_eq!(all, (0..items).collect::<Vec<_>>());
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn a_thread_runs_its_own_items_first_and_then_those_of_others_from_the_back() {
        let homes = super::Homes::new(3);
        (0..3).for_each(|t| homes.fill(t, 2));
        let mut order = Vec::new();
        homes.work(1, |t, item| order.push((t, item)));
        assert_eq!(order, [(1, 0), (1, 1), (2, 1), (2, 0), (0, 1), (0, 0)]);
    }

    /// All interleavings of an owner and a thief.
    #[cfg(loom)]
    #[test]
    fn every_item_is_taken_once() {
        use loom::sync::Arc;
        use loom::sync::atomic::{AtomicUsize, Ordering};
        loom::model(|| {
            let shared = Arc::new((super::Homes::new(2), [AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0)]));
            shared.0.fill(0, 2);
            shared.0.fill(1, 1);
            let work = |(homes, hits): &(super::Homes, [AtomicUsize; 3]), me: usize| {
                homes.work(me, |home, item| _ = hits[2 * home + item].fetch_add(1, Ordering::Relaxed));
            };
            let theirs = shared.clone();
            let thief = loom::thread::spawn(move || work(&theirs, 1));
            work(&shared, 0);
            thief.join().unwrap();
            assert!(shared.1.iter().all(|h| h.load(Ordering::Relaxed) == 1));
        });
    }
}
