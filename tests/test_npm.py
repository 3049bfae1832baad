"""npm packages: their files, their JavaScript in Node, their types under tsc --strict, and bundlers."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import amalgamate as am
import nets
import tools
from amalgamate import cli, packages, toolchains
from amalgamate.packages import npm
from amalgamate.toolchains import wasm
from amalgamate.writers import c_source
from faults import Faulty
from golden_digits import VECTORS, digits
from golden_squeezenet import SCORES, squeezenet, write_photos
from machines import needs_zig
from tools import ROOT, npm_packages, tool

LABELS = [f'digit "{i}"' for i in range(10)]
JS = Path(__file__).parent / "js"


@pytest.fixture(scope="module")
def lenet(tmp_path_factory: pytest.TempPathFactory) -> am.Built:
    tool("emcc")
    needs_zig()
    path = nets.lenet(tmp_path_factory.mktemp("net") / "lenet.onnx")
    return am.build(path, labels=LABELS, image=am.Image("gray", 33.0, 78.0, (28, 28)), weights_as="file")


@pytest.fixture(scope="module")
def project(lenet: am.Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as node_modules/lenet."""
    folder = tmp_path_factory.mktemp("project")
    packages.write(lenet, "npm", folder / "node_modules" / "lenet")
    return folder


def node(*words: str | Path, cwd: Path, **env: str | Path) -> str:
    done = subprocess.run(
        [*tools.node(), *words],
        cwd=cwd,
        env=os.environ | {k: str(v) for k, v in env.items()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


def test_package_holds_its_files(project: Path) -> None:
    folder = project / "node_modules" / "lenet"
    manifest = json.loads((folder / "package.json").read_text())
    names = {path.name for path in folder.iterdir()}
    assert names == {*manifest["files"], "README.md", "package.json"}
    assert names >= {"lenet.mjs", "lenet.d.mts", "lenet.wasm", "lenet.scalar.wasm", "lenet.amg"}
    assert names >= {"lenet.threads.mjs", "lenet.threads.wasm", "lenet.relaxed.wasm", "lenet.relaxed.threads.wasm"}
    assert manifest["exports"]["."].keys() == {"types", "browser", "node", "default"}
    assert next(iter(manifest["exports"]["."])) == "types"
    text = (folder / "README.md").read_text()
    assert 'import { Model } from "lenet"' in text and "lenet.amg" in text


def test_module_has_neither_eval_nor_global_names(project: Path) -> None:
    text = (project / "node_modules" / "lenet" / "lenet.mjs").read_text()
    assert "eval(" not in text and "new Function" not in text and "amalgamate.wasm" not in text
    assert "import {" not in text, "one module"
    code = "const names = () => Object.getOwnPropertyNames(globalThis).length;\n"
    code += "const before = names(); await import('lenet'); console.log(names() - before);\n"
    (project / "globals.mjs").write_text(code)
    assert node("globals.mjs", cwd=project).strip() == "0"


@pytest.fixture(scope="module")
def cases(lenet: am.Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs, and what the native library makes of them."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1, 1, 28, 28)).astype(np.float32)
    rgba = rng.integers(0, 256, (20, 30, 4), np.uint8)
    with am.load(lenet.compile()) as model:
        prob = model.run(None, {"data": x})[0]
        best = [{"label": p.label, "score": float(p.score)} for p in model.classify(rgba, top_k=3)]
    given = {"input": x.ravel().tolist(), "prob": prob.ravel().tolist(), "best": best, "labels": LABELS,
             "rgba": rgba.ravel().tolist(), "width": 30, "height": 20, "arena": lenet.plan.arena_bytes,
             "macs": lenet.plan.graph.macs()}  # fmt: skip
    path = tmp_path_factory.mktemp("cases") / "cases.json"
    path.write_text(json.dumps(given))
    return path


def test_module_in_node(project: Path, cases: Path) -> None:
    node("--test", JS / "package.test.mjs", cwd=project, PACKAGE=project, CASES=cases)


def test_threads_in_node(project: Path, cases: Path) -> None:
    node("--test", JS / "threads.test.mjs", cwd=project, PACKAGE=project, CASES=cases)


def test_threads_in_chromium(project: Path, cases: Path) -> None:
    npm_packages()
    test = JS / "isolation.test.mjs"
    node("--test", test, cwd=project, PACKAGE=project, CASES=cases, CHROMIUM=tool("chromium"))


def deno(*words: str | Path, cwd: Path, **env: str | Path) -> str:
    own = {"DENO_DIR": cwd / "deno", "DENO_NO_UPDATE_CHECK": 1, "NO_COLOR": 1, "CI": 1}
    given = os.environ | {name: str(value) for name, value in (own | env).items()}
    done = subprocess.run([tools.deno(), *words], cwd=cwd, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("file", ["package.test.mjs", "threads.test.mjs"])
def test_module_in_deno(file: str, project: Path, cases: Path) -> None:
    deno("test", "--allow-all", "--no-config", "--no-check", JS / file, cwd=project, PACKAGE=project, CASES=cases)


ONCE = """
import { Model } from "lenet";
const seen = [];
for (const options of [{}, { worker: true }, { threads: 2 }, { worker: true, threads: 2 }]) {
  const model = await Model.create(options);
  const { prob } = await model.run({ data: new Float32Array(784) });
  seen.push(model.threads, prob.length);
  model.dispose();
}
console.log(seen.join());
"""


def test_deno_needs_but_to_read_the_files(project: Path) -> None:
    (project / "package.json").write_text(json.dumps({"type": "module", "dependencies": {"lenet": "file:lenet"}}))
    (project / "once.mjs").write_text(ONCE)
    assert deno("run", "--allow-read", "--no-prompt", "once.mjs", cwd=project).strip() == "1,10,1,10,2,10,2,10"


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of the digit network as node_modules/digits."""
    tool("emcc")
    folder = tmp_path_factory.mktemp("ten")
    packages.write(digits(), "npm", folder / "node_modules" / "digits")
    return folder


def test_golden_vectors(ten: Path) -> None:
    node("--test", JS / "digits.test.mjs", cwd=ten, PACKAGE=ten, GOLDEN=VECTORS)


def test_memory_that_runs_out_at_any_allocation_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    tool("emcc")
    built = Faulty.of(digits())
    packages.write(built, "npm", tmp_path / "node_modules" / "digits")
    (tmp_path / "digits.amg").write_bytes(built.data)
    given = {"PACKAGE": tmp_path, "GOLDEN": VECTORS, "WEIGHTS": tmp_path / "digits.amg"}
    node("--test", JS / "shortage.test.mjs", cwd=tmp_path, **given)


def test_squeezenet_sees_what_it_saw(tmp_path: Path) -> None:
    tool("emcc")
    packages.write(squeezenet(), "npm", tmp_path / "node_modules" / "squeezenet")
    node("--test", JS / "photos.test.mjs", cwd=tmp_path, PACKAGE=tmp_path, SCORES=SCORES, PHOTOS=write_photos(tmp_path))


USE = """
import { Model, ModelError, hasRelaxedSimd, hasSimd, type ErrorCode, type Label, type Prediction } from "lenet";
export async function use(canvas: HTMLCanvasElement, frame: ImageBitmap): Promise<Label> {
  const model = await Model.create({ worker: true, threads: "auto",
    signal: new AbortController().signal, onProgress: (a, b) => { a / b; } });
  const { prob } = await model.run({ data: new Float32Array(784) });
  const sum: number = prob.reduce((a, b) => a + b, 0);
  await model.run({ data: { data: new Float32Array(1568), shape: [2, 1, 28, 28] } }, { transfer: false });
  const best: Prediction[] = await model.classify(canvas, { topK: 3 });
  await model.classify(frame);
  const threads: number = model.threads + (await Model.create({ threads: 2 })).threads;
  const name: "data" | undefined = model.inputs[0]?.name;
  const layers = await model.profile();
  layers[0]?.macs.toFixed(sum + Number(hasSimd()) + Number(hasRelaxedSimd()) + (name?.length ?? threads));
  try { model.dispose(); } catch (error) { if (error instanceof ModelError) { const code: ErrorCode = error.code; throw code; } }
  return best[0]!.label;
}
"""
MISUSES = {
    "input": "model.run({ x: new Float32Array(1) });",
    "type": "model.run({ data: new Float64Array(1) });",
    "missing": "model.run({});",
    "output": "(await model.run({ data: new Float32Array(1) })).y;",
    "label": 'const l: Label = "digit 10";',
    "code": '(new ModelError("DISPOSED", "")).code === "GONE";',
    "option": "Model.create({ thread: 4 });",
    "threads": 'Model.create({ threads: "all" });',
    "construct": "new Model();",
}


def test_types_under_tsc_strict(project: Path) -> None:
    tsc = npm_packages() / "typescript" / "bin" / "tsc"
    (project / "use.ts").write_text(USE)
    for name, line in MISUSES.items():
        head = 'import { Model, ModelError, type Label } from "lenet";\n'
        body = f"export async function misuse(model: Model) {{\n  // @ts-expect-error\n  {line}\n}}\n"
        (project / f"misuse_{name}.ts").write_text(head + body)
    files = sorted(path.name for path in project.glob("*.ts"))
    options = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2022,dom", "--types", ""]
    for resolution in ("nodenext", "bundler"):
        module = "nodenext" if resolution == "nodenext" else "esnext"
        node(tsc, *options, "--module", module, "--moduleResolution", resolution, *files, cwd=project)


HALVES = """
import { readFile } from "node:fs/promises";
import { Model } from "halves";
const { x, amg } = JSON.parse(await readFile("case.json"));
const data = new Float32Array(x), bytes = new Uint8Array(await readFile(amg)), outputs = [];
for (const options of [{}, { weights: bytes }, { worker: true }]) {
  const model = await Model.create(options);
  outputs.push([...(await model.run({ data }, { transfer: false })).prob]);
  if (!outputs[1]) outputs.push(await model.memory());
  model.dispose();
}
bytes[bytes.length - 999] ^= 1;
const damaged = await Model.create({ weights: bytes }).catch((error) => error.code);
console.log(JSON.stringify([...outputs, damaged]));
"""


def test_weights_in_half_precision_expand_over_their_file(lenet: am.Built, tmp_path: Path) -> None:
    tool("emcc")
    path = nets.lenet(tmp_path / "lenet.onnx")
    built = am.build(path, name="halves", weights_as="file", weights_type="float16")
    package = tmp_path / "node_modules" / "halves"
    packages.write(built, "npm", package)
    assert (package / "halves.amg").stat().st_size < 0.51 * len(lenet.data)
    x = np.random.default_rng(8).standard_normal((1, 1, 28, 28)).astype(np.float32)
    (tmp_path / "case.json").write_text(json.dumps({"x": x.ravel().tolist(), "amg": str(package / "halves.amg")}))
    (tmp_path / "use.mjs").write_text(HALVES)
    first, memory, *others, damaged = json.loads(node("use.mjs", cwd=tmp_path))
    with am.load(built.compile()) as model:
        np.testing.assert_allclose([first], model.run(None, {"data": x})[0], atol=1e-6)
    assert others == [first, first] and damaged == "BAD_WEIGHTS"
    assert memory <= built.plan.widened_bytes + built.plan.arena_bytes + (2 << 20)


def test_hostile_names_stay_data(tmp_path: Path) -> None:
    tool("emcc")
    hostile = '"; alert(1) //*/\n`${x}`'
    path = nets.tiny(tmp_path / "net.onnx", name='x*/"y', x=hostile, y="a'b")
    packages.write(am.build(path), "npm", tmp_path / "node_modules" / "bad")
    module = min((tmp_path / "node_modules" / "bad").glob("*.mjs"))
    assert module.with_suffix(".threads.mjs").is_file()
    code = f"""
import {{ Model }} from "./node_modules/bad/{module.name}";
const model = await Model.create(), name = {json.dumps(hostile)};
console.log(model.inputs[0].name === name, (await model.run({{ [name]: new Float32Array([-1, 2, 3, -4, 5]) }}))["a'b"].join());
"""
    (tmp_path / "run.mjs").write_text(code)
    assert node("run.mjs", cwd=tmp_path).strip() == "true 0,2,3,0,5"
    (tmp_path / "use.ts").write_text(
        f'import {{ Model }} from "./node_modules/bad/{module.name}";\n'
        f"export const f = (m: Model) => m.run({{ {json.dumps(hostile)}: new Float32Array(5) }});\n"
    )
    tsc = npm_packages() / "typescript" / "bin" / "tsc"
    options = ["--strict", "--noEmit", "--target", "es2022", "--lib", "es2022,dom", "--types", ""]
    node(tsc, *options, "--module", "esnext", "--moduleResolution", "bundler", "use.ts", cwd=tmp_path)


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tool("emcc")
    needs_zig()
    monkeypatch.chdir(tmp_path)
    words = [
        "package",
        "digits",
        "--as",
        "npm",
        "-o",
        "out",
        "--name",
        "@me/Ten",
        "--package-version",
        "1.2.3",
        "--json",
    ]
    assert cli.run(words) == 0
    files = {Path(f["path"]).name for f in json.loads(capsys.readouterr().out)["files"]}
    code = {"Ten.mjs", "Ten.d.mts", "Ten.threads.mjs", *(f"Ten.{build.suffix}" for build in wasm.BUILDS.values())}
    assert files == {*code, "README.md", "package.json"}
    manifest = json.loads(Path("out/package.json").read_text())
    assert (manifest["name"], manifest["version"]) == ("@me/ten", "1.2.3")
    assert cli.run(["package", "digits", "--as", "nmp"]) == 2
    assert "npm" in capsys.readouterr().err
    assert cli.run(["package", "digits", "--as", "npm", "--package-version", "one"]) == 1
    assert "E107" in capsys.readouterr().err


def test_error_codes_are_the_same_everywhere() -> None:
    """What the JavaScript throws, what the types list, and what the manual explains."""
    thrown: set[str] = set()
    for path in (ROOT / "bindings" / "js").glob("*.mjs"):
        for call in re.findall(r"new ModelError\(([^`]*?)[`,]\s", path.read_text()):
            thrown |= set(re.findall(r'"([A-Z_]+)"', call))
        thrown |= set(re.findall(r'#check\([^;]*"([A-Z_]+)"\)', path.read_text()))
        thrown |= set(re.findall(r'(?:code = |\?\? )"([A-Z_]+)"', path.read_text()))
    assert thrown == set(npm.ERRORS)
    manual = (ROOT / "docs" / "web.md").read_text()
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", manual)) == set(npm.ERRORS)


def test_runtime_with_every_operator_is_small(tmp_path: Path) -> None:
    tool("emcc")
    source = c_source.write(c_source.runtime_pair(), tmp_path)[0]
    assert len(gzip.compress(toolchains.build(source, "wasm").read_bytes(), 9)) <= 80 << 10


def test_digit_model_is_small(tmp_path: Path) -> None:
    """What a page loads of `amalgamate package digits --as npm`: the module with its weights, and the JavaScript."""
    tool("emcc")
    needs_zig()
    assert cli.run(["package", "digits", "--as", "npm", "-o", str(tmp_path), "--quiet"]) == 0
    zipped = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in tmp_path.iterdir()}
    for module in ("digits.wasm", "digits.relaxed.wasm"):
        assert zipped[module] + zipped["digits.mjs"] <= 60_000
