//! Depthwise convolution with kernels of 3x3 taps, which is nearly all of it: whole rows from the images as they are.
//!
//! A vector of channels goes along two rows of outputs at once, column by column of the source. The nine weights and the sums
//! of the outputs that have begun stay in registers, and what is loaded serves every output that it belongs to. A row outside
//! the image is a vector of zeros that is read again and again; columns outside the image are left out.

use super::{load_part, store_part};
use crate::device::cpu::simd::Simd;
use crate::tensor::Float;
use num_traits::Float as _;

/// Which sweep it is; sizes of the source and of the target are `[rows, columns]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Target `[i, j]` sums source `[i - p + r, j - p + s] * w[r][s]`.
    One,
    /// Target `[i, j]` sums source `[2i - p + r, 2j - p + s] * w[r][s]`, with a padding `p` of 0 or 1.
    Two,
    /// The adjoint of `Two` with a padding of 1: weights come in the order of [`HALF`].
    Half,
}

/// Taps of the adjoint of a step of two by the parity of the target's row and column.
pub(super) const HALF: [[usize; 2]; 9] = [[1, 1], [1, 2], [1, 0], [2, 1], [0, 1], [2, 2], [2, 0], [0, 2], [0, 0]];

/// Rows of some images, and the source that belongs to them.
pub(crate) struct Region<T> {
    /// First image of the source, its size and how often it is padded.
    pub(super) x: *const T,
    pub(super) source: [usize; 2],
    pub(super) padding: [usize; 2],
    /// Size of the target.
    pub(super) target: [usize; 2],
    /// Images, and the rows of each target.
    pub(super) images: usize,
    pub(super) span: [usize; 2],
    pub(super) channels: usize,
}

/// Arguments of a sweep over rows of some images.
pub(crate) struct Rows<T> {
    pub(super) step: Step,
    pub(super) region: Region<T>,
    /// The channels to compute: the first, and that behind the last.
    pub(super) part: [usize; 2],
    /// First image of the target.
    pub(super) y: *mut T,
    /// Weights `[tap][channels]`.
    pub(super) w: *const T,
    /// Biases, or null.
    pub(super) bias: *const T,
    /// Means, factors and biases that the sums are then normalised by, or null.
    pub(super) affine: [*const T; 3],
    /// What is then added, laid out as the target, or null.
    pub(super) residual: *const T,
    /// Store `max(y, 0)`.
    pub(super) relu: bool,
}

/// Arguments of the weight gradient from rows of some images: `g[r][s] += sum over i, j of x[t*i - p + r, t*j - p + s] * d[i, j]`.
pub(crate) struct RowsGrad<T> {
    /// The step `t` from an output to the next, 1 or 2.
    pub(super) step: usize,
    /// The target is the output gradient; padded at most twice, with a step of two once.
    pub(super) region: Region<T>,
    /// First image of the output gradient.
    pub(super) d: *const T,
    /// Gradient `[tap][channels]`, added to.
    pub(super) g: *mut T,
}

/// `N` rows of a source that move from column to column together.
struct Walk<T, const N: usize> {
    at: [*const T; N],
    /// From a column to the next: nothing in a row of zeros.
    step: [usize; N],
}

impl<T: Float, const N: usize> Walk<T, N> {
    /// Rows from `first` on of an image of `[rows, columns]` pixels of `pixel` values; those outside are `zeros`.
    #[inline(always)]
    fn new(image: *const T, [rows, columns]: [usize; 2], pixel: usize, first: isize, zeros: *const T) -> Self {
        let mut walk = Walk { at: [zeros; N], step: [0; N] };
        for k in 0..N {
            let row = first + k as isize;
            if (0..rows as isize).contains(&row) {
                walk.at[k] = image.wrapping_add(row as usize * columns * pixel);
                walk.step[k] = pixel;
            }
        }
        walk
    }

    /// Loads a column and goes on to the next.
    #[inline(always)]
    unsafe fn next<S: Simd<T = T>, const FULL: bool>(&mut self, n: usize) -> [S::V; N] {
        // SAFETY: a column is left, the caller's promise.
        unsafe {
            let mut v = [S::splat(T::default()); N];
            for k in 0..N {
                v[k] = load_part::<S, FULL>(self.at[k], n);
                self.at[k] = self.at[k].wrapping_add(self.step[k]);
            }
            v
        }
    }
}

/// Lines of the rows to come, which are fetched one after the other: the sweep itself goes from pixel to pixel, an order that the
/// processor does not foresee.
struct Ahead<T> {
    at: [*const T; 2],
    /// From a vector to the next.
    step: usize,
}

impl<T: Float> Ahead<T> {
    /// The first lines of what is read, and of what is written, or of two things that are read.
    fn new<S: Simd<T = T>>(x: *const T, y: *const T) -> Self {
        Ahead { at: [x, y], step: S::LANES }
    }

    /// Fetches `X` vectors of what is read, and `Y` of what is written.
    #[inline(always)]
    unsafe fn next<S: Simd<T = T>, const X: usize, const Y: usize>(&mut self) {
        for _ in 0..X {
            // SAFETY: a hint, whatever the address.
            unsafe { S::fetch_to_read(self.at[0]) };
            self.at[0] = self.at[0].wrapping_add(self.step);
        }
        for _ in 0..Y {
            // SAFETY: as above.
            unsafe { S::fetch(self.at[1]) };
            self.at[1] = self.at[1].wrapping_add(self.step);
        }
    }

    /// The same where both are read.
    #[inline(always)]
    unsafe fn next_read<S: Simd<T = T>, const X: usize, const D: usize>(&mut self) {
        for (at, n) in self.at.iter_mut().zip([X, D]) {
            for _ in 0..n {
                // SAFETY: a hint, whatever the address.
                unsafe { S::fetch_to_read(*at) };
                *at = at.wrapping_add(self.step);
            }
        }
    }
}

/// What a vector of channels shares over all rows.
struct Lanes<S: Simd> {
    w: [S::V; 9],
    bias: S::V,
    affine: [S::V; 3],
    /// What an output is at least.
    least: S::V,
    zero: S::V,
    /// Channels of the vector.
    n: usize,
}

impl<S: Simd> Lanes<S> {
    /// Finishes a sum and stores it.
    #[inline(always)]
    unsafe fn store<const FULL: bool, const AFFINE: bool>(&self, t: &Rows<S::T>, y: *mut S::T, sum: S::V) {
        // SAFETY: a whole vector, or `n` elements, are writable, and readable at the same place of what is added, the caller's promise.
        unsafe {
            let mut v = sum;
            if AFFINE {
                v = S::add(S::mul(S::sub(v, self.affine[0]), self.affine[1]), self.affine[2]);
            }
            if !t.residual.is_null() {
                v = S::add(v, load_part::<S, FULL>(t.residual.offset(y.offset_from(t.y)), self.n));
            }
            // In this order what is not a number stays that.
            store_part::<S, FULL>(y, self.n, S::max(self.least, v));
        }
    }
}

/// `R` rows of outputs from `y` on, `row` values apart, of a step of one; `IN` is `R + 2`.
#[inline(always)]
unsafe fn step_one<S: Simd, const R: usize, const IN: usize, const FULL: bool, const AFFINE: bool>(
    t: &Rows<S::T>,
    l: &Lanes<S>,
    mut x: Walk<S::T, IN>,
    y: *mut S::T,
    ahead: &mut Ahead<S::T>,
) {
    // SAFETY: the rows of the source and of the target are valid, the caller's promise.
    unsafe {
        let row = t.region.target[1] * t.region.channels;
        let mut y = y;
        // Sums of the outputs that a column ends, and of the next.
        let (mut first, mut second) = ([l.bias; R], [l.bias; R]);
        let hidden = 2 - t.region.padding[1];
        for column in 0..t.region.source[1] {
            let v = x.next::<S, FULL>(l.n);
            ahead.next::<S, R, R>();
            let mut third = [l.bias; R];
            for r in 0..R {
                for k in 0..3 {
                    first[r] = S::fma(v[r + k], l.w[3 * k + 2], first[r]);
                    second[r] = S::fma(v[r + k], l.w[3 * k + 1], second[r]);
                    third[r] = S::fma(v[r + k], l.w[3 * k], third[r]);
                }
            }
            if column >= hidden {
                for r in 0..R {
                    l.store::<FULL, AFFINE>(t, y.wrapping_add(r * row), first[r]);
                }
                y = y.wrapping_add(t.region.channels);
            }
            (first, second) = (second, third);
        }
        for sums in [first, second].iter().take(t.region.padding[1]) {
            for r in 0..R {
                l.store::<FULL, AFFINE>(t, y.wrapping_add(r * row), sums[r]);
            }
            y = y.wrapping_add(t.region.channels);
        }
    }
}

/// The same for a step of two; `IN` is `2 * R + 1`.
#[inline(always)]
unsafe fn step_two<S: Simd, const R: usize, const IN: usize, const FULL: bool, const AFFINE: bool>(
    t: &Rows<S::T>,
    l: &Lanes<S>,
    mut x: Walk<S::T, IN>,
    y: *mut S::T,
    ahead: &mut Ahead<S::T>,
) {
    // SAFETY: as `step_one`.
    unsafe {
        let row = t.region.target[1] * t.region.channels;
        let mut y = y;
        let mut sums = [l.bias; R];
        if t.region.padding[1] == 0 {
            let v = x.next::<S, FULL>(l.n);
            for r in 0..R {
                for k in 0..3 {
                    sums[r] = S::fma(v[2 * r + k], l.w[3 * k], sums[r]);
                }
            }
        }
        // Outputs whose last column is inside.
        let whole = t.region.target[1].min((t.region.source[1] + t.region.padding[1] - 1) / 2);
        for _ in 0..whole {
            let middle = x.next::<S, FULL>(l.n);
            // Two rows of the source, two columns wide, for each row of the target.
            for _ in 0..R {
                ahead.next::<S, 4, 1>();
            }
            for r in 0..R {
                for k in 0..3 {
                    sums[r] = S::fma(middle[2 * r + k], l.w[3 * k + 1], sums[r]);
                }
            }
            let last = x.next::<S, FULL>(l.n);
            let mut next = [l.bias; R];
            for r in 0..R {
                for k in 0..3 {
                    sums[r] = S::fma(last[2 * r + k], l.w[3 * k + 2], sums[r]);
                    next[r] = S::fma(last[2 * r + k], l.w[3 * k], next[r]);
                }
                l.store::<FULL, AFFINE>(t, y.wrapping_add(r * row), sums[r]);
            }
            y = y.wrapping_add(t.region.channels);
            sums = next;
        }
        if whole < t.region.target[1] {
            let middle = x.next::<S, FULL>(l.n);
            for r in 0..R {
                for k in 0..3 {
                    sums[r] = S::fma(middle[2 * r + k], l.w[3 * k + 1], sums[r]);
                }
                l.store::<FULL, AFFINE>(t, y.wrapping_add(r * row), sums[r]);
            }
        }
    }
}

/// The adjoint of a step of two: an even row of the target, and with `ODD` also the next.
#[inline(always)]
unsafe fn half<S: Simd, const ODD: bool, const FULL: bool, const AFFINE: bool>(
    t: &Rows<S::T>,
    l: &Lanes<S>,
    mut x: Walk<S::T, 2>,
    y: *mut S::T,
    ahead: &mut Ahead<S::T>,
) {
    // SAFETY: as `step_one`.
    unsafe {
        let row = t.region.target[1] * t.region.channels;
        let w = &l.w;
        let mut here = x.next::<S, FULL>(l.n);
        let mut y = y;
        for column in 1..=t.region.source[1] {
            let next = if column < t.region.source[1] { x.next::<S, FULL>(l.n) } else { [l.zero; 2] };
            let odd = 2 * column <= t.region.target[1];
            ahead.next::<S, 1, 4>();
            l.store::<FULL, AFFINE>(t, y, S::fma(here[0], w[0], l.bias));
            if odd {
                l.store::<FULL, AFFINE>(t, y.wrapping_add(t.region.channels), S::fma(next[0], w[2], S::fma(here[0], w[1], l.bias)));
            }
            if ODD {
                let y = y.wrapping_add(row);
                l.store::<FULL, AFFINE>(t, y, S::fma(here[1], w[4], S::fma(here[0], w[3], l.bias)));
                if odd {
                    let upper = S::fma(next[0], w[6], S::fma(here[0], w[5], l.bias));
                    l.store::<FULL, AFFINE>(t, y.wrapping_add(t.region.channels), S::fma(next[1], w[8], S::fma(here[1], w[7], upper)));
                }
            }
            y = y.wrapping_add(2 * t.region.channels);
            here = next;
        }
    }
}

/// What the vector of channels from `c` on needs.
#[inline(always)]
unsafe fn lanes<S: Simd, const FULL: bool, const AFFINE: bool>(t: &Rows<S::T>, c: usize) -> Lanes<S> {
    // SAFETY: the channels of the part from `c` on are valid, the caller's promise.
    unsafe {
        let n = t.part[1] - c;
        let zero = S::splat(S::T::default());
        let bias = if t.bias.is_null() { zero } else { load_part::<S, FULL>(t.bias.add(c), n) };
        let least = S::splat(if t.relu { S::T::default() } else { S::T::neg_infinity() });
        let mut l = Lanes::<S> { w: [zero; 9], bias, affine: [zero; 3], least, zero, n };
        if AFFINE {
            for i in 0..3 {
                l.affine[i] = load_part::<S, FULL>(t.affine[i].add(c), n);
            }
        }
        for k in 0..9 {
            l.w[k] = load_part::<S, FULL>(t.w.add(k * t.region.channels + c), n);
        }
        l
    }
}

/// A vector of channels of `rows` rows of a target from `i` on.
#[inline(always)]
unsafe fn group<S: Simd, const FULL: bool, const AFFINE: bool>(
    t: &Rows<S::T>,
    image: usize,
    [i, rows]: [usize; 2],
    c: usize,
    zeros: *const S::T,
    ahead: &mut Ahead<S::T>,
) {
    // SAFETY: the rows and the channels are valid, the caller's promise.
    unsafe {
        let l = lanes::<S, FULL, AFFINE>(t, c);
        let row = t.region.target[1] * t.region.channels;
        let [height, width] = t.region.source;
        let x = t.region.x.wrapping_add(image * height * width * t.region.channels + c);
        let y = t.y.wrapping_add((image * t.region.target[0] + i) * row + c);
        let first = first_row(t, i);
        macro_rules! walk {
            () => {
                Walk::new(x, t.region.source, t.region.channels, first, zeros)
            };
        }
        match (t.step, rows) {
            (Step::One, 2) => step_one::<S, 2, 4, FULL, AFFINE>(t, &l, walk!(), y, ahead),
            (Step::One, _) => step_one::<S, 1, 3, FULL, AFFINE>(t, &l, walk!(), y, ahead),
            (Step::Two, 2) => step_two::<S, 2, 5, FULL, AFFINE>(t, &l, walk!(), y, ahead),
            (Step::Two, _) => step_two::<S, 1, 3, FULL, AFFINE>(t, &l, walk!(), y, ahead),
            (Step::Half, 2) => half::<S, true, FULL, AFFINE>(t, &l, walk!(), y, ahead),
            (Step::Half, _) => half::<S, false, FULL, AFFINE>(t, &l, walk!(), y, ahead),
        }
    }
}

/// The first row of the source that the rows of the target from `i` on read.
#[inline(always)]
fn first_row<T>(t: &Rows<T>, i: usize) -> isize {
    match t.step {
        Step::One => i as isize - t.region.padding[0] as isize,
        Step::Two => 2 * i as isize - t.region.padding[0] as isize,
        Step::Half => i as isize / 2,
    }
}

/// A sweep over rows.
#[inline(always)]
pub(super) unsafe fn rows<S: Simd>(t: &Rows<S::T>) {
    // SAFETY: the caller's promise.
    unsafe {
        if t.affine[0].is_null() {
            rows_of::<S, false>(t);
        } else {
            rows_of::<S, true>(t);
        }
    }
}

#[inline(always)]
unsafe fn rows_of<S: Simd, const AFFINE: bool>(t: &Rows<S::T>) {
    let zeros = [S::T::default(); 16];
    let region = &t.region;
    let [source_row, target_row] = [region.source, region.target].map(|[_, width]| width * region.channels);
    for image in 0..region.images {
        for i in (region.span[0]..region.span[1]).step_by(2) {
            let rows = (region.span[1] - i).min(2);
            // The first row of the source that the next rows of the target read, and these do not.
            let behind = match t.step {
                Step::One => rows + 2,
                Step::Two => 2 * rows + 1,
                Step::Half => 2,
            };
            let source = (image * region.source[0] + behind) as isize + first_row(t, i);
            let target = (image * region.target[0] + i + rows) * target_row;
            let x = region.x.wrapping_offset(source * source_row as isize);
            let mut ahead = Ahead::new::<S>(x, t.y.wrapping_add(target));
            if t.part != [0, region.channels] {
                // The lines of a part do not follow each other.
                ahead.step = 0;
            }
            let [mut c, end] = t.part;
            while c < end {
                // SAFETY: the caller's promise.
                unsafe {
                    if end - c >= S::LANES {
                        group::<S, true, AFFINE>(t, image, [i, rows], c, zeros.as_ptr(), &mut ahead);
                    } else {
                        group::<S, false, AFFINE>(t, image, [i, rows], c, zeros.as_ptr(), &mut ahead);
                    }
                }
                c += S::LANES;
            }
        }
    }
}

/// Adds the products of `R` rows of output gradients, `row` values apart, for a step of one; `IN` is `R + 2`.
#[inline(always)]
unsafe fn grad_one<S: Simd, const R: usize, const IN: usize, const FULL: bool>(
    t: &RowsGrad<S::T>,
    mut x: Walk<S::T, IN>,
    mut d: Walk<S::T, R>,
    n: usize,
    g: &mut [S::V; 9],
    ahead: &mut Ahead<S::T>,
) {
    // SAFETY: the rows are valid, the caller's promise.
    unsafe {
        let zero = S::splat(S::T::default());
        // Output gradients of the columns that the left, the middle and the right taps belong to.
        let (mut middle, mut right) = ([zero; R], [zero; R]);
        for _ in 0..t.region.padding[1].min(t.region.target[1]) {
            right = middle;
            middle = d.next::<S, FULL>(n);
        }
        let shown = t.region.target[1].saturating_sub(t.region.padding[1]);
        for column in 0..t.region.source[1] {
            let left = if column < shown { d.next::<S, FULL>(n) } else { [zero; R] };
            let v = x.next::<S, FULL>(n);
            ahead.next_read::<S, R, R>();
            for r in 0..R {
                for k in 0..3 {
                    g[3 * k] = S::fma(v[r + k], left[r], g[3 * k]);
                    g[3 * k + 1] = S::fma(v[r + k], middle[r], g[3 * k + 1]);
                    g[3 * k + 2] = S::fma(v[r + k], right[r], g[3 * k + 2]);
                }
            }
            (right, middle) = (middle, left);
        }
    }
}

/// The same for a step of two; `IN` is `2 * R + 1`.
#[inline(always)]
unsafe fn grad_two<S: Simd, const R: usize, const IN: usize, const FULL: bool>(
    t: &RowsGrad<S::T>,
    mut x: Walk<S::T, IN>,
    mut d: Walk<S::T, R>,
    n: usize,
    g: &mut [S::V; 9],
    ahead: &mut Ahead<S::T>,
) {
    // SAFETY: the rows are valid, the caller's promise.
    unsafe {
        let zero = S::splat(S::T::default());
        let mut first = if t.region.padding[1] == 0 { x.next::<S, FULL>(n) } else { [zero; IN] };
        let whole = t.region.target[1].min((t.region.source[1] + t.region.padding[1] - 1) / 2);
        for column in 0..t.region.target[1] {
            let dv = d.next::<S, FULL>(n);
            let middle = x.next::<S, FULL>(n);
            for _ in 0..R {
                ahead.next_read::<S, 4, 1>();
            }
            for r in 0..R {
                for k in 0..3 {
                    g[3 * k] = S::fma(first[2 * r + k], dv[r], g[3 * k]);
                    g[3 * k + 1] = S::fma(middle[2 * r + k], dv[r], g[3 * k + 1]);
                }
            }
            if column < whole {
                let last = x.next::<S, FULL>(n);
                for r in 0..R {
                    for k in 0..3 {
                        g[3 * k + 2] = S::fma(last[2 * r + k], dv[r], g[3 * k + 2]);
                    }
                }
                first = last;
            }
        }
    }
}

#[inline(always)]
unsafe fn channels_grad<S: Simd, const FULL: bool>(t: &RowsGrad<S::T>, c: usize, ahead: &mut Ahead<S::T>) {
    // SAFETY: `channels - c` channels are valid, the caller's promise.
    unsafe {
        let n = t.region.channels - c;
        let zeros = [S::T::default(); 16];
        let mut g = [S::splat(S::T::default()); 9];
        let [height, width] = t.region.source;
        for image in 0..t.region.images {
            let x = t.region.x.wrapping_add(image * height * width * t.region.channels + c);
            let d = t.d.wrapping_add(image * t.region.target[0] * t.region.target[1] * t.region.channels + c);
            let mut i = t.region.span[0];
            while i < t.region.span[1] {
                let first = (i * t.step) as isize - t.region.padding[0] as isize;
                macro_rules! walk {
                    ($image:ident, $size:expr, $first:expr) => {
                        Walk::new($image, $size, t.region.channels, $first, zeros.as_ptr())
                    };
                }
                let (xs, ds) = (t.region.source, t.region.target);
                match (t.step, i + 2 <= t.region.span[1]) {
                    (1, true) => grad_one::<S, 2, 4, FULL>(t, walk!(x, xs, first), walk!(d, ds, i as isize), n, &mut g, ahead),
                    (1, false) => grad_one::<S, 1, 3, FULL>(t, walk!(x, xs, first), walk!(d, ds, i as isize), n, &mut g, ahead),
                    (_, true) => grad_two::<S, 2, 5, FULL>(t, walk!(x, xs, first), walk!(d, ds, i as isize), n, &mut g, ahead),
                    (_, false) => grad_two::<S, 1, 3, FULL>(t, walk!(x, xs, first), walk!(d, ds, i as isize), n, &mut g, ahead),
                }
                i += 2;
            }
        }
        for k in 0..9 {
            let to = t.g.add(k * t.region.channels + c);
            store_part::<S, FULL>(to, n, S::add(load_part::<S, FULL>(to, n), g[k]));
        }
    }
}

/// The weight gradient from rows.
#[inline(always)]
pub(super) unsafe fn rows_grad<S: Simd>(t: &RowsGrad<S::T>) {
    let region = &t.region;
    let [source_row, target_row] = [region.source, region.target].map(|[_, width]| width * region.channels);
    // What lies behind these rows is what comes next.
    let source = (region.images - 1) * region.source[0] + (region.span[1] * t.step).min(region.source[0]);
    let target = (region.images - 1) * region.target[0] + region.span[1];
    let mut ahead = Ahead::new::<S>(region.x.wrapping_add(source * source_row), t.d.wrapping_add(target * target_row));
    let mut c = 0;
    while c < region.channels {
        // SAFETY: the caller's promise.
        unsafe {
            if region.channels - c >= S::LANES {
                channels_grad::<S, true>(t, c, &mut ahead);
            } else {
                channels_grad::<S, false>(t, c, &mut ahead);
            }
        }
        c += S::LANES;
    }
}
