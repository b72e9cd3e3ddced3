"""A model tried without being changed."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import nn
from autodiff import Tensor
from nn.rehearsal import rehearsal


def everything(model):
    values = {name: tensor.numpy().copy() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    modes = [module.training for module in model.modules()]
    gradients = [None if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]
    return values, modes, gradients, copy.deepcopy(nn.seeding.generator_or_default(None).bit_generator.state)


def same(before, after):
    for one, other in zip(before, after, strict=True):
        np.testing.assert_equal(one, other)


@pytest.fixture
def model():
    inner = nn.Sequential(nn.Linear(6, 2), nn.Dropout(0.1).eval())
    made = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), inner)
    made(Tensor(np.ones((3, 4), np.float32))).sum().backward()
    return made


def disturb(model):
    model.eval()
    model.train()
    for p in model.parameters():
        p.grad = None
    model(Tensor(np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32))).sum().backward()


@pytest.mark.parametrize("fails", [False, True])
def test_buffers_modes_gradients_and_generators_are_put_back(model, fails):
    before = everything(model)
    try:
        with rehearsal(model):
            disturb(model)
            assert everything(model)[0]["1.running_mean"].tolist() != before[0]["1.running_mean"].tolist()
            if fails:
                raise KeyError("stop")
    except KeyError:
        assert fails
    same(before, everything(model))


def test_the_gradient_is_the_same_object_with_the_same_numbers(model):
    gradients = [p.grad for p in model.parameters()]
    before = everything(model)
    with rehearsal(model):
        model(Tensor(np.ones((3, 4), np.float32))).sum().backward()  # adds to what is there
    assert all(p.grad is gradient for p, gradient in zip(model.parameters(), gradients, strict=True))
    same(before, everything(model))


def test_parameters_on_request(model):
    before = everything(model)
    with rehearsal(model, parameters=True):
        optimizer = nn.optim.Adam(model.parameters(), lr=0.1)
        disturb(model)
        optimizer.step()
        assert not np.array_equal(everything(model)[0]["0.weight"], before[0]["0.weight"])
    same(before, everything(model))


def test_generators_of_its_own():
    layer = nn.Dropout(0.5)
    generator = np.random.default_rng(7)
    layer.generator = generator
    state = copy.deepcopy(generator.bit_generator.state)
    with rehearsal(layer):
        generator.random(100)
    assert generator.bit_generator.state == state


def test_what_is_no_module_is_left_alone():
    with rehearsal(None, lambda x: x, nn.MSELoss()):
        pass


def test_attributes_are_put_back_and_what_is_inside_of_them():
    class Keeps(nn.Module):
        def __init__(self):
            self.seen, self.sums, self.names, self.last = [], np.zeros(2), {}, None

        def forward(self, x):
            self.seen.append(x)
            self.sums += 1
            self.names["x"] = self.last = x
            return x

    model = Keeps()
    seen, sums, names, kept = model.seen, model.sums, model.names, set(model.__dict__)
    with rehearsal(model):
        model.eval()(np.ones(2))
        assert len(model.seen) == 1
    assert model.seen is seen == []
    assert model.sums is sums
    assert sums.tolist() == [0, 0]
    assert model.names is names == {}
    assert model.last is None
    assert set(model.__dict__) == kept  # no mode where there was none of its own


def test_the_memory_of_a_gradient_stays_its_own(model):
    kept = [p.grad.numpy() for p in model.parameters()]
    with rehearsal(model):
        disturb(model)
    assert all(np.shares_memory(p.grad.numpy(), array) for p, array in zip(model.parameters(), kept, strict=True))


NAMED = np.random.default_rng(1)


def test_generators_that_functions_know_by_name_and_the_global_ones():
    inner = np.random.default_rng(2)

    class Draws(nn.Module):
        def forward(self, x):
            return x + NAMED.random() + inner.random() + np.random.random()  # noqa: NPY002

    model = Draws()
    with rehearsal(model):
        first = model(0.0)
    assert model(0.0) == first
