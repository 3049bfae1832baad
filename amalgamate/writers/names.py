"""What of a model's text may enter C: identifiers that are safe as file names too, and comments that cannot end early."""

from __future__ import annotations

import re

_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register"
    " restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main NULL"
    " and and_eq asm bitand bitor bool catch class compl const_cast constexpr decltype delete dynamic_cast explicit export"
    " false friend mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public"
    " reinterpret_cast static_assert static_cast template this thread_local throw true try typeid typename using virtual"
    " wchar_t xor xor_eq"
)
# NAME.h must not stand before a header of the system, nor be a device to Windows.
_FILES = (
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic"
    " stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype windows unistd fcntl"
    " pthread sched memory malloc con prn aux nul"
)
_RESERVED = {*_KEYWORDS.lower().split(), *_FILES.split(), *(f"{d}{i}" for d in ("com", "lpt") for i in range(10))}


def identifier(name: str) -> str:
    """`name` as an identifier of C and C++ and a stem for files on every system; "net" where nothing of it is left."""
    stem = re.sub(r"[^A-Za-z0-9]+", "_", name.replace("\\", "/").rpartition("/")[2]).strip("_")[:80].rstrip("_")
    if not stem:
        return "net"
    if stem[0].isdigit():
        stem = f"net_{stem}"
    return f"{stem}_net" if stem.lower() in _RESERVED or stem.lower() == "amg" else stem


def comment(text: str, limit: int = 100) -> str:
    """`text` on one line of a C comment: what could end the comment, splice lines or form a trigraph is shown as code."""
    safe = "".join(c if " " <= c <= "~" and c not in '*\\?"' else f"<{ord(c):02x}>" for c in text[: limit + 1])
    return safe if len(text) <= limit else f"{safe[:limit]}..."
