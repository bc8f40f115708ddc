//! Convolutions of single pixels: all blocks of outputs of a few pixels before the next pixels.
//!
//! With few channels a register tile is soon over, and what it waits for weighs: the lines of the next pixels, and those
//! that will be written, come from the third cache or from memory. A tile asks for its share of them while it multiplies, some lines
//! a step. Asked for all at once they would be more than the processor keeps track of.

use super::kernels::{Tile, Width};
use super::simd::LINE_BYTES;
use crate::tensor::Float;

/// Bytes of weights at most: they are read anew for each tile, from the second cache.
const WEIGHT_BYTES: usize = 512 * 1024;

/// Lines that a tile asks for at each step of its sums: one to be read, and one to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead<T> {
    /// The first of each; any address will do.
    pub(crate) x: *const T,
    pub(crate) y: *const T,
    /// Elements from a step to the next.
    pub(crate) x_step: usize,
    pub(crate) y_step: usize,
}

impl<T> Ahead<T> {
    /// For tiles that do not ask.
    pub(crate) const NONE: Self = Ahead { x: std::ptr::null(), y: std::ptr::null(), x_step: 0, y_step: 0 };
}

impl<T: Float> Width<T> {
    /// True if [`Width::run_ahead`] is better for so many inputs and outputs than one block of outputs after the other.
    pub(crate) fn goes_ahead(&self, inputs: usize, outputs: usize) -> bool {
        !self.ahead_tiles.is_empty() && inputs * outputs.next_multiple_of(self.block) * size_of::<T>() <= WEIGHT_BYTES
    }

    /// Computes a tile of any number of pixels and outputs: the pixels have a single span each, their outputs lie one behind the other,
    /// and so do the weights of the blocks of outputs. Register tiles have at most `rows` rows. `next` is what will be read next, and how
    /// many values; without it, as many pixels behind these.
    ///
    /// # Safety
    /// As [`Width::run`], where [`Width::goes_ahead`]; there must be whole blocks of all that is read for outputs.
    pub(crate) unsafe fn run_ahead(&self, t: &Tile<'_, T>, rows: usize, next: Option<(*const T, usize)>) {
        let (inputs, outputs, all) = (t.spans[0].len, t.cols, t.x_at.len());
        let (blocks, parts) = (outputs.div_ceil(self.block), all.div_ceil(rows.min(self.rows)));
        // Pixels that lie one behind the other are followed by the next: of this item, or of that which probably comes next.
        let neighbours = all < 2 || t.x_at[1] - t.x_at[0] == inputs;
        let behind = if neighbours { (t.x.wrapping_add(t.x_at[0] + all / parts * inputs), all * inputs) } else { (t.x, 0) };
        let (x, values) = next.unwrap_or(behind);
        let share = [values, all * outputs].map(|values| values / (parts * blocks));
        let [x_step, y_step] = share.map(|values| values.div_ceil(inputs).min(LINE_BYTES / size_of::<T>()));
        let mut ahead = Ahead { x, y: t.y.wrapping_add(t.y_at[0] + all / parts * outputs), x_step, y_step };
        let mut from = 0;
        for part in 0..parts {
            let to = (part + 1) * all / parts;
            let pixels = Tile { x_at: &t.x_at[from..to], y_at: &t.y_at[from..to], ..*t };
            for first in (0..outputs).step_by(self.block) {
                let tile = pixels.block(first, first * inputs, self.block);
                // SAFETY: a part of the caller's tile; the table was made for this processor.
                unsafe { self.ahead_tiles[to - from - 1](&tile, ahead) };
                (ahead.x, ahead.y) = (ahead.x.wrapping_add(share[0]), ahead.y.wrapping_add(share[1]));
            }
            from = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernels::Span;
    use super::*;
    use crate::device::cpu::{isas, kernels_f32_of};
    use crate::random::test_values;

    #[test]
    fn bits_are_those_of_one_block_after_the_other() {
        for isa in isas() {
            for (pixels, inputs, outputs, step, rows) in [(1, 3, 40, 1, 99), (29, 33, 64, 1, 99), (20, 16, 90, 2, 8), (14, 5, 32, 1, 99)] {
                let width = kernels_f32_of(isa).width(outputs);
                if !width.goes_ahead(inputs, outputs) {
                    continue;
                }
                let values = |n: usize, seed: u64| test_values(n, seed).iter().map(|v| *v as f32).collect::<Vec<_>>();
                let padded = outputs.next_multiple_of(width.block);
                let (x, w, bias) = (values(pixels * step * inputs, 1), values(inputs * padded, 2), values(padded, 3));
                let x_at: Vec<usize> = (0..pixels).map(|p| p * step * inputs).collect();
                let y_at: Vec<usize> = (0..pixels).map(|p| p * outputs).collect();
                let spans = [Span { start: 0, len: inputs }];
                let blocks = padded / width.block;
                let tile = |y: *mut f32, b: usize, cols: usize| Tile {
                    spans: &spans,
                    x: x.as_ptr(),
                    x_at: &x_at,
                    w: w[b * inputs * width.block..].as_ptr(),
                    y: y.wrapping_add(b * width.block),
                    y_at: &y_at,
                    cols,
                    bias: bias[b * width.block..].as_ptr(),
                    affine: [std::ptr::null(); 3],
                    residual: std::ptr::null(),
                    relu: true,
                };
                let (mut want, mut got) = (vec![9.0f32; pixels * outputs + 1], vec![9.0f32; pixels * outputs + 1]);
                let (of_blocks, of_pixels) = (want.as_mut_ptr(), got.as_mut_ptr());
                // SAFETY: the tiles cover the images, whole blocks of weights, and all outputs.
                unsafe {
                    (0..blocks).for_each(|b| width.run(&tile(of_blocks, b, width.block.min(outputs - b * width.block))));
                    width.run_ahead(&tile(of_pixels, 0, outputs), rows, None);
                }
                assert_eq!(want, got, "{isa:?}: {pixels} pixels, {inputs} -> {outputs}");
                assert_eq!(got[pixels * outputs], 9.0);
            }
        }
    }

    #[test]
    fn only_weights_that_stay_in_the_second_cache_are_read_anew() {
        for isa in isas() {
            let width = kernels_f32_of(isa).width(512);
            assert_eq!(width.goes_ahead(256, 512), isa != crate::device::cpu::Isa::Portable);
            assert!(!width.goes_ahead(512, 512));
        }
    }
}
