package io.capsuledb.host.attest.verdict;

/**
 * Versions of the parts of an AMD platform's firmware, each from 0 to 255.
 *
 * @param fmc Turin's first mutable code; zero elsewhere
 * @param bootLoader the PSP's boot loader
 * @param tee the PSP's operating system
 * @param snp the SNP firmware
 * @param microcode the cores' microcode
 */
public record SnpTcb(int fmc, int bootLoader, int tee, int snp, int microcode) {

  /** Whether no part is older than that of {@code minimum}. */
  public boolean atLeast(SnpTcb minimum) {
    return fmc >= minimum.fmc
        && bootLoader >= minimum.bootLoader
        && tee >= minimum.tee
        && snp >= minimum.snp
        && microcode >= minimum.microcode;
  }

  @Override
  public String toString() {
    return "fmc=%d bl=%d tee=%d snp=%d ucode=%d".formatted(fmc, bootLoader, tee, snp, microcode);
  }
}
