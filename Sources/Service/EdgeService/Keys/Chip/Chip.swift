import ByteIO
@preconcurrency import Dispatch
import EdgeEngine
import Platform

/// The machine's TPM 2.0: proves which machine this is, and keeps keys that sign and never leave it.
final class Chip: Sendable {
  /// The chip refuses, or cannot be reached.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The public areas of the keys that others know the chip by, each with its size in front.
  struct Identity: Sendable {
    let endorsementKey, storageRootKey: [UInt8]
  }

  /// A key of the chip, as it is kept outside: of use to this chip alone.
  struct Wrapped: Equatable, Sendable {
    let privatePart, publicArea: [UInt8]
  }

  /// Where the keys are that other programs on the machine use too (TCG TPM v2.0 Provisioning Guidance).
  private static let endorsementHandle: UInt32 = 0x8101_0001
  private static let storageHandle: UInt32 = 0x8100_0001

  private let settings: ChipSettings
  private let queue = DispatchQueue(label: "orrery.edge.chip")

  init(_ settings: ChipSettings) { self.settings = settings }

  /// Reads the chip's keys; makes and keeps those that are not there.
  func identity() async throws -> Identity {
    try await perform { [settings] channel in
      Identity(
        endorsementKey: try Self.publicArea(
          Self.endorsementHandle,
          TPMCommand.endorsementTemplate,
          .endorsement,
          settings.endorsementAuthorization,
          settings,
          channel
        ),
        storageRootKey: try Self.publicArea(
          Self.storageHandle,
          TPMCommand.storageTemplate,
          .owner,
          settings.ownerAuthorization,
          settings,
          channel
        )
      )
    }
  }

  /// Takes a key that was encrypted to this chip.
  func activate(_ package: TPMKeyPackage) async throws -> Wrapped {
    try await perform { [settings] channel in
      let nonce = Entropy.bytes(16)
      let session = try Self.handle(channel.perform(.startPolicy(nonce: nonce)))
      let wrapKey: [UInt8]
      do {
        _ = try channel.perform(
          .policySecret(
            session: session,
            authorization: Array(settings.endorsementAuthorization.utf8)
          )
        )
        let answer = try channel.perform(
          .activate(
            Self.storageHandle,
            key: Self.endorsementHandle,
            session: session,
            credential: package.credential,
            secret: package.credentialSeed
          )
        )
        wrapKey = try Self.value(answer)
      } catch {
        _ = try? channel.perform(.flush(session))
        throw error
      }
      let imported = try channel.perform(
        .importObject(
          under: Self.storageHandle,
          wrapKey: wrapKey,
          publicArea: package.publicArea,
          object: package.object,
          seed: package.objectSeed
        )
      )
      return Wrapped(privatePart: try Self.value(imported), publicArea: package.publicArea)
    }
  }

  /// HMAC-SHA256 of `message` under a key of the chip.
  func sign(_ message: [UInt8], with key: Wrapped) async throws -> [UInt8] {
    guard message.count <= TPMCommand.messageLimit else {
      throw Failure(description: "a TPM signs at most \(TPMCommand.messageLimit) bytes at once")
    }
    return try await perform { channel in
      let loaded = try Self.handle(
        channel.perform(
          .load(
            under: Self.storageHandle,
            privatePart: key.privatePart,
            publicArea: key.publicArea
          )
        )
      )
      defer { _ = try? channel.perform(.flush(loaded)) }
      return try Self.value(channel.perform(.hmac(message, key: loaded)))
    }
  }

  private func perform<Value: Sendable>(
    _ body: @escaping @Sendable (ChipChannel) throws -> Value
  ) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      // Commands block, some for seconds: not on a thread of the tasks.
      queue.async { [settings] in
        do {
          continuation.resume(returning: try body(ChipChannel(settings.address)))
        } catch let fault as TPMAnswer.Fault {
          continuation.resume(throwing: Failure(description: Self.text(fault)))
        } catch {
          continuation.resume(throwing: Failure(description: "\(error)"))
        }
      }
    }
  }

  private static func text(_ fault: TPMAnswer.Fault) -> String {
    switch fault {
    case .malformed: "the TPM's answer makes no sense"
    case .refused(let code):
      "the TPM refuses with code 0x\(String(code, radix: 16)) (tpm2_rc_decode explains it)"
    }
  }

  private static func publicArea(
    _ handle: UInt32,
    _ template: [UInt8],
    _ hierarchy: TPMCommand.Hierarchy,
    _ authorization: String,
    _ settings: ChipSettings,
    _ channel: ChipChannel
  ) throws -> [UInt8] {
    do {
      return sized(try value(channel.perform(.readPublic(handle))))
    } catch let fault as TPMAnswer.Fault where fault.isMissing {
      let made = try self.handle(
        channel.perform(
          .createPrimary(template, in: hierarchy, authorization: Array(authorization.utf8))
        )
      )
      defer { _ = try? channel.perform(.flush(made)) }
      _ = try channel.perform(
        .persist(made, at: handle, authorization: Array(settings.ownerAuthorization.utf8))
      )
      return sized(try value(channel.perform(.readPublic(handle))))
    }
  }

  private static func handle(_ answer: TPMAnswer) throws(TPMAnswer.Fault) -> UInt32 {
    guard let handle = answer.handles.first else { throw .malformed }
    return handle
  }

  private static func value(_ answer: TPMAnswer) throws(TPMAnswer.Fault) -> [UInt8] {
    guard let value = answer.sized.first, !value.isEmpty else { throw .malformed }
    return value
  }

  static func sized(_ bytes: [UInt8]) -> [UInt8] {
    let count = UInt16(clamping: bytes.count)
    return [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)] + bytes
  }
}

extension Chip.Wrapped {
  /// The form in which it is kept.
  var stored: [UInt8] { Chip.sized(privatePart) + Chip.sized(publicArea) }

  /// Reads `stored`; nil for anything else.
  init?(stored bytes: [UInt8]) {
    var reader = ByteReader(bytes.span)
    guard let count = reader.uint16(), let first = reader.range(Int(count)),
      let next = reader.uint16(), let second = reader.range(Int(next)), reader.remaining == 0
    else { return nil }
    self.init(privatePart: Array(bytes[first]), publicArea: Array(bytes[second]))
  }
}

/// A key that the chip keeps.
struct ChipKey: SigningKey {
  let chip: Chip
  let key: Chip.Wrapped

  func sign(_ message: [UInt8]) async throws -> [UInt8] { try await chip.sign(message, with: key) }
}
