//! N-dimensional arrays: a shared buffer, where in it they begin, a shape and strides.
//!
//! Shapes are always listed in N, C, H, W order. The *memory* of a 4-D activation made by a cell is channels-last
//! (N, H, W, C), which the strides say; [`Tensor::is_channels_last`] tells. A tensor is a cheap handle: clones share
//! their memory, as NumPy views do.

#[cfg_attr(guarded, path = "blocks_guarded.rs")]
mod blocks;
mod buffer;
mod element;
mod layout;

pub use buffer::{ALIGN_BYTES, Buffer, SLACK_BYTES};
pub use element::{Element, Float};

use crate::device::cpu::parallel_for;
use crate::error::{Error, Result};
use smallvec::{SmallVec, smallvec};
use std::fmt;
use std::sync::Arc;

/// Values of an item of a change of layout, at least those of a pixel.
const LAYOUT_ITEM: usize = 16 * 1024;

/// Sizes of a tensor, outermost first: `[n, c, h, w]`.
pub type Shape = Vec<usize>;

/// A shape as `[n, c, h, w]` with the missing dimensions 1.
pub fn dims4(shape: &[usize]) -> [usize; 4] {
    let mut d = [1; 4];
    for (to, from) in d.iter_mut().zip(shape) {
        *to = *from;
    }
    d
}

/// An N-dimensional array of `T`.
///
/// ```
/// use n2d2_core::Tensor;
/// let t = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])?;
/// assert_eq!(t.at(&[1, 0]), 4.0);
/// assert_eq!(t.to_vec(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// # Ok::<(), n2d2_core::Error>(())
/// ```
pub struct Tensor<T: Element> {
    buffer: Arc<Buffer<T>>,
    /// The first element: held here, because the line of the buffer is written whenever a handle is cloned or dropped, and
    /// other cores, which only ask for the address, would have to fetch it again.
    start: Start<T>,
    /// The product of the shape, for which kernels ask for every item.
    len: usize,
    // Within the handle itself: clones of handles are a part of the time of small networks.
    shape: SmallVec<[usize; INLINE]>,
    strides: Strides,
}

/// Where a tensor begins in its buffer.
#[derive(Clone, Copy)]
struct Start<T>(*mut T);

// SAFETY: an address in a buffer that the tensor keeps alive, which is itself `Send` and `Sync`.
unsafe impl<T: Element> Send for Start<T> {}
// SAFETY: as above.
unsafe impl<T: Element> Sync for Start<T> {}

/// Dimensions that a handle holds without memory of its own.
const INLINE: usize = 4;
type Strides = SmallVec<[isize; INLINE]>;

fn row_major(shape: &[usize]) -> Strides {
    let mut strides = smallvec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1) as isize;
    }
    strides
}

/// Strides of an activation of `shape`: channels-last if it has four dimensions, else row-major.
pub(crate) fn memory_strides(shape: &[usize]) -> Strides {
    match shape {
        [_, c, h, w] => {
            let (c, h, w) = (*c as isize, *h as isize, *w as isize);
            smallvec![h * w * c, 1, w * c, c]
        }
        _ => row_major(shape),
    }
}

impl<T: Element> Clone for Tensor<T> {
    fn clone(&self) -> Self {
        // Copied as slices, which is faster than what `SmallVec` does to clone itself.
        let (shape, strides) = (SmallVec::from_slice(&self.shape), SmallVec::from_slice(&self.strides));
        Tensor { buffer: self.buffer.clone(), start: self.start, len: self.len, shape, strides }
    }
}

impl<T: Element> Tensor<T> {
    /// A tensor of all values of a buffer.
    fn whole(buffer: Buffer<T>, shape: &[usize], strides: Strides) -> Self {
        let (start, len) = (Start(buffer.as_ptr()), buffer.len());
        Tensor { buffer: Arc::new(buffer), start, len, shape: SmallVec::from_slice(shape), strides }
    }

    /// Zeros in row-major order.
    pub fn zeros(shape: &[usize]) -> Self {
        Self::whole(Buffer::zeroed(shape.iter().product()), shape, row_major(shape))
    }

    /// Memory with any content for an activation of `shape`: channels-last if it has four dimensions.
    pub(crate) fn uninit(shape: &[usize]) -> Self {
        Self::whole(Buffer::uninit(shape.iter().product()), shape, memory_strides(shape))
    }

    /// Zeros laid out as an activation; the system gives the memory when it is first touched.
    pub(crate) fn zeroed(shape: &[usize]) -> Self {
        Self::whole(Buffer::zeroed(shape.iter().product()), shape, memory_strides(shape))
    }

    /// A row-major tensor of `values`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values is not the product of `shape`.
    #[allow(clippy::needless_pass_by_value)]
    pub fn from_vec(values: Vec<T>, shape: &[usize]) -> Result<Self> {
        let len: usize = shape.iter().product();
        if values.len() != len {
            return Err(Error::shape("Tensor", "number of values", format!("{len} for shape {shape:?}"), values.len()));
        }
        let t = Self::zeros(shape);
        // SAFETY: the fresh buffer holds `len` elements and nobody else has it.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), t.buffer.as_ptr(), len) };
        Ok(t)
    }

    /// A tensor over any part of a buffer; strides count elements.
    ///
    /// # Errors
    /// [`Error::Shape`] if an index would fall outside the buffer.
    pub fn from_buffer(buffer: Arc<Buffer<T>>, offset: usize, shape: &[usize], strides: &[isize]) -> Result<Self> {
        let (mut low, mut high) = (offset as isize, offset as isize);
        for (n, s) in shape.iter().zip(strides) {
            let reach = s * (n.max(&1) - 1) as isize;
            if reach < 0 { low += reach } else { high += reach }
        }
        let empty = shape.contains(&0);
        if shape.len() != strides.len() || (!empty && (low < 0 || high >= buffer.len() as isize)) {
            return Err(Error::shape("Tensor", "view", format!("indices inside a buffer of {}", buffer.len()), format!("{low}..={high}")));
        }
        let (len, start) = (shape.iter().product(), Start(buffer.as_ptr().wrapping_add(offset)));
        Ok(Tensor { buffer, start, len, shape: SmallVec::from_slice(shape), strides: SmallVec::from_slice(strides) })
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Strides in elements.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shared memory.
    pub fn buffer(&self) -> &Arc<Buffer<T>> {
        &self.buffer
    }

    /// The first element. Reading or writing through it is the caller's responsibility.
    pub fn as_ptr(&self) -> *mut T {
        self.start.0
    }

    /// True if this handle is the only one on its memory.
    pub fn is_unique(&self) -> bool {
        Arc::strong_count(&self.buffer) == 1
    }

    fn lies_as(&self, strides: &[isize]) -> bool {
        self.shape.iter().zip(&self.strides).zip(strides).all(|((n, a), b)| *n <= 1 || a == b)
    }

    /// True if the memory is one run in N, C, H, W order.
    pub fn is_row_major(&self) -> bool {
        self.lies_as(&row_major(&self.shape))
    }

    /// True if the memory is one run in N, H, W, C order (row-major if there are not four dimensions).
    pub fn is_channels_last(&self) -> bool {
        self.lies_as(&memory_strides(&self.shape))
    }

    /// The element at an index, outermost first.
    ///
    /// # Panics
    /// If the index is outside the shape.
    pub fn at(&self, index: &[usize]) -> T {
        assert!(
            index.len() == self.shape.len() && index.iter().zip(&self.shape).all(|(i, n)| i < n),
            "index {index:?} outside {:?}",
            self.shape
        );
        let at: isize = index.iter().zip(&self.strides).map(|(i, s)| *i as isize * s).sum();
        // SAFETY: the index is inside the shape, which lies inside the buffer.
        unsafe { *self.as_ptr().offset(at) }
    }

    /// All elements in N, C, H, W order.
    pub fn to_vec(&self) -> Vec<T> {
        let mut out = Vec::with_capacity(self.len());
        self.for_each_offset(|at| {
            // SAFETY: `for_each_offset` visits indices inside the shape.
            out.push(unsafe { *self.as_ptr().offset(at) });
        });
        out
    }

    /// Calls `f` with the offset of each element in N, C, H, W order.
    fn for_each_offset(&self, mut f: impl FnMut(isize)) {
        let n = self.len();
        let mut index = vec![0usize; self.shape.len()];
        let mut at = 0isize;
        for _ in 0..n {
            f(at);
            for d in (0..index.len()).rev() {
                index[d] += 1;
                at += self.strides[d];
                if index[d] < self.shape[d] {
                    break;
                }
                at -= self.strides[d] * self.shape[d] as isize;
                index[d] = 0;
            }
        }
    }

    /// Copies elements in N, C, H, W order into the memory of this tensor, whatever its strides.
    ///
    /// # Errors
    /// [`Error::Shape`] if the count differs.
    pub fn assign(&self, values: &[T]) -> Result<()> {
        if values.len() != self.len() {
            return Err(Error::shape("Tensor", "number of values", self.len(), values.len()));
        }
        let mut it = values.iter();
        self.for_each_offset(|at| {
            if let Some(v) = it.next() {
                // SAFETY: `for_each_offset` visits indices inside the shape.
                unsafe { *self.as_ptr().offset(at) = *v };
            }
        });
        Ok(())
    }

    /// The memory as one run, in whichever order it lies.
    ///
    /// # Errors
    /// [`Error::State`] for a view that is not one run.
    pub fn as_slice(&self) -> Result<&[T]> {
        if self.is_row_major() || self.is_channels_last() {
            // SAFETY: the elements are one run of `len`, inside the buffer.
            Ok(unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len()) })
        } else {
            Err(Error::state("Tensor", format!("a view with strides {:?} is not one run of memory; copy it first", self.strides)))
        }
    }

    /// The memory as one writable run, in whichever order it lies.
    ///
    /// # Errors
    /// [`Error::State`] if the memory is shared with another handle or is not one run.
    pub fn as_mut_slice(&mut self) -> Result<&mut [T]> {
        if !self.is_unique() {
            return Err(Error::state("Tensor", "the memory is shared; copy the tensor before writing"));
        }
        self.as_slice()?;
        // SAFETY: one run inside the buffer, and this is the only handle.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.as_ptr(), self.len()) })
    }

    /// The same elements in another shape; shares memory where the order allows, else copies.
    ///
    /// # Errors
    /// [`Error::Shape`] if the count differs.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        if shape.iter().product::<usize>() != self.len() {
            return Err(Error::shape("Tensor", "reshape", format!("{} elements", self.len()), format!("{shape:?}")));
        }
        if self.is_row_major() {
            return Ok(Tensor {
                buffer: self.buffer.clone(),
                start: self.start,
                len: self.len,
                shape: SmallVec::from_slice(shape),
                strides: row_major(shape),
            });
        }
        Tensor::from_vec(self.to_vec(), shape)
    }

    /// True if it has four dimensions, and each image is a run of planes or of pixels.
    pub(crate) fn has_images_in_one_run(&self) -> bool {
        self.shape.len() == 4 && !self.is_empty() && (self.is_row_major() || self.is_channels_last())
    }

    /// Writes the pixels of an image from number `first` on, channels side by side, until `to` is full.
    ///
    /// Of a tensor that has [`Tensor::has_images_in_one_run`].
    ///
    /// # Panics
    /// If it does not have so many images or pixels.
    pub(crate) fn lay_pixels(&self, image: usize, first: usize, to: &mut [T]) {
        debug_assert!(self.has_images_in_one_run());
        let (c, each) = (self.shape[1], self.len / self.shape[0]);
        let from = self.part(image * each, each);
        if c == 1 || self.strides[1] == 1 {
            to.copy_from_slice(&from[first * c..][..to.len()]);
        } else {
            layout::interleave(from, c, first, to);
        }
    }

    /// This tensor if its memory is one channels-last run with slack behind it, else a copy that is.
    pub(crate) fn to_channels_last(&self) -> Self {
        if self.is_channels_last() && self.buffer.has_slack() {
            return self.clone();
        }
        let t = Tensor::uninit(&self.shape);
        if self.shape.len() != 4 {
            let mut to = t.as_ptr();
            if self.is_channels_last() {
                // SAFETY: both are one run of `len` elements; the target is fresh.
                unsafe { std::ptr::copy_nonoverlapping(self.as_ptr(), to, self.len()) };
                return t;
            }
            self.for_each_offset(|at| {
                // SAFETY: the index is inside the shape; `to` runs over the fresh target, which is row-major, once.
                unsafe {
                    *to = *self.as_ptr().offset(at);
                    to = to.add(1);
                }
            });
            return t;
        }
        let [n, c, h, w] = dims4(&self.shape);
        if self.has_images_in_one_run() {
            let pixels = h * w;
            let part = (LAYOUT_ITEM / c).clamp(1, pixels);
            let parts = pixels.div_ceil(part);
            // Reading and writing a value takes about half a nanosecond.
            parallel_for(n * parts, self.len() / 2, &|item| {
                let (image, first) = (item / parts, item % parts * part);
                // SAFETY: the target is fresh, and items write pixels of their own.
                let to = unsafe { t.part_mut((image * pixels + first) * c, part.min(pixels - first) * c) };
                self.lay_pixels(image, first, to);
            });
            return t;
        }
        let (s, mut to) = (&self.strides, t.as_ptr());
        for i in 0..n as isize {
            for y in 0..h as isize {
                for x in 0..w as isize {
                    for ch in 0..c as isize {
                        // SAFETY: the index is inside the shape; `to` runs over the fresh target once.
                        unsafe {
                            *to = *self.as_ptr().offset(i * s[0] + ch * s[1] + y * s[2] + x * s[3]);
                            to = to.add(1);
                        }
                    }
                }
            }
        }
        t
    }
}

impl<T: Element> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.to_vec();
        write!(f, "Tensor<{}>{:?} {:?}{}", T::NAME, self.shape, &v[..v.len().min(16)], if v.len() > 16 { " ..." } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_change_their_layout_in_parts_on_any_number_of_threads() {
        // Several parts of an image, the last of them short; parts of a single pixel.
        for shape in [[3, 5, 70, 61], [2, 3, 91, 90], [1, LAYOUT_ITEM + 1, 1, 3]] {
            let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
            let t = Tensor::from_vec(values.clone(), &shape).unwrap();
            for threads in [1, 2, 4] {
                let _turn = crate::device::cpu::one_at_a_time(threads);
                let turned = t.to_channels_last();
                assert!(turned.is_channels_last() && turned.to_vec() == values, "{shape:?}, {threads} threads");
            }
        }
    }

    #[test]
    fn channels_last_conversion_keeps_the_elements() {
        let values: Vec<f32> = (0..2 * 3 * 2 * 4).map(|v| v as f32).collect();
        let t = Tensor::from_vec(values.clone(), &[2, 3, 2, 4]).unwrap();
        let cl = t.to_channels_last();
        assert!(cl.is_channels_last() && !cl.is_row_major());
        assert_eq!(cl.to_vec(), values);
        assert_eq!(&cl.as_slice().unwrap()[..3], &[0.0, 8.0, 16.0]);
    }

    #[test]
    fn other_ranks_lie_row_major() {
        let b = Arc::new(Buffer::<f32>::zeroed(24));
        let t = Tensor::from_buffer(b, 0, &[2, 3, 4], &[1, 2, 6]).unwrap();
        t.assign(&(0..24).map(|v| v as f32).collect::<Vec<_>>()).unwrap();
        let lies = t.to_channels_last();
        assert!(lies.is_row_major() && !t.is_row_major());
        assert_eq!(lies.as_slice().unwrap(), t.to_vec());
    }

    #[test]
    fn one_channel_is_both_layouts_and_is_shared() {
        let t = Tensor::from_vec(vec![1.0f32; 6], &[1, 1, 2, 3]).unwrap();
        assert!(t.is_row_major() && t.is_channels_last());
        assert_eq!(t.to_channels_last().as_ptr(), t.as_ptr());
    }

    #[test]
    fn writing_needs_the_only_handle() {
        let mut t = Tensor::<f32>::zeros(&[2, 2]);
        t.as_mut_slice().unwrap()[3] = 5.0;
        let other = t.clone();
        assert_eq!(t.as_mut_slice().unwrap_err().code(), "state");
        assert_eq!(other.at(&[1, 1]), 5.0);
    }

    #[test]
    fn views_outside_the_buffer_are_refused() {
        let b = Arc::new(Buffer::<f32>::zeroed(6));
        assert!(Tensor::from_buffer(b.clone(), 0, &[2, 3], &[3, 1]).is_ok());
        assert!(Tensor::from_buffer(b.clone(), 1, &[2, 3], &[3, 1]).is_err());
        assert!(Tensor::from_buffer(b, 0, &[2, 3], &[3, -1]).is_err());
    }

    #[test]
    fn reshape_of_a_channels_last_tensor_keeps_logical_order() {
        let t = Tensor::from_vec((0..12).map(|v| v as f32).collect(), &[1, 3, 2, 2]).unwrap();
        let r = t.to_channels_last().reshaped(&[1, 12, 1, 1]).unwrap();
        assert_eq!(r.to_vec(), t.to_vec());
    }
}
