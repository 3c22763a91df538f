/** What evidence is judged by, and what comes of it. */
package io.capsuledb.host.attest.verdict;
