"""What amg.h declares, for languages that cannot read C: constants, structs and functions, each with what it says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from amalgamate.resources import runtime_files

_COMMENT = r"/\*((?:(?!\*/).)*)\*/"


@dataclass(frozen=True)
class Type:
    """`name` with `pointers` stars, what they point to perhaps const; an array of `length` elements where that is given."""

    name: str
    pointers: int = 0
    const: bool = False
    length: str = ""


@dataclass(frozen=True)
class Value:
    """A parameter or a field. A function stands for a pointer to one."""

    name: str
    type: Type | Function
    doc: str = ""


@dataclass(frozen=True)
class Function:
    """A function of the header, or the type of a callback, which has no name."""

    name: str
    result: Type
    parameters: tuple[Value, ...]
    doc: str = ""


@dataclass(frozen=True)
class Struct:
    """A struct; without fields where only pointers to it go around."""

    name: str
    fields: tuple[Value, ...] = ()
    doc: str = ""


@dataclass(frozen=True)
class Constant:
    """A number with a name."""

    name: str
    value: int
    doc: str = ""


@dataclass(frozen=True)
class Header:
    """All of it, in the order of the header."""

    constants: tuple[Constant, ...]
    structs: tuple[Struct, ...]
    functions: tuple[Function, ...]

    def named(self, pattern: str) -> list[tuple[str, Constant]]:
        """The constants whose whole name fits a pattern, each with what its group caught."""
        found = ((re.fullmatch(pattern, constant.name), constant) for constant in self.constants)
        return [(match[1], constant) for match, constant in found if match]


@cache
def header() -> Header:
    """amg.h."""
    text = runtime_files()["amg.h"]
    constants = re.findall(rf"^#define (AMG_\w+) \(?(-?\d+)\)?[ ]*(?:{_COMMENT})?$", text, re.M)
    opaque = re.findall(r"^typedef struct (\w+) \1;", text, re.M)
    structs = re.findall(rf"{_COMMENT}\ntypedef struct (\w+) {{\n(.*?)\n}} \2;", text, re.S)
    functions = re.findall(rf"{_COMMENT}\nAMG_API ([^;]*);", text, re.S)
    return Header(
        tuple(Constant(name, int(value), _prose(doc)) for name, value, doc in constants),
        (
            *(Struct(name) for name in opaque),
            *(Struct(name, _fields(body), _prose(doc)) for doc, name, body in structs),
        ),
        tuple(_function(declared, doc) for doc, declared in functions),
    )


def channels(pixels: str) -> int:
    """Bytes of a pixel of a format, given by the name of its constant: GRAY8, RGBA8."""
    return 1 if pixels == "GRAY8" else len(pixels) - 1


def sentence(doc: str) -> str:
    """What the header says of something, with a capital."""
    return doc[:1].upper() + doc[1:]


def _function(declared: str, doc: str) -> Function:
    match = re.fullmatch(r"(.*?)(\w+)\((.*)\)", declared, re.S)
    assert match, declared
    return Function(match[2], _type(match[1]), _values(match[3]), _prose(doc))


def _fields(body: str) -> tuple[Value, ...]:
    """The fields of a struct: a comment stands above one, or behind it."""
    found = re.findall(rf"(?:{_COMMENT}\s*)?([^;]+);[ ]*(?:{_COMMENT})?\s*", body, re.S)
    return tuple(_value(declared, _prose(above or behind)) for above, declared, behind in found)


def _values(text: str) -> tuple[Value, ...]:
    """Parameters: between commas that are in no parentheses of their own."""
    if text == "void":
        return ()
    return tuple(_value(part) for part in re.split(r",(?![^()]*\))", text))


def _value(text: str, doc: str = "") -> Value:
    text = text.strip()
    if match := re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", text, re.S):
        return Value(match[2], Function("", _type(match[1]), _values(match[3])), doc)
    match = re.fullmatch(r"(.*?)(\w+)(?:\[(\w+)\])?", text, re.S)
    assert match, text
    return Value(match[2], _type(match[1], match[3] or ""), doc)


def _type(text: str, length: str = "") -> Type:
    return Type(text.replace("*", " ").split()[-1], text.count("*"), "const" in text.split(), length)


def _prose(comment: str) -> str:
    """A comment as one line."""
    return re.sub(r"\s*\n[ ]*\*?[ ]*", " ", comment).strip()
