//! Memory of tensors: aligned to a cache line, zeroed on request, and reused.
//!
//! A training step allocates the same sizes again and again. Fresh pages cost more than the arithmetic of a small
//! network, so released blocks go to a free list by size class and come back for the next tensor of that class.

use super::Element;
use std::alloc::{Layout, alloc, dealloc};
use std::any::Any;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Alignment of every block in bytes.
pub const ALIGN_BYTES: usize = 64;
/// Readable elements behind the end of every owned block, so that a kernel may load a whole vector at the last element.
pub const SLACK_BYTES: usize = 64;
/// Free blocks kept at most, in bytes.
const KEEP_BYTES: usize = 1 << 30;

/// Size classes below 2^64 bytes.
const CLASSES: usize = 128;

struct FreeList {
    /// Addresses of the free blocks of each class.
    blocks: [Vec<usize>; CLASSES],
    held_bytes: usize,
}

static FREE: Mutex<FreeList> = Mutex::new(FreeList { blocks: [const { Vec::new() }; CLASSES], held_bytes: 0 });

fn layout(bytes: usize) -> Layout {
    // The size is a class made by `class_of`, far below isize::MAX, and the alignment is a power of two.
    Layout::from_size_align(bytes, ALIGN_BYTES).expect("a size class is a valid layout")
}

/// Rounds up to a class: powers of two and three quarters between, so that at most a third is wasted.
fn class_of(bytes: usize) -> usize {
    let bytes = bytes.max(256);
    let power = bytes.next_power_of_two();
    if bytes <= power / 4 * 3 { power / 4 * 3 } else { power }
}

/// The number of a class.
fn number_of(class: usize) -> usize {
    2 * class.ilog2() as usize + usize::from(!class.is_power_of_two())
}

fn take(bytes: usize) -> NonNull<u8> {
    let reused = {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let block = free.blocks[number_of(bytes)].pop();
        free.held_bytes -= if block.is_some() { bytes } else { 0 };
        block
    };
    let p = match reused {
        Some(address) => address as *mut u8,
        // SAFETY: the layout has a size of at least 256 bytes.
        None => unsafe { alloc(layout(bytes)) },
    };
    // A panic becomes an exception in Python; an abort would take the whole process with it.
    NonNull::new(p).unwrap_or_else(|| panic!("out of memory: {bytes} bytes asked for; take a smaller batch, image or network"))
}

fn give(p: NonNull<u8>, bytes: usize) {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.held_bytes + bytes <= KEEP_BYTES {
        free.held_bytes += bytes;
        free.blocks[number_of(bytes)].push(p.as_ptr() as usize);
    } else {
        drop(free);
        // SAFETY: `take` allocated the block with this very layout.
        unsafe { dealloc(p.as_ptr(), layout(bytes)) };
    }
}

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

    /// Memory of zeros, slack included.
    pub fn zeroed(len: usize) -> Self {
        let b = Self::uninit(len);
        if len == 0 {
            return b;
        }
        // SAFETY: the block holds len elements and the slack; all-zero bytes are a valid value of every Element.
        unsafe { b.pointer.as_ptr().cast::<u8>().write_bytes(0, len * size_of::<T>() + SLACK_BYTES) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_waste_at_most_a_third() {
        for bytes in [1usize, 256, 300, 384, 385, 513, 5000, 1 << 20, (1 << 20) + 1] {
            let class = class_of(bytes);
            assert!(class >= bytes && (bytes < 256 || class <= bytes * 3 / 2), "{bytes} -> {class}");
        }
        let classes: Vec<usize> = (8..63).flat_map(|bit| [1usize << bit, 3 << (bit - 1)]).collect();
        let numbers: Vec<usize> = classes.iter().map(|class| number_of(*class)).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]) && *numbers.last().unwrap() < CLASSES);
    }

    #[test]
    fn a_released_block_comes_back() {
        let len = 98_765;
        let first = Buffer::<f32>::zeroed(len);
        let address = first.as_ptr();
        drop(first);
        let again: Vec<_> = (0..64).map(|_| Buffer::<f32>::uninit(len)).collect();
        assert!(again.iter().any(|b| b.as_ptr() == address));
        assert_eq!(address as usize % ALIGN_BYTES, 0);
    }
}
