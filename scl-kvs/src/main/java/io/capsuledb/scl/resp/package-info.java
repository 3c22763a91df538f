/** The Redis protocol server: parser, replies, sessions, commands. */
package io.capsuledb.scl.resp;
