//! The tape: branches, shared cells, modes, update, and the same bits for any number of threads.

use super::{Unit, Var};
use crate::activation::Activation;
use crate::cells::Param;
use crate::device::cpu::one_at_a_time;
use crate::error::Result;
use crate::random::test_values;
use crate::solver::Solver;
use crate::tensor::Tensor;
use crate::{Config, config};
use std::sync::Arc;

fn unit(name: &str, kind: &str, config: &Config) -> Arc<Unit<f32>> {
    Unit::new(name, kind, config).unwrap()
}

/// An Fc of one input and one output that multiplies by `w`.
fn times(name: &str, w: f32) -> Arc<Unit<f32>> {
    let u = unit(name, "Fc", &config! { "nb_inputs" => 1usize, "nb_outputs" => 1usize, "no_bias" => true });
    u.with(|i| i.cell.params_mut()[0].assign(&[w])).unwrap();
    u
}

fn scalar(v: f32) -> Tensor<f32> {
    Tensor::from_vec(vec![v], &[1, 1, 1, 1]).unwrap()
}

#[test]
fn gradients_of_branches_add() -> Result<()> {
    let (a, b, sum) = (times("a", 2.0), times("b", 3.0), unit("sum", "ElemWise", &config! {}));
    let x = Var::leaf(scalar(5.0), true);
    let h = a.call(std::slice::from_ref(&x))?;
    let y = sum.call(&[h.clone(), b.call(std::slice::from_ref(&h))?])?;
    assert_eq!(y.tensor().to_vec(), [40.0]);
    y.back_propagate(Some(scalar(1.0)))?;
    assert_eq!(h.grad().unwrap().to_vec(), [4.0]);
    assert_eq!(x.grad().unwrap().to_vec(), [8.0]);
    Ok(())
}

#[test]
fn the_same_tensor_twice_into_one_cell_gets_both_gradients() -> Result<()> {
    let prod = unit("prod", "ElemWise", &config! { "operation" => "Prod" });
    let x = Var::leaf(scalar(3.0), true);
    let y = prod.call(&[x.clone(), x.clone()])?;
    y.back_propagate(Some(scalar(1.0)))?;
    assert_eq!(x.grad().unwrap().to_vec(), [6.0]);
    Ok(())
}

#[test]
fn a_cell_used_twice_adds_its_parameter_gradients_and_moves_once() -> Result<()> {
    let a = times("a", 2.0);
    a.with(|i| i.cell.params_mut()[0].solver = Some(Solver::new("SGD", &config! { "learning_rate" => 0.5 }).unwrap()));
    let y = a.call(&[a.call(&[Var::leaf(scalar(3.0), false)])?])?;
    assert_eq!(y.tensor().to_vec(), [12.0]);
    y.back_propagate(Some(scalar(1.0)))?;
    // d(w*w*x)/dw = 2*w*x.
    assert_eq!(a.with(|i| i.cell.params()[0].grad_to_vec()), [12.0]);
    y.update()?;
    assert_eq!(a.with(|i| i.cell.params()[0].to_vec()), [8.0]);
    Ok(())
}

#[test]
fn a_clamp_does_not_revive_missing_connections() -> Result<()> {
    let mut config = config! { "nb_inputs" => 2usize, "nb_outputs" => 3usize, "kernel_dims" => 1i64, "no_bias" => true };
    config.set("mapping", crate::Value::Mask(2, 3, vec![true, false, true, true, true, false]));
    let conv = unit("conv", "Conv", &config);
    conv.with(|i| i.cell.params_mut()[0].solver = Some(Solver::new("SGD", &config! { "clamping" => "0.5:1" }).unwrap()));
    let y = conv.call(&[Var::leaf(Tensor::zeros(&[1, 2, 1, 1]), false)])?;
    y.back_propagate(None)?;
    y.update()?;
    assert_eq!(conv.with(|i| i.cell.params()[0].to_vec()), [0.5, 0.5, 0.0, 0.5, 0.5, 0.0]);
    Ok(())
}

#[test]
fn back_propagating_twice_does_not_add_activation_gradients() -> Result<()> {
    let a = times("a", 2.0);
    let x = Var::leaf(scalar(3.0), true);
    let y = a.call(std::slice::from_ref(&x))?;
    for _ in 0..2 {
        y.back_propagate(Some(scalar(1.0)))?;
        assert_eq!(x.grad().unwrap().to_vec(), [2.0]);
    }
    Ok(())
}

#[test]
fn without_back_propagate_the_cell_learns_and_its_inputs_get_nothing() -> Result<()> {
    let (a, b) = (times("a", 2.0), times("b", 3.0));
    b.with(|i| i.back_propagate = false);
    let y = b.call(&[a.call(&[Var::leaf(scalar(1.0), true)])?])?;
    y.back_propagate(Some(scalar(1.0)))?;
    assert!(b.with(|i| i.cell.params()[0].grad_filled));
    assert!(!a.with(|i| i.cell.params()[0].grad_filled));
    Ok(())
}

#[test]
fn joined_inputs_of_two_sizes_are_refused_and_of_one_size_are_split_again() -> Result<()> {
    let conv = unit(
        "conv",
        "Conv",
        &config! { "nb_inputs" => 1usize, "nb_outputs" => 1usize, "kernel_dims" => 1i64, "nb_input_cells" => 2usize, "no_bias" => true },
    );
    conv.with(|i| i.cell.params_mut()[0].assign(&[10.0, 100.0]))?;
    let image = |v: f32, w: usize| Var::leaf(Tensor::from_vec(vec![v; 2 * w], &[1, 1, 2, w]).unwrap(), true);
    let text = conv.call(&[image(1.0, 2), image(2.0, 3)]).err().unwrap().to_string();
    assert_eq!(text, "conv: height and width of all inputs: expected the same, got [[2, 2], [2, 3]]");
    let (p, q) = (image(1.0, 2), image(2.0, 2));
    let y = conv.call(&[p.clone(), q.clone()])?;
    assert_eq!(y.tensor().to_vec(), [210.0; 4]);
    y.back_propagate(None)?;
    assert_eq!((p.grad().unwrap().to_vec(), q.grad().unwrap().to_vec()), (vec![10.0; 4], vec![100.0; 4]));
    Ok(())
}

#[test]
fn wrong_use_is_named() -> Result<()> {
    let x = Var::leaf(scalar(1.0), true);
    assert_eq!(x.back_propagate(None).unwrap_err().code(), "state");
    assert_eq!(x.update().unwrap_err().code(), "state");
    let y = times("a", 1.0).call(&[x])?;
    let wrong = y.back_propagate(Some(Tensor::zeros(&[1, 2, 1, 1]))).unwrap_err().to_string();
    assert_eq!(wrong, "Tensor: gradient: expected [1, 1, 1, 1], got [1, 2, 1, 1]");
    assert_eq!(Unit::<f32>::new("n", "Convv", &config! {}).err().unwrap().to_string(), "n2d2: `Convv` is not a cell; did you mean `Conv`?");
    Ok(())
}

fn values(len: usize, key: u64) -> Vec<f32> {
    test_values(len, key).into_iter().map(|v| v as f32).collect()
}

/// Three steps of a LeNet with every kind of cell that learns; returns all parameters and the last output.
fn train(threads: usize) -> Vec<Vec<f32>> {
    let _turn = one_at_a_time(threads);
    let cells = [
        ("c1", "Conv", config! { "nb_inputs" => 1usize, "nb_outputs" => 6usize, "kernel_dims" => 5i64 }),
        ("p1", "Pool", config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }),
        ("c2", "Conv", config! { "nb_inputs" => 6usize, "nb_outputs" => 16usize, "kernel_dims" => 5i64, "padding_dims" => 1i64 }),
        ("bn", "BatchNorm2d", config! { "nb_inputs" => 16usize }),
        ("p2", "Pool", config! { "pool_dims" => 2i64, "stride_dims" => 2i64, "pooling" => "Average" }),
        ("drop", "Dropout", config! { "dropout" => 0.3 }),
        ("fc1", "Fc", config! { "nb_inputs" => 400usize, "nb_outputs" => 84usize }),
        ("fc2", "Fc", config! { "nb_inputs" => 84usize, "nb_outputs" => 10usize }),
        ("soft", "Softmax", config! { "with_loss" => true }),
    ];
    let units: Vec<_> = cells.iter().map(|(name, kind, config)| unit(name, kind, config)).collect();
    for (i, u) in units.iter().enumerate() {
        u.with(|inner| {
            if matches!(u.name(), "c1" | "bn" | "fc1") {
                inner.activation = Some(Activation::new("Rectifier", &config! {}).unwrap());
            }
            for (j, p) in inner.cell.params_mut().iter_mut().enumerate() {
                if matches!(p.name, "weights" | "bias") {
                    p.assign(&values(p.len(), (10 * i + j) as u64)).unwrap();
                    p.solver = Some(Solver::new("SGD", &config! { "learning_rate" => 0.05, "momentum" => 0.9 }).unwrap());
                }
            }
        });
    }
    let batch = 33;
    let mut results = Vec::new();
    for step in 0..3 {
        let x = Tensor::from_vec(values(batch * 28 * 28, 100 + step), &[batch, 1, 28, 28]).unwrap();
        let y = units.iter().fold(Var::leaf(x, false), |x, u| u.call(&[x]).unwrap());
        let error: Vec<f32> = y.tensor().to_vec().iter().enumerate().map(|(i, y)| f32::from(i % 10 == i / 10 % 10) - y).collect();
        y.back_propagate(Some(Tensor::from_vec(error, &[batch, 10, 1, 1]).unwrap())).unwrap();
        y.update().unwrap();
        results.push(y.tensor().to_vec());
    }
    results.extend(units.iter().flat_map(|u| u.with(|i| i.cell.params().iter().map(crate::cells::Param::to_vec).collect::<Vec<_>>())));
    results
}

#[test]
fn training_gives_the_same_bits_with_1_2_and_4_threads() {
    let one = train(1);
    assert!(one.iter().flatten().all(|v| v.is_finite()));
    assert!(one[0] != one[2], "nothing was learnt");
    for threads in [2, 4] {
        let other = train(threads);
        for (a, b) in one.iter().zip(&other) {
            assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{threads} threads");
        }
    }
}

#[test]
fn one_sweep_moves_every_value_of_every_cell_once() {
    let net: Vec<_> = [(300usize, 70usize), (70, 3), (3, 900)]
        .into_iter()
        .map(|(i, o)| {
            let unit = Unit::<f64>::new("fc", "Fc", &config! { "nb_inputs" => i, "nb_outputs" => o }).unwrap();
            unit.with(|u| {
                for (k, p) in u.cell.params_mut().iter_mut().enumerate() {
                    let values: Vec<f64> = (0..p.len()).map(|i| ((i * 7919 + k) % 1009) as f64 / 5000.0 - 0.1).collect();
                    p.assign(&values).unwrap();
                    let solver = if o == 3 { "Adam" } else { "SGD" };
                    p.solver = Some(Solver::new(solver, &config! { "learning_rate" => 0.5 }).unwrap());
                }
            });
            unit
        })
        .collect();
    let values = || net.iter().flat_map(|u| u.with(|u| u.cell.params().iter().map(Param::to_vec).collect::<Vec<_>>())).collect::<Vec<_>>();
    let x = Tensor::from_vec((0..600).map(|i| f64::from(i % 7) - 3.0).collect(), &[2, 300, 1, 1]).unwrap();
    let y = net.iter().fold(Var::leaf(x, false), |x, unit| unit.call(&[x]).unwrap());
    y.back_propagate(None).unwrap();
    let before = values();
    let grads: Vec<_> = net.iter().flat_map(|u| u.with(|u| u.cell.params().iter().map(Param::grad_to_vec).collect::<Vec<_>>())).collect();
    y.update().unwrap();
    for (k, ((old, new), g)) in before.iter().zip(values()).zip(grads).enumerate() {
        for ((old, new), g) in old.iter().zip(new).zip(g) {
            // The first step of Adam is the rate, in the direction of the gradient.
            let step = if k / 2 == 1 { 0.5 * g.signum() } else { 0.5 / 2.0 * g };
            assert!((new - old - step).abs() < 1e-6 * step.abs().max(1e-3), "parameter {k}: {old} {new} {g}");
        }
    }
}
