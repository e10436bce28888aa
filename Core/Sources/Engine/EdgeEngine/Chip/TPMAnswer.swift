internal import ByteIO

/// What a TPM 2.0 chip answers to a command.
public struct TPMAnswer: Equatable, Sendable {
  /// Why there is no answer.
  public enum Fault: Error, Equatable, Sendable {
    /// The chip refuses, with this response code (TPM 2.0 Library, Part 2, 6.6).
    case refused(UInt32)
    /// What came is no answer to the command.
    case malformed

    /// Whether there is nothing at the handle that the command named.
    public var isMissing: Bool {
      guard case .refused(let code) = self else { return false }
      // TPM_RC_HANDLE of any handle.
      return code & 0x0BF == 0x08B
    }
  }

  /// Bytes of the longest answer.
  public static let byteLimit = 4_096
  /// Bytes in front of every answer; the size of the whole is among them.
  public static let headByteCount = 10

  /// The handles it begins with.
  public let handles: [UInt32]
  /// The sized values at its beginning, without their sizes; what is no such value ends them.
  public let sized: [[UInt8]]

  /// The size of the whole answer that begins with `head`; nil for something that is none.
  public static func byteCount(_ head: Span<UInt8>) -> Int? {
    var reader = ByteReader(head)
    guard reader.uint16() != nil, let size = reader.uint32(),
      (headByteCount...byteLimit).contains(Int(size))
    else { return nil }
    return Int(size)
  }

  /// Reads the answer to `command`.
  public init(_ bytes: Span<UInt8>, to command: TPMCommand) throws(Fault) {
    var reader = ByteReader(bytes)
    guard let tag = reader.uint16(), let size = reader.uint32(), Int(size) == bytes.count,
      let code = reader.uint32()
    else { throw .malformed }
    guard code == 0 else { throw .refused(code) }
    var handles: [UInt32] = []
    for _ in 0..<command.answerHandles {
      guard let handle = reader.uint32() else { throw .malformed }
      handles.append(handle)
    }
    var end = bytes.count
    if tag == 0x8002 {
      guard let count = reader.uint32(), Int(count) <= reader.remaining else { throw .malformed }
      end = reader.position + Int(count)
    }
    self.handles = handles
    var sized: [[UInt8]] = []
    while reader.position + 2 <= end, let count = reader.uint16(),
      reader.position + Int(count) <= end, let range = reader.range(Int(count))
    {
      sized.append(bytes.extracting(range).array())
    }
    self.sized = sized
  }
}

/// A key as the provisioning service sends it to a chip: what `TPMCommand.activate` and `importObject`
/// take.
public struct TPMKeyPackage: Equatable, Sendable {
  /// The credential, which holds the key of the inner wrapper.
  public let credential: [UInt8]
  /// The encrypted seed of the credential.
  public let credentialSeed: [UInt8]
  /// The object, encrypted.
  public let object: [UInt8]
  /// Its encrypted seed.
  public let objectSeed: [UInt8]
  /// Its public area.
  public let publicArea: [UInt8]

  /// Bytes of the longest package.
  public static let byteLimit = 4_096

  /// Reads the five parts, each behind its size; nil if they are not there.
  ///
  /// What stands behind them is of no use here.
  public init?(_ bytes: Span<UInt8>) {
    guard bytes.count <= Self.byteLimit else { return nil }
    var reader = ByteReader(bytes)
    var parts: [[UInt8]] = []
    for _ in 0..<5 {
      guard let count = reader.uint16(), count > 0, let range = reader.range(Int(count)) else {
        return nil
      }
      parts.append(bytes.extracting(range).array())
    }
    (credential, credentialSeed) = (parts[0], parts[1])
    (object, objectSeed, publicArea) = (parts[2], parts[3], parts[4])
  }
}
