#!/usr/bin/env python3
"""Quantises a Llama folder with AutoAWQ on a card and writes it back as an fp32 folder of the dequantised weights.

Usage: autoawq_reference.py MODEL_DIR CALIBRATION.txt SAMPLES BITS GROUP OUT_DIR
Needs autoawq (its sources suffice), torch, transformers, datasets. The algorithm is the tool's class AwqQuantizer with the defaults of its
quantize() (zero points, duo scaling, clipping), searching in fp32; weights are rounded by the tool's own function, with scales in 16 bits as its
packed format has them. The group has to divide the inputs: the tool takes no shorter last group. On a CPU its search loses the weights: what it
means to keep of them before each trial is the tensor that the trial multiplies.
"""
import importlib
import importlib.util
import pathlib
import sys
import types

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LENGTH = 512

# Without the package's initialisers: they import model classes that today's transformers lacks.
root = pathlib.Path(next(iter(importlib.util.find_spec("awq").submodule_search_locations)))
for name in ("awq", "awq.utils", "awq.modules", "awq.modules.linear", "awq.quantize"):
    module = types.ModuleType(name)
    module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = module
for name in ("WQLinear_GEMM", "WQLinear_GEMV", "WQLinear_Marlin", "WQLinear_GEMVFast"):
    setattr(sys.modules["awq.modules.linear"], name, type(name, (), {}))
quantize = importlib.import_module("awq.quantize.quantizer")
AwqQuantizer = quantize.AwqQuantizer
quantize.clear_memory = lambda *unused: None  # collecting garbage takes longer than the steps between, with a small model


class LlamaShape:
    """What the tool asks its class of a Llama for; the list of scalings is that class's, which cannot be imported."""

    model_type = "llama"

    @staticmethod
    def get_model_layers(model):
        return model.model.layers

    @staticmethod
    def move_embed(model, device):
        pass

    @staticmethod
    def get_layers_for_scaling(layer, features, kwargs):
        attention, mlp = layer.self_attn, layer.mlp
        scalings = [dict(prev_op=layer.input_layernorm, layers=[attention.q_proj, attention.k_proj, attention.v_proj],
                         inp=features["self_attn.q_proj"], module2inspect=attention, kwargs=kwargs)]
        if attention.v_proj.weight.shape == attention.o_proj.weight.shape:
            scalings.append(dict(prev_op=attention.v_proj, layers=[attention.o_proj], inp=features["self_attn.o_proj"]))
        scalings.append(dict(prev_op=layer.post_attention_layernorm, layers=[mlp.gate_proj, mlp.up_proj],
                             inp=features["mlp.gate_proj"], module2inspect=mlp))
        scalings.append(dict(prev_op=mlp.up_proj, layers=[mlp.down_proj], inp=features["mlp.down_proj"]))
        return scalings


source, text, samples, bits, group, out = sys.argv[1:]
samples = int(samples)
if not torch.cuda.is_available():
    sys.exit("needs a card: see above")
tokenizer = AutoTokenizer.from_pretrained(source)
ids = tokenizer(pathlib.Path(text).read_text(), add_special_tokens=False)["input_ids"]
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).to("cuda")
model.config.use_cache = False  # a cache would hand every trial the keys of those before it
quantizer = AwqQuantizer(
    LlamaShape, model, tokenizer, int(bits), int(group), True, "gemm", [ids[i * LENGTH : (i + 1) * LENGTH] for i in range(samples)], "", "",
    duo_scaling=True, export_compatible=True, apply_clip=True, max_calib_samples=samples, max_calib_seq_len=LENGTH)
quantizer.quantize()
with torch.no_grad():
    for layer in model.model.layers:
        for linear in (m for m in layer.modules() if isinstance(m, torch.nn.Linear)):
            rounded, scales, zeros = quantizer.pseudo_quantize_tensor(linear.weight.data.half().float())
            wide = scales.repeat_interleave(int(group), 1)
            codes = torch.round(rounded / wide)
            linear.weight.data = codes * scales.half().float().repeat_interleave(int(group), 1)
print("done")
model.cpu().save_pretrained(out)
tokenizer.save_pretrained(out)
