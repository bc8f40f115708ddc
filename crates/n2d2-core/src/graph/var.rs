//! Variables and recorded passes.

use super::deferred::Deferred;
use super::gradient::{Gradient, Slot};
use super::queue::Queue;
use super::unit::{Unit, copied};
use super::update;
use crate::activation::ActivationFn;
use crate::cells::{Cell, Saved};
use crate::error::{Error, Result};
use crate::tensor::{Float, Tensor};
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A recorded pass of a cell. Away from the counts of its owners, which one thread writes while others read the pass.
#[repr(align(128))]
pub(super) struct Node<T: Float> {
    /// Grows with every pass, so that going back from the highest number meets every child before its parent.
    pub(super) serial: u64,
    pub(super) unit: Arc<Unit<T>>,
    pub(super) inputs: SmallVec<[Var<T>; 1]>,
    pub(super) tensors: SmallVec<[Tensor<T>; 1]>,
    pub(super) saved: Saved<T>,
    pub(super) output: Tensor<T>,
    pub(super) learn: bool,
    pub(super) random_key: u64,
    /// The activation, and what its derivative is computed from: the output, or what was the output before it.
    pub(super) activation: Option<(ActivationFn, Tensor<T>)>,
    pub(super) slot: Arc<Slot<T>>,
    /// True if the cell goes back faster from the gradient of a few chosen outputs.
    pub(super) takes_winners: bool,
    /// False if the cell gave a shape only.
    pub(super) computed: bool,
}

/// Outputs for each chosen one at which it is worth to look at the chosen ones only.
const LEAST_CHOICE: usize = 3;

static SERIAL: AtomicU64 = AtomicU64::new(0);

impl<T: Float> Node<T> {
    pub(super) fn new(
        unit: Arc<Unit<T>>,
        inputs: SmallVec<[Var<T>; 1]>,
        tensors: SmallVec<[Tensor<T>; 1]>,
        saved: Saved<T>,
        output: Tensor<T>,
        (learn, random_key, activation): (bool, u64, Option<(ActivationFn, Tensor<T>)>),
        computed: bool,
    ) -> Self {
        let (serial, slot) = (SERIAL.fetch_add(1, Ordering::Relaxed), Slot::new());
        Node { serial, unit, inputs, tensors, saved, output, learn, random_key, activation, slot, takes_winners: false, computed }
    }

    /// The activation, if the cell takes the gradient back through it itself.
    pub(super) fn own_deactivation(&self, cell: &dyn Cell<T>) -> Option<ActivationFn> {
        self.activation.as_ref().map(|(f, _)| *f).filter(|f| cell.fuses_deactivation() && !f.reads_input())
    }
}

/// Where a variable comes from.
#[derive(Clone)]
enum Origin<T: Float> {
    /// No cell.
    Leaf,
    Node(Arc<Node<T>>),
    /// A step of a call that is recorded when somebody asks.
    Deferred(Arc<Deferred<T>>, usize),
}

/// A tensor of the graph: its values, where they come from, and its gradient. Clones share all three.
#[derive(Clone)]
pub struct Var<T: Float> {
    tensor: Tensor<T>,
    origin: Origin<T>,
    slot: Arc<Slot<T>>,
    wants_gradient: bool,
}

impl<T: Float> Var<T> {
    /// A variable that no cell made. With `wants_gradient` false the gradient towards it is never computed.
    pub fn leaf(tensor: Tensor<T>, wants_gradient: bool) -> Self {
        Var { tensor, origin: Origin::Leaf, slot: Slot::new(), wants_gradient }
    }

    pub(super) fn made_by(tensor: Tensor<T>, node: Arc<Node<T>>, wants_gradient: bool) -> Self {
        let slot = node.slot.clone();
        Var { tensor, origin: Origin::Node(node), slot, wants_gradient }
    }

    /// The output of a step of a call that is not recorded yet.
    pub(super) fn of_deferred(tensor: Tensor<T>, deferred: Arc<Deferred<T>>, step: usize, wants_gradient: bool) -> Self {
        Var { tensor, origin: Origin::Deferred(deferred, step), slot: Slot::new(), wants_gradient }
    }

    /// The pass that made it, which is recorded now if it was not.
    ///
    /// # Errors
    /// [`Error::State`] if a cell has changed since.
    fn record(&self) -> Result<Option<&Arc<Node<T>>>> {
        match &self.origin {
            Origin::Leaf => Ok(None),
            Origin::Node(node) => Ok(Some(node)),
            Origin::Deferred(deferred, step) => deferred.record()?[*step].record(),
        }
    }

    /// The same variable as the recorded pass knows it.
    fn recorded(&self) -> &Self {
        match &self.origin {
            Origin::Deferred(deferred, step) => deferred.recorded().map_or(self, |outputs| &outputs[*step]),
            _ => self,
        }
    }

    /// The values.
    pub fn tensor(&self) -> &Tensor<T> {
        &self.tensor
    }

    /// True if back-propagation reaches this variable.
    pub fn wants_gradient(&self) -> bool {
        self.wants_gradient
    }

    /// True if no cell made it.
    pub fn is_leaf(&self) -> bool {
        matches!(self.origin, Origin::Leaf)
    }

    /// The same values without their history.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::leaf(self.tensor.clone(), self.wants_gradient)
    }

    /// The cell that made it.
    pub fn unit(&self) -> Option<&Arc<Unit<T>>> {
        match &self.origin {
            Origin::Leaf => None,
            Origin::Node(node) => Some(&node.unit),
            Origin::Deferred(deferred, step) => Some(deferred.unit(*step)),
        }
    }

    /// The inputs of the cell that made it.
    ///
    /// # Errors
    /// [`Error::State`] if they were not kept (see [`super::Plan`]) and a cell has changed since.
    pub fn parents(&self) -> Result<&[Var<T>]> {
        Ok(self.record()?.map_or(&[], |n| &n.inputs))
    }

    pub(super) fn slot(&self) -> &Slot<T> {
        &self.recorded().slot
    }

    /// True if the cell that made it wants the gradient of `chosen` values only, all others being zero.
    pub(super) fn takes_winners(&self, chosen: usize) -> bool {
        match &self.recorded().origin {
            Origin::Node(node) => node.takes_winners && node.output.len() >= LEAST_CHOICE * chosen,
            _ => false,
        }
    }

    /// The gradient that the last back-propagation left: minus the derivative, summed over the batch. For the output of a
    /// cell with an activation it has gone back through the activation, as in N2D2.
    pub fn grad(&self) -> Option<Tensor<T>> {
        self.slot().lock().as_ref().map(Gradient::dense)
    }

    /// All nodes behind this variable, newest first.
    fn nodes(&self) -> Result<Vec<Arc<Node<T>>>> {
        // What waits to be visited, newest last. Everything behind a node is older than it, so none comes again.
        let mut waiting: Vec<Arc<Node<T>>> = self.record()?.cloned().into_iter().collect();
        let mut order = Vec::new();
        while let Some(node) = waiting.pop() {
            for input in &node.inputs {
                let Some(parent) = input.record()? else { continue };
                if let Err(place) = waiting.binary_search_by_key(&parent.serial, |n| n.serial) {
                    waiting.insert(place, parent.clone());
                }
            }
            order.push(node);
        }
        Ok(order)
    }

    /// The cells behind this variable, oldest call first, each once.
    ///
    /// # Errors
    /// Those of [`Var::parents`].
    pub fn units(&self) -> Result<Vec<Arc<Unit<T>>>> {
        let mut seen = Vec::new();
        Ok(self.nodes()?.into_iter().rev().filter(|n| is_new(&mut seen, n.unit.id())).map(|n| n.unit.clone()).collect())
    }

    /// Goes back from this variable with `gradient` (minus the derivative of the loss; ones if `None`).
    ///
    /// Gradients of an earlier back-propagation through the same variables are dropped first.
    ///
    /// # Errors
    /// [`Error::State`] if no cell made this variable, or one has changed since a call in test mode, [`Error::Shape`] if the
    /// gradient has another shape.
    pub fn back_propagate(&self, gradient: Option<Tensor<T>>) -> Result<()> {
        if self.is_leaf() {
            return Err(Error::state("Tensor", "nothing to back-propagate through: no cell made this tensor"));
        }
        let gradient = match gradient {
            Some(g) if g.shape() != self.tensor.shape() => {
                return Err(Error::shape("Tensor", "gradient", format!("{:?}", self.tensor.shape()), format!("{:?}", g.shape())));
            }
            Some(g) => g,
            None => Tensor::from_vec(vec![T::one(); self.tensor.len()], self.tensor.shape())?,
        };
        let nodes = self.nodes()?;
        if nodes.iter().any(|n| !n.computed) {
            return Err(Error::state("Tensor", "nothing to back-propagate through: only shapes were computed; call the cells again"));
        }
        for node in &nodes {
            *node.slot.lock() = None;
            for input in &node.inputs {
                *input.slot().lock() = None;
            }
        }
        // Backward works in place on the gradient, so it gets a copy of the caller's.
        let mut queue = Queue::new();
        *self.slot().lock() = Some(copied(&gradient, &mut queue).into());
        for node in &nodes {
            let gy = node.slot.lock().clone();
            if let Some(gy) = gy {
                node.unit.enqueue_backward(node, gy, &mut queue)?;
            }
        }
        queue.flush();
        Ok(())
    }

    /// Lets the solvers move the parameters of every cell behind this variable once.
    ///
    /// # Errors
    /// [`Error::State`] if no cell made this variable, [`Error::Value`] for a learning-rate policy that cannot be evaluated.
    pub fn update(&self) -> Result<()> {
        update_all(std::slice::from_ref(self))
    }
}

/// Notes a number, and says whether it is met for the first time. Numbers mostly grow, so that little moves.
fn is_new(seen: &mut Vec<u64>, number: u64) -> bool {
    let place = seen.binary_search(&number);
    if let Err(at) = place {
        seen.insert(at, number);
    }
    place.is_err()
}

/// Lets the solvers move the parameters of every cell behind some variables once, also of those that they share.
///
/// # Errors
/// [`Error::State`] if no cell made one of them, [`Error::Value`] for a learning-rate policy that cannot be evaluated.
pub fn update_all<T: Float>(outputs: &[Var<T>]) -> Result<()> {
    if outputs.iter().any(Var::is_leaf) {
        return Err(Error::state("Tensor", "nothing to update: no cell made this tensor"));
    }
    let mut seen = Vec::new();
    let batch = |shape: &[usize]| shape.first().copied().unwrap_or(1);
    let mut units = Vec::new();
    for output in outputs {
        let nodes = output.nodes()?.into_iter().rev();
        units.extend(nodes.filter(|n| is_new(&mut seen, n.unit.id())).map(|n| (n.unit.clone(), batch(n.output.shape()))));
    }
    update::run(&units)
}
