use crate::allocator::{self, Allocator, User};
use crate::{ffi, Code, Error, Isa, Model, Result};
use std::ffi::CString;
use std::fmt;
use std::os::raw::{c_char, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// How to open a model: `Options { threads: 2, ..Options::default() }.open()`.
#[derive(Clone, Default)]
pub struct Options {
    /// That a run may use: 0 or 1 for the calling thread alone.
    pub threads: usize,
    /// The instructions that a run uses.
    pub isa: Isa,
    /// Where the memory of the model and its sessions comes from, if not from `malloc`.
    pub allocator: Option<Arc<dyn Allocator>>,
}

/// The C model: closed when its [`Model`] and all sessions are gone.
pub(crate) struct Handle {
    pub(crate) raw: NonNull<ffi::amg_model>,
    _user: Option<Box<User>>, // what the C model's allocator points to
}

// A C model never changes, and an allocator is to be called from any thread.
unsafe impl Send for Handle {}
unsafe impl Sync for Handle {}

/// What to open.
enum Source<'a> {
    Own,
    Static(&'static [u8]),
    Bytes(&'a [u8]),
    File(&'a Path),
}

impl Options {
    /// Opens the model of this crate.
    pub fn open(&self) -> Result<Model> {
        self.model(crate::WEIGHTS.map_or(Source::Own, Source::Static))
    }

    /// Opens the bytes of a .amg file whose operators are those of this crate's model. They are copied.
    pub fn open_bytes(&self, bytes: &[u8]) -> Result<Model> {
        self.model(Source::Bytes(bytes))
    }

    /// Opens a .amg file whose operators are those of this crate's model.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<Model> {
        self.model(Source::File(path.as_ref()))
    }

    fn model(&self, source: Source<'_>) -> Result<Model> {
        Ok(Model::new(self.handle(source)?, self.clone()))
    }

    fn handle(&self, source: Source<'_>) -> Result<Handle> {
        let (bytes, flags): (&[u8], i32) = match source {
            Source::Bytes([]) => return Err(Error::new(Code::Format, "there are no bytes")),
            Source::Bytes(bytes) => (bytes, ffi::AMG_OPEN_VERIFY | ffi::AMG_OPEN_COPY),
            Source::Static(bytes) => (bytes, 0),
            Source::Own => (&[], 0),
            Source::File(_) => (&[], ffi::AMG_OPEN_VERIFY),
        };
        let path = match source {
            Source::File(path) => Some(c_path(path)?),
            _ => None,
        };
        let user = self.allocator.clone().map(Box::new);
        let mut said = [0 as c_char; 512];
        let options = ffi::amg_options {
            data: if bytes.is_empty() { ptr::null() } else { bytes.as_ptr().cast() },
            size: bytes.len(),
            alloc: user.as_ref().map(|_| allocator::alloc as _),
            release: user.as_ref().map(|_| allocator::release as _),
            user: user.as_ref().map_or(ptr::null_mut(), |user| &**user as *const User as *mut c_void),
            errbuf: said.as_mut_ptr(),
            errbuf_size: said.len(),
            flags: flags as u32,
            ..ffi::amg_options::default()
        };
        let mut raw = ptr::null_mut();
        let status = match &path {
            Some(path) => unsafe { ffi::amg_open_file(path.as_ptr(), &options, &mut raw) },
            None => unsafe { ffi::amg_open(&options, &mut raw) },
        };
        match NonNull::new(raw) {
            Some(raw) => Ok(Handle { raw, _user: user }),
            None => {
                let message = unsafe { crate::error::text(said.as_ptr()) };
                Err(Error::new(Code::of(status), message.unwrap_or_default()))
            }
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("threads", &self.threads)
            .field("isa", &self.isa)
            .field("allocator", &self.allocator.as_ref().map(|_| ".."))
            .finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { ffi::amg_close(self.raw.as_ptr()) }
    }
}

#[cfg(unix)]
fn c_path(path: &Path) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    c_text(path.as_os_str().as_bytes())
}

#[cfg(not(unix))]
fn c_path(path: &Path) -> Result<CString> {
    let text = path.to_str().ok_or_else(|| Error::new(Code::Argument, "the path is no Unicode"))?;
    c_text(text.as_bytes())
}

/// A text for C, which cannot hold a zero.
pub(crate) fn c_text(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::new(Code::Argument, "there is a zero in the text"))
}
