public import ByteIO

extension MessageLog {
  /// Opens the log in `disk`, or creates it if there is none.
  ///
  /// `crc` may bring a processor's own instruction. What was found is in `recovery`. If there is no
  /// room to go on writing, the log is open for reading and suspended. Throws `partitionCount` and
  /// `formatVersion` if the files are another log's, `headersLost` if they can't be told from
  /// garbage, `disk` if the disk fails.
  public static func open(
    _ disk: Disk,
    configuration: LogConfiguration,
    crc: CRC32C = CRC32C()
  ) throws(LogFault) -> MessageLog {
    var recoverer = LogRecoverer(disk: disk, configuration: configuration, crc: crc)
    do throws(LogDiskFault) {
      try recoverer.listSegments()
    } catch {
      throw .disk(error)
    }
    try recoverer.readHeaders()
    try recoverer.recoverSegments()
    var log = MessageLog(disk: disk, configuration: configuration, recovered: recoverer)
    do throws(LogFault) {
      try log.resume()
    } catch .full {
      // Readable; `append` and `resume` try again.
    } catch {
      throw error
    }
    return log
  }

  /// A log that stands at the end of what was recovered and has yet to begin a segment.
  private init(
    disk: Disk,
    configuration: LogConfiguration,
    recovered: borrowing LogRecoverer<Disk>
  ) {
    self.disk = disk
    self.configuration = configuration
    seal = recovered.seal
    segments = recovered.segments
    doomed = recovered.doomed
    committed = recovered.states
    committedEnd = recovered.end
    committedSegmentCount = recovered.segments.count
    recovery = recovered.report
    recovery.segmentCount = recovered.segments.count
    tail = LogTail(
      seal: recovered.seal,
      configuration: configuration,
      base: recovered.end,
      states: recovered.states
    )
    tail.skip(to: recovered.end)
    suspension = .full
  }
}
