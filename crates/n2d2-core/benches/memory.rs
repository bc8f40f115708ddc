//! Speed of the cells that memory bounds, and of the solvers: GB/s of each pass and the shares of the triad measured on the
//! spot, first that in the caches, then that over as many bytes as the pass moves, which may be more than the caches hold.
//!
//! `cargo bench --package n2d2-core --bench memory -- WORDS`: rows whose names hold all words, such as `norm` or `batch 64`.
//! The bytes are those that must move: each input read once, each output written once (by a pass over values, also the
//! gradient that an activation changes). A depthwise convolution of 3x3 taps also makes 18 operations an output forward and 36 back,
//! which take longer than its bytes where those lie in the caches: it is held to the larger of both bounds, the third share, which
//! says which it is. Taps outside the image do not count. The gradient comes from a cell behind, whose own time is taken away.
//! `N2D2_BENCH_JSON=FILE` writes the figures for programs: see `machine/mod.rs`.

mod machine;

use machine::{Figure, chosen, each_thread_count, passing_on, record, share, turns};
use n2d2_core::activation::Activation;
use n2d2_core::device::cpu::Triad;
use n2d2_core::graph::{Unit, Var};
use n2d2_core::solver::Solver;
use n2d2_core::{Config, Tensor, config};
use std::hint::black_box;
use std::sync::Arc;

/// A cell, the number of its inputs, whether it rectifies, and the tensors of the size of an input or of the output that its
/// passes move.
struct Cell {
    name: &'static str,
    kind: &'static str,
    config: fn(usize) -> Config,
    inputs: usize,
    relu: bool,
    /// Inputs and outputs moved forth; inputs and outputs moved back.
    moved: [[usize; 2]; 2],
    /// The step of a depthwise convolution of 3x3 taps, whose operations count too.
    depthwise: Option<usize>,
}

fn depthwise(c: usize, stride: usize) -> Config {
    let mapping = n2d2_core::Value::Mask(c, c, (0..c * c).map(|i| i / c == i % c).collect());
    let mut config = config! { "nb_inputs" => c, "nb_outputs" => c, "kernel_dims" => [3usize, 3], "padding_dims" => [1usize, 1] };
    config.set("stride_dims", [stride, stride]);
    config.set("no_bias", true);
    config.set("mapping", mapping);
    config
}

fn pool(kind: &str, size: usize, stride: usize) -> Config {
    config! { "pooling" => kind, "pool_dims" => [size, size], "stride_dims" => [stride, stride], "padding_dims" => [size / 3, size / 3] }
}

const CELLS: &[Cell] = &[
    Cell {
        name: "batch norm",
        kind: "BatchNorm2d",
        config: |c| config! { "nb_inputs" => c },
        inputs: 1,
        relu: false,
        moved: [[2, 1], [3, 2]],
        depthwise: None,
    },
    Cell {
        name: "batch norm + relu",
        kind: "BatchNorm2d",
        config: |c| config! { "nb_inputs" => c },
        inputs: 1,
        relu: true,
        moved: [[2, 1], [3, 3]],
        depthwise: None,
    },
    Cell { name: "sum", kind: "ElemWise", config: |_| config! {}, inputs: 2, relu: false, moved: [[2, 1], [2, 1]], depthwise: None },
    Cell { name: "sum + relu", kind: "ElemWise", config: |_| config! {}, inputs: 2, relu: true, moved: [[2, 1], [2, 3]], depthwise: None },
    Cell { name: "relu", kind: "Activation", config: |_| config! {}, inputs: 1, relu: true, moved: [[1, 1], [1, 4]], depthwise: None },
    Cell { name: "softmax", kind: "Softmax", config: |_| config! {}, inputs: 1, relu: false, moved: [[1, 1], [1, 2]], depthwise: None },
    Cell { name: "dropout", kind: "Dropout", config: |_| config! {}, inputs: 1, relu: false, moved: [[1, 2], [1, 2]], depthwise: None },
    Cell {
        name: "max pool 2x2",
        kind: "Pool",
        config: |_| pool("Max", 2, 2),
        inputs: 1,
        relu: false,
        moved: [[1, 2], [1, 2]],
        depthwise: None,
    },
    Cell {
        name: "max pool 3x3",
        kind: "Pool",
        config: |_| pool("Max", 3, 2),
        inputs: 1,
        relu: false,
        moved: [[1, 2], [1, 2]],
        depthwise: None,
    },
    Cell {
        name: "average pool 2x2",
        kind: "Pool",
        config: |_| pool("Average", 2, 2),
        inputs: 1,
        relu: false,
        moved: [[1, 1], [1, 1]],
        depthwise: None,
    },
    Cell {
        name: "global average",
        kind: "Pool",
        config: |_| config! { "pooling" => "Average", "global" => true },
        inputs: 1,
        relu: false,
        moved: [[1, 1], [1, 1]],
        depthwise: None,
    },
    Cell {
        name: "depthwise stride 1",
        kind: "Conv",
        config: |c| depthwise(c, 1),
        inputs: 1,
        relu: false,
        moved: [[1, 1], [2, 2]],
        depthwise: Some(1),
    },
    Cell {
        name: "depthwise stride 2",
        kind: "Conv",
        config: |c| depthwise(c, 2),
        inputs: 1,
        relu: false,
        moved: [[1, 1], [2, 2]],
        depthwise: Some(2),
    },
];

/// `[batch, channels, height, width]`: `MobileNet` and `ResNet` at 32x32 (batch 64) and at 224x224 (batch 8).
const SHAPES: &[[usize; 4]] = &[
    [64, 64, 16, 16],
    [64, 128, 8, 8],
    [64, 512, 2, 2],
    [64, 64, 32, 32],
    [8, 64, 112, 112],
    [8, 128, 56, 56],
    [8, 256, 28, 28],
    [8, 512, 14, 14],
    [8, 1024, 7, 7],
];

/// Values between -1 and 1 without a pattern that a branch predictor could learn, laid out as the outputs of cells are.
fn batch(shape: &[usize], key: u64) -> Tensor<f32> {
    let stream = n2d2_core::random::Stream::new(key);
    let values = (0..shape.iter().product::<usize>() as u64).map(|i| 2.0 * stream.uniform(i) - 1.0).collect();
    let copy = Unit::new("batch", "Activation", &Config::default()).unwrap();
    copy.call(&[Var::leaf(Tensor::from_vec(values, shape).unwrap(), false)]).unwrap().tensor().clone()
}

fn bytes(inputs: usize, input: usize, outputs: usize, output: usize) -> f64 {
    ((inputs * input + outputs * output) * size_of::<f32>()) as f64
}

/// Multiply-adds of 3x3 taps with a step and a padding of 1, those outside the images left out.
fn multiply_adds(step: usize, [n, c, h, w]: &[usize; 4]) -> usize {
    let taps = |size: usize| (0..size).step_by(step).map(|o| 3 - usize::from(o == 0) - usize::from(o + 1 == size)).sum::<usize>();
    n * c * taps(*h) * taps(*w)
}

/// The share of the triad over as many bytes, or of the larger bound, that is wanted of a pass, but not of softmax, which computes.
const FLOOR: f64 = 0.8;

fn row(name: &str, passes: &[(&str, Option<Figure>)]) {
    print!("{name:44}");
    for (pass, found) in passes {
        let found = found.as_ref();
        print!(" {:9.1} us {}", found.map_or(0.0, |f| f.us), share(found));
        record("memory", name, pass, found, (!name.starts_with("softmax")).then_some(FLOOR));
    }
    println!();
}

fn cell(cell: &Cell, shape: &[usize; 4]) {
    let [n, c, h, w] = shape;
    let name = format!("{} {c} x {h}x{w} batch {n}", cell.name);
    if !chosen(&name) {
        return;
    }
    let unit = Unit::<f32>::new("bench", cell.kind, &(cell.config)(*c)).unwrap();
    unit.with(|u| u.activation = cell.relu.then(|| Activation::new("Rectifier", &Config::default()).unwrap()));
    let inputs: Vec<_> = (0..cell.inputs as u64).map(|k| Var::leaf(batch(shape, k), true)).collect();
    let behind = passing_on();
    let y = behind.call(&[unit.call(&inputs).unwrap()]).unwrap();
    let gradient = batch(y.tensor().shape(), 9);
    let of_neither = behind.call(&[Var::leaf(gradient.clone(), true)]).unwrap();
    let (input, output) = (shape.iter().product(), y.tensor().len());
    let [forth, back] = cell.moved;
    let moved = [bytes(forth[0], input, forth[1], output), bytes(back[0], input, back[1], output)];
    let triads = moved.map(|bytes| Triad::new(bytes as usize));
    let mut forth = || drop(black_box(unit.call(&inputs).unwrap()));
    let back = |y: &Var<f32>| y.back_propagate(Some(gradient.clone())).unwrap();
    let (mut back_both, mut back_neither) = (|| back(&y), || back(&of_neither));
    let (mut first, mut second) = (|| triads[0].sweep(1), || triads[1].sweep(1));
    let taken = turns(&mut [&mut forth, &mut first, &mut back_both, &mut back_neither, &mut second]);
    let [forth, first, both, neither, second] = [0, 1, 2, 3, 4].map(|i| taken.seconds[i]);
    let flops = cell.depthwise.map(|step| 2.0 * multiply_adds(step, shape) as f64);
    let forward = taken.beside(moved[0], flops, |r| forth[r], &triads[0], |r| first[r]);
    let backward = taken.beside(moved[1], flops.map(|f| 2.0 * f), |r| both[r] - neither[r], &triads[1], |r| second[r]);
    row(&name, &[("forward", forward), ("backward", backward)]);
}

/// All parameters of a network in one update: dense layers of these numbers of inputs and outputs.
fn update(name: &str, layers: &[(usize, usize)], solver: &Config, kind: &str, moved: usize) {
    if !chosen(name) {
        return;
    }
    let layer = |(i, o): &(usize, usize)| -> Arc<Unit<f32>> {
        let unit = Unit::new("bench", "Fc", &config! { "nb_inputs" => *i, "nb_outputs" => *o }).unwrap();
        unit.with(|u| {
            for p in u.cell.params_mut() {
                p.solver = Some(Solver::new(kind, solver).unwrap());
            }
        });
        unit
    };
    let net: Vec<_> = layers.iter().map(layer).collect();
    let outputs: Vec<_> = net.iter().zip(layers).map(|(u, (i, _))| u.call(&[Var::leaf(batch(&[1, *i, 1, 1], 3), true)]).unwrap()).collect();
    for y in &outputs {
        y.back_propagate(None).unwrap();
    }
    let values: usize = net.iter().map(|u| u.with(|u| u.cell.params().iter().map(|p| p.layout.len).sum::<usize>())).sum();
    let moved = bytes(moved, values, 0, 0);
    let triad = Triad::new(moved as usize);
    let mut update = || {
        for unit in &net {
            unit.with(|u| {
                for p in u.cell.params_mut() {
                    p.grad_filled = true;
                }
            });
        }
        n2d2_core::graph::update_all(&outputs).unwrap();
    };
    let taken = turns(&mut [&mut update, &mut || triad.sweep(1)]);
    let [updates, sweeps] = [0, 1].map(|i| taken.seconds[i]);
    row(name, &[("update", taken.beside(moved, None, |r| updates[r], &triad, |r| sweeps[r]))]);
}

fn main() {
    for _ in each_thread_count() {
        println!("{:44} {:>32} {:>32}", "", "forward", "backward");
        for c in CELLS {
            for shape in SHAPES {
                cell(c, shape);
            }
        }
        let sgd = config! { "learning_rate" => 1e-4, "momentum" => 0.9 };
        let adam = config! { "learning_rate" => 1e-4 };
        // The parameters of LeNet-5: two convolutions as dense layers of their size, three dense layers.
        let lenet = [(25, 6), (150, 16), (256, 120), (120, 84), (84, 10)];
        let large = [(512, 4096), (4096, 1024)];
        for (name, layers) in [("LeNet", &lenet[..]), ("6 million values", &large[..])] {
            update(&format!("SGD with momentum, {name}"), layers, &sgd, "SGD", 5);
            update(&format!("Adam, {name}"), layers, &adam, "Adam", 7);
        }
    }
}
