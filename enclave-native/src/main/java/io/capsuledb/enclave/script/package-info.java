/**
 * Runs JavaScript that nobody vouches for: compile once, run many times, each time with limits and
 * without leftovers of another run. Begin with {@link io.capsuledb.enclave.script.ScriptEngine};
 * what scripts see is in docs/procedures.md.
 */
package io.capsuledb.enclave.script;
