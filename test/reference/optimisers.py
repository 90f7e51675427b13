"""Optimiser steps in float64 numpy, shared by the op references and the model traces."""
import numpy as np

import spectral_functions as s


class Adam:
    """
    form 'pytorch': p -= lr * m^ / (sqrt(v^) + eps) with both moments bias-corrected.
    form 'tensorflow': p -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps); eps meets the uncorrected v.
    weight_decay is coupled: the gradient of weight_decay / 2 * |p|^2 is added before the moments.
    """

    def __init__(self, betas=(0.9, 0.999), eps=1e-8, form="pytorch", weight_decay=0.0):
        self.betas, self.eps, self.form, self.weight_decay = betas, eps, form, weight_decay
        self.m, self.v, self.t = 0.0, 0.0, 0

    def update(self, parameter, grad, lr):
        b1, b2 = self.betas
        grad = grad + self.weight_decay * parameter
        self.t += 1
        self.m = b1 * self.m + (1 - b1) * grad
        self.v = b2 * self.v + (1 - b2) * grad * grad
        c1, c2 = 1 - b1**self.t, 1 - b2**self.t
        if self.form == "tensorflow":
            return parameter - lr * np.sqrt(c2) / c1 * self.m / (np.sqrt(self.v) + self.eps)
        return parameter - lr * (self.m / c1) / (np.sqrt(self.v / c2) + self.eps)


class Sgd:
    def __init__(self, momentum=0.0, weight_decay=0.0):
        self.momentum, self.weight_decay, self.buffer = momentum, weight_decay, None

    def update(self, parameter, grad, lr):
        grad = grad + self.weight_decay * parameter
        if self.momentum:
            self.buffer = grad if self.buffer is None else self.momentum * self.buffer + grad
            grad = self.buffer
        return parameter - lr * grad


class Stiefel:
    """The tangent gradient goes through the inner optimiser unchanged; a sign-fixed QR puts the result back."""

    def __init__(self, inner):
        self.inner = inner

    def update(self, parameter, grad, lr):
        return s.sign_fixed_qr(self.inner.update(parameter, s.tangent(parameter, grad), lr))
