package io.capsuledb.host;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.conditions.ArchConditions.notBePublic;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The laws of the house that the compiler and Maven do not see; see docs/ARCHITECTURE.md. */
class HouseLawsTest {

  private static final String[] TRUSTED = {"io.capsuledb.core..", "io.capsuledb.engine.."};

  /** Where trusted code touches the JVM's clock, entropy and threads: the ports' own adapters. */
  private static final String ADAPTERS = "io.capsuledb.core.system..";

  private static final JavaClasses CODE =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          // What modules lend each other's tests.
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("io.capsuledb");

  @Test
  void thereIsCodeToJudge() {
    for (String root : List.of("core", "engine", "replication", "scl", "enclave", "host")) {
      classes()
          .that()
          .resideInAPackage("io.capsuledb." + root + "..")
          .should()
          .resideInAPackage("io.capsuledb..")
          .check(CODE);
    }
  }

  @Test
  void packagesHaveNoCycles() {
    slices().matching("io.capsuledb.(**)").should().beFreeOfCycles().check(CODE);
  }

  @Test
  void dependenciesPointDown() {
    layeredArchitecture()
        .consideringOnlyDependenciesInAnyPackage("io.capsuledb..")
        .layer("core")
        .definedBy("io.capsuledb.core..")
        .layer("engine")
        .definedBy("io.capsuledb.engine..")
        .layer("replication")
        .definedBy("io.capsuledb.replication..")
        .layer("scl")
        .definedBy("io.capsuledb.scl..")
        .layer("enclave")
        .definedBy("io.capsuledb.enclave..")
        .layer("host")
        .definedBy("io.capsuledb.host..")
        .whereLayer("core")
        .mayNotAccessAnyLayer()
        .whereLayer("engine")
        .mayOnlyAccessLayers("core")
        .whereLayer("replication")
        .mayOnlyAccessLayers("core")
        .whereLayer("scl")
        .mayOnlyAccessLayers("core", "engine")
        .whereLayer("enclave")
        .mayOnlyAccessLayers("core")
        .whereLayer("host")
        .mayNotBeAccessedByAnyLayer()
        .check(CODE);
  }

  @Test
  void trustedCodeReachesTheOutsideOnlyThroughPorts() {
    noClasses()
        .that(resideInAnyPackage(TRUSTED).and(resideOutsideOfPackages(ADAPTERS)))
        // Unpacks the curve's native library, which the JVM can only load from a file.
        .and()
        .doNotHaveFullyQualifiedName("io.capsuledb.core.crypto.NativeLibrary")
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                    "java.net..",
                    "java.nio.file..",
                    "java.nio.channels..",
                    "java.net.http..",
                    "javax.net..")
                .or(
                    nameMatching(
                        "java\\.io\\.(File.*|RandomAccessFile|Console|PipedInputStream"
                            + "|PipedOutputStream)"))
                .or(
                    nameMatching(
                        "java\\.security\\.SecureRandom|java\\.util\\.(Random|Timer)"
                            + "|java\\.util\\.concurrent\\.ThreadLocalRandom"
                            + "|java\\.util\\.random\\..*")))
        .check(CODE);
    noClasses()
        .that(resideInAnyPackage(TRUSTED).and(resideOutsideOfPackages(ADAPTERS)))
        .should()
        .accessTargetWhere(
            named(
                "the JVM's clocks or output",
                "java.lang.System",
                Set.of("currentTimeMillis", "nanoTime", "out", "err", "in")))
        .orShould()
        .accessTargetWhere(named("a random number", "java.lang.Math", Set.of("random")))
        .orShould()
        .accessTargetWhere(named("the clock", "java.time.Instant", Set.of("now")))
        .check(CODE);
  }

  @Test
  void protocolCoresOwnNoThreads() {
    noClasses()
        .that(resideInAnyPackage(TRUSTED).and(resideOutsideOfPackages(ADAPTERS)))
        .should()
        .accessTargetWhere(
            named(
                "a thread",
                "java.lang.Thread",
                Set.of(
                    "<init>", "start", "sleep", "ofVirtual", "ofPlatform", "startVirtualThread")))
        .orShould()
        .dependOnClassesThat(
            nameMatching(
                "java\\.util\\.concurrent\\.(Executor.*|ForkJoin.*|ThreadPoolExecutor"
                    + "|Scheduled.*|CompletionService|StructuredTaskScope.*)"))
        .check(CODE);
  }

  private static DescribedPredicate<JavaAccess<?>> named(
      String what, String owner, Set<String> members) {
    return new DescribedPredicate<>(what) {
      @Override
      public boolean test(JavaAccess<?> access) {
        return access.getTargetOwner().getName().equals(owner)
            && members.contains(access.getTarget().getName());
      }
    };
  }

  @Test
  void eachLibraryHasOnePlace() {
    confine(
        "io.netty..",
        "io.capsuledb.scl..",
        "io.capsuledb.replication.transport..",
        "io.capsuledb.host.channel..");
    confine("io.grpc..", "io.capsuledb.host.channel..");
    confine("org.zeromq..", "nowhere");
    confine("zmq..", "io.capsuledb.replication.transport..");
    confine(
        "org.rocksdb..", "io.capsuledb.replication.store..", "io.capsuledb.host.bench.engine..");
    confine("net.openhft..", "nowhere");
    confine("net.jpountz..", "io.capsuledb.engine.block..");
    confine("com.github.benmanes..", "io.capsuledb.engine.lsm..");
    confine("fr.acinq..", "io.capsuledb.core.crypto..");
    confine("org.bouncycastle..", "io.capsuledb.core..");
    confine("com.amazon..", "io.capsuledb.core.crypto..");
    confine("org.tomlj..", "io.capsuledb.host.config..");
    confine("picocli..", "io.capsuledb.host.cli..");
    confine("io.prometheus..", "io.capsuledb.host.metrics..");
    confine("com.sun.net.httpserver..", "io.capsuledb.host.metrics..");
    confine("org.HdrHistogram..", "io.capsuledb.host.bench..");
    confine("me.tongfei..", "io.capsuledb.host.terminal..");
    confine("java.util.logging..", "io.capsuledb.host.log..");
  }

  @Test
  void memoryOffTheHeapIsTheMemtablesOnly() {
    noClasses()
        .that()
        .resideInAPackage("io.capsuledb.engine..")
        .and()
        .resideOutsideOfPackage("io.capsuledb.engine.memtable..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("java.lang.foreign..")
        .check(CODE);
  }

  private static void confine(String library, String... places) {
    ArchRule rule =
        noClasses()
            .that()
            .resideOutsideOfPackages(places)
            .should()
            .dependOnClassesThat()
            .resideInAPackage(library);
    rule.check(CODE);
  }

  @Test
  void nobodyLogsThroughAnythingButTheJdk() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.slf4j..", "org.apache.logging..", "org.apache.log4j..")
        .check(CODE);
  }

  @Test
  void failuresThatCallersSeeAreOfOneFamily() {
    classes()
        .that()
        .areAssignableTo(Throwable.class)
        .and()
        .resideOutsideOfPackage("io.capsuledb.core.error")
        .should(notBePublic())
        .check(CODE);
  }

  @Test
  void namesSayWhatThingsAre() {
    noClasses()
        .should()
        .haveNameMatching(".*(Manager|Helper|Utils?|Impl)")
        .check(
            // The JDK gives this one its name and finds it by that.
            new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .withImportOption(location -> !location.contains("PersistentLogManager"))
                .importPackages("io.capsuledb"));
  }
}
