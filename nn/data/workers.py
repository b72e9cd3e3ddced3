"""Workers: threads or processes that make batches ahead of time, each the batches it was told, in the order it was told.

A worker is posted an epoch's work at once, and then one word for each batch that is wanted: so the words stay small, a
pipe never fills in both directions, and nobody waits for ever. A worker process that ends closes its pipe, and so does
the main process; each sees the end of the other.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .epoch import END, Fetcher

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

GRACE = 1.0  # seconds that workers get to finish what they are at


class WorkerInfo(NamedTuple):
    """Which worker this is: `id` of `num_workers`, the `seed` of the epoch, and the `dataset` (its own copy, in a process)."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: ContextVar[WorkerInfo | None] = ContextVar("nn_worker_info", default=None)


def get_worker_info() -> WorkerInfo | None:
    """Return which worker of a loader runs this code; None outside of workers.

    An IterableDataset asks it for the share that it should yield.

    >>> class Shared(nn.data.IterableDataset):
    ...     def __iter__(self):
    ...         info = get_worker_info()
    ...         return iter(range(8)) if info is None else iter(range(info.id, 8, info.num_workers))
    >>> loader = nn.data.DataLoader(Shared(), batch_size=2, num_workers=2, worker_type="thread")
    >>> [batch.tolist() for batch in loader]
    [[0, 2], [1, 3], [4, 6], [5, 7]]
    """
    return _info.get()


# ------------------------------------------------------------------------------------------------- in the worker


def serve(receive: Callable[[], Any], send: Callable[[str, Any], None], make: Callable[[], Any], number: int, workers: int) -> None:
    """Make batches until told to stop: `receive` gives the work, `send` takes a kind ("batch", "end", "error") and a value."""
    import random
    import threading

    fetcher: Fetcher | None = None
    tasks: Any = None
    init: Callable[[int], Any] | None = None
    while (message := receive()) is not None:
        try:
            if message != "go":
                seed, tasks = message
                started = fetcher is not None
                if fetcher is None:
                    dataset, collate_fn, size, drop_last, batched, init = make()
                    fetcher = Fetcher(dataset, collate_fn, size, drop_last, batched)
                _info.set(WorkerInfo(number, workers, seed or 0, fetcher.dataset))
                if threading.current_thread() is threading.main_thread():  # a process has these two to itself
                    words = np.random.SeedSequence([seed or 0, number]).generate_state(1)
                    random.seed(int(words[0]))
                    np.random.seed(words)  # noqa: NPY002 - not ours, but users' code that draws from it must not repeat itself
                if init is not None and not started:
                    init(number)
                fetcher.begin(seed, number)
                if tasks is not None:
                    tasks = iter(tasks)
                continue
            if fetcher is None:
                continue  # it could not be made; the error is on its way
            batch = fetcher.following() if tasks is None else fetcher.batch(*next(tasks))
            if batch is END:
                send("end", None)
            else:
                send("batch", batch)
        except BrokenPipeError:
            return
        except BaseException as error:
            send("error", error)
            if fetcher is None or message != "go":
                return


def _thread_main(receive: Callable[[], Any], results: Any, source: Any, number: int, workers: int) -> None:
    serve(receive, lambda kind, value: results.put((kind, value)), lambda: source, number, workers)


def _process_main(connection: Connection, others: list[Connection], source: Any, number: int, workers: int) -> None:
    import pickle
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the main process, which stops its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:  # inherited by fork: held open here, they would hide the main process's end from other workers
        other.close()

    def receive() -> Any:
        try:
            return connection.recv()
        except (EOFError, OSError):
            return None

    def send(kind: str, value: Any) -> None:
        if kind == "error":
            value = _packed_error(value)
        try:
            try:
                _send_arrays(connection, (kind, value))
            except OSError:
                raise
            except Exception as error:  # nothing was sent yet
                error.add_note("A batch made in a worker process must be picklable; worker_type='thread' needs no pickling.")
                _send_arrays(connection, ("error", _packed_error(error)))
        except OSError:
            raise BrokenPipeError from None

    try:
        serve(receive, send, (lambda: pickle.loads(source)) if isinstance(source, bytes) else (lambda: source), number, workers)
    except BrokenPipeError:
        pass
    finally:
        connection.close()


def _packed_error(error: BaseException) -> tuple[bytes | None, str, str]:
    """Return an error pickled (None where that fails), in one line, and with its traceback as text."""
    import pickle
    import traceback

    text = "".join(traceback.format_exception(error))
    line = traceback.format_exception_only(error)[0].strip()
    try:
        packed = pickle.dumps(error) if isinstance(error, Exception) else None
        if packed is not None:
            pickle.loads(packed)
    except Exception:
        packed = None
    return packed, line, text


def _send_arrays(connection: Connection, message: Any) -> None:
    """Send a message; the memory of its arrays goes beside it, uncopied."""
    import pickle

    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, 5, buffer_callback=buffers.append)
    parts = [buffer.raw() for buffer in buffers]
    connection.send((head, [part.nbytes for part in parts]))
    for part in parts:
        if part.nbytes:
            connection.send_bytes(part)


def _receive_arrays(connection: Connection) -> Any:
    import pickle

    head, sizes = connection.recv()
    buffers = [np.empty(size, np.uint8) for size in sizes]
    for buffer in buffers:
        if buffer.size:
            connection.recv_bytes_into(buffer)
    return pickle.loads(head, buffers=buffers)


# ------------------------------------------------------------------------------------------------- in the loader


class _Thread:
    """A worker thread, seen from outside."""

    def __init__(self, source: Any, number: int, workers: int):
        import queue
        import threading

        self.name = f"worker {number} (a thread)"
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stopped = stopped = threading.Event()
        tasks, results = self._tasks, self._results  # the thread must not keep this object

        def receive() -> Any:
            message = tasks.get()
            return None if stopped.is_set() else message

        self._thread = threading.Thread(
            target=_thread_main, args=(receive, results, source, number, workers), daemon=True, name=f"DataLoader-{number}"
        )
        self._thread.start()

    def post(self, message: Any) -> None:
        self._tasks.put(message)

    def take(self, timeout: float | None) -> tuple[str, Any]:
        import queue

        try:
            kind, value = self._results.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None
        if kind == "error":
            value.add_note(f"in DataLoader {self.name}")
        return kind, value

    def stop(self) -> None:
        self._stopped.set()
        self._tasks.put(None)

    def join(self, seconds: float) -> None:
        import threading

        if self._thread is not threading.current_thread():
            self._thread.join(seconds)


class _Process:
    """A worker process, seen from outside."""

    def __init__(self, source: Any, number: int, workers: int, context: Any, before: list[_Process]):
        import threading
        import warnings

        ours, theirs = context.Pipe()
        others = [ours, *(worker._connection for worker in before)] if context.get_start_method() == "fork" else []
        self._connection: Connection = ours
        self._process = context.Process(
            target=_process_main, args=(theirs, others, source, number, workers), daemon=True, name=f"DataLoader-{number}"
        )
        try:
            with warnings.catch_warnings():
                if threading.active_count() == 1:  # the threads it would warn of are those of BLAS, which is prepared for fork
                    warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
                self._process.start()
        finally:
            theirs.close()
        self.name = f"worker {number} (process {self._process.pid})"

    def post(self, message: Any) -> None:
        with suppress(OSError):  # it has died: taking its batches says so, after those that it had sent
            self._connection.send(message)

    def take(self, timeout: float | None) -> tuple[str, Any]:
        from multiprocessing.connection import wait

        if not wait([self._connection, self._process.sentinel], timeout):
            raise TimeoutError
        try:
            if not self._connection.poll():
                raise EOFError
            kind, value = _receive_arrays(self._connection)
        except (EOFError, OSError):
            return "error", self._death()
        if kind == "error":
            value = self._unpacked(*value)
        return kind, value

    def _unpacked(self, packed: bytes | None, line: str, text: str) -> BaseException:
        import pickle

        error: BaseException | None = None
        if packed is not None:
            try:
                error = pickle.loads(packed)
            except Exception:
                error = None
        if not isinstance(error, Exception):
            error = RuntimeError(line)
        error.add_note(f"in DataLoader {self.name}, where it was raised like this:\n\n{text}")
        return error

    def _death(self) -> RuntimeError:
        import signal

        self._process.join(GRACE)
        code = self._process.exitcode
        if code is None:
            return RuntimeError(f"DataLoader: {self.name} closed its connection, for an unknown reason")
        if code >= 0:
            return RuntimeError(
                f"DataLoader: {self.name} ended with exit code {code} before its batch was made; what it wrote to stderr may say "
                "why. (Where processes are spawned, a script's own code must stand under `if __name__ == '__main__':`.)"
            )
        try:
            cause = signal.Signals(-code).name
        except ValueError:
            cause = f"signal {-code}"
        hint = "; often the system had run out of memory: fewer workers or smaller batches need less" if cause == "SIGKILL" else ""
        return RuntimeError(f"DataLoader: {self.name} was killed by {cause}{hint}")

    def stop(self) -> None:
        self._connection.close()

    def join(self, seconds: float) -> None:
        process = self._process
        process.join(seconds)
        for harder in (process.terminate, process.kill):
            if process.is_alive():
                harder()
                process.join(GRACE)
        if not process.is_alive():
            process.close()


class Pool:
    """The workers of one epoch, or of several.

    source   what the workers read, and how (the arguments of `Fetcher`, and worker_init_fn)
    count    how many workers
    kind     "thread" or "process"
    context  how processes start: a multiprocessing context, its name, or None for Python's default
    """

    def __init__(self, source: tuple[Any, ...], count: int, kind: str, context: Any = None):
        self.source = source
        self.workers: list[Any] = []
        self.busy = False
        self._waiting = [0] * count  # batches asked for and not taken, by worker
        # Also at the interpreter's exit, and in the process that started them only.
        self._finalizer = weakref.finalize(self, _stop, self.workers, os.getpid())
        if kind == "thread":
            self.workers += [_Thread(source, i, count) for i in range(count)]
            return
        import multiprocessing

        if multiprocessing.current_process().daemon:
            raise RuntimeError(
                "DataLoader: a worker process cannot have worker processes of its own; use num_workers=0 or worker_type='thread' "
                "for the loader inside"
            )
        context = context if hasattr(context, "Process") else multiprocessing.get_context(context)
        sent: Any = source if context.get_start_method() == "fork" else _pickled(source, context.get_start_method())
        try:
            for i in range(count):
                self.workers.append(_Process(sent, i, count, context, self.workers))
        except BaseException:
            self.close()
            raise

    def begin(self, seed: int | None, shares: list[Any]) -> None:
        """Begin an epoch: each worker gets its share of tasks, or None to go through a stream."""
        for i, worker in enumerate(self.workers):
            while self._waiting[i]:  # left over from an epoch that was not finished
                self._waiting[i] -= 1
                worker.take(None)
            worker.post((seed, shares[i]))

    def ask(self, number: int) -> None:
        """Tell a worker to make one more batch."""
        self._waiting[number] += 1
        self.workers[number].post("go")

    def take(self, number: int, timeout: float | None) -> Any:
        """Return the next batch of a worker, or END; raise the error that it met."""
        try:
            kind, value = self.workers[number].take(timeout)
        except TimeoutError:
            raise TimeoutError(
                f"DataLoader: {self.workers[number].name} made no batch within {timeout} seconds; a longer timeout, or 0 for none, "
                "lets it go on"
            ) from None
        self._waiting[number] -= 1
        if kind == "error":
            raise value
        return END if kind == "end" else value

    def close(self) -> None:
        """Stop all workers; those that do not end of themselves are ended."""
        self._finalizer()


def _stop(workers: list[Any], owner: int) -> None:
    import time

    if os.getpid() != owner:  # a forked copy of the pool
        return
    for worker in workers:
        worker.stop()
    deadline = time.monotonic() + GRACE
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    workers.clear()


def _pickled(source: tuple[Any, ...], method: str) -> bytes:
    """Return what worker processes get, pickled; say what cannot be."""
    import pickle

    for name, part in zip(("dataset", "collate_fn", "worker_init_fn"), (source[0], source[1], source[-1])):
        try:
            pickle.dumps(part, 5)
        except Exception as error:
            raise TypeError(
                f"DataLoader: the {name} cannot be pickled, which worker processes started by '{method}' need ({error}). Define "
                "its class or function at the top of a module, or use worker_type='thread' or multiprocessing_context='fork'"
            ) from error
    return pickle.dumps(source, 5)
