#!/usr/bin/env python3
"""Makes a tiny random Llama whose layers differ in size, as a DeciLM folder and as GGUF, and what HF transformers computes with it in fp32.

Usage: make_searched.py OUT_DIR        (llama-runtime/src/test/resources/golden/searched)
Needs what make_hf_families.py needs; MANIFEST.md names the versions that made the committed files.

transformers has no such model: its Llama's attention and feed-forward parts are put in layer by layer, or left out. The folder's config.json is
written as the published DeciLMs have it, the GGUF file as llama.cpp's converter writes architecture deci.
"""

import copy
import json
import pathlib
import shutil
import sys

import gguf
import numpy as np
import safetensors.torch
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP

import golden_files
import hf_folders
import make_hf_families as families
import make_tiny_llama as tiny
import tiny_tokenizers as tt

SEED = 20241211
PROMPT = 24
HEADS = 4
# Inputs of a key/value head and ffn_mult of each layer; None: a layer without the part.
BLOCKS = [(2, 1.0), (4, 7.0), (None, 3.0), (2, None), (4, 1.0)]


class Nothing(torch.nn.Module):
    """In place of attention or feed-forward: adds nothing to the residual stream."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x=None, hidden_states=None, **_):
        zero = torch.zeros_like(x if hidden_states is None else hidden_states)
        return (zero, None) if self.attention else zero


def inner(ffn_mult, hidden):
    return -(-int(2 * ffn_mult * hidden / 3) // 256) * 256


def build(seed):
    base = {**families.BASE, "num_attention_heads": HEADS, "num_hidden_layers": len(BLOCKS), "tie_word_embeddings": True}
    config = LlamaConfig(**base)
    model = LlamaForCausalLM(config).eval()
    for i, (layer, (group, mult)) in enumerate(zip(model.model.layers, BLOCKS)):
        own = copy.deepcopy(config)
        own.num_key_value_heads = HEADS // (group or HEADS)
        own.intermediate_size = inner(mult or 1, config.hidden_size)
        layer.self_attn = LlamaAttention(own, i) if group else Nothing(True)
        layer.mlp = LlamaMLP(own) if mult else Nothing(False)
    model = model.to(torch.float32)
    hf_folders.randomize(model, seed, 0.3)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(torch.float16).to(torch.float32))
    return model


def state(model):
    """Without the norms before parts that are left out."""
    tensors = {}
    for name, p in model.named_parameters():
        part = name.split(".")
        if part[1] == "layers":
            group, mult = BLOCKS[int(part[2])]
            if part[3] == "input_layernorm" and not group or part[3] == "post_attention_layernorm" and not mult:
                continue
        tensors[name] = p.detach().to(torch.float16)
    return tensors


def write_folder(folder, model):
    folder.mkdir()
    config = model.config
    blocks = [
        dict(
            attention=dict(n_heads_in_group=group, no_op=group is None, replace_with_linear=False, window_length=None, sparsify=None),
            ffn=dict(ffn_mult=mult, no_op=mult is None, replace_with_linear=False, sparsify=None),
        )
        for group, mult in BLOCKS
    ]
    keep = ["hidden_act", "hidden_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "rms_norm_eps", "vocab_size", "tie_word_embeddings"]
    document = {key: getattr(config, key) for key in keep}
    document |= dict(architectures=["DeciLMForCausalLM"], model_type="nemotron-nas", attention_bias=False, mlp_bias=False, rope_theta=10000.0, rope_scaling=None,
                     intermediate_size=None, num_key_value_heads=None, block_configs=blocks, eos_token_id=2, torch_dtype="float16")
    (folder / "config.json").write_text(json.dumps(document, indent=1) + "\n")
    safetensors.torch.save_file(state(model), folder / "model.safetensors", metadata={"format": "pt"})
    hf_folders.save_tokenizer(folder, "chatml", "text")
    hf_folders.compact(folder)


def write_gguf(path, model):
    config = model.config
    writer = gguf.GGUFWriter(path, "deci")
    writer.add_name("Tiny deci")
    writer.add_block_count(len(BLOCKS))
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length([inner(mult, config.hidden_size) if mult else 0 for _, mult in BLOCKS])
    writer.add_head_count([HEADS if group else 0 for group, _ in BLOCKS])
    writer.add_head_count_kv([HEADS // group if group else 0 for group, _ in BLOCKS])
    writer.add_key_length(config.hidden_size // HEADS)
    writer.add_value_length(config.hidden_size // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    tiny.write_tokenizer(writer, {"pre": "smollm"})
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    for name, tensor in state(model).items():
        w = tensor.numpy()
        if name not in names:
            layer, part = int(name.split(".")[2]), name.split(".", 3)[3].removesuffix(".weight")
            ours = tiny.NAMES[part]
            if ours in ("attn_q", "attn_k"):
                w = tiny.permute(w, HEADS if ours == "attn_q" else HEADS // BLOCKS[layer][0])
            names[name] = f"blk.{layer}.{ours}.weight"
        writer.add_tensor(names[name], np.ascontiguousarray(w.astype(np.float32 if w.ndim == 1 else np.float16)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)
    for seed in range(SEED, SEED + 200):
        model = build(seed)
        prompt = hf_folders.random_prompt(seed, PROMPT)
        ids, gap, logits = tiny.greedy(model, prompt)
        if golden_files.good(gap, ids[PROMPT:], logits):
            break
    else:
        raise AssertionError("no seed gives distinct tokens")
    write_folder(out / "deci", model)
    write_gguf(out / "deci_gguf.gguf", model)
    for name in ("deci", "deci_gguf"):
        golden_files.write_case(out, name, prompt, ids, gap, logits, tt.VOCAB)
    golden_files.check_sizes(out)
    versions = golden_files.versions("torch", "transformers", "gguf", "tokenizers", "safetensors", "numpy")
    (out / "MANIFEST.md").write_text(
        "# A tiny Llama whose layers differ in size\n\nMade by `tools/golden/make_searched.py` (its head says how) with " + versions
        + f". Seed {seed}, smallest gap {gap:.3f}, logit std {float(logits.std()):.2f}. Inputs of a key/value head and ffn_mult, layer by layer: {BLOCKS}.\n"
    )


if __name__ == "__main__":
    main()
