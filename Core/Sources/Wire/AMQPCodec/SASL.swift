internal import ByteIO

/// The four protocol headers that begin a stream (AMQP 1.0 part 2 §2.2, part 5 §5.2.1, §5.3.1).
public enum ProtocolHeader: UInt8, Sendable {
  /// AMQP itself.
  case amqp = 0
  /// TLS inside the connection; this stack has TLS outside.
  case tls = 2
  /// SASL.
  case sasl = 3

  /// Bytes of a header.
  public static let byteCount = 8

  /// The header's bytes.
  public var bytes: [UInt8] { [0x41, 0x4D, 0x51, 0x50, rawValue, 1, 0, 0] }

  /// Reads a header; nil for what is none.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount, let header = ProtocolHeader(rawValue: bytes[4]),
      bytes == header.bytes
    else { return nil }
    self = header
  }
}

/// What a client says to begin its authentication (part 5 §5.3.3.2).
public struct SASLInit: Equatable, Sendable {
  /// The mechanism that it chose.
  public var mechanism: String
  /// What the mechanism sends first.
  public var response: [UInt8]
  /// The host that it thinks it talks to.
  public var hostname: String?

  /// Creates a beginning.
  public init(mechanism: String, response: [UInt8] = [], hostname: String? = nil) {
    self.mechanism = mechanism
    self.response = response
    self.hostname = hostname
  }

  /// User name and password of mechanism PLAIN (RFC 4616); nil if the response is none.
  public var plain: (userName: String, password: [UInt8])? {
    let parts = response.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, let userName = String(validating: parts[1], as: UTF8.self),
      !userName.isEmpty
    else { return nil }
    return (userName, Array(parts[2]))
  }
}

/// One frame of the SASL layer (part 5 §5.3.3).
enum SASLFrame: Equatable {
  case mechanisms([String])
  case begin(SASLInit)
  case challenge([UInt8])
  case response([UInt8])
  case outcome(UInt8)

  /// Bytes of a frame at most.
  ///
  /// The document says 512; a token as PLAIN's password may take more.
  static let byteLimit = 8_192

  /// Reads the frame at `position`, nil while it is not whole.
  ///
  /// - Throws: What is wrong with it; a frame that is too long is refused at its length.
  static func next(
    _ bytes: Span<UInt8>,
    from position: inout Int
  ) throws(AMQPFault) -> SASLFrame? {
    var reader = ByteReader(bytes)
    guard reader.skip(position), let size = reader.uint32() else { return nil }
    guard size >= 8, size <= byteLimit else { throw .frameSize(Int(size)) }
    let end = position + Int(size)
    guard end <= bytes.count else { return nil }
    guard let offset = reader.uint8(), let type = reader.uint8(), offset >= 2,
      Int(offset) * 4 <= Int(size)
    else { throw .frameSize(Int(size)) }
    guard type == 1 else { throw .unexpectedFrame }
    let body = bytes.extracting(position + Int(offset) * 4..<end)
    position = end
    return try SASLFrame(body)
  }

  private init(_ body: Span<UInt8>) throws(AMQPFault) {
    var reader = AMQPReader(body)
    let code = AMQPReader.code(of: try reader.descriptor())
    guard case .list(let fields) = try reader.value() else { throw .unexpectedType }
    let first = fields.first ?? .null
    switch (code, first) {
    case (0x40, _): self = .mechanisms(first.multiple.compactMap(\.text))
    case (0x41, .symbol(let mechanism)):
      var begin = SASLInit(mechanism: mechanism)
      if fields.count > 1, case .binary(let response) = fields[1] { begin.response = response }
      if fields.count > 2 { begin.hostname = fields[2].text }
      self = .begin(begin)
    case (0x42, .binary(let bytes)): self = .challenge(bytes)
    case (0x43, .binary(let bytes)): self = .response(bytes)
    case (0x44, .ubyte(let code)): self = .outcome(code)
    default: throw .unexpectedFrame
    }
  }

  /// The frame's bytes.
  var bytes: [UInt8] {
    var writer = AMQPWriter()
    writer.bytes = [0, 0, 0, 0, 2, 1, 0, 0]
    switch self {
    case .mechanisms(let names):
      writer.descriptor(0x40)
      writer.list([.array(names.map { .symbol($0) })])
    case .begin(let begin):
      writer.descriptor(0x41)
      writer.list([
        .symbol(begin.mechanism), .binary(begin.response),
        begin.hostname.map { .string($0) } ?? .null,
      ])
    case .challenge(let bytes):
      writer.descriptor(0x42)
      writer.list([.binary(bytes)])
    case .response(let bytes):
      writer.descriptor(0x43)
      writer.list([.binary(bytes)])
    case .outcome(let code):
      writer.descriptor(0x44)
      writer.list([.ubyte(code), .null])
    }
    let size = UInt32(truncatingIfNeeded: writer.bytes.count)
    for index in 0..<4 {
      writer.bytes[index] = UInt8(truncatingIfNeeded: size >> (24 - 8 * UInt32(index)))
    }
    return writer.bytes
  }
}
