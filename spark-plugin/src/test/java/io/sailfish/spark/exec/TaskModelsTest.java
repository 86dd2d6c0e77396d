package io.sailfish.spark.exec;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TaskModelsTest {
  private static final long HOUR = 3_600_000_000_000L;

  private final List<Object> closed = new ArrayList<>();
  private int listeners;

  private Object of(TaskModels<String, Object> models, String key, String task) {
    return models.of(key, task, () -> listeners++);
  }

  private TaskModels<String, Object> models(int mostTasks) {
    return new TaskModels<>("test", mostTasks, key -> new Object(), closed::add);
  }

  @Test
  void aTaskHasOneModelAndTheNextTakesItOver() {
    TaskModels<String, Object> models = models(1);
    Object first = of(models, "m", "task 1");
    assertSame(first, of(models, "m", "task 1"), "a task of many records");
    assertEquals(1, listeners);
    Object second = of(models, "m", "task 2");
    assertNotSame(first, second);
    assertNotSame(first, of(models, "other", "task 2"));
    models.release("task 1");
    assertSame(first, of(models, "m", "task 3"));
    models.release("task 2");
    models.release("task 3");
    assertEquals(3, models.open());
  }

  @Test
  void tasksTakeTurnsWhereTheyMay() {
    TaskModels<String, Object> models = models(Integer.MAX_VALUE);
    assertSame(of(models, "m", "task 1"), of(models, "m", "task 2"));
    models.release("task 1");
    models.closeIdle(0);
    assertEquals(List.of(), closed, "the other one computes with it");
  }

  @Test
  void whatIsIdleIsClosed() {
    TaskModels<String, Object> models = models(1);
    Object idle = of(models, "m", "task 1");
    Object busy = of(models, "m", "task 2");
    models.release("task 1");
    models.closeIdle(HOUR);
    assertEquals(2, models.open(), "not for long yet");
    models.closeIdle(0);
    assertEquals(List.of(idle), closed);
    models.release("task 2");
    models.closeIdle(0);
    assertEquals(List.of(idle, busy), closed);
    assertEquals(0, models.open());
    assertNotSame(busy, of(models, "m", "task 3"));
  }

  @Test
  void whatCannotBeOpenedIsTriedAgain() {
    List<String> tries = new ArrayList<>();
    TaskModels<String, Object> models =
        new TaskModels<>(
            "test",
            1,
            key -> {
              tries.add(key);
              if (tries.size() == 1) {
                throw new IllegalStateException("no such file yet");
              }
              return key;
            },
            closed::add);
    assertThrows(IllegalStateException.class, () -> of(models, "m", "task 1"));
    models.release("task 1");
    assertEquals("m", of(models, "m", "task 2"));
    models.release("task 2");
    models.closeIdle(0);
    assertEquals(List.of("m"), closed);
  }
}
