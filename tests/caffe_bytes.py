"""Writes tiny Caffe models for tests: prototxt as text, caffemodel by a few lines of protobuf's wire format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from amalgamate.graph import Array


def varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    """A varint field, or a length-delimited one."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def blob(data: Array, form: str = "shape") -> bytes:
    """A BlobProto: `shape` as Caffe writes it today, `legacy` with four old dimensions, `double`, or `unpacked` floats."""
    if form == "legacy":
        dims = (1,) * (4 - data.ndim) + data.shape
        head = b"".join(field(i + 1, int(d)) for i, d in enumerate(dims))
    elif form == "unpacked":
        head = field(7, b"".join(field(1, int(d)) for d in data.shape))
    else:
        head = field(7, field(1, b"".join(varint(int(d)) for d in data.shape)))
    if form == "double":
        return head + field(8, data.astype("<f8").tobytes())
    if form == "unpacked":
        return head + b"".join(varint(5 << 3 | 5) + np.float32(v).tobytes() for v in data.reshape(-1))
    return head + field(5, data.astype("<f4").tobytes())


def layer(name: str, *blobs: bytes, generation: int = 2) -> bytes:
    """A layer of a NetParameter with its blobs, as one of the three generations writes it."""
    if generation == 2:
        return field(100, field(1, name) + field(2, "Any") + b"".join(field(7, b) for b in blobs))
    if generation == 1:
        return field(2, field(2, "bottom") + field(4, name) + field(5, 4) + b"".join(field(6, b) for b in blobs))
    return field(
        2, field(1, field(1, name) + field(2, "conv") + b"".join(field(50, b) for b in blobs)) + field(2, "bottom")
    )


def model(blobs: dict[str, list[Array]], form: str = "shape", generation: int = 2) -> bytes:
    """A NetParameter with these blobs by layer name."""
    return field(1, "net") + b"".join(
        layer(name, *(blob(data, form) for data in datas), generation=generation) for name, datas in blobs.items()
    )


def write(folder: Path, text: str, weights: bytes | None = None, stem: str = "net") -> Path:
    """Writes stem.prototxt, and stem.caffemodel where there are weights; returns the former's path."""
    path = folder / f"{stem}.prototxt"
    path.write_text(text)
    if weights is not None:
        (folder / f"{stem}.caffemodel").write_bytes(weights)
    return path


def net(body: str, shape: str = "1 3 6 5", name: str = "data") -> str:
    """A prototxt with one input and the layers of `body`."""
    dims = " ".join(f"dim: {d}" for d in shape.split())
    return f'layer {{ name: "in" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n{body}'


def one(type: str, params: str = "", bottoms: str = "data", tops: str = "y", name: str = "layer") -> str:
    """One layer of a prototxt."""
    links = "".join(f' bottom: "{b}"' for b in bottoms.split()) + "".join(f' top: "{t}"' for t in tops.split())
    return f'layer {{ name: "{name}" type: "{type}"{links} {params} }}\n'
