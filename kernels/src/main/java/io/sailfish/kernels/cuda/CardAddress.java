package io.sailfish.kernels.cuda;

import com.sun.jna.Function;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import jcuda.driver.CUdevice;
import jcuda.driver.CUuuid;
import jcuda.driver.JCudaDriver;

/**
 * Finds a card by the address that Spark's resource discovery or nvidia-smi gives: a number among
 * the cards that the process sees, {@code GPU-...}, or {@code MIG-...}. Numbers follow the bus, as
 * nvidia-smi's do, unless CUDA_DEVICE_ORDER says otherwise.
 */
final class CardAddress {
  private static final String ORDER = "CUDA_DEVICE_ORDER";
  private static final String VISIBLE = "CUDA_VISIBLE_DEVICES";
  private static final String MIG = "MIG-";
  private static final String GPU = "GPU-";

  private CardAddress() {}

  /**
   * Tells the driver what it reads from the environment when it is first used: the order of numbers
   * and, as the driver shows one slice of a card at most, which slice. Has no effect later.
   */
  static void beforeDriver(String address) {
    if (System.getenv(ORDER) == null) {
      setEnvironment(ORDER, "PCI_BUS_ID");
    }
    if (address != null && address.startsWith(MIG)) {
      setEnvironment(VISIBLE, address);
    }
  }

  /** System.getenv does not see it, the driver does. */
  private static void setEnvironment(String name, String value) {
    Function.getFunction("c", "setenv").invokeInt(new Object[] {name, value, 1});
  }

  /**
   * The driver's number of a card; its library has been initialized.
   *
   * @param address null for the first
   * @throws CudaException when there is no such card, with those that there are
   */
  static int ordinal(String address) {
    if (address == null) {
      return 0;
    }
    int[] count = new int[1];
    JCudaDriver.cuDeviceGetCount(count);
    List<String> cards = new ArrayList<>();
    for (int i = 0; i < count[0]; i++) {
      cards.add(uuid(i));
    }
    return ordinal(address, cards);
  }

  /**
   * @param cards UUID of each card, {@code GPU-...}
   */
  static int ordinal(String address, List<String> cards) {
    if (address.startsWith(MIG) && cards.size() == 1) {
      return 0; // the driver shows this slice or, for a wrong address, nothing
    }
    int at = cards.indexOf(address);
    if (at < 0 && address.matches("\\d{1,4}") && Integer.parseInt(address) < cards.size()) {
      at = Integer.parseInt(address);
    }
    if (at < 0) {
      throw new CudaException(
          "there is no card %s; this process sees %d: %s (CUDA_VISIBLE_DEVICES=%s)"
              .formatted(
                  address,
                  cards.size(),
                  String.join(", ", cards),
                  System.getenv(VISIBLE) == null ? "not set" : System.getenv(VISIBLE)));
    }
    return at;
  }

  private static String uuid(int ordinal) {
    DeviceFaults faults = new DeviceFaults();
    CUdevice device = new CUdevice();
    faults.check(JCudaDriver.cuDeviceGet(device, ordinal), "cuDeviceGet(" + ordinal + ")");
    CUuuid uuid = new CUuuid();
    faults.check(JCudaDriver.cuDeviceGetUuid(uuid, device), "cuDeviceGetUuid");
    return text(uuid.bytes);
  }

  /** {@code GPU-} and 16 bytes as 8-4-4-4-12 hexadecimal digits. */
  static String text(byte[] bytes) {
    StringBuilder text = new StringBuilder(GPU);
    for (int i = 0; i < 16; i++) {
      text.append(i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "");
      text.append(String.format(Locale.ROOT, "%02x", bytes[i]));
    }
    return text.toString();
  }
}
