//! A convolution of the single pixels of a small image and the depthwise sweep behind it, as one.
//!
//! Both are cut by channels: a thread computes some outputs of the convolution for the whole image, in scratch memory, and sweeps
//! them. No thread waits between the two for another, and none reads what another has written there.

use super::plan::{Sweep, Values};
use crate::device::cpu::direct::tile_rows;
use crate::device::cpu::kernels::{Span, Tile};
use crate::device::cpu::simd::LINE_BYTES;
use crate::device::cpu::{Finish, Kernels, Written, with_scratch};
use crate::tensor::Float;

/// Pixels of an image at most: more are better cut in rows.
const PIXELS: usize = 256;
/// Channels of an item, and fewest channels: two items.
const CHANNELS: usize = 32;
const LEAST: usize = 2 * CHANNELS;

/// How both are cut into items: runs of channels.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    sweep: Sweep,
    inputs: usize,
    /// Offsets of the pixels of the source, and of those between the sweeps.
    x_at: Vec<usize>,
    y_at: Vec<usize>,
}

impl Trail {
    /// True if both sweeps are faster as one, where the first makes images `[h, w, channels]`.
    pub(crate) fn pays(images: usize, [h, w, channels]: [usize; 3]) -> bool {
        images == 1 && h * w <= PIXELS && channels >= LEAST
    }

    /// A convolution of pixels of `inputs` channels, and the depthwise sweep of its only image.
    pub(crate) fn new(sweep: &Sweep, inputs: usize) -> Self {
        let [[height, width, c], _] = sweep.sizes();
        Trail {
            sweep: sweep.clone(),
            inputs,
            x_at: (0..height * width).map(|pixel| pixel * inputs).collect(),
            y_at: (0..height * width).map(|pixel| pixel * c).collect(),
        }
    }

    /// Items of the image.
    pub(crate) fn items(&self) -> usize {
        self.channels().div_ceil(CHANNELS)
    }

    /// Multiply-accumulates of the image.
    pub(crate) fn macs(&self) -> usize {
        self.sweep.macs() + self.y_at.len() * self.inputs * self.channels()
    }

    fn channels(&self) -> usize {
        self.sweep.sizes()[0][2]
    }

    /// Computes an item and returns what of `y` it wrote. The source, packed weights and finish of the convolution come in `first`, whose
    /// target is not used; `w` are the weights of the depthwise sweep.
    ///
    /// # Safety
    /// `y` must have room for the whole target; no other thread may touch what the item writes.
    ///
    /// # Panics
    /// If there are too few values, weights or values to finish with.
    pub(crate) unsafe fn run<T: Float>(
        &self,
        kernels: &Kernels<T>,
        item: usize,
        first: &Values<'_, T>,
        w: &[T],
        finish: Finish<'_, T>,
        y: *mut T,
    ) -> Written {
        let [[height, columns, c], [rows, out_columns, _]] = self.sweep.sizes();
        let (width, inputs, pixels) = (kernels.width(c), self.inputs, height * columns);
        let (from, to) = (item * CHANNELS, ((item + 1) * CHANNELS).min(c));
        let padded = c.next_multiple_of(width.block);
        let Finish { bias, affine, residual, relu } = first.finish;
        assert!(first.x.len() >= pixels * inputs && first.w.len() >= inputs * padded && (bias.is_empty() || bias.len() >= padded));
        assert!(affine.is_none_or(|rows| rows.iter().all(|row| row.len() >= padded)) && residual.is_empty());
        let (bias, affine, residual) = first.finish.pointers(0);
        let spans = [Span { start: 0, len: inputs }];
        // The channels of every item lie at the same place, behind those before them.
        with_scratch((pixels + 1) * c, |scratch: &mut [T]| {
            let local = &mut scratch[c - from..][..pixels * c];
            let tile = Tile {
                spans: &spans,
                x: first.x.as_ptr(),
                x_at: &self.x_at,
                w: first.w.as_ptr(),
                y: local.as_mut_ptr(),
                y_at: &self.y_at,
                cols: to,
                bias,
                affine,
                residual,
                relu,
            };
            let most = width.rows.min(tile_rows(inputs));
            let (parts, line, targets) = (pixels.div_ceil(most), LINE_BYTES / size_of::<T>(), rows * out_columns);
            for part in 0..parts {
                let [begin, end] = [part, part + 1].map(|part| part * pixels / parts);
                let part_tile = Tile { x_at: &self.x_at[begin..end], y_at: &self.y_at[begin..end], ..tile };
                // Another thread has read what will be written, some of it between the tiles.
                let [begin, end] = [part, part + 1].map(|part| part * targets / parts);
                for at in (from..to).step_by(line) {
                    kernels.fetch(y.wrapping_add(begin * c + at), c, end - begin);
                }
                for at in (from..to).step_by(width.block) {
                    // SAFETY: the source holds all pixels, scratch memory their outputs; weights and coefficients hold whole blocks.
                    unsafe { width.run_low(&part_tile.block(at, at * inputs, width.block), most) };
                }
            }
            let values = Values { x: local, w, finish, y };
            // SAFETY: the caller's promise.
            unsafe { self.sweep.compute(kernels, [0, 1], [0, rows], [from, to], &values, y) };
        });
        Written::columns(from, to - from, c, rows * out_columns)
    }
}
