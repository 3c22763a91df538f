package io.capsuledb.scl.resp;

/**
 * A library as the capsule keeps it.
 *
 * @param name 1 to 64 letters, digits and underscores
 * @param version 1 for the first of its name, one more with each replacement
 * @param loadedAtMs when, in wall-clock milliseconds since 1970
 * @param loadedBy the user who loaded it; at most 255 bytes of UTF-8
 * @param code as it was loaded, first line included; at most 1 MiB of UTF-8
 */
record StoredLibrary(String name, long version, long loadedAtMs, String loadedBy, String code) {

  /** Whether a text is a library's name. */
  static boolean isName(String text) {
    return !text.isEmpty()
        && text.length() <= LibraryLayout.MAX_NAME_BYTES
        && text.chars()
            .allMatch(
                c ->
                    (c >= 'a' && c <= 'z')
                        || (c >= 'A' && c <= 'Z')
                        || (c >= '0' && c <= '9')
                        || c == '_');
  }
}
