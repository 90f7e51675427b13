"""The comparisons of contenders.ts in PyTorch, NCHW. `works` maps each to what makes its run."""
import torch
import torch.nn.functional as F

works = {}


def work(name):
    def register(make):
        works[name] = make
        return make

    return register


def make(name, device):
    return works[name](device)


@work("matmul 1024³")
def matmul(device):
    a, b = torch.randn(1024, 1024, device=device), torch.randn(1024, 1024, device=device)
    return lambda: a @ b


def convolution(channels, side, leaf):
    """Forward, and with `leaf` 'x' or 'w' also that one's gradient."""

    def make(device):
        x = torch.randn(8, channels, side, side, device=device)
        w = torch.randn(channels, channels, 3, 3, device=device)
        g = torch.randn(8, channels, side, side, device=device)
        if leaf is None:
            return lambda: F.conv2d(x, w, padding=1)
        wanted = {"x": x, "w": w}[leaf].requires_grad_(True)
        return lambda: torch.autograd.grad(F.conv2d(x, w, padding=1), wanted, g)

    return make


for channels, side in ((64, 56), (128, 28), (256, 28), (512, 28)):
    name = f"conv {channels}@{side}"
    work(f"{name} forward")(convolution(channels, side, None))
    work(f"{name} forward + input gradient")(convolution(channels, side, "x"))
    work(f"{name} forward + weight gradient")(convolution(channels, side, "w"))


@work("VGG16 to pool4, one 224×224 picture")
def vgg16(device):
    layers, channels = [], 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0):
        if width:
            layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU(inplace=True)]
            channels = width
        else:
            layers.append(torch.nn.MaxPool2d(2))
    vgg, picture = torch.nn.Sequential(*layers).to(device).eval(), torch.randn(1, 3, 224, 224, device=device)

    def extract():
        with torch.no_grad():
            vgg(picture)

    return extract


def spd(batch, n, device):
    m = torch.randn(batch, 2 * n, n, device=device)
    return m.transpose(1, 2) @ m / (2 * n - 1)


@work("eigh 32 × 64×64")
def eigh(device):
    a = spd(32, 64, device)
    return lambda: torch.linalg.eigh(a)


def log_eig(batch, n):
    def make(device):
        a = spd(batch, n, device).requires_grad_(True)
        gradient = torch.randn(batch, n, n, device=device)

        def run():
            values, vectors = torch.linalg.eigh(a)
            y = (vectors * values.log()[:, None, :]) @ vectors.transpose(1, 2)
            torch.autograd.grad(y, a, gradient)

        return run

    return make


for batch, n in ((32, 64), (128, 64), (128, 128)):
    work(f"log-eig {batch} × {n}×{n} forward + backward")(log_eig(batch, n))
