internal import ByteIO

/// Topics of those below an edge hub, on the edge hub's own connection: an extension of this hub.
///
/// A topic of a child stands behind `$orrery/for/{device}/`, that of a module behind
/// `$orrery/for/{device}/modules/{module}/`, with the IDs percent-encoded. So one connection carries
/// the twins, methods and cloud-to-device messages of all children.
public enum ChildTopics {
  /// The filter that gives an edge hub the answers to what it asks for children, and notices about
  /// them.
  public static let answers = "$orrery/for/#"

  /// What stands before each topic of `identity`.
  public static func prefix(of identity: IdentityKey) -> [UInt8] {
    var text = "$orrery/for/\(PercentCoding.encode(identity.deviceID))/"
    if let module = identity.moduleID { text += "modules/\(PercentCoding.encode(module))/" }
    return [UInt8](text.utf8)
  }

  /// Whose topic this is, and where its own part begins.
  ///
  /// - Parameter topic: a topic or a filter.
  /// - Returns: the identity and the start of the rest; nil if it is no topic of a child, or an ID is
  ///   none.
  public static func split(_ topic: Span<UInt8>) -> (identity: IdentityKey, start: Int)? {
    guard topic.starts(with: "$orrery/for/"), let device = segment(topic, from: 12) else {
      return nil
    }
    var key = IdentityKey(deviceID: device.text)
    var start = device.end
    if topic.extracting(start...).starts(with: "modules/") {
      guard let module = segment(topic, from: start + 8) else { return nil }
      key = IdentityKey(deviceID: device.text, moduleID: module.text)
      start = module.end
    }
    return key.isValid ? (key, start) : nil
  }

  /// One decoded level that a slash ends, and where the next begins.
  private static func segment(
    _ topic: Span<UInt8>,
    from start: Int
  ) -> (text: String, end: Int)? {
    var end = start
    while end < topic.count, topic[end] != UInt8(ascii: "/") { end += 1 }
    guard end < topic.count, end > start,
      let bytes = PercentCoding.decode(topic.extracting(start..<end).array()),
      let text = String(validating: bytes, as: UTF8.self)
    else { return nil }
    return (text, end + 1)
  }
}
