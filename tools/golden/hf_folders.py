"""Tiny models and tokenizers for HuggingFace folders, shared by the makers of golden folders."""

import json
import math

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

import make_tiny_llama as tiny
import tiny_tokenizers as tt

MESSAGES = [{"role": "user", "content": "The ferry left, isn't it 2024? 🙂"}]


def randomize(model, seed, embedding=0.5):
    """Wider than HF's 0.02, so that attention is far from uniform and logits spread; norms and biases not trivial."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator, dtype=torch.float32)
            if "norm" in name:
                p.copy_(1.0 + 0.25 * noise)
            elif name.endswith("bias"):
                p.copy_(0.5 * noise)
            elif "embed_tokens" in name:
                p.copy_(embedding * noise)
            else:
                p.copy_(1.6 / math.sqrt(p.shape[1]) * noise)


def byte_level(pre, special, bos=None):
    """A byte-level BPE tokenizer; `bos`: its post-processor puts this token first."""
    tokenizer = tt.bpe(pre, special)
    if bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return tokenizer


def sentencepiece():
    from transformers.tokenization_utils_base import generate_merges

    tokens, scores, types = tt.sentencepiece_gguf_fields(tt.sentencepiece())
    vocab = {t: i for i, t in enumerate(tokens)}
    merges = generate_merges(vocab, dict(zip(tokens, scores)), [t for t, kind in zip(tokens, types) if kind in (2, 3, 6)])
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def save_tokenizer(folder, kind, template_in):
    """Saves the tokenizer and returns the rendered chat prompt and its ids as transformers makes them."""
    if kind == "chatml":
        fast = PreTrainedTokenizerFast(tokenizer_object=byte_level("smollm", tiny.CHATML), bos_token="<|im_start|>", eos_token="<|im_end|>")
        fast.chat_template = tiny.CHATML_TEMPLATE
    elif kind == "llama3":
        tokenizer = byte_level("llama-bpe", tiny.LLAMA3, "<|begin_of_text|>")
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
        fast.chat_template = tiny.LLAMA3_TEMPLATE
    elif kind == "qwen2":
        fast = PreTrainedTokenizerFast(tokenizer_object=byte_level("qwen2", tiny.CHATML), eos_token="<|im_end|>", pad_token="<|endoftext|>")
        fast.chat_template = tiny.CHATML_TEMPLATE
    else:
        fast = PreTrainedTokenizerFast(tokenizer_object=sentencepiece(), bos_token="<s>", eos_token="</s>", unk_token="<unk>")
        fast.chat_template = tiny.LLAMA2_TEMPLATE
    template = fast.chat_template
    fast.save_pretrained(folder)
    rendered = fast.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
    ids = fast(rendered, add_special_tokens=False)["input_ids"]
    place_template(folder, template, template_in)
    return rendered, ids


def place_template(folder, template, template_in):
    """Moves the chat template to where `template_in` says: jinja (its own file), text or list (in tokenizer_config.json)."""
    jinja, path = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("chat_template", None)
    if template_in == "jinja":
        jinja.write_text(template)
    else:
        jinja.unlink(missing_ok=True)
        named = [{"name": "tool_use", "template": "{{ raise_exception('not this one') }}"}, {"name": "default", "template": template}]
        config["chat_template"] = named if template_in == "list" else template
    path.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")


def compact(folder):
    """Tokenizer files without the indentation of tokenizers' own writer."""
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False) + "\n")


def random_prompt(seed, length):
    return np.random.default_rng(seed).integers(3, tt.VOCAB, length).tolist()
