/**
 * The key hierarchy: words to seed (BIP 39), seed to keys (BIP 32), the paths CapsuleDB uses, and
 * the owner's key at rest.
 */
package io.capsuledb.core.keys;
