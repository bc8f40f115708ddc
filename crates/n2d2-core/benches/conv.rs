//! Speed of the convolution and dense layers: GFLOP/s of each pass and the share of the peak measured on the spot.
//!
//! `cargo bench --package n2d2-core --bench conv -- WORDS`: rows whose names hold all words, such as `3x3` or `batch 64`.
//! A backward pass gives the weight gradient alone (and that of the bias), or both gradients; backward-data is the
//! difference. The gradient comes from a cell behind, whose own time is taken away. The weights count as new in every pass, as in a training step. The last column is the time of both gradients
//! as a multiple of that of the forward pass. `N2D2_BENCH_JSON=FILE` writes the figures for programs: see `machine/mod.rs`.

mod machine;

use machine::{Figure, Work, chosen, each_thread_count, median, passing_on, record, share, turns};
use n2d2_core::graph::{Unit, Var};
use n2d2_core::{Config, Tensor, config};
use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

/// A layer and the batch that goes through it; kernel 0 is a dense layer.
#[derive(Clone, Copy)]
struct Layer {
    kernel: usize,
    c_in: usize,
    c_out: usize,
    size: usize,
    padding: usize,
    stride: usize,
    batch: usize,
}

const fn conv(kernel: usize, stride: usize, c_in: usize, c_out: usize, size: usize, batch: usize) -> Layer {
    let padding = if kernel == 5 { 0 } else { kernel / 2 };
    Layer { kernel, c_in, c_out, size, padding, stride, batch }
}

const fn fc(c_in: usize, c_out: usize, batch: usize) -> Layer {
    Layer { kernel: 0, c_in, c_out, size: 1, padding: 0, stride: 1, batch }
}

const LAYERS: &[Layer] = &[
    conv(3, 1, 64, 64, 56, 8),
    conv(3, 1, 128, 128, 28, 8),
    conv(3, 1, 256, 256, 14, 8),
    conv(3, 1, 512, 512, 7, 8),
    conv(3, 2, 64, 128, 56, 8),
    conv(3, 2, 128, 256, 28, 8),
    conv(3, 2, 256, 512, 14, 8),
    conv(3, 1, 32, 32, 32, 64),
    conv(3, 1, 64, 64, 32, 64),
    conv(3, 1, 128, 128, 16, 64),
    conv(3, 1, 256, 256, 8, 64),
    conv(3, 1, 512, 512, 4, 64),
    conv(3, 1, 512, 512, 2, 64),
    conv(3, 2, 64, 128, 32, 64),
    conv(3, 2, 256, 512, 8, 64),
    conv(1, 1, 32, 64, 112, 8),
    conv(1, 1, 64, 128, 56, 8),
    conv(1, 1, 128, 256, 28, 8),
    conv(1, 1, 256, 512, 14, 8),
    conv(1, 1, 512, 512, 14, 8),
    conv(1, 1, 1024, 1024, 7, 8),
    conv(1, 2, 64, 128, 56, 8),
    conv(1, 2, 256, 512, 14, 8),
    conv(1, 1, 32, 64, 32, 64),
    conv(1, 1, 128, 128, 16, 64),
    conv(1, 1, 256, 256, 8, 64),
    conv(1, 1, 512, 512, 4, 64),
    conv(1, 1, 1024, 1024, 2, 64),
    conv(3, 1, 64, 64, 56, 1),
    conv(3, 1, 256, 256, 14, 1),
    conv(3, 1, 512, 512, 7, 1),
    conv(1, 1, 32, 64, 112, 1),
    conv(1, 1, 64, 128, 56, 1),
    conv(1, 1, 128, 128, 56, 1),
    conv(1, 1, 128, 256, 28, 1),
    conv(1, 1, 256, 256, 28, 1),
    conv(1, 1, 256, 512, 14, 1),
    conv(1, 1, 512, 512, 14, 1),
    conv(1, 1, 512, 1024, 7, 1),
    conv(1, 1, 1024, 1024, 7, 1),
    conv(1, 1, 32, 64, 16, 1),
    conv(1, 1, 128, 128, 8, 1),
    conv(1, 1, 256, 256, 4, 1),
    conv(1, 1, 512, 512, 2, 1),
    conv(1, 1, 1024, 1024, 1, 1),
    conv(5, 1, 1, 6, 28, 256),
    conv(5, 1, 6, 16, 12, 256),
    conv(3, 1, 3, 32, 32, 64),
    conv(3, 2, 3, 32, 32, 64),
    conv(3, 2, 3, 32, 224, 8),
    conv(3, 2, 3, 32, 224, 1),
    conv(7, 2, 3, 64, 224, 1),
    conv(7, 2, 3, 64, 224, 8),
    fc(784, 300, 32),
    fc(784, 300, 256),
    fc(256, 120, 32),
    fc(256, 120, 256),
    fc(4096, 1024, 64),
    fc(512, 1000, 8),
    fc(784, 300, 1),
    fc(4096, 1024, 1),
];

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layer { kernel, c_in, c_out, size, stride, batch, .. } = self;
        let text = match kernel {
            0 => format!("fc {c_in}->{c_out}, batch {batch}"),
            _ => format!("{kernel}x{kernel}/{stride} {c_in}->{c_out}, {size}x{size}, batch {batch}"),
        };
        f.pad(&text)
    }
}

impl Layer {
    fn unit(&self) -> Arc<Unit<f32>> {
        let pair = |v: usize| vec![v as i64; 2];
        let mut c = config! { "nb_inputs" => self.c_in, "nb_outputs" => self.c_out };
        if self.kernel > 0 {
            c.set("kernel_dims", pair(self.kernel));
            c.set("padding_dims", pair(self.padding));
            c.set("stride_dims", pair(self.stride));
        }
        let unit = Unit::new("bench", if self.kernel > 0 { "Conv" } else { "Fc" }, &c).unwrap();
        unit.with(|u| {
            for p in u.cell.params_mut() {
                let len = p.len();
                p.assign(&noise(len, 0.1)).unwrap();
            }
        });
        unit
    }

    /// Floating-point operations of a pass.
    fn flops(&self) -> f64 {
        2.0 * (self.batch * self.c_out * self.out().pow(2) * self.c_in * self.kernel.max(1).pow(2)) as f64
    }

    /// Height and width of the output.
    fn out(&self) -> usize {
        if self.kernel > 0 { (self.size + 2 * self.padding - self.kernel) / self.stride + 1 } else { 1 }
    }

    /// The share of the peak that is wanted of a pass: of 3x3 and 1x1 kernels with channels enough, where the batch has so
    /// many pixels that the arithmetic, not the memory of the weights, is what takes time.
    fn floor(&self) -> Option<f64> {
        let channels = self.c_in.min(self.c_out);
        match (self.kernel, self.c_in, self.batch) {
            (3 | 1, ..) if channels >= 32 && self.batch * self.out().pow(2) >= 49 => Some(0.75),
            (5, 6, 256) => Some(0.7),
            _ => None,
        }
    }

    /// The figures of forward, backward-data and backward-weights, and the backward passes as a multiple of forward.
    fn figures(&self) -> ([Option<Figure>; 3], f64) {
        let unit = self.unit();
        let values = batch(&[self.batch, self.c_in, self.size, self.size]);
        let call = |wants_gradient: bool| unit.call(&[Var::leaf(values.clone(), wants_gradient)]).unwrap();
        let behind = passing_on();
        let through = |y: Var<f32>| behind.call(&[y]).unwrap();
        let (of_weights, of_both) = (through(call(false)), through(call(true)));
        let gradient = batch(of_both.tensor().shape());
        let of_neither = through(Var::leaf(gradient.clone(), true));
        let backward = |y: &Var<f32>| {
            unit.with(|u| u.cell.params_mut()[0].version += 1);
            y.back_propagate(Some(gradient.clone())).unwrap();
        };
        let mut forth = || drop(black_box(call(false)));
        let (mut back_weights, mut back_both) = (|| backward(&of_weights), || backward(&of_both));
        let mut back_neither = || backward(&of_neither);
        let taken = turns(&mut [&mut forth, &mut back_weights, &mut back_both, &mut back_neither]);
        let [forward, weights, both, neither] = [0, 1, 2, 3].map(|i| taken.seconds[i]);
        let figure = |seconds: &dyn Fn(usize) -> f64| taken.figure(Work::Flops(self.flops()), seconds);
        let figures = [figure(&|r| forward[r]), figure(&|r| both[r] - weights[r]), figure(&|r| weights[r] - neither[r])];
        (figures, median((0..machine::ROUNDS).map(|r| (both[r] - neither[r]) / forward[r]).collect()))
    }
}

/// Values between `-scale` and `scale` without a pattern that a branch predictor could learn.
fn noise(len: usize, scale: f32) -> Vec<f32> {
    let stream = n2d2_core::random::Stream::new(1);
    (0..len as u64).map(|i| scale * (2.0 * stream.uniform(i) - 1.0)).collect()
}

/// A tensor laid out as the outputs of cells are, so that no kernel time goes into moving it.
fn batch(shape: &[usize]) -> Tensor<f32> {
    let values = Tensor::from_vec(noise(shape.iter().product(), 1.0), shape).unwrap();
    let copy = Unit::new("batch", "Activation", &Config::default()).unwrap();
    copy.call(&[Var::leaf(values, false)]).unwrap().tensor().clone()
}

fn main() {
    for _ in each_thread_count() {
        println!("{:36} {:>14} {:>14} {:>14}   GFLOP/s and share of the peak", "", "forward", "backward-data", "-weights");
        for layer in LAYERS.iter().filter(|l| chosen(&l.to_string())) {
            let (figures, ratio) = layer.figures();
            let [forward, data, weights] = figures.each_ref().map(|f| share(f.as_ref()));
            println!("{layer:36} {forward} {data} {weights} {ratio:6.2}");
            for (pass, found) in ["forward", "backward-data", "backward-weights"].iter().zip(&figures) {
                record("conv", &layer.to_string(), pass, found.as_ref(), layer.floor());
            }
        }
    }
}
