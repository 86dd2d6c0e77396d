"""Times llama.cpp on one GGUF file through its batch API, on request.

    python peer_llama_cpp.py MODEL.gguf --threads 2 [--flash-attn]

Reads one request a line from standard input and answers each with one line, so that a driver can
interleave it with another engine:

    decode ROWS STEPS SEED       STEPS steps of ROWS sequences, one token each, after a prompt of PROMPT
                                 tokens (not timed); the tokens are random but fixed by SEED, no sampling
    prefill ROWS TOKENS SEED     ROWS prompts of TOKENS tokens each, logits of the last token of each
    logits ROWS TOKENS SEED      the same for ROWS = 1; answers the first 256 logits of the last token

Answer: seconds, or logits. The tokens are the same as LlamaCppBench uses: a 48-bit linear congruence (java.util.Random).
"""

import argparse
import sys
import time

import llama_cpp

PROMPT = 16


class JavaRandom:
    """java.util.Random.nextInt(bound), so that both engines run the same tokens."""

    def __init__(self, seed):
        self.state = (seed ^ 0x5DEECE66D) & ((1 << 48) - 1)

    def bits(self, count):
        self.state = (self.state * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
        value = self.state >> (48 - count)
        return value - (1 << count) if value >= 1 << (count - 1) and count == 32 else value

    def below(self, bound):
        if bound & (bound - 1) == 0:
            return (bound * self.bits(31)) >> 31
        while True:
            value = self.bits(31)
            if value - value % bound + (bound - 1) < 1 << 31:
                return value % bound


class Bench:
    def __init__(self, path, threads, flash_attn):
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = 32 * 256
        params.n_batch = 2048
        params.n_ubatch = 512
        params.n_seq_max = 32
        params.n_threads = threads
        params.n_threads_batch = threads
        if hasattr(params, "kv_unified"):
            params.kv_unified = False
        params.flash_attn_type = 1 if flash_attn else 0
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit("llama.cpp made no context")
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(2048, 0, 1)

    def run(self, entries):
        """entries: (token, position, sequence, logits)"""
        b = self.batch
        b.n_tokens = len(entries)
        for i, (token, position, sequence, logits) in enumerate(entries):
            b.token[i] = token
            b.pos[i] = position
            b.n_seq_id[i] = 1
            b.seq_id[i][0] = sequence
            b.logits[i] = logits
        if llama_cpp.llama_decode(self.context, b) != 0:
            sys.exit("llama_decode failed")

    def forget(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def decode(self, rows, steps, seed):
        self.forget()
        random = JavaRandom(seed)
        for row in range(rows):
            self.run([(random.below(self.vocabulary), p, row, p == PROMPT - 1) for p in range(PROMPT)])
        tokens = [[random.below(self.vocabulary) for _ in range(rows)] for _ in range(steps)]
        start = time.perf_counter()
        for step in range(steps):
            self.run([(tokens[step][row], PROMPT + step, row, True) for row in range(rows)])
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - start

    def logits(self, rows, count, seed):
        self.prefill(rows, count, seed)
        values = llama_cpp.llama_get_logits_ith(self.context, count - 1)
        return " ".join(str(values[i]) for i in range(256))

    def prefill(self, rows, count, seed):
        self.forget()
        random = JavaRandom(seed)
        entries = [
            (random.below(self.vocabulary), p, row, p == count - 1) for row in range(rows) for p in range(count)
        ]
        start = time.perf_counter()
        for i in range(0, len(entries), 2048):
            self.run(entries[i : i + 2048])
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flash-attn", action="store_true")
    args = parser.parse_args()
    bench = Bench(args.model, args.threads, args.flash_attn)
    print("ready llama-cpp-python", llama_cpp.__version__, flush=True)
    for line in sys.stdin:
        kind, rows, count, seed = line.split()
        run = {"decode": bench.decode, "prefill": bench.prefill, "logits": bench.logits}[kind]
        print(run(int(rows), int(count), int(seed)), flush=True)


if __name__ == "__main__":
    main()
