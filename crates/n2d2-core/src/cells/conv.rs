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

use super::convolution::{Convolution, pairs};
use super::epilogue::{Affine, Leader, Leading};
use super::winners::WinnersPass;
use super::{Cell, Frame, Param, Phase, Statistics};
use crate::activation::ActivationFn;
use crate::config::Config;
use crate::device::cpu::depthwise::{Pair, Trail, Values};
use crate::device::cpu::{Finish, Kernels, Written};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor, dims4};
use std::borrow::Cow;
use std::ptr::null_mut;

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

/// What leads and the convolution, as one.
enum Joined {
    Pair(Pair),
    Trail(Trail),
}

/// The convolution cell.
pub struct Conv<T: Float> {
    convolution: Convolution<T>,
    sub_sample: [usize; 2],
    /// True if the forward pass that was prepared last adds a residual.
    adds: bool,
    params: Vec<Param<T>>,
    /// The output before sub-sampling, and its gradient.
    unsampled: Option<Tensor<T>>,
    /// For gradients of chosen outputs.
    winners: Option<WinnersPass<T>>,
    /// With what leads, for its shapes of input and output.
    joined: Option<(Vec<usize>, [usize; 4], Joined)>,
}

impl<T: Float> Conv<T> {
    pub(super) fn new(config: &Config) -> Result<Self> {
        Self::with_kernels(config, T::kernels())
    }

    /// A convolution on given kernels, so that tests can compare instruction sets.
    pub(crate) fn with_kernels(config: &Config, kernels: &'static Kernels<T>) -> Result<Self> {
        config.only(KEYS)?;
        let (convolution, params) = Convolution::of_cell(config, false, kernels)?;
        let sub_sample = config.pair_or("sub_sample_dims", Some([1, 1]), 1)?;
        Ok(Conv { convolution, sub_sample, adds: false, params, unsampled: None, winners: None, joined: None })
    }

    fn is_sub_sampled(&self) -> bool {
        self.sub_sample != [1, 1]
    }

    /// Height and width before sub-sampling.
    fn full_size(&self, name: &str, h: usize, w: usize) -> Result<[usize; 2]> {
        let window = &self.convolution.window;
        if let (Some(oh), Some(ow)) = (window.output(0, h), window.output(1, w)) {
            return Ok([oh, ow]);
        }
        let least = |axis: usize| (window.dilation[axis] * (window.kernel[axis] - 1) + 1).saturating_sub(2 * window.padding[axis]);
        let need = format!(
            "at least {}x{} for kernel {:?}, dilation {:?} and padding {:?} (a larger image or padding, or a smaller kernel)",
            least(0),
            least(1),
            window.kernel,
            window.dilation,
            window.padding
        );
        Err(Error::shape(name, "height and width of the input", need, format!("{h}x{w}")))
    }

    fn prepare(&mut self, f: &Frame<'_, T>) -> Result<[usize; 4]> {
        let leading = f.epilogue.and_then(|e| e.leading);
        let [n, _, h, w] = leading.map_or_else(|| dims4(f.inputs[0].shape()), |l| l.shape);
        let full = self.full_size(f.name, h, w)?;
        self.convolution.prepare(f.name, n, [h, w], full)?;
        Ok([n, self.convolution.outputs, full[0], full[1]])
    }

    /// The phase of a pass with what leads.
    fn begin_joined(&mut self, leading: &Leading<T>, input: &[usize]) -> Phase {
        let kept = self.joined.take().filter(|(from, to, _)| from == input && *to == leading.shape);
        let make = || {
            let joined = match &leading.led {
                Leader::Depthwise { sweep, .. } => Joined::Pair(Pair::new(sweep, self.convolution.outputs)),
                Leader::Pixels { channels, .. } => {
                    let sweep = self.convolution.depthwise_sweep().expect("only a depthwise convolution takes what makes its pixels");
                    Joined::Trail(Trail::new(sweep, *channels))
                }
            };
            (input.to_vec(), leading.shape, joined)
        };
        let made = kept.unwrap_or_else(make);
        let phase = match &made.2 {
            Joined::Pair(pair) => Phase::compute(pair.items(), pair.macs()),
            Joined::Trail(trail) => Phase::compute(trail.items(), trail.macs()),
        };
        self.joined = Some(made);
        phase.by_image(1)
    }

    /// Computes item `item` of a pass with what leads, and returns what of the output it wrote.
    fn run_joined(&self, item: usize, leading: &Leading<T>, joined: &Joined, f: &Frame<'_, T>, finish: Finish<'_, T>) -> Written {
        let (x, y, kernels) = (&f.inputs[0], f.output.as_ptr(), self.convolution.kernels);
        let first = Finish { bias: &leading.bias, affine: leading.affine.as_ref().map(Affine::rows), relu: leading.relu, ..Finish::NONE };
        let weights = match &leading.led {
            Leader::Depthwise { weights, .. } => weights,
            Leader::Pixels { weights, .. } => weights.part(0, weights.len()),
        };
        let first = Values { x: x.part(0, x.len()), w: weights, finish: first, y: null_mut() };
        let w = self.params[0].value.part(0, self.params[0].layout.len);
        // SAFETY: the output has the shape of the pass; each item writes a part of its own.
        unsafe {
            match joined {
                Joined::Pair(pair) => pair.run(kernels, item, &first, w, finish, y),
                Joined::Trail(trail) => trail.run(kernels, item, &first, w, finish, y),
            }
        }
    }

    fn bias(&self) -> &[T] {
        self.params.get(1).map_or(&[], |b| b.value.part(0, b.layout.len))
    }

    /// The block of outputs that pixel `p` of an image `[oh, ow]` belongs to, in an image of width `w`.
    fn block_of(&self, p: usize, ow: usize, w: usize) -> usize {
        p / ow / self.sub_sample[0] * w + p % ow / self.sub_sample[1]
    }

    /// Sums (forward) the blocks of outputs of image `i`.
    fn sub_sample(&self, i: usize, f: &Frame<'_, T>) {
        let Some(full) = &self.unsampled else { return };
        let ([_, k, oh, ow], [_, _, h, w]) = (dims4(full.shape()), dims4(f.output.shape()));
        let from = full.part(i * oh * ow * k, oh * ow * k);
        // SAFETY: item i writes image i only.
        let to = unsafe { f.output.part_mut(i * h * w * k, h * w * k) };
        to.fill(T::zero());
        for (p, row) in from.chunks_exact(k).enumerate() {
            let at = self.block_of(p, ow, w) * k;
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
        let ([_, k, oh, ow], [_, _, h, w]) = (dims4(full.shape()), dims4(f.output.shape()));
        let from = f.gy().part(i * h * w * k, h * w * k);
        // SAFETY: item i writes image i only.
        let to = unsafe { full.part_mut(i * oh * ow * k, oh * ow * k) };
        for (p, row) in to.chunks_exact_mut(k).enumerate() {
            let at = self.block_of(p, ow, w) * k;
            row.copy_from_slice(&from[at..at + k]);
        }
    }

    /// True if the gradient of the weights sums that of the bias beside: sub-sampling comes before the bias.
    fn bias_beside(&self) -> bool {
        !self.is_sub_sampled() && self.convolution.sums_outputs()
    }

    /// The gradient of the output before sub-sampling.
    fn full_gradient<'a>(&'a self, f: &'a Frame<'_, T>) -> &'a Tensor<T> {
        self.unsampled.as_ref().filter(|_| self.is_sub_sampled()).unwrap_or_else(|| f.gy())
    }
}

impl<T: Float> Cell<T> for Conv<T> {
    fn kind(&self) -> &'static str {
        "Conv"
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, h, w] = dims4(inputs[0]);
        if c != self.convolution.channels {
            let got = format!("{c} (input shape {:?})", inputs[0]);
            return Err(Error::shape(name, "channels of the input", self.convolution.channels, got));
        }
        let [oh, ow] = self.full_size(name, h, w)?;
        Ok(vec![n, self.convolution.outputs, oh.div_ceil(self.sub_sample[0]), ow.div_ceil(self.sub_sample[1])])
    }

    fn fuses_activation(&self) -> bool {
        true
    }

    fn takes_epilogue(&self) -> bool {
        !self.is_sub_sampled()
    }

    fn leading(&self, input: &[usize]) -> Option<Leading<T>> {
        let [n, c, h, w] = dims4(input);
        let full = self.full_size("", h, w).ok().filter(|_| !self.is_sub_sampled())?;
        let shape = [n, self.convolution.outputs, full[0], full[1]];
        let values = &self.params[0].value;
        let (led, kernel) = if self.convolution.is_of_pixels() {
            (Leader::Pixels { channels: c, weights: values.clone() }, self.convolution.pixels_kernel())
        } else {
            let weights = values.part(0, self.params[0].layout.len).to_vec();
            (Leader::Depthwise { sweep: self.convolution.leading(n, [h, w], full)?, weights }, self.convolution.depthwise_kernel(true, ""))
        };
        Some(Leading {
            led,
            kernel,
            macs: n as u64 * self.statistics(&[input], &shape).macs,
            bias: self.bias().to_vec(),
            affine: None,
            relu: false,
            shape,
        })
    }

    fn takes_leading(&self, input: &[usize], leading: &Leading<T>) -> bool {
        let [n, _, h, w] = dims4(input);
        let Ok(full) = self.full_size("", h, w) else { return false };
        !self.is_sub_sampled()
            && match leading.led {
                Leader::Depthwise { .. } => self.convolution.takes_depthwise(n, [h, w]),
                Leader::Pixels { .. } => self.convolution.takes_pixels(n, [h, w], full),
            }
    }

    fn takes_winners(&self, inputs: &[&[usize]], output: &[usize]) -> bool {
        let [_, _, oh, ow] = dims4(output);
        !self.is_sub_sampled() && WinnersPass::pays(&self.convolution, inputs[0], [oh, ow])
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let full = self.prepare(f)?;
        self.adds = f.epilogue.is_some_and(|e| e.residual.is_some());
        self.convolution.winograd.stop(f.learn);
        let plain = !self.is_sub_sampled() && f.activation.is_none_or(ActivationFn::is_relu);
        if plain
            && !f.learn
            && let Some(phases) = self.convolution.winograd_begin(&self.params[0])
        {
            return Ok(phases);
        }
        if let Some(leading) = f.epilogue.and_then(|e| e.leading) {
            return Ok(vec![self.begin_joined(leading, f.inputs[0].shape())]);
        }
        let mut phases = vec![self.convolution.sweeping()];
        if self.is_sub_sampled() {
            self.unsampled = Some(Tensor::uninit(&full));
            phases.push(Phase::streaming(full[0], full.iter().product()).by_image(1));
        }
        Ok(phases)
    }

    fn forward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let (x, weights) = (&f.inputs[0], &self.params[0]);
        if self.convolution.winograd.run(phase, item, f, weights, self.bias()) {
            return;
        }
        if phase == 1 {
            return self.sub_sample(item, f);
        }
        if let Some(full) = self.unsampled.as_ref().filter(|_| self.is_sub_sampled()) {
            self.convolution.sweep(item, x, weights, Finish::NONE, full);
            return;
        }
        let relu = f.activation.is_some_and(ActivationFn::is_relu);
        let finish = Finish {
            bias: self.bias(),
            affine: f.epilogue.and_then(|e| e.affine).map(Affine::rows),
            residual: f.epilogue.and_then(|e| e.residual.as_ref()).map_or(&[], |r| r.part(0, r.len())),
            relu,
        };
        let written = match (f.epilogue.and_then(|e| e.leading), &self.joined) {
            (Some(leading), Some((_, _, joined))) => self.run_joined(item, leading, joined, f, finish),
            _ => self.convolution.sweep(item, x, weights, finish, f.output),
        };
        if let Some(activation) = f.activation.filter(|_| !relu) {
            for (start, len) in written.runs() {
                // SAFETY: this item has just written it.
                activation.forward(unsafe { f.output.part_mut(start, len) });
            }
        }
    }

    fn forward_end(&mut self, phase: usize, _f: &Frame<'_, T>) {
        self.convolution.winograd.end(phase, &self.params[0]);
    }

    fn kernel(&self) -> Cow<'static, str> {
        self.convolution.kernel(false, self.adds).into()
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let full = self.prepare(f)?;
        if f.winners.is_some() {
            return Ok(WinnersPass::begin(&mut self.winners, &self.convolution, f, [full[2], full[3]], self.params[0].version));
        }
        if self.is_sub_sampled() {
            self.unsampled = Some(Tensor::uninit(&full));
        }
        let weights = &self.params[0];
        self.convolution.make_room(weights, self.convolution.outputs);
        let images = if self.is_sub_sampled() { full[0] } else { 0 };
        let [pack, data] = match &f.grad_inputs[0] {
            Some(_) => self.convolution.going_back(weights),
            None => [Phase::new(0, 0).before(), Phase::new(0, 0).by_image(1)],
        };
        let [tiles, sums, parts] = self.convolution.gradients(weights, self.params.len() > 1 && !self.bias_beside());
        Ok(vec![pack, Phase::streaming(images, f.inputs[0].len()).by_image(1), data, tiles, sums, parts])
    }

    fn backward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let (convolution, weights) = (&self.convolution, &self.params[0]);
        if let Some(pass) = self.winners.as_ref().filter(|_| f.winners.is_some()) {
            return pass.run(phase, item, f, weights);
        }
        match phase {
            0 => convolution.pack_back(item, weights),
            1 => self.spread(item, f),
            2 => {
                if let Some(gx) = &f.grad_inputs[0] {
                    convolution.go_back(item, self.full_gradient(f), weights, gx);
                }
            }
            3 => {
                let bias = self.params.len() > 1 && self.bias_beside();
                convolution.weight_gradient(item, &f.inputs[0], self.full_gradient(f), weights, bias);
            }
            // The bias is added after sub-sampling.
            4 => convolution.bias_gradient(item, f.gy(), convolution.outputs),
            _ => convolution.reduce(item, weights),
        }
    }

    fn backward_end(&mut self, phase: usize, f: &Frame<'_, T>) {
        let beside = self.bias_beside();
        let (weights, bias) = self.params.split_at_mut(1);
        if let Some(pass) = self.winners.as_mut().filter(|_| f.winners.is_some()) {
            match phase {
                0 if f.grad_inputs[0].is_some() => pass.packed(&weights[0]),
                2 => bias.iter_mut().for_each(|b| pass.finish_bias(b)),
                3 => {
                    Convolution::finish_weights(&mut weights[0]);
                    pass.finish();
                }
                _ => {}
            }
            return;
        }
        match phase {
            0 if f.grad_inputs[0].is_some() && !self.convolution.packs_on_the_way() => self.convolution.packed(&weights[0]),
            4 if !beside => bias.iter_mut().for_each(|b| self.convolution.finish_bias(b, false)),
            5 => {
                bias.iter_mut().filter(|_| beside).for_each(|b| self.convolution.finish_bias(b, true));
                Convolution::finish_weights(&mut weights[0]);
                self.unsampled = None;
            }
            _ => {}
        }
    }

    fn params(&self) -> &[Param<T>] {
        &self.params
    }

    fn params_mut(&mut self) -> &mut [Param<T>] {
        &mut self.params
    }

    fn statistics(&self, inputs: &[&[usize]], output: &[usize]) -> Statistics {
        let ([_, _, h, w], [_, _, oh, ow]) = (dims4(inputs[0]), dims4(output));
        // What it computes in front of itself may have another size than its input.
        let full = if self.is_sub_sampled() { self.full_size("Conv", h, w).unwrap_or([oh, ow]) } else { [oh, ow] };
        let (pairs, taps): (usize, usize) = (pairs(&self.params[0]), self.convolution.window.kernel.iter().product());
        let macs = pairs * self.convolution.taps_inside([h, w], full);
        let bias = self.params.get(1).map_or(0, Param::len);
        Statistics { params: (pairs * taps + bias) as u64, macs: (macs + bias) as u64 }
    }
}

#[cfg(test)]
#[path = "conv_test.rs"]
mod tests;
