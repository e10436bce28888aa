/// Where a receiver of events begins, as its source's filter says (contract §8.3).
///
/// `amqp.annotation.x-opt-offset > '4352'`, likewise with `x-opt-sequence-number` and the enqueued
/// time; `>` or `>=`, the value with or without quotes.
public enum EventSelector: Equatable, Sendable {
  /// At the oldest kept event.
  case earliest
  /// Behind the newest event, or with it.
  case latest(isInclusive: Bool)
  /// Behind the event with this offset, or with it.
  case offset(UInt64, isInclusive: Bool)
  /// Behind the event with this number, or with it; -1 is before the first.
  case sequence(Int64, isInclusive: Bool)
  /// Behind this time in milliseconds since 1970, or at it.
  case enqueuedTime(Int64, isInclusive: Bool)

  /// The name of the filter, and its descriptor.
  public static let filterName = "apache.org:selector-filter:string"
  /// The descriptor as a number.
  public static let filterCode: UInt64 = 0x0000_468C_0000_0004

  /// Reads a selector; nil for one that is none of these.
  public init?(_ text: String) {
    let prefix = "amqp.annotation."
    var rest = Substring(text.utf8.filter { $0 != 0x20 && $0 != 0x09 }.map(Self.character).joined())
    guard rest.hasPrefix(prefix) else { return nil }
    rest = rest.dropFirst(prefix.count)
    guard let sign = rest.firstIndex(of: ">") else { return nil }
    let name = rest[..<sign]
    rest = rest[sign...].dropFirst()
    let isInclusive = rest.first == "="
    if isInclusive { rest = rest.dropFirst() }
    if rest.utf8.count >= 2, rest.first == "'", rest.last == "'" {
      rest = rest.dropFirst().dropLast()
    }
    let value = String(rest)
    switch name {
    case "x-opt-offset": self.init(offset: value, isInclusive)
    case "x-opt-sequence-number":
      guard let number = Self.number(value), number >= -1 else { return nil }
      self = .sequence(number, isInclusive: isInclusive)
    case "x-opt-enqueued-time", "x-opt-enqueuedtimeutc":
      guard let time = Self.number(value) else { return nil }
      self = .enqueuedTime(time, isInclusive: isInclusive)
    default: return nil
    }
  }

  private init?(offset text: String, _ isInclusive: Bool) {
    switch text {
    case "-1": self = .earliest
    case "@latest": self = .latest(isInclusive: isInclusive)
    default:
      guard let offset = Self.number(text), offset >= 0 else { return nil }
      self = .offset(UInt64(offset), isInclusive: isInclusive)
    }
  }

  /// Only digits behind a sign that is at most a minus: other spellings of a number are none here.
  private static func number(_ text: String) -> Int64? {
    let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int64(text)
  }

  private static func character(_ byte: UInt8) -> String {
    String(decoding: [(0x41...0x5A).contains(byte) ? byte | 0x20 : byte], as: UTF8.self)
  }
}
