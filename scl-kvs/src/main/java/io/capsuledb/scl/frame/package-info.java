/** What workers say to each other by untrusted multicast. */
@NullMarked
package io.capsuledb.scl.frame;

import org.jspecify.annotations.NullMarked;
