//! The weight gradient of convolutions and dense layers: register tiles that sum over pixels.
//!
//! A plan cuts the gradient into tiles and the batch into groups of images or, where there are few, of rows of an image. An item
//! owns some tiles for one group, so no two items write the same value and the sum of every value has a fixed order. The groups sum
//! into buffers of their own, which are added afterwards; where that would cost more memory traffic than it saves, there is one
//! group and the sums go straight to their place. The item that owns the first tile of some outputs also sums their gradients, that
//! of the bias, while they are in the cache.
//!
//! An item goes through its images in bands that stay in the first-level cache: some rows of an image, or some whole small images.
//! The inputs of a band are copied where taps leave the image, with a gap between pixels so that they do not all fall in the same
//! sets of the cache; the output gradients are packed block by block where that pays.

use super::direct::{Window, with_scratch};
use super::kernels::{GradTile, Kernels};
use crate::tensor::Float;
use std::ops::Range;

/// Bytes of a band that a tile reads: the first-level cache holds them.
const BAND_BYTES: usize = 32 * 1024;
/// The same of single pixels, each of which a tile reads once: the second-level cache holds them.
const POINTWISE_BYTES: usize = 64 * 1024;
/// Items wanted.
const ITEMS: usize = 16;
/// Bytes of sums that stay in the second-level cache beside a band.
const SUMS_BYTES: usize = 640 * 1024;
/// Values of a tap that an output gradient must serve in an item before it is copied.
const WORTH_A_COPY: usize = 256;
/// Bytes of the gradients of all groups that cost next to nothing.
const PARTS_BYTES: usize = 256 * 1024;
/// Groups at most.
const GROUPS: usize = 16;
/// Pixels of a group of rows at least: fewer are over before a tile is worth its beginning and end.
const GROUP_PIXELS: usize = 128;
/// Outputs of the widest block.
const WIDEST: usize = 32;

/// Images of a group, a power of two, for at most `parts` groups (and [`GROUPS`]) of `n` images.
pub(crate) fn group_of_images(n: usize, parts: usize) -> usize {
    n.div_ceil(parts.clamp(1, GROUPS)).next_power_of_two()
}

/// A register tile of the gradient.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// First input of the first pixel, relative to the band.
    x_at: usize,
    /// Block of outputs, counted over all groups of channels; its first output, and how many it has.
    block: usize,
    d_at: usize,
    cols: usize,
    /// True for the first of the block.
    first: bool,
    /// First value of the gradient.
    g_at: usize,
    /// First kernel row, and kernel rows.
    row: usize,
    lines: usize,
    values: usize,
}

/// How a weight gradient is computed.
#[derive(Debug, Clone)]
pub(crate) struct GradientPlan {
    places: Vec<Place>,
    /// Groups of images or of rows, each with a gradient of its own.
    pub(crate) groups: usize,
    /// Images of a group, a power of two.
    pub(crate) group: usize,
    /// Groups of rows of an image; 1 if a group has several images.
    splits: usize,
    chunks: usize,
    images: usize,
    window: Window,
    /// `[h, w, c]` and `[oh, ow, k]`.
    image: [usize; 3],
    full: [usize; 3],
    /// Images and output rows of a band; one of them is 1 or the whole.
    band: [usize; 2],
    /// Width of the copied rows of a band, and from a pixel to the next in them; `None` if the images are read in place.
    copied: Option<[usize; 2]>,
    /// True if the output gradients of a band are packed block by block.
    packed: bool,
    /// Blocks of a group of channels, and outputs of it.
    blocks: usize,
    outputs: usize,
    block: usize,
    g_line: usize,
    /// Values of one gradient, padding included.
    pub(crate) len: usize,
}

/// The pixels of a band and where they lie.
struct Band {
    image: usize,
    images: usize,
    row: usize,
    rows: usize,
}

impl GradientPlan {
    /// A plan for inputs `[n][h][w][c]` and output gradients `[n][oh][ow][k]`, with the packed layout
    /// `[group][block][r][s][c_group][block width]`.
    pub(crate) fn convolution<T: Float>(
        kernels: &Kernels<T>,
        window: &Window,
        n: usize,
        [h, w, c]: [usize; 3],
        [oh, ow, k]: [usize; 3],
        groups: usize,
    ) -> Self {
        Self::of_groups(kernels, window, n, [h, w, c], [oh, ow, k], groups, GROUPS)
    }

    /// The same with so many groups of images or rows at most.
    fn of_groups<T: Float>(
        kernels: &Kernels<T>,
        window: &Window,
        n: usize,
        [h, w, c]: [usize; 3],
        [oh, ow, k]: [usize; 3],
        groups: usize,
        most: usize,
    ) -> Self {
        let (cg, kg) = (c / groups, k / groups);
        let width = kernels.width(kg);
        let [kh, kw] = window.kernel;
        let blocks = kg.div_ceil(width.block);
        let block_stride = kh * kw * cg * width.block;
        let len = groups * blocks * block_stride;
        let pads = window.padding != [0, 0];
        let pixel_bytes = (width.block + (c * window.stride[1]).min(width.block)) * size_of::<T>();
        let pixels = if [kh, kw] == [1, 1] { POINTWISE_BYTES } else { BAND_BYTES } / pixel_bytes;
        let band = if oh * ow >= pixels { [1, (pixels / ow).clamp(1, oh)] } else { [(pixels / (oh * ow)).clamp(1, n.max(1)), oh] };

        // A copy with one cache line between pixels spreads them over the sets of the cache.
        let aliased = c.is_multiple_of(64);
        let copied = pads.then(|| [(ow - 1) * window.stride[1] + window.dilation[1] * (kw - 1) + 1, if aliased { c + 16 } else { c }]);
        let [x_width, pitch] = copied.unwrap_or([w, c]);

        // Neighbouring taps of a kernel row are one run of values where nothing lies between them.
        let (runs, run) = if groups == 1 && window.dilation[1] == 1 && pitch == c { (1, kw * cg) } else { (kw, cg) };
        let mut places = Vec::new();
        for group in 0..groups {
            for b in 0..blocks {
                let base = (group * blocks + b) * block_stride;
                let (d_at, cols) = (group * kg + b * width.block, width.block.min(kg - b * width.block));
                for part in 0..runs {
                    let lines_at_once = (1..=3.min(kh)).rev().find(|l| *l == 1 || width.grad_values(*l) >= run).unwrap_or(1);
                    let pieces = if lines_at_once > 1 { 1 } else { run.div_ceil(width.grad_values(1)) };
                    for row in (0..kh).step_by(lines_at_once) {
                        for i in 0..pieces {
                            let (from, to) = (i * run / pieces, (i + 1) * run / pieces);
                            places.push(Place {
                                x_at: (row * window.dilation[0] * x_width + part * window.dilation[1]) * pitch + group * cg + from,
                                block: group * blocks + b,
                                d_at,
                                cols,
                                first: part == 0 && row == 0 && i == 0,
                                g_at: base + (row * kw * cg + part * cg + from) * width.block,
                                row,
                                lines: lines_at_once.min(kh - row),
                                values: to - from,
                            });
                        }
                    }
                }
            }
        }

        // Every chunk of tiles reads the inputs again, every group writes all sums, which are then read and added.
        let again = n * h * w * c;
        let bands = (n * oh * ow).div_ceil(pixels);
        let cost = |(group, splits): (usize, usize)| {
            let groups = n.div_ceil(group).max(1) * splits;
            let chunks = ITEMS.div_ceil(groups).min(places.len());
            let overflows = len * size_of::<T>() / chunks.max(1) > SUMS_BYTES;
            let parts = if groups * len * size_of::<T>() > PARTS_BYTES && groups > 1 { 12 * groups * len } else { 0 };
            chunks * again + parts + if overflows { 2 * bands * len } else { 0 }
        };
        let smallest = group_of_images(n, most);
        let sizes = std::iter::successors(Some(smallest), |g| (*g < n).then_some(2 * g)).map(|g| (g, 1));
        let most_splits = if smallest == 1 { (most / n.max(1)).min(oh).min(oh * ow / GROUP_PIXELS) } else { 1 };
        let splits = std::iter::successors(Some(2), |s| Some(2 * s)).take_while(|s| *s <= most_splits).map(|s| (1, s));
        let (group, splits) = sizes.chain(splits).min_by_key(|cut| cost(*cut)).unwrap_or((smallest, 1));
        let all_groups = n.div_ceil(group).max(1) * splits;
        let chunks = ITEMS.div_ceil(all_groups).min(places.len().max(1));
        let served = (kh * kw * cg).min(places.len() * width.grad_values(1) / chunks);
        let packed = [kh, kw] != [1, 1] && served >= WORTH_A_COPY && (k > width.block || (pads && band[0] > 1));
        GradientPlan {
            places,
            groups: all_groups,
            group,
            splits,
            chunks,
            images: n,
            window: *window,
            image: [h, w, c],
            full: [oh, ow, k],
            band,
            copied,
            packed,
            blocks,
            outputs: kg,
            block: width.block,
            g_line: kw * cg * width.block,
            len,
        }
    }

    /// A plan of one group for a dense layer: inputs `[n][c]`, gradients `[n][k]`, layout `[block][c][block width]`.
    pub(crate) fn dense<T: Float>(kernels: &Kernels<T>, n: usize, c: usize, k: usize) -> Self {
        let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };
        Self::of_groups(kernels, &window, 1, [n, 1, c], [n, 1, k], 1, 1)
    }

    /// Items of the phase.
    pub(crate) fn items(&self) -> usize {
        self.groups * self.chunks
    }

    /// Computes item `item` into `g`, `groups` gradients of `len` values. With one group and `add`, adds to what is there. Sums the
    /// output gradients into `bias`, `groups` rows of all outputs, unless that is null.
    ///
    /// # Safety
    /// `x`, `d`, `g` and `bias` must be the whole tensors of the plan; items write disjoint parts of `g` and `bias`.
    pub(crate) unsafe fn run<T: Float>(
        &self,
        kernels: &Kernels<T>,
        item: usize,
        [x, d]: [*const T; 2],
        g: *mut T,
        add: bool,
        bias: *mut T,
    ) {
        let (group, chunk) = (item / self.chunks, item % self.chunks);
        let part = |i: usize, n: usize, of: usize| i * n / of..(i + 1) * n / of;
        let places = &self.places[part(chunk, self.places.len(), self.chunks)];
        let (first_image, split) = (group / self.splits * self.group, group % self.splits);
        let images = first_image..(first_image + self.group).min(self.images);
        let out_rows = part(split, self.full[0], self.splits);
        // Places lie block by block.
        let blocks = places.first().map_or(0, |p| p.block)..places.last().map_or(0, |p| p.block + 1);
        let [ni, nr] = self.band;
        let pixels = ni * nr * self.full[1];
        let x_len = self.copied.map_or(0, |[width, pitch]| ni * self.local_rows(nr) * width * pitch);
        let d_len = if self.packed { blocks.len() * pixels * self.block } else { 0 };
        let mut x_at = Vec::with_capacity(pixels);
        let bias = if bias.is_null() { bias } else { bias.wrapping_add(group * self.full[2]) };
        let (mut first, mut first_band, mut offsets_of) = (!add, true, [0, 0]);
        with_scratch(x_len.next_multiple_of(16) + d_len, |scratch: &mut [T]| {
            let (x_local, d_local) = scratch.split_at_mut(x_len.next_multiple_of(16));
            for image in images.clone().step_by(ni) {
                for row in out_rows.clone().step_by(nr) {
                    let band = Band { image, images: ni.min(images.end - image), row, rows: nr.min(out_rows.end - row) };
                    if offsets_of != [band.images, band.rows] {
                        offsets_of = [band.images, band.rows];
                        self.offsets(&band, &mut x_at);
                    }
                    // SAFETY: the band lies inside the tensors of the plan.
                    unsafe {
                        let x = match self.copied {
                            Some(size) => {
                                self.copy_inputs(&band, size, x, x_local);
                                x_local.as_ptr()
                            }
                            None => x.add((image * self.image[0] + row * self.window.stride[0]) * self.image[1] * self.image[2]),
                        };
                        if self.packed {
                            self.pack_gradients(&band, &blocks, d, d_local);
                        }
                        let d =
                            if self.packed { d_local.as_ptr() } else { d.add((image * self.full[0] + row) * self.full[1] * self.full[2]) };
                        if !bias.is_null() {
                            self.sum_outputs(kernels, places, blocks.start, x_at.len(), d, bias, !first_band);
                        }
                        self.sum(kernels, &band, places, blocks.start, x, &x_at, d, g.add(group * self.len), !first);
                    }
                    (first, first_band) = (false, false);
                }
            }
        });
    }

    /// Input rows that `rows` output rows read.
    fn local_rows(&self, rows: usize) -> usize {
        (rows - 1) * self.window.stride[0] + self.window.dilation[0] * (self.window.kernel[0] - 1) + 1
    }

    /// True if the pixels of a band lie row by row, each row of all images, rather than image by image.
    fn row_by_row(&self) -> bool {
        self.packed
    }

    /// The offset of each pixel's inputs.
    fn offsets(&self, band: &Band, x_at: &mut Vec<usize>) {
        let [sh, sw] = self.window.stride;
        let (image, [width, pitch]) = match self.copied {
            Some(size) => (self.local_rows(band.rows) * size[0] * size[1], size),
            None => (self.image.iter().product(), [self.image[1], self.image[2]]),
        };
        x_at.clear();
        let mut row = |i: usize, j: usize| x_at.extend((0..self.full[1]).map(|q| i * image + (j * sh * width + q * sw) * pitch));
        if self.row_by_row() {
            (0..band.rows).for_each(|j| (0..band.images).for_each(|i| row(i, j)));
        } else {
            (0..band.images).for_each(|i| (0..band.rows).for_each(|j| row(i, j)));
        }
    }

    /// Copies the inputs of a band with their border of zeros.
    unsafe fn copy_inputs<T: Float>(&self, band: &Band, [width, pitch]: [usize; 2], x: *const T, local: &mut [T]) {
        let [h, w, c] = self.image;
        let [top, left] = self.window.padding;
        let rows = self.local_rows(band.rows);
        for (at, line) in local.chunks_exact_mut(width * pitch).take(band.images * rows).enumerate() {
            let y = band.row * self.window.stride[0] + at % rows;
            if y < top || y >= h + top {
                line.fill(T::zero());
                continue;
            }
            // Columns left..right of the local row are inside the image.
            let right = width.min(left + w);
            line[..left.min(width) * pitch].fill(T::zero());
            line[right.max(left.min(width)) * pitch..].fill(T::zero());
            // SAFETY: the row exists.
            let from = unsafe { std::slice::from_raw_parts(x.add(((band.image + at / rows) * h + y - top) * w * c), w * c) };
            if left >= right {
                continue;
            }
            let inside = &mut line[left * pitch..right * pitch];
            if pitch == c {
                inside.copy_from_slice(&from[..inside.len()]);
            } else {
                inside.chunks_exact_mut(pitch).zip(from.chunks_exact(c)).for_each(|(to, from)| to[..c].copy_from_slice(from));
            }
        }
    }

    /// Packs the output gradients of a band: `[block][pixel][output of the block]`, zeros where there is no output.
    unsafe fn pack_gradients<T: Float>(&self, band: &Band, blocks: &Range<usize>, d: *const T, local: &mut [T]) {
        let [oh, ow, k] = self.full;
        let pixels = band.rows * band.images * ow;
        for (block, to) in blocks.clone().zip(local.chunks_exact_mut(pixels * self.block)) {
            let first = block % self.blocks * self.block;
            let (d_at, cols) = (block / self.blocks * self.outputs + first, self.block.min(self.outputs - first));
            for (at, to) in to.chunks_exact_mut(ow * self.block).enumerate() {
                let (row, image) = (band.row + at / band.images, band.image + at % band.images);
                // SAFETY: the row exists.
                let from = unsafe { std::slice::from_raw_parts(d.add((image * oh + row) * ow * k), ow * k) };
                for (to, from) in to.chunks_exact_mut(self.block).zip(from.chunks_exact(k)) {
                    to[..cols].copy_from_slice(&from[d_at..d_at + cols]);
                    to[cols..].fill(T::zero());
                }
            }
        }
    }

    /// The pixels of a band that see no row above or below the image through the kernel rows of a place.
    fn seen(&self, band: &Band, p: &Place) -> Range<usize> {
        let row_pixels = band.images * self.full[1];
        if self.window.padding[0] == 0 || (!self.row_by_row() && band.images > 1) {
            return 0..band.rows * row_pixels;
        }
        let [h, top, stride] = [self.image[0], self.window.padding[0], self.window.stride[0]];
        let [first, last] = [p.row, p.row + p.lines - 1].map(|r| r * self.window.dilation[0]);
        let lowest = top.saturating_sub(last).div_ceil(stride);
        let end = if first >= h + top { 0 } else { (h + top - first).div_ceil(stride) };
        let from = lowest.saturating_sub(band.row).min(band.rows);
        from * row_pixels..end.saturating_sub(band.row).clamp(from, band.rows) * row_pixels
    }

    /// Where the gradients of a place's outputs begin in a band, and from a pixel to the next.
    fn outputs_of(&self, p: &Place, first_block: usize, pixels: usize) -> (usize, usize) {
        if self.packed { ((p.block - first_block) * pixels * self.block, self.block) } else { (p.d_at, self.full[2]) }
    }

    /// Adds the output gradients of a band to those of the bias, or stores them: of the blocks that begin among these places.
    unsafe fn sum_outputs<T: Float>(
        &self,
        kernels: &Kernels<T>,
        places: &[Place],
        first_block: usize,
        pixels: usize,
        d: *const T,
        bias: *mut T,
        add: bool,
    ) {
        let mut sums = [T::zero(); WIDEST];
        for p in places.iter().filter(|p| p.first) {
            let (at, stride) = self.outputs_of(p, first_block, pixels);
            // SAFETY: the outputs of the block at every pixel of the band, and their biases.
            unsafe {
                kernels.column_sum_at(d.add(at), pixels, stride, &mut sums[..p.cols]);
                for (i, sum) in sums[..p.cols].iter().enumerate() {
                    let to = bias.add(p.d_at + i);
                    *to = if add { *to + *sum } else { *sum };
                }
            }
        }
    }

    /// Adds the sums of a band to the gradient, or stores them.
    ///
    /// While a tile of images that are read in place is computed, what it will need of the next band is fetched.
    unsafe fn sum<T: Float>(
        &self,
        kernels: &Kernels<T>,
        band: &Band,
        places: &[Place],
        first_block: usize,
        x: *const T,
        x_at: &[usize],
        d: *const T,
        g: *mut T,
        add: bool,
    ) {
        let width = kernels.width(self.outputs);
        let next = match (self.copied.is_some() || self.packed, self.full[0] == band.rows) {
            (true, _) => None,
            (false, true) => Some(band.images * self.image[0]),
            (false, false) => Some(band.rows * self.window.stride[0]),
        };
        let next = next.map(|rows| [rows * self.image[1] * self.image[2], x_at.len() * self.full[2]]);
        let line = self.window.dilation[0] * self.copied.map_or(self.image[1] * self.image[2], |[width, pitch]| width * pitch);
        for (i, p) in places.iter().enumerate() {
            let (d_block, d_stride) = self.outputs_of(p, first_block, x_at.len());
            let cols = if self.packed { self.block } else { p.cols };
            let seen = self.seen(band, p);
            // SAFETY: the offsets of the plan lie inside the band, the place inside the gradient.
            unsafe {
                let tile = GradTile {
                    x: x.add(p.x_at),
                    x_line: line,
                    x_at: &x_at[seen.clone()],
                    d: d.add(d_block + seen.start * d_stride),
                    d_stride,
                    x_later: x.wrapping_add(p.x_at + next.map_or(0, |n| n[0])),
                    // A block of outputs is two lines at most.
                    d_later: d.wrapping_add(d_block + next.map_or(0, |n| n[1] + i % 2 * (self.block / 2))),
                    d_later_stride: d_stride,
                    cols,
                    g: g.add(p.g_at),
                    g_line: self.g_line,
                    add,
                };
                width.run_grad(p.lines, p.values, &tile);
            }
        }
    }
}
