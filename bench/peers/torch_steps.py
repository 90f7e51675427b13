"""
Whole training steps in PyTorch float32: the networks of test/reference, which the models are tested against, with weights
and inputs that the bench hands over in a safetensors file, so that the losses of both can be compared.

The classifiers are the reference's functions with what PyTorch has ready-made in place of the float64 truth: batch norm on
NCHW, torch.linalg.eigh, torch.optim.Adam. No value of the reference's bookkeeping is computed.
"""
import math

import torch
import torch.nn.functional as F

import cyclegan
import networks
import safetensors_file
import spectral_functions as s
import traces
from family import nchw, nhwc


class Spectral(torch.autograd.Function):
    """
    A function of symmetric matrices by torch.linalg.eigh, with the Daleckii-Krein gradient: eigh's own divides by
    differences of eigenvalues and gives NaN where there are fewer positions than channels. It costs the same four products.
    """

    @staticmethod
    def forward(ctx, matrix, function, derivative):
        values, vectors = torch.linalg.eigh(matrix)
        ctx.save_for_backward(values, vectors)
        ctx.functions = function, derivative
        return (vectors * function(values)[:, None, :]) @ vectors.transpose(1, 2)

    @staticmethod
    def backward(ctx, grad):
        (values, vectors), (function, derivative) = ctx.saved_tensors, ctx.functions
        f, transposed = function(values), vectors.transpose(1, 2)
        a, b = values[:, :, None], values[:, None, :]
        gap = a - b
        close = gap.abs() <= 1e-3 * torch.maximum(a.abs(), b.abs())  # the midpoint rule errs by a millionth there
        quotient = (f[:, :, None] - f[:, None, :]) / torch.where(close, torch.ones_like(gap), gap)
        loewner = torch.where(close, derivative((a + b) / 2), quotient)
        symmetric = (grad + grad.transpose(1, 2)) / 2
        return vectors @ (loewner * (transposed @ symmetric @ vectors)) @ transposed, None, None


def inside(l):
    return ((l > FLOOR) & (l < CEILING)).to(l.dtype)


FLOOR, CEILING = 1e-4, 1e4
CLAMP = (lambda l: l.clamp(FLOOR, CEILING)), inside
LOG = (lambda l: l.clamp(FLOOR, CEILING).log()), (lambda l: inside(l) / l.clamp(FLOOR, CEILING))


class State(networks.State):
    """A given state. Memory format: NHWC (channels_last) activations, as the pictures come."""

    def __init__(self, parameters, batch_norm, every_re_eig):
        super().__init__(None, batch_norm)
        self.parameters, self.every_re_eig = parameters, every_re_eig

    def relu(self, x):
        return F.relu(x, inplace=x.dim() == 4)  # a convolution's or its norm's output: nothing else reads it

    def norm(self, key, x):
        channels = x.shape[-1]
        if f"{key}.running_mean" not in self.buffers:
            self.buffers[f"{key}.running_mean"] = torch.zeros(channels, device=x.device)
            self.buffers[f"{key}.running_var"] = torch.ones(channels, device=x.device)
            # Without a weight PyTorch's CUDA kernels give the bias no gradient.
            self.buffers[f"{key}.ones"] = torch.ones(channels, device=x.device)
        mean, var, weight = (self.buffers[f"{key}.{name}"] for name in ("running_mean", "running_var", "ones"))
        bias = self.parameters[f"{key}.bias"]
        norm = lambda y: F.batch_norm(y, mean, var, weight, bias, True, networks.BN_MOMENTUM, networks.BN_EPS)
        return nhwc(norm(nchw(x))) if x.dim() == 4 else norm(x)

    def re_eig(self, matrix):
        """No eigenvalue of these inputs is near the floor: without `every_re_eig` the layer is left out, as ours does."""
        return Spectral.apply(matrix, *CLAMP) if self.every_re_eig else matrix

    def log_eig(self, matrix):
        return Spectral.apply(matrix, *LOG)


def retracted(weight):
    """sign_fixed_qr of the reference, on the weight's own device."""
    q, r = torch.linalg.qr(weight)
    return torch.where(r.diagonal() < 0, -q, q)


def classifier(work, tensors, device):
    images, labels, centres = tensors.pop("images"), tensors.pop("labels").long(), tensors.pop("centres")
    parameters = {key: t.requires_grad_(True) for key, t in tensors.items() if ".running_" not in key}
    network = getattr(networks, work["model"].replace("-", "_"))
    state = State(parameters, work["batchNorm"], work["everyReEig"])
    stiefel = [p for key, p in parameters.items() if "bimap" in key]
    decayed = [p for key, p in parameters.items() if traces.decayed(key)]
    others = [p for key, p in parameters.items() if "bimap" not in key and not traces.decayed(key)]
    groups = [{"params": decayed, "weight_decay": work["weightDecay"]}, {"params": stiefel + others}]
    beta1, beta2 = work["betas"]
    adam = torch.optim.Adam([g for g in groups if g["params"]], lr=work["lr"], betas=(beta1, beta2))
    moved = {"centres": centres, "steps": 0}

    def step():
        moved["steps"] += 1
        # TensorFlow's form lets epsilon meet the uncorrected second moment.
        for group in adam.param_groups:
            group["eps"] = work["eps"] / math.sqrt(1 - beta2 ** moved["steps"])
        features, logits = network(state, images, 1, work["classes"])
        cross_entropy = F.cross_entropy(logits, labels)
        distance = s.distance_loss(features, labels, moved["centres"], work["lambda1"], work["reduction"])
        loss = cross_entropy + work["lambda"] * distance
        adam.zero_grad(set_to_none=True)
        loss.backward()
        for p in stiefel:
            p.grad = s.tangent(p.detach(), p.grad)
        adam.step()
        with torch.no_grad():
            for p in stiefel:
                p.copy_(retracted(p))
        moved["centres"] = s.centre_update(features, labels, moved["centres"], work["lambda1"], work["alpha"])
        return {"loss": loss, "crossEntropy": cross_entropy, "distance": distance}

    return step


def cycle_gan(work, tensors, device):
    a, b = (nchw(tensors.pop(name)).contiguous() for name in "ab")
    nets = cyclegan.networks(work["ngf"], work["ndf"], work["blocks"])
    for name, net in nets.items():
        mine = {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")}
        net.to(device).load_state_dict(mine)
    tensors.clear()
    # Histories that are still being filled show every picture as it comes; so do ours in their first poolSize steps.
    pools = {domain: cyclegan.Pool([-2] * 10_000) for domain in "AB"}
    trainer = cyclegan.Trainer(nets, pools, work["lambda"], work["identity"], work["lr"])
    return lambda: trainer.step(a, b)[0]


def small_cnn(work, tensors, device):
    images, targets = nchw(tensors.pop("images")).contiguous(), tensors.pop("targets")
    c1, b1, c2, b2, dense, b3 = (tensors[key].requires_grad_(True) for key in work["parameters"])
    optimizer = torch.optim.SGD([c1, b1, c2, b2, dense, b3], lr=work["lr"])

    def step():
        h = F.max_pool2d(F.relu(F.conv2d(images, c1, b1, padding=1), inplace=True), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, c2, b2, padding=1), inplace=True), 2)
        loss = F.mse_loss(F.linear(nhwc(h).flatten(1), dense, b3), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    return step


steps = {"classifier": classifier, "cycleGan": cycle_gan, "smallCnn": small_cnn}


def make(work, device):
    tensors = {key: torch.tensor(array).to(device) for key, array in safetensors_file.read(work["file"]).items()}
    return steps[work["step"]](work, tensors, device)
