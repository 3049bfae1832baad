"""The JavaScript that loads a network's WebAssembly modules: the files of bindings/js as one ES module, and one for threads."""

from __future__ import annotations

import re

from amalgamate.resources import folder

_REEXPORT = re.compile(r'(?m)^export \{(.*)\} from "[^"]+";$')
_IMPORT = re.compile(r'(?m)^(?:import|export) \{.*\} from "\./([^"]+)";\n')
_COMMENT = re.compile(r"(?ms)^[ \t]*(?://[^\n]*|/\*\*.*?\*/)\n")  # on lines of its own; the types say what users need
# Facts of a package: how engine.mjs has one where it is not so, and where it is.
WEIGHTS = ("WEIGHTS = () => null;", 'WEIGHTS = () => new URL("./amalgamate.amg", import.meta.url);')
HALVES = ("HALVES = false;", "HALVES = true;")
RELAXED = (
    "RELAXED = null;",
    """RELAXED = {
  one: () => new URL("./amalgamate.relaxed.wasm", import.meta.url),
  several: () => new URL("./amalgamate.relaxed.threads.wasm", import.meta.url),
};""",
)


def module(name: str, *, weights: bool, halves: bool, relaxed: bool) -> str:
    """What loads NAME.wasm: one ES module.

    `weights`: whether they are in NAME.amg, and not in the module; `halves`: whether they are in half precision; `relaxed`:
    whether there are NAME.relaxed.wasm and NAME.relaxed.threads.wasm.
    """
    entry = "amalgamate.mjs"
    order: list[str] = []
    texts: dict[str, str] = {}

    def add(file: str) -> None:
        if file in texts:
            return
        text = texts[file] = _read(file)
        for needed in _IMPORT.findall(text):
            add(needed)
        order.append(file)

    add(entry)
    # Only what the entry exports stays exported; names are shared by all files.
    bodies = [re.sub(r"(?m)^export (?=async|function|class|const)", "", texts[file]) for file in order]
    body = "\n".join(_COMMENT.sub("", _IMPORT.sub("", text)).strip() + "\n" for text in bodies)
    public = [name for names in _REEXPORT.findall(texts[entry]) for name in re.findall(r"\w+", names)]
    public += re.findall(r"(?m)^export (?:class|function|const) (\w+)", texts[entry])
    body += f"\nexport {{ {', '.join(sorted(public))} }};\n"
    for (without, instead), holds in ((WEIGHTS, weights), (HALVES, halves), (RELAXED, relaxed)):
        body = body.replace(without, instead) if holds else body
    head = f"// Runs {name}.wasm. The types beside it, or docs/web.md of amalgamate, say how it is used.\n\n"
    return head + _named(body, name)


def threads(name: str, initial: int, maximum: int) -> str:
    """What makes the threads of NAME.threads.wasm, on memory of `initial` to `maximum` pages."""
    pages = f"PAGES = {{ initial: {initial}, maximum: {maximum} }}"
    return _named(re.sub(r"PAGES = \{.*?\}", pages, _read("amalgamate.threads.mjs"), count=1), name)


def texts() -> list[str]:
    """All that the two are made of."""
    return [path.read_text("utf-8") for path in sorted((folder("bindings") / "js").glob("*.mjs"))]


def _read(file: str) -> str:
    return (folder("bindings") / "js" / file).read_text("utf-8")


def _named(text: str, name: str) -> str:
    return re.sub(r"\./amalgamate((\.scalar|\.relaxed|\.threads)*\.(wasm|mjs|amg))", rf"./{name}\1", text)
