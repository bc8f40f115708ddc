//! Calls of many cells at once, recorded.

use super::queue::Queue;
use super::unit::Unit;
use super::var::Var;
use crate::error::{Error, Result};
use crate::tensor::Float;
use std::sync::Arc;

/// A call of a cell, and the places of what it reads: first those of the inputs, then those of the steps before it.
pub(super) struct Step<T: Float> {
    pub(super) unit: Arc<Unit<T>>,
    pub(super) reads: Vec<usize>,
}

/// Calls cells one after the other, in another mode if one is given, and returns the output of each.
pub(super) fn call_all<T: Float>(steps: &[Step<T>], inputs: &[Var<T>], learn: Option<bool>) -> Result<Vec<Var<T>>> {
    let mut queue = Queue::new();
    let mut values: Vec<Var<T>> = Vec::with_capacity(inputs.len() + steps.len());
    values.extend_from_slice(inputs);
    let mut read: Vec<Var<T>> = Vec::new();
    for Step { unit, reads } in steps {
        read.clear();
        for at in reads {
            let value = values.get(*at).ok_or_else(|| Error::shape(unit.name(), "inputs of the plan", at + 1, inputs.len()))?;
            read.push(value.clone());
        }
        values.push(unit.enqueue(&read, learn, &mut queue)?);
    }
    queue.flush();
    Ok(values.split_off(inputs.len()))
}
