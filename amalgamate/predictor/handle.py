"""A model of C and its sessions, and what frees them: each once and in order, however Python lets go of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import finalize

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.predictor.library import Library

Array = np.ndarray[Any, np.dtype[Any]]
Progress = Callable[[int, int], object]


def closed() -> AmalgamateError:
    return AmalgamateError("E153", "the model is closed", fix="Load it again")


class Session:
    """One thread's session: its C object, None once it is freed, and the lock under which it runs, reads and is freed."""

    def __init__(self) -> None:
        self.pointer: Any = None
        self.lock = threading.Lock()
        self.process = os.getpid()
        self.progress: Any = None  # what C calls before each layer
        self.raised: list[BaseException] = []  # by that, in the run under way
        self.shapes: dict[int, tuple[int, ...]] = {}  # inputs that are not at their default shape
        self.views: dict[tuple[int, int], Array] = {}  # of tensors by kind and number, until a shape changes


class Owner:
    """Whose death is the end of a session: it lies where only one thread sees it."""


class Handle:
    """The C object of a model, which is closed once `close` has been called and no session is left.

    Python's objects go in any order at its exit, and where a garbage collection finds them in a cycle. So their finalizers
    hold this one, which refers to none of them. A finalizer runs once, but in the midst of anything, another one too: what
    it does here takes no lock but that of its session.
    """

    def __init__(self, api: Library, pointer: Any, data: Any) -> None:
        self.api, self.pointer, self.closed = api, pointer, False
        self.data = data  # the bytes that the model reads where they lie, or None
        self.sessions: dict[Session, finalize[Any, Owner]] = {}  # each with what frees it
        self._free = finalize(self, api.call, "close", pointer)
        self._free.atexit = False  # sessions go first

    def opened(self) -> Any:
        """The C object; E153 where it is closed."""
        if self.closed:
            raise closed()
        return self.pointer

    def session(self, owner: Owner, isa: int, threads: int, progress: Progress | None) -> Session:
        """A new session, which is freed when its owner dies."""
        api, session = self.api, Session()
        given = {"struct_size": api.sizeof("session_options"), "isa": isa, "threads": threads}
        if progress:
            given["progress"] = session.progress = _asking(api, progress, session.raised)
        options, out = api.new("session_options *", given), api.new("session **")
        self.sessions[session] = finalize(owner, self._end, session)  # before it is made: from here on the model stays
        with session.lock:
            api.check(api.call("session_new", self.opened(), options, out))
            session.pointer = out[0]
        return session

    def close(self) -> None:
        """Frees the sessions, once their runs under way have ended, and the model."""
        self.closed = True
        for end in list(self.sessions.values()):
            end()
        self._settle()

    def _end(self, session: Session) -> None:
        if session.process != os.getpid():
            return  # a child of fork: the thread that may hold the lock stayed behind
        with session.lock:
            pointer, session.pointer = session.pointer, None
            if pointer is not None:
                self.api.call("session_free", pointer)
        del self.sessions[session]
        self._settle()

    def _settle(self) -> None:
        if self.closed and not self.sessions:
            self._free()


def _asking(api: Library, progress: Progress, raised: list[BaseException]) -> Any:
    """`progress` as C calls it. An exception, which cannot go through C, ends the run and is kept in `raised`."""
    return api.ffi.callback(
        "int32_t(void *, int32_t, int32_t)",
        lambda _, layer, layers: bool(progress(layer, layers)),
        error=1,
        onerror=lambda _, error, trace: raised.append(error),
    )
