"""Protobuf's text format: everything that a prototxt may hold, and where an error lies."""

from __future__ import annotations

import math

import pytest
from google.protobuf import descriptor_pb2, text_format
from hypothesis import given
from hypothesis import strategies as st

from amalgamate.errors import AmalgamateError
from amalgamate.importers.prototxt import MAX_DEPTH, Name, parse

ACCEPTED = {
    "a: 1": {"a": [1]},
    "a: 1 a: 2": {"a": [1, 2]},
    "a: -7": {"a": [-7]},
    "a: - 7": {"a": [-7]},
    "a: 0x1F": {"a": [31]},
    "a: -0Xff": {"a": [-255]},
    "a: 017": {"a": [15]},
    "a: 0": {"a": [0]},
    "a: 18446744073709551615": {"a": [2**64 - 1]},
    "a: -9223372036854775808": {"a": [-(2**63)]},
    "a: 1.5": {"a": [1.5]},
    "a: 1.": {"a": [1.0]},
    "a: .5": {"a": [0.5]},
    "a: 1e3": {"a": [1000.0]},
    "a: 1.5E-2F": {"a": [0.015]},
    "a: 3f": {"a": [3.0]},
    "a: -inf": {"a": [-math.inf]},
    "a: MAX": {"a": ["MAX"]},
    "a: true": {"a": ["true"]},
    'a: "x"': {"a": ["x"]},
    "a: 'it\"s'": {"a": ['it"s']},
    'a: "x" "y"\n# between\n\'z\'': {"a": ["xyz"]},
    r'a: "\n\t\r\a\b\f\v\\\"\'\?"': {"a": ["\n\t\r\a\b\f\v\\\"'?"]},
    r'a: "\101\x42\x4a\u00e9\U0001F600"': {"a": ["ABJé😀"]},
    r'a: "\303\251"': {"a": ["é"]},
    'a: ""': {"a": [""]},
    "a {}": {"a": [{}]},
    "a: {}": {"a": [{}]},
    "a <b: 1>": {"a": [{"b": [1]}]},
    "a: <b { c: 1 }>": {"a": [{"b": [{"c": [1]}]}]},
    "a: [1, 2, -3]": {"a": [1, 2, -3]},
    "a: [] b: 1": {"a": [], "b": [1]},
    "a [{b: 1}, <>]": {"a": [{"b": [1]}, {}]},
    "a: [{b: 1}]": {"a": [{"b": [1]}]},
    "a: ['x' 'y', 'z']": {"a": ["xy", "z"]},
    "a: 1, b: 2; c {d: 1;}, e: 3": {"a": [1], "b": [2], "c": [{"d": [1]}], "e": [3]},
    "# only a comment": {},
    "": {},
    "\ufeffa: 1": {"a": [1]},
    "a:1b:2".replace("b", " b"): {"a": [1], "b": [2]},
    "a\n:\n1\r\n": {"a": [1]},
}

REFUSED = {
    "a": "1:2",
    "a:": "1:3",
    "a b": "1:3",
    "a 1": "1:3",
    "a: {": "1:5",
    "a: <}": "1:5",
    "a: 1 }": "1:6",
    "a: 1\nb: 12abc": "2:4",
    "a: 0x": "1:4",
    "a: 1.2.3": "1:4",
    "a: 089": "1:4",
    "a: 1e": "1:4",
    "a: -": "1:5",
    "a: -x": "1:5",
    "a: --1": "1:5",
    'a: -"x"': "1:5",
    'a: "x': "1:4",
    'a: "x\n"': "1:4",
    'a: "\\q"': "1:5",
    'a: "\\ud800"': "1:5",
    'a: "\\U00110000"': "1:5",
    'a: "\\377"': "1:4",
    "a: [1": "1:6",
    "a: [1 2]": "1:7",
    "a: [1,]": "1:7",
    "a: [[1]]": "1:5",
    "a [1]": "1:4",
    "a: 1,, b: 2": "1:6",
    "[x.y]: 1": "1:1",
    "a: @": "1:4",
    "a: \0": "1:4",
    "1: 2": "1:1",
    "a: 18446744073709551616": "1:4",
    "a: " + "9" * 5000: "1:4",
    "a: 1." + "0" * 5000: "1:4",
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    assert parse(text.encode()) == ACCEPTED[text]


def test_a_bare_word_differs_from_a_string() -> None:
    (bare,), (quoted,) = parse("a: MAX")["a"], parse("a: 'MAX'")["a"]
    assert isinstance(bare, Name) and not isinstance(quoted, Name)


@pytest.mark.parametrize("text", REFUSED, ids=lambda t: t[:20])
def test_refused_where_the_fault_is(text: str) -> None:
    with pytest.raises(AmalgamateError) as caught:
        parse(text.encode(), "net.prototxt")
    assert caught.value.code == "E102"
    assert caught.value.where == f"net.prototxt:{REFUSED[text]}"


def test_bytes_that_are_not_utf8_may_stand_in_comments_only() -> None:
    assert parse(b"# caf\xe9 \xff\na: 1") == {"a": [1]}
    for text in (b'a: "\xe9"', b"\xe9: 1", b"a: 1 \xff"):
        with pytest.raises(AmalgamateError, match="E102"):
            parse(text)


def test_nesting_is_bounded() -> None:
    assert parse("a{" * MAX_DEPTH + "}" * MAX_DEPTH)
    with pytest.raises(AmalgamateError, match="nested deeper"):
        parse("a{" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1))
    with pytest.raises(AmalgamateError, match="nested deeper"):
        parse("a{" * 100_000)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_garbage_is_e102_or_a_message(text: bytes | str) -> None:
    try:
        parse(text)
    except AmalgamateError as error:
        assert error.code == "E102"


PIECES = ["a", "layer", "1", "0x", ".5", "e3", "'", '"', "\\", "#", "\n", "inf", *" :{}<>[],;-"]


@given(st.lists(st.sampled_from(PIECES), max_size=24))
def test_tokens_in_any_order_are_e102_or_a_message(pieces: list[str]) -> None:
    try:
        parse("".join(pieces))
    except AmalgamateError as error:
        assert error.code == "E102"


@given(
    st.text(max_size=20),
    st.floats(width=64, allow_nan=False),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(st.text(max_size=3), max_size=3),
)
def test_reads_what_protobuf_prints(name: str, number: float, whole: int, names: list[str]) -> None:
    """protobuf's own printer on a message that it ships: FileDescriptorProto, UninterpretedOption."""
    message = descriptor_pb2.FileDescriptorProto(name=name, dependency=names)
    option = message.options.uninterpreted_option.add(double_value=number, string_value=name.encode())
    message.public_dependency.append(whole)
    option.name.add(name_part="x", is_extension=True)
    for one_line in (False, True):
        found = parse(text_format.MessageToString(message, as_one_line=one_line))
        assert found["name"] == [name]
        assert found.get("dependency", []) == names
        assert found["public_dependency"] == [whole]
        (options,) = found["options"]
        assert isinstance(options, dict)
        (inner,) = options["uninterpreted_option"]
        assert isinstance(inner, dict)
        assert inner["double_value"] == [number if not math.isinf(number) or number < 0 else Name("inf")]
        assert inner["string_value"] == [name]
        assert inner["name"] == [{"name_part": ["x"], "is_extension": [Name("true")]}]
