//! The backward pass of a convolution behind a maximum pooling, over the winners only.
//!
//! Behind a pooling of 2x2 three quarters of the gradients of a convolution's output are zero, and the indices that the
//! pooling kept say which are not. With `d` the gradient of the pooled output and `(y, x)` the winner of position `p` and output `k`:
//!
//! - `gx[y*sh + r*dh, x*sw + s*dw, c] += d[p, k] * w[k, c, r, s]`
//! - `gw[k, c, r, s] += d[p, k] * x[y*sh + r*dh, x*sw + s*dw, c]`
//! - `gb[k] += d[p, k]`
//!
//! A position and output without a winner has an index outside of the image and adds nothing. Two positions with the same
//! winner, which windows that overlap can have, add both.
//!
//! The channels of an image are cut into slices of one vector, the kernel window into blocks that fit the registers. For the
//! gradient of the image, the outputs that win at a pixel are added to a block while it is in registers. For that of
//! the weights, a block of one output is in registers while the windows of its winners go by. Few channels lie side by side in the
//! lines of a window, so that a vector holds several taps. Images are computed one by one in a fixed order.

pub(super) mod kernels;

use super::direct::{Window, with_scratch};
use super::kernels::{Kernels, Transpose};
use crate::tensor::Float;
use crate::vectorise::vectorised;
use kernels::{Direct, Group, Grouping, LIST_STEP, Listing, Pixels, Slice, Spread, Sum, Width, list};
use std::ops::Range;

/// Bytes of weights of a block of outputs while the gradient of an image is computed: measured, a little more than the
/// first-level cache costs less than more blocks.
const WEIGHT_BYTES: usize = 40 * 1024;
/// The same for the images while the gradient of the weights is computed.
const IMAGE_BYTES: usize = 20 * 1024;
/// Most images whose winners are summed together.
const MOST_IMAGES: usize = 4;

/// The place of a lane without a weight.
const NO_WEIGHT: u32 = u32::MAX;

/// A block of the kernel window.
#[derive(Debug, Clone)]
struct Block {
    lines: usize,
    vectors: usize,
    /// Offset of its first vector from the window.
    at: usize,
    /// Vectors of the blocks before it.
    before: usize,
    /// First tap, and for windows whose taps lie side by side the first vector of the line.
    tap: [usize; 2],
    vector: usize,
}

/// How images and windows are cut for one of the passes.
struct Cut {
    /// Which of the widths of vectors.
    width: usize,
    lanes: usize,
    /// Taps of a line lie side by side, without room between their channels.
    merged: bool,
    /// Lines of a block are rows of the kernel; else they are taps of a row.
    rows_of_taps: bool,
    slices: usize,
    blocks: Vec<Block>,
    /// Vectors of a window.
    vectors: usize,
    /// Elements from a line of a block to the next, from a row of a slice to the next, of a pixel.
    line: usize,
    row: usize,
    pixel: usize,
    /// Elements of a slice, those read behind its end included.
    slice: usize,
    /// Offset of the window of each pixel of the output.
    windows: Vec<u32>,
}

impl Cut {
    fn new<T: Float>(
        widths: &[Width<T>],
        width: usize,
        merged: bool,
        window: &Window,
        [h, w, c]: [usize; 3],
        [oh, ow]: [usize; 2],
    ) -> Self {
        let lanes = widths[width].lanes;
        let [kh, kw] = window.kernel;
        let pixel = if merged { c } else { lanes };
        let row = (w + 2 * window.padding[1]) * pixel;
        // A window is a stack of runs of vectors; lines of a block are one run each.
        let rows_of_taps = window.dilation[1] == 1 || kw == 1;
        let (stacks, lines, run) = match (merged, rows_of_taps) {
            (true, _) => (1, kh, (kw * c).div_ceil(lanes)),
            (false, true) => (1, kh, kw),
            (false, false) => (kh, kw, 1),
        };
        let line = if rows_of_taps { window.dilation[0] * row } else { window.dilation[1] * pixel };
        let pieces = run.div_ceil(widths[width].longest());
        let longest = run.div_ceil(pieces);
        let at_once = (1..=lines).rev().find(|l| widths[width].has(*l, longest)).unwrap_or(1);
        let at_once = lines.div_ceil(lines.div_ceil(at_once));
        let (mut blocks, mut before) = (Vec::new(), 0);
        for stack in 0..stacks {
            for first in (0..lines).step_by(at_once) {
                for piece in 0..pieces {
                    let (from, to) = (piece * run / pieces, (piece + 1) * run / pieces);
                    let lines = at_once.min(lines - first);
                    let at = stack * window.dilation[0] * row + first * line + from * lanes;
                    let tap = if rows_of_taps { [first, 0] } else { [stack, first] };
                    blocks.push(Block { lines, vectors: to - from, at, before, tap, vector: from });
                    before += lines * (to - from);
                }
            }
        }
        let windows = (0..oh * ow).map(|p| (p / ow * window.stride[0] * row + p % ow * window.stride[1] * pixel) as u32).collect();
        Cut {
            width,
            lanes,
            merged,
            rows_of_taps,
            slices: if merged { 1 } else { c.div_ceil(lanes) },
            blocks,
            vectors: before,
            line,
            row,
            pixel,
            slice: ((h + 2 * window.padding[0]) * row + lanes).next_multiple_of(64),
            windows,
        }
    }

    /// Elements of the weights of `outputs` outputs in the layout of the kernels: `[slice][block][output][line][vector]`.
    fn weights(&self, outputs: usize) -> usize {
        self.slices * self.vectors * self.lanes * outputs
    }

    /// Lanes of the longest block.
    fn longest(&self) -> usize {
        self.blocks.iter().map(|b| b.lines * b.vectors * self.lanes).max().unwrap_or(0)
    }

    /// First element of the weights of a block.
    fn first(&self, outputs: usize, slice: usize, block: &Block) -> usize {
        (slice * self.vectors + block.before) * self.lanes * outputs
    }

    /// The channel and tap `[c, r, s]` of the weight in each lane of a block, if it has one.
    fn places<'a>(&'a self, slice: usize, b: &'a Block, [c, kw]: [usize; 2]) -> impl Iterator<Item = Option<[usize; 3]>> + 'a {
        (0..b.lines * b.vectors * self.lanes).map(move |i| {
            let (l, v) = (i / self.lanes / b.vectors, b.vector + i / self.lanes % b.vectors);
            let lane = i % self.lanes;
            let (channel, column) = if self.merged {
                let value = v * self.lanes + lane;
                (value % c, value / c)
            } else {
                (slice * self.lanes + lane, v)
            };
            let tap = if self.rows_of_taps { [b.tap[0] + l, column] } else { [b.tap[0], b.tap[1] + l] };
            (channel < c && tap[1] < kw).then_some([channel, tap[0], tap[1]])
        })
    }

    /// For the lanes of all slices and blocks, where in a block of `outputs` outputs the weight of the first output lies:
    /// `[r][s][c][output]`.
    fn weight_places(&self, [c, kw]: [usize; 2], outputs: usize) -> Vec<u32> {
        let at = |[ch, r, s]: [usize; 3]| (((r * kw + s) * c + ch) * outputs) as u32;
        let of_slice = |s: usize| self.blocks.iter().flat_map(move |b| self.places(s, b, [c, kw]));
        (0..self.slices).flat_map(of_slice).map(|place| place.map_or(NO_WEIGHT, at)).collect()
    }

    /// The part of such places that belongs to a block.
    fn part<'a>(&self, places: &'a [u32], slice: usize, b: &Block) -> &'a [u32] {
        &places[(slice * self.vectors + b.before) * self.lanes..][..b.lines * b.vectors * self.lanes]
    }
}

/// Scratch memory cut into pieces, each on a cache line of its own.
struct Pieces {
    next: *mut u8,
}

impl Pieces {
    /// Bytes of a piece of `n` elements.
    const fn bytes<U>(n: usize) -> usize {
        (n * size_of::<U>()).next_multiple_of(64)
    }

    /// # Safety
    /// The memory has room for all pieces.
    unsafe fn take<U>(&mut self, n: usize) -> *mut U {
        let piece = self.next.cast();
        // SAFETY: the caller's promise.
        self.next = unsafe { self.next.add(Self::bytes::<U>(n)) };
        piece
    }
}

/// The backward pass of a convolution with one group, behind a maximum pooling.
///
/// Images are `[n][h][w][c]`, gradients and indices of the pooled output `[n][position][output]`; an index is
/// `(y * ow + x) * outputs + output` in the output of the convolution, or larger where a position has no winner.
pub struct Winners<T: Float> {
    kernels: &'static Kernels<T>,
    window: Window,
    image: [usize; 3],
    outputs: usize,
    /// Positions of the pooled image.
    positions: usize,
    spread: Cut,
    sum: Cut,
    /// Where the weights of both lie in a block of outputs.
    spread_places: Vec<u32>,
    sum_places: Vec<u32>,
    /// Outputs of a block of weights.
    outputs_block: usize,
    /// Images whose winners are summed together, and parts of the positions of an image.
    images: usize,
    bands: usize,
}

impl<T: Float> Winners<T> {
    /// For images `[h, w, c]`, a convolution to `[oh, ow, outputs]` and a pooling to `positions` pixels.
    ///
    /// # Panics
    /// If the output of an image has more than `2^31` values.
    pub fn new(kernels: &'static Kernels<T>, window: &Window, image: [usize; 3], [oh, ow, outputs]: [usize; 3], positions: usize) -> Self {
        let (widths, c) = (&kernels.winners, image[2]);
        let [kh, kw] = window.kernel;
        assert!(oh * ow * outputs <= 1 << 31, "the outputs of an image have indices below 2^31");
        let width = widths.iter().position(|w| w.lanes >= c).unwrap_or(widths.len() - 1);
        let spread = Cut::new(widths, width, false, window, image, [oh, ow]);
        // Vectors that are not aligned cost more than those that are.
        let lanes = |w: usize, merged: bool| {
            let lanes = widths[w].lanes;
            if merged { 14 * kh * (kw * c).next_multiple_of(lanes) } else { 10 * kh * kw * c.next_multiple_of(lanes) }
        };
        let mut best = (width, false);
        if window.dilation[1] == 1 || kw == 1 {
            for w in 0..widths.len() {
                if lanes(w, true) < lanes(best.0, best.1) {
                    best = (w, true);
                }
            }
        }
        let sum = Cut::new(widths, best.0, best.1, window, image, [oh, ow]);
        let largest = spread.blocks.iter().map(|b| b.lines * b.vectors).max().unwrap_or(1) * spread.lanes * size_of::<T>();
        let blocks = outputs.div_ceil((WEIGHT_BYTES / largest).clamp(1, 64));
        let slice_bytes = sum.slice * size_of::<T>();
        let weights_block = kernels.width(outputs).block;
        Winners {
            spread_places: spread.weight_places([c, kw], weights_block),
            sum_places: sum.weight_places([c, kw], weights_block),
            kernels,
            window: *window,
            image,
            outputs,
            positions,
            outputs_block: outputs.div_ceil(blocks),
            images: (IMAGE_BYTES / slice_bytes).clamp(1, MOST_IMAGES),
            bands: slice_bytes.div_ceil(IMAGE_BYTES).min(positions.max(1)),
            spread,
            sum,
        }
    }

    /// True if both gradients of `n` images take less time over the winners than over all pixels, where the pooling leaves
    /// at most a third of them. Depends on the sizes only.
    pub fn wins(window: &Window, n: usize, [h, w, c]: [usize; 3], [oh, ow, outputs]: [usize; 3]) -> bool {
        // Measured: a window of few taps does not pay for the choice, and few pixels not for the layout of the weights.
        let enough = window.kernel[0] * window.kernel[1] > 4 && n * oh * ow >= 64;
        // A slice of a larger image does not stay in the second-level cache.
        let slice = (h + 2 * window.padding[0]) * (w + 2 * window.padding[1]) * c.clamp(8, 16) * size_of::<T>();
        enough && oh * ow * outputs <= 1 << 31 && slice <= 512 * 1024
    }

    /// Elements of the packed weights.
    pub fn packed_len(&self) -> usize {
        self.spread.weights(self.outputs)
    }

    /// Elements of the sums of a range of images: those of the weights, then those of the bias.
    pub fn sums_len(&self) -> usize {
        self.sum.weights(self.outputs) + self.outputs
    }

    /// Parts that the packing can be done in.
    pub fn packing_items(&self) -> usize {
        self.spread.slices
    }

    fn weights_block(&self) -> (usize, usize) {
        let block = self.kernels.width(self.outputs).block;
        (block, block * self.image[2] * self.window.kernel[0] * self.window.kernel[1])
    }

    /// Packs part `item` of the weights of the convolution, `[block][r][s][c][output of the block]`, for [`Winners::data`].
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn pack(&self, item: usize, weights: &[T], packed: &mut [T]) {
        let (cut, outputs, (block, stride)) = (&self.spread, self.outputs, self.weights_block());
        let base = cut.first(outputs, item, &cut.blocks[0]);
        with_scratch(cut.longest() * block, |rows: &mut [T]| {
            for b in &cut.blocks {
                let len = b.lines * b.vectors * cut.lanes;
                let first = cut.first(outputs, item, b) - base;
                let places = cut.part(&self.spread_places, item, b);
                let parts = packed[first..first + outputs * len].chunks_mut(block * len);
                for (to, weights) in parts.zip(weights.chunks_exact(stride)) {
                    for (i, place) in places.iter().enumerate() {
                        let row = &mut rows[i * block..][..block];
                        match *place {
                            NO_WEIGHT => row.fill(T::zero()),
                            place => row.copy_from_slice(&weights[place as usize..][..block]),
                        }
                    }
                    let size = [len, to.len() / len];
                    let t = Transpose { from: rows.as_ptr(), from_stride: block, size, to: to.as_mut_ptr(), to_stride: len };
                    // SAFETY: `len` rows of `block` outputs in, at most as many rows of `len` values out.
                    unsafe { self.kernels.transpose(&t) };
                }
            }
        });
    }

    /// Elements that [`Winners::pack`] writes for an item: `packed` begins at `item` times this.
    pub fn packing_len(&self) -> usize {
        self.packed_len() / self.spread.slices
    }

    /// Computes the gradient of `images`, all values of it, from packed weights.
    ///
    /// # Safety
    /// `gx` points to the gradient of image 0 and has room for all `images`, which nobody else uses meanwhile.
    ///
    /// # Panics
    /// If a slice is too short.
    pub unsafe fn data(&self, images: Range<usize>, packed: &[T], d: &[T], at: &[u32], gx: *mut T) {
        let (cut, outputs, len) = (&self.spread, self.outputs, self.positions * self.outputs);
        let (width, [h, w, c]) = (&self.kernels.winners[cut.width], self.image);
        assert!(packed.len() >= self.packed_len());
        let (blocks, pixels) = (outputs.div_ceil(self.outputs_block), Pixels::new(outputs, &cut.windows));
        let bytes = Pieces::bytes::<T>(cut.slice) + Pieces::bytes::<Group>(len);
        with_scratch(bytes / size_of::<T>(), |scratch: &mut [T]| {
            let mut pieces = Pieces { next: scratch.as_mut_ptr().cast() };
            // SAFETY: the scratch memory was measured for these pieces.
            let (slice, groups) = unsafe { (pieces.take::<T>(cut.slice), pieces.take::<Group>(len)) };
            let mut ends = vec![0; blocks + 1];
            for image in images {
                let (d, at) = (&d[image * len..][..len], &at[image * len..][..len]);
                for b in 0..blocks {
                    let first = b * self.outputs_block;
                    let block = self.outputs_block.min(outputs - first);
                    // SAFETY: each gradient is in one group at most, so that there is room for those of this block.
                    unsafe {
                        let groups = groups.add(ends[b]);
                        let block = Grouping { d: &d[first..], at: &at[first..], outputs, block, first, pixels, groups };
                        ends[b + 1] = ends[b] + width.group(&block);
                    }
                }
                for s in 0..cut.slices {
                    // SAFETY: the scratch memory holds a slice; the windows of all pixels lie inside; the caller gives the image.
                    unsafe {
                        slice.write_bytes(0, cut.slice);
                        for b in &cut.blocks {
                            let w = packed.as_ptr().add(cut.first(outputs, s, b));
                            for k in 0..blocks {
                                let t = Spread {
                                    groups: std::slice::from_raw_parts(groups.add(ends[k]), ends[k + 1] - ends[k]),
                                    d: d.as_ptr(),
                                    w: w.add(k * self.outputs_block * b.lines * b.vectors * cut.lanes),
                                    gx: slice.add(b.at),
                                    line: cut.line,
                                };
                                width.spread(b.lines, b.vectors, &t);
                            }
                        }
                        width.store(&self.slice(cut, s), slice, gx.add(image * h * w * c));
                    }
                }
            }
        });
    }

    fn slice(&self, cut: &Cut, slice: usize) -> Slice {
        let [top, left] = self.window.padding;
        Slice { image: self.image, channel: slice * cut.lanes, first: top * cut.row + left * cut.pixel, row: cut.row }
    }

    /// Sums the gradients of weights and bias over `images`; writes all of `sums`.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn weights(&self, images: Range<usize>, x: &[T], d: &[T], at: &[u32], sums: &mut [T]) {
        let sums = &mut sums[..self.sums_len()];
        if images.is_empty() || self.positions == 0 {
            return sums.fill(T::zero());
        }
        // A window of one block is read once: its winners need no list.
        if self.sum.slices * self.sum.blocks.len() == 1 {
            return self.weights_at_once(images, x, d, at, sums);
        }
        let (cut, outputs, len) = (&self.sum, self.outputs, self.positions * self.outputs);
        let (bands, most) = (self.bands, self.images.min(images.len()));
        // The longest list of winners of an output in a band.
        let longest = (most * self.positions.div_ceil(bands)).next_multiple_of(LIST_STEP);
        let lists = bands * outputs;
        let bytes = Pieces::bytes::<T>(most * cut.slice)
            + Pieces::bytes::<u32>(lists * longest)
            + Pieces::bytes::<T>(lists * longest)
            + Pieces::bytes::<u32>(lists);
        with_scratch(bytes / size_of::<T>(), |scratch: &mut [T]| {
            let mut pieces = Pieces { next: scratch.as_mut_ptr().cast() };
            // SAFETY: the scratch memory was measured for these pieces; all bits are values of their types.
            let (slices, windows, gradients, counts) = unsafe {
                (
                    std::slice::from_raw_parts_mut(pieces.take::<T>(most * cut.slice), most * cut.slice),
                    std::slice::from_raw_parts_mut(pieces.take::<u32>(lists * longest), lists * longest),
                    std::slice::from_raw_parts_mut(pieces.take::<T>(lists * longest), lists * longest),
                    std::slice::from_raw_parts_mut(pieces.take::<u32>(lists), lists),
                )
            };
            // The border and what lies behind the rows stay zero.
            slices.fill(T::zero());
            let pixels = Pixels::new(outputs, &cut.windows);
            for from in images.clone().step_by(self.images) {
                let n = self.images.min(images.end - from);
                counts.fill(0);
                for band in 0..bands {
                    let part = self.band(band).start * outputs..self.band(band).end * outputs;
                    let of_band = band * outputs * longest..(band + 1) * outputs * longest;
                    for i in 0..n {
                        list(&mut Listing {
                            d: &d[(from + i) * len..][part.clone()],
                            at: &at[(from + i) * len..][part.clone()],
                            pixels,
                            offset: (i * cut.slice) as u32,
                            windows: &mut windows[of_band.clone()],
                            gradients: &mut gradients[of_band.clone()],
                            counts: &mut counts[band * outputs..][..outputs],
                            longest,
                        });
                    }
                }
                let add = from > images.start;
                self.finish_lists(longest, windows, gradients, counts, &mut sums[cut.weights(outputs)..], add);
                for s in 0..cut.slices {
                    for (i, slice) in slices.chunks_exact_mut(cut.slice).take(n).enumerate() {
                        self.load(s, x, from + i, slice);
                    }
                    for band in 0..bands {
                        let lists = Lists { windows, gradients, counts, longest, band };
                        self.sum(s, slices, &lists, sums, add || band > 0);
                    }
                }
            }
        });
    }

    /// The positions of a band.
    fn band(&self, band: usize) -> Range<usize> {
        band * self.positions / self.bands..(band + 1) * self.positions / self.bands
    }

    /// [`Winners::weights`] for windows of one block.
    fn weights_at_once(&self, images: Range<usize>, x: &[T], d: &[T], at: &[u32], sums: &mut [T]) {
        let (cut, outputs, len) = (&self.sum, self.outputs, self.positions * self.outputs);
        let (block, width, pixels) = (&cut.blocks[0], &self.kernels.winners[cut.width], Pixels::new(outputs, &cut.windows));
        let (sums, bias) = sums.split_at_mut(cut.weights(outputs));
        assert!(d.len().min(at.len()) >= images.end * len);
        with_scratch(self.images.min(images.len()) * cut.slice, |slices: &mut [T]| {
            slices.fill(T::zero());
            for from in images.clone().step_by(self.images) {
                let n = self.images.min(images.end - from);
                for (i, slice) in slices.chunks_exact_mut(cut.slice).take(n).enumerate() {
                    self.load(0, x, from + i, slice);
                }
                for band in 0..self.bands {
                    let positions = self.band(band);
                    let first = from * len + positions.start * outputs;
                    for (k, (g, bias)) in sums.chunks_exact_mut(cut.vectors * cut.lanes).zip(bias.iter_mut()).enumerate() {
                        let t = Direct {
                            d: d[first + k..].as_ptr(),
                            at: at[first + k..].as_ptr(),
                            images: n,
                            positions: positions.len(),
                            image: len,
                            outputs,
                            pixels,
                            x: slices.as_ptr(),
                            slice: cut.slice,
                            line: cut.line,
                            g: g.as_mut_ptr(),
                            bias,
                            add: from > images.start || band > 0,
                        };
                        // SAFETY: the positions of the band lie inside the gradients, the windows of all pixels inside the slices.
                        unsafe { width.direct(block.lines, block.vectors, &t) };
                    }
                }
            }
        });
    }

    /// Sums the gradients of each list for the bias, and fills the lists with zeros.
    fn finish_lists(&self, longest: usize, windows: &mut [u32], gradients: &mut [T], counts: &mut [u32], bias: &mut [T], add: bool) {
        if !add {
            bias.fill(T::zero());
        }
        for (i, count) in counts.iter_mut().enumerate() {
            let (windows, gradients) = (&mut windows[i * longest..][..longest], &mut gradients[i * longest..][..longest]);
            let n = *count as usize;
            if n == 0 {
                continue;
            }
            let full = n.next_multiple_of(LIST_STEP);
            let last = windows[n - 1];
            windows[n..full].fill(last);
            gradients[n..full].fill(T::zero());
            *count = full as u32;
            let mut sums = [T::zero(); LIST_STEP];
            for d in gradients[..full].chunks_exact(LIST_STEP) {
                sums.iter_mut().zip(d).for_each(|(s, d)| *s += *d);
            }
            bias[i % self.outputs] += (sums[0] + sums[1]) + (sums[2] + sums[3]);
        }
    }

    /// Copies slice `s` of an image.
    fn load(&self, s: usize, x: &[T], image: usize, slice: &mut [T]) {
        let (cut, [h, w, c]) = (&self.sum, self.image);
        let x = &x[image * h * w * c..][..h * w * c];
        let layout = self.slice(cut, s);
        if cut.merged {
            for y in 0..h {
                slice[layout.first + y * cut.row..][..w * c].copy_from_slice(&x[y * w * c..][..w * c]);
            }
            return;
        }
        // SAFETY: the image and its slice.
        unsafe { self.kernels.winners[cut.width].load(&layout, x.as_ptr(), slice.as_mut_ptr()) };
    }

    /// Sums the lists of a band for slice `s`.
    fn sum(&self, s: usize, slices: &[T], lists: &Lists<'_, T>, sums: &mut [T], add: bool) {
        let (cut, outputs) = (&self.sum, self.outputs);
        let width = &self.kernels.winners[cut.width];
        for b in &cut.blocks {
            let (first, len) = (cut.first(outputs, s, b), b.lines * b.vectors * cut.lanes);
            for (k, g) in sums[first..first + outputs * len].chunks_exact_mut(len).enumerate() {
                let list = lists.band * outputs + k;
                let count = lists.counts[list] as usize;
                if count == 0 && add {
                    continue;
                }
                let from = list * lists.longest;
                let t = Sum {
                    windows: lists.windows[from..from + count].as_ptr(),
                    d: lists.gradients[from..from + count].as_ptr(),
                    count,
                    x: slices[b.at..].as_ptr(),
                    line: cut.line,
                    g: g.as_mut_ptr(),
                    add,
                };
                // SAFETY: the windows of all pixels lie inside the slices.
                unsafe { width.sum(b.lines, b.vectors, &t) };
            }
        }
    }

    /// Parts that [`Winners::add_weights`] can be done in, and the values of the weights that each writes.
    pub fn weight_items(&self) -> (usize, usize) {
        let (block, stride) = self.weights_block();
        (self.outputs.div_ceil(block), stride)
    }

    /// Adds `sums` of ranges of images, one behind the other, in their order, to block `item` of the gradient of the
    /// weights, `[r][s][c][output of the block]`, or writes it.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn add_weights(&self, item: usize, sums: &[T], gradient: &mut [T], add: bool) {
        let (cut, outputs, (block, stride)) = (&self.sum, self.outputs, self.weights_block());
        let gradient = &mut gradient[..stride];
        let (first, n) = (item * block, block.min(outputs - item * block));
        if !add {
            gradient.fill(T::zero());
        }
        with_scratch(cut.longest() * block, |rows: &mut [T]| {
            rows.fill(T::zero());
            for part in sums.chunks_exact(self.sums_len()) {
                for s in 0..cut.slices {
                    for b in &cut.blocks {
                        let len = b.lines * b.vectors * cut.lanes;
                        let from = &part[cut.first(outputs, s, b) + first * len..][..n * len];
                        let t =
                            Transpose { from: from.as_ptr(), from_stride: len, size: [n, len], to: rows.as_mut_ptr(), to_stride: block };
                        // SAFETY: `n` rows of `len` values in, `len` rows of `block` values out.
                        unsafe { self.kernels.transpose(&t) };
                        add_rows(gradient, cut.part(&self.sum_places, s, b), rows, block);
                    }
                }
            }
        });
    }

    /// The gradient of the bias of an output, from `sums` of ranges of images.
    pub fn bias(&self, output: usize, sums: &[T]) -> T {
        let at = self.sum.weights(self.outputs) + output;
        sums.chunks_exact(self.sums_len()).map(|part| part[at]).sum()
    }
}

vectorised! {
    /// Adds rows of `n` values at their places.
    fn add_rows<T: Float>(to: &mut [T], places: &[u32], rows: &[T], n: usize) {
        for i in 0..places.len() {
            if places[i] != NO_WEIGHT {
                let (to, row) = (&mut to[places[i] as usize..][..n], &rows[i * n..][..n]);
                for k in 0..n {
                    to[k] += row[k];
                }
            }
        }
    }
}

/// The lists of winners of a band.
struct Lists<'a, T> {
    windows: &'a [u32],
    gradients: &'a [T],
    counts: &'a [u32],
    longest: usize,
    band: usize,
}

#[cfg(test)]
#[path = "winners_test.rs"]
mod tests;
