"""Writes kernels/src/test/resources/golden/formats.txt: weights encoded and decoded by the gguf package.

    pip install gguf==0.19.0 numpy llama-cpp-python==0.3.36 && python tools/golden/make_format_cases.py

A line a case: format, input (fp32 bits in hex), encoded bytes, decoded (fp32 bits). Inputs are what breaks codecs:
all zero, one weight only, equal weights, halfway codes, both signs of the extreme, values beyond binary16.
Formats that the gguf package decodes only are encoded by llama.cpp's ggml, and drawn as random bytes with the largest,
smallest and negative scales; their input is "-", since our encoder need not choose as ggml's does.
"""

import pathlib

import gguf
import numpy as np

import ggml_quantize

TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
    "q4_1": gguf.GGMLQuantizationType.Q4_1,
    "q5_0": gguf.GGMLQuantizationType.Q5_0,
    "q5_1": gguf.GGMLQuantizationType.Q5_1,
}
# Name to type and byte offsets of the binary16 scales in a block.
DECODED_ONLY = {
    "iq4_nl": (gguf.GGMLQuantizationType.IQ4_NL, [0]),
    "q2_k": (gguf.GGMLQuantizationType.Q2_K, [80, 82]),
    "q3_k": (gguf.GGMLQuantizationType.Q3_K, [108]),
    "q4_k": (gguf.GGMLQuantizationType.Q4_K, [0, 2]),
    "q5_k": (gguf.GGMLQuantizationType.Q5_K, [0, 2]),
    "q6_k": (gguf.GGMLQuantizationType.Q6_K, [208]),
}
# Largest, its negative, 1, smallest normal, smallest subnormal, zero.
SCALES = [0x7BFF, 0xFBFF, 0x3C00, 0x0400, 0x0001, 0x0000]


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


def encoded_blocks(kind, scale_offsets):
    random = np.random.default_rng(11)
    length, size = gguf.GGML_QUANT_SIZES[kind]
    for deviation in (1.0, 1e-3, 300.0):
        yield ggml_quantize.quantize(np.float32(deviation) * random.standard_normal((1, length), dtype=np.float32), kind)
    yield ggml_quantize.quantize(np.linspace(-1, 1, length, dtype=np.float32).reshape(1, -1), kind)
    for i in range(len(SCALES)):
        block = random.integers(0, 256, (1, size), dtype=np.uint8)
        for n, at in enumerate(scale_offsets):
            block[0, at : at + 2] = np.array([SCALES[(i + n) % len(SCALES)]], dtype="<u2").view(np.uint8)
        yield block


def hexes(values):
    return values.astype("<f4").view("<u4").astype(">u4").tobytes().hex()


lines = []
for name, kind in TYPES.items():
    for row in inputs():
        encoded = gguf.quants.quantize(row.reshape(1, -1), kind)
        decoded = gguf.quants.dequantize(encoded, kind).astype(np.float32)
        lines.append(" ".join([name, hexes(row), encoded.tobytes().hex(), hexes(decoded.reshape(-1))]))
for name, (kind, scale_offsets) in DECODED_ONLY.items():
    for encoded in encoded_blocks(kind, scale_offsets):
        decoded = gguf.quants.dequantize(encoded, kind).astype(np.float32)
        lines.append(" ".join([name, "-", encoded.tobytes().hex(), hexes(decoded.reshape(-1))]))
target = pathlib.Path(__file__).parents[2] / "kernels/src/test/resources/golden/formats.txt"
target.write_text("\n".join(lines) + "\n")
print(f"{len(lines)} cases, gguf at {gguf.__file__}")
