//! The gradient of a dense layer's weights for a few images, as what it is a product of.
//!
//! With inputs `x` and output gradients `d` of `n` images: `g[o, i] = sum over n of d[n, o] * x[n, i]`. For a few images both are
//! far smaller than `g`, so that a solver which moves a block of weights computes its gradient on the way, in the nearest
//! cache, instead of fetching one that was stored.

use crate::device::cpu::with_scratch;
use crate::tensor::Float;
use crate::vectorise::vectorised;

/// Outputs that [`products`] holds in registers.
const LANES: usize = 16;

vectorised! {
    /// `g[i][o] = x[i] * d[o]`, or that added.
    fn products<T: Float>(x: &[T], d: &[T], g: &mut [T], add: bool) {
        let n = d.len();
        let whole = n / LANES * LANES;
        for o in (0..whole).step_by(LANES) {
            let mut held = [T::zero(); LANES];
            held.copy_from_slice(&d[o..o + LANES]);
            for i in 0..x.len() {
                let to = &mut g[i * n + o..][..LANES];
                if add {
                    for j in 0..LANES {
                        to[j] += x[i] * held[j];
                    }
                } else {
                    for j in 0..LANES {
                        to[j] = x[i] * held[j];
                    }
                }
            }
        }
        for o in whole..n {
            for i in 0..x.len() {
                let product = x[i] * d[o];
                g[i * n + o] = if add { g[i * n + o] + product } else { product };
            }
        }
    }
}

/// Copies of the factors of a gradient `[block of outputs][input][output of the block]`.
pub struct Factors<T: Float> {
    /// `[image][input]`.
    x: Vec<T>,
    /// `[image][output]`, zeros up to whole blocks.
    d: Vec<T>,
    images: usize,
    block: usize,
}

impl<T: Float> Factors<T> {
    /// The factors `[image][input]` and `[image][output]` of a gradient in blocks of `block` outputs.
    pub(super) fn new(x: &[T], gradient: &[T], images: usize, block: usize) -> Self {
        let outputs = gradient.len() / images;
        let padded = outputs.next_multiple_of(block);
        let mut d = vec![T::zero(); images * padded];
        for (to, from) in d.chunks_exact_mut(padded).zip(gradient.chunks_exact(outputs)) {
            to[..outputs].copy_from_slice(from);
        }
        Factors { x: x.to_vec(), d, images, block }
    }

    /// What parts of the gradient must begin and end at a multiple of.
    pub(crate) fn step(&self) -> usize {
        self.block
    }

    /// Computes the values of the gradient from number `start` on.
    pub(crate) fn part(&self, start: usize, to: &mut [T]) {
        let (inputs, outputs) = (self.x.len() / self.images, self.d.len() / self.images);
        let mut row = start / self.block;
        let mut left = to;
        while !left.is_empty() {
            let (b, i) = (row / inputs, row % inputs);
            let rows = (inputs - i).min(left.len() / self.block);
            let (now, later) = left.split_at_mut(rows * self.block);
            for image in 0..self.images {
                let x = &self.x[image * inputs + i..][..rows];
                products(x, &self.d[image * outputs + b * self.block..][..self.block], now, image > 0);
            }
            (left, row) = (later, row + rows);
        }
    }

    /// Calls `f` with the values of the gradient from number `start` on.
    pub(crate) fn with_part<R>(&self, start: usize, len: usize, f: impl FnOnce(&[T]) -> R) -> R {
        with_scratch(len, |g: &mut [T]| {
            self.part(start, g);
            f(g)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::test_values;

    #[test]
    fn parts_are_sums_of_products_on_whole_and_broken_blocks() {
        for (images, inputs, outputs, block) in [(1, 5, 32, 32), (3, 7, 20, 8), (2, 1, 3, 4), (4, 9, 40, 24)] {
            let (x, d) = (test_values(images * inputs, 1), test_values(images * outputs, 2));
            let factors = Factors::new(&x, &d, images, block);
            let rows = outputs.div_ceil(block) * inputs;
            let value = |at: usize| {
                let (row, o) = (at / block, at / block / inputs * block + at % block);
                let product = |n: usize| if o < outputs { x[n * inputs + row % inputs] * d[n * outputs + o] } else { 0.0 };
                (0..images).map(product).sum::<f64>()
            };
            for (from, to) in [(0, rows), (1, rows), (rows / 2, rows / 2 + 1)] {
                factors.with_part(from * block, (to - from) * block, |g| {
                    for (i, g) in g.iter().enumerate() {
                        assert!((g - value(from * block + i)).abs() < 1e-14, "{images} {inputs} {outputs} {block}: value {i}");
                    }
                });
            }
        }
    }
}
