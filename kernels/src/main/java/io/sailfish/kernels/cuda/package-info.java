/**
 * NVIDIA cards through the CUDA driver API. The only package that sees JCuda. {@link
 * io.sailfish.kernels.cuda.CudaDevice#availability()} says whether there is a card and, if not,
 * why; nothing else here may be called without one.
 *
 * <p>A kernel's Java twin owns its launch geometry and refuses wrong arguments before the launch.
 * Launches do not wait; {@link io.sailfish.kernels.cuda.CudaStream#synchronize} does.
 */
package io.sailfish.kernels.cuda;
