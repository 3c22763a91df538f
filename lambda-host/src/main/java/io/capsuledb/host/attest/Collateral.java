package io.capsuledb.host.attest;

import io.capsuledb.host.attest.amd.AmdCollateral;
import io.capsuledb.host.attest.intel.IntelCollateral;

/**
 * What evidence is judged with, besides itself.
 *
 * @param intel for quotes
 * @param amd for reports
 */
public record Collateral(IntelCollateral intel, AmdCollateral amd) {

  /** Nothing: whatever is asked will fail for want of it. */
  public static final Collateral NONE = new Collateral(IntelCollateral.NONE, AmdCollateral.NONE);
}
