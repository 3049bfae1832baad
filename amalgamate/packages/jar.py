"""Java: a jar with the classes and native libraries, its sources, javadoc and pom."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.packages import About, _zip
from amalgamate.packages._facts import put
from amalgamate.packages._java import Project, project, tree
from amalgamate.templates import render
from amalgamate.toolchains import java
from amalgamate.toolchains.targets import find, here

if TYPE_CHECKING:
    from amalgamate import Built


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """NAME-VERSION.jar, -sources.jar, -javadoc.jar and .pom. Raises E107, E140, E141."""
    made = project(built, about)
    pom = render("jar/pom.xml.j2", **made.values)
    manifest = (
        "Manifest-Version: 1.0",
        f"Automatic-Module-Name: {made.package}",
        f"Implementation-Version: {about.version}",
    )
    head = {
        "META-INF/MANIFEST.MF": "".join(f"{line}\r\n" for line in (*manifest, "")).encode(),
        f"META-INF/maven/{made.group}/{made.artifact}/pom.xml": pom.encode(),
    }
    sources = {name: text.encode() for name, text in made.sources.items()}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        classes = made.classes(scratch)
        java.javadoc(sorted((scratch / "src").rglob("*.java")), scratch / "pages")
        pages = tree(scratch / "pages")
        natives = _natives(made, about.targets or ("native",), scratch)
    jars = [
        _zip.write(out / f"{made.stem}.jar", {**head, **classes, **natives, **made.weights}),
        _zip.write(out / f"{made.stem}-sources.jar", {**head, **sources}),
        _zip.write(out / f"{made.stem}-javadoc.jar", {**head, **pages}),
    ]
    platforms = ", ".join(name.split("/")[1] for name in natives)
    readme = render("jar/README.md.j2", **made.values, platforms=platforms)
    return [*jars, *put(out, {f"{made.stem}.pom": pom, "README.md": readme})]


def _natives(made: Project, names: Sequence[str], scratch: Path) -> dict[str, bytes]:
    """The libraries for targets, by their place in the jar."""
    sources = [path for path in put(scratch / "c", {**made.c()}) if path.suffix == ".c"]
    found = {}
    for name in names:
        target = here() if name == "native" else find(name)
        library = java.library(sources, name, scratch / target.file(made.library), made.defines)
        found[f"native/{target.name}/{library.name}"] = library.read_bytes()
    return found
