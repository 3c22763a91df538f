package io.capsuledb.replication.session;

import io.capsuledb.core.crypto.PublicKey;
import io.capsuledb.core.crypto.Secp256k1;
import io.capsuledb.core.port.Transport;
import java.nio.charset.StandardCharsets;

/** Offsets and lengths of the frames of a session, version 1; docs/format/session.md. */
final class SessionLayout {

  static final byte VERSION = 1;

  static final byte HELLO = 1;
  static final byte WELCOME = 2;
  static final byte FINISH = 3;
  static final byte DATA = 4;
  static final byte PING = 5;
  static final byte RESET = 6;

  static final int NONCE_BYTES = 32;
  static final int MAC_BYTES = 16;

  /** Every frame: kind, version, six zero bytes. */
  static final int KIND_AT = 0;

  static final int VERSION_AT = 1;
  static final int RESERVED_AT = 2;
  static final int PREFIX_BYTES = 8;

  /** Every frame but HELLO. */
  static final int SESSION_AT = PREFIX_BYTES;

  static final int HELLO_SHARE_AT = PREFIX_BYTES;
  static final int HELLO_NONCE_AT = HELLO_SHARE_AT + X25519.BYTES;
  static final int HELLO_BYTES = HELLO_NONCE_AT + NONCE_BYTES;

  static final int WELCOME_SHARE_AT = SESSION_AT + Long.BYTES;
  static final int WELCOME_NONCE_AT = WELCOME_SHARE_AT + X25519.BYTES;
  static final int WELCOME_IDENTITY_AT = WELCOME_NONCE_AT + NONCE_BYTES;
  static final int WELCOME_SIGNATURE_AT = WELCOME_IDENTITY_AT + PublicKey.BYTES;
  static final int WELCOME_MAC_AT = WELCOME_SIGNATURE_AT + Secp256k1.SIGNATURE_BYTES;
  static final int WELCOME_BYTES = WELCOME_MAC_AT + MAC_BYTES;

  static final int FINISH_IDENTITY_AT = SESSION_AT + Long.BYTES;
  static final int FINISH_SIGNATURE_AT = FINISH_IDENTITY_AT + PublicKey.BYTES;
  static final int FINISH_MAC_AT = FINISH_SIGNATURE_AT + Secp256k1.SIGNATURE_BYTES;
  static final int FINISH_BYTES = FINISH_MAC_AT + MAC_BYTES;

  /** DATA and PING. */
  static final int COUNTER_AT = SESSION_AT + Long.BYTES;

  static final int BODY_AT = COUNTER_AT + Long.BYTES;
  static final int OVERHEAD_BYTES = BODY_AT + MAC_BYTES;
  static final int MAX_BODY_BYTES = Transport.MAX_FRAME_BYTES - OVERHEAD_BYTES;

  static final int RESET_BYTES = SESSION_AT + Long.BYTES;

  static final byte[] TRANSCRIPT_TAG = tag("capsuledb/v1/hello/transcript");
  static final byte[] SERVER_TAG = tag("capsuledb/v1/hello/server");
  static final byte[] CLIENT_TAG = tag("capsuledb/v1/hello/client");
  static final byte[] CONFIRM_INFO = tag("capsuledb/v1/session/confirm-keys");
  static final byte[] FRAME_INFO = tag("capsuledb/v1/session/frame-keys");
  static final byte[] TO_SERVER_TAG = tag("capsuledb/v1/session/to-server");
  static final byte[] TO_CLIENT_TAG = tag("capsuledb/v1/session/to-client");

  private SessionLayout() {}

  private static byte[] tag(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
