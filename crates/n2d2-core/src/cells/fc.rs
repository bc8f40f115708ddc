//! Fully connected layer.
//!
//! `y[o] = b[o] + sum over i of w[o, i] * x[i]`
//!
//! Input `[n, c, h, w]` with `c*h*w = nb_inputs * nb_input_cells`, read in C, H, W order; output `[n, o, 1, 1]`. The
//! activations stay channels-last: the rows of the weights are permuted instead, once, when the input size is known.
//!
//! `drop_connect` is the probability to keep a weight while learning (one mask a batch, no rescaling); `normalize` scales
//! the weights of each output to length 1 at every forward pass: `w <- w / sqrt(sum w^2 + 1e-6)`.
//! A mapping (rows inputs, columns outputs) says which weights exist; the others stay zero.
//! Gradients are minus the derivative, summed over the batch.
//!
//! Source: ONNX operator `Gemm`; drop-connect: Wan et al., "Regularization of neural networks using `DropConnect`", 2013.

use super::convolution::{Mapping, pairs};
use super::factors::Factors;
use super::{Cell, Frame, Param, ParamLayout, Phase, Statistics};
use crate::cells::frame::Inputs;
use crate::config::Config;
use crate::device::cpu::{Dot, GradientPlan, Kernels, Row, Span, Tile, Transpose, with_scratch};
use crate::error::{Error, Result};
use crate::random::Stream;
use crate::tensor::{Float, Shape, Tensor, dims4};
use std::borrow::Cow;
use std::ptr::null_mut;

const KEYS: &[&str] = &["nb_inputs", "nb_outputs", "nb_input_cells", "mapping", "no_bias", "drop_connect", "normalize"];
/// Batch rows of a forward item at most.
const ROWS: usize = 64;
/// Bytes of weights that are read once for a few images; larger ones once for as many images as possible.
const SMALL_BYTES: usize = 1 << 20;
/// Weight rows of an item of the gradient towards the input.
const INPUTS: usize = 48;
/// Blocks of outputs of an item of the product of a row.
const ROW_BLOCKS: usize = 4;
/// Batches up to here multiply image by image, with vectors along the outputs; larger ones have vectors of images.
const FEW_IMAGES: usize = 4;

/// The fully connected cell.
pub struct Fc<T: Float> {
    inputs: usize,
    outputs: usize,
    drop_connect: f64,
    normalize: bool,
    kernels: &'static Kernels<T>,
    params: Vec<Param<T>>,
    gradient: Option<(usize, GradientPlan)>,
    /// Items of the gradient of the weights in the running backward pass; none if its factors are kept.
    tiles: usize,
    /// Weights after drop-connect, and their mask.
    dropped: Option<(Tensor<T>, Tensor<T>)>,
    /// The output gradient `[block of images][output][block]` of the running backward pass.
    transposed: Tensor<T>,
}

impl<T: Float> Fc<T> {
    pub(super) fn new(config: &Config) -> Result<Self> {
        Self::with_kernels(config, T::kernels())
    }

    /// A layer on given kernels, so that tests can compare instruction sets.
    pub(crate) fn with_kernels(config: &Config, kernels: &'static Kernels<T>) -> Result<Self> {
        config.only(KEYS)?;
        let cells = config.count("nb_input_cells", Some(1))?;
        let inputs = config.count("nb_inputs", None)? * cells;
        let outputs = config.count("nb_outputs", None)?;
        let block = kernels.width(outputs).block;
        config.fits("nb_inputs", &[outputs.next_multiple_of(block), inputs])?;
        let mut params = vec![Param::trainable("weights", &[outputs, inputs], Self::layout(inputs, outputs, block, 1))];
        params[0].fill_blocks = cells;
        params[0].mask = Mapping::new(config, inputs, outputs)?.into_mask(inputs, outputs);
        if !config.bool_or("no_bias", false)? {
            let len = outputs.next_multiple_of(block);
            let layout = ParamLayout {
                per_group: outputs,
                group_stride: len,
                block: len,
                block_stride: 0,
                strides: Vec::new(),
                inner: 1,
                inner_stride: 0,
                len,
            };
            params.push(Param::trainable("bias", &[outputs], layout));
        }
        let mut fc = Fc {
            inputs,
            outputs,
            drop_connect: 1.0,
            normalize: false,
            kernels,
            params,
            gradient: None,
            tiles: 0,
            dropped: None,
            transposed: Tensor::zeros(&[0]),
        };
        fc.configure(config)?;
        Ok(fc)
    }

    fn configure(&mut self, config: &Config) -> Result<()> {
        let keep = config.float_or("drop_connect", self.drop_connect)?;
        if !(keep > 0.0 && keep <= 1.0) {
            return Err(config.error("drop_connect", keep, "a probability to keep a weight, in ]0, 1]"));
        }
        self.drop_connect = keep;
        self.normalize = config.bool_or("normalize", self.normalize)?;
        Ok(())
    }

    /// Rows of the weights follow the memory of the input: pixel by pixel, channels inside.
    fn layout(inputs: usize, outputs: usize, block: usize, pixels: usize) -> ParamLayout {
        let block_stride = inputs * block;
        let len = outputs.div_ceil(block) * block_stride;
        let inner_stride = inputs / pixels * block;
        ParamLayout { per_group: outputs, group_stride: len, block, block_stride, strides: vec![block], inner: pixels, inner_stride, len }
    }

    fn block(&self) -> usize {
        self.params[0].layout.block
    }

    /// The weights of this pass: dropped ones are zero while learning.
    fn weights(&self, learn: bool) -> &Tensor<T> {
        self.dropped.as_ref().filter(|_| learn).map_or(&self.params[0].value, |(w, _)| w)
    }

    fn drop_weights(&mut self, f: &Frame<'_, T>) {
        self.dropped = None;
        if !f.learn || self.drop_connect >= 1.0 {
            return;
        }
        let p = &self.params[0];
        let stream = Stream::new(f.random_key);
        let (mut mask, mut w) = (Tensor::zeros(&[p.layout.len]), Tensor::zeros(&[p.layout.len]));
        if let (Ok(mask), Ok(w)) = (mask.as_mut_slice(), w.as_mut_slice()) {
            let value = p.value.part(0, p.layout.len);
            for o in 0..self.outputs {
                for i in 0..self.inputs {
                    let at = p.layout.at(&[o, i]);
                    if f64::from(stream.uniform((o * self.inputs + i) as u64)) < self.drop_connect {
                        (mask[at], w[at]) = (T::one(), value[at]);
                    }
                }
            }
        }
        self.dropped = Some((w, mask));
    }

    fn normalize_weights(&mut self) {
        let p = &mut self.params[0];
        let mut w = p.to_vec();
        for row in w.chunks_exact_mut(self.inputs) {
            let length = (row.iter().map(|v| v.as_f64() * v.as_f64()).sum::<f64>() + 1e-6).sqrt();
            for v in row {
                *v = T::of(v.as_f64() / length);
            }
        }
        p.assign(&w).expect("as many values as before");
    }

    /// True if the passes go image by image.
    fn is_small(&self) -> bool {
        self.params[0].layout.len * size_of::<T>() <= SMALL_BYTES
    }

    /// Images of a block of the transposed gradient.
    fn image_block(&self, n: usize) -> usize {
        self.kernels.width(if self.is_small() && n <= 64 { n.min(16) } else { n }).block
    }

    /// Images of a forward item: a power of two if they go by image, else those of the fullest register tile.
    fn rows(&self, n: usize) -> usize {
        match self.is_small() {
            true if self.by_outputs(n) => n.div_ceil(n.div_ceil(self.kernels.width(self.outputs).rows)),
            true if n <= 64 => 16,
            true => 32,
            false => ROWS,
        }
    }

    /// True if forward is cut by outputs: each thread then reads its own weights, which are more than the activations, and
    /// in training only the thread that moves them has them in its cache.
    fn by_outputs(&self, n: usize) -> bool {
        self.inputs * self.outputs > 2 * n * (self.inputs + self.outputs)
    }

    /// True if forward is the product of a row of inputs, the only image, with the weights.
    fn is_row(&self, n: usize) -> bool {
        n == 1 && self.block().is_multiple_of(self.kernels.dot_lanes())
    }

    /// Items of the product of a row: an even number if there are several, for two threads.
    fn row_items(&self) -> usize {
        let blocks = self.outputs.div_ceil(self.block());
        blocks.div_ceil(ROW_BLOCKS).next_multiple_of(2).min(blocks)
    }

    /// The outputs of some blocks for the only image.
    fn forward_row(&self, item: usize, f: &Frame<'_, T>) {
        let (block, items, blocks) = (self.block(), self.row_items(), self.outputs.div_ceil(self.block()));
        let (first, end) = (item * blocks / items, (item + 1) * blocks / items);
        let (at, len) = (first * block, (end - first) * block);
        let cols = len.min(self.outputs - at);
        let relu = f.activation.is_some_and(crate::activation::ActivationFn::is_relu);
        // SAFETY: this item alone writes these outputs.
        let y = unsafe { f.output.part_mut(at, cols) };
        let row = Row {
            x: f.inputs[0].part(0, self.inputs).as_ptr(),
            len: self.inputs,
            w: self.weights(f.learn).part(at * self.inputs, len * self.inputs).as_ptr(),
            w_block: self.inputs * block,
            blocks: end - first,
            width: block,
            bias: self.params.get(1).map_or(std::ptr::null(), |p| p.value.part(at, len).as_ptr()),
            y: y.as_mut_ptr(),
            cols,
            relu,
        };
        // SAFETY: the blocks of weights and biases exist, and `cols` outputs.
        unsafe { self.kernels.row(&row) };
        if let Some(activation) = f.activation.filter(|_| !relu) {
            activation.forward(y);
        }
    }

    /// Writes block `b` of images of the gradient transposed: `[output][image]`, missing images zero.
    fn transpose(&self, b: usize, gy: &Tensor<T>) {
        let n = gy.shape()[0];
        let (block, k) = (self.image_block(n), self.outputs);
        // SAFETY: item b writes block b only.
        let to = unsafe { self.transposed.part_mut(b * block * k, block * k) };
        let images = block.min(n - b * block);
        if images < block {
            to.fill(T::zero());
        }
        let rows = gy.part(b * block * k, images * k);
        let matrix = Transpose { from: rows.as_ptr(), from_stride: k, size: [images, k], to: to.as_mut_ptr(), to_stride: block };
        // SAFETY: `images` rows of `k` values in, `k` rows of `block` values out.
        unsafe { self.kernels.transpose(&matrix) };
    }

    /// True if the gradient towards the input is summed image by image.
    fn few_images(&self, n: usize) -> bool {
        n <= FEW_IMAGES && self.block().is_multiple_of(self.kernels.dot_lanes())
    }

    /// The gradient towards inputs `i0..i0 + count` of each of a few images.
    fn input_gradient_of_few(&self, item: usize, f: &Frame<'_, T>, gx: &Tensor<T>) {
        let (k, block, n) = (self.outputs, self.block(), gx.shape()[0]);
        let i0 = item * INPUTS;
        let count = INPUTS.min(self.inputs - i0);
        let blocks = k.div_ceil(block);
        with_scratch(blocks * block, |d: &mut [T]| {
            d[k..].fill(T::zero());
            for image in 0..n {
                d[..k].copy_from_slice(f.gy().part(image * k, k));
                let rows = Dot {
                    w: self.weights(f.learn).part(i0 * block, count * block).as_ptr(),
                    w_block: self.inputs * block,
                    blocks,
                    rows: count,
                    width: block,
                    d: d.as_ptr(),
                    // SAFETY: this item alone writes inputs i0..i0 + count.
                    y: unsafe { gx.part_mut(image * self.inputs + i0, count) }.as_mut_ptr(),
                };
                // SAFETY: `count` rows of each block of weights, as many values of the gradient.
                unsafe { self.kernels.dot(&rows) };
            }
        });
    }

    /// The gradient of some images towards `INPUTS` inputs (in memory order): weights as pixels, images as outputs.
    fn input_gradient(&self, item: usize, f: &Frame<'_, T>, gx: &Tensor<T>) {
        let n = gx.shape()[0];
        let (k, block, images) = (self.outputs, self.block(), self.image_block(n));
        let (chunks, blocks) = (self.inputs.div_ceil(INPUTS), n.div_ceil(images));
        let (i0, blocks) = if self.is_small() {
            let b = item / chunks;
            (item % chunks * INPUTS, b..b + 1)
        } else {
            (item * INPUTS, 0..blocks)
        };
        let count = INPUTS.min(self.inputs - i0);
        let spans: Vec<Span> =
            (0..k.div_ceil(block)).map(|b| Span { start: b * self.inputs * block, len: block.min(k - b * block) }).collect();
        let x_at: Vec<usize> = (i0..i0 + count).map(|i| i * block).collect();
        let y_at: Vec<usize> = (0..count).map(|i| i * images).collect();
        with_scratch(count * images, |rows: &mut [T]| {
            for b in blocks {
                let columns = images.min(n - b * images);
                let tile = Tile {
                    spans: &spans,
                    x: self.weights(f.learn).as_ptr(),
                    x_at: &x_at,
                    w: self.transposed.part(b * images * k, images * k).as_ptr(),
                    y: rows.as_mut_ptr(),
                    y_at: &y_at,
                    cols: columns,
                    bias: std::ptr::null(),
                    affine: [std::ptr::null(); 3],
                    residual: std::ptr::null(),
                    relu: false,
                };
                // SAFETY: spans cover the outputs of each weight row, the scratch holds `count` rows.
                unsafe { self.kernels.width(images).run(&tile) };
                let matrix = Transpose {
                    from: rows.as_ptr(),
                    from_stride: images,
                    size: [count, columns],
                    to: gx.as_ptr().wrapping_add(b * images * self.inputs + i0),
                    to_stride: self.inputs,
                };
                // SAFETY: `columns` images of the gradient exist, and this item alone writes inputs i0..i0 + count.
                unsafe { self.kernels.transpose(&matrix) };
            }
        });
    }

    /// True if the gradient of the weights is kept as its factors: these are few, and nothing else adds to it or clears parts of it.
    fn keeps_factors(&self, n: usize) -> bool {
        let p = &self.params[0];
        n <= FEW_IMAGES && !p.grad_filled && p.mask.is_none() && self.dropped.is_none()
    }

    fn gradient_plan(&mut self, n: usize) {
        if self.gradient.as_ref().is_none_or(|(batch, _)| *batch != n) {
            self.gradient = Some((n, GradientPlan::dense(self.kernels, n, self.inputs, self.outputs)));
        }
    }
}

impl<T: Float> Cell<T> for Fc<T> {
    fn kind(&self) -> &'static str {
        "Fc"
    }

    fn inputs(&self) -> Inputs {
        Inputs::Flattened
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, h, w] = dims4(inputs[0]);
        if c * h * w != self.inputs {
            let got = format!("{} (input shape {:?})", c * h * w, inputs[0]);
            return Err(Error::shape(name, "values of a stimulus", self.inputs, got));
        }
        Ok(vec![n, self.outputs, 1, 1])
    }

    fn fuses_activation(&self) -> bool {
        true
    }

    /// Every kernel takes inputs one by one.
    fn reads_within(&self) -> bool {
        true
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let [n, _, h, w] = dims4(f.inputs[0].shape());
        if self.params[0].layout.inner != h * w {
            let layout = Self::layout(self.inputs, self.outputs, self.block(), h * w);
            self.params[0].relayout(layout);
        }
        if self.normalize {
            self.normalize_weights();
        }
        self.drop_weights(f);
        let rows = self.rows(n);
        let items = if self.is_row(n) { self.row_items() } else { self.outputs.div_ceil(self.block()) * n.div_ceil(rows) };
        let phase = Phase::compute(items, n * self.inputs * self.outputs);
        Ok(vec![if self.by_outputs(n) { phase } else { phase.by_image(rows) }])
    }

    fn forward(&self, _phase: usize, item: usize, f: &Frame<'_, T>) {
        let n = f.output.shape()[0];
        if self.is_row(n) {
            return self.forward_row(item, f);
        }
        let block = self.block();
        let blocks = self.outputs.div_ceil(block);
        let rows = self.rows(n);
        let row_blocks = n.div_ceil(rows);
        let (b, r) = if self.by_outputs(n) { (item / row_blocks, item % row_blocks) } else { (item % blocks, item / blocks) };
        let r0 = r * rows;
        let count = rows.min(n - r0);
        let cols = block.min(self.outputs - b * block);
        let (mut x_at, mut y_at) = ([0; ROWS], [0; ROWS]);
        for i in 0..count {
            (x_at[i], y_at[i]) = (i * self.inputs, i * self.outputs);
        }
        let relu = f.activation.is_some_and(crate::activation::ActivationFn::is_relu);
        let tile = Tile {
            spans: &[Span { start: 0, len: self.inputs }],
            x: f.inputs[0].part(r0 * self.inputs, count * self.inputs).as_ptr(),
            x_at: &x_at[..count],
            w: self.weights(f.learn).part(b * self.inputs * block, self.inputs * block).as_ptr(),
            y: f.output.as_ptr().wrapping_add(r0 * self.outputs + b * block),
            y_at: &y_at[..count],
            cols,
            bias: self.params.get(1).map_or(std::ptr::null(), |p| p.value.part(b * block, block).as_ptr()),
            affine: [std::ptr::null(); 3],
            residual: std::ptr::null(),
            relu,
        };
        // SAFETY: `count` rows of the input and of the output exist; items write disjoint columns or rows.
        unsafe { self.kernels.width(self.outputs).run(&tile) };
        if let Some(activation) = f.activation.filter(|_| !relu) {
            for i in r0..r0 + count {
                // SAFETY: the columns that this item has just written.
                activation.forward(unsafe { f.output.part_mut(i * self.outputs + b * block, cols) });
            }
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let n = f.gy().shape()[0];
        self.tiles = 0;
        if !self.keeps_factors(n) {
            self.params[0].settle();
            self.gradient_plan(n);
            self.tiles = self.gradient.as_ref().map_or(0, |(_, g)| g.items());
        }
        let block = self.image_block(n);
        let (mut blocks, mut data) = (0, Phase::new(0, 0).by_image(1));
        let (chunks, macs) = (self.inputs.div_ceil(INPUTS), n * self.inputs * self.outputs);
        if f.grad_inputs[0].is_some() {
            blocks = n.div_ceil(block);
            data = if self.is_small() { Phase::compute(blocks * chunks, macs).by_image(block) } else { Phase::compute(chunks, macs) };
            if self.few_images(n) {
                blocks = 0;
            }
            self.transposed = Tensor::uninit(&[blocks * block * self.outputs]);
        }
        let cost = if self.tiles > 0 { macs } else { 0 };
        let weights = Phase::compute(self.tiles + usize::from(self.params.len() > 1), cost).after();
        Ok(vec![Phase::streaming(blocks, 4 * n * self.outputs).by_image(block), data, weights])
    }

    fn backward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        if phase == 0 {
            return self.transpose(item, f.gy());
        }
        if phase == 1 {
            match &f.grad_inputs[0] {
                Some(gx) if self.few_images(gx.shape()[0]) => self.input_gradient_of_few(item, f, gx),
                Some(gx) => self.input_gradient(item, f, gx),
                None => {}
            }
            return;
        }
        if item < self.tiles {
            let (p, Some((_, plan))) = (&self.params[0], &self.gradient) else { return };
            // SAFETY: the plan was made for this batch; items write disjoint tiles.
            unsafe { plan.run(self.kernels, item, [f.inputs[0].as_ptr(), f.gy().as_ptr()], p.grad.as_ptr(), p.grad_filled, null_mut()) };
        } else if let Some(p) = self.params.get(1) {
            let mut sums = vec![T::zero(); self.outputs];
            self.kernels.column_sum(f.gy().part(0, f.gy().len()), self.outputs, self.outputs, &mut sums);
            // SAFETY: the only item that writes the bias gradient.
            let g = unsafe { p.grad.part_mut(0, self.outputs) };
            g.iter_mut().zip(sums).for_each(|(a, s)| *a = if p.grad_filled { *a + s } else { s });
        }
    }

    fn backward_end(&mut self, phase: usize, f: &Frame<'_, T>) {
        if phase < 2 {
            return;
        }
        if let Some((_, mask)) = self.dropped.as_ref().filter(|_| f.learn) {
            let len = mask.len();
            // SAFETY: the cell is locked and no item runs.
            let g = unsafe { self.params[0].grad.part_mut(0, len) };
            g.iter_mut().zip(mask.part(0, len)).for_each(|(a, m)| *a *= *m);
        }
        if self.tiles == 0 {
            let (x, gy) = (&f.inputs[0], f.gy());
            let factors = Factors::new(x.part(0, x.len()), gy.part(0, gy.len()), gy.shape()[0], self.block());
            self.params[0].factors = Some(factors);
        }
        self.params[0].clear_unconnected(&self.params[0].grad);
        self.params.iter_mut().for_each(|p| p.grad_filled = true);
    }

    fn params(&self) -> &[Param<T>] {
        &self.params
    }

    fn params_mut(&mut self) -> &mut [Param<T>] {
        &mut self.params
    }

    fn set(&mut self, config: &Config) -> Result<()> {
        config.only(&["drop_connect", "normalize"])?;
        self.configure(config)
    }

    fn kernel(&self) -> Cow<'static, str> {
        let width = self.kernels.width(self.outputs);
        format!("dense {} {}", width.low_name(width.rows), self.kernels.isa.name()).into()
    }

    fn statistics(&self, _inputs: &[&[usize]], _output: &[usize]) -> Statistics {
        let bias = if self.params.len() > 1 { self.outputs } else { 0 };
        let n = (pairs(&self.params[0]) + bias) as u64;
        Statistics { params: n, macs: n }
    }
}

#[cfg(test)]
#[path = "fc_test.rs"]
mod tests;
