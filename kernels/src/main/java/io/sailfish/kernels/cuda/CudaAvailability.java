package io.sailfish.kernels.cuda;

/**
 * Whether this process can use a card.
 *
 * @param available a driver and at least one device are there
 * @param reason what was found, or what is missing, for people
 */
public record CudaAvailability(boolean available, String reason) {}
