//! Transformations of images: one file each.
//!
//! A transformation turns one image into another. What is random in it comes from the [`Stream`] that it is given, which
//! depends on the epoch, the stimulus and the place of the transformation, so that the same epoch gives the same images
//! for any number of threads.

use super::image::Image;
use super::partition::Partition;
use crate::config::{Config, Value};
use crate::error::{Error, Result};
use crate::random::Stream;
use std::sync::{Arc, PoisonError, RwLock};

/// What a kind of transformation does.
pub trait Transformation: Sized {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Value`] or [`Error::Type`] for a bad parameter.
    fn new(config: &Config) -> Result<Self>;

    /// All parameters and their values.
    fn parameters(&self) -> Vec<(&'static str, Value)>;

    /// True if the result depends on the random stream.
    fn is_random(&self) -> bool {
        false
    }

    /// The shape `[h, w, c]` of the result for an image of this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image that the transformation cannot take; [`Transformation::apply`] fails for no other.
    fn output_shape(&self, input: [usize; 3]) -> Result<[usize; 3]> {
        Ok(input)
    }

    /// Transforms an image.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image that the transformation cannot take.
    fn apply<'a>(&self, x: Image<'a>, random: &Stream) -> Result<Image<'a>>;
}

macro_rules! catalogue {
    ($($name:literal => $module:ident :: $kind:ident),* $(,)?) => {
        $(mod $module; pub use $module::$kind;)*

        /// The class names of all transformations.
        pub const KINDS: &[&str] = &[$($name),*];

        /// Any transformation.
        #[derive(Debug, Clone, PartialEq)]
        pub enum TransformFn {
            $(#[doc = concat!("[`", $name, "`]")] $kind($kind),)*
        }

        impl TransformFn {
            /// Makes a transformation by its class name.
            ///
            /// # Errors
            /// [`Error::Unknown`] for another class or parameter, [`Error::Value`] and [`Error::Type`] for bad parameters.
            pub fn new(kind: &str, config: &Config) -> Result<Self> {
                match kind {
                    $($name => Ok(TransformFn::$kind($kind::new(config)?)),)*
                    _ => Err(Error::unknown("n2d2", kind, "a transformation", KINDS)),
                }
            }

            /// The class name.
            pub fn kind(&self) -> &'static str {
                match self { $(TransformFn::$kind(_) => $name,)* }
            }

            /// All parameters and their values.
            pub fn parameters(&self) -> Vec<(&'static str, Value)> {
                match self { $(TransformFn::$kind(t) => t.parameters(),)* }
            }

            /// True if the result depends on the random stream.
            pub fn is_random(&self) -> bool {
                match self { $(TransformFn::$kind(t) => t.is_random(),)* }
            }

            /// The shape `[h, w, c]` of the result for an image of this shape.
            ///
            /// # Errors
            /// [`Error::Shape`] for an image that the transformation cannot take.
            pub fn output_shape(&self, input: [usize; 3]) -> Result<[usize; 3]> {
                match self { $(TransformFn::$kind(t) => t.output_shape(input),)* }
            }

            /// Transforms an image.
            ///
            /// # Errors
            /// [`Error::Shape`] for an image that the transformation cannot take.
            pub fn apply<'a>(&self, x: Image<'a>, random: &Stream) -> Result<Image<'a>> {
                match self { $(TransformFn::$kind(t) => t.apply(x, random),)* }
            }
        }
    };
}

catalogue! {
    "Rescale" => rescale::Rescale,
    "RangeAffine" => range_affine::RangeAffine,
    "Flip" => flip::Flip,
    "PadCrop" => pad_crop::PadCrop,
}

impl TransformFn {
    /// Changes one parameter.
    ///
    /// # Errors
    /// As [`TransformFn::new`]; the transformation is then unchanged.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        let mut config = Config::new(self.kind());
        for (known, value) in self.parameters() {
            config.set(known, value);
        }
        config.set(name, value.clone());
        *self = TransformFn::new(self.kind(), &config)?;
        Ok(())
    }
}

/// The partitions that a transformation is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApplyTo {
    /// Every partition.
    #[default]
    All,
    /// Learn.
    LearnOnly,
    /// Validation.
    ValidationOnly,
    /// Test.
    TestOnly,
    /// Validation and Test.
    NoLearn,
    /// Learn and Test.
    NoValidation,
    /// Learn and Validation.
    NoTest,
}

impl ApplyTo {
    /// The names, in the order of the documentation.
    pub const NAMES: [&'static str; 7] = ["LearnOnly", "ValidationOnly", "TestOnly", "NoLearn", "NoValidation", "NoTest", "All"];

    /// The set of a name; `owner` is who asks, for the error.
    ///
    /// # Errors
    /// [`Error::Value`] for another name.
    pub fn parse(owner: &str, name: &str) -> Result<Self> {
        Ok(match name {
            "All" => ApplyTo::All,
            "LearnOnly" => ApplyTo::LearnOnly,
            "ValidationOnly" => ApplyTo::ValidationOnly,
            "TestOnly" => ApplyTo::TestOnly,
            "NoLearn" => ApplyTo::NoLearn,
            "NoValidation" => ApplyTo::NoValidation,
            "NoTest" => ApplyTo::NoTest,
            _ => return Err(Error::value(owner, "apply_to", format!("{name:?}"), format!("one of {}", Self::NAMES.join(", ")))),
        })
    }

    /// True if the transformation is applied to stimuli of the partition.
    pub fn has(self, partition: Partition) -> bool {
        use Partition::{Learn, Test, Validation};
        match self {
            ApplyTo::All => true,
            ApplyTo::LearnOnly => partition == Learn,
            ApplyTo::ValidationOnly => partition == Validation,
            ApplyTo::TestOnly => partition == Test,
            ApplyTo::NoLearn => matches!(partition, Validation | Test),
            ApplyTo::NoValidation => matches!(partition, Learn | Test),
            ApplyTo::NoTest => matches!(partition, Learn | Validation),
        }
    }
}

/// A transformation with the partitions that it is applied to. Clones are references to the same object: a parameter
/// changed in one is changed for every provider that uses it, from its next batch.
#[derive(Debug, Clone)]
pub struct Transform {
    shared: Arc<RwLock<TransformFn>>,
    /// Where it is applied.
    pub apply_to: ApplyTo,
}

impl Transform {
    /// Makes a transformation by its class name.
    ///
    /// # Errors
    /// As [`TransformFn::new`].
    pub fn new(kind: &str, config: &Config, apply_to: ApplyTo) -> Result<Self> {
        Ok(Transform { shared: Arc::new(RwLock::new(TransformFn::new(kind, config)?)), apply_to })
    }

    /// The transformation with its parameters as they are now.
    pub fn snapshot(&self) -> TransformFn {
        self.shared.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes one parameter.
    ///
    /// # Errors
    /// As [`TransformFn::set`].
    pub fn set(&self, name: &str, value: &Value) -> Result<()> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner).set(name, value)
    }
}

/// A required size of at least 1.
fn size_of_at_least_1(config: &Config, name: &str) -> Result<usize> {
    match config.usize(name)? {
        0 => Err(config.error(name, 0, "an integer of at least 1")),
        v if v > MAX_SIDE => Err(config.error(name, v, format!("at most {MAX_SIDE} pixels"))),
        v => Ok(v),
    }
}

/// Width and height of an image at most, so that no product of sizes overflows.
pub(crate) const MAX_SIDE: usize = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_catalogue_makes_each_kind_and_refuses_others() {
        let size = config! { "width" => 4usize, "height" => 2usize };
        assert_eq!(TransformFn::new("Rescale", &size).unwrap().kind(), "Rescale");
        let e = TransformFn::new("Rescal", &size).unwrap_err();
        assert_eq!(e.to_string(), "n2d2: `Rescal` is not a transformation; did you mean `Rescale`?");
    }

    #[test]
    fn parameters_make_the_same_transformation_again() {
        let size = config! { "width" => 4usize, "height" => 2usize };
        let affine = config! { "first_operator" => "Divides", "first_value" => vec![2.0, 4.0], "truncate" => true };
        for t in [
            TransformFn::new("Rescale", &size).unwrap(),
            TransformFn::new("PadCrop", &size).unwrap(),
            TransformFn::new("Flip", &config! { "random_vertical_flip" => true }).unwrap(),
            TransformFn::new("RangeAffine", &affine).unwrap(),
        ] {
            let mut config = Config::new(t.kind());
            t.parameters().into_iter().for_each(|(n, v)| config.set(n, v));
            assert_eq!(TransformFn::new(t.kind(), &config), Ok(t));
        }
    }

    #[test]
    fn the_shape_is_known_before_an_image_is_transformed() {
        let size =
            |additive: bool| config! { "width" => 4usize, "height" => 3usize, "additive_wh" => additive, "border_value" => vec![1.0, 2.0] };
        let kept = |fit: bool| config! { "width" => 7usize, "height" => 2usize, "keep_aspect_ratio" => true, "resize_to_fit" => fit };
        let transforms = [
            TransformFn::new("PadCrop", &size(false)).unwrap(),
            TransformFn::new("PadCrop", &size(true)).unwrap(),
            TransformFn::new("Rescale", &kept(false)).unwrap(),
            TransformFn::new("Rescale", &kept(true)).unwrap(),
            TransformFn::new("Rescale", &config! { "width" => 4usize, "height" => 2usize }).unwrap(),
            TransformFn::new("Flip", &config! { "vertical_flip" => true }).unwrap(),
            TransformFn::new("RangeAffine", &config! { "first_operator" => "Plus", "first_value" => vec![1.0, 2.0] }).unwrap(),
        ];
        for (t, [h, w, c]) in transforms.iter().flat_map(|t| [[1, 1, 2], [3, 4, 2], [3, 4, 3], [5, 9, 1], [8, 2, 3]].map(|s| (t, s))) {
            let image = Image::floats(h, w, c, vec![0.5; h * w * c]);
            assert_eq!(t.output_shape([h, w, c]), t.apply(image, &Stream::new(0)).map(|y| y.shape()), "{t:?}");
        }
    }

    #[test]
    fn a_parameter_is_changed_for_every_reference_or_not_at_all() {
        let t = Transform::new("Flip", &config! {}, ApplyTo::All).unwrap();
        let other = t.clone();
        t.set("horizontal_flip", &Value::Bool(true)).unwrap();
        assert_eq!(other.snapshot(), TransformFn::new("Flip", &config! { "horizontal_flip" => true }).unwrap());
        let e = t.set("horizontal_flop", &Value::Bool(true)).unwrap_err();
        assert_eq!(e.to_string(), "Flip: `horizontal_flop` is not a parameter; did you mean `horizontal_flip`?");
        assert_eq!(t.set("vertical_flip", &Value::Int(1)).unwrap_err().code(), "type");
        assert_eq!(other.snapshot(), t.snapshot());
    }

    #[test]
    fn sets_of_partitions() {
        let of = |name: &str| {
            let set = ApplyTo::parse("Flip", name).unwrap();
            Partition::ALL.map(|p| set.has(p))
        };
        assert_eq!(of("All"), [true; 4]);
        assert_eq!(of("LearnOnly"), [true, false, false, false]);
        assert_eq!(of("NoLearn"), [false, true, true, false]);
        assert_eq!(of("NoTest"), [true, true, false, false]);
        let e = ApplyTo::parse("Flip", "Learn").unwrap_err().to_string();
        let names = "LearnOnly, ValidationOnly, TestOnly, NoLearn, NoValidation, NoTest, All";
        assert_eq!(e, format!("Flip: parameter `apply_to` is \"Learn\", expected one of {names}"));
    }
}
