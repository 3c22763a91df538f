/** Reports of runs. */
package io.capsuledb.jepsen.report;
