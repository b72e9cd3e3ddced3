"""A training that was interrupted goes on bit by bit as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.callbacks import EMA, Callback, Checkpoint, CSVLogger, EarlyStopping, GradientClipping, ModelCheckpoint, OverfitOneBatch
from nn.training.random_state import generators_in

X = np.random.default_rng(0).normal(size=(41, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def spread(input: np.ndarray, target: np.ndarray) -> float:
    return float(np.std(input) + np.mean(target))


class Net(nn.Module):
    """A model that draws from a generator of its own and from the default one, and keeps a running mean."""

    def __init__(self) -> None:
        generator = np.random.default_rng(1)
        self.layers = nn.Sequential(nn.Linear(3, 8, generator=generator), nn.Tanh(), nn.Linear(8, 2, generator=generator))
        self.generator = np.random.Generator(np.random.MT19937(3))
        self.register_buffer("mean", ad.Tensor(np.zeros(3, np.float32)))

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        if self.training:
            noise = self.generator.normal(size=x.shape) + nn.seeding.generator_or_default(None).normal(size=x.shape)
            self.mean[...] = self.mean.numpy() * 0.9 + x.numpy().mean(axis=0) * 0.1
            x = x + 0.1 * noise.astype(np.float32)
        return self.layers(x - self.mean)


class Halt(Callback):
    """Ends the process, so to speak, after so many batches in all."""

    order = 5000  # after the checkpoint was written

    def __init__(self, after: int) -> None:
        self.after, self.seen = after, 0

    def on_batch_end(self, trainer: nn.Trainer) -> None:
        self.seen += 1
        if self.seen == self.after:
            raise KeyboardInterrupt


def train(folder: Path, *, seed: int = 0, halt: int = 0, resume: Any = None, data: str = "arrays", **options: Any) -> nn.Trainer:
    nn.manual_seed(seed)  # another one for each part of a run: what was saved must count
    model = Net()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.02)
    callbacks: list[Callback] = [
        GradientClipping(norm=1.0),
        EMA(decay=0.9),
        EarlyStopping("val_loss", patience=3),
        ModelCheckpoint(folder / "best.npz"),
        CSVLogger(folder / "log.csv"),
        Checkpoint(folder / "run.ckpt", every_batches=1),
    ]
    if data == "one batch":
        callbacks.append(OverfitOneBatch())
    trainer = nn.Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=spread, callbacks=[*callbacks, Halt(halt)], **options)
    given: Any = (X, Y)
    rest: dict[str, Any] = {"batch_size": 8}
    if data == "loader":
        given = nn.data.DataLoader((X, Y), 8, shuffle=True, generator=np.random.default_rng(seed))
        checks = nn.data.DataLoader((X, Y), 8, shuffle=True, generator=np.random.default_rng(seed + 1))
        rest = {}
    else:
        checks = nn.data.DataLoader((X, Y), 8, shuffle=True)
    try:
        trainer.fit(given, 4, validation=checks, progress=False, resume=resume, **rest)
    except KeyboardInterrupt:
        assert halt
    return trainer


def outcome(trainer: nn.Trainer, folder: Path) -> Any:
    optimizer = trainer.optimizer.state_dict()["state"]
    return (
        {name: value.numpy().tobytes() for name, value in trainer.model.state_dict().items()},
        {i: {name: np.asarray(value).tobytes() for name, value in plain(entry).items()} for i, entry in optimizer.items()},
        trainer.history.state_dict(),
        trainer.steps,
        (folder / "log.csv").read_bytes(),
        {name: value.numpy().tobytes() for name, value in nn.load(folder / "best.npz").items()},
        np.asarray(nn.seeding.generator_or_default(None).normal()).tobytes(),
        trainer.model.generator.normal(),  # type: ignore[union-attr,operator]
    )


def plain(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value.numpy() if isinstance(value, ad.Tensor) else value for name, value in entry.items()}


@pytest.mark.parametrize("data", ["arrays", "loader", "one batch"])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_resumed_training_is_bit_identical(tmp_path: Path, data: str, accumulate: int) -> None:
    """Six batches an epoch, so the halts lie inside and at the very end of one."""
    expected = outcome(train(tmp_path, data=data, accumulate=accumulate), tmp_path)
    for stops in ([4], [6], [9], [8, 5, 3]):
        folder = tmp_path / "-".join(map(str, stops))
        folder.mkdir()
        for number, halt in enumerate(stops):
            train(folder, seed=number, halt=halt, resume=True, data=data, accumulate=accumulate)
        resumed = train(folder, seed=99, resume=folder / "run.ckpt", data=data, accumulate=accumulate)
        assert outcome(resumed, folder) == expected


def test_a_finished_training_is_not_trained_further(tmp_path: Path) -> None:
    first = train(tmp_path)
    expected = outcome(first, tmp_path)
    again = train(tmp_path, resume=True)
    assert outcome(again, tmp_path)[:6] == expected[:6]


def test_more_epochs_go_on_where_it_ended(tmp_path: Path) -> None:
    def run(epochs: int, resume: Any = None) -> nn.Trainer:
        nn.manual_seed(0)
        model = Net()
        trainer = nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters()), callbacks=[Checkpoint(tmp_path / "c")])
        trainer.fit((X, Y), epochs, progress=False, resume=resume)
        return trainer

    whole = run(3)
    run(1)
    assert run(3, tmp_path / "c").history == whole.history


def test_checkpoints_come_as_often_as_asked(tmp_path: Path) -> None:
    written: list[tuple[int, int]] = []

    class Note(Checkpoint):
        def write(self, trainer: nn.Trainer) -> None:
            self._since = 0
            written.append((trainer.epoch, trainer.batch))

    def run(**options: Any) -> list[tuple[int, int]]:
        written.clear()
        model = Net()
        accumulate = options.pop("accumulate", 1)
        callback = Note(tmp_path / "c", **options)
        optimizer = nn.optim.SGD(model.parameters())
        nn.Trainer(model, nn.CrossEntropyLoss(), optimizer, callbacks=[callback], accumulate=accumulate).fit(
            (X, Y), 5, batch_size=8, progress=False
        )
        return list(written)

    assert run() == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]
    assert run(every_epochs=2) == [(2, 6), (4, 6), (5, 6)]
    assert run(every_epochs=None, every_batches=4) == [(1, 4), (2, 2), (2, 6), (3, 4), (4, 2), (4, 6), (5, 4), (5, 6)]
    assert run(every_epochs=None, every_batches=3, accumulate=4)[:3] == [(1, 4), (2, 4), (3, 4)]
    with pytest.raises(ValueError, match="nothing would be written"):
        Checkpoint(tmp_path / "c", every_epochs=None)
    with pytest.raises(ValueError, match="every_batches must be"):
        Checkpoint(tmp_path / "c", every_batches=0)


# ------------------------------------------------------------------------------------------------ refusals


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    train(tmp_path, halt=3)
    model = Net()
    optimizer = nn.optim.SGD(model.parameters())
    with pytest.raises(ValueError, match="had a callback EMA, which is missing now"):
        nn.Trainer(model, nn.CrossEntropyLoss(), optimizer).fit((X, Y), 2, resume=tmp_path / "run.ckpt", progress=False)
    nn.save_checkpoint({"epoch": 1}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="has no 'batch'; it was not written by a Checkpoint"):
        nn.Trainer(model, nn.CrossEntropyLoss(), optimizer).fit((X, Y), 2, resume=tmp_path / "other.ckpt", progress=False)
    with pytest.raises(FileNotFoundError):
        nn.Trainer(model, nn.CrossEntropyLoss(), optimizer).fit((X, Y), 2, resume=tmp_path / "none.ckpt", progress=False)


def test_a_loader_that_cannot_tell_its_place_is_refused_within_an_epoch(tmp_path: Path) -> None:
    class Batches:
        def __iter__(self) -> Iterator[Any]:
            return iter([(X[:20], Y[:20]), (X[20:], Y[20:])])

    def run(resume: Any, halt: int, every: int | None) -> nn.History:
        nn.manual_seed(0)
        model = nn.Linear(3, 2)
        callbacks = [Checkpoint(tmp_path / "c", every_batches=every), Halt(halt)]
        trainer = nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters()), callbacks=callbacks)
        with contextlib.suppress(KeyboardInterrupt):
            trainer.fit(Batches(), 3, progress=False, resume=resume)
        return trainer.history

    run(None, 3, 1)
    with pytest.raises(ValueError, match="needs state_dict"):
        run(tmp_path / "c", 0, 1)
    whole = run(None, 0, None)
    run(None, 3, None)
    assert run(tmp_path / "c", 0, None) == whole


def test_another_kind_of_generator_is_refused(tmp_path: Path) -> None:
    train(tmp_path, halt=3)
    generator = Net.__init__

    def other(self: Net) -> None:
        generator(self)
        self.generator = np.random.default_rng()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Net, "__init__", other)
        with pytest.raises(ValueError, match=r"at 'model.generator' was a MT19937, and is a PCG64 now"):
            train(tmp_path, resume=True)


def test_a_file_of_another_training_changes_nothing(tmp_path: Path) -> None:
    def made(kind: Any, name: str = "own") -> nn.Trainer:
        model = nn.Linear(3, 2)
        optimizer = kind(model.parameters(), lr=0.1)
        callbacks = [Checkpoint(tmp_path / name, every_batches=1), Halt(3)]
        return nn.Trainer(model, nn.CrossEntropyLoss(), optimizer, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        made(nn.optim.Adam, "c").fit((X, Y), 2, batch_size=8, progress=False)
    for kind, batch_size, message in ((nn.optim.SGD, 8, "of another optimizer"), (nn.optim.Adam, 16, "batches of 8")):
        trainer = made(kind)
        trainer.fit((X, Y), 1, batch_size=32, progress=False)
        before = trainer.state_dict()
        with pytest.raises(ValueError, match=message):
            trainer.fit((X, Y), 2, batch_size=batch_size, resume=tmp_path / "c", progress=False)
        after = trainer.state_dict()
        assert [bits(after[part]) for part in ("model", "optimizer")] == [bits(before[part]) for part in ("model", "optimizer")]


def test_generators_are_found_however_deep_a_model_is_nested() -> None:
    model: nn.Module = nn.Dropout(0.5, generator=np.random.default_rng(3))
    for _ in range(20):
        model = nn.ModuleDict({"inner": nn.Sequential(model)})
    assert len(generators_in(model=model)) == 2


def test_the_loader_of_the_training_may_be_used_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """A callback that measures on the training data does not move the place that a checkpoint writes down."""

    class Measure(Callback):
        def on_batch_end(self, trainer: nn.Trainer) -> None:
            trainer.evaluate(trainer.loader)
            trainer.predict(trainer.loader)

    def run(halt: int, resume: Any = None) -> nn.Trainer:
        nn.manual_seed(0)
        model = nn.Linear(3, 2)
        callbacks = [Measure(), Checkpoint(tmp_path / "c", every_batches=1), Halt(halt)]
        trainer = nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters()), callbacks=callbacks)
        loader = nn.data.DataLoader((X, Y), 8, shuffle=True, generator=np.random.default_rng(4))
        with contextlib.suppress(KeyboardInterrupt):
            trainer.fit(loader, 2, progress=False, resume=resume)
        return trainer

    whole = run(0)
    run(3)
    assert nn.load_checkpoint(tmp_path / "c")["loader"]["position"] == 3
    resumed = run(0, tmp_path / "c")
    assert resumed.history == whole.history
    np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))


# ------------------------------------------------------------------------------------------------ killed

PROGRAM = """
import sys
import numpy as np, nn
from pathlib import Path
from tests.nn.test_trainer_resume import Net, X, Y, spread
from nn.callbacks import *
folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
nn.manual_seed(7)
model = Net()
callbacks = [EMA(0.9), CSVLogger(folder / "log.csv"), Checkpoint(folder / "run.ckpt", every_batches=2)]
trainer = nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.Adam(model.parameters(), lr=0.02), spread, callbacks)
data = nn.data.DataLoader((X, Y), 4, shuffle=True)
print("go", flush=True)
trainer.fit(data, epochs, validation=(X, Y), progress=False, resume=True)
nn.save_checkpoint(trainer.state_dict(), folder / "end.ckpt")
"""


def program(folder: Path, epochs: int, killed_after: float | None = None) -> int:
    """Run the program, for so many seconds after it has begun to train; return its exit status."""
    folder.mkdir(exist_ok=True)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PROGRAM, str(folder), str(epochs)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        if killed_after is not None:
            time.sleep(killed_after)
            process.send_signal(signal.SIGKILL)
        return process.wait(timeout=300)


def killed_and_resumed(tmp_path: Path, epochs: int, kills: int, seed: int) -> None:
    assert program(tmp_path / "whole", epochs) == 0
    draw = random.Random(seed)
    ends = [program(tmp_path / "killed", epochs, draw.uniform(0.0, 0.4)) for _ in range(kills)]
    assert -signal.SIGKILL in ends, "every run ended before it was killed"
    assert program(tmp_path / "killed", epochs) == 0
    whole, killed = (nn.load_checkpoint(tmp_path / name / "end.ckpt") for name in ("whole", "killed"))
    assert bits(whole) == bits(killed)
    assert (tmp_path / "whole" / "log.csv").read_bytes() == (tmp_path / "killed" / "log.csv").read_bytes()


def bits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: bits(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(part) for part in value]
    if isinstance(value, (ad.Tensor, np.ndarray)):
        array = value.numpy() if isinstance(value, ad.Tensor) else value
        return array.dtype.str, array.shape, array.tobytes()
    return repr(value)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or os.name != "posix", reason="SIGKILL is of Unix")
def test_killed_once_and_resumed(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, epochs=20, kills=1, seed=0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or os.name != "posix", reason="SIGKILL is of Unix")
def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, epochs=150, kills=12, seed=1)
