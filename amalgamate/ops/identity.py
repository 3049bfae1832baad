"""Identity: y = x (ONNX Identity and Dropout at inference, Caffe Dropout and Split). A pass removes it."""

from __future__ import annotations

from dataclasses import dataclass

from amalgamate.graph import Array, Shape
from amalgamate.ops import Op
