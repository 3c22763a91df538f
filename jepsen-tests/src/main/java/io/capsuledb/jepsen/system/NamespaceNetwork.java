package io.capsuledb.jepsen.system;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A network of namespaces: each node in one of its own, at a port of a bridge that is in one of its
 * own, too, so that nothing of the machine's own network is touched but for one interface. The node
 * that clients talk to stays in the machine's namespace. What one node sends to another is dropped
 * or lost by rules of the bridge. Needs root and the programs {@code ip} and {@code nft}.
 */
final class NamespaceNetwork implements Network {

  private static final int PORT = 7400;
  private static final String STORE_PASSWORD = "testbed";

  private final List<String> nodes;
  private final String outside;
  private final String id;
  private final String subnet;

  private NamespaceNetwork(List<String> nodes, String outside) {
    this.nodes = List.copyOf(nodes);
    this.outside = outside;
    // Names of interfaces have 15 characters at most.
    this.id = String.format(Locale.ROOT, "cj%05x", ThreadLocalRandom.current().nextInt(1 << 20));
    this.subnet =
        "10."
            + (100 + ThreadLocalRandom.current().nextInt(100))
            + "."
            + ThreadLocalRandom.current().nextInt(256)
            + ".";
  }

  /** Why there can be none, or nothing. */
  static List<String> obstaclesAtAll() {
    List<String> obstacles = new ArrayList<>();
    if (!Disks.isRoot()) {
      obstacles.add("network namespaces need root");
    }
    for (String program : List.of("ip", "nft")) {
      if (!Commands.exists(program)) {
        obstacles.add("there is no program " + program);
      }
    }
    if (obstacles.isEmpty()) {
      String probe = "cjprobe" + ProcessHandle.current().pid();
      try {
        Commands.run(List.of("ip", "netns", "add", probe));
        Commands.run(List.of("ip", "netns", "exec", probe, "nft", "add", "table", "bridge", "p"));
      } catch (IOException e) {
        obstacles.add("this machine has no network namespaces with nft: " + e.getMessage());
      }
      try {
        Commands.outcome(List.of("ip", "netns", "delete", probe), java.util.Map.of());
      } catch (IOException e) {
        obstacles.add(e.getMessage() + "");
      }
    }
    return obstacles;
  }

  /** Whether the kernel can delay packets. */
  static boolean hasNetem() {
    String probe = "cjnetem" + ProcessHandle.current().pid();
    try {
      Commands.run(List.of("ip", "netns", "add", probe));
      try {
        Commands.run(
            List.of(
                "ip", "netns", "exec", probe, "tc", "qdisc", "add", "dev", "lo", "root", "netem",
                "delay", "1ms"));
        return true;
      } finally {
        Commands.run(List.of("ip", "netns", "delete", probe));
      }
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Makes one.
   *
   * @param outside the node that stays in the machine's own namespace
   * @param directory where certificates for its links go
   */
  static NamespaceNetwork open(List<String> nodes, String outside, Path directory)
      throws IOException {
    NamespaceNetwork network = new NamespaceNetwork(nodes, outside);
    boolean made = false;
    try {
      network.make();
      network.certificates(directory);
      made = true;
      return network;
    } finally {
      if (!made) {
        network.close();
      }
    }
  }

  private void make() throws IOException {
    String bridge = id + "b";
    ip("netns", "add", bridge);
    inside(bridge, "ip", "link", "add", "name", "br0", "type", "bridge");
    inside(bridge, "ip", "link", "set", "br0", "up");
    for (String node : nodes) {
      String port = port(node);
      ip("link", "add", id + "x", "type", "veth", "peer", "name", port, "netns", bridge);
      inside(bridge, "ip", "link", "set", port, "master", "br0", "up");
      if (node.equals(outside)) {
        ip("link", "set", id + "x", "name", id + "o");
        ip("addr", "add", host(node) + "/24", "dev", id + "o");
        ip("link", "set", id + "o", "up");
      } else {
        String own = id + node;
        ip("netns", "add", own);
        ip("link", "set", id + "x", "netns", own, "name", "eth0");
        inside(own, "ip", "link", "set", "lo", "up");
        inside(own, "ip", "addr", "add", host(node) + "/24", "dev", "eth0");
        inside(own, "ip", "link", "set", "eth0", "up");
      }
    }
    nft("add table bridge cut");
    nft("add chain bridge cut forward { type filter hook forward priority 0 ; }");
  }

  private static void ip(String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments));
    Commands.run(command);
  }

  private static void inside(String namespace, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of("ip", "netns", "exec", namespace));
    command.addAll(List.of(arguments));
    Commands.run(command);
  }

  private void nft(String rule) throws IOException {
    inside(id + "b", "nft", rule);
  }

  private String port(String node) {
    return "p" + nodes.indexOf(node);
  }

  private String host(String node) {
    int place = nodes.indexOf(node);
    if (place < 0) {
      throw new IllegalArgumentException("no node " + node);
    }
    return subnet + (place + 1);
  }

  /** A certificate for all nodes, which vouches for itself. */
  private void certificates(Path directory) throws IOException {
    Files.createDirectories(directory);
    Path store = directory.resolve("replicas.p12");
    List<String> names = new ArrayList<>();
    nodes.forEach(node -> names.add("ip:" + host(node)));
    Commands.run(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
            "-genkeypair",
            "-alias",
            "replicas",
            "-keyalg",
            "EC",
            "-groupname",
            "secp256r1",
            "-dname",
            "CN=replicas",
            "-ext",
            "san=" + String.join(",", names),
            "-ext",
            "bc:critical=ca:true",
            "-storetype",
            "PKCS12",
            "-keystore",
            store.toString(),
            "-storepass",
            STORE_PASSWORD));
    try (InputStream in = Files.newInputStream(store)) {
      KeyStore keys = KeyStore.getInstance("PKCS12");
      keys.load(in, STORE_PASSWORD.toCharArray());
      Key key = keys.getKey("replicas", STORE_PASSWORD.toCharArray());
      pem(
          directory.resolve("replicas.crt"),
          "CERTIFICATE",
          keys.getCertificate("replicas").getEncoded());
      pem(directory.resolve("replicas.key"), "PRIVATE KEY", key.getEncoded());
    } catch (GeneralSecurityException e) {
      throw new IOException("no certificate can be made: " + e.getMessage(), e);
    }
  }

  private static void pem(Path file, String type, byte[] der) throws IOException {
    String base64 =
        Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII)).encodeToString(der);
    Files.writeString(
        file, "-----BEGIN " + type + "-----\n" + base64 + "\n-----END " + type + "-----\n");
  }

  @Override
  public List<String> launcher(String node) {
    return node.equals(outside) ? List.of() : List.of("ip", "netns", "exec", id + node);
  }

  @Override
  public String listen(String node) {
    return host(node) + ":" + PORT;
  }

  @Override
  public String address(String from, String to) {
    return listen(to);
  }

  @Override
  public String expose(String node, int port) throws IOException {
    if (node.equals(outside)) {
      return "127.0.0.1:" + port;
    }
    // Servers take clients without credentials on loopback only, so clients are sent there.
    String own = id + node;
    inside(own, "sysctl", "-q", "-w", "net.ipv4.conf.eth0.route_localnet=1");
    inside(own, "nft", "add table ip clients");
    inside(own, "nft", "add chain ip clients in { type nat hook prerouting priority -100 ; }");
    inside(own, "nft", "add rule ip clients in tcp dport " + port + " dnat to 127.0.0.1:" + port);
    return host(node) + ":" + port;
  }

  @Override
  public boolean leavesLoopback() {
    return true;
  }

  private void rule(String from, String to, String what) throws IOException {
    nft(
        "add rule bridge cut forward iifname \""
            + port(from)
            + "\" oifname \""
            + port(to)
            + "\" "
            + what);
  }

  @Override
  public void cut(String from, String to) throws IOException {
    // Addresses stay known, or a cut would last longer than it should.
    rule(from, to, "ether type != arp drop");
  }

  @Override
  public void lose(String from, String to, int percent) throws IOException {
    rule(
        from,
        to,
        "ether type != arp numgen random mod 1000 < " + Math.min(999, 10 * percent) + " drop");
  }

  @Override
  public void delay(String from, String to, int delayMs, int jitterMs) throws IOException {
    // Of the port that leads to the receiver: for both ends of a link that is the sum of both.
    inside(
        id + "b",
        "tc",
        "qdisc",
        "replace",
        "dev",
        port(to),
        "root",
        "netem",
        "delay",
        delayMs + "ms",
        jitterMs + "ms");
  }

  @Override
  public void limit(String from, String to, int bytesPerSecond) throws IOException {
    rule(
        from,
        to,
        "ether type != arp limit rate over "
            + Math.max(1, bytesPerSecond >> 10)
            + " kbytes/second burst 64 kbytes drop");
  }

  @Override
  public void heal() throws IOException {
    nft("flush chain bridge cut forward");
    for (String node : nodes) {
      Commands.outcome(
          List.of("ip", "netns", "exec", id + "b", "tc", "qdisc", "del", "dev", port(node), "root"),
          java.util.Map.of());
    }
  }

  @Override
  public void close() throws IOException {
    for (String node : nodes) {
      if (!node.equals(outside)) {
        Commands.outcome(List.of("ip", "netns", "delete", id + node), java.util.Map.of());
      }
    }
    Commands.outcome(List.of("ip", "netns", "delete", id + "b"), java.util.Map.of());
  }
}
