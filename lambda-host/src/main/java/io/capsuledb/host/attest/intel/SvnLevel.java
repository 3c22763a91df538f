package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.verdict.TcbStatus;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How current one version of a quoting enclave or of a TDX module is.
 *
 * @param version least ISVSVN of the level
 * @param date when the level was current
 * @param status how current it is
 * @param advisories its known weaknesses
 */
record SvnLevel(int version, Instant date, TcbStatus status, List<String> advisories) {

  private static final int MAX_LEVELS = 256;
  private static final int MAX_ADVISORIES = 1024;
  private static final int MAX_SVN = 0xFFFF;

  SvnLevel {
    advisories = List.copyOf(advisories);
  }

  static List<SvnLevel> read(Json levels) {
    List<SvnLevel> read = new ArrayList<>();
    for (Json level : levels.elements(MAX_LEVELS)) {
      TcbStatus status = status(level.get("tcbStatus"));
      if (status != TcbStatus.UP_TO_DATE
          && status != TcbStatus.OUT_OF_DATE
          && status != TcbStatus.REVOKED) {
        throw malformed(Reason.UNKNOWN_TYPE, "status " + status + " of a part of the platform");
      }
      read.add(
          new SvnLevel(
              level.get("tcb").get("isvsvn").integer(MAX_SVN),
              level.get("tcbDate").instant(),
              status,
              advisories(level)));
    }
    return List.copyOf(read);
  }

  static TcbStatus status(Json text) {
    TcbStatus status = TcbStatus.of(text.text());
    if (status == null
        || status == TcbStatus.TD_RELAUNCH_ADVISED
        || status == TcbStatus.TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED) {
      throw malformed(Reason.UNKNOWN_TYPE, "TCB status '" + text.text() + "'");
    }
    return status;
  }

  static List<String> advisories(Json level) {
    Json names = level.find("advisoryIDs");
    return names == null
        ? List.of()
        : names.elements(MAX_ADVISORIES).stream().map(Json::text).toList();
  }

  /** The level of {@code version}: the one with the greatest version that is not above it. */
  static @Nullable SvnLevel of(int version, List<SvnLevel> levels) {
    SvnLevel best = null;
    for (SvnLevel level : levels) {
      if (level.version <= version && (best == null || level.version > best.version)) {
        best = level;
      }
    }
    return best;
  }
}
