package io.capsuledb.host.attest.intel;

import static io.capsuledb.host.attest.encoding.Octets.malformed;

import io.capsuledb.core.error.Rejection.Reason;
import io.capsuledb.host.attest.encoding.Json;
import io.capsuledb.host.attest.encoding.Octets;
import io.capsuledb.host.attest.verdict.TcbStatus;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Intel's TCB info, version 2 (SGX only) or 3: which versions of a platform's components are how
 * current.
 *
 * @param tdx whether it is about TDX
 * @param issued when it was issued
 * @param nextUpdate until when it holds
 * @param fmspc which platforms
 * @param pceId with which provisioning certification enclave
 * @param evaluationNumber Intel's number of the evaluation it comes from
 * @param module the TDX module that came before there were several; null for SGX
 * @param modules the TDX modules, by their major version
 * @param levels from the newest to the oldest
 */
record TcbInfo(
    boolean tdx,
    Instant issued,
    Instant nextUpdate,
    Octets fmspc,
    Octets pceId,
    int evaluationNumber,
    @Nullable Module module,
    List<Module> modules,
    List<Level> levels) {

  private static final int MAX_LEVELS = 256;
  private static final int MAX_EVALUATION = 1 << 20;
  private static final int MAX_SVN = 0xFF;
  private static final int MAX_PCE_SVN = 0xFFFF;

  /**
   * A TDX module.
   *
   * @param id "TDX_" and its major version; empty for the one before there were several
   * @param signer MRSIGNERSEAM
   * @param attributes SEAMATTRIBUTES, under {@code mask}
   * @param levels its versions
   */
  record Module(String id, Octets signer, Octets attributes, Octets mask, List<SvnLevel> levels) {
    Module {
      levels = List.copyOf(levels);
    }
  }

  /**
   * A level of the platform.
   *
   * @param sgx least versions of the 16 SGX components
   * @param pceSvn least version of the provisioning certification enclave
   * @param tdx least versions of the 16 TDX components; null for SGX
   */
  record Level(
      Octets sgx,
      int pceSvn,
      @Nullable Octets tdx,
      Instant date,
      TcbStatus status,
      List<String> advisories) {
    Level {
      advisories = List.copyOf(advisories);
    }
  }

  TcbInfo {
    modules = List.copyOf(modules);
    levels = List.copyOf(levels);
  }

  /** Reads the signed value of a TCB info document. */
  static TcbInfo read(Json info) {
    int version = info.get("version").integer(MAX_SVN);
    if (version != 2 && version != 3) {
      throw malformed(Reason.UNKNOWN_FORMAT, "TCB info version " + version);
    }
    boolean tdx = false;
    if (version == 3) {
      String id = info.get("id").text();
      tdx = id.equals("TDX");
      if (!tdx && !id.equals("SGX")) {
        throw malformed(Reason.UNKNOWN_TYPE, "TCB info for '" + id + "'");
      }
    }
    if (info.get("tcbType").integer(MAX_SVN) != 0) {
      throw malformed(Reason.UNKNOWN_TYPE, "TCB type");
    }
    Json module = info.find("tdxModule");
    Json modules = info.find("tdxModuleIdentities");
    if (tdx && module == null) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, "TCB info for TDX names no TDX module");
    }
    List<Module> identities = new ArrayList<>();
    if (tdx && modules != null) {
      for (Json identity : modules.elements(MAX_LEVELS)) {
        identities.add(
            module(
                identity.get("id").text().toUpperCase(Locale.ROOT),
                identity,
                SvnLevel.read(identity.get("tcbLevels"))));
      }
    }
    List<Level> levels = new ArrayList<>();
    for (Json level : info.get("tcbLevels").elements(MAX_LEVELS)) {
      levels.add(level(level, version, tdx));
    }
    return new TcbInfo(
        tdx,
        info.get("issueDate").instant(),
        info.get("nextUpdate").instant(),
        info.get("fmspc").hex(6),
        info.get("pceId").hex(2),
        info.get("tcbEvaluationDataNumber").integer(MAX_EVALUATION),
        tdx && module != null ? module("", module, List.of()) : null,
        identities,
        levels);
  }

  private static Module module(String id, Json module, List<SvnLevel> levels) {
    return new Module(
        id,
        module.get("mrsigner").hex(QuoteLayout.SHA384_BYTES),
        module.get("attributes").hex(8),
        module.get("attributesMask").hex(8),
        levels);
  }

  private static Level level(Json level, int version, boolean tdx) {
    Json tcb = level.get("tcb");
    return new Level(
        version == 2 ? numbered(tcb) : components(tcb.get("sgxtcbcomponents")),
        tcb.get("pcesvn").integer(MAX_PCE_SVN),
        tdx ? components(tcb.get("tdxtcbcomponents")) : null,
        level.get("tcbDate").instant(),
        SvnLevel.status(level.get("tcbStatus")),
        SvnLevel.advisories(level));
  }

  private static Octets numbered(Json tcb) {
    byte[] svn = new byte[QuoteLayout.SVN_COMPONENTS];
    for (int i = 0; i < svn.length; i++) {
      svn[i] = (byte) tcb.get("sgxtcbcomp%02dsvn".formatted(i + 1)).integer(MAX_SVN);
    }
    return Octets.own(svn);
  }

  private static Octets components(Json components) {
    List<Json> elements = components.elements(QuoteLayout.SVN_COMPONENTS);
    if (elements.size() != QuoteLayout.SVN_COMPONENTS) {
      throw malformed(Reason.FIELD_OUT_OF_RANGE, elements.size() + " TCB components instead of 16");
    }
    byte[] svn = new byte[QuoteLayout.SVN_COMPONENTS];
    for (int i = 0; i < svn.length; i++) {
      svn[i] = (byte) elements.get(i).get("svn").integer(MAX_SVN);
    }
    return Octets.own(svn);
  }

  /** The TDX module of that major version, which is above zero; or null. */
  @Nullable Module module(int majorVersion) {
    String id = "TDX_%02X".formatted(majorVersion);
    return modules.stream().filter(module -> module.id.equals(id)).findFirst().orElse(null);
  }
}
