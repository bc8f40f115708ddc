//! Random configurations of every cell: in 32 bits what the portable code gives in 64, on every instruction set of this
//! processor and for every number of threads, and whatever a user passes an error and never a panic.
//!
//! Configurations that cannot compute anything may be drawn; they must end in an error.

use super::gradient_check::{Case, Check, compare_within, mapping, with};
use crate::config::{Config, Value};
use crate::device::cpu::{isas, one_at_a_time};
use crate::graph::{Unit, Var};
use crate::{Tensor, config};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

/// Rounding in 32 bits, as a part of the largest value of a tensor (or of 1): `4 sqrt(n) u` with the unit roundoff
/// `u = 2^-24` and the longest sum of a case, `n = 1458` products (two inputs of 9 x 9 x 9 values to a dense layer). Errors
/// of a sum of n products that are independent stay below `t sqrt(n) u` times the sum of their magnitudes but for one in
/// `exp(t^2 / 2) / 2`; that sum is at least the largest value.
const ROUNDING: f64 = 4.0 * 38.184 / (1 << 24) as f64;

/// Cases of each cell.
const VALID: u32 = 120;
const INVALID: u32 = 400;

fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn pair(from: usize, to: usize) -> impl Strategy<Value = [usize; 2]> {
    [from..=to, from..=to]
}

fn image() -> impl Strategy<Value = [usize; 4]> {
    [1usize..=4, 1usize..=9, 1usize..=9, 1usize..=9]
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(words)
}

/// A smooth function: one with a kink may fall on its other side by the rounding of a sum.
fn smooth() -> impl Strategy<Value = Option<(&'static str, Config)>> {
    prop_oneof![
        3 => Just(None),
        1 => (0.1f64..2.0).prop_map(|alpha| Some(("Tanh", config! { "alpha" => alpha }))),
        1 => word(&["Swish", "Softplus", "Logistic"]).prop_map(|kind| Some((kind, config! {}))),
    ]
}

fn activated(case: Case, activation: Option<(&'static str, Config)>) -> Case {
    match activation {
        Some((kind, config)) => case.with(kind, config),
        None => case,
    }
}

/// Connections of `channels` to `outputs`: all, one to one, blocks, or any, also none.
fn connections(channels: usize, outputs: usize, kind: usize, bits: u64) -> Option<Value> {
    match kind {
        1 if outputs.is_multiple_of(channels) => Some(mapping(channels, outputs, |c, o| c == o * channels / outputs)),
        2 if outputs.is_multiple_of(2) && channels.is_multiple_of(2) => {
            Some(mapping(channels, outputs, |c, o| c / (channels / 2) == o / (outputs / 2)))
        }
        3 => Some(mapping(channels, outputs, |c, o| bits >> ((c * 7 + o * 5) % 64) & 1 == 1)),
        _ => None,
    }
}

prop_compose! {
    fn conv()(
        image in image(), cells in 1usize..=2, outputs in prop_oneof![3 => 1usize..=9, 1 => 10usize..=40], multiple in 0usize..=2,
        kernel in pair(1, 5), stride in pair(1, 3), padding in pair(0, 3), dilation in pair(1, 2),
        sub_sample in prop_oneof![3 => Just([1, 1]), 1 => pair(1, 3)], connected in (0usize..4, any::<u64>()), no_bias in any::<bool>(),
        activation in smooth(),
    ) -> Case {
        let channels = image[1] * cells;
        let outputs = if multiple == 0 { outputs } else { channels * multiple };
        let mut c = config! {
            "nb_inputs" => image[1], "nb_input_cells" => cells, "nb_outputs" => outputs, "kernel_dims" => kernel, "stride_dims" => stride,
            "padding_dims" => padding, "dilation_dims" => dilation, "sub_sample_dims" => sub_sample, "no_bias" => no_bias
        };
        if let Some(mask) = connections(channels, outputs, connected.0, connected.1) {
            c.set("mapping", mask);
        }
        activated(Case::on("Conv", c, &vec![image; cells]), activation)
    }
}

prop_compose! {
    fn fc()(
        image in image(), cells in 1usize..=2, outputs in 1usize..=40, no_bias in any::<bool>(),
        drop_connect in prop_oneof![Just(1.0), 0.1f64..1.0], learn in any::<bool>(), activation in smooth(),
    ) -> Case {
        let [_, c, h, w] = image;
        let config = config! {
            "nb_inputs" => c * h * w, "nb_input_cells" => cells, "nb_outputs" => outputs, "no_bias" => no_bias, "drop_connect" => drop_connect
        };
        let case = activated(Case::on("Fc", config, &vec![image; cells]), activation);
        if learn { case } else { case.at_test() }
    }
}

prop_compose! {
    fn pool()(
        image in image(), cells in 1usize..=2, pooling in word(&["Max", "Average"]), dims in pair(1, 5), stride in pair(1, 4),
        padding in pair(0, 3), connected in (0usize..4, any::<u64>()), outputs in 1usize..=9, global in any::<bool>(),
    ) -> Case {
        if global {
            return Case::on("Pool", config! { "pooling" => pooling, "global" => true }, &vec![image; cells]);
        }
        let mut c = config! { "pooling" => pooling, "pool_dims" => dims, "stride_dims" => stride, "padding_dims" => padding };
        if let Some(mask) = connections(image[1] * cells, outputs, connected.0, connected.1) {
            c.set("mapping", mask);
        }
        Case::on("Pool", c, &vec![image; cells])
    }
}

prop_compose! {
    fn activation()(image in image(), cells in 1usize..=2, kind in 0usize..7, size in 0.1f64..2.0, leak in 0.0f64..1.0) -> Case {
        let function = match kind {
            0 => ("Rectifier", config! { "leak_slope" => leak, "clipping" => size }),
            1 => ("Linear", config! { "clipping" => size }),
            2 => ("Tanh", config! { "alpha" => size }),
            3 => ("Saturation", config! { "threshold" => size }),
            4 => ("Logistic", config! { "with_loss" => leak > 0.5 }),
            5 => ("Softplus", config! {}),
            _ => ("Swish", config! {}),
        };
        Case::on("Activation", config! {}, &vec![image; cells]).with(function.0, function.1)
    }
}

prop_compose! {
    fn softmax()(image in image(), groups in 1usize..=3, with_loss in any::<bool>(), all in any::<bool>()) -> Case {
        let [n, c, h, w] = image;
        let group = if all { 0 } else { c };
        Case::on("Softmax", config! { "with_loss" => with_loss, "group_size" => group }, &[[n, c * groups, h, w]])
    }
}

prop_compose! {
    fn dropout()(image in image(), p in 0.0f64..0.95, learn in any::<bool>()) -> Case {
        let case = Case::on("Dropout", config! { "dropout" => p }, &[image]);
        if learn { case } else { case.at_test() }
    }
}

prop_compose! {
    fn batch_norm()(
        n in 2usize..=4, c in 1usize..=40, sides in pair(2, 9), epsilon in 1e-3f64..1.0, momentum in prop_oneof![Just(0.0), 0.0f64..1.0],
        learn in any::<bool>(), activation in smooth(),
    ) -> Case {
        let config = config! { "nb_inputs" => c, "epsilon" => epsilon, "moving_average_momentum" => momentum };
        let case = activated(Case::on("BatchNorm2d", config, &[[n, c, sides[0], sides[1]]]), activation);
        if learn { case } else { case.at_test() }
    }
}

prop_compose! {
    fn elem_wise()(
        image in image(), cells in 1usize..=4, operation in word(&["Sum", "AbsSum", "EuclideanSum", "Prod", "Max"]),
        mode in word(&["PerLayer", "PerInput", "PerChannel"]), weights in proptest::collection::vec(-2.0f64..2.0, 0..6),
        shifts in proptest::collection::vec(-2.0f64..2.0, 0..6), activation in smooth(),
    ) -> Case {
        let config = config! { "operation" => operation, "mode" => mode, "weights" => weights, "shifts" => shifts };
        activated(Case::on("ElemWise", config, &vec![image; cells]), activation)
    }
}

prop_compose! {
    fn reshape()(image in image(), order in 0usize..6, special in 0usize..4) -> Case {
        let [_, c, h, w] = image.map(|v| v as i64);
        let mut dims = vec![[w, h, c], [h, w, c], [c, h, w], [w * h, 1, c], [1, 1, w * h * c], [w, h * c, 1]][order].to_vec();
        if special < 3 {
            dims[special] = -1;
        }
        Case::on("Reshape", config! { "dims" => dims }, &[image])
    }
}

prop_compose! {
    fn padding()(image in image(), pads in [-3i64..=3, -3i64..=3, -3i64..=3, -3i64..=3]) -> Case {
        let [top, bot, left, right] = pads;
        Case::on("Padding", config! { "top_pad" => top, "bot_pad" => bot, "left_pad" => left, "right_pad" => right }, &[image])
    }
}

prop_compose! {
    fn resize()(
        image in image(), mode in word(&["Bilinear", "BilinearTF", "NearestNeighbor"]), sides in pair(1, 12), align in any::<bool>(),
    ) -> Case {
        let [w, h] = sides;
        Case::on("Resize", config! { "outputs_width" => w, "outputs_height" => h, "resize_mode" => mode, "align_corners" => align }, &[image])
    }
}

prop_compose! {
    fn transpose()(image in image(), perm in Just(vec![0i64, 1, 2]).prop_shuffle(), batch in any::<bool>()) -> Case {
        let perm: Vec<i64> = perm.into_iter().chain(batch.then_some(3)).collect();
        Case::on("Transpose", config! { "perm" => perm }, &[image])
    }
}

prop_compose! {
    /// Not rounded and not clipped, which would be on another side of its step by the rounding of an input.
    fn scaling()(image in image(), factors in proptest::collection::vec(-2.0f64..2.0, 9)) -> Case {
        let factors = factors[..image[1]].to_vec();
        Case::on("Scaling", config! { "mode" => "FloatingPoint", "scaling_per_output" => factors }, &[image])
    }
}

prop_compose! {
    fn lrn()(image in image(), n in 1usize..=9, alpha in 0.0f64..1.0, beta in 0.1f64..1.5, k in 0.5f64..2.0) -> Case {
        Case::on("LRN", config! { "n" => n, "alpha" => alpha, "beta" => beta, "k" => k }, &[image])
    }
}

/// Sizes of up to six axes.
fn any_shape() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1usize..=5, 0..=6)
}

prop_compose! {
    /// Smooth functions, well inside their domains.
    fn function()(
        shape in any_shape(), activation in smooth(), alpha in 0.1f64..2.0, with_alpha in any::<bool>(),
        (name, shift) in proptest::sample::select(vec![
            ("Acosh", 2.5), ("Asinh", 0.0), ("Atan", 0.0), ("Celu", 0.0), ("Cos", 0.0), ("Cosh", 0.0), ("Elu", 0.0), ("Erf", 0.0),
            ("Exp", 0.0), ("Gelu", 0.0), ("Log", 2.0), ("Mish", 0.0), ("Neg", 0.0), ("Reciprocal", 2.0), ("Sigmoid", 0.0), ("Sin", 0.0),
            ("Sinh", 0.0), ("Softplus", 0.0), ("Softsign", 0.0), ("Sqrt", 2.0), ("Swish", 0.0), ("Tan", 0.0), ("Tanh", 0.0),
        ]),
    ) -> Case {
        let mut config = config! { "function" => name };
        if with_alpha && ["Celu", "Elu", "Swish"].contains(&name) {
            config.set("alpha", alpha);
        }
        activated(Case::on("Function", config, &[shape]).shifted(shift), activation)
    }
}

prop_compose! {
    /// Two shapes of one, with axes of size 1 and missing ones.
    fn arithmetic()(
        shape in any_shape(), ones in proptest::collection::vec(any::<[bool; 2]>(), 6), missing in 0usize..=6, activation in smooth(),
        operation in word(&["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "PRelu"]), constant in 0usize..3,
    ) -> Case {
        let part = |k: usize| -> Vec<usize> { shape.iter().zip(&ones).map(|(n, one)| if one[k] { 1 } else { *n }).collect() };
        let (a, mut b) = (part(0), part(1));
        b.drain(..missing.min(b.len()));
        let mut config = config! { "operation" => operation };
        let shift = if ["Div", "Pow"].contains(&operation) { 2.0 } else { 0.0 };
        if constant == 0 {
            return activated(Case::on("Arithmetic", config, &[a, b]).shifted(shift), activation);
        }
        config.set("constant", vec![0.75; b.iter().product()]);
        config.set("constant_shape", b);
        config.set("constant_first", constant == 1);
        activated(Case::on("Arithmetic", config, &[a]).shifted(shift), activation)
    }
}

prop_compose! {
    fn reduce()(
        shape in any_shape(), operation in word(&["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare"]),
        axes in any::<[bool; 6]>(), all in any::<bool>(), keepdims in any::<bool>(), activation in smooth(),
    ) -> Case {
        let mut config = config! { "operation" => operation, "keepdims" => keepdims };
        if !all {
            config.set("axes", (0..shape.len()).filter(|i| axes[*i]).collect::<Vec<_>>());
        }
        activated(Case::on("Reduce", config, &[shape]), activation)
    }
}

prop_compose! {
    fn rearrange()(
        shape in proptest::collection::vec(1usize..=5, 1..=5), inputs in 1usize..=3, per_sample in any::<bool>(), sized in any::<bool>(),
        output in proptest::collection::vec(1usize..=4, 0..=5), start in 0usize..9, step in 1usize..9, fill in -1.0f64..1.0,
    ) -> Case {
        let size = shape.iter().skip(usize::from(per_sample)).product::<usize>();
        let index: Vec<i64> = (0..output.iter().product()).map(|i: usize| ((start + i * step) % (inputs * size + 1)) as i64 - 1).collect();
        let mut config = config! { "index" => index, "shape" => output, "per_sample" => per_sample, "fill" => fill };
        if sized {
            config.set("sizes", vec![size; inputs]);
        }
        Case::on("Rearrange", config, &vec![shape; inputs])
    }
}

prop_compose! {
    fn mat_mul()(
        stack in proptest::collection::vec(1usize..=3, 0..=4), ones in any::<[[bool; 2]; 4]>(), missing in 0usize..=4,
        [m, k, n] in [1usize..=9, 1usize..=9, 1usize..=40], vectors in any::<[bool; 2]>(), activation in smooth(),
    ) -> Case {
        let part = |which: usize, matrix: [usize; 2]| -> Vec<usize> {
            stack.iter().zip(ones).map(|(n, one)| if one[which] { 1 } else { *n }).chain(matrix).collect()
        };
        let (mut a, mut b) = (part(0, [m, k]), part(1, [k, n]));
        a.drain(..missing.min(stack.len()));
        if vectors[0] && vectors[1] {
            a = vec![k];
        } else if vectors[1] {
            b = vec![k];
        }
        activated(Case::on("MatMul", config! {}, &[a, b]), activation)
    }
}

/// Valid cases of a kind.
fn cases_of(kind: &str) -> BoxedStrategy<Case> {
    match kind {
        "Conv" => conv().boxed(),
        // The adjoint of a convolution takes the same parameters.
        "Deconv" => conv()
            .prop_map(|mut case| {
                let keep = |n: &str| n != "sub_sample_dims";
                let mut config = Config::default();
                case.config.iter().filter(|(n, _)| keep(n)).for_each(|(n, v)| config.set(n, v.clone()));
                (case.kind, case.config) = ("Deconv", config);
                case
            })
            .boxed(),
        "Fc" => fc().boxed(),
        "Pool" => pool().boxed(),
        "Activation" => activation().boxed(),
        "Softmax" => softmax().boxed(),
        "Dropout" => dropout().boxed(),
        "BatchNorm2d" => batch_norm().boxed(),
        "ElemWise" => elem_wise().boxed(),
        "Reshape" => reshape().boxed(),
        "Padding" => padding().boxed(),
        "Resize" => resize().boxed(),
        "Scaling" => scaling().boxed(),
        "Transpose" => transpose().boxed(),
        "LRN" => lrn().boxed(),
        "Function" => function().boxed(),
        "MatMul" => mat_mul().boxed(),
        "Reduce" => reduce().boxed(),
        "Rearrange" => rearrange().boxed(),
        "Arithmetic" => arithmetic().boxed(),
        _ => panic!("add a strategy for {kind}"),
    }
}

/// Transformation takes objects, and has no gradient; its own tests cover it.
fn kinds() -> impl Iterator<Item = &'static str> {
    super::KINDS.iter().copied().filter(|k| *k != "Transformation")
}

/// Cases that ran, of each kind; a case that computes nothing must end in a shape error.
fn run_valid(check: impl Fn(&Case) -> crate::Result<Vec<String>>) {
    for kind in kinds() {
        let ran = std::cell::Cell::new(0);
        let outcome = runner(VALID).run(&cases_of(kind), |case| {
            match check(&case) {
                Ok(wrong) => {
                    prop_assert!(wrong.is_empty(), "{} wrong, {:?}", wrong.len(), &wrong[..wrong.len().min(3)]);
                    ran.set(ran.get() + 1);
                }
                Err(e) => prop_assert_eq!(e.code(), "shape", "{}", e),
            }
            Ok(())
        });
        assert!(outcome.is_ok(), "{kind}: {}", outcome.unwrap_err());
        assert!(ran.get() > VALID / 4, "{kind}: only {} cases computed something", ran.get());
    }
}

#[test]
fn single_agrees_with_double() {
    run_valid(|case| compare_within(case, ROUNDING));
}

/// The instruction set is chosen once a process.
#[test]
fn every_instruction_set_agrees_with_double() {
    let program = std::env::current_exe().unwrap();
    for isa in isas().split_last().unwrap().1 {
        let done = std::process::Command::new(&program)
            .args(["--exact", "cells::property_test::single_agrees_with_double"])
            .env("N2D2_ISA", isa.name())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{}: {text}", isa.name());
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    run_valid(|case| {
        let of = |threads| {
            let _turn = one_at_a_time(threads);
            Check::<f32>::new(case)?.results()
        };
        let (one, three) = (of(1)?, of(3)?);
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        Ok(one.iter().zip(&three).filter(|(a, b)| bits(&a.1) != bits(&b.1)).map(|(a, _)| a.0.clone()).collect())
    });
}

/// Anything that Python may pass for a parameter.
fn hostile() -> impl Strategy<Value = Value> {
    let int = || {
        prop_oneof![
            Just(0),
            Just(-1),
            Just(i64::MIN),
            Just(i64::MAX),
            Just((1 << 31) - 1),
            Just(1 << 31),
            Just(1 << 32),
            Just(1 << 62),
            -5i64..5
        ]
    };
    let float =
        || prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(0.0), Just(f64::MAX), Just(f64::MIN_POSITIVE), -2.0f64..2.0];
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        int().prop_map(Value::Int),
        float().prop_map(Value::Float),
        ".{0,4}".prop_map(Value::Str),
        proptest::collection::vec(int(), 0..5).prop_map(Value::Ints),
        proptest::collection::vec(float(), 0..5).prop_map(Value::Floats),
        (0usize..4, 0usize..4, any::<bool>()).prop_map(|(r, c, v)| Value::Mask(r, c, vec![v; r * c])),
    ]
}

/// Builds the cell and sends a batch of other sizes through it, forth and back.
fn attempt(case: &Case, shapes: &[Vec<usize>]) -> crate::Result<()> {
    let unit = Unit::<f32>::new("cell", case.kind, &case.config)?;
    let inputs = shapes.iter().map(|s| Ok(Var::leaf(Tensor::zeros(s), true))).collect::<crate::Result<Vec<_>>>()?;
    let y = unit.call(&inputs)?;
    assert!(!y.tensor().is_empty(), "an empty output");
    y.back_propagate(Some(Tensor::zeros(y.tensor().shape())))
}

#[test]
fn hostile_parameters_end_in_errors() {
    for kind in kinds() {
        let strategy = (cases_of(kind), any::<prop::sample::Index>(), hostile(), proptest::collection::vec(image(), 0..3), any::<bool>());
        let refused = std::cell::Cell::new(0);
        let outcome = runner(INVALID).run(&strategy, |(mut case, which, value, others, unknown)| {
            let name = if unknown || case.config.iter().next().is_none() {
                "no_such_name".to_string()
            } else {
                which.get(&case.config.iter().collect::<Vec<_>>()).0.to_string()
            };
            let mut change = Config::default();
            change.set(&name, value);
            let shapes = if others.is_empty() { case.inputs.clone() } else { others.iter().map(|s| s.to_vec()).collect() };
            case.config = with(&case.config, &change);
            if let Err(e) = attempt(&case, &shapes) {
                prop_assert!(!e.to_string().is_empty());
                refused.set(refused.get() + 1);
            }
            Ok(())
        });
        assert!(outcome.is_ok(), "{kind}: {}", outcome.unwrap_err());
        assert!(refused.get() > INVALID / 4, "{kind}: only {} of {INVALID} were refused", refused.get());
    }
}
