//! Calls of many cells at once.

use super::queue::Queue;
use super::unit::Unit;
use super::var::Var;
use crate::error::{Error, Result};
use crate::tensor::Float;
use std::sync::Arc;

/// A call of a cell, and the places of what it reads: first those of the inputs, then those of the steps before it.
#[derive(Clone)]
pub struct Step<T: Float> {
    unit: Arc<Unit<T>>,
    reads: Vec<usize>,
}

/// The calls of some cells for a number of inputs.
///
/// # Errors
/// [`Error::Value`] if a step reads a place behind it.
pub fn steps<T: Float>(units: Vec<Arc<Unit<T>>>, reads: Vec<Vec<usize>>, inputs: usize) -> Result<Vec<Step<T>>> {
    let step = |(i, (unit, reads)): (usize, (Arc<Unit<T>>, Vec<usize>))| match reads.iter().find(|at| **at >= inputs + i) {
        Some(at) => Err(Error::value(unit.name(), "place of an input", at, format!("a number below {}", inputs + i))),
        None => Ok(Step { unit, reads }),
    };
    units.into_iter().zip(reads).enumerate().map(step).collect()
}

/// Calls cells one after the other and returns the output of each.
///
/// The results are those of [`Unit::call`], to the bit; together they cost fewer meetings of the threads, and a shard of
/// the batch goes through many cells while it is in the cache.
///
/// ```
/// use n2d2_core::graph::{Unit, Var, call_all, steps};
/// use n2d2_core::{Tensor, config};
/// let fc = Unit::<f32>::new("fc", "Fc", &config! { "nb_inputs" => 2usize, "nb_outputs" => 2usize })?;
/// let sum = Unit::<f32>::new("sum", "ElemWise", &config! {})?;
/// let x = Var::leaf(Tensor::from_vec(vec![1.0, 10.0], &[1, 2, 1, 1])?, true);
/// // The cell `sum` reads the input and the output of `fc`, whose weights are zero.
/// let steps = steps(vec![fc, sum], vec![vec![0], vec![0, 1]], 1)?;
/// assert_eq!(call_all(&steps, &[x])?[1].tensor().to_vec(), [1.0, 10.0]);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`Unit::call`]; [`Error::Shape`] if a step reads an input that is not given.
pub fn call_all<T: Float>(steps: &[Step<T>], inputs: &[Var<T>]) -> Result<Vec<Var<T>>> {
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
        values.push(unit.enqueue(&read, &mut queue)?);
    }
    queue.flush();
    Ok(values.split_off(inputs.len()))
}
