//! What the pooling kernels need of vectors beside arithmetic: indices, and selecting by comparison, where compilers give up
//! on vectors. All versions give the same bits.

use crate::device::cpu::{Portable, Simd};
use crate::tensor::Float;

/// Vectors of values with vectors of as many indices. All methods need the instruction set of the implementing type.
pub(super) trait Lanes: Simd {
    /// As many indices as a vector has values.
    type I: Copy;

    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn load_index(p: *const u32) -> Self::I;
    unsafe fn store_index(p: *mut u32, i: Self::I);
    /// All lanes `i`.
    unsafe fn same(i: u32) -> Self::I;
    /// `first, first + 1, ...`
    unsafe fn ramp(first: u32) -> Self::I;
    unsafe fn add_index(a: Self::I, b: Self::I) -> Self::I;
    /// `v` and `i` where `v > best`, else `best` and `at`.
    unsafe fn larger(v: Self::V, i: Self::I, best: Self::V, at: Self::I) -> (Self::V, Self::I);
    /// `v` where the indices are equal, else zero.
    unsafe fn where_equal(v: Self::V, a: Self::I, b: Self::I) -> Self::V;
}

// SAFETY of all methods: pointers are valid for as many elements as there are lanes, as the caller promises.
impl<T: Float, const N: usize> Lanes for Portable<T, N> {
    type I = [u32; N];

    #[inline(always)]
    unsafe fn div(mut a: [T; N], b: [T; N]) -> [T; N] {
        for l in 0..N {
            a[l] = a[l] / b[l];
        }
        a
    }
    #[inline(always)]
    unsafe fn load_index(p: *const u32) -> [u32; N] {
        // SAFETY: see above.
        unsafe { p.cast::<[u32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_index(p: *mut u32, i: [u32; N]) {
        // SAFETY: see above.
        unsafe { p.cast::<[u32; N]>().write_unaligned(i) };
    }
    #[inline(always)]
    unsafe fn same(i: u32) -> [u32; N] {
        [i; N]
    }
    #[inline(always)]
    unsafe fn ramp(first: u32) -> [u32; N] {
        let mut i = [first; N];
        for l in 0..N {
            i[l] = first.wrapping_add(l as u32);
        }
        i
    }
    #[inline(always)]
    unsafe fn add_index(mut a: [u32; N], b: [u32; N]) -> [u32; N] {
        for l in 0..N {
            a[l] = a[l].wrapping_add(b[l]);
        }
        a
    }
    #[inline(always)]
    unsafe fn larger(v: [T; N], i: [u32; N], mut best: [T; N], mut at: [u32; N]) -> ([T; N], [u32; N]) {
        for l in 0..N {
            (best[l], at[l]) = if v[l] > best[l] { (v[l], i[l]) } else { (best[l], at[l]) };
        }
        (best, at)
    }
    #[inline(always)]
    unsafe fn where_equal(mut v: [T; N], a: [u32; N], b: [u32; N]) -> [T; N] {
        for l in 0..N {
            v[l] = if a[l] == b[l] { v[l] } else { T::zero() };
        }
        v
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use crate::device::cpu::{Avx2, Avx512};
    #[allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    // SAFETY of all methods: the processor has the instruction set and pointers are valid for as many elements as there are
    // lanes, as the caller promises.
    impl Lanes for Avx2 {
        type I = __m256i;

        #[inline(always)]
        unsafe fn div(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn load_index(p: *const u32) -> __m256i {
            // SAFETY: see above.
            unsafe { _mm256_loadu_si256(p.cast()) }
        }
        #[inline(always)]
        unsafe fn store_index(p: *mut u32, i: __m256i) {
            // SAFETY: see above.
            unsafe { _mm256_storeu_si256(p.cast(), i) }
        }
        #[inline(always)]
        unsafe fn same(i: u32) -> __m256i {
            // SAFETY: see above.
            unsafe { _mm256_set1_epi32(i as i32) }
        }
        #[inline(always)]
        unsafe fn ramp(first: u32) -> __m256i {
            // SAFETY: see above.
            unsafe { _mm256_add_epi32(_mm256_set1_epi32(first as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
        }
        #[inline(always)]
        unsafe fn add_index(a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: see above.
            unsafe { _mm256_add_epi32(a, b) }
        }
        #[inline(always)]
        unsafe fn larger(v: __m256, i: __m256i, best: __m256, at: __m256i) -> (__m256, __m256i) {
            // SAFETY: see above.
            unsafe {
                let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(v, best);
                // The maximum is its second operand where neither is larger.
                (_mm256_max_ps(v, best), _mm256_blendv_epi8(at, i, _mm256_castps_si256(mask)))
            }
        }
        #[inline(always)]
        unsafe fn where_equal(v: __m256, a: __m256i, b: __m256i) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_and_ps(v, _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))) }
        }
    }

    impl Lanes for Avx512 {
        type I = __m512i;

        #[inline(always)]
        unsafe fn div(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn load_index(p: *const u32) -> __m512i {
            // SAFETY: see above.
            unsafe { _mm512_loadu_si512(p.cast()) }
        }
        #[inline(always)]
        unsafe fn store_index(p: *mut u32, i: __m512i) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_si512(p.cast(), i) }
        }
        #[inline(always)]
        unsafe fn same(i: u32) -> __m512i {
            // SAFETY: see above.
            unsafe { _mm512_set1_epi32(i as i32) }
        }
        #[inline(always)]
        unsafe fn ramp(first: u32) -> __m512i {
            // SAFETY: see above.
            unsafe {
                let steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                _mm512_add_epi32(_mm512_set1_epi32(first as i32), steps)
            }
        }
        #[inline(always)]
        unsafe fn add_index(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: see above.
            unsafe { _mm512_add_epi32(a, b) }
        }
        #[inline(always)]
        unsafe fn larger(v: __m512, i: __m512i, best: __m512, at: __m512i) -> (__m512, __m512i) {
            // SAFETY: see above.
            unsafe {
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, best);
                (_mm512_max_ps(v, best), _mm512_mask_mov_epi32(at, mask, i))
            }
        }
        #[inline(always)]
        unsafe fn where_equal(v: __m512, a: __m512i, b: __m512i) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(a, b), v) }
        }
    }
}
