//! Steps of a range of values: classes of a confusion matrix when the target is the data itself.

use crate::config::Config;
use crate::error::Result;
use crate::tensor::Float;

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
    pub(super) fn step(self, v: f64) -> usize {
        let last = (self.steps - 1) as f64;
        (last * (v - self.min) / (self.max - self.min)).round().clamp(0.0, last) as usize
    }
}

/// Bins over [-1, 1] that weigh the values of a target by how rare they are.
const BINS: usize = 20;

/// For each value one over the number of values in its bin.
pub(super) fn population_weights<T: Float>(values: &[T]) -> Vec<f64> {
    let bin = |v: &T| (((v.as_f64() + 1.0) * (BINS / 2) as f64).floor().clamp(0.0, BINS as f64 - 1.0)) as usize;
    let mut population = [0u32; BINS];
    for v in values {
        population[bin(v)] += 1;
    }
    values.iter().map(|v| 1.0 / f64::from(population[bin(v)])).collect()
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
}
