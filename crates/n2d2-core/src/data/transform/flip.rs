//! Mirrors an image.
//!
//! Horizontal: `y[i, j] = x[i, w - 1 - j]`; vertical: `y[i, j] = x[h - 1 - i, j]`. A random flip happens with
//! probability 1/2 and replaces the fixed one of its direction. The shape stays.

use super::Transformation;
use crate::config::{Config, Value};
use crate::data::image::{Image, map_pixels};
use crate::error::Result;
use crate::random::Stream;

/// Mirrors an image left to right, top to bottom, or both.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `horizontal_flip` | false | mirror left to right |
/// | `vertical_flip` | false | mirror top to bottom |
/// | `random_horizontal_flip` | false | mirror left to right every second time |
/// | `random_vertical_flip` | false | mirror top to bottom every second time |
#[derive(Debug, Clone, PartialEq)]
pub struct Flip {
    horizontal: Direction,
    vertical: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Direction {
    fixed: bool,
    random: bool,
}

impl Direction {
    fn flips(self, draw: u32) -> bool {
        if self.random { draw >> 31 == 1 } else { self.fixed }
    }
}

impl Transformation for Flip {
    fn new(config: &Config) -> Result<Self> {
        config.only(&["horizontal_flip", "vertical_flip", "random_horizontal_flip", "random_vertical_flip"])?;
        let direction = |fixed: &str, random: &str| -> Result<Direction> {
            Ok(Direction { fixed: config.bool_or(fixed, false)?, random: config.bool_or(random, false)? })
        };
        Ok(Flip {
            horizontal: direction("horizontal_flip", "random_horizontal_flip")?,
            vertical: direction("vertical_flip", "random_vertical_flip")?,
        })
    }

    fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("horizontal_flip", self.horizontal.fixed.into()),
            ("vertical_flip", self.vertical.fixed.into()),
            ("random_horizontal_flip", self.horizontal.random.into()),
            ("random_vertical_flip", self.vertical.random.into()),
        ]
    }

    fn is_random(&self) -> bool {
        self.horizontal.random || self.vertical.random
    }

    fn apply<'a>(&self, x: Image<'a>, random: &Stream) -> Result<Image<'a>> {
        let draw = random.u32x4(0);
        let (horizontal, vertical) = (self.horizontal.flips(draw[0]), self.vertical.flips(draw[1]));
        if !horizontal && !vertical {
            return Ok(x);
        }
        Ok(map_pixels!(x, [x.h, x.w], |p| mirrored(p, [x.h, x.w, x.c], horizontal, vertical)))
    }
}

fn mirrored<P: Copy>(x: &[P], [h, w, c]: [usize; 3], horizontal: bool, vertical: bool) -> Vec<P> {
    let mut y = Vec::with_capacity(x.len());
    for i in 0..h {
        let i = if vertical { h - 1 - i } else { i };
        let row = &x[i * w * c..(i + 1) * w * c];
        if horizontal && c == 1 {
            y.extend(row.iter().rev());
        } else if horizontal {
            row.chunks_exact(c).rev().for_each(|pixel| y.extend_from_slice(pixel));
        } else {
            y.extend_from_slice(row);
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// 2 x 3 pixels of 2 channels.
    fn x() -> Image<'static> {
        Image::bytes(2, 3, 2, vec![11, 12, 21, 22, 31, 32, 41, 42, 51, 52, 61, 62])
    }

    fn flip(config: &Config, key: u64) -> Image<'static> {
        Flip::new(config).unwrap().apply(x(), &Stream::new(key)).unwrap()
    }

    #[test]
    fn pixels_move_as_a_whole() {
        let y = flip(&config! { "horizontal_flip" => true }, 0);
        assert_eq!(y, Image::bytes(2, 3, 2, vec![31, 32, 21, 22, 11, 12, 61, 62, 51, 52, 41, 42]));
        let y = flip(&config! { "vertical_flip" => true }, 0);
        assert_eq!(y, Image::bytes(2, 3, 2, vec![41, 42, 51, 52, 61, 62, 11, 12, 21, 22, 31, 32]));
        let y = flip(&config! { "vertical_flip" => true, "horizontal_flip" => true }, 0);
        assert_eq!(y, Image::bytes(2, 3, 2, vec![61, 62, 51, 52, 41, 42, 31, 32, 21, 22, 11, 12]));
        assert_eq!(flip(&config! {}, 0), x());
        let y = Flip::new(&config! { "horizontal_flip" => true }).unwrap();
        let y = y.apply(Image::floats(1, 2, 1, vec![0.5, -1.0]), &Stream::new(0)).unwrap();
        assert_eq!(y, Image::floats(1, 2, 1, vec![-1.0, 0.5]));
    }

    #[test]
    fn random_flips_are_even_and_independent_and_replace_the_fixed_ones() {
        let config = config! { "horizontal_flip" => true, "random_horizontal_flip" => true, "random_vertical_flip" => true };
        let corners = [x(), flip(&config! { "horizontal_flip" => true }, 0), flip(&config! { "vertical_flip" => true }, 0)];
        let mut seen = [0; 4];
        for key in 0..4000 {
            let y = flip(&config, crate::random::key(&[key]));
            seen[corners.iter().position(|c| *c == y).unwrap_or(3)] += 1;
        }
        // Binomial, n = 4000, p = 1/4: four standard deviations are 110.
        assert!(seen.iter().all(|n| (890..=1110).contains(n)), "{seen:?}");
    }
}
