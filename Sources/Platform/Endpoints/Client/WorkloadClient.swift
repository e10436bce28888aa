import ByteIO
package import JSONTree

/// Asks the workload API for one module (edge contract section 4.4): what its key signs and encrypts,
/// and whom it trusts.
package struct WorkloadClient: Sendable {
  /// The module's name.
  package let moduleID: String
  private let client: LocalClient
  private let version: String

  /// A client of the module's socket; `close` it.
  ///
  /// - Parameters:
  ///   - address: Where the API is.
  ///   - moduleID: Who asks.
  ///   - version: The interface's version.
  package init(
    _ address: SocketAddressURI,
    moduleID: String,
    version: String = LocalClient.newestVersion
  ) {
    client = LocalClient(address)
    self.moduleID = moduleID
    self.version = version
  }

  package func close() async { await client.close() }

  /// A call of the interface; the segments of the path are encoded.
  package func call(
    _ method: String,
    _ path: [String],
    body: JSONValue? = nil
  ) async throws(LocalClient.Failure) -> JSONValue {
    try await client.call(method, path, version: version, body: body)
  }

  /// HMAC-SHA256 under the module's key.
  package func sign(
    _ message: [UInt8],
    generationID: String
  ) async throws(LocalClient.Failure) -> [UInt8] {
    let body: JSONValue = [
      "keyId": "primary", "algo": "HMACSHA256", "data": .string(Base64.encode(message)),
    ]
    return try Self.bytes(try await keyed("sign", generationID, body), "digest")
  }

  /// Encrypts for this module's generation alone.
  package func encrypt(
    _ plaintext: [UInt8],
    vector: [UInt8],
    generationID: String
  ) async throws(LocalClient.Failure) -> [UInt8] {
    let body: JSONValue = [
      "plaintext": .string(Base64.encode(plaintext)),
      "initializationVector": .string(Base64.encode(vector)),
    ]
    return try Self.bytes(try await keyed("encrypt", generationID, body), "ciphertext")
  }

  /// What `encrypt` was given.
  package func decrypt(
    _ ciphertext: [UInt8],
    vector: [UInt8],
    generationID: String
  ) async throws(LocalClient.Failure) -> [UInt8] {
    let body: JSONValue = [
      "ciphertext": .string(Base64.encode(ciphertext)),
      "initializationVector": .string(Base64.encode(vector)),
    ]
    return try Self.bytes(try await keyed("decrypt", generationID, body), "plaintext")
  }

  /// What clients of the local hub trust, PEM.
  package func trustBundle() async throws(LocalClient.Failure) -> String {
    let answer = try await call("GET", ["trust-bundle"])
    guard let pem = answer["certificate"]?.stringValue else { throw Self.malformed }
    return pem
  }

  private func keyed(
    _ name: String,
    _ generationID: String,
    _ body: JSONValue
  ) async throws(LocalClient.Failure) -> JSONValue {
    try await call("POST", ["modules", moduleID, "genid", generationID, name], body: body)
  }

  /// What is said of an answer that lacks what it should have.
  package static let malformed = LocalClient.Failure(
    status: nil,
    "the workload API's answer is not what it should be"
  )

  private static func bytes(
    _ answer: JSONValue,
    _ name: String
  ) throws(LocalClient.Failure) -> [UInt8] {
    guard let bytes = answer[name]?.stringValue.flatMap({ Base64.decode($0) }) else {
      throw malformed
    }
    return bytes
  }
}
