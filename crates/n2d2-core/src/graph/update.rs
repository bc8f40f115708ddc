//! The update of all parameters behind a variable: one parallel sweep over everything.

use super::unit::{Inner, Unit};
use crate::cells::{Factors, Phase, SharedMut};
use crate::device::cpu::parallel_parts;
use crate::error::Result;
use crate::solver::Rates;
use crate::tensor::Float;
use std::sync::{Arc, MutexGuard};

/// Elements of an item at least, and items of a parameter at most beyond that: every value moves by itself, so the cut changes
/// no bit.
const CHUNK: usize = 2048;
const ITEMS: usize = 64;
/// Items begin at a multiple of this many elements, so that vectors stay aligned.
const ALIGN: usize = 16;

/// One parameter that moves this time.
struct Move<'a, T: Float> {
    rates: Rates<T>,
    value: SharedMut<'a, T>,
    grad: &'a [T],
    /// What the gradient is a product of, if it is not in `grad`.
    factors: Option<&'a Factors<T>>,
    state: [SharedMut<'a, T>; 2],
    /// The vectors of the state that the solver uses.
    used: [bool; 2],
    /// Elements of an item.
    chunk: usize,
}

impl<T: Float> Move<'_, T> {
    /// Moves `n` elements from `start` on.
    ///
    /// # Safety
    /// No other item moves one of them.
    unsafe fn apply(&self, start: usize, n: usize) {
        let part = |i: usize| if self.used[i] { (start, n) } else { (0, 0) };
        // SAFETY: the caller's promise.
        let (value, state) =
            unsafe { (self.value.slice(start, n), [self.state[0].slice(part(0).0, part(0).1), self.state[1].slice(part(1).0, part(1).1)]) };
        match self.factors {
            Some(factors) => factors.with_part(start, n, |grad| self.rates.apply(value, grad, state)),
            None => self.rates.apply(value, &self.grad[start..start + n], state),
        }
    }
}

/// Updates each unit's parameters; `units` gives the batch size beside each, and names no unit twice.
pub(super) fn run<T: Float>(units: &[(Arc<Unit<T>>, usize)]) -> Result<()> {
    let mut held = Vec::with_capacity(units.len());
    for (unit, batch) in units {
        let inner = if let Some(inner) = unit.try_lock() {
            inner
        } else {
            // Nobody waits for a lock while holding others, so nobody waits for ever.
            sweep(&mut held)?;
            held.clear();
            unit.lock()
        };
        held.push((inner, *batch));
    }
    sweep(&mut held)
}

/// Moves all parameters of some units.
fn sweep<T: Float>(units: &mut [(MutexGuard<'_, Inner<T>>, usize)]) -> Result<()> {
    let mut moves: Vec<Move<'_, T>> = Vec::with_capacity(4 * units.len());
    // Where several threads have computed the gradients, each moves those that lie in its cache.
    let mut cost_ns = 0;
    let begun = units.iter_mut().try_for_each(|(inner, batch)| {
        for p in inner.cell.params_mut() {
            let Some(solver) = p.solver.as_ref().filter(|_| p.grad_filled) else { continue };
            let len = p.layout.len;
            let rates = solver.begin(&mut p.state, len, *batch)?;
            if p.state.is_new_iteration() {
                p.grad_filled = false;
            }
            let Some(rates) = rates else { continue };
            p.version += 1;
            let parts = p.state.parts();
            let used = [!parts[0].is_empty(), !parts[1].is_empty()];
            // SAFETY: the cell is held, and nothing else reads or writes its values meanwhile.
            let value = SharedMut::new(unsafe { p.value.part_mut(0, len) });
            let factors = p.factors.as_ref();
            let step = factors.map_or(ALIGN, Factors::step);
            let chunk = len.div_ceil(ITEMS).max(CHUNK).next_multiple_of(step);
            moves.push(Move { rates, value, grad: p.grad.part(0, len), factors, state: parts.map(SharedMut::new), used, chunk });
            cost_ns += Phase::compute(1, len * *batch).cost_ns;
        }
        Ok(())
    });
    let parts: Vec<usize> = moves.iter().map(|m| m.grad.len().div_ceil(m.chunk)).collect();
    parallel_parts(&parts, cost_ns, &|part, item| {
        let m = &moves[part];
        let start = item * m.chunk;
        // SAFETY: items are disjoint parts of the parameter.
        unsafe { m.apply(start, m.chunk.min(m.grad.len() - start)) };
    });
    drop(moves);
    for (inner, _) in units {
        // A clamp with a minimum above zero moves them too.
        for p in inner.cell.params() {
            p.clear_unconnected(&p.value);
        }
    }
    begun
}
