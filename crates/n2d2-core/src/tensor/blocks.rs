//! Blocks of memory by size class, kept for the next tensor of the class when they are given back.
//!
//! They come from the system, whatever a program allocates with otherwise: allocators for many small objects keep more of
//! large ones than they give.

use super::ALIGN_BYTES;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// Blocks of at least so many bytes begin at different places of a page. An allocator begins them all at the same one; a kernel
/// that reads one and writes another would then find what it touches in the same sets of the first cache, its loads behind its stores.
const PLACED_BYTES: usize = 32 * 1024;
const PAGE_BYTES: usize = 4096;
/// From one place to the next: a number of lines of the cache that does not divide those of a page.
const STEP_BYTES: usize = 23 * ALIGN_BYTES;

fn layout(bytes: usize) -> Layout {
    let (bytes, align) = if bytes < PLACED_BYTES { (bytes, ALIGN_BYTES) } else { (bytes + PAGE_BYTES, PAGE_BYTES) };
    // The size is a class made by `class_of`, far below isize::MAX, and the alignment is a power of two.
    Layout::from_size_align(bytes, align).expect("a size class is a valid layout")
}

/// A new block of a class, or null.
fn allocate(bytes: usize) -> *mut u8 {
    static PLACE: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the layout has a size of at least 256 bytes.
    let base = unsafe { System.alloc(layout(bytes)) };
    if base.is_null() || bytes < PLACED_BYTES {
        return base;
    }
    let place = PLACE.fetch_add(STEP_BYTES, Ordering::Relaxed) % PAGE_BYTES;
    // SAFETY: the layout has a page more than the block.
    unsafe { base.add(place) }
}

/// Gives a block of `allocate` back to the system.
///
/// # Safety
/// Nobody may use the block any more.
unsafe fn release(p: NonNull<u8>, bytes: usize) {
    let place = if bytes < PLACED_BYTES { 0 } else { p.addr().get() % PAGE_BYTES };
    // SAFETY: the block was allocated with this very layout, which begins at a page if the block has a place in it.
    unsafe { System.dealloc(p.as_ptr().sub(place), layout(bytes)) };
}

/// Rounds up to a class: powers of two and three quarters between, so that at most a third is wasted.
pub(super) fn class_of(bytes: usize) -> usize {
    let bytes = bytes.max(256);
    let power = bytes.next_power_of_two();
    if bytes <= power / 4 * 3 { power / 4 * 3 } else { power }
}

/// The number of a class.
fn number_of(class: usize) -> usize {
    2 * class.ilog2() as usize + usize::from(!class.is_power_of_two())
}

/// A block of a class, with any content.
pub(super) fn take(bytes: usize) -> NonNull<u8> {
    let reused = {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let block = free.blocks[number_of(bytes)].pop();
        free.held_bytes -= if block.is_some() { bytes } else { 0 };
        block
    };
    let p = match reused {
        Some(address) => address as *mut u8,
        None => allocate(bytes),
    };
    // A panic becomes an exception in Python; an abort would take the whole process with it.
    NonNull::new(p).unwrap_or_else(|| panic!("out of memory: {bytes} bytes asked for; take a smaller batch, image or network"))
}

/// Keeps a block of `take` for later.
pub(super) fn give(p: NonNull<u8>, bytes: usize) {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.held_bytes + bytes <= KEEP_BYTES {
        free.held_bytes += bytes;
        free.blocks[number_of(bytes)].push(p.as_ptr() as usize);
    } else {
        drop(free);
        // SAFETY: `take` made the block, and the caller has no more use for it.
        unsafe { release(p, bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Buffer;

    #[test]
    fn large_blocks_begin_at_different_places_of_a_page() {
        for bytes in [class_of(PLACED_BYTES), class_of(5 << 20)] {
            let blocks: Vec<NonNull<u8>> = (0..8).map(|_| NonNull::new(allocate(bytes)).unwrap()).collect();
            let places: std::collections::HashSet<usize> = blocks.iter().map(|b| b.addr().get() % PAGE_BYTES).collect();
            assert!(places.len() > 4, "{places:?}");
            for b in blocks {
                assert_eq!(b.addr().get() % ALIGN_BYTES, 0);
                // SAFETY: the block has so many bytes, and nobody else uses it.
                unsafe {
                    b.write(1);
                    b.add(bytes - 1).write(1);
                    release(b, bytes);
                }
            }
        }
    }

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
