//! Walks over several arrays of any rank at once, and sums over some of their axes.
//!
//! Axes are given in the order in which memory is visited; axes that lie one behind the other in all arrays become one, so
//! that equal shapes are a single run and a mask of channels is a run of channels for every pixel.

use crate::error::{Error, Result};
use crate::tensor::memory_strides;

/// Most axes of a tensor that a cell of any rank takes.
pub(crate) const MAX_RANK: usize = 6;

/// Axes in the order of memory, outermost first.
pub(super) fn memory_order(rank: usize) -> Vec<usize> {
    if rank == 4 { vec![0, 2, 3, 1] } else { (0..rank).collect() }
}

/// Strides of an array of `shape` seen with `rank` axes: those that are missing in front, or of size 1, have stride 0.
pub(super) fn broadcast_strides(shape: &[usize], rank: usize) -> Vec<usize> {
    let own = memory_strides(shape).into_iter().zip(shape).map(|(s, n)| if *n == 1 { 0 } else { s as usize });
    std::iter::repeat_n(0, rank - shape.len()).chain(own).collect()
}

/// The shape that arrays of these shapes broadcast to, as NumPy does it.
pub(super) fn broadcast_shape(owner: &str, shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1; rank];
    for shape in shapes {
        for (o, n) in out.iter_mut().skip(rank - shape.len()).zip(*shape) {
            if *n != *o && *n != 1 && *o != 1 {
                let expected = "sizes that are equal or 1, counted from the last axis";
                return Err(Error::shape(owner, "shapes of the inputs", expected, format!("{shapes:?}")));
            }
            *o = if *o == 1 { *n } else { *o };
        }
    }
    Ok(out)
}

/// The shape of the input of a cell that takes one.
pub(super) fn only_one(owner: &str, inputs: &[&[usize]]) -> Result<Vec<usize>> {
    match inputs {
        [one] => Ok(one.to_vec()),
        _ => Err(Error::shape(owner, "inputs", "one tensor", format!("{} tensors", inputs.len()))),
    }
}

/// A walk over `N` arrays.
pub(super) struct Walk<const N: usize> {
    axes: Vec<(usize, [usize; N])>,
    len: usize,
}

fn moved<const N: usize>(at: [usize; N], step: [usize; N], by: usize) -> [usize; N] {
    std::array::from_fn(|i| at[i] + step[i] * by)
}

impl<const N: usize> Walk<N> {
    /// Axes outermost first, each with the stride of every array.
    pub(super) fn new(axes: impl Iterator<Item = (usize, [usize; N])>) -> Self {
        let mut merged: Vec<(usize, [usize; N])> = Vec::new();
        let mut len = 1;
        for (n, step) in axes.filter(|(n, _)| *n != 1) {
            len *= n;
            match merged.last_mut() {
                Some((outer, steps)) if (0..N).all(|i| steps[i] == step[i] * n) => (*outer, *steps) = (*outer * n, step),
                _ => merged.push((n, step)),
            }
        }
        Walk { axes: merged, len }
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Calls `f(place, offsets, steps, n)` for the runs of the elements `start..start + len`; `place` counts from `start`.
    pub(super) fn runs(&self, start: usize, len: usize, mut f: impl FnMut(usize, [usize; N], [usize; N], usize)) {
        let Some(((n, step), outer)) = self.axes.split_last() else {
            if len > 0 {
                f(0, [0; N], [0; N], 1);
            }
            return;
        };
        let (mut index, mut at, mut row) = ([0; MAX_RANK], [0; N], start / n);
        for (i, (size, steps)) in outer.iter().enumerate().rev() {
            index[i] = row % size;
            at = moved(at, *steps, index[i]);
            row /= size;
        }
        let (mut place, mut column) = (0, start % n);
        while place < len {
            let run = (n - column).min(len - place);
            f(place, moved(at, *step, column), *step, run);
            (place, column) = (place + run, 0);
            for (i, (size, steps)) in outer.iter().enumerate().rev() {
                index[i] += 1;
                at = moved(at, *steps, 1);
                if index[i] < *size {
                    break;
                }
                at = std::array::from_fn(|k| at[k] - steps[k] * size);
                index[i] = 0;
            }
        }
    }
}

/// The elements of an array, each with those of other arrays that belong to it: all along the axes that it does not have.
pub(super) struct Fold<const N: usize> {
    kept: Walk<N>,
    over: Walk<N>,
}

/// Elements from which a run along the kept axes beats one along the others.
const WIDE: usize = 8;
/// Elements that an item reads.
const ITEM: usize = 16 * 1024;

impl<const N: usize> Fold<N> {
    /// The elements of an array of shape `target` in an array of shape `full`, which it broadcasts to; `strides` are those
    /// of the other arrays along the axes of `full`.
    pub(super) fn new(target: &[usize], full: &[usize], strides: [&[usize]; N]) -> Self {
        let pad = full.len() - target.len();
        let axis = |i: usize| (full[i], std::array::from_fn(|k| strides[k][i]));
        let kept = memory_order(target.len()).into_iter().filter(|i| target[*i] != 1).map(|i| axis(i + pad));
        let over = memory_order(full.len()).into_iter().filter(|i| *i < pad || target[*i - pad] == 1).map(axis);
        Fold { kept: Walk::new(kept), over: Walk::new(over) }
    }

    /// The elements of one walk, each with those of another.
    pub(super) fn of(kept: Walk<N>, over: Walk<N>) -> Self {
        Fold { kept, over }
    }

    /// Elements that belong to each element of the target.
    pub(super) fn depth(&self) -> usize {
        self.over.len()
    }

    /// Elements of the target of an item, and the number of items.
    pub(super) fn items(&self) -> (usize, usize) {
        let item = (ITEM / self.over.len()).max(2 * WIDE);
        (item, self.kept.len().div_ceil(item))
    }

    /// Calls `f(place, step of places, offsets, steps, n)` for runs of what belongs to the elements `start..start + len` of
    /// the memory of the target. Each element meets what belongs to it in the same order, wherever items begin.
    pub(super) fn runs(&self, start: usize, len: usize, mut f: impl FnMut(usize, usize, [usize; N], [usize; N], usize)) {
        self.kept.runs(start, len, |place, at, step, n| {
            if n >= WIDE {
                self.over.runs(0, self.over.len(), |_, other, other_step, m| {
                    (0..m).for_each(|j| f(place, 1, moved(moved(at, other, 1), other_step, j), step, n));
                });
            } else {
                for i in 0..n {
                    let at = moved(at, step, i);
                    self.over.runs(0, self.over.len(), |_, other, other_step, m| f(place + i, 0, moved(at, other, 1), other_step, m));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_follow_each_other_are_one_run() {
        let axes = [(2, [60, 0]), (3, [20, 0]), (5, [4, 0]), (4, [1, 1])];
        let walk = Walk::new(axes.into_iter());
        assert_eq!((walk.axes.clone(), walk.len()), (vec![(30, [4, 0]), (4, [1, 1])], 120));
        let mut seen = Vec::new();
        walk.runs(6, 5, |place, at, step, n| seen.push((place, at, step, n)));
        assert_eq!(seen, [(0, [6, 2], [1, 1], 2), (2, [8, 0], [1, 1], 3)]);
    }

    #[test]
    fn shapes_broadcast_as_those_of_numpy() {
        assert_eq!(broadcast_shape("a", &[&[2, 1, 4], &[3, 1], &[]]), Ok(vec![2, 3, 4]));
        let text = "a: shapes of the inputs: expected sizes that are equal or 1, counted from the last axis, got [[2, 3], [3, 2]]";
        assert_eq!(broadcast_shape("a", &[&[2, 3], &[3, 2]]).unwrap_err().to_string(), text);
        assert_eq!(broadcast_strides(&[2, 3, 1, 5], 5), [0, 15, 1, 0, 3]);
    }

    #[test]
    fn what_belongs_to_an_element_comes_in_one_order() {
        // [2, 3, 2, 1] channels-last; the target has its channels.
        let strides = memory_strides(&[2, 3, 2, 1]).iter().map(|s| *s as usize).collect::<Vec<_>>();
        let fold = Fold::new(&[3, 1, 1], &[2, 3, 2, 1], [&strides]);
        assert_eq!(fold.depth(), 4);
        let mut seen = vec![Vec::new(); 3];
        fold.runs(0, 3, |place, step, [at], [by], n| (0..n).for_each(|i| seen[place + i * step].push(at + i * by)));
        assert_eq!(seen, [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]);
    }
}
