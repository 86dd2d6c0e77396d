package io.sailfish.spark;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.Serializer;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Kryo for a record: its components in order, read back through its constructor, which checks them.
 * Kryo 4 sets fields, which records forbid, and cannot make {@code List.of} lists, so lists are
 * written as their elements.
 */
final class RecordSerializer<T extends Record> extends Serializer<T> {
  private final RecordComponent[] components;
  private final Constructor<T> constructor;

  RecordSerializer(Class<T> type) {
    super(true, true);
    components = type.getRecordComponents();
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      for (RecordComponent component : components) {
        component.getAccessor().setAccessible(true);
      }
    } catch (NoSuchMethodException e) {
      throw new IllegalStateException(type + " has no canonical constructor", e);
    }
  }

  @Override
  public void write(Kryo kryo, Output output, T record) {
    for (RecordComponent component : components) {
      Object value = value(record, component);
      if (List.class.isAssignableFrom(component.getType())) {
        writeList(kryo, output, (List<?>) value);
      } else {
        kryo.writeClassAndObject(output, value);
      }
    }
  }

  @Override
  public T read(Kryo kryo, Input input, Class<T> type) {
    Object[] values = new Object[components.length];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          List.class.isAssignableFrom(components[i].getType())
              ? readList(kryo, input)
              : kryo.readClassAndObject(input);
    }
    try {
      return constructor.newInstance(values);
    } catch (InvocationTargetException e) {
      throw new IllegalStateException("cannot read a " + type.getName(), e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("cannot make a " + type.getName(), e);
    }
  }

  /** Size + 1, so that 0 stands for null, then the elements. */
  private static void writeList(Kryo kryo, Output output, List<?> list) {
    output.writeInt(list == null ? 0 : list.size() + 1, true);
    if (list != null) {
      list.forEach(element -> kryo.writeClassAndObject(output, element));
    }
  }

  private static List<?> readList(Kryo kryo, Input input) {
    int size = input.readInt(true) - 1;
    if (size < 0) {
      return null;
    }
    List<Object> list = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      list.add(kryo.readClassAndObject(input));
    }
    return list;
  }

  private static Object value(Record record, RecordComponent component) {
    try {
      return component.getAccessor().invoke(record);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("cannot read " + component + " of " + record, e);
    }
  }
}
