//! Changes the range of values: `y = (x op1 v1) op2 v2`, each channel with its own values.
//!
//! The result is a float, so that the provider does not divide bytes by 255 any more. Each operation is one of single
//! precision. The shape stays.

use super::Transformation;
use crate::config::{Config, Value};
use crate::data::image::{Image, Pixels};
use crate::error::{Error, Result};
use crate::random::Stream;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Plus,
    Minus,
    Multiplies,
    Divides,
}

const OPERATORS: [(&str, Operator); 4] =
    [("Plus", Operator::Plus), ("Minus", Operator::Minus), ("Multiplies", Operator::Multiplies), ("Divides", Operator::Divides)];

impl Operator {
    fn parse(config: &Config, name: &str) -> Result<Self> {
        let word = config.one_of(name, &OPERATORS.map(|o| o.0), "Plus")?;
        Ok(OPERATORS.iter().find(|o| o.0 == word).map_or(Operator::Plus, |o| o.1))
    }

    fn name(self) -> &'static str {
        OPERATORS.iter().find(|o| o.1 == self).map_or("Plus", |o| o.0)
    }

    /// Combines every value with the number of its channel.
    fn apply(self, x: &mut [f32], numbers: &[f32]) {
        match self {
            Operator::Plus => each(x, numbers, |x, v| x + v),
            Operator::Minus => each(x, numbers, |x, v| x - v),
            Operator::Multiplies => each(x, numbers, |x, v| x * v),
            Operator::Divides => each(x, numbers, |x, v| x / v),
        }
    }
}

#[inline(always)]
fn each(x: &mut [f32], numbers: &[f32], f: impl Fn(f32, f32) -> f32) {
    if let [v] = numbers {
        for x in x {
            *x = f(*x, *v);
        }
    } else {
        for pixel in x.chunks_exact_mut(numbers.len()) {
            pixel.iter_mut().zip(numbers).for_each(|(x, v)| *x = f(*x, *v));
        }
    }
}

/// Two operations on every value.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `first_operator` | required | Plus, Minus, Multiplies or Divides |
/// | `first_value` | required | a number, or one a channel |
/// | `second_operator` | Plus | as `first_operator` |
/// | `second_value` | none | a number, or one a channel; none: no second operation |
/// | `truncate` | false | drop the digits behind the point |
#[derive(Debug, Clone, PartialEq)]
pub struct RangeAffine {
    first: Step,
    second: Step,
    truncate: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    operator: Operator,
    /// As given; none: nothing is done.
    values: Vec<f64>,
}

impl Step {
    fn new(config: &Config, operator: &str, value: &str) -> Result<Self> {
        let (operator, values) = (Operator::parse(config, operator)?, config.floats_or(value, &[])?);
        if let Some(v) = values.iter().find(|v| !(**v as f32).is_finite()) {
            return Err(config.error(value, format!("{v:?}"), "finite numbers"));
        }
        if let Some(v) = values.iter().find(|v| operator == Operator::Divides && **v as f32 == 0.0) {
            return Err(config.error(value, format!("{v:?}"), "another divisor than 0"));
        }
        Ok(Step { operator, values })
    }

    fn check(&self, name: &str, channels: usize) -> Result<()> {
        match self.values.len() {
            n if n > 1 && n != channels => {
                Err(Error::shape("RangeAffine", name, format!("1 or {channels} values for {channels} channels"), n))
            }
            _ => Ok(()),
        }
    }

    fn apply(&self, x: &mut [f32]) {
        let numbers: Vec<f32> = self.values.iter().map(|v| *v as f32).collect();
        if !numbers.is_empty() {
            self.operator.apply(x, &numbers);
        }
    }
}

impl Transformation for RangeAffine {
    fn new(config: &Config) -> Result<Self> {
        config.only(&["first_operator", "first_value", "second_operator", "second_value", "truncate"])?;
        for name in ["first_operator", "first_value"] {
            if config.get(name).is_none() {
                return Err(config.error(name, "missing", "a value"));
            }
        }
        let t = RangeAffine {
            first: Step::new(config, "first_operator", "first_value")?,
            second: Step::new(config, "second_operator", "second_value")?,
            truncate: config.bool_or("truncate", false)?,
        };
        if t.first.values.is_empty() {
            return Err(config.error("first_value", "[]", "a number, or one a channel"));
        }
        Ok(t)
    }

    fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("first_operator", self.first.operator.name().into()),
            ("first_value", self.first.values.clone().into()),
            ("second_operator", self.second.operator.name().into()),
            ("second_value", self.second.values.clone().into()),
            ("truncate", self.truncate.into()),
        ]
    }

    fn output_shape(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        self.first.check("first_value", input[2])?;
        self.second.check("second_value", input[2])?;
        Ok(input)
    }

    fn apply<'a>(&self, x: Image<'a>, _random: &Stream) -> Result<Image<'a>> {
        self.output_shape(x.shape())?;
        let mut y: Vec<f32> = match x.pixels {
            Pixels::U8(p) => p.iter().map(|v| f32::from(*v)).collect(),
            Pixels::F32(p) => p.into_owned(),
        };
        self.first.apply(&mut y);
        self.second.apply(&mut y);
        if self.truncate {
            for v in &mut y {
                *v = v.trunc();
            }
        }
        Ok(Image::floats(x.h, x.w, x.c, y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn run(config: &Config, x: Image<'static>) -> Result<Image<'static>> {
        RangeAffine::new(config)?.apply(x, &Stream::new(0))
    }

    #[test]
    fn two_operations_on_each_channel() {
        let c = config! { "first_operator" => "Divides", "first_value" => 2i64, "second_operator" => "Minus", "second_value" => vec![1.0, 10.0] };
        let y = run(&c, Image::bytes(1, 2, 2, vec![1, 2, 255, 4])).unwrap();
        assert_eq!(y, Image::floats(1, 2, 2, vec![-0.5, -9.0, 126.5, -8.0]));
        let c = config! { "first_operator" => "Multiplies", "first_value" => -1.5, "truncate" => true };
        let y = run(&c, Image::floats(1, 3, 1, vec![1.0, 2.0, -1.0])).unwrap();
        assert_eq!(y, Image::floats(1, 3, 1, vec![-1.0, -3.0, 1.0]));
        let c = config! { "first_operator" => "Plus", "first_value" => vec![0.25, 0.5] };
        assert_eq!(run(&c, Image::bytes(1, 1, 2, vec![1, 2])).unwrap(), Image::floats(1, 1, 2, vec![1.25, 2.5]));
    }

    #[test]
    fn bad_parameters_have_their_text() {
        let text = |c: &Config| {
            let mut c = c.clone();
            c.set_owner("RangeAffine");
            run(&c, Image::bytes(1, 1, 3, vec![0; 3])).unwrap_err().to_string()
        };
        let c = config! { "first_operator" => "Divide", "first_value" => 1.0 };
        assert_eq!(text(&c), "RangeAffine: parameter `first_operator` is \"Divide\", expected one of Plus, Minus, Multiplies, Divides");
        let c = config! { "first_operator" => "Divides", "first_value" => 0.0 };
        assert_eq!(text(&c), "RangeAffine: parameter `first_value` is 0.0, expected another divisor than 0");
        let c = config! { "first_operator" => "Plus" };
        assert_eq!(text(&c), "RangeAffine: parameter `first_value` is missing, expected a value");
        let c = config! { "first_operator" => "Plus", "first_value" => vec![1.0, f64::NAN] };
        assert_eq!(text(&c), "RangeAffine: parameter `first_value` is NaN, expected finite numbers");
        let c = config! { "first_operator" => "Plus", "first_value" => vec![1.0, 2.0] };
        assert_eq!(text(&c), "RangeAffine: first_value: expected 1 or 3 values for 3 channels, got 2");
    }
}
