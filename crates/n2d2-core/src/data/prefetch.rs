//! The thread that makes the next batch while the caller computes.

use super::batch::{Batch, Request};
use crate::error::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// When the next batch is made ahead. The batches are the same in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefetch {
    /// If making a batch takes longer than handing it to another thread.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Waking a thread and taking its result costs two context switches, and takes a core from the caller's computation.
const WORTH_NS: usize = 200_000;

impl Prefetch {
    fn wants(self, request: &Request) -> bool {
        match self {
            Prefetch::Auto => request.cost_ns() > WORTH_NS,
            Prefetch::Always => true,
            Prefetch::Never => false,
        }
    }
}

type Job = (Request, Arc<AtomicBool>);

struct Thread {
    jobs: Sender<Job>,
    results: Receiver<Result<Batch>>,
    handle: JoinHandle<()>,
    /// The process that started it: a thread does not exist in a forked child.
    process: u32,
}

impl Thread {
    fn start() -> Option<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (outbox, results) = channel();
        let run = move || {
            for (request, cancelled) in inbox {
                if outbox.send(request.make(&cancelled)).is_err() {
                    return;
                }
            }
        };
        let handle = std::thread::Builder::new().name("n2d2-data".into()).spawn(run).ok()?;
        Some(Thread { jobs, results, handle, process: std::process::id() })
    }

    fn is_here(&self) -> bool {
        self.process == std::process::id()
    }
}

/// One batch ahead at most. Dropping it waits for the thread, which stops at the next image.
#[derive(Default)]
pub(crate) struct Ahead {
    thread: Option<Thread>,
    pending: Option<Job>,
    /// Batches that were asked for after they had been made ahead.
    pub(crate) hits: u64,
}

impl Ahead {
    /// Begins to make a batch, if that is worth it and a thread can be had.
    pub(crate) fn begin(&mut self, when: Prefetch, request: Request) {
        if !when.wants(&request) || self.pending.is_some() {
            return;
        }
        if self.thread.as_ref().is_some_and(|t| !t.is_here()) {
            self.abandon();
        }
        if self.thread.is_none() {
            self.thread = Thread::start();
        }
        let job = (request, Arc::new(AtomicBool::new(false)));
        if self.thread.as_ref().is_some_and(|t| t.jobs.send(job.clone()).is_ok()) {
            self.pending = Some(job);
        }
    }

    /// The batch that was made ahead, if it is the one asked for; any other one is thrown away.
    pub(crate) fn take(&mut self, request: &Request) -> Option<Result<Batch>> {
        let (ahead, cancelled) = self.pending.take()?;
        let thread = self.thread.as_ref()?;
        if !thread.is_here() {
            self.abandon();
            return None;
        }
        let wanted = ahead == *request;
        cancelled.store(!wanted, Ordering::Relaxed);
        let Ok(result) = thread.results.recv() else {
            // The thread has panicked: the caller makes the batch itself, and the next one gets a new thread.
            self.thread = None;
            return None;
        };
        self.hits += u64::from(wanted);
        wanted.then_some(result)
    }

    /// Forgets a thread of the parent process: there is nothing to join.
    fn abandon(&mut self) {
        std::mem::forget(self.thread.take());
        self.pending = None;
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some((_, cancelled)) = &self.pending {
            cancelled.store(true, Ordering::Relaxed);
        }
        match self.thread.take() {
            Some(thread) if thread.is_here() => {
                drop(thread.jobs);
                // A panic of the thread was already seen as a missing result.
                let _ = thread.handle.join();
            }
            other => std::mem::forget(other),
        }
    }
}
