"""Bad input: each a clear error in the caller's words, saying what came, what was expected, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor, gradients, no_grad


def a(*shape: int, name: str | None = "a", dtype: Any = float) -> Tensor:
    return Tensor(np.ones(shape), dtype=dtype, name=name)


def leaf(*shape: int, name: str | None = "x") -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True, name=name)


def consumed() -> Tensor:
    loss = (leaf(2) * leaf(2)).sum()
    loss.backward()
    return loss


CASES: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    # shapes that do not broadcast
    (
        "add",
        lambda: a(3) + a(4, name="b"),
        ValueError,
        r"add: shapes do not broadcast: 'a' \(3,\) float64 and 'b' \(4,\) float64. From the last",
    ),
    ("add cure", lambda: a(3) + a(4), ValueError, r"sizes must be equal or 1; insert an axis with x\[:, None\] or reshape"),
    (
        "array first",
        lambda: np.ones((2, 2)) * leaf(3),
        ValueError,
        r"multiply: shapes do not broadcast: \(2, 2\) float64 and 'x' \(3,\)",
    ),
    ("numpy function", lambda: np.arctan2(leaf(3), leaf(4)), ValueError, r"arctan2: shapes do not broadcast"),
    ("comparison", lambda: a(3) < a(4), ValueError, r"less: shapes do not broadcast: 'a' \(3,\) float64 and 'a' \(4,\)"),
    ("where", lambda: ad.where(a(3) > 0, a(3), a(4)), ValueError, r"where: shapes do not broadcast: .*'a' \(4,\)"),
    ("in place", lambda: a(3).__iadd__(a(4)), ValueError, r"add: shapes do not broadcast"),
    ("under trace", lambda: traced(lambda: a(3) + a(4)), ValueError, r"add: shapes do not broadcast"),
    (
        "broadcast_to",
        lambda: ad.broadcast_to(a(3), (4,)),
        ValueError,
        r"broadcast_to: operands .* requested shape .*\(4,\) \(given 'a' \(3,\) float64",
    ),
    (
        "concatenate",
        lambda: ad.concatenate([a(2, 2), a(2, 3)]),
        ValueError,
        r"concatenate: .*\(given 'a' \(2, 2\) float64, 'a' \(2, 3\) float64\)",
    ),
    ("stack", lambda: ad.stack([a(2), a(3)]), ValueError, r"stack: .*'a' \(2,\) float64, 'a' \(3,\) float64"),
    # matrix products
    (
        "matmul",
        lambda: a(2, 3) @ a(2, 3, name="b"),
        ValueError,
        r"matmul: shapes do not fit: 'a' \(2, 3\) float64 @ 'b' \(2, 3\) .* The last axis",
    ),
    ("matmul vector", lambda: a(2, 3) @ a(2), ValueError, r"matmul: shapes do not fit: 'a' \(2, 3\) float64 @ 'a' \(2,\)"),
    (
        "matmul number",
        lambda: a(2, 3) @ 2.0,
        ValueError,
        r"matmul: a single number has no axis to sum over; multiply by it with \* \(given 'a' \(2, 3\)",
    ),
    ("matmul list", lambda: [[1.0, 2.0]] @ a(3, 2), ValueError, r"matmul: shapes do not fit: .* @ 'a' \(3, 2\)"),
    (
        "einsum",
        lambda: ad.einsum("ij,jk", a(2, 3), a(2, 3)),
        ValueError,
        r"einsum: 'j' in 'ij,jk->ik' has length 3 .* 2 in another \(given 'a' \(2, 3\) float64, 'a' \(2, 3\) float64\)",
    ),
    ("einsum operands", lambda: ad.einsum("ij,jk->ik", a(2, 3)), ValueError, r"einsum: 'ij,jk->ik' names 2 operands, got 1"),
    (
        "tensordot",
        lambda: ad.tensordot(a(2, 3), a(2, 3), 1),
        ValueError,
        r"tensordot: axes \[1\] of \(2, 3\) and \[0\] of \(2, 3\) do not have the same lengths",
    ),
    # axes and shapes
    (
        "sum axis",
        lambda: leaf(3).sum(axis=1),
        ValueError,
        r"sum: axis 1 is out of bounds for array of dimension 1 \(given 'x' \(3,\) float64",
    ),
    ("max axis", lambda: a(3).max(axis=-2), ValueError, r"max: axis -2 is out of bounds"),
    ("mean axes", lambda: a(3, 2).mean(axis=(0, 2)), ValueError, r"mean: axis 2 is out of bounds"),
    ("transpose axes", lambda: a(3, 2).transpose(0, 0), ValueError, r"transpose: .*repeated axis"),
    ("swapaxes", lambda: a(3).swapaxes(0, 1), ValueError, r"swapaxes: .*axis.* 1 is out of bounds"),
    ("concatenate axis", lambda: ad.concatenate([a(3)], axis=1), ValueError, r"concatenate: axis 1 is out of bounds"),
    ("squeeze", lambda: a(3).squeeze(0), ValueError, r"squeeze: .*size.* not equal to one \(given 'a' \(3,\) float64"),
    ("mT", lambda: a(3).mT, ValueError, r"mT: a matrix has at least two axes, this tensor has shape \(3,\)"),
    (
        "reshape",
        lambda: leaf(3).reshape(2, 2),
        ValueError,
        r"reshape: cannot reshape array of size 3 into shape \(2,\s?2\) \(given 'x' \(3,\)",
    ),
    ("split", lambda: ad.split(a(3), 2), ValueError, r"split: 2 equal parts cannot be cut from axis 0 of length 3; .* array_split"),
    ("empty max", lambda: a(0).max(), ValueError, r"max: zero-size array .* \(given 'a' \(0,\) float64"),
    ("len", lambda: len(Tensor(1.0)), TypeError, r"len\(\) of a 0-d tensor"),
    # the backward pass
    (
        "untracked",
        lambda: a(2).sum().backward(),
        RuntimeError,
        r"backward: the tensor is not tracked, .* requires_grad=True, and check that no",
    ),
    ("untracked name", lambda: a(1).backward(), RuntimeError, r"backward: the tensor 'a' is not tracked"),
    (
        "no single number",
        lambda: (leaf(3) * 2).backward(),
        RuntimeError,
        r"backward: a tensor of shape \(3,\) is not a single number; reduce it",
    ),
    (
        "gradient's shape",
        lambda: leaf(3).backward(np.ones(4)),
        ValueError,
        r"backward: the gradient has shape \(4,\), expected \(3,\), .*'x'",
    ),
    ("gradient's dtype", lambda: leaf(1).backward(["a"]), TypeError, r"backward: the gradient .*numbers"),
    (
        "complex gradient",
        lambda: leaf(1).backward([1j]),
        TypeError,
        r"backward: the gradient is complex \(complex128\), the tensor real",
    ),
    (
        "twice",
        lambda: consumed().backward(),
        RuntimeError,
        r"the graph was already consumed; the first consumed operation is '(sum|multiply)'",
    ),
    ("twice cure", lambda: consumed().backward(), RuntimeError, r"built once, outside the loop, .* retain_graph=True"),
    (
        "inputs",
        lambda: leaf(1).backward(inputs=a(1)),
        RuntimeError,
        r"backward: an input of inputs= 'a' of shape \(1,\) does not require grad",
    ),
    (
        "unused",
        lambda: gradients(leaf(1), leaf(1, name="w")),
        RuntimeError,
        r"gradients: no output depends on input 0 \('w'\); .*allow_unused",
    ),
    (
        "untracked input",
        lambda: gradients(leaf(1), a(1)),
        RuntimeError,
        r"gradients: input 0 is not tracked; make it with requires_grad=True",
    ),
    ("untracked output", lambda: gradients(a(1), leaf(1)), RuntimeError, r"gradients: output 0 is not tracked"),
    (
        "several numbers",
        lambda: gradients(leaf(2) * 2, leaf(2)),
        RuntimeError,
        r"gradients: output 0: a tensor of shape \(2,\) is not a single",
    ),
    ("retain_grad", lambda: a(1).retain_grad(), RuntimeError, r"retain_grad: the tensor is not tracked"),
    (
        "hook",
        lambda: a(1).register_hook(print),
        RuntimeError,
        r"register_hook: the tensor is not tracked, so no gradient will arrive",
    ),
    # integers and dtypes
    (
        "integer leaf",
        lambda: Tensor([1, 2], requires_grad=True, name="n"),
        TypeError,
        r"requires_grad: the tensor 'n' has dtype int64; only floating",
    ),
    ("integer leaf cure", lambda: a(2, dtype=int).requires_grad_(), TypeError, r"Make it Tensor\(data, dtype=float\)"),
    ("boolean leaf", lambda: Tensor([True], requires_grad=True), TypeError, r"has dtype bool"),
    (
        "unknown dtype",
        lambda: Tensor([1.0], dtype="float99"),
        TypeError,
        r"Tensor: unknown dtype 'float99'; expected one of NumPy's, such as float",
    ),
    ("unknown dtype of astype", lambda: a(1).astype("nonsense"), TypeError, r"astype: unknown dtype 'nonsense'"),
    (
        "text dtype",
        lambda: Tensor([1.0], dtype=str),
        TypeError,
        r"Tensor: dtype <U0 holds no numbers; expected bool, int, float or complex",
    ),
    ("object dtype", lambda: Tensor([1.0], dtype=object), TypeError, r"Tensor: dtype object holds no numbers"),
    ("time dtype", lambda: a(1).astype("M8[s]"), TypeError, r"astype: dtype datetime64\[s\] holds no numbers"),
    # data that is no array of numbers
    ("text", lambda: Tensor("abc"), TypeError, r"Tensor: expected numbers, got 'abc' \(dtype <U3\)"),
    ("none", lambda: Tensor(None), TypeError, r"Tensor: expected numbers, got None"),
    ("ragged", lambda: Tensor([[1, 2], [3]]), ValueError, r"Tensor: \[\[1, 2\], \[3\]\] is not an array of numbers"),
    ("generator", lambda: Tensor(i for i in range(3)), TypeError, r"Tensor: expected numbers, got <generator"),
    ("dict", lambda: Tensor({"a": 1}), TypeError, r"Tensor: expected numbers"),
    ("times", lambda: Tensor(np.array(["2020-01-01"], dtype="M8[D]")), TypeError, r"Tensor: expected numbers"),
    (
        "masked",
        lambda: Tensor(np.ma.array([1.0])),
        TypeError,
        r"Tensor: masked arrays are not supported \(the mask would be lost\); .*filled",
    ),
    ("masked operand", lambda: a(1) * np.ma.array([1.0]), TypeError, r"multiply: masked arrays are not supported"),
    ("operand", lambda: np.add(a(1), "b"), TypeError, r"add: expected numbers, got 'b'"),
    ("ragged operand", lambda: a(1) * [[1.0], [2.0, 3.0]], ValueError, r"multiply: .* is not an array of numbers"),
    (
        "tracked data",
        lambda: Tensor(leaf(1)),
        TypeError,
        r"Tensor: the data is a tracked Tensor 'x' of shape \(1,\), .*; clone\(\) stays",
    ),
    (
        "tracked list",
        lambda: Tensor([leaf(1)]),
        TypeError,
        r"Tensor: the data holds tracked Tensors, .*; join them with autodiff.stack",
    ),
    ("tracked operand in a list", lambda: a(1) * [leaf()], TypeError, r"'x' of shape \(\) would leave the graph .*autodiff.stack"),
    ("long data", lambda: Tensor(["word"] * 1000), TypeError, r"got \['word', 'word', .{,60}\.\.\. "),
    # in-place changes of leaves
    (
        "leaf item",
        lambda: leaf(2).__setitem__(0, 1.0),
        RuntimeError,
        r"item assignment: the leaf 'x' requires grad, .* no_grad\(\), .* x.clone\(\)",
    ),
    ("leaf in place", lambda: leaf(2).__imul__(2.0), RuntimeError, r"in-place \*=: the leaf 'x' requires grad"),
    ("leaf view", lambda: leaf(2)[:1].__iadd__(2.0), RuntimeError, r"in-place \+=: the leaf 'x' requires grad"),
    ("leaf sort", lambda: leaf(2).sort(), RuntimeError, r"sort\(\): the leaf 'x' requires grad"),
    # arguments
    (
        "unknown argument",
        lambda: ad.sum(a(1), axes=0),
        TypeError,
        r"sum\(\) takes no argument 'axes'; it takes x, axis, dtype, out, keepdims",
    ),
    ("missing argument", lambda: ad.reshape(a(1)), TypeError, r"reshape\(\) misses the argument 'shape'"),
    ("too many arguments", lambda: ad.sort(*range(9)), TypeError, r"sort\(\) takes at most \d arguments"),
    ("PyTorch's word for it", lambda: ad.sum(a(1), dim=0), TypeError, r"no argument 'dim'.*what PyTorch calls dim is axis here"),
    ("PyTorch's keepdim", lambda: ad.max(a(1), keepdim=True), TypeError, r"what PyTorch calls keepdim is keepdims here"),
    ("a method's dim", lambda: a(1).sum(dim=0), TypeError, r"PyTorch's dim is axis.*unexpected keyword argument 'dim'"),
    ("a method's axes", lambda: a(1).argmax(dim=0), TypeError, r"argmax\(axis, out, keepdims; PyTorch's dim is axis"),
    ("a method's keepdim", lambda: a(1).max(keepdim=True), TypeError, r"keepdim is keepdims.*argument 'keepdim'"),
    ("unbiased", lambda: a(1).var(unbiased=True), TypeError, r"unbiased=True is ddof=1.*argument 'unbiased'"),
    ("start_dim", lambda: a(1).flatten(1), TypeError, r"flatten: order must .* got 1; .* nn\.Flatten\(start_dim\), or x\.reshape"),
    ("start_dim by name", lambda: a(1).flatten(start_dim=1), TypeError, r"PyTorch's start_dim is nn\.Flatten"),
    ("wrong order", lambda: a(1).flatten("Z"), ValueError, r"order"),
    ("tensor", lambda: ad.tensor([1.0]), TypeError, r"autodiff\.tensor is the file .* is Tensor\(data\) here"),
    ("argument twice", lambda: ad.sum(a(1), 0, axis=0), TypeError, r"sum\(\) got the argument 'axis' twice"),
    (
        "tracked static",
        lambda: ad.take(a(3), leaf()),
        TypeError,
        r"take: no derivative with respect to 'indices'; pass it detached",
    ),
    ("condition", lambda: ad.where(leaf(2), 1.0, 2.0), TypeError, r"where: no derivative with respect to 'condition'"),
    (
        "out of a method",
        lambda: a(2).sum(out=np.zeros(())),
        TypeError,
        r"^sum: out= is not supported with Tensors; assign the result",
    ),
    ("integer power", lambda: Tensor([2]) ** -1, ValueError, r"^power: Integers to negative integer powers are not allowed"),
    ("bitwise", lambda: a(1) & a(1), TypeError, r"bitwise_and: .*'a' \(1,\) float64"),
    ("complex order", lambda: np.floor(Tensor([1j])), TypeError, r"floor: "),
]


NAMES = {
    ad: {
        "cat": "autodiff.concatenate", "rand": "rng.random", "randn": "rng.normal", "from_numpy": "autodiff.asarray",
        "relu": "nn.functional.relu", "sigmoid": "nn.functional.sigmoid", "unsqueeze": "autodiff.expand_dims",
        "float32": "np.float32", "save": "nn.save", "load": "nn.load", "manual_seed": "nn.manual_seed",
        "nn": "import nn", "optim": "nn.optim", "inf": "np.inf", "median": "np.median", "as_tensor": "autodiff.asarray",
        "no_such_thing": "",
    },
    nn: {
        "no_grad": "autodiff.no_grad", "EarlyStopping": "nn.callbacks.EarlyStopping", "Swish": "nn.SiLU", "Adam": "nn.optim.Adam",
        "NeuralClassifier": "nn.sklearn.NeuralClassifier", "accuracy": "nn.metrics.accuracy",
        "StepLR": "nn.optim.lr_scheduler.StepLR", "DataLoader": "nn.data.DataLoader", "relu": "nn.functional.relu",
        "Tensor": "autodiff.Tensor", "MLP": "nn.models.MLP", "clip_grad_norm_": "nn.utils.clip_grad_norm_", "no_such_thing": "",
    },
}  # fmt: skip


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in NAMES.items() for name in names])
def test_a_name_of_pytorch_is_told_where_it_is(module: Any, name: str) -> None:
    hint = NAMES[module][name]
    words = f"; here it is .*{re.escape(hint)}" if hint else "$"
    with pytest.raises(AttributeError, match=f"^module '{module.__name__}' has no attribute '{name}'{words}"):
        getattr(module, name)
    assert not hasattr(module, name)


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose1d", "LSTM", "GRU", "MultiheadAttention", "MaxPool2d", "Transformer"])
def test_a_layer_that_is_planned_says_so(name: str) -> None:
    with pytest.raises(AttributeError, match=f"'{name}': it is planned, and not there yet"):
        getattr(nn, name)


def test_another_librarys_generator_is_named_with_its_library() -> None:
    foreign: Any = type("Generator", (), {"__module__": "torch._C"})
    with pytest.raises(TypeError, match=r"expected a numpy\.random\.Generator or None, got torch\.Generator; make one with"):
        nn.init.normal_(nn.Linear(1, 1).weight, generator=foreign())


def traced(f: Callable[[], Any]) -> Any:
    with ad.trace():
        return f()


@pytest.mark.parametrize(("f", "kind", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_input_is_answered_in_the_callers_words(f: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as error:
        f()
    assert not isinstance(error.value, AssertionError)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(("f", "kind", "words"), [case[1:] for case in CASES[:30]], ids=[case[0] for case in CASES[:30]])
def test_shapes_are_checked_under_no_grad_too(f: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with no_grad(), pytest.raises(kind, match=words):
        f()


def test_an_error_leaves_the_recording_as_it_was() -> None:
    x = leaf(3)
    with pytest.raises(ValueError, match="broadcast"):
        x + np.ones(4)
    assert ad.is_grad_enabled()
    (x * 2).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0] * 3


# ------------------------------------------------------------------------------------------------ where it was


class Inner(nn.Module):
    def __init__(self, f: Callable[[Tensor], Any]):
        self.f = f

    def forward(self, x: Tensor) -> Any:
        return self.f(x)


def model_of(f: Callable[[Tensor], Any]) -> nn.Module:
    return nn.Sequential(nn.Identity(), nn.ModuleDict({"a": nn.Sequential(Inner(f))})["a"])


@ad.operation(name="misshapen")
def misshapen(x: Any) -> Any:
    return x * 1


misshapen.rules(lambda g: g[:1])


@ad.operation(name="misshapen_sequence", sequence=True)
def misshapen_sequence(arrays: Any) -> Any:
    return arrays[0] + arrays[1]


misshapen_sequence.rules(lambda g: [g])


@ad.fused(forward=lambda x: (x * 1, None), backward=lambda g, kept, needs: g, name="misshapen_fused")
def misshapen_fused(x: Any) -> Any:
    return misshapen(x)


def refusing(g: Tensor) -> Any:
    raise ArithmeticError("no")


def hooked(x: Tensor) -> Tensor:
    y = x * 2
    y.register_hook(refusing)
    return y


FORWARD: list[tuple[str, Callable[[Tensor], Any]]] = [
    ("elementwise", lambda x: x + np.ones(7)),
    ("matmul", lambda x: x @ np.ones((7, 7))),
    ("reduction", lambda x: x.sum(axis=5)),
    ("sequence", lambda x: ad.stack([x, x[0]])),
    ("fused", lambda x: nn.functional.linear(x, Tensor(np.ones((2, 7))))),
    ("composition", lambda x: np.trapezoid(x, np.ones((9, 9)))),
    ("loss", lambda x: nn.functional.mse_loss(x, np.ones(7))),
    ("no rule", lambda x: ad.where(x, 1.0, 2.0)),
    ("an operand that is no array", lambda x: x * "a"),
    ("a write", lambda x: (x * 1).__setitem__(0, np.ones(7))),
    ("a layer's own check", lambda x: nn.Linear(7, 7)(x)),
]


@pytest.mark.parametrize("f", [case[1] for case in FORWARD], ids=[case[0] for case in FORWARD])
def test_an_error_of_a_forward_pass_names_module_and_line_once(f: Callable[[Tensor], Any]) -> None:
    x = leaf(2, 3)
    with pytest.raises((ValueError, TypeError)) as plain:
        model_of(f)(x)
    with pytest.raises((ValueError, TypeError)) as caught, ad.trace():
        model_of(f)(x)
    modules = [note for note in caught.value.__notes__ if note.startswith("in ")]
    lines = [note for note in caught.value.__notes__ if note.startswith("at ")]
    assert modules in (["in Sequential.1.0 (Inner)"], ["in Linear"])
    assert plain.value.__notes__ == modules
    assert lines == [f"at {__file__}:{f.__code__.co_firstlineno}"]
    assert len(caught.value.__notes__) == 2


def test_a_loss_module_is_named() -> None:
    with pytest.raises(ValueError, match="shape") as caught:
        nn.MSELoss()(leaf(3, 1), np.ones(3))
    assert caught.value.__notes__ == ["in MSELoss"]


def test_a_line_is_named_once_in_nested_traces_and_not_of_the_callers_own_errors() -> None:
    with pytest.raises(ValueError, match="broadcast") as caught, ad.trace(), ad.detect_anomaly(), ad.trace():
        a(3) + a(4)
    assert [note.split(":")[0] for note in caught.value.__notes__] == [f"at {__file__}"]
    with pytest.raises(KeyError) as own, ad.trace():
        {}["x"]
    assert not hasattr(own.value, "__notes__")

    def wrong(x: Any) -> Any:
        raise KeyError

    with pytest.raises(KeyError) as inside, ad.trace():
        ad.elementwise(wrong, lambda g: g, name="wrong")(leaf(1))
    assert len(inside.value.__notes__) == 1


BACKWARD: list[tuple[str, Callable[[Tensor], Any], str]] = [
    ("a rule", misshapen, "misshapen"),
    ("a sequence", lambda x: misshapen_sequence([x * 1, x * 2]), "misshapen_sequence"),
    ("a fused operation", misshapen_fused, "misshapen_fused"),
    ("a hook", hooked, "multiply"),
]


@pytest.mark.parametrize(("f", "name"), [case[1:] for case in BACKWARD], ids=[case[0] for case in BACKWARD])
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
def test_an_error_of_a_backward_pass_names_operation_module_and_line_once(
    f: Callable[[Tensor], Any], name: str, traced: bool, create_graph: bool
) -> None:
    with ad.trace() if traced else ad.enable_grad():
        y = model_of(f)(leaf(2)).sum()
    with pytest.raises((ValueError, TypeError, ArithmeticError)) as caught:
        y.backward(create_graph=create_graph)
    inner, *outer = caught.value.__notes__
    assert len(outer) == (name == "misshapen_fused" and create_graph)  # whose reference failed: both are named
    note = (outer or [inner])[0]
    assert note.startswith(f"in the backward pass, at operation '{name}' (shape (2,)")
    assert note.endswith(" in 1.0 (Inner)")
    assert (f", at {__file__}:" in note) == traced


def test_a_backward_hook_of_a_module_is_placed() -> None:
    model = model_of(lambda x: x * 2)

    def hook(module: Any, inputs: Any, outputs: Any) -> Any:
        raise ArithmeticError("no")

    model[1].register_full_backward_hook(hook)
    for block in (ad.enable_grad, ad.trace):
        with block():
            y = model(leaf(2)).sum()
        with pytest.raises(ArithmeticError) as caught:
            y.backward()
        (note,) = caught.value.__notes__
        assert note.startswith("in the backward pass, at operation 'module_")
        assert " in 1 (Sequential)" in note or " in Sequential (Sequential)" in note


def test_an_operation_that_the_message_names_is_not_named_again() -> None:
    def changed(model: Callable[[Tensor], Tensor]) -> pytest.ExceptionInfo[RuntimeError]:
        w = leaf(2, name="w")
        y = model(w)
        with no_grad():
            w[0] = 3.0
        with pytest.raises(RuntimeError, match=r"that operation 'multiply' .* saved was changed") as caught:
            y.sum().backward()
        return caught

    assert not hasattr(changed(lambda w: w * w).value, "__notes__")
    assert changed(model_of(lambda w: w * w)).value.__notes__ == ["in the backward pass in 1.0 (Inner)"]
