/** What several parts of the host process do with files. */
@org.jspecify.annotations.NullMarked
package io.capsuledb.host.files;
