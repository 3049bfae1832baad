"""The pages of `amalgamate demo --web`: their files, the server on loopback, and what people do with them in browsers."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import amalgamate as am
import nets
from amalgamate import cli, web
from amalgamate.web.server import server
from golden_squeezenet import PHOTOS, golden, squeezenet
from machines import needs_zig
from tools import ROOT, node, npm_packages, shared, tool

LABELS = [f"digit {i}" for i in range(10)]
SAMPLES = json.loads((ROOT / "amalgamate" / "data" / "digits_samples.json").read_text())


@pytest.fixture(scope="module")
def lenet(tmp_path_factory: pytest.TempPathFactory) -> am.Built:
    path = nets.lenet(tmp_path_factory.mktemp("net") / "lenet.onnx")
    return am.build(path, labels=LABELS, image=am.Image("gray", mean=33.0, std=78.0, resize=(28, 28)))


@pytest.fixture(scope="module")
def folders(lenet: am.Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of the digits and of LeNet."""
    tool("emcc")
    out = tmp_path_factory.mktemp("pages")
    assert cli.run(["demo", "--web", "--no-serve", "-o", str(out), "--quiet"]) == 0
    web.write(lenet, out / "lenet_web")
    return {"digits": out / "digits_web", "pictures": out / "lenet_web"}


@pytest.fixture(scope="module")
def hosts(folders: dict[str, Path]) -> Iterator[dict[str, ThreadingHTTPServer]]:
    with ExitStack() as stack:
        hosts = {kind: stack.enter_context(server(folder)) for kind, folder in folders.items()}
        for host in hosts.values():
            threading.Thread(target=host.serve_forever, daemon=True).start()
            stack.callback(host.shutdown)
        yield hosts


def pictures(lenet: am.Built, folder: Path) -> list[dict[str, str]]:
    """Two pictures as files, of which the native library sees different classes."""
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, str]] = {}
    with am.load(lenet.compile()) as model:
        for i in range(50):
            pixels = np.kron(rng.integers(0, 256, (4, 4, 3), np.uint8), np.ones((30, 40, 1), np.uint8))
            best = model.classify(pixels, top_k=2)
            if best[0].score - best[1].score > 0.1 and best[0].label not in found:
                path = folder / f"{i}.png"
                Image.fromarray(pixels).save(path)
                encoded = base64.b64encode(path.read_bytes()).decode()
                found[best[0].label] = {"path": str(path), "best": best[0].label, "base64": encoded}
            if len(found) == 2:
                break
    return list(found.values())


def test_pages_in_chromium(lenet: am.Built, hosts: dict[str, ThreadingHTTPServer], tmp_path: Path) -> None:
    npm_packages()
    given = {kind: f"http://127.0.0.1:{host.server_address[1]}/" for kind, host in hosts.items()}
    cases = tmp_path / "cases.json"
    files = pictures(lenet, tmp_path)
    cases.write_text(json.dumps(given | {"files": files, "samples": SAMPLES["labels"], "cases": str(cases)}))
    env = os.environ | {"CASES": str(cases), "CHROMIUM": tool("chromium")}
    words = [*node(), "--test", Path(__file__).parent / "js" / "page.test.mjs"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def test_pages_in_firefox(hosts: dict[str, ThreadingHTTPServer], tmp_path: Path) -> None:
    npm_packages()
    needs_zig()
    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps({kind: f"http://127.0.0.1:{host.server_address[1]}/" for kind, host in hosts.items()}))
    env = os.environ | {"CASES": str(cases), "FIREFOX": tool("firefox-esr")}
    words = [*node(), "--test", Path(__file__).parent / "js" / "firefox.test.mjs"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def test_photos_in_chromium(tmp_path: Path) -> None:
    built = squeezenet()
    tool("emcc")
    npm_packages()
    web.write(built, tmp_path / "page")
    photos = [
        {"path": str(shared(f"data/images/{name}.jpg")), "best": built.plan.graph.labels[int(golden()[name][0])]}
        for name in PHOTOS
    ]
    with server(tmp_path / "page") as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        cases = {"url": f"http://127.0.0.1:{host.server_address[1]}/", "photos": photos}
        (tmp_path / "cases.json").write_text(json.dumps(cases))
        env = os.environ | {"CASES": str(tmp_path / "cases.json"), "CHROMIUM": tool("chromium")}
        words = [*node(), "--test", Path(__file__).parent / "js" / "photos_page.test.mjs"]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
        host.shutdown()
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def get(host: ThreadingHTTPServer, path: str, name: str = "") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", host.server_address[1])
    connection.request("GET", path, headers={"Host": name} if name else {})
    return connection.getresponse()


def test_server_is_for_this_machine_alone(hosts: dict[str, ThreadingHTTPServer]) -> None:
    host = hosts["digits"]
    assert host.server_address[0] == "127.0.0.1"
    page = get(host, "/")
    assert page.status == 200
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert get(host, "/model/digits.wasm").headers["Content-Type"] == "application/wasm"
    assert get(host, "/page.mjs").headers["Content-Type"] == "text/javascript"
    assert get(host, "/", "evil.example:80").status == 403
    assert get(host, "/../../etc/passwd").status == 404


def test_port_that_is_taken(hosts: dict[str, ThreadingHTTPServer], tmp_path: Path) -> None:
    with pytest.raises(am.AmalgamateError, match=r"E100 cannot listen"):
        server(tmp_path, hosts["digits"].server_address[1])


def test_page_is_small_and_plain(folders: dict[str, Path]) -> None:
    for kind, folder in folders.items():
        files = {path.name: path for path in folder.iterdir() if path.is_file()}
        assert {"index.html", "page.css", "page.mjs", "charts.mjs", "offline.js", "icon.svg"} <= set(files)
        assert sum(path.stat().st_size for path in files.values()) < 32 << 10, kind
        text = files["index.html"].read_text()
        assert "wasm-unsafe-eval" in text and "'unsafe-inline'" not in text and " 'unsafe-eval'" not in text
        assert "http" not in text.replace("http-equiv", "")


def test_page_of_a_model_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(am.AmalgamateError, match=r"E107 the page needs a model that takes pictures"):
        web.write(am.build(nets.tiny(tmp_path / "tiny.onnx")), tmp_path)


def test_hostile_names_stay_text(lenet: am.Built, tmp_path: Path) -> None:
    tool("emcc")
    path = nets.lenet(tmp_path / "lenet.onnx")
    name = "<script>alert(1)</script>"
    built = am.build(path, image=am.Image("gray", resize=(28, 28)), name=name)
    web.write(built, tmp_path / "page")
    text = (tmp_path / "page" / "index.html").read_text()
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text


def test_model_goes_with_web(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["demo", "net.onnx"]) == 2
    assert "--web" in capsys.readouterr().err
