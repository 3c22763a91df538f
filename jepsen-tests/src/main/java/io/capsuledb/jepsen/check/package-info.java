/**
 * Checkers of histories. None knows anything of the product: they see what clients saw and nothing
 * else.
 */
package io.capsuledb.jepsen.check;
