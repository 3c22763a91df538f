package io.capsuledb.core.keys;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;

/**
 * The English word list of BIP 39: 2048 words in alphabetical order, so that a word's place is
 * found by bisection.
 */
final class EnglishWords {

  static final int COUNT = 2048;
  static final String RESOURCE = "bip39-english.txt";

  private static final List<String> WORDS = load();

  private EnglishWords() {}

  static String word(int index) {
    return WORDS.get(index);
  }

  /** The place of {@code word}, or a negative number. */
  static int indexOf(String word) {
    return Collections.binarySearch(WORDS, word);
  }

  private static List<String> load() {
    try (InputStream resource = EnglishWords.class.getResourceAsStream(RESOURCE)) {
      if (resource == null) {
        throw new AssertionError("the word list is missing from the jar");
      }
      List<String> words =
          new String(resource.readAllBytes(), StandardCharsets.US_ASCII).lines().toList();
      if (words.size() != COUNT) {
        throw new AssertionError("the word list has " + words.size() + " words");
      }
      return words;
    } catch (IOException e) {
      throw new UncheckedIOException("the word list cannot be read", e);
    }
  }
}
