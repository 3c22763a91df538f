package io.capsuledb.scl.resp;

/**
 * Logs exceptions that show a defect of ours: in one line, by class and stack, without the message,
 * which might hold what a client sent.
 */
final class Defects {

  private static final System.Logger LOG = System.getLogger(Defects.class.getName());
  private static final int MAX_FRAMES = 12;

  private Defects() {}

  /**
   * Logs a defect.
   *
   * @param event what was being done, as {@code event=...}, with further fields
   */
  static void log(String event, Throwable defect) {
    StringBuilder line = new StringBuilder(event);
    line.append(" exception=").append(defect.getClass().getName()).append(" stack=");
    StackTraceElement[] frames = defect.getStackTrace();
    for (int i = 0; i < Math.min(frames.length, MAX_FRAMES); i++) {
      line.append(i == 0 ? "" : "<")
          .append(frames[i].getClassName().replaceAll(".*\\.", ""))
          .append('.')
          .append(frames[i].getMethodName())
          .append(':')
          .append(frames[i].getLineNumber());
    }
    LOG.log(System.Logger.Level.ERROR, line.toString());
  }
}
