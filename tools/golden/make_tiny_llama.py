#!/usr/bin/env python3
"""Makes the tiny golden Llamas: GGUF files with random fp32 weights and what HF transformers computes with them.

Usage: make_tiny_llama.py OUT_DIR        (llama-runtime/src/test/resources/golden)
Needs: torch, transformers, tokenizers, sentencepiece, gguf, numpy; MANIFEST.md names the versions that made the committed files.

For each variant V of VARIANTS:
  V.gguf        F32; q and k rows permuted as llama.cpp's converter does; tokenizer metadata
  V.json        prompt ids, 32 greedy ids, smallest gap between best and second-best logit on the way
  V.logits.f32  little-endian fp32 [prompt + greedy, vocabulary]: logits after each position of prompt followed by the greedy ids
"""

import json
import math
import pathlib
import platform
import sys

import gguf
import numpy as np
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

import tiny_tokenizers as tt

SEED = 20240611
GREEDY = 32
COMMON = dict(
    vocab_size=tt.VOCAB,
    hidden_size=64,
    intermediate_size=160,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    rms_norm_eps=1e-5,
    attn_implementation="eager",
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>"]
CHATML_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
LLAMA2_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)

# The prompt of `llama3` ends past the original context of 64 positions, and its greedy tokens go on from there.
VARIANTS = {
    "plain": dict(prompt=40, rope={"rope_type": "default", "rope_theta": 10000.0}, pre="smollm"),
    "tied": dict(prompt=21, rope={"rope_type": "default", "rope_theta": 100000.0}, pre="gpt-2", tie_word_embeddings=True),
    "llama3": dict(
        prompt=110,
        rope={
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        pre="llama-bpe",
    ),
    "linear": dict(prompt=90, rope={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}, pre="qwen2"),
    "headdim": dict(prompt=40, rope={"rope_type": "default", "rope_theta": 10000.0}, pre=None, head_dim=24),
}


def build(variant, seed, sizes={}):
    config = LlamaConfig(
        **{**COMMON, **sizes},
        rope_parameters=variant["rope"],
        tie_word_embeddings=variant.get("tie_word_embeddings", False),
        **({"head_dim": variant["head_dim"]} if "head_dim" in variant else {}),
    )
    model = LlamaForCausalLM(config).eval().to(torch.float32)
    generator = torch.Generator().manual_seed(seed)
    # Wider than HF's 0.02, so that attention is far from uniform and logits spread by several units; norms not all one.
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.copy_(1.0 + 0.25 * torch.randn(p.shape, generator=generator))
            elif "embed_tokens" in name:
                p.copy_(0.5 * torch.randn(p.shape, generator=generator))
            else:
                p.copy_(1.6 / math.sqrt(p.shape[1]) * torch.randn(p.shape, generator=generator))
    if config.tie_word_embeddings:
        assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    return config, model


@torch.no_grad()
def greedy(model, prompt):
    ids, gap = list(prompt), math.inf
    for _ in range(GREEDY):
        logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        best = torch.topk(logits, 2)
        gap = min(gap, float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
    return ids, gap, model(torch.tensor([ids]), use_cache=False).logits[0].numpy()


def permute(weights, heads):
    """Row order of q and k in llama GGUF files: rotary pairs side by side (llama.cpp convert_hf_to_gguf.py, LlamaModel.permute)."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)


def rope_divisors(rope, head_dim):
    """`rope_freqs.weight` for rope_type llama3, as llama.cpp's converter computes it (LlamaModel.generate_extra_tensors)."""
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    out = []
    for i in range(0, head_dim, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
        if wave < high:
            out.append(1.0)
        elif wave > low:
            out.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"]
            )
            out.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    assert len(set(out)) > 3, "scaling has to show all three cases"
    return np.array(out, dtype=np.float32)


def write_tokenizer(writer, variant):
    pre = variant["pre"]
    if pre is None:
        tokens, scores, types = tt.sentencepiece_gguf_fields(tt.sentencepiece())
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(tokens)
        writer.add_token_scores(scores)
        writer.add_token_types(types)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(True)
        writer.add_add_space_prefix(True)
        writer.add_chat_template(LLAMA2_TEMPLATE)
        return
    special = LLAMA3 if pre == "llama-bpe" else CHATML
    tokens, types, merges = tt.bpe_gguf_fields(tt.bpe(pre, special), special)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    if special is LLAMA3:
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(1)
        writer.add_eot_token_id(4)
        writer.add_add_bos_token(True)
        writer.add_chat_template(LLAMA3_TEMPLATE)
    else:
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_pad_token_id(2)
        writer.add_add_bos_token(False)
        writer.add_chat_template(CHATML_TEMPLATE)


NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(path, name, config, model, variant, encode=None):
    """`encode` takes the fp32 rows of a matrix and returns (bytes, ggml type)."""

    def add(name, rows):
        if encode is None or rows.ndim == 1:
            writer.add_tensor(name, rows)
        else:
            data, kind = encode(rows)
            writer.add_tensor(name, data, raw_dtype=kind)

    writer = gguf.GGUFWriter(path, "llama")
    rope, head_dim = variant["rope"], config.head_dim
    writer.add_name(f"Tiny {name}")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_dimension_count(head_dim)
    if encode is None:
        writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if "head_dim" in variant:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    write_tokenizer(writer, variant)

    state = {k: v.numpy() for k, v in model.state_dict().items()}
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_divisors(rope, head_dim))
    add("token_embd.weight", state["model.embed_tokens.weight"])
    for layer in range(config.num_hidden_layers):
        for theirs, ours in NAMES.items():
            w = state[f"model.layers.{layer}.{theirs}.weight"]
            if ours == "attn_q":
                w = permute(w, config.num_attention_heads)
            elif ours == "attn_k":
                w = permute(w, config.num_key_value_heads)
            add(f"blk.{layer}.{ours}.weight", np.ascontiguousarray(w))
    add("output_norm.weight", state["model.norm.weight"])
    if not config.tie_word_embeddings:
        add("output.weight", state["lm_head.weight"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    rows = []
    for index, (name, variant) in enumerate(VARIANTS.items()):
        # A near tie would test luck, equal tokens would test nothing: the first seed that gives neither.
        for seed in range(SEED + 1000 * index, SEED + 1000 * index + 100):
            config, model = build(variant, seed)
            prompt = np.random.default_rng(seed).integers(3, tt.VOCAB, variant["prompt"]).tolist()
            ids, gap, logits = greedy(model, prompt)
            spread = float(logits.std())
            if gap > 1e-2 and len(set(ids[len(prompt):])) > 8 and 1 < spread < 20:
                break
        else:
            raise AssertionError(f"{name}: no seed gives distinct tokens")
        write_gguf(out / f"{name}.gguf", name, config, model, variant)
        (out / f"{name}.logits.f32").write_bytes(logits.astype("<f4").tobytes())
        doc = {"prompt": prompt, "greedy": ids[len(prompt):], "smallestGap": gap, "vocabulary": tt.VOCAB}
        (out / f"{name}.json").write_text(json.dumps(doc) + "\n")
        for path in out.glob(f"{name}.*"):
            assert path.stat().st_size < 1 << 20, path
        rows.append(f"| {name} | {seed} | {variant['rope']['rope_type']} | {config.head_dim} | {variant['pre'] or 'sentencepiece'} | {len(prompt)} | {gap:.3f} | {spread:.2f} |")
        print(rows[-1])
    versions = ", ".join(
        [f"Python {platform.python_version()}", f"torch {torch.__version__}", f"transformers {transformers.__version__}"]
        + [f"{m} {__import__('importlib.metadata').metadata.version(m)}" for m in ("tokenizers", "sentencepiece", "gguf", "numpy")]
    )
    (out / "MANIFEST.md").write_text(
        "# Tiny golden Llamas\n\nMade by `tools/golden/make_tiny_llama.py` (its head says what each file holds) with " + versions + ".\n\n"
        "| variant | seed | rope | head dim | tokenizer | prompt tokens | smallest gap | logit std |\n|---|---|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


if __name__ == "__main__":
    main()
