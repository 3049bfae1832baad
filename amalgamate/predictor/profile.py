"""What each layer of a model cost in this thread's last run."""

from __future__ import annotations

from typing import NamedTuple

from amalgamate.predictor import Model


class Layer(NamedTuple):
    """One layer in running order. `bytes_live` are the activations that live while it runs."""

    name: str
    op: str
    nanoseconds: int
    macs: int
    bytes_live: int


def profile(model: Model) -> list[Layer]:
    """The layers of a model, with their times in the last `run` or `classify` of the calling thread (0 before it)."""
    api, session = model._api, model._session()
    stat = api.new("layer_stat *")
    layers = []
    with session.lock:
        for i in range(api.call("layer_count", model._handle.opened())):
            model._check("profile", session, i, stat)
            texts = api.text(stat.name) or "", api.text(stat.op) or ""
            layers.append(Layer(*texts, int(stat.ns), int(stat.macs), int(stat.bytes_live)))
    return layers
