//! What a cell sees of one pass.

use super::epilogue::Epilogue;
use crate::activation::ActivationFn;
use crate::device::cpu::image_block;
use crate::tensor::{Element, Float, Tensor};
use std::marker::PhantomData;

/// How a cell takes its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inputs {
    /// Exactly one.
    One,
    /// Any number, concatenated along channels before the cell sees them.
    Joined,
    /// Any number, each flattened to `[n, c*h*w, 1, 1]` if their sizes differ, then concatenated.
    Flattened,
    /// Any number of four dimensions and one batch size, as they are.
    Many,
    /// Any number of any rank up to six, as they are; the first axis need not be a batch.
    Any,
}

impl Inputs {
    /// True if several inputs become one.
    pub(crate) fn joins(self) -> bool {
        matches!(self, Inputs::Joined | Inputs::Flattened)
    }

    /// The shapes that the cell sees for inputs of these shapes, which fit together.
    pub(crate) fn seen(self, shapes: &[[usize; 4]]) -> Vec<[usize; 4]> {
        let [n, _, h, w] = shapes[0];
        match self {
            Inputs::One | Inputs::Many | Inputs::Any => shapes.to_vec(),
            Inputs::Flattened if shapes.iter().any(|s| s[2..] != [h, w]) => {
                vec![[n, shapes.iter().map(|s| s[1] * s[2] * s[3]).sum(), 1, 1]]
            }
            Inputs::Joined | Inputs::Flattened => vec![[n, shapes.iter().map(|s| s[1]).sum(), h, w]],
        }
    }
}

/// What the items of a phase read and write, which says when they may run beside those of other cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Parameters and what was there before the pass: may run before everything else.
    Before,
    /// Images of their own: the items lie image by image, `block` images at a time, and read what earlier phases and cells
    /// wrote for the same images.
    Images {
        /// Images that an item belongs to; a power of two. The last block may be short.
        block: usize,
    },
    /// Anything that was computed before: everybody waits before and after.
    Whole,
    /// What no other cell of the pass reads (gradients of parameters): may run after everything else.
    After,
}

/// A part of a pass: independent items, their scope, and a guess of their cost.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// Number of independent items.
    pub items: usize,
    /// Cost of all items together in nanoseconds on one core; cheap phases stay on the calling thread.
    pub cost_ns: usize,
    /// When the items may run.
    pub scope: Scope,
    /// True if the next phase, or another cell, needs what the end of this one makes of all items.
    pub barrier: bool,
}

impl Phase {
    /// A phase of `items` items that takes about `cost_ns` nanoseconds on one core.
    pub fn new(items: usize, cost_ns: usize) -> Self {
        Phase { items, cost_ns, scope: Scope::Whole, barrier: false }
    }

    /// A phase of `items` items that touch `elements` elements in memory altogether.
    pub fn streaming(items: usize, elements: usize) -> Self {
        Self::new(items, elements / 4)
    }

    /// A phase of `items` items with `macs` multiply-accumulates altogether.
    pub fn compute(items: usize, macs: usize) -> Self {
        Self::new(items, macs / 40)
    }

    /// The same with items that lie image by image, `block` images at a time.
    #[must_use]
    pub fn by_image(self, block: usize) -> Self {
        debug_assert!(block.is_power_of_two());
        Phase { scope: Scope::Images { block }, ..self }
    }

    /// The same with items that read only parameters and what was there before the pass.
    #[must_use]
    pub fn before(self) -> Self {
        Phase { scope: Scope::Before, ..self }
    }

    /// The same with items that write only what no other cell of the pass reads.
    #[must_use]
    pub fn after(self) -> Self {
        Phase { scope: Scope::After, ..self }
    }

    /// The same with an end that later phases need.
    #[must_use]
    pub fn then_wait(self) -> Self {
        Phase { barrier: true, ..self }
    }
}

/// How the elements of a batch are cut into items that lie image by image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    images: usize,
    /// Elements of an image.
    each: usize,
    /// Images of an item, or 1.
    block: usize,
    /// Items of an image, or 1.
    per_image: usize,
    /// Elements of an item, where an image has several.
    chunk: usize,
}

impl Parts {
    /// Items of about `least` elements of an activation of `shape`, each a multiple of `step` (which divides an image).
    pub(crate) fn new(shape: &[usize], least: usize, step: usize) -> Self {
        let images = shape.first().copied().unwrap_or(1).max(1);
        let each = shape.iter().skip(1).product::<usize>();
        let block = image_block(each, least);
        let per_image = (each / least).max(1);
        let chunk = (each / step).div_ceil(per_image) * step;
        Parts { images, each, block, per_image: each.div_ceil(chunk.max(1)).max(1), chunk }
    }

    /// The phase of all items, for so many elements touched altogether.
    pub(crate) fn phase(&self, elements: usize) -> Phase {
        let items = if self.block > 1 { self.images.div_ceil(self.block) } else { self.images * self.per_image };
        Phase::streaming(items, elements).by_image(self.block)
    }

    /// First element and number of elements of an item.
    pub(crate) fn part(&self, item: usize) -> (usize, usize) {
        if self.block > 1 {
            let images = (self.images - item * self.block).min(self.block);
            return (item * self.block * self.each, images * self.each);
        }
        let (image, at) = (item / self.per_image, item % self.per_image * self.chunk);
        (image * self.each + at, self.chunk.min(self.each - at))
    }
}

/// What forward keeps for backward.
pub struct Saved<T: Float> {
    /// Values (masks, means ...).
    pub values: Tensor<T>,
    /// Indices (places of maxima ...).
    pub index: Tensor<u32>,
}

/// One pass of a cell over a batch. All 4-D tensors lie channels-last, those of other ranks row-major; they may be read a vector past their end.
pub struct Frame<'a, T: Float> {
    /// Name of the cell, for error texts.
    pub name: &'a str,
    /// Inputs, after joining.
    pub inputs: &'a [Tensor<T>],
    /// Output; written by forward.
    pub output: &'a Tensor<T>,
    /// Kept from forward to backward.
    pub saved: &'a Saved<T>,
    /// Learning (true) or test mode.
    pub learn: bool,
    /// The activation to apply, or to take the gradient back through, for a cell that fuses it.
    pub activation: Option<&'a ActivationFn>,
    /// Forward in test mode: what to do to the output before the activation, for a cell that [takes](super::Cell::takes_epilogue) it.
    pub epilogue: Option<&'a Epilogue<'a, T>>,
    /// Key of the random streams of this pass: differs from cell to cell and from step to step.
    pub random_key: u64,
    /// Backward: the gradient that arrives.
    pub grad_output: Option<&'a Tensor<T>>,
    /// Backward: if given, the gradient that arrives is that of the values at these places of each image of the output,
    /// and all others have none. Only for a cell that [takes](super::Cell::takes_winners) it.
    pub winners: Option<&'a Tensor<u32>>,
    /// Backward: where the gradient of each input goes; `None` if nobody wants it.
    pub grad_inputs: &'a [Option<Tensor<T>>],
}

impl<T: Float> Frame<'_, T> {
    /// The gradient that arrives.
    ///
    /// # Panics
    /// In a forward pass.
    pub fn gy(&self) -> &Tensor<T> {
        self.grad_output.expect("a backward pass has a gradient")
    }

    /// `len` elements from `start` of the gradient that arrives, taken back through the activation if the cell fuses that.
    ///
    /// # Safety
    /// Called once for each element, by one item, before anything else reads it.
    pub(crate) unsafe fn deactivated(&self, start: usize, len: usize) -> &[T] {
        if let Some(activation) = self.activation {
            // SAFETY: the caller's promise.
            activation.backward(self.output.part(start, len), unsafe { self.gy().part_mut(start, len) });
        }
        self.gy().part(start, len)
    }
}

/// A pointer that items of one phase share, each writing its own part.
#[derive(Clone, Copy)]
pub struct SharedMut<'a, T> {
    pointer: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: access goes through `slice`, whose caller promises disjoint parts.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    /// Shares a slice.
    pub fn new(s: &'a mut [T]) -> Self {
        SharedMut { pointer: s.as_mut_ptr(), len: s.len(), life: PhantomData }
    }

    /// The part `start..start + len`.
    ///
    /// # Safety
    /// No other item of the phase may use an overlapping part.
    ///
    /// # Panics
    /// If the part is outside.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: inside the slice this was made of; disjointness is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(start), len) }
    }
}

impl<T: Element> Tensor<T> {
    /// `len` elements from `start` of this tensor's one run of memory, for writing by one item of a phase.
    ///
    /// # Safety
    /// No other item may use an overlapping part meanwhile.
    ///
    /// # Panics
    /// If the part is outside.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part_mut(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len() && len <= self.len() - start);
        // SAFETY: inside the tensor's run; disjointness is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.as_ptr().add(start), len) }
    }

    /// `len` elements from `start` of this tensor's one run of memory.
    ///
    /// # Panics
    /// If the part is outside.
    pub(crate) fn part(&self, start: usize, len: usize) -> &[T] {
        assert!(start <= self.len() && len <= self.len() - start);
        // SAFETY: inside the tensor's run; nobody writes an input of a running pass.
        unsafe { std::slice::from_raw_parts(self.as_ptr().add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_element_once_in_order_and_keep_to_their_images() {
        for (shape, least, step) in [
            (vec![7, 3, 2, 2], 40, 3),
            (vec![33, 10, 1, 1], 2048, 10),
            (vec![3, 8, 9, 5], 100, 8),
            (vec![2, 1, 1, 1], 16, 1),
            (vec![5, 6, 4, 4], 96, 6),
        ] {
            let parts = Parts::new(&shape, least, step);
            let (len, each) = (shape.iter().product::<usize>(), shape[1..].iter().product::<usize>());
            let phase = parts.phase(len);
            let Scope::Images { block } = phase.scope else { panic!("{phase:?}") };
            let mut end = 0;
            for item in 0..phase.items {
                let (start, n) = parts.part(item);
                assert!(start == end && n > 0 && n.is_multiple_of(step), "{shape:?} {item}: {start} {n}");
                assert_eq!(start / each / block, (start + n - 1) / each / block, "{shape:?} {item}");
                assert_eq!(start / each / block, item / (phase.items / shape[0].div_ceil(block)), "{shape:?} {item}");
                end = start + n;
            }
            assert_eq!(end, len, "{shape:?}");
        }
    }
}
