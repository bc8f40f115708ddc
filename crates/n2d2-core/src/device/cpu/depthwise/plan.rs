//! How depthwise sweeps and weight gradients with 3x3 taps are cut into items.

use super::rows::{HALF, Region, Rows, RowsGrad, Step};
use crate::device::cpu::{Finish, Kernels, Window, Written, image_block};
use crate::tensor::Float;

/// Values of the target of an item at least, and where an image has more than a few items, about so many.
const LEAST: usize = 4 * 1024;
const WANTED: usize = 32 * 1024;
/// Items of an image wanted before they get larger than [`LEAST`].
const ITEMS: usize = 4;
/// Of at most so many images of at most so many pixels, but so many values at least, an item is a part of the channels: the cell in
/// front of it is cut by outputs, and a thread then reads what it has written itself.
const FEW_IMAGES: usize = 2;
const SMALL: usize = 256;
const WORTH: usize = 16 * 1024;
/// Such parts at most; and the channels that they are made of, a cache line.
const PARTS: usize = 8;
const LINE: usize = 16;
/// Values of a source and of an output gradient that a weight gradient reads before it goes on to the next vector of channels.
const GRADIENT: usize = 32 * 1024;

/// A sweep over all images of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Sweep {
    step: Step,
    images: usize,
    channels: usize,
    source: [usize; 2],
    target: [usize; 2],
    padding: [usize; 2],
    /// Images of an item, a power of two, or 1.
    pub(crate) block: usize,
    /// Rows of an item, and items of an image, where an item is not some images.
    rows: usize,
    bands: usize,
    /// Parts of the channels, each of which an item of its own computes.
    parts: usize,
}

/// Where the values of a sweep lie, and what happens to the sums.
pub(crate) struct Values<'a, T> {
    pub(crate) x: &'a [T],
    /// `[tap][channel]`
    pub(crate) w: &'a [T],
    pub(crate) finish: Finish<'a, T>,
    pub(crate) y: *mut T,
}

/// The step of a window of 3x3 taps that the kernels know.
fn step(window: &Window, image: [usize; 2], full: [usize; 2]) -> Option<usize> {
    let &Window { kernel, stride: [step, other], padding, dilation } = window;
    let known = kernel == [3, 3] && dilation == [1, 1] && step == other && (1..=2).contains(&step);
    let bordered = padding.into_iter().all(|p| p <= 3 - step);
    let sized = (0..2).all(|axis| window.output(axis, image[axis]) == Some(full[axis]));
    (known && bordered && sized).then_some(step)
}

impl Sweep {
    /// From images `[h, w, c]` to `[oh, ow]`; `None` if the kernels are not made for the window.
    pub(crate) fn forward(window: &Window, n: usize, [h, w, c]: [usize; 3], full: [usize; 2]) -> Option<Self> {
        let step = if step(window, [h, w], full)? == 1 { Step::One } else { Step::Two };
        Some(Self::new(step, n, c, [h, w], full, window.padding))
    }

    /// From `[oh, ow]` to images `[h, w, c]`, the adjoint, whose weights come in the order of the adjoint's taps.
    pub(crate) fn adjoint(window: &Window, n: usize, [h, w, c]: [usize; 3], full: [usize; 2], taps: &[[usize; 2]]) -> Option<Self> {
        match step(window, [h, w], full)? {
            1 => Some(Self::new(Step::One, n, c, full, [h, w], window.padding.map(|p| 2 - p))),
            _ if window.padding == [1, 1] && taps == HALF => Some(Self::new(Step::Half, n, c, full, [h, w], [0, 0])),
            _ => None,
        }
    }

    fn new(step: Step, images: usize, channels: usize, source: [usize; 2], target: [usize; 2], padding: [usize; 2]) -> Self {
        let [height, width] = target;
        let image = height * width * channels;
        let parts = (channels / LINE).clamp(1, PARTS);
        if images <= FEW_IMAGES && height * width <= SMALL && image >= WORTH && parts > 1 {
            let rows = height.next_multiple_of(2);
            return Sweep { step, images, channels, source, target, padding, block: 1, rows, bands: 1, parts };
        }
        let block = image_block(image, 2 * LEAST);
        // Rows come in pairs.
        let bands = (image / WANTED).max((image / LEAST).min(ITEMS)).clamp(1, height.div_ceil(2));
        let rows = height.div_ceil(bands).next_multiple_of(2);
        Sweep { step, images, channels, source, target, padding, block, rows, bands: height.div_ceil(rows), parts: 1 }
    }

    /// Items of the batch.
    pub(crate) fn items(&self) -> usize {
        if self.block > 1 { self.images.div_ceil(self.block) } else { self.images * self.parts * self.bands }
    }

    /// Sizes of the source and of the target, `[rows, columns, channels]`.
    pub(super) fn sizes(&self) -> [[usize; 3]; 2] {
        [self.source, self.target].map(|[rows, columns]| [rows, columns, self.channels])
    }

    /// What rows of the target behind `rows`, as many, read of the source of an image beside what these read: offset and length.
    pub(super) fn behind(&self, image: usize, rows: [usize; 2]) -> (usize, usize) {
        let ([height, width], step) = (self.source, if self.step == Step::Two { 2 } else { 1 });
        let first = ((rows[1] - 1) * step + 3).saturating_sub(self.padding[0]);
        let row = width * self.channels;
        ((image * height + first) * row, (rows[1] - rows[0]) * step * row)
    }

    /// Images of the batch.
    pub(super) fn images(&self) -> usize {
        self.images
    }

    /// Multiply-accumulates of the batch, those with what lies outside the images among them.
    pub(super) fn macs(&self) -> usize {
        9 * self.images * self.channels * self.target[0] * self.target[1]
    }

    /// Computes an item and returns what of the target it wrote.
    ///
    /// # Safety
    /// `y` must have room for the whole target; no other thread may touch what the item writes.
    pub(crate) unsafe fn run<T: Float>(&self, kernels: &Kernels<T>, item: usize, v: &Values<'_, T>) -> Written {
        let ([out_height, out_width], c) = (self.target, self.channels);
        let (image, images, rows) = if self.block > 1 {
            (item * self.block, self.block.min(self.images - item * self.block), [0, out_height])
        } else {
            let first = item % self.bands * self.rows;
            (item / self.bands / self.parts, 1, [first, (first + self.rows).min(out_height)])
        };
        let lines = c.div_ceil(LINE);
        let part = item / self.bands % self.parts;
        let channels = [part, part + 1].map(|part| (part * lines / self.parts * LINE).min(c));
        let row = out_width * c;
        let target = out_height * row;
        // SAFETY: the caller's promise.
        unsafe { self.compute(kernels, [image, images], rows, channels, v, v.y.add(image * target)) };
        if self.parts > 1 {
            let [from, to] = channels;
            return Written::columns(image * target + rows[0] * row + from, to - from, c, (rows[1] - rows[0]) * out_width);
        }
        Written::whole(image * target + rows[0] * row, (images - 1) * target + (rows[1] - rows[0]) * row)
    }

    /// Computes channels `channels` of rows `rows` of `images` targets from number `image` on, the first of which begins, or would begin, at `y`.
    ///
    /// # Safety
    /// These rows of these targets must be writable, by this thread alone.
    pub(super) unsafe fn compute<T: Float>(
        &self,
        kernels: &Kernels<T>,
        [image, images]: [usize; 2],
        rows: [usize; 2],
        channels: [usize; 2],
        v: &Values<'_, T>,
        y: *mut T,
    ) {
        let c = self.channels;
        let [source, target] = [self.source, self.target].map(|[height, width]| height * width * c);
        let x = &v.x[image * source..][..images * source];
        let Finish { bias, affine, residual, relu } = v.finish;
        assert!(v.w.len() >= 9 * c && (bias.is_empty() || bias.len() >= c) && rows[1] <= self.target[0] && channels[1] <= c);
        assert!(affine.is_none_or(|rows| rows.iter().all(|row| row.len() >= c)));
        assert!(residual.is_empty() || residual.len() >= (image + images) * target);
        let (bias, affine, residual) = v.finish.pointers(image * target);
        // SAFETY: the caller's promise; all rows lie inside the images `x` and those of the target.
        unsafe {
            kernels.depthwise_rows(&Rows {
                step: self.step,
                region: Region {
                    x: x.as_ptr(),
                    source: self.source,
                    padding: self.padding,
                    target: self.target,
                    images,
                    span: rows,
                    channels: c,
                },
                part: channels,
                y,
                w: v.w.as_ptr(),
                bias,
                affine,
                residual,
                relu,
            });
        }
    }
}

/// Adds the weight gradient of some images to `g`, `[tap][channel]`; `false` if the kernels are not made for the window.
pub(crate) fn gradient<T: Float>(
    kernels: &Kernels<T>,
    window: &Window,
    [h, w, c]: [usize; 3],
    [oh, ow]: [usize; 2],
    (x, d): (&[T], &[T]),
    g: &mut [T],
) -> bool {
    let Some(step) = step(window, [h, w], [oh, ow]) else { return false };
    let image = h * w * c;
    let images = x.len() / image;
    assert!(g.len() >= 9 * c && d.len() >= images * oh * ow * c);
    let block = (GRADIENT / image).max(1);
    let rows = (GRADIENT / (w * c * step)).max(2).next_multiple_of(2);
    for first in (0..images).step_by(block) {
        for row in (0..oh).step_by(rows) {
            // SAFETY: all rows lie inside the images, those that a kernel does not find there it takes as zeros.
            unsafe {
                kernels.depthwise_rows_grad(&RowsGrad {
                    step,
                    region: Region {
                        x: x[first * image..].as_ptr(),
                        source: [h, w],
                        padding: window.padding,
                        target: [oh, ow],
                        images: block.min(images - first),
                        span: [row, (row + rows).min(oh)],
                        channels: c,
                    },
                    d: d[first * oh * ow * c..].as_ptr(),
                    g: g.as_mut_ptr(),
                });
            }
        }
    }
    true
}
