package io.capsuledb.scl.resp;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/**
 * What the commands on keys mean, on plain maps and strings whose characters are bytes. It knows no
 * bounds and expects well-formed commands; replies are rendered as {@link Replies} does.
 */
final class KeyspaceModel {

  static final String WRONG_TYPE =
      "-WRONGTYPE Operation against a key holding the wrong kind of value";
  private static final String NOT_AN_INTEGER = "-ERR value is not an integer or out of range";

  /** A String, a List of String or a TreeSet of String, and when it ends; null: never. */
  private record Entry(Object value, Long expiryAtMs) {}

  /** A command was refused. */
  private static final class Refused extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refused(String reply) {
      super(reply);
    }
  }

  private final TreeMap<String, Entry> entries = new TreeMap<>();
  private final LongSupplier clock;

  KeyspaceModel(LongSupplier clock) {
    this.clock = clock;
  }

  /** Runs one command; upper-case names and options. */
  String run(String... words) {
    entries.values().removeIf(e -> e.expiryAtMs != null && e.expiryAtMs <= clock.getAsLong());
    try {
      return execute(words[0], words);
    } catch (Refused e) {
      return e.getMessage();
    }
  }

  private String execute(String name, String[] w) {
    return switch (name) {
      case "SET" -> set(w);
      case "GET" -> bulk(string(w[1]));
      case "GETSET" -> {
        String old = string(w[1]);
        store(w[1], w[2], null);
        yield bulk(old);
      }
      case "GETDEL" -> {
        String old = string(w[1]);
        entries.remove(w[1]);
        yield bulk(old);
      }
      case "GETEX" -> getEx(w);
      case "MGET" ->
          array(rest(w, 1).stream().map(k -> value(k) instanceof String s ? bulk(s) : "nil"));
      case "MSET" -> multiSet(w, "+OK");
      case "MSETNX" -> {
        for (int i = 1; i < w.length; i += 2) {
          if (entries.containsKey(w[i])) {
            yield ":0";
          }
        }
        yield multiSet(w, ":1");
      }
      case "SETNX" -> {
        if (entries.containsKey(w[1])) {
          yield ":0";
        }
        store(w[1], w[2], null);
        yield ":1";
      }
      case "SETEX" -> set(new String[] {"SET", w[1], w[3], "EX", w[2]});
      case "PSETEX" -> set(new String[] {"SET", w[1], w[3], "PX", w[2]});
      case "INCR" -> add(w[1], BigInteger.ONE);
      case "DECR" -> add(w[1], BigInteger.ONE.negate());
      case "INCRBY" -> add(w[1], new BigInteger(w[2]));
      case "DECRBY" -> add(w[1], new BigInteger(w[2]).negate());
      case "APPEND" -> {
        store(w[1], orEmpty(string(w[1])) + w[2], expiry(w[1]));
        yield integer(string(w[1]).length());
      }
      case "STRLEN" -> integer(orEmpty(string(w[1])).length());
      case "GETRANGE" -> {
        String s = orEmpty(string(w[1]));
        long from = clamp(Long.parseLong(w[2]), s.length());
        long to = Math.min(clamp(Long.parseLong(w[3]), s.length()), s.length() - 1);
        boolean backwards = w[2].startsWith("-") && w[3].startsWith("-") && later(w[2], w[3]);
        yield bulk(from > to || backwards ? "" : s.substring((int) from, (int) to + 1));
      }
      case "SETRANGE" -> {
        String s = orEmpty(string(w[1]));
        int at = Integer.parseInt(w[2]);
        if (!w[3].isEmpty()) {
          String padded = s + "\0".repeat(Math.max(0, at + w[3].length() - s.length()));
          s = padded.substring(0, at) + w[3] + padded.substring(at + w[3].length());
          store(w[1], s, expiry(w[1]));
        }
        yield integer(s.length());
      }
      case "SETBIT" -> {
        StringBuilder bits = bits(orEmpty(string(w[1])));
        int at = Integer.parseInt(w[2]);
        while (bits.length() <= at) {
          bits.append("00000000");
        }
        char old = bits.charAt(at);
        bits.setCharAt(at, w[3].charAt(0));
        store(w[1], unbits(bits), expiry(w[1]));
        yield ":" + old;
      }
      case "GETBIT" -> {
        StringBuilder bits = bits(orEmpty(string(w[1])));
        int at = Integer.parseInt(w[2]);
        yield ":" + (at < bits.length() ? bits.charAt(at) : '0');
      }
      case "BITCOUNT" -> {
        String bits = bits(orEmpty(string(w[1]))).toString();
        if (w.length > 2) {
          int unit = w.length == 5 && w[4].equals("BIT") ? 1 : 8;
          int units = bits.length() / unit;
          long from = clamp(Long.parseLong(w[2]), units);
          long to = Math.min(clamp(Long.parseLong(w[3]), units), units - 1);
          boolean backwards = w[2].startsWith("-") && w[3].startsWith("-") && later(w[2], w[3]);
          bits =
              from > to || backwards
                  ? ""
                  : bits.substring((int) from * unit, ((int) to + 1) * unit);
        }
        yield integer(bits.replace("0", "").length());
      }
      case "DEL", "UNLINK" ->
          integer(rest(w, 1).stream().filter(k -> entries.remove(k) != null).count());
      case "EXISTS", "TOUCH" -> integer(rest(w, 1).stream().filter(entries::containsKey).count());
      case "TYPE" ->
          switch (value(w[1])) {
            case null -> "+none";
            case String s -> "+string";
            case List<?> l -> "+list";
            default -> "+set";
          };
      case "RENAME" -> rename(w[1], w[2], "+OK");
      case "RENAMENX" -> {
        boolean taken = entries.containsKey(w[2]);
        yield taken && entries.containsKey(w[1]) ? ":0" : rename(w[1], w[2], ":1");
      }
      case "COPY" -> {
        boolean possible =
            entries.containsKey(w[1])
                && (w.length == 4 /* REPLACE */ || !entries.containsKey(w[2]));
        if (possible) {
          entries.put(w[2], entries.get(w[1]));
        }
        yield integer(possible ? 1 : 0);
      }
      case "EXPIRE" -> expire(w, clock.getAsLong() + 1000 * Long.parseLong(w[2]));
      case "PEXPIRE" -> expire(w, clock.getAsLong() + Long.parseLong(w[2]));
      case "EXPIREAT" -> expire(w, 1000 * Long.parseLong(w[2]));
      case "PEXPIREAT" -> expire(w, Long.parseLong(w[2]));
      case "PERSIST" -> {
        boolean had = expiry(w[1]) != null;
        if (had) {
          store(w[1], value(w[1]), null);
        }
        yield integer(had ? 1 : 0);
      }
      case "TTL" -> time(w[1], clock.getAsLong(), 1000);
      case "PTTL" -> time(w[1], clock.getAsLong(), 1);
      case "EXPIRETIME" -> time(w[1], 0, 1000);
      case "PEXPIRETIME" -> time(w[1], 0, 1);
      case "KEYS" -> array(entries.keySet().stream().map(KeyspaceModel::bulk));
      case "FLUSHALL", "FLUSHDB" -> {
        entries.clear();
        yield "+OK";
      }
      case "LPUSH", "RPUSH" -> {
        List<String> list = new ArrayList<>(list(w[1]));
        rest(w, 2).forEach(e -> list.add(name.equals("LPUSH") ? 0 : list.size(), e));
        store(w[1], list, expiry(w[1]));
        yield integer(list.size());
      }
      case "LPOP", "RPOP" -> pop(w, name.equals("LPOP"));
      case "LLEN" -> integer(list(w[1]).size());
      case "LRANGE" -> {
        List<String> list = list(w[1]);
        long from = clamp(Long.parseLong(w[2]), list.size());
        long last = Long.parseLong(w[3]);
        long to = Math.min(last < 0 ? list.size() + last : last, list.size() - 1);
        yield array(
            (from > to ? List.<String>of() : list.subList((int) from, (int) to + 1))
                .stream().map(KeyspaceModel::bulk));
      }
      case "LINDEX" -> {
        List<String> list = list(w[1]);
        long index = Long.parseLong(w[2]);
        long at = index < 0 ? list.size() + index : index;
        yield at < 0 || at >= list.size() ? "nil" : bulk(list.get((int) at));
      }
      case "SADD" -> {
        TreeSet<String> set = new TreeSet<>(members(w[1]));
        int before = set.size();
        set.addAll(rest(w, 2));
        store(w[1], set, expiry(w[1]));
        yield integer(set.size() - before);
      }
      case "SREM" -> {
        TreeSet<String> set = new TreeSet<>(members(w[1]));
        int before = set.size();
        rest(w, 2).forEach(set::remove);
        store(w[1], set, expiry(w[1]));
        yield integer(before - set.size());
      }
      case "SMEMBERS" -> array(members(w[1]).stream().map(KeyspaceModel::bulk));
      case "SISMEMBER" -> integer(members(w[1]).contains(w[2]) ? 1 : 0);
      case "SCARD" -> integer(members(w[1]).size());
      default -> throw new IllegalArgumentException(name);
    };
  }

  private String set(String[] w) {
    List<String> options = rest(w, 3);
    boolean exists = entries.containsKey(w[1]);
    String old = options.contains("GET") ? bulk(string(w[1])) : null;
    if (exists ? options.contains("NX") : options.contains("XX")) {
      return old == null ? "nil" : old;
    }
    Long expiryAtMs = options.contains("KEEPTTL") ? expiry(w[1]) : optionExpiry(options);
    store(w[1], w[2], expiryAtMs);
    return old == null ? "+OK" : old;
  }

  private String getEx(String[] w) {
    String old = string(w[1]);
    if (old != null && w.length > 2) {
      store(w[1], old, optionExpiry(rest(w, 2)));
    }
    return bulk(old);
  }

  private Long optionExpiry(List<String> options) {
    for (int i = 0; i + 1 < options.size(); i++) {
      String number = options.get(i + 1);
      switch (options.get(i)) {
        case "EX" -> {
          return clock.getAsLong() + 1000 * Long.parseLong(number);
        }
        case "PX" -> {
          return clock.getAsLong() + Long.parseLong(number);
        }
        case "EXAT" -> {
          return 1000 * Long.parseLong(number);
        }
        case "PXAT" -> {
          return Long.parseLong(number);
        }
        default -> {}
      }
    }
    return null;
  }

  private String multiSet(String[] w, String reply) {
    for (int i = 1; i < w.length; i += 2) {
      store(w[i], w[i + 1], null);
    }
    return reply;
  }

  private String add(String key, BigInteger amount) {
    String old = string(key);
    BigInteger value;
    try {
      value = new BigInteger(old == null ? "0" : old);
    } catch (NumberFormatException e) {
      throw new Refused(NOT_AN_INTEGER);
    }
    if (value.bitLength() > 63 || (old != null && !old.equals(value.toString()))) {
      throw new Refused(NOT_AN_INTEGER);
    }
    BigInteger sum = value.add(amount);
    if (sum.bitLength() > 63) {
      throw new Refused("-ERR increment or decrement would overflow");
    }
    store(key, sum.toString(), expiry(key));
    return ":" + sum;
  }

  private String rename(String from, String to, String reply) {
    if (!entries.containsKey(from)) {
      throw new Refused("-ERR no such key");
    }
    entries.put(to, entries.remove(from));
    return reply;
  }

  private String expire(String[] w, long atMs) {
    if (!entries.containsKey(w[1])) {
      return ":0";
    }
    Long old = expiry(w[1]);
    for (String condition : rest(w, 3)) {
      boolean holds =
          switch (condition) {
            case "NX" -> old == null;
            case "XX" -> old != null;
            case "GT" -> old != null && atMs > old;
            case "LT" -> old == null || atMs < old;
            default -> throw new IllegalArgumentException(condition);
          };
      if (!holds) {
        return ":0";
      }
    }
    store(w[1], value(w[1]), atMs);
    return ":1";
  }

  private String time(String key, long sinceMs, long unitMs) {
    if (!entries.containsKey(key)) {
      return ":-2";
    }
    Long atMs = expiry(key);
    return atMs == null ? ":-1" : integer((atMs - sinceMs + unitMs / 2) / unitMs);
  }

  private String pop(String[] w, boolean left) {
    List<String> list = new ArrayList<>(list(w[1]));
    if (list.isEmpty()) {
      return w.length == 3 ? "nil-array" : "nil";
    }
    long wanted = w.length == 3 ? Long.parseLong(w[2]) : 1;
    List<String> popped = new ArrayList<>();
    while (popped.size() < wanted && !list.isEmpty()) {
      popped.add(left ? list.removeFirst() : list.removeLast());
    }
    store(w[1], list, expiry(w[1]));
    return w.length == 3
        ? array(popped.stream().map(KeyspaceModel::bulk))
        : bulk(popped.getFirst());
  }

  private Object value(String key) {
    Entry entry = entries.get(key);
    return entry == null ? null : entry.value;
  }

  private Long expiry(String key) {
    Entry entry = entries.get(key);
    return entry == null ? null : entry.expiryAtMs;
  }

  private <T> T typed(String key, Class<T> type) {
    Object value = value(key);
    if (value != null && !type.isInstance(value)) {
      throw new Refused(WRONG_TYPE);
    }
    return type.cast(value);
  }

  private String string(String key) {
    return typed(key, String.class);
  }

  @SuppressWarnings("unchecked") // lists hold nothing but strings
  private List<String> list(String key) {
    List<String> list = typed(key, List.class);
    return list == null ? List.of() : list;
  }

  @SuppressWarnings("unchecked") // sets hold nothing but strings
  private Collection<String> members(String key) {
    TreeSet<String> set = typed(key, TreeSet.class);
    return set == null ? List.of() : set;
  }

  private void store(String key, Object value, Long expiryAtMs) {
    boolean past = expiryAtMs != null && expiryAtMs <= clock.getAsLong();
    if (past || (value instanceof Collection<?> elements && elements.isEmpty())) {
      entries.remove(key);
    } else {
      entries.put(key, new Entry(value, expiryAtMs));
    }
  }

  private static long clamp(long index, int length) {
    return index < 0 ? Math.max(0, length + index) : index;
  }

  private static boolean later(String a, String b) {
    return Long.parseLong(a) > Long.parseLong(b);
  }

  private static StringBuilder bits(String bytes) {
    StringBuilder bits = new StringBuilder();
    bytes.chars().forEach(b -> bits.append(Integer.toBinaryString(b | 0x100), 1, 9));
    return bits;
  }

  private static String unbits(StringBuilder bits) {
    StringBuilder bytes = new StringBuilder();
    for (int i = 0; i < bits.length(); i += 8) {
      bytes.append((char) Integer.parseInt(bits.substring(i, i + 8), 2));
    }
    return bytes.toString();
  }

  private static String orEmpty(String string) {
    return string == null ? "" : string;
  }

  private static List<String> rest(String[] words, int from) {
    return Arrays.asList(words).subList(Math.min(from, words.length), words.length);
  }

  private static String bulk(String value) {
    return value == null ? "nil" : Replies.quoted(value.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static String integer(long value) {
    return ":" + value;
  }

  private static String array(java.util.stream.Stream<String> elements) {
    return elements.collect(Collectors.joining(", ", "[", "]"));
  }
}
