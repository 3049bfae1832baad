"""The jinja2 templates beside this file: banner, operator and kernel tables, header; never a kernel."""

from __future__ import annotations

from typing import Any

import jinja2

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("amalgamate", "templates"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # what is written is C; the caller escapes what comes from a model
)


def render(template: str, **values: Any) -> str:
    """The text of `template` with `values`; a value that the template lacks is an error."""
    return _environment.get_template(template).render(**values)
