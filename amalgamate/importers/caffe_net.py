"""A Caffe network as its prototxt says it, in one form: current `layer`, V1 `layers` and V0 `layers { layer }` alike.

Follows Net::FilterNet (include and exclude rules at phase TEST), upgrade_proto.cpp (old generations), and the order of
tops and bottoms of Net::Init. Losses become the prediction they hold, Accuracy and its like vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Shape
from amalgamate.importers import caffe_schema as schema
from amalgamate.importers.prototxt import Message, Name, Value


@dataclass
class Layer:
    """A layer that computes something: `attrs` are the fields of its own xxx_param, `unknown` those we do not know."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        return f"layer {self.name} ({self.type})"


@dataclass
class Net:
    """`inputs` and their shapes (None where the prototxt does not say), `optional` those that only data layers brought."""

    name: str
    inputs: dict[str, Shape | None] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    layers: list[Layer] = field(default_factory=list)


def read(message: Message, where: str) -> Net:
    """The network at phase TEST. E103 where a field contradicts caffe.proto or Caffe's rules."""
    name = schema.single(message, "name", where)
    net = Net(schema.string("name", name, where) if name is not None else "")
    _declared_inputs(message, net, where)
    state = _State.of(message, where)
    for layer, raw in _generations(message, where):
        if not state.includes(raw, layer.where):
            continue
        if layer.type == "Input":
            _input_layer(layer, raw, net)
        elif layer.type in schema.DATA_LAYERS:
            _data_layer(layer, raw, net)
        elif layer.type not in schema.DROPPED:
            _computing_layer(layer, raw, net)
    _predictions(net)
    return net


# -- layers of all generations -----------------------------------------------------------------------------------------


def _generations(message: Message, where: str) -> Iterator[tuple[Layer, Message]]:
    """Every layer with its message, in which parameters lie where the current generation has them."""
    if "layer" in message and "layers" in message:
        raise AmalgamateError("E103", "both `layer` and `layers` are used; Caffe takes one or the other", where)
    paddings: dict[str, tuple[str, int]] = {}
    for i, raw in enumerate(message.get("layer", []) + message.get("layers", [])):
        here = f"{where}, layer {i}"
        if not isinstance(raw, dict):
            raise AmalgamateError("E103", "a layer is not a message", here)
        if "layer" in message:
            yield _layer(raw, raw, _typename(raw, here), here), raw
        elif "layer" in raw:
            found = _v0(raw, paddings, here)
            if found:
                yield found
        else:
            yield _layer(raw, raw, _v1_type(raw, here), here), raw


def _layer(outer: Message, named: Message, type: str, where: str) -> Layer:
    name = schema.single(named, "name", where)
    bottoms, tops = ([schema.string(k, v, where) for v in outer.get(k, [])] for k in ("bottom", "top"))
    return Layer(schema.string("name", name, where) if name is not None else "", type, bottoms, tops)


def _typename(raw: Message, where: str) -> str:
    value = schema.single(raw, "type", where)
    if value is None:
        raise AmalgamateError("E103", "the layer has no type", where)
    type = schema.string("type", value, where)
    return schema.ALIASES.get(type, type)


def _v1_type(raw: Message, where: str) -> str:
    value = schema.single(raw, "type", where)
    for name, (number, type) in schema.V1_TYPES.items():
        if type and (value == number if isinstance(value, int) else value == name and isinstance(value, Name)):
            return type
    raise AmalgamateError(
        "E103", f"{str(value)[:40]!r} is no type of a V1 layer", where, "Types are written as CONVOLUTION there"
    )


def _v0(raw: Message, paddings: dict[str, tuple[str, int]], where: str) -> tuple[Layer, Message] | None:
    """A V0 layer; a padding layer is remembered for the layer that reads it, as UpgradeV0PaddingLayers does."""
    old = schema.submessage(raw, "layer", where)
    kind = _typename(old, where)
    layer = _layer(raw, old, "", where)
    if kind == "padding":
        pad = schema.single(old, "pad", where)
        if len(layer.bottoms) != 1 or len(layer.tops) != 1:
            raise AmalgamateError("E103", "a padding layer has one bottom and one top", where)
        paddings[layer.tops[0]] = (layer.bottoms[0], schema.whole("pad", pad if pad is not None else 0, where))
        return None
    if kind not in schema.V0_TYPES:
        raise AmalgamateError("E103", f"{kind[:40]!r} is no type of a V0 layer", where)
    layer.type, param = schema.V0_TYPES[kind]
    fields: dict[str, list[Value]] = {schema.V0_FIELDS[k]: v for k, v in old.items() if k in schema.V0_FIELDS}
    for i, bottom in enumerate(layer.bottoms):
        if bottom in paddings:
            layer.bottoms[i], pad_of = paddings[bottom]
            fields["pad"] = [pad_of]
    return layer, {**{k: v for k, v in raw.items() if k != "layer"}, **({param: [fields]} if param else {})}


# -- include and exclude -----------------------------------------------------------------------------------------------


@dataclass
class _State:
    """NetState: what the network is built for. The phase is always TEST."""

    level: int = 0
    stages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, net: Message, where: str) -> _State:
        state = schema.submessage(net, "state", where)
        level = schema.single(state, "level", where)
        stages = frozenset(schema.string("state.stage", v, where) for v in state.get("stage", []))
        return cls(schema.whole("state.level", level, where) if level is not None else 0, stages)

    def includes(self, layer: Message, where: str) -> bool:
        """A layer stands if it has no rules, if an include rule is met, or if no exclude rule is."""
        include, exclude = layer.get("include", []), layer.get("exclude", [])
        if include and exclude:
            raise AmalgamateError("E103", "the layer has both include and exclude rules", where)
        if include:
            return any(self._meets(rule, where) for rule in include)
        return not any(self._meets(rule, where) for rule in exclude)

    def _meets(self, rule: Value, where: str) -> bool:
        if not isinstance(rule, dict):
            raise AmalgamateError("E103", "a rule of include or exclude is not a message", where)
        phase = schema.single(rule, "phase", where)
        least, most = (schema.single(rule, key, where) for key in ("min_level", "max_level"))
        needs, bars = ({schema.string(k, v, where) for v in rule.get(k, [])} for k in ("stage", "not_stage"))
        if phase not in (None, 0, 1, "TRAIN", "TEST"):
            raise AmalgamateError(
                "E103", f"the phase of a rule is {str(phase)[:40]!r}; TRAIN or TEST is expected", where
            )
        return (
            phase not in (0, "TRAIN")
            and (least is None or self.level >= schema.whole("min_level", least, where))
            and (most is None or self.level <= schema.whole("max_level", most, where))
            and needs <= self.stages
            and not bars & self.stages
        )


# -- inputs ------------------------------------------------------------------------------------------------------------


def _add_input(net: Net, name: str, shape: Shape | None, where: str, optional: bool = False) -> None:
    if name in net.inputs:
        raise AmalgamateError("E103", f"input '{name}' is declared twice", where)
    net.inputs[name] = shape
    if optional:
        net.optional.add(name)


def _declared_inputs(message: Message, net: Net, where: str) -> None:
    """`input` with four `input_dim` each, or an `input_shape` each."""
    names = [schema.string("input", v, where) for v in message.get("input", [])]
    dims = [schema.whole("input_dim", v, where) for v in message.get("input_dim", [])]
    shapes: list[Shape | None] = [
        tuple(schema.shape("input_shape", v, where)["dim"]) for v in message.get("input_shape", [])
    ]
    if dims and shapes:
        raise AmalgamateError("E103", "both input_dim and input_shape are given", where)
    if dims:
        if len(dims) != 4 * len(names):
            raise AmalgamateError(
                "E103", f"{len(names)} inputs need {4 * len(names)} input_dim, there are {len(dims)}", where
            )
        shapes = [tuple(dims[i : i + 4]) for i in range(0, len(dims), 4)]
    shapes = shapes or [None] * len(names)
    if len(shapes) != len(names):
        raise AmalgamateError("E103", f"{len(names)} inputs have {len(shapes)} shapes", where)
    for name, shape in zip(names, shapes, strict=True):
        _add_input(net, name, shape, where)


def _input_layer(layer: Layer, raw: Message, net: Net) -> None:
    """Input: one shape per top, or one for all of them, or none."""
    given = schema.params(raw, "input_param", layer.where)[0].get("shape", [])
    shapes = [tuple(s["dim"]) for s in given]
    if len(shapes) not in (0, 1, len(layer.tops)):
        raise AmalgamateError("E103", f"{len(layer.tops)} tops have {len(shapes)} shapes", layer.where)
    for i, top in enumerate(layer.tops):
        _add_input(net, top, shapes[i % len(shapes)] if shapes else None, layer.where)


def _data_layer(layer: Layer, raw: Message, net: Net) -> None:
    """A layer that reads a database: its tops become inputs, the first with the shape that the layer tells, at batch 1."""
    shapes = _data_shapes(layer, raw)
    for i, top in enumerate(layer.tops):
        _add_input(net, top, shapes[i] if i < len(shapes) else None, layer.where, optional=True)


def _data_shapes(layer: Layer, raw: Message) -> list[Shape]:
    def of(param: str) -> dict[str, Any]:
        return schema.params(raw, param, layer.where)[0]

    if layer.type == "DummyData":
        dummy = of("dummy_data_param")
        if "shape" in dummy:
            shapes = [tuple(s["dim"]) for s in dummy["shape"]]
            return shapes * len(layer.tops) if len(shapes) == 1 else shapes
        old = [dummy.get(k, []) for k in ("num", "channels", "height", "width")]
        known = all(len(dims) in (1, len(layer.tops)) for dims in old)
        return [tuple(dims[i % len(dims)] for dims in old) for i in range(len(layer.tops))] if known else []
    if layer.type == "MemoryData":
        memory = of("memory_data_param")
        dims = tuple(memory.get(k, 0) for k in ("channels", "height", "width"))
        return [(1, *dims)] if all(dims) else []
    transform, images = of("transform_param"), of("image_data_param")
    older = [of(param).get("crop_size", 0) for param in ("data_param", "image_data_param", "window_data_param")]
    older = [of(param).get("crop_size", 0) for param in ("data_param", "image_data_param", "window_data_param")]
    crop = transform.get("crop_size") or max(older)
    height, width = (crop, crop) if crop else (images.get("new_height", 0), images.get("new_width", 0))
    gray = transform.get("force_gray", False) or not images.get("is_color", True)
    return [(1, 1 if gray else 3, height, width)] if height and width else []


# -- layers that compute -----------------------------------------------------------------------------------------------


def _computing_layer(layer: Layer, raw: Message, net: Net) -> None:
    loss = schema.LOSSES.get(layer.type)
    known = schema.TYPES.get(layer.type)
    param = loss[1] if loss else known.param if known else ""
    if param:
        layer.attrs, layer.unknown = schema.params(raw, param, layer.where)
        layer.unknown = [f"{param}.{name}" for name in layer.unknown]
    if known:
        for what, count, (least, most) in (
            ("bottoms", len(layer.bottoms), known.bottoms),
            ("tops", len(layer.tops), known.tops),
        ):
            if not least <= count <= most:
                expected = (
                    f"{least}" if least == most else f"{least} or more" if most == schema.MANY else f"{least} to {most}"
                )
                raise AmalgamateError("E103", f"the layer has {count} {what}; {expected} is expected", layer.where)
    net.layers.append(layer)


def _predictions(net: Net) -> None:
    """Losses become the layers that predict: SoftmaxWithLoss a Softmax of its first bottom, unless there is one already."""
    blobs = {t for layer in net.layers for t in layer.tops} | set(net.inputs)
    kept: list[Layer] = []
    for layer in net.layers:
        if layer.type in schema.LOSSES:
            type = schema.LOSSES[layer.type][0]
            if not layer.bottoms:
                raise AmalgamateError("E103", "the loss has no bottom", layer.where)
            if any(other.type == type and other.bottoms == layer.bottoms[:1] for other in net.layers):
                continue
            names = [*layer.tops[1:2], "prob", layer.name, *layer.tops[:1]]
            top = next((n for n in names if n and (n not in blobs or n in layer.tops[1:2])), f"prob_{len(blobs)}")
            blobs.add(top)
            layer = Layer(layer.name, type, layer.bottoms[:1], [top], layer.attrs, layer.unknown)
        kept.append(layer)
    net.layers = kept
