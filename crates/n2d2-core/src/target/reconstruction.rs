//! Data as target (an auto-encoder): loss and gradient, and the steps of values that are classes of the confusion matrix.

use super::confusion::Confusion;
use super::score::{Evaluation, Score};
use super::stimulus::Found;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Float, Tensor, dims4};

/// `steps` values spread evenly over `[min, max]`, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantiser {
    min: f64,
    max: f64,
    pub(super) steps: usize,
}

impl Default for Quantiser {
    fn default() -> Self {
        Quantiser { min: 0.0, max: 1.0, steps: 10 }
    }
}

impl Quantiser {
    pub(super) fn with(self, config: &Config) -> Result<Self> {
        let steps = config.usize_or("confusion_quant_steps", self.steps)?;
        let q = Quantiser {
            min: config.float_or("confusion_range_min", self.min)?,
            max: config.float_or("confusion_range_max", self.max)?,
            steps,
        };
        if !(2..=4096).contains(&steps) {
            return Err(config.error("confusion_quant_steps", steps, "an integer from 2 to 4096"));
        }
        if q.min >= q.max {
            return Err(config.error("confusion_range_max", q.max, format!("a number above `confusion_range_min`, which is {}", q.min)));
        }
        Ok(q)
    }

    /// The nearest step, halves away from zero; the first or last one for a value outside.
    fn step(self, v: f64) -> usize {
        let last = (self.steps - 1) as f64;
        (last * (v - self.min) / (self.max - self.min)).round().clamp(0.0, last) as usize
    }
}

/// Bins over [-1, 1] that weigh the values of a target by how rare they are.
const BINS: usize = 20;

/// For each value one over the number of values in its bin.
fn population_weights<T: Float>(values: &[T]) -> Vec<f64> {
    let bin = |v: &T| (((v.as_f64() + 1.0) * (BINS / 2) as f64).floor().clamp(0.0, BINS as f64 - 1.0)) as usize;
    let mut population = [0u32; BINS];
    for v in values {
        population[bin(v)] += 1;
    }
    values.iter().map(|v| 1.0 / f64::from(population[bin(v)])).collect()
}

impl Score {
    /// Loss, gradient and score of a batch whose target is the data itself, of the shape of the output or flattened to its
    /// channels; adds them to the record of the partition.
    ///
    /// ```text
    /// e = (t - y) / count     count: values of the batch in the bin of t, 20 bins over [-1, 1]
    /// loss = sum(e^2) / n
    /// ```
    ///
    /// The weights make rare values count as much as frequent ones. The "success" of a stimulus is its mean squared error
    /// `mean((t - y)^2)`. The confusion matrix counts every value by its place among
    /// `confusion_quant_steps` steps of `[confusion_range_min, confusion_range_max]`, rows by `t`, columns by `y`; values outside
    /// belong to the first or last step.
    ///
    /// # Errors
    /// [`Error::Shape`] if data and output have different shapes, [`Error::Data`] for values that are not finite.
    pub fn evaluate_data<T: Float>(&mut self, partition: &str, output: &Tensor<T>, data: &Tensor<T>) -> Result<Evaluation<T>> {
        let [n, c, h, w] = dims4(data.shape());
        if ![data.shape(), &[n, c * h * w, 1, 1]].contains(&output.shape()) || output.is_empty() {
            let expected = format!("{:?}, that of the output", output.shape());
            return Err(Error::shape(&self.name, "shape of the data, which is the target", expected, format!("{:?}", data.shape())));
        }
        let before = self.record(partition).map_or(0, |r| r.confusion.targets());
        if before != 0 && before != self.quantiser.steps {
            let what = format!("confusion_quant_steps is {}, but was {before} in earlier batches of {partition}", self.quantiser.steps);
            return Err(Error::state(&self.name, format!("{what}; call clear_score() first")));
        }
        let (t, y) = (data.to_vec(), output.to_vec());
        let size = y.len() / n;
        if let Some(at) = t.iter().zip(&y).position(|(t, y)| !t.is_finite() || !y.is_finite()) {
            let what = format!("value {} of stimulus {} of the batch is {} where {} is wanted", at % size, at / size, y[at], t[at]);
            return Err(Error::data(&self.name, what));
        }
        let weights = population_weights(&t);
        let error: Vec<T> = t.iter().zip(&y).zip(&weights).map(|((t, y), w)| (*t - *y) * T::of(*w)).collect();
        let squares = |i: usize| -> f64 {
            let part = i * size..(i + 1) * size;
            t[part.clone()].iter().zip(&y[part]).map(|(t, y)| (t.as_f64() - y.as_f64()).powi(2)).sum::<f64>() / size as f64
        };
        let stimuli: Vec<Found> = (0..n)
            .map(|i| Found {
                loss: error[i * size..(i + 1) * size].iter().map(|e| e.as_f64().powi(2)).sum(),
                success: squares(i),
                top_n_success: squares(i),
                counts: true,
                ..Found::default()
            })
            .collect();
        let batch = self.sum_up(&stimuli, partition, false);
        let quantiser = self.quantiser;
        let record = self.record_mut(partition);
        if record.confusion.targets() == 0 {
            record.confusion = Confusion::new(quantiser.steps);
        }
        for (t, y) in t.iter().zip(&y) {
            record.confusion.add(quantiser.step(t.as_f64()), quantiser.step(y.as_f64()));
        }
        record.push(batch);
        let none = || Tensor::zeros(&[n, 0, 1, 1]);
        Ok(Evaluation {
            batch,
            gradient: Tensor::from_vec(error, output.shape())?,
            estimated: none(),
            values: Tensor::zeros(&[n, 0, 1, 1]),
            targets: none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn steps_of_a_range() {
        let q = Quantiser::default();
        assert_eq!([0.0, 0.0976, 0.5, 0.92, 1.0, 7.0, -3.0].map(|v| q.step(v)), [0, 1, 5, 8, 9, 9, 0]);
        let q = q.with(&config! { "confusion_range_min" => -1i64, "confusion_quant_steps" => 3usize }).unwrap();
        assert_eq!([-1.0, 0.2, 0.6].map(|v| q.step(v)), [0, 1, 2]);
    }

    #[test]
    fn rare_values_weigh_more() {
        assert_eq!(population_weights(&[-1.0f64, -0.95, 0.5, 3.0, 1.0, 0.99]), [0.5, 0.5, 1.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
    }

    #[test]
    fn empty_ranges_are_refused() {
        let mut c = config! { "confusion_range_max" => 0i64 };
        c.set_owner("Score_0");
        let text = "Score_0: parameter `confusion_range_max` is 0, expected a number above `confusion_range_min`, which is 0";
        assert_eq!(Quantiser::default().with(&c).unwrap_err().to_string(), text);
        assert!(Quantiser::default().with(&config! { "confusion_quant_steps" => 1usize }).is_err());
    }

    #[test]
    fn data_as_target_by_hand() {
        let mut s = Score::new("Score_0", &config! { "confusion_quant_steps" => 3usize }).unwrap();
        let data = Tensor::from_vec(vec![0.5, 0.52, -0.9, 1.0], &[2, 2, 1, 1]).unwrap();
        let output = Tensor::from_vec(vec![0.1, 0.92, -0.9, 0.0], &[2, 2, 1, 1]).unwrap();
        let r = s.evaluate_data("Learn", &output, &data).unwrap();
        // 0.5 and 0.52 share a bin of [-1, 1], the others have one each.
        let expected = [0.2, -0.2, 0.0, 1.0];
        assert!(r.gradient.to_vec().iter().zip(expected).all(|(g, e): (&f64, f64)| (g - e).abs() < 1e-12), "{:?}", r.gradient.to_vec());
        assert!((r.batch.loss - (0.04 + 0.04 + 1.0) / 2.0).abs() < 1e-12);
        assert!((r.batch.success - 0.33).abs() < 1e-12);
        // Steps 1, 1, 0 (below the range) and 2 against 0, 2, 0 and 0.
        assert_eq!(s.record("Learn").unwrap().confusion.counts(), [1, 0, 0, 1, 0, 1, 1, 0, 0]);
        let text = "Score_0: shape of the data, which is the target: expected [2, 2, 1, 1], that of the output, got [4, 1, 1, 1]";
        let other = Tensor::zeros(&[4, 1, 1, 1]);
        assert_eq!(s.evaluate_data("Learn", &output, &other).unwrap_err().to_string(), text);
        s.set(&config! { "confusion_quant_steps" => 4usize }).unwrap();
        assert_eq!(s.evaluate_data("Learn", &output, &data).unwrap_err().code(), "state");
    }
}
