"""The page as a file: whole, closed to everything outside, and with no name or value taken for markup."""

from __future__ import annotations

import base64
import hashlib
import html
import html.parser
import json
import pathlib
import re

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing import page as package
from autodiff.drawing.describing import describe_graph
from autodiff.drawing.description import NOT_KEPT, Description, DrawnEdge, DrawnGroup, DrawnNode
from autodiff.drawing.look import Look
from autodiff.drawing.page.embedding import MOST_NUMBERS, as_data
from autodiff.drawing.page.page import SCRIPTS, as_page
from autodiff.tracing import summed_up

FOLDER = pathlib.Path(package.__file__).parent
HOSTILE = (
    "<script>x</script>", "\"'><img src=x>", "]]>", "-->", "</script>", "</template><b>", "{{script}}", "&amp;", "\u2028", "\ud800",
    "é名",
)  # fmt: skip


class Reader(html.parser.HTMLParser):
    """What a reader of HTML finds."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag in ("script", "style", "title"):
            self.open.append((tag, dict(attrs).get("type", "")))

    def handle_endtag(self, tag):
        if self.open and self.open[-1][0] == tag:
            self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data

    @property
    def data(self):
        return json.loads(self.texts["script", "application/json"])


def traced():
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    x = Tensor(np.arange(6.0, dtype="float32").reshape(2, 3), requires_grad=True, name="x")
    with ad.trace():
        y = network(x).sum()
        y.name = "total"
    y.backward()
    return describe_graph([y]), (network, x)


def hostile():
    nodes = [
        DrawnNode(f"n{i}", "variable", name=name, value=np.array(1.0), source=name, group="g") for i, name in enumerate(HOSTILE)
    ]
    total = DrawnNode("total", "operation", True, HOSTILE[0], "add", {"key": HOSTILE[1]})
    total.rules, total.reference = {"x": HOSTILE[0]}, HOSTILE[4]
    edges = [DrawnEdge(node.id, "total", HOSTILE[0], i) for i, node in enumerate(nodes)]
    return Description([*nodes, total], edges, [DrawnGroup("g", HOSTILE[1], HOSTILE[4], "module", None)])


def test_a_page_has_every_node_edge_and_group():
    description, _alive = traced()
    found = Reader(as_page(description, Look.of(), "title"))
    assert [node["id"] for node in found.data["nodes"]] == [node.id for node in description.nodes]
    assert [group["id"] for group in found.data["groups"]] == [group.id for group in description.groups]
    ids = [node.id for node in description.nodes]
    ends = [(ids[edge["source"]], ids[edge["target"]], edge["argument"]) for edge in found.data["edges"]]
    assert ends == [(edge.source, edge.target, edge.argument) for edge in description.edges]
    templates = [value for tag, name, value in found.attributes if tag == "template" and name == "data-group"]
    assert templates == ["", *(group.id for group in description.groups)]


def test_the_policy_allows_what_is_in_the_page_and_nothing_else():
    description, _alive = traced()
    text = as_page(description, Look.of(), "title")
    found = Reader(text)
    policy = next(value for tag, name, value in found.attributes if tag == "meta" and name == "content" and "default-src" in value)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    def told(text):
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    assert rules == {
        "default-src": "'none'",
        "script-src": told(found.texts["script", ""]),
        "style-src": told(found.texts["style", ""]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    head = text[: text.index("</head>")]
    assert head.index("Content-Security-Policy") < head.index("<style")  # it rules what comes after it


def test_nothing_is_loaded_and_nothing_stands_where_the_policy_forbids_it():
    description, _alive = traced()
    found = Reader(as_page(description, Look.of("rules, thumbnails"), "title"))
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name != "style", tag  # would be ignored
        assert name not in ("src", "srcset", "action"), tag
        if name == "href":
            assert (tag, value) == ("link", "data:,")
    assert not {"img", "iframe", "object", "embed", "base", "form", "foreignobject", "use", "image"} & set(found.tags)
    assert "url(" not in found.texts["style", ""]
    assert "@import" not in found.texts["style", ""]


def test_names_and_values_stay_text():
    plain = Reader(as_page(hostile(), Look.of(), "title"))
    text = as_page(hostile(), Look.of("rules, source"), HOSTILE[0])
    found = Reader(text)
    assert [node["name"] for node in found.data["nodes"]][: len(HOSTILE)] == list(HOSTILE)
    assert found.data["groups"][0]["name"] == HOSTILE[1]
    assert found.data["nodes"][-1]["reference"] == HOSTILE[4]
    assert found.tags.count("script") == plain.tags.count("script") == 2
    assert not {"b", "img"} & set(found.tags)
    assert html.unescape(re.search("<title>(.*?)</title>", text)[1]) == HOSTILE[0]
    text.encode("utf-8")  # no half of a pair is left


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_text(name):
    source = (FOLDER / name).read_text(encoding="utf-8")
    assert source.lstrip().startswith("//")
    forbidden = r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|fetch\(|XMLHttp|localStorage|</script"
    assert not re.search(forbidden, source)


def test_arrays_are_written_once_and_in_full_while_they_are_small():
    small, large = np.array([1.5, np.nan, -np.inf, 1e-7]), np.linspace(-1, 1, 3000)
    nodes = [
        DrawnNode("a", "variable", value=small, gradient=small.copy()),
        DrawnNode("b", "variable", value=summed_up(large), no_gradient=NOT_KEPT),
        DrawnNode("c", "variable", value=np.array([1 + 2j, 0]), gradient=np.array(True)),
        DrawnNode("d", "variable", value=np.float32(0.1) * np.ones(2, "float32"), gradient=np.array([], "float64")),
    ]
    data = json.loads(as_data(Description(nodes, [], []), "right"))
    first, second, third, fourth = data["nodes"]
    assert first["value"] == first["gradient"]
    assert data["arrays"][first["value"]] == {"shape": [4], "data": [1.5, "nan", "−inf", 1e-7]}
    figures = data["arrays"][second["value"]]
    assert figures["shape"] == [3000]
    assert (figures["min"], figures["max"], figures["nans"]) == (-1.0, 1.0, 0)
    assert sum(figures["bins"]) == 3000
    assert second["noGradient"] == NOT_KEPT
    assert "backward=True" in data["cures"][NOT_KEPT]
    assert data["arrays"][third["value"]]["data"] == ["1+2j", "0+0j"]
    assert data["arrays"][third["gradient"]] == {"shape": [], "data": [True]}
    assert data["arrays"][fourth["value"]]["data"] == [0.1, 0.1]  # the digits that float32 has
    assert data["arrays"][fourth["gradient"]] == {"shape": [0], "data": []}


def test_a_page_stays_light_where_there_are_many_arrays():
    nodes = [DrawnNode(f"n{i}", "variable", value=np.full(1000, float(i))) for i in range(MOST_NUMBERS // 1000 + 1)]
    nodes.append(DrawnNode("small", "variable", value=np.array([1.0, 2.0])))
    data = json.loads(as_data(Description(nodes, [], []), "right"))
    assert all("data" not in data["arrays"][node["value"]] for node in data["nodes"][:-1])
    assert data["arrays"][5]["mean"] == 5.0
    assert sum(data["arrays"][5]["bins"]) == 1000
    assert data["arrays"][data["nodes"][-1]["value"]]["data"] == [1.0, 2.0]


def test_data_holds_nothing_that_html_could_read():
    written = as_data(hostile(), "right")
    assert written.isascii()
    assert not set("<>&") & set(written)


def test_sources_are_told_from_the_current_folder_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sources = [str(tmp_path / "models" / "net.py") + ":3", "/elsewhere/secret/net.py:4", ""]
    nodes = [DrawnNode(f"n{i}", "operation", source=source) for i, source in enumerate(sources)]
    data = json.loads(as_data(Description(nodes, [], []), "right"))
    assert [node.get("madeAt") for node in data["nodes"]] == ["models/net.py:3", "net.py:4", None]


def test_the_theme_is_the_readers_unless_it_is_dark():
    description, _alive = traced()
    for theme, expected in (("light", []), ("dark", ["dark"])):
        found = Reader(as_page(description, Look.of(theme=theme), "t"))
        assert [value for tag, name, value in found.attributes if tag == "html" and name == "data-theme"] == expected


def test_the_direction_is_the_drawings():
    description, _alive = traced()
    for direction in ("right", "down"):
        assert Reader(as_page(description, Look.of(), "t", direction)).data["direction"] == direction
