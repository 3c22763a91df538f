/** What talks to replicas: links, the commands that ask them, and changes of their membership. */
@NullMarked
package io.capsuledb.host.replica;

import org.jspecify.annotations.NullMarked;
