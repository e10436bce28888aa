extension MessageLog {
  /// Writes the batches of one turn and commits them.
  ///
  /// `append` appends the batch of an index below `count`. A batch that finds the group full goes
  /// into the next one, so that there may be several commits; each speaks for its own batches alone.
  ///
  /// Answers the fault of each batch that is not in the log, nil for those that are durable.
  public mutating func write(
    count: Int,
    _ append: (inout MessageLog, Int) throws(LogFault) -> Void
  ) -> [LogFault?] {
    var faults: [LogFault?] = Array(repeating: nil, count: count)
    // The first batch of which no commit has told yet.
    var open = 0
    for index in 0..<count {
      do throws(LogFault) {
        try append(&self, index)
      } catch .groupFull {
        commit(open..<index, &faults)
        open = index
        do throws(LogFault) {
          try append(&self, index)
        } catch {
          faults[index] = error
        }
      } catch {
        faults[index] = error
      }
    }
    commit(open..<count, &faults)
    return faults
  }

  /// Commits the batches of `range`; a failure is that of all that were appended.
  private mutating func commit(_ range: Range<Int>, _ faults: inout [LogFault?]) {
    do throws(LogFault) {
      try commit()
    } catch {
      for index in range where faults[index] == nil { faults[index] = error }
    }
  }
}
