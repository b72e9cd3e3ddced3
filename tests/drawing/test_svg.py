"""The SVG: well formed, complete, and user's text in it nothing but text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Tensor
from autodiff.drawing.describing import describe_graph
from autodiff.drawing.description import Description
from autodiff.drawing.inks import STEPS, colors_by_name, names_of, scene_css
from autodiff.drawing.look import SHOWS, Look, colors_of, contrast, legend_of, scale_of
from autodiff.drawing.scene import scenes
from autodiff.drawing.svg import as_svg, scene_markup

from .test_dot import HOSTILE
from .test_scene import MODES, crossed, descriptions, group, nested, node

SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "title", "rect", "path", "text", "g"}
ALLOWED_ATTRIBUTES = {
    "width", "height", "viewBox", "font-family", "{http://www.w3.org/XML/1998/namespace}space", "class", "x", "y", "rx", "d",
    "fill", "stroke", "stroke-width", "stroke-dasharray", "transform", "font-size", "font-weight", "font-style", "text-anchor",
    "textLength", "lengthAdjust", "data-node", "data-nodes", "data-edges", "data-group", "data-opens", "data-w", "data-h",
    "tabindex", "role", "aria-label",
}  # fmt: skip


def variable(value: Any, name: str | None = None) -> Tensor:
    return Tensor(value, dtype=float, requires_grad=True, name=name)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def tag(element: ElementTree.Element) -> str:
    return element.tag.removeprefix(SVG)


def having(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The elements with a class."""
    return [element for element in root.iter() if name in element.get("class", "").split()]


def words(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter() if tag(element) == "text"]


def check_harmless(root: ElementTree.Element) -> None:
    for element in root.iter():
        assert tag(element) in ALLOWED
        assert set(element.attrib) <= ALLOWED_ATTRIBUTES, set(element.attrib) - ALLOWED_ATTRIBUTES
        for name, value in element.attrib.items():
            assert "url(" not in value or name == "aria-label"


def small() -> Description:
    a, b = variable([1.0, -2.0], "a"), variable([[3.0, 4.0], [5.0, 6.0]], "b")
    with ad.trace():
        y = (np.matmul(b, a) ** 2 + 1.0).sum()
        y.name = "loss"
        y.backward()
    return describe_graph([y])


def page(description: Description, look: Look) -> dict[str, str]:
    scale = scale_of(description, look)
    return {id: scene_markup(scene, look, scale) for id, scene in scenes(description, look).items()}


# ----------------------------------------------------------------------------------------------- the whole picture


def test_values_names_and_signs_are_there() -> None:
    root = parsed(as_svg(small(), Look()))
    said = words(root)
    for text in ("a", "b", "loss", "@", "Σ", "x²", "+", "variable  (2,)", "25", "1", "output  scalar", "all values are float64"):
        assert text in said, text
    titles = [element.text for element in root.iter() if tag(element) == "title"]
    assert titles[0] == "loss"
    assert any(title and title.startswith("matmul: matmul") for title in titles)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_literal(theme: str) -> None:
    text = as_svg(small(), Look(theme=theme))
    colors = colors_by_name(theme)
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9A-F]{6}|none)"', text))
    assert used - {"none"} <= set(colors.values())
    assert colors["paper"] in used
    assert colors["frame-variable"] in used
    assert "var(" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text(name: str) -> None:
    x = variable([1.0], name)
    y = x * 2
    y.name = name
    description = describe_graph([y])
    description.groups.append(group("g"))
    description.groups[0].name = description.groups[0].title = name
    description.nodes[-1].group = "g"
    description.nodes[-1].source = f"{name}.py:3"
    for text in (as_svg(description, Look()), *page(description, Look()).values()):
        root = parsed(text)
        check_harmless(root)
        assert len(having(root, "node")) <= len(description.nodes)
    assert len(having(parsed(as_svg(description, Look())), "node")) == len(description.nodes)


@pytest.mark.parametrize("theme", ["light", "dark"])
@given(description=descriptions(), direction=st.sampled_from(["down", "right", None]), color=st.sampled_from(["role", "gradient"]))
@settings(max_examples=20, deadline=None)
def test_random_graphs(description: Description, direction: str | None, color: str, theme: str) -> None:
    look = Look(frozenset(SHOWS), color, theme)
    root = parsed(as_svg(description, look, direction))
    check_harmless(root)
    assert sorted(element.get("data-node", "") for element in having(root, "node")) == sorted(n.id for n in description.nodes)
    assert sorted(element.get("data-group", "") for element in having(root, "group")) == sorted(g.id for g in description.groups)
    drawn = [int(number) for element in having(root, "edge") for number in element.get("data-edges", "").split()]
    for number, edge in enumerate(description.edges):
        assert drawn.count(number) == len(crossed(description, edge))
    numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", root.get("viewBox", ""))]
    left, top, width, height = numbers
    for element in having(root, "node") + having(root, "group"):
        x, y = map(float, re.findall(r"-?\d+\.?\d*", element.get("transform", "")))
        rect = next(child for child in element if tag(child) == "rect")
        assert left <= x <= x + float(rect.get("width", "nan")) <= left + width
        assert top <= y <= y + float(rect.get("height", "nan")) <= top + height


def test_what_tells_roles_apart_without_colour() -> None:
    roles = ("variable", "parameter", "constant", "operation", "part")
    description = Description([node(role, role) for role in roles] + [node("y", is_output=True)], [], [])
    root = parsed(as_svg(description, Look()))
    faces = {element.get("data-node"): having(element, "face")[0] for element in having(root, "node")}
    looks = {(face.get("rx"), face.get("stroke-width"), face.get("stroke-dasharray")) for face in faces.values()}
    assert len(looks) == len(roles)
    assert [element.get("data-node") for element in having(root, "node") if having(element, "inner")] == ["y"]


def test_what_is_wrong_is_marked_and_what_stands_for_several_is_stacked() -> None:
    several = node("layers", "group", times=12, inside={"operation": 3})
    description = Description([several, node("bad", marked=True)], [], [])
    root = parsed(as_svg(description, Look()))
    layers, bad = having(root, "node")
    assert having(layers, "sheet")
    assert "×12" in words(layers)
    assert not having(bad, "sheet")
    assert "marked" in bad.get("class", "")
    assert "⚠" in words(bad)


def test_pictures_of_arrays() -> None:
    x = variable(np.linspace(-1, 1, 80).reshape(8, 10), "x")
    y = (x * 2).sum()
    y.backward()
    description = describe_graph([y])
    plain, pictured = (parsed(as_svg(description, look)) for look in (Look(), Look.of("+thumbnails")))
    fills = {element.get("fill") for element in pictured.iter() if tag(element) == "path"}
    tones = {color for name, color in colors_by_name("light").items() if name.startswith("tone")}
    assert len(fills & tones) > 10
    assert not {element.get("fill") for element in plain.iter() if tag(element) == "path"} & (tones - {"#F5F6F7"})
    large = variable(np.linspace(-1, 1, 4000), "x")
    y = (large * 2).sum()
    y.backward()
    pictured = parsed(as_svg(describe_graph([y]), Look.of("+thumbnails")))
    assert {"−1", "1"} <= set(words(pictured))


def test_the_scale_has_a_legend() -> None:
    description, look = small(), Look.of(color="gradient")
    legend = legend_of(scale_of(description, look), look)
    assert legend is not None
    said = words(parsed(as_svg(description, look)))
    assert {legend.title, *(text for _, _, text in legend.stops)} <= set(said)
    assert legend.title not in words(parsed(as_svg(description, Look())))


def test_shapes_stand_along_the_edges_once() -> None:
    description = nested()
    for each in description.nodes:
        each.shape = (3, 4)
    said = words(parsed(as_svg(description, Look.of("edges"))))
    between = {(edge.source, edge.target) for edge in description.edges}
    assert 0 < said.count("(3, 4)") <= len(between)


def test_a_graph_without_nodes_is_a_picture() -> None:
    assert parsed(as_svg(Description([], [], []), Look())).get("width") == "32"


# ----------------------------------------------------------------------------------------------- the parts of a page


def test_the_parts_that_a_page_needs() -> None:
    description = nested()
    markup = page(description, Look())
    root = {id: parsed(text) for id, text in markup.items()}
    for id, scene in root.items():
        assert scene.get("class") == "scene"
        assert scene.get("data-group") == id
        check_harmless(scene)
        assert len(having(scene, "scene-frame")) == bool(id)
    (x, d) = having(root[""], "node")
    assert [x.get("data-node"), d.get("data-node")] == ["x", "d"]
    assert "role-variable" in x.get("class", "")
    assert "is-output" in d.get("class", "")
    assert d.get("tabindex") == "-1"
    assert d.get("role") == "button"
    assert "d" in d.get("aria-label", "")
    assert float(d.get("data-w", "")) > 0
    assert float(d.get("data-h", "")) > 0
    (outer,) = having(root[""], "group")
    assert outer.get("data-group") == "outer"
    assert "kind-module" in outer.get("class", "")
    assert outer.get("data-opens") in ("true", "false")
    for name in ("frame", "closed", "opened", "slot"):
        assert len(having(outer, name)) == 1, name
    assert not list(having(outer, "slot")[0])
    ports = {(*json.loads(port.get("data-nodes")), *port.get("class", "").split()) for port in having(root["first"], "port")}
    assert ports == {("x", "port", "in"), ("c", "port", "out"), ("d", "port", "out")}
    first = {edge.get("data-edges") for edge in having(root["first"], "edge")}
    assert first == {"0", "1", "2", "3", "4", "6"}
    for edge in having(root["first"], "edge"):
        assert len(having(edge, "line")) == len(having(edge, "hit")) == 1


def test_a_port_says_where_else_its_value_goes() -> None:
    description = nested()
    description.edges.append(type(description.edges[0])("b", "d", "x3", 2))
    root = parsed(page(description, Look())["first"])
    (several,) = [port for port in having(root, "port") if len(json.loads(port.get("data-nodes"))) > 1]
    assert json.loads(several.get("data-nodes")) == ["c", "d"]
    assert words(several) == ["c +1"]


@given(description=descriptions(), color=st.sampled_from(["role", "gradient"]))
@settings(max_examples=20, deadline=None)
def test_pages_of_random_graphs(description: Description, color: str) -> None:
    look = Look(frozenset(SHOWS), color)
    styled = set(re.findall(r"\.([a-z][\w-]*)", scene_css(look)))
    drawn: list[str] = []
    for text in page(description, look).values():
        root = parsed(text)
        check_harmless(root)
        assert "#" not in re.sub(r">[^<]*<|\"[^\"]*#x[^\"]*\"", "", text)  # no colour is literal
        drawn += [element.get("data-node", "") for element in having(root, "node")]
        for element in root.iter():
            if tag(element) in ("text", "path") and "ghost" not in element.get("class", ""):
                assert set(element.get("class", "-").split()) & styled, element.attrib
    assert sorted(drawn) == sorted(n.id for n in description.nodes)


@pytest.mark.parametrize("color", ["role", "gradient", "memory", "time"])
def test_the_style_sheet_knows_both_themes_and_every_name(color: str) -> None:
    css = scene_css(Look(color=color))
    light, dark = colors_by_name("light", color), colors_by_name("dark", color)
    assert set(light) == set(dark)
    defined = set(re.findall(r"--([\w-]+):", css))
    assert set(light) <= defined
    assert set(re.findall(r"var\(--([\w-]+)\)", css)) <= defined
    assert css.count(f"--paper:{dark['paper']};") == 2
    assert css.count(f"--paper:{light['paper']};") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("color", ["role", "gradient", "memory", "time"])
def test_colours_by_name_are_those_of_the_look_and_legible(theme: str, color: str) -> None:
    look = Look(color=color, theme=theme)
    description = small()
    scale, colors = scale_of(description, look), colors_by_name(theme, color)
    for each in [*description.nodes, *(node(role, role) for role in ("parameter", "part", "group")), node("bad", marked=True)]:
        fill, frame, step = names_of(each, scale)
        expected = colors_of(each, look, scale)
        assert colors[frame] == expected.frame
        for name in ("ink", "quiet", "value", "gradient"):
            ink = colors.get(f"{name}-{step}", colors[name])
            assert contrast(ink, colors[fill]) >= 4.5, (each.id, name)
            if not step:
                assert (colors[fill], ink) == (expected.fill, getattr(expected, name))
    assert all(contrast(colors[f"ink-step{i}"], colors[f"fill-step{i}"]) >= 4.5 for i in range(STEPS + 1) if color != "role")


@pytest.mark.parametrize("mode", MODES)
def test_drawings_are_the_same_every_time(mode: str) -> None:
    description = nested()
    assert scenes(description, Look(), mode=mode) == scenes(nested(), Look(), mode=mode)
