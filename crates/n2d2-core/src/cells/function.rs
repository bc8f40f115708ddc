//! `Function`: a function of one variable, element by element.
//!
//! The table [`NAMES`] lists the functions with the parameters that each takes; the doc of [`Kind`] has their formulas. The
//! gradient is `f'(x) gy`, with the derivative 0 where a function is piecewise constant, and that of the left side at a kink.
//!
//! Shapes: one input of any rank up to six to the same. Source: the ONNX operators of the same names.

use super::{Cell, Frame, Inputs, Phase};
use crate::config::Config;
use crate::erf::erf;
use crate::error::Result;
use crate::tensor::{Float, Shape};

/// Elements of an item: so many transcendental functions take some 50 microseconds.
const ITEM: usize = 4096;

/// The functions, and the parameters that they take.
const NAMES: &[(&str, Kind, &[&str])] = &[
    ("Abs", Kind::Abs, &[]),
    ("Acos", Kind::Acos, &[]),
    ("Acosh", Kind::Acosh, &[]),
    ("Asin", Kind::Asin, &[]),
    ("Asinh", Kind::Asinh, &[]),
    ("Atan", Kind::Atan, &[]),
    ("Atanh", Kind::Atanh, &[]),
    ("Ceil", Kind::Ceil, &[]),
    ("Celu", Kind::Celu, &["alpha"]),
    ("Clip", Kind::Clip, &["minimum", "maximum"]),
    ("Cos", Kind::Cos, &[]),
    ("Cosh", Kind::Cosh, &[]),
    ("Elu", Kind::Elu, &["alpha"]),
    ("Erf", Kind::Erf, &[]),
    ("Exp", Kind::Exp, &[]),
    ("Floor", Kind::Floor, &[]),
    ("Gelu", Kind::Gelu, &["approximate"]),
    ("HardSigmoid", Kind::HardSigmoid, &["alpha", "beta"]),
    ("HardSwish", Kind::HardSwish, &[]),
    ("Identity", Kind::Identity, &[]),
    ("LeakyRelu", Kind::LeakyRelu, &["alpha"]),
    ("Log", Kind::Log, &[]),
    ("Mish", Kind::Mish, &[]),
    ("Neg", Kind::Neg, &[]),
    ("Reciprocal", Kind::Reciprocal, &[]),
    ("Relu", Kind::Relu, &[]),
    ("Round", Kind::Round, &[]),
    ("Selu", Kind::Selu, &["alpha", "gamma"]),
    ("Shrink", Kind::Shrink, &["bias", "lambd"]),
    ("Sigmoid", Kind::Sigmoid, &[]),
    ("Sign", Kind::Sign, &[]),
    ("Sin", Kind::Sin, &[]),
    ("Sinh", Kind::Sinh, &[]),
    ("Softplus", Kind::Softplus, &[]),
    ("Softsign", Kind::Softsign, &[]),
    ("Sqrt", Kind::Sqrt, &[]),
    ("Swish", Kind::Swish, &["alpha"]),
    ("Tan", Kind::Tan, &[]),
    ("Tanh", Kind::Tanh, &[]),
    ("ThresholdedRelu", Kind::ThresholdedRelu, &["alpha"]),
];

/// A function; those without a formula are the mathematical functions of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    /// `max(x, 0) + min(alpha (e^(x / alpha) - 1), 0)`, alpha 1.
    Celu,
    /// `min(max(x, minimum), maximum)`; without bounds unless they are given.
    Clip,
    Cos,
    Cosh,
    /// `x` above 0, else `alpha (e^x - 1)`, alpha 1.
    Elu,
    Erf,
    Exp,
    Floor,
    /// `x / 2 (1 + erf(x / sqrt 2))`, or with `tanh` `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
    Gelu,
    /// `min(max(alpha x + beta, 0), 1)`, alpha 0.2, beta 0.5.
    HardSigmoid,
    /// `x min(max(x / 6 + 1 / 2, 0), 1)`.
    HardSwish,
    Identity,
    /// `x` above 0, else `alpha x`, alpha 0.01.
    LeakyRelu,
    Log,
    /// `x tanh(log(1 + e^x))`.
    Mish,
    Neg,
    Reciprocal,
    Relu,
    /// To the nearest integer, halves to the even one.
    Round,
    /// `gamma x` above 0, else `gamma alpha (e^x - 1)`, alpha 1.67326..., gamma 1.05070...
    Selu,
    /// `x - bias` above lambd, `x + bias` below -lambd, else 0; bias 0, lambd 0.5.
    Shrink,
    Sigmoid,
    Sign,
    Sin,
    Sinh,
    /// `log(1 + e^x)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    Sqrt,
    /// `x / (1 + e^(-alpha x))`, alpha 1.
    Swish,
    Tan,
    Tanh,
    /// `x` above alpha, else 0; alpha 1.
    ThresholdedRelu,
}

/// A function of one variable.
///
/// Parameters: `function` (required), and those of the function: `alpha`, `beta`, `gamma`, `bias`, `lambd`, `minimum`,
/// `maximum`, `approximate` (`none` or `tanh`).
pub struct Function<T: Float> {
    kind: Kind,
    a: T,
    b: T,
    tanh: bool,
}

impl<T: Float> Function<T> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The errors of [`Config`]; [`crate::Error::Value`] for a parameter that the function does not take.
    pub fn new(config: &Config) -> Result<Self> {
        let parameters = ["alpha", "beta", "gamma", "bias", "lambd", "minimum", "maximum", "approximate"];
        config.only(&["function"].into_iter().chain(parameters).collect::<Vec<_>>())?;
        let names: Vec<&str> = NAMES.iter().map(|(name, ..)| *name).collect();
        let name = config.one_of("function", &names, "")?;
        let (_, kind, takes) = NAMES.iter().find(|(n, ..)| *n == name).expect("a word of the table");
        if let Some((other, value)) = config.iter().find(|(n, _)| parameters.contains(n) && !takes.contains(n)) {
            let expected = match takes {
                [] => format!("nothing, {name} has no parameters"),
                some => format!("nothing, the parameters of {name} are {}", some.join(" and ")),
            };
            return Err(config.error(other, value, expected));
        }
        let float = |name: &str, default: f64| config.float_or(name, default).map(T::of);
        let (a, b) = match kind {
            Kind::Clip => {
                let bound = |name: &str, none: T| if config.get(name).is_some() { float(name, 0.0) } else { Ok(none) };
                (bound("minimum", T::neg_infinity())?, bound("maximum", T::infinity())?)
            }
            Kind::HardSigmoid => (float("alpha", 0.2)?, float("beta", 0.5)?),
            Kind::Selu => (float("alpha", 1.673_263_192_176_818_8)?, float("gamma", 1.050_701_022_148_132_3)?),
            Kind::Shrink => (float("bias", 0.0)?, float("lambd", 0.5)?),
            Kind::LeakyRelu => (float("alpha", 0.01)?, T::zero()),
            Kind::Celu if config.float_or("alpha", 1.0)? == 0.0 => return Err(config.error("alpha", 0.0, "a number that is not 0")),
            _ => (float("alpha", 1.0)?, T::zero()),
        };
        Ok(Function { kind: *kind, a, b, tanh: config.one_of("approximate", &["none", "tanh"], "none")? == "tanh" })
    }

    fn value(&self, x: &[T], y: &mut [T]) {
        let (a, b, one, zero, half) = (self.a, self.b, T::one(), T::zero(), T::of(0.5));
        match self.kind {
            Kind::Abs => map(x, y, T::abs),
            Kind::Acos => map(x, y, T::acos),
            Kind::Acosh => map(x, y, T::acosh),
            Kind::Asin => map(x, y, T::asin),
            Kind::Asinh => map(x, y, T::asinh),
            Kind::Atan => map(x, y, T::atan),
            Kind::Atanh => map(x, y, T::atanh),
            Kind::Ceil => map(x, y, T::ceil),
            Kind::Celu => map(x, y, |x| if x > zero { x } else { a * (x / a).exp_m1() }),
            Kind::Clip => map(x, y, |x| x.max(a).min(b)),
            Kind::Cos => map(x, y, T::cos),
            Kind::Cosh => map(x, y, T::cosh),
            Kind::Elu => map(x, y, |x| if x > zero { x } else { a * x.exp_m1() }),
            Kind::Erf => map(x, y, |x| T::of(erf(x.as_f64()))),
            Kind::Exp => map(x, y, T::exp),
            Kind::Floor => map(x, y, T::floor),
            Kind::Gelu if self.tanh => map(x, y, |x| half * x * (one + gelu_argument(x).tanh())),
            Kind::Gelu => map(x, y, |x| x * normal_cdf(x)),
            Kind::HardSigmoid => map(x, y, |x| (a * x + b).max(zero).min(one)),
            Kind::HardSwish => map(x, y, |x| x * (x / T::of(6.0) + half).max(zero).min(one)),
            Kind::Identity => y.copy_from_slice(x),
            Kind::LeakyRelu => map(x, y, |x| if x > zero { x } else { a * x }),
            Kind::Log => map(x, y, T::ln),
            Kind::Mish => map(x, y, |x| x * softplus(x).tanh()),
            Kind::Neg => map(x, y, |x| -x),
            Kind::Reciprocal => map(x, y, T::recip),
            Kind::Relu => map(x, y, |x| if x > zero { x } else { zero }),
            Kind::Round => map(x, y, round_half_to_even),
            Kind::Selu => map(x, y, |x| if x > zero { b * x } else { b * a * x.exp_m1() }),
            Kind::Shrink => map(x, y, |x| {
                if x > b {
                    x - a
                } else if x < -b {
                    x + a
                } else {
                    zero
                }
            }),
            Kind::Sigmoid => map(x, y, sigmoid),
            Kind::Sign => map(x, y, |x| if x == zero { zero } else { x.signum() }),
            Kind::Sin => map(x, y, T::sin),
            Kind::Sinh => map(x, y, T::sinh),
            Kind::Softplus => map(x, y, softplus),
            Kind::Softsign => map(x, y, |x| x / (one + x.abs())),
            Kind::Sqrt => map(x, y, T::sqrt),
            Kind::Swish => map(x, y, |x| x * sigmoid(a * x)),
            Kind::Tan => map(x, y, T::tan),
            Kind::Tanh => map(x, y, T::tanh),
            Kind::ThresholdedRelu => map(x, y, |x| if x > a { x } else { zero }),
        }
    }

    /// `g <- f'(x) g`.
    fn gradient(&self, x: &[T], g: &mut [T]) {
        let (a, b, one, zero, half, two) = (self.a, self.b, T::one(), T::zero(), T::of(0.5), T::of(2.0));
        match self.kind {
            Kind::Abs => scale(x, g, |x| if x == zero { zero } else { x.signum() }),
            Kind::Acos => scale(x, g, |x| -(one - x * x).sqrt().recip()),
            Kind::Acosh => scale(x, g, |x| ((x - one) * (x + one)).sqrt().recip()),
            Kind::Asin => scale(x, g, |x| (one - x * x).sqrt().recip()),
            Kind::Asinh => scale(x, g, |x| (x * x + one).sqrt().recip()),
            Kind::Atan => scale(x, g, |x| (x * x + one).recip()),
            Kind::Atanh => scale(x, g, |x| (one - x * x).recip()),
            Kind::Ceil | Kind::Floor | Kind::Round | Kind::Sign => g.fill(zero),
            Kind::Celu => scale(x, g, |x| if x > zero { one } else { (x / a).exp() }),
            Kind::Clip => scale(x, g, |x| if x > a && x < b { one } else { zero }),
            Kind::Cos => scale(x, g, |x| -x.sin()),
            Kind::Cosh => scale(x, g, T::sinh),
            Kind::Elu => scale(x, g, |x| if x > zero { one } else { a * x.exp() }),
            Kind::Erf => scale(x, g, |x| T::of(std::f64::consts::FRAC_2_SQRT_PI) * (-x * x).exp()),
            Kind::Exp => scale(x, g, T::exp),
            Kind::Gelu if self.tanh => scale(x, g, |x| {
                let (t, root) = (gelu_argument(x).tanh(), T::of((2.0 / std::f64::consts::PI).sqrt()));
                half * (one + t) + half * x * (one - t * t) * root * (one + T::of(3.0 * 0.044_715) * x * x)
            }),
            Kind::Gelu => scale(x, g, |x| {
                let density = T::of((2.0 * std::f64::consts::PI).sqrt().recip()) * (-half * x * x).exp();
                normal_cdf(x) + x * density
            }),
            Kind::HardSigmoid => scale(x, g, |x| {
                let y = a * x + b;
                if y > zero && y < one { a } else { zero }
            }),
            Kind::HardSwish => scale(x, g, |x| {
                if x > T::of(3.0) {
                    one
                } else if x < T::of(-3.0) {
                    zero
                } else {
                    x / T::of(3.0) + half
                }
            }),
            Kind::Identity => {}
            Kind::LeakyRelu => scale(x, g, |x| if x > zero { one } else { a }),
            Kind::Log => scale(x, g, T::recip),
            Kind::Mish => scale(x, g, |x| {
                let t = softplus(x).tanh();
                t + x * (one - t * t) * sigmoid(x)
            }),
            Kind::Neg => scale(x, g, |_| -one),
            Kind::Reciprocal => scale(x, g, |x| -(x * x).recip()),
            Kind::Relu => scale(x, g, |x| if x > zero { one } else { zero }),
            Kind::Selu => scale(x, g, |x| if x > zero { b } else { b * a * x.exp() }),
            Kind::Shrink => scale(x, g, |x| if x > b || x < -b { one } else { zero }),
            Kind::Sigmoid => scale(x, g, |x| sigmoid(x) * sigmoid(-x)),
            Kind::Sin => scale(x, g, T::cos),
            Kind::Sinh => scale(x, g, T::cosh),
            Kind::Softplus => scale(x, g, sigmoid),
            Kind::Softsign => scale(x, g, |x| (one + x.abs()).powi(-2)),
            Kind::Sqrt => scale(x, g, |x| (two * x.sqrt()).recip()),
            Kind::Swish => scale(x, g, |x| {
                let s = sigmoid(a * x);
                s + a * x * s * sigmoid(-a * x)
            }),
            Kind::Tan => scale(x, g, |x| one + x.tan().powi(2)),
            Kind::Tanh => scale(x, g, |x| one - x.tanh().powi(2)),
            Kind::ThresholdedRelu => scale(x, g, |x| if x > a { one } else { zero }),
        }
    }

    fn part(item: usize, f: &Frame<'_, T>) -> (usize, usize) {
        (item * ITEM, ITEM.min(f.output.len() - item * ITEM))
    }

    fn phases(f: &Frame<'_, T>) -> Vec<Phase> {
        vec![Phase::new(f.output.len().div_ceil(ITEM), 4 * f.output.len())]
    }
}

fn map<T: Float>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*x));
}

fn scale<T: Float>(x: &[T], g: &mut [T], f: impl Fn(T) -> T) {
    g.iter_mut().zip(x).for_each(|(g, x)| *g *= f(*x));
}

fn sigmoid<T: Float>(x: T) -> T {
    (T::one() + (-x).exp()).recip()
}

/// Without overflow for large values.
fn softplus<T: Float>(x: T) -> T {
    x.max(T::zero()) + (-x.abs()).exp().ln_1p()
}

fn normal_cdf<T: Float>(x: T) -> T {
    T::of(0.5 + 0.5 * erf(x.as_f64() * std::f64::consts::FRAC_1_SQRT_2))
}

fn gelu_argument<T: Float>(x: T) -> T {
    T::of((2.0 / std::f64::consts::PI).sqrt()) * (x + T::of(0.044_715) * x * x * x)
}

fn round_half_to_even<T: Float>(x: T) -> T {
    let two = T::of(2.0);
    if x.fract().abs() == T::of(0.5) { two * (x / two).round() } else { x.round() }
}

impl<T: Float> Cell<T> for Function<T> {
    fn kind(&self) -> &'static str {
        "Function"
    }

    fn inputs(&self) -> Inputs {
        Inputs::Any
    }

    fn output_shape(&self, name: &str, inputs: &[&[usize]]) -> Result<Shape> {
        super::strided::only_one(name, inputs)
    }

    fn forward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(Self::phases(f))
    }

    fn forward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let (start, len) = Self::part(item, f);
        // SAFETY: items are disjoint.
        self.value(f.inputs[0].part(start, len), unsafe { f.output.part_mut(start, len) });
    }

    fn backward_begin(&mut self, f: &Frame<'_, T>) -> Result<Vec<Phase>> {
        Ok(if f.grad_inputs[0].is_some() { Self::phases(f) } else { Vec::new() })
    }

    fn backward(&self, _: usize, item: usize, f: &Frame<'_, T>) {
        let Some(gx) = &f.grad_inputs[0] else { return };
        let (start, len) = Self::part(item, f);
        // SAFETY: items are disjoint.
        let gx = unsafe { gx.part_mut(start, len) };
        gx.copy_from_slice(f.gy().part(start, len));
        self.gradient(f.inputs[0].part(start, len), gx);
    }
}

#[cfg(test)]
mod tests {
    use super::NAMES;
    use crate::graph::{Unit, Var};
    use crate::{Config, Tensor, config};

    fn run(config: &Config, x: &[f64]) -> Vec<f64> {
        let unit = Unit::new("f", "Function", config).unwrap();
        unit.call(&[Var::leaf(Tensor::from_vec(x.to_vec(), &[x.len()]).unwrap(), true)]).unwrap().tensor().to_vec()
    }

    #[test]
    fn values_by_hand() {
        let x = [-2.5, -0.5, 0.0, 0.5, 1.5, 2.5];
        assert_eq!(run(&config! { "function" => "Round" }, &x), [-2.0, 0.0, 0.0, 0.0, 2.0, 2.0]);
        assert_eq!(run(&config! { "function" => "Sign" }, &x), [-1.0, -1.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(run(&config! { "function" => "Shrink", "bias" => 1.0, "lambd" => 1.0 }, &x), [-1.5, 0.0, 0.0, 0.0, 0.5, 1.5]);
        assert_eq!(run(&config! { "function" => "Clip", "maximum" => 1.0 }, &x), [-2.5, -0.5, 0.0, 0.5, 1.0, 1.0]);
        assert_eq!(run(&config! { "function" => "HardSwish" }, &[-4.0, 3.0, 0.0]), [0.0, 3.0, 0.0]);
        assert_eq!(run(&config! { "function" => "Softplus" }, &[1000.0, -1000.0]), [1000.0, 0.0]);
    }

    #[test]
    fn names_are_in_order_and_a_parameter_of_another_function_is_refused() {
        assert!(NAMES.is_sorted_by_key(|(name, ..)| *name));
        let error = |config: &Config| Unit::<f32>::new("Function_0", "Function", config).err().unwrap().to_string();
        let text = "Function_0: parameter `alpha` is 1.0, expected nothing, Exp has no parameters";
        assert_eq!(error(&config! { "function" => "Exp", "alpha" => 1.0 }), text);
        let text = "Function_0: parameter `gamma` is 1.0, expected nothing, the parameters of HardSigmoid are alpha and beta";
        assert_eq!(error(&config! { "function" => "HardSigmoid", "gamma" => 1.0 }), text);
        assert!(error(&config! {}).starts_with("Function_0: parameter `function` is \"\", expected one of Abs, Acos"));
    }
}
