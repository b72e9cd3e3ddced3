"""The recording switch: as a context manager and a decorator, in generators, coroutines, threads and tasks."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading

import pytest

from autodiff import Tensor, enable_grad, is_grad_enabled, no_grad, set_grad_enabled, trace


def records():
    """Whether an operation is in fact recorded, not only said to be."""
    recorded = (Tensor(1.0, requires_grad=True) * 2).requires_grad
    assert recorded is is_grad_enabled()
    return recorded


@pytest.fixture(autouse=True)
def _leaves_no_trace():
    assert records()
    yield
    assert records()


class TestContextManager:
    def test_nests(self):
        with no_grad():
            assert not records()
            with enable_grad():
                assert records()
                with no_grad():
                    assert not records()
                assert records()
            assert not records()
        assert records()

    def test_is_left_by_an_error(self):
        with pytest.raises(KeyError), no_grad():
            raise KeyError
        assert records()

    def test_one_object_may_be_entered_again_and_within_itself(self):
        switch = no_grad()
        for _ in range(2):
            with switch:
                with enable_grad(), switch:
                    assert not records()
                assert not records()
            assert records()

    def test_left_out_of_turn(self):
        outer, inner = no_grad(), enable_grad()
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        assert records()  # inner is still in force
        inner.__exit__(None, None, None)
        assert records()  # and restores what was before outer

    def test_left_out_of_turn_the_other_way_round(self):
        first, second, third = no_grad(), no_grad(), no_grad()
        for switch in (first, second, third):
            switch.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        assert not records()
        third.__exit__(None, None, None)
        assert records()

    def test_left_where_it_was_never_entered(self):
        switch = no_grad()
        switch.__exit__(None, None, None)
        assert records()

    def test_set_grad_enabled(self):
        for mode in (False, True, 0, 1):
            with set_grad_enabled(mode):
                assert records() is bool(mode)
            assert records()

    def test_set_grad_enabled_as_a_call(self):
        set_grad_enabled(False)
        try:
            assert not records()
            with enable_grad():
                assert records()
            assert not records()
        finally:
            set_grad_enabled(True)
        assert records()

    def test_a_call_inside_a_switch_ends_with_it(self):
        with no_grad():
            set_grad_enabled(True)
            assert records()
        assert records()
        with enable_grad():
            set_grad_enabled(False)
            assert not records()
        assert records()

    def test_leaves_are_made_as_ever_and_flags_do_not_change(self):
        x = Tensor(1.0, requires_grad=True)
        with no_grad():
            y = x * 2
            made = Tensor(1.0, requires_grad=True)
        assert x.requires_grad
        assert made.requires_grad
        assert not y.requires_grad

    def test_a_trace_goes_on_listening(self):
        x = Tensor(1.0, requires_grad=True)
        with trace() as seen:
            with no_grad():
                x * 2
                with enable_grad():
                    x * 3
            x * 4
        assert len(seen) == 2
        with no_grad(), trace() as seen:
            x * 2
        assert len(seen) == 0


class TestDecorator:
    @pytest.mark.parametrize(("switch", "expected"), [(no_grad(), False), (enable_grad(), True), (set_grad_enabled(True), True)])
    def test_plain(self, switch, expected):
        @switch
        def function(a, *, b=2):
            """About it."""
            return records(), a, b

        assert function(1, b=3) == (expected, 1, 3)
        assert function.__name__ == "function"
        assert function.__doc__ == "About it."
        with no_grad():
            assert function(1)[0] is expected
            assert not records()

    def test_set_grad_enabled_changes_nothing_where_it_decorates(self):
        @set_grad_enabled(False)
        def function():
            return records()

        assert records()
        assert not function()
        assert records()

    def test_recursion(self):
        @no_grad()
        def countdown(n):
            return [records()] + (countdown(n - 1) if n else [])

        assert countdown(3) == [False] * 4

    def test_methods(self):
        class Owner:
            @no_grad()
            def method(self):
                return self, records()

        owner = Owner()
        assert owner.method() == (owner, False)

    def test_an_error(self):
        @no_grad()
        def function():
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            function()


class TestGenerators:
    def test_holds_inside_and_not_between(self):
        @no_grad()
        def generator():
            for _ in range(3):
                yield records()

        seen = []
        for inside in generator():
            seen.append((inside, records()))
        assert seen == [(False, True)] * 3
        assert inspect.isgeneratorfunction(generator)

    def test_send_throw_and_return(self):
        @no_grad()
        def generator():
            received = []
            while len(received) < 2:
                try:
                    received.append((yield records()))
                except KeyError as error:
                    received.append((error.args[0], records()))
            return received

        running = generator()
        assert next(running) is False
        assert running.send("sent") is False
        with pytest.raises(StopIteration) as stop:
            running.throw(KeyError("thrown"))
        assert stop.value.value == ["sent", ("thrown", False)]

    def test_close_runs_the_end_of_the_body_under_the_switch(self):
        ended = []

        @no_grad()
        def generator():
            try:
                yield 1
            finally:
                ended.append(records())

        running = generator()
        next(running)
        running.close()
        assert ended == [False]

    def test_an_error_of_the_body(self):
        @no_grad()
        def generator():
            yield 1
            raise KeyError("mine")

        running = generator()
        next(running)
        with pytest.raises(KeyError, match="mine"):
            next(running)

    def test_yield_from(self):
        @no_grad()
        def inner():
            yield records()
            return "returned"

        @enable_grad()
        def outer():
            result = yield from inner()
            yield records()
            yield result

        assert list(outer()) == [False, True, "returned"]

    def test_a_generator_that_uses_with_and_is_closed_in_another_context(self):
        def generator():
            with no_grad():
                yield records()

        running = generator()
        context = contextvars.copy_context()
        assert context.run(next, running) is False
        assert records()
        running.close()  # here nothing was entered, so nothing is to be restored
        assert records()


class TestAsync:
    def test_coroutines(self):
        @no_grad()
        async def coroutine():
            before = records()
            await asyncio.sleep(0)
            return before, records()

        async def main():
            found = await coroutine()
            return found, records()

        assert asyncio.run(main()) == ((False, False), True)
        assert inspect.iscoroutinefunction(coroutine)

    def test_tasks_do_not_disturb_each_other(self):
        """Many tasks, each in and out of its own switches, interleaved at every await; some share one object."""
        shared = no_grad()
        wrong = []

        async def task(number):
            for _ in range(5):
                with shared if number % 2 else enable_grad():
                    await asyncio.sleep(0)
                    if records() is bool(number % 2):
                        wrong.append(number)
                    with enable_grad() if number % 2 else shared:
                        await asyncio.sleep(0.001 * (number % 3))
                        if records() is not bool(number % 2):
                            wrong.append(number)
                await asyncio.sleep(0)
                if not records():
                    wrong.append(number)

        async def main():
            await asyncio.gather(*(task(number) for number in range(8)))

        asyncio.run(main())
        assert wrong == []

    def test_async_generators(self):
        ended = []

        @no_grad()
        async def generator():
            try:
                received = []
                while True:
                    await asyncio.sleep(0)
                    try:
                        received.append((yield (records(), list(received))))
                    except KeyError as error:
                        received.append(error.args[0])
            finally:
                ended.append(records())

        async def main():
            running = generator()
            assert await anext(running) == (False, [])
            assert records()
            assert await running.asend("sent") == (False, ["sent"])
            assert await running.athrow(KeyError("thrown")) == (False, ["sent", "thrown"])
            await running.aclose()
            assert records()
            return [item async for item in finite()]

        @no_grad()
        async def finite():
            yield records()
            yield records()

        assert asyncio.run(main()) == [False, False]
        assert ended == [False]


class TestThreads:
    def test_a_thread_starts_recording_and_keeps_its_mode_to_itself(self):
        inside, release = threading.Event(), threading.Event()
        found = {}

        def work():
            found["start"] = records()
            with no_grad():
                inside.set()
                release.wait(10)
                found["within"] = records()
            found["end"] = records()

        with no_grad():
            pass
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(10)
        assert records()  # while the other is within no_grad
        release.set()
        thread.join()
        assert found == {"start": True, "within": False, "end": True}

    def test_one_object_shared_by_threads(self):
        switch = no_grad()
        barrier = threading.Barrier(4, timeout=20)
        wrong = []

        def work(number):
            for _ in range(50):
                with enable_grad() if number % 2 else no_grad():
                    barrier.wait()
                    with switch:
                        barrier.wait()
                        if records():
                            wrong.append(number)
                    barrier.wait()
                    if records() is not bool(number % 2):
                        wrong.append(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_passes_in_threads(self):
        found = {}

        def work(number):
            x = Tensor(float(number), requires_grad=True)
            for _ in range(20):
                (x * x * x).backward()
            found[number] = x.grad.item()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {number: 60.0 * number**2 for number in range(4)}
