package io.sailfish.llama.quantize;

import java.util.List;

/**
 * Some calibration sequences between two stages: what a cluster keeps of them.
 *
 * @param sequences token ids
 * @param stream residual stream, batch by batch
 * @param inputs inputs of the last stage's matrices where the next one needs them, likewise
 * @param moments of the last stage's inputs, {@link Hessian#upper}; null before the first
 */
public record CalibrationShard(
    List<int[]> sequences, List<float[]> stream, List<float[]> inputs, double[] moments) {}
