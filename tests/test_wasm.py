"""The WebAssembly modules: in Node through amalgamate.mjs, and by wasmtime from Python; with SIMD, relaxed SIMD, and without."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amalgamate as am
import nets
import tools
from amalgamate import toolchains
from amalgamate.errors import AmalgamateError
from amalgamate.toolchains import wasm, zig
from amalgamate.writers import c_source
from machines import needs_zig
from tools import package, tool

LABELS = [f"digit {i}" for i in range(10)]
ALONE = [f"lenet.{build.suffix}" for build in wasm.BUILDS.values() if not build.threads]
MULTIPLY_ADD = bytes([0xFD, 0x85, 0x02])  # f32x4.relaxed_madd


@pytest.fixture(scope="module")
def lenet(tmp_path_factory: pytest.TempPathFactory) -> am.Built:
    picture = am.Image("gray", mean=33.0, std=78.0, resize=(28, 28))
    return am.build(
        nets.lenet(tmp_path_factory.mktemp("net") / "lenet.onnx"), labels=LABELS, image=picture, prefix="seen"
    )


@pytest.fixture(scope="module")
def module(lenet: am.Built) -> Path:
    """lenet.wasm, with the others and lenet.mjs beside it."""
    tool("emcc")
    needs_zig()
    return lenet.compile("wasm")


def digits(seed: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((batch, 1, 28, 28)).astype(np.float32)


def node(loader: Path, wasm: Path | str, cases: dict[str, Any], folder: Path) -> dict[str, Any]:
    (folder / "cases.json").write_text(json.dumps(cases))
    script = Path(__file__).parent / "js" / "model.mjs"
    done = subprocess.run([*tools.node(), script, loader, wasm, folder / "cases.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def cases(**more: str) -> dict[str, Any]:
    runs: list[dict[str, Any]] = [{"data": digits(0).ravel().tolist()}]
    runs += [{"data": digits(1, 3).ravel().tolist(), "shape": [3, 1, 28, 28]}, {"data": digits(2).ravel().tolist()}]
    rgba = np.random.default_rng(3).integers(0, 256, (20, 30, 4), np.uint8)
    return {"runs": runs, "rgba": rgba.ravel().tolist(), "width": 30, "height": 20, **more}


def check(results: dict[str, Any], built: am.Built) -> None:
    """Compares what JavaScript saw with what the native library says."""
    given = cases()
    assert results["labels"] == LABELS
    assert results["name"] == "lenet" and results["none"] is None and results["simd"] is True
    assert results["inputs"] == [{"name": "data", "dtype": "float32", "type": 1, "shape": [1, 1, 28, 28]}]
    with am.load(built.compile()) as model:
        for got, seed, batch in zip(results["runs"], (0, 1, 2), (1, 3, 1), strict=True):
            (expected,) = model.run(None, {"data": digits(seed, batch)})
            assert got["shape"] == [batch, 10]
            assert np.abs(np.array(got["prob"]).reshape(batch, 10) - expected).max() <= 1e-6
        best = model.classify(np.array(given["rgba"], np.uint8).reshape(20, 30, 4), top_k=3)
    assert [b["label"] for b in results["best"]] == [p.label for p in best]
    assert np.allclose([b["score"] for b in results["best"]], [p.score for p in best], atol=1e-6)
    assert results["again"] == results["runs"][0]["prob"]


@pytest.mark.parametrize("kind", ["default", *(f"lenet.{build.suffix}" for build in wasm.BUILDS.values())])
def test_node_gives_the_native_results(module: Path, lenet: am.Built, kind: str, tmp_path: Path) -> None:
    wasm = kind if kind == "default" else module.parent / kind
    results = node(module.with_suffix(".mjs"), wasm, cases(), tmp_path)
    check(results, lenet)
    assert results["progress"] == 1


def test_node_says_what_is_wrong(module: Path, tmp_path: Path) -> None:
    refused = node(module.with_suffix(".mjs"), "default", cases(), tmp_path)["refused"]
    assert refused["name"] == "INPUT_NAME: there is no input 'x'; there are: data"
    assert refused["missing"] == "INPUT_NAME: input 'data' is missing"
    assert refused["type"] == "INPUT_TYPE: input 'data' expects float32 in a Float32Array"
    assert refused["length"] == "INPUT_SHAPE: input 'data' expects 784 numbers [1,1,28,28], got 783"
    assert refused["pixels"] == "PICTURE: 28x28 RGBA pixels are 3136 bytes, not 3"
    assert refused["weights"].startswith("BAD_WEIGHTS: cannot open the model: ")
    assert refused["file"].startswith("NETWORK: ") and "none.wasm" in refused["file"]
    assert refused["shape"].startswith("INPUT_SHAPE: ") and refused["channels"].startswith("INPUT_SHAPE: ")
    assert refused["nan"].startswith("INPUT_NAN: input 'data' holds a NaN")


def test_weights_from_a_file_of_their_own(lenet: am.Built, tmp_path: Path) -> None:
    tool("emcc")
    built = am.build(nets.lenet(tmp_path / "lenet.onnx"), labels=LABELS, weights_as="file",
                     image=am.Image("gray", mean=33.0, std=78.0, resize=(28, 28)))  # fmt: skip
    wasm = built.compile("wasm")
    results = node(wasm.with_suffix(".mjs"), "default", cases(weights=str(wasm.with_suffix(".amg"))), tmp_path)
    check(results, lenet)


def instance(path: Path) -> tuple[Any, Any]:
    """A store of wasmtime's, and what the module in it exports."""
    wasmtime = package("wasmtime")
    store = wasmtime.Store()
    code = wasmtime.Module(store.engine, path.read_bytes())
    stubs = [wasmtime.Func(store, i.type, lambda *_: 52) for i in code.imports]
    exports = wasmtime.Instance(store, code, stubs).exports(store)
    exports["_initialize"](store)
    return store, exports


@pytest.mark.parametrize("kind", ALONE)
def test_wasmtime_gives_the_native_results(module: Path, lenet: am.Built, kind: str) -> None:
    store, exports = instance(module.parent / kind)
    model = exports["open"](store, 0, 0)
    session = exports["session"](store, model, 0, 0)
    x = digits(4)
    exports["memory"].write(store, x.tobytes(), exports["data"](store, session, 0, 0))
    assert exports["run"](store, session) == 0
    at = exports["data"](store, session, 1, 0)
    got = np.frombuffer(exports["memory"].read(store, at, at + 40), np.float32)
    with am.load(lenet.compile()) as native:
        assert np.abs(got - native.run(None, {"data": x})[0][0]).max() <= 1e-6


def test_modules_are_small_and_need_no_system(module: Path) -> None:
    wasmtime = package("wasmtime")
    for kind in ALONE:
        data = (module.parent / kind).read_bytes()
        assert [i.name for i in wasmtime.Module(wasmtime.Engine(), data).imports] == ["clock_time_get"]
        weights = 431_080 * 4
        assert len(data) - weights < 150 << 10
        assert (MULTIPLY_ADD in data) == ("relaxed" in kind)


@pytest.mark.parametrize("kind", ALONE)
def test_memory_is_given_once_and_taken_back(module: Path, kind: str) -> None:
    store, exports = instance(module.parent / kind)
    rng, held = np.random.default_rng(6), {}

    def size() -> int:
        return int(exports["memory"].data_len(store))

    def release(at: int) -> None:
        number, bytes_ = held.pop(at)
        assert exports["memory"].read(store, at, at + bytes_) == bytes([number]) * bytes_
        exports["release"](store, at)

    before = size()
    for number in rng.permutation(250):
        if held and rng.random() < 0.4:
            release(list(held)[rng.integers(len(held))])
        bytes_ = int(rng.choice([0, 1, 63, 64, 65, 5000, 70_000, 1 << 20]))
        at = exports["alloc"](store, bytes_)
        assert at and at % 64 == 0
        exports["memory"].write(store, bytes([number]) * bytes_, at)
        held[at] = int(number), bytes_
    grown, most = size(), sum(bytes_ for _, bytes_ in held.values())
    assert grown <= before + 2 * most
    for at in list(held):
        release(at)
    whole = exports["alloc"](store, grown - before)
    assert whole and size() == grown, "what was released is one block again"
    assert exports["alloc"](store, (1 << 31) - 1) == exports["alloc"](store, -1) == 0
    exports["release"](store, 0)
    exports["release"](store, whole)
    assert exports["alloc"](store, grown - before) == whole and size() == grown


def test_without_zig_the_loader_asks_for_no_relaxed_module(
    lenet: am.Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool("emcc")

    def none() -> list[str]:
        raise AmalgamateError("E140", "no zig", "", "")

    monkeypatch.setattr(zig, "compiler", none)
    path = lenet.compile("wasm", out=tmp_path)
    assert not [file for file in tmp_path.iterdir() if "relaxed" in file.name]
    assert not re.search(r"relaxed.*\.wasm", path.with_suffix(".mjs").read_text())
    check(node(path.with_suffix(".mjs"), "default", cases(), tmp_path), lenet)
    with pytest.raises(AmalgamateError, match="E140"):
        lenet.compile("wasm-relaxed", out=tmp_path)


def test_scalar_target_makes_one_module(lenet: am.Built, tmp_path: Path) -> None:
    tool("emcc")
    path = lenet.compile("wasm-scalar", out=tmp_path)
    assert path.name == "lenet.scalar.wasm" and not (tmp_path / "lenet.mjs").exists()


def test_pair_without_its_header_is_refused(tmp_path: Path) -> None:
    (c_source.write(c_source.runtime_pair(), tmp_path)[1]).unlink()
    with pytest.raises(am.AmalgamateError, match=r"E100.*header"):
        toolchains.build(tmp_path / "amg.c", "wasm")
