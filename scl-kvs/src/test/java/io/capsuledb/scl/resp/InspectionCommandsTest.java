package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterTry;
import net.jqwik.api.lifecycle.BeforeTry;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class InspectionCommandsTest {

  private CommandRunner runner;

  @BeforeTry
  @BeforeEach
  void open() {
    runner = new CommandRunner();
  }

  @AfterTry
  @AfterEach
  void close() {
    runner.close();
  }

  private static byte[] bytes(String text) {
    return CommandRunner.bytes(text);
  }

  private byte[] dump(String key) {
    ByteBuf reply = runner.reply(new byte[][] {bytes("DUMP"), bytes(key)});
    int end = reply.indexOf(0, reply.writerIndex(), (byte) '\n');
    byte[] payload = new byte[reply.readableBytes() - end - 3];
    reply.getBytes(end + 1, payload);
    return payload;
  }

  private String restore(String key, long ttl, byte[] payload, String... options) {
    byte[][] command = new byte[4 + options.length][];
    command[0] = bytes("RESTORE");
    command[1] = bytes(key);
    command[2] = bytes(Long.toString(ttl));
    command[3] = payload;
    for (int i = 0; i < options.length; i++) {
      command[4 + i] = bytes(options[i]);
    }
    return runner.run(command);
  }

  @Property(tries = 100)
  void whatIsDumpedIsRestored(
      @ForAll @Size(max = 50) byte[] string,
      @ForAll @Size(min = 1, max = 9) List<byte[]> elements) {
    runner.run(new byte[][] {bytes("SET"), bytes("string"), string});
    for (byte[] element : elements) {
      runner.run(new byte[][] {bytes("RPUSH"), bytes("list"), element});
      runner.run(new byte[][] {bytes("SADD"), bytes("set"), element});
    }
    for (String key : new String[] {"string", "list", "set"}) {
      assertThat(restore(key + "2", 0, dump(key))).isEqualTo("+OK");
      assertThat(dump(key + "2")).isEqualTo(dump(key));
      assertThat(runner.run("TYPE", key + "2")).isEqualTo("+" + key);
      assertThat(runner.run("PTTL", key + "2")).isEqualTo(":-1");
    }
    assertThat(runner.run("GET", "string2")).isEqualTo(runner.run("GET", "string"));
    assertThat(runner.run("LRANGE", "list2", "0", "-1"))
        .isEqualTo(runner.run("LRANGE", "list", "0", "-1"));
    assertThat(runner.run("SMEMBERS", "set2")).isEqualTo(runner.run("SMEMBERS", "set"));
  }

  @Property(tries = 100)
  void damagedPayloadsAreRefused(@ForAll @IntRange(max = 1000) int place, @ForAll byte change) {
    runner.run("SET", "k", "value");
    byte[] payload = dump("k");
    payload[place % payload.length] ^= change == 0 ? 1 : change;
    assertThat(restore("other", 0, payload))
        .isEqualTo("-ERR DUMP payload version or checksum are wrong");
    assertThat(runner.run("EXISTS", "other")).isEqualTo(":0");
  }

  @Test
  void soundPayloadsOfNonsenseAreRefused() {
    byte[] nonsense = DumpCodec.encode(io.capsuledb.engine.ValueType.SET, new byte[] {7}, 0, 1);
    assertThat(restore("k", 0, nonsense)).isEqualTo("-ERR Bad data format");
  }

  @Test
  void restoredKeysExpireAsTold() {
    runner.run("SET", "k", "v", "EX", "7");
    byte[] payload = dump("k");
    assertThat(restore("k", 0, payload)).isEqualTo("-BUSYKEY Target key name already exists.");
    assertThat(restore("k", 5000, payload, "REPLACE")).isEqualTo("+OK");
    assertThat(runner.run("PTTL", "k")).isEqualTo(":5000");
    long atMs = runner.clock.wallMs() + 9000;
    assertThat(restore("l", atMs, payload, "absttl")).isEqualTo("+OK");
    assertThat(runner.run("PTTL", "l")).isEqualTo(":9000");
    assertThat(restore("m", 1, payload, "ABSTTL")).isEqualTo("+OK");
    assertThat(restore("l", 1, payload, "ABSTTL", "REPLACE")).isEqualTo("+OK");
    assertThat(runner.run("EXISTS", "l", "m")).isEqualTo(":0");
    assertThat(restore("k", 0, payload, "REPLACE", "IDLETIME", "3")).isEqualTo("+OK");
    assertThat(runner.run("PTTL", "k")).isEqualTo(":-1");
    assertThat(restore("n", Long.MAX_VALUE, payload))
        .isEqualTo("-ERR invalid expire time in 'restore' command");
  }

  @Test
  void objectsSayWhatTheyAre() {
    runner.run("RPUSH", "l", "x");
    runner.run("SADD", "s", "x");
    runner.run("SET", "k", "value");
    assertThat(runner.run("OBJECT", "ENCODING", "l")).isEqualTo("\"listpack\"");
    assertThat(runner.run("OBJECT", "ENCODING", "s")).isEqualTo("\"listpack\"");
    assertThat(runner.run("OBJECT", "HELP"))
        .startsWith("[+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, ")
        .endsWith("+HELP, +    Prints this help.]");
    assertThat(runner.run("MEMORY", "HELP")).startsWith("[+MEMORY <subcommand>");
    long small = Long.parseLong(runner.run("MEMORY", "USAGE", "k").substring(1));
    runner.run("APPEND", "k", "x".repeat(1000));
    assertThat(runner.run("MEMORY", "USAGE", "k", "SAMPLES", "0")).isEqualTo(":" + (small + 1000));
  }

  @Test
  void timeIsTheClocks() {
    runner.clock.setWallMs(1_234_567_890_123L);
    assertThat(runner.run("TIME")).isEqualTo("[\"1234567890\", \"123000\"]");
  }
}
