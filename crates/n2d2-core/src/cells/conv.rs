//! Convolution (cross-correlation) with bias, groups, stride, padding, dilation and sub-sampling.
//!
//! `y[o, i, j] = b[o] + sum over connected c, r, s of w[o, c, r, s] * x[c, i*sh - ph + r*dh, j*sw - pw + s*dw]`
//!
//! Input `[n, c, h, w]`, output `[n, o, oh, ow]` with `oh = floor((h + 2p - d(k-1) - 1) / s) + 1` and
//! `ceil(oh / sub)` under sub-sampling, which sums blocks of outputs. Several inputs count as one, joined along channels.
//!
//! A mapping (rows inputs, columns outputs) of equal blocks on the diagonal is computed as groups; any other keeps full
//! weights, those of missing connections zero. Gradients are minus the derivative, summed over the batch.
//!
//! Source: ONNX operator `Conv`; sub-sampling and mapping as N2D2.

use super::{Cell, Frame, Param, ParamLayout, Phase, Statistics};
use crate::config::Config;
use crate::device::cpu::{DepthwiseGrad, Geometry, GradientPlan, Job, Kernels, Window};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor, dims4};

const KEYS: &[&str] = &[
    "nb_inputs",
    "nb_outputs",
    "kernel_dims",
    "nb_input_cells",
    "sub_sample_dims",
    "stride_dims",
    "padding_dims",
    "dilation_dims",
    "mapping",
    "no_bias",
];

/// Connections between input channels and outputs.
enum Mapping {
    /// Equal blocks on the diagonal; 1 is all to all.
    Groups(usize),
    /// `[output][channel]`.
    Irregular(Vec<bool>),
}

impl Mapping {
    fn new(config: &Config, channels: usize, outputs: usize) -> Result<Self> {
        let Some((rows, columns, connected)) = config.mask("mapping")? else {
            return Ok(Mapping::Groups(1));
        };
        if (rows, columns) != (channels, outputs) {
            let expected = format!("a bool matrix of {channels} rows (inputs) and {outputs} columns (outputs)");
            return Err(config.error("mapping", format!("{rows}x{columns}"), expected));
        }
        let at = |c: usize, o: usize| connected[c * outputs + o];
        let first_row = (0..outputs).filter(|o| at(0, *o)).count();
        if first_row > 0 && outputs.is_multiple_of(first_row) && channels.is_multiple_of(outputs / first_row) {
            let groups = outputs / first_row;
            let (cg, kg) = (channels / groups, outputs / groups);
            if (0..channels).all(|c| (0..outputs).all(|o| at(c, o) == (c / cg == o / kg))) {
                return Ok(Mapping::Groups(groups));
            }
        }
        Ok(Mapping::Irregular((0..outputs * channels).map(|i| at(i % channels, i / channels)).collect()))
    }
}

/// Everything that depends on the sizes of a batch.
struct Plan {
    n: usize,
    input: [usize; 3],
    full: [usize; 3],
    forward: Geometry,
    backward: Geometry,
    /// None for depthwise, which sums image by image.
    gradient: Option<GradientPlan>,
    /// Size of the padded input; equal to the input if no tap leaves it.
    padded: [usize; 3],
    image_groups: usize,
}

/// The convolution cell.
pub struct Conv<T: Float> {
    window: Window,
    sub_sample: [usize; 2],
    channels: usize,
    outputs: usize,
    groups: usize,
    depthwise: bool,
    kernels: &'static Kernels<T>,
    params: Vec<Param<T>>,
    plan: Option<Plan>,
    /// Weights for the gradient towards the input, and the version they were packed from.
    packed: Tensor<T>,
    packed_version: u64,
    /// The input with its border of zeros, for the weight gradient.
    padded: Option<Tensor<T>>,
    /// The output before sub-sampling, and its gradient.
    unsampled: Option<Tensor<T>>,
    weight_parts: Tensor<T>,
    bias_parts: Tensor<T>,
}

impl<T: Float> Conv<T> {
    pub(super) fn new(config: &Config) -> Result<Self> {
        Self::with_kernels(config, T::kernels())
    }

    /// A convolution on given kernels, so that tests can compare instruction sets.
    pub(crate) fn with_kernels(config: &Config, kernels: &'static Kernels<T>) -> Result<Self> {
        config.only(KEYS)?;
        let cells = config.count("nb_input_cells", Some(1))?;
        let channels = config.count("nb_inputs", None)? * cells;
        let outputs = config.count("nb_outputs", None)?;
        let window = Window {
            kernel: config.pair_or("kernel_dims", None, 1)?,
            stride: config.pair_or("stride_dims", Some([1, 1]), 1)?,
            padding: config.pair_or("padding_dims", Some([0, 0]), 0)?,
            dilation: config.pair_or("dilation_dims", Some([1, 1]), 1)?,
        };
        let mapping = Mapping::new(config, channels, outputs)?;
        let groups = if let Mapping::Groups(g) = mapping { g } else { 1 };
        let (cg, kg) = (channels / groups, outputs / groups);
        let depthwise = groups > 1 && cg == 1 && kg == 1;
        let [kh, kw] = window.kernel;
        let block = if depthwise { outputs } else { kernels.width(kg).block };
        let blocks = kg.div_ceil(block);
        let block_stride = kh * kw * cg * block;
        let weights = if depthwise {
            let strides = vec![0, kw * outputs, outputs];
            ParamLayout {
                per_group: outputs,
                group_stride: 0,
                block,
                block_stride: 0,
                strides,
                inner: 1,
                inner_stride: 0,
                len: kh * kw * outputs,
            }
        } else {
            let strides = vec![block, kw * cg * block, cg * block];
            let group_stride = blocks * block_stride;
            ParamLayout { per_group: kg, group_stride, block, block_stride, strides, inner: 1, inner_stride: 0, len: groups * group_stride }
        };
        let mut params = vec![Param::trainable("weights", &[outputs, cg, kh, kw], weights)];
        params[0].fill_blocks = if groups == 1 { cells } else { 1 };
        params[0].groups = groups;
        if let Mapping::Irregular(mask) = mapping {
            params[0].mask = Some(mask);
        }
        if !config.bool_or("no_bias", false)? {
            let (per_group, padded) = if depthwise { (outputs, outputs) } else { (kg, blocks * block) };
            let len = if depthwise { outputs } else { groups * padded };
            let layout = ParamLayout {
                per_group,
                group_stride: padded,
                block: padded,
                block_stride: 0,
                strides: Vec::new(),
                inner: 1,
                inner_stride: 0,
                len,
            };
            params.push(Param::trainable("bias", &[outputs], layout));
        }
        Ok(Conv {
            window,
            sub_sample: config.pair_or("sub_sample_dims", Some([1, 1]), 1)?,
            channels,
            outputs,
            groups,
            depthwise,
            kernels,
            params,
            plan: None,
            packed: Tensor::zeros(&[0]),
            packed_version: 0,
            padded: None,
            unsampled: None,
            weight_parts: Tensor::zeros(&[0]),
            bias_parts: Tensor::zeros(&[0]),
        })
    }

    fn has_bias(&self) -> bool {
        self.params.len() > 1
    }

    fn is_sub_sampled(&self) -> bool {
        self.sub_sample != [1, 1]
    }

    /// Height and width before sub-sampling.
    fn full_size(&self, name: &str, h: usize, w: usize) -> Result<[usize; 2]> {
        if let (Some(oh), Some(ow)) = (self.window.output(0, h), self.window.output(1, w)) {
            return Ok([oh, ow]);
        }
        let w_ = &self.window;
        let need = format!("at least the kernel {:?} (dilation {:?}) less twice the padding {:?}", w_.kernel, w_.dilation, w_.padding);
        Err(Error::shape(name, "height and width of the input", need, format!("{h}x{w}")))
    }

    fn make_plan(&mut self, f: &Frame<'_, T>) -> Result<()> {
        let [n, c, h, w] = dims4(f.inputs[0].shape());
        if self.plan.as_ref().is_some_and(|p| p.n == n && p.input == [h, w, c]) {
            return Ok(());
        }
        let [oh, ow] = self.full_size(f.name, h, w)?;
        let (input, full) = ([h, w, c], [oh, ow, self.outputs]);
        let (cg, kg) = (c / self.groups, self.outputs / self.groups);
        let forward = Geometry::forward(&self.window, input, full, cg);
        let backward = Geometry::backward(&self.window, input, full, kg);
        let [ph, pw] = self.window.padding;
        let padded = [h + 2 * ph, w + 2 * pw, c];
        let gradient = (!self.depthwise).then(|| GradientPlan::convolution(self.kernels, &self.window, n, padded, full, self.groups));
        self.plan = Some(Plan { n, input, full, forward, backward, gradient, padded, image_groups: n.min(16) });
        Ok(())
    }

    fn plan(&self) -> &Plan {
        self.plan.as_ref().expect("a pass begins with a plan")
    }

    fn macs(&self, full: [usize; 3]) -> usize {
        full[0] * full[1] * self.params[0].len()
    }

    fn job<'a>(&'a self, geometry: &'a Geometry, x: &'a Tensor<T>, w: &'a [T], y: *mut T, (c, k): (usize, usize)) -> Job<'a, T> {
        Job {
            geometry,
            kernels: self.kernels,
            x: x.part(0, x.len()),
            w,
            bias: &[],
            y,
            groups: self.groups,
            c_group: c / self.groups,
            k_group: k / self.groups,
            relu: false,
            depthwise: self.depthwise,
        }
    }

    fn weights(&self) -> &[T] {
        self.params[0].value.part(0, self.params[0].layout.len)
    }

    fn bias(&self) -> &[T] {
        self.params.get(1).map_or(&[], |b| b.value.part(0, b.layout.len))
    }

    /// The width of the packed weights of the gradient towards the input.
    fn backward_block(&self) -> usize {
        self.kernels.width(self.channels / self.groups).block
    }

    /// Packs the weights `[group][block of c][tap][k][block]` of one block, or of all channels for depthwise.
    fn pack_block(&self, item: usize, packed: &mut [T]) {
        let geometry = &self.plan().backward;
        let (cg, kg) = (self.channels / self.groups, self.outputs / self.groups);
        let (weights, layout) = (self.weights(), &self.params[0].layout);
        let taps = geometry.taps().iter();
        if self.depthwise {
            for (tap, to) in taps.zip(packed.chunks_exact_mut(self.outputs)) {
                to.copy_from_slice(&weights[layout.at(&[0, 0, tap[0], tap[1]])..][..self.outputs]);
            }
            return;
        }
        let block = self.backward_block();
        let blocks = cg.div_ceil(block);
        let (group, c0) = (item / blocks, item % blocks * block);
        let columns = block.min(cg - c0);
        for (tap, to) in taps.zip(packed.chunks_exact_mut(kg * block)) {
            for (k, row) in to.chunks_exact_mut(block).enumerate() {
                let from = layout.at(&[group * kg + k, c0, tap[0], tap[1]]);
                for (c, v) in row.iter_mut().enumerate().take(columns) {
                    *v = weights[from + c * layout.strides[0]];
                }
            }
        }
    }

    /// Copies image `i` of `x` into its border of zeros.
    fn pad_image(&self, x: &Tensor<T>, i: usize) {
        let (Some(padded), plan) = (&self.padded, self.plan()) else { return };
        let ([h, w, c], [ph, pw, _]) = (plan.input, plan.padded);
        // SAFETY: item i writes image i only.
        let image = unsafe { padded.part_mut(i * ph * pw * c, ph * pw * c) };
        let [top, left] = self.window.padding;
        image[..top * pw * c].fill(T::zero());
        image[(top + h) * pw * c..].fill(T::zero());
        for (row, from) in
            image[top * pw * c..(top + h) * pw * c].chunks_exact_mut(pw * c).zip(x.part(i * h * w * c, h * w * c).chunks_exact(w * c))
        {
            row[..left * c].fill(T::zero());
            row[left * c..(left + w) * c].copy_from_slice(from);
            row[(left + w) * c..].fill(T::zero());
        }
    }

    /// Sums (forward) the blocks of outputs of image `i`.
    fn sub_sample(&self, i: usize, f: &Frame<'_, T>) {
        let Some(full) = &self.unsampled else { return };
        let [oh, ow, k] = self.plan().full;
        let [_, _, h, w] = dims4(f.output.shape());
        let from = full.part(i * oh * ow * k, oh * ow * k);
        // SAFETY: item i writes image i only.
        let to = unsafe { f.output.part_mut(i * h * w * k, h * w * k) };
        to.fill(T::zero());
        for (p, row) in from.chunks_exact(k).enumerate() {
            let at = (p / ow / self.sub_sample[0] * w + p % ow / self.sub_sample[1]) * k;
            to[at..at + k].iter_mut().zip(row).for_each(|(a, b)| *a += *b);
        }
        let bias = self.params.get(1).map(Param::to_vec).unwrap_or_default();
        for row in to.chunks_exact_mut(k) {
            row.iter_mut().zip(&bias).for_each(|(a, b)| *a += *b);
        }
        if let Some(activation) = f.activation {
            activation.forward(to);
        }
    }

    /// Spreads (backward) the gradient of image `i` over the blocks of outputs.
    fn spread(&self, i: usize, f: &Frame<'_, T>) {
        let Some(full) = &self.unsampled else { return };
        let [oh, ow, k] = self.plan().full;
        let [_, _, h, w] = dims4(f.output.shape());
        let from = f.gy().part(i * h * w * k, h * w * k);
        // SAFETY: item i writes image i only.
        let to = unsafe { full.part_mut(i * oh * ow * k, oh * ow * k) };
        for (p, row) in to.chunks_exact_mut(k).enumerate() {
            let at = (p / ow / self.sub_sample[0] * w + p % ow / self.sub_sample[1]) * k;
            row.copy_from_slice(&from[at..at + k]);
        }
    }

    /// The gradient of the output before sub-sampling.
    fn full_gradient<'a>(&'a self, f: &'a Frame<'_, T>) -> &'a Tensor<T> {
        self.unsampled.as_ref().filter(|_| self.is_sub_sampled()).unwrap_or_else(|| f.gy())
    }

    /// Items of the first backward phase: blocks to pack, images to pad and to spread.
    fn preparation(&self, f: &Frame<'_, T>) -> [usize; 3] {
        let plan = self.plan();
        let stale = f.grad_inputs[0].is_some() && self.packed_version != self.params[0].version;
        let blocks = (self.channels / self.groups).div_ceil(self.backward_block());
        let pack = if self.depthwise { 1 } else { self.groups * blocks };
        let pad = if self.window.padding == [0, 0] { 0 } else { plan.n };
        [if stale { pack } else { 0 }, pad, if self.is_sub_sampled() { plan.n } else { 0 }]
    }

    fn depthwise_gradient(&self, group: usize, f: &Frame<'_, T>) {
        let plan = self.plan();
        let ([ph, pw, c], [oh, ow, _]) = (plan.padded, plan.full);
        let x = self.padded.as_ref().unwrap_or(&f.inputs[0]);
        let d = self.full_gradient(f);
        let [kh, kw] = self.window.kernel;
        let taps: Vec<usize> =
            (0..kh * kw).map(|t| (t / kw * self.window.dilation[0] * pw + t % kw * self.window.dilation[1]) * c).collect();
        let len = self.params[0].layout.len;
        // SAFETY: group `group` writes its own part.
        let g = unsafe { self.weight_parts.part_mut(group * len, len) };
        g.fill(T::zero());
        for i in group * plan.n / plan.image_groups..(group + 1) * plan.n / plan.image_groups {
            let tile = DepthwiseGrad {
                x: x.part(i * ph * pw * c, ph * pw * c).as_ptr(),
                taps: &taps,
                x_strides: [self.window.stride[1] * c, self.window.stride[0] * pw * c],
                d: d.part(i * oh * ow * c, oh * ow * c).as_ptr(),
                d_strides: [c, ow * c],
                rows: oh,
                pixels: ow,
                channels: c,
                g: g.as_mut_ptr(),
                g_stride: c,
            };
            // SAFETY: every tap of every output lies inside the padded image.
            unsafe { self.kernels.depthwise_grad(&tile) };
        }
    }

    /// Groups of images that sum weight gradients apart from each other.
    fn weight_groups(&self) -> usize {
        let plan = self.plan();
        plan.gradient.as_ref().map_or(plan.image_groups, |g| g.groups)
    }

    /// Items of the second backward phase: bands of the input gradient, weight gradients, bias gradients.
    fn gradients(&self, f: &Frame<'_, T>) -> [usize; 3] {
        let plan = self.plan();
        let data = if f.grad_inputs[0].is_some() { plan.n * plan.backward.bands() } else { 0 };
        let weights = plan.gradient.as_ref().map_or(plan.image_groups, GradientPlan::items);
        [data, weights, if self.has_bias() { plan.image_groups } else { 0 }]
    }

    /// Adds the partial gradients of values `start..start + n`.
    fn reduce(&self, start: usize, n: usize) {
        let p = &self.params[0];
        // SAFETY: items reduce disjoint ranges.
        let to = unsafe { p.grad.part_mut(start, n) };
        if !p.grad_filled {
            to.fill(T::zero());
        }
        for part in self.weight_parts.part(0, self.weight_parts.len()).chunks_exact(p.layout.len) {
            to.iter_mut().zip(&part[start..start + n]).for_each(|(a, b)| *a += *b);
        }
    }

    fn finish_bias(&mut self) {
        let groups = self.plan().image_groups;
        let Some(p) = self.params.get_mut(1) else { return };
        let parts = self.bias_parts.part(0, self.bias_parts.len());
        for o in 0..self.outputs {
            let sum: T = (0..groups).map(|g| parts[g * self.outputs + o]).sum();
            let at = p.layout.at(&[o]);
            // SAFETY: the cell is locked and no item runs.
            let to = &mut unsafe { p.grad.part_mut(at, 1) }[0];
            *to = if p.grad_filled { *to + sum } else { sum };
        }
        p.grad_filled = true;
    }
}

/// Values of an item of the reduction.
const REDUCE: usize = 4096;

impl<T: Float> Cell<T> for Conv<T> {
    fn kind(&self) -> &'static str {
        "Conv"
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, h, w] = dims4(inputs[0]);
        if c != self.channels {
            return Err(Error::shape(name, "channels of the input", self.channels, format!("{c} (input shape {:?})", inputs[0])));
        }
        let [oh, ow] = self.full_size(name, h, w)?;
        Ok(vec![n, self.outputs, oh.div_ceil(self.sub_sample[0]), ow.div_ceil(self.sub_sample[1])])
    }

    fn fuses_activation(&self) -> bool {
        true
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.make_plan(f)?;
        let plan = self.plan();
        let (n, full) = (plan.n, plan.full);
        let mut phases = vec![Phase::compute(n * plan.forward.bands(), n * self.macs(full))];
        if self.is_sub_sampled() {
            self.unsampled = Some(Tensor::uninit(&[n, full[2], full[0], full[1]]));
            phases.push(Phase::streaming(n, n * full.iter().product::<usize>()));
        }
        Ok(phases)
    }

    fn forward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        if phase == 1 {
            return self.sub_sample(item, f);
        }
        let plan = self.plan();
        let target = self.unsampled.as_ref().filter(|_| self.is_sub_sampled()).unwrap_or(f.output);
        let mut job = self.job(&plan.forward, &f.inputs[0], self.weights(), target.as_ptr(), (self.channels, self.outputs));
        let relu = f.activation.is_some_and(crate::activation::ActivationFn::is_relu);
        if !self.is_sub_sampled() {
            (job.bias, job.relu) = (self.bias(), relu);
        }
        // SAFETY: the target has the plan's shape; each item writes its own band.
        let (start, len) = unsafe { job.run(item) };
        if let Some(activation) = f.activation.filter(|_| !relu && !self.is_sub_sampled()) {
            // SAFETY: the band that this item has just written.
            activation.forward(unsafe { f.output.part_mut(start, len) });
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.make_plan(f)?;
        let plan = self.plan();
        let (n, [ph, pw, c], full, image_groups) = (plan.n, plan.padded, plan.full, plan.image_groups);
        let taps = plan.backward.taps().len();
        let packed_len = if self.depthwise {
            taps * self.outputs
        } else {
            let (cg, kg) = (self.channels / self.groups, self.outputs / self.groups);
            self.groups * cg.div_ceil(self.backward_block()) * self.backward_block() * taps * kg
        };
        if self.packed.len() != packed_len {
            self.packed = Tensor::zeros(&[packed_len]);
            self.packed_version = 0;
        }
        self.padded = (self.window.padding != [0, 0]).then(|| Tensor::uninit(&[n, c, ph, pw]));
        if self.is_sub_sampled() {
            self.unsampled = Some(Tensor::uninit(&[n, full[2], full[0], full[1]]));
        }
        let parts = self.weight_groups();
        if parts > 1 || self.depthwise {
            self.weight_parts = Tensor::uninit(&[parts * self.params[0].layout.len]);
        }
        self.bias_parts = Tensor::uninit(&[image_groups * self.outputs]);
        let prepare: usize = self.preparation(f).iter().sum();
        let compute: usize = self.gradients(f).iter().sum();
        let macs = n * self.macs(full);
        let mut phases = vec![Phase::streaming(prepare, f.inputs[0].len() + self.packed.len()), Phase::compute(compute, 2 * macs)];
        if parts > 1 || self.depthwise {
            let len = self.params[0].layout.len;
            phases.push(Phase::streaming(len.div_ceil(REDUCE), len * parts));
        }
        Ok(phases)
    }

    fn backward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let plan = self.plan();
        match phase {
            0 => {
                let [pack, pad, _] = self.preparation(f);
                if item < pack {
                    let len = self.packed.len() / pack;
                    // SAFETY: item `item` packs its own block.
                    self.pack_block(item, unsafe { self.packed.part_mut(item * len, len) });
                } else if item < pack + pad {
                    self.pad_image(&f.inputs[0], item - pack);
                } else {
                    self.spread(item - pack - pad, f);
                }
            }
            1 => {
                let [data, weights, _] = self.gradients(f);
                let d = self.full_gradient(f);
                if item < data {
                    if let Some(gx) = &f.grad_inputs[0] {
                        let job =
                            self.job(&plan.backward, d, self.packed.part(0, self.packed.len()), gx.as_ptr(), (self.outputs, self.channels));
                        // SAFETY: the gradient has the input's shape; each item writes its own band.
                        unsafe { job.run(item) };
                    }
                } else if item < data + weights {
                    let Some(gradient) = &plan.gradient else {
                        return self.depthwise_gradient(item - data, f);
                    };
                    let x = self.padded.as_ref().unwrap_or(&f.inputs[0]);
                    let direct = gradient.groups == 1;
                    let g = if direct { &self.params[0].grad } else { &self.weight_parts };
                    let add = direct && self.params[0].grad_filled;
                    // SAFETY: the plan was made for these tensors; items write disjoint tiles.
                    unsafe { gradient.run(self.kernels, item - data, x.as_ptr(), d.as_ptr(), g.as_ptr(), add) };
                } else {
                    let group = item - data - weights;
                    let (from, to) = (group * plan.n / plan.image_groups, (group + 1) * plan.n / plan.image_groups);
                    // The bias is added after sub-sampling.
                    let image = f.output.len() / plan.n;
                    // SAFETY: group `group` writes its own part.
                    let sums = unsafe { self.bias_parts.part_mut(group * self.outputs, self.outputs) };
                    self.kernels.column_sum(f.gy().part(from * image, (to - from) * image), self.outputs, self.outputs, sums);
                }
            }
            _ => self.reduce(item * REDUCE, REDUCE.min(self.params[0].layout.len - item * REDUCE)),
        }
    }

    fn backward_end(&mut self, phase: usize, f: &Frame<'_, T>) {
        if phase == 0 {
            if f.grad_inputs[0].is_some() {
                self.packed_version = self.params[0].version;
            }
            return;
        }
        let reduced = self.depthwise || self.weight_groups() > 1;
        if phase == 1 {
            self.finish_bias();
        }
        if phase == 2 || !reduced {
            self.params[0].grad_filled = true;
            self.params[0].clear_unconnected(&self.params[0].grad);
            self.padded = None;
            self.unsampled = None;
        }
    }

    fn params(&self) -> &[Param<T>] {
        &self.params
    }

    fn params_mut(&mut self) -> &mut [Param<T>] {
        &mut self.params
    }

    fn statistics(&self, inputs: &[&[usize]], output: &[usize]) -> Statistics {
        let [_, _, h, w] = dims4(inputs[0]);
        let [_, _, oh, ow] = dims4(output);
        let per_pair: usize = self.params[0].dims[2..].iter().product();
        let pairs = self.params[0].mask.as_ref().map_or(self.params[0].len() / per_pair, |m| m.iter().filter(|c| **c).count());
        // Taps inside the image: along an axis the sum over outputs, and the product of both axes.
        let inside = |axis: usize, size: usize, outputs: usize| -> usize {
            let at = |o: usize, k: usize| {
                (o * self.window.stride[axis] + k * self.window.dilation[axis]) as isize - self.window.padding[axis] as isize
            };
            (0..outputs).map(|o| (0..self.window.kernel[axis]).filter(|k| (0..size as isize).contains(&at(o, *k))).count()).sum()
        };
        let full = self.full_size("Conv", h, w).unwrap_or([oh, ow]);
        let macs = pairs * inside(0, h, full[0]) * inside(1, w, full[1]);
        let bias = if self.has_bias() { self.outputs } else { 0 };
        Statistics { params: (pairs * per_pair + bias) as u64, macs: (macs + bias) as u64 }
    }
}

#[cfg(test)]
#[path = "conv_test.rs"]
mod tests;
