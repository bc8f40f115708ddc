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

use super::depthwise::{self, Depthwise};
use super::isa::{Isa, isa};
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};
use super::winners::kernels as winners;
use super::winograd::transform::{self, Transforms};
use crate::tensor::Float;
use std::sync::OnceLock;

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
    /// Store `max(y, 0)`.
    pub(crate) relu: bool,
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
type GradFn<T> = unsafe fn(&GradTile<'_, T>);

/// The kernels of one width of block.
pub struct Width<T: 'static> {
    /// Outputs of a block.
    pub block: usize,
    /// Most rows of a tile.
    pub rows: usize,
    tiles: Vec<TileFn<T>>,
    /// The same for pixels one value apart; empty where that is not worth its code.
    unit_tiles: Vec<TileFn<T>>,
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
        unsafe { self.run_part(&self.tiles, t, 0, t.x_at.len()) };
    }

    /// The same for rows of `columns` pixels whose inputs are one value apart.
    ///
    /// # Safety
    /// As [`Width::run`].
    pub(crate) unsafe fn run_unit(&self, t: &Tile<'_, T>, columns: usize) {
        if self.unit_tiles.is_empty() {
            // SAFETY: the caller's promise.
            return unsafe { self.run(t) };
        }
        for row in 0..t.x_at.len() / columns {
            // SAFETY: a row of the caller's tile.
            unsafe { self.run_part(&self.unit_tiles, t, row * columns, columns) };
        }
    }

    unsafe fn run_part(&self, tiles: &[TileFn<T>], t: &Tile<'_, T>, start: usize, n: usize) {
        let parts = n.div_ceil(self.rows);
        let mut from = 0;
        for i in 0..parts {
            let to = (i + 1) * n / parts;
            let tile = Tile { x_at: &t.x_at[start + from..start + to], y_at: &t.y_at[start + from..start + to], ..*t };
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
    /// The kernels of the backward pass behind a maximum pooling, narrowest vectors first.
    pub(super) winners: Vec<winners::Width<T>>,
    pub(super) winograd: Transforms<T>,
}

impl<T: Float> Kernels<T> {
    /// The block width for this number of outputs: the narrowest that holds them, else the widest.
    pub fn width(&self, outputs: usize) -> &Width<T> {
        let widest = self.widths.last().expect("every table has a width");
        self.widths.iter().find(|w| w.block >= outputs).unwrap_or(widest)
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

    /// Lanes that the rows of [`Kernels::dot`] must be a multiple of.
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
        // SAFETY: reads `cols <= stride` elements of each of `pixels` rows inside `d`, writes `cols` elements of `out`.
        unsafe { (self.column_sum)(d.as_ptr(), pixels, stride, cols, out.as_mut_ptr()) };
    }
}

#[inline(always)]
unsafe fn load_cols<S: Simd>(p: *const S::T, cols: usize) -> S::V {
    // SAFETY: `cols` readable elements, the caller's promise.
    unsafe { if cols >= S::LANES { S::load(p) } else { S::load_n(p, cols) } }
}

#[inline(always)]
unsafe fn tile<S: Simd, const ROWS: usize, const NV: usize, const UNIT: bool>(t: &Tile<'_, S::T>) {
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
        for i in 0..ROWS {
            for v in 0..NV {
                S::fetch(t.y.wrapping_add(*t.y_at.get_unchecked(i) + v * S::LANES));
            }
        }
        let mut w = t.w;
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
                w = w.add(NV * S::LANES);
                for i in 0..ROWS {
                    let xv = S::splat(*x[i].add(j));
                    for v in 0..NV {
                        acc[i][v] = S::fma(xv, wv[v], acc[i][v]);
                    }
                }
            }
        }
        if t.relu {
            let zero = S::splat(S::T::default());
            for row in &mut acc {
                for a in row {
                    *a = S::max(*a, zero);
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
        let mut d = t.d;
        for at in t.x_at {
            let x = t.x.add(*at);
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

/// A wrapper that compiles a generic kernel with target features.
macro_rules! featured {
    ($feature:literal, $simd:ty, $t:ty, $module:ident) => {
        #[cfg(target_arch = "x86_64")]
        mod $module {
            use super::*;
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn tile<const ROWS: usize, const NV: usize, const UNIT: bool>(t: &Tile<'_, $t>) {
                // SAFETY: the caller's promise.
                unsafe { super::tile::<$simd, ROWS, NV, UNIT>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn grad<const LINES: usize, const VALUES: usize, const NV: usize>(t: &GradTile<'_, $t>) {
                // SAFETY: the caller's promise.
                unsafe { super::grad_tile::<$simd, LINES, VALUES, NV>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn transpose(t: &Transpose<$t>) {
                // SAFETY: the caller's promise.
                unsafe { super::transpose::<$simd>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn dot(t: &Dot<$t>) {
                // SAFETY: the caller's promise.
                unsafe { super::dot::<$simd>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn column_sum(d: *const $t, pixels: usize, stride: usize, cols: usize, out: *mut $t) {
                // SAFETY: the caller's promise.
                unsafe { super::column_sum::<$simd>(d, pixels, stride, cols, out) }
            }
        }
    };
}
featured!("avx2,fma", Avx2, f32, avx2);
featured!("avx512f,avx512vl,avx512bw,avx512dq,fma", Avx512, f32, avx512);

mod portable {
    use super::{Dot, Float, GradTile, Portable, Tile, Transpose};
    pub(super) unsafe fn tile<T: Float, const N: usize, const ROWS: usize, const NV: usize, const UNIT: bool>(t: &Tile<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { super::tile::<Portable<T, N>, ROWS, NV, UNIT>(t) }
    }
    pub(super) unsafe fn grad<T: Float, const N: usize, const LINES: usize, const VALUES: usize, const NV: usize>(t: &GradTile<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { super::grad_tile::<Portable<T, N>, LINES, VALUES, NV>(t) }
    }
    pub(super) unsafe fn transpose<T: Float, const N: usize>(t: &Transpose<T>) {
        // SAFETY: the caller's promise.
        unsafe { super::transpose::<Portable<T, N>>(t) }
    }
    pub(super) unsafe fn dot<T: Float, const N: usize>(t: &Dot<T>) {
        // SAFETY: the caller's promise.
        unsafe { super::dot::<Portable<T, N>>(t) }
    }
    pub(super) unsafe fn column_sum<T: Float, const N: usize>(d: *const T, pixels: usize, stride: usize, cols: usize, out: *mut T) {
        // SAFETY: the caller's promise.
        unsafe { super::column_sum::<Portable<T, N>>(d, pixels, stride, cols, out) }
    }
}

fn portable_kernels<T: Float, const N: usize>() -> Kernels<T> {
    macro_rules! tiles {
        ($nv:literal, $unit:literal; $($rows:literal)*) => { vec![$(portable::tile::<T, N, $rows, $nv, $unit> as TileFn<T>),*] };
    }
    macro_rules! grads {
        ($nv:literal, $lines:literal; $($values:literal)*) => { vec![$(portable::grad::<T, N, $lines, $values, $nv> as GradFn<T>),*] };
    }
    Kernels {
        isa: Isa::Portable,
        widths: vec![
            Width {
                block: N,
                rows: 6,
                tiles: tiles![1, false; 1 2 3 4 5 6],
                unit_tiles: Vec::new(),
                grads: vec![grads![1, 1; 1 2 3 4 5 6], grads![1, 2; 1 2 3]],
            },
            Width { block: 2 * N, rows: 4, tiles: tiles![2, false; 1 2 3 4], unit_tiles: Vec::new(), grads: vec![grads![2, 1; 1 2 3 4]] },
        ],
        depthwise: depthwise::portable::<T, N>(),
        column_sum: portable::column_sum::<T, N>,
        transpose: portable::transpose::<T, N>,
        dot: portable::dot::<T, N>,
        winners: winners::portable::<T, N>(),
        winograd: transform::portable::<T, N>(),
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! tiles {
    ($module:ident, $nv:literal, $unit:literal; $($rows:literal)*) => { vec![$($module::tile::<$rows, $nv, $unit> as TileFn<f32>),*] };
}
#[cfg(target_arch = "x86_64")]
macro_rules! grads {
    ($module:ident, $nv:literal, $lines:literal; $($values:literal)*) => { vec![$($module::grad::<$lines, $values, $nv> as GradFn<f32>),*] };
}

/// The AVX2 kernels for at most 8 outputs: one 256-bit vector, up to 12 accumulators.
#[cfg(target_arch = "x86_64")]
fn narrow_width() -> Width<f32> {
    Width {
        block: 8,
        rows: 12,
        tiles: tiles![avx2, 1, false; 1 2 3 4 5 6 7 8 9 10 11 12],
        unit_tiles: tiles![avx2, 1, true; 1 2 3 4 5 6 7 8 9 10 11 12],
        grads: vec![grads![avx2, 1, 1; 1 2 3 4 5 6 7 8 9 10 11 12], grads![avx2, 1, 2; 1 2 3 4 5 6], grads![avx2, 1, 3; 1 2 3 4]],
    }
}

#[cfg(target_arch = "x86_64")]
fn avx2_kernels() -> Kernels<f32> {
    Kernels {
        isa: Isa::Avx2,
        widths: vec![
            narrow_width(),
            Width {
                block: 16,
                rows: 6,
                tiles: tiles![avx2, 2, false; 1 2 3 4 5 6],
                unit_tiles: Vec::new(),
                grads: vec![grads![avx2, 2, 1; 1 2 3 4 5 6]],
            },
        ],
        depthwise: depthwise::avx2(),
        column_sum: avx2::column_sum,
        transpose: avx2::transpose,
        dot: avx2::dot,
        winners: winners::avx2(),
        winograd: transform::AVX2,
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512_kernels() -> Kernels<f32> {
    let one = Width {
        block: 16,
        rows: 14,
        tiles: tiles![avx512, 1, false; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        unit_tiles: tiles![avx512, 1, true; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        grads: vec![
            grads![avx512, 1, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
            grads![avx512, 1, 2; 1 2 3 4 5 6 7],
            grads![avx512, 1, 3; 1 2 3 4],
        ],
    };
    let two = Width {
        block: 32,
        rows: 14,
        tiles: tiles![avx512, 2, false; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        unit_tiles: Vec::new(),
        grads: vec![grads![avx512, 2, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14]],
    };
    Kernels {
        isa: Isa::Avx512,
        widths: vec![narrow_width(), one, two],
        depthwise: depthwise::avx512(),
        column_sum: avx512::column_sum,
        transpose: avx512::transpose,
        dot: avx512::dot,
        winners: winners::avx512(),
        winograd: transform::AVX512,
    }
}

/// The `f32` kernels for an instruction set; the portable ones if the processor lacks it.
pub fn kernels_f32_of(wanted: Isa) -> &'static Kernels<f32> {
    static PORTABLE: OnceLock<Kernels<f32>> = OnceLock::new();
    #[cfg(target_arch = "x86_64")]
    {
        static AVX2: OnceLock<Kernels<f32>> = OnceLock::new();
        static AVX512: OnceLock<Kernels<f32>> = OnceLock::new();
        if super::isas().contains(&wanted) {
            match wanted {
                Isa::Avx512 => return AVX512.get_or_init(avx512_kernels),
                Isa::Avx2 => return AVX2.get_or_init(avx2_kernels),
                Isa::Portable => {}
            }
        }
    }
    let _ = wanted;
    PORTABLE.get_or_init(portable_kernels::<f32, 4>)
}

/// The `f32` kernels in use.
pub fn kernels_f32() -> &'static Kernels<f32> {
    static CHOSEN: OnceLock<&'static Kernels<f32>> = OnceLock::new();
    CHOSEN.get_or_init(|| kernels_f32_of(isa()))
}

/// The `f64` kernels: portable.
pub fn kernels_f64() -> &'static Kernels<f64> {
    static CHOSEN: OnceLock<Kernels<f64>> = OnceLock::new();
    CHOSEN.get_or_init(portable_kernels::<f64, 2>)
}
