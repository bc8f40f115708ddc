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

use super::{Cell, Frame, Param, ParamLayout, Phase, Statistics};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor::{Float, Shape, Tensor, dims4};
use crate::vectorise::vectorised;

/// Elements of a part: two passes over it come from the second cache.
const PART: usize = 16 * 1024;
/// Parts at most; beyond, they grow.
const PARTS: usize = 64;
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
    /// Factors of the backward pass, a row of channels each: scale / deviation, mean of gy, mean of gy x^ / deviation.
    factors: [Vec<T>; 3],
}

fn epsilon(config: &Config, default: f64) -> Result<f64> {
    let v = config.float_or("epsilon", default)?;
    if v >= 0.0 { Ok(v) } else { Err(config.error("epsilon", v, "a number of at least 0 (0 is automatic)")) }
}

fn momentum(config: &Config, default: f64) -> Result<f64> {
    let v = config.float_or("moving_average_momentum", default)?;
    if (0.0..1.0).contains(&v) { Ok(v) } else { Err(config.error("moving_average_momentum", v, "a number of at least 0 and below 1")) }
}

/// How the pixels of a batch are cut.
#[derive(Clone, Copy)]
struct Cut {
    channels: usize,
    pixels: usize,
    part: usize,
}

impl Cut {
    fn new(shape: &[usize]) -> Self {
        let [n, channels, h, w] = dims4(shape);
        let pixels = n * h * w;
        Cut { channels, pixels, part: PART.div_ceil(channels).max(pixels.div_ceil(PARTS)) }
    }

    fn parts(&self) -> usize {
        self.pixels.div_ceil(self.part)
    }

    /// First element and number of elements of a part.
    fn part(&self, item: usize) -> (usize, usize) {
        let start = item * self.part;
        (start * self.channels, self.part.min(self.pixels - start) * self.channels)
    }

    /// Channels repeated until they fill vectors.
    fn period(&self) -> usize {
        self.channels * PERIOD.div_ceil(self.channels)
    }

    fn repeat<T: Float>(&self, row: &[T]) -> Vec<T> {
        row.iter().copied().cycle().take(self.period()).collect()
    }

    /// Adds up the repetitions of each channel, in order.
    fn fold<T: Float>(&self, repeated: &[T], row: &mut [T]) {
        row.fill(T::zero());
        for values in repeated.chunks_exact(self.channels) {
            for (r, v) in row.iter_mut().zip(values) {
                *r += *v;
            }
        }
    }
}

vectorised! {
    fn add<T: Float>(x: &[T], sums: &mut [T]) {
        for x in x.chunks(sums.len()) {
            for (s, x) in sums.iter_mut().zip(x) {
                *s += *x;
            }
        }
    }

    fn add_squares<T: Float>(x: &[T], means: &[T], sums: &mut [T]) {
        for x in x.chunks(means.len()) {
            for ((s, x), m) in sums.iter_mut().zip(x).zip(means) {
                let v = *x - *m;
                *s += v * v;
            }
        }
    }

    fn add_products<T: Float>(x: &[T], means: &[T], gy: &[T], sums: &mut [T], products: &mut [T]) {
        for (x, gy) in x.chunks(means.len()).zip(gy.chunks(means.len())) {
            for ((((s, p), x), m), d) in sums.iter_mut().zip(products.iter_mut()).zip(x).zip(means).zip(gy) {
                *s += *d;
                *p += *d * (*x - *m);
            }
        }
    }

    fn normalise<T: Float>(x: &[T], means: &[T], factors: &[T], biases: &[T], y: &mut [T]) {
        for (x, y) in x.chunks(means.len()).zip(y.chunks_mut(means.len())) {
            for ((((y, x), m), a), b) in y.iter_mut().zip(x).zip(means).zip(factors).zip(biases) {
                *y = (*x - *m) * *a + *b;
            }
        }
    }

    fn affine_gradient<T: Float>(factors: &[T], gy: &[T], gx: &mut [T]) {
        for (gy, gx) in gy.chunks(factors.len()).zip(gx.chunks_mut(factors.len())) {
            for ((gx, d), a) in gx.iter_mut().zip(gy).zip(factors) {
                *gx = *d * *a;
            }
        }
    }

    fn batch_gradient<T: Float>(x: &[T], means: &[T], factors: [&[T]; 3], gy: &[T], gx: &mut [T]) {
        let [scale, sums, products] = factors;
        let n = means.len();
        for ((x, gy), gx) in x.chunks(n).zip(gy.chunks(n)).zip(gx.chunks_mut(n)) {
            let rows = gx.iter_mut().zip(gy).zip(x).zip(means).zip(scale).zip(sums).zip(products);
            for ((((((gx, d), x), m), a), s), p) in rows {
                *gx = *a * (*d - *s - (*x - *m) * *p);
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
            factors: Default::default(),
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

    /// Joins the statistics of the parts, and moves the running ones.
    fn finish_statistics(&mut self, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        let (c, total) = (self.channels, cut.pixels as f64);
        // SAFETY: no item runs, and the cell is locked.
        let saved = unsafe { f.saved.values.part_mut(0, 2 * c) };
        for ch in 0..c {
            let (mean, variance) = if self.uses_batch(f) {
                let (mut mean, mut squares, mut count) = (0.0, 0.0, 0.0);
                for part in 0..cut.parts() {
                    let (means, sums) = self.rows(part);
                    let n = (cut.part(part).1 / c) as f64;
                    let apart = means[ch].as_f64() - mean;
                    mean += apart * n / (count + n);
                    squares += sums[ch].as_f64() + apart * apart * n * count / (count + n);
                    count += n;
                }
                let unbiased = squares / (total - 1.0).max(1.0);
                for (param, batch) in [(MEANS, mean), (VARIANCES, unbiased)] {
                    // SAFETY: as above.
                    let running = unsafe { self.params[param].value.part_mut(ch, 1) };
                    running[0] = T::of(self.momentum * batch + (1.0 - self.momentum) * running[0].as_f64());
                }
                (mean, squares / total)
            } else {
                (self.values(MEANS)[ch].as_f64(), self.values(VARIANCES)[ch].as_f64())
            };
            saved[ch] = T::of(mean);
            saved[c + ch] = T::of(1.0 / (variance + self.epsilon()).sqrt());
        }
        if self.uses_batch(f) {
            self.params[MEANS].touch();
            self.params[VARIANCES].touch();
        }
    }

    /// Joins the sums of the parts into the gradients of scales and biases and the factors of the input gradient.
    fn finish_gradients(&mut self, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        let c = self.channels;
        self.factors = std::array::from_fn(|_| vec![T::zero(); c]);
        for ch in 0..c {
            let (mut sum, mut product) = (0.0, 0.0);
            for part in 0..cut.parts() {
                let (sums, products) = self.rows(part);
                sum += sums[ch].as_f64();
                product += products[ch].as_f64();
            }
            let inverse = self.saved(f).1[ch].as_f64();
            let n = cut.pixels as f64;
            self.factors[0][ch] = T::of(self.values(SCALES)[ch].as_f64() * inverse);
            self.factors[1][ch] = T::of(sum / n);
            self.factors[2][ch] = T::of(product * inverse * inverse / n);
            for (param, gradient) in [(SCALES, product * inverse), (BIASES, sum)] {
                let p = &self.params[param];
                // SAFETY: no item runs, and the cell is locked.
                let to = &mut unsafe { p.grad.part_mut(ch, 1) }[0];
                *to = if p.grad_filled { *to + T::of(gradient) } else { T::of(gradient) };
            }
        }
        self.params[SCALES].grad_filled = true;
        self.params[BIASES].grad_filled = true;
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

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let cut = Cut::new(f.output.shape());
        let parts = if self.uses_batch(f) { cut.parts() } else { 0 };
        if self.partial.len() < parts * 2 * self.channels {
            self.partial = Tensor::zeros(&[parts * 2 * self.channels]);
        }
        Ok(vec![Phase::streaming(parts, 2 * f.output.len()), Phase::streaming(cut.parts(), 2 * f.output.len())])
    }

    fn forward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        let (start, len) = cut.part(item);
        let x = f.inputs[0].part(start, len);
        if phase == 0 {
            let (means, squares) = self.rows_mut(item);
            let mut sums = vec![T::zero(); cut.period()];
            add(x, &mut sums);
            cut.fold(&sums, means);
            let n = T::of((len / self.channels) as f64);
            for m in means.iter_mut() {
                *m = *m / n;
            }
            sums.fill(T::zero());
            add_squares(x, &cut.repeat(means), &mut sums);
            return cut.fold(&sums, squares);
        }
        let (means, inverses) = self.saved(f);
        let factors: Vec<T> = self.values(SCALES).iter().zip(inverses).map(|(s, i)| *s * *i).collect();
        // SAFETY: items are disjoint.
        let y = unsafe { f.output.part_mut(start, len) };
        normalise(x, &cut.repeat(means), &cut.repeat(&factors), &cut.repeat(self.values(BIASES)), y);
    }

    fn forward_end(&mut self, phase: usize, f: &Frame<'_, T>) {
        if phase == 0 {
            self.finish_statistics(f);
        }
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        let cut = Cut::new(f.output.shape());
        if self.partial.len() < cut.parts() * 2 * self.channels {
            self.partial = Tensor::zeros(&[cut.parts() * 2 * self.channels]);
        }
        let last = if f.grad_inputs[0].is_some() { cut.parts() } else { 0 };
        Ok(vec![Phase::streaming(cut.parts(), 2 * f.output.len()), Phase::streaming(last, 3 * f.output.len())])
    }

    fn backward(&self, phase: usize, item: usize, f: &Frame<'_, T>) {
        let cut = Cut::new(f.output.shape());
        let (start, len) = cut.part(item);
        let (x, gy) = (f.inputs[0].part(start, len), f.gy().part(start, len));
        let means = cut.repeat(self.saved(f).0);
        if phase == 0 {
            let (sums, products) = self.rows_mut(item);
            let mut repeated = [vec![T::zero(); cut.period()], vec![T::zero(); cut.period()]];
            let [s, p] = &mut repeated;
            add_products(x, &means, gy, s, p);
            cut.fold(s, sums);
            return cut.fold(p, products);
        }
        let Some(gx) = &f.grad_inputs[0] else { return };
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        let [scale, sums, products] = &self.factors;
        let scale = cut.repeat(scale);
        if self.uses_batch(f) {
            batch_gradient(x, &means, [&scale, &cut.repeat(sums), &cut.repeat(products)], gy, gx);
        } else {
            affine_gradient(&scale, gy, gx);
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
