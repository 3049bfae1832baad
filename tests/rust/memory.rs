//! What an allocator cannot give is an error, and all that it gave comes back.

use digits::{Allocator, Code, Options};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Allocates until `left` is used up; `lives` are the pieces that are not released yet.
struct Limited {
    left: AtomicIsize,
    panics: bool,
    lives: Mutex<HashMap<usize, Vec<u128>>>,
}

impl Limited {
    fn new(left: isize, panics: bool) -> Arc<Limited> {
        Arc::new(Limited { left: AtomicIsize::new(left), panics, lives: Mutex::default() })
    }
}

unsafe impl Allocator for Limited {
    fn alloc(&self, size: usize) -> *mut c_void {
        if self.left.fetch_sub(1, SeqCst) <= 0 {
            assert!(!self.panics, "no more");
            return std::ptr::null_mut();
        }
        let mut memory = vec![0_u128; size / 16 + 1];
        let at = memory.as_mut_ptr();
        self.lives.lock().unwrap().insert(at as usize, memory);
        at.cast()
    }

    unsafe fn release(&self, memory: *mut c_void) {
        self.lives.lock().unwrap().remove(&(memory as usize)).expect("memory of this allocator");
    }
}

/// Opens and runs with `left` allocations, on `threads`, and gives what went wrong.
fn with(limited: &Arc<Limited>, threads: usize) -> Result<(), Code> {
    let options = Options { threads, allocator: Some(limited.clone()), ..Options::default() };
    let work = || {
        let model = options.open()?;
        model.run(&[(digits::INPUT0, vec![0.5; 64])])?;
        let mut session = model.session()?;
        session.set_shape(0, &[2, 1, 8, 8])?;
        session.run()
    };
    work().map_err(|e: digits::Error| e.code)
}

fn every_failure(threads: usize, panics: bool) {
    let mut failures = 0;
    for left in 0.. {
        let limited = Limited::new(left, panics);
        let done = with(&limited, threads);
        assert!(limited.lives.lock().unwrap().is_empty(), "something is left after {left} allocations");
        if done.is_ok() {
            break;
        }
        assert_eq!(done, Err(Code::Memory), "after {left} allocations");
        failures += 1;
    }
    assert!(failures >= 5, "{failures}");
}

#[test]
fn every_allocation_may_fail() {
    every_failure(1, false);
    every_failure(3, false);
}

#[test]
fn panics_of_an_allocator_stay_in_it() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    every_failure(1, true);
    std::panic::set_hook(hook);
}
