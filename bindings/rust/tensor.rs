use crate::{ffi, Code, Error, Result};
use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// `f32`
    Float32,
    /// `i64`
    Int64,
}

/// A type that tensors hold: `f32` or `i64`.
pub trait Element: Copy + sealed::Sealed + 'static {
    /// What it is called.
    const DTYPE: DType;
}

impl Element for f32 {
    const DTYPE: DType = DType::Float32;
}

impl Element for i64 {
    const DTYPE: DType = DType::Int64;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i64 {}
}

/// What an input or output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// What it is called.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// Its axes, the last one varying fastest.
    pub shape: Vec<usize>,
}

impl Info {
    /// How many elements it has.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn of(t: &ffi::amg_tensor) -> Info {
        let axes = usize::try_from(t.ndim).unwrap_or(0).min(t.dims.len());
        Info {
            name: unsafe { crate::error::text(t.name) }.unwrap_or_default(),
            dtype: match t.dtype {
                ffi::AMG_I64 => DType::Int64,
                _ => DType::Float32,
            },
            shape: t.dims[..axes].iter().map(|&d| d as usize).collect(),
        }
    }

    /// An error unless `count` elements of a type are what the tensor holds.
    pub(crate) fn fits(&self, count: usize, dtype: DType) -> Result<()> {
        if count == self.size() && dtype == self.dtype {
            return Ok(());
        }
        let message = format!("{self} takes {} elements, got {count} of {dtype:?}", self.size());
        Err(Error::new(Code::Shape, message))
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' {:?}{:?}", self.name, self.dtype, self.shape)
    }
}

/// An array.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its axes, the last one varying fastest.
    pub shape: Vec<usize>,
    /// Its elements.
    pub values: Values,
}

/// The elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Of [`DType::Float32`].
    Float32(Vec<f32>),
    /// Of [`DType::Int64`].
    Int64(Vec<i64>),
}

impl Tensor {
    /// An array of `f32` or `i64`.
    pub fn new(shape: &[usize], values: impl Into<Values>) -> Tensor {
        Tensor { shape: shape.to_vec(), values: values.into() }
    }
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Values {
        Values::Float32(values)
    }
}

impl From<Vec<i64>> for Values {
    fn from(values: Vec<i64>) -> Values {
        Values::Int64(values)
    }
}
