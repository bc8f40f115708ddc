//! The product of one row of inputs with a matrix: a dense layer on one image.
//!
//! A register tile of one row is a chain of sums, each of which waits for the one before. Here several blocks of outputs are
//! summed side by side, so that the weights come as fast as the cache gives them. Every value is summed in the order of the
//! tile, so the bits are the same.

use super::simd::Simd;

/// Vectors of outputs that are summed side by side.
const MOST: usize = 8;

/// How many values ahead of the sums weights are asked for: about what comes in while a line comes from the third cache.
const FETCH: usize = 512;

/// `y[o] = bias[o] + sum over j of x[j] * w[block of o][j][o in the block]`.
pub(crate) struct Row<T> {
    pub(crate) x: *const T,
    pub(crate) len: usize,
    pub(crate) w: *const T,
    /// Elements from a block to the next.
    pub(crate) w_block: usize,
    pub(crate) blocks: usize,
    /// Outputs of a block: a multiple of the lanes.
    pub(crate) width: usize,
    /// Values of whole blocks, or null.
    pub(crate) bias: *const T,
    pub(crate) y: *mut T,
    /// Outputs that there are.
    pub(crate) cols: usize,
    /// True if a rectifier follows.
    pub(crate) relu: bool,
}

/// The sums of `N` vectors from number `first` on.
#[inline(always)]
unsafe fn sums<S: Simd, const N: usize>(t: &Row<S::T>, first: usize) {
    let of_block = t.width / S::LANES;
    // SAFETY: the caller gives valid pointers, on a processor with the instruction set.
    unsafe {
        let mut w = [t.w; N];
        let mut acc = [S::splat(S::T::default()); N];
        for i in 0..N {
            let (block, vector) = ((first + i) / of_block, (first + i) % of_block);
            w[i] = t.w.add(block * t.w_block + vector * S::LANES);
        }
        if !t.bias.is_null() {
            for i in 0..N {
                acc[i] = S::load(t.bias.add((first + i) * S::LANES));
            }
        }
        for j in 0..t.len {
            let x = S::splat(*t.x.add(j));
            for i in 0..N {
                S::fetch_to_read(w[i].wrapping_add(j * t.width + FETCH));
                acc[i] = S::fma(x, S::load(w[i].add(j * t.width)), acc[i]);
            }
        }
        if t.relu {
            let zero = S::splat(S::T::default());
            for i in 0..N {
                // In this order what is not a number stays that.
                acc[i] = S::max(zero, acc[i]);
            }
        }
        for i in 0..N {
            let at = (first + i) * S::LANES;
            let left = t.cols.saturating_sub(at);
            if left >= S::LANES {
                S::store(t.y.add(at), acc[i]);
            } else {
                S::store_n(t.y.wrapping_add(at), left, acc[i]);
            }
        }
    }
}

/// Computes the row.
#[inline(always)]
pub(super) unsafe fn row<S: Simd>(t: &Row<S::T>) {
    let vectors = t.blocks * t.width / S::LANES;
    let parts = vectors.div_ceil(MOST);
    for part in 0..parts {
        let (first, end) = (part * vectors / parts, (part + 1) * vectors / parts);
        // SAFETY: the caller's promise.
        unsafe {
            match end - first {
                1 => sums::<S, 1>(t, first),
                2 => sums::<S, 2>(t, first),
                3 => sums::<S, 3>(t, first),
                4 => sums::<S, 4>(t, first),
                5 => sums::<S, 5>(t, first),
                6 => sums::<S, 6>(t, first),
                7 => sums::<S, 7>(t, first),
                _ => sums::<S, MOST>(t, first),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Row;
    use crate::device::cpu::{isas, kernels_f32_of};
    use crate::random::test_values;

    #[test]
    fn every_instruction_set_agrees_with_the_definition() {
        for isa in isas() {
            let kernels = kernels_f32_of(isa);
            let lanes = kernels.dot_lanes();
            for (len, blocks, per_block, missing) in [(1, 1, 1, 0), (5, 1, 2, 3), (33, 7, 2, 1), (20, 9, 1, lanes - 1), (3, 4, 2, 0)] {
                let width = per_block * lanes;
                let values = |n: usize, seed: u64| test_values(n, seed).iter().map(|v| *v as f32).collect::<Vec<_>>();
                let (x, w, bias) = (values(len, 1), values(blocks * len * width, 2), values(blocks * width, 3));
                let cols = blocks * width - missing;
                for (relu, biased) in [(false, true), (true, true), (false, false)] {
                    let mut y = vec![9.0f32; cols + 1];
                    let row = Row {
                        x: x.as_ptr(),
                        len,
                        w: w.as_ptr(),
                        w_block: len * width,
                        blocks,
                        width,
                        bias: if biased { bias.as_ptr() } else { std::ptr::null() },
                        y: y.as_mut_ptr(),
                        cols,
                        relu,
                    };
                    // SAFETY: all blocks, their biases and `cols` outputs exist.
                    unsafe { kernels.row(&row) };
                    for o in 0..cols {
                        let products = (0..len).map(|j| f64::from(x[j]) * f64::from(w[o / width * len * width + j * width + o % width]));
                        let sum = products.sum::<f64>() + if biased { f64::from(bias[o]) } else { 0.0 };
                        let want = if relu { sum.max(0.0) } else { sum };
                        assert!((f64::from(y[o]) - want).abs() < 1e-5, "{isa:?}, {len} inputs, {blocks} blocks: output {o}");
                    }
                    assert_eq!(y[cols], 9.0);
                }
            }
        }
    }
}
