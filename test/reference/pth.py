"""Small files as `torch.save` writes them: good ones in both forms, and hostile ones that a loader must refuse."""
import collections
import os

import torch

import safetensors_file


class CallsOsSystem:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


class Custom:
    pass


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(4)
    base = torch.randn(4, 6, generator=generator, dtype=torch.float32)
    state = collections.OrderedDict(
        {
            "features.0.weight": torch.nn.Parameter(torch.randn(2, 3, 3, 3, generator=generator, dtype=torch.float32)),
            "row": base[1],
            "transposed": base.t(),
            "same-storage": base,
            "half": base.half(),
            "bfloat16": base.bfloat16(),
            "double": base.double(),
            "num_batches_tracked": torch.tensor(7),
            "bytes": torch.arange(5, dtype=torch.uint8),
            "flags": torch.tensor([True, False, True]),
            "empty": torch.zeros(0, 3, dtype=torch.float32),
        }
    )
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": {"weight": base}}, folder / "wrapped.pth")
    torch.save({"weight": base, "evil": CallsOsSystem()}, folder / "os-system.pth")
    torch.save({"evil": CallsOsSystem()}, folder / "os-system-legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"weight": base, "other": Custom()}, folder / "custom-class.pth")
    torch.save({"epoch": 3}, folder / "no-tensor.pth")
    values = {name: tensor.detach().double().numpy() for name, tensor in state.items()}
    safetensors_file.write(folder / "values.safetensors", values, {})
    print(f"pth: {sum(path.stat().st_size for path in folder.iterdir()) / 1024:.0f} KiB")
