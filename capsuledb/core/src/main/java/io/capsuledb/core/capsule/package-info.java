/** The capsule as a whole: its name and signed metadata, who may write in it, who can read it. */
package io.capsuledb.core.capsule;
