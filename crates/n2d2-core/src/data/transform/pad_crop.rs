//! Pads or crops an image around its centre.
//!
//! For each side, `d = target - current` pixels are added, or taken away if `d` is negative; the first half, rounded
//! towards plus infinity, goes to the top or left. New pixels follow the border type:
//!
//! | type | row `a b c d` continued to the left | |
//! |---|---|---|
//! | `MinusOneReflectBorder` | `d c b` | mirrored, the edge not repeated |
//! | `ReflectBorder` | `c b a` | mirrored |
//! | `ReplicateBorder` | `a a a` | |
//! | `WrapBorder` | `b c d` | |
//! | `ConstantBorder` | `border_value` | |
//! | `MeanBorder` | mean of the channel | |

use super::{Transformation, size_of_at_least_1};
use crate::config::{Config, Value};
use crate::data::image::{Image, Pixel, map_pixels};
use crate::error::{Error, Result};
use crate::random::Stream;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Border {
    Constant,
    Replicate,
    Reflect,
    Wrap,
    MinusOneReflect,
    Mean,
}

const BORDERS: [(&str, Border); 6] = [
    ("ConstantBorder", Border::Constant),
    ("ReplicateBorder", Border::Replicate),
    ("ReflectBorder", Border::Reflect),
    ("WrapBorder", Border::Wrap),
    ("MinusOneReflectBorder", Border::MinusOneReflect),
    ("MeanBorder", Border::Mean),
];

impl Border {
    /// The index inside `0..n` that an index outside stands for; none for a border of its own colour.
    fn source(self, i: isize, n: usize) -> Option<usize> {
        let size = n as isize;
        if (0..size).contains(&i) {
            return Some(i as usize);
        }
        let at = match self {
            Border::Constant | Border::Mean => return None,
            Border::Replicate => i.clamp(0, size - 1),
            Border::Wrap => i.rem_euclid(size),
            Border::Reflect => {
                let at = i.rem_euclid(2 * size);
                at.min(2 * size - 1 - at)
            }
            Border::MinusOneReflect => {
                let period = (2 * size - 2).max(1);
                let at = i.rem_euclid(period);
                at.min(period - at) % size
            }
        };
        Some(at as usize)
    }
}

/// Centred padding or cropping to `width` x `height`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `width`, `height` | required | size in pixels |
/// | `additive_wh` | false | `width` and `height` are added to the size of the image |
/// | `border_type` | `MinusOneReflectBorder` | see the module |
/// | `border_value` | `[]` (0) | colour of a `ConstantBorder` in units of the image: one value, or one a channel |
#[derive(Debug, Clone, PartialEq)]
pub struct PadCrop {
    width: usize,
    height: usize,
    additive_wh: bool,
    border: Border,
    border_value: Vec<f64>,
}

impl PadCrop {
    fn resized<P: Pixel>(&self, x: &[P], [h, w, c]: [usize; 3], to_h: usize, to_w: usize, colour: &[f32]) -> Vec<P> {
        let colour: Vec<P> = match self.border {
            Border::Mean => means(x, c).into_iter().map(P::round).collect(),
            _ => colour.iter().map(|v| P::round(*v)).collect(),
        };
        let columns: Vec<_> = (0..to_w).map(|j| self.border.source(j as isize - first_half(to_w, w), w)).collect();
        let mut y = Vec::with_capacity(to_h * to_w * c);
        for i in 0..to_h {
            let row = self.border.source(i as isize - first_half(to_h, h), h);
            for column in &columns {
                match (row, column) {
                    (Some(i), Some(j)) => y.extend_from_slice(&x[(i * w + j) * c..][..c]),
                    _ => y.extend_from_slice(&colour),
                }
            }
        }
        y
    }
}

impl Transformation for PadCrop {
    fn new(config: &Config) -> Result<Self> {
        config.only(&["width", "height", "additive_wh", "border_type", "border_value"])?;
        let additive_wh = config.bool_or("additive_wh", false)?;
        let side = |name: &str| match config.usize(name)? {
            0 if additive_wh => Ok(0),
            _ => size_of_at_least_1(config, name),
        };
        let word = config.one_of("border_type", &BORDERS.map(|b| b.0), "MinusOneReflectBorder")?;
        let border_value = config.floats_or("border_value", &[])?;
        if let Some(v) = border_value.iter().find(|v| !(**v as f32).is_finite()) {
            return Err(config.error("border_value", format!("{v:?}"), "finite numbers"));
        }
        Ok(PadCrop {
            width: side("width")?,
            height: side("height")?,
            additive_wh,
            border: BORDERS.iter().find(|b| b.0 == word).map_or(Border::MinusOneReflect, |b| b.1),
            border_value,
        })
    }

    fn parameters(&self) -> Vec<(&'static str, Value)> {
        let border = BORDERS.iter().find(|b| b.1 == self.border).map_or("", |b| b.0);
        vec![
            ("width", self.width.into()),
            ("height", self.height.into()),
            ("additive_wh", self.additive_wh.into()),
            ("border_type", border.into()),
            ("border_value", self.border_value.clone().into()),
        ]
    }

    fn output_shape(&self, [h, w, c]: [usize; 3]) -> Result<[usize; 3]> {
        let [to_h, to_w] = if self.additive_wh { [h + self.height, w + self.width] } else { [self.height, self.width] };
        let n = self.border_value.len();
        if [to_h, to_w] != [h, w] && n > 1 && n != c {
            return Err(Error::shape("PadCrop", "border_value", format!("1 or {c} values for {c} channels"), n));
        }
        Ok([to_h, to_w, c])
    }

    fn apply<'a>(&self, x: Image<'a>, _random: &Stream) -> Result<Image<'a>> {
        let [h, w, _] = self.output_shape(x.shape())?;
        if [h, w] == [x.h, x.w] {
            return Ok(x);
        }
        let colour = match self.border_value.as_slice() {
            [] => vec![0.0; x.c],
            [v] => vec![*v as f32; x.c],
            values => values.iter().map(|v| *v as f32).collect(),
        };
        Ok(map_pixels!(x, [h, w], |p| self.resized(p, [x.h, x.w, x.c], h, w, &colour)))
    }
}

/// Half of `to - from`, rounded towards plus infinity: what is added before the first pixel.
fn first_half(to: usize, from: usize) -> isize {
    (to as isize - from as isize + 1).div_euclid(2)
}

/// The mean of each channel.
fn means<P: Pixel>(x: &[P], c: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; c];
    for pixel in x.chunks_exact(c) {
        sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += f64::from(v.to_f32()));
    }
    let n = (x.len() / c) as f64;
    sums.into_iter().map(|s| (s / n) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn run(mut config: Config, x: Image<'static>) -> Result<Image<'static>> {
        config.set_owner("PadCrop");
        PadCrop::new(&config)?.apply(x, &Stream::new(0))
    }

    /// One row of 4 pixels widened to 11: 4 to the left, 3 to the right.
    fn widened(border: &str) -> String {
        let config = config! { "width" => 11usize, "height" => 1usize, "border_type" => border, "border_value" => vec![120.0] };
        let y = run(config, Image::bytes(1, 4, 1, b"abcd".to_vec())).unwrap();
        match y.pixels {
            crate::data::Pixels::U8(p) => String::from_utf8(p.into_owned()).unwrap(),
            crate::data::Pixels::F32(_) => unreachable!(),
        }
    }

    #[test]
    fn every_border_by_hand() {
        assert_eq!(widened("MinusOneReflectBorder"), "cdcbabcdcba");
        assert_eq!(widened("ReflectBorder"), "dcbaabcddcb");
        assert_eq!(widened("ReplicateBorder"), "aaaaabcdddd");
        assert_eq!(widened("WrapBorder"), "abcdabcdabc");
        assert_eq!(widened("ConstantBorder"), "xxxxabcdxxx");
        // The mean of 97, 98, 99, 100 is 98.5, rounded to 99 = c.
        assert_eq!(widened("MeanBorder"), "ccccabcdccc");
    }

    #[test]
    fn odd_crops_take_less_from_the_top_left() {
        // d = -3: the first half is -1, so that 1 row goes at the top and 2 at the bottom.
        let x = Image::bytes(5, 5, 1, (0..25).collect::<Vec<u8>>());
        let y = run(config! { "width" => 2usize, "height" => 2usize }, x).unwrap();
        assert_eq!(y, Image::bytes(2, 2, 1, vec![6, 7, 11, 12]));
        // d = 1: the new row is at the top; columns are cropped at the same time.
        let x = Image::bytes(2, 3, 1, vec![1, 2, 3, 4, 5, 6]);
        let y = run(config! { "width" => 1usize, "height" => 3usize }, x).unwrap();
        assert_eq!(y, Image::bytes(3, 1, 1, vec![5, 2, 5]));
    }

    #[test]
    fn sizes_can_be_added_and_colours_be_given_per_channel() {
        let config = config! {
            "width" => 0usize, "height" => 2usize, "additive_wh" => true, "border_type" => "ConstantBorder", "border_value" => vec![0.5, -1.0],
        };
        let y = run(config.clone(), Image::floats(1, 1, 2, vec![3.0, 4.0])).unwrap();
        assert_eq!(y, Image::floats(3, 1, 2, vec![0.5, -1.0, 3.0, 4.0, 0.5, -1.0]));
        let e = run(config, Image::floats(1, 1, 3, vec![0.0; 3])).unwrap_err();
        assert_eq!(e.to_string(), "PadCrop: border_value: expected 1 or 3 values for 3 channels, got 2");
        let config = config! { "width" => 2usize, "height" => 1usize, "border_type" => "MeanBorder" };
        let y = run(config, Image::floats(1, 1, 2, vec![3.0, -4.0])).unwrap();
        assert_eq!(y, Image::floats(1, 2, 2, vec![3.0, -4.0, 3.0, -4.0]));
    }

    #[test]
    fn a_border_may_be_wider_than_the_image() {
        for (name, border) in BORDERS {
            for n in 1..6 {
                for i in -20isize..20 {
                    assert!(border.source(i, n).is_none_or(|s| s < n), "{name} {i} of {n}");
                }
            }
        }
        assert_eq!(Border::MinusOneReflect.source(-5, 3), Some(1));
    }

    #[test]
    fn words_and_sizes_are_checked() {
        let x = || Image::bytes(1, 1, 1, vec![0]);
        let e = run(config! { "width" => 1usize, "height" => 1usize, "border_type" => "Mirror" }, x()).unwrap_err();
        let words = "ConstantBorder, ReplicateBorder, ReflectBorder, WrapBorder, MinusOneReflectBorder, MeanBorder";
        assert_eq!(e.to_string(), format!("PadCrop: parameter `border_type` is \"Mirror\", expected one of {words}"));
        let e = run(config! { "width" => 1usize, "height" => 0usize }, x()).unwrap_err();
        assert_eq!(e.to_string(), "PadCrop: parameter `height` is 0, expected an integer of at least 1");
    }
}
