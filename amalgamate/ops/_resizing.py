"""How ONNX Resize and Upsample, from opset 7 on, and Caffe's Interp say what resize is to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._axes import onnx_axes

COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def onnx_fields(src: Source) -> dict[str, Any]:
    """The fields of Resize. Scales and sizes must be constants, and leave batch and channels alone."""
    shape = src.shape(0)
    rank = len(shape)
    if rank not in (3, 4) or src.graph.tensors[src.inputs[0]].dtype != "float32":
        src.refuse("its input is not a float32 map of 1 or 2 spatial axes behind batch and channels")
    given = src.attr("axes")
    axes = tuple(range(rank)) if given is None else onnx_axes(src, given, rank)
    wanted = dict.fromkeys(range(rank), (1.0, 0)) | _wanted(src, axes)
    if any(wanted[axis][0] not in (0.0, 1.0) or wanted[axis][1] not in (0, shape[axis]) for axis in (0, 1)):
        src.refuse("it changes the batch or the channels")
    fields = _first_form(src, [wanted[a][0] for a in axes]) if _is_first(src) else _second_form(src, axes)
    for axis, letter in zip(range(2, rank), "hw"[4 - rank :], strict=True):
        fields |= {f"scale_{letter}": wanted[axis][0], f"size_{letter}": wanted[axis][1]}
    return fields


def _is_first(src: Source) -> bool:
    return src.type == "Upsample" or src.version < 11


def _wanted(src: Source, axes: tuple[int, ...]) -> dict[int, tuple[float, int]]:
    """(scale, size) of every axis that the node names; 0 for the one that it does not give."""
    scales: Array | list[float] | None
    if _is_first(src):
        scales = src.need(1, "scales") if src.has(1) else src.attr("scales")
    else:
        scales = src.need(2, "scales") if src.has(2) else None
    sizes = src.need(3, "sizes") if src.has(3) else None
    if scales is not None and len(scales) == len(axes):
        if not np.isfinite(scales).all():
            src.refuse(f"scales {list(scales)}")
        return {axis: (float(scale), 0) for axis, scale in zip(axes, scales, strict=True)}
    if sizes is None or len(sizes) != len(axes):
        src.refuse(f"neither scales nor sizes for {len(axes)} axes")
    policy, shape = src.attr("keep_aspect_ratio_policy", "stretch"), src.shape(0)
    if policy == "stretch":
        return {axis: (0.0, int(size)) for axis, size in zip(axes, sizes, strict=True)}
    if policy not in ("not_larger", "not_smaller"):
        src.refuse(f"keep_aspect_ratio_policy={policy}")
    ratios = [int(size) / shape[axis] for axis, size in zip(axes, sizes, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return {axis: (scale, int(scale * shape[axis] + 0.5)) for axis in axes}


def _first_form(src: Source, scales: list[float]) -> dict[str, Any]:
    """Upsample, and Resize of opset 10: pixel o comes from o / scale, down for nearest, up where the map shrinks."""
    mode = src.attr("mode", "nearest")
    if mode not in ("nearest", "linear", "bilinear"):
        src.refuse(f"mode={mode} in opset {src.version}")
    shrinks = any(s < 1 for s in scales)
    if shrinks and any(s > 1 for s in scales) and mode == "nearest":
        src.refuse("it shrinks one axis and stretches another, for which nearest is not defined before opset 11")
    return {
        "mode": "nearest" if mode == "nearest" else "linear",
        "coordinates": "asymmetric",
        "nearest": "ceil" if shrinks and src.type == "Resize" else "floor",
    }


def _second_form(src: Source, axes: tuple[int, ...]) -> dict[str, Any]:
    """Resize from opset 11 on."""
    fields: dict[str, Any] = {
        "mode": src.attr("mode", "nearest"),
        "coordinates": src.attr("coordinate_transformation_mode", "half_pixel"),
        "nearest": src.attr("nearest_mode", "round_prefer_floor"),
        "antialias": bool(src.attr("antialias", 0)),
        "exclude_outside": bool(src.attr("exclude_outside", 0)),
        "cubic_a": float(src.attr("cubic_coeff_a", -0.75)),
        "extrapolation": float(src.attr("extrapolation_value", 0.0)),
    }
    if fields["mode"] not in ("nearest", "linear", "cubic") or fields["nearest"] not in NEAREST:
        src.refuse(f"mode={fields['mode']}, nearest_mode={fields['nearest']}")
    if fields["coordinates"] not in COORDINATES:
        src.refuse(f"coordinate_transformation_mode={fields['coordinates']}; supported: {', '.join(COORDINATES)}")
    if fields["coordinates"] == "tf_crop_and_resize":
        roi = src.need(1, "roi")
        if len(roi) != 2 * len(axes) or not np.isfinite(roi).all():
            src.refuse(f"a roi of {len(roi)} numbers for {len(axes)} axes")
        for i, axis in enumerate(axes):
            start, end = float(roi[i]), float(roi[len(axes) + i])
            from_last = len(src.shape(0)) - axis
            if from_last <= 2 and axis >= 2:
                fields |= dict(
                    zip(("left", "right") if from_last == 1 else ("top", "bottom"), (start, end), strict=True)
                )
            elif (start, end) != (0.0, 1.0):
                src.refuse("its box cuts the batch or the channels")
    return fields


def caffe_fields(src: Source) -> dict[str, Any]:
    """DeepLab's Interp: linear with corners aligned, to a size or by a whole zoom or shrink factor."""
    if int(src.attr("pad_beg", 0)) or int(src.attr("pad_end", 0)):
        src.refuse("pad_beg and pad_end")
    if len(src.shape(0)) != 4:
        src.refuse(f"an input of {len(src.shape(0))} axes. Supported: 4")
    zoom, shrink = int(src.attr("zoom_factor", 1)), int(src.attr("shrink_factor", 1))
    fields: dict[str, Any] = {"mode": "linear", "coordinates": "align_corners"}
    for n, letter, side in zip(src.shape(0)[2:], "hw", ("height", "width"), strict=True):
        n = (n - 1) // shrink + 1
        fields[f"size_{letter}"] = int(src.attr(side, 0)) or n + (n - 1) * (zoom - 1)
    return fields
