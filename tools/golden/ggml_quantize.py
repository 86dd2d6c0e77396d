"""llama.cpp's own quantizers, out of the ggml library that llama-cpp-python carries (the gguf package decodes k-quants only)."""

import ctypes
import pathlib

import gguf
import numpy as np


def _library():
    import importlib.util

    folder = pathlib.Path(importlib.util.find_spec("llama_cpp").origin).parent / "lib"
    library = ctypes.CDLL(str(next(folder.glob("libggml-base.so"))))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    return library


def quantize(weights, kind):
    """Rows of fp32 weights [rows, cols] as encoded bytes [rows, row bytes]."""
    weights = np.ascontiguousarray(weights, dtype=np.float32)
    rows, cols = weights.shape
    length, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros((rows, cols // length * size), dtype=np.uint8)
    written = _library().ggml_quantize_chunk(int(kind), weights.ctypes.data, out.ctypes.data, 0, rows, cols, None)
    assert written == out.size, (written, out.size)
    return out
