"""Writes a dictionary of numpy arrays as a safetensors file (float arrays as F32, integers as I32)."""
import json
import struct

import numpy as np


def write(path, tensors, metadata):
    header = {"__metadata__": {key: json.dumps(value) for key, value in metadata.items()}}
    chunks, offset = [], 0
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        dtype, tag = (np.int32, "I32") if np.issubdtype(array.dtype, np.integer) else (np.float32, "F32")
        chunk = np.ascontiguousarray(array, dtype=dtype).tobytes()
        header[name] = {"dtype": tag, "shape": list(array.shape), "data_offsets": [offset, offset + len(chunk)]}
        chunks.append(chunk)
        offset += len(chunk)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    return offset + len(text) + 8


def read(path):
    """The arrays of a file whose tensors are F32 or I32."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    dtypes = {"F32": np.float32, "I32": np.int32}
    arrays = {}
    for name, about in header.items():
        if name != "__metadata__":
            start, end = about["data_offsets"]
            arrays[name] = np.frombuffer(data[start:end], dtypes[about["dtype"]]).reshape(about["shape"])
    return arrays
