"""
Ten training steps of each classifier at a reduced width, and a forward pass of VGG16.

A trace file holds `initial.<key>` (state dictionary and `centres`), `input` (NHWC), `labels`, per step `losses`
[steps, 3] (total, cross-entropy, distance or centre loss) and `centres` [steps, K, D], the `logits` of every step
[steps, B, K], at steps 1 and 10 `step<n>.grad.<key>`, `step<n>.tangent.<key>` (orthonormal weights) and
`step<n>.state.<key>` (after the update), and `eval.logits` after the last step. Metadata: `config`, `training`.
"""
import numpy as np
import torch
import torch.nn.functional as F

import networks
import safetensors_file
import spectral_functions as s
from family import rounded
from optimisers import Adam, Stiefel

STEPS = 10
LR = [0.005 - 0.0004 * step for step in range(STEPS)]
TRAINING = {
    "lambda": 0.01,
    "reduction": "batchMean",
    "alpha": 0.5,
    "weightDecay": 0.05,
    "adam": {"betas": [0.9, 0.999], "eps": 0.1, "form": "tensorflow"},
    "lr": LR,
}

# name: network, lambda1 (0 is the plain centre loss), batch norm, width, image size and channels, batch, seed.
# The seeds are chosen: at these no value before a ReLU comes so close to 0 in ten steps that rounding flips its gradient.
TRACES = {
    "dlp": (networks.dlp, 0, False, 1 / 16, (36, 36, 3), 6, 47),
    "baseline": (networks.baseline, 0, True, 1 / 8, (56, 56, 3), 6, 1),
    "so-dl": (networks.baseline, 10, True, 1 / 8, (36, 36, 3), 7, 38),
    "so-dlse": (networks.so_dlse, 10, True, 1 / 8, (44, 44, 3), 6, 53),
    "vfeso-dlse": (networks.vfeso_dlse, 10, True, 1 / 8, (14, 14, 64), 6, 2124397094),
}


def decayed(key):
    """L2 on convolution and FC weights alone: no bias, no batch norm, no BiMap."""
    return key.endswith(".weight") and "bimap" not in key


def optimiser(key):
    adam = Adam(**{k: v for k, v in TRAINING["adam"].items()}, weight_decay=TRAINING["weightDecay"] * decayed(key))
    return Stiefel(adam) if "bimap" in key else adam


def images(rng, shape, batch, labels):
    """Smooth patterns that depend on the class, with noise: there is something to learn."""
    h, w, c = shape
    y, x = np.mgrid[0:h, 0:w] / max(h, w)
    waves = np.stack([np.sin((2 + 3 * k) * np.pi * x) * np.cos((1 + 2 * k) * np.pi * y) for k in range(3)])
    pictures = 0.7 * waves[labels][..., None] + 0.7 * rng.standard_normal((batch, h, w, c))
    return rounded(np.maximum(pictures, 0) if c > 3 else pictures)


def trace(name, seed=None):
    network, lambda1, batch_norm, width, shape, batch, chosen = TRACES[name]
    classes, rng = 3, np.random.default_rng(chosen if seed is None else seed)
    labels = np.arange(batch) % classes
    x, y = torch.tensor(images(rng, shape, batch, labels)), torch.tensor(labels)
    state = networks.State(rng, batch_norm)
    network(state, x[:2], width, classes)  # creates the parameters
    state.margin = float("inf")
    for key, buffer in state.buffers.items():
        buffer.fill_(1.0 if "var" in key else 0.0)
    dimension = state.parameters["classifier.logits.weight"].shape[1]
    centres = torch.tensor(rounded(rng.standard_normal((classes, dimension)) * 0.01))
    tensors = {"input": x.numpy(), "labels": labels, "initial.centres": centres.numpy()}
    for key, value in (state.parameters | state.buffers).items():
        tensors[f"initial.{key}"] = value.detach().numpy().copy()
    optimisers = {key: optimiser(key) for key in state.parameters}
    losses, moved, all_logits = [], [], []
    for step in range(1, STEPS + 1):
        features, logits = network(state, x, width, classes)
        cross_entropy = F.cross_entropy(logits, y)
        distance = s.distance_loss(features, y, centres, lambda1, TRAINING["reduction"])
        loss = cross_entropy + TRAINING["lambda"] * distance
        grads = dict(zip(state.parameters, torch.autograd.grad(loss, list(state.parameters.values()))))
        centres = s.centre_update(features, y, centres, lambda1, TRAINING["alpha"])
        for key, grad in grads.items():
            old = state.parameters[key].detach().numpy()
            new = optimisers[key].update(old, grad.numpy(), LR[step - 1])
            if step in (1, STEPS):
                tensors[f"step{step}.grad.{key}"] = grad.numpy()
                tensors[f"step{step}.state.{key}"] = new
                if "bimap" in key:
                    tensors[f"step{step}.tangent.{key}"] = s.tangent(old, grad.numpy())
            state.parameters[key] = torch.tensor(new, requires_grad=True)
        if step in (1, STEPS):
            for key, value in state.buffers.items():
                tensors[f"step{step}.state.{key}"] = value.numpy().copy()
        losses.append([loss.item(), cross_entropy.item(), distance.item()])
        moved.append(centres.numpy())
        all_logits.append(logits.detach().numpy())
    margin = state.margin
    state.training = False
    tensors["eval.logits"] = network(state, x, width, classes)[1].detach().numpy()
    tensors |= {"losses": np.array(losses), "centres": np.stack(moved), "logits": np.stack(all_logits)}
    config = {"model": name, "width": width, "classes": classes}
    config |= {"imageSize": shape[0]} if shape[2] == 3 else {"inputChannels": shape[2], "inputSize": shape[0]}
    return tensors, {"config": config, "training": TRAINING | {"lambda1": lambda1}, "margin": margin}


def vgg16():
    rng = np.random.default_rng(16)
    x = torch.tensor(rounded(rng.standard_normal((2, 64, 64, 3))))
    state = networks.State(rng, False)
    width, classes = 1 / 16, 10
    pools, logits = networks.vgg16(state, x, width, classes)
    tensors = {f"initial.{key}": value.detach().numpy() for key, value in state.parameters.items()}
    tensors |= {f"pool{i}": value.detach().numpy() for i, value in enumerate(pools, 1)}
    tensors |= {"input": x.numpy(), "logits": logits.detach().numpy()}
    return tensors, {"config": {"model": "vgg16", "width": width, "classes": classes, "imageSize": 64}}


NAMES = (*TRACES, "vgg16")


def write(name, folder):
    tensors, metadata = vgg16() if name == "vgg16" else trace(name)
    for key, value in tensors.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name}/{key} is not finite")
    size = safetensors_file.write(folder / f"{name}.safetensors", tensors, metadata)
    first_to_last = f", loss {tensors['losses'][0, 0]:.4f} to {tensors['losses'][-1, 0]:.4f}" if "losses" in tensors else ""
    print(f"{name}: {size / 1024:.0f} KiB{first_to_last}")
