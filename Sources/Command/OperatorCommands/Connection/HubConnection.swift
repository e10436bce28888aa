package import HubContract

/// Where a hub is, what to present to it, and whom to trust.
package struct HubConnection: Sendable, Equatable {
  /// Name or address of the hub, without a port.
  package var host: String
  /// Port of its REST interface.
  package var httpsPort: Int
  /// Port of MQTT over TLS, for simulated devices.
  package var mqttPort: Int
  /// The shared access policy.
  package var policy: String
  /// One of the policy's keys.
  package var key: SymmetricKey
  /// PEM file of the authorities to trust; nil trusts the system's.
  package var trustAnchors: String?
  /// Where the hub tells operators how it is, nil if that is not known: it listens on loopback.
  package var adminURL: String?
  /// What allows there to make backups; nil if that is not known.
  package var adminToken: String?

  /// The ID scope that devices name to be provisioned; nil if that is not known.
  package var idScope: String?

  /// The port of REST that stock clients know (contract §1).
  package static let defaultHTTPSPort = 443
  /// The port of MQTT over TLS that stock clients know (contract §1).
  package static let defaultMQTTPort = 8883

  /// Creates a connection.
  package init(
    host: String,
    httpsPort: Int = defaultHTTPSPort,
    mqttPort: Int = defaultMQTTPort,
    policy: String,
    key: SymmetricKey,
    trustAnchors: String? = nil
  ) {
    self.host = host
    self.httpsPort = httpsPort
    self.mqttPort = mqttPort
    self.policy = policy
    self.key = key
    self.trustAnchors = trustAnchors
  }

  /// Reads a policy's connection string, whose `HostName` may have a port.
  ///
  /// `origin` says where the text comes from, for the message.
  package init(connectionString text: String, origin: String) throws(CommandFailure) {
    let parsed: ConnectionString
    do throws(ConnectionStringFault) {
      parsed = try ConnectionString(text)
    } catch {
      // Without either it may be a device's as well as a policy's, and devices' are of no use here.
      let isNeither = error == .missing(key: "DeviceId")
      let fault = isNeither ? .missing(key: "SharedAccessKeyName") : error
      throw CommandFailure(.usage, "\(origin): \(fault)", remedy: Self.example)
    }
    guard case .policy(let hostName, let policy, let key) = parsed else {
      throw CommandFailure(
        .usage,
        "\(origin): this is no policy's connection string but another kind",
        remedy: Self.example
      )
    }
    guard let (host, port) = Self.split(hostName) else {
      throw CommandFailure(.usage, "\(origin): '\(hostName)' is no host name with a port")
    }
    self.init(host: host, httpsPort: port ?? Self.defaultHTTPSPort, policy: policy, key: key)
  }

  /// Takes `name`, `name:port` or `[address]:port` apart; nil for a port that is none.
  package static func split(_ text: String) -> (host: String, port: Int?)? {
    if text.hasPrefix("["), let bracket = text.firstIndex(of: "]") {
      let host = String(text[text.index(after: text.startIndex)..<bracket])
      let rest = text[text.index(after: bracket)...]
      if rest.isEmpty { return (host, nil) }
      guard rest.first == ":", let port = port(rest.dropFirst()) else { return nil }
      return (host, port)
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    // More than one colon is an IPv6 address without brackets.
    guard parts.count == 2 else { return text.isEmpty ? nil : (text, nil) }
    guard !parts[0].isEmpty, let port = port(parts[1]) else { return nil }
    return (String(parts[0]), port)
  }

  private static func port(_ text: Substring) -> Int? {
    guard let number = UInt16(text), number > 0 else { return nil }
    return Int(number)
  }

  private static let example =
    "It looks like HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey=…"

  /// The host as a URL has it.
  package var urlHost: String { host.contains(":") ? "[\(host)]" : host }
}
