package io.capsuledb.host.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import io.capsuledb.host.cli.CapsuleCli;
import io.capsuledb.host.terminal.Streams;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** The manifests hold to the schema, and say what the program understands. */
@SuppressWarnings("unchecked") // YAML has maps and lists of whatever is in them.
class KubernetesTest {

  private static final Path MANIFESTS = Path.of("..", "deploy", "kubernetes", "capsuledb.yaml");
  private static final String NAME = "app.kubernetes.io/name";

  private final Map<String, Object> schema = schema();
  private final List<Map<String, Object>> documents = documents();

  private static Yaml yaml() {
    return new Yaml(new SafeConstructor(new LoaderOptions()));
  }

  private static Map<String, Object> schema() {
    try (InputStream in = KubernetesTest.class.getResourceAsStream("/kubernetes/schema.yaml")) {
      return yaml().load(in);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static List<Map<String, Object>> documents() {
    List<Map<String, Object>> documents = new ArrayList<>();
    try {
      yaml()
          .loadAll(Files.readString(MANIFESTS))
          .forEach(document -> documents.add((Map<String, Object>) document));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    return documents;
  }

  // ------------------------------------------------------------------ the schema

  private void check(String type, Object value, String at, List<String> wrong) {
    if (type.startsWith("[")) {
      if (!(value instanceof List<?> list)) {
        wrong.add(at + " is no list");
        return;
      }
      for (int i = 0; i < list.size(); i++) {
        check(type.substring(1, type.length() - 1), list.get(i), at + "[" + i + "]", wrong);
      }
      return;
    }
    Map<String, Object> definition = (Map<String, Object>) schema.get(type);
    if (definition == null) {
      wrong.add(at + ": the schema has no " + type);
    } else if (definition.containsKey("fields")) {
      fields((Map<String, String>) definition.get("fields"), value, at, wrong);
    } else if (definition.containsKey("map")) {
      if (value instanceof Map<?, ?> map) {
        map.forEach(
            (key, one) -> check((String) definition.get("map"), one, at + "." + key, wrong));
      } else {
        wrong.add(at + " is no map");
      }
    } else {
      scalar(definition, value, at, wrong);
    }
  }

  private void fields(Map<String, String> fields, Object value, String at, List<String> wrong) {
    if (!(value instanceof Map<?, ?> map)) {
      wrong.add(at + " is no map");
      return;
    }
    Set<String> known = new HashSet<>();
    fields.forEach(
        (field, type) -> {
          boolean optional = field.endsWith("_");
          String name = optional ? field.substring(0, field.length() - 1) : field;
          known.add(name);
          if (map.containsKey(name)) {
            check(type, map.get(name), at + "." + name, wrong);
          } else if (!optional) {
            wrong.add(at + " has no " + name);
          }
        });
    map.keySet().stream()
        .filter(key -> !known.contains(String.valueOf(key)))
        .forEach(key -> wrong.add(at + "." + key + " is not in the schema"));
  }

  private static void scalar(
      Map<String, Object> definition, Object value, String at, List<String> wrong) {
    boolean typed =
        switch ((String) Objects.requireNonNull(definition.get("type"))) {
          case "string" -> value instanceof String || value instanceof Integer;
          case "int" -> value instanceof Integer;
          default -> value instanceof Boolean;
        };
    if (!typed) {
      wrong.add(at + " is " + value);
    }
    if (definition.get("enum") instanceof List<?> allowed && !allowed.contains(value)) {
      wrong.add(at + " is " + value + ", not of " + allowed);
    }
    if (definition.get("pattern") instanceof String pattern
        && !String.valueOf(value).matches(pattern)) {
      wrong.add(at + " is " + value);
    }
    if (definition.get("min") instanceof Integer least
        && value instanceof Integer number
        && (number < least || number > (Integer) Objects.requireNonNull(definition.get("max")))) {
      wrong.add(at + " is " + value);
    }
  }

  private List<String> wrong(List<Map<String, Object>> all) {
    List<String> wrong = new ArrayList<>();
    for (Map<String, Object> document : all) {
      String kind = String.valueOf(document.get("kind"));
      check(kind, document, kind + " " + at(document, "metadata", "name"), wrong);
    }
    return wrong;
  }

  private static Object at(Object value, String... path) {
    Object now = value;
    for (String name : path) {
      now = now instanceof Map<?, ?> map ? map.get(name) : null;
    }
    return now;
  }

  @Test
  void theManifestsHoldToTheSchema() {
    assertThat(wrong(documents)).isEmpty();
    assertThat(documents.stream().map(one -> String.valueOf(one.get("kind"))))
        .contains("StatefulSet", "Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget");
  }

  @Test
  void theSchemaFindsMistakes() throws IOException {
    String text = Files.readString(MANIFESTS);
    for (String[] mistake :
        List.of(
            new String[] {"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"},
            new String[] {"          image:", "          imagee:"},
            new String[] {"containerPort: 7400", "containerPort: 74000"},
            new String[] {"drop: [ALL]", "add: [SYS_ADMIN]"},
            new String[] {"  replicas: 3", "  replicas: three"})) {
      assertThat(text).contains(mistake[0]);
      List<Map<String, Object>> broken = new ArrayList<>();
      yaml()
          .loadAll(text.replaceFirst(java.util.regex.Pattern.quote(mistake[0]), mistake[1]))
          .forEach(document -> broken.add((Map<String, Object>) document));
      assertThat(wrong(broken)).as(mistake[1]).isNotEmpty();
    }
  }

  // ------------------------------------------------------------------ what a schema does not say

  private List<Map<String, Object>> pods() {
    return documents.stream()
        .filter(one -> at(one, "spec", "template") != null)
        .map(one -> (Map<String, Object>) at(one, "spec", "template"))
        .toList();
  }

  private static String help(String command) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int code =
        CapsuleCli.run(
            new String[] {command, "--help"},
            new Streams(
                new ByteArrayInputStream(new byte[0]),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8),
                false),
            Map.of());
    assertThat(code).isZero();
    return out.toString(StandardCharsets.UTF_8);
  }

  @Test
  void theProgramKnowsItsCommandLines() {
    List<String> commands = new ArrayList<>();
    for (Map<String, Object> pod : pods()) {
      for (Object container : (List<Object>) at(pod, "spec", "containers")) {
        List<String> arguments = (List<String>) at(container, "args");
        commands.add(arguments.getFirst());
        String help = help(arguments.getFirst());
        assertThat(arguments.stream().filter(one -> one.startsWith("--")))
            .allMatch(flag -> help.contains(flag + "="), arguments.getFirst());
      }
    }
    assertThat(commands)
        .containsExactlyInAnyOrder(
            "replica", "router", "scheduler", "leader", "coordinator", "lambda-worker");
  }

  @Test
  void volumesSelectorsAndServicesFitTogether() {
    Set<Object> names = new HashSet<>();
    for (Map<String, Object> document : documents) {
      if (at(document, "spec", "template") == null) {
        continue;
      }
      Object labels = at(document, "spec", "template", "metadata", "labels");
      assertThat((Map<String, Object>) labels)
          .containsAllEntriesOf(
              (Map<String, Object>) at(document, "spec", "selector", "matchLabels"));
      names.add(at(labels, NAME));
      Set<Object> volumes = new HashSet<>();
      ((List<Object>) at(document, "spec", "template", "spec", "volumes"))
          .forEach(volume -> volumes.add(at(volume, "name")));
      if (at(document, "spec", "volumeClaimTemplates") instanceof List<?> claims) {
        claims.forEach(claim -> volumes.add(at(claim, "metadata", "name")));
      }
      for (Object container :
          (List<Object>) at(document, "spec", "template", "spec", "containers")) {
        Set<Object> mounted = new HashSet<>();
        ((List<Object>) at(container, "volumeMounts"))
            .forEach(mount -> mounted.add(at(mount, "name")));
        assertThat(mounted).isEqualTo(volumes);
      }
    }
    for (Map<String, Object> document : documents) {
      if (Objects.equals(document.get("kind"), "Service")) {
        assertThat(names).contains(at(document, "spec", "selector", NAME));
      }
    }
  }
}
