/** What trusted code reaches the outside through; implemented by shells and by the simulator. */
package io.capsuledb.core.port;
