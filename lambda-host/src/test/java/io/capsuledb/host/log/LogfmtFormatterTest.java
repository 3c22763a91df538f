package io.capsuledb.host.log;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.logging.Level;
import java.util.logging.LogRecord;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

class LogfmtFormatterTest {

  private final LogfmtFormatter formatter = new LogfmtFormatter();

  @Example
  void anEventIsALineOfPairs() {
    LogRecord event =
        new EventLog.EventRecord(Level.INFO, "node.ready", "keys", 7, "data", "/a b", "none", "");
    assertThat(formatter.format(event))
        .matches("ts=[0-9T:.-]+Z level=info event=node\\.ready keys=7 data=\"/a b\" none=\"\"\n");
  }

  @Property
  void nothingThatIsLoggedForgesALine(@ForAll String value, @ForAll String message) {
    LogRecord event = new EventLog.EventRecord(Level.INFO, "e", "value", value);
    event.setThrown(new IllegalStateException(message));
    assertOneLine(formatter.format(event));
    LogRecord library = new LogRecord(Level.WARNING, message);
    library.setLoggerName("x." + value);
    assertOneLine(formatter.format(library));
    LogRecord ours = new LogRecord(Level.WARNING, "event=" + message);
    ours.setLoggerName("io.capsuledb.engine.X");
    assertOneLine(formatter.format(ours));
  }

  private static void assertOneLine(String text) {
    assertThat(text).endsWith("\n");
    assertThat(text.substring(0, text.length() - 1).chars())
        .noneMatch(c -> Character.isISOControl(c) || c == '\u2028' || c == '\u2029');
  }

  @Example
  void pairsOfOtherModulesPassAndTheirSentencesAreQuoted() {
    LogRecord pairs = new LogRecord(Level.INFO, "event=writer.born writer={0}");
    pairs.setLoggerName("io.capsuledb.engine.CapsuleDb");
    pairs.setParameters(new Object[] {"2f"});
    assertThat(formatter.format(pairs)).endsWith(" level=info event=writer.born writer=2f\n");
    LogRecord sentence = new LogRecord(Level.SEVERE, "it \"broke\"");
    sentence.setLoggerName("io.netty.x");
    assertThat(formatter.format(sentence))
        .endsWith(" level=error event=library logger=io.netty.x message=\"it \\\"broke\\\"\"\n");
  }
}
