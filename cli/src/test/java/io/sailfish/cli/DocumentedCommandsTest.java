package io.sailfish.cli;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.quantize.Grid;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** Command lines in the documents are ones that the commands take; nothing is run. */
class DocumentedCommandsTest {
  private static final Path ROOT = Path.of("..");
  private static final Pattern BLOCK = Pattern.compile("(?ms)^```\\w*\\n(.*?)^```");
  private static final Pattern WORD = Pattern.compile("'([^']*)'|\"([^\"]*)\"|(#.*)|([^\\s()]+)");
  private static final Pattern SCRIPT_CASE = Pattern.compile("(?m)^    ([a-z |]+)\\)");
  private static final Pattern OPTION = Pattern.compile("`(--[a-z][a-z-]*)");
  private static final String MAIN = "io.sailfish.cli.Main";

  private static String read(Path path) {
    try {
      return Files.readString(path);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Path> documents() throws IOException {
    try (Stream<Path> all = Files.walk(ROOT.resolve("docs"))) {
      List<Path> documents =
          new ArrayList<>(all.filter(p -> p.toString().endsWith(".md")).toList());
      documents.add(ROOT.resolve("README.md"));
      documents.add(ROOT.resolve("CONTRIBUTING.md"));
      documents.add(ROOT.resolve("examples/README.md"));
      return documents;
    }
  }

  /** Words of the lines in a document's blocks, as a shell takes them apart; comments left out. */
  static List<List<String>> lines(String document) {
    List<List<String>> lines = new ArrayList<>();
    Matcher block = BLOCK.matcher(document);
    while (block.find()) {
      for (String line : block.group(1).replace("\\\n", " ").split("\n")) {
        List<String> words = new ArrayList<>();
        Matcher word = WORD.matcher(line);
        while (word.find() && word.group(3) == null) {
          for (int group : new int[] {1, 2, 4}) {
            if (word.group(group) != null) {
              words.add(word.group(group));
            }
          }
        }
        lines.add(words);
      }
    }
    return lines;
  }

  /** What follows the program's name: a command and its arguments; null = another program. */
  static List<String> arguments(List<String> words) {
    for (int i = 0; i < words.size(); i++) {
      if (words.get(i).endsWith("bin/sailfish")) {
        return words.subList(i + 1, words.size());
      }
      if (words.get(i).equals(MAIN)) {
        return words.subList(i + 2, words.size()); // the jar stands between
      }
    }
    return null;
  }

  private static void check(Path document, List<String> arguments, Set<String> ofScript) {
    String where = document + ": " + arguments;
    if (ofScript.contains(arguments.get(0))
        && !Main.commandLine().getSubcommands().containsKey(arguments.get(0))) {
      return;
    }
    ParseResult parsed =
        assertDoesNotThrow(
            () -> Main.commandLine().parseArgs(arguments.toArray(new String[0])), where);
    assertTrue(parsed.hasSubcommand(), where);
    Object grid = parsed.subcommand().matchedOptionValue("--grid", null);
    if (grid != null) {
      assertDoesNotThrow(() -> Grid.byId(grid.toString()), where);
    }
  }

  @Test
  void commandLinesAreOnesThatAreTaken() throws IOException {
    Set<String> ofScript = new HashSet<>();
    Matcher cases = SCRIPT_CASE.matcher(read(ROOT.resolve("bin/sailfish")));
    while (cases.find()) {
      ofScript.addAll(List.of(cases.group(1).split(" \\| ")));
    }
    assertTrue(ofScript.containsAll(Main.commandLine().getSubcommands().keySet()), "" + ofScript);
    Set<String> seen = new HashSet<>();
    for (Path document : documents()) {
      for (List<String> words : lines(read(document))) {
        List<String> arguments = arguments(words);
        if (arguments != null && !arguments.isEmpty()) {
          check(document, arguments, ofScript);
          seen.add(arguments.get(0));
        }
      }
    }
    // A test that finds no lines would pass for ever.
    assertTrue(seen.containsAll(Main.commandLine().getSubcommands().keySet()), "" + seen);
    assertTrue(seen.contains("model") && seen.contains("quickstart"), "" + seen);
  }

  @Test
  void programsInBlocksAreThere() throws IOException {
    int found = 0;
    for (Path document : documents()) {
      for (List<String> words : lines(read(document))) {
        for (String word : words) {
          if (word.matches("(bin|benchmarks|tools|docker|\\.ci)/[\\w./-]+")) {
            assertTrue(Files.exists(ROOT.resolve(word)), document + ": " + word);
            found++;
          }
        }
      }
    }
    assertTrue(found > 5, "found " + found);
  }

  @Test
  void optionsAndGridsOfThePageOnQuantisingAreThere() {
    String page = read(ROOT.resolve("docs/quantization.md"));
    Set<String> known = new HashSet<>();
    for (CommandLine command : Main.commandLine().getSubcommands().values()) {
      for (OptionSpec option : command.getCommandSpec().options()) {
        for (String name : option.names()) {
          known.add(name);
          if (option.negatable()) {
            known.add(name.replaceFirst("^--", "--no-"));
          }
        }
      }
    }
    Set<String> used = new HashSet<>();
    Matcher options = OPTION.matcher(page);
    while (options.find()) {
      used.add(options.group(1));
    }
    assertTrue(used.size() > 10, "" + used);
    used.removeAll(known);
    assertEquals(Set.of(), used, "options that no command has");
    for (Grid grid : Grid.values()) {
      assertTrue(page.contains("`" + grid.id()), grid.id() + " is not on the page");
    }
  }

  @Test
  void linesAreTakenApart() {
    List<List<String>> lines =
        lines(
            "x\n```sh\nm=$(bin/sailfish model)  # \"get\" it\nbin/sailfish run \"a b\" \\\n  'c'\n```\ny\n");
    assertEquals(List.of("model"), arguments(lines.get(0)));
    assertEquals(List.of("run", "a b", "c"), arguments(lines.get(1)));
    assertEquals(2, lines.size());
    Path here = Path.of("here");
    assertThrows(
        AssertionError.class, () -> check(here, List.of("run", "m", "x", "--grdi"), Set.of()));
    assertThrows(
        AssertionError.class,
        () -> check(here, List.of("quantize", "m", "t", "--grid", "int5"), Set.of()));
    assertThrows(
        ParameterException.class, () -> Main.commandLine().parseArgs("quantize", "--nothing"));
  }
}
