//! Trains a LeNet on the digits shipped with the Python package, with the engine alone.
//!
//! `cargo run --release --package n2d2-core --example lenet [EPOCHS [FOLDER]]`; the folder holds MNIST's four IDX files.

use n2d2_core::activation::Activation;
use n2d2_core::data::idx::{self, Labelled};
use n2d2_core::graph::{Unit, Var};
use n2d2_core::solver::Solver;
use n2d2_core::target::{Labels, Score};
use n2d2_core::{Config, Error, Result, Tensor, config, filler, random};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const BATCH: usize = 32;
const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/n2d2/data");

/// A layer of the network: its cell, filled and with its solver, and its activation.
fn layer(name: &str, kind: &str, config: &Config, relu: bool) -> Result<Arc<Unit<f32>>> {
    let unit = Unit::new(name, kind, config)?;
    let he = filler::create("He", &Config::default())?;
    let zero = filler::create("Constant", &Config::default())?;
    unit.with(|u| {
        for p in u.cell.params_mut() {
            p.fill(if p.name == "bias" { &zero } else { &he }, &mut random::global());
            p.solver = Some(Solver::new("SGD", &config! { "learning_rate" => 0.05, "momentum" => 0.9, "decay" => 0.0005 })?);
        }
        u.activation = if relu { Some(Activation::new("Rectifier", &Config::default())?) } else { None };
        Ok::<(), Error>(())
    })?;
    Ok(unit)
}

fn lenet() -> Result<Vec<Arc<Unit<f32>>>> {
    let conv = |c_in: usize, c_out: usize| config! { "nb_inputs" => c_in, "nb_outputs" => c_out, "kernel_dims" => vec![5i64, 5] };
    let fc = |c_in: usize, c_out: usize| config! { "nb_inputs" => c_in, "nb_outputs" => c_out };
    let pool = config! { "pool_dims" => vec![2i64, 2], "stride_dims" => vec![2i64, 2] };
    Ok(vec![
        layer("conv1", "Conv", &conv(1, 6), true)?,
        layer("pool1", "Pool", &pool, false)?,
        layer("conv2", "Conv", &conv(6, 16), true)?,
        layer("pool2", "Pool", &pool, false)?,
        layer("fc1", "Fc", &fc(256, 120), true)?,
        layer("fc2", "Fc", &fc(120, 84), true)?,
        layer("fc3", "Fc", &fc(84, 10), false)?,
        layer("softmax", "Softmax", &config! { "with_loss" => true }, false)?,
    ])
}

/// The images at `which`, with pixels in 0 to 1, and their labels.
fn batch(data: &Labelled, which: &[usize]) -> Result<(Var<f32>, Vec<i32>)> {
    let size = data.rows * data.columns;
    let pixels = which.iter().flat_map(|i| &data.pixels[i * size..(i + 1) * size]).map(|p| f32::from(*p) / 255.0).collect();
    let labels = which.iter().map(|i| data.labels[*i]).collect();
    Ok((Var::leaf(Tensor::from_vec(pixels, &[which.len(), 1, data.rows, data.columns])?, false), labels))
}

/// Goes once through the images and returns the success rate; learns from them in the partition `Learn`.
fn epoch(net: &[Arc<Unit<f32>>], score: &mut Score, partition: &str, data: &Labelled, order: &[usize]) -> Result<f64> {
    let learn = partition == "Learn";
    for unit in net {
        unit.with(|u| u.learn = learn);
    }
    score.clear_score(partition);
    for which in order.chunks(BATCH) {
        let (x, labels) = batch(data, which)?;
        let y = net.iter().try_fold(x, |x, unit| unit.call(&[x]))?;
        let found = score.evaluate(partition, y.tensor(), &Labels::new("score", &labels, &[labels.len()])?, true)?;
        if learn {
            y.back_propagate(Some(found.gradient))?;
            y.update()?;
        }
    }
    Ok(score.averages(partition, 0).success)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let epochs: usize = arguments.next().map_or(10, |a| a.parse().expect("EPOCHS is a number"));
    let folder = arguments.next().map_or_else(|| PathBuf::from(DIGITS), PathBuf::from);
    let read = |images: &str, labels: &str| {
        let file = |name: &str| idx::find(Path::new(&folder), name);
        idx::read_labelled(&file(images)?, &file(labels)?, 10)
    };
    let learn = read("train-images-idx3-ubyte", "train-labels-idx1-ubyte")?;
    let test = read("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")?;

    random::global().seed(1);
    let net = lenet()?;
    let mut score = Score::new("score", &Config::default())?;
    let mut order: Vec<usize> = (0..learn.count).collect();
    let in_order: Vec<usize> = (0..test.count).collect();
    for i in 1..=epochs {
        random::global().shuffle(&mut order);
        let start = Instant::now();
        let learned = epoch(&net, &mut score, "Learn", &learn, &order)?;
        let rate = learn.count as f64 / start.elapsed().as_secs_f64();
        let tested = epoch(&net, &mut score, "Test", &test, &in_order)?;
        println!("epoch {i:2}: learn {:.2} %, test {:.2} %, {rate:.0} images/s", 100.0 * learned, 100.0 * tested);
    }
    Ok(())
}
