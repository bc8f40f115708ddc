//! Pooling of each channel by itself, eight channels at a time.
//!
//! A pixel with fewer than eight channels is read and written eight wide all the same: reads may pass the end of a
//! tensor by a vector, and what is written too far is overwritten by the next pixels. Only the last pixels of an item,
//! whose eight values would reach into another item, are written exactly.

use super::Geometry;
use super::lanes::{LANES, Lanes, Portable};
use crate::tensor::Float;
use num_traits::Zero;
use std::any::TypeId;
use std::ops::Range;

/// The index of an output whose window holds no input.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Defines a kernel that takes pointers, with versions for each kind of lanes.
macro_rules! kernels {
    ($($(#[$meta:meta])* fn $name:ident($g:ident, $band:ident, $($arg:ident: $kind:ident $of:ident),*) = $body:ident;)*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        /// The pointers are the image's tensors as the geometry says, and no other item writes the band.
        pub(super) unsafe fn $name<T: Float>($g: &Geometry, $band: Range<usize>, $($arg: kernels!(@ $kind $of)),*) {
            #[cfg(target_arch = "x86_64")]
            if TypeId::of::<T>() == TypeId::of::<f32>() && crate::device::cpu::uses_avx2() {
                #[target_feature(enable = "avx2")]
                unsafe fn avx2($g: &Geometry, $band: Range<usize>, $($arg: kernels!(@ f32 $kind $of)),*) {
                    // SAFETY: the caller's promise.
                    unsafe { $body::<super::lanes::Avx2>($g, $band, $($arg),*) }
                }
                // SAFETY: T is f32 and the processor has AVX2.
                return unsafe { avx2($g, $band, $($arg.cast()),*) };
            }
            // SAFETY: the caller's promise.
            unsafe { $body::<Portable<T>>($g, $band, $($arg),*) }
        }
    )*};
    (@ read values) => { *const T };
    (@ write values) => { *mut T };
    (@ read index) => { *const u32 };
    (@ write index) => { *mut u32 };
    (@ f32 read values) => { *const f32 };
    (@ f32 write values) => { *mut f32 };
    (@ f32 $kind:ident index) => { kernels!(@ $kind index) };
}

kernels! {
    /// The largest value of each window of the output rows `band`, and where in the image it lies (unless `at` is null).
    fn max_forward(g, band, x: read values, y: write values, at: write index) = max_forward_lanes;
    /// The gradient of `max_forward` for windows that lie side by side.
    fn max_backward_tiled(g, band, gy: read values, at: read index, gx: write values) = max_backward_lanes;
    /// The sum over each window of the output rows `band`, divided by the window's size.
    fn average_forward(g, band, x: read values, y: write values) = average_forward_lanes;
    /// The gradient of `average_forward` for windows that lie side by side.
    fn average_backward_tiled(g, band, gy: read values, gx: write values) = average_backward_lanes;
}

/// Runs the block for runs of eight channels; the last run overlaps the one before it. (A closure would not be compiled
/// for the instruction set of the kernel.)
macro_rules! runs {
    ($c:expr, $from:ident => $body:block) => {{
        let last = $c.saturating_sub(LANES);
        let mut $from = 0;
        loop {
            $body
            if $from >= last {
                break;
            }
            $from = ($from + LANES).min(last);
        }
    }};
}

/// Stores a vector, or only `c` values of it at the end of an item.
#[inline(always)]
unsafe fn put<S: Lanes>(p: *mut S::T, v: S::V, exact: bool, c: usize) {
    // SAFETY: the caller gives eight writable elements, or `c` if it asks for exactness.
    unsafe {
        if exact && c < LANES {
            let mut all = [S::T::zero(); LANES];
            S::store(all.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(all.as_ptr(), p, c);
        } else {
            S::store(p, v);
        }
    }
}

/// As `put`, for indices.
#[inline(always)]
unsafe fn put_index<S: Lanes>(p: *mut u32, i: S::I, exact: bool, c: usize) {
    // SAFETY: as in `put`.
    unsafe {
        if exact && c < LANES {
            let mut all = [0; LANES];
            S::store_index(all.as_mut_ptr(), i);
            std::ptr::copy_nonoverlapping(all.as_ptr(), p, c);
        } else {
            S::store_index(p, i);
        }
    }
}

/// Chooses the windows that are compiled with their size.
macro_rules! by_window {
    ($g:ident, $kernel:ident::<$lanes:ident $(, $way:literal)?>($($arg:expr),*)) => {
        match ($g.kernel, $g.padding) {
            ([2, 2], [0, 0]) => $kernel::<$lanes, 2, 2 $(, $way)?>($($arg),*),
            ([3, 3], [0, 0]) => $kernel::<$lanes, 3, 3 $(, $way)?>($($arg),*),
            _ => $kernel::<$lanes, 0, 0 $(, $way)?>($($arg),*),
        }
    };
}

#[inline(always)]
unsafe fn max_forward_lanes<S: Lanes>(g: &Geometry, band: Range<usize>, x: *const S::T, y: *mut S::T, at: *mut u32) {
    // SAFETY: the caller's promise.
    unsafe {
        if at.is_null() {
            by_window!(g, max_of_windows::<S, false>(g, band, x, y, at));
        } else {
            by_window!(g, max_of_windows::<S, true>(g, band, x, y, at));
        }
    }
}

#[inline(always)]
unsafe fn average_forward_lanes<S: Lanes>(g: &Geometry, band: Range<usize>, x: *const S::T, y: *mut S::T) {
    // SAFETY: the caller's promise.
    unsafe { by_window!(g, average_of_windows::<S>(g, band, x, y)) }
}

/// First input and size along an axis of the window of an output; `K` is the size of windows inside the image, or 0.
#[inline(always)]
fn window<const K: usize>(g: &Geometry, axis: usize, o: usize) -> (usize, usize) {
    if K > 0 {
        return (o * g.stride[axis], K);
    }
    let taps = g.taps(axis, o);
    (taps.start, taps.len())
}

#[inline(always)]
unsafe fn max_of_windows<S: Lanes, const KH: usize, const KW: usize, const INDEX: bool>(
    g: &Geometry,
    band: Range<usize>,
    x: *const S::T,
    y: *mut S::T,
    at: *mut u32,
) {
    let (c, row) = (g.c, g.input[1] * g.c);
    let (mut to, end) = (band.start * g.output[1] * c, band.end * g.output[1] * c);
    for oy in band.start..band.end {
        let (top, height) = window::<KH>(g, 0, oy);
        for ox in 0..g.output[1] {
            let (left, width) = window::<KW>(g, 1, ox);
            let exact = to + LANES > end;
            let start = top * row + left * c;
            runs!(c, ch => {
                // SAFETY: taps lie inside the image; a read may pass its end by less than a vector.
                unsafe {
                    let (mut best, mut place) = (S::splat(S::T::zero()), S::same(NOWHERE));
                    if height * width > 0 {
                        let first = start + ch;
                        (best, place) = (S::load(x.add(first)), S::ramp(first as u32));
                        for ky in 0..height {
                            for kx in usize::from(ky == 0)..width {
                                let here = first + ky * row + kx * c;
                                (best, place) = S::larger(S::load(x.add(here)), S::ramp(here as u32), best, place);
                            }
                        }
                    }
                    put::<S>(y.add(to + ch), best, exact, c);
                    if INDEX {
                        put_index::<S>(at.add(to + ch), place, exact, c);
                    }
                }
            });
            to += c;
        }
    }
}

#[inline(always)]
unsafe fn average_of_windows<S: Lanes, const KH: usize, const KW: usize>(g: &Geometry, band: Range<usize>, x: *const S::T, y: *mut S::T) {
    let (c, row) = (g.c, g.input[1] * g.c);
    let (mut to, end) = (band.start * g.output[1] * c, band.end * g.output[1] * c);
    // SAFETY: a plain value.
    let size = unsafe { S::splat(S::T::of(g.window_size() as f64)) };
    for oy in band.start..band.end {
        let (top, height) = window::<KH>(g, 0, oy);
        for ox in 0..g.output[1] {
            let (left, width) = window::<KW>(g, 1, ox);
            let exact = to + LANES > end;
            let start = top * row + left * c;
            runs!(c, ch => {
                // SAFETY: taps lie inside the image; a read may pass its end by less than a vector.
                unsafe {
                    let mut sum = S::splat(S::T::zero());
                    for ky in 0..height {
                        for kx in 0..width {
                            sum = S::add(sum, S::load(x.add(start + ch + ky * row + kx * c)));
                        }
                    }
                    put::<S>(y.add(to + ch), S::div(sum, size), exact, c);
                }
            });
            to += c;
        }
    }
}

#[inline(always)]
unsafe fn max_backward_lanes<S: Lanes>(g: &Geometry, band: Range<usize>, gy: *const S::T, at: *const u32, gx: *mut S::T) {
    // SAFETY: the caller's promise.
    unsafe {
        match g.kernel {
            [_, 2] => spread::<S, 2, true>(g, band, gy, at, gx),
            _ => spread::<S, 0, true>(g, band, gy, at, gx),
        }
    }
}

#[inline(always)]
unsafe fn average_backward_lanes<S: Lanes>(g: &Geometry, band: Range<usize>, gy: *const S::T, gx: *mut S::T) {
    // SAFETY: the caller's promise; averages read no indices.
    unsafe {
        match g.kernel {
            [_, 2] => spread::<S, 2, false>(g, band, gy, std::ptr::null(), gx),
            _ => spread::<S, 0, false>(g, band, gy, std::ptr::null(), gx),
        }
    }
}

/// Gives every input pixel inside a window of the output rows `band` its gradient, row by row, and clears the pixels of
/// these rows that no window holds. `KW` is the width of the windows, or 0.
#[inline(always)]
unsafe fn spread<S: Lanes, const KW: usize, const MAX: bool>(
    g: &Geometry,
    band: Range<usize>,
    gy: *const S::T,
    at: *const u32,
    gx: *mut S::T,
) {
    let [oh, ow] = g.output;
    let (kh, kw) = (g.kernel[0], if KW > 0 { KW } else { g.kernel[1] });
    let (c, row) = (g.c, g.input[1] * g.c);
    // SAFETY: windows lie side by side inside the image, and this item writes all pixels of its rows.
    unsafe {
        let size = S::splat(S::T::of(g.window_size() as f64));
        for y in band.start * kh..band.end * kh {
            let (mut to, mut from) = (y * row, y / kh * ow * c);
            // Windows of few channels are written eight wide only where that ends inside the rows of this item.
            let left = band.end * kh * row - to;
            let wide = if c < LANES { ow.min((left + c).saturating_sub(LANES) / (kw * c)) } else { ow };
            for _ in 0..wide {
                runs!(c, ch => {
                    let d = S::load(gy.add(from + ch));
                    let (winner, share) = if MAX { (S::load_index(at.add(from + ch)), d) } else { (S::same(0), S::div(d, size)) };
                    for kx in 0..kw {
                        let here = to + kx * c + ch;
                        S::store(gx.add(here), if MAX { S::where_equal(d, winner, S::ramp(here as u32)) } else { share });
                    }
                });
                to += kw * c;
                from += c;
            }
            for i in 0..(ow - wide) * kw * c {
                let (here, source) = (to + i, from + i / (kw * c) * c + i % c);
                let d = *gy.add(source);
                let wins = !MAX || *at.add(source) as usize == here;
                let share = if MAX { d } else { d / S::T::of(g.window_size() as f64) };
                *gx.add(here) = if wins { share } else { S::T::zero() };
            }
            to += (ow - wide) * kw * c;
            std::ptr::write_bytes(gx.add(to), 0, (y + 1) * row - to);
        }
        if band.end == oh {
            std::ptr::write_bytes(gx.add(oh * kh * row), 0, (g.input[0] - oh * kh) * row);
        }
    }
}

/// The gradient of maximum pooling for windows of any kind: each output's gradient goes to its winner.
pub(super) fn max_backward<T: Float>(gy: &[T], at: &[u32], gx: &mut [T]) {
    gx.fill(T::zero());
    for (d, at) in gy.iter().zip(at) {
        // The index of an empty window is outside every image.
        if let Some(g) = gx.get_mut(*at as usize) {
            *g += *d;
        }
    }
}

/// The gradient of average pooling for windows of any kind.
pub(super) fn average_backward<T: Float>(g: &Geometry, gy: &[T], gx: &mut [T]) {
    gx.fill(T::zero());
    let size = T::of(g.window_size() as f64);
    let mut share = vec![T::zero(); g.c];
    for (o, gy) in gy.chunks_exact(g.c).enumerate() {
        for (s, d) in share.iter_mut().zip(gy) {
            *s = *d / size;
        }
        for iy in g.taps(0, o / g.output[1]) {
            for ix in g.taps(1, o % g.output[1]) {
                let at = (iy * g.input[1] + ix) * g.c;
                for (g, s) in gx[at..at + g.c].iter_mut().zip(&share) {
                    *g += *s;
                }
            }
        }
    }
}
