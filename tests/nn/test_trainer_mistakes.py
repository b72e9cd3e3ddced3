"""What newcomers write, and what they are told: habits of other libraries, broken parts, data that is not finite."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable as Function
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.callbacks import Callback, OverfitOneBatch, TerminateOnNaN

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def made(model: nn.Module | None = None, loss: Any = None, lr: float = 0.1, **options: Any) -> nn.Trainer:
    model = model or nn.Linear(3, 2, generator=np.random.default_rng(0))
    return nn.Trainer(model, loss or nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), lr=lr), **options)


def notes_of(action: Function[[], Any], kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        action()
    return "\n".join(getattr(caught.value, "__notes__", []))


# ------------------------------------------------------------------------------------------------ callbacks


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("on_train_begin", "on_fit_start"),
        ("on_train_start", "on_fit_start"),
        ("on_train_end", "on_fit_end"),
        ("on_epoch_begin", "on_epoch_start"),
        ("on_train_epoch_end", "on_epoch_end"),
        ("on_batch_begin", "on_batch_start"),
        ("on_train_batch_end", "on_batch_end"),
        ("on_test_begin", "on_evaluate_start"),
        ("on_validation_end", "on_evaluate_end"),
        ("on_after_backward", "on_backward_end"),
        ("on_epoch_ends", "on_epoch_end"),
    ],
)
def test_a_method_that_is_no_event_is_refused(name: str, near: str) -> None:
    with pytest.raises(TypeError, match=f"Mine: {name} is no event .*; {near} is near. The events are on_fit_start, .*on_fit_end"):
        type("Mine", (Callback,), {name: lambda self, trainer: None})
    callback = Callback()
    setattr(callback, name, lambda trainer: None)
    with pytest.raises(TypeError, match=f"Callback: {name} is no event"):
        made(callbacks=[callback])


def test_events_of_a_mixin_are_looked_at_and_attributes_are_not() -> None:
    class Keras:
        def on_train_begin(self) -> None: ...

    with pytest.raises(TypeError, match="on_train_begin is no event"):

        class Both(Keras, Callback):
            pass

    class Fine(Callback):
        on_line = True  # an attribute, which nobody would call


@pytest.mark.parametrize("arguments", ["self, epoch, logs=None", "self, trainer, pl_module", "self, logs=None"])
def test_an_event_gets_the_trainer_alone(arguments: str) -> None:
    method = eval(f"lambda {arguments}: None")
    with pytest.raises(TypeError, match=r"gets the Trainer alone: def on_epoch_end\(self, trainer\)"):
        type("Mine", (Callback,), {"on_epoch_end": method})


def test_a_callback_adds_a_column_at_the_end_of_an_epoch(tmp_path: Any) -> None:
    class Adds(Callback):
        def on_epoch_end(self, trainer: nn.Trainer) -> None:
            trainer.row["mine"] = ad.Tensor(float(trainer.epoch))  # type: ignore[assignment]
            if trainer.epoch == 2:
                trainer.row["late"] = 7

    checks: list[Callback] = [
        nn.callbacks.EarlyStopping("mine", patience=2, mode="min"),
        nn.callbacks.CSVLogger(tmp_path / "log.csv"),
        nn.callbacks.Checkpoint(tmp_path / "run"),
        Adds(),
    ]
    history = made(callbacks=checks).fit((X, Y), 5, progress="lines")
    assert history["mine"] == [1.0, 2.0, 3.0]  # so EarlyStopping saw it
    np.testing.assert_array_equal(history["late"], [np.nan, 7.0, np.nan])
    assert (tmp_path / "log.csv").read_text() == history._csv()
    resumed = made(callbacks=checks)
    assert resumed.fit((X, Y), 5, progress=False, resume=True) == history


def test_a_column_takes_numbers() -> None:
    class Adds(Callback):
        def on_epoch_end(self, trainer: nn.Trainer) -> None:
            trainer.row["mine"] = "good"  # type: ignore[assignment]

    with pytest.raises(TypeError, match="History: column 'mine' takes a number, got str 'good'"):
        made(callbacks=[Adds()]).fit((X, Y), progress=False)


# ------------------------------------------------------------------------------------------------ nan


def test_a_loss_that_is_not_finite_is_warned_of_once() -> None:
    bad = X.copy()
    bad[5, 1] = np.nan
    told = "the loss is nan in epoch 1, batch 2 of 5; the inputs of this batch held nan already.*TerminateOnNaN"
    with pytest.warns(RuntimeWarning, match=told) as seen:
        made().fit((bad, Y), 3, batch_size=4, shuffle=False, progress=False)
    assert len(seen) == 1
    assert seen[0].filename == __file__


def test_a_nan_that_arises_is_told_from_one_of_the_data() -> None:
    def log_of_zero(input: ad.Tensor, target: ad.Tensor) -> ad.Tensor:
        with np.errstate(all="ignore"):
            return ad.log(input * 0).mean()

    with pytest.warns(RuntimeWarning, match="inputs and weights are finite, so it arose in the model or the loss"):
        made(loss=log_of_zero).fit((X, Y), progress=False)
    model = nn.Linear(3, 1)
    with ad.no_grad():
        model.weight[...] = np.inf
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="'weight' holds inf already"):
        made(model, nn.MSELoss()).fit((X, X[:, :1]), progress=False)
    target = np.full((20, 1), np.nan)
    with pytest.warns(RuntimeWarning, match="the target of this batch held nan already"):
        made(nn.Linear(3, 1), nn.MSELoss()).fit((X, target), progress=False)


def test_terminate_on_nan_says_whether_the_data_was_to_blame() -> None:
    bad = X.copy()
    bad[5, 1] = np.inf
    told = "TerminateOnNaN: .*the inputs of this batch held inf"
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=told) as seen:
        history = made(callbacks=[TerminateOnNaN()]).fit((bad, Y), 3, batch_size=4, shuffle=False, progress=False)
    assert len(seen) == 1
    assert "the inputs of this batch held inf already" in str(history.stopped)


# ------------------------------------------------------------------------------------------------ calls


class Own:
    def __iter__(self) -> Any:
        return iter([(X, Y)])


@pytest.mark.parametrize("name", ["fit", "evaluate", "predict", "find_lr"])
def test_what_a_loader_decides_is_not_taken_silently(name: str) -> None:
    loader = nn.data.DataLoader((X, Y), 4)
    told = rf"{name}: a DataLoader makes its own batches; say it there: DataLoader\(..., batch_size=8\)"
    with pytest.raises(ValueError, match=told):
        getattr(made(), name)(loader, batch_size=8)
    with pytest.raises(ValueError, match="a Own makes its own batches"):
        getattr(made(), name)(Own(), batch_size=8)
    if name in ("fit", "find_lr"):
        with pytest.raises(ValueError, match=r"DataLoader\(..., shuffle=False\)"):
            getattr(made(), name)(loader, shuffle=False)


def test_the_size_of_batches_is_32_and_holds_for_arrays_beside_a_loader() -> None:
    trainer = made()
    big = np.repeat(X, 5, axis=0), np.repeat(Y, 5)
    trainer.fit(big, progress=False)
    assert trainer.batches == 4
    trainer.fit(big, validation=nn.data.DataLoader(big, 7), batch_size=50, progress=False)
    assert (trainer.batches, len(trainer.validation), trainer.validation.batch_size) == (2, 15, 7)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda t: t.fit(X, Y), r"fit: expected inputs and targets as one tuple: fit\(\(X, y\), epochs\)"),
        (lambda t: t.fit(X, Y, epochs=1), r"fit: expected inputs and targets as one tuple: fit\(\(X, y\), epochs\)"),
        (lambda t: t.fit(X, Y, 10), r"fit: expected inputs and targets as one tuple: fit\(\(X, y\), epochs\)"),
        (lambda t: t.fit(X, Y.tolist(), 10), r"fit: expected inputs and targets as one tuple"),
        (lambda t: t.fit(x=X, y=Y), r"no argument 'x'; inputs and targets are one tuple: fit\(\(X, y\)"),
        (lambda t: t.fit((X, Y), 10, (X, Y)), "only data and epochs go by position"),
        (lambda t: t.fit(t.model, (X, Y)), r"the Trainer has its model already; give the data alone: trainer.fit\(data\)"),
        (lambda t: t.fit((X, Y), validation_data=(X, Y)), r"no argument 'validation_data'; it is called validation"),
        (lambda t: t.fit((X, Y), validation_split=0.1), r"random_split"),
        (lambda t: t.fit((X, Y), verbose=0), "no argument 'verbose'; progress=False is silent"),
        (lambda t: t.fit((X, Y), callbacks=[]), r"nn.Trainer\(model, loss, optimizer, callbacks=...\)"),
        (lambda t: t.fit((X, Y), max_epochs=3), "it is called epochs"),
        (lambda t: t.evaluate(X, Y), r"evaluate: expected inputs and targets as one tuple: evaluate\(\(X, y\)\)"),
        (lambda t: t.evaluate((X, Y), verbose=0), "evaluate: there is no argument 'verbose'"),
        (lambda t: t.predict(X, Y), r"predict: it takes inputs only, and targets are not needed: predict\(X\)"),
        (lambda t: t.fit((X, Y), nonsense=1), "unexpected keyword argument 'nonsense'"),
    ],
)
def test_habits_of_other_libraries_are_answered_with_the_cure(action: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        action(made())


def test_predict_of_inputs_and_targets_is_explained() -> None:
    trainer = made(nn.Sequential(nn.Linear(3, 2), nn.Tanh()))
    trainer.evaluate((X, Y))
    note = "predict takes inputs only, and each of the 2 arrays was one; without the targets: predict(X)"
    assert note in notes_of(lambda: trainer.predict((X, Y)), TypeError)


# ------------------------------------------------------------------------------------------------ broken parts


def test_a_loss_that_returns_no_tensor_is_named() -> None:
    def squares(input: ad.Tensor, target: ad.Tensor) -> float:
        return ((input - 1) ** 2).mean().item()

    told = notes_of(lambda: made(loss=squares).fit((X, Y), progress=False), AttributeError)
    assert told.startswith("the loss squares returned a float; it must return a Tensor")
    assert "in Trainer.fit, epoch 1 of 1, batch 1 of 1" in told


def test_frozen_parameters_are_named() -> None:
    trainer = made()
    for p in trainer.model.parameters():
        p.requires_grad = False
    told = notes_of(lambda: trainer.fit((X, Y), progress=False), Exception)
    assert told.startswith("all 2 parameters of the model are frozen (requires_grad=False), so there is nothing to learn")


def test_a_model_or_loss_that_leaves_the_graph_is_named() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(3, 2)

        def forward(self, x: ad.Tensor) -> ad.Tensor:
            return self.layer(x).detach()

    def cut(input: ad.Tensor, target: ad.Tensor) -> ad.Tensor:
        return input.detach().mean()

    assert notes_of(lambda: made(Cut()).fit((X, Y), progress=False), Exception).startswith("what the model Cut returned does not")
    assert notes_of(lambda: made(loss=cut).fit((X, Y), progress=False), Exception).startswith("what the loss cut returned does not")


def test_a_model_that_returns_nothing_is_named() -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(3, 2)

        def forward(self, x: ad.Tensor) -> None:
            self.layer(x)

    trainer = made(Silent())
    note = "the model Silent returned None; its forward seems to have no `return`"
    assert notes_of(lambda: trainer.fit((X, Y), progress=False), Exception).count(note) == 1
    assert notes_of(lambda: trainer.evaluate((X, Y)), Exception).count(note) == 1
    with pytest.raises(TypeError, match=re.escape(note)):
        trainer.predict(X)


def test_an_error_of_the_model_itself_is_left_alone() -> None:
    told = notes_of(lambda: made(nn.Linear(4, 2)).fit((X, Y), progress=False), Exception)
    assert "returned" not in told
    assert told.endswith("in Trainer.fit, epoch 1 of 1, batch 1 of 1")


# ------------------------------------------------------------------------------------------------ metrics


def test_a_metric_that_fails_is_named_with_what_it_got() -> None:
    def picky(input: np.ndarray, target: np.ndarray) -> float:
        raise ValueError("continuous-multioutput is not supported")

    told = notes_of(lambda: made(metrics=[picky]).fit((X, Y), progress=False), ValueError)
    assert told.startswith(
        "in the metric 'picky', which gets all outputs of the model (float32 of shape (20, 2)), "
        "then all targets (int64 of shape (20,))"
    )
    assert "scikit-learn" not in told
    sk = pytest.importorskip("sklearn.metrics", reason="its metrics take the target first")
    told = notes_of(lambda: made(metrics=[sk.accuracy_score]).evaluate((X, Y)), ValueError)
    assert "in the metric 'accuracy_score', which" in told
    assert "scikit-learn takes the target first" in told


def test_a_partial_function_has_the_name_of_its_function() -> None:
    def above(input: np.ndarray, target: np.ndarray, limit: float) -> float:
        return float((input > limit).mean())

    half = functools.partial(above, limit=0.5)
    assert list(made(metrics=[half, "accuracy"]).metrics) == ["above", "accuracy"]
    assert list(made(metrics=functools.partial(half)).metrics) == ["above"]


# ------------------------------------------------------------------------------------------------ data


class Broken:
    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if index == 13:
            raise KeyError("no such file")
        return X[index], int(Y[index])


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "worker_type": "thread"}, {"num_workers": 1}, {"batch_size": None}])
def test_an_error_of_a_sample_tells_its_index(options: dict[str, Any]) -> None:
    loader = nn.data.DataLoader(Broken(), **{"batch_size": 4, **options})
    assert "in reading Broken of 20 samples at index 13" in notes_of(lambda: list(loader), KeyError)


@pytest.mark.parametrize("data", [nn.data.TensorDataset(X, Y), [(x, y) for x, y in zip(X, Y)]], ids=["arrays", "list"])
@pytest.mark.parametrize("options", [{}, {"num_workers": 1, "worker_type": "thread"}])
def test_a_position_that_is_not_there_is_laid_to_the_sampler(data: Any, options: dict[str, Any]) -> None:
    sampler = nn.data.WeightedRandomSampler([0.0] * 20 + [1.0], 5)
    loader = nn.data.DataLoader(data, 4, sampler=sampler, **options)
    told = notes_of(lambda: list(loader), IndexError)
    assert re.search(r"in reading (TensorDataset|list) of 20 samples at index 20\n", told)
    assert "the position is what the WeightedRandomSampler gave" in told


def test_a_collation_that_fails_is_not_laid_to_a_sample() -> None:
    data = [(x[:i % 2 + 1], y) for i, (x, y) in enumerate(zip(X, Y))]
    assert "at index" not in notes_of(lambda: list(nn.data.DataLoader(data, 4)), Exception)


# ------------------------------------------------------------------------------------------------ one batch


def test_one_batch_that_is_not_learned_is_said() -> None:
    with pytest.warns(UserWarning, match=r"OverfitOneBatch: NOT learned: the loss is \d\.\d+ > 0.001 after 6 steps"):
        made(callbacks=[OverfitOneBatch(until=0.001)]).fit((X, Y), 2, batch_size=8, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(callbacks=[OverfitOneBatch(until=100.0)]).fit((X, Y), 2, progress=False)
        made(callbacks=[OverfitOneBatch()]).fit((X, Y), 2, progress=False)
        made(callbacks=[OverfitOneBatch(until=0.001)]).fit((X, Y), 0, progress=False)


# ------------------------------------------------------------------------------------------------ what things say they are


class Mine(Callback):
    def __init__(self, size: int, table: Any = None) -> None:
        self.size, self.table = size, table


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (OverfitOneBatch(until=0.05), "OverfitOneBatch(until=0.05)"),
        (OverfitOneBatch(), "OverfitOneBatch(until=None)"),
        (nn.callbacks.EarlyStopping("loss"), "EarlyStopping(monitor='loss', patience=5, mode='min', restore_best=True)"),
        (Mine(3, table=X), "Mine(size=3)"),
        (Callback(), "Callback()"),
        (nn.data.TensorDataset(X, Y), "TensorDataset(20 samples of shapes (3,), ())"),
        (nn.data.Subset(X, [1, 2]), "Subset(2 of 20 samples of ndarray)"),
        (nn.data.ConcatDataset([X, X]), "ConcatDataset(40 samples of 2 data sets)"),
        (nn.data.DataLoader((X, Y), 8, True), "DataLoader(TensorDataset of 20 samples, batch_size=8, RandomSampler, 3 batches)"),
        (nn.data.DataLoader(X, 8, drop_last=True, num_workers=2),
         "DataLoader(ndarray of 20 samples, batch_size=8, SequentialSampler, drop_last=True, num_workers=2, 2 batches)"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_reprs_are_short_and_useful(thing: Any, said: str) -> None:
    assert repr(thing) == said
