/** What a user may set: addresses, files and limits, from flags and from TOML files. */
package io.capsuledb.host.config;
