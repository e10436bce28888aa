internal import ByteIO

/// Why an MQTT user name is refused (contract §3.1).
public enum UserNameFault: Error, Equatable, Sendable {
  /// It has this many bytes, more than `UserName.lengthLimit`.
  case tooLong(Int)
  /// There is no host before the first slash.
  case noHost
  /// The client ID does not follow the host: CONNACK code 2.
  case otherClientID
  /// This parameter's value is malformed or too long.
  case malformed(parameter: String)
  /// This parameter occurs twice.
  case duplicate(parameter: String)
}

/// The user name of a device's CONNECT: `<host>/<client ID>/?api-version=<v>&…` (contract §3.1).
///
/// Read with the help of the client ID, because `?` is a legal character of device IDs: the first
/// one may belong to the ID.
public struct UserName: Equatable, Sendable {
  /// The most bytes of a user name; stock clients need some 300.
  public static let lengthLimit = 4096
  /// The most bytes of a model ID.
  public static let modelIDLimit = 2048
  /// The most IDs of an authentication chain.
  public static let authChainLimit = 16

  /// The hub's name as the client wrote it; whether that is us is the caller's business.
  public let host: String
  /// The api-version, nil if there is none; unknown ones are accepted.
  public let apiVersion: String?
  /// Product information, for people only.
  public let deviceClientType: String?
  /// The device's model.
  public let modelID: String?
  /// From the child to the outermost edge device, for an edge hub that connects on behalf of a child.
  public let authChain: [String]?

  /// Reads a user name; `clientID` is the packet's, compared literally.
  public init(
    _ text: some Collection<UInt8>,
    clientID: some Collection<UInt8>
  ) throws(UserNameFault) {
    guard text.count <= Self.lengthLimit else { throw .tooLong(text.count) }
    let bytes = [UInt8](text)
    guard let slash = bytes.firstIndex(of: UInt8(ascii: "/")), slash > 0 else { throw .noHost }
    host = String(decoding: bytes[..<slash], as: UTF8.self)
    var rest = bytes[(slash + 1)...]
    guard rest.starts(with: clientID) else { throw .otherClientID }
    rest = rest.dropFirst(clientID.count)
    if rest.first == UInt8(ascii: "/") { rest = rest.dropFirst() }
    guard rest.isEmpty || rest.first == UInt8(ascii: "?") else { throw .otherClientID }
    var parameters: [String: String] = [:]
    for pair in rest.dropFirst().split(separator: UInt8(ascii: "&")) {
      let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
      let name = String(decoding: pair[..<equals], as: UTF8.self)
      guard Self.known.contains(name) else { continue }
      guard let decoded = PercentCoding.decode(pair[equals...].dropFirst()),
        let value = String(validating: decoded, as: UTF8.self)
      else { throw .malformed(parameter: name) }
      guard parameters.updateValue(value, forKey: name) == nil else {
        throw .duplicate(parameter: name)
      }
    }
    func value(_ name: String) -> String? { parameters[name].flatMap { $0.isEmpty ? nil : $0 } }
    apiVersion = value("api-version")
    deviceClientType = value("DeviceClientType")
    modelID = value("model-id")
    guard (modelID?.utf8.count ?? 0) <= Self.modelIDLimit else {
      throw .malformed(parameter: "model-id")
    }
    if let text = value("auth-chain") {
      guard let chain = Self.authChain(text) else { throw .malformed(parameter: "auth-chain") }
      authChain = chain
    } else {
      authChain = nil
    }
  }

  /// Reads the IDs of an auth-chain, which `;` separates.
  ///
  /// - Returns: The client IDs in their order; nil if one is none, or they are more than
  ///   `authChainLimit`.
  public static func authChain(_ text: String) -> [String]? {
    let chain = text.utf8.split(
      separator: UInt8(ascii: ";"),
      maxSplits: authChainLimit + 1,
      omittingEmptySubsequences: true
    ).map { String(Substring($0)) }
    guard chain.count <= authChainLimit, chain.allSatisfy({ IdentityKey(clientID: $0) != nil })
    else { return nil }
    return chain
  }

  /// Reads a user name; `clientID` is the packet's, compared literally.
  public init(_ text: String, clientID: String) throws(UserNameFault) {
    try self.init(text.utf8, clientID: clientID.utf8)
  }

  private static let known = ["api-version", "DeviceClientType", "model-id", "auth-chain"]
}
