//! Gradients of every cell against central differences, in double precision.
//!
//! With a fixed `gy`, the gradients of `sum(gy * y)` with respect to inputs and trainable parameters are what
//! back-propagating `gy` must give. Every kind of the catalogue needs at least one case.

use crate::activation::Activation;
use crate::config::{Config, Value};
use crate::graph::{Unit, Var};
use crate::{Tensor, config};
use std::sync::Arc;

const EPS: f64 = 1e-6;
const ATOL: f64 = 1e-5;
const RTOL: f64 = 1e-3;

/// A cell with its parameters, and what it is given.
struct Case {
    kind: &'static str,
    config: Config,
    /// Shapes of the inputs.
    inputs: Vec<[usize; 4]>,
    activation: Option<(&'static str, Config)>,
    learn: bool,
}

impl Case {
    fn on(kind: &'static str, config: Config, inputs: &[[usize; 4]]) -> Self {
        Case { kind, config, inputs: inputs.to_vec(), activation: None, learn: true }
    }

    fn with(mut self, activation: &'static str, config: Config) -> Self {
        self.activation = Some((activation, config));
        self
    }

    fn at_test(mut self) -> Self {
        self.learn = false;
        self
    }
}

/// A mapping of 3 channels and 4 outputs, none of its columns alike, one of them empty on request.
fn mapping(rows: usize, columns: usize, values: &[u8]) -> Value {
    Value::Mask(rows, columns, values.iter().map(|v| *v == 1).collect())
}

fn cases() -> Vec<Case> {
    let conv = |more: Config| {
        let mut c = config! { "nb_inputs" => 3usize, "nb_outputs" => 4usize, "kernel_dims" => [3usize, 2] };
        more.iter().for_each(|(n, v)| c.set(n, v.clone()));
        c
    };
    let fc = |more: Config| {
        let mut c = config! { "nb_inputs" => 12usize, "nb_outputs" => 5usize };
        more.iter().for_each(|(n, v)| c.set(n, v.clone()));
        c
    };
    let pool = |pooling: &str, more: Config| {
        let mut c = config! { "pooling" => pooling };
        more.iter().for_each(|(n, v)| c.set(n, v.clone()));
        c
    };
    let image = [2, 3, 5, 6];
    let mut cases = vec![
        Case::on("Conv", conv(Config::default()), &[image]),
        Case::on("Conv", conv(config! { "stride_dims" => [2usize, 1], "padding_dims" => [1usize, 2] }), &[image]),
        Case::on("Conv", conv(config! { "dilation_dims" => [2usize, 3], "padding_dims" => [2usize, 1] }), &[image]),
        Case::on("Conv", conv(config! { "sub_sample_dims" => [2usize, 2], "no_bias" => true }), &[image]),
        Case::on(
            "Conv",
            conv(config! { "nb_inputs" => 4usize, "mapping" => mapping(4, 4, &[1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1]) }),
            &[[2, 4, 4, 4]],
        ),
        Case::on("Conv", conv(config! { "mapping" => mapping(3, 4, &[1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1]) }), &[image]),
        Case::on("Conv", conv(config! { "nb_outputs" => 3usize, "mapping" => mapping(3, 3, &[1, 0, 0, 0, 1, 0, 0, 0, 1]) }), &[image]),
        Case::on("Conv", conv(config! { "nb_input_cells" => 2usize }), &[[2, 3, 4, 4], [2, 3, 4, 4]]),
        Case::on("Conv", conv(Config::default()), &[image]).with("Rectifier", config! { "leak_slope" => 0.1 }),
        Case::on("Conv", conv(config! { "stride_dims" => [2usize, 2] }), &[image]).with("Tanh", config! { "alpha" => 0.7 }),
        Case::on("Conv", conv(Config::default()), &[image]).with("Rectifier", Config::default()),
        Case::on("Fc", fc(Config::default()), &[[3, 12, 1, 1]]),
        Case::on("Fc", fc(Config::default()), &[[2, 3, 2, 2]]).with("Tanh", Config::default()),
        Case::on("Fc", fc(config! { "no_bias" => true }), &[[2, 3, 2, 2]]).with("Rectifier", Config::default()),
        Case::on("Fc", fc(config! { "drop_connect" => 0.6 }), &[[2, 12, 1, 1]]),
        Case::on("Fc", fc(Config::default()), &[[2, 2, 2, 2], [2, 4, 1, 1]]),
        Case::on("Activation", Config::default(), &[image]),
        Case::on("Activation", Config::default(), &[image]).with("Rectifier", config! { "leak_slope" => 0.2, "clipping" => 0.6 }),
        Case::on("Activation", Config::default(), &[[1, 2, 3, 3], [1, 1, 3, 3]]).with("Linear", config! { "clipping" => 0.5 }),
        Case::on("Softmax", Config::default(), &[[3, 5, 1, 1]]),
        Case::on("Softmax", config! { "group_size" => 3usize }, &[[2, 6, 2, 2]]),
        Case::on("Dropout", config! { "dropout" => 0.3 }, &[image]),
        Case::on("Dropout", Config::default(), &[image]).at_test(),
        Case::on("BatchNorm2d", config! { "nb_inputs" => 3usize }, &[image]),
        Case::on("BatchNorm2d", config! { "nb_inputs" => 3usize, "epsilon" => 0.1 }, &[[4, 3, 1, 1]]).with("Rectifier", Config::default()),
        Case::on("BatchNorm2d", config! { "nb_inputs" => 3usize, "moving_average_momentum" => 0i64 }, &[image]),
        Case::on("BatchNorm2d", config! { "nb_inputs" => 3usize }, &[[2, 1, 3, 3], [2, 2, 3, 3]]).at_test(),
        Case::on("Reshape", config! { "dims" => vec![1i64, 1, -1] }, &[image]),
        Case::on("Reshape", config! { "dims" => vec![0i64, 3, 5] }, &[image]),
    ];
    for pooling in ["Max", "Average"] {
        cases.extend([
            Case::on("Pool", pool(pooling, config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }), &[image]),
            Case::on("Pool", pool(pooling, config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }), &[[2, 11, 5, 4]]),
            Case::on(
                "Pool",
                pool(pooling, config! { "pool_dims" => [3usize, 2], "stride_dims" => [2usize, 1], "padding_dims" => 1i64 }),
                &[image],
            ),
            Case::on("Pool", pool(pooling, config! { "pool_dims" => 2i64, "stride_dims" => 3i64 }), &[image]),
            Case::on("Pool", pool(pooling, config! { "pool_dims" => 2i64, "padding_dims" => 2i64 }), &[[1, 2, 2, 3]]),
            Case::on("Pool", pool(pooling, config! { "global" => true }), &[image]).with("Tanh", Config::default()),
            Case::on("Pool", pool(pooling, config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }), &[[2, 2, 4, 4], [2, 3, 4, 4]]),
            Case::on(
                "Pool",
                pool(pooling, config! { "pool_dims" => 2i64, "mapping" => mapping(3, 4, &[1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0]) }),
                &[image],
            ),
        ]);
    }
    let three = [[2, 3, 2, 2]; 3];
    for operation in ["Sum", "AbsSum", "EuclideanSum", "Prod", "Max"] {
        let coefficients = config! { "operation" => operation, "weights" => vec![0.5, -2.0], "shifts" => vec![0.25] };
        let mut per_channel = coefficients.clone();
        per_channel.set("mode", "PerChannel");
        cases.extend([
            Case::on("ElemWise", config! { "operation" => operation }, &three),
            Case::on("ElemWise", coefficients, &three).with("Tanh", Config::default()),
            Case::on("ElemWise", per_channel, &three[..2]),
            Case::on("ElemWise", config! { "operation" => operation }, &three[..1]),
        ]);
    }
    cases
}

/// Values in ]-1, 1[, all apart from each other and from 0 by far more than a difference reaches.
fn values(len: usize, salt: usize) -> Vec<f64> {
    (0..len).map(|i| (((i + 1) * 7919 + salt * 104_729) % 2003) as f64 / 1001.5 - 1.0 + 1e-4).collect()
}

/// A case set up with its values.
struct Check {
    unit: Arc<Unit<f64>>,
    inputs: Vec<Vec<f64>>,
    shapes: Vec<[usize; 4]>,
}

impl Check {
    fn new(case: &Case) -> Self {
        let unit = Unit::new("cell", case.kind, &case.config).unwrap();
        unit.with(|u| {
            u.learn = case.learn;
            u.activation = case.activation.as_ref().map(|(kind, config)| Activation::new(kind, config).unwrap());
            for (i, p) in u.cell.params_mut().iter_mut().enumerate() {
                let mut v = values(p.len(), i + 5);
                if p.name == "variances" {
                    v = v.into_iter().map(|v| v.abs() + 0.5).collect();
                }
                p.assign(&v).unwrap();
            }
        });
        let inputs = case.inputs.iter().enumerate().map(|(i, s)| values(s.iter().product(), i)).collect();
        Check { unit, inputs, shapes: case.inputs.clone() }
    }

    /// One pass, always with the same random numbers.
    fn pass(&self) -> (Vec<Var<f64>>, Var<f64>) {
        let leaf = |(v, s): (&Vec<f64>, &[usize; 4])| Var::leaf(Tensor::from_vec(v.clone(), s).unwrap(), true);
        let inputs: Vec<_> = self.inputs.iter().zip(&self.shapes).map(leaf).collect();
        self.unit.with(|u| u.step = 3);
        let y = self.unit.call(&inputs).unwrap();
        (inputs, y)
    }

    fn objective(&self, gy: &[f64]) -> f64 {
        self.pass().1.tensor().to_vec().iter().zip(gy).map(|(y, d)| y * d).sum()
    }

    /// The slope of the objective where `set` moves one value to and fro.
    fn slope(&mut self, gy: &[f64], mut set: impl FnMut(&mut Self, f64)) -> f64 {
        set(self, EPS);
        let high = self.objective(gy);
        set(self, -EPS);
        let low = self.objective(gy);
        set(self, 0.0);
        (high - low) / (2.0 * EPS)
    }
}

fn compare(what: &str, gradient: &[f64], slopes: &[f64], wrong: &mut Vec<String>) {
    assert_eq!(gradient.len(), slopes.len(), "{what}");
    for (i, (g, s)) in gradient.iter().zip(slopes).enumerate() {
        if (g - s).abs() > ATOL + RTOL * s.abs() || !g.is_finite() {
            wrong.push(format!("{what}[{i}]: gradient {g}, difference {s}"));
        }
    }
}

fn check(case: &Case) -> Vec<String> {
    let mut check = Check::new(case);
    let (inputs, y) = check.pass();
    let gy = values(y.tensor().len(), 11);
    y.back_propagate(Some(Tensor::from_vec(gy.clone(), y.tensor().shape()).unwrap())).unwrap();
    let input_grads: Vec<Vec<f64>> = inputs.iter().map(|x| x.grad().unwrap().to_vec()).collect();
    let params: Vec<(usize, &str, Vec<f64>, Vec<f64>)> = check.unit.with(|u| {
        let trainable = u.cell.params().iter().enumerate().filter(|(_, p)| p.solver.is_some());
        trainable.map(|(i, p)| (i, p.name, p.to_vec(), p.grad_to_vec())).collect()
    });
    let mut wrong = Vec::new();
    for (k, gradient) in input_grads.iter().enumerate() {
        let slopes: Vec<f64> = (0..gradient.len())
            .map(|i| {
                let was = check.inputs[k][i];
                check.slope(&gy, |c, by| c.inputs[k][i] = was + by)
            })
            .collect();
        compare(&format!("input {k}"), gradient, &slopes, &mut wrong);
    }
    for (p, name, at, gradient) in params {
        let slopes: Vec<f64> = (0..at.len())
            .map(|i| {
                check.slope(&gy, |c, by| {
                    let mut moved = at.clone();
                    moved[i] += by;
                    c.unit.with(|u| u.cell.params_mut()[p].assign(&moved)).unwrap();
                })
            })
            .collect();
        compare(name, &gradient, &slopes, &mut wrong);
    }
    wrong
}

#[test]
fn every_cell_has_cases() {
    let cases = cases();
    let missing: Vec<_> = super::KINDS.iter().filter(|k| !cases.iter().any(|c| c.kind == **k)).collect();
    assert!(missing.is_empty(), "add gradient-check cases for {missing:?}");
}

#[test]
fn gradients_are_slopes() {
    let mut report = Vec::new();
    for case in cases() {
        let wrong = check(&case);
        if !wrong.is_empty() {
            let first = wrong[..wrong.len().min(3)].join("\n  ");
            let Case { kind, config, inputs, activation, learn } = case;
            report.push(format!("{kind} {config:?} on {inputs:?}, {activation:?}, learn {learn}: {} wrong\n  {first}", wrong.len()));
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn a_gradient_that_is_not_the_slope_is_found() {
    // With a loss the gradient passes a softmax unchanged, which is the slope of the cross-entropy and not of the output.
    let wrong = check(&Case::on("Softmax", config! { "with_loss" => true }, &[[1, 3, 1, 1]]));
    assert!(wrong.len() == 3 && wrong[0].starts_with("input 0[0]: gradient"), "{wrong:?}");
}
