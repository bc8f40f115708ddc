//! Vectors of floats behind one small trait, so that each kernel is written once for all instruction sets.
//!
//! The methods are `#[inline(always)]` and only called from kernels that are compiled with the right target features.

use crate::tensor::Float;

/// Bytes of a line of the caches: what a fetch asks for.
pub(crate) const LINE_BYTES: usize = 64;

/// A vector of `LANES` floats. All methods need the instruction set of the implementing type.
pub(crate) trait Simd {
    /// The element type.
    type T: Float;
    /// The register.
    type V: Copy;
    /// Elements of a register.
    const LANES: usize;

    /// All lanes `v`.
    unsafe fn splat(v: Self::T) -> Self::V;
    /// `LANES` elements.
    unsafe fn load(p: *const Self::T) -> Self::V;
    /// The first `n < LANES` elements, the other lanes zero; nothing behind them is read.
    unsafe fn load_n(p: *const Self::T, n: usize) -> Self::V;
    /// Stores all lanes.
    unsafe fn store(p: *mut Self::T, v: Self::V);
    /// Stores the first `n < LANES` lanes.
    unsafe fn store_n(p: *mut Self::T, n: usize, v: Self::V);
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each lane; `b` where `a` is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The lanes that are not zero (those that are not a number count), lane `i` in bit `i`.
    unsafe fn not_zero(v: Self::V) -> u64;
    /// Which of the first `n <= LANES` indices are `first, first + 1, ...`; nothing behind them is read.
    unsafe fn equals_ramp(p: *const u32, n: usize, first: u32) -> u64;
    /// Asks for the cache line at `p`, which will be written; any address will do.
    #[inline(always)]
    unsafe fn fetch(_p: *const Self::T) {}
    /// The same for reading.
    #[inline(always)]
    unsafe fn fetch_to_read(_p: *const Self::T) {}
    /// Asks for the cache line at `p` to come to the second-level cache, which will be read later.
    #[inline(always)]
    unsafe fn fetch_for_later(_p: *const Self::T) {}
    /// The sum of all lanes, in a fixed order.
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> Self::T {
        let mut sum = Self::T::default();
        for i in 0..Self::LANES {
            // SAFETY: a vector is its lanes in memory.
            sum += unsafe { *(&raw const v).cast::<Self::T>().add(i) };
        }
        sum
    }
    /// Rows and columns of [`Simd::transpose`].
    const SQUARE: usize;
    /// `to[j * to_stride + i] = from[i * from_stride + j]` for a square of [`Simd::SQUARE`].
    #[inline(always)]
    unsafe fn transpose(from: *const Self::T, from_stride: usize, to: *mut Self::T, to_stride: usize) {
        for i in 0..Self::SQUARE {
            for j in 0..Self::SQUARE {
                // SAFETY: inside the squares, the caller's promise.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
}

/// Arrays that the compiler vectorises.
pub(crate) struct Portable<T, const N: usize>(std::marker::PhantomData<T>);

impl<T: Float, const N: usize> Simd for Portable<T, N> {
    type T = T;
    type V = [T; N];
    const LANES: usize = N;
    const SQUARE: usize = 8;

    #[inline(always)]
    unsafe fn splat(v: T) -> [T; N] {
        [v; N]
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> [T; N] {
        // SAFETY: the caller gives N readable elements; an array needs no more than their alignment.
        unsafe { *p.cast() }
    }
    #[inline(always)]
    unsafe fn load_n(p: *const T, n: usize) -> [T; N] {
        let mut v = [T::zero(); N];
        for (i, v) in v.iter_mut().enumerate().take(n) {
            // SAFETY: i < n readable elements.
            *v = unsafe { *p.add(i) };
        }
        v
    }
    #[inline(always)]
    unsafe fn store(p: *mut T, v: [T; N]) {
        // SAFETY: the caller gives N writable elements.
        unsafe { *p.cast() = v };
    }
    #[inline(always)]
    unsafe fn store_n(p: *mut T, n: usize, v: [T; N]) {
        for (i, v) in v.iter().enumerate().take(n) {
            // SAFETY: i < n writable elements.
            unsafe { *p.add(i) = *v };
        }
    }
    #[inline(always)]
    unsafe fn fma(a: [T; N], b: [T; N], mut c: [T; N]) -> [T; N] {
        for i in 0..N {
            c[i] += a[i] * b[i];
        }
        c
    }
    #[inline(always)]
    unsafe fn add(mut a: [T; N], b: [T; N]) -> [T; N] {
        for i in 0..N {
            a[i] += b[i];
        }
        a
    }
    #[inline(always)]
    unsafe fn sub(mut a: [T; N], b: [T; N]) -> [T; N] {
        for i in 0..N {
            a[i] -= b[i];
        }
        a
    }
    #[inline(always)]
    unsafe fn mul(mut a: [T; N], b: [T; N]) -> [T; N] {
        for i in 0..N {
            a[i] *= b[i];
        }
        a
    }
    #[inline(always)]
    unsafe fn max(mut a: [T; N], b: [T; N]) -> [T; N] {
        for i in 0..N {
            a[i] = if a[i] > b[i] { a[i] } else { b[i] };
        }
        a
    }
    #[inline(always)]
    unsafe fn not_zero(v: [T; N]) -> u64 {
        v.iter().enumerate().fold(0, |mask, (i, v)| mask | (u64::from(*v != T::zero()) << i))
    }
    #[inline(always)]
    unsafe fn equals_ramp(p: *const u32, n: usize, first: u32) -> u64 {
        // SAFETY: n readable indices.
        let equal = |i: usize| unsafe { *p.add(i) } == first.wrapping_add(i as u32);
        (0..n).fold(0, |mask, i| mask | (u64::from(equal(i)) << i))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    #[allow(clippy::wildcard_imports)]
    use std::arch::{asm, x86_64::*};

    /// Eight floats; needs AVX2 and FMA.
    pub(crate) struct Avx2;
    /// Sixteen floats; needs AVX-512F and VL.
    pub(crate) struct Avx512;

    /// The mask of the first `n` of eight lanes.
    #[inline(always)]
    unsafe fn mask8(n: usize) -> __m256i {
        const TABLE: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: 8 - n + 8 <= 16 entries, and the caller has AVX.
        unsafe { _mm256_loadu_si256(TABLE.as_ptr().add(8 - n.min(8)).cast()) }
    }

    // SAFETY of all methods below: the caller runs on a processor with the features and gives valid pointers.
    impl Simd for Avx2 {
        type T = f32;
        type V = __m256;
        const LANES: usize = 8;
        const SQUARE: usize = 8;

        #[inline(always)]
        unsafe fn splat(v: f32) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_set1_ps(v) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn load_n(p: *const f32, n: usize) -> __m256 {
            // SAFETY: masked lanes are not read.
            unsafe { _mm256_maskload_ps(p, mask8(n)) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m256) {
            // SAFETY: see above.
            unsafe { _mm256_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn store_n(p: *mut f32, n: usize, v: __m256) {
            // In pieces: a masked store costs some 40 micro-operations on AMD processors.
            // SAFETY: writes 4, 2 and 1 elements as `n` has them.
            unsafe {
                let (mut p, mut rest) = (p, _mm256_castps256_ps128(v));
                if n & 4 != 0 {
                    _mm_storeu_ps(p, rest);
                    (p, rest) = (p.add(4), _mm256_extractf128_ps::<1>(v));
                }
                if n & 2 != 0 {
                    _mm_storel_pd(p.cast(), _mm_castps_pd(rest));
                    (p, rest) = (p.add(2), _mm_movehl_ps(rest, rest));
                }
                if n & 1 != 0 {
                    _mm_store_ss(p, rest);
                }
            }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn not_zero(v: __m256) -> u64 {
            // SAFETY: see above.
            unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(v, _mm256_setzero_ps())) as u64 & 0xff }
        }
        #[inline(always)]
        unsafe fn equals_ramp(p: *const u32, n: usize, first: u32) -> u64 {
            // SAFETY: masked lanes are not read.
            unsafe {
                let ramp = _mm256_add_epi32(_mm256_set1_epi32(first as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
                let (v, used) =
                    if n >= 8 { (_mm256_loadu_si256(p.cast()), 0xff) } else { (_mm256_maskload_epi32(p.cast(), mask8(n)), (1 << n) - 1) };
                _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(v, ramp))) as u64 & used
            }
        }
        #[inline(always)]
        unsafe fn fetch(p: *const f32) {
            // The hint `ET0` is compiled to a fetch for reading; processors without this one ignore it.
            // SAFETY: a hint, whatever the address.
            unsafe { asm!("prefetchw [{}]", in(reg) p, options(nostack, preserves_flags, readonly)) };
        }
        #[inline(always)]
        unsafe fn fetch_to_read(p: *const f32) {
            // SAFETY: a hint, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) };
        }
        #[inline(always)]
        unsafe fn fetch_for_later(p: *const f32) {
            // SAFETY: a hint, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) };
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: eight rows of eight values on both sides, the caller's promise.
            unsafe {
                // A loop, not a closure: that would be compiled for the oldest processor and called.
                let mut r = [_mm256_setzero_ps(); 8];
                for i in 0..8 {
                    r[i] = _mm256_loadu_ps(from.add(i * from_stride));
                }
                // Pairs of rows, then fours, then halves.
                let mut pairs = [r[0]; 8];
                let mut fours = [r[0]; 8];
                for i in 0..4 {
                    pairs[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                    pairs[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
                }
                for i in 0..2 {
                    for j in 0..2 {
                        let (low, high) = (pairs[4 * i + j], pairs[4 * i + 2 + j]);
                        fours[4 * i + 2 * j] = _mm256_shuffle_ps::<0x44>(low, high);
                        fours[4 * i + 2 * j + 1] = _mm256_shuffle_ps::<0xee>(low, high);
                    }
                }
                for j in 0..4 {
                    _mm256_storeu_ps(to.add(j * to_stride), _mm256_permute2f128_ps::<0x20>(fours[j], fours[4 + j]));
                    _mm256_storeu_ps(to.add((j + 4) * to_stride), _mm256_permute2f128_ps::<0x31>(fours[j], fours[4 + j]));
                }
            }
        }
    }

    /// The mask of the first `n` of sixteen lanes.
    #[inline(always)]
    fn mask16(n: usize) -> __mmask16 {
        if n >= 16 { 0xffff } else { (1u16 << n) - 1 }
    }

    impl Simd for Avx512 {
        type T = f32;
        type V = __m512;
        const LANES: usize = 16;
        const SQUARE: usize = 8;

        #[inline(always)]
        unsafe fn splat(v: f32) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_set1_ps(v) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn load_n(p: *const f32, n: usize) -> __m512 {
            // SAFETY: masked lanes are not read.
            unsafe { _mm512_maskz_loadu_ps(mask16(n), p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m512) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn store_n(p: *mut f32, n: usize, v: __m512) {
            // SAFETY: masked lanes are not written.
            unsafe { _mm512_mask_storeu_ps(p, mask16(n), v) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn not_zero(v: __m512) -> u64 {
            // SAFETY: see above.
            unsafe { u64::from(_mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(v, _mm512_setzero_ps())) }
        }
        #[inline(always)]
        unsafe fn equals_ramp(p: *const u32, n: usize, first: u32) -> u64 {
            // SAFETY: masked lanes are not read.
            unsafe {
                let steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let ramp = _mm512_add_epi32(_mm512_set1_epi32(first as i32), steps);
                let v = _mm512_maskz_loadu_epi32(mask16(n), p.cast());
                u64::from(_mm512_mask_cmpeq_epi32_mask(mask16(n), v, ramp))
            }
        }
        #[inline(always)]
        unsafe fn fetch(p: *const f32) {
            // The hint `ET0` is compiled to a fetch for reading; processors without this one ignore it.
            // SAFETY: a hint, whatever the address.
            unsafe { asm!("prefetchw [{}]", in(reg) p, options(nostack, preserves_flags, readonly)) };
        }
        #[inline(always)]
        unsafe fn fetch_to_read(p: *const f32) {
            // SAFETY: a hint, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) };
        }
        #[inline(always)]
        unsafe fn fetch_for_later(p: *const f32) {
            // SAFETY: a hint, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) };
        }
        #[inline(always)]
        unsafe fn sum(v: __m512) -> f32 {
            // SAFETY: see above.
            unsafe { _mm512_reduce_add_ps(v) }
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: the caller's promise.
            unsafe { Avx2::transpose(from, from_stride, to, to_stride) };
        }
    }
}
