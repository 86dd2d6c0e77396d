"""The two tokenizers of the tiny golden models, trained on the text below: byte-level BPE and SentencePiece BPE.

Both have 512 tokens. The text is ours; it is small on purpose and mixes scripts, so that merges over spaces, digits,
punctuation and multi-byte characters all occur.
"""

import io
import json

VOCAB = 512

TEXT = """
The ferry left the harbour before sunrise, and nobody on the pier knew when it would be back.
A sailfish is the fastest fish in the ocean; it folds its sail down while it swims at full speed.
In 2024 the crew counted 1,234,567 fish, 89 ships and 3.14159 whales. Is that true? No, it isn't!
We'll see what they've got; she'd said I'm late, and you're early. DON'T SHOUT, WE'RE HERE.
def total(rows):
    return sum(row["price"] * row["count"] for row in rows if row is not None)
SELECT name, count(*) FROM reviews WHERE stars >= 4 GROUP BY name ORDER BY 2 DESC;
The battery lasts two days, the screen is bright, but the speaker crackles when it is loud.
Great value for the price. The box arrived broken and the seller did not answer for three weeks.
Быстрая рыба плывёт по морю, а капитан смотрит на звёзды и пишет письмо домой.
Der Kapitän fährt über das große Meer; die Mannschaft schläft schon seit gestern.
Le bateau est arrivé à l'heure, et la mer était très calme cet été-là.
海は広くて青い。魚が速く泳ぐ。中文也在这里，数字是一二三。
สวัสดีชาวโลก ทะเลกว้างใหญ่ ភាសាខ្មែរ សមុទ្រធំ
🙂🚢🌊 emoji too: 👩‍👩‍👧 and 🇪🇺 flags, arrows → and ½ fractions.
"""

# Regex of the pre-tokenizers, by llama.cpp's name of them (tokenizer.ggml.pre). Sources: tokenizer.json of Llama 3 and
# Qwen 2 as published; GPT-2 and SmolLM use the ByteLevel pre-tokenizer's own expression.
LLAMA3_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_REGEX = LLAMA3_REGEX.replace(r"\p{N}{1,3}", r"\p{N}")


def pre_tokenizer(pre):
    """The tokenizers pre-tokenizer (and normalizer) that llama.cpp's pre-type stands for."""
    from tokenizers import Regex, normalizers, pre_tokenizers as p

    def split(regex):
        return [p.Split(Regex(regex), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)]

    if pre == "gpt-2":
        return p.ByteLevel(add_prefix_space=False, use_regex=True), None
    if pre == "smollm":
        return p.Sequence([p.Digits(individual_digits=True), p.ByteLevel(add_prefix_space=False, use_regex=True)]), None
    if pre == "llama-bpe":
        return p.Sequence(split(LLAMA3_REGEX)), None
    if pre == "qwen2":
        return p.Sequence(split(QWEN2_REGEX)), normalizers.NFC()
    raise ValueError(pre)


def bpe(pre, special):
    """Byte-level BPE: `special` tokens first, then the 256 bytes, then merges. Returns a tokenizers.Tokenizer."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    tokenizer.pre_tokenizer, normalizer = pre_tokenizer(pre)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=[AddedToken(s, special=True) for s in special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.split("\n"), trainer)
    assert tokenizer.get_vocab_size() == VOCAB, tokenizer.get_vocab_size()
    return tokenizer


def bpe_gguf_fields(tokenizer, special):
    """(tokens, token types, merges) as llama.cpp's converter writes them."""
    import gguf

    model = json.loads(tokenizer.to_str())["model"]
    tokens = [t for t, _ in sorted(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1])]
    types = [gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in tokens]
    return tokens, types, [" ".join(m) for m in model["merges"]]


def sentencepiece():
    """SentencePiece BPE with byte fallback and dummy prefix, as Llama 2 has. Returns the serialized model.

    Trained on the Latin and Cyrillic lines: 512 tokens have no room for every character, the others take the bytes.
    """
    import sentencepiece as spm

    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(line for line in TEXT.split("\n") if line and max(line) < "\u0500"),
        model_writer=out,
        model_type="bpe",
        vocab_size=VOCAB,
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        bos_id=1,
        eos_id=2,
        unk_id=0,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return out.getvalue()


def sentencepiece_gguf_fields(model):
    """(tokens, scores, token types) as llama.cpp's converter writes them."""
    import gguf
    import sentencepiece as spm

    sp = spm.SentencePieceProcessor(model_proto=model)
    tokens, scores, types = [], [], []
    for i in range(sp.get_piece_size()):
        tokens.append(sp.id_to_piece(i))
        scores.append(sp.get_score(i))
        if sp.is_unknown(i):
            types.append(gguf.TokenType.UNKNOWN)
        elif sp.is_control(i):
            types.append(gguf.TokenType.CONTROL)
        elif sp.is_byte(i):
            types.append(gguf.TokenType.BYTE)
        else:
            types.append(gguf.TokenType.NORMAL)
    return tokens, scores, types
