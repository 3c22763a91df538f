/** The failures a caller can tell apart, and the typed rejection of untrusted bytes. */
package io.capsuledb.core.error;
