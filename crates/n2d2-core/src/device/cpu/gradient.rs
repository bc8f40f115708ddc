//! The weight gradient of convolutions and dense layers: register tiles that sum over pixels.
//!
//! A plan cuts the gradient into tiles and the batch into groups of images. An item owns some tiles for one group, so no
//! two items write the same value and the sum of every value has a fixed order. Small gradients are summed group by group
//! into buffers of their own and added afterwards; large ones have one group and go straight to their place.

use super::direct::Window;
use super::kernels::{GradTile, Kernels};
use crate::tensor::Float;

/// Bytes of the gradients of all groups.
const PARTS_BYTES: usize = 256 * 1024;
/// Groups of images at most.
const GROUPS: usize = 16;

/// Images of a group, a power of two, for at most `parts` groups (and 16) of `n` images.
pub(crate) fn group_of_images(n: usize, parts: usize) -> usize {
    n.div_ceil(parts.clamp(1, GROUPS)).next_power_of_two()
}

/// A register tile of the gradient.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// First input of the first pixel, relative to the image.
    x_at: usize,
    /// First output, relative to a pixel.
    d_at: usize,
    /// First value of the gradient.
    g_at: usize,
    lines: usize,
    values: usize,
    cols: usize,
}

/// How a weight gradient is computed.
#[derive(Debug, Clone)]
pub(crate) struct GradientPlan {
    places: Vec<Place>,
    /// Groups of images, each with a gradient of its own.
    pub(crate) groups: usize,
    /// Images of a group, a power of two.
    pub(crate) group: usize,
    chunks: usize,
    images: usize,
    x_image: usize,
    d_image: usize,
    x_strides: [usize; 3],
    d_strides: [usize; 2],
    rows: usize,
    pixels: usize,
    band: usize,
    g_line: usize,
    /// Values of one gradient, padding included.
    pub(crate) len: usize,
    width_outputs: usize,
}

impl GradientPlan {
    /// A plan for inputs `[n][h][w][c]` (already padded: no tap leaves them) and output gradients `[n][oh][ow][k]`, with
    /// the packed layout `[group][block][r][s][c_group][block width]`.
    pub(crate) fn convolution<T: Float>(
        kernels: &Kernels<T>,
        window: &Window,
        n: usize,
        [h, w, c]: [usize; 3],
        [oh, ow, k]: [usize; 3],
        groups: usize,
    ) -> Self {
        let (cg, kg) = (c / groups, k / groups);
        let width = kernels.width(kg);
        let [kh, kw] = window.kernel;
        let blocks = kg.div_ceil(width.block);
        let block_stride = kh * kw * cg * width.block;
        // Neighbouring taps of a kernel row are one run of values where nothing lies between them.
        let (runs, run) = if groups == 1 && window.dilation[1] == 1 { (1, kw * cg) } else { (kw, cg) };
        let mut places = Vec::new();
        for group in 0..groups {
            for b in 0..blocks {
                let (d_at, cols) = (group * kg + b * width.block, width.block.min(kg - b * width.block));
                let base = (group * blocks + b) * block_stride;
                for part in 0..runs {
                    let lines_at_once = (1..=3.min(kh)).rev().find(|l| *l == 1 || width.grad_values(*l) >= run).unwrap_or(1);
                    let pieces = if lines_at_once > 1 { 1 } else { run.div_ceil(width.grad_values(1)) };
                    let mut r = 0;
                    while r < kh {
                        let lines = lines_at_once.min(kh - r);
                        for i in 0..pieces {
                            let (from, to) = (i * run / pieces, (i + 1) * run / pieces);
                            places.push(Place {
                                x_at: (r * window.dilation[0] * w + part * window.dilation[1]) * c + group * cg + from,
                                d_at,
                                g_at: base + (r * kw * cg + part * cg + from) * width.block,
                                lines,
                                values: to - from,
                                cols,
                            });
                        }
                        r += lines;
                    }
                }
            }
        }
        let len = groups * blocks * block_stride;
        let flat = [kh, kw] == [1, 1] && window.stride == [1, 1] && (h, w) == (oh, ow);
        let (rows, pixels) = if flat { (1, oh * ow) } else { (oh, ow) };
        // Rows of a band: inputs and gradients of about 48 KiB.
        let row_bytes = (pixels * k + w * c * window.stride[0]) * size_of::<T>();
        let band = (48 * 1024 / row_bytes.max(1)).clamp(1, rows.max(1));
        let group = match PARTS_BYTES / (len * size_of::<T>()).max(1) {
            0 | 1 => n.next_power_of_two(),
            parts => group_of_images(n, parts),
        };
        let image_groups = n.div_ceil(group).max(1);
        let chunks = 16_usize.div_ceil(image_groups).min(places.len().max(1));
        GradientPlan {
            places,
            groups: image_groups,
            group,
            chunks,
            images: n,
            x_image: h * w * c,
            d_image: oh * ow * k,
            x_strides: [window.stride[1] * c, window.stride[0] * w * c, window.dilation[0] * w * c],
            d_strides: [k, ow * k],
            rows,
            pixels,
            band,
            g_line: kw * cg * width.block,
            len,
            width_outputs: kg,
        }
    }

    /// A plan for a dense layer: inputs `[n][c]`, gradients `[n][k]`, layout `[block][c][block width]`.
    pub(crate) fn dense<T: Float>(kernels: &Kernels<T>, n: usize, c: usize, k: usize) -> Self {
        let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
        let mut plan = Self::convolution(kernels, &window, 1, [n, 1, c], [n, 1, k], 1);
        (plan.groups, plan.group) = (1, 1);
        plan.chunks = 16.min(plan.places.len().max(1));
        plan
    }

    /// Items of the phase.
    pub(crate) fn items(&self) -> usize {
        self.groups * self.chunks
    }

    /// Computes item `item` into `g`, `groups` gradients of `len` values. With one group and `add`, adds to what is there.
    ///
    /// # Safety
    /// `x`, `d` and `g` must be the whole tensors of the plan; items write disjoint parts of `g`.
    pub(crate) unsafe fn run<T: Float>(&self, kernels: &Kernels<T>, item: usize, x: *const T, d: *const T, g: *mut T, add: bool) {
        let width = kernels.width(self.width_outputs);
        let (group, chunk) = (item / self.chunks, item % self.chunks);
        let part = |i: usize, n: usize, of: usize| i * n / of;
        let places = &self.places[part(chunk, self.places.len(), self.chunks)..part(chunk + 1, self.places.len(), self.chunks)];
        let mut first = !add;
        for image in group * self.group..((group + 1) * self.group).min(self.images) {
            let mut row = 0;
            while row < self.rows {
                let rows = self.band.min(self.rows - row);
                for p in places {
                    // SAFETY: the plan's offsets lie inside the tensors it was made for.
                    unsafe {
                        let tile = GradTile {
                            x: x.add(image * self.x_image + row * self.x_strides[1] + p.x_at),
                            x_strides: self.x_strides,
                            d: d.add(image * self.d_image + row * self.d_strides[1] + p.d_at),
                            d_strides: self.d_strides,
                            rows,
                            pixels: self.pixels,
                            cols: p.cols,
                            g: g.add(group * self.len + p.g_at),
                            g_line: self.g_line,
                            add: !first,
                        };
                        width.run_grad(p.lines, p.values, &tile);
                    }
                }
                first = false;
                row += rows;
            }
        }
    }
}
