/** Key rotation: what a ROTATE record says, and which records count after it. */
package io.capsuledb.core.rotation;
