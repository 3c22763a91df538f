/**
 * Seeded bugs: the real code with one thing wrong, and the properties that have to find it.
 *
 * <p>Nothing of this is in the product: a class loader of these tests changes one method of one
 * class as it is loaded.
 */
package io.capsuledb.jepsen.mutants;
