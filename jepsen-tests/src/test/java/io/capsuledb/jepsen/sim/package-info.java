/**
 * {@code capsule sim}: the simulations of all modules under one command. They are tests, and so is
 * this; the product's jars hold nothing of it.
 */
package io.capsuledb.jepsen.sim;
