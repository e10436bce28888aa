internal import ByteIO

/// Looks at the frames of a stream on their way to the engine.
///
/// The engine knows neither a link's desired capabilities nor a way to keep its frames below the
/// peer's limit when `OutboundFrames` lengthens them, so this reads the first and lowers the second.
/// Frames are judged at their length. Only open and attach are held until they are whole.
public struct InboundFrames: ~Copyable, Sendable {
  /// What comes next in the stream.
  public enum Piece: Equatable, Sendable {
    /// Nothing before more bytes come.
    case wait
    /// These bytes go to the engine as they are.
    case bytes(Range<Int>)
    /// A whole open, perhaps changed.
    case open([UInt8], maximumFrameSize: UInt32?)
    /// A whole attach.
    case attach([UInt8], name: String, desiredCapabilities: [String])
    /// The stream can't go on.
    case fault(AMQPFault)
  }

  /// How much below the peer's limit the engine's frames stay; see `OutboundFrames`.
  public static let reserve: UInt32 = 16
  /// Below it a peer's limit is left alone, and transfers are not lengthened.
  public static let smallestReserved: UInt32 = 4_096

  private let frameLimit: Int
  private var headerLeft = ProtocolHeader.byteCount
  private var frameLeft = 0
  private var hasOpened = false
  private var batchTags: [[UInt8]] = []
  private var endpoints = PeerEndpoints()

  /// Message format of several messages in one.
  public static let batchFormat: UInt32 = 0x8001_3700

  /// Creates the look at a stream that begins with the AMQP header.
  public init(frameLimit: Int) { self.frameLimit = frameLimit }

  /// Tags of deliveries that are several messages in one; they are forgotten here.
  ///
  /// The engine does not tell a delivery's message format.
  public mutating func takeBatchTags() -> [[UInt8]] {
    defer { batchTags = [] }
    return batchTags
  }

  /// The first fields of the list behind the descriptor of the performative in `head`.
  ///
  /// Nil where they are not what the AMQP types allow, or don't fit in a head.
  private func fields(_ head: Span<UInt8>, limit: Int) -> [AMQPValue]? {
    let body = Int(head[4]) * 4
    guard body < head.count else { return nil }
    var descriptor = AMQPReader(head.extracting(body..<head.count))
    guard (try? descriptor.descriptor()) != nil else { return nil }
    let list = body + descriptor.position
    guard list < head.count else { return nil }
    var count = 0
    var first = list + 1
    switch head[list] {
    case 0xC0:
      guard list + 3 <= head.count else { return nil }
      count = Int(head[list + 2])
      first = list + 3
    case 0xD0:
      guard list + 9 <= head.count else { return nil }
      count = Int(head[list + 8]) | (head[list + 5] | head[list + 6] | head[list + 7] > 0 ? 256 : 0)
      first = list + 9
    case 0x45: return []
    default: return nil
    }
    var found: [AMQPValue] = []
    var values = AMQPReader(head.extracting(first..<head.count))
    while found.count < min(count, limit) {
      guard let value = try? values.value() else { return nil }
      found.append(value)
    }
    return found
  }

  /// Judges a performative by what the peer has begun, and notes the tag of a batch.
  private mutating func judge(_ head: Span<UInt8>, code: UInt64) throws(AMQPFault) {
    let channel = UInt16(head[6]) << 8 | UInt16(head[7])
    switch code {
    case 0x11: try endpoints.begin(channel: channel)
    case 0x14:
      guard var fields = fields(head, limit: 6) else { throw .unexpectedType }
      // Behind them may be a state of any length; what stands there matters only to a part.
      if PeerEndpoints.saysMore(fields) {
        guard let all = self.fields(head, limit: 10) else { throw .unexpectedType }
        fields = all
      }
      let begins = try endpoints.transfer(channel: channel, fields: fields)
      if begins, fields.count > 3, case .uint(Self.batchFormat) = fields[3],
        case .binary(let tag) = fields[2]
      {
        batchTags.append(tag)
      }
    case 0x16:
      guard let fields = fields(head, limit: 1) else { throw .unexpectedType }
      try endpoints.detach(channel: channel, fields: fields)
    case 0x17: try endpoints.end(channel: channel)
    default: break
    }
  }

  /// The next piece at `position`, which moves behind it.
  public mutating func next(_ bytes: Span<UInt8>, from position: inout Int) -> Piece {
    let available = bytes.count - position
    if headerLeft > 0 || frameLeft > 0 {
      guard available > 0 else { return .wait }
      let count = min(available, headerLeft > 0 ? headerLeft : frameLeft)
      if headerLeft > 0 { headerLeft -= count } else { frameLeft -= count }
      defer { position += count }
      return .bytes(position..<position + count)
    }
    var reader = ByteReader(bytes)
    guard reader.skip(position), let size = reader.uint32() else { return .wait }
    guard size >= 8, size <= frameLimit else { return .fault(.frameSize(Int(size))) }
    // Frame header, the longest form of a descriptor, and the first fields of a transfer.
    let headCount = min(Int(size), 96)
    guard available >= headCount else { return .wait }
    let start = position
    let head = bytes.extracting(start..<start + headCount)
    let bodyStart = Int(head[4]) * 4
    guard bodyStart >= 8, bodyStart <= Int(size) else { return .fault(.frameSize(Int(size))) }
    // The engine steps over frames that it does not know; a peer that sends some is broken.
    guard head[5] == 0 else { return .fault(.unexpectedFrame) }
    let isEmpty = bodyStart == Int(size)
    let code = isEmpty ? 0 : code(head, at: bodyStart)
    guard isEmpty || 0x10...0x18 ~= code, code != 0x10 || !hasOpened else {
      return .fault(.unexpectedFrame)
    }
    do throws(AMQPFault) { try judge(head, code: code) } catch { return .fault(error) }
    guard code == 0x10 || code == 0x12 else {
      frameLeft = Int(size)
      return next(bytes, from: &position)
    }
    guard available >= Int(size) else { return .wait }
    position += Int(size)
    let frame = bytes.extracting(start..<position)
    do throws(AMQPFault) {
      if code == 0x12 { return try attach(frame) }
      hasOpened = true
      return try open(frame)
    } catch {
      return .fault(error)
    }
  }

  /// The descriptor of the performative that begins at `start`, 0 for none.
  private func code(_ head: Span<UInt8>, at start: Int) -> UInt64 {
    guard start < head.count else { return 0 }
    var reader = AMQPReader(head.extracting(start..<head.count))
    guard let descriptor = try? reader.descriptor(), start + reader.position < head.count,
      [0x45, 0xC0, 0xD0].contains(head[start + reader.position])
    else { return 0 }
    return AMQPReader.code(of: descriptor) ?? 0
  }

  private mutating func attach(_ frame: Span<UInt8>) throws(AMQPFault) -> Piece {
    var reader = AMQPReader(frame.extracting(Int(frame[4]) * 4..<frame.count))
    guard case .described(_, .list(let fields)) = try reader.value() else {
      throw .unexpectedType
    }
    guard let name = fields.first?.text else { throw .unexpectedType }
    try endpoints.attach(channel: UInt16(frame[6]) << 8 | UInt16(frame[7]), fields: fields)
    let capabilities = fields.count > 12 ? fields[12].multiple.compactMap(\.text) : []
    return .attach(frame.array(), name: name, desiredCapabilities: capabilities)
  }

  private func open(_ frame: Span<UInt8>) throws(AMQPFault) -> Piece {
    let start = Int(frame[4]) * 4
    var whole = AMQPReader(frame.extracting(start..<frame.count))
    guard case .described(_, .list(let fields)) = try whole.value() else { throw .unexpectedType }
    var frame = frame.array()
    guard fields.count > 2, case .uint(let maximum) = fields[2] else {
      return .open(frame, maximumFrameSize: nil)
    }
    guard maximum >= Self.smallestReserved else { return .open(frame, maximumFrameSize: maximum) }
    // The field's place: behind descriptor, list header, container and host name.
    var reader = AMQPReader(frame.span.extracting(start..<frame.count))
    _ = try reader.descriptor()
    let list = start + reader.position
    let first = list + (frame[list] == 0xD0 ? 9 : 3)
    var values = AMQPReader(frame.span.extracting(first..<frame.count))
    _ = try values.value()
    _ = try values.value()
    let place = first + values.position + 1
    let lowered = maximum - Self.reserve
    for index in 0..<4 {
      frame[place + index] = UInt8(truncatingIfNeeded: lowered >> (24 - 8 * UInt32(index)))
    }
    return .open(frame, maximumFrameSize: maximum)
  }
}
