//! Networks as one call.

use super::call::{Step, call_all};
use super::deferred::Deferred;
use super::inference::Inference;
use super::unit::{Stamp, Unit, computes};
use super::var::Var;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor};
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, PoisonError};

/// The cells of a network in an order in which each comes after what it reads.
///
/// A call gives what [`Unit::call`] of one cell after the other gives, to the bit; together they cost fewer meetings of the
/// threads, and a shard of the batch goes through many cells while it is in the cache. If all cells are in test mode,
/// normalisations and sums are computed by the cells before them, buffers are used again, and nothing is recorded before
/// somebody asks for what is inside.
///
/// ```
/// use n2d2_core::graph::{Plan, Unit, Var};
/// use n2d2_core::{Tensor, config};
/// let fc = Unit::<f32>::new("fc", "Fc", &config! { "nb_inputs" => 2usize, "nb_outputs" => 2usize })?;
/// let sum = Unit::<f32>::new("sum", "ElemWise", &config! {})?;
/// let x = Var::leaf(Tensor::from_vec(vec![1.0, 10.0], &[1, 2, 1, 1])?, true);
/// // The cell `sum` reads the input (place 0) and the output of `fc` (place 1), whose weights are zero.
/// let plan = Plan::new(vec![fc, sum], vec![vec![0], vec![0, 1]], 1, &[2])?;
/// let run = plan.call(&[x])?;
/// assert_eq!(run.at(2)?.tensor().to_vec(), [1.0, 10.0]);
/// assert_eq!(run.at(1)?.tensor().to_vec(), [0.0, 0.0]);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
pub struct Plan<T: Float> {
    pub(super) steps: Arc<[Step<T>]>,
    inputs: usize,
    ends: Vec<usize>,
    pub(super) inference: Mutex<Option<Inference<T>>>,
}

impl<T: Float> Plan<T> {
    /// A plan that calls `units`; `reads` of each holds the places of its inputs: first those of the `inputs` of the plan,
    /// then those of the units before it. `ends` are the places of its outputs.
    ///
    /// # Errors
    /// [`Error::Value`] if a unit reads a place behind it, or an end is none of the units.
    pub fn new(units: Vec<Arc<Unit<T>>>, reads: Vec<Vec<usize>>, inputs: usize, ends: &[usize]) -> Result<Self> {
        if let Some(end) = ends.iter().find(|end| **end < inputs || **end >= inputs + units.len()) {
            return Err(Error::value(
                "Plan",
                "place of an output",
                end,
                format!("a number from {inputs} to {}", (inputs + units.len()).saturating_sub(1)),
            ));
        }
        let step = |(i, (unit, reads)): (usize, (Arc<Unit<T>>, Vec<usize>))| match reads.iter().find(|at| **at >= inputs + i) {
            Some(at) => Err(Error::value(unit.name(), "place of an input", at, format!("a number below {}", inputs + i))),
            None => Ok(Step { unit, reads }),
        };
        let steps = units.into_iter().zip(reads).enumerate().map(step).collect::<Result<Arc<[_]>>>()?;
        Ok(Plan { steps, inputs, ends: ends.to_vec(), inference: Mutex::new(None) })
    }

    /// Computes the outputs for some inputs.
    ///
    /// # Errors
    /// Those of [`Unit::call`]; [`Error::Shape`] for another number of inputs.
    pub fn call(&self, inputs: &[Var<T>]) -> Result<Run<T>> {
        self.check(inputs.len())?;
        if computes()
            && let Some(run) = self.infer(inputs, true, |inference, outputs| self.deferred(inputs, inference, outputs))?
        {
            return Ok(run);
        }
        let outputs = call_all(&self.steps, inputs, None)?;
        Ok(Run { inputs: inputs.to_vec(), outputs: Outputs::All(outputs) })
    }

    /// Computes the outputs of a network in test mode for some inputs, and nothing else: nobody can go back from them, or ask
    /// for what is inside. `None` if a cell is in learning mode, or an input must be copied before a cell can read it: then
    /// [`Plan::call`] computes the outputs.
    ///
    /// # Errors
    /// Those of [`Plan::call`].
    ///
    /// ```
    /// use n2d2_core::graph::{Plan, Unit};
    /// use n2d2_core::{Tensor, config};
    /// let softmax = Unit::<f32>::new("softmax", "Softmax", &config! {})?;
    /// softmax.set_learn(false);
    /// let plan = Plan::new(vec![softmax], vec![vec![0]], 1, &[1])?;
    /// let outputs = plan.predict(&[Tensor::zeros(&[1, 2, 1, 1])])?.expect("it is in test mode");
    /// assert_eq!(outputs[0].to_vec(), [0.5, 0.5]);
    /// # Ok::<(), n2d2_core::Error>(())
    /// ```
    pub fn predict(&self, inputs: &[Tensor<T>]) -> Result<Option<Vec<Tensor<T>>>> {
        self.check(inputs.len())?;
        if !computes() {
            return Ok(None);
        }
        let inputs: SmallVec<[Var<T>; 1]> = inputs.iter().map(|tensor| Var::leaf(tensor.clone(), false)).collect();
        self.infer(&inputs, false, |_, outputs| outputs.into_iter().map(|(tensor, _)| tensor).collect())
    }

    fn check(&self, inputs: usize) -> Result<()> {
        if inputs == self.inputs {
            return Ok(());
        }
        Err(Error::shape("Plan", "number of inputs", self.inputs, inputs))
    }

    fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.steps.iter().map(|step| step.unit.stamp())
    }

    /// Makes something of the outputs in test mode, where it must be known who `wants` a gradient or not; `None` if the cells
    /// are not in test mode, or read their inputs in a way that must be recorded.
    fn infer<R>(&self, inputs: &[Var<T>], wants: bool, make: impl FnOnce(&Inference<T>, Vec<(Tensor<T>, bool)>) -> R) -> Result<Option<R>> {
        let mut held = self.inference.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = held.as_ref().is_none_or(|inference| !inference.is_for(&self.steps, inputs, wants));
        if is_new {
            *held = None;
            // The first cell that learns ends it: a training step does not look at all of them.
            let stamps = self.stamps().map(|stamp| (!stamp.learn).then_some(stamp)).collect::<Option<Vec<Stamp>>>();
            let Some(stamps) = stamps else { return Ok(None) };
            *held = Inference::new(&self.steps, &self.ends, inputs, stamps);
        }
        let Some(inference) = &mut *held else { return Ok(None) };
        let outputs = inference.run(inputs)?;
        if is_new {
            // A cell may have laid its weights in another order.
            inference.set_stamps(self.stamps().collect());
        }
        Ok(Some(make(inference, outputs)))
    }

    /// A run in test mode, of which the ends are kept and the rest is recorded when somebody asks.
    fn deferred(&self, inputs: &[Var<T>], inference: &Inference<T>, outputs: Vec<(Tensor<T>, bool)>) -> Run<T> {
        let deferred = Deferred::new(self.steps.clone(), inputs.to_vec(), inference.states());
        let ends = self.ends.iter().zip(outputs).map(|(place, (tensor, wants_gradient))| {
            (*place, Var::of_deferred(tensor, deferred.clone(), place - self.inputs, wants_gradient))
        });
        let ends = ends.collect();
        Run { inputs: inputs.to_vec(), outputs: Outputs::Ends { ends, shapes: inference.shapes(), deferred } }
    }
}

enum Outputs<T: Float> {
    /// Of every cell.
    All(Vec<Var<T>>),
    /// Of some places; the others on demand.
    Ends { ends: Vec<(usize, Var<T>)>, shapes: Arc<[Shape]>, deferred: Arc<Deferred<T>> },
}

/// What one call of a [`Plan`] computed.
pub struct Run<T: Float> {
    inputs: Vec<Var<T>>,
    outputs: Outputs<T>,
}

impl<T: Float> Run<T> {
    /// The value at a place: first those of the inputs, then those of the units.
    ///
    /// # Errors
    /// [`Error::State`] if it was not kept (see [`Plan`]) and a cell has changed since.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn at(&self, place: usize) -> Result<Var<T>> {
        if place < self.inputs.len() {
            return Ok(self.inputs[place].clone());
        }
        match &self.outputs {
            Outputs::All(outputs) => Ok(outputs[place - self.inputs.len()].clone()),
            Outputs::Ends { ends, deferred, .. } => match ends.iter().find(|(end, _)| *end == place) {
                Some((_, var)) => Ok(var.clone()),
                None => Ok(deferred.record()?[place - self.inputs.len()].clone()),
            },
        }
    }

    /// True if the value at a place is there; the others are computed again when somebody asks.
    pub fn is_kept(&self, place: usize) -> bool {
        match &self.outputs {
            Outputs::All(_) => true,
            Outputs::Ends { ends, deferred, .. } => {
                place < self.inputs.len() || ends.iter().any(|(end, _)| *end == place) || deferred.recorded().is_some()
            }
        }
    }

    /// The shape of the value at a place.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn shape(&self, place: usize) -> &[usize] {
        let Some(step) = place.checked_sub(self.inputs.len()) else { return self.inputs[place].tensor().shape() };
        match &self.outputs {
            Outputs::All(outputs) => outputs[step].tensor().shape(),
            Outputs::Ends { shapes, .. } => &shapes[step],
        }
    }
}
