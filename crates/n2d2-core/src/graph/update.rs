//! The update of all parameters behind a variable: one parallel pass over everything.

use super::unit::Unit;
use crate::cells::SharedMut;
use crate::device::cpu::parallel_for;
use crate::error::Result;
use crate::solver::Rates;
use crate::tensor::{Float, Tensor};
use std::sync::Arc;

/// Elements of an item.
const CHUNK: usize = 4096;

/// One parameter that moves this time.
struct Move<'a, T: Float> {
    rates: Rates<T>,
    value: Tensor<T>,
    grad: Tensor<T>,
    parts: [SharedMut<'a, T>; 2],
    part_lens: [usize; 2],
    first_item: usize,
}

/// Updates each unit's parameters; `units` gives the batch size beside each.
pub(super) fn run<T: Float>(units: &[(Arc<Unit<T>>, usize)]) -> Result<()> {
    for (unit, batch) in units {
        unit.with(|inner| {
            let mut moves = Vec::new();
            let mut items = 0;
            for p in inner.cell.params_mut() {
                let Some(solver) = p.solver.clone() else { continue };
                if !p.grad_filled {
                    continue;
                }
                let len = p.layout.len;
                let rates = solver.begin(&mut p.state, len, *batch)?;
                if p.state.is_new_iteration() {
                    p.grad_filled = false;
                }
                if let Some(rates) = rates {
                    p.version += 1;
                    let parts = p.state.parts();
                    let part_lens = [parts[0].len(), parts[1].len()];
                    let parts = parts.map(SharedMut::new);
                    moves.push(Move { rates, value: p.value.clone(), grad: p.grad.clone(), parts, part_lens, first_item: items });
                    items += len.div_ceil(CHUNK);
                }
            }
            let work = items * CHUNK;
            parallel_for(items, work, &|item| {
                let m = moves.iter().rfind(|m| m.first_item <= item).expect("every item belongs to a parameter");
                let start = (item - m.first_item) * CHUNK;
                let n = CHUNK.min(m.value.len() - start);
                let part = |i: usize| if m.part_lens[i] == 0 { (0, 0) } else { (start, n) };
                // SAFETY: items are disjoint chunks of each parameter and of its state.
                unsafe {
                    let state = [m.parts[0].slice(part(0).0, part(0).1), m.parts[1].slice(part(1).0, part(1).1)];
                    m.rates.apply(m.value.part_mut(start, n), m.grad.part(start, n), state);
                }
            });
            drop(moves);
            // A clamp with a minimum above zero moves them too.
            for p in inner.cell.params() {
                p.clear_unconnected(&p.value);
            }
            Ok(())
        })?;
    }
    Ok(())
}
