"""
The classifiers in PyTorch float64, written as functions of a flat state dictionary whose keys and shapes are those of
the TypeScript models. Images NHWC in, (features, logits) out. `State` doubles as the initialiser.
"""
import numpy as np
import torch
import torch.nn.functional as F

import spectral_functions as s
from family import nchw, nhwc, rounded

BN_EPS, BN_MOMENTUM = 1e-3, 0.005


class State:
    """Creates a parameter on first use, then returns the leaf. Weights are what a seeded normal gives, float32-exact."""

    def __init__(self, rng, batch_norm):
        self.rng, self.batch_norm, self.training = rng, batch_norm, True
        self.parameters, self.buffers, self.margin = {}, {}, float("inf")

    def normal(self, key, shape, std):
        if key not in self.parameters:
            value = rounded(self.rng.standard_normal(shape) * std)
            self.parameters[key] = torch.tensor(value, requires_grad=True)
        return self.parameters[key]

    def weight(self, key, shape):
        return self.normal(f"{key}.weight", shape, (2 / np.prod(shape[1:])) ** 0.5)

    def bias(self, key, shape):
        return self.normal(f"{key}.bias", shape, 0.1)

    def stiefel(self, key, rows, columns):
        if f"{key}.weight" not in self.parameters:
            value = rounded(s.sign_fixed_qr(self.rng.standard_normal((rows, columns))))
            self.parameters[f"{key}.weight"] = torch.tensor(value, requires_grad=True)
        return self.parameters[f"{key}.weight"]

    def norm(self, key, x):
        """Batch norm with a shift and no scale over all axes but the last."""
        channels = x.shape[-1]
        mean = self.buffers.setdefault(f"{key}.running_mean", torch.zeros(channels))
        var = self.buffers.setdefault(f"{key}.running_var", torch.ones(channels))
        bias, flat = self.bias(key, (channels,)), x.reshape(-1, channels)
        y = F.batch_norm(flat, mean, var, None, bias, self.training, BN_MOMENTUM, BN_EPS)
        return y.reshape(x.shape)

    def relu(self, x):
        """Remembers how close a value came to 0 (in standard deviations), where 32-bit rounding could flip its sign."""
        self.margin = min(self.margin, (x.detach().abs().min() / x.detach().std()).item())
        return F.relu(x)

    def conv(self, number, x, channels):
        """conv 3x3 + batch norm (no conv bias) + ReLU, or conv 3x3 with bias + ReLU."""
        weight = self.weight(f"{number}", (channels, x.shape[3], 3, 3))
        bias = None if self.batch_norm else self.bias(f"{number}", (channels,))
        y = nhwc(F.conv2d(nchw(x), weight, bias, padding=1))
        return self.relu(self.norm(number.replace("conv", "bn"), y) if self.batch_norm else y)

    def re_eig(self, matrix):
        return s.re_eig(matrix)

    def log_eig(self, matrix):
        return s.log_eig(matrix)

    def linear(self, key, x, features, bias):
        weight = self.weight(key, (features, x.shape[1]))
        return F.linear(x, weight, self.bias(key, (features,)) if bias else None)


def pool(x):
    return nhwc(F.max_pool2d(nchw(x), 2))


def scaled(channels, width):
    return max(1, round(channels * width))


def trunk(state, x, width):
    c64, c96, c128, c256 = (scaled(c, width) for c in (64, 96, 128, 256))
    x = pool(state.conv("trunk.conv1", x, c64))
    x = pool(state.conv("trunk.conv2", x, c96))
    x = state.conv("trunk.conv3", x, c128)
    x = pool(state.conv("trunk.conv4", x, c128))
    x = state.conv("trunk.conv5", x, c256)
    return state.conv("trunk.conv6", x, c256)


def se_block(state, x, reduction=16):
    channels = x.shape[3]
    hidden = state.relu(state.linear("se.fc1", x.mean((1, 2)), max(1, channels // reduction), True))
    return x * torch.sigmoid(state.linear("se.fc2", hidden, channels, True))[:, None, None, :]


def covariance_head(state, x, width):
    batch, _, _, channels = x.shape
    matrix = s.covariance(x.reshape(batch, -1, channels), 1e-4)
    rows = channels
    for index, columns in enumerate((128, 64), 1):
        columns = scaled(columns, width)
        matrix = state.re_eig(s.bi_map(matrix, state.stiefel(f"head.bimap{index}", rows, columns)))
        rows = columns
    return state.log_eig(matrix).reshape(batch, -1)


def classifier(state, x, width, classes):
    """FC 2000 + BN + ReLU, FC 128 + BN (the features) + ReLU, FC classes."""
    x = state.relu(state.norm("classifier.bn1", state.linear("classifier.fc1", x, scaled(2000, width), False)))
    features = state.norm("classifier.bn2", state.linear("classifier.fc2", x, scaled(128, width), False))
    return features, state.linear("classifier.logits", state.relu(features), classes, True)


def dlp(state, x, width, classes):
    x = trunk(state, x, width).flatten(1)
    features = state.linear("classifier.fc1", x, scaled(2000, width), True)
    return features, state.linear("classifier.logits", state.relu(features), classes, True)


def baseline(state, x, width, classes):
    return classifier(state, covariance_head(state, trunk(state, x, width), width), width, classes)


def so_dlse(state, x, width, classes):
    return classifier(state, covariance_head(state, se_block(state, trunk(state, x, width)), width), width, classes)


def vfeso_dlse(state, x, width, classes):
    """x: what VGG16's pool4 leaves."""
    c256 = scaled(256, width)
    x = se_block(state, x)
    x = pool(state.conv("tail.conv1", x, c256))
    x = pool(state.conv("tail.conv2", x, c256))
    x = state.conv("tail.conv3", x, c256)
    return classifier(state, covariance_head(state, x, width), width, classes)


VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


def vgg16(state, x, width, classes):
    """Returns the output of every pool, and the logits (no dropout); torchvision's keys, NCHW order at the flattening."""
    pools, index = [], 0
    for layer in VGG16:
        if layer == "M":
            x = pool(x)
            pools.append(x)
            index += 1
        else:
            channels = scaled(layer, width)
            weight = state.weight(f"features.{index}", (channels, x.shape[3], 3, 3))
            x = F.relu(nhwc(F.conv2d(nchw(x), weight, state.bias(f"features.{index}", (channels,)), padding=1)))
            index += 2
    x = nchw(x).flatten(1)
    hidden = scaled(4096, width)
    x = F.relu(state.linear("classifier.0", x, hidden, True))
    x = F.relu(state.linear("classifier.3", x, hidden, True))
    return pools, state.linear("classifier.6", x, classes, True)
