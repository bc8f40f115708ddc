//! `LRN`: local response normalisation across channels.
//!
//! `s_c = k + alpha / n * sum over the window of x^2`, `y_c = x_c * s_c^-beta`, with the window of the `n` channels from
//! `c - (n - 1) / 2` to `c + n / 2` as far as they exist.
//!
//! Gradient: `gx_c = gy_c s_c^-beta - 2 alpha beta / n x_c * sum of gy_j x_j s_j^(-beta - 1)` over the channels `j` in whose
//! window `c` lies.
//!
//! Shapes: `[n, c, h, w]` to the same. Source: Krizhevsky et al., "`ImageNet` classification with deep convolutional neural
//! networks", 2012; ONNX `LRN`.

use super::{Cell, Frame, Inputs, Phase};
use crate::config::Config;
use crate::error::Result;
use crate::tensor::{Float, Shape};

/// Elements of an item: so many powers take some 50 microseconds.
const ITEM: usize = 2048;

/// Normalisation by the activity of neighbouring channels.
///
/// Parameters: `n` (channels of the window, default 5), `alpha` (1e-4), `beta` (0.75), `k` (2).
pub struct Lrn<T: Float> {
    n: usize,
    alpha: T,
    beta: T,
    k: T,
}

impl<T: Float> Lrn<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["n", "alpha", "beta", "k"])?;
        let float = |name: &str, default: f64| config.float_or(name, default).map(T::of);
        Ok(Lrn { n: config.count("n", Some(5))?, alpha: float("alpha", 1e-4)?, beta: float("beta", 0.75)?, k: float("k", 2.0)? })
    }

    /// `s` of every channel of a pixel.
    fn scales(&self, x: &[T], s: &mut [T]) {
        let (before, after) = ((self.n - 1) / 2, self.n / 2);
        let factor = self.alpha / T::of(self.n as f64);
        for (c, s) in s.iter_mut().enumerate() {
            let window = &x[c.saturating_sub(before)..(c + after + 1).min(x.len())];
            *s = self.k + factor * window.iter().map(|v| *v * *v).sum::<T>();
        }
    }

    /// First element and number of elements of an item: whole pixels.
    fn part(item: usize, f: &Frame<'_, T>) -> (usize, usize) {
        let c = f.output.shape()[1];
        let len = (ITEM / c).max(1) * c;
        (item * len, len.min(f.output.len() - item * len))
    }

    fn phases(f: &Frame<'_, T>) -> Vec<Phase> {
        let c = f.output.shape()[1];
        vec![Phase::new((f.output.len() / c).div_ceil((ITEM / c).max(1)), 20 * f.output.len())]
    }
}

impl<T: Float> Cell<T> for Lrn<T> {
    fn kind(&self) -> &'static str {
        "LRN"
    }

    fn inputs(&self) -> Inputs {
        Inputs::One
    }

    fn output_shape(&self, _: &str, inputs: &[&[usize]]) -> Result<Shape> {
        Ok(inputs[0].to_vec())
    }

    fn saved(&self, _: &[&[usize]], output: &[usize]) -> (usize, usize) {
        (output.iter().product(), 0)
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(Self::phases(f))
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (start, len) = Self::part(item, f);
        let c = f.output.shape()[1];
        // SAFETY: items are disjoint.
        let (y, s) = unsafe { (f.output.part_mut(start, len), f.saved.values.part_mut(start, len)) };
        for ((x, y), s) in f.inputs[0].part(start, len).chunks_exact(c).zip(y.chunks_exact_mut(c)).zip(s.chunks_exact_mut(c)) {
            self.scales(x, s);
            for ((y, x), s) in y.iter_mut().zip(x).zip(s) {
                *y = *x * s.powf(-self.beta);
            }
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(if f.grad_inputs[0].is_some() { Self::phases(f) } else { Vec::new() })
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let (start, len) = Self::part(item, f);
        let c = f.output.shape()[1];
        let (before, after) = ((self.n - 1) / 2, self.n / 2);
        let factor = T::of(2.0) * self.alpha * self.beta / T::of(self.n as f64);
        let (x, s, gy) = (f.inputs[0].part(start, len), f.saved.values.part(start, len), f.gy().part(start, len));
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        let mut ratios = vec![T::zero(); c];
        for (i, gx) in gx.chunks_exact_mut(c).enumerate() {
            let pixel = i * c..(i + 1) * c;
            let (x, s, gy) = (&x[pixel.clone()], &s[pixel.clone()], &gy[pixel]);
            for j in 0..c {
                let power = s[j].powf(-self.beta);
                gx[j] = gy[j] * power;
                ratios[j] = gy[j] * x[j] * power / s[j];
            }
            for j in 0..c {
                // Channel j lies in the windows of those that end with it and begin with it.
                let readers = &ratios[j.saturating_sub(after)..(j + before + 1).min(c)];
                gx[j] -= factor * x[j] * readers.iter().copied().sum::<T>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Tensor, config};

    #[test]
    fn an_even_window_by_hand() {
        // The window of two channels is c and c + 1: s = 1 + (x_c^2 + x_(c+1)^2) = 6, 14, 10 and y = x / s.
        let config = config! { "n" => 2usize, "alpha" => 2.0, "beta" => 1.0, "k" => 1.0 };
        let lrn = Unit::<f64>::new("lrn", "LRN", &config).unwrap();
        let x = Var::leaf(Tensor::from_vec(vec![1.0, 2.0, 3.0], &[1, 3, 1, 1]).unwrap(), true);
        let y = lrn.call(std::slice::from_ref(&x)).unwrap();
        let close = |got: Vec<f64>, expected: [f64; 3]| assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-15), "{got:?}");
        close(y.tensor().to_vec(), [1.0 / 6.0, 2.0 / 14.0, 0.3]);
        y.back_propagate(Some(Tensor::from_vec(vec![0.0, 1.0, 0.0], &[1, 3, 1, 1]).unwrap())).unwrap();
        // y_1 = x_1 / (1 + x_1^2 + x_2^2): by x_1 1/14 - 8/196, by x_2 -12/196.
        close(x.grad().unwrap().to_vec(), [0.0, 6.0 / 196.0, -12.0 / 196.0]);
    }
}
