/** How jqwik runs properties, in all modules. */
package io.capsuledb.core.properties;
