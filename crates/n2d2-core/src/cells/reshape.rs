//! `Reshape`: the same values in another shape.
//!
//! `dims` lists `[width, height, channels]` (N2D2 order); missing ones are 1, 0 keeps the input's, one -1 is inferred.
//! The order of the values in N, C, H, W order does not change.
//!
//! Shapes: `[n, c, h, w]` to `[n, channels, height, width]`. Source: ONNX `Reshape`.

use super::{Cell, Frame, Inputs, Phase};
use crate::config::{Config, values_of};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, dims4};
use std::marker::PhantomData;

/// Another shape for the same values.
///
/// Parameter: `dims` (required), one to three integers of at least -1.
pub struct Reshape<T: Float> {
    dims: [i64; 3],
    float: PhantomData<T>,
}

impl<T: Float> Reshape<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`Error::Value`] for more than three dims, one below -1, or two of -1.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["dims"])?;
        let list = config.ints_or("dims", &[])?;
        if list.is_empty() || list.len() > 3 || list.iter().any(|d| *d < -1) || list.iter().filter(|d| **d == -1).count() > 1 {
            let expected = "[width, height, channels], integers of at least 0 (0 keeps) and at most one -1 (inferred)";
            return Err(config.error("dims", format!("{list:?}"), expected));
        }
        let mut dims = [1; 3];
        dims[..list.len()].copy_from_slice(&list);
        Ok(Reshape { dims, float: PhantomData })
    }
}

/// Copies an image from one channels-last shape to another; shapes are `[pixels, channels]`.
fn permute<T: Float>(from: [usize; 2], x: &[T], to: [usize; 2], y: &mut [T]) {
    if from == to {
        return y.copy_from_slice(x);
    }
    let (mut pixel, mut channel) = (0, 0);
    for c in 0..to[1] {
        for p in 0..to[0] {
            y[p * to[1] + c] = x[pixel * from[1] + channel];
            pixel += 1;
            if pixel == from[0] {
                (pixel, channel) = (0, channel + 1);
            }
        }
    }
}

fn pixels_and_channels(shape: &[usize]) -> [usize; 2] {
    let [_, c, h, w] = dims4(shape);
    // One channel and one pixel lie alike.
    if c == 1 { [1, h * w] } else { [h * w, c] }
}

impl<T: Float> Cell<T> for Reshape<T> {
    fn kind(&self) -> &'static str {
        "Reshape"
    }

    fn inputs(&self) -> Inputs {
        Inputs::One
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, h, w] = dims4(inputs[0]);
        let mut dims = [w, h, c];
        for (d, wish) in dims.iter_mut().zip(self.dims) {
            if wish != 0 {
                *d = wish.max(1) as usize;
            }
        }
        if let Some(inferred) = self.dims.iter().position(|d| *d == -1) {
            // A product that is too large infers 0, which fits no input.
            dims[inferred] = values_of(&dims).map_or(0, |known| c * h * w / known);
        }
        if values_of(&dims) != Some(c * h * w) {
            let got = format!("{:?}, which makes {dims:?}", self.dims);
            return Err(Error::shape(name, "`dims`", format!("a shape of the {} values of an input [{w}, {h}, {c}]", c * h * w), got));
        }
        Ok(vec![n, dims[2], dims[1], dims[0]])
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(vec![Phase::streaming(f.output.shape()[0], 2 * f.output.len()).by_image(1)])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let len = f.output.len() / f.output.shape()[0];
        let (from, to) = (pixels_and_channels(f.inputs[0].shape()), pixels_and_channels(f.output.shape()));
        // SAFETY: every item writes its own image.
        permute(from, f.inputs[0].part(item * len, len), to, unsafe { f.output.part_mut(item * len, len) });
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let items = if f.grad_inputs[0].is_some() { f.output.shape()[0] } else { 0 };
        Ok(vec![Phase::streaming(items, 2 * f.output.len()).by_image(1)])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let len = f.output.len() / f.output.shape()[0];
        let (from, to) = (pixels_and_channels(f.output.shape()), pixels_and_channels(gx.shape()));
        // SAFETY: every item writes its own image.
        permute(from, f.gy().part(item * len, len), to, unsafe { gx.part_mut(item * len, len) });
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Tensor, config};

    fn shape_of(dims: &[i64]) -> Result<Vec<usize>, String> {
        let unit = Unit::<f32>::new("Reshape_0", "Reshape", &config! { "dims" => dims.to_vec() }).map_err(|e| e.to_string())?;
        unit.output_shape(&[&[5, 4, 2, 3]]).map_err(|e| e.to_string())
    }

    #[test]
    fn zero_keeps_minus_one_is_inferred_and_missing_ones_are_1() {
        assert_eq!(shape_of(&[1, 1, 24]), Ok(vec![5, 24, 1, 1]));
        assert_eq!(shape_of(&[1, 1, -1]), Ok(vec![5, 24, 1, 1]));
        assert_eq!(shape_of(&[0, -1]), Ok(vec![5, 1, 8, 3]));
        assert_eq!(shape_of(&[2, 3, 0]), Ok(vec![5, 4, 3, 2]));
    }

    #[test]
    fn errors_say_what_would_fit() {
        let text = "Reshape_0: `dims`: expected a shape of the 24 values of an input [3, 2, 4], got [5, 5, 1], which makes [5, 5, 1]";
        assert_eq!(shape_of(&[5, 5]).unwrap_err(), text);
        assert!(shape_of(&[5, -1]).is_err());
        let text = "Reshape_0: parameter `dims` is [-1, -1], expected [width, height, channels], integers of at least 0 (0 keeps) and at most one -1 (inferred)";
        assert_eq!(shape_of(&[-1, -1]).unwrap_err(), text);
    }

    #[test]
    fn values_keep_their_logical_order_both_ways() {
        let values: Vec<f32> = (0..48).map(|v| v as f32).collect();
        for dims in [[1i64, 1, 24], [3, 2, 4], [6, 4, 1], [2, 2, 6], [24, 1, 1], [1, 12, 2]] {
            let unit = Unit::new("r", "Reshape", &config! { "dims" => dims.to_vec() }).unwrap();
            let x = Var::leaf(Tensor::from_vec(values.clone(), &[2, 4, 2, 3]).unwrap(), true);
            let y = unit.call(std::slice::from_ref(&x)).unwrap();
            assert_eq!(y.tensor().to_vec(), values, "{dims:?}");
            y.back_propagate(Some(Tensor::from_vec(values.clone(), y.tensor().shape()).unwrap())).unwrap();
            assert_eq!(x.grad().unwrap().to_vec(), values, "{dims:?}");
        }
    }
}
