"""A Python wheel: the compiled pair, and the one-file predictor that loads it. It needs no compiler and no other package."""

from __future__ import annotations

import base64
import hashlib
import keyword
import re
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate import toolchains
from amalgamate.errors import AmalgamateError
from amalgamate.packages import About, _zip
from amalgamate.packages._facts import Facts, facts
from amalgamate.resources import folder, version
from amalgamate.templates import render
from amalgamate.toolchains.targets import find

if TYPE_CHECKING:
    from amalgamate import Built

_GLIBC = 17  # the oldest 2.x for which a tag makes sense


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """NAME-VERSION-py3-none-PLATFORM.whl for each target. Raises E107, E140, E141."""
    return [_wheel(built, about, target, out) for target in about.targets or ("native",)]


def _wheel(built: Built, about: About, target: str, out: Path) -> Path:
    package = package_name(about.name)
    model = facts(built)
    values = {
        "package": package,
        "name": built.name,
        "title": model.title.replace('"', "'"),
        "lines": model.lines,
        "image": model.image,
        "version": version(),
        "about_version": about.version,
        "inputs": list(enumerate(model.inputs)),
    }
    library = toolchains.cached(built.pair(), target)
    binary = library.read_bytes()
    files = {
        f"{package}/__init__.py": render("wheel/init.py.j2", **values).encode(),
        f"{package}/_amalgamated.py": (folder("bindings") / "python" / "amalgamated.py").read_bytes(),
        f"{package}/py.typed": b"",
        f"{package}/{built.name}{library.suffix}": binary,
    }
    if built.options.weights == "file":
        files[f"{package}/{built.name}.amg"] = built.data
    tag = f"py3-none-{platform(binary) if target == 'native' else find(target).wheel}"
    info = f"{package}-{about.version}.dist-info"
    files[f"{info}/METADATA"] = _metadata(about, model, package).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: amalgamate {version()}\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    )
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD").encode()
    path = out / f"{package}-{about.version}-{tag}.whl"
    return _zip.write(path, files)


def package_name(name: str) -> str:
    """The name under which Python imports a model. Raises E107 where there is none."""
    package = re.sub(r"[-_.]+", "_", name).lower()
    if not re.fullmatch(r"[a-z]\w*", package, re.A) or keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise AmalgamateError("E107", f"'{name}' is no name for a Python package", "--name", "Use letters and dashes")
    return package


def platform(binary: bytes) -> str:
    """The platform tag of a library made for this machine: on Linux with the oldest glibc that has what it uses."""
    tag = re.sub(r"[-.]", "_", sysconfig.get_platform())
    versions = [int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?=[.\0])", binary)]
    if tag.startswith("linux_") and versions:
        return f"manylinux_2_{max(_GLIBC, *versions)}_{tag.removeprefix('linux_')}"
    return tag


def _metadata(about: About, model: Facts, package: str) -> str:
    lines = "\n".join(f"    {line}" for line in model.lines)
    call = '\n        model.classify("picture.jpg", top_k=5)' if model.image else ""
    return f"""Metadata-Version: 2.1
Name: {package.replace("_", "-")}
Version: {about.version}
Summary: {model.title}, a neural network compiled for Python
Requires-Python: >=3.10
Description-Content-Type: text/markdown

{model.title}: no dependencies; results are NumPy arrays where NumPy is installed, and pictures are read where Pillow is.

{lines}

    import {package}
    with {package}.Model() as model:{call}
        results = model.run(None, {{{", ".join(f"{fact.quoted}: x{i}" for i, fact in enumerate(model.inputs))}}})
"""


def _record(files: Mapping[str, bytes], itself: str) -> str:
    rows = []
    for name, data in files.items():
        total = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={total},{len(data)}\n")
    return "".join(rows) + f"{itself},,\n"
