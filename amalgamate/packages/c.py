"""The C pair as a project: CMake, pkg-config, make, and the layout of libraries that Arduino and PlatformIO expect."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate import toolchains
from amalgamate.packages import About
from amalgamate.packages._facts import facts, put
from amalgamate.templates import render
from amalgamate.toolchains.targets import find, here
from amalgamate.writers import c_source

if TYPE_CHECKING:
    from amalgamate import Built

# Arduino compiles libraries without flags: a microcontroller has no files, threads or profiles.
_ARDUINO = """#if defined(ARDUINO)
#define AMG_NO_FILE
#define AMG_NO_THREADS
#define AMG_NO_PROFILE
#endif
"""


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """The pair in src, and around it what build systems look for. Raises E100."""
    model, name, prefix = facts(built), built.name, built.options.prefix
    pair = built.pair()
    source, header = pair[f"{name}.c"], pair[f"{name}.h"]
    values = {
        "name": name,
        "p": prefix,
        "P": prefix.upper(),
        "version": about.version,
        "title": model.title,
        "lines": model.lines,
        "file": built.options.weights == "file",
        "inputs": list(enumerate(model.inputs)),
        "arena": built.plan.arena_bytes,
        "libraries": bool(about.targets),
        "major": about.version.partition(".")[0],
    }
    files: dict[str, str | bytes] = {
        f"src/{name}.c": _ARDUINO.replace("AMG_", f"{prefix.upper()}_").encode() + source,
        f"src/{name}.h": header,
        "CMakeLists.txt": render("c/CMakeLists.txt.j2", **values),
        "cmake/config.cmake.in": render("c/config.cmake.in.j2", **values),
        f"cmake/{name}.pc.in": render("c/pc.in.j2", **values),
        "Makefile": render("c/Makefile.j2", **values),
        "README.md": render("c/README.md.j2", **values),
        "example/main.c": c_source.example_of(header.decode()),
        "library.properties": _arduino(name, about, model.title),
        "library.json": _platformio(name, about, model.title),
    }
    if f"{name}.amg" in pair:
        files[f"{name}.amg"] = pair[f"{name}.amg"]
    else:  # a sketch has no file to open
        files[f"examples/{name}/{name}.ino"] = render("c/sketch.ino.j2", **values)
    return put(out, files | _libraries(built, about))


def _libraries(built: Built, about: About) -> dict[str, str | bytes]:
    """Shared libraries for the targets that were asked for, under their names of the interface's version."""
    major = about.version.partition(".")[0]
    found: dict[str, str | bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = next(path for path in c_source.write(built.pair(), folder) if path.suffix == ".c")
        for name in about.targets:
            target = here() if name == "native" else find(name)
            artifact = Path(folder) / target.file(built.name, major)
            flags = [*toolchains.exports(source, target), *target.naming(artifact.name)]
            toolchains.library([source], name, artifact, flags)
            for path in (artifact, artifact.with_suffix(".lib")):
                if path.is_file():
                    found[f"lib/{target.name}/{path.name}"] = path.read_bytes()
    return found


def _arduino(name: str, about: About, title: str) -> str:
    facts = {
        "name": name,
        "version": about.version,
        "author": "amalgamate",
        "maintainer": "amalgamate",
        "sentence": f"{title}, a neural network.",
        "paragraph": "All of it in one C file.",
        "category": "Data Processing",
        "url": "",
        "architectures": "*",
        "includes": f"{name}.h",
    }
    return "".join(f"{key}={value}\n" for key, value in facts.items())


def _platformio(name: str, about: About, title: str) -> str:
    manifest = {
        "name": name,
        "version": about.version,
        "description": f"{title}, a neural network in one C file",
        "license": "MIT-0",
        "frameworks": "*",
        "platforms": "*",
        "headers": f"{name}.h",
        "build": {"srcFilter": f"+<{name}.c>"},
    }
    return json.dumps(manifest, indent=2) + "\n"
