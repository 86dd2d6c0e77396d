package io.sailfish.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

final class MedianTest {
  @Test
  void isTheMiddleOneOrTheMeanOfTheMiddleTwo() {
    assertEquals(1, Median.of(9, 0, 1));
    assertEquals(4, Median.of(List.of(7.0, 1.0, 5.0, 3.0)));
    assertEquals(2.5, Median.of(2.5));
  }

  @Test
  void leavesTheOrder() {
    double[] values = {7, 1, 5, 3};
    Median.of(values);
    assertArrayEquals(new double[] {7, 1, 5, 3}, values);
  }
}
