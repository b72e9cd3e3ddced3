"""Complex gradients, in PyTorch's convention: `.grad` is conj(dL/dz), the direction in which a real L rises fastest.

For L(z) with z = a + ib that is dL/da + i dL/db: what differences along the real and the imaginary axis give.
"""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, check_grads, grad, gradients

RNG = np.random.default_rng(0)


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


def by_differences(f, z, step=1e-6):
    """dL/da + i dL/db, element by element."""
    z = np.asarray(z)
    found = np.zeros(z.shape, complex)
    for index in np.ndindex(z.shape):
        for unit in (1, 1j):
            d = np.zeros(z.shape, complex)
            d[index] = unit * step
            found[index] += unit * (f(Tensor(z + d)).item() - f(Tensor(z - d)).item()) / (2 * step)
    return found


Z = RNG.normal(size=(2, 3)) + 1j * RNG.normal(size=(2, 3))
C = RNG.normal(size=(2, 3)) + 1j * RNG.normal(size=(2, 3))

REAL_FUNCTIONS = {
    "real part": lambda z: z.real.sum(),
    "imaginary part": lambda z: z.imag.sum(),
    "size": lambda z: np.abs(z).sum(),
    "squared size": lambda z: (z * z.conj()).real.sum(),
    "product": lambda z: (z * C).real.sum(),
    "product from the left": lambda z: (C * z).imag.sum(),
    "quotient": lambda z: (C / z).real.sum(),
    "division": lambda z: (z / C).imag.sum(),
    "powers": lambda z: (z**2 + z**3 + z**-1).real.sum(),
    "exponential": lambda z: np.exp(z).imag.sum(),
    "logarithm": lambda z: np.log(z).imag.sum(),
    "root": lambda z: np.sqrt(z).real.sum(),
    "sine": lambda z: np.sin(z).real.sum(),
    "tanh": lambda z: np.tanh(z).imag.sum(),
    "matrix product": lambda z: (C.T @ z).real.sum(),
    "hermitian product": lambda z: (z.conj().T @ z).imag[0, 1],
    "mixed with real": lambda z: (z * np.arange(3.0)).imag.sum(),
    "sum, squared": lambda z: np.abs(z.sum()) ** 2,
    "mean": lambda z: np.abs(z.mean(axis=0)).sum(),
    "parts": lambda z: (z[0] * z[1, ::-1]).imag.sum(),
    "reordered": lambda z: (z.T.reshape(2, 3) * C).imag.sum(),
    "joined": lambda z: np.abs(np.concatenate([z, C * z])).sum(),
    "chosen": lambda z: np.where(np.arange(3) > 0, z, z.conj()).imag.sum(),
    "through a real tensor": lambda z: np.exp(z.real * z.imag).sum(),
    "conjugated": lambda z: (z.conj() * C).imag.sum(),
    "written": lambda z: written(z).imag.sum(),
    "einsum": lambda z: np.einsum("ij,kj->ik", z, z.conj()).imag[0, 1],
    "product over an axis": lambda z: z.prod(axis=1).real.sum(),
    "running sums": lambda z: (np.cumsum(z, axis=1) * C).real.sum(),
}


def written(z):
    y = ad.zeros((2, 3), complex)
    y[:, 0] = z[:, 1] * C[:, 0]
    y += z
    y *= z
    return y


@pytest.mark.parametrize("name", REAL_FUNCTIONS)
class TestConvention:
    def test_backward(self, name):
        f, z = REAL_FUNCTIONS[name], leaf(Z)
        f(z).backward()
        assert z.grad.dtype == np.complex128
        np.testing.assert_allclose(z.grad.numpy(), by_differences(f, Z), rtol=1e-6, atol=1e-8)

    def test_recorded(self, name):
        f, z = REAL_FUNCTIONS[name], leaf(Z)
        f(z).backward(create_graph=True)
        np.testing.assert_allclose(z.grad.detach().numpy(), by_differences(f, Z), rtol=1e-6, atol=1e-8)

    def test_transform(self, name):
        f = REAL_FUNCTIONS[name]
        np.testing.assert_allclose(grad(f)(Z), by_differences(f, Z), rtol=1e-6, atol=1e-8)

    def test_second_order(self, name):
        f = REAL_FUNCTIONS[name]

        def slope(z):
            g = gradients(f(z), z, create_graph=True, allow_unused=True)
            return (g * np.conj(C)).real.sum()

        found = grad(slope)(Z)
        expected = by_differences(lambda z: slope(z.requires_grad_()), Z, 1e-5)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

    def test_check_grads(self, name):
        check_grads(REAL_FUNCTIONS[name], Z)


IN_PYTORCH = {
    "squared size": lambda torch, z: (z * z.conj()).real.sum(),
    "size": lambda torch, z: z.abs().sum(),
    "product": lambda torch, z: (z * torch.tensor(C)).real.sum(),
    "quotient": lambda torch, z: (torch.tensor(C) / z).real.sum(),
    "exponential": lambda torch, z: torch.exp(z).imag.sum(),
    "logarithm": lambda torch, z: torch.log(z).imag.sum(),
    "root": lambda torch, z: torch.sqrt(z).real.sum(),
    "powers": lambda torch, z: (z**2 + z**3 + z**-1).real.sum(),
    "tanh": lambda torch, z: torch.tanh(z).imag.sum(),
    "matrix product": lambda torch, z: (torch.tensor(C).T @ z).real.sum(),
    "hermitian product": lambda torch, z: (z.conj().T @ z).imag[0, 1],
    "imaginary part": lambda torch, z: z.imag.sum(),
    "through a real tensor": lambda torch, z: torch.exp(z.real * z.imag).sum(),
    "product over an axis": lambda torch, z: z.prod(dim=1).real.sum(),
}


@pytest.mark.parametrize("name", IN_PYTORCH)
def test_as_pytorch(name):
    torch = pytest.importorskip("torch", reason="compares with PyTorch's convention")
    theirs = torch.tensor(Z, requires_grad=True)
    IN_PYTORCH[name](torch, theirs).backward()
    ours = leaf(Z)
    REAL_FUNCTIONS[name](ours).backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.resolve_conj().numpy(), rtol=1e-12)


class TestWhereGradientsEnterAndLeave:
    """Everywhere a caller hands in or sees a gradient, it is conj of the plain transpose inside."""

    G = np.array([1 + 2j, -3 + 1j])

    def make(self):
        z = leaf(np.array([1 + 1j, 2 - 1j]))
        return z, z * (2 + 3j)

    def expected(self):
        return self.G * np.conj(2 + 3j)  # the adjoint of a multiplication

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_backward_with_a_gradient(self, create_graph):
        z, w = self.make()
        w.backward(self.G, create_graph=create_graph)
        np.testing.assert_allclose(z.grad.detach().numpy(), self.expected())

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_gradients_with_a_cotangent(self, create_graph):
        z, w = self.make()
        np.testing.assert_allclose(gradients(w, z, self.G, create_graph=create_graph).detach().numpy(), self.expected())

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_hooks_see_and_replace_it(self, create_graph):
        z, w = self.make()
        seen = []
        w.register_hook(lambda g: seen.append(g.detach().numpy().copy()))
        w.register_hook(lambda g: g * 1j)
        w.register_hook(lambda g: seen.append(g.detach().numpy().copy()))
        w.backward(self.G, create_graph=create_graph)
        np.testing.assert_allclose(seen, [self.G, self.G * 1j])
        np.testing.assert_allclose(z.grad.detach().numpy(), self.expected() * 1j)

    def test_what_a_hook_gets_cannot_be_written(self):
        _, w = self.make()
        w.register_hook(lambda g: g.__setitem__(0, 0))
        with pytest.raises(ValueError, match="read-only"):
            w.backward(self.G)

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_retain_grad(self, create_graph):
        _, w = self.make()
        w.retain_grad()
        (w * 1j).backward(self.G, create_graph=create_graph)
        np.testing.assert_allclose(w.grad.detach().numpy(), self.G * -1j)

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_inputs(self, create_graph):
        z, w = self.make()
        (w * 1j).backward(self.G, inputs=[w, z], create_graph=create_graph)
        np.testing.assert_allclose(w.grad.detach().numpy(), self.G * -1j)
        np.testing.assert_allclose(z.grad.detach().numpy(), self.expected() * -1j)

    def test_accumulation(self):
        z, w = self.make()
        w.backward(self.G, retain_graph=True)
        w.backward(self.G)
        np.testing.assert_allclose(z.grad.numpy(), 2 * self.expected())

    def test_a_root_that_is_a_leaf(self):
        z = leaf(self.G)
        z.backward(self.G)
        np.testing.assert_allclose(z.grad.numpy(), self.G)

    def test_memory_of_grad_is_its_own(self):
        z, seed = leaf(self.G), self.G.copy()
        (z + 0).backward(seed)
        assert not np.shares_memory(z.grad._data, seed)
        assert z.grad._data.flags.writeable


class TestRealAndComplex:
    def test_a_real_argument_gets_a_real_gradient(self):
        x = leaf([1.0, 2.0])
        (x * np.array([1 + 2j, 3 - 1j])).imag.sum().backward()
        assert x.grad.dtype == np.float64
        assert x.grad.tolist() == [2, -1]

    def test_in_a_recorded_pass_too(self):
        x, c = leaf([1.0, 2.0]), leaf(np.array([1 + 2j, 3 - 1j]))
        g = gradients((x * x * c).imag.sum(), x, create_graph=True)
        assert g.dtype == np.float64
        np.testing.assert_allclose(g.detach().numpy(), [4, -4])
        np.testing.assert_allclose(gradients(g.sum(), c).numpy(), [2j, 4j])  # d/dc Im(2 x c)

    def test_single_precision(self):
        z = leaf(np.array([1 + 2j], np.complex64))
        np.abs(z).sum().backward()
        assert z.grad.dtype == np.complex64
        np.testing.assert_allclose(z.grad.numpy(), z.numpy() / np.sqrt(5), rtol=1e-6)

    def test_casts(self):
        x = leaf([1.0, 2.0])
        (x.astype(complex) * 1j).imag.sum().backward()
        assert x.grad.tolist() == [1, 1]
        z = leaf(np.array([1 + 2j]))
        z.astype(np.complex64).real.sum().backward()
        assert z.grad.dtype == np.complex128

    def test_the_size_at_zero(self):
        z = leaf(np.array([0j, 3 + 4j]))
        np.abs(z).sum().backward()
        np.testing.assert_allclose(z.grad.numpy(), [0, 0.6 + 0.8j])

    def test_gradient_descent_goes_downhill(self):
        """What the convention is for: z -= rate * z.grad minimises."""
        z, target = leaf(np.array([0j])), np.array([2 - 3j])
        for _ in range(60):
            loss = (np.abs(z - target) ** 2).sum()
            z.grad = None
            loss.backward()
            with ad.no_grad():
                z -= 0.2 * z.grad
        np.testing.assert_allclose(z.numpy(), target, atol=1e-8)
