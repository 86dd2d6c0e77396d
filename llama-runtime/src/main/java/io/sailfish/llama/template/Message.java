package io.sailfish.llama.template;

/** One turn of a conversation. {@code role}: system, user or assistant. */
public record Message(String role, String content) {}
