"""Protocol buffers' text format, without a schema: `parse(text)` gives dicts of lists, as `prototxt` files are written.

Follows the specification at protobuf.dev/reference/protobuf/textformat-spec: comments, `{ }` or `< >`, `:` optional
before a message, adjacent strings joined, escapes, hexadecimal and octal integers, floats with an `f`, lists
`[a, b]`, and `,` or `;` between fields. Extension names and `Any` are not read. Every fault is E102 at file:line:column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn, Union

from amalgamate.errors import AmalgamateError

MAX_DEPTH = 100  # messages inside messages, the limit of protobuf's own parsers
MAX_DIGITS = 64  # characters of a number


class Name(str):
    """A bare word: an enumerator, `true`, `inf`. Tells `type: DATA` from `type: "Data"`."""


Value = Union[int, float, str, "Message"]
Message = dict[str, list[Value]]  # a field that is given once is a list of one

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n\f\v]+ | \#[^\n]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<hex>0[xX][0-9A-Fa-f]+(?![A-Za-z0-9_.]))
      | (?P<float>(?: (?: [0-9]+\.[0-9]* | \.[0-9]+ )(?:[eE][+-]?[0-9]+)?[fF]?
                    | [0-9]+(?:[eE][+-]?[0-9]+[fF]? | [fF]) )(?![A-Za-z0-9_.]))
      | (?P<int>[0-9]+(?![A-Za-z0-9_.]))
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*" | '(?:[^'\\\n]|\\[^\n])*')
      | (?P<symbol>[{}<>\[\]:;,./-])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"?])|([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL
)
_SINGLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34, "?": 63}
_CLOSING = {"{": "}", "<": ">"}


@dataclass
class _Token:
    kind: str  # name, hex, float, int, string, symbol, end
    text: str
    at: int  # offset into the text


@dataclass
class _Parser:
    text: str
    where: str
    tokens: list[_Token] = field(default_factory=list)
    next: int = 0

    def fail(self, what: str, at: int) -> NoReturn:
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        raise AmalgamateError("E102", what, f"{self.where}:{line}:{column}")

    def tokenise(self) -> None:
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                self.fail(self._unreadable(at), at)
            kind = match.lastgroup or ""
            if kind != "skip":
                self.tokens.append(_Token(kind, match.group(), at))
            at = match.end()
        self.tokens.append(_Token("end", "the end of the file", at))

    def _unreadable(self, at: int) -> str:
        char = self.text[at]
        if char in "\"'":
            return "the string is not closed on its line"
        if char.isascii() and char.isdigit():
            return "the number is not written as numbers are"
        return f"unexpected character {char!r}" if char.isprintable() else f"unexpected byte or character {char!a}"

    # -- grammar ----------------------------------------------------------------------------------------------------

    def take(self) -> _Token:
        token = self.tokens[self.next]
        self.next += token.kind != "end"
        return token

    def accept(self, *symbols: str) -> str:
        """The next token's text if it is one of `symbols`, which is then consumed; else ''."""
        token = self.tokens[self.next]
        if token.kind == "symbol" and token.text in symbols:
            self.next += 1
            return token.text
        return ""

    def message(self, closing: str, depth: int) -> Message:
        """Fields up to `closing`, which is consumed; '' stands for the end of the file."""
        fields: Message = {}
        while True:
            token = self.take()
            if (token.kind == "end" and not closing) or (token.kind == "symbol" and token.text == closing):
                return fields
            if token.kind != "name":
                expected = f"a field's name or '{closing}'" if closing else "a field's name"
                self.fail(f"expected {expected}, found {self._shown(token)}", token.at)
            fields.setdefault(token.text, []).extend(self.values(token, depth))
            self.accept(",", ";")

    def values(self, name: _Token, depth: int) -> list[Value]:
        colon = self.accept(":")
        if self.accept("["):
            if self.accept("]"):
                return []
            found = [self.value(name, depth, bool(colon))]
            while not self.accept("]"):
                if not self.accept(","):
                    token = self.take()
                    self.fail(f"expected ',' or ']' in the list of '{name.text}', found {self._shown(token)}", token.at)
                found.append(self.value(name, depth, bool(colon)))
            return found
        return [self.value(name, depth, bool(colon))]

    def value(self, name: _Token, depth: int, scalars: bool) -> Value:
        opening = self.accept("{", "<")
        if opening:
            if depth >= MAX_DEPTH:
                self.fail(f"messages are nested deeper than {MAX_DEPTH}", name.at)
            return self.message(_CLOSING[opening], depth + 1)
        token = self.take()
        if not scalars:
            self.fail(f"expected ':' or '{{' after '{name.text}', found {self._shown(token)}", token.at)
        if token.kind == "symbol" and token.text == "-":
            return self.number(self.take(), -1)
        if token.kind == "name":
            return Name(token.text)
        if token.kind == "string":
            return self.string(token)
        return self.number(token, 1)

    def number(self, token: _Token, sign: int) -> int | float:
        if token.kind == "name" and sign < 0 and token.text.lower() in _SPECIAL:
            return sign * _SPECIAL[token.text.lower()]
        if token.kind not in ("hex", "float", "int"):
            self.fail(f"expected a value, found {self._shown(token)}", token.at)
        if len(token.text) > MAX_DIGITS:
            self.fail(f"the number has more than {MAX_DIGITS} characters", token.at)
        if token.kind == "float":
            return sign * float(token.text.rstrip("fF"))
        octal = token.kind == "int" and len(token.text) > 1 and token.text[0] == "0"
        if octal and set(token.text) & set("89"):
            self.fail("an integer that begins with 0 is octal, and has no 8 or 9", token.at)
        value = sign * int(token.text, 16 if token.kind == "hex" else 8 if octal else 10)
        if not -(2**63) <= value < 2**64:
            self.fail("the integer does not fit in 64 bits", token.at)
        return value

    def string(self, token: _Token) -> str:
        """This string and those that follow it directly, joined; escapes are bytes of UTF-8."""
        raw = bytearray()
        first = token
        while True:
            raw += self._unescape(token)
            if self.tokens[self.next].kind != "string":
                break
            token = self.take()
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.fail("the string is not UTF-8", first.at)

    def _unescape(self, token: _Token) -> bytes:
        body = token.text[1:-1]
        raw = bytearray()
        last = 0
        for match in _ESCAPE.finditer(body):
            raw += body[last : match.start()].encode("utf-8", "surrogatepass")
            last = match.end()
            single, octal, hexa, short, long, other = match.groups()
            if single:
                raw.append(_SINGLE[single])
            elif octal or hexa:
                raw.append(int(octal, 8) & 255 if octal else int(hexa, 16))
            else:
                point = 0x110000 if other else int(short or long, 16)
                if point > 0x10FFFF or 0xD800 <= point < 0xE000:
                    self.fail(f"unknown escape {match.group()!a}", token.at + 1 + match.start())
                raw += chr(point).encode()
        return bytes(raw + body[last:].encode("utf-8", "surrogatepass"))

    @staticmethod
    def _shown(token: _Token) -> str:
        if token.kind == "end":
            return token.text
        return ascii(token.text if len(token.text) <= 40 else token.text[:37] + "...")


_SPECIAL = {"inf": float("inf"), "infinity": float("inf"), "nan": float("nan")}
_SPECIAL |= {f"{word}f": value for word, value in _SPECIAL.items() if word != "infinity"}


def special_float(word: str) -> float | None:
    """The value of the bare word `inf`, `infinity` or `nan`, in any case, or None."""
    return _SPECIAL.get(word.lower())


def parse(text: str | bytes, where: str = "prototxt") -> Message:
    """The message that `text` holds. Bytes are UTF-8; in comments any bytes may stand. E102 names `where`:line:column."""
    if isinstance(text, bytes):
        text = text.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    parser = _Parser(text, where)
    parser.tokenise()
    return parser.message("", 0)
