"""Who may import whom, and that `import signlib` costs nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from signlib.paths import REPOSITORY

HEAVY = (
    "torch",
    "mediapipe",
    "transformers",
    "lightning",
    "pandas",
    "numpy",
    "av",
    "matplotlib",
    "sklearn",
    "cv2",
)


def loaded(statement):
    """Which heavy libraries a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    return set(done.stdout.split())


def test_import_signlib_loads_nothing_heavy():
    assert (
        loaded("import signlib, signlib.data, signlib.features, signlib.models, signlib.training")
        == set()
    )
    assert loaded("import numpy") == {"numpy"}  # the probe does see what is loaded


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        ("signlib.errors, signlib.paths, signlib.settings.config, signlib.settings.presets", set()),
        ("signlib.data.skeletons, signlib.features.normalise, signlib.files", {"numpy"}),
        (
            "signlib.corpora.folder, signlib.stores.writer, signlib.runs.run, signlib.__main__",
            {"numpy", "pandas"},
        ),
    ],
)
def test_heavy_libraries_load_only_where_they_are_named(modules, allowed):
    assert loaded(f"import {modules}") <= allowed


def test_the_layers_hold():
    script = Path(sys.executable).with_name("lint-imports")
    assert script.is_file(), "import-linter is in the extra `test`: pip install -e '.[test]'"
    done = subprocess.run([script, "--no-cache"], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kept, 0 broken" in done.stdout


def test_every_module_of_the_package_stands_in_a_layer():
    """A module that no layer names could import what it likes."""
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    named = {part.strip() for layer in contract["layers"] for part in layer.split("|")}
    there = {
        f"signlib.{path.stem}"
        for path in (REPOSITORY / "signlib").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert there - named - {"signlib.__init__"} == set()


def test_room_descriptions_import_nothing():
    files = list((REPOSITORY / "signlib").rglob("__init__.py"))
    assert len(files) > 5
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not [line for line in text.splitlines() if line.startswith(("import ", "from "))], (
            file
        )
        assert text.startswith('"""'), file
