import ByteIO
import EdgeEngine
import HubContract
import JSONTree
import Platform

/// The last accepted configuration, encrypted, for a start without network (edge contract section
/// 3.2).
struct ConfigurationBackup: Sendable {
  let path: String
  let keys: any AgentKeys

  /// What is kept, nil if nothing is.
  func read() async throws -> (desired: JSONObject, version: Int64)? {
    guard PrivateFile.exists(path) else { return nil }
    let file = try JSON.parse(try PrivateFile.read(path), limits: .stored)
    guard let iv = file["initializationVector"]?.stringValue.flatMap(Base64.decode),
      let ciphertext = file["ciphertext"]?.stringValue.flatMap(Base64.decode)
    else { throw JSONFault.unexpectedEnd(offset: 0) }
    let plaintext = try await keys.decrypt(ciphertext, initializationVector: iv)
    let content = try JSON.parse(plaintext, limits: .stored)
    guard let desired = content["desired"]?.objectValue else {
      throw JSONFault.unexpectedEnd(offset: 0)
    }
    return (desired, content["version"]?.int64Value ?? 0)
  }

  /// Keeps a configuration.
  func write(_ desired: JSONObject, version: Int64) async throws {
    let content: JSONValue = ["version": .int(version), "desired": .object(desired)]
    let iv = Entropy.bytes(16)
    let ciphertext = try await keys.encrypt(JSON.bytes(content), initializationVector: iv)
    let file: JSONValue = [
      "initializationVector": .string(Base64.encode(iv)),
      "ciphertext": .string(Base64.encode(ciphertext)),
    ]
    try PrivateFile.replace(path, with: JSON.bytes(file))
  }
}
