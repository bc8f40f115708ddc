//! Calls of many cells at once.

use super::queue::Queue;
use super::unit::Unit;
use super::var::Var;
use crate::error::Result;
use crate::tensor::Float;
use std::sync::Arc;

/// Calls cells one after the other and returns the output of each. `reads` of a step holds places: first those of
/// `inputs`, then those of the outputs of the steps before it.
///
/// The results are those of [`Unit::call`], to the bit; together they cost fewer meetings of the threads, and a shard of
/// the batch goes through many cells while it is in the cache.
///
/// ```
/// use n2d2_core::{config, graph::{Unit, Var, call_all}, Tensor};
/// let fc = Unit::<f32>::new("fc", "Fc", &config! { "nb_inputs" => 2usize, "nb_outputs" => 2usize })?;
/// let sum = Unit::<f32>::new("sum", "ElemWise", &config! {})?;
/// let x = Var::leaf(Tensor::from_vec(vec![1.0, 10.0], &[1, 2, 1, 1])?, true);
/// let outputs = call_all(&[(fc, vec![0]), (sum, vec![0, 1])], &[x])?;
/// assert_eq!(outputs[1].tensor().to_vec(), [1.0, 10.0]);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`Unit::call`].
///
/// # Panics
/// If a place is not one of an input or of an earlier step.
pub fn call_all<T: Float>(steps: &[(Arc<Unit<T>>, Vec<usize>)], inputs: &[Var<T>]) -> Result<Vec<Var<T>>> {
    let mut queue = Queue::new();
    let mut outputs: Vec<Var<T>> = Vec::with_capacity(steps.len());
    let mut read: Vec<Var<T>> = Vec::new();
    for (unit, reads) in steps {
        read.clear();
        read.extend(reads.iter().map(|at| inputs.get(*at).unwrap_or_else(|| &outputs[*at - inputs.len()]).clone()));
        outputs.push(unit.enqueue(&read, &mut queue)?);
    }
    queue.flush();
    Ok(outputs)
}
