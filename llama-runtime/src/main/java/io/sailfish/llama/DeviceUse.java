package io.sailfish.llama;

import java.io.Serializable;

/**
 * What rows took of the device, summed: of each step the share that its rows were of all rows in
 * it, so that the sums of all rows are what the device did.
 *
 * @param promptNanos of steps, for rows of prompts and of texts that are scored
 * @param answerNanos of steps, for rows that go on by one token
 * @param pureNanos the part of answerNanos in steps without prompts
 * @param floorNanos what those steps would take if weights, keys and values were read at the
 *     memory's full speed and nothing else took time; 0 where that speed is not known
 * @param kvUse shares of the blocks for keys and values that were in use, a step each
 * @param draftedTokens tokens computed because they were guessed to come next
 * @param acceptedTokens those of them that came
 */
public record DeviceUse(
    long promptNanos,
    long answerNanos,
    long pureNanos,
    long floorNanos,
    double kvUse,
    long draftedTokens,
    long acceptedTokens)
    implements Serializable {
  public static final DeviceUse NONE = new DeviceUse(0, 0, 0, 0, 0);

  /** Of steps without drafts. */
  public DeviceUse(
      long promptNanos, long answerNanos, long pureNanos, long floorNanos, double kvUse) {
    this(promptNanos, answerNanos, pureNanos, floorNanos, kvUse, 0, 0);
  }

  /** Drafted tokens alone. */
  public static DeviceUse drafts(long drafted, long accepted) {
    return new DeviceUse(0, 0, 0, 0, 0, drafted, accepted);
  }

  public DeviceUse plus(DeviceUse other) {
    return new DeviceUse(
        promptNanos + other.promptNanos,
        answerNanos + other.answerNanos,
        pureNanos + other.pureNanos,
        floorNanos + other.floorNanos,
        kvUse + other.kvUse,
        draftedTokens + other.draftedTokens,
        acceptedTokens + other.acceptedTokens);
  }
}
