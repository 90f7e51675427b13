"""
Serves PyTorch measurements to the bench: one JSON request a line on stdin, one reply a line on stdout.

    {"prepare": "conv 64@56 forward"}                      a kernel comparison (torch_kernels.py)
    {"prepare": {"step": …, "file": …, …}}                 a training step (torch_steps.py)
    {"sample": true}      runs it once: {"milliseconds": …, "losses": {…}}

Arguments: `cpu THREADS`, or `cuda fp32` and `cuda tf32`.
"""
import gc
import json
import math
import os
import pathlib
import platform
import sys
import time

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parents[1] / "test" / "reference")]

import torch_kernels  # noqa: E402
import torch_steps  # noqa: E402

device, mode = sys.argv[1:]


def blas():
    """The BLAS that is mapped into this process, by its file's name."""
    with open("/proc/self/maps") as maps:
        files = {line.split("/")[-1].strip() for line in maps if ".so" in line}
    named = sorted(f.split(".so")[0].removeprefix("lib") for f in files if "blas" in f or "mkl_core" in f)
    # libblas.so is often only the door to another one.
    return ", ".join(name for name in dict.fromkeys(named) if name != "blas") or "reference BLAS"


def about():
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode == "tf32"
        torch.backends.cudnn.benchmark = True  # its fastest convolutions: every shape here comes again and again
        torch.set_default_device("cuda") if hasattr(torch, "set_default_device") else torch.set_default_tensor_type(
            "torch.cuda.FloatTensor"
        )
        cudnn = f"cuDNN {torch.backends.cudnn.version()} benchmark" if torch.backends.cudnn.is_available() else "no cuDNN"
        tf32 = "on" if mode == "tf32" else "off"
        return f"PyTorch {torch.__version__} ({torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, {cudnn}, TF32 {tf32})"
    torch.set_num_threads(int(mode))
    library = "MKL" if torch.backends.mkl.is_available() else blas() if sys.platform == "linux" else "unknown BLAS"
    onednn = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
    kept = platform.libc_ver()[0] == "glibc" and os.environ.get("MALLOC_MMAP_MAX_") == "0"
    freed = ", freed memory kept" if kept else ""
    return f"PyTorch {torch.__version__} (CPU, {torch.get_num_threads()} threads, {library}, {onednn}{freed})"


def prepare(work):
    make = torch_kernels.make if isinstance(work, str) else torch_steps.make
    return make(work, device)


def sample(run):
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    losses = run()
    if device == "cuda":
        torch.cuda.synchronize()
    milliseconds = 1000 * (time.perf_counter() - start)
    # Reading a loss would wait for a GPU within the time; ours are not read there either.
    losses = {name: loss.item() for name, loss in losses.items()} if isinstance(losses, dict) else {}
    if not all(math.isfinite(loss) for loss in losses.values()):
        raise FloatingPointError(f"the losses are {losses}")
    return {"milliseconds": milliseconds, "losses": losses}


def main():
    run = None
    reply = lambda message: print(json.dumps(message), flush=True)
    reply({"name": about(), "works": list(torch_kernels.works)})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                run = None
                gc.collect()
                run = prepare(request["prepare"])
                reply({})
            else:
                reply(sample(run))
        except Exception as error:  # the bench reports it and goes on
            reply({"error": f"{type(error).__name__}: {error}"})


main()
