"""Worker threads and processes: the same batches, errors that tell, and a clean end whatever happens."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import numpy as np
import pytest

import nn
from nn.data import DataLoader, Dataset, IterableDataset, get_worker_info
from nn.seeding import generator_or_default

FORK = "fork" in multiprocessing.get_all_start_methods()
needs_fork = pytest.mark.skipif(not FORK, reason="this system has no fork; the same is tested with threads and spawn")


class Noisy(Dataset[Any]):
    """Samples with random numbers of their own."""

    def __len__(self) -> int:
        return 11

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        draw = generator_or_default(None)
        return np.append(draw.random(2), draw.normal()), index


def settings(workers: int, kind: str) -> dict[str, Any]:
    if not workers:
        return {}
    return {"num_workers": workers, "worker_type": "thread" if kind == "thread" else "process"} | (
        {} if kind == "thread" else {"multiprocessing_context": kind}
    )


KINDS = ["thread", pytest.param("fork", marks=needs_fork)]


def epochs(loader: DataLoader, count: int = 2) -> list[list[tuple[list[Any], list[int]]]]:
    return [[(x.tolist(), y.tolist()) for x, y in loader] for _ in range(count)]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Any:
    yield
    gc.collect()
    assert not multiprocessing.active_children()
    for thread in threading.enumerate():
        if thread.name.startswith("DataLoader"):
            thread.join(5)
            assert not thread.is_alive()


def loader(workers: int, kind: str, dataset: Any = None, batch_size: int | None = 3, **more: Any) -> DataLoader:
    more = {"shuffle": True, "generator": np.random.default_rng(8)} | more
    return DataLoader(Noisy() if dataset is None else dataset, batch_size, **settings(workers, kind), **more)


# ------------------------------------------------------------------------------------------------- the same batches


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("more", [{}, {"persistent_workers": True}, {"prefetch_factor": 1}, {"drop_last": True}])
def test_batches_are_the_same_whatever_the_workers(kind: str, workers: int, more: dict[str, Any]) -> None:
    alone = {key: value for key, value in more.items() if key == "drop_last"}
    expected = epochs(loader(0, kind, **alone))
    assert epochs(loader(workers, kind, **more)) == expected
    assert expected[0] != expected[1]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot start processes by {method}")
    assert epochs(loader(1, method, persistent_workers=True)) == epochs(loader(0, method))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_alone_and_samples_one_by_one(kind: str) -> None:
    x, y = np.random.default_rng(0).random((10, 3)), np.arange(10)
    for dataset, size in [((x, y), 4), (x, 3), (nn.data.Subset(nn.data.TensorDataset(x, y), [3, 1, 2]), 2), (list(x), None)]:
        expected = [nn.data.default_convert(batch) for batch in loader(0, kind, dataset, size)]
        got = list(loader(2, kind, dataset, size))
        for a, b in zip(expected, got, strict=True):
            parts = zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]
            assert all(isinstance(q, nn.Parameter.__base__) and (p.numpy() == q.numpy()).all() for p, q in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_a_worker_can_be_written(kind: str) -> None:
    (batch,) = list(loader(1, kind, np.zeros((4, 2), np.float32), 4))
    batch[0] = 1
    assert batch.dtype == np.float32
    assert batch.numpy().sum() == 2


def test_random_numbers_depend_on_the_place_in_the_epoch_and_not_on_the_batch() -> None:
    def by_place(size: int) -> list[list[float]]:
        return [row for x, _ in loader(0, "", batch_size=size) for row in x.tolist()]

    assert by_place(3) == by_place(5)
    assert len({tuple(row) for row in by_place(3)}) == 11


def test_outside_of_a_fetch_the_default_generator_is_the_usual_one() -> None:
    nn.manual_seed(3)
    expected = generator_or_default(None).random(3).tolist()
    nn.manual_seed(3)
    first = generator_or_default(None).random()
    iterator = iter(loader(0, ""))
    next(iterator)
    assert [first, *generator_or_default(None).random(2).tolist()] == expected


class Random(Noisy):
    def __getitem__(self, index: int) -> Any:
        return random.random(), np.random.rand()  # noqa: NPY002


@needs_fork
def test_forked_workers_do_not_repeat_each_other() -> None:
    """What draws from `random` and from NumPy's old global generator, too: a well-known trap."""
    batches = [part.tolist() for batch in loader(3, "fork", Random(), 1) for part in batch]
    assert len({part[0] for part in batches}) == 22


@pytest.mark.parametrize("kind", KINDS)
def test_two_iterators_at_once_and_one_inside_the_other(kind: str) -> None:
    for more in ({}, {"persistent_workers": True}):
        made = loader(2, kind, shuffle=False, **more)
        pairs = [(a.tolist(), b.tolist()) for _, a in made for _, b in made]
        alone = [y.tolist() for _, y in made]
        assert pairs == [(a, b) for a in alone for b in alone]


class Nested(Dataset[Any]):
    """Each sample is read by a loader of its own."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        inner = DataLoader(Noisy(), 11, shuffle=True, **settings(1, self.kind))
        ((x, _),) = list(inner)
        return x


@pytest.mark.parametrize("kind", KINDS)
def test_loaders_within_workers(kind: str) -> None:
    expected = [x.tolist() for x in loader(0, kind, Nested("thread"))]
    assert [x.tolist() for x in loader(2, kind, Nested("thread"))] == expected


@needs_fork
def test_processes_within_processes_are_refused() -> None:
    with pytest.raises(RuntimeError, match="a worker process cannot have worker processes of its own"):
        list(loader(1, "fork", Nested("fork")))


class Where(Noisy):
    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        assert info is not None
        assert isinstance(info.dataset, Where)
        return info.id, info.num_workers, os.getpid()


_begun: dict[int, int] = {}


def begin(number: int) -> None:
    _begun[os.getpid()] = number


@pytest.mark.parametrize("kind", KINDS)
def test_workers_take_turns_and_know_who_they_are(kind: str) -> None:
    rows = [[part.item() for part in batch] for batch in loader(3, kind, Where(), 1, worker_init_fn=begin)]
    assert [row[0] for row in rows] == [i % 3 for i in range(11)]
    assert {row[1] for row in rows} == {3}
    assert len({row[2] for row in rows}) == (1 if kind == "thread" else 3)
    assert get_worker_info() is None


@needs_fork
def test_persistent_workers_stay() -> None:
    kept = loader(2, "fork", Where(), 1, persistent_workers=True)
    pids = [{part[2].item() for part in kept} for _ in range(2)]
    assert pids[0] == pids[1]
    next(iter(kept))  # left early, and gone on with
    assert {part[2].item() for part in kept} == pids[0]
    copy = pickle.loads(pickle.dumps(kept))
    assert {part[2].item() for part in copy} != pids[0]
    del copy, kept


# ------------------------------------------------------------------------------------------------- streams


class Count(IterableDataset[Any]):
    def __init__(self, count: int, shared: bool = False) -> None:
        self.count, self.shared = count, shared

    def __iter__(self) -> Any:
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if self.shared and info else (0, 1)
        for i in range(start, self.count, step):
            yield i, generator_or_default(None).random()


@pytest.mark.parametrize("kind", KINDS)
def test_streams_are_shared_or_repeated(kind: str) -> None:
    whole = [i.tolist() for i, _ in DataLoader(Count(7), 2)]
    assert whole == [[0, 1], [2, 3], [4, 5], [6]]
    assert [i.tolist() for i, _ in DataLoader(Count(7), 2, drop_last=True)] == whole[:-1]
    assert [i.tolist() for i, _ in DataLoader(Count(7), 2, **settings(1, kind))] == whole
    assert [i.tolist() for i, _ in DataLoader(Count(3), 2, **settings(2, kind))] == [[0, 1], [0, 1], [2], [2]]
    shared = [i.tolist() for i, _ in DataLoader(Count(7, shared=True), 2, **settings(2, kind))]
    assert shared == [[0, 2], [1, 3], [4, 6], [5]]
    assert [i for i, _ in DataLoader(Count(3), None)] == [0, 1, 2]


def test_random_numbers_of_a_stream_differ_between_workers_and_epochs() -> None:
    made = DataLoader(Count(4), 1, generator=np.random.default_rng(0), num_workers=2, worker_type="thread")
    drawn = [r.item() for _ in range(2) for _, r in made]
    assert len(set(drawn)) == 16
    again = DataLoader(Count(4), 1, generator=np.random.default_rng(0), num_workers=2, worker_type="thread")
    assert [r.item() for _ in range(2) for _, r in again] == drawn


def test_the_length_of_a_stream_is_unknown() -> None:
    with pytest.raises(TypeError, match="the length of this DataLoader is unknown: Count is a stream without __len__"):
        len(DataLoader(Count(3)))


# ------------------------------------------------------------------------------------------------- errors


class Own(Exception):
    """An error that cannot be pickled and read again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Failing(Dataset[Any]):
    def __init__(self, how: str) -> None:
        self.how = how

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        if index == 5:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "exit":
                os._exit(3)
            if self.how == "sleep":
                time.sleep(60)
            if self.how == "unpicklable":
                return np.zeros(1), lambda: None
            raise {"key": KeyError("five"), "own": Own(1, 2), "stop": StopIteration(), "quit": SystemExit(1)}[self.how]
        return np.full(2, index)


def fail(how: str, kind: str, **more: Any) -> tuple[list[int], pytest.ExceptionInfo[BaseException]]:
    got: list[int] = []
    start = time.monotonic()
    batches = loader(2, kind, Failing(how), 1, shuffle=False, **more)
    with pytest.raises(Exception) as info:  # noqa: PT011 - the tests look at type and message
        got.extend(int(batch[0, 0]) for batch in batches)
    assert time.monotonic() - start < 20
    return got, info


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_in_its_turn_with_its_type_and_traceback(kind: str) -> None:
    got, info = fail("key", kind)
    assert got == [0, 1, 2, 3, 4]
    assert info.type is KeyError
    assert info.value.args == ("five",)
    notes = "\n".join(info.value.__notes__)
    assert "in DataLoader worker 1 (" in notes
    if kind == "fork":
        assert "Traceback (most recent call last)" in notes
        assert "in __getitem__" in notes
    else:
        assert info.traceback[-1].name == "__getitem__"


@needs_fork
@pytest.mark.parametrize(("how", "message"), [("own", "Own: 1 and 2"), ("quit", "SystemExit: 1")])
def test_an_error_that_cannot_cross_keeps_its_words(how: str, message: str) -> None:
    got, info = fail(how, "fork")
    assert got == [0, 1, 2, 3, 4]
    assert info.type is RuntimeError
    assert message in str(info.value)
    assert "in __getitem__" in "\n".join(info.value.__notes__)


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_stop_iteration_does_not_end_the_epoch_in_silence(kind: str | None) -> None:
    with pytest.raises(RuntimeError, match="Failing raised StopIteration where a sample was asked for"):
        list(loader(0 if kind is None else 2, kind or "", Failing("stop"), 1, shuffle=False))


@needs_fork
def test_a_killed_worker_is_reported() -> None:
    got, info = fail("kill", "fork")
    assert got == [0, 1, 2, 3, 4]
    assert info.type is RuntimeError
    assert "worker 1 (process" in str(info.value)
    assert "was killed by SIGKILL; often the system had run out of memory" in str(info.value)
    got, info = fail("exit", "fork")
    assert "ended with exit code 3 before its batch was made" in str(info.value)


@needs_fork
def test_persistent_workers_are_started_again_after_an_error() -> None:
    kept = loader(2, "fork", Failing("kill"), 1, shuffle=False, persistent_workers=True)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="SIGKILL"):
            list(kept)


@needs_fork
def test_a_worker_killed_from_outside_while_idle_is_reported() -> None:
    kept = loader(1, "fork", persistent_workers=True)
    assert len(list(kept)) == 4
    (child,) = multiprocessing.active_children()
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    with pytest.raises(RuntimeError, match="was killed by SIGKILL"):
        list(kept)
    assert len(list(kept)) == 4


@needs_fork
def test_a_worker_that_takes_too_long() -> None:
    _, info = fail("sleep", "fork", timeout=0.5)
    assert info.type is TimeoutError
    assert "worker 1 (process" in str(info.value)
    assert "made no batch within 0.5 seconds" in str(info.value)


@needs_fork
def test_a_batch_that_cannot_be_sent() -> None:
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda") as info:
        list(loader(2, "fork", Failing("unpicklable"), 1, shuffle=False, collate_fn=list))
    assert "A batch made in a worker process must be picklable" in "\n".join(info.value.__notes__)


def failing_begin(number: int) -> None:
    raise OSError(f"no camera {number}")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_worker_init_fn(kind: str) -> None:
    with pytest.raises(OSError, match="no camera 0"):
        list(loader(2, kind, worker_init_fn=failing_begin))


@pytest.mark.parametrize(
    ("part", "more"),
    [("dataset", {}), ("collate_fn", {"collate_fn": lambda x: x}), ("worker_init_fn", {"worker_init_fn": lambda i: None})],
)
def test_what_cannot_be_pickled_is_named(part: str, more: dict[str, Any]) -> None:
    class Local(Noisy):
        pass

    with pytest.raises(TypeError, match=rf"the {part} cannot be pickled, which worker processes started by 'spawn' need"):
        list(loader(1, "spawn", Local() if part == "dataset" else None, **more))


# ------------------------------------------------------------------------------------------------- a clean end


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_loop_that_is_left_early(kind: str, persistent: bool) -> None:
    made = loader(3, kind, np.zeros((2000, 1000)), 50, persistent_workers=persistent)  # larger than a pipe
    start = time.monotonic()
    for _ in made:
        break
    with pytest.raises(ZeroDivisionError):
        print(*(1 / 0 for _ in made))
    iterator = iter(made)
    next(iterator)
    assert not persistent or len(list(made)) == 40  # while the other one has the workers
    del iterator, made
    assert time.monotonic() - start < 10


def anybody(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def run(program: str, *options: str, interrupt: bool = False) -> subprocess.CompletedProcess[str]:
    head = """
        import os, signal, sys, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process begun in the background does without
        import numpy as np
        from nn.data import DataLoader, Dataset
        class Slow(Dataset):
            def __len__(self): return 1000
            def __getitem__(self, index):
                time.sleep(0.01)
                return np.full(20000, index)
    """
    command = [sys.executable, "-X", "dev", "-W", "error", *options, "-c", textwrap.dedent(head) + textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            if interrupt:
                process.stdout.readline()
                os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
            deadline = time.monotonic() + 10
            while anybody(process.pid):
                assert time.monotonic() < deadline, "a worker is still there"
                time.sleep(0.02)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.parametrize("worker_type", ["thread", pytest.param("process", marks=needs_fork)])
@pytest.mark.parametrize("persistent", [False, True])
def test_the_interpreter_ends_in_the_middle_of_an_epoch(worker_type: str, persistent: bool) -> None:
    context = "None" if worker_type == "thread" else "'fork'"
    done = run(
        f"""
        loader = DataLoader(Slow(), 4, num_workers=2, worker_type={worker_type!r}, persistent_workers={persistent},
                            multiprocessing_context={context})
        iterator = iter(loader)
        next(iterator)
        print("done")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@needs_fork
@pytest.mark.parametrize("worker_type", ["thread", "process"])
def test_ctrl_c_stops_everything_with_one_traceback(worker_type: str) -> None:
    done = run(
        f"""
        context = None if {worker_type!r} == "thread" else "fork"
        for i, _ in enumerate(DataLoader(Slow(), 4, num_workers=2, worker_type={worker_type!r}, multiprocessing_context=context)):
            if i == 1:
                print("running", flush=True)
        """,
        interrupt=True,
    )
    assert done.returncode in (-signal.SIGINT, 1, 130)
    assert done.stderr.count("Traceback (most recent call last)") == 1
    assert done.stderr.strip().endswith("KeyboardInterrupt")


@needs_fork
def test_workers_end_when_the_main_process_is_killed() -> None:
    done = run(
        """
        import signal
        for i, _ in enumerate(DataLoader(Slow(), 4, num_workers=3, multiprocessing_context="fork")):
            if i == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert done.returncode == -signal.SIGKILL
