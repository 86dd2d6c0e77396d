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
    boolean mistake =
        e instanceof IllegalArgumentException
            || e instanceof RuntimeFailure failure && failure.kind() == RuntimeFailure.Kind.USER;
    if (!mistake) {
      e.printStackTrace(err);
      return 1;
    }
    err.println("sailfish: " + e.getMessage());
    err.flush();
    return MISTAKE;
  }
}
