package io.sailfish.kernels.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * A kernel entry as its Java twin sees it: the module (file) it is in, its name and its parameters
 * in order. A test compares it with the PTX, so a drifting signature fails the build and not the
 * card.
 */
public final class KernelSpec {
  /** Parameter types; the second column is what PTX calls them. */
  public enum Type {
    POINTER("u64"),
    I32("u32"),
    I64("u64"),
    F32("f32");

    private final String ptx;

    Type(String ptx) {
      this.ptx = ptx;
    }

    String ptx() {
      return ptx;
    }
  }

  /** One parameter. */
  public record Parameter(String name, Type type) {}

  private final String module;
  private final String entry;
  private final List<Parameter> parameters;

  private KernelSpec(String module, String entry, List<Parameter> parameters) {
    this.module = module;
    this.entry = entry;
    this.parameters = parameters;
  }

  /** Starts the description of {@code entry} in {@code module.cu}. */
  public static Builder kernel(String module, String entry) {
    return new Builder(module, entry);
  }

  public String module() {
    return module;
  }

  public String entry() {
    return entry;
  }

  public List<Parameter> parameters() {
    return parameters;
  }

  /** The same parameters under another entry, for families made from one template. */
  public KernelSpec withEntry(String otherModule, String otherEntry) {
    return new KernelSpec(otherModule, otherEntry, parameters);
  }

  /** Refuses arguments whose number or types differ from the description. */
  void check(Object[] arguments) {
    if (arguments.length != parameters.size()) {
      throw new IllegalArgumentException(
          "%s takes %d arguments, got %d".formatted(entry, parameters.size(), arguments.length));
    }
    for (int i = 0; i < arguments.length; i++) {
      Parameter parameter = parameters.get(i);
      boolean fits =
          switch (parameter.type()) {
            case POINTER, I64 -> arguments[i] instanceof Long;
            case I32 -> arguments[i] instanceof Integer;
            case F32 -> arguments[i] instanceof Float;
          };
      if (!fits) {
        throw new IllegalArgumentException(
            "%s: argument %d (%s) is %s, got %s"
                .formatted(
                    entry,
                    i,
                    parameter.name(),
                    parameter.type(),
                    arguments[i] == null ? "null" : arguments[i].getClass().getSimpleName()));
      }
    }
  }

  @Override
  public String toString() {
    return entry;
  }

  /** Parameters in the order of the entry's signature. */
  public static final class Builder {
    private final String module;
    private final String entry;
    private final List<Parameter> parameters = new ArrayList<>();

    private Builder(String module, String entry) {
      this.module = module;
      this.entry = entry;
    }

    /** Device memory that the kernel reads. */
    public Builder in(String name) {
      return add(name, Type.POINTER);
    }

    /** Device memory that the kernel writes. */
    public Builder out(String name) {
      return add(name, Type.POINTER);
    }

    public Builder i32(String name) {
      return add(name, Type.I32);
    }

    public Builder i64(String name) {
      return add(name, Type.I64);
    }

    public Builder f32(String name) {
      return add(name, Type.F32);
    }

    public KernelSpec build() {
      return new KernelSpec(module, entry, List.copyOf(parameters));
    }

    private Builder add(String name, Type type) {
      parameters.add(new Parameter(name, type));
      return this;
    }
  }
}
