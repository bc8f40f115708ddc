//! The microkernels of [`super::Winners`], written once over [`Simd`] and compiled for each instruction set.
//!
//! Both passes go over a *block of the window*: `LINES` lines of `VECS` vectors of an image whose channels are cut into
//! slices of one vector, held in `LINES * VECS` accumulators. Every multiplication reads its other operand from memory, so
//! the kernels run at the speed of the multiplier while that memory lies in the first-level cache.

#[cfg(target_arch = "x86_64")]
use crate::device::cpu::simd::{Avx2, Avx512};
use crate::device::cpu::simd::{Portable, Simd};
use crate::tensor::Float;

/// Outputs that win at the same pixel of the convolution's output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// The outputs, output `i` of the block in bit `i`.
    pub(super) outputs: u64,
    /// Offset of the window in the slice of the image.
    pub(super) at: u32,
    /// Offset of the gradients of the block.
    pub(super) d: u32,
}

/// Finds the groups of a block of at most 64 outputs.
pub(super) struct Grouping<'a, T> {
    /// Gradients and indices, `[position][outputs]`, from the first output of the block.
    pub(super) d: &'a [T],
    pub(super) at: &'a [u32],
    /// Outputs of the convolution, of the block, and the first of the block.
    pub(super) outputs: usize,
    pub(super) block: usize,
    pub(super) first: usize,
    pub(super) pixels: Pixels<'a>,
    /// Room for a group for each gradient of the block.
    pub(super) groups: *mut Group,
}

/// Adds the weights of the winners to the gradient of the image: one block of the window, a block of outputs.
pub(super) struct Spread<'a, T> {
    pub(super) groups: &'a [Group],
    /// Gradients of an image.
    pub(super) d: *const T,
    /// Weights `[output of the block][line][vector]`.
    pub(super) w: *const T,
    /// The slice of the image's gradient, at the block of the window of the first pixel.
    pub(super) gx: *mut T,
    /// From a line to the next.
    pub(super) line: usize,
}

/// Sums the windows of the winners of one output, times their gradients: one block of the window.
pub(super) struct Sum<T> {
    /// Offset of each window, and its gradient: `count` of them, a multiple of [`LIST_STEP`].
    pub(super) windows: *const u32,
    pub(super) d: *const T,
    pub(super) count: usize,
    /// The slice of the images, at the block of the window of the first pixel.
    pub(super) x: *const T,
    /// From a line to the next.
    pub(super) line: usize,
    /// Sums `[line][vector]`.
    pub(super) g: *mut T,
    /// Add to what is there.
    pub(super) add: bool,
}

/// Sums the windows of the winners of one output of some images, times their gradients, for windows of one block.
pub(super) struct Direct<'a, T> {
    /// Gradients and indices of the output at the first position.
    pub(super) d: *const T,
    pub(super) at: *const u32,
    /// Images, positions of an image, from an image to the next, from a position to the next.
    pub(super) images: usize,
    pub(super) positions: usize,
    pub(super) image: usize,
    pub(super) outputs: usize,
    pub(super) pixels: Pixels<'a>,
    /// The images, and from one to the next.
    pub(super) x: *const T,
    pub(super) slice: usize,
    /// From a line to the next.
    pub(super) line: usize,
    /// Sums `[line][vector]`, and that of the gradients.
    pub(super) g: *mut T,
    pub(super) bias: *mut T,
    /// Add to what is there.
    pub(super) add: bool,
}

/// From the index of a winner to its window.
#[derive(Clone, Copy)]
pub(super) struct Pixels<'a> {
    /// Multiplier and shift that divide by the number of outputs.
    magic: u64,
    shift: u32,
    /// Offset of the window of each pixel.
    windows: &'a [u32],
}

impl<'a> Pixels<'a> {
    /// For at most `2^31` indices.
    pub(super) fn new(outputs: usize, windows: &'a [u32]) -> Self {
        // With this shift the multiplier fits 32 bits and one; its rounding stays below one for any index below 2^31.
        let shift = 32 + outputs.ilog2();
        Pixels { magic: (1_u64 << shift).div_ceil(outputs as u64), shift, windows }
    }

    /// The offset of the window, or `None` for the index of no winner.
    #[inline(always)]
    fn window(&self, index: u32) -> Option<u32> {
        let pixel = (u64::from(index) * self.magic) >> self.shift;
        self.windows.get(pixel as usize).copied()
    }
}

/// Makes lists of the winners of each output.
pub(super) struct Listing<'a, T> {
    /// Gradients and indices, `[position][output]`.
    pub(super) d: &'a [T],
    pub(super) at: &'a [u32],
    pub(super) pixels: Pixels<'a>,
    /// Added to each offset.
    pub(super) offset: u32,
    /// Lists of `longest` windows and gradients, and how many there are.
    pub(super) windows: &'a mut [u32],
    pub(super) gradients: &'a mut [T],
    pub(super) counts: &'a mut [u32],
    pub(super) longest: usize,
}

/// Appends the winners of gradients that are not zero, in the order of the positions.
pub(super) fn list<T: Float>(t: &mut Listing<'_, T>) {
    let (outputs, positions) = (t.counts.len(), t.d.len() / t.counts.len());
    let longest = t.longest;
    assert!(t.at.len() == t.d.len() && t.windows.len().min(t.gradients.len()) >= outputs * longest);
    // Few enough positions that the lines of memory of one output are still in the cache for the next.
    let step = (2048 / outputs).max(8);
    for from in (0..positions).step_by(step) {
        let to = positions.min(from + step);
        for k in 0..outputs {
            let mut count = t.counts[k] as usize;
            assert!(count + to - from <= longest);
            for i in from..to {
                // SAFETY: the assertions above: position `i` of the gradients, and at most `longest` places in a list.
                unsafe {
                    let (d, index) = (*t.d.get_unchecked(i * outputs + k), *t.at.get_unchecked(i * outputs + k));
                    let window = t.pixels.window(index);
                    *t.windows.get_unchecked_mut(k * longest + count) = window.unwrap_or(0) + t.offset;
                    *t.gradients.get_unchecked_mut(k * longest + count) = d;
                    count += usize::from(d != T::zero() && window.is_some());
                }
            }
            t.counts[k] = count as u32;
        }
    }
}

/// Lists of winners are filled up to a multiple of this.
pub(super) const LIST_STEP: usize = 4;

/// A slice of an image, in the layout of the tensor and in that of the kernels.
pub(super) struct Slice {
    /// Height, width and channels of the image.
    pub(super) image: [usize; 3],
    /// First channel.
    pub(super) channel: usize,
    /// Offset of the first pixel, and from a row to the next, in the layout of the kernels.
    pub(super) first: usize,
    pub(super) row: usize,
}

type SpreadFn<T> = unsafe fn(&Spread<'_, T>);
type SumFn<T> = unsafe fn(&Sum<T>);
type DirectFn<T> = unsafe fn(&Direct<'_, T>);

/// The kernels of one width of vectors.
pub(in crate::device::cpu) struct Width<T: 'static> {
    pub(super) lanes: usize,
    /// `[lines - 1][vectors - 1]`
    spreads: Vec<Vec<SpreadFn<T>>>,
    sums: Vec<Vec<SumFn<T>>>,
    directs: Vec<Vec<DirectFn<T>>>,
    group: unsafe fn(&Grouping<'_, T>) -> usize,
    load: unsafe fn(&Slice, *const T, *mut T),
    store: unsafe fn(&Slice, *const T, *mut T),
}

impl<T: Float> Width<T> {
    /// True if there are kernels for this block of a window.
    pub(super) fn has(&self, lines: usize, vectors: usize) -> bool {
        self.spreads.get(lines.wrapping_sub(1)).is_some_and(|s| (1..=s.len()).contains(&vectors))
    }

    /// Most vectors of a line of a block.
    pub(super) fn longest(&self) -> usize {
        self.spreads[0].len()
    }

    /// # Safety
    /// All pointers and offsets must be valid, and the kernel must be there.
    pub(super) unsafe fn spread(&self, lines: usize, vectors: usize, t: &Spread<'_, T>) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { self.spreads[lines - 1][vectors - 1](t) };
    }

    /// # Safety
    /// As [`Width::spread`].
    pub(super) unsafe fn sum(&self, lines: usize, vectors: usize, t: &Sum<T>) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { self.sums[lines - 1][vectors - 1](t) };
    }

    /// # Safety
    /// As [`Width::spread`].
    pub(super) unsafe fn direct(&self, lines: usize, vectors: usize, t: &Direct<'_, T>) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { self.directs[lines - 1][vectors - 1](t) };
    }

    /// Writes the groups, position by position, and returns how many.
    ///
    /// # Safety
    /// There is room for as many groups as gradients.
    pub(super) unsafe fn group(&self, t: &Grouping<'_, T>) -> usize {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { (self.group)(t) }
    }

    /// Copies a slice of an image from the layout of the tensor. Lanes beyond the channels get any value.
    ///
    /// # Safety
    /// `x` holds the image, `slice` the slice with its border.
    pub(super) unsafe fn load(&self, t: &Slice, x: *const T, slice: *mut T) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { (self.load)(t, x, slice) };
    }

    /// Copies a slice of an image to the layout of the tensor. Slices of an image are stored in rising order.
    ///
    /// # Safety
    /// As [`Width::load`]; nobody else uses the image meanwhile.
    pub(super) unsafe fn store(&self, t: &Slice, slice: *const T, x: *mut T) {
        // SAFETY: the caller's promise; the table was made for this processor.
        unsafe { (self.store)(t, slice, x) };
    }
}

#[inline(always)]
unsafe fn group<S: Simd>(t: &Grouping<'_, S::T>) -> usize {
    let mut found = 0;
    let mut from = 0;
    while from + t.block <= t.d.len().min(t.at.len()) {
        // SAFETY: a block of gradients and indices from `from`; each step takes at least one gradient into a group.
        unsafe {
            let (d, at) = (t.d.as_ptr().add(from), t.at.as_ptr().add(from));
            let mut rest = 0;
            for i in (0..t.block).step_by(S::LANES) {
                let n = t.block - i;
                let v = if n >= S::LANES { S::load(d.add(i)) } else { S::load_n(d.add(i), n) };
                rest |= S::not_zero(v) << i;
            }
            while rest != 0 {
                let i = rest.trailing_zeros();
                let place = *at.add(i as usize);
                let mut outputs = 0;
                for j in (0..t.block).step_by(S::LANES) {
                    let first = place.wrapping_sub(i).wrapping_add(j as u32);
                    outputs |= S::equals_ramp(at.add(j), S::LANES.min(t.block - j), first) << j;
                }
                outputs &= rest;
                rest &= !outputs;
                if let Some(window) = t.pixels.window(place) {
                    *t.groups.add(found) = Group { outputs, at: window, d: (from + t.first) as u32 };
                    found += 1;
                }
            }
        }
        from += t.outputs;
    }
    found
}

#[inline(always)]
unsafe fn spread<S: Simd, const LINES: usize, const VECS: usize>(t: &Spread<'_, S::T>) {
    // SAFETY: the caller gives valid pointers and offsets, on a processor with the instruction set.
    unsafe {
        for group in t.groups {
            let gx = t.gx.add(group.at as usize);
            let d = t.d.add(group.d as usize);
            let mut acc = [[S::splat(S::T::default()); VECS]; LINES];
            for l in 0..LINES {
                for v in 0..VECS {
                    acc[l][v] = S::load(gx.add(l * t.line + v * S::LANES));
                }
            }
            let mut outputs = group.outputs;
            while outputs != 0 {
                let i = outputs.trailing_zeros() as usize;
                outputs &= outputs - 1;
                let dv = S::splat(*d.add(i));
                let w = t.w.add(i * (LINES * VECS * S::LANES));
                for l in 0..LINES {
                    for v in 0..VECS {
                        acc[l][v] = S::fma(dv, S::load(w.add((l * VECS + v) * S::LANES)), acc[l][v]);
                    }
                }
            }
            for l in 0..LINES {
                for v in 0..VECS {
                    S::store(gx.add(l * t.line + v * S::LANES), acc[l][v]);
                }
            }
        }
    }
}

/// Winners that are added apart, so that few accumulators do not wait for each other.
const fn sets(vectors: usize) -> usize {
    match vectors {
        1 | 2 => 4,
        3..=5 => 2,
        _ => 1,
    }
}

#[inline(always)]
unsafe fn sum<S: Simd, const LINES: usize, const VECS: usize>(t: &Sum<S::T>) {
    let sets = const { sets(LINES * VECS) };
    // SAFETY: the caller gives valid pointers and offsets, on a processor with the instruction set.
    unsafe {
        let mut acc = [[[S::splat(S::T::default()); VECS]; LINES]; LIST_STEP];
        if t.add {
            for l in 0..LINES {
                for v in 0..VECS {
                    acc[0][l][v] = S::load(t.g.add((l * VECS + v) * S::LANES));
                }
            }
        }
        for i in (0..t.count).step_by(sets) {
            for set in 0..sets {
                let dv = S::splat(*t.d.add(i + set));
                let x = t.x.add(*t.windows.add(i + set) as usize);
                for l in 0..LINES {
                    for v in 0..VECS {
                        acc[set][l][v] = S::fma(dv, S::load(x.add(l * t.line + v * S::LANES)), acc[set][l][v]);
                    }
                }
            }
        }
        for l in 0..LINES {
            for v in 0..VECS {
                let mut a = acc[0][l][v];
                for set in 1..sets {
                    a = S::add(a, acc[set][l][v]);
                }
                S::store(t.g.add((l * VECS + v) * S::LANES), a);
            }
        }
    }
}

#[inline(always)]
unsafe fn direct<S: Simd, const LINES: usize, const VECS: usize>(t: &Direct<'_, S::T>) {
    let sets = const { sets(LINES * VECS) };
    // SAFETY: the caller gives valid pointers and offsets, on a processor with the instruction set.
    unsafe {
        let mut acc = [[[S::splat(S::T::default()); VECS]; LINES]; LIST_STEP];
        let mut bias = [S::splat(S::T::default()); LIST_STEP];
        if t.add {
            for l in 0..LINES {
                for v in 0..VECS {
                    acc[0][l][v] = S::load(t.g.add((l * VECS + v) * S::LANES));
                }
            }
        }
        for image in 0..t.images {
            let (mut d, mut at) = (t.d.add(image * t.image), t.at.add(image * t.image));
            let x = t.x.add(image * t.slice);
            macro_rules! winner {
                ($set:expr) => {
                    let (dv, window) = (S::splat(*d), t.pixels.window(*at));
                    (d, at) = (d.wrapping_add(t.outputs), at.wrapping_add(t.outputs));
                    if let Some(window) = window {
                        let x = x.add(window as usize);
                        bias[$set] = S::add(bias[$set], dv);
                        for l in 0..LINES {
                            for v in 0..VECS {
                                acc[$set][l][v] = S::fma(dv, S::load(x.add(l * t.line + v * S::LANES)), acc[$set][l][v]);
                            }
                        }
                    }
                };
            }
            for _ in 0..t.positions / sets {
                for set in 0..sets {
                    winner!(set);
                }
            }
            for _ in 0..t.positions % sets {
                winner!(0);
            }
        }
        for l in 0..LINES {
            for v in 0..VECS {
                let mut a = acc[0][l][v];
                for set in 1..sets {
                    a = S::add(a, acc[set][l][v]);
                }
                S::store(t.g.add((l * VECS + v) * S::LANES), a);
            }
        }
        let mut sum = if t.add { S::splat(*t.bias) } else { S::splat(S::T::default()) };
        for b in &bias[..sets] {
            sum = S::add(sum, *b);
        }
        S::store_n(t.bias, 1, sum);
    }
}

#[inline(always)]
unsafe fn load<S: Simd>(t: &Slice, x: *const S::T, slice: *mut S::T) {
    let [h, w, c] = t.image;
    let (len, mut from) = (h * w * c, t.channel);
    for y in 0..h {
        let mut to = t.first + y * t.row;
        for _ in 0..w {
            // SAFETY: `from` lies in the image, and no value behind its end is read.
            unsafe {
                let v = if from + S::LANES <= len { S::load(x.add(from)) } else { S::load_n(x.add(from), len - from) };
                S::store(slice.add(to), v);
            }
            from += c;
            to += S::LANES;
        }
    }
}

#[inline(always)]
unsafe fn store<S: Simd>(t: &Slice, slice: *const S::T, x: *mut S::T) {
    let [h, w, c] = t.image;
    let (len, mut to, n) = (h * w * c, t.channel, S::LANES.min(c - t.channel));
    // What a pixel writes too far is overwritten by the next one, unless it already has its other slices.
    let wide = n == S::LANES || c < S::LANES;
    for y in 0..h {
        let mut from = t.first + y * t.row;
        for _ in 0..w {
            // SAFETY: `to` lies in the image, and no value behind its end is written.
            unsafe {
                let v = S::load(slice.add(from));
                if wide && to + S::LANES <= len { S::store(x.add(to), v) } else { S::store_n(x.add(to), n, v) }
            }
            from += S::LANES;
            to += c;
        }
    }
}

/// A module with the kernels compiled for a kind of vectors.
macro_rules! featured {
    ($module:ident, $simd:ty, $t:ty, ($($parameter:tt)*), $(#[$feature:meta])*) => {
        mod $module {
            use super::*;
            $(#[$feature])*
            pub(super) unsafe fn group<$($parameter)*>(t: &Grouping<'_, $t>) -> usize {
                // SAFETY: the caller's promise.
                unsafe { super::group::<$simd>(t) }
            }
            $(#[$feature])*
            pub(super) unsafe fn spread<$($parameter)* const LINES: usize, const VECS: usize>(t: &Spread<'_, $t>) {
                // SAFETY: the caller's promise.
                unsafe { super::spread::<$simd, LINES, VECS>(t) }
            }
            $(#[$feature])*
            pub(super) unsafe fn sum<$($parameter)* const LINES: usize, const VECS: usize>(t: &Sum<$t>) {
                // SAFETY: the caller's promise.
                unsafe { super::sum::<$simd, LINES, VECS>(t) }
            }
            $(#[$feature])*
            pub(super) unsafe fn direct<$($parameter)* const LINES: usize, const VECS: usize>(t: &Direct<'_, $t>) {
                // SAFETY: the caller's promise.
                unsafe { super::direct::<$simd, LINES, VECS>(t) }
            }
            $(#[$feature])*
            pub(super) unsafe fn load<$($parameter)*>(t: &Slice, x: *const $t, slice: *mut $t) {
                // SAFETY: the caller's promise.
                unsafe { super::load::<$simd>(t, x, slice) }
            }
            $(#[$feature])*
            pub(super) unsafe fn store<$($parameter)*>(t: &Slice, slice: *const $t, x: *mut $t) {
                // SAFETY: the caller's promise.
                unsafe { super::store::<$simd>(t, slice, x) }
            }
        }
    };
}
featured!(scalar, Portable<T, N>, T, (T: Float, const N: usize,),);
#[cfg(target_arch = "x86_64")]
featured!(eight, Avx2, f32, (), #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
featured!(eight_of_32, Avx2, f32, (), #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]);
#[cfg(target_arch = "x86_64")]
featured!(sixteen, Avx512, f32, (), #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]);

/// A table of kernels, a row for each number of lines.
macro_rules! table {
    ($module:ident, $kernel:ident, $types:tt, $kind:ty; $($lines:literal: $($vectors:literal)*;)*) => {
        vec![$(vec![$(table!(@ $module, $kernel, $types, $kind, $lines, $vectors)),*]),*]
    };
    (@ $module:ident, $kernel:ident, ($($types:tt)*), $kind:ty, $lines:literal, $vectors:literal) => {
        $module::$kernel::<$($types)* $lines, $vectors> as $kind
    };
}
/// The kernels with at most 25 accumulators, for 32 registers.
macro_rules! of_32_registers {
    ($module:ident, $kernel:ident, $kind:ty) => {
        table!($module, $kernel, (), $kind;
            1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6 7 8; 3: 1 2 3 4 5 6 7 8; 4: 1 2 3 4 5 6; 5: 1 2 3 4 5;)
    };
}
/// The kernels with at most 12 accumulators, for 16 registers.
macro_rules! of_16_registers {
    ($module:ident, $kernel:ident, $types:tt, $kind:ty) => {
        table!($module, $kernel, $types, $kind; 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6; 3: 1 2 3 4; 4: 1 2 3; 5: 1 2;)
    };
}

/// The portable kernels, with `N` elements to a vector.
pub(in crate::device::cpu) fn portable<T: Float, const N: usize>() -> Vec<Width<T>> {
    vec![Width {
        lanes: N,
        spreads: of_16_registers!(scalar, spread, (T, N,), SpreadFn<T>),
        sums: of_16_registers!(scalar, sum, (T, N,), SumFn<T>),
        directs: of_16_registers!(scalar, direct, (T, N,), DirectFn<T>),
        group: scalar::group::<T, N>,
        load: scalar::load::<T, N>,
        store: scalar::store::<T, N>,
    }]
}

/// The kernels in AVX2.
#[cfg(target_arch = "x86_64")]
pub(in crate::device::cpu) fn avx2() -> Vec<Width<f32>> {
    vec![Width {
        lanes: 8,
        spreads: of_16_registers!(eight, spread, (), SpreadFn<f32>),
        sums: of_16_registers!(eight, sum, (), SumFn<f32>),
        directs: of_16_registers!(eight, direct, (), DirectFn<f32>),
        group: eight::group,
        load: eight::load,
        store: eight::store,
    }]
}

/// The kernels in AVX-512, with vectors of 256 bits for few channels.
#[cfg(target_arch = "x86_64")]
pub(in crate::device::cpu) fn avx512() -> Vec<Width<f32>> {
    vec![
        Width {
            lanes: 8,
            spreads: of_32_registers!(eight_of_32, spread, SpreadFn<f32>),
            sums: of_32_registers!(eight_of_32, sum, SumFn<f32>),
            directs: of_32_registers!(eight_of_32, direct, DirectFn<f32>),
            group: eight_of_32::group,
            load: eight_of_32::load,
            store: eight_of_32::store,
        },
        Width {
            lanes: 16,
            spreads: of_32_registers!(sixteen, spread, SpreadFn<f32>),
            sums: of_32_registers!(sixteen, sum, SumFn<f32>),
            directs: of_32_registers!(sixteen, direct, DirectFn<f32>),
            group: sixteen::group,
            load: sixteen::load,
            store: sixteen::store,
        },
    ]
}
