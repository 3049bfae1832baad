"""The amalgamator: one file of many, with every mistake named and the same bytes each time."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from amalgamate.amalgamator import amalgamate, digest, rename
from amalgamate.errors import AmalgamateError
from tools import tool

A_H = "#ifndef A_H\n#define A_H\n#include <stdint.h>\nextern int32_t a;\n#endif\n"
FILES = {
    "a.h": A_H,
    "b.h": '#ifndef B_H\n#define B_H\n#include "a.h"\nextern int32_t b;\n#endif\n',
    "a.c": '/* a.c - a. */\n#include "a.h"\n#include "b.h"\n\n#include <string.h>\n\nint32_t a = 1;\n',
    "b.c": '#include "b.h"\nint32_t b = 2;\n',
}


def error(code: str, files: dict[str, str], manifest: list[str]) -> AmalgamateError:
    with pytest.raises(AmalgamateError) as caught:
        amalgamate(files, manifest)
    assert caught.value.code == code
    assert caught.value.fix
    return caught.value


def test_headers_come_once_and_system_headers_first() -> None:
    text = amalgamate(FILES, ["a.c", "b.c", "a.h", "b.h"])
    assert text.startswith("\n#include <stdint.h>\n#include <string.h>\n")
    assert text.count("extern int32_t a;") == 1
    assert (
        text.index("/* begin a.h */")
        < text.index("/* begin b.h */")
        < text.index("int32_t a = 1")
        < text.index("int32_t b = 2")
    )
    assert text.index("extern int32_t b;") < text.index("/* end b.h */")
    assert '#include "' not in text and "#ifndef" not in text


def test_result_compiles_alone(tmp_path: Path) -> None:
    source = tmp_path / "all.c"
    source.write_text(amalgamate(FILES, ["a.c", "b.c"], lines=True))
    subprocess.run([tool("gcc"), "-std=c99", "-Wall", "-Werror", "-c", source, "-o", tmp_path / "all.o"], check=True)


def test_inc_comes_each_time() -> None:
    files = {
        "x.inc": "FN(x)\n",
        "main.c": '#define FN(n) int n##1;\n#include "x.inc"\n#undef FN\n#define FN(n) int n##2;\n#include "x.inc"\n',
    }
    assert amalgamate(files, ["main.c", "x.inc"]).count("FN(x)") == 2


def test_line_directives_name_the_original_lines(tmp_path: Path) -> None:
    files = FILES | {"b.c": '#include "b.h"\n\n\nint32_t b = wrong;\n'}
    source = tmp_path / "all.c"
    source.write_text(amalgamate(files, ["a.c", "b.c"], lines=True))
    result = subprocess.run([tool("gcc"), "-fsyntax-only", source], capture_output=True, text=True)
    assert re.search(r"^b\.c:4:", result.stderr, re.M), result.stderr


def test_external_header_stays_outside() -> None:
    text = amalgamate(FILES, ["a.c", "b.c"], external={"a.h": "net.h"})
    assert text.count('#include "net.h"') == 1 and "extern int32_t a;" not in text


def test_conditional_system_include_stays_where_it_is() -> None:
    files = {
        "v.h": "#ifndef V\n#define V\n#include <immintrin.h>\n#endif\n",
        "m.c": '#if X86\n#include "v.h"\n#endif\nint m;\n',
    }
    text = amalgamate(files, ["m.c"])
    assert text.index("#if X86") < text.index("#include <immintrin.h>") < text.index("#endif")


def test_feature_macros_precede_system_headers() -> None:
    source = "#ifndef NO_CLOCK\n#define _POSIX_C_SOURCE 200809L\n#endif\n#include <time.h>\n"
    text = amalgamate({"a.c": "#include <stdint.h>\n", "m.c": source}, ["a.c", "m.c"])
    assert text.index("_POSIX_C_SOURCE 200809L") < text.index("<stdint.h>") < text.index("<time.h>")


def test_include_in_a_comment_or_string_is_text() -> None:
    files = {
        "m.c": '/*\n#include "nothing.h"\n*/\nconst char *s = "/*";\n#include "a.h"\nconst char *t = "*/";\n',
        "a.h": A_H,
    }
    text = amalgamate(files, ["m.c"])
    assert '#include "nothing.h"' in text and '#include "a.h"' not in text


def test_unknown_include_is_named_with_the_nearest() -> None:
    found = error("E130", FILES | {"b.c": '#include "bb.h"\n'}, ["a.c", "b.c"])
    assert "bb.h" in found.what and found.where == "b.c" and "b.h" in found.fix


def test_cycle_is_shown() -> None:
    files = {"a.h": '#include "b.h"\n', "b.h": '#include "a.h"\n', "m.c": '#include "a.h"\n'}
    assert "a.h -> b.h -> a.h" in error("E131", files, ["m.c"]).what


def test_unused_file_is_named() -> None:
    assert "b.h" in error("E132", {"b.h": "", "m.c": "int m;\n"}, ["m.c", "b.h"]).what


def test_header_lost_in_a_condition_is_refused() -> None:
    files = {"a.h": A_H, "m.c": '#if X\n#include "a.h"\n#endif\n', "n.c": '#include "a.h"\n'}
    assert "inside #if X" in error("E130", files, ["m.c", "n.c"]).what


@pytest.mark.parametrize("text", ["#if X\n", "#endif\n"])
def test_unbalanced_condition_is_refused(text: str) -> None:
    error("E130", {"m.c": text}, ["m.c"])


def test_rename_takes_identifiers_alone() -> None:
    text = 'int amg_run(AMG_T x, namg_y, amg_); /* amg_open, don\'t */ s = "amg_open \\" amg"; // AMG_API\n#define K(n) amg_##n\n'
    assert rename(text, "net") == (
        'int net_run(NET_T x, namg_y, net_); /* net_open, don\'t */ s = "amg_open \\" amg"; // NET_API\n#define K(n) net_##n\n'
    )
    assert rename(text, "amg") == text


@pytest.mark.parametrize("prefix", ["", "1a", "a-b", "a b", "é", "a\n", "_a"])
def test_rename_refuses_what_is_no_identifier(prefix: str) -> None:
    with pytest.raises(AmalgamateError, match="E107"):
        rename("", prefix)


def test_digest_depends_on_names_contents_and_options() -> None:
    digests = {
        digest({"a": "1"}),
        digest({"a": b"2"}),
        digest({"b": "1"}),
        digest({"a": "1"}, ["x"]),
        digest({"a": "1", "b": ""}),
    }
    assert len(digests) == 5 and digest({"a": "1", "b": "2"}) == digest({"b": "2", "a": "1"})


def test_an_inc_that_stands_there_again_leaves_its_comments_behind() -> None:
    files = {"a.c": '#include "k.inc"\n#include "k.inc"\nint a;\n', "k.inc": "/* why */\n\nint k; /* what */\n"}
    text = amalgamate(files, ["a.c"])
    assert text.count("int k;") == 2 and text.count("why") == text.count("what") == 1
