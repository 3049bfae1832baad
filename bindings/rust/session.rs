use crate::options::Handle;
use crate::{ffi, Code, DType, Element, Error, Format, Info, Options, Prediction, Result, Tensor};
use std::fmt;
use std::os::raw::c_void;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;

/// The memory of one run at a time: fill the inputs, run, read the outputs, without a copy.
///
/// It belongs to one thread at a time, and keeps its model open.
pub struct Session {
    raw: NonNull<ffi::amg_session>,
    inputs: Vec<Place>,
    outputs: Vec<Place>,
    reshaped: bool,        // no longer at the model's default shapes
    ran: bool,             // so that there is something in the outputs
    stop: Arc<AtomicBool>, // what the C session looks at while it runs
    handle: Arc<Handle>,
}

// Nothing in a C session depends on the thread that made it.
unsafe impl Send for Session {}

/// Ends a run of the session that it comes from, from any thread.
#[derive(Clone, Debug)]
pub struct Canceller {
    stop: Arc<AtomicBool>,
}

impl Canceller {
    /// Ends the run that is under way, if there is one, before its next layer, with [`Code::Cancelled`]. The session may run
    /// again when its inputs are filled anew.
    pub fn cancel(&self) {
        self.stop.store(true, Relaxed);
    }
}

/// What C asks before each layer; not 0 ends the run.
unsafe extern "C" fn stopped(stop: *mut c_void, _layer: i32, _layers: i32) -> i32 {
    (*(stop as *const AtomicBool)).load(Relaxed).into()
}

/// Where a tensor lies now.
struct Place {
    info: Info,
    data: NonNull<u8>,
}

impl Session {
    pub(crate) fn new(handle: Arc<Handle>, options: &Options, inputs: usize, outputs: usize) -> Result<Session> {
        let stop = Arc::new(AtomicBool::new(false));
        let options = ffi::amg_session_options {
            progress: Some(stopped),
            user: Arc::as_ptr(&stop) as *mut c_void,
            threads: i32::try_from(options.threads).unwrap_or(i32::MAX),
            isa: options.isa as i32,
            ..ffi::amg_session_options::default()
        };
        let mut raw = ptr::null_mut();
        let status = unsafe { ffi::amg_session_new(handle.raw.as_ptr(), &options, &mut raw) };
        let raw = NonNull::new(raw).ok_or_else(|| Error::new(Code::of(status), ""))?;
        let mut session = Session {
            raw,
            inputs: Vec::with_capacity(inputs),
            outputs: Vec::with_capacity(outputs),
            reshaped: false,
            ran: false,
            stop,
            handle,
        };
        session.locate(inputs, outputs)?;
        Ok(session)
    }

    /// Describes input `i` at the session's shapes.
    pub fn input_info(&self, i: usize) -> Result<&Info> {
        Ok(&find(&self.inputs, i)?.info)
    }

    /// Describes output `i` at the session's shapes.
    pub fn output_info(&self, i: usize) -> Result<&Info> {
        Ok(&find(&self.outputs, i)?.info)
    }

    /// The memory of input `i`, to be filled before each run: a run may use it for other values.
    pub fn input_mut<T: Element>(&mut self, i: usize) -> Result<&mut [T]> {
        let place = find(&self.inputs, i)?;
        place.info.fits(place.info.size(), T::DTYPE)?;
        Ok(unsafe { slice::from_raw_parts_mut(place.data.as_ptr().cast(), place.info.size()) })
    }

    /// The memory of output `i`, with what the last run wrote there.
    pub fn output<T: Element>(&self, i: usize) -> Result<&[T]> {
        let place = find(&self.outputs, i)?;
        place.info.fits(place.info.size(), T::DTYPE)?;
        self.after_run()?;
        Ok(unsafe { slice::from_raw_parts(place.data.as_ptr().cast(), place.info.size()) })
    }

    /// Changes the shape of input `i`, and with it all others; what the inputs held is lost.
    pub fn set_shape(&mut self, i: usize, shape: &[usize]) -> Result<()> {
        if shape.len() > ffi::AMG_MAX_NDIM as usize {
            return Err(Error::new(Code::Shape, format!("{} axes are too many", shape.len())));
        }
        let dims: Vec<i64> = shape.iter().map(|&d| i64::try_from(d).unwrap_or(-1)).collect();
        let s = self.raw.as_ptr();
        self.check(unsafe { ffi::amg_set_shape(s, index(i), dims.as_ptr(), dims.len() as i32) })?;
        self.reshaped = true;
        self.locate(self.inputs.len(), self.outputs.len())
    }

    /// Fills image input `i` from rows of pixels, from the top, without gaps: resizes, crops and normalises them as the
    /// model was built to.
    pub fn set_image(&mut self, i: usize, pixels: &[u8], width: usize, height: usize, format: Format) -> Result<()> {
        let stride = width.checked_mul(format.bytes()).and_then(|bytes| i32::try_from(bytes).ok());
        let size = stride.and_then(|stride| height.checked_mul(stride as usize));
        let (stride, rows) = match (stride, i32::try_from(height)) {
            (Some(stride), Ok(rows)) if size == Some(pixels.len()) => (stride, rows),
            _ => {
                let message = format!("{} bytes are no picture of {width} x {height}, {format:?}", pixels.len());
                return Err(Error::new(Code::Shape, message));
            }
        };
        let (s, from) = (self.raw.as_ptr(), pixels.as_ptr().cast());
        let columns = stride / format.bytes() as i32;
        self.check(unsafe { ffi::amg_set_image(s, index(i), from, columns, rows, stride, format as i32) })?;
        Ok(())
    }

    /// Runs the network on what the inputs hold.
    pub fn run(&mut self) -> Result<()> {
        self.stop.store(false, Relaxed);
        self.ran = false;
        self.check(unsafe { ffi::amg_run(self.raw.as_ptr()) })?;
        self.ran = true;
        Ok(())
    }

    /// What ends a run of this session from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller { stop: Arc::clone(&self.stop) }
    }

    /// The k largest values of output `i` of the last run, best first.
    pub fn top(&mut self, i: usize, k: usize) -> Result<Vec<Prediction>> {
        self.after_run()?;
        let k = k.min(find(&self.outputs, i)?.info.size());
        let (mut classes, mut scores) = (vec![0; k + 1], vec![0.0; k + 1]);
        let (s, cls, score) = (self.raw.as_ptr(), classes.as_mut_ptr(), scores.as_mut_ptr());
        let found = self.check(unsafe { ffi::amg_topk(s, index(i), k as i32, cls, score) })?;
        let prediction = |(&class, &score): (&i32, &f32)| Prediction {
            label: self.handle.label(class).unwrap_or_else(|| class.to_string()),
            score,
            class: class as usize,
        };
        Ok(classes.iter().zip(&scores).take(found as usize).map(prediction).collect())
    }

    pub(crate) fn reshaped(&self) -> bool {
        self.reshaped
    }

    pub(crate) fn fill<T: Element>(&mut self, i: usize, values: &[T]) -> Result<()> {
        find(&self.inputs, i)?.info.fits(values.len(), T::DTYPE)?;
        self.input_mut(i)?.copy_from_slice(values);
        Ok(())
    }

    /// A copy of an output that there is.
    pub(crate) fn tensor(&self, i: usize) -> Tensor {
        let Place { info, data } = &self.outputs[i];
        let (data, size) = (data.as_ptr(), info.size());
        match info.dtype {
            DType::Float32 => Tensor::new(&info.shape, unsafe { copied::<f32>(data, size) }),
            DType::Int64 => Tensor::new(&info.shape, unsafe { copied::<i64>(data, size) }),
        }
    }

    fn after_run(&self) -> Result<()> {
        if !self.ran {
            return Err(Error::new(Code::Argument, "the session has not run at its shapes"));
        }
        Ok(())
    }

    fn check(&self, status: i32) -> Result<i32> {
        if status < 0 {
            let said = unsafe { crate::error::text(ffi::amg_errmsg(self.raw.as_ptr())) };
            return Err(Error::new(Code::of(status), said.unwrap_or_default()));
        }
        Ok(status)
    }

    /// Notes where the tensors lie and what shapes they have.
    fn locate(&mut self, inputs: usize, outputs: usize) -> Result<()> {
        let s = self.raw.as_ptr();
        let place = |kind: i32, i: usize| {
            let mut t = ffi::amg_tensor::default();
            unsafe { ffi::amg_session_tensor(s, kind, index(i), &mut t) };
            let data = unsafe { ffi::amg_data(s, kind, index(i), ptr::null_mut()) };
            let data = NonNull::new(data.cast()).ok_or_else(|| Error::new(Code::Argument, "a tensor has no memory"))?;
            Ok(Place { info: Info::of(&t), data })
        };
        self.inputs = (0..inputs).map(|i| place(ffi::AMG_INPUT, i)).collect::<Result<_>>()?;
        self.ran = false;
        self.outputs = (0..outputs).map(|i| place(ffi::AMG_OUTPUT, i)).collect::<Result<_>>()?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        unsafe { ffi::amg_session_free(self.raw.as_ptr()) }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let infos = |places: &[Place]| places.iter().map(|p| p.info.to_string()).collect::<Vec<_>>();
        f.debug_struct("Session")
            .field("inputs", &infos(&self.inputs))
            .field("outputs", &infos(&self.outputs))
            .finish_non_exhaustive()
    }
}

/// An index as C takes it; one that is too large for it is out of range there too.
fn index(i: usize) -> i32 {
    i32::try_from(i).unwrap_or(i32::MAX)
}

fn find(places: &[Place], i: usize) -> Result<&Place> {
    let message = || format!("there is no tensor {i}: there are {}", places.len());
    places.get(i).ok_or_else(|| Error::new(Code::Argument, message()))
}

/// # Safety
/// There are `size` elements at `data`.
unsafe fn copied<T: Element>(data: *const u8, size: usize) -> Vec<T> {
    slice::from_raw_parts(data.cast::<T>(), size).to_vec()
}
