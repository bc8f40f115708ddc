//! What a cell does to its output beyond its own arithmetic, in test mode, while the values are in the first cache.
//!
//! A network in test mode needs no output of a convolution that only a normalisation reads, nor that of the normalisation
//! if only a sum with a shortcut reads it. The cell that makes the values then finishes them, with the very operations of
//! the cells behind it in their order, so that the bits are those of the cells one by one.

use crate::activation::ActivationFn;
use crate::tensor::{Float, Tensor};
use crate::vectorise::vectorised;

/// Values that coefficients are repeated to, so that few channels fill vectors too, and vectors read behind their end.
const PERIOD: usize = 64;
/// Elements that are finished at once.
const BLOCK: usize = 4096;

/// `y = (x - mean) * factor + bias` of each channel.
#[derive(Debug, Clone)]
pub struct Affine<T> {
    channels: usize,
    /// Means, factors and biases, each repeated to at least [`PERIOD`] values.
    rows: [Vec<T>; 3],
}

impl<T: Float> Affine<T> {
    /// The coefficients of all channels.
    pub(super) fn new(rows: [&[T]; 3]) -> Self {
        let channels = rows[0].len();
        let len = channels * PERIOD.div_ceil(channels.max(1)).max(2);
        Affine { channels, rows: rows.map(|row| row.iter().copied().cycle().take(len).collect()) }
    }

    /// Means, factors and biases of the channels, and at least a vector more.
    pub(super) fn rows(&self) -> [&[T]; 3] {
        self.rows.each_ref().map(Vec::as_slice)
    }
}

/// What another cell does to each value, if the cell before it can do that itself.
pub enum Fold<T> {
    /// Nothing but its activation.
    Identity,
    /// It scales and shifts channels.
    Affine(Affine<T>),
    /// It adds its two inputs.
    Sum,
}

/// What a cell does to its output before its activation.
pub struct Epilogue<'a, T: Float> {
    /// First, what scales and shifts channels.
    pub affine: Option<&'a Affine<T>>,
    /// Then, what is added: of the shape of the output.
    pub residual: Option<Tensor<T>>,
}

impl<T: Float> Epilogue<'_, T> {
    /// Finishes `len` elements of `output` from `start` on: whole pixels that lie channels-last.
    ///
    /// # Safety
    /// No other item may use these elements.
    pub(super) unsafe fn finish(&self, output: &Tensor<T>, (start, len): (usize, usize), activation: Option<&ActivationFn>) {
        let period = self.affine.map_or(BLOCK, |a| a.rows[0].len() / a.channels * a.channels);
        debug_assert!(self.affine.is_none_or(|a| start.is_multiple_of(a.channels) && len.is_multiple_of(a.channels)));
        let block = (BLOCK / period).max(1) * period;
        let relu = activation.is_some_and(ActivationFn::is_relu);
        let least = if relu { T::zero() } else { T::neg_infinity() };
        for from in (start..start + len).step_by(block) {
            let n = block.min(start + len - from);
            // SAFETY: the caller's promise.
            let y = unsafe { output.part_mut(from, n) };
            match (self.affine, &self.residual) {
                (Some(a), Some(r)) => affine_sum(a.rows(), r.part(from, n), least, y),
                (Some(a), None) => affine(a.rows(), least, y),
                (None, Some(r)) => sum(r.part(from, n), least, y),
                (None, None) => {}
            }
            if let Some(f) = activation.filter(|_| !relu || (self.affine.is_none() && self.residual.is_none())) {
                f.forward(y);
            }
        }
    }
}

vectorised! {
    fn affine<T: Float>(rows: [&[T]; 3], least: T, y: &mut [T]) {
        for y in y.chunks_mut(rows[0].len()) {
            for (((y, m), a), b) in y.iter_mut().zip(rows[0]).zip(rows[1]).zip(rows[2]) {
                let v = (*y - *m) * *a + *b;
                *y = if v < least { least } else { v };
            }
        }
    }

    fn affine_sum<T: Float>(rows: [&[T]; 3], r: &[T], least: T, y: &mut [T]) {
        for (y, r) in y.chunks_mut(rows[0].len()).zip(r.chunks(rows[0].len())) {
            for ((((y, m), a), b), r) in y.iter_mut().zip(rows[0]).zip(rows[1]).zip(rows[2]).zip(r) {
                let v = ((*y - *m) * *a + *b) + *r;
                *y = if v < least { least } else { v };
            }
        }
    }

    fn sum<T: Float>(r: &[T], least: T, y: &mut [T]) {
        for (y, r) in y.iter_mut().zip(r) {
            let v = *y + *r;
            *y = if v < least { least } else { v };
        }
    }
}
