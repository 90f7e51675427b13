"""
Optimiser steps: `input.parameter`, `input.grads` [steps, ...] to `output` [steps, ...], the parameter after each step.
Attribute `lr` holds the rate of each step. Adam and SGD are checked against torch.optim as they are written.
"""
import numpy as np
import torch

import spectral_functions as s
from family import Family, rounded
from optimisers import Adam, Sgd, Stiefel


def steps(family, case, op, make, parameter, grads, lr, attributes, torch_optimiser=None):
    parameter, grads = rounded(parameter), rounded(grads)
    optimiser, value, trace = make(), parameter, []
    for grad, rate in zip(grads, lr):
        value = optimiser.update(value, grad, rate)
        trace.append(value)
    if torch_optimiser:
        leaf = torch.tensor(parameter, requires_grad=True)
        other = torch_optimiser([leaf])
        for grad, rate, expected in zip(grads, lr, trace):
            other.param_groups[0]["lr"] = rate
            leaf.grad = torch.tensor(grad)
            other.step()
            np.testing.assert_allclose(leaf.detach().numpy(), expected, rtol=1e-12, atol=1e-14)
    tensors = {"input.parameter": parameter, "input.grads": grads, "output": np.stack(trace)}
    family.put(case, op, {"lr": list(lr)} | attributes, tensors)


def adam(family):
    cases = {
        "standard": (1e-8, "pytorch", 0.0, [1e-3] * 5),
        "large-eps": (0.1, "pytorch", 0.0, [0.005] * 5),
        "tensorflow": (0.1, "tensorflow", 0.0, [0.005] * 5),
        "tensorflow-small-eps": (1e-8, "tensorflow", 0.0, [1e-3] * 5),
        "coupled-l2": (1e-8, "pytorch", 0.05, [1e-3] * 5),
        "covpoolfer": (0.1, "tensorflow", 0.05, [0.005, 0.004, 0.003, 0.002, 0.001]),
    }
    for name, (eps, form, weight_decay, lr) in cases.items():
        case = f"adam-{name}"
        rng = family.rng(case)
        shape = (7, 5)
        grads = rng.standard_normal((len(lr),) + shape) * np.exp(rng.standard_normal(shape) * 3)
        grads[:, 0, 0] = 0
        check = lambda leaf: torch.optim.Adam(leaf, eps=eps, weight_decay=weight_decay)
        attributes = {"betas": [0.9, 0.999], "eps": eps, "form": form, "weightDecay": weight_decay}
        make = lambda: Adam(eps=eps, form=form, weight_decay=weight_decay)
        steps(family, case, "adam", make, rng.standard_normal(shape), grads, lr, attributes, check if form == "pytorch" else None)
    rng = family.rng("adam-gan")
    attributes = {"betas": [0.5, 0.999], "eps": 1e-8, "form": "pytorch", "weightDecay": 0}
    make = lambda: Adam(betas=(0.5, 0.999))
    check = lambda leaf: torch.optim.Adam(leaf, betas=(0.5, 0.999))
    steps(family, "adam-gan", "adam", make, rng.standard_normal(33), rng.standard_normal((4, 33)), [2e-4] * 4, attributes, check)


def sgd(family):
    for name, momentum, weight_decay in (("plain", 0, 0), ("momentum", 0.9, 0), ("momentum-l2", 0.9, 0.05)):
        case = f"sgd-{name}"
        rng = family.rng(case)
        check = lambda leaf: torch.optim.SGD(leaf, lr=1, momentum=momentum, weight_decay=weight_decay)
        attributes = {"momentum": momentum, "weightDecay": weight_decay}
        make = lambda: Sgd(momentum, weight_decay)
        lr = [0.1, 0.1, 0.05, 0.01]
        steps(family, case, "sgd", make, rng.standard_normal((6, 3)), rng.standard_normal((4, 6, 3)), lr, attributes, check)


def stiefel(family):
    for rows, columns in ((6, 6), (7, 3), (32, 16), (64, 32)):
        for name, inner, attributes in (
            ("sgd", lambda: Sgd(), {"inner": "sgd"}),
            ("adam", lambda: Adam(eps=0.1, form="tensorflow"), {"inner": "adam", "betas": [0.9, 0.999], "eps": 0.1, "form": "tensorflow"}),
        ):
            case = f"stiefel-{name}-{rows}x{columns}"
            rng = family.rng(case)
            start = s.sign_fixed_qr(rng.standard_normal((rows, columns)))
            grads = rng.standard_normal((4, rows, columns))
            steps(family, case, "stiefel", lambda: Stiefel(inner()), start, grads, [0.05] * 4, attributes)
    for rows, columns in ((1, 1), (5, 5), (17, 6), (64, 32)):
        case = f"signFixedQr-{rows}x{columns}"
        x = rounded(family.rng(case).standard_normal((rows, columns)))
        family.put(case, "signFixedQr", {}, {"input.x": x, "output": s.sign_fixed_qr(x)})


def build():
    family = Family("optim")
    for add in (adam, sgd, stiefel):
        add(family)
    return family
