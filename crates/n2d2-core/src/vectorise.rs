//! Loops for the vector unit that the machine has, from one portable source.
//!
//! The build targets the oldest processor of its architecture. [`vectorised!`] compiles a function a second time for
//! AVX2 and chooses at run time, as [`isa`](crate::device::cpu::isa) says. Neither version contracts a product and a sum,
//! so both give the same bits.

/// Defines functions whose loops the compiler vectorises for the instruction set found at run time.
macro_rules! vectorised {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident<T: Float>($($arg:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name<T: Float>($($arg: $kind),*) $(-> $result)? {
            #[inline(always)]
            fn portable<T: Float>($($arg: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2<T: Float>($($arg: $kind),*) $(-> $result)? {
                    portable::<T>($($arg),*)
                }
                if crate::device::cpu::uses_avx2() {
                    // SAFETY: the processor has AVX2.
                    return unsafe { avx2::<T>($($arg),*) };
                }
            }
            portable::<T>($($arg),*)
        }
    )*};
}
pub(crate) use vectorised;

/// Defines functions of a struct of arguments, each with a version for every instruction set of a body that is generic over
/// [`Simd`](crate::device::cpu::Simd): `fn name(Arguments) = body;` calls `body::<S>(&Arguments<S::T>)`.
macro_rules! for_each_isa {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($arguments:ident) = $body:ident;)*) => {$(
        $(#[$meta])*
        $vis unsafe fn $name<T: crate::tensor::Float>(isa: crate::device::cpu::Isa, t: &$arguments<T>) {
            #[cfg(target_arch = "x86_64")]
            if std::any::TypeId::of::<T>() == std::any::TypeId::of::<f32>() {
                use crate::device::cpu::{Avx2, Avx512, Isa};
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2(t: &$arguments<f32>) {
                    // SAFETY: the caller's promise.
                    unsafe { $body::<Avx2>(t) }
                }
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
                unsafe fn avx512(t: &$arguments<f32>) {
                    // SAFETY: the caller's promise.
                    unsafe { $body::<Avx512>(t) }
                }
                // SAFETY: T is f32.
                let t = unsafe { &*std::ptr::from_ref(t).cast::<$arguments<f32>>() };
                if isa == Isa::Avx512 {
                    // SAFETY: the caller's promise, and the processor has what `isa` names.
                    return unsafe { avx512(t) };
                }
                if isa == Isa::Avx2 {
                    // SAFETY: as above.
                    return unsafe { avx2(t) };
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = isa;
            // SAFETY: the caller's promise.
            unsafe { $body::<crate::device::cpu::Portable<T, 8>>(t) }
        }
    )*};
}
pub(crate) use for_each_isa;

/// One, which the compiler does not know to be one. A value stored where it came from, or zero instead, is compiled to a
/// masked store, which costs some 40 micro-operations on AMD processors; a product with this, which has the same bits, is
/// stored as a whole.
#[inline(always)]
pub(crate) fn opaque_one<T: crate::tensor::Float>() -> T {
    std::hint::black_box(T::one())
}

#[cfg(test)]
mod tests {
    use crate::tensor::Float;

    vectorised! {
        fn axpy<T: Float>(a: T, x: &[T], y: &mut [T]) -> usize {
            y.iter_mut().zip(x).for_each(|(y, x)| *y += a * *x);
            y.len()
        }
    }

    #[test]
    fn a_product_and_a_sum_are_rounded_separately() {
        let x = [1.0f32 + f32::EPSILON; 37];
        let mut y = [-1.0f32; 37];
        assert_eq!(axpy(1.0 - f32::EPSILON, &x, &mut y), 37);
        let rounded = (1.0 - f32::EPSILON) * x[0];
        assert_eq!(y, [rounded - 1.0; 37]);
    }
}
