public import ByteIO
internal import MessageLog

extension EdgeStore {
  /// Opens the queues that are in `disks`.
  ///
  /// What was found is in `findings`. A queue whose files can't be told from garbage is set aside
  /// and begins empty. `salt` has random bits; `crc` may bring a processor's own instruction. Throws
  /// `directory` or `queue` if the disk fails.
  public static func open(
    _ disks: Disks,
    configuration: EdgeStoreConfiguration = EdgeStoreConfiguration(),
    salt: UInt64,
    crc: CRC32C = CRC32C()
  ) throws(StoreFault) -> EdgeStore {
    var store = EdgeStore(disks, configuration, salt: salt, crc: crc)
    let names: [String]
    do throws(LogDiskFault) { names = try disks.list() } catch { throw .directory(error) }
    for name in names.sorted() {
      guard let endpoint = StoreDirectory.endpoint(of: name) else {
        store.findings.append(.foreignDirectory(name))
        continue
      }
      _ = try store.add(endpoint, directory: name)
    }
    return store
  }

  /// Makes the queues of `endpoints`, which each have a name once, and removes those of all others
  /// with what waits in them (edge contract section 7).
  ///
  /// Answers the number of each endpoint. It stays the same as long as the endpoint is there, and
  /// none is used again soon: messages that were routed before a change may come after it.
  /// `maxSizeBytes` is the new limit. A fault leaves the queues that were there as they were.
  public mutating func configure(
    _ endpoints: [String],
    maxSizeBytes: UInt64? = nil
  ) throws(StoreFault) -> [UInt16] {
    guard endpoints.count <= EdgeStoreConfiguration.maximumEndpointCount else {
      throw .tooManyEndpoints(limit: EdgeStoreConfiguration.maximumEndpointCount)
    }
    var directories: [String] = []
    for endpoint in endpoints {
      guard let name = StoreDirectory.name(of: endpoint) else { throw .endpointName(endpoint) }
      directories.append(name)
    }
    var numbers: [UInt16] = []
    for (endpoint, directory) in zip(endpoints, directories) {
      if let number = number(of: endpoint) {
        numbers.append(number)
      } else {
        numbers.append(try add(endpoint, directory: directory))
      }
    }
    self.maxSizeBytes = maxSizeBytes
    let wanted = Set(numbers)
    for index in queues.indices where !wanted.contains(UInt16(index)) { remove(index) }
    for directory in leftovers where !directories.contains(directory) {
      try? disks.remove(directory)
    }
    leftovers = []
    return numbers
  }

  /// The number of `endpoint`, nil if it has no queue.
  public func number(of endpoint: String) -> UInt16? {
    for case let queue? in queues where queue.endpoint == endpoint { return queue.number }
    return nil
  }

  /// The endpoints that have a queue.
  public var endpoints: [String] { queues.compactMap { $0?.endpoint } }

  private mutating func add(
    _ endpoint: String,
    directory: String
  ) throws(StoreFault) -> UInt16 {
    let number = try freeNumber()
    let isUpstream = endpoint == Self.upstream
    let layout = configuration.log(isUpstream: isUpstream, salt: salts.next())
    let queue = try open(endpoint, number: UInt16(number), directory: directory, layout)
    findings += queue.log.recovery.findings.map { .log(endpoint: endpoint, $0) }
    if number == queues.count { queues.append(queue) } else { queues[number] = queue }
    return UInt16(number)
  }

  private mutating func open(
    _ endpoint: String,
    number: UInt16,
    directory: String,
    _ layout: LogConfiguration,
    isSecondTry: Bool = false
  ) throws(StoreFault) -> Queue {
    let disk = try makeDisk(directory)
    do throws(LogFault) {
      return StoreQueue(
        endpoint: endpoint,
        number: number,
        directory: directory,
        disk: disk,
        log: try MessageLog.open(disk, configuration: layout, crc: crc),
        segmentBytes: layout.segmentBytes,
        configuration: configuration
      )
    } catch {
      guard !isSecondTry, error.isUnreadable else {
        throw .queue(endpoint: endpoint, error)
      }
      findings.append(.setAside(endpoint: endpoint, error))
      do throws(LogDiskFault) {
        try disks.setAside(directory)
      } catch {
        throw .directory(error)
      }
    }
    return try open(endpoint, number: number, directory: directory, layout, isSecondTry: true)
  }

  private func freeNumber() throws(StoreFault) -> Int {
    if queues.count <= Int(UInt16.max) { return queues.count }
    guard let free = queues.firstIndex(where: { $0 == nil }) else {
      throw .tooManyEndpoints(limit: queues.count)
    }
    return free
  }

  private func makeDisk(_ directory: String) throws(StoreFault) -> Disks.Disk {
    do throws(LogDiskFault) {
      return try disks.disk(directory)
    } catch {
      throw .directory(error)
    }
  }

  private mutating func remove(_ index: Int) {
    guard let directory = queues[index]?.directory else { return }
    // It closes its files.
    queues[index] = nil
    do throws(LogDiskFault) {
      try disks.remove(directory)
    } catch {
      leftovers.append(directory)
    }
  }
}

extension LogFault {
  /// Whether the files are nothing that this version can go on with.
  fileprivate var isUnreadable: Bool {
    switch self {
    case .headersLost, .formatVersion, .partitionCount: true
    default: false
    }
  }
}
