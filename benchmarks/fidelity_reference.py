#!/usr/bin/env python3
"""What transformers answers with SmolLM2's GGUF file, dequantized to fp32: the other side of FidelityBench.

Usage: fidelity_reference.py MODEL.gguf OUT.json
Needs: torch, transformers, gguf, numpy. Takes some minutes on two cores.

OUT.json: versions, and for each of 200 prompts the message, the rendered chat prompt, its ids, 32 greedy ids (going on
after the end of a turn, so that every row has 32), and for each of them the gap between best and second-best logit and
the second-best id.
"""

import collections
import importlib.metadata
import json
import os
import platform
import sys
import time

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

STEPS = 32

THINGS = [
    "a sailing boat", "the Vector API of Java", "a library card", "sourdough bread", "the tides", "a hash table",
    "Khmer script", "the city of Riga", "a bicycle chain", "photosynthesis", "a job interview", "garbage collection",
    "the number 1729", "an empty fridge", "a broken laptop", "the moon", "a column store", "rain in April", "chess openings",
    "a lost suitcase",
]
TASKS = [
    "Explain {} in one sentence.",
    "Write a haiku about {}.",
    "List three facts about {}.",
    "Is {} useful? Answer yes or no and say why.",
    "Translate into French: I have read about {} today.",
    "Write a short, angry customer review of {}.",
    "Complete the sentence: The strangest thing about {} is",
    "Give me a SQL table definition that could describe {}.",
    "What would a child of 5 ask about {}?",
    "Classify the topic of this text as science, daily life or computing: {}. Answer with one word.",
]


def prompts():
    return [task.format(thing) for thing in THINGS for task in TASKS]


def check_dequantized(model, path):
    """transformers must have loaded the very numbers that are in the file."""
    import gguf

    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}
    state = model.state_dict()
    for ours, theirs in [("blk.7.ffn_down.weight", "model.layers.7.mlp.down_proj.weight"), ("token_embd.weight", "model.embed_tokens.weight")]:
        t = tensors[ours]
        exact = gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
        assert state[theirs].dtype == torch.float32 and np.array_equal(exact, state[theirs].numpy()), ours


@torch.no_grad()
def greedy(model, batch):
    """Prompts of the same length together: no padding, and the weights are read once for all."""
    out, gaps, seconds, past = [], [], [], None
    step = torch.tensor(batch)
    for _ in range(STEPS):
        result = model(step, past_key_values=past, use_cache=True)
        past = result.past_key_values
        best = torch.topk(result.logits[:, -1], 2)
        out.append(best.indices[:, 0].tolist())
        seconds.append(best.indices[:, 1].tolist())
        gaps.append([round(g, 6) for g in (best.values[:, 0] - best.values[:, 1]).tolist()])
        step = best.indices[:, :1]
    return list(zip(zip(*out), zip(*gaps), zip(*seconds)))


def main():
    path, target = sys.argv[1], sys.argv[2]
    folder, name = os.path.split(os.path.abspath(path))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32, attn_implementation="eager").eval()
    check_dequantized(model, path)
    rows, by_length, start = [], collections.defaultdict(list), time.time()
    for text in prompts():
        rendered = tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
        row = {"message": text, "rendered": rendered, "ids": tokenizer(rendered, add_special_tokens=False)["input_ids"]}
        rows.append(row)
        by_length[len(row["ids"])].append(row)
    for length, group in sorted(by_length.items()):
        for row, (out, gaps, seconds) in zip(group, greedy(model, [row["ids"] for row in group])):
            row.update(greedy=out, gaps=gaps, second=seconds)
        print(f"{len(group)} rows of {length} tokens, {time.time() - start:.0f} s", flush=True)
    versions = {p: importlib.metadata.version(p) for p in ("torch", "transformers", "tokenizers", "gguf", "numpy")}
    doc = {"model": name, "python": platform.python_version(), **versions, "rows": rows}
    with open(target, "w") as f:
        json.dump(doc, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
