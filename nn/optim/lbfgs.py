"""LBFGS: Newton's method with curvature learned from the last steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from autodiff import Tensor, enable_grad
from autodiff.arguments import as_array, plain
from autodiff.graph import wrap
from autodiff.memory import log_write

from .line_search import Point, strong_wolfe
from .optimizer import Optimizer, check_at_least_zero

_VECTORS = ("d", "prev_flat_grad")
_LISTS = ("old_dirs", "old_stps")
_NUMBERS = ("t", "H_diag", "prev_loss")


class LBFGS(Optimizer):
    """Walks along d = -H g, where H, an estimate of the inverse Hessian, comes from the last steps s and changes of gradient y.

    params            the parameters, in one group; a step goes over all of them together
    lr                the length of a step along d, or the first that the line search tries
    max_iter          iterations in a step
    max_eval          evaluations of the loss in a step; 5/4 max_iter where None
    tolerance_grad    a step ends where no element of the gradient is larger
    tolerance_change  a step ends where neither the loss nor a parameter changes more
    history_size      pairs of s and y that are kept
    line_search_fn    "strong_wolfe", which is advised, or None for steps of length lr

    For losses without noise: of the whole data, or of a large batch.

    Source: Liu and Nocedal 1989, On the limited memory BFGS method for large scale optimization.

    >>> from nn import Parameter
    >>> p = Parameter([-1.5, 2.0])
    >>> optimizer = LBFGS([p], line_search_fn="strong_wolfe", max_iter=100)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()  # the loss before the step
    12.5
    >>> bool(closure().item() < 1e-6)
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        self._history: dict[str, Any] = {}
        self._warned: set[str] = set()
        check_at_least_zero("LBFGS", {"max_iter": max_iter}, "max_iter")
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take the parameters; a second group is refused."""
        if self.param_groups:
            raise ValueError(
                "LBFGS: a step goes over all parameters together, so there is one group only; give a list of parameters"
            )
        super().add_param_group(param_group)

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("LBFGS", group, "lr", "max_iter", "max_eval", "tolerance_grad", "tolerance_change", "history_size")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be 'strong_wolfe' or None, got {group['line_search_fn']!r}")

    # ------------------------------------------------------------------------------------------- the vector of all parameters

    def _parts(self, vector: np.ndarray) -> list[np.ndarray]:
        """Return the part of `vector` that belongs to each parameter, in its shape."""
        parts, start = [], 0
        for parameter in self.param_groups[0]["params"]:
            data = parameter._data
            is_complex = data.dtype.kind == "c"
            size = data.size * (2 if is_complex else 1)
            part = vector[start : start + size]
            parts.append((part.view(np.result_type(part, 1j)) if is_complex else part).reshape(data.shape))
            start += size
        return parts

    def _values(self) -> np.ndarray:
        return np.concatenate([_as_real(p._data) for p in self.param_groups[0]["params"]])

    def _assign(self, vector: np.ndarray) -> None:
        for parameter, part in zip(self.param_groups[0]["params"], self._parts(vector), strict=True):
            parameter._data[...] = part
            log_write(parameter._data, "an optimizer's step")

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float, np.ndarray]:
        """Return what the closure does, as a number too, and the gradient; parameters without one have zeros."""
        params = self.param_groups[0]["params"]
        before: Tensor | None = next((p._grad for p in params if p._grad is not None), None)
        array = before._data if before is not None else None
        with enable_grad():
            loss = closure()
        after: Tensor | None = next((p._grad for p in params if p._grad is not None), None)
        if before is not None and before is after and before._data is not array and before._memory is None:
            self._warn("the gradients of all evaluations add up; the closure must call zero_grad() first")
        if loss is None:
            raise TypeError("LBFGS: the closure returned None; it must return the loss")
        if after is None and any(p._node is not None for p in params):
            self._warn(
                "no parameter has a gradient after the closure, which must call zero_grad(), compute the loss, call backward()"
            )
        gradient = np.concatenate([_as_real(np.zeros_like(p._data) if p._grad is None else p._grad._data) for p in params])
        return loss, float(loss.item() if isinstance(loss, Tensor) else loss), gradient

    def _warn(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"LBFGS.step: {what}", UserWarning, stacklevel=5)

    # ------------------------------------------------------------------------------------------- a step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go on by up to max_iter iterations, and return the loss before them.

        closure  computes the loss anew (zero_grad, loss, backward) and returns it; called several times
        """
        if closure is None:
            raise TypeError("LBFGS: a step evaluates the loss several times; give step(closure) a function that computes it anew")
        self._stepped = True
        with np.errstate(all="ignore"):
            return self._step(closure)

    def _step(self, closure: Callable[[], Any]) -> Any:
        group, history = self.param_groups[0], self._history
        evaluations = 1
        first_loss, loss, gradient = self._evaluate(closure)
        history["func_evals"] = history.get("func_evals", 0) + 1
        history.setdefault("n_iter", 0)
        if not _largest(gradient) > group["tolerance_grad"]:  # or nan, from which no step leads back
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            history["n_iter"] += 1
            lr = float(group["lr"])
            if history["n_iter"] == 1:
                direction = -gradient
                history.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
                step = min(1.0, 1.0 / float(np.abs(gradient).sum())) * lr
            else:
                self._learn(gradient - history["prev_flat_grad"], history["d"] * history["t"])
                direction = self._direction(gradient)
                step = lr
            slope = float(gradient.dot(direction))
            before = loss
            history.update(d=direction, t=step, prev_flat_grad=gradient, prev_loss=loss)
            if slope > -group["tolerance_change"]:
                break
            values = self._values()
            calls = 0
            if group["line_search_fn"] is not None:
                start = Point(0.0, loss, gradient, slope)
                found, calls = self._search(closure, values, start, step, group["max_eval"] - evaluations)
                step, loss, gradient = found.step, found.loss, found.gradient
            self._assign(values + step * direction)
            history["t"] = step
            if group["line_search_fn"] is None and iteration != group["max_iter"]:
                _, loss, gradient = self._evaluate(closure)
                calls = 1
            evaluations += calls
            history["func_evals"] += calls
            if evaluations >= group["max_eval"] or _largest(gradient) <= group["tolerance_grad"]:
                break
            if _largest(direction * step) <= group["tolerance_change"] or abs(loss - before) < group["tolerance_change"]:
                break
        return first_loss

    def _search(self, closure: Callable[[], Any], values: np.ndarray, start: Point, step: float, most: int) -> tuple[Point, int]:
        direction = self._history["d"]

        def evaluate(step: float) -> Point:
            self._assign(values + step * direction)
            _, loss, gradient = self._evaluate(closure)
            return Point(step, loss, gradient, float(gradient.dot(direction)))

        try:
            tolerance = self.param_groups[0]["tolerance_change"]
            return strong_wolfe(evaluate, start, step, _largest(direction), tolerance, most)
        except BaseException:
            self._assign(values)  # not at a point that was only tried
            raise

    def _learn(self, y: np.ndarray, s: np.ndarray) -> None:
        """Keep a step and the change of gradient along it, where the curvature is positive."""
        history = self._history
        curvature = float(y.dot(s))
        if not curvature > 1e-10:
            return
        for name, new in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / curvature)):
            history[name].append(new)
            del history[name][: -self.param_groups[0]["history_size"] or None]
        history["H_diag"] = curvature / float(y.dot(y))

    def _direction(self, gradient: np.ndarray) -> np.ndarray:
        """Return -H g, by two loops over the history."""
        history = self._history
        pairs = list(zip(history["old_dirs"], history["old_stps"], history["ro"], strict=True))
        d = -gradient
        shares = []
        for y, s, ro in reversed(pairs):
            share = float(s.dot(d)) * ro
            shares.append(share)
            d -= share * y
        d *= history["H_diag"]
        for (y, s, ro), share in zip(pairs, reversed(shares), strict=True):
            d += (share - float(y.dot(d)) * ro) * s
        return d

    # ------------------------------------------------------------------------------------------- the state

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the options and of the history, with PyTorch's names, at the first parameter."""
        kept = {}
        for key, value in self._history.items():
            if key in _LISTS:
                value = [wrap(vector.copy()) for vector in value]
            elif key in _VECTORS:
                value = wrap(value.copy())
            kept[key] = list(value) if key == "ro" else value
        result = super().state_dict()
        return {**result, "state": {0: kept} if kept else {}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`; raises ValueError, and changes nothing, where it does not fit the parameters."""
        like = self._values()
        given = state_dict["state"].get(0, {})
        kept: dict[str, Any] = {key: int(given[key]) for key in ("func_evals", "n_iter") if key in given}
        for key in _VECTORS:
            if given.get(key) is not None:
                kept[key] = _vector(given[key], like, key)
        for key in _LISTS:
            if given.get(key) is not None:
                kept[key] = [_vector(vector, like, key) for vector in given[key]]
        for key in _NUMBERS:
            if given.get(key) is not None:
                kept[key] = float(given[key])
        if given.get("ro") is not None:
            kept["ro"] = [float(ro) for ro in given["ro"]]
        super().load_state_dict({**state_dict, "state": {}})
        self._history = kept
        self._stepped = self._stepped or bool(kept)


def _as_real(array: np.ndarray) -> np.ndarray:
    """Return the elements in one dimension, complex ones as two."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _largest(vector: np.ndarray) -> float:
    return float(np.abs(vector).max(initial=0.0))


def _vector(value: Any, like: np.ndarray, key: str) -> np.ndarray:
    vector = np.array(as_array(plain(value), f"LBFGS: the state '{key}'"), like.dtype)
    if vector.shape != like.shape:
        raise ValueError(f"LBFGS: the parameters have {like.size} elements in all, the state '{key}' has shape {vector.shape}")
    return vector
