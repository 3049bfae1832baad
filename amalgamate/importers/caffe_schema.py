"""What the importer knows of caffe.proto: layer types, the message of parameters of each, and the type of every field.

Source: src/caffe/proto/caffe.proto of BVLC/caffe, and of the SSD and other well-known branches where noted. A value of the
wrong type or out of range is E103, as Caffe itself refuses it; a field that is not listed makes its layer unsupported,
since it may change what the layer computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amalgamate.errors import AmalgamateError
from amalgamate.importers.prototxt import Message, Name, Value, special_float

INT32_MAX = 2**31 - 1
MANY = 1 << 16

# Types of fields: natural >= 0, positive >= 1, int, float, bool, string, shape (a BlobShape), A|B|C (an enumeration, whose
# numbers count from 0), skip (allowed, of no effect on a prediction); `*` marks a repeated field.
_ENGINE = "engine=skip"
_WINDOW = "pad=natural{0} pad_h=natural pad_w=natural kernel_size=positive{0} kernel_h=positive kernel_w=positive"
_WINDOW += " stride=positive{0} stride_h=positive stride_w=positive"
_FILLERS = "weight_filler=skip bias_filler=skip"
PARAMS = {
    "argmax_param": "out_max_val=bool top_k=positive axis=int",
    "batch_norm_param": f"use_global_stats=bool moving_average_fraction=skip eps=float {_ENGINE}",
    "bias_param": "axis=int num_axes=int filler=skip",
    "clip_param": "min=float max=float",
    "concat_param": "axis=int concat_dim=natural",
    "convolution_param": f"num_output=positive bias_term=bool {_WINDOW.format('*')} dilation=positive* group=positive axis=int"
    f" force_nd_im2col=skip {_FILLERS} {_ENGINE}",
    "crop_param": "axis=int offset=natural*",
    "dropout_param": "dropout_ratio=skip",
    "eltwise_param": "operation=PROD|SUM|MAX coeff=float* stable_prod_grad=skip",
    "elu_param": "alpha=float",
    "exp_param": "base=float scale=float shift=float",
    "flatten_param": "axis=int end_axis=int",
    "inner_product_param": f"num_output=positive bias_term=bool axis=int transpose=bool {_FILLERS}",
    "input_param": "shape=shape*",
    "interp_param": "height=natural width=natural zoom_factor=positive shrink_factor=positive pad_beg=int pad_end=int",
    "log_param": "base=float scale=float shift=float",
    "lrn_param": f"local_size=positive alpha=float beta=float k=float norm_region=ACROSS_CHANNELS|WITHIN_CHANNEL {_ENGINE}",
    "mvn_param": "normalize_variance=bool across_channels=bool eps=float",
    "norm_param": "across_spatial=bool channel_shared=bool eps=float scale_filler=skip",  # SSD
    "permute_param": "order=natural*",  # SSD
    "pooling_param": f"pool=MAX|AVE|STOCHASTIC {_WINDOW.format('')} global_pooling=bool round_mode=CEIL|FLOOR {_ENGINE}",
    "power_param": "power=float scale=float shift=float",
    "prelu_param": "channel_shared=bool filler=skip",
    "reduction_param": "operation=|SUM|ASUM|SUMSQ|MEAN axis=int coeff=float",
    "relu_param": f"negative_slope=float {_ENGINE}",
    "reshape_param": "shape=shape axis=int num_axes=int",
    "scale_param": "axis=int num_axes=int bias_term=bool filler=skip bias_filler=skip",
    "shuffle_channel_param": "group=positive",  # ShuffleNet
    "sigmoid_param": _ENGINE,
    "slice_param": "axis=int slice_dim=natural slice_point=natural*",
    "softmax_param": f"axis=int {_ENGINE}",
    "swish_param": "beta=float",
    "tanh_param": _ENGINE,
    "threshold_param": "threshold=float",
    "tile_param": "axis=int tiles=positive",
    # Layers that bring data; only what tells a shape is read, and other fields are of no interest.
    "data_param": "crop_size=natural",
    "dummy_data_param": "shape=shape* num=positive* channels=positive* height=positive* width=positive*",
    "image_data_param": "crop_size=natural new_height=natural new_width=natural is_color=bool",
    "memory_data_param": "batch_size=positive channels=positive height=positive width=positive",
    "transform_param": "crop_size=natural force_gray=bool mean_value=float*",
    "window_data_param": "crop_size=natural",
}


@dataclass(frozen=True)
class Type:
    """A layer type: its message of parameters ('' for none), and how many bottoms and tops it may have."""

    param: str = ""
    bottoms: tuple[int, int] = (1, 1)
    tops: tuple[int, int] = (1, 1)


def _types() -> dict[str, Type]:
    named = {"ArgMax": "argmax_param", "Normalize": "norm_param", "Deconvolution": "convolution_param"}
    plain = "AbsVal BNLL ReLU6"
    snake = "BatchNorm Clip Convolution Dropout ELU Exp Flatten InnerProduct Interp Log LRN MVN Permute Power PReLU"
    snake += " Reduction ReLU Reshape ShuffleChannel Sigmoid Softmax Swish TanH Threshold Tile"
    spelled = {"ELU": "elu", "LRN": "lrn", "MVN": "mvn", "PReLU": "prelu", "ReLU": "relu", "TanH": "tanh"}
    table = {name: Type(param) for name, param in named.items()} | {name: Type() for name in plain.split()}
    for name in snake.split():
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        table[name] = Type(f"{spelled.get(name, words)}_param")
    return table | {
        "Bias": Type("bias_param", (1, 2)),
        "Concat": Type("concat_param", (1, MANY)),
        "Crop": Type("crop_param", (2, 2)),
        "Eltwise": Type("eltwise_param", (2, MANY)),
        "Pooling": Type("pooling_param", tops=(1, 2)),
        "Scale": Type("scale_param", (1, 2)),
        "Silence": Type(bottoms=(1, MANY), tops=(0, 0)),
        "Slice": Type("slice_param", tops=(1, MANY)),
        "Split": Type(tops=(1, MANY)),
    }


TYPES = _types()

# Names that branches give to a layer that Caffe has.
ALIASES = {"DepthwiseConvolution": "Convolution"}  # its group is stated all the same
# Layers that begin a network in training; their tops become inputs.
DATA_LAYERS = ("Data", "AnnotatedData", "DummyData", "HDF5Data", "ImageData", "MemoryData", "VideoData", "WindowData")
# Layers whose result only matters to training; they vanish.
DROPPED = (
    "Accuracy", "ContrastiveLoss", "DetectionEvaluate", "EuclideanLoss", "HDF5Output", "HingeLoss", "InfogainLoss",
    "MultiBoxLoss", "MultinomialLogisticLoss",
)  # fmt: skip
# Losses that predict on their way: the layer that stands for them.
LOSSES = {"SoftmaxWithLoss": ("Softmax", "softmax_param"), "SigmoidCrossEntropyLoss": ("Sigmoid", "sigmoid_param")}

# V1LayerParameter.LayerType: enumerator -> (number, the current name of the type).
V1_TYPES = {
    "NONE": (0, ""), "ABSVAL": (35, "AbsVal"), "ACCURACY": (1, "Accuracy"), "ARGMAX": (30, "ArgMax"), "BNLL": (2, "BNLL"),
    "CONCAT": (3, "Concat"), "CONTRASTIVE_LOSS": (37, "ContrastiveLoss"), "CONVOLUTION": (4, "Convolution"),
    "DATA": (5, "Data"), "DECONVOLUTION": (39, "Deconvolution"), "DROPOUT": (6, "Dropout"), "DUMMY_DATA": (32, "DummyData"),
    "EUCLIDEAN_LOSS": (7, "EuclideanLoss"), "ELTWISE": (25, "Eltwise"), "EXP": (38, "Exp"), "FLATTEN": (8, "Flatten"),
    "HDF5_DATA": (9, "HDF5Data"), "HDF5_OUTPUT": (10, "HDF5Output"), "HINGE_LOSS": (28, "HingeLoss"),
    "IM2COL": (11, "Im2col"), "IMAGE_DATA": (12, "ImageData"), "INFOGAIN_LOSS": (13, "InfogainLoss"),
    "INNER_PRODUCT": (14, "InnerProduct"), "LRN": (15, "LRN"), "MEMORY_DATA": (29, "MemoryData"),
    "MULTINOMIAL_LOGISTIC_LOSS": (16, "MultinomialLogisticLoss"), "MVN": (34, "MVN"), "POOLING": (17, "Pooling"),
    "POWER": (26, "Power"), "RELU": (18, "ReLU"), "SIGMOID": (19, "Sigmoid"),
    "SIGMOID_CROSS_ENTROPY_LOSS": (27, "SigmoidCrossEntropyLoss"), "SILENCE": (36, "Silence"), "SOFTMAX": (20, "Softmax"),
    "SOFTMAX_LOSS": (21, "SoftmaxWithLoss"), "SPLIT": (22, "Split"), "SLICE": (33, "Slice"), "TANH": (23, "TanH"),
    "WINDOW_DATA": (24, "WindowData"), "THRESHOLD": (31, "Threshold"),
}  # fmt: skip

# V0LayerParameter: type -> (the current name of the type, its message), and field -> its current name.
V0_TYPES = {
    "accuracy": ("Accuracy", ""), "bnll": ("BNLL", ""), "concat": ("Concat", "concat_param"),
    "conv": ("Convolution", "convolution_param"), "data": ("Data", "data_param"), "dropout": ("Dropout", "dropout_param"),
    "euclidean_loss": ("EuclideanLoss", ""), "flatten": ("Flatten", ""), "hdf5_data": ("HDF5Data", ""),
    "hdf5_output": ("HDF5Output", ""), "images": ("ImageData", "image_data_param"), "infogain_loss": ("InfogainLoss", ""),
    "innerproduct": ("InnerProduct", "inner_product_param"), "lrn": ("LRN", "lrn_param"),
    "multinomial_logistic_loss": ("MultinomialLogisticLoss", ""), "pool": ("Pooling", "pooling_param"), "relu": ("ReLU", ""),
    "sigmoid": ("Sigmoid", ""), "softmax": ("Softmax", ""), "softmax_loss": ("SoftmaxWithLoss", ""), "split": ("Split", ""),
    "tanh": ("TanH", ""), "window_data": ("WindowData", "window_data_param"),
}  # fmt: skip
V0_FIELDS = {
    "num_output": "num_output", "biasterm": "bias_term", "pad": "pad", "kernelsize": "kernel_size", "group": "group",
    "stride": "stride", "pool": "pool", "dropout_ratio": "dropout_ratio", "local_size": "local_size", "alpha": "alpha",
    "beta": "beta", "k": "k", "cropsize": "crop_size", "new_height": "new_height", "new_width": "new_width",
    "concat_dim": "concat_dim",
}  # fmt: skip


# -- reading fields --------------------------------------------------------------------------------------------------


def _bad(field: str, value: Value, expected: str, where: str) -> AmalgamateError:
    shown = "a message" if isinstance(value, dict) else repr(value if not isinstance(value, str) else value[:40])
    return AmalgamateError("E103", f"{field} is {shown}; {expected} is expected", where)


def _whole(least: int, says: str) -> Callable[[str, Value, str], Any]:
    def read(field: str, value: Value, where: str) -> int:
        if not isinstance(value, int) or not least <= value <= INT32_MAX:
            raise _bad(field, value, says, where)
        return value

    return read


def number(field: str, value: Value, where: str) -> float:
    special = special_float(value) if isinstance(value, Name) else None
    if special is not None:
        return special
    if not isinstance(value, int | float):
        raise _bad(field, value, "a number", where)
    return float(value)


def boolean(field: str, value: Value, where: str) -> bool:
    if isinstance(value, Name) and value in ("true", "True", "t", "false", "False", "f"):
        return value[0] in "tT"
    if isinstance(value, Name) or value not in (0, 1) or not isinstance(value, int):
        raise _bad(field, value, "true or false", where)
    return bool(value)


def string(field: str, value: Value, where: str) -> str:
    if not isinstance(value, str) or isinstance(value, Name):
        raise _bad(field, value, "a quoted string", where)
    return value


def shape(field: str, value: Value, where: str) -> dict[str, list[int]]:
    """A BlobShape as {"dim": [...]}."""
    if not isinstance(value, dict) or set(value) - {"dim"}:
        raise _bad(field, value, "a message of dim fields", where)
    return {"dim": [whole(f"{field}.dim", d, where) for d in value.get("dim", [])]}


whole = _whole(-INT32_MAX - 1, "an integer of 32 bits")
_READERS: dict[str, Callable[[str, Value, str], Any]] = {
    "natural": _whole(0, "an integer of 0 or more"),
    "positive": _whole(1, "an integer of 1 or more"),
    "int": whole,
    "float": number,
    "bool": boolean,
    "string": string,
    "shape": shape,
}


def _enumerator(choices: list[str], field: str, value: Value, where: str) -> str:
    if isinstance(value, int) and 0 <= value < len(choices) and choices[value]:
        return choices[value]
    if not isinstance(value, Name) or value not in choices:
        raise _bad(field, value, f"one of {', '.join(c for c in choices if c)}", where)
    return str(value)


def single(message: Message, field: str, where: str) -> Value | None:
    """The value of a field that is given at most once; E103 where it is given twice, as in Caffe."""
    values = message.get(field, [])
    if len(values) > 1:
        raise AmalgamateError("E103", f"{field} is given {len(values)} times", where)
    return values[0] if values else None


def submessage(message: Message, field: str, where: str) -> Message:
    """The message in `field`, empty where it is not given."""
    value = single(message, field, where)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _bad(field, value, "a message", where)
    return value


def params(layer: Message, param: str, where: str) -> tuple[dict[str, Any], list[str]]:
    """The fields given in the message `param` of a layer, typed (repeated ones as lists), and the names of unknown ones."""
    message = submessage(layer, param, where)
    spec = dict(entry.split("=") for entry in PARAMS[param].split())
    found: dict[str, Any] = {}
    for field, values in message.items():
        kind = spec.get(field, "skip")
        if kind == "skip":
            continue
        full = f"{param}.{field}"
        many, kind = kind.endswith("*"), kind.rstrip("*")
        if not many:
            single(message, field, f"{where}, {param}")
        if "|" in kind:
            typed: list[Any] = [_enumerator(kind.split("|"), full, v, where) for v in values]
        else:
            typed = [_READERS[kind](full, v, where) for v in values]
        if typed:
            found[field] = typed if many else typed[0]
    return found, [field for field in message if field not in spec]
