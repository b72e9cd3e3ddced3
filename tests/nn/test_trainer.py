"""The trainer computes what the bare loop computes, and says what is wrong with what it is given."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.callbacks import Callback

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
R = X @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 1


def accuracy(input: np.ndarray, target: np.ndarray) -> float:
    return float((input.argmax(axis=1) == target).mean())


def mean_guess(input: np.ndarray, target: np.ndarray) -> np.floating[Any]:
    return input.mean()


class Net(nn.Module):
    def __init__(self, outputs: int = 2, generator: np.random.Generator | None = None) -> None:
        generator = generator or np.random.default_rng(1)
        self.layers = nn.Sequential(nn.Linear(3, 8, generator=generator), nn.Tanh(), nn.Linear(8, outputs, generator=generator))
        self.modes: tuple[list[bool], ...] = ([],)

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        self.modes[0].append(self.training)
        return self.layers(x)


def made(**options: Any) -> nn.Trainer:
    model = Net()
    return nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.Adam(model.parameters(), lr=0.01), **options)


def weights(model: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


# ------------------------------------------------------------------------------------------------ the same as the bare loop


def test_fit_is_the_bare_loop_bit_by_bit() -> None:
    trainer = made()
    history = trainer.fit((X, Y), epochs=3, batch_size=16, generator=np.random.default_rng(5), progress=False)

    model, loss_of = Net(), nn.CrossEntropyLoss()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    loader = nn.data.DataLoader((X, Y), 16, shuffle=True, generator=np.random.default_rng(5))
    means = []
    for _ in range(3):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        means.append(total / len(X))
    assert weights(trainer.model) == weights(model)
    assert history["loss"] == means
    assert history.epochs == [1, 2, 3]
    assert trainer.history is history
    assert (trainer.epoch, trainer.batch, trainer.batches, trainer.steps) == (3, 4, 4, 12)


class Pairs:
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.int64]:
        return X[index], Y[index]


class Batches:
    """A loader of one's own: it can only be gone through, and does not know how long it is."""

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(X), 16):
            yield X[start : start + 16], Y[start : start + 16]


def loader() -> nn.data.DataLoader:
    return nn.data.DataLoader((X, Y), 16)


@pytest.mark.parametrize(
    "data",
    [(X, Y), (ad.Tensor(X), Y), nn.data.TensorDataset(X, Y), Pairs(), loader(), Batches()],
    ids=lambda data: type(data).__name__,
)
def test_all_forms_of_data_give_the_same(data: Any) -> None:
    trainer, other = made(), made()
    options: dict[str, Any] = {} if type(data) in (nn.data.DataLoader, Batches) else {"batch_size": 16, "shuffle": False}
    trainer.fit(data, 2, validation=data, progress=False, **options)
    other.fit((X, Y), 2, validation=(X, Y), batch_size=16, shuffle=False, progress=False)
    assert weights(trainer.model) == weights(other.model)
    assert trainer.history == other.history


def test_without_a_generator_the_seed_decides() -> None:
    results = []
    for _ in range(2):
        nn.manual_seed(3)
        trainer = made()
        trainer.fit((X, Y), 2, progress=False)
        results.append(weights(trainer.model))
    assert results[0] == results[1]


def test_several_inputs_and_an_output_of_several_parts() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = nn.Linear(3, 1), nn.Linear(1, 1)

        def forward(self, x: ad.Tensor, z: ad.Tensor) -> tuple[ad.Tensor, dict[str, ad.Tensor]]:
            return self.a(x), {"b": self.b(z)}

    def loss(prediction: Any, target: ad.Tensor) -> ad.Tensor:
        return ((prediction[0] + prediction[1]["b"] - target) ** 2).mean()

    def shape(input: Any, target: np.ndarray) -> int:
        assert input[0].shape == input[1]["b"].shape == target.shape == (50, 1)
        return 7

    model = Two()
    trainer = nn.Trainer(model, loss, nn.optim.SGD(model.parameters(), lr=0.05), metrics=shape)
    history = trainer.fit((X, R, R), 20, progress=False)
    assert history["loss"][-1] < history["loss"][0] / 5
    assert history["shape"] == [7.0] * 20
    a, parts = trainer.predict((X, R), batch_size=16)
    np.testing.assert_allclose(a, model.a(X).numpy(), rtol=1e-6)
    np.testing.assert_allclose(parts["b"], model.b(R).numpy(), rtol=1e-6)
    b, _ = trainer.predict(nn.data.DataLoader((X, R, R), 16))  # the target is left out
    assert b.tobytes() == a.tobytes()


# ------------------------------------------------------------------------------------------------ numbers of an epoch


def test_metrics_are_of_the_whole_epoch_and_exact() -> None:
    seen: list[tuple[int, ...]] = []

    def f(input: np.ndarray, target: np.ndarray) -> float:
        assert type(input) is type(target) is np.ndarray
        seen.append((*input.shape, *target.shape))
        return float(np.median(input[:, 0]) + target[-1])  # no mean of parts would give this

    trainer = made(metrics={"f": f, "guess": mean_guess})
    history = trainer.fit((X, Y), 1, validation=(X, Y), batch_size=16, progress=False)
    assert seen == [(50, 2, 50), (50, 2, 50)]
    assert list(history) == ["loss", "f", "guess", "val_loss", "val_f", "val_guess"]
    output = trainer.predict(X, batch_size=16)
    assert history["val_f"] == [float(np.median(output[:, 0]) + Y[-1])]
    assert history["val_guess"] == [float(output.mean())]


def test_metrics_of_training_are_of_the_predictions_made_then() -> None:
    """A model that learns gets its own later weights nowhere into what it said before."""

    class Constant(nn.Module):
        def __init__(self) -> None:
            self.p = nn.Parameter([1.0])

        def forward(self, x: ad.Tensor) -> ad.Tensor:
            return self.p  # the parameter itself, which the optimizer writes in place

    model = Constant()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.5)
    said = nn.Trainer(model, lambda p, t: p.sum(), optimizer, metrics={"all": lambda p, t: p.sum()})
    assert said.fit((X[:3], Y[:3]), 1, batch_size=1, progress=False)["all"] == [1.0 + 0.5 + 0.0]


def test_the_mean_loss_weighs_samples_equally() -> None:
    trainer = made()
    whole = trainer.evaluate((X, Y), batch_size=50)["loss"]
    assert trainer.evaluate((X, Y), batch_size=7)["loss"] == pytest.approx(whole, rel=1e-6)
    sums = nn.Trainer(trainer.model, nn.CrossEntropyLoss(reduction="sum"), trainer.optimizer)
    assert sums.evaluate((X, Y), batch_size=7)["loss"] == pytest.approx(whole, rel=1e-6)


def test_metrics_are_found_by_name_when_they_are_used() -> None:
    trainer = made(metrics=["accuracy"])
    score = trainer.evaluate((X, Y))["accuracy"]
    assert score == pytest.approx(accuracy(trainer.predict(X), Y))


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("no_such_metric", "nn.metrics has no function 'no_such_metric'; it has: accuracy"),
        (lambda p, t: 0.0, "a function without a name; give a dict"),
        ({"loss": accuracy}, "'loss' cannot be the name"),
        ({"val_x": accuracy}, "'val_x' cannot be the name"),
        ([accuracy, accuracy], "two called 'accuracy'"),
        (3, "expected names, functions or a dict"),
        ({"a": 3}, "expected a name of nn.metrics or a function"),
        ({"a": int}, "got the class int"),
    ],
)
def test_metrics_that_are_none_are_refused(metrics: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        made(metrics=metrics)


def test_a_metric_must_be_one_number() -> None:
    with pytest.raises(TypeError, match=r"the metric 'rows' returned float32 of shape \(50,\)"):
        made(metrics={"rows": lambda p, t: p[:, 0]}).evaluate((X, Y))


# ------------------------------------------------------------------------------------------------ modes


def test_modes_are_set_and_restored() -> None:
    trainer = made()
    model: Any = trainer.model
    model.eval()
    model.layers[1].train()
    trainer.fit((X, Y), 2, validation=(X, Y), batch_size=25, progress=False)
    assert model.modes[0] == [True, True, False, False] * 2
    assert [module.training for module in model.modules()] == [False, False, False, True, False]
    model.modes[0].clear()
    model.train()
    trainer.predict(X)
    trainer.evaluate((X, Y))
    assert not any(model.modes[0])
    assert all(module.training for module in model.modules())


def test_predict_records_nothing_and_keeps_the_order() -> None:
    trainer = made()
    output = trainer.predict(X, batch_size=7)
    assert type(output) is np.ndarray
    np.testing.assert_allclose(output, trainer.model(X).numpy(), rtol=1e-6)
    assert trainer.predict(nn.data.TensorDataset(X, Y), batch_size=7).tobytes() == output.tobytes()


# ------------------------------------------------------------------------------------------------ accumulation


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("count", "steps"), [(48, 2), (50, 3), (41, 2)])
def test_accumulated_gradients_are_those_of_the_large_batch(count: int, steps: int, reduction: str) -> None:
    gradients: list[list[np.ndarray]] = [[], []]

    class Keep(Callback):
        def __init__(self, into: list[np.ndarray]) -> None:
            self.into = into

        def on_backward_end(self, trainer: nn.Trainer) -> None:
            self.into.append(np.concatenate([p.grad.numpy().ravel() for p in trainer.model.parameters() if p.grad is not None]))

    for into, batch_size, accumulate in ((gradients[0], 8, 3), (gradients[1], 24, 1)):
        model = Net()
        optimizer = nn.optim.SGD(model.parameters(), lr=0.01)
        loss = nn.CrossEntropyLoss(reduction=reduction)
        trainer = nn.Trainer(model, loss, optimizer, callbacks=[Keep(into)], accumulate=accumulate)
        trainer.fit((X[:count], Y[:count]), 1, batch_size=batch_size, shuffle=False, progress=False)
        assert trainer.steps == steps
    assert len(gradients[0]) == len(gradients[1]) == steps
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=2e-4, atol=2e-6)


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": Net}, "model is the class Net; make a model of it"),
        ({"model": len}, "model must be a Module"),
        ({"loss": nn.CrossEntropyLoss}, r"loss is the class CrossEntropyLoss; make a loss of it: CrossEntropyLoss\(\)"),
        ({"loss": "mse"}, "loss must be a loss such as"),
        ({"loss": nn.CrossEntropyLoss(reduction="none")}, "reduction='none'"),
        ({"optimizer": "adam"}, "the text 'adam'; write one such as nn.optim.Adam"),
        ({"optimizer": nn.optim.Adam}, r"optimizer is the class Adam; write Adam\(model.parameters\(\)"),
        ({"optimizer": None}, "optimizer must be one such as"),
        ({"optimizer": nn.optim.Adam(Net().parameters())}, "has none of the model's parameters"),
        ({"callbacks": Callback()}, r"write \[Callback\(...\)\]"),
        ({"callbacks": [nn.callbacks.EMA]}, "a callback is the class EMA"),
        ({"callbacks": [print]}, "a callback must be a nn.callbacks.Callback"),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1"),
    ],
)
def test_wrong_parts_are_refused_with_the_cure(parts: dict[str, Any], message: str) -> None:
    model = Net()
    right = {"model": model, "loss": nn.CrossEntropyLoss(), "optimizer": nn.optim.SGD(model.parameters())}
    with pytest.raises((TypeError, ValueError), match=message):
        nn.Trainer(**{**right, **parts})


def test_an_optimizer_that_needs_a_closure_is_refused() -> None:
    model = Net()
    with pytest.raises(TypeError, match=r"LBFGS .* optimizer.step\(closure\)"):
        nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.LBFGS(model.parameters()))


def test_strange_parameters_in_the_optimizer_are_warned_of() -> None:
    model, loss_of = Net(), nn.MSELoss()
    other = nn.Linear(1, 1)
    with pytest.warns(UserWarning, match="2 of the optimizer's parameters .* belong neither"):
        nn.Trainer(model, loss_of, nn.optim.SGD([*model.parameters(), *other.parameters()]))
    nn.Trainer(model, loss_of, nn.optim.SGD(model.layers[2].parameters()))  # to learn a part is usual


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, r"got only one array; to learn the input itself"),
        ([X, Y], r"data is a list; give arrays as a tuple \(X, y\)"),
        ((X, Y[:-1]), "equally long|same length"),
        ((X[:0], Y[:0]), "there is no batch in the data"),
        (nn.data.DataLoader((X, Y), 64, drop_last=True), "no batch in the data .50 samples, batch_size=64, drop_last=True"),
        (iter([(X, Y)]), "can be gone through only once"),
        (None, "expected arrays"),
        (0.2, "expected arrays .*random_split"),
        ({"x": X}, "expected arrays"),
        (nn.data.DataLoader(X), r"expected batches \(input, target\), got a Tensor"),
    ],
)
def test_wrong_data_is_refused_with_the_cure(data: Any, message: str) -> None:
    trainer = made()
    before = weights(trainer.model)
    with pytest.raises((TypeError, ValueError), match=message):
        trainer.fit(data, 1, progress=False)
    assert weights(trainer.model) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": -1}, "epochs must be a whole number of at least 0"),
        ({"epochs": 1.5}, "epochs must be"),
        ({"progress": "loud"}, "progress must be None"),
        ({"batch_size": 0}, "batch_size"),
        ({"validation": X}, "fit: validation: expected inputs and targets"),
        ({"resume": True}, "there is none"),
        ({"resume": "nowhere"}, "nowhere"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message):
        made().fit((X, Y), **{"epochs": 1, "progress": False, **options})
    with pytest.raises(ValueError, match="its own generator"):
        made().fit(loader(), 1, generator=np.random.default_rng(), progress=False)


def test_data_that_can_be_gone_through_only_once_is_named_as_that() -> None:
    class Once:
        def __init__(self) -> None:
            self.batches = iter([(X, Y)])

        def __iter__(self) -> Iterator[Any]:
            return self.batches

    with pytest.raises(ValueError, match="can be gone through only once: its __iter__ must begin anew"):
        made().fit(Once(), 2, progress=False)


def test_errors_name_epoch_and_batch() -> None:
    targets = Y.copy()
    targets[-1] = 9
    trainer = made()
    with pytest.raises((ValueError, IndexError)) as caught:
        trainer.fit((X, targets), 5, batch_size=16, shuffle=False, progress=False)
    assert "in Trainer.fit, epoch 1 of 5, batch 4 of 4" in caught.value.__notes__
    assert all(module.training for module in trainer.model.modules())


def test_an_interrupt_leaves_model_and_history_usable() -> None:
    ended: list[BaseException | None] = []

    class Interrupt(Callback):
        def on_batch_end(self, trainer: nn.Trainer) -> None:
            if (trainer.epoch, trainer.batch) == (3, 2):
                raise KeyboardInterrupt

        def on_fit_end(self, trainer: nn.Trainer) -> None:
            ended.append(trainer.error)

    trainer = made(callbacks=[Interrupt()], metrics={"accuracy": accuracy})
    with pytest.raises(KeyboardInterrupt):
        trainer.fit((X, Y), 5, batch_size=16, progress=False)
    assert trainer.history.epochs == [1, 2]
    assert isinstance(ended[0], KeyboardInterrupt)
    assert np.isfinite(trainer.predict(X)).all()
    trainer.callbacks.clear()
    assert trainer.fit((X, Y), 2, batch_size=16, progress=False).epochs == [1, 2]


def test_every_callback_hears_the_end_though_another_fails_in_it() -> None:
    told: list[str] = []

    class Fails(Callback):
        def on_evaluate_end(self, trainer: nn.Trainer) -> None:
            raise RuntimeError("in on_evaluate_end")

        def on_fit_end(self, trainer: nn.Trainer) -> None:
            raise RuntimeError("in on_fit_end")

    class Told(Callback):
        def on_evaluate_end(self, trainer: nn.Trainer) -> None:
            told.append("evaluate")

        def on_fit_end(self, trainer: nn.Trainer) -> None:
            told.append("fit")

    with pytest.raises(RuntimeError, match="in on_fit_end") as caught:
        made(callbacks=[Fails(), Told()]).fit((X, Y), 1, validation=(X, Y), progress=False)
    assert told == ["evaluate", "fit"]
    assert "in on_evaluate_end" in str(caught.value.__context__)


def test_fit_goes_on_from_the_weights_and_the_optimizer_and_counts_anew() -> None:
    """With a schedule: it goes on, too. EarlyStopping and the history begin anew."""

    def run(*epochs: int) -> tuple[nn.Trainer, list[float]]:
        trainer, losses = made(), []
        schedule = nn.callbacks.LRScheduler(nn.optim.lr_scheduler.ExponentialLR(trainer.optimizer, 0.5))
        trainer = nn.Trainer(trainer.model, trainer.loss, trainer.optimizer, callbacks=[schedule])
        draw = np.random.default_rng(5)
        for count in epochs:
            history = trainer.fit((X, Y), count, generator=draw, progress=False)
            assert history.epochs == list(range(1, count + 1))
            losses += history["loss"]
        return trainer, losses

    whole, expected = run(5)
    parts, losses = run(2, 3)
    assert losses == expected
    assert weights(parts.model) == weights(whole.model)


def test_no_epochs_change_nothing() -> None:
    trainer = made()
    before = weights(trainer.model)
    assert len(trainer.fit((X, Y), 0, progress=False)) == 0
    assert weights(trainer.model) == before


def test_events_come_in_order() -> None:
    heard: list[str] = []

    class Listen(Callback):
        pass

    for event in nn.callbacks.callback.EVENTS:
        setattr(Listen, event, lambda self, trainer, event=event: heard.append(event.removeprefix("on_")))
    made(callbacks=[Listen()]).fit((X, Y), 1, validation=(X, Y), batch_size=25, progress=False)
    batch = ["batch_start", "backward_end", "batch_end"]
    assert heard == [
        "fit_start", "epoch_start", *batch, *batch, "evaluate_start", "evaluate_end", "epoch_end", "fit_end"
    ]  # fmt: skip


def test_a_callback_can_stop() -> None:
    class Stop(Callback):
        def __init__(self, event: str, at: tuple[int, int]) -> None:
            def listen(trainer: nn.Trainer) -> None:
                if (trainer.epoch, trainer.batch) == at:
                    trainer.stop("enough")

            setattr(self, event, listen)

    for event, at, steps, epochs in (
        ("on_backward_end", (2, 3), 6, 1),
        ("on_batch_end", (2, 3), 7, 1),
        ("on_batch_end", (2, 4), 8, 2),
        ("on_epoch_end", (2, 4), 8, 2),
    ):
        trainer = made(callbacks=[Stop(event, at)])
        history = trainer.fit((X, Y), 5, batch_size=16, progress=False)
        assert (trainer.steps, len(history), history.stopped) == (steps, epochs, "enough")


# ------------------------------------------------------------------------------------------------ the range test


class Noisy(Net):
    """A model that draws random numbers, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = np.random.default_rng(2)
        self.register_buffer("calls", ad.Tensor(np.zeros(1)))

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        self.calls[0] = self.calls.numpy()[0] + 1
        noise = self.generator.normal() + nn.seeding.generator_or_default(None).normal()
        return self.layers(x) + np.float32(noise) * 1e-3


def test_find_lr_puts_everything_back() -> None:
    nn.manual_seed(11)
    model = Noisy()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    data = nn.data.DataLoader((X, Y), 8, shuffle=True, generator=np.random.default_rng(9))
    trainer = nn.Trainer(model, nn.CrossEntropyLoss(), optimizer)
    trainer.fit(data, 1, progress=False)
    next(iter(data))  # an epoch that was left early
    model.eval()
    gradients = [p.grad for p in model.parameters()]

    def everything() -> Any:
        place = data.state_dict()
        return (
            weights(model),
            repr(optimizer.state_dict()),
            [module.training for module in model.modules()],
            repr(nn.seeding.generator_or_default(None).bit_generator.state),
            repr(model.generator.bit_generator.state),
            repr(place),
            trainer.history,
        )

    before = copy.deepcopy(everything())
    curve = trainer.find_lr(data, steps=30)
    assert everything() == before
    assert all(p.grad is gradient for p, gradient in zip(model.parameters(), gradients, strict=True))
    assert curve.lr[0] == pytest.approx(1e-6)
    assert curve.lr == sorted(curve.lr)
    assert len(curve.lr) == len(curve.loss) <= 30


def test_find_lr_leaves_no_gradients_where_the_loss_reaches_the_model() -> None:
    model = nn.Linear(3, 1)
    trainer = nn.Trainer(model, lambda p, t: ((p - t) ** 2).mean() + (model.weight**2).sum(), nn.optim.SGD(model.parameters()))
    trainer.find_lr((X, R), steps=5)
    assert model.weight.grad is None
    trainer.fit((X, R), 1, progress=False)
    gradient = model.weight.grad
    assert gradient is not None
    before = gradient.numpy().copy()
    trainer.find_lr((X, R), steps=5)
    assert model.weight.grad is gradient
    np.testing.assert_array_equal(gradient.numpy(), before)


def test_the_curve_shows_the_fall_and_not_the_explosion() -> None:
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    curve = nn.training.lr_finder.LRCurve(np.geomspace(1e-3, 10, 9).tolist(), [1, 1, 0.9, 0.7, 0.5, 0.4, 5, 50, 500], 0.0)
    (axes,) = curve.plot().axes
    low, high = axes.get_ylim()
    assert 0 < low < 0.4
    assert 1 < high < 2
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "loss")


def test_find_lr_suggests_a_rate_that_works_and_stops_where_it_diverges() -> None:
    model = nn.Linear(3, 1, generator=np.random.default_rng(0))
    trainer = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=1.0))
    curve = trainer.find_lr((X, R), end=1e4, generator=np.random.default_rng(0))
    assert curve.lr[-1] < 1e3
    assert curve.suggestion is not None
    assert 1e-3 < curve.suggestion < 1
    for group in trainer.optimizer.param_groups:
        group["lr"] = curve.suggestion
    history = trainer.fit((X, R), 30, progress=False)
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    (axes,) = curve.plot().axes
    assert axes.get_xscale() == "log"


def test_find_lr_refuses_what_makes_no_sense() -> None:
    trainer = made()
    with pytest.raises(ValueError, match="0 < start < end"):
        trainer.find_lr((X, Y), start=1, end=0.1)
    with pytest.raises(ValueError, match="steps must be"):
        trainer.find_lr((X, Y), steps=1)
    with pytest.raises(ValueError, match="not finite"):
        trainer.find_lr((X * np.float32(np.nan), Y))
