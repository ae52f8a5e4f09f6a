"""What `pip install .` brings is imported; extras are asked for by name where they are used."""

import ast
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from signlib.errors import SettingsError, extra
from signlib.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
FILES = sorted((REPOSITORY / "signlib").rglob("*.py"))
DISTRIBUTIONS = metadata.packages_distributions()
KEPT = REPOSITORY / "tests" / "data" / "kept"
# Modules of the standard library that only POSIX systems have.
POSIX = {"crypt", "fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


PLAIN = names(PROJECT["dependencies"])
EXTRAS = {extra: names(texts) for extra, texts in PROJECT["optional-dependencies"].items()}


def imported(node):
    """The packages that a statement imports, of other people; those of POSIX too."""
    modules = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        modules = [node.module]
    packages = {module.partition(".")[0] for module in modules} - {"signlib"}
    return packages - (sys.stdlib_module_names - POSIX)


def asked(node):
    """The extra that a `with extra(...)` asks for, `ImportError` where a try expects to fail."""
    if isinstance(node, ast.With):
        call = node.items[0].context_expr
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "extra":
            return getattr(call.args[0], "value", "")
    if isinstance(node, ast.Try) and any(
        getattr(handler.type, "id", "") == "ImportError" for handler in node.handlers
    ):
        return "ImportError"
    return ""


def imports(tree, way=""):
    """Each package that a tree imports, its line, and what is asked for around it."""
    for node in ast.iter_child_nodes(tree):
        for package in imported(node):
            yield package, node.lineno, way
        yield from imports(node, asked(node) or way)


def brings(way, package):
    """True where nobody misses a package: it is installed, asked for, or an error tells of it."""
    if package in POSIX:
        return way == "ImportError"
    # A package that is not installed here is taken for the distribution of its name.
    distributions = {canonicalize_name(name) for name in DISTRIBUTIONS.get(package, [package])}
    if distributions & PLAIN or way == "ImportError":
        return True
    return bool(distributions & EXTRAS.get(way, set()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_every_import_is_declared_or_asks_for_its_extra(file):
    lacking = [
        f"line {line}: {package}"
        for package, line, way in imports(ast.parse(file.read_text(encoding="utf-8")))
        if not brings(way, package)
    ]
    assert not lacking, "declare it in pyproject.toml, or import it inside `with extra(NAME)`"


def test_the_walk_sees_what_is_lacking():
    text = (
        "import cv2\nimport mediapipe\ndef f():\n    with extra('course'):\n        import nbval\n"
    )
    text += (
        "with extra('test'):\n    import nbval\ntry:\n    import fcntl\nexcept ImportError: pass\n"
    )
    walked = [(package, brings(way, package)) for package, _, way in imports(ast.parse(text))]
    assert walked == [
        ("cv2", True),
        ("mediapipe", False),
        ("nbval", False),
        ("nbval", True),
        ("fcntl", True),
    ]


def test_a_missing_extra_is_named_with_its_command():
    with pytest.raises(SettingsError) as refused, extra("course"):
        import a_library_that_nobody_has  # noqa: F401
    assert str(refused.value) == (
        "a_library_that_nobody_has is not installed; it comes with the extra 'course': pip install"
        ' "signlib-course[course]"'
    )


def without(*modules, code):
    """What Python prints where modules are not installed."""
    hidden = "".join(f"sys.modules[{name!r}] = None\n" for name in modules)
    text = f"import sys\n{hidden}from signlib.errors import InputError\n"
    text += f"try:\n    {code}\nexcept InputError as error:\n    print('refused:', error)\n"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_plain_install_trains_and_says_what_landmarks_need():
    code = "import signlib.tasks.landmarks; from signlib.extraction.holistic import Holistic;"
    code += " import signlib;"
    code += f" run = signlib.open_run({str(KEPT / 'runs/landmarks-small/finished')!r});"
    code += f" print(len(run.predict({str(KEPT / 'clips/clip.npy')!r}, top=2)), 'glosses');"
    code += " Holistic()"
    printed = without("mediapipe", "nbformat", "skimage", code=code)
    assert printed.startswith("2 glosses\nrefused: landmarks are made by mediapipe 0.10.21")
    assert 'pip install "signlib-course[extract]"' in printed
    printed = without("nbformat", code="import signlib.course.runner")
    assert "refused: nbformat is not installed; it comes with the extra 'course': pip" in printed


def test_without_locks_on_files_no_store_is_written(tmp_path):
    code = (
        "from signlib.stores.writer import StoreWriter; from signlib.stores.store import Extraction"
    )
    code += "; from signlib.data.manifest import complete; import pandas"
    code += f"; StoreWriter({str(tmp_path / 'store')!r}, Extraction('toy', '1', (1,)),"
    code += " complete(pandas.DataFrame({'clip': ['a']}))).__enter__()"
    printed = without("fcntl", code=code)
    assert "refused: store" in printed
    assert "no locks on files as POSIX systems do; write it under Linux or macOS" in printed
    assert not (tmp_path / "store").exists()


def test_the_wheel_has_every_file_that_the_package_reads():
    """What is not Python is listed, and what is listed is there."""
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages, data = listed["packages"]["find"]["include"], listed["package-data"]
    assert packages == ["signlib", "signlib.*"]
    there = [
        path.relative_to(REPOSITORY / "signlib").as_posix()
        for path in (REPOSITORY / "signlib").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert sorted(data["signlib"]) == sorted(there)
