//! The heap of a mapping: memory is handed out from one end to the other, and when nothing is in use any more it begins anew.
//!
//! A call takes little and gives everything back at its end, so a heap that looks for gaps would cost more than it saves:
//! this one is a few instructions an allocation and some hundred bytes of code. It uses the memory that the instance starts
//! with before it asks for more, which in wasmtime is two system calls.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;
use core::ptr;

const PAGE: usize = 65_536;
/// How many pages are asked for at least, so that a long document does not ask for each.
const MORE: usize = 16;

unsafe extern "C" {
    /// Where the linker's data ends.
    static __heap_base: u8;
}

/// Allocates for a component, which has one thread.
pub struct Heap {
    /// The first free byte. 0 before the first allocation.
    next: Cell<usize>,
    in_use: Cell<usize>,
}

// SAFETY: without threads nothing is shared.
unsafe impl Sync for Heap {}

impl Heap {
    /// Nothing handed out yet.
    #[allow(clippy::new_without_default)] // for a static only
    pub const fn new() -> Self {
        Self { next: Cell::new(0), in_use: Cell::new(0) }
    }

    fn base() -> usize {
        (&raw const __heap_base).addr()
    }

    /// Makes the bytes before `end` usable.
    #[inline]
    fn reach(end: usize) -> bool {
        end <= memory_size(0) * PAGE || Self::grow(end)
    }

    #[cold]
    #[inline(never)]
    fn grow(end: usize) -> bool {
        let missing = (end - memory_size(0) * PAGE).div_ceil(PAGE);
        memory_grow(0, missing.max(MORE)) != usize::MAX || memory_grow(0, missing) != usize::MAX
    }
}

// SAFETY: blocks are aligned, within the memory and do not overlap: each begins where what is in use ends.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.next.get().max(Self::base()).next_multiple_of(layout.align());
        let Some(end) = start.checked_add(layout.size()).filter(|end| Self::reach(*end)) else {
            return ptr::null_mut();
        };
        self.next.set(end);
        self.in_use.set(self.in_use.get() + 1);
        ptr::with_exposed_provenance_mut(start)
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let in_use = self.in_use.get() - 1;
        self.in_use.set(in_use);
        if in_use == 0 {
            self.next.set(0);
        } else if block.addr() + layout.size() == self.next.get() {
            self.next.set(block.addr());
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block.addr();
        if start + layout.size() == self.next.get() {
            return match start.checked_add(size).filter(|end| Self::reach(*end)) {
                Some(end) => {
                    self.next.set(end);
                    block
                }
                None => ptr::null_mut(),
            };
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller's layout with another size that it vouches for; both blocks hold the bytes that are copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
