"""pyproject.toml, requirements.lock and environment.yml name the same versions."""

import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from signlib.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
LOCK = {
    canonicalize_name(name): version
    for name, version in (
        line.split("==") for line in (REPOSITORY / "requirements.lock").read_text().splitlines()
    )
}
EXTRAS = PROJECT["project"]["optional-dependencies"]
# Many packages for one way to log or to search: whoever asks for it installs it beside the lock.
UNLOCKED = {"mlflow", "search"}
DIRECT = [
    Requirement(text)
    for text in PROJECT["project"]["dependencies"]
    + [text for name in sorted(EXTRAS.keys() - UNLOCKED) for text in EXTRAS[name]]
]
CONDA = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
PIP_BLOCK = next(entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict))


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_the_lock_pins_what_pyproject_allows(requirement):
    version = LOCK[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} forbids the lock's {version}"


def test_conda_and_lock_name_the_same_versions():
    pins = dict(line.split("==") for line in PIP_BLOCK if "==" in line)
    assert {name: LOCK[canonicalize_name(name)] for name in pins} == pins


def test_conda_installs_every_direct_dependency():
    named = {canonicalize_name(line.split("==")[0]) for line in PIP_BLOCK if "==" in line}
    assert named == {canonicalize_name(requirement.name) for requirement in DIRECT}


def test_conda_file_has_only_what_conda_reads():
    assert set(CONDA) == {"name", "channels", "dependencies"}
    python = next(entry for entry in CONDA["dependencies"] if str(entry).startswith("python="))
    assert python.split("=")[1] in PROJECT["project"]["requires-python"]


def test_every_pin_is_exact_and_local_builds_are_not_named():
    assert all(version and "+" not in version for version in LOCK.values())


def test_the_lock_leaves_out_opencvs_window_system():
    assert "opencv-contrib-python-headless" in LOCK
    assert "opencv-contrib-python" not in LOCK


def test_this_environment_is_the_locks():
    installed = {
        canonicalize_name(d.name): d.version.split("+")[0] for d in metadata.distributions()
    }
    wrong = {
        name: (version, installed.get(name))
        for name, version in LOCK.items()
        if installed.get(name) != version
    }
    assert not wrong, f"(lock, installed): {wrong}; delete .venv and run make test"


def test_the_kernel_needs_no_library_of_the_system():
    """OpenCV's GUI build would ask for libGL and libgthread, which a fresh machine lacks."""
    linked = [
        str(f)
        for f in metadata.files("opencv-contrib-python-headless")
        if "libGL" in f.name or "libgthread" in f.name
    ]
    assert linked == []
