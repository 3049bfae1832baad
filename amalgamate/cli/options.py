"""The options that say what the model is: shared by build, predict, verify, inspect and bench."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amalgamate.errors import AmalgamateError

if TYPE_CHECKING:
    from amalgamate import Built
    from amalgamate.graph import Array, Graph, ImageSpec, Shape

EMBEDDED = "digits"  # the name of the model that amalgamate carries
DIGITS = Path(__file__).parents[1] / "data" / "digits.onnx"  # and where it lies


def _ints(text: str) -> tuple[int, ...]:
    return tuple(int(v) for v in text.replace("x", ",").split(",") if v.strip())


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(v) for v in text.split(","))


def _parsed(parse: Callable[[str], Any], example: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback of an option that turns its text, or each of its texts, into a value; `example` is shown when it cannot."""

    def value_of(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise click.BadParameter(f"'{text}' is not of the form {example}") from None

    def callback(_: click.Context, __: click.Parameter, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(value_of(text) for text in value)
        return None if value is None else value_of(value)

    return callback


def _named_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`data=1,3,224,224`, or the shape alone, which then goes to the only input (the empty name)."""
    name, _, shape = text.rpartition("=")
    dims = _ints(shape)
    if not dims or min(dims) < 1:
        raise ValueError
    return name, dims


def _bound(text: str) -> tuple[str, list[Any]]:
    """`NAME=VALUE`: a number, true or false, or several of them with commas between; several make a vector."""
    name, equals, values = text.partition("=")
    if not name or not equals:
        raise ValueError
    words: dict[str, Any] = {"true": True, "false": False}
    return name, [
        words[v] if v in words else int(v) if _is_int(v) else float(v) for v in values.lower().split(",") if v
    ]


def _is_int(text: str) -> bool:
    return text.strip().lstrip("+-").isdigit()


def _square(text: str) -> tuple[int, int]:
    dims = _ints(text)
    if len(dims) not in (1, 2) or min(dims) < 1:
        raise ValueError
    return dims[0], dims[-1]


def _resize(text: str) -> int | tuple[int, int]:
    height, width = _square(text)
    return height if "x" not in text and "," not in text else (height, width)


@dataclass
class ModelOptions:
    """A model and how it is to be read, from the command line."""

    model: Path
    weights: Path | None
    shapes: dict[str, Shape]
    image: ImageSpec | None
    labels: Path | list[str] | None
    outputs: list[str]
    bind: dict[str, Array]
    softmax: bool | None = None
    weights_type: str = ""
    arena: str = "fast"

    @property
    def stored_as(self) -> str:
        """The type that weights are stored in."""
        return self.weights_type or "float32"

    def read(self) -> Graph:
        """The graph as the importer gives it."""
        from amalgamate import importers

        return importers.read(self.model, self.weights, self.shapes, self.outputs, self.bind)

    def build(self, name: str | None = None, **more: Any) -> Built:
        """The model, built, and called as its file unless `name` says otherwise; `more` goes to `amalgamate.build`."""
        import amalgamate

        return amalgamate.build(
            self.model,
            name=name or self.model.stem,
            weights=self.weights,
            image=self.image,
            labels=self.labels,
            input_shapes=self.shapes,
            outputs=self.outputs,
            bind=self.bind,
            softmax=self.softmax,
            weights_type=self.stored_as,
            arena=self.arena,
            **more,
        )


_OPTIONS = [
    click.option("--weights-from", type=click.Path(path_type=Path), help="The second file of a two-file format."),
    click.option(
        "--input-shape",
        "shapes",
        multiple=True,
        metavar="NAME=SHAPE",
        callback=_parsed(_named_shape, "data=1,3,224,224"),
        help="Fix an input's shape, such as data=1,3,224,224.",
    ),
    click.option("--output", "outputs", multiple=True, metavar="NAME", help="A tensor to give out, inner ones too."),
    click.option(
        "--bind",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_parsed(_bound, "NAME=1,2,3"),
        help="Make an input a constant, such as sizes=2,3.",
    ),
    click.option("--image", "order", type=click.Choice(["rgb", "bgr", "gray"]), help="The input is a picture."),
    click.option(
        "--mean", metavar="FLOATS", callback=_parsed(_floats, "104,117,123"), help="Subtracted from pixels of 0..255."
    ),
    click.option(
        "--std", metavar="FLOATS", callback=_parsed(_floats, "58.4,57.1,57.4"), help="What they are then divided by."
    ),
    click.option(
        "--resize",
        metavar="SIZE",
        callback=_parsed(_resize, "256 or 240x320"),
        help="Short side, or HEIGHTxWIDTH, first.",
    ),
    click.option(
        "--crop", metavar="SIZE", callback=_parsed(_square, "227 or 224x224"), help="Then cut from the centre."
    ),
    click.option("--labels", type=click.Path(path_type=Path), help="Names of the classes, one per line."),
    click.option(
        "--softmax/--no-softmax",
        default=None,
        help="Turn the output's scores into probabilities; by default where there are labels and they are bare scores.",
    ),
    click.option(
        "--weights-type",
        type=click.Choice(["float32", "float16"]),
        help="In which weights are stored, float32 by default; float16 becomes float32 when the model is opened.",
    ),
    click.option(
        "--arena",
        type=click.Choice(["fast", "small", "whole"]),
        default="fast",
        show_default=True,
        help="Make tensors a few rows at a time: large ones, for speed; all, for the least memory; none.",
    ),
]


def model_options(function: Callable[..., Any], default: str | None = None) -> Callable[..., Any]:
    """Gives a command MODEL and its options, handed over as one ModelOptions. With a default, MODEL may be left out."""

    @wraps(function)
    def command(
        model: Path,
        weights_from: Path | None,
        shapes: tuple[tuple[str, Shape], ...],
        outputs: tuple[str, ...],
        bind: tuple[tuple[str, list[Any]], ...],
        order: str | None,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        resize: int | tuple[int, int] | None,
        crop: tuple[int, int] | None,
        labels: Path | None,
        softmax: bool | None,
        weights_type: str | None,
        arena: str,
        **rest: Any,
    ) -> Any:
        import numpy as np

        image = image_spec(order, mean, std, resize, crop)
        values = {name: np.array(v if len(v) != 1 else v[0]) for name, v in bind}
        options = ModelOptions(
            model, weights_from, dict(shapes), image, labels, list(outputs), values, softmax, weights_type or "", arena
        )
        return function(embedded(options) if str(model) == EMBEDDED and not model.exists() else options, **rest)

    wrapped: Callable[..., Any] = command
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    absent: dict[str, Any] = {"required": True} if default is None else {"default": default}
    return click.argument("model", type=click.Path(path_type=Path), **absent)(wrapped)


def image_spec(
    order: str | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    resize: int | tuple[int, int] | None,
    crop: tuple[int, int] | None,
) -> ImageSpec | None:
    """The image options as one. One mean or deviation serves every channel. Raises E107 where they contradict each other."""
    from amalgamate.graph import ImageSpec

    if order is None:
        given = {"--mean": mean, "--std": std, "--resize": resize, "--crop": crop}
        stray = [name for name, value in given.items() if value is not None]
        if stray:
            raise AmalgamateError("E107", f"{stray[0]} without --image", fix="Add --image rgb, bgr or gray")
        return None
    channels = 1 if order == "gray" else 3
    filled = []
    for name, values, default in (("--mean", mean, 0.0), ("--std", std, 1.0)):
        values = values or (default,)
        if len(values) not in (1, channels):
            fix = f"Give one, or {channels}" if channels > 1 else "Give one"
            raise AmalgamateError(
                "E107", f"{name} has {len(values)} values for {channels} channels of {order}", fix=fix
            )
        filled.append(values * channels if len(values) == 1 else values)
    if 0.0 in filled[1]:
        raise AmalgamateError("E107", "--std holds a zero", fix="Pixels are divided by it")
    return ImageSpec("", order, filled[0], filled[1], resize, crop)


def embedded(options: ModelOptions) -> ModelOptions:
    """The digit network that amalgamate carries, as it was trained: grey pictures 8 pixels wide and high, in 0..1.

    Its weights are numbers of half precision.
    """
    from amalgamate.graph import ImageSpec

    options.model = DIGITS
    options.image = options.image or ImageSpec("", "gray", (0.0,), (255.0,), (8, 8))
    options.labels = options.labels or [str(digit) for digit in range(10)]
    options.weights_type = options.weights_type or "float16"
    return options
