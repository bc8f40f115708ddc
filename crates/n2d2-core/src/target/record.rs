//! What a target remembers of a partition: every batch, and the confusion matrix.

use super::confusion::Confusion;
use std::collections::BTreeMap;

/// The result of one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Batch {
    /// Learning batches seen before and with this one.
    pub step: u64,
    /// Sum of squared errors divided by the number of stimuli.
    pub loss: f64,
    /// Cross-entropy divided by the number of stimuli; NaN if the output is not known to be probabilities.
    pub cross_entropy: f64,
    /// Mean success of the stimuli that count, 0 to 1.
    pub success: f64,
    /// Mean top-N success of the stimuli that count, 0 to 1.
    pub top_n_success: f64,
    /// Stimuli that count.
    pub stimuli: usize,
}

/// The batches and the confusion matrix of a partition.
#[derive(Debug, Clone, Default)]
pub struct Record {
    batches: Vec<Batch>,
    cleared_at: usize,
    sums: Sums,
    /// Targets against estimates since [`Record::clear`].
    pub confusion: Confusion,
    wrong: BTreeMap<(u32, i32, i32), u64>,
}

/// Means over the stimuli that count; 0 if there are none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Averages {
    /// Mean loss of a stimulus.
    pub loss: f64,
    /// Mean cross-entropy of a stimulus; NaN if a batch has none.
    pub cross_entropy: f64,
    /// Part of the stimuli whose best estimate is their target.
    pub success: f64,
    /// Part of the stimuli whose target is among the best estimates.
    pub top_n_success: f64,
    /// Stimuli that count.
    pub stimuli: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums(Averages);

impl Sums {
    fn add(self, b: &Batch) -> Self {
        let (a, n) = (self.0, b.stimuli as f64);
        Sums(Averages {
            loss: a.loss + b.loss * n,
            cross_entropy: a.cross_entropy + b.cross_entropy * n,
            success: a.success + b.success * n,
            top_n_success: a.top_n_success + b.top_n_success * n,
            stimuli: a.stimuli + b.stimuli,
        })
    }

    fn means(self) -> Averages {
        let (a, n) = (self.0, self.0.stimuli.max(1) as f64);
        Averages {
            loss: a.loss / n,
            cross_entropy: a.cross_entropy / n,
            success: a.success / n,
            top_n_success: a.top_n_success / n,
            stimuli: a.stimuli,
        }
    }
}

impl Record {
    /// Appends a batch.
    pub fn push(&mut self, batch: Batch) {
        self.sums = self.sums.add(&batch);
        self.batches.push(batch);
    }

    /// Every batch since the target exists: clearing the success does not shorten the learning curve.
    pub fn history(&self) -> &[Batch] {
        &self.batches
    }

    /// Every batch since the last [`Record::clear_success`].
    pub fn batches(&self) -> &[Batch] {
        &self.batches[self.cleared_at..]
    }

    /// Means over the stimuli of the last `window` batches (all if 0) since the last [`Record::clear_success`].
    pub fn averages(&self, window: usize) -> Averages {
        let batches = self.batches();
        if window == 0 || window >= batches.len() {
            return self.sums.means();
        }
        batches[batches.len() - window..].iter().fold(Sums::default(), Sums::add).means()
    }

    /// Starts the averages anew.
    pub fn clear_success(&mut self) {
        self.cleared_at = self.batches.len();
        self.sums = Sums::default();
    }

    /// Starts the averages and the confusion matrix anew.
    pub fn clear(&mut self) {
        self.clear_success();
        self.confusion = Confusion::default();
        self.wrong.clear();
    }

    /// Counts a stimulus whose estimate is not its target.
    pub fn misclassify(&mut self, stimulus: u32, target: i32, estimated: i32) {
        *self.wrong.entry((stimulus, target, estimated)).or_default() += 1;
    }

    /// Stimuli whose estimate was not their target since [`Record::clear`]: number, target, estimate, how often.
    pub fn misclassified(&self) -> impl Iterator<Item = (u32, i32, i32, u64)> {
        self.wrong.iter().map(|(&(stimulus, target, estimated), &count)| (stimulus, target, estimated, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(success: f64, stimuli: usize) -> Batch {
        Batch { step: 0, loss: 2.0 * success, cross_entropy: f64::NAN, success, top_n_success: 1.0, stimuli }
    }

    #[test]
    fn the_mean_is_over_stimuli_not_batches() {
        let mut r = Record::default();
        assert_eq!(r.averages(0), Averages::default());
        r.push(batch(0.5, 4));
        r.push(batch(1.0, 4));
        r.push(batch(0.0, 2));
        let all = r.averages(0);
        assert_eq!((all.success, all.top_n_success, all.loss, all.stimuli), (0.6, 1.0, 1.2, 10));
        assert!(all.cross_entropy.is_nan());
        assert_eq!(r.averages(9).success, 0.6);
        assert_eq!(r.averages(1).success, 0.0);
        assert!((r.averages(2).success - 4.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn clearing_keeps_the_history() {
        let mut r = Record { confusion: Confusion::new(2), ..Record::default() };
        r.push(batch(0.5, 4));
        r.confusion.add(0, 1);
        r.clear_success();
        assert_eq!((r.averages(0).success, r.batches().len(), r.history().len()), (0.0, 0, 1));
        assert!(!r.confusion.is_empty());
        r.push(batch(1.0, 1));
        assert_eq!(r.averages(0).success, 1.0);
        r.misclassify(7, 0, 1);
        r.misclassify(7, 0, 1);
        r.misclassify(3, 1, 0);
        assert_eq!(r.misclassified().collect::<Vec<_>>(), [(3, 1, 0, 1), (7, 0, 1, 2)]);
        r.clear();
        assert!(r.confusion.is_empty());
        assert_eq!(r.misclassified().count(), 0);
        assert_eq!(r.history().len(), 2);
    }
}
