"""Averaged weights: PyTorch's averages, and batch statistics computed anew."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)


def weights(model: Any) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("kind", ["mean", "exponential", "all at once", "with buffers"])
def test_averages_are_those_of_pytorch(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from torch.optim import swa_utils as theirs

    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    other.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in weights(ours).items()})

    def averaging(one: Any, all_at_once: Any) -> dict[str, Any]:
        if kind == "mean":
            return {}
        return {"multi_avg_fn": all_at_once(0.9)} if kind == "all at once" else {"avg_fn": one(0.9)}

    averaged = AveragedModel(ours, **averaging(get_ema_avg_fn, get_ema_multi_avg_fn), use_buffers=kind == "with buffers")
    fitting = averaging(theirs.get_ema_avg_fn, theirs.get_ema_multi_avg_fn)
    expected = theirs.AveragedModel(other, **fitting, use_buffers=kind == "with buffers")
    rng = np.random.default_rng(0)
    for _ in range(5):
        step = {name: rng.standard_normal(value.shape).astype(value.dtype) for name, value in weights(ours).items()}
        ours.load_state_dict(step)
        other.load_state_dict({name: torch.tensor(value) for name, value in step.items()})
        averaged.update_parameters(ours)
        expected.update_parameters(other)
    found = weights(averaged)
    assert found.keys() == expected.state_dict().keys()
    assert found["n_averaged"] == 5
    for name, value in expected.state_dict().items():
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_mean_of_weights_is_their_mean_and_the_model_is_left_alone() -> None:
    model = nn.Linear(2, 1, dtype=np.float64)
    averaged = AveragedModel(model)
    values = np.random.default_rng(0).standard_normal((4, 1, 2))
    for value in values:
        with ad.no_grad():
            model.weight[...] = value
        averaged.update_parameters(model)
    np.testing.assert_allclose(averaged.module.weight.numpy(), values.mean(axis=0))
    np.testing.assert_array_equal(model.weight.numpy(), values[-1])
    x = np.ones((3, 2))
    np.testing.assert_allclose(averaged(x).numpy(), averaged.module(x).numpy())


def test_batch_statistics_are_those_of_the_data_anew() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    model.eval()
    momentum = model[1].momentum
    update_bn([x[:20], (x[20:], "targets are left alone")], model)
    assert not any(module.training for module in model.modules())
    assert model[1].momentum == momentum
    hidden = model[0](x).numpy()
    means = (hidden[:20].mean(axis=0) + hidden[20:].mean(axis=0)) / 2
    variances = (hidden[:20].var(axis=0, ddof=1) + hidden[20:].var(axis=0, ddof=1)) / 2
    np.testing.assert_allclose(model[1].running_mean.numpy(), means, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model[1].running_var.numpy(), variances, rtol=1e-4)
    plain = nn.Linear(3, 1)
    update_bn(["no batch is looked at"], plain)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a module, got list"):
        AveragedModel([1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="decay lies between 0 and 1"):
        get_ema_avg_fn(2.0)
    averaged = AveragedModel(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="other names or shapes than those averaged"):
        averaged.update_parameters(nn.Linear(2, 3))
    assert averaged.n_averaged.item() == 0
    with pytest.raises(ValueError, match="device is 'cpu' or None"):
        AveragedModel(nn.Linear(2, 2), get_swa_avg_fn())
    with pytest.raises(ValueError, match="avg_fn or multi_avg_fn, not both"):
        AveragedModel(nn.Linear(2, 2), "cpu", get_swa_avg_fn(), get_swa_multi_avg_fn())
    assert get_swa_avg_fn()(np.array(1.0), np.array(4.0), 2).item() == 2.0


def test_statistics_that_are_no_batch_normalisation_are_left_alone() -> None:
    model = nn.Sequential(nn.InstanceNorm1d(2, track_running_stats=True), nn.BatchNorm1d(2))
    x = np.random.default_rng(0).standard_normal((4, 2, 5)) + 3
    model(x)
    update_bn([x], model)  # which it did reset, and then never moved again
    np.testing.assert_allclose(model[0].running_mean.numpy(), (1 - 0.9**2) * x.mean(axis=(0, 2)), rtol=1e-5)


@pytest.mark.parametrize("through", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("options", [{}, {"avg_fn": get_ema_avg_fn(0.9)}, {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}])
def test_a_copy_goes_on_for_itself(options: dict[str, Any], through: Any) -> None:
    model = nn.Linear(2, 1)
    averaged = AveragedModel(model, **options)
    averaged.update_parameters(model)
    other = through(averaged)
    with ad.no_grad():
        model.weight[...] = 100.0
    other.update_parameters(model)
    assert (averaged.n_averaged.item(), other.n_averaged.item()) == (1, 2)
    assert np.abs(averaged.module.weight.numpy()).max() < 1
