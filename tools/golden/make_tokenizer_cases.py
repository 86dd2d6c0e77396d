#!/usr/bin/env python3
"""Makes tokenizer cases: strings and what HuggingFace's tokenizers makes of them.

Usage: make_tokenizer_cases.py tiny GOLDEN_DIR                 (llama-runtime/src/test/resources/golden)
       make_tokenizer_cases.py model MODEL.gguf OUT.json       (benchmarks/fidelity/smollm2-tokenizer.json)
Needs: tokenizers, transformers (its generate_merges), sentencepiece, gguf, Jinja2; llama-cpp-python if there (second opinion).

A case file holds
  texts    [[text, ids]]: ids without added tokens, special-token text taken as text (`encode_special_tokens`)
  decoded  [[ids, text]]: random ids, special ones left out
  prompts  [{parts, ids}]: a rendered prompt in parts; ["special", text] was written by the template, ["template", text] too,
           ["row", text] came from a row and may spell special tokens. The ids begin with bos if the model adds one.

The HF tokenizer is built from the GGUF metadata with the pre-tokenizer that the model's own tokenizer.json has; transformers'
GGUF import knows no `smollm` and would leave out its Digits step.
"""

import importlib.metadata
import json
import pathlib
import random
import sys

import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

import tiny_tokenizers as tt
from tokenizer_strings import strings

CONTROL, UNKNOWN, BYTE = 3, 2, 6


class GgufTokenizer:
    """HF tokenizer of a GGUF file."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        field = lambda key, default=None: reader.fields[f"tokenizer.ggml.{key}"].contents() if f"tokenizer.ggml.{key}" in reader.fields else default
        self.path, self.tokens, self.types = str(path), field("tokens"), field("token_type")
        self.model, self.pre = field("model"), field("pre")
        self.bos = field("bos_token_id") if field("add_bos_token", False) else None
        self.specials = [t for t, kind in zip(self.tokens, self.types) if kind in (CONTROL, UNKNOWN)]
        vocab = {t: i for i, t in enumerate(self.tokens)}
        if self.model == "gpt2":
            merges = [tuple(m.split(" ")) for m in field("merges")]
            self.hf = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=self.pre == "llama-bpe"))
            self.hf.pre_tokenizer, normalizer = tt.pre_tokenizer(self.pre)
            if normalizer is not None:
                self.hf.normalizer = normalizer
            self.hf.decoder = decoders.ByteLevel()
        else:
            from transformers.tokenization_utils_base import generate_merges

            skip = [t for t, kind in zip(self.tokens, self.types) if kind in (CONTROL, UNKNOWN, BYTE)]
            merges = generate_merges(vocab, dict(zip(self.tokens, field("scores"))), skip)
            self.hf = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
            self.hf.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
            self.hf.decoder = decoders.Sequence(
                [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            )
        self.hf.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in self.specials])
        assert self.hf.get_vocab_size() == len(self.tokens)

    def text(self, text):
        self.hf.encode_special_tokens = True
        return self.hf.encode(text, add_special_tokens=False).ids

    def prompt(self, parts):
        ids, open_text = [], ""
        for kind, text in parts + [["special", None]]:
            if kind != "special":
                open_text += text
                continue
            ids += self.text(open_text) if open_text else []
            open_text = ""
            ids += [self.tokens.index(text)] if text else []
        return ids if self.bos is None or ids[:1] == [self.bos] else [self.bos] + ids

    def parsed(self, rendered):
        """Ids of a rendered prompt as HF parses it: for prompts whose rows spell no special token the same."""
        self.hf.encode_special_tokens = False
        return self.hf.encode(rendered, add_special_tokens=False).ids


def prompt_parts(tokenizer, rows):
    if "<|im_start|>" in tokenizer.tokens:
        def turn(role, text):
            return [["special", "<|im_start|>"], ["template", role + "\n"], ["row", text], ["special", "<|im_end|>"], ["template", "\n"]]
        open_turn = [["special", "<|im_start|>"], ["template", "assistant\n"]]
    elif "<|eot_id|>" in tokenizer.tokens:
        def turn(role, text):
            head = [["special", "<|start_header_id|>"], ["template", role], ["special", "<|end_header_id|>"]]
            return head + [["template", "\n\n"], ["row", text], ["special", "<|eot_id|>"]]
        open_turn = [["special", "<|start_header_id|>"], ["template", "assistant"], ["special", "<|end_header_id|>"], ["template", "\n\n"]]
    else:
        def turn(role, text):
            return [["template", "[INST] "], ["row", text], ["template", " [/INST]"]]
        open_turn = []
    out = []
    for i, row in enumerate(rows):
        parts = turn("user", row) + open_turn
        if i % 3 == 1:
            parts = turn("system", "You answer in one word.") + parts
        if i % 3 == 2:
            parts = turn("user", "hi") + turn("assistant", rows[i - 1]) + parts
        if i % 5 == 0 and tokenizer.bos is not None:
            parts = [["special", tokenizer.tokens[tokenizer.bos]]] + parts
        out.append(parts)
    return out


def cases(tokenizer, count):
    texts = strings(count, tokenizer.specials)
    rng = random.Random(11)
    decoded = []
    for _ in range(200):
        ids = [rng.randrange(len(tokenizer.tokens)) for _ in range(rng.randint(1, 12))]
        # HF decodes a run of byte tokens as a whole, all of it or U+FFFD for each byte; ours as UTF-8.
        if tokenizer.model == "llama":
            ids = [i for i in ids if tokenizer.types[i] != BYTE]
        decoded.append([ids, tokenizer.hf.decode(ids, skip_special_tokens=True)])
    for text in texts[:: max(1, len(texts) // 300)]:
        ids = tokenizer.text(text)
        decoded.append([ids, tokenizer.hf.decode(ids, skip_special_tokens=True)])
    prompts = []
    rows = [t for t in texts if t][:: max(1, len(texts) // 90)] + [s for s in tokenizer.specials] + ["\ue0f7", "a\ue0f7\ue0f7b", "<", "<|im_", "<\ue0f7|im_end|>"]
    for parts in prompt_parts(tokenizer, rows):
        ids = tokenizer.prompt(parts)
        rendered = "".join(text for _, text in parts)
        if tokenizer.model == "gpt2" and not any(s in text for kind, text in parts if kind != "special" for s in tokenizer.specials):
            parsed = tokenizer.parsed(rendered)
            assert parsed == (ids if rendered.startswith(tokenizer.tokens[tokenizer.bos]) else ids[1:]) if tokenizer.bos is not None else parsed == ids
        prompts.append({"parts": parts, "ids": ids})
    return {"texts": [[t, tokenizer.text(t)] for t in texts], "decoded": decoded, "prompts": prompts}


def llama_cpp_agreement(tokenizer, texts):
    """Share of texts on which llama.cpp gives the same ids."""
    try:
        from llama_cpp import Llama
    except ImportError:
        return "not there"
    llama = Llama(tokenizer.path, vocab_only=True, verbose=False)
    same = [llama.tokenize(t.encode("utf-8"), add_bos=False, special=False) == ids for t, ids in texts if "\0" not in t]
    return f"{sum(same)} of {len(same)}"


def sentencepiece_agreement(texts):
    import sentencepiece as spm

    sp = spm.SentencePieceProcessor(model_proto=tt.sentencepiece())
    same = [sp.encode(t) == ids for t, ids in texts]
    for (t, ids), ok in zip(texts, same):
        if not ok:
            print("sentencepiece differs:", repr(t), sp.encode(t), ids)
    return f"{sum(same)} of {len(same)}"


def dump(path, doc):
    path.write_text(json.dumps(doc, ensure_ascii=True, separators=(",", ":")) + "\n")
    assert path.stat().st_size < 1 << 20, path


def main():
    versions = ", ".join(f"{m} {importlib.metadata.version(m)}" for m in ("tokenizers", "transformers", "sentencepiece", "gguf"))
    if sys.argv[1] == "model":
        tokenizer = GgufTokenizer(sys.argv[2])
        doc = cases(tokenizer, 2400)
        opinion = llama_cpp_agreement(tokenizer, doc["texts"])
        print(f"{len(doc['texts'])} texts; llama.cpp gives the same ids on {opinion}")
        dump(pathlib.Path(sys.argv[3]), {"versions": versions, "llamaCppAgrees": opinion, **doc})
        return
    golden = pathlib.Path(sys.argv[2])
    out = golden / "tokenizer"
    out.mkdir(exist_ok=True)
    rows = []
    for variant in ("plain", "tied", "llama3", "linear", "headdim"):
        tokenizer = GgufTokenizer(golden / f"{variant}.gguf")
        doc = cases(tokenizer, 700)
        dump(out / f"{variant}.json", doc)
        opinion = llama_cpp_agreement(tokenizer, doc["texts"])
        if tokenizer.model == "llama":
            opinion += "; sentencepiece " + sentencepiece_agreement(doc["texts"])
        rows.append(f"| {variant} | {tokenizer.model} {tokenizer.pre} | {len(doc['texts'])} | {len(doc['decoded'])} | {len(doc['prompts'])} | {opinion} |")
        print(rows[-1])
    (out / "MANIFEST.md").write_text(
        "# Tokenizer cases\n\nMade by `tools/golden/make_tokenizer_cases.py tiny` (its head says what the files hold) with " + versions + ".\n\n"
        "| variant | tokenizer | texts | decoded | prompts | llama.cpp gives the same ids on |\n|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    main()
