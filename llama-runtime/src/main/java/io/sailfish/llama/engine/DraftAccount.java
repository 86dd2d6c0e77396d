package io.sailfish.llama.engine;

/**
 * What guessing has gained and lost, in time of the device. Each step adds a small share of what it
 * takes without drafts; what looking for guesses took, what a step with drafts took longer, and
 * what waiting for tokens cost are drawn from it. Nothing is tried that might cost more than there
 * is, so whatever texts, times and estimates are like, all steps together take at most that share
 * longer than without drafts, and a few steps: mistakes end drafts for as long as they cost.
 *
 * <p>All times in nanoseconds.
 */
final class DraftAccount {
  /** Of the steps' time. */
  static final double SHARE = 0.01;

  /** Steps without drafts whose time may be lost before anything was gained. */
  static final double START = 2;

  /** Steps without drafts whose time is kept at most: what was gained is not for losing again. */
  static final double MOST = 12;

  private boolean open;
  private double balance;

  /**
   * Opens the account with the first step, and adds the share of each.
   *
   * @param plain what such a step takes without drafts
   */
  void step(double plain) {
    balance += (open ? SHARE : START) * plain;
    open = true;
    balance = Math.min(balance, MOST * plain);
  }

  void gain(double nanos) {
    balance += nanos;
  }

  void lose(double nanos) {
    balance -= nanos;
  }

  /** What may be lost by now. */
  double balance() {
    return balance;
  }

  boolean isOverdrawn() {
    return balance < 0;
  }
}
