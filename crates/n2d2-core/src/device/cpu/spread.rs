//! The gradient towards the images of a convolution from few channels.
//!
//! The direct kernels gather: every pixel is a sum over taps, its channels in the lanes of a vector, of which few channels use
//! few. Here each output spreads its gradient instead: a row of taps reaches neighbouring pixels, whose channels lie one
//! behind the other, so that columns and channels together fill the vectors, and no tap outside the image is computed.
//!
//! `gx[i + r][j + s][c] += sum over k of d[i][j][k] * w[r][k][s, c]`: the sums over `k` of several rows of taps, and of some
//! neighbouring outputs, which share what they read of the weights, lie in registers; then they are added to a copy of the
//! image with its border, which stays in the first-level cache. Outputs come in one order, so the bits do too.

use super::direct::{Window, with_scratch};
use super::kernels::Kernels;
use super::simd::Simd;
use crate::tensor::Float;

/// Values of an image with its border at most: it shares the first-level cache with the weights.
const IMAGE: usize = 6 * 1024;
/// Images at least: they are the items.
const IMAGES: usize = 4;
/// Outputs at least: fewer products are over before they can be added.
const OUTPUTS: usize = 4;
/// Arguments of a kernel.
pub(crate) struct Rows<T> {
    /// Gradients of the first output.
    d: *const T,
    /// Outputs: from a pixel to the next.
    k: usize,
    /// Weights `[row][k][width]` of the first row of taps.
    w: *const T,
    /// What the first row of taps reaches, and from a row to the next.
    y: *mut T,
    y_row: usize,
    /// From a pixel to the next in it.
    c: usize,
    /// Values of a row of taps, at most the width.
    reach: usize,
}

type RowsFn<T> = unsafe fn(&Rows<T>);

/// The kernels of one width.
pub(crate) struct Spread<T: 'static> {
    /// Values of a row of taps at most.
    pub(super) width: usize,
    /// Outputs of a kernel.
    pub(super) pixels: usize,
    /// For each number of rows, from 1 on: one output, and as many as a kernel takes.
    pub(super) kernels: Vec<[RowsFn<T>; 2]>,
}

/// Spreads `P` outputs over `R` rows of `NV` vectors.
#[inline(always)]
pub(super) unsafe fn rows<S: Simd, const R: usize, const NV: usize, const P: usize>(t: &Rows<S::T>) {
    // SAFETY: the caller gives valid pointers, on a processor with the instruction set.
    unsafe {
        let mut acc = [[[S::splat(S::T::default()); NV]; R]; P];
        for k in 0..t.k {
            let w = t.w.add(k * NV * S::LANES);
            let mut d = [acc[0][0][0]; P];
            for p in 0..P {
                d[p] = S::splat(*t.d.add(p * t.k + k));
            }
            for r in 0..R {
                for v in 0..NV {
                    let wv = S::load(w.add(r * t.k * NV * S::LANES + v * S::LANES));
                    for p in 0..P {
                        acc[p][r][v] = S::fma(d[p], wv, acc[p][r][v]);
                    }
                }
            }
        }
        for p in 0..P {
            for r in 0..R {
                for v in 0..NV {
                    let y = t.y.add(r * t.y_row + p * t.c + v * S::LANES);
                    let sum = S::add(S::load(y), acc[p][r][v]);
                    // Lanes behind the taps would spread what is not a number.
                    let lanes = t.reach.saturating_sub(v * S::LANES);
                    if lanes >= S::LANES { S::store(y, sum) } else { S::store_n(y, lanes, sum) }
                }
            }
        }
    }
}

/// How the gradient towards the images is spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpreadPlan {
    images: usize,
    /// `[h, w, c]` and `[oh, ow, k]`.
    image: [usize; 3],
    full: [usize; 3],
    kernel: [usize; 2],
    padding: [usize; 2],
    /// Values of a row of taps, and of a row of the image with its border.
    reach: usize,
    row: usize,
    /// Of the kernels.
    pub(crate) width: usize,
}

impl SpreadPlan {
    /// A plan for `n` images `[h, w, c]` and outputs `[oh, ow, k]`, where spreading pays.
    pub(crate) fn new<T: Float>(kernels: &Kernels<T>, window: &Window, n: usize, image: [usize; 3], full: [usize; 3]) -> Option<Self> {
        let ([h, w, c], [_, _, k]) = (image, full);
        let Window { kernel, stride, padding, dilation } = *window;
        let reach = kernel[1] * c;
        let width = kernels.spread_of(reach)?.width;
        let row = (w + 2 * padding[1]) * c;
        // The vectors of the direct kernels are less full, by more than adding costs.
        let block = kernels.width(c).block;
        let fuller = 4 * reach * block >= 5 * c * width && 4 * c <= 3 * block;
        let fits = (h + 2 * padding[0]) * row <= IMAGE;
        let pays = fuller && fits && n >= IMAGES && k >= OUTPUTS && kernel[1] > 1;
        (pays && stride == [1, 1] && dilation == [1, 1]).then_some(SpreadPlan {
            images: n,
            image,
            full,
            kernel,
            padding,
            reach,
            row,
            width,
        })
    }

    /// Items: one an image.
    pub(crate) fn items(&self) -> usize {
        self.images
    }

    /// Number of packed weights, `[r][k][width]`.
    pub(crate) fn packed_len(&self) -> usize {
        self.kernel[0] * self.full[2] * self.width
    }

    /// Packs the weights, of which `at` tells where `[k, c, r, s]` lies in `from`.
    pub(crate) fn pack<T: Float>(&self, from: &[T], at: impl Fn([usize; 4]) -> usize, to: &mut [T]) {
        let (c, k) = (self.image[2], self.full[2]);
        for (i, lanes) in to.chunks_exact_mut(self.width).enumerate() {
            for (j, lane) in lanes.iter_mut().enumerate() {
                *lane = if j < self.reach { from[at([i % k, j % c, i / k, j / c])] } else { T::zero() };
            }
        }
    }

    /// Computes image `item` of `gx` from `d`, with packed weights `w`.
    ///
    /// # Safety
    /// `d` and `gx` must be the whole tensors of the plan, `w` its packed weights; no other thread may touch the image.
    pub(crate) unsafe fn run<T: Float>(&self, kernels: &Kernels<T>, item: usize, d: *const T, w: &[T], gx: *mut T) {
        let Some(spread) = kernels.spread_of(self.reach) else { return };
        let ([h, width, c], [oh, ow, k], [kh, _]) = (self.image, self.full, self.kernel);
        let [top, left] = self.padding;
        assert!(w.len() >= self.packed_len());
        // The last vector of the last row is loaded whole.
        with_scratch((h + 2 * top) * self.row + spread.width, |local: &mut [T]| {
            local.fill(T::zero());
            for i in 0..oh {
                for first in (0..kh).step_by(spread.kernels.len()) {
                    let [one, several] = spread.kernels[spread.kernels.len().min(kh - first) - 1];
                    let mut j = 0;
                    while j < ow {
                        let whole = j + spread.pixels <= ow;
                        // SAFETY: outputs `j..` of a row of this image, rows `first..` of taps, and what these reach in the copy.
                        unsafe {
                            let t = Rows {
                                d: d.add(((item * oh + i) * ow + j) * k),
                                k,
                                w: w.as_ptr().add(first * k * self.width),
                                y: local.as_mut_ptr().add((i + first) * self.row + j * c),
                                y_row: self.row,
                                c,
                                reach: self.reach,
                            };
                            if whole { several(&t) } else { one(&t) }
                        }
                        j += if whole { spread.pixels } else { 1 };
                    }
                }
            }
            for y in 0..h {
                let from = &local[(y + top) * self.row + left * c..][..width * c];
                // SAFETY: a row of the image that this item alone writes.
                unsafe { std::slice::from_raw_parts_mut(gx.add((item * h + y) * width * c), width * c) }.copy_from_slice(from);
            }
        });
    }
}

/// The kernels with arrays as vectors of `N` values.
pub(super) fn portable<T: Float, const N: usize>() -> Vec<Spread<T>> {
    use super::simd::Portable;
    unsafe fn run<T: Float, const N: usize, const NV: usize, const P: usize>(t: &Rows<T>) {
        // SAFETY: the caller's promise.
        unsafe { rows::<Portable<T, N>, 1, NV, P>(t) }
    }
    vec![
        Spread { width: 4 * N, pixels: 2, kernels: vec![[run::<T, N, 4, 1>, run::<T, N, 4, 2>]] },
        Spread { width: 8 * N, pixels: 1, kernels: vec![[run::<T, N, 8, 1>, run::<T, N, 8, 1>]] },
    ]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::simd::{Avx2, Avx512};
    use super::{Rows, Spread};

    #[target_feature(enable = "avx2,fma")]
    unsafe fn narrow<const R: usize, const NV: usize, const P: usize>(t: &Rows<f32>) {
        // SAFETY: the caller's promise.
        unsafe { super::rows::<Avx2, R, NV, P>(t) }
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
    unsafe fn wide<const R: usize, const NV: usize, const P: usize>(t: &Rows<f32>) {
        // SAFETY: the caller's promise.
        unsafe { super::rows::<Avx512, R, NV, P>(t) }
    }

    /// Up to 12 of 16 registers hold sums.
    pub(crate) fn avx2() -> Vec<Spread<f32>> {
        vec![
            Spread {
                width: 16,
                pixels: 2,
                kernels: vec![
                    [narrow::<1, 2, 1>, narrow::<1, 2, 2>],
                    [narrow::<2, 2, 1>, narrow::<2, 2, 2>],
                    [narrow::<3, 2, 1>, narrow::<3, 2, 2>],
                ],
            },
            Spread {
                width: 32,
                pixels: 1,
                kernels: vec![
                    [narrow::<1, 4, 1>, narrow::<1, 4, 1>],
                    [narrow::<2, 4, 1>, narrow::<2, 4, 1>],
                    [narrow::<3, 4, 1>, narrow::<3, 4, 1>],
                ],
            },
        ]
    }

    /// Up to 20 of 32 registers hold sums.
    pub(crate) fn avx512() -> Vec<Spread<f32>> {
        macro_rules! kernels {
            ($nv:literal, $p:literal; $($rows:literal)*) => { vec![$([wide::<$rows, $nv, 1> as super::RowsFn<f32>, wide::<$rows, $nv, $p>]),*] };
        }
        vec![
            Spread { width: 16, pixels: 4, kernels: kernels![1, 4; 1 2 3 4 5] },
            Spread { width: 32, pixels: 2, kernels: kernels![2, 2; 1 2 3 4 5] },
        ]
    }
}
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{avx2, avx512};
