"""Write docs/api: the public functions and what they return, from their docstrings.

Usage: python .ci/docs.py [FOLDER]
"""

import sys
from pathlib import Path

import pdoc

import signlib

# The public functions, and the classes of what they give back; the rooms have docs/architecture.md.
MODULES = (
    "signlib.api",
    "signlib.runs.run",
    "signlib.stores.store",
    "signlib.stores.pictures",
    "signlib.experiments.prediction",
    "signlib.errors",
)
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "api"


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    pdoc.render.configure(
        docformat="google",
        show_source=False,
        footer_text=f"signlib {signlib.__version__}",
    )
    pdoc.pdoc(*MODULES, output_directory=folder)
    print(f"{folder / 'signlib' / 'api.html'}: {len(MODULES)} pages")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
