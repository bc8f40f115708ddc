//! What `Conv` and `Deconv` compute with: the sweep of a convolution, its adjoint, and its weight gradient.
//!
//! A [`Convolution`] maps images `[h, w, channels]` to `[oh, ow, outputs]`. `Conv` runs the sweep forth and the adjoint
//! back; `Deconv` is the adjoint of the convolution from its outputs to its inputs, so it runs them the other way round. The weight
//! gradient takes the images of both sides and is the same for both.
//!
//! Weights lie in memory as `[group][block of outputs][r][s][channel of the group][output of the block]`, which the sweep
//! reads as it is; the adjoint reads a packed copy, made once for each change of the weights.

use super::winograd::WinogradSweep;
use super::{Param, ParamLayout, Phase};
use crate::config::{Config, MAX_VALUES, values_of};
use crate::device::cpu::depthwise;
use crate::device::cpu::{
    Batch, DepthwiseGrad, Finish, Geometry, GradientPlan, Job, Kernels, SpreadPlan, Transpose, Window, Written, group_of_images, tile_rows,
    with_scratch,
};
use crate::error::{Error, Result};
use crate::tensor::{Float, Tensor};
use std::ops::Range;
use std::ptr::null_mut;

/// Values of an item of the reduction.
const REDUCE: usize = 4096;
/// Nanoseconds to fetch a cache line that another core has written, and those of work that is worth it whatever it fetches.
const LINE_NS: usize = 15;
const SMALL_NS: usize = 32_000;
/// Values of a band of rows of the depthwise weight gradient, which stays in the second cache.
const BAND: usize = 32 * 1024;

/// Connections between input channels and outputs (of a dense layer: between its inputs and outputs).
pub(super) enum Mapping {
    /// Equal blocks on the diagonal; 1 is all to all.
    Groups(usize),
    /// `[output][channel]`.
    Irregular(Vec<bool>),
}

impl Mapping {
    /// Reads the parameter `mapping`.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but a bool matrix, [`Error::Value`] for one of another size.
    pub(super) fn new(config: &Config, channels: usize, outputs: usize) -> Result<Self> {
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
        Ok(Mapping::Irregular((0..outputs * channels).map(|i| connected[i % channels * outputs + i / channels]).collect()))
    }

    pub(super) fn groups(&self) -> usize {
        if let Mapping::Groups(g) = self { *g } else { 1 }
    }

    /// All connections `[output][channel]`, `None` if everything is connected.
    pub(super) fn into_mask(self, channels: usize, outputs: usize) -> Option<Vec<bool>> {
        match self {
            Mapping::Groups(1) => None,
            Mapping::Groups(g) => {
                let (cg, kg) = (channels / g, outputs / g);
                Some((0..outputs * channels).map(|i| i / channels / kg == i % channels / cg).collect())
            }
            Mapping::Irregular(mask) => Some(mask),
        }
    }

    /// Tells a parameter which of its values exist.
    pub(super) fn mask(self, weights: &mut Param<impl Float>) {
        weights.groups = self.groups();
        if let Mapping::Irregular(mask) = self {
            weights.mask = Some(mask);
        }
    }
}

/// The window of a convolution, from the parameters of its cell.
///
/// # Errors
/// The errors of [`Config`].
fn window(config: &Config) -> Result<Window> {
    Ok(Window {
        kernel: config.pair_or("kernel_dims", None, 1)?,
        stride: config.pair_or("stride_dims", Some([1, 1]), 1)?,
        padding: config.pair_or("padding_dims", Some([0, 0]), 0)?,
        dilation: config.pair_or("dilation_dims", Some([1, 1]), 1)?,
    })
}

/// Everything that depends on the sizes of a batch.
struct Plan {
    n: usize,
    /// `[h, w, channels]`.
    image: [usize; 3],
    /// `[oh, ow, outputs]`.
    full: [usize; 3],
    sweep: Geometry,
    adjoint: Geometry,
    /// The same for depthwise where there are faster kernels.
    depthwise_sweep: Option<depthwise::Sweep>,
    depthwise_adjoint: Option<depthwise::Sweep>,
    /// The adjoint of a backward pass where it is spread, from weights that are packed for that.
    spread: Option<SpreadPlan>,
    /// None for depthwise, which sums image by image.
    gradient: Option<GradientPlan>,
    /// Images of a group that sums gradients of its own, a power of two, and the number of groups.
    group: usize,
    image_groups: usize,
}

impl Plan {
    fn images_of(&self, group: usize) -> Range<usize> {
        group * self.group..((group + 1) * self.group).min(self.n)
    }
}

/// A convolution from `channels` to `outputs`: sizes, kernels, packed weights and buffers.
pub(super) struct Convolution<T: Float> {
    pub(super) window: Window,
    pub(super) channels: usize,
    pub(super) outputs: usize,
    pub(super) groups: usize,
    /// One channel and one output a group.
    pub(super) depthwise: bool,
    pub(super) kernels: &'static Kernels<T>,
    plan: Option<Plan>,
    /// The sweep in test mode.
    pub(super) winograd: WinogradSweep<T>,
    /// Weights for the adjoint, and the version they were packed from.
    packed: Tensor<T>,
    packed_version: u64,
    weight_parts: Tensor<T>,
    bias_parts: Tensor<T>,
}

impl<T: Float> Convolution<T> {
    /// The convolution of a cell, and the cell's weights and bias; with `adjoint` it goes from the cell's outputs to its inputs.
    ///
    /// # Errors
    /// The errors of [`Config`] and [`Mapping::new`]; [`crate::Error::Value`] for too many weights.
    pub(super) fn of_cell(config: &Config, adjoint: bool, kernels: &'static Kernels<T>) -> Result<(Self, Vec<Param<T>>)> {
        let cells = config.count("nb_input_cells", Some(1))?;
        let channels = config.count("nb_inputs", None)? * cells;
        let outputs = config.count("nb_outputs", None)?;
        let window = window(config)?;
        config.fits("nb_inputs", &[outputs, channels])?;
        let mapping = Mapping::new(config, channels, outputs)?;
        let groups = mapping.groups();
        let ends = if adjoint { [outputs, channels] } else { [channels, outputs] };
        let convolution = Convolution::new(config, window, ends, groups, kernels)?;
        let [kh, kw] = window.kernel;
        let layout = convolution.weights_layout(adjoint);
        let mut params = vec![Param::trainable("weights", &[outputs, channels / groups, kh, kw], layout)];
        params[0].fill_blocks = if groups == 1 { cells } else { 1 };
        mapping.mask(&mut params[0]);
        if !config.bool_or("no_bias", false)? {
            params.push(Param::trainable("bias", &[outputs], convolution.bias_layout(outputs)));
        }
        Ok((convolution, params))
    }

    /// A convolution, whose parameters come from `config`.
    ///
    /// # Errors
    /// [`Error::Value`] if the weights, as they lie in memory or packed for the adjoint, are too many.
    fn new(config: &Config, window: Window, [channels, outputs]: [usize; 2], groups: usize, kernels: &'static Kernels<T>) -> Result<Self> {
        let depthwise = groups > 1 && channels == groups && outputs == groups;
        let [cg, kg] = [channels / groups, outputs / groups];
        let [rows, columns] = window.kernel;
        for (blocked, plain) in [(kg, cg), (cg, kg)] {
            let block = if depthwise { 1 } else { kernels.width(blocked).block };
            config.fits("kernel_dims", &[groups, blocked.next_multiple_of(block), plain, rows, columns])?;
        }
        let empty = || Tensor::zeros(&[0]);
        Ok(Convolution {
            window,
            channels,
            outputs,
            groups,
            depthwise,
            kernels,
            plan: None,
            winograd: WinogradSweep::new(),
            packed: empty(),
            packed_version: 0,
            weight_parts: empty(),
            bias_parts: empty(),
        })
    }

    /// Channels and outputs of a group.
    fn per_group(&self) -> [usize; 2] {
        [self.channels / self.groups, self.outputs / self.groups]
    }

    /// Where the weight `[output, channel of the group, r, s]` lies; with `adjoint`, `[channel, output of the group, r, s]`.
    fn weights_layout(&self, adjoint: bool) -> ParamLayout {
        let [cg, kg] = self.per_group();
        let [kh, kw] = self.window.kernel;
        if self.depthwise {
            let (k, strides) = (self.outputs, vec![0, kw * self.outputs, self.outputs]);
            let (inner, inner_stride, len) = (1, 0, kh * kw * k);
            return ParamLayout { per_group: k, group_stride: 0, block: k, block_stride: 0, strides, inner, inner_stride, len };
        }
        let block = self.kernels.width(kg).block;
        let block_stride = kh * kw * cg * block;
        let group_stride = kg.div_ceil(block) * block_stride;
        let len = self.groups * group_stride;
        let [row, column] = [kw * cg * block, cg * block];
        if adjoint {
            let strides = vec![block_stride, row, column];
            ParamLayout { per_group: cg, group_stride, block: 1, block_stride: block, strides, inner: block, inner_stride: 1, len }
        } else {
            let strides = vec![block, row, column];
            ParamLayout { per_group: kg, group_stride, block, block_stride, strides, inner: 1, inner_stride: 0, len }
        }
    }

    /// Where the biases of `targets` maps lie: each group padded to whole blocks of the kernel that writes them.
    fn bias_layout(&self, targets: usize) -> ParamLayout {
        let per_group = if self.depthwise { targets } else { targets / self.groups };
        let block = self.kernels.width(per_group).block;
        let padded = if self.depthwise { targets } else { per_group.next_multiple_of(block) };
        let len = targets / per_group * padded;
        let strides = Vec::new();
        ParamLayout { per_group, group_stride: padded, block: padded, block_stride: 0, strides, inner: 1, inner_stride: 0, len }
    }

    /// Prepares passes of the cell `name` over `n` images `[h, w]` whose output is `[oh, ow]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the images with their border or the output have too many values.
    pub(super) fn prepare(&mut self, name: &str, n: usize, [h, w]: [usize; 2], [oh, ow]: [usize; 2]) -> Result<()> {
        let (image, full) = ([h, w, self.channels], [oh, ow, self.outputs]);
        if self.plan.as_ref().is_some_and(|p| p.n == n && p.image == image && p.full == full) {
            return Ok(());
        }
        let [cg, kg] = self.per_group();
        let [ph, pw] = self.window.padding;
        let padded = [h + 2 * ph, w + 2 * pw, self.channels];
        for [height, width, channels] in [padded, full] {
            let shape = [n, channels, height, width];
            if values_of(&shape).is_none() {
                let expected = format!("at most {MAX_VALUES} values");
                return Err(Error::shape(name, "images with their padding", expected, format!("shape {shape:?}")));
            }
        }
        let batch = |outputs: usize| {
            let blocks = if self.depthwise { 1 } else { self.groups * outputs.div_ceil(self.kernels.width(outputs).block) };
            Batch { images: n, groups: self.groups, blocks }
        };
        let adjoint = Geometry::backward(&self.window, image, full, batch(cg));
        let spread = (self.groups == 1).then(|| SpreadPlan::new(self.kernels, &self.window, n, image, full)).flatten();
        // Images smaller than the stride do not need every tap.
        if self.plan.as_ref().is_some_and(|p| p.adjoint.taps() != adjoint.taps() || p.spread.is_some() != spread.is_some()) {
            self.packed_version = 0;
        }
        let group = group_of_images(n, usize::MAX);
        let (window, sizes) = (&self.window, [oh, ow]);
        let depthwise_sweep = self.depthwise.then(|| depthwise::Sweep::forward(window, n, image, sizes)).flatten();
        let depthwise_adjoint = self.depthwise.then(|| depthwise::Sweep::adjoint(window, n, image, sizes, adjoint.taps())).flatten();
        self.plan = Some(Plan {
            n,
            image,
            full,
            sweep: Geometry::forward(&self.window, image, full, batch(kg)),
            adjoint,
            spread,
            depthwise_sweep,
            depthwise_adjoint,
            gradient: (!self.depthwise).then(|| GradientPlan::convolution(self.kernels, &self.window, n, image, full, self.groups)),
            group,
            image_groups: n.div_ceil(group),
        });
        Ok(())
    }

    fn plan(&self) -> &Plan {
        self.plan.as_ref().expect("a pass begins with a plan")
    }

    /// Multiply-accumulates of a sweep, or of the adjoint, over the batch.
    pub(super) fn macs(&self) -> usize {
        let ([oh, ow, _], [cg, _], [kh, kw]) = (self.plan().full, self.per_group(), self.window.kernel);
        self.plan().n * oh * ow * self.outputs * cg * kh * kw
    }

    fn job<'a>(&'a self, adjoint: bool, x: &'a Tensor<T>, w: &'a [T], y: *mut T) -> Job<'a, T> {
        let (plan, [cg, kg]) = (self.plan(), self.per_group());
        Job {
            geometry: if adjoint { &plan.adjoint } else { &plan.sweep },
            kernels: self.kernels,
            x: x.part(0, x.len()),
            w,
            finish: Finish::NONE,
            y,
            groups: self.groups,
            c_group: if adjoint { kg } else { cg },
            k_group: if adjoint { cg } else { kg },
            depthwise: self.depthwise,
        }
    }

    /// A sweep that the convolution behind this one can compute, from images `[h, w]` to `[oh, ow]`.
    pub(super) fn leading(&self, n: usize, [h, w]: [usize; 2], full: [usize; 2]) -> Option<depthwise::Sweep> {
        self.depthwise.then(|| depthwise::Sweep::forward(&self.window, n, [h, w, self.channels], full)).flatten()
    }

    /// The depthwise sweep that was prepared last, if the kernels are made for it.
    pub(super) fn depthwise_sweep(&self) -> Option<&depthwise::Sweep> {
        self.plan().depthwise_sweep.as_ref()
    }

    /// True if it computes faster itself what a depthwise convolution does in front of it.
    pub(super) fn takes_depthwise(&self, n: usize, [h, w]: [usize; 2]) -> bool {
        self.is_of_pixels() && depthwise::Pair::pays(n, [h, w, self.channels], self.outputs)
    }

    /// True if it computes faster itself what a convolution of single pixels does in front of it, to make images `[oh, ow]`.
    pub(super) fn takes_pixels(&self, n: usize, [h, w]: [usize; 2], full: [usize; 2]) -> bool {
        depthwise::Trail::pays(n, [h, w, self.channels]) && self.leading(n, [h, w], full).is_some()
    }

    /// True if each output is a sum over all channels of the pixel at its place.
    pub(super) fn is_of_pixels(&self) -> bool {
        self.window.is_pointwise() && self.groups == 1
    }

    /// What [`depthwise::Trail`] computes single pixels with.
    pub(super) fn pixels_kernel(&self) -> String {
        format!("direct 1x1 {} {}", self.kernels.width(self.outputs).low_name(tile_rows(self.channels)), self.kernels.isa.name())
    }

    /// The phases of a sweep by Winograd's algorithm, or `None` where the direct one is better.
    pub(super) fn winograd_begin(&mut self, weights: &Param<T>) -> Option<Vec<Phase>> {
        let plan = self.plan.as_ref().filter(|_| self.groups == 1)?;
        self.winograd.begin(self.kernels, &self.window, (plan.n, plan.image, plan.full), weights)
    }

    /// What the sweep, or the adjoint, that was prepared last computes with; with `adds` it adds a residual.
    pub(super) fn kernel(&self, adjoint: bool, adds: bool) -> String {
        let Some(plan) = &self.plan else { return String::new() };
        let ([kh, kw], isa) = (self.window.kernel, self.kernels.isa.name());
        if let Some(variant) = self.winograd.variant().filter(|_| !adjoint) {
            return format!("winograd {} {isa}", variant.name());
        }
        let (rows, geometry) = if adjoint { (&plan.depthwise_adjoint, &plan.adjoint) } else { (&plan.depthwise_sweep, &plan.sweep) };
        let way = if adjoint { "adjoint " } else { "" };
        if self.depthwise {
            return self.depthwise_kernel(rows.is_some(), way);
        }
        let outputs = self.per_group()[usize::from(!adjoint)];
        format!("direct {way}{kh}x{kw} {} {isa}", geometry.tile_name(self.kernels.width(outputs), adds))
    }

    /// What a depthwise sweep or adjoint computes with: whole rows, or taps.
    pub(super) fn depthwise_kernel(&self, rows: bool, way: &str) -> String {
        let ([kh, kw], isa) = (self.window.kernel, self.kernels.isa.name());
        format!("depthwise {} {way}{kh}x{kw} {isa}", if rows { "rows" } else { "taps" })
    }

    /// The phase of a sweep, or of the adjoint.
    fn going(&self, adjoint: bool) -> Phase {
        let plan = self.plan();
        let (depthwise, geometry) = if adjoint { (&plan.depthwise_adjoint, &plan.adjoint) } else { (&plan.depthwise_sweep, &plan.sweep) };
        match depthwise {
            Some(sweep) => Phase::compute(sweep.items(), self.macs()).by_image(sweep.block),
            None => Phase::compute(geometry.items(), self.macs()).by_image(geometry.block()),
        }
    }

    /// Computes an item of a sweep, or of the adjoint, from `x` to `y` with weights `w` and returns what of `y` it wrote.
    fn go(&self, adjoint: bool, item: usize, x: &Tensor<T>, w: &[T], finish: Finish<'_, T>, y: &Tensor<T>) -> Written {
        let plan = self.plan();
        if let Some(sweep) = if adjoint { &plan.depthwise_adjoint } else { &plan.depthwise_sweep } {
            let values = depthwise::Values { x: x.part(0, x.len()), w, finish, y: y.as_ptr() };
            // SAFETY: `y` has the plan's shape; each item writes its own rows.
            return unsafe { sweep.run(self.kernels, item, &values) };
        }
        let job = Job { finish, ..self.job(adjoint, x, w, y.as_ptr()) };
        // SAFETY: `y` has the plan's shape; each item writes its own part.
        unsafe { job.run(item) }
    }

    /// The phase of a sweep.
    pub(super) fn sweeping(&self) -> Phase {
        self.going(false)
    }

    /// Computes item `item` of the sweep from `x` to `y` and returns what of `y` it wrote.
    pub(super) fn sweep(&self, item: usize, x: &Tensor<T>, weights: &Param<T>, finish: Finish<'_, T>, y: &Tensor<T>) -> Written {
        self.go(false, item, x, weights.value.part(0, weights.layout.len), finish, y)
    }

    /// The phase of the adjoint.
    pub(super) fn adjoining(&self) -> Phase {
        self.going(true)
    }

    /// Computes item `item` of the adjoint from `d` to `gx`, with weights packed before, and returns what it wrote.
    pub(super) fn adjoint(&self, item: usize, d: &Tensor<T>, finish: Finish<'_, T>, gx: &Tensor<T>) -> Written {
        self.go(true, item, d, self.packed.part(0, self.packed.len()), finish, gx)
    }

    /// Packs block `item` of the weights in a backward pass.
    pub(super) fn pack_back(&self, item: usize, weights: &Param<T>) {
        let Some(spread) = &self.plan().spread else { return self.pack(item, weights) };
        let layout = self.weights_layout(false);
        // SAFETY: the only item.
        let packed = unsafe { self.packed.part_mut(0, spread.packed_len()) };
        spread.pack(weights.value.part(0, layout.len), |index| layout.at(&index), packed);
    }

    /// Computes item `item` of the adjoint in a backward pass: from `d` to `gx`.
    pub(super) fn go_back(&self, item: usize, d: &Tensor<T>, weights: &Param<T>, gx: &Tensor<T>) {
        if let Some(spread) = &self.plan().spread {
            // SAFETY: the plan was made for these tensors; each item writes its own image.
            return unsafe { spread.run(self.kernels, item, d.as_ptr(), self.packed.part(0, self.packed.len()), gx.as_ptr()) };
        }
        if !self.packs_on_the_way() {
            self.adjoint(item, d, Finish::NONE, gx);
            return;
        }
        let job = self.job(true, d, &[], gx.as_ptr());
        // SAFETY: `gx` has the plan's shape; each item writes its own part.
        unsafe { job.run_packing(item, Some(&|block, to| self.pack_block(block, weights, to))) };
    }

    /// The width of the packed weights of the adjoint.
    fn packed_block(&self) -> usize {
        self.kernels.width(self.per_group()[0]).block
    }

    /// True if the items of a backward pass pack their weights themselves: each block is for one of them, and stays in its cache.
    pub(super) fn packs_on_the_way(&self) -> bool {
        !self.depthwise && self.plan().spread.is_none() && self.plan().adjoint.reads_weights_once()
    }

    /// Makes room for the packed weights and returns the phase that packs them: without items if they are up to date.
    pub(super) fn packing(&mut self, weights: &Param<T>) -> Phase {
        let [cg, kg] = self.per_group();
        let taps = self.plan().adjoint.taps().len();
        let blocks = cg.div_ceil(self.packed_block());
        let len = if self.depthwise { taps * self.outputs } else { self.groups * blocks * self.packed_block() * taps * kg };
        if self.packed.len() != len {
            self.packed = Tensor::zeros(&[len]);
            self.packed_version = 0;
        }
        let items = match self.packed_version == weights.version {
            true => 0,
            false if self.depthwise => 1,
            false => self.groups * blocks,
        };
        Phase::streaming(items, len).before()
    }

    /// Packs block `item`: `[group][block of channels][tap][output][channel of the block]`.
    pub(super) fn pack(&self, item: usize, weights: &Param<T>) {
        let items = if self.depthwise { 1 } else { self.groups * self.per_group()[0].div_ceil(self.packed_block()) };
        let len = self.packed.len() / items;
        // SAFETY: item `item` packs its own block.
        let packed = unsafe { self.packed.part_mut(item * len, len) };
        if self.depthwise {
            let layout = self.weights_layout(false);
            let from = weights.value.part(0, layout.len);
            let taps = self.plan().adjoint.taps().iter();
            for (tap, to) in taps.zip(packed.chunks_exact_mut(self.outputs)) {
                to.copy_from_slice(&from[layout.at(&[0, 0, tap[0], tap[1]])..][..self.outputs]);
            }
            return;
        }
        self.pack_block(item, weights, packed);
    }

    /// Writes block `item` of the packed weights.
    fn pack_block(&self, item: usize, weights: &Param<T>, packed: &mut [T]) {
        let layout = self.weights_layout(false);
        let from = weights.value.part(0, layout.len);
        let taps = self.plan().adjoint.taps().iter();
        let ([cg, kg], block) = (self.per_group(), self.packed_block());
        let blocks = cg.div_ceil(block);
        let (group, c0) = (item / blocks, item % blocks * block);
        let columns = block.min(cg - c0);
        for (tap, to) in taps.zip(packed.chunks_exact_mut(kg * block)) {
            for (k, rows) in (0..kg).step_by(layout.block).zip(to.chunks_mut(layout.block * block)) {
                let matrix = Transpose {
                    from: from[layout.at(&[group * kg + k, c0, tap[0], tap[1]])..].as_ptr(),
                    from_stride: layout.strides[0],
                    size: [columns, rows.len() / block],
                    to: rows.as_mut_ptr(),
                    to_stride: block,
                };
                // SAFETY: a block of outputs by `columns` channels of one tap, within the weights and within `rows`.
                unsafe { self.kernels.transpose(&matrix) };
            }
        }
    }

    /// Notes that the packed weights are those of this version.
    pub(super) fn packed(&mut self, weights: &Param<T>) {
        self.packed_version = weights.version;
    }

    /// Makes room for the parts of gradients, those of `biases` maps among them.
    pub(super) fn make_room(&mut self, weights: &Param<T>, biases: usize) {
        if self.reduces() {
            self.weight_parts = Tensor::uninit(&[self.weight_groups() * weights.layout.len]);
        }
        self.bias_parts = Tensor::uninit(&[self.plan().image_groups.max(self.weight_groups()) * biases]);
    }

    /// Groups of images or rows that sum weight gradients apart from each other.
    fn weight_groups(&self) -> usize {
        let plan = self.plan();
        plan.gradient.as_ref().map_or(plan.image_groups, |g| g.groups)
    }

    /// True if the weight gradient is summed in parts that [`Convolution::reduce`] adds.
    pub(super) fn reduces(&self) -> bool {
        self.depthwise || self.weight_groups() > 1
    }

    /// True if the weight gradient can sum the gradient of a bias of the outputs beside.
    pub(super) fn sums_outputs(&self) -> bool {
        self.plan().gradient.is_some()
    }

    /// True if another thread would take longer to fetch what this one has written than to compute its share: of one small image.
    fn stays(&self) -> bool {
        let Plan { n, image, full, .. } = self.plan();
        let lines = (image.iter().product::<usize>() + full.iter().product::<usize>()) * size_of::<T>() / 64;
        *n == 1 && Phase::compute(1, self.macs()).cost_ns < SMALL_NS.min(lines * LINE_NS)
    }

    /// The phase of the adjoint, and that of packing before it, in a backward pass.
    pub(super) fn going_back(&mut self, weights: &Param<T>) -> [Phase; 2] {
        let cheap = |phase: Phase| Phase { cost_ns: 0, ..phase };
        if let Some(spread) = &self.plan().spread {
            let (len, data) = (spread.packed_len(), Phase::compute(spread.items(), self.macs()).by_image(1));
            if self.packed.len() != len {
                self.packed = Tensor::zeros(&[len]);
                self.packed_version = 0;
            }
            let pack = Phase::streaming(usize::from(self.packed_version != weights.version), len).before();
            return [pack, data];
        }
        let pack = if self.packs_on_the_way() { Phase::new(0, 0).before() } else { self.packing(weights) };
        let phases = [pack, self.adjoining()];
        if self.stays() { phases.map(cheap) } else { phases }
    }

    /// The phases of the gradients: of the weights, of the bias if it has one of its own, and the sum of the parts of the weight gradient.
    pub(super) fn gradients(&self, weights: &Param<T>, own_bias: bool) -> [Phase; 3] {
        let plan = self.plan();
        let items = plan.gradient.as_ref().map_or(plan.image_groups, GradientPlan::items);
        let group = plan.gradient.as_ref().map_or(plan.group, |g| g.group);
        let tiles = if self.stays() { Phase::new(items, 0) } else { Phase::compute(items, self.macs()) };
        let tiles = if self.reduces() { tiles.by_image(group) } else { tiles.after() };
        let sums = Phase::streaming(if own_bias { plan.image_groups } else { 0 }, plan.n * plan.full.iter().product::<usize>());
        let parts = if self.reduces() { weights.layout.len.div_ceil(REDUCE) } else { 0 };
        [tiles, sums.by_image(plan.group), Phase::streaming(parts, self.weight_parts.len()).after()]
    }

    /// Computes item `item` of the weight gradient from the images `x` and the output side `d`; with `bias` also that of the outputs'
    /// bias, where the weight gradient [sums](Convolution::sums_outputs) it.
    pub(super) fn weight_gradient(&self, item: usize, x: &Tensor<T>, d: &Tensor<T>, weights: &Param<T>, bias: bool) {
        let Some(gradient) = &self.plan().gradient else {
            return self.depthwise_gradient(item, x, d, weights.layout.len);
        };
        let direct = gradient.groups == 1;
        let g = if direct { &weights.grad } else { &self.weight_parts };
        let bias = if bias { self.bias_parts.as_ptr() } else { null_mut() };
        // SAFETY: the plan was made for these tensors; items write disjoint tiles, and the biases of tiles of their own.
        unsafe { gradient.run(self.kernels, item, [x.as_ptr(), d.as_ptr()], g.as_ptr(), direct && weights.grad_filled, bias) };
    }

    /// The weight gradient of a group of images, from bands of rows with a border of zeros that stay in the cache.
    fn depthwise_gradient(&self, group: usize, x: &Tensor<T>, d: &Tensor<T>, len: usize) {
        let plan = self.plan();
        let ([h, w, c], [oh, ow, _]) = (plan.image, plan.full);
        let Window { kernel: [kh, kw], stride, padding: [top, left], dilation } = self.window;
        let pw = w + 2 * left;
        let taps: Vec<usize> = (0..kh * kw).map(|t| (t / kw * dilation[0] * pw + t % kw * dilation[1]) * c).collect();
        let reach = dilation[0] * (kh - 1) + 1;
        let rows = (BAND.saturating_sub(reach * pw * c) / (stride[0] * pw * c)).clamp(1, oh);
        // SAFETY: group `group` writes its own part.
        let g = unsafe { self.weight_parts.part_mut(group * len, len) };
        g.fill(T::zero());
        let images = plan.images_of(group);
        let (x_all, d_all) =
            (x.part(images.start * h * w * c, images.len() * h * w * c), d.part(images.start * oh * ow * c, images.len() * oh * ow * c));
        if depthwise::gradient(self.kernels, &self.window, plan.image, [oh, ow], (x_all, d_all), g) {
            return;
        }
        let local_rows = (rows - 1) * stride[0] + reach;
        with_scratch(if self.window.padding == [0, 0] { 0 } else { local_rows * pw * c }, |local: &mut [T]| {
            for i in plan.images_of(group) {
                let (image, d) = (x.part(i * h * w * c, h * w * c), d.part(i * oh * ow * c, oh * ow * c));
                for first in (0..oh).step_by(rows) {
                    let rows = rows.min(oh - first);
                    let from = if local.is_empty() {
                        &image[first * stride[0] * w * c..]
                    } else {
                        let local_rows = (rows - 1) * stride[0] + reach;
                        for (j, row) in local.chunks_exact_mut(pw * c).take(local_rows).enumerate() {
                            let y = (first * stride[0] + j).wrapping_sub(top);
                            let (before, rest) = row.split_at_mut(left * c);
                            let (inside, after) = rest.split_at_mut(w * c);
                            before.fill(T::zero());
                            after.fill(T::zero());
                            match image.get(y.saturating_mul(w * c)..).filter(|_| y < h) {
                                Some(pixels) => inside.copy_from_slice(&pixels[..w * c]),
                                None => inside.fill(T::zero()),
                            }
                        }
                        &*local
                    };
                    let tile = DepthwiseGrad {
                        x: from.as_ptr(),
                        taps: &taps,
                        x_strides: [stride[1] * c, stride[0] * pw * c],
                        d: d[first * ow * c..].as_ptr(),
                        d_strides: [c, ow * c],
                        rows,
                        pixels: ow,
                        channels: c,
                        g: g.as_mut_ptr(),
                        g_stride: c,
                    };
                    // SAFETY: every tap of every output of these rows lies inside the band, or the image that needs no border.
                    unsafe { self.kernels.depthwise_grad(&tile) };
                }
            }
        });
    }

    /// Sums the gradient `gy` of `maps` maps over the pixels of one group of images.
    pub(super) fn bias_gradient(&self, group: usize, gy: &Tensor<T>, maps: usize) {
        let plan = self.plan();
        let images = plan.images_of(group);
        let image = gy.len() / plan.n;
        // SAFETY: group `group` writes its own part.
        let sums = unsafe { self.bias_parts.part_mut(group * maps, maps) };
        self.kernels.column_sum(gy.part(images.start * image, images.len() * image), maps, maps, sums);
    }

    /// Adds the sums of all groups to the gradient of the bias; with `beside` those that the weight gradient has made.
    pub(super) fn finish_bias(&self, bias: &mut Param<T>, beside: bool) {
        let (groups, maps) = (if beside { self.weight_groups() } else { self.plan().image_groups }, bias.len());
        let parts = self.bias_parts.part(0, self.bias_parts.len());
        for o in 0..maps {
            let sum: T = (0..groups).map(|g| parts[g * maps + o]).sum();
            let at = bias.layout.at(&[o]);
            // SAFETY: the cell is locked and no item runs.
            let to = &mut unsafe { bias.grad.part_mut(at, 1) }[0];
            *to = if bias.grad_filled { *to + sum } else { sum };
        }
        bias.grad_filled = true;
    }

    /// Adds the partial gradients of the values of an item.
    pub(super) fn reduce(&self, item: usize, weights: &Param<T>) {
        let (start, n) = (item * REDUCE, REDUCE.min(weights.layout.len - item * REDUCE));
        // SAFETY: items reduce disjoint ranges.
        let to = unsafe { weights.grad.part_mut(start, n) };
        if !weights.grad_filled {
            to.fill(T::zero());
        }
        for part in self.weight_parts.part(0, self.weight_parts.len()).chunks_exact(weights.layout.len) {
            to.iter_mut().zip(&part[start..start + n]).for_each(|(a, b)| *a += *b);
        }
    }

    /// Marks the weight gradient as complete.
    pub(super) fn finish_weights(weights: &mut Param<T>) {
        weights.grad_filled = true;
        weights.clear_unconnected(&weights.grad);
    }

    /// Taps of all outputs `[oh, ow]` of one channel that fall inside an image `[h, w]`.
    pub(super) fn taps_inside(&self, [h, w]: [usize; 2], [oh, ow]: [usize; 2]) -> usize {
        // Along an axis the sum over outputs, and the product of both axes.
        let inside = |axis: usize, size: usize, outputs: usize| -> usize {
            let at = |o: usize, k: usize| {
                (o * self.window.stride[axis] + k * self.window.dilation[axis]) as isize - self.window.padding[axis] as isize
            };
            (0..outputs).map(|o| (0..self.window.kernel[axis]).filter(|k| (0..size as isize).contains(&at(o, *k))).count()).sum()
        };
        inside(0, h, oh) * inside(1, w, ow)
    }
}

/// Connected pairs of an output and a channel.
pub(super) fn pairs(weights: &Param<impl Float>) -> usize {
    let per_pair: usize = weights.dims[2..].iter().product();
    weights.mask.as_ref().map_or(weights.len() / per_pair, |m| m.iter().filter(|c| **c).count())
}
