package io.capsuledb.scl.resp;

import io.capsuledb.core.auth.PasswordHash;
import io.capsuledb.core.port.Entropy;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * Tells whether a password is a user's.
 *
 * <p>Verifying is expensive on purpose, so successes are remembered by an HMAC of user and password
 * under a key that is random in each process and never leaves it: clients that reconnect together
 * cost nothing. Failures are not remembered, and an unknown user costs what the costliest known one
 * does, so time does not tell which users exist.
 *
 * <p>Thread-safe.
 */
final class Authenticator {

  private static final int MAX_REMEMBERED = 1024;
  private static final String ALGORITHM = "HmacSHA256";

  private static final byte[] TAG =
      "capsuledb.resp.authentication.v1".getBytes(StandardCharsets.US_ASCII);

  private final AclUsers users;
  private final SecretKeySpec key;
  private final @Nullable PasswordHash decoy;

  /** HMACs as Latin-1 text; guarded by itself. Oldest use first. */
  private final Map<String, AclUser> remembered =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, AclUser> eldest) {
          return size() > MAX_REMEMBERED;
        }
      };

  Authenticator(AclUsers users, Entropy entropy) {
    this.users = users;
    byte[] fresh = new byte[32];
    entropy.fill(fresh);
    this.key = new SecretKeySpec(fresh, ALGORITHM);
    java.util.Arrays.fill(fresh, (byte) 0);
    this.decoy = users.costliestHash();
  }

  /** The user, if this password was verified before; cheap enough for an event loop. */
  @Nullable AclUser remembered(byte[] name, byte[] password) {
    String mac = mac(name, password);
    synchronized (remembered) {
      return remembered.get(mac);
    }
  }

  /** The user, or null if there is none or the password is another. Takes long, see the class. */
  @Nullable AclUser verify(byte[] name, byte[] password) {
    AclUser user =
        name.length > AclUsers.MAX_NAME_CHARS
            ? null
            : users.user(new String(name, StandardCharsets.UTF_8));
    PasswordHash hash = user != null ? user.requiredPassword() : decoy;
    if (hash == null || !hash.verify(password) || user == null) {
      return null;
    }
    String mac = mac(name, password);
    synchronized (remembered) {
      remembered.put(mac, user);
    }
    return user;
  }

  private String mac(byte[] name, byte[] password) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      mac.update(TAG);
      // The length keeps (name, password) pairs apart that concatenate to the same bytes.
      mac.update((byte) (name.length >>> 24));
      mac.update((byte) (name.length >>> 16));
      mac.update((byte) (name.length >>> 8));
      mac.update((byte) name.length);
      mac.update(name);
      return new String(mac.doFinal(password), StandardCharsets.ISO_8859_1);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has " + ALGORITHM, e);
    }
  }
}
