//! Labels of a batch, and which target each label means.

use crate::error::{Error, Result};

/// The target of a stimulus or pixel that counts neither for the loss nor for the score.
pub const IGNORE: i32 = -1;

/// The labels of a batch: one a stimulus, or a map of them.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    values: &'a [i32],
    n: usize,
    h: usize,
    w_: usize,
}

impl<'a> Labels<'a> {
    /// Labels of shape `[n]`, `[n, h, w]` or `[n, 1, h, w]`, in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape or number of values.
    pub fn new(owner: &str, values: &'a [i32], shape: &[usize]) -> Result<Self> {
        let (n, h, w_) = match *shape {
            [n] => (n, 1, 1),
            [n, h, w_] | [n, 1, h, w_] => (n, h, w_),
            _ => return Err(Error::shape(owner, "labels", "[n], [n, h, w] or [n, 1, h, w]", format!("{shape:?}"))),
        };
        if values.len() != n * h * w_ {
            return Err(Error::shape(owner, "number of labels", format!("{} for {shape:?}", n * h * w_), values.len()));
        }
        Ok(Labels { values, n, h, w_ })
    }

    /// Number of stimuli.
    pub fn stimuli(&self) -> usize {
        self.n
    }

    /// Height and width of the map of a stimulus.
    pub fn map_size(&self) -> [usize; 2] {
        [self.h, self.w_]
    }

    fn map(&self, stimulus: usize) -> &'a [i32] {
        let len = self.h * self.w_;
        &self.values[stimulus * len..(stimulus + 1) * len]
    }
}

/// From label to target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelMap {
    /// The target of each label; `None` when a label is its own target.
    pub targets: Option<Vec<i32>>,
    /// The target of the label -1.
    pub ignore: Option<i32>,
    /// A class that yields to the second most frequent when several labels meet in one output pixel.
    pub weak: Option<i32>,
}

impl LabelMap {
    fn target(&self, label: i32) -> Option<i32> {
        match (label, &self.targets) {
            (IGNORE, _) => Some(self.ignore.unwrap_or(IGNORE)),
            (_, None) => Some(label),
            (_, Some(targets)) => usize::try_from(label).ok().and_then(|l| targets.get(l).copied()),
        }
    }

    /// The targets of the `h x w_` outputs of one stimulus, each below `nb_targets` or [`IGNORE`].
    ///
    /// A label map of another size is cut in one cell an output; the most frequent target of the cell wins, the first
    /// of [`IGNORE`], 0, 1 ... among equals.
    ///
    /// # Errors
    /// [`Error::Data`] for a label without target or with a target that does not exist.
    pub fn resolve(
        &self,
        owner: &str,
        labels: &Labels<'_>,
        stimulus: usize,
        nb_targets: usize,
        [h, w_]: [usize; 2],
        to: &mut [i32],
    ) -> Result<()> {
        let map = labels.map(stimulus);
        let target = |label: i32| match self.target(label) {
            None => {
                Err(Error::data(owner, format!("label {label} of stimulus {stimulus} of the batch has no target in the labels mapping")))
            }
            Some(t) if t < IGNORE || t >= nb_targets as i32 => Err(Error::data(
                owner,
                format!(
                    "label {label} of stimulus {stimulus} of the batch means target {t}, but the output has {nb_targets} targets (0 to {}): \
                     give the last cell more outputs, or a labels_mapping",
                    nb_targets as i32 - 1
                ),
            )),
            Some(t) => Ok(t),
        };
        if [h, w_] == labels.map_size() {
            for (to, label) in to.iter_mut().zip(map) {
                *to = target(*label)?;
            }
            return Ok(());
        }
        let mut histogram = vec![0u32; nb_targets + 1];
        for y in 0..h {
            for x in 0..w_ {
                histogram.fill(0);
                for v in cell(y, h, labels.h) {
                    for u in cell(x, w_, labels.w_) {
                        histogram[(target(map[v * labels.w_ + u])? + 1) as usize] += 1;
                    }
                }
                to[y * w_ + x] = self.most_frequent(&mut histogram);
            }
        }
        Ok(())
    }

    /// The first maximum of a histogram over `IGNORE, 0, 1 ...`.
    fn most_frequent(&self, histogram: &mut [u32]) -> i32 {
        let first = first_maximum(histogram);
        if self.weak != Some(first as i32 - 1) {
            return first as i32 - 1;
        }
        let count = std::mem::take(&mut histogram[first]);
        let second = first_maximum(histogram);
        let found = if histogram[second] > 0 { second } else { first };
        histogram[first] = count;
        found as i32 - 1
    }
}

/// The part of `len` labels that output `i` of `outputs` looks at.
fn cell(i: usize, outputs: usize, len: usize) -> std::ops::Range<usize> {
    let start = i * len / outputs;
    start..(start + 1).max((i + 1) * len / outputs)
}

fn first_maximum(histogram: &[u32]) -> usize {
    let better = |best: usize, (i, count): (usize, &u32)| if *count > histogram[best] { i } else { best };
    histogram.iter().enumerate().fold(0, better)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(map: &LabelMap, values: &[i32], shape: &[usize], nb_targets: usize, size: [usize; 2]) -> Result<Vec<i32>> {
        let labels = Labels::new("Score_0", values, shape)?;
        let mut to = vec![99; size[0] * size[1]];
        map.resolve("Score_0", &labels, 0, nb_targets, size, &mut to)?;
        Ok(to)
    }

    #[test]
    fn a_label_is_its_own_target_or_mapped() {
        let identity = LabelMap::default();
        assert_eq!(resolve(&identity, &[4], &[1], 5, [1, 1]), Ok(vec![4]));
        let map = LabelMap { targets: Some(vec![1, 0, -1]), ignore: Some(2), weak: None };
        let mapped: Vec<_> = [0, 1, 2, -1].iter().map(|l| resolve(&map, &[*l], &[1], 3, [1, 1]).unwrap()[0]).collect();
        assert_eq!(mapped, [1, 0, -1, 2]);
    }

    #[test]
    fn a_label_without_output_is_an_error_that_says_so() {
        let text = resolve(&LabelMap::default(), &[5], &[1], 5, [1, 1]).unwrap_err().to_string();
        assert_eq!(
            text,
            "Score_0: label 5 of stimulus 0 of the batch means target 5, but the output has 5 targets (0 to 4): give the last cell more outputs, or a labels_mapping"
        );
        assert!(resolve(&LabelMap::default(), &[-2], &[1], 5, [1, 1]).is_err());
        let map = LabelMap { targets: Some(vec![0]), ..LabelMap::default() };
        let text = resolve(&map, &[1], &[1], 5, [1, 1]).unwrap_err().to_string();
        assert_eq!(text, "Score_0: label 1 of stimulus 0 of the batch has no target in the labels mapping");
    }

    #[test]
    fn a_larger_label_map_votes_and_ignore_wins_ties() {
        let map = [1, 1, 0, -1, 2, 1, 2, -1];
        assert_eq!(resolve(&LabelMap::default(), &map, &[1, 2, 4], 3, [1, 2]), Ok(vec![1, -1]));
    }

    #[test]
    fn a_smaller_label_map_is_repeated() {
        assert_eq!(resolve(&LabelMap::default(), &[3], &[1], 4, [2, 2]), Ok(vec![3; 4]));
        assert_eq!(resolve(&LabelMap::default(), &[0, 1], &[1, 1, 2], 4, [1, 5]), Ok(vec![0, 0, 0, 1, 1]));
    }

    #[test]
    fn a_weak_class_yields_to_the_second() {
        let map = LabelMap { weak: Some(0), ..LabelMap::default() };
        assert_eq!(resolve(&map, &[0, 0, 0, 2], &[1, 2, 2], 3, [1, 1]), Ok(vec![2]));
        assert_eq!(resolve(&map, &[0, 0, 0, 0], &[1, 2, 2], 3, [1, 1]), Ok(vec![0]));
    }

    #[test]
    fn shapes_are_checked() {
        assert_eq!(Labels::new("Score_0", &[0; 4], &[2, 2]).unwrap_err().code(), "shape");
        assert_eq!(Labels::new("Score_0", &[0; 3], &[4]).unwrap_err().code(), "shape");
        assert_eq!(Labels::new("Score_0", &[0; 8], &[2, 1, 2, 2]).unwrap().map_size(), [2, 2]);
    }
}
