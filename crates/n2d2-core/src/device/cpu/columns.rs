//! Passes over a matrix of rows of channels whose coefficients and sums belong to the channels, as those of a normalisation.
//!
//! A strip of a few vectors of channels goes down all rows: its coefficients and its sums stay in registers.

#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};
use crate::tensor::Float;
use crate::vectorise::for_each_isa;

/// What these passes need besides.
pub(crate) trait Select: Simd {
    /// Vectors of a strip that has three registers a vector, and of one that has more.
    const WIDE: usize;
    const NARROW: usize;
    /// `v` where `condition` is above zero, else zero.
    unsafe fn where_positive(condition: Self::V, v: Self::V) -> Self::V;
}

impl<T: Float, const N: usize> Select for Portable<T, N> {
    const WIDE: usize = 1;
    const NARROW: usize = 1;
    #[inline(always)]
    unsafe fn where_positive(condition: [T; N], mut v: [T; N]) -> [T; N] {
        for i in 0..N {
            v[i] = if condition[i] > T::zero() { v[i] } else { T::zero() };
        }
        v
    }
}

#[cfg(target_arch = "x86_64")]
impl Select for Avx2 {
    const WIDE: usize = 4;
    const NARROW: usize = 2;
    #[inline(always)]
    unsafe fn where_positive(condition: Self::V, v: Self::V) -> Self::V {
        use std::arch::x86_64::{_CMP_GT_OQ, _mm256_and_ps, _mm256_cmp_ps, _mm256_setzero_ps};
        // SAFETY: the processor has AVX2, the caller's promise.
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(condition, _mm256_setzero_ps()), v) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Select for Avx512 {
    const WIDE: usize = 8;
    const NARROW: usize = 4;
    #[inline(always)]
    unsafe fn where_positive(condition: Self::V, v: Self::V) -> Self::V {
        use std::arch::x86_64::{_CMP_GT_OQ, _mm512_cmp_ps_mask, _mm512_maskz_mov_ps, _mm512_setzero_ps};
        // SAFETY: the processor has AVX-512F, the caller's promise.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition, _mm512_setzero_ps()), v) }
    }
}

/// Adds the distances of values to the shifts of their channels, and the squares of these.
pub(crate) struct Moments<T> {
    /// Values `[row][channel]`.
    pub(crate) x: *const T,
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    pub(crate) shifts: *const T,
    /// Added to.
    pub(crate) sums: *mut T,
    pub(crate) squares: *mut T,
}

/// Adds gradients, and their products with the distances of values to their means.
pub(crate) struct GradientSums<T> {
    /// Values and gradients `[row][channel]`.
    pub(crate) x: *const T,
    pub(crate) d: *mut T,
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    /// Means, factors and biases.
    pub(crate) coefficients: [*const T; 3],
    /// Clear the gradient first where `(x - mean) * factor + bias` is not above zero.
    pub(crate) rectified: bool,
    /// Added to.
    pub(crate) sums: *mut T,
    pub(crate) products: *mut T,
}

/// `y = (x - mean) * factor + bias`, and at least `least`; what is not a number stays that.
pub(crate) struct Normalise<T> {
    /// Values `[row][channel]`.
    pub(crate) x: *const T,
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    /// Means, factors and biases.
    pub(crate) coefficients: [*const T; 3],
    pub(crate) least: T,
    pub(crate) y: *mut T,
}

/// `gx = factor * (d - sum - (x - mean) * product)`.
pub(crate) struct InputGradient<T> {
    /// Values and gradients `[row][channel]`.
    pub(crate) x: *const T,
    pub(crate) d: *const T,
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    /// Means, factors, sums and products.
    pub(crate) coefficients: [*const T; 4],
    pub(crate) gx: *mut T,
}

for_each_isa! {
    /// See [`Moments`].
    ///
    /// # Safety
    /// The pointers are those of the rows and channels, and the processor has the instruction set.
    pub(crate) fn moments(Moments) = moments_of;
    /// See [`GradientSums`].
    ///
    /// # Safety
    /// As [`moments`].
    pub(crate) fn gradient_sums(GradientSums) = gradient_sums_of;
    /// See [`Normalise`].
    ///
    /// # Safety
    /// As [`moments`].
    pub(crate) fn normalise(Normalise) = normalise_of;
    /// See [`InputGradient`].
    ///
    /// # Safety
    /// As [`moments`].
    pub(crate) fn input_gradient(InputGradient) = input_gradient_of;
}

/// Covers all channels with strips as wide as `width` says, then of a vector, then with the rest of one.
macro_rules! strips {
    ($t:ident, $width:ident, $strip:ident::<$s:ident $(, $flag:literal)?>) => {{
        let mut c = 0;
        // SAFETY: the channels from `c` on, as many as the strip has, are there.
        unsafe {
            if $s::$width == 8 {
                while $t.channels - c >= 8 * $s::LANES {
                    $strip::<$s, 8, true $(, $flag)?>($t, c);
                    c += 8 * $s::LANES;
                }
            }
            if $s::$width >= 4 {
                while $t.channels - c >= 4 * $s::LANES {
                    $strip::<$s, 4, true $(, $flag)?>($t, c);
                    c += 4 * $s::LANES;
                }
            }
            if $s::$width >= 2 {
                while $t.channels - c >= 2 * $s::LANES {
                    $strip::<$s, 2, true $(, $flag)?>($t, c);
                    c += 2 * $s::LANES;
                }
            }
            while $t.channels - c >= $s::LANES {
                $strip::<$s, 1, true $(, $flag)?>($t, c);
                c += $s::LANES;
            }
            if c < $t.channels {
                $strip::<$s, 1, false $(, $flag)?>($t, c);
            }
        }
    }};
}

/// `W` vectors at `p`, or the first `n` values of one.
#[inline(always)]
unsafe fn load<S: Simd, const W: usize, const FULL: bool>(p: *const S::T, n: usize) -> [S::V; W] {
    // SAFETY: as many values are readable, the caller's promise.
    unsafe {
        let mut v = [S::splat(S::T::default()); W];
        for k in 0..W {
            v[k] = if FULL { S::load(p.add(k * S::LANES)) } else { S::load_n(p, n) };
        }
        v
    }
}

#[inline(always)]
unsafe fn store<S: Simd, const FULL: bool>(p: *mut S::T, k: usize, n: usize, v: S::V) {
    // SAFETY: as many values are writable, the caller's promise.
    unsafe { if FULL { S::store(p.add(k * S::LANES), v) } else { S::store_n(p, n, v) } }
}

/// Adds sums in registers to those in memory.
#[inline(always)]
unsafe fn add_to<S: Simd, const W: usize, const FULL: bool>(p: *mut S::T, n: usize, sums: [S::V; W]) {
    // SAFETY: as many values are there, the caller's promise.
    unsafe {
        let before = load::<S, W, FULL>(p, n);
        for k in 0..W {
            store::<S, FULL>(p, k, n, S::add(before[k], sums[k]));
        }
    }
}

#[inline(always)]
unsafe fn moments_strip<S: Simd, const W: usize, const FULL: bool>(t: &Moments<S::T>, c: usize) {
    let n = t.channels - c;
    // SAFETY: the strip lies inside all rows, the caller's promise.
    unsafe {
        let shifts = load::<S, W, FULL>(t.shifts.add(c), n);
        let (mut sums, mut squares) = ([S::splat(S::T::default()); W], [S::splat(S::T::default()); W]);
        let mut x = t.x.add(c);
        for _ in 0..t.rows {
            let v = load::<S, W, FULL>(x, n);
            for k in 0..W {
                let apart = S::sub(v[k], shifts[k]);
                sums[k] = S::add(sums[k], apart);
                squares[k] = S::fma(apart, apart, squares[k]);
            }
            x = x.wrapping_add(t.channels);
        }
        add_to::<S, W, FULL>(t.sums.add(c), n, sums);
        add_to::<S, W, FULL>(t.squares.add(c), n, squares);
    }
}

#[inline(always)]
unsafe fn moments_of<S: Select>(t: &Moments<S::T>) {
    strips!(t, WIDE, moments_strip::<S>);
}

#[inline(always)]
unsafe fn gradient_sums_strip<S: Select, const W: usize, const FULL: bool, const RECTIFIED: bool>(t: &GradientSums<S::T>, c: usize) {
    let n = t.channels - c;
    // SAFETY: as `moments_strip`.
    unsafe {
        let means = load::<S, W, FULL>(t.coefficients[0].add(c), n);
        let (factors, biases) = if RECTIFIED {
            (load::<S, W, FULL>(t.coefficients[1].add(c), n), load::<S, W, FULL>(t.coefficients[2].add(c), n))
        } else {
            (means, means)
        };
        let (mut sums, mut products) = ([S::splat(S::T::default()); W], [S::splat(S::T::default()); W]);
        let (mut x, mut d) = (t.x.add(c), t.d.add(c));
        for _ in 0..t.rows {
            let (v, mut g) = (load::<S, W, FULL>(x, n), load::<S, W, FULL>(d, n));
            for k in 0..W {
                let apart = S::sub(v[k], means[k]);
                if RECTIFIED {
                    // The output once more, to the same bits, which is faster than reading it.
                    g[k] = S::where_positive(S::add(S::mul(apart, factors[k]), biases[k]), g[k]);
                    store::<S, FULL>(d, k, n, g[k]);
                }
                sums[k] = S::add(sums[k], g[k]);
                products[k] = S::fma(g[k], apart, products[k]);
            }
            (x, d) = (x.wrapping_add(t.channels), d.wrapping_add(t.channels));
        }
        add_to::<S, W, FULL>(t.sums.add(c), n, sums);
        add_to::<S, W, FULL>(t.products.add(c), n, products);
    }
}

#[inline(always)]
unsafe fn gradient_sums_of<S: Select>(t: &GradientSums<S::T>) {
    if t.rectified {
        strips!(t, NARROW, gradient_sums_strip::<S, true>);
    } else {
        strips!(t, NARROW, gradient_sums_strip::<S, false>);
    }
}

#[inline(always)]
unsafe fn normalise_strip<S: Simd, const W: usize, const FULL: bool>(t: &Normalise<S::T>, c: usize) {
    let n = t.channels - c;
    // SAFETY: as `moments_strip`.
    unsafe {
        let means = load::<S, W, FULL>(t.coefficients[0].add(c), n);
        let factors = load::<S, W, FULL>(t.coefficients[1].add(c), n);
        let biases = load::<S, W, FULL>(t.coefficients[2].add(c), n);
        let least = S::splat(t.least);
        let (mut x, mut y) = (t.x.add(c), t.y.add(c));
        for _ in 0..t.rows {
            let v = load::<S, W, FULL>(x, n);
            for k in 0..W {
                // A product and a sum, as where another cell normalises its outputs. In this order what is not a number stays that.
                let v = S::add(S::mul(S::sub(v[k], means[k]), factors[k]), biases[k]);
                store::<S, FULL>(y, k, n, S::max(least, v));
            }
            (x, y) = (x.wrapping_add(t.channels), y.wrapping_add(t.channels));
        }
    }
}

#[inline(always)]
unsafe fn normalise_of<S: Select>(t: &Normalise<S::T>) {
    strips!(t, WIDE, normalise_strip::<S>);
}

#[inline(always)]
unsafe fn input_gradient_strip<S: Simd, const W: usize, const FULL: bool>(t: &InputGradient<S::T>, c: usize) {
    let n = t.channels - c;
    // SAFETY: as `moments_strip`.
    unsafe {
        let means = load::<S, W, FULL>(t.coefficients[0].add(c), n);
        let factors = load::<S, W, FULL>(t.coefficients[1].add(c), n);
        let sums = load::<S, W, FULL>(t.coefficients[2].add(c), n);
        let mut negated = load::<S, W, FULL>(t.coefficients[3].add(c), n);
        for k in 0..W {
            negated[k] = S::sub(S::splat(S::T::default()), negated[k]);
        }
        let (mut x, mut d, mut gx) = (t.x.add(c), t.d.add(c), t.gx.add(c));
        for _ in 0..t.rows {
            let (v, g) = (load::<S, W, FULL>(x, n), load::<S, W, FULL>(d, n));
            for k in 0..W {
                let inner = S::fma(S::sub(v[k], means[k]), negated[k], S::sub(g[k], sums[k]));
                store::<S, FULL>(gx, k, n, S::mul(factors[k], inner));
            }
            (x, d, gx) = (x.wrapping_add(t.channels), d.wrapping_add(t.channels), gx.wrapping_add(t.channels));
        }
    }
}

#[inline(always)]
unsafe fn input_gradient_of<S: Select>(t: &InputGradient<S::T>) {
    strips!(t, NARROW, input_gradient_strip::<S>);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::{Isa, isas};

    const ROWS: usize = 7;

    fn value(i: usize, k: usize) -> f32 {
        ((i * 7919 + k * 104_729) % 1009) as f32 / 500.0 - 1.0
    }

    fn values(n: usize, k: usize) -> Vec<f32> {
        (0..n).map(|i| value(i, k)).collect()
    }

    fn near(a: f32, b: f64, what: &str) {
        assert!((f64::from(a) - b).abs() <= 1e-5 * (1.0 + b.abs()), "{what}: {a} is not {b}");
    }

    fn check(isa: Isa, c: usize) {
        let what = format!("{isa:?} {c}");
        let (x, d) = (values(ROWS * c, 1), values(ROWS * c, 2));
        let [m, a, b, s, p] = [3, 4, 5, 6, 7].map(|k| values(c, k));
        let of = |v: &[f32], r: usize, ch: usize| f64::from(v[r * c + ch]);
        let column = |f: &dyn Fn(usize, usize) -> f64, ch: usize| 0.5 + (0..ROWS).map(|r| f(r, ch)).sum::<f64>();
        let (mut sums, mut squares) = (vec![0.5; c], vec![0.5; c]);
        let (xp, mut masked) = (x.as_ptr(), d.clone());
        // SAFETY: all vectors have the rows and channels.
        unsafe {
            let (sums, squares) = (sums.as_mut_ptr(), squares.as_mut_ptr());
            moments(isa, &Moments { x: xp, rows: ROWS, channels: c, shifts: m.as_ptr(), sums, squares });
        }
        for ch in 0..c {
            near(sums[ch], column(&|r, ch| of(&x, r, ch) - of(&m, 0, ch), ch), &what);
            near(squares[ch], column(&|r, ch| (of(&x, r, ch) - of(&m, 0, ch)).powi(2), ch), &what);
        }
        for rectified in [false, true] {
            let (mut sums, mut products_of) = (vec![0.5; c], vec![0.5; c]);
            masked.copy_from_slice(&d);
            // SAFETY: as above.
            unsafe {
                let coefficients = [m.as_ptr(), a.as_ptr(), b.as_ptr()];
                let (sums, products_of) = (sums.as_mut_ptr(), products_of.as_mut_ptr());
                let d = masked.as_mut_ptr();
                gradient_sums(
                    isa,
                    &GradientSums { x: xp, d, rows: ROWS, channels: c, coefficients, rectified, sums, products: products_of },
                );
            }
            for (i, (masked, d)) in masked.iter().zip(&d).enumerate() {
                let positive = (x[i] - m[i % c]) * a[i % c] + b[i % c] > 0.0;
                assert_eq!(*masked, if positive || !rectified { *d } else { 0.0 }, "{what}");
            }
            for ch in 0..c {
                near(sums[ch], column(&|r, ch| of(&masked, r, ch), ch), &what);
                near(products_of[ch], column(&|r, ch| of(&masked, r, ch) * (of(&x, r, ch) - of(&m, 0, ch)), ch), &what);
            }
        }
        // A value more, which nobody may write.
        let (mut y, mut gx) = (vec![7.0; ROWS * c + 1], vec![7.0; ROWS * c + 1]);
        for least in [f32::NEG_INFINITY, 0.0] {
            // SAFETY: as above.
            unsafe {
                let coefficients = [m.as_ptr(), a.as_ptr(), b.as_ptr()];
                normalise(isa, &Normalise { x: xp, rows: ROWS, channels: c, coefficients, least, y: y.as_mut_ptr() });
            }
            for i in 0..ROWS * c {
                assert_eq!(y[i], ((x[i] - m[i % c]) * a[i % c] + b[i % c]).max(least), "{what}");
            }
        }
        // SAFETY: as above.
        unsafe {
            let coefficients = [m.as_ptr(), a.as_ptr(), s.as_ptr(), p.as_ptr()];
            let (d, gx) = (d.as_ptr(), gx.as_mut_ptr());
            input_gradient(isa, &InputGradient { x: xp, d, rows: ROWS, channels: c, coefficients, gx });
        }
        for i in 0..ROWS * c {
            let [m, a, s, p] = [&m, &a, &s, &p].map(|v| f64::from(v[i % c]));
            near(gx[i], a * (f64::from(d[i]) - s - (f64::from(x[i]) - m) * p), &what);
        }
        assert_eq!((y[ROWS * c], gx[ROWS * c]), (7.0, 7.0), "{what}");
    }

    #[test]
    fn all_instruction_sets_agree_with_the_definition() {
        for isa in isas() {
            for c in [1, 3, 8, 15, 16, 31, 64, 100, 128, 200, 333, 512, 519] {
                check(isa, c);
            }
        }
    }
}
