/** Passwords of people and programs, as they may be stored. */
package io.capsuledb.core.auth;
