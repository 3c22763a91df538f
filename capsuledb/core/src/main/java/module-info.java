import org.jspecify.annotations.NullMarked;

/** Records, names, keys, errors, and the ports; see docs/ARCHITECTURE.md. */
@NullMarked
module io.capsuledb.core {
  requires static transitive org.jspecify;
  requires java.management;
  requires com.amazon.corretto.crypto.provider;
  requires org.bouncycastle.provider;
  requires secp256k1.kmp.jni.common;

  exports io.capsuledb.core.auth;
  exports io.capsuledb.core.bytes;
  exports io.capsuledb.core.capsule;
  exports io.capsuledb.core.crypto;
  exports io.capsuledb.core.epoch;
  exports io.capsuledb.core.error;
  exports io.capsuledb.core.keys;
  exports io.capsuledb.core.port;
  exports io.capsuledb.core.proof;
  exports io.capsuledb.core.record;
  exports io.capsuledb.core.rotation;
  exports io.capsuledb.core.seal;
  exports io.capsuledb.core.system;
}
