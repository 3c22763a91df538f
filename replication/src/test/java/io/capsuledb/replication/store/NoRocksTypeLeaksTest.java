package io.capsuledb.replication.store;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What others can name of this package mentions no type of RocksDB, so that records can be stored
 * elsewhere behind the same ports.
 */
class NoRocksTypeLeaksTest {

  private static final String ROCKSDB = "org.rocksdb";

  private static final JavaClasses STORE =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("io.capsuledb.replication.store");

  /** The types that the outside of a member mentions. */
  private static List<JavaClass> mentioned(JavaMember member) {
    List<JavaClass> types = new ArrayList<>();
    if (member instanceof JavaCodeUnit unit) {
      types.addAll(unit.getReturnType().getAllInvolvedRawTypes());
      unit.getParameterTypes().forEach(type -> types.addAll(type.getAllInvolvedRawTypes()));
      types.addAll(unit.getExceptionTypes());
    } else if (member instanceof JavaField field) {
      types.addAll(field.getType().getAllInvolvedRawTypes());
    }
    return types;
  }

  private static boolean isVisible(JavaMember member) {
    return member.getModifiers().contains(JavaModifier.PUBLIC)
        || member.getModifiers().contains(JavaModifier.PROTECTED);
  }

  private static final ArchCondition<JavaClass> MENTION_NO_ROCKSDB =
      new ArchCondition<>("mention no type of RocksDB where others see it") {
        @Override
        public void check(JavaClass type, ConditionEvents events) {
          Stream.concat(
                  type.getMembers().stream()
                      .filter(NoRocksTypeLeaksTest::isVisible)
                      .flatMap(member -> mentioned(member).stream()),
                  Stream.concat(
                      type.getAllRawSuperclasses().stream(), type.getAllRawInterfaces().stream()))
              .filter(mentioned -> mentioned.getPackageName().startsWith(ROCKSDB))
              .forEach(
                  mentioned ->
                      events.add(
                          SimpleConditionEvent.violated(
                              type, type.getName() + " shows " + mentioned.getName())));
        }
      };

  @Test
  void publicClassesShowNoTypeOfRocksDb() {
    assertThat(STORE.stream().filter(c -> c.getModifiers().contains(JavaModifier.PUBLIC)))
        .hasSizeGreaterThan(4);
    classes().that().arePublic().should(MENTION_NO_ROCKSDB).check(STORE);
  }

  @Test
  void theRuleSeesWhatItLooksFor() {
    // OpenDatabase is not public, and would break the rule if it were: put takes a WriteBatch.
    JavaClass database = STORE.get(OpenDatabase.class);
    assertThat(database.getMethods().stream().flatMap(m -> mentioned(m).stream()))
        .anyMatch(type -> type.getPackageName().startsWith(ROCKSDB));
    assertThat(database.getModifiers()).doesNotContain(JavaModifier.PUBLIC);
  }
}
