"""Runs a compiled pair from Python: copy this file beside your library. It needs nothing; NumPy and Pillow where they are.

    from amalgamated import Model
    with Model("squeezenet.so") as model:
        (y,) = model.run(None, {"data": x})          # x, y: NumPy arrays, or anything that holds floats in a row
        model.classify("cat.jpg", top_k=5)           # [Prediction(label, score, class_index)]

Without NumPy results are memoryviews, whose tolist() gives nested lists. A model may be shared between threads: each has
a session of its own, and other threads run Python while a network runs.
"""

from __future__ import annotations

import ctypes
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

try:
    import numpy
except ImportError:  # works without
    numpy = None  # type: ignore[assignment]

INPUT, OUTPUT, MAX_NDIM = 0, 1, 8
_TYPES = {1: ("float32", "f"), 2: ("int64", "q")}  # AMG_F32, AMG_I64: name, format of a memoryview
_FORMATS = {1: 1, 3: 2, 4: 4}  # channels -> AMG_GRAY8, AMG_RGB8, AMG_RGBA8
_ISAS = {"auto": 0, "scalar": 1, "sse2": 2, "avx2": 3, "avx512": 4, "neon": 5, "wasm": 6}


class Error(RuntimeError):
    """The library could not be loaded, or the runtime refused; wrong inputs are ValueError, a closed model too."""


class Prediction(NamedTuple):
    """A class, its score, and which class it is. Without labels the label is the class."""

    label: str
    score: float
    class_index: int


class TensorInfo(NamedTuple):
    """An input or output of a model at its default shape; dtype is "float32" or "int64"."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class _Options(ctypes.Structure):  # amg_options
    _fields_ = [
        ("struct_size", c_size_t), ("data", c_void_p), ("size", c_size_t), ("alloc", c_void_p), ("release", c_void_p),
        ("user", c_void_p), ("errbuf", c_char_p), ("errbuf_size", c_size_t), ("flags", c_uint32),
    ]  # fmt: skip


class _SessionOptions(ctypes.Structure):  # amg_session_options
    _fields_ = [
        ("struct_size", c_size_t), ("threads", c_int32), ("isa", c_int32), ("arena", c_void_p), ("arena_size", c_size_t),
        ("progress", c_void_p), ("user", c_void_p), ("flags", c_uint32),
    ]  # fmt: skip


class _Tensor(ctypes.Structure):  # amg_tensor
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("ndim", c_int32), ("dims", c_int64 * MAX_NDIM)]

    def info(self) -> TensorInfo:
        return TensorInfo(_text(self.name) or "", tuple(self.dims[: self.ndim]), _TYPES[self.dtype][0])


# Function -> its result and its arguments, as amg.h declares them.
_API: dict[str, tuple[Any, list[Any]]] = {
    "strerror": (c_char_p, [c_int32]),
    "open": (c_int32, [POINTER(_Options), POINTER(c_void_p)]),
    "open_file": (c_int32, [c_char_p, POINTER(_Options), POINTER(c_void_p)]),
    "close": (None, [c_void_p]),
    "tensor_count": (c_int32, [c_void_p, c_int32]),
    "tensor_info": (c_int32, [c_void_p, c_int32, c_int32, POINTER(_Tensor)]),
    "meta": (c_char_p, [c_void_p, c_char_p]),
    "label": (c_char_p, [c_void_p, c_int32]),
    "session_new": (c_int32, [c_void_p, POINTER(_SessionOptions), POINTER(c_void_p)]),
    "session_free": (None, [c_void_p]),
    "set_shape": (c_int32, [c_void_p, c_int32, POINTER(c_int64), c_int32]),
    "session_tensor": (c_int32, [c_void_p, c_int32, c_int32, POINTER(_Tensor)]),
    "data": (c_void_p, [c_void_p, c_int32, c_int32, POINTER(c_size_t)]),
    "set_image": (c_int32, [c_void_p, c_int32, c_char_p, c_int32, c_int32, c_int32, c_int32]),
    "run": (c_int32, [c_void_p]),
    "topk": (c_int32, [c_void_p, c_int32, c_int32, POINTER(c_int32), POINTER(c_float)]),
    "errmsg": (c_char_p, [c_void_p]),
}  # fmt: skip


class _Session:
    """One thread's session, and the lock under which it runs, reads and is freed."""

    def __init__(self, pointer: c_void_p) -> None:
        self.pointer, self.lock = pointer, threading.Lock()


class Model:
    """A network in a shared library, ready to run.

    `data` names a .amg file, or is its bytes, for a library that embeds no model; without it NAME.amg beside the library is
    taken. `isa` is "auto", or "scalar", "avx2", "avx512" or "neon"; `threads` is how many a run may use.
    """

    def __init__(
        self, library: str | Path, data: str | Path | bytes | None = None, *, isa: str = "auto", threads: int = 1
    ) -> None:
        self._call = _load(Path(library))
        self._options = (isa, threads)
        self._data = data
        self._model: c_void_p | None = self._open(Path(library).with_suffix(".amg"))
        self._local, self._sessions, self._lock = threading.local(), list[_Session](), threading.Lock()
        self.inputs, self.outputs = (
            [self._info(kind, i) for i in range(self._count(kind))] for kind in (INPUT, OUTPUT)
        )

    def meta(self, key: str) -> str | None:
        """A text that the model carries ("name", "producer", ...)."""
        return _text(self._call("meta", self._opened(), key.encode()))

    def label(self, index: int) -> str | None:
        """The label of a class, or None."""
        return _text(self._call("label", self._opened(), index))

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs named, or all, for buffers by input name. A flat buffer has the shape that the input has now."""
        names = [t.name for t in self.outputs]
        for name in (*feeds, *(outputs or ())):
            if name not in names and name not in (t.name for t in self.inputs):
                raise ValueError(
                    f"there is no tensor '{name}'; there are {', '.join([t.name for t in self.inputs] + names)}"
                )
        session = self._session()
        with session.lock:
            filled = [self._shaped(session, i, feeds) for i in range(len(self.inputs))]
            for i, data in enumerate(filled):
                self._view(session, INPUT, i)[0].cast("B")[:] = data
            self._status("run", session)
            return [self._result(session, names.index(n)) for n in outputs or names]

    def classify(self, image: Any, top_k: int = 5) -> list[Prediction]:
        """The best classes of a picture: a file or Pillow image, or bytes of [height, width(, 3 or 4)] in RGB order."""
        data, (height, width, channels) = _pixels(image)
        session = self._session()
        with session.lock:
            self._status("set_image", session, 0, data, width, height, width * channels, _FORMATS[channels])
            self._status("run", session)
            classes, scores = (c_int32 * max(1, top_k))(), (c_float * max(1, top_k))()
            found = self._status("topk", session, 0, top_k, classes, scores)
        return [Prediction(self.label(c) or str(c), s, c) for c, s in zip(classes[:found], scores[:found])]  # noqa: B905

    def close(self) -> None:
        """Frees the model and its sessions, once the runs under way have ended."""
        for session in self._sessions:
            with session.lock:
                self._call("session_free", session.pointer)
                session.pointer = c_void_p()
        self._sessions.clear()
        if self._model is not None:
            self._call("close", self._model)
            self._model = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_sessions", None) is not None:
            self.close()

    def _open(self, beside: Path) -> c_void_p:
        said, out = ctypes.create_string_buffer(512), c_void_p()
        options = _Options(ctypes.sizeof(_Options), errbuf=ctypes.cast(said, c_char_p), errbuf_size=512)
        if isinstance(self._data, bytes):
            options.data, options.size = ctypes.cast(self._data, c_void_p), len(self._data)
        path = self._data if isinstance(self._data, str | Path) else None
        status = self._call("open", byref(options), byref(out)) if path is None else -1
        if status and self._data is None and beside.is_file():
            path = beside
        if path is not None:
            status = self._call("open_file", str(path).encode(), byref(options), byref(out))
        if status:
            raise Error(f"{_text(self._call('strerror', status))}: {_text(said.value)}")
        return out

    def _opened(self) -> c_void_p:
        if self._model is None:
            raise ValueError("the model is closed")
        return self._model

    def _count(self, kind: int) -> int:
        return int(self._call("tensor_count", self._model, kind))

    def _info(self, kind: int, i: int) -> TensorInfo:
        tensor = _Tensor()
        self._call("tensor_info", self._model, kind, i, byref(tensor))
        return tensor.info()

    def _session(self) -> _Session:
        session = getattr(self._local, "session", None)
        if session is None:
            isa, threads = self._options
            options, out = _SessionOptions(ctypes.sizeof(_SessionOptions), threads, _ISAS[isa]), c_void_p()
            status = self._call("session_new", self._opened(), byref(options), byref(out))
            if status:
                raise Error(_text(self._call("strerror", status)))
            session = self._local.session = _Session(out)
            with self._lock:
                self._sessions.append(session)
        return session

    def _status(self, name: str, session: _Session, *arguments: Any) -> int:
        if not session.pointer:
            raise ValueError("the model is closed")
        status = int(self._call(name, session.pointer, *arguments))
        if status < 0:
            raise Error(_text(self._call("errmsg", session.pointer)))
        return status

    def _view(self, session: _Session, kind: int, i: int) -> tuple[memoryview, tuple[int, ...], str]:
        """The memory of a tensor, its shape, and the format of its elements."""
        tensor, size = _Tensor(), c_size_t()
        self._status("session_tensor", session, kind, i, byref(tensor))
        data = self._call("data", session.pointer, kind, i, byref(size))
        memory = memoryview((ctypes.c_char * size.value).from_address(data))
        return memory, tuple(tensor.dims[: tensor.ndim]), _TYPES[tensor.dtype][1]

    def _shaped(self, session: _Session, i: int, feeds: Mapping[str, Any]) -> memoryview:
        """The bytes of input i, which is given the shape of its buffer where that has one."""
        info = self.inputs[i]
        if info.name not in feeds:
            raise ValueError(f"input '{info.name}' is missing")
        view = memoryview(feeds[info.name])
        _, now, kind = self._view(session, INPUT, i)
        format = view.format.lstrip("<=@") if sys.byteorder == "little" else view.format
        if format not in ("B", "c", kind) and not (kind == "q" and format == "l" and view.itemsize == 8):
            raise ValueError(f"input '{info.name}' expects {info.dtype}, got elements of format '{view.format}'")
        shape = tuple(view.shape or ()) if view.ndim > 1 and format not in ("B", "c") else now
        if shape != now:
            dims = (c_int64 * len(shape))(*shape)
            self._status("set_shape", session, i, dims, len(shape))
        flat = (view if view.c_contiguous else memoryview(view.tobytes())).cast("B")
        wanted = prod(shape) * (8 if kind == "q" else 4)
        if flat.nbytes != wanted:
            raise ValueError(f"input '{info.name}' expects {list(shape)}, {wanted} bytes, got {flat.nbytes}")
        return flat

    def _result(self, session: _Session, i: int) -> Any:
        memory, shape, kind = self._view(session, OUTPUT, i)
        if numpy is not None:
            return numpy.frombuffer(memory, dtype={"f": "float32", "q": "int64"}[kind]).reshape(shape).copy()
        copied = memoryview(bytearray(memory))
        return copied.cast(kind, shape) if shape else copied.cast(kind)


def _load(path: Path) -> Any:
    """A function that calls those of the library by their names without prefix, which is found in its table of names."""
    try:
        found = re.search(rb"\0_?([A-Za-z]\w*)_session_new\0", path.read_bytes())
        library = ctypes.CDLL(str(path.resolve())) if found else None
    except OSError as error:
        raise Error(f"cannot load {path}: {error}") from error
    if found is None:
        raise Error(f"{path} is no library of a pair")
    functions = {}
    for name, (result, arguments) in _API.items():
        functions[name] = function = getattr(library, f"{found[1].decode()}_{name}")
        function.restype, function.argtypes = result, arguments
    return lambda name, *arguments: functions[name](*arguments)


def _pixels(image: Any) -> tuple[bytes, tuple[int, int, int]]:
    """Bytes in rows, and (height, width, channels)."""
    if isinstance(image, str | Path):
        from PIL import Image

        with Image.open(image) as opened:
            return _pixels(opened)
    if hasattr(image, "convert"):  # a Pillow image
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image) or image  # upright
        image = image if image.mode in ("L", "RGB") else image.convert("L" if image.mode in ("1", "LA") else "RGB")
        return image.tobytes(), (image.height, image.width, len(image.mode))
    view = memoryview(image)
    shape = (*(view.shape or ()), 1)[:3]
    if view.format != "B" or len(shape) != 3 or shape[2] not in _FORMATS:
        raise ValueError("pixels are unsigned bytes, [height, width] or [height, width, 3 or 4]")
    return view.tobytes(), shape


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")
