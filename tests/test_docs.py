"""README and docs tell the truth: every block of code runs, what a page shows is what comes out, and the site builds.

Two conventions hold on every page. A ```python block is a program; a ```pycon block is a session whose results are
compared. The blocks of one page run in order in one namespace. Shell commands stand in ```console, output in ```text.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import html
import importlib
import inspect
import io
import math
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import autodiff
import nn
from autodiff import recording
from autodiff.drawing import naming

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *(page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts)]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
RUN, SHOWN = {"python", "pycon"}, {"console", "text"}
DIRECTIVES = {"{eval-rst}", "{literalinclude}", "{toctree}"}
EXTRAS = {"sklearn"}  # what a page may import that need not be installed: in its last section, where the test then ends


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its lines, and the number of the first of them."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    fence, language, start, lines = "", "", 0, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        opening = re.match(r"(`{3,})(.*)$", line)
        if not fence and opening:
            fence, language, start, lines = opening[1], opening[2].strip(), number + 1, []
        elif fence and line.strip() == fence:
            found.append(Block(language, "\n".join(lines) + "\n", start))
            fence = ""
        elif fence:
            lines.append(line)
    assert not fence, f"{page}: the block that starts at line {start - 1} does not end"
    return found


def called(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=called)


@pytest.fixture
def nothing_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in an empty folder, and forget afterwards which operations a page declared."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "_", None, raising=False)  # where a session keeps its last result
    tables: list[dict[Any, Any]] = [recording.OPERATIONS, recording.UFUNCS, recording.FUNCTIONS]
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


@every_page
@pytest.mark.usefixtures("nothing_left_behind")
def test_code_runs_and_shows_what_it_says(page: Path) -> None:
    run(page)


def run(page: Path) -> dict[str, Any]:
    """Run the blocks of a page, and return the names that they leave."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.language == "python":
            # The empty lines before it make line numbers in a traceback those of the page.
            code = compile("\n" * (block.line - 1) + block.text, called(page), "exec")
            try:
                exec(code, namespace)
            except ModuleNotFoundError as error:
                if error.name not in EXTRAS:
                    raise
                pytest.skip(f"{called(page)} ran to line {block.line}; from there on it needs {error.name}")
        elif block.language == "pycon":
            session = doctest.DocTestParser().get_doctest(block.text, namespace, called(page), called(page), block.line - 1)
            session.globs = namespace  # the parser makes a copy; the blocks of a page share one namespace
            report = io.StringIO()
            runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
            runner.run(session, out=report.write, clear_globs=False)
            assert runner.failures == 0, report.getvalue()
            assert session.examples, f"{called(page)}, line {block.line}: a pycon block without >>>"
    return namespace


@pytest.mark.parametrize("page", ["README.md", "docs/start.md", "docs/gallery.md"])
@pytest.mark.usefixtures("nothing_left_behind")
def test_pictures_show_the_code_beside_them(page: str) -> None:
    """A picture is what the `drawing` before it on its page would be saved as: the same nodes, and small numbers written out."""
    drawings_of = runpy.run_path(str(DOCS / "images" / "make.py"))["drawings_of"]
    seen = []
    try:
        for picture, drawing in drawings_of(page):
            seen.append(picture)
            svg = (DOCS / "images" / f"{picture}.svg").read_text(encoding="utf-8")
            nodes = [html.unescape(title) for title in re.findall(r'class="node">\s*<title>(.*?)</title>', svg)]
            advice = f"draw {picture} again: python docs/images/make.py"
            assert sorted(nodes) == sorted(node.id for node in drawing.shown.nodes), advice
            texts = html.unescape(" ".join(re.findall(r"<text[^>]*>(.*?)</text>", svg)))
            for node in drawing.shown.nodes:
                for array in (node.value, node.gradient) if "values" in drawing.look.show else ():
                    if isinstance(array, np.ndarray) and array.dtype == np.float64 and array.size <= 3:
                        assert all(naming.number(value) in texts for value in array.ravel()), advice
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        pytest.skip(f"{page} ran to {seen[-1]}; from there on it needs {error.name}")
    assert seen == re.findall(r"images/([\w/]+)\.svg", (ROOT / page).read_text(encoding="utf-8"))


@every_page
def test_no_block_escapes_the_tests(page: Path) -> None:
    for block in blocks(page):
        name = block.language.split()[0] if block.language else "(none)"
        assert name in RUN | SHOWN | DIRECTIVES, f"{called(page)}, line {block.line - 1}: a block of language {name}"
        if name in SHOWN:
            assert ">>>" not in block.text, f"{called(page)}, line {block.line}: a session that no test runs"


@every_page
def test_shown_source_exists(page: Path) -> None:
    """What `literalinclude` shows is found by the name of an object or by markers, so it can only be missing, not stale."""
    for block in blocks(page):
        if not block.language.startswith("{literalinclude}"):
            continue
        source = (page.parent / block.language.split()[1]).resolve()
        text = source.read_text(encoding="utf-8")
        for option, value in re.findall(r"^:([\w-]+): *(.*)$", block.text, re.MULTILINE):
            where = f"{called(page)}, line {block.line}: {source.name} has no {value!r}"
            if option == "pyobject":
                assert value in objects_of(text), where
            elif option in ("start-at", "start-after", "end-at", "end-before"):
                assert value in text, where
        assert ":lines:" not in block.text, f"{called(page)}, line {block.line}: line numbers do not stay true; use markers"


def objects_of(text: str) -> set[str]:
    found = set()

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(prefix + child.name)
                visit(child, f"{prefix}{child.name}.")

    visit(ast.parse(text), "")
    return found


@every_page
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        assert (page.parent / target.partition("#")[0]).exists(), f"{called(page)}: {target} is missing"


# ------------------------------------------------------------------------------------------------- completeness


def public_names(module: ModuleType) -> set[str]:
    """Return what a module offers: its `__all__`; else what it defines, and of a package also what it imports."""
    if hasattr(module, "__all__"):
        names = set(module.__all__)
    else:
        offered = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
        own = {name: value for name, value in offered.items() if callable(value)}
        names = {name for name, value in own.items() if hasattr(module, "__path__") or value.__module__ == module.__name__}
    return {name for name in names if not inspect.ismodule(getattr(module, name))}


def documented() -> dict[str, set[str]]:
    """Return, for each module, the names that a directive of the API reference documents."""
    found: dict[str, set[str]] = {}
    for page in sorted((DOCS / "api").rglob("*.md")):
        module = ""
        for block in blocks(page):
            if block.language != "{eval-rst}":
                continue
            in_functions = False
            for line in block.text.splitlines():
                directive = re.match(r"\.\. ([\w:]+):: *(.*)$", line)
                if directive and directive[1] in ("currentmodule", "py:currentmodule", "module"):
                    module = directive[2]
                elif directive:
                    in_functions = directive[1] == "py:function"
                    if in_functions or directive[1].startswith("auto"):
                        found.setdefault(module, set()).add(directive[2].partition("(")[0])
                elif in_functions and (signature := re.match(r" +(\w+)\(.*\)$", line)):
                    found.setdefault(module, set()).add(signature[1])
                elif not line.strip():
                    in_functions = False
    return found


@pytest.mark.parametrize(
    "name",
    [
        "autodiff", "autodiff.linalg", "autodiff.drawing", "nn", "nn.functional", "nn.init", "nn.optim", "nn.optim.lr_scheduler",
        "nn.optim.swa_utils", "nn.utils", "nn.data", "nn.data.transforms", "nn.metrics", "nn.callbacks", "nn.models",
    ],
)  # fmt: skip
def test_reference_is_complete(name: str) -> None:
    module = importlib.import_module(name)
    found, public = documented().get(name, set()), public_names(module)
    assert found <= public, "the reference documents what is not there"
    missing = public - found
    if module is not autodiff:  # what `autodiff` offers as well is documented there
        missing = {name for name in missing if getattr(autodiff, name, None) is not getattr(module, name)}
    assert not missing, f"docs/api documents no {sorted(missing)} of {module.__name__}"


def test_no_page_is_forgotten() -> None:
    """Every page stands in some table of contents (Sphinx says so too, but only where it is installed)."""
    listed = {DOCS / "index.md"}
    for page in PAGES:
        for block in blocks(page):
            if block.language == "{toctree}":
                lines = [line.strip() for line in block.text.splitlines()]
                listed |= {page.parent / f"{line}.md" for line in lines if line and not line.startswith(":")}
    assert listed == set(PAGES) - {ROOT / "README.md"}


# ------------------------------------------------------------------------------------------------- the table of kinks


def rows_of_table(page: Path, first_header: str) -> list[list[str]]:
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_header} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


KINKS = rows_of_table(DOCS / "meanings.md", "expression")


@pytest.mark.parametrize("row", KINKS, ids=[row[0] for row in KINKS])
def test_kinks_have_our_value(row: list[str]) -> None:
    expression, at, ours, _, _ = row
    x = autodiff.Tensor(numbers(at), requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # NumPy speaks up at log(0), and should
        autodiff.sum(eval(expression, {"np": np, "ad": autodiff, "nn": nn, "x": x})).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), numbers(ours))


@pytest.mark.parametrize("row", KINKS, ids=[row[0] for row in KINKS])
def test_kinks_have_the_value_of_pytorch(row: list[str]) -> None:
    torch = pytest.importorskip("torch", reason="the table's last two columns are PyTorch's")
    _, at, _, expression, theirs = row
    if expression == "–":
        assert theirs == "–"
        return
    x = torch.tensor(numbers(at), requires_grad=True)
    eval(expression, {"torch": torch, "x": x}).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), numbers(theirs))


def numbers(text: str) -> np.ndarray:
    return np.asarray(eval(text, {"__builtins__": {}, "nan": math.nan, "inf": math.inf}), dtype=float)


# ------------------------------------------------------------------------------------------------- the built site


class _Resources(HTMLParser):
    """Collects what a browser would fetch to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed", "track", "input"):
            self.fetched += [given[name] for name in ("src", "poster") if name in given]
            self.fetched += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
        elif tag == "link" and not {"next", "prev", "index", "search", "canonical"} & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))
        elif tag == "object":
            self.fetched.append(given.get("data", ""))


@pytest.mark.slow
def test_site_builds_and_reads_offline(tmp_path: Path) -> None:
    for name in ("sphinx", "furo", "myst_nb"):
        pytest.importorskip(name, reason="the site is built with Sphinx, furo and myst-nb")
    site = tmp_path / "html"
    options = ["-b", "html", "-q", "-W", "--keep-going", "-d", str(tmp_path / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(site)]
    built = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(PAGES) - 1
    for page in pages:
        reader = _Resources()
        reader.feed(page.read_text(encoding="utf-8"))
        for address in reader.fetched:
            assert not re.match(r"([a-z][a-z0-9+.-]*:)?//", address), f"{page.name} fetches {address}"
            if not address.startswith("data:"):
                assert (page.parent / re.split(r"[?#]", address)[0]).exists(), f"{page.name} misses {address}"
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        outside = re.findall(r"(?:@import\s+|url\()\s*['\"]?((?:https?:)?//[^'\")]+)", text)
        assert not outside, f"{style.name} fetches {outside}"
