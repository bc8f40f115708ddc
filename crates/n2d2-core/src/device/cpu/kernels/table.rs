//! The tables of the microkernels of each instruction set, and the choice among them.

use super::super::ahead::Ahead;
use super::super::depthwise;
use super::super::isa::{Isa, isa, isas};
use super::super::narrow::{self, Rows};
use super::super::row::{self, Row};
use super::super::simd::Portable;
#[cfg(target_arch = "x86_64")]
use super::super::simd::{Avx2, Avx512};
use super::super::spread;
use super::super::winners::kernels as winners;
use super::super::winograd::transform;
use super::{AheadFn, Dot, GradFn, GradTile, Kernels, Tile, TileFn, Transpose, Width};
use crate::tensor::Float;
use std::sync::OnceLock;

/// A wrapper that compiles a generic kernel with target features.
macro_rules! featured {
    ($feature:literal, $simd:ty, $t:ty, $module:ident) => {
        #[cfg(target_arch = "x86_64")]
        mod $module {
            use super::*;
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn tile<const ROWS: usize, const NV: usize, const OF: usize, const UNIT: bool>(t: &Tile<'_, $t>) {
                // SAFETY: the caller's promise.
                unsafe { super::super::tile::<$simd, ROWS, NV, OF, UNIT, false>(t, Ahead::NONE) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn ahead<const ROWS: usize, const NV: usize>(t: &Tile<'_, $t>, ahead: Ahead<$t>) {
                // SAFETY: the caller's promise.
                unsafe { super::super::tile::<$simd, ROWS, NV, NV, false, true>(t, ahead) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn grad<const LINES: usize, const VALUES: usize, const NV: usize>(t: &GradTile<'_, $t>) {
                // SAFETY: the caller's promise.
                unsafe { super::super::grad_tile::<$simd, LINES, VALUES, NV>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn transpose(t: &Transpose<$t>) {
                // SAFETY: the caller's promise.
                unsafe { super::super::transpose::<$simd>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn dot(t: &Dot<$t>) {
                // SAFETY: the caller's promise.
                unsafe { super::super::dot::<$simd>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn fetch(p: *const $t, step: usize, count: usize) {
                // SAFETY: the caller's promise.
                unsafe { super::super::fetch::<$simd>(p, step, count) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn product(t: &Row<$t>) {
                // SAFETY: the caller's promise.
                unsafe { row::row::<$simd>(t) }
            }
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn column_sum(d: *const $t, pixels: usize, stride: usize, cols: usize, out: *mut $t) {
                // SAFETY: the caller's promise.
                unsafe { super::super::column_sum::<$simd>(d, pixels, stride, cols, out) }
            }
        }
    };
}
featured!("avx2,fma", Avx2, f32, avx2);
featured!("avx512f,avx512vl,avx512bw,avx512dq,fma", Avx512, f32, avx512);

mod portable {
    use super::{Ahead, Dot, Float, GradTile, Portable, Row, Tile, Transpose, row};
    pub(super) unsafe fn tile<T: Float, const N: usize, const ROWS: usize, const NV: usize, const OF: usize>(t: &Tile<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { super::super::tile::<Portable<T, N>, ROWS, NV, OF, false, false>(t, Ahead::NONE) }
    }
    pub(super) unsafe fn grad<T: Float, const N: usize, const LINES: usize, const VALUES: usize, const NV: usize>(t: &GradTile<'_, T>) {
        // SAFETY: the caller's promise.
        unsafe { super::super::grad_tile::<Portable<T, N>, LINES, VALUES, NV>(t) }
    }
    pub(super) unsafe fn transpose<T: Float, const N: usize>(t: &Transpose<T>) {
        // SAFETY: the caller's promise.
        unsafe { super::super::transpose::<Portable<T, N>>(t) }
    }
    pub(super) unsafe fn dot<T: Float, const N: usize>(t: &Dot<T>) {
        // SAFETY: the caller's promise.
        unsafe { super::super::dot::<Portable<T, N>>(t) }
    }
    pub(super) unsafe fn fetch<T: Float, const N: usize>(p: *const T, step: usize, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { super::super::fetch::<Portable<T, N>>(p, step, count) }
    }
    pub(super) unsafe fn product<T: Float, const N: usize>(t: &Row<T>) {
        // SAFETY: the caller's promise.
        unsafe { row::row::<Portable<T, N>>(t) }
    }
    pub(super) unsafe fn column_sum<T: Float, const N: usize>(d: *const T, pixels: usize, stride: usize, cols: usize, out: *mut T) {
        // SAFETY: the caller's promise.
        unsafe { super::super::column_sum::<Portable<T, N>>(d, pixels, stride, cols, out) }
    }
}

fn portable_kernels<T: Float, const N: usize>() -> Kernels<T> {
    macro_rules! tiles {
        ($nv:literal of $of:literal; $($rows:literal)*) => { vec![$(portable::tile::<T, N, $rows, $nv, $of> as TileFn<T>),*] };
    }
    macro_rules! grads {
        ($nv:literal, $lines:literal; $($values:literal)*) => { vec![$(portable::grad::<T, N, $lines, $values, $nv> as GradFn<T>),*] };
    }
    Kernels {
        isa: Isa::Portable,
        widths: vec![
            Width {
                block: N,
                rows: 6,
                tiles: tiles![1 of 1; 1 2 3 4 5 6],
                half_tiles: Vec::new(),
                ahead_tiles: Vec::new(),
                unit_tiles: Vec::new(),
                few_outputs: Some(narrow::portable::<T, N>()),
                grads: vec![grads![1, 1; 1 2 3 4 5 6], grads![1, 2; 1 2 3]],
            },
            Width {
                block: 2 * N,
                rows: 4,
                tiles: tiles![2 of 2; 1 2 3 4],
                half_tiles: tiles![1 of 2; 1 2 3 4],
                ahead_tiles: Vec::new(),
                unit_tiles: Vec::new(),
                few_outputs: Some(narrow::portable::<T, N>()),
                grads: vec![grads![2, 1; 1 2 3 4]],
            },
        ],
        depthwise: depthwise::portable::<T, N>(),
        column_sum: portable::column_sum::<T, N>,
        transpose: portable::transpose::<T, N>,
        dot: portable::dot::<T, N>,
        row: portable::product::<T, N>,
        fetch: portable::fetch::<T, N>,
        winners: winners::portable::<T, N>(),
        winograd: transform::portable::<T, N>(),
        spreads: spread::portable::<T, N>(),
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! tiles {
    ($module:ident, $nv:literal of $of:literal, $unit:literal; $($rows:literal)*) => {
        vec![$($module::tile::<$rows, $nv, $of, $unit> as TileFn<f32>),*]
    };
}
#[cfg(target_arch = "x86_64")]
macro_rules! ahead_tiles {
    ($module:ident, $nv:literal; $($rows:literal)*) => { vec![$($module::ahead::<$rows, $nv> as AheadFn<f32>),*] };
}
#[cfg(target_arch = "x86_64")]
macro_rules! grads {
    ($module:ident, $nv:literal, $lines:literal; $($values:literal)*) => { vec![$($module::grad::<$lines, $values, $nv> as GradFn<f32>),*] };
}

/// The AVX2 kernels for at most 8 outputs: one 256-bit vector, up to 12 accumulators.
#[cfg(target_arch = "x86_64")]
fn narrow_width(rows: Rows<f32>) -> Width<f32> {
    Width {
        block: 8,
        rows: 12,
        tiles: tiles![avx2, 1 of 1, false; 1 2 3 4 5 6 7 8 9 10 11 12],
        half_tiles: Vec::new(),
        ahead_tiles: Vec::new(),
        unit_tiles: Vec::new(),
        few_outputs: Some(rows),
        grads: vec![grads![avx2, 1, 1; 1 2 3 4 5 6 7 8 9 10 11 12], grads![avx2, 1, 2; 1 2 3 4 5 6], grads![avx2, 1, 3; 1 2 3 4]],
    }
}

#[cfg(target_arch = "x86_64")]
fn avx2_kernels() -> Kernels<f32> {
    Kernels {
        isa: Isa::Avx2,
        widths: vec![
            narrow_width(narrow::AVX2),
            Width {
                block: 16,
                rows: 6,
                tiles: tiles![avx2, 2 of 2, false; 1 2 3 4 5 6],
                half_tiles: tiles![avx2, 1 of 2, false; 1 2 3 4 5 6],
                ahead_tiles: ahead_tiles![avx2, 2; 1 2 3 4 5 6],
                unit_tiles: Vec::new(),
                few_outputs: None,
                grads: vec![grads![avx2, 2, 1; 1 2 3 4 5 6]],
            },
        ],
        depthwise: depthwise::avx2(),
        column_sum: avx2::column_sum,
        transpose: avx2::transpose,
        dot: avx2::dot,
        row: avx2::product,
        fetch: avx2::fetch,
        winners: winners::avx2(),
        winograd: transform::AVX2,
        spreads: spread::avx2(),
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512_kernels() -> Kernels<f32> {
    let one = Width {
        block: 16,
        rows: 14,
        tiles: tiles![avx512, 1 of 1, false; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        half_tiles: Vec::new(),
        ahead_tiles: Vec::new(),
        unit_tiles: tiles![avx512, 1 of 1, true; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        few_outputs: None,
        grads: vec![
            grads![avx512, 1, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
            grads![avx512, 1, 2; 1 2 3 4 5 6 7],
            grads![avx512, 1, 3; 1 2 3 4],
        ],
    };
    let two = Width {
        block: 32,
        rows: 14,
        tiles: tiles![avx512, 2 of 2, false; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        half_tiles: tiles![avx512, 1 of 2, false; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        ahead_tiles: ahead_tiles![avx512, 2; 1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        unit_tiles: Vec::new(),
        few_outputs: None,
        grads: vec![grads![avx512, 2, 1; 1 2 3 4 5 6 7 8 9 10 11 12 13 14]],
    };
    Kernels {
        isa: Isa::Avx512,
        widths: vec![narrow_width(narrow::AVX512), one, two],
        depthwise: depthwise::avx512(),
        column_sum: avx512::column_sum,
        transpose: avx512::transpose,
        dot: avx512::dot,
        row: avx512::product,
        fetch: avx512::fetch,
        winners: winners::avx512(),
        winograd: transform::AVX512,
        spreads: spread::avx512(),
    }
}

/// The `f32` kernels for an instruction set; the portable ones if the processor lacks it.
pub fn kernels_f32_of(wanted: Isa) -> &'static Kernels<f32> {
    static PORTABLE: OnceLock<Kernels<f32>> = OnceLock::new();
    #[cfg(target_arch = "x86_64")]
    {
        static AVX2: OnceLock<Kernels<f32>> = OnceLock::new();
        static AVX512: OnceLock<Kernels<f32>> = OnceLock::new();
        if isas().contains(&wanted) {
            match wanted {
                Isa::Avx512 => return AVX512.get_or_init(avx512_kernels),
                Isa::Avx2 => return AVX2.get_or_init(avx2_kernels),
                Isa::Portable => {}
            }
        }
    }
    let _ = wanted;
    PORTABLE.get_or_init(portable_kernels::<f32, 4>)
}

/// The `f32` kernels in use.
pub fn kernels_f32() -> &'static Kernels<f32> {
    static CHOSEN: OnceLock<&'static Kernels<f32>> = OnceLock::new();
    CHOSEN.get_or_init(|| kernels_f32_of(isa()))
}

/// The `f64` kernels: portable.
pub fn kernels_f64() -> &'static Kernels<f64> {
    static CHOSEN: OnceLock<Kernels<f64>> = OnceLock::new();
    CHOSEN.get_or_init(portable_kernels::<f64, 2>)
}
