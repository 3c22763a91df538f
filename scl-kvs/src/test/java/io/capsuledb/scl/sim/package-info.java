@org.jspecify.annotations.NullMarked
package io.capsuledb.scl.sim;
