//! One image between reading and the batch: `h * w * c` values, channels fastest.

use std::borrow::Cow;

/// The values of an image: bytes as read, or floats.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels<'a> {
    /// Unsigned bytes; become `v / 255` in a batch.
    U8(Cow<'a, [u8]>),
    /// Floats; taken as they are.
    F32(Cow<'a, [f32]>),
}

/// An image, borrowed from a dataset or made by a transformation.
#[derive(Debug, Clone, PartialEq)]
pub struct Image<'a> {
    /// Height in pixels.
    pub h: usize,
    /// Width in pixels.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// The values `[h, w, c]`.
    pub pixels: Pixels<'a>,
}

/// A type of pixel that geometric transformations compute with.
pub(crate) trait Pixel: Copy + Default + Send + Sync + 'static {
    fn to_f32(self) -> f32;
    /// Rounds to the nearest value of the type, half up, and saturates.
    fn round(v: f32) -> Self;
}

impl Pixel for u8 {
    fn to_f32(self) -> f32 {
        f32::from(self)
    }
    fn round(v: f32) -> Self {
        // Not `v.round()`, which is a call on processors without SSE 4.1; the cast saturates at 0.
        (v + 0.5) as u8
    }
}

impl Pixel for f32 {
    fn to_f32(self) -> f32 {
        self
    }
    fn round(v: f32) -> Self {
        v
    }
}

/// Applies an expression to the values of an image, whichever type they have, and makes an image of the result.
macro_rules! map_pixels {
    ($image:expr, [$h:expr, $w:expr], |$p:ident| $new:expr) => {
        $crate::data::Image {
            h: $h,
            w: $w,
            c: $image.c,
            pixels: match &$image.pixels {
                $crate::data::Pixels::U8($p) => $crate::data::Pixels::U8(std::borrow::Cow::Owned($new)),
                $crate::data::Pixels::F32($p) => $crate::data::Pixels::F32(std::borrow::Cow::Owned($new)),
            },
        }
    };
}
pub(crate) use map_pixels;

impl<'a> Image<'a> {
    /// An image of bytes.
    pub fn bytes(h: usize, w: usize, c: usize, values: impl Into<Cow<'a, [u8]>>) -> Self {
        Image { h, w, c, pixels: Pixels::U8(values.into()) }
    }

    /// An image of floats.
    pub fn floats(h: usize, w: usize, c: usize, values: impl Into<Cow<'a, [f32]>>) -> Self {
        Image { h, w, c, pixels: Pixels::F32(values.into()) }
    }

    /// `[h, w, c]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.h, self.w, self.c]
    }

    /// The same image, owning its values.
    pub fn into_owned(self) -> Image<'static> {
        let pixels = match self.pixels {
            Pixels::U8(p) => Pixels::U8(Cow::Owned(p.into_owned())),
            Pixels::F32(p) => Pixels::F32(Cow::Owned(p.into_owned())),
        };
        Image { h: self.h, w: self.w, c: self.c, pixels }
    }

    /// A view of the image.
    pub fn view(&self) -> Image<'_> {
        let pixels = match &self.pixels {
            Pixels::U8(p) => Pixels::U8(Cow::Borrowed(p)),
            Pixels::F32(p) => Pixels::F32(Cow::Borrowed(p)),
        };
        Image { h: self.h, w: self.w, c: self.c, pixels }
    }
}
