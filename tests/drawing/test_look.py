"""How pictures look: options, palettes that everybody can read, and what colours stand for."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from autodiff.drawing.description import Description, DrawnNode
from autodiff.drawing.look import (
    COLORS,
    DEFAULT_SHOW,
    PALETTES,
    SHOWS,
    Look,
    Palette,
    Scale,
    amount_of,
    blend,
    colors_of,
    contrast,
    legend_of,
    legible,
    scale_of,
)
from autodiff.tracing import summed_up

ROLES = ("parameter", "variable", "constant", "operation", "part", "group")
INKS = ("ink", "quiet", "value", "gradient")
ALL_PALETTES = pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)


def described(*nodes: DrawnNode) -> Description:
    return Description(list(nodes), [], [])


def node_with(color: str, amount: float, marked: bool = False) -> DrawnNode:
    """A node of which the colour `color` stands for `amount`."""
    node = DrawnNode("n", "operation", marked=marked)
    if color == "gradient":
        node.gradient = np.array(amount)
    elif color == "memory":
        node.saved_bytes = int(amount)
    else:
        node.seconds = amount
    return node


def timed(*seconds: float | None) -> Description:
    return described(*(DrawnNode(str(i), "operation", seconds=s) for i, s in enumerate(seconds)))


# ----------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        (None, DEFAULT_SHOW),
        ("", set()),
        ([], set()),
        ("rules", {"rules"}),
        ("rules, time", {"rules", "time"}),
        (("saved", "edges"), {"saved", "edges"}),
        ({"source"}, {"source"}),
        ("+rules", DEFAULT_SHOW | {"rules"}),
        (["+rules", "time"], DEFAULT_SHOW | {"rules", "time"}),
        (iter(["values"]), {"values"}),
    ],
)
def test_what_to_show_is_said_in_words(show: Any, expected: set[str]) -> None:
    assert Look.of(show).show == expected


def test_a_look_without_arguments_is_the_default() -> None:
    assert Look.of() == Look()
    assert Look.of(tuple(SHOWS)).show == set(SHOWS)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"show": "colours"}, ValueError, "show knows 'values', 'gradients'.*got 'colours'"),
        ({"show": ["values", "+grads"]}, ValueError, r"show knows .*got '\+grads'"),
        ({"show": 3}, TypeError, "show is a word or several, .*got int"),
        ({"show": [3]}, TypeError, "show is a word or several, .*got int among them"),
        ({"color": "size"}, ValueError, "color is one of 'role', 'gradient', 'memory', 'time'; got 'size'"),
        ({"color": ["role"]}, ValueError, r"got \['role'\]"),
        ({"theme": "sepia"}, ValueError, "theme is one of 'light', 'dark'; got 'sepia'"),
    ],
)
def test_unknown_words_are_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Look.of(**arguments)


# ----------------------------------------------------------------------------------------------- legible


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#FFFFFF", "#FFFFFF") == 1
    assert contrast("#000000", "#FFFFFF") == contrast("#FFFFFF", "#000000") == 21
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)  # the usual example of what just fails
    assert contrast("#0000FF", "#FFFFFF") == pytest.approx(8.59, abs=0.005)


def faces(palette: Palette) -> list[str]:
    return [
        palette.paper, palette.unknown, palette.wrong_fill, palette.output[0], *palette.groups,
        *(face for face, _ in palette.roles.values()),
    ]  # fmt: skip


@ALL_PALETTES
@pytest.mark.parametrize("ink", [*INKS, "wrong"])
def test_text_can_be_read_upon_every_face(palette: Palette, ink: str) -> None:
    for face in faces(palette):
        assert contrast(getattr(palette, ink), face) >= 4.5, face


@ALL_PALETTES
def test_frames_and_lines_can_be_seen(palette: Palette) -> None:
    for face, frame in (*palette.roles.values(), palette.output):
        assert contrast(frame, face) >= 3
    for under in (palette.paper, *palette.groups):
        assert contrast(palette.edge, under) >= 2.9
        assert contrast(palette.back, under) >= 2.9


@pytest.mark.parametrize("theme", PALETTES)
@pytest.mark.parametrize("color", [color for color in COLORS if color != "role"])
@pytest.mark.parametrize("marked", [False, True])
def test_text_can_be_read_upon_every_colour_of_a_scale(theme: str, color: str, marked: bool) -> None:
    look = Look(color=color, theme=theme)
    scale = Scale(color, 0.0, 100.0, False)
    for amount in range(101):
        colors = colors_of(node_with(color, float(amount), marked), look, scale)
        for ink in INKS:
            assert contrast(getattr(colors, ink), colors.fill) >= 4.5, (amount, ink)


@ALL_PALETTES
@pytest.mark.parametrize("scale", [color for color in COLORS if color != "role"])
def test_scales_differ_by_lightness_in_equal_steps(palette: Palette, scale: str) -> None:
    """Who sees no hue sees the same order, and no step is larger than another."""
    stops = palette.scales[scale]
    lightness = [lightness_of(stop) for stop in stops]
    steps = [b - a for a, b in itertools.pairwise(lightness)]
    assert all(step < 0 for step in steps) or all(step > 0 for step in steps)
    assert max(map(abs, steps)) < 1.6 * min(map(abs, steps))
    # The background's end is the one with little.
    assert contrast(stops[0], palette.paper) < contrast(stops[-1], palette.paper)


@ALL_PALETTES
def test_the_diverging_scale_is_faint_in_the_middle(palette: Palette) -> None:
    against_paper = [contrast(stop, palette.paper) for stop in palette.diverging]
    middle = len(against_paper) // 2
    assert against_paper[: middle + 1] == sorted(against_paper[: middle + 1], reverse=True)
    assert against_paper[middle:] == sorted(against_paper[middle:])
    assert palette.heat(0.0) == palette.diverging[middle]
    assert palette.heat(-1.0) == palette.diverging[0]
    assert palette.heat(math.nan) == palette.wrong


def lightness_of(color: str) -> float:
    """The L of CIELAB."""
    y = 0.0
    for weight, start in ((0.2126, 1), (0.7152, 3), (0.0722, 5)):
        c = int(color[start : start + 2], 16) / 255
        y += weight * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_every_colour_has_six_digits() -> None:
    """Debian's dot refuses three."""
    for palette in PALETTES.values():
        colors = [*faces(palette), palette.edge, palette.back, palette.grid, palette.group_frame, palette.wrong, *palette.diverging]
        colors += [frame for _, frame in palette.roles.values()] + [stop for stops in palette.scales.values() for stop in stops]
        for color in colors:
            assert len(color) == 7
            assert int(color[1:], 16) >= 0


def test_legible_keeps_an_ink_that_can_be_read() -> None:
    assert legible("#333333", "#FFFFFF") == "#333333"
    assert legible("#AAAAAA", "#FFFFFF") == "#000000"
    assert legible("#AAAAAA", "#FFFFFF", "#444444") == "#444444"
    assert legible("#AAAAAA", "#000044") == "#AAAAAA"
    assert legible("#333333", "#000044") == "#FFFFFF"


def test_blending() -> None:
    stops = ("#000000", "#808080", "#FFFFFF")
    assert [blend(stops, place) for place in (-1, 0, 0.25, 0.5, 1, 2)] == [
        "#000000", "#000000", "#404040", "#808080", "#FFFFFF", "#FFFFFF",
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------- nodes


@pytest.mark.parametrize("theme", PALETTES)
def test_roles_differ_without_colour(theme: str) -> None:
    looks = set()
    for role in ROLES:
        colors = colors_of(DrawnNode("n", role), Look(theme=theme))
        looks.add((colors.width, colors.dashed, colors.rounded, colors.double))
    assert len(looks) == len(ROLES)


def test_outputs_have_a_double_frame_and_several_a_second_sheet() -> None:
    assert colors_of(DrawnNode("n", "operation", is_output=True), Look()).double
    assert not colors_of(DrawnNode("n", "operation"), Look()).double
    assert colors_of(DrawnNode("n", "group", times=12), Look()).stacked
    assert not colors_of(DrawnNode("n", "group"), Look()).stacked


@pytest.mark.parametrize("color", COLORS)
def test_what_is_wrong_has_a_heavy_red_frame_whatever_colours_stand_for(color: str) -> None:
    look = Look(color=color)
    marked, other = (
        DrawnNode("n", "operation", seconds=1.0, saved_bytes=1, gradient=np.array(1.0), marked=m) for m in (True, False)
    )
    scale = scale_of(described(marked, other), look)
    assert colors_of(marked, look, scale).frame == look.palette.wrong
    assert colors_of(marked, look, scale).width >= 2 * colors_of(other, look, scale).width


def test_what_has_no_amount_has_no_colour() -> None:
    look = Look(color="time")
    node = DrawnNode("x", "variable")
    assert colors_of(node, look, Scale("time", 1.0, 2.0, False)).fill == look.palette.unknown


# ----------------------------------------------------------------------------------------------- scales


def test_colours_of_roles_have_no_scale() -> None:
    assert scale_of(timed(1.0, 2.0), Look()) is None
    assert legend_of(None, Look()) is None


def test_where_nothing_is_known_there_is_no_scale() -> None:
    for color in ("time", "memory", "gradient"):
        assert scale_of(described(DrawnNode("x", "variable")), Look(color=color)) is None


def test_amounts_that_are_close_have_a_linear_scale_and_others_a_logarithmic_one() -> None:
    look = Look(color="time")
    near, wide = scale_of(timed(1.0, 2.0, None, 3.0), look), scale_of(timed(1e-6, 1e-4, 1e-2, 0.0), look)
    assert near == Scale("time", 1.0, 3.0, False)
    assert near.place(2.0) == 0.5
    assert wide == Scale("time", 1e-6, 1e-2, True)
    assert wide.place(1e-4) == pytest.approx(0.5)
    assert wide.place(0.0) == 0.0


@pytest.mark.parametrize(
    "amounts", [(0.0,), (0.0, 0.0), (1.0,), (1.0, 1.0), (5e-324, 5e-324), (1e308, 1e308), (0.0, 5e-324, 1e308)]
)
@pytest.mark.parametrize("color", ["time", "memory", "gradient"])
def test_any_amounts_make_a_scale_and_a_legend(amounts: tuple[float, ...], color: str) -> None:
    nodes = [node_with(color, amount) for amount in amounts]
    look = Look(color=color)
    scale = scale_of(described(*nodes), look)
    assert scale is not None
    legend = legend_of(scale, look)
    assert legend is not None
    assert 1 <= len(legend.stops) <= 5
    for node in nodes:
        amount = scale.amount(node)
        assert amount is not None
        assert 0 <= scale.place(amount) <= 1
        assert colors_of(node, look, scale).fill.startswith("#")


def test_a_gradient_that_all_but_vanished_does_not_take_all_the_colours() -> None:
    nodes = [DrawnNode(str(i), "operation", gradient=np.array(g)) for i, g in enumerate((1e-300, 0.01, 1.0))]
    scale = scale_of(described(*nodes), Look(color="gradient"))
    assert scale is not None
    assert scale.place(0.01) == pytest.approx(0.75)
    assert scale.place(1e-300) == 0


def test_the_size_of_a_gradient_is_the_same_whole_or_summed_up() -> None:
    g = np.random.default_rng(0).normal(size=(50, 40))
    whole, figures = (amount_of(DrawnNode("x", "operation", gradient=a), "gradient") for a in (g, summed_up(g)))
    assert whole == pytest.approx(math.sqrt((g * g).mean()))
    assert figures == pytest.approx(whole)


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        (np.array([3.0, 4.0, np.nan, np.inf]), math.sqrt(12.5)),
        (np.array([3 + 4j, 5.0]), 5.0),
        (np.array([1e308, 1e308]), 1e308),
        (np.array([1e-200, -1e-200]), 1e-200),
        (np.zeros(3), 0.0),
        (np.full(3, np.nan), None),
        (np.zeros(0), None),
        (summed_up(np.full(2000, np.nan)), None),
    ],
)
def test_sizes_of_odd_gradients(gradient: Any, expected: float | None) -> None:
    size = amount_of(DrawnNode("x", "operation", gradient=gradient), "gradient")
    assert size == (None if expected is None else pytest.approx(expected))


def test_a_legend_says_amounts_with_units() -> None:
    look = Look(color="memory")
    nodes = [DrawnNode(str(i), "operation", saved_bytes=n) for i, n in enumerate((1000, 5_000_000))]
    legend = legend_of(scale_of(described(*nodes), look), look)
    assert legend is not None
    assert legend.title == "bytes kept for the backward pass, logarithmic"
    assert (legend.stops[0][2], legend.stops[-1][2]) == ("1 kB", "5 MB")
    assert legend.stops[0][0] == look.palette.scales["memory"][0]
    for fill, ink, _ in legend.stops:
        assert contrast(ink, fill) >= 4.5
    gradients = [DrawnNode(str(i), "operation", gradient=np.array(g)) for i, g in enumerate((1.0, 645.6))]
    legend = legend_of(scale_of(described(*gradients), Look(color="gradient")), Look(color="gradient"))
    assert legend is not None
    assert legend.stops[-1][2] == "650"
