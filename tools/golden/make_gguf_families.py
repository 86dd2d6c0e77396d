#!/usr/bin/env python3
"""Makes a tiny random model of each family as GGUF files, and what HF transformers computes with it in fp32.

Usage: make_gguf_families.py OUT_DIR        (llama-runtime/src/test/resources/golden/gguf)
Needs what make_hf_families.py needs; MANIFEST.md names the versions that made the committed files.

For each variant V: V.gguf, or V-00001-of-0000N.gguf and so on (written by the gguf package, matrices in F16), V.json and V.logits.f32 as
make_tiny_llama.py has them. Tensor names, keys and the order of q's and k's rows are those of llama.cpp's converter.
"""

import pathlib
import shutil
import sys

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

import golden_files
import hf_folders
import make_hf_families as families
import make_tiny_llama as tiny
import tiny_tokenizers as tt

SEED = 20241111
PROMPT = 24
NAMES = {**tiny.NAMES, "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
F16 = torch.float16
VARIANTS = {
    "qwen2": dict(arch="qwen2", config=Qwen2Config, more=dict(), pre="qwen2", dtype=F16),
    "qwen3": dict(arch="qwen3", config=Qwen3Config, more=dict(head_dim=24, tie_word_embeddings=True), pre="qwen2", dtype=F16),
    "llama_bias": dict(arch="llama", config=LlamaConfig, more=dict(attention_bias=True), pre="smollm", dtype=F16),
    "mistral_split": dict(arch="llama", config=MistralConfig, more=dict(sliding_window=None), pre=None, dtype=F16, tensors_a_file=8),
}


def write(path, name, variant, model):
    config = model.config
    heads = {"q": config.num_attention_heads, "k": config.num_key_value_heads}
    writer = gguf.GGUFWriter(path, variant["arch"], split_max_tensors=variant.get("tensors_a_file", 0))
    writer.add_name(f"Tiny {name}")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads["q"])
    writer.add_head_count_kv(heads["k"])
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if variant["arch"] == "qwen3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    tiny.write_tokenizer(writer, variant)

    def add(name, w):
        writer.add_tensor(name, np.ascontiguousarray(w.astype(np.float32 if w.ndim == 1 else np.float16)))

    state = {k: v.numpy() for k, v in model.state_dict().items()}
    add("token_embd.weight", state["model.embed_tokens.weight"])
    for layer in range(config.num_hidden_layers):
        for theirs, ours in NAMES.items():
            for kind in ("weight", "bias"):
                w = state.get(f"model.layers.{layer}.{theirs}.{kind}")
                if w is None:
                    continue
                if variant["arch"] == "llama" and ours in ("attn_q", "attn_k"):
                    w = tiny.permute(w.reshape(len(w), -1), heads[ours[-1]]).reshape(w.shape)
                add(f"blk.{layer}.{ours}.{kind}", w)
    add("output_norm.weight", state["model.norm.weight"])
    if not config.tie_word_embeddings:
        add("output.weight", state["lm_head.weight"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)
    rows = []
    for index, (name, variant) in enumerate(VARIANTS.items()):
        for seed in range(SEED + 1000 * index, SEED + 1000 * index + 200):
            model = families.build(variant, seed)
            prompt = hf_folders.random_prompt(seed, PROMPT)
            ids, gap, logits = tiny.greedy(model, prompt)
            if golden_files.good(gap, ids[PROMPT:], logits):
                break
        else:
            raise AssertionError(f"{name}: no seed gives distinct tokens")
        write(out / f"{name}.gguf", name, variant, model)
        golden_files.write_case(out, name, prompt, ids, gap, logits, tt.VOCAB)
        rows.append(f"| {name} | {type(model).__name__} | {variant['arch']} | {seed} | {gap:.3f} | {float(logits.std()):.2f} |")
        print(rows[-1], flush=True)
    golden_files.check_sizes(out)
    versions = golden_files.versions("torch", "transformers", "gguf", "tokenizers", "sentencepiece", "numpy")
    (out / "MANIFEST.md").write_text(
        "# A tiny model of each family as GGUF\n\nMade by `tools/golden/make_gguf_families.py` with " + versions + ". Random weights, matrices in F16,"
        " computed by transformers in fp32.\n\n| variant | class | architecture | seed | smallest gap | logit std |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    main()
