package io.sailfish.llama.task;

import io.sailfish.llama.template.Message;
import java.util.List;

/** The messages around one row's content; {@code content} is escaped. */
@FunctionalInterface
interface Conversation {
  List<Message> messages(String content);
}
