package io.capsuledb.jepsen;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example in README.md compiles, runs and prints what it should. */
class ReadmeExampleTest {

  private static final Path README = Path.of("..", "README.md");

  @Test
  void compilesAndRuns(@TempDir Path directory) throws IOException, InterruptedException {
    Matcher example =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(README));
    assertThat(example.find()).isTrue();
    Path source = Files.writeString(directory.resolve("Example.java"), example.group(1));
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    try (StandardJavaFileManager files =
        compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
      boolean compiled =
          compiler
              .getTask(
                  messages,
                  files,
                  null,
                  List.of("-cp", System.getProperty("java.class.path"), "-d", directory.toString()),
                  null,
                  files.getJavaFileObjects(source))
              .call();
      assertThat(compiled).as(messages.toString()).isTrue();
    }
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                directory + ":" + System.getProperty("java.class.path"),
                "Example",
                directory.resolve("data").toString())
            .redirectError(directory.resolve("errors").toFile())
            .start();
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    process.getInputStream().transferTo(printed);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(Files.readString(directory.resolve("errors"))).isZero();
    assertThat(printed.toString(StandardCharsets.UTF_8).lines())
        .hasSize(5)
        .startsWith("durable", "fruit/apple is red", "fruit/banana is yellow")
        .anyMatch(line -> line.matches("apple was red, says [0-9a-f]{64}"))
        .anyMatch(line -> line.matches("apple was green, says [0-9a-f]{64}"));
  }
}
