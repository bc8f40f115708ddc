//! The microkernels of depthwise convolution: vectors run over channels, and a weight is used for several pixels at once.
//!
//! Kernels of 3x3 taps with a step of one or two have kernels of their own, see [`rows`]; those below take any taps.

mod pair;
mod plan;
mod rows;
mod trail;

pub(crate) use pair::Pair;
pub(crate) use plan::{Sweep, Values, gradient};
pub(crate) use trail::Trail;

use self::rows::{Rows, RowsGrad};
use super::kernels::{Kernels, Tile};
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};
use crate::tensor::Float;

/// Arguments of the depthwise weight gradient of a vector of channels.
pub(crate) struct DepthwiseGrad<'a, T> {
    /// First input of the first pixel.
    pub(crate) x: *const T,
    /// Offset of each tap.
    pub(crate) taps: &'a [usize],
    /// Pixel and row strides of the input.
    pub(crate) x_strides: [usize; 2],
    /// First output gradient.
    pub(crate) d: *const T,
    /// Pixel and row strides of the output gradient.
    pub(crate) d_strides: [usize; 2],
    /// Rows of pixels.
    pub(crate) rows: usize,
    /// Pixels of a row.
    pub(crate) pixels: usize,
    /// Channels, any number.
    pub(crate) channels: usize,
    /// Gradient `[tap][g_stride]`, added to.
    pub(crate) g: *mut T,
    /// From a tap to the next in the gradient.
    pub(crate) g_stride: usize,
}

/// The depthwise kernels of a float type for one instruction set.
pub(super) struct Depthwise<T> {
    forward: unsafe fn(&Tile<'_, T>, usize, usize),
    gradient: unsafe fn(&DepthwiseGrad<'_, T>),
    rows: unsafe fn(&Rows<T>),
    rows_grad: unsafe fn(&RowsGrad<T>),
}

impl<T: Float> Kernels<T> {
    /// Depthwise forward: `y[p][c] = b[c] + sum over spans of x[p + span][c] * w[span][c]` for `t.cols` channels; a span
    /// names one tap (its length is ignored), weights lie `[tap][w_stride]`. The pixels are rows of `columns` evenly spaced ones.
    ///
    /// # Safety
    /// All pointers and offsets of `t` must be valid.
    pub(crate) unsafe fn depthwise(&self, t: &Tile<'_, T>, w_stride: usize, columns: usize) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { (self.depthwise.forward)(t, w_stride, columns) };
    }

    /// Depthwise weight gradient.
    ///
    /// # Safety
    /// All pointers and offsets of `t` must be valid.
    pub(crate) unsafe fn depthwise_grad(&self, t: &DepthwiseGrad<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { (self.depthwise.gradient)(t) };
    }

    /// Depthwise sweep of 3x3 taps over whole rows.
    ///
    /// # Safety
    /// All pointers and sizes of `t` must be valid.
    unsafe fn depthwise_rows(&self, t: &Rows<T>) {
        // SAFETY: the caller's promise.
        unsafe { (self.depthwise.rows)(t) };
    }

    /// Depthwise weight gradient of 3x3 taps from whole rows.
    ///
    /// # Safety
    /// All pointers and sizes of `t` must be valid.
    unsafe fn depthwise_rows_grad(&self, t: &RowsGrad<T>) {
        // SAFETY: the caller's promise.
        unsafe { (self.depthwise.rows_grad)(t) };
    }
}

#[inline(always)]
unsafe fn load_part<S: Simd, const FULL: bool>(p: *const S::T, n: usize) -> S::V {
    // SAFETY: a whole vector, or `n` elements, are readable, the caller's promise.
    unsafe { if FULL { S::load(p) } else { S::load_n(p, n) } }
}

#[inline(always)]
unsafe fn store_part<S: Simd, const FULL: bool>(p: *mut S::T, n: usize, v: S::V) {
    // SAFETY: as `load_part`, writable.
    unsafe { if FULL { S::store(p, v) } else { S::store_n(p, n, v) } }
}

/// Normalises the sums of the channels from `c` on, adds what is added, rectifies them and stores them at `at`.
#[inline(always)]
unsafe fn finish<S: Simd, const FULL: bool>(t: &Tile<'_, S::T>, at: usize, c: usize, n: usize, sum: S::V) {
    // SAFETY: coefficients, what is added, and the target are valid for these channels, the caller's promise.
    unsafe {
        let mut v = sum;
        if !t.affine[0].is_null() {
            let mean = load_part::<S, FULL>(t.affine[0].add(c), n);
            let factor = load_part::<S, FULL>(t.affine[1].add(c), n);
            let bias = load_part::<S, FULL>(t.affine[2].add(c), n);
            v = S::add(S::mul(S::sub(v, mean), factor), bias);
        }
        if !t.residual.is_null() {
            v = S::add(v, load_part::<S, FULL>(t.residual.add(at), n));
        }
        if t.relu {
            // In this order what is not a number stays that.
            v = S::max(S::splat(S::T::default()), v);
        }
        store_part::<S, FULL>(t.y.add(at), n, v);
    }
}

/// `PIXELS` pixels of any taps.
#[inline(always)]
unsafe fn scattered<S: Simd, const PIXELS: usize, const FULL: bool>(t: &Tile<'_, S::T>, w_stride: usize, first: usize, c: usize) {
    // SAFETY: the offsets from `first` on and the channels from `c` on are valid, the caller's promise.
    unsafe {
        let n = t.cols - c;
        let zero = S::splat(S::T::default());
        let mut acc = [if t.bias.is_null() { zero } else { load_part::<S, FULL>(t.bias.add(c), n) }; PIXELS];
        for (k, span) in t.spans.iter().enumerate() {
            let wv = load_part::<S, FULL>(t.w.add(k * w_stride + c), n);
            for i in 0..PIXELS {
                let x = t.x.add(*t.x_at.get_unchecked(first + i) + span.start + c);
                acc[i] = S::fma(load_part::<S, FULL>(x, n), wv, acc[i]);
            }
        }
        for i in 0..PIXELS {
            finish::<S, FULL>(t, *t.y_at.get_unchecked(first + i) + c, c, n, acc[i]);
        }
    }
}

/// `PIXELS` neighbours of a row whose taps come in rows of three neighbouring pixels, `STEP` pixels of the source from one to
/// the next: what several of them read is loaded once.
#[inline(always)]
unsafe fn neighbours<S: Simd, const PIXELS: usize, const STEP: usize, const FULL: bool>(
    t: &Tile<'_, S::T>,
    w_stride: usize,
    first: usize,
    c: usize,
) {
    // SAFETY: as `scattered`.
    unsafe {
        let n = t.cols - c;
        let zero = S::splat(S::T::default());
        let mut acc = [if t.bias.is_null() { zero } else { load_part::<S, FULL>(t.bias.add(c), n) }; PIXELS];
        let x = t.x.add(*t.x_at.get_unchecked(first) + c);
        let pixel = t.spans.get_unchecked(1).start - t.spans.get_unchecked(0).start;
        let mut w = t.w.add(c);
        for taps in t.spans.chunks_exact(3) {
            let x = x.add(taps[0].start);
            let mut wv = [zero; 3];
            for k in 0..3 {
                wv[k] = load_part::<S, FULL>(w, n);
                w = w.wrapping_add(w_stride);
            }
            for i in 0..PIXELS {
                for k in 0..3 {
                    acc[i] = S::fma(load_part::<S, FULL>(x.add((i * STEP + k) * pixel), n), wv[k], acc[i]);
                }
            }
        }
        for i in 0..PIXELS {
            finish::<S, FULL>(t, *t.y_at.get_unchecked(first + i) + c, c, n, acc[i]);
        }
    }
}

/// Pixels from one output to the next if the taps are those of [`neighbours`], else 0.
fn step_of<T>(t: &Tile<'_, T>, columns: usize) -> usize {
    let [first, second, ..] = t.spans else { return 0 };
    let pixel = second.start.wrapping_sub(first.start);
    let threes = t.spans.chunks_exact(3);
    let regular =
        threes.remainder().is_empty() && threes.clone().all(|s| s[1].start == s[0].start + pixel && s[2].start == s[1].start + pixel);
    if columns < 2 || !regular || pixel == 0 {
        return 0;
    }
    [1, 2].into_iter().find(|step| t.x_at[1] == t.x_at[0] + step * pixel).unwrap_or(0)
}

/// Covers `n` pixels with runs of eight, four, two or one; the last run of a size overlaps the one before it.
macro_rules! cover {
    ($n:expr, $first:ident, $run:ident => $body:expr) => {
        cover!(@ $n, $first, $run => $body, 8, 4, 2, 1)
    };
    (@ $n:expr, $first:ident, $run:ident => $body:expr, $($size:literal),*) => {
        $(if $n >= $size {
            const $run: usize = $size;
            let mut $first = 0;
            loop {
                $body;
                if $first + $run >= $n {
                    break;
                }
                $first = ($first + $run).min($n - $run);
            }
        } else)* {}
    };
}

#[inline(always)]
unsafe fn sweep<S: Simd, const FULL: bool>(t: &Tile<'_, S::T>, w_stride: usize, columns: usize, step: usize, c: usize) {
    let n = t.x_at.len();
    // SAFETY: parts of the caller's tile.
    unsafe {
        if step == 0 {
            return cover!(n, first, RUN => scattered::<S, RUN, FULL>(t, w_stride, first, c));
        }
        for row in (0..n).step_by(columns) {
            if step == 1 {
                cover!(columns, first, RUN => neighbours::<S, RUN, 1, FULL>(t, w_stride, row + first, c));
            } else {
                cover!(columns, first, RUN => neighbours::<S, RUN, 2, FULL>(t, w_stride, row + first, c));
            }
        }
    }
}

#[inline(always)]
unsafe fn depthwise<S: Simd>(t: &Tile<'_, S::T>, w_stride: usize, columns: usize) {
    let step = step_of(t, columns);
    let mut c = 0;
    while c < t.cols {
        // SAFETY: the caller's promise.
        unsafe {
            if t.cols - c >= S::LANES {
                sweep::<S, true>(t, w_stride, columns, step, c);
            } else {
                sweep::<S, false>(t, w_stride, columns, step, c);
            }
        }
        c += S::LANES;
    }
}

/// Adds the products of `RUN` neighbours of a row for nine taps in rows of three; `pixel` elements from a tap to the next.
#[inline(always)]
unsafe fn add_neighbours<S: Simd, const RUN: usize, const STEP: usize, const FULL: bool>(
    t: &DepthwiseGrad<'_, S::T>,
    x: *const S::T,
    d: *const S::T,
    n: usize,
    acc: &mut [S::V; 9],
) {
    // SAFETY: `RUN` pixels with nine taps each are valid, the caller's promise.
    unsafe {
        let mut dv = [acc[0]; RUN];
        for i in 0..RUN {
            dv[i] = load_part::<S, FULL>(d.add(i * t.d_strides[0]), n);
        }
        let pixel = t.taps.get_unchecked(1) - t.taps.get_unchecked(0);
        for j in 0..3 {
            let x = x.add(*t.taps.get_unchecked(3 * j));
            for k in 0..3 {
                for i in 0..RUN {
                    acc[3 * j + k] = S::fma(load_part::<S, FULL>(x.add((i * STEP + k) * pixel), n), dv[i], acc[3 * j + k]);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn gradient_of_neighbours<S: Simd, const STEP: usize, const FULL: bool>(t: &DepthwiseGrad<'_, S::T>, c: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let n = t.channels - c;
        let mut acc = [S::splat(S::T::default()); 9];
        for row in 0..t.rows {
            let (mut x, mut d) = (t.x.add(row * t.x_strides[1] + c), t.d.add(row * t.d_strides[1] + c));
            for _ in 0..t.pixels / 4 {
                add_neighbours::<S, 4, STEP, FULL>(t, x, d, n, &mut acc);
                (x, d) = (x.wrapping_add(4 * t.x_strides[0]), d.wrapping_add(4 * t.d_strides[0]));
            }
            for _ in 0..t.pixels % 4 {
                add_neighbours::<S, 1, STEP, FULL>(t, x, d, n, &mut acc);
                (x, d) = (x.wrapping_add(t.x_strides[0]), d.wrapping_add(t.d_strides[0]));
            }
        }
        for k in 0..9 {
            let g = t.g.add(k * t.g_stride + c);
            store_part::<S, FULL>(g, n, S::add(load_part::<S, FULL>(g, n), acc[k]));
        }
    }
}

#[inline(always)]
unsafe fn gradient_of_taps<S: Simd, const TAPS: usize, const FULL: bool>(t: &DepthwiseGrad<'_, S::T>, from: usize, c: usize) {
    // SAFETY: TAPS taps from `from` and the channels from `c` are valid, the caller's promise.
    unsafe {
        let n = t.channels - c;
        let mut acc = [S::splat(S::T::default()); TAPS];
        for row in 0..t.rows {
            for p in 0..t.pixels {
                let d = load_part::<S, FULL>(t.d.add(row * t.d_strides[1] + p * t.d_strides[0] + c), n);
                let x = t.x.add(row * t.x_strides[1] + p * t.x_strides[0] + c);
                for k in 0..TAPS {
                    acc[k] = S::fma(load_part::<S, FULL>(x.add(t.taps[from + k]), n), d, acc[k]);
                }
            }
        }
        for k in 0..TAPS {
            let g = t.g.add((from + k) * t.g_stride + c);
            store_part::<S, FULL>(g, n, S::add(load_part::<S, FULL>(g, n), acc[k]));
        }
    }
}

#[inline(always)]
unsafe fn gradient_of<S: Simd, const FULL: bool>(t: &DepthwiseGrad<'_, S::T>, step: usize, c: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match step {
            1 => return gradient_of_neighbours::<S, 1, FULL>(t, c),
            2 => return gradient_of_neighbours::<S, 2, FULL>(t, c),
            _ => {}
        }
        let mut k = 0;
        while k < t.taps.len() {
            if k + 9 <= t.taps.len() {
                gradient_of_taps::<S, 9, FULL>(t, k, c);
                k += 9;
            } else if k + 5 <= t.taps.len() {
                gradient_of_taps::<S, 5, FULL>(t, k, c);
                k += 5;
            } else {
                gradient_of_taps::<S, 1, FULL>(t, k, c);
                k += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn depthwise_grad<S: Simd>(t: &DepthwiseGrad<'_, S::T>) {
    let regular = t.taps.len() == 9 && {
        let pixel = t.taps[1] - t.taps[0];
        t.taps.chunks_exact(3).all(|s| s[1] == s[0] + pixel && s[2] == s[1] + pixel)
    };
    let step = if regular { [1, 2].into_iter().find(|s| s * (t.taps[1] - t.taps[0]) == t.x_strides[0]).unwrap_or(0) } else { 0 };
    let mut c = 0;
    while c < t.channels {
        // SAFETY: the caller's promise.
        unsafe { if t.channels - c >= S::LANES { gradient_of::<S, true>(t, step, c) } else { gradient_of::<S, false>(t, step, c) } }
        c += S::LANES;
    }
}

/// The kernels compiled with target features.
macro_rules! featured {
    ($feature:literal, $simd:ty, $name:ident) => {
        #[cfg(target_arch = "x86_64")]
        pub(super) fn $name() -> Depthwise<f32> {
            #[target_feature(enable = $feature)]
            unsafe fn forward(t: &Tile<'_, f32>, w_stride: usize, columns: usize) {
                // SAFETY: the caller's promise.
                unsafe { depthwise::<$simd>(t, w_stride, columns) }
            }
            #[target_feature(enable = $feature)]
            unsafe fn gradient(t: &DepthwiseGrad<'_, f32>) {
                // SAFETY: the caller's promise.
                unsafe { depthwise_grad::<$simd>(t) }
            }
            #[target_feature(enable = $feature)]
            unsafe fn rows(t: &Rows<f32>) {
                // SAFETY: the caller's promise.
                unsafe { rows::rows::<$simd>(t) }
            }
            #[target_feature(enable = $feature)]
            unsafe fn rows_grad(t: &RowsGrad<f32>) {
                // SAFETY: the caller's promise.
                unsafe { rows::rows_grad::<$simd>(t) }
            }
            Depthwise { forward, gradient, rows, rows_grad }
        }
    };
}
featured!("avx2,fma", Avx2, avx2);
featured!("avx512f,avx512vl,avx512bw,avx512dq,fma", Avx512, avx512);

/// The kernels for any processor, with vectors of `N` values.
pub(super) fn portable<T: Float, const N: usize>() -> Depthwise<T> {
    unsafe fn forward<T: Float, const N: usize>(t: &Tile<'_, T>, w_stride: usize, columns: usize) {
        // SAFETY: the caller's promise.
        unsafe { depthwise::<Portable<T, N>>(t, w_stride, columns) }
    }
    unsafe fn gradient<T: Float, const N: usize>(t: &DepthwiseGrad<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { depthwise_grad::<Portable<T, N>>(t) }
    }
    unsafe fn rows<T: Float, const N: usize>(t: &Rows<T>) {
        // SAFETY: the caller's promise.
        unsafe { rows::rows::<Portable<T, N>>(t) }
    }
    unsafe fn rows_grad<T: Float, const N: usize>(t: &RowsGrad<T>) {
        // SAFETY: the caller's promise.
        unsafe { rows::rows_grad::<Portable<T, N>>(t) }
    }
    Depthwise { forward: forward::<T, N>, gradient: gradient::<T, N>, rows: rows::<T, N>, rows_grad: rows_grad::<T, N> }
}
