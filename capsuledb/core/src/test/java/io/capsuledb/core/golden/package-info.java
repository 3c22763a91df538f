/** Golden bytes of the formats, the capsule they are of, and the examples in docs/format. */
package io.capsuledb.core.golden;
