#!/usr/bin/env python3
"""Makes a tiny Llama in each GGUF tensor type, encoded by llama.cpp's ggml, and what HF transformers computes with the dequantised weights.

Usage: make_gguf_types.py OUT_DIR        (llama-runtime/src/test/resources/golden/types)
Needs what make_tiny_llama.py needs, and llama-cpp-python; MANIFEST.md names the versions that made the committed files.

For each type T: T.gguf (every matrix in that type), T.json, T.logits.f32 as make_tiny_llama.py has them; T.json also holds the digests of
every tensor as the gguf package dequantises it.
"""

import pathlib
import sys

import gguf
import numpy as np
import torch

import ggml_quantize
import golden_files
import make_tiny_llama as tiny
import tiny_tokenizers as tt

SEED = 20240711
PROMPT = 20  # longer than a KV block, so that a second run reuses one
SIZES = dict(hidden_size=256, intermediate_size=256, num_hidden_layers=1, head_dim=64, max_position_embeddings=128)
VARIANT = dict(rope={"rope_type": "default", "rope_theta": 10000.0}, pre="smollm", tie_word_embeddings=True)
TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
OURS = {v: k for k, v in {"attention_norm": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "ffn_norm": "ffn_norm",
                          "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}.items()}


def unpermute(weights, heads):
    return weights.reshape(heads, weights.shape[0] // heads // 2, 2, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)


def our_name(name):
    part = name.split(".")
    if part[0] == "blk":
        return f"layers.{part[1]}.{OURS[part[2]]}"
    return {"token_embd": "embedding", "output_norm": "output_norm"}[part[0]]


def load_dequantised(path, config, model):
    """Puts what the gguf package reads out of the file into the model; returns it by our names."""
    theirs = {v: k for k, v in tiny.NAMES.items()}
    weights = {}
    with torch.no_grad():
        for tensor in gguf.GGUFReader(path).tensors:
            w = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            weights[our_name(tensor.name)] = w
            part = tensor.name.split(".")
            if part[0] == "blk":
                if part[2] in ("attn_q", "attn_k"):
                    w = unpermute(w, config.num_attention_heads if part[2] == "attn_q" else config.num_key_value_heads)
                target = model.get_parameter(f"model.layers.{part[1]}.{theirs[part[2]]}.weight")
            else:
                target = model.get_parameter({"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[part[0]])
            target.copy_(torch.from_numpy(w.reshape(target.shape).copy()))
    return weights


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, name in enumerate(TYPES):
        kind = gguf.GGMLQuantizationType[name]
        encode = lambda w: (ggml_quantize.quantize(w, kind), kind)
        path = out / f"{name.lower()}.gguf"
        for seed in range(SEED + 1000 * index, SEED + 1000 * index + 100):
            config, model = tiny.build(VARIANT, seed, SIZES)
            with torch.no_grad():
                model.model.embed_tokens.weight.mul_(0.3)  # tied and wide: logits of a real model's size
            tiny.write_gguf(path, name, config, model, VARIANT, encode)
            weights = load_dequantised(path, config, model)
            prompt = np.random.default_rng(seed).integers(3, tt.VOCAB, PROMPT).tolist()
            ids, gap, logits = tiny.greedy(model, prompt)
            if golden_files.good(gap, ids[PROMPT:], logits):
                break
        else:
            raise AssertionError(f"{name}: no seed gives distinct tokens")
        golden_files.write_case(out, name.lower(), prompt, ids, gap, logits, tt.VOCAB, weights)
        rows.append(f"| {name.lower()} | {seed} | {gap:.3f} | {float(logits.std()):.2f} |")
        print(rows[-1])
    golden_files.check_sizes(out)
    versions = golden_files.versions("torch", "transformers", "gguf", "llama-cpp-python", "numpy")
    (out / "MANIFEST.md").write_text(
        "# A tiny Llama in each GGUF type\n\nMade by `tools/golden/make_gguf_types.py` with " + versions + ". Encoded by llama.cpp's ggml as"
        " llama-cpp-python carries it; dequantised by the gguf package, which is the oracle.\n\n"
        "| type | seed | smallest gap | logit std |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    main()
