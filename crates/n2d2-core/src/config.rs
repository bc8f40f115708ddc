//! Parameters by name, as they come from Python, INI or ONNX, and the typed, checked way to read them.

use crate::error::{Error, Result};
use std::fmt;

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// True or false; not accepted where a number is meant.
    Bool(bool),
    /// An integer; accepted where a float is meant.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text, enumerations included.
    Str(String),
    /// A list of integers; accepted where floats are meant.
    Ints(Vec<i64>),
    /// A list of floats.
    Floats(Vec<f64>),
    /// A matrix of booleans, row by row: `(rows, columns, values)`.
    Mask(usize, usize, Vec<bool>),
}

impl Value {
    /// The name of the type as a user knows it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an int",
            Value::Float(_) => "a float",
            Value::Str(_) => "a str",
            Value::Ints(_) => "a list of int",
            Value::Floats(_) => "a list of float",
            Value::Mask(..) => "a bool matrix",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Str(v) => write!(f, "{v:?}"),
            Value::Ints(v) => write!(f, "{v:?}"),
            Value::Floats(v) => write!(f, "{v:?}"),
            Value::Mask(r, c, _) => write!(f, "a {r}x{c} bool matrix"),
        }
    }
}

macro_rules! value_from {
    ($($t:ty => $v:ident($e:expr)),* $(,)?) => {$(
        impl From<$t> for Value {
            fn from(v: $t) -> Self {
                let convert: fn($t) -> _ = $e;
                Value::$v(convert(v))
            }
        }
    )*};
}
value_from! {
    bool => Bool(|v| v),
    i64 => Int(|v| v),
    usize => Int(|v| v as i64),
    i32 => Int(i64::from),
    f64 => Float(|v| v),
    &str => Str(str::to_string),
    String => Str(|v| v),
    Vec<f64> => Floats(|v| v),
    Vec<i64> => Ints(|v| v),
    [usize; 2] => Ints(|v| v.iter().map(|&v| v as i64).collect()),
    Vec<usize> => Ints(|v| v.iter().map(|&v| v as i64).collect()),
}

/// The largest size that a parameter may have: sums of products of two fit a `usize`.
const MAX_SIZE: usize = i32::MAX as usize;

/// The most values of a tensor that a configuration may ask for: 8 GiB in single precision.
pub const MAX_VALUES: usize = 1 << 31;

/// The product of `sizes`, if it is at most [`MAX_VALUES`].
pub fn values_of(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|n| *n <= MAX_VALUES)
}

/// Named parameters of one object, in the order given.
///
/// ```
/// use n2d2_core::{config, Config};
/// let c = config! { "nb_outputs" => 4usize, "no_bias" => true };
/// assert_eq!(c.usize("nb_outputs")?, 4);
/// assert_eq!(c.float_or("dropout", 0.5)?, 0.5);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    owner: String,
    entries: Vec<(String, Value)>,
}

/// Builds a [`Config`] from `"name" => value` pairs.
#[macro_export]
macro_rules! config {
    ($($name:literal => $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut c = $crate::Config::default();
        $(c.set($name, $value);)*
        c
    }};
}

impl Config {
    /// An empty set of parameters of the object called `owner` in error texts.
    pub fn new(owner: impl Into<String>) -> Self {
        Config { owner: owner.into(), entries: Vec::new() }
    }

    /// The name used in error texts.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Changes the name used in error texts.
    pub fn set_owner(&mut self, owner: impl Into<String>) {
        self.owner = owner.into();
    }

    /// Sets a parameter, replacing an earlier value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.entries.iter_mut().find(|(n, _)| n == name) {
            Some(e) => e.1 = value,
            None => self.entries.push((name.to_string(), value)),
        }
    }

    /// The value of a parameter, if it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Names and values in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// Refuses every parameter that is not in `known`.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest known name.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        match self.entries.iter().find(|(n, _)| !known.contains(&n.as_str())) {
            Some((n, _)) => Err(Error::unknown(&self.owner, n, "a parameter", known)),
            None => Ok(()),
        }
    }

    fn typed(&self, name: &str, got: &Value, expected: &str) -> Error {
        Error::Type { owner: self.owner.clone(), name: name.into(), got: format!("{} ({got})", got.type_name()), expected: expected.into() }
    }

    fn required(&self, name: &str) -> Error {
        Error::Value { owner: self.owner.clone(), name: name.into(), got: "missing".into(), expected: "a value".into() }
    }

    /// An [`Error::Value`] about the parameter `name` of this object.
    pub fn error(&self, name: &str, got: impl ToString, expected: impl Into<String>) -> Error {
        Error::value(&self.owner, name, got, expected)
    }

    /// A bool.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but a bool.
    pub fn bool_or(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(v)) => Ok(*v),
            Some(v) => Err(self.typed(name, v, "a bool")),
        }
    }

    /// An integer.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but an int.
    pub fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Int(v)) => Ok(*v),
            Some(v) => Err(self.typed(name, v, "an int")),
        }
    }

    /// A required integer.
    ///
    /// # Errors
    /// [`Error::Value`] when missing, [`Error::Type`] for anything but an int.
    pub fn int(&self, name: &str) -> Result<i64> {
        if self.get(name).is_none() { Err(self.required(name)) } else { self.int_or(name, 0) }
    }

    /// A size: an integer of at least 0.
    ///
    /// # Errors
    /// [`Error::Value`] when missing or negative, [`Error::Type`] for anything but an int.
    pub fn usize(&self, name: &str) -> Result<usize> {
        match self.get(name) {
            None => Err(self.required(name)),
            Some(Value::Int(v)) => usize::try_from(*v).map_err(|_| self.error(name, v, "an integer of at least 0")),
            Some(v) => Err(self.typed(name, v, "an int")),
        }
    }

    /// A size with a default.
    ///
    /// # Errors
    /// As [`Config::usize`].
    pub fn usize_or(&self, name: &str, default: usize) -> Result<usize> {
        if self.get(name).is_none() { Ok(default) } else { self.usize(name) }
    }

    /// A size of at least 1, with a default where one is given.
    ///
    /// # Errors
    /// [`Error::Value`] when missing without a default, below 1 or above 2^31 - 1, [`Error::Type`] for anything but an int.
    pub fn count(&self, name: &str, default: Option<usize>) -> Result<usize> {
        if let Some(Value::Int(v @ ..1)) = self.get(name) {
            return Err(self.error(name, v, "an integer of at least 1"));
        }
        match default.map_or_else(|| self.usize(name), |d| self.usize_or(name, d))? {
            n if n > MAX_SIZE => Err(self.error(name, n, format!("an integer of at most {MAX_SIZE}"))),
            n => Ok(n),
        }
    }

    /// Refuses a parameter that makes a tensor of these sizes too large, before memory is taken for it.
    ///
    /// # Errors
    /// [`Error::Value`] above [`MAX_VALUES`].
    pub fn fits(&self, name: &str, sizes: &[usize]) -> Result<()> {
        let got = || self.get(name).map_or_else(|| "missing".to_string(), ToString::to_string);
        match values_of(sizes) {
            Some(_) => Ok(()),
            None => Err(self.error(name, got(), format!("sizes that make at most {MAX_VALUES} weights, not {sizes:?}"))),
        }
    }

    /// A float; an int is accepted.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but a number, [`Error::Value`] when it is not finite.
    pub fn float_or(&self, name: &str, default: f64) -> Result<f64> {
        let v = match self.get(name) {
            None => return Ok(default),
            Some(Value::Int(v)) => *v as f64,
            Some(Value::Float(v)) => *v,
            Some(v) => return Err(self.typed(name, v, "a float")),
        };
        if v.is_finite() { Ok(v) } else { Err(self.error(name, v, "a finite number")) }
    }

    /// A list of floats; a number stands for a list of one.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but numbers.
    pub fn floats_or(&self, name: &str, default: &[f64]) -> Result<Vec<f64>> {
        match self.get(name) {
            None => Ok(default.to_vec()),
            Some(Value::Floats(v)) => Ok(v.clone()),
            Some(Value::Ints(v)) => Ok(v.iter().map(|&v| v as f64).collect()),
            Some(Value::Float(v)) => Ok(vec![*v]),
            Some(Value::Int(v)) => Ok(vec![*v as f64]),
            Some(v) => Err(self.typed(name, v, "a list of float")),
        }
    }

    /// Text.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but text.
    pub fn str_or<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Str(v)) => Ok(v),
            Some(v) => Err(self.typed(name, v, "a str")),
        }
    }

    /// One word of a list.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but text, [`Error::Value`] for another word.
    pub fn one_of<'a>(&self, name: &str, words: &[&'a str], default: &'a str) -> Result<&'a str> {
        let got = self.str_or(name, default)?;
        words
            .iter()
            .find(|w| **w == got)
            .copied()
            .ok_or_else(|| self.error(name, format!("{got:?}"), format!("one of {}", words.join(", "))))
    }

    /// A `[height, width]` pair, every part at least `min`; one integer v means `[v, v]`.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but integers, [`Error::Value`] for another count or a smaller part.
    pub fn pair_or(&self, name: &str, default: Option<[usize; 2]>, min: i64) -> Result<[usize; 2]> {
        let list = match (self.get(name), default) {
            (None, Some(d)) => return Ok(d),
            (None, None) => return Err(self.required(name)),
            (Some(Value::Int(v)), _) => vec![*v, *v],
            (Some(Value::Ints(v)), _) if v.len() == 1 => vec![v[0], v[0]],
            (Some(Value::Ints(v)), _) => v.clone(),
            (Some(v), _) => return Err(self.typed(name, v, "a list of int")),
        };
        match list.as_slice() {
            [h, w] if (*h).max(*w) > MAX_SIZE as i64 => {
                Err(self.error(name, format!("{list:?}"), format!("integers of at most {MAX_SIZE}")))
            }
            [h, w] if *h >= min && *w >= min => Ok([*h as usize, *w as usize]),
            _ => Err(self.error(name, format!("{list:?}"), format!("[height, width] with integers of at least {min}"))),
        }
    }

    /// A list of integers.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but integers.
    pub fn ints_or(&self, name: &str, default: &[i64]) -> Result<Vec<i64>> {
        match self.get(name) {
            None => Ok(default.to_vec()),
            Some(Value::Ints(v)) => Ok(v.clone()),
            Some(Value::Floats(v)) if v.is_empty() => Ok(Vec::new()),
            Some(v) => Err(self.typed(name, v, "a list of int")),
        }
    }

    /// A matrix of booleans `(rows, columns, values row by row)`.
    ///
    /// # Errors
    /// [`Error::Type`] for anything but a bool matrix.
    pub fn mask(&self, name: &str) -> Result<Option<(usize, usize, &[bool])>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Mask(r, c, v)) => Ok(Some((*r, *c, v))),
            Some(v) => Err(self.typed(name, v, "a bool matrix")),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_int_is_a_float_and_a_bool_is_not_a_number() {
        let c = config! { "lr" => 1i64, "flag" => true };
        assert_eq!(c.float_or("lr", 0.0), Ok(1.0));
        assert_eq!(c.float_or("flag", 0.0).unwrap_err().code(), "type");
        assert_eq!(c.bool_or("lr", false).unwrap_err().code(), "type");
    }

    #[test]
    fn pairs_are_checked() {
        let mut c = config! { "a" => vec![3i64], "b" => vec![0i64, 1], "c" => vec![1i64, 2, 3] };
        c.set_owner("Conv_0");
        assert_eq!(c.pair_or("a", None, 1), Ok([3, 3]));
        let text = "Conv_0: parameter `b` is [0, 1], expected [height, width] with integers of at least 1";
        assert_eq!(c.pair_or("b", None, 1).unwrap_err().to_string(), text);
        assert!(c.pair_or("c", None, 1).is_err());
        assert_eq!(c.pair_or("missing", None, 1).unwrap_err().code(), "value");
    }

    #[test]
    fn sizes_beyond_reason_are_refused() {
        let c = config! { "n" => 1i64 << 31, "k" => vec![1i64, i64::MAX], "m" => 1i64 << 30 };
        let text = |e: crate::Error| e.to_string();
        assert_eq!(text(c.count("n", None).unwrap_err()), ": parameter `n` is 2147483648, expected an integer of at most 2147483647");
        let expected = ": parameter `k` is [1, 9223372036854775807], expected integers of at most 2147483647";
        assert_eq!(text(c.pair_or("k", None, 1).unwrap_err()), expected);
        assert!(c.fits("m", &[1 << 30, 2]).is_ok());
        let expected = ": parameter `m` is 1073741824, expected sizes that make at most 2147483648 weights, not [1073741824, 3]";
        assert_eq!(text(c.fits("m", &[1 << 30, 3]).unwrap_err()), expected);
        assert!(c.fits("m", &[1 << 40, 1 << 40]).is_err());
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let mut c = config! { "learning_rat" => 0.1 };
        c.set_owner("SGD");
        let text = "SGD: `learning_rat` is not a parameter; did you mean `learning_rate`?";
        assert_eq!(c.only(&["learning_rate", "momentum"]).unwrap_err().to_string(), text);
    }
}
