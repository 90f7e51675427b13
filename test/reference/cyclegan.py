"""
CycleGAN at a reduced size: what a generator and a discriminator compute, and ten training steps with both updates and
the history pools' decisions written down. Networks and keys are those of the PyTorch reference implementation
(resnet generator, 'basic' PatchGAN, instance norm without scale and shift), trained as facts of the paper say:
least-squares GAN loss, cycle 10, identity 0.5, Adam 2e-4 (0.5, 0.999), batch 1.

`initial.<net>.<key>` and, at steps 1 and 10, `step<n>.grad.<net>.<key>` and `step<n>.state.<net>.<key>` for the nets
G_A, G_B, D_A, D_B; `real_A`, `real_B` [steps, H, W, 3]; `fake_B`, `rec_A`, `idt_A` of step 1 (NHWC);
`losses` [steps, 8] in the order of LOSSES. Metadata: `config`, `pool` (per step and domain: -1 keeps the new image and
fills the pool, -2 returns the new one, i ≥ 0 returns stored image i and puts the new one in its place).
"""
import numpy as np
import torch
from torch import nn

import safetensors_file
from family import nchw, nhwc, rounded

STEPS, SIZE, POOL = 10, 32, 2
CONFIG = {"ngf": 4, "ndf": 4, "blocks": 2, "imageSize": SIZE, "poolSize": POOL, "lambda": 10, "identity": 0.5}
LOSSES = ("G_A", "G_B", "cycle_A", "cycle_B", "idt_A", "idt_B", "D_A", "D_B")


class ResnetBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        half = lambda: [nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3), nn.InstanceNorm2d(dim)]
        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *half())

    def forward(self, x):
        return x + self.conv_block(x)


class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


def generator(ngf, blocks):
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, ngf, 7), nn.InstanceNorm2d(ngf), nn.ReLU()]
    for width in (ngf, 2 * ngf):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width), nn.ReLU()]
    layers += [ResnetBlock(4 * ngf) for _ in range(blocks)]
    for width in (4 * ngf, 2 * ngf):
        up = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1)
        layers += [up, nn.InstanceNorm2d(width // 2), nn.ReLU()]
    return Net([*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh()])


def discriminator(ndf):
    layers = [nn.Conv2d(3, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, after, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        layers += [nn.Conv2d(ndf * before, ndf * after, 4, stride, 1), nn.InstanceNorm2d(ndf * after), nn.LeakyReLU(0.2)]
    return Net([*layers, nn.Conv2d(8 * ndf, 1, 4, 1, 1)])


def pictures(rng, phase):
    """Smooth random blobs; the two domains differ in colour."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    out = []
    for _ in range(STEPS):
        a, b, c = rng.uniform(1, 4, 3)
        wave = np.sin(a * np.pi * x + phase) * np.cos(b * np.pi * y + c)
        out.append(np.stack([wave * 0.8, wave * 0.5 + 0.3 * phase, -wave * 0.6], -1))
    return rounded(np.clip(np.stack(out) + rng.normal(0, 0.05, (STEPS, SIZE, SIZE, 3)), -1, 1))


class Pool:
    """A history of generated pictures; `decisions` says what to do, as described above."""

    def __init__(self, decisions):
        self.images, self.decisions = [], list(decisions)

    def query(self, image):
        what = self.decisions.pop(0)
        if what == -1:
            self.images.append(image)
            return image
        if what == -2:
            return image
        stored, self.images[what] = self.images[what], image
        return stored


def decisions(rng):
    return [-1 if step < POOL else int(rng.integers(POOL)) if rng.random() < 0.5 else -2 for step in range(STEPS)]


def networks(ngf, ndf, blocks):
    return {
        "G_A": generator(ngf, blocks),
        "G_B": generator(ngf, blocks),
        "D_A": discriminator(ndf),
        "D_B": discriminator(ndf),
    }


class Trainer:
    """Both updates of one step after another; `pools` by domain."""

    def __init__(self, nets, pools, weight, identity, lr=2e-4):
        parameters = lambda *names: [p for name in names for p in nets[name].parameters()]
        adam = lambda *names: torch.optim.Adam(parameters(*names), lr=lr, betas=(0.5, 0.999))
        self.nets, self.pools, self.weight, self.identity = nets, pools, weight, identity
        self.optim_g, self.optim_d = adam("G_A", "G_B"), adam("D_A", "D_B")

    def step(self, a, b):
        """a, b NCHW. Returns the losses by name and the generated pictures."""
        nets, weight = self.nets, self.weight
        l1, mse = nn.L1Loss(), lambda x, target: ((x - target) ** 2).mean()
        for name in ("D_A", "D_B"):
            nets[name].requires_grad_(False)
        fake_b, fake_a = nets["G_A"](a), nets["G_B"](b)
        rec_a, rec_b = nets["G_B"](fake_b), nets["G_A"](fake_a)
        idt_a, idt_b = nets["G_A"](b), nets["G_B"](a)
        score = nets["D_A"](fake_b)
        terms = {
            "G_A": mse(score, 1.0),
            "G_B": mse(nets["D_B"](fake_a), 1.0),
            "cycle_A": l1(rec_a, a) * weight,
            "cycle_B": l1(rec_b, b) * weight,
            "idt_A": l1(idt_a, b) * weight * self.identity,
            "idt_B": l1(idt_b, a) * weight * self.identity,
        }
        self.optim_g.zero_grad()
        sum(terms.values()).backward()
        self.optim_g.step()
        for name in ("D_A", "D_B"):
            nets[name].requires_grad_(True)
        self.optim_d.zero_grad()
        for name, target, domain, fake in (("D_A", b, "B", fake_b), ("D_B", a, "A", fake_a)):
            old = self.pools[domain].query(fake.detach())
            terms[name] = 0.5 * (mse(nets[name](target), 1.0) + mse(nets[name](old), 0.0))
            terms[name].backward()
        self.optim_d.step()
        return terms, {"fake_B": fake_b, "rec_A": rec_a, "idt_A": idt_a, "D_A.fake_B": score}


def trace():
    rng = np.random.default_rng(1703)
    c = CONFIG
    nets = networks(c["ngf"], c["ndf"], c["blocks"])
    tensors = {}
    for name, net in nets.items():
        for key, p in net.named_parameters():
            # Wider than N(0, 0.02), with biases: a trace in which every term is felt.
            p.data = torch.tensor(rounded(rng.normal(0, 0.1, tuple(p.shape))))
            tensors[f"initial.{name}.{key}"] = p.detach().numpy().copy()
    real = {"A": pictures(rng, 0.0), "B": pictures(rng, 1.0)}
    tensors |= {"real_A": real["A"], "real_B": real["B"]}
    chosen = {"A": decisions(rng), "B": decisions(rng)}
    trainer = Trainer(nets, {domain: Pool(chosen[domain]) for domain in "AB"}, c["lambda"], c["identity"])
    losses = []
    for step in range(1, STEPS + 1):
        a, b = (nchw(torch.tensor(real[d][step - 1 : step])) for d in "AB")
        terms, made = trainer.step(a, b)
        losses.append([terms[name].item() for name in LOSSES])
        if step == 1:
            tensors |= {name: nhwc(picture) for name, picture in made.items()}
        if step in (1, STEPS):
            for name, net in nets.items():
                for key, p in net.named_parameters():
                    tensors[f"step{step}.grad.{name}.{key}"] = p.grad.numpy().copy()
                    tensors[f"step{step}.state.{name}.{key}"] = p.detach().numpy().copy()
    tensors["losses"] = np.array(losses)
    tensors = {k: v.detach().numpy().copy() if isinstance(v, torch.Tensor) else v for k, v in tensors.items()}
    return tensors, {"config": c, "pool": chosen, "losses": LOSSES}


def write(folder):
    tensors, metadata = trace()
    size = safetensors_file.write(folder / "cyclegan.safetensors", tensors, metadata)
    print(f"cyclegan: {size / 1024:.0f} KiB, losses {np.round(tensors['losses'][[0, -1]], 4).tolist()}")
