#!/usr/bin/env python3
"""Makes tiny quantised Llamas as HuggingFace folders, packed by the formats' own tools, and what transformers computes with them.

Usage: make_quantized.py OUT_DIR [VARIANT ...]        (llama-runtime/src/test/resources/golden/quantized; without names all of them)
Needs what make_hf_families.py needs, and gptqmodel, autoawq (its sources suffice), compressed-tensors, bitsandbytes.

Random weights are rounded to nearest (how codes were chosen is not what is tested), packed and dequantised by
  gptq   gptqmodel's TorchLinear (pack_original, dequantize_weight) and its conversion to the v1 format
  awq    AutoAWQ's WQLinear_GEMM.from_linear and dequantize_gemm
  ct     compressed-tensors' PackedQuantizationCompressor
  bnb    bitsandbytes' quantize_4bit and dequantize_4bit on the CPU
For each variant V: folder V, V.json (prompt, greedy tokens, digests of the weights as the tool dequantises them, in the tool's type) and
V.logits.f32. Logits come from transformers in fp32 with the same codes and scales multiplied out in fp32.
"""

import functools
import json
import pathlib
import shutil
import sys
import types

import numpy as np
import safetensors.torch
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import golden_files
import hf_folders
import make_tiny_llama as tiny
import tiny_tokenizers as tt

SEED = 20240911
PROMPT = 20
LAYERS = 1
HIDDEN, INNER = 128, 256
LINEARS = {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v", "self_attn.o_proj": "o",
           "mlp.gate_proj": "gate", "mlp.up_proj": "up", "mlp.down_proj": "down"}
# Inputs are permuted per input activation: modules that read the same activations share their order, as in real files.
ORDERS = {"q": "attention", "k": "attention", "v": "attention", "o": "o", "gate": "ffn", "up": "ffn", "down": "down"}


def ranges(weight, bits, group, sym, generator=None):
    """Scale and zero point [N, K/g] of each run of inputs, round to nearest."""
    n, k = weight.shape
    parts = weight.reshape(n, k // group, group)
    most = 2**bits - 1
    if sym:
        scale = parts.abs().amax(-1) * 2 / most
        zero = torch.full_like(scale, 2 ** (bits - 1))
    else:
        low, high = parts.amin(-1).clamp(max=0), parts.amax(-1).clamp(min=0)
        scale = (high - low) / most
        zero = torch.round(-low / scale)
    return scale, zero


class Gptq:
    packages, weight_type = ["gptqmodel"], "f16"

    def __init__(self, bits, group, sym, desc_act, v2):
        self.bits, self.group, self.sym, self.desc_act, self.v2 = bits, group, sym, desc_act, v2

    def config(self):
        return dict(quant_method="gptq", bits=self.bits, group_size=self.group, sym=self.sym, desc_act=self.desc_act, lm_head=False,
                    checkpoint_format="gptq_v2" if self.v2 else "gptq", pack_dtype="int32")

    def quantise(self, weight, part, seed):
        from gptqmodel.nn_modules.qlinear.torch import TorchLinear
        from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module

        n, k = weight.shape
        group = k if self.group == -1 else self.group
        g_idx = torch.arange(k) // group
        if self.desc_act:
            order_seed = seed + sorted(set(ORDERS.values())).index(ORDERS[part])
            g_idx = g_idx[torch.from_numpy(np.random.default_rng(order_seed).permutation(k))]
        order = torch.argsort(g_idx, stable=True)
        scale, zero = ranges(weight[:, order], self.bits, group, self.sym)
        linear = torch.nn.Linear(k, n, bias=False)
        linear.weight.data.copy_(weight)
        module = TorchLinear(bits=self.bits, group_size=self.group, sym=self.sym, desc_act=self.desc_act, in_features=k, out_features=n,
                             bias=False, pack_dtype=torch.int32, register_buffers=True)
        module.pack_original(linear, scale.half().float(), zero, g_idx.to(torch.int32))  # pack() compiles an extension first
        tool = module.dequantize_weight().T.contiguous()
        module.scales = module.scales.float()
        exact = module.dequantize_weight().T.contiguous()
        module.scales = module.scales.half()
        if not self.v2:
            convert_gptq_v2_to_v1_format_module(module, types.SimpleNamespace(bits=self.bits, pack_dtype=torch.int32))
        stored = {name: getattr(module, name).clone() for name in ("qweight", "qzeros", "scales", "g_idx")}
        return stored, tool, exact


class Awq:
    packages, weight_type = ["autoawq"], "f16"

    def __init__(self, group):
        self.group = group

    def config(self):
        return dict(quant_method="awq", bits=4, group_size=self.group, zero_point=True, version="gemm", modules_to_not_convert=None)

    def quantise(self, weight, part, seed):
        gemm, packing = awq_modules()
        n, k = weight.shape
        scale, zero = ranges(weight, 4, self.group, False)
        linear = torch.nn.Linear(k, n, bias=False)
        scale = scale.half().float()
        codes = torch.clamp(torch.round(weight.reshape(n, -1, self.group) / scale[..., None]) + zero[..., None], 0, 15)
        linear.weight.data.copy_(((codes - zero[..., None]) * scale[..., None]).reshape(n, k))
        module = gemm.WQLinear_GEMM.from_linear(linear, 4, self.group, scales=scale.T.contiguous(), zeros=zero.T.contiguous())
        tool = packing.dequantize_gemm(module.qweight, module.qzeros, module.scales, 4, self.group).T.contiguous()
        exact = packing.dequantize_gemm(module.qweight, module.qzeros, module.scales.float(), 4, self.group).T.contiguous()
        return {name: getattr(module, name).clone() for name in ("qweight", "qzeros", "scales")}, tool, exact


@functools.lru_cache
def awq_modules():
    """AutoAWQ's modules without its package initialisers, which import model classes that today's transformers lacks."""
    import importlib
    import importlib.util

    root = pathlib.Path(next(iter(importlib.util.find_spec("awq").submodule_search_locations)))
    for name in ("awq", "awq.utils", "awq.modules", "awq.modules.linear"):
        if name not in sys.modules:
            module = types.ModuleType(name)
            module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            sys.modules[name] = module
    sys.modules.setdefault("awq.modules.triton", None)
    return importlib.import_module("awq.modules.linear.gemm"), importlib.import_module("awq.utils.packing_utils")


class CompressedTensors:
    packages, weight_type = ["compressed-tensors"], "bf16"

    def __init__(self, bits, group, sym, ignore=()):
        self.bits, self.group, self.sym, self.ignore = bits, group, sym, ignore

    def args(self):
        from compressed_tensors.quantization import QuantizationArgs

        strategy = dict(strategy="channel") if self.group == -1 else dict(strategy="group", group_size=self.group)
        return QuantizationArgs(num_bits=self.bits, type="int", symmetric=self.sym, **strategy)

    def config(self):
        ignored = [f"model.layers.{i}.{name}" for i in range(LAYERS) for name in self.ignore]
        weights = json.loads(self.args().model_dump_json())
        group = dict(targets=["Linear"], weights=weights, input_activations=None, output_activations=None, format="pack-quantized")
        return dict(quant_method="compressed-tensors", format="pack-quantized", quantization_status="compressed", ignore=["lm_head"] + ignored,
                    config_groups={"group_0": group}, kv_cache_scheme=None)

    def quantise(self, weight, part, seed):
        from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
        from compressed_tensors.quantization import QuantizationScheme

        if any(LINEARS[name] == part for name in self.ignore):
            return None, None, None
        scale, zero = ranges(weight, self.bits, weight.shape[1] if self.group == -1 else self.group, self.sym)
        state = {"weight": weight.to(torch.bfloat16), "weight_scale": scale.to(torch.bfloat16)}
        state["weight_zero_point"] = (zero - 2 ** (self.bits - 1)).to(torch.int8)
        scheme = QuantizationScheme(targets=["Linear"], weights=self.args())
        stored = PackedQuantizationCompressor.compress(state, scheme)
        tool = PackedQuantizationCompressor.decompress(dict(stored), scheme)["weight"]
        wide = {key: value.float() if key == "weight_scale" else value for key, value in stored.items()}
        exact = PackedQuantizationCompressor.decompress(wide, scheme)["weight"]
        assert tool.dtype == torch.bfloat16 and exact.dtype == torch.float32
        return dict(stored), tool, exact


class BitsAndBytes:
    packages, weight_type = ["bitsandbytes"], "f32"

    def __init__(self, kind, nested):
        self.kind, self.nested = kind, nested

    def config(self):
        return dict(quant_method="bitsandbytes", load_in_4bit=True, load_in_8bit=False, bnb_4bit_quant_type=self.kind,
                    bnb_4bit_use_double_quant=self.nested, bnb_4bit_compute_dtype="float16", bnb_4bit_quant_storage="uint8")

    def quantise(self, weight, part, seed):
        import bitsandbytes.functional as F

        packed, state = F.quantize_4bit(weight.contiguous(), blocksize=64, quant_type=self.kind, compress_statistics=self.nested)
        exact = F.dequantize_4bit(packed, state)
        assert exact.dtype == torch.float32
        stored = {"weight": packed} | {f"weight.{key}": value for key, value in state.as_dict(packed=True).items()}
        return stored, exact, exact


VARIANTS = {
    "gptq_w4_g32_desc_act": Gptq(4, 32, True, True, False),
    "gptq_w4_g128_asym_v2": Gptq(4, 128, False, False, True),
    "gptq_w4_g64_asym": Gptq(4, 64, False, True, False),
    "gptq_w3_g64_asym": Gptq(3, 64, False, False, False),
    "gptq_w3_g32_v2": Gptq(3, 32, True, True, True),
    "gptq_w2_g32_asym": Gptq(2, 32, False, False, False),
    "gptq_w8_channel": Gptq(8, -1, True, False, False),
    "awq_g32": Awq(32),
    "awq_g128": Awq(128),
    "ct_w4_g128": CompressedTensors(4, 128, True),
    "ct_w4_g32_asym": CompressedTensors(4, 32, False, ignore=["self_attn.o_proj", "mlp.down_proj"]),
    "ct_w4_channel": CompressedTensors(4, -1, True),
    "ct_w8_channel": CompressedTensors(8, -1, True),
    "bnb_nf4_double": BitsAndBytes("nf4", True),
    "bnb_nf4": BitsAndBytes("nf4", False),
    "bnb_fp4_double": BitsAndBytes("fp4", True),
}


def build(seed):
    config = LlamaConfig(**{**tiny.COMMON, "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS}, tie_word_embeddings=True)
    model = LlamaForCausalLM(config).eval().to(torch.float32)
    hf_folders.randomize(model, seed, 0.3)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(torch.float16).to(torch.float32))
    return model


def quantise(model, scheme, seed):
    """Replaces the linears by what their codes stand for; returns stored tensors and the tool's weights by our names."""
    stored = {name: p.detach().to(torch.float16) for name, p in model.named_parameters() if name != "lm_head.weight"}
    weights = {}
    for layer in range(LAYERS):
        for theirs, part in LINEARS.items():
            module = f"model.layers.{layer}.{theirs}"
            parameter = model.get_parameter(f"{module}.weight")
            tensors, tool, exact = scheme.quantise(parameter.detach().clone(), part, seed + 17 * layer)
            if tensors is None:
                continue
            del stored[f"{module}.weight"]
            stored |= {f"{module}.{name}": tensor.contiguous() for name, tensor in tensors.items()}
            weights[f"layers.{layer}.{part}"] = tool
            with torch.no_grad():
                parameter.copy_(exact)
    return stored, weights


def as_numpy(weight, kind):
    if kind != "bf16":
        return weight.numpy()
    return (weight + 0.0).view(torch.int16).numpy()


def manifest_rows(out):
    """Rows of variants that a run before has made, by name."""
    path = out / "MANIFEST.md"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split("|")[1].strip(): line for line in lines if line.startswith("| ") and line.split("|")[1].strip() in VARIANTS}


def main():
    out = pathlib.Path(sys.argv[1])
    only = sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    rows = manifest_rows(out)
    for index, (name, scheme) in enumerate(VARIANTS.items()):
        if only and name not in only:
            continue
        for seed in range(SEED + 1000 * index, SEED + 1000 * index + 200):
            model = build(seed)
            stored, weights = quantise(model, scheme, seed)
            prompt = hf_folders.random_prompt(seed, PROMPT)
            ids, gap, logits = tiny.greedy(model, prompt)
            if golden_files.good(gap, ids[PROMPT:], logits):
                break
        else:
            raise AssertionError(f"{name}: no seed gives distinct tokens")
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = json.loads(model.config.to_json_string(use_diff=False))
        keep = ["architectures", "model_type", "hidden_act", "hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads",
                "num_hidden_layers", "num_key_value_heads", "rms_norm_eps", "rope_parameters", "tie_word_embeddings", "vocab_size", "head_dim"]
        document = {key: config[key] for key in keep if key in config}
        document |= dict(architectures=["LlamaForCausalLM"], eos_token_id=2, torch_dtype="float16", quantization_config=scheme.config())
        (folder / "config.json").write_text(json.dumps(document, indent=1) + "\n")
        safetensors.torch.save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        hf_folders.save_tokenizer(folder, "chatml", "text")
        hf_folders.compact(folder)
        kind = scheme.weight_type
        golden_files.write_case(out, name, prompt, ids, gap, logits, tt.VOCAB, {k: as_numpy(w, kind) for k, w in weights.items()}, kind)
        versions = golden_files.versions(*scheme.packages)
        rows[name] = f"| {name} | {versions.split(', ')[1]} | {kind} | {seed} | {gap:.3f} | {float(logits.std()):.2f} |"
        print(rows[name], flush=True)
    golden_files.check_sizes(out)
    versions = golden_files.versions("torch", "transformers", "safetensors", "numpy")
    (out / "MANIFEST.md").write_text(
        "# Tiny quantised Llamas\n\nMade by `tools/golden/make_quantized.py` (its head says how) with " + versions + ". Codes are rounded to nearest; packed and"
        " dequantised by the tool named, which is the oracle of the weights, in the type named. AutoAWQ was run without its package initialisers,"
        " which need an older transformers.\n\n"
        "| variant | tool | type | seed | smallest gap | logit std |\n|---|---|---|---|---|---|\n" + "\n".join(rows[name] for name in VARIANTS) + "\n"
    )


if __name__ == "__main__":
    main()
