"""Every test compiles into one cache, filed by content, so that a second run is quick and the user's own cache stays clean."""

import os
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / f"amalgamate-tests-{os.getuid()}"
os.environ["AMALGAMATE_CACHE"] = str(FOLDER / "cache")
os.environ["ZIG_GLOBAL_CACHE_DIR"] = str(FOLDER / "zig")
