//! Winograd's convolution beside the direct one, in floating-point operations of the definition a second (the "items").
//!
//! `cargo bench --package n2d2-core --bench winograd`; the layers are those of ResNet-18 on images of 224 x 224 and of a VGG
//! on images of 32 x 32. Successive calls take different weights, more than the caches hold, as in a network.

use divan::Bencher;
use divan::counter::ItemsCount;
use n2d2_core::Tensor;
use n2d2_core::device::cpu::{Batch, Finish, Geometry, Job, Variant, Window, Winograd, WinogradJob, kernels_f32, parallel_for};
use n2d2_core::random::Stream;

fn main() {
    divan::main();
}

/// Values of weights that the calls go through: about those of all layers of the network.
const RESNET_WEIGHTS: usize = 20_000_000;
const VGG_WEIGHTS: usize = 1_000_000;
const WINDOW: Window = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };

/// Images of `size` x `size`.
#[derive(Debug, Clone, Copy)]
struct Layer {
    batch: usize,
    size: usize,
    c_in: usize,
    c_out: usize,
}

const fn layer(batch: usize, size: usize, c_in: usize, c_out: usize) -> Layer {
    Layer { batch, size, c_in, c_out }
}

const LAYERS: &[Layer] = &[
    layer(1, 56, 64, 64),
    layer(1, 28, 128, 128),
    layer(1, 14, 256, 256),
    layer(1, 7, 512, 512),
    layer(8, 56, 64, 64),
    layer(8, 28, 128, 128),
    layer(8, 14, 256, 256),
    layer(8, 7, 512, 512),
    layer(1, 32, 32, 32),
    layer(1, 16, 32, 64),
    layer(1, 16, 64, 64),
    layer(1, 8, 64, 128),
    layer(1, 8, 128, 128),
    layer(32, 32, 32, 32),
    layer(32, 16, 32, 64),
    layer(32, 16, 64, 64),
    layer(32, 8, 64, 128),
    layer(32, 8, 128, 128),
    layer(1, 4, 128, 128),
    layer(1, 16, 16, 16),
    layer(32, 16, 16, 16),
];

impl Layer {
    fn image(&self) -> [usize; 3] {
        [self.size, self.size, self.c_in]
    }

    fn full(&self) -> [usize; 3] {
        [self.size, self.size, self.c_out]
    }

    fn flops(&self) -> ItemsCount {
        ItemsCount::new(2 * 9 * self.batch * self.size * self.size * self.c_in * self.c_out)
    }
}

fn noise(len: usize, scale: f32) -> Vec<f32> {
    let stream = Stream::new(1);
    (0..len as u64).map(|i| scale * (2.0 * stream.uniform(i) - 1.0)).collect()
}

/// As many weights of `len` values as the calls go through.
fn weights(l: &Layer, len: usize) -> Vec<Vec<f32>> {
    let values = if l.size.is_power_of_two() { VGG_WEIGHTS } else { RESNET_WEIGHTS };
    vec![noise(len, 0.1); values.div_ceil(len)]
}

#[divan::bench(args = LAYERS)]
fn direct(bencher: Bencher<'_, '_>, l: &Layer) {
    let geometry = Geometry::forward(&WINDOW, l.image(), l.full(), Batch { images: l.batch, groups: 1, blocks: 1 });
    let kernels = kernels_f32();
    let x = noise(l.batch * l.image().iter().product::<usize>() + 16, 1.0);
    let sets = weights(l, 9 * l.c_in * l.c_out.next_multiple_of(kernels.width(l.c_out).block));
    let bias = noise(l.c_out.next_multiple_of(32), 1.0);
    let y = Tensor::<f32>::zeros(&[l.batch, l.c_out, l.size, l.size]);
    let mut next = sets.iter().cycle();
    bencher.counter(l.flops()).bench_local(|| {
        let w = next.next().unwrap();
        let (c_group, k_group) = (l.c_in, l.c_out);
        let y = y.as_ptr();
        let finish = Finish { bias: &bias, relu: true, ..Finish::NONE };
        let job = Job { geometry: &geometry, kernels, x: &x, w, finish, y, groups: 1, c_group, k_group, depthwise: false };
        parallel_for(l.batch * geometry.items(), usize::MAX, &|item| {
            // SAFETY: the output has the geometry's size; items write their own rows.
            unsafe { job.run(item) };
        });
    });
}

fn winograd(bencher: Bencher<'_, '_>, l: &Layer, variant: Variant) {
    let plan = Winograd::new(kernels_f32(), variant, &WINDOW, l.batch, l.image(), l.full());
    let x = noise(l.batch * l.image().iter().product::<usize>() + 16, 1.0);
    let sets = weights(l, plan.weights_len());
    let bias = noise(l.c_out, 1.0);
    let v = Tensor::<f32>::zeros(&[plan.transformed_len()]);
    let y = Tensor::<f32>::zeros(&[l.batch, l.c_out, l.size, l.size]);
    let mut next = sets.iter().cycle();
    bencher.counter(l.flops()).bench_local(|| {
        let u = next.next().unwrap();
        let job = WinogradJob { plan: &plan, x: &x, u, bias: &bias, affine: None, residual: &[], relu: true, v: v.as_ptr(), y: y.as_ptr() };
        // SAFETY: all memory has the plan's sizes; items of a phase write their own parts.
        parallel_for(plan.transform_items(), usize::MAX, &|item| unsafe { job.transform(item) });
        // SAFETY: as above.
        parallel_for(plan.items(), usize::MAX, &|item| unsafe { job.run(item) });
    });
}

#[divan::bench(args = LAYERS)]
fn f2(bencher: Bencher<'_, '_>, l: &Layer) {
    winograd(bencher, l, Variant::F2);
}

#[divan::bench(args = LAYERS)]
fn f4(bencher: Bencher<'_, '_>, l: &Layer) {
    winograd(bencher, l, Variant::F4);
}
