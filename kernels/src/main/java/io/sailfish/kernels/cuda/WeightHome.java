package io.sailfish.kernels.cuda;

/** Where a card's weights are put. */
interface WeightHome {
  /** Device address that a weight is packed to now, a multiple of 256. */
  long place(long bytes, String name);

  /** Device address of what is small and stays: tables. */
  long keep(long bytes, String name);

  /** The weight as products use it, once the copies to its {@link #place} are queued. */
  CudaWeight use(CudaWeight packed);

  /** On the card for good. */
  static WeightHome on(MemoryScope scope) {
    return new WeightHome() {
      @Override
      public long place(long bytes, String name) {
        return scope.allocate(bytes, name).address();
      }

      @Override
      public long keep(long bytes, String name) {
        return place(bytes, name);
      }

      @Override
      public CudaWeight use(CudaWeight packed) {
        return packed;
      }
    };
  }
}
