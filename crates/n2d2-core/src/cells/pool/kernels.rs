//! Pooling of each channel by itself, a vector of channels at a time.
//!
//! A pixel with fewer channels than a vector has is read and written as wide all the same: reads may pass the end of a
//! tensor by a vector, and what is written too far is overwritten by the next pixels. Only the last pixels of an item,
//! whose values would reach into another item, are written exactly.

use super::Geometry;
use super::lanes::Lanes;
use crate::device::cpu::{Isa, isa};
use crate::tensor::Float;
use crate::vectorise::for_each_isa;
use num_traits::{One, Zero};

/// The index of an output whose window holds no input.
pub(super) const NOWHERE: u32 = u32::MAX;
/// Channels from which on the widest vectors are worth it: pixels of fewer would be written again and again.
const WIDE: usize = 16;

/// Forward: the output rows `band` of an image.
pub(super) struct Windows<T> {
    pub(super) g: Geometry,
    /// The first output row and that behind the last.
    pub(super) band: [usize; 2],
    /// The image.
    pub(super) x: *const T,
    /// Its output.
    pub(super) y: *mut T,
    /// Where in the image each maximum lies, or null.
    pub(super) at: *mut u32,
}

/// Backward: the input rows `band` of an image.
pub(super) struct Gather<T> {
    pub(super) g: Geometry,
    /// The first input row and that behind the last.
    pub(super) band: [usize; 2],
    /// The output gradient of the image.
    pub(super) d: *const T,
    /// What the gradient of an average is multiplied by.
    pub(super) factor: T,
    /// Where in the image each maximum lies; null for averages.
    pub(super) at: *const u32,
    /// The gradient of the image.
    pub(super) gx: *mut T,
}

for_each_isa! {
    fn max_of(Windows) = max_windows;
    fn average_of(Windows) = average_windows;
    fn gather_of(Gather) = gather_rows;
}

fn isa_for(g: &Geometry) -> Isa {
    if g.c < WIDE { isa().min(Isa::Avx2) } else { isa() }
}

/// The largest value of each window, and where in the image it lies.
///
/// # Safety
/// The pointers are those of an image's tensors, and no other item writes the band.
pub(super) unsafe fn max_forward<T: Float>(t: &Windows<T>) {
    // SAFETY: the caller's promise.
    unsafe { max_of(isa_for(&t.g), t) };
}

/// The sum over each window, divided by the window's size.
///
/// # Safety
/// As [`max_forward`].
pub(super) unsafe fn average_forward<T: Float>(t: &Windows<T>) {
    // SAFETY: the caller's promise.
    unsafe { average_of(isa_for(&t.g), t) };
}

/// The gradient of both: each input adds up that of the outputs whose windows hold it, or whose maximum it is.
///
/// # Safety
/// As [`max_forward`].
pub(super) unsafe fn backward<T: Float>(t: &Gather<T>) {
    // SAFETY: the caller's promise.
    unsafe { gather_of(isa_for(&t.g), t) };
}

/// Runs the block for runs of a vector of channels from `start` on; the last run may overlap the one before it. (A closure
/// would not be compiled for the instruction set of the kernel.)
macro_rules! runs {
    ($s:ident, $c:expr, $start:expr, $from:ident => $body:block) => {{
        let mut $from = $start;
        while $from + $s::LANES <= $c {
            $body
            $from += $s::LANES;
        }
        if $from < $c {
            $from = $c.saturating_sub($s::LANES);
            $body
        }
    }};
}

/// Stores a vector, or only `c` values of it at the end of an item.
#[inline(always)]
unsafe fn put<S: Lanes>(p: *mut S::T, v: S::V, exact: bool, c: usize) {
    // SAFETY: the caller gives a writable vector, or `c` elements if it asks for exactness.
    unsafe { if exact && c < S::LANES { S::store_n(p, c, v) } else { S::store(p, v) } }
}

/// As `put`, for indices.
#[inline(always)]
unsafe fn put_index<S: Lanes>(p: *mut u32, i: S::I, exact: bool, c: usize) {
    // SAFETY: as in `put`.
    unsafe {
        if exact && c < S::LANES {
            std::ptr::copy_nonoverlapping((&raw const i).cast::<u32>(), p, c);
        } else {
            S::store_index(p, i);
        }
    }
}

/// Windows of one size in a row.
#[derive(Clone, Copy)]
struct Span {
    /// Offset of the first window, and from one to the next.
    start: usize,
    step: usize,
    size: [usize; 2],
    /// Offset of the first output.
    to: usize,
    /// Number of outputs.
    count: usize,
    /// Where the outputs of the item end.
    end: usize,
}

/// Calls the kernel for the spans of a band: windows at the border one by one, those between at once. Some sizes are compiled in.
macro_rules! spans {
    ($t:ident, $kernel:ident::<$($generic:tt),*>) => {{
        let (g, c) = (&$t.g, $t.g.c);
        let inside = g.inside(1);
        let (mut to, end) = ($t.band[0] * g.output[1] * c, $t.band[1] * g.output[1] * c);
        for oy in $t.band[0]..$t.band[1] {
            let rows = g.taps(0, oy);
            let mut ox = 0;
            while ox < g.output[1] {
                let columns = g.taps(1, ox);
                let count = if ox == inside.start && !inside.is_empty() { inside.len() } else { 1 };
                let size = [rows.len(), columns.len()];
                let start = (rows.start * g.input[1] + columns.start) * c;
                let span = Span { start, step: g.stride[1] * c, size, to, count, end };
                // SAFETY: taps lie inside the image; a read may pass its end by less than a vector.
                unsafe {
                    match size {
                        [2, 2] => $kernel::<$($generic),*, 2, 2>($t, span),
                        [2, 3] => $kernel::<$($generic),*, 2, 3>($t, span),
                        [3, 2] => $kernel::<$($generic),*, 3, 2>($t, span),
                        [3, 3] => $kernel::<$($generic),*, 3, 3>($t, span),
                        _ => $kernel::<$($generic),*, 0, 0>($t, span),
                    }
                }
                ox += count;
                to += count * c;
            }
        }
    }};
}

#[inline(always)]
unsafe fn max_windows<S: Lanes>(t: &Windows<S::T>) {
    if t.at.is_null() {
        spans!(t, max_span::<S, false>);
    } else {
        spans!(t, max_span::<S, true>);
    }
}

#[inline(always)]
unsafe fn max_span<S: Lanes, const INDEX: bool, const KH: usize, const KW: usize>(t: &Windows<S::T>, span: Span) {
    let (c, row) = (t.g.c, t.g.input[1] * t.g.c);
    let size = if KH > 0 { [KH, KW] } else { span.size };
    let (mut start, mut to) = (span.start, span.to);
    // A loop of its own where a vector holds all channels: such windows take so little time that a second loop in it weighs.
    if c <= S::LANES {
        for _ in 0..span.count {
            // SAFETY: the caller's promise.
            unsafe { max_run::<S, INDEX>(t, start, to, size, row, to + S::LANES > span.end) };
            (start, to) = (start + span.step, to + c);
        }
        return;
    }
    for _ in 0..span.count {
        let exact = to + S::LANES > span.end;
        runs!(S, c, 0, ch => {
            // SAFETY: the caller's promise.
            unsafe { max_run::<S, INDEX>(t, start + ch, to + ch, size, row, exact) };
        });
        (start, to) = (start + span.step, to + c);
    }
}

/// The largest values of a window, from its first on, for a vector of channels.
#[inline(always)]
unsafe fn max_run<S: Lanes, const INDEX: bool>(
    t: &Windows<S::T>,
    start: usize,
    to: usize,
    [height, width]: [usize; 2],
    row: usize,
    exact: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (mut best, mut place) = (S::splat(S::T::zero()), S::same(NOWHERE));
        if height * width > 0 {
            let x = t.x.add(start);
            (best, place) = (S::load(x), S::same(0));
            for ky in 0..height {
                for kx in usize::from(ky == 0)..width {
                    let offset = ky * row + kx * t.g.c;
                    (best, place) = S::larger(S::load(x.add(offset)), S::same(offset as u32), best, place);
                }
            }
            place = S::add_index(place, S::ramp(start as u32));
        }
        put::<S>(t.y.add(to), best, exact, t.g.c);
        if INDEX {
            put_index::<S>(t.at.add(to), place, exact, t.g.c);
        }
    }
}

#[inline(always)]
unsafe fn average_windows<S: Lanes>(t: &Windows<S::T>) {
    spans!(t, average_span::<S>);
}

/// The sums of `W` vectors of channels of a window.
#[inline(always)]
unsafe fn sums_of<S: Lanes, const W: usize>(x: *const S::T, [height, width]: [usize; 2], row: usize, c: usize) -> [S::V; W] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [S::splat(S::T::zero()); W];
        for ky in 0..height {
            let mut x = x.add(ky * row);
            for _ in 0..width {
                for k in 0..W {
                    sums[k] = S::add(sums[k], S::load(x.add(k * S::LANES)));
                }
                x = x.wrapping_add(c);
            }
        }
        sums
    }
}

#[inline(always)]
unsafe fn average_span<S: Lanes, const KH: usize, const KW: usize>(t: &Windows<S::T>, span: Span) {
    let (c, row) = (t.g.c, t.g.input[1] * t.g.c);
    let window = if KH > 0 { [KH, KW] } else { span.size };
    let (mut start, mut to) = (span.start, span.to);
    // SAFETY: the caller's promise.
    unsafe {
        let whole = S::T::of(t.g.window_size() as f64);
        // A power of two divides as its inverse multiplies, which is faster.
        let (size, inverse, exact_inverse) = (S::splat(whole), S::splat(S::T::one() / whole), t.g.window_size().is_power_of_two());
        for _ in 0..span.count {
            let exact = to + S::LANES > span.end;
            let mut first = 0;
            // Several sums at once, so that none waits for the one before.
            while first + 4 * S::LANES <= c {
                let sums = sums_of::<S, 4>(t.x.add(start + first), window, row, c);
                for k in 0..4 {
                    let average = if exact_inverse { S::mul(sums[k], inverse) } else { S::div(sums[k], size) };
                    S::store(t.y.add(to + first + k * S::LANES), average);
                }
                first += 4 * S::LANES;
            }
            runs!(S, c, first, ch => {
                let [sum] = sums_of::<S, 1>(t.x.add(start + ch), window, row, c);
                put::<S>(t.y.add(to + ch), S::div(sum, size), exact, c);
            });
            (start, to) = (start + span.step, to + c);
        }
    }
}

#[inline(always)]
unsafe fn gather_rows<S: Lanes>(t: &Gather<S::T>) {
    // SAFETY: the caller's promise.
    unsafe {
        match (t.g.is_tiled(), t.at.is_null(), t.g.kernel[1]) {
            (true, true, 2) => tiled_rows::<S, false, 2>(t),
            (true, true, _) => tiled_rows::<S, false, 0>(t),
            (true, false, 2) => tiled_rows::<S, true, 2>(t),
            (true, false, _) => tiled_rows::<S, true, 0>(t),
            (false, true, _) => gather_pixels::<S, false>(t),
            (false, false, _) => gather_pixels::<S, true>(t),
        }
    }
}

/// The outputs along an axis whose windows hold an input, from input to input: what [`Geometry::outputs`] says, without a division.
struct Holders {
    first: usize,
    end: usize,
    /// Inputs until a window ends, and until one begins.
    until_first: usize,
    until_end: usize,
    stride: usize,
    outputs: usize,
}

impl Holders {
    #[inline(always)]
    fn new(g: &Geometry, axis: usize) -> Self {
        let (k, stride, p, outputs) = (g.kernel[axis], g.stride[axis], g.padding[axis], g.output[axis]);
        // The windows that end before the first input, and those that begin before or there.
        let (gone, begun) = (if p < k { 0 } else { (p - k) / stride + 1 }, p / stride + 1);
        Holders { first: gone, end: begun, until_first: gone * stride + k - p, until_end: begun * stride - p, stride, outputs }
    }

    /// First output and number of outputs of the present input; goes on to the next.
    #[inline(always)]
    fn next(&mut self) -> (usize, usize) {
        let (first, end) = (self.first.min(self.outputs), self.end.min(self.outputs));
        self.until_first -= 1;
        self.until_end -= 1;
        if self.until_first == 0 {
            (self.first, self.until_first) = (self.first + 1, self.stride);
        }
        if self.until_end == 0 {
            (self.end, self.until_end) = (self.end + 1, self.stride);
        }
        (first, end.saturating_sub(first))
    }
}

#[inline(always)]
unsafe fn gather_pixels<S: Lanes, const MAX: bool>(t: &Gather<S::T>) {
    let (g, c) = (&t.g, t.g.c);
    let (mut to, end) = (t.band[0] * g.input[1] * c, t.band[1] * g.input[1] * c);
    for iy in t.band[0]..t.band[1] {
        let rows = g.outputs(0, iy);
        let mut columns = Holders::new(g, 1);
        for _ in 0..g.input[1] {
            let (first, width) = columns.next();
            let b = Block { start: (rows.start * g.output[1] + first) * c, size: [rows.len(), width], to, exact: to + S::LANES > end };
            // SAFETY: these outputs are there; a read may pass their end by less than a vector.
            unsafe {
                match b.size {
                    [1, 1] => gather::<S, MAX, 1, 1>(t, b),
                    [1, 2] => gather::<S, MAX, 1, 2>(t, b),
                    [2, 1] => gather::<S, MAX, 2, 1>(t, b),
                    [2, 2] => gather::<S, MAX, 2, 2>(t, b),
                    _ => gather::<S, MAX, 0, 0>(t, b),
                }
            }
            to += c;
        }
    }
}

/// The outputs whose windows hold a pixel: where they begin and their size; where the pixel lies; `exact` at the end of an item.
#[derive(Clone, Copy)]
struct Block {
    start: usize,
    size: [usize; 2],
    to: usize,
    exact: bool,
}

/// The gradient of a pixel, from a block of outputs.
#[inline(always)]
unsafe fn gather<S: Lanes, const MAX: bool, const KH: usize, const KW: usize>(t: &Gather<S::T>, b: Block) {
    let (c, row) = (t.g.c, t.g.output[1] * t.g.c);
    let [height, width] = if KH > 0 { [KH, KW] } else { b.size };
    runs!(S, c, 0, ch => {
        // SAFETY: the caller's promise.
        unsafe {
            let here = S::ramp((b.to + ch) as u32);
            let factor = S::splat(t.factor);
            let mut sum = S::splat(S::T::zero());
            for oy in 0..height {
                for ox in 0..width {
                    let from = b.start + oy * row + ox * c + ch;
                    let d = S::load(t.d.add(from));
                    let v = if MAX { S::where_equal(d, S::load_index(t.at.add(from)), here) } else { S::mul(d, factor) };
                    sum = if oy + ox == 0 { v } else { S::add(sum, v) };
                }
            }
            put::<S>(t.gx.add(b.to + ch), sum, b.exact, c);
        }
    });
}

/// The gradient of rows of windows that lie side by side; pixels that no window holds are cleared. `KW` is the width of the
/// windows, or 0.
#[inline(always)]
unsafe fn tiled_rows<S: Lanes, const MAX: bool, const KW: usize>(t: &Gather<S::T>) {
    let (g, c) = (&t.g, t.g.c);
    let (kh, kw) = (g.kernel[0], if KW > 0 { KW } else { g.kernel[1] });
    let row = g.input[1] * c;
    let end = t.band[1] * row;
    // SAFETY: windows lie side by side inside the image, and this item writes all pixels of its rows.
    unsafe {
        let factor = S::splat(t.factor);
        for y in t.band[0]..t.band[1] {
            let (mut to, mut from) = (y * row, y / kh * g.output[1] * c);
            let windows = if y < g.output[0] * kh { g.output[1] } else { 0 };
            for _ in 0..windows {
                let exact = to + kw * c + S::LANES > end;
                if KW > 0 {
                    runs!(S, c, 0, ch => {
                        let d = S::load(t.d.add(from + ch));
                        let share = if MAX { d } else { S::mul(d, factor) };
                        let winner = if MAX { S::load_index(t.at.add(from + ch)) } else { S::same(0) };
                        for kx in 0..KW {
                            let here = to + kx * c + ch;
                            let v = if MAX { S::where_equal(d, winner, S::ramp(here as u32)) } else { share };
                            put::<S>(t.gx.add(here), v, exact, c);
                        }
                    });
                } else {
                    for kx in 0..kw {
                        runs!(S, c, 0, ch => {
                            let here = to + kx * c + ch;
                            let d = S::load(t.d.add(from + ch));
                            let v = if MAX {
                                S::where_equal(d, S::load_index(t.at.add(from + ch)), S::ramp(here as u32))
                            } else {
                                S::mul(d, factor)
                            };
                            put::<S>(t.gx.add(here), v, exact, c);
                        });
                    }
                }
                (to, from) = (to + kw * c, from + c);
            }
            std::ptr::write_bytes(t.gx.add(to), 0, (y + 1) * row - to);
        }
    }
}

/// The gradient of maximum pooling over several channels: each output's gradient goes to its winner.
pub(super) fn max_backward<T: Float>(gy: &[T], at: &[u32], gx: &mut [T]) {
    gx.fill(T::zero());
    for (d, at) in gy.iter().zip(at) {
        // The index of an empty window is outside every image.
        if let Some(g) = gx.get_mut(*at as usize) {
            *g += *d;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::isas;

    /// Room for a vector behind what is read and written.
    const ROOM: usize = 16;

    fn values(n: usize, key: usize) -> Vec<f32> {
        (0..n + ROOM).map(|i| ((i * 7919 + key) % 13) as f32 - 6.0).collect()
    }

    /// Outputs, indices, averages and both gradients, in bands of one row.
    fn run(isa: Isa, g: Geometry) -> (Vec<f32>, Vec<u32>, Vec<Vec<f32>>) {
        let (image, out) = (g.image(), g.output[0] * g.output[1] * g.c);
        let (x, gy) = (values(image, 1), values(out, 2));
        let (mut y, mut average, mut at) = (vec![7.0; out + ROOM], vec![7.0; out + ROOM], vec![7; out + ROOM]);
        let (mut gx, mut average_gx) = (vec![7.0; image + ROOM], vec![7.0; image + ROOM]);
        // SAFETY: all slices hold an image and a vector more.
        unsafe {
            for row in 0..g.output[0] {
                let band = [row, row + 1];
                max_of(isa, &Windows { g, band, x: x.as_ptr(), y: y.as_mut_ptr(), at: at.as_mut_ptr() });
                average_of(isa, &Windows { g, band, x: x.as_ptr(), y: average.as_mut_ptr(), at: std::ptr::null_mut() });
            }
            for row in 0..g.input[0] {
                let band = [row, row + 1];
                gather_of(isa, &Gather { g, band, d: gy.as_ptr(), factor: 1.0, at: at.as_ptr(), gx: gx.as_mut_ptr() });
                let at = std::ptr::null();
                gather_of(isa, &Gather { g, band, d: gy.as_ptr(), factor: 0.25, at, gx: average_gx.as_mut_ptr() });
            }
        }
        assert!(y[out..].iter().chain(&average[out..]).chain(&gx[image..]).chain(&average_gx[image..]).all(|v| *v == 7.0), "{isa:?} {g:?}");
        assert!(at[out..].iter().all(|v| *v == 7), "{isa:?} {g:?}");
        (y, at, vec![average, gx, average_gx])
    }

    #[test]
    fn all_instruction_sets_give_the_same_bits_and_keep_to_their_band() {
        for (kernel, stride, padding) in [([2, 2], [2, 2], [0, 0]), ([3, 3], [2, 2], [1, 1]), ([3, 2], [1, 3], [0, 1]), ([5, 4], [5, 4], [0, 0])] {
            for c in [1, 6, 8, 13, 16, 24, 64, 70] {
                let input = [11, 9];
                let output = [0, 1].map(|a| (input[a] + 2 * padding[a] - kernel[a]) / stride[a] + 1);
                let g = Geometry { c, input, output, kernel, stride, padding };
                let expected = run(Isa::Portable, g);
                for isa in isas() {
                    assert!(run(isa, g) == expected, "{isa:?} {g:?}");
                }
            }
        }
    }
}
