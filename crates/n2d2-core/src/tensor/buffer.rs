//! Memory of tensors: aligned to a cache line, zeroed on request, and reused.
//!
//! A training step allocates the same sizes again and again. Fresh pages cost more than the arithmetic of a small
//! network, so released blocks go to a free list by size class and come back for the next tensor of that class.

use super::Element;
use super::blocks::{class_of, give, take};
use std::any::Any;
use std::ptr::NonNull;

/// Alignment of every block in bytes.
pub const ALIGN_BYTES: usize = 64;
/// Readable bytes behind the end of every owned block, so that a kernel may load a whole vector at the last element. What
/// they hold must not count, and nobody writes them.
pub const SLACK_BYTES: usize = 64;
/// What an empty tensor points to, slack included.
#[repr(align(64))]
struct Nothing(#[allow(dead_code)] [u8; SLACK_BYTES]);
static NOTHING: Nothing = Nothing([0; SLACK_BYTES]);

enum Owner {
    /// There are no elements.
    Nobody,
    /// A block of this class in bytes, given back on drop.
    Pool(usize),
    /// Memory of somebody else, kept alive by the value.
    Foreign(#[allow(dead_code)] Box<dyn Any + Send + Sync>),
}

/// A run of elements behind a tensor.
pub struct Buffer<T: Element> {
    pointer: NonNull<T>,
    len: usize,
    owner: Owner,
}

// SAFETY: a buffer is plain memory; who may write when is decided by `Tensor` and the engine.
unsafe impl<T: Element> Send for Buffer<T> {}
// SAFETY: as above.
unsafe impl<T: Element> Sync for Buffer<T> {}

impl<T: Element> Buffer<T> {
    /// Memory for `len` elements with any content; the engine writes before it reads.
    pub(crate) fn uninit(len: usize) -> Self {
        if len == 0 {
            return Buffer { pointer: NonNull::from(&NOTHING).cast(), len, owner: Owner::Nobody };
        }
        let class = class_of(len * size_of::<T>() + SLACK_BYTES);
        Buffer { pointer: take(class).cast(), len, owner: Owner::Pool(class) }
    }

    /// Memory of zeros; the slack has any content.
    pub fn zeroed(len: usize) -> Self {
        let b = Self::uninit(len);
        // SAFETY: the block holds len elements; all-zero bytes are a valid value of every Element.
        unsafe { b.pointer.write_bytes(0, len) };
        b
    }

    /// Borrows memory that `owner` keeps alive.
    ///
    /// # Safety
    /// `pointer` must be valid for reads and writes of `len` elements while `owner` lives.
    pub unsafe fn foreign(pointer: NonNull<T>, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        Buffer { pointer, len, owner: Owner::Foreign(owner) }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first element.
    pub fn as_ptr(&self) -> *mut T {
        self.pointer.as_ptr()
    }

    /// True if a kernel may read `SLACK_BYTES` behind the end.
    pub fn has_slack(&self) -> bool {
        !matches!(self.owner, Owner::Foreign(_))
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Owner::Pool(class) = self.owner {
            give(self.pointer.cast(), class);
        }
    }
}
