package io.capsuledb.scl.resp;

import io.capsuledb.scl.procedure.ProcedureValue;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * What a procedure returned, as a reply; docs/procedures.md has the table. An object with the one
 * member {@code ok} or {@code err} is a status or an error, as Lua scripts of Redis return them.
 */
final class ProcedureReplies {

  private static final Pattern ERROR_CODE = Pattern.compile("[A-Z]+ .*", Pattern.DOTALL);

  /** 2^53: whole numbers up to here are exact. */
  private static final double MAX_EXACT = 9007199254740992.0;

  private ProcedureReplies() {}

  /** Writes one reply. */
  static void write(RespWriter reply, ProcedureValue value) {
    switch (value) {
      case ProcedureValue.Nothing _ -> reply.nullBulk();
      case ProcedureValue.Bool(boolean truth) -> reply.bool(truth);
      case ProcedureValue.Num(double number) -> number(reply, number);
      case ProcedureValue.Text(String text) -> reply.bulk(text);
      case ProcedureValue.Bytes bytes -> reply.bulk(bytes.value());
      case ProcedureValue.Items(var values) -> {
        reply.array(values.size());
        values.forEach(one -> write(reply, one));
      }
      case ProcedureValue.Fields(var fields) -> fields(reply, fields);
    }
  }

  private static void number(RespWriter reply, double number) {
    if (number == Math.rint(number) && Math.abs(number) <= MAX_EXACT) {
      reply.integer((long) number);
    } else {
      reply.number(number);
    }
  }

  private static void fields(RespWriter reply, Map<String, ProcedureValue> fields) {
    if (fields.size() == 1) {
      if (fields.get("ok") instanceof ProcedureValue.Text(String text)) {
        reply.simple(text.replace('\r', ' ').replace('\n', ' '));
        return;
      }
      if (fields.get("err") instanceof ProcedureValue.Text(String text)) {
        reply.error(ERROR_CODE.matcher(text).matches() ? text : "ERR " + text);
        return;
      }
    }
    reply.map(fields.size());
    fields.forEach(
        (name, value) -> {
          reply.bulk(name);
          write(reply, value);
        });
  }
}
