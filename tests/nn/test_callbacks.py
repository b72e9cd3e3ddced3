"""Callbacks: each does what it says, is told from the outside, and leaves nothing behind."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.callbacks import (
    EMA,
    Callback,
    CSVLogger,
    EarlyStopping,
    GradientClipping,
    LRScheduler,
    ModelCheckpoint,
    OverfitOneBatch,
    TensorBoard,
    TerminateOnNaN,
)

X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
R = (X @ np.array([[2.0], [-1.0]]) + 0.5).astype(np.float32)


class Script(Callback):
    """Gives epochs their numbers, and weights that tell the epoch."""

    order = -100

    def __init__(self, values: list[float], name: str = "val_loss") -> None:
        self.values, self.name = values, name

    def on_epoch_end(self, trainer: nn.Trainer) -> None:
        trainer.row[self.name] = self.values[trainer.epoch - 1]
        with ad.no_grad():
            trainer.model.bias[...] = trainer.epoch  # type: ignore[index,operator]


def made(*callbacks: Callback, lr: float = 0.1, **options: Any) -> nn.Trainer:
    model = nn.Linear(2, 1, generator=np.random.default_rng(3))
    return nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=lr), callbacks=callbacks, **options)


def fitted(*callbacks: Callback, epochs: int = 5, data: Any = (X, R), validation: Any = (X, R), **options: Any) -> nn.Trainer:
    trainer = made(*callbacks, **options)
    trainer.fit(data, epochs, validation=validation, batch_size=8, generator=np.random.default_rng(1), progress=False)
    return trainer


def values(model: Any) -> np.ndarray:
    return np.concatenate([model.weight.numpy().ravel(), model.bias.numpy()])


# ------------------------------------------------------------------------------------------------ early stopping

NAN = float("nan")


@pytest.mark.parametrize(
    ("options", "numbers", "ended", "best"),
    [
        ({"patience": 2}, [3, 2, 1, 2, 2, 0], 5, 3),
        ({"patience": 2}, [3, 2, 2, 1, 1, 1], 6, 4),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 1, 1], 2, 1),
        ({"patience": 2, "mode": "max"}, [1, 3, 2, 2, 9], 4, 2),
        ({"patience": 2}, [NAN, 2, NAN, 3, 0], 4, 2),
        ({"patience": 3}, [NAN, NAN, NAN, 1], 3, None),
        ({"patience": 3}, [5, 4, 3, 2, 1], 5, 5),
    ],
)
def test_early_stopping(options: dict[str, Any], numbers: list[float], ended: int, best: int | None) -> None:
    stopping = EarlyStopping("val_loss", **options)
    trainer = fitted(Script(numbers), stopping, epochs=len(numbers))
    assert trainer.epoch == ended
    assert stopping.best_epoch == best
    assert trainer.model.bias.item() == (best or ended)  # type: ignore[union-attr,operator]
    assert (trainer.history.stopped is not None) == (stopping.waited >= stopping.patience)
    if trainer.history.stopped:
        assert "val_loss has not improved for" in trainer.history.stopped


def test_early_stopping_may_keep_the_last_weights_and_begins_anew_with_each_fit() -> None:
    stopping = EarlyStopping("val_loss", patience=2, restore_best=False)
    trainer = fitted(Script([3, 2, 1, 2, 2, 0]), stopping, epochs=6)
    assert trainer.model.bias.item() == 5  # type: ignore[union-attr,operator]
    trainer.fit((X, R), 6, validation=(X, R), progress=False)
    assert (trainer.epoch, stopping.best) == (5, 1)


@pytest.mark.parametrize(
    ("column", "mode"),
    [("loss", "min"), ("val_loss", "min"), ("val_accuracy", "max"), ("roc_auc", "max"), ("val_root_mean_squared_error", "min")],
)
def test_the_better_direction_is_known(column: str, mode: str) -> None:
    assert EarlyStopping(column).mode == mode


def test_every_metric_of_the_library_has_a_known_direction() -> None:
    for name in nn.metrics.__all__:
        if name != "confusion_matrix":
            assert EarlyStopping(name).mode in ("min", "max")


def test_what_cannot_be_watched_is_refused() -> None:
    with pytest.raises(ValueError, match="is more or less of 'my_score' better"):
        EarlyStopping("my_score")
    with pytest.raises(ValueError, match="mode must be"):
        EarlyStopping("loss", mode="least")
    with pytest.raises(ValueError, match="patience must be"):
        EarlyStopping("loss", patience=0)
    with pytest.raises(ValueError, match=r"no 'val_loss' to watch; there are: loss; give fit\(validation"):
        fitted(EarlyStopping("val_loss"), validation=None)
    with pytest.raises(ValueError, match=r"no 'val_mae' to watch; there are: loss, val_loss$"):
        fitted(EarlyStopping("val_mae"))


# ------------------------------------------------------------------------------------------------ not a number


def test_terminate_on_nan_says_where_and_keeps_finite_weights() -> None:
    with pytest.warns(RuntimeWarning, match=r"TerminateOnNaN: the loss is (inf|nan) in epoch \d+, batch \d+"):
        trainer = fitted(TerminateOnNaN(), epochs=100, lr=1e4)
    assert trainer.history.stopped is not None
    assert np.isfinite(values(trainer.model)).all()
    assert trainer.epoch < 100


def test_terminate_on_nan_names_the_gradient() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter([0.0])

        def forward(self, x: ad.Tensor) -> ad.Tensor:
            return (self.w**2) ** 0.25 + 0 * x.sum()  # an infinite slope at 0

    model = Root()
    trainer = nn.Trainer(model, lambda p, t: p.sum(), nn.optim.SGD(model.parameters()), callbacks=[TerminateOnNaN()])
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        pytest.warns(RuntimeWarning, match="the gradient of 'w' is not finite in epoch 1, batch 1"),
    ):
        trainer.fit((X, R), 2, progress=False)
    assert model.w.tolist() == [0.0]


class Fails(nn.Module):
    """Draws a number, and takes the logarithm of 0 where it is small."""

    def __init__(self) -> None:
        self.linear, self.normal = nn.Linear(3, 2), nn.BatchNorm1d(2)

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        lucky = nn.seeding.generator_or_default(None).random() > 0.2
        return np.log(np.exp(self.normal(self.linear(x))) * lucky)


def culprit_of(model: nn.Module, **options: Any) -> tuple[TerminateOnNaN, nn.Trainer]:
    callback = TerminateOnNaN()
    trainer = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=1e-3), callbacks=[callback], **options)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="TerminateOnNaN"):
        trainer.fit((np.random.default_rng(0).normal(size=(64, 3)), np.zeros((64, 2))), 100, batch_size=8, progress=False)
    return callback, trainer


@pytest.mark.parametrize("accumulate", [1, 2])
def test_terminate_on_nan_names_operation_module_and_line(accumulate: int) -> None:
    nn.manual_seed(4)
    callback, trainer = culprit_of(nn.Sequential(nn.Identity(), Fails()), accumulate=accumulate)
    error = callback.culprit
    assert error is not None
    assert (error.operation, error.module, error.phase) == ("log", "1", "forward")
    assert error.source.startswith(f"{__file__}:")
    told = "When the batch was run again, operation 'log' made inf in 16 of 16 elements, from finite inputs (in module '1', at "
    assert told + error.source + ")" in str(trainer.history.stopped)
    assert error.node is None
    assert error.__traceback__ is None


@pytest.mark.parametrize("bad", [1, 2, 3])
@pytest.mark.parametrize("gradients", [True, False])
def test_terminate_on_nan_finds_the_batch_among_those_accumulated(bad: int, gradients: bool) -> None:
    x = np.ones((6, 3))
    x[2 * bad - 1] = 0
    model = nn.Sequential(nn.Identity(), Logarithm())
    callback = TerminateOnNaN(gradients)
    optimizer = nn.optim.SGD(model.parameters(), lr=1e-3)
    trainer = nn.Trainer(model, nn.MSELoss(), optimizer, callbacks=[callback], accumulate=3)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=f"the loss is inf in epoch 1, batch {bad};"):
        trainer.fit((x, np.zeros((6, 3))), 1, batch_size=2, shuffle=False, progress=False)
    assert callback.culprit is not None
    assert callback.culprit.summary == "operation 'log' made inf in 3 of 6 elements, from finite inputs"
    assert trainer.steps == 0
    assert callback._batches == []


class Logarithm(nn.Module):
    def __init__(self) -> None:
        self.w = nn.Parameter([1.0])

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return np.log(x * self.w)


def test_terminate_on_nan_names_the_rule() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter([0.0, 1.0])

        def forward(self, x: ad.Tensor) -> ad.Tensor:
            return 1 + np.sqrt(self.w * 1) + 0 * x[:, :2]

    callback, trainer = culprit_of(Root())
    assert callback.culprit is not None
    assert (callback.culprit.operation, callback.culprit.phase, callback.culprit.module) == ("sqrt", "backward", "Root")
    assert "the rule of operation 'sqrt' for 'x' made inf in 1 of 2 elements" in str(trainer.history.stopped)


def test_terminate_on_nan_changes_nothing_by_looking() -> None:
    def state(watched: bool) -> list[Any]:
        nn.manual_seed(4)
        model = Fails()
        if watched:
            callback, _ = culprit_of(model)
            assert callback.culprit is not None
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(TerminateOnNaN, "_found_again", lambda self, trainer, used: None)
                culprit_of(model)
        grads = [p.grad.tolist() for p in model.parameters() if p.grad is not None]
        return [{k: v.tolist() for k, v in model.state_dict().items()}, repr(grads), nn.seeding.generator_or_default(None).random()]

    assert state(True) == state(False)


def test_terminate_on_nan_says_what_it_knows_of_a_model_that_cannot_run_twice() -> None:
    class Once(nn.Module):
        def __init__(self) -> None:
            self.w, self.calls = nn.Parameter([1.0, 1.0]), 0

        def forward(self, x: ad.Tensor) -> ad.Tensor:
            self.calls += 1
            if self.calls == 2:
                raise ValueError("no")
            return np.log(self.w * 0) + 0 * x[:, :2]

    callback, trainer = culprit_of(Once())
    assert callback.culprit is None
    assert str(trainer.history.stopped).startswith("the loss is inf in epoch 1, batch 1; inputs and weights are finite")


# ------------------------------------------------------------------------------------------------ gradients


def test_clipping_by_norm_and_value() -> None:
    seen: list[np.ndarray] = []

    class Look(Callback):
        order = 1

        def on_backward_end(self, trainer: nn.Trainer) -> None:
            seen.append(np.concatenate([p.grad.numpy().ravel() for p in trainer.model.parameters() if p.grad is not None]))

    fitted(Look(), epochs=1, lr=0)
    free = list(seen)
    seen.clear()
    clipping = GradientClipping(norm=0.5)
    fitted(clipping, Look(), epochs=1, lr=0)
    for before, after in zip(free, seen, strict=True):
        norm = np.linalg.norm(before)
        np.testing.assert_allclose(after, before * min(1, 0.5 / norm), rtol=1e-5)
    assert clipping.last_norm == pytest.approx(np.linalg.norm(free[-1]), rel=1e-6)
    seen.clear()
    fitted(GradientClipping(value=0.1), Look(), epochs=1, lr=0)
    for before, after in zip(free, seen, strict=True):
        np.testing.assert_allclose(after, np.clip(before, -0.1, 0.1), rtol=1e-6)
    for options in ({}, {"norm": 1, "value": 1}, {"norm": 0}, {"value": -1.0}, {"norm": NAN}, {"norm": True}):
        with pytest.raises(ValueError, match="GradientClipping"):
            GradientClipping(**options)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ schedules


@pytest.mark.parametrize("every", ["epoch", "batch"])
def test_a_schedule_moves_and_is_written_down(every: str) -> None:
    trainer = made(lr=1.0)
    schedule = nn.optim.lr_scheduler.ExponentialLR(trainer.optimizer, 0.5)
    trainer.callbacks.append(LRScheduler(schedule, every=every))
    history = trainer.fit((X * 0.1, R), 4, batch_size=8, progress=False)
    assert history["lr"] == ([1.0, 0.5, 0.25, 0.125] if every == "epoch" else [1.0, 0.5**3, 0.5**6, 0.5**9])
    assert list(history) == ["loss", "lr"]


def test_a_batch_schedule_counts_steps_not_accumulated_batches() -> None:
    trainer = made(lr=1.0, accumulate=2)
    trainer.callbacks.append(LRScheduler(nn.optim.lr_scheduler.ExponentialLR(trainer.optimizer, 0.5), every="batch"))
    history = trainer.fit((X * 0.1, R), 2, batch_size=8, progress=False)  # 3 batches, 2 steps
    assert history["lr"] == [1.0, 0.25]


def test_the_plateau_schedule_watches_a_column() -> None:
    trainer = made(Script([1.0, 1.0, 1.0, 1.0]), lr=1.0)
    schedule = nn.optim.lr_scheduler.ReduceLROnPlateau(trainer.optimizer, factor=0.1, patience=1)
    trainer.callbacks.append(LRScheduler(schedule))
    history = trainer.fit((X * 0.1, R), 4, validation=(X, R), batch_size=8, progress=False)
    np.testing.assert_allclose(history["lr"], [1.0, 1.0, 1.0, 0.1])


def test_wrong_schedules_are_refused() -> None:
    trainer = made()
    schedule = nn.optim.lr_scheduler.StepLR(trainer.optimizer, 1)
    for wrong in (None, trainer.optimizer, nn.optim.lr_scheduler.StepLR):
        with pytest.raises(TypeError, match="expected a schedule"):
            LRScheduler(wrong)
    with pytest.raises(ValueError, match="every must be"):
        LRScheduler(schedule, every="step")
    with pytest.raises(ValueError, match="once an epoch"):
        LRScheduler(schedule, every="batch", monitor="loss")
    with pytest.raises(ValueError, match="holds another optimizer"):
        fitted(LRScheduler(schedule))
    with pytest.raises(TypeError, match=r"wrap it: nn.callbacks.LRScheduler"):
        made(schedule)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ averages


def averages(decay: float) -> tuple[np.ndarray, np.ndarray]:
    """The averaged and the last weights of the training below, computed by hand."""
    track: list[np.ndarray] = []

    class Track(Callback):
        def on_fit_start(self, trainer: nn.Trainer) -> None:
            track.append(values(trainer.model))

        def on_batch_end(self, trainer: nn.Trainer) -> None:
            track.append(values(trainer.model))

    fitted(Track())
    average = track[0].astype(np.float64)
    for n, now in enumerate(track[1:], 1):
        share = 1 - min(decay, (1 + n) / (10 + n))
        average += share * (now - average)
    return average, track[-1]


@pytest.mark.parametrize("decay", [0.0, 0.9])
@pytest.mark.parametrize("keep_raw", [False, True])
def test_ema_evaluates_with_the_average(decay: float, keep_raw: bool) -> None:
    average, last = averages(decay)
    ema = EMA(decay, keep_raw=keep_raw)
    trainer = fitted(ema)
    np.testing.assert_allclose(values(trainer.model), last if keep_raw else average, rtol=1e-5)
    model = nn.Linear(2, 1)
    model.load_state_dict({"weight": average[:2].reshape(1, 2).astype(np.float32), "bias": average[2:].astype(np.float32)})
    loss = nn.MSELoss()(model(X), R).item()
    assert trainer.history["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
    assert trainer.evaluate((X, R))["loss"] == pytest.approx(loss, rel=1e-4)
    np.testing.assert_allclose(trainer.predict(X), model(X).numpy(), rtol=1e-4, atol=1e-5)
    if keep_raw:
        with ema.averaged(trainer.model) as averaged:
            np.testing.assert_allclose(values(averaged), average, rtol=1e-5)
        np.testing.assert_array_equal(values(trainer.model), last)
    else:
        with pytest.raises(RuntimeError, match="keep_raw=True"), ema.averaged(trainer.model):
            pass


def test_ema_gives_the_weights_back_when_validation_fails() -> None:
    class Fail(Callback):
        order = 1
        weights: np.ndarray

        def on_evaluate_start(self, trainer: nn.Trainer) -> None:
            raise RuntimeError("no")

        def on_batch_end(self, trainer: nn.Trainer) -> None:
            self.weights = values(trainer.model)

    fail = Fail()
    trainer = made(EMA(0.9), fail)
    with pytest.raises(RuntimeError, match="no"):
        trainer.fit((X, R), 1, validation=(X, R), progress=False)
    np.testing.assert_array_equal(values(trainer.model), fail.weights)


def test_the_best_weights_with_ema_are_averages(tmp_path: Path) -> None:
    trainer = fitted(EMA(0.9), EarlyStopping("val_loss"), ModelCheckpoint(tmp_path / "best.npz"))
    best = min(trainer.history["val_loss"])
    assert trainer.evaluate((X, R), batch_size=8)["loss"] == best
    trainer.model.load_state_dict(nn.load(tmp_path / "best.npz"))
    assert trainer.evaluate((X, R), batch_size=8)["loss"] == best


# ------------------------------------------------------------------------------------------------ files


def test_model_checkpoint_keeps_the_best(tmp_path: Path) -> None:
    keeper = ModelCheckpoint(tmp_path / "best.npz")
    fitted(Script([3, 1, 2, 0.5, 9]), keeper)
    assert keeper.best == 0.5
    assert keeper.best_path == str(tmp_path / "best.npz")
    assert nn.load(tmp_path / "best.npz")["bias"].item() == 4
    fitted(Script([3, 1, 2, 0.5, 9]), ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.1f}.npz", save_best_only=False))
    assert sorted(path.name for path in tmp_path.glob("0*")) == [
        "01-3.0.npz", "02-1.0.npz", "03-2.0.npz", "04-0.5.npz", "05-9.0.npz"
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"cannot be filled in .*known are {epoch}, {loss}, {val_loss}"):
        fitted(ModelCheckpoint(tmp_path / "{acc}.npz"))
    with pytest.raises(TypeError, match="path must name a file"):
        ModelCheckpoint(3)  # type: ignore[arg-type]


def test_the_csv_is_the_history(tmp_path: Path) -> None:
    seen = []

    class Look(Callback):
        order = 101

        def on_epoch_end(self, trainer: nn.Trainer) -> None:
            seen.append((tmp_path / "log.csv").read_text().count("\n"))

    trainer = fitted(CSVLogger(tmp_path / "log.csv"), Look())
    assert seen == [2, 3, 4, 5, 6]  # whole after each epoch
    with open(tmp_path / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss"]) for row in rows] == trainer.history["loss"]
    assert [float(row["val_loss"]) for row in rows] == trainer.history["val_loss"]


def test_tensorboard_reads_the_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="it writes the events")
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the real TensorBoard reads them here"
    )
    trainer = fitted(TensorBoard(tmp_path, every_steps=2, histograms=True))
    found = reader.EventAccumulator(str(tmp_path), {"scalars": 0, "histograms": 0})  # all of them
    found.Reload()
    for tag, column in (("training/loss", "loss"), ("validation/loss", "val_loss")):
        events = found.Scalars(tag)
        assert [event.step for event in events] == [1, 2, 3, 4, 5]
        np.testing.assert_allclose([event.value for event in events], trainer.history[column], rtol=1e-6)
    assert [event.step for event in found.Scalars("step/loss")] == [2, 4, 6, 8, 10, 12, 14]
    np.testing.assert_allclose([event.value for event in found.Scalars("step/lr")], 0.1, rtol=1e-6)
    assert len(found.Histograms("parameters/weight")) == 5


def test_tensorboard_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'glassgrad\[tensorboard\]'"):
        fitted(TensorBoard(tmp_path))


# ------------------------------------------------------------------------------------------------ one batch


def test_overfitting_really_uses_one_batch() -> None:
    seen: list[bytes] = []

    class Net(nn.Linear):
        def forward(self, x: ad.Tensor) -> ad.Tensor:
            if self.training:
                seen.append(x.numpy().tobytes())
            return super().forward(x)

    model = Net(2, 1)
    callback = OverfitOneBatch(until=1e-3)
    trainer = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.3), callbacks=[callback])
    trainer.fit((X, R), 200, batch_size=8, progress=False)
    assert len(set(seen)) == 1
    assert len(seen) == 3 * trainer.epoch
    assert callback.reached
    assert trainer.epoch < 200
    assert trainer.history["loss"][-1] <= 1e-3
    assert "one batch is learned" in str(trainer.history.stopped)
