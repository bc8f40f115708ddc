//! Time of a LeNet training step (forward, loss, backward, update), by batch size and number of threads.
//!
//! `cargo bench --package n2d2-core --bench lenet_step`; the items are images.

use divan::Bencher;
use divan::counter::ItemsCount;
use n2d2_core::activation::Activation;
use n2d2_core::device::cpu::set_threads;
use n2d2_core::graph::{Unit, Var};
use n2d2_core::solver::Solver;
use n2d2_core::target::{Labels, Score};
use n2d2_core::{Config, Tensor, config, filler, random};
use std::sync::Arc;

fn main() {
    divan::main();
}

fn layer(kind: &str, config: &Config, relu: bool) -> Arc<Unit<f32>> {
    let unit = Unit::new("bench", kind, config).unwrap();
    let he = filler::create("He", &Config::default()).unwrap();
    unit.with(|u| {
        for p in u.cell.params_mut() {
            p.fill(&he, &mut random::global());
            p.solver = Some(Solver::new("SGD", &config! { "learning_rate" => 1e-4, "momentum" => 0.9 }).unwrap());
        }
        u.activation = relu.then(|| Activation::new("Rectifier", &Config::default()).unwrap());
    });
    unit
}

fn lenet() -> Vec<Arc<Unit<f32>>> {
    let conv = |c_in: usize, c_out: usize| config! { "nb_inputs" => c_in, "nb_outputs" => c_out, "kernel_dims" => vec![5i64, 5] };
    let fc = |c_in: usize, c_out: usize| config! { "nb_inputs" => c_in, "nb_outputs" => c_out };
    let pool = config! { "pool_dims" => vec![2i64, 2], "stride_dims" => vec![2i64, 2] };
    vec![
        layer("Conv", &conv(1, 6), true),
        layer("Pool", &pool, false),
        layer("Conv", &conv(6, 16), true),
        layer("Pool", &pool, false),
        layer("Fc", &fc(256, 120), true),
        layer("Fc", &fc(120, 84), true),
        layer("Fc", &fc(84, 10), false),
        layer("Softmax", &config! { "with_loss" => true }, false),
    ]
}

#[divan::bench(args = [1, 32, 256], consts = [1, 2])]
fn step<const THREADS: usize>(bencher: Bencher<'_, '_>, batch: usize) {
    set_threads(THREADS);
    let net = lenet();
    let stream = random::Stream::new(7);
    // Enough batches that no cache or branch predictor meets the same one twice in a row.
    let batches: Vec<(Var<f32>, Vec<i32>)> = (0..(4096 / batch) as u64)
        .map(|k| {
            let pixels = (0..batch as u64 * 784).map(|i| stream.uniform(k << 32 | i)).collect();
            let x = Tensor::from_vec(pixels, &[batch, 1, 28, 28]).unwrap();
            (Var::leaf(x, false), (0..batch as i32).map(|i| i * 7 % 10).collect())
        })
        .collect();
    let mut score = Score::new("score", &Config::default()).unwrap();
    let mut next = (0..batches.len()).cycle();
    bencher.counter(ItemsCount::new(batch)).bench_local(|| {
        let (x, labels) = &batches[next.next().unwrap()];
        let y = net.iter().fold(x.clone(), |x, unit| unit.call(&[x]).unwrap());
        let labels = Labels::new("score", labels, &[batch]).unwrap();
        let found = score.evaluate("Learn", y.tensor(), &labels, true).unwrap();
        y.back_propagate(Some(found.gradient)).unwrap();
        y.update().unwrap();
    });
}
