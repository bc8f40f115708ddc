//! Score: loss, gradient, estimated labels and success of the output of a classifier.
//!
//! For an output `y` of shape `[n, c, h, w]` and a target class for each pixel:
//!
//! ```text
//! t = target_value at the channel of the class, default_value at the others
//! k = 1 if h = w = 1, else 1 / (pixels of the class in this stimulus); 0 where the target is ignored
//! e = k (t - y)                      the stored gradient: minus the derivative of half the sum of squares
//! loss = sum(e^2) / n                in every partition, also behind a Softmax with loss
//! cross-entropy = sum(-k ln y[class]) / n    where y are probabilities
//! ```
//!
//! One output channel means a binary target: class 1 wants `target_value`, class 0 `default_value`, and the estimate is
//! class 1 above `binary_threshold`.
//!
//! With `data_as_target` the target is the data itself (an auto-encoder): see [`Score::evaluate_data`].

use super::confusion::{Confusion, Metric};
use super::labels::{IGNORE, LabelMap, Labels};
use super::reconstruction::Quantiser;
use super::record::{Averages, Batch, Record};
use super::stimulus::{Found, Stimulus, Wanted};
use crate::cells::SharedMut;
use crate::config::Config;
use crate::device::cpu::parallel_for;
use crate::error::{Error, Result};
use crate::tensor::{Float, Tensor, dims4};

/// The partition whose batches count as learning steps.
const LEARN: &str = "Learn";
/// Parameters that may change between batches.
const SETTABLE: &[&str] = &["binary_threshold", "weak_target", "confusion_range_min", "confusion_range_max", "confusion_quant_steps"];
/// Nanoseconds an output element costs, measured.
const ELEMENT_NS: usize = 2;

/// What a target found in one batch.
#[derive(Debug, Clone)]
pub struct Evaluation<T: Float> {
    /// Loss, success and number of stimuli.
    pub batch: Batch,
    /// Minus the derivative of the loss by the output, summed over the batch: `[n, c, h, w]`, channels-last.
    pub gradient: Tensor<T>,
    /// The `top_n` best classes of each pixel, best first: `[n, top_n, h, w]`.
    pub estimated: Tensor<i32>,
    /// The output of each estimated class: `[n, top_n, h, w]`.
    pub values: Tensor<T>,
    /// The target of each pixel, -1 where it is ignored: `[n, 1, h, w]`.
    pub targets: Tensor<i32>,
}

/// A classification target: computes loss and gradient and keeps the score of each partition.
///
/// ```
/// use n2d2_core::target::{Labels, Metric, Score};
/// use n2d2_core::{Config, Tensor};
/// let mut score = Score::new("Score_0", &Config::default())?;
/// let output = Tensor::from_vec(vec![0.75f32, 0.25, 1.0, 0.0], &[2, 2, 1, 1])?;
/// let labels = [0, 1];
/// let labels = Labels::new("Score_0", &labels, &[2])?;
/// let found = score.evaluate("Test", &output, &labels, false)?;
/// assert_eq!(found.batch.loss, (0.0625 + 0.0625 + 1.0 + 1.0) / 2.0);
/// assert_eq!(found.gradient.to_vec(), [0.25, -0.25, -1.0, 1.0]);
/// assert_eq!(score.averages("Test", 0).success, 0.5);
/// assert_eq!(score.average_score("Test", Metric::Sensitivity), 0.5);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Score {
    pub(super) name: String,
    want: Wanted,
    map: LabelMap,
    pub(super) quantiser: Quantiser,
    steps: u64,
    losses: Vec<f64>,
    records: Vec<(String, Record)>,
}

impl Score {
    /// A target with the parameters `target_value` (1), `default_value` (0), `top_n` (1), `binary_threshold` (0.5),
    /// `labels_mapping` (the target of each label), `ignore_target` (the target of label -1: -1), `weak_target` (-2: none),
    /// and, for data as targets, `confusion_range_min` (0), `confusion_range_max` (1) and `confusion_quant_steps` (10).
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Type`] and [`Error::Value`] for bad parameters.
    pub fn new(name: &str, config: &Config) -> Result<Self> {
        let mut config = config.clone();
        config.set_owner(name);
        let fixed = ["target_value", "default_value", "top_n", "labels_mapping", "ignore_target"];
        config.only(&[&fixed[..], SETTABLE].concat())?;
        let top_n = config.usize_or("top_n", 1)?;
        if top_n == 0 {
            return Err(config.error("top_n", 0, "an integer of at least 1"));
        }
        let targets = config.get("labels_mapping").map(|_| config.ints_or("labels_mapping", &[])).transpose()?;
        let mut score = Score {
            name: name.to_string(),
            want: Wanted {
                target_value: config.float_or("target_value", 1.0)?,
                default_value: config.float_or("default_value", 0.0)?,
                top_n,
                binary_threshold: 0.5,
            },
            map: LabelMap {
                targets: targets.map(|t| t.iter().map(|t| *t as i32).collect()),
                ignore: Some(config.int_or("ignore_target", i64::from(IGNORE))? as i32),
                weak: None,
            },
            quantiser: Quantiser::default(),
            steps: 0,
            losses: Vec::new(),
            records: Vec::new(),
        };
        score.configure(&config)?;
        Ok(score)
    }

    /// Changes the parameters that may change between batches: `binary_threshold`, `weak_target` and the `confusion_` ones.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Type`] and [`Error::Value`]; nothing is changed then.
    pub fn set(&mut self, config: &Config) -> Result<()> {
        let mut config = config.clone();
        config.set_owner(&self.name);
        config.only(SETTABLE)?;
        self.configure(&config)
    }

    fn configure(&mut self, config: &Config) -> Result<()> {
        let threshold = config.float_or("binary_threshold", self.want.binary_threshold)?;
        let weak = config.int_or("weak_target", self.map.weak.map_or(-2, i64::from))?;
        if weak < -2 {
            return Err(config.error("weak_target", weak, "a target, -1 for ignored stimuli, or -2 for none"));
        }
        self.quantiser = self.quantiser.with(config)?;
        self.want.binary_threshold = threshold;
        self.map.weak = (weak >= i64::from(IGNORE)).then_some(weak as i32);
        Ok(())
    }

    /// The name of the target.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Estimates kept for each pixel.
    pub fn top_n(&self) -> usize {
        self.want.top_n
    }

    /// Learning batches evaluated so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The record of a partition, if it was ever evaluated.
    pub fn record(&self, partition: &str) -> Option<&Record> {
        self.records.iter().find(|(p, _)| p == partition).map(|(_, r)| r)
    }

    /// The partitions that were evaluated, in the order of their first batch.
    pub fn partitions(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|(p, _)| p.as_str())
    }

    pub(super) fn record_mut(&mut self, partition: &str) -> &mut Record {
        let at = self.records.iter().position(|(p, _)| p == partition).unwrap_or_else(|| {
            self.records.push((partition.to_string(), Record::default()));
            self.records.len() - 1
        });
        &mut self.records[at].1
    }

    /// The loss of every batch of every partition, in order.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Means over the stimuli of the last `window` batches (0 = all) of a partition since it was cleared.
    pub fn averages(&self, partition: &str, window: usize) -> Averages {
        self.record(partition).map(|r| r.averages(window)).unwrap_or_default()
    }

    /// Mean of a metric over the classes that occurred in a partition since it was cleared.
    pub fn average_score(&self, partition: &str, metric: Metric) -> f64 {
        self.record(partition).map_or(0.0, |r| r.confusion.average(metric))
    }

    /// Starts the average success of a partition anew.
    pub fn clear_success(&mut self, partition: &str) {
        self.record_mut(partition).clear_success();
    }

    /// Starts the average success and the confusion matrix of a partition anew.
    pub fn clear_score(&mut self, partition: &str) {
        self.record_mut(partition).clear();
    }

    /// Loss, gradient and score of a batch; adds them to the record of the partition.
    ///
    /// `output` is `[n, c]` or `[n, c, h, w]`. `probabilities` says that the output comes from a softmax, so that the
    /// cross-entropy has a meaning.
    ///
    /// # Errors
    /// [`Error::Shape`] if labels and output do not fit together, [`Error::Data`] for a label that means no output and for
    /// outputs that are not finite, [`Error::Value`] if there are fewer outputs than `top_n`. Nothing is recorded then.
    pub fn evaluate<T: Float>(
        &mut self,
        partition: &str,
        output: &Tensor<T>,
        labels: &Labels<'_>,
        probabilities: bool,
    ) -> Result<Evaluation<T>> {
        self.evaluate_stimuli(partition, output, labels, &[], probabilities)
    }

    /// As [`Score::evaluate`], with the number of each stimulus in its database: those whose estimate is wrong are counted
    /// in [`Record::misclassified`] (for outputs of one pixel).
    ///
    /// # Errors
    /// As [`Score::evaluate`]; [`Error::Shape`] if there is not one number a stimulus.
    pub fn evaluate_stimuli<T: Float>(
        &mut self,
        partition: &str,
        output: &Tensor<T>,
        labels: &Labels<'_>,
        ids: &[u32],
        probabilities: bool,
    ) -> Result<Evaluation<T>> {
        if !ids.is_empty() && ids.len() != labels.stimuli() {
            return Err(Error::shape(&self.name, "numbers of the stimuli", labels.stimuli(), ids.len()));
        }
        let targets = self.check(partition, output, labels)?;
        let y = output.to_channels_last();
        let [n, c, h, w_] = dims4(y.shape());
        let pixels = h * w_;
        let mut wanted = vec![IGNORE; n * pixels];
        for i in 0..n {
            self.map.resolve(&self.name, labels, i, targets, [h, w_], &mut wanted[i * pixels..(i + 1) * pixels])?;
        }

        let best = self.want.top_n * pixels;
        let mut estimated = vec![0i32; n * best];
        let values = Tensor::<T>::zeros(&[n, self.want.top_n, h, w_]);
        let gradient = Tensor::<T>::uninit(y.shape());
        let mut stimuli = vec![Found::default(); n];
        let (out, best_classes) = (SharedMut::new(&mut stimuli), SharedMut::new(&mut estimated));
        parallel_for(n, n * pixels * c * ELEMENT_NS, &|i| {
            // SAFETY: item i alone uses the parts of stimulus i.
            let (g, e, v, s) = unsafe {
                (
                    gradient.part_mut(i * pixels * c, pixels * c),
                    best_classes.slice(i * best, best),
                    values.part_mut(i * best, best),
                    out.slice(i, 1),
                )
            };
            let mut one = Stimulus {
                want: &self.want,
                y: y.part(i * pixels * c, pixels * c),
                wanted: &wanted[i * pixels..(i + 1) * pixels],
                g,
                e,
                v,
            };
            s[0] = one.run(c, targets, probabilities);
        });
        if let Some((i, at)) = stimuli.iter().enumerate().find_map(|(i, s)| s.not_finite.map(|at| (i, at))) {
            return Err(self.not_finite(&y, i, at));
        }

        let batch = self.sum_up(&stimuli, partition, probabilities);
        let record = self.record_mut(partition);
        if record.confusion.targets() == 0 {
            record.confusion = Confusion::new(targets);
        }
        for (wanted, estimated) in wanted.chunks_exact(pixels).zip(estimated.chunks_exact(best)) {
            for (t, e) in wanted.iter().zip(estimated).filter(|(t, _)| **t != IGNORE) {
                record.confusion.add(*t as usize, *e as usize);
            }
        }
        if pixels == 1 {
            let wrong = |(_, t, e): &(&u32, &i32, &[i32])| **t != IGNORE && **t != e[0];
            for (id, t, e) in ids.iter().zip(&wanted).zip(estimated.chunks_exact(best)).map(|((i, t), e)| (i, t, e)).filter(wrong) {
                record.misclassify(*id, *t, e[0]);
            }
        }
        record.push(batch);
        let estimated = Tensor::from_vec(estimated, values.shape())?;
        let targets = Tensor::from_vec(wanted, &[n, 1, h, w_])?;
        Ok(Evaluation { batch, gradient, estimated, values, targets })
    }

    /// The number of targets of an output that fits the labels and this target's past.
    fn check<T: Float>(&self, partition: &str, output: &Tensor<T>, labels: &Labels<'_>) -> Result<usize> {
        let shape = output.shape();
        let (2 | 4) = shape.len() else {
            return Err(Error::shape(&self.name, "output", "[n, c] or [n, c, h, w]", format!("{shape:?}")));
        };
        if shape.contains(&0) {
            return Err(Error::shape(&self.name, "output", "at least one element", format!("{shape:?}")));
        }
        if labels.stimuli() != shape[0] {
            let expected = format!("{} (the batch of the output {shape:?})", shape[0]);
            return Err(Error::shape(&self.name, "number of labels", expected, labels.stimuli()));
        }
        if labels.map_size().contains(&0) {
            return Err(Error::shape(&self.name, "label map", "at least one label a stimulus", format!("{:?}", labels.map_size())));
        }
        if self.want.top_n > shape[1] {
            return Err(Error::value(&self.name, "top_n", self.want.top_n, format!("at most the number of outputs, {}", shape[1])));
        }
        let targets = shape[1].max(2);
        let before = self.record(partition).map_or(0, |r| r.confusion.targets());
        if before != 0 && before != targets {
            let what = format!(
                "the output has {targets} targets, but {before} in earlier batches of {partition}; call clear_score() or use another target"
            );
            return Err(Error::state(&self.name, what));
        }
        Ok(targets)
    }

    fn not_finite<T: Float>(&self, y: &Tensor<T>, stimulus: usize, at: usize) -> Error {
        let [_, c, h, w_] = dims4(y.shape());
        let place =
            if h * w_ == 1 { format!("output {at}") } else { format!("output {} at row {}, column {}", at % c, at / c / w_, at / c % w_) };
        let value = y.part(stimulus * c * h * w_ + at, 1)[0];
        let what =
            format!("{place} of stimulus {stimulus} of the batch is {value}: lower the learning rate, or look for bad values in the data");
        Error::data(&self.name, what)
    }

    /// The result of a batch; counts the step if it learns, and keeps the loss.
    pub(super) fn sum_up(&mut self, stimuli: &[Found], partition: &str, probabilities: bool) -> Batch {
        if partition == LEARN {
            self.steps += 1;
        }
        let n = stimuli.len() as f64;
        let counting = stimuli.iter().filter(|s| s.counts).count();
        let mean = |part: fn(&Found) -> f64| stimuli.iter().map(part).sum::<f64>() / counting.max(1) as f64;
        let batch = Batch {
            step: self.steps,
            loss: stimuli.iter().map(|s| s.loss).sum::<f64>() / n,
            cross_entropy: if probabilities { stimuli.iter().map(|s| s.cross_entropy).sum::<f64>() / n } else { f64::NAN },
            success: mean(|s| s.success),
            top_n_success: mean(|s| s.top_n_success),
            stimuli: counting,
        };
        self.losses.push(batch.loss);
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn evaluate(score: &mut Score, y: &[f64], shape: &[usize], labels: &[i32], label_shape: &[usize]) -> Result<Evaluation<f64>> {
        let y = Tensor::from_vec(y.to_vec(), shape)?;
        score.evaluate("Learn", &y, &Labels::new("Score_0", labels, label_shape)?, false)
    }

    fn score(config: &Config) -> Score {
        Score::new("Score_0", config).unwrap()
    }

    #[test]
    fn loss_and_gradient_by_hand() {
        let mut s = score(&config! { "target_value" => 0.8, "default_value" => -0.8 });
        let r = evaluate(&mut s, &[0.3, 0.5, -0.8, 0.0, 0.25, 0.75], &[2, 3, 1, 1], &[0, 2], &[2]).unwrap();
        let expected = [0.5, -1.3, 0.0, -0.8, -1.05, 0.8 - 0.75];
        assert!(r.gradient.to_vec().iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-12), "{:?}", r.gradient);
        assert!((r.batch.loss - expected.iter().map(|e| e * e).sum::<f64>() / 2.0).abs() < 1e-12);
        assert_eq!(r.estimated.to_vec(), [1, 2]);
        assert_eq!(r.values.to_vec(), [0.5, 0.75]);
        assert_eq!((r.batch.success, r.batch.stimuli, r.batch.step), (0.5, 2, 1));
    }

    #[test]
    fn wrong_stimuli_are_counted_by_their_numbers() {
        let mut s = score(&Config::default());
        let y = Tensor::from_vec(vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0], &[3, 2, 1, 1]).unwrap();
        let labels = [1, 0, -1];
        for _ in 0..2 {
            s.evaluate_stimuli::<f64>("Test", &y, &Labels::new("s", &labels, &[3]).unwrap(), &[40, 41, 42], false).unwrap();
        }
        assert_eq!(s.record("Test").unwrap().misclassified().collect::<Vec<_>>(), [(40, 1, 0, 2)]);
        let few = s.evaluate_stimuli::<f64>("Test", &y, &Labels::new("s", &labels, &[3]).unwrap(), &[40], false).unwrap_err();
        assert_eq!(few.to_string(), "Score_0: numbers of the stimuli: expected 3, got 1");
    }

    #[test]
    fn options_change_between_batches_or_not_at_all() {
        let mut s = score(&Config::default());
        let y = |v: f64| Tensor::from_vec(vec![v], &[1, 1, 1, 1]).unwrap();
        let label = [1];
        let success = |s: &mut Score| s.evaluate("Test", &y(0.4), &Labels::new("s", &label, &[1]).unwrap(), false).unwrap().batch.success;
        assert_eq!(success(&mut s), 0.0);
        s.set(&config! { "binary_threshold" => 0.3 }).unwrap();
        assert_eq!(success(&mut s), 1.0);
        assert_eq!(s.set(&config! { "binary_threshold" => 0.9, "weak_target" => -3i64 }).unwrap_err().code(), "value");
        assert_eq!(success(&mut s), 1.0);
        assert_eq!(s.set(&config! { "top_n" => 2usize }).unwrap_err().code(), "unknown");
    }

    #[test]
    fn an_ignored_stimulus_has_no_gradient_loss_or_score() {
        let mut s = score(&Config::default());
        let r = evaluate(&mut s, &[0.5, 0.5, 0.0, 1.0], &[2, 2, 1, 1], &[-1, 1], &[2]).unwrap();
        assert_eq!(r.gradient.to_vec(), [0.0, 0.0, 0.0, 0.0]);
        assert_eq!((r.batch.loss, r.batch.success, r.batch.stimuli), (0.0, 1.0, 1));
        let r = evaluate(&mut s, &[0.5, 0.5], &[1, 2, 1, 1], &[-1], &[1]).unwrap();
        assert_eq!((r.batch.loss, r.batch.success, r.batch.stimuli), (0.0, 0.0, 0));
        assert_eq!(s.averages("Learn", 0).success, 1.0);
        assert_eq!(s.record("Learn").unwrap().confusion.counts(), [0, 0, 0, 1]);
    }

    #[test]
    fn one_output_is_binary() {
        let mut s = score(&Config::default());
        let r = evaluate(&mut s, &[0.25, 0.75, 0.5, -0.25], &[4, 1, 1, 1], &[0, 1, 1, 0], &[4]).unwrap();
        assert_eq!(r.gradient.to_vec(), [-0.25, 0.25, 0.5, 0.25]);
        assert_eq!(r.estimated.to_vec(), [0, 1, 0, 0]);
        assert_eq!(r.values.to_vec(), [0.75, 0.75, 0.5, 1.25]);
        assert_eq!(r.batch.loss, (3.0 * 0.0625 + 0.25) / 4.0);
        assert_eq!(s.record("Learn").unwrap().confusion.counts(), [2, 0, 1, 1]);
        assert_eq!(evaluate(&mut s, &[0.0], &[1, 1, 1, 1], &[2], &[1]).unwrap_err().code(), "data");
    }

    #[test]
    fn the_first_of_equal_outputs_is_estimated() {
        let mut s = score(&config! { "top_n" => 2usize });
        let r = evaluate(&mut s, &[1.0, 1.0, 0.0, 0.5, 0.5, 0.5, 0.0, 1.0, 1.0], &[3, 3, 1, 1], &[1, 2, 0], &[3]).unwrap();
        assert_eq!(r.estimated.to_vec(), [0, 1, 0, 1, 1, 2]);
        assert_eq!((r.batch.success, r.batch.top_n_success), (0.0, 1.0 / 3.0));
        assert_eq!(s.averages("Learn", 0).top_n_success, 1.0 / 3.0);
    }

    #[test]
    fn top_n_is_sorted_and_bounded() {
        let mut s = score(&config! { "top_n" => 3usize });
        let r = evaluate(&mut s, &[0.1, 0.9, 0.3, 0.7, 0.5], &[1, 5], &[2], &[1]).unwrap();
        assert_eq!(r.estimated.to_vec(), [1, 3, 4]);
        assert_eq!(r.values.to_vec(), [0.9, 0.7, 0.5]);
        let text = evaluate(&mut s, &[0.1, 0.9], &[1, 2], &[1], &[1]).unwrap_err().to_string();
        assert_eq!(text, "Score_0: parameter `top_n` is 3, expected at most the number of outputs, 2");
    }

    /// Two channels, one row of four pixels: class 0 on three of them, class 1 on one, ignored in the second stimulus.
    #[test]
    fn pixels_weigh_one_over_the_pixels_of_their_class() {
        let mut s = score(&Config::default());
        let y = [0.7, 0.4, 0.4, 0.2, 0.3, 0.6, 0.0, 0.5];
        let labels = [0, 0, 0, 1];
        let r = evaluate(&mut s, &y, &[1, 2, 1, 4], &labels, &[1, 1, 4]).unwrap();
        let third = 1.0 / 3.0;
        let expected = [0.3 * third, 0.6 * third, 0.6 * third, -0.2, -0.3 * third, -0.6 * third, 0.0, 0.5];
        assert!(r.gradient.to_vec().iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-12), "{:?}", r.gradient);
        assert!((r.batch.loss - expected.iter().map(|e| e * e).sum::<f64>()).abs() < 1e-12);
        assert_eq!(r.estimated.to_vec(), [0, 1, 0, 1]);
        assert!((r.batch.success - f64::midpoint(2.0 / 3.0, 1.0)).abs() < 1e-12);
        assert_eq!(s.record("Learn").unwrap().confusion.counts(), [2, 1, 0, 1]);
        let r = evaluate(&mut s, &y, &[1, 2, 1, 4], &[-1; 4], &[1, 1, 4]).unwrap();
        assert_eq!((r.batch.loss, r.batch.stimuli), (0.0, 0));
    }

    #[test]
    fn cross_entropy_of_probabilities() {
        let mut s = score(&Config::default());
        let y = Tensor::from_vec(vec![0.5f32, 0.5, 0.25, 0.75], &[2, 2, 1, 1]).unwrap();
        let labels = Labels::new("Score_0", &[0, 0], &[2]).unwrap();
        let r = s.evaluate("Test", &y, &labels, true).unwrap();
        assert!((r.batch.cross_entropy - f64::midpoint(2f64.ln(), 4f64.ln())).abs() < 1e-12);
        assert!((r.batch.loss - f64::midpoint(0.5, 2.0 * 0.5625)).abs() < 1e-12);
        assert!(s.evaluate("Test", &y, &labels, false).unwrap().batch.cross_entropy.is_nan());
        assert_eq!(s.steps(), 0);
    }

    #[test]
    fn outputs_that_are_not_finite_are_named() {
        let mut s = score(&Config::default());
        let text = evaluate(&mut s, &[0.0, 0.0, 0.5, f64::NAN], &[2, 2, 1, 1], &[0, 0], &[2]).unwrap_err().to_string();
        assert_eq!(
            text,
            "Score_0: output 1 of stimulus 1 of the batch is NaN: lower the learning rate, or look for bad values in the data"
        );
        let y = [0.0, 0.0, 0.0, 0.0, 0.0, f64::INFINITY, 0.0, 0.0];
        let text = evaluate(&mut s, &y, &[1, 2, 2, 2], &[0], &[1]).unwrap_err().to_string();
        assert!(text.starts_with("Score_0: output 1 at row 0, column 1 of stimulus 0 of the batch is inf"), "{text}");
        assert_eq!((s.steps(), s.record("Learn").is_none()), (0, true));
    }

    #[test]
    fn shapes_and_parameters_are_checked() {
        let mut s = score(&Config::default());
        let text = evaluate(&mut s, &[0.0; 4], &[2, 2, 1, 1], &[0; 3], &[3]).unwrap_err().to_string();
        assert_eq!(text, "Score_0: number of labels: expected 2 (the batch of the output [2, 2, 1, 1]), got 3");
        assert_eq!(evaluate(&mut s, &[0.0; 4], &[2, 2, 1], &[0; 2], &[2]).unwrap_err().code(), "shape");
        assert_eq!(evaluate(&mut s, &[], &[0, 2, 1, 1], &[], &[0]).unwrap_err().code(), "shape");
        evaluate(&mut s, &[0.0; 4], &[2, 2, 1, 1], &[0; 2], &[2]).unwrap();
        let text = evaluate(&mut s, &[0.0; 6], &[2, 3, 1, 1], &[0; 2], &[2]).unwrap_err().to_string();
        assert_eq!(text, "Score_0: the output has 3 targets, but 2 in earlier batches of Learn; call clear_score() or use another target");
        s.clear_score("Learn");
        evaluate(&mut s, &[0.0; 6], &[2, 3, 1, 1], &[0; 2], &[2]).unwrap();
        assert_eq!(Score::new("S", &config! { "top_n" => 0usize }).unwrap_err().code(), "value");
        assert_eq!(Score::new("S", &config! { "topn" => 1usize }).unwrap_err().code(), "unknown");
    }

    #[test]
    fn partitions_are_kept_apart() {
        let mut s = score(&Config::default());
        let y = Tensor::from_vec(vec![1.0f32, 0.0], &[1, 2, 1, 1]).unwrap();
        for (partition, label) in [("Learn", 0), ("Learn", 1), ("Test", 0)] {
            s.evaluate(partition, &y, &Labels::new("Score_0", &[label], &[1]).unwrap(), false).unwrap();
        }
        assert_eq!((s.averages("Learn", 0).success, s.averages("Test", 0).success, s.averages("Validation", 0).success), (0.5, 1.0, 0.0));
        assert_eq!(s.averages("Learn", 1).success, 0.0);
        s.clear_success("Learn");
        assert_eq!((s.averages("Learn", 0).success, s.averages("Test", 0).success), (0.0, 1.0));
        assert_eq!(s.record("Test").unwrap().history()[0].step, 2);
        assert_eq!(s.partitions().collect::<Vec<_>>(), ["Learn", "Test"]);
    }
}
