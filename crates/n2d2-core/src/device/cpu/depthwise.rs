//! The microkernels of depthwise convolution: vectors run over channels, and a weight is used for several pixels at once.

use super::kernels::{Kernels, Tile, load_cols};
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
    forward: unsafe fn(&Tile<'_, T>, usize),
    gradient: unsafe fn(&DepthwiseGrad<'_, T>),
}

impl<T: Float> Kernels<T> {
    /// Depthwise forward: `y[p][c] = b[c] + sum over spans of x[p + span][c] * w[span][c]` for `t.cols` channels; a span
    /// names one tap (its length is ignored), weights lie `[tap][w_stride]`.
    ///
    /// # Safety
    /// All pointers and offsets of `t` must be valid.
    pub(crate) unsafe fn depthwise(&self, t: &Tile<'_, T>, w_stride: usize) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { (self.depthwise.forward)(t, w_stride) };
    }

    /// Depthwise weight gradient.
    ///
    /// # Safety
    /// All pointers and offsets of `t` must be valid.
    pub(crate) unsafe fn depthwise_grad(&self, t: &DepthwiseGrad<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { (self.depthwise.gradient)(t) };
    }
}

#[inline(always)]
unsafe fn depthwise_rows<S: Simd, const ROWS: usize>(t: &Tile<'_, S::T>, w_stride: usize, c: usize, n: usize) {
    // SAFETY: ROWS offsets and `n` channels from `c` are valid, the caller's promise.
    unsafe {
        let load = |p: *const S::T| load_cols::<S>(p, n);
        let bias = if t.bias.is_null() { S::splat(S::T::default()) } else { load(t.bias.add(c)) };
        let mut acc = [bias; ROWS];
        for (k, span) in t.spans.iter().enumerate() {
            let wv = load(t.w.add(k * w_stride + c));
            for i in 0..ROWS {
                acc[i] = S::fma(load(t.x.add(*t.x_at.get_unchecked(i) + span.start + c)), wv, acc[i]);
            }
        }
        for i in 0..ROWS {
            let p = t.y.add(*t.y_at.get_unchecked(i) + c);
            let a = if t.relu { S::max(acc[i], S::splat(S::T::default())) } else { acc[i] };
            if n >= S::LANES { S::store(p, a) } else { S::store_n(p, n, a) }
        }
    }
}

#[inline(always)]
unsafe fn depthwise<S: Simd>(t: &Tile<'_, S::T>, w_stride: usize) {
    const ROWS: usize = 6;
    let n = t.x_at.len();
    let mut c = 0;
    while c < t.cols {
        let lanes = t.cols - c;
        let mut i = 0;
        while i < n {
            // SAFETY: a part of the caller's tile.
            unsafe {
                if i + ROWS <= n {
                    let part = Tile { x_at: &t.x_at[i..i + ROWS], y_at: &t.y_at[i..i + ROWS], ..*t };
                    depthwise_rows::<S, ROWS>(&part, w_stride, c, lanes);
                    i += ROWS;
                } else {
                    let part = Tile { x_at: &t.x_at[i..=i], y_at: &t.y_at[i..=i], ..*t };
                    depthwise_rows::<S, 1>(&part, w_stride, c, lanes);
                    i += 1;
                }
            }
        }
        c += S::LANES;
    }
}

#[inline(always)]
unsafe fn depthwise_grad_taps<S: Simd, const TAPS: usize>(t: &DepthwiseGrad<'_, S::T>, from: usize, c: usize) {
    // SAFETY: TAPS taps from `from` and the channels from `c` are valid, the caller's promise.
    unsafe {
        let n = t.channels - c;
        let mut acc = [S::splat(S::T::default()); TAPS];
        for row in 0..t.rows {
            for p in 0..t.pixels {
                let d = load_cols::<S>(t.d.add(row * t.d_strides[1] + p * t.d_strides[0] + c), n);
                let x = t.x.add(row * t.x_strides[1] + p * t.x_strides[0] + c);
                for k in 0..TAPS {
                    acc[k] = S::fma(load_cols::<S>(x.add(t.taps[from + k]), n), d, acc[k]);
                }
            }
        }
        for k in 0..TAPS {
            let g = t.g.add((from + k) * t.g_stride + c);
            let sum = S::add(load_cols::<S>(g, n), acc[k]);
            if n >= S::LANES { S::store(g, sum) } else { S::store_n(g, n, sum) }
        }
    }
}

#[inline(always)]
unsafe fn depthwise_grad<S: Simd>(t: &DepthwiseGrad<'_, S::T>) {
    let mut c = 0;
    while c < t.channels {
        let mut k = 0;
        while k < t.taps.len() {
            // SAFETY: the caller's promise.
            unsafe {
                if k + 9 <= t.taps.len() {
                    depthwise_grad_taps::<S, 9>(t, k, c);
                    k += 9;
                } else if k + 5 <= t.taps.len() {
                    depthwise_grad_taps::<S, 5>(t, k, c);
                    k += 5;
                } else {
                    depthwise_grad_taps::<S, 1>(t, k, c);
                    k += 1;
                }
            }
        }
        c += S::LANES;
    }
}

/// The kernels compiled with target features.
macro_rules! featured {
    ($feature:literal, $simd:ty, $name:ident) => {
        #[cfg(target_arch = "x86_64")]
        pub(super) fn $name() -> Depthwise<f32> {
            #[target_feature(enable = $feature)]
            unsafe fn forward(t: &Tile<'_, f32>, w_stride: usize) {
                // SAFETY: the caller's promise.
                unsafe { depthwise::<$simd>(t, w_stride) }
            }
            #[target_feature(enable = $feature)]
            unsafe fn gradient(t: &DepthwiseGrad<'_, f32>) {
                // SAFETY: the caller's promise.
                unsafe { depthwise_grad::<$simd>(t) }
            }
            Depthwise { forward, gradient }
        }
    };
}
featured!("avx2,fma", Avx2, avx2);
featured!("avx512f,avx512vl,avx512bw,avx512dq,fma", Avx512, avx512);

/// The kernels for any processor, with vectors of `N` values.
pub(super) fn portable<T: Float, const N: usize>() -> Depthwise<T> {
    unsafe fn forward<T: Float, const N: usize>(t: &Tile<'_, T>, w_stride: usize) {
        // SAFETY: the caller's promise.
        unsafe { depthwise::<Portable<T, N>>(t, w_stride) }
    }
    unsafe fn gradient<T: Float, const N: usize>(t: &DepthwiseGrad<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { depthwise_grad::<Portable<T, N>>(t) }
    }
    Depthwise { forward: forward::<T, N>, gradient: gradient::<T, N> }
}
