"""What the makers of golden checkpoints share: greedy tokens, logits, digests of dequantised weights."""

import hashlib
import importlib.metadata
import json
import platform

import numpy as np

MAX_BYTES = 1 << 20


def digest(weights):
    """SHA-256 of the weights' little-endian bytes in their own type; -0 counts as +0."""
    weights = np.ascontiguousarray(weights)
    return hashlib.sha256((weights + weights.dtype.type(0)).tobytes()).hexdigest()


def write_case(out, name, prompt, ids, gap, logits, vocabulary, weights=None, weight_type="f32"):
    """NAME.json and NAME.logits.f32; `weights`: our tensor name -> rows by columns as the format's tool dequantises it."""
    (out / f"{name}.logits.f32").write_bytes(logits.astype("<f4").tobytes())
    doc = {"prompt": prompt, "greedy": ids[len(prompt):], "smallestGap": gap, "vocabulary": vocabulary}
    if weights is not None:
        doc["weightType"] = weight_type
        doc["weights"] = {key: digest(w) for key, w in weights.items()}
    (out / f"{name}.json").write_text(json.dumps(doc) + "\n")


def check_sizes(folder):
    for path in folder.rglob("*"):
        assert path.is_dir() or path.stat().st_size < MAX_BYTES, f"{path}: {path.stat().st_size} bytes"


def versions(*packages):
    return ", ".join([f"Python {platform.python_version()}"] + [f"{p} {importlib.metadata.version(p)}" for p in packages])


def good(gap, greedy, logits):
    """A near tie would test luck, equal tokens would test nothing."""
    return gap > 1e-2 and len(set(greedy)) > 8 and 1 < float(logits.std()) < 20
