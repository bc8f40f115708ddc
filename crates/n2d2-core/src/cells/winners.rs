//! The backward pass of `Conv` where its gradient arrives as that of the values which a maximum pooling chose.

use super::convolution::Convolution;
use super::{Frame, Param, Phase};
use crate::device::cpu::{Winners, group_of_images};
use crate::tensor::{Float, Tensor, dims4};

/// Bytes of the sums of all groups of images, if there are more than a few groups.
const SUMS_BYTES: usize = 4 << 20;
/// Groups of images for sums of any size, so that several threads have work.
const LEAST_GROUPS: usize = 4;

/// Kernels for the sizes of a batch, packed weights and buffers. The phases are: packing, gradient of the images, sums of the
/// gradients of the parameters, and the gradient of the weights.
pub(super) struct WinnersPass<T: Float> {
    winners: Winners<T>,
    /// Images, `[h, w]`, positions of an image.
    sizes: (usize, [usize; 2], usize),
    /// Images of an item.
    group: usize,
    packed: Tensor<T>,
    packed_version: u64,
    sums: Tensor<T>,
}

impl<T: Float> WinnersPass<T> {
    /// True if the pass is faster than that over all pixels, for inputs `[n, c, h, w]`.
    pub(super) fn pays(convolution: &Convolution<T>, inputs: &[usize], [oh, ow]: [usize; 2]) -> bool {
        let [n, c, h, w] = dims4(inputs);
        convolution.groups == 1 && Winners::<T>::wins(&convolution.window, n, [h, w, c], [oh, ow, convolution.outputs])
    }

    /// Prepares `pass`, or what it held for other sizes, and returns the phases.
    pub(super) fn begin(
        pass: &mut Option<Self>,
        convolution: &Convolution<T>,
        f: &Frame<'_, T>,
        [oh, ow]: [usize; 2],
        version: u64,
    ) -> Vec<Phase> {
        let ([n, c, h, w], outputs) = (dims4(f.inputs[0].shape()), convolution.outputs);
        let positions = f.gy().len() / (n * outputs);
        if pass.as_ref().is_none_or(|p| p.sizes != (n, [h, w], positions)) {
            let winners = Winners::new(convolution.kernels, &convolution.window, [h, w, c], [oh, ow, outputs], positions);
            let parts = (SUMS_BYTES / (winners.sums_len() * size_of::<T>())).max(LEAST_GROUPS);
            *pass = Some(WinnersPass {
                packed: Tensor::uninit(&[winners.packed_len()]),
                packed_version: 0,
                sums: Tensor::zeros(&[0]),
                sizes: (n, [h, w], positions),
                group: group_of_images(n, parts),
                winners,
            });
        }
        let Some(pass) = pass else { return Vec::new() };
        let items = n.div_ceil(pass.group);
        pass.sums = Tensor::uninit(&[items * pass.winners.sums_len()]);
        let macs = f.gy().len() * convolution.window.kernel.iter().product::<usize>() * c;
        let images = Phase::compute(items, 2 * macs).by_image(pass.group);
        let (weights, each) = pass.winners.weight_items();
        let packs = f.grad_inputs[0].is_some() && pass.packed_version != version;
        vec![
            Phase::streaming(if packs { pass.winners.packing_items() } else { 0 }, pass.packed.len()).before(),
            if f.grad_inputs[0].is_some() { images } else { Phase::new(0, 0).by_image(1) },
            images,
            Phase::streaming(weights, 2 * weights * each + pass.sums.len()).after(),
        ]
    }

    /// Runs an item of a phase.
    pub(super) fn run(&self, phase: usize, item: usize, f: &Frame<'_, T>, weights: &Param<T>) {
        let winners = &self.winners;
        let images = item * self.group..((item + 1) * self.group).min(self.sizes.0);
        let (d, at) = (f.gy().part(0, f.gy().len()), f.winners.map_or(&[][..], |at| at.part(0, at.len())));
        match phase {
            0 => {
                let len = winners.packing_len();
                // SAFETY: item `item` packs its own part.
                winners.pack(item, weights.value.part(0, weights.layout.len), unsafe { self.packed.part_mut(item * len, len) });
            }
            1 => {
                if let Some(gx) = &f.grad_inputs[0] {
                    // SAFETY: the gradient has the shape of the input; item `item` writes its own images.
                    unsafe { winners.data(images, self.packed.part(0, self.packed.len()), d, at, gx.as_ptr()) };
                }
            }
            2 => {
                let len = winners.sums_len();
                // SAFETY: item `item` writes its own sums.
                winners.weights(images, f.inputs[0].part(0, f.inputs[0].len()), d, at, unsafe { self.sums.part_mut(item * len, len) });
            }
            _ => {
                let (_, len) = winners.weight_items();
                // SAFETY: item `item` writes its own block of outputs.
                let gradient = unsafe { weights.grad.part_mut(item * len, len) };
                winners.add_weights(item, self.sums.part(0, self.sums.len()), gradient, weights.grad_filled);
            }
        }
    }

    /// Notes that the packed weights are those of this version.
    pub(super) fn packed(&mut self, weights: &Param<T>) {
        self.packed_version = weights.version;
    }

    /// Adds the sums of all groups of images to the gradient of the bias.
    pub(super) fn finish_bias(&self, bias: &mut Param<T>) {
        for o in 0..bias.len() {
            let sum = self.winners.bias(o, self.sums.part(0, self.sums.len()));
            let at = bias.layout.at(&[o]);
            // SAFETY: the cell is locked and no item runs.
            let to = &mut unsafe { bias.grad.part_mut(at, 1) }[0];
            *to = if bias.grad_filled { *to + sum } else { sum };
        }
        bias.grad_filled = true;
    }

    /// Gives up the sums.
    pub(super) fn finish(&mut self) {
        self.sums = Tensor::zeros(&[0]);
    }
}

#[cfg(test)]
#[path = "winners_test.rs"]
mod tests;
