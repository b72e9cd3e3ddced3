"""`explain`, and the `Explanation` that it returns: how a gradient came to be, path by path.

Knows how to find what was asked for in a graph. Where the paths come from is in paths.py, how they are told in telling.py.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from ..border import implicit_seed, inward
from ..flow import behind
from ..graph import Leaf, Node
from ..tensor import Tensor
from ..tracing import summed_up
from .describing import describe_graph
from .naming import UniqueNames, number, plain_text
from .paths import Route, Routes, Step
from .recorded import tracked
from .rules import rules_of
from .telling import as_latex, as_text, count_text, question

MOST_DESCRIBED = 5000  # nodes; larger graphs are not drawn, and their nodes go by their names or operations
SHOWN_AT_EACH_END = 12  # nodes of the backward pass


@dataclass(frozen=True)
class Path:
    """One path from a variable to the output, and what it brings to the gradient.

    nodes         their ids, as in a drawing, from the variable to the output
    factors       for each step, nodes[i] to nodes[i + 1], the derivative of the one by the other: a number; for arrays an array
                  (or its `Statistics`) where an elementwise operation or a single number has one, else the operation's name
    contribution  what the cotangent pushed along this path alone brings to the chosen element; the product of the factors where
                  they are numbers (times the cotangent, where one was given)
    arguments     for each step, by which argument it goes, where there are several ways for the same step; else ""
    pushed        for each node, what arrives there along this path alone; empty where all factors are numbers
    rules         for each step, the operation and its rule for that argument as it is written; g is what arrives
    """

    nodes: tuple[str, ...]
    factors: tuple[Any, ...]
    contribution: Any
    arguments: tuple[str, ...]
    pushed: tuple[Any, ...] = ()
    rules: tuple[str, ...] = ()

    def __repr__(self) -> str:
        nodes = self.nodes if len(self.nodes) < 10 else (*self.nodes[:4], "…", *self.nodes[-4:])
        return f"Path({' → '.join(nodes)}: {number(self.contribution)})"


@dataclass(frozen=True)
class Arrival:
    """One step of the backward pass: the gradient of `node`, and its terms, each with the id of the node that it came from.

    At the variable itself these are numbers, those at the chosen element.
    """

    node: str
    gradient: Any
    terms: tuple[tuple[str, Any], ...]


class Explanation:
    """How the gradient of one number by another came to be, made by `explain`; `print` tells it.

    output, wrt   the ids of both, as in a drawing
    of, element   the chosen elements of them, as indices; `of` is None where a cotangent was given
    total         the gradient at that element
    gradient      the whole gradient of `wrt`, an array
    count         how many paths lead from `wrt` to the output, exactly
    paths         those that bring the most, largest first
    rest          what all other paths bring together: the total less what the paths listed bring
    exact         whether the paths listed are surely the largest; else they are the largest that were found
    walk          the backward pass in its order: the first and the last steps, where there are many
    walk_length   how many there are
    waited        of the first node between that had to wait for several terms: the step at which it did; else None
    notes         what a reader should know besides
    """

    output: str
    wrt: str
    of: tuple[int, ...] | None
    element: tuple[int, ...]
    total: Any
    gradient: np.ndarray
    count: int
    paths: tuple[Path, ...]
    rest: Any
    exact: bool
    cotangent: Any
    walk: tuple[Arrival, ...]
    walk_length: int
    waited: Arrival | None
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        return f"Explanation({question(self)} = {number(self.total)}, {count_text(self.count)} path{'s' * (self.count != 1)})"

    def _repr_latex_(self) -> str:
        return as_latex(self)


@overload
def explain(
    output: Tensor, wrt: Tensor | str | None = None, element: Any = None, of: Any = None, paths: int = 20, cotangent: Any = None
) -> Explanation: ...
@overload
def explain(
    output: Tensor, wrt: list[Any] | tuple[Any, ...] | Iterator[Any], element: None = None, of: Any = None, paths: int = 20,
    cotangent: Any = None,
) -> tuple[Explanation, ...]: ...  # fmt: skip
def explain(
    output: Tensor, wrt: Any = None, element: Any = None, of: Any = None, paths: int = 20, cotangent: Any = None
) -> Explanation | tuple[Explanation, ...]:
    """Return how the derivative of `output` by `wrt` came to be: the chain rule, path by path, with its numbers.

    output     a single number, or an array of which `of` chooses an element
    wrt        a Tensor of the graph (a variable, or a result on the way), or what a drawing calls it; several, for a tuple of
               explanations; may be left out where there is one variable
    element    the index of the element of `wrt` to explain; by default the one with the largest gradient
    of         the index of the element of `output`
    paths      how many paths to list, those that bring the most; all are counted
    cotangent  in place of `of`: how much each element of the output matters, an array of its shape

    For single numbers a path brings the product of its local derivatives. For arrays it brings what the cotangent pushed
    along it alone does. No `.grad` is touched and no graph consumed; hooks take no part. After backward() it works where the
    graph was retained, or recorded under `trace()` and its arrays were small; else it raises RuntimeError. Raises ValueError
    where `wrt` is not in the graph, IndexError for an element that there is none of.

    >>> a = Tensor(3.0, requires_grad=True, name="a")
    >>> why = explain(a * a + a, wrt=a)
    >>> why
    Explanation(∂add/∂a = 7, 3 paths)
    >>> why.paths
    (Path(a → multiply → add: 3), Path(a → multiply → add: 3), Path(a → add: 1))
    """
    node = tracked(output, "explain", "a Tensor to explain")._node
    assert node is not None
    most = operator.index(paths)
    if most < 0:
        raise ValueError(f"explain: paths is how many to list, got {most}")
    seed, chosen = _start(output, of, cotangent)
    graph = _Graph(node, output=output)
    single = wrt is None or isinstance(wrt, (Tensor, str))
    wanted = [wrt] if single else builtins.list(wrt)
    if not single and element is not None:
        raise ValueError("explain: element is an index of one wrt; explain several one by one")
    found = []
    for one in wanted:
        target = graph.node_of(one)
        routes = Routes(node, seed, target)
        found.append(_explanation(graph, routes, element, chosen, most, cotangent))
    return found[0] if single else tuple(found)


class _Graph:
    """The nodes behind an output, with the ids that a drawing gives them."""

    def __init__(self, root: Node, output: Tensor):
        self.root = root
        self.nodes = behind([root])[::-1]
        self.names: dict[Node, Any]
        if len(self.nodes) <= MOST_DESCRIBED:
            drawn = [node for node in describe_graph([output]).nodes if node.role != "constant"]
            self.ids = {node: made.id for node, made in zip(self.nodes, drawn, strict=True)}
            self.names = {node: made.name for node, made in zip(self.nodes, drawn, strict=True)}
        else:
            unique = UniqueNames()
            self.names = {node: getattr(node.tensor(), "name", None) for node in self.nodes if isinstance(node, Leaf)}
            self.names[root] = output.name
            self.ids = {node: unique(self.names.get(node) or _kind(node)) for node in self.nodes}

    def node_of(self, wrt: Any) -> Node:
        """Return the node of what a caller asked for."""
        leaves = [node for node in self.nodes if isinstance(node, Leaf)]
        there = ", ".join(self.ids[node] for node in leaves[:12]) + (f" and {len(leaves) - 12} more" if len(leaves) > 12 else "")
        there = f"its variables are {there}; a result on the way will do too, given as a Tensor or by its name in a drawing"
        if wrt is None:
            if len(leaves) == 1:
                return leaves[0]
            raise ValueError(f"explain: say by what to differentiate, wrt=...; {there}")
        called = self.ids[self.root]
        if isinstance(wrt, str):
            found = [node for node in self.nodes if self.ids[node] == wrt and node.shape is not None]
            found = found or [n for n in self.nodes if isinstance(self.names.get(n), str) and self.names[n] == wrt]
            if not found:
                raise ValueError(f"explain: nothing in the graph of {called} is called {plain_text(wrt)!r}; {there}")
            if len(found) > 1:
                those = ", ".join(self.ids[node] for node in found[:12])
                raise ValueError(f"explain: several are called {plain_text(wrt)!r}; they are told apart as {those}")
            return found[0]
        if not isinstance(wrt, Tensor):
            raise TypeError(f"explain: wrt is a Tensor, a name, or several; got {type(wrt).__name__}")
        node = wrt._node
        if node is None or node not in self.ids:
            name = f"'{plain_text(wrt.name)}' " if wrt.name else ""
            why = "it is not tracked" if node is None else f"{called} was not computed from it"
            raise ValueError(f"explain: the tensor {name}is not in the graph of {called} ({why}); {there}")
        return node


def _kind(node: Node) -> str:
    if isinstance(node, Leaf):
        return "variable"
    return "part" if node.operation.index_only else str(node.operation.name)


def _start(output: Tensor, of: Any, cotangent: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Return the seed of the backward pass, and the chosen element of the output."""
    if cotangent is not None:
        if of is not None:
            raise ValueError("explain: give either of, one element of the output, or cotangent, the weights of all")
        return inward(cotangent, output, "explain: cotangent", False), None
    if of is None:
        cure = "say which element to explain, of=..., or give a cotangent=..."
        return implicit_seed(output, "explain", cure), (0,) * output._data.ndim
    chosen = _index(of, output._data.shape, "of")
    seed = np.zeros(output._data.shape, output._data.dtype)
    if seed.dtype.kind == "c":
        implicit_seed(Tensor(seed[chosen]), "explain", "give a cotangent=...")  # raises: it says why
    seed[chosen] = 1
    return seed, chosen


def _index(index: Any, shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    given = index if isinstance(index, tuple) else (index,)
    try:
        chosen = tuple([operator.index(i) for i in given])
    except TypeError:
        raise TypeError(f"explain: {what} is an index of a single element, integers; got {index!r}") from None
    if len(chosen) != len(shape) or not all(-n <= i < n for i, n in zip(chosen, shape)):
        raise IndexError(f"explain: {what}={index!r} is no index of an element of shape {shape}; {_example(chosen, shape, what)}")
    return tuple([i % n for i, n in zip(chosen, shape)])


def _example(index: tuple[int, ...], shape: tuple[int, ...], what: str) -> str:
    """Return how an element of an array of this shape is written; where a single integer counts through all, that one."""
    size = math.prod(shape)
    if not size:
        return "it has no elements"
    if len(index) == 1 and len(shape) > 1 and -size <= index[0] < size:
        place = tuple([int(i) for i in np.unravel_index(index[0] % size, shape)])
        return f"one integer for each axis: counted row by row, that is {what}={place}"
    return f"one integer for each axis, such as {what}={tuple([n - 1 for n in shape])}"


def _explanation(graph: _Graph, routes: Routes, element: Any, of: tuple[int, ...] | None, most: int, cotangent: Any) -> Explanation:
    target, ids = routes.target, graph.ids
    gradient = routes.flow.gradients.get(target)
    gradient = np.zeros(target.shape, target.dtype) if gradient is None else np.array(gradient)
    if not gradient.size:
        raise ValueError(f"explain: {ids[target]} has shape {gradient.shape}, no element to explain")
    notes = []
    if element is not None:
        element = _index(element, gradient.shape, "element")
    else:
        with np.errstate(all="ignore"):
            place = int(np.argmax(np.abs(gradient)))  # nan counts as the largest
        element = tuple([int(i) for i in np.unravel_index(place, gradient.shape)])
        if gradient.size > 1:
            notes.append(
                f"Of the {gradient.size:,} elements of {ids[target]}, shape {gradient.shape}, this one has the largest gradient; "
                "choose another with element=..."
            )
    count, cost = routes.count()
    found = routes.largest(most, element, cost)
    told = Explanation()
    told.output, told.wrt, told.of, told.element = ids[routes.root], ids[target], of, element
    told.gradient, told.total, told.count = gradient, gradient[element].item(), count
    told.paths = tuple([_path(route, routes, ids) for route in found])
    # Where there are other paths only the rounding of the sum is sure to be nothing else.
    roundings = 16 + 4 * max((len(path.factors) for path in told.paths), default=0) if len(found) == count else 4
    contributions = [path.contribution for path in told.paths]
    told.rest = _rest(told.total, contributions, len(found) == count, routes.eps * roundings)
    told.exact = routes.exact or len(found) == count
    told.cotangent = None if cotangent is None else summed_up(np.asarray(getattr(cotangent, "_data", cotangent)))
    told.walk, told.walk_length, told.waited = _walk(routes, ids, element)
    if any(node.notes is not None and node.notes.hooks for node in routes.flow.order):
        notes.append("Hooks are left out: what a hook makes of a gradient in backward() is not seen here.")
    if np.isfinite(told.total) and not all(map(np.isfinite, contributions)):
        notes.append(
            "Some paths bring no finite number alone. In the pass they cancel, or meet a gradient of exactly 0, before that."
        )
    told.notes = tuple(notes)
    return told


def _rest(total: Any, contributions: list[Any], all_listed: bool, tolerance: float) -> Any:
    """Return the total less the sum of contributions: exactly 0 where nothing is left but rounding."""
    brought = builtins.sum(contributions)
    if all_listed and (brought == total or (brought != brought and total != total)):  # also inf, where inf - inf is nan
        return 0.0
    left = total - brought
    return 0.0 if abs(left) <= tolerance * builtins.sum(map(abs, contributions)) < math.inf else left


def _path(route: Route, routes: Routes, ids: dict[Node, str]) -> Path:
    nodes, factors, arguments = [ids[routes.target]], [], []
    rules = []
    pushed = route.pushed[:1]
    for i, (step, local) in enumerate(zip(route.steps, route.local)):
        ways = (step.whole or step.node).parents
        argument = step.argument if ways.count(step.parent) > 1 else ""
        nodes.append(ids[step.whole or step.node])
        factors.append(local)
        rules.append(_rule(step))
        arguments.append(argument)
        pushed += route.pushed[i + 1 : i + 2]
        if step.whole is not None:
            nodes.append(ids[step.node])
            factors.append(1.0 if routes.scalar else str(step.node.operation.name))
            arguments.append("")
            rules.append("the part of several outputs")
            pushed += route.pushed[i + 1 : i + 2]
    return Path(tuple(nodes), tuple(factors), route.contribution, tuple(arguments), tuple(pushed), tuple(rules))


def _rule(step: Step) -> str:
    """Return what an operation does with what arrives, such as "tanh: g * (1 - y * y)"; of a longer rule its name."""
    operation = step.operation
    name = str(operation.name).removesuffix("_constant")
    texts = rules_of(operation)
    text = texts.get(operation.arguments[0] if operation.sequence else step.argument) or texts.get("", "")
    if text.startswith("lambda"):
        return f"{name}: {text.partition(':')[2].strip()}"
    return f"{name}: by {text.removeprefix('def ').partition('(')[0]}()" if text.startswith("def ") else name


def _walk(routes: Routes, ids: dict[Node, str], element: tuple[int, ...]) -> tuple[tuple[Arrival, ...], int, Arrival | None]:
    """Return the first and last steps of the backward pass, how many there are, and the first at which a node had waited."""
    flow = routes.flow
    passed = [node for node in flow.order if node in flow.gradients and node.shape is not None]
    shown = passed if len(passed) <= 2 * SHOWN_AT_EACH_END else [*passed[:SHOWN_AT_EACH_END], *passed[-SHOWN_AT_EACH_END:]]
    first: dict[Node | None, Node] = {}
    several = set()
    for sender, position in flow.contributions:
        parent = sender.parents[position]
        if first.setdefault(parent, sender) is not sender:
            several.add(parent)
    waiting = next((node for node in passed if node in several and node is not routes.target), None)
    terms: dict[Node | None, list[Any]] = {node: [] for node in [*shown, waiting]}
    for (sender, position), term in flow.contributions.items():
        parent = sender.parents[position]
        if parent in terms:
            terms[parent].append((ids[sender], summed_up(term[element] if parent is routes.target else term)))
    made = {}
    for node, found in terms.items():
        if node is not None:
            gradient = flow.gradients[node][element] if node is routes.target else flow.gradients[node]
            made[node] = Arrival(ids[node], summed_up(gradient), tuple(found))
    return tuple([made[node] for node in shown]), len(passed), None if waiting is None else made[waiting]
