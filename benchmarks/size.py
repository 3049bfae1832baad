"""How large the runtime is and how long it takes to compile, beside what was promised.

python benchmarks/size.py [--functions N]    N: list the largest functions of the microcontroller build
"""

from __future__ import annotations

import argparse
import gzip
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import amalgamate as am
from amalgamate import packages
from amalgamate.writers import c_source

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-Os", "-std=c99", "-ffreestanding")
SMALLEST = tuple(f"-DAMG_{name}" for name in ("SCALAR_ONLY", "NO_FILE", "NO_IMAGE", "NO_PROFILE", "NO_THREADS"))


@dataclass(frozen=True)
class Figure:
    """One measured figure and its limit, in the same unit."""

    what: str
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        verdict = "ok" if self.value <= self.limit else "OVER"
        return f"{self.what:58} {self.value:10,.2f} {self.unit:5} limit {self.limit:9,g}  {verdict}"


def seconds(command: list[str | Path]) -> float:
    """Processor time of a command, which other work on the machine hardly changes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(word) for word in command], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def runtime_figures(folder: Path) -> Iterator[Figure]:
    """The amalgamated runtime: lines, time to compile, size of the library."""
    source = c_source.write(c_source.runtime_pair(), folder)[0]
    yield Figure("amalgamated runtime, amg.c", source.read_text().count("\n"), 15_000, "lines")
    library = folder / "amg.so"
    taken = seconds(["cc", "-O2", "-std=c99", "-fPIC", "-shared", source, "-lm", "-o", library])
    yield Figure("time of cc -O2 amg.c", taken, 10, "s")
    subprocess.run(["strip", library], check=True)
    yield Figure("stripped library, every operator and x86 instruction set", library.stat().st_size / 1024, 300, "KB")


def embedding_figure(folder: Path) -> Figure:
    """A pair with 10 MB of weights embedded."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.random.default_rng(0).standard_normal((2500, 1000)).astype(np.float32), "w")
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, d]) for n, d in (("x", 2500), ("y", 1000))]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "large", values[:1], values[1:], [weights]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "large.onnx"
    )
    source = am.build(folder / "large.onnx").write(folder)[0]
    taken = seconds(["cc", "-O2", "-std=c99", "-c", source, "-o", folder / "large.o"])
    return Figure("time of cc -O2 on a pair with 10 MB of weights embedded", taken, 5, "s")


def microcontroller(folder: Path, prefix: str = "arm-none-eabi-") -> tuple[Figure, Counter[str]]:
    """LeNet's code without its weights, and the bytes of its functions."""
    import nets

    source = am.build(nets.lenet(folder / "lenet.onnx"), weights_as="file").write(folder)[0]
    done = folder / "lenet.o"
    subprocess.run([f"{prefix}gcc", *CORTEX_M4, *SMALLEST, "-c", source, "-o", done], check=True)
    sections = subprocess.run([f"{prefix}size", done], capture_output=True, text=True, check=True).stdout.split()
    names = subprocess.run([f"{prefix}nm", "-S", "-t", "d", done], capture_output=True, text=True, check=True).stdout
    functions = Counter({name: int(size) for size, name in re.findall(r"^\d+ (\d+) [tTrRdD] (\S+)$", names, re.M)})
    return Figure("LeNet on a Cortex-M4, code without weights", int(sections[6]) / 1024, 20, "KB"), functions


def page(folder: Path) -> Figure:
    """What a page loads for the digit model, gzipped: the larger module with SIMD, which holds the weights, and its
    JavaScript."""
    from golden_digits import digits

    packages.write(digits(weights_type="float16"), "npm", folder)
    zipped = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in folder.iterdir()}
    loaded = zipped["digits.mjs"] + max(zipped["digits.wasm"], zipped["digits.relaxed.wasm"])
    return Figure("digit model in a page: wasm, weights and JS, gzip", loaded / 1024, 60, "KB")


def main() -> int:
    """Prints every figure; 1 if one is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--functions", type=int, default=0, metavar="N", help="list the N largest of the microcontroller build"
    )
    count = parser.parse_args().functions
    with tempfile.TemporaryDirectory() as folder:
        figures = [*runtime_figures(Path(folder)), embedding_figure(Path(folder))]
        functions: Counter[str] = Counter()
        if shutil.which("arm-none-eabi-gcc"):
            figure, functions = microcontroller(Path(folder))
            figures.append(figure)
        else:
            print("arm-none-eabi-gcc is not installed: the microcontroller build is left out", file=sys.stderr)
        if shutil.which("emcc"):
            figures.append(page(Path(folder)))
        else:
            print("emcc is not installed: the page is left out", file=sys.stderr)
    for figure in figures:
        print(figure)
    for name, size in functions.most_common(count):
        print(f"{size:8,}  {name}")
    return int(any(figure.value > figure.limit for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
