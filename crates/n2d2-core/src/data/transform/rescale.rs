//! Changes the size of an image by bilinear interpolation.
//!
//! Pixel centres are at half indices: `src = (i + 0.5) * in / out - 0.5`, clamped to the image; each value is the mean of
//! its four neighbours weighted by distance. Bytes are rounded to the nearest, half up.
//!
//! Source: the convention of `INTER_LINEAR` in `OpenCV`, and of `align_corners=False` in `PyTorch`.

use super::{Transformation, size_of_at_least_1};
use crate::config::{Config, Value};
use crate::data::image::{Image, Pixel, map_pixels};
use crate::error::Result;
use crate::random::Stream;

/// Bilinear resizing to `width` x `height`.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `width`, `height` | required | size in pixels |
/// | `keep_aspect_ratio` | false | scale both sides by one factor |
/// | `resize_to_fit` | true | that factor is the smaller one (the image fits inside), else the larger one (it covers) |
#[derive(Debug, Clone, PartialEq)]
pub struct Rescale {
    width: usize,
    height: usize,
    keep_aspect_ratio: bool,
    resize_to_fit: bool,
}

impl Rescale {
    /// `[height, width]` of the result for an image of `h` x `w`.
    fn size(&self, h: usize, w: usize) -> [usize; 2] {
        if !self.keep_aspect_ratio {
            return [self.height, self.width];
        }
        let (fy, fx) = (self.height as f64 / h as f64, self.width as f64 / w as f64);
        let factor = if self.resize_to_fit { fx.min(fy) } else { fx.max(fy) };
        // w * (width / w) may fall just short of the integer.
        let side = |v: usize| ((v as f64 * factor + 1e-9) as usize).max(1);
        [side(h), side(w)]
    }
}

impl Transformation for Rescale {
    fn new(config: &Config) -> Result<Self> {
        config.only(&["width", "height", "keep_aspect_ratio", "resize_to_fit"])?;
        Ok(Rescale {
            width: size_of_at_least_1(config, "width")?,
            height: size_of_at_least_1(config, "height")?,
            keep_aspect_ratio: config.bool_or("keep_aspect_ratio", false)?,
            resize_to_fit: config.bool_or("resize_to_fit", true)?,
        })
    }

    fn parameters(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("width", self.width.into()),
            ("height", self.height.into()),
            ("keep_aspect_ratio", self.keep_aspect_ratio.into()),
            ("resize_to_fit", self.resize_to_fit.into()),
        ]
    }

    fn output_shape(&self, [h, w, c]: [usize; 3]) -> Result<[usize; 3]> {
        let [h, w] = self.size(h, w);
        Ok([h, w, c])
    }

    fn apply<'a>(&self, x: Image<'a>, _random: &Stream) -> Result<Image<'a>> {
        let [h, w] = self.size(x.h, x.w);
        if [h, w] == [x.h, x.w] {
            return Ok(x);
        }
        Ok(map_pixels!(x, [h, w], |p| bilinear(p, [x.h, x.w, x.c], h, w)))
    }
}

/// Two source indices and the weight of the second.
#[derive(Clone, Copy)]
struct Neighbours {
    low: usize,
    high: usize,
    weight: f32,
}

fn neighbours(from: usize, to: usize) -> Vec<Neighbours> {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            let at = ((i as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
            let low = at as usize;
            Neighbours { low, high: (low + 1).min(from - 1), weight: (at - low as f64) as f32 }
        })
        .collect()
}

fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

/// Resizes one row of pixels with `c` channels.
fn resize_row<P: Pixel>(x: &[P], c: usize, columns: &[Neighbours], y: &mut [f32]) {
    if c == 1 {
        for (y, n) in y.iter_mut().zip(columns) {
            *y = mix(x[n.low].to_f32(), x[n.high].to_f32(), n.weight);
        }
        return;
    }
    for (y, n) in y.chunks_exact_mut(c).zip(columns) {
        let (low, high) = (&x[n.low * c..][..c], &x[n.high * c..][..c]);
        for ((y, a), b) in y.iter_mut().zip(low).zip(high) {
            *y = mix(a.to_f32(), b.to_f32(), n.weight);
        }
    }
}

fn bilinear<P: Pixel>(x: &[P], [h, w, c]: [usize; 3], to_h: usize, to_w: usize) -> Vec<P> {
    const NONE: usize = usize::MAX;
    let columns = neighbours(w, to_w);
    // Source rows at the new width. Neighbouring output rows share them, so the last two are kept.
    let (mut low, mut high) = ((NONE, vec![0.0; to_w * c]), (NONE, vec![0.0; to_w * c]));
    let fetch = |row: usize, to: &mut (usize, Vec<f32>)| {
        if to.0 != row {
            resize_row(&x[row * w * c..][..w * c], c, &columns, &mut to.1);
            to.0 = row;
        }
    };
    let mut y = Vec::with_capacity(to_h * to_w * c);
    for n in neighbours(h, to_h) {
        if high.0 == n.low {
            std::mem::swap(&mut low, &mut high);
        }
        fetch(n.low, &mut low);
        fetch(n.high, &mut high);
        y.extend(low.1.iter().zip(&high.1).map(|(a, b)| P::round(mix(*a, *b, n.weight))));
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use proptest::prelude::*;

    fn run(config: &Config, x: Image<'static>) -> Image<'static> {
        Rescale::new(config).unwrap().apply(x, &Stream::new(0)).unwrap()
    }

    #[test]
    fn half_pixel_centres_by_hand() {
        // 2 -> 4: sources -0.25 (clamped to 0), 0.25, 0.75, 1.25 (clamped to 1).
        let y = run(&config! { "width" => 4usize, "height" => 1usize }, Image::floats(1, 2, 1, vec![0.0, 8.0]));
        assert_eq!(y, Image::floats(1, 4, 1, vec![0.0, 2.0, 6.0, 8.0]));
        // 4 -> 2: sources 0.5 and 2.5, the means of neighbours.
        let y = run(&config! { "width" => 1usize, "height" => 2usize }, Image::bytes(4, 1, 1, vec![10, 21, 30, 40]));
        assert_eq!(y, Image::bytes(2, 1, 1, vec![16, 35]));
        // 2 x 2 -> 3 x 3: the centre is the mean of all four, the middle of an edge of two; channels stay apart.
        let x = Image::floats(2, 2, 2, vec![0.0, 0.0, 4.0, -4.0, 8.0, -8.0, 12.0, -12.0]);
        let y = run(&config! { "width" => 3usize, "height" => 3usize }, x);
        let first = [0.0, 2.0, 4.0, 4.0, 6.0, 8.0, 8.0, 10.0, 12.0f32];
        let both: Vec<f32> = first.iter().flat_map(|v| [*v, 0.0 - *v]).collect();
        assert_eq!(y, Image::floats(3, 3, 2, both));
    }

    #[test]
    fn one_factor_for_both_sides() {
        let size = |fit: bool, h, w| {
            let c = config! { "width" => 32usize, "height" => 20usize, "keep_aspect_ratio" => true, "resize_to_fit" => fit };
            Rescale::new(&c).unwrap().size(h, w)
        };
        // Factors 20/10 = 2 and 32/20 = 1.6.
        assert_eq!(size(true, 10, 20), [16, 32]);
        assert_eq!(size(false, 10, 20), [20, 40]);
        // 20/49 * 7 = 2.857 is cut to 2; 20/49 * 49 is 20, not 19.
        assert_eq!(size(true, 49, 7), [20, 2]);
        assert_eq!(size(true, 1000, 1), [20, 1]);
    }

    #[test]
    fn sizes_are_checked() {
        let mut c = config! { "width" => 0usize, "height" => 1usize };
        c.set_owner("Rescale");
        let text = "Rescale: parameter `width` is 0, expected an integer of at least 1";
        assert_eq!(Rescale::new(&c).unwrap_err().to_string(), text);
        c.set("width", 1usize << 40);
        assert_eq!(Rescale::new(&c).unwrap_err().code(), "value");
    }

    proptest! {
        #[test]
        fn agrees_with_the_formula(h in 1usize..9, w in 1usize..9, to_h in 1usize..12, to_w in 1usize..12, seed in any::<u64>()) {
            let s = Stream::new(seed);
            let x: Vec<f32> = (0..(h * w) as u64).map(|i| s.uniform(i)).collect();
            let y = bilinear(&x, [h, w, 1], to_h, to_w);
            let at = |i: usize, to: usize, from: usize| ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0).min(from as f64 - 1.0);
            for i in 0..to_h {
                for j in 0..to_w {
                    let (a, b) = (at(i, to_h, h), at(j, to_w, w));
                    let mut sum = 0.0;
                    for (k, v) in x.iter().enumerate() {
                        let near = |d: f64| (1.0 - d.abs()).max(0.0);
                        sum += f64::from(*v) * near(a - (k / w) as f64) * near(b - (k % w) as f64);
                    }
                    prop_assert!((f64::from(y[i * to_w + j]) - sum).abs() < 1e-6);
                }
            }
        }
    }
}
