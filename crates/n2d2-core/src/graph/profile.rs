//! Where the time of training goes: what each cell computed, and how long the threads took for it.

use super::unit::Inner;
use super::var::Node;
use crate::cells::Leading;
use crate::tensor::Float;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The passes of one cell in one direction, since the profile was begun.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profiled {
    /// Name of the cell; empty for what lies between cells: activations, joining, sums of branches.
    pub name: String,
    /// Class of the cell.
    pub kind: &'static str,
    /// True for backward passes.
    pub backward: bool,
    /// What the last of the forward passes was computed with (see [`Cell::kernel`](crate::cells::Cell::kernel)); empty for
    /// backward passes and between cells.
    pub kernel: Cow<'static, str>,
    /// Number of passes.
    pub passes: u64,
    /// Time of all threads together, in nanoseconds.
    pub thread_ns: u64,
    /// Floating-point operations, a multiplication and an addition each counting as one.
    pub flops: f64,
    /// Bytes that must move: each activation, gradient and parameter that is read or written, once.
    pub bytes: f64,
}

/// The profile, and the threads whose passes go elsewhere.
static MEASUREMENTS: AtomicUsize = AtomicUsize::new(0);
static PROFILE: Mutex<Option<Profile>> = Mutex::new(None);

/// Where the passes of a thread go.
enum Trace {
    /// Into the profile, if there is one.
    None,
    /// Nowhere: they are not measured.
    Muted,
    /// Here, one by one.
    Passes(Vec<Profiled>),
}

thread_local! {
    static TRACE: RefCell<Trace> = const { RefCell::new(Trace::None) };
}

#[derive(Default)]
struct Profile {
    places: HashMap<(String, bool), usize>,
    passes: Vec<Profiled>,
}

/// Begins to measure all passes of this process; what was measured before is forgotten.
///
/// ```
/// use n2d2_core::graph::{Unit, Var, begin_profile, end_profile};
/// use n2d2_core::{Tensor, config};
/// let fc = Unit::<f32>::new("fc", "Fc", &config! { "nb_inputs" => 20usize, "nb_outputs" => 10usize })?;
/// begin_profile();
/// fc.call(&[Var::leaf(Tensor::zeros(&[4, 20, 1, 1]), false)])?;
/// let passes = end_profile();
/// assert_eq!((passes[0].name.as_str(), passes[0].passes), ("fc", 1));
/// // 200 weights and 10 biases for each of 4 stimuli.
/// assert_eq!(passes[0].flops, 2.0 * 4.0 * 210.0);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
pub fn begin_profile() {
    let before = PROFILE.lock().unwrap_or_else(PoisonError::into_inner).replace(Profile::default());
    if before.is_none() {
        MEASUREMENTS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends what [`begin_profile`] began, and returns the passes in the order of their first computation.
pub fn end_profile() -> Vec<Profiled> {
    let Some(profile) = PROFILE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Vec::new() };
    MEASUREMENTS.fetch_sub(1, Ordering::Relaxed);
    profile.passes
}

/// Makes the passes of this thread go elsewhere, until it is dropped.
struct Redirected(Trace);

impl Redirected {
    fn to(trace: Trace) -> Self {
        MEASUREMENTS.fetch_add(1, Ordering::Relaxed);
        Redirected(TRACE.replace(trace))
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        TRACE.set(std::mem::replace(&mut self.0, Trace::None));
        MEASUREMENTS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `f`, whose passes no profile sees.
pub(super) fn mute<R>(f: impl FnOnce() -> R) -> R {
    let _muted = Redirected::to(Trace::Muted);
    f()
}

/// Runs `f`, and returns every pass that this thread had computed meanwhile, one by one in order. No profile sees them.
pub(super) fn trace<R>(f: impl FnOnce() -> R) -> (R, Vec<Profiled>) {
    let _traced = Redirected::to(Trace::Passes(Vec::new()));
    let result = f();
    let passes = TRACE.with_borrow_mut(|trace| match trace {
        Trace::Passes(passes) => std::mem::take(passes),
        Trace::None | Trace::Muted => Vec::new(),
    });
    (result, passes)
}

/// True while passes are measured.
pub(super) fn is_on() -> bool {
    MEASUREMENTS.load(Ordering::Relaxed) > 0 && TRACE.with_borrow(|trace| !matches!(trace, Trace::Muted))
}

/// Adds a pass.
pub(super) fn record(pass: Profiled) {
    let Some(pass) = TRACE.with_borrow_mut(|trace| match trace {
        Trace::Passes(passes) => {
            passes.push(pass);
            None
        }
        Trace::None | Trace::Muted => Some(pass),
    }) else {
        return;
    };
    let mut held = PROFILE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(profile) = held.as_mut() else { return };
    let next = profile.passes.len();
    let at = *profile.places.entry((pass.name.clone(), pass.backward)).or_insert(next);
    match profile.passes.get_mut(at) {
        Some(sum) => {
            sum.passes += pass.passes;
            sum.thread_ns += pass.thread_ns;
            sum.flops += pass.flops;
            sum.bytes += pass.bytes;
            sum.kernel = pass.kernel;
        }
        None => profile.passes.push(pass),
    }
}

impl Profiled {
    /// Adds what a cell computes for the one in front of it.
    pub(super) fn lead<T: Float>(&mut self, leading: &Leading<T>) {
        self.kernel = format!("{}, {}", leading.kernel, self.kernel).into();
        self.flops += 2.0 * leading.macs as f64;
        self.bytes += leading.parameter_bytes() as f64;
    }
}

/// What a pass, which has begun, has to compute and to move.
pub(super) fn work_of<T: Float>(inner: &Inner<T>, node: &Node<T>, wanted: Option<usize>) -> Profiled {
    let cell = &inner.cell;
    let shapes: Vec<&[usize]> = node.tensors.iter().map(crate::Tensor::shape).collect();
    let images = node.output.images().0 as f64;
    let macs = cell.statistics(&shapes, node.output.shape()).macs as f64 * images;
    let params: usize = cell.params().iter().map(crate::cells::Param::len).sum();
    let learns = cell.params().iter().any(|p| p.solver.is_some());
    let inputs: usize = node.tensors.iter().map(crate::Tensor::len).sum();
    let (passes, elements) = match wanted {
        None => (1.0, inputs + node.output.len() + params),
        Some(wanted) => (f64::from(u8::from(learns)) + f64::from(u8::from(wanted > 0)), inputs + node.output.len() + wanted + 2 * params),
    };
    Profiled {
        name: node.unit.name().to_string(),
        kind: cell.kind(),
        backward: wanted.is_some(),
        kernel: if wanted.is_none() { cell.kernel() } else { Cow::default() },
        passes: 1,
        thread_ns: 0,
        flops: 2.0 * macs * passes,
        bytes: (elements * size_of::<T>()) as f64,
    }
}
