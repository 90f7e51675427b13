"""
Writes the reference outputs that the tests compare against, with PyTorch 1.13 or later and numpy:

    python3 test/reference/generate.py             # everything
    python3 test/reference/generate.py ops/gemm     # only what contains one of the words
"""
import importlib
import pathlib
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
OPS = ("gemm", "pointwise", "spectral", "optim")


def main(words):
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    sys.path.insert(0, str(HERE))
    wanted = lambda name: not words or any(word in name for word in words)
    for name in OPS:
        if wanted(f"ops/{name}"):
            importlib.import_module(f"ops_{name}").build().write(HERE / "ops")
    if wanted("pth"):
        importlib.import_module("pth").write(HERE / "pth")
    if wanted("models/cyclegan"):
        importlib.import_module("cyclegan").write(HERE / "models")
    traces = importlib.import_module("traces")
    for name in traces.NAMES:
        if wanted(f"models/{name}"):
            traces.write(name, HERE / "models")


if __name__ == "__main__":
    main(sys.argv[1:])
