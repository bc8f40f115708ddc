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
use std::marker::PhantomData;

/// Elements of an item: the exponentials of so many take some 10 microseconds.
const ITEM: usize = 2048;

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
        Ok(vec![Self::parts(f).phase(20 * f.output.len())])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (start, len) = Self::parts(f).part(item);
        let group = self.group(f);
        // SAFETY: items are disjoint.
        let y = unsafe { f.output.part_mut(start, len) };
        for (x, y) in f.inputs[0].part(start, len).chunks_exact(group).zip(y.chunks_exact_mut(group)) {
            let max = x.iter().fold(T::neg_infinity(), |m, v| m.max(*v));
            let mut sum = T::zero();
            for (y, x) in y.iter_mut().zip(x) {
                *y = (*x - max).exp();
                sum += *y;
            }
            for y in y {
                *y = *y / sum;
            }
        }
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
        for ((gx, y), gy) in gx.chunks_exact_mut(group).zip(y.chunks_exact(group)).zip(gy.chunks_exact(group)) {
            let dot: T = y.iter().zip(gy).map(|(y, d)| *y * *d).sum();
            for ((gx, y), d) in gx.iter_mut().zip(y).zip(gy) {
                *gx = *y * (*d - dot);
            }
        }
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
    fn a_group_must_divide_the_channels() {
        let unit = Unit::<f32>::new("Softmax_0", "Softmax", &config! { "group_size" => 3usize }).unwrap();
        let text = "Softmax_0: channels of the input: expected a multiple of `group_size`, which is 3, got 4";
        assert_eq!(unit.output_shape(&[&[2, 4, 1, 1]]).unwrap_err().to_string(), text);
    }
}
