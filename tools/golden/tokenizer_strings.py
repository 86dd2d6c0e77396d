"""Seeded strings that tokenizers get wrong: scripts, emoji, digits, white space, control characters, code, special tokens as text."""

import random
import unicodedata

WORDS = {
    "latin": "the quick brown fox's jumps over Łódź naïve café résumé coöperate straße İstanbul ﬁnance I'm they'LL WE'RE can't".split(),
    "cyrillic": "быстрая рыба плывёт по морю ЁЛКА Київ њих Ђоковић съезд ещё".split(),
    "greek": "ταχύς αλεπού ΟΔΥΣΣΕΥΣ ά ώ ΐ".split(),
    "khmer": "ភាសាខ្មែរ សមុទ្រ ធំ ណាស់ កម្ពុជា ស្រុក ព្រះ ខ្ញុំ ១២៣".split(),
    "thai": "สวัสดีชาวโลก ทะเล กว้างใหญ่ น้ำ ๑๒๓".split(),
    "cjk": "海は広くて青い 魚が速く泳ぐ 中文也在这里 數字是一二三 カタカナ ｶﾀｶﾅ 한국어 조합 〇 ㈱ 《》、。".split(),
    "arabic": "السمكة السريعة ١٢٣ کتاب הדג המהיר ‏שלום‎ مَرْحَبًا".split(),
    "indic": "नमस्ते क्षत्रिय १२३ தமிழ் తెలుగు বাংলা ৪৫৬ മലയാളം".split(),
    "emoji": "🙂 🚢 🌊 👩‍👩‍👧 🇪🇺 👍🏽 ❤️ 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🫠 ☃ ♟️".split(),
    "symbol": "→ ½ ¾ € £ © ™ … “q” ‘q’ – — · ∑ √ ≤ ∞ 🅰 𝔘𝔫𝔦 ℵ ² ³ Ⅷ ⅓ ㊿ ﷽".split(),
}
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n\n", " \n ", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\u2028", "\x0b", "\x0c", "\x85", "\u1680"]
CONTROLS = [chr(c) for c in list(range(0, 32)) + [0x7F, 0x80, 0x9F, 0xAD, 0x200E, 0x202E, 0x2066, 0xFFF9, 0xFFFD, 0xFFFF, 0xE000, 0xE0F7, 0xF8FF, 0x10FFFF]]
CODE = [
    "def f(x):\n    return x ** 2  # squared\n",
    "SELECT a.b, count(*)\nFROM t1 a JOIN t2 USING (id)\nWHERE x >= 10 AND y <> 'it''s';",
    "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }",
    '{"key": [1, 2.5, -3e-7, null, true], "ключ": "\\u00e9\\n"}',
    "<html><body class='x'>&amp; &#169;</body></html>",
    "#!/bin/sh\nset -e; echo \"$HOME\" | sed 's/\\(a\\)/\\1/g' > /dev/null 2>&1\n",
    "\\begin{align} \\frac{1}{2} &= 0.5 \\\\ \\end{align}",
    "0x1F600 0b1010 1_000_000 3.14159265358979 1e10 -42 +7 192.168.0.1 2024-02-29T23:59:59Z",
    "https://example.org/a/b?c=d&e=%20f#g user.name+tag@example.co.uk",
    "\t\tif (a) {\r\n\t\t\tb();\r\n\t\t}\r\n",
]
EDGE = [
    "", " ", "  ", "\n", "\t", "a", " a", "a ", " a ", "  a  b  ", "\n\na\n\n", "a\n", "\na", "A'S 'S 'll 'LL ''s", "'", "''", "'t", " 'd",
    "1", "12", "123", "1234", "12345678901234567890", "1 2 3", " 1", "  1", "   12", "a1b22c333d4444", "1,234,567.89", "٣٤٥", "Ⅷ½²", "x²+y²",
    "\u0301", "e\u0301", "\u00e9", "\u1112\u1161\u11ab", "\ud55c", "ﬁ", "Å", "\u212b", "\u0344", "a\u0300\u0301\u0302b",
    "\U0001f468\u200d\U0001f469", "\ufe0f", "\u200d", "🙂🙂🙂", "🙂 🙂", "\U0001f3fd", "a" * 300, "ab" * 200, " " * 200, "\n" * 100, "=" * 150, "🙂" * 60, "é" * 80,
    "ក" * 70, "<0x0A>", "<0x41><0x42>", "▁", "▁▁a", "a▁b", "Ġ", "Ġthe", "Ċ", "ĠĠ", "<unk>", "<s>", "</s>", "<s>a</s>", "[INST] x [/INST]",
]


def specials_as_text(specials, rng):
    out = []
    for s in specials:
        out += [s, f"a{s}", f"{s}b", f" {s} ", f"{s}{s}", s[:-1], s[1:], s.upper(), f"x {s[: len(s) // 2]}", s.replace("|", " | "), f"<{s}>"]
    for _ in range(40):
        out.append("".join(rng.choice(list(specials) + ["hi", " ", "\n", "1", "<", "|", ">", "|>", "<|"]) for _ in range(rng.randint(2, 8))))
    return out


def strings(count, specials, seed=7):
    """`count` distinct strings or more than the fixed ones if these are more; always the same for the same arguments."""
    rng = random.Random(seed)
    out = dict.fromkeys(EDGE + CODE + CONTROLS + SPACES + [f"a{c}b" for c in CONTROLS + SPACES] + specials_as_text(specials, rng))
    everything = [w for ws in WORDS.values() for w in ws]
    assigned = [chr(c) for c in range(0x20, 0x2FFFF) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    makers = [
        lambda: " ".join(rng.choice(WORDS[rng.choice(list(WORDS))]) for _ in range(rng.randint(2, 12))),
        lambda: "".join(rng.choice(everything) + rng.choice(SPACES + ["", "", " ", " "]) for _ in range(rng.randint(1, 10))),
        lambda: "".join(rng.choice(assigned) for _ in range(rng.randint(1, 24))),
        lambda: "".join(str(rng.randint(0, 10 ** rng.randint(1, 9))) + rng.choice(["", " ", ",", ".", "-", "  ", "\n", "x"]) for _ in range(rng.randint(1, 8))),
        lambda: "".join(rng.choice(SPACES) for _ in range(rng.randint(1, 6))) + rng.choice(everything) + "".join(rng.choice(SPACES) for _ in range(rng.randint(0, 4))),
        lambda: "".join(rng.choice(everything + CONTROLS) for _ in range(rng.randint(1, 6))),
        lambda: rng.choice(CODE)[rng.randint(0, 10):] + rng.choice(everything),
        lambda: "".join(chr(rng.randint(32, 126)) for _ in range(rng.randint(1, 40))),
        lambda: " ".join(rng.choice(WORDS[script]) for script in [rng.choice(list(WORDS))] for _ in range(rng.randint(3, 15))),
    ]
    while len(out) < count:
        out[rng.choice(makers)()] = None
    return list(out)
