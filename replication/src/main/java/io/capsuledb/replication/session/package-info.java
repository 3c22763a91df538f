/**
 * Authenticated sessions over links nobody trusts: {@link io.capsuledb.replication.session.Session}
 * is the state machine, {@link io.capsuledb.replication.session.Messenger} what processes use;
 * docs/format/session.md has the bytes, docs/threat-model.md the argument.
 */
@NullMarked
package io.capsuledb.replication.session;

import org.jspecify.annotations.NullMarked;
