"""Runs a compiled pair from Python: copy this file beside your library. It needs nothing; NumPy and Pillow where they are.

    from amalgamated import Model
    with Model("squeezenet.so") as model:
        (y,) = model.run(None, {"data": x})          # x: an array, or anything with a buffer or DLPack; y: NumPy
        model.classify("cat.jpg", top_k=5)           # [Prediction(label, score, class_index)]

Without NumPy results are memoryviews, whose tolist() gives nested lists. A model may be shared between threads and
survives a fork: each thread has a session of its own, and other threads run Python while a network runs.
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from math import prod
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakSet

try:
    import numpy
except ImportError:  # works without
    numpy = None  # type: ignore[assignment]

INPUT, OUTPUT, MAX_NDIM, OPEN_VERIFY = 0, 1, 8, 2
E_ARGUMENT, E_UNSUPPORTED, E_SHAPE, E_FILE = -1, -6, -7, -8  # as amg.h numbers them
_TYPES = {1: ("float32", "f"), 2: ("int64", "q")}  # AMG_F32, AMG_I64: name, format of a memoryview
_FORMATS = {1: 1, 3: 2, 4: 4}  # channels -> AMG_GRAY8, AMG_RGB8, AMG_RGBA8
Progress = Callable[[int, int], object]
_ISAS = {"auto": 0, "scalar": 1, "sse2": 2, "avx2": 3, "avx512": 4, "neon": 5, "wasm": 6}


class Error(RuntimeError):
    """The library could not be loaded, or the runtime refused; `code` is the status that the C header names."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class InputError(Error, ValueError):
    """What was given does not fit the model: a name, shape, type, picture or option; or the model is closed."""


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


_Progress = ctypes.CFUNCTYPE(c_int32, c_void_p, c_int32, c_int32)


class _SessionOptions(ctypes.Structure):  # amg_session_options
    _fields_ = [
        ("struct_size", c_size_t), ("threads", c_int32), ("isa", c_int32), ("arena", c_void_p), ("arena_size", c_size_t),
        ("progress", _Progress), ("user", c_void_p), ("flags", c_uint32),
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


class _Handle:
    """The C model, which is closed when its Python model is and no session is left."""

    def __init__(self, call: Any, pointer: c_void_p) -> None:
        self.call, self.pointer, self.users, self.lock = call, pointer, 1, threading.RLock()

    def add(self) -> None:
        with self.lock:
            self.users += 1

    def drop(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.call("close", self.pointer)


class _Place:
    """Where a tensor of a session lies now: its memory, also as an array where there is NumPy, and its shape."""

    def __init__(self, call: Any, session: c_void_p, kind: int, i: int) -> None:
        tensor, size = _Tensor(), c_size_t()
        call("session_tensor", session, kind, i, byref(tensor))
        data = call("data", session, kind, i, byref(size))
        self.memory = memoryview((ctypes.c_char * size.value).from_address(data)).cast("B")
        self.shape = tuple(tensor.dims[: tensor.ndim])
        self.dtype, self.format = _TYPES[tensor.dtype]
        self.array = numpy.frombuffer(self.memory, self.dtype).reshape(self.shape) if numpy is not None else None

    def copy(self) -> Any:
        if self.array is not None:
            return self.array.copy()
        copied = memoryview(bytearray(self.memory))
        return copied.cast(self.format, self.shape) if self.shape else copied.cast(self.format)


class _Steps:
    """Calls `progress` for C, through which no exception can go: the run ends, and raises it then.

    Ctrl-C may interrupt `ask` before its first line, where Python prints that and returns anything. Hence `next`.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress, self.callback = progress, _Progress(self.ask)
        self.next = 0  # the layer that C asks about next
        self.error: BaseException | None = None

    def ask(self, _: Any, layer: int, layers: int) -> bool:
        try:
            if layer != self.next:
                raise KeyboardInterrupt
            self.next = (layer + 1) % layers
            stops = bool(self.progress(layer, layers))
        except BaseException as error:
            self.error, stops = error, True
        self.next *= not stops
        return stops

    def end(self) -> None:
        error, self.error = self.error or (KeyboardInterrupt() if self.next else None), None
        self.next = 0
        if error is not None:
            raise error


class _Session:
    """One thread's session, and the lock under which it runs, reads and is freed. It ends with its thread."""

    def __init__(
        self, handle: _Handle, counts: tuple[int, int], options: tuple[str, int], progress: Progress | None
    ) -> None:
        self.handle, self.call, self.counts = handle, handle.call, counts
        self.lock, self.pointer, self.closed = threading.Lock(), c_void_p(), True
        self.steps = _Steps(progress) if progress else None
        asked = self.steps.callback if self.steps else _Progress()
        given = _SessionOptions(ctypes.sizeof(_SessionOptions), options[1], _ISAS[options[0]], progress=asked)
        status = self.call("session_new", handle.pointer, byref(given), byref(self.pointer))
        if status:
            raise Error(_text(self.call("strerror", status)) or "", status)
        handle.add()
        self.closed = False
        self.locate()

    def locate(self) -> None:
        sides = [
            [_Place(self.call, self.pointer, kind, i) for i in range(self.counts[kind])] for kind in (INPUT, OUTPUT)
        ]
        self.inputs, self.outputs = sides

    def check(self, name: str, *arguments: Any) -> int:
        if self.closed:
            raise InputError("the model is closed", E_ARGUMENT)
        status = int(self.call(name, self.pointer, *arguments))
        if self.steps:
            self.steps.end()
        if status < 0:
            kind = InputError if status in (E_ARGUMENT, E_SHAPE) else Error
            raise kind(_text(self.call("errmsg", self.pointer)) or "", status)
        return status

    def free(self) -> None:
        if not self.closed:
            self.closed = True
            self.call("session_free", self.pointer)
            self.handle.drop()

    def __del__(self) -> None:
        if hasattr(self, "closed"):
            self.free()


class Model:
    """A network in a shared library, ready to run.

    `data` names a .amg file, or is its bytes, for a library that embeds no model; without it NAME.amg beside the library is
    taken. `isa` is "auto", or "sse2", "avx2" or "avx512" on x86-64, "neon" on 64-bit Arm, and "scalar" where there are no
    vectors; `threads` is how many a run may use. `progress(layer, layers)` is called before each layer: where it returns
    something true the run ends, with code -9; what it raises, the run raises. A pickled model is without it.
    """

    def __init__(
        self,
        library: str | os.PathLike[str],
        data: str | os.PathLike[str] | bytes | None = None,
        *,
        isa: str = "auto",
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self._progress = progress
        self._library, self._data, self._options = Path(library), data, (isa, threads)
        if isa not in _ISAS:
            raise InputError(f"isa '{isa}' is none of {', '.join(_ISAS)}", E_ARGUMENT)
        self._call = _load(self._library)
        self._handle: _Handle | None = _Handle(self._call, self._open())
        self._local, self._lock, self._sessions = threading.local(), threading.Lock(), WeakSet[_Session]()
        self.inputs, self.outputs = (
            [self._info(kind, i) for i in range(self._count(kind))] for kind in (INPUT, OUTPUT)
        )
        _models.add(self)

    def meta(self, key: str) -> str | None:
        """A text that the model carries ("name", "producer", ...)."""
        return _text(self._call("meta", self._opened().pointer, key.encode()))

    def label(self, index: int) -> str | None:
        """The label of a class, or None."""
        return _text(self._call("label", self._opened().pointer, index))

    def digest(self) -> str:
        """The SHA-256 of the library, and of the .amg bytes where they are not in it."""
        total = hashlib.sha256(self._library.read_bytes())
        if self._data is not None:
            total.update(self._data if isinstance(self._data, bytes) else Path(self._data).read_bytes())
        return total.hexdigest()

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs named, or all, for buffers by input name. A flat buffer has the shape of the input."""
        for name in feeds:
            _index(self.inputs, "input", name)
        wanted = range(len(self.outputs)) if not outputs else [_index(self.outputs, "output", n) for n in outputs]
        session = self._session()
        with session.lock:
            if session.closed:
                raise InputError("the model is closed", E_ARGUMENT)
            filled = [self._shaped(session, i, feeds) for i in range(len(self.inputs))]
            for place, data in zip(session.inputs, filled):  # noqa: B905
                if isinstance(data, memoryview):
                    place.memory[:] = data
                else:
                    place.array[...] = data
            session.check("run")
            return [session.outputs[i].copy() for i in wanted]

    def classify(self, image: Any, top_k: int = 5) -> list[Prediction]:
        """The best classes of a picture: a file, its bytes, a Pillow image, or pixels [height, width(, 3 or 4)] in RGB order."""
        data, (height, width, channels) = _pixels(image)
        session = self._session(reshaped=False)
        with session.lock:
            session.check("set_image", 0, data, width, height, width * channels, _FORMATS[channels])
            session.check("run")
            count = max(0, min(top_k, prod(session.outputs[0].shape)))
            classes, scores = (c_int32 * (count + 1))(), (c_float * (count + 1))()
            found = session.check("topk", 0, count, classes, scores)
            names = [_text(self._call("label", session.handle.pointer, c)) for c in classes[:found]]
        return [Prediction(str(c) if n is None else n, s, c) for n, c, s in zip(names, classes, scores)]  # noqa: B905

    def close(self) -> None:
        """Frees the model and its sessions, once the runs under way have ended. Closing twice is fine."""
        with self._lock:
            handle, self._handle = self._handle, None
            sessions = list(self._sessions)
        for session in sessions:
            with session.lock:
                session.free()
        if handle is not None:
            handle.drop()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_sessions"):
            self.close()

    def __repr__(self) -> str:
        sides = (", ".join(f"{t.name}: {t.dtype}{list(t.shape)}" for t in side) for side in (self.inputs, self.outputs))
        return f"<Model {self._library.name}: {' -> '.join(sides)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        data = self._data if self._data is None or isinstance(self._data, bytes) else str(Path(self._data).resolve())
        return _restore, (str(self._library.resolve()), data, self.digest(), *self._options)

    def _open(self) -> c_void_p:
        said, out = ctypes.create_string_buffer(512), c_void_p()
        options = _Options(ctypes.sizeof(_Options), errbuf=ctypes.cast(said, c_char_p), errbuf_size=512)
        data, beside = self._data, self._library.with_suffix(".amg")
        if isinstance(data, bytes):
            options.data, options.size, options.flags = ctypes.cast(c_char_p(data), c_void_p), len(data), OPEN_VERIFY
        status = self._call("open", byref(options), byref(out)) if data is None or isinstance(data, bytes) else -1
        if status and data is None and beside.is_file():
            data = self._data = beside
        if data is not None and not isinstance(data, bytes):
            options.flags = OPEN_VERIFY
            status = self._call("open_file", os.fsencode(data), byref(options), byref(out))
        if status:
            missing = f"; there is no {beside.resolve()}" if data is None else ""
            raise Error(f"{_text(self._call('strerror', status))}: {_text(said.value)}{missing}", status)
        return out

    def _opened(self) -> _Handle:
        if self._handle is None:
            raise InputError("the model is closed", E_ARGUMENT)
        return self._handle

    def _count(self, kind: int) -> int:
        return int(self._call("tensor_count", self._opened().pointer, kind))

    def _info(self, kind: int, i: int) -> TensorInfo:
        tensor = _Tensor()
        self._call("tensor_info", self._opened().pointer, kind, i, byref(tensor))
        return tensor.info()

    def _session(self, reshaped: bool = True) -> _Session:
        """This thread's session, or a new one; `reshaped`: it may be at other shapes than the model's."""
        session: _Session | None = getattr(self._local, "session", None)
        if session is None or not (reshaped or [p.shape for p in session.inputs] == [t.shape for t in self.inputs]):
            with self._lock:
                session = _Session(self._opened(), (len(self.inputs), len(self.outputs)), self._options, self._progress)
                self._local.session = session
                self._sessions.add(session)
        return session

    def _shaped(self, session: _Session, i: int, feeds: Mapping[str, Any]) -> Any:
        """What input i is given, an array or bytes; it takes the shape of that where it has one."""
        info, place = self.inputs[i], session.inputs[i]
        if info.name not in feeds:
            raise InputError(f"input '{info.name}' is missing: {info.dtype}{list(info.shape)}", E_ARGUMENT)
        given = feeds[info.name]
        plain = place.array is not None and type(given) is numpy.ndarray
        if plain and given.shape == place.shape and given.dtype == place.array.dtype:
            return given
        view = _buffer(given, info.dtype)
        format = view.format.lstrip("<=@") if sys.byteorder == "little" else view.format
        kind = place.format
        if format not in ("B", "c", kind) and not (kind == "q" and format == "l" and view.itemsize == 8):
            raise InputError(
                f"input '{info.name}' expects {info.dtype}, got elements of format '{view.format}'", E_ARGUMENT
            )
        shape = tuple(view.shape or ()) if view.ndim > 1 and format not in ("B", "c") else info.shape
        if shape != place.shape:
            session.check("set_shape", i, (c_int64 * len(shape))(*shape), len(shape))
            session.locate()
        flat = (view if view.c_contiguous else memoryview(view.tobytes())).cast("B")
        wanted = session.inputs[i].memory.nbytes
        if flat.nbytes != wanted:
            raise InputError(f"input '{info.name}' expects {list(shape)}, {wanted} bytes, got {flat.nbytes}", E_SHAPE)
        return flat


def _load(path: Path) -> Any:
    """A function that calls those of the library by their names without prefix, which is found in its table of names."""
    if not path.is_file():
        raise Error(f"there is no library at {path.resolve()}", E_FILE)
    try:
        found = re.search(rb"\0_?([A-Za-z]\w*)_session_new\0", path.read_bytes())
        library = ctypes.CDLL(str(path.resolve())) if found else None
    except OSError as error:
        raise Error(f"cannot load {path.resolve()}: {error}", E_FILE) from error
    if found is None:
        raise Error(f"{path.resolve()} is no library of a pair", E_FILE)
    functions = {}
    for name, (result, arguments) in _API.items():
        functions[name] = function = getattr(library, f"{found[1].decode()}_{name}")
        function.restype, function.argtypes = result, arguments
    return lambda name, *arguments: functions[name](*arguments)


def _buffer(value: Any, dtype: str) -> memoryview:
    """The memory of an array: its buffer, or what NumPy makes of DLPack, __array__ or a list."""
    try:
        return memoryview(value)
    except (TypeError, BufferError) as error:
        if numpy is None:
            raise InputError(
                f"{type(value).__name__} has no buffer, and there is no NumPy to ask", E_ARGUMENT
            ) from error
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array_interface__"):
            array: Any = numpy.from_dlpack(value)
        else:
            array = numpy.asarray(value, None if hasattr(value, "__array__") else dtype)
        return memoryview(array)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise InputError(f"{type(value).__name__} gives no array: {error}", E_ARGUMENT) from error


def _pixels(image: Any) -> tuple[bytes, tuple[int, int, int]]:
    """Bytes in rows, and (height, width, channels)."""
    if isinstance(image, str | os.PathLike | bytes | bytearray):
        try:
            from PIL import Image

            with Image.open(io.BytesIO(image) if isinstance(image, bytes | bytearray) else image) as opened:
                return _pixels(opened)
        except ImportError as error:
            raise Error("files of pictures need Pillow: pip install pillow", E_UNSUPPORTED) from error
        except FileNotFoundError as error:
            raise InputError(f"there is no picture at {error.filename}", E_FILE) from error
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"this is no picture: {error}", E_FILE) from error
    if hasattr(image, "convert"):  # a Pillow image
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image) or image  # upright
        image = image if image.mode in ("L", "RGB") else image.convert("L" if image.mode in ("1", "LA") else "RGB")
        return image.tobytes(), (image.height, image.width, len(image.mode))
    view = _buffer(image, "uint8")
    shape = (*(view.shape or ()), 1)[:3]
    if view.format != "B" or len(shape) != 3 or shape[2] not in _FORMATS or 0 in shape:
        raise InputError("pixels are unsigned bytes, [height, width] or [height, width, 3 or 4]", E_ARGUMENT)
    return view.tobytes(), shape


def _index(known: list[TensorInfo], kind: str, name: str) -> int:
    for i, tensor in enumerate(known):
        if tensor.name == name:
            return i
    raise InputError(f"there is no {kind} '{name}'; there are {', '.join(t.name for t in known)}", E_ARGUMENT)


def _restore(library: str, data: str | bytes | None, digest: str, isa: str, threads: int) -> Model:
    """The model that was pickled, unless its files have changed since."""
    model = Model(library, data, isa=isa, threads=threads)
    if model.digest() != digest:
        raise Error(f"{library} is not the library that was pickled", E_FILE)
    return model


_models: WeakSet[Model] = WeakSet()


def _after_fork() -> None:
    """In a new process: locks that other threads held will not be released, and what they ran under them is given up."""
    for model in list(_models):
        busy = [session for session in model._sessions if session.lock.locked()]
        for session in busy:
            session.closed = True
            model._sessions.discard(session)
        model._lock = threading.Lock()
        if model._handle is not None:
            model._handle.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")
