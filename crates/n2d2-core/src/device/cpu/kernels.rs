//! The microkernels of convolution and dense layers, written once over [`Simd`] and compiled for each instruction set
//! (those of depthwise convolution are in [`super::depthwise`]).
//!
//! | kernel | computes | registers |
//! |---|---|---|
//! | tile | `rows` pixels x `block` outputs: `y[p][k] = b[k] + sum x[p][j] * w[j][k]` | outputs in accumulators, pixels by broadcast, weights by vector |
//! | gradient tile | `values` x `block` outputs: `g[j][k] += sum_p x[p][j] * d[p][k]` | the same with pixels as the sum |
//! | column sum | `sum_p d[p][k]` | four pixels at a time |
//!
//! Tile sizes are those that keep the accumulators of one tile in registers: 14 x 32 for AVX-512, 6 x 16 for AVX2, 4 x 8
//! else. Every output element is summed in the same order whatever the tile it falls into.

mod table;

use super::ahead::Ahead;
use super::depthwise::Depthwise;
use super::isa::Isa;
use super::narrow::Rows;
use super::row::Row;
use super::simd::Simd;
use super::spread::Spread;
use super::winners::kernels as winners;
use super::winograd::transform::Transforms;
use crate::tensor::Float;
use num_traits::Float as _;
use std::ops::Range;
pub use table::{kernels_f32, kernels_f32_of, kernels_f64};

/// A run of neighbouring inputs, relative to a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Offset of the first input from the pixel.
    pub(crate) start: usize,
    /// Number of inputs.
    pub(crate) len: usize,
}

/// Arguments of a tile: `rows` pixels by at most one block of outputs.
pub(crate) struct Tile<'a, T> {
    /// The inputs of a pixel; their weights lie one after the other, a block wide each.
    pub(crate) spans: &'a [Span],
    /// Base of the inputs.
    pub(crate) x: *const T,
    /// Offset of each pixel from the base.
    pub(crate) x_at: &'a [usize],
    /// Weights of this block.
    pub(crate) w: *const T,
    /// Base of the outputs.
    pub(crate) y: *mut T,
    /// Offset of each pixel's outputs from the base.
    pub(crate) y_at: &'a [usize],
    /// Outputs to store, at most the block.
    pub(crate) cols: usize,
    /// Biases of this block (a whole block is read), or null.
    pub(crate) bias: *const T,
    /// Means, factors and biases that the outputs of this block are then normalised by (whole blocks are read), or null.
    pub(crate) affine: [*const T; 3],
    /// What is then added to the outputs, laid out as they are, or null.
    pub(crate) residual: *const T,
    /// Store `max(y, 0)`.
    pub(crate) relu: bool,
}

impl<T> Tile<'_, T> {
    /// The part from output `first` on, at most `block` wide, whose weights begin `weights` values later.
    #[inline]
    pub(crate) fn block(&self, first: usize, weights: usize, block: usize) -> Self {
        let behind = |p: *const T| if p.is_null() { p } else { p.wrapping_add(first) };
        let [mean, factor, shift] = self.affine;
        Tile {
            w: self.w.wrapping_add(weights),
            y: self.y.wrapping_add(first),
            cols: block.min(self.cols - first),
            bias: behind(self.bias),
            affine: [behind(mean), behind(factor), behind(shift)],
            residual: behind(self.residual),
            ..*self
        }
    }
}

/// Arguments of a gradient tile: `lines * values` inputs by one block of outputs, summed over pixels.
pub(crate) struct GradTile<'a, T> {
    /// Base of the first line of input values.
    pub(crate) x: *const T,
    /// From a line of values to the next.
    pub(crate) x_line: usize,
    /// Offset of each pixel from the base.
    pub(crate) x_at: &'a [usize],
    /// First output gradient of the first pixel.
    pub(crate) d: *const T,
    /// From a pixel to the next.
    pub(crate) d_stride: usize,
    /// Inputs of the first pixel, and output gradients and their distance from pixel to pixel, that will be needed later: for as
    /// many pixels. Any addresses will do.
    pub(crate) x_later: *const T,
    pub(crate) d_later: *const T,
    pub(crate) d_later_stride: usize,
    /// Outputs that exist, at most the block; the others get zero.
    pub(crate) cols: usize,
    /// Gradient of the first value: `[line][value][block]`.
    pub(crate) g: *mut T,
    /// From a line of values to the next in the gradient.
    pub(crate) g_line: usize,
    /// Add to what is there.
    pub(crate) add: bool,
}

/// Fewer pixels are over before a line that was asked for has come.
const FETCH_PIXELS: usize = 16;

/// Arguments of a transposition: `to[j * to_stride + i] = from[i * from_stride + j]`.
pub(crate) struct Transpose<T> {
    /// First element.
    pub(crate) from: *const T,
    /// From a row to the next.
    pub(crate) from_stride: usize,
    /// Rows, and columns, of `from`.
    pub(crate) size: [usize; 2],
    /// Where the first element goes.
    pub(crate) to: *mut T,
    /// From a row of the result to the next.
    pub(crate) to_stride: usize,
}

/// Arguments of products of the rows of weights with one vector: `y[i] = sum over b, k of w[b][i][k] * d[b][k]`.
pub(crate) struct Dot<T> {
    /// Weights of the first row: `[blocks][row][width]`.
    pub(crate) w: *const T,
    /// From a block to the next.
    pub(crate) w_block: usize,
    /// Blocks.
    pub(crate) blocks: usize,
    /// Rows.
    pub(crate) rows: usize,
    /// Values of a row of a block: a multiple of the lanes of [`Kernels::dot_lanes`].
    pub(crate) width: usize,
    /// The vector, `blocks * width` values.
    pub(crate) d: *const T,
    /// Where the products go.
    pub(crate) y: *mut T,
}

type TileFn<T> = unsafe fn(&Tile<'_, T>);
type AheadFn<T> = unsafe fn(&Tile<'_, T>, Ahead<T>);
type GradFn<T> = unsafe fn(&GradTile<'_, T>);

/// The kernels of one width of block.
pub struct Width<T: 'static> {
    /// Outputs of a block.
    pub block: usize,
    /// Most rows of a tile.
    pub rows: usize,
    tiles: Vec<TileFn<T>>,
    /// The same for at most half of the outputs; empty where a block is one vector.
    half_tiles: Vec<TileFn<T>>,
    /// The tiles that ask for what the next will need, see [`Width::run_ahead`]; empty where that is not worth their code.
    pub(super) ahead_tiles: Vec<AheadFn<T>>,
    /// The same for pixels one value apart; empty where that is not worth its code.
    unit_tiles: Vec<TileFn<T>>,
    /// The same for whole rows of them, where there are few outputs.
    few_outputs: Option<Rows<T>>,
    /// `[lines - 1][values - 1]`
    grads: Vec<Vec<GradFn<T>>>,
}

impl<T: Float> Width<T> {
    /// Runs a tile of any number of rows, cut into tiles of nearly the same height.
    ///
    /// # Safety
    /// All pointers and offsets of `t` must be valid for the whole tile.
    pub(crate) unsafe fn run(&self, t: &Tile<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { self.run_low(t, self.rows) };
    }

    /// The same with tiles of at most `rows` rows.
    ///
    /// # Safety
    /// As [`Width::run`].
    pub(crate) unsafe fn run_low(&self, t: &Tile<'_, T>, rows: usize) {
        let half = 2 * t.cols <= self.block && !self.half_tiles.is_empty();
        let tiles = if half { &self.half_tiles } else { &self.tiles };
        // SAFETY: the caller's promise.
        unsafe { Self::run_part(tiles, t, 0..t.x_at.len(), rows.min(self.rows)) };
    }

    /// The same for rows of `columns` pixels whose inputs are one value apart.
    ///
    /// # Safety
    /// As [`Width::run`].
    pub(crate) unsafe fn run_unit(&self, t: &Tile<'_, T>, columns: usize) {
        if let Some(kernel) = self.rows_of(columns, !t.residual.is_null()) {
            // SAFETY: the caller's promise; the kernel was made for this processor.
            return unsafe { (kernel.run)(t, self.block, columns) };
        }
        if self.unit_tiles.is_empty() {
            // SAFETY: the caller's promise.
            return unsafe { self.run(t) };
        }
        for row in 0..t.x_at.len() / columns {
            // SAFETY: a row of the caller's tile.
            unsafe { Self::run_part(&self.unit_tiles, t, row * columns..(row + 1) * columns, self.rows) };
        }
    }

    /// The kernel for whole rows of `columns` pixels, if there is one; none of them adds a residual.
    fn rows_of(&self, columns: usize, adds: bool) -> Option<&Rows<T>> {
        self.few_outputs.as_ref().filter(|r| columns >= r.lanes && !adds)
    }

    /// What [`Width::run_low`] computes with: pixels by outputs of a register tile.
    pub(crate) fn low_name(&self, rows: usize) -> String {
        format!("{}x{}", rows.min(self.rows), self.block)
    }

    /// What [`Width::run_unit`] computes with.
    pub(crate) fn unit_name(&self, columns: usize, adds: bool) -> String {
        if self.rows_of(columns, adds).is_some() { "narrow".to_string() } else { self.low_name(self.rows) }
    }

    unsafe fn run_part(tiles: &[TileFn<T>], t: &Tile<'_, T>, pixels: Range<usize>, rows: usize) {
        let parts = pixels.len().div_ceil(rows);
        let mut from = pixels.start;
        for i in 0..parts {
            let to = pixels.start + (i + 1) * pixels.len() / parts;
            let tile = Tile { x_at: &t.x_at[from..to], y_at: &t.y_at[from..to], ..*t };
            // SAFETY: a part of the caller's tile; the table was made for this processor.
            unsafe { tiles[to - from - 1](&tile) };
            from = to;
        }
    }

    /// Most values of a gradient tile with this number of lines; 0 if there is none.
    pub(crate) fn grad_values(&self, lines: usize) -> usize {
        self.grads.get(lines - 1).map_or(0, Vec::len)
    }

    /// Runs a gradient tile.
    ///
    /// # Safety
    /// All pointers of `t` must be valid; `lines` and `values` inside the table.
    pub(crate) unsafe fn run_grad(&self, lines: usize, values: usize, t: &GradTile<'_, T>) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { self.grads[lines - 1][values - 1](t) };
    }
}

/// All kernels of a float type for one instruction set.
pub struct Kernels<T: 'static> {
    /// The instruction set.
    pub isa: Isa,
    widths: Vec<Width<T>>,
    pub(super) depthwise: Depthwise<T>,
    column_sum: unsafe fn(*const T, usize, usize, usize, *mut T),
    transpose: unsafe fn(&Transpose<T>),
    dot: unsafe fn(&Dot<T>),
    row: unsafe fn(&Row<T>),
    fetch: unsafe fn(*const T, usize, usize),
    /// The kernels of the backward pass behind a maximum pooling, narrowest vectors first.
    pub(super) winners: Vec<winners::Width<T>>,
    pub(super) winograd: Transforms<T>,
    /// Narrowest first.
    spreads: Vec<Spread<T>>,
}

impl<T: Float> Kernels<T> {
    /// The block width for this number of outputs: the narrowest that holds them, else the widest.
    pub fn width(&self, outputs: usize) -> &Width<T> {
        let widest = self.widths.last().expect("every table has a width");
        self.widths.iter().find(|w| w.block >= outputs).unwrap_or(widest)
    }

    /// The kernels that spread rows of so many values, if there are some.
    pub(super) fn spread_of(&self, reach: usize) -> Option<&Spread<T>> {
        self.spreads.iter().find(|s| s.width >= reach)
    }

    /// Writes a matrix transposed.
    ///
    /// # Safety
    /// Both matrices must be valid and lie apart.
    pub(crate) unsafe fn transpose(&self, t: &Transpose<T>) {
        // SAFETY: the caller's promise.
        unsafe { (self.transpose)(t) };
    }

    /// Products of rows of weights with a vector.
    ///
    /// # Safety
    /// All pointers of `t` must be valid, its width a multiple of [`Kernels::dot_lanes`].
    pub(crate) unsafe fn dot(&self, t: &Dot<T>) {
        debug_assert!(t.width.is_multiple_of(self.dot_lanes()));
        // SAFETY: the caller's promise.
        unsafe { (self.dot)(t) };
    }

    /// The product of a row of inputs with blocks of weights.
    ///
    /// # Safety
    /// All pointers of `t` must be valid, its width a multiple of [`Kernels::dot_lanes`].
    pub(crate) unsafe fn row(&self, t: &Row<T>) {
        debug_assert!(t.width.is_multiple_of(self.dot_lanes()));
        // SAFETY: the caller's promise.
        unsafe { (self.row)(t) };
    }

    /// Asks for `count` lines that will be written, `step` elements from one to the next; any addresses will do.
    pub(crate) fn fetch(&self, p: *const T, step: usize, count: usize) {
        // SAFETY: hints; the table was made for this processor.
        unsafe { (self.fetch)(p, step, count) };
    }

    /// Lanes that the rows of [`Kernels::dot`] and the width of [`Kernels::row`] must be a multiple of.
    pub(crate) fn dot_lanes(&self) -> usize {
        match self.isa {
            Isa::Avx512 => 16,
            Isa::Avx2 => 8,
            Isa::Portable => self.widths[0].block,
        }
    }

    /// `out[k] = sum over pixels of d[p * stride + k]` for `k < cols`.
    pub(crate) fn column_sum(&self, d: &[T], stride: usize, cols: usize, out: &mut [T]) {
        let pixels = d.len() / stride;
        assert!(out.len() >= cols && cols <= stride);
        // SAFETY: reads `cols <= stride` elements of each of `pixels` rows inside `d`.
        unsafe { self.column_sum_at(d.as_ptr(), pixels, stride, &mut out[..cols]) };
    }

    /// The same over `pixels` pixels from `d` on, for as many columns as `out` has.
    ///
    /// # Safety
    /// These values must be there.
    pub(crate) unsafe fn column_sum_at(&self, d: *const T, pixels: usize, stride: usize, out: &mut [T]) {
        // SAFETY: the caller's promise, and `out` for what is written.
        unsafe { (self.column_sum)(d, pixels, stride, out.len(), out.as_mut_ptr()) };
    }
}

#[inline(always)]
unsafe fn load_cols<S: Simd>(p: *const S::T, cols: usize) -> S::V {
    // SAFETY: `cols` readable elements, the caller's promise.
    unsafe { if cols >= S::LANES { S::load(p) } else { S::load_n(p, cols) } }
}

/// A tile of `ROWS` pixels and the first `NV` of the `OF` vectors of a block.
#[inline(always)]
unsafe fn tile<S: Simd, const ROWS: usize, const NV: usize, const OF: usize, const UNIT: bool, const AHEAD: bool>(
    t: &Tile<'_, S::T>,
    ahead: Ahead<S::T>,
) {
    // SAFETY: the caller gives ROWS offsets and valid pointers, on a processor with the instruction set.
    unsafe {
        let mut acc = [[S::splat(S::T::default()); NV]; ROWS];
        if !t.bias.is_null() {
            for j in 0..NV {
                let b = S::load(t.bias.add(j * S::LANES));
                for row in &mut acc {
                    row[j] = b;
                }
            }
        }
        let x_at: &[usize; ROWS] = &*t.x_at.as_ptr().cast();
        for i in if AHEAD { 0..0 } else { 0..ROWS } {
            for v in 0..NV {
                S::fetch(t.y.wrapping_add(*t.y_at.get_unchecked(i) + v * S::LANES));
            }
        }
        let mut w = t.w;
        let Ahead { x: mut next_x, y: mut next_y, .. } = ahead;
        for (s, span) in t.spans.iter().enumerate() {
            if let Some(next) = t.spans.get(s + 1).filter(|n| !UNIT && n.len >= FETCH_PIXELS) {
                for i in 0..ROWS {
                    S::fetch_to_read(t.x.wrapping_add(x_at[i] + next.start));
                }
            }
            let mut x = [t.x; ROWS];
            for i in 0..ROWS {
                x[i] = if UNIT { t.x.add(x_at[0] + span.start + i) } else { t.x.add(x_at[i] + span.start) };
            }
            for j in 0..span.len {
                let mut wv = [S::splat(S::T::default()); NV];
                for v in 0..NV {
                    wv[v] = S::load(w.add(v * S::LANES));
                }
                w = w.add(OF * S::LANES);
                if AHEAD {
                    S::fetch_to_read(next_x);
                    S::fetch(next_y);
                    next_x = next_x.wrapping_add(ahead.x_step);
                    next_y = next_y.wrapping_add(ahead.y_step);
                }
                for i in 0..ROWS {
                    let xv = S::splat(*x[i].add(j));
                    for v in 0..NV {
                        acc[i][v] = S::fma(xv, wv[v], acc[i][v]);
                    }
                }
            }
        }
        if !t.affine[0].is_null() && t.residual.is_null() && t.cols == NV * S::LANES {
            return normalise::<S, ROWS, NV>(t, &acc);
        }
        if !t.affine[0].is_null() {
            for v in 0..NV {
                let mean = S::load(t.affine[0].add(v * S::LANES));
                let factor = S::load(t.affine[1].add(v * S::LANES));
                let bias = S::load(t.affine[2].add(v * S::LANES));
                for row in &mut acc {
                    row[v] = S::add(S::mul(S::sub(row[v], mean), factor), bias);
                }
            }
        }
        if !t.residual.is_null() {
            for i in 0..ROWS {
                let r = t.residual.add(*t.y_at.get_unchecked(i));
                for v in 0..NV {
                    let p = r.wrapping_add(v * S::LANES);
                    acc[i][v] = S::add(acc[i][v], load_cols::<S>(p, t.cols.saturating_sub(v * S::LANES)));
                }
            }
        }
        if t.relu {
            let zero = S::splat(S::T::default());
            for row in &mut acc {
                for a in row {
                    // In this order what is not a number stays that.
                    *a = S::max(zero, *a);
                }
            }
        }
        if t.cols == NV * S::LANES {
            for i in 0..ROWS {
                let y = t.y.add(*t.y_at.get_unchecked(i));
                for v in 0..NV {
                    S::store(y.add(v * S::LANES), acc[i][v]);
                }
            }
        } else {
            // Through memory: indexing the accumulators by a loop that depends on `cols` would move them out of registers.
            let mut rows = [[acc[0][0]; NV]; ROWS];
            for i in 0..ROWS {
                for v in 0..NV {
                    S::store((&raw mut rows[i][v]).cast(), acc[i][v]);
                }
            }
            store_columns::<S>((&raw const rows).cast(), NV * S::LANES, t);
        }
    }
}

/// Normalises, rectifies and stores whole rows: what is stored at once leaves its register to the next value.
#[inline(always)]
unsafe fn normalise<S: Simd, const ROWS: usize, const NV: usize>(t: &Tile<'_, S::T>, acc: &[[S::V; NV]; ROWS]) {
    // SAFETY: whole blocks of coefficients, and room for a block at each `y_at`, the caller's promise.
    unsafe {
        let least = S::splat(if t.relu { S::T::default() } else { S::T::neg_infinity() });
        for v in 0..NV {
            // Not by `map`, which is not inlined: its closure would be compiled without the features of the kernel.
            let mean = S::load(t.affine[0].add(v * S::LANES));
            let factor = S::load(t.affine[1].add(v * S::LANES));
            let bias = S::load(t.affine[2].add(v * S::LANES));
            for i in 0..ROWS {
                let y = S::add(S::mul(S::sub(acc[i][v], mean), factor), bias);
                // In this order what is not a number stays that.
                S::store(t.y.add(*t.y_at.get_unchecked(i) + v * S::LANES), S::max(least, y));
            }
        }
    }
}

/// Stores the first `t.cols` values of each row.
#[inline(always)]
unsafe fn store_columns<S: Simd>(rows: *const S::T, stride: usize, t: &Tile<'_, S::T>) {
    for (i, at) in t.y_at.iter().enumerate() {
        let mut done = 0;
        // SAFETY: `cols <= stride` values of each row, and room for as many at each `y_at`, the caller's promise.
        unsafe {
            let (from, to) = (rows.add(i * stride), t.y.add(*at));
            while done + S::LANES <= t.cols {
                S::store(to.add(done), S::load(from.add(done)));
                done += S::LANES;
            }
            S::store_n(to.add(done), t.cols - done, S::load(from.add(done)));
        }
    }
}

#[inline(always)]
unsafe fn grad_sum<S: Simd, const LINES: usize, const VALUES: usize, const NV: usize, const FULL: bool>(
    t: &GradTile<'_, S::T>,
    acc: &mut [[[S::V; NV]; VALUES]; LINES],
) {
    // SAFETY: the caller gives valid pointers, on a processor with the instruction set.
    unsafe {
        let (mut d, mut d_later) = (t.d, t.d_later);
        for at in t.x_at {
            let x = t.x.add(*at);
            // A tile of few products has no time for it.
            if NV * S::LANES >= 16 {
                S::fetch_for_later(t.x_later.wrapping_add(*at));
                S::fetch_for_later(d_later);
                d_later = d_later.wrapping_add(t.d_later_stride);
            }
            let mut dv = [S::splat(S::T::default()); NV];
            for v in 0..NV {
                let p = d.add(v * S::LANES);
                dv[v] = if FULL { S::load(p) } else { load_cols::<S>(p, t.cols.saturating_sub(v * S::LANES)) };
            }
            for l in 0..LINES {
                for i in 0..VALUES {
                    let xv = S::splat(*x.add(l * t.x_line + i));
                    for v in 0..NV {
                        acc[l][i][v] = S::fma(xv, dv[v], acc[l][i][v]);
                    }
                }
            }
            d = d.wrapping_add(t.d_stride);
        }
    }
}

#[inline(always)]
unsafe fn grad_tile<S: Simd, const LINES: usize, const VALUES: usize, const NV: usize>(t: &GradTile<'_, S::T>) {
    // SAFETY: as `grad_sum`; the gradient holds `LINES` lines of `VALUES` blocks.
    unsafe {
        for l in if t.x_at.len() < FETCH_PIXELS { 0..0 } else { 0..LINES } {
            for i in 0..VALUES * NV {
                S::fetch(t.g.wrapping_add(l * t.g_line + i * S::LANES));
            }
        }
        let mut acc = [[[S::splat(S::T::default()); NV]; VALUES]; LINES];
        if t.cols == NV * S::LANES {
            grad_sum::<S, LINES, VALUES, NV, true>(t, &mut acc);
        } else {
            grad_sum::<S, LINES, VALUES, NV, false>(t, &mut acc);
        }
        for l in 0..LINES {
            for i in 0..VALUES {
                for v in 0..NV {
                    let p = t.g.add(l * t.g_line + (i * NV + v) * S::LANES);
                    let a = acc[l][i][v];
                    S::store(p, if t.add { S::add(S::load(p), a) } else { a });
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn fetch<S: Simd>(p: *const S::T, step: usize, count: usize) {
    for i in 0..count {
        // SAFETY: a hint, on a processor with the instruction set.
        unsafe { S::fetch(p.wrapping_add(i * step)) };
    }
}

#[inline(always)]
unsafe fn column_sum<S: Simd>(d: *const S::T, pixels: usize, stride: usize, cols: usize, out: *mut S::T) {
    let mut k = 0;
    while k < cols {
        let n = cols - k;
        // SAFETY: `n` columns from `k` of each pixel are readable, the caller's promise.
        unsafe {
            let mut acc = [S::splat(S::T::default()); 4];
            let mut p = d.add(k);
            for _ in 0..pixels / 4 {
                for a in &mut acc {
                    *a = S::add(*a, load_cols::<S>(p, n));
                    p = p.wrapping_add(stride);
                }
            }
            for _ in 0..pixels % 4 {
                acc[0] = S::add(acc[0], load_cols::<S>(p, n));
                p = p.wrapping_add(stride);
            }
            let sum = S::add(S::add(acc[0], acc[1]), S::add(acc[2], acc[3]));
            if n >= S::LANES { S::store(out.add(k), sum) } else { S::store_n(out.add(k), n, sum) }
        }
        k += S::LANES;
    }
}

#[inline(always)]
unsafe fn transpose<S: Simd>(t: &Transpose<S::T>) {
    let [rows, columns] = t.size;
    let at = |i: usize, j: usize| (t.from.wrapping_add(i * t.from_stride + j), t.to.wrapping_add(j * t.to_stride + i));
    for i in (0..rows).step_by(S::SQUARE) {
        for j in (0..columns).step_by(S::SQUARE) {
            let (height, width) = (S::SQUARE.min(rows - i), S::SQUARE.min(columns - j));
            // SAFETY: inside both matrices, the caller's promise.
            unsafe {
                if height == S::SQUARE && width == S::SQUARE {
                    let (from, to) = at(i, j);
                    S::transpose(from, t.from_stride, to, t.to_stride);
                    continue;
                }
                for i in i..i + height {
                    for j in j..j + width {
                        let (from, to) = at(i, j);
                        *to = *from;
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn dot_rows<S: Simd, const ROWS: usize>(t: &Dot<S::T>, row: usize) {
    // SAFETY: ROWS rows from `row` of every block are valid, the caller's promise.
    unsafe {
        let mut acc = [S::splat(S::T::default()); ROWS];
        for b in 0..t.blocks {
            let w = t.w.add(b * t.w_block + row * t.width);
            for v in (0..t.width).step_by(S::LANES) {
                let d = S::load(t.d.add(b * t.width + v));
                for i in 0..ROWS {
                    acc[i] = S::fma(S::load(w.add(i * t.width + v)), d, acc[i]);
                }
            }
        }
        for i in 0..ROWS {
            *t.y.add(row + i) = S::sum(acc[i]);
        }
    }
}

#[inline(always)]
unsafe fn dot<S: Simd>(t: &Dot<S::T>) {
    let mut row = 0;
    while row < t.rows {
        // SAFETY: the caller's promise.
        unsafe {
            if row + 16 <= t.rows {
                dot_rows::<S, 16>(t, row);
                row += 16;
            } else if row + 4 <= t.rows {
                dot_rows::<S, 4>(t, row);
                row += 4;
            } else {
                dot_rows::<S, 1>(t, row);
                row += 1;
            }
        }
    }
}
