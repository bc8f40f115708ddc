//! `Transpose`: the axes of every image in another order.
//!
//! `perm` lists axes of the input in N2D2's order, width 0, height 1, channels 2, batch 3: axis `i` of the output is axis
//! `perm[i]` of the input. A short list is completed with the axes that stay; the batch stays last. Hence
//! `y[k_0, k_1, k_2] = x[..]` where the input's index along `perm[i]` is `k_i`, and the gradient goes back by the inverse
//! permutation.
//!
//! Shapes: `[n, d_2, d_1, d_0]` to `[n, d_perm[2], d_perm[1], d_perm[0]]`. Several inputs are joined along channels.
//! Source: ONNX `Transpose`.

use super::{Cell, Frame, Phase};
use crate::config::Config;
use crate::error::Result;
use crate::tensor::{Float, Shape, Tensor, dims4};
use std::marker::PhantomData;

/// Another order of width, height and channels.
///
/// Parameter: `perm` (required), a permutation of `[0, 1, 2, 3]` that ends with 3; missing axes stay.
pub struct Transpose<T: Float> {
    perm: [usize; 3],
    inverse: [usize; 3],
    float: PhantomData<T>,
}

impl<T: Float> Transpose<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`crate::Error::Value`] for anything but a permutation, or one that moves the batch.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["perm"])?;
        let list = config.ints_or("perm", &[])?;
        let mut axes = [0i64, 1, 2, 3];
        let count = list.len().min(4);
        axes[..count].copy_from_slice(&list[..count]);
        let mut sorted = axes;
        sorted.sort_unstable();
        if list.is_empty() || list.len() > 4 || sorted != [0, 1, 2, 3] {
            let expected = "a permutation of [0, 1, 2, 3], which stand for width, height, channels and batch; missing axes stay";
            return Err(config.error("perm", format!("{list:?}"), expected));
        }
        if axes[3] != 3 {
            return Err(config.error("perm", format!("{list:?}"), "3, the batch, at the last place: it cannot be moved"));
        }
        let (mut perm, mut inverse) = ([0; 3], [0; 3]);
        for (i, axis) in axes[..3].iter().enumerate() {
            perm[i] = *axis as usize;
            inverse[perm[i]] = i;
        }
        Ok(Transpose { perm, inverse, float: PhantomData })
    }
}

/// Pixels and channels of a tile, which lies in the cache in both orders.
const TILE: usize = 16;

/// Writes row `item` of all rows of `y`, the image `x` with its axes in the order `perm`.
fn permuted_row<T: Float>(x: &Tensor<T>, y: &Tensor<T>, perm: [usize; 3], item: usize) {
    let ([_, c, h, w], [_, y_c, y_h, y_w]) = (dims4(x.shape()), dims4(y.shape()));
    // Channels lie next to each other.
    let strides = [c, w * c, 1];
    let [across, down, deep] = perm.map(|axis| strides[axis]);
    let (image, i) = (item / y_h, item % y_h);
    let x = &x.part(image * h * w * c, h * w * c)[i * down..];
    // SAFETY: every item writes its own row.
    let y = unsafe { y.part_mut(item * y_w * y_c, y_w * y_c) };
    if deep == 1 {
        for (j, y) in y.chunks_exact_mut(y_c).enumerate() {
            y.copy_from_slice(&x[j * across..][..y_c]);
        }
        return;
    }
    for first in (0..y_c).step_by(TILE) {
        let channels = first..(first + TILE).min(y_c);
        for (j, y) in y.chunks_exact_mut(y_c).enumerate() {
            for k in channels.clone() {
                y[k] = x[j * across + k * deep];
            }
        }
    }
}

/// One item for each row of `y`.
fn rows<T: Float>(y: &Tensor<T>) -> Vec<Phase> {
    vec![Phase::streaming(y.shape()[0] * y.shape()[2], 4 * y.len()).by_image(1)]
}

impl<T: Float> Cell<T> for Transpose<T> {
    fn kind(&self) -> &'static str {
        "Transpose"
    }

    fn output_shape(&self, _: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, h, w] = dims4(inputs[0]);
        let [y_w, y_h, y_c] = self.perm.map(|axis| [w, h, c][axis]);
        Ok(vec![n, y_c, y_h, y_w])
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(rows(f.output))
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        permuted_row(&f.inputs[0], f.output, self.perm, item);
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(f.grad_inputs[0].as_ref().map_or(Vec::new(), rows))
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        permuted_row(f.gy(), gx, self.inverse, item);
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Unit, Var};
    use crate::{Tensor, config};
    use std::sync::Arc;

    fn unit(perm: &[i64]) -> Result<Arc<Unit<f64>>, String> {
        Unit::new("Transpose_0", "Transpose", &config! { "perm" => perm.to_vec() }).map_err(|e| e.to_string())
    }

    #[test]
    fn width_and_height_by_hand() {
        let x = Var::leaf(Tensor::from_vec((0..6).map(f64::from).collect(), &[1, 1, 2, 3]).unwrap(), true);
        let y = unit(&[1, 0]).unwrap().call(std::slice::from_ref(&x)).unwrap();
        assert_eq!((y.tensor().shape(), y.tensor().to_vec()), (&[1, 1, 3, 2][..], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        y.back_propagate(Some(Tensor::from_vec((0..6).map(f64::from).collect(), &[1, 1, 3, 2]).unwrap())).unwrap();
        assert_eq!(x.grad().unwrap().to_vec(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    }

    #[test]
    fn every_permutation_moves_each_value_to_its_place_and_back() {
        let shape = [2, 19, 4, 5];
        let values: Vec<f64> = (0..2 * 19 * 4 * 5).map(f64::from).collect();
        for perm in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let x = Var::leaf(Tensor::from_vec(values.clone(), &shape).unwrap(), true);
            let y = unit(&perm.map(|p| p as i64)).unwrap().call(std::slice::from_ref(&x)).unwrap();
            let sizes = perm.map(|axis| [5, 4, 19][axis]);
            assert_eq!(y.tensor().shape(), [2, sizes[2], sizes[1], sizes[0]]);
            for n in 0..2 {
                for (w, h, c) in (0..5).flat_map(|w| (0..4).flat_map(move |h| (0..19).map(move |c| (w, h, c)))) {
                    let to = perm.map(|axis| [w, h, c][axis]);
                    assert_eq!(y.tensor().at(&[n, to[2], to[1], to[0]]), x.tensor().at(&[n, c, h, w]), "{perm:?}");
                }
            }
            let gy = Tensor::from_vec(y.tensor().to_vec(), y.tensor().shape()).unwrap();
            y.back_propagate(Some(gy)).unwrap();
            assert_eq!(x.grad().unwrap().to_vec(), values, "{perm:?}");
        }
    }

    #[test]
    fn errors_say_what_would_fit() {
        let expected = "a permutation of [0, 1, 2, 3], which stand for width, height, channels and batch; missing axes stay";
        for perm in [&[][..], &[0, 0], &[1, 2], &[0, 1, 4], &[-1, 1, 2], &[0, 1, 2, 3, 4]] {
            let text = format!("Transpose_0: parameter `perm` is {perm:?}, expected {expected}");
            assert_eq!(unit(perm).err().unwrap(), text);
        }
        let text = "Transpose_0: parameter `perm` is [0, 1, 3, 2], expected 3, the batch, at the last place: it cannot be moved";
        assert_eq!(unit(&[0, 1, 3, 2]).err().unwrap(), text);
        assert!(unit(&[0, 1, 2, 3]).is_ok());
    }
}
