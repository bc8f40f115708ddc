//! The types a tensor can hold and the floats a cell computes in.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, MulAssign, SubAssign};

mod sealed {
    pub trait Sealed {}
}

/// A plain number that a tensor can hold.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + PartialOrd + Debug + Display + Send + Sync + 'static {
    /// The NumPy name of the type.
    const NAME: &'static str;
}

macro_rules! elements {
    ($($t:ty => $name:literal),*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const NAME: &'static str = $name;
        }
    )*};
}
elements!(f32 => "float32", f64 => "float64", i32 => "int32", i64 => "int64", u8 => "uint8", u32 => "uint32");

/// A float that cells compute in: `f32` by the fast kernels, `f64` by the portable ones.
pub trait Float: Element + num_traits::Float + AddAssign + SubAssign + MulAssign + Sum<Self> {
    /// Rounds a double to this type.
    fn of(v: f64) -> Self;
    /// Widens to a double.
    fn as_f64(self) -> f64;
    /// `e^x` in a form that loops vectorise (32 bits) or of the mathematical library (64 bits). In 32 bits the result lies
    /// between 1e-38 and 1.7e38.
    #[must_use]
    fn exponential(self) -> Self;
    /// `e^x` of an `x` of at most 0, as [`Float::exponential`] but down to zero.
    #[must_use]
    fn exponential_to_zero(self) -> Self;
    /// `e^x - 1`, as [`Float::exponential`].
    #[must_use]
    fn exponential_m1(self) -> Self;
    /// The microkernels of this type for the instruction set in use.
    fn kernels() -> &'static crate::device::cpu::Kernels<Self>;
}

impl Float for f32 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v as f32
    }
    #[inline(always)]
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn exponential(self) -> Self {
        crate::exponential::exp(self)
    }
    #[inline(always)]
    fn exponential_to_zero(self) -> Self {
        crate::exponential::exp_to_zero(self)
    }
    #[inline(always)]
    fn exponential_m1(self) -> Self {
        crate::exponential::exp_m1(self)
    }
    fn kernels() -> &'static crate::device::cpu::Kernels<Self> {
        crate::device::cpu::kernels_f32()
    }
}

impl Float for f64 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v
    }
    #[inline(always)]
    fn as_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn exponential_to_zero(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn exponential_m1(self) -> Self {
        self.exp_m1()
    }
    fn kernels() -> &'static crate::device::cpu::Kernels<Self> {
        crate::device::cpu::kernels_f64()
    }
}
