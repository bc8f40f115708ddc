//! Eight values side by side, for the pooling kernels.
//!
//! Selecting by comparison is where compilers give up on vectors, so 32-bit floats have a version in AVX2 instructions.
//! Both versions give the same bits.

use crate::tensor::Float;

/// Eight values and eight indices.
pub(super) trait Lanes {
    /// The element type.
    type T: Float;
    /// Eight values.
    type V: Copy;
    /// Eight indices.
    type I: Copy;

    unsafe fn load(p: *const Self::T) -> Self::V;
    unsafe fn store(p: *mut Self::T, v: Self::V);
    unsafe fn splat(v: Self::T) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn load_index(p: *const u32) -> Self::I;
    unsafe fn store_index(p: *mut u32, i: Self::I);
    /// All lanes `i`.
    unsafe fn same(i: u32) -> Self::I;
    /// `first, first + 1, ...`
    unsafe fn ramp(first: u32) -> Self::I;
    /// `v` and `i` where `v > best`, else `best` and `at`.
    unsafe fn larger(v: Self::V, i: Self::I, best: Self::V, at: Self::I) -> (Self::V, Self::I);
    /// `v` where the indices are equal, else zero.
    unsafe fn where_equal(v: Self::V, a: Self::I, b: Self::I) -> Self::V;
}

/// Number of lanes.
pub(super) const LANES: usize = 8;

/// Arrays.
pub(super) struct Portable<T>(std::marker::PhantomData<T>);

#[inline(always)]
fn map2<A: Copy, B: Copy, R>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> R) -> [R; LANES] {
    std::array::from_fn(|l| f(a[l], b[l]))
}

// SAFETY of all methods: pointers are valid for eight elements, as the caller promises.
impl<T: Float> Lanes for Portable<T> {
    type T = T;
    type V = [T; LANES];
    type I = [u32; LANES];

    #[inline(always)]
    unsafe fn load(p: *const T) -> Self::V {
        // SAFETY: see above.
        unsafe { p.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut T, v: Self::V) {
        // SAFETY: see above.
        unsafe { p.cast::<Self::V>().write_unaligned(v) };
    }
    #[inline(always)]
    unsafe fn splat(v: T) -> Self::V {
        [v; LANES]
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn load_index(p: *const u32) -> Self::I {
        // SAFETY: see above.
        unsafe { p.cast::<Self::I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_index(p: *mut u32, i: Self::I) {
        // SAFETY: see above.
        unsafe { p.cast::<Self::I>().write_unaligned(i) };
    }
    #[inline(always)]
    unsafe fn same(i: u32) -> Self::I {
        [i; LANES]
    }
    #[inline(always)]
    unsafe fn ramp(first: u32) -> Self::I {
        std::array::from_fn(|l| first + l as u32)
    }
    #[inline(always)]
    unsafe fn larger(v: Self::V, i: Self::I, best: Self::V, at: Self::I) -> (Self::V, Self::I) {
        let choose = |l: usize| if v[l] > best[l] { (v[l], i[l]) } else { (best[l], at[l]) };
        (std::array::from_fn(|l| choose(l).0), std::array::from_fn(|l| choose(l).1))
    }
    #[inline(always)]
    unsafe fn where_equal(v: Self::V, a: Self::I, b: Self::I) -> Self::V {
        std::array::from_fn(|l| if a[l] == b[l] { v[l] } else { T::zero() })
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::Avx2;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    #[allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    /// 256-bit registers; needs AVX2.
    pub(in crate::cells::pool) struct Avx2;

    // SAFETY of all methods: the processor has AVX2 and pointers are valid for eight elements, as the caller promises.
    impl Lanes for Avx2 {
        type T = f32;
        type V = __m256;
        type I = __m256i;

        #[inline(always)]
        unsafe fn load(p: *const f32) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(p: *mut f32, v: __m256) {
            // SAFETY: see above.
            unsafe { _mm256_storeu_ps(p, v) }
        }
        #[inline(always)]
        unsafe fn splat(v: f32) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_set1_ps(v) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_add_ps(a, b) }
        }
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
        unsafe fn larger(v: __m256, i: __m256i, best: __m256, at: __m256i) -> (__m256, __m256i) {
            // SAFETY: see above.
            unsafe {
                let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(v, best);
                (_mm256_blendv_ps(best, v, mask), _mm256_blendv_epi8(at, i, _mm256_castps_si256(mask)))
            }
        }
        #[inline(always)]
        unsafe fn where_equal(v: __m256, a: __m256i, b: __m256i) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_and_ps(v, _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))) }
        }
    }
}
