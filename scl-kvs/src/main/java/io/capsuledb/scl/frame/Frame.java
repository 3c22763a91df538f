package io.capsuledb.scl.frame;

/**
 * A frame that was opened: its sender holds the frame key.
 *
 * @param sender the worker that sent it
 * @param receiver whom it is for; 0: everybody
 * @param counter grows with each frame of the sender
 * @param message what it says
 */
public record Frame(long sender, long receiver, long counter, SclMessage message) {}
