public import MessageLog

/// The directory in which an edge keeps its queues: one directory of segments for each endpoint.
///
/// Called by the thread that owns the `EdgeStore` alone; its disks are shared with the readers.
public protocol StoreDisks {
  /// One endpoint's directory.
  associatedtype Disk: LogDisk

  /// The names of all endpoints' directories, in any order; not of those that were set aside.
  func list() throws(LogDiskFault) -> [String]

  /// The directory `name`, which is made, durably, if there is none.
  func disk(_ name: String) throws(LogDiskFault) -> Disk

  /// Removes the directory `name` with everything in it.
  ///
  /// If power goes meanwhile, what is left of it has to be gone, or to be the newest of its files.
  func remove(_ name: String) throws(LogDiskFault)

  /// Moves the directory `name`, which can't be read, to where a person may look at it.
  func setAside(_ name: String) throws(LogDiskFault)
}

/// The name of an endpoint's directory.
///
/// The endpoint's own name, with everything percent-coded that a file system or a shell might take
/// for something else.
enum StoreDirectory {
  /// What file systems take.
  static let maximumNameBytes = 255

  /// The directory of `endpoint`, nil if its name would be too long.
  static func name(of endpoint: String) -> String? {
    var bytes: [UInt8] = []
    for byte in endpoint.utf8 {
      if isPlain(byte), byte != UInt8(ascii: ".") || !bytes.isEmpty {
        bytes.append(byte)
      } else {
        bytes += [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)]
      }
    }
    guard !bytes.isEmpty, bytes.count <= maximumNameBytes else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The endpoint whose directory `name` is, nil if it is none's.
  static func endpoint(of name: String) -> String? {
    var bytes: [UInt8] = []
    var rest = name.utf8[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%") {
        guard let high = rest.popFirst().flatMap(value), let low = rest.popFirst().flatMap(value)
        else { return nil }
        bytes.append(high << 4 | low)
      } else {
        bytes.append(byte)
      }
    }
    let endpoint = String(decoding: bytes, as: UTF8.self)
    return self.name(of: endpoint) == name ? endpoint : nil
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
      UInt8(ascii: "."):
      true
    default: false
    }
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x41...0x46: digit - 0x37
    default: nil
    }
  }
}
