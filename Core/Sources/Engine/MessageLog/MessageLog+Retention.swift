extension MessageLog {
  /// Removes the segments that the retention rule no longer keeps, oldest first, never the active
  /// one; answers how many.
  ///
  /// `now` is in milliseconds since 1970. Publish a new `view` afterwards. A cursor that stood in a
  /// removed segment goes on at the first kept record and says so. Throws `disk` if a file can't be
  /// removed; its records are gone from the log nevertheless, and opening finds the file again.
  public mutating func expire(now: UInt64) throws(LogFault) -> Int {
    var count = 0
    while isOldestExpired(now: now), try removeOldest() { count += 1 }
    return count
  }

  private func isOldestExpired(now: UInt64) -> Bool {
    guard committedSegmentCount > 1, segments.count > 1 else { return false }
    if let byteCount = configuration.retention.byteCount,
      committedEnd - segments[0].base > byteCount
    {
      return true
    }
    guard let age = configuration.retention.ageMilliseconds else { return false }
    // The states at the next segment's start know the newest record up to there.
    let newest = segments[1].states.reduce(0) { max($0, $1.lastTime) }
    return newest < now && now - newest > age
  }
}
