"""The Rust package: formatted, linted and tested with cargo."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

import nets
from amalgamate import build, packages, resources
from amalgamate.errors import AmalgamateError
from amalgamate.packages._facts import Fact
from amalgamate.packages._header import header
from amalgamate.packages.rust import crate_name
from golden_digits import VECTORS, digits, vectors
from golden_squeezenet import SCORES, squeezenet, write_photos
from tools import ROOT, absent, snippet, tool

DEBIAN = Path("/usr/share/cargo/registry")  # where Debian's packages of crates lie
HOSTILE = '*/ "]]> \\ {} é\u2028\n``` #['
COMMANDS = {"fmt": "cargo-fmt", "clippy": "cargo-clippy"}  # which are programs of their own


def cargo(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A cargo command. What is compiled is kept for the next run."""
    tool(COMMANDS.get(words[0], "cargo"))
    kept = {"CARGO_TARGET_DIR": str(resources.cache_folder() / "cargo"), "CARGO_INCREMENTAL": "0"}
    return subprocess.run(
        [tool("cargo"), *words],
        cwd=cwd,
        env=os.environ | kept | offline() | env,
        capture_output=True,
        text=True,
        errors="replace",
    )


def offline() -> dict[str, str]:
    """What makes cargo take crates from Debian, where cc is installed from there, so that no test needs a network."""
    if not list(DEBIAN.glob("cc-*")):
        return {}
    home = resources.cache_folder() / "cargo-home"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=home, delete=False) as config:
        config.write(f'[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "{DEBIAN}"\n')
    os.replace(config.name, home / "config.toml")
    return {"CARGO_HOME": str(home)}


def runs(*words: str, cwd: Path) -> str:
    """What a cargo command prints."""
    done = cargo(*words, cwd=cwd)
    assert done.returncode == 0, f"cargo {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def fetched(folder: Path, **env: str) -> None:
    """Makes sure that cargo has the one crate that a package needs."""
    done = cargo("fetch", cwd=folder, **env)
    if "`cc`" in done.stderr:
        absent(f"cargo has no crate cc and cannot fetch it: install librust-cc-dev, or go online.\n{done.stderr}")
    assert done.returncode == 0, done.stderr


def kept(folder: Path) -> Path:
    """The files of `folder` at a place that depends on nothing but them, so that cargo knows them again."""
    files = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    total = hashlib.sha256(repr(files).encode()).hexdigest()[:16]
    place = resources.cache_folder() / "rust" / total
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as made:
            shutil.copytree(folder, Path(made) / total)
            try:
                (Path(made) / total).rename(place)
            except OSError:
                assert place.is_dir()  # another process was first
    return place


def with_tests(folder: Path, *sources: Path) -> Path:
    """Copies tests into a package, and makes a folder for what they read."""
    data = folder / "tests" / "data"
    data.mkdir(parents=True)
    for source in sources:
        shutil.copy(source, folder / "tests")
    return data


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the digit network, with the tests in it."""
    folder = tmp_path_factory.mktemp("rust")
    built = digits()
    packages.write(built, "rust", folder, packages.About("digits", "1.2.3"))
    data = with_tests(folder, *sorted((ROOT / "tests" / "rust").glob("*.rs")))
    (data / "golden.txt").write_bytes(VECTORS.read_bytes())
    (data / "digits.amg").write_bytes(built.data)
    place = kept(folder)
    fetched(place)
    return place


def test_tests_of_the_package_pass(crate: Path) -> None:
    said = runs("test", cwd=crate)
    assert said.count("test result: ok") >= 5 and "golden_vectors ... ok" in said and "ignored; 0" in said


def test_squeezenet_sees_what_it_saw(tmp_path: Path) -> None:
    packages.write(squeezenet(), "rust", tmp_path)
    data = with_tests(tmp_path, ROOT / "tests" / "rust" / "squeezenet" / "photos.rs")
    (data / "squeezenet.txt").write_bytes(SCORES.read_bytes())
    write_photos(data)
    place = kept(tmp_path)
    fetched(place)
    assert "sees_what_it_saw ... ok" in runs("test", cwd=place)


def test_package_is_formatted_and_clippy_has_nothing_to_say(crate: Path) -> None:
    runs("fmt", "--all", "--check", cwd=crate)
    runs("clippy", "--all-targets", "--", "-D", "warnings", cwd=crate)


def test_documentation_has_no_broken_links_and_the_crate_is_small(crate: Path) -> None:
    done = cargo("doc", cwd=crate, RUSTDOCFLAGS="-D warnings")
    assert done.returncode == 0, done.stderr
    runs("package", "--allow-dirty", "--no-verify", cwd=crate / "sys")
    made = resources.cache_folder() / "cargo" / "package" / "digits-sys-1.2.3.crate"
    assert made.stat().st_size < 400_000


def test_example_classifies_a_picture(crate: Path, tmp_path: Path) -> None:
    pixels, _, scores = vectors()
    Image.fromarray(pixels[0]).save(tmp_path / "digit.pgm")
    said = runs("run", "-q", "--example", "run", str(tmp_path / "digit.pgm"), cwd=crate)
    label, score = said.splitlines()[0].split()
    assert int(label) == scores[0].argmax() and abs(float(score) - scores[0].max()) < 1e-3
    assert "this is no .ppm" in cargo("run", "-q", "--example", "run", str(VECTORS), cwd=crate).stderr


def program(folder: Path, main: str, crates: dict[str, Path]) -> Path:
    """A program that uses crates, given by name."""
    (folder / "src").mkdir()
    (folder / "src" / "main.rs").write_text(main)
    needs = "".join(f'{name} = {{ path = "{path}" }}\n' for name, path in crates.items())
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[workspace]\n\n[dependencies]\n{needs}'
    )
    fetched(folder)
    return folder


def test_two_packages_in_one_program_one_with_its_weights_beside(tmp_path: Path) -> None:
    nets.two_in_two_out(tmp_path / "both.onnx")
    packages.write(build(tmp_path / "both.onnx", name="Both_2"), "rust", tmp_path / "both_2")
    weights = build(nets.tiny(tmp_path / "tiny.onnx"), weights_as="file")
    packages.write(weights, "rust", tmp_path / "tiny-net", packages.About("tiny-net"))
    main = """
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let both = both_2::Model::open()?;
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let results = both.run(&[(both_2::INPUT0, x), (both_2::INPUT1, [7.0; 6])])?;
    let rectified = tiny_net::Model::open()?.run(&[(tiny_net::INPUT0, [-1.0, 2.0, -3.0, 4.0, 0.0])])?;
    println!("{:?} {:?} {:?}", results["s"], results["p"], rectified["y"]);
    Ok(())
}
"""
    app = program(tmp_path, main, {"both_2": tmp_path / "both_2", "tiny-net": tmp_path / "tiny-net"})
    assert runs("run", "-q", cwd=app) == (
        "[8.0, 9.0, 10.0, 11.0, 12.0, 13.0] [7.0, 14.0, 21.0, 28.0, 35.0, 42.0] [0.0, 2.0, 0.0, 4.0, 0.0]\n"
    )
    runs("run", "-q", "--example", "run", cwd=tmp_path / "both_2")


def integers(path: Path) -> Path:
    """picked = table[which], [3], and best = argmax(picked), [1], where which holds int64."""
    table = numpy_helper.from_array(np.array([10, 20, 40, 30], np.float32), "table")
    nodes = [
        helper.make_node("Gather", ["table", "which"], ["picked"]),
        helper.make_node("ArgMax", ["picked"], ["best"], axis=0),
    ]
    which = helper.make_tensor_value_info("which", onnx.TensorProto.INT64, [3])
    outputs = [
        helper.make_tensor_value_info("best", onnx.TensorProto.INT64, [1]),
        helper.make_tensor_value_info("picked", onnx.TensorProto.FLOAT, [3]),
    ]
    graph = helper.make_graph(nodes, "integers", [which], outputs, [table])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path


def test_tensors_of_integers(tmp_path: Path) -> None:
    packages.write(build(integers(tmp_path / "integers.onnx")), "rust", tmp_path / "integers")
    main = """
use integers::{Tensor, Values};

fn main() -> integers::Result<()> {
    let model = integers::Model::open()?;
    let results = model.run_tensors(&[(integers::INPUT0, Tensor::new(&[3], vec![3_i64, 2, 0]))])?;
    assert_eq!(results["best"].values, Values::Int64(vec![1]));
    println!("{:?}", results["picked"]);
    let error = model.run(&[(integers::INPUT0, [3.0, 2.0, 0.0])]).unwrap_err();
    assert_eq!(error.code, integers::Code::Shape);
    let mut session = model.session()?;
    session.input_mut(0)?.copy_from_slice(&[1_i64, 3, 1]);
    session.run()?;
    assert_eq!(session.output::<i64>(0)?, [1]);
    assert_eq!(session.output::<f32>(0).unwrap_err().code, integers::Code::Shape);
    Ok(())
}
"""
    app = program(tmp_path, main, {"integers": tmp_path / "integers"})
    assert runs("run", "-q", cwd=app) == "Tensor { shape: [3], values: Float32([30.0, 40.0, 10.0]) }\n"
    runs("run", "-q", "--example", "run", cwd=tmp_path / "integers")
    runs("test", "-q", "--doc", cwd=tmp_path / "integers")


def test_structs_lie_as_in_c(crate: Path, tmp_path: Path) -> None:
    structs = [struct for struct in header().structs if struct.fields]
    names = {struct.name: struct.name.replace("amg_", "digits_") for struct in structs}
    c = [f'printf("%zu\\n", sizeof({names[s.name]}));' for s in structs]
    c += [f'printf("%zu\\n", offsetof({names[s.name]}, {f.name}));' for s in structs for f in s.fields]
    (tmp_path / "layout.c").write_text(
        '#include "digits.h"\n#include <stdio.h>\nint main(void)\n{\n' + "\n".join(c) + "\nreturn 0;\n}\n"
    )
    built = subprocess.run([tool("gcc"), f"-I{crate}/sys", "layout.c", "-o", "layout"], cwd=tmp_path)
    assert built.returncode == 0
    want = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout
    rust = [f'println!("{{}}", std::mem::size_of::<digits_sys::{names[s.name]}>());' for s in structs]
    for s in structs:
        rust.append(f"let s = digits_sys::{names[s.name]}::default(); let at = std::ptr::addr_of!(s) as usize;")
        rust += [f'println!("{{}}", std::ptr::addr_of!(s.{f.name}) as usize - at);' for f in s.fields]
    app = program(tmp_path, "fn main() {\n" + "\n".join(rust) + "\n}\n", {"digits-sys": crate / "sys"})
    assert runs("run", "-q", cwd=app) == want and len(want.split()) > 20


def test_program_in_the_documentation(tmp_path: Path) -> None:
    packages.write(replace(digits(), name="net"), "rust", tmp_path / "net")
    pixels, _, scores = vectors()
    (tmp_path / "cat.rgb").write_bytes(pixels[1].repeat(60, 0).repeat(80, 1).repeat(3).tobytes())
    app = program(tmp_path, snippet("rust.md", "rust"), {"net": tmp_path / "net"})
    assert runs("run", "-q", cwd=app).split()[0] == str(scores[1].argmax())


def test_names_of_the_model_cannot_break_the_package(tmp_path: Path) -> None:
    path = nets.tiny(tmp_path / "t.onnx", name=HOSTILE, x=f"x{HOSTILE}", y=f"y{HOSTILE}")
    packages.write(build(path), "rust", tmp_path / "out", packages.About("hostile"))
    fetched(tmp_path / "out")
    runs("check", "--examples", cwd=tmp_path / "out")


def test_names() -> None:
    cases = {"Digits": "digits", "squeeze-net_v1": "squeeze-net_v1"}
    assert {name: crate_name(name) for name in cases} == cases
    for name in ("", "1net", "a b", "std", "fn", "net!", "é", "proc-macro", "n" * 61):
        with pytest.raises(AmalgamateError, match="E107"):
            crate_name(name)
    assert Fact('a"\\\n\u2028é', "float32", ()).braced == '"a\\u{22}\\u{5c}\\u{a}\\u{2028}\\u{e9}"'


def test_without_a_network_it_says_what_to_do(crate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("test_rust.DEBIAN", tmp_path / "nothing")
    shutil.copytree(crate / "sys", tmp_path / "sys")
    with pytest.raises(BaseException, match="install librust-cc-dev, or go online"):
        fetched(tmp_path / "sys", CARGO_HOME=str(tmp_path / "home"), CARGO_NET_OFFLINE="true")
