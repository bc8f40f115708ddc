//! What a cell does beyond its own arithmetic, in test mode, while the values are in a cache: to its output, and to its input.
//!
//! A network in test mode needs no output of a convolution that only a normalisation reads, nor that of the normalisation
//! if only a sum with a shortcut reads it. The cell that makes the values then finishes them, with the very operations of
//! the cells behind it in their order, so that the bits are those of the cells one by one.

use crate::device::cpu::depthwise::Sweep;
use crate::tensor::{Float, Tensor};

/// Values that coefficients are repeated to, so that few channels fill vectors too, and vectors read behind their end.
const PERIOD: usize = 64;

/// `y = (x - mean) * factor + bias` of each channel.
#[derive(Debug, Clone)]
pub struct Affine<T> {
    /// Means, factors and biases, each repeated to at least [`PERIOD`] values.
    rows: [Vec<T>; 3],
}

impl<T: Float> Affine<T> {
    /// The coefficients of all channels.
    pub(super) fn new(rows: [&[T]; 3]) -> Self {
        let channels = rows[0].len();
        let len = channels * PERIOD.div_ceil(channels.max(1)).max(2);
        Affine { rows: rows.map(|row| row.iter().copied().cycle().take(len).collect()) }
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

/// What kind of convolution leads.
pub(crate) enum Leader<T: Float> {
    /// A depthwise one, for a convolution of single pixels.
    Depthwise { sweep: Sweep, weights: Vec<T> },
    /// One of single pixels, of so many channels, for a depthwise one; the packed weights are the memory of the cell.
    Pixels { channels: usize, weights: Tensor<T> },
}

/// A convolution that the one behind it computes for itself.
pub struct Leading<T: Float> {
    pub(super) led: Leader<T>,
    /// Biases, or none.
    pub(super) bias: Vec<T>,
    /// What scales and shifts its outputs.
    pub affine: Option<Affine<T>>,
    /// True if a rectifier follows.
    pub relu: bool,
    /// Shape of its output.
    pub(super) shape: [usize; 4],
    /// What computes it, and its multiply-accumulates for all images.
    pub(crate) kernel: String,
    pub(crate) macs: u64,
}

impl<T: Float> Leading<T> {
    /// Bytes of its weights and biases.
    pub(crate) fn parameter_bytes(&self) -> usize {
        let weights = match &self.led {
            Leader::Depthwise { weights, .. } => weights.len(),
            Leader::Pixels { weights, .. } => weights.len(),
        };
        (weights + self.bias.len()) * size_of::<T>()
    }
}

/// What a cell does beside: to its output before its activation, and in front of everything else.
pub struct Epilogue<'a, T: Float> {
    /// First, what scales and shifts channels.
    pub affine: Option<&'a Affine<T>>,
    /// Then, what is added: of the shape of the output.
    pub residual: Option<Tensor<T>>,
    /// What is computed of the input before; the input of the pass is then that of the cell in front.
    pub leading: Option<&'a Leading<T>>,
}
