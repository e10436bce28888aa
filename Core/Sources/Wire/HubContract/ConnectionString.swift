/// Why a connection string is refused; the cases name keys, never values.
public enum ConnectionStringFault: Error, Equatable, Sendable {
  /// There is no text.
  case empty
  /// It ends with a semicolon, which the stock clients refuse.
  case trailingSemicolon
  /// The part of this index, counted from 0, is not `Key=Value`.
  case notAPair(index: Int)
  /// The part of this index has a key that is not known; keys are case-sensitive.
  case unknownKey(String, index: Int)
  /// This key occurs twice.
  case duplicateKey(String)
  /// This key is missing or its value is empty.
  case missing(key: String)
  /// This key's value is not what it should be.
  case malformed(key: String)
  /// These two keys exclude each other.
  case conflict(String, String)
}

extension ConnectionStringFault: CustomStringConvertible {
  /// What is wrong and how to mend it.
  public var description: String {
    switch self {
    case .empty: "the connection string is empty"
    case .trailingSemicolon: "the connection string ends with ';'; remove it"
    case .notAPair(let index): "part \(index + 1) of the connection string is not Key=Value"
    case .unknownKey(let key, let index):
      "part \(index + 1) of the connection string has the unknown key '\(key)'"
    case .duplicateKey(let key): "the connection string has '\(key)' twice; keep one"
    case .missing(let key): "the connection string has no '\(key)'; add it"
    case .malformed(let key): "the value of '\(key)' in the connection string is not valid"
    case .conflict(let first, let second):
      "the connection string has both '\(first)' and '\(second)'; keep one"
    }
  }
}

/// A connection string of one of the forms of contract §2.3.
public enum ConnectionString: Equatable, Sendable {
  /// What a device or module proves itself with.
  public enum Credential: Equatable, Sendable {
    /// A key.
    case key(SymmetricKey)
    /// A certificate (`x509=true`).
    case certificate
  }

  /// A device's or module's, through `gateway` if it has one.
  case identity(host: String, IdentityKey, Credential, gateway: String?)
  /// A service's, with the rights of a policy.
  case policy(host: String, name: String, key: SymmetricKey)
  /// The built-in event endpoint's; `entity` is the name of the event stream.
  case events(host: String, policy: String, key: SymmetricKey, entity: String?)

  private static let keys = [
    "HostName", "DeviceId", "ModuleId", "SharedAccessKeyName", "SharedAccessKey", "x509",
    "GatewayHostName", "Endpoint", "EntityPath",
  ]

  /// Reads a connection string, as strictly as the stock clients do.
  public init(_ text: String) throws(ConnectionStringFault) {
    guard !text.isEmpty else { throw .empty }
    guard text.utf8.last != UInt8(ascii: ";") else { throw .trailingSemicolon }
    var fields = Fields()
    let parts = text.utf8.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else {
        throw .notAPair(index: index)
      }
      let key = String(Substring(part[..<equals]))
      guard Self.keys.contains(key) else {
        // A key pasted without its name must not end up in a message.
        throw .unknownKey(key.utf8.count <= 32 ? key : "...", index: index)
      }
      let value = String(Substring(part[equals...].dropFirst()))
      guard fields.values.updateValue(value, forKey: key) == nil else { throw .duplicateKey(key) }
    }
    if fields.values["Endpoint"] != nil {
      self = try fields.events()
    } else if fields.values["DeviceId"] != nil {
      self = try fields.identity()
    } else {
      self = try fields.policy()
    }
  }

  /// The text, key included, in the order of contract §2.3.
  ///
  /// Not the description, so that it is never printed by accident.
  public var text: String {
    switch self {
    case .identity(let host, let identity, let credential, let gateway):
      let module = identity.moduleID.map { ";ModuleId=\($0)" } ?? ""
      let secret =
        switch credential {
        case .key(let key): ";SharedAccessKey=\(key.base64)"
        case .certificate: ";x509=true"
        }
      let through = gateway.map { ";GatewayHostName=\($0)" } ?? ""
      return "HostName=\(host);DeviceId=\(identity.deviceID)\(module)\(secret)\(through)"
    case .policy(let host, let name, let key):
      return "HostName=\(host);SharedAccessKeyName=\(name);SharedAccessKey=\(key.base64)"
    case .events(let host, let policy, let key, let entity):
      let path = entity.map { ";EntityPath=\($0)" } ?? ""
      return
        "Endpoint=sb://\(host)/;SharedAccessKeyName=\(policy);SharedAccessKey=\(key.base64)\(path)"
    }
  }

  private struct Fields {
    var values: [String: String] = [:]

    func identity() throws(ConnectionStringFault) -> ConnectionString {
      let host = try required("HostName")
      try refuse(["SharedAccessKeyName", "EntityPath"], with: "DeviceId")
      let deviceID = try required("DeviceId")
      guard DeviceID.isValid(deviceID) else { throw .malformed(key: "DeviceId") }
      let moduleID = try optional("ModuleId")
      guard moduleID.map(ModuleID.isValid) ?? true else { throw .malformed(key: "ModuleId") }
      let identity = IdentityKey(deviceID: deviceID, moduleID: moduleID)
      let gateway = try optional("GatewayHostName")
      guard let certificate = values["x509"] else {
        return .identity(host: host, identity, .key(try key()), gateway: gateway)
      }
      try refuse(["SharedAccessKey"], with: "x509")
      guard SASResource.lowercase(certificate) == "true" else { throw .malformed(key: "x509") }
      return .identity(host: host, identity, .certificate, gateway: gateway)
    }

    func policy() throws(ConnectionStringFault) -> ConnectionString {
      let host = try required("HostName")
      guard values["SharedAccessKeyName"] != nil else { throw .missing(key: "DeviceId") }
      try refuse(
        ["ModuleId", "x509", "GatewayHostName", "EntityPath"],
        with: "SharedAccessKeyName"
      )
      return .policy(host: host, name: try required("SharedAccessKeyName"), key: try key())
    }

    func events() throws(ConnectionStringFault) -> ConnectionString {
      try refuse(["HostName", "DeviceId", "ModuleId", "x509", "GatewayHostName"], with: "Endpoint")
      let endpoint = SASResource(decoded: try required("Endpoint"))
      guard endpoint.scheme == "sb", !endpoint.host.isEmpty, endpoint.segments.isEmpty else {
        throw .malformed(key: "Endpoint")
      }
      return .events(
        host: endpoint.host,
        policy: try required("SharedAccessKeyName"),
        key: try key(),
        entity: try optional("EntityPath")
      )
    }

    private func key() throws(ConnectionStringFault) -> SymmetricKey {
      guard let key = SymmetricKey(base64: try required("SharedAccessKey")) else {
        throw .malformed(key: "SharedAccessKey")
      }
      return key
    }

    private func required(_ key: String) throws(ConnectionStringFault) -> String {
      guard let value = values[key], !value.isEmpty else { throw .missing(key: key) }
      return value
    }

    private func optional(_ key: String) throws(ConnectionStringFault) -> String? {
      guard values[key] != nil else { return nil }
      return try required(key)
    }

    private func refuse(_ others: [String], with key: String) throws(ConnectionStringFault) {
      for other in others where values[other] != nil { throw .conflict(key, other) }
    }
  }
}

extension ConnectionString: CustomStringConvertible {
  /// The text without the key.
  public var description: String {
    switch self {
    case .identity(let host, let identity, let credential, _):
      let kind =
        switch credential {
        case .key: "key"
        case .certificate: "certificate"
        }
      return "ConnectionString(\(identity) at \(host), \(kind))"
    case .policy(let host, let name, _): return "ConnectionString(policy \(name) at \(host))"
    case .events(let host, let policy, _, let entity):
      return "ConnectionString(events \(entity ?? "-") at \(host), policy \(policy))"
    }
  }
}
