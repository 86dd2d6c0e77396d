#!/usr/bin/env python3
"""Makes a tiny random model of each family as a HuggingFace folder, and what HF transformers computes with it in fp32.

Usage: make_hf_families.py OUT_DIR        (llama-runtime/src/test/resources/golden/hf)
Needs: torch, transformers, tokenizers, sentencepiece, gguf, numpy; MANIFEST.md names the versions that made the committed files.

For each variant V: the folder V as save_pretrained writes it (config.json of some as transformers 4 would have written it), V.json and V.logits.f32 as make_tiny_llama.py has them. V.json also holds
a chat prompt as rendered and tokenized by transformers.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

import golden_files
import hf_folders
import make_tiny_llama as tiny
import tiny_tokenizers as tt

SEED = 20240811
BASE = dict(
    vocab_size=tt.VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=1, pad_token_id=None, attn_implementation="eager",
)
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32}
VARIANTS = {
    "llama": dict(config=LlamaConfig, more=dict(rope_parameters=LLAMA3_ROPE, head_dim=20), tokenizer="llama3", template="jinja", dtype=torch.float32, shard="200KB", prompt=40),
    "smollm2": dict(config=LlamaConfig, more=dict(tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 100000.0}), tokenizer="chatml", template="list", dtype=torch.bfloat16),
    "tinyllama": dict(config=LlamaConfig, more=dict(num_key_value_heads=1), tokenizer="sentencepiece", template="text", dtype=torch.float16),
    "llama_bias": dict(config=LlamaConfig, more=dict(attention_bias=True, rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}), tokenizer="chatml", template="text", dtype=torch.bfloat16),
    "mistral": dict(config=MistralConfig, more=dict(sliding_window=11), tokenizer="sentencepiece", template="jinja", dtype=torch.bfloat16),
    "qwen2": dict(config=Qwen2Config, more=dict(), tokenizer="qwen2", template="text", dtype=torch.bfloat16),
    "qwen2_window": dict(config=Qwen2Config, more=dict(use_sliding_window=True, sliding_window=9, max_window_layers=1), tokenizer="qwen2", template="text", dtype=torch.float16),
    "qwen3": dict(config=Qwen3Config, more=dict(head_dim=24, tie_word_embeddings=True), tokenizer="qwen2", template="jinja", dtype=torch.bfloat16),
    "llama2": dict(config=LlamaConfig, more=dict(num_key_value_heads=4), tokenizer="sentencepiece", template="text", dtype=torch.float16, older=True),
    "llama3_2": dict(config=LlamaConfig, more=dict(rope_parameters={**LLAMA3_ROPE, "factor": 32.0}, tie_word_embeddings=True), tokenizer="llama3", template="text", dtype=torch.bfloat16, prompt=40, older=True),
    "qwen2_5": dict(config=Qwen2Config, more=dict(tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}), tokenizer="qwen2", template="text", dtype=torch.bfloat16, older=True),
    "mistral_full": dict(config=MistralConfig, more=dict(sliding_window=None, head_dim=24, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}), tokenizer="sentencepiece", template="text", dtype=torch.bfloat16, older=True),
}


def build(variant, seed):
    config = variant["config"](**{**BASE, **variant["more"]})
    model = transformers.AutoModelForCausalLM.from_config(config).eval().to(torch.float32)
    hf_folders.randomize(model, seed, 0.3 if config.tie_word_embeddings else 0.5)
    with torch.no_grad():
        for p in model.parameters():  # not model.to(), which would round the rotary frequencies as well
            p.copy_(p.to(variant["dtype"]).to(torch.float32))
    return model


def write_older(folder):
    """Gives config.json the keys of transformers 4, as in the folders that people have: rope_theta and rope_scaling, torch_dtype."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.45.0"
    if config.get("head_dim") == config["hidden_size"] // config["num_attention_heads"]:
        del config["head_dim"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    torch.use_deterministic_algorithms(True)
    rows = []
    for index, (name, variant) in enumerate(VARIANTS.items()):
        length = variant.get("prompt", 24)
        for seed in range(SEED + 1000 * index, SEED + 1000 * index + 200):
            model = build(variant, seed)
            prompt = hf_folders.random_prompt(seed, length)
            ids, gap, logits = tiny.greedy(model, prompt)
            if golden_files.good(gap, ids[length:], logits):
                break
        else:
            raise AssertionError(f"{name}: no seed gives distinct tokens")
        folder = out / name
        model.generation_config.eos_token_id = [1, 2]
        model.to(variant["dtype"]).save_pretrained(folder, max_shard_size=variant.get("shard", "50GB"))
        if variant.get("older"):
            write_older(folder)
        rendered, chat_ids = hf_folders.save_tokenizer(folder, variant["tokenizer"], variant["template"])
        hf_folders.compact(folder)
        golden_files.write_case(out, name, prompt, ids, gap, logits, tt.VOCAB)
        doc = json.loads((out / f"{name}.json").read_text())
        doc["chat"] = {"messages": hf_folders.MESSAGES, "rendered": rendered, "ids": chat_ids}
        (out / f"{name}.json").write_text(json.dumps(doc, ensure_ascii=False) + "\n")
        rows.append(f"| {name} | {type(model).__name__} | {str(variant['dtype'])[6:]} | {seed} | {gap:.3f} | {float(logits.std()):.2f} |")
        print(rows[-1])
    golden_files.check_sizes(out)
    versions = golden_files.versions("torch", "transformers", "tokenizers", "safetensors", "sentencepiece", "numpy")
    (out / "MANIFEST.md").write_text(
        "# A tiny model of each family as a HuggingFace folder\n\nMade by `tools/golden/make_hf_families.py` with " + versions + ". Random weights, saved in"
        " the type named, computed by transformers in fp32. The config.json of " + ", ".join(n for n, v in VARIANTS.items() if v.get("older"))
        + " has the keys of transformers 4.\n\n| variant | class | type | seed | smallest gap | logit std |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    main()
