/** One node: its keys, store, engine and servers, started and stopped in the right order. */
package io.capsuledb.host.node;
