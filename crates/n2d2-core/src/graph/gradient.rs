//! Gradients on their way back, and the places where they are kept.

use super::queue::Queue;
use crate::activation::ActivationFn;
use crate::tensor::{Float, Shape, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the values of a gradient belong that is zero everywhere else.
pub(super) struct Chosen<T: Float> {
    /// Shape of the whole gradient.
    pub(super) shape: Shape,
    /// Place of each value in the memory of its image; one behind the image for none.
    pub(super) places: Tensor<u32>,
    /// What was chosen: the output at these places.
    pub(super) output: Tensor<T>,
}

/// The gradient of a tensor: its values, or some values and where they belong.
#[derive(Clone)]
pub(super) struct Gradient<T: Float> {
    pub(super) values: Tensor<T>,
    pub(super) chosen: Option<Arc<Chosen<T>>>,
}

impl<T: Float> From<Tensor<T>> for Gradient<T> {
    fn from(values: Tensor<T>) -> Self {
        Gradient { values, chosen: None }
    }
}

/// Adds the values of some images at their places.
fn scatter<T: Float>(values: &[T], places: &[u32], images: usize, to: &mut [T]) {
    to.fill(T::zero());
    let (each, size) = (values.len() / images, to.len() / images);
    for (to, (values, places)) in to.chunks_exact_mut(size).zip(values.chunks_exact(each).zip(places.chunks_exact(each))) {
        for (v, at) in values.iter().zip(places) {
            if let Some(g) = to.get_mut(*at as usize) {
                *g += *v;
            }
        }
    }
}

impl<T: Float> Gradient<T> {
    /// All values, which must have been computed.
    pub(super) fn dense(&self) -> Tensor<T> {
        let Some(chosen) = &self.chosen else { return self.values.clone() };
        let all = Tensor::uninit(&chosen.shape);
        // SAFETY: the fresh tensor has no other user.
        let to = unsafe { all.part_mut(0, all.len()) };
        scatter(self.values.part(0, self.values.len()), chosen.places.part(0, self.values.len()), chosen.shape[0], to);
        all
    }

    /// All values, which the queue computes.
    fn dense_later(&self, queue: &mut Queue<'_, T>) -> Tensor<T> {
        let Some(chosen) = self.chosen.clone() else { return self.values.clone() };
        let all = Tensor::uninit(&chosen.shape);
        let (values, to) = (self.values.clone(), all.clone());
        let (n, each) = all.images();
        let few = values.len() / n;
        queue.push_plain(n, each, move |images| {
            let (start, len) = (images.start * few, images.len() * few);
            // SAFETY: items are disjoint, and the fresh tensor has no other user.
            let to = unsafe { to.part_mut(images.start * each, images.len() * each) };
            scatter(values.part(start, len), chosen.places.part(start, len), images.len(), to);
        });
        all
    }

    /// The gradient before an activation whose output is `y`.
    pub(super) fn through(&self, f: ActivationFn, y: &Tensor<T>, queue: &mut Queue<'_, T>) -> Self {
        let (n, each) = self.values.images();
        // What was chosen belongs to the cell that chose.
        let (y, values) = match &self.chosen {
            Some(chosen) => (chosen.output.clone(), Tensor::uninit(self.values.shape())),
            None => (y.clone(), self.values.clone()),
        };
        let (given, to) = (self.chosen.as_ref().map(|_| self.values.clone()), values.clone());
        queue.push_plain(n, each, move |images| {
            let (start, len) = (images.start * each, images.len() * each);
            // SAFETY: items are disjoint.
            let to = unsafe { to.part_mut(start, len) };
            if let Some(given) = &given {
                to.copy_from_slice(given.part(start, len));
            }
            f.backward(y.part(start, len), to);
        });
        Gradient { values, chosen: self.chosen.clone() }
    }
}

/// The place of a gradient.
pub(super) struct Slot<T: Float>(Mutex<Option<Gradient<T>>>);

impl<T: Float> Slot<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Slot(Mutex::new(None)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Gradient<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a gradient to what other branches have sent.
    pub(super) fn add(&self, g: Tensor<T>, queue: &mut Queue<'_, T>) {
        let mut held = self.lock();
        let Some(sum) = held.take() else {
            *held = Some(g.into());
            return;
        };
        let sum = sum.dense_later(queue);
        let g = if g.is_channels_last() == sum.is_channels_last() {
            g
        } else {
            queue.flush();
            g.to_channels_last()
        };
        *held = Some(sum.clone().into());
        let (n, each) = g.images();
        queue.push_plain(n, each, move |images| {
            let (start, len) = (images.start * each, images.len() * each);
            // SAFETY: items are disjoint.
            let to = unsafe { sum.part_mut(start, len) };
            to.iter_mut().zip(g.part(start, len)).for_each(|(a, b)| *a += *b);
        });
    }
}
