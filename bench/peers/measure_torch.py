"""Times the comparisons in PyTorch on the CPU, or with `cuda` on the GPU (TF32 off and on); prints JSON."""
import json
import sys
import time

import torch
import torch.nn.functional as F

device = sys.argv[1]
rounds = int(sys.argv[2])
if device == "cpu":
    torch.set_num_threads(int(sys.argv[3]))
sync = torch.cuda.synchronize if device == "cuda" else lambda: None


def timed(run):
    samples = []
    for i in range(rounds + 1):
        start = time.perf_counter()
        run()
        sync()
        samples.append(1000 * (time.perf_counter() - start))
    return samples[1:]


def comparisons():
    a, b = torch.randn(1024, 1024, device=device), torch.randn(1024, 1024, device=device)
    yield "matmul 1024³", lambda: a @ b
    for c, side in ((64, 56), (128, 28), (256, 28)):
        x = torch.randn(8, c, side, side, device=device)
        w = torch.randn(c, c, 3, 3, device=device)
        g = torch.randn(8, c, side, side, device=device)

        def gradient(leaf, x=x, w=w, g=g):
            leaf.requires_grad_(True)
            y = F.conv2d(x, w, padding=1)
            torch.autograd.grad(y, leaf, g)
            leaf.requires_grad_(False)

        yield f"conv {c}@{side} forward", lambda x=x, w=w: F.conv2d(x, w, padding=1)
        yield f"conv {c}@{side} forward + input gradient", lambda x=x, f=gradient: f(x)
        yield f"conv {c}@{side} forward + weight gradient", lambda w=w, f=gradient: f(w)
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

    yield "VGG16 to pool4, one 224×224 picture", extract
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(32 * 49, 10),
    ).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x, y = torch.randn(64, 1, 28, 28, device=device), torch.randn(64, 10, device=device)

    def step():
        optimizer.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimizer.step()

    yield "small CNN step", step
    m = torch.randn(32, 128, 64, device=device)
    spd = m.transpose(1, 2) @ m / 127
    yield "eigh 32 × 64×64 (ours: log-eig forward + backward)", lambda: torch.linalg.eigh(spd)


blas = "MKL" if torch.backends.mkl.is_available() else "other BLAS"
if device == "cuda":
    tf32 = sys.argv[3] == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    name = f"PyTorch {torch.__version__} ({torch.cuda.get_device_name()}, TF32 {'on' if tf32 else 'off'})"
else:
    name = f"PyTorch {torch.__version__} (CPU, {torch.get_num_threads()} threads, {blas})"
print(json.dumps({"name": name, "samples": {key: timed(run) for key, run in comparisons()}}))
