/**
 * Tasks on rows: text to a prompt that fits the context, to a request for the engine, and its
 * result back to the row's answer. Prompts are made on the task's own thread, so that this work
 * spreads over the tasks of a process and overlaps with the engine's steps.
 */
package io.sailfish.llama.task;
