package io.capsuledb.scl.resp;

import java.util.HashMap;
import java.util.Map;

/** One sentence on each command, for COMMAND DOCS. */
final class CommandSummaries {

  private static final String[][] SUMMARIES = {
    {"ACL", "Look at users."},
    {"APPEND", "Append to a string."},
    {"AUTH", "Log in."},
    {"BITCOUNT", "Count the set bits of a string."},
    {"BITOP", "Combine strings bit by bit."},
    {"BITPOS", "Find the first set or clear bit of a string."},
    {"CAPSULE.HEAD", "Return the newest durable record of this node's chain."},
    {"CAPSULE.INFO", "Describe the capsule this server keeps its data in."},
    {"CAPSULE.RECORD", "Describe a record of the capsule."},
    {"CAPSULE.VERIFY", "Verify every record of the capsule."},
    {"CLIENT", "Look at and manage connections."},
    {"CLUSTER", "Not supported: this is a single node."},
    {"COMMAND", "Describe commands."},
    {"CONFIG", "Look at and change the server's configuration."},
    {"COPY", "Copy a key."},
    {"DBSIZE", "Return the number of keys."},
    {"DEBUG", "For tests."},
    {"DECR", "Decrement an integer by one."},
    {"DECRBY", "Decrement an integer by a number."},
    {"DEL", "Delete keys."},
    {"DISCARD", "Forget the commands queued since MULTI."},
    {"DUMP", "Return a serialized form of a value."},
    {"ECHO", "Return the argument."},
    {"EVAL", "Not supported."},
    {"EVALSHA", "Not supported."},
    {"EVALSHA_RO", "Not supported."},
    {"EVAL_RO", "Not supported."},
    {"EXEC", "Execute the commands queued since MULTI as one transaction."},
    {"EXISTS", "Count which of the keys exist."},
    {"EXPIRE", "Set a key's expiry, in seconds."},
    {"EXPIREAT", "Set a key's expiry to a time, in seconds."},
    {"EXPIRETIME", "Return when a key expires, in seconds."},
    {"FCALL", "Call a function: there are none."},
    {"FCALL_RO", "Call a function: there are none."},
    {"FLUSHALL", "Delete all keys."},
    {"FLUSHDB", "Delete all keys."},
    {"FUNCTION", "Manage functions: there are none."},
    {"GET", "Return a string."},
    {"GETBIT", "Return a bit of a string."},
    {"GETDEL", "Return a string and delete its key."},
    {"GETEX", "Return a string and change its key's expiry."},
    {"GETRANGE", "Return part of a string."},
    {"GETSET", "Set a string and return the old one."},
    {"HELLO", "Choose the protocol version, and log in."},
    {"INCR", "Increment an integer by one."},
    {"INCRBY", "Increment an integer by a number."},
    {"INCRBYFLOAT", "Increment a floating-point number."},
    {"INFO", "Describe the server."},
    {"KEYS", "Return the keys that match a pattern."},
    {"LASTSAVE", "Return when data was saved last: now."},
    {"LATENCY", "Look at latencies."},
    {"LCS", "Find the longest common subsequence of two strings."},
    {"LINDEX", "Return an element of a list."},
    {"LLEN", "Return the length of a list."},
    {"LPOP", "Remove and return the first elements of a list."},
    {"LPUSH", "Insert elements at a list's beginning."},
    {"LRANGE", "Return part of a list."},
    {"MEMORY", "Tell how much memory a key takes."},
    {"MGET", "Return several strings."},
    {"MSET", "Set several strings."},
    {"MSETNX", "Set several strings if none of the keys exists."},
    {"MULTI", "Begin a transaction: queue commands until EXEC."},
    {"OBJECT", "Describe how a value is kept."},
    {"PERSIST", "Remove a key's expiry."},
    {"PEXPIRE", "Set a key's expiry, in milliseconds."},
    {"PEXPIREAT", "Set a key's expiry to a time, in milliseconds."},
    {"PEXPIRETIME", "Return when a key expires, in milliseconds."},
    {"PING", "Return PONG."},
    {"PSETEX", "Set a string and its expiry, in milliseconds."},
    {"PTTL", "Return how long a key has to live, in milliseconds."},
    {"QUIT", "Close the connection."},
    {"RANDOMKEY", "Return some key."},
    {"RENAME", "Rename a key."},
    {"RENAMENX", "Rename a key if the new name is free."},
    {"RESET", "Make the connection as if it were new."},
    {"RESTORE", "Make a key of a serialized value."},
    {"ROLE", "Return the server's role in replication."},
    {"RPOP", "Remove and return the last elements of a list."},
    {"RPUSH", "Insert elements at a list's end."},
    {"SADD", "Add members to a set."},
    {"SCAN", "Iterate over the keys."},
    {"SCARD", "Return the number of members of a set."},
    {"SCRIPT", "Manage scripts: there are none."},
    {"SELECT", "Choose the database: there is only 0."},
    {"SET", "Set a string."},
    {"SETBIT", "Set or clear a bit of a string."},
    {"SETEX", "Set a string and its expiry, in seconds."},
    {"SETNX", "Set a string if the key does not exist."},
    {"SETRANGE", "Overwrite part of a string."},
    {"SHUTDOWN", "Stop the server."},
    {"SISMEMBER", "Tell whether a set has a member."},
    {"SLOWLOG", "Look at slow commands: not recorded."},
    {"SMEMBERS", "Return the members of a set."},
    {"SREM", "Remove members from a set."},
    {"STRLEN", "Return the length of a string."},
    {"SUBSTR", "Return part of a string."},
    {"TIME", "Return the server's time."},
    {"TOUCH", "Count which of the keys exist."},
    {"TTL", "Return how long a key has to live, in seconds."},
    {"TYPE", "Return the type of a value."},
    {"UNLINK", "Delete keys."},
    {"UNWATCH", "Watch no keys any more."},
    {"WAIT", "Wait for replicas: there are none."},
    {"WAITAOF", "Wait until this connection's writes are durable."},
    {"WATCH", "Make EXEC fail if one of the keys changes."},
  };

  private static final Map<String, String> BY_NAME = new HashMap<>();

  static {
    for (String[] summary : SUMMARIES) {
      BY_NAME.put(summary[0], summary[1]);
    }
  }

  private CommandSummaries() {}

  /** The sentence on a command; empty for one that has none. */
  static String of(String name) {
    return BY_NAME.getOrDefault(name, "");
  }
}
