package io.capsuledb.core.keys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HdPathTest {

  @ParameterizedTest
  @CsvSource({
    "m,m",
    "m/0,m/0",
    "m/44h/0H/1,m/44'/0'/1",
    "m/2147483647'/2147483647,m/2147483647'/2147483647"
  })
  void readsPaths(String text, String canonical) {
    assertThat(HdPath.parse(text).orThrow()).hasToString(canonical);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "M",
        "/0",
        "0",
        "m/",
        "m//0",
        "m/0/",
        "m/-1",
        "m/+1",
        "m/00",
        "m/01'",
        "m/1''",
        "m/h",
        "m/'",
        "m/2147483648",
        "m/9999999999",
        "m/99999999999999999999",
        "m/0x1",
        "m/1 ",
        " m/1",
        "m/1e3",
        "m/\u0661",
        "mm/1",
        "m'/1"
      })
  void refusesWhatIsNoPath(String text) {
    assertThat(HdPath.parse(text))
        .isInstanceOfSatisfying(
            Decoded.Rejected.class,
            rejected ->
                assertThat(rejected.rejection().reason())
                    .isEqualTo(Rejection.Reason.FIELD_OUT_OF_RANGE));
  }

  @Test
  void aPathHasAtMostTwoHundredFiftyFiveSteps() {
    HdPath longest = HdPath.parse("m" + "/2147483647'".repeat(255)).orThrow();
    assertThat(longest.length()).isEqualTo(255);
    assertThatThrownBy(() -> longest.child(0)).isInstanceOf(InvalidRequestException.class);
    for (String tooLong : new String[] {"m" + "/1".repeat(256), "m/" + "1".repeat(10_000)}) {
      assertThat(HdPath.parse(tooLong))
          .isInstanceOfSatisfying(
              Decoded.Rejected.class,
              rejected ->
                  assertThat(rejected.rejection().reason()).isEqualTo(Rejection.Reason.TOO_LARGE));
    }
  }

  @Test
  void aNegativeStepIsTheCallersMistake() {
    assertThatThrownBy(() -> HdPath.MASTER.hardened(-1))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
