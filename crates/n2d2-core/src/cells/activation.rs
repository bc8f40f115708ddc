//! `Activation`: copies its inputs, concatenated along channels, so that an activation can be applied to the copy.
//!
//! Shapes: `[n, c, h, w]` to the same. The function is applied to each block as it is copied.

use super::{Cell, Fold, Frame, Parts, Phase};
use crate::activation::ActivationFn;
use crate::config::Config;
use crate::error::Result;
use crate::tensor::{Float, Shape};
use crate::vectorise::vectorised;
use std::marker::PhantomData;

/// Elements of an item.
const ITEM: usize = 16 * 1024;
/// Elements that are copied and activated at once, in the first cache.
const BLOCK: usize = 2048;

/// A copy of the input, for its activation.
pub struct Activation<T: Float>(PhantomData<T>);

vectorised! {
    /// As the rectifier does it: what is not a number stays that.
    fn rectify<T: Float>(x: &[T], y: &mut [T]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = if *x < T::zero() { T::zero() } else { *x };
        }
    }
}

impl<T: Float> Activation<T> {
    /// There are no parameters.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`] for any parameter.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&[])?;
        Ok(Activation(PhantomData))
    }
}

impl<T: Float> Cell<T> for Activation<T> {
    fn kind(&self) -> &'static str {
        "Activation"
    }

    fn output_shape(&self, _: &str, inputs: &[&[usize]]) -> Result<Shape> {
        Ok(inputs[0].to_vec())
    }

    fn fuses_activation(&self) -> bool {
        true
    }

    fn fold(&self) -> Option<Fold<T>> {
        Some(Fold::Identity)
    }

    fn fuses_deactivation(&self) -> bool {
        true
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(vec![Parts::new(f.output.shape(), ITEM, 1).phase(2 * f.output.len())])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (first, n) = Parts::new(f.output.shape(), ITEM, 1).part(item);
        if f.activation.is_some_and(ActivationFn::is_relu) {
            // SAFETY: items are disjoint.
            return rectify(f.inputs[0].part(first, n), unsafe { f.output.part_mut(first, n) });
        }
        for start in (first..first + n).step_by(BLOCK) {
            let len = BLOCK.min(first + n - start);
            // SAFETY: items are disjoint.
            let y = unsafe { f.output.part_mut(start, len) };
            y.copy_from_slice(f.inputs[0].part(start, len));
            if let Some(activation) = f.activation {
                activation.forward(y);
            }
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(vec![Parts::new(f.output.shape(), ITEM, 1).phase(2 * f.output.len())])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (first, n) = Parts::new(f.output.shape(), ITEM, 1).part(item);
        for start in (first..first + n).step_by(BLOCK) {
            let len = BLOCK.min(first + n - start);
            // SAFETY: items are disjoint, and each element is met once.
            let gy = unsafe { f.deactivated(start, len) };
            if let Some(gx) = &f.grad_inputs[0] {
                // SAFETY: items are disjoint.
                unsafe { gx.part_mut(start, len) }.copy_from_slice(gy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::activation::Activation;
    use crate::graph::{Unit, Var};
    use crate::{Config, Tensor};

    #[test]
    fn the_input_stays_and_the_copy_is_activated() {
        let unit = Unit::<f32>::new("a", "Activation", &Config::default()).unwrap();
        unit.with(|u| u.activation = Some(Activation::new("Rectifier", &Config::default()).unwrap()));
        let x = Var::leaf(Tensor::from_vec(vec![-1.0, 2.0, 0.0, 4.0], &[1, 2, 1, 2]).unwrap(), true);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        assert_eq!(y.tensor().to_vec(), [0.0, 2.0, 0.0, 4.0]);
        assert_eq!(x.tensor().to_vec(), [-1.0, 2.0, 0.0, 4.0]);
        y.back_propagate(Some(Tensor::from_vec(vec![1.0, 2.0, 3.0, 4.0], &[1, 2, 1, 2]).unwrap())).unwrap();
        assert_eq!(x.grad().unwrap().to_vec(), [0.0, 2.0, 0.0, 4.0]);
    }
}
