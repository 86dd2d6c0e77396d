package io.sailfish.cli;

import io.sailfish.llama.RuntimeFailure;
import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ScopeType;

/** Models from the command line: {@code bin/sailfish COMMAND}. */
@Command(
    name = "sailfish",
    description = "Looks at models, converts, quantises, evaluates and runs them.",
    subcommands = {
      InspectCommand.class,
      ConvertCommand.class,
      QuantizeCommand.class,
      EvaluateCommand.class,
      RunCommand.class
    },
    mixinStandardHelpOptions = true,
    scope = ScopeType.INHERIT,
    synopsisSubcommandLabel = "COMMAND")
public final class Main {
  /** The user's mistake, or a file's: told in a line, without a stack trace. */
  static final int MISTAKE = 2;

  private Main() {}

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }

  static CommandLine commandLine() {
    return new CommandLine(new Main())
        .setExecutionExceptionHandler(Main::report)
        .setCaseInsensitiveEnumValuesAllowed(true);
  }

  private static int report(Exception e, CommandLine command, CommandLine.ParseResult parsed) {
    PrintWriter err = command.getErr();
    Throwable mistake = mistake(e);
    if (mistake == null) {
      e.printStackTrace(err);
      return 1;
    }
    err.println("sailfish: " + mistake.getMessage());
    err.flush();
    return MISTAKE;
  }

  /** The user's mistake, also one that a task of a Spark job met; null = another failure. */
  private static Throwable mistake(Exception e) {
    if (e instanceof IllegalArgumentException) {
      return e;
    }
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof RuntimeFailure failure && failure.kind() == RuntimeFailure.Kind.USER) {
        return failure;
      }
    }
    return null;
  }
}
