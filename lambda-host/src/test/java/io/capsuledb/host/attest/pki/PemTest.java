package io.capsuledb.host.attest.pki;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.IntegrityException;
import io.capsuledb.host.attest.encoding.Octets;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class PemTest {

  private static Octets text(String text) {
    return Octets.copyOf(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  @Test
  void blocksAreReadInOrder() {
    Octets one = text("one");
    Octets two = text("another, longer than a line of sixty-four digits: ".repeat(3));
    String file = Pem.block("CERTIFICATE", one) + "\r\n" + Pem.block("CERTIFICATE", two) + "\0";
    assertThat(Pem.blocks("CERTIFICATE", text(file))).containsExactly(one, two);
  }

  @Test
  void everyPrefixIsReadOrRefused() {
    String file = Pem.block("CERTIFICATE", text("one")) + Pem.block("CERTIFICATE", text("two"));
    for (int length = 0; length < file.length(); length++) {
      String prefix = file.substring(0, length);
      try {
        assertThat(Pem.blocks("CERTIFICATE", text(prefix)).size()).isBetween(0, 2);
      } catch (IntegrityException refused) {
        assertThat(refused).hasMessageContaining("PEM");
      }
    }
  }

  /** Found by fuzzing. */
  @Test
  void theDashesOfTheFirstLineDoNotBeginTheLast() {
    assertThatThrownBy(
            () ->
                Pem.blocks("CERTIFICATE", text("-----BEGIN CERTIFICATE-----END CERTIFICATE-----")))
        .isInstanceOf(IntegrityException.class)
        .hasMessageContaining("a block without end");
  }
}
