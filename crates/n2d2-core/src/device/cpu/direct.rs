//! Direct convolution over channels-last images: no im2col, no packing of the input.
//!
//! Forward and the gradient towards the input are the same sweep: every output pixel is a sum over taps, each tap a run of
//! neighbouring source values times packed weights. A [`Geometry`] holds the offsets of one image band, computed once a
//! shape. Where taps leave the image, the band is first copied with a border of zeros; it stays in the cache. With few images an item is
//! one of some parts of the outputs of a band, see [`super::cut`].
//!
//! The gradient of a strided convolution splits the input pixels in `stride_h * stride_w` phases; within a phase the
//! taps that contribute are the same for all pixels, so each phase is a sweep of its own.
//!
//! A convolution of single pixels does not know where an image ends: several small ones are taken as one image, one above the other.

use super::cut::{Batch, Cut, Image, image_block};
use super::kernels::{Kernels, Span, Tile, Width};
use crate::tensor::{Buffer, Float};
use std::cell::RefCell;
use std::ops::Range;
use std::ptr::null;

/// Pixels that are a multiple of so many values apart fall into the same set of the first-level cache, which holds eight lines.
const ALIASED: usize = 1024;

/// Pixels of a register tile where they do.
const ALIASED_ROWS: usize = 8;

/// Most pixels of a register tile, where they are so many values apart.
pub(crate) fn tile_rows(step: usize) -> usize {
    if step.is_multiple_of(ALIASED) { ALIASED_ROWS } else { usize::MAX }
}

/// Pixels of the images that are taken as one: whole register tiles, which share what they read of the weights.
const STACKED: usize = 98;

/// Kernel window: pairs are `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Kernel size.
    pub kernel: [usize; 2],
    /// Step between outputs.
    pub stride: [usize; 2],
    /// Zeros above and to the left (and as many below and to the right).
    pub padding: [usize; 2],
    /// Step between taps.
    pub dilation: [usize; 2],
}

impl Window {
    /// True if an output is made of the pixel at its place.
    pub(crate) fn is_pointwise(&self) -> bool {
        [self.kernel, self.stride] == [[1, 1]; 2] && self.padding == [0, 0]
    }

    /// Output size along an axis (0 height, 1 width), or `None` if the window does not fit.
    pub fn output(&self, axis: usize, size: usize) -> Option<usize> {
        let extent = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
        (size + 2 * self.padding[axis]).checked_sub(extent).map(|free| free / self.stride[axis] + 1)
    }
}

/// The pixels of a band that share their taps.
#[derive(Debug, Clone)]
struct Sweep {
    spans: Vec<Span>,
    /// Place of the first tap in the packed weights.
    first_tap: usize,
    /// Source and target offset of each pixel of a band, row by row.
    x_at: Vec<usize>,
    y_at: Vec<usize>,
    /// Pixels of a row, and rows of the whole image.
    columns: usize,
    rows: usize,
}

/// Offsets of a convolution-like sweep over one image.
#[derive(Debug, Clone)]
pub struct Geometry {
    /// Images of the batch, and how many lie one above the other in each that is meant below: a power of two.
    images: usize,
    stack: usize,
    source: [usize; 3],
    /// Source row and column of the local origin of the first band.
    first: [isize; 2],
    row_step: usize,
    /// Width of the local band, and its rows.
    local_width: usize,
    local_rows: usize,
    /// True if no tap leaves the source: it is read in place.
    in_place: bool,
    band_rows: usize,
    bands: usize,
    /// Parts of the outputs, each of which an item of its own computes.
    parts: usize,
    target_len: usize,
    band_target: usize,
    /// Channels of the target.
    target_channels: usize,
    /// All write different pixels.
    sweeps: Vec<Sweep>,
    taps: Vec<[usize; 2]>,
    /// Pixels of a row are neighbouring values of the source.
    unit_step: bool,
    /// There is one tap at most, not of a group, and all pixels of the target are written one behind the other.
    contiguous: bool,
    /// Most pixels of a register tile.
    tile_rows: usize,
}

/// A tap along one axis: its index in the kernel and its local offset.
type AxisTap = (usize, usize);

/// The first `count` phases along one axis of the gradient of a strided convolution: for each residue the taps and local
/// offsets, then the first local offset and the reach.
fn phases(count: usize, w: &Window, axis: usize) -> (Vec<Vec<AxisTap>>, isize, usize) {
    let [kernel, stride, padding, dilation] = [w.kernel, w.stride, w.padding, w.dilation].map(|sizes| sizes[axis]);
    let offset = |a: usize, r: usize| {
        let v = a as isize + padding as isize - (r * dilation) as isize;
        (v.rem_euclid(stride as isize) == 0).then(|| v.div_euclid(stride as isize))
    };
    let all: Vec<isize> = (0..count).flat_map(|a| (0..kernel).filter_map(move |r| offset(a, r))).collect();
    let low = all.iter().copied().min().unwrap_or(0);
    let high = all.iter().copied().max().unwrap_or(0);
    let taps = (0..count).map(|a| (0..kernel).rev().filter_map(|r| offset(a, r).map(|e| (r, (e - low) as usize))).collect()).collect();
    (taps, low, (high - low + 1) as usize)
}

struct Axis {
    /// Taps of each phase.
    taps: Vec<Vec<AxisTap>>,
    first: isize,
    reach: usize,
    /// Source step from a pixel of a phase to the next.
    step: usize,
    /// Pixels of each phase.
    pixels: Vec<usize>,
    /// Target step from a pixel of a phase to the next.
    target_step: usize,
}

impl Axis {
    fn forward(w: &Window, axis: usize, output: usize) -> Self {
        let taps = (0..w.kernel[axis]).map(|r| (r, r * w.dilation[axis])).collect();
        Axis {
            taps: vec![taps],
            first: -(w.padding[axis] as isize),
            reach: w.dilation[axis] * (w.kernel[axis] - 1) + 1,
            step: w.stride[axis],
            pixels: vec![output],
            target_step: 1,
        }
    }

    fn backward(w: &Window, axis: usize, input: usize) -> Self {
        // An image smaller than the stride has one pixel of each phase that it reaches.
        let count = w.stride[axis].min(input);
        let (taps, first, reach) = phases(count, w, axis);
        let pixels = (0..count).map(|a| (input - a).div_ceil(count)).collect();
        Axis { taps, first, reach, step: 1, pixels, target_step: count }
    }

    /// Runs of pixels of phase `a` that have the same taps inside a source of `size`, and these taps.
    fn classes(&self, a: usize, size: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let valid = |j: usize| {
            let at = |t: &AxisTap| self.first + (j * self.step + t.1) as isize;
            let inside: Vec<usize> = (0..self.taps[a].len()).filter(|t| (0..size as isize).contains(&at(&self.taps[a][*t]))).collect();
            // Offsets of successive taps rise or fall, so those inside are a run.
            inside.first().map_or(0..0, |first| *first..first + inside.len())
        };
        let mut classes: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for j in 0..self.pixels[a] {
            let v = valid(j);
            match classes.last_mut() {
                Some((js, taps)) if *taps == v => js.end = j + 1,
                _ => classes.push((j..j + 1, v)),
            }
        }
        classes
    }

    fn most_pixels(&self) -> usize {
        self.pixels.iter().copied().max().unwrap_or(0)
    }

    fn inside(&self, size: usize) -> bool {
        let last = self.first + ((self.most_pixels().max(1) - 1) * self.step + self.reach) as isize;
        self.first >= 0 && last <= size as isize
    }
}

impl Geometry {
    /// Forward: source `[h, w, c]`, target `[oh, ow, k]`.
    pub fn forward(window: &Window, image: [usize; 3], full: [usize; 3], batch: Batch) -> Self {
        let (stack, [h, w, c], [oh, ow, k]) = Self::stacked(window, image, full, &batch);
        Self::new(&Axis::forward(window, 0, oh), &Axis::forward(window, 1, ow), [h, w, c], [oh, ow, k], stack, batch)
    }

    /// Gradient towards the input: source `[oh, ow, k]`, target `[h, w, c]`; the outputs of `batch` are the channels `c`.
    pub fn backward(window: &Window, image: [usize; 3], full: [usize; 3], batch: Batch) -> Self {
        let (stack, [h, w, c], [oh, ow, k]) = Self::stacked(window, image, full, &batch);
        Self::new(&Axis::backward(window, 0, h), &Axis::backward(window, 1, w), [oh, ow, k], [h, w, c], stack, batch)
    }

    /// How many images lie one above the other, and the sizes of these.
    fn stacked(window: &Window, [h, w, c]: [usize; 3], [oh, ow, k]: [usize; 3], batch: &Batch) -> (usize, [usize; 3], [usize; 3]) {
        let most = batch.images.max(1).next_power_of_two();
        let stack = if window.is_pointwise() { image_block(h * w, STACKED).min(most) } else { 1 };
        (stack, [stack * h, w, c], [stack * oh, ow, k])
    }

    fn new(rows: &Axis, columns: &Axis, source: [usize; 3], target: [usize; 3], stack: usize, batch: Batch) -> Self {
        let [h, w, c] = source;
        let [th, tw, tc] = target;
        let c_group = c / batch.groups;
        let in_place = rows.inside(h) && columns.inside(w);
        let local_width = if in_place { w } else { (columns.most_pixels().max(1) - 1) * columns.step + columns.reach };
        let all_rows = rows.most_pixels();
        let every_tap = rows.taps.iter().map(Vec::len).sum::<usize>() * columns.taps.iter().map(Vec::len).sum::<usize>();
        let image = Image {
            rows: all_rows,
            columns: columns.pixels.iter().sum::<usize>() * rows.taps.len(),
            macs: every_tap * c_group * tc / (rows.taps.len() * columns.taps.len()).max(1),
            row_values: local_width * c * rows.step,
            weights: every_tap * c_group * tc,
            copied: !in_place,
        };
        let Cut { band_rows, parts } = image.cut(&Batch { images: batch.images.div_ceil(stack), ..batch });
        let bands = all_rows.div_ceil(band_rows).max(1);
        let (mut sweeps, mut taps) = (Vec::new(), Vec::new());
        for (a, row_taps) in rows.taps.iter().enumerate() {
            // Rows near the border skip the taps that lie outside, if the whole image is one band.
            let classes = if bands == 1 { rows.classes(a, h) } else { vec![(0..rows.pixels[a], 0..row_taps.len())] };
            for (b, column_taps) in columns.taps.iter().enumerate() {
                for (js, valid) in &classes {
                    let mut sweep = Sweep {
                        spans: Vec::new(),
                        first_tap: taps.len() + valid.start * column_taps.len(),
                        x_at: Vec::new(),
                        y_at: Vec::new(),
                        columns: columns.pixels[b],
                        rows: js.len(),
                    };
                    for &(_, dy) in &row_taps[valid.clone()] {
                        for &(_, dx) in column_taps {
                            let start = (dy * local_width + dx) * c;
                            match sweep.spans.last_mut() {
                                Some(last) if c_group == c && last.start + last.len == start => last.len += c_group,
                                _ => sweep.spans.push(Span { start, len: c_group }),
                            }
                        }
                    }
                    for j in if bands == 1 { js.clone() } else { 0..band_rows } {
                        for i in 0..sweep.columns {
                            sweep.x_at.push((j * rows.step * local_width + i * columns.step) * c);
                            sweep.y_at.push(((a + j * rows.target_step) * tw + b + i * columns.target_step) * tc);
                        }
                    }
                    sweeps.push(sweep);
                }
                taps.extend(row_taps.iter().flat_map(|&(r, _)| column_taps.iter().map(move |&(s, _)| [r, s])));
            }
        }
        Geometry {
            images: batch.images,
            stack,
            source,
            first: [rows.first, columns.first],
            row_step: rows.step,
            local_width,
            local_rows: (band_rows - 1) * rows.step + rows.reach,
            in_place,
            band_rows,
            bands,
            parts,
            target_len: th * tw * tc,
            band_target: band_rows * rows.target_step * tw * tc,
            target_channels: tc,
            sweeps,
            taps,
            contiguous: every_tap == 1 && batch.groups == 1 && rows.target_step * columns.target_step == 1,
            unit_step: c == 1 && columns.step == 1,
            tile_rows: tile_rows(c * columns.step),
        }
    }

    /// Items of the batch.
    pub fn items(&self) -> usize {
        self.images.div_ceil(self.stack) * self.bands * self.parts
    }

    /// True if the weights of each output are for one item only: that of its part of the only image, which is one band.
    pub(crate) fn reads_weights_once(&self) -> bool {
        self.items() == self.parts
    }

    /// Images that an item belongs to: a power of two.
    pub fn block(&self) -> usize {
        self.stack
    }

    /// What the register tiles of a dense sweep are called; with `adds` if it adds a residual.
    pub(crate) fn tile_name<T: Float>(&self, width: &Width<T>, adds: bool) -> String {
        let columns = self.sweeps.iter().map(|s| s.columns).max().unwrap_or(0);
        if self.unit_step { width.unit_name(columns, adds) } else { width.low_name(self.tile_rows) }
    }

    /// All taps as `[r, s]` of the kernel, in the order of the packed weights.
    pub fn taps(&self) -> &[[usize; 2]] {
        &self.taps
    }

    /// Copies the source rows of a band into `local`, zeros outside.
    fn copy_band<T: Float>(&self, image: &[T], band: usize, local: &mut [T]) {
        let [h, w, c] = self.source;
        let width = self.local_width * c;
        let (x0, x1) = (self.first[1], self.first[1] + self.local_width as isize);
        let (from, to) = (x0.clamp(0, w as isize) as usize, x1.clamp(0, w as isize) as usize);
        let pad = ((from as isize - x0).max(0) as usize * c).min(width);
        let n = (to - from) * c;
        let y0 = (band * self.band_rows * self.row_step) as isize + self.first[0];
        for (j, row) in local.chunks_exact_mut(width).take(self.local_rows).enumerate() {
            let y = y0 + j as isize;
            if y < 0 || y >= h as isize || n == 0 {
                row.fill(T::zero());
            } else {
                row[..pad].fill(T::zero());
                row[pad..pad + n].copy_from_slice(&image[(y as usize * w + from) * c..][..n]);
                row[pad + n..].fill(T::zero());
            }
        }
    }
}

thread_local! {
    static LOCAL: RefCell<Option<Buffer<u8>>> = const { RefCell::new(None) };
}

/// Calls `f` with `len` elements of this thread's scratch memory (any content).
pub(crate) fn with_scratch<T: Float, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    // Taken out of the cell meanwhile, so that nested use gets memory of its own.
    // A guarded build takes new memory each time: what is too large for `len` hides an overrun.
    let held = if cfg!(guarded) { None } else { LOCAL.take() };
    let buffer = match held {
        Some(b) if b.len() >= len * size_of::<T>() => b,
        _ => Buffer::uninit(len * size_of::<T>()),
    };
    // SAFETY: aligned to a cache line, large enough, only this call has it; all bits are valid floats.
    let scratch = unsafe { std::slice::from_raw_parts_mut(buffer.as_ptr().cast::<T>(), len) };
    let result = f(scratch);
    LOCAL.set(Some(buffer));
    result
}

/// What an item has written: `count` runs of `len` values, the first at `start`, `step` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    start: usize,
    len: usize,
    step: usize,
    count: usize,
}

impl Written {
    /// One run.
    pub(super) fn whole(start: usize, len: usize) -> Self {
        Written { start, len, step: len, count: 1 }
    }

    /// `count` runs of `len` values, `step` apart.
    pub(super) fn columns(start: usize, len: usize, step: usize, count: usize) -> Self {
        Written { start, len, step, count }
    }

    /// Start and length of each run.
    pub fn runs(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.count).map(move |i| (self.start + i * self.step, self.len))
    }
}

/// What is done to the sums of a sweep before they are stored, in this order.
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a, T> {
    /// Biases to begin with, each group padded to whole blocks, or empty.
    pub bias: &'a [T],
    /// Means, factors and biases of the outputs, `y = (y - mean) * factor + bias`, and as many values more as a block has.
    pub affine: Option<[&'a [T]; 3]>,
    /// What is added, laid out as the target, or empty.
    pub residual: &'a [T],
    /// Store `max(y, 0)`.
    pub relu: bool,
}

impl<T> Finish<'_, T> {
    /// Nothing.
    pub const NONE: Self = Finish { bias: &[], affine: None, residual: &[], relu: false };

    /// Where the biases, the coefficients, and what is added to the value of the target at place `at` lie: null if there are none.
    ///
    /// # Panics
    /// If something is added, but not so far.
    pub(super) fn pointers(&self, at: usize) -> (*const T, [*const T; 3], *const T) {
        let first = |values: &[T]| if values.is_empty() { null() } else { values.as_ptr() };
        let residual = if self.residual.is_empty() { null() } else { self.residual[at..].as_ptr() };
        (first(self.bias), self.affine.map_or([null(); 3], |rows| rows.map(<[T]>::as_ptr)), residual)
    }
}

/// Writes the weights of a block of outputs, counted over all groups.
pub(crate) type Pack<'a, T> = &'a dyn Fn(usize, &mut [T]);

/// One sweep over a batch: where everything lies.
pub struct Job<'a, T: Float> {
    /// The offsets.
    pub geometry: &'a Geometry,
    /// The kernels to use.
    pub kernels: &'a Kernels<T>,
    /// Source, `[n][h][w][c]`.
    pub x: &'a [T],
    /// Packed weights, `[group][block][tap][c_group][block width]`, or `[tap][c]` for depthwise.
    pub w: &'a [T],
    /// What is done to the sums.
    pub finish: Finish<'a, T>,
    /// Target, `[n][h][w][k]`; each item writes its own rows.
    pub y: *mut T,
    /// Number of groups; equal to the channels for depthwise.
    pub groups: usize,
    /// Source channels of a group.
    pub c_group: usize,
    /// Target channels of a group.
    pub k_group: usize,
    /// One source and one target channel a group: vectors run over channels.
    pub depthwise: bool,
}

// SAFETY: `y` is written in disjoint rows by the items.
unsafe impl<T: Float> Sync for Job<'_, T> {}

impl<T: Float> Job<'_, T> {
    /// Computes an item: of an image, the parts of the outputs one after the other, each in all bands.
    ///
    /// # Safety
    /// `y` must have room for the whole target; no other thread may touch what this item writes.
    ///
    /// # Panics
    /// If there are too few values to finish with.
    pub unsafe fn run(&self, item: usize) -> Written {
        // SAFETY: the caller's promise.
        unsafe { self.run_packing(item, None) }
    }

    /// The same with weights that are packed block by block, when they are needed: `pack` writes those of a block into what it gets.
    ///
    /// # Safety
    /// As [`Job::run`].
    pub(crate) unsafe fn run_packing(&self, item: usize, pack: Option<Pack<'_, T>>) -> Written {
        let g = self.geometry;
        let Finish { bias, affine, residual, .. } = self.finish;
        let (outputs, block) = (self.groups * self.k_group, self.kernels.width(self.k_group).block);
        let padded = if self.depthwise { outputs } else { self.groups * self.k_group.next_multiple_of(block) };
        let items = g.bands * g.parts;
        let (image, part, band) = (item / items, item % items / g.bands, item % g.bands);
        // The last image has fewer rows if the batch ends inside.
        let stacked = g.stack.min(g.images - image * g.stack);
        let end = image * g.target_len + stacked * (g.target_len / g.stack);
        assert!(bias.is_empty() || bias.len() >= padded);
        assert!(affine.is_none_or(|rows| rows.iter().all(|row| row.len() + 1 >= outputs + block)));
        assert!(residual.is_empty() || residual.len() >= end);
        let blocks = self.groups * self.blocks();
        let blocks = part * blocks / g.parts..(part + 1) * blocks / g.parts;
        let [h, w, c] = g.source;
        let source = &self.x[image * h * w * c..][..stacked * (h / g.stack) * w * c];
        let start = image * g.target_len + band * g.band_target;
        if start >= end {
            return Written::whole(end, 0);
        }
        let len = g.band_target.min(end - start);
        // SAFETY: `start` lies inside the target.
        let y = unsafe { self.y.add(start) };
        let (_, _, residual) = self.finish.pointers(start);
        if self.skips_idle() {
            // SAFETY: the rows of this band, which this item alone writes.
            unsafe { std::slice::from_raw_parts_mut(y, len) }.fill(T::zero());
        }
        if g.in_place {
            let at = ((band * g.band_rows * g.row_step) as isize + g.first[0]) as usize * w * c + g.first[1] as usize * c;
            // SAFETY: no tap leaves the source.
            unsafe { self.sweep(source.as_ptr().add(at), y, residual, band, stacked, &blocks, pack) };
        } else {
            with_scratch(g.local_rows * g.local_width * c, |local: &mut [T]| {
                g.copy_band(source, band, local);
                // SAFETY: the local band holds every tap of its pixels.
                unsafe { self.sweep(local.as_ptr(), y, residual, band, stacked, &blocks, pack) };
            });
        }
        if g.parts == 1 {
            return Written::whole(start, len);
        }
        let (from, to) = (self.first_output(blocks.start), self.first_output(blocks.end));
        Written::columns(start + from, to - from, g.target_channels, len / g.target_channels)
    }

    /// True if pixels that no tap reaches, and nothing else, are zero: the whole band is then filled at once, before the others are
    /// computed, instead of by tiles.
    fn skips_idle(&self) -> bool {
        let Finish { bias, affine, residual, .. } = self.finish;
        let plain = bias.is_empty() && affine.is_none() && residual.is_empty();
        plain && self.geometry.parts == 1 && self.geometry.sweeps.iter().any(|s| s.spans.is_empty())
    }

    /// Blocks of outputs of a group.
    fn blocks(&self) -> usize {
        if self.depthwise { 1 } else { self.k_group.div_ceil(self.kernels.width(self.k_group).block) }
    }

    /// Weights of a block.
    fn block_len(&self) -> usize {
        self.geometry.taps.len() * self.c_group * self.kernels.width(self.k_group).block
    }

    /// The first output of a block, counted over all groups.
    fn first_output(&self, block: usize) -> usize {
        let (group, b) = (block / self.blocks(), block % self.blocks());
        group * self.k_group + b * self.kernels.width(self.k_group).block
    }

    unsafe fn sweep(
        &self,
        x: *const T,
        y: *mut T,
        residual: *const T,
        band: usize,
        stacked: usize,
        part: &Range<usize>,
        pack: Option<Pack<'_, T>>,
    ) {
        let Some(pack) = pack else {
            let before = if self.depthwise { 0 } else { part.start * self.block_len() };
            // SAFETY: the caller's promise.
            return unsafe { self.sweep_blocks(x, y, residual, band, stacked, part, self.w.as_ptr().add(before)) };
        };
        with_scratch(self.block_len(), |w: &mut [T]| {
            for k in part.clone() {
                pack(k, w);
                // SAFETY: the caller's promise, and a block of weights.
                unsafe { self.sweep_blocks(x, y, residual, band, stacked, &(k..k + 1), w.as_ptr()) };
            }
        });
    }

    /// Computes some blocks of outputs, whose weights lie at `w` one after the other; for depthwise all there are.
    unsafe fn sweep_blocks(
        &self,
        x: *const T,
        y: *mut T,
        residual: *const T,
        band: usize,
        stacked: usize,
        part: &Range<usize>,
        w: *const T,
    ) {
        let g = self.geometry;
        let width = self.kernels.width(self.k_group);
        let (bias, affine, _) = self.finish.pointers(0);
        let skips = self.skips_idle();
        for sweep in g.sweeps.iter().filter(|s| !(skips && s.spans.is_empty())) {
            let rows = sweep.rows / g.stack * stacked;
            let rows = if g.bands == 1 { rows } else { rows.saturating_sub(band * g.band_rows).min(g.band_rows) };
            let n = rows * sweep.columns;
            if n == 0 {
                continue;
            }
            let base = Tile {
                spans: &sweep.spans,
                x,
                x_at: &sweep.x_at[..n],
                w,
                y,
                y_at: &sweep.y_at[..n],
                cols: self.groups,
                bias,
                affine,
                residual,
                relu: self.finish.relu,
            };
            if self.depthwise {
                // SAFETY: weights hold `taps * groups` values; the first tap of the sweep is inside.
                let tile = Tile { w: unsafe { base.w.add(sweep.first_tap * self.groups) }, ..base };
                // SAFETY: the offsets are those of the geometry.
                unsafe { self.kernels.depthwise(&tile, self.groups, sweep.columns) };
                continue;
            }
            let blocks = self.blocks();
            if g.contiguous && sweep.spans.len() == 1 && part.len() == blocks && width.goes_ahead(self.c_group, self.k_group) {
                // SAFETY: all outputs, whole blocks of weights and biases, coefficients a block from each output on.
                unsafe { width.run_ahead(&Tile { cols: self.k_group, ..base }, g.tile_rows, None) };
                continue;
            }
            let (first_block, block_stride) = (part.start, self.block_len());
            for k in part.clone() {
                let (group, b) = (k / blocks, k % blocks);
                let first = self.first_output(k);
                // SAFETY: weights hold `groups * blocks * block_stride` values, biases `groups * blocks * block`, the coefficients
                // a block from each output on.
                unsafe {
                    let tile = Tile {
                        x: x.add(group * self.c_group),
                        w: base.w.add((k - first_block) * block_stride + sweep.first_tap * self.c_group * width.block),
                        y: y.add(first),
                        cols: width.block.min(self.k_group - b * width.block),
                        bias: if base.bias.is_null() { base.bias } else { base.bias.add(k * width.block) },
                        affine: base.affine.map(|row| if row.is_null() { row } else { row.add(first) }),
                        residual: if residual.is_null() { residual } else { residual.add(first) },
                        ..base
                    };
                    if g.unit_step { width.run_unit(&tile, sweep.columns) } else { width.run_low(&tile, g.tile_rows) }
                }
            }
        }
    }
}
