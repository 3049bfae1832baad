"""The examples for the web: a plain page, Vite with TypeScript, Node; and esbuild, each as its README says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from amalgamate import cli
from amalgamate.web.server import server
from tools import ROOT, node, npm_packages, tool

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the digit network."""
    tool("emcc")
    folder = tmp_path_factory.mktemp("package") / "digits"
    assert cli.run(["package", "digits", "--as", "npm", "-o", str(folder), "--quiet"]) == 0
    return folder


def checkout(name: str, digits: Path, folder: Path, at: str = "node_modules/digits") -> Path:
    """An example with the package where its README puts it, and with the npm packages of the tests."""
    place = folder / name
    shutil.copytree(EXAMPLES / name, place, ignore=shutil.ignore_patterns("node_modules", "digits", "dist"))
    shutil.copytree(digits, place / at)
    if at.startswith("node_modules"):
        for package in npm_packages().iterdir():
            (place / "node_modules" / package.name).symlink_to(package)
    return place


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_node(digits: Path, tmp_path: Path) -> None:
    place = checkout("node", digits, tmp_path)
    assert run(*node(), "main.mjs", cwd=place).startswith("1 (")


def vite_project(digits: Path, folder: Path, options: str) -> Path:
    """The example for Vite, with other options than its own where some are given: then it shows the number of threads."""
    place = checkout("web-vite-ts", digits, folder)
    main = place / "src" / "main.ts"
    text = main.read_text()
    assert "Model.create({ worker: true })" in text and "toFixed(0)}%)`" in text
    if options:
        text = text.replace("Model.create({ worker: true })", f"Model.create({options})")
        main.write_text(text.replace("toFixed(0)}%)`", "toFixed(0)}%) on ${model.threads}`"))
    return place


def bundled_by_vite(digits: Path, folder: Path, options: str = "") -> Path:
    place = vite_project(digits, folder, options)
    run(tool("npm"), "run", "build", cwd=place)
    return place / "dist"


def bundled_by_esbuild(digits: Path, folder: Path, options: str = "") -> Path:
    """The bundle beside a copy of the package's files, as the package's README says."""
    place = vite_project(digits, folder / "esbuild", options)
    binary = npm_packages() / "esbuild" / "bin" / "esbuild"
    options = ["--bundle", "--format=esm", "--target=es2022", "--outfile=out/main.js"]
    run(tool("node"), binary, "src/main.ts", *options, cwd=place)
    for path in digits.iterdir():
        if path.suffix in (".mjs", ".wasm"):
            shutil.copy(path, place / "out")
    page = (place / "index.html").read_text()
    (place / "out" / "index.html").write_text(page.replace("/src/main.ts", "main.js"))
    return place / "out"


def test_pages(digits: Path, tmp_path: Path) -> None:
    folders = {
        "web-plain": (checkout("web-plain", digits, tmp_path, "digits"), r"^1 \(\d+%\)$"),
        "web-vite-ts": (bundled_by_vite(digits, tmp_path), r"^one \(\d+%\)$"),
        "esbuild": (bundled_by_esbuild(digits, tmp_path), r"^one \(\d+%\)$"),
    }
    for options in ("{ threads: 2 }", "{ threads: 2, worker: true }"):
        place = tmp_path / re.sub(r"\W+", "_", options)
        folders[f"web-vite-ts {options}"] = (bundled_by_vite(digits, place, options), r"^one \(\d+%\) on 2$")
        folders[f"esbuild {options}"] = (bundled_by_esbuild(digits, place, options), r"^one \(\d+%\) on 2$")
    with ExitStack() as stack:
        cases = {}
        for name, (folder, answer) in folders.items():
            host = stack.enter_context(server(folder))
            threading.Thread(target=host.serve_forever, daemon=True).start()
            stack.callback(host.shutdown)
            cases[name] = {"url": f"http://127.0.0.1:{host.server_address[1]}/", "answer": answer}
        (tmp_path / "cases.json").write_text(json.dumps(cases))
        env = os.environ | {"CASES": str(tmp_path / "cases.json"), "CHROMIUM": tool("chromium")}
        words = [tool("node"), "--test", Path(__file__).parent / "js" / "examples.test.mjs"]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
