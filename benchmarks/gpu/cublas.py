#!/usr/bin/env python3
"""The measuring stick: cuBLAS fp16 (through PyTorch) on the four products of a Llama block, in one CUDA graph, weights rotated past L2.

Usage: cublas.py OUT.json     writes {"8b": {"16": micros a block, ...}, "70b": {...}}; KernelBench --cublas OUT.json puts it beside its own.
"""
import json
import sys

import torch

SETS = {
    "8b": ([(4096, 6144), (4096, 4096), (4096, 28672), (14336, 4096)], [1, 16, 32, 64, 65, 128, 256, 512, 2048], 8),
    "70b": ([(8192, 10240), (8192, 8192), (8192, 57344), (28672, 8192)], [1, 16, 32, 64, 128, 256], 3),
}
REPLAYS = 9
GRAPH_BLOCKS = 64  # at the least, up to 64 rows: a graph's start is no part of its products


def micros_a_block(weights, inputs, rounds):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for x, w in zip(inputs, weights[0]):
            torch.matmul(x, w.t())  # warm up: handle, workspace and choice of kernel stay out of the graph
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for block in weights * rounds:
            for x, w in zip(inputs, block):
                torch.matmul(x, w.t())
    times = []
    for _ in range(REPLAYS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1e3 / (len(weights) * rounds))
    return round(sorted(times)[REPLAYS // 2], 1)


def main():
    torch.manual_seed(1)
    result = {}
    for name, (shapes, rows, copies) in SETS.items():
        weights = [[torch.randn(n, k, device="cuda", dtype=torch.float16) * k**-0.5 for k, n in shapes] for _ in range(copies)]
        result[name] = {}
        for m in rows:
            inputs = [torch.randn(m, k, device="cuda", dtype=torch.float16) for k, _ in shapes]
            result[name][str(m)] = micros_a_block(weights, inputs, rounds=1 if m > 64 else -(-GRAPH_BLOCKS // copies))
            print(name, m, result[name][str(m)], flush=True)
        del weights
        torch.cuda.empty_cache()
    with open(sys.argv[1], "w") as out:
        json.dump(result, out)


main()
