"""Every test compiles into one cache, filed by content, so that a second run is quick and the user's own cache stays clean."""

import os
import tempfile
from pathlib import Path

os.environ["AMALGAMATE_CACHE"] = str(Path(tempfile.gettempdir()) / f"amalgamate-tests-{os.getuid()}" / "cache")
