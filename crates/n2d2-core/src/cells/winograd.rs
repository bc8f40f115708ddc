//! The sweep of a convolution by Winograd's algorithm, in test mode, where it is faster.

use super::epilogue::Affine;
use super::{Frame, Param, Phase};
use crate::activation::ActivationFn;
use crate::device::cpu::{Kernels, Variant, Window, Winograd, WinogradJob};
use crate::tensor::{Float, Tensor};

/// Transformed weights and the version they were made from.
struct Transformed<T: Float> {
    u: Tensor<T>,
    version: u64,
}

/// Where the sweep runs by Winograd's algorithm: its plan and the transformed weights.
pub(super) struct WinogradSweep<T: Float> {
    plan: Option<Winograd<T>>,
    /// The sizes that the plan was made for (or that have none).
    sizes: (usize, [usize; 3], [usize; 3]),
    /// Of both variants: the last batch of a data set may be small enough for the other one.
    transformed: [Transformed<T>; 2],
    /// Transformed inputs, from one phase to the next.
    v: Tensor<T>,
    active: bool,
}

impl<T: Float> WinogradSweep<T> {
    pub(super) fn new() -> Self {
        let empty = || Tensor::zeros(&[0]);
        let transformed = [(); 2].map(|()| Transformed { u: empty(), version: 0 });
        WinogradSweep { plan: None, sizes: (0, [0; 3], [0; 3]), transformed, v: empty(), active: false }
    }

    /// Turns the sweep off until the next [`WinogradSweep::begin`]. Learning changes the weights, so the transformed ones go.
    pub(super) fn stop(&mut self, learn: bool) {
        if learn && self.plan.is_some() {
            *self = Self::new();
        }
        self.active = false;
    }

    /// Prepares a sweep over `n` images and returns its phases: weights, inputs, products; `None` if the direct sweep is better.
    pub(super) fn begin(
        &mut self,
        kernels: &'static Kernels<T>,
        window: &Window,
        sizes @ (n, image, full): (usize, [usize; 3], [usize; 3]),
        weights: &Param<T>,
    ) -> Option<Vec<Phase>> {
        if self.sizes != sizes {
            self.plan = Winograd::chosen(kernels, window, n, image, full);
            self.sizes = sizes;
        }
        let plan = self.plan.as_ref()?;
        self.active = true;
        let of_variant = &mut self.transformed[plan.variant() as usize];
        if of_variant.u.len() != plan.weights_len() {
            *of_variant = Transformed { u: Tensor::uninit(&[plan.weights_len()]), version: 0 };
        }
        self.v = Tensor::uninit(&[plan.transformed_len()]);
        let weight_items = if of_variant.version == weights.version { 0 } else { plan.weight_items() };
        Some(vec![
            Phase::compute(weight_items, 8 * plan.weights_len()).before(),
            Phase::compute(plan.transform_items(), 8 * plan.transformed_len()).by_image(plan.block_images()),
            Phase::compute(plan.items(), plan.macs()).by_image(plan.block_images()),
        ])
    }

    /// The variant of the sweep that was prepared last; `None` if that is direct.
    pub(super) fn variant(&self) -> Option<Variant> {
        self.plan.as_ref().filter(|_| self.active).map(Winograd::variant)
    }

    /// Computes an item of a phase; false if the sweep is off.
    pub(super) fn run(&self, phase: usize, item: usize, f: &Frame<'_, T>, weights: &Param<T>, bias: &[T]) -> bool {
        let Some(plan) = self.plan.as_ref().filter(|_| self.active) else { return false };
        let u = &self.transformed[plan.variant() as usize].u;
        if phase == 0 {
            let from = weights.value.part(0, weights.layout.len);
            // SAFETY: `begin` made room; items write disjoint parts.
            unsafe { plan.transform_weights(item, u.as_ptr(), |at| from[weights.layout.at(&at)]) };
            return true;
        }
        let job = WinogradJob {
            plan,
            x: f.inputs[0].part(0, f.inputs[0].len()),
            u: u.part(0, u.len()),
            bias,
            affine: f.epilogue.and_then(|e| e.affine).map(Affine::rows),
            residual: f.epilogue.and_then(|e| e.residual.as_ref()).map_or(&[], |r| r.part(0, r.len())),
            relu: f.activation.is_some_and(ActivationFn::is_relu),
            v: self.v.as_ptr(),
            y: f.output.as_ptr(),
        };
        // SAFETY: `begin` made room for `v`, and `y` has the plan's size; items of a phase write disjoint parts.
        unsafe { if phase == 1 { job.transform(item) } else { job.run(item) } }
        true
    }

    /// Ends a phase.
    pub(super) fn end(&mut self, phase: usize, weights: &Param<T>) {
        let Some(plan) = self.plan.as_ref().filter(|_| self.active) else { return };
        if phase == 0 {
            self.transformed[plan.variant() as usize].version = weights.version;
        }
        if phase == 2 {
            self.v = Tensor::zeros(&[0]);
        }
    }
}
