package io.capsuledb.scl.resp;

import io.capsuledb.core.sim.FuzzTarget;
import io.capsuledb.engine.ValueType;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** The decoders of what clients send and store. */
public final class RespFuzzTargets {

  private RespFuzzTargets() {}

  private static byte[] latin1(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** A stream, whole and in two pieces: the same commands, or the same rejection. */
  private static void parse(byte[] stream) {
    String whole = outcome(stream, stream.length);
    String cut = outcome(stream, stream.length / 2);
    if (!whole.equals(cut)) {
      throw new AssertionError("whole: " + whole + "\ncut: " + cut);
    }
  }

  private static String outcome(byte[] stream, int cut) {
    RespParser parser = new RespParser();
    StringBuilder out = new StringBuilder();
    for (int[] piece : new int[][] {{0, cut}, {cut, stream.length}}) {
      byte[] window = Arrays.copyOfRange(stream, piece[0], piece[1]);
      parser.feed(window, 0, window.length);
      RespParser.Status status = parser.next();
      while (status == RespParser.Status.COMMAND) {
        out.append(Arrays.deepToString(parser.command())).append('\n');
        status = parser.next();
      }
      Arrays.fill(window, (byte) '#');
      if (status == RespParser.Status.REJECTED) {
        return out.append("rejected: ").append(parser.rejection()).toString();
      }
    }
    return out.toString();
  }

  /** All of them. */
  public static List<FuzzTarget> all() {
    return List.of(
        FuzzTarget.of(
            "resp",
            List.of(
                latin1("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n*1\r\n$4\r\nPING\r\n"),
                latin1("SET \"a b\" 'c'\r\n")),
            RespFuzzTargets::parse),
        FuzzTarget.decoder(
            "dump",
            FuzzTarget.golden("dump-string.hex", "dump-list.hex", "dump-set.hex"),
            DumpCodec::decode),
        FuzzTarget.codec(
            "library",
            FuzzTarget.golden("library.hex"),
            LibraryCodec::decode,
            LibraryCodec::encode),
        FuzzTarget.decoder(
            "function-dump", FuzzTarget.golden("functions-dump.hex"), LibraryCodec::restore),
        FuzzTarget.decoder(
            "collection-list",
            FuzzTarget.golden("collection-list.hex", "collection-long-element.hex"),
            bytes -> CollectionCodec.decode(ValueType.LIST, bytes, 0, bytes.length)),
        FuzzTarget.decoder(
            "collection-set",
            FuzzTarget.golden("collection-set.hex"),
            bytes -> CollectionCodec.decode(ValueType.SET, bytes, 0, bytes.length)));
  }
}
