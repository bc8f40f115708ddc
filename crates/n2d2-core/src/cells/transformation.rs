//! `Transformation`: transformations of images, applied to every stimulus inside a network.
//!
//! A stimulus is an image of 32-bit floats `[h, w, c]`; the transformations are those of [`crate::data::transform`], in
//! order. What is random in them depends on the seed, the cell, the step and the stimulus, never on a thread; in test mode
//! every pass draws alike. In learning mode those are applied that apply to the Learn partition, in test mode those that
//! apply to Validation and Test, which a cell cannot tell apart.
//!
//! Forward only: the gradient of the input is 0.
//!
//! Shapes: `[n, c, h, w]` to `[n, c, h', w']`, which the transformations choose and which must be alike in both modes.

use super::{Cell, Frame, Inputs, Phase};
use crate::config::Config;
use crate::data::transform::{Transform, TransformFn};
use crate::data::{Image, Partition, Pixels, transformed, within};
use crate::error::{Error, Result};
use crate::random;
use crate::tensor::{Float, Shape, dims4};
use std::marker::PhantomData;

/// Transformations of the stimuli; made by [`Transformation::of`] and [`crate::graph::Unit::with_cell`].
pub struct Transformation<T: Float> {
    transforms: Vec<Transform>,
    /// What the running pass applies.
    chain: Vec<TransformFn>,
    float: PhantomData<T>,
}

impl<T: Float> Transformation<T> {
    /// There is no cell without transformations, and no plain value that could name them.
    ///
    /// # Errors
    /// [`Error::Unknown`] for any parameter, else [`Error::Value`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&[])?;
        Err(config.error("transformation", "missing", "transformations, which `Transformation::of` takes"))
    }

    /// A cell called `owner` of these transformations, applied in order. They stay shared: a parameter that is changed
    /// later counts from the next pass.
    ///
    /// # Errors
    /// [`Error::Value`] for no transformation, or one that is applied to only one of Validation and Test.
    pub fn of(owner: &str, transforms: Vec<Transform>) -> Result<Self> {
        if transforms.is_empty() {
            return Err(Error::value(owner, "transformation", "an empty list", "at least one transformation"));
        }
        if let Some(t) = transforms.iter().find(|t| t.apply_to.has(Partition::Validation) != t.apply_to.has(Partition::Test)) {
            let got = format!("a {} with apply_to {:?}", t.snapshot().kind(), t.apply_to);
            let expected = "All, LearnOnly or NoLearn: a cell knows learning and test mode, not Validation from Test";
            return Err(Error::value(owner, "transformation", got, expected));
        }
        Ok(Transformation { transforms, chain: Vec::new(), float: PhantomData })
    }

    /// What is applied in learning or in test mode, with its parameters as they are now.
    fn chain(&self, learn: bool) -> Vec<TransformFn> {
        let partition = if learn { Partition::Learn } else { Partition::Test };
        self.transforms.iter().filter(|t| t.apply_to.has(partition)).map(Transform::snapshot).collect()
    }
}

/// The output shape of these transformations for an input `[n, c, h, w]`.
fn shape_of(name: &str, chain: &[TransformFn], input: &[usize]) -> Result<Shape> {
    let [n, c, h, w] = dims4(input);
    let [h, w, c] = chain.iter().try_fold([h, w, c], |shape, t| t.output_shape(shape)).map_err(|e| within(e, name))?;
    Ok(vec![n, c, h, w])
}

impl<T: Float> Cell<T> for Transformation<T> {
    fn kind(&self) -> &'static str {
        "Transformation"
    }

    fn inputs(&self) -> Inputs {
        Inputs::One
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [learn, test] = [true, false].map(|learn| shape_of(name, &self.chain(learn), inputs[0]));
        let (learn, test) = (learn?, test?);
        if learn != test {
            return Err(Error::shape(name, "output in test mode", format!("{learn:?}, that of learning mode"), format!("{test:?}")));
        }
        Ok(learn)
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.chain = self.chain(f.learn);
        if shape_of(f.name, &self.chain, f.inputs[0].shape())? != f.output.shape() {
            return Err(Error::state(f.name, "a transformation was changed while the cell was called; call it again"));
        }
        let elements = f.inputs[0].len().max(f.output.len());
        // About 3 ns for a value and transformation, as a provider reckons.
        Ok(vec![Phase::new(f.output.shape()[0], 3 * elements * self.chain.len() + elements)])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let ([_, c, h, w], len) = (dims4(f.inputs[0].shape()), f.output.len() / f.output.shape()[0]);
        let x: Vec<f32> = f.inputs[0].part(item * h * w * c, h * w * c).iter().map(|v| v.as_f64() as f32).collect();
        let key = random::key(&[f.random_key, item as u64]);
        let image = transformed(Image::floats(h, w, c, x), &self.chain, key).expect("`output_shape` has accepted the size");
        // SAFETY: every item writes its own image.
        let y = unsafe { f.output.part_mut(item * len, len) };
        match image.pixels {
            Pixels::F32(p) => y.iter_mut().zip(p.iter()).for_each(|(y, v)| *y = T::of(f64::from(*v))),
            Pixels::U8(p) => y.iter_mut().zip(p.iter()).for_each(|(y, v)| *y = T::of(f64::from(*v) / 255.0)),
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(f.grad_inputs[0].as_ref().map_or(Vec::new(), |gx| vec![Phase::streaming(gx.shape()[0], gx.len())]))
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let len = gx.len() / gx.shape()[0];
        // SAFETY: every item writes its own image.
        unsafe { gx.part_mut(item * len, len) }.fill(T::zero());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::config;
    use crate::data::transform::ApplyTo;
    use crate::graph::{Unit, Var};
    use std::sync::Arc;

    fn transform(kind: &str, config: &Config, apply_to: ApplyTo) -> Transform {
        Transform::new(kind, config, apply_to).unwrap()
    }

    fn unit<T: Float>(transforms: Vec<Transform>) -> Arc<Unit<T>> {
        Unit::with_cell("t", Box::new(Transformation::of("t", transforms).unwrap()))
    }

    fn leaf(shape: &[usize; 4]) -> Var<f64> {
        let len: usize = shape.iter().product();
        Var::leaf(Tensor::from_vec((0..len).map(|v| v as f64).collect(), shape).unwrap(), true)
    }

    #[test]
    fn stimuli_go_through_all_in_order_and_no_gradient_comes_back() {
        let double = config! { "first_operator" => "Multiplies", "first_value" => vec![2.0, 1.0], "second_value" => 0.5 };
        let crop = config! { "width" => 1usize, "height" => 2usize };
        let unit = unit(vec![transform("RangeAffine", &double, ApplyTo::All), transform("PadCrop", &crop, ApplyTo::All)]);
        let x = leaf(&[2, 2, 1, 2]);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        assert_eq!(y.tensor().shape(), [2, 2, 2, 1]);
        // Of the values 0 .. 7, the last column goes; the new row above repeats the only one there is.
        assert_eq!(y.tensor().to_vec(), [0.5, 0.5, 2.5, 2.5, 8.5, 8.5, 6.5, 6.5]);
        y.back_propagate(None).unwrap();
        assert_eq!(x.grad().unwrap().to_vec(), [0.0; 8]);
    }

    #[test]
    fn random_draws_differ_by_stimulus_and_step_and_stay_in_test_mode() {
        let flip = transform("Flip", &config! { "random_horizontal_flip" => true }, ApplyTo::All);
        let (unit, x) = (unit(vec![flip]), leaf(&[64, 1, 1, 2]));
        let pass = || unit.call(std::slice::from_ref(&x)).unwrap().tensor().to_vec();
        let flipped = |y: &[f64]| y.chunks(2).filter(|c| c[0] > c[1]).count();
        let (first, second) = (pass(), pass());
        assert!((16..=48).contains(&flipped(&first)), "{}", flipped(&first));
        assert_ne!(first, second);
        unit.with(|u| u.learn = false);
        assert_eq!(pass(), pass());
    }

    #[test]
    fn modes_choose_by_partition() {
        let flip = |apply_to| transform("Flip", &config! { "horizontal_flip" => true }, apply_to);
        let (x, kept, flipped) = (leaf(&[1, 1, 1, 2]), vec![0.0, 1.0], vec![1.0, 0.0]);
        for (apply_to, learn, test) in [(ApplyTo::LearnOnly, &flipped, &kept), (ApplyTo::NoLearn, &kept, &flipped)] {
            let unit = unit(vec![flip(apply_to)]);
            assert_eq!(&unit.call(std::slice::from_ref(&x)).unwrap().tensor().to_vec(), learn);
            unit.with(|u| u.learn = false);
            assert_eq!(&unit.call(std::slice::from_ref(&x)).unwrap().tensor().to_vec(), test);
        }
        let e = Transformation::<f32>::of("t", vec![flip(ApplyTo::TestOnly)]).err().unwrap().to_string();
        let expected = "All, LearnOnly or NoLearn: a cell knows learning and test mode, not Validation from Test";
        assert_eq!(e, format!("t: parameter `transformation` is a Flip with apply_to TestOnly, expected {expected}"));
    }

    #[test]
    fn a_changed_parameter_counts_from_the_next_pass() {
        let flip = transform("Flip", &config! {}, ApplyTo::All);
        let (unit, x) = (unit(vec![flip.clone()]), leaf(&[1, 1, 1, 2]));
        assert_eq!(unit.call(std::slice::from_ref(&x)).unwrap().tensor().to_vec(), [0.0, 1.0]);
        flip.set("horizontal_flip", &true.into()).unwrap();
        assert_eq!(unit.call(std::slice::from_ref(&x)).unwrap().tensor().to_vec(), [1.0, 0.0]);
    }

    #[test]
    fn errors_say_what_would_fit() {
        let e = Unit::<f32>::new("Transformation_0", "Transformation", &config! {}).err().unwrap().to_string();
        assert_eq!(e, "Transformation_0: parameter `transformation` is missing, expected transformations, which `Transformation::of` takes");
        let e = Transformation::<f32>::of("t", vec![]).err().unwrap().to_string();
        assert_eq!(e, "t: parameter `transformation` is an empty list, expected at least one transformation");
        let affine = config! { "first_operator" => "Plus", "first_value" => vec![1.0, 2.0] };
        let cell = unit::<f32>(vec![transform("RangeAffine", &affine, ApplyTo::All)]);
        let e = cell.output_shape(&[&[1, 3, 2, 2]]).unwrap_err().to_string();
        assert_eq!(e, "t: RangeAffine: first_value: expected 1 or 3 values for 3 channels, got 2");
        let size = config! { "width" => 4usize, "height" => 2usize };
        let cell = unit::<f32>(vec![transform("Rescale", &size, ApplyTo::LearnOnly)]);
        let e = cell.output_shape(&[&[1, 3, 2, 2]]).unwrap_err().to_string();
        assert_eq!(e, "t: output in test mode: expected [1, 3, 2, 4], that of learning mode, got [1, 3, 2, 2]");
    }
}
