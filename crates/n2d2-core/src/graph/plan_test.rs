//! A network as one call gives what its cells give one by one: in both modes, inside too, and backwards.

use super::{Plan, Unit, Var};
use crate::activation::Activation;
use crate::device::cpu::one_at_a_time;
use crate::random::test_values;
use crate::tensor::{Buffer, Tensor};
use crate::{Config, config};
use std::sync::Arc;

type Cells = Vec<(Arc<Unit<f32>>, Vec<usize>)>;

fn values(len: usize, key: u64) -> Vec<f32> {
    test_values(len, key).into_iter().map(|v| v as f32).collect()
}

fn tensor(shape: &[usize], key: u64) -> Tensor<f32> {
    Tensor::from_vec(values(shape.iter().product(), key), shape).unwrap()
}

/// A cell with values of its own in every parameter.
fn unit(name: &str, kind: &str, config: &Config, activation: Option<&str>) -> Arc<Unit<f32>> {
    let unit = Unit::new(name, kind, config).unwrap();
    unit.with(|u| {
        u.activation = activation.map(|a| Activation::new(a, &Config::default()).unwrap());
        for (i, p) in u.cell.params_mut().iter_mut().enumerate() {
            let mut v = values(p.len(), name.bytes().map(u64::from).sum::<u64>() + i as u64);
            if p.name == "variances" {
                v = v.iter().map(|v| v.abs() + 0.25).collect();
            }
            p.assign(&v).unwrap();
        }
    });
    unit
}

fn conv(name: &str, [c, k]: [usize; 2], size: i64, bias: bool, activation: Option<&str>) -> Arc<Unit<f32>> {
    let config = config! { "nb_inputs" => c, "nb_outputs" => k, "kernel_dims" => size, "padding_dims" => size / 2, "no_bias" => !bias };
    unit(name, "Conv", &config, activation)
}

/// Every way in which cells fold into the one before them, and in which they may not. Places: 0 is the input `[n, 3, 14, 10]`.
fn network() -> Cells {
    let norm = |name: &str, c: usize, a: Option<&str>| unit(name, "BatchNorm2d", &config! { "nb_inputs" => c }, a);
    let sum = |name: &str, config: &Config, a: Option<&str>| unit(name, "ElemWise", config, a);
    let mut depthwise = config! { "nb_inputs" => 32usize, "nb_outputs" => 32usize, "kernel_dims" => 3i64, "padding_dims" => 1i64 };
    depthwise.set("mapping", crate::Value::Mask(32, 32, (0..1024).map(|i| i % 33 == 0).collect()));
    vec![
        (conv("stem", [3, 32], 3, false, None), vec![0]),
        (norm("stem_norm", 32, Some("Rectifier")), vec![1]),
        // By Winograd's algorithm, with bias, normalisation, shortcut and activation.
        (conv("main", [32, 32], 3, true, None), vec![2]),
        (norm("main_norm", 32, None), vec![3]),
        (sum("residual", &config! {}, Some("Rectifier")), vec![4, 2]),
        (unit("depthwise", "Conv", &depthwise, None), vec![5]),
        (norm("depthwise_norm", 32, Some("Tanh")), vec![6]),
        (conv("pointwise", [32, 20], 1, false, None), vec![7]),
        (norm("pointwise_norm", 20, None), vec![8]),
        (unit("relu", "Activation", &config! {}, Some("Rectifier")), vec![9]),
        (unit("drop", "Dropout", &config! { "dropout" => 0.5 }, None), vec![10]),
        (conv("shortcut", [32, 20], 1, false, None), vec![5]),
        (norm("shortcut_norm", 20, None), vec![12]),
        // Both of its inputs could take it; that of a dropped-out value has an activation.
        (sum("both", &config! {}, None), vec![11, 13]),
        // Coefficients, an input that is read twice, and a normalisation whose input somebody else reads.
        (sum("weighted", &config! { "weights" => vec![0.5, 2.0] }, None), vec![14, 11]),
        (conv("seen", [20, 20], 3, true, Some("Rectifier")), vec![15]),
        (norm("seen_norm", 20, None), vec![16]),
        (sum("doubled", &config! {}, None), vec![17, 17]),
        // Two inputs are joined along channels.
        (conv("joined", [40, 12], 1, true, Some("Rectifier")), vec![18, 16]),
        (unit("pool", "Pool", &config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }, None), vec![19]),
        (unit("fc", "Fc", &config! { "nb_inputs" => 12 * 7 * 5usize, "nb_outputs" => 10usize }, Some("Swish")), vec![20]),
        (unit("softmax", "Softmax", &config! {}, None), vec![21]),
    ]
}

fn plan(cells: &Cells, ends: &[usize]) -> Plan<f32> {
    let (units, reads): (Vec<_>, Vec<_>) = cells.iter().cloned().unzip();
    Plan::new(units, reads, 1, ends).unwrap()
}

fn one_by_one(cells: &Cells, x: &Var<f32>) -> Vec<Var<f32>> {
    let mut made = vec![x.clone()];
    for (unit, reads) in cells {
        let read: Vec<_> = reads.iter().map(|at| made[*at].clone()).collect();
        made.push(unit.call(&read).unwrap());
    }
    made
}

fn test_mode(cells: &Cells) {
    for (unit, _) in cells {
        unit.set_learn(false);
    }
}

#[track_caller]
fn same_bits(what: &str, a: &[f32], b: &[f32]) {
    assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{what}");
}

#[test]
fn in_test_mode_the_bits_are_those_of_the_cells_one_by_one() {
    let cells = network();
    test_mode(&cells);
    for threads in [1, 2, 4] {
        let _turn = one_at_a_time(threads);
        // With an end inside too, and again with the buffers of the first call.
        for ends in [vec![22], vec![22, 5, 10]] {
            let plan = plan(&cells, &ends);
            for (round, n) in [1, 2, 7, 33, 7, 1].into_iter().enumerate() {
                let x = Var::leaf(tensor(&[n, 3, 14, 10], round as u64), false);
                let expected = one_by_one(&cells, &x);
                let first = plan.call(std::slice::from_ref(&x)).unwrap();
                let again = plan.call(std::slice::from_ref(&x)).unwrap();
                for end in &ends {
                    let what = format!("{}, {n} images, {threads} threads", cells[*end - 1].0.name());
                    same_bits(&what, &first.at(*end).unwrap().tensor().to_vec(), &expected[*end].tensor().to_vec());
                    same_bits(&what, &again.at(*end).unwrap().tensor().to_vec(), &expected[*end].tensor().to_vec());
                }
                if threads == 2 {
                    for (place, expected) in expected.iter().enumerate() {
                        assert_eq!(first.shape(place), expected.tensor().shape());
                        same_bits("inside", &first.at(place).unwrap().tensor().to_vec(), &expected.tensor().to_vec());
                    }
                }
            }
        }
    }
}

/// Depthwise convolutions that the cell behind them computes: at the input, strided, behind a shortcut, and those that it must not,
/// because somebody else reads them or an activation comes between.
fn separable() -> Cells {
    let norm = |name: &str, c: usize, a: Option<&str>| unit(name, "BatchNorm2d", &config! { "nb_inputs" => c }, a);
    let depthwise = |name: &str, c: usize, step: i64, bias: bool, a: Option<&str>| {
        let mut config = config! { "nb_inputs" => c, "nb_outputs" => c, "kernel_dims" => 3i64, "padding_dims" => 1i64, "no_bias" => !bias };
        config.set("stride_dims", step);
        config.set("mapping", crate::Value::Mask(c, c, (0..c * c).map(|i| i % (c + 1) == 0).collect()));
        unit(name, "Conv", &config, a)
    };
    vec![
        (depthwise("d0", 3, 1, true, Some("Rectifier")), vec![0]),
        (conv("p0", [3, 40], 1, true, None), vec![1]),
        (norm("n0", 40, Some("Rectifier")), vec![2]),
        (depthwise("d1", 40, 1, false, None), vec![3]),
        (norm("dn1", 40, Some("Rectifier")), vec![4]),
        (conv("p1", [40, 40], 1, false, None), vec![5]),
        (norm("n1", 40, None), vec![6]),
        (unit("sum", "ElemWise", &config! {}, Some("Rectifier")), vec![7, 3]),
        (depthwise("d2", 40, 2, false, None), vec![8]),
        (norm("dn2", 40, None), vec![9]),
        (conv("p2", [40, 70], 1, false, Some("Tanh")), vec![10]),
        (depthwise("d3", 70, 1, false, Some("Tanh")), vec![11]),
        (conv("p3", [70, 20], 1, true, None), vec![12]),
        (depthwise("d4", 20, 1, true, Some("Rectifier")), vec![13]),
        (conv("p4", [20, 20], 1, true, None), vec![14]),
        (unit("seen", "ElemWise", &config! {}, None), vec![15, 14]),
    ]
}

#[test]
fn depthwise_convolutions_lead_with_the_same_bits() {
    let cells = separable();
    test_mode(&cells);
    for threads in [1, 2, 4] {
        let _turn = one_at_a_time(threads);
        for ends in [vec![16], vec![16, 4, 9]] {
            let plan = plan(&cells, &ends);
            for (round, n) in [1, 2, 9, 1].into_iter().enumerate() {
                let x = Var::leaf(tensor(&[n, 3, 30, 28], round as u64), false);
                let expected = one_by_one(&cells, &x);
                let got = plan.call(std::slice::from_ref(&x)).unwrap();
                for (place, expected) in expected.iter().enumerate().filter(|(place, _)| ends.contains(place) || threads == 2) {
                    let what = format!("place {place}, {n} images, {threads} threads");
                    same_bits(&what, &got.at(place).unwrap().tensor().to_vec(), &expected.tensor().to_vec());
                }
            }
            // What leads is seen to change.
            for p in [4, 9] {
                cells[p - 1].0.with(|u| {
                    let len = u.cell.params()[0].len();
                    u.cell.params_mut()[0].assign(&values(len, 40 + threads as u64)).unwrap();
                });
            }
            let x = Var::leaf(tensor(&[2, 3, 30, 28], 9), false);
            let expected = one_by_one(&cells, &x);
            same_bits("changed", &plan.call(&[x]).unwrap().at(16).unwrap().tensor().to_vec(), &expected[16].tensor().to_vec());
        }
    }
}

#[test]
fn gradients_go_back_through_what_was_not_kept() {
    let _turn = one_at_a_time(2);
    let cells = network();
    test_mode(&cells);
    let (plan, fc) = (plan(&cells, &[22]), unit("last", "Fc", &config! { "nb_inputs" => 10usize, "nb_outputs" => 4usize }, None));
    let gradients = |planned: bool| {
        let x = Var::leaf(tensor(&[3, 3, 14, 10], 5), true);
        let end =
            if planned { plan.call(std::slice::from_ref(&x)).unwrap().at(22).unwrap() } else { one_by_one(&cells, &x).pop().unwrap() };
        // Not every cell behind the output belongs to the plan.
        let y = fc.call(std::slice::from_ref(&end)).unwrap();
        y.back_propagate(Some(tensor(&[3, 4, 1, 1], 6))).unwrap();
        let parameters = cells.iter().map(|(unit, _)| unit.with(|u| u.cell.params().first().map(crate::cells::Param::grad_to_vec)));
        let mut all: Vec<Vec<f32>> = parameters.flatten().collect();
        assert!(all.iter().flatten().any(|g| *g != 0.0));
        for (unit, _) in &cells {
            unit.with(|u| u.cell.params_mut().iter_mut().for_each(|p| p.grad_filled = false));
        }
        all.extend([x.grad().unwrap().to_vec(), end.grad().unwrap().to_vec()]);
        assert_eq!(y.units().unwrap().len(), cells.len() + 1);
        all
    };
    for (a, b) in gradients(true).iter().zip(&gradients(false)) {
        same_bits("gradient", a, b);
    }
}

#[test]
fn changes_of_a_cell_are_seen_by_the_next_call_and_named_by_the_last() {
    let cells = network();
    test_mode(&cells);
    let plan = plan(&cells, &[22]);
    let x = Var::leaf(tensor(&[2, 3, 14, 10], 1), false);
    let call = || plan.call(std::slice::from_ref(&x)).unwrap();
    let (before, unseen) = (call(), call());
    let norm = &cells[1].0;
    // To look, or to learn, changes nothing of what was computed.
    norm.read(|u| u.cell.params()[0].to_vec());
    norm.set_learn(true);
    same_bits("inside", &before.at(1).unwrap().tensor().to_vec(), &one_by_one(&cells, &x)[1].tensor().to_vec());
    norm.set_learn(false);
    let old = call();
    norm.with(|u| u.cell.params_mut()[0].assign(&[2.0; 32])).unwrap();
    let expected = one_by_one(&cells, &x);
    same_bits("after a change", &call().at(22).unwrap().tensor().to_vec(), &expected[22].tensor().to_vec());
    // What was asked for before is still there, and so are the ends.
    assert!(before.at(1).is_ok() && old.at(22).is_ok() && unseen.shape(1) == [2, 32, 14, 10]);
    let text = old.at(1).err().unwrap().to_string();
    assert!(text.starts_with("stem_norm: what it computed in test mode was not kept, and it has changed since"), "{text}");
    assert_eq!(old.at(22).unwrap().back_propagate(None).unwrap_err().code(), "state");
    // Another activation, and learning.
    norm.with(|u| u.activation = None);
    same_bits("another activation", &call().at(22).unwrap().tensor().to_vec(), &one_by_one(&cells, &x)[22].tensor().to_vec());
    norm.set_learn(true);
    let mean = norm.read(|u| u.cell.params()[2].to_vec());
    call();
    assert_ne!(norm.read(|u| u.cell.params()[2].to_vec()), mean, "the statistics did not follow the batch");
}

#[test]
fn wrong_places_and_numbers_of_inputs_are_named() {
    let cells = network();
    let (units, reads): (Vec<_>, Vec<_>) = cells.iter().cloned().unzip();
    let text = Plan::new(units.clone(), reads.clone(), 1, &[0]).err().unwrap().to_string();
    assert_eq!(text, "Plan: parameter `place of an output` is 0, expected a number from 1 to 22");
    let mut late = reads;
    late[3][0] = 4;
    let text = Plan::new(units, late, 1, &[5]).err().unwrap().to_string();
    assert_eq!(text, "main_norm: parameter `place of an input` is 4, expected a number below 4");
    assert_eq!(plan(&cells, &[1]).call(&[]).err().unwrap().to_string(), "Plan: number of inputs: expected 1, got 0");
    // The error of a shape is that of the cell.
    test_mode(&cells);
    let x = Var::leaf(tensor(&[2, 4, 14, 10], 1), false);
    let text = plan(&cells, &[1]).call(&[x]).err().unwrap().to_string();
    assert_eq!(text, "stem: channels of the input: expected 3, got 4 (input shape [2, 4, 14, 10])");
}

/// A tensor over memory that ends where its values do, with its images as planes or as pixels.
fn of_somebody_else(shape: &[usize; 4], key: u64, planes: bool) -> Tensor<f32> {
    let mut memory = values(shape.iter().product(), key).into_boxed_slice();
    let [_, c, h, w] = shape.map(|n| n as isize);
    let strides = if planes { [c * h * w, h * w, w, 1] } else { [h * w * c, 1, w * c, c] };
    let start = std::ptr::NonNull::new(memory.as_mut_ptr()).unwrap();
    // SAFETY: the box keeps its values where they are, and lives as long as the buffer.
    let buffer = unsafe { Buffer::foreign(start, memory.len(), Box::new(memory)) };
    Tensor::from_buffer(Arc::new(buffer), 0, shape, &strides).unwrap()
}

#[test]
fn the_memory_of_somebody_else_is_read_where_it_lies_or_laid_by_those_who_read_it() {
    let dense = |name: &str| unit(name, "Fc", &config! { "nb_inputs" => 90usize, "nb_outputs" => 40usize }, Some("Rectifier"));
    let narrow = conv("narrow", [1, 6], 3, true, None);
    let wide = conv("wide", [3, 32], 3, true, None);
    let end = unit("end", "Fc", &config! { "nb_inputs" => 40usize, "nb_outputs" => 3usize }, None);
    let networks: [(Cells, [usize; 3]); 4] = [
        (vec![(dense("one channel"), vec![0]), (end, vec![1])], [1, 9, 10]),
        (vec![(dense("three channels"), vec![0])], [3, 5, 6]),
        (vec![(narrow, vec![0])], [1, 9, 10]),
        (vec![(wide, vec![0])], [3, 5, 6]),
    ];
    for (cells, [c, h, w]) in networks {
        test_mode(&cells);
        let plan = plan(&cells, &[cells.len()]);
        for (n, planes) in [(1, true), (3, false), (8, true), (33, true), (33, false)] {
            for threads in [1, 2, 4] {
                let _turn = one_at_a_time(threads);
                let x = of_somebody_else(&[n, c, h, w], n as u64, planes);
                let own = Var::leaf(Tensor::from_vec(x.to_vec(), x.shape()).unwrap(), false);
                let expected = one_by_one(&cells, &own)[cells.len()].tensor().to_vec();
                let found = plan.predict(std::slice::from_ref(&x)).unwrap().expect("it is in test mode");
                let name = format!("{}, {n} images, {threads} threads", cells[0].0.name());
                same_bits(&name, &found[0].to_vec(), &expected);
                same_bits(&name, &plan.call(&[Var::leaf(x, false)]).unwrap().at(cells.len()).unwrap().tensor().to_vec(), &expected);
            }
        }
    }
}

#[test]
fn a_prediction_needs_test_mode_and_leaves_nothing_behind() {
    let cells = network();
    let plan = plan(&cells, &[22, 5]);
    let x = tensor(&[2, 3, 14, 10], 1);
    let predict = || plan.predict(std::slice::from_ref(&x)).unwrap();
    assert!(predict().is_none());
    test_mode(&cells);
    let expected = one_by_one(&cells, &Var::leaf(x.clone(), false));
    let before = Var::leaf(x.clone(), true);
    let y = plan.call(std::slice::from_ref(&before)).unwrap().at(22).unwrap();
    let found = predict().unwrap();
    same_bits("end", &found[0].to_vec(), &expected[22].tensor().to_vec());
    same_bits("inside", &found[1].to_vec(), &expected[5].tensor().to_vec());
    // What was called before is still what it was, whoever wants a gradient.
    y.back_propagate(None).unwrap();
    assert!(before.grad().is_some());
    assert_eq!(plan.predict(&[]).err().unwrap().to_string(), "Plan: number of inputs: expected 1, got 0");
    // One cell that learns is enough.
    cells[3].0.set_learn(true);
    assert!(predict().is_none());
}
