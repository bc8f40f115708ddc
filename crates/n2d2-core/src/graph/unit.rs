//! A named cell with its activation and mode, and the execution of its passes.

use super::gradient::{Chosen, Gradient};
use super::queue::{Pass, Queue};
use super::var::{Node, Var};
use crate::activation::{Activation, ActivationFn};
use crate::cells::{self, Cell, Inputs, Param, Saved, Statistics};
use crate::config::{Config, MAX_VALUES, values_of};
use crate::error::{Error, Result};
use crate::random;
use crate::tensor::{Float, Shape, Tensor, dims4};
use smallvec::{SmallVec, smallvec};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// What a unit holds behind its lock. Away from the lock, which one thread takes and leaves while others read the cell.
#[repr(align(128))]
pub struct Inner<T: Float> {
    /// The computation and its parameters.
    pub cell: Box<dyn Cell<T>>,
    /// Applied to the output; `None` is the identity.
    pub activation: Option<Activation>,
    /// Learning mode (the default) or test mode.
    pub learn: bool,
    /// Send gradients to the inputs.
    pub back_propagate: bool,
    /// Number of forward passes in learning mode, part of the key of random streams.
    pub step: u64,
}

/// A cell with a name: what a network is made of.
///
/// ```
/// use n2d2_core::{config, graph::{Unit, Var}, Tensor};
/// let fc = Unit::<f32>::new("Fc_0", "Fc", &config! { "nb_inputs" => 2usize, "nb_outputs" => 1usize })?;
/// fc.with(|u| {
///     u.cell.params_mut()[0].assign(&[2.0, 3.0])?;
///     u.cell.params_mut()[1].assign(&[0.5])
/// })?;
/// let x = Var::leaf(Tensor::from_vec(vec![1.0, 10.0], &[1, 2, 1, 1])?, true);
/// let y = fc.call(&[x.clone()])?;
/// assert_eq!(y.tensor().to_vec(), [32.5]);
/// y.back_propagate(Some(Tensor::from_vec(vec![1.0], &[1, 1, 1, 1])?))?;
/// assert_eq!(x.grad().unwrap().to_vec(), [2.0, 3.0]);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
#[repr(align(128))]
pub struct Unit<T: Float> {
    name: String,
    id: u64,
    /// Of the name.
    hash: u64,
    /// What a pass saves that saves nothing: making it anew takes as long as a small cell.
    nothing: (Tensor<T>, Tensor<u32>),
    /// Grows whenever somebody may have changed something.
    changes: AtomicU64,
    inner: Mutex<Inner<T>>,
}

/// What the results of a cell depend on beside its inputs: numbers that grow with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) learn: bool,
    /// Parameters and configuration.
    pub(super) state: u64,
    /// Passes in learning mode, on which random numbers depend.
    pub(super) step: u64,
}

static UNITS: AtomicU64 = AtomicU64::new(0);
static SHAPES_ONLY: AtomicBool = AtomicBool::new(false);

/// Lets calls of all cells give zeros of the right shape instead of what they compute, or compute again.
///
/// For programs that only look at a network: its shapes are checked and its statistics known in no time. What was made
/// so cannot be gone back through.
pub fn set_shapes_only(on: bool) {
    SHAPES_ONLY.store(on, Ordering::Relaxed);
}

/// True if calls compute: see [`set_shapes_only`].
pub(super) fn computes() -> bool {
    !SHAPES_ONLY.load(Ordering::Relaxed)
}

/// FNV-1a, so that a cell's random streams depend on its name and not on the order of construction.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

impl<T: Float> Unit<T> {
    /// Makes a cell of a kind of the catalogue.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Value`] or [`Error::Type`] for bad parameters, naming this cell.
    pub fn new(name: impl Into<String>, kind: &str, config: &Config) -> Result<Arc<Self>> {
        let name = name.into();
        let mut config = config.clone();
        config.set_owner(&name);
        let cell = cells::create::<T>(kind, &config)?;
        Ok(Self::with_cell(name, cell))
    }

    /// Names a cell that was made before.
    pub fn with_cell(name: impl Into<String>, cell: Box<dyn Cell<T>>) -> Arc<Self> {
        let inner = Inner { cell, activation: None, learn: true, back_propagate: true, step: 0 };
        let name = name.into();
        Arc::new(Unit {
            hash: hash(&name),
            name,
            nothing: (Tensor::zeros(&[0]), Tensor::zeros(&[0])),
            id: UNITS.fetch_add(1, Ordering::Relaxed),
            changes: AtomicU64::new(0),
            inner: Mutex::new(inner),
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A number that grows with every unit made.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Inner<T>>> {
        match self.inner.try_lock() {
            Ok(inner) => Some(inner),
            Err(TryLockError::Poisoned(e)) => Some(e.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Reads or changes the cell, its parameters, activation and mode.
    ///
    /// What was made for the cell as it was (a fused network in test mode) is made anew: see [`Unit::read`].
    pub fn with<R>(&self, f: impl FnOnce(&mut Inner<T>) -> R) -> R {
        let mut inner = self.settled();
        self.changes.fetch_add(1, Ordering::Relaxed);
        f(&mut inner)
    }

    /// Reads the cell, its parameters, activation and mode.
    pub fn read<R>(&self, f: impl FnOnce(&Inner<T>) -> R) -> R {
        f(&self.settled())
    }

    /// Locks the unit for somebody who may read gradients.
    fn settled(&self) -> MutexGuard<'_, Inner<T>> {
        let mut inner = self.lock();
        inner.cell.params_mut().iter_mut().for_each(Param::settle);
        inner
    }

    /// Sets learning mode (the default) or test mode.
    pub fn set_learn(&self, learn: bool) {
        self.lock().learn = learn;
    }

    /// Lets gradients go to the inputs (the default), or not.
    pub fn set_back_propagate(&self, back_propagate: bool) {
        self.lock().back_propagate = back_propagate;
    }

    /// The state of the cell.
    pub(super) fn stamp(&self) -> Stamp {
        let inner = self.lock();
        let versions: u64 = inner.cell.params().iter().map(|p| p.version).sum();
        Stamp { learn: inner.learn, state: self.changes.load(Ordering::Relaxed) + versions, step: inner.step }
    }

    /// Parameters and multiply-accumulates for one stimulus.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit.
    pub fn statistics(&self, inputs: &[&[usize]]) -> Result<Statistics> {
        let inner = self.lock();
        let output = inner.cell.output_shape(&self.name, inputs)?;
        Ok(inner.cell.statistics(inputs, &output))
    }

    /// Computes the output for these inputs and records the pass.
    ///
    /// # Errors
    /// [`Error::Shape`] for inputs that do not fit the cell or each other, naming the cell.
    pub fn call(self: &Arc<Self>, inputs: &[Var<T>]) -> Result<Var<T>> {
        let mut queue = Queue::new();
        let output = self.enqueue(inputs, None, &mut queue)?;
        queue.flush();
        Ok(output)
    }

    /// Records the pass for these inputs, in another mode if one is given, and leaves it to the queue to compute it.
    pub(super) fn enqueue<'a>(self: &'a Arc<Self>, inputs: &[Var<T>], learn: Option<bool>, queue: &mut Queue<'a, T>) -> Result<Var<T>> {
        let mut inner = queue.lock(self);
        // What is gone back through must not change meanwhile: memory of somebody else is copied.
        let tensors = self.join(inner.cell.inputs(), false, inputs, queue)?;
        let shapes: SmallVec<[&[usize]; 4]> = tensors.iter().map(Tensor::shape).collect();
        let shape = inner.cell.output_shape(&self.name, &shapes)?;
        if values_of(&shape).is_none() {
            return Err(Error::shape(&self.name, "output", format!("at most {MAX_VALUES} values"), format!("shape {shape:?}")));
        }
        let (values, index) = inner.cell.saved(&shapes, &shape);
        let saved = self.room(values, index);
        let computed = computes();
        let output = if computed { Tensor::uninit(&shape) } else { Tensor::zeroed(&shape) };
        let learn = learn.unwrap_or(inner.learn);
        if learn && computed {
            inner.step += 1;
            inner.cell.params_mut().iter_mut().for_each(Param::start_iteration);
        }
        let random_key = self.random_key(inner.step);
        let function = inner.activation.as_ref().map(Activation::function).filter(|f| computed && !f.is_identity());
        let from_input = function.as_ref().is_some_and(ActivationFn::reads_input);
        let fused = inner.cell.fuses_activation() && !from_input;
        // What the derivative of the activation is computed from.
        let activation = function.map(|f| (f, if from_input { Tensor::uninit(&shape) } else { output.clone() }));
        let takes_winners = !from_input && inner.cell.takes_winners(&shapes, &shape);
        drop(shapes);
        let wants_gradient = inputs.iter().any(Var::wants_gradient) || inner.cell.params().iter().any(|p| p.solver.is_some());
        let mut node = Node::new(
            self.clone(),
            inputs.iter().cloned().collect(),
            tensors,
            saved,
            output.clone(),
            (learn, random_key, activation.clone()),
            computed,
        );
        node.takes_winners = takes_winners;
        let node = Arc::new(node);
        if computed {
            let own = activation.as_ref().filter(|_| fused).map(|(f, _)| *f);
            queue.push_forward(Pass { inner, node: node.clone(), activation: own, epilogue: None, back: None })?;
            if let Some((f, kept)) = activation.filter(|_| !fused) {
                activate(f, from_input.then_some(kept), output.clone(), queue);
            }
        }
        Ok(Var::made_by(output, node, wants_gradient))
    }

    /// Room for what a pass saves: numbers of values and of indices.
    pub(super) fn room(&self, values: usize, index: usize) -> Saved<T> {
        Saved {
            values: if values > 0 { Tensor::uninit(&[values]) } else { self.nothing.0.clone() },
            index: if index > 0 { Tensor::uninit(&[index]) } else { self.nothing.1.clone() },
        }
    }

    /// The key of the random streams of a pass after `step` passes in learning mode.
    pub(super) fn random_key(&self, step: u64) -> u64 {
        random::key(&[u64::from(random::seed()), self.hash, step])
    }

    /// Brings the inputs into the form that the cell takes; with `within` they may lie in the memory of somebody else.
    pub(super) fn join(&self, how: Inputs, within: bool, inputs: &[Var<T>], queue: &mut Queue<'_, T>) -> Result<SmallVec<[Tensor<T>; 1]>> {
        let Some(first) = inputs.first() else {
            return Err(Error::shape(&self.name, "inputs", "at least one tensor", "none"));
        };
        if how == Inputs::One && inputs.len() != 1 {
            return Err(Error::shape(&self.name, "inputs", "one tensor", format!("{} tensors", inputs.len())));
        }
        // What waits in the queue must be there before it is copied.
        let lies =
            |t: &Tensor<T>| t.is_channels_last() && (within || t.buffer().has_slack()) && (t.shape().len() == 4 || how == Inputs::Any);
        if !inputs.iter().all(|v| lies(v.tensor())) {
            queue.flush();
        }
        if how == Inputs::Any {
            let any = |t: &Tensor<T>| {
                if t.shape().len() > cells::MAX_RANK || t.is_empty() {
                    let expected = format!("a tensor of at most {} axes that is not empty", cells::MAX_RANK);
                    return Err(Error::shape(&self.name, "input", expected, format!("{:?}", t.shape())));
                }
                Ok(t.to_channels_last())
            };
            return inputs.iter().map(|v| any(v.tensor())).collect();
        }
        let four = |t: &Tensor<T>| {
            if t.shape().is_empty() || t.shape().len() > 4 || t.is_empty() {
                return Err(Error::shape(&self.name, "input", "a tensor [batch, channels, height, width]", format!("{:?}", t.shape())));
            }
            Ok(if t.shape().len() == 4 { t.clone() } else { t.reshaped(&dims4(t.shape()))? })
        };
        let mut tensors = inputs.iter().map(|v| four(v.tensor())).collect::<Result<SmallVec<[_; 1]>>>()?;
        let same_size = |t: &[Tensor<T>]| t.iter().all(|x| x.shape()[2..] == t[0].shape()[2..]);
        if how == Inputs::Flattened && !same_size(&tensors) {
            queue.flush();
            tensors = tensors.iter().map(|t| t.reshaped(&[t.shape()[0], t.shape()[1..].iter().product(), 1, 1])).collect::<Result<_>>()?;
        }
        let n = dims4(first.tensor().shape())[0];
        if let Some(t) = tensors.iter().find(|t| t.shape()[0] != n) {
            return Err(Error::shape(&self.name, "batch size of all inputs", n, t.shape()[0]));
        }
        if how.joins() && tensors.len() > 1 {
            if !same_size(&tensors) {
                let got: Vec<_> = tensors.iter().map(|t| t.shape()[2..].to_vec()).collect();
                return Err(Error::shape(&self.name, "height and width of all inputs", "the same", format!("{got:?}")));
            }
            return Ok(smallvec![concatenate(&tensors, queue)]);
        }
        Ok(tensors.iter().map(|t| laid(t, within, queue)).collect())
    }

    /// Leaves it to the queue to go back through one recorded pass, and tells the inputs their gradients.
    pub(super) fn enqueue_backward<'a>(&'a self, node: &Arc<Node<T>>, gy: Gradient<T>, queue: &mut Queue<'a, T>) -> Result<()> {
        let inner = queue.lock(self);
        let own = node.own_deactivation(&*inner.cell);
        let gy = match node.activation.as_ref().filter(|_| own.is_none()) {
            Some((f, y)) => gy.through(*f, y, queue),
            None => gy,
        };
        *node.slot.lock() = Some(gy.clone());
        let wanted: SmallVec<[bool; 4]> = node.inputs.iter().map(|v| inner.back_propagate && v.wants_gradient()).collect();
        if *wanted == [true] && gy.chosen.is_none() && inner.cell.chooses() && node.inputs[0].takes_winners(node.output.len()) {
            let slot = node.inputs[0].slot();
            let mut held = slot.lock();
            if held.is_none() {
                let (shape, places) = (node.inputs[0].tensor().shape().to_vec(), node.saved.index.clone());
                let chosen = Arc::new(Chosen { shape, places, output: node.output.clone() });
                *held = Some(Gradient { values: gy.values, chosen: Some(chosen) });
                return Ok(());
            }
        }
        let joined = node.tensors.len() < node.inputs.len();
        let grads: Vec<Option<Tensor<T>>> = if joined {
            vec![wanted.contains(&true).then(|| Tensor::uninit(node.tensors[0].shape()))]
        } else {
            wanted.iter().zip(&node.tensors).map(|(w, t)| w.then(|| Tensor::uninit(t.shape()))).collect()
        };
        let images = node.output.images().0;
        let elements = 2 * gy.values.len() + 2 * node.tensors.iter().map(Tensor::len).sum::<usize>();
        let pass = Pass { inner, node: node.clone(), activation: own, epilogue: None, back: Some((gy, grads.clone())) };
        queue.push(pass, images, elements)?;
        if joined {
            if let Some(Some(g)) = grads.first() {
                split(g, &node.inputs, &wanted, queue)?;
            }
        } else {
            for (v, g) in node.inputs.iter().zip(grads) {
                if let Some(g) = g {
                    v.slot().add(g.reshaped_like(v.tensor().shape(), queue)?, queue);
                }
            }
        }
        Ok(())
    }
}

impl<T: Float> Tensor<T> {
    fn reshaped_like(self, shape: &[usize], queue: &mut Queue<'_, T>) -> Result<Self> {
        if self.shape() == shape {
            return Ok(self);
        }
        queue.flush();
        Ok(self.reshaped(shape)?.to_channels_last())
    }

    /// Images, and elements of each.
    pub(super) fn images(&self) -> (usize, usize) {
        let n = self.shape().first().copied().unwrap_or(1).max(1);
        (n, self.len() / n)
    }
}

/// Applies an activation in place; `kept` gets what was there before.
pub(super) fn activate<T: Float>(f: ActivationFn, kept: Option<Tensor<T>>, y: Tensor<T>, queue: &mut Queue<'_, T>) {
    let (n, each) = y.images();
    queue.push_plain(n, each, move |images| {
        // SAFETY: items are disjoint.
        let y = unsafe { y.part_mut(images.start * each, images.len() * each) };
        if let Some(kept) = &kept {
            // SAFETY: as above; the fresh tensor has no other user.
            unsafe { kept.part_mut(images.start * each, images.len() * each) }.copy_from_slice(y);
        }
        f.forward(y);
    });
}

/// Images from which on a tensor is laid channels-last by those who then read it: fewer are laid at once, an image by several
/// threads.
const LAID_LATER: usize = 8;

/// The tensor channels-last, as kernels read it.
fn laid<T: Float>(t: &Tensor<T>, within: bool, queue: &mut Queue<'_, T>) -> Tensor<T> {
    let n = t.images().0;
    if within && t.is_channels_last() {
        return t.clone();
    }
    if n < LAID_LATER || (t.is_channels_last() && t.buffer().has_slack()) || !t.has_images_in_one_run() {
        return t.to_channels_last();
    }
    let to = Tensor::uninit(t.shape());
    lay(t, &to, queue);
    to
}

/// Lays a tensor whose images are runs channels-last, image by image.
fn lay<T: Float>(from: &Tensor<T>, to: &Tensor<T>, queue: &mut Queue<'_, T>) {
    let (n, each) = from.images();
    let (from, to) = (from.clone(), to.clone());
    queue.push_plain(n, each, move |images| {
        for i in images {
            // SAFETY: items are disjoint, and the fresh tensor has no other user.
            from.lay_pixels(i, 0, unsafe { to.part_mut(i * each, each) });
        }
    });
}

/// Values that one thread copies before the others have begun.
const COPIED_AT_ONCE: usize = 4096;

/// A copy that lies channels-last.
pub(super) fn copied<T: Float>(t: &Tensor<T>, queue: &mut Queue<'_, T>) -> Tensor<T> {
    let to = Tensor::uninit(t.shape());
    if t.len() > COPIED_AT_ONCE && t.has_images_in_one_run() {
        lay(t, &to, queue);
    } else {
        let lies = t.to_channels_last();
        // SAFETY: the fresh tensor has no other user.
        unsafe { to.part_mut(0, to.len()) }.copy_from_slice(lies.part(0, lies.len()));
    }
    to
}

/// Joins tensors of one size along channels.
fn concatenate<T: Float>(tensors: &[Tensor<T>], queue: &mut Queue<'_, T>) -> Tensor<T> {
    let [n, _, h, w] = dims4(tensors[0].shape());
    let joined = Tensor::uninit(&[n, tensors.iter().map(|t| t.shape()[1]).sum(), h, w]);
    concatenate_to(tensors.iter().map(Tensor::to_channels_last).collect(), joined.clone(), queue);
    joined
}

/// Joins channels-last tensors of one size along channels.
pub(super) fn concatenate_to<T: Float>(parts: Vec<Tensor<T>>, to: Tensor<T>, queue: &mut Queue<'_, T>) {
    let [n, c, h, w] = dims4(to.shape());
    queue.push_plain(n, h * w * c, move |images| {
        let mut at = 0;
        for t in &parts {
            let ct = t.shape()[1];
            for p in images.start * h * w..images.end * h * w {
                // SAFETY: items are disjoint, and the fresh tensor has no other user.
                unsafe { to.part_mut(p * c + at, ct) }.copy_from_slice(t.part(p * ct, ct));
            }
            at += ct;
        }
    });
}

/// Gives each input its channels of a joined gradient.
fn split<T: Float>(g: &Tensor<T>, inputs: &[Var<T>], wanted: &[bool], queue: &mut Queue<'_, T>) -> Result<()> {
    let [n, c, h, w] = dims4(g.shape());
    let mut at = 0;
    for (v, wanted) in inputs.iter().zip(wanted) {
        let d = dims4(v.tensor().shape());
        // Flattened inputs of other sizes take all their values as channels.
        let ct = if [d[2], d[3]] == [h, w] { d[1] } else { d[1] * d[2] * d[3] };
        if *wanted {
            let part = Tensor::uninit(&[n, ct, h, w]);
            let (from, to, first) = (g.clone(), part.clone(), at);
            queue.push_plain(n, h * w * ct, move |images| {
                for p in images.start * h * w..images.end * h * w {
                    // SAFETY: items are disjoint, and the fresh tensor has no other user.
                    unsafe { to.part_mut(p * ct, ct) }.copy_from_slice(from.part(p * c + first, ct));
                }
            });
            v.slot().add(part.reshaped_like(v.tensor().shape(), queue)?, queue);
        }
        at += ct;
    }
    Ok(())
}

/// The shape a pass of `inputs` gives, for callers that only plan.
impl<T: Float> Unit<T> {
    /// The output shape for input shapes of four dimensions.
    ///
    /// # Errors
    /// [`Error::Shape`] if they do not fit.
    pub fn output_shape(&self, inputs: &[&[usize]]) -> Result<Shape> {
        self.lock().cell.output_shape(&self.name, inputs)
    }
}
