//! `Dropout`: while learning, `y = m * x` with `m = 1 / (1 - p)` with probability `1 - p`, else 0; at test `y = x`.
//!
//! The mask of an element depends on the key of the pass and on the element's place, never on a thread.
//!
//! Shapes: `[n, c, h, w]` to the same. Source: N. Srivastava et al., "Dropout", JMLR 15 (2014); ONNX `Dropout`.

use super::{Cell, Fold, Frame, Phase};
use crate::config::Config;
use crate::error::Result;
use crate::random::Stream;
use crate::tensor::{Float, Shape};
use crate::vectorise::vectorised;
use std::marker::PhantomData;

/// Elements of an item: a multiple of the buffer of random words.
const ITEM: usize = 8 * 1024;

/// Inverted dropout.
///
/// Parameter: `dropout`, the probability to drop an element, in `[0, 1]` (default 0.5).
pub struct Dropout<T: Float> {
    probability: f64,
    float: PhantomData<T>,
}

fn probability(config: &Config, default: f64) -> Result<f64> {
    let p = config.float_or("dropout", default)?;
    if (0.0..=1.0).contains(&p) { Ok(p) } else { Err(config.error("dropout", p, "a probability, from 0 to 1")) }
}

impl<T: Float> Dropout<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`crate::Error::Value`] for a probability outside `[0, 1]`.
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["dropout"])?;
        Ok(Dropout { probability: probability(config, 0.5)?, float: PhantomData })
    }

    /// Draws the factors of the elements from `start` on.
    fn draw(&self, key: u64, start: usize, mask: &mut [T]) {
        let stream = Stream::new(key);
        let scale = if self.probability < 1.0 { T::of(1.0 / (1.0 - self.probability)) } else { T::zero() };
        // A word below the limit drops; 1 drops all, which no word can say.
        let limit = (self.probability * 4_294_967_296.0) as u64;
        let mut words = [0; 1024];
        for (i, mask) in mask.chunks_mut(words.len()).enumerate() {
            let words = &mut words[..mask.len()];
            stream.fill_u32((start + i * 1024) as u64, words);
            for (m, word) in mask.iter_mut().zip(words) {
                *m = if u64::from(*word) < limit { T::zero() } else { scale };
            }
        }
    }
}

vectorised! {
    fn multiply<T: Float>(x: &[T], mask: &[T], y: &mut [T]) {
        for ((y, x), m) in y.iter_mut().zip(x).zip(mask) {
            // A dropped element is 0 even where x is not finite.
            *y = if *m == T::zero() { T::zero() } else { *x * *m };
        }
    }
}

impl<T: Float> Cell<T> for Dropout<T> {
    fn kind(&self) -> &'static str {
        "Dropout"
    }

    fn output_shape(&self, _: &str, inputs: &[&[usize]]) -> Result<Shape> {
        Ok(inputs[0].to_vec())
    }

    fn saved(&self, _: &[&[usize]], output: &[usize]) -> (usize, usize) {
        (output.iter().product(), 0)
    }

    fn fold(&self) -> Option<Fold<T>> {
        Some(Fold::Identity)
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let n = f.output.len();
        Ok(vec![Phase::new(n.div_ceil(ITEM), if f.learn { 4 * n } else { n / 4 })])
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (start, len) = (item * ITEM, ITEM.min(f.output.len() - item * ITEM));
        let x = f.inputs[0].part(start, len);
        // SAFETY: items are disjoint.
        let (y, mask) = unsafe { (f.output.part_mut(start, len), f.saved.values.part_mut(start, len)) };
        if f.learn {
            self.draw(f.random_key, start, mask);
            multiply(x, mask, y);
        } else {
            y.copy_from_slice(x);
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let items = if f.grad_inputs[0].is_some() { f.output.len().div_ceil(ITEM) } else { 0 };
        Ok(vec![Phase::streaming(items, 2 * f.output.len())])
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let (start, len) = (item * ITEM, ITEM.min(gx.len() - item * ITEM));
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        let gy = f.gy().part(start, len);
        if f.learn { multiply(gy, f.saved.values.part(start, len), gx) } else { gx.copy_from_slice(gy) }
    }

    fn set(&mut self, config: &Config) -> Result<()> {
        config.only(&["dropout"])?;
        self.probability = probability(config, self.probability)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use crate::config;
    use crate::graph::{Unit, Var};

    #[test]
    fn factors_are_zero_or_the_inverse_of_the_kept_share() {
        let d = Dropout::<f64>::new(&config! { "dropout" => 0.2 }).unwrap();
        let mut mask = vec![-1.0; 40_000];
        d.draw(5, 0, &mut mask);
        let dropped = mask.iter().filter(|m| **m == 0.0).count();
        assert!((7600..8400).contains(&dropped) && mask.iter().all(|m| *m == 0.0 || *m == 1.25));
        // Any part that starts at a multiple of four draws the same factors.
        let mut part = vec![-1.0; 10];
        d.draw(5, 20_000, &mut part);
        assert_eq!(part, mask[20_000..20_010]);
        for (p, factor) in [(0.0, 1.0), (1.0, 0.0)] {
            Dropout::<f64>::new(&config! { "dropout" => p }).unwrap().draw(5, 0, &mut part);
            assert_eq!(part, [factor; 10]);
        }
    }

    #[test]
    fn the_gradient_takes_the_same_factors_and_test_mode_is_the_identity() {
        let unit = Unit::<f32>::new("d", "Dropout", &Config::default()).unwrap();
        let shape = [2, 3, 5, 400];
        let x = Var::leaf(Tensor::from_vec(vec![1.0; 12_000], &shape).unwrap(), true);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        y.back_propagate(Some(Tensor::from_vec(vec![3.0; 12_000], &shape).unwrap())).unwrap();
        let (first, gx) = (y.tensor().to_vec(), x.grad().unwrap().to_vec());
        assert!(first.iter().zip(&gx).all(|(y, g)| *g == 3.0 * y && (*y == 0.0 || *y == 2.0)));
        assert_ne!(unit.call(std::slice::from_ref(&x)).unwrap().tensor().to_vec(), first, "every pass draws anew");
        unit.with(|u| u.learn = false);
        let y = unit.call(std::slice::from_ref(&x)).unwrap();
        y.back_propagate(None).unwrap();
        assert_eq!((y.tensor().to_vec(), x.grad().unwrap().to_vec()), (vec![1.0; 12_000], vec![1.0; 12_000]));
    }

    #[test]
    fn a_probability_is_from_0_to_1() {
        let mut c = config! { "dropout" => 1.5 };
        c.set_owner("Dropout_0");
        let text = "Dropout_0: parameter `dropout` is 1.5, expected a probability, from 0 to 1";
        assert_eq!(Dropout::<f32>::new(&c).err().unwrap().to_string(), text);
    }
}
