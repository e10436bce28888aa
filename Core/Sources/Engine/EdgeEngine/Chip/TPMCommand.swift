internal import ByteIO

/// A command for a TPM 2.0 chip, of those that provisioning needs (TPM 2.0 Library, Part 3).
public struct TPMCommand: Equatable, Sendable {
  /// What has an authorization value besides objects.
  public enum Hierarchy: UInt32, Sendable {
    /// The owner's, for storage keys.
    case owner = 0x4000_0001
    /// The endorsement hierarchy.
    case endorsement = 0x4000_000B
  }

  /// Longest message of `hmac`; every chip takes that much.
  public static let messageLimit = 1_024
  private static let sha256: UInt16 = 0x000B
  private static let noHandle: UInt32 = 0x4000_0007
  private static let passwordSession: UInt32 = 0x4000_0009

  /// The whole command.
  public let bytes: [UInt8]
  /// Handles that its answer begins with.
  let answerHandles: Int

  private init(
    _ code: UInt32,
    handles: [UInt32] = [],
    authorizations: [[UInt8]] = [],
    parameters: [UInt8] = [],
    answerHandles: Int = 0
  ) {
    self.answerHandles = answerHandles
    let area = authorizations.flatMap { $0 }
    var body = handles.flatMap(Self.word)
    if !area.isEmpty { body += Self.word(UInt32(clamping: area.count)) + area }
    body += parameters
    // Tag: with sessions or without.
    let head: UInt16 = area.isEmpty ? 0x8001 : 0x8002
    bytes = Self.half(head) + Self.word(UInt32(clamping: body.count + 10)) + Self.word(code) + body
  }

  /// TPM2_ReadPublic: the public area of an object, which is `TPMAnswer.sized` 0.
  public static func readPublic(_ object: UInt32) -> TPMCommand {
    TPMCommand(0x173, handles: [object])
  }

  /// TPM2_CreatePrimary of a key with this public area; its handle is `TPMAnswer.handles` 0.
  public static func createPrimary(
    _ template: [UInt8],
    in hierarchy: Hierarchy,
    authorization: [UInt8]
  ) -> TPMCommand {
    TPMCommand(
      0x131,
      handles: [hierarchy.rawValue],
      authorizations: [password(authorization)],
      // No authorization value and no data; nothing outside; no PCRs.
      parameters: sized(sized([]) + sized([])) + sized(template) + sized([]) + word(0),
      answerHandles: 1
    )
  }

  /// TPM2_EvictControl: keeps a transient object at a persistent handle.
  public static func persist(
    _ object: UInt32,
    at handle: UInt32,
    authorization: [UInt8]
  ) -> TPMCommand {
    TPMCommand(
      0x120,
      handles: [Hierarchy.owner.rawValue, object],
      authorizations: [password(authorization)],
      parameters: word(handle)
    )
  }

  /// TPM2_StartAuthSession of a policy; its handle is `TPMAnswer.handles` 0.
  public static func startPolicy(nonce: [UInt8]) -> TPMCommand {
    TPMCommand(
      0x176,
      handles: [noHandle, noHandle],
      parameters: sized(nonce) + sized([]) + [1] + half(0x0010) + half(sha256),
      answerHandles: 1
    )
  }

  /// TPM2_PolicySecret: whoever knows the endorsement hierarchy's authorization value.
  public static func policySecret(session: UInt32, authorization: [UInt8]) -> TPMCommand {
    TPMCommand(
      0x151,
      handles: [Hierarchy.endorsement.rawValue, session],
      authorizations: [password(authorization)],
      parameters: sized([]) + sized([]) + sized([]) + word(0)
    )
  }

  /// TPM2_ActivateCredential: the secret is `TPMAnswer.sized` 0, and the policy session ends.
  public static func activate(
    _ object: UInt32,
    key: UInt32,
    session: UInt32,
    credential: [UInt8],
    secret: [UInt8]
  ) -> TPMCommand {
    TPMCommand(
      0x147,
      handles: [object, key],
      authorizations: [password([]), word(session) + sized([]) + [0] + sized([])],
      parameters: sized(credential) + sized(secret)
    )
  }

  /// TPM2_Import of an object whose inner wrapper is AES-128-CFB under `wrapKey`; its private part for
  /// this chip is `TPMAnswer.sized` 0.
  public static func importObject(
    under parent: UInt32,
    wrapKey: [UInt8],
    publicArea: [UInt8],
    object: [UInt8],
    seed: [UInt8]
  ) -> TPMCommand {
    TPMCommand(
      0x156,
      handles: [parent],
      authorizations: [password([])],
      parameters: sized(wrapKey) + sized(publicArea) + sized(object) + sized(seed)
        + half(0x0006) + half(128) + half(0x0043)
    )
  }

  /// TPM2_Load; the handle is `TPMAnswer.handles` 0.
  public static func load(
    under parent: UInt32,
    privatePart: [UInt8],
    publicArea: [UInt8]
  ) -> TPMCommand {
    TPMCommand(
      0x157,
      handles: [parent],
      authorizations: [password([])],
      parameters: sized(privatePart) + sized(publicArea),
      answerHandles: 1
    )
  }

  /// TPM2_HMAC with SHA-256, of at most `messageLimit` bytes; it is `TPMAnswer.sized` 0.
  public static func hmac(_ message: [UInt8], key: UInt32) -> TPMCommand {
    TPMCommand(
      0x155,
      handles: [key],
      authorizations: [password([])],
      parameters: sized(message) + half(sha256)
    )
  }

  /// TPM2_FlushContext of a transient object or a session.
  public static func flush(_ handle: UInt32) -> TPMCommand {
    TPMCommand(0x165, parameters: word(handle))
  }

  /// The public area of an endorsement key, RSA 2048 (TCG EK Credential Profile, template L-1).
  public static let endorsementTemplate: [UInt8] = {
    let policy: [UInt8] = [
      0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC, 0x8D, 0x46, 0xA5, 0xD7,
      0x24,
      0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52, 0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69,
      0xAA,
    ]
    return storageKey(attributes: 0x0003_00B2, policy: policy)
  }()

  /// The public area of a storage root key, RSA 2048.
  public static let storageTemplate = storageKey(attributes: 0x0003_0472, policy: [])

  private static func storageKey(attributes: UInt32, policy: [UInt8]) -> [UInt8] {
    half(0x0001) + half(sha256) + word(attributes) + sized(policy)
      // AES-128-CFB; no scheme; 2048 bits; the usual exponent.
      + half(0x0006) + half(128) + half(0x0043) + half(0x0010) + half(2_048) + word(0)
      + sized([UInt8](repeating: 0, count: 256))
  }

  private static func password(_ value: [UInt8]) -> [UInt8] {
    word(passwordSession) + sized([]) + [1] + sized(value)
  }

  private static func half(_ value: UInt16) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
  }

  private static func word(_ value: UInt32) -> [UInt8] {
    half(UInt16(truncatingIfNeeded: value >> 16)) + half(UInt16(truncatingIfNeeded: value))
  }

  private static func sized(_ bytes: [UInt8]) -> [UInt8] {
    half(UInt16(clamping: bytes.count)) + bytes
  }
}
