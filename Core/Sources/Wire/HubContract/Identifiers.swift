/// The device ID's rules (contract §1.3).
public enum DeviceID {
  /// The most characters a device or module ID has.
  public static let maximumLength = 128

  /// Whether `text` may name a device: 1 to 128 ASCII letters, digits and ``- . + % _ # * ? ! ( ) , : = @ $ '``.
  public static func isValid(_ text: String) -> Bool { isValid(text.utf8) }

  /// Whether `bytes` may name a device.
  public static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
    (1...maximumLength).contains(bytes.count) && bytes.allSatisfy(isLegal)
  }

  /// Whether `byte` may stand in a device or module ID.
  static func isLegal(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "+"), UInt8(ascii: "%"), UInt8(ascii: "_"), UInt8(ascii: "#"),
      UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "!"), UInt8(ascii: "("),
      UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "="),
      UInt8(ascii: "@"), UInt8(ascii: "$"), UInt8(ascii: "'"):
      true
    default: false
    }
  }
}

/// The module ID's rules (contract §1.3).
public enum ModuleID {
  /// The module that runs an edge device's other modules.
  public static let edgeAgent = "$edgeAgent"
  /// The module that is an edge device's local hub.
  public static let edgeHub = "$edgeHub"

  /// Whether `text` may name a module, the two reserved ones included.
  ///
  /// Characters and length are those of a device ID. An ID that begins with `$` is valid only if it
  /// is one of the two that the hub makes.
  public static func isValid(_ text: String) -> Bool {
    DeviceID.isValid(text) && (text.utf8.first != UInt8(ascii: "$") || isReserved(text))
  }

  /// Whether a user may create a module of this name.
  public static func isValidForUsers(_ text: String) -> Bool {
    DeviceID.isValid(text) && text.utf8.first != UInt8(ascii: "$")
  }

  /// Whether `text` is one of the names that only the hub itself gives.
  public static func isReserved(_ text: String) -> Bool { text == edgeAgent || text == edgeHub }
}

/// The configuration ID's rules (contract §1.3).
public enum ConfigurationID {
  /// Whether `text` may name a configuration: 1 to 128 lower-case letters, digits and `- + % _ * ! '`.
  public static func isValid(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "%"), UInt8(ascii: "_"),
          UInt8(ascii: "*"), UInt8(ascii: "!"), UInt8(ascii: "'"):
          true
        default: false
        }
      }
  }
}

/// The scheduled job ID's rules (contract §1.3).
public enum JobID {
  /// Whether `text` may name a scheduled job: 1 to 64 lower-case letters, digits, `-` and `'`.
  public static func isValid(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "-"), UInt8(ascii: "'"):
          true
        default: false
        }
      }
  }
}
