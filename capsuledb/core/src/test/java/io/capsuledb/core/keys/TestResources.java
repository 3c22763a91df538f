package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Reads published vectors and golden bytes. */
final class TestResources {

  private TestResources() {}

  /** The lines of a resource that are neither empty nor comments. */
  static List<String> lines(String name) throws IOException {
    return text(name).lines().filter(line -> !line.isEmpty() && !line.startsWith("#")).toList();
  }

  static String text(String name) throws IOException {
    try (InputStream resource = TestResources.class.getResourceAsStream(name)) {
      assertThat(resource).as(name).isNotNull();
      return new String(resource.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
