//! Convolution to few outputs, with vectors over pixels.
//!
//! Where a vector holds more values than there are outputs, the register tile of [`super::kernels`] leaves lanes idle. For
//! pixels whose inputs are one value apart, this kernel has 8 pixels in a vector instead, an accumulator for each
//! output, and turns the sums around at the end. Every value is summed in the order of the other kernel, so the bits are the
//! same.

use super::kernels::Tile;
#[cfg(target_arch = "x86_64")]
use super::simd::Avx2;
use super::simd::{Portable, Simd};
use crate::tensor::Float;
use std::mem::MaybeUninit;

/// Most outputs, and most vectors of pixels at once.
const OUTPUTS: usize = 8;
const VECTORS: usize = 3;

/// Vectors whose lanes can be stored as pixels.
trait Pixels: Simd {
    /// Stores the first `t.cols` of [`OUTPUTS`] rows, `stride` apart, of `LANES` pixels at `y`, `step` apart. The first `wide` pixels
    /// may write `OUTPUTS` values, in rising order.
    unsafe fn store_pixels(rows: *const Self::T, stride: usize, cols: usize, wide: usize, y: *mut Self::T, step: usize) {
        let _ = wide;
        for pixel in 0..Self::LANES {
            for k in 0..cols {
                // SAFETY: the caller's promise.
                unsafe { *y.add(pixel * step + k) = *rows.add(k * stride + pixel) };
            }
        }
    }
}

impl<T: Float, const N: usize> Pixels for Portable<T, N> {}

#[cfg(target_arch = "x86_64")]
impl Pixels for Avx2 {
    #[inline(always)]
    unsafe fn store_pixels(rows: *const f32, stride: usize, cols: usize, wide: usize, y: *mut f32, step: usize) {
        #[allow(clippy::wildcard_imports)]
        use std::arch::x86_64::*;
        // SAFETY: eight rows of eight values, and the pixels at `y`, the caller's promise.
        unsafe {
            // Outputs `i` and `i + 4` of four pixels in a vector, so that no value crosses its halves later.
            let pair = |i: usize, half: usize| {
                let low = _mm_loadu_ps(rows.add(i * stride + 4 * half));
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), _mm_loadu_ps(rows.add((i + 4) * stride + 4 * half)))
            };
            for half in 0..2 {
                let (a, b, c, d) = (pair(0, half), pair(1, half), pair(2, half), pair(3, half));
                let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                let (ef, gh) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                let pixels = [
                    _mm256_shuffle_ps::<0x44>(ab, cd),
                    _mm256_shuffle_ps::<0xee>(ab, cd),
                    _mm256_shuffle_ps::<0x44>(ef, gh),
                    _mm256_shuffle_ps::<0xee>(ef, gh),
                ];
                for (i, v) in pixels.into_iter().enumerate() {
                    let pixel = 4 * half + i;
                    if pixel < wide { Self::store(y.add(pixel * step), v) } else { Self::store_n(y.add(pixel * step), cols, v) }
                }
            }
        }
    }
}

/// The sums of `OUT` outputs from number `first` on for `NV` vectors of the pixels from `x` on.
#[inline(always)]
unsafe fn sums<S: Simd, const OUT: usize, const NV: usize>(
    t: &Tile<'_, S::T>,
    x: *const S::T,
    block: usize,
    first: usize,
    at: &[usize; VECTORS],
    sums: *mut S::T,
) {
    // SAFETY: the caller gives valid pointers and offsets, on a processor with the instruction set.
    unsafe {
        let mut acc = [[S::splat(S::T::default()); NV]; OUT];
        if !t.bias.is_null() {
            for k in 0..OUT {
                acc[k] = [S::splat(*t.bias.add(first + k)); NV];
            }
        }
        let mut w = t.w.add(first);
        for span in t.spans {
            let x = x.add(span.start);
            for j in 0..span.len {
                let mut xv = [S::splat(S::T::default()); NV];
                for v in 0..NV {
                    xv[v] = S::load(x.add(j + at[v]));
                }
                for k in 0..OUT {
                    let wv = S::splat(*w.add(k));
                    for v in 0..NV {
                        acc[k][v] = S::fma(xv[v], wv, acc[k][v]);
                    }
                }
                w = w.wrapping_add(block);
            }
        }
        // Small loops, which the compiler unrolls before it chooses registers.
        if !t.affine[0].is_null() {
            for k in 0..OUT {
                // Without a closure, which would be compiled for the oldest processor and called.
                let mean = S::splat(*t.affine[0].add(first + k));
                let factor = S::splat(*t.affine[1].add(first + k));
                let bias = S::splat(*t.affine[2].add(first + k));
                for v in 0..NV {
                    acc[k][v] = S::add(S::mul(S::sub(acc[k][v], mean), factor), bias);
                }
            }
        }
        if t.relu {
            let zero = S::splat(S::T::default());
            for k in 0..OUT {
                for v in 0..NV {
                    // In this order what is not a number stays that.
                    acc[k][v] = S::max(zero, acc[k][v]);
                }
            }
        }
        for k in 0..OUT {
            for v in 0..NV {
                S::store(sums.add(((first + k) * VECTORS + v) * S::LANES), acc[k][v]);
            }
        }
    }
}

/// The kernel of an instruction set, for at most [`OUTPUTS`] outputs.
#[derive(Clone, Copy)]
pub(super) struct Rows<T> {
    /// Pixels of a row at least.
    pub(super) lanes: usize,
    /// Computes rows of pixels, without a residual, whose inputs are one value apart, from the values of a tap in the weights and the pixels of a row.
    pub(super) run: unsafe fn(&Tile<'_, T>, usize, usize),
}

/// Chooses the kernel for numbers of outputs and of vectors.
macro_rules! choose {
    ($simd:ty, $args:tt, $out:expr, $nv:expr; $($outputs:literal)*) => {
        match ($out, $nv) {
            $(($outputs, 1) => sums::<$simd, $outputs, 1> $args,
              ($outputs, 2) => sums::<$simd, $outputs, 2> $args,
              ($outputs, _) => sums::<$simd, $outputs, 3> $args,)*
            _ => unreachable!("a run of outputs is one of those"),
        }
    };
}

/// Computes rows of `columns` pixels, with `MOST` outputs (4 or 6) at once at most: the compiler keeps so many sums in registers.
#[inline(always)]
unsafe fn rows<S: Pixels, const MOST: usize>(t: &Tile<'_, S::T>, block: usize, n: usize) {
    let (cols, stride) = (t.cols, VECTORS * S::LANES);
    // Pixels of a row of the target lie evenly.
    let step = if n > 1 { t.y_at[1] - t.y_at[0] } else { cols };
    // What a pixel writes too far is overwritten by the next one, if nothing else lies between them.
    let wide = if step == cols || cols == OUTPUTS { n - (OUTPUTS - cols).div_ceil(cols).min(n) } else { 0 };
    let (vectors, runs) = (n.div_ceil(S::LANES), cols.div_ceil(MOST));
    let parts = vectors.div_ceil(VECTORS);
    let mut buffer = MaybeUninit::<[[S::V; VECTORS]; OUTPUTS]>::uninit();
    let sums_at = buffer.as_mut_ptr().cast::<S::T>();
    for i in cols * VECTORS..OUTPUTS * VECTORS {
        // SAFETY: a vector of the buffer.
        unsafe { S::store(sums_at.add(i * S::LANES), S::splat(S::T::default())) };
    }
    for row in (0..t.x_at.len()).step_by(n) {
        // SAFETY: the pixels of the vectors belong to the row; the buffer holds the sums of `OUTPUTS` outputs for `VECTORS` vectors;
        // pixels in front of `wide` are followed by as many values as a vector has too many.
        unsafe {
            let (x, y) = (t.x.add(*t.x_at.get_unchecked(row)), t.y.add(*t.y_at.get_unchecked(row)));
            for part in 0..parts {
                let (from, to) = (part * vectors / parts, (part + 1) * vectors / parts);
                // The last vector ends with the row.
                let at: [usize; VECTORS] = std::array::from_fn(|v| ((from + v) * S::LANES).min(n - S::LANES));
                for run in 0..runs {
                    let (first, end) = (run * cols / runs, (run + 1) * cols / runs);
                    if MOST <= 4 {
                        choose!(S, (t, x, block, first, &at, sums_at), end - first, to - from; 1 2 3 4);
                    } else {
                        choose!(S, (t, x, block, first, &at, sums_at), end - first, to - from; 1 2 3 4 5 6);
                    }
                }
                for (v, at) in at.iter().enumerate().take(to - from) {
                    let (y, sums) = (y.add(at * step), sums_at.add(v * S::LANES));
                    if step == 1 {
                        S::store(y, S::load(sums));
                    } else if at + S::LANES <= wide {
                        S::store_pixels(sums, stride, cols, S::LANES, y, step);
                    } else {
                        S::store_pixels(sums, stride, cols, wide.saturating_sub(*at), y, step);
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod featured {
    use super::{Avx2, Tile};
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn of_16_registers(t: &Tile<'_, f32>, block: usize, columns: usize) {
        // SAFETY: the caller's promise.
        unsafe { super::rows::<Avx2, 4>(t, block, columns) }
    }
    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    pub(super) unsafe fn of_32_registers(t: &Tile<'_, f32>, block: usize, columns: usize) {
        // SAFETY: the caller's promise.
        unsafe { super::rows::<Avx2, 6>(t, block, columns) }
    }
}

/// The kernel in AVX2.
#[cfg(target_arch = "x86_64")]
pub(super) const AVX2: Rows<f32> = Rows { lanes: 8, run: featured::of_16_registers };
/// The kernel in AVX-512, with vectors of 256 bits: twice as many registers.
#[cfg(target_arch = "x86_64")]
pub(super) const AVX512: Rows<f32> = Rows { lanes: 8, run: featured::of_32_registers };

unsafe fn portable_rows<T: Float, const N: usize>(t: &Tile<'_, T>, block: usize, columns: usize) {
    // SAFETY: the caller's promise.
    unsafe { rows::<Portable<T, N>, 4>(t, block, columns) }
}

/// The portable kernel, with `N` values to a vector.
pub(super) fn portable<T: Float, const N: usize>() -> Rows<T> {
    Rows { lanes: N, run: portable_rows::<T, N> }
}

#[cfg(test)]
#[path = "narrow_test.rs"]
mod tests;
