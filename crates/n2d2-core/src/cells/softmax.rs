//! `Softmax`: over the channels of each group at each pixel, `y_c = exp(x_c - max) / sum_k exp(x_k - max)`.
//!
//! Gradient: `gx_c = y_c * (gy_c - sum_k y_k gy_k)` within the group. With `with_loss` the gradient that arrives
//! (target - output) passes unchanged, which is that of the cross-entropy with respect to `x`.
//!
//! Shapes: `[n, c, h, w]` to the same. Source: ONNX `Softmax` over axis 1.

use super::{Cell, Frame, Inputs, Parts, Phase};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, dims4};
use crate::vectorise::vectorised;
use std::marker::PhantomData;

/// Elements of an item: the exponentials of so many take some microseconds.
const ITEM: usize = 2048;
/// Sums and maxima of a group run side by side, each over every so many-th channel, so that they fill vectors.
const LANES: usize = 16;

vectorised! {
    /// `y = x - max` of each group. As in a fold of [`num_traits::Float::max`], what is not a number is no maximum.
    fn shift<T: Float>(x: &[T], group: usize, y: &mut [T]) {
        for (x, y) in x.chunks_exact(group).zip(y.chunks_exact_mut(group)) {
            let mut most = [T::neg_infinity(); LANES];
            let mut parts = x.chunks_exact(LANES);
            for part in &mut parts {
                for (m, v) in most.iter_mut().zip(part) {
                    *m = if *v > *m { *v } else { *m };
                }
            }
            let rest = parts.remainder().iter().chain(if x.len() < LANES { &[][..] } else { &most[..] });
            let most = rest.fold(T::neg_infinity(), |m, v| if *v > m { *v } else { m });
            for (y, x) in y.iter_mut().zip(x) {
                *y = *x - most;
            }
        }
    }

    fn exponentials<T: Float>(y: &mut [T]) {
        for y in y {
            *y = y.exponential_to_zero();
        }
    }

    /// Divides each group by its sum.
    fn normalise<T: Float>(group: usize, y: &mut [T]) {
        for y in y.chunks_exact_mut(group) {
            let mut sums = [T::zero(); LANES];
            let mut parts = y.chunks_exact(LANES);
            for part in &mut parts {
                for (s, v) in sums.iter_mut().zip(part) {
                    *s += *v;
                }
            }
            let mut sum = T::zero();
            for v in parts.remainder().iter().chain(if y.len() < LANES { &[][..] } else { &sums[..] }) {
                sum += *v;
            }
            for y in y {
                *y = *y / sum;
            }
        }
    }

    /// `gx = y (gy - sum of y gy)` of each group.
    fn gradient<T: Float>(y: &[T], gy: &[T], group: usize, gx: &mut [T]) {
        for ((gx, y), gy) in gx.chunks_exact_mut(group).zip(y.chunks_exact(group)).zip(gy.chunks_exact(group)) {
            let mut sums = [T::zero(); LANES];
            let (mut ys, mut ds) = (y.chunks_exact(LANES), gy.chunks_exact(LANES));
            for (y, d) in (&mut ys).zip(&mut ds) {
                for ((s, y), d) in sums.iter_mut().zip(y).zip(d) {
                    *s += *y * *d;
                }
            }
            let mut dot = T::zero();
            for s in if y.len() < LANES { &[][..] } else { &sums[..] } {
                dot += *s;
            }
            for (y, d) in ys.remainder().iter().zip(ds.remainder()) {
                dot += *y * *d;
            }
            for ((gx, y), d) in gx.iter_mut().zip(y).zip(gy) {
                *gx = *y * (*d - dot);
            }
        }
    }
}

/// Softmax over groups of channels.
///
/// Parameters: `with_loss` (default false), `group_size` (channels of a group; default 0, all).
pub struct Softmax<T: Float> {
    with_loss: bool,
    group_size: usize,
    float: PhantomData<T>,
}

impl<T: Float> Softmax<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["with_loss", "group_size"])?;
        Ok(Softmax { with_loss: config.bool_or("with_loss", false)?, group_size: config.usize_or("group_size", 0)?, float: PhantomData })
    }

    /// Channels of a group.
    fn group(&self, f: &Frame<'_, T>) -> usize {
        if self.group_size == 0 { f.output.shape()[1] } else { self.group_size }
    }

    fn parts(f: &Frame<'_, T>) -> Parts {
        Parts::new(f.output.shape(), ITEM, f.output.shape()[1])
    }
}

impl<T: Float> Cell<T> for Softmax<T> {
    fn kind(&self) -> &'static str {
        "Softmax"
    }

    fn inputs(&self) -> Inputs {
        Inputs::One
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [_, c, ..] = dims4(inputs[0]);
        if self.group_size != 0 && !c.is_multiple_of(self.group_size) {
            return Err(Error::shape(
                name,
                "channels of the input",
                format!("a multiple of `group_size`, which is {}", self.group_size),
                c,
            ));
        }
        Ok(inputs[0].to_vec())
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(vec![Self::parts(f).phase(8 * f.output.len())])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (start, len) = Self::parts(f).part(item);
        let group = self.group(f);
        // SAFETY: items are disjoint.
        let y = unsafe { f.output.part_mut(start, len) };
        shift(f.inputs[0].part(start, len), group, y);
        exponentials(y);
        normalise(group, y);
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(f.grad_inputs[0].as_ref().map_or(Vec::new(), |gx| vec![Self::parts(f).phase(gx.len())]))
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let (start, len) = Self::parts(f).part(item);
        let group = self.group(f);
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        let (y, gy) = (f.output.part(start, len), f.gy().part(start, len));
        if self.with_loss {
            return gx.copy_from_slice(gy);
        }
        gradient(y, gy, group, gx);
    }

    fn set(&mut self, config: &Config) -> Result<()> {
        config.only(&["with_loss"])?;
        self.with_loss = config.bool_or("with_loss", self.with_loss)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Config, Tensor, config};

    fn run(config: &Config, x: &[f64], shape: &[usize], gy: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let unit = Unit::new("s", "Softmax", config).unwrap();
        let x = Var::leaf(Tensor::from_vec(x.to_vec(), shape).unwrap(), true);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        y.back_propagate(Some(Tensor::from_vec(gy.to_vec(), shape).unwrap())).unwrap();
        (y.tensor().to_vec(), x.grad().unwrap().to_vec())
    }

    fn close(a: &[f64], b: &[f64]) {
        assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} not {b:?}");
    }

    #[test]
    fn two_pixels_by_hand_even_with_large_inputs() {
        // Pixel 0: (0, ln 3) gives (1/4, 3/4); pixel 1: (1000, 1000) gives (1/2, 1/2).
        let (y, gx) = run(&Config::default(), &[0.0, 1000.0, 3f64.ln(), 1000.0], &[1, 2, 1, 2], &[1.0, 4.0, 0.0, 2.0]);
        close(&y, &[0.25, 0.5, 0.75, 0.5]);
        // gx = y (gy - dot), with dots 1/4 and 3.
        close(&gx, &[0.1875, 0.5, -0.1875, -0.5]);
    }

    #[test]
    fn groups_are_apart_and_with_loss_passes_the_gradient() {
        let x = [0.0, 3f64.ln(), 5.0, 5.0];
        let (y, gx) = run(&config! { "group_size" => 2usize }, &x, &[1, 4, 1, 1], &[1.0, 0.0, 7.0, 7.0]);
        close(&y, &[0.25, 0.75, 0.5, 0.5]);
        close(&gx, &[0.1875, -0.1875, 0.0, 0.0]);
        let (_, gx) = run(&config! { "with_loss" => true }, &x, &[1, 4, 1, 1], &[1.0, -2.0, 3.0, -4.0]);
        close(&gx, &[1.0, -2.0, 3.0, -4.0]);
    }

    #[test]
    fn floats_are_those_of_the_double_for_any_number_of_channels() {
        let stream = crate::random::Stream::new(3);
        for channels in [1, 2, 10, 15, 16, 17, 33, 100] {
            let shape = [3, channels, 2, 1];
            let wide: Vec<f64> = (0..6 * channels as u64).map(|i| 14.0 * f64::from(stream.uniform(i)) - 7.0).collect();
            let gy: Vec<f64> = (0..wide.len() as u64).map(|i| f64::from(stream.uniform(1000 + i)) - 0.5).collect();
            let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<f32>>();
            let (y, gx) = run(&Config::default(), &wide.iter().map(|v| f64::from(*v as f32)).collect::<Vec<_>>(), &shape, &gy);
            let unit = Unit::<f32>::new("s", "Softmax", &Config::default()).unwrap();
            let x = Var::leaf(Tensor::from_vec(narrow(&wide), &shape).unwrap(), true);
            let found = unit.call(std::slice::from_ref(&x)).unwrap();
            found.back_propagate(Some(Tensor::from_vec(narrow(&gy), &shape).unwrap())).unwrap();
            for (a, b) in found.tensor().to_vec().iter().zip(&y) {
                // The distance from the largest value, below 16, is rounded to half of 1e-6.
                assert!((f64::from(*a) - b).abs() <= 1.2e-6 * b, "{channels}: {a} not {b}");
            }
            for (a, b) in x.grad().unwrap().to_vec().iter().zip(&gx) {
                assert!((f64::from(*a) - b).abs() <= 2e-7, "{channels}: {a} not {b}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_seen_in_its_group_only() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let of = |x: [f64; 4]| {
            let shape = [2, 2, 1, 1];
            let narrow: Vec<f32> = x.iter().map(|v| *v as f32).collect();
            let unit = Unit::<f32>::new("s", "Softmax", &Config::default()).unwrap();
            let y = unit.call(&[Var::leaf(Tensor::from_vec(narrow, &shape).unwrap(), false)]).unwrap().tensor().to_vec();
            let (wide, _) = run(&Config::default(), &x, &shape, &[0.0; 4]);
            assert!(y.iter().zip(&wide).all(|(a, b)| a.is_nan() == b.is_nan()), "{y:?} {wide:?}");
            y
        };
        let y = of([nan, 0.0, 1.0, 1.0]);
        assert!(y[0].is_nan() && y[1].is_nan());
        assert_eq!(y[2..], [0.5, 0.5]);
        assert_eq!(of([-inf, 0.0, 0.0, -1000.0]), [0.0, 1.0, 1.0, 0.0]);
        assert!(of([inf, 0.0, -inf, -inf])[0].is_nan());
    }

    #[test]
    fn a_group_must_divide_the_channels() {
        let unit = Unit::<f32>::new("Softmax_0", "Softmax", &config! { "group_size" => 3usize }).unwrap();
        let text = "Softmax_0: channels of the input: expected a multiple of `group_size`, which is 3, got 4";
        assert_eq!(unit.output_shape(&[&[2, 4, 1, 1]]).unwrap_err().to_string(), text);
    }
}
