package io.capsuledb.core.crypto;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.Serializable;
import java.security.MessageDigest;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SecretBytesTest {

  @Property(tries = 200)
  void secretsCompareByValue(@ForAll byte[] a, @ForAll byte[] b) {
    assertThat(SecretBytes.copyOf(a).equals(SecretBytes.copyOf(b))).isEqualTo(Arrays.equals(a, b));
    assertThat(SecretBytes.copyOf(a)).isEqualTo(SecretBytes.copyOf(a));
    assertThat(SecretBytes.copyOf(a)).hasSameHashCodeAs(SecretBytes.copyOf(a));
  }

  @Test
  void comparingTakesConstantTime() {
    JavaClass secret = new ClassFileImporter().importClass(SecretBytes.class);
    assertThat(secret.getMethod("equals", Object.class).getMethodCallsFromSelf())
        .anyMatch(
            call ->
                call.getTargetOwner().isEquivalentTo(MessageDigest.class)
                    && call.getTarget().getName().equals("isEqual"));
    noClasses()
        .that()
        .haveFullyQualifiedName(SecretBytes.class.getName())
        .should()
        .callMethod(Arrays.class, "equals", byte[].class, byte[].class)
        .check(new ClassFileImporter().importClasses(SecretBytes.class));
  }

  @Test
  void closingClearsTheArrayAndForbidsItsUse() {
    byte[] bytes = {1, 2, 3};
    SecretBytes secret = SecretBytes.own(bytes);
    assertThat(secret.expose()).isSameAs(bytes);
    secret.close();
    secret.close();
    assertThat(bytes).containsOnly(0);
    assertThat(secret.length()).isEqualTo(3);
    assertThat(secret.isClosed()).isTrue();
    assertThatThrownBy(secret::expose).isInstanceOf(IllegalStateException.class);
    assertThat(secret).isNotEqualTo(SecretBytes.own(new byte[3])).isEqualTo(secret);
  }

  @Test
  void aCopyIsIndependentOfItsSource() {
    byte[] bytes = {1, 2, 3};
    SecretBytes secret = SecretBytes.copyOf(bytes);
    Arrays.fill(bytes, (byte) 0);
    assertThat(secret.expose()).containsExactly(1, 2, 3);
  }

  @Test
  void nothingPrintsOrSerializesIt() {
    assertThat(SecretBytes.own(new byte[] {0x5a, 0x5a})).hasToString("SecretBytes[2]");
    assertThat(Serializable.class.isAssignableFrom(SecretBytes.class)).isFalse();
  }
}
