"""`summary`: what a model is made of and what a call of it costs, counted by hand and against the model's own arrays."""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from nn.overview import Summary, multiply_adds, summary


class Tied(nn.Module):
    """An embedding that is also the output layer, a body that is called twice, and a layer that nobody calls."""

    def __init__(self) -> None:
        self.embed = nn.Embedding(100, 16)
        self.body = nn.Sequential(nn.Linear(16, 16), nn.GELU(), nn.BatchNorm1d(16))
        self.head = nn.Linear(16, 100, bias=False)
        self.head.weight = self.embed.weight
        self.unused = nn.Linear(3, 3)

    def forward(self, i: Tensor) -> Tensor:
        return self.head(self.body(self.body(self.embed(i))))


def by_path(found: Summary) -> dict[str, nn.overview.SummaryRow]:
    return {row.path: row for row in found.rows}


def test_an_mlp_counted_by_hand():
    found = summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), np.zeros((16, 4), np.float32))
    rows = by_path(found)
    assert [row.path for row in found.rows] == ["", "0", "1", "2"]
    assert [row.output_shapes for row in found.rows] == [[(16, 2)], [(16, 8)], [(16, 8)], [(16, 2)]]
    assert [row.parameters for row in found.rows] == [0, 40, 0, 18]
    assert found.parameters == found.trainable == 58
    assert found.parameter_bytes == 58 * 4
    assert rows["0"].multiply_adds == 16 * 4 * 8
    assert found.multiply_adds == rows[""].multiply_adds == 16 * (4 * 8 + 8 * 2)
    assert found.input_bytes == 16 * 4 * 4
    # ReLU keeps its output, and the second layer needs just that: 16 x 8 numbers in all, besides the input and the weights.
    assert found.activation_bytes == 16 * 8 * 4


def test_shared_parameters_count_once_and_are_named():
    model = Tied()
    found = summary(model, np.arange(32))
    rows = by_path(found)
    assert found.parameters == sum(p.size for p in model.parameters())
    assert (rows["embed"].parameters, rows["head"].parameters, rows["head"].shared) == (1600, 0, ["weight"])
    assert "(weight shared)" in str(found)
    assert sum(row.parameters for row in found.rows) == found.parameters


def test_calls_are_counted_and_what_is_not_called_says_so():
    found = summary(Tied(), np.arange(32))
    rows = by_path(found)
    assert [rows[path].calls for path in ("", "embed", "body", "body.0", "head", "unused")] == [1, 1, 2, 2, 1, 0]
    assert rows["body.0"].multiply_adds == 2 * 32 * 16 * 16
    assert found.multiply_adds == 2 * 32 * 16 * 16 + 32 * 16 * 100
    unused = next(line for line in str(found).splitlines() if "unused" in line)
    assert "not called" in unused
    assert "body: Sequential ×2" in str(found)


def test_frozen_parameters_are_told_apart():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    for p in model[0].parameters():
        p.requires_grad = False
    found = summary(model, (1, 4))
    assert (found.parameters, found.trainable) == (58, 18)
    assert "58 (18 trainable, 40 frozen)" in str(found)


def test_depth_gives_numbers_of_what_lies_deeper_to_the_last_module_shown():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU(), nn.Linear(8, 8))), nn.Linear(8, 2))
    whole, top = summary(model, (16, 4)), summary(model, (16, 4), depth=1)
    assert [row.path for row in top.rows] == ["", "0", "1"]
    assert by_path(top)["0"].parameters == 40 + 72
    assert by_path(top)["0"].calls == 1
    assert by_path(top)["0"].output_shapes == [(16, 8)]
    assert by_path(top)["0"].multiply_adds == by_path(whole)["0"].multiply_adds == 16 * (32 + 64)
    assert top.parameters == whole.parameters
    only = summary(model, (16, 4), depth=0)
    assert [row.path for row in only.rows] == [""]
    assert only.rows[0].parameters == whole.parameters


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    nn.manual_seed(3)
    model(Tensor(np.ones((8, 4), np.float32))).sum().backward()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    gradients = [p.grad.numpy().copy() for p in model.parameters()]
    state = nn.seeding.generator_or_default(None).bit_generator.state
    summary(model, (8, 4))
    assert nn.seeding.generator_or_default(None).bit_generator.state == state
    assert model.training
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), gradient)
    assert all(m._module_hooks is None or not m._module_hooks.after for m in model.modules())


def test_hooks_are_gone_and_the_model_as_it_was_when_a_call_fails():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))
    mean = model[0].running_mean.numpy().copy()
    with pytest.raises(ValueError, match="linear"):
        summary(nn.Sequential(model, nn.Linear(7, 1)), (8, 4))
    np.testing.assert_array_equal(model[0].running_mean.numpy(), mean)
    assert all(m._module_hooks is None or not m._module_hooks.after for m in model.modules())


def test_without_an_input_only_parameters():
    found = summary(Tied())
    assert found.multiply_adds is None
    assert found.activation_bytes is None
    assert "output shape" not in str(found)
    assert f"{found.parameters:,}" in str(found)


def test_several_inputs_and_outputs():
    class Two(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = nn.Linear(3, 4), nn.Linear(5, 4)

        def forward(self, x, y):
            return {"sum": self.a(x) + self.b(y), "parts": (self.a(x), [self.b(y)])}

    found = summary(Two(), (np.zeros((2, 3), np.float32), np.zeros((2, 5), np.float32)))
    assert by_path(found)[""].output_shapes == [(2, 4)] * 3
    assert found.multiply_adds == 2 * 2 * 4 * (3 + 5)


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda a, b: a @ b, 3 * 4 * 5),
        (lambda a, b: ad.dot(a, b), 3 * 4 * 5),
        (lambda a, b: ad.inner(a, ad.transpose(b)), 3 * 4 * 5),
        (lambda a, b: ad.tensordot(a, b, axes=1), 3 * 4 * 5),
        (lambda a, b: ad.tensordot(a, b, axes=0), 3 * 4 * 4 * 5),
        (lambda a, b: ad.einsum("ij,jk->ik", a, b), 3 * 4 * 5),
        (lambda a, b: ad.einsum("ij,...jk->...ik", a, b), 3 * 4 * 5),
        (lambda a, b: ad.einsum("ij->i", a), 0),
        (lambda a, b: ad.outer(a[0], b[0]), 0),
        (lambda a, b: a * 2 + 1, 0),
        (lambda a, b: (a @ b[:, 0]).sum(), 3 * 4),
    ],
    ids=["matmul", "dot", "inner", "tensordot", "no_axes", "einsum", "einsum_dots", "einsum_one", "outer", "none", "vector"],
)
@pytest.mark.parametrize("tracked", [True, False])
def test_what_is_multiplied(compute, expected, tracked):
    class Model(nn.Module):
        def __init__(self) -> None:
            self.b = nn.Parameter(np.ones((4, 5), np.float32), requires_grad=tracked)

        def forward(self, a):
            return compute(a, self.b)

    found = summary(Model(), Tensor(np.ones((3, 4), np.float32), requires_grad=tracked))
    if found.uncounted:
        assert not tracked
        assert "not counted" in str(found)
    else:
        assert found.multiply_adds == expected


def test_batched_matmul_of_untracked_arrays():
    assert multiply_adds("matmul", np.zeros((7, 2, 5)), [np.zeros((7, 2, 3)), np.zeros((7, 3, 5))]) == 7 * 2 * 3 * 5


def test_html_keeps_names_as_text():
    model = nn.Module()
    setattr(model, "<script>", nn.Linear(2, 2))
    page = summary(model)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda x: x, (1, 2)), "expected a Module, got function"),
        ((nn.Linear(1, 1), (1, 1), -1), "depth is how many levels"),
        ((nn.Linear(1, 1), (1, 1), 1.5), "depth is how many levels"),
    ],
    ids=["function", "negative", "float"],
)
def test_refusals(arguments, message):
    model, given, *depth = arguments
    with pytest.raises((TypeError, ValueError), match=message):
        summary(model, given, depth=depth[0] if depth else None)


def test_a_lone_layer_and_a_model_without_parameters():
    assert [row.title for row in summary(nn.Linear(2, 3), (1, 2)).rows] == ["Linear"]
    assert summary(nn.ReLU(), (4,)).parameters == 0
    assert nn.summary is summary


def test_shapes_of_several_inputs():
    found = summary(nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)])
    assert found.rows[0].output_shapes == [(2, 5)]
    assert found.parameters == 5 * 3 * 4 + 5
    assert found.input_bytes == 2 * (3 + 4) * 4
    assert found.multiply_adds >= 2 * 5 * 3 * 4


LAYERS = [cls for name in nn.__all__ if isinstance(cls := getattr(nn, name), type) and issubclass(cls, nn.Module)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_parameters_of_every_layer_are_those_it_has(layer):
    for arguments in ((), (4,), (4, 4), (2, 4), (4, 4, 4), (1, (2, 2))):
        try:
            model = layer(*arguments)
            break
        except (TypeError, ValueError):
            continue
    else:
        pytest.fail(f"{layer.__name__} takes none of these arguments")
    found = summary(model)
    assert found.parameters == found.trainable == sum(p.size for p in model.parameters())
    assert found.parameter_bytes == sum(p.numpy().nbytes for p in model.parameters())
    assert found.buffers == sum(b.size for b in model.buffers())


def test_words_of_other_libraries_are_answered():
    model = nn.Linear(2, 3)
    with pytest.raises(TypeError, match=r"summary\(\) takes no argument 'input_size': the input comes second"):
        summary(model, input_size=(1, 2))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"the size of the batch too: \(16, 784\); got \(None, 2\)"):
        summary(model, (None, 2))
    with pytest.raises(AttributeError, match=r"here it is autodiff\.draw"):
        ad.make_dot  # noqa: B018
