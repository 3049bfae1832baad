use crate::options::{c_text, Handle};
use crate::{ffi, Code, Error, Format, Info, Options, Prediction, Result, Session, Tensor, Values};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

/// A network. It may be used from many threads at once: each run takes an idle session, or makes one.
pub struct Model {
    idle: Mutex<Vec<Session>>,
    most: usize, // sessions that are kept idle
    options: Options,
    inputs: Vec<Info>,
    outputs: Vec<Info>,
    handle: Arc<Handle>,
}

impl Model {
    /// Opens the model of this crate.
    pub fn open() -> Result<Model> {
        Options::default().open()
    }

    /// Opens the bytes of a .amg file whose operators are those of this crate's model. They are copied.
    pub fn open_bytes(bytes: &[u8]) -> Result<Model> {
        Options::default().open_bytes(bytes)
    }

    /// Opens a .amg file whose operators are those of this crate's model.
    pub fn open_file(path: impl AsRef<Path>) -> Result<Model> {
        Options::default().open_file(path)
    }

    pub(crate) fn new(handle: Handle, options: Options) -> Model {
        Model {
            idle: Mutex::default(),
            most: available_parallelism().map_or(1, usize::from),
            options,
            inputs: describe(&handle, ffi::AMG_INPUT),
            outputs: describe(&handle, ffi::AMG_OUTPUT),
            handle: Arc::new(handle),
        }
    }

    /// The inputs, at the shapes that the model was built with.
    pub fn inputs(&self) -> &[Info] {
        &self.inputs
    }

    /// The outputs, at the shapes that the model was built with.
    pub fn outputs(&self) -> &[Info] {
        &self.outputs
    }

    /// The label of a class.
    pub fn label(&self, class: usize) -> Option<String> {
        self.handle.label(i32::try_from(class).ok()?)
    }

    /// A text that the model carries: "name", "producer", ...
    pub fn meta(&self, key: &str) -> Option<String> {
        let key = c_text(key.as_bytes()).ok()?;
        unsafe { crate::error::text(ffi::amg_meta(self.handle.raw.as_ptr(), key.as_ptr())) }
    }

    /// A session of your own, which keeps the model open.
    pub fn session(&self) -> Result<Session> {
        Session::new(Arc::clone(&self.handle), &self.options, self.inputs.len(), self.outputs.len())
    }

    /// Gives every output of `f32` for the inputs, all at the shapes that the model was built with.
    pub fn run<T: AsRef<[f32]>>(&self, inputs: &[(&str, T)]) -> Result<HashMap<String, Vec<f32>>> {
        let given = self.given(inputs)?;
        self.with(|s| {
            for (i, values) in given.iter().enumerate() {
                s.fill(i, values.as_ref())?;
            }
            s.run()?;
            let floats = |(i, info): (usize, &Info)| Some((info.name.clone(), s.output::<f32>(i).ok()?.to_vec()));
            Ok(self.outputs.iter().enumerate().filter_map(floats).collect())
        })
    }

    /// Gives every output for inputs of any type and of any shape that the network takes, a batch for instance.
    pub fn run_tensors<T: Borrow<Tensor>>(&self, inputs: &[(&str, T)]) -> Result<HashMap<String, Tensor>> {
        let given = self.given(inputs)?;
        self.with(|s| {
            for (i, tensor) in given.iter().enumerate() {
                let shape = &(*tensor).borrow().shape;
                if *shape != self.inputs[i].shape {
                    s.set_shape(i, shape)?;
                }
            }
            for (i, tensor) in given.iter().enumerate() {
                match &(*tensor).borrow().values {
                    Values::Float32(values) => s.fill(i, values)?,
                    Values::Int64(values) => s.fill(i, values)?,
                }
            }
            s.run()?;
            let tensor = |(i, info): (usize, &Info)| (info.name.clone(), s.tensor(i));
            Ok(self.outputs.iter().enumerate().map(tensor).collect())
        })
    }

    /// The k best classes of a picture of any size, best first: rows of pixels, from the top, without gaps.
    pub fn classify(
        &self,
        pixels: &[u8],
        width: usize,
        height: usize,
        format: Format,
        k: usize,
    ) -> Result<Vec<Prediction>> {
        self.with(|s| {
            s.set_image(0, pixels, width, height, format)?;
            s.run()?;
            s.top(0, k)
        })
    }

    /// What is given for each input, in their order.
    fn given<'a, T>(&self, pairs: &'a [(&str, T)]) -> Result<Vec<&'a T>> {
        for (name, _) in pairs {
            if !self.inputs.iter().any(|info| info.name == *name) {
                let known: Vec<&str> = self.inputs.iter().map(|info| &*info.name).collect();
                let message = format!("there is no input '{name}'; there are {known:?}");
                return Err(Error::new(Code::Argument, message));
            }
        }
        let find = |info: &Info| {
            let found = pairs.iter().rev().find(|(name, _)| info.name == *name);
            found.map(|(_, value)| value).ok_or_else(|| Error::new(Code::Argument, format!("input {info} is missing")))
        };
        self.inputs.iter().map(find).collect()
    }

    /// Does something with a session at the model's shapes, and keeps it where it may serve the next run.
    fn with<R>(&self, work: impl FnOnce(&mut Session) -> Result<R>) -> Result<R> {
        let taken = self.idle().pop();
        let mut session = match taken {
            Some(session) => session,
            None => self.session()?,
        };
        let result = work(&mut session);
        if !session.reshaped() {
            let mut idle = self.idle();
            if idle.len() < self.most {
                idle.push(session);
            }
        }
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("inputs", &self.inputs).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn label(&self, class: i32) -> Option<String> {
        unsafe { crate::error::text(ffi::amg_label(self.raw.as_ptr(), class)) }
    }
}

fn describe(handle: &Handle, kind: i32) -> Vec<Info> {
    let model = handle.raw.as_ptr();
    let info = |i| {
        let mut t = ffi::amg_tensor::default();
        unsafe { ffi::amg_tensor_info(model, kind, i, &mut t) };
        Info::of(&t)
    };
    (0..unsafe { ffi::amg_tensor_count(model, kind) }).map(info).collect()
}
