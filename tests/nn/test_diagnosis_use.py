"""`nn.health` in use: nothing is changed, reports can be read, odd models work, and what cannot be is refused in clear words."""

from __future__ import annotations

import builtins
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from nn.diagnosis import CHECKS, Finding, Health
from nn.diagnosis.case import Case
from nn.seeding import generator_or_default

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(32, 6)).astype(np.float32), rng.integers(0, 3, 32)
CE, MSE = nn.CrossEntropyLoss(), nn.MSELoss()


def model_with_everything() -> nn.Sequential:
    nn.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.5, generator=np.random.default_rng(5)), nn.Dropout(0.1),
        nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3),
    )  # fmt: skip


def snapshot(model: nn.Module, optimizer: Any = None) -> Any:
    """Everything there is to know about a model, as bytes and identities."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    kept: list[Any] = [(name, id(t), id(t._data), t._data.tobytes(), str(t.dtype), t.requires_grad) for name, t in tensors]
    kept += [(name, id(t._grad), None if t._grad is None else t._grad._data.tobytes()) for name, t in tensors]
    for path, module in model.named_modules():
        attributes = {name: id(value) for name, value in module.__dict__.items() if name != "_cached_paths"}
        kept.append((path, module.training, attributes))
        if isinstance(getattr(module, "generator", None), np.random.Generator):
            kept.append(str(module.generator.bit_generator.state))
    kept += [str(generator_or_default(None).bit_generator.state), str(np.random.get_state()), random.getstate()]  # noqa: NPY002
    if optimizer is not None:
        state = optimizer.state_dict()
        kept.append(str(state["param_groups"]))
        for number, entry in state["state"].items():
            kept.append((number, {k: v._data.tobytes() if isinstance(v, Tensor) else v for k, v in entry.items()}))
    return kept


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trained", [True, False])
def test_a_model_is_bit_for_bit_as_it_was(training, trained):
    model = model_with_everything()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    if trained:
        nn.Trainer(model, CE, optimizer).fit((X, Y), epochs=2, progress=False)
    CE(model(X), Y).backward()
    model.train(training)
    inputs, targets = X.copy(), Y.copy()
    before = snapshot(model, optimizer)
    health = nn.health(model, CE, (inputs, targets), optimizer)
    assert snapshot(model, optimizer) == before
    np.testing.assert_array_equal(inputs, X)
    np.testing.assert_array_equal(targets, Y)
    assert "overfit" in health.checks or not health.ok
    optimizer.step()  # nothing was broken on the way
    assert snapshot(model, optimizer) != before


def test_the_same_twice():
    model = model_with_everything()
    first, second = nn.health(model, CE, (X * 20, Y)), nn.health(model, CE, (X * 20, Y))
    assert first.findings == second.findings
    assert [(layer.mean, layer.gradient) for layer in first.layers] == [(layer.mean, layer.gradient) for layer in second.layers]


GLOBAL = np.random.default_rng(4)  # known to forward by name only


class _Calls:
    count = 0


class FailsAt(nn.Module):
    error: type[BaseException] = RuntimeError

    def __init__(self, call: int):
        self.inner, self.call = model_with_everything(), call
        self.calls, self.seen, self.sums = _Calls(), [0], np.zeros(2)
        self.renormed = nn.Embedding(2, 6, max_norm=0.1)  # its forward writes into the weight
        self.last: Any = None

    def forward(self, x: Any) -> Tensor:
        self.calls.count += 1
        self.seen.append(1)
        self.sums += 1
        np.random.rand()  # noqa: NPY002
        noise = GLOBAL.normal(size=x.shape).astype(np.float32)
        self.last = self.inner(x + self.renormed(np.zeros(len(x), int)) + (noise if self.training else 0))
        if self.calls.count >= self.call:
            raise self.error("no more")
        return self.last


@pytest.mark.parametrize("call", [1, 3, 5, 8])
def test_also_after_an_error_in_the_middle(call):
    model = FailsAt(call)
    before = snapshot(model), str(GLOBAL.bit_generator.state)
    with pytest.raises(RuntimeError, match="no more") as raised:
        nn.health(model, CE, (X, Y))
    assert any("nn.health" in note for note in raised.value.__notes__)
    assert (snapshot(model), str(GLOBAL.bit_generator.state)) == before
    assert model.last is None  # what forward keeps for itself is not kept either
    assert (model.seen, model.sums.tolist()) == ([0], [0, 0])


@pytest.mark.parametrize("call", [1, 2, 4])
def test_also_when_it_is_interrupted(call):
    model = FailsAt(call)
    model.error = KeyboardInterrupt
    optimizer = nn.optim.Adam(model.parameters())
    CE(model.inner(X), Y).backward()
    arrays = [p.grad.numpy() for p in model.inner.parameters()]
    before = snapshot(model, optimizer)
    with pytest.raises(KeyboardInterrupt):
        nn.health(model, CE, (X, Y), optimizer)
    assert snapshot(model, optimizer) == before
    assert (model.seen, model.sums.tolist()) == ([0], [0, 0])
    assert all(np.shares_memory(p.grad.numpy(), kept) for p, kept in zip(model.inner.parameters(), arrays, strict=True))


def test_it_may_be_called_in_no_grad_and_in_a_trace():
    model = model_with_everything()
    with ad.no_grad():
        health = nn.health(model, CE, (X, Y))
        assert not ad.is_grad_enabled()
    assert health.ok
    assert health.layers[0].gradient > 0
    with ad.trace() as seen:
        nn.health(model, CE, (X, Y))
    assert len(seen) == 0


def test_the_model_may_write_into_what_it_is_given():
    class Writes(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(6, 3)

        def forward(self, x: Any) -> Tensor:
            x = x if isinstance(x, np.ndarray) else x.numpy()
            x = x.view()
            x.flags.writeable = True
            x *= 0.5
            return self.inner(x)

    kept = X.copy()
    nn.health(Writes(), CE, (kept, Y))
    np.testing.assert_array_equal(kept, X)


# ------------------------------------------------------------------------------------------------- odd models


class Pair(nn.Module):
    def __init__(self) -> None:
        self.one, self.two = nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, data: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return self.one(data["a"]), self.two(data["b"])


def of_pair(output: Any, target: Any) -> Tensor:
    return nn.functional.cross_entropy(output[0], target["class"]) + nn.functional.mse_loss(output[1], target["value"])


def test_dictionaries_and_several_outputs():
    batch = {"a": X, "b": Tensor(X)}, {"class": Y, "value": X[:, :2]}
    health = nn.health(Pair(), of_pair, batch)
    assert [finding.check for finding in health.findings] == []
    assert [layer.path for layer in health.layers] == ["one", "two"]
    leaking = Pair()
    leaking.forward = lambda data: (leaking.one(data["a"]), leaking.two(data["b"]) + data["b"].mean())
    assert [finding.check for finding in nn.health(leaking, of_pair, batch).findings] == ["batch_leak"]


def test_one_sample():
    health = nn.health(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), CE, (X[:1], Y[:1]))
    assert health.ok
    assert {"batch_leak", "dead_relu", "constant_output"} <= set(health.skipped)


def test_a_model_that_cannot_be_copied_says_so():
    class Holds(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(6, 3)
            self.generator = (i for i in range(3))

        def forward(self, x: Any) -> Tensor:
            return self.inner(x)

    model = Holds()
    health = nn.health(model, CE, (X, Y), nn.optim.SGD(model.parameters(), lr=0.1))
    assert health.ok
    assert "cannot be copied" in health.skipped["update_ratio"]
    assert "cannot be copied" in health.skipped["overfit"]


def test_a_model_for_one_size_of_batch():
    class Fixed(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(6, 3)

        def forward(self, x: Any) -> Tensor:
            return self.inner(x.reshape((32, 6)))

    assert nn.health(Fixed(), CE, (X, Y)).findings == []


def test_frozen_layers_over_whole_numbers():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Embedding(10, 6), nn.Flatten(), nn.Linear(18, 3))
    model[0].requires_grad_(False)
    health = nn.health(model, CE, (rng.integers(0, 10, (32, 3)), Y))
    assert [(f.check, f.where, f.severity) for f in health.findings] == [("no_gradient", "0", "note")]


def test_a_relu_used_again_and_again_counts_once():
    class Unrolled(nn.Module):
        def __init__(self) -> None:
            nn.manual_seed(0)
            self.step, self.act, self.out = nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)

        def forward(self, x: Any) -> Tensor:
            for turn in range(3):
                x = self.act(self.step(x) - (100 if turn == 1 else 0))  # in one turn of three all are dead
            return self.out(x)

    assert "dead_relu" not in [finding.check for finding in nn.health(Unrolled(), CE, (X, Y)).findings]


def test_the_line_of_the_users_code_is_named():
    class Mean(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(6, 3)

        def forward(self, x: Any) -> Tensor:
            return self.inner(x - x.mean(axis=0))

    (finding,) = nn.health(Mean(), CE, (X, Y)).findings
    line = Mean.forward.__code__.co_firstlineno + 1
    assert f"mean at test_diagnosis_use.py:{line}" in finding.evidence


# ------------------------------------------------------------------------------------------------- the report


def ill() -> Health:
    model = nn.Sequential(nn.Linear(6, 3), nn.Softmax(1))
    model[0].bias.requires_grad_(False)
    return nn.health(model, CE, (X * 50, Y))


def test_the_report_is_a_table_of_100_columns():
    health = ill()
    text = repr(health)
    assert max(map(len, text.splitlines())) <= 100
    for finding in health.findings:
        assert finding.check in text
        assert finding.where in text
        for words in (finding.evidence, finding.cure):
            assert words.split()[0] in text
    assert text.splitlines()[0] == "health: 1 error, 1 warning, 1 note (16 checks, 4 could say nothing)"
    assert [finding.severity for finding in health.findings] == ["error", "warning", "note"]
    assert len(health) == 3
    assert list(health) == health.findings
    assert bool(health)


def test_of_a_healthy_model_it_is_short():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    health = nn.health(model, CE, (X, Y), nn.optim.Adam(model.parameters()))
    assert repr(health) == f"health: nothing found ({len(CHECKS)} checks)"


def test_in_a_notebook_text_stays_text():
    finding = Finding("inputs", "<script>", "error", "a < b & c", '<img src="x">')
    html = Health([finding], ["inputs"], {"overfit": "<b>"}, [])._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>" not in html
    for text in ("&lt;script&gt;", "a &lt; b &amp; c", "&lt;img src=&quot;x&quot;&gt;", "overfit: &lt;b&gt;"):
        assert text in html
    assert "nothing found" in Health([], ["inputs"], {}, [])._repr_html_()


def test_hostile_names_stay_on_their_lines():
    text = repr(Health([Finding("inputs", "a\n\x1b[31mb", "error", "x\ty", "z")], ["inputs"], {}, []))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_layers():
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    layers = nn.health(model, CE, (X, Y), optimizer).layers
    assert [(layer.path, layer.kind, layer.shape) for layer in layers] == [
        ("0", "Linear", (32, 16)), ("1", "ReLU", (32, 16)), ("2", "Linear", (32, 16)), ("3", "Tanh", (32, 16)),
        ("4", "Linear", (32, 3)),
    ]  # fmt: skip
    hidden = model[:2](X)
    assert layers[1].mean == pytest.approx(hidden.mean().item(), rel=1e-5)
    assert layers[1].std == pytest.approx(hidden.std().item(), rel=1e-5)
    assert layers[1].zeros == (hidden.numpy() == 0).mean()
    assert layers[1].saturated is None
    assert layers[3].saturated == (1 - model[:4](X).numpy() ** 2 < 0.05).mean()
    logits = model(X)
    (gradient,) = ad.gradients([CE(logits, Y)], [logits])
    assert layers[4].gradient == pytest.approx(abs(gradient).mean().item(), rel=1e-5)
    (by_weight,) = ad.gradients([CE(model(X), Y)], [model[4].weight])
    expected = 0.1 * np.linalg.norm(by_weight.numpy()) / np.linalg.norm(model[4].weight.numpy())
    assert layers[4].update == pytest.approx(expected, rel=1e-4)
    counts, edges = layers[0].values
    assert counts.sum() == 32 * 16
    assert len(edges) == len(counts) + 1
    assert layers[2].slopes[0].sum() == 32 * 16
    assert layers[0].slopes[0].sum() == (hidden.numpy() > 0).sum()  # the others are exactly 0


def test_functions_are_layers_too():
    class Functions(nn.Module):
        def __init__(self) -> None:
            self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 3)

        def forward(self, x: Any) -> Tensor:
            return self.two(np.tanh(self.one(x)))

    layers = nn.health(Functions(), CE, (X, Y)).layers
    assert [(layer.path, layer.kind) for layer in layers] == [("one", "Linear"), ("Functions", "tanh"), ("two", "Linear")]


# ------------------------------------------------------------------------------------------------- the picture


def test_the_picture(tmp_path):
    figure_module = pytest.importorskip("matplotlib.figure", reason="the picture is matplotlib's")
    model = nn.Sequential(*[part for _ in range(2) for part in (nn.Linear(6, 6), nn.Sigmoid())], nn.Linear(6, 3))
    health = nn.health(model, CE, (X, Y))
    path = tmp_path / "layers.svg"
    figure = health.plot(path)
    assert isinstance(figure, figure_module.Figure)
    assert path.read_text(encoding="utf-8").count("<svg") == 1
    assert len(figure.axes) == 2 * len(health.layers)
    rows = list(zip(figure.axes[::2], figure.axes[1::2]))
    assert [left.get_ylabel() for left, _ in rows] == [f"{layer.path}\n{layer.kind}" for layer in health.layers]
    assert len({right.get_xlim() for _, right in rows}) == 1  # so that rows can be compared
    with pytest.raises(ValueError, match="no layers to draw"):
        Health([], [], {}, []).plot()


def test_the_picture_of_a_deep_model_chooses_rows_and_marks_findings():
    pytest.importorskip("matplotlib", reason="the picture is matplotlib's")
    nn.manual_seed(0)
    model = nn.Sequential(*[part for _ in range(20) for part in (nn.Linear(6, 6), nn.Sigmoid())], nn.Linear(6, 3))
    health = nn.health(model, CE, (X, Y))
    assert [(finding.check, finding.where) for finding in health.findings] == [("gradient_flow", "0")]
    figure = health.plot()
    assert len(figure.axes) <= 2 * 16
    assert figure.axes[0].get_ylabel() == "✗ 0\nLinear"


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args)

    health = ill()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"Health\.plot needs matplotlib: python -m pip install 'glassgrad\[plot\]'"):
        health.plot()


# ------------------------------------------------------------------------------------------------- choosing, refusing


def test_checks_can_be_chosen():
    model = nn.Sequential(nn.Linear(6, 3), nn.Softmax(1))
    assert [f.check for f in nn.health(model, CE, (X * 50, Y)).findings] == ["softmax_twice", "inputs"]
    health = nn.health(model, CE, (X * 50, Y), checks=["inputs", "dead_relu"])
    assert [f.check for f in health.findings] == ["inputs"]
    assert health.checks == ["inputs", "dead_relu"]
    assert [f.check for f in nn.health(model, CE, (X * 50, Y), omit=["inputs", "overfit"]).findings] == ["softmax_twice"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: nn.health(m, CE, (X, Y), checks=["dead"]), ValueError, "no check 'dead'; there are: not_finite"),
        (lambda m: nn.health(m, CE, (X, Y), omit="overfit"), TypeError, r"write \['dead_relu'\]"),
        (lambda m: nn.health(nn.Linear, CE, (X, Y)), TypeError, "the class Linear; make a model"),
        (lambda m: nn.health(lambda x: x, CE, (X, Y)), TypeError, "must be a Module, got a function"),
        (lambda m: nn.health(m, nn.MSELoss, (X, Y)), TypeError, r"the class MSELoss; make a loss of it: MSELoss\(\)"),
        (lambda m: nn.health(m, "mse", (X, Y)), TypeError, "loss must be a loss such as"),
        (lambda m: nn.health(m, nn.CrossEntropyLoss(reduction="none"), (X, Y)), ValueError, "use 'mean'"),
        (lambda m: nn.health(m, lambda p, t: p, (X, Y)), ValueError, r"one real number, got float32 of shape \(32, 3\)"),
        (lambda m: nn.health(m, lambda p, t: 0.5, (X, Y)), TypeError, "must return a Tensor of one number, got float"),
        (lambda m: nn.health(m, CE, X), TypeError, r"batch must be \(input, target\).*got a ndarray"),
        (lambda m: nn.health(m, CE, (X,)), TypeError, "got a tuple of 1"),
        (lambda m: nn.health(m, CE, nn.data.DataLoader((X, Y))), TypeError, r"give one batch of it: next\(iter\(loader\)\)"),
        (lambda m: nn.health(m, CE, (X, Y), nn.optim.Adam), TypeError, r"write Adam\(model.parameters\(\), lr=...\)"),
        (lambda m: nn.health(m, CE, (X, Y), m.parameters()), TypeError, "optimizer must be one such as"),
        (lambda m: nn.health(m, CE, (X, Y), generator=3), TypeError, "expected a numpy.random.Generator"),
        (lambda m: nn.health(m, CE, (X[:, :2], Y)), ValueError, "expected 6 features"),
        (lambda m: nn.health(m, lambda p, t: p @ t.reshape((7, -1)), (X, Y)), ValueError, "reshape"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, error, message):
    model = nn.Linear(6, 3)
    before = snapshot(model)
    with pytest.raises(error, match=message):
        call(model)
    assert snapshot(model) == before


def test_a_loss_that_refuses_is_heard_where_no_check_says_so():
    with pytest.raises(ValueError, match="is no class"):
        nn.health(nn.Linear(6, 3), CE, (X, Y + 4), checks=["inputs"])


def test_a_forward_without_return_is_the_losss_word():
    class Nothing(nn.Module):
        def forward(self, x: Any) -> None:
            return None

    with pytest.raises(TypeError, match="the prediction is None"):
        nn.health(Nothing(), CE, (X, Y))


def test_a_generator_chooses_the_samples():
    chosen = [Case(nn.Linear(6, 3), CE, (X, Y), generator=np.random.default_rng(i)).few for i in range(4)]
    assert len(set(map(tuple, chosen))) > 1
    leaky = nn.Sequential(nn.Linear(6, 3), nn.Softmax(0), nn.Linear(3, 3))
    assert all(places == sorted(set(places)) and len(places) == 8 for places in chosen)
    assert [f.check for f in nn.health(leaky, CE, (X, Y), generator=np.random.default_rng(1))] == ["batch_leak"]


def test_importing_nn_does_not_load_it():
    program = "import sys, nn; assert 'nn.diagnosis' not in sys.modules; nn.health; assert 'nn.diagnosis' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
