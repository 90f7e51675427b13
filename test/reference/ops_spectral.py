"""
The covariance head and the distance loss.

Matrices of the covariance kind come from 32-bit inputs, so "exactly equal" eigenvalues are built exactly (diagonal,
or rotated by a Hadamard matrix) and "near-equal" ones carry the rounding of the input; the truth is of the rounded input.
`tangent.<weight>` is the gradient projected onto the Stiefel tangent space: a path that uses W^T W = I (low rank) has
another Euclidean gradient, and the same projection.
"""
import numpy as np
import torch

import spectral_functions as s
from family import Family, rounded


def features(rng, batch, positions, channels, scale=1.0):
    """What a ReLU leaves: non-negative, correlated, channels of different size."""
    mix = rng.standard_normal((channels, channels)) / np.sqrt(channels)
    x = rng.standard_normal((batch, positions, channels)) @ mix * np.exp(rng.standard_normal(channels) / 2)
    return np.maximum(x + 0.3, 0) * scale


def regularised_covariance(rng, batch, positions, channels, scale=1.0):
    x = torch.tensor(features(rng, batch, positions, channels, scale))
    return s.covariance(x, 1e-4).numpy()


def stiefel(rng, rows, columns):
    return rounded(s.sign_fixed_qr(rng.standard_normal((rows, columns))))


def with_eigenvalues(rng, values):
    d = len(values)
    q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    matrix = rounded(q * np.asarray(values) @ q.T)
    return (matrix + matrix.T) / 2


def hadamard(d):
    h = np.ones((1, 1))
    while len(h) < d:
        h = np.block([[h, h], [h, -h]])
    return h


def spectra(rng):
    """The matrices of every case that a spectral layer must survive: [batch, d, d] each."""
    near = [1 + k * 1e-7 for k in range(8)] + [0.05 * (1 + k * 1e-7) for k in range(8)]
    h = hadamard(64)
    equal64 = h * np.repeat([0.25, 0.5, 2, 8], 16) @ h.T / 64
    return {
        "one-by-one": np.array([[[2.5]]]),
        "two": np.stack([with_eigenvalues(rng, [0.5, 3])]),
        "separated-3": np.stack([with_eigenvalues(rng, [0.2, 1, 4]) for _ in range(2)]),
        "separated-16": np.stack([with_eigenvalues(rng, np.geomspace(0.01, 20, 16)) for _ in range(3)]),
        "separated-odd-17": np.stack([with_eigenvalues(rng, np.geomspace(0.02, 9, 17)) for _ in range(2)]),
        "separated-64": np.stack([with_eigenvalues(rng, np.geomspace(0.02, 20, 64))]),
        "covariance-64": regularised_covariance(rng, 2, 144, 64),
        "covariance-128": regularised_covariance(rng, 1, 144, 128),
        "rank-8-of-64": regularised_covariance(rng, 2, 9, 64),
        "trace-below-1": regularised_covariance(rng, 2, 9, 32, 0.05),
        "zero-image": np.zeros((1, 16, 16)),
        "zero-image-in-a-batch": np.concatenate([np.zeros((1, 8, 8)), regularised_covariance(rng, 2, 30, 8)]),
        "equal-identity": np.eye(8)[None] * 3,
        "equal-diagonal": np.diag([1.0, 1, 1, 4, 4, 4, 4, 9, 9])[None],
        "equal-hadamard-64": equal64[None],
        "near-equal-1e-7": np.stack([with_eigenvalues(rng, near)]),
        "near-equal-diagonal": np.diag([1, 1 + 2**-23, 1 + 2**-22, 5, 5 + 2**-21, 5 + 2**-20, 40])[None],
        "rank-1": np.full((1, 6, 6), 2.0) + 1e-3 * np.eye(6),
        "above-the-ceiling": np.diag([1e-6, 1.0, 30, 2e4, 5e4])[None],
    }


def spectral_layers(family):
    matrices = spectra(family.rng("spectra"))
    bounds = {"floor": 1e-4, "ceiling": 1e4}
    for name, matrix in matrices.items():
        family.case(f"logEig-{name}", "logEig", lambda x: s.log_eig(x), {"x": matrix}, bounds)
        if matrix.shape[-1] < 64:
            family.case(f"reEig-{name}", "reEig", lambda x: s.re_eig(x), {"x": matrix}, bounds)
        small = matrix.shape[-1] <= 17 or name in ("covariance-64", "rank-8-of-64", "equal-hadamard-64")
        if small:
            eigh(family, name, matrix[:1] if matrix.shape[-1] == 64 else matrix)
    for name in ("separated-16", "equal-diagonal", "rank-1"):
        run = lambda x: s.log_eig(x, 0, np.inf)
        family.case(f"logEig-unclamped-{name}", "logEig", run, {"x": matrices[name]}, {"floor": None, "ceiling": None})


def eigh(family, name, matrix):
    """Ascending values; vectors as columns, the largest entry of each positive. Gradient of the values alone."""
    x = rounded(matrix)
    values, vectors = np.linalg.eigh(x)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(-2)[..., None, :], -2)
    vectors = vectors * np.sign(largest)
    g = rounded(family.rng(f"eigh-{name}").standard_normal(values.shape))
    tensors = {
        "input.x": x,
        "output.values": values,
        "output.vectors": vectors,
        "grad_output.values": g,
        "grad.x": vectors * g[..., None, :] @ np.swapaxes(vectors, -1, -2),
    }
    gaps = np.diff(values)
    simple = bool((gaps > 1e-4 * np.abs(values[..., -1:])).all())
    family.put(f"eigh-{name}", "eigh", {"simple": simple}, tensors)


def covariance_and_bi_map(family):
    rng = family.rng("covariance")
    shapes = {"tall": (2, 20, 6), "wide": (2, 9, 16), "odd": (3, 7, 5), "two-positions": (1, 2, 4), "trunk": (1, 144, 64)}
    run = lambda x: s.covariance(x, 1e-4)
    for name, shape in shapes.items():
        family.case(f"covariance-{name}", "covariance", run, {"x": features(rng, *shape)}, {"regulariser": 1e-4})
    family.case("covariance-zero-image", "covariance", run, {"x": np.zeros((1, 12, 5))}, {"regulariser": 1e-4})
    family.case("covariance-constant", "covariance", run, {"x": np.full((2, 6, 3), 4.0)}, {"regulariser": 1e-4})
    offset = rng.standard_normal((1, 50, 6)) + 1000
    family.case("covariance-large-mean", "covariance", run, {"x": offset}, {"regulariser": 1e-4})
    run = lambda x: s.covariance(x, 0)
    family.case("covariance-unregularised", "covariance", run, {"x": (2, 10, 4)}, {"regulariser": 0})
    for name, (batch, d, k) in {"half": (2, 16, 8), "odd": (3, 7, 5), "square": (1, 6, 6), "to-64": (1, 128, 64)}.items():
        inputs = {"x": regularised_covariance(rng, batch, 40, d), "weight": stiefel(rng, d, k)}
        family.case(f"biMap-{name}", "biMap", lambda x, weight: s.bi_map(x, weight), inputs)


def head(x, floor=1e-4, ceiling=1e4, regulariser=1e-4, **weights):
    """Covariance, then BiMap and ReEig for each weight, then LogEig: no shortcut taken."""
    matrix = s.covariance(x, regulariser)
    for weight in weights.values():
        matrix = s.re_eig(s.bi_map(matrix, weight), floor, ceiling)
    return s.log_eig(matrix, floor, ceiling)


def heads(family):
    rng = family.rng("heads")
    zero = np.zeros((1, 9, 16))
    cases = {
        "full-rank": (features(rng, 2, 144, 32), [16, 8]),
        "one-bi-map": (features(rng, 2, 60, 16), [8]),
        "low-rank-9-of-16": (features(rng, 3, 9, 32), [16]),
        "low-rank-two-bi-maps": (features(rng, 2, 9, 64), [32, 16]),
        "low-rank-odd": (features(rng, 2, 5, 13), [7]),
        "one-image": (features(rng, 1, 9, 32), [16, 8]),
        "trace-below-1": (features(rng, 2, 9, 32, 0.04), [16, 8]),
        "trace-below-1-full-rank": (features(rng, 2, 100, 16, 0.1), [8]),
        "zero-image": (zero, [8, 4]),
        "mixed-batch": (np.concatenate([features(rng, 1, 9, 16), zero, features(rng, 1, 9, 16, 0.05)]), [8, 4]),
    }
    for name, (x, widths) in cases.items():
        weights, rows = {}, x.shape[2]
        for index, columns in enumerate(widths):
            weights[f"weight{index}"] = stiefel(rng, rows, columns)
            rows = columns
        case = f"covarianceLogEig-{name}"
        attributes = {"regulariser": 1e-4, "floor": 1e-4, "ceiling": 1e4}
        family.case(case, "covarianceLogEig", head, {"x": x} | weights, attributes)
        for key, weight in weights.items():
            family.tensors[f"{case}/tangent.{key}"] = s.tangent(weight, family.tensors[f"{case}/grad.{key}"])


def losses(family):
    rng = family.rng("losses")
    for reduction in ("batchMean", "sum", "elementMean"):
        cases = {
            "three": (7, 3, 16, rng.standard_normal((3, 16)) * 0.3),
            "one-image": (1, 3, 8, rng.standard_normal((3, 8))),
            "class-absent": (4, 5, 6, rng.standard_normal((5, 6))),
            "small-centres": (6, 3, 128, rng.standard_normal((3, 128)) * 0.01),
            "equal-centres": (5, 3, 4, np.zeros((3, 4))),
        }
        for name, (batch, classes, dimension, centres) in cases.items():
            labels = rng.integers(0, min(classes, 3), batch)
            inputs = {"features": (batch, dimension), "labels": labels, "centres": centres}

            def centre_loss(features, labels, centres):
                loss = s.centre_term(features, labels.long(), centres, reduction)
                return {"": loss, "centres": s.centre_update(features, labels, centres, 0, 0.5)}

            def distance_loss(features, labels, centres):
                loss = s.distance_loss(features, labels.long(), centres, 10, reduction)
                return {"": loss, "centres": s.centre_update(features, labels, centres, 10, 0.5)}

            attributes = {"reduction": reduction, "alpha": 0.5}
            family.case(f"centreLoss-{reduction}-{name}", "centreLoss", centre_loss, inputs, attributes)
            attributes = attributes | {"lambda1": 10}
            family.case(f"distanceLoss-{reduction}-{name}", "distanceLoss", distance_loss, inputs, attributes)


def build():
    s.check()
    family = Family("spectral")
    for add in (covariance_and_bi_map, spectral_layers, heads, losses):
        add(family)
    return family
