"""Errors that say what is wrong, where, why, and what to do about it, each with a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Meaning(NamedTuple):
    """What an error code says, why it comes up, and what to do."""

    what: str
    why: str
    fix: str


# What each code means, as `amalgamate explain CODE` prints it. Codes are never reused.
CODES: dict[str, Meaning] = {
    "E100": Meaning(
        "A file could not be found or read.",
        "The path has a typing error, is relative to another folder, is a folder where a file is needed, or "
        "may not be read by this user.",
        "Check the path that the message names; give it from the current folder or whole.",
    ),
    "E101": Meaning(
        "The file is not in a format that amalgamate recognises.",
        "Formats are told by content. A download that failed is often a page of HTML or a pointer of Git LFS "
        "under the model's name.",
        "Look at the first bytes of the file. ONNX, Caffe's .prototxt with .caffemodel or .net, and .amg are "
        "read; export other models to ONNX.",
    ),
    "E102": Meaning(
        "The source model is damaged: its bytes do not decode as its format says.",
        "The file is cut off or was changed on its way, or its external data or its second file belongs to "
        "another model.",
        "Compare its size and checksum with the origin's, and fetch or export it again.",
    ),
    "E103": Meaning(
        "The source model is inconsistent: a tensor, shape or attribute contradicts another.",
        "The exporter wrote it so, weights come from another version of the network, or a size given with "
        "--input-shape cannot pass a layer.",
        "Look at the node that the message names (amalgamate inspect MODEL); leave out --input-shape, or "
        "export the model again.",
    ),
    "E104": Meaning(
        "The source model uses operators, or modes of operators, that are not supported. All of them are listed.",
        "Not every operator has a kernel, and some only fold away when what they depend on is known at build "
        "time: shapes, most often.",
        "amalgamate ops lists what there is. Fix shapes with --input-shape or values with --bind, ask for an "
        "output before those nodes with --output, or export with other options.",
    ),
    "E105": Meaning(
        "A shape is unknown.",
        "The model leaves dimensions of an input open and something needs their numbers, such as a fully "
        "connected layer behind them.",
        "Fix them: --input-shape NAME=1,3,224,224.",
    ),
    "E106": Meaning(
        "A second file is needed, or does not fit: the weights of a two-file format.",
        "A .prototxt holds layers without weights; beside it there is no file of the same stem, or one of "
        "another network.",
        "Name the weights: --weights-from FILE.caffemodel, or FILE.net.",
    ),
    "E107": Meaning(
        "An option contradicts the model, another option, or what is possible.",
        "Such as a mean of three values for a grey input, a crop larger than the resized picture, or a name "
        "that no language takes.",
        "The message names the option and what it may be; amalgamate inspect MODEL shows the inputs.",
    ),
    "E108": Meaning(
        "The labels do not fit: their number differs from the number of classes.",
        "The file belongs to another network, lacks or adds a line for the background, or has empty lines.",
        "Count its lines against the output that amalgamate inspect MODEL shows: one line for each class, in "
        "the model's order.",
    ),
    "E110": Meaning(
        "The graph is malformed: a cycle, a value that nothing makes, or one that is made twice.",
        "The model's nodes contradict each other, or a rewrite of amalgamate went wrong.",
        "Check the model with its own tools (onnx.checker). If it passes there, report it with the model.",
    ),
    "E120": Meaning(
        "A plan or model file would exceed a limit of the format.",
        "Tensors have at most 8 axes, sizes and counts must fit into their fields (docs/format.md), and names"
        " hold no NUL.",
        "Build with a smaller batch or picture (--input-shape), or split the model.",
    ),
    "E130": Meaning(
        "A C source file includes something that the amalgamator does not know.",
        "A quoted include must name a file of runtime_src from its root; the file was renamed, or the name misspelt.",
        "Correct the include, or add the file.",
    ),
    "E131": Meaning(
        "C source files include each other in a cycle.",
        "A single file holds each header once, before its first reader: in a cycle there is no such order.",
        "Move what both need into a third header.",
    ),
    "E132": Meaning(
        "A C source file is in the manifest but nothing uses it.",
        "Its last reader is gone, or an operator does not include its kernels.",
        "Remove the file, or include it where it is needed.",
    ),
    "E140": Meaning(
        "No compiler was found for the target.",
        "Nothing of the usual names is on PATH, or the variable CC names a program that is not there.",
        "amalgamate doctor lists what is there and how to install the rest; pip install 'amalgamate[zig]' "
        "brings a compiler for every target.",
    ),
    "E141": Meaning(
        "The compiler failed. Its own message is shown.",
        "Headers of the C library are missing, the disk is full, or the compiler is older than C99 and the "
        "target's instruction sets.",
        "Read its first error; amalgamate doctor tries a small program. Another compiler: CC=clang amalgamate ...",
    ),
    "E150": Meaning(
        "The compiled model could not be loaded.",
        "The library is for another processor or system, cut off, or not made from a pair of amalgamate.",
        "Compile it on this machine: amalgamate compile dist/NAME.c --target native.",
    ),
    "E151": Meaning(
        "An input has the wrong name, shape or type.",
        "Arrays are taken as they are: float32, in the model's axis order, one for each input.",
        "Compare with model.inputs or amalgamate inspect MODEL; convert with .astype(np.float32) and .reshape(...).",
    ),
    "E152": Meaning(
        "A picture could not be read.",
        "The file is no picture, of a kind that Pillow does not know, or cut off.",
        "Open it elsewhere and save it as PNG or JPEG.",
    ),
    "E153": Meaning(
        "The runtime reported an error.",
        "The model file is damaged or newer than the runtime, memory ran out, or a shape does not pass "
        "through the network.",
        "The message names the field or tensor; build the model file again with this version.",
    ),
    "E160": Meaning(
        "Verification failed: results differ from the reference engine.",
        "Differences beyond rounding are a fault of amalgamate or of the other engine; unnormalised inputs "
        "make rounding look large.",
        "amalgamate verify MODEL --per-layer names the first layer that differs; please report it.",
    ),
    "E161": Meaning(
        "A package that this command needs is not installed.",
        "Engines to compare with and compilers are extras, so that a plain installation stays small.",
        "Install the extra that the message names, such as pip install 'amalgamate[verify]'.",
    ),
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
