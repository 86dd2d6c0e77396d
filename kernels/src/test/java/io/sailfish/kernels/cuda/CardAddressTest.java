package io.sailfish.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class CardAddressTest {
  private static final String FIRST = "GPU-00112233-4455-6677-8899-aabbccddeeff";
  private static final String SECOND = "GPU-10112233-4455-6677-8899-aabbccddeeff";
  private static final List<String> CARDS = List.of(FIRST, SECOND);

  @Test
  void numbersAndUuidsFindTheirCard() {
    assertEquals(0, CardAddress.ordinal("0", CARDS));
    assertEquals(1, CardAddress.ordinal("1", CARDS));
    assertEquals(1, CardAddress.ordinal(SECOND, CARDS));
    assertEquals(0, CardAddress.ordinal("MIG-1-2", List.of(FIRST)), "the driver shows only it");
  }

  @Test
  void anAddressThatDoesNotExistIsRefusedWithThoseThatDo() {
    for (String address : List.of("2", "-1", "", "GPU-0", "99999999999", "MIG-1-2")) {
      String message =
          assertThrows(CudaException.class, () -> CardAddress.ordinal(address, CARDS)).getMessage();
      assertTrue(message.contains("no card " + address), message);
      assertTrue(message.contains(FIRST) && message.contains(SECOND), message);
    }
  }

  @Test
  void uuidsAreWrittenAsNvidiaSmiWritesThem() {
    byte[] bytes = new byte[16];
    for (int i = 0; i < 16; i++) {
      bytes[i] = (byte) (i * 0x11);
    }
    assertEquals(FIRST, CardAddress.text(bytes));
  }
}
