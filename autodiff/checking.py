"""`check_grads`: is the gradient right? Reverse mode against central differences, to any order.

What is compared: the slope of `f` along a random direction, weighted by random cotangents. A wrong element of a gradient
changes the slope along almost every direction, so a few directions check all elements at the cost of a few calls.

When it is right: a difference quotient of step h is itself wrong, by about h**2 (truncation) and by the rounding of f,
divided by h. Where it agrees with the analytic slope at the first step, all is well: no wrong gradient does so by chance.
Where it does not, quotients of many steps are compared with one another; the three steps in a row that agree best tell
the numeric slope and how far it can be trusted. Only a difference larger than that is an error, and where no steps agree
(a jump, randomness, a function of low precision) the message says that instead.

Knows transforms and Tensors. Knows no operation.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .arguments import plain
from .graph import Node, enable_grad
from .tensor import Tensor
from .transforms import gradients

STEP = 1e-5  # about the cube root of float64's precision, where truncation and rounding balance
STEPS = tuple(STEP * 4.0**k for k in range(5, -13, -1))  # the steps to try where the first one disagrees
ROUNDING = 4 * float(np.finfo(float).eps)  # of the value of f, relative to the sum of its terms
LOOKED_AT = 1000  # elements to look at one by one for the message of a failure


class Problem(NamedTuple):
    """A function to check, and how.

    f        a function of Tensors that returns Tensors
    values   its arguments
    checked  the positions of those to differentiate by
    names    of all arguments, for messages
    what     words for the function, for messages
    rtol     tolerated difference of slopes, relative to the length of the gradient along the direction
    atol     the same, absolute
    """

    f: Callable[..., Any]
    values: list[Any]
    checked: list[int]
    names: list[str]
    what: str
    rtol: float
    atol: float


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    directions: int = 2,
    rng: np.random.Generator | int = 0,
) -> None:
    """Raise AssertionError unless the gradient of `f` agrees with central differences, up to `order`.

    f           a function of Tensors; returns a Tensor or several
    args        float64 or complex128 arrays (others are passed through and not checked)
    order       1 checks the gradient; 2 also the gradient of the gradient, by the arguments and by the incoming gradient,
                and that a recorded backward pass gives the same gradient as a plain one; and so on
    rtol, atol  tolerated difference of slopes, relative to the length of the gradient along the direction, and absolute
    directions  how many random directions and cotangents to try
    rng         a Generator or a seed

    The message says which argument, which element is worst, and both values, the analytic and the numeric one.
    Raises TypeError where arguments or results are float32, of which a difference quotient has no correct digits left, and
    ValueError where the value of `f` is not finite, or does not depend on an argument: that check could not fail. To check the
    parameters of a model, hand them to it with `nn.utils.functional_call`.

    >>> check_grads(lambda x: (x * x).sum(), np.array([1.0, 2.0]))
    >>> check_grads(lambda x: x * x.detach(), np.array([1.0, 2.0]))
    Traceback (most recent call last):
      ...
    AssertionError: ... argument 0 ('x') of shape (2,): the worst element is [1]: analytic -0.264..., numeric -0.528...
    """
    if order < 1:
        raise ValueError(f"check_grads: order must be at least 1, got {order}")
    values = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) if isinstance(a, (float, complex)) else a for a in args]
    names = _names(f, len(values))
    checked = [i for i, a in enumerate(values) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    for i in checked:
        if values[i].dtype not in (np.float64, np.complex128):
            raise TypeError(
                f"check_grads: {names[i]} has dtype {values[i].dtype}, expected float64 or complex128: a difference quotient loses "
                "half of all digits, and float32 has seven. Check in float64, and compare a float32 gradient with the float64 one"
            )
    if not checked:
        raise TypeError("check_grads: no argument is a floating array, so there is nothing to check")
    problem = Problem(f, values, checked, names, getattr(f, "__name__", type(f).__name__), rtol, atol)
    imprecise = _check_use(problem, args)
    try:
        _check(problem, order, directions, np.random.default_rng(rng))
    except AssertionError as error:
        if imprecise:
            raise AssertionError(f"{error} {imprecise}") from None
        raise


def _check_use(problem: Problem, args: Sequence[Any]) -> str:
    """Raise where `f` ignores an argument or returns float32; return words for a lack of precision on the way, or ""."""
    variables, outputs = _run(problem, problem.values)
    for k, y in enumerate(outputs):
        if _is_imprecise(y.dtype):
            raise TypeError(
                f"check_grads: {problem.what} returned {y.dtype}{f' as output {k}' if k else ''} for float64 arguments: a "
                f"difference quotient loses half of all digits, and {y.dtype} has too few. Something in the function is "
                f"{y.dtype}, such as the weights of a model (model.double() makes them float64), a dtype= or an astype"
            )
    graph = _behind(outputs)
    if outputs:  # integers and booleans depend on arguments without a path in the graph
        for i in problem.checked:
            if variables[i]._node not in graph and problem.values[i].size and _is_ignored(problem, i):
                raise ValueError(_ignored(problem, i, getattr(args[i], "_node", None) in graph))
    depends: set[Node | None] = {variables[i]._node for i in problem.checked}
    for node in graph:
        if not depends.isdisjoint(node.parents):
            depends.add(node)
            if node.dtype is not None and _is_imprecise(node.dtype):
                return (
                    f"A result on the way, of '{node.operation.name}', is {node.dtype}, too imprecise for a difference quotient: "
                    "the gradient may well be right. Compute all in float64 (model.double() for the weights of a model)"
                )
    return ""


def _is_imprecise(dtype: np.dtype[Any]) -> bool:
    return dtype.itemsize < (16 if dtype.kind == "c" else 8)


def _behind(outputs: Sequence[Tensor]) -> dict[Node, None]:
    """Return all nodes that the outputs were made of, in order of creation."""
    found = {y._node for y in outputs if y._node is not None}
    waiting = list(found)
    while waiting:
        for parent in waiting.pop().parents:
            if parent is not None and parent not in found:
                found.add(parent)
                waiting.append(parent)
    return dict.fromkeys(sorted(found, key=lambda node: node.number))


def _is_ignored(problem: Problem, i: int) -> bool:
    """Return whether the outputs stay what they are, to the last bit, for other values of argument `i`, near and far."""
    value = problem.values[i]
    away = _random_like(value, np.random.default_rng(0)) * _scale(value)
    seen = []
    for other in (value, value + STEP * away, value + away, -value, 0 * value):
        values = [Tensor(a) if k in problem.checked else a for k, a in enumerate(problem.values)]
        values[i] = Tensor(other)
        try:
            with np.errstate(all="ignore"):
                y = problem.f(*values)
        except Exception:  # it objects to the value, so it looked
            return False
        seen.append([np.asarray(plain(part)) for part in (y if isinstance(y, (tuple, list)) else [y])])
    return all(
        len(parts) == len(seen[0])
        and all(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc") for a, b in zip(parts, seen[0], strict=True))
        for parts in seen[1:]
    )


def _ignored(problem: Problem, i: int, used_itself: bool) -> str:
    why = (
        "it uses the Tensor that was given in place of the one it is called with"
        if used_itself
        else "no recorded operation leads from there to the output, and its value stays the same for others"
    )
    return (
        f"check_grads: {problem.what} does not depend on {problem.names[i]}: {why}, so this check could never fail. Compute with "
        "the function's own arguments, and leave out those that it does not need. To check the parameters of a model: "
        "names, values = zip(*model.named_parameters()); "
        "check_grads(lambda *p: nn.utils.functional_call(model, dict(zip(names, p)), x), *values)"
    )


def _check(problem: Problem, order: int, directions: int, rng: np.random.Generator) -> None:
    for _ in range(directions):
        variables, outputs = _run(problem, problem.values)
        cotangents = [_random_like(y.numpy(), rng) for y in outputs]
        analytic = [d.numpy() for d in _gradient(problem, variables, outputs, cotangents, False)]
        _check_slopes(problem, cotangents, analytic, rng)
    if order > 1:
        variables, outputs = _run(problem, problem.values)
        recorded = _gradient(problem, variables, outputs, cotangents, True)
        for i, plain, again in zip(problem.checked, analytic, recorded, strict=True):
            if not np.allclose(plain, again.numpy(), problem.rtol, problem.atol, equal_nan=True):
                raise AssertionError(
                    f"check_grads: {problem.what}, {problem.names[i]}: a recorded backward pass (create_graph=True) gives another "
                    f"gradient than a plain one: the largest difference is {np.max(np.abs(plain - again.numpy())):.4g}"
                )
        _check(_derivative(problem, cotangents), order - 1, directions, rng)


def _derivative(problem: Problem, cotangents: list[np.ndarray]) -> Problem:
    """Return the problem of the gradient, as a function of the arguments and of the incoming gradients."""
    count = len(problem.values)

    def derivative(*values: Any) -> list[Tensor]:
        variables, incoming = list(values[:count]), list(values[count:])
        for i in problem.checked:
            if not variables[i].requires_grad:
                variables[i] = Tensor(variables[i], requires_grad=True)
        with enable_grad():
            outputs = _several(problem.f(*variables))
            return _gradient(problem, variables, outputs, incoming, True)

    positions = [*problem.checked, *(count + k for k, c in enumerate(cotangents) if c.size)]
    names = [*problem.names, *(f"the incoming gradient of output {k}" for k in range(len(cotangents)))]
    values = [*problem.values, *cotangents]
    # Differences of a computed gradient are less exact than those of a value.
    return Problem(derivative, values, positions, names, f"gradient of {problem.what}", problem.rtol * 10, problem.atol * 10)


def _run(problem: Problem, values: Sequence[Any]) -> tuple[list[Any], list[Tensor]]:
    """Return fresh variables at `values`, and the outputs there."""
    variables = [Tensor(a, requires_grad=True) if i in problem.checked else a for i, a in enumerate(values)]
    with enable_grad():
        outputs = _several(problem.f(*variables))
    for y in outputs:
        if not np.isfinite(y.numpy()).all():
            raise ValueError(
                f"check_grads: the value of {problem.what} is not finite at these arguments (nan or inf), so there is no slope to "
                "compare with; choose arguments inside its domain"
            )
    return variables, outputs


def _several(y: Any) -> list[Tensor]:
    """Return the outputs that a derivative can flow through; integers and booleans are none."""
    parts = list(y) if isinstance(y, (tuple, list)) else [y]
    tensors = [part if isinstance(part, Tensor) else Tensor(part) for part in parts]
    return [part for part in tensors if part.dtype.kind in "fc"]


def _gradient(
    problem: Problem, variables: list[Any], outputs: list[Tensor], cotangents: Sequence[Any], recorded: bool
) -> list[Tensor]:
    """Return the gradient by each checked argument; zeros where nothing depends on it."""
    wanted = [variables[i] for i in problem.checked]
    pairs = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [Tensor(np.zeros(x.shape, x.dtype)) for x in wanted]
    found = gradients([y for y, _ in pairs], wanted, [c for _, c in pairs], create_graph=recorded, allow_unused=True)
    return [Tensor(np.zeros(x.shape, x.dtype)) if d is None else d for d, x in zip(found, wanted, strict=True)]


# ---------------------------------------------------------------------------------------------- slopes


def _check_slopes(problem: Problem, cotangents: list[np.ndarray], analytic: list[np.ndarray], rng: np.random.Generator) -> None:
    for i, gradient in zip(problem.checked, analytic, strict=True):
        value = problem.values[i]
        if gradient.shape != value.shape:
            raise AssertionError(
                f"check_grads: {problem.what}: the gradient for {problem.names[i]} has shape {gradient.shape}, expected "
                f"{value.shape}"
            )
        if gradient.size == 0:
            continue
        direction = _random_like(value, rng) * _scale(value)
        found = float(np.sum(_terms(gradient, direction)))
        bound = problem.atol + problem.rtol * float(np.linalg.norm(gradient * direction))
        with np.errstate(all="ignore"):
            numeric, doubt = _numeric_slope(problem, cotangents, i, direction, found, bound)
        difference = abs(found - numeric)
        if difference <= bound or (difference <= bound + doubt and doubt <= 100 * bound):
            continue
        if 100 * bound < doubt and difference < 20 * doubt:
            raise AssertionError(
                f"check_grads: {problem.what}, {problem.names[i]}: no steps of the difference quotient agree, so it neither "
                f"confirms nor refutes the analytic slope {found:.10g} (numeric {numeric:.10g}, give or take {doubt:.2g}). Is "
                "there a jump at these arguments, randomness in the function, or a value of low precision?"
            )
        raise AssertionError(_failure(problem, cotangents, i, gradient, (found, numeric), rng))


def _numeric_slope(
    problem: Problem, cotangents: list[np.ndarray], i: int, direction: np.ndarray, expected: float, bound: float
) -> tuple[float, float]:
    """Return the slope along `direction` by central differences, and how far it may be off.

    Where the first step gives `expected` within `bound`, that is all; else many steps are tried.
    """
    slope, noise = _quotient(problem, cotangents, i, direction, STEP)
    if abs(slope - expected) <= bound:
        return slope, noise
    tried = [_quotient(problem, cotangents, i, direction, step) for step in STEPS]
    best, least = slope, np.inf
    # Truncation falls by 16 from one step to the next: without it, two neighbours would meet at this value.
    met = [fine + (fine - coarse) / 15 for (coarse, _), (fine, _) in itertools.pairwise(tried)]
    for (before, after), (_, noise) in zip(itertools.pairwise(met), tried[2:], strict=True):
        doubt = abs(after - before) + 2 * noise
        if doubt < least:
            best, least = after, doubt
    return best, least


def _quotient(problem: Problem, cotangents: list[np.ndarray], i: int, direction: np.ndarray, step: float) -> tuple[float, float]:
    """Return the central difference along `direction`, and how much of it may be rounding."""
    ahead, behind = list(problem.values), list(problem.values)
    ahead[i], behind[i] = ahead[i] + step * direction, behind[i] - step * direction
    for k in problem.checked:
        ahead[k], behind[k] = Tensor(ahead[k]), Tensor(behind[k])
    difference, size = 0.0, 0.0
    for c, y2, y1 in zip(cotangents, _several(problem.f(*ahead)), _several(problem.f(*behind)), strict=True):
        terms2, terms1 = _terms(c, y2.numpy()), _terms(c, y1.numpy())
        difference += float(np.sum(terms2 - terms1))
        size += float(np.sum(np.abs(terms2)))
    return difference / (2 * step), ROUNDING * size / step


def _terms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Re(conj(a) * b): how much a change `b` moves a value of gradient `a`, element by element."""
    return np.real(np.conj(a) * b)


def _scale(value: np.ndarray) -> np.ndarray:
    """Return how far to step, relative to the step: by large elements in proportion to them."""
    size = np.abs(value)
    return np.where(np.isfinite(size), np.maximum(size, 1.0), 1.0)


def _random_like(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return random numbers: uniform cotangents would hide errors that cancel."""
    values = rng.standard_normal(array.shape)
    return values + 1j * rng.standard_normal(array.shape) if array.dtype.kind == "c" else values


# ---------------------------------------------------------------------------------------------- messages


def _names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    called = [f" ('{p.name}')" for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [f"argument {i}" + (called[i] if i < len(called) else "") for i in range(count)]


def _failure(
    problem: Problem, cotangents: list[np.ndarray], i: int, gradient: np.ndarray, slopes: tuple[float, float],
    rng: np.random.Generator,
) -> str:  # fmt: skip
    """Return the message of a failure, naming the element of argument `i` where the two gradients differ most."""
    value = problem.values[i]
    places = np.arange(value.size)
    if value.size > LOOKED_AT:
        places = rng.choice(value.size, LOOKED_AT, replace=False)
    worst, where = -1.0, 0
    with np.errstate(all="ignore"):
        for place in places:
            difference = abs(gradient.flat[place] - _element(problem, cotangents, i, int(place)))
            if not difference <= worst:
                worst, where = float(difference), int(place)
        numeric = _element(problem, cotangents, i, where, gradient.flat[where])
    index = [int(k) for k in np.unravel_index(where, value.shape)]
    among = f" of {LOOKED_AT} looked at" if value.size > LOOKED_AT else ""
    analytic = complex(gradient.flat[where])
    return (
        f"check_grads: {problem.what}, {problem.names[i]} of shape {value.shape}: the worst element{among} is {index}: "
        f"analytic {_written(analytic)}, numeric {_written(numeric)}. (Analytic is reverse mode, numeric a central difference; "
        f"along a random direction the slopes are {slopes[0]:.10g} and {slopes[1]:.10g}.)"
    )


def _element(problem: Problem, cotangents: list[np.ndarray], i: int, place: int, expected: Any = None) -> complex:
    """Return one element of the gradient by central differences: of one step, or carefully where it is said what to expect."""
    scale = float(_scale(problem.values[i]).flat[place])
    parts = []
    for one in (1, 1j) if problem.values[i].dtype.kind == "c" else (1,):
        unit = np.zeros_like(problem.values[i])
        unit.flat[place] = one * scale
        if expected is None:
            slope, _ = _quotient(problem, cotangents, i, unit, STEP)
        else:
            analytic = float(np.real(np.conj(expected) * unit.flat[place]))
            slope, _ = _numeric_slope(problem, cotangents, i, unit, analytic, problem.rtol * abs(analytic))
        parts.append(slope / scale)
    return complex(*parts)


def _written(number: complex) -> str:
    return f"{number.real:.10g}" if number.imag == 0 else f"{number:.10g}"
