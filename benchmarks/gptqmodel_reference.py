#!/usr/bin/env python3
"""Quantises a Llama folder with gptqmodel's GPTQ on the CPU and writes it back as an fp32 folder of the dequantised weights.

Usage: gptqmodel_reference.py MODEL_DIR CALIBRATION.txt SAMPLES BITS GROUP OUT_DIR
Needs gptqmodel, torch, transformers. Layer by layer and, inside a layer, in the order q|k|v, o, gate|up, down: inputs of each come from what was
quantised before, as the tool's own true_sequential. The algorithm is the tool's class GPTQ with the defaults of its QuantizeConfig (symmetric,
act_group_aware, damping 0.05); only the loop around it is here, because the tool's takes minutes a layer on two cores.
"""
import pathlib
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptqmodel import QuantizeConfig
from gptqmodel.quantization.gptq import GPTQ

STAGES = [["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], ["self_attn.o_proj"], ["mlp.gate_proj", "mlp.up_proj"], ["mlp.down_proj"]]
LENGTH, BATCH = 512, 8

source, text, samples, bits, group, out = sys.argv[1:]
samples = int(samples)
tokenizer = AutoTokenizer.from_pretrained(source)
ids = tokenizer(pathlib.Path(text).read_text(), add_special_tokens=False, return_tensors="pt")["input_ids"][0]
batches = ids[: samples * LENGTH].reshape(-1, BATCH, LENGTH)
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
config = QuantizeConfig(bits=int(bits), group_size=int(group))
print(len(ids), "tokens;", config)
start = time.time()
with torch.inference_mode():
    states = [model.model.embed_tokens(batch) for batch in batches]
    positions = torch.arange(LENGTH)[None]
    rotary = model.model.rotary_emb(states[0], positions)

    def forward(layer, state):
        result = layer(state, position_embeddings=rotary, position_ids=positions, attention_mask=None)
        return result[0] if isinstance(result, tuple) else result

    for index, layer in enumerate(model.model.layers):
        for names in STAGES:
            tasks = {name: GPTQ(layer.get_submodule(name), config) for name in names}
            hooks = []
            for name, task in tasks.items():
                task.quantizer.configure(perchannel=True)
                task.fallback = None
                hooks.append(layer.get_submodule(name).register_forward_hook(lambda _, inp, res, task=task: task.add_batch(inp[0], res)))
            for state in states:
                forward(layer, state)
            for hook in hooks:
                hook.remove()
            for name, task in tasks.items():
                layer.get_submodule(name).weight.data = task.quantize()[0].float().clone()
        states = [forward(layer, state) for state in states]
        print(index, round(time.time() - start, 1), flush=True)
model.save_pretrained(out)
tokenizer.save_pretrained(out)
