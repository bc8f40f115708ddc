//! Images and labels in memory, and the partitions they belong to.

use super::image::{Image, Pixels};
use super::partition::{Draw, Partition, counts};
use crate::error::{Error, Result};
use crate::random::Mt19937;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

/// The label of a stimulus that no target counts.
pub const IGNORE: i32 = -1;

/// Labels at most, so that no table of labels grows beyond reason.
const MAX_LABELS: i32 = 1 << 20;

/// Images of one size and type, one after the other.
struct Block {
    shape: [usize; 3],
    pixels: Pixels<'static>,
}

#[derive(Clone, Copy)]
struct Stimulus {
    block: u32,
    index: u32,
    label: i32,
}

/// Stimuli with labels and partitions.
///
/// Stimuli are numbered in the order in which they were added. Copies share the images.
///
/// ```
/// use n2d2_core::data::{Dataset, Partition, Pixels};
/// let mut d = Dataset::new("Numpy");
/// let ids = d.add(Pixels::U8(vec![0, 1, 2, 3, 4, 5, 6, 7].into()), [2, 2, 1], &[0, 1])?;
/// d.partition(1.0, 0.0, 0.0, None)?;
/// assert_eq!(d.ids(Partition::Learn), [0, 1]);
/// assert_eq!(d.image(1).shape(), [2, 2, 1]);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Dataset {
    name: String,
    blocks: Vec<Arc<Block>>,
    stimuli: Vec<Stimulus>,
    partitions: [Vec<u32>; 4],
    label_names: Vec<String>,
    nb_labels: usize,
}

impl Dataset {
    /// An empty dataset, called `name` in errors.
    pub fn new(name: impl Into<String>) -> Self {
        Dataset {
            name: name.into(),
            blocks: Vec::new(),
            stimuli: Vec::new(),
            partitions: Default::default(),
            label_names: Vec::new(),
            nb_labels: 0,
        }
    }

    /// Adds images `[h, w, c]` that lie one after the other in `pixels`, one a label, as unpartitioned stimuli; returns
    /// their numbers. The label [`IGNORE`] is counted by no target.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values does not fit, [`Error::Value`] for a label below [`IGNORE`] or of
    /// 2^20 and more.
    pub fn add(&mut self, pixels: Pixels<'static>, shape: [usize; 3], labels: &[i32]) -> Result<Range<u32>> {
        let got = match &pixels {
            Pixels::U8(p) => p.len(),
            Pixels::F32(p) => p.len(),
        };
        let expected = shape.iter().try_fold(labels.len(), |n, s| n.checked_mul(*s));
        if expected != Some(got) || shape.contains(&0) {
            let expected = format!("{} images of [height, width, channels] = {shape:?}", labels.len());
            return Err(Error::shape(&self.name, "values", expected, format!("{got} values")));
        }
        if let Some((i, label)) = labels.iter().enumerate().find(|(_, l)| !(IGNORE..MAX_LABELS).contains(*l)) {
            let expected = format!("a class number from 0 to {}, or -1 for a stimulus that no target counts", MAX_LABELS - 1);
            return Err(Error::value(&self.name, format!("label of stimulus {i}"), label, expected));
        }
        let first = self.stimuli.len();
        if u32::try_from(first + labels.len()).is_err() {
            return Err(Error::value(&self.name, "number of stimuli", first + labels.len(), "less than 2^32"));
        }
        let block = self.blocks.len() as u32;
        self.blocks.push(Arc::new(Block { shape, pixels }));
        self.stimuli.extend(labels.iter().zip(0..).map(|(label, index)| Stimulus { block, index, label: *label }));
        let ids = first as u32..self.stimuli.len() as u32;
        self.partitions[Partition::Unpartitioned as usize].extend(ids.clone());
        self.nb_labels = labels.iter().fold(self.nb_labels, |n, l| n.max((l + 1) as usize));
        Ok(ids)
    }

    /// Distributes the unpartitioned stimuli: `learn`, `validation` and `test` are fractions of their number, and what is
    /// left stays unpartitioned. Each stimulus is drawn from `random`, or the first ones are taken.
    ///
    /// # Errors
    /// [`Error::Value`] if a fraction is not in [0, 1] or if their sum is above 1.
    pub fn partition(&mut self, learn: f64, validation: f64, test: f64, random: Option<&mut Mt19937>) -> Result<()> {
        let pool = &self.partitions[Partition::Unpartitioned as usize];
        let n = counts(&self.name, pool.len(), learn, validation, test)?;
        let pool = std::mem::take(&mut self.partitions[Partition::Unpartitioned as usize]);
        self.partitions[Partition::Unpartitioned as usize] = self.draw(pool, n, random);
        Ok(())
    }

    /// Moves unpartitioned stimuli, by their numbers, into one partition, in random order if a generator is given.
    pub fn assign(&mut self, ids: Range<u32>, partition: Partition, random: Option<&mut Mt19937>) {
        let pool = std::mem::take(&mut self.partitions[Partition::Unpartitioned as usize]);
        let (chosen, rest): (Vec<u32>, Vec<u32>) = pool.into_iter().partition(|id| ids.contains(id));
        self.partitions[Partition::Unpartitioned as usize] = rest;
        let mut n = [0; 3];
        match partition {
            Partition::Unpartitioned => self.partitions[partition as usize].extend(&chosen),
            _ => n[partition as usize] = chosen.len(),
        }
        self.draw(chosen, n, random);
    }

    /// Draws `n` of the pool into Learn, Validation and Test, and returns the others.
    fn draw(&mut self, pool: Vec<u32>, n: [usize; 3], mut random: Option<&mut Mt19937>) -> Vec<u32> {
        let mut draw = Draw::new(pool);
        for (partition, n) in n.into_iter().enumerate() {
            self.partitions[partition].extend(draw.take(n, random.as_deref_mut()));
        }
        draw.rest()
    }

    /// The name used in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of stimuli in all partitions.
    pub fn len(&self) -> usize {
        self.stimuli.len()
    }

    /// True without stimuli.
    pub fn is_empty(&self) -> bool {
        self.stimuli.is_empty()
    }

    /// The numbers of the stimuli of a partition, in the order drawn.
    pub fn ids(&self, partition: Partition) -> &[u32] {
        &self.partitions[partition as usize]
    }

    /// The image of a stimulus.
    ///
    /// # Panics
    /// If there is no such stimulus.
    pub fn image(&self, id: u32) -> Image<'_> {
        let s = self.stimuli[id as usize];
        let block = &self.blocks[s.block as usize];
        let [h, w, c] = block.shape;
        let at = s.index as usize * h * w * c..(s.index as usize + 1) * h * w * c;
        let pixels = match &block.pixels {
            Pixels::U8(p) => Pixels::U8(Cow::Borrowed(&p[at])),
            Pixels::F32(p) => Pixels::F32(Cow::Borrowed(&p[at])),
        };
        Image { h, w, c, pixels }
    }

    /// The label of a stimulus.
    ///
    /// # Panics
    /// If there is no such stimulus.
    pub fn label(&self, id: u32) -> i32 {
        self.stimuli[id as usize].label
    }

    /// Number of labels: the names given, or the largest label + 1 if that is more.
    pub fn nb_labels(&self) -> usize {
        self.nb_labels.max(self.label_names.len())
    }

    /// Names the labels 0, 1, 2 ...
    pub fn set_label_names(&mut self, names: Vec<String>) {
        self.label_names = names;
    }

    /// The name of a label: its number if no name was given.
    ///
    /// # Errors
    /// [`Error::Value`] for a number of which there is no label.
    pub fn label_name(&self, label: usize) -> Result<String> {
        match self.label_names.get(label) {
            Some(name) => Ok(name.clone()),
            None if label < self.nb_labels => Ok(label.to_string()),
            None => Err(Error::value(&self.name, "label", label, format!("less than the {} labels of the dataset", self.nb_labels()))),
        }
    }
}

/// A dataset in the hands of its owner and of the providers that read it.
///
/// Readers take a snapshot, so that a thread which prepares a batch never blocks one that adds stimuli.
#[derive(Clone)]
pub struct SharedDataset(Arc<RwLock<Arc<Dataset>>>);

impl SharedDataset {
    /// Shares a dataset.
    pub fn new(dataset: Dataset) -> Self {
        SharedDataset(Arc::new(RwLock::new(Arc::new(dataset))))
    }

    /// The dataset as it is now.
    pub fn snapshot(&self) -> Arc<Dataset> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the dataset; snapshots taken before keep the old state. After an error nothing has changed.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn change<R>(&self, change: impl FnOnce(&mut Dataset) -> Result<R>) -> Result<R> {
        let mut guard = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Dataset::clone(&guard);
        let result = change(&mut next)?;
        *guard = Arc::new(next);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Dataset {
        let mut d = Dataset::new("Numpy");
        d.add(Pixels::U8((0..40).collect::<Vec<u8>>().into()), [2, 2, 1], &[0, 1, 2, 3, 0, 1, 2, 3, 0, 1]).unwrap();
        d
    }

    #[test]
    fn random_partitions_are_those_of_the_original() {
        let mut d = ten();
        d.partition(1.0, 0.0, 0.0, Some(&mut Mt19937::new(1))).unwrap();
        assert_eq!(d.ids(Partition::Learn), [4, 9, 6, 8, 0, 1, 3, 7, 2, 5]);
        let mut d = ten();
        d.partition(0.5, 0.2, 0.2, Some(&mut Mt19937::new(1))).unwrap();
        assert_eq!(d.ids(Partition::Learn), [4, 9, 6, 8, 0]);
        assert_eq!(d.ids(Partition::Validation), [1, 3]);
        assert_eq!(d.ids(Partition::Test), [7, 2]);
        assert_eq!(d.ids(Partition::Unpartitioned), [5]);
    }

    #[test]
    fn without_generator_the_first_ones_are_taken() {
        let mut d = ten();
        d.partition(0.3, 0.3, 0.4, None).unwrap();
        assert_eq!(d.ids(Partition::Learn), [0, 1, 2]);
        assert_eq!(d.ids(Partition::Validation), [3, 4, 5]);
        assert_eq!(d.ids(Partition::Test), [6, 7, 8, 9]);
    }

    #[test]
    fn only_the_named_stimuli_are_assigned() {
        let mut d = ten();
        let new = d.add(Pixels::F32(vec![0.5; 2].into()), [1, 1, 1], &[7, IGNORE]).unwrap();
        d.assign(new, Partition::Test, None);
        assert_eq!(d.ids(Partition::Test), [10, 11]);
        assert_eq!(d.ids(Partition::Unpartitioned).len(), 10);
        d.assign(0..2, Partition::Unpartitioned, None);
        assert_eq!(d.ids(Partition::Unpartitioned), [2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    }

    #[test]
    fn images_and_labels_come_back() {
        let d = ten();
        assert_eq!(d.image(3), Image::bytes(2, 2, 1, vec![12, 13, 14, 15]));
        assert_eq!(d.label(7), 3);
        assert_eq!((d.nb_labels(), d.label_name(3).unwrap()), (4, "3".to_string()));
        let text = "Numpy: parameter `label` is 4, expected less than the 4 labels of the dataset";
        assert_eq!(d.label_name(4).unwrap_err().to_string(), text);
    }

    #[test]
    fn sizes_and_labels_are_checked() {
        let mut d = Dataset::new("Numpy");
        let e = d.add(Pixels::U8(vec![0; 7].into()), [2, 2, 1], &[0, 1]).unwrap_err();
        assert_eq!(e.to_string(), "Numpy: values: expected 2 images of [height, width, channels] = [2, 2, 1], got 7 values");
        let e = d.add(Pixels::U8(vec![0; 2].into()), [1, 1, 1], &[0, -2]).unwrap_err();
        let text = "Numpy: parameter `label of stimulus 1` is -2, expected a class number from 0 to 1048575, \
                    or -1 for a stimulus that no target counts";
        assert_eq!(e.to_string(), text);
        assert!(d.add(Pixels::U8(vec![0].into()), [1, 1, 1], &[i32::MAX]).is_err());
        assert!(d.is_empty());
    }

    #[test]
    fn a_snapshot_keeps_the_old_state_and_an_error_changes_nothing() {
        let shared = SharedDataset::new(ten());
        let before = shared.snapshot();
        shared.change(|d| d.partition(1.0, 0.0, 0.0, None)).unwrap();
        assert_eq!((before.ids(Partition::Learn).len(), shared.snapshot().ids(Partition::Learn).len()), (0, 10));
        let failed = shared.change(|d| {
            d.add(Pixels::U8(vec![1].into()), [1, 1, 1], &[0])?;
            d.partition(2.0, 0.0, 0.0, None)
        });
        assert!(failed.is_err());
        assert_eq!(shared.snapshot().len(), 10);
    }
}
