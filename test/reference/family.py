"""
The cases of one op family, and how a case is computed.

Every input is rounded to float32 first, so that the engine reads exactly what the truth was computed from; everything
after that is float64, rounded once when it is stored. Inputs of a case depend on its name alone: adding a case never
changes another.

Tensors of a case: `<case>/input.<name>`, `<case>/output` (further outputs: `<case>/output.<name>`),
`<case>/grad_output` (or `grad_output.<name>`) and `<case>/grad.<name>`. Activations are NHWC, parameters as PyTorch
lays them out (OIHW, [out, in]). The metadata key `cases` maps each case to {op, attributes}.
"""
import zlib

import numpy as np
import torch

import safetensors_file


def rounded(array):
    """float64 values that float32 represents exactly."""
    return np.asarray(array, dtype=np.float32).astype(np.float64)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


class Family:
    def __init__(self, name):
        self.name = name
        self.tensors = {}
        self.cases = {}

    def rng(self, case):
        return np.random.default_rng(zlib.crc32(f"{self.name}/{case}".encode()))

    def inputs(self, case, inputs):
        """Tuples become normal samples of that shape; arrays are rounded to float32 or kept when they are integers."""
        rng = self.rng(case)
        made = {}
        for name, value in inputs.items():
            if isinstance(value, tuple):
                value = rng.standard_normal(value)
            value = np.asarray(value)
            made[name] = value if np.issubdtype(value.dtype, np.integer) else rounded(value)
        return made

    def put(self, case, op, attributes, tensors):
        if case in self.cases:
            raise ValueError(f"{self.name}: the case {case} is there twice")
        self.cases[case] = {"op": op, "attributes": attributes}
        for name, value in tensors.items():
            value = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
            if not np.isfinite(value).all():
                raise ValueError(f"{self.name}/{case}/{name} is not finite")
            self.tensors[f"{case}/{name}"] = value

    def case(self, case, op, function, inputs, attributes=None, constant=()):
        """
        Runs `function(**inputs)` under autograd. It returns one tensor, or a dictionary whose key "" is the
        differentiated output and whose other entries are stored as `output.<name>`. Integer inputs and those named in
        `constant` get no gradient.
        """
        arrays = self.inputs(case, inputs)
        leaves = {name: torch.tensor(array) for name, array in arrays.items()}
        for name, leaf in leaves.items():
            leaf.requires_grad_(leaf.is_floating_point() and name not in constant)
        result = function(**leaves)
        outputs = result if isinstance(result, dict) else {"": result}
        output = outputs[""]
        tensors = {f"input.{name}": array for name, array in arrays.items()}
        for name, value in outputs.items():
            tensors[f"output.{name}" if name else "output"] = value
        if output.requires_grad:
            seed = self.rng(f"{case}/grad_output").standard_normal(tuple(output.shape))
            grad_output = rounded(np.ones(()) if output.dim() == 0 else seed)
            tensors["grad_output"] = grad_output
            output.backward(torch.tensor(grad_output))
            for name, leaf in leaves.items():
                if leaf.grad is not None:
                    tensors[f"grad.{name}"] = leaf.grad
        self.put(case, op, attributes or {}, tensors)

    def write(self, folder):
        size = safetensors_file.write(folder / f"{self.name}.safetensors", self.tensors, {"cases": self.cases})
        print(f"{self.name}: {len(self.cases)} cases, {size / 1024:.0f} KiB")
