//! Winograd's convolution F(2x2, 3x3) and F(4x4, 3x3) over channels-last images, for inference.
//!
//! `Y = A^T [sum over channels of (G g G^T) * (B^T d B)] A` for each tile of outputs: the products, element by element, of
//! transformed weights and transformed inputs are matrix products `[tiles x channels] * [channels x outputs]`, one for each
//! of 16 or 36 positions. They take 2.25 or 4 times fewer multiplications than the definition.
//!
//! The tiles of a batch are cut in blocks. Where there are blocks enough for the cores, an item takes a block through input
//! transform, products and output transform, all in its cache. Else a first phase transforms all inputs, and the items of
//! the second are a block and a group of outputs. What an item computes depends on shapes only, and so do the bits.
//!
//! Error, as a share of the largest output, for values of a normal distribution and 64 to 512 channels: 4e-7 to 1e-6 for
//! F(2x2), 2e-6 to 4e-6 for F(4x4) (the direct sum: 2e-7 to 6e-7). Whatever the values, it is bounded by a multiple of the
//! rounding unit times the largest `sum |x| |w|` of a tile's neighbourhood, so outputs that cancel lose digits.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; the points are our own choice.

pub(super) mod transform;

use super::direct::{Window, with_scratch};
use super::kernels::{Kernels, Span, Tile};
use crate::tensor::Float;
use transform::{InputTile, MOST_POSITIONS, OutputTile, weight_matrix};

/// Channels are stored in whole vectors of at most this many values.
const VECTOR: usize = 16;
/// Channels that an item of the input transform takes, where it is a phase of its own.
const CHUNK: usize = 64;
/// Tiles of a block that make good use of the weights that an item reads.
const LEAST_TILES: usize = 24;
/// Blocks of tiles that keep a few cores busy.
const MANY_BLOCKS: usize = 8;

/// Pairs of a channel and an output whose transformed weights are kept: 144 MiB.
const MOST_PAIRS: usize = 1 << 20;
/// Pairs whose transformed weights stay in the cache from a batch to the next.
const CACHED_PAIRS: usize = 1 << 15;

/// Size of the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// F(2x2, 3x3): tiles of 2 x 2 outputs, 16 positions.
    F2,
    /// F(4x4, 3x3): tiles of 4 x 4 outputs, 36 positions.
    F4,
}

impl Variant {
    /// Outputs of a tile along an axis.
    fn outputs(self) -> usize {
        match self {
            Variant::F2 => 2,
            Variant::F4 => 4,
        }
    }

    /// Inputs of a tile, and points of the transforms, along an axis.
    fn points(self) -> usize {
        self.outputs() + 2
    }

    fn positions(self) -> usize {
        self.points() * self.points()
    }

    /// `F(2x2,3x3)` or `F(4x4,3x3)`.
    pub fn name(self) -> &'static str {
        match self {
            Variant::F2 => "F(2x2,3x3)",
            Variant::F4 => "F(4x4,3x3)",
        }
    }
}

/// The better variant for `n` images with `channels` that become `[oh, ow, outputs]`, or `None` where the direct convolution is
/// faster: a model of the layers that `benches/winograd.rs` measures.
///
/// A position costs its products, and its weights as much as the products of a few tiles: 4 if they stay in a cache, 8 if they
/// come from memory. Fewer than 16 channels or outputs are not worth the transforms.
pub fn wins(n: usize, channels: usize, [oh, ow, outputs]: [usize; 3]) -> Option<Variant> {
    let pairs = channels * outputs;
    if channels < 16 || outputs < 16 || pairs > MOST_PAIRS {
        return None;
    }
    let weights = if pairs > CACHED_PAIRS { 8 } else { 4 };
    let direct = 9 * (n * oh * ow + weights);
    let cost = |v: Variant| v.positions() * (n * oh.div_ceil(v.outputs()) * ow.div_ceil(v.outputs()) + weights);
    let better = if cost(Variant::F4) < cost(Variant::F2) { Variant::F4 } else { Variant::F2 };
    (5 * cost(better) <= 4 * direct).then_some(better)
}

/// The plan of a convolution of a batch: how its tiles are cut.
pub struct Winograd<T: Float> {
    variant: Variant,
    kernels: &'static Kernels<T>,
    batch: usize,
    image: [usize; 3],
    full: [usize; 3],
    padding: [usize; 2],
    /// Rows and columns of tiles of an image.
    tiles: [usize; 2],
    /// Images of a block; a power of two, 1 if an image has several blocks.
    block_images: usize,
    /// Blocks of an image, or 1.
    image_blocks: usize,
    /// Outputs of a group: a block of the kernels.
    group: usize,
    /// The input transform is a phase of its own.
    split: bool,
    /// What pixels outside of the image are.
    zeros: Vec<T>,
    spans: [Span; 1],
    x_at: Vec<usize>,
    y_at: Vec<usize>,
}

/// The tiles of a block: tiles `first..first + len` of the images from `image` on.
struct Block {
    image: usize,
    first: usize,
    len: usize,
}

impl<T: Float> Winograd<T> {
    /// The plan for `n` images `[h, w, channels]` that become `[oh, ow, outputs]`.
    ///
    /// # Panics
    /// If the window is not 3 x 3 with stride and dilation 1.
    pub fn new(kernels: &'static Kernels<T>, variant: Variant, w: &Window, n: usize, image: [usize; 3], full: [usize; 3]) -> Self {
        assert!(w.kernel == [3, 3] && w.stride == [1, 1] && w.dilation == [1, 1]);
        let tiles = [full[0].div_ceil(variant.outputs()), full[1].div_ceil(variant.outputs())];
        let per_image = tiles[0] * tiles[1];
        // Transformed inputs of about 400 KiB stay in the second cache beside the products; a small batch is cut further.
        let tile_bytes = variant.positions() * image[2] * 4;
        let fit = (400 * 1024 / tile_bytes.max(1)).clamp(LEAST_TILES, 64);
        let wanted = (n * per_image).div_ceil(MANY_BLOCKS).clamp(LEAST_TILES, fit);
        let (block_images, image_blocks) = if per_image > wanted {
            // Four, eight ... blocks are shared evenly.
            let blocks = per_image.div_ceil(wanted);
            (1, if blocks > 2 { blocks.next_multiple_of(4) } else { blocks })
        } else {
            let images = (wanted / per_image.max(1)).max(1);
            ((images + 1).next_power_of_two() / 2, 1)
        };
        let block_images = block_images.min(n.max(1).next_power_of_two());
        let blocks = n.div_ceil(block_images) * image_blocks;
        let most = if image_blocks > 1 { per_image.div_ceil(image_blocks) } else { per_image * block_images };
        let group = kernels.width(full[2]).block;
        let pitch = image[2].next_multiple_of(VECTOR);
        Winograd {
            variant,
            kernels,
            batch: n,
            image,
            full,
            padding: w.padding,
            tiles,
            block_images,
            image_blocks,
            group,
            split: blocks < MANY_BLOCKS,
            zeros: vec![T::zero(); pitch],
            spans: [Span { start: 0, len: image[2] }],
            x_at: (0..most).map(|t| t * pitch).collect(),
            y_at: (0..most).map(|t| t * group).collect(),
        }
    }

    /// The plan for the better variant, or `None` where the direct convolution is faster or the window another.
    pub fn chosen(kernels: &'static Kernels<T>, w: &Window, n: usize, image: [usize; 3], full: [usize; 3]) -> Option<Self> {
        // In double the direct convolution is what others are compared with.
        let suits = w.kernel == [3, 3] && w.stride == [1, 1] && w.dilation == [1, 1] && size_of::<T>() == 4;
        let variant = if suits { wins(n, image[2], full)? } else { return None };
        Some(Self::new(kernels, variant, w, n, image, full))
    }

    /// The size of the tiles.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Images that an item belongs to.
    pub fn block_images(&self) -> usize {
        self.block_images
    }

    /// Multiply-accumulates of the products.
    pub fn macs(&self) -> usize {
        self.batch * self.tiles[0] * self.tiles[1] * self.weights_len()
    }

    fn blocks(&self) -> usize {
        self.batch.div_ceil(self.block_images) * self.image_blocks
    }

    fn block(&self, b: usize) -> Block {
        let per_image = self.tiles[0] * self.tiles[1];
        let (image, part) = (b / self.image_blocks * self.block_images, b % self.image_blocks);
        if self.image_blocks > 1 {
            let cut = |part: usize| part * per_image / self.image_blocks;
            return Block { image, first: cut(part), len: cut(part + 1) - cut(part) };
        }
        Block { image, first: 0, len: self.block_images.min(self.batch - image) * per_image }
    }

    fn groups(&self) -> usize {
        self.full[2].div_ceil(self.group)
    }

    /// From a position to the next in the transformed inputs of a block. A line more than the values: a power of two would
    /// map all positions of a tile to the same lines of a cache.
    fn x_position(&self) -> usize {
        self.x_at.len() * self.zeros.len() + VECTOR
    }

    fn y_position(&self) -> usize {
        self.y_at.len() * self.group + VECTOR
    }

    fn x_block(&self) -> usize {
        self.variant.positions() * self.x_position()
    }

    fn chunks(&self) -> usize {
        self.image[2].div_ceil(CHUNK)
    }

    /// Items of the input transform; 0 if it is part of the items of the products.
    pub fn transform_items(&self) -> usize {
        if self.split { self.blocks() * self.chunks() } else { 0 }
    }

    /// Values of the transformed inputs that the first phase writes and the second reads.
    pub fn transformed_len(&self) -> usize {
        if self.split { self.blocks() * self.x_block() } else { 0 }
    }

    /// Items of the products.
    pub fn items(&self) -> usize {
        if self.split { self.blocks() * self.groups() } else { self.blocks() }
    }

    /// Values of the transformed weights.
    pub fn weights_len(&self) -> usize {
        self.groups() * self.weight_group()
    }

    /// Items of [`Winograd::transform_weights`]: groups of outputs.
    pub fn weight_items(&self) -> usize {
        self.groups()
    }

    /// Values of the transformed weights of a group of outputs.
    fn weight_group(&self) -> usize {
        self.variant.positions() * self.image[2] * self.group
    }

    /// Transforms the weights of group `item` of the outputs: `[group][position][channel][output of the group]`.
    /// `weight(o, c, r, s)` is a weight; the arithmetic is in double, whatever the type.
    ///
    /// # Safety
    /// `u` must have room for [`Winograd::weights_len`] values; no other thread may use those of this item.
    pub unsafe fn transform_weights(&self, item: usize, u: *mut T, weight: impl Fn([usize; 4]) -> T) {
        let n = self.variant.points();
        let g = weight_matrix(n);
        let start = item * self.weight_group();
        for c in 0..self.image[2] {
            // A line of outputs at a time: positions lie a power of two apart, and lines written in parts would be lost between.
            for k in (0..self.group).step_by(VECTOR) {
                let lanes = VECTOR.min(self.group - k);
                let mut taps = [[0.0; VECTOR]; 9];
                for lane in 0..lanes.min(self.full[2].saturating_sub(item * self.group + k)) {
                    for (tap, values) in taps.iter_mut().enumerate() {
                        values[lane] = weight([item * self.group + k + lane, c, tap / 3, tap % 3]).as_f64();
                    }
                }
                for j in 0..n {
                    let mut rows = [[0.0; VECTOR]; 3];
                    for r in 0..3 {
                        for lane in 0..VECTOR {
                            rows[r][lane] = g[j][0] * taps[3 * r][lane] + g[j][1] * taps[3 * r + 1][lane] + g[j][2] * taps[3 * r + 2][lane];
                        }
                    }
                    for i in 0..n {
                        let mut values = [T::zero(); VECTOR];
                        for lane in 0..VECTOR {
                            values[lane] = T::of(g[i][0] * rows[0][lane] + g[i][1] * rows[1][lane] + g[i][2] * rows[2][lane]);
                        }
                        let at = start + ((i * n + j) * self.image[2] + c) * self.group + k;
                        // SAFETY: inside the part of this group.
                        unsafe { u.add(at).copy_from_nonoverlapping(values.as_ptr(), lanes) };
                    }
                }
            }
        }
    }
}

/// A convolution of a batch: where everything lies.
pub struct WinogradJob<'a, T: Float> {
    /// How the tiles are cut.
    pub plan: &'a Winograd<T>,
    /// Images, `[n][h][w][c]`.
    pub x: &'a [T],
    /// Transformed weights.
    pub u: &'a [T],
    /// Biases, or empty.
    pub bias: &'a [T],
    /// Means, factors and biases that each output is then normalised by.
    pub affine: Option<[&'a [T]; 3]>,
    /// What to add to the outputs before the activation, laid out as they are, or empty.
    pub residual: &'a [T],
    /// Store `max(y, 0)`.
    pub relu: bool,
    /// Room for [`Winograd::transformed_len`] values.
    pub v: *mut T,
    /// Outputs, `[n][oh][ow][k]`.
    pub y: *mut T,
}

// SAFETY: items of a phase write disjoint parts of `v` and `y`.
unsafe impl<T: Float> Sync for WinogradJob<'_, T> {}

impl<T: Float> WinogradJob<'_, T> {
    /// Computes an item of the input transform.
    ///
    /// # Safety
    /// `v` must have room; no other thread may use the part of this item.
    pub unsafe fn transform(&self, item: usize) {
        let p = self.plan;
        let (b, from) = (item / p.chunks(), item % p.chunks() * CHUNK);
        // SAFETY: `v` holds all blocks, each of which holds the channels of this chunk.
        unsafe { self.transform_block(&p.block(b), from..(from + CHUNK).min(p.image[2]), self.v.add(b * p.x_block())) };
    }

    /// Computes an item of the products, and the outputs from them.
    ///
    /// # Safety
    /// `y` must have room for the whole output, `v` must hold what all items of the input transform wrote; no other thread
    /// may write the tiles of this item.
    pub unsafe fn run(&self, item: usize) {
        let p = self.plan;
        assert!(self.x.len() >= p.batch * p.image.iter().product::<usize>() && self.u.len() >= p.weights_len());
        let outputs = p.batch * p.full.iter().product::<usize>();
        assert!(self.residual.is_empty() || self.residual.len() >= outputs);
        assert!(self.bias.is_empty() || self.bias.len() >= p.full[2]);
        assert!(self.affine.is_none_or(|rows| rows.iter().all(|row| row.len() >= p.full[2])));
        let products = p.variant.positions() * p.y_position();
        let transformed = if p.split { 0 } else { p.x_block() };
        with_scratch(products + transformed, |scratch: &mut [T]| {
            let m = scratch.as_mut_ptr();
            // SAFETY: the scratch memory has room for the products of a group, and for a block of inputs if they are not in `v`.
            unsafe {
                if p.split {
                    let (b, group) = (item / p.groups(), item % p.groups());
                    self.group(&p.block(b), group, self.v.add(b * p.x_block()), m);
                    return;
                }
                let (block, v) = (p.block(item), m.add(products));
                self.transform_block(&block, 0..p.image[2], v);
                for group in 0..p.groups() {
                    self.group(&block, group, v, m);
                }
            }
        });
    }

    /// Transforms some channels of the tiles of a block.
    unsafe fn transform_block(&self, block: &Block, channels: std::ops::Range<usize>, v: *mut T) {
        let p = self.plan;
        let ([h, w, c], n, step) = (p.image, p.variant.points(), p.variant.outputs());
        let per_image = p.tiles[0] * p.tiles[1];
        for t in 0..block.len {
            let tile = block.first + t;
            let image = &self.x[(block.image + tile / per_image) * h * w * c..][..h * w * c];
            let row = (tile % per_image / p.tiles[1] * step).wrapping_sub(p.padding[0]);
            let column = (tile % p.tiles[1] * step).wrapping_sub(p.padding[1]);
            let mut pixels = [p.zeros[channels.start..].as_ptr(); MOST_POSITIONS];
            for i in 0..n {
                let y = row.wrapping_add(i);
                for j in 0..n {
                    let x = column.wrapping_add(j);
                    if y < h && x < w {
                        pixels[i * n + j] = image[(y * w + x) * c + channels.start..].as_ptr();
                    }
                }
            }
            // SAFETY: each pixel has the channels, whether inside the image or zeros; `v` holds a vector behind the last channel.
            unsafe {
                let v = v.add(p.x_at[t] + channels.start);
                let t = InputTile { pixels: &pixels, channels: channels.len(), v, position: p.x_position() };
                p.kernels.winograd.input(n, &t);
            }
        }
    }

    /// The products of a block of tiles with a group of outputs, and the outputs from them.
    unsafe fn group(&self, block: &Block, group: usize, v: *const T, m: *mut T) {
        let p = self.plan;
        let width = p.kernels.width(p.full[2]);
        let first = group * p.group;
        let outputs = p.group.min(p.full[2] - first);
        let weights = p.image[2] * p.group;
        for position in 0..p.variant.positions() {
            // SAFETY: inputs, weights and products hold all positions.
            unsafe {
                width.run(&Tile {
                    spans: &p.spans,
                    x: v.add(position * p.x_position()),
                    x_at: &p.x_at[..block.len],
                    w: self.u.as_ptr().add(group * p.weight_group() + position * weights),
                    y: m.add(position * p.y_position()),
                    y_at: &p.y_at[..block.len],
                    cols: p.group,
                    bias: std::ptr::null(),
                    affine: [std::ptr::null(); 3],
                    residual: std::ptr::null(),
                    relu: false,
                });
            }
        }
        let ([oh, ow, k], step) = (p.full, p.variant.outputs());
        let per_image = p.tiles[0] * p.tiles[1];
        for t in 0..block.len {
            let tile = block.first + t;
            let (image, row, column) = (block.image + tile / per_image, tile % per_image / p.tiles[1] * step, tile % p.tiles[1] * step);
            let at = ((image * oh + row) * ow + column) * k + first;
            // SAFETY: `inside` keeps the outputs in the image.
            unsafe {
                p.kernels.winograd.output(
                    p.variant.points(),
                    &OutputTile {
                        m: m.add(p.y_at[t]),
                        position: p.y_position(),
                        outputs,
                        bias: if self.bias.is_empty() { std::ptr::null() } else { self.bias.as_ptr().add(first) },
                        affine: self.affine.map_or([std::ptr::null(); 3], |rows| rows.map(|row| row.as_ptr().add(first))),
                        residual: if self.residual.is_empty() { std::ptr::null() } else { self.residual.as_ptr().add(at) },
                        y: self.y.add(at),
                        strides: [k, ow * k],
                        inside: [step.min(oh - row), step.min(ow - column)],
                        relu: self.relu,
                    },
                );
            }
        }
    }
}

#[cfg(test)]
#[path = "winograd_test.rs"]
mod tests;
