package io.capsuledb.core.crypto;

/** Holds the one curve implementation of the process; made when first asked for. */
final class BestSecp256k1 {

  static final Secp256k1 INSTANCE =
      switch (NativeSecp256k1.load()) {
        case NativeSecp256k1.Loaded(NativeSecp256k1 library) -> library;
        case NativeSecp256k1.Failed(String reason) -> new BouncyCastleSecp256k1(reason);
      };

  private BestSecp256k1() {}
}
