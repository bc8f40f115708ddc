//! Speed of the backward pass of a convolution behind a maximum pooling: over the winners only, and over all pixels.
//!
//! `cargo bench --package n2d2-core --bench winners`, one thread. The "items" are the floating-point operations of the dense
//! passes in both cases, so that the ratio is that of the times. The dense pass of the image is that of both gradients
//! less that of the weights alone.

use divan::Bencher;
use divan::counter::ItemsCount;
use n2d2_core::device::cpu::{Kernels, Window, Winners, kernels_f32, set_threads};
use n2d2_core::graph::{Unit, Var};
use n2d2_core::{Config, Tensor, config, random};
use std::fmt;
use std::ops::{Deref, DerefMut};

fn main() {
    divan::main();
}

/// A convolution and a pooling.
#[derive(Clone, Copy)]
struct Layer {
    kernel: usize,
    c_in: usize,
    c_out: usize,
    size: usize,
    padding: usize,
    /// Size of the pooling's windows, two pixels apart.
    pool: usize,
    batch: usize,
}

const fn layer(kernel: usize, [c_in, c_out]: [usize; 2], size: usize, padding: usize, pool: usize, batch: usize) -> Layer {
    Layer { kernel, c_in, c_out, size, padding, pool, batch }
}

const LAYERS: &[Layer] = &[
    layer(5, [1, 6], 28, 0, 2, 1),
    layer(5, [1, 6], 28, 0, 2, 32),
    layer(5, [6, 16], 12, 0, 2, 1),
    layer(5, [6, 16], 12, 0, 2, 32),
    layer(5, [6, 16], 12, 0, 2, 256),
    layer(3, [3, 32], 32, 1, 2, 16),
    layer(3, [32, 32], 32, 1, 2, 16),
    layer(3, [64, 64], 16, 1, 2, 16),
    layer(3, [128, 128], 8, 1, 2, 16),
    layer(3, [64, 64], 56, 1, 2, 4),
    layer(5, [64, 192], 27, 2, 3, 4),
    layer(3, [256, 256], 13, 1, 3, 1),
    layer(3, [256, 256], 13, 1, 3, 4),
];

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layer { kernel, c_in, c_out, size, pool, batch, .. } = self;
        write!(f, "{kernel}x{kernel}, {c_in}->{c_out}, {size}x{size}, pool {pool}, batch {batch}")
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Layer {
    fn full(&self) -> usize {
        self.size + 2 * self.padding + 1 - self.kernel
    }

    fn pooled(&self) -> usize {
        (self.full() - self.pool) / 2 + 1
    }

    /// Operations of one dense pass.
    fn flops(&self) -> ItemsCount {
        ItemsCount::new(2 * self.batch * self.full().pow(2) * self.c_in * self.c_out * self.kernel.pow(2))
    }
}

fn noise(len: usize, seed: u64) -> Vec<f32> {
    let stream = random::Stream::new(seed);
    (0..len as u64).map(|i| 2.0 * stream.uniform(i) - 1.0).collect()
}

/// Values that begin at a cache line, as those of tensors do.
struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl Aligned {
    fn zeros(len: usize) -> Self {
        Aligned { lines: vec![Line([0.0; 16]); len.div_ceil(16)], len }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a line is sixteen values, and there are enough lines.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Everything of a pass over the winners.
struct Pass {
    winners: Winners<f32>,
    x: Vec<f32>,
    w: Vec<f32>,
    d: Vec<f32>,
    at: Vec<u32>,
}

impl Pass {
    fn new(l: &Layer) -> Self {
        let kernels: &'static Kernels<f32> = kernels_f32();
        let window = Window { kernel: [l.kernel; 2], stride: [1; 2], padding: [l.padding; 2], dilation: [1; 2] };
        let (full, pooled, k) = (l.full(), l.pooled(), l.c_out);
        let winners = Winners::new(kernels, &window, [l.size, l.size, l.c_in], [full, full, k], pooled * pooled);
        let places = noise(l.batch * pooled * pooled * k * 2, 5);
        let winner = |i: usize| {
            let tap = |v: f32| ((f32::midpoint(v, 1.0) * l.pool as f32) as usize).min(l.pool - 1);
            let p = i / k % (pooled * pooled);
            let (y, x) = (p / pooled * 2 + tap(places[2 * i]), p % pooled * 2 + tap(places[2 * i + 1]));
            ((y * full + x) * k + i % k) as u32
        };
        let (items, stride) = winners.weight_items();
        Pass {
            x: noise(l.batch * l.size * l.size * l.c_in, 1),
            w: noise(items * stride, 2),
            d: noise(places.len() / 2, 3),
            at: (0..places.len() / 2).map(winner).collect(),
            winners,
        }
    }

    fn packed(&self) -> Aligned {
        let mut packed = Aligned::zeros(self.winners.packed_len());
        self.pack(&mut packed);
        packed
    }

    fn pack(&self, packed: &mut [f32]) {
        for (item, part) in packed.chunks_exact_mut(self.winners.packing_len()).enumerate() {
            self.winners.pack(item, &self.w, part);
        }
    }
}

#[divan::bench(args = LAYERS)]
fn data(bencher: Bencher<'_, '_>, l: &Layer) {
    let pass = Pass::new(l);
    let packed = pass.packed();
    let mut gx = Aligned::zeros(pass.x.len());
    bencher.counter(l.flops()).bench_local(|| {
        // SAFETY: the gradient of the whole batch.
        unsafe { pass.winners.data(0..l.batch, &packed, &pass.d, &pass.at, gx.as_mut_ptr()) }
    });
}

#[divan::bench(args = LAYERS)]
fn weights(bencher: Bencher<'_, '_>, l: &Layer) {
    let pass = Pass::new(l);
    let mut sums = Aligned::zeros(pass.winners.sums_len());
    bencher.counter(l.flops()).bench_local(|| pass.winners.weights(0..l.batch, &pass.x, &pass.d, &pass.at, &mut sums));
}

/// The packing of the weights and the transposition of their gradient, once for a batch.
#[divan::bench(args = LAYERS)]
fn layout(bencher: Bencher<'_, '_>, l: &Layer) {
    let pass = Pass::new(l);
    let (mut packed, sums) = (pass.packed(), noise(pass.winners.sums_len(), 4));
    let mut gradient = vec![0.0; pass.w.len()];
    bencher.bench_local(|| {
        pass.pack(&mut packed);
        for (item, part) in gradient.chunks_exact_mut(pass.winners.weight_items().1).enumerate() {
            pass.winners.add_weights(item, &sums, part, false);
        }
    });
}

fn dense(bencher: Bencher<'_, '_>, l: &Layer, of_image: bool) {
    set_threads(1);
    let pair = |v: usize| vec![v as i64; 2];
    let c = config! {
        "nb_inputs" => l.c_in, "nb_outputs" => l.c_out, "kernel_dims" => pair(l.kernel), "padding_dims" => pair(l.padding)
    };
    let unit = Unit::<f32>::new("bench", "Conv", &c).unwrap();
    unit.with(|u| {
        for p in u.cell.params_mut() {
            let len = p.len();
            p.assign(&noise(len, 2)).unwrap();
        }
    });
    // In the layout of the outputs of cells.
    let batch = |shape: &[usize]| {
        let values = Tensor::from_vec(noise(shape.iter().product(), 1), shape).unwrap();
        let copy = Unit::new("batch", "Activation", &Config::default()).unwrap();
        copy.call(&[Var::leaf(values, false)]).unwrap().tensor().clone()
    };
    let x = Var::leaf(batch(&[l.batch, l.c_in, l.size, l.size]), of_image);
    let forward = || unit.call(std::slice::from_ref(&x)).unwrap();
    let g = batch(forward().tensor().shape());
    bencher.counter(l.flops()).with_inputs(forward).bench_local_values(|y| {
        y.back_propagate(Some(g.clone())).unwrap();
        y
    });
}

#[divan::bench(args = LAYERS)]
fn dense_weights(bencher: Bencher<'_, '_>, l: &Layer) {
    dense(bencher, l, false);
}

#[divan::bench(args = LAYERS)]
fn dense_weights_and_data(bencher: Bencher<'_, '_>, l: &Layer) {
    dense(bencher, l, true);
}
