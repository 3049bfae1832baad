"""Runs a compiled pair from Python.

A model may be shared between threads: each has a session of its own, made when it first runs something. The
interpreter is free for other threads while a network runs.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from weakref import finalize

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.predictor.handle import Array, Handle, Owner, Progress, Session, closed
from amalgamate.predictor.library import Library
from amalgamate.predictor.picture import FORMATS, pixels

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

INPUT, OUTPUT = 0, 1  # AMG_INPUT, AMG_OUTPUT
_SHAPE = -7  # AMG_E_SHAPE
_VERIFY = 2  # AMG_OPEN_VERIFY
_DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype(np.float32), 2: np.dtype(np.int64)}  # AMG_F32, AMG_I64
ISAS = {"auto": 0, "scalar": 1, "sse2": 2, "avx2": 3, "avx512": 4, "neon": 5, "wasm": 6}


class Prediction(NamedTuple):
    """A class, its score, and which class it is. Without labels the label is the index."""

    label: str
    score: float
    class_index: int


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model at its default shape."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


class Model:
    """A network in a shared library that `amalgamate compile` made, ready to run.

    `data` names a .amg file, or is its bytes, for a library that embeds no model; without it NAME.amg beside the library
    is taken. `isa` is "auto", or for comparison "sse2", "avx2" or "avx512" on x86-64, "neon" on 64-bit Arm, and "scalar"
    where there are no vectors; `threads` is how many a run may use. `progress(layer, layers)` is called before each layer:
    where it returns something true the run ends, with E153; what it raises, the run raises. A pickled model is without it.
    Raises E100 (no such file), E150 (not a library of a pair), E153 (the runtime refuses).
    """

    def __init__(
        self,
        library: Path | str,
        data: Path | str | bytes | None = None,
        *,
        isa: str = "auto",
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        if isa not in ISAS:
            raise AmalgamateError("E107", f"isa '{isa}'", fix=f"Choose one of {', '.join(ISAS)}")
        self._path, self._isa, self._threads, self._progress = Path(library), isa, threads, progress
        self._data = Path(data) if isinstance(data, str) else data
        self._api = Library(self._path)
        self._handle = self._open()
        finalize(self, self._handle.close)
        self._local = threading.local()
        self.inputs, self.outputs = self._describe(INPUT), self._describe(OUTPUT)
        if isa != "auto":
            self._session()  # so that an instruction set that is not here is known at once

    # -- what it is ---------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """A text that the model carries ("name", "producer", ...)."""
        return self._api.text(self._api.call("meta", self._handle.opened(), key.encode()))

    def label(self, index: int) -> str | None:
        """The label of a class, or None."""
        return self._api.text(self._api.call("label", self._handle.opened(), index))

    def digest(self) -> str:
        """The SHA-256 of the library, and of the .amg bytes where they are not in it."""
        total = hashlib.sha256(self._path.read_bytes())
        if self._data is not None:
            total.update(self._data.read_bytes() if isinstance(self._data, Path) else self._data)
        return total.hexdigest()

    # -- running ------------------------------------------------------------------------------------------------

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Array]:
        """The outputs named, or all, for arrays by input name. Other shapes than the default plan the session anew.

        Raises E151 for a wrong name, shape or dtype, E153 where the runtime refuses.
        """
        known = {tensor.name: i for i, tensor in enumerate(self.outputs)}
        wanted = [known[n] if n in known else _misnamed("output", n, known) for n in outputs or known]
        arrays = self._checked(feeds)
        session = self._session()
        with session.lock:
            for i, array in enumerate(arrays):
                if session.shapes.get(i, self.inputs[i].shape) != array.shape:
                    self._reshape(session, i, array.shape)
            for i, array in enumerate(arrays):
                place = self._view(session, INPUT, i)
                if place is not array:
                    place[...] = array
            self._run(session)
            return [self._view(session, OUTPUT, i).copy() for i in wanted]

    def classify(self, image: str | Path | Picture | Array, top_k: int = 5) -> list[Prediction]:
        """The best classes of a picture: a file, a Pillow image, or uint8 pixels [height, width(, 3 or 4)] in RGB order.

        Resizing, cropping and normalising are the model's. Raises E152 where the picture cannot be read.
        """
        rows = pixels(image)
        height, width, channels = rows.shape
        session, ffi = self._session(reshaped=False), self._api.ffi
        with session.lock:
            data = ffi.from_buffer(rows)
            place = (width, height, rows.strides[0], FORMATS[channels])
            self._check("set_image", session, 0, data, *place)
            self._run(session)
            count = max(0, min(top_k, self._view(session, OUTPUT, 0).size))
            classes, scores = ffi.new("int32_t[]", count + 1), ffi.new("float[]", count + 1)
            found = self._check("topk", session, 0, count, classes, scores)
            names = [self.label(classes[i]) for i in range(found)]
        return [Prediction(str(classes[i]) if n is None else n, scores[i], classes[i]) for i, n in enumerate(names)]

    def view(self, name: str) -> Array:
        """This thread's own memory of an input or output. An input filled in place and given to `run` is not copied.

        It changes with each run, and is gone once the model is closed or `run` is given another shape.
        """
        session = self._session()
        for kind, tensors in ((INPUT, self.inputs), (OUTPUT, self.outputs)):
            for i, tensor in enumerate(tensors):
                if tensor.name == name:
                    return self._view(session, kind, i)
        _misnamed("input or output", name, [t.name for t in (*self.inputs, *self.outputs)])

    # -- life ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Frees the model and all its sessions, once the runs under way have ended. Closing twice is fine."""
        self._handle.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        data = self._data.resolve() if isinstance(self._data, Path) else self._data
        return _restore, (self._path.resolve(), data, self.digest(), self._isa, self._threads)

    def __repr__(self) -> str:
        shown = [", ".join(map(str, tensors)) for tensors in (self.inputs, self.outputs)]
        return f"<Model {self._path.name}: {shown[0]} -> {shown[1]}>"

    # -- what is underneath ---------------------------------------------------------------------------------------

    def _open(self) -> Handle:
        api = self._api
        said, out = api.ffi.new("char[]", 512), api.new("model **")
        given = {"struct_size": api.sizeof("options"), "errbuf": said, "errbuf_size": 512}
        keep: Any = None
        if isinstance(self._data, bytes):
            keep = api.ffi.from_buffer(self._data)
            given |= {"data": keep, "size": len(self._data), "flags": _VERIFY}
        options = api.new("options *", given)
        beside = self._path.with_suffix(".amg")
        if self._data is None and api.call("open", options, out) != 0 and beside.is_file():
            self._data = beside
        if isinstance(self._data, Path):
            if not self._data.is_file():
                raise AmalgamateError("E100", f"'{self._data}' does not exist", fix="Name a .amg file")
            options.flags = _VERIFY
            status = api.call("open_file", os.fsencode(self._data), options, out)
        else:
            status = 0 if out[0] else api.call("open", options, out)
        api.check(status, api.text(said) or "")
        return Handle(api, out[0], keep)

    def _describe(self, kind: int) -> list[TensorInfo]:
        info = self._api.new("tensor *")
        found = []
        for i in range(self._api.call("tensor_count", self._handle.pointer, kind)):
            self._api.check(self._api.call("tensor_info", self._handle.pointer, kind, i, info))
            shape = tuple(info.dims[0 : info.ndim])
            found.append(TensorInfo(self._api.text(info.name) or "", shape, _DTYPES[int(info.dtype)]))
        return found

    def _session(self, reshaped: bool = True) -> Session:
        """This thread's session, or a new one; `reshaped`: it may be at other shapes than the model's."""
        self._handle.opened()
        session: Session | None = getattr(self._local, "session", None)
        if session is None or (session.shapes and not reshaped):
            owner = Owner()
            session = self._handle.session(owner, ISAS[self._isa], self._threads, self._progress)
            self._local.owner, self._local.session = owner, session
        return session

    def _call(self, name: str, session: Session, *arguments: Any) -> tuple[int, str]:
        """The status of a function of the session, which the caller has locked, and the message where it is negative."""
        if session.pointer is None:
            raise closed()
        status: int = self._api.call(name, session.pointer, *arguments)
        said = self._api.text(self._api.call("errmsg", session.pointer)) if status < 0 else None
        return status, said or ""

    def _check(self, name: str, session: Session, *arguments: Any) -> int:
        """Calls a function of the session, which the caller has locked; a negative status is E153 with its message."""
        status, said = self._call(name, session, *arguments)
        self._api.check(status, said)
        return status

    def _run(self, session: Session) -> None:
        try:
            self._check("run", session)
        finally:
            if session.raised:
                raise session.raised.pop() from None

    def _reshape(self, session: Session, i: int, shape: tuple[int, ...]) -> None:
        tensor, dims = self.inputs[i], self._api.ffi.new("int64_t[]", list(shape))
        status, said = self._call("set_shape", session, i, dims, len(shape))
        if status == _SHAPE:
            what = f"input '{tensor.name}' expects {list(tensor.shape)}, got {list(shape)}: {said}"
            raise AmalgamateError("E151", what)
        self._api.check(status, said)
        session.shapes[i] = shape
        if shape == tensor.shape:
            del session.shapes[i]
        session.views.clear()

    def _view(self, session: Session, kind: int, i: int) -> Array:
        api = self._api
        if session.pointer is None:
            raise closed()
        if (known := session.views.get((kind, i))) is not None:
            return known
        info, size = api.new("tensor *"), api.ffi.new("size_t *")
        api.check(api.call("session_tensor", session.pointer, kind, i, info))
        data = api.call("data", session.pointer, kind, i, size)
        flat: Array = np.frombuffer(api.ffi.buffer(data, size[0]), _DTYPES[info.dtype])
        return session.views.setdefault((kind, i), flat.reshape(tuple(info.dims[0 : info.ndim])))

    def _checked(self, feeds: Mapping[str, Any]) -> list[Array]:
        """The feeds in the model's order, each with the right type and number of axes."""
        names = [tensor.name for tensor in self.inputs]
        for name in feeds:
            if name not in names:
                _misnamed("input", name, names)
        arrays = []
        for tensor in self.inputs:
            if tensor.name not in feeds:
                raise AmalgamateError("E151", f"input '{tensor.name}' is missing", fix=f"Expected is {tensor}")
            given = feeds[tensor.name]
            try:
                array = given if isinstance(given, np.ndarray) else np.asarray(given, tensor.dtype)
            except (TypeError, ValueError, OverflowError) as error:
                what = f"input '{tensor.name}' expects numbers, got {type(given).__name__}"
                raise AmalgamateError("E151", what, fix=f"Give an array of {tensor}") from error
            if array.dtype != tensor.dtype or array.ndim != len(tensor.shape):
                got = f"got {array.dtype}{list(array.shape)}"
                fix = f"Convert it with .astype('{tensor.dtype}')" if array.dtype != tensor.dtype else ""
                raise AmalgamateError(
                    "E151", f"input '{tensor.name}' expects {tensor.dtype}{list(tensor.shape)}, {got}", fix=fix
                )
            arrays.append(array)
        return arrays


def _misnamed(kind: str, name: str, known: Iterable[str]) -> NoReturn:
    raise AmalgamateError("E151", f"there is no {kind} '{name}'", fix=f"There are: {', '.join(known)}")


def _restore(path: Path, data: Path | bytes | None, digest: str, isa: str, threads: int) -> Model:
    """The model that was pickled; E150 where its file has changed since."""
    model = Model(path, data, isa=isa, threads=threads)
    if model.digest() != digest:
        raise AmalgamateError("E150", "the library is not the one that was pickled", str(path), "Pickle it again")
    return model
