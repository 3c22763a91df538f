package io.capsuledb.scl.resp;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** Replies leave in order, whole, and never before what they depend on. */
class ReplyQueuePropertyTest {

  /**
   * A reply with a fence if {@code durable} is 0; else news of durability if it is positive; else
   * the oldest {@code -durable} replies have waited for too long.
   */
  record Step(long fence, int length, long durable) {}

  record Reply(String text, long fence, int number) {}

  @Property(tries = 2000)
  void behavesLikeAListOfReplies(@ForAll("steps") List<Step> steps) {
    ReplyQueue queue = new ReplyQueue(new ReplyQueue.Pool());
    ArrayDeque<Reply> model = new ArrayDeque<>();
    long durable = 0;
    int number = 0;
    for (Step step : steps) {
      if (step.durable == 0) {
        String text = ("<" + number++ + ">").repeat(step.length);
        queue.buffer().writeCharSequence(text, StandardCharsets.US_ASCII);
        queue.replied(step.fence, number);
        model.add(new Reply(text, step.fence, number));
      } else if (step.durable < 0) {
        int limit = model.isEmpty() ? number : model.peek().number - 1 - (int) step.durable;
        int expired = queue.expire(limit);
        for (int i = 0; i < expired; i++) {
          model.remove();
        }
        // All that are old enough; younger ones only with an older one whose fence they share.
        assertThat(model.stream().filter(r -> r.number <= limit)).isEmpty();
      } else {
        durable = Math.max(durable, step.durable);
        StringBuilder expected = new StringBuilder();
        while (!model.isEmpty() && model.peek().fence <= durable) {
          expected.append(model.remove().text);
        }
        List<Long> observed = new ArrayList<>();
        int bytes = queue.release(durable, (waited, since) -> observed.add(since));
        ByteBuf out = Unpooled.buffer();
        if (bytes > 0) {
          queue.take(bytes, out);
        }
        assertThat(out.toString(StandardCharsets.US_ASCII)).isEqualTo(expected.toString());
        assertThat(observed).isSorted();
        assertThat(observed.isEmpty()).isEqualTo(expected.isEmpty());
      }
      assertThat(queue.count()).isEqualTo(model.size());
      assertThat(queue.isEmpty()).isEqualTo(model.isEmpty());
      assertThat(queue.bytes()).isEqualTo(model.stream().mapToInt(r -> r.text.length()).sum());
    }
    queue.clear();
    assertThat(queue.count()).isZero();
    assertThat(queue.bytes()).isZero();
  }

  @Provide
  Arbitrary<List<Step>> steps() {
    Arbitrary<Step> reply =
        Combinators.combine(
                Arbitraries.longs().between(0, 40),
                Arbitraries.frequencyOf(
                    net.jqwik.api.Tuple.of(30, Arbitraries.integers().between(1, 20)),
                    net.jqwik.api.Tuple.of(1, Arbitraries.just(30_000))))
            .as((fence, length) -> new Step(fence, length, 0));
    Arbitrary<Step> news = Arbitraries.longs().between(1, 45).map(d -> new Step(0, 0, d));
    Arbitrary<Step> late = Arbitraries.longs().between(-4, -1).map(d -> new Step(0, 0, d));
    return Arbitraries.frequencyOf(
            net.jqwik.api.Tuple.of(10, reply),
            net.jqwik.api.Tuple.of(2, news),
            net.jqwik.api.Tuple.of(1, late))
        .list()
        .ofMaxSize(120);
  }

  @net.jqwik.api.Example
  void aRunOfRepliesIsObservedOnce() {
    ReplyQueue queue = new ReplyQueue(new ReplyQueue.Pool());
    for (long fence = 1; fence <= 16; fence++) {
      queue.buffer().writeByte('x');
      queue.replied(fence, 7);
    }
    List<String> observed = new ArrayList<>();

    queue.release(16, (waited, since) -> observed.add(waited + "@" + since));

    assertThat(observed).containsExactly("true@7");
  }
}
