//! A batch, and everything that determines it.
//!
//! A [`Request`] names the stimuli, the keys of their random streams, the transformations and the snapshot of the
//! dataset. The batch is a function of the request alone: whoever makes it, when and on how many threads, the bits are
//! the same. That is what allows the provider to make the next batch ahead and to throw it away if it is not asked for.

use super::dataset::Dataset;
use super::image::{Image, Pixels};
use super::transform::TransformFn;
use crate::device::cpu;
use crate::error::{Error, Result};
use crate::random::{self, Stream};
use crate::tensor::Tensor;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Images and labels for one step.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[n, c, h, w]`, channels-last in memory.
    pub data: Tensor<f32>,
    /// The label of each stimulus.
    pub labels: Vec<i32>,
    /// The number of each stimulus in the dataset.
    pub ids: Vec<u32>,
}

/// Results of the transformations that are applied once per stimulus.
pub(crate) struct Cache {
    pub(crate) chain: Vec<TransformFn>,
    pub(crate) key: u64,
    images: Vec<OnceLock<Image<'static>>>,
}

impl Cache {
    /// An empty cache for the stimuli `0..len`.
    pub(crate) fn new(chain: Vec<TransformFn>, key: u64, len: usize) -> Self {
        Cache { chain, key, images: (0..len).map(|_| OnceLock::new()).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.images.len()
    }

    fn image(&self, dataset: &Dataset, id: u32) -> Result<Image<'_>> {
        let slot = &self.images[id as usize];
        if let Some(image) = slot.get() {
            return Ok(image.view());
        }
        let image = transformed(dataset.image(id), &self.chain, random::key(&[self.key, u64::from(id)]))?.into_owned();
        // If another thread was faster, its image is the same.
        Ok(slot.get_or_init(|| image).view())
    }
}

/// Everything that determines a batch.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) provider: Arc<str>,
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) cache: Option<Arc<Cache>>,
    /// The transformations applied at every read.
    pub(crate) chain: Arc<Vec<TransformFn>>,
    /// `[h, w, c]` of every image.
    pub(crate) shape: [usize; 3],
    pub(crate) ids: Vec<u32>,
    /// The key of the random stream of each stimulus.
    pub(crate) keys: Vec<u64>,
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        let same_cache = match (&self.cache, &other.cache) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same_cache
            && Arc::ptr_eq(&self.dataset, &other.dataset)
            && self.shape == other.shape
            && self.ids == other.ids
            && self.keys == other.keys
            && self.chain == other.chain
    }
}

/// Work below this is done by one thread; starting another costs about 50 microseconds.
const PARALLEL_NS: usize = 1_000_000;

impl Request {
    /// A rough estimate of the time to make the batch on one thread.
    pub(crate) fn cost_ns(&self) -> usize {
        const CONVERT_PS: usize = 400;
        const TRANSFORM_PS: usize = 3_000;
        let missing = |c: &Arc<Cache>| self.ids.iter().filter(|id| c.images[**id as usize].get().is_none()).count() * c.chain.len();
        let transformed = self.ids.len() * self.chain.len() + self.cache.as_ref().map_or(0, missing);
        (CONVERT_PS * self.ids.len() + TRANSFORM_PS * transformed) * self.shape.iter().product::<usize>() / 1000
    }

    /// Makes the batch; `cancelled` is looked at between images.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image that does not have the size of the provider, [`Error::Data`] for a value that is not
    /// finite, [`Error::State`] when cancelled.
    pub(crate) fn make(&self, cancelled: &AtomicBool) -> Result<Batch> {
        let [h, w, c] = self.shape;
        // The first image is checked before memory is taken for all of them.
        self.image(0)?;
        let mut data = Tensor::<f32>::uninit(&[self.ids.len(), c, h, w]);
        let values = data.as_mut_slice()?;
        let threads = if self.cost_ns() < PARALLEL_NS { 1 } else { cpu::threads() };
        let images_each = self.ids.len().div_ceil(threads).max(1);
        let fill = |first: usize, part: &mut [f32]| -> Result<()> {
            for (i, y) in (first..).zip(part.chunks_exact_mut(h * w * c)) {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(Error::state(&*self.provider, "the batch is not wanted any more"));
                }
                self.write(i, &self.image(i)?, y)?;
            }
            Ok(())
        };
        if threads == 1 || images_each >= self.ids.len() {
            fill(0, values)?;
        } else {
            let parts = values.chunks_mut(images_each * h * w * c).enumerate();
            let results: Vec<Result<()>> = std::thread::scope(|scope| {
                let fill = &fill;
                let running: Vec<_> = parts.map(|(k, part)| scope.spawn(move || fill(k * images_each, part))).collect();
                let panicked = |_| Err(Error::state(&*self.provider, "a thread that prepares data panicked"));
                running.into_iter().map(|t| t.join().unwrap_or_else(panicked)).collect()
            });
            results.into_iter().collect::<Result<()>>()?;
        }
        let labels = self.ids.iter().map(|id| self.dataset.label(*id)).collect();
        Ok(Batch { data, labels, ids: self.ids.clone() })
    }

    /// The `i`-th image of the batch after all transformations.
    fn image(&self, i: usize) -> Result<Image<'_>> {
        let id = self.ids[i];
        let at = || format!("{}: stimulus {id}", self.provider);
        let image = match &self.cache {
            Some(cache) => cache.image(&self.dataset, id),
            None => Ok(self.dataset.image(id)),
        };
        let image = image.and_then(|x| transformed(x, &self.chain, self.keys[i])).map_err(|e| within(e, &at()))?;
        if image.shape() != self.shape {
            let list = |[h, w, c]: [usize; 3]| format!("[{w}, {h}, {c}]");
            let expected = format!("{} (add a Rescale or PadCrop, or give the provider another size)", list(self.shape));
            return Err(Error::shape(at(), "[width, height, channels] after the transformations", expected, list(image.shape())));
        }
        Ok(image)
    }

    /// Writes an image as floats: bytes divided by 255, floats as they are.
    fn write(&self, i: usize, image: &Image<'_>, y: &mut [f32]) -> Result<()> {
        match &image.pixels {
            Pixels::U8(x) => y.iter_mut().zip(x.iter()).for_each(|(y, x)| *y = f32::from(*x) / 255.0),
            Pixels::F32(x) => {
                y.copy_from_slice(x);
                // Without early exit, so that the loop is vectorised.
                if x.iter().fold(false, |bad, v| bad | !v.is_finite()) {
                    let at = x.iter().position(|v| !v.is_finite()).unwrap_or_default();
                    let (channel, pixel) = (at % image.c, at / image.c);
                    let place = format!("channel {channel}, row {}, column {}", pixel / image.w, pixel % image.w);
                    let what =
                        format!("stimulus {} has the value {} at {place}; remove the stimulus or replace the value", self.ids[i], x[at]);
                    return Err(Error::data(&*self.provider, what));
                }
            }
        }
        Ok(())
    }
}

/// An image after a chain of transformations, each with its own stream.
pub(crate) fn transformed<'a>(mut x: Image<'a>, chain: &[TransformFn], key: u64) -> Result<Image<'a>> {
    for (t, place) in chain.iter().zip(0..) {
        x = t.apply(x, &Stream::new(random::key(&[key, place])))?;
    }
    Ok(x)
}

/// The same error with the place where it happened before its owner.
pub(crate) fn within(e: Error, place: &str) -> Error {
    match e {
        Error::Shape { owner, what, expected, got } => Error::Shape { owner: format!("{place}: {owner}"), what, expected, got },
        Error::Value { owner, name, got, expected } => Error::Value { owner: format!("{place}: {owner}"), name, got, expected },
        other => other,
    }
}
