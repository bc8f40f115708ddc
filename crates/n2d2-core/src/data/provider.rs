//! Batches of a dataset.
//!
//! Three ways to read a partition: the sequence made by [`Provider::set_batch`], from any place by
//! [`Provider::read_at`], and at random with replacement by [`Provider::read_random`]. The last batch of a partition is
//! short. Bytes are divided by 255 unless a transformation made floats of them.
//!
//! Random transformations read a stream keyed by the epoch and the stimulus. The key of an epoch is drawn from the
//! process-wide generator (or from one of the provider's own) when the epoch first needs it, so that the seed determines
//! everything and a script that uses nothing random draws nothing.

use super::batch::{Batch, Cache, Request};
use super::dataset::SharedDataset;
use super::partition::Partition;
use super::prefetch::{Ahead, Prefetch};
use super::transform::{Transform, TransformFn};
use crate::config::{MAX_VALUES, values_of};
use crate::error::{Error, Result};
use crate::random::{self, Mt19937, Stream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// An order of stimuli and how far it has been read.
struct Sequence {
    ids: Vec<u32>,
    next: usize,
    /// Key of the random transformations of this epoch, once drawn.
    key: Option<u64>,
}

/// Reads a dataset in batches `[n, c, h, w]`.
///
/// ```
/// use n2d2_core::data::{Dataset, Partition, Pixels, Provider, SharedDataset};
/// let mut d = Dataset::new("Numpy");
/// d.add(Pixels::U8(vec![0, 51, 102, 153, 204, 255].into()), [1, 2, 1], &[0, 1, 2])?;
/// d.partition(1.0, 0.0, 0.0, None)?;
/// let mut provider = Provider::new("DataProvider_0", SharedDataset::new(d), &[2, 1, 1], 2)?;
/// provider.set_partition(Partition::Learn);
/// provider.set_batch(false)?;
/// assert_eq!(provider.read_next()?.data.shape(), [2, 1, 1, 2]);
/// let last = provider.read_next()?;
/// assert_eq!((last.data.to_vec(), last.labels), (vec![0.8, 1.0], vec![2]));
/// assert!(provider.all_provided()?);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
pub struct Provider {
    name: Arc<str>,
    dataset: SharedDataset,
    /// `[h, w, c]`.
    shape: [usize; 3],
    batch_size: usize,
    partition: Partition,
    cacheable: Vec<Transform>,
    on_the_fly: Vec<Transform>,
    sequences: [Option<Sequence>; 4],
    /// Key of the random transformations of [`Provider::read_at`], once drawn.
    pass_key: Option<u64>,
    caches: [Option<Arc<Cache>>; 4],
    cache_key: Option<u64>,
    prefetch: Prefetch,
    ahead: Ahead,
    generator: Generator,
}

/// Where a provider draws from: the process-wide generator, or one of its own.
struct Generator(Option<Mt19937>);

impl Generator {
    fn draw<R>(&mut self, f: impl FnOnce(&mut Mt19937) -> R) -> R {
        match &mut self.0 {
            Some(own) => f(own),
            None => f(&mut random::global()),
        }
    }

    /// A key for one epoch.
    fn key(&mut self) -> u64 {
        self.draw(|g| u64::from(g.next_u32()) << 32 | u64::from(g.next_u32()))
    }
}

/// Distinguishes the shuffle of an epoch from the streams of its stimuli.
const SHUFFLE: u64 = u64::MAX;

impl Provider {
    /// A provider of images of `size` = `[width, height, channels]` (`[width, height]`: one channel) in batches of
    /// `batch_size`, of the partition Test.
    ///
    /// # Errors
    /// [`Error::Value`] for a size or a batch size of 0, with another number of dimensions, or beyond reason.
    pub fn new(name: &str, dataset: SharedDataset, size: &[usize], batch_size: usize) -> Result<Self> {
        let shape = match *size {
            [w, h] => [h, w, 1],
            [w, h, c] => [h, w, c],
            _ => return Err(Error::value(name, "size", format!("{size:?}"), "[width, height] or [width, height, channels]")),
        };
        let values = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|n| (1..=1 << 40).contains(n));
        if values.is_none() {
            return Err(Error::value(name, "size", format!("{size:?}"), "integers of at least 1, with a product of at most 2^40"));
        }
        if batch_size == 0 {
            return Err(Error::value(name, "batch_size", batch_size, "an integer of at least 1"));
        }
        let [h, w, c] = shape;
        // A single image is checked when memory is taken for it.
        if batch_size > 1 && values_of(&[batch_size, c, h, w]).is_none() {
            let expected = format!("batches of at most {MAX_VALUES} values, not [{batch_size}, {c}, {h}, {w}]");
            return Err(Error::value(name, "batch_size", batch_size, expected));
        }
        Ok(Provider {
            name: name.into(),
            dataset,
            shape,
            batch_size,
            partition: Partition::Test,
            cacheable: Vec::new(),
            on_the_fly: Vec::new(),
            sequences: Default::default(),
            pass_key: None,
            caches: Default::default(),
            cache_key: None,
            prefetch: Prefetch::Auto,
            ahead: Ahead::default(),
            generator: Generator(None),
        })
    }

    /// The same provider with a generator of its own instead of the process-wide one.
    #[must_use]
    pub fn with_generator(mut self, generator: Mt19937) -> Self {
        self.generator = Generator(Some(generator));
        self
    }

    /// The name used in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stimuli in a batch, the last one of a partition excepted.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The partition that is read.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Chooses the partition to read.
    pub fn set_partition(&mut self, partition: Partition) {
        self.partition = partition;
    }

    /// Chooses when batches are made ahead; the batches do not change.
    pub fn set_prefetch(&mut self, prefetch: Prefetch) {
        self.prefetch = prefetch;
    }

    /// Batches that the background thread had made before they were asked for.
    pub fn prefetched(&self) -> u64 {
        self.ahead.hits
    }

    /// Adds a transformation that is applied once to each stimulus, before those of [`Provider::add_on_the_fly`].
    pub fn add(&mut self, transform: Transform) {
        self.cacheable.push(transform);
    }

    /// Adds a transformation that is applied at every read.
    pub fn add_on_the_fly(&mut self, transform: Transform) {
        self.on_the_fly.push(transform);
    }

    /// Number of stimuli in the partition.
    pub fn nb_stimuli(&self) -> usize {
        self.dataset.snapshot().ids(self.partition).len()
    }

    /// Number of batches in the partition, the short one included.
    pub fn nb_batches(&self) -> usize {
        self.nb_stimuli().div_ceil(self.batch_size)
    }

    /// Begins a sequence over the whole partition, shuffled or in order.
    ///
    /// # Errors
    /// [`Error::State`] if the partition is empty.
    pub fn set_batch(&mut self, shuffle: bool) -> Result<()> {
        let dataset = self.dataset.snapshot();
        let mut ids = dataset.ids(self.partition).to_vec();
        if ids.is_empty() {
            return Err(self.empty(dataset.name()));
        }
        let mut key = None;
        if shuffle {
            let epoch = self.generator.key();
            key = Some(epoch);
            let stream = Stream::new(random::key(&[epoch, SHUFFLE]));
            for i in 1..ids.len() {
                let j = (u64::from(stream.u32(i as u64)) * (i as u64 + 1)) >> 32;
                ids.swap(i, j as usize);
            }
        }
        self.sequences[self.partition as usize] = Some(Sequence { ids, next: 0, key });
        Ok(())
    }

    /// True when the sequence of the partition has been read to its end.
    ///
    /// # Errors
    /// [`Error::State`] without sequence.
    pub fn all_provided(&self) -> Result<bool> {
        match &self.sequences[self.partition as usize] {
            Some(s) => Ok(s.next >= s.ids.len()),
            None => Err(self.no_sequence()),
        }
    }

    /// The next batch of the sequence.
    ///
    /// # Errors
    /// [`Error::State`] without sequence or at its end; the errors of the data. The sequence then stays where it is.
    pub fn read_next(&mut self) -> Result<Batch> {
        let partition = self.partition as usize;
        let (batch_size, random) = (self.batch_size, self.is_random());
        let Some(sequence) = &mut self.sequences[partition] else { return Err(self.no_sequence()) };
        let part = |from: usize| from.min(sequence.ids.len())..(from + batch_size).min(sequence.ids.len());
        let (now, then) = (part(sequence.next), part(sequence.next + batch_size));
        if now.is_empty() {
            let what = format!("all batches of {} have been read; begin again with set_batch()", self.partition);
            return Err(Error::state(&*self.name, what));
        }
        let key = if random { *sequence.key.get_or_insert_with(|| self.generator.key()) } else { 0 };
        let (now, then, end) = (sequence.ids[now.clone()].to_vec(), sequence.ids[then].to_vec(), now.end);
        let batch = self.read(now, then, key)?;
        if let Some(sequence) = &mut self.sequences[partition] {
            sequence.next = end;
        }
        Ok(batch)
    }

    /// Begins a pass of [`Provider::read_at`]: random transformations give other images than in the pass before.
    pub fn begin_pass(&mut self) {
        self.pass_key = None;
    }

    /// The batch that begins at a stimulus of the partition, in the order of the partition.
    ///
    /// # Errors
    /// [`Error::State`] if there is no such stimulus; the errors of the data.
    pub fn read_at(&mut self, start: usize) -> Result<Batch> {
        let dataset = self.dataset.snapshot();
        let ids = dataset.ids(self.partition);
        if ids.is_empty() {
            return Err(self.empty(dataset.name()));
        }
        if start >= ids.len() {
            let what = format!("stimulus {start} is beyond the {} stimuli of the {} partition", ids.len(), self.partition);
            return Err(Error::state(&*self.name, what));
        }
        let part = |from: usize| ids[from.min(ids.len())..(from + self.batch_size).min(ids.len())].to_vec();
        let (now, then) = (part(start), part(start + self.batch_size));
        let key = if self.is_random() { *self.pass_key.get_or_insert_with(|| self.generator.key()) } else { 0 };
        self.read(now, then, key)
    }

    /// A whole batch of stimuli of the partition, each drawn with replacement from the process-wide generator.
    ///
    /// # Errors
    /// [`Error::State`] if the partition is empty; the errors of the data.
    pub fn read_random(&mut self) -> Result<Batch> {
        let dataset = self.dataset.snapshot();
        let ids = dataset.ids(self.partition);
        if ids.is_empty() {
            return Err(self.empty(dataset.name()));
        }
        let drawn = self.generator.draw(|g| (0..self.batch_size).map(|_| ids[g.below(ids.len())]).collect());
        let key = if self.is_random() { self.generator.key() } else { 0 };
        let mut request = self.request(drawn, key);
        // A stimulus that is drawn twice is transformed twice.
        for (slot, key) in request.keys.iter_mut().enumerate() {
            *key = random::key(&[*key, slot as u64]);
        }
        self.fetch(&request)
    }

    /// The batch of the stimuli `now`, after which the one of `then` is expected to be asked for.
    fn read(&mut self, now: Vec<u32>, then: Vec<u32>, key: u64) -> Result<Batch> {
        let request = self.request(now, key);
        let batch = self.fetch(&request)?;
        if !then.is_empty() {
            let keys = keys(&then, key);
            self.ahead.begin(self.prefetch, Request { ids: then, keys, ..request });
        }
        Ok(batch)
    }

    fn fetch(&mut self, request: &Request) -> Result<Batch> {
        self.ahead.take(request).unwrap_or_else(|| request.make(&AtomicBool::new(false)))
    }

    fn request(&mut self, ids: Vec<u32>, key: u64) -> Request {
        let dataset = self.dataset.snapshot();
        let cacheable = self.chain(&self.cacheable);
        let slot = self.partition as usize;
        if cacheable.is_empty() {
            self.caches[slot] = None;
        } else if self.caches[slot].as_ref().is_none_or(|c| c.chain != cacheable || c.len() != dataset.len()) {
            let random = cacheable.iter().any(TransformFn::is_random);
            let key = if random { *self.cache_key.get_or_insert_with(|| self.generator.key()) } else { 0 };
            self.caches[slot] = Some(Arc::new(Cache::new(cacheable, key, dataset.len())));
        }
        Request {
            provider: self.name.clone(),
            dataset,
            cache: self.caches[slot].clone(),
            chain: Arc::new(self.chain(&self.on_the_fly)),
            shape: self.shape,
            keys: keys(&ids, key),
            ids,
        }
    }

    /// The transformations of the partition, with their parameters as they are now.
    fn chain(&self, transforms: &[Transform]) -> Vec<TransformFn> {
        transforms.iter().filter(|t| t.apply_to.has(self.partition)).map(Transform::snapshot).collect()
    }

    fn is_random(&self) -> bool {
        self.on_the_fly.iter().any(|t| t.apply_to.has(self.partition) && t.snapshot().is_random())
    }

    fn empty(&self, dataset: &str) -> Error {
        let what = format!(
            "the {} partition of {dataset} has no stimulus; choose another one with set_partition() or fill it with partition_stimuli()",
            self.partition
        );
        Error::state(&*self.name, what)
    }

    fn no_sequence(&self) -> Error {
        Error::state(&*self.name, format!("no sequence of the {} partition; begin one with set_batch()", self.partition))
    }
}

/// The keys of the random streams of stimuli in an epoch.
fn keys(ids: &[u32], epoch: u64) -> Vec<u64> {
    ids.iter().map(|id| random::key(&[epoch, u64::from(*id)])).collect()
}

#[cfg(test)]
mod tests;
