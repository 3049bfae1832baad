"""What is read of amg.h for other languages: written as C again, a compiler finds it to be the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from amalgamate.packages._header import Function, Type, Value, header
from amalgamate.resources import folder, runtime_files
from layout import compiled
from tools import tool


def declared(value: Value) -> str:
    if isinstance(value.type, Function):
        return f"{as_c(value.type.result)}(*{value.name})({parameters(value.type)})"
    return as_c(value.type) + value.name + (f"[{value.type.length}]" if value.type.length else "")


def parameters(function: Function) -> str:
    return ", ".join(map(declared, function.parameters)) or "void"


def as_c(type: Type) -> str:
    return f"{'const ' if type.const else ''}{type.name} {'*' * type.pointers}"


def test_declarations_are_those_of_the_header(tmp_path: Path) -> None:
    api = header()
    lines = ['#include "amg.h"', "#define SAME(a, b) _Static_assert(_Generic((a), b: 1, default: 0), #a)"]
    lines += [f"{as_c(f.result)}{f.name}({parameters(f)});" for f in api.functions]
    lines += [f'_Static_assert({c.name} == {c.value}, "{c.name}");' for c in api.constants]
    for struct in api.structs:
        for field in struct.fields:
            plain = Value("", field.type) if not (isinstance(field.type, Type) and field.type.length) else None
            if plain:
                lines.append(f"SAME((({struct.name} *)0)->{field.name}, {declared(plain)});")
    (tmp_path / "again.c").write_text("\n".join(lines) + "\n")
    command = [tool("gcc"), "-std=c11", "-Wall", "-Werror", "-I", str(folder("runtime_src")), "-c", "again.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_of_the_header_is_left_out(tmp_path: Path) -> None:
    api, text = header(), runtime_files()["amg.h"]
    assert len(api.functions) == len(re.findall(r"^AMG_API", text, re.M)) and all(f.doc for f in api.functions)
    assert len(api.constants) == len(re.findall(r"^#define AMG_\w+ \(?-?\d", text, re.M))
    assert [s.name for s in api.structs if s.fields] == re.findall(r"^typedef struct (\w+) \{", text, re.M)
    laid = compiled(str(folder("runtime_src") / "amg.h"), tmp_path)
    assert len(laid) == sum(1 + len(s.fields) for s in api.structs if s.fields)
    bodies = re.findall(r"^typedef struct \w+ \{\n(.*?)\n\}", re.sub(r"/\*.*?\*/", "", text, flags=re.S), re.M | re.S)
    assert sum(body.count(";") for body in bodies) == sum(len(s.fields) for s in api.structs)
