use crate::{ffi, Code};
use std::ffi::CStr;
use std::fmt;
use std::os::raw::c_char;

/// What every failing function of this crate returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of fault it is.
    pub code: Code,
    /// What is at fault; empty where the code says all.
    pub message: String,
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let general = unsafe { text(ffi::amg_strerror(self.code as i32)) }.unwrap_or_default();
        f.write_str(&general)?;
        if !self.message.is_empty() && self.message != general {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The text at a pointer, or None for null.
///
/// # Safety
/// The pointer is null, or that of a text which ends in a zero.
pub(crate) unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    Some(CStr::from_ptr(pointer).to_string_lossy().into_owned())
}
