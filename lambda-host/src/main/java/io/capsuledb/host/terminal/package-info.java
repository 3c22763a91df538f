/** Standard streams, progress and prompts: what commands share to talk to people and programs. */
package io.capsuledb.host.terminal;
