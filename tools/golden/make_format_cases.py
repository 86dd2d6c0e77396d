"""Writes kernels/src/test/resources/golden/formats.txt: weights encoded and decoded by the gguf package.

    pip install gguf==0.19.0 numpy && python tools/golden/make_format_cases.py

A line a case: format, input (fp32 bits in hex), encoded bytes, decoded (fp32 bits). Inputs are what breaks codecs:
all zero, one weight only, equal weights, halfway codes, both signs of the extreme, values beyond binary16.
"""

import pathlib

import gguf
import numpy as np

TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
    "q4_1": gguf.GGMLQuantizationType.Q4_1,
}


def inputs():
    random = np.random.default_rng(7)
    spike = np.zeros(32, np.float32)
    spike[5] = -3.25
    yield spike
    yield np.zeros(32, np.float32)
    yield np.full(32, 0.37, np.float32)
    yield np.linspace(-1, 1, 32, dtype=np.float32)
    yield (np.arange(32, dtype=np.float32) - 16) / 16
    yield np.float32(1e-6) * random.standard_normal(32, dtype=np.float32)
    yield np.float32(1e3) * random.standard_normal(32, dtype=np.float32)
    for _ in range(4):
        yield random.standard_normal(64, dtype=np.float32)


def hexes(values):
    return values.astype("<f4").view("<u4").astype(">u4").tobytes().hex()


lines = []
for name, kind in TYPES.items():
    for row in inputs():
        encoded = gguf.quants.quantize(row.reshape(1, -1), kind)
        decoded = gguf.quants.dequantize(encoded, kind).astype(np.float32)
        lines.append(" ".join([name, hexes(row), encoded.tobytes().hex(), hexes(decoded.reshape(-1))]))
target = pathlib.Path(__file__).parents[2] / "kernels/src/test/resources/golden/formats.txt"
target.write_text("\n".join(lines) + "\n")
print(f"{len(lines)} cases, gguf at {gguf.__file__}")
