//! Confusion matrix, and the metrics of a class that follow from it.
//!
//! For class t, with a row a target and a column an estimate: `TP = M[t, t]`, `FN` = row sum - TP, `FP` = column sum - TP,
//! `TN` = all - TP - FN - FP. A ratio whose numerator is 0 is 0, so a class that was never found has a miss rate of 1.
//!
//! Source: D. M. W. Powers, "Evaluation: from precision, recall and F-measure to ROC, informedness, markedness and
//! correlation", 2011.

use crate::error::{Error, Result};

macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident),* $(,)?) => {
        /// A quality of the estimates of one class, from 0 to 1 (the last two from -1 to 1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Metric {
            $($(#[$doc])* $metric),*
        }

        impl Metric {
            /// Every metric, in the order of [`Metric::NAMES`].
            pub const ALL: &'static [Metric] = &[$(Metric::$metric),*];
            /// The names users write.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($metric)),*];
        }
    };
}

metrics! {
    /// `TP / (TP + FN)`, also called recall.
    Sensitivity,
    /// `TN / (TN + FP)`.
    Specificity,
    /// `TP / (TP + FP)`.
    Precision,
    /// `TN / (TN + FN)`.
    NegativePredictiveValue,
    /// `1 - Sensitivity`.
    MissRate,
    /// `1 - Specificity`.
    FallOut,
    /// `1 - Precision`.
    FalseDiscoveryRate,
    /// `1 - NegativePredictiveValue`.
    FalseOmissionRate,
    /// `TP / (TP + FP + FN)`, intersection over union.
    IU,
    /// `(TP + TN) / all`.
    Accuracy,
    /// `2 Precision Sensitivity / (Precision + Sensitivity)`.
    F1Score,
    /// `Sensitivity + Specificity - 1`.
    Informedness,
    /// `Precision + NegativePredictiveValue - 1`.
    Markedness,
}

impl Metric {
    /// The metric of this name.
    ///
    /// # Errors
    /// [`Error::Value`] that lists the names.
    pub fn parse(owner: &str, name: &str) -> Result<Self> {
        let at = Self::NAMES.iter().position(|n| *n == name);
        at.map(|i| Self::ALL[i])
            .ok_or_else(|| Error::value(owner, "metric", format!("{name:?}"), format!("one of {}", Self::NAMES.join(", "))))
    }
}

/// True and false positives and negatives of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    tp: u64,
    tn: u64,
    fp: u64,
    fn_: u64,
}

fn ratio(part: u64, whole: u64) -> f64 {
    if part == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Counts {
    fn metric(self, metric: Metric) -> f64 {
        let Counts { tp, tn, fp, fn_ } = self;
        let (sensitivity, precision) = (ratio(tp, tp + fn_), ratio(tp, tp + fp));
        let (specificity, negative) = (ratio(tn, tn + fp), ratio(tn, tn + fn_));
        match metric {
            Metric::Sensitivity => sensitivity,
            Metric::Specificity => specificity,
            Metric::Precision => precision,
            Metric::NegativePredictiveValue => negative,
            Metric::MissRate => 1.0 - sensitivity,
            Metric::FallOut => 1.0 - specificity,
            Metric::FalseDiscoveryRate => 1.0 - precision,
            Metric::FalseOmissionRate => 1.0 - negative,
            Metric::IU => ratio(tp, tp + fp + fn_),
            Metric::Accuracy => ratio(tp + tn, tp + tn + fp + fn_),
            Metric::F1Score if tp == 0 => 0.0,
            Metric::F1Score => 2.0 * precision * sensitivity / (precision + sensitivity),
            Metric::Informedness => sensitivity + specificity - 1.0,
            Metric::Markedness => precision + negative - 1.0,
        }
    }
}

/// How often each target (row) was estimated as each class (column).
///
/// ```
/// use n2d2_core::target::{Confusion, Metric};
/// let mut m = Confusion::new(2);
/// m.add(0, 0);
/// m.add(0, 1);
/// m.add(1, 1);
/// assert_eq!(m.average(Metric::Sensitivity), 0.75);
/// assert_eq!(m.metric(1, Metric::Precision), 0.5);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confusion {
    targets: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// An empty matrix of `targets` classes.
    pub fn new(targets: usize) -> Self {
        Confusion { targets, counts: vec![0; targets * targets] }
    }

    /// Number of classes.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// The counts, row by row.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// True if nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|c| *c == 0)
    }

    /// Counts one estimate.
    ///
    /// # Panics
    /// If a class is outside the matrix.
    pub fn add(&mut self, target: usize, estimated: usize) {
        assert!(estimated < self.targets, "class {estimated} outside a matrix of {} classes", self.targets);
        self.counts[target * self.targets + estimated] += 1;
    }

    /// Forgets all counts.
    pub fn clear(&mut self) {
        self.counts.fill(0);
    }

    fn class_counts(&self) -> Vec<Counts> {
        let n = self.targets;
        let (mut rows, mut columns) = (vec![0; n], vec![0; n]);
        for (t, row) in self.counts.chunks_exact(n.max(1)).enumerate() {
            for (e, count) in row.iter().enumerate() {
                rows[t] += count;
                columns[e] += count;
            }
        }
        let all: u64 = rows.iter().sum();
        let class = |t: usize| {
            let tp = self.counts[t * n + t];
            Counts { tp, fn_: rows[t] - tp, fp: columns[t] - tp, tn: all + tp - rows[t] - columns[t] }
        };
        (0..n).map(class).collect()
    }

    /// A metric of every class.
    pub fn metrics(&self, metric: Metric) -> Vec<f64> {
        self.class_counts().iter().map(|c| c.metric(metric)).collect()
    }

    /// A metric of one class.
    ///
    /// # Panics
    /// If the class is outside the matrix.
    pub fn metric(&self, target: usize, metric: Metric) -> f64 {
        self.class_counts()[target].metric(metric)
    }

    /// For each class, whether it occurred as a target or as an estimate.
    pub fn relevant(&self) -> Vec<bool> {
        self.class_counts().iter().map(|c| c.tp + c.fp + c.fn_ > 0).collect()
    }

    /// The mean of a metric over the classes that occurred as a target or as an estimate; 0 if none did.
    pub fn average(&self, metric: Metric) -> f64 {
        let counts = self.class_counts();
        let relevant = counts.iter().filter(|c| c.tp + c.fp + c.fn_ > 0);
        let (sum, n) = relevant.fold((0.0, 0usize), |(sum, n), c| (sum + c.metric(metric), n + 1));
        if n == 0 { 0.0 } else { sum / n as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0: TP 3, FN 1, FP 2, TN 4; class 1: TP 4, FN 2, FP 0; class 2 only as an estimate; class 3 never.
    fn sample() -> Confusion {
        let mut m = Confusion::new(4);
        for (target, estimated, times) in [(0, 0, 3), (0, 2, 1), (1, 0, 2), (1, 1, 4)] {
            (0..times).for_each(|_| m.add(target, estimated));
        }
        m
    }

    #[test]
    fn all_thirteen_metrics_of_a_class() {
        let expected = [
            (Metric::Sensitivity, 3.0 / 4.0),
            (Metric::Specificity, 4.0 / 6.0),
            (Metric::Precision, 3.0 / 5.0),
            (Metric::NegativePredictiveValue, 4.0 / 5.0),
            (Metric::MissRate, 1.0 / 4.0),
            (Metric::FallOut, 2.0 / 6.0),
            (Metric::FalseDiscoveryRate, 2.0 / 5.0),
            (Metric::FalseOmissionRate, 1.0 / 5.0),
            (Metric::IU, 3.0 / 6.0),
            (Metric::Accuracy, 7.0 / 10.0),
            (Metric::F1Score, 2.0 * 0.6 * 0.75 / 1.35),
            (Metric::Informedness, 0.75 + 4.0 / 6.0 - 1.0),
            (Metric::Markedness, 0.6 + 0.8 - 1.0),
        ];
        assert_eq!(expected.len(), Metric::ALL.len());
        for (metric, value) in expected {
            assert!((sample().metric(0, metric) - value).abs() < 1e-12, "{metric:?}");
        }
    }

    #[test]
    fn a_class_never_found_misses_all() {
        let m = sample();
        assert_eq!(m.metric(2, Metric::Sensitivity), 0.0);
        assert_eq!(m.metric(2, Metric::MissRate), 1.0);
        assert_eq!(m.metric(3, Metric::FalseDiscoveryRate), 1.0);
        assert_eq!(m.metric(3, Metric::Accuracy), 1.0);
        assert_eq!(m.metric(3, Metric::F1Score), 0.0);
    }

    #[test]
    fn averages_leave_out_classes_that_never_occurred() {
        let m = sample();
        assert_eq!(m.relevant(), [true, true, true, false]);
        assert!((m.average(Metric::Sensitivity) - (0.75 + 4.0 / 6.0) / 3.0).abs() < 1e-12);
        assert_eq!(Confusion::new(5).average(Metric::Accuracy), 0.0);
        assert_eq!(Confusion::default().average(Metric::Accuracy), 0.0);
    }

    #[test]
    fn names_are_parsed_and_others_refused_with_the_list() {
        assert_eq!(Metric::parse("Score_0", "IU"), Ok(Metric::IU));
        let text = Metric::parse("Score_0", "Recall").unwrap_err().to_string();
        assert!(text.starts_with("Score_0: parameter `metric` is \"Recall\", expected one of Sensitivity, Specificity"), "{text}");
    }
}
