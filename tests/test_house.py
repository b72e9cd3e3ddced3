"""The order of the house: who may import whom, what is imported at all, and what may be called what."""

from __future__ import annotations

import ast
import importlib
import inspect
import pathlib
import subprocess
import sys
import types

import pytest

HERE = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ("autodiff", "nn")
RUN_TIME = {"numpy"}  # what any file may import, besides the standard library
# What a function may import when it is called.
LAZY = {"graphviz", "tqdm", "matplotlib", "sklearn", "tensorboardX", "ipywidgets", "pygraphviz"}


def rooms() -> list[str]:
    """The files of docs/design.md, "The rooms", in their order."""
    text = (HERE / "docs" / "design.md").read_text(encoding="utf-8")
    section = text.split("## The rooms", 1)[1].split("```text\n", 1)[1].split("```", 1)[0]
    files, folders = [], []
    for line in section.splitlines():
        name = line.split()[0] if line.split() else ""
        depth = (len(line) - len(line.lstrip())) // 2
        if name.endswith("/"):
            folders[depth:] = [name.rstrip("/")]
        elif name.endswith(".py"):
            files.append("/".join([*folders[:depth], name]))
    return files


def sources() -> list[str]:
    return sorted(path.relative_to(HERE).as_posix() for package in PACKAGES for path in (HERE / package).rglob("*.py"))


def modules() -> list[str]:
    return [name for name in sources() if not name.endswith("__init__.py")]


def in_type_checking(tree: ast.Module) -> set[ast.AST]:
    """The nodes that only a type checker sees."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            found.update(inner for statement in node.body for inner in ast.walk(statement))
    return found


def imports(name: str) -> list[tuple[str, bool]]:
    """What the file imports when it runs, as dotted names, and whether that is done at once."""
    tree = ast.parse((HERE / name).read_text(encoding="utf-8"))
    unseen = in_type_checking(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {inner for function in functions for inner in ast.walk(function)}
    package = name.removesuffix(".py").removesuffix("/__init__").split("/")
    if not name.endswith("__init__.py"):
        package = package[:-1]
    found = []
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:  # `from . import graph` imports a file, `from .graph import Node` a name of one
                full = ".".join([*base, alias.name])
                found.append((full if file_of(full) else ".".join(base), node not in inside))
    return found


def file_of(dotted: str) -> str | None:
    path = HERE.joinpath(*dotted.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py").relative_to(HERE).as_posix()
    return (path / "__init__.py").relative_to(HERE).as_posix() if (path / "__init__.py").is_file() else None


def test_the_list_of_rooms_names_every_file_once():
    assert sorted(rooms()) == sorted(modules())
    assert len(rooms()) > 25


@pytest.mark.parametrize("name", modules())
def test_a_file_imports_only_from_files_above_it(name):
    order = {file: place for place, file in enumerate(rooms())}
    for dotted, _ in imports(name):
        if dotted.split(".")[0] not in PACKAGES:
            continue
        file = file_of(dotted)
        assert file is not None, f"{name} imports {dotted}, which is no file"
        if file.endswith("__init__.py"):  # a whole package: all of its files must stand above
            folder = file.removesuffix("__init__.py")
            assert not name.startswith(folder), f"{name} imports the package it is in"
            above = [other for other in order if other.startswith(folder)]
            assert above, f"{name} imports {dotted}, an empty package"
        else:
            above = [file]
        for other in above:
            assert order[other] < order[name], f"{name} imports {other}, which stands below it"


@pytest.mark.parametrize("name", [name for name in sources() if name.startswith("autodiff/")])
def test_autodiff_knows_nothing_of_nn(name):
    assert not [dotted for dotted, _ in imports(name) if dotted.split(".")[0] == "nn"]


@pytest.mark.parametrize("name", sources())
def test_only_numpy_and_the_standard_library_are_imported_at_once(name):
    for dotted, at_once in imports(name):
        top = dotted.split(".")[0]
        if top in PACKAGES or top in RUN_TIME or top in sys.stdlib_module_names:
            continue
        if name == "nn/sklearn.py" and top == "sklearn":  # its classes are scikit-learn's; nothing imports it but who asks for it
            continue
        assert top in LAZY, f"{name} imports {top}"
        assert not at_once, f"{name} imports {top} at once; import it where it is used"


def test_importing_loads_nothing_else():
    program = "import sys; import numpy; before = set(sys.modules); import autodiff, nn; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded >= {"autodiff", "nn"}
    assert loaded - {"autodiff", "nn", "numpy"} <= set(sys.stdlib_module_names)


def folders() -> list[str]:
    return [name.removesuffix("/__init__.py").replace("/", ".") for name in sources() if name.endswith("__init__.py")]


@pytest.mark.parametrize("name", folders())
def test_no_public_function_has_the_name_of_a_file_of_its_package(name):
    """Else `package.name` would be the one or the other, depending on what was imported last."""
    package = importlib.import_module(name)
    folder = HERE.joinpath(*name.split("."))
    taken = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    for attribute in dir(package):
        if attribute in taken and attribute != "__init__":
            assert isinstance(getattr(package, attribute), types.ModuleType), f"{name}.{attribute} is also a file"


@pytest.mark.parametrize("name", sources())
def test_every_file_says_what_it_is_about(name):
    source = (HERE / name).read_text(encoding="utf-8")
    if source.strip():
        assert ast.get_docstring(ast.parse(source)), f"{name} has no docstring"


@pytest.mark.parametrize("name", PACKAGES)
def test_everything_public_is_documented(name):
    package = importlib.import_module(name)
    for attribute in dir(package):
        value = getattr(package, attribute)
        if attribute.startswith("_") or isinstance(value, types.ModuleType) or not callable(value):
            continue
        assert inspect.getdoc(value), f"{name}.{attribute} has no docstring"
