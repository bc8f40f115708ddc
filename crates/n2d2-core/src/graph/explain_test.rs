//! What a plan says of itself: nodes, kernels, fusions and buffers in both modes, and that nothing is left of it.

use super::{ExplainedNode, Plan, Unit, Var, begin_profile, end_profile};
use crate::activation::Activation;
use crate::device::cpu::isa;
use crate::random::test_values;
use crate::tensor::Tensor;
use crate::{Config, Value, config};
use std::sync::Arc;

fn unit(name: &str, kind: &str, config: &Config, activation: Option<&str>) -> Arc<Unit<f32>> {
    let unit = Unit::new(name, kind, config).unwrap();
    unit.with(|u| u.activation = activation.map(|a| Activation::new(a, &Config::default()).unwrap()));
    unit
}

fn conv(name: &str, [c, k]: [usize; 2], size: i64, padding: i64, activation: Option<&str>) -> Arc<Unit<f32>> {
    let config = config! { "nb_inputs" => c, "nb_outputs" => k, "kernel_dims" => size, "padding_dims" => padding };
    unit(name, "Conv", &config, activation)
}

fn norm(name: &str, c: usize, activation: Option<&str>) -> Arc<Unit<f32>> {
    unit(name, "BatchNorm2d", &config! { "nb_inputs" => c }, activation)
}

fn input(shape: &[usize]) -> Var<f32> {
    let values = test_values(shape.iter().product(), 1).into_iter().map(|v| v as f32).collect();
    Var::leaf(Tensor::from_vec(values, shape).unwrap(), false)
}

fn plan(cells: &[(Arc<Unit<f32>>, Vec<usize>)], learn: bool) -> Plan<f32> {
    let (units, reads): (Vec<_>, Vec<_>) = cells.iter().cloned().unzip();
    for unit in &units {
        unit.set_learn(learn);
    }
    let end = units.len();
    Plan::new(units, reads, 1, &[end]).unwrap()
}

fn chain(units: Vec<Arc<Unit<f32>>>) -> Vec<(Arc<Unit<f32>>, Vec<usize>)> {
    units.into_iter().enumerate().map(|(i, u)| (u, vec![i])).collect()
}

fn lenet() -> Vec<(Arc<Unit<f32>>, Vec<usize>)> {
    let pool = |name: &str| unit(name, "Pool", &config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }, None);
    let fc = |name: &str, i: usize, o: usize, a: Option<&str>| unit(name, "Fc", &config! { "nb_inputs" => i, "nb_outputs" => o }, a);
    chain(vec![
        conv("conv1", [1, 6], 5, 0, Some("Rectifier")),
        pool("pool1"),
        conv("conv2", [6, 16], 5, 0, Some("Tanh")),
        pool("pool2"),
        unit("drop", "Dropout", &config! {}, None),
        fc("fc1", 256, 120, Some("Rectifier")),
        fc("fc2", 120, 10, None),
        unit("softmax", "Softmax", &config! { "with_loss" => true }, None),
    ])
}

/// A kernel without what depends on the processor: the instruction set, and the size of the register tile before it.
fn words(node: &ExplainedNode) -> String {
    let Some(kernel) = node.kernel.strip_suffix(&format!(" {}", isa().name())) else { return node.kernel.clone() };
    let is_tile = |w: &str| w.split_once('x').is_some_and(|(rows, outputs)| [rows, outputs].iter().all(|n| n.parse::<usize>().is_ok()));
    match kernel.rsplit_once(' ') {
        Some((rest, tile)) if is_tile(tile) && !rest.ends_with("rows") && !rest.ends_with("taps") => rest.to_string(),
        _ => kernel.to_string(),
    }
}

fn of(nodes: &[ExplainedNode]) -> Vec<(&str, String, Vec<&str>, Option<usize>)> {
    nodes.iter().map(|n| (&*n.name, words(n), n.fused.iter().map(String::as_str).collect(), n.buffer)).collect()
}

#[test]
fn a_lenet_in_test_mode() {
    let cells = lenet();
    let found = plan(&cells, false).explain(&[input(&[4, 1, 28, 28])]).unwrap();
    assert!(found.is_fused);
    let expected = [
        ("conv1", "direct 5x5 narrow", vec!["Rectifier"], Some(0)),
        ("pool1", "loops", vec![], Some(1)),
        ("conv2", "direct 5x5", vec!["Tanh"], Some(2)),
        // Dropout does nothing; the output goes to memory of its own, because none of the others is as large.
        ("pool2", "loops", vec!["drop"], Some(3)),
        ("fc1", "dense", vec!["Rectifier"], Some(4)),
        ("fc2", "dense", vec![], Some(5)),
        ("softmax", "loops", vec![], None),
    ];
    assert_eq!(of(&found.nodes), expected.map(|(n, k, f, b)| (n, k.to_string(), f, b)));
    let conv1 = &found.nodes[0];
    assert!(conv1.kernel.ends_with(isa().name()), "{}", conv1.kernel);
    assert_eq!((conv1.kind, conv1.dtype, &conv1.shape[..]), ("Conv", "float32", &[4, 6, 24, 24][..]));
    // 25 products and a bias for each of 6 outputs.
    assert_eq!(conv1.macs, 4 * (24 * 24 * 6 * 25 + 6));
    assert_eq!(conv1.output_bytes, 4 * 4 * 6 * 24 * 24);
    // Outputs are padded to whole blocks of the kernel.
    let block = cells[0].0.read(|u| u.cell.params()[1].layout.len);
    assert_eq!((conv1.parameter_bytes, block % 8), (4 * 26 * block, 0));
    assert_eq!(conv1.moved_bytes, 4 * (4 * 784 + 4 * 3456 + 156));
    assert!(found.nodes.iter().all(|n| n.thread_ns > 0) && found.call_ns > 0 && found.peak.gflops > 0.0);
}

#[test]
fn a_lenet_in_learning_mode_is_recorded_and_stays_as_it_is() {
    let (cells, x) = (lenet(), input(&[3, 1, 28, 28]));
    let all = plan(&cells, true);
    let y = all.call(std::slice::from_ref(&x)).unwrap().at(8).unwrap();
    y.back_propagate(Some(Tensor::from_vec(vec![1.0; 30], &[3, 10, 1, 1]).unwrap())).unwrap();
    let state = || cells.iter().map(|(u, _)| u.read(|u| (u.step, u.cell.params().iter().map(|p| p.grad_filled).collect::<Vec<_>>())));
    let before: Vec<_> = state().collect();
    let found = all.explain(std::slice::from_ref(&x)).unwrap();
    assert!(!found.is_fused);
    let names: Vec<_> = found.nodes.iter().map(|n| &*n.name).collect();
    assert_eq!(names, ["conv1", "pool1", "conv2", "pool2", "drop", "fc1", "fc2", "softmax"]);
    assert!(found.nodes.iter().all(|n| n.buffer.is_none() && n.thread_ns > 0));
    assert_eq!(found.nodes[2].fused, ["Tanh"]);
    assert_eq!(state().collect::<Vec<_>>(), before);
}

#[test]
fn a_mobilenet_block() {
    let mut depthwise = config! { "nb_inputs" => 32usize, "nb_outputs" => 32usize, "kernel_dims" => 3i64, "padding_dims" => 1i64 };
    depthwise.set("mapping", Value::Mask(32, 32, (0..1024).map(|i| i % 33 == 0).collect()));
    let mut scattered = depthwise.clone();
    scattered.set("dilation_dims", 2i64);
    let cells = chain(vec![
        unit("depthwise", "Conv", &depthwise, None),
        norm("norm1", 32, Some("Rectifier")),
        conv("pointwise", [32, 64], 1, 0, None),
        norm("norm2", 64, None),
        unit("relu", "Activation", &config! {}, Some("Swish")),
        conv("back", [64, 32], 1, 0, None),
        unit("dilated", "Conv", &scattered, None),
    ]);
    let x = input(&[2, 32, 16, 16]);
    let found = plan(&cells, false).explain(std::slice::from_ref(&x)).unwrap();
    let expected = [
        // Each row that the convolution of single pixels reads is computed just before.
        (
            "pointwise",
            &*format!("depthwise rows 3x3 {}, direct 1x1", isa().name()),
            vec!["depthwise", "norm1", "Rectifier", "norm2", "relu", "Swish"],
            Some(0),
        ),
        ("back", "direct 1x1", vec![], Some(1)),
        ("dilated", "depthwise taps 3x3", vec![], None),
    ];
    assert_eq!(of(&found.nodes), expected.map(|(n, k, f, b)| (n, k.to_string(), f, b)));
    assert_eq!(found.nodes[0].parameter_bytes, 4 * (32 * 9 + 32 + 4 * 32 + 32 * 64 + 64 + 4 * 64));
    // Taps outside of the image are none, and every bias is one.
    assert_eq!(found.nodes[0].macs, 2 * (46 * 46 * 32 + 32 + 256 * 32 * 64 + 64));
    // With a step of two the convolution behind has a quarter of the pixels.
    let mut strided = depthwise.clone();
    strided.set("stride_dims", 2i64);
    let half = chain(vec![unit("strided", "Conv", &strided, None), conv("pointwise", [32, 64], 1, 0, None)]);
    let [node] = &plan(&half, false).explain(&[input(&[2, 32, 32, 32])]).unwrap().nodes[..] else { panic!("one node") };
    assert_eq!((node.macs, &node.shape[..]), (2 * (47 * 47 * 32 + 32 + 256 * 32 * 64 + 64), &[2, 64, 16, 16][..]));
    // While learning, statistics of the batch are computed; they are the old ones afterwards.
    let statistics = || cells[1].0.read(|u| u.cell.params().iter().map(crate::cells::Param::to_vec).collect::<Vec<_>>());
    let before = statistics();
    let learning = plan(&cells, true);
    let nodes = learning.explain(std::slice::from_ref(&x)).unwrap().nodes;
    assert_eq!((nodes.len(), statistics()), (7, before.clone()));
    learning.call(&[x]).unwrap();
    assert_ne!(statistics(), before);
}

#[test]
fn a_residual_block_and_inputs_that_are_joined() {
    let cells = vec![
        (conv("stem", [3, 32], 3, 1, None), vec![0]),
        (conv("main", [32, 32], 3, 1, None), vec![1]),
        (norm("norm", 32, None), vec![2]),
        (unit("sum", "ElemWise", &config! {}, Some("Rectifier")), vec![3, 1]),
        (conv("joined", [64, 8], 1, 0, None), vec![4, 1]),
        // No pass of its own applies the activation of a cell that does not itself.
        (unit("pool", "Pool", &config! { "pool_dims" => 2i64, "stride_dims" => 2i64 }, Some("Tanh")), vec![5]),
    ];
    let found = plan(&cells, false).explain(&[input(&[2, 3, 16, 16])]).unwrap();
    let expected = [
        ("stem", "direct 3x3", vec![], Some(0)),
        ("main", "winograd F(4x4,3x3)", vec!["norm", "sum", "Rectifier"], Some(1)),
        ("joined", "concatenation, direct 1x1", vec![], Some(2)),
        ("pool", "loops, Tanh", vec![], None),
    ];
    assert_eq!(of(&found.nodes), expected.map(|(n, k, f, b)| (n, k.to_string(), f, b)));
    let [stem, main] = [&found.nodes[0], &found.nodes[1]];
    // Input, output, the shortcut of the same size, and weights with biases.
    assert_eq!(main.moved_bytes, 3 * stem.output_bytes + 4 * (32 * 32 * 9 + 32));
    let learning = plan(&cells, true).explain(&[input(&[2, 3, 16, 16])]).unwrap();
    let kernels: Vec<_> = learning.nodes.iter().map(words).collect();
    assert_eq!(kernels, ["direct 3x3", "direct 3x3", "loops", "loops", "concatenation, direct 1x1", "loops, Tanh"]);
}

#[test]
fn a_profile_under_way_does_not_see_it() {
    let cells = chain(vec![unit("fc", "Fc", &config! { "nb_inputs" => 4usize, "nb_outputs" => 2usize }, None)]);
    let all = plan(&cells, false);
    begin_profile();
    all.call(&[input(&[2, 4, 1, 1])]).unwrap();
    all.explain(&[input(&[2, 4, 1, 1])]).unwrap();
    all.call(&[input(&[2, 4, 1, 1])]).unwrap();
    let seen = end_profile();
    let fc = seen.iter().find(|p| p.name == "fc").unwrap();
    assert!(fc.kernel.starts_with("dense"));
    assert_eq!(fc.passes, 2);
}

#[test]
fn errors_are_those_of_a_call() {
    let all = plan(&lenet(), false);
    let error = all.explain(&[]).unwrap_err().to_string();
    assert_eq!(error, "Plan: number of inputs: expected 1, got 0");
    let error = all.explain(&[input(&[2, 2, 28, 28])]).unwrap_err().to_string();
    assert!(error.starts_with("conv1: channels of the input: expected 1, got 2"), "{error}");
}
