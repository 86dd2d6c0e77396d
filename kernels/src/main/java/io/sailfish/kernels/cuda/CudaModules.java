package io.sailfish.kernels.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** Device code of one context, loaded from the jar when first asked for. */
public final class CudaModules implements AutoCloseable {
  private final DeviceFaults faults;
  private final Map<String, CUmodule> modules = new HashMap<>();
  private final Map<String, CudaFunction> functions = new HashMap<>();

  CudaModules(DeviceFaults faults) {
    this.faults = faults;
  }

  /** Whether this build carries device code for the module. */
  public static boolean isBuilt(String module) {
    return CudaModules.class.getResource(resource(module)) != null;
  }

  /** Loads the kernel now, so that its first launch does not pay for it. */
  public void load(KernelSpec spec) {
    function(spec);
  }

  synchronized CudaFunction function(KernelSpec spec) {
    String key = spec.module() + "/" + spec.entry();
    CudaFunction known = functions.get(key);
    if (known != null) {
      return known;
    }
    CUmodule module = modules.computeIfAbsent(spec.module(), this::module);
    CudaFunction function = new CudaFunction(faults);
    faults.check(
        JCudaDriver.cuModuleGetFunction(function.target(), module, spec.entry()),
        "cuModuleGetFunction(" + key + ")");
    functions.put(key, function);
    return function;
  }

  private CUmodule module(String name) {
    CUmodule module = new CUmodule();
    faults.check(
        JCudaDriver.cuModuleLoadData(module, bytes(name)), "cuModuleLoadData(" + name + ")");
    return module;
  }

  private static byte[] bytes(String name) {
    try (InputStream stream = CudaModules.class.getResourceAsStream(resource(name))) {
      if (stream == null) {
        throw new CudaException(
            "this build carries no device code for %s: build with nvcc (-Dsailfish.cuda=require)"
                .formatted(name));
      }
      return stream.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException("device code of " + name, e);
    }
  }

  private static String resource(String module) {
    return "/cuda/" + module + ".fatbin";
  }

  @Override
  public synchronized void close() {
    functions.clear();
    for (CUmodule module : modules.values()) {
      if (!faults.lost()) {
        faults.check(JCudaDriver.cuModuleUnload(module), "cuModuleUnload");
      }
    }
    modules.clear();
  }
}
