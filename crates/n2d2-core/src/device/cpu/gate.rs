//! How workers join and leave a job without the caller ever waiting for one that sleeps.
//!
//! A job is open from [`Gate::open`] to [`Gate::close`]. A worker that sees an open job may join it; closing forbids
//! further joining and waits for those inside. The protocol is checked by the model checker loom (`--cfg loom`).

#[cfg(loom)]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(loom))]
use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// In the lower half of the state: no worker may join any more.
const CLOSED: u64 = 1 << 31;
/// In the lower half of the state: how many workers joined.
const JOINED: u64 = CLOSED - 1;

/// The meeting place of a caller and its workers, with a job of type `J`.
pub(super) struct Gate<J> {
    /// Number of the job (upper half), whether it is closed, and how many workers joined it.
    state: AtomicU64,
    /// Workers that have left the job.
    left: AtomicUsize,
    job: UnsafeCell<Option<J>>,
    asleep: Vec<AtomicBool>,
    stop: AtomicBool,
}

// SAFETY: `job` is written only while the gate is closed and everybody has left, and read only by workers that joined;
// the release and acquire operations on `state` and `left` order the accesses.
unsafe impl<J: Copy> Sync for Gate<J> {}
// SAFETY: as above; a job that is not `Send` by itself stays valid while it is open, the promise of `open`.
unsafe impl<J: Copy> Send for Gate<J> {}

impl<J: Copy> Gate<J> {
    /// A closed gate for `workers` workers.
    pub(super) fn new(workers: usize) -> Self {
        Gate {
            state: AtomicU64::new(CLOSED),
            left: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            stop: AtomicBool::new(false),
        }
    }

    /// Opens a job and calls `wake` with each worker that sleeps.
    ///
    /// # Safety
    /// One caller at a time, and only after [`Gate::close`] of the former job; the job must stay valid until then.
    pub(super) unsafe fn open(&self, job: J, wake: impl Fn(usize)) {
        #[cfg(not(loom))]
        // SAFETY: closed and empty, so nobody else touches the cell.
        unsafe {
            *self.job.get() = Some(job);
        }
        #[cfg(loom)]
        // SAFETY: as above.
        self.job.with_mut(|p| unsafe { *p = Some(job) });
        self.left.store(0, Ordering::Relaxed);
        let number = ((self.state.load(Ordering::Relaxed) >> 32) + 1) & 0xffff_ffff;
        self.state.store(number << 32, Ordering::SeqCst);
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
        for (id, asleep) in self.asleep.iter().enumerate() {
            if asleep.load(Ordering::SeqCst) {
                wake(id);
            }
        }
    }

    /// Closes the job and waits, calling `spin` again and again, until every worker that joined has left.
    pub(super) fn close(&self, mut spin: impl FnMut()) {
        let joined = (self.state.fetch_or(CLOSED, Ordering::AcqRel) & JOINED) as usize;
        while self.left.load(Ordering::Acquire) < joined {
            spin();
        }
    }

    /// The number to start watching from: the present job counts as new.
    pub(super) fn before_present(&self) -> u64 {
        (self.state.load(Ordering::Acquire) >> 32).saturating_sub(1)
    }

    /// True if a job was opened after number `seen`.
    pub(super) fn has_news(&self, seen: u64) -> bool {
        self.state.load(Ordering::SeqCst) >> 32 != seen
    }

    /// Joins the present job if it is still open, and remembers its number.
    pub(super) fn join(&self, seen: &mut u64) -> Option<J> {
        let mut state = self.state.load(Ordering::Acquire);
        *seen = state >> 32;
        while state >> 32 == *seen && state & CLOSED == 0 {
            match self.state.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Acquire) {
                #[cfg(not(loom))]
                // SAFETY: joined while open, so the caller waits for this worker and does not write the cell.
                Ok(_) => return unsafe { *self.job.get() },
                #[cfg(loom)]
                // SAFETY: as above.
                Ok(_) => return self.job.with(|p| unsafe { *p }),
                Err(now) => state = now,
            }
        }
        None
    }

    /// Leaves the job that [`Gate::join`] gave.
    pub(super) fn leave(&self) {
        self.left.fetch_add(1, Ordering::Release);
    }

    /// Calls `park` until a job newer than `seen` is opened or the gate is stopped.
    pub(super) fn sleep(&self, id: usize, seen: u64, park: impl Fn()) {
        self.asleep[id].store(true, Ordering::SeqCst);
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
        while !self.has_news(seen) && !self.stopped() {
            park();
        }
        self.asleep[id].store(false, Ordering::SeqCst);
    }

    /// Tells the workers to end; they still have to be woken.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// True once the workers are to end.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// All interleavings with at most two preemptions.
    fn model(f: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(f);
    }

    /// A worker that sleeps is woken by a job or by the end, sees only an open job, and the caller never hangs.
    #[test]
    fn a_sleeping_worker_wakes_and_only_sees_an_open_job() {
        model(|| {
            let gate = Arc::new(Gate::<usize>::new(1));
            let open = Arc::new(AtomicUsize::new(0));
            let (g, o) = (gate.clone(), open.clone());
            let worker = thread::spawn(move || {
                let mut seen = 0;
                g.sleep(0, seen, thread::park);
                if let Some(job) = g.join(&mut seen) {
                    assert_eq!(o.load(Ordering::Relaxed), job);
                    g.leave();
                }
            });
            open.store(1, Ordering::Relaxed);
            // SAFETY: one caller, jobs are plain numbers.
            unsafe { gate.open(1, |_| worker.thread().unpark()) };
            gate.close(thread::yield_now);
            open.store(2, Ordering::Relaxed);
            worker.join().unwrap();
        });
    }

    /// Two workers that do not sleep, one job.
    #[test]
    fn closing_waits_for_all_who_joined() {
        model(|| {
            let gate = Arc::new(Gate::<usize>::new(0));
            let inside = Arc::new(AtomicUsize::new(0));
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let (g, inside) = (gate.clone(), inside.clone());
                    thread::spawn(move || {
                        let mut seen = 0;
                        if g.join(&mut seen).is_some() {
                            inside.fetch_add(1, Ordering::Relaxed);
                            inside.fetch_sub(1, Ordering::Relaxed);
                            g.leave();
                        }
                    })
                })
                .collect();
            // SAFETY: one caller, jobs are plain numbers.
            unsafe { gate.open(7, |_| {}) };
            gate.close(thread::yield_now);
            assert_eq!(inside.load(Ordering::Relaxed), 0);
            for w in workers {
                w.join().unwrap();
            }
        });
    }
}
