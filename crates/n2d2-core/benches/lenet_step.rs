//! Time of small networks: the inference and the training step (forward, loss, backward, update) of a LeNet-5 and of an MLP.
//!
//! `cargo bench --package n2d2-core --bench lenet_step -- WORDS`: rows whose names hold all words, such as `LeNet` or
//! `batch 32`; with the word `cells` the time that each cell takes, in the threads' time together.

mod machine;

use machine::{each_thread_count, median_time};
use n2d2_core::activation::Activation;
use n2d2_core::graph::{Plan, Unit, Var, begin_profile, end_profile};
use n2d2_core::solver::Solver;
use n2d2_core::target::{Labels, Score};
use n2d2_core::{Config, Tensor, config, filler, random};
use std::hint::black_box;
use std::sync::Arc;

/// Images that take turns, so that no cache or branch predictor meets the same batch twice in a row.
const IMAGES: usize = 4096;

type Net = Vec<Arc<Unit<f32>>>;

fn layer(name: &str, kind: &str, config: &Config, relu: bool) -> Arc<Unit<f32>> {
    let unit = Unit::new(name, kind, config).unwrap();
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

/// A chain of cells.
fn plan(net: Net, learn: bool) -> Plan<f32> {
    for unit in &net {
        unit.set_learn(learn);
    }
    let (reads, end) = ((0..net.len()).map(|i| vec![i]).collect(), net.len());
    Plan::new(net, reads, 1, &[end]).unwrap()
}

fn conv(c_in: usize, c_out: usize) -> Arc<Unit<f32>> {
    let config = config! { "nb_inputs" => c_in, "nb_outputs" => c_out, "kernel_dims" => vec![5i64, 5] };
    layer(&format!("conv {c_in}->{c_out}"), "Conv", &config, true)
}

fn pool(name: &str) -> Arc<Unit<f32>> {
    layer(name, "Pool", &config! { "pool_dims" => vec![2i64, 2], "stride_dims" => vec![2i64, 2] }, false)
}

fn dense(c_in: usize, c_out: usize) -> Arc<Unit<f32>> {
    let config = config! { "nb_inputs" => c_in, "nb_outputs" => c_out };
    layer(&format!("fc {c_in}->{c_out}"), "Fc", &config, c_out != 10)
}

fn softmax() -> Arc<Unit<f32>> {
    layer("softmax", "Softmax", &config! { "with_loss" => true }, false)
}

fn lenet() -> Net {
    vec![conv(1, 6), pool("first pool"), conv(6, 16), pool("second pool"), dense(256, 120), dense(120, 84), dense(84, 10), softmax()]
}

fn mlp() -> Net {
    vec![dense(784, 300), dense(300, 100), dense(100, 10), softmax()]
}

/// Batches and their labels, in turn.
struct Batches {
    all: Vec<(Var<f32>, Vec<i32>)>,
    next: usize,
}

impl Batches {
    fn new(batch: usize) -> Self {
        let stream = random::Stream::new(7);
        let of = |k: usize| {
            let pixels = (0..batch as u64 * 784).map(|i| stream.uniform((k as u64) << 32 | i)).collect();
            let x = Tensor::from_vec(pixels, &[batch, 1, 28, 28]).unwrap();
            (Var::leaf(x, false), (0..batch as i32).map(|i| i * 7 % 10).collect())
        };
        Batches { all: (0..IMAGES / batch).map(of).collect(), next: 0 }
    }

    fn turn(&mut self) -> &(Var<f32>, Vec<i32>) {
        self.next = (self.next + 1) % self.all.len();
        &self.all[self.next]
    }
}

/// A network, its batches and what is measured.
struct Run {
    inference: Plan<f32>,
    training: Plan<f32>,
    batches: Batches,
    score: Score,
    batch: usize,
    cells: usize,
}

impl Run {
    fn new(net: fn() -> Net, batch: usize) -> Self {
        let score = Score::new("score", &Config::default()).unwrap();
        Run { inference: plan(net(), false), training: plan(net(), true), batches: Batches::new(batch), score, batch, cells: net().len() }
    }

    fn infer(&mut self) {
        let (x, _) = self.batches.turn();
        black_box(self.inference.call(std::slice::from_ref(x)).unwrap());
    }

    fn step(&mut self) {
        let (x, labels) = self.batches.turn();
        let run = self.training.call(std::slice::from_ref(x)).unwrap();
        let y = run.at(self.cells).unwrap();
        let labels = Labels::new("score", labels, &[self.batch]).unwrap();
        let found = self.score.evaluate("Learn", y.tensor(), &labels, true).unwrap();
        y.back_propagate(Some(found.gradient)).unwrap();
        y.update().unwrap();
    }
}

/// The time of each cell, for one call of `f`.
fn print_cells(title: &str, mut f: impl FnMut()) {
    let calls = 200;
    f();
    begin_profile();
    (0..calls).for_each(|_| f());
    println!("  {title}");
    for (i, pass) in end_profile().into_iter().enumerate() {
        let direction = if pass.backward { "backward" } else { "forward" };
        let us = pass.thread_ns as f64 / calls as f64 / 1e3;
        println!("    {i:2} {:12} {direction:9} {us:9.2} us {:7.1} GFLOP/s", pass.name, pass.flops / pass.thread_ns.max(1) as f64);
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let cells = words.iter().any(|w| w == "cells");
    let chosen = |name: &str| words.iter().filter(|w| *w != "cells").all(|w| name.contains(w.as_str()));
    for _ in each_thread_count() {
        println!("{:24} {:>12} {:>12}   microseconds", "", "inference", "step");
        for (name, net) in [("LeNet-5", lenet as fn() -> Net), ("MLP 784-300-100-10", mlp)] {
            for batch in [1, 32, 256] {
                let title = format!("{name}, batch {batch}");
                if !chosen(&title) {
                    continue;
                }
                let mut run = Run::new(net, batch);
                let inference = median_time(|| run.infer());
                let step = median_time(|| run.step());
                println!("{title:24} {:12.2} {:12.2}", inference * 1e6, step * 1e6);
                if cells {
                    print_cells("inference", || run.infer());
                    print_cells("training step", || run.step());
                }
            }
        }
    }
}
