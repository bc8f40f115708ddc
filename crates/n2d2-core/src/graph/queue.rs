//! Runs the passes of many cells with few meetings of the threads.
//!
//! A [`Queue`] takes passes in the order in which they depend on each other and computes them when it must: at its end,
//! before a cell that it already holds, or where a cell needs the whole batch. What waits in it is a list of phases. Those
//! whose items belong to images of their own form a *chain*: the batch is cut into shards, and a thread takes a shard through
//! all phases of the chain while its activations stay in the cache. Where a batch has too few images for the threads, the
//! phases run one after the other, each on all threads. Items are the same either way, and so are the bits.

use super::gradient::Gradient;
use super::profile::{self, Profiled};
use super::unit::Inner;
use super::var::Node;
use crate::activation::ActivationFn;
use crate::cells::{Cell, Epilogue, Frame, Phase, Scope};
use crate::device::cpu::{image_block, parallel_for, parallel_parts, threads};
use crate::error::Result;
use crate::tensor::{Float, Tensor};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

/// Bytes of activations of a shard: they stay in the second cache.
const SHARD_BYTES: usize = 512 * 1024;
/// Bytes of activations that may wait: cells hold buffers for what they are going to compute.
const MOST_BYTES: usize = 64 << 20;
/// Chains that take less than this, in nanoseconds on one core, stay on the calling thread.
const SERIAL_NS: usize = 10_000;
/// Elements of an item of plain memory.
const ITEM: usize = 2048;

/// The gradient that arrives at a cell, and those of its inputs.
type Back<T> = (Gradient<T>, Vec<Option<Tensor<T>>>);

/// A pass of a cell.
pub(super) struct Pass<'a, T: Float> {
    pub(super) inner: MutexGuard<'a, Inner<T>>,
    pub(super) node: Arc<Node<T>>,
    /// The activation that the cell applies, or takes the gradient back through, itself.
    pub(super) activation: Option<ActivationFn>,
    /// What the cell does beside, in a forward pass in test mode.
    pub(super) epilogue: Option<Epilogue<'a, T>>,
    /// Of a backward pass.
    pub(super) back: Option<Back<T>>,
}

impl<T: Float> Pass<'_, T> {
    /// What the cell sees of the pass, and the cell.
    fn parts(&mut self) -> (Frame<'_, T>, &mut dyn Cell<T>, bool) {
        let frame = frame(&self.node, self.activation.as_ref(), self.epilogue.as_ref(), self.back.as_ref());
        (frame, &mut *self.inner.cell, self.back.is_some())
    }

    /// Prepares the cell and returns the phases.
    fn begin(&mut self) -> Result<Vec<Phase>> {
        let (f, cell, backward) = self.parts();
        if backward { cell.backward_begin(&f) } else { cell.forward_begin(&f) }
    }

    fn run(&self, phase: usize, items: Range<usize>) {
        let f = frame(&self.node, self.activation.as_ref(), self.epilogue.as_ref(), self.back.as_ref());
        match self.back {
            Some(_) => items.for_each(|i| self.inner.cell.backward(phase, i, &f)),
            None => items.for_each(|i| self.inner.cell.forward(phase, i, &f)),
        }
    }

    fn end(&mut self, phase: usize) {
        let (f, cell, backward) = self.parts();
        if backward { cell.backward_end(phase, &f) } else { cell.forward_end(phase, &f) }
    }
}

/// The frame of a pass.
fn frame<'a, T: Float>(
    node: &'a Node<T>,
    activation: Option<&'a ActivationFn>,
    epilogue: Option<&'a Epilogue<'a, T>>,
    back: Option<&'a Back<T>>,
) -> Frame<'a, T> {
    let gradient = back.map(|(gradient, _)| gradient);
    Frame {
        name: node.unit.name(),
        inputs: &node.tensors,
        output: &node.output,
        saved: &node.saved,
        learn: node.learn,
        activation,
        epilogue,
        random_key: node.random_key,
        grad_output: gradient.map(|g| &g.values),
        winners: gradient.and_then(|g| g.chosen.as_ref()).map(|chosen| &chosen.places),
        grad_inputs: back.map_or(&[], |(_, inputs)| inputs),
    }
}

/// What a waiting pass computes.
enum Body<'a, T: Float> {
    Cell(Box<Pass<'a, T>>),
    /// Plain memory: called with the images of an item.
    Plain(Box<dyn Fn(Range<usize>) + Send + Sync + 'a>),
}

impl<T: Float> Body<'_, T> {
    /// Runs some items of a phase, whose images are cut in blocks.
    fn run(&self, phase: usize, items: Range<usize>, block: usize, images: usize) {
        match self {
            Body::Cell(pass) => pass.run(phase, items),
            Body::Plain(f) => items.for_each(|i| f(i * block..((i + 1) * block).min(images))),
        }
    }

    /// What it is in a profile.
    fn profiled(&self, bytes: usize) -> Profiled {
        match self {
            Body::Cell(pass) => {
                let wanted = pass.back.as_ref().map(|(_, inputs)| inputs.iter().flatten().map(Tensor::len).sum());
                let mut found = profile::work_of(&pass.inner, &pass.node, wanted);
                if let Some(leading) = pass.epilogue.as_ref().and_then(|e| e.leading) {
                    found.lead(leading);
                }
                found
            }
            Body::Plain(_) => Profiled { passes: 1, bytes: bytes as f64, ..Profiled::default() },
        }
    }
}

/// A pass that waits.
struct Work<'a, T: Float> {
    body: Body<'a, T>,
    phases: Vec<Phase>,
    /// Phases that have run.
    done: Vec<bool>,
    images: usize,
    /// Bytes of the activations that it reads and writes.
    bytes: usize,
    /// What it is called in a profile, if one is made, and the time that the threads have spent on it.
    profiled: Option<(Profiled, AtomicU64)>,
}

impl<T: Float> Work<'_, T> {
    fn block(&self, phase: usize) -> usize {
        match self.phases[phase].scope {
            Scope::Images { block } => block,
            _ => 1,
        }
    }

    /// The items of a phase that belong to some images.
    fn items_of(&self, phase: usize, images: &Range<usize>) -> Range<usize> {
        let block = self.block(phase);
        let per_block = self.phases[phase].items / self.images.div_ceil(block);
        images.start / block * per_block..images.end.div_ceil(block) * per_block
    }

    fn run(&self, phase: usize, items: Range<usize>) {
        let Some((_, ns)) = &self.profiled else {
            return self.body.run(phase, items, self.block(phase), self.images);
        };
        let start = Instant::now();
        self.body.run(phase, items, self.block(phase), self.images);
        ns.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}

/// A place in the queue: a pass and one of its phases.
type Place = (usize, usize);

/// Passes that wait to be computed.
pub(super) struct Queue<'a, T: Float> {
    works: Vec<Work<'a, T>>,
}

impl<'a, T: Float> Queue<'a, T> {
    pub(super) fn new() -> Self {
        Queue { works: Vec::new() }
    }

    /// Locks a unit; if this queue, or somebody else, holds it, all that waits is computed first.
    pub(super) fn lock(&mut self, unit: &'a super::Unit<T>) -> MutexGuard<'a, Inner<T>> {
        if let Some(inner) = unit.try_lock() {
            return inner;
        }
        // Nobody waits for a lock while holding others, so nobody waits for ever.
        self.flush();
        unit.lock()
    }

    /// Adds a forward pass. That of one image has nothing to wait for.
    ///
    /// # Errors
    /// Those of the cell.
    pub(super) fn push_forward(&mut self, mut pass: Pass<'a, T>) -> Result<()> {
        let (images, node) = (pass.node.output.images().0, &pass.node);
        if images > 1 || profile::is_on() {
            let residual = pass.epilogue.as_ref().and_then(|e| e.residual.as_ref());
            let elements = node.output.len() + node.tensors.iter().chain(residual).map(Tensor::len).sum::<usize>();
            return self.push(pass, images, elements);
        }
        self.flush();
        for (i, phase) in pass.begin()?.into_iter().enumerate() {
            parallel_for(phase.items, phase.cost_ns, &|item| pass.run(i, item..item + 1));
            pass.end(i);
        }
        Ok(())
    }

    /// Adds the pass of a cell over `images` images that touches `elements` elements of activations.
    ///
    /// # Errors
    /// Those of the cell.
    pub(super) fn push(&mut self, mut pass: Pass<'a, T>, images: usize, elements: usize) -> Result<()> {
        let phases = pass.begin()?;
        self.add(Body::Cell(Box::new(pass)), phases, images, elements);
        Ok(())
    }

    /// Adds a function of images that each take `elements` elements.
    pub(super) fn push_plain(&mut self, images: usize, elements: usize, f: impl Fn(Range<usize>) + Send + Sync + 'a) {
        let block = image_block(elements, ITEM);
        let phase = Phase::streaming(images.div_ceil(block), images * elements).by_image(block);
        self.add(Body::Plain(Box::new(f)), vec![phase], images, images * elements);
    }

    fn add(&mut self, body: Body<'a, T>, phases: Vec<Phase>, images: usize, elements: usize) {
        let whole = phases.iter().any(|p| p.scope == Scope::Whole);
        if self.works.last().is_some_and(|w| w.images != images) || (whole && !self.works.is_empty()) {
            self.flush();
        }
        let barrier = phases.iter().rposition(|p| p.barrier);
        let bytes = elements * size_of::<T>();
        let done = vec![false; phases.len()];
        let profiled = profile::is_on().then(|| (body.profiled(bytes), AtomicU64::new(0)));
        self.works.push(Work { body, phases, done, images, bytes, profiled });
        if whole || self.bytes() > MOST_BYTES {
            self.flush();
        } else if let Some(last) = barrier {
            self.run_until(last + 1);
        }
    }

    /// Bytes of the activations of all that waits.
    fn bytes(&self) -> usize {
        self.works.iter().map(|w| w.bytes).sum()
    }

    /// Computes all that waits.
    pub(super) fn flush(&mut self) {
        let phases = self.works.last().map_or(0, |w| w.phases.len());
        self.run_until(phases);
    }

    /// Computes all that waits but the phases of the last pass from number `end` on.
    fn run_until(&mut self, end: usize) {
        let last = self.works.len().saturating_sub(1);
        let waits = |w: &usize, p: &usize| *w < last || *p < end;
        let places: Vec<Place> = (0..self.works.len())
            .flat_map(|w| (0..self.works[w].phases.len()).map(move |p| (w, p)))
            .filter(|(w, p)| waits(w, p) && !self.works[*w].done[*p])
            .collect();
        let scope = |q: &Self, place: Place| q.works[place.0].phases[place.1].scope;
        let before: Vec<Place> = places.iter().copied().filter(|p| scope(self, *p) == Scope::Before).collect();
        self.together(&before);
        let mut chain: Vec<Place> = Vec::new();
        let mut after: Vec<Place> = Vec::new();
        for place in places {
            match scope(self, place) {
                Scope::Before => {}
                Scope::Images { .. } => {
                    chain.push(place);
                    if self.works[place.0].phases[place.1].barrier {
                        self.chain(&std::mem::take(&mut chain));
                    }
                }
                Scope::After => after.push(place),
                Scope::Whole => {
                    self.chain(&std::mem::take(&mut chain));
                    self.together(&[place]);
                }
            }
        }
        self.chain(&chain);
        // The first of each pass together, then the second ...
        while !after.is_empty() {
            let mut later = Vec::new();
            let mut now: Vec<Place> = Vec::new();
            for place in after {
                if now.iter().any(|p| p.0 == place.0) { later.push(place) } else { now.push(place) }
            }
            self.together(&now);
            after = later;
        }
        self.works.retain_mut(|w| {
            if w.done.contains(&false) {
                return true;
            }
            if let Some((pass, ns)) = w.profiled.take() {
                profile::record(Profiled { thread_ns: ns.into_inner(), ..pass });
            }
            false
        });
    }

    /// Runs phases that do not depend on each other.
    fn together(&mut self, places: &[Place]) {
        let parts: Vec<usize> = places.iter().map(|p| self.works[p.0].phases[p.1].items).collect();
        let cost = places.iter().map(|p| self.works[p.0].phases[p.1].cost_ns).sum();
        let works = &self.works;
        parallel_parts(&parts, cost, &|part, item| {
            let (w, p) = places[part];
            works[w].run(p, item..item + 1);
        });
        self.ended(places);
    }

    /// Runs phases by image, each of which may depend on those before it.
    fn chain(&mut self, places: &[Place]) {
        let Some(first) = places.first() else { return };
        let images = self.works[first.0].images;
        let block = places.iter().map(|(w, p)| self.works[*w].block(*p)).max().unwrap_or(1);
        let (blocks, threads) = (images.div_ceil(block), threads());
        let cost: usize = places.iter().map(|(w, p)| self.works[*w].phases[*p].cost_ns).sum();
        // The share of the threads' time that is used if every block takes the same time.
        let even = blocks * 5 >= blocks.next_multiple_of(threads) * 4;
        if places.len() == 1 || !(even || cost < SERIAL_NS) {
            for place in places {
                self.together(&[*place]);
            }
            return;
        }
        let wanted = (self.bytes() / SHARD_BYTES).clamp(if threads == 1 { 1 } else { 4 * threads }, blocks.max(4 * threads));
        let shards = if cost < SERIAL_NS { 1 } else { wanted.min(blocks) };
        let works = &self.works;
        parallel_for(shards, cost, &|shard| {
            let part = shard * blocks / shards * block..((shard + 1) * blocks / shards * block).min(images);
            for (w, p) in places {
                works[*w].run(*p, works[*w].items_of(*p, &part));
            }
        });
        self.ended(places);
    }

    fn ended(&mut self, places: &[Place]) {
        for (w, p) in places {
            let work = &mut self.works[*w];
            if let Body::Cell(pass) = &mut work.body {
                pass.end(*p);
            }
            work.done[*p] = true;
        }
    }
}
