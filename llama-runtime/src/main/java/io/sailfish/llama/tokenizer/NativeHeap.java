package io.sailfish.llama.tokenizer;

import java.lang.management.ManagementFactory;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/** The C library's heap, in which the native tokenizer lives. */
final class NativeHeap {
  private NativeHeap() {}

  /**
   * Gives freed memory back to the system: parsing a vocabulary takes several times what is kept of
   * it, and glibc holds on to that (39 of 50 MiB for 49,152 tokens). Through the JVM's own command,
   * which knows the C library; where a JVM has no such command, the memory stays for later use.
   */
  static void trim() {
    try {
      MBeanServer server = ManagementFactory.getPlatformMBeanServer();
      ObjectName commands = new ObjectName("com.sun.management:type=DiagnosticCommand");
      server.invoke(commands, "systemTrimNativeHeap", new Object[] {}, new String[] {});
    } catch (JMException e) {
      // no such command in this JVM: nothing is lost but the memory
    }
  }
}
