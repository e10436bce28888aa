/// A property that the hub itself gives meaning to, by its key in a property bag (contract §3.4).
///
/// A key that begins with `$.` and is not among these is an ordinary application property of that
/// name: nothing that a client sends gets lost.
public enum SystemProperty: String, Sendable, CaseIterable {
  /// Message ID, at most 128 characters.
  case messageID = "$.mid"
  /// Correlation ID.
  case correlationID = "$.cid"
  /// User ID.
  case userID = "$.uid"
  /// Content type.
  case contentType = "$.ct"
  /// Content encoding.
  case contentEncoding = "$.ce"
  /// Where the message goes.
  case to = "$.to"
  /// Absolute expiry time, ISO 8601.
  case expiry = "$.exp"
  /// Name of the module output.
  case outputName = "$.on"
  /// Interface ID of security messages.
  case interfaceID = "$.ifid"
  /// Name of the component.
  case component = "$.sub"
  /// Schema of the message.
  case schema = "$.schema"
  /// Creation time.
  case creationTime = "$.ctime"
  /// Device on whose behalf an edge hub sends.
  case connectionDeviceID = "$.cdid"
  /// Module on whose behalf an edge hub sends.
  case connectionModuleID = "$.cmid"
  /// What an edge calls a message, so that a repetition is known as one: an extension of this hub.
  case edgeMessageID = "$.emid"
  /// Trace ID.
  case diagnosticID = "$.diagid"
  /// Trace context.
  case correlationContext = "$.diagctx"

  /// The system property of a key as it stands in a bag, or nil for an application property.
  ///
  /// Escapes are resolved on the way, since stock clients write `%24.mid`; nothing is allocated.
  public init?(encodedKey key: Span<UInt8>) {
    // "$" or "%": nearly every application property is told apart by its first byte.
    guard !key.isEmpty, key[0] == UInt8(ascii: "$") || key[0] == UInt8(ascii: "%") else {
      return nil
    }
    var cursor = PercentCursor(key)
    guard cursor.next() == UInt8(ascii: "$"), cursor.next() == UInt8(ascii: ".") else { return nil }
    var name: UInt64 = 0
    var count = 0
    while let byte = cursor.next() {
      // A NUL would vanish at the front of the integer.
      guard count < 7, byte != 0 else { return nil }
      name = name << 8 | UInt64(byte)
      count += 1
    }
    // The names' ASCII bytes, first byte highest: a switch over integers needs no text.
    switch name {
    case 0x6D_6964: self = .messageID
    case 0x63_6964: self = .correlationID
    case 0x75_6964: self = .userID
    case 0x6374: self = .contentType
    case 0x6365: self = .contentEncoding
    case 0x746F: self = .to
    case 0x65_7870: self = .expiry
    case 0x6F6E: self = .outputName
    case 0x6966_6964: self = .interfaceID
    case 0x73_7562: self = .component
    case 0x7363_6865_6D61: self = .schema
    case 0x63_7469_6D65: self = .creationTime
    case 0x6364_6964: self = .connectionDeviceID
    case 0x636D_6964: self = .connectionModuleID
    case 0x656D_6964: self = .edgeMessageID
    case 0x6469_6167_6964: self = .diagnosticID
    case 0x64_6961_6763_7478: self = .correlationContext
    default: return nil
    }
  }
}
