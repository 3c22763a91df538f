/**
 * Launching programs on attested workers: messages, and the step functions of leader and scheduler;
 * see docs/launch.md.
 */
package io.capsuledb.host.launch;
