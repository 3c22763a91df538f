/** The key-value engine over one capsule: {@link io.capsuledb.engine.CapsuleDb} is the way in. */
package io.capsuledb.engine;
