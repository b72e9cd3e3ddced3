"""Descriptions as JSON: exact both ways, described by a schema and a page, and checked field by field when read."""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Tensor
from autodiff.drawing import describe_graph, interchange
from autodiff.drawing.description import Description, DrawnEdge, DrawnGroup, DrawnNode
from autodiff.drawing.folding import folded
from autodiff.drawing.interchange import as_dict, as_json, from_json
from autodiff.drawing.shaping import collapsed
from autodiff.tracing import Statistics

from .random_graphs import HOSTILE, made_up, recorded, stack_of_blocks

SCHEMA_FILE = Path(interchange.__file__).with_name("graph.schema.json")
PAGE = Path(__file__).parents[2] / "docs" / "graph_format.md"


def equal(a: Any, b: Any) -> bool:
    """Whether two values of fields are the same: type, dtype, shape, every bit that counts."""
    if isinstance(a, np.ndarray):
        if not isinstance(b, np.ndarray) or (a.dtype, a.shape) != (b.dtype, b.shape):
            return False
        signs = a.dtype.kind in "fc" and not (
            np.array_equal(np.signbit(a.real)[a.real == 0], np.signbit(b.real)[b.real == 0])
            and np.array_equal(np.signbit(a.imag)[a.imag == 0], np.signbit(b.imag)[b.imag == 0])
        )
        return not signs and np.array_equal(a.real, b.real, equal_nan=True) and np.array_equal(a.imag, b.imag, equal_nan=True)
    if isinstance(a, Statistics):
        return isinstance(b, Statistics) and all(equal(getattr(a, name), getattr(b, name)) for name in a.__slots__)
    if isinstance(a, float):
        return isinstance(b, float) and (a == b or (math.isnan(a) and math.isnan(b)))
    return bool(type(a) is type(b) and a == b)


def same(a: Description, b: Description) -> bool:
    for ours, theirs in ((a.nodes, b.nodes), (a.edges, b.edges), (a.groups, b.groups)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            for field in fields(one):
                assert equal(getattr(one, field.name), getattr(other, field.name)), field.name
    return True


# ----------------------------------------------------------------------------------------------- there and back


@settings(max_examples=80, deadline=None)
@given(made_up())
def test_any_description_comes_back_as_it_was(description: Description) -> None:
    text = as_json(description)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert same(from_json(text), description)
    assert same(from_json(as_dict(description)), description)
    assert as_json(from_json(text)) == text


@settings(max_examples=30, deadline=None)
@given(recorded())
def test_recorded_graphs_come_back_as_they_were(description: Description) -> None:
    for view in (description, collapsed(description, depth=1), folded(description), folded(collapsed(description, depth=1))):
        assert same(from_json(as_json(view)), view)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.array([1.0, np.nan, np.inf, -np.inf, -0.0]), [1.0, "nan", "inf", "-inf", -0.0]),
        (np.array(2), 2),
        (np.array(True), True),
        (np.array([[1, 2], [3, 4]], order="F"), [[1, 2], [3, 4]]),
        (np.array([1 + 2j, complex(0, np.nan)]), [{"re": 1.0, "im": 2.0}, {"re": 0.0, "im": "nan"}]),
        (np.zeros((2, 0, 3)), [[], []]),
        (np.float32(0.1) * np.ones(1, np.float32), [0.10000000149011612]),
        (np.array([2**63], dtype=np.uint64), [2**63]),
    ],
)
def test_how_arrays_are_written(value: Any, written: Any) -> None:
    node = DrawnNode("x", "constant", value=value)
    made = as_dict(Description([node], [], []))["nodes"][0]["value"]
    assert made == {"kind": "array", "dtype": str(value.dtype), "shape": list(value.shape), "data": written}
    assert same(from_json(as_json(Description([node], [], []))), Description([node], [], []))


def test_an_array_of_another_byte_order_is_written_as_the_same_numbers() -> None:
    node = DrawnNode("x", "constant", value=np.array([1.5], dtype=">f8"))
    back = from_json(as_json(Description([node], [], []))).nodes[0].value
    assert back.dtype == np.float64
    assert back.tolist() == [1.5]


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([None]), np.array(["2020-01-01"], dtype="M8[D]")])
def test_what_is_no_number_is_left_out_with_the_reason(value: Any) -> None:
    node = DrawnNode("x", "constant", value=value)
    back = from_json(as_json(Description([node], [], []))).nodes[0]
    assert back.value is None
    assert back.no_value == f"JSON has no numbers of dtype {value.dtype}"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_names(name: str) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name=name)
    text = as_json(describe_graph([x * x]))
    assert "</" not in text
    assert from_json(text).nodes[0].name == (name or None)


def test_ids_hold_no_addresses_and_repeat_from_run_to_run() -> None:
    first, second = (as_dict(collapsed(stack_of_blocks(2), depth=1)) for _ in range(2))
    for what in ("nodes", "groups"):
        assert [one["id"] for one in first[what]] == [one["id"] for one in second[what]]
    assert "0x" not in "".join(one["id"] for one in first["nodes"])


# ----------------------------------------------------------------------------------------------- schema and page


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def valid(data: Any, schema: Any) -> bool:
    jsonschema = pytest.importorskip("jsonschema", reason="validates against the schema")
    return bool(jsonschema.Draft202012Validator(schema).is_valid(data))


def test_the_schema_is_a_schema(schema: Any) -> None:
    pytest.importorskip("jsonschema", reason="validates against the schema").Draft202012Validator.check_schema(schema)


@settings(max_examples=12, deadline=None)
@given(st.one_of(made_up(), recorded()))
def test_what_is_written_fits_the_schema(description: Description) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for view in (description, collapsed(description, depth=0)):
        assert valid(json.loads(as_json(view)), schema)


def names_on_page(section: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8").split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("section", "definition", "names"),
    [
        ("A node", "node", [field.name for field in fields(DrawnNode)]),
        ("An edge", "edge", [field.name for field in fields(DrawnEdge)]),
        ("A group", "group", [field.name for field in fields(DrawnGroup)]),
        ("The whole", "", ["format", "version", *(field.name for field in fields(Description))]),
        ("Statistics", "statistics", ["kind", *Statistics.__slots__]),
        ("An array", "array", ["kind", "dtype", "shape", "data"]),
    ],
)
def test_schema_page_and_dataclasses_name_the_same_fields(schema: Any, section: str, definition: str, names: list[str]) -> None:
    described = schema["$defs"][definition] if definition else schema
    assert sorted(described["properties"]) == sorted(names)
    assert sorted(names_on_page(section)) == sorted(names)
    assert described["additionalProperties"] is False
    table = {"node": interchange._NODE, "edge": interchange._EDGE, "group": interchange._GROUP}.get(definition)
    assert table is None or sorted(table) == sorted(names)


def test_schema_and_code_name_the_same_roles_kinds_and_dtypes(schema: Any) -> None:
    definitions = schema["$defs"]
    assert definitions["node"]["properties"]["role"]["enum"] == list(interchange.ROLES)
    assert definitions["group"]["properties"]["kind"]["enum"] == list(interchange.KINDS)
    assert definitions["dtype"]["enum"] == list(interchange.DTYPES)


# ----------------------------------------------------------------------------------------------- wrong files


def sample() -> dict[str, Any]:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    with ad.trace():
        y = np.linalg.norm(x, ord=2) * np.ones(2000)
    return as_dict(describe_graph([y]))


def at(data: Any, path: str, value: Any) -> Any:
    """Return a copy of `data` with `value` in one place; `...` removes it."""
    whole = inner = copy.deepcopy(data)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return whole


WRONG: list[tuple[str, Any, str]] = [
    ("format", "graph", "format: expected 'autodiff-graph', got 'graph'"),
    ("format", ..., "format: expected 'autodiff-graph', got None"),
    ("version", 2, "version: this library reads version 1, got 2"),
    ("version", True, "version: .* got True"),
    ("extra", 1, "there is no field 'extra' in a graph"),
    ("nodes", {}, "nodes: expected a list, got an object"),
    ("edges", ..., r"edges: expected a list, got nothing \(null\)"),
    ("nodes.0", 3, r"nodes\[0\]: expected an object, got a number"),
    ("nodes.0.id", ..., r"nodes\[0\]: the field 'id' is missing"),
    ("nodes.0.id", 5, r"nodes\[0\].id: expected a text, got a number"),
    ("nodes.0.role", "spy", r"nodes\[0\].role: expected one of parameter.*, got 'spy'"),
    ("nodes.0.role", [], r"nodes\[0\].role: expected one of parameter.*, got a list"),
    ("nodes.0.colour", "red", r"nodes\[0\]: there is no field 'colour'"),
    ("nodes.0.is_output", 1, r"nodes\[0\].is_output: expected true or false, got a number"),
    ("nodes.0.shape", [2, -1], r"nodes\[0\].shape: expected a list of whole numbers"),
    ("nodes.0.shape", [True], r"nodes\[0\].shape: expected a list of whole numbers"),
    ("nodes.0.shape", [1] * 65, r"nodes\[0\].shape: expected a list of whole numbers"),
    ("nodes.0.times", 0, r"nodes\[0\].times: expected a whole number, 1 or more, got 0"),
    ("nodes.0.times", 1.5, r"nodes\[0\].times: expected a whole number, 1 or more, got 1.5"),
    ("nodes.0.part", -1, r"nodes\[0\].part: expected a whole number, 0 or more"),
    ("nodes.0.seconds", "soon", r"nodes\[0\].seconds: expected a number, .*got 'soon'"),
    ("nodes.0.seconds", float("nan"), r"nodes\[0\].seconds: expected a finite number"),
    ("nodes.0.seconds", 10**400, r"nodes\[0\].seconds: expected a finite number"),
    ("nodes.0.settings", [], r"nodes\[0\].settings: expected an object, got a list"),
    ("nodes.0.settings", {"axis": 1}, r"nodes\[0\].settings: expected a text, got a number"),
    ("nodes.0.value", [1, 2], r"nodes\[0\].value: expected an array or statistics, got a list"),
    ("nodes.0.value.kind", {}, r"nodes\[0\].value: expected the kind 'array' or 'statistics', got an object"),
    ("nodes.0.value.dtype", "object", r"nodes\[0\].value: in 'dtype': expected one of bool"),
    ("nodes.0.value.dtype", ..., r"nodes\[0\].value: the field 'dtype' is missing"),
    ("nodes.0.value.data", [1.0], r"nodes\[0\].value: the data do not have the shape \[2\]"),
    ("nodes.0.value.data", [1.0, "x"], r"nodes\[0\].value: expected a number, .* got 'x'"),
    ("nodes.0.value.data", [1.0, [2.0]], r"nodes\[0\].value: expected a number, .* got a list"),
    ("nodes.0.value.shape", [2, 10**9], r"nodes\[0\].value: the data do not have the shape"),
    ("nodes.0.value.more", 1, r"nodes\[0\].value: there is no field 'more' in array"),
    ("nodes.0.value", {"kind": "array", "dtype": "int8", "shape": [1], "data": [300]}, "do not fit into int8"),
    ("nodes.0.value", {"kind": "array", "dtype": "int8", "shape": [1], "data": [1.0]}, "expected int8, got 1.0"),
    ("nodes.0.value", {"kind": "array", "dtype": "int8", "shape": [1], "data": [True]}, "expected int8, got True"),
    ("nodes.0.value", {"kind": "array", "dtype": "bool", "shape": [1], "data": [1]}, "expected bool, got 1"),
    ("nodes.0.value", {"kind": "array", "dtype": "float32", "shape": [1], "data": [1e300]}, "do not fit into float32"),
    ("nodes.0.value", {"kind": "array", "dtype": "float64", "shape": [0, 2**62, 2**62], "data": []}, "do not fit into float64"),
    ("nodes.0.value", {"kind": "array", "dtype": "complex64", "shape": [], "data": 1.0}, "expected a complex number"),
    ("edges.0.source", "nobody", r"edges\[0\].source: there is no node 'nobody'"),
    ("edges.0.target", "x", r"edges\[0\]: the node 'x' must come after 'x'"),
    ("nodes.1.id", "x", r"nodes\[1\].id: 'x' is there twice"),
    ("nodes.1.group", "nowhere", r"nodes\[1\].group: there is no group 'nowhere'"),
    ("groups.0.parent", "norm", r"groups\[0\].parent: there is no group 'norm' before it"),
    ("groups.0.kind", "class", r"groups\[0\].kind: expected one of module, composition, fused, got 'class'"),
    ("groups.0.id", None, r"groups\[0\].id: expected a text, got nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_wrong_files_are_refused_with_place_and_reason(path: str, value: Any, message: str) -> None:
    data = sample()
    from_json(data)
    with pytest.raises(ValueError, match=message) as caught:
        from_json(at(data, path, value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 200_000, "nested too deeply"),
        ('{"format": ' + "9" * 10_000 + "}", "not JSON|format"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[]", "a JSON object with nodes, edges and groups, got a list"),
        ("cos\nsystem\n(S'echo'\ntR.", "not JSON"),
    ],
)
def test_what_is_no_graph_is_refused(text: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(text)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_in_words(data: st.DataObject) -> None:
    whole = sample()
    places: list[str] = []
    waiting: list[tuple[str, Any]] = [("", whole)]
    while waiting:
        path, value = waiting.pop()
        inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
        for name, one in inner:
            places.append(f"{path}{name}")
            waiting.append((f"{path}{name}.", one))
    junk = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(HOSTILE), st.just([]), st.just({}), st.just(...)
    )
    damaged = at(whole, data.draw(st.sampled_from(places)), data.draw(junk))
    try:
        description = from_json(damaged)
    except ValueError:
        return
    assert same(from_json(as_json(description)), description)
