/// The rank of a message in its endpoint's queue (edge contract section 2.6): 0 goes first, 9 last
/// but one, and messages of routes that name no priority last.
public struct PriorityClass: Hashable, Comparable, Sendable {
  /// Number of classes.
  public static let count = 11
  /// The class of routes that name no priority.
  public static let `default` = PriorityClass(unchecked: 10)
  /// All classes, highest first.
  public static let all: [PriorityClass] = (0..<UInt8(count)).map { PriorityClass(unchecked: $0) }

  /// 0 to 10; also the number of the class's partition in the log.
  public let rawValue: UInt8

  init(unchecked rawValue: UInt8) { self.rawValue = rawValue }

  /// The class of a route's priority; whatever lies beyond 9 is the default.
  public init(priority: UInt32) { rawValue = priority > 9 ? 10 : UInt8(priority) }

  /// What the name of the class's queue has behind the endpoint's: nothing for the default, else
  /// `_Pri` and the priority (edge contract section 7).
  public var queueSuffix: String { self == .default ? "" : "_Pri\(rawValue)" }

  /// The value of the metrics' label `priority`.
  public var priority: UInt32 {
    self == .default ? EdgeRoute.defaultPriority : UInt32(rawValue)
  }

  var partition: UInt16 { UInt16(rawValue) }
  var index: Int { Int(rawValue) }

  /// Whether `first` goes before `second`.
  public static func < (first: PriorityClass, second: PriorityClass) -> Bool {
    first.rawValue < second.rawValue
  }
}
