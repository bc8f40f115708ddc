//! The transforms of Winograd's convolution, a tile and a vector of channels at a time.
//!
//! A transform of two axes is the transform of one applied to the columns and then to the rows. Along one axis the points
//! of F(2, 3) are 0, 1, -1 and infinity; those of F(4, 3) are 0, a, -a, b, -b and infinity with a = 3/4 and b = 3/2, whose
//! coefficients are exact in binary and whose error is a third of that of the usual 1 and 2.

#[cfg(target_arch = "x86_64")]
use crate::device::cpu::simd::{Avx2, Avx512};
use crate::device::cpu::simd::{Portable, Simd};
use crate::tensor::Float;

/// The points of F(4, 3) besides 0 and infinity.
const A: f64 = 0.75;
const B: f64 = 1.5;
/// Positions of the larger transform.
pub(super) const MOST_POSITIONS: usize = 36;

/// The matrix `G` of the weights, `[position][tap]`, for transforms of `n` points.
pub(super) fn weight_matrix(n: usize) -> Vec<[f64; 3]> {
    if n == 4 {
        return vec![[-1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    }
    let row = |p: f64, q: f64| {
        let scale = 1.0 / (2.0 * p * p * (p * p - q * q));
        [scale, p * scale, p * p * scale]
    };
    vec![[1.0 / (A * A * B * B), 0.0, 0.0], row(A, B), row(-A, B), row(B, A), row(-B, A), [0.0, 0.0, 1.0]]
}

/// Arguments of the transform of a tile of inputs.
pub(super) struct InputTile<'a, T> {
    /// First channel of each pixel, row by row.
    pub(super) pixels: &'a [*const T; MOST_POSITIONS],
    /// Channels to transform.
    pub(super) channels: usize,
    /// First value of the first position; whole vectors are written.
    pub(super) v: *mut T,
    /// From a position to the next.
    pub(super) position: usize,
}

/// Arguments of the transform of a tile of outputs.
pub(super) struct OutputTile<T> {
    /// First value of the first position; whole vectors are read.
    pub(super) m: *const T,
    /// From a position to the next.
    pub(super) position: usize,
    /// Outputs of a pixel.
    pub(super) outputs: usize,
    /// Biases, or null.
    pub(super) bias: *const T,
    /// Means, factors and biases to normalise the sum by, or null.
    pub(super) affine: [*const T; 3],
    /// What to add to the first output of the first pixel, laid out as `y`, or null.
    pub(super) residual: *const T,
    /// First output of the first pixel.
    pub(super) y: *mut T,
    /// From a pixel to the next, and from a row to the next.
    pub(super) strides: [usize; 2],
    /// Rows and columns of the tile that lie inside the image.
    pub(super) inside: [usize; 2],
    /// Store `max(y, 0)`.
    pub(super) relu: bool,
}

type InputFn<T> = unsafe fn(&InputTile<'_, T>);
type OutputFn<T> = unsafe fn(&OutputTile<T>);

/// The transforms of one instruction set, for four and for six points an axis.
pub(in crate::device::cpu) struct Transforms<T: 'static> {
    input: [InputFn<T>; 2],
    output: [OutputFn<T>; 2],
}

impl<T: Float> Transforms<T> {
    /// Transforms a tile of inputs, `points` an axis.
    ///
    /// # Safety
    /// The pixels must be readable for all channels, `v` writable for whole vectors at every position, and the processor
    /// must have the instruction set of the table.
    pub(super) unsafe fn input(&self, points: usize, t: &InputTile<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { self.input[points / 2 - 2](t) };
    }

    /// Transforms a tile of outputs, `points` an axis.
    ///
    /// # Safety
    /// As [`Transforms::input`]; `y` and `residual` must be valid for the part inside the image.
    pub(super) unsafe fn output(&self, points: usize, t: &OutputTile<T>) {
        // SAFETY: the caller's promise.
        unsafe { self.output[points / 2 - 2](t) };
    }
}

#[inline(always)]
unsafe fn constant<S: Simd>(v: f64) -> S::V {
    // SAFETY: no memory is touched.
    unsafe { S::splat(S::T::of(v)) }
}

/// `B^T d` along one axis.
#[inline(always)]
unsafe fn input_axis<S: Simd, const N: usize>(d: [S::V; N]) -> [S::V; N] {
    // SAFETY: no memory is touched.
    unsafe {
        let mut v = d;
        if N == 4 {
            v[0] = S::sub(d[2], d[0]);
            v[1] = S::add(d[2], d[1]);
            v[2] = S::sub(d[2], d[1]);
            v[3] = S::sub(d[3], d[1]);
            return v;
        }
        let (product, sum) = (constant::<S>(A * A * B * B), constant::<S>(-(A * A + B * B)));
        v[0] = S::fma(product, d[0], S::fma(sum, d[2], d[4]));
        v[5] = S::fma(product, d[1], S::fma(sum, d[3], d[5]));
        for (i, p, q) in [(1, A, B), (3, B, A)] {
            let square = constant::<S>(-q * q);
            let even = S::fma(square, d[2], d[4]);
            let odd = S::fma(square, d[1], d[3]);
            v[i] = S::fma(constant::<S>(p), odd, even);
            v[i + 1] = S::fma(constant::<S>(-p), odd, even);
        }
        v
    }
}

/// `A^T m` along one axis; the first `N - 2` of the result are the outputs.
#[inline(always)]
unsafe fn output_axis<S: Simd, const N: usize>(m: [S::V; N]) -> [S::V; N] {
    // SAFETY: no memory is touched.
    unsafe {
        let mut y = m;
        let (s, d) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        if N == 4 {
            y[0] = S::add(m[0], s);
            y[1] = S::add(d, m[3]);
            return y;
        }
        let (t, e) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        y[0] = S::add(S::add(m[0], s), t);
        y[1] = S::fma(constant::<S>(B), e, S::mul(constant::<S>(A), d));
        y[2] = S::fma(constant::<S>(B * B), t, S::mul(constant::<S>(A * A), s));
        y[3] = S::fma(constant::<S>(B * B * B), e, S::fma(constant::<S>(A * A * A), d, m[5]));
        y
    }
}

#[inline(always)]
unsafe fn input_vector<S: Simd, const N: usize, const FULL: bool>(t: &InputTile<'_, S::T>, c: usize) {
    // SAFETY: the caller's promise: `channels` readable at each pixel, whole vectors writable at each position.
    unsafe {
        let zero = S::splat(S::T::default());
        let mut columns = [[zero; N]; N];
        for j in 0..N {
            let mut d = [zero; N];
            for i in 0..N {
                let p = t.pixels.get_unchecked(i * N + j).add(c);
                d[i] = if FULL { S::load(p) } else { S::load_n(p, t.channels - c) };
            }
            let d = input_axis::<S, N>(d);
            for i in 0..N {
                columns[i][j] = d[i];
            }
        }
        let mut v = t.v.add(c);
        for row in columns {
            for value in input_axis::<S, N>(row) {
                S::store(v, value);
                v = v.wrapping_add(t.position);
            }
        }
    }
}

#[inline(always)]
unsafe fn input<S: Simd, const N: usize>(t: &InputTile<'_, S::T>) {
    let mut c = 0;
    while c < t.channels {
        // SAFETY: the caller's promise.
        unsafe { if c + S::LANES <= t.channels { input_vector::<S, N, true>(t, c) } else { input_vector::<S, N, false>(t, c) } }
        c += S::LANES;
    }
}

#[inline(always)]
unsafe fn output_vector<S: Simd, const N: usize, const FULL: bool>(t: &OutputTile<S::T>, k: usize) {
    // SAFETY: the caller's promise: whole vectors readable at each position, `outputs` values at each pixel inside.
    unsafe {
        let n = t.outputs - k;
        let zero = S::splat(S::T::default());
        let mut columns = [[zero; N]; N];
        for j in 0..N {
            let mut m = [zero; N];
            for i in 0..N {
                m[i] = S::load(t.m.add((i * N + j) * t.position + k));
            }
            let m = output_axis::<S, N>(m);
            for i in 0..N - 2 {
                columns[i][j] = m[i];
            }
        }
        let load = |p: *const S::T| if FULL { S::load(p) } else { S::load_n(p, n) };
        let bias = if t.bias.is_null() { zero } else { load(t.bias.add(k)) };
        let normalises = !t.affine[0].is_null();
        // Not by `map`, which is not inlined: its closure would be compiled without the features of the kernel.
        let (mut mean, mut factor, mut shift) = (zero, zero, zero);
        if normalises {
            (mean, factor, shift) = (load(t.affine[0].add(k)), load(t.affine[1].add(k)), load(t.affine[2].add(k)));
        }
        for i in 0..N - 2 {
            if i >= t.inside[0] {
                break;
            }
            let row = output_axis::<S, N>(columns[i]);
            for j in 0..N - 2 {
                if j < t.inside[1] {
                    let at = i * t.strides[1] + j * t.strides[0] + k;
                    let mut y = S::add(row[j], bias);
                    if normalises {
                        y = S::add(S::mul(S::sub(y, mean), factor), shift);
                    }
                    if !t.residual.is_null() {
                        y = S::add(y, load(t.residual.add(at)));
                    }
                    if t.relu {
                        // In this order what is not a number stays that.
                        y = S::max(zero, y);
                    }
                    if FULL { S::store(t.y.add(at), y) } else { S::store_n(t.y.add(at), n, y) }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn output<S: Simd, const N: usize>(t: &OutputTile<S::T>) {
    let mut k = 0;
    while k < t.outputs {
        // SAFETY: the caller's promise.
        unsafe { if k + S::LANES <= t.outputs { output_vector::<S, N, true>(t, k) } else { output_vector::<S, N, false>(t, k) } }
        k += S::LANES;
    }
}

/// The table of transforms compiled with target features.
macro_rules! featured {
    ($feature:literal, $simd:ty, $module:ident) => {
        #[cfg(target_arch = "x86_64")]
        mod $module {
            use super::*;
            #[target_feature(enable = $feature)]
            unsafe fn input<const N: usize>(t: &InputTile<'_, f32>) {
                // SAFETY: the caller's promise.
                unsafe { super::input::<$simd, N>(t) }
            }
            #[target_feature(enable = $feature)]
            unsafe fn output<const N: usize>(t: &OutputTile<f32>) {
                // SAFETY: the caller's promise.
                unsafe { super::output::<$simd, N>(t) }
            }
            pub(in crate::device::cpu) const TRANSFORMS: Transforms<f32> =
                Transforms { input: [input::<4>, input::<6>], output: [output::<4>, output::<6>] };
        }
    };
}
featured!("avx2,fma", Avx2, avx2);
featured!("avx512f,avx512vl,avx512bw,avx512dq,fma", Avx512, avx512);
#[cfg(target_arch = "x86_64")]
pub(in crate::device::cpu) use {avx2::TRANSFORMS as AVX2, avx512::TRANSFORMS as AVX512};

/// The portable transforms, vectors of `LANES` values.
pub(in crate::device::cpu) fn portable<T: Float, const LANES: usize>() -> Transforms<T> {
    unsafe fn input_of<T: Float, const LANES: usize, const N: usize>(t: &InputTile<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { input::<Portable<T, LANES>, N>(t) }
    }
    unsafe fn output_of<T: Float, const LANES: usize, const N: usize>(t: &OutputTile<T>) {
        // SAFETY: the caller's promise.
        unsafe { output::<Portable<T, LANES>, N>(t) }
    }
    Transforms { input: [input_of::<T, LANES, 4>, input_of::<T, LANES, 6>], output: [output_of::<T, LANES, 4>, output_of::<T, LANES, 6>] }
}
