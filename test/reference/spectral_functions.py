"""
Float64 truth of the spectral layers as autograd functions, shared by the op references and the model traces.

torch's own gradient of eigh divides by differences of eigenvalues and is wrong or infinite where they are equal. A
function f of a symmetric matrix A = U diag(l) U^T has the Daleckii-Krein gradient
U [L o (U^T sym(G) U)] U^T with L_ij = (f(l_i) - f(l_j)) / (l_i - l_j), and f'(l_i) where the two are equal.
"""
import numpy as np
import torch


def _clamped_log(floor, ceiling):
    def f(l):
        return np.log(np.clip(l, floor, ceiling))

    def derivative(l):
        inside = (l > floor) & (l < ceiling)
        return np.where(inside, 1 / np.where(inside, l, 1), 0)

    return f, derivative


def _clamp(floor, ceiling):
    return (lambda l: np.clip(l, floor, ceiling)), (lambda l: ((l > floor) & (l < ceiling)).astype(float))


def divided_differences(f, derivative, l):
    a, b = l[..., :, None], l[..., None, :]
    gap = a - b
    middle = (a + b) / 2
    close = np.abs(gap) <= 1e-9 * np.maximum(np.abs(a), np.abs(b))  # the midpoint rule errs by O(gap^2) there
    return np.where(close, derivative(middle), (f(a) - f(b)) / np.where(close, 1, gap))


class SpectralFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix, f, derivative):
        l, u = np.linalg.eigh(matrix.detach().numpy())
        ctx.saved = (f, derivative, l, u)
        return torch.tensor(u * f(l)[..., None, :] @ np.swapaxes(u, -1, -2))

    @staticmethod
    def backward(ctx, grad):
        f, derivative, l, u = ctx.saved
        ut = np.swapaxes(u, -1, -2)
        g = grad.numpy()
        g = (g + np.swapaxes(g, -1, -2)) / 2
        return torch.tensor(u @ (divided_differences(f, derivative, l) * (ut @ g @ u)) @ ut), None, None


def covariance(x, regulariser):
    """x [batch, positions, channels] to C + regulariser * trace(C) * I, C unbiased."""
    centred = x - x.mean(1, keepdim=True)
    c = centred.transpose(1, 2) @ centred / (x.shape[1] - 1)
    trace = c.diagonal(dim1=1, dim2=2).sum(1)
    return c + regulariser * trace[:, None, None] * torch.eye(x.shape[2])


def bi_map(matrix, weight):
    return weight.T @ matrix @ weight


def re_eig(matrix, floor=1e-4, ceiling=1e4):
    return SpectralFunction.apply(matrix, *_clamp(floor, ceiling))


def log_eig(matrix, floor=1e-4, ceiling=1e4):
    """log of the eigenvalues clamped to [floor, ceiling]: ReEig and LogEig on one decomposition."""
    return SpectralFunction.apply(matrix, *_clamped_log(floor, ceiling))


def sign_fixed_qr(matrix):
    """The Q of the QR decomposition whose R has a positive diagonal."""
    q, r = np.linalg.qr(matrix)
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return q * signs[..., None, :]


def tangent(weight, grad):
    """Riemannian gradient on the Stiefel manifold: grad - weight sym(weight^T grad)."""
    s = weight.T @ grad
    return grad - weight @ ((s + s.T) / 2)


def repulsion(centres):
    """Sum over ordered pairs j != k of 1 / (|c_j - c_k| + 1), the distance softened so that it has a gradient at 0."""
    difference = centres[:, None, :] - centres[None, :, :]
    distance = (difference.square().sum(-1) + 1e-12).sqrt()
    return (1 / (distance + 1)).sum() - torch.eye(len(centres)).mul(1 / (distance + 1)).sum()


def centre_term(features, labels, centres, reduction):
    squares = (features - centres[labels]).square().sum()
    batch, dimension = features.shape
    return {"sum": squares / 2, "batchMean": squares / 2 / batch, "elementMean": squares / batch / dimension}[reduction]


def distance_loss(features, labels, centres, lambda1, reduction):
    """Equation 4 of the paper: the centre loss plus lambda1 times the repulsion of the centres."""
    return centre_term(features, labels, centres, reduction) + lambda1 * repulsion(centres)


def centre_update(features, labels, centres, lambda1, alpha):
    """c_j - alpha [ sum_i 1(y_i = j)(c_j - x_i) / (1 + n_j) + lambda1 dR/dc_j ]."""
    centres = centres.detach()
    moving = centres.clone().requires_grad_(True)
    (repulsion_grad,) = torch.autograd.grad(repulsion(moving), moving)
    member = torch.nn.functional.one_hot(labels.long(), len(centres)).to(features.dtype)
    counts = member.sum(0)[:, None]
    pull = (counts * centres - member.T @ features.detach()) / (1 + counts)
    return centres - alpha * (pull + lambda1 * repulsion_grad)


def check():
    """The gradients above against central differences, at separated and at exactly equal eigenvalues."""
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    for values in ([1, 2, 3, 4, 5], [2, 2, 2, 7, 7], [1e-6, 1e-5, 1e-5, 1, 3]):
        matrix = torch.tensor(q * np.array(values, float) @ q.T, requires_grad=True)
        symmetric = lambda m: (m + m.T) / 2
        for function in (re_eig, log_eig, lambda m: log_eig(m, 0, np.inf)):
            if min(values) < 1e-4 and function not in (re_eig, log_eig):
                continue
            assert torch.autograd.gradcheck(lambda m: function(symmetric(m)), matrix, eps=1e-7, atol=1e-5), values
