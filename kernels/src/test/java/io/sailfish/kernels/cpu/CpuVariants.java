package io.sailfish.kernels.cpu;

import io.sailfish.kernels.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntFunction;

/** Every CPU implementation there is, narrower and wider vectors included. */
public final class CpuVariants {
  private CpuVariants() {}

  /** Name to a maker that takes the number of threads. */
  public static Map<String, IntFunction<Backend>> fast() {
    Map<String, IntFunction<Backend>> variants = new LinkedHashMap<>();
    variants.put("plain", CpuBackend::plain);
    variants.put("vector", CpuBackend::open);
    for (int bits : new int[] {128, 256, 512}) {
      variants.put("vector" + bits, threads -> withWidth(bits, threads));
    }
    return variants;
  }

  /**
   * The width is a constant of its class, so that compiled code knows it; another width needs
   * another copy of the package's classes.
   */
  private static Backend withWidth(int bits, int threads) {
    System.setProperty(VectorWidth.TEST_PROPERTY, Integer.toString(bits));
    try {
      Class<?> copy = new CopyLoader().loadClass(CpuBackend.class.getName());
      Backend backend = (Backend) copy.getMethod("open", int.class).invoke(null, threads);
      if (!backend.describe().contains(bits + "-bit")) {
        throw new AssertionError("wanted %d bits, got %s".formatted(bits, backend.describe()));
      }
      return backend;
    } catch (ReflectiveOperationException e) {
      Throwable cause = e instanceof InvocationTargetException ? e.getCause() : e;
      throw new AssertionError(cause);
    } finally {
      System.clearProperty(VectorWidth.TEST_PROPERTY);
    }
  }

  private static final class CopyLoader extends ClassLoader {
    private static final String PREFIX = CpuBackend.class.getPackageName() + ".";

    CopyLoader() {
      super(CpuBackend.class.getClassLoader());
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
      if (!name.startsWith(PREFIX)) {
        return super.loadClass(name, resolve);
      }
      synchronized (getClassLoadingLock(name)) {
        Class<?> loaded = findLoadedClass(name);
        return loaded != null ? loaded : define(name);
      }
    }

    private Class<?> define(String name) throws ClassNotFoundException {
      try (InputStream in = getResourceAsStream(name.replace('.', '/') + ".class")) {
        if (in == null) {
          throw new ClassNotFoundException(name);
        }
        byte[] bytes = in.readAllBytes();
        return defineClass(name, bytes, 0, bytes.length);
      } catch (IOException e) {
        throw new ClassNotFoundException(name, e);
      }
    }
  }
}
