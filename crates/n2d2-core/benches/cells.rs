//! Speed of the convolution and dense kernels, through the cells, in floating-point operations a second (the "items").
//!
//! `cargo bench --package n2d2-core --bench cells`; add `-- forward/conv` to choose.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use n2d2_core::graph::{Unit, Var};
use n2d2_core::{Config, Tensor, config};
use std::fmt;
use std::sync::Arc;

fn main() {
    divan::main();
}

/// A layer and the batch that goes through it.
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

const fn conv(kernel: usize, c_in: usize, c_out: usize, size: usize, padding: usize, stride: usize, batch: usize) -> Layer {
    Layer { kernel, c_in, c_out, size, padding, stride, batch }
}

const CONV: &[Layer] = &[
    conv(3, 64, 64, 56, 1, 1, 8),
    conv(1, 128, 256, 28, 0, 1, 8),
    conv(3, 128, 128, 28, 1, 1, 8),
    conv(3, 512, 512, 7, 1, 1, 8),
    conv(3, 64, 128, 56, 1, 2, 8),
    conv(7, 3, 64, 56, 3, 1, 8),
    conv(3, 3, 32, 32, 1, 1, 64),
    conv(5, 6, 16, 12, 0, 1, 256),
    conv(5, 1, 6, 28, 0, 1, 256),
];

const FC: &[Layer] = &[conv(0, 256, 120, 1, 0, 1, 32), conv(0, 256, 120, 1, 0, 1, 256), conv(0, 4096, 1024, 1, 0, 1, 64)];

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layer { kernel, c_in, c_out, size, stride, batch, .. } = self;
        match kernel {
            0 => write!(f, "{c_in}->{c_out}, batch {batch}"),
            _ => write!(f, "{kernel}x{kernel} stride {stride}, {c_in}->{c_out}, {size}x{size}, batch {batch}"),
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
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

    fn input(&self) -> Var<f32> {
        let shape = [self.batch, self.c_in, self.size, self.size];
        Var::leaf(batch(&shape), true)
    }

    fn flops(&self) -> usize {
        let out = if self.kernel > 0 { (self.size + 2 * self.padding - self.kernel) / self.stride + 1 } else { 1 };
        2 * self.batch * self.c_out * out * out * self.c_in * self.kernel.max(1).pow(2)
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

fn run(bencher: Bencher<'_, '_>, layer: &Layer, backward: bool) {
    let (unit, x) = (layer.unit(), layer.input());
    let forward = || unit.call(std::slice::from_ref(&x)).unwrap();
    if !backward {
        bencher.counter(ItemsCount::new(layer.flops())).bench(forward);
        return;
    }
    let y = forward();
    let g = batch(y.tensor().shape());
    bencher.counter(ItemsCount::new(2 * layer.flops())).with_inputs(forward).bench_values(|y| {
        y.back_propagate(Some(g.clone())).unwrap();
        black_box(&y);
    });
}

/// Output of the layer for a batch.
mod forward {
    use super::{Bencher, CONV, FC, Layer, run};

    #[divan::bench(args = CONV)]
    fn conv(bencher: Bencher<'_, '_>, layer: &Layer) {
        run(bencher, layer, false);
    }

    #[divan::bench(args = FC)]
    fn fc(bencher: Bencher<'_, '_>, layer: &Layer) {
        run(bencher, layer, false);
    }
}

/// Gradients of input, weights and bias.
mod backward {
    use super::{Bencher, CONV, FC, Layer, run};

    #[divan::bench(args = CONV)]
    fn conv(bencher: Bencher<'_, '_>, layer: &Layer) {
        run(bencher, layer, true);
    }

    #[divan::bench(args = FC)]
    fn fc(bencher: Bencher<'_, '_>, layer: &Layer) {
        run(bencher, layer, true);
    }
}
