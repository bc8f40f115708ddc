//! A depthwise sweep and the convolution of single pixels behind it, as one.
//!
//! What lies between them is as large as the images and is read once. Here a few rows of it at a time are written to scratch
//! memory, which stays in the second cache, and the register tiles of the convolution take them from there.

use super::plan::{Sweep, Values};
use crate::device::cpu::cut::{Batch, Image};
use crate::device::cpu::direct::tile_rows;
use crate::device::cpu::kernels::{Span, Tile};
use crate::device::cpu::{Finish, Kernels, Written, with_scratch};
use crate::tensor::Float;

/// Bytes of scratch memory at most, if two rows are not more.
const SCRATCH_BYTES: usize = 128 * 1024;
/// Pixels of an item at least: with fewer, reading the weights takes longer than the rows between the sweeps.
const LEAST_PIXELS: usize = 56;
/// Items wanted: without them images are better cut by outputs.
const ITEMS: usize = 8;
/// Pixels of an image from which on tiles need no second image.
const LARGE: usize = 98;
/// Weights of the second sweep at most: more would be read anew from the third cache for each of the rows in scratch memory.
const WEIGHTS: usize = 128 * 1024;

/// How both sweeps are cut into items: bands of rows of an image.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    sweep: Sweep,
    outputs: usize,
    band_rows: usize,
    bands: usize,
    /// Rows in scratch memory.
    rows: usize,
    /// Offsets of their pixels, and of those of the target.
    x_at: Vec<usize>,
    y_at: Vec<usize>,
}

impl Pair {
    /// True if both sweeps are faster as one, where the first makes images `[oh, ow, c]`.
    pub(crate) fn pays(images: usize, [oh, ow, c]: [usize; 3], outputs: usize) -> bool {
        oh * ow >= LARGE && images * oh * ow >= ITEMS * LEAST_PIXELS && c * outputs <= WEIGHTS
    }

    /// A depthwise sweep, and the convolution of its pixels to `outputs` channels.
    pub(crate) fn new(sweep: &Sweep, outputs: usize) -> Self {
        let [_, [height, width, c]] = sweep.sizes();
        let image =
            Image { rows: height, columns: width, macs: c * (outputs + 9), row_values: width * c, weights: c * outputs, copied: false };
        let band_rows = image.cut(&Batch { images: sweep.images(), groups: 1, blocks: 1 }).band_rows;
        // Rows come in pairs.
        let most = (SCRATCH_BYTES / (4 * width * c)).max(2) / 2 * 2;
        let rows = band_rows.div_ceil(band_rows.div_ceil(most)).next_multiple_of(2).min(most);
        Pair {
            sweep: sweep.clone(),
            outputs,
            band_rows,
            bands: height.div_ceil(band_rows),
            rows,
            x_at: (0..rows * width).map(|pixel| pixel * c).collect(),
            y_at: (0..rows * width).map(|pixel| pixel * outputs).collect(),
        }
    }

    /// Items of the batch: they lie image by image.
    pub(crate) fn items(&self) -> usize {
        self.sweep.images() * self.bands
    }

    /// Multiply-accumulates of the batch.
    pub(crate) fn macs(&self) -> usize {
        self.sweep.macs() / 9 * (9 + self.outputs)
    }

    /// Computes an item and returns what of `y` it wrote. The target of `first` is not used; `w` are the packed weights of the second sweep.
    ///
    /// # Safety
    /// `y` must have room for the whole target; no other thread may touch what the item writes.
    ///
    /// # Panics
    /// If there are too few weights or values to finish with.
    pub(crate) unsafe fn run<T: Float>(
        &self,
        kernels: &Kernels<T>,
        item: usize,
        first: &Values<'_, T>,
        w: &[T],
        finish: Finish<'_, T>,
        y: *mut T,
    ) -> Written {
        let [_, [height, columns, c]] = self.sweep.sizes();
        let (k, width) = (self.outputs, kernels.width(self.outputs));
        let (image, band) = (item / self.bands, item % self.bands * self.band_rows);
        let rows = band..(band + self.band_rows).min(height);
        let padded = k.next_multiple_of(width.block);
        let Finish { bias, affine, residual, relu } = finish;
        assert!(w.len() >= c * padded && (bias.is_empty() || bias.len() >= padded));
        assert!(affine.is_none_or(|rows| rows.iter().all(|row| row.len() >= padded)));
        assert!(residual.is_empty() || residual.len() >= (image + 1) * height * columns * k);
        let spans = [Span { start: 0, len: c }];
        with_scratch(self.rows * columns * c, |local: &mut [T]| {
            for row in rows.clone().step_by(self.rows) {
                let end = (row + self.rows).min(rows.end);
                let pixels = (end - row) * columns;
                let start = (image * height + row) * columns * k;
                let (bias, affine, residual) = finish.pointers(start);
                // SAFETY: scratch memory has room for the rows, which begin where `row` would lie; all tiles lie inside the target,
                // and weights and coefficients hold whole blocks.
                unsafe {
                    let before = local.as_mut_ptr().wrapping_sub(row * columns * c);
                    self.sweep.compute(kernels, [image, 1], [row, end], [0, c], first, before);
                    let tile = Tile {
                        spans: &spans,
                        x: local.as_ptr(),
                        x_at: &self.x_at[..pixels],
                        w: w.as_ptr(),
                        y: y.add(start),
                        y_at: &self.y_at[..pixels],
                        cols: k,
                        bias,
                        affine,
                        residual,
                        relu,
                    };
                    if width.goes_ahead(c, k) {
                        let (at, len) = self.sweep.behind(image, [row, end]);
                        width.run_ahead(&tile, tile_rows(c), Some((first.x.as_ptr().wrapping_add(at), len)));
                        continue;
                    }
                    for from in (0..k).step_by(width.block) {
                        width.run_low(&tile.block(from, c * from, width.block), tile_rows(c));
                    }
                }
            }
        });
        let row = columns * k;
        Written::whole((image * height + rows.start) * row, rows.len() * row)
    }
}
