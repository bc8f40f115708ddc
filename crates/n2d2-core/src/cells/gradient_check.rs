//! Gradients of every cell against central differences in double precision, and single against double precision.
//!
//! With a fixed `gy`, the gradients of `sum(gy * y)` with respect to inputs and trainable parameters are what
//! back-propagating `gy` must give. Every kind of the catalogue needs at least one case.

use crate::activation::Activation;
use crate::config::{Config, Value};
use crate::error::Result;
use crate::graph::{Unit, Var};
use crate::{Float, Tensor, config};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

const EPS: f64 = 1e-6;
const ATOL: f64 = 1e-5;
const RTOL: f64 = 1e-3;
/// Rounding in 32 bits, as a part of the largest value of a tensor (or of 1).
const SINGLE: f64 = 2e-6;

/// A cell with its parameters, and what it is given.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) kind: &'static str,
    pub(super) config: Config,
    /// Shapes of the inputs.
    pub(super) inputs: Vec<Vec<usize>>,
    /// Added to the values of the inputs, which lie in ]-1, 1[.
    pub(super) shift: f64,
    activation: Option<(&'static str, Config)>,
    learn: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { kind, config, inputs, shift, activation, learn } = self;
        write!(f, "{kind} {config:?} on {inputs:?} + {shift}, {activation:?}, learn {learn}")
    }
}

impl Case {
    pub(super) fn on(kind: &'static str, config: Config, inputs: &[impl AsRef<[usize]>]) -> Self {
        let inputs = inputs.iter().map(|s| s.as_ref().to_vec()).collect();
        Case { kind, config, inputs, shift: 0.0, activation: None, learn: true }
    }

    pub(super) fn shifted(mut self, by: f64) -> Self {
        self.shift = by;
        self
    }

    pub(super) fn with(mut self, activation: &'static str, config: Config) -> Self {
        self.activation = Some((activation, config));
        self
    }

    pub(super) fn at_test(mut self) -> Self {
        self.learn = false;
        self
    }
}

/// Odd and even sizes, one image, one channel, one row, one pixel.
const IMAGES: [[usize; 4]; 8] =
    [[2, 3, 5, 6], [1, 1, 7, 3], [3, 2, 4, 4], [1, 4, 3, 3], [2, 1, 1, 5], [1, 5, 6, 2], [2, 2, 2, 2], [1, 3, 1, 1]];

/// `base` with the parameters of `more` added or replaced.
pub(super) fn with(base: &Config, more: &Config) -> Config {
    let mut c = base.clone();
    more.iter().for_each(|(n, v)| c.set(n, v.clone()));
    c
}

/// A mapping of `channels` rows and `outputs` columns where `connected(channel, output)`.
pub(super) fn mapping(channels: usize, outputs: usize, connected: impl Fn(usize, usize) -> bool) -> Value {
    Value::Mask(channels, outputs, (0..channels * outputs).map(|i| connected(i / outputs, i % outputs)).collect())
}

fn conv_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for image in IMAGES {
        let c = image[1];
        let base = config! { "nb_inputs" => c, "nb_outputs" => 4usize, "kernel_dims" => [3usize, 2], "padding_dims" => [1usize, 1] };
        let of = |more: &Config| Case::on("Conv", with(&base, more), &[image]);
        cases.extend([
            of(&config! {}),
            of(&config! { "kernel_dims" => [1usize, 1] }),
            of(&config! { "kernel_dims" => [2usize, 3], "padding_dims" => [2usize, 3] }),
            // A stride larger than the kernel skips pixels.
            of(&config! { "kernel_dims" => [2usize, 1], "stride_dims" => [3usize, 2] }),
            of(&config! { "stride_dims" => [2usize, 1], "padding_dims" => [1usize, 2] }),
            of(&config! { "dilation_dims" => [2usize, 3], "padding_dims" => [2usize, 2] }),
            of(&config! { "sub_sample_dims" => [2usize, 2], "no_bias" => true }),
            of(&config! { "sub_sample_dims" => [1usize, 3] }).with("Swish", config! {}),
            of(&config! { "no_bias" => true }),
            of(&config! { "mapping" => mapping(c, 4, |ch, o| (ch + o) % 3 != 1) }),
            of(&config! { "nb_outputs" => c, "mapping" => mapping(c, c, |ch, o| ch == o) }),
            of(&config! { "nb_outputs" => 2 * c, "mapping" => mapping(c, 2 * c, |ch, o| ch == o / 2), "stride_dims" => [1usize, 2] }),
            Case::on("Conv", with(&base, &config! { "nb_input_cells" => 2usize }), &[image, image]),
            of(&config! {}).with("Rectifier", config! { "leak_slope" => 0.1 }),
            of(&config! {}).with("Rectifier", config! {}),
            of(&config! { "stride_dims" => [2usize, 2] }).with("Tanh", config! { "alpha" => 0.7 }),
        ]);
        if c % 2 == 0 {
            cases.push(of(&config! { "mapping" => mapping(c, 4, |ch, o| ch / (c / 2) == o / 2) }));
        }
    }
    cases
}

fn deconv_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for image in IMAGES {
        let c = image[1];
        let base = config! { "nb_inputs" => c, "nb_outputs" => 4usize, "kernel_dims" => [3usize, 2] };
        let of = |more: &Config| Case::on("Deconv", with(&base, more), &[image]);
        cases.extend([
            of(&config! {}),
            of(&config! { "kernel_dims" => [1usize, 1], "no_bias" => true }),
            of(&config! { "kernel_dims" => [4usize, 3], "stride_dims" => [2usize, 2], "padding_dims" => [1usize, 1] }),
            of(&config! { "kernel_dims" => [2usize, 1], "stride_dims" => [3usize, 2] }),
            of(&config! { "kernel_dims" => [2usize, 2], "dilation_dims" => [2usize, 3], "padding_dims" => [1usize, 1] }),
            of(&config! { "mapping" => mapping(c, 4, |ch, o| (ch + o) % 3 != 1) }),
            of(&config! { "nb_outputs" => c, "mapping" => mapping(c, c, |ch, o| ch == o), "stride_dims" => [1usize, 2] }),
            of(&config! { "nb_outputs" => 2 * c, "mapping" => mapping(c, 2 * c, |ch, o| ch == o / 2), "padding_dims" => [1usize, 0] }),
            Case::on("Deconv", with(&base, &config! { "nb_input_cells" => 2usize }), &[image, image]),
            of(&config! {}).with("Rectifier", config! {}),
            of(&config! { "stride_dims" => [2usize, 2] }).with("Tanh", config! { "alpha" => 0.7 }),
            of(&config! {}).with("Swish", config! {}),
        ]);
        if c % 2 == 0 {
            cases.push(of(&config! { "mapping" => mapping(c, 4, |ch, o| ch / (c / 2) == o / 2) }));
        }
    }
    cases
}

fn fc_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for image in IMAGES {
        let [n, c, h, w] = image;
        let base = config! { "nb_inputs" => c * h * w, "nb_outputs" => 5usize };
        let of = |more: &Config| Case::on("Fc", with(&base, more), &[image]);
        cases.extend([
            of(&config! {}),
            of(&config! { "no_bias" => true }).with("Rectifier", config! {}),
            of(&config! { "nb_outputs" => 1usize }).with("Tanh", config! {}),
            of(&config! { "drop_connect" => 0.6 }),
            of(&config! { "mapping" => mapping(c * h * w, 5, |i, o| (i + o) % 3 != 1) }),
            of(&config! {}).with("Softplus", config! {}),
            Case::on("Fc", with(&base, &config! { "nb_input_cells" => 2usize }), &[image, [n, c * h * w, 1, 1]]),
        ]);
    }
    cases
}

fn pool_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (pooling, image) in ["Max", "Average"].into_iter().flat_map(|p| IMAGES.map(|i| (p, i))) {
        let c = image[1];
        let base = config! { "pooling" => pooling, "pool_dims" => [2usize, 2], "padding_dims" => [1usize, 1] };
        let of = |more: &Config| Case::on("Pool", with(&base, more), &[image]);
        cases.extend([
            of(&config! { "stride_dims" => [2usize, 2] }),
            of(&config! { "padding_dims" => [0usize, 0], "stride_dims" => [2usize, 2] }),
            of(&config! { "pool_dims" => [3usize, 2], "stride_dims" => [2usize, 1], "padding_dims" => [1usize, 0] }),
            of(&config! { "pool_dims" => [1usize, 2], "stride_dims" => [2usize, 3] }),
            of(&config! { "padding_dims" => [2usize, 2] }).with("Rectifier", config! { "clipping" => 0.5 }),
            of(&config! { "mapping" => mapping(c, 4, |ch, o| (ch + o) % 3 != 1) }),
            Case::on("Pool", config! { "global" => true, "pooling" => pooling }, &[image]).with("Tanh", config! {}),
            Case::on("Pool", base.clone(), &[image, image]),
        ]);
    }
    for pooling in ["Max", "Average"] {
        // More channels than a vector holds.
        cases.push(Case::on("Pool", config! { "pooling" => pooling, "pool_dims" => 2i64, "stride_dims" => 2i64 }, &[[2, 11, 5, 4]]));
    }
    cases
}

fn cell_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for image in IMAGES {
        let [n, c, h, w] = image;
        let norm = config! { "nb_inputs" => c };
        cases.extend([
            Case::on("Activation", config! {}, &[image]),
            Case::on("Activation", config! {}, &[image]).with("Rectifier", config! { "leak_slope" => 0.2, "clipping" => 0.6 }),
            Case::on("Activation", config! {}, &[image]).with("Logistic", config! {}),
            Case::on("Activation", config! {}, &[image]).with("Saturation", config! { "threshold" => 0.6 }),
            Case::on("Activation", config! {}, &[image]).with("Softplus", config! {}),
            Case::on("Activation", config! {}, &[image]).with("Swish", config! {}),
            Case::on("Activation", config! {}, &[image, image]).with("Linear", config! { "clipping" => 0.5 }),
            Case::on("Softmax", config! {}, &[image]),
            Case::on("Softmax", config! { "group_size" => c }, &[image]),
            Case::on("Softmax", config! { "group_size" => 3usize }, &[[n, 6, h, w]]),
            Case::on("Dropout", config! { "dropout" => 0.3 }, &[image]),
            Case::on("Dropout", config! {}, &[image]).at_test(),
            Case::on("BatchNorm2d", norm.clone(), &[image]),
            Case::on("BatchNorm2d", with(&norm, &config! { "epsilon" => 0.1 }), &[image]).with("Rectifier", config! {}),
            Case::on("BatchNorm2d", with(&norm, &config! { "moving_average_momentum" => 0i64 }), &[image]),
            Case::on("BatchNorm2d", norm, &[image]).at_test(),
            Case::on("BatchNorm2d", config! { "nb_inputs" => 2 * c }, &[image, image]),
            Case::on("Reshape", config! { "dims" => vec![1i64, 1, -1] }, &[image]),
            Case::on("Reshape", config! { "dims" => vec![0i64, c as i64, h as i64] }, &[image]),
        ]);
        for operation in ["Sum", "AbsSum", "EuclideanSum", "Prod", "Max"] {
            let coefficients = config! { "operation" => operation, "weights" => vec![0.5, -2.0], "shifts" => vec![0.25] };
            cases.extend([
                Case::on("ElemWise", config! { "operation" => operation }, &[image]),
                Case::on("ElemWise", config! { "operation" => operation }, &[image; 3]),
                Case::on("ElemWise", coefficients.clone(), &[image; 3]).with("Tanh", config! {}),
                Case::on("ElemWise", with(&coefficients, &config! { "mode" => "PerInput" }), &[image; 2]),
                Case::on("ElemWise", with(&coefficients, &config! { "mode" => "PerChannel" }), &[image; 2]),
            ]);
        }
    }
    cases
}

fn shape_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for image in IMAGES {
        let padding = |[top, bottom, left, right]: [i64; 4]| {
            let config = config! { "top_pad" => top, "bot_pad" => bottom, "left_pad" => left, "right_pad" => right };
            Case::on("Padding", config, &[image])
        };
        cases.extend([
            padding([1, 2, 3, 0]),
            padding([-1, 1, 2, -1]).with("Rectifier", config! {}),
            padding([-1, -1, 0, -1]),
            // Nothing of a small image is left.
            padding([3, -2, 0, 1]).with("Swish", config! {}),
            Case::on("Padding", padding([0, 1, 1, 0]).config, &[image, image]),
        ]);
        for mode in ["NearestNeighbor", "Bilinear", "BilinearTF"] {
            let resize = |width: usize, height: usize, align_corners: bool| {
                let size = config! { "outputs_width" => width, "outputs_height" => height };
                let config = with(&size, &config! { "resize_mode" => mode, "align_corners" => align_corners });
                Case::on("Resize", config, &[image])
            };
            let [_, _, h, w] = image;
            cases.extend([true, false].into_iter().flat_map(|align_corners| {
                [
                    resize(2 * w, 2 * h, align_corners),
                    resize(w + 3, h.div_ceil(2), align_corners).with("Tanh", config! {}),
                    resize(2, 7, align_corners),
                    resize(1, 1, align_corners),
                ]
            }));
            cases.push(Case::on("Resize", resize(5, 4, true).config, &[image, image]));
        }
        let transpose = |perm: &[i64]| Case::on("Transpose", config! { "perm" => perm.to_vec() }, &[image]);
        cases.extend([
            transpose(&[0, 2, 1]),
            transpose(&[1, 0]).with("Rectifier", config! { "leak_slope" => 0.2 }),
            transpose(&[1, 2, 0, 3]),
            transpose(&[2, 0, 1]),
            transpose(&[2, 1, 0]).with("Swish", config! {}),
            Case::on("Transpose", config! { "perm" => vec![2i64, 0, 1] }, &[image, image]),
        ]);
        // The other modes round, which has no slope: the tests of the cell have their gradients.
        let factors: Vec<f64> = (0..image[1]).map(|c| c as f64 - 1.5).collect();
        let scaling = config! { "mode" => "FloatingPoint", "scaling_per_output" => factors };
        let clipped = config! { "is_clipped" => true, "clipping" => vec![0.7; image[1]] };
        cases.extend([
            Case::on("Scaling", scaling.clone(), &[image]),
            Case::on("Scaling", scaling.clone(), &[image]).with("Swish", config! {}),
            Case::on("Scaling", with(&scaling, &clipped), &[image]),
            Case::on("Scaling", with(&scaling, &clipped), &[image]).with("Tanh", config! {}).at_test(),
        ]);
    }
    cases
}

/// Shapes of any rank, the first axis no batch.
const ANY: [&[usize]; 8] = [&[2, 3, 5, 6], &[], &[7], &[4, 3], &[2, 3, 4], &[2, 9, 3, 1], &[2, 1, 3, 2, 2], &[2, 1, 2, 1, 3, 2]];

/// Functions and what keeps their arguments inside their domain.
const FUNCTIONS: [(&str, f64); 36] = [
    ("Abs", 0.0),
    ("Acos", 0.0),
    ("Acosh", 2.5),
    ("Asin", 0.0),
    ("Asinh", 0.0),
    ("Atan", 0.0),
    ("Atanh", 0.0),
    ("Ceil", 0.0),
    ("Clip", 0.0),
    ("Cos", 0.0),
    ("Cosh", 0.0),
    ("Erf", 0.0),
    ("Erf", 1.5),
    ("Exp", 0.0),
    ("Floor", 0.0),
    ("Gelu", 0.0),
    ("HardSigmoid", 2.0),
    ("HardSwish", 2.5),
    ("HardSwish", -2.5),
    ("Identity", 0.0),
    ("Log", 1.5),
    ("Mish", 0.0),
    ("Neg", 0.0),
    ("Reciprocal", 1.5),
    ("Relu", 0.0),
    ("Round", 0.0),
    ("Shrink", 0.0),
    ("Sigmoid", 0.0),
    ("Sign", 0.0),
    ("Sin", 0.0),
    ("Sinh", 0.0),
    ("Softplus", 0.0),
    ("Softsign", 0.0),
    ("Sqrt", 1.5),
    ("Tan", 0.0),
    ("Tanh", 0.0),
];

fn function_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for image in IMAGES {
        let window = |n: usize, k: f64| config! { "n" => n, "alpha" => 0.7, "beta" => 0.6, "k" => k };
        cases.extend([
            Case::on("LRN", config! {}, &[image]),
            Case::on("LRN", window(2, 1.5), &[image]),
            Case::on("LRN", window(3, 1.0), &[image]).with("Tanh", config! {}),
            Case::on("LRN", window(9, 0.5), &[image]),
        ]);
    }
    for shape in ANY {
        let of = |config: Config| Case::on("Function", config, &[shape]);
        cases.extend(FUNCTIONS.map(|(function, shift)| of(config! { "function" => function }).shifted(shift)));
        for function in ["Celu", "Elu", "LeakyRelu", "Selu", "Swish"] {
            cases.push(of(config! { "function" => function }));
            cases.push(of(config! { "function" => function, "alpha" => 0.4 }).with("Tanh", config! {}));
        }
        cases.extend([
            // It jumps at alpha, which lies below these values.
            of(config! { "function" => "ThresholdedRelu", "alpha" => 0.4 }).shifted(2.0),
            of(config! { "function" => "Gelu", "approximate" => "tanh" }),
            of(config! { "function" => "Clip", "minimum" => -0.3, "maximum" => 0.6 }),
            of(config! { "function" => "HardSigmoid", "alpha" => 0.4, "beta" => 0.3 }),
            of(config! { "function" => "Selu", "alpha" => 0.4, "gamma" => 0.3 }),
            of(config! { "function" => "Shrink", "bias" => 0.4, "lambd" => 0.3 }),
        ]);
    }
    cases
}

/// Two shapes that broadcast: equal ones, channels, a pixel, rows and columns of both sides, and numbers.
const PAIRS: [[&[usize]; 2]; 11] = [
    [&[2, 3, 4, 5], &[2, 3, 4, 5]],
    [&[2, 11, 3, 2], &[2, 11, 1, 1]],
    [&[2, 11, 3, 2], &[1, 11, 1, 1]],
    [&[11, 1, 1], &[2, 11, 3, 2]],
    [&[2, 3, 4, 5], &[5]],
    [&[4, 1], &[1, 3]],
    [&[], &[2, 3]],
    [&[], &[]],
    [&[2, 1, 3, 1, 2], &[3, 2, 1]],
    [&[2, 1, 2, 1, 2, 1], &[1, 2, 1, 2, 1, 3]],
    [&[3, 1, 2, 2], &[2, 1, 3, 2, 2]],
];

fn arithmetic_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for pair in PAIRS {
        for (operation, shift) in [
            ("Add", 0.0),
            ("Sub", 0.0),
            ("Mul", 0.0),
            ("Div", 1.5),
            ("Pow", 1.5),
            ("Min", 0.0),
            ("Max", 0.0),
            ("Sum", 0.0),
            ("Mean", 0.0),
            ("Mod", 1.2),
            ("Fmod", 1.2),
            ("PRelu", 0.0),
        ] {
            let base = config! { "operation" => operation };
            cases.push(Case::on("Arithmetic", base.clone(), &pair).shifted(shift));
            let values: Vec<f64> = (0..pair[0].iter().product::<usize>()).map(|i| 0.7 + (i * 5 % 7) as f64 / 4.0).collect();
            let constant = with(&base, &config! { "constant" => values, "constant_shape" => pair[0].to_vec() });
            cases.push(Case::on("Arithmetic", constant.clone(), &pair[1..]).shifted(shift));
            let first = with(&constant, &config! { "constant_first" => true });
            cases.push(Case::on("Arithmetic", first, &pair[1..]).shifted(shift).with("Tanh", config! {}));
        }
        for operation in ["Min", "Max", "Sum", "Mean"] {
            cases.push(Case::on("Arithmetic", config! { "operation" => operation }, &[pair[0], pair[1], pair[0]]));
            cases.push(Case::on("Arithmetic", config! { "operation" => operation }, &pair[..1]));
        }
    }
    cases
}

/// Shapes of twelve values.
const OUTPUTS: [&[usize]; 4] = [&[12], &[2, 6], &[2, 3, 2], &[1, 2, 3, 2]];

fn rank_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, shape) in ANY.into_iter().enumerate() {
        for operation in ["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"] {
            let shift = if operation == "LogSum" { 1.5 } else { 0.0 };
            let of = |config: Config| Case::on("Reduce", with(&config! { "operation" => operation }, &config), &[shape]).shifted(shift);
            cases.extend([
                of(config! {}),
                of(config! { "axes" => vec![-1i64] }),
                of(config! { "axes" => vec![1i64, -1], "keepdims" => false }).with("Tanh", config! {}),
                of(config! { "axes" => vec![0i64], "keepdims" => false }),
                of(config! { "axes" => vec![2i64, 3] }),
                of(config! { "axes" => Vec::<i64>::new() }),
            ]);
        }
        let (len, sample) = (shape.iter().product::<usize>(), shape.iter().skip(1).product::<usize>());
        let index = |n: usize, of: usize| (0..n).map(|i| (i * 7 + 3) as i64 % (of as i64 + 1) - 1).collect::<Vec<i64>>();
        let all = config! { "index" => index(12, 2 * len), "shape" => OUTPUTS[i % 4].to_vec() };
        let each = config! { "index" => index(12, sample), "shape" => OUTPUTS[i % 3].to_vec(), "per_sample" => true };
        cases.extend([
            Case::on("Rearrange", with(&all, &config! { "sizes" => vec![len, len] }), &[shape, shape]),
            Case::on("Rearrange", with(&all, &config! { "fill" => 0.5 }), &[shape, shape]).with("Tanh", config! {}),
        ]);
        if !shape.is_empty() {
            cases.push(Case::on("Rearrange", each, &[shape]));
        }
    }
    let products: [[&[usize]; 2]; 9] = [
        [&[3, 4], &[4, 5]],
        [&[4], &[4]],
        [&[4], &[2, 4, 3]],
        [&[2, 3, 4], &[4]],
        [&[2, 3, 4, 5], &[2, 3, 5, 2]],
        [&[2, 1, 4, 5], &[3, 5, 2]],
        [&[3, 4], &[2, 1, 4, 1]],
        [&[1, 2, 1, 1, 3, 2], &[2, 1, 2, 1, 2, 3]],
        [&[70, 3], &[3, 40]],
    ];
    for pair in products {
        cases.extend([Case::on("MatMul", config! {}, &pair), Case::on("MatMul", config! {}, &pair).with("Tanh", config! {})]);
    }
    cases
}

fn cases() -> Vec<Case> {
    let mut cases = rank_cases();
    cases.extend(function_cases());
    cases.extend(arithmetic_cases());
    cases.extend(conv_cases());
    cases.extend(deconv_cases());
    cases.extend(fc_cases());
    cases.extend(pool_cases());
    cases.extend(cell_cases());
    cases.extend(shape_cases());
    cases
}

/// Values in ]-1, 1[, all apart from each other and from 0 by far more than a difference reaches, and the same in 32 bits.
fn values(len: usize, salt: usize) -> Vec<f64> {
    (0..len).map(|i| f64::from((((i + 1) * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 - 1.0 + 1e-4)).collect()
}

/// A case set up with its values.
pub(super) struct Check<T: Float> {
    unit: Arc<Unit<T>>,
    inputs: Vec<Vec<T>>,
    shapes: Vec<Vec<usize>>,
}

fn of<T: Float>(values: &[f64]) -> Vec<T> {
    values.iter().map(|v| T::of(*v)).collect()
}

fn wide<T: Float>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| v.as_f64()).collect()
}

/// What a pass forth and back gives, by name.
pub(super) type Results = Vec<(String, Vec<f64>)>;

impl<T: Float> Check<T> {
    /// # Errors
    /// Those of the constructor and of the shapes.
    pub(super) fn new(case: &Case) -> Result<Self> {
        let unit = Unit::new("cell", case.kind, &case.config)?;
        unit.with(|u| {
            u.learn = case.learn;
            u.activation = case.activation.as_ref().map(|(kind, config)| Activation::new(kind, config).unwrap());
            for (i, p) in u.cell.params_mut().iter_mut().enumerate() {
                let mut v = values(p.len(), i + 5);
                if p.name == "variances" {
                    v = v.into_iter().map(|v| v.abs() + 0.5).collect();
                }
                p.assign(&of(&v)).unwrap();
            }
        });
        let shifted = |v: f64| f64::from((v + case.shift) as f32);
        let inputs = case.inputs.iter().enumerate();
        let inputs = inputs.map(|(i, s)| of(&values(s.iter().product(), i).into_iter().map(shifted).collect::<Vec<_>>())).collect();
        Ok(Check { unit, inputs, shapes: case.inputs.clone() })
    }

    /// One pass, always with the same random numbers.
    fn pass(&self) -> Result<(Vec<Var<T>>, Var<T>)> {
        let leaf = |(v, s): (&Vec<T>, &Vec<usize>)| Var::leaf(Tensor::from_vec(v.clone(), s).unwrap(), true);
        let inputs: Vec<_> = self.inputs.iter().zip(&self.shapes).map(leaf).collect();
        self.unit.with(|u| u.step = 3);
        let y = self.unit.call(&inputs)?;
        Ok((inputs, y))
    }

    /// Output, and the gradients of inputs and trainable parameters for a fixed gradient of the output.
    pub(super) fn results(&self) -> Result<Results> {
        let (inputs, y) = self.pass()?;
        let gy = values(y.tensor().len(), 11);
        y.back_propagate(Some(Tensor::from_vec(of(&gy), y.tensor().shape())?))?;
        let mut results = vec![("output".to_string(), wide(&y.tensor().to_vec()))];
        let zeros = |x: &Var<T>| Tensor::zeros(x.tensor().shape());
        let gradient = |x: &Var<T>| wide(&x.grad().unwrap_or_else(|| zeros(x)).to_vec());
        results.extend(inputs.iter().enumerate().map(|(i, x)| (format!("input {i}"), gradient(x))));
        self.unit.with(|u| {
            let trainable = u.cell.params().iter().filter(|p| p.solver.is_some());
            results.extend(trainable.map(|p| (p.name.to_string(), wide(&p.grad_to_vec()))));
        });
        Ok(results)
    }
}

impl Check<f64> {
    fn objective(&self, gy: &[f64]) -> f64 {
        self.pass().unwrap().1.tensor().to_vec().iter().zip(gy).map(|(y, d)| y * d).sum()
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

    fn input_slopes(&mut self, gy: &[f64], k: usize) -> Vec<f64> {
        (0..self.inputs[k].len())
            .map(|i| {
                let was = self.inputs[k][i];
                self.slope(gy, |c, by| c.inputs[k][i] = was + by)
            })
            .collect()
    }

    fn param_slopes(&mut self, gy: &[f64], name: &str) -> Vec<f64> {
        let at = self.unit.with(|u| u.cell.params().iter().position(|p| p.name == name)).unwrap();
        let values = self.unit.with(|u| u.cell.params()[at].to_vec());
        (0..values.len())
            .map(|i| {
                self.slope(gy, |c, by| {
                    let mut moved = values.clone();
                    moved[i] += by;
                    c.unit.with(|u| u.cell.params_mut()[at].assign(&moved)).unwrap();
                })
            })
            .collect()
    }
}

fn differences(what: &str, got: &[f64], expected: &[f64], tolerance: impl Fn(f64) -> f64, wrong: &mut Vec<String>) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        if (g - e).abs() > tolerance(*e) || !g.is_finite() {
            wrong.push(format!("{what}[{i}]: {g}, expected {e}"));
        }
    }
}

/// What is wrong with the gradients of a case in double precision.
fn check(case: &Case) -> Result<Vec<String>> {
    let mut check = Check::<f64>::new(case)?;
    let results = check.results()?;
    let gy = values(results[0].1.len(), 11);
    let mut wrong = Vec::new();
    for (k, (what, gradient)) in results[1..].iter().enumerate() {
        let slopes = if k < case.inputs.len() { check.input_slopes(&gy, k) } else { check.param_slopes(&gy, what) };
        differences(what, gradient, &slopes, |s| ATOL + RTOL * s.abs(), &mut wrong);
    }
    Ok(wrong)
}

/// What differs between the fast kernels in 32 bits and the portable ones in 64.
fn compare(case: &Case) -> Result<Vec<String>> {
    compare_within(case, SINGLE)
}

/// The same, with a tolerance as a part of the largest value of a tensor (or of 1).
pub(super) fn compare_within(case: &Case, tolerance: f64) -> Result<Vec<String>> {
    let (single, double) = (Check::<f32>::new(case)?.results()?, Check::<f64>::new(case)?.results()?);
    let mut wrong = Vec::new();
    for ((what, s), (_, d)) in single.iter().zip(&double) {
        let largest = d.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        differences(what, s, d, |_| tolerance * largest, &mut wrong);
    }
    Ok(wrong)
}

/// Runs every case; one that computes nothing must say so with a shape error, and no other error may come.
fn run_all(what: impl Fn(&Case) -> Result<Vec<String>>) -> Vec<Case> {
    let (mut report, mut ran) = (Vec::new(), Vec::new());
    for case in cases() {
        match what(&case) {
            Ok(wrong) if wrong.is_empty() => ran.push(case),
            Ok(wrong) => report.push(format!("{case}: {} wrong\n  {}", wrong.len(), wrong[..wrong.len().min(3)].join("\n  "))),
            Err(e) if e.code() == "shape" => {}
            Err(e) => report.push(format!("{case}: {e}")),
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
    ran
}

#[test]
fn gradients_are_slopes() {
    let ran = run_all(check);
    // Every parameter was checked on at least six shapes.
    let mut shapes: BTreeMap<(&str, String), BTreeSet<&[Vec<usize>]>> = BTreeMap::new();
    for case in &ran {
        for name in std::iter::once("").chain(case.config.iter().map(|(n, _)| n)) {
            shapes.entry((case.kind, name.to_string())).or_default().insert(&case.inputs);
        }
    }
    let few: Vec<_> = shapes.iter().filter(|(_, s)| s.len() < 6).map(|(k, s)| (k, s.len())).collect();
    assert!(few.is_empty(), "fewer than six shapes: {few:?}");
    // A Transformation is forward only: there is no gradient to check.
    let without = ["Transformation"];
    let missing: Vec<_> = super::KINDS.iter().filter(|k| !without.contains(k) && !ran.iter().any(|c| c.kind == **k)).collect();
    assert!(missing.is_empty(), "add gradient-check cases for {missing:?}");
}

#[test]
fn single_precision_agrees_with_double() {
    assert!(run_all(compare).len() > 100);
}

#[test]
fn a_window_larger_than_the_image_is_an_error() {
    for (kind, config) in [
        ("Conv", config! { "nb_inputs" => 2usize, "nb_outputs" => 1usize, "kernel_dims" => [4usize, 1] }),
        ("Conv", config! { "nb_inputs" => 2usize, "nb_outputs" => 1usize, "kernel_dims" => [1usize, 2], "dilation_dims" => [1usize, 3] }),
        ("Pool", config! { "pool_dims" => [1usize, 4] }),
        ("Deconv", config! { "nb_inputs" => 2usize, "nb_outputs" => 1usize, "kernel_dims" => 2i64, "padding_dims" => [2usize, 0] }),
    ] {
        let e = check(&Case::on(kind, config, &[[1, 2, 3, 3]])).unwrap_err();
        assert_eq!(e.code(), "shape");
        assert!(e.to_string().starts_with("cell: height and width of the input: expected "), "{e}");
    }
}

#[test]
fn a_gradient_that_is_not_the_slope_is_found() {
    // With a loss the gradient passes a softmax unchanged, which is the slope of the cross-entropy and not of the output.
    let wrong = check(&Case::on("Softmax", config! { "with_loss" => true }, &[[1, 3, 1, 1]])).unwrap();
    assert!(wrong.len() == 3 && wrong[0].starts_with("input 0[0]: "), "{wrong:?}");
}
