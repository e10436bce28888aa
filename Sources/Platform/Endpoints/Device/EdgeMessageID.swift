import ByteIO
import HubContract

/// Names a message among all that an edge has ever sent, so that a repetition is known as one.
package struct EdgeMessageID: Sendable, Hashable {
  /// Drawn at random when the edge's store was made.
  package let store: UInt64
  /// The message's number in the store.
  package let number: UInt64

  /// Bytes of the property's value: two numbers of 16 digits.
  package static let byteCount = 33

  package init(store: UInt64, number: UInt64) {
    self.store = store
    self.number = number
  }

  /// Reads the value of the property; nil for any other text.
  init?(_ text: Span<UInt8>) {
    guard text.count == Self.byteCount, text[16] == UInt8(ascii: "-"),
      let store = Self.number(text.extracting(0..<16)),
      let number = Self.number(text.extracting(17..<33))
    else { return nil }
    self.init(store: store, number: number)
  }

  private static func number(_ digits: Span<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for index in digits.indices {
      guard let digit = Hex.digit(digits[index]) else { return nil }
      value = value << 4 | UInt64(digit)
    }
    return value
  }

  /// What stands before the value.
  private static let name = Array("&\(SystemProperty.edgeMessageID.rawValue)=".utf8)

  /// Where the property begins with which `bag` ends, looked for from `start` on; nil if it ends with
  /// anything else.
  package static func start(in bag: Span<UInt8>, from start: Int) -> Int? {
    let mark = bag.count - byteCount - name.count
    guard mark >= start, name.indices.allSatisfy({ bag[mark + $0] == name[$0] }),
      EdgeMessageID(bag.extracting(mark + name.count..<bag.count)) != nil
    else { return nil }
    return mark
  }

  /// Appends the property to a bag.
  func append(to bag: inout [UInt8]) {
    bag.append(contentsOf: Self.name)
    Self.append(store, to: &bag)
    bag.append(UInt8(ascii: "-"))
    Self.append(number, to: &bag)
  }

  private static func append(_ value: UInt64, to bag: inout [UInt8]) {
    for shift in stride(from: 60, through: 0, by: -4) {
      bag.append(Hex.character(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xF))
    }
  }
}
