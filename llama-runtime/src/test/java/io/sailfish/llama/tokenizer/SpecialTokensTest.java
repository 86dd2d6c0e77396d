package io.sailfish.llama.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.sailfish.llama.template.UserText;
import io.sailfish.llama.tokenizer.SpecialTokens.Part;
import io.sailfish.llama.tokenizer.SpecialTokens.Special;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SpecialTokensTest {
  private static final String[] TEXTS = {
    "<|a|>", "<|a|><|b|>", "<|b|>", "<<", "<<S>>", "ab", "🙂🙂"
  };
  private static final SpecialTokens SPECIALS = new SpecialTokens(specials());

  private static List<Special> specials() {
    List<Special> specials = new ArrayList<>();
    for (int i = 0; i < TEXTS.length; i++) {
      specials.add(new Special(i, TEXTS[i], false, false));
    }
    specials.add(new Special(TEXTS.length, "x", false, false));
    return specials;
  }

  @Test
  void ordinaryTextIsLeftAlone() {
    String text = "nothing special: < | > a b 1 < 2";
    assertSame(text, SPECIALS.escape(text));
  }

  @Test
  void longestSpecialWins() {
    assertEquals(List.of(new Part(null, 1)), SPECIALS.split("<|a|><|b|>"));
    assertEquals(
        List.of(new Part(null, 4), new Part(" ", -1), new Part(null, 3), new Part("S>", -1)),
        SPECIALS.split("<<S>> <<S>"));
  }

  @Test
  void oneCharacterIsNeverSpecial() {
    assertEquals(List.of(new Part("xx", -1)), SPECIALS.split("xx"));
  }

  @Test
  void whiteSpaceBesideSpecialsGoesWhereTheTokenSaysSo() {
    SpecialTokens stripping =
        new SpecialTokens(
            List.of(new Special(7, "<l>", true, false), new Special(8, "<r>", false, true)));
    assertEquals(
        List.of(
            new Part("a", -1),
            new Part(null, 7),
            new Part(" b ", -1),
            new Part(null, 8),
            new Part("c", -1),
            new Part(null, 7)),
        stripping.split("a \n<l> b <r>\t c <l>".replace("c <l>", "c<l>")));
  }

  /** Any row text between any template text comes back whole and adds no special token. */
  @Test
  void rowTextSurvivesAndStaysText() {
    Random random = new Random(5);
    String[] pieces = {
      "<|a|>", "<|", "a|>", "<", "|b|>", "<<", "S>>", "a", "b", "🙂", " ", "x", "y"
    };
    for (int i = 0; i < 20_000; i++) {
      String first = randomText(random, pieces);
      String second = randomText(random, pieces);
      String rendered = "<|a|>q: " + SPECIALS.escape(first) + SPECIALS.escape(second) + "<|b|>\n";
      StringBuilder text = new StringBuilder();
      List<Integer> ids = new ArrayList<>();
      for (Part part : SPECIALS.split(rendered)) {
        if (part.text() == null) {
          ids.add(part.id());
        } else {
          text.append(part.text());
        }
      }
      assertEquals("q: " + first + second + "\n", text.toString());
      assertEquals(List.of(0, 2), ids, () -> first + " / " + second);
    }
  }

  private static String randomText(Random random, String[] pieces) {
    StringBuilder text = new StringBuilder();
    for (int n = random.nextInt(6); n > 0; n--) {
      text.append(
          random.nextInt(4) == 0
              ? String.valueOf(UserText.BREAK).repeat(1 + random.nextInt(3))
              : pieces[random.nextInt(pieces.length)]);
    }
    return text.toString();
  }
}
