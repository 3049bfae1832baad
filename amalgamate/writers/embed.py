"""Bytes as C that compiles fast: 10 MB take gcc a second as string literals, 14 as a list of bytes."""

from __future__ import annotations

import sys
from array import array

ROW = 4032  # bytes per string literal: C99 promises 4095 characters, and 64 divides it
_LINE = 252  # bytes per source line: C99 promises 4095 characters there too, and a byte may take four
_INTS_PER_LINE = 6

# Each byte as it stands in a string literal. '?' is escaped so that no trigraph can form.
_ESCAPED = [chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in range(256)]


def strings(data: bytes) -> tuple[str, str]:
    """(declarator, rows): `data` as an array of string literals of ROW bytes each, the last one padded with zeros."""
    rows = []
    for start in range(0, len(data), ROW):
        row = data[start : start + ROW]
        literals = (row[i : i + _LINE] for i in range(0, len(row), _LINE))
        rows.append("\n".join(f'"{"".join(map(_ESCAPED.__getitem__, part))}"' for part in literals) + ",\n")
    return f"static const char AMG_ALIGNED_64 model_bytes[{len(rows)}][{ROW}]", "".join(rows)


def integers(data: bytes) -> tuple[str, str]:
    """(declarator, list): `data` as little-endian 64-bit integers, for compilers that take no long literals."""
    words = array("Q", data + bytes(-len(data) % 8))
    if sys.byteorder == "big":
        words.byteswap()
    lines = (words[i : i + _INTS_PER_LINE] for i in range(0, len(words), _INTS_PER_LINE))
    text = "".join(f"    {', '.join(f'0x{w:x}u' for w in line)},\n" for line in lines)
    return f"static const uint64_t AMG_ALIGNED_64 model_bytes[{len(words)}]", text
