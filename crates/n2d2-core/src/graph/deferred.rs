//! Passes that were computed without being recorded, and are recorded when somebody asks for what is inside.

use super::call::{Step, call_all};
use super::var::Var;
use crate::error::{Error, Result};
use crate::tensor::Float;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A call of some cells in test mode, of which only the ends were kept.
pub(super) struct Deferred<T: Float> {
    steps: Arc<[Step<T>]>,
    inputs: Vec<Var<T>>,
    /// The state of each cell at the time of the call.
    states: Arc<[u64]>,
    outputs: OnceLock<Vec<Var<T>>>,
    turn: Mutex<()>,
}

impl<T: Float> Deferred<T> {
    pub(super) fn new(steps: Arc<[Step<T>]>, inputs: Vec<Var<T>>, states: Arc<[u64]>) -> Arc<Self> {
        Arc::new(Deferred { steps, inputs, states, outputs: OnceLock::new(), turn: Mutex::new(()) })
    }

    /// The outputs of all cells, if somebody has asked for them.
    pub(super) fn recorded(&self) -> Option<&[Var<T>]> {
        self.outputs.get().map(Vec::as_slice)
    }

    /// The outputs of all cells, which are computed again, to the same bits, and recorded.
    ///
    /// # Errors
    /// [`Error::State`] if a cell has changed since the call.
    pub(super) fn record(&self) -> Result<&[Var<T>]> {
        if let Some(outputs) = self.recorded() {
            return Ok(outputs);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outputs) = self.recorded() {
            return Ok(outputs);
        }
        if let Some((step, _)) = self.steps.iter().zip(&*self.states).find(|(step, state)| step.unit.stamp().state != **state) {
            let text = "what it computed in test mode was not kept, and it has changed since: \
                        read it, or back-propagate, before you change the cell, or call the network again";
            return Err(Error::state(step.unit.name(), text));
        }
        let outputs = call_all(&self.steps, &self.inputs, Some(false))?;
        Ok(self.outputs.get_or_init(|| outputs))
    }

    /// The cell at a place.
    pub(super) fn unit(&self, step: usize) -> &Arc<super::Unit<T>> {
        &self.steps[step].unit
    }
}
