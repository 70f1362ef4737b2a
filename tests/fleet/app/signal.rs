//! Exits at once on SIGTERM. The first process of a container has no default reaction to signals, and the standard
//! library has no way to set one: this is the one place with foreign functions.

use std::ffi::c_int;

const SIGINT: c_int = 2;
const SIGTERM: c_int = 15;

unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn _exit(code: c_int) -> !;
}

extern "C" fn exit_now(_number: c_int) {
    // SAFETY: `_exit` is one of the functions that may be called in a signal handler.
    unsafe { _exit(0) }
}

/// No draining: open requests are cut. That is what the deploy under test has to prevent.
pub fn exit_on_term() {
    // SAFETY: the handler does nothing but `_exit`.
    unsafe {
        signal(SIGTERM, exit_now);
        signal(SIGINT, exit_now);
    }
}
