//! A spin-then-park pool for the kernels of a step.
//!
//! Between two kernels of a step a few microseconds pass, so a worker spins for a while before it sleeps: the next job
//! then starts in well under a microsecond. A job takes whoever is awake: the caller never waits for a sleeping worker,
//! only for those that joined. Each thread has items to begin with (see [`Homes`]); what they compute does not depend on who runs
//! them.

use super::gate::Gate;
use super::homes::{Homes, home};
use std::any::Any;
use std::cell::Cell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long an idle worker spins before it sleeps.
const SPIN: Duration = Duration::from_micros(100);
/// How often the caller spins for a straggler before it offers its core to others.
const CALLER_SPINS: u32 = 512;
/// A wait this long, and longer than the caller's own work, means that a worker has lost its core.
const LOST: Duration = Duration::from_micros(500);
/// Most jobs that stay on the calling thread after such a wait.
const MOST_SKIPPED: usize = 4096;
/// Work below this many nanoseconds stays on the calling thread.
const SERIAL_NS: usize = 4_000;

/// Called with a home and an item of it.
type Job = *const (dyn Fn(usize, usize) + Sync);

struct Shared {
    gate: Gate<Job>,
    homes: Homes,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    spin: Duration,
}

impl Shared {
    /// Runs items as thread `me` until none is left; a panic is kept for the caller.
    fn work(&self, me: usize, f: &(dyn Fn(usize, usize) + Sync)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.homes.work(me, f))) {
            self.homes.clear();
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
    }
}

/// How crowded the machine is. Where other programs want the cores too, a worker may be sent away inside a job, and the
/// caller then waits for a whole time slice. After such a wait the next jobs stay on the calling thread: 32, then 64 ...
/// until a shared job goes well again.
#[derive(Default)]
struct Crowding {
    skip: usize,
    penalty: usize,
}

impl Crowding {
    /// True if the next job should stay on the calling thread.
    fn skips(&mut self) -> bool {
        let skips = self.skip > 0;
        self.skip -= usize::from(skips);
        skips
    }

    /// Learns from a shared job: how long the caller worked, and how long it then waited.
    fn learn(&mut self, worked: Duration, waited: Duration) {
        if waited > LOST && waited > worked {
            self.penalty = (2 * self.penalty).clamp(32, MOST_SKIPPED);
            self.skip = self.penalty;
        } else {
            self.penalty /= 2;
        }
    }
}

struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Option<thread::Thread>>,
    /// Only one job at a time.
    turn: Mutex<Crowding>,
    process: u32,
}

impl Pool {
    fn new(threads: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = Arc::new(Shared {
            gate: Gate::new(threads.saturating_sub(1)),
            homes: Homes::new(threads.max(1)),
            panic: Mutex::new(None),
            spin: if threads > cores { Duration::ZERO } else { SPIN },
        });
        let mut workers = Vec::new();
        for id in 0..threads.saturating_sub(1) {
            let shared = shared.clone();
            let spawned = thread::Builder::new().name(format!("n2d2-{}", id + 1)).spawn(move || worker(&shared, id));
            // Fewer threads than asked for only cost speed.
            workers.push(spawned.ok().map(|handle| handle.thread().clone()));
        }
        Pool { shared, workers, turn: Mutex::new(Crowding::default()), process: std::process::id() }
    }

    /// Runs the items of all parts, unless another job or the crowd is in the way: then nothing happens, and the answer is false.
    fn run(&self, parts: &[usize], f: &(dyn Fn(usize, usize) + Sync)) -> bool {
        let Ok(mut crowding) = self.turn.try_lock() else { return false };
        if crowding.skips() {
            return false;
        }
        let shared = &*self.shared;
        let threads = shared.homes.threads();
        for t in 0..threads {
            shared.homes.fill(t, parts.iter().map(|items| home(*items, t, threads).len()).sum());
        }
        let f = &move |t: usize, mut item: usize| {
            for (part, items) in parts.iter().enumerate() {
                let home = home(*items, t, threads);
                if item < home.len() {
                    return f(part, home.start + item);
                }
                item -= home.len();
            }
        };
        let f: &(dyn Fn(usize, usize) + Sync) = f;
        // SAFETY: only the order of lifetimes is forgotten: the job is closed before `f` ends.
        let job = unsafe { std::mem::transmute::<&(dyn Fn(usize, usize) + Sync), Job>(f) };
        // SAFETY: `turn` lets one caller in, and the former job was closed below.
        unsafe { shared.gate.open(job, |id| self.workers[id].iter().for_each(thread::Thread::unpark)) };
        let start = Instant::now();
        IN_JOB.set(true);
        shared.work(0, f);
        IN_JOB.set(false);
        let (worked, mut spins) = (start.elapsed(), 0u32);
        shared.gate.close(|| {
            spins += 1;
            if spins < CALLER_SPINS { spin_loop() } else { thread::yield_now() }
        });
        if spins >= CALLER_SPINS {
            crowding.learn(worked, start.elapsed().saturating_sub(worked));
        } else {
            crowding.learn(worked, Duration::ZERO);
        }
        drop(crowding);
        let payload = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.gate.stop();
        self.workers.iter().flatten().for_each(thread::Thread::unpark);
    }
}

fn worker(shared: &Shared, id: usize) {
    IN_JOB.set(true);
    let gate = &shared.gate;
    let mut seen = gate.before_present();
    loop {
        let (start, mut spins) = (Instant::now(), 0u32);
        while !gate.has_news(seen) {
            spin_loop();
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(64) {
                if start.elapsed() >= shared.spin {
                    gate.sleep(id, seen, thread::park);
                }
                if gate.stopped() {
                    return;
                }
            }
        }
        if let Some(job) = gate.join(&mut seen) {
            // SAFETY: joined while open, so the caller waits for this worker and the job is alive.
            shared.work(id + 1, unsafe { &*job });
            gate.leave();
        }
    }
}

thread_local! {
    static IN_JOB: Cell<bool> = const { Cell::new(false) };
}

static POOL: RwLock<Option<Arc<Pool>>> = RwLock::new(None);
/// 0: as many as there are physical cores.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The physical cores that this process may use. Asked once: the answer costs more than a small kernel.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| {
        let allowed = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        num_cpus::get_physical().clamp(1, allowed)
    })
}

/// The number of threads that kernels use, the caller included.
pub fn threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => cores(),
        n => n,
    }
}

/// Sets the number of threads that kernels use; 0 means one a physical core. Results do not depend on it.
pub fn set_threads(n: usize) {
    THREADS.store(n, Ordering::Relaxed);
    *POOL.write().unwrap_or_else(PoisonError::into_inner) = None;
}

fn pool() -> Arc<Pool> {
    let process = std::process::id();
    if let Some(pool) = POOL.read().unwrap_or_else(PoisonError::into_inner).as_ref()
        && pool.process == process
    {
        return pool.clone();
    }
    let mut slot = POOL.write().unwrap_or_else(PoisonError::into_inner);
    match slot.as_ref() {
        Some(pool) if pool.process == process => pool.clone(),
        _ => {
            let fresh = Arc::new(Pool::new(threads()));
            // After a fork the parent's threads do not exist here: there is nobody to stop.
            if let Some(old) = slot.replace(fresh.clone())
                && old.process != process
            {
                std::mem::forget(old);
            }
            fresh
        }
    }
}

/// Calls `f(0) ... f(items - 1)`, on all threads if `cost_ns` (a guess of the whole cost on one core, in nanoseconds) is
/// worth it. Returns when all are done; a panic in an item comes out here. Inside an item it runs serially.
///
/// Items at the same place, as a share of all, run on the same thread from job to job if nothing delays it.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let sum = AtomicUsize::new(0);
/// n2d2_core::device::cpu::parallel_for(100, usize::MAX, &|i| {
///     sum.fetch_add(i, Ordering::Relaxed);
/// });
/// assert_eq!(sum.into_inner(), 4950);
/// ```
pub fn parallel_for(items: usize, cost_ns: usize, f: &(dyn Fn(usize) + Sync)) {
    parallel_parts(&[items], cost_ns, &|_, i| f(i));
}

/// The same for items of several parts, called with the part and the item: the places are those within each part.
pub(crate) fn parallel_parts(parts: &[usize], cost_ns: usize, f: &(dyn Fn(usize, usize) + Sync)) {
    let serial = parts.iter().sum::<usize>() <= 1 || cost_ns < SERIAL_NS || IN_JOB.get() || threads() == 1;
    if serial || !pool().run(parts, f) {
        for (part, items) in parts.iter().enumerate() {
            (0..*items).for_each(|i| f(part, i));
        }
    }
}

/// For tests that set the number of threads: they take turns, and the number goes back to one a core afterwards.
#[cfg(test)]
pub(crate) fn one_at_a_time(threads: usize) -> impl Drop {
    static TURN: Mutex<()> = Mutex::new(());
    struct Turn(#[allow(dead_code)] std::sync::MutexGuard<'static, ()>);
    impl Drop for Turn {
        fn drop(&mut self) {
            set_threads(0);
        }
    }
    let turn = Turn(TURN.lock().unwrap_or_else(PoisonError::into_inner));
    set_threads(threads);
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_runs_once_whatever_the_threads() {
        for threads in [1, 2, 3, 8] {
            let _turn = one_at_a_time(threads);
            for round in 0..200 {
                let hits: Vec<AtomicUsize> = (0..round % 17).map(|_| AtomicUsize::new(0)).collect();
                parallel_for(hits.len(), usize::MAX, &|i| {
                    hits[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(hits.iter().all(|h| h.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn every_item_of_every_part_runs_once() {
        for threads in [1, 2, 3, 8] {
            let _turn = one_at_a_time(threads);
            for parts in [vec![], vec![0, 3], vec![1, 1, 1], vec![5, 0, 17, 2]] {
                let hits: Vec<Vec<AtomicUsize>> = parts.iter().map(|n| (0..*n).map(|_| AtomicUsize::new(0)).collect()).collect();
                parallel_parts(&parts, usize::MAX, &|part, i| {
                    hits[part][i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(hits.iter().flatten().all(|h| h.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn sleeping_workers_wake_for_the_next_job() {
        let _turn = one_at_a_time(2);
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(1));
            let sum = AtomicUsize::new(0);
            parallel_for(1000, usize::MAX, &|i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 499_500);
        }
    }

    #[test]
    fn a_panic_comes_out_and_the_pool_lives_on() {
        let _turn = one_at_a_time(2);
        let caught = catch_unwind(|| parallel_for(64, usize::MAX, &|i| assert!(i != 13, "item 13")));
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        parallel_for(64, usize::MAX, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 2016);
    }

    #[test]
    fn long_waits_keep_more_and_more_jobs_on_the_calling_thread() {
        let (short, long) = (Duration::from_micros(10), Duration::from_millis(4));
        let mut c = Crowding::default();
        assert!(!c.skips());
        c.learn(short, long);
        assert_eq!((0..100).filter(|_| c.skips()).count(), 32);
        c.learn(short, long);
        assert_eq!((0..100).filter(|_| c.skips()).count(), 64);
        // Long work that ends unevenly is no sign of a crowd.
        c.learn(Duration::from_millis(50), long);
        c.learn(short, short);
        assert!(!c.skips());
        assert_eq!(c.penalty, 16);
    }

    #[test]
    fn nested_and_concurrent_jobs_run() {
        let _turn = one_at_a_time(2);
        let count = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    parallel_for(10, usize::MAX, &|_| {
                        parallel_for(10, usize::MAX, &|_| {
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    });
                });
            }
        });
        assert_eq!(count.into_inner(), 300);
    }
}
