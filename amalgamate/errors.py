"""Errors that say what is wrong, where, why, and what to do about it, each with a stable code."""

from __future__ import annotations

from dataclasses import dataclass

# What each code means, as `amalgamate explain CODE` prints it. Codes are never reused.
CODES: dict[str, str] = {
    "E100": "A file could not be found or read.",
    "E101": "The file is not in a format that amalgamate recognises.",
    "E102": "The source model is damaged: its bytes do not decode as its format says.",
    "E103": "The source model is inconsistent: a tensor, shape or attribute contradicts another.",
    "E104": "The source model uses operators, or modes of operators, that are not supported. All of them are listed.",
    "E105": "A shape is unknown. Fix symbolic dimensions with --input-shape NAME=1,3,224,224.",
    "E106": "A second file is needed: the weights of a two-file format, given with --weights-from.",
    "E107": "An option contradicts the model, such as a mean of three values for one channel.",
    "E108": "The labels do not fit: their number differs from the number of classes.",
    "E110": "The graph is malformed: a cycle, a value that nothing makes, or one that is made twice.",
    "E120": "A plan or model file would exceed a limit of the format.",
    "E130": "A C source file includes something that the amalgamator does not know.",
    "E131": "C source files include each other in a cycle.",
    "E132": "A C source file is in the manifest but nothing uses it.",
    "E140": "No compiler was found for the target.",
    "E141": "The compiler failed. Its own message is shown.",
    "E150": "The compiled model could not be loaded.",
    "E151": "An input has the wrong name, shape or type.",
    "E152": "A picture could not be read.",
    "E153": "The runtime reported an error.",
    "E160": "Verification failed: results differ from the reference engine.",
    "E161": "A package that this command needs is not installed.",
}


@dataclass
class AmalgamateError(Exception):
    """`code` is a key of CODES; `what` states the fault, `where` the file, node or field, `fix` what to do."""

    code: str
    what: str
    where: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        assert self.code in CODES, f"unknown error code {self.code}"
        super().__init__(self.code, self.what, self.where, self.fix)

    def __str__(self) -> str:
        text = f"{self.code} {self.what}"
        if self.where:
            text += f" ({self.where})"
        if self.fix:
            text += f". {self.fix}"
        return f"{text}. More: amalgamate explain {self.code}"
