package io.capsuledb.host.terminal;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * A command's standard streams. What a command was asked for goes to {@code out}, everything else
 * to {@code err}.
 *
 * @param in bytes as they come
 * @param out buffered, UTF-8; to be flushed by who wrote; {@link PrintStream#checkError} tells when
 *     nobody reads any more
 * @param err unbuffered, UTF-8
 * @param errIsTerminal whether a person watches {@code err}, so that it may be drawn on
 */
public record Streams(InputStream in, PrintStream out, PrintStream err, boolean errIsTerminal) {

  private static final int OUT_BUFFER_BYTES = 64 << 10;

  /** Those of the process. Java cannot tell what the standard error is; bin/capsule can. */
  public static Streams ofProcess() {
    return new Streams(
        new FileInputStream(FileDescriptor.in),
        new PrintStream(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), OUT_BUFFER_BYTES),
            false,
            StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        Boolean.getBoolean("capsule.terminal"));
  }
}
