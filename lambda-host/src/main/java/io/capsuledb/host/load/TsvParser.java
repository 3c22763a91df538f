package io.capsuledb.host.load;

import io.capsuledb.core.error.InvalidRequestException;

/** Tab-separated keys and values, as {@link TsvFields} writes them. */
final class TsvParser implements LineParser {

  @Override
  public LoadOperation parse(byte[] buffer, int start, int end) {
    int tab = start;
    while (tab < end && buffer[tab] != '\t') {
      tab++;
    }
    if (tab == end) {
      throw new InvalidRequestException("there is no tab between a key and a value");
    }
    for (int i = tab + 1; i < end; i++) {
      if (buffer[i] == '\t') {
        throw new InvalidRequestException("there is a second tab: inside a value it is \\t");
      }
    }
    return LoadOperation.set(
        LineParser.checkedKey(TsvFields.read(buffer, start, tab)),
        LineParser.checkedValue(TsvFields.read(buffer, tab + 1, end)),
        0);
  }
}
