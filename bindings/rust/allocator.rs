use std::os::raw::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::Arc;

/// Where a model and its sessions take their memory.
///
/// # Safety
/// `alloc` gives null, or memory of that size, aligned as `malloc` aligns it, which stays until it is released.
pub unsafe trait Allocator: Send + Sync {
    /// New memory, or null where there is none.
    fn alloc(&self, size: usize) -> *mut c_void;

    /// Takes memory back.
    ///
    /// # Safety
    /// It came from `alloc` of the same allocator, and was not released before.
    unsafe fn release(&self, memory: *mut c_void);
}

/// An allocator as C calls it: `user` points to it. A panic must not reach the C code.
pub(crate) type User = Arc<dyn Allocator>;

pub(crate) unsafe extern "C" fn alloc(user: *mut c_void, size: usize) -> *mut c_void {
    let user = &*(user as *const User);
    catch_unwind(AssertUnwindSafe(|| user.alloc(size))).unwrap_or(ptr::null_mut())
}

pub(crate) unsafe extern "C" fn release(user: *mut c_void, memory: *mut c_void) {
    let user = &*(user as *const User);
    let _ = catch_unwind(AssertUnwindSafe(|| user.release(memory)));
}
