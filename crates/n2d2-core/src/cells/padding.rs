//! `Padding`: zeros around an image, or rows and columns taken away from it.
//!
//! `y[i, j] = x[i - top, j - left]`, 0 where that is outside the image. Each side has its own width; a negative one crops.
//! The gradient is cropped where the image was padded, and padded with zeros where it was cropped.
//!
//! Shapes: `[n, c, h, w]` to `[n, c, h + top + bottom, w + left + right]`. Several inputs are joined along channels.
//! Source: ONNX `Pad` with mode `constant`.

use super::{Cell, Frame, Phase};
use crate::config::Config;
use crate::data::transform::MAX_SIDE;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor, dims4};
use std::marker::PhantomData;

/// Padding or cropping of each side by itself.
///
/// Parameters: `top_pad`, `bot_pad`, `left_pad`, `right_pad` (required), pixels, from -32768 to 32768.
pub struct Padding<T: Float> {
    top: isize,
    bottom: isize,
    left: isize,
    right: isize,
    float: PhantomData<T>,
}

impl<T: Float> Padding<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`Error::Value`] for a side of more than 32768 pixels.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["top_pad", "bot_pad", "left_pad", "right_pad"])?;
        let side = |name: &str| {
            let v = config.int(name)?;
            let fits = v.unsigned_abs() <= MAX_SIDE as u64;
            if fits { Ok(v as isize) } else { Err(config.error(name, v, format!("an integer from -{MAX_SIDE} to {MAX_SIDE}"))) }
        };
        Ok(Padding { top: side("top_pad")?, bottom: side("bot_pad")?, left: side("left_pad")?, right: side("right_pad")?, float: PhantomData })
    }
}

/// Writes row `item` of all rows of `y`: `y[i, j] = x[i - top, j - left]`, 0 outside.
fn shifted_row<T: Float>(x: &Tensor<T>, y: &Tensor<T>, [top, left]: [isize; 2], item: usize) {
    let ([_, c, h, w], [_, _, y_h, y_w]) = (dims4(x.shape()), dims4(y.shape()));
    let (image, i) = (item / y_h, item % y_h);
    // SAFETY: every item writes its own row.
    let y = unsafe { y.part_mut(item * y_w * c, y_w * c) };
    let row = i as isize - top;
    let (first, end) = (left.clamp(0, y_w as isize), (w as isize + left).clamp(0, y_w as isize));
    if !(0..h as isize).contains(&row) || first >= end {
        return y.fill(T::zero());
    }
    let pixel = (image * h + row as usize) * w + (first - left) as usize;
    let (first, end) = (first as usize * c, end as usize * c);
    y[..first].fill(T::zero());
    y[first..end].copy_from_slice(x.part(pixel * c, end - first));
    y[end..].fill(T::zero());
}

/// One item for each row of `y`.
fn rows<T: Float>(y: &Tensor<T>) -> Vec<Phase> {
    vec![Phase::streaming(y.shape()[0] * y.shape()[2], 2 * y.len()).by_image(1)]
}

impl<T: Float> Cell<T> for Padding<T> {
    fn kind(&self) -> &'static str {
        "Padding"
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, h, w] = dims4(inputs[0]);
        let (y_h, y_w) = (h as isize + self.top + self.bottom, w as isize + self.left + self.right);
        if y_h < 1 || y_w < 1 {
            let got = format!("[{y_h}, {y_w}] from [{h}, {w}]; crop less");
            return Err(Error::shape(name, "height and width of the output", "at least 1", got));
        }
        Ok(vec![n, c, y_h as usize, y_w as usize])
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(rows(f.output))
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        shifted_row(&f.inputs[0], f.output, [self.top, self.left], item);
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(f.grad_inputs[0].as_ref().map_or(Vec::new(), rows))
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        shifted_row(f.gy(), gx, [-self.top, -self.left], item);
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Tensor, config};
    use std::sync::Arc;

    fn unit([top, bottom, left, right]: [i64; 4]) -> Result<Arc<Unit<f64>>, String> {
        let config = config! { "top_pad" => top, "bot_pad" => bottom, "left_pad" => left, "right_pad" => right };
        Unit::new("Padding_0", "Padding", &config).map_err(|e| e.to_string())
    }

    /// Output of the 2 x 3 image 1 .. 6, and the gradient for the gradient 1, 2, 3 ...
    fn run(sides: [i64; 4]) -> (Vec<usize>, Vec<f64>, Vec<f64>) {
        let x = Var::leaf(Tensor::from_vec((1..=6).map(f64::from).collect(), &[1, 1, 2, 3]).unwrap(), true);
        let y = unit(sides).unwrap().call(std::slice::from_ref(&x)).unwrap();
        let gy = (1..=y.tensor().len()).map(|v| v as f64).collect();
        y.back_propagate(Some(Tensor::from_vec(gy, y.tensor().shape()).unwrap())).unwrap();
        (y.tensor().shape().to_vec(), y.tensor().to_vec(), x.grad().unwrap().to_vec())
    }

    #[test]
    fn sides_by_hand() {
        let (shape, y, gx) = run([1, 0, 0, 2]);
        assert_eq!(shape, [1, 1, 3, 5]);
        assert_eq!(y, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 4.0, 5.0, 6.0, 0.0, 0.0]);
        assert_eq!(gx, [6.0, 7.0, 8.0, 11.0, 12.0, 13.0]);
        let (shape, y, gx) = run([-1, 1, 1, -2]);
        assert_eq!(shape, [1, 1, 2, 2]);
        assert_eq!(y, [0.0, 4.0, 0.0, 0.0]);
        assert_eq!(gx, [0.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn an_image_may_leave_the_frame_altogether() {
        for sides in [[3, -2, 0, 0], [-2, 3, 0, 0], [0, 0, 4, -3], [0, 0, -3, 4], [0, 0, -7, 8], [9, -8, -9, 8]] {
            let (_, y, gx) = run(sides);
            assert!(y.iter().chain(&gx).all(|v| *v == 0.0), "{sides:?}");
        }
    }

    #[test]
    fn channels_move_together_and_inputs_are_joined() {
        let x: Vec<_> = [1.0, 2.0].map(|v| Var::leaf(Tensor::from_vec(vec![v, 10.0 * v], &[1, 1, 1, 2]).unwrap(), true)).into();
        let y = unit([0, 0, 1, -1]).unwrap().call(&x).unwrap();
        assert_eq!((y.tensor().shape(), y.tensor().to_vec()), (&[1, 2, 1, 2][..], vec![0.0, 1.0, 0.0, 2.0]));
        y.back_propagate(Some(Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], &[1, 2, 1, 2]).unwrap())).unwrap();
        assert_eq!(x[0].grad().unwrap().to_vec(), [2.0, 0.0]);
        assert_eq!(x[1].grad().unwrap().to_vec(), [4.0, 0.0]);
    }

    #[test]
    fn errors_say_what_would_fit() {
        let e = unit([-1, -1, 0, 0]).unwrap().output_shape(&[&[1, 1, 2, 3]]).unwrap_err();
        let text = "Padding_0: height and width of the output: expected at least 1, got [0, 3] from [2, 3]; crop less";
        assert_eq!(e.to_string(), text);
        let text = "Padding_0: parameter `left_pad` is -32769, expected an integer from -32768 to 32768";
        assert_eq!(unit([0, 0, -32769, 0]).err().unwrap(), text);
        assert!(unit([i64::MIN, 0, 0, 0]).is_err());
        let missing = Unit::<f32>::new("Padding_0", "Padding", &config! { "top_pad" => 1i64 }).err().unwrap();
        assert_eq!(missing.to_string(), "Padding_0: parameter `bot_pad` is missing, expected a value");
    }
}
