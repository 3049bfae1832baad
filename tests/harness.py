"""Runs graphs through the C runtime: builds it from its separate files, once per content, as a shared library.

`run_c(graph, inputs, isa)` is the whole road: passes, plan, .amg bytes, open, run. `Library` is the C API by ctypes.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache, partial
from pathlib import Path

import numpy as np

from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops import Case
from amalgamate.plan import plan
from amalgamate.resources import folder, runtime_files
from amalgamate.writers import c_source, model_file
from amalgamate.writers.tables import all_ops, core_files, generated
from tools import tool

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
INPUT, OUTPUT = 0, 1
ISA = {"auto": 0, "scalar": 1, "sse2": 2, "avx2": 3, "avx512": 4, "neon": 5, "wasm": 6}
DTYPES = {1: np.dtype(np.float32), 2: np.dtype(np.int64)}
Changes = tuple[tuple[str, str], ...]  # C files of the runtime, each with a flag that it alone is compiled with
SCALAR: Changes = tuple((name, "-DAMG_SCALAR_ONLY") for name in ("cpu.c", "generated/kernels.c"))
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)


class CError(Exception):
    """A negative status of the C runtime, with its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


# ---- building ---------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    path = Path(tempfile.gettempdir()) / f"amalgamate-tests-{os.getuid()}"
    path.mkdir(exist_ok=True)
    return path


def _closure(name: str, files: Mapping[str, str], seen: dict[str, str]) -> dict[str, str]:
    """The text of a file and of all that it includes."""
    if name not in seen and name in files:
        seen[name] = files[name]
        for include in _INCLUDE.findall(files[name]):
            _closure(include, files, seen)
    return seen


def _once(key: str, suffix: str, make: Sequence[str]) -> Path:
    """The cached result of command `make`, which is given the path to write as its last argument."""
    path = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}{suffix}"
    if not path.exists():
        part = path.with_name(f"{path.stem}.{os.getpid()}{suffix}")
        done = subprocess.run([*make, str(part)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(make)}\n{done.stderr}")
        part.replace(path)
    return path


@cache
def sources(ops: tuple[str, ...]) -> dict[str, str]:
    """The text of every file of a modular build, the generated ones included."""
    return dict(runtime_files()) | generated(ops)


def _object(name: str, path: Path, files: Mapping[str, str], flags: tuple[str, ...], compiler: str) -> Path:
    command = [tool(compiler), "-std=c99", *WARNINGS, *flags, "-I", str(folder("runtime_src")), "-c", str(path), "-o"]
    return _once(repr((compiler, flags, sorted(_closure(name, files, {}).items()))), ".o", command)


@cache
def objects(
    ops: tuple[str, ...], flags: tuple[str, ...] = ("-O2", "-fPIC"), compiler: str = "gcc", changes: Changes = ()
) -> list[Path]:
    """An object file of each C file of a runtime with these operators; a flag more for each file of `changes`."""
    files = sources(ops)
    root = cache_folder() / hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:24]
    built = []
    for name in [*core_files(), *(f"ops/{op}.c" for op in ops), *(n for n in files if n.startswith("generated/"))]:
        path = folder("runtime_src") / name
        if name.startswith("generated/"):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name])
        more = tuple(flag for changed, flag in changes if changed == name)
        built.append(_object(name, path, files, (*flags, *more), compiler))
    return built


@cache
def broken() -> dict[str, str]:
    """Operators that do not compile, with the compiler's words; the library is built without them. A test wants none."""
    found = {}
    for op in all_ops():
        name = f"ops/{op}.c"
        try:
            _object(name, folder("runtime_src") / name, runtime_files(), ("-O2", "-fPIC"), "gcc")
        except RuntimeError as e:
            found[op] = str(e)
    return found


@cache
def shared_library(changes: Changes = ()) -> Path:
    """The runtime with every operator as a shared library."""
    parts = [str(o) for o in objects(tuple(op for op in all_ops() if op not in broken()), changes=changes)]
    return _once(" ".join(parts), ".so", [tool("gcc"), "-shared", *parts, "-lm", "-o"])


def program(
    source: Path, flags: tuple[str, ...] = ("-O2",), ops: tuple[str, ...] | None = None, compiler: str = "gcc"
) -> Path:
    """A C program, linked with the modular runtime (by default with every operator) built with the same flags."""
    chosen = tuple(op for op in all_ops() if op not in broken()) if ops is None else ops
    parts = [str(o) for o in objects(chosen, flags, compiler)]
    command = [tool(compiler), "-std=c99", *WARNINGS, *flags, "-I", str(folder("runtime_src")), str(source), *parts]
    return _once(repr((source.read_text(), command)), "", [*command, "-lm", "-o"])


def amalgamated_program(source: Path, flags: tuple[str, ...] = ("-O1",)) -> Path:
    """A C program, linked with the amalgamated runtime."""
    pair = c_source.runtime_pair()
    root = cache_folder() / hashlib.sha256(repr(sorted(pair.items())).encode()).hexdigest()[:24]
    root.mkdir(exist_ok=True)
    for name, data in pair.items():
        (root / name).write_bytes(data)
    command = [tool("gcc"), "-std=c99", *WARNINGS, *flags, "-I", str(root), str(source), str(root / "amg.c")]
    return _once(repr((source.read_text(), command)), "", [*command, "-lm", "-o"])


# ---- the C API --------------------------------------------------------------------------------------------------

ALLOC = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_size_t)
RELEASE = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
PROGRESS = ctypes.CFUNCTYPE(c_int32, c_void_p, c_int32, c_int32)
PIECE = ctypes.CFUNCTYPE(None, c_void_p, c_int32)
PARALLEL = ctypes.CFUNCTYPE(None, c_void_p, c_int32, PIECE, c_void_p)


class Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("data", c_void_p), ("size", c_size_t), ("alloc", ALLOC), ("release", RELEASE),
        ("user", c_void_p), ("errbuf", c_void_p), ("errbuf_size", c_size_t), ("flags", c_uint32),
        ("weights", c_void_p), ("weights_size", c_size_t),
    ]  # fmt: skip


class SessionOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("threads", c_int32), ("isa", c_int32), ("arena", c_void_p), ("arena_size", c_size_t),
        ("progress", PROGRESS), ("user", c_void_p), ("flags", c_uint32), ("parallel", PARALLEL), ("pool_user", c_void_p),
    ]  # fmt: skip


class CTensor(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("ndim", c_int32), ("dims", c_int64 * 8)]


class LayerStat(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("op", c_char_p), ("ns", c_uint64), ("macs", c_uint64), ("bytes_live", c_uint64)]


_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "amg_version": (c_uint32, []),
    "amg_strerror": (c_char_p, [c_int32]),
    "amg_open": (c_int32, [POINTER(Options), POINTER(c_void_p)]),
    "amg_open_file": (c_int32, [c_char_p, POINTER(Options), POINTER(c_void_p)]),
    "amg_close": (None, [c_void_p]),
    "amg_tensor_count": (c_int32, [c_void_p, c_int32]),
    "amg_tensor_info": (c_int32, [c_void_p, c_int32, c_int32, POINTER(CTensor)]),
    "amg_meta": (c_char_p, [c_void_p, c_char_p]),
    "amg_label": (c_char_p, [c_void_p, c_int32]),
    "amg_arena_size": (c_size_t, [c_void_p, POINTER(SessionOptions)]),
    "amg_session_new": (c_int32, [c_void_p, POINTER(SessionOptions), POINTER(c_void_p)]),
    "amg_session_free": (None, [c_void_p]),
    "amg_set_shape": (c_int32, [c_void_p, c_int32, POINTER(c_int64), c_int32]),
    "amg_session_tensor": (c_int32, [c_void_p, c_int32, c_int32, POINTER(CTensor)]),
    "amg_data": (c_void_p, [c_void_p, c_int32, c_int32, POINTER(c_size_t)]),
    "amg_set_image": (c_int32, [c_void_p, c_int32, c_void_p, c_int32, c_int32, c_int32, c_int32]),
    "amg_run": (c_int32, [c_void_p]),
    "amg_topk": (c_int32, [c_void_p, c_int32, c_int32, POINTER(c_int32), POINTER(c_float)]),
    "amg_errmsg": (c_char_p, [c_void_p]),
    "amg_layer_count": (c_int32, [c_void_p]),
    "amg_profile": (c_int32, [c_void_p, c_int32, POINTER(LayerStat)]),
}


@cache
def library(changes: Changes = ()) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(shared_library(changes)))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class Model:
    """An opened model; `data` stays alive with it; its library has the files of `changes` compiled so. Raises CError."""

    def __init__(
        self,
        data: bytes | None = None,
        /,
        path: str | None = None,
        flags: int = 0,
        changes: Changes = (),
        **fields: object,
    ) -> None:
        self.lib, self.handle = library(changes), c_void_p()
        self.scalar = None if changes == SCALAR else partial(Model, data, path, flags, SCALAR, **fields)
        self.twins: list[Model] = []
        self.message = ctypes.create_string_buffer(256)
        if data is not None:  # 64-byte aligned, as a mapped file is
            raw = np.empty(len(data) + 64, np.uint8)
            at = -raw.ctypes.data % 64
            raw[at : at + len(data)] = np.frombuffer(data, np.uint8)
            self.raw = raw
            fields |= {"data": raw.ctypes.data + at, "size": len(data)}
        self.options = Options(
            struct_size=ctypes.sizeof(Options),
            errbuf=ctypes.addressof(self.message),
            errbuf_size=256,
            flags=flags,
            **fields,
        )
        if path is None:
            status = self.lib.amg_open(byref(self.options), byref(self.handle))
        else:
            status = self.lib.amg_open_file(path.encode(), byref(self.options), byref(self.handle))
        if status:
            assert not self.handle.value, "a failing open leaves NULL"
            raise CError(status, self.message.value.decode("utf-8", "replace"))

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exc: object) -> None:
        for model in (self, *self.twins):
            model.lib.amg_close(model.handle)

    def tensor(self, kind: int, i: int) -> CTensor:
        info = CTensor()
        check(self.lib.amg_tensor_info(self.handle, kind, i, byref(info)))
        return info

    def arena_size(self, **fields: object) -> int:
        return int(self.lib.amg_arena_size(self.handle, byref(SessionOptions(ctypes.sizeof(SessionOptions), **fields))))

    def session(self, isa: str = "auto", **fields: object) -> Session:
        """A session; one of scalar kernels is of the same model in a library that holds them."""
        if isa == "scalar" and self.scalar:
            self.twins += [] if self.twins else [self.scalar()]
            return Session(self.twins[0], isa, **fields)
        return Session(self, isa, **fields)


class Session:
    """A session of a model, as NumPy arrays. Raises CError."""

    def __init__(self, model: Model, isa: str = "auto", **fields: object) -> None:
        self.model, self.lib, self.handle = model, model.lib, c_void_p()
        self.options = SessionOptions(struct_size=ctypes.sizeof(SessionOptions), isa=ISA[isa], **fields)
        check(self.lib.amg_session_new(model.handle, byref(self.options), byref(self.handle)))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.lib.amg_session_free(self.handle)

    def check(self, status: int) -> int:
        if status < 0:
            raise CError(status, self.lib.amg_errmsg(self.handle).decode("utf-8", "replace"))
        return status

    def data(self, kind: int, i: int) -> Array:
        """The memory of an input or output, shared."""
        info, size = CTensor(), c_size_t()
        self.check(self.lib.amg_session_tensor(self.handle, kind, i, byref(info)))
        address = self.lib.amg_data(self.handle, kind, i, byref(size))
        flat = np.frombuffer((ctypes.c_char * size.value).from_address(address), DTYPES[info.dtype])
        return flat.reshape(tuple(info.dims[: info.ndim]))

    def set_shape(self, i: int, dims: Sequence[int]) -> None:
        self.check(self.lib.amg_set_shape(self.handle, i, (c_int64 * len(dims))(*dims), len(dims)))

    def layers(self) -> list[LayerStat]:
        """What each layer is and cost."""
        found = []
        for i in range(self.lib.amg_layer_count(self.model.handle)):
            found.append(LayerStat())
            self.check(self.lib.amg_profile(self.handle, i, byref(found[-1])))
        return found

    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers())

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        for i, value in enumerate(inputs):
            target = self.data(INPUT, i)
            assert value.shape == target.shape and value.dtype == target.dtype, (value.shape, target.shape)
            target[...] = value
        self.check(self.lib.amg_run(self.handle))
        count = self.lib.amg_tensor_count(self.model.handle, OUTPUT)
        return [self.data(OUTPUT, i).copy() for i in range(count)]


def check(status: int) -> None:
    if status < 0:
        raise CError(status, library().amg_strerror(status).decode())


def _runs(isa: str) -> bool:
    """Whether this machine and build run an instruction set, asked with a model of one step."""
    graph = Graph("probe", {"x": Tensor("x", (1,))}, [], ["x"], ["x"])
    with Model(model_file.write(plan(graph))) as model:
        try:
            with Session(model, isa):
                return True
        except CError as e:
            assert e.status == -6, e
            return False


@cache
def held() -> list[str]:
    """The instruction sets that a library compiled here holds and that this machine runs, the least first."""
    return [name for name in ISA if name != "auto" and _runs(name)]


@cache
def isas() -> list[str]:
    """The instruction sets to test: scalar kernels, also where vectors stand in for them, and those that are held."""
    return list(dict.fromkeys(["scalar", *held()]))


# ---- graphs -----------------------------------------------------------------------------------------------------


def amg(graph: Graph, run_passes: bool = True) -> bytes:
    """The .amg bytes of a graph."""
    if run_passes:
        from amalgamate import passes
    return model_file.write(plan(passes.run(graph) if run_passes else graph))


def run_c(
    graph: Graph, inputs: Mapping[str, Array] | Sequence[Array], isa: str = "auto", run_passes: bool = True
) -> list[Array]:
    """The outputs of a graph of the source's axis order, computed in C."""
    values = [inputs[name] for name in graph.inputs] if isinstance(inputs, Mapping) else list(inputs)
    with Model(amg(graph, run_passes)) as model, model.session(isa) as session:
        return session.run(values)


def graph_of(case: Case) -> Graph:
    """A graph of one operator: inputs x0, x1, ... but for those that the case binds as constants."""
    graph = Graph(case.name or case.op.name)
    names = []
    for i, value in enumerate(case.inputs):
        name = "" if value is None else f"x{i}"
        names.append(name)
        if value is not None:
            constant = i in case.constants
            graph.tensors[name] = Tensor(name, tuple(value.shape), str(value.dtype), value if constant else None)
            if not constant:
                graph.inputs.append(name)
    graph.outputs = list(graph.add(case.op, names).outputs)
    return graph


def inputs_of(case: Case) -> dict[str, Array]:
    """The values of `graph_of(case)`'s inputs."""
    return {f"x{i}": v for i, v in enumerate(case.inputs) if v is not None and i not in case.constants}


def __getattr__(name: str) -> object:
    """`ISAS`: the instruction sets that this machine runs, found out when first asked for."""
    if name == "ISAS":
        return isas()
    raise AttributeError(name)
