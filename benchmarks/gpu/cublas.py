#!/usr/bin/env python3
"""The measuring stick: cuBLAS fp16 (through PyTorch) on the four products of a Llama block, in one CUDA graph, weights rotated past L2.

Usage: cublas.py OUT.json     writes {"8b": {"16": micros a block, ...}, "70b": {...}, "lasting": {the same, under load that lasts}}; KernelBench --cublas OUT.json puts it beside its own.
Rests, graphs and replays are those of ChainBench.
"""
import json
import sys
import time
from statistics import median

import torch

SETS = {
    "8b": ([(4096, 6144), (4096, 4096), (4096, 28672), (14336, 4096)], [1, 16, 32, 64, 65, 128, 256, 512, 2048], 8),
    "70b": ([(8192, 10240), (8192, 8192), (8192, 57344), (28672, 8192)], [1, 16, 32, 64, 128, 256], 3),
}
GRAPH_MICROS, MAX_GRAPH_BLOCKS, REST_SECONDS, WARM_UP, REPLAYS, LASTING_MICROS = 2000, 128, 0.25, 2, 5, 400_000


def micros_a_block(weights, inputs, floor, lasting):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for x, w in zip(inputs, weights[0]):
            torch.matmul(x, w.t())  # handle, workspace and choice of kernel stay out of the graph
    torch.cuda.synchronize()
    blocks = min(MAX_GRAPH_BLOCKS, int(GRAPH_MICROS / floor) + 1)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for block in range(blocks):
            for x, w in zip(inputs, weights[block % len(weights)]):
                torch.matmul(x, w.t())

    def replays(count):
        times = []
        for _ in range(count):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            graph.replay()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end) * 1e3 / blocks)
        return times

    if lasting:
        half = int(LASTING_MICROS / (2 * blocks * replays(2)[1])) + 1
        return round(median(replays(2 * half)[half:]), 1)
    time.sleep(REST_SECONDS)
    return round(median(replays(WARM_UP + REPLAYS)[WARM_UP:]), 1)


def main():
    torch.manual_seed(1)
    result = {"lasting": {}}
    for name, (shapes, rows, copies) in SETS.items():
        weights = [[torch.randn(n, k, device="cuda", dtype=torch.float16) * k**-0.5 for k, n in shapes] for _ in range(copies)]
        sizes = sum(k * n for k, n in shapes)
        result[name], result["lasting"][name] = {}, {}
        for lasting, times in ((False, result[name]), (True, result["lasting"][name])):
            for m in rows:
                inputs = [torch.randn(m, k, device="cuda", dtype=torch.float16) for k, _ in shapes]
                times[str(m)] = micros_a_block(weights, inputs, max(sizes * 2 / 4.5e6, sizes * 2 * m / 800e6), lasting)
                print(name, m, "lasting" if lasting else "rested", times[str(m)], flush=True)
        del weights
        torch.cuda.empty_cache()
    with open(sys.argv[1], "w") as out:
        json.dump(result, out)


main()
