"""C files -> one C file. Knows C's preprocessor a little, and nothing of models.

Rules for the files: internal includes are quoted, named from the root, and stand at the top, outside any #if. A header
is inlined once, where it is first named; an .inc each time. What the system provides is included once, at the top,
unless the include stands in a condition, where it stays. Feature-test macros (_POSIX_C_SOURCE) go before all of it, from
conditions too, since a later definition would come too late.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from amalgamate.errors import AmalgamateError

_COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|/\*.*?\*/|//[^\n]*', re.S)
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(\w+)[ \t]*(.*?)[ \t]*$")
_GUARD = re.compile(r"\s*#[ \t]*ifndef[ \t]+(\w+)\s*\n\s*#[ \t]*define[ \t]+\1[ \t]*\n")
_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[A-Za-z_]\w*', re.S)
_NAME = re.compile(r"(?<!\w)(amg|AMG)(?=_)")


def amalgamate(
    files: Mapping[str, str], manifest: Sequence[str], *, external: Mapping[str, str] | None = None, lines: bool = False
) -> str:
    """One translation unit of the .c files of `manifest`, in that order; `files` holds the text of all files by name.

    Other names in the manifest must be reached from them. `external` maps headers that stay files of their own to the
    names under which the result includes them. With `lines`, #line directives lead a debugger to the original files.
    Raises E130 (unknown include, or one that would be lost), E131 (cycle), E132 (a file of the manifest that nothing uses).
    """
    unit = _Unit(files, external or {}, lines)
    for name in manifest:
        if name.endswith(".c"):
            unit.inline(name)
    if unused := [name for name in manifest if name not in unit.inlined and name not in (external or {})]:
        raise AmalgamateError("E132", f"nothing includes {', '.join(unused)}", "", "Include it or delete it")
    return unit.text()


class _Unit:
    """The growing translation unit."""

    def __init__(self, files: Mapping[str, str], external: Mapping[str, str], lines: bool) -> None:
        self.files, self.external, self.lines = files, external, lines
        self.inlined: dict[str, tuple[str, ...]] = {}  # file -> the conditions that it stands in
        self.stack: list[str] = []
        self.conditions: list[str] = []
        self.system: set[str] = set()
        self.features: dict[str, str] = {}  # feature-test macros must precede every system header
        self.externals: set[str] = set()
        self.out: list[str] = []

    def inline(self, name: str) -> None:
        """Appends a file with what it includes; an .inc that stands there already without comments and blank lines."""
        again = name in self.inlined and not self.lines
        self.stack.append(name)
        self.inlined[name] = tuple(self.conditions)
        depth = len(self.conditions)
        self.out.append(f"/* begin {name} */")
        text = self.files[name]
        bare = _COMMENT.sub(lambda m: m[1] or re.sub(r"[^\n]", " ", m[0]), text)
        guarded = _guard_lines(bare) if name.endswith(".h") else set()
        resync = True
        for number, (line, code) in enumerate(zip(text.splitlines(), bare.splitlines(), strict=True), 1):
            directive = _DIRECTIVE.match(code)
            if number in guarded or (directive and self.directive(directive[1], directive[2], line, depth)):
                resync = True
                continue
            if self.lines and resync:
                self.out.append(f'#line {number} "{name}"')
            resync = False
            if not again or code.strip():
                self.out.append((code if again else line).rstrip())
        if len(self.conditions) != depth:
            self.fail(f"{name} leaves an #if open", "Close it")
        self.out.append(f"/* end {name} */")
        self.stack.pop()

    def directive(self, word: str, rest: str, line: str, depth: int) -> bool:
        """Follows conditions and includes; True if the line has been dealt with and is not to be copied."""
        if word in ("if", "ifdef", "ifndef"):
            self.conditions.append(f"{word} {rest}")
        elif word in ("else", "elif"):
            self.conditions[-1:] = [f"{self.conditions[-1]}, {word} {rest}"]
        elif word == "endif":
            if len(self.conditions) <= depth:
                self.fail("#endif without #if", "Remove it")
            self.conditions.pop()
        elif word == "define" and re.match(r"_[A-Z]\w*_SOURCE\b", rest):
            self.features.setdefault(rest.split()[0], line.strip())
            return True
        elif word == "include" and rest.startswith("<"):
            if not self.conditions:
                self.system.add(rest)
                return True
        elif word == "include":
            self.include(rest.strip('"'))
            return True
        return False

    def include(self, name: str) -> None:
        """Inlines a quoted include, unless it is a header that is there already."""
        if name in self.external:
            self.externals.add(self.external[name])
        elif name not in self.files:
            close = get_close_matches(name, self.files, 1)
            self.fail(
                f'unknown include "{name}"',
                f'Write "{close[0]}"' if close else "Add the file, or name it from the root",
            )
        elif name in self.stack:
            chain = " -> ".join([*self.stack[self.stack.index(name) :], name])
            raise AmalgamateError(
                "E131", f"files include each other: {chain}", "", "Move what both need into a third file"
            )
        elif name.endswith(".h") and name in self.inlined:
            within = self.inlined[name]
            if within != tuple(self.conditions[: len(within)]):
                self.fail(f'"{name}" was first included inside #{within[-1]}', "Include it outside any #if")
        else:
            self.inline(name)

    def fail(self, what: str, fix: str) -> None:
        raise AmalgamateError("E130", what, self.stack[-1], fix)

    def text(self) -> str:
        """The unit: feature-test macros, includes, then everything inlined; without runs of blank lines."""
        top = [f"#ifndef {name}\n{line}\n#endif" for name, line in sorted(self.features.items())]
        top += [f'#include "{name}"' for name in sorted(self.externals)] + [""]
        top += [f"#include {name}" for name in sorted(self.system)] + [""]
        text = "\n".join(top + self.out) + "\n"
        return text if self.lines else re.sub(r"\n{3,}", "\n\n", re.sub(r"(/\* begin [^\n]* \*/\n)\n+", r"\1", text))


def _guard_lines(bare: str) -> set[int]:
    """The line numbers of a header's include guard; empty if it has none."""
    match = _GUARD.match(bare)
    if not match:
        return set()
    first = bare[: match.end()].count("\n") - 1
    last = max(i for i, line in enumerate(bare.splitlines(), 1) if re.match(r"\s*#\s*endif", line))
    return {first, first + 1, last}


def rename(text: str, prefix: str) -> str:
    """Every identifier amg_X as PREFIX_X and AMG_X as PREFIX_X in capitals, also in comments; string literals stay."""
    if prefix == "amg":
        return text
    if not re.fullmatch(r"[A-Za-z]\w*", prefix, re.A):
        raise AmalgamateError("E107", f"prefix '{prefix}' is not a C identifier", "--prefix", "Use letters and digits")
    to = {"amg": prefix, "AMG": prefix.upper()}
    return _TOKEN.sub(lambda m: m[0] if m[0][0] in "\"'" else _NAME.sub(lambda n: to[n[1]], m[0]), text)


def digest(inputs: Mapping[str, str | bytes], options: Iterable[str] = ()) -> str:
    """The SHA-256 of named inputs and options, in hexadecimal; the order of the inputs does not matter."""
    total = hashlib.sha256()
    for name, data in sorted(inputs.items()):
        raw = data.encode() if isinstance(data, str) else data
        total.update(f"{name}\0{len(raw)}\0".encode() + raw)
    for option in options:
        total.update(f"{option}\0".encode())
    return total.hexdigest()
