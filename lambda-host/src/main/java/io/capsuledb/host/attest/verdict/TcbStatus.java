package io.capsuledb.host.attest.verdict;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * How current a platform, a TDX module or a quoting enclave is, as Intel's TCB info says it, and
 * the two that only their comparison gives. In AMD's evidence there is no such status.
 */
public enum TcbStatus {
  UP_TO_DATE("UpToDate"),
  SW_HARDENING_NEEDED("SWHardeningNeeded"),
  CONFIGURATION_NEEDED("ConfigurationNeeded"),
  CONFIGURATION_AND_SW_HARDENING_NEEDED("ConfigurationAndSWHardeningNeeded"),
  TD_RELAUNCH_ADVISED("TDRelaunchAdvised"),
  TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED("TDRelaunchAdvisedConfigurationNeeded"),
  OUT_OF_DATE("OutOfDate"),
  OUT_OF_DATE_CONFIGURATION_NEEDED("OutOfDateConfigurationNeeded"),
  REVOKED("Revoked");

  private final String text;

  TcbStatus(String text) {
    this.text = text;
  }

  /** The status of that name, in Intel's spelling and case, or null. */
  public static @Nullable TcbStatus of(String text) {
    for (TcbStatus status : values()) {
      if (status.text.equals(text)) {
        return status;
      }
    }
    return null;
  }

  /** Whether the platform's configuration can be improved upon. */
  public boolean needsConfiguration() {
    return toString().toLowerCase(Locale.ROOT).contains("configuration");
  }

  /**
   * This status of a platform, made worse by that of a part of it: its quoting enclave or its TDX
   * module, whose own status is {@code UpToDate}, {@code OutOfDate} or {@code Revoked}.
   */
  public TcbStatus worsenedBy(TcbStatus part) {
    return switch (part) {
      case REVOKED -> REVOKED;
      case OUT_OF_DATE, OUT_OF_DATE_CONFIGURATION_NEEDED ->
          switch (this) {
            case UP_TO_DATE, SW_HARDENING_NEEDED, TD_RELAUNCH_ADVISED -> OUT_OF_DATE;
            case CONFIGURATION_NEEDED,
                CONFIGURATION_AND_SW_HARDENING_NEEDED,
                TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED ->
                OUT_OF_DATE_CONFIGURATION_NEEDED;
            case OUT_OF_DATE, OUT_OF_DATE_CONFIGURATION_NEEDED, REVOKED -> this;
          };
      default -> this;
    };
  }

  /** Intel's name for it. */
  @Override
  public String toString() {
    return text;
  }
}
