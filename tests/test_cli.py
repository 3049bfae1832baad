"""The command line: what it prints, its exit codes, and that mistakes are answered in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from amalgamate import cli
from amalgamate.errors import CODES
from machines import needs_zig
from tools import ROOT, shared, tool

DIGITS = ROOT / "amalgamate" / "data" / "digits.onnx"


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> object:
        return json.loads(self.out)


@pytest.fixture
def amalgamate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Result:
        code = cli.run([str(word) for word in words])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """A held-out picture of a four, as a file."""
    samples = json.loads((DIGITS.parent / "digits_samples.json").read_text())
    pixels = np.array(samples["images"][samples["labels"].index(4)], np.uint8).reshape(8, 8)
    Image.fromarray(pixels).save(tmp_path / "four.png")
    return tmp_path / "four.png"


# -- about ------------------------------------------------------------------------------------------------------------


def test_every_command_has_help(amalgamate) -> None:
    for name in cli.COMMANDS:
        result = amalgamate(name, "--help")
        assert result.code == 0
        assert f"Usage: amalgamate {name}" in result.out


def test_starts_without_heavy_imports() -> None:
    code = "import sys, amalgamate.cli.about; print([m for m in ('numpy', 'onnx', 'cffi', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_ops_lists_every_operator(amalgamate) -> None:
    from amalgamate.ops import registry

    listed = {row["name"]: row for row in amalgamate("ops", "--json").json()}
    assert listed.keys() == registry().keys()
    assert listed["conv"]["sources"]["onnx"] == ["Conv"]
    assert "Softmax" in amalgamate("ops").out


def test_explain_knows_every_code(amalgamate) -> None:
    assert amalgamate("explain", "--json").json() == {code: meaning._asdict() for code, meaning in CODES.items()}
    for code, meaning in CODES.items():
        said = amalgamate("explain", code.lower()).out
        assert all(part and part in said for part in meaning)
    unknown = amalgamate("explain", "E999")
    assert unknown.code == 2 and "E999" in unknown.err


def test_compile_takes_the_c_file_of_a_pair(amalgamate, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    result = amalgamate("compile", tmp_path / "net.onnx")
    assert result.code == 1 and "E107" in result.err and "amalgamate build net.onnx" in result.err


def test_doctor_finds_the_compiler(amalgamate) -> None:
    found = {row["name"]: row for row in amalgamate("doctor", "--json").json()}
    assert found["C compiler"]["found"] and found["python"]["found"]


def test_doctor_says_what_to_do_without_a_compiler(amalgamate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc")
    result = amalgamate("doctor")
    assert result.code == 1
    assert "Install gcc or clang" in result.out


# -- the road ---------------------------------------------------------------------------------------------------------


def test_runtime_writes_the_pair(amalgamate) -> None:
    result = amalgamate("runtime", "-o", "out", "--prefix", "net", "--json")
    assert result.code == 0
    names = [Path(file["path"]).name for file in result.json()["files"]]
    assert names == ["amg.c", "amg.h"]
    header = Path("out/amg.h").read_text()
    assert "net_open(" in header and "amg_open(" not in header


@pytest.mark.parametrize("words", ["runtime", "build digits"])
def test_lines_name_the_files_of_the_runtime(amalgamate, words: str) -> None:
    for option, expected in (([], False), (["--line"], True)):
        assert amalgamate(*words.split(), "-o", "out", *option).code == 0
        (source,) = Path("out").glob("*.c")
        assert ('\n#line 1 "exec.c"\n' in source.read_text()) is expected


def test_build_compile_predict(amalgamate, four: Path) -> None:
    built = amalgamate("build", "digits", "-o", "out", "--name", "ten", "--json")
    assert [Path(f["path"]).name for f in built.json()["files"]] == ["ten.c", "ten.h"]
    compiled = amalgamate("compile", "out/ten.c")
    assert compiled.code == 0
    library = compiled.out.splitlines()[0].split("  ")[0]
    best = amalgamate("predict", library, four, "--json").json()[0]["predictions"]
    assert len(best) == 5
    assert best[0]["label"] == "4" and best[0]["score"] > 0.9


def test_build_is_called_as_its_file(amalgamate, tmp_path: Path) -> None:
    (tmp_path / "my-net.onnx").write_bytes(DIGITS.read_bytes())
    result = amalgamate("build", "my-net.onnx", "--json")
    assert [file["path"] for file in result.json()["files"]] == ["dist/my_net.c", "dist/my_net.h"]


def test_compile_for_the_browser_names_all_that_it_made(amalgamate) -> None:
    tool("emcc")
    needs_zig()
    amalgamate("build", "digits", "-o", "out")
    made = amalgamate("compile", "out/digits.c", "--target", "wasm", "--json").json()["files"]
    names = ["digits.wasm", "digits.mjs", "digits.relaxed.threads.wasm", "digits.relaxed.wasm", "digits.scalar.wasm"]
    names += ["digits.threads.mjs", "digits.threads.wasm"]
    assert [file["path"] for file in made] == [f"out/{name}" for name in names]


def test_build_with_weights_beside(amalgamate) -> None:
    result = amalgamate("build", DIGITS, "-o", "out", "--weights", "file", "--json")
    assert [Path(f["path"]).name for f in result.json()["files"]] == ["digits.c", "digits.h", "digits.amg"]


def test_predict_prints_labels_with_scores(amalgamate, four: Path) -> None:
    result = amalgamate("predict", "digits", four, "--top-k", "1")
    assert result.code == 0
    label, score = result.out.split()
    assert label == "4" and 0.9 < float(score) <= 1


def test_predict_names_the_picture_when_there_are_several(amalgamate, four: Path) -> None:
    result = amalgamate("predict", "digits", four, four, "--top-k", "1", "--quiet")
    assert result.out.count(f"{four}:") == 2 and result.err == ""


def test_inspect_every_stage(amalgamate) -> None:
    for stage, words in {"graph": "graph digits", "passes": "conv", "plan": "arena", "layers": "multiply-acc"}.items():
        result = amalgamate("inspect", "digits", "--stage", stage)
        assert result.code == 0 and words in result.out.lower(), stage
        assert amalgamate("inspect", "digits", "--stage", stage, "--json").json()


def test_inspect_counts(amalgamate) -> None:
    told = amalgamate("inspect", "digits", "--json").json()
    assert told["macs"] == 8 * 8 * 9 * 16 + 8 * 8 * 9 * 16 * 32 + 512 * 10
    assert told["weight_bytes"] == 9930 * 4
    assert [t["shape"] for t in told["inputs"]] == [[1, 1, 8, 8]]


@pytest.mark.parametrize("against", ["onnxruntime", "numpy"])
def test_verify_agrees(amalgamate, against: str) -> None:
    told = amalgamate("verify", "digits", "--against", against, "--json").json()
    (tensor,) = told["tensors"]
    assert told["agree"] and tensor["relative"] <= 1e-5 and tensor["top1"] == 1


def test_verify_per_layer_on_a_picture(amalgamate, four: Path) -> None:
    told = amalgamate("verify", "digits", "--per-layer", "--images", four, "--json").json()
    names = [tensor["name"] for tensor in told["tensors"]]
    assert {"conv1", "relu1", "conv2", "relu2", "pool", "dense", "probabilities"} <= set(names)
    assert told["agree"]


def test_verify_fails_where_results_differ(amalgamate) -> None:
    result = amalgamate("verify", "digits", "--tolerance", "0")
    assert result.code == 1 and "E160" in result.err


def test_bench_beside_onnxruntime(amalgamate) -> None:
    told = amalgamate("bench", "digits", "--peers", "--per-layer", "--rounds", 1, "--seconds", 0.01, "--json").json()
    assert not {name: m["error"] for name, m in told["engines"].items() if m["error"]}
    ours = told["milliseconds"].pop("amalgamate")
    assert told["ratio"] == min(told["milliseconds"].values()) / ours and "onnxruntime" in told["milliseconds"]
    assert sum(layer["macs"] for layer in told["layers"]) == told["macs"]
    assert all(layer["ms"] > 0 for layer in told["layers"] if layer["macs"])  # the clock may not see others


# Persian cat, tabby, Cardigan. The published prototxt pads its last, 1x1 convolution, so that the average is over 15x15 places of
# which the border holds biases only: scores are flatter by 169/225 than those known of the network without that padding.
SQUEEZENET = {
    "as published": ("pad: 1", ["0.43", "0.04", "0.03"]),
    "without the padding": ("pad: 0", ["0.75", "0.03", "0.02"]),
}


@pytest.mark.parametrize("variant", SQUEEZENET)
def test_predict_squeezenet_from_deep_compression(amalgamate, tmp_path: Path, variant: str) -> None:
    folder = shared("data/squeezenet")
    padding, scores = SQUEEZENET[variant]
    head, name, tail = (folder / "SqueezeNet_deploy.prototxt").read_text().rpartition('name: "conv_final"')
    (tmp_path / "net.prototxt").write_text(head + name + tail.replace("pad: 1", padding))
    result = amalgamate(
        "predict", "net.prototxt", "--weights-from", folder / "squeezenet_compressed.net",
        "--image", "bgr", "--mean", "104,117,123", "--resize", 256, "--crop", 227,
        "--labels", folder / "synset_words.txt", shared("data/images/persian-cat.jpg"),
    )  # fmt: skip
    assert result.code == 0, result.err
    lines = [line.rpartition(" ") for line in result.out.splitlines()]
    assert len(lines) == 5
    names = ["Persian cat", "tabby, tabby cat", "Cardigan, Cardigan Welsh corgi"]
    assert [line[0] for line in lines[:3]] == names and [line[2] for line in lines[:3]] == scores
    assert "--no-softmax" in result.err


# -- mistakes ---------------------------------------------------------------------------------------------------------


def unsupported(path: Path) -> Path:
    """A model of two operators that nobody has."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in "xy")
    nodes = [
        helper.make_node("Warp", ["x"], ["w"], "w1", domain="far"),
        helper.make_node("Fold", ["w"], ["y"], "f1", domain="far"),
    ]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("far", 1)]
    onnx.save(helper.make_model(helper.make_graph(nodes, "odd", [x], [y]), opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture
def wreckage(tmp_path: Path, four: Path) -> None:
    """Files that are not what they should be, in the folder in which the command runs."""
    (tmp_path / "digits.onnx").write_bytes(DIGITS.read_bytes())
    (tmp_path / "broken.onnx").write_bytes(DIGITS.read_bytes()[:2000])
    (tmp_path / "text.onnx").write_text("hello\n")
    (tmp_path / "nine.txt").write_text("\n".join("abcdefghi"))
    (tmp_path / "fake.png").write_text("no picture")
    (tmp_path / "fake.so").write_text("no library")
    (tmp_path / "bad.c").write_text("int f(void) { return ; ) }\n")
    (tmp_path / "folder").mkdir()
    unsupported(tmp_path / "odd.onnx")


GRAY = "--image gray --std 255"
# What is wrong: the command, its exit code, the code of the error, and what the message names.
MISTAKES = {
    "no such model": ("build gone.onnx", 1, "E100", "gone.onnx"),
    "a directory": ("build folder", 1, "E100", "folder"),
    "no known format": ("inspect text.onnx", 1, "E10", "text.onnx"),
    "truncated": ("build broken.onnx", 1, "E102", "broken.onnx"),
    "unsupported operators: the first": ("inspect odd.onnx", 1, "E104", "w1"),
    "unsupported operators: the last": ("inspect odd.onnx", 1, "E104", "f1"),
    "labels of the wrong count": ("build digits.onnx --labels nine.txt", 1, "E108", "9"),
    "no such labels": ("build digits.onnx --labels gone.txt", 1, "E100", "gone.txt"),
    "mean without image": ("build digits.onnx --mean 1", 1, "E107", "--image"),
    "three means for one channel": ("build digits.onnx --image gray --mean 1,2,3", 1, "E107", "--mean"),
    "a std of zero": ("build digits.onnx --image gray --std 0", 1, "E107", "--std"),
    "colour for a grey network": ("build digits.onnx --image rgb", 1, "E107", "channel"),
    "a crop that is not the input": ("build digits.onnx --image gray --crop 5", 1, "E107", "crop"),
    "no such model to predict with": ("predict gone.onnx four.png", 1, "E100", "gone.onnx"),
    "no image options": ("predict digits.onnx four.png", 1, "E107", "--image"),
    "no picture": (f"predict digits.onnx {GRAY} fake.png", 1, "E152", "fake.png"),
    "no such picture": (f"predict digits.onnx {GRAY} gone.png", 1, "E1", "gone.png"),
    "a folder as picture": (f"predict digits.onnx {GRAY} folder", 1, "E1", "folder"),
    "a library that is none": ("predict fake.so four.png", 1, "E150", "fake.so"),
    "no such library": ("predict gone.so four.png", 1, "E1", "gone.so"),
    "wrong shape": ("build digits.onnx --input-shape image=1,3,8,8", 1, "E103", "conv1"),
    "no such input": ("build digits.onnx --input-shape data=1,1,8,8", 1, "E10", "data"),
    "no such output": ("build digits.onnx --output nothing", 1, "E107", "nothing"),
    "a bad prefix": ("build digits.onnx --prefix 1+2", 1, "E1", "prefix"),
    "weights of a one-file format": ("build digits.onnx --weights-from nine.txt", 1, "E107", "nine.txt"),
    "a failing compiler": ("compile bad.c", 1, "E141", "bad.c"),
    "an unknown target": ("compile bad.c --target moon", 1, "E140", "moon"),
    "an unwritable folder": ("build digits.onnx -o /proc/nowhere", 1, "E100", "/proc/nowhere"),
    "a malformed shape": ("build digits.onnx --input-shape image=a,b", 2, "Error", "--input-shape"),
    "an unknown option": ("build digits.onnx --colour", 2, "Error", "--colour"),
    "an unknown command": ("paint", 2, "Error", "paint"),
    "no model": ("build", 2, "Error", "MODEL"),
}


@pytest.mark.usefixtures("wreckage")
@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_answered_in_words(amalgamate, name: str) -> None:
    words, code, kind, said = MISTAKES[name]
    result = amalgamate(*words.split())
    assert result.code == code, result.err
    assert kind in result.err and said in result.err
    assert "Traceback" not in result.err and "internal error" not in result.err
    assert result.out == ""
