//! `BatchNorm2d`: each channel is brought to mean 0 and variance 1, then scaled and shifted.
//!
//! `y = scale * (x - mean) / sqrt(variance + epsilon) + bias`.
//!
//! While learning, mean and (biased) variance are those of the channel over the whole batch, and the running statistics
//! follow them: `running = m * batch + (1 - m) * running` with `m` the `moving_average_momentum`, which weights the *new*
//! batch; the running variance is the unbiased one. At test, and with a momentum of 0, the running statistics are used.
//!
//! Gradient while learning, with `N` values a channel, `x^ = (x - mean) / sqrt(variance + epsilon)`:
//! `gscale = sum gy x^`, `gbias = sum gy`, `gx = scale / sqrt(variance + epsilon) * (gy - gbias / N - x^ gscale / N)`;
//! with running statistics `gx = scale / sqrt(variance + epsilon) * gy`.
//!
//! Sums are made in parts whose number depends on the shape only, and joined in double precision in a fixed order.
//!
//! Shapes: `[n, c, h, w]` to the same. Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015; ONNX
//! `BatchNormalization`.

use super::{Affine, Cell, Fold, Frame, Param, ParamLayout, Phase, Statistics};
use crate::activation::ActivationFn;
use crate::config::Config;
use crate::device::cpu::columns::{self, GradientSums, InputGradient, Moments, Normalise};
use crate::device::cpu::{isa, with_scratch};
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor, dims4};
use crate::vectorise::vectorised;
use std::ops::Range;

/// Elements of a part, at least.
const PART: usize = 32 * 1024;
/// Parts at most, if there are not more images; beyond, they grow.
const PARTS: usize = 64;
/// Elements of a block of a part, about, where an activation takes a pass of its own.
const BLOCK: usize = 4096;
/// Rows that a strip of channels goes down at once: of more, the error of the sums would grow.
const ROWS: usize = 128;
/// Of so many rows of a part, one goes into the shift of its sums; but so many at least.
const SHIFT_SHARE: usize = 16;
const SHIFT_ROWS: usize = 4;
/// Values that the vectors of coefficients are repeated to, so that few channels fill a vector too.
const PERIOD: usize = 64;
/// What `epsilon = 0` stands for.
const AUTOMATIC_EPSILON: f64 = 1e-5;

const SCALES: usize = 0;
const BIASES: usize = 1;
const MEANS: usize = 2;
const VARIANCES: usize = 3;

/// Normalisation of each channel over the batch.
///
/// Parameters: `nb_inputs` (channels, required), `epsilon` (default 0: automatic, 1e-5), `moving_average_momentum` (in
/// `[0, 1[`, default 0.1).
pub struct BatchNorm2d<T: Float> {
    channels: usize,
    epsilon: f64,
    momentum: f64,
    params: Vec<Param<T>>,
    /// Sums of the parts: two rows of channels each.
    partial: Tensor<T>,
    /// Coefficients of the running pass, repeated to a period each: means, scale / deviation, biases; then for the gradient
    /// mean of gy, mean of gy x^ / deviation.
    coefficients: [Vec<T>; 5],
    /// Sums in double precision, two rows of channels.
    totals: [Vec<f64>; 2],
}

fn epsilon(config: &Config, default: f64) -> Result<f64> {
    let v = config.float_or("epsilon", default)?;
    if v >= 0.0 { Ok(v) } else { Err(config.error("epsilon", v, "a number of at least 0 (0 is automatic)")) }
}

fn momentum(config: &Config, default: f64) -> Result<f64> {
    let v = config.float_or("moving_average_momentum", default)?;
    if (0.0..1.0).contains(&v) { Ok(v) } else { Err(config.error("moving_average_momentum", v, "a number of at least 0 and below 1")) }
}

/// How a batch is cut in parts: blocks of images, or several parts of each image.
#[derive(Debug, Clone, Copy)]
struct Cut {
    channels: usize,
    /// Images, and pixels of each.
    images: usize,
    pixels: usize,
    /// Images of a block; more than 1 only where an image is one part.
    block: usize,
    /// Parts of a block.
    split: usize,
}

impl Cut {
    fn new(shape: &[usize]) -> Self {
        let [images, channels, h, w] = dims4(shape);
        let pixels = h * w;
        let len = pixels * channels;
        let block = PART.div_ceil(len).max(images.div_ceil(PARTS)).min(images).next_power_of_two();
        let split = if block > 1 { 1 } else { (len / PART).min(PARTS / images).clamp(1, pixels) };
        Cut { channels, images, pixels, block, split }
    }

    fn parts(&self) -> usize {
        self.images.div_ceil(self.block) * self.split
    }

    /// First pixel of a part and of the next.
    fn pixels_of(&self, part: usize) -> Range<usize> {
        let (first, k) = (part / self.split * self.block, part % self.split);
        let n = self.block.min(self.images - first) * self.pixels;
        first * self.pixels + k * n / self.split..first * self.pixels + (k + 1) * n / self.split
    }

    /// First element and number of elements of a part.
    fn part(&self, part: usize) -> (usize, usize) {
        let pixels = self.pixels_of(part);
        (pixels.start * self.channels, pixels.len() * self.channels)
    }

    /// Channels repeated until they fill vectors.
    fn period(&self) -> usize {
        self.channels * PERIOD.div_ceil(self.channels)
    }

    /// The matrices that a part of `len` elements is: rows of a period, and the rest as a row. As number of rows, their
    /// length, and where they begin.
    fn matrices(&self, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let period = self.period();
        let (rows, rest) = (len / period, len % period);
        let blocks = (0..rows).step_by(ROWS).map(move |row| (ROWS.min(rows - row), period, row * period));
        blocks.chain((rest > 0).then_some((1, rest, rows * period)))
    }

    fn phase(&self, elements: usize) -> Phase {
        Phase::streaming(self.parts(), elements).by_image(self.block)
    }
}

/// Repeats the values of channels.
fn repeat<T: Float>(row: &[T], repeated: &mut [T]) {
    for to in repeated.chunks_exact_mut(row.len()) {
        to.copy_from_slice(row);
    }
}

/// Adds up the repetitions of each channel, in order.
fn fold<T: Float>(repeated: &[T], row: &mut [T]) {
    let (first, rest) = repeated.split_at(row.len());
    row.copy_from_slice(first);
    for values in rest.chunks_exact(row.len()) {
        for (r, v) in row.iter_mut().zip(values) {
            *r += *v;
        }
    }
}

vectorised! {
    /// From the sums of a part about its shifts to its means, and sums of the squares of distances to them.
    fn about_means<T: Float>(count: T, shifts: &[T], sums: &[T], squares: &[T], means: &mut [T], of_means: &mut [T]) {
        for ((((m, q), shift), sum), square) in means.iter_mut().zip(of_means).zip(shifts).zip(sums).zip(squares) {
            let apart = *sum / count;
            *m = *shift + apart;
            let v = *square - *sum * apart;
            // What is not a number stays that.
            *q = if v < T::zero() { T::zero() } else { v };
        }
    }

    /// Joins the statistics of `count` values with those of a part of `more`: means, and sums of squares about them.
    fn join<T: Float>(count: f64, more: f64, part: [&[T]; 2], means: &mut [f64], squares: &mut [f64]) {
        let (share, weight) = (more / (count + more), count * more / (count + more));
        for (((m, s), p), q) in means.iter_mut().zip(squares).zip(part[0]).zip(part[1]) {
            let apart = p.as_f64() - *m;
            *m += apart * share;
            *s += q.as_f64() + apart * apart * weight;
        }
    }

    fn add_wide<T: Float>(part: &[T], sums: &mut [f64]) {
        for (s, v) in sums.iter_mut().zip(part) {
            *s += v.as_f64();
        }
    }

    fn affine_gradient<T: Float>(factors: &[T], gy: &[T], gx: &mut [T]) {
        for (gy, gx) in gy.chunks(factors.len()).zip(gx.chunks_mut(factors.len())) {
            for ((gx, d), a) in gx.iter_mut().zip(gy).zip(factors) {
                *gx = *d * *a;
            }
        }
    }
}

impl<T: Float> BatchNorm2d<T> {
    /// Reads the parameters; scales and variances start at 1, biases and means at 0.
    ///
    /// # Errors
    /// The errors of [`Config`].
    pub fn new(config: &Config) -> Result<Self> {
        config.only(&["nb_inputs", "epsilon", "moving_average_momentum"])?;
        let channels = config.count("nb_inputs", None)?;
        config.fits("nb_inputs", &[channels, 4])?;
        let dims = [channels];
        let layout = || ParamLayout::row_major(&dims);
        let mut params = vec![
            Param::trainable("scales", &dims, layout()),
            Param::trainable("biases", &dims, layout()),
            Param::new("means", &dims, layout()),
            Param::new("variances", &dims, layout()),
        ];
        params[SCALES].assign(&vec![T::one(); channels])?;
        params[VARIANCES].assign(&vec![T::one(); channels])?;
        Ok(BatchNorm2d {
            channels,
            epsilon: epsilon(config, 0.0)?,
            momentum: momentum(config, 0.1)?,
            params,
            partial: Tensor::zeros(&[0]),
            coefficients: Default::default(),
            totals: Default::default(),
        })
    }

    fn epsilon(&self) -> f64 {
        if self.epsilon == 0.0 { AUTOMATIC_EPSILON } else { self.epsilon }
    }

    /// True if the pass normalises by the statistics of its batch.
    fn uses_batch(&self, f: &Frame<'_, T>) -> bool {
        f.learn && self.momentum > 0.0
    }

    fn values(&self, param: usize) -> &[T] {
        self.params[param].value.part(0, self.channels)
    }

    /// The two rows of sums of a part.
    fn rows(&self, part: usize) -> (&[T], &[T]) {
        self.partial.part(part * 2 * self.channels, 2 * self.channels).split_at(self.channels)
    }

    /// The same, for the item that makes them.
    #[allow(clippy::mut_from_ref)]
    fn rows_mut(&self, part: usize) -> (&mut [T], &mut [T]) {
        // SAFETY: every item has a part of its own.
        unsafe { self.partial.part_mut(part * 2 * self.channels, 2 * self.channels) }.split_at_mut(self.channels)
    }

    /// Means and inverse deviations that the pass normalises by.
    fn saved<'a>(&self, f: &'a Frame<'_, T>) -> (&'a [T], &'a [T]) {
        f.saved.values.part(0, 2 * self.channels).split_at(self.channels)
    }

    /// Makes room for the sums of the parts.
    fn make_room(&mut self, parts: usize) {
        if self.partial.len() < parts * 2 * self.channels {
            self.partial = Tensor::uninit(&[parts * 2 * self.channels]);
        }
    }

    /// Computes the statistics of a part: means, and sums of the squares of distances to them.
    ///
    /// One sweep sums up distances to a shift, and their squares. The shift is the mean of the first rows, at least one of
    /// [`SHIFT_SHARE`]: the variance of the part is then at least that share of the squared distance from its mean to the
    /// shift, so that what cancels is of the order of what is left.
    fn statistics_of(&self, part: usize, x: &[T], cut: &Cut) {
        let (c, period) = (self.channels, cut.period());
        let (means, of_means) = self.rows_mut(part);
        with_scratch(3 * period + 3 * c, |scratch: &mut [T]| {
            let (repeated, rest) = scratch.split_at_mut(3 * period);
            let (shifts, rest_of_rows) = repeated.split_at_mut(period);
            let (sums, squares) = rest_of_rows.split_at_mut(period);
            let (shift, folded) = rest.split_at_mut(c);
            let (sum, square) = folded.split_at_mut(c);
            let add = |rows: usize, channels: usize, from: usize, shifts: &[T], sums: &mut [T], squares: &mut [T]| {
                let x = x[from..from + rows * channels].as_ptr();
                let (shifts, sums, squares) = (shifts.as_ptr(), sums.as_mut_ptr(), squares.as_mut_ptr());
                // SAFETY: rows of a period or less, as long as the shifts and the sums.
                unsafe { columns::moments(isa(), &Moments { x, rows, channels, shifts, sums, squares }) };
            };
            shifts.fill(T::zero());
            sums.fill(T::zero());
            let rows = x.len() / period;
            let (first, len) = if rows > 0 { ((rows / SHIFT_SHARE).max(SHIFT_ROWS).min(rows), period) } else { (1, x.len()) };
            add(first, len, 0, shifts, sums, squares);
            fold(sums, shift);
            let pixels = T::of((first * len / c) as f64);
            for v in shift.iter_mut() {
                *v = *v / pixels;
            }
            repeat(shift, shifts);
            sums.fill(T::zero());
            squares.fill(T::zero());
            for (rows, channels, from) in cut.matrices(x.len()) {
                add(rows, channels, from, shifts, sums, squares);
            }
            fold(sums, sum);
            fold(squares, square);
            about_means(T::of((x.len() / c) as f64), shift, sum, square, means, of_means);
        });
    }

    /// Joins the statistics of the parts, and moves the running ones.
    fn finish_statistics(&mut self, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        let [mut means, mut squares] = std::mem::take(&mut self.totals);
        for total in [&mut means, &mut squares] {
            total.clear();
            total.resize(self.channels, 0.0);
        }
        let mut count = 0.0;
        for part in 0..cut.parts() {
            let (part_means, part_squares) = self.rows(part);
            let n = cut.pixels_of(part).len() as f64;
            join(count, n, [part_means, part_squares], &mut means, &mut squares);
            count += n;
        }
        for (param, batch, divisor) in [(MEANS, &means, 1.0), (VARIANCES, &squares, (count - 1.0).max(1.0))] {
            // SAFETY: no item runs, and the cell is locked.
            let running = unsafe { self.params[param].value.part_mut(0, self.channels) };
            for (running, batch) in running.iter_mut().zip(batch) {
                *running = T::of(self.momentum * batch / divisor + (1.0 - self.momentum) * running.as_f64());
            }
            self.params[param].touch();
        }
        for s in &mut squares {
            *s /= count;
        }
        self.save(f, means.iter().zip(&squares).map(|(m, v)| (*m, *v)));
        self.totals = [means, squares];
    }

    /// Keeps means and inverse deviations for the pass back, from means and variances.
    fn save(&self, f: &Frame<'_, T>, statistics: impl Iterator<Item = (f64, f64)>) {
        // SAFETY: no item runs, and the cell is locked.
        let (means, inverses) = unsafe { f.saved.values.part_mut(0, 2 * self.channels) }.split_at_mut(self.channels);
        for ((m, i), (mean, variance)) in means.iter_mut().zip(inverses).zip(statistics) {
            *m = T::of(mean);
            *i = T::of(1.0 / (variance + self.epsilon()).sqrt());
        }
    }

    /// Repeats the coefficients that the pass normalises by.
    fn prepare_coefficients(&mut self, f: &Frame<'_, T>) {
        let period = Cut::new(f.output.shape()).period();
        let mut coefficients = std::mem::take(&mut self.coefficients);
        for row in &mut coefficients {
            row.resize(period, T::zero());
        }
        let (means, inverses) = self.saved(f);
        repeat(means, &mut coefficients[0]);
        repeat(self.values(BIASES), &mut coefficients[2]);
        let factors = &mut coefficients[1];
        for ((factor, s), i) in factors.iter_mut().zip(self.values(SCALES)).zip(inverses) {
            *factor = *s * *i;
        }
        for i in self.channels..period {
            factors[i] = factors[i - self.channels];
        }
        self.coefficients = coefficients;
    }

    /// Joins the sums of the parts into the gradients of scales and biases and the coefficients of the input gradient.
    fn finish_gradients(&mut self, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        let (c, n) = (self.channels, (cut.images * cut.pixels) as f64);
        let [mut sums, mut products] = std::mem::take(&mut self.totals);
        for total in [&mut sums, &mut products] {
            total.clear();
            total.resize(c, 0.0);
        }
        for part in 0..cut.parts() {
            let (s, p) = self.rows(part);
            add_wide(s, &mut sums);
            add_wide(p, &mut products);
        }
        let mut coefficients = std::mem::take(&mut self.coefficients);
        let inverses = self.saved(f).1;
        for ch in 0..c {
            let inverse = inverses[ch].as_f64();
            coefficients[3][ch] = T::of(sums[ch] / n);
            coefficients[4][ch] = T::of(products[ch] * inverse * inverse / n);
            products[ch] *= inverse;
        }
        for row in &mut coefficients[3..] {
            for i in c..row.len() {
                row[i] = row[i - c];
            }
        }
        self.coefficients = coefficients;
        for (param, gradient) in [(SCALES, &products), (BIASES, &sums)] {
            let p = &mut self.params[param];
            // SAFETY: no item runs, and the cell is locked.
            let to = unsafe { p.grad.part_mut(0, c) };
            for (to, gradient) in to.iter_mut().zip(gradient) {
                *to = if p.grad_filled { *to + T::of(*gradient) } else { T::of(*gradient) };
            }
            p.grad_filled = true;
        }
        self.totals = [sums, products];
    }

    /// The sums of a part for the gradients; what arrives goes back through the activation first.
    fn gradient_of(&self, part: usize, f: &Frame<'_, T>, cut: &Cut) {
        let (start, len) = cut.part(part);
        let period = cut.period();
        let [means, factors, biases, ..] = &self.coefficients;
        let (sums, products) = self.rows_mut(part);
        let rectified = f.activation.is_some_and(ActivationFn::is_relu);
        with_scratch(2 * period, |scratch: &mut [T]| {
            scratch.fill(T::zero());
            let (s, p) = scratch.split_at_mut(period);
            // In blocks, so that what another activation has changed is still in a cache; of rows that are summed up together,
            // so that the sums are the same without one.
            let block = if f.activation.is_some() && !rectified { ROWS * period } else { len };
            for from in (start..start + len).step_by(block) {
                let n = block.min(start + len - from);
                if !rectified {
                    // SAFETY: items are disjoint, and each element is met once.
                    unsafe { f.deactivated(from, n) };
                }
                let x = f.inputs[0].part(from, n);
                // SAFETY: items are disjoint.
                let gy = unsafe { f.gy().part_mut(from, n) };
                for (rows, channels, at) in cut.matrices(n) {
                    let (x, d) = (x[at..].as_ptr(), gy[at..].as_mut_ptr());
                    let coefficients = [means.as_ptr(), factors.as_ptr(), biases.as_ptr()];
                    let (sums, products) = (s.as_mut_ptr(), p.as_mut_ptr());
                    // SAFETY: rows of a period or less, as long as the coefficients and the sums.
                    unsafe { columns::gradient_sums(isa(), &GradientSums { x, d, rows, channels, coefficients, rectified, sums, products }) };
                }
            }
            fold(s, sums);
            fold(p, products);
        });
    }
}

impl<T: Float> Cell<T> for BatchNorm2d<T> {
    fn kind(&self) -> &'static str {
        "BatchNorm2d"
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        let c = dims4(inputs[0])[1];
        if c == self.channels { Ok(inputs[0].to_vec()) } else { Err(Error::shape(name, "channels of the input", self.channels, c)) }
    }

    fn saved(&self, _: &[&[usize]], _: &[usize]) -> (usize, usize) {
        (2 * self.channels, 0)
    }

    fn fuses_activation(&self) -> bool {
        true
    }

    fn fold(&self) -> Option<Fold<T>> {
        let inverse = |v: &T| T::of(1.0 / (v.as_f64() + self.epsilon()).sqrt());
        let factors: Vec<T> = self.values(SCALES).iter().zip(self.values(VARIANCES)).map(|(s, v)| *s * inverse(v)).collect();
        Some(Fold::Affine(Affine::new([self.values(MEANS), &factors, self.values(BIASES)])))
    }

    fn fuses_deactivation(&self) -> bool {
        true
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let cut = Cut::new(f.output.shape());
        let normalise = cut.phase(2 * f.output.len());
        if self.uses_batch(f) {
            self.make_room(cut.parts());
            return Ok(vec![cut.phase(f.output.len()).then_wait(), normalise]);
        }
        let running = self.values(MEANS).iter().zip(self.values(VARIANCES));
        self.save(f, running.map(|(m, v)| (m.as_f64(), v.as_f64())));
        self.prepare_coefficients(f);
        Ok(vec![normalise])
    }

    fn forward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        let (start, len) = cut.part(item);
        if phase == 0 && self.uses_batch(f) {
            return self.statistics_of(item, f.inputs[0].part(start, len), &cut);
        }
        let [means, factors, biases, ..] = &self.coefficients;
        let relu = f.activation.is_some_and(ActivationFn::is_relu);
        let least = if relu { T::zero() } else { T::neg_infinity() };
        let activation = f.activation.filter(|_| !relu);
        // In blocks, so that another activation finds its values in the first cache.
        let block = if activation.is_some() { BLOCK.next_multiple_of(cut.period()) } else { len };
        for from in (start..start + len).step_by(block) {
            let n = block.min(start + len - from);
            let x = f.inputs[0].part(from, n);
            // SAFETY: items are disjoint.
            let y = unsafe { f.output.part_mut(from, n) };
            for (rows, channels, at) in cut.matrices(n) {
                let (x, y) = (x[at..].as_ptr(), y[at..].as_mut_ptr());
                let coefficients = [means.as_ptr(), factors.as_ptr(), biases.as_ptr()];
                // SAFETY: rows of a period or less, as long as the coefficients.
                unsafe { columns::normalise(isa(), &Normalise { x, rows, channels, coefficients, least, y }) };
            }
            if let Some(activation) = activation {
                activation.forward(y);
            }
        }
    }

    fn forward_end(&mut self, phase: usize, f: &Frame<'_, T>) {
        if phase == 0 && self.uses_batch(f) {
            self.finish_statistics(f);
            self.prepare_coefficients(f);
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let cut = Cut::new(f.output.shape());
        self.make_room(cut.parts());
        self.prepare_coefficients(f);
        let mut phases = vec![cut.phase(2 * f.output.len()).then_wait()];
        if f.grad_inputs[0].is_some() {
            phases.push(cut.phase(3 * f.output.len()));
        }
        Ok(phases)
    }

    fn backward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        if phase == 0 {
            return self.gradient_of(item, f, &cut);
        }
        let Some(gx) = &f.grad_inputs[0] else { return };
        let (start, len) = cut.part(item);
        let (x, gy) = (f.inputs[0].part(start, len), f.gy().part(start, len));
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        let [means, scale, _, sums, products] = &self.coefficients;
        if !self.uses_batch(f) {
            return affine_gradient(scale, gy, gx);
        }
        for (rows, channels, at) in cut.matrices(len) {
            let (x, d, gx) = (x[at..].as_ptr(), gy[at..].as_ptr(), gx[at..].as_mut_ptr());
            let coefficients = [means.as_ptr(), scale.as_ptr(), sums.as_ptr(), products.as_ptr()];
            // SAFETY: rows of a period or less, as long as the coefficients.
            unsafe { columns::input_gradient(isa(), &InputGradient { x, d, rows, channels, coefficients, gx }) };
        }
    }

    fn backward_end(&mut self, phase: usize, f: &Frame<'_, T>) {
        if phase == 0 {
            self.finish_gradients(f);
        }
    }

    fn params(&self) -> &[Param<T>] {
        &self.params
    }

    fn params_mut(&mut self) -> &mut [Param<T>] {
        &mut self.params
    }

    fn set(&mut self, config: &Config) -> Result<()> {
        config.only(&["epsilon", "moving_average_momentum"])?;
        let new = (epsilon(config, self.epsilon)?, momentum(config, self.momentum)?);
        (self.epsilon, self.momentum) = new;
        Ok(())
    }

    fn statistics(&self, _: &[&[usize]], _: &[usize]) -> Statistics {
        Statistics::default()
    }
}

#[cfg(test)]
#[path = "batch_norm_test.rs"]
mod tests;
