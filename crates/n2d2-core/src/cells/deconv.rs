//! Transposed convolution with bias, groups, stride, padding and dilation.
//!
//! `y[o, p, q] = b[o] + sum over connected c and over i, j, r, s with p = i*sh - ph + r*dh, q = j*sw - pw + s*dw of w[o, c, r, s] * x[c, i, j]`
//!
//! Input `[n, c, h, w]`, output `[n, o, oh, ow]` with `oh = (h - 1) s + d (k - 1) + 1 - 2p`. It is the adjoint of the
//! convolution from `o` to `c` channels with the same window: forward runs that convolution's gradient towards its input,
//! the gradient towards the input runs its sweep. Several inputs count as one, joined along channels.
//!
//! A mapping (rows inputs, columns outputs) of equal blocks on the diagonal is computed as groups; any other keeps full
//! weights, those of missing connections zero. Gradients are minus the derivative, summed over the batch.
//!
//! Source: M. D. Zeiler et al., "Deconvolutional networks", CVPR 2010; ONNX operator `ConvTranspose`.

use super::convolution::{Convolution, pairs};
use super::{Cell, Frame, Param, Phase, Statistics};
use crate::config::Config;
use crate::device::cpu::{Finish, Kernels};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, dims4};
use std::borrow::Cow;

const KEYS: &[&str] =
    &["nb_inputs", "nb_outputs", "kernel_dims", "nb_input_cells", "stride_dims", "padding_dims", "dilation_dims", "mapping", "no_bias"];

/// The transposed convolution cell.
pub struct Deconv<T: Float> {
    /// From the outputs of this cell to its inputs.
    convolution: Convolution<T>,
    params: Vec<Param<T>>,
}

impl<T: Float> Deconv<T> {
    pub(super) fn new(config: &Config) -> Result<Self> {
        Self::with_kernels(config, T::kernels())
    }

    /// A transposed convolution on given kernels, so that tests can compare instruction sets.
    pub(crate) fn with_kernels(config: &Config, kernels: &'static Kernels<T>) -> Result<Self> {
        config.only(KEYS)?;
        let (convolution, mut params) = Convolution::of_cell(config, true, kernels)?;
        params[0].inputs_first = true;
        Ok(Deconv { convolution, params })
    }

    fn output_size(&self, name: &str, size: [usize; 2]) -> Result<[usize; 2]> {
        let w = &self.convolution.window;
        let along = |axis: usize| {
            let reach = (size[axis] - 1) * w.stride[axis] + w.dilation[axis] * (w.kernel[axis] - 1) + 1;
            reach.checked_sub(2 * w.padding[axis]).filter(|n| *n > 0)
        };
        if let (Some(oh), Some(ow)) = (along(0), along(1)) {
            return Ok([oh, ow]);
        }
        let [h, width] = size;
        let need = format!(
            "at least 1 pixel of output: a larger input, or less padding than {:?} for the kernel {:?} (stride {:?}, dilation {:?})",
            w.padding, w.kernel, w.stride, w.dilation
        );
        Err(Error::shape(name, "height and width of the input", need, format!("{h}x{width}")))
    }

    fn prepare(&mut self, f: &Frame<'_, T>) -> Result<()> {
        let [n, _, h, w] = dims4(f.inputs[0].shape());
        let output = self.output_size(f.name, [h, w])?;
        self.convolution.prepare(f.name, n, output, [h, w])
    }
}

impl<T: Float> Cell<T> for Deconv<T> {
    fn kind(&self) -> &'static str {
        "Deconv"
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let [n, c, h, w] = dims4(inputs[0]);
        if c != self.convolution.outputs {
            return Err(Error::shape(name, "channels of the input", self.convolution.outputs, format!("{c} (input shape {:?})", inputs[0])));
        }
        let [oh, ow] = self.output_size(name, [h, w])?;
        Ok(vec![n, self.convolution.channels, oh, ow])
    }

    fn fuses_activation(&self) -> bool {
        true
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.prepare(f)?;
        Ok(vec![self.convolution.packing(&self.params[0]), self.convolution.adjoining()])
    }

    fn forward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        if phase == 0 {
            return self.convolution.pack(item, &self.params[0]);
        }
        let bias = self.params.get(1).map_or(&[][..], |b| b.value.part(0, b.layout.len));
        let relu = f.activation.is_some_and(crate::activation::ActivationFn::is_relu);
        let written = self.convolution.adjoint(item, &f.inputs[0], Finish { bias, relu, ..Finish::NONE }, f.output);
        if let Some(activation) = f.activation.filter(|_| !relu) {
            for (start, len) in written.runs() {
                // SAFETY: this item has just written it.
                activation.forward(unsafe { f.output.part_mut(start, len) });
            }
        }
    }

    fn forward_end(&mut self, phase: usize, _f: &Frame<'_, T>) {
        if phase == 0 {
            self.convolution.packed(&self.params[0]);
        }
    }

    fn kernel(&self) -> Cow<'static, str> {
        self.convolution.kernel(true, false).into()
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        self.prepare(f)?;
        self.convolution.make_room(&self.params[0], self.convolution.channels);
        let data = if f.grad_inputs[0].is_some() { self.convolution.sweeping() } else { Phase::new(0, 0).by_image(1) };
        let [tiles, sums, parts] = self.convolution.gradients(&self.params[0], self.params.len() > 1);
        Ok(vec![data, tiles, sums, parts])
    }

    fn backward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let (convolution, weights) = (&self.convolution, &self.params[0]);
        match phase {
            0 => {
                if let Some(gx) = &f.grad_inputs[0] {
                    convolution.sweep(item, f.gy(), weights, Finish::NONE, gx);
                }
            }
            1 => convolution.weight_gradient(item, f.gy(), &f.inputs[0], weights, false),
            2 => convolution.bias_gradient(item, f.gy(), convolution.channels),
            _ => convolution.reduce(item, weights),
        }
    }

    fn backward_end(&mut self, phase: usize, _f: &Frame<'_, T>) {
        let (weights, bias) = self.params.split_at_mut(1);
        match phase {
            2 => bias.iter_mut().for_each(|b| self.convolution.finish_bias(b, false)),
            3 => Convolution::finish_weights(&mut weights[0]),
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
        let (pairs, taps): (usize, usize) = (pairs(&self.params[0]), self.convolution.window.kernel.iter().product());
        let macs = pairs * self.convolution.taps_inside([oh, ow], [h, w]);
        let bias = self.params.get(1).map_or(0, Param::len);
        Statistics { params: (pairs * taps + bias) as u64, macs: (macs + bias) as u64 }
    }
}

#[cfg(test)]
#[path = "deconv_test.rs"]
mod tests;
