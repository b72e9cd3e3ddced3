"""Hooks of modules: when they run, what they see, and what they may change; every scenario also as PyTorch has it."""

from __future__ import annotations

import contextlib
import copy
import pickle
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff.drawing import describe_graph


class Ours:
    """What a scenario needs of a library: modules, Tensors, and values out of them."""

    Module, Sequential, Linear, no_grad = nn.Module, nn.Sequential, nn.Linear, ad.no_grad

    @staticmethod
    def tensor(data: Any, grad: bool = False) -> Any:
        return ad.Tensor(np.asarray(data, float), requires_grad=grad)

    @staticmethod
    def values(t: Any) -> Any:
        return None if t is None else t.detach().numpy().tolist()

    @staticmethod
    def fill(parameter: Any, value: Any) -> None:
        with ad.no_grad():
            parameter[...] = value


def theirs() -> Any:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")

    class Theirs:
        Module, Sequential, Linear, no_grad = torch.nn.Module, torch.nn.Sequential, torch.nn.Linear, torch.no_grad

        @staticmethod
        def tensor(data: Any, grad: bool = False) -> Any:
            return torch.tensor(np.asarray(data, float), requires_grad=grad)

        @staticmethod
        def values(t: Any) -> Any:
            return None if t is None else t.detach().numpy().tolist()

        @staticmethod
        def fill(parameter: Any, value: Any) -> None:
            with torch.no_grad():
                parameter[...] = torch.as_tensor(value)

    return Theirs


def pair(kit: Any) -> Any:
    """A module of two inputs and two outputs, with an option."""

    class Pair(kit.Module):  # type: ignore[misc]
        def forward(self, a: Any, b: Any, scale: float = 1.0) -> Any:
            return a * b * scale, a + b

    return Pair()


def square(kit: Any) -> Any:
    class Square(kit.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x * x

    return Square()


Log = list[Any]


def order_of_forward_hooks(kit: Any, log: Log) -> None:
    m = square(kit)
    m.register_forward_pre_hook(lambda m, a: log.append(("pre 1", kit.values(a[0]))))
    m.register_forward_pre_hook(lambda m, a: (a[0] + 1,))
    m.register_forward_pre_hook(lambda m, a: a[0] * 2)
    m.register_forward_pre_hook(lambda m, a: log.append(("pre 0", kit.values(a[0]))), prepend=True)
    m.register_forward_hook(lambda m, a, y: log.append(("post", kit.values(a[0]), kit.values(y))))
    m.register_forward_hook(lambda m, a, y: y + 100)
    m.register_forward_hook(lambda m, a, y: log.append(("post last", kit.values(y))))
    m.register_forward_hook(lambda m, a, y: log.append(("post first", kit.values(y))), prepend=True)
    log.append(kit.values(m(kit.tensor([1.0, 2.0]))))


def hooks_with_keywords(kit: Any, log: Log) -> None:
    m = pair(kit)
    x = kit.tensor([3.0])
    m.register_forward_pre_hook(lambda m, a, k: log.append(sorted(k)), with_kwargs=True)
    m.register_forward_pre_hook(lambda m, a, k: (a, {**k, "scale": 10.0}), with_kwargs=True)
    m.register_forward_hook(lambda m, a, k, y: log.append((len(a), k["scale"])), with_kwargs=True)
    m.register_forward_hook(lambda m, a, k, y: y[0], with_kwargs=True)
    log.append(kit.values(m(x, b=x)))


def removal(kit: Any, log: Log) -> None:
    m = square(kit)
    x = kit.tensor([2.0], grad=True)
    handles = [
        m.register_forward_pre_hook(lambda m, a: log.append("pre")),
        m.register_forward_hook(lambda m, a, y: log.append("post")),
        m.register_full_backward_pre_hook(lambda m, g: log.append("backward pre")),
        m.register_full_backward_hook(lambda m, gi, go: log.append("backward")),
    ]
    m(x).sum().backward()
    for handle in handles:
        handle.remove()
        handle.remove()
    m(x).sum().backward()
    with m.register_forward_hook(lambda m, a, y: y * 0):
        log.append(kit.values(m(x)))
    log.append(kit.values(m(x)))


def removal_after_forward(kit: Any, log: Log) -> None:
    m = square(kit)
    handle = m.register_full_backward_hook(lambda m, gi, go: log.append("still called"))
    y = m(kit.tensor([2.0], grad=True))
    handle.remove()
    y.sum().backward()


def always_called(kit: Any, log: Log) -> None:
    class Failing(kit.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    m = Failing()
    m.register_forward_hook(lambda m, a, y: log.append("not called"))
    m.register_forward_hook(lambda m, a, y: log.append(("always", y)), always_call=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            m(kit.tensor([1.0]))


def always_called_once(kit: Any, log: Log) -> None:
    m = square(kit)

    def fail(m: Any, a: Any, y: Any) -> None:
        raise ValueError("in a hook")

    m.register_forward_hook(lambda m, a, y: log.append("first"), always_call=True)
    m.register_forward_hook(fail)
    m.register_forward_hook(lambda m, a, y: log.append(("last", kit.values(y))), always_call=True)
    with pytest.raises(ValueError, match="in a hook"):
        m(kit.tensor([3.0]))


def gradients_of_a_layer(kit: Any, log: Log) -> None:
    m = kit.Sequential(kit.Linear(3, 2), square(kit))
    kit.fill(m[0].weight, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    kit.fill(m[0].bias, [0.5, -0.5])
    m.double()
    for name, part in (("linear", m[0]), ("square", m[1]), ("all", m)):
        part.register_full_backward_pre_hook(lambda m, g, name=name: log.append((name, "pre", [kit.values(v) for v in g])))
        part.register_full_backward_hook(
            lambda m, gi, go, name=name: log.append((name, [kit.values(v) for v in gi], [kit.values(v) for v in go]))
        )
    x = kit.tensor([[1.0, -1.0, 2.0]], grad=True)
    m(x).sum().backward()
    log.append([kit.values(x.grad), kit.values(m[0].weight.grad), kit.values(m[0].bias.grad)])


def gradients_of_several_inputs_and_outputs(kit: Any, log: Log) -> None:
    m = pair(kit)
    m.register_full_backward_hook(
        lambda m, gi, go: log.append(([kit.values(v) for v in gi], [kit.values(v) for v in go]))
    )
    a, b, c = kit.tensor([2.0], grad=True), kit.tensor([3.0], grad=True), 5.0
    product, total = m(a, b, 7.0)
    (product * 10 + total).sum().backward()
    log.append((kit.values(a.grad), kit.values(b.grad)))
    product, _ = m(a, b, c)  # nothing arrives at the second output, and the third input is no tensor
    product.sum().backward()
    product, _ = m(a, a)  # one twice
    product.sum().backward()
    log.append(kit.values(a.grad))
    product, _ = m(a, b=b)  # keyword arguments are not seen
    product.sum().backward()
    log.append((kit.values(a.grad), kit.values(b.grad)))


def replacing_gradients(kit: Any, log: Log) -> None:
    m = pair(kit)
    m.register_full_backward_pre_hook(lambda m, g: (g[0] * 2, None))
    m.register_full_backward_pre_hook(lambda m, g: log.append([kit.values(v) for v in g]))
    m.register_full_backward_pre_hook(lambda m, g: log.append([kit.values(v) for v in g]), prepend=True)
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1, gi[1] * 10))
    m.register_full_backward_hook(lambda m, gi, go: log.append([kit.values(v) for v in gi + go]))
    m.register_full_backward_hook(lambda m, gi, go: log.append([kit.values(v) for v in gi + go]), prepend=True)
    a, b = kit.tensor([2.0], grad=True), kit.tensor([3.0], grad=True)
    product, total = m(a, b)
    (product * 10 + total).sum().backward()
    log.append((kit.values(a.grad), kit.values(b.grad)))


def one_gradient_for_one_input(kit: Any, log: Log) -> None:
    m = square(kit)
    m.register_full_backward_pre_hook(lambda m, g: (g[0] * 3,))
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))
    x = kit.tensor([2.0], grad=True)
    m(x).sum().backward()
    log.append(kit.values(x.grad))


def input_without_gradient(kit: Any, log: Log) -> None:
    m = kit.Linear(2, 1)
    m.double()
    kit.fill(m.weight, [[1.0, 2.0]])
    m.register_full_backward_hook(lambda m, gi, go: log.append(([kit.values(v) for v in gi], [kit.values(v) for v in go])))
    m(kit.tensor([[1.0, 1.0]])).sum().backward()
    log.append(kit.values(m.weight.grad))


def twice_through_one_graph(kit: Any, log: Log) -> None:
    m = square(kit)
    m.register_full_backward_hook(lambda m, gi, go: log.append((kit.values(gi[0]), kit.values(go[0]))))
    x = kit.tensor([3.0], grad=True)
    y = m(m(x)).sum()
    y.backward(retain_graph=True)
    y.backward()
    log.append(kit.values(x.grad))


def under_no_grad(kit: Any, log: Log) -> None:
    m = square(kit)
    m.register_full_backward_hook(lambda m, gi, go: log.append("never"))
    m.register_forward_hook(lambda m, a, y: log.append("forward"))
    with kit.no_grad():
        log.append(kit.values(m(kit.tensor([3.0], grad=True))))


SCENARIOS: list[Callable[[Any, Log], None]] = [
    order_of_forward_hooks,
    hooks_with_keywords,
    removal,
    removal_after_forward,
    always_called,
    always_called_once,
    gradients_of_a_layer,
    gradients_of_several_inputs_and_outputs,
    replacing_gradients,
    one_gradient_for_one_input,
    input_without_gradient,
    twice_through_one_graph,
    under_no_grad,
]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.filterwarnings("ignore:Full backward hook is firing when gradients are computed:UserWarning")  # PyTorch's
def test_each_scenario_goes_as_in_pytorch(scenario: Callable[[Any, Log], None]) -> None:
    ours: Log = []
    expected: Log = []
    scenario(Ours, ours)
    scenario(theirs(), expected)
    assert ours == expected
    assert ours


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_runs_twice_alike(scenario: Callable[[Any, Log], None]) -> None:
    first: Log = []
    second: Log = []
    scenario(Ours, first)
    scenario(Ours, second)
    assert first == second


# ------------------------------------------------------------------------------------------------ what is ours


def test_a_hook_of_a_tensor_ends_with_its_block_too() -> None:
    x = ad.Tensor([2.0], requires_grad=True)
    with x.register_hook(lambda g: g * 10):
        (x * 3).backward()
    (x * 3).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [33.0]


def test_a_module_without_hooks_keeps_nothing_for_them() -> None:
    assert "_hooks" not in nn.Linear(2, 2).__dict__


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_through_hooks_that_only_look_are_the_same_to_the_last_digit(create_graph: bool) -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 5, generator=rng), nn.Tanh(), nn.Linear(5, 2, generator=rng))
    twin = copy.deepcopy(model)
    for module in twin.modules():
        module.register_full_backward_hook(lambda m, gi, go: None)
        module.register_full_backward_pre_hook(lambda m, go: None)
    data = rng.standard_normal((3, 4)).astype(np.float32)
    found = []
    for each in (model, twin):
        x = ad.Tensor(data, requires_grad=True)
        (each(x) ** 2).sum().backward(create_graph=create_graph)
        assert x.grad is not None
        found.append([x.grad.numpy(), *(p.grad.numpy() for p in each.parameters() if p.grad is not None)])
    assert len(found[0]) == 5
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_check_grads_to_second_order_through_hooks() -> None:
    m = square(Ours)
    m.register_full_backward_hook(lambda m, gi, go: None)
    ad.check_grads(lambda x: m(x * 2) * m(x), np.array([1.0, -2.0, 0.5]))


def test_a_hook_is_differentiated_with_the_pass_it_takes_part_in() -> None:
    m = square(Ours)
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] * gi[0],))
    x = ad.Tensor([3.0], requires_grad=True)
    m(x).sum().backward(create_graph=True)
    g, x.grad = x.grad, None
    assert g is not None
    g.sum().backward()
    assert g.tolist() == [36.0]  # (2 x)²
    assert x.grad is not None
    assert x.grad.tolist() == [24.0]


def test_a_single_gradient_need_not_be_a_tuple_and_none_stands_for_none() -> None:
    m, seen = pair(Ours), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append([None if g is None else g.item() for g in gi + go]))
    m(ad.Tensor(2.0, requires_grad=True), ad.Tensor(3.0))[0].backward()
    assert seen == [[3.0, None, 1.0, None]]
    m, x = square(Ours), ad.Tensor([2.0], requires_grad=True)
    m.register_full_backward_pre_hook(lambda m, g: g[0] * 3)
    m.register_full_backward_hook(lambda m, gi, go: gi[0].numpy() + 1)
    m(x).backward([1.0])
    assert x.grad is not None
    assert x.grad.tolist() == [13.0]


def test_complex_gradients_have_pytorchs_convention() -> None:
    m, seen = square(Ours), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    x = ad.Tensor([1 + 2j], requires_grad=True)
    m(x).backward(np.array([1j]))
    assert seen == [([1j * (2 - 4j)], [1j])]
    assert x.grad is not None
    assert x.grad.tolist() == seen[0][0]


def test_gradients_are_read_only_and_come_from_no_one_elses_memory() -> None:
    m, x = square(Ours), ad.Tensor([1.0, 2.0], requires_grad=True)

    def write(module: Any, grad_input: Any, grad_output: Any) -> None:
        for grad in grad_input + grad_output:
            with pytest.raises(ValueError, match="cannot be written"):
                grad[0] = 100.0

    m.register_full_backward_hook(write)
    m(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_hook_runs_under_numpys_usual_error_state() -> None:
    m, seen = square(Ours), []
    m.register_full_backward_hook(lambda m, gi, go: seen.append(np.geterr()["invalid"]))
    m(ad.Tensor([1.0], requires_grad=True)).sum().backward()
    assert seen == ["warn"]


def test_the_input_of_a_call_is_its_own() -> None:
    """The graph keeps what the leaf was; a write to it is reported as always."""
    m = square(Ours)
    m.register_full_backward_hook(lambda m, gi, go: None)
    x = ad.Tensor([2.0], requires_grad=True)
    y = m(x)
    with ad.no_grad():
        x[0] = 100.0
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4.0]


def test_writes_to_what_goes_in_and_comes_out_stay_where_they_are() -> None:
    m = nn.Identity()
    m.register_full_backward_hook(lambda m, gi, go: None)
    x = ad.Tensor([1.0, 2.0], requires_grad=True)
    h = x * 1
    y = m(h)
    y[0] = 9.0
    assert (h.tolist(), y.tolist()) == ([1.0, 2.0], [9.0, 2.0])
    (y * 3 + h).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 4.0]


class Named(NamedTuple):
    value: ad.Tensor
    count: int


def test_a_named_tuple_stays_one() -> None:
    class Two(nn.Module):
        def forward(self, x: ad.Tensor) -> Named:
            return Named(x * 2, 5)

    m = Two()
    m.register_full_backward_hook(lambda m, gi, go: None)
    y = m(ad.Tensor([1.0], requires_grad=True))
    assert type(y) is Named
    assert (y.value.tolist(), y.count) == ([2.0], 5)


@pytest.mark.parametrize("traced", [False, True])
def test_calls_are_still_noted_with_their_paths_and_drawn(traced: bool) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].register_full_backward_hook(lambda m, gi, go: None)
    x = ad.Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    with ad.trace() if traced else contextlib.nullcontext():
        y = model(x)
        y.sum().backward()
    description = describe_graph([y])
    assert {group.name for group in description.groups} == {"Sequential", "0", "1"}
    operations = [node.operation for node in description.nodes if node.operation]
    assert [operations.count(name) for name in ("module_input", "linear", "module_output", "relu")] == [1] * 4


def test_an_error_in_a_hook_names_the_module() -> None:
    model = nn.Sequential(nn.ReLU())

    def fail(module: Any, args: Any) -> None:
        raise ValueError("in a hook")

    model[0].register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match="in a hook") as caught:
        model(ad.Tensor([1.0]))
    assert caught.value.__notes__ == ["in Sequential.0 (ReLU)"]


# ------------------------------------------------------------------------------------------------ refusals


def call(module: nn.Module) -> None:
    y = module(ad.Tensor([1.0], requires_grad=True), ad.Tensor([1.0], requires_grad=True))
    (y[0] + y[1]).sum().backward()


@pytest.mark.parametrize(
    ("register", "error", "message"),
    [
        (lambda m: m.register_full_backward_hook(lambda m, gi, go: gi[:1]), RuntimeError, "hook of Pair returned 1 gradients.*2"),
        (lambda m: m.register_full_backward_pre_hook(lambda m, g: g[0]), RuntimeError, "pre-hook of Pair returned 1 gradients.*2"),
        (lambda m: m.register_full_backward_hook(lambda m, gi, go: (np.ones(3), None)), ValueError, r"Pair: the .* shape \(3,\)"),
        (lambda m: m.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True), TypeError, r"None or a pair \(args, kwargs\)"),
    ],
)
def test_what_a_hook_may_not_return(register: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    m = pair(Ours)
    register(m)
    with pytest.raises(error, match=message):
        call(m)


def test_a_hook_is_a_function() -> None:
    with pytest.raises(TypeError, match="ReLU: a hook must be a function, got NoneType"):
        nn.ReLU().register_forward_hook(None)  # type: ignore[arg-type]


def test_gradients_for_inputs_without_one_are_refused() -> None:
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda m, gi, go: (np.ones((1, 2)),))
    with pytest.raises(RuntimeError, match="no input of this call requires one; return None"):
        layer(np.ones((1, 2))).sum().backward()  # type: ignore[arg-type]


def test_an_output_that_hooks_cannot_follow_is_said() -> None:
    class Listed(nn.Module):
        def forward(self, x: ad.Tensor) -> Any:
            return [x * 2]

    m = Listed()
    m.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.warns(UserWarning, match=r"Listed has backward hooks.*this one is a list"):
        y = m(ad.Tensor([1.0], requires_grad=True))
    with pytest.raises(RuntimeError, match="does not come by way of its output"):
        y[0].sum().backward()


def test_an_error_of_a_hook_that_is_always_called_is_a_warning() -> None:
    def fail(module: Any, args: Any, output: Any) -> None:
        raise KeyError("second")

    m = nn.Module()
    m.register_forward_hook(fail, always_call=True)
    with (
        pytest.warns(UserWarning, match="always_call=True raised KeyError: 'second'"),
        pytest.raises(NotImplementedError, match="no forward"),
    ):
        m(1)


# ------------------------------------------------------------------------------------------------ copies and threads


def double_output(module: Any, args: Any, output: Any) -> Any:
    return output * 2


@pytest.mark.parametrize("through", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_hooks_are_copied_with_their_module(through: Callable[[Any], Any]) -> None:
    m = nn.ReLU()
    m.handle = m.register_forward_hook(double_output)
    twin = through(m)
    assert twin(ad.Tensor([1.0])).tolist() == [2.0]
    added = twin.register_forward_hook(double_output)
    assert twin(ad.Tensor([1.0])).tolist() == [4.0]
    assert m(ad.Tensor([1.0])).tolist() == [2.0]
    added.remove()
    twin.handle.remove()
    assert twin(ad.Tensor([1.0])).tolist() == [1.0]
    assert m(ad.Tensor([1.0])).tolist() == [2.0]


def test_calls_from_several_threads_do_not_meet() -> None:
    m, errors = square(Ours), []
    seen: dict[str, list[tuple[float, float]]] = {}
    m.register_full_backward_hook(
        lambda m, gi, go: seen.setdefault(threading.current_thread().name, []).append((gi[0].item(), go[0].item()))
    )

    def work(value: float) -> None:
        try:
            for _ in range(50):
                x = ad.Tensor(value, requires_grad=True)
                (m(x) * value).backward()
            assert seen[threading.current_thread().name] == [(2 * value * value, value)] * 50
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(float(i + 1),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(seen) == 4


def test_no_warning_is_left_over() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m = square(Ours)
        m.register_full_backward_hook(lambda m, gi, go: None)
        assert m(ad.Tensor([2.0])).tolist() == [4.0]
