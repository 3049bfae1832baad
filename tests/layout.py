"""Where the fields of amg.h's structs lie, as a C compiler has them: what bindings that declare them again must agree with."""

from __future__ import annotations

import subprocess
from pathlib import Path

from amalgamate.packages._header import Struct, header
from tools import tool

STRUCTS: list[Struct] = [struct for struct in header().structs if struct.fields]


def compiled(include: str, folder: Path, prefix: str = "amg") -> list[int]:
    """For each struct its size, then where its fields begin; `include` is the path of the header of a pair."""
    lines = []
    for struct in STRUCTS:
        name = struct.name.replace("amg", prefix, 1)
        lines.append(f"sizeof({name})")
        lines += [f"offsetof({name}, {field.name})" for field in struct.fields]
    prints = "\n".join(f'    printf("%zu\\n", {line});' for line in lines)
    (folder / "layout.c").write_text(
        f'#include "{include}"\n#include <stdio.h>\nint main(void)\n{{\n{prints}\n    return 0;\n}}\n'
    )
    subprocess.run([tool("gcc"), "layout.c", "-o", "layout"], cwd=folder, check=True)
    return [int(word) for word in subprocess.run([folder / "layout"], capture_output=True, check=True).stdout.split()]
