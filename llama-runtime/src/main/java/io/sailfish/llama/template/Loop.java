package io.sailfish.llama.template;

import java.util.List;

/** {@code loop} inside a for statement. */
final class Loop implements HasAttributes {
  private final List<Object> items;
  private int index;
  private List<Object> lastChanged;

  Loop(List<Object> items) {
    this.items = items;
  }

  void moveTo(int index) {
    this.index = index;
  }

  @Override
  public Object attribute(String name) {
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> (long) items.size() - index;
      case "revindex0" -> items.size() - index - 1L;
      case "first" -> index == 0;
      case "last" -> index == items.size() - 1;
      case "length" -> (long) items.size();
      case "depth" -> 1L;
      case "depth0" -> 0L;
      case "previtem" -> neighbour(index - 1, "there is no previous item");
      case "nextitem" -> neighbour(index + 1, "there is no next item");
      case "cycle" -> (Callable) (rendering, arguments) -> cycle(arguments.positional());
      case "changed" -> (Callable) (rendering, arguments) -> changed(arguments.positional());
      default -> Undefined.attribute(this, name);
    };
  }

  private Object neighbour(int at, String reason) {
    return at >= 0 && at < items.size() ? items.get(at) : new Undefined(reason);
  }

  private Object cycle(List<Object> values) {
    if (values.isEmpty()) {
      throw new TemplateException("loop.cycle() needs at least one item");
    }
    return values.get(index % values.size());
  }

  private Object changed(List<Object> values) {
    boolean changed = lastChanged == null || !Values.equal(lastChanged, values);
    lastChanged = values;
    return changed;
  }

  @Override
  public String toString() {
    return "<LoopContext " + (index + 1) + "/" + items.size() + ">";
  }
}
